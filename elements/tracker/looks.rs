//! The detections of a buffer as the tracker takes them, with the embeddings that belong to them.

use crate::detection::Task;
use crate::elements::names::Names;
use crate::meta::{DetectionMeta, DetectionsRef};
use crate::track::Observation;

/// Collects the detections of all models that looked at the whole frame, and what re-identification models said of
/// them; `None` when none looked.
pub(super) fn observations<'a>(
    buffer: &'a gst::BufferRef,
    names: &mut Names,
    memory: &mut Vec<Observation<'static>>,
) -> Option<Vec<Observation<'a>>> {
    let mut observations: Vec<Observation<'a>> = recycled(std::mem::take(memory));
    let mut looked = false;
    for (detector, found) in DetectionMeta::all(buffer).filter(DetectionsRef::are_objects).enumerate() {
        looked = true;
        let indices = names.indices(found.labels());
        observations.extend(found.items().iter().map(|detection| {
            let class = usize::try_from(detection.class_id).ok();
            let label = class.and_then(|class| indices.get(class)).copied().unwrap_or(-1);
            let detector = detector as u32;
            Observation { detection: *detection, label, age: found.age(), embedding: None, detector }
        }));
    }
    if !looked {
        *memory = recycled(observations);
        return None;
    }
    for looks in DetectionMeta::all(buffer).filter(|found| found.task() == Task::Embed) {
        let embeddings = looks.details().embeddings;
        for (i, parent) in looks.parents().iter().enumerate() {
            let place = || {
                let model = looks.parent_models().get(parent.model)?;
                place(buffer, model, usize::try_from(parent.item).ok()?)
            };
            let row = embeddings.row(i);
            if let Some(observation) = place().and_then(|at| observations.get_mut(at))
                && is_unit(row)
            {
                observation.embedding = Some(row);
            }
        }
    }
    Some(observations)
}

/// An empty list in the memory of another.
pub(super) fn recycled<'a>(mut used: Vec<Observation<'_>>) -> Vec<Observation<'a>> {
    used.clear();
    used.into_iter().map(|_| unreachable!("it is empty")).collect()
}

/// Where the item of a model's list is among all observations.
fn place(buffer: &gst::BufferRef, model: &str, item: usize) -> Option<usize> {
    let mut before = 0;
    for found in DetectionMeta::all(buffer).filter(DetectionsRef::are_objects) {
        if found.model() == model {
            return (item < found.items().len()).then_some(before + item);
        }
        before += found.items().len();
    }
    None
}

/// True for an embedding that cosines can be taken of.
fn is_unit(row: &[f32]) -> bool {
    let square: f32 = row.iter().map(|v| v * v).sum();
    (0.9..=1.1).contains(&square)
}
