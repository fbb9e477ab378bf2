//! Where a point of one frame lies in the frame that an element made from it.

use gst_video::ffi::{GstVideoInfo, GstVideoMetaTransformMatrix};

use crate::detection::Masks;
use crate::geometry::BBox;
use crate::homography;
use crate::track::TrackMotion;

/// Below this part of the largest coefficient a coefficient is the rounding of zero, as of cos 90° in `f32`.
const ZERO: f64 = 1e-6;

/// An affine map between the normalised points of two frames that turns boxes into boxes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mapping {
    x: [f64; 3],
    y: [f64; 3],
    /// Width over height of the input and of the output, as displayed.
    aspects: [f64; 2],
}

impl Mapping {
    /// The map that a "gst-video-matrix" describes, or `None` when it turns boxes into something else, or is
    /// not a map at all.
    ///
    /// The matrix (row-major) maps pixels counted from the corner of `in_rectangle` to pixels counted from the
    /// corner of `out_rectangle`.
    pub(super) fn from_matrix(
        matrix: &GstVideoMetaTransformMatrix,
        input: &GstVideoInfo,
        output: &GstVideoInfo,
    ) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, i] = matrix.matrix.map(f64::from);
        let affine = g == 0.0 && h == 0.0 && i != 0.0;
        if !affine || [input.width, input.height, output.width, output.height].iter().any(|&side| side <= 0) {
            return None;
        }
        let (from, to) = (&matrix.in_rectangle, &matrix.out_rectangle);
        let row = |p: f64, q: f64, offset: f64, to: i32, side: i32| {
            let constant = offset - p * f64::from(from.x) - q * f64::from(from.y);
            let row = [p * f64::from(input.width), q * f64::from(input.height), constant + f64::from(to) * i];
            row.map(|value| value / i / f64::from(side))
        };
        let aspects = [input, output].map(|info| {
            let pixel = if info.par_n > 0 && info.par_d > 0 {
                f64::from(info.par_n) / f64::from(info.par_d)
            } else {
                1.0
            };
            f64::from(info.width) * pixel / f64::from(info.height)
        });
        let (x, y) = (row(a, b, c, to.x, output.width), row(d, e, f, to.y, output.height));
        Self { x, y, aspects }.straightened()
    }

    /// Clears what is zero but for rounding; `None` unless one axis of the input makes each axis of the output.
    fn straightened(mut self) -> Option<Self> {
        let linear = [self.x[0], self.x[1], self.y[0], self.y[1]];
        let largest = linear.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        for axis in [&mut self.x, &mut self.y] {
            for value in &mut axis[..2] {
                *value = if value.abs() <= largest * ZERO { 0.0 } else { *value };
            }
        }
        let kept = self.x[1] == 0.0 && self.y[0] == 0.0 && self.x[0] != 0.0 && self.y[1] != 0.0;
        let swapped = self.x[0] == 0.0 && self.y[1] == 0.0 && self.x[1] != 0.0 && self.y[0] != 0.0;
        let finite = self.x.iter().chain(&self.y).all(|v| v.is_finite());
        (finite && (kept || swapped)).then_some(self)
    }

    /// A box of the input in the output.
    pub(super) fn bbox(&self, b: &BBox) -> BBox {
        let (x0, y0) = self.point(b.x_min, b.y_min);
        let (x1, y1) = self.point(b.x_max, b.y_max);
        BBox::new(x0.min(x1), y0.min(y1), x0.max(x1), y0.max(y1))
    }

    /// The map as a homography from the input's normalised points to the output's.
    pub(super) fn homography(&self) -> [f64; 9] {
        let ([a, b, c], [d, e, f]) = (self.x, self.y);
        [a, b, c, d, e, f, 0.0, 0.0, 1.0]
    }

    /// A homography between two pictures of the input's kind as one between two of the output's.
    pub(super) fn conjugated(&self, h: &[f64; 9]) -> Option<[f64; 9]> {
        let there = self.homography();
        let back = homography::inverse(&there)?;
        Some(homography::compose(&there, &homography::compose(h, &back)))
    }

    /// A velocity of the input in the output.
    pub(super) fn velocity(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let along = |axis: &[f64; 3]| (axis[0] * f64::from(x) + axis[1] * f64::from(y)) as f32;
        [along(&self.x), along(&self.y)]
    }

    /// How a track of the input moves in the output. Lengths are known there when widths and heights grow alike, and
    /// NaN otherwise: how much of a way led in which direction is not told. Metres stay.
    pub(super) fn motion(&self, motion: &TrackMotion) -> TrackMotion {
        let (across, down) = (self.x[0].hypot(self.y[0]), self.x[1].hypot(self.y[1]));
        let alike = (across - down).abs() <= 1e-5 * across.max(down);
        let length = |v: f32| if alike { (f64::from(v) * across) as f32 } else { f32::NAN };
        let [from, to] = self.aspects;
        let (sin, cos) = f64::from(motion.direction).to_radians().sin_cos();
        let [x, y] = [self.x, self.y].map(|axis| axis[0] * cos / from + axis[1] * sin);
        let direction = y.atan2(x * to).to_degrees().rem_euclid(360.0) as f32 % 360.0;
        TrackMotion {
            path: length(motion.path),
            displacement: self.velocity(motion.displacement),
            mean_speed: length(motion.mean_speed),
            max_speed: length(motion.max_speed),
            direction,
            ..*motion
        }
    }

    /// True when a box that was seen in the input has nothing left in the output.
    pub(super) fn loses(&self, b: &BBox) -> bool {
        b.clipped().is_some() && self.bbox(b).clipped().is_none()
    }

    /// Masks of boxes of the input, as those boxes lie in the output.
    pub(super) fn masks(&self, masks: &Masks) -> Masks {
        let swapped = self.x[0] == 0.0;
        let flipped = |axis: &[f64; 3]| axis[0] + axis[1] < 0.0;
        let (flip_x, flip_y) = (flipped(&self.x), flipped(&self.y));
        let mut turned = Masks::default();
        for (i, size) in masks.view().sizes.iter().enumerate() {
            let Some((width, height, cells)) = masks.view().get(i) else {
                turned.push(0, 0, |_| ());
                continue;
            };
            let (w, h) = if swapped { (size.height, size.width) } else { (size.width, size.height) };
            turned.push(w, h, |to| {
                for (at, cell) in to.iter_mut().enumerate() {
                    let (x, y) = (at % usize::from(w), at / usize::from(w));
                    let x = if flip_x { usize::from(w) - 1 - x } else { x };
                    let y = if flip_y { usize::from(h) - 1 - y } else { y };
                    let (column, row) = if swapped { (y, x) } else { (x, y) };
                    *cell = cells[row.min(height - 1) * width + column.min(width - 1)];
                }
            });
        }
        turned
    }

    /// A point of the input in the output.
    pub(super) fn point(&self, x: f32, y: f32) -> (f32, f32) {
        let along = |axis: &[f64; 3]| (axis[0] * f64::from(x) + axis[1] * f64::from(y) + axis[2]) as f32;
        (along(&self.x), along(&self.y))
    }
}

