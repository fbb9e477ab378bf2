//! A frame's origin and history, attached to its buffer.
//!
//! Every stage is a payload of its own that keeps the one before it alive. Appending is one allocation however
//! long the history is, and the branches after a tee share the part before it.

use std::ffi::CStr;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use gst::ffi;
use gst::glib::ffi::{GTRUE, gboolean, gpointer};

use crate::provenance::{Origin, Outcome, Provenance, Stage};

use super::shared::{self, Header, Kind, Payload, Slice, Text, Types};

/// The longest history that is kept; releasing it takes one call deep a stage.
const MAX_STAGES: u32 = 256;

/// The meta `NvpProvenanceMeta`: at most one a buffer.
#[derive(Debug)]
pub enum ProvenanceMeta {}

impl ProvenanceMeta {
    /// The frame's origin and history, or `None` where no stage has left a word.
    pub fn get(buffer: &gst::BufferRef) -> Option<ProvenanceRef<'_>> {
        shared::views::<Self>(buffer).next().map(|view| ProvenanceRef { view })
    }

    /// Appends a stage. `origin` is asked only by the first stage of a frame.
    ///
    /// A frame's history ends after 256 stages; more are left out, which is reported once.
    pub fn append(buffer: &mut gst::BufferRef, origin: impl FnOnce() -> Origin, stage: Stage) {
        Self::append_to(buffer, origin, None, stage);
    }

    /// Appends a stage from which on the feed is called `feed`, whatever it was called before.
    pub fn append_renamed(
        buffer: &mut gst::BufferRef,
        origin: impl FnOnce() -> Origin,
        feed: &Arc<str>,
        stage: Stage,
    ) {
        Self::append_to(buffer, origin, Some(feed), stage);
    }

    fn append_to(
        buffer: &mut gst::BufferRef,
        origin: impl FnOnce() -> Origin,
        feed: Option<&Arc<str>>,
        stage: Stage,
    ) {
        let Some(previous) = shared::shared::<Self>(buffer, |_| true) else {
            let mut origin = origin();
            origin.feed = feed.cloned().unwrap_or(origin.feed);
            return shared::put::<Self>(buffer, first(origin, stage), |_| true);
        };
        if let Some(payload) = next(previous, feed.cloned(), stage) {
            shared::put::<Self>(buffer, payload, |_| true);
        }
    }
}

fn first(origin: Origin, stage: Stage) -> Payload {
    Payload::new((origin.feed, stage), |header, (feed, stage)| View {
        feed: Slice::new(feed.as_bytes()),
        sequence: origin.sequence,
        received: origin.received,
        ..View::of(header, stage)
    })
}

fn next(previous: Payload, renamed: Option<Arc<str>>, stage: Stage) -> Option<Payload> {
    // SAFETY: `previous` is a live payload of this kind.
    let before = unsafe { shared::checked::<'_, ProvenanceMeta>(previous.as_ptr())? };
    if before.stages >= MAX_STAGES {
        ProvenanceMeta::types().report(ProvenanceMeta::NAME, "further stages of this frame are left out");
        return None;
    }
    let (feed, sequence) = (before.feed.share(), before.sequence);
    let (received, stages) = (before.received, before.stages + 1);
    Some(Payload::new((previous, renamed, stage), |header, (previous, renamed, stage)| View {
        feed: renamed.as_ref().map_or(feed, |renamed| Slice::new(renamed.as_bytes())),
        sequence,
        received,
        stages,
        previous: previous.as_ptr(),
        ..View::of(header, stage)
    }))
}

/// A frame's origin and history, borrowed from the buffer.
#[derive(Clone, Copy)]
pub struct ProvenanceRef<'a> {
    view: &'a View,
}

impl<'a> ProvenanceRef<'a> {
    /// The feed's id.
    pub fn feed(&self) -> &'a str {
        // SAFETY: the payload keeps its text while the buffer is borrowed.
        unsafe { self.view.feed.as_str() }
    }

    /// The frame's number in the feed, from 0.
    pub fn sequence(&self) -> u64 {
        self.view.sequence
    }

    /// When the first element received the frame: nanoseconds since the Unix epoch.
    pub fn received(&self) -> u64 {
        self.view.received
    }

    /// The stages in the order they worked.
    pub fn stages(&self) -> impl Iterator<Item = StageRef<'a>> + use<'a> {
        let (last, count) = (*self, self.view.stages.min(MAX_STAGES) as usize);
        (0..count).rev().map_while(move |back| last.backwards().nth(back))
    }

    /// A copy that outlives the buffer.
    pub fn to_owned(&self) -> Provenance {
        Provenance {
            feed: self.feed().into(),
            sequence: self.sequence(),
            received: self.received(),
            stages: self.stages().map(|stage| stage.to_owned()).collect(),
        }
    }

    fn backwards(self) -> impl Iterator<Item = StageRef<'a>> {
        std::iter::successors(Some(self.view), |view| view.previous()).map(|view| StageRef { view })
    }
}

impl std::fmt::Debug for ProvenanceRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_owned().fmt(f)
    }
}

/// What one stage did to a frame, borrowed from the buffer. Times are nanoseconds on the process's monotonic
/// clock.
#[derive(Clone, Copy)]
pub struct StageRef<'a> {
    view: &'a View,
}

