// Locks: `settings`, `state` and `last_run` are never held together, and none across a push or a message. The signal
// store's own lock is taken under none of them.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::Gate;
use super::settings::{self, NAME, Settings};
use crate::detection::{Detection, Detections, Labels};
use crate::elements::clock::StreamClock;
use crate::elements::filter::{self, MetaFilter};
use crate::elements::layout::Layout;
use crate::elements::provenance::{Feed, now};
use crate::elements::signals::SharedStore;
use crate::elements::{AUTHOR, video};
use crate::gate::{self, Pass};
use crate::meta::{DetectionMeta, SignalMeta, ViewMeta};
use crate::motion::{Camera, Detector, Motion};
use crate::provenance::{Outcome, Stage};
use crate::rules::{Signal, Signals};
use crate::stats::Histogram;
use crate::view::Validity;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvpmotion", gst::DebugColorFlags::empty(), Some("Motion without a model"))
});

/// What lives from start to stop.
struct State {
    layout: Option<Layout>,
    clock: StreamClock,
    detector: Detector,
    gate: gate::Gate,
    /// Whether something moved, as was last told.
    moving: bool,
    store: SharedStore,
    element: Arc<str>,
    labels: Labels,
    names: Labels,
    counts: Counts,
}

#[derive(Clone, Default)]
struct Counts {
    frames: u64,
    moving: u64,
    unknown: u64,
    /// Frames that could not be mapped.
    unread: u64,
    regions: u64,
    flagged: u64,
    dropped: u64,
    /// Frames that passed a closed gate.
    passed: u64,
    step: Histogram,
}

/// What one frame comes to.
struct Verdict {
    detections: Option<Detections>,
    signals: Signals,
    outcome: Outcome,
    time: u64,
    news: Option<gst::Structure>,
    /// What the gate does with it.
    fate: Gate,
}

pub struct NvpMotion {
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
impl ObjectSubclass for NvpMotion {
    const NAME: &'static str = "NvpMotion";
    type Type = super::NvpMotion;
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

impl ObjectImpl for NvpMotion {
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
        let playing = lock(&self.state).is_some();
        let set = {
            let mut settings = lock(&self.settings);
            settings.set(pspec.name(), value).inspect_err(|wrong| {
                settings.fault = (!playing).then(|| wrong.as_str().into());
            })
        };
        if let Err(wrong) = set
            && playing
        {
            gst::element_imp_warning!(self, gst::LibraryError::Settings, ("{wrong}; the former value stays"));
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.stats().to_value(),
            name => lock(&self.settings).get(name),
        }
    }
}

impl GstObjectImpl for NvpMotion {}

impl ElementImpl for NvpMotion {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Motion",
                "Filter/Analyzer/Video",
                "Tells without a model what moves, as detections and signals, and keeps still frames from what follows",
                AUTHOR,
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| filter::templates(&video::raw_caps()));
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            let fault = lock(&self.settings).fault.clone();
            if let Some(wrong) = fault {
                gst::element_imp_error!(self, gst::LibraryError::Settings, ("{wrong}"));
                return Err(gst::StateChangeError);
            }
            let state = self.begin();
            *lock(&self.state) = Some(state);
        }
        let result = self.parent_change_state(transition);
        let ended = transition == gst::StateChange::PausedToReady
            || (transition == gst::StateChange::ReadyToPaused && result.is_err());
        if ended && let Some(state) = lock(&self.state).take() {
            state.store.lock().forget(&state.element);
            *lock(&self.last_run) = state.counts;
        }
        result
    }
}

