//! The motion that most pairs of points agree on.
//!
//! A similarity from random pairs (RANSAC, Fischler and Bolles, CACM 1981, scored as MSAC, Torr and Zisserman, "MLESAC",
//! CVIU 2000), refined by iteratively reweighted least squares with Tukey's biweight; and a homography (Hartley and
//! Zisserman, "Multiple View Geometry", 2004, chapter 4) where the pairs speak for it: where it lowers the robust cost by
//! more than its four further numbers are worth (after Torr, "Geometric Motion Segmentation and Model Selection", 1998).

use crate::homography::{IDENTITY, apply};

/// A point of this frame and the same of the other: centred, with 1 as half of the longer side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pair {
    pub(super) from: [f64; 2],
    pub(super) to: [f64; 2],
}

impl Pair {
    /// How far from `to` the motion takes `from`.
    pub(super) fn miss(&self, h: &[f64; 9]) -> f64 {
        self.squared_miss(h).sqrt()
    }

    fn squared_miss(&self, h: &[f64; 9]) -> f64 {
        let [x, y] = apply(h, self.from);
        (x - self.to[0]).powi(2) + (y - self.to[1]).powi(2)
    }
}

/// A motion and how well it fits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    pub(super) h: [f64; 9],
    /// Standard deviation of what it leaves, by the median.
    pub(super) sigma: f64,
}

/// Random samples drawn; enough for four in ten good pairs at 99.9%.
const SAMPLES: usize = 48;
/// Rounds of reweighting.
const ROUNDS: usize = 6;
/// Tukey's constant for 95% efficiency.
const TUKEY: f64 = 4.685;

/// Fits motions; keeps its memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Fitter {
    misses: Vec<f64>,
    weights: Vec<f64>,
}

impl Fitter {
    /// The motion that most pairs agree on, `None` for fewer than four or where they lie in one place. `pixel` is the
    /// length of one in the pairs' units, `guess` a motion to try first. The same pairs give the same motion.
    pub(super) fn fit(&mut self, pairs: &[Pair], pixel: f64, guess: &[f64; 9]) -> Option<Fit> {
        if pairs.len() < 4 {
            return None;
        }
        let gate = pixel;
        let score = |h: &[f64; 9]| -> f64 {
            pairs.iter().map(|pair| (pair.squared_miss(h) / (gate * gate)).min(1.0)).sum()
        };
        let mut best = (score(&IDENTITY), IDENTITY);
        let mut consider = |h: [f64; 9]| {
            let score = score(&h);
            // NaN is no lower.
            if score < best.0 {
                best = (score, h);
            }
        };
        consider(*guess);
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let mut draw = || {
            // xorshift64 (Marsaglia, 2003).
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 16) as usize % pairs.len()
        };
        for _ in 0..SAMPLES {
            let (a, b) = (&pairs[draw()], &pairs[draw()]);
            let apart = (a.from[0] - b.from[0]).hypot(a.from[1] - b.from[1]);
            if apart > 0.3
                && let Some(h) = similarity([(a, 1.0), (b, 1.0)].into_iter())
            {
                consider(h);
            }
        }
        let simple = self.refine(pairs, pixel, best.1, false)?;
        let rich = self.refine(pairs, pixel, simple.h, true);
        let scale = simple.sigma;
        let rich = rich.filter(|rich| {
            let gain = robust(pairs, &simple.h, scale) - robust(pairs, &rich.h, scale);
            gain > 2.0 * 4.0 * (pairs.len() as f64).ln()
        });
        Some(rich.unwrap_or(simple))
    }

    fn refine(&mut self, pairs: &[Pair], pixel: f64, start: [f64; 9], rich: bool) -> Option<Fit> {
        let mut fit = Fit { h: start, sigma: self.sigma(pairs, pixel, &start) };
        for _ in 0..ROUNDS {
            self.weights.clear();
            self.weights.extend(pairs.iter().map(|pair| {
                let part = pair.miss(&fit.h) / (TUKEY * fit.sigma);
                if part < 1.0 { (1.0 - part * part).powi(2) } else { 0.0 }
            }));
            let weighted = pairs.iter().zip(self.weights.iter().copied());
            fit.h = if rich { homography(weighted, &fit.h)? } else { similarity(weighted)? };
            fit.sigma = self.sigma(pairs, pixel, &fit.h);
        }
        Some(fit)
    }

    /// From the median of the misses within three pixels, at least a thirtieth of a pixel.
    fn sigma(&mut self, pairs: &[Pair], pixel: f64, h: &[f64; 9]) -> f64 {
        self.misses.clear();
        self.misses.extend(pairs.iter().map(|pair| pair.miss(h)).filter(|miss| *miss < 3.0 * pixel));
        let middle = self.misses.len() / 2;
        if self.misses.is_empty() {
            return pixel;
        }
        let (_, median, _) = self.misses.select_nth_unstable_by(middle, f64::total_cmp);
        // The median length of a vector of two normal numbers is 1.1774 of their deviation.
        (*median / 1.1774).clamp(pixel / 30.0, pixel)
    }
}

/// What a motion leaves, in squared standard deviations; beyond three they count as three.
pub(super) fn robust(pairs: &[Pair], h: &[f64; 9], sigma: f64) -> f64 {
    pairs.iter().map(|pair| (pair.squared_miss(h) / (sigma * sigma)).min(9.0)).sum()
}

