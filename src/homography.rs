//! Row-major 3x3 homographies between normalised points.

use crate::geometry::BBox;

/// Leaves every point where it is.
pub const IDENTITY: [f64; 9] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];

/// First `first`, then `second`, scaled so that the last number is 1 where it can be.
pub fn compose(second: &[f64; 9], first: &[f64; 9]) -> [f64; 9] {
    let product = |i: usize| (0..3).map(|k| second[i / 3 * 3 + k] * first[k * 3 + i % 3]).sum::<f64>();
    scaled(std::array::from_fn(product))
}

/// The way back, or `None` where there is none.
pub fn inverse(h: &[f64; 9]) -> Option<[f64; 9]> {
    let minor = |r: usize, c: usize| {
        let at = |i: usize, j: usize| h[(r + i) % 3 * 3 + (c + j) % 3];
        at(1, 1) * at(2, 2) - at(1, 2) * at(2, 1)
    };
    let determinant = (0..3).map(|c| h[c] * minor(0, c)).sum::<f64>();
    let largest = h.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    if !determinant.is_finite() || determinant.abs() <= largest.powi(3) * 1e-12 {
        return None;
    }
    Some(scaled(std::array::from_fn(|i| minor(i % 3, i / 3) / determinant)))
}

/// Where a point goes; infinite or NaN for points that go nowhere.
pub fn apply(h: &[f64; 9], [x, y]: [f64; 2]) -> [f64; 2] {
    let w = h[6] * x + h[7] * y + h[8];
    [(h[0] * x + h[1] * y + h[2]) / w, (h[3] * x + h[4] * y + h[5]) / w]
}

/// Where a box goes, as near its centre: upright, and as wide and as high as its axes become long. `None` when it
/// goes nowhere.
pub fn apply_box(h: &[f64; 9], bbox: &BBox) -> Option<BBox> {
    if *h == IDENTITY {
        return Some(*bbox);
    }
    let (x, y) = bbox.center();
    let (x, y) = (f64::from(x), f64::from(y));
    let depth = h[6] * x + h[7] * y + h[8];
    let [to_x, to_y] = apply(h, [x, y]);
    // How the place moves when the point does: the derivative of a quotient.
    let slope = |row: usize, to: f64, k: usize| (h[row * 3 + k] - to * h[6 + k]) / depth;
    let width = f64::from(bbox.width()) * slope(0, to_x, 0).hypot(slope(1, to_y, 0));
    let height = f64::from(bbox.height()) * slope(0, to_x, 1).hypot(slope(1, to_y, 1));
    let there = BBox::from_center(to_x as f32, to_y as f32, width as f32, height as f32);
    there.is_valid().then_some(there)
}

/// A homography of pixels as one of normalised points, for pictures of the same size on both sides.
pub fn normalised(h: &[f64; 9], width: f64, height: f64) -> [f64; 9] {
    let to_pixels = [width, 0.0, 0.0, 0.0, height, 0.0, 0.0, 0.0, 1.0];
    let back = [1.0 / width, 0.0, 0.0, 0.0, 1.0 / height, 0.0, 0.0, 0.0, 1.0];
    compose(&back, &compose(h, &to_pixels))
}

fn scaled(h: [f64; 9]) -> [f64; 9] {
    if h[8] == 0.0 || !h[8].is_finite() { h } else { h.map(|v| v / h[8]) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_flattens_has_no_way_back() {
        assert_eq!(inverse(&[0.0; 9]), None);
        assert_eq!(inverse(&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]), None);
        assert_eq!(inverse(&[f64::NAN; 9]), None);
        assert_eq!(inverse(&IDENTITY), Some(IDENTITY));
    }

    #[test]
    fn a_shift_by_pixels() {
        let shift = [1.0, 0.0, 64.0, 0.0, 1.0, -18.0, 0.0, 0.0, 1.0];
        assert_eq!(apply(&normalised(&shift, 640.0, 360.0), [0.5, 0.5]), [0.6, 0.45]);
    }

    #[test]
    fn a_box_is_moved_zoomed_and_turned() {
        let bbox = BBox::new(0.25, 0.25, 0.5, 0.75);
        let zoom = [2.0, 0.0, 0.125, 0.0, 2.0, -0.25, 0.0, 0.0, 1.0];
        assert_eq!(apply_box(&zoom, &bbox), Some(BBox::new(0.625, 0.25, 1.125, 1.25)));
        let quarter = [0.0, -1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        assert_eq!(apply_box(&quarter, &bbox), Some(BBox::new(0.375, 0.125, 0.625, 0.625)));
        assert_eq!(apply_box(&[0.0; 9], &bbox), None);
    }

    proptest! {
        #[test]
        fn there_and_back(h in prop::array::uniform8(-0.3..0.3f64), x in 0.0..1.0f64, y in 0.0..1.0f64) {
            let h: [f64; 9] = std::array::from_fn(|i| IDENTITY[i] + h.get(i).copied().unwrap_or(0.0) * 0.5);
            let back = inverse(&h).unwrap();
            let there = apply(&h, [x, y]);
            let again = apply(&back, there);
            prop_assert!((again[0] - x).abs() < 1e-9 && (again[1] - y).abs() < 1e-9);
            let nowhere = compose(&back, &h);
            prop_assert!(nowhere.iter().zip(IDENTITY).all(|(a, b)| (a - b).abs() < 1e-9));
        }
    }
}
