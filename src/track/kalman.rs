//! Where a box goes: a Kalman filter in real time.
//!
//! Each of a box's centre x, centre y, width and height has a filter of its own for its value and its
//! rate of change (Kalman, 1960). The rate follows an Ornstein-Uhlenbeck process, so it fades while
//! nothing is observed, and the value diffuses on top of it. Both are integrated exactly (Singer, 1970):
//! predicting twice over half the time is the same as once over all of it, so the frame rate does not
//! matter. All noise is relative to the size of the object, as in SORT's successors.

use crate::geometry::BBox;

/// How objects move and how exactly detectors see them. Lengths are in object sizes, one size being the
/// square root of the box's area in the displayed picture, so one set of values serves any resolution,
/// distance and frame rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Motion {
    /// Standard deviation of a detected centre, in sizes, 0.001 to 1.
    pub measurement: f32,
    /// Standard deviation of a detected width or height, in sizes, 0.001 to 1.
    pub size_measurement: f32,
    /// Diffusion of the centre apart from its velocity, in sizes per square root of a second, 0 to 10.
    pub wander: f32,
    /// Standard deviation of the centre's velocity in the long run, in sizes a second, 0 to 100.
    pub speed: f32,
    /// How long a velocity lasts before it is forgotten, in seconds, 0.01 to 1000.
    pub persistence: f32,
    /// The same three for width and height: diffusion, in sizes per square root of a second, 0 to 10.
    pub size_wander: f32,
    /// Standard deviation of the rate at which width and height change, in sizes a second, 0 to 100.
    pub size_speed: f32,
    /// How long a rate of width and height lasts, in seconds, 0.01 to 1000.
    pub size_persistence: f32,
}

impl Default for Motion {
    fn default() -> Self {
        Self {
            measurement: 0.125,
            size_measurement: 0.16,
            wander: 0.2,
            speed: 1.5,
            persistence: 12.0,
            size_wander: 0.2,
            size_speed: 0.5,
            size_persistence: 1.0,
        }
    }
}

impl Motion {
    /// The values within their documented ranges; what is not a number becomes the default.
    pub(super) fn clamped(self) -> Self {
        let d = Self::default();
        let fix = |v: f32, d: f32, min: f32, max: f32| if v.is_nan() { d } else { v.clamp(min, max) };
        Self {
            measurement: fix(self.measurement, d.measurement, 0.001, 1.0),
            size_measurement: fix(self.size_measurement, d.size_measurement, 0.001, 1.0),
            wander: fix(self.wander, d.wander, 0.0, 10.0),
            speed: fix(self.speed, d.speed, 0.0, 100.0),
            persistence: fix(self.persistence, d.persistence, 0.01, 1000.0),
            size_wander: fix(self.size_wander, d.size_wander, 0.0, 10.0),
            size_speed: fix(self.size_speed, d.size_speed, 0.0, 100.0),
            size_persistence: fix(self.size_persistence, d.size_persistence, 0.01, 1000.0),
        }
    }

    fn center(&self) -> Process {
        Process::new(self.wander, self.speed, self.persistence)
    }

    fn size(&self) -> Process {
        Process::new(self.size_wander, self.size_speed, self.size_persistence)
    }
}

/// What drives one value, for an object of size 1.
#[derive(Clone, Copy, Debug)]
struct Process {
    diffusion: f64,
    /// Variance of the rate when nothing is known of it.
    rate_variance: f64,
    persistence: f64,
}

impl Process {
    fn new(wander: f32, speed: f32, persistence: f32) -> Self {
        Self {
            diffusion: squared(wander),
            rate_variance: squared(speed),
            persistence: f64::from(persistence),
        }
    }

    /// The process over `dt` seconds.
    fn over(&self, dt: f64) -> Step {
        let tau = self.persistence;
        let keep = (-dt / tau).exp();
        let gone = -(-dt / tau).exp_m1();
        let variance = self.rate_variance;
        // The exact integral loses all its digits for a short step, where its leading term is right.
        let drift = if dt < tau * 1e-3 {
            2.0 / 3.0 * dt.powi(3) / tau
        } else {
            tau * (2.0 * dt - tau * gone * (2.0 + gone))
        };
        Step {
            keep,
            reach: tau * gone,
            value_noise: self.diffusion * dt + variance * drift,
            cross_noise: variance * tau * gone * gone,
            rate_noise: variance * -(-2.0 * dt / tau).exp_m1(),
        }
    }
}

/// One value's prediction, for an object of size 1.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// The part of the rate that is left.
    keep: f64,
    /// How far a rate of 1 carries the value.
    reach: f64,
    value_noise: f64,
    cross_noise: f64,
    rate_noise: f64,
}

/// The motion model over one time step, the same for all tracks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transition {
    center: Step,
    size: Step,
}

