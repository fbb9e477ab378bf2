// Locks: `settings`, `state` and `last_run` are never held together, and none across a push or a message.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::Format;
use crate::elements::AUTHOR;
use crate::elements::filter::{self, MetaFilter};
use crate::meta::{
    DetectionMeta, EventMeta, Origin, ProvenanceMeta, SignalMeta, TrackMeta, ViewMeta, ZoneMeta,
};
use crate::provenance::Provenance;
use crate::replay::{Content, Key, Place, Recording};
use crate::rules::Events;
use crate::view::Ptz;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvpreplay", gst::DebugColorFlags::empty(), Some("Recorded metadata"))
});

const DEFAULT_TOLERANCE: u64 = 10_000_000;
/// Larger files are refused: a recording is held in memory.
const MAX_BYTES: u64 = 2 << 30;

#[derive(Clone)]
struct Settings {
    location: Option<PathBuf>,
    format: Format,
    tolerance: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { location: None, format: Format::Auto, tolerance: DEFAULT_TOLERANCE }
    }
}

/// What lives from start to stop.
struct State {
    recording: Recording,
    /// Which records found their frame.
    used: Vec<bool>,
    /// Names the run that the tracks belong to.
    run: Arc<str>,
    tolerance: u64,
    size: (u32, u32),
    rate: Option<(u64, u64)>,
    segment: gst::FormattedSegment<gst::ClockTime>,
    /// The pose that comes next, and which were told.
    pose: usize,
    told: Vec<bool>,
    /// Buffers so far.
    frames: u64,
    unmatched: u64,
}

/// What the property `stats` says.
#[derive(Clone, Copy, Default)]
struct Counts {
    records: u64,
    matched: u64,
    unmatched: u64,
    clamped: u64,
    duplicates: u64,
}

#[derive(Default)]
pub struct NvpReplay {
    pads: std::sync::OnceLock<(gst::Pad, gst::Pad)>,
    settings: Mutex<Settings>,
    state: Mutex<Option<State>>,
    /// The counts of the last run, once it has ended.
    last_run: Mutex<Counts>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[glib::object_subclass]
impl ObjectSubclass for NvpReplay {
    const NAME: &'static str = "NvpReplay";
    type Type = super::NvpReplay;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let pads = filter::pads::<Self>(|name| class.pad_template(name));
        Self { pads: pads.into(), ..Self::default() }
    }
}

impl ObjectImpl for NvpReplay {
    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        if let Some((sink, src)) = self.pads.get() {
            element.add_pad(sink).expect("a new element has no pads");
            element.add_pad(src).expect("a new element has no pads");
        }
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            vec![
                glib::ParamSpecString::builder("location")
                    .nick("Location")
                    .blurb("Path of the recording: JSON lines, MOTChallenge text, camera motion or poses of a camera's head (required)")
                    .mutable_ready()
                    .build(),
                glib::ParamSpecEnum::builder_with_default("format", Format::default())
                    .nick("Format")
                    .blurb("How the recording is written")
                    .mutable_ready()
                    .build(),
                glib::ParamSpecUInt64::builder("tolerance")
                    .nick("Tolerance")
                    .blurb("How far a record's PTS may be from its buffer's, in nanoseconds")
                    .default_value(DEFAULT_TOLERANCE)
                    .mutable_ready()
                    .build(),
                glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                    .nick("Statistics")
                    .blurb("Counts of records, of those matched and unused, of buffers without a record, and of clamped and duplicate records")
                    .read_only()
                    .build(),
            ]
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        match pspec.name() {
            "location" => {
                let path = value.get::<Option<String>>().unwrap_or_default();
                settings.location = path.filter(|path| !path.is_empty()).map(PathBuf::from);
            }
            "format" => settings.format = value.get().unwrap_or_default(),
            "tolerance" => settings.tolerance = value.get().unwrap_or(DEFAULT_TOLERANCE),
            _ => unreachable!("GObject only passes declared properties"),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() == "stats" {
            return self.stats("application/x-nvp-replay-stats").to_value();
        }
        let settings = lock(&self.settings);
        match pspec.name() {
            "location" => {
                settings.location.as_ref().map(|path| path.to_string_lossy().into_owned()).to_value()
            }
            "format" => settings.format.to_value(),
            "tolerance" => settings.tolerance.to_value(),
            _ => unreachable!("GObject only passes declared properties"),
        }
    }
}

impl GstObjectImpl for NvpReplay {}

impl ElementImpl for NvpReplay {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Metadata replay",
                "Filter/Metadata/Video",
                "Attaches recorded detections, tracks, camera motion, signals, events and zones to the buffers; never looks at pixels",
                AUTHOR,
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(filter::pad_templates);
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            self.start().map_err(|error| {
                self.post_error_message(error);
                gst::StateChangeError
            })?;
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady {
            let ended = lock(&self.state).take();
            if let Some(state) = ended {
                *lock(&self.last_run) = state.counts();
            }
        }
        result
    }
}

