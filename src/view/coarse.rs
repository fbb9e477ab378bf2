//! A picture in 144 cells: how bright each is, and how much detail it has.

use super::corners::GRID;
use super::luma::{Luma, Pyramid};

/// Cells.
const CELLS: usize = GRID.0 * GRID.1;

/// A number for each cell.
pub(super) type Cells = [f32; CELLS];

/// What is left of a picture in its cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coarse {
    /// Mean luma, 0 to 255.
    pub(super) light: Cells,
    /// Root of the mean squared difference of neighbouring pixels at about 340 pixels along the longer side. Squares,
    /// because a blurred edge is as high as a sharp one, and only less steep.
    pub(super) detail: Cells,
    /// Median over the cells of the mean difference at a quarter of that size, where noise is averaged out.
    pub(super) structure: f32,
}

impl Coarse {
    /// Of a picture of at least 64 pixels by 36, or upright; `None` of a smaller one. Uses the memory of `sums`.
    pub(super) fn of(pyramid: &Pyramid, sums: &mut Vec<f32>) -> Option<Self> {
        let [fine, _, small] = &pyramid.levels;
        let grid = if fine.width >= fine.height { GRID } else { (GRID.1, GRID.0) };
        let holds = |luma: &Luma, side: usize| luma.width >= side * grid.0 && luma.height >= side * grid.1;
        if !holds(fine, 4) || !holds(small, 1) {
            return None;
        }
        let mut detail = each_cell(fine, grid, sums, |row, right, below| {
            (row - right) * (row - right) + (row - below) * (row - below)
        });
        detail.iter_mut().for_each(|cell| *cell = cell.sqrt());
        let light = each_cell(small, grid, sums, |row, _, _| row);
        let mut structure =
            each_cell(small, grid, sums, |row, right, below| (row - right).abs() + (row - below).abs());
        Some(Self { light, detail, structure: quantile(&mut structure, 0.5) })
    }
}

/// The mean over each cell's pixels of what `measure` says of a pixel and its neighbours to the right and below.
fn each_cell(
    luma: &Luma,
    (columns, rows): (usize, usize),
    sums: &mut Vec<f32>,
    measure: impl Fn(f32, f32, f32) -> f32,
) -> Cells {
    let mut cells = [0.0; CELLS];
    let bound = |i: usize, parts: usize, length: usize| i * length / parts;
    for (i, cells) in cells.chunks_exact_mut(columns).enumerate() {
        let lines = bound(i, rows, luma.height)..bound(i + 1, rows, luma.height);
        sums.clear();
        sums.resize(luma.width, 0.0);
        for y in lines.clone() {
            let (row, below) = (luma.row(y), luma.row((y + 1).min(luma.height - 1)));
            // Columns are summed apart first, which the compiler turns into vector instructions.
            let neighbours = row.iter().zip(&row[1..]).zip(below);
            for (sum, ((v, right), below)) in sums.iter_mut().zip(neighbours) {
                *sum += measure(*v, *right, *below);
            }
        }
        for (j, cell) in cells.iter_mut().enumerate() {
            // The last column has no neighbour and is left out.
            let part = bound(j, columns, luma.width)..bound(j + 1, columns, luma.width).min(luma.width - 1);
            let count = (part.len() * lines.len()).max(1) as f32;
            *cell = sums[part].iter().sum::<f32>() / count;
        }
    }
    cells
}

/// The value below which a part of the cells lie. Puts them in another order.
pub(super) fn quantile(cells: &mut [f32], part: f32) -> f32 {
    let at = ((cells.len() - 1) as f32 * part) as usize;
    *cells.select_nth_unstable_by(at, f32::total_cmp).1
}

/// How alike two pictures' cells are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Likeness {
    /// Correlation, in \[-1, 1\]; 0 where one is flat.
    pub(super) correlation: f32,
    /// Contrast of the second as a part of the first's.
    pub(super) contrast: f32,
}

impl Likeness {
    pub(super) fn of(first: &Cells, second: &Cells) -> Self {
        let mean = |cells: &Cells| cells.iter().sum::<f32>() / CELLS as f32;
        let (ma, mb) = (mean(first), mean(second));
        let (mut aa, mut ab, mut bb) = (0.0, 0.0, 0.0);
        for (a, b) in first.iter().zip(second) {
            let (a, b) = (a - ma, b - mb);
            (aa, ab, bb) = (aa + a * a, ab + a * b, bb + b * b);
        }
        let flat = CELLS as f32;
        if aa < flat || bb < flat {
            return Self { correlation: 0.0, contrast: if aa < flat { 1.0 } else { 0.0 } };
        }
        Self { correlation: ab / (aa * bb).sqrt(), contrast: (bb / aa).sqrt() }
    }
}
