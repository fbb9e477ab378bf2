//! Models that suppress duplicates themselves: YOLOv10 (Wang et al., "YOLOv10: Real-Time End-to-End Object
//! Detection", NeurIPS 2024), YOLO26, and exports with a top-k or NMS of this shape.

use super::grid::Grid;
use super::{Family, Fit, Outputs, Preprocess};
use crate::detection::Detection;
use crate::geometry::BBox;
use crate::model::TensorFacts;
use crate::model::decode::{
    Candidates, DecodeError, DecodeParams, DecodeReport, Decoder, Matrix, MatrixReader, TensorView,
    implausible, shape_error,
};

const FIELDS: usize = 6;

/// Rows of x min, y min, x max, y max, score and class, in pixels of the input.
pub(super) static FAMILY: Family = Family {
    name: "end-to-end",
    covers: "YOLOv10, YOLO26 and other exports that suppress duplicates themselves",
    expects: "[1, N, 6] (x_min, y_min, x_max, y_max, score, class)",
    preprocess: Preprocess::ULTRALYTICS,
    names: &[],
    only_by_name: false,
    ultralytics: true,
    fit,
};

/// A tensor with as many rows as a grid has predictions is one of another family with one or two classes:
/// a top-k has a round number of rows, most often 300.
fn fit(outputs: &Outputs<'_>) -> Option<Fit> {
    let on_a_grid = |n| [1, 3].iter().any(|per_cell| Grid::find(outputs.size, n, *per_cell).is_some());
    outputs.sole_matrix(|output, rows, columns| {
        if columns != Some(FIELDS) || rows == Some(0) {
            return None;
        }
        // Beside as many boxes these are the scores of six classes.
        let boxes = |t: &TensorFacts| t.matrix().is_some_and(|m| m == (rows, Some(4)));
        if outputs.tensors.iter().any(boxes) {
            return None;
        }
        if !outputs.named && rows.is_some_and(on_a_grid) {
            return None;
        }
        let decoder = Box::new(EndToEnd { reader: MatrixReader::new(output), ..EndToEnd::default() });
        Some(Fit { output, classes: None, decoder })
    })
}

#[derive(Debug, Default)]
struct EndToEnd {
    reader: MatrixReader,
    candidates: Candidates,
}

fn read<'a, 'v: 'a>(
    reader: &'a mut MatrixReader,
    outputs: &[TensorView<'v>],
) -> Result<(impl Iterator<Item = &'a [f32; FIELDS]>, TensorView<'v>), DecodeError> {
    let (Matrix { values, columns, .. }, view) = reader.read(outputs)?;
    if columns != FIELDS {
        return Err(shape_error(&view, "rows of 6"));
    }
    Ok((values.as_chunks().0.iter(), view))
}

impl Decoder for EndToEnd {
    fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        params: &DecodeParams,
        out: &mut Vec<Detection>,
    ) -> Result<DecodeReport, DecodeError> {
        out.clear();
        self.candidates.clear();
        let (rows, _) = read(&mut self.reader, outputs)?;
        for row in rows {
            let [x_min, y_min, x_max, y_max, score, class] = *row;
            if !row.iter().all(|v| v.is_finite()) {
                self.candidates.count_non_finite();
            } else if score < params.confidence {
                continue;
            } else if let Some(class) = class_id(class) {
                self.candidates.push(BBox::new(x_min, y_min, x_max, y_max), score, class, &params.classes);
            } else {
                self.candidates.count_degenerate();
            }
        }
        Ok(self.candidates.take_best(params, out))
    }

    fn check(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DecodeError> {
        let (rows, view) = read(&mut self.reader, outputs)?;
        let mut extent = 0.0f32;
        for row in rows.filter(|row| row.iter().all(|v| v.is_finite())) {
            let [_, _, x_max, y_max, score, class] = *row;
            if !(-0.01..=1.01).contains(&score) {
                return Err(implausible(&view, format!("a score of {score} where 0 to 1 is expected")));
            }
            if class_id(class).is_none() {
                return Err(implausible(&view, format!("{class} where a class number is expected")));
            }
            extent = extent.max(x_max).max(y_max);
        }
        if extent > 0.0 && extent <= 2.0 {
            let why = "the boxes seem to be in units of the input where pixels are expected";
            return Err(implausible(&view, why));
        }
        Ok(())
    }
}

/// A class number coded as a float, exact up to 65535.
fn class_id(value: f32) -> Option<usize> {
    let whole = value.fract() == 0.0 && (0.0..=65535.0).contains(&value);
    whole.then_some(value as usize)
}
