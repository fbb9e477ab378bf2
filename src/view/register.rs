//! Where one view lies in another that may have been seen long ago: from features to a homography, refused where it is
//! not the same view beyond doubt.
//!
//! From near a guess, the reference's corners are followed as from frame to frame. From anywhere, features are matched,
//! the similarity that most of them agree on is found, and corners are followed from there with their patches turned and
//! zoomed along. Either way it is the followed corners that decide: they have to agree on one homography, be a good part
//! of those in sight, and lie all over the part of the picture that both show.

use super::fit::{Fitter, Pair, similarity};
use super::keyframe::Keyframe;
use super::lk;
use super::luma::Pyramid;
use super::matching::{Match, consensus, pair_up};
use super::motion::{Plane, Spread};
use crate::homography::{apply, compose, inverse};

/// One in so many corners is followed first.
const SCOUTS: usize = 5;
/// Pixels by which features may miss the similarity they agree on.
const LOOSE: f64 = 5.0;
/// Rounds of following corners from where features lead.
const ROUNDS: usize = 3;
/// At least so many corners agree,
const LEAST_CORNERS: usize = 14;
/// which are this part of those in sight,
const LEAST_AGREEING: f64 = 0.3;
/// lie in this part of the coarse cells in which there are any,
const LEAST_CELLS: f64 = 0.5;
/// and reach over this part of each side of what is in sight.
const LEAST_REACH: f64 = 0.55;
/// What is left has a standard deviation of at most this many pixels.
const LOOSEST: f64 = 0.7;
/// Most that pictures differ in size.
const MOST_ZOOM: f64 = 4.5;
/// Most that the sides of a square differ in length after all.
const MOST_SKEW: f64 = 1.6;
/// Pixels from the border at which a corner is out of sight.
const BORDER: f32 = 4.0;
/// Patches that turn and zoom less than this are not resampled.
const UPRIGHT: f64 = 0.03;

/// How one view lies in another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Registration {
    /// Row-major homography from the current view's normalised points to the reference's.
    pub to_reference: [f64; 9],
    /// Confidence in it, in \[0, 1\], as of motion between frames: from how many corners agree, which part of those in
    /// sight, and how far they spread.
    pub confidence: f32,
    /// Corners that agree.
    pub agreeing: u32,
}

/// Finds views in each other; keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Registrar {
    fitter: Fitter,
    pairs: Vec<Pair>,
    sight: Vec<Pair>,
    matches: Vec<Match>,
}

/// One side of a registration: where its corners are, and the pixels to follow them on.
#[derive(Clone, Copy, Debug)]
struct Side<'a> {
    keyframe: &'a Keyframe,
    pyramid: &'a Pyramid,
    plane: Plane,
}

impl<'a> Side<'a> {
    fn new(keyframe: &'a Keyframe) -> Self {
        Self { keyframe, pyramid: &keyframe.pyramid, plane: Plane::of(&keyframe.pyramid) }
    }

    /// The same on coarser pixels.
    fn on(self, pyramid: &'a Pyramid) -> Self {
        Self { pyramid, plane: Plane::of(pyramid), ..self }
    }

    fn corners(self) -> impl Iterator<Item = [f64; 2]> + 'a {
        let plane = Plane::of(&self.keyframe.pyramid);
        self.keyframe.corners.iter().map(move |at| plane.centred(*at))
    }

    fn sees(&self, at: [f64; 2]) -> bool {
        let [x, y] = self.plane.pixel(at);
        let [right, bottom] = [self.pyramid.levels[0].width, self.pyramid.levels[0].height]
            .map(|length| length as f32 - 1.0 - BORDER);
        (BORDER..=right).contains(&x) && (BORDER..=bottom).contains(&y)
    }
}

/// [`Registrar::register`] once.
pub fn register(reference: &Keyframe, current: &Keyframe, guess: Option<&[f64; 9]>) -> Option<Registration> {
    Registrar::default().register(reference, current, guess)
}

impl Registrar {
    /// Where `current` lies in `reference`: near `guess` where there is one, else, and where it is not found there,
    /// anywhere; that takes both to be described. `None` where it is another view, or cannot be told.
    pub fn register(
        &mut self,
        reference: &Keyframe,
        current: &Keyframe,
        guess: Option<&[f64; 9]>,
    ) -> Option<Registration> {
        guess.and_then(|guess| self.near(reference, current, guess)).or_else(|| self.wide(reference, current))
    }

