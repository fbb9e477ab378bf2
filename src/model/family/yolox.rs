//! YOLOX (Ge et al., "YOLOX: Exceeding YOLO Series in 2021"): anchor-free with objectness.
//!
//! Its exporter leaves the grid to the reader: centres are offsets in cells, sizes are logarithms of cells.
//! `decode_in_inference` exports pixels in a tensor of the same shape, so that variant has a name of its own;
//! a dry run tells the two apart.

use super::dense::{Axis, Coding, Dense, Layout};
use super::extra::Extra;
use super::{Family, Fit, Outputs, Preprocess};
use crate::detection::Task;
use crate::preprocess::{ColorOrder, ResizeMode};

const EXPECTS: &str = "[1, N, 5 + classes] with one prediction a grid cell";

/// BGR in \[0, 255\], picture at the top left on grey 114. Releases before 0.2 used RGB with ImageNet's mean
/// and standard deviation: such a model needs a sidecar that says so.
const PREPROCESS: Preprocess = Preprocess {
    color: ColorOrder::Bgr,
    scale: [1.0; 3],
    mean: [0.0; 3],
    std: [1.0; 3],
    resize: ResizeMode::LetterboxTopLeft,
    pad: 114.0,
};

/// Rows of x offset, y offset, log width, log height, objectness and the class scores.
pub(super) static FAMILY: Family = Family {
    name: "yolox",
    covers: "YOLOX as its own exporter writes it",
    expects: EXPECTS,
    preprocess: PREPROCESS,
    names: &[],
    only_by_name: false,
    task: Task::Detect,
    ultralytics: None,
    fit: |outputs| fit(outputs, Coding::Grid),
};

/// Rows of centre x, centre y, width, height, objectness and the class scores.
pub(super) static DECODED: Family = Family {
    name: "yolox-decoded",
    covers: "YOLOX exported with decode_in_inference",
    expects: EXPECTS,
    preprocess: PREPROCESS,
    names: &[],
    only_by_name: true,
    task: Task::Detect,
    ultralytics: None,
    fit: |outputs| fit(outputs, Coding::Center),
};

fn fit(outputs: &Outputs<'_>, coding: Coding) -> Option<Fit> {
    // Without its grid a cell means nothing: a name does not replace matching shapes.
    let outputs = Outputs { named: outputs.named && coding == Coding::Center, ..*outputs };
    outputs.sole_matrix(|output, rows, columns| {
        let classes = columns?.checked_sub(5).filter(|c| *c > 0)?;
        if !outputs.anchors_fit(rows, 1) {
            return None;
        }
        let layout = Layout { axis: Axis::Rows, objectness: true, coding, classes };
        Some(Fit::new(output, Some(classes), Dense::new(output, layout, Extra::None, outputs.size)))
    })
}
