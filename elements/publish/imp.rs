//! Locks: `settings` alone, `last_run` alone; `state`, then the queue's own. None is held across a push, an
//! event, a message or a wait for the writer.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::SystemTime;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::frame::Stream;
use super::queue::{Counters, Push, Queue, Refused};
use super::sink::{Sink, Target};
use super::writer::{Notice, Writer};
use super::{Format, Policy};
use crate::elements::AUTHOR;
use crate::elements::filter::{self, MetaFilter};
use crate::record::Timestamp;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "nvppublish",
        gst::DebugColorFlags::empty(),
        Some("Publishing what a video shows"),
    )
});

#[derive(Clone, Debug)]
struct Settings {
    location: Option<String>,
    format: Format,
    embeddings: bool,
    snapshots: bool,
    policy: Policy,
    queue_size: u32,
    feed: Option<Arc<str>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            location: None,
            format: Format::default(),
            embeddings: false,
            snapshots: false,
            policy: Policy::default(),
            queue_size: 256,
            feed: None,
        }
    }
}

struct State {
    stream: Stream,
    writer: Writer,
}

pub struct Publish {
    sinkpad: gst::Pad,
    srcpad: gst::Pad,
    settings: Mutex<Settings>,
    state: Mutex<Option<State>>,
    /// The counts of the last run, once it has ended.
    last_run: Mutex<Counters>,
}

#[glib::object_subclass]
impl ObjectSubclass for Publish {
    const NAME: &'static str = "GstNvpPublish";
    type Type = super::Publish;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let (sinkpad, srcpad) = filter::pads::<Self>(|name| class.pad_template(name));
        Self {
            sinkpad,
            srcpad,
            settings: Mutex::default(),
            state: Mutex::default(),
            last_run: Mutex::default(),
        }
    }
}

impl ObjectImpl for Publish {
    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        obj.add_pad(&self.sinkpad).expect("a new element has no pads");
        obj.add_pad(&self.srcpad).expect("a new element has no pads");
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        if self.state.lock().unwrap().is_some() {
            gst::warning!(CAT, imp = self, "{} can be changed in NULL and READY only", pspec.name());
            return;
        }
        let mut settings = self.settings.lock().unwrap();
        match pspec.name() {
            "location" => settings.location = value.get().expect("checked by GObject"),
            "format" => settings.format = value.get().expect("checked by GObject"),
            "embeddings" => settings.embeddings = value.get().expect("checked by GObject"),
            "event-snapshots" => settings.snapshots = value.get().expect("checked by GObject"),
            "policy" => settings.policy = value.get().expect("checked by GObject"),
            "queue-size" => settings.queue_size = value.get().expect("checked by GObject"),
            "feed" => {
                let feed: Option<String> = value.get().expect("checked by GObject");
                settings.feed = feed.map(Into::into);
            }
            name => unreachable!("no property {name}"),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() == "stats" {
            return self.stats().to_value();
        }
        let settings = self.settings.lock().unwrap();
        match pspec.name() {
            "location" => settings.location.to_value(),
            "format" => settings.format.to_value(),
            "embeddings" => settings.embeddings.to_value(),
            "event-snapshots" => settings.snapshots.to_value(),
            "policy" => settings.policy.to_value(),
            "queue-size" => settings.queue_size.to_value(),
            "feed" => settings.feed.as_deref().to_value(),
            name => unreachable!("no property {name}"),
        }
    }
}

fn properties() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    vec![
        glib::ParamSpecString::builder("location")
            .nick("Location")
            .blurb("Where the lines go: a file's path, - for standard output, or unix:PATH for a listening stream socket (no default, required)")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("format", default.format)
            .nick("Format")
            .blurb("How a frame is written (default json)")
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("embeddings")
            .nick("Embeddings")
            .blurb("Write appearance vectors too, hundreds of numbers an object (default false)")
            .default_value(default.embeddings)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("event-snapshots")
            .nick("Event snapshots")
            .blurb("Write on every frame the events that go on, too, rather than each change once (default false)")
            .default_value(default.snapshots)
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("policy", default.policy)
            .nick("Policy")
            .blurb("What happens when lines come faster than they can be written (default block)")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("queue-size")
            .nick("Queue size")
            .blurb("Most lines that wait to be written, in frames (default 256)")
            .minimum(1)
            .maximum(65_536)
            .default_value(default.queue_size)
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("feed")
            .nick("Feed")
            .blurb("Id of the feed in the lines (default: the one in the frame's provenance, or else the stream id)")
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Counts since the last start, in lines and bytes (read-only)")
            .read_only()
            .build(),
    ]
}

