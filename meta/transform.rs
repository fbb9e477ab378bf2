//! What becomes of metas about the picture's plane when an element makes one buffer from another.

use std::ptr::NonNull;
use std::sync::LazyLock;

use gst::ffi;
use gst::glib::ffi::{GFALSE, GTRUE, gboolean, gpointer};
use gst::glib::{Quark, translate::IntoGlib};
use gst_video::ffi::{
    GstVideoCropMeta, GstVideoMetaTransform, GstVideoMetaTransformMatrix, gst_video_crop_meta_api_get_type,
};

use super::mapping::{Mapping, same_aspect};
use super::shared::{self, Kind, Payload};

/// The part of a buffer's picture that counts, in pixels: `videocrop` may set it on the buffer instead of
/// cropping, and then nothing tells the metas. All zeros where the whole picture counts.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Crop {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

impl Crop {
    /// The crop that is set on a buffer.
    pub(super) fn of(buffer: &gst::BufferRef) -> Self {
        // SAFETY: the buffer is only read, and a meta of this API is a `GstVideoCropMeta` that lives at least
        // as long as the borrow.
        let meta = unsafe {
            let api = gst_video_crop_meta_api_get_type();
            ffi::gst_buffer_get_meta(buffer.as_ptr().cast_mut(), api).cast::<GstVideoCropMeta>().as_ref()
        };
        meta.map_or(Self::default(), |m| Self { x: m.x, y: m.y, width: m.width, height: m.height })
    }
}

/// A kind of meta whose payload has coordinates in units of the frame.
pub(super) trait Picture: Kind {
    /// The payload for the frame that `map` leads to. `parent` is the payload that `view` is of.
    fn mapped(view: &Self::View, parent: Payload, map: &Mapping) -> Payload;
}

struct Quarks {
    copy: Quark,
    scale: Quark,
    matrix: Quark,
}

/// By name, so that what a newer GStreamer has is understood without linking to it.
static QUARKS: LazyLock<Quarks> = LazyLock::new(|| Quarks {
    copy: Quark::from_str("gst-copy"),
    scale: Quark::from_str("gst-video-scale"),
    matrix: Quark::from_str("gst-video-matrix"),
});

/// The transform function of every [`Picture`] kind.
///
/// It answers false only to what it does not know. What it knows and cannot carry over it drops and answers
/// true: an element may try a weaker description next ("gst-video-scale" after "gst-video-matrix"), under which
/// the coordinates would seem to hold.
///
/// # Safety
/// GStreamer's contract: `out` is writable, `meta` is a meta of kind `K` on `input`, and `data` points to what
/// belongs to `what`, or is null.
pub(super) unsafe fn transform<K: Picture>(
    out: *mut ffi::GstBuffer,
    meta: *mut ffi::GstMeta,
    input: *mut ffi::GstBuffer,
    what: u32,
    data: gpointer,
) -> gboolean {
    // SAFETY: the contract above. Each arm takes `data` for the structure that GStreamer documents for it.
    let payload = unsafe {
        if what == QUARKS.copy.into_glib() {
            copied(meta, data.cast::<ffi::GstMetaTransformCopy>().as_ref())
        } else if what == QUARKS.scale.into_glib() {
            scaled::<K>(meta, input, data.cast::<GstVideoMetaTransform>().as_ref())
        } else if what == QUARKS.matrix.into_glib() {
            moved::<K>(meta, input, data.cast::<GstVideoMetaTransformMatrix>().as_ref())
        } else {
            return GFALSE;
        }
    };
    if let Some(payload) = payload {
        // SAFETY: `out` is writable, and GStreamer lets nothing else use it during the call.
        unsafe { shared::attach::<K>(out, payload) };
    }
    GTRUE
}

/// The same payload, whatever its layout, unless only a part of the frame's bytes is copied.
///
/// # Safety
/// As [`transform`].
unsafe fn copied(meta: *mut ffi::GstMeta, copy: Option<&ffi::GstMetaTransformCopy>) -> Option<Payload> {
    if copy.is_some_and(|c| c.region != GFALSE) {
        return None;
    }
    // SAFETY: the caller's promise.
    unsafe { shared::payload(meta) }
}

/// The same payload if the picture was stretched as a whole.
///
/// # Safety
/// As [`transform`].
unsafe fn scaled<K: Picture>(
    meta: *mut ffi::GstMeta,
    input: *mut ffi::GstBuffer,
    scale: Option<&GstVideoMetaTransform>,
) -> Option<Payload> {
    // SAFETY: the caller's promise; the infos of a scale are valid or null.
    unsafe {
        let (from, to) = (scale?.in_info.as_ref()?, scale?.out_info.as_ref()?);
        valid::<K>(meta, input)?;
        same_aspect(from, to).then(|| shared::payload(meta))?
    }
}

/// A payload with every coordinate moved.
///
/// # Safety
/// As [`transform`].
unsafe fn moved<K: Picture>(
    meta: *mut ffi::GstMeta,
    input: *mut ffi::GstBuffer,
    matrix: Option<&GstVideoMetaTransformMatrix>,
) -> Option<Payload> {
    // SAFETY: the caller's promise; the infos of a matrix are valid or null.
    unsafe {
        let (from, to) = (matrix?.in_info.as_ref()?, matrix?.out_info.as_ref()?);
        let view = valid::<K>(meta, input)?;
        let map = Mapping::from_matrix(matrix?, from, to)?;
        Some(K::mapped(view, shared::payload(meta)?, &map))
    }
}

/// # Safety
/// As [`transform`]; `meta` keeps its payload for `'a`.
unsafe fn valid<'a, K: Picture>(meta: *mut ffi::GstMeta, input: *mut ffi::GstBuffer) -> Option<&'a K::View> {
    // SAFETY: the caller's promise: both live, and the buffer is only read here.
    unsafe {
        let input = NonNull::new(input)?;
        let buffer = gst::BufferRef::from_ptr(input.as_ptr());
        shared::view::<K>(meta).filter(|view| K::holds(view, buffer))
    }
}
