//! What the stream says of a buffer, and the buffer as a source of records.

use std::borrow::Cow;
use std::sync::Arc;

use super::Format;
use crate::detection::{Detection, TableRef};
use crate::homography::{IDENTITY, apply};
use crate::meta::{
    DetectionMeta, DetectionsRef, EventMeta, EventsRef, OutcomeRef, ProvenanceMeta, ProvenanceRef, ShapesRef,
    SignalMeta, StageRef, TrackMeta, TracksRef, ViewMeta, ZoneMeta,
};
use crate::record::{
    self, Course, DetectionRecord, EndedRecord, EventRecord, EvidenceRecord, Header, ParentRecord,
    PastRecord, ProvenanceRecord, RecordSource, ShapeRecord, SignalRecord, StageOutcome, StageRecord,
    Timestamp, TrackRecord, ViewRecord,
};
use crate::rules::{Closing, Event, Hold, NO_TIME, Shape, ShapeKind, ShapeNow};
use crate::track::Track;

/// What the events so far said of the buffers to come.
pub(super) struct Stream {
    format: Format,
    embeddings: bool,
    snapshot: bool,
    /// The feed's id when a property sets it.
    named: Option<Arc<str>>,
    stream_id: String,
    size: Option<(u32, u32)>,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    frames: u64,
}

impl Stream {
    pub(super) fn new(format: Format, embeddings: bool, snapshot: bool, feed: Option<Arc<str>>) -> Self {
        Self {
            format,
            embeddings,
            snapshot,
            named: feed,
            stream_id: String::new(),
            size: None,
            segment: None,
            frames: 0,
        }
    }

    /// Another stream is another feed, whose frames count from 0, unless a property names the feed.
    pub(super) fn start(&mut self, stream_id: &str) {
        if self.named.is_none() && self.stream_id != stream_id {
            self.frames = 0;
        }
        stream_id.clone_into(&mut self.stream_id);
    }

    /// Takes the size from caps of any features; false when they have none.
    pub(super) fn set_caps(&mut self, caps: &gst::CapsRef) -> bool {
        let dimension = |name| caps.structure(0)?.get::<i32>(name).ok()?.try_into().ok();
        self.size = dimension("width").zip(dimension("height"));
        self.size.is_some()
    }

    /// Takes the segment; buffers have a running time in a TIME segment only.
    pub(super) fn set_segment(&mut self, segment: &gst::Segment) {
        self.segment = segment.downcast_ref::<gst::ClockTime>().cloned();
    }

    pub(super) fn flush(&mut self) {
        self.segment = None;
    }

    /// Appends what is to be published of `buffer`. `now` stands in for the time of reception when the buffer
    /// does not tell it.
    ///
    /// # Errors
    /// When the size of the frames is not known yet.
    pub(super) fn write(
        &mut self,
        line: &mut Vec<u8>,
        buffer: &gst::BufferRef,
        now: Timestamp,
    ) -> Result<(), gst::FlowError> {
        let (width, height) = self.size.ok_or(gst::FlowError::NotNegotiated)?;
        let provenance = ProvenanceMeta::get(buffer);
        let named = self.named.as_deref().or(provenance.as_ref().map(ProvenanceRef::feed));
        let running_time = self.segment.as_ref().and_then(|s| s.to_running_time(buffer.pts()));
        let header = Header {
            feed: named.unwrap_or(&self.stream_id),
            seq: provenance.as_ref().map_or(self.frames, ProvenanceRef::sequence),
            pts: buffer.pts().map(gst::ClockTime::nseconds),
            running_time: running_time.map(gst::ClockTime::nseconds),
            wall: provenance.as_ref().map_or(now, |p| Timestamp(p.received())),
            width,
            height,
        };
        let Self { embeddings, snapshot, .. } = *self;
        let frame = Frame { header, buffer, embeddings, snapshot };
        match self.format {
            Format::Json => record::write_line(line, &frame),
            Format::Mot => record::mot::write_rows(line, &frame),
        }
        self.frames += 1;
        Ok(())
    }
}