/// True when both pictures have one display aspect (pixel aspect included), but for less than a pixel of
/// rounding: then a scale between them has stretched the whole picture, without borders.
pub(super) fn same_aspect(input: &GstVideoInfo, output: &GstVideoInfo) -> bool {
    let sides = |i: &GstVideoInfo| {
        let known = [i.width, i.height, i.par_n, i.par_d].iter().all(|&v| v > 0);
        known.then(|| (f64::from(i.width), f64::from(i.height), f64::from(i.par_n) / f64::from(i.par_d)))
    };
    let (Some((in_w, in_h, in_par)), Some((out_w, out_h, out_par))) = (sides(input), sides(output)) else {
        return false;
    };
    let shape = in_w * in_par / (in_h * out_par);
    // Slack for the arithmetic of an exact half pixel and the like, far below a pixel.
    let rounding = 1.0 - 1e-6;
    (out_h * shape - out_w).abs() < rounding || (out_w / shape - out_h).abs() < rounding
}

#[cfg(test)]
mod tests {
    use gst_video::ffi::GstVideoRectangle;
    use proptest::prelude::*;

    use super::*;

    fn info(width: i32, height: i32, par: (i32, i32)) -> GstVideoInfo {
        // SAFETY: all zeros is what GStreamer itself calls an unset video info.
        let mut info: GstVideoInfo = unsafe { std::mem::zeroed() };
        (info.width, info.height, info.par_n, info.par_d) = (width, height, par.0, par.1);
        info
    }

