//! Detectors whose graph ends with suppression and gives boxes, scores and classes as tensors of their own: SSD
//! (Liu et al., ECCV 2016) and others of TensorFlow's and torchvision's object detection, and the deployed form of
//! RT-DETR and D-FINE.

use super::{Family, Fit, Outputs, Preprocess, TensorFacts, probable};
use crate::detection::{Found, Task};
use crate::geometry::BBox;
use crate::model::decode::{
    Candidates, DecodeError, DecodeParams, DecodeReport, Decoder, TensorView, shape_error,
};
use crate::model::facts::ElementKind;
use crate::model::sidecar::BoxOrder;
use crate::preprocess::ResizeMode;

/// Boxes in pixels or in units of the input, told apart by their size.
pub(super) static FAMILY: Family = Family {
    name: "ssd",
    covers: "SSD, Faster R-CNN and others with suppression in the graph; RT-DETR and D-FINE as deployed",
    expects: "boxes [1, N, 4], scores [1, N] and classes [1, N], told apart by their names, with or without a count [1]",
    preprocess: Preprocess { resize: ResizeMode::Stretch, pad: 0.0, ..Preprocess::ULTRALYTICS },
    names: &[],
    only_by_name: false,
    task: Task::Detect,
    ultralytics: None,
    fit,
};

/// A box that reaches beyond this cannot be in units of the input.
const LARGEST_UNIT: f32 = 2.0;

fn fit(outputs: &Outputs<'_>) -> Option<Fit> {
    if !(3..=4).contains(&outputs.tensors.len()) {
        return None;
    }
    let named = |tensor: &TensorFacts, words: &[&str]| {
        let name = tensor.name.to_ascii_lowercase();
        words.iter().any(|word| name.contains(word))
    };
    let find = |fits: &dyn Fn(&TensorFacts) -> bool| {
        let mut found = outputs.tensors.iter().enumerate().filter(|(_, t)| fits(t)).map(|(i, _)| i);
        found.next().filter(|_| found.next().is_none())
    };
    let integers = |t: &TensorFacts| matches!(t.element, ElementKind::I32 | ElementKind::I64);
    let (class_words, score_words) = (["class", "label", "cls"], ["score", "conf", "prob"]);
    let is_list = |t: &TensorFacts| named(t, &class_words) || named(t, &score_words);
    let boxes = find(&|t| {
        t.shape.len() >= 2 && t.shape.last() == Some(&Some(4)) && t.element.is_float() && !is_list(t)
    })?;
    let classes = find(&|t| named(t, &class_words) && !named(t, &["box"]))?;
    let scores = find(&|t| t.element.is_float() && named(t, &score_words) && !named(t, &["box"]))?;
    let count = find(&|t| named(t, &["num", "count"]));
    if outputs.tensors.len() == 4 && count.is_none()
        || [boxes, classes, scores].iter().any(|i| Some(*i) == count)
    {
        return None;
    }
    // TensorFlow names its boxes so, and begins each with its top.
    let tensorflow = named(&outputs.tensors[boxes], &["detection_boxes", "tflite"]);
    let order = outputs.box_order.unwrap_or(if tensorflow { BoxOrder::Yxyx } else { BoxOrder::Xyxy });
    let assumed = (outputs.box_order.is_none()).then(|| {
        let kind = if integers(&outputs.tensors[classes]) { "whole numbers" } else { "floats" };
        format!("boxes as {order} and classes as {kind}, because the outputs are named so")
    });
    let (width, height) = (outputs.size.0 as f32, outputs.size.1 as f32);
    let decoder = Ssd { boxes, scores, classes, count, order, width, height, ..Ssd::default() };
    Some(Fit { assumed, ..Fit::new(boxes, None, decoder) })
}

#[derive(Debug, Default)]
struct Ssd {
    boxes: usize,
    scores: usize,
    classes: usize,
    count: Option<usize>,
    order: BoxOrder,
    width: f32,
    height: f32,
    wide: [Vec<f32>; 4],
    candidates: Candidates,
}

/// The values of one frame: as many boxes as scores and classes.
struct Rows<'a> {
    boxes: &'a [[f32; 4]],
    scores: &'a [f32],
    classes: &'a [f32],
}

impl Ssd {
    fn read<'a, 'v: 'a>(
        &'a mut self,
        outputs: &[TensorView<'v>],
    ) -> Result<(Rows<'a>, &'a mut Candidates, TensorView<'v>), DecodeError> {
        let view = |index: usize| outputs.get(index).ok_or(DecodeError::Missing { index });
        let [wide_boxes, wide_scores, wide_classes, wide_count] = &mut self.wide;
        let of_boxes = view(self.boxes)?;
        let boxes = of_boxes.floats(wide_boxes);
        let scores = view(self.scores)?.floats(wide_scores);
        let classes = view(self.classes)?.floats(wide_classes);
        let (boxes, rest) = boxes.as_chunks::<4>();
        if !rest.is_empty() || boxes.len() != scores.len() || boxes.len() != classes.len() {
            return Err(shape_error(
                of_boxes,
                format!("{} boxes, as there are scores, and as many classes", scores.len()),
            ));
        }
        let mut count = boxes.len();
        if let Some(index) = self.count {
            let said = view(index)?.floats(wide_count).first().copied().unwrap_or_default();
            count = count.min(said.max(0.0) as usize);
        }
        let rows = Rows { boxes: &boxes[..count], scores: &scores[..count], classes: &classes[..count] };
        Ok((rows, &mut self.candidates, *of_boxes))
    }
}

impl Decoder for Ssd {
    fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        params: &DecodeParams,
        out: &mut Found,
    ) -> Result<DecodeReport, DecodeError> {
        out.clear();
        let (size, order) = ((self.width, self.height), self.order);
        let (Rows { boxes, scores, classes }, candidates, _) = self.read(outputs)?;
        candidates.clear();
        let reach =
            boxes.iter().flatten().filter(|v| v.is_finite()).fold(0.0f32, |most, v| most.max(v.abs()));
        let (sx, sy) = if reach > LARGEST_UNIT { (1.0, 1.0) } else { size };
        for ((edges, score), class) in boxes.iter().zip(scores).zip(classes) {
            let [a, b, c, d] = *edges;
            if ![a, b, c, d, *score, *class].iter().all(|v| v.is_finite()) {
                candidates.count_non_finite();
            } else if *score >= params.confidence {
                let bbox = match order {
                    BoxOrder::Xyxy => BBox::new(a, b, c, d),
                    BoxOrder::Yxyx => BBox::new(b, a, d, c),
                };
                if class.fract() == 0.0 && (0.0..=65535.0).contains(class) {
                    candidates.push(bbox.scaled(sx, sy), *score, *class as usize, &params.classes);
                } else {
                    candidates.count_degenerate();
                }
            }
        }
        Ok(candidates.take_best(params, out))
    }

    fn check(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DecodeError> {
        let (Rows { scores, .. }, _, view) = self.read(outputs)?;
        probable(&view, scores)
    }
}
