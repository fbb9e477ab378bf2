//! Where the camera says that it looks: pan, tilt and zoom over time, and what the picture does when they change.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::part::{Axes, PtzPart};
use crate::homography::IDENTITY;

/// A pose of a camera on a pan-tilt head.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ptz {
    /// Degrees to the right.
    pub pan: f64,
    /// Degrees upwards, in \[-90, 90\].
    pub tilt: f64,
    /// How many times as large as with the lens at its widest.
    #[serde(default = "one")]
    pub zoom: f64,
}

fn one() -> f64 {
    1.0
}

impl Default for Ptz {
    fn default() -> Self {
        Self { pan: 0.0, tilt: 0.0, zoom: 1.0 }
    }
}

/// Two poses nearer than this are the same, in degrees and in parts of the zoom ratio.
const SAME_ANGLE: f64 = 0.05;
const SAME_ZOOM: f64 = 0.002;
/// Pictures of axes of sight further apart than this, in degrees, have nothing in common to lead a way by.
const FURTHEST: f64 = 80.0;

/// How far two poses are apart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Apart {
    /// Degrees of pan or tilt, whichever is more.
    pub angle: f64,
    /// Change of the zoom ratio: 0.1 for a tenth larger or smaller.
    pub zoom: f64,
}

impl Apart {
    /// True where there is no difference to speak of.
    pub fn is_none(&self) -> bool {
        self.angle < SAME_ANGLE && self.zoom < SAME_ZOOM
    }
}

/// The shorter way from one bearing to another, in degrees.
pub(super) fn turn(from: f64, to: f64) -> f64 {
    let by = (to - from).rem_euclid(360.0);
    if by > 180.0 { by - 360.0 } else { by }
}

impl Ptz {
    /// How far another pose is from this one.
    pub fn apart(&self, other: &Self) -> Apart {
        let ratio = other.zoom / self.zoom;
        Apart {
            angle: turn(self.pan, other.pan).abs().max((other.tilt - self.tilt).abs()),
            zoom: ratio.max(1.0 / ratio) - 1.0,
        }
    }

    /// The pose at a part of the way to another; beyond it for more than 1.
    fn towards(&self, other: &Self, part: f64) -> Self {
        Self {
            pan: self.pan + part * turn(self.pan, other.pan),
            tilt: (self.tilt + part * (other.tilt - self.tilt)).clamp(-90.0, 90.0),
            zoom: self.zoom * (other.zoom / self.zoom).powf(part),
        }
    }

    /// From the camera's axes to those of the head, row-major: x right, y down, z ahead.
    fn axes(&self) -> [[f64; 3]; 3] {
        let ((sp, cp), (st, ct)) = (self.pan.to_radians().sin_cos(), self.tilt.to_radians().sin_cos());
        [[cp, sp * st, sp * ct], [0.0, ct, -st], [-sp, cp * st, cp * ct]]
    }
}

/// A pinhole camera on the axes of its head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// From side to side with the lens at its widest, in degrees.
    pub field_of_view: f64,
    /// Width over height of the picture as displayed.
    pub aspect: f64,
}

impl Camera {
    /// The row-major homography from normalised points of the picture at one pose to those at another: K R'ᵀ R K⁻¹
    /// (Hartley and Zisserman, "Multiple View Geometry", 2004, chapter 8). `None` without a field of view, or where the two
    /// look too far apart to have anything in common.
    pub fn way(&self, from: &Ptz, to: &Ptz) -> Option<[f64; 9]> {
        if from == to {
            return Some(IDENTITY);
        }
        if !(self.field_of_view > 0.0 && self.field_of_view < 180.0 && self.aspect > 0.0) {
            return None;
        }
        let (a, b) = (from.axes(), to.axes());
        let turn = |i: usize, j: usize| (0..3).map(|k| b[k][i] * a[k][j]).sum::<f64>();
        if turn(2, 2) < FURTHEST.to_radians().cos() {
            return None;
        }
        let reach = |zoom: f64| {
            let x = (self.field_of_view / 2.0).to_radians().tan() / zoom;
            [x, x / self.aspect]
        };
        let (near, far) = (reach(from.zoom), reach(to.zoom));
        // A point's ray is (2x - 1) across, (2y - 1) down and one ahead.
        let ray = |row: usize| {
            let [x, y] = [turn(row, 0) * near[0], turn(row, 1) * near[1]];
            [2.0 * x, 2.0 * y, turn(row, 2) - x - y]
        };
        let (x, y, z) = (ray(0), ray(1), ray(2));
        let place = |row: [f64; 3], reach: f64| [0, 1, 2].map(|i| (row[i] / reach + z[i]) / 2.0);
        let ([a, b, c], [d, e, f]) = (place(x, far[0]), place(y, far[1]));
        Some([a, b, c, d, e, f, z[0], z[1], z[2]].map(|v| v / z[2]))
    }
}