    /// Where `current` lies in `reference`, near `guess` (a homography between normalised points): within about a
    /// thirtieth of the longer side.
    pub fn near(
        &mut self,
        reference: &Keyframe,
        current: &Keyframe,
        guess: &[f64; 9],
    ) -> Option<Registration> {
        let (from, to) = (Side::new(reference), Side::new(current));
        let guess = compose(&from.plane.to_centred(), &compose(guess, &to.plane.to_units()));
        self.begin();
        self.follow(from, to, &guess, |i| i % SCOUTS == 0)?;
        let pixel = 1.0 / from.plane.half;
        // What these agree on spares the others the search.
        let closer = self.fitter.fit(&self.pairs, pixel, &guess).map_or(guess, |fit| fit.h);
        self.follow(from, to, &closer, |i| i % SCOUTS != 0)?;
        let (h, registration) = self.judge(from, to, &closer)?;
        finish(&h, from, to, registration)
    }

    /// Where `current` lies in `reference`, wherever that is. Both are to be described.
    pub fn wide(&mut self, reference: &Keyframe, current: &Keyframe) -> Option<Registration> {
        let (from, to) = (Side::new(reference), Side::new(current));
        let h = self.guess(from, to)?;
        // Corners of the one that shows more detail are in sight of the other.
        let zoom = zoom(&h)? * from.plane.half / to.plane.half;
        if zoom < 0.9 {
            let back = self.refine(to, from, &inverse(&h)?, 1.0 / zoom)?;
            return finish(&inverse(&back.0)?, from, to, back.1);
        }
        let (h, registration) = self.refine(from, to, &h, zoom)?;
        finish(&h, from, to, registration)
    }

    /// The similarity that features speak for, from `to` to `from`.
    fn guess(&mut self, from: Side<'_>, to: Side<'_>) -> Option<[f64; 9]> {
        let (reference, current) = (&from.keyframe.features, &to.keyframe.features);
        let larger = from.plane.half / to.plane.half;
        self.matches.clear();
        self.matches.extend(pair_up(reference, current).into_iter().map(|(i, j)| {
            let (a, b) = (&reference[i], &current[j]);
            let pair = Pair { from: to.plane.centred(b.at), to: from.plane.centred(a.at) };
            Match::new(pair, a, b, larger)
        }));
        let pixel = 1.0 / from.plane.half;
        let h = consensus(&self.matches, LOOSE * pixel, &mut self.pairs)?;
        Some(similarity(self.pairs.iter().map(|pair| (pair, 1.0))).unwrap_or(h))
    }

    /// Follows corners from a guess, again and again from what they agree on. `zoom` says how many pixels of `from` are
    /// one of `to`.
    fn refine(
        &mut self,
        from: Side<'_>,
        to: Side<'_>,
        guess: &[f64; 9],
        zoom: f64,
    ) -> Option<([f64; 9], Registration)> {
        let levels = zoom.log2().round().clamp(0.0, 2.0) as usize;
        let coarse = (0..levels)
            .fold(None, |last: Option<Pyramid>, _| Some(last.as_ref().unwrap_or(from.pyramid).coarser()));
        let from = coarse.as_ref().map_or(from, |pyramid| from.on(pyramid));
        let mut h = *guess;
        for round in 1.. {
            self.begin();
            self.follow(from, to, &h, |_| true)?;
            if round == ROUNDS {
                break;
            }
            h = self.fitter.fit(&self.pairs, 1.0 / from.plane.half, &h)?.h;
        }
        self.judge(from, to, &h)
    }

    fn begin(&mut self) {
        self.pairs.clear();
        self.sight.clear();
    }

