//! What usually is there, pixel by pixel.

use pulp::{Arch, Simd, WithSimd};

use crate::luma::Luma;

use super::light::Light;
use super::warp;

/// A pixel that is further off than this many times its usual distance has changed: 4 standard deviations of normal noise.
const NOISE: f32 = 5.0;
/// Usual distance of a pixel of which nothing is known yet.
const BEGIN: f32 = 2.0;
/// Differences count no higher than this for the usual distance.
const CAP: f32 = 40.0;
/// A pixel that has changed teaches its distance this much slower: leaves in the wind are learned, passers-by are not.
const CHANGED_RATE: f32 = 0.3;
/// A background that has seen few frames learns as the mean of as many more.
const SEEN: f32 = 10.0;
/// How fast the value at which a changed pixel rests follows it, a frame.
const REST_RATE: f32 = 0.1;
/// A changed pixel rests while it is no further off than this part of the limit.
const REST_LIMIT: f32 = 0.75;
/// What remains of the time for which it has rested when it does not: noise does not end a rest, motion does.
const UNREST: f32 = 0.5;

/// How a frame is compared.
pub(super) struct Step<'a> {
    pub(super) light: &'a Light,
    pub(super) threshold: f32,
    /// Pixels that edges may be off.
    pub(super) slack: f32,
    /// Seconds since the frame before.
    pub(super) elapsed: f32,
    pub(super) adapt: f32,
    pub(super) settle: f32,
}

impl Step<'_> {
    /// The least difference that counts anywhere.
    pub(super) fn limit(&self) -> f32 {
        self.threshold.max(NOISE * self.light.noise())
    }
}

/// Pixels that are known, and those of them that have changed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) known: u32,
    pub(super) changed: u32,
}

/// The background. Unknown values are NaN.
#[derive(Clone, Debug, Default)]
pub(super) struct Background {
    /// The usual value.
    pub(super) mean: Luma,
    /// The usual distance from it.
    spread: Luma,
    /// The value at which a changed pixel rests, and for how many seconds it has.
    rest: Vec<f32>,
    pub(super) rested: Vec<f32>,
    /// How far each pixel of the last frame was off if it had changed, else 0.
    pub(super) strength: Luma,
    spare: Luma,
    /// Frames since it began.
    age: f32,
}

impl Background {
    /// Takes a picture for it.
    pub(super) fn begin(&mut self, picture: &Luma) {
        self.mean.clone_from(picture);
        for luma in [&mut self.spread, &mut self.strength] {
            luma.resize(picture.width, picture.height);
        }
        self.spread.data.fill(BEGIN);
        self.strength.data.fill(0.0);
        self.rest.clone_from(&picture.data);
        self.rested.clear();
        self.rested.resize(picture.data.len(), 0.0);
        self.age = 1.0;
    }

    /// Leads it along: `way` leads from its pixels to those that they become. What comes into sight is unknown.
    pub(super) fn turn(&mut self, way: &[f64; 9]) {
        for luma in [&mut self.mean, &mut self.spread] {
            warp::turn(luma, &mut self.spare, way);
        }
        self.spread
            .data
            .iter_mut()
            .for_each(|spread| *spread = if spread.is_nan() { BEGIN } else { *spread });
        self.rested.fill(0.0);
    }

    /// Tells what has changed, and learns.
    pub(super) fn compare(&mut self, picture: &Luma, step: &Step<'_>) -> Seen {
        let young = 1.0 / (SEEN + self.age);
        self.age += 1.0;
        let rate = young.max(1.0 - (-step.elapsed / step.adapt.max(0.01)).exp()).min(1.0);
        let rules = Rules {
            gain: step.light.gain,
            offset: step.light.offset,
            floor: step.light.noise(),
            threshold: step.threshold,
            rate,
            elapsed: step.elapsed,
            settle: step.settle,
        };
        Arch::new().dispatch(Comparison { background: self, picture, rules, slack: step.slack })
    }
}

struct Comparison<'a> {
    background: &'a mut Background,
    picture: &'a Luma,
    rules: Rules,
    slack: f32,
}

