//! The objects inside a frame record. `S` is how text is held: owned after reading, borrowed for writing.

use std::borrow::Cow;

use serde::de::Error as _;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize};

use crate::detection::{DetailsRef, Detection, Keypoint, Quad, Task};
use crate::geometry::BBox;
use crate::provenance::{Outcome, Stage};
use crate::view::{Decision, Motion, MotionSource, Phase, Ptz, Validity};

/// One detected object, or what a model says of a region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DetectionRecord<'a> {
    /// The id of the model that found it.
    pub model: Cow<'a, str>,
    /// What it is; absent for an object.
    #[serde(default, skip_serializing_if = "is_default")]
    pub task: Task,
    /// The class's index in the model's output.
    pub class: i32,
    /// The class's name, when the model has one.
    pub label: Option<Cow<'a, str>>,
    /// Confidence in \[0, 1\].
    #[serde(deserialize_with = "number")]
    pub confidence: f32,
    /// Where it is, in units of the frame.
    #[serde(rename = "box", with = "edges")]
    pub bbox: BBox,
    /// Nanoseconds from the frame that the model looked at to this one; absent when it is this one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub age: u64,
    /// PTS in nanoseconds of the frame that the model looked at, when that was another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_pts: Option<u64>,
    /// What it belongs to, when the model looked at a region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentRecord<'a>>,
    /// Keypoints in the model's order.
    #[serde(default, skip_serializing_if = "is_empty", with = "keypoints")]
    pub keypoints: Cow<'a, [Keypoint]>,
    /// The corners of a box that is not upright, each `[x, y]`, clockwise.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "corners")]
    pub corners: Option<Quad>,
    /// Where within its box the object is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<MaskRecord<'a>>,
    /// Appearance: a vector of length 1.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub embedding: Cow<'a, [f32]>,
}

impl<'a> DetectionRecord<'a> {
    /// The record of an object as found by `model`.
    pub fn new(model: &'a str, label: Option<&'a str>, detection: &Detection) -> Self {
        let Detection { bbox, confidence, class_id } = *detection;
        let (model, label) = (model.into(), label.map(Cow::Borrowed));
        Self { model, class: class_id, label, confidence, bbox, ..Self::default() }
    }

    /// The same with what is said of the object beyond its box, the `index`th of `details`.
    pub fn with_details(mut self, details: DetailsRef<'a>, index: usize) -> Self {
        self.keypoints = details.keypoints.row(index).into();
        self.corners = details.quads.get(index).copied();
        let mask = details.masks.get(index);
        self.mask = mask.map(|(width, height, cells)| MaskRecord {
            width: width as u16,
            height: height as u16,
            cells: cells.into(),
        });
        self.embedding = details.embeddings.row(index).into();
        self
    }

    /// The same, borrowed.
    pub fn as_ref(&self) -> DetectionRecord<'_> {
        let parent = |p: &'_ ParentRecord<'_>| (p.track, p.age, p.item);
        DetectionRecord {
            model: (&*self.model).into(),
            label: self.label.as_deref().map(Cow::Borrowed),
            parent: self.parent.as_ref().map(|p| {
                let (track, age, item) = parent(p);
                ParentRecord { track, age, item, model: p.model.as_deref().map(Cow::Borrowed) }
            }),
            keypoints: (&*self.keypoints).into(),
            mask: self.mask.as_ref().map(|m| MaskRecord { cells: (&*m.cells).into(), ..*m }),
            embedding: (&*self.embedding).into(),
            ..*self
        }
    }
}

/// What a model looked at when it was not the whole frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentRecord<'a> {
    /// The track's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<u64>,
    /// The model of the detection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Cow<'a, str>>,
    /// The detection's place among those of its model on this line, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<i32>,
    /// Nanoseconds since the model looked at it; absent when it did so on this frame.
    #[serde(default, skip_serializing_if = "is_default")]
    pub age: u64,
}

/// A mask over a box that is divided into equal cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskRecord<'a> {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// The certainty that the object is there, from 0 to 255. JSON only keeps whether it is at least half.
    pub cells: Cow<'a, [u8]>,
}

