//! Feature grids: where the predictions of a one-stage detector sit.

/// The strides of known detectors: the usual three, with a fourth for large (P6) or small (P2) objects, and
/// the two of tiny models.
const STRIDES: [&[usize]; 4] = [&[8, 16, 32], &[8, 16, 32, 64], &[4, 8, 16, 32], &[16, 32]];

/// The cells of all strides, in the order of the outputs: by rising stride, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grid {
    levels: Vec<Level>,
}

#[derive(Clone, Debug, PartialEq)]
struct Level {
    /// The index after the level's last cell.
    end: usize,
    columns: usize,
    stride: usize,
}

impl Grid {
    /// The grid of an input of `size` (width, height) that has `predictions`, `per_cell` in each cell.
    pub(super) fn find(size: (usize, usize), predictions: usize, per_cell: usize) -> Option<Self> {
        let grids = STRIDES.iter().map(|strides| Self::new(size, strides));
        grids.into_iter().find(|grid| grid.cells().checked_mul(per_cell) == Some(predictions))
    }

    fn new((width, height): (usize, usize), strides: &[usize]) -> Self {
        let mut end = 0;
        let level = |stride: &usize| {
            let (columns, rows) = (width.div_ceil(*stride), height.div_ceil(*stride));
            end += columns * rows;
            Level { end, columns, stride: *stride }
        };
        Self { levels: strides.iter().map(level).collect() }
    }

    pub(super) fn cells(&self) -> usize {
        self.levels.last().map_or(0, |level| level.end)
    }

    /// Column, row and stride of a cell, `None` beyond the last.
    pub(super) fn cell(&self, index: usize) -> Option<(usize, usize, usize)> {
        let mut first = 0;
        for level in &self.levels {
            if index < level.end {
                let i = index - first;
                return Some((i % level.columns, i / level.columns, level.stride));
            }
            first = level.end;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_models_are_found() {
        let strides = |size, n, per_cell| {
            let grid = Grid::find(size, n, per_cell)?;
            Some(grid.levels.iter().map(|l| l.stride).collect::<Vec<_>>())
        };
        assert_eq!(strides((640, 640), 8400, 1), Some(vec![8, 16, 32]));
        assert_eq!(strides((640, 640), 25200, 3), Some(vec![8, 16, 32]));
        assert_eq!(strides((416, 416), 3549, 1), Some(vec![8, 16, 32]));
        assert_eq!(strides((1280, 1280), 102_000, 3), Some(vec![8, 16, 32, 64]));
        assert_eq!(strides((640, 640), 34000, 1), Some(vec![4, 8, 16, 32]));
        assert_eq!(strides((416, 416), 2535, 3), Some(vec![16, 32]));
        assert_eq!(strides((640, 640), 300, 1), None);
    }

    #[test]
    fn cells_run_row_by_row_and_level_by_level() {
        let grid = Grid::find((64, 32), 4 * 8 + 2 * 4 + 2, 1).unwrap();
        assert_eq!(grid.cell(0), Some((0, 0, 8)));
        assert_eq!(grid.cell(9), Some((1, 1, 8)));
        assert_eq!(grid.cell(32 + 5), Some((1, 1, 16)));
        assert_eq!(grid.cell(32 + 8 + 1), Some((1, 0, 32)));
        assert_eq!(grid.cell(42), None);
    }
}
