// Locks: no lock is held while another is taken. `shared.flow` has its own, see there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::JoinHandle;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::Mode;
use super::engine::Engine;
use super::loader::{Loaded, Loader};
use super::model::Model;
use super::settings::{Changed, Settings, properties};
use super::worker::{Shared, lock, work, work_beside};
use crate::elements::AUTHOR;
use crate::elements::layout::Layout;
use crate::elements::provenance::Feed;
use crate::elements::video;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvpinference", gst::DebugColorFlags::empty(), Some("Inference"))
});

/// Frames between the pads beside those in the workers: one waits for a worker, one is being pushed.
const BESIDE_WORKERS: usize = 2;

/// What the streaming thread knows of the stream.
#[derive(Default)]
pub(super) struct Stream {
    pub(super) layout: Option<Arc<Layout>>,
    pub(super) segment: Option<gst::FormattedSegment<gst::ClockTime>>,
}

/// The workers, and the settings that their engines were loaded with.
struct Running {
    settings: Box<Settings>,
    /// The serial of the model that they began with.
    serial: Option<u64>,
    threads: Vec<JoinHandle<Engine>>,
}

pub struct NvpInference {
    pub(super) sink: gst::Pad,
    pub(super) src: gst::Pad,
    settings: Mutex<Settings>,
    /// In READY, and until the workers have them.
    pub(super) engines: Mutex<Option<Loaded>>,
    running: Mutex<Option<Running>>,
    /// The model in force.
    pub(super) model: Mutex<Option<Arc<Model>>>,
    pub(super) loader: Mutex<Loader>,
    serial: AtomicU64,
    pub(super) shared: Arc<Shared>,
    pub(super) stream: Mutex<Stream>,
    element: Mutex<Arc<str>>,
    /// What the model is called where an element before this one uses the same id.
    pub(super) alias: Mutex<Option<Arc<str>>>,
    pub(super) feed: Feed,
    pub(super) asynchronous: AtomicBool,
    /// Latency that was last reported, in nanoseconds.
    pub(super) latency: AtomicU64,
    /// Downstream said that it does not read GstVideoMeta.
    pub(super) packed_only: AtomicBool,
    pub(super) nonfinite_told: AtomicBool,
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
            engines: Mutex::default(),
            running: Mutex::default(),
            model: Mutex::default(),
            loader: Mutex::default(),
            serial: AtomicU64::new(0),
            shared: Arc::new(Shared::new()),
            stream: Mutex::default(),
            element: Mutex::default(),
            alias: Mutex::default(),
            feed: Feed::default(),
            asynchronous: AtomicBool::new(false),
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
        let playing = lock(&self.running).is_some();
        match changed {
            Changed::Start if playing => {
                let name = pspec.name();
                gst::warning!(CAT, imp = self, "{name} takes effect after the next change to READY");
            }
            Changed::Load if playing => self.reload(),
            Changed::Start | Changed::Load => {}
            // Loading the model takes all settings over.
            Changed::Parameters if lock(&self.model).is_none() => {}
            Changed::Parameters => {
                self.apply(&self.settings());
            }
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.shared.stats().to_structure(self.shared.flow.level()).to_value(),
            "generation" => self.shared.config().generation.to_value(),
            "active-provider" => {
                let model = lock(&self.model).clone();
                model.map(|model| model.provider.to_string()).to_value()
            }
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
            gst::StateChange::PausedToReady => {
                self.shared.flow.close();
                self.shared.mailbox.close();
            }
            _ => {}
        }
        let result = self.parent_change_state(transition);
        match transition {
            gst::StateChange::ReadyToPaused if result.is_err() => self.stop(),
            gst::StateChange::PausedToReady => self.stop(),
            gst::StateChange::ReadyToNull => {
                drop(lock(&self.engines).take());
                drop(lock(&self.model).take());
            }
            _ => {}
        }
        result
    }
}

impl NvpInference {
    /// The settings as they count now: while frames flow some wait for the next start.
    pub(super) fn settings(&self) -> Settings {
        let start = lock(&self.running).as_ref().map(|running| running.settings.clone());
        let settings = lock(&self.settings).clone();
        match start {
            Some(start) => settings.since(&start),
            None => settings,
        }
    }

    /// This element's name, as provenance keeps it.
    pub(super) fn name_in_provenance(&self) -> Arc<str> {
        lock(&self.element).clone()
    }

    /// The number of the next model that is loaded.
    pub(super) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn start(&self) -> Result<(), gst::StateChangeError> {
        let Some(Loaded { settings, engines }) = lock(&self.engines).take() else {
            return Err(gst::StateChangeError);
        };
        *lock(&self.stream) = Stream::default();
        *lock(&self.element) = self.obj().name().as_str().into();
        *lock(&self.alias) = None;
        *self.shared.stats() = Default::default();
        *lock(&self.shared.scheduler) = Default::default();
        lock(&self.shared.cascade).clear();
        self.packed_only.store(false, Ordering::Relaxed);
        self.nonfinite_told.store(false, Ordering::Relaxed);
        let beside = settings.mode == Mode::Async;
        self.asynchronous.store(beside, Ordering::Relaxed);
        if beside {
            self.shared.mailbox.open();
        } else {
            self.shared.flow.open(engines.len() + BESIDE_WORKERS);
        }
        let serial = engines.first().map(|engine| engine.model.serial);
        let mut running = Running { settings, serial, threads: Vec::new() };
        for (i, engine) in engines.into_iter().enumerate() {
            let shared = self.shared.clone();
            let thread = std::thread::Builder::new().name(format!("{}:infer{i}", self.obj().name()));
            let work = move || if beside { work_beside(&shared, engine) } else { work(&shared, engine) };
            match thread.spawn(work) {
                Ok(thread) => running.threads.push(thread),
                Err(error) => {
                    gst::element_imp_error!(
                        self,
                        gst::ResourceError::NoSpaceLeft,
                        ("Cannot start a thread: {error}")
                    );
                    *lock(&self.running) = Some(running);
                    self.stop();
                    return Err(gst::StateChangeError);
                }
            }
        }
        *lock(&self.running) = Some(running);
        Ok(())
    }

    fn stop(&self) {
        self.join_loader();
        self.shared.flow.close();
        self.shared.mailbox.close();
        let Some(Running { settings, serial, threads }) = lock(&self.running).take() else { return };
        let engines: Option<Vec<Engine>> = threads.into_iter().map(|thread| thread.join().ok()).collect();
        lock(&self.shared.spare).clear();
        // After a change while playing the engines are not what the settings of the start describe: they are loaded
        // anew.
        let now = lock(&self.model).as_ref().map(|model| model.serial);
        if now == serial {
            *lock(&self.engines) = engines.map(|engines| Loaded { settings, engines });
        }
    }
}