impl MetaFilter for NvpMotion {
    fn see(&self, event: &gst::Event) -> bool {
        if let gst::EventView::StreamStart(start) = event.view() {
            self.feed.begin(start.stream_id());
        }
        let news = {
            let mut state = lock(&self.state);
            let Some(state) = state.as_mut() else { return true };
            match event.view() {
                gst::EventView::Caps(caps) => {
                    let layout = gst_video::VideoInfo::from_caps(caps.caps()).ok().and_then(Layout::new);
                    if layout.is_none() {
                        gst::warning!(CAT, imp = self, "cannot read {}", caps.caps());
                        return false;
                    }
                    state.layout = layout;
                    state.clock.set_caps(caps.caps());
                    None
                }
                gst::EventView::Segment(segment) => {
                    state.clock.set_segment(segment.segment());
                    None
                }
                gst::EventView::StreamStart(_) | gst::EventView::FlushStop(_) => {
                    gst::debug!(CAT, imp = self, "{:?} begins the background anew", event.type_());
                    state.detector.restart();
                    state.clock.restart();
                    state.gate = gate::Gate::default();
                    None
                }
                gst::EventView::Eos(_) => state.turn(Some(false), None, None),
                _ => None,
            }
        };
        news.into_iter().for_each(|news| self.tell(news));
        true
    }

    fn handle(&self, mut buffer: gst::Buffer) -> Result<Option<gst::Buffer>, gst::FlowError> {
        let start = now();
        let settings = lock(&self.settings).clone();
        let (verdict, element, store) = {
            let mut state = lock(&self.state);
            let state = state.as_mut().ok_or(gst::FlowError::Flushing)?;
            if state.layout.is_none() {
                return Err(gst::FlowError::NotNegotiated);
            }
            (state.look(&buffer, &settings), state.element.clone(), state.store.clone())
        };
        let Verdict { detections, signals, outcome, time, news, fate } = verdict;
        store.share(&signals, time);
        news.into_iter().for_each(|news| self.tell(news));
        if fate == Gate::Drop {
            gst::log!(CAT, imp = self, "nothing moves at {:?}", buffer.pts());
            self.feed.skip();
            self.send_gap(&buffer);
            return Ok(None);
        }
        let writable = buffer.make_mut();
        if fate == Gate::Flag {
            writable.set_flags(gst::BufferFlags::GAP);
        }
        if let Some(detections) = detections {
            DetectionMeta::add(writable, detections);
        }
        SignalMeta::add(writable, signals);
        self.feed.sign(writable, Stage { element, start, end: now(), outcome, ..Stage::default() });
        Ok(Some(buffer))
    }

    fn src_pad(&self) -> &gst::Pad {
        &self.src
    }
}

impl State {
    /// What moves on a frame.
    fn look(&mut self, buffer: &gst::BufferRef, settings: &Settings) -> Verdict {
        let start = now();
        let (time, _) = self.clock.time(buffer);
        let camera = camera(buffer);
        let Self { layout, detector, .. } = self;
        let mapped = layout
            .as_ref()
            .and_then(|layout| gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &layout.info).ok());
        let frame = layout.as_ref().zip(mapped.as_ref()).and_then(|(layout, map)| layout.frame(map).ok());
        let unknown = Motion::default();
        let motion = match &frame {
            Some(frame) => detector.look(frame, time, &camera, &settings.parameters),
            None => &unknown,
        };
        let (level, count) = (motion.level, motion.regions.len());
        let moves = level.is_none() || count > 0;
        let pass = self.gate.ask(moves, time, &settings.times);
        let active = matches!(pass, Some(Pass::Holds | Pass::Held));
        let detections = (settings.detections && level.is_some())
            .then(|| detections(motion, settings.model_id.clone(), self.labels.clone()));
        let signals = self.signals(level, count, active, settings.signal_ttl);
        let fate = if pass.is_some() { Gate::Open } else { settings.gate };
        if fate == Gate::Open {
            self.gate.passed(time);
        }
        self.count(level, count, pass, fate);
        let unread = frame.is_none();
        self.counts.unread += u64::from(unread);
        self.counts.step.record(now() - start);
        let outcome = if unread { Outcome::Failed("map".into()) } else { Outcome::Ok };
        // What is not known is no news.
        let moving = if count > 0 { Some(true) } else { (!active).then_some(false) };
        let news = self.turn(moving, level, Some(time));
        Verdict { detections, signals, outcome, time, news, fate }
    }

    fn signals(&self, level: Option<f32>, count: usize, active: bool, ttl: u64) -> Signals {
        let known = |value: f64| if level.is_some() { value } else { f64::NAN };
        let values = [known(f64::from(level.unwrap_or_default())), known(count as f64), f64::from(active)];
        let items = (0..).zip(values).map(|(name, value)| Signal { name, reserved: 0, value, ttl }).collect();
        Signals { source: self.element.clone(), names: self.names.clone(), items }
    }

    fn count(&mut self, level: Option<f32>, regions: usize, pass: Option<Pass>, fate: Gate) {
        let counts = &mut self.counts;
        counts.frames += 1;
        counts.moving += u64::from(regions > 0);
        counts.unknown += u64::from(level.is_none());
        counts.regions += regions as u64;
        counts.passed += u64::from(pass == Some(Pass::Idle));
        counts.flagged += u64::from(fate == Gate::Flag);
        counts.dropped += u64::from(fate == Gate::Drop);
    }

    /// What is said on the bus when motion begins or ends.
    fn turn(
        &mut self,
        moving: Option<bool>,
        level: Option<f32>,
        time: Option<u64>,
    ) -> Option<gst::Structure> {
        let moving = moving?;
        let before = std::mem::replace(&mut self.moving, moving);
        let state = if moving { "began" } else { "ended" };
        (before != moving).then(|| {
            let news = gst::Structure::builder("nvp-motion").field("state", state);
            news.field_if_some("level", level).field_if_some("running-time", time).build()
        })
    }
}

