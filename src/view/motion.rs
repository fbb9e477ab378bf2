//! How the camera moved from one frame to the next, from the pixels alone.
//!
//! Corners spread over the picture are followed from frame to frame, and the motion that most of them share is taken
//! as the camera's only where two things hold: those that share it lie all over the picture, and those that stood
//! still instead do not. So neither traffic nor a car before a bare wall moves the camera.

use super::corners::Corners;
use super::fit::{Fit, Fitter, Pair, robust};
use super::keyframe::Keyframe;
use super::lk;
use super::luma::{LEVELS, Pyramid};
use crate::geometry::BBox;
use crate::homography::{IDENTITY, apply, compose, inverse};
use crate::image::Frame;

/// What the pixels say of the camera between two frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Evidence {
    /// There is no frame to compare with: the first one, or the first of another size.
    #[default]
    First,
    /// The picture has no texture to see motion by.
    Blind,
    /// It is another picture.
    Cut,
    /// What little can be followed does not agree, or lies in one place.
    Unclear,
    /// The picture stands still.
    Still,
    /// All of the picture moves as one.
    Moves,
}

/// What is known of one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// What the pixels say.
    pub evidence: Evidence,
    /// Row-major homography from this frame's normalised points to the previous frame's, where the evidence is still
    /// (then the identity) or moves. The previous frame is the last one that had texture.
    pub to_previous: Option<[f64; 9]>,
    /// Confidence in that, in \[0, 1\]: from how many corners agree, which part of those followed, and how far over the
    /// picture they spread.
    pub confidence: f32,
}

/// Coarse cells along each side by which spread is judged.
const SPREAD: usize = 4;
/// One in so many corners is followed first.
const SCOUTS: usize = 5;
/// Fewer corners than this are no texture.
const LEAST_CORNERS: usize = 6;
/// Motion is believed of corners that lie in this part of the coarse cells, and reach over this part of each side.
const LEAST_SPREAD: f64 = 0.4;
const LEAST_REACH: f64 = 0.7;
/// Motion is not believed where the cells with corners that stood still instead are more than this part of its own.
const MOST_STILL: f64 = 0.35;
/// Motion of less than a pixel is believed where this many times more corners fit it better than fit it worse than a
/// picture that stands still.
const MANY_BETTER: f64 = 2.0;
/// Nor where what it leaves has a standard deviation of more than this many pixels: that is no rigid picture.
const LOOSEST: f64 = 0.5;
/// Pictures that are less alike than this, by correlation, may be different ones.
const ALIKE: f64 = 0.6;
/// A picture of which less than this part of the corners agrees may be another one.
const LEAST_AGREEING: f64 = 0.25;

/// Estimates the motion between consecutive frames. Its memory is made with the first frame of a size.
#[derive(Clone, Debug, Default)]
pub struct Estimator {
    /// The frame before, its corners in pixels of level 0, and this frame.
    previous: Pyramid,
    corners: Vec<[f32; 2]>,
    current: Pyramid,
    found: Vec<[f32; 2]>,
    /// What was masked of the frame pushed last, whether it is the next one's previous, and whether it has texture.
    masks: Vec<BBox>,
    kept: bool,
    textured: bool,
    finder: Corners,
    pairs: Vec<Pair>,
    fitter: Fitter,
    /// The last motion, centred.
    last: Option<[f64; 9]>,
    begun: bool,
}

/// Pixels of level 0 as centred coordinates with 1 as half of the longer side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane {
    pub(super) centre: [f64; 2],
    pub(super) half: f64,
}

impl Plane {
    pub(super) fn of(pyramid: &Pyramid) -> Self {
        let side = |length: usize| length as f64 / pyramid.factor as f64 / 2.0;
        let centre = [side(pyramid.size.0), side(pyramid.size.1)];
        Self { centre, half: centre[0].max(centre[1]) }
    }

    pub(super) fn centred(&self, [x, y]: [f32; 2]) -> [f64; 2] {
        [(f64::from(x) + 0.5 - self.centre[0]) / self.half, (f64::from(y) + 0.5 - self.centre[1]) / self.half]
    }

    pub(super) fn pixel(&self, [x, y]: [f64; 2]) -> [f32; 2] {
        let place = [x * self.half + self.centre[0] - 0.5, y * self.half + self.centre[1] - 0.5];
        place.map(|v| v as f32)
    }

    /// A motion of centred points as one of points in units of the frame.
    fn normalised(&self, h: &[f64; 9]) -> [f64; 9] {
        compose(&self.to_units(), &compose(h, &self.to_centred()))
    }

    /// From centred points to points in units of the frame.
    pub(super) fn to_units(self) -> [f64; 9] {
        let [w, v] = self.centre.map(|c| self.half / (2.0 * c));
        [w, 0.0, 0.5, 0.0, v, 0.5, 0.0, 0.0, 1.0]
    }

