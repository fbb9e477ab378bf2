// Locks: `state` and `settings` are never held together, and none across a call into GStreamer. A pad's are taken after
// `state` where a pad is enrolled, and nowhere else together with another one. `state` is the lock of both kinds of
// condition variables.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::settings::{Settings, properties};
use super::{NvpBatchMuxPad, output};
use crate::batch::{Counts, Form, Former, StreamKey};
use crate::elements::provenance::now;
use crate::elements::{AUTHOR, batch};
use crate::meta::{BATCH_CAPS, BatchContent, BatchStream};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvpbatchmux", gst::DebugColorFlags::empty(), Some("Batches of many streams"))
});

/// A frame that waits.
pub(super) struct Frame {
    pub(super) pad: NvpBatchMuxPad,
    pub(super) stream: BatchStream,
    pub(super) buffer: gst::Buffer,
    /// Running time in nanoseconds.
    pub(super) time: Option<u64>,
    /// When it came.
    pub(super) arrived: u64,
}

/// What waits beside frames: an event, or that the pad is gone.
pub(super) struct Word {
    pub(super) stream: BatchStream,
    pub(super) content: BatchContent,
}

/// What lives from start to stop.
pub(super) struct State {
    pub(super) former: Former<Frame, Word>,
    pub(super) members: BTreeMap<StreamKey, Member>,
    /// The task is to end.
    pub(super) stopping: bool,
    /// Why no more frames are taken; nor anything else, unless downstream has had enough.
    pub(super) refusal: Option<gst::FlowError>,
    /// How many streams have begun, perhaps again after a flush.
    pub(super) begun: u64,
    /// A batch is on its way into downstream.
    pub(super) pushing: bool,
    /// Downstream knows what comes.
    pub(super) announced: bool,
    /// The output has ended, and nothing has come since.
    pub(super) over: bool,
    /// It does not end with the last stream.
    pub(super) keep_alive: bool,
    /// Frames that were dropped because their streams had no caps.
    pub(super) without_caps: u64,
    /// The latest running time of a batch.
    pub(super) time: u64,
    pub(super) element: Arc<str>,
    /// Empty between batches; kept for its memory.
    pub(super) forms: Vec<(StreamKey, Form<Frame, Word>)>,
}

/// A pad whose stream is in the former.
pub(super) struct Member {
    pub(super) pad: NvpBatchMuxPad,
    /// Wakes who waits for room in the stream's queue.
    pub(super) room: Arc<Condvar>,
    pub(super) flushing: bool,
}

pub struct NvpBatchMux {
    pub(super) src: gst::Pad,
    settings: Mutex<Settings>,
    pub(super) state: Mutex<Option<State>>,
    /// Wakes the task.
    pub(super) work: Condvar,
    next_pad: AtomicU32,
    /// Somebody was told that the streams' latencies do not fit the settings.
    pub(super) misfit_told: AtomicBool,
    /// The statistics of the last run, once it has ended.
    last_run: Mutex<Option<gst::Structure>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[glib::object_subclass]
impl ObjectSubclass for NvpBatchMux {
    const NAME: &'static str = "NvpBatchMux";
    type Type = super::NvpBatchMux;
    type ParentType = gst::Element;
    type Interfaces = (gst::ChildProxy,);

