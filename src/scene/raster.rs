//! Polygons as rows of coverage.

/// Lines that a row of pixels is looked at along.
const LINES: usize = 4;
/// What a whole pixel on one line counts.
const UNIT: f32 = 256.0 / LINES as f32;

/// Finds how much of each pixel a polygon covers. It keeps its memory.
#[derive(Debug, Default)]
pub(super) struct Raster {
    corners: Vec<[f32; 2]>,
    crossings: Vec<f32>,
    cover: Vec<u8>,
}

impl Raster {
    /// Gives each row that a polygon touches: its number, the first pixel, and what part of it and of those
    /// right of it is covered, in 255ths. `points` are in units of a frame of `width` x `height` pixels.
    pub(super) fn fill(
        &mut self,
        points: &[[f32; 2]],
        (width, height): (usize, usize),
        mut row: impl FnMut(usize, usize, &[u8]),
    ) {
        let (w, h) = (width as f32, height as f32);
        self.corners.clear();
        self.corners.extend(points.iter().map(|[x, y]| [x * w, y * h]));
        let range = |axis: usize, size: f32| {
            let values = self.corners.iter().map(|c| c[axis]);
            let (low, high) = values.fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(v), h.max(v)));
            (low.clamp(0.0, size) as usize, high.clamp(0.0, size).ceil() as usize)
        };
        let ((left, right), (top, bottom)) = (range(0, w), range(1, h));
        if left >= right {
            return;
        }
        self.cover.resize(self.cover.len().max(right - left), 0);
        for y in top..bottom {
            let cover = &mut self.cover[..right - left];
            cover.fill(0);
            for line in 0..LINES {
                let at = y as f32 + (line as f32 + 0.5) / LINES as f32;
                cross(&self.corners, at, &mut self.crossings);
                for pair in self.crossings.chunks_exact(2) {
                    let clamp = |x: f32| (x - left as f32).clamp(0.0, (right - left) as f32);
                    add(cover, clamp(pair[0]), clamp(pair[1]));
                }
            }
            row(y, left, cover);
        }
    }
}

/// Where a polygon's edges cross a line, from left to right.
fn cross(corners: &[[f32; 2]], y: f32, crossings: &mut Vec<f32>) {
    crossings.clear();
    let Some(mut last) = corners.last().copied() else { return };
    for &corner in corners {
        if (corner[1] > y) != (last[1] > y) {
            crossings.push(last[0] + (y - last[1]) * (corner[0] - last[0]) / (corner[1] - last[1]));
        }
        last = corner;
    }
    crossings.sort_unstable_by(f32::total_cmp);
}

/// Adds what a line covers between two places of a row.
fn add(cover: &mut [u8], from: f32, to: f32) {
    let (first, last) = (from as usize, to as usize);
    let mut part = |at: usize, share: f32| {
        if let Some(pixel) = cover.get_mut(at) {
            *pixel = pixel.saturating_add((share * UNIT) as u8);
        }
    };
    if first == last {
        part(first, to - from);
        return;
    }
    part(first, (first + 1) as f32 - from);
    part(last, to - last as f32);
    for pixel in &mut cover[first + 1..last] {
        *pixel = pixel.saturating_add(UNIT as u8);
    }
}

/// Mixes a value into samples by coverage.
pub(super) fn blend(samples: &mut [u8], cover: &[u8], value: u8) {
    for (sample, cover) in samples.iter_mut().zip(cover) {
        let part = u16::from(*cover) + u16::from(*cover >> 7);
        *sample = ((u16::from(*sample) * (256 - part) + u16::from(value) * part + 128) >> 8) as u8;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn area(points: &[[f32; 2]], size: (usize, usize)) -> f32 {
        let mut sum = 0.0;
        Raster::default().fill(points, size, |y, x, cover| {
            assert!(y < size.1 && x + cover.len() <= size.0);
            sum += cover.iter().map(|c| f32::from(*c) / 255.0).sum::<f32>();
        });
        sum
    }

    #[test]
    fn squares() {
        let square = |a: f32, b: f32| [[a, a], [b, a], [b, b], [a, b]];
        assert_eq!(area(&square(0.25, 0.75), (16, 16)), 64.0);
        assert_eq!(area(&square(-5.0, 5.0), (16, 8)), 128.0);
        assert_eq!(area(&square(1.5, 2.0), (16, 16)), 0.0);
        assert_eq!(area(&square(-2.0, -1.0), (16, 16)), 0.0);
        assert_eq!(area(&[], (16, 16)), 0.0);
    }

    proptest! {
        #[test]
        fn a_triangle_has_its_area(x in 0.0..0.5f32, y in 0.0..0.5f32, w in 0.2..0.5f32, h in 0.2..0.5f32) {
            let found = area(&[[x, y], [x + w, y], [x, y + h]], (100, 100));
            let wanted = 0.5 * w * h * 10_000.0;
            prop_assert!((found - wanted).abs() < 0.03 * wanted + 1.0, "{found} {wanted}");
        }

        #[test]
        fn any_polygon_stays_inside(
            points in proptest::collection::vec(prop::array::uniform2(-1e6..1e6f32), 0..12), w in 1..40usize, h in 1..40usize
        ) {
            area(&points, (w, h));
        }
    }
}
