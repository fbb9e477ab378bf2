//! The objects inside a frame record. `S` is how text is held: owned after reading, borrowed for writing.

use serde::{Deserialize, Serialize};

use crate::detection::Detection;
use crate::geometry::BBox;
use crate::provenance::{Outcome, Stage};
use crate::track::{Track, TrackState};
use crate::view::{Motion, MotionSource, Phase, Validity};

/// One detected object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectionRecord<S = String> {
    /// The id of the model that found it.
    pub model: S,
    /// The class's index in the model's output.
    pub class: i32,
    /// The class's name, when the model has one.
    pub label: Option<S>,
    /// Confidence in \[0, 1\].
    #[serde(deserialize_with = "number")]
    pub confidence: f32,
    /// Where it is, in units of the frame.
    #[serde(rename = "box", with = "edges")]
    pub bbox: BBox,
}

impl<'a> DetectionRecord<&'a str> {
    /// The record of `detection` as found by `model`.
    pub fn new(model: &'a str, label: Option<&'a str>, detection: &Detection) -> Self {
        let Detection { bbox, confidence, class_id } = *detection;
        Self { model, class: class_id, label, confidence, bbox }
    }
}

impl DetectionRecord {
    /// The same with borrowed text.
    pub fn as_ref(&self) -> DetectionRecord<&str> {
        let Self { model, class, label, confidence, bbox } = self;
        DetectionRecord {
            model,
            class: *class,
            label: label.as_deref(),
            confidence: *confidence,
            bbox: *bbox,
        }
    }
}

/// One tracked object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackRecord<S = String> {
    /// Identity: below 2^53, never used twice in a run.
    pub id: u64,
    /// The class in its model's numbering.
    pub class: i32,
    /// The class's name, when it has one.
    pub label: Option<S>,
    /// Where the track stands in its life.
    #[serde(with = "state")]
    pub state: TrackState,
    /// Confidence of the last matched detection, in \[0, 1\].
    #[serde(deserialize_with = "number")]
    pub confidence: f32,
    /// Where it is, in units of the frame.
    #[serde(rename = "box", with = "edges")]
    pub bbox: BBox,
    /// Nanoseconds since the track's first detection.
    pub age: u64,
}

impl<'a> TrackRecord<&'a str> {
    /// The record of `track`.
    pub fn new(label: Option<&'a str>, track: &Track) -> Self {
        let Track { id, age, bbox, confidence, class_id, state, .. } = *track;
        Self { id, class: class_id, label, state, confidence, bbox, age }
    }
}

impl TrackRecord {
    /// The same with borrowed text.
    pub fn as_ref(&self) -> TrackRecord<&str> {
        let Self { id, class, label, state, confidence, bbox, age } = self;
        TrackRecord {
            id: *id,
            class: *class,
            label: label.as_deref(),
            state: *state,
            confidence: *confidence,
            bbox: *bbox,
            age: *age,
        }
    }
}

/// Where a frame came from and what each stage did to it. `L` is the list of stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvenanceRecord<L = Vec<StageRecord>> {
    /// When the first element received the frame.
    pub received: super::Timestamp,
    /// The stages in the order they worked.
    pub stages: L,
}

/// What one stage did to the frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageRecord<S = String> {
    /// The element's name.
    pub element: S,
    /// SHA-256 of the model in lower-case hex, when the stage ran one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_sha256: Option<S>,
    /// The execution provider that ran the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<S>,
    /// When the stage began with the frame: nanoseconds on the process's monotonic clock.
    pub start: u64,
    /// When it was done with it.
    pub end: u64,
    /// How it ended.
    pub outcome: StageOutcome,
    /// Why the frame was skipped or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<S>,
}

impl StageRecord {
    /// The same with borrowed text.
    pub fn as_ref(&self) -> StageRecord<&str> {
        StageRecord {
            element: &self.element,
            model_sha256: self.model_sha256.as_deref(),
            provider: self.provider.as_deref(),
            start: self.start,
            end: self.end,
            outcome: self.outcome,
            reason: self.reason.as_deref(),
        }
    }
}

/// How a stage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StageOutcome {
    /// It did its work.
    Ok,
    /// It left the frame alone on purpose.
    Skipped,
    /// It tried and failed.
    Failed,
}