    /// Finds corners of `from` in `to`. `h` leads from `to` to `from`.
    fn follow(
        &mut self,
        from: Side<'_>,
        to: Side<'_>,
        h: &[f64; 9],
        which: impl Fn(usize) -> bool,
    ) -> Option<()> {
        let onwards = inverse(h)?;
        for (_, at) in from.corners().enumerate().filter(|(i, _)| which(*i)) {
            let there = apply(&onwards, at);
            if !to.sees(there) {
                continue;
            }
            self.sight.push(Pair { from: there, to: at });
            let axes = axes(h, there, from.plane.half / to.plane.half, 1.0 / to.plane.half);
            let (place, start) = (from.plane.pixel(at), to.plane.pixel(there));
            if let Some(found) = lk::follow(from.pyramid, to.pyramid, place, start, axes) {
                self.pairs.push(Pair { from: to.plane.centred(found), to: at });
            }
        }
        Some(())
    }

    /// What the followed corners agree on, where that is beyond doubt.
    fn judge(&mut self, from: Side<'_>, to: Side<'_>, guess: &[f64; 9]) -> Option<([f64; 9], Registration)> {
        let pixel = 1.0 / from.plane.half;
        let fit = self.fitter.fit(&self.pairs, pixel, guess)?;
        let gate = (4.0 * fit.sigma).clamp(0.3 * pixel, 1.2 * pixel);
        let agree = Spread::of(&self.pairs, &from.plane, |pair| pair.miss(&fit.h) < gate);
        let sight = Spread::of(&self.sight, &from.plane, |_| true);
        let enough = agree.count >= LEAST_CORNERS
            && agree.count as f64 >= LEAST_AGREEING * sight.count as f64
            && agree.cells() >= LEAST_CELLS * sight.cells()
            && agree.reach() >= LEAST_REACH * sight.reach()
            && fit.sigma <= LOOSEST * pixel;
        if !enough || !is_view(&fit.h, to) {
            return None;
        }
        let (confidence, agreeing) = (agree.confidence(sight.count), agree.count as u32);
        Some((fit.h, Registration { to_reference: fit.h, confidence, agreeing }))
    }
}

/// A registration with its homography in units of the frames.
fn finish(h: &[f64; 9], from: Side<'_>, to: Side<'_>, found: Registration) -> Option<Registration> {
    let to_reference = compose(&from.plane.to_units(), &compose(h, &to.plane.to_centred()));
    to_reference.iter().all(|v| v.is_finite()).then_some(Registration { to_reference, ..found })
}

/// How the axes of a pixel of `to` lie in pixels of `from`, around `there`.
fn axes(h: &[f64; 9], [x, y]: [f64; 2], ratio: f64, step: f64) -> lk::Axes {
    let [ox, oy] = apply(h, [x, y]);
    let [ax, ay] = apply(h, [x + step, y]);
    let [bx, by] = apply(h, [x, y + step]);
    let axes = [ax - ox, bx - ox, ay - oy, by - oy].map(|v| v * ratio / step);
    let upright = axes.iter().zip([1.0, 0.0, 0.0, 1.0]).all(|(a, b)| (a - b).abs() < UPRIGHT);
    (!upright).then(|| axes.map(|v| v as f32))
}

/// How much larger a picture gets at its centre; `None` where it is mirrored or falls flat.
fn zoom(h: &[f64; 9]) -> Option<f64> {
    let [ox, oy] = apply(h, [0.0, 0.0]);
    let (step, [[ax, ay], [bx, by]]) = (0.01, [apply(h, [0.01, 0.0]), apply(h, [0.0, 0.01])]);
    let area = ((ax - ox) * (by - oy) - (ay - oy) * (bx - ox)) / (step * step);
    (area > 1.0 / (MOST_ZOOM * MOST_ZOOM) && area < MOST_ZOOM * MOST_ZOOM).then(|| area.sqrt())
}

/// Whether a camera can have seen the same so: no part of the picture is behind it, mirrored or drawn out.
fn is_view(h: &[f64; 9], to: Side<'_>) -> bool {
    let [x, y] = to.plane.centre.map(|c| c / to.plane.half);
    let ahead = [[-x, -y], [x, -y], [x, y], [-x, y]].iter().all(|[x, y]| h[6] * x + h[7] * y + h[8] > 0.2);
    let [a, b, c, d] = [h[0], h[1], h[3], h[4]];
    let (sum, area) = (a * a + b * b + c * c + d * d, a * d - b * c);
    // The ratio r of the axes of the ellipse that a circle becomes: r + 1/r is `sum` over `area`.
    ahead && zoom(h).is_some() && area > 0.0 && sum / area < MOST_SKEW + 1.0 / MOST_SKEW
}
