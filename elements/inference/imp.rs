// Locks: no lock is held while another is taken. `shared.flow` has its own, see there.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::engine::Engine;
use super::flow::Order;
use super::layout::Layout;
use super::settings::{Changed, Load, Settings, properties};
use super::worker::{Shared, work};
use crate::detection::Labels;
use crate::elements::AUTHOR;
use crate::elements::provenance::{Feed, now};
use crate::elements::video;
use crate::model::ClassFilter;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvpinference", gst::DebugColorFlags::empty(), Some("Object detection"))
});

/// Frames between the pads: one in the model, one waiting for it, one being pushed.
const IN_FLIGHT: usize = 3;

/// What the streaming thread knows of the stream.
#[derive(Default)]
struct Stream {
    layout: Option<Arc<Layout>>,
    position: u64,
}

/// What this element writes into provenance, and the names of its model's classes.
#[derive(Clone, Default)]
pub(super) struct Identity {
    pub(super) element: Arc<str>,
    pub(super) sha256: Arc<str>,
    pub(super) provider: Arc<str>,
    labels: Labels,
    classes: Option<usize>,
}

pub struct NvpInference {
    sink: gst::Pad,
    pub(super) src: gst::Pad,
    settings: Mutex<Settings>,
    engine: Mutex<Option<(Load, Engine)>>,
    worker: Mutex<Option<(Load, JoinHandle<Engine>)>>,
    identity: Mutex<Identity>,
    pub(super) shared: Arc<Shared>,
    stream: Mutex<Stream>,
    pub(super) feed: Feed,
    /// Latency that was last reported, in nanoseconds.
    pub(super) latency: AtomicU64,
    /// Downstream said that it does not read GstVideoMeta.
    pub(super) packed_only: AtomicBool,
    pub(super) nonfinite_told: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[glib::object_subclass]
impl ObjectSubclass for NvpInference {
    const NAME: &'static str = "NvpInference";
    type Type = super::NvpInference;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let template = |name| class.pad_template(name).expect("templates name both pads");
        let sink = gst::Pad::builder_from_template(&template("sink"))
            .chain_function(|_pad, parent, buffer| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |this| this.chain(buffer),
                )
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |this| this.sink_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |this| this.sink_query(pad, query))
            })
            .flags(gst::PadFlags::PROXY_CAPS)
            .build();
        let src = gst::Pad::builder_from_template(&template("src"))
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |this| this.src_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |this| this.src_query(pad, query))
            })
            .activatemode_function(|_pad, parent, mode, active| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::loggable_error!(CAT, "Panic while activating")),
                    |this| this.src_activate(mode, active),
                )
            })
            .flags(gst::PadFlags::PROXY_CAPS)
            .build();
        Self {
            sink,
            src,
            settings: Mutex::default(),
            engine: Mutex::default(),
            worker: Mutex::default(),
            identity: Mutex::default(),
            shared: Arc::new(Shared::new(IN_FLIGHT)),
            stream: Mutex::default(),
            feed: Feed::default(),
            latency: AtomicU64::new(0),
            packed_only: AtomicBool::new(false),
            nonfinite_told: AtomicBool::new(false),
        }
    }
}

impl ObjectImpl for NvpInference {
    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        element.add_pad(&self.sink).expect("a new element has no pads");
        element.add_pad(&self.src).expect("a new element has no pads");
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let changed = lock(&self.settings).set(pspec.name(), value);
        match changed {
            Changed::Load if self.obj().current_state() > gst::State::Ready => {
                gst::warning!(
                    CAT,
                    imp = self,
                    "{} takes effect after the next change to READY",
                    pspec.name()
                );
            }
            Changed::Load => {}
            Changed::Parameters => self.update_parameters(),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.shared.stats().to_structure(self.shared.flow.level()).to_value(),
            name => lock(&self.settings).get(name),
        }
    }
}

impl GstObjectImpl for NvpInference {}

impl ElementImpl for NvpInference {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Object detection",
                "Filter/Analyzer/Video",
                "Detects objects with an ONNX model and attaches them to the buffers as metadata; pixels are not changed",
                AUTHOR,
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = video::raw_caps();
            [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)]
                .into_iter()
                .map(|(name, direction)| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps)
                        .expect("a static template is valid")
                })
                .collect()
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => self.load()?,
            gst::StateChange::ReadyToPaused => {
                self.load()?;
                self.start()?;
            }
            gst::StateChange::PausedToReady => self.shared.flow.close(),
            _ => {}
        }
        let result = self.parent_change_state(transition);
        match transition {
            gst::StateChange::ReadyToPaused if result.is_err() => self.stop(),
            gst::StateChange::PausedToReady => self.stop(),
            gst::StateChange::ReadyToNull => drop(lock(&self.engine).take()),
            _ => {}
        }
        result
    }
}