/// A buffer with its metas.
struct Frame<'a> {
    header: Header<'a>,
    buffer: &'a gst::BufferRef,
    /// Whether appearance vectors are written, which are long.
    embeddings: bool,
    /// Whether events that only go on are written.
    snapshot: bool,
}

/// The record of one of a frame's tracks, or of one that ended on it.
fn told<'a>(tracks: TracksRef<'a>, track: &Track) -> TrackRecord<'a> {
    TrackRecord {
        segments: Course::of(track.id, tracks.segments(), tracks.points()),
        ..TrackRecord::new(tracks.label(track.label), track)
    }
}

impl RecordSource for Frame<'_> {
    fn header(&self) -> Header<'_> {
        self.header
    }

    fn detections(&self) -> Option<impl Iterator<Item = DetectionRecord<'_>>> {
        let mut models = DetectionMeta::all(self.buffer).peekable();
        models.peek()?;
        let embeddings = self.embeddings;
        Some(models.flat_map(move |found| {
            let record = move |(i, d)| detection_record(found, i, d, embeddings);
            found.items().iter().enumerate().map(record)
        }))
    }

    fn tracks(&self) -> Option<impl Iterator<Item = TrackRecord<'_>>> {
        let tracks = TrackMeta::get(self.buffer)?;
        Some(tracks.items().iter().map(move |track| told(tracks, track)))
    }

    fn ended(&self) -> Option<impl Iterator<Item = EndedRecord<'_>>> {
        let tracks = TrackMeta::get(self.buffer)?;
        Some(tracks.ended()?.iter().map(move |ended| EndedRecord::new(told(tracks, &ended.track), ended)))
    }

    fn past(&self) -> Option<impl Iterator<Item = PastRecord>> {
        Some(TrackMeta::get(self.buffer)?.past()?.iter().map(PastRecord::from))
    }

    fn view(&self) -> Option<ViewRecord<&str>> {
        let view = ViewMeta::get(self.buffer)?;
        Some(ViewRecord {
            epoch: view.epoch(),
            version: view.version(),
            phase: view.phase(),
            motion: view.motion(),
            source: view.source(),
            confidence: view.confidence(),
            to_previous: view.to_previous().copied(),
            to_reference: view.to_reference().copied(),
            validity: view.validity(),
            reason: view.reason(),
            stability: view.stability(),
            preset: view.preset(),
            ptz: view.ptz(),
            decision: view.decision(),
        })
    }

    fn signals(&self) -> Option<impl Iterator<Item = SignalRecord<'_>>> {
        let mut sources = SignalMeta::all(self.buffer).peekable();
        sources.peek()?;
        Some(sources.flat_map(|signals| {
            signals.iter().map(move |(name, signal)| SignalRecord {
                name: name.into(),
                value: signal.value,
                ttl: signal.ttl,
                source: signals.source().into(),
            })
        }))
    }

    fn events(&self) -> Option<impl Iterator<Item = EventRecord<'_>>> {
        let events = EventMeta::get(self.buffer)?;
        let snapshot = self.snapshot;
        let told = events.items().iter().filter(move |event| snapshot || event.changed != 0);
        Some(told.map(move |event| event_record(events, event)))
    }

    fn shapes(&self) -> Option<impl Iterator<Item = ShapeRecord<'_>>> {
        let shapes = ZoneMeta::get(self.buffer)?;
        Some(shapes.iter().map(move |(shape, now)| shape_record(shapes, shape, now)))
    }

    fn provenance(&self) -> Option<ProvenanceRecord<impl Iterator<Item = StageRecord<&str>>>> {
        let provenance = ProvenanceMeta::get(self.buffer)?;
        let received = Timestamp(provenance.received());
        Some(ProvenanceRecord { received, stages: provenance.stages().map(stage_record) })
    }
}

