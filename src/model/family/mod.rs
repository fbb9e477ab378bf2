//! The table of detector families: how each codes boxes and scores, and how its models want their input.

mod dense;
mod detr;
mod end_to_end;
mod gfl;
mod grid;
#[cfg(test)]
mod tests;
mod ultraface;
mod yolov5;
mod yolov8;
mod yolox;
mod yunet;

use super::decode::Decoder;
use super::facts::TensorFacts;
use crate::preprocess::{ColorOrder, ResizeMode};

/// Every known family. A new one is a file of its own and a row here.
pub static FAMILIES: [&Family; 10] = [
    &yolov5::FAMILY,
    &yolov8::FAMILY,
    &end_to_end::FAMILY,
    &yolox::FAMILY,
    &yolox::DECODED,
    &gfl::PICODET,
    &gfl::NANODET,
    &ultraface::FAMILY,
    &yunet::FAMILY,
    &detr::FAMILY,
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
    /// True when Ultralytics' exporter, which signs the metadata, writes such models.
    pub(super) ultralytics: bool,
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
}

/// What a family looks at to see whether it fits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outputs<'a> {
    pub(super) tensors: &'a [TensorFacts],
    /// Width and height of the input.
    pub(super) size: (usize, usize),
    /// True when the family was named, so that shapes need not prove it.
    pub(super) named: bool,
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

/// The first number that is no score: finite and outside \[0, 1\], but for rounding.
fn first_beyond_unit(scores: &[f32]) -> Option<f32> {
    scores.iter().copied().find(|score| score.is_finite() && !(-0.01..=1.01).contains(score))
}
