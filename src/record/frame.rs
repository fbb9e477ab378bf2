//! The frame record: what one line says, written from borrowed data and read back as owned data.

use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    DetectionRecord, EndedRecord, EventRecord, PastRecord, ProvenanceRecord, ShapeRecord, SignalRecord,
    StageRecord, Timestamp, TrackRecord, ViewRecord,
};

/// The schema's name and major version, the first key of each line.
pub const SCHEMA: &str = "nvperception.frame/1";

/// What every line says of its frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header<'a> {
    /// The feed's id.
    pub feed: &'a str,
    /// The frame's number in its feed, from 0.
    pub seq: u64,
    /// The buffer's PTS in nanoseconds.
    pub pts: Option<u64>,
    /// Running time of the PTS in nanoseconds.
    pub running_time: Option<u64>,
    /// When the frame was received, or published when that is not known.
    pub wall: Timestamp,
    /// Width of the frame in pixels.
    pub width: u32,
    /// Height of the frame in pixels.
    pub height: u32,
}

/// A frame with its facts, ready to be written. Each call to a list gives the same items anew.
pub trait RecordSource {
    /// What every line says.
    fn header(&self) -> Header<'_>;
    /// The objects that models found, by model; `None` when none looked.
    fn detections(&self) -> Option<impl Iterator<Item = DetectionRecord<'_>>>;
    /// The tracks by rising id; `None` when no tracker ran.
    fn tracks(&self) -> Option<impl Iterator<Item = TrackRecord<'_>>>;
    /// The tracks that ended; `None` when no tracker tells.
    fn ended(&self) -> Option<impl Iterator<Item = EndedRecord<'_>>> {
        None::<std::iter::Empty<_>>
    }
    /// Where tracks were on earlier frames; `None` when no tracker tells.
    fn past(&self) -> Option<impl Iterator<Item = PastRecord>> {
        None::<std::iter::Empty<_>>
    }
    /// The camera's view.
    fn view(&self) -> Option<ViewRecord<&str>> {
        None
    }
    /// The signals.
    fn signals(&self) -> Option<impl Iterator<Item = SignalRecord<'_>>> {
        None::<std::iter::Empty<_>>
    }
    /// The events.
    fn events(&self) -> Option<impl Iterator<Item = EventRecord<'_>>> {
        None::<std::iter::Empty<_>>
    }
    /// The zones and lines.
    fn shapes(&self) -> Option<impl Iterator<Item = ShapeRecord<'_>>> {
        None::<std::iter::Empty<_>>
    }
    /// Where the frame came from and what happened to it.
    fn provenance(&self) -> Option<ProvenanceRecord<impl Iterator<Item = StageRecord<&str>>>>;
}

/// Appends `source` to `out` as one line of JSON with its newline.
pub fn write_line(out: &mut Vec<u8>, source: &impl RecordSource) {
    serde_json::to_writer(&mut *out, &Line(source)).expect("text keys into memory cannot fail");
    out.push(b'\n');
}

/// A line read back. Unknown keys are ignored, so that lines of a later minor version can be read; another
/// schema is an error that names both.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct FrameRecord {
    /// Always [`SCHEMA`].
    pub schema: SchemaName,
    /// The feed's id.
    pub feed: String,
    /// The frame's number in its feed, from 0.
    pub seq: u64,
    /// The buffer's PTS in nanoseconds.
    pub pts: Option<u64>,
    /// Running time of the PTS in nanoseconds.
    pub running_time: Option<u64>,
    /// When the frame was received, or published when that is not known.
    pub wall: Timestamp,
    /// Width of the frame in pixels.
    pub width: u32,
    /// Height of the frame in pixels.
    pub height: u32,
    /// The objects that models found; `None` when none looked.
    pub detections: Option<Vec<DetectionRecord<'static>>>,
    /// The tracks; `None` when no tracker ran.
    pub tracks: Option<Vec<TrackRecord<'static>>>,
    /// The tracks that ended; `None` when no tracker tells.
    pub ended: Option<Vec<EndedRecord<'static>>>,
    /// Where tracks were on earlier frames; `None` when no tracker tells.
    pub past: Option<Vec<PastRecord>>,
    /// The camera's view.
    pub view: Option<ViewRecord>,
    /// The signals.
    pub signals: Option<Vec<SignalRecord<'static>>>,
    /// The events.
    pub events: Option<Vec<EventRecord<'static>>>,
    /// The zones and lines; `None` where nobody watches any.
    pub shapes: Option<Vec<ShapeRecord<'static>>>,
    /// Where the frame came from and what happened to it.
    pub provenance: Option<ProvenanceRecord>,
}

