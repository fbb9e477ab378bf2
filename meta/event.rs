//! The events of a frame, attached to its buffer.

use std::ffi::CStr;

use gst::ffi;
use gst::glib::ffi::{gboolean, gpointer};

use crate::detection::LabelsRef;
use crate::rules::{self, Closing, Event, EventState, Events, Evidence};

use super::labels::LabelTable;
use super::shared::{self, Header, Kind, Payload, Slice, Text, Types};
use super::track::all_below;

/// The meta `NvpEventMeta`: at most one a buffer.
#[derive(Debug)]
pub enum EventMeta {}

impl EventMeta {
    /// Attaches the events of a frame, in the place of any that were there before.
    pub fn set(buffer: &mut gst::BufferRef, events: Events) {
        let payload = Payload::new(events, |header, e| View {
            header,
            run: Slice::new(e.run.as_bytes()),
            names: LabelTable::new(&e.names),
            items: Slice::new(&e.items),
            tracks: Slice::new(&e.tracks),
            evidence: Slice::new(&e.evidence),
        });
        shared::put::<Self>(buffer, payload, |_| true);
    }

    /// The events of a frame, or `None` where nobody decides.
    pub fn get(buffer: &gst::BufferRef) -> Option<EventsRef<'_>> {
        shared::views::<Self>(buffer).next().map(|view| EventsRef { view })
    }

    /// Removes the events.
    pub fn remove(buffer: &mut gst::BufferRef) {
        shared::remove::<Self>(buffer, |_| true);
    }
}

/// The events of one frame, borrowed from the buffer.
#[derive(Clone, Copy)]
pub struct EventsRef<'a> {
    /// Every state and reason in it is known to be one.
    view: &'a View,
}

impl<'a> EventsRef<'a> {
    /// The run's id: event ids are unique within it.
    pub fn run(&self) -> &'a str {
        // SAFETY: the payload keeps its text while the buffer is borrowed.
        unsafe { self.view.run.as_str() }
    }

    /// What changed on this frame, and what goes on.
    pub fn items(&self) -> &'a [Event] {
        // SAFETY: the payload keeps its items while the buffer is borrowed. Any bits are an `Event` but for its state and
        // closing, which `Kind::holds` has seen to before anybody got this view.
        unsafe { self.view.items.get() }
    }

    /// The names that events and evidence refer to.
    pub fn names(&self) -> LabelsRef<'a> {
        // SAFETY: the payload keeps its tables while the buffer is borrowed.
        unsafe { self.view.names.get() }
    }

    /// The tracks that take part in an event; none where it refers to what is not there.
    pub fn tracks_of(&self, event: &Event) -> &'a [u64] {
        // SAFETY: the payload keeps its list while the buffer is borrowed.
        rules::part(unsafe { self.view.tracks.get() }, event.first_track, event.tracks)
    }

    /// The evidence of an event, likewise.
    pub fn evidence_of(&self, event: &Event) -> &'a [Evidence] {
        // SAFETY: the payload keeps its list while the buffer is borrowed; any bits are an `Evidence`.
        rules::part(unsafe { self.view.evidence.get() }, event.first_evidence, event.evidence)
    }

    /// A copy that outlives the buffer.
    pub fn to_owned(&self) -> Events {
        // SAFETY: as in `tracks_of` and `evidence_of`.
        let (tracks, evidence) =
            unsafe { (self.view.tracks.get().to_vec(), self.view.evidence.get().to_vec()) };
        let (run, names) = (self.run().into(), self.names().to_owned());
        Events { run, names, items: self.items().to_vec(), tracks, evidence }
    }
}

impl std::fmt::Debug for EventsRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_owned().fmt(f)
    }
}

/// The payload: `NvpEvents` in the C header.
#[repr(C)]
pub(super) struct View {
    header: Header,
    run: Text,
    names: LabelTable,
    /// What is an enum in it may be any number until it has been checked.
    items: Slice<Event>,
    tracks: Slice<u64>,
    evidence: Slice<Evidence>,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<View>() == 112);
const _: () = assert!(size_of::<Event>() == 80 && size_of::<Evidence>() == 48);

// SAFETY: `View` is layout 1 of "NvpEventMeta" as written down in the C header, and `transform` passes GStreamer's
// promises on to a function that wants just those and does not unwind.
unsafe impl Kind for EventMeta {
    const API: &'static CStr = c"NvpEventMetaAPI";
    const NAME: &'static CStr = c"NvpEventMeta";
    /// None: what happened has happened, whatever becomes of the picture.
    const TAGS: &'static [&'static CStr] = &[];
    type View = View;

    fn types() -> &'static Types {
        static TYPES: Types = Types::new();
        &TYPES
    }

    fn holds(view: &View, _: &gst::BufferRef) -> bool {
        // SAFETY: each place is an enum of `repr(u32)` in the item that it is taken of.
        let known = unsafe {
            all_below(&view.items, EventState::ALL.len(), |e| &raw const (*e).state)
                && all_below(&view.items, Closing::ALL.len(), |e| &raw const (*e).closing)
        };
        if !known {
            Self::types().report(Self::NAME, "left alone: a state or reason is none of layout 1");
        }
        known
    }

    unsafe extern "C" fn transform(
        out: *mut ffi::GstBuffer,
        meta: *mut ffi::GstMeta,
        _: *mut ffi::GstBuffer,
        _: u32,
        _: gpointer,
    ) -> gboolean {
        // SAFETY: GStreamer's promises, passed on.
        unsafe { shared::keep::<Self>(out, meta) }
    }
}