impl<'a> StageRef<'a> {
    /// The element's name.
    pub fn element(&self) -> &'a str {
        // SAFETY: here and below, the payload keeps its text while the buffer is borrowed.
        unsafe { self.view.element.as_str() }
    }

    /// SHA-256 of the model in lower-case hex, when the stage ran one.
    pub fn model_sha256(&self) -> Option<&'a str> {
        // SAFETY: as in `element`.
        unsafe { self.view.model_sha256.as_option() }
    }

    /// The execution provider that ran the model.
    pub fn provider(&self) -> Option<&'a str> {
        // SAFETY: as in `element`.
        unsafe { self.view.provider.as_option() }
    }

    /// The number of the settings in force, 0 when the stage does not count them.
    pub fn generation(&self) -> u32 {
        self.view.generation
    }

    /// When the stage began with this frame.
    pub fn start(&self) -> u64 {
        self.view.start
    }

    /// When it was done with it.
    pub fn end(&self) -> u64 {
        self.view.end
    }

    /// How it ended. An outcome that this copy of the crate does not know counts as failed.
    pub fn outcome(&self) -> OutcomeRef<'a> {
        // SAFETY: as in `element`.
        let reason = unsafe { self.view.reason.as_str() };
        match self.view.outcome {
            0 => OutcomeRef::Ok,
            1 => OutcomeRef::Skipped(reason),
            _ => OutcomeRef::Failed(reason),
        }
    }

    /// A copy that outlives the buffer.
    pub fn to_owned(&self) -> Stage {
        Stage {
            element: self.element().into(),
            model_sha256: self.model_sha256().map(Into::into),
            provider: self.provider().map(Into::into),
            generation: self.generation(),
            start: self.start(),
            end: self.end(),
            outcome: match self.outcome() {
                OutcomeRef::Ok => Outcome::Ok,
                OutcomeRef::Skipped(reason) => Outcome::Skipped(reason.into()),
                OutcomeRef::Failed(reason) => Outcome::Failed(reason.into()),
            },
        }
    }
}

impl std::fmt::Debug for StageRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_owned().fmt(f)
    }
}

/// How a stage ended for one frame: [`Outcome`], borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeRef<'a> {
    /// The stage did its work.
    Ok,
    /// The stage left the frame alone on purpose, for this reason.
    Skipped(&'a str),
    /// The stage tried and failed, in this category.
    Failed(&'a str),
}

/// The payload: `NvpProvenance` in the C header, one stage and what came before it.
#[repr(C)]
pub(super) struct View {
    header: Header,
    feed: Text,
    sequence: u64,
    received: u64,
    /// This one included.
    stages: u32,
    /// 0 ok, 1 skipped, 2 failed.
    outcome: u32,
    element: Text,
    model_sha256: Text,
    provider: Text,
    reason: Text,
    start: u64,
    end: u64,
    /// The payload of the stage before, or null; this payload holds a reference to it.
    previous: *const Header,
    generation: u32,
    reserved: u32,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<View>() == 152);

impl View {
    /// A stage without an origin or anything before it.
    fn of(header: Header, stage: &Stage) -> Self {
        let optional =
            |text: &Option<Arc<str>>| text.as_ref().map_or(Slice::NONE, |t| Slice::new(t.as_bytes()));
        let (outcome, reason) = match &stage.outcome {
            Outcome::Ok => (0, Slice::NONE),
            Outcome::Skipped(reason) => (1, Slice::new(reason.as_bytes())),
            Outcome::Failed(reason) => (2, Slice::new(reason.as_bytes())),
        };
        Self {
            header,
            feed: Slice::NONE,
            sequence: 0,
            received: 0,
            stages: 1,
            outcome,
            element: Slice::new(stage.element.as_bytes()),
            model_sha256: optional(&stage.model_sha256),
            provider: optional(&stage.provider),
            reason,
            start: stage.start,
            end: stage.end,
            previous: ptr::null(),
            generation: stage.generation,
            reserved: 0,
        }
    }

    fn previous(&self) -> Option<&Self> {
        let header = NonNull::new(self.previous.cast_mut())?;
        // SAFETY: a payload keeps the one before it alive.
        unsafe { shared::checked::<ProvenanceMeta>(header.as_ptr()) }
    }
}

// SAFETY: `View` is layout 1 of "NvpProvenanceMeta" as written down in the C header, and `transform` keeps to
// GStreamer's contract and does not unwind.
unsafe impl Kind for ProvenanceMeta {
    const API: &'static CStr = c"NvpProvenanceMetaAPI";
    const NAME: &'static CStr = c"NvpProvenanceMeta";
    /// None: whatever happens to the picture, this is where it came from.
    const TAGS: &'static [&'static CStr] = &[];
    type View = View;

    fn types() -> &'static Types {
        static TYPES: Types = Types::new();
        &TYPES
    }

    fn holds(_: &View, _: &gst::BufferRef) -> bool {
        true
    }

    unsafe extern "C" fn transform(
        out: *mut ffi::GstBuffer,
        meta: *mut ffi::GstMeta,
        _: *mut ffi::GstBuffer,
        _: u32,
        _: gpointer,
    ) -> gboolean {
        // SAFETY: GStreamer gives a live meta of this kind and a writable buffer that only this call uses.
        unsafe {
            if let Some(payload) = shared::payload(meta) {
                shared::attach::<Self>(out, payload);
            }
        }
        GTRUE
    }
}
