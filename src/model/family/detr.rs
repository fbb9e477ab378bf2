//! Detection transformers: RT-DETR (Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", CVPR 2024) and
//! D-FINE (Peng et al., ICLR 2025), as logits and boxes of queries, without suppression.

use super::grid::Grid;
use super::{Family, Fit, Outputs, Preprocess, best_class, probable};
use crate::detection::{Found, Task};
use crate::geometry::BBox;
use crate::model::decode::{
    Candidates, DecodeError, DecodeParams, DecodeReport, Decoder, Matrix, MatrixReader, TensorView,
    implausible, shape_error,
};
use crate::preprocess::{ColorOrder, ResizeMode};

/// More queries than any model has; a tensor with more rows is of a one-stage detector.
const MOST_QUERIES: usize = 1000;

/// Rows of logits, and of centre x, centre y, width and height in units of the input.
pub(super) static FAMILY: Family = Family {
    name: "detr",
    covers: "RT-DETR, D-FINE and others that give logits and boxes",
    expects: "[1, N, classes] (logits) and [1, N, 4] (centre x, centre y, width, height in units of the input), N up to 1000",
    preprocess: Preprocess {
        color: ColorOrder::Rgb,
        scale: [1.0 / 255.0; 3],
        mean: [0.0; 3],
        std: [1.0; 3],
        resize: ResizeMode::Stretch,
        pad: 0.0,
    },
    names: &[],
    only_by_name: false,
    task: Task::Detect,
    ultralytics: None,
    fit,
};

fn fit(outputs: &Outputs<'_>) -> Option<Fit> {
    let [first, second] = outputs.tensors else { return None };
    let (a, b) = (first.matrix()?, second.matrix()?);
    let named_box = |name: &str| name.to_ascii_lowercase().contains("box");
    let boxes = match (a.1, b.1) {
        (Some(4), Some(4)) => usize::from(!named_box(&first.name)),
        (_, Some(4)) => 1,
        (Some(4), _) => 0,
        _ => return None,
    };
    let logits = 1 - boxes;
    let rows = a.0.or(b.0);
    let same = a.0.is_none() || b.0.is_none() || a.0 == b.0;
    let few = rows.is_none_or(|rows| rows > 0 && (outputs.named || rows <= MOST_QUERIES));
    let classes = [a.1, b.1][logits].filter(|c| *c > 0)?;
    if !same || !few {
        return None;
    }
    let (width, height) = (outputs.size.0 as f32, outputs.size.1 as f32);
    let readers = (MatrixReader::new(logits), MatrixReader::new(boxes));
    let candidates = Candidates::default();
    let decoder = Detr { logits: readers.0, boxes: readers.1, classes, width, height, candidates };
    Some(Fit::new(boxes, Some(classes), decoder))
}

/// Rows of centre x, centre y, width and height in units of the input, and scores.
pub(super) static JOINED: Family = Family {
    name: "rtdetr",
    covers: "RT-DETR as Ultralytics exported it before 8.4",
    expects: "[1, N, 4 + classes] (centre x, centre y, width, height in units of the input, scores), N up to 1000",
    ultralytics: Some("detect"),
    fit: fit_joined,
    ..FAMILY
};

fn fit_joined(outputs: &Outputs<'_>) -> Option<Fit> {
    outputs.sole_matrix(|output, rows, columns| {
        let classes = columns?.checked_sub(4).filter(|c| *c > 0)?;
        let rows = rows.filter(|rows| *rows > 0)?;
        let on_a_grid = || [1, 3].iter().any(|per_cell| Grid::find(outputs.size, rows, *per_cell).is_some());
        // Two classes look like the rows of an end-to-end model, which are far more common.
        let guess = rows <= MOST_QUERIES && rows > classes + 4 && classes != 2 && !on_a_grid();
        if !outputs.named && (!guess || outputs.prototypes().is_some() || outputs.tensors.len() > 1) {
            return None;
        }
        let (width, height) = (outputs.size.0 as f32, outputs.size.1 as f32);
        let (rows, candidates) = (MatrixReader::new(output), Candidates::default());
        Some(Fit::new(output, Some(classes), Joined { rows, classes, width, height, candidates }))
    })
}

