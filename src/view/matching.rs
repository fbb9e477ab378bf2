//! Which features of two pictures are the same, and the similarity that most of these speak for.

use super::features::{Bits, Feature};
use super::fit::{Pair, similarity};

/// Descriptors that differ in more bits than this are not the same.
const MOST_BITS: u32 = 80;
/// A match is to be better than this part of the next best elsewhere (Lowe, "Distinctive Image Features from
/// Scale-Invariant Keypoints", IJCV 2004).
const DISTINCT: f32 = 0.85;
/// Features nearer than this, in pixels of their scale, are the same place at another scale.
const SAME_PLACE: f32 = 4.0;
/// Random samples drawn: enough for one in seven good matches at 99.9%, most of which are ruled out at once.
const SAMPLES: usize = 400;
/// How far a match's own turn, in radians, and zoom, as a logarithm, may be from the similarity's.
const TURN: f64 = 0.5;
const ZOOM: f64 = 0.45;
/// Fewer matches than this agree by chance.
const LEAST_MATCHES: usize = 6;

/// The same feature in two pictures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match {
    /// From the current picture to the reference.
    pub(super) pair: Pair,
    /// Radians by which it is turned on the way, and the logarithm of how much larger it gets.
    turn: f64,
    zoom: f64,
}

/// Features that are each other's nearest by their descriptors, as indices of the reference and of the current picture.
pub(super) fn pair_up(reference: &[Feature], current: &[Feature]) -> Vec<(usize, usize)> {
    // Counting bits takes a tenth of the time where the processor has an instruction for it.
    pulp::Arch::new().dispatch(|| nearest(reference, current))
}

#[inline(always)]
fn differing(a: &Bits, b: &Bits) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

#[inline(always)]
fn nearest(reference: &[Feature], current: &[Feature]) -> Vec<(usize, usize)> {
    let mut row = vec![0; current.len()];
    let mut nearest_back = vec![(u32::MAX, 0); current.len()];
    let mut found = Vec::new();
    for (i, a) in reference.iter().enumerate() {
        let mut best = (u32::MAX, 0);
        for (j, (b, back)) in current.iter().zip(&mut nearest_back).enumerate() {
            let bits = differing(&a.bits, &b.bits);
            row[j] = bits;
            if bits < best.0 {
                best = (bits, j);
            }
            if bits < back.0 {
                *back = (bits, i);
            }
        }
        if best.0 <= MOST_BITS && is_distinct(best, &row, current) {
            found.push((i, best.1));
        }
    }
    found.retain(|(i, j)| nearest_back[*j].1 == *i);
    found
}

#[inline(always)]
fn is_distinct((bits, best): (u32, usize), row: &[u32], current: &[Feature]) -> bool {
    let Feature { at: [x, y], scale, .. } = current[best];
    let limit = bits as f32 / DISTINCT;
    row.iter().zip(current).all(|(other, feature)| {
        let near = SAME_PLACE * scale.max(feature.scale);
        *other as f32 >= limit || ((feature.at[0] - x).abs() < near && (feature.at[1] - y).abs() < near)
    })
}

impl Match {
    /// `pair` leads from the current feature's place to the reference's, `larger` says how much longer a pixel of the
    /// current picture is in the pairs' units.
    pub(super) fn new(pair: Pair, reference: &Feature, current: &Feature, larger: f64) -> Self {
        let zoom = f64::from(reference.scale / current.scale).ln() - larger.ln();
        Self { pair, turn: f64::from(reference.angle - current.angle), zoom }
    }

    fn agrees(&self, turn: f64, zoom: f64) -> bool {
        let off = (self.turn - turn).rem_euclid(std::f64::consts::TAU);
        let off = off.min(std::f64::consts::TAU - off);
        off < TURN && (self.zoom - zoom).abs() < ZOOM
    }
}

/// The similarity that most matches agree with to within `gate`, and those matches' pairs in `pairs`. By random samples
/// (RANSAC, Fischler and Bolles, CACM 1981), each of which has to fit the turn and zoom of its own matches.
pub(super) fn consensus(matches: &[Match], gate: f64, pairs: &mut Vec<Pair>) -> Option<[f64; 9]> {
    if matches.len() < LEAST_MATCHES {
        return None;
    }
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut draw = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 16) as usize % matches.len()
    };
    let mut best = (0.0, [0.0; 9]);
    for _ in 0..SAMPLES {
        let (a, b) = (&matches[draw()], &matches[draw()]);
        let apart = (a.pair.from[0] - b.pair.from[0]).hypot(a.pair.from[1] - b.pair.from[1]);
        if apart < 0.1 {
            continue;
        }
        let Some(h) = similarity([(&a.pair, 1.0), (&b.pair, 1.0)].into_iter()) else { continue };
        let (turn, zoom) = (h[3].atan2(h[0]), h[0].hypot(h[3]).ln());
        if !a.agrees(turn, zoom) || !b.agrees(turn, zoom) {
            continue;
        }
        let score: f64 = agreeing(matches, &h, gate).map(|(_, part)| 1.0 - part * part).sum();
        if score > best.0 {
            best = (score, h);
        }
    }
    let (score, h) = best;
    pairs.clear();
    if score > 0.0 {
        pairs.extend(agreeing(matches, &h, gate).map(|(pair, _)| pair));
    }
    (pairs.len() >= LEAST_MATCHES).then_some(h)
}

/// The pairs that a similarity explains, each with its miss as a part of the gate.
fn agreeing<'a>(matches: &'a [Match], h: &'a [f64; 9], gate: f64) -> impl Iterator<Item = (Pair, f64)> + 'a {
    let (turn, zoom) = (h[3].atan2(h[0]), h[0].hypot(h[3]).ln());
    matches.iter().filter_map(move |found| {
        let part = found.pair.miss(h) / gate;
        (part < 1.0 && found.agrees(turn, zoom)).then_some((found.pair, part))
    })
}
