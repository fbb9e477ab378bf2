//! What a picture is known by from near and far, and turned: oriented corners with binary descriptors.
//!
//! After Rublee, Rabaud, Konolige and Bradski, "ORB: an efficient alternative to SIFT or SURF", ICCV 2011: corners on a
//! pyramid of scales, turned by the intensity centroid, described by comparisons of brightness along with that turn
//! (steered BRIEF, Calonder et al., ECCV 2010). Here the corners are those of Shi and Tomasi, one in each cell of a
//! grid, and the comparisons are drawn from a normal distribution.

use super::corners::Corners;
use super::luma::Luma;
use crate::geometry::BBox;

/// Scales, and the ratio from each to the next: 3.4 in all.
const SCALES: usize = 8;
const RATIO: f32 = 1.189_207_1;
/// Pixels of a scale along a cell's side.
const CELL: usize = 14;
/// How far from a corner its description reaches, in pixels of its scale, and how far it stays from the border.
const REACH: f32 = 13.0;
const MARGIN: usize = 15;
/// Corners nearer to a better one than this, in pixels of their scale, are the same.
const APART: f32 = 4.0;
/// Comparisons of a descriptor.
const BITS: usize = 256;

/// A descriptor: one bit for each comparison.
pub(super) type Bits = [u64; BITS / 64];

/// A corner with its descriptor.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Feature {
    /// In pixels of level 0.
    pub(super) at: [f32; 2],
    /// Pixels of level 0 along a side of one of its scale.
    pub(super) scale: f32,
    /// Radians from the x axis to its direction.
    pub(super) angle: f32,
    pub(super) bits: Bits,
}

/// Puts the features of a picture outside the masked boxes into `features`.
pub(super) fn describe(luma: &Luma, masks: &[BBox], features: &mut Vec<Feature>) {
    features.clear();
    let pattern = pattern();
    let (mut scaled, mut next, mut smooth) = (luma.clone(), Luma::default(), Luma::default());
    let (mut corners, mut best) = (Corners::default(), Vec::new());
    let mut scale = 1.0;
    for _ in 0..SCALES {
        let grid = (scaled.width.div_ceil(CELL).max(1), scaled.height.div_ceil(CELL).max(1));
        best.clear();
        blur(&scaled, &mut smooth);
        best.extend(corners.search(&smooth, masks, grid, MARGIN));
        for (i, (score, at)) in best.iter().enumerate() {
            if !is_beaten(&best, i, *score, *at) {
                features.push(feature(&smooth, *at, scale, &pattern));
            }
        }
        shrink(&scaled, &mut next);
        std::mem::swap(&mut scaled, &mut next);
        scale *= RATIO;
    }
}

fn is_beaten(best: &[(f32, [f32; 2])], own: usize, score: f32, [x, y]: [f32; 2]) -> bool {
    best.iter().enumerate().any(|(i, (other, [u, v]))| {
        let better = *other > score || (*other == score && i < own);
        better && (x - u).abs() < APART && (y - v).abs() < APART
    })
}

fn feature(smooth: &Luma, [x, y]: [f32; 2], scale: f32, pattern: &[[f32; 4]; BITS]) -> Feature {
    let (cx, cy) = (x as usize, y as usize);
    let angle = direction(smooth, cx, cy);
    let (sine, cosine) = angle.sin_cos();
    let value = |dx: f32, dy: f32| {
        // Whole numbers by a cast that rounds: what is added is larger than the reach.
        let u = (cosine * dx - sine * dy + MARGIN as f32 + 0.5) as usize;
        let v = (sine * dx + cosine * dy + MARGIN as f32 + 0.5) as usize;
        smooth.data[(cy + v - MARGIN) * smooth.width + cx + u - MARGIN]
    };
    let mut bits = Bits::default();
    for (i, [ax, ay, bx, by]) in pattern.iter().enumerate() {
        bits[i / 64] |= u64::from(value(*ax, *ay) < value(*bx, *by)) << (i % 64);
    }
    let at = [x, y].map(|v| (v + 0.5) * scale - 0.5);
    Feature { at, scale, angle, bits }
}

/// The direction from a corner to the centroid of brightness around it.
fn direction(smooth: &Luma, cx: usize, cy: usize) -> f32 {
    let reach = REACH as usize;
    let (mut along, mut down) = (0.0, 0.0);
    for v in 0..=2 * reach {
        let dy = v as f32 - REACH;
        let half = (REACH * REACH - dy * dy).max(0.0).sqrt() as usize;
        let row = &smooth.row(cy + v - reach)[cx - half..=cx + half];
        let (mut sum, mut moment) = (0.0, 0.0);
        for (u, value) in row.iter().enumerate() {
            sum += value;
            moment += value * (u as f32 - half as f32);
        }
        along += moment;
        down += dy * sum;
    }
    down.atan2(along)
}

