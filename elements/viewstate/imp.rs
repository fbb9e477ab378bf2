// Locks: `settings`, `state`, `eye`, `inbox` and `last_run` are never held together, and none across a push, an event or a
// message. `eye` is held while a frame is looked at, which takes milliseconds: neither events nor properties touch it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::Estimator as Who;
use super::presets;
use super::report::{self, Counts};
use super::settings::{self, Settings};
use super::telemetry::{self, EVENT, Inbox, Told};
use crate::detection::Task;
use crate::elements::clock::StreamClock;
use crate::elements::filter::{self, MetaFilter};
use crate::elements::layout::Layout;
use crate::elements::provenance::{Feed, now};
use crate::elements::{AUTHOR, video};
use crate::geometry::BBox;
use crate::meta::{DetectionMeta, TrackMeta, ViewMeta};
use crate::provenance::{Outcome, Stage};
use crate::view::{Look, Ptz, Telling, View, Watch};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvpviewstate", gst::DebugColorFlags::empty(), Some("The camera's view"))
});

/// What lives from start to stop, and is held for moments only.
struct State {
    layout: Option<Arc<Layout>>,
    clock: StreamClock,
    /// Whether the next frame begins a stream anew.
    restart: bool,
    element: Arc<str>,
    counts: Counts,
    /// Running time of the last frame.
    time: u64,
}

/// What looks at the frames, and may take its time: only the streaming thread uses it.
#[derive(Default)]
struct Eye {
    watch: Watch,
    masks: Vec<BBox>,
}

/// What is known of a frame before it is looked at.
struct Moment {
    /// Running time in nanoseconds.
    time: u64,
    aspect: f64,
    restart: bool,
    layout: Arc<Layout>,
    telling: Telling,
}

/// What one frame comes to.
struct Verdict {
    view: View,
    /// Whether the frame could not be mapped.
    unread: bool,
    /// What changed, for the bus.
    news: Vec<gst::Structure>,
}

pub struct NvpViewState {
    sink: gst::Pad,
    src: gst::Pad,
    settings: Mutex<Settings>,
    state: Mutex<Option<State>>,
    eye: Mutex<Option<Eye>>,
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
            eye: Mutex::default(),
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
            let mut eye = Eye::default();
            eye.watch.know(places);
            *lock(&self.eye) = Some(eye);
            *lock(&self.state) = Some(State::new(element));
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady {
            *lock(&self.eye) = None;
            let ended = lock(&self.state).take();
            if let Some(state) = ended {
                *lock(&self.last_run) = state.counts;
            }
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
    fn see(&self, event: &gst::Event) -> bool {
        match event.view() {
            gst::EventView::CustomDownstream(custom) => {
                self.event(custom.structure());
            }
            gst::EventView::Caps(caps) => return self.set_caps(caps.caps()),
            gst::EventView::Segment(segment) => {
                if let Some(state) = lock(&self.state).as_mut() {
                    state.clock.set_segment(segment.segment());
                }
            }
            gst::EventView::StreamStart(start) => {
                self.feed.begin(start.stream_id());
                self.restart();
            }
            gst::EventView::FlushStop(flush) => {
                if flush.resets_time() {
                    // Running time begins anew, and what was told of it is of another time.
                    lock(&self.inbox).forget();
                }
                self.restart();
            }
            _ => {}
        }
        true
    }

    fn take(&self, event: &gst::Event) -> bool {
        let gst::EventView::CustomUpstream(custom) = event.view() else { return false };
        self.event(custom.structure())
    }

    fn handle(&self, mut buffer: gst::Buffer) -> Result<Option<gst::Buffer>, gst::FlowError> {
        let start = now();
        let settings = lock(&self.settings).clone();
        let (moment, element) = self.moment(&buffer, &settings)?;
        let looked = lock(&self.eye).as_mut().map(|eye| eye.look(&buffer, &moment, &settings));
        let Verdict { view, unread, news } = looked.ok_or(gst::FlowError::Flushing)?;
        let end = now();
        if let Some(state) = lock(&self.state).as_mut() {
            state.counts.count(&view, unread, end - start);
        }
        gst::log!(CAT, imp = self, "{:?} in epoch {} at {:?}", view.motion, view.epoch, buffer.pts());
        let writable = buffer.make_mut();
        ViewMeta::set(writable, view);
        let outcome = if unread { Outcome::Failed("map".into()) } else { Outcome::Ok };
        self.feed.sign(writable, Stage { element, start, end, outcome, ..Stage::default() });
        for structure in news {
            self.tell(structure);
        }
        Ok(Some(buffer))
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
            restart: false,
            element,
            counts: Counts::default(),
            time: 0,
        }
    }
}

