//! YOLOv5 with its anchors and its objectness, the grid applied by the model's own last layer.

use super::dense::{Axis, Coding, Dense, Layout};
use super::extra::{Extra, Prototypes};
use super::{Family, Fit, Outputs, Preprocess};
use crate::detection::Task;

const ANCHORS_PER_CELL: usize = 3;

/// Rows of centre x, centre y, width, height, objectness and the class scores.
pub(super) static FAMILY: Family = Family {
    name: "yolov5",
    covers: "YOLOv5, and YOLOv3 and YOLOv7 exported the same way",
    expects: "[1, N, 5 + classes] with 3 anchors a grid cell",
    preprocess: Preprocess::ULTRALYTICS,
    names: &[],
    only_by_name: false,
    task: Task::Detect,
    ultralytics: Some("detect"),
    fit: |outputs| match outputs.prototypes() {
        None => fit(outputs, || Extra::None),
        Some(_) => None,
    },
};

/// The same followed by the weights of mask prototypes, which are another output.
pub(super) static SEGMENT: Family = Family {
    name: "yolov5-segment",
    covers: "YOLOv5-seg and YOLOv7-seg",
    expects: "[1, N, 5 + classes + K] with 3 anchors a grid cell, and mask prototypes [1, K, rows, columns] at a \
              quarter of the input's size",
    ultralytics: Some("segment"),
    fit: |outputs| {
        let (output, count) = outputs.prototypes()?;
        fit(outputs, || Extra::Mask(Prototypes::new(output, count, outputs.size)))
    },
    ..FAMILY
};

fn fit(outputs: &Outputs<'_>, extra: impl Fn() -> Extra) -> Option<Fit> {
    outputs.sole_matrix(|output, rows, columns| {
        let classes = columns?.checked_sub(5 + extra().fields()).filter(|c| *c > 0)?;
        if !outputs.anchors_fit(rows, ANCHORS_PER_CELL) {
            return None;
        }
        let layout = Layout { axis: Axis::Rows, objectness: true, coding: Coding::Center, classes };
        Some(Fit::new(output, Some(classes), Dense::new(output, layout, extra(), outputs.size)))
    })
}