impl MaskRecord<'_> {
    /// Lengths of runs outside and inside the object by turns, outside first, row by row.
    fn runs(&self) -> impl Iterator<Item = usize> {
        let mut rest = &*self.cells;
        let mut inside = true;
        std::iter::from_fn(move || {
            inside = !inside;
            let run = rest.iter().position(|cell| (*cell >= 128) != inside).unwrap_or(rest.len());
            let ended = rest.is_empty();
            rest = &rest[run..];
            (!ended).then_some(run)
        })
    }
}

impl Serialize for MaskRecord<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Runs<'a>(&'a MaskRecord<'a>);
        impl Serialize for Runs<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.0.runs())
            }
        }
        let mut map = serializer.serialize_struct("Mask", 3)?;
        map.serialize_field("width", &self.width)?;
        map.serialize_field("height", &self.height)?;
        map.serialize_field("runs", &Runs(self))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for MaskRecord<'_> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Runs {
            width: u16,
            height: u16,
            runs: Vec<u32>,
        }
        let Runs { width, height, runs } = Runs::deserialize(deserializer)?;
        let size = usize::from(width) * usize::from(height);
        let total: u64 = runs.iter().map(|run| u64::from(*run)).sum();
        if total != size as u64 {
            return Err(D::Error::custom(format_args!(
                "the runs of a {width}x{height} mask add up to {total}"
            )));
        }
        let mut cells = Vec::with_capacity(size);
        for (i, run) in runs.into_iter().enumerate() {
            cells.resize(cells.len() + run as usize, if i % 2 == 1 { 255 } else { 0 });
        }
        Ok(Self { width, height, cells: cells.into() })
    }
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_empty<T>(list: &[T]) -> bool {
    list.is_empty()
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
    /// The number of the settings in force: it rises with each change; absent when the stage does not count them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub generation: u32,
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
            generation: self.generation,
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
            generation: stage.generation,
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
    /// Where the camera's head points, when it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ptz: Option<Ptz>,
    /// What becomes of what is drawn on the view.
    #[serde(default)]
    pub decision: Decision,
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
            ptz: self.ptz,
            decision: self.decision,
        }
    }
}

/// Reads a number, `null` as NaN: the inverse of what serde_json writes.
pub(super) fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f32::NAN))
}

fn homography<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<[f32; 9]>, D::Error> {
    let matrix = Option::<[Option<f32>; 9]>::deserialize(deserializer)?;
    Ok(matrix.map(|m| m.map(|v| v.unwrap_or(f32::NAN))))
}

/// A box as `[x_min, y_min, x_max, y_max]`.
pub(super) mod edges {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::geometry::BBox;

    pub(in crate::record) fn serialize<S: Serializer>(b: &BBox, serializer: S) -> Result<S::Ok, S::Error> {
        [b.x_min, b.y_min, b.x_max, b.y_max].serialize(serializer)
    }

    pub(in crate::record) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BBox, D::Error> {
        let edges = <[Option<f32>; 4]>::deserialize(deserializer)?;
        let [x_min, y_min, x_max, y_max] = edges.map(|e| e.unwrap_or(f32::NAN));
        Ok(BBox::new(x_min, y_min, x_max, y_max))
    }
}

/// Keypoints as `[[x, y, confidence], ...]`.
mod keypoints {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::detection::Keypoint;

    pub(super) fn serialize<S: Serializer>(points: &[Keypoint], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(points.iter().map(|p| [p.x, p.y, p.confidence]))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Cow<'static, [Keypoint]>, D::Error> {
        let points = Vec::<[Option<f32>; 3]>::deserialize(deserializer)?;
        let point = |p: [Option<f32>; 3]| {
            let [x, y, confidence] = p.map(|v| v.unwrap_or(f32::NAN));
            Keypoint { x, y, confidence }
        };
        Ok(points.into_iter().map(point).collect())
    }
}

/// Corners as `[[x, y], [x, y], [x, y], [x, y]]`.
mod corners {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::detection::Quad;

    pub(super) fn serialize<S: Serializer>(quad: &Option<Quad>, serializer: S) -> Result<S::Ok, S::Error> {
        quad.map(|quad| quad.corners).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Quad>, D::Error> {
        let corners = Option::<[[Option<f32>; 2]; 4]>::deserialize(deserializer)?;
        Ok(corners.map(|c| Quad { corners: c.map(|point| point.map(|v| v.unwrap_or(f32::NAN))) }))
    }
}