impl Eye {
    /// The view of a frame.
    fn look(&mut self, buffer: &gst::BufferRef, moment: &Moment, settings: &Settings) -> Verdict {
        let follow = settings.observes() && matches!(settings.estimator, Who::Visual | Who::Both);
        let looks = follow || settings.health;
        self.mask(buffer);
        let info = &moment.layout.info;
        let mapped =
            looks.then(|| gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info).ok()).flatten();
        let frame = mapped.as_ref().and_then(|map| moment.layout.frame(map).ok());
        let look = Look {
            time: moment.time,
            aspect: moment.aspect,
            frame: frame.as_ref(),
            follow,
            health: settings.health.then_some(settings.frozen as f64 / 1e9),
            masks: &self.masks,
            telling: moment.telling,
            restart: moment.restart,
        };
        let view = self.watch.look(&look, &settings.policy).clone();
        let news = self.watch.news().iter().map(|news| report::structure(news, &view, moment.time)).collect();
        Verdict { view, unread: looks && frame.is_none(), news }
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

    fn set_caps(&self, caps: &gst::CapsRef) -> bool {
        let Some(layout) = gst_video::VideoInfo::from_caps(caps).ok().and_then(Layout::new) else {
            gst::warning!(CAT, imp = self, "cannot read {caps}");
            return false;
        };
        if let Some(state) = lock(&self.state).as_mut() {
            state.layout = Some(Arc::new(layout));
            state.clock.set_caps(caps);
        }
        true
    }

    /// The next frame begins the view anew.
    fn restart(&self) {
        if let Some(state) = lock(&self.state).as_mut() {
            gst::debug!(CAT, imp = self, "the view begins anew");
            state.restart = state.counts.frames > 0;
            state.clock.restart();
        }
    }

    /// What is known of a frame before it is looked at, and the element's name.
    fn moment(
        &self,
        buffer: &gst::BufferRef,
        settings: &Settings,
    ) -> Result<(Moment, Arc<str>), gst::FlowError> {
        let (mut moment, element) = {
            let mut state = lock(&self.state);
            let state = state.as_mut().ok_or(gst::FlowError::Flushing)?;
            let layout = state.layout.clone().ok_or(gst::FlowError::NotNegotiated)?;
            (state.time, _) = state.clock.time(buffer);
            let (aspect, restart) = (state.clock.aspect().into(), std::mem::take(&mut state.restart));
            let telling = Telling::Unasked;
            (Moment { time: state.time, aspect, restart, layout, telling }, state.element.clone())
        };
        // Time passes for what is told whether anybody asks for it or not.
        let telling = lock(&self.inbox).at(moment.time, settings.telemetry_age);
        if settings.observes() && matches!(settings.estimator, Who::Ptz | Who::Both) {
            moment.telling = telling;
        }
        Ok((moment, element))
    }

    /// The running time of now, or of the last frame where there is no clock.
    fn running_time(&self) -> u64 {
        let clock = self.obj().current_running_time().map(gst::ClockTime::nseconds);
        clock.unwrap_or_else(|| lock(&self.state).as_ref().map_or(0, |state| state.time))
    }

    fn told(&self, ptz: Ptz, time: Option<u64>) -> bool {
        let time = time.unwrap_or_else(|| self.running_time());
        self.taken(Ok((time, ptz.into())))
    }

    /// Whether a custom event was one for this element.
    fn event(&self, structure: Option<&gst::StructureRef>) -> bool {
        let Some(structure) = structure.filter(|structure| structure.name() == EVENT) else { return false };
        self.taken(telemetry::structure(structure, self.running_time()));
        true
    }

    fn document(&self, buffer: &gst::BufferRef) {
        let generic = lock(&self.settings).generic;
        let time = lock(&self.inbox).time(buffer);
        if let Some(read) = telemetry::document(buffer, &generic).transpose() {
            self.taken(read.map(|part| (time, part)));
        }
    }

    /// Whether what was read is taken; says why not, once a run.
    fn taken(&self, read: Result<Told, String>) -> bool {
        let result = lock(&self.inbox).take(read);
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
        let poses = {
            let inbox = lock(&self.inbox);
            (inbox.taken, inbox.refused)
        };
        counts.stats(poses)
    }
}
