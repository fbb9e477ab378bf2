//! Where the scene's camera looks: the plan of each mode, projection, and homographies.
//!
//! The camera stands at one place and only turns and zooms, so any two of its pictures are related by a
//! homography, objects included (Hartley and Zisserman, "Multiple View Geometry", 2004, 8.4).

use super::random::Dice;

/// Height of the camera above the ground in metres.
pub(super) const HEIGHT: f64 = 6.5;

/// How the camera behaves. Time counts from the start of the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CameraMode {
    /// It stays at the preset `street`.
    #[default]
    Fixed,
    /// A tour of [`PTZ_PERIOD`] seconds around the presets, with eased moves: see [`TOUR`].
    Ptz,
    /// About `street`, as held by hand: pan, tilt and roll wander by up to about a degree.
    Handheld,
    /// It jumps to the next preset every [`CUT_PERIOD`] seconds.
    Cut,
}

/// Where the camera looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// Degrees to the right.
    pub pan: f64,
    /// Degrees downwards.
    pub tilt: f64,
    /// Degrees clockwise, as the camera itself turns.
    pub roll: f64,
    /// Focal length in units of the widest.
    pub zoom: f64,
}

/// A named pose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// Its pose.
    pub pose: Pose,
}

const fn preset(name: &'static str, pan: f64, tilt: f64, zoom: f64) -> Preset {
    Preset { name, pose: Pose { pan, tilt, roll: 0.0, zoom } }
}

/// The presets; a preset's number is its index.
pub const PRESETS: [Preset; 4] = [
    preset("street", 0.0, 14.0, 1.0),
    preset("right", 17.0, 13.0, 1.0),
    preset("crossing", 4.0, 15.5, 1.8),
    preset("left", -18.0, 15.0, 1.3),
];

/// The tour of a PTZ camera: when it leaves for a preset and when it gets there, in seconds. The last line leads
/// back to the first preset, and after [`PTZ_PERIOD`] it begins again.
pub const TOUR: [(f64, f64, usize); 4] = [(6.0, 8.0, 1), (13.0, 15.5, 2), (20.0, 22.5, 3), (28.0, 30.0, 0)];
/// Length of the tour in seconds.
pub const PTZ_PERIOD: f64 = 34.0;
/// How long a camera that cuts stays, in seconds.
pub const CUT_PERIOD: f64 = 5.0;

/// What the camera does at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CameraState {
    /// Where it looks.
    pub pose: Pose,
    /// The preset that it stands at, an index of [`PRESETS`]; `None` on the way and where there is none.
    pub preset: Option<usize>,
}

impl CameraMode {
    /// What the camera does at a time in nanoseconds.
    pub fn state(self, seed: u64, time: u64) -> CameraState {
        match self {
            Self::Fixed => at_preset(0),
            Self::Cut => at_preset((time / (CUT_PERIOD * 1e9) as u64) as usize % PRESETS.len()),
            Self::Ptz => on_tour((time % (PTZ_PERIOD * 1e9) as u64) as f64 / 1e9),
            Self::Handheld => CameraState { pose: held(seed, time), preset: None },
        }
    }

    /// How far to the side it ever looks, in degrees.
    pub(super) fn widest(self) -> f64 {
        match self {
            Self::Fixed | Self::Handheld => 1.0,
            Self::Ptz | Self::Cut => PRESETS.iter().map(|p| p.pose.pan.abs()).fold(0.0, f64::max),
        }
    }
}

fn at_preset(index: usize) -> CameraState {
    CameraState { pose: PRESETS[index].pose, preset: Some(index) }
}

fn on_tour(seconds: f64) -> CameraState {
    let mut from = 0;
    for (leave, arrive, to) in TOUR {
        if seconds <= leave {
            break;
        }
        if seconds < arrive {
            let s = (seconds - leave) / (arrive - leave);
            let eased = s * s * (3.0 - 2.0 * s);
            return CameraState { pose: PRESETS[from].pose.towards(&PRESETS[to].pose, eased), preset: None };
        }
        from = to;
    }
    at_preset(from)
}