impl Transition {
    /// The model over `dt` seconds, which is at least 0.
    pub(super) fn new(motion: &Motion, dt: f64) -> Self {
        Self { center: motion.center().over(dt), size: motion.size().over(dt) }
    }
}

/// A value, its rate of change a second, and their covariance.
#[derive(Clone, Copy, Debug, Default)]
struct Axis {
    value: f64,
    rate: f64,
    var_value: f64,
    cov: f64,
    var_rate: f64,
}

impl Axis {
    fn new(value: f64, noise: f64, process: &Process, scale: f64) -> Self {
        let unit = scale * scale;
        Self { value, var_value: noise * unit, var_rate: process.rate_variance * unit, ..Self::default() }
    }

    /// `a` and `b` of two independent axes, which are taken as independent of each other after it too.
    fn mixed(one: &Self, a: f64, other: &Self, b: f64) -> Self {
        let (aa, bb) = (a * a, b * b);
        Self {
            value: a * one.value + b * other.value,
            rate: a * one.rate + b * other.rate,
            var_value: aa * one.var_value + bb * other.var_value,
            cov: aa * one.cov + bb * other.cov,
            var_rate: aa * one.var_rate + bb * other.var_rate,
        }
    }

    /// All lengths by a factor.
    fn scale(&mut self, by: f64) {
        *self = Self::mixed(self, by, &Self::default(), 0.0);
    }

    fn predict(&mut self, step: &Step, scale: f64) {
        let unit = scale * scale;
        self.value += step.reach * self.rate;
        self.rate *= step.keep;
        self.var_value +=
            step.reach * (2.0 * self.cov + step.reach * self.var_rate) + step.value_noise * unit;
        self.cov = step.keep * (self.cov + step.reach * self.var_rate) + step.cross_noise * unit;
        self.var_rate = step.keep * step.keep * self.var_rate + step.rate_noise * unit;
    }

    /// Takes in a value that was measured `lag` seconds ago: then it was `value - lag * rate`.
    fn update(&mut self, measured: f64, lag: f64, noise: f64, scale: f64) {
        let (with_value, with_rate) = (self.var_value - lag * self.cov, self.cov - lag * self.var_rate);
        let total = with_value - lag * with_rate + noise * scale * scale;
        if total <= 0.0 {
            return;
        }
        let (gain, rate_gain) = (with_value / total, with_rate / total);
        let innovation = measured - (self.value - lag * self.rate);
        self.value += gain * innovation;
        self.rate += rate_gain * innovation;
        self.var_value -= gain * with_value;
        self.cov -= gain * with_rate;
        self.var_rate -= rate_gain * with_rate;
    }
}

/// A box that moves, in units of the frame. Noise is isotropic in the displayed picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct BoxFilter {
    x: Axis,
    y: Axis,
    width: Axis,
    height: Axis,
}

fn squared(v: f32) -> f64 {
    f64::from(v).powi(2)
}

/// A box of width or height below this is no box any more.
const SMALLEST: f64 = 1e-6;

impl BoxFilter {
    /// A filter that has seen one box. `aspect` is the displayed picture's width over its height.
    pub(super) fn new(bbox: &BBox, motion: &Motion, aspect: f32) -> Self {
        let (x, y, width, height) = parts(bbox);
        let (sx, sy) = scales(width, height, aspect);
        let ((center, noise), (size, size_noise)) = (
            (motion.center(), squared(motion.measurement)),
            (motion.size(), squared(motion.size_measurement)),
        );
        Self {
            x: Axis::new(x, noise, &center, sx),
            y: Axis::new(y, noise, &center, sy),
            width: Axis::new(width, size_noise, &size, sx),
            height: Axis::new(height, size_noise, &size, sy),
        }
    }

    /// Moves the box on by the time of `transition`.
    pub(super) fn predict(&mut self, transition: &Transition, aspect: f32) {
        let (sx, sy) = scales(self.width.value, self.height.value, aspect);
        self.x.predict(&transition.center, sx);
        self.y.predict(&transition.center, sy);
        self.width.predict(&transition.size, sx);
        self.height.predict(&transition.size, sy);
        for axis in [&mut self.width, &mut self.height] {
            if axis.value < SMALLEST {
                (axis.value, axis.rate) = (SMALLEST, 0.0);
            }
        }
    }

    /// Takes in a box that was detected `lag` seconds ago.
    pub(super) fn update(&mut self, bbox: &BBox, lag: f32, motion: &Motion, aspect: f32) {
        let (x, y, width, height) = parts(bbox);
        let (sx, sy) = scales(width, height, aspect);
        let lag = f64::from(lag);
        // What has moved the box since then is not in its rate yet.
        let since = |process: Process| if lag > 0.0 { process.over(lag).value_noise } else { 0.0 };
        let center = squared(motion.measurement) + since(motion.center());
        let size = squared(motion.size_measurement) + since(motion.size());
        self.x.update(x, lag, center, sx);
        self.y.update(y, lag, center, sy);
        self.width.update(width, lag, size, sx);
        self.height.update(height, lag, size, sy);
        self.width.value = self.width.value.max(SMALLEST);
        self.height.value = self.height.value.max(SMALLEST);
    }

