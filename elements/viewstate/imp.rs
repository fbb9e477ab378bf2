// Locks: `settings`, `state` and `last_run` are never held together, and none across a push or a message.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::Estimator as Who;
use super::settings::{self, Settings};
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
use crate::view::{self, Action, CameraMode, Estimator, Evidence, Motion, MotionSource, Report, Validity};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvpviewstate", gst::DebugColorFlags::empty(), Some("The camera's view"))
});

/// What lives from start to stop.
struct State {
    layout: Option<Layout>,
    clock: StreamClock,
    estimator: Estimator,
    view: view::State,
    /// Whether the next frame begins a stream anew.
    restart: bool,
    masks: Vec<BBox>,
    element: Arc<str>,
    counts: Counts,
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
    view: view::View,
    outcome: Outcome,
    /// What changed, for the bus.
    news: Vec<gst::Structure>,
}

pub struct NvpViewState {
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
                "Tells from the pixels whether and how the camera moves and attaches the view as metadata",
                AUTHOR,
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = video::raw_caps();
            let template = |name: &str, direction| {
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps)
                    .expect("a static template is valid")
            };
            vec![template("sink", gst::PadDirection::Sink), template("src", gst::PadDirection::Src)]
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            let element = self.obj().name().as_str().into();
            *lock(&self.state) = Some(State::new(element));
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

impl MetaFilter for NvpViewState {
    fn see(&self, event: &gst::Event) -> Result<(), gst::FlowError> {
        if let gst::EventView::StreamStart(start) = event.view() {
            self.feed.begin(start.stream_id());
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
                state.restart = state.counts.frames > 0;
                state.estimator.reset();
                state.clock.restart();
            }
            _ => {}
        }
        Ok(())
    }

    fn handle(&self, mut buffer: gst::Buffer) -> Result<gst::Buffer, gst::FlowError> {
        let start = now();
        let settings = *lock(&self.settings);
        let (verdict, element) = {
            let mut state = lock(&self.state);
            let state = state.as_mut().ok_or(gst::FlowError::Flushing)?;
            if state.layout.is_none() {
                return Err(gst::FlowError::NotNegotiated);
            }
            (state.look(&buffer, &settings), state.element.clone())
        };
        let Verdict { view, outcome, news } = verdict;
        gst::log!(CAT, imp = self, "{:?} in epoch {} at {:?}", view.motion, view.epoch, buffer.pts());
        let writable = buffer.make_mut();
        ViewMeta::set(writable, view);
        self.feed.sign(writable, Stage { element, start, end: now(), outcome, ..Stage::default() });
        for structure in news {
            gst::info!(CAT, imp = self, "{structure}");
            let element = self.obj();
            // Without a bus nobody listens.
            let _ = element.post_message(gst::message::Element::builder(structure).src(&*element).build());
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
            estimator: Estimator::default(),
            view: view::State::default(),
            restart: false,
            masks: Vec::new(),
            element,
            counts: Counts::default(),
        }
    }

    /// The view of a frame.
    fn look(&mut self, buffer: &gst::BufferRef, settings: &Settings) -> Verdict {
        let start = now();
        let (time, _) = self.clock.time(buffer);
        let mut report = Report { time, restart: std::mem::take(&mut self.restart), ..Report::default() };
        let mut outcome = Outcome::Ok;
        if settings.estimator == Who::Visual && settings.policy.mode == CameraMode::Observed {
            self.mask(buffer);
            let estimate = self.layout.as_ref().and_then(|layout| {
                let mapped = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &layout.info).ok()?;
                let frame = layout.frame(&mapped).ok()?;
                Some(self.estimator.push(&frame, &self.masks))
            });
            report.source = MotionSource::Inferred;
            match estimate {
                Some(estimate) => report.estimate = estimate,
                None => {
                    outcome = Outcome::Failed("map".into());
                    self.counts.unread += 1;
                }
            }
        } else {
            // What was seen before is too old to compare with once somebody looks again.
            self.estimator.reset();
        }
        let next = view::decide(&self.view, &report, &settings.policy);
        let before = std::mem::replace(&mut self.view, next);
        let news = self.news(&before, &report);
        self.count();
        self.counts.step.record(now() - start);
        Verdict { view: self.view.view().clone(), outcome, news }
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

    fn news(&self, before: &view::State, report: &Report) -> Vec<gst::Structure> {
        let (now, then) = (self.view.view(), before.view());
        let said = |name: &str| {
            gst::Structure::builder(name).field("epoch", now.epoch).field("running-time", report.time)
        };
        let mut news = Vec::new();
        if now.epoch != then.epoch {
            let reason = match (report.restart, report.estimate.evidence) {
                (true, _) => "restart",
                (_, Evidence::Cut) => "cut",
                _ => "move",
            };
            news.push(said("nvp-view-epoch").field("reason", reason).build());
        }
        let reason = now.reason.as_deref().unwrap_or_default();
        match (then.validity, now.validity) {
            (Validity::Valid, Validity::Valid) => {}
            (_, Validity::Valid) => news.push(said("nvp-view-recovered").build()),
            (was, is) if was != is || now.reason != then.reason => {
                let validity = if is == Validity::Invalid { "invalid" } else { "degraded" };
                let said = said("nvp-view-degraded").field("reason", reason).field("validity", validity);
                news.push(said.build());
            }
            _ => {}
        }
        news
    }

    fn count(&mut self) {
        let counts = &mut self.counts;
        counts.frames += 1;
        counts.epochs = self.view.view().epoch;
        *match self.view.view().motion {
            Motion::Stable => &mut counts.stable,
            Motion::Moving => &mut counts.moving,
            Motion::Unknown => &mut counts.unknown,
        } += 1;
        match self.view.action() {
            Action::Continue => counts.continued += 1,
            Action::Compensate => counts.compensated += 1,
            Action::Degrade => counts.degraded += 1,
            Action::Segment => {}
        }
    }
}

impl NvpViewState {
    fn stats(&self) -> gst::Structure {
        let running = lock(&self.state).as_ref().map(|state| state.counts.clone());
        let counts = running.unwrap_or_else(|| lock(&self.last_run).clone());
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
            .field("step-p50", counts.step.quantile(0.50))
            .field("step-p95", counts.step.quantile(0.95))
            .field("step-p99", counts.step.quantile(0.99))
            .build()
    }
}
