//! From changed pixels to regions.

use pulp::{Arch, Simd, WithSimd};

use crate::luma::Luma;

use super::background::Background;

/// Pixels along a side of a cell.
const CELL: usize = 4;
/// A region begins at a cell of which this part has changed, and goes on over those of which this part has.
const STRONG: f32 = 0.35;
const WEAK: f32 = 0.18;
/// Cells that are this far apart are connected.
const REACH: usize = 2;
/// Pixels that are enough to compare textures, the least deviation of one, and the correlation from which on two are
/// the same.
const LEAST_TEXTURE: f32 = 24.0;
const TEXTURE: f32 = 6.0;
const SAME: f32 = 0.9;
/// The contrast of one may be so many times the other's.
const CONTRAST: [f32; 2] = [0.3, 3.0];

/// A pixel that has changed but not for so many seconds since is at rest, and a region of which less than this part is not does
/// not move: a car that has parked, or the place that it has left.
const REST: f32 = 0.5;
const LEAST_UNREST: f32 = 0.15;

/// A compared frame.
pub(super) struct Picture<'a> {
    pub(super) current: &'a Luma,
    pub(super) background: &'a Background,
    /// The least difference that counted.
    pub(super) limit: f32,
    /// The fewest changed pixels of a region.
    pub(super) least: f32,
    /// There is no frame before that a region could be on.
    pub(super) alone: bool,
}

/// A region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// The first and the last pixel: x, y, x, y.
    pub(super) bounds: [u32; 4],
    /// Pixels that have changed.
    pub(super) pixels: f32,
    pub(super) confidence: f32,
}

/// Finds regions; keeps its memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Finder {
    columns: usize,
    rows: usize,
    /// The part of each cell that has changed.
    parts: Vec<f32>,
    sums: Vec<f32>,
    /// Cells that belonged to a region on the frame before, confirmed or not, and on this one.
    before: Vec<bool>,
    now: Vec<bool>,
    taken: Vec<bool>,
    /// The cells of a region.
    cells: Vec<u32>,
    found: Vec<Found>,
}

impl Finder {
    /// Forgets the frame before.
    pub(super) fn restart(&mut self) {
        self.now.clear();
    }

    /// The regions of a frame, the largest first.
    pub(super) fn find(&mut self, picture: &Picture<'_>) -> &[Found] {
        self.count(&picture.background.strength);
        let cells = self.columns * self.rows;
        std::mem::swap(&mut self.before, &mut self.now);
        self.before.resize(cells, false);
        for cells_of in [&mut self.now, &mut self.taken] {
            cells_of.clear();
            cells_of.resize(cells, false);
        }
        self.found.clear();
        for start in 0..cells {
            if self.parts[start] >= STRONG && !self.taken[start] {
                self.grow(start as u32);
                self.judge(picture);
            }
        }
        self.found.sort_by(|a, b| b.pixels.total_cmp(&a.pixels));
        &self.found
    }

    /// The part of each cell that has changed.
    fn count(&mut self, strength: &Luma) {
        (self.columns, self.rows) = (strength.width.div_ceil(CELL), strength.height.div_ceil(CELL));
        self.parts.resize(self.columns * self.rows, 0.0);
        self.sums.resize(strength.width, 0.0);
        Arch::new().dispatch(Count { strength, sums: &mut self.sums, parts: &mut self.parts });
    }

    /// Gathers the cells that are connected with one.
    fn grow(&mut self, start: u32) {
        self.cells.clear();
        self.cells.push(start);
        self.taken[start as usize] = true;
        let mut next = 0;
        while let Some(cell) = self.cells.get(next).copied() {
            next += 1;
            for near in around(cell, REACH, self.columns, self.rows) {
                let at = near as usize;
                if !self.taken[at] && self.parts[at] >= WEAK {
                    self.taken[at] = true;
                    self.cells.push(near);
                }
            }
        }
    }

    /// Keeps the region whose cells were gathered if it is one.
    fn judge(&mut self, picture: &Picture<'_>) {
        let measures = Measures::of(&self.cells, self.columns, picture);
        if measures.pixels < picture.least || measures.is_at_rest() || measures.is_light() {
            return;
        }
        self.cells.iter().for_each(|cell| self.now[*cell as usize] = true);
        let seen =
            |cell: &u32| around(*cell, 1, self.columns, self.rows).any(|near| self.before[near as usize]);
        if !picture.alone && !self.cells.iter().any(seen) {
            return;
        }
        let mean = measures.strength / measures.pixels;
        self.found.push(Found {
            bounds: measures.bounds,
            pixels: measures.pixels,
            confidence: mean / (mean + picture.limit),
        });
    }
}

