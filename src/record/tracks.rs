//! What a frame record says of tracks.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::parts::{edges, is_default, number};
use crate::geometry::BBox;
use crate::track::{
    Closed, Continuity, EndReason, Ended, Opened, Past, PastKind, Track, TrackMotion, TrackPoint,
    TrackSegment, TrackState,
};

/// One tracked object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrackRecord<'a> {
    /// Identity: below 2^53, never used twice in a run.
    pub id: u64,
    /// The class in its model's numbering.
    pub class: i32,
    /// The class's name, when it has one.
    pub label: Option<Cow<'a, str>>,
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
    /// Whether it is the continuation of what it was; absent when it is.
    #[serde(default, skip_serializing_if = "is_default", with = "continuity")]
    pub continuity: Continuity,
    /// How it moves; absent when nobody has measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub motion: Option<MotionRecord>,
    /// The way it went, when the tracker tells.
    #[serde(default, skip_serializing_if = "Course::is_empty")]
    pub segments: Course<'a>,
}

impl<'a> TrackRecord<'a> {
    /// The record of `track`.
    pub fn new(label: Option<&'a str>, track: &Track) -> Self {
        let Track { id, age, bbox, confidence, class_id, state, continuity, .. } = *track;
        let (label, motion) = (label.map(Cow::Borrowed), MotionRecord::of(track));
        let segments = Course::default();
        Self { id, class: class_id, label, state, confidence, bbox, age, continuity, motion, segments }
    }

    /// The same, borrowed.
    pub fn as_ref(&self) -> TrackRecord<'_> {
        let label = self.label.as_deref().map(Cow::Borrowed);
        TrackRecord { label, segments: self.segments.as_ref(), ..*self }
    }

    /// The track, but for what a record leaves out. `label` is the index of the class's name.
    pub fn to_track(&self, label: i32) -> Track {
        Track {
            id: self.id,
            age: self.age,
            bbox: self.bbox,
            confidence: self.confidence,
            class_id: self.class,
            label,
            state: self.state,
            continuity: self.continuity,
            velocity: self.motion.and_then(|m| m.velocity).unwrap_or_default(),
            motion: self.motion.map_or(TrackMotion::UNKNOWN, TrackMotion::from),
            ..Track::default()
        }
    }
}

/// A track that ended on the frame, as it was last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndedRecord<'a> {
    /// The track.
    #[serde(flatten)]
    pub track: TrackRecord<'a>,
    /// Why it ended.
    #[serde(with = "reason")]
    pub reason: EndReason,
    /// Nanoseconds since its last matched detection.
    pub since_match: u64,
}

impl<'a> EndedRecord<'a> {
    /// The record of an end, with that of the track.
    pub fn new(track: TrackRecord<'a>, ended: &Ended) -> Self {
        Self { track, reason: ended.reason, since_match: ended.track.since_match }
    }

    /// The same, borrowed.
    pub fn as_ref(&self) -> EndedRecord<'_> {
        EndedRecord { track: self.track.as_ref(), ..*self }
    }

    /// The end, but for what a record leaves out. `label` is the index of the class's name.
    pub fn to_ended(&self, label: i32) -> Ended {
        let track = Track { since_match: self.since_match, ..self.track.to_track(label) };
        Ended { track, reason: self.reason, reserved: 0 }
    }
}

/// How a track moves: see [`TrackMotion`]. Numbers in metres (`_m`) are absent when they are not known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MotionRecord {
    /// How the box's centre moves now, in units of the frame a second.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "maybe_pair")]
    pub velocity: Option<[f32; 2]>,
    /// True when it has kept its place for two seconds.
    pub stationary: bool,
    /// Length of the way it went, in units of the frame, as the next three.
    #[serde(deserialize_with = "number")]
    pub path: f32,
    /// From where it began to where it is.
    #[serde(deserialize_with = "pair")]
    pub displacement: [f32; 2],
    /// A second.
    #[serde(deserialize_with = "number")]
    pub mean_speed: f32,
    /// A second.
    #[serde(deserialize_with = "number")]
    pub max_speed: f32,
    /// Degrees clockwise from the right in the displayed picture.
    #[serde(deserialize_with = "number")]
    pub direction: f32,
    /// Where it stands on the ground.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "maybe_pair")]
    pub ground_m: Option<[f32; 2]>,
    /// As `displacement`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "maybe_pair")]
    pub displacement_m: Option<[f32; 2]>,
    /// As `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_m: Option<f32>,
    /// Over about the last half a second, a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed_m: Option<f32>,
    /// As `mean_speed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_speed_m: Option<f32>,
    /// As `max_speed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_speed_m: Option<f32>,
}

