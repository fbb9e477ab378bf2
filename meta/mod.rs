//! The `GstMeta` types that carry results on buffers, and the C interface to them (`nvperception.h`).
//!
//! | meta | a buffer has | says | tags |
//! |---|---|---|---|
//! | [`DetectionMeta`] | one a model | [`Detections`](crate::detection::Detections) | video, size, orientation |
//! | [`TrackMeta`] | at most one | [`Tracks`](crate::track::Tracks) | video, size, orientation |
//! | [`ViewMeta`] | at most one | [`View`](crate::view::View) | video, size, orientation |
//! | [`TruthMeta`] | at most one | [`Truth`](crate::scene::Truth) | video, size, orientation |
//! | [`ProvenanceMeta`] | at most one | [`Provenance`](crate::provenance::Provenance) | none |
//! | [`BatchMeta`] | at most one | [`Batch`]: the frames of several streams | none |
//!
//! Attaching needs a writable buffer, not writable memory: behind a `tee` that is a shallow copy of the buffer,
//! and pixels are never copied. A copy of a buffer shares what is attached by reference counting, and a
//! payload never changes once it is attached: to say something else on one branch is to attach anew there.
//!
//! ```
//! use gstnvperception::detection::{Detection, Detections};
//! use gstnvperception::meta::DetectionMeta;
//!
//! gst::init()?;
//! let mut buffer = gst::Buffer::new();
//! let items = vec![Detection { confidence: 0.9, ..Detection::default() }];
//! let labels = ["person"].into_iter().collect();
//! let detections = Detections { model: "yolox".into(), labels, items, ..Detections::default() };
//! DetectionMeta::add(buffer.get_mut().expect("nobody else has it"), detections);
//! for found in DetectionMeta::all(&buffer) {
//!     for object in found.items() {
//!         println!("{}: {:?} {:?}", found.model(), found.label(object.class_id), object.bbox);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What becomes of them
//! Coordinates are in units of the frame, so they are right or gone, never stale. `tests/meta.rs` holds the
//! boxes against the pixels; this is what it finds with GStreamer 1.22. Provenance survives all of it.
//!
//! | element | detections, tracks, view and truth |
//! |---|---|
//! | `tee`, `queue`, `identity`, `videorate` (repeated frames too) | kept |
//! | `videoconvert`, `jpegenc ! jpegdec` | kept |
//! | `videoscale` to the same display aspect, by size or by pixel aspect | kept |
//! | `videoscale` to another one, with or without borders | dropped |
//! | `videocrop`, `videobox`, `aspectratiocrop` | dropped; a `videocrop` of nothing keeps them |
//! | `videocrop` by `GstVideoCropMeta` (the sink crops) | absent while the crop is not the one they were attached under |
//! | `videoflip`, every direction | dropped, also by one that turns nothing |
//! | `gst_buffer_copy()`, `gst_buffer_copy_deep()`, `gst_buffer_make_writable()` | kept, then independent |
//! | `gst_buffer_copy_region()` of a part | dropped |
//! | back from a `GstBufferPool` | gone, provenance too |
//!
//! Up to 1.26 nothing changes. From 1.28 on elements tell where each pixel went ("gst-video-matrix"), and then
//! all of `videoscale`, `videocrop`, `videobox`, `aspectratiocrop` and `videoflip` keep them: boxes and
//! velocities are turned, moved and scaled exactly, boxes that a crop cuts off altogether are left out, and
//! homographies lead between the new frames' points.
//! What is not made of boxes any more (shear, perspective) is dropped.
//!
//! # More than one copy of this crate in a process
//! An application may link the crate and also load the plugin, from another compiler. The copies share nothing
//! but what is written down in `nvperception.h`: types are looked up by name and registered by whoever comes
//! first, a payload carries the functions that retain and release it, and what a copy reads it reads through
//! the C layout, its own payloads too. A payload of a layout version that it does not know is carried along and
//! freed, reported once, and otherwise absent.

mod batch;
mod detection;
mod labels;
mod mapping;
mod provenance;
mod shared;
mod track;
mod transform;
mod truth;
mod view;

pub use crate::provenance::Origin;
pub use batch::{
    BATCH_CAPS, Batch, BatchContent, BatchItem, BatchMeta, BatchRef, BatchStream, ContentRef, ItemRef,
    StreamFacts,
};
pub use detection::{DetectionMeta, DetectionsRef};
pub use provenance::{OutcomeRef, ProvenanceMeta, ProvenanceRef, StageRef};
pub use track::{TrackMeta, TracksRef};
pub use truth::{TruthMeta, TruthRef};
pub use view::{ViewMeta, ViewRef};

/// Registers the metas' types now rather than on first use, so that their names can be looked up. True when
/// all of them can be carried.
pub fn init() -> bool {
    let kinds = [
        shared::register::<DetectionMeta>(),
        shared::register::<TrackMeta>(),
        shared::register::<ViewMeta>(),
        shared::register::<TruthMeta>(),
        shared::register::<ProvenanceMeta>(),
        shared::register::<BatchMeta>(),
    ];
    kinds.iter().all(|registered| *registered)
}
