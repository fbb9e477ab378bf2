//! Signals, attached to a buffer.

use std::ffi::CStr;

use gst::ffi;
use gst::glib::ffi::{gboolean, gpointer};

use crate::detection::LabelsRef;
use crate::rules::{Signal, Signals};

use super::labels::LabelTable;
use super::shared::{self, Header, Kind, Payload, Slice, Text, Types};

/// The meta `NvpSignalMeta`: one for each source.
#[derive(Debug)]
pub enum SignalMeta {}

impl SignalMeta {
    /// Attaches the signals of a source, in the place of those that the same source has left there before.
    pub fn add(buffer: &mut gst::BufferRef, signals: Signals) {
        let source = signals.source.clone();
        let payload = Payload::new(signals, |header, s| View {
            header,
            source: Slice::new(s.source.as_bytes()),
            names: LabelTable::new(&s.names),
            items: Slice::new(&s.items),
        });
        shared::put::<Self>(buffer, payload, |view| view.source() == &*source);
    }

    /// The signals of each source, in the order they were first attached.
    pub fn all(buffer: &gst::BufferRef) -> impl Iterator<Item = SignalsRef<'_>> {
        shared::views::<Self>(buffer).map(|view| SignalsRef { view })
    }

    /// Removes the signals of one source, or with `None` those of all.
    pub fn remove(buffer: &mut gst::BufferRef, source: Option<&str>) {
        shared::remove::<Self>(buffer, |view| source.is_none_or(|source| view.source() == source));
    }
}

/// The signals of one source, borrowed from the buffer.
#[derive(Clone, Copy)]
pub struct SignalsRef<'a> {
    view: &'a View,
}

impl<'a> SignalsRef<'a> {
    /// Who tells them.
    pub fn source(&self) -> &'a str {
        self.view.source()
    }

    /// The values.
    pub fn items(&self) -> &'a [Signal] {
        // SAFETY: the payload keeps its items while the buffer is borrowed; any bits are a `Signal`.
        unsafe { self.view.items.get() }
    }

    /// The names that [`Signal::name`] refers to.
    pub fn names(&self) -> LabelsRef<'a> {
        // SAFETY: the payload keeps its tables while the buffer is borrowed.
        unsafe { self.view.names.get() }
    }

    /// The names with the values; what has no name is left out.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a Signal)> {
        let names = self.names();
        self.items().iter().filter_map(move |signal| Some((names.get(signal.name)?, signal)))
    }

    /// A signal by its name.
    pub fn find(&self, name: &str) -> Option<&'a Signal> {
        self.iter().find(|(known, _)| *known == name).map(|(_, signal)| signal)
    }

    /// The value of a signal; `None` when it is not there, or not known.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.find(name).map(|signal| signal.value).filter(|value| !value.is_nan())
    }

    /// A copy that outlives the buffer.
    pub fn to_owned(&self) -> Signals {
        let (source, names) = (self.source().into(), self.names().to_owned());
        Signals { source, names, items: self.items().to_vec() }
    }
}

impl std::fmt::Debug for SignalsRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_owned().fmt(f)
    }
}

/// The payload: `NvpSignals` in the C header.
#[repr(C)]
pub(super) struct View {
    header: Header,
    source: Text,
    names: LabelTable,
    items: Slice<Signal>,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<View>() == 80 && size_of::<Signal>() == 24);

impl View {
    fn source(&self) -> &str {
        // SAFETY: the payload keeps its text, and whoever borrows the view keeps the payload.
        unsafe { self.source.as_str() }
    }
}

// SAFETY: `View` is layout 1 of "NvpSignalMeta" as written down in the C header, and `transform` passes GStreamer's
// promises on to a function that wants just those and does not unwind.
unsafe impl Kind for SignalMeta {
    const API: &'static CStr = c"NvpSignalMetaAPI";
    const NAME: &'static CStr = c"NvpSignalMeta";
    /// None: numbers stay what they are, whatever happens to the picture.
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
        // SAFETY: GStreamer's promises, passed on.
        unsafe { shared::keep::<Self>(out, meta) }
    }
}