    fn with_class(class: &Self::Class) -> Self {
        let template = class.pad_template("src").expect("a template names the source pad");
        Self {
            src: output::pad(&template),
            settings: Mutex::default(),
            state: Mutex::default(),
            work: Condvar::new(),
            next_pad: AtomicU32::new(0),
            misfit_told: AtomicBool::new(false),
            last_run: Mutex::default(),
        }
    }
}

impl ObjectImpl for NvpBatchMux {
    fn constructed(&self) {
        self.parent_constructed();
        self.obj().add_pad(&self.src).expect("a new element has no pads");
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let (before, settings) = {
            let mut settings = lock(&self.settings);
            let before = *settings;
            settings.set(pspec.name(), value);
            (before, *settings)
        };
        if let Some(state) = lock(&self.state).as_mut() {
            state.former.set_policy(settings.policy());
            state.keep_alive = settings.keep_alive;
            state.wake();
        }
        self.work.notify_one();
        if before.max_latency() != settings.max_latency() {
            self.latency_changed();
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.stats().to_value(),
            name => lock(&self.settings).get(name),
        }
    }
}

impl GstObjectImpl for NvpBatchMux {}

impl ChildProxyImpl for NvpBatchMux {
    fn child_by_index(&self, index: u32) -> Option<glib::Object> {
        self.obj().sink_pads().into_iter().nth(index as usize).map(Cast::upcast)
    }

    fn child_by_name(&self, name: &str) -> Option<glib::Object> {
        self.obj().static_pad(name).filter(|pad| pad.direction() == gst::PadDirection::Sink).map(Cast::upcast)
    }

    fn children_count(&self) -> u32 {
        self.obj().num_sink_pads().into()
    }
}

impl ElementImpl for NvpBatchMux {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Batch muxer",
                "Muxer/Video",
                "Gathers the frames of many streams into batches without copying pixels; streams may come and go",
                AUTHOR,
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let video = gst::Caps::builder("video/x-raw").any_features().build();
            let sink = gst::PadTemplate::with_gtype(
                "sink_%u",
                gst::PadDirection::Sink,
                gst::PadPresence::Request,
                &video,
                NvpBatchMuxPad::static_type(),
            );
            let batches = gst::Caps::new_empty_simple(BATCH_CAPS);
            let src =
                gst::PadTemplate::new("src", gst::PadDirection::Src, gst::PadPresence::Always, &batches);
            [sink, src].map(|template| template.expect("a static template is valid")).into()
        });
        &TEMPLATES
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        let wanted = name.and_then(|name| name.strip_prefix("sink_")?.parse::<u32>().ok());
        let number = wanted.unwrap_or_else(|| self.next_pad.load(Ordering::SeqCst));
        self.next_pad.fetch_max(number.saturating_add(1), Ordering::SeqCst);
        let pad = self.new_pad(template, number);
        if self.obj().add_pad(&pad).is_err() {
            gst::warning!(CAT, imp = self, "There is a pad {} already", pad.name());
            self.expel(&pad);
            return None;
        }
        // The element may have started meanwhile.
        self.enroll(&pad);
        self.obj().child_added(&pad, &pad.name());
        Some(pad.upcast())
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let Some(own) = pad.downcast_ref::<NvpBatchMuxPad>() else { return };
        let stream = own.imp().stream();
        let expelled = self.expel(own);
        let _ = pad.set_active(false);
        self.obj().child_removed(pad, &pad.name());
        let _ = self.obj().remove_pad(pad);
        if expelled && own.imp().has_to_report_end() {
            gst::info!(CAT, imp = self, "{} is released", stream.name());
            batch::report(&*self.obj(), "nvp-stream-ended", &stream, |s| s.field("reason", "released"));
        }
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::ReadyToPaused => self.start(),
            gst::StateChange::PausedToPlaying => self.watch(true),
            gst::StateChange::PlayingToPaused => self.watch(false),
            _ => {}
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady {
            let stats = self.stats();
            *lock(&self.last_run) = Some(stats);
            *lock(&self.state) = None;
        }
        result
    }
}

impl State {
    /// Why nothing at all may come or go. Downstream that wants no more frames still wants to hear that streams end.
    pub(super) fn halted(&self) -> Option<gst::FlowError> {
        self.refusal.filter(|why| *why != gst::FlowError::Eos)
    }

    /// Wakes all who wait for room.
    pub(super) fn wake(&self) {
        self.members.values().for_each(|member| member.room.notify_all());
    }
}

