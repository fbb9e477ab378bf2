// Locks: `settings`, `state`, `inbox` and `last_run` are never held together, but for `inbox` within `state`, and none across a
// push, an event or a message.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::Estimator as Who;
use super::presets;
use super::settings::{self, Settings};
use super::telemetry::{EVENT, Inbox};
use crate::detection::Task;
use crate::elements::clock::StreamClock;
use crate::elements::filter::{self, MetaFilter};
use crate::elements::layout::Layout;
use crate::elements::provenance::{Feed, now};
use crate::elements::{AUTHOR, video};
use crate::geometry::BBox;
use crate::meta::{DetectionMeta, TrackMeta, ViewMeta};
use crate::provenance::{Outcome, Stage};
use crate::stats::Histogram;
use crate::view::{CameraMode, Decision, Look, Motion, News, Ptz, Telling, View, Watch};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvpviewstate", gst::DebugColorFlags::empty(), Some("The camera's view"))
});

/// What lives from start to stop.
struct State {
    layout: Option<Layout>,
    clock: StreamClock,
    watch: Watch,
    /// Whether the next frame begins a stream anew.
    restart: bool,
    masks: Vec<BBox>,
    element: Arc<str>,
    counts: Counts,
    /// Running time of the last frame.
    time: u64,
}

#[derive(Clone, Default)]
struct Counts {
    frames: u64,
    stable: u64,
    moving: u64,
    unknown: u64,
    continued: u64,
    compensated: u64,
    degraded: u64,
    /// Frames that could not be mapped.
    unread: u64,
    epochs: u64,
    step: Histogram,
}

/// What one frame comes to.
struct Verdict {
    view: View,
    outcome: Outcome,
    /// What changed, for the bus.
    news: Vec<gst::Structure>,
}

pub struct NvpViewState {
    sink: gst::Pad,
    src: gst::Pad,
    settings: Mutex<Settings>,
    state: Mutex<Option<State>>,
    inbox: Mutex<Inbox>,
    /// Whether it has been said that a pose is refused.
    warned: AtomicBool,
    /// The counts of the last run, once it has ended.
    last_run: Mutex<Counts>,
    feed: Feed,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[glib::object_subclass]
impl ObjectSubclass for NvpViewState {
    const NAME: &'static str = "NvpViewState";
    type Type = super::NvpViewState;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let (sink, src) = filter::pads::<Self>(|name| class.pad_template(name));
        Self {
            sink,
            src,
            settings: Mutex::default(),
            state: Mutex::default(),
            inbox: Mutex::default(),
            warned: AtomicBool::default(),
            last_run: Mutex::default(),
            feed: Feed::default(),
        }
    }
}

impl ObjectImpl for NvpViewState {
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

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            let types = [f64::static_type(), f64::static_type(), f64::static_type(), u64::static_type()];
            vec![
                glib::subclass::Signal::builder("ptz")
                    .action()
                    .param_types(types)
                    .return_type::<bool>()
                    .class_handler(|values| {
                        let element = values[0].get::<super::NvpViewState>().ok()?;
                        let number = |i: usize| values[i].get::<f64>().ok();
                        let ptz = Ptz { pan: number(1)?, tilt: number(2)?, zoom: number(3)? };
                        let time = values[4].get::<u64>().ok().filter(|time| *time != u64::MAX);
                        Some(element.imp().told(ptz, time).to_value())
                    })
                    .build(),
            ]
        });
        &SIGNALS
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        lock(&self.settings).set(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.stats().to_value(),
            name => lock(&self.settings).get(name),
        }
    }
}

impl GstObjectImpl for NvpViewState {}