/// Why a pose is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A number is not finite.
    NotFinite,
    /// The tilt is beyond straight up or down, the zoom is not above 0, or the pan is more than ten turns.
    OutOfRange,
    /// Neither is the pan or the tilt told, nor was it ever.
    Incomplete,
    /// It is older than all that is remembered.
    TooOld,
    /// As many poses as can be remembered wait for their frames already.
    TooManyAhead,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotFinite => "pan, tilt and zoom have to be finite numbers",
            Self::OutOfRange => {
                "the pan has to be within ten turns, the tilt within 90 degrees, and the zoom above 0"
            }
            Self::Incomplete => "pan and tilt have to be told once before either is left out",
            Self::TooOld => "it is older than all poses that are remembered",
            Self::TooManyAhead => "4096 poses ahead of the video wait for its frames already",
        })
    }
}

impl std::error::Error for Refusal {}

/// What the telemetry says of a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The pose: between two poses that are told, or on from the last.
    pub ptz: Ptz,
    /// Confidence in it, in \[0, 1\]: 1 where it was told, and a half where it is as old as may be.
    pub confidence: f32,
}

/// Poses kept: at 50 a second they span 80 seconds.
const MOST: usize = 4096;

/// The poses told lately, in order of time.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    poses: VecDeque<(u64, Ptz)>,
    axes: Axes,
    /// Poses before this time are of use to no frame to come.
    passed: u64,
}

impl Telemetry {
    /// Takes over the pose at a running time in nanoseconds. Poses may come late and out of order; of two at one time the
    /// later one counts. What a pose leaves out is as it was told last; a zoom that was never told is 1.
    ///
    /// # Errors
    /// The pose is none, or there is no room for it, and the poses that are known stay as they are.
    pub fn push(&mut self, time: u64, told: impl Into<PtzPart>) -> Result<(), Refusal> {
        let part = told.into();
        part.check()?;
        let ptz = self.axes.complete(time, &part).ok_or(Refusal::Incomplete)?;
        let at = self.poses.partition_point(|(then, _)| *then < time);
        if let Some(same) = self.poses.get_mut(at).filter(|(then, _)| *then == time) {
            same.1 = ptz;
            return Ok(());
        }
        if self.poses.len() < MOST {
            self.poses.insert(at, (time, ptz));
            return Ok(());
        }
        if at == 0 {
            return Err(Refusal::TooOld);
        }
        if self.poses[0].0 >= self.passed {
            return Err(Refusal::TooManyAhead);
        }
        self.poses.pop_front();
        self.poses.insert(at - 1, (time, ptz));
        Ok(())
    }

    /// The frames to come are at `time` or later, and what is further from a frame than `max_age` nanoseconds says nothing of
    /// it: poses that are older give way to new ones where there are too many.
    pub fn pass(&mut self, time: u64, max_age: u64) {
        self.passed = time.saturating_sub(max_age);
    }

