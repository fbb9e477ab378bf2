//! Parts of the picture that are not looked at.

use std::sync::Arc;

use crate::luma::Luma;
use crate::rules::{Point, in_polygon};

use super::warp::Grid;

/// The most polygons, and the most points of one.
const MOST_POLYGONS: usize = 64;
const MOST_POINTS: usize = 256;

/// Reads polygons: points `x,y` in units of the frame with spaces between them, polygons with semicolons.
///
/// # Errors
/// What is wrong, and how it is written.
pub fn polygons(text: &str) -> Result<Arc<[Vec<Point>]>, String> {
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    let polygons: Arc<[Vec<Point>]> = parts.map(polygon).collect::<Result<_, _>>()?;
    if polygons.len() > MOST_POLYGONS {
        return Err(format!("there are {} polygons, at most {MOST_POLYGONS} are kept", polygons.len()));
    }
    Ok(polygons)
}

fn polygon(text: &str) -> Result<Vec<Point>, String> {
    let points: Vec<Point> = text.split_whitespace().map(point).collect::<Result<_, _>>()?;
    if !(3..=MOST_POINTS).contains(&points.len()) {
        return Err(format!("{text:?} has {} points, a polygon has 3 to {MOST_POINTS}", points.len()));
    }
    Ok(points)
}

fn point(text: &str) -> Result<Point, String> {
    let number = |text: &str| text.parse().ok().filter(|v: &f64| v.abs() <= 10.0);
    let both = text.split_once(',').and_then(|(x, y)| Some([number(x)?, number(y)?]));
    both.ok_or_else(|| {
        format!(
            "{text:?} is no point: write x,y in units of the frame, as in \"0,0 0.3,0 0.3,0.1 0,0.1\", and ; between \
             polygons"
        )
    })
}

/// Which pixels these are.
#[derive(Clone, Debug, Default)]
pub(super) struct Ignored {
    /// What they were worked out from.
    polygons: Arc<[Vec<Point>]>,
    size: (usize, usize),
    pixels: Vec<u32>,
}

impl Ignored {
    /// Makes them unknown.
    pub(super) fn blot(&mut self, picture: &mut Luma, grid: &Grid, polygons: &Arc<[Vec<Point>]>) {
        let size = (picture.width, picture.height);
        if self.size != size || !Arc::ptr_eq(&self.polygons, polygons) {
            (self.size, self.polygons) = (size, polygons.clone());
            self.pixels.clear();
            let inside = |at: &usize| {
                let point = grid.unit([(at % size.0) as f64, (at / size.0) as f64]);
                polygons.iter().any(|polygon| in_polygon(polygon, point))
            };
            self.pixels.extend((0..size.0 * size.1).filter(inside).map(|at| at as u32));
        }
        for pixel in &self.pixels {
            picture.data[*pixel as usize] = f32::NAN;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polygons_are_read() {
        let read = polygons(" 0,0 0.5,0 0.5,.25; 0,0  1,0 1,1 0,1 ;").unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0], [[0.0, 0.0], [0.5, 0.0], [0.5, 0.25]]);
        assert_eq!(polygons("").unwrap().len(), 0);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, told) in [
            ("0,0 1,1", "has 2 points"),
            ("0,0 1,x 1,1", "\"1,x\" is no point"),
            ("0 0 1", "is no point"),
            ("0,0 1,0 nan,1", "is no point"),
            ("0,0 1,0 99,1", "is no point"),
        ] {
            let error = polygons(text).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        let many = "0,0 1,0 1,1;".repeat(65);
        assert!(polygons(&many).unwrap_err().contains("65 polygons"));
    }
}