impl WithSimd for Comparison<'_> {
    type Output = Seen;

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) -> Seen {
        let Self { background, picture, rules, slack } = self;
        let Background { mean, spread, rest, rested, strength, .. } = background;
        let mut seen = Seen::default();
        for y in 0..picture.height {
            let at = y * picture.width..(y + 1) * picture.width;
            let strength = &mut strength.data[at.clone()];
            tolerate(mean, y, slack, strength);
            let now = &picture.data[at.clone()];
            let (mean, spread) = (&mut mean.data[at.clone()], &mut spread.data[at.clone()]);
            let more = rules.row(now, mean, spread, &mut rest[at.clone()], &mut rested[at], strength);
            seen.known += more.known;
            seen.changed += more.changed;
        }
        seen
    }
}

/// What a misplaced edge explains: `slack` times the largest step to a neighbour.
#[inline(always)]
fn tolerate(mean: &Luma, y: usize, slack: f32, out: &mut [f32]) {
    let width = mean.width;
    let (row, out) = (&mean.row(y)[..width], &mut out[..width]);
    let above = &mean.row(y.saturating_sub(1))[..width];
    let below = &mean.row((y + 1).min(mean.height - 1))[..width];
    // A comparison with what is unknown is false, so that it explains nothing.
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let upright = |x: usize| larger((row[x] - above[x]).abs(), larger((row[x] - below[x]).abs(), 0.0));
    for x in 1..width.saturating_sub(1) {
        let across = larger((row[x] - row[x - 1]).abs(), (row[x] - row[x + 1]).abs());
        out[x] = slack * larger(across, upright(x));
    }
    out[0] = slack * upright(0);
    out[width - 1] = slack * upright(width - 1);
}

/// The numbers of a step.
struct Rules {
    gain: f32,
    offset: f32,
    floor: f32,
    threshold: f32,
    rate: f32,
    elapsed: f32,
    settle: f32,
}

impl Rules {
    /// Compares a row; `strength` comes with what each pixel is let off. Without branches, and with each slice as an argument, so
    /// that it becomes vector instructions.
    #[inline(always)]
    fn row(
        &self,
        now: &[f32],
        mean: &mut [f32],
        spread: &mut [f32],
        rest: &mut [f32],
        rested: &mut [f32],
        strength: &mut [f32],
    ) -> Seen {
        let width = now.len();
        let (mean, spread) = (&mut mean[..width], &mut spread[..width]);
        let (rest, rested, strength) = (&mut rest[..width], &mut rested[..width], &mut strength[..width]);
        let mut seen = Seen::default();
        for i in 0..width {
            let (value, usual, distance) = (now[i], mean[i], spread[i]);
            let expected = self.gain * usual + self.offset;
            let off = (value - expected).abs();
            let noise = NOISE * if distance > self.floor { distance } else { self.floor };
            let limit = (if noise > self.threshold { noise } else { self.threshold }) + strength[i];
            // Both are false where anything is unknown.
            let is_known = off >= 0.0;
            let is_changed = off > limit;
            let rests = (value - rest[i]).abs() <= REST_LIMIT * limit;
            let time = if rests { rested[i] + self.elapsed } else { UNREST * rested[i] };
            let time = if is_changed { time } else { 0.0 };
            let settles = time > self.settle;
            let is_seen = !value.is_nan();
            let target = if is_changed { expected } else { value };
            let learned = usual + self.rate * (target - usual);
            let learned = if is_known & !settles { learned } else { value };
            mean[i] = if is_seen { learned } else { usual };
            let far = if off < CAP { off } else { CAP };
            let speed = if is_changed { CHANGED_RATE * self.rate } else { self.rate };
            let taught = distance + speed * (far - distance);
            let taught = if settles { BEGIN } else { taught };
            spread[i] = if is_known { taught } else { distance };
            let follows = rest[i] + REST_RATE * (value - rest[i]);
            rest[i] = if rests { follows } else { value };
            rested[i] = if settles { 0.0 } else { time };
            strength[i] = if is_changed & !settles { off } else { 0.0 };
            seen.known += u32::from(is_known);
            seen.changed += u32::from(is_changed);
        }
        seen
    }
}
