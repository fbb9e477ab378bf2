//! The table of model families: how each codes what it found, and how its models want their input.

mod classifier;
mod dense;
mod detr;
mod embedding;
mod end_to_end;
mod extra;
mod gfl;
mod grid;
mod ssd;
#[cfg(test)]
mod tests;
mod ultraface;
mod yolov5;
mod yolov8;
mod yolox;
mod yunet;

use super::decode::{DecodeError, Decoder, TensorView, implausible};
use super::facts::TensorFacts;
use super::sidecar::{Activation, BoxOrder};
use crate::detection::Task;
use crate::preprocess::{ColorOrder, ResizeMode};

/// Every known family. A new one is a file of its own and a row here.
pub static FAMILIES: [&Family; 23] = [
    &yolov5::FAMILY,
    &yolov5::SEGMENT,
    &yolov8::FAMILY,
    &yolov8::SEGMENT,
    &yolov8::POSE,
    &yolov8::OBB,
    &end_to_end::FAMILY,
    &end_to_end::SEGMENT,
    &end_to_end::POSE,
    &end_to_end::OBB,
    &end_to_end::RTDETR,
    &yolox::FAMILY,
    &yolox::DECODED,
    &gfl::PICODET,
    &gfl::NANODET,
    &ultraface::FAMILY,
    &yunet::FAMILY,
    &detr::FAMILY,
    &detr::JOINED,
    &ssd::FAMILY,
    &classifier::FAMILY,
    &classifier::YOLO,
    &embedding::FAMILY,
];

/// A way to code detections in output tensors, shared by the models of one lineage.
#[derive(Debug)]
pub struct Family {
    /// The name used in properties and sidecars.
    pub name: &'static str,
    /// The models that belong to it.
    pub covers: &'static str,
    /// The output shapes it fits, in words, for messages.
    pub expects: &'static str,
    /// The input that its models are trained with.
    pub preprocess: Preprocess,
    /// The names of the classes, where all its models have the same.
    pub names: &'static [&'static str],
    /// True when another family has the same shapes and is far more common: this one is never guessed.
    pub only_by_name: bool,
    /// What its models do.
    pub task: Task,
    /// The task in the metadata of Ultralytics' exporter, where that writes such models.
    pub(super) ultralytics: Option<&'static str>,
    /// Finds the family's tensors among the outputs.
    pub(super) fit: fn(&Outputs<'_>) -> Option<Fit>,
}

impl Family {
    /// The family of a name, by exact match.
    pub fn find(name: &str) -> Option<&'static Self> {
        FAMILIES.into_iter().find(|f| f.name == name)
    }
}

/// How pixels in \[0, 255\] become a model's input: `(pixel * scale - mean) / std`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preprocess {
    /// The channels, in order.
    pub color: ColorOrder,
    /// What a pixel is multiplied by.
    pub scale: [f32; 3],
    /// What is subtracted then.
    pub mean: [f32; 3],
    /// What the rest is divided by.
    pub std: [f32; 3],
    /// How a frame is fitted in.
    pub resize: ResizeMode,
    /// The pixel value around it.
    pub pad: f32,
}

impl Preprocess {
    /// RGB in \[0, 1\], centred letterbox on grey 114: what Ultralytics' models are trained with.
    pub(super) const ULTRALYTICS: Self = Self {
        color: ColorOrder::Rgb,
        scale: [1.0 / 255.0; 3],
        mean: [0.0; 3],
        std: [1.0; 3],
        resize: ResizeMode::Letterbox,
        pad: 114.0,
    };

    /// RGB with ImageNet's mean and standard deviation, the middle of the picture cut out.
    pub(super) const IMAGENET: Self = Self {
        color: ColorOrder::Rgb,
        scale: [1.0 / 255.0; 3],
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        resize: ResizeMode::CenterCrop,
        pad: 0.0,
    };
}