fn detection_record<'a>(
    found: DetectionsRef<'a>,
    index: usize,
    detection: &Detection,
    embeddings: bool,
) -> DetectionRecord<'a> {
    let mut details = found.details();
    if !embeddings {
        details.embeddings = TableRef::default();
    }
    let parent = found.parents().get(index).map(|parent| ParentRecord {
        track: Some(parent.track).filter(|id| *id > 0),
        model: found.parent_models().get(parent.model).map(Into::into),
        item: Some(parent.item).filter(|item| *item >= 0),
        age: parent.age,
    });
    DetectionRecord {
        task: found.task(),
        age: found.age(),
        source_pts: found.source_pts(),
        parent,
        ..DetectionRecord::new(found.model(), found.label(detection.class_id), detection)
            .with_details(details, index)
    }
}

/// A zone or line, where it holds as it lies on the frame: without points when a corner lies nowhere.
fn shape_record<'a>(shapes: ShapesRef<'a>, shape: &Shape, now: &ShapeNow) -> ShapeRecord<'a> {
    let (mut points, to_frame) = (Cow::from(shapes.points_of(shape)), shapes.to_frame().map(f64::from));
    if now.hold == Hold::Current && to_frame != IDENTITY {
        let place = |point: &mut [f32; 2]| *point = apply(&to_frame, point.map(f64::from)).map(|v| v as f32);
        points.to_mut().iter_mut().for_each(place);
    }
    if !points.iter().flatten().all(|v| v.is_finite()) {
        points = Cow::default();
    }
    let [first, second] = now.counts.map(|count| Some(count).filter(|count| !count.is_nan()));
    let record = ShapeRecord {
        name: shapes.name(shape).unwrap_or_default().into(),
        hold: now.hold.as_str().into(),
        points,
        ..ShapeRecord::default()
    };
    match shape.kind {
        ShapeKind::Zone => ShapeRecord { kind: "zone".into(), occupancy: first, entries: second, ..record },
        ShapeKind::Line => ShapeRecord { kind: "line".into(), forward: first, backward: second, ..record },
    }
}

fn event_record<'a>(events: EventsRef<'a>, event: &Event) -> EventRecord<'a> {
    let name = |index: i32| events.names().get(index).map(Cow::Borrowed);
    let time = |time: u64| Some(time).filter(|time| *time != NO_TIME);
    let evidence = events.evidence_of(event).iter().map(|known| EvidenceRecord {
        signal: name(known.signal).unwrap_or_default(),
        start: known.start,
        confirmed: known.confirmed,
        last: known.last,
        peak: known.peak,
        peak_time: time(known.peak_time),
    });
    EventRecord {
        id: event.id,
        rule: name(event.rule).unwrap_or_default(),
        state: event.state.as_str().into(),
        start: event.start,
        end: time(event.end),
        tracks: events.tracks_of(event).into(),
        zone: name(event.zone),
        line: name(event.line),
        confirmed: time(event.confirmed),
        reason: (event.closing != Closing::Open).then(|| event.closing.as_str().into()),
        generation: event.generation,
        changed: event.changed != 0,
        evidence: evidence.collect(),
    }
}

fn stage_record(stage: StageRef<'_>) -> StageRecord<&str> {
    let (outcome, reason) = match stage.outcome() {
        OutcomeRef::Ok => (StageOutcome::Ok, None),
        OutcomeRef::Skipped(reason) => (StageOutcome::Skipped, Some(reason)),
        OutcomeRef::Failed(reason) => (StageOutcome::Failed, Some(reason)),
    };
    StageRecord {
        element: stage.element(),
        model_sha256: stage.model_sha256(),
        provider: stage.provider(),
        generation: stage.generation(),
        start: stage.start(),
        end: stage.end(),
        outcome,
        reason,
    }
}