    /// The way back.
    pub(super) fn to_centred(self) -> [f64; 9] {
        let [w, v] = self.centre.map(|c| 2.0 * c / self.half);
        [w, 0.0, -0.5 * w, 0.0, v, -0.5 * v, 0.0, 0.0, 1.0]
    }
}

/// Where some of the corners lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    pub(super) count: usize,
    cells: u32,
    low: [f64; 2],
    high: [f64; 2],
}

impl Spread {
    pub(super) fn of(pairs: &[Pair], plane: &Plane, which: impl Fn(&Pair) -> bool) -> Self {
        let reach = plane.centre.map(|c| c / plane.half);
        let mut spread = Self { count: 0, cells: 0, low: [1.0; 2], high: [0.0; 2] };
        for pair in pairs.iter().filter(|pair| which(pair)) {
            let part: [f64; 2] = [0, 1].map(|i| ((pair.to[i] / reach[i] + 1.0) / 2.0).clamp(0.0, 1.0));
            let [x, y] = part.map(|v| ((v * SPREAD as f64) as usize).min(SPREAD - 1));
            spread.cells |= 1 << (y * SPREAD + x);
            spread.count += 1;
            for (axis, part) in part.into_iter().enumerate() {
                spread.low[axis] = spread.low[axis].min(part);
                spread.high[axis] = spread.high[axis].max(part);
            }
        }
        spread
    }

    /// The part of the coarse cells that have some.
    pub(super) fn cells(&self) -> f64 {
        f64::from(self.cells.count_ones()) / (SPREAD * SPREAD) as f64
    }

    /// The part of the shorter reached side.
    pub(super) fn reach(&self) -> f64 {
        (self.high[0] - self.low[0]).min(self.high[1] - self.low[1])
    }

    /// Confidence in what these corners say, of `followed` in all.
    pub(super) fn confidence(&self, followed: usize) -> f32 {
        let enough = (self.count as f64 / 24.0).min(1.0);
        let agree = (self.count as f64 / followed.max(1) as f64 / 0.6).min(1.0);
        let wide = (self.cells() / 0.5).min(1.0);
        (enough * agree * wide) as f32
    }
}

/// How far a motion takes the points between the centre and the corners, at most.
fn shift(h: &[f64; 9]) -> f64 {
    let points = [[-0.5, -0.3], [0.5, -0.3], [0.5, 0.3], [-0.5, 0.3]];
    points.iter().map(|p| Pair { from: *p, to: *p }.miss(h)).fold(0.0, f64::max)
}

impl Estimator {
    /// Takes over the next frame; corners in the masked boxes, which are of this frame, will not be followed. Returns
    /// how the view moved since the frame before.
    pub fn push(&mut self, frame: &Frame<'_>, masks: &[BBox]) -> Estimate {
        self.current.fill(frame);
        self.masks.clear();
        self.masks.extend_from_slice(masks);
        self.finder.find_fine(&self.current, masks, &mut self.found);
        let compared = self.begun && self.current.size == self.previous.size;
        let enough = |corners: &[_]| corners.len() >= LEAST_CORNERS;
        let estimate = match (compared, enough(&self.corners), enough(&self.found)) {
            (false, ..) => Estimate::default(),
            (true, true, true) => self.compare(),
            // What appears or vanishes is no sign of motion.
            _ => Estimate { evidence: Evidence::Blind, ..Estimate::default() },
        };
        if !compared || estimate.evidence != Evidence::Moves {
            self.last = None;
        }
        self.kept = !compared || !enough(&self.corners) || enough(&self.found);
        if self.kept {
            std::mem::swap(&mut self.previous, &mut self.current);
            std::mem::swap(&mut self.corners, &mut self.found);
        }
        self.begun = true;
        self.textured = self.kept && enough(&self.corners);
        estimate
    }

    /// Forgets all frames.
    pub fn reset(&mut self) {
        (self.begun, self.textured, self.last) = (false, false, None);
    }

    /// Takes over a frame without comparing it to the one before, and without making it one to compare with.
    pub fn glance(&mut self, frame: &Frame<'_>) {
        self.current.fill(frame);
        self.reset();
        self.kept = false;
    }

    /// The frame pushed last, whether it has texture or not.
    pub(super) fn last_frame(&self) -> &Pyramid {
        if self.kept { &self.previous } else { &self.current }
    }

    /// Makes a keyframe of the frame pushed last, to be described or not. Returns false, and leaves the keyframe alone,
    /// where that frame has no texture to be known by. The keyframe's memory is used again.
    pub fn fill_keyframe(&self, keyframe: &mut Keyframe) -> bool {
        if self.textured {
            keyframe.fill(&self.previous, &self.corners, &self.masks);
        }
        self.textured
    }

    fn compare(&mut self) -> Estimate {
        let plane = Plane::of(&self.current);
        let guess = self.last.unwrap_or(IDENTITY);
        self.follow(&plane, &guess);
        if self.pairs.len() < LEAST_CORNERS && self.last.is_some() {
            self.follow(&plane, &IDENTITY);
        }
        let pixel = 1.0 / plane.half;
        let fit = self.fitter.fit(&self.pairs, pixel, &guess);
        let (estimate, h) = self.judge(&plane, fit);
        self.last = h;
        estimate
    }

