//! Small pictures over each other.

use pulp::{Arch, Simd, WithSimd};

use crate::geometry::BBox;
use crate::homography::{apply, compose, inverse};
use crate::luma::Luma;

/// Points on each side at which it is asked what is in sight.
const PROBES: usize = 9;
/// Pixels between the places that are worked out exactly; those between lie on a straight line.
const STRIDE: usize = 16;

/// Between pixels of the small picture and units of the frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// The frame's size in pixels of the small picture, which leaves out what remains at the right and at the bottom.
    size: [f64; 2],
}

impl Grid {
    pub(super) fn new(width: usize, height: usize, factor: usize) -> Self {
        Self { size: [width, height].map(|side| side as f64 / factor as f64) }
    }

    /// The centre of a pixel in units of the frame.
    pub(super) fn unit(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [(x + 0.5) / self.size[0], (y + 0.5) / self.size[1]]
    }

    /// Pixels from the first to the last of each side, both included, in units of the frame.
    pub(super) fn units(&self, [x0, y0, x1, y1]: [u32; 4]) -> BBox {
        let unit = |v: u32, side: f64| (f64::from(v) / side) as f32;
        let [width, height] = self.size;
        BBox::new(unit(x0, width), unit(y0, height), unit(x1 + 1, width), unit(y1 + 1, height))
    }

    /// A homography of normalised points as one of pixels, whose centres lie at whole numbers.
    pub(super) fn pixels(&self, h: &[f64; 9]) -> [f64; 9] {
        let [w, v] = self.size;
        let to_units = [1.0 / w, 0.0, 0.5 / w, 0.0, 1.0 / v, 0.5 / v, 0.0, 0.0, 1.0];
        let back = [w, 0.0, -0.5, 0.0, v, -0.5, 0.0, 0.0, 1.0];
        compose(&back, &compose(h, &to_units))
    }

    /// How many pixels two ways lie apart at the corners, at most.
    pub(super) fn shift(&self, a: &[f64; 9], b: &[f64; 9]) -> f64 {
        let apart = |corner: [f64; 2]| {
            let (a, b) = (apply(a, corner), apply(b, corner));
            ((a[0] - b[0]) * self.size[0]).hypot((a[1] - b[1]) * self.size[1])
        };
        let corners = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
        corners.into_iter().map(apart).fold(0.0, |most, apart| if apart <= most { most } else { apart })
    }

    /// The part of a picture that another one, to which this way leads, shows.
    pub(super) fn sight(&self, way: &[f64; 9]) -> f64 {
        let at = |i: usize| (i as f64 + 0.5) / PROBES as f64;
        let points = (0..PROBES * PROBES).map(|i| [at(i % PROBES), at(i / PROBES)]);
        let inside = |p: &[f64; 2]| apply(way, *p).iter().all(|v| (0.0..=1.0).contains(v));
        points.filter(inside).count() as f64 / (PROBES * PROBES) as f64
    }
}

/// Lays a picture over another place: `way` leads from pixels of `to` to pixels of `from`. What `from` does not show
/// becomes unknown.
pub(super) fn lay(from: &Luma, to: &mut Luma, way: &[f64; 9]) {
    to.resize(from.width, from.height);
    Arch::new().dispatch(Lay { from, to, way });
}

struct Lay<'a> {
    from: &'a Luma,
    to: &'a mut Luma,
    way: &'a [f64; 9],
}

impl WithSimd for Lay<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let Self { from, to, way } = self;
        for (y, row) in to.data.chunks_exact_mut(from.width.max(1)).enumerate() {
            let mut start = Place::of(way, 0, y);
            for (i, part) in row.chunks_mut(STRIDE).enumerate() {
                let end = Place::of(way, i * STRIDE + part.len(), y);
                let steps = part.len() as i32;
                let slope = Place { x: (end.x - start.x) / steps, y: (end.y - start.y) / steps };
                if !start.sample_row(slope, from, part) {
                    for (out, k) in part.iter_mut().zip(0..) {
                        *out = start.after(k, slope).sample(from);
                    }
                }
                start = end;
            }
        }
    }
}

/// A place in a picture, in parts of a pixel.
#[derive(Clone, Copy)]
struct Place {
    x: i32,
    y: i32,
}

/// Bits of the part of a pixel.
const BITS: u32 = 14;

impl Place {
    /// Where a pixel goes. Places that are far off are brought nearer, so that they can be reckoned with.
    #[inline(always)]
    fn of(way: &[f64; 9], x: usize, y: usize) -> Self {
        let part = |v: f64| match v.is_finite() {
            true => (v.clamp(-30_000.0, 30_000.0) * f64::from(1 << BITS)) as i32,
            false => -(2 << BITS),
        };
        let [x, y] = apply(way, [x as f64, y as f64]).map(part);
        Self { x, y }
    }

    /// Where it is after so many steps.
    #[inline(always)]
    fn after(self, steps: i32, slope: Self) -> Self {
        Self { x: self.x + steps * slope.x, y: self.y + steps * slope.y }
    }

    /// The pixel to the left of it and above.
    #[inline(always)]
    fn corner(self) -> [usize; 2] {
        [self.x, self.y].map(|v| (v >> BITS) as usize)
    }

    /// How far it is from there, in pixels.
    #[inline(always)]
    fn part(self) -> [f32; 2] {
        [self.x, self.y].map(|v| (v & ((1 << BITS) - 1)) as f32 / (1 << BITS) as f32)
    }

