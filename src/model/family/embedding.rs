//! Models that describe how something looks, so that two pictures of one object can be recognised.

use super::classifier::looks_like_embedding;
use super::{Family, Fit, Outputs, Preprocess};
use crate::detection::{Detection, Found, Task};
use crate::geometry::BBox;
use crate::model::decode::{DecodeError, DecodeParams, DecodeReport, Decoder, TensorView, shape_error};
use crate::preprocess::ResizeMode;

/// One vector.
pub(super) static FAMILY: Family = Family {
    name: "embedding",
    covers: "re-identification and appearance models: OSNet, FastReID, face recognition",
    expects: "[1, length]; guessed for lengths of 64, 128, 256, ... that nobody names as classes",
    preprocess: Preprocess { resize: ResizeMode::Stretch, ..Preprocess::IMAGENET },
    names: &[],
    only_by_name: false,
    task: Task::Embed,
    ultralytics: None,
    fit,
};

fn fit(outputs: &Outputs<'_>) -> Option<Fit> {
    let guessed = outputs.labels.is_none() && outputs.task.is_none() && looks_like_embedding(outputs);
    if !outputs.named && !guessed {
        return None;
    }
    let (output, length) = outputs.sole_vector()?;
    let (width, height) = (outputs.size.0 as f32, outputs.size.1 as f32);
    let frame = BBox::new(0.0, 0.0, width, height);
    let fit = Fit::new(output, None, Embedding { output, length, frame, wide: Vec::new(), unit: Vec::new() });
    let assumed = (!outputs.named).then(|| {
        format!(
            "family embedding, because nobody names {length} classes (say family \"classifier\" if they are)"
        )
    });
    Some(Fit { assumed, ..fit })
}

#[derive(Debug)]
struct Embedding {
    output: usize,
    length: usize,
    /// The whole input, in pixels.
    frame: BBox,
    wide: Vec<f32>,
    unit: Vec<f32>,
}

impl Embedding {
    fn read<'a, 'v: 'a>(
        &'a mut self,
        outputs: &[TensorView<'v>],
    ) -> Result<(&'a [f32], &'a mut Vec<f32>), DecodeError> {
        let view = outputs.get(self.output).ok_or(DecodeError::Missing { index: self.output })?;
        if view.data.len() != self.length {
            return Err(shape_error(view, format!("a vector of {}", self.length)));
        }
        Ok((view.floats(&mut self.wide), &mut self.unit))
    }
}

impl Decoder for Embedding {
    fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        _params: &DecodeParams,
        out: &mut Found,
    ) -> Result<DecodeReport, DecodeError> {
        out.clear();
        let frame = self.frame;
        let (vector, unit) = self.read(outputs)?;
        let norm = vector.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
        if !norm.is_finite() {
            return Ok(DecodeReport { non_finite: 1, ..DecodeReport::default() });
        }
        if norm == 0.0 {
            return Ok(DecodeReport { degenerate: 1, ..DecodeReport::default() });
        }
        unit.clear();
        unit.extend(vector.iter().map(|v| (f64::from(*v) / norm) as f32));
        out.items.push(Detection { bbox: frame, confidence: 1.0, class_id: -1 });
        out.details.embeddings.push(unit);
        Ok(DecodeReport::default())
    }

    fn check(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DecodeError> {
        self.read(outputs).map(|_| ())
    }
}