impl MotionRecord {
    /// The record of how a track moves; `None` when nothing is known of it.
    pub fn of(track: &Track) -> Option<Self> {
        let known = track.motion.is_known() || track.velocity != [0.0; 2];
        known.then(|| Self { velocity: Some(track.velocity), ..Self::from(&track.motion) })
    }
}

impl From<&TrackMotion> for MotionRecord {
    fn from(motion: &TrackMotion) -> Self {
        let known = |v: f32| (!v.is_nan()).then_some(v);
        let both = |v: [f32; 2]| (!v[0].is_nan()).then_some(v);
        Self {
            velocity: None,
            stationary: motion.is_stationary(),
            path: motion.path,
            displacement: motion.displacement,
            mean_speed: motion.mean_speed,
            max_speed: motion.max_speed,
            direction: motion.direction,
            ground_m: both(motion.ground),
            displacement_m: both(motion.ground_displacement),
            path_m: known(motion.ground_path),
            speed_m: known(motion.ground_speed),
            mean_speed_m: known(motion.ground_mean_speed),
            max_speed_m: known(motion.ground_max_speed),
        }
    }
}

impl From<MotionRecord> for TrackMotion {
    fn from(record: MotionRecord) -> Self {
        let number = |v: Option<f32>| v.unwrap_or(f32::NAN);
        let both = |v: Option<[f32; 2]>| v.unwrap_or([f32::NAN; 2]);
        Self {
            stationary: u32::from(record.stationary),
            path: record.path,
            displacement: record.displacement,
            mean_speed: record.mean_speed,
            max_speed: record.max_speed,
            direction: record.direction,
            ground: both(record.ground_m),
            ground_displacement: both(record.displacement_m),
            ground_path: number(record.path_m),
            ground_speed: number(record.speed_m),
            ground_mean_speed: number(record.mean_speed_m),
            ground_max_speed: number(record.max_speed_m),
        }
    }
}

/// Where a track was on an earlier frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PastRecord {
    /// The track's id.
    pub id: u64,
    /// Nanoseconds from that frame to this one.
    pub before: u64,
    /// Where it was, in units of that frame.
    #[serde(rename = "box", with = "edges")]
    pub bbox: BBox,
    /// Confidence in \[0, 1\].
    #[serde(deserialize_with = "number")]
    pub confidence: f32,
    /// What the row is.
    #[serde(with = "kind")]
    pub kind: PastKind,
}

impl From<&Past> for PastRecord {
    fn from(past: &Past) -> Self {
        let Past { id, before, bbox, confidence, kind } = *past;
        Self { id, before, bbox, confidence, kind }
    }
}

impl From<&PastRecord> for Past {
    fn from(record: &PastRecord) -> Self {
        let PastRecord { id, before, bbox, confidence, kind } = *record;
        Self { id, before, bbox, confidence, kind }
    }
}

/// The way of a track: segments, and the points that they refer to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course<'a> {
    /// The older first.
    pub segments: Cow<'a, [TrackSegment]>,
    /// Of these segments and perhaps of others.
    pub points: Cow<'a, [TrackPoint]>,
}

impl<'a> Course<'a> {
    /// The way of one track among those of a frame, which are sorted by track.
    pub fn of(id: u64, segments: &'a [TrackSegment], points: &'a [TrackPoint]) -> Self {
        let first = segments.iter().position(|s| s.track == id).unwrap_or(segments.len());
        let count = segments[first..].iter().take_while(|s| s.track == id).count();
        Self { segments: segments[first..first + count].into(), points: points.into() }
    }