impl ElementImpl for NvpViewState {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "View state",
                "Filter/Analyzer/Video",
                "Tells from pixels and telemetry whether and how the camera moves and attaches the view as metadata",
                AUTHOR,
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = video::raw_caps();
            let onvif = gst::Caps::new_empty_simple("application/x-onvif-metadata");
            let template = |name: &str, direction, presence, caps: &gst::Caps| {
                gst::PadTemplate::new(name, direction, presence, caps).expect("a static template is valid")
            };
            let (sink, src) = (gst::PadDirection::Sink, gst::PadDirection::Src);
            vec![
                template("sink", sink, gst::PadPresence::Always, &caps),
                template("telemetry", sink, gst::PadPresence::Request, &onvif),
                template("src", src, gst::PadPresence::Always, &caps),
            ]
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            let element = self.obj().name().as_str().into();
            self.warned.store(false, Ordering::Relaxed);
            *lock(&self.inbox) = Inbox::default();
            let (file, learn) = {
                let settings = lock(&self.settings);
                (settings.presets.clone(), settings.learn)
            };
            let places = presets::places(file.as_deref(), learn).map_err(|wrong| {
                gst::element_imp_error!(self, gst::ResourceError::Settings, ("{wrong}"));
                gst::StateChangeError
            })?;
            let mut state = State::new(element);
            state.watch.know(places);
            *lock(&self.state) = Some(state);
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady
            && let Some(state) = lock(&self.state).take()
        {
            *lock(&self.last_run) = state.counts;
        }
        result
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        _name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        let element = self.obj();
        if element.static_pad("telemetry").is_some() {
            gst::warning!(CAT, imp = self, "there is one telemetry pad already");
            return None;
        }
        let pad = gst::Pad::builder_from_template(template)
            .chain_function(|_pad, parent, buffer| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |this| {
                        this.document(&buffer);
                        Ok(gst::FlowSuccess::Ok)
                    },
                )
            })
            .event_function(|_pad, parent, event| {
                // The video alone decides what goes on downstream.
                Self::catch_panic_pad_function(
                    parent,
                    || false,
                    |this| {
                        lock(&this.inbox).see(&event);
                        true
                    },
                )
            })
            .iterate_internal_links_function(|_pad, _parent| gst::Iterator::from_vec(Vec::new()))
            .build();
        element.add_pad(&pad).ok()?;
        Some(pad)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        // A pad that is no longer there needs no removal.
        let _ = pad.set_active(false);
        let _ = self.obj().remove_pad(pad);
    }
}

impl MetaFilter for NvpViewState {
    fn see(&self, event: &gst::Event) -> Result<(), gst::FlowError> {
        if let gst::EventView::StreamStart(start) = event.view() {
            self.feed.begin(start.stream_id());
        }
        if let gst::EventView::CustomDownstream(custom) = event.view() {
            self.event(custom.structure());
        }
        let mut state = lock(&self.state);
        let Some(state) = state.as_mut() else { return Ok(()) };
        match event.view() {
            gst::EventView::Caps(caps) => {
                let layout = gst_video::VideoInfo::from_caps(caps.caps()).ok().and_then(Layout::new);
                state.layout = Some(layout.ok_or_else(|| {
                    gst::warning!(CAT, imp = self, "cannot read {}", caps.caps());
                    gst::FlowError::NotNegotiated
                })?);
                state.clock.set_caps(caps.caps());
            }
            gst::EventView::Segment(segment) => state.clock.set_segment(segment.segment()),
            gst::EventView::StreamStart(_) | gst::EventView::FlushStop(_) => {
                gst::debug!(CAT, imp = self, "{:?} restarts the view", event.type_());
                if let gst::EventView::FlushStop(flush) = event.view()
                    && flush.resets_time()
                {
                    // Running time begins anew, and what was told of it is of another time.
                    lock(&self.inbox).forget();
                }
                state.restart = state.counts.frames > 0;
                state.watch.interrupt();
                state.clock.restart();
            }
            _ => {}
        }
        Ok(())
    }

    fn take(&self, event: &gst::Event) -> bool {
        let gst::EventView::CustomUpstream(custom) = event.view() else { return false };
        self.event(custom.structure())
    }

