//! What is really in a synthetic frame, attached to its buffer.

use std::ffi::CStr;

use gst::ffi;
use gst::glib::ffi::{gboolean, gpointer};

use crate::detection::LabelsRef;
use crate::homography;
use crate::scene::{TrueObject, TrueView, Truth};

use super::labels::LabelTable;
use super::mapping::Mapping;
use super::shared::{self, Header, Kind, PICTURE_TAGS, Payload, Slice, Types};
use super::transform::{self, Crop, Picture};

/// The meta `NvpTruthMeta`: at most one a buffer.
#[derive(Debug)]
pub enum TruthMeta {}

impl TruthMeta {
    /// Attaches the truth of a frame, in the place of any that was there before.
    pub fn set(buffer: &mut gst::BufferRef, truth: Truth) {
        let crop = Crop::of(buffer);
        let payload = Payload::new(truth, |header, t| Raw {
            header,
            crop,
            frame: t.frame,
            labels: LabelTable::new(&t.labels),
            objects: Slice::new(&t.objects),
            view: t.view,
        });
        shared::put::<Self>(buffer, payload, |_| true);
    }

    /// The truth of a frame, or `None` where nobody knows it.
    pub fn get(buffer: &gst::BufferRef) -> Option<TruthRef<'_>> {
        shared::views::<Self>(buffer).next().map(|raw| TruthRef { raw })
    }

    /// Removes the truth.
    pub fn remove(buffer: &mut gst::BufferRef) {
        shared::remove::<Self>(buffer, |_| true);
    }
}

/// The truth of one frame, borrowed from the buffer.
#[derive(Clone, Copy)]
pub struct TruthRef<'a> {
    raw: &'a Raw,
}

impl<'a> TruthRef<'a> {
    /// The frame's number, from 0.
    pub fn frame(&self) -> u64 {
        self.raw.frame
    }

    /// The objects of which something lies within the frame, by rising id.
    pub fn objects(&self) -> &'a [TrueObject] {
        // SAFETY: the payload keeps its objects while the buffer is borrowed; any bits are a `TrueObject`.
        unsafe { self.raw.objects.get() }
    }

    /// The names of the classes.
    pub fn labels(&self) -> LabelsRef<'a> {
        // SAFETY: the payload keeps its tables while the buffer is borrowed.
        unsafe { self.raw.labels.get() }
    }

    /// The camera.
    pub fn view(&self) -> &'a TrueView {
        &self.raw.view
    }

    /// A copy that outlives the buffer.
    pub fn to_owned(&self) -> Truth {
        Truth {
            frame: self.frame(),
            labels: self.labels().to_owned(),
            objects: self.objects().to_vec(),
            view: *self.view(),
        }
    }
}

impl std::fmt::Debug for TruthRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_owned().fmt(f)
    }
}

/// The payload: `NvpTruth` in the C header.
#[repr(C)]
pub(super) struct Raw {
    header: Header,
    crop: Crop,
    frame: u64,
    labels: LabelTable,
    objects: Slice<TrueObject>,
    view: TrueView,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<TrueObject>() == 32 && size_of::<Raw>() == 264);

// SAFETY: `Raw` is layout 1 of "NvpTruthMeta" as written down in the C header, and `transform` passes
// GStreamer's promises on to a function that wants just those and does not unwind.
unsafe impl Kind for TruthMeta {
    const API: &'static CStr = c"NvpTruthMetaAPI";
    const NAME: &'static CStr = c"NvpTruthMeta";
    const TAGS: &'static [&'static CStr] = PICTURE_TAGS;
    type View = Raw;

    fn types() -> &'static Types {
        static TYPES: Types = Types::new();
        &TYPES
    }

    fn holds(raw: &Raw, buffer: &gst::BufferRef) -> bool {
        raw.crop == Crop::of(buffer)
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

impl Picture for TruthMeta {
    fn mapped(raw: &Raw, parent: Payload, map: &Mapping) -> Payload {
        let kept = TruthRef { raw }.objects().iter().filter(|o| !map.loses(&o.bbox));
        let objects: Vec<_> = kept.map(|o| TrueObject { bbox: map.bbox(&o.bbox), ..*o }).collect();
        let view = &raw.view;
        // The scene stays as large as it is.
        let back = homography::inverse(&map.homography());
        let to_scene = back.map_or(view.to_scene, |back| homography::compose(&view.to_scene, &back));
        let to_previous = map.conjugated(&view.to_previous).unwrap_or(view.to_previous);
        let view = TrueView { to_previous, to_scene, ..*view };
        Payload::new((objects, parent), |header, (objects, _)| Raw {
            header,
            crop: Crop::default(),
            frame: raw.frame,
            labels: raw.labels.share(),
            objects: Slice::new(objects),
            view,
        })
    }
}
