//! JSON lines of schema `nvperception.frame/1`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::events;
use super::{Content, Frame, Notes, Recording, ReplayError, Rows, clamp};
use crate::detection::{Detection, Detections, Labels, Parent};
use crate::provenance::{Outcome, Provenance, Stage};
use crate::record::{
    DetectionRecord, EndedRecord, FrameRecord, ParentRecord, StageOutcome, StageRecord, TrackRecord,
    ViewRecord,
};
use crate::track::{Past, Tracks};
use crate::view::View;

/// Class numbers above this have no name after reading: a table is as long as its highest number.
const MAX_CLASS: i32 = 65_535;

/// The names of classes, gathered from the whole file so that every frame shares them.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// The model that a frame without detections speaks for.
    pub(super) model: Arc<str>,
    models: HashMap<String, (Arc<str>, Labels)>,
    tracks: Labels,
}

impl Tables {
    /// A list that says that a model looked and found nothing.
    pub(super) fn nothing(&self) -> Detections {
        self.of(&self.model)
    }

    fn of(&self, model: &str) -> Detections {
        let known = self.models.get(model).cloned();
        let (model, labels) = known.unwrap_or_else(|| (model.into(), Labels::default()));
        Detections { model, labels, ..Detections::default() }
    }

    fn gather(records: &[FrameRecord]) -> Self {
        let mut names = BTreeMap::<&str, BTreeMap<i32, &str>>::new();
        let mut tracked = Vec::new();
        for record in records {
            for DetectionRecord { model, class, label, .. } in record.detections.iter().flatten() {
                let classes = names.entry(model).or_default();
                if let Some(label) = label.as_deref().filter(|_| (0..=MAX_CLASS).contains(class)) {
                    classes.insert(*class, label);
                }
            }
            let named = record.tracks.iter().flatten().filter_map(|track| track.label.as_deref());
            let ended = record.ended.iter().flatten().filter_map(|ended| ended.track.label.as_deref());
            for label in named.chain(ended) {
                if !tracked.contains(&label) {
                    tracked.push(label);
                }
            }
        }
        let first = records.iter().filter_map(|record| record.detections.as_ref()?.first()).next();
        let models = names.iter().map(|(model, classes)| {
            let end = classes.last_key_value().map_or(0, |(class, _)| class + 1);
            let labels = (0..end).map(|class| classes.get(&class).copied().unwrap_or_default()).collect();
            ((*model).to_owned(), (Arc::from(*model), labels))
        });
        Self {
            model: first.map_or("replay", |found| &*found.model).into(),
            models: models.collect(),
            tracks: tracked.into_iter().collect(),
        }
    }
}

pub(super) fn read(text: &str) -> Result<Recording, ReplayError> {
    let mut notes = Notes::default();
    let mut records = Vec::new();
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).peekable();
    while let Some((at, line)) = lines.next() {
        match FrameRecord::from_line(line.as_bytes()) {
            Ok(record) => records.push(record),
            Err(error) if error.is_eof() && lines.peek().is_none() => notes.truncated = true,
            Err(error) => return Err(ReplayError { line: at + 1, why: error.to_string() }),
        }
    }
    records.sort_by_key(|record: &FrameRecord| record.seq);
    let read = records.len();
    records.dedup_by_key(|record| record.seq);
    notes.duplicates = (read - records.len()) as u64;
    records.iter_mut().for_each(|record| clamp_all(record, &mut notes));
    let mut by_time: Vec<_> =
        records.iter().enumerate().filter_map(|(i, record)| Some((record.pts?, i))).collect();
    by_time.sort_unstable();
    Ok(Recording {
        by_time,
        has_detections: records.iter().any(|record| record.detections.is_some()),
        has_tracks: records.iter().any(|record| record.tracks.is_some()),
        labels: Tables::gather(&records),
        notes,
        poses: Vec::new(),
        frames: records
            .into_iter()
            .map(|record| Frame { number: record.seq, rows: Rows::Json(Box::new(record)) })
            .collect(),
    })
}

fn clamp_all(record: &mut FrameRecord, notes: &mut Notes) {
    for found in record.detections.iter_mut().flatten() {
        found.confidence = clamp(found.confidence, notes);
    }
    for track in record.tracks.iter_mut().flatten() {
        track.confidence = clamp(track.confidence, notes);
    }
}

pub(super) fn content(record: &FrameRecord, tables: &Tables) -> Content {
    Content {
        detections: record.detections.as_ref().map(|found| detections(found, tables)),
        tracks: record.tracks.as_ref().map(|items| tracks(items, record, tables)),
        view: record.view.as_ref().map(view),
        signals: record.signals.as_deref().map(events::signals),
        events: record.events.as_deref().map(events::events),
        shapes: record.shapes.as_deref().map(events::shapes),
        provenance: record.provenance.as_ref().map(|provenance| Provenance {
            feed: record.feed.as_str().into(),
            sequence: record.seq,
            received: provenance.received.0,
            stages: provenance.stages.iter().map(stage).collect(),
        }),
    }
}