impl MetaFilter for NvpReplay {
    fn see(&self, event: &gst::Event) -> bool {
        if event.type_() == gst::EventType::Eos {
            self.report();
            return true;
        }
        let mut state = lock(&self.state);
        let Some(state) = state.as_mut() else { return true };
        match event.view() {
            gst::EventView::Caps(caps) => state.set_caps(caps.caps()),
            gst::EventView::Segment(segment) => {
                state.segment = segment.segment().downcast_ref().cloned().unwrap_or_default();
                state.pose = state.first_pose();
            }
            gst::EventView::StreamStart(_) | gst::EventView::FlushStop(_) => state.frames = 0,
            _ => {}
        }
        true
    }

    fn handle(&self, mut buffer: gst::Buffer) -> Result<Option<gst::Buffer>, gst::FlowError> {
        let (content, run, poses) = {
            let mut state = lock(&self.state);
            let state = state.as_mut().ok_or(gst::FlowError::Flushing)?;
            (state.next(&buffer), state.run.clone(), state.poses(&buffer))
        };
        for pose in poses {
            self.src_pad().push_event(gst::event::CustomDownstream::new(pose));
        }
        attach(buffer.make_mut(), content, &run);
        Ok(Some(buffer))
    }

    fn src_pad(&self) -> &gst::Pad {
        &self.pads.get().expect("set with the element").1
    }
}

fn attach(buffer: &mut gst::BufferRef, content: Content, run: &Arc<str>) {
    for detections in content.detections.into_iter().flatten() {
        DetectionMeta::add(buffer, detections);
    }
    if let Some(mut tracks) = content.tracks {
        tracks.run = run.clone();
        TrackMeta::set(buffer, tracks);
    }
    if let Some(view) = content.view {
        ViewMeta::set(buffer, view);
    }
    for signals in content.signals.into_iter().flatten() {
        SignalMeta::add(buffer, signals);
    }
    if let Some(shapes) = content.shapes {
        ZoneMeta::set(buffer, shapes);
    }
    if let Some(events) = content.events {
        EventMeta::set(buffer, Events { run: run.clone(), ..events });
    }
    let Some(Provenance { feed, sequence, received, stages }) = content.provenance else { return };
    for stage in stages {
        ProvenanceMeta::append(buffer, || Origin { feed: feed.clone(), sequence, received }, stage);
    }
}

/// Nanoseconds, with their sign.
fn signed(time: gst::Signed<gst::ClockTime>) -> i64 {
    let length = i64::try_from(time.abs().nseconds()).unwrap_or(i64::MAX);
    if time.is_negative() { -length } else { length }
}

impl State {
    fn set_caps(&mut self, caps: &gst::CapsRef) {
        let Some(caps) = caps.structure(0) else { return };
        let side = |name| caps.get::<i32>(name).ok().and_then(|side| u32::try_from(side).ok()).unwrap_or(0);
        self.size = (side("width"), side("height"));
        let rate = caps.get::<gst::Fraction>("framerate").ok().filter(|f| f.numer() > 0 && f.denom() > 0);
        self.rate = rate.map(|f| (f.numer() as u64, f.denom() as u64));
    }

    /// The record of the next buffer.
    fn next(&mut self, buffer: &gst::BufferRef) -> Content {
        let place = self.recording.at(self.key(buffer));
        self.frames += 1;
        match place {
            Place::Record(index) => self.used[index] = true,
            Place::Between => {}
            // Poses are of no frame.
            Place::Outside if self.used.is_empty() => {}
            Place::Outside => self.unmatched += 1,
        }
        self.recording.content(place, self.size)
    }

    fn counts(&self) -> Counts {
        let true_of = |flags: &[bool]| flags.iter().filter(|flag| **flag).count() as u64;
        let notes = self.recording.notes();
        Counts {
            records: (self.used.len() + self.told.len()) as u64,
            matched: true_of(&self.used) + true_of(&self.told),
            unmatched: self.unmatched,
            clamped: notes.clamped,
            duplicates: notes.duplicates,
        }
    }

    /// The last pose before the segment.
    fn first_pose(&self) -> usize {
        let start = self.segment.start().map_or(0, gst::ClockTime::nseconds);
        self.recording.poses().partition_point(|(time, _)| *time <= start).saturating_sub(1)
    }

