//! What the models found on a frame, attached to its buffer.

use std::ffi::CStr;

use gst::ffi;
use gst::glib::ffi::{gboolean, gpointer};

use crate::detection::{
    Details, DetailsRef, Detection, Detections, Keypoint, LabelsRef, MaskSize, MasksRef, Parent, Quad,
    TableRef, Task,
};

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
            task: d.task as u32,
            reserved: 0,
            age: d.age,
            source_pts: d.source_pts.unwrap_or(NO_TIME),
            parents: Slice::new(&d.parents),
            parent_models: LabelTable::new(&d.parent_models),
            details: DetailTables::new(&d.details),
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

    /// What the items are.
    pub fn task(&self) -> Task {
        [Task::Detect, Task::Classify, Task::Embed]
            .into_iter()
            .find(|t| *t as u32 == self.view.task)
            .unwrap_or_default()
    }

    /// Nanoseconds from the frame that the model looked at to this one.
    pub fn age(&self) -> u64 {
        self.view.age
    }

    /// PTS in nanoseconds of the frame that the model looked at, when that was another frame.
    pub fn source_pts(&self) -> Option<u64> {
        Some(self.view.source_pts).filter(|pts| *pts != NO_TIME)
    }

    /// What each item belongs to; empty when the model looked at the whole frame.
    pub fn parents(&self) -> &'a [Parent] {
        // SAFETY: as `items`.
        unsafe { self.view.parents.get() }
    }

    /// The names that [`Parent::model`] refers to.
    pub fn parent_models(&self) -> LabelsRef<'a> {
        // SAFETY: as `labels`.
        unsafe { self.view.parent_models.get() }
    }

    /// What the model says of each item beyond its box.
    pub fn details(&self) -> DetailsRef<'a> {
        // SAFETY: the payload keeps its tables while the buffer is borrowed; any bits are an entry of each.
        unsafe { self.view.details.get() }
    }

    /// True for objects that were found in the whole frame: what a tracker follows.
    pub fn are_objects(&self) -> bool {
        self.task() == Task::Detect && self.parents().is_empty()
    }

    /// A copy that outlives the buffer.
    pub fn to_owned(&self) -> Detections {
        let mut details = Details::default();
        (0..self.items().len()).for_each(|i| details.push(self.details(), i, |point| point));
        Detections {
            model: self.model().into(),
            labels: self.labels().to_owned(),
            task: self.task(),
            age: self.age(),
            source_pts: self.source_pts(),
            items: self.items().to_vec(),
            parents: self.parents().to_vec(),
            parent_models: self.parent_models().to_owned(),
            details,
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
    /// A [`Task`].
    task: u32,
    reserved: u32,
    age: u64,
    /// [`NO_TIME`] when it is that of the buffer.
    source_pts: u64,
    parents: Slice<Parent>,
    parent_models: LabelTable,
    details: DetailTables,
}

/// GStreamer's value for no time.
const NO_TIME: u64 = u64::MAX;

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<View>() == 264);

/// [`Details`] as C sees them.
#[repr(C)]
struct DetailTables {
    keypoints: Slice<Keypoint>,
    keypoints_each: usize,
    quads: Slice<Quad>,
    masks: Slice<MaskSize>,
    mask_cells: Slice<u8>,
    embeddings: Slice<f32>,
    embedding_length: usize,
}

impl DetailTables {
    fn new(details: &Details) -> Self {
        let DetailsRef { keypoints, quads, masks, embeddings } = details.view();
        Self {
            keypoints: Slice::new(keypoints.values),
            keypoints_each: keypoints.width,
            quads: Slice::new(quads),
            masks: Slice::new(masks.sizes),
            mask_cells: Slice::new(masks.values),
            embeddings: Slice::new(embeddings.values),
            embedding_length: embeddings.width,
        }
    }

    /// # Safety
    /// As [`Slice::get`], for all arrays.
    unsafe fn get<'a>(&self) -> DetailsRef<'a> {
        // SAFETY: the caller's promise.
        unsafe {
            DetailsRef {
                keypoints: TableRef { values: self.keypoints.get(), width: self.keypoints_each },
                quads: self.quads.get(),
                masks: MasksRef { sizes: self.masks.get(), values: self.mask_cells.get() },
                embeddings: TableRef { values: self.embeddings.get(), width: self.embedding_length },
            }
        }
    }
}

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
        if view.task > Task::Embed as u32 {
            Self::types().report(Self::NAME, "left alone: its task is none of layout 1");
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

impl Picture for DetectionMeta {
    fn mapped(view: &View, parent: Payload, map: &Mapping) -> Payload {
        let from = DetectionsRef { view };
        let mut kept = Detections::default();
        for (i, item) in from.items().iter().enumerate().filter(|(_, d)| !map.loses(&d.bbox)) {
            kept.items.push(Detection { bbox: map.bbox(&item.bbox), ..*item });
            // The list that it points into loses other items than this one.
            kept.parents.extend(from.parents().get(i).map(|p| Parent { item: -1, ..*p }));
            kept.details.push(from.details(), i, |[x, y]| map.point(x, y).into());
        }
        if !from.details().masks.is_empty() {
            kept.details.masks = map.masks(&kept.details.masks);
        }
        Payload::new((kept, parent), |header, (kept, _)| View {
            header,
            crop: Crop::default(),
            model: view.model.share(),
            labels: view.labels.share(),
            items: Slice::new(&kept.items),
            task: view.task,
            reserved: 0,
            age: view.age,
            source_pts: view.source_pts,
            parents: Slice::new(&kept.parents),
            parent_models: view.parent_models.share(),
            details: DetailTables::new(&kept.details),
        })
    }
}
