//! YOLOv5 with its anchors and its objectness, the grid applied by the model's own last layer.

use super::dense::{Axis, Coding, Dense, Layout};
use super::{Family, Fit, Outputs, Preprocess};

const ANCHORS_PER_CELL: usize = 3;

/// Rows of centre x, centre y, width, height, objectness and the class scores.
pub(super) static FAMILY: Family = Family {
    name: "yolov5",
    covers: "YOLOv5, and YOLOv3 and YOLOv7 exported the same way",
    expects: "[1, N, 5 + classes] with 3 anchors a grid cell",
    preprocess: Preprocess::ULTRALYTICS,
    names: &[],
    only_by_name: false,
    ultralytics: true,
    fit,
};

fn fit(outputs: &Outputs<'_>) -> Option<Fit> {
    outputs.sole_matrix(|output, rows, columns| {
        let classes = columns?.checked_sub(5).filter(|c| *c > 0)?;
        if !outputs.anchors_fit(rows, ANCHORS_PER_CELL) {
            return None;
        }
        let layout = Layout { axis: Axis::Rows, objectness: true, coding: Coding::Center, classes };
        let decoder = Box::new(Dense::new(output, layout, outputs.size));
        Some(Fit { output, classes: Some(classes), decoder })
    })
}