/// Sums of three slow sines each, with phases of the seed's.
fn held(seed: u64, time: u64) -> Pose {
    const PERIODS: [f64; 3] = [3.1, 1.3, 0.47];
    const PARTS: [f64; 3] = [0.6, 0.3, 0.1];
    let mut dice = Dice::new(&[seed, 0xCA3E]);
    let mut wander = |most: f64| {
        let sum = PERIODS.into_iter().zip(PARTS).map(|(period, part)| {
            let nanoseconds = (period * 1e9) as u64;
            let turn = (time % nanoseconds) as f64 / nanoseconds as f64 + dice.unit();
            part * libm::sin(turn * std::f64::consts::TAU)
        });
        most * sum.sum::<f64>()
    };
    let home = PRESETS[0].pose;
    Pose { pan: wander(1.0), tilt: home.tilt + wander(0.8), roll: wander(0.7), ..home }
}

impl Pose {
    fn towards(&self, to: &Self, part: f64) -> Self {
        let mix = |a: f64, b: f64| a + (b - a) * part;
        Self {
            pan: mix(self.pan, to.pan),
            tilt: mix(self.tilt, to.tilt),
            roll: mix(self.roll, to.roll),
            zoom: mix(self.zoom, to.zoom),
        }
    }
}

/// A row-major 3x3 matrix.
pub(super) type Matrix = [[f64; 3]; 3];

/// A pose with a picture's shape: turns points of the world into points of the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// Rows: the world's directions that lie right, down and forward in the picture.
    rotation: Matrix,
    /// Focal lengths in units of the frame's width and height.
    focal: [f64; 2],
}

impl Camera {
    /// `aspect` is the picture's displayed width over its height.
    pub fn new(pose: &Pose, aspect: f64) -> Self {
        let (pan, tilt, roll) = (turn(pose.pan), turn(pose.tilt), turn(pose.roll));
        let right = [pan.1, 0.0, -pan.0];
        let ahead = [pan.0, 0.0, pan.1];
        let forward = [ahead[0] * tilt.1, -tilt.0, ahead[2] * tilt.1];
        let down = [-ahead[0] * tilt.0, -tilt.1, -ahead[2] * tilt.0];
        let mix = |a: [f64; 3], p: f64, b: [f64; 3], q: f64| [0, 1, 2].map(|i| a[i] * p + b[i] * q);
        let rotation = [mix(right, roll.1, down, roll.0), mix(down, roll.1, right, -roll.0), forward];
        // 58 degrees from side to side, but never more than 45 from top to bottom.
        let across = 0.9_f64.max(1.2 / aspect) * pose.zoom;
        Self { rotation, focal: [across, across * aspect] }
    }

    /// A point of the world in the camera's own axes: right, down, forward.
    pub(super) fn turned(&self, point: [f64; 3]) -> [f64; 3] {
        let [x, y, z] = [point[0], point[1] - HEIGHT, point[2]];
        self.rotation.map(|row| row[0] * x + row[1] * y + row[2] * z)
    }

    /// Where a turned point that lies in front of the camera appears, in units of the frame.
    pub(super) fn projected(&self, turned: [f64; 3]) -> [f64; 2] {
        [0.5 + self.focal[0] * turned[0] / turned[2], 0.5 + self.focal[1] * turned[1] / turned[2]]
    }

    /// The direction, in the world, of what appears at a point of the frame; forward by 1.
    pub(super) fn direction(&self, [x, y]: [f64; 2]) -> [f64; 3] {
        let ray = [(x - 0.5) / self.focal[0], (y - 0.5) / self.focal[1], 1.0];
        [0, 1, 2].map(|i| (0..3).map(|axis| self.rotation[axis][i] * ray[axis]).sum())
    }