/// Pairs of places within reach, from a normal distribution whose deviation is 0.2 of the patch; always the same.
fn pattern() -> [[f32; 4]; BITS] {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = || {
        // xorshift64 (Marsaglia, 2003).
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 40) as f32 / (1 << 24) as f32
    };
    let mut place = || loop {
        // The sum of twelve has deviation 1.
        let mut normal = || ((0..12).map(|_| draw()).sum::<f32>() - 6.0) * 0.4 * REACH;
        let (x, y) = (normal(), normal());
        if x * x + y * y <= REACH * REACH {
            return [x, y];
        }
    };
    std::array::from_fn(|_| {
        let ([ax, ay], [bx, by]) = (place(), place());
        [ax, ay, bx, by]
    })
}

/// Binomial weights over nine pixels: a deviation of 1.4.
const WEIGHTS: [f32; 9] = [1.0, 8.0, 28.0, 56.0, 70.0, 56.0, 28.0, 8.0, 1.0];

fn blur(from: &Luma, to: &mut Luma) {
    let (width, height) = (from.width, from.height);
    to.resize(width, height);
    let mut line = vec![0.0; width + 8];
    for y in 0..height {
        let rows: [&[f32]; 9] = std::array::from_fn(|i| from.row((y + i).saturating_sub(4).min(height - 1)));
        for (x, out) in line[4..4 + width].iter_mut().enumerate() {
            *out = (0..9).map(|i| WEIGHTS[i] * rows[i][x]).sum::<f32>() * (1.0 / 65536.0);
        }
        let (first, last) = (line[4], line[3 + width]);
        line[..4].fill(first);
        line[4 + width..].fill(last);
        for (out, near) in to.data[y * width..][..width].iter_mut().zip(line.windows(9)) {
            *out = near.iter().zip(&WEIGHTS).map(|(v, weight)| v * weight).sum();
        }
    }
}

/// The next scale, by linear interpolation.
fn shrink(from: &Luma, to: &mut Luma) {
    let side = |length: usize| (length as f32 / RATIO) as usize;
    to.resize(side(from.width), side(from.height));
    let source = |i: usize, length: usize| {
        let place = (i as f32 + 0.5) * RATIO - 0.5;
        let first = place as usize;
        (first, (first + 1).min(length - 1), place - first as f32)
    };
    for y in 0..to.height {
        let (above, below, v) = source(y, from.height);
        let (above, below) = (from.row(above), from.row(below));
        for x in 0..to.width {
            let (left, right, u) = source(x, from.width);
            let top = above[left] + u * (above[right] - above[left]);
            let bottom = below[left] + u * (below[right] - below[left]);
            to.data[y * to.width + x] = top + v * (bottom - top);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of random brightness, eight pixels wide, at a scale and a turn about the middle.
    fn blocks(zoom: f32, turn: f32) -> Luma {
        let (width, height) = (240, 240);
        let value = |i: usize| {
            let (x, y) = ((i % width) as f32 - 119.5, (i / width) as f32 - 119.5);
            let (s, c) = turn.sin_cos();
            let (u, v) = ((c * x - s * y) / zoom + 500.0, (s * x + c * y) / zoom + 500.0);
            let cell = (u / 11.0) as u64 * 7919 + (v / 11.0) as u64 * 104_729;
            (cell.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as f32 - 128.0
        };
        Luma { width, height, data: (0..width * height).map(value).collect() }
    }

    #[test]
    fn a_turned_and_zoomed_picture_has_the_same_features() {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        describe(&blocks(1.0, 0.0), &[], &mut first);
        let (zoom, turn) = (1.3_f32, 0.6_f32);
        describe(&blocks(zoom, turn), &[], &mut second);
        let (s, c) = turn.sin_cos();
        let (mut near, mut alike) = (0, 0);
        for a in &first {
            let [x, y] = a.at.map(|v| (v - 119.5) * zoom);
            let there = [c * x + s * y + 119.5, c * y - s * x + 119.5];
            let same = |b: &&Feature| {
                let scale = (b.scale / a.scale / zoom).ln().abs() < 0.1;
                scale && (b.at[0] - there[0]).hypot(b.at[1] - there[1]) < 1.5 * b.scale
            };
            if let Some(b) = second.iter().find(same) {
                near += 1;
                let differing: u32 = a.bits.iter().zip(&b.bits).map(|(a, b)| (a ^ b).count_ones()).sum();
                alike += u32::from(differing < 64);
            }
        }
        assert!(near > 60 && alike * 2 > near, "{alike} of {near} of {}", first.len());
    }

    #[test]
    fn small_and_masked_pictures_have_none() {
        let mut features = Vec::new();
        for (width, height) in [(0, 0), (1, 1), (30, 300), (31, 31), (40, 33)] {
            let luma = Luma { width, height, data: vec![1.0; width * height] };
            describe(&luma, &[], &mut features);
            assert!(features.is_empty());
        }
        describe(&blocks(1.0, 0.0), &[BBox::new(0.0, 0.0, 1.0, 0.5)], &mut features);
        assert!(!features.is_empty() && features.iter().all(|feature| feature.at[1] > 119.0));
    }
}
