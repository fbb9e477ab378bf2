//! Boxes as distributions: PicoDet (Yu et al., "PP-PicoDet", arXiv 2111.00902) and NanoDet-Plus, with the box coding
//! of Generalized Focal Loss (Li et al., NeurIPS 2020).
//!
//! Each side of a box lies at a distance from the cell's point that is the mean of a distribution over whole
//! numbers of cells, given as logits.

use super::{Family, Fit, Outputs, Preprocess, TensorFacts, best_class, probable};
use crate::detection::{Found, Task};
use crate::geometry::BBox;
use crate::model::decode::{
    Candidates, DecodeError, DecodeParams, DecodeReport, Decoder, Matrix, MatrixReader, TensorView,
    shape_error,
};
use crate::preprocess::{ColorOrder, ResizeMode};

const STRIDES: [usize; 4] = [8, 16, 32, 64];
/// Whole numbers that a distance is distributed over: 0 to 7.
const BINS: usize = 8;
const SIDES: usize = 4 * BINS;

/// For each stride a matrix of scores and one of boxes.
pub(super) static PICODET: Family = Family {
    name: "picodet",
    covers: "PicoDet, exported without postprocessing",
    expects: "for each of the strides 8, 16, 32 and 64 a [1, cells, classes] and a [1, cells, 32]",
    preprocess: Preprocess { resize: ResizeMode::Stretch, ..Preprocess::IMAGENET },
    names: &[],
    only_by_name: false,
    task: Task::Detect,
    ultralytics: None,
    fit: fit_picodet,
};

/// Rows of class scores and the box, the cells of all strides one after the other.
pub(super) static NANODET: Family = Family {
    name: "nanodet",
    covers: "NanoDet-Plus",
    expects: "[1, cells of the strides 8, 16, 32 and 64, classes + 32]",
    preprocess: Preprocess {
        color: ColorOrder::Bgr,
        scale: [1.0; 3],
        mean: [103.53, 116.28, 123.675],
        std: [57.375, 57.12, 58.395],
        resize: ResizeMode::Stretch,
        pad: 0.0,
    },
    names: &[],
    only_by_name: false,
    task: Task::Detect,
    ultralytics: None,
    fit: fit_nanodet,
};

fn cells((width, height): (usize, usize), stride: usize) -> usize {
    width.div_ceil(stride) * height.div_ceil(stride)
}

fn fit_picodet(outputs: &Outputs<'_>) -> Option<Fit> {
    let matrices: Option<Vec<_>> = outputs.tensors.iter().map(TensorFacts::matrix).collect();
    let matrices = matrices.filter(|m| m.len() == 2 * STRIDES.len())?;
    let mut classes = None;
    let mut levels = Vec::new();
    for stride in STRIDES {
        let rows = cells(outputs.size, stride);
        let mut of_level =
            matrices.iter().enumerate().filter(|(_, (r, _))| *r == Some(rows)).map(|(i, (_, c))| (i, *c));
        let (first, second) = (of_level.next()?, of_level.next()?);
        // The scores come first where both have as many columns.
        let (scores, boxes) = if second.1 == Some(SIDES) { (first, second) } else { (second, first) };
        if boxes.1 != Some(SIDES) || of_level.next().is_some() {
            return None;
        }
        let found = scores.1.filter(|c| *c > 0)?;
        if *classes.get_or_insert(found) != found {
            return None;
        }
        let readers = (MatrixReader::new(scores.0), MatrixReader::new(boxes.0));
        levels.push(Level {
            scores: readers.0,
            boxes: readers.1,
            columns: outputs.size.0.div_ceil(stride),
            stride,
        });
    }
    let decoder = PicoDet { levels, classes: classes?, candidates: Candidates::default() };
    Some(Fit::new(0, classes, decoder))
}

fn fit_nanodet(outputs: &Outputs<'_>) -> Option<Fit> {
    outputs.sole_matrix(|output, rows, columns| {
        let all: usize = STRIDES.iter().map(|stride| cells(outputs.size, *stride)).sum();
        let classes = columns?.checked_sub(SIDES).filter(|c| *c > 0 && rows.is_none_or(|r| r == all))?;
        let reader = MatrixReader::new(output);
        let decoder = NanoDet { reader, classes, size: outputs.size, candidates: Candidates::default() };
        Some(Fit::new(output, Some(classes), decoder))
    })
}

#[derive(Debug)]
struct Level {
    scores: MatrixReader,
    boxes: MatrixReader,
    columns: usize,
    stride: usize,
}

#[derive(Debug)]
struct PicoDet {
    levels: Vec<Level>,
    classes: usize,
    candidates: Candidates,
}

