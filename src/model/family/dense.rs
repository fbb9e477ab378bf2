//! The decoder of the families that give a box and class scores for every cell of a grid.
//!
//! Most cells see nothing. A first pass finds the highest score of each cell with integer maxima, which the
//! compiler turns into vector instructions: the bits of floats that are not negative sort as the floats do,
//! and with the sign cleared NaN and infinity sort above every number, so they cannot hide. Only cells that
//! reach the threshold are then read properly.

use std::ops::Range;

use super::extra::Extra;
use super::grid::Grid;
use crate::detection::Found;
use crate::model::decode::{
    Candidates, DecodeError, DecodeParams, DecodeReport, Decoder, Matrix, MatrixReader, TensorView,
    implausible, shape_error,
};

/// Cells looked at together; their peaks stay in the first-level cache.
const BLOCK: usize = 1024;
const BOX_FIELDS: usize = 4;
const MAGNITUDE: u32 = 0x7fff_ffff;

/// The axis of the matrix along which one prediction lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    /// \[predictions, fields\].
    Rows,
    /// \[fields, predictions\].
    Columns,
}

/// How the four numbers of a box are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Centre x, centre y, width and height in pixels of the input.
    Center,
    /// Offset of the centre from the cell's corner and logarithm of the size, all in cells.
    Grid,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) axis: Axis,
    /// True when a score for "any object" stands between the box and the class scores.
    pub(super) objectness: bool,
    pub(super) coding: Coding,
    pub(super) classes: usize,
}

impl Layout {
    fn first_class(&self) -> usize {
        BOX_FIELDS + usize::from(self.objectness)
    }

    /// Numbers of a prediction, those of an [`Extra`] left out.
    fn numbers(&self) -> usize {
        self.first_class() + self.classes
    }
}

pub(super) struct Dense {
    layout: Layout,
    extra: Extra,
    size: (usize, usize),
    grid: Option<Grid>,
    reader: MatrixReader,
    candidates: Candidates,
    /// What follows the class scores of one prediction.
    numbers: Vec<f32>,
    arch: pulp::Arch,
}

impl std::fmt::Debug for Dense {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dense")
            .field("layout", &self.layout)
            .field("extra", &self.extra)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Dense {
    pub(super) fn new(output: usize, layout: Layout, extra: Extra, size: (usize, usize)) -> Self {
        let (reader, candidates, arch) =
            (MatrixReader::new(output), Candidates::default(), pulp::Arch::new());
        Self { layout, extra, size, grid: None, reader, candidates, numbers: Vec::new(), arch }
    }

    /// The output as predictions, with their grid where the coding needs one.
    fn read<'a, 'v: 'a>(
        &'a mut self,
        outputs: &[TensorView<'v>],
    ) -> Result<(Parts<'a>, TensorView<'v>), DecodeError> {
        let (Matrix { values, rows, columns }, view) = self.reader.read(outputs)?;
        let layout = self.layout;
        let (count, fields) = match layout.axis {
            Axis::Rows => (rows, columns),
            Axis::Columns => (columns, rows),
        };
        let needed = layout.numbers() + self.extra.fields();
        if fields != needed {
            return Err(shape_error(&view, format!("{needed} values a prediction")));
        }
        if layout.coding == Coding::Grid && self.grid.as_ref().is_none_or(|g| g.cells() != count) {
            let (width, height) = self.size;
            let expected = || format!("one prediction a grid cell of {width}x{height} pixels");
            let grid = Grid::find(self.size, count, 1).ok_or_else(|| shape_error(&view, expected()))?;
            self.grid = Some(grid);
        }
        let grid = self.grid.as_ref();
        let predictions = Predictions { values, count, fields, layout, grid, arch: self.arch };
        let (extra, candidates, numbers) = (&mut self.extra, &mut self.candidates, &mut self.numbers);
        Ok((Parts { predictions, extra, candidates, numbers }, view))
    }
}

/// A decoder with the values of a frame.
struct Parts<'a> {
    predictions: Predictions<'a>,
    extra: &'a mut Extra,
    candidates: &'a mut Candidates,
    numbers: &'a mut Vec<f32>,
}

impl Decoder for Dense {
    fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        params: &DecodeParams,
        out: &mut Found,
    ) -> Result<DecodeReport, DecodeError> {
        out.clear();
        let (Parts { predictions, extra, candidates, numbers }, _) = self.read(outputs)?;
        extra.begin(outputs)?;
        candidates.clear();
        let mut peaks = [0; BLOCK];
        let threshold = params.confidence.max(0.0).to_bits();
        for first in (0..predictions.count).step_by(BLOCK) {
            let peaks = &mut peaks[..BLOCK.min(predictions.count - first)];
            predictions.find_peaks(first, peaks);
            for (i, _) in peaks.iter().enumerate().filter(|(_, peak)| **peak >= threshold) {
                predictions.take(first + i, extra, params, candidates);
            }
        }
        let report = candidates.suppress(params, out);
        let first = predictions.layout.numbers();
        if first < predictions.fields {
            let Found { items, details } = out;
            for (detection, prediction) in items.iter().zip(candidates.sources()) {
                numbers.clear();
                numbers.extend((first..predictions.fields).map(|f| predictions.field(prediction, f)));
                extra.describe(outputs, detection, predictions.place(prediction), numbers, details);
            }
        }
        Ok(report)
    }

    fn check(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DecodeError> {
        let (width, _) = self.size;
        let coding = self.layout.coding;
        let (Parts { predictions, extra, .. }, view) = self.read(outputs)?;
        extra.begin(outputs)?;
        if let Some(score) = predictions.improbable_score() {
            return Err(implausible(&view, format!("a score of {score} where 0 to 1 is expected")));
        }
        let reach = predictions.reach();
        let pixels = reach > width as f32 / 4.0;
        match coding {
            // An offset beyond a quarter of the input, in cells of at least 4 pixels, lies outside of it.
            Coding::Grid if pixels => Err(implausible(
                &view,
                "the model seems to apply the grid itself; say family \"yolox-decoded\"",
            )),
            Coding::Center if reach > 0.0 && !pixels => Err(implausible(
                &view,
                format!("no box centre lies beyond x = {reach} of {width}: the boxes are not in pixels"),
            )),
            _ => Ok(()),
        }
    }
}

