//! Models that suppress duplicates themselves: YOLOv10 (Wang et al., "YOLOv10: Real-Time End-to-End Object
//! Detection", NeurIPS 2024), YOLO26, and exports with a top-k or NMS of this shape.

use super::extra::{COCO_KEYPOINTS, Extra, MOST_KEYPOINTS, Prototypes};
use super::grid::Grid;
use super::{Family, Fit, Outputs, Preprocess};
use crate::detection::{Found, Task};
use crate::geometry::BBox;
use crate::model::TensorFacts;
use crate::model::decode::{
    Candidates, DecodeError, DecodeParams, DecodeReport, Decoder, Matrix, MatrixReader, TensorView,
    implausible, shape_error,
};
use crate::preprocess::ResizeMode;

const FIELDS: usize = 6;

/// Rows of x min, y min, x max, y max, score and class, in pixels of the input.
pub(super) static FAMILY: Family = Family {
    name: "end-to-end",
    covers: "YOLOv10, YOLO26 and other exports that suppress duplicates themselves",
    expects: "[1, N, 6] (x_min, y_min, x_max, y_max, score, class)",
    preprocess: Preprocess::ULTRALYTICS,
    names: &[],
    only_by_name: false,
    task: Task::Detect,
    ultralytics: Some("detect"),
    fit: |outputs| match outputs.prototypes() {
        None if !outputs.is_rtdetr => fit(outputs, || Extra::None, (1.0, 1.0)),
        _ => None,
    },
};

/// The same in units of the input, from a model that was trained on stretched pictures.
pub(super) static RTDETR: Family = Family {
    name: "end-to-end-rtdetr",
    covers: "RT-DETR as Ultralytics exports it since 8.4",
    expects: "[1, N, 6] (x_min, y_min, x_max, y_max in units of the input, score, class); only by the metadata's \
              description or by name",
    preprocess: Preprocess { resize: ResizeMode::Stretch, pad: 0.0, ..Preprocess::ULTRALYTICS },
    fit: |outputs| {
        let said = outputs.named || outputs.is_rtdetr;
        said.then(|| fit(outputs, || Extra::None, (outputs.size.0 as f32, outputs.size.1 as f32)))?
    },
    ..FAMILY
};

/// The same followed by the weights of mask prototypes, which are another output.
pub(super) static SEGMENT: Family = Family {
    name: "end-to-end-segment",
    covers: "YOLO26-seg and other exports of segmentation models that suppress duplicates themselves",
    expects: "[1, N, 6 + K] and mask prototypes [1, K, rows, columns] at a quarter of the input's size",
    ultralytics: Some("segment"),
    fit: |outputs| {
        let (output, count) = outputs.prototypes()?;
        fit(outputs, || Extra::Mask(Prototypes::new(output, count, outputs.size)), (1.0, 1.0))
    },
    ..FAMILY
};

/// The same followed by keypoints.
pub(super) static POSE: Family = Family {
    name: "end-to-end-pose",
    covers: "YOLO26-pose and other exports of pose models that suppress duplicates themselves",
    expects: "[1, N, 6 + K x 2 or 3], K keypoints an object: by kpt_shape in the metadata or \"keypoints\" in the \
              sidecar, else 17 of 3",
    ultralytics: Some("pose"),
    fit: |outputs| {
        let (count, numbers) = outputs.keypoints.unwrap_or(COCO_KEYPOINTS);
        let sane = (1..=MOST_KEYPOINTS).contains(&count) && [2, 3].contains(&numbers);
        sane.then(|| fit(outputs, || Extra::Keypoints { count, numbers }, (1.0, 1.0)))?
    },
    ..FAMILY
};

/// Rows of centre x, centre y, width, height, score, class and an angle.
pub(super) static OBB: Family = Family {
    name: "end-to-end-obb",
    covers: "YOLO26-obb and other exports of oriented-box models that suppress duplicates themselves",
    expects: "[1, N, 7] (centre x, centre y, width, height, score, class, angle in radians); only by the metadata's \
              task or by name",
    ultralytics: Some("obb"),
    fit: |outputs| {
        let said = outputs.named || outputs.task == Some("obb");
        said.then(|| fit(outputs, || Extra::Angle, (1.0, 1.0)))?
    },
    ..FAMILY
};