    /// The homography from this camera's normalised points to another's, row-major, with 1 as its last number.
    pub fn to(&self, other: &Self) -> [f64; 9] {
        let mut rows = [[0.0; 3]; 3];
        for (row, axis) in rows.iter_mut().zip(&other.rotation) {
            // The other camera's axis in this camera's axes, then taken back from points to rays.
            let own = self.rotation.map(|mine| (0..3).map(|i| mine[i] * axis[i]).sum::<f64>());
            let [x, y] = [own[0] / self.focal[0], own[1] / self.focal[1]];
            *row = [x, y, own[2] - 0.5 * (x + y)];
        }
        let depth = rows[2];
        for (row, focal) in rows.iter_mut().zip(other.focal) {
            *row = [0, 1, 2].map(|i| focal * row[i] + 0.5 * depth[i]);
        }
        let flat = [rows[0], rows[1], depth].concat();
        std::array::from_fn(|i| flat[i] / depth[2])
    }
}

/// Sine and cosine of degrees.
fn turn(degrees: f64) -> (f64, f64) {
    libm::sincos(degrees * (std::f64::consts::PI / 180.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn presets_and_moves() {
        let at = |seconds: f64| CameraMode::Ptz.state(1, (seconds * 1e9) as u64);
        assert_eq!(at(0.0).preset, Some(0));
        assert_eq!(at(6.0).preset, Some(0));
        assert_eq!(at(7.0).preset, None);
        assert_eq!(at(7.0).pose.pan, 8.5, "half way");
        assert_eq!(at(10.0).preset, Some(1));
        assert_eq!(at(16.0).preset, Some(2));
        assert_eq!(at(25.0).preset, Some(3));
        assert_eq!(at(31.0), at(0.0));
        assert_eq!(at(PTZ_PERIOD), at(0.0));
        let cut = |seconds: f64| CameraMode::Cut.state(1, (seconds * 1e9) as u64).preset;
        assert_eq!([cut(4.999), cut(5.0), cut(20.0)], [Some(0), Some(1), Some(0)]);
    }

    #[test]
    fn hands_shake_a_little_and_forever() {
        let home = PRESETS[0].pose;
        for time in (0..100).map(|i| i * 123_456_789).chain([u64::MAX]) {
            let Pose { pan, tilt, roll, zoom } = CameraMode::Handheld.state(3, time).pose;
            assert!(pan.abs() <= 1.0 && (tilt - home.tilt).abs() <= 0.8 && roll.abs() <= 0.7 && zoom == 1.0);
        }
    }

    fn pose() -> impl Strategy<Value = Pose> {
        (-20.0..20.0, 5.0..20.0, -3.0..3.0, 1.0..2.0_f64).prop_map(|(pan, tilt, roll, zoom)| Pose {
            pan,
            tilt,
            roll,
            zoom,
        })
    }

    proptest! {
        #[test]
        fn a_homography_leads_to_where_the_point_is_seen(
            a in pose(), b in pose(), aspect in 0.5..2.5, point in (-10.0..10.0, 0.0..4.0, 12.0..30.0)
        ) {
            let (a, b) = (Camera::new(&a, aspect), Camera::new(&b, aspect));
            let point = [point.0, point.1, point.2];
            let (from, to) = (a.projected(a.turned(point)), b.projected(b.turned(point)));
            let h = a.to(&b);
            let w = h[6] * from[0] + h[7] * from[1] + h[8];
            let mapped = [
                (h[0] * from[0] + h[1] * from[1] + h[2]) / w,
                (h[3] * from[0] + h[4] * from[1] + h[5]) / w,
            ];
            prop_assert!((mapped[0] - to[0]).abs() < 1e-9 && (mapped[1] - to[1]).abs() < 1e-9);
        }

        #[test]
        fn a_direction_leads_back(a in pose(), aspect in 0.5..2.5, x in 0.0..1.0, y in 0.0..1.0) {
            let camera = Camera::new(&a, aspect);
            let [dx, dy, dz] = camera.direction([x, y]);
            let seen = camera.projected(camera.turned([dx * 9.0, HEIGHT + dy * 9.0, dz * 9.0]));
            prop_assert!((seen[0] - x).abs() < 1e-9 && (seen[1] - y).abs() < 1e-9);
        }
    }
}
