//! Where a picture can be followed: the best corner of each cell of a grid.
//!
//! A corner's score is the smaller eigenvalue of the structure tensor over 5x5 pixels (Shi and Tomasi, "Good
//! Features to Track", CVPR 1994): small where texture is weak or runs in one direction only.

use super::luma::{Luma, Pyramid};
use crate::geometry::BBox;

/// Cells of the grid, across and down; turned for upright pictures.
pub(super) const GRID: (usize, usize) = (16, 9);
/// Corners weaker than this, as mean squared gradient in the weaker direction, follow the noise.
const LEAST_SCORE: f32 = 2.0;
/// Pixels left out at the border.
const MARGIN: usize = 4;

/// Finds corners; keeps its memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Corners {
    /// Products of gradients xx, xy, yy, summed over 5 columns, then over 5 rows.
    across: [Vec<f32>; 3],
    down: [Vec<f32>; 3],
    masked: Vec<bool>,
    scores: Vec<f32>,
    best: Vec<(f32, [f32; 2])>,
}

impl Corners {
    /// Puts the corners of `luma` outside the masked boxes into `found`, in its pixels, at most one a cell.
    pub(super) fn find(&mut self, luma: &Luma, masks: &[BBox], found: &mut Vec<[f32; 2]>) {
        let grid = if luma.width >= luma.height { GRID } else { (GRID.1, GRID.0) };
        found.clear();
        found.extend(self.search(luma, masks, grid, MARGIN).map(|(_, place)| place));
    }

    /// The corners of a frame in pixels of level 0, chosen on level 1: that is fine enough, and takes a quarter of the time.
    pub(super) fn find_fine(&mut self, pyramid: &Pyramid, masks: &[BBox], found: &mut Vec<[f32; 2]>) {
        self.find(&pyramid.levels[1], masks, found);
        let fine = |v: f32| (v + 0.5) * 2.0 - 0.5;
        found.iter_mut().for_each(|place| *place = place.map(fine));
    }

    /// The best corner of each cell of a grid that has one, with its score; none within `margin` of the border.
    pub(super) fn search(
        &mut self,
        luma: &Luma,
        masks: &[BBox],
        (columns, rows): (usize, usize),
        margin: usize,
    ) -> impl Iterator<Item = (f32, [f32; 2])> {
        self.best.clear();
        if luma.width > 2 * margin && luma.height > 2 * margin {
            self.best.resize(columns * rows, (LEAST_SCORE, [0.0; 2]));
            self.score(luma, masks, (columns, rows), margin);
        }
        self.best.iter().copied().filter(|(score, _)| *score > LEAST_SCORE)
    }

    fn score(&mut self, luma: &Luma, masks: &[BBox], (columns, rows): (usize, usize), margin: usize) {
        let (width, height) = (luma.width, luma.height);
        self.mask(width, height, masks);
        self.gather(luma);
        for y in margin..height - margin {
            let at = y * width;
            for (part, from) in self.down.iter_mut().zip(&self.across) {
                part.clear();
                let rows: [&[f32]; 5] = std::array::from_fn(|i| &from[at + i * width - 2 * width..][..width]);
                part.extend(
                    (0..width).map(|x| rows[0][x] + rows[1][x] + rows[2][x] + rows[3][x] + rows[4][x]),
                );
            }
            let [xx, xy, yy] = &self.down;
            self.scores.clear();
            let parts = xx.iter().zip(xy).zip(yy);
            self.scores.extend(parts.map(|((xx, xy), yy)| {
                let (mean, difference) = (0.5 * (xx + yy), 0.5 * (xx - yy));
                (mean - (difference * difference + xy * xy).sqrt()) * (1.0 / 25.0)
            }));
            let cells = &mut self.best[y * rows / height * columns..][..columns];
            for (i, cell) in cells.iter_mut().enumerate() {
                let first = (i * width).div_ceil(columns).max(margin);
                let last = ((i + 1) * width).div_ceil(columns).min(width - margin).max(first);
                for (x, score) in self.scores[first..last].iter().enumerate() {
                    if *score > cell.0 && !self.masked[at + first + x] {
                        *cell = (*score, [(first + x) as f32, y as f32]);
                    }
                }
            }
        }
    }

    fn mask(&mut self, width: usize, height: usize, masks: &[BBox]) {
        self.masked.clear();
        self.masked.resize(width * height, false);
        for mask in masks.iter().filter_map(BBox::clipped) {
            // A margin of two pixels keeps patches off the outline.
            let side = |v: f32, size: usize, by: f32| (v * size as f32 + by).clamp(0.0, size as f32) as usize;
            let (x0, x1) = (side(mask.x_min, width, -2.0), side(mask.x_max, width, 3.0));
            for y in side(mask.y_min, height, -2.0)..side(mask.y_max, height, 3.0) {
                self.masked[y * width + x0..y * width + x1].fill(true);
            }
        }
    }

    /// Products of central differences, summed over five columns.
    fn gather(&mut self, luma: &Luma) {
        let (width, height) = (luma.width, luma.height);
        let Self { across: [xx, xy, yy], down, .. } = self;
        [&mut *xx, &mut *xy, &mut *yy].into_iter().for_each(|sums| sums.resize(width * height, 0.0));
        down.iter_mut().for_each(|line| line.resize(width, 0.0));
        for y in 1..height - 1 {
            let (above, row, below) = (luma.row(y - 1), luma.row(y), luma.row(y + 1));
            let [a, b, c] = &mut *down;
            let (a, b, c) = (&mut a[..width], &mut b[..width], &mut c[..width]);
            for x in 1..width - 1 {
                let (gx, gy) = (0.5 * (row[x + 1] - row[x - 1]), 0.5 * (below[x] - above[x]));
                (a[x], b[x], c[x]) = (gx * gx, gx * gy, gy * gy);
            }
            for (line, sums) in [(a, &mut *xx), (b, &mut *xy), (c, &mut *yy)] {
                let out = &mut sums[y * width..][..width];
                for x in 2..width - 2 {
                    out[x] = line[x - 2] + line[x - 1] + line[x] + line[x + 1] + line[x + 2];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(paint: impl Fn(usize, usize) -> f32) -> Luma {
        let (width, height) = (160, 90);
        Luma { width, height, data: (0..width * height).map(|i| paint(i % width, i / width)).collect() }
    }

    #[test]
    fn corners_lie_where_texture_has_two_directions() {
        let (mut corners, mut found) = (Corners::default(), Vec::new());
        let squares = picture(|x, y| if (x / 8 + y / 8) % 2 == 0 { 40.0 } else { 200.0 });
        corners.find(&squares, &[], &mut found);
        assert!(found.len() > 120, "{}", found.len());
        let left = BBox::new(-0.5, -0.5, 0.5, 2.0);
        corners.find(&squares, &[left], &mut found);
        assert!(found.len() > 50 && found.iter().all(|[x, _]| *x >= 82.0));
        corners.find(&picture(|x, _| (x / 8 % 2) as f32 * 200.0), &[], &mut found);
        assert!(found.is_empty(), "stripes can be followed in one direction only");
        corners.find(&picture(|_, _| 90.0), &[], &mut found);
        assert!(found.is_empty());
        for (width, height) in [(1, 1), (2, 33), (9, 9), (10, 200), (16, 250)] {
            corners.find(&Luma { width, height, data: vec![1.0; width * height] }, &[], &mut found);
            assert!(found.is_empty());
        }
    }
}
