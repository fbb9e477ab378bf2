//! A sink pad of the muxer, and what it knows of its stream.
//
// Locks: none of the pad's is held together with another one or across a call into GStreamer.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::batch::StreamKey;
use crate::elements::provenance::Feed;
use crate::meta::{BatchStream, StreamFacts};
use crate::provenance::Stage;

/// Nanoseconds between two reports of dropped frames of a stream.
const REPORT_EVERY: u64 = 1_000_000_000;

#[derive(Default)]
pub struct NvpBatchMuxPad {
    /// The property `stream-name`; empty for none.
    name: Mutex<Arc<str>>,
    stream: Mutex<Stream>,
    feed: Feed,
}

/// What the events so far said of the stream.
#[derive(Default)]
struct Stream {
    /// Its key while the element runs.
    key: Option<StreamKey>,
    facts: StreamFacts,
    /// The number of the flush that has begun.
    flush: Option<gst::Seqnum>,
    /// The facts, until they change.
    shared: Option<BatchStream>,
    /// Upstream was asked whether it is live.
    asked: bool,
    /// Its end was reported.
    ended: bool,
    /// Frames without caps were reported.
    complained: bool,
    /// Dropped since the last report, and when that was.
    dropped: u64,
    reported: Option<u64>,
}

/// A frame with what its stream says of it.
pub(super) struct Described {
    pub(super) key: StreamKey,
    pub(super) stream: BatchStream,
    /// Running time in nanoseconds, if the frame has one.
    pub(super) time: Option<u64>,
}

/// Why a frame cannot be described.
pub(super) enum Unknown {
    /// The element does not run, or the pad is gone.
    Idle,
    /// The stream has no caps; true the first time.
    Caps(bool),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[glib::object_subclass]
impl ObjectSubclass for NvpBatchMuxPad {
    const NAME: &'static str = "NvpBatchMuxPad";
    type Type = super::NvpBatchMuxPad;
    type ParentType = gst::Pad;
}

impl ObjectImpl for NvpBatchMuxPad {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            vec![
                glib::ParamSpecString::builder("stream-name")
                    .nick("Stream name")
                    .blurb("What the stream is called in provenance, JSON and messages (default: the id in its stream-start event)")
                    .mutable_playing()
                    .build(),
            ]
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, _pspec: &glib::ParamSpec) {
        let name: Option<String> = value.get().unwrap_or_default();
        *lock(&self.name) = name.unwrap_or_default().into();
        lock(&self.stream).shared = None;
    }

    fn property(&self, _id: usize, _pspec: &glib::ParamSpec) -> glib::Value {
        let name = lock(&self.name);
        Some(&**name).filter(|name| !name.is_empty()).to_value()
    }
}

impl GstObjectImpl for NvpBatchMuxPad {}
impl PadImpl for NvpBatchMuxPad {}

impl NvpBatchMuxPad {
    /// The stream begins to count; nothing is known of it yet.
    pub(super) fn enroll(&self, key: StreamKey, number: u32) {
        let facts = StreamFacts { pad: number, ..StreamFacts::default() };
        *lock(&self.stream) = Stream { key: Some(key), facts, ..Stream::default() };
    }

    /// Forgets the key; true where there was one.
    pub(super) fn dismiss(&self) -> Option<StreamKey> {
        lock(&self.stream).key.take()
    }

    pub(super) fn key(&self) -> Option<StreamKey> {
        lock(&self.stream).key
    }

    /// Takes an event's word, which is then in what [`stream`](Self::stream) gives. The end of a flush gets the number of its
    /// beginning, by which the demuxer knows it.
    pub(super) fn see(&self, event: gst::Event) -> gst::Event {
        let mut stream = lock(&self.stream);
        match event.view() {
            gst::EventView::FlushStart(start) => {
                stream.flush = Some(start.seqnum());
                return event;
            }
            gst::EventView::FlushStop(stop) => {
                (stream.facts.segment, stream.shared) = (None, None);
                stream.ended = false;
                let number = stream.flush.take().unwrap_or_else(|| stop.seqnum());
                return gst::event::FlushStop::builder(stop.resets_time()).seqnum(number).build();
            }
            gst::EventView::StreamStart(start) => {
                let (pad, id) = (stream.facts.pad, start.stream_id());
                stream.facts = StreamFacts { pad, id: id.into(), ..StreamFacts::default() };
                (stream.asked, stream.ended, stream.complained) = (false, false, false);
            }
            gst::EventView::Caps(caps) => stream.facts.caps = Some(caps.caps_owned()),
            gst::EventView::Segment(segment) => stream.facts.segment = Some(segment.segment().clone()),
            _ => return event,
        }
        stream.shared = None;
        drop(stream);
        if let gst::EventView::StreamStart(start) = event.view() {
            self.feed.begin(start.stream_id());
        }
        event
    }

    /// The stream as it is now.
    pub(super) fn stream(&self) -> BatchStream {
        let name = lock(&self.name).clone();
        lock(&self.stream).shared(name)
    }

    /// What the stream says of a frame.
    ///
    /// # Errors
    /// When it has nothing to say.
    pub(super) fn describe(&self, buffer: &gst::BufferRef) -> Result<Described, Unknown> {
        let name = lock(&self.name).clone();
        let mut stream = lock(&self.stream);
        let key = stream.key.ok_or(Unknown::Idle)?;
        if stream.facts.caps.is_none() {
            return Err(Unknown::Caps(!std::mem::replace(&mut stream.complained, true)));
        }
        let segment = stream.facts.segment.as_ref().and_then(|s| s.downcast_ref::<gst::ClockTime>());
        let time = segment.zip(buffer.pts()).and_then(|(segment, pts)| segment.to_running_time(pts));
        let time = time.map(gst::ClockTime::nseconds);
        Ok(Described { key, stream: stream.shared(name), time })
    }

    /// True once for each stream that begins: upstream is then to be asked whether it is live.
    pub(super) fn has_to_ask(&self) -> bool {
        !std::mem::replace(&mut lock(&self.stream).asked, true)
    }

    /// True when its end is to be reported: once, until the stream begins again or a flush ends.
    pub(super) fn has_to_report_end(&self) -> bool {
        !std::mem::replace(&mut lock(&self.stream).ended, true)
    }

    /// Counts a dropped frame; how many there were since the last report, when it is time for one.
    pub(super) fn count_drop(&self, now: u64) -> Option<u64> {
        let mut stream = lock(&self.stream);
        stream.dropped += 1;
        if stream.reported.is_some_and(|at| now < at + REPORT_EVERY) {
            return None;
        }
        stream.reported = Some(now);
        Some(std::mem::take(&mut stream.dropped))
    }

    /// Signs a frame, in the stream's name if it has one.
    pub(super) fn sign(&self, buffer: &mut gst::BufferRef, stage: Stage) {
        let name = lock(&self.name).clone();
        if name.is_empty() {
            self.feed.sign(buffer, stage);
        } else {
            self.feed.sign_as(buffer, &name, stage);
        }
    }
}

impl Stream {
    fn shared(&mut self, name: Arc<str>) -> BatchStream {
        let facts = &mut self.facts;
        let make = || {
            facts.name = name;
            BatchStream::new(facts.clone())
        };
        self.shared.get_or_insert_with(make).clone()
    }
}
