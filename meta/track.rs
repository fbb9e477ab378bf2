//! The tracks of a frame, attached to its buffer.

use std::ffi::CStr;

use gst::ffi;
use gst::glib::ffi::{gboolean, gpointer};

use crate::detection::LabelsRef;
use crate::track::{Track, TrackState, Tracks};

use super::labels::LabelTable;
use super::mapping::Mapping;
use super::shared::{self, Header, Kind, PICTURE_TAGS, Payload, Slice, Text, Types};
use super::transform::{self, Crop, Picture};

/// The meta `NvpTrackMeta`: at most one a buffer.
#[derive(Debug)]
pub enum TrackMeta {}

impl TrackMeta {
    /// Attaches the tracks of a frame, in the place of any that were there before.
    pub fn set(buffer: &mut gst::BufferRef, tracks: Tracks) {
        let crop = Crop::of(buffer);
        let payload = Payload::new(tracks, |header, t| View {
            header,
            crop,
            run: Slice::new(t.run.as_bytes()),
            labels: LabelTable::new(&t.labels),
            items: Slice::new(&t.items),
        });
        shared::put::<Self>(buffer, payload, |_| true);
    }

    /// The tracks of a frame, or `None` where no tracker has seen it.
    pub fn get(buffer: &gst::BufferRef) -> Option<TracksRef<'_>> {
        shared::views::<Self>(buffer).next().map(|view| TracksRef { view })
    }

    /// Removes the tracks.
    pub fn remove(buffer: &mut gst::BufferRef) {
        shared::remove::<Self>(buffer, |_| true);
    }
}

/// The tracks of one frame, borrowed from the buffer.
#[derive(Clone, Copy)]
pub struct TracksRef<'a> {
    /// Every state in it is known to be a [`TrackState`].
    view: &'a View,
}

impl<'a> TracksRef<'a> {
    /// The run's id: track ids are unique within it.
    pub fn run(&self) -> &'a str {
        // SAFETY: the payload keeps its text while the buffer is borrowed.
        unsafe { self.view.run.as_str() }
    }

    /// The tracks by rising id.
    pub fn items(&self) -> &'a [Track] {
        // SAFETY: the payload keeps its items while the buffer is borrowed. Any bits are a `Track` but for its
        // state, which `Kind::holds` has seen to before anybody got this view.
        unsafe { self.view.items.get() }
    }

    /// The name that a [`Track::label`] refers to.
    pub fn label(&self, index: i32) -> Option<&'a str> {
        self.labels().get(index)
    }

    /// The names that [`Track::label`] refers to.
    pub fn labels(&self) -> LabelsRef<'a> {
        // SAFETY: the payload keeps its tables while the buffer is borrowed.
        unsafe { self.view.labels.get() }
    }

    /// A copy that outlives the buffer.
    pub fn to_owned(&self) -> Tracks {
        Tracks { run: self.run().into(), labels: self.labels().to_owned(), items: self.items().to_vec() }
    }
}

impl std::fmt::Debug for TracksRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TracksRef").field("run", &self.run()).field("items", &self.items()).finish()
    }
}

/// The payload: `NvpTracks` in the C header.
#[repr(C)]
pub(super) struct View {
    header: Header,
    crop: Crop,
    run: Text,
    labels: LabelTable,
    /// Of tracks whose state may be any number until it has been checked.
    items: Slice<Track>,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<View>() == 96);

impl View {
    /// True when every track's state is one that this copy of the crate knows.
    fn states_are_known(&self) -> bool {
        // SAFETY: the payload keeps its items. With `MaybeUninit` nothing is said of the state's bits yet.
        let items = unsafe { self.items.unchecked().get() };
        items.iter().all(|track| {
            let track = track.as_ptr();
            // SAFETY: the track lies in the array just borrowed; its state is four initialised bytes, and a
            // place is not read when its address is taken.
            let state = unsafe { (&raw const (*track).state).cast::<u32>().read() };
            state <= TrackState::Lost as u32
        })
    }
}

// SAFETY: `View` is layout 1 of "NvpTrackMeta" as written down in the C header, and `transform` passes
// GStreamer's promises on to a function that wants just those and does not unwind.
unsafe impl Kind for TrackMeta {
    const API: &'static CStr = c"NvpTrackMetaAPI";
    const NAME: &'static CStr = c"NvpTrackMeta";
    const TAGS: &'static [&'static CStr] = PICTURE_TAGS;
    type View = View;

    fn types() -> &'static Types {
        static TYPES: Types = Types::new();
        &TYPES
    }

    fn holds(view: &View, buffer: &gst::BufferRef) -> bool {
        if !view.states_are_known() {
            Self::types().report(Self::NAME, "left alone: a track's state is none of layout 1");
            return false;
        }
        view.crop == Crop::of(buffer)
    }

    unsafe extern "C" fn transform(
        out: *mut ffi::GstBuffer,
        meta: *mut ffi::GstMeta,
        input: *mut ffi::GstBuffer,
        what: u32,
        data: gpointer,
    ) -> gboolean {
        // SAFETY: GStreamer's promises, passed on.
        unsafe { transform::transform::<Self>(out, meta, input, what, data) }
    }
}

impl Picture for TrackMeta {
    fn mapped(view: &View, parent: Payload, map: &Mapping) -> Payload {
        let kept = TracksRef { view }.items().iter().filter(|t| !map.loses(&t.bbox));
        let moved = kept.map(|t| Track { bbox: map.bbox(&t.bbox), velocity: map.velocity(t.velocity), ..*t });
        let items: Vec<_> = moved.collect();
        Payload::new((items, parent), |header, (items, _)| View {
            header,
            crop: Crop::default(),
            run: view.run.share(),
            labels: view.labels.share(),
            items: Slice::new(items),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;

    use super::*;
    use crate::detection::Labels;

    #[test]
    fn a_state_that_is_none_hides_the_tracks() {
        gst::init().unwrap();
        for (number, shown) in [(TrackState::Lost as u32, true), (TrackState::Lost as u32 + 1, false)] {
            let mut items = vec![MaybeUninit::new(Track { id: 1, ..Track::default() })];
            // SAFETY: the place lies in the array, and the value is never read as a `Track` before a check.
            unsafe { (&raw mut (*items[0].as_mut_ptr()).state).cast::<u32>().write(number) };
            let payload = Payload::new(items, |header, items| View {
                header,
                crop: Crop::default(),
                run: Slice::NONE,
                labels: LabelTable::new(&Labels::default()),
                items: Slice { data: items.as_ptr().cast(), len: 1 },
            });
            let mut buffer = gst::Buffer::new();
            shared::put::<TrackMeta>(buffer.get_mut().unwrap(), payload, |_| true);
            assert_eq!(TrackMeta::get(&buffer).is_some(), shown);
        }
    }
}