    /// Moves the box, its rates and what is not known of them from the previous frame's view into this frame's; near
    /// the box the turn counts as affine.
    pub(super) fn follow(&mut self, turn: &Turn) {
        let Some(Place { point, jacobian }) = turn.at(self.x.value, self.y.value) else { return };
        let [[xx, xy], [yx, yy]] = jacobian;
        let (x, y) = (self.x, self.y);
        self.x = Axis::mixed(&x, xx, &y, xy);
        self.y = Axis::mixed(&x, yx, &y, yy);
        (self.x.value, self.y.value) = point;
        self.width.scale(xx.hypot(yx));
        self.height.scale(xy.hypot(yy));
    }

    /// How far a box's width and height are from what is expected, in squared standard deviations.
    pub(super) fn size_surprise(&self, bbox: &BBox, motion: &Motion, aspect: f32) -> f32 {
        let (_, _, width, height) = parts(bbox);
        let (sx, sy) = scales(self.width.value, self.height.value, aspect);
        let noise = squared(motion.measurement);
        let squares = |v: f64, axis: &Axis, scale: f64| {
            (v - axis.value).powi(2) / (axis.var_value + noise * scale * scale)
        };
        (squares(width, &self.width, sx) + squares(height, &self.height, sy)) as f32
    }

    /// The box now.
    pub(super) fn bbox(&self) -> BBox {
        let half = (self.width.value / 2.0, self.height.value / 2.0);
        BBox::new(
            (self.x.value - half.0) as f32,
            (self.y.value - half.1) as f32,
            (self.x.value + half.0) as f32,
            (self.y.value + half.1) as f32,
        )
    }

    /// The centre's velocity in units of the frame a second.
    pub(super) fn velocity(&self) -> [f32; 2] {
        [self.x.rate as f32, self.y.rate as f32]
    }
}

/// The way from the previous frame's view into this frame's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn([[f64; 3]; 3]);

/// Where a point of the previous frame is now, and how its surroundings are stretched.
struct Place {
    point: (f64, f64),
    jacobian: [[f64; 2]; 2],
}

impl Turn {
    /// From the row-major homography that maps this frame's points to the previous frame's.
    pub(super) fn new(to_previous: &[f32; 9]) -> Self {
        let [a, b, c, d, e, f, g, h, i] = to_previous.map(f64::from);
        // The inverse but for a factor, which a homography does not mind.
        Self([
            [e * i - f * h, c * h - b * i, b * f - c * e],
            [f * g - d * i, a * i - c * g, c * d - a * f],
            [d * h - e * g, b * g - a * h, a * e - b * d],
        ])
    }

    /// A point of the previous frame in this one; it stays where it is when no way leads there.
    pub(super) fn point(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let place = self.at(x.into(), y.into());
        place.map_or([x, y], |Place { point, .. }| [point.0 as f32, point.1 as f32])
    }

    /// A box of the previous frame in this one, as [`BoxFilter::follow`] moves it.
    pub(super) fn bbox(&self, bbox: &BBox) -> BBox {
        let (x, y, width, height) = parts(bbox);
        let Some(Place { point, jacobian }) = self.at(x, y) else { return *bbox };
        let [[xx, xy], [yx, yy]] = jacobian;
        let (width, height) = (width * xx.hypot(yx), height * xy.hypot(yy));
        BBox::from_center(point.0 as f32, point.1 as f32, width as f32, height as f32)
    }

    /// `None` when the homography has no inverse or sends the point out of the picture plane.
    fn at(&self, x: f64, y: f64) -> Option<Place> {
        let [m, n, o] = self.0;
        let dot = |row: [f64; 3]| row[0] * x + row[1] * y + row[2];
        let depth = dot(o);
        let point = (dot(m) / depth, dot(n) / depth);
        let slope = |row: [f64; 3], at: f64, k: usize| (row[k] - at * o[k]) / depth;
        let jacobian =
            [[slope(m, point.0, 0), slope(m, point.0, 1)], [slope(n, point.1, 0), slope(n, point.1, 1)]];
        let finite = jacobian.iter().flatten().chain([&point.0, &point.1]).all(|v| v.is_finite());
        finite.then_some(Place { point, jacobian })
    }
}

fn parts(bbox: &BBox) -> (f64, f64, f64, f64) {
    let [x0, y0, x1, y1] = [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max].map(f64::from);
    ((x0 + x1) / 2.0, (y0 + y1) / 2.0, x1 - x0, y1 - y0)
}

/// One object size along x and along y, in units of the frame.
fn scales(width: f64, height: f64, aspect: f32) -> (f64, f64) {
    let aspect = f64::from(aspect);
    let size = (width * aspect * height).sqrt();
    (size / aspect, size)
}
