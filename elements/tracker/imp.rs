// Locks: `settings` and `state` are never held together, and neither across a push.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::settings::{self, Settings};
use super::{export, looks};
use crate::elements::AUTHOR;
use crate::elements::clock::StreamClock;
use crate::elements::filter::{self, MetaFilter};
use crate::elements::names::Names;
use crate::elements::provenance::{Feed, now};
use crate::meta::{TrackMeta, ViewMeta};
use crate::provenance::Stage;
use crate::stats::Histogram;
use crate::track::{Input, Observation, Tracker, Tracks};
use crate::view::Motion;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvptracker", gst::DebugColorFlags::empty(), Some("Multi-object tracking"))
});

/// The way to the previous frame of a camera that stands still.
const STILL: [f32; 9] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];

/// What lives from start to stop.
struct State {
    tracker: Tracker,
    settings: Settings,
    /// How many class names there were when the tracker was told of them.
    known: usize,
    /// Names the run: ids are unique within it.
    run: Arc<str>,
    element: Arc<str>,
    names: Names,
    clock: StreamClock,
    /// Holds nothing but memory between frames.
    memory: Vec<Observation<'static>>,
    counts: Counts,
}

#[derive(Clone, Default)]
struct Counts {
    frames: u64,
    /// Frames without detections metadata.
    predicted: u64,
    /// Frames that did not tell their time.
    untimed: u64,
    /// The highest id so far.
    tracks: u64,
    /// Believed tracks that ended, and those that live.
    ended: u64,
    alive: u64,
    /// Detections that began no track for want of room.
    refused: u64,
    step: Histogram,
}

pub struct NvpTracker {
    sink: gst::Pad,
    src: gst::Pad,
    settings: Mutex<Settings>,
    state: Mutex<Option<State>>,
    /// The counts of the last run, once it has ended.
    last_run: Mutex<Counts>,
    feed: Feed,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[glib::object_subclass]
impl ObjectSubclass for NvpTracker {
    const NAME: &'static str = "NvpTracker";
    type Type = super::NvpTracker;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let (sink, src) = filter::pads::<Self>(|name| class.pad_template(name));
        Self {
            sink,
            src,
            settings: Mutex::default(),
            state: Mutex::default(),
            last_run: Mutex::default(),
            feed: Feed::default(),
        }
    }
}

impl ObjectImpl for NvpTracker {
    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        element.add_pad(&self.sink).expect("a new element has no pads");
        element.add_pad(&self.src).expect("a new element has no pads");
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(settings::properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let settings = {
            let mut settings = lock(&self.settings);
            settings.set(pspec.name(), value);
            settings.clone()
        };
        let wrong = settings.wrong(Some(pspec.name())).map(str::to_owned);
        let running = lock(&self.state).as_mut().map(|state| state.apply(settings)).is_some();
        if let (true, Some(wrong)) = (running, wrong) {
            gst::element_imp_warning!(
                self,
                gst::ResourceError::Settings,
                ("{wrong}; what it was before stays")
            );
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.stats().to_value(),
            name => lock(&self.settings).get(name),
        }
    }
}

impl GstObjectImpl for NvpTracker {}

impl ElementImpl for NvpTracker {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Object tracker",
                "Filter/Analyzer/Video",
                "Gives detected objects identities over time and attaches the tracks as metadata; never looks at pixels",
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
        if transition == gst::StateChange::ReadyToPaused
            && let Err(wrong) = self.start()
        {
            gst::element_imp_error!(self, gst::ResourceError::Settings, ("{wrong}"));
            return Err(gst::StateChangeError);
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady
            && let Some(state) = lock(&self.state).take()
        {
            *lock(&self.last_run) = state.counts;
        }
        result
    }
}

impl MetaFilter for NvpTracker {
    fn see(&self, event: &gst::Event) -> bool {
        if let gst::EventView::StreamStart(start) = event.view() {
            self.feed.begin(start.stream_id());
        }
        let mut state = lock(&self.state);
        let Some(State { tracker, clock, .. }) = state.as_mut() else { return true };
        match event.view() {
            gst::EventView::Caps(caps) => clock.set_caps(caps.caps()),
            gst::EventView::Segment(segment) => clock.set_segment(segment.segment()),
            gst::EventView::StreamStart(_) | gst::EventView::FlushStop(_) => {
                gst::debug!(CAT, imp = self, "{:?} ends all tracks", event.type_());
                tracker.end_all();
                clock.restart();
            }
            _ => {}
        }
        true
    }