    /// The values from here on where each step goes on to the next pixel of a row, as most do when a camera turns: then
    /// this becomes vector instructions. Else false, and nothing is written.
    #[inline(always)]
    fn sample_row(self, slope: Self, from: &Luma, out: &mut [f32]) -> bool {
        let last = out.len() - 1;
        let ([left, top], [end, bottom]) = (self.corner(), self.after(last as i32, slope).corner());
        let inside = left < from.width && end < from.width - 1 && top < from.height - 1;
        if !inside || top != bottom || end != left + last {
            return false;
        }
        let at = top * from.width + left;
        let (above, below) = (&from.data[at..][..last + 2], &from.data[at + from.width..][..last + 2]);
        let ([u, v], [across, down]) = (self.part(), [slope.x - (1 << BITS), slope.y]);
        let [across, down] = [across, down].map(|step| step as f32 / (1 << BITS) as f32);
        for (k, out) in out.iter_mut().enumerate() {
            let (u, v) = (u + k as f32 * across, v + k as f32 * down);
            let a = above[k] + u * (above[k + 1] - above[k]);
            let b = below[k] + u * (below[k + 1] - below[k]);
            *out = a + v * (b - a);
        }
        true
    }

    /// The value between four pixels; unknown beyond the outermost ones.
    #[inline(always)]
    fn sample(self, from: &Luma) -> f32 {
        let [left, top] = self.corner();
        if left >= from.width - 1 || top >= from.height - 1 {
            return f32::NAN;
        }
        let [u, v] = self.part();
        // One slice from the first to the last of the four is one check.
        let at = top * from.width + left;
        let near = &from.data[at..at + from.width + 2];
        let (above, below) = ([near[0], near[1]], [near[from.width], near[from.width + 1]]);
        let a = above[0] + u * (above[1] - above[0]);
        let b = below[0] + u * (below[1] - below[0]);
        a + v * (b - a)
    }
}

/// Leads a picture along in its place: `way` leads from its former pixels to those that they become.
pub(super) fn turn(picture: &mut Luma, spare: &mut Luma, way: &[f64; 9]) {
    let Some(back) = inverse(way) else { return picture.data.fill(f32::NAN) };
    lay(picture, spare, &back);
    std::mem::swap(picture, spare);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::homography::{IDENTITY, normalised};

    fn ramp(width: usize, height: usize) -> Luma {
        let data = (0..width * height).map(|i| (i % width) as f32 + 100.0 * (i / width) as f32).collect();
        Luma { width, height, data }
    }

    #[test]
    fn a_shift_by_half_a_pixel() {
        let (from, mut to) = (ramp(40, 8), Luma::default());
        lay(&from, &mut to, &[1.0, 0.0, 1.5, 0.0, 1.0, 0.25, 0.0, 0.0, 1.0]);
        assert!((to.row(2)[10] - (10.0 + 1.5 + 225.0)).abs() < 1e-3);
        assert!(to.row(2)[39].is_nan() && to.row(7)[0].is_nan());
    }

    #[test]
    fn a_row_is_what_its_pixels_are() {
        let wave = |i: usize| ((i * 37) % 101) as f32 + (i / 64) as f32;
        let from = Luma { width: 64, height: 48, data: (0..64 * 48).map(wave).collect() };
        let mut to = Luma::default();
        for way in [
            [1.0, 0.001, 1.4, -0.002, 1.0, 2.3, 0.0, 0.0, 1.0],
            [1.01, 0.02, -3.7, 0.01, 0.98, 0.5, 1e-4, -2e-4, 1.0],
            [0.5, 0.1, 9.0, -0.1, 1.5, -4.0, 0.0, 1e-3, 1.0],
        ] {
            lay(&from, &mut to, &way);
            for (at, value) in to.data.iter().enumerate() {
                let [x, y] = apply(&way, [(at % 64) as f64, (at / 64) as f64]);
                let inside = (0.01..62.9).contains(&x) && (0.01..46.9).contains(&y);
                let (left, top) = (x.max(0.0).floor() as usize, y.max(0.0).floor() as usize);
                if !inside {
                    continue;
                }
                let (u, v) = (x - left as f64, y - top as f64);
                let pixel = |x: usize, y: usize| f64::from(from.row(y)[x]);
                let above = (1.0 - u) * pixel(left, top) + u * pixel(left + 1, top);
                let below = (1.0 - u) * pixel(left, top + 1) + u * pixel(left + 1, top + 1);
                let wanted = (1.0 - v) * above + v * below;
                assert!((f64::from(*value) - wanted).abs() < 0.5, "{value} for {wanted} at {at} by {way:?}");
            }
        }
    }

    #[test]
    fn units_and_pixels() {
        // 641 x 360 by 2 is 320 pixels and a half.
        let grid = Grid::new(641, 360, 2);
        assert_eq!(grid.unit([0.0, 179.0]), [0.5 / 320.5, 179.5 / 180.0]);
        let shift = normalised(&[1.0, 0.0, 6.0, 0.0, 1.0, -4.0, 0.0, 0.0, 1.0], 641.0, 360.0);
        let [x, y] = apply(&grid.pixels(&shift), [10.0, 20.0]);
        assert!((x - 13.0).abs() < 1e-9 && (y - 18.0).abs() < 1e-9);
        assert!((grid.shift(&shift, &IDENTITY) - 13f64.sqrt()).abs() < 1e-9);
        let half = [1.0, 0.0, 0.5, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        assert!((grid.sight(&half) - 0.5).abs() < 0.06);
        assert_eq!(grid.sight(&[f64::NAN; 9]), 0.0);
    }
}