/// Counts the changed pixels of each cell. Cells at the border may be cut; they are taken as whole.
struct Count<'a> {
    strength: &'a Luma,
    sums: &'a mut [f32],
    parts: &'a mut [f32],
}

impl WithSimd for Count<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        const PIXEL: f32 = 1.0 / (CELL * CELL) as f32;
        let Self { strength, sums, parts } = self;
        let width = strength.width.max(1);
        let lines = strength.data.chunks(CELL * width);
        for (line, parts) in lines.zip(parts.chunks_exact_mut(width.div_ceil(CELL))) {
            sums.fill(0.0);
            for row in line.chunks_exact(width) {
                for (sum, pixel) in sums.iter_mut().zip(row) {
                    *sum += if *pixel > 0.0 { PIXEL } else { 0.0 };
                }
            }
            for (part, sums) in parts.iter_mut().zip(sums.chunks(CELL)) {
                *part = sums.iter().sum();
            }
        }
    }
}

/// The cells up to a distance from one, itself included.
fn around(cell: u32, reach: usize, columns: usize, rows: usize) -> impl Iterator<Item = u32> {
    let (x, y) = (cell as usize % columns, cell as usize / columns);
    let (left, right) = (x.saturating_sub(reach), (x + reach).min(columns - 1));
    let lines = y.saturating_sub(reach)..=(y + reach).min(rows - 1);
    lines.flat_map(move |y| (left..=right).map(move |x| (y * columns + x) as u32))
}

/// What is to be known of a region.
#[derive(Debug)]
struct Measures {
    bounds: [u32; 4],
    pixels: f32,
    strength: f32,
    /// Pixels that are not at rest.
    restless: f32,
    /// Sums over the changed pixels of the background, of the frame, of their squares and of their product.
    sums: [f32; 5],
}

impl Measures {
    fn of(cells: &[u32], columns: usize, picture: &Picture<'_>) -> Self {
        let mut measures = Self {
            bounds: [u32::MAX, u32::MAX, 0, 0],
            pixels: 0.0,
            strength: 0.0,
            restless: 0.0,
            sums: [0.0; 5],
        };
        let strength = &picture.background.strength;
        for cell in cells {
            let (x, y) = (*cell as usize % columns * CELL, *cell as usize / columns * CELL);
            for y in y..(y + CELL).min(strength.height) {
                for x in x..(x + CELL).min(strength.width) {
                    let at = y * strength.width + x;
                    if strength.data[at] > 0.0 {
                        let pair = [picture.background.mean.data[at], picture.current.data[at]];
                        measures.add([x as u32, y as u32], strength.data[at], pair);
                        let rests = picture.background.rested[at] >= REST;
                        measures.restless += if rests { 0.0 } else { 1.0 };
                    }
                }
            }
        }
        measures
    }

    fn add(&mut self, [x, y]: [u32; 2], strength: f32, [usual, now]: [f32; 2]) {
        let [x0, y0, x1, y1] = self.bounds;
        self.bounds = [x0.min(x), y0.min(y), x1.max(x), y1.max(y)];
        self.pixels += 1.0;
        self.strength += strength;
        let (a, b) = (usual - 128.0, now - 128.0);
        for (sum, more) in self.sums.iter_mut().zip([a, b, a * a, b * b, a * b]) {
            *sum += more;
        }
    }

    /// Whether it has changed, but does not change.
    fn is_at_rest(&self) -> bool {
        self.restless < LEAST_UNREST * self.pixels
    }

    /// Whether it shows what the background does, under another light.
    fn is_light(&self) -> bool {
        let n = self.pixels;
        let [a, b, aa, bb, ab] = self.sums.map(|sum| sum / n);
        let (usual, now) = (aa - a * a, bb - b * b);
        if n < LEAST_TEXTURE || usual < TEXTURE * TEXTURE || now <= 0.0 {
            return false;
        }
        let contrast = (now / usual).sqrt();
        (ab - a * b) / (usual * now).sqrt() >= SAME && (CONTRAST[0]..=CONTRAST[1]).contains(&contrast)
    }
}