impl Level {
    fn read<'a, 'v: 'a>(
        &'a mut self,
        outputs: &[TensorView<'v>],
        classes: usize,
    ) -> Result<(Matrix<'a>, Matrix<'a>, TensorView<'v>), DecodeError> {
        let (scores, view) = self.scores.read(outputs)?;
        let (boxes, other) = self.boxes.read(outputs)?;
        if scores.columns != classes {
            return Err(shape_error(&view, format!("{classes} scores a cell")));
        }
        if boxes.columns != SIDES || boxes.rows != scores.rows {
            return Err(shape_error(&other, format!("{} rows of {SIDES}", scores.rows)));
        }
        Ok((scores, boxes, view))
    }
}

impl Decoder for PicoDet {
    fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        params: &DecodeParams,
        out: &mut Found,
    ) -> Result<DecodeReport, DecodeError> {
        out.clear();
        self.candidates.clear();
        for level in &mut self.levels {
            let (columns, stride) = (level.columns, level.stride);
            let (scores, boxes, _) = level.read(outputs, self.classes)?;
            let rows = scores.values.chunks_exact(scores.columns).zip(boxes.values.chunks_exact(SIDES));
            for (cell, (scores, sides)) in rows.enumerate() {
                // The point of a cell is its middle.
                let point = [(cell % columns) as f32 + 0.5, (cell / columns) as f32 + 0.5];
                take(&mut self.candidates, scores, sides, point, stride as f32, params);
            }
        }
        Ok(self.candidates.suppress(params, out))
    }

    fn check(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DecodeError> {
        for level in &mut self.levels {
            let (scores, _, view) = level.read(outputs, self.classes)?;
            probable(&view, scores.values)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct NanoDet {
    reader: MatrixReader,
    classes: usize,
    size: (usize, usize),
    candidates: Candidates,
}

impl NanoDet {
    fn read<'a, 'v: 'a>(
        &'a mut self,
        outputs: &[TensorView<'v>],
    ) -> Result<(Matrix<'a>, &'a mut Candidates, TensorView<'v>), DecodeError> {
        let all: usize = STRIDES.iter().map(|stride| cells(self.size, *stride)).sum();
        let (matrix, view) = self.reader.read(outputs)?;
        if matrix.rows != all || matrix.columns != self.classes + SIDES {
            return Err(shape_error(&view, format!("{all} rows of {}", self.classes + SIDES)));
        }
        Ok((matrix, &mut self.candidates, view))
    }
}

impl Decoder for NanoDet {
    fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        params: &DecodeParams,
        out: &mut Found,
    ) -> Result<DecodeReport, DecodeError> {
        out.clear();
        let (size, classes) = (self.size, self.classes);
        let (matrix, candidates, _) = self.read(outputs)?;
        candidates.clear();
        let mut rows = matrix.values.chunks_exact(matrix.columns);
        for stride in STRIDES {
            let columns = size.0.div_ceil(stride);
            for (cell, row) in rows.by_ref().take(cells(size, stride)).enumerate() {
                // The point of a cell is its corner.
                let point = [(cell % columns) as f32, (cell / columns) as f32];
                let (scores, sides) = row.split_at(classes);
                take(candidates, scores, sides, point, stride as f32, params);
            }
        }
        Ok(candidates.suppress(params, out))
    }

    fn check(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DecodeError> {
        let classes = self.classes;
        let (matrix, _, view) = self.read(outputs)?;
        for row in matrix.values.chunks_exact(matrix.columns) {
            probable(&view, &row[..classes])?;
        }
        Ok(())
    }
}

/// Takes a cell that is confident enough; `point` is in cells.
fn take(
    candidates: &mut Candidates,
    scores: &[f32],
    sides: &[f32],
    [x, y]: [f32; 2],
    stride: f32,
    params: &DecodeParams,
) {
    let Some((class, score)) = best_class(scores) else { return candidates.count_non_finite() };
    if score < params.confidence {
        return;
    }
    let reach = |side: usize| mean(&sides[side * BINS..][..BINS]);
    let (left, top, right, bottom) = (reach(0), reach(1), reach(2), reach(3));
    let edges = [x - left, y - top, x + right, y + bottom].map(|edge| edge * stride);
    candidates.push(BBox::new(edges[0], edges[1], edges[2], edges[3]), score, class, &params.classes);
}

/// The mean of the distribution that logits describe.
fn mean(logits: &[f32]) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (number, logit) in logits.iter().enumerate() {
        let part = (logit - most).exp();
        sum += part;
        weighted += part * number as f32;
    }
    weighted / sum
}