impl GstObjectImpl for Publish {}

impl ElementImpl for Publish {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Perception publisher",
                "Filter/Analyzer/Video",
                "Writes what earlier elements found on each frame as JSON lines or MOTChallenge text",
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
        match transition {
            gst::StateChange::ReadyToPaused => self.start().map_err(|error| {
                self.post_error_message(error);
                gst::StateChangeError
            })?,
            gst::StateChange::PausedToReady => self.set_flushing(true),
            _ => (),
        }
        let result = self.parent_change_state(transition);
        let ended = transition == gst::StateChange::PausedToReady;
        if ended || transition == gst::StateChange::ReadyToPaused && result.is_err() {
            self.stop();
        }
        result
    }
}

impl MetaFilter for Publish {
    fn see(&self, event: &gst::Event) -> bool {
        match event.view() {
            gst::EventView::StreamStart(e) => {
                self.with_stream(|s| s.start(e.stream_id()));
            }
            gst::EventView::Caps(e) => {
                gst::debug!(CAT, imp = self, "Caps {}", e.caps());
                if self.with_stream(|s| s.set_caps(e.caps())) == Some(false) {
                    gst::error!(CAT, imp = self, "Caps without width and height: {}", e.caps());
                    return false;
                }
            }
            gst::EventView::Segment(e) => {
                self.with_stream(|s| s.set_segment(e.segment()));
            }
            gst::EventView::FlushStart(_) => self.set_flushing(true),
            gst::EventView::FlushStop(_) => {
                self.set_flushing(false);
                self.with_stream(Stream::flush);
            }
            gst::EventView::Eos(_) => self.drain(),
            _ => (),
        }
        true
    }

    fn handle(&self, buffer: gst::Buffer) -> Result<Option<gst::Buffer>, gst::FlowError> {
        gst::log!(CAT, imp = self, "Publishing {buffer:?}");
        match self.publish(&buffer)? {
            Push::Accepted => {}
            Push::Overflow => self.post("nvp-publish-overflow", |message| message),
        }
        Ok(Some(buffer))
    }

    fn src_pad(&self) -> &gst::Pad {
        &self.srcpad
    }
}