    fn handle(&self, mut buffer: gst::Buffer) -> Result<gst::Buffer, gst::FlowError> {
        let start = now();
        let settings = lock(&self.settings).clone();
        let (verdict, element) = {
            let mut state = lock(&self.state);
            let state = state.as_mut().ok_or(gst::FlowError::Flushing)?;
            if state.layout.is_none() {
                return Err(gst::FlowError::NotNegotiated);
            }
            (state.look(&buffer, &settings, &self.inbox), state.element.clone())
        };
        let Verdict { view, outcome, news } = verdict;
        gst::log!(CAT, imp = self, "{:?} in epoch {} at {:?}", view.motion, view.epoch, buffer.pts());
        let writable = buffer.make_mut();
        ViewMeta::set(writable, view);
        self.feed.sign(writable, Stage { element, start, end: now(), outcome, ..Stage::default() });
        for structure in news {
            self.tell(structure);
        }
        Ok(buffer)
    }

    fn src_pad(&self) -> &gst::Pad {
        &self.src
    }
}

impl State {
    fn new(element: Arc<str>) -> Self {
        Self {
            layout: None,
            clock: StreamClock::default(),
            watch: Watch::default(),
            restart: false,
            masks: Vec::new(),
            element,
            counts: Counts::default(),
            time: 0,
        }
    }

    /// The view of a frame.
    fn look(&mut self, buffer: &gst::BufferRef, settings: &Settings, inbox: &Mutex<Inbox>) -> Verdict {
        let start = now();
        (self.time, _) = self.clock.time(buffer);
        let observed = settings.policy.mode == CameraMode::Observed;
        let telling = if observed && matches!(settings.estimator, Who::Ptz | Who::Both) {
            lock(inbox).at(self.time, settings.telemetry_age)
        } else {
            Telling::Unasked
        };
        let looks = observed && matches!(settings.estimator, Who::Visual | Who::Both);
        self.mask(buffer);
        let Self { layout, watch, masks, restart, clock, counts, .. } = self;
        let mapped = layout
            .as_ref()
            .filter(|_| looks || settings.health)
            .and_then(|layout| gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &layout.info).ok());
        let frame = layout.as_ref().zip(mapped.as_ref()).and_then(|(layout, map)| layout.frame(map).ok());
        let unread = (looks || settings.health) && frame.is_none();
        counts.unread += u64::from(unread);
        let look = Look {
            time: self.time,
            aspect: clock.aspect().into(),
            frame: frame.as_ref(),
            follow: looks,
            health: settings.health.then_some(settings.frozen as f64 / 1e9),
            masks,
            telling,
            restart: std::mem::take(restart),
        };
        let view = watch.look(&look, &settings.policy).clone();
        let news = watch.news().iter().map(|news| structure(news, &view, self.time)).collect();
        counts.count(&view);
        counts.step.record(now() - start);
        let outcome = if unread { Outcome::Failed("map".into()) } else { Outcome::Ok };
        Verdict { view, outcome, news }
    }

    /// What moves on its own.
    fn mask(&mut self, buffer: &gst::BufferRef) {
        self.masks.clear();
        for found in DetectionMeta::all(buffer).filter(|found| found.task() == Task::Detect) {
            self.masks.extend(found.items().iter().map(|detection| detection.bbox));
        }
        if let Some(tracks) = TrackMeta::get(buffer) {
            self.masks.extend(tracks.items().iter().map(|track| track.bbox));
        }
    }
}

/// What is said of a change on the bus.
fn structure(news: &News, view: &View, time: u64) -> gst::Structure {
    let said =
        |name: &str| gst::Structure::builder(name).field("epoch", view.epoch).field("running-time", time);
    match news {
        News::Epoch(cause) => {
            let said = said(super::EPOCH).field("reason", cause.name());
            said.field_if_some("preset", view.preset.as_deref()).build()
        }
        News::Preset(preset) => said("nvp-view-preset").field("preset", &**preset).build(),
        News::Recovered => said("nvp-view-recovered").build(),
        News::Degraded { invalid, reason } => {
            let validity = if *invalid { "invalid" } else { "degraded" };
            said("nvp-view-degraded").field("reason", &**reason).field("validity", validity).build()
        }
    }
}

