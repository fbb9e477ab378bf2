//! What the models found on a frame, attached to its buffer.

use std::ffi::CStr;

use gst::ffi;
use gst::glib::ffi::{gboolean, gpointer};

use crate::detection::{Detection, Detections, LabelsRef};

use super::labels::LabelTable;
use super::mapping::Mapping;
use super::shared::{self, Header, Kind, PICTURE_TAGS, Payload, Slice, Text, Types};
use super::transform::{self, Crop, Picture};

/// The meta `NvpDetectionMeta`: one for each model that looked at the frame.
#[derive(Debug)]
pub enum DetectionMeta {}

impl DetectionMeta {
    /// Attaches what a model found, in the place of what the same model has left there before.
    pub fn add(buffer: &mut gst::BufferRef, detections: Detections) {
        let crop = Crop::of(buffer);
        let model = detections.model.clone();
        let payload = Payload::new(detections, |header, d| View {
            header,
            crop,
            model: Slice::new(d.model.as_bytes()),
            labels: LabelTable::new(&d.labels),
            items: Slice::new(&d.items),
        });
        shared::put::<Self>(buffer, payload, |view| view.model() == &*model);
    }

    /// What each model found, in the order they were first attached.
    pub fn all(buffer: &gst::BufferRef) -> impl Iterator<Item = DetectionsRef<'_>> {
        shared::views::<Self>(buffer).map(|view| DetectionsRef { view })
    }

    /// Removes what one model found, or with `None` what any model found.
    pub fn remove(buffer: &mut gst::BufferRef, model: Option<&str>) {
        shared::remove::<Self>(buffer, |view| model.is_none_or(|m| view.model() == m));
    }
}

/// What one model found on a frame, borrowed from the buffer.
#[derive(Clone, Copy)]
pub struct DetectionsRef<'a> {
    view: &'a View,
}

impl<'a> DetectionsRef<'a> {
    /// The model's id.
    pub fn model(&self) -> &'a str {
        self.view.model()
    }

    /// The objects, by falling confidence.
    pub fn items(&self) -> &'a [Detection] {
        // SAFETY: the payload keeps its items while the buffer is borrowed; any bits are a `Detection`.
        unsafe { self.view.items.get() }
    }

    /// The name of a class, or `None` when the model does not name it.
    pub fn label(&self, class_id: i32) -> Option<&'a str> {
        self.labels().get(class_id)
    }

    /// The names of the model's classes; equal to a [`Labels`](crate::detection::Labels) with the same names.
    pub fn labels(&self) -> LabelsRef<'a> {
        // SAFETY: the payload keeps its tables while the buffer is borrowed.
        unsafe { self.view.labels.get() }
    }

    /// A copy that outlives the buffer.
    pub fn to_owned(&self) -> Detections {
        Detections {
            model: self.model().into(),
            labels: self.labels().to_owned(),
            items: self.items().to_vec(),
        }
    }
}

impl std::fmt::Debug for DetectionsRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DetectionsRef").field("model", &self.model()).field("items", &self.items()).finish()
    }
}

/// The payload: `NvpDetections` in the C header.
#[repr(C)]
pub(super) struct View {
    header: Header,
    crop: Crop,
    model: Text,
    labels: LabelTable,
    items: Slice<Detection>,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<View>() == 96);

impl View {
    fn model(&self) -> &str {
        // SAFETY: the payload keeps its text, and whoever borrows the view keeps the payload.
        unsafe { self.model.as_str() }
    }
}

// SAFETY: `View` is layout 1 of "NvpDetectionMeta" as written down in the C header, and `transform` passes
// GStreamer's promises on to a function that wants just those and does not unwind.
unsafe impl Kind for DetectionMeta {
    const API: &'static CStr = c"NvpDetectionMetaAPI";
    const NAME: &'static CStr = c"NvpDetectionMeta";
    const TAGS: &'static [&'static CStr] = PICTURE_TAGS;
    type View = View;

    fn types() -> &'static Types {
        static TYPES: Types = Types::new();
        &TYPES
    }

    fn holds(view: &View, buffer: &gst::BufferRef) -> bool {
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

impl Picture for DetectionMeta {
    fn mapped(view: &View, parent: Payload, map: &Mapping) -> Payload {
        let kept = DetectionsRef { view }.items().iter().filter(|d| !map.loses(&d.bbox));
        let items: Vec<_> = kept.map(|d| Detection { bbox: map.bbox(&d.bbox), ..*d }).collect();
        Payload::new((items, parent), |header, (items, _)| View {
            header,
            crop: Crop::default(),
            model: view.model.share(),
            labels: view.labels.share(),
            items: Slice::new(items),
        })
    }
}