/// The similarity of least squares.
pub(super) fn similarity<'a>(pairs: impl Iterator<Item = (&'a Pair, f64)> + Clone) -> Option<[f64; 9]> {
    let (mut sum, mut from, mut to) = (0.0, [0.0; 2], [0.0; 2]);
    for (pair, weight) in pairs.clone() {
        sum += weight;
        for axis in 0..2 {
            from[axis] += weight * pair.from[axis];
            to[axis] += weight * pair.to[axis];
        }
    }
    if sum < 1e-9 {
        return None;
    }
    let (from, to) = (from.map(|v| v / sum), to.map(|v| v / sum));
    let (mut dot, mut cross, mut square) = (0.0, 0.0, 0.0);
    for (pair, weight) in pairs {
        let (x, y) = (pair.from[0] - from[0], pair.from[1] - from[1]);
        let (u, v) = (pair.to[0] - to[0], pair.to[1] - to[1]);
        dot += weight * (x * u + y * v);
        cross += weight * (x * v - y * u);
        square += weight * (x * x + y * y);
    }
    // Points in one place have no direction.
    if square < 1e-3 * sum {
        return None;
    }
    let (c, s) = (dot / square, cross / square);
    let (x, y) = (to[0] - c * from[0] + s * from[1], to[1] - s * from[0] - c * from[1]);
    Some([c, -s, x, s, c, y, 0.0, 0.0, 1.0])
}

/// The homography of least squares; `last` says how deep the points lie, which makes the error one of distances.
fn homography<'a>(pairs: impl Iterator<Item = (&'a Pair, f64)>, last: &[f64; 9]) -> Option<[f64; 9]> {
    let mut normal = [[0.0; 9]; 8];
    for (pair, weight) in pairs.filter(|(_, weight)| *weight > 0.0) {
        let [x, y] = pair.from;
        let [u, v] = pair.to;
        let depth = last[6] * x + last[7] * y + last[8];
        let weight = weight / (depth * depth);
        for row in
            [[x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u], [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v]]
        {
            for i in 0..8 {
                for j in i..9 {
                    normal[i][j] += weight * row[i] * row[j];
                }
            }
        }
    }
    let upper = normal;
    for (i, row) in normal.iter_mut().enumerate() {
        for (above, v) in upper.iter().zip(row.iter_mut()).take(i) {
            *v = above[i];
        }
    }
    let solved = solve(normal)?;
    Some(std::array::from_fn(|i| solved.get(i).copied().unwrap_or(1.0)))
}

/// Gauss's elimination; `None` where the equations hardly differ.
fn solve(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    let largest = rows.iter().flatten().fold(0.0, |most: f64, v| most.max(v.abs()));
    for i in 0..8 {
        let pivot = (i..8).max_by(|a, b| rows[*a][i].abs().total_cmp(&rows[*b][i].abs()))?;
        rows.swap(i, pivot);
        if rows[i][i].is_nan() || rows[i][i].abs() <= largest * 1e-7 {
            return None;
        }
        let (head, tail) = rows.split_at_mut(i + 1);
        let top = &head[i];
        for row in tail {
            let factor = row[i] / top[i];
            for j in i..9 {
                row[j] -= factor * top[j];
            }
        }
    }
    let mut solved = [0.0; 8];
    for i in (0..8).rev() {
        let known: f64 = (i + 1..8).map(|j| rows[i][j] * solved[j]).sum();
        solved[i] = (rows[i][8] - known) / rows[i][i];
    }
    Some(solved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(h: &[f64; 9], outliers: usize) -> Vec<Pair> {
        let grid = (0..12).flat_map(|i| (0..8).map(move |j| [i as f64 / 6.0 - 0.9, j as f64 / 8.0 - 0.45]));
        let pair = |(n, from): (usize, [f64; 2])| {
            let to = if n % 10 < outliers { [from[0] + 0.1, from[1] + 0.03] } else { apply(h, from) };
            Pair { from, to }
        };
        grid.enumerate().map(pair).collect()
    }

    #[test]
    fn motions_are_found_among_outliers() {
        let pixel = 1.0 / 160.0;
        let turn = [1.02, -0.01, 0.03, 0.01, 1.02, -0.02, 0.0, 0.0, 1.0];
        let pan = [1.01, 0.0, 0.05, 0.002, 1.0, 0.01, 0.004, -0.003, 1.0];
        for (h, outliers) in [(IDENTITY, 4), (turn, 3), (pan, 3)] {
            let pairs = pairs(&h, outliers);
            let fit = Fitter::default().fit(&pairs, pixel, &IDENTITY).unwrap();
            for corner in [[-1.0, -0.5], [1.0, -0.5], [1.0, 0.5], [-1.0, 0.5]] {
                let (a, b) = (apply(&fit.h, corner), apply(&h, corner));
                let miss = (a[0] - b[0]).hypot(a[1] - b[1]);
                assert!(miss < 0.01 * pixel, "{miss} at {corner:?} of {h:?}");
            }
        }
    }

    #[test]
    fn too_little_gives_nothing() {
        let few = pairs(&IDENTITY, 0);
        assert!(Fitter::default().fit(&few[..3], 0.01, &IDENTITY).is_none());
        let same = [few[0]; 20];
        assert!(Fitter::default().fit(&same, 0.01, &IDENTITY).is_none());
        let nan = [Pair { from: [f64::NAN; 2], to: [0.0; 2] }; 20];
        assert!(Fitter::default().fit(&nan, 0.01, &IDENTITY).is_none());
    }
}