impl NvpBatchMux {
    fn start(&self) {
        let settings = *lock(&self.settings);
        self.misfit_told.store(false, Ordering::Relaxed);
        let mut former = Former::new(settings.policy());
        former.watch(false, now());
        *lock(&self.state) = Some(State {
            former,
            members: BTreeMap::new(),
            stopping: false,
            refusal: None,
            begun: 0,
            pushing: false,
            announced: false,
            over: false,
            keep_alive: settings.keep_alive,
            without_caps: 0,
            time: 0,
            element: self.obj().name().as_str().into(),
            forms: Vec::new(),
        });
        for pad in self.obj().sink_pads() {
            if let Ok(pad) = pad.downcast::<NvpBatchMuxPad>() {
                self.enroll(&pad);
            }
        }
    }

    /// Watches for silence, or does not: a camera that is paused has nothing to say.
    fn watch(&self, playing: bool) {
        if let Some(state) = lock(&self.state).as_mut() {
            state.former.watch(playing, now());
        }
        self.work.notify_one();
    }

    /// Gives a pad's stream a place, while the element runs.
    pub(super) fn enroll(&self, pad: &NvpBatchMuxPad) {
        let number = pad.name().strip_prefix("sink_").and_then(|number| number.parse().ok());
        let mut state = lock(&self.state);
        let Some(state) = state.as_mut() else { return };
        if state.members.values().any(|member| member.pad == *pad) {
            return;
        }
        let key = state.former.add(false, now());
        let member = Member { pad: pad.clone(), room: Arc::default(), flushing: false };
        state.members.insert(key, member);
        // Nothing else is locked with a pad, and nobody knows the key yet.
        pad.imp().enroll(key, number.unwrap_or_default());
    }

    /// Takes a pad's stream out, and wakes who waits in it. True when it was there.
    fn expel(&self, pad: &NvpBatchMuxPad) -> bool {
        let stream = pad.imp().stream();
        let Some(key) = pad.imp().dismiss() else { return false };
        let mut state = lock(&self.state);
        let Some(state) = state.as_mut() else { return false };
        state.former.remove(key, Word { stream, content: BatchContent::Released });
        if let Some(member) = state.members.remove(&key) {
            member.room.notify_all();
        }
        self.work.notify_one();
        true
    }

    pub(super) fn settings(&self) -> Settings {
        *lock(&self.settings)
    }

    pub(super) fn latency_changed(&self) {
        let element = self.obj();
        let _ = element.post_message(gst::message::Latency::builder().src(&*element).build());
    }

    fn stats(&self) -> gst::Structure {
        let running = lock(&self.state).as_ref().map(State::stats);
        let last = || lock(&self.last_run).clone();
        running.or_else(last).unwrap_or_else(|| gst::Structure::new_empty(STATS))
    }
}

const STATS: &str = "application/x-nvp-batch-mux-stats";

impl State {
    fn stats(&self) -> gst::Structure {
        let (batches, frames) = self.former.batches();
        let formation = self.former.formation();
        let streams = self.members.iter().filter_map(|(key, member)| {
            let (counts, waiting) = self.former.counts(*key)?;
            let stream = gst::Structure::builder("stream").field("pad", member.pad.name().as_str());
            Some(counted(stream, &counts).field("waiting", waiting as u64).build().to_send_value())
        });
        let streams = gst::Array::new(streams);
        counted(gst::Structure::builder(STATS), &self.former.total())
            .field("dropped-no-caps", self.without_caps)
            .field("batches", batches)
            .field("frames", frames)
            .field("fill", self.former.fill())
            .field("formation-p50", formation.quantile(0.50))
            .field("formation-p95", formation.quantile(0.95))
            .field("formation-p99", formation.quantile(0.99))
            .field("streams", streams)
            .build()
    }
}

fn counted(structure: gst::structure::Builder, counts: &Counts) -> gst::structure::Builder {
    structure
        .field("accepted", counts.accepted)
        .field("served", counts.served)
        .field("dropped-overflow", counts.overflow)
        .field("dropped-flush", counts.flushed)
        .field("dropped-downstream", counts.unwanted)
}
