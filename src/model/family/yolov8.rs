//! YOLOv8 and its heirs: anchor-free, no objectness, boxes decoded by the model.

use super::dense::{Axis, Coding, Dense, Layout};
use super::extra::{COCO_KEYPOINTS, Extra, MOST_KEYPOINTS, Prototypes};
use super::{Family, Fit, Outputs, Preprocess};
use crate::detection::Task;

/// Columns of centre x, centre y, width, height and the class scores; some exports transpose them.
pub(super) static FAMILY: Family = Family {
    name: "yolov8",
    covers: "YOLOv8, YOLOv9, YOLO11, YOLO12 and the anchor-free YOLOv5u",
    expects: "[1, 4 + classes, N], or transposed [1, N, 4 + classes], with one prediction a grid cell",
    preprocess: Preprocess::ULTRALYTICS,
    names: &[],
    only_by_name: false,
    task: Task::Detect,
    ultralytics: Some("detect"),
    fit: |outputs| match outputs.prototypes() {
        None => fit(outputs, || Extra::None, None),
        Some(_) => None,
    },
};

/// The same followed by the weights of mask prototypes, which are another output.
pub(super) static SEGMENT: Family = Family {
    name: "yolov8-segment",
    covers: "YOLOv8-seg, YOLOv9-seg, YOLO11-seg and YOLO12-seg",
    expects: "[1, 4 + classes + K, N] and mask prototypes [1, K, rows, columns] at a quarter of the input's size",
    ultralytics: Some("segment"),
    fit: |outputs| {
        let (output, count) = outputs.prototypes()?;
        fit(outputs, || Extra::Mask(Prototypes::new(output, count, outputs.size)), None)
    },
    ..FAMILY
};

/// The same followed by keypoints.
pub(super) static POSE: Family = Family {
    name: "yolov8-pose",
    covers: "YOLOv8-pose, YOLO11-pose and YOLO12-pose",
    expects: "[1, 4 + classes + K x 2 or 3, N], K keypoints an object: by kpt_shape in the metadata or \"keypoints\" in \
              the sidecar, else 17 of 3 and one class",
    ultralytics: Some("pose"),
    fit: |outputs| {
        let sole_class = outputs.keypoints.is_none() && outputs.task != Some("pose");
        let (count, numbers) = outputs.keypoints.unwrap_or(COCO_KEYPOINTS);
        let sane = (1..=MOST_KEYPOINTS).contains(&count) && [2, 3].contains(&numbers);
        sane.then(|| fit(outputs, || Extra::Keypoints { count, numbers }, sole_class.then_some(1)))?
    },
    ..FAMILY
};

/// The same followed by an angle.
pub(super) static OBB: Family = Family {
    name: "yolov8-obb",
    covers: "YOLOv8-obb, YOLO11-obb and YOLO12-obb",
    expects: "[1, 4 + classes + 1, N], the last an angle in radians; only by the metadata's task or by name",
    ultralytics: Some("obb"),
    fit: |outputs| {
        let said = outputs.named || outputs.task == Some("obb");
        said.then(|| fit(outputs, || Extra::Angle, None))?
    },
    ..FAMILY
};

/// `only` is the one number of classes that is believed.
fn fit(outputs: &Outputs<'_>, extra: impl Fn() -> Extra, only: Option<usize>) -> Option<Fit> {
    let others = extra().fields();
    let believed = |classes: &usize| only.is_none_or(|only| only == *classes);
    outputs.sole_matrix(|output, rows, columns| {
        let as_columns = reading(outputs, columns, rows, others).map(|classes| (Axis::Columns, classes));
        let as_rows = reading(outputs, rows, columns, others).map(|classes| (Axis::Rows, classes));
        let (axis, classes) = match (as_columns, as_rows) {
            (Some(_), Some(transposed)) if rows > columns => transposed,
            (Some(exported), _) => exported,
            (None, transposed) => transposed?,
        };
        let classes = Some(classes).filter(believed)?;
        let layout = Layout { axis, objectness: false, coding: Coding::Center, classes };
        Some(Fit::new(output, Some(classes), Dense::new(output, layout, extra(), outputs.size)))
    })
}

/// The classes when `anchors` and `fields` are the dimensions of those names, `others` of the fields being neither
/// box nor score.
fn reading(
    outputs: &Outputs<'_>,
    anchors: Option<usize>,
    fields: Option<usize>,
    others: usize,
) -> Option<usize> {
    let classes = fields?.checked_sub(4 + others).filter(|c| *c > 0)?;
    outputs.anchors_fit(anchors, 1).then_some(classes)
}
