// Locks: one, never held across a call into GStreamer. Branches come and go on the streaming thread alone.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::branch::{Branch, Counts, Report, outcome};
use crate::batch::{Outcome, combined};
use crate::elements::{AUTHOR, batch, packing};
use crate::meta::{BATCH_CAPS, BatchContent, BatchItem, BatchMeta, BatchStream};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvpbatchdemux", gst::DebugColorFlags::empty(), Some("Streams of batches"))
});

/// What lives from start to stop.
#[derive(Default)]
struct State {
    /// By the number of the pad.
    branches: BTreeMap<u32, Branch>,
    batches: u64,
    /// Of branches that are gone.
    gone: Counts,
}

pub struct NvpBatchDemux {
    sink: gst::Pad,
    state: Mutex<Option<State>>,
    /// The statistics of the last run, once it has ended.
    last_run: Mutex<Option<gst::Structure>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[glib::object_subclass]
impl ObjectSubclass for NvpBatchDemux {
    const NAME: &'static str = "NvpBatchDemux";
    type Type = super::NvpBatchDemux;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let template = class.pad_template("sink").expect("a template names the sink pad");
        let sink = gst::Pad::builder_from_template(&template)
            .chain_function(|_pad, parent, buffer| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |demux| demux.take_batch(buffer),
                )
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |demux| demux.take_event(pad, event))
            })
            .build();
        Self { sink, state: Mutex::default(), last_run: Mutex::default() }
    }
}

impl ObjectImpl for NvpBatchDemux {
    fn constructed(&self) {
        self.parent_constructed();
        self.obj().add_pad(&self.sink).expect("a new element has no pads");
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            vec![
                glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                    .nick("Statistics")
                    .blurb("Counts of batches, of frames that were taken, of those that were copied into the layout of their caps for a branch that reads no other, and of those that were dropped by reason, in all and by stream")
                    .read_only()
                    .build(),
            ]
        });
        &PROPERTIES
    }

    fn property(&self, _id: usize, _pspec: &glib::ParamSpec) -> glib::Value {
        self.stats().to_value()
    }
}

impl GstObjectImpl for NvpBatchDemux {}

impl ElementImpl for NvpBatchDemux {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Batch demuxer",
                "Demuxer/Video",
                "Makes the streams of a batch again; one that fails does not stop the others",
                AUTHOR,
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let batches = gst::Caps::new_empty_simple(BATCH_CAPS);
            let video = gst::Caps::builder("video/x-raw").any_features().build();
            let (always, sometimes) = (gst::PadPresence::Always, gst::PadPresence::Sometimes);
            let sink = gst::PadTemplate::new("sink", gst::PadDirection::Sink, always, &batches);
            let src = gst::PadTemplate::new("src_%u", gst::PadDirection::Src, sometimes, &video);
            [sink, src].map(|template| template.expect("a static template is valid")).into()
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            *lock(&self.state) = Some(State::default());
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady {
            let stats = self.stats();
            *lock(&self.last_run) = Some(stats);
            let state = lock(&self.state).take();
            for branch in state.into_iter().flat_map(|state| state.branches.into_values()) {
                let _ = self.obj().remove_pad(&branch.pad);
            }
        }
        result
    }
}