    fn handle(&self, mut buffer: gst::Buffer) -> Result<Option<gst::Buffer>, gst::FlowError> {
        let start = now();
        let (tracks, element) = {
            let mut state = lock(&self.state);
            let state = state.as_mut().ok_or(gst::FlowError::Flushing)?;
            (state.track(&buffer), state.element.clone())
        };
        gst::log!(CAT, imp = self, "{} tracks at {:?}", tracks.items.len(), buffer.pts());
        let writable = buffer.make_mut();
        TrackMeta::set(writable, tracks);
        let stage = Stage { element, start, end: now(), ..Stage::default() };
        self.feed.sign(writable, stage);
        Ok(Some(buffer))
    }

    fn src_pad(&self) -> &gst::Pad {
        &self.src
    }
}

impl State {
    fn apply(&mut self, settings: Settings) {
        self.tracker.set_parameters(settings.parameters());
        self.settings = settings;
        self.tell_classes();
    }

    /// Tells the tracker of the classes that have settings and whose names are known by now.
    fn tell_classes(&mut self) {
        let names = self.names.table();
        let known = |(name, parameters)| Some((names.find(name)?, parameters));
        self.tracker.set_classes(self.settings.classes().filter_map(known));
        self.known = names.len();
    }

    /// One step of the tracker with all detections of a buffer.
    fn track(&mut self, buffer: &gst::BufferRef) -> Tracks {
        let start = now();
        let observations = looks::observations(buffer, &mut self.names, &mut self.memory);
        if self.names.table().len() != self.known {
            self.tell_classes();
        }
        let (time, timed) = self.clock.time(buffer);
        let view = ViewMeta::get(buffer);
        let still = view.is_some_and(|view| view.motion() == Motion::Stable);
        let to_previous = view.and_then(|view| view.to_previous().copied()).or(still.then_some(STILL));
        let input = Input {
            time,
            aspect: self.clock.aspect(),
            observations: observations.as_deref(),
            to_previous,
            to_reference: view.and_then(|view| view.to_reference().copied()),
            epoch: view.map(|view| view.epoch()),
            // What is not known to stand still is taken as moving.
            moved_unknown: to_previous.is_none() && view.is_some(),
        };
        // The tracks go into the buffer's metadata, which keeps them.
        let items = self.tracker.step(&input).to_vec();
        self.counts.frames += 1;
        self.counts.predicted += u64::from(observations.is_none());
        self.counts.untimed += u64::from(!timed);
        self.counts.tracks = items.last().map_or(0, |t| t.id).max(self.counts.tracks);
        self.counts.ended += self.tracker.ended().len() as u64;
        self.counts.alive = self.tracker.alive() as u64;
        self.counts.refused = self.tracker.refused();
        if let Some(observations) = observations {
            self.memory = looks::recycled(observations);
        }
        let (run, labels) = (self.run.clone(), self.names.table().clone());
        let mut tracks = Tracks { run, labels, items, ..Tracks::default() };
        export::add(&mut tracks, self.settings.export, &self.tracker);
        self.counts.step.record(now() - start);
        tracks
    }
}

impl NvpTracker {
    /// Begins a run.
    ///
    /// # Errors
    /// What is wrong with a property.
    fn start(&self) -> Result<(), String> {
        let settings = lock(&self.settings).clone();
        if let Some(wrong) = settings.wrong(None) {
            return Err(wrong.to_owned());
        }
        let run = uuid::Uuid::new_v4().to_string();
        gst::debug!(CAT, imp = self, "run {run}");
        let state = State {
            tracker: Tracker::new(settings.parameters()),
            settings,
            known: 0,
            run: run.into(),
            element: self.obj().name().as_str().into(),
            names: Names::default(),
            clock: StreamClock::default(),
            memory: Vec::new(),
            counts: Counts::default(),
        };
        *lock(&self.state) = Some(state);
        Ok(())
    }

    fn stats(&self) -> gst::Structure {
        let running = lock(&self.state).as_ref().map(|state| state.counts.clone());
        let Counts { frames, predicted, untimed, tracks, ended, alive, refused, step } =
            running.unwrap_or_else(|| lock(&self.last_run).clone());
        gst::Structure::builder("application/x-nvp-tracker-stats")
            .field("frames", frames)
            .field("predicted", predicted)
            .field("untimed", untimed)
            .field("tracks", tracks)
            .field("ended", ended)
            .field("alive", alive)
            .field("refused", refused)
            .field("step-p50", step.quantile(0.50))
            .field("step-p95", step.quantile(0.95))
            .field("step-p99", step.quantile(0.99))
            .build()
    }
}