impl Counts {
    fn count(&mut self, view: &View) {
        self.frames += 1;
        self.epochs = view.epoch;
        *match view.motion {
            Motion::Stable => &mut self.stable,
            Motion::Moving => &mut self.moving,
            Motion::Unknown => &mut self.unknown,
        } += 1;
        match view.decision {
            Decision::Continue => self.continued += 1,
            Decision::Compensate => self.compensated += 1,
            Decision::Degrade => self.degraded += 1,
            Decision::Segment => {}
        }
    }
}

impl NvpViewState {
    /// Tells the bus, and of an epoch those downstream, too.
    fn tell(&self, structure: gst::Structure) {
        gst::info!(CAT, imp = self, "{structure}");
        let element = self.obj();
        if structure.name() == super::EPOCH {
            self.src.push_event(gst::event::CustomDownstream::new(structure.clone()));
        }
        // Without a bus nobody listens.
        let _ = element.post_message(gst::message::Element::builder(structure).src(&*element).build());
    }

    /// The running time of now, or of the last frame where there is no clock.
    fn running_time(&self) -> u64 {
        let clock = self.obj().current_running_time().map(gst::ClockTime::nseconds);
        clock.unwrap_or_else(|| lock(&self.state).as_ref().map_or(0, |state| state.time))
    }

    fn told(&self, ptz: Ptz, time: Option<u64>) -> bool {
        let time = time.unwrap_or_else(|| self.running_time());
        let result = lock(&self.inbox).pose(time, ptz);
        self.taken(result)
    }

    /// Whether a custom event was one for this element.
    fn event(&self, structure: Option<&gst::StructureRef>) -> bool {
        let Some(structure) = structure.filter(|structure| structure.name() == EVENT) else { return false };
        let now = self.running_time();
        let result = lock(&self.inbox).structure(structure, now);
        self.taken(result);
        true
    }

    fn document(&self, buffer: &gst::BufferRef) {
        let generic = lock(&self.settings).generic;
        let result = lock(&self.inbox).document(buffer, &generic);
        self.taken(result);
    }

    /// Says why telemetry is refused, once a run.
    fn taken(&self, result: Result<(), String>) -> bool {
        let Err(why) = result else { return true };
        gst::debug!(CAT, imp = self, "telemetry is refused: {why}");
        if !self.warned.swap(true, Ordering::Relaxed) {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Decode,
                ("Telemetry is refused: {why}. What follows of this kind is only counted, as telemetry-refused in stats.")
            );
        }
        false
    }

    fn stats(&self) -> gst::Structure {
        let running = lock(&self.state).as_ref().map(|state| state.counts.clone());
        let counts = running.unwrap_or_else(|| lock(&self.last_run).clone());
        let (taken, refused) = {
            let inbox = lock(&self.inbox);
            (inbox.taken, inbox.refused)
        };
        gst::Structure::builder("application/x-nvp-viewstate-stats")
            .field("frames", counts.frames)
            .field("stable", counts.stable)
            .field("moving", counts.moving)
            .field("unknown", counts.unknown)
            .field("continued", counts.continued)
            .field("compensated", counts.compensated)
            .field("degraded", counts.degraded)
            .field("unread", counts.unread)
            .field("epochs", counts.epochs)
            .field("telemetry-taken", taken)
            .field("telemetry-refused", refused)
            .field("step-p50", counts.step.quantile(0.50))
            .field("step-p95", counts.step.quantile(0.95))
            .field("step-p99", counts.step.quantile(0.99))
            .build()
    }
}