impl NvpBatchDemux {
    fn take_batch(&self, mut buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some(batch) = BatchMeta::take(buffer.make_mut()) else {
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                ("A buffer came that is no batch: only what nvpbatchmux makes can be taken apart")
            );
            return Err(gst::FlowError::Error);
        };
        drop(buffer);
        lock(&self.state).as_mut().ok_or(gst::FlowError::Flushing)?.batches += 1;
        for item in batch.items {
            self.deliver(item);
        }
        let state = lock(&self.state);
        let branches = state.as_ref().ok_or(gst::FlowError::Flushing)?.branches.values();
        match combined(branches.map(|branch| branch.outcome)) {
            Outcome::Failed => Err(gst::FlowError::Error),
            Outcome::Ended => Err(gst::FlowError::Eos),
            _ => Ok(gst::FlowSuccess::Ok),
        }
    }

    fn deliver(&self, BatchItem { stream, content }: BatchItem) {
        match content {
            BatchContent::Frame(frame) => self.deliver_frame(&stream, frame),
            BatchContent::Event(event) => self.deliver_event(&stream, event),
            BatchContent::Released => self.end(stream.pad()),
        }
    }

    fn deliver_frame(&self, stream: &BatchStream, frame: gst::Buffer) {
        let start = || gst::event::StreamStart::new(stream.id());
        let Some(pad) = self.pad(stream).or_else(|| self.add(stream, start())) else { return };
        let lacking = self.with(stream, |branch| branch.lacking(stream)).unwrap_or_default();
        for event in lacking {
            pad.push_event(event);
        }
        let frame = self.pack(stream, &pad, frame);
        let outcome = outcome(frame.and_then(|frame| pad.push(frame)));
        let report = self.with(stream, |branch| branch.count(outcome)).flatten();
        match report {
            None => {}
            Some(Report::Dropping(reason)) => {
                gst::info!(CAT, imp = self, "Frames of stream {} are dropped: {reason}", stream.pad());
                batch::report(&*self.obj(), "nvp-stream-dropping", stream, |s| s.field("reason", reason));
            }
            Some(Report::Resumed) => batch::report(&*self.obj(), "nvp-stream-resumed", stream, |s| s),
        }
    }

    /// The frame in the layout that its caps alone describe, when its branch reads no other. The muxer promises its sources
    /// that any layout will do, whoever is behind.
    fn pack(
        &self,
        stream: &BatchStream,
        pad: &gst::Pad,
        frame: gst::Buffer,
    ) -> Result<gst::Buffer, gst::FlowError> {
        if frame.meta::<gst_video::VideoMeta>().is_none() {
            return Ok(frame);
        }
        if pad.check_reconfigure() {
            self.with(stream, |branch| branch.set_reads_any_layout(None));
        }
        let Some(info) = self.with(stream, |branch| branch.layout_instead(&frame)).flatten() else {
            return Ok(frame);
        };
        if self.reads_any_layout(stream, pad) {
            return Ok(frame);
        }
        self.with(stream, Branch::count_repacked);
        packing::packed(&frame, &info).ok_or_else(|| {
            gst::warning!(CAT, imp = self, "Planes of a frame of stream {} cannot be copied", stream.pad());
            gst::FlowError::Error
        })
    }

    /// Asks a branch, once for its caps and whoever is linked.
    fn reads_any_layout(&self, stream: &BatchStream, pad: &gst::Pad) -> bool {
        if let Some(known) = self.with(stream, |branch| branch.reads_any_layout()).flatten() {
            return known;
        }
        let mut query = gst::query::Allocation::new(stream.caps().map(ToOwned::to_owned).as_ref(), false);
        let answered = pad.peer_query(&mut query);
        let reads = answered && query.find_allocation_meta::<gst_video::VideoMeta>().is_some();
        self.with(stream, |branch| branch.set_reads_any_layout(Some(reads)));
        reads
    }

    fn deliver_event(&self, stream: &BatchStream, event: gst::Event) {
        if event.type_() == gst::EventType::Eos {
            // An end that a flush has overtaken is none.
            return match self.with(stream, |branch| branch.is_flushing()) {
                Some(true) => {}
                _ => self.end(stream.pad()),
            };
        }
        let Some(pad) = self.pad(stream) else {
            // What belongs to a stream that has not begun is of no use to anybody.
            if event.type_() == gst::EventType::StreamStart {
                self.add(stream, event);
            }
            return;
        };
        for event in self.with(stream, |branch| branch.follow(event)).unwrap_or_default() {
            pad.push_event(event);
        }
    }

    /// Begins a branch's flush, which frees who is blocked in it.
    fn flush(&self, number: u32, start: gst::Event) {
        let pad = lock(&self.state).as_mut().and_then(|state| {
            let branch = state.branches.get_mut(&number)?;
            branch.begin_flush(start.seqnum());
            Some(branch.pad.clone())
        });
        if let Some(pad) = pad {
            pad.push_event(start);
        }
    }

    fn pad(&self, stream: &BatchStream) -> Option<gst::Pad> {
        self.with(stream, |branch| branch.pad.clone())
    }

    /// Adds the pad of a stream that begins; `start` is the first that goes out on it.
    fn add(&self, stream: &BatchStream, start: gst::Event) -> Option<gst::Pad> {
        let pad = self.new_pad(stream.pad())?;
        let mut branch = Branch::new(pad.clone());
        let _ = pad.set_active(true);
        branch.see(&start);
        pad.push_event(start);
        lock(&self.state).as_mut()?.branches.insert(stream.pad(), branch);
        gst::info!(CAT, imp = self, "Stream {} on pad {}", stream.name(), pad.name());
        if let Err(error) = self.obj().add_pad(&pad) {
            gst::warning!(CAT, imp = self, "Pad {} cannot be added: {error}", pad.name());
        }
        Some(pad)
    }

    fn new_pad(&self, number: u32) -> Option<gst::Pad> {
        let template = self.obj().pad_template("src_%u")?;
        let pad = gst::Pad::builder_from_template(&template)
            .name(format!("src_{number}"))
            .event_function(move |_pad, parent, event| {
                Self::catch_panic_pad_function(
                    parent,
                    || false,
                    |demux| demux.sink.push_event(batch::wrap_event(number, event)),
                )
            })
            .query_function(move |pad, parent, query| {
                Self::catch_panic_pad_function(
                    parent,
                    || false,
                    |demux| {
                        batch::ask(&demux.sink, number, query)
                            || gst::Pad::query_default(pad, Some(&*demux.obj()), query)
                    },
                )
            })
            .build();
        Some(pad)
    }

    fn with<R>(&self, stream: &BatchStream, f: impl FnOnce(&mut Branch) -> R) -> Option<R> {
        lock(&self.state).as_mut()?.branches.get_mut(&stream.pad()).map(f)
    }

    /// Ends a branch: its pad goes.
    fn end(&self, number: u32) {
        let mut branch = {
            let mut state = lock(&self.state);
            let Some(state) = state.as_mut() else { return };
            let Some(branch) = state.branches.remove(&number) else { return };
            state.gone.add(&branch.counts());
            branch
        };
        gst::info!(CAT, imp = self, "Stream on pad {} has ended", branch.pad.name());
        if let Some(stop) = branch.cut_flush() {
            branch.pad.push_event(stop);
        }
        branch.pad.push_event(gst::event::Eos::new());
        let _ = branch.pad.set_active(false);
        let _ = self.obj().remove_pad(&branch.pad);
    }

    /// The events of the stream of batches. What the streams have to say is in the batches.
    fn take_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        match event.type_() {
            gst::EventType::StreamStart
            | gst::EventType::Caps
            | gst::EventType::Segment
            | gst::EventType::Tag
            | gst::EventType::Gap => true,
            gst::EventType::Eos => {
                let numbers: Vec<_> = {
                    let state = lock(&self.state);
                    state.iter().flat_map(|state| state.branches.keys().copied()).collect()
                };
                numbers.into_iter().for_each(|number| self.end(number));
                true
            }
            gst::EventType::FlushStop => {
                if let Some(state) = lock(&self.state).as_mut() {
                    state.branches.values_mut().for_each(|branch| branch.see(&event));
                }
                gst::Pad::event_default(pad, Some(&*self.obj()), event)
            }
            gst::EventType::CustomDownstreamOob => match batch::wrapped_event(&event) {
                Some((number, start)) => {
                    self.flush(number, start);
                    true
                }
                None => gst::Pad::event_default(pad, Some(&*self.obj()), event),
            },
            _ => gst::Pad::event_default(pad, Some(&*self.obj()), event),
        }
    }

    fn stats(&self) -> gst::Structure {
        let running = lock(&self.state).as_ref().map(State::stats);
        let last = || lock(&self.last_run).clone();
        running.or_else(last).unwrap_or_else(|| gst::Structure::new_empty(STATS))
    }
}

const STATS: &str = "application/x-nvp-batch-demux-stats";

impl State {
    fn stats(&self) -> gst::Structure {
        let mut total = self.gone;
        let streams = self.branches.values().map(|branch| {
            total.add(&branch.counts());
            let stream = gst::Structure::builder("stream").field("pad", branch.pad.name().as_str());
            branch.counts().fields(stream).build().to_send_value()
        });
        let streams = gst::Array::new(streams);
        let stats = gst::Structure::builder(STATS).field("batches", self.batches);
        total.fields(stats).field("streams", streams).build()
    }
}