/// One list a model, in the order in which the models appear.
fn detections(found: &[DetectionRecord<'_>], tables: &Tables) -> Vec<Detections> {
    let mut lists: Vec<(Detections, Vec<&DetectionRecord<'_>>)> = Vec::new();
    for record in found {
        let at = lists.iter().position(|(list, _)| *list.model == *record.model).unwrap_or_else(|| {
            lists.push((tables.of(&record.model), Vec::new()));
            lists.len() - 1
        });
        lists[at].1.push(record);
    }
    if lists.is_empty() {
        lists.push((tables.nothing(), Vec::new()));
    }
    lists.into_iter().map(|(list, records)| filled(list, &records)).collect()
}

/// `list` with the objects of `records`. What is said of some of them only is left out.
fn filled(mut list: Detections, records: &[&DetectionRecord<'_>]) -> Detections {
    let all = |says: fn(&DetectionRecord<'_>) -> bool| records.iter().all(|r| says(r));
    let points = all(|r| !r.keypoints.is_empty());
    let corners = all(|r| r.corners.is_some());
    let vectors = all(|r| !r.embedding.is_empty());
    let masks = records.iter().any(|r| r.mask.is_some());
    let parents = records.iter().any(|r| r.parent.is_some());
    if let Some(first) = records.first() {
        (list.task, list.age, list.source_pts) = (first.task, first.age, first.source_pts);
    }
    let mut models: Vec<&str> = Vec::new();
    for record in records {
        let DetectionRecord { class, confidence, bbox, .. } = **record;
        list.items.push(Detection { bbox, confidence, class_id: class });
        if points {
            list.details.keypoints.push(&record.keypoints);
        }
        list.details.quads.extend(record.corners.filter(|_| corners));
        if vectors {
            list.details.embeddings.push(&record.embedding);
        }
        if masks {
            let (width, height, cells) =
                record.mask.as_ref().map_or((0, 0, &[][..]), |mask| (mask.width, mask.height, &*mask.cells));
            list.details.masks.push(width, height, |to| to.copy_from_slice(cells));
        }
        if parents {
            list.parents.push(record.parent.as_ref().map_or(Parent::default(), |p| parent(p, &mut models)));
        }
    }
    list.parent_models = models.into_iter().collect();
    list
}

fn parent<'a>(record: &'a ParentRecord<'_>, models: &mut Vec<&'a str>) -> Parent {
    let model = record.model.as_deref().map_or(-1, |name| {
        let known = models.iter().position(|model| *model == name).unwrap_or_else(|| {
            models.push(name);
            models.len() - 1
        });
        known as i32
    });
    Parent { track: record.track.unwrap_or(0), age: record.age, model, item: record.item.unwrap_or(-1) }
}

fn tracks(items: &[TrackRecord<'_>], record: &FrameRecord, tables: &Tables) -> Tracks {
    let label = |name: Option<&str>| name.and_then(|name| tables.tracks.find(name)).unwrap_or(-1);
    let (mut segments, mut points) = (Vec::new(), Vec::new());
    for track in items.iter().chain(record.ended.iter().flatten().map(|ended| &ended.track)) {
        track.segments.append_to(track.id, &mut segments, &mut points);
    }
    let ended = |e: &EndedRecord<'_>| e.to_ended(label(e.track.label.as_deref()));
    Tracks {
        labels: tables.tracks.clone(),
        items: items.iter().map(|track| track.to_track(label(track.label.as_deref()))).collect(),
        ended: record.ended.as_ref().map(|items| items.iter().map(ended).collect()),
        past: record.past.as_ref().map(|rows| rows.iter().map(Past::from).collect()),
        segments,
        points,
        ..Tracks::default()
    }
}

fn view(record: &ViewRecord) -> View {
    View {
        epoch: record.epoch,
        version: record.version,
        phase: record.phase,
        motion: record.motion,
        source: record.source,
        confidence: record.confidence,
        to_previous: record.to_previous,
        to_reference: record.to_reference,
        validity: record.validity,
        reason: record.reason.as_deref().map(Into::into),
        stability: record.stability,
        preset: record.preset.as_deref().map(Into::into),
        ptz: record.ptz,
        decision: record.decision,
    }
}

fn stage(record: &StageRecord) -> Stage {
    let shared = |text: &Option<String>| text.as_deref().map(Into::into);
    let reason = || record.reason.as_deref().unwrap_or_default().into();
    Stage {
        element: record.element.as_str().into(),
        model_sha256: shared(&record.model_sha256),
        provider: shared(&record.provider),
        generation: record.generation,
        start: record.start,
        end: record.end,
        outcome: match record.outcome {
            StageOutcome::Ok => Outcome::Ok,
            StageOutcome::Skipped => Outcome::Skipped(reason()),
            StageOutcome::Failed => Outcome::Failed(reason()),
        },
    }
}
