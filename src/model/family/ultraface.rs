//! UltraFace (Ultra-Light-Fast-Generic-Face-Detector-1MB, RFB and slim): faces, decoded by the model.

use super::{Family, Fit, Outputs, Preprocess, probable};
use crate::detection::{Found, Task};
use crate::geometry::BBox;
use crate::model::decode::{
    Candidates, DecodeError, DecodeParams, DecodeReport, Decoder, Matrix, MatrixReader, TensorView,
    implausible, shape_error,
};
use crate::preprocess::{ColorOrder, ResizeMode};

/// Priors of each cell, by stride.
const PRIORS: [(usize, usize); 4] = [(8, 3), (16, 2), (32, 2), (64, 3)];

/// Rows of background and face scores, and of x min, y min, x max and y max in units of the input.
pub(super) static FAMILY: Family = Family {
    name: "ultraface",
    covers: "UltraFace (RFB and slim)",
    expects: "[1, N, 2] (background, face) and [1, N, 4], with 3, 2, 2 and 3 predictions a cell of strides 8 to 64",
    preprocess: Preprocess {
        color: ColorOrder::Rgb,
        scale: [1.0; 3],
        mean: [127.0; 3],
        std: [128.0; 3],
        resize: ResizeMode::Stretch,
        pad: 0.0,
    },
    names: &["face"],
    only_by_name: false,
    task: Task::Detect,
    ultralytics: None,
    fit,
};

fn fit(outputs: &Outputs<'_>) -> Option<Fit> {
    let [first, second] = outputs.tensors else { return None };
    let (first, second) = (first.matrix()?, second.matrix()?);
    let (scores, boxes) = match (first.1, second.1) {
        (Some(2), Some(4)) => (0, 1),
        (Some(4), Some(2)) => (1, 0),
        _ => return None,
    };
    let (width, height) = outputs.size;
    let all: usize =
        PRIORS.iter().map(|(stride, each)| width.div_ceil(*stride) * height.div_ceil(*stride) * each).sum();
    let fits = |rows: Option<usize>| rows.is_none_or(|rows| rows > 0 && (outputs.named || rows == all));
    if first.0 != second.0 || !fits(first.0) {
        return None;
    }
    let (width, height) = (width as f32, height as f32);
    let readers = (MatrixReader::new(scores), MatrixReader::new(boxes));
    let candidates = Candidates::default();
    let decoder = UltraFace { scores: readers.0, boxes: readers.1, width, height, candidates };
    Some(Fit::new(boxes, Some(1), decoder))
}

#[derive(Debug)]
struct UltraFace {
    scores: MatrixReader,
    boxes: MatrixReader,
    width: f32,
    height: f32,
    candidates: Candidates,
}

fn read<'a, 'v: 'a>(
    scores: &'a mut MatrixReader,
    boxes: &'a mut MatrixReader,
    outputs: &[TensorView<'v>],
) -> Result<(Matrix<'a>, Matrix<'a>, [TensorView<'v>; 2]), DecodeError> {
    let (scores, of_scores) = scores.read(outputs)?;
    let (boxes, of_boxes) = boxes.read(outputs)?;
    if scores.columns != 2 {
        return Err(shape_error(&of_scores, "rows of 2"));
    }
    if boxes.columns != 4 || boxes.rows != scores.rows {
        return Err(shape_error(&of_boxes, format!("{} rows of 4", scores.rows)));
    }
    Ok((scores, boxes, [of_scores, of_boxes]))
}

impl Decoder for UltraFace {
    fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        params: &DecodeParams,
        out: &mut Found,
    ) -> Result<DecodeReport, DecodeError> {
        out.clear();
        self.candidates.clear();
        let (scores, boxes, _) = read(&mut self.scores, &mut self.boxes, outputs)?;
        let rows = scores.values.as_chunks::<2>().0.iter().zip(boxes.values.as_chunks::<4>().0);
        for ([_, face], [x_min, y_min, x_max, y_max]) in rows {
            if !face.is_finite() {
                self.candidates.count_non_finite();
            } else if *face >= params.confidence {
                let bbox = BBox::new(*x_min, *y_min, *x_max, *y_max).scaled(self.width, self.height);
                self.candidates.push(bbox, *face, 0, &params.classes);
            }
        }
        Ok(self.candidates.suppress(params, out))
    }

    fn check(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DecodeError> {
        let (scores, boxes, [of_scores, of_boxes]) = read(&mut self.scores, &mut self.boxes, outputs)?;
        probable(&of_scores, scores.values)?;
        match boxes.values.iter().find(|edge| edge.is_finite() && edge.abs() > 4.0) {
            Some(edge) => {
                let why = format!("an edge at {edge} where units of the input are expected");
                Err(implausible(&of_boxes, why))
            }
            None => Ok(()),
        }
    }
}
