// Locks: no lock is held while another is taken. `member.flow` and the pool have their own, see there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::Mode;
use super::loader::Loader;
use super::model::Model;
use super::pool::{Pool, User};
use super::properties::properties;
use super::settings::{Changed, Settings};
use super::streams::Streams;
use super::task::{Channel, Member, lock};
use crate::elements::AUTHOR;
use crate::elements::filter;
use crate::elements::layout::Layout;
use crate::elements::signals::SharedStore;
use crate::elements::video;
use crate::meta::BATCH_CAPS;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvpinference", gst::DebugColorFlags::empty(), Some("Inference"))
});

/// Buffers between the pads beside those in the model: one waits for it, one is being pushed.
const BESIDE_MODEL: usize = 2;

/// What the streaming thread knows of the stream.
#[derive(Default)]
pub(super) struct Stream {
    pub(super) layout: Option<Arc<Layout>>,
    pub(super) segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    /// Those in the batches, when batches come.
    pub(super) streams: Option<Streams>,
}

pub struct NvpInference {
    pub(super) sink: gst::Pad,
    pub(super) src: gst::Pad,
    settings: Mutex<Settings>,
    /// The settings that were made those in force last.
    pub(super) applied: Mutex<Option<Box<Settings>>>,
    /// The settings at the start, while frames flow.
    running: Mutex<Option<Box<Settings>>>,
    /// The loaded model, from READY on.
    pub(super) pool: Mutex<Option<Arc<Pool>>>,
    pub(super) loader: Mutex<Loader>,
    pub(super) member: Arc<Member>,
    /// The stream of frames, when no batches come.
    pub(super) own: Arc<Channel>,
    pub(super) stream: Mutex<Stream>,
    element: Mutex<Arc<str>>,
    /// What the model is called where an element before this one uses the same id.
    pub(super) alias: Mutex<Option<Arc<str>>>,
    pub(super) asynchronous: AtomicBool,
    /// Latency that was last reported, in nanoseconds.
    pub(super) latency: AtomicU64,
    /// Downstream said that it does not read GstVideoMeta.
    pub(super) packed_only: AtomicBool,
    pub(super) nonfinite_told: AtomicBool,
    /// The signals of the pipeline, once they were asked for.
    pub(super) store: Mutex<Option<SharedStore>>,
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
        let member = Arc::new(Member::new());
        Self {
            sink,
            src,
            settings: Mutex::default(),
            applied: Mutex::default(),
            running: Mutex::default(),
            pool: Mutex::default(),
            loader: Mutex::default(),
            own: Arc::new(Channel::new(member.clone(), None)),
            member,
            stream: Mutex::default(),
            element: Mutex::default(),
            alias: Mutex::default(),
            asynchronous: AtomicBool::new(false),
            latency: AtomicU64::new(0),
            packed_only: AtomicBool::new(false),
            nonfinite_told: AtomicBool::new(false),
            store: Mutex::default(),
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
        let playing = lock(&self.running).is_some();
        match changed {
            Changed::Start if playing => {
                let name = pspec.name();
                gst::warning!(CAT, imp = self, "{name} takes effect after the next change to READY");
            }
            Changed::Load if playing => self.reload(),
            Changed::Start | Changed::Load => {}
            // Loading the model takes all settings over.
            Changed::Parameters if lock(&self.pool).is_none() => {}
            Changed::Parameters => {
                self.apply(&self.settings());
            }
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.stats().to_value(),
            "generation" => self.member.config().generation.to_value(),
            "active-provider" => self.model().map(|model| model.provider.to_string()).to_value(),
            name => lock(&self.settings).get(name),
        }
    }
}

impl GstObjectImpl for NvpInference {}

impl ElementImpl for NvpInference {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Inference",
                "Filter/Analyzer/Video",
                "Detects, classifies, segments or describes objects with an ONNX model and attaches what it finds to the buffers as metadata; pixels are not changed",
                AUTHOR,
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let mut caps = video::raw_caps();
            caps.make_mut().append(gst::Caps::new_empty_simple(BATCH_CAPS));
            filter::templates(&caps)
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
            gst::StateChange::PausedToReady => self.close(),
            _ => {}
        }
        let result = self.parent_change_state(transition);
        match transition {
            gst::StateChange::ReadyToPaused if result.is_err() => self.stop(),
            gst::StateChange::PausedToReady => self.stop(),
            gst::StateChange::ReadyToNull => {
                let pool = lock(&self.pool).take();
                drop(pool);
            }
            _ => {}
        }
        result
    }
}

impl NvpInference {
    /// The settings as they count now: while frames flow some wait for the next start.
    pub(super) fn settings(&self) -> Settings {
        let start = lock(&self.running).clone();
        let settings = lock(&self.settings).clone();
        match start {
            Some(start) => settings.since(&start),
            None => settings,
        }
    }

    /// Takes over from `other` what those who share a model have to set alike.
    pub(super) fn take_over(&self, other: &Settings) {
        lock(&self.settings).follow(other);
        if let Some(running) = lock(&self.running).as_mut() {
            running.follow(other);
        }
        self.obj().notify("model");
    }

    /// The model in force.
    pub(super) fn model(&self) -> Option<Arc<Model>> {
        let pool = lock(&self.pool).clone();
        pool.map(|pool| pool.model())
    }

    fn stats(&self) -> gst::Structure {
        let level = self.member.flow.level();
        let mut stats = self.member.stats().to_structure(level);
        let pool = lock(&self.pool).clone();
        if let Some(pool) = pool {
            pool.describe(&mut stats);
        }
        stats
    }

    /// This element's name, as provenance keeps it.
    pub(super) fn name_in_provenance(&self) -> Arc<str> {
        lock(&self.element).clone()
    }

    fn start(&self) -> Result<(), gst::StateChangeError> {
        let Some(pool) = lock(&self.pool).clone() else { return Err(gst::StateChangeError) };
        let settings = Box::new(self.settings());
        *lock(&self.stream) = Stream::default();
        *lock(&self.element) = self.obj().name().as_str().into();
        *lock(&self.alias) = None;
        *self.member.stats() = Default::default();
        *lock(&self.own.scheduler) = Default::default();
        *lock(&self.own.gate) = Default::default();
        *lock(&self.store) = None;
        lock(&self.own.cascade).clear();
        self.packed_only.store(false, Ordering::Relaxed);
        self.nonfinite_told.store(false, Ordering::Relaxed);
        let beside = settings.mode == Mode::Async;
        self.asynchronous.store(beside, Ordering::Relaxed);
        let seat = if beside {
            self.own.mailbox.open();
            pool.join(User::Mailbox(self.own.clone()), 1)
        } else {
            let shared = pool.name.is_some();
            let limit = if shared { settings.sharing.max_in_flight as usize } else { pool.workers() };
            self.member.flow.open(limit + BESIDE_MODEL);
            pool.join(User::Line(self.member.clone()), limit)
        };
        self.own.seat.store(seat, Ordering::Relaxed);
        *lock(&self.running) = Some(settings);
        Ok(())
    }

    /// No frame gets in any more.
    fn close(&self) {
        let dropped = self.member.flow.close().frames + self.own.mailbox.close();
        self.member.stats().flushed += dropped;
    }

    fn stop(&self) {
        self.join_loader();
        self.close();
        let running = lock(&self.running).take();
        let streams = lock(&self.stream).streams.take();
        let (Some(_), Some(pool)) = (running, lock(&self.pool).clone()) else { return };
        if let Some(streams) = streams {
            streams.close(|seat| pool.leave(seat));
        }
        pool.leave(self.own.seat());
    }
}