/// A tensor with as many rows as a grid has predictions is one of another family with one or two classes:
/// a top-k has a round number of rows, most often 300.
fn fit(outputs: &Outputs<'_>, extra: impl Fn() -> Extra, unit: (f32, f32)) -> Option<Fit> {
    let on_a_grid = |n| [1, 3].iter().any(|per_cell| Grid::find(outputs.size, n, *per_cell).is_some());
    outputs.sole_matrix(|output, rows, columns| {
        let fields = FIELDS + extra().fields();
        if columns != Some(fields) || rows == Some(0) {
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
        let (reader, candidates) = (MatrixReader::new(output), Candidates::default());
        Some(Fit::new(output, None, EndToEnd { reader, candidates, extra: extra(), fields, unit }))
    })
}

#[derive(Debug)]
struct EndToEnd {
    reader: MatrixReader,
    candidates: Candidates,
    extra: Extra,
    /// Numbers of a row.
    fields: usize,
    /// What the edges of boxes are multiplied by.
    unit: (f32, f32),
}

/// The rows of a tensor with `fields` columns.
fn read<'a, 'v: 'a>(
    reader: &'a mut MatrixReader,
    fields: usize,
    outputs: &[TensorView<'v>],
) -> Result<(std::slice::ChunksExact<'a, f32>, TensorView<'v>), DecodeError> {
    let (Matrix { values, columns, .. }, view) = reader.read(outputs)?;
    if columns != fields {
        return Err(shape_error(&view, format!("rows of {fields}")));
    }
    Ok((values.chunks_exact(fields), view))
}

impl Decoder for EndToEnd {
    fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        params: &DecodeParams,
        out: &mut Found,
    ) -> Result<DecodeReport, DecodeError> {
        out.clear();
        let Self { reader, candidates, extra, fields, unit } = self;
        candidates.clear();
        extra.begin(outputs)?;
        let (rows, _) = read(reader, *fields, outputs)?;
        for (i, row) in rows.clone().enumerate() {
            let (place, score, class) = ([row[0], row[1], row[2], row[3]], row[4], row[5]);
            if !row.iter().all(|v| v.is_finite()) {
                candidates.count_non_finite();
            } else if score < params.confidence {
                continue;
            } else if let Some(class) = class_id(class) {
                let (bbox, turned) = match extra {
                    Extra::Angle => extra.turn(place, || row[FIELDS]),
                    _ => (BBox::new(place[0], place[1], place[2], place[3]).scaled(unit.0, unit.1), None),
                };
                candidates.push_of(i, bbox, turned, (score, class), &params.classes);
            } else {
                candidates.count_degenerate();
            }
        }
        let report = candidates.take_best(params, out);
        let Found { items, details } = out;
        for (detection, source) in items.iter().zip(candidates.sources()) {
            let Some(row) = rows.clone().nth(source) else { continue };
            let place = [row[0], row[1], row[2], row[3]];
            extra.describe(outputs, detection, place, &row[FIELDS..], details);
        }
        Ok(report)
    }

    fn check(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DecodeError> {
        self.extra.begin(outputs)?;
        let (rows, view) = read(&mut self.reader, self.fields, outputs)?;
        let mut extent = 0.0f32;
        for row in rows.filter(|row| row.iter().all(|v| v.is_finite())) {
            let (x_max, y_max, score, class) = (row[2], row[3], row[4], row[5]);
            if !(-0.01..=1.01).contains(&score) {
                return Err(implausible(&view, format!("a score of {score} where 0 to 1 is expected")));
            }
            if class_id(class).is_none() {
                return Err(implausible(&view, format!("{class} where a class number is expected")));
            }
            extent = extent.max(x_max).max(y_max);
        }
        let units = self.unit != (1.0, 1.0);
        match () {
            () if units && extent > 2.0 => Err(implausible(
                &view,
                format!(
                    "an edge at {extent} where units of the input are expected; say family \"end-to-end\""
                ),
            )),
            () if !units && extent > 0.0 && extent <= 2.0 => Err(implausible(
                &view,
                "the boxes seem to be in units of the input where pixels are expected; say family \"end-to-end-rtdetr\"",
            )),
            () => Ok(()),
        }
    }
}

/// A class number coded as a float, exact up to 65535.
fn class_id(value: f32) -> Option<usize> {
    let whole = value.fract() == 0.0 && (0.0..=65535.0).contains(&value);
    whole.then_some(value as usize)
}
