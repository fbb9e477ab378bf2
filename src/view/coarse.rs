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
    /// Of a picture of at least 64 pixels by 36, or upright; `None` of a smaller one.
    pub(super) fn of(pyramid: &Pyramid) -> Option<Self> {
        let [fine, _, small] = &pyramid.levels;
        let (columns, rows) = if fine.width >= fine.height { GRID } else { (GRID.1, GRID.0) };
        if fine.width < columns * 4 || fine.height < rows * 4 || small.width < columns || small.height < rows
        {
            return None;
        }
        let mut light = [0.0; CELLS];
        let mut detail = [0.0; CELLS];
        let mut structure = [0.0; CELLS];
        each_cell(fine, (columns, rows), 2, &mut detail, |row, below| differences(row, below, |v| v * v));
        each_cell(small, (columns, rows), 1, &mut structure, |row, below| differences(row, below, f32::abs));
        detail.iter_mut().for_each(|cell| *cell = cell.sqrt());
        each_cell(small, (columns, rows), 1, &mut light, |row, _| row.iter().sum::<f32>() / row.len() as f32);
        Some(Self { light, detail, structure: quantile(&mut structure, 0.5) })
    }
}

/// The mean of what counts of the differences of a part of a row's pixels to their neighbours to the right and below.
fn differences(row: &[f32], below: &[f32], counts: impl Fn(f32) -> f32) -> f32 {
    let down: f32 = row.iter().zip(below).map(|(a, b)| counts(a - b)).sum();
    let across: f32 = row.iter().zip(row.iter().skip(1)).map(|(a, b)| counts(a - b)).sum();
    down / row.len() as f32 + across / (row.len() as f32 - 1.0).max(1.0)
}

/// The mean over every `step`th row of what `measure` says of a cell's part of the row and of the one below.
fn each_cell(
    luma: &Luma,
    (columns, rows): (usize, usize),
    step: usize,
    cells: &mut Cells,
    measure: impl Fn(&[f32], &[f32]) -> f32,
) {
    let mut counts = [0.0_f32; CELLS];
    for y in (0..luma.height).step_by(step) {
        let (row, below) = (luma.row(y), luma.row((y + 1).min(luma.height - 1)));
        let first = y * rows / luma.height * columns;
        for i in 0..columns {
            let part = i * luma.width / columns..(i + 1) * luma.width / columns;
            cells[first + i] += measure(&row[part.clone()], &below[part]);
            counts[first + i] += 1.0;
        }
    }
    cells.iter_mut().zip(counts).for_each(|(cell, count)| *cell /= count.max(1.0));
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