impl NvpInference {
    /// Loads the model unless it is loaded with these settings already.
    fn load(&self) -> Result<(), gst::StateChangeError> {
        let settings = lock(&self.settings).clone();
        let current = lock(&self.engine).take();
        if let Some((load, engine)) = current
            && load == settings.load
        {
            *lock(&self.engine) = Some((load, engine));
            return Ok(());
        }
        let file = self.obj().factory().and_then(|f| f.plugin()).and_then(|p| p.filename());
        let loaded =
            Engine::load(&settings.load, file.as_deref().and_then(Path::parent)).and_then(|engine| {
                ClassFilter::parse(&settings.classes, engine.labels(), engine.classes())
                    .map_err(|e| gst::error_msg!(gst::LibraryError::Settings, ("Property classes: {e}")))?;
                Ok(engine)
            });
        let engine = loaded.map_err(|error| {
            self.post_error_message(error);
            gst::StateChangeError
        })?;
        *lock(&self.identity) = Identity {
            element: self.obj().name().as_str().into(),
            sha256: engine.sha256.clone(),
            provider: engine.provider().into(),
            labels: engine.labels().clone(),
            classes: engine.classes(),
        };
        self.latency.store(engine.dry_run(), Ordering::Relaxed);
        gst::info!(CAT, imp = self, "{}", engine.summary());
        let message = engine.describe();
        *lock(&self.engine) = Some((settings.load, engine));
        self.update_parameters();
        let _ = self.post_message(gst::message::Element::builder(message).src(&*self.obj()).build());
        Ok(())
    }

    pub(super) fn identity(&self) -> Identity {
        lock(&self.identity).clone()
    }

    /// Hands what may change while playing to the worker, for the next frame.
    fn update_parameters(&self) {
        let settings = lock(&self.settings).clone();
        let identity = self.identity();
        let mut parameters = (*self.shared.parameters()).clone();
        parameters.confidence = settings.confidence;
        parameters.iou = settings.iou;
        parameters.max_detections = settings.max_detections as usize;
        match ClassFilter::parse(&settings.classes, &identity.labels, identity.classes) {
            Ok(filter) => parameters.classes = filter,
            Err(error) if lock(&self.engine).is_some() || lock(&self.worker).is_some() => {
                gst::element_imp_warning!(
                    self,
                    gst::LibraryError::Settings,
                    ("Property classes: {error}; the former choice stays")
                );
            }
            // Without a model the names cannot be checked yet; loading it does.
            Err(_) => {}
        }
        *lock(&self.shared.parameters) = Arc::new(parameters);
    }

    fn start(&self) -> Result<(), gst::StateChangeError> {
        let Some((load, engine)) = lock(&self.engine).take() else { return Err(gst::StateChangeError) };
        *lock(&self.stream) = Stream::default();
        *self.shared.stats() = Default::default();
        self.packed_only.store(false, Ordering::Relaxed);
        self.nonfinite_told.store(false, Ordering::Relaxed);
        self.shared.flow.open();
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name(format!("{}:infer", self.obj().name()));
        match thread.spawn(move || work(&shared, engine)) {
            Ok(worker) => {
                *lock(&self.worker) = Some((load, worker));
                Ok(())
            }
            Err(error) => {
                gst::element_imp_error!(
                    self,
                    gst::ResourceError::NoSpaceLeft,
                    ("Cannot start a thread: {error}")
                );
                Err(gst::StateChangeError)
            }
        }
    }

    fn stop(&self) {
        self.shared.flow.close();
        if let Some((load, worker)) = lock(&self.worker).take()
            && let Ok(engine) = worker.join()
        {
            *lock(&self.engine) = Some((load, engine));
        }
    }

    fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let arrived = now();
        let interval = u64::from(lock(&self.settings).interval);
        let order = {
            let mut stream = lock(&self.stream);
            let layout = stream.layout.clone().ok_or(gst::FlowError::NotNegotiated)?;
            let turn = stream.position.is_multiple_of(interval + 1);
            if buffer.flags().contains(gst::BufferFlags::GAP) {
                Order::Skip("gap")
            } else {
                stream.position += 1;
                if turn { Order::Infer(layout) } else { Order::Skip("interval") }
            }
        };
        self.shared.stats().frames_in += 1;
        self.shared.flow.enter(buffer, order, arrived)?;
        Ok(gst::FlowSuccess::Ok)
    }

    fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        gst::log!(CAT, obj = pad, "{event:?}");
        match event.view() {
            gst::EventView::FlushStart(_) => {
                let dropped = self.shared.flow.flush_start();
                self.shared.stats().flushed += dropped.frames as u64;
                self.keep(dropped.sticky);
                let forwarded = self.src.push_event(event);
                let _ = self.src.pause_task();
                forwarded
            }
            gst::EventView::FlushStop(_) => {
                let forwarded = self.src.push_event(event);
                lock(&self.stream).position = 0;
                self.shared.flow.flush_stop();
                self.start_task().is_ok() && forwarded
            }
            gst::EventView::Caps(caps) => {
                self.accept_caps(caps.caps()) && self.shared.flow.enter_event(event)
            }
            gst::EventView::StreamStart(start) => {
                self.feed.begin(start.stream_id());
                self.shared.flow.enter_event(event)
            }
            gst::EventView::Eos(_) => {
                let entered = self.shared.flow.enter_event(event);
                if !entered {
                    self.report_refusal();
                }
                entered
            }
            _ if event.is_serialized() => self.shared.flow.enter_event(event),
            _ => gst::Pad::event_default(pad, Some(&*self.obj()), event),
        }
    }

    fn accept_caps(&self, caps: &gst::CapsRef) -> bool {
        let Ok(info) = gst_video::VideoInfo::from_caps(caps) else {
            gst::element_imp_error!(self, gst::StreamError::Format, ("These are no raw video caps: {caps}"));
            return false;
        };
        if info.interlace_mode() != gst_video::VideoInterlaceMode::Progressive {
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                (
                    "Interlaced video ({:?}) is not read: a moving object would be torn in two. Put 'deinterlace' before this element",
                    info.interlace_mode()
                )
            );
            return false;
        }
        gst::debug!(CAT, imp = self, "caps {caps}");
        let Some(layout) = Layout::new(info) else { return false };
        lock(&self.stream).layout = Some(Arc::new(layout));
        true
    }

    fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        if !query.type_().is_serialized() {
            return gst::Pad::query_default(pad, Some(&*self.obj()), query);
        }
        let in_turn = self.shared.flow.in_turn(|| {
            let answered = self.src.peer_query(query);
            match query.view_mut() {
                gst::QueryViewMut::Allocation(allocation) => self.offer_video_meta(allocation, answered),
                _ => answered,
            }
        });
        gst::log!(CAT, obj = pad, "{query:?}: {in_turn}");
        in_turn
    }

    /// Any stride is read here, so GstVideoMeta is offered whatever is downstream. Where that does not read
    /// it, frames of another layout than the caps' are copied into it: see `pack`.
    fn offer_video_meta(&self, allocation: &mut gst::query::Allocation, answered: bool) -> bool {
        let offered = allocation.find_allocation_meta::<gst_video::VideoMeta>().is_some();
        self.packed_only.store(!(answered && offered), Ordering::Relaxed);
        if !offered {
            allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
        }
        true
    }

    fn src_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        if event.type_() == gst::EventType::Reconfigure && self.shared.flow.relinked() {
            let _ = self.start_task();
        }
        gst::Pad::event_default(pad, Some(&*self.obj()), event)
    }

    fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        if query.type_() != gst::QueryType::Latency {
            return gst::Pad::query_default(pad, Some(&*self.obj()), query);
        }
        let answered = self.sink.peer_query(query);
        if let gst::QueryViewMut::Latency(latency) = query.view_mut()
            && answered
        {
            let (live, min, max) = latency.result();
            let ours = gst::ClockTime::from_nseconds(self.latency.load(Ordering::Relaxed));
            let held = ours * self.shared.flow.capacity() as u64;
            latency.set(live, min + ours, max.map(|max| max + held));
        }
        answered
    }

    fn src_activate(&self, mode: gst::PadMode, active: bool) -> Result<(), gst::LoggableError> {
        if mode != gst::PadMode::Push {
            return Err(gst::loggable_error!(CAT, "Only push mode is possible"));
        }
        if active {
            return self.start_task().map_err(|_| gst::loggable_error!(CAT, "Cannot start the source task"));
        }
        self.shared.flow.flush_start();
        self.src.stop_task().map_err(|_| gst::loggable_error!(CAT, "Cannot stop the source task"))
    }
}