    fn matrix(
        values: [f32; 9],
        from: (i32, i32, i32, i32),
        to: (i32, i32, i32, i32),
    ) -> GstVideoMetaTransformMatrix {
        let rectangle = |(x, y, w, h)| GstVideoRectangle { x, y, w, h };
        GstVideoMetaTransformMatrix {
            in_info: std::ptr::null(),
            in_rectangle: rectangle(from),
            out_info: std::ptr::null(),
            out_rectangle: rectangle(to),
            matrix: values,
        }
    }

    fn mapping(values: [f32; 9], from: (i32, i32, i32, i32), to: (i32, i32, i32, i32)) -> Option<Mapping> {
        let (input, output) = (info(200, 100, (1, 1)), info(100, 200, (1, 1)));
        Mapping::from_matrix(&matrix(values, from, to), &input, &output)
    }

    #[test]
    fn a_quarter_turn_clockwise() {
        let turn = [0.0, -1.0, 100.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let map = mapping(turn, (0, 0, 200, 100), (0, 0, 100, 200)).unwrap();
        let b = map.bbox(&BBox::new(0.0, 0.0, 0.5, 0.25));
        assert_eq!(b, BBox::new(0.75, 0.0, 1.0, 0.5));
        assert_eq!(map.velocity([0.25, 0.5]), [-0.5, 0.25]);
    }

    #[test]
    fn motion_turns_with_the_picture() {
        let told = TrackMotion {
            path: 0.5,
            displacement: [0.25, 0.0],
            mean_speed: 0.25,
            max_speed: 1.0,
            direction: 0.0,
            ground_path: 7.0,
            ..TrackMotion::UNKNOWN
        };
        let turn = [0.0, -1.0, 100.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let turned = mapping(turn, (0, 0, 200, 100), (0, 0, 100, 200)).unwrap().motion(&told);
        assert_eq!((turned.path, turned.displacement, turned.direction), (0.5, [0.0, 0.25], 90.0));
        // The left half fills the output: widths are twice what they were.
        let crop = [1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0];
        let cut = mapping(crop, (0, 0, 100, 100), (0, 0, 100, 200)).unwrap();
        let cut_motion = cut.motion(&told);
        assert_eq!((cut_motion.displacement, cut_motion.ground_path), ([0.5, 0.0], 7.0));
        assert!(cut_motion.path.is_nan() && cut_motion.mean_speed.is_nan());
        // Shown twice as high: what went down by half a right angle goes down more steeply.
        let diagonal = cut.motion(&TrackMotion { direction: 45.0, ..told }).direction;
        assert!((diagonal - 2f32.atan().to_degrees()).abs() < 1e-3, "{diagonal}");
    }

    #[test]
    fn masks_turn_with_their_boxes() {
        let mut masks = Masks::default();
        masks.push(3, 2, |cells| cells.copy_from_slice(&[1, 2, 3, 4, 5, 6]));
        let turn = [0.0, -1.0, 100.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let clockwise = mapping(turn, (0, 0, 200, 100), (0, 0, 100, 200)).unwrap();
        assert_eq!(clockwise.masks(&masks).view().get(0), Some((2, 3, &[4, 1, 5, 2, 6, 3][..])));
        let mirror = [-1.0, 0.0, 100.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let mirrored = mapping(mirror, (0, 0, 200, 100), (0, 0, 100, 200)).unwrap();
        assert_eq!(mirrored.masks(&masks).view().get(0), Some((3, 2, &[3, 2, 1, 6, 5, 4][..])));
    }

    #[test]
    fn a_crop_and_borders() {
        let crop = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let map = mapping(crop, (100, 0, 100, 100), (0, 50, 100, 100)).unwrap();
        assert_eq!(map.bbox(&BBox::new(0.5, 0.0, 1.0, 1.0)), BBox::new(0.0, 0.25, 1.0, 0.75));
        assert!(map.loses(&BBox::new(0.1, 0.1, 0.4, 0.4)));
        assert!(!map.loses(&BBox::new(0.1, 0.1, 0.6, 0.4)));
        assert!(!map.loses(&BBox::new(-0.6, 0.1, -0.1, 0.4)), "it was outside before");
    }

    #[test]
    fn what_makes_no_boxes_is_refused() {
        let whole = (0, 0, 200, 100);
        let shear = [1.0, 0.5, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let perspective = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.001, 0.0, 1.0];
        let singular = [0.0; 9];
        let not_finite = [f32::NAN, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        for values in [shear, perspective, singular, not_finite] {
            assert_eq!(mapping(values, whole, whole), None);
        }
    }

    #[test]
    fn a_rounded_zero_is_zero() {
        let (s, c) = (90.0_f32.to_radians().sin(), 90.0_f32.to_radians().cos());
        let turn = [c, -s, 100.0, s, c, 0.0, 0.0, 0.0, 1.0];
        assert!(mapping(turn, (0, 0, 200, 100), (0, 0, 100, 200)).is_some());
    }

    #[test]
    fn aspects() {
        let hd = info(1280, 720, (1, 1));
        for same in [(640, 360, (1, 1)), (427, 240, (1, 1)), (426, 240, (1, 1)), (720, 576, (64, 45))] {
            assert!(same_aspect(&hd, &info(same.0, same.1, same.2)), "{same:?}");
        }
        for other in
            [(640, 480, (1, 1)), (640, 360, (4, 3)), (720, 1280, (1, 1)), (0, 0, (1, 1)), (9, 9, (0, 0))]
        {
            assert!(!same_aspect(&hd, &info(other.0, other.1, other.2)), "{other:?}");
        }
        assert!(!same_aspect(&info(2, 2, (1, 1)), &info(2, 1, (1, 1))));
    }

    proptest! {
        #[test]
        fn scales_rounded_to_whole_pixels_keep_the_aspect(w in 2..8000i32, h in 2..8000i32, to in 2..8000i32) {
            let height = (i64::from(to) * i64::from(h) / i64::from(w)) as i32;
            prop_assume!(height > 0);
            prop_assert!(same_aspect(&info(w, h, (1, 1)), &info(to, height, (1, 1))));
        }

        #[test]
        fn velocity_is_the_move_of_a_box(vx in -1.0..1.0f32, vy in -1.0..1.0f32) {
            let turn = [0.0, -2.0, 100.0, 0.5, 0.0, 3.0, 0.0, 0.0, 1.0];
            let map = mapping(turn, (7, 5, 200, 100), (0, 0, 100, 200)).unwrap();
            let still = map.bbox(&BBox::new(0.2, 0.2, 0.3, 0.3)).center();
            let moved = map.bbox(&BBox::new(0.2 + vx, 0.2 + vy, 0.3 + vx, 0.3 + vy)).center();
            let [x, y] = map.velocity([vx, vy]);
            prop_assert!((moved.0 - still.0 - x).abs() < 1e-5 && (moved.1 - still.1 - y).abs() < 1e-5);
        }
    }
}