impl Publish {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = self.settings.lock().unwrap().clone();
        let location = settings.location.filter(|l| !l.is_empty()).ok_or_else(|| {
            gst::error_msg!(
                gst::ResourceError::NotFound,
                ("No location is set. Set location to a file's path, to - or to unix:PATH.")
            )
        })?;
        let target = Target::parse(&location);
        let sink = Sink::open(target.clone()).map_err(|error| {
            gst::error_msg!(
                gst::ResourceError::OpenWrite,
                ("Cannot write to {target}: {error}. {}", target.advice(&error))
            )
        })?;
        let queue = Queue::new(settings.queue_size as usize, settings.policy);
        let writer = self.start_writer(queue, sink, target)?;
        let stream = Stream::new(settings.format, settings.embeddings, settings.snapshots, settings.feed);
        *self.state.lock().unwrap() = Some(State { stream, writer });
        gst::info!(CAT, imp = self, "Writing {:?} to {location}", settings.format);
        Ok(())
    }

    fn start_writer(&self, queue: Queue, sink: Sink, target: Target) -> Result<Writer, gst::ErrorMessage> {
        let element = self.obj().downgrade();
        let tell = move |notice| {
            if let Some(element) = element.upgrade() {
                element.imp().announce(&target, notice);
            }
        };
        Writer::start(self.obj().name().into(), queue, sink, tell).map_err(|error| {
            gst::error_msg!(gst::ResourceError::Failed, ("Cannot start the writer thread: {error}."))
        })
    }

    /// Writes what waits, and joins the writer.
    fn stop(&self) {
        let state = self.state.lock().unwrap().take();
        let Some(State { writer, .. }) = state else {
            return;
        };
        let queue = writer.queue().clone();
        drop(writer);
        let (counters, _) = queue.counters();
        *self.last_run.lock().unwrap() = counters;
        gst::info!(CAT, imp = self, "Stopped: {counters:?}");
    }

    fn queue(&self) -> Option<Arc<Queue>> {
        self.state.lock().unwrap().as_ref().map(|s| s.writer.queue().clone())
    }

    fn set_flushing(&self, flushing: bool) {
        if let Some(queue) = self.queue() {
            queue.set_flushing(flushing);
        }
    }

    fn with_stream<T>(&self, update: impl FnOnce(&mut Stream) -> T) -> Option<T> {
        self.state.lock().unwrap().as_mut().map(|s| update(&mut s.stream))
    }

    fn publish(&self, buffer: &gst::BufferRef) -> Result<Push, gst::FlowError> {
        let (queue, line) = {
            let mut state = self.state.lock().unwrap();
            let State { stream, writer, .. } = state.as_mut().ok_or(gst::FlowError::Flushing)?;
            let mut line = writer.queue().spare();
            stream.write(&mut line, buffer, now())?;
            (writer.queue().clone(), line)
        };
        queue.push(line).map_err(|refused| match refused {
            Refused::Flushing => gst::FlowError::Flushing,
            Refused::Failed | Refused::Stalled => gst::FlowError::Error,
        })
    }

    /// Waits until all lines are written. What goes wrong has been told by the writer by then.
    fn drain(&self) {
        match self.queue().map(|queue| queue.drain()) {
            Some(Err(refused)) => gst::warning!(CAT, imp = self, "Not all lines are written: {refused:?}"),
            Some(Ok(())) | None => gst::debug!(CAT, imp = self, "All lines are written"),
        }
    }

    /// Tells what the writer has to tell, on its thread.
    fn announce(&self, target: &Target, notice: Notice) {
        match notice {
            Notice::Failed { error, undelivered } => {
                let full = error.kind() == std::io::ErrorKind::StorageFull;
                let code = if full { gst::ResourceError::NoSpaceLeft } else { gst::ResourceError::Write };
                gst::element_imp_error!(
                    self,
                    code,
                    ("Cannot write to {target}: {error}. Lines lost: {undelivered}.")
                );
            }
            Notice::Undelivered(lines) => gst::element_imp_warning!(
                self,
                gst::ResourceError::Write,
                ("The reader of {target} did not take the last lines in time. Lines lost: {lines}.")
            ),
            Notice::Lost(error) => {
                gst::warning!(CAT, imp = self, "Lost {target}: {error}");
                self.post("nvp-publish-lost", |message| message.field("reason", error.to_string()));
            }
            Notice::Back { dropped, outage } => {
                let outage = u64::try_from(outage.as_nanos()).unwrap_or(u64::MAX);
                gst::info!(CAT, imp = self, "{target} is back; lines dropped: {dropped}");
                self.post("nvp-publish-back", |message| {
                    message.field("dropped", dropped).field("outage", outage)
                });
            }
        }
    }

    /// Posts an element message with the location and what `fields` adds.
    fn post(&self, name: &str, fields: impl FnOnce(gst::structure::Builder) -> gst::structure::Builder) {
        let location = self.settings.lock().unwrap().location.clone();
        let structure = gst::Structure::builder(name).field("location", location);
        let element = self.obj();
        let message = gst::message::Element::builder(fields(structure).build()).src(&*element).build();
        if element.post_message(message).is_err() {
            gst::debug!(CAT, imp = self, "No bus for {name}");
        }
    }

    fn stats(&self) -> gst::Structure {
        let last_run = *self.last_run.lock().unwrap();
        let (counters, level) = self.queue().map_or((last_run, 0), |queue| queue.counters());
        gst::Structure::builder("application/x-nvp-publish-stats")
            .field("frames", counters.frames)
            .field("written", counters.written)
            .field("bytes", counters.bytes)
            .field("dropped-overflow", counters.dropped_overflow)
            .field("dropped-disconnected", counters.dropped_disconnected)
            .field("undelivered", counters.undelivered)
            .field("queue-level", level as u64)
            .field("errors", counters.errors)
            .field("reconnects", counters.reconnects)
            .build()
    }
}

/// The wall clock.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