    /// What is known of a moment from poses at most `max_age` nanoseconds away. Between two poses it lies on the way from
    /// the one to the other; after the last it goes on as it went between the last two, for as long as these were apart.
    pub fn at(&self, time: u64, max_age: u64) -> Option<Reading> {
        let after = self.poses.partition_point(|(then, _)| *then < time);
        let next = self.poses.get(after);
        let last = after.checked_sub(1).and_then(|i| self.poses.get(i));
        let near =
            |pose: Option<&(u64, Ptz)>| pose.filter(|(then, _)| then.abs_diff(time) <= max_age).copied();
        let ptz = match (near(last), near(next)) {
            (_, Some((then, ptz))) if then == time => ptz,
            (Some((t0, from)), Some((t1, to))) => from.towards(&to, (time - t0) as f64 / (t1 - t0) as f64),
            (Some((then, ptz)), None) => self.beyond(after - 1, then, ptz, time),
            (None, Some((_, ptz))) => ptz,
            (None, None) => return None,
        };
        let age = [last, next].into_iter().flatten().map(|(then, _)| then.abs_diff(time)).min()?;
        let part = age as f32 / max_age.max(1) as f32;
        Some(Reading { ptz, confidence: 1.0 - 0.5 * part.min(1.0) })
    }

    fn beyond(&self, index: usize, then: u64, ptz: Ptz, time: u64) -> Ptz {
        let Some((before, from)) = index.checked_sub(1).and_then(|i| self.poses.get(i)) else { return ptz };
        let (gap, on) = ((then - before) as f64, (time - then) as f64);
        // A jump is no motion that goes on.
        if from.apart(&ptz).angle > 10.0 || gap > 1e9 {
            return ptz;
        }
        from.towards(&ptz, 1.0 + (on / gap).min(1.0))
    }

    /// Forgets all that was told.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::homography::{apply, compose};

    const SECOND: u64 = 1_000_000_000;
    const CAMERA: Camera = Camera { field_of_view: 90.0, aspect: 2.0 };

    fn pose(pan: f64, tilt: f64, zoom: f64) -> Ptz {
        Ptz { pan, tilt, zoom }
    }

    fn close(a: [f64; 2], b: [f64; 2]) {
        assert!((a[0] - b[0]).abs() < 1e-9 && (a[1] - b[1]).abs() < 1e-9, "{a:?} {b:?}");
    }

    #[test]
    fn the_picture_follows_the_head() {
        let home = Ptz::default();
        // Half the field of view to the right, the old centre is on the left edge.
        close(apply(&CAMERA.way(&home, &pose(45.0, 0.0, 1.0)).unwrap(), [0.5, 0.5]), [0.0, 0.5]);
        // Half the height is atan(1 / 2) up.
        let up = 0.5_f64.atan().to_degrees();
        close(apply(&CAMERA.way(&home, &pose(0.0, up, 1.0)).unwrap(), [0.5, 0.5]), [0.5, 1.0]);
        let zoomed = CAMERA.way(&home, &pose(0.0, 0.0, 2.0)).unwrap();
        close(apply(&zoomed, [0.75, 0.5]), [1.0, 0.5]);
        close(apply(&zoomed, [0.5, 0.25]), [0.5, 0.0]);
        assert_eq!(CAMERA.way(&home, &pose(90.0, 0.0, 1.0)), None);
        assert_eq!(Camera { field_of_view: 0.0, ..CAMERA }.way(&home, &pose(1.0, 0.0, 1.0)), None);
        assert_eq!(Camera { field_of_view: 0.0, ..CAMERA }.way(&home, &home), Some(IDENTITY));
    }

    #[test]
    fn ways_add_up() {
        let (a, b, c) = (pose(10.0, -5.0, 1.5), pose(25.0, -20.0, 2.0), pose(-5.0, 3.0, 1.0));
        let way = |a, b| CAMERA.way(a, b).unwrap();
        let (direct, by) = (way(&a, &c), compose(&way(&b, &c), &way(&a, &b)));
        assert!(direct.iter().zip(by).all(|(a, b)| (a - b).abs() < 1e-9), "{direct:?} {by:?}");
    }