#[derive(Debug)]
struct Joined {
    rows: MatrixReader,
    classes: usize,
    width: f32,
    height: f32,
    candidates: Candidates,
}

impl Joined {
    fn read<'a, 'v: 'a>(
        &'a mut self,
        outputs: &[TensorView<'v>],
    ) -> Result<(Matrix<'a>, &'a mut Candidates, TensorView<'v>), DecodeError> {
        let (matrix, view) = self.rows.read(outputs)?;
        if matrix.columns != 4 + self.classes {
            return Err(shape_error(&view, format!("rows of {}", 4 + self.classes)));
        }
        Ok((matrix, &mut self.candidates, view))
    }
}

impl Decoder for Joined {
    fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        params: &DecodeParams,
        out: &mut Found,
    ) -> Result<DecodeReport, DecodeError> {
        out.clear();
        let (width, height) = (self.width, self.height);
        let (matrix, candidates, _) = self.read(outputs)?;
        candidates.clear();
        for row in matrix.values.chunks_exact(matrix.columns) {
            match best_class(&row[4..]) {
                None => candidates.count_non_finite(),
                Some((class, score)) if score >= params.confidence => {
                    let bbox = BBox::from_center(row[0], row[1], row[2], row[3]).scaled(width, height);
                    candidates.push(bbox, score, class, &params.classes);
                }
                Some(_) => {}
            }
        }
        Ok(candidates.take_best(params, out))
    }

    fn check(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DecodeError> {
        let (matrix, _, view) = self.read(outputs)?;
        for row in matrix.values.chunks_exact(matrix.columns) {
            probable(&view, &row[4..])?;
            if let Some(v) = row[..4].iter().find(|v| v.is_finite() && !(-0.5..=2.0).contains(*v)) {
                return Err(implausible(
                    &view,
                    format!("a box with {v} where units of the input are expected"),
                ));
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Detr {
    logits: MatrixReader,
    boxes: MatrixReader,
    classes: usize,
    width: f32,
    height: f32,
    candidates: Candidates,
}

impl Detr {
    fn read<'a, 'v: 'a>(
        &'a mut self,
        outputs: &[TensorView<'v>],
    ) -> Result<(Matrix<'a>, Matrix<'a>, &'a mut Candidates, TensorView<'v>), DecodeError> {
        let (logits, of_logits) = self.logits.read(outputs)?;
        let (boxes, of_boxes) = self.boxes.read(outputs)?;
        if logits.columns != self.classes {
            return Err(shape_error(&of_logits, format!("rows of {}", self.classes)));
        }
        if boxes.columns != 4 || boxes.rows != logits.rows {
            return Err(shape_error(&of_boxes, format!("{} rows of 4", logits.rows)));
        }
        Ok((logits, boxes, &mut self.candidates, of_boxes))
    }
}

impl Decoder for Detr {
    fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        params: &DecodeParams,
        out: &mut Found,
    ) -> Result<DecodeReport, DecodeError> {
        out.clear();
        let (width, height, classes) = (self.width, self.height, self.classes);
        let (logits, boxes, candidates, _) = self.read(outputs)?;
        candidates.clear();
        let rows = logits.values.chunks_exact(classes).zip(boxes.values.as_chunks::<4>().0);
        for (logits, [x, y, w, h]) in rows {
            let Some((class, logit)) = best_class(logits) else {
                candidates.count_non_finite();
                continue;
            };
            let confidence = 1.0 / (1.0 + (-logit).exp());
            if confidence >= params.confidence {
                let bbox = BBox::from_center(*x, *y, *w, *h).scaled(width, height);
                candidates.push(bbox, confidence, class, &params.classes);
            }
        }
        Ok(candidates.take_best(params, out))
    }

    fn check(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DecodeError> {
        let (_, boxes, _, view) = self.read(outputs)?;
        match boxes.values.iter().find(|v| v.is_finite() && !(-0.5..=2.0).contains(*v)) {
            Some(v) => {
                Err(implausible(&view, format!("a box with {v} where units of the input are expected")))
            }
            None => Ok(()),
        }
    }
}