/// The values of one frame.
struct Predictions<'a> {
    values: &'a [f32],
    count: usize,
    /// Numbers of a prediction.
    fields: usize,
    layout: Layout,
    grid: Option<&'a Grid>,
    arch: pulp::Arch,
}

impl Predictions<'_> {
    fn field(&self, prediction: usize, field: usize) -> f32 {
        match self.layout.axis {
            Axis::Rows => self.values[prediction * self.fields + field],
            Axis::Columns => self.values[field * self.count + prediction],
        }
    }

    /// For the predictions from `first` on, the magnitude bits of the score that bounds their confidence:
    /// objectness, or the highest class score.
    fn find_peaks(&self, first: usize, peaks: &mut [u32]) {
        let classes = self.layout.first_class()..self.layout.numbers();
        match self.layout.axis {
            _ if self.layout.objectness => self.copy_objectness(first, peaks),
            Axis::Columns => {
                let columns = &self.values[classes.start * self.count..classes.end * self.count];
                self.arch.dispatch(|| peaks_of_columns(columns, self.count, first, peaks));
            }
            Axis::Rows => {
                let rows = &self.values[first * self.fields..];
                self.arch.dispatch(|| peaks_of_rows(rows, self.fields, classes.clone(), peaks));
            }
        }
    }

    fn copy_objectness(&self, first: usize, peaks: &mut [u32]) {
        for (i, peak) in peaks.iter_mut().enumerate() {
            *peak = self.field(first + i, BOX_FIELDS).to_bits() & MAGNITUDE;
        }
    }

    /// Makes a candidate of a prediction that may be confident enough.
    fn take(&self, prediction: usize, extra: &Extra, params: &DecodeParams, candidates: &mut Candidates) {
        if (0..self.fields).any(|f| !self.field(prediction, f).is_finite()) {
            return candidates.count_non_finite();
        }
        let (class, score) = self.best_class(prediction);
        let objectness = if self.layout.objectness { self.field(prediction, BOX_FIELDS) } else { 1.0 };
        let confidence = objectness * score;
        if confidence >= params.confidence {
            let (bbox, turned) =
                extra.turn(self.place(prediction), || self.field(prediction, self.layout.numbers()));
            candidates.push_of(prediction, bbox, turned, (confidence, class), &params.classes);
        }
    }

    fn best_class(&self, prediction: usize) -> (usize, f32) {
        let first = self.layout.first_class();
        let mut best = (0, self.field(prediction, first));
        for class in 1..self.layout.classes {
            let score = self.field(prediction, first + class);
            if score > best.1 {
                best = (class, score);
            }
        }
        best
    }

    /// Centre x, centre y, width and height of a prediction's box, in pixels of the input.
    fn place(&self, prediction: usize) -> [f32; 4] {
        let [x, y, w, h] = std::array::from_fn(|f| self.field(prediction, f));
        let Some((column, row, stride)) = self.grid.and_then(|g| g.cell(prediction)) else {
            return [x, y, w, h];
        };
        let stride = stride as f32;
        [(x + column as f32) * stride, (y + row as f32) * stride, w.exp() * stride, h.exp() * stride]
    }

    fn improbable_score(&self) -> Option<f32> {
        let fields = BOX_FIELDS..self.layout.numbers();
        let scores = (0..self.count).flat_map(|p| fields.clone().map(move |f| self.field(p, f)));
        scores.into_iter().find(|s| s.is_finite() && !(-0.01..=1.01).contains(s))
    }

    /// The largest finite magnitude in the place of the centre's x.
    fn reach(&self) -> f32 {
        let xs = (0..self.count).map(|p| self.field(p, 0).abs());
        xs.filter(|x| x.is_finite()).fold(0.0, f32::max)
    }
}

#[inline(always)]
fn peaks_of_columns(columns: &[f32], count: usize, first: usize, peaks: &mut [u32]) {
    peaks.fill(0);
    for column in columns.chunks_exact(count) {
        for (peak, score) in peaks.iter_mut().zip(&column[first..]) {
            *peak = (*peak).max(score.to_bits() & MAGNITUDE);
        }
    }
}

#[inline(always)]
fn peaks_of_rows(rows: &[f32], fields: usize, classes: Range<usize>, peaks: &mut [u32]) {
    for (peak, row) in peaks.iter_mut().zip(rows.chunks_exact(fields)) {
        *peak = row[classes.clone()].iter().fold(0, |max, score| max.max(score.to_bits() & MAGNITUDE));
    }
}