    #[test]
    fn poses_are_found_by_time() {
        let mut told = Telemetry::default();
        assert_eq!(told.at(0, SECOND), None);
        told.push(2 * SECOND, pose(20.0, 10.0, 4.0)).unwrap();
        // Late, out of order, across north.
        told.push(SECOND, pose(-340.0, 0.0, 1.0)).unwrap();
        let half = told.at(SECOND + SECOND / 2, SECOND).unwrap();
        assert_eq!((half.ptz.pan.rem_euclid(360.0), half.ptz.tilt, half.ptz.zoom), (20.0, 5.0, 2.0));
        assert!((half.confidence - 0.75).abs() < 1e-6);
        assert_eq!(told.at(2 * SECOND, SECOND).unwrap().confidence, 1.0);
        assert_eq!(told.at(SECOND / 2, SECOND).unwrap().ptz.zoom, 1.0);
        assert_eq!(told.at(3 * SECOND + 1, SECOND), None, "it has gone silent");
        // The same time again replaces it.
        told.push(2 * SECOND, pose(20.0, 0.0, 1.0)).unwrap();
        assert_eq!(told.at(2 * SECOND, SECOND).unwrap().ptz, pose(20.0, 0.0, 1.0));
    }

    #[test]
    fn it_goes_on_for_one_interval_and_not_after_a_jump() {
        let mut told = Telemetry::default();
        told.push(0, pose(0.0, 0.0, 1.0)).unwrap();
        told.push(SECOND / 5, pose(1.0, 0.0, 1.0)).unwrap();
        let pan = |told: &Telemetry, ms: u64| told.at(ms * 1_000_000, SECOND).unwrap().ptz.pan;
        assert!((pan(&told, 300) - 1.5).abs() < 1e-9);
        assert!((pan(&told, 400) - 2.0).abs() < 1e-9 && (pan(&told, 900) - 2.0).abs() < 1e-9);
        told.push(2 * SECOND / 5, pose(90.0, 0.0, 1.0)).unwrap();
        assert!((pan(&told, 500) - 90.0).abs() < 1e-9);
    }

    #[test]
    fn nonsense_is_refused_and_memory_bounded() {
        let mut told = Telemetry::default();
        for (bad, why) in [
            (pose(f64::NAN, 0.0, 1.0), Refusal::NotFinite),
            (pose(0.0, f64::INFINITY, 1.0), Refusal::NotFinite),
            (pose(0.0, 91.0, 1.0), Refusal::OutOfRange),
            (pose(0.0, 0.0, 0.0), Refusal::OutOfRange),
            (pose(1e9, 0.0, 1.0), Refusal::OutOfRange),
        ] {
            assert_eq!(told.push(0, bad), Err(why));
        }
        for i in 0..2 * MOST as u64 {
            told.pass(SECOND + i, 10);
            told.push(SECOND + i, Ptz::default()).unwrap();
        }
        assert_eq!(told.poses.len(), MOST);
        assert_eq!(told.push(0, Ptz::default()), Err(Refusal::TooOld));
        told.push(u64::MAX, Ptz::default()).unwrap();
        assert!(told.at(u64::MAX - 1, SECOND).is_some());
    }

    #[test]
    fn poses_wait_for_their_frames() {
        let mut told = Telemetry::default();
        let pushed = (0..MOST as u64 + 100).map(|i| told.push(i * 10, pose(i as f64 / 100.0, 0.0, 1.0)));
        let refused: Vec<_> = pushed.filter_map(Result::err).collect();
        assert_eq!(refused, [Refusal::TooManyAhead; 100]);
        assert!(Refusal::TooManyAhead.to_string().contains(&MOST.to_string()));
        assert_eq!(told.at(0, SECOND).map(|reading| reading.ptz), Some(pose(0.0, 0.0, 1.0)));
        // A frame at 1000 has use for what is 500 older.
        told.pass(1000, 500);
        let end = MOST as u64 * 10;
        let more = (0..100).take_while(|i| told.push(end + i, Ptz::default()).is_ok()).count();
        assert_eq!(more, 50);
    }
}
