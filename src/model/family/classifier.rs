//! Models that name what a whole picture shows.

use super::{Family, Fit, Outputs, Preprocess};
use crate::detection::{Detection, Found, Task};
use crate::geometry::BBox;
use crate::model::decode::{DecodeError, DecodeParams, DecodeReport, Decoder, TensorView, shape_error};
use crate::model::sidecar::Activation;
use crate::preprocess::ResizeMode;

/// A score for each class, as probabilities or as logits.
pub(super) static FAMILY: Family = Family {
    name: "classifier",
    covers: "plain classifiers: ResNet, MobileNet, EfficientNet, attribute models",
    expects: "[1, classes], as logits, probabilities or independent scores",
    preprocess: Preprocess::IMAGENET,
    names: &[],
    only_by_name: false,
    task: Task::Classify,
    ultralytics: None,
    fit: |outputs| match (outputs.task, outputs.labels) {
        (Some("classify"), _) => None,
        (_, None) if !outputs.named && looks_like_embedding(outputs) => None,
        _ => fit(outputs),
    },
};

/// The same from Ultralytics, whose models want pixels in \[0, 1\].
pub(super) static YOLO: Family = Family {
    name: "yolo-classify",
    covers: "YOLOv8-cls, YOLO11-cls, YOLO12-cls and YOLO26-cls",
    expects: "[1, classes] (probabilities); only by the metadata's task or by name",
    preprocess: Preprocess { resize: ResizeMode::CenterCrop, ..Preprocess::ULTRALYTICS },
    ultralytics: Some("classify"),
    fit: |outputs| {
        let said = outputs.named || outputs.task == Some("classify");
        said.then(|| fit(outputs))?
    },
    ..FAMILY
};

/// True for a vector that nobody names the classes of and that is as long as appearance vectors are.
pub(super) fn looks_like_embedding(outputs: &Outputs<'_>) -> bool {
    outputs.sole_vector().is_some_and(|(_, len)| len >= 64 && len.is_power_of_two())
}

fn fit(outputs: &Outputs<'_>) -> Option<Fit> {
    let (output, classes) = outputs.sole_vector()?;
    let (width, height) = (outputs.size.0 as f32, outputs.size.1 as f32);
    let frame = BBox::new(0.0, 0.0, width, height);
    let decoder = Classifier {
        output,
        classes,
        frame,
        activation: outputs.activation,
        wide: Vec::new(),
        ranked: Vec::new(),
    };
    Some(Fit::new(output, Some(classes), decoder))
}

#[derive(Debug)]
struct Classifier {
    output: usize,
    classes: usize,
    /// The whole input, in pixels.
    frame: BBox,
    /// What the scores need to become probabilities, when somebody said so or the dry run showed it.
    activation: Option<Activation>,
    wide: Vec<f32>,
    ranked: Vec<(f32, usize)>,
}

impl Classifier {
    fn read<'a, 'v: 'a>(
        output: usize,
        classes: usize,
        wide: &'a mut Vec<f32>,
        outputs: &[TensorView<'v>],
    ) -> Result<&'a [f32], DecodeError> {
        let view = outputs.get(output).ok_or(DecodeError::Missing { index: output })?;
        let long = view.shape.iter().filter(|d| **d != 1);
        if view.data.len() != classes || long.count() > 1 {
            return Err(shape_error(view, format!("{classes} scores")));
        }
        Ok(view.floats(wide))
    }
}

/// What scores look like.
fn activation_of(scores: &[f32]) -> Activation {
    let within = scores.iter().all(|s| (-0.001..=1.001).contains(s));
    if within { Activation::None } else { Activation::Softmax }
}

impl Decoder for Classifier {
    fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        params: &DecodeParams,
        out: &mut Found,
    ) -> Result<DecodeReport, DecodeError> {
        out.clear();
        let scores = Self::read(self.output, self.classes, &mut self.wide, outputs)?;
        let mut report = DecodeReport::default();
        let activation = self.activation.unwrap_or_else(|| activation_of(scores));
        let most = scores.iter().copied().filter(|s| s.is_finite()).fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = scores.iter().filter(|s| s.is_finite()).map(|s| (s - most).exp()).sum();
        self.ranked.clear();
        for (class, score) in scores.iter().enumerate() {
            if !score.is_finite() {
                report.non_finite += 1;
                continue;
            }
            let confidence = match activation {
                Activation::None => *score,
                Activation::Sigmoid => 1.0 / (1.0 + (-score).exp()),
                Activation::Softmax => (score - most).exp() / sum,
            };
            if confidence >= params.confidence && params.classes.contains(class) {
                self.ranked.push((confidence, class));
            }
        }
        self.ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let best = self.ranked.iter().take(params.top_k.min(params.max_detections));
        out.items.extend(best.map(|(confidence, class)| Detection {
            bbox: self.frame,
            confidence: *confidence,
            class_id: *class as i32,
        }));
        Ok(report)
    }

    fn check(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DecodeError> {
        let scores = Self::read(self.output, self.classes, &mut self.wide, outputs)?;
        if self.activation.is_none() && scores.iter().all(|s| s.is_finite()) {
            self.activation = Some(activation_of(scores));
        }
        Ok(())
    }
}