/// Where the camera looks, as its view says.
fn camera(buffer: &gst::BufferRef) -> Camera {
    let Some(view) = ViewMeta::get(buffer) else { return Camera::Fixed };
    let to_reference = view.to_reference().filter(|_| view.validity() != Validity::Invalid);
    to_reference.map_or(Camera::Lost, |to_reference| Camera::At {
        epoch: view.epoch(),
        to_reference: to_reference.map(f64::from),
    })
}

fn detections(motion: &Motion, model: Arc<str>, labels: Labels) -> Detections {
    let item = |region: &crate::motion::Region| Detection {
        bbox: region.bbox,
        confidence: region.confidence,
        class_id: 0,
    };
    Detections { model, labels, items: motion.regions.iter().map(item).collect(), ..Detections::default() }
}

impl NvpMotion {
    fn begin(&self) -> State {
        let settings = lock(&self.settings).clone();
        let element = self.obj();
        let prefix = &settings.signal_prefix;
        let store = match settings.signal_store {
            true => SharedStore::of(element.upcast_ref()),
            false => SharedStore::default(),
        };
        State {
            layout: None,
            clock: StreamClock::default(),
            detector: Detector::default(),
            gate: gate::Gate::default(),
            moving: false,
            store,
            element: element.name().as_str().into(),
            labels: [NAME].into_iter().collect(),
            names: ["level", "count", "active"].iter().map(|name| format!("{prefix}.{name}")).collect(),
            counts: Counts::default(),
        }
    }

    /// Tells those that follow that time goes on without this frame.
    fn send_gap(&self, buffer: &gst::BufferRef) {
        if let Some(pts) = buffer.pts() {
            let gap = gst::event::Gap::builder(pts).duration(buffer.duration()).build();
            self.src.push_event(gap);
        }
    }

    fn tell(&self, structure: gst::Structure) {
        gst::debug!(CAT, imp = self, "{structure}");
        let element = self.obj();
        // Without a bus nobody listens.
        let _ = element.post_message(gst::message::Element::builder(structure).src(&*element).build());
    }

    fn stats(&self) -> gst::Structure {
        let running = lock(&self.state).as_ref().map(|state| state.counts.clone());
        let counts = running.unwrap_or_else(|| lock(&self.last_run).clone());
        gst::Structure::builder("application/x-nvp-motion-stats")
            .field("frames", counts.frames)
            .field("moving", counts.moving)
            .field("unknown", counts.unknown)
            .field("unread", counts.unread)
            .field("regions", counts.regions)
            .field("flagged", counts.flagged)
            .field("dropped", counts.dropped)
            .field("passed", counts.passed)
            .field("step-p50", counts.step.quantile(0.50))
            .field("step-p95", counts.step.quantile(0.95))
            .field("step-p99", counts.step.quantile(0.99))
            .build()
    }
}