impl<'a> From<&'a Stage> for StageRecord<&'a str> {
    fn from(stage: &'a Stage) -> Self {
        let (outcome, reason) = match &stage.outcome {
            Outcome::Ok => (StageOutcome::Ok, None),
            Outcome::Skipped(reason) => (StageOutcome::Skipped, Some(&**reason)),
            Outcome::Failed(reason) => (StageOutcome::Failed, Some(&**reason)),
        };
        Self {
            element: &stage.element,
            model_sha256: stage.model_sha256.as_deref(),
            provider: stage.provider.as_deref(),
            start: stage.start,
            end: stage.end,
            outcome,
            reason,
        }
    }
}

/// The camera's view on this frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViewRecord<S = String> {
    /// Number of discontinuities of the view so far.
    pub epoch: u64,
    /// Number of changes of any kind so far.
    pub version: u64,
    /// Where the frame lies in a move of the camera.
    pub phase: Phase,
    /// Whether the camera moves.
    pub motion: Motion,
    /// Who says so.
    pub source: MotionSource,
    /// Confidence in the motion, in \[0, 1\].
    #[serde(deserialize_with = "number")]
    pub confidence: f32,
    /// Row-major homography from this frame's normalised points to the previous frame's, when known.
    #[serde(default, deserialize_with = "homography")]
    pub to_previous: Option<[f32; 9]>,
    /// Row-major homography from this frame's normalised points to the epoch's reference frame, when known.
    #[serde(default, deserialize_with = "homography")]
    pub to_reference: Option<[f32; 9]>,
    /// Whether what was drawn on the view holds.
    pub validity: Validity,
    /// Why the view is not valid.
    pub reason: Option<S>,
    /// How still the view is, in \[0, 1\].
    #[serde(deserialize_with = "number")]
    pub stability: f32,
    /// The camera's preset, when known.
    pub preset: Option<S>,
}

impl ViewRecord {
    /// The same with borrowed text.
    pub fn as_ref(&self) -> ViewRecord<&str> {
        ViewRecord {
            epoch: self.epoch,
            version: self.version,
            phase: self.phase,
            motion: self.motion,
            source: self.source,
            confidence: self.confidence,
            to_previous: self.to_previous,
            to_reference: self.to_reference,
            validity: self.validity,
            reason: self.reason.as_deref(),
            stability: self.stability,
            preset: self.preset.as_deref(),
        }
    }
}

/// A named value that others can decide on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalRecord {
    /// `zone.door.occupancy`, say.
    pub name: String,
    /// The value, in the signal's own unit.
    #[serde(deserialize_with = "number64")]
    pub value: f64,
    /// Nanoseconds from this frame on during which the value holds.
    pub ttl: u64,
}

/// An event as it stands on this frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Identity: below 2^53, never used twice in a run.
    pub id: u64,
    /// The name of the rule that decided.
    pub rule: String,
    /// Where the event stands in its life: `potential`, `confirmed`, `ended`, ...
    pub state: String,
    /// Running time in nanoseconds at which it began.
    pub start: u64,
    /// Running time in nanoseconds at which it ended, when it has.
    pub end: Option<u64>,
    /// The tracks that take part.
    pub tracks: Vec<u64>,
    /// The zone, for events of a zone.
    pub zone: Option<String>,
}

/// Reads a number, `null` as NaN: the inverse of what serde_json writes.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f32::NAN))
}

fn number64<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

fn homography<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<[f32; 9]>, D::Error> {
    let matrix = Option::<[Option<f32>; 9]>::deserialize(deserializer)?;
    Ok(matrix.map(|m| m.map(|v| v.unwrap_or(f32::NAN))))
}

/// A box as `[x_min, y_min, x_max, y_max]`.
mod edges {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::geometry::BBox;

    pub(super) fn serialize<S: Serializer>(b: &BBox, serializer: S) -> Result<S::Ok, S::Error> {
        [b.x_min, b.y_min, b.x_max, b.y_max].serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BBox, D::Error> {
        let edges = <[Option<f32>; 4]>::deserialize(deserializer)?;
        let [x_min, y_min, x_max, y_max] = edges.map(|e| e.unwrap_or(f32::NAN));
        Ok(BBox::new(x_min, y_min, x_max, y_max))
    }
}

/// A track's state by its name.
mod state {
    use std::borrow::Cow;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::track::TrackState;

    const ALL: [TrackState; 4] =
        [TrackState::Tentative, TrackState::Confirmed, TrackState::Coasted, TrackState::Lost];

    pub(super) fn serialize<S: Serializer>(state: &TrackState, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(state.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TrackState, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        let state = ALL.into_iter().find(|s| s.as_str() == name);
        state.ok_or_else(|| D::Error::custom(format_args!("{name:?} is no state of a track")))
    }
}