/// What a family looks at to see whether it fits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outputs<'a> {
    pub(super) tensors: &'a [TensorFacts],
    /// Width and height of the input.
    pub(super) size: (usize, usize),
    /// True when the family was named, so that shapes need not prove it.
    pub(super) named: bool,
    /// The task in the metadata.
    pub(super) task: Option<&'a str>,
    /// The metadata say that it is an RT-DETR.
    pub(super) is_rtdetr: bool,
    /// How many keypoints an object has and how many numbers each, where somebody says so.
    pub(super) keypoints: Option<(usize, usize)>,
    /// How many classes somebody names.
    pub(super) labels: Option<usize>,
    /// What somebody says about a classifier's output.
    pub(super) activation: Option<Activation>,
    /// The order of a box's edges, where somebody says so.
    pub(super) box_order: Option<BoxOrder>,
}

impl Outputs<'_> {
    /// Applies `fit` to every output that is one matrix, with its index, rows and columns; gives the result
    /// when exactly one output fits. A model with several such heads codes its boxes in another way.
    pub(super) fn sole_matrix(
        &self,
        fit: impl Fn(usize, Option<usize>, Option<usize>) -> Option<Fit>,
    ) -> Option<Fit> {
        let matrices = self.tensors.iter().enumerate().filter_map(|(i, t)| Some((i, t.matrix()?)));
        let mut fits = matrices.filter_map(|(i, (rows, columns))| fit(i, rows, columns));
        fits.next().filter(|_| fits.next().is_none())
    }

    /// The output with the prototypes of masks, at a quarter of the input's size, and how many there are.
    pub(super) fn prototypes(&self) -> Option<(usize, usize)> {
        let quarter = [Some(self.size.1.div_ceil(4)), Some(self.size.0.div_ceil(4))];
        let found = self.tensors.iter().position(|t| {
            t.element.is_float() && matches!(&t.shape[..], [_, Some(_), rest @ ..] if *rest == quarter)
        })?;
        Some((found, self.tensors[found].shape[1]?))
    }

    /// The one output that is a vector, with its length.
    pub(super) fn sole_vector(&self) -> Option<(usize, usize)> {
        let [tensor] = self.tensors else { return None };
        Some((0, tensor.vector().filter(|len| *len > 1)?))
    }

    /// True when `anchors` can be the predictions of `per_cell` anchors a cell: an open dimension can, and in
    /// a family that was named any number can.
    pub(super) fn anchors_fit(&self, anchors: Option<usize>, per_cell: usize) -> bool {
        let on_a_grid = |n| grid::Grid::find(self.size, n, per_cell).is_some();
        anchors.is_none_or(|n| n > 0 && (self.named || on_a_grid(n)))
    }
}

/// A family's reading of a model.
#[derive(Debug)]
pub(super) struct Fit {
    /// The index of the output that is read.
    pub(super) output: usize,
    /// How many classes; `None` when the shapes do not say.
    pub(super) classes: Option<usize>,
    pub(super) decoder: Box<dyn Decoder>,
    /// What was assumed, for people.
    pub(super) assumed: Option<String>,
}

impl Fit {
    fn new(output: usize, classes: Option<usize>, decoder: impl Decoder + 'static) -> Self {
        Self { output, classes, decoder: Box::new(decoder), assumed: None }
    }
}

/// The index of the greatest score and the score; `None` when there is one that is not finite.
fn best_class(scores: &[f32]) -> Option<(usize, f32)> {
    let mut best = (0, f32::NEG_INFINITY);
    for (class, score) in scores.iter().enumerate() {
        if !score.is_finite() {
            return None;
        }
        if *score > best.1 {
            best = (class, *score);
        }
    }
    Some(best)
}

/// Refuses numbers that are no scores: finite and outside \[0, 1\], but for rounding.
fn probable(view: &TensorView<'_>, scores: &[f32]) -> Result<(), DecodeError> {
    let odd = scores.iter().find(|score| score.is_finite() && !(-0.01..=1.01).contains(*score));
    odd.map_or(Ok(()), |score| Err(implausible(view, format!("a score of {score} where 0 to 1 is expected"))))
}