impl FrameRecord {
    /// Reads one line, with or without its newline.
    ///
    /// # Errors
    /// When the line is not JSON, lacks a key, or belongs to another schema.
    pub fn from_line(line: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }
}

impl Serialize for FrameRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Line(self).serialize(serializer)
    }
}

impl RecordSource for FrameRecord {
    fn header(&self) -> Header<'_> {
        Header {
            feed: &self.feed,
            seq: self.seq,
            pts: self.pts,
            running_time: self.running_time,
            wall: self.wall,
            width: self.width,
            height: self.height,
        }
    }

    fn detections(&self) -> Option<impl Iterator<Item = DetectionRecord<'_>>> {
        self.detections.as_ref().map(|items| items.iter().map(DetectionRecord::as_ref))
    }

    fn tracks(&self) -> Option<impl Iterator<Item = TrackRecord<'_>>> {
        self.tracks.as_ref().map(|items| items.iter().map(TrackRecord::as_ref))
    }

    fn ended(&self) -> Option<impl Iterator<Item = EndedRecord<'_>>> {
        self.ended.as_ref().map(|items| items.iter().map(EndedRecord::as_ref))
    }

    fn past(&self) -> Option<impl Iterator<Item = PastRecord>> {
        self.past.as_ref().map(|rows| rows.iter().copied())
    }

    fn view(&self) -> Option<ViewRecord<&str>> {
        self.view.as_ref().map(ViewRecord::as_ref)
    }

    fn signals(&self) -> Option<impl Iterator<Item = SignalRecord<'_>>> {
        self.signals.as_ref().map(|items| items.iter().map(SignalRecord::as_ref))
    }

    fn events(&self) -> Option<impl Iterator<Item = EventRecord<'_>>> {
        self.events.as_ref().map(|items| items.iter().map(EventRecord::as_ref))
    }

    fn shapes(&self) -> Option<impl Iterator<Item = ShapeRecord<'_>>> {
        self.shapes.as_ref().map(|items| items.iter().map(ShapeRecord::as_ref))
    }

    fn provenance(&self) -> Option<ProvenanceRecord<impl Iterator<Item = StageRecord<&str>>>> {
        self.provenance.as_ref().map(|p| ProvenanceRecord {
            received: p.received,
            stages: p.stages.iter().map(StageRecord::as_ref),
        })
    }
}

/// Stands for [`SCHEMA`]: writes it, and reads nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchemaName;

impl Serialize for SchemaName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(SCHEMA)
    }
}

impl<'de> Deserialize<'de> for SchemaName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(deserializer)?;
        if name == SCHEMA {
            return Ok(Self);
        }
        Err(D::Error::custom(format_args!("the line has schema {name:?}; only {SCHEMA:?} can be read")))
    }
}

/// The one place that says which keys a line has, in which order.
struct Line<'a, R>(&'a R);

impl<R: RecordSource> Serialize for Line<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let source = self.0;
        let header = source.header();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", &SchemaName)?;
        map.serialize_entry("feed", header.feed)?;
        map.serialize_entry("seq", &header.seq)?;
        map.serialize_entry("pts", &header.pts)?;
        map.serialize_entry("running_time", &header.running_time)?;
        map.serialize_entry("wall", &header.wall)?;
        map.serialize_entry("width", &header.width)?;
        map.serialize_entry("height", &header.height)?;
        if source.detections().is_some() {
            map.serialize_entry("detections", &List(|| source.detections().into_iter().flatten()))?;
        }
        if source.tracks().is_some() {
            map.serialize_entry("tracks", &List(|| source.tracks().into_iter().flatten()))?;
        }
        if source.ended().is_some() {
            map.serialize_entry("ended", &List(|| source.ended().into_iter().flatten()))?;
        }
        if source.past().is_some() {
            map.serialize_entry("past", &List(|| source.past().into_iter().flatten()))?;
        }
        if let Some(view) = source.view() {
            map.serialize_entry("view", &view)?;
        }
        if source.signals().is_some() {
            map.serialize_entry("signals", &List(|| source.signals().into_iter().flatten()))?;
        }
        if source.events().is_some() {
            map.serialize_entry("events", &List(|| source.events().into_iter().flatten()))?;
        }
        if source.shapes().is_some() {
            map.serialize_entry("shapes", &List(|| source.shapes().into_iter().flatten()))?;
        }
        if let Some(ProvenanceRecord { received, .. }) = source.provenance() {
            let stages = List(|| source.provenance().into_iter().flat_map(|p| p.stages));
            map.serialize_entry("provenance", &ProvenanceRecord { received, stages })?;
        }
        map.end()
    }
}

/// A list that is serialised straight from an iterator.
struct List<F>(F);

impl<F: Fn() -> I, I: Iterator<Item: Serialize>> Serialize for List<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}