    /// What is to be said of the camera's head before a buffer: all poses up to the first one after it, so that what lies
    /// between two is known.
    fn poses(&mut self, buffer: &gst::BufferRef) -> Vec<gst::Structure> {
        let Some(pts) = buffer.pts().map(gst::ClockTime::nseconds) else { return Vec::new() };
        let poses = self.recording.poses();
        let end = (poses.partition_point(|(time, _)| *time < pts) + 1).min(poses.len());
        let first = self.pose;
        self.pose = first.max(end);
        self.told[first..self.pose].fill(true);
        let structure = |(time, ptz): &(u64, Ptz)| {
            let builder = gst::Structure::builder("nvp-ptz").field("pan", ptz.pan).field("tilt", ptz.tilt);
            builder.field("zoom", ptz.zoom).field("running-time", self.running_time(*time)).build()
        };
        poses[first..self.pose].iter().map(structure).collect()
    }

    /// The running time of a pose's PTS. One before or after the segment belongs to its nearer end: beyond that, running time
    /// is another segment's.
    fn running_time(&self, pts: u64) -> u64 {
        let of = |pts: gst::ClockTime| self.segment.to_running_time_full(pts).map(signed);
        let ends = [self.segment.start().and_then(of), self.segment.stop().and_then(of)];
        let first = ends.iter().flatten().min().copied().unwrap_or(0).max(0);
        let last = if self.segment.stop().is_some() { ends.into_iter().flatten().max() } else { None };
        let time = of(gst::ClockTime::from_nseconds(pts)).unwrap_or(first).max(first);
        last.map_or(time, |last| time.min(last.max(first))).unsigned_abs()
    }

    fn key(&self, buffer: &gst::BufferRef) -> Key {
        match buffer.pts() {
            Some(pts) if self.recording.has_times() => Key::Time(pts.nseconds(), self.tolerance),
            pts => Key::Number(pts.and_then(|pts| self.number(pts)).unwrap_or(self.frames)),
        }
    }

    /// The frame's place in the stream, by its time and the caps' rate.
    fn number(&self, pts: gst::ClockTime) -> Option<u64> {
        let (time, (numer, denom)) = (self.segment.to_stream_time(pts)?, self.rate?);
        let second = u128::from(denom) * 1_000_000_000;
        let number = (u128::from(time.nseconds()) * u128::from(numer) + second / 2) / second;
        u64::try_from(number).ok()
    }
}

impl NvpReplay {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let Settings { location, format, tolerance } = lock(&self.settings).clone();
        let Some(path) = location else {
            return Err(gst::error_msg!(
                gst::ResourceError::NotFound,
                ("No location is set; set the property location to the path of a recording")
            ));
        };
        let refuse = |why: &dyn std::fmt::Display| {
            gst::error_msg!(gst::ResourceError::OpenRead, ("Recording {}: {why}", path.display()))
        };
        let length = fs::metadata(&path).map_err(|e| refuse(&e))?.len();
        if length > MAX_BYTES {
            return Err(refuse(&format_args!("{length} bytes are more than {MAX_BYTES}; split it")));
        }
        let bytes = fs::read(&path).map_err(|e| refuse(&e))?;
        let text = String::from_utf8(bytes).map_err(|e| refuse(&format_args!("it is no text: {e}")))?;
        let recording = match format {
            Format::Json => Recording::from_json(&text),
            Format::Mot => Recording::from_mot(&text),
            Format::Motion => Recording::from_motion(&text),
            Format::Ptz => Recording::from_ptz(&text),
            Format::Auto => Recording::from_text(&text),
        };
        let recording = recording.map_err(|e| refuse(&e))?;
        let notes = recording.notes();
        gst::info!(CAT, imp = self, "{} records in {}, {notes:?}", recording.len(), path.display());
        if notes.truncated || recording.is_empty() {
            let what =
                if notes.truncated { "the last line is cut off and left out" } else { "it has no record" };
            gst::element_imp_warning!(
                self,
                gst::StreamError::Decode,
                ("Recording {}: {what}", path.display())
            );
        }
        *lock(&self.state) = Some(State {
            used: vec![false; recording.len()],
            told: vec![false; recording.poses().len()],
            recording,
            run: uuid::Uuid::new_v4().to_string().into(),
            tolerance,
            size: (0, 0),
            rate: None,
            segment: gst::FormattedSegment::default(),
            pose: 0,
            frames: 0,
            unmatched: 0,
        });
        Ok(())
    }

    fn stats(&self, name: &str) -> gst::Structure {
        let running = lock(&self.state).as_ref().map(State::counts);
        let counts = running.unwrap_or_else(|| *lock(&self.last_run));
        gst::Structure::builder(name)
            .field("records", counts.records)
            .field("matched", counts.matched)
            .field("unmatched-buffers", counts.unmatched)
            .field("unused-records", counts.records - counts.matched)
            .field("clamped", counts.clamped)
            .field("duplicates", counts.duplicates)
            .build()
    }

    /// Tells at the end of the stream what found no partner.
    fn report(&self) {
        let done = self.stats("nvp-replay-done");
        gst::info!(CAT, imp = self, "{done}");
        let _ = self.post_message(gst::message::Element::builder(done).src(&*self.obj()).build());
    }
}
