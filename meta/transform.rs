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

/// The transform function of a kind that a copy of the whole buffer keeps and anything else drops.
///
/// # Safety
/// As [`transform`].
pub(super) unsafe fn copy_only<K: Kind>(
    out: *mut ffi::GstBuffer,
    meta: *mut ffi::GstMeta,
    what: u32,
    data: gpointer,
) -> gboolean {
    if what != QUARKS.copy.into_glib() {
        return GFALSE;
    }
    // SAFETY: the caller's promise; GStreamer documents this structure for a copy.
    let payload = unsafe { copied(meta, data.cast::<ffi::GstMetaTransformCopy>().as_ref()) };
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

#[cfg(test)]
mod tests {
    use gst_video::ffi::{GstVideoInfo, GstVideoRectangle};

    use super::*;
    use crate::detection::{Detection, Detections};
    use crate::geometry::BBox;
    use crate::meta::{DetectionMeta, TrackMeta};
    use crate::track::{Closed, Ended, Opened, Past, Track, TrackMotion, TrackPoint, TrackSegment, Tracks};

    const BOX: BBox = BBox::new(0.0, 0.0, 0.25, 0.5);

    fn frame() -> gst::Buffer {
        let mut buffer = gst::Buffer::new();
        let r = buffer.get_mut().unwrap();
        let item = |bbox| Detection { bbox, confidence: 0.5, class_id: 1 };
        let items = vec![item(BOX), item(BBox::new(0.9, 0.9, 1.0, 1.0))];
        let labels = ["person", "car"].into_iter().collect();
        DetectionMeta::add(r, Detections { model: "det".into(), labels, items, ..Detections::default() });
        let track = Track { id: 1, bbox: BOX, velocity: [0.25, 0.5], ..Track::default() };
        let ended = Some(vec![Ended { track, ..Ended::default() }]);
        let past = Some(vec![Past { id: 1, bbox: BOX, ..Past::default() }]);
        let segment = TrackSegment {
            track: 1,
            epoch: 0,
            since: 0,
            until: 0,
            opened: Opened::Born,
            closed: Closed::Open,
            compensations: 1,
            count: 1,
            first: 0,
            transform: [1.0, 0.0, 0.25, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            motion: TrackMotion::UNKNOWN,
            reserved: 0,
        };
        let points = vec![TrackPoint { before: 0, x: 0.25, y: 0.5 }];
        let (items, segments) = (vec![track], vec![segment]);
        let tracks = Tracks { run: "run".into(), items, ended, past, segments, points, ..Tracks::default() };
        TrackMeta::set(r, tracks);
        buffer
    }

    fn info(width: i32, height: i32) -> GstVideoInfo {
        // SAFETY: all zeros is what GStreamer itself calls an unset video info.
        let mut info: GstVideoInfo = unsafe { std::mem::zeroed() };
        (info.width, info.height, info.par_n, info.par_d) = (width, height, 1, 1);
        info
    }

    /// Calls the transform of every meta on `input`, as an element does.
    fn apply<T>(input: &gst::Buffer, what: &str, data: &mut T) -> (gst::Buffer, bool) {
        let mut output = gst::Buffer::new();
        let (out, what) = (output.get_mut().unwrap().as_mut_ptr(), Quark::from_str(what).into_glib());
        let (mut state, mut known) = (std::ptr::null_mut(), true);
        // SAFETY: both buffers live, only `out` is written, and `data` is what goes with `what`.
        unsafe {
            let input = input.as_ptr().cast_mut();
            while let Some(meta) = ffi::gst_buffer_iterate_meta(input, &mut state).as_mut() {
                let transform = (*meta.info).transform_func.unwrap();
                known &= transform(out, meta, input, what, (&raw mut *data).cast()) != GFALSE;
            }
        }
        (output, known)
    }

    fn matrix<'a>(
        from: &'a GstVideoInfo,
        to: &'a GstVideoInfo,
        matrix: [f32; 9],
    ) -> GstVideoMetaTransformMatrix {
        let whole = |i: &GstVideoInfo| GstVideoRectangle { x: 0, y: 0, w: i.width, h: i.height };
        GstVideoMetaTransformMatrix {
            in_info: from,
            in_rectangle: whole(from),
            out_info: to,
            out_rectangle: whole(to),
            matrix,
        }
    }

    #[test]
    fn a_matrix_turns_boxes_and_velocities() {
        gst::init().unwrap();
        let (from, to) = (info(200, 100), info(100, 200));
        let mut turn = matrix(&from, &to, [0.0, -1.0, 100.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        let input = frame();
        let (output, known) = apply(&input, "gst-video-matrix", &mut turn);
        drop(input);
        assert!(known);
        let seen = DetectionMeta::all(&output).next().unwrap();
        assert_eq!((seen.model(), seen.label(1), seen.items().len()), ("det", Some("car"), 2));
        assert_eq!(seen.items()[0].bbox, BBox::new(0.5, 0.0, 1.0, 0.25));
        let turned = BBox::new(0.5, 0.0, 1.0, 0.25);
        let tracks = TrackMeta::get(&output).unwrap();
        let track = tracks.items()[0];
        assert_eq!((track.bbox, track.velocity), (turned, [-0.5, 0.25]));
        assert_eq!((tracks.ended().unwrap()[0].track, tracks.past().unwrap()[0].bbox), (track, turned));
        // What lay a quarter of the width to the left now lies a quarter of the height above.
        assert_eq!(tracks.segments()[0].transform[5], 0.25);
        assert_eq!((tracks.points()[0].x, tracks.points()[0].y), (0.5, 0.25));
    }

    #[test]
    fn a_crop_forgets_what_it_cuts_off() {
        gst::init().unwrap();
        let (from, to) = (info(200, 100), info(100, 100));
        let mut crop = matrix(&from, &to, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        crop.in_rectangle.w = 100;
        let (output, _) = apply(&frame(), "gst-video-matrix", &mut crop);
        let seen = DetectionMeta::all(&output).next().unwrap();
        assert_eq!(seen.items().iter().map(|d| d.bbox).collect::<Vec<_>>(), [BBox::new(0.0, 0.0, 0.5, 0.5)]);
    }

    #[test]
    fn what_cannot_be_carried_over_is_dropped_without_a_second_try() {
        gst::init().unwrap();
        let (from, to) = (info(200, 100), info(200, 100));
        let mut shear = matrix(&from, &to, [1.0, 0.5, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        let (output, known) = apply(&frame(), "gst-video-matrix", &mut shear);
        assert!(known && DetectionMeta::all(&output).count() == 0 && TrackMeta::get(&output).is_none());
    }

    #[test]
    fn an_unknown_transform_is_refused() {
        gst::init().unwrap();
        let (output, known) = apply(&frame(), "nvp-no-such-transform", &mut 0u64);
        assert!(!known && DetectionMeta::all(&output).count() == 0);
    }
}
