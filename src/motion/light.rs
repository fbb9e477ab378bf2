//! How the light of a frame differs from the background's.

use crate::luma::Luma;

use super::background::Background;

/// One pixel in so many is looked at, along each side.
const EVERY: usize = 6;
/// Rounds of reweighting.
const ROUNDS: usize = 3;
/// Fewer pixels than this tell nothing.
const LEAST: usize = 16;
/// The gain is between these.
const GAIN: [f32; 2] = [0.4, 2.5];
/// The mean absolute value of normal noise by its lower quartile.
const MEAN_BY_QUARTILE: f32 = 0.7979 / 0.3186;

/// No picture is taken for noisier than this unless it has been for long, and noise takes a second to double: what fills the
/// picture is motion.
const MOST_NOISE: f32 = 8.0;
const RISE: f32 = 2.0;

/// A picture of which luma deviates by less than this is too flat to be compared by correlation.
const FLAT: f32 = 8.0;

/// Gain and offset that lead the background to the frame, and the noise that remains.
#[derive(Clone, Debug)]
pub(super) struct Light {
    pub(super) gain: f32,
    pub(super) offset: f32,
    noise: Option<f32>,
    /// Values of the background, and of the frame there.
    pairs: Vec<[f32; 2]>,
    rest: Vec<f32>,
}

impl Default for Light {
    fn default() -> Self {
        Self { gain: 1.0, offset: 0.0, noise: None, pairs: Vec::new(), rest: Vec::new() }
    }
}

impl Light {
    /// Fits them, leaving aside what has changed, as long as that is less than half of the picture. The weights are those of
    /// Geman and McClure.
    pub(super) fn fit(&mut self, picture: &Luma, background: &Background, elapsed: f32) {
        self.take(picture, background);
        (self.gain, self.offset) = (1.0, 0.0);
        if self.pairs.len() < LEAST {
            return;
        }
        self.offset = self.quantile(0.5, |difference| difference);
        let mut scale = (2.0 * self.quantile(0.5, f32::abs)).max(2.0);
        for _ in 0..ROUNDS {
            self.improve(scale);
            scale = (0.5 * scale).max(2.0);
        }
        // Even where most of the picture moves, a quarter shows the background.
        let noise = MEAN_BY_QUARTILE * self.quantile(0.25, f32::abs);
        let most = self.noise.map_or(MOST_NOISE, |before| before.max(1.0) * RISE.powf(elapsed));
        self.noise = Some(noise.min(most));
    }

    /// Takes the noise of the next picture as it is: it may be another camera's.
    pub(super) fn forget(&mut self) {
        self.noise = None;
    }

    /// Mean absolute difference of a pixel that shows the background.
    pub(super) fn noise(&self) -> f32 {
        self.noise.unwrap_or_default()
    }

    fn take(&mut self, picture: &Luma, background: &Background) {
        self.pairs.clear();
        for y in (EVERY / 2..picture.height).step_by(EVERY) {
            let (now, usual) = (picture.row(y), background.mean.row(y));
            let both = usual.iter().zip(now).skip(EVERY / 2).step_by(EVERY);
            let known = both.filter(|(usual, now)| !(**usual + **now).is_nan());
            self.pairs.extend(known.map(|(usual, now)| [*usual, *now]));
        }
    }

    fn quantile(&mut self, part: f32, of: impl Fn(f32) -> f32) -> f32 {
        let Self { gain, offset, pairs, rest, .. } = self;
        rest.clear();
        rest.extend(pairs.iter().map(|[usual, now]| of(now - (*gain * usual + *offset))));
        let at = ((rest.len() - 1) as f32 * part) as usize;
        *rest.select_nth_unstable_by(at, f32::total_cmp).1
    }

    /// Correlation of the background and the frame; 1 where either is too flat to tell.
    pub(super) fn correlation(&self) -> f32 {
        let n = self.pairs.len() as f32;
        let mut sums = [0f32; 5];
        for [usual, now] in &self.pairs {
            let (x, y) = (usual - 128.0, now - 128.0);
            for (sum, more) in sums.iter_mut().zip([x, y, x * x, y * y, x * y]) {
                *sum += more / n;
            }
        }
        let [x, y, xx, yy, xy] = sums;
        let (usual, now) = (xx - x * x, yy - y * y);
        let flat = self.pairs.len() < LEAST || usual.min(now) < FLAT * FLAT;
        if flat { 1.0 } else { (xy - x * y) / (usual * now).sqrt() }
    }

    /// One round of least squares in which pixels count the less the worse they fit.
    fn improve(&mut self, scale: f32) {
        let (gain, offset, by) = (self.gain, self.offset, 1.0 / (scale * scale));
        let mut sums = [0f32; 5];
        for [usual, now] in &self.pairs {
            let miss = now - (gain * usual + offset);
            let fits = 1.0 / (1.0 + miss * miss * by);
            let weight = fits * fits;
            let (x, y) = (usual - 128.0, now - 128.0);
            for (sum, more) in sums.iter_mut().zip([1.0, x, y, x * x, x * y]) {
                *sum += weight * more;
            }
        }
        let [w, x, y, xx, xy] = sums;
        if w < LEAST as f32 {
            return;
        }
        // A flat picture tells nothing of the gain: it stays near 1.
        let prior = 4.0 * w;
        let (mx, my) = (x / w, y / w);
        let gain = (xy - mx * y + prior) / (xx - mx * x + prior);
        self.gain = gain.clamp(GAIN[0], GAIN[1]);
        self.offset = my + 128.0 - self.gain * (mx + 128.0);
    }
}