    /// Finds the corners of the previous frame again. `guess` leads from this frame to the previous one.
    fn follow(&mut self, plane: &Plane, guess: &[f64; 9]) {
        self.pairs.clear();
        self.follow_some(plane, guess, |i| i % SCOUTS == 0);
        // What these agree on spares the others the search.
        let guess = self.fitter.fit(&self.pairs, 1.0 / plane.half, guess).map_or(*guess, |fit| fit.h);
        self.follow_some(plane, &guess, |i| i % SCOUTS != 0);
    }

    fn follow_some(&mut self, plane: &Plane, guess: &[f64; 9], which: impl Fn(usize) -> bool) {
        let onwards = inverse(guess).unwrap_or(IDENTITY);
        for (_, at) in self.corners.iter().enumerate().filter(|(i, _)| which(*i)) {
            let start = plane.pixel(apply(&onwards, plane.centred(*at)));
            if let Some(place) = lk::follow(&self.previous, &self.current, *at, start, None) {
                self.pairs.push(Pair { from: plane.centred(place), to: plane.centred(*at) });
            }
        }
    }

    /// Whose motion it is.
    fn judge(&self, plane: &Plane, fit: Option<Fit>) -> (Estimate, Option<[f64; 9]>) {
        let (pixel, pairs) = (1.0 / plane.half, &self.pairs[..]);
        let followed = pairs.len();
        let sigma = fit.map_or(0.1 * pixel, |fit| fit.sigma);
        let gate = (4.0 * sigma).clamp(0.3 * pixel, 1.2 * pixel);
        let still = Spread::of(pairs, plane, |pair| pair.miss(&IDENTITY) < gate);
        let sure = |spread: &Spread, h: [f64; 9], evidence| {
            let estimate = Estimate {
                evidence,
                to_previous: Some(plane.normalised(&h)),
                confidence: spread.confidence(followed),
            };
            (estimate, Some(h))
        };
        let moved = fit.map(|Fit { h, .. }| (h, Spread::of(pairs, plane, |pair| pair.miss(&h) < gate)));
        if self.is_cut(moved.as_ref().map_or(0, |(_, moved)| moved.count).max(still.count)) {
            return (Estimate { evidence: Evidence::Cut, ..Estimate::default() }, None);
        }
        if let Some((h, moved)) = moved {
            let against =
                Spread::of(pairs, plane, |pair| pair.miss(&h) >= gate && pair.miss(&IDENTITY) < gate);
            let gain = robust(pairs, &IDENTITY, sigma) - robust(pairs, &h, sigma);
            let refuted = gain > 4.0 * 4.0 * (followed as f64).ln();
            let wide = moved.cells() >= LEAST_SPREAD && moved.reach() >= LEAST_REACH;
            // What moves on its own fits the one no better than the other.
            let better = |a: &[f64; 9], b: &[f64; 9]| {
                pairs.iter().filter(|pair| pair.miss(a) + 0.02 * pixel < pair.miss(b)).count() as f64
            };
            // Small motions leave nothing else to tell by.
            let times = if shift(&h) < pixel { MANY_BETTER } else { 1.0 };
            let most = better(&h, &IDENTITY) >= times * better(&IDENTITY, &h);
            let tight = sigma <= LOOSEST * pixel;
            if refuted && wide && most && tight && against.cells() <= MOST_STILL * moved.cells() {
                return sure(&moved, h, Evidence::Moves);
            }
        }
        if still.count >= LEAST_CORNERS && still.cells() >= LEAST_SPREAD / 2.0 {
            return sure(&still, IDENTITY, Evidence::Still);
        }
        (Estimate { evidence: Evidence::Unclear, ..Estimate::default() }, None)
    }

    /// Whether this is another picture: few corners are found again in agreement, and what remains of the picture when it
    /// is made small is not alike.
    fn is_cut(&self, agreeing: usize) -> bool {
        (agreeing as f64) < LEAST_AGREEING * self.corners.len() as f64 && self.likeness() < ALIKE
    }

    /// Correlation of the smallest copies of both frames.
    fn likeness(&self) -> f64 {
        let (a, b) = (&self.previous.levels[LEVELS - 1].data, &self.current.levels[LEVELS - 1].data);
        let mean = |data: &[f32]| data.iter().map(|v| f64::from(*v)).sum::<f64>() / data.len().max(1) as f64;
        let (ma, mb) = (mean(a), mean(b));
        let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
        for (a, b) in a.iter().zip(b) {
            let (a, b) = (f64::from(*a) - ma, f64::from(*b) - mb);
            (ab, aa, bb) = (ab + a * b, aa + a * a, bb + b * b);
        }
        if aa > 0.0 && bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
    }
}
