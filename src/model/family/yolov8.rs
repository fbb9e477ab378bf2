//! YOLOv8 and its heirs: anchor-free, no objectness, boxes decoded by the model.

use super::dense::{Axis, Coding, Dense, Layout};
use super::{Family, Fit, Outputs, Preprocess};

/// Columns of centre x, centre y, width, height and the class scores; some exports transpose them.
pub(super) static FAMILY: Family = Family {
    name: "yolov8",
    covers: "YOLOv8, YOLOv9, YOLO11, YOLO12 and the anchor-free YOLOv5u",
    expects: "[1, 4 + classes, N], or transposed [1, N, 4 + classes], with one prediction a grid cell",
    preprocess: Preprocess::ULTRALYTICS,
    names: &[],
    only_by_name: false,
    ultralytics: true,
    fit,
};

fn fit(outputs: &Outputs<'_>) -> Option<Fit> {
    outputs.sole_matrix(|output, rows, columns| {
        let as_columns = reading(outputs, columns, rows).map(|classes| (Axis::Columns, classes));
        let as_rows = reading(outputs, rows, columns).map(|classes| (Axis::Rows, classes));
        let (axis, classes) = match (as_columns, as_rows) {
            (Some(_), Some(transposed)) if rows > columns => transposed,
            (Some(exported), _) => exported,
            (None, transposed) => transposed?,
        };
        let layout = Layout { axis, objectness: false, coding: Coding::Center, classes };
        let decoder = Box::new(Dense::new(output, layout, outputs.size));
        Some(Fit { output, classes: Some(classes), decoder })
    })
}

/// The classes when `anchors` and `fields` are the dimensions of those names.
fn reading(outputs: &Outputs<'_>, anchors: Option<usize>, fields: Option<usize>) -> Option<usize> {
    let classes = fields?.checked_sub(4).filter(|c| *c > 0)?;
    outputs.anchors_fit(anchors, 1).then_some(classes)
}