    /// True when there is no segment.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The same, borrowed.
    pub fn as_ref(&self) -> Course<'_> {
        Course { segments: (&*self.segments).into(), points: (&*self.points).into() }
    }

    /// The points of a segment; none where it refers to points that are not there.
    fn points_of(&self, segment: &TrackSegment) -> &[TrackPoint] {
        let first = usize::try_from(segment.first).ok();
        let range = first.and_then(|first| Some(first..first.checked_add(segment.count as usize)?));
        range.and_then(|range| self.points.get(range)).unwrap_or_default()
    }

    /// Appends it to the lists of a frame, as the way of the track `id`.
    pub fn append_to(&self, id: u64, segments: &mut Vec<TrackSegment>, points: &mut Vec<TrackPoint>) {
        for segment in &*self.segments {
            let of_it = self.points_of(segment);
            let (first, count) = (points.len() as u64, of_it.len() as u32);
            points.extend_from_slice(of_it);
            segments.push(TrackSegment { track: id, first, count, ..*segment });
        }
    }
}

/// A segment as it is written, with its points; `P` is their list.
#[derive(Serialize, Deserialize)]
struct SegmentRecord<P> {
    epoch: u64,
    #[serde(with = "opened")]
    opened: Opened,
    #[serde(with = "closed")]
    closed: Closed,
    since: u64,
    until: u64,
    compensations: u32,
    #[serde(deserialize_with = "matrix")]
    transform: [f64; 9],
    motion: MotionRecord,
    points: P,
}

impl Serialize for Course<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.segments.iter().map(|segment| SegmentRecord {
            epoch: segment.epoch,
            opened: segment.opened,
            closed: segment.closed,
            since: segment.since,
            until: segment.until,
            compensations: segment.compensations,
            transform: segment.transform,
            motion: MotionRecord::from(&segment.motion),
            points: Points(self.points_of(segment)),
        }))
    }
}

struct Points<'a>(&'a [TrackPoint]);

impl Serialize for Points<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|p| (p.before, p.x, p.y)))
    }
}

impl<'de> Deserialize<'de> for Course<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        type Row = (u64, Option<f32>, Option<f32>);
        let (mut segments, mut points) = (Vec::new(), Vec::new());
        for record in Vec::<SegmentRecord<Vec<Row>>>::deserialize(deserializer)? {
            segments.push(TrackSegment {
                track: 0,
                epoch: record.epoch,
                since: record.since,
                until: record.until,
                opened: record.opened,
                closed: record.closed,
                compensations: record.compensations,
                count: record.points.len() as u32,
                first: points.len() as u64,
                transform: record.transform,
                motion: record.motion.into(),
                reserved: 0,
            });
            points.extend(record.points.into_iter().map(|(before, x, y)| TrackPoint {
                before,
                x: x.unwrap_or(f32::NAN),
                y: y.unwrap_or(f32::NAN),
            }));
        }
        Ok(Self { segments: segments.into(), points: points.into() })
    }
}

fn pair<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f32; 2], D::Error> {
    Ok(<[Option<f32>; 2]>::deserialize(deserializer)?.map(|v| v.unwrap_or(f32::NAN)))
}

fn maybe_pair<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[f32; 2]>, D::Error> {
    pair(deserializer).map(Some)
}

fn matrix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f64; 9], D::Error> {
    Ok(<[Option<f64>; 9]>::deserialize(deserializer)?.map(|v| v.unwrap_or(f64::NAN)))
}

/// A value of an enum by its name.
macro_rules! by_name {
    ($module:ident, $type:ident, $all:expr, $what:literal) => {
        mod $module {
            use std::borrow::Cow;

            use serde::de::Error;
            use serde::{Deserialize, Deserializer, Serializer};

            use super::$type;

            pub(super) fn serialize<S: Serializer>(value: &$type, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(value.as_str())
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                let name = Cow::<str>::deserialize(deserializer)?;
                let value = $all.into_iter().find(|value| value.as_str() == name);
                value.ok_or_else(|| D::Error::custom(format_args!(concat!("{:?} is no ", $what), name)))
            }
        }
    };
}

by_name!(state, TrackState, TrackState::ALL, "state of a track");
by_name!(continuity, Continuity, Continuity::ALL, "continuity of a track");
by_name!(reason, EndReason, EndReason::ALL, "reason for the end of a track");
by_name!(kind, PastKind, PastKind::ALL, "kind of a past row");
by_name!(opened, Opened, Opened::ALL, "reason to open a segment");
by_name!(closed, Closed, Closed::ALL, "reason to close a segment");
