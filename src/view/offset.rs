//! How one picture of a camera lies to another.

use super::telemetry::Camera;
use crate::homography::apply;

/// How far a motion takes the points between the centre and the corners, at most, in units of the frame.
pub(super) fn shift(h: &[f64; 9]) -> f64 {
    let points = [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]];
    let far = |p: [f64; 2]| {
        let [x, y] = apply(h, p);
        (x - p[0]).hypot(y - p[1])
    };
    points.into_iter().map(far).fold(0.0, f64::max)
}

/// How far a picture is from another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offset {
    /// Of the centre, in units of the frame.
    pub(super) displacement: f64,
    /// Degrees of pan or tilt, whichever is more; 0 without a field of view.
    pub(super) angle: f64,
    /// Degrees about the axis of sight.
    pub(super) rotation: f64,
    /// Change of the zoom ratio: 0.1 for a tenth larger or smaller.
    pub(super) zoom: f64,
}

impl Offset {
    /// By the homography to the other picture, which was taken at `zoom` times the camera's widest.
    pub(super) fn of(h: &[f64; 9], camera: &Camera, zoom: f64) -> Self {
        let aspect = if camera.aspect > 0.0 { camera.aspect } else { 1.0 };
        let at = |x, y| apply(h, [x, y]);
        let ([x, y], [rx, ry], [dx, dy]) = (at(0.5, 0.5), at(0.51, 0.5), at(0.5, 0.51));
        // Units of the height on both axes: only there a turn is one.
        let (ax, ay, bx, by) = (rx - x, (ry - y) / aspect, (dx - x) * aspect, dy - y);
        let ratio = ((ax * by - ay * bx).abs().sqrt() / 0.01).max(1e-9);
        let reach = (camera.field_of_view / 2.0).to_radians().tan() / zoom;
        let angle = |by: f64, reach: f64| (2.0 * by * reach).atan().to_degrees().abs();
        Self {
            displacement: (x - 0.5).hypot(y - 0.5),
            angle: if camera.field_of_view > 0.0 {
                angle(x - 0.5, reach).max(angle(y - 0.5, reach / aspect))
            } else {
                0.0
            },
            rotation: (ay - bx).atan2(ax + by).to_degrees().abs(),
            zoom: ratio.max(1.0 / ratio) - 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::telemetry::Ptz;
    use super::*;
    use crate::homography::compose;

    const CAMERA: Camera = Camera { field_of_view: 60.0, aspect: 16.0 / 9.0 };

    #[test]
    fn degrees_are_those_of_the_head() {
        for zoom in [1.0, 2.0, 10.0] {
            let at = |pan, tilt| Ptz { pan, tilt, zoom };
            for (pan, tilt) in [(1.5, 0.0), (0.0, 1.5), (0.0, -1.0), (-1.0, 0.5)] {
                let way = CAMERA.way(&at(pan, tilt), &at(0.0, 0.0)).unwrap();
                let offset = Offset::of(&way, &CAMERA, zoom);
                let wanted = f64::max(pan.abs(), tilt.abs());
                assert!((offset.angle - wanted).abs() < 0.01, "{pan} {tilt} at {zoom}: {offset:?}");
                assert!(offset.rotation < 0.05 && offset.zoom < 0.01, "{offset:?}");
            }
        }
        let unknown = Camera { field_of_view: 0.0, ..CAMERA };
        assert_eq!(Offset::of(&[1.0, 0.0, 0.2, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], &unknown, 1.0).angle, 0.0);
    }

    #[test]
    fn a_turn_is_one_whatever_the_shape_of_the_picture() {
        for aspect in [0.0, 1.0, 16.0 / 9.0, 9.0 / 16.0] {
            let wide = if aspect > 0.0 { aspect } else { 1.0 };
            for degrees in [-30.0, 4.9, 5.1, 80.0_f64] {
                let (s, c) = degrees.to_radians().sin_cos();
                let to = [wide, 0.0, -0.5 * wide, 0.0, 1.0, -0.5, 0.0, 0.0, 1.0];
                let back = [1.0 / wide, 0.0, 0.5, 0.0, 1.0, 0.5, 0.0, 0.0, 1.0];
                let turn = compose(&back, &compose(&[c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0], &to));
                let offset = Offset::of(&turn, &Camera { aspect, ..CAMERA }, 1.0);
                assert!((offset.rotation - degrees.abs()).abs() < 1e-6, "{degrees} at {aspect}: {offset:?}");
                assert!(offset.displacement < 1e-9 && offset.zoom < 1e-9, "{offset:?}");
            }
        }
    }
}
