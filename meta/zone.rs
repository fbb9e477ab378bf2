//! Where zones and lines are on a frame, attached to its buffer.

use std::ffi::CStr;

use gst::ffi;
use gst::glib::ffi::{gboolean, gpointer};

use crate::detection::LabelsRef;
use crate::homography::compose;
use crate::rules::{self, Hold, Shape, ShapeKind, ShapeNow, Shapes};

use super::labels::LabelTable;
use super::mapping::Mapping;
use super::shared::{self, Header, Kind, PICTURE_TAGS, Payload, Slice, Types};
use super::track::all_below;
use super::transform::{self, Crop, Picture};

/// The meta `NvpZoneMeta`: at most one a buffer.
#[derive(Debug)]
pub enum ZoneMeta {}

impl ZoneMeta {
    /// Attaches where zones and lines are, in the place of what was there before.
    pub fn set(buffer: &mut gst::BufferRef, shapes: Shapes) {
        let crop = Crop::of(buffer);
        let payload = Payload::new(shapes, |header, s| View {
            header,
            crop,
            names: LabelTable::new(&s.board.names),
            shapes: Slice::new(&s.board.shapes),
            points: Slice::new(&s.board.points),
            now: Slice::new(&s.now),
            generation: s.board.generation,
            to_frame: s.to_frame,
            reserved: 0,
        });
        shared::put::<Self>(buffer, payload, |_| true);
    }

    /// Where zones and lines are, or `None` where nobody watches any.
    pub fn get(buffer: &gst::BufferRef) -> Option<ShapesRef<'_>> {
        shared::views::<Self>(buffer).next().map(|view| ShapesRef { view })
    }

    /// Removes them.
    pub fn remove(buffer: &mut gst::BufferRef) {
        shared::remove::<Self>(buffer, |_| true);
    }
}

/// Zones and lines of one frame, borrowed from the buffer.
#[derive(Clone, Copy)]
pub struct ShapesRef<'a> {
    /// Every kind and state in it is known to be one.
    view: &'a View,
}

impl<'a> ShapesRef<'a> {
    /// The shapes, each with how it stands.
    pub fn iter(self) -> impl Iterator<Item = (&'a Shape, &'a ShapeNow)> {
        // SAFETY: the payload keeps its lists while the buffer is borrowed. Any bits are a shape and its state but for the
        // enums, which `Kind::holds` has seen to before anybody got this view.
        let (shapes, now) = unsafe { (self.view.shapes.get(), self.view.now.get()) };
        shapes.iter().zip(now)
    }

    /// The name of a shape.
    pub fn name(&self, shape: &Shape) -> Option<&'a str> {
        self.names().get(shape.name)
    }

    fn names(&self) -> LabelsRef<'a> {
        // SAFETY: the payload keeps its tables while the buffer is borrowed.
        unsafe { self.view.names.get() }
    }

    /// The corners of a shape, in the points of the view that it is bound to.
    pub fn points_of(&self, shape: &Shape) -> &'a [[f32; 2]] {
        // SAFETY: the payload keeps its points while the buffer is borrowed; any bits are a point.
        rules::part(unsafe { self.view.points.get() }, shape.first, shape.count)
    }

    /// From the points of the shapes that hold to this frame's, row-major; not a number where nobody knows the way.
    pub fn to_frame(&self) -> &'a [f32; 9] {
        &self.view.to_frame
    }

    /// Numbers the rules that they are of.
    pub fn generation(&self) -> u64 {
        self.view.generation
    }
}

impl std::fmt::Debug for ShapesRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|(shape, now)| (self.name(shape), now))).finish()
    }
}

/// The payload: `NvpZones` in the C header.
#[repr(C)]
pub(super) struct View {
    header: Header,
    crop: Crop,
    names: LabelTable,
    /// What is an enum in it and in `now` may be any number until it has been checked.
    shapes: Slice<Shape>,
    points: Slice<[f32; 2]>,
    now: Slice<ShapeNow>,
    generation: u64,
    to_frame: [f32; 9],
    reserved: u32,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<View>() == 160 && size_of::<Shape>() == 16 && size_of::<ShapeNow>() == 24);

// SAFETY: `View` is layout 1 of "NvpZoneMeta" as written down in the C header, and `transform` passes GStreamer's
// promises on to a function that wants just those and does not unwind.
unsafe impl Kind for ZoneMeta {
    const API: &'static CStr = c"NvpZoneMetaAPI";
    const NAME: &'static CStr = c"NvpZoneMeta";
    const TAGS: &'static [&'static CStr] = PICTURE_TAGS;
    type View = View;

    fn types() -> &'static Types {
        static TYPES: Types = Types::new();
        &TYPES
    }

    fn holds(view: &View, buffer: &gst::BufferRef) -> bool {
        // SAFETY: each place is an enum of `repr(u32)` in the item that it is taken of.
        let known = unsafe {
            all_below(&view.shapes, 2, |s| &raw const (*s).kind)
                && all_below(&view.now, Hold::ALL.len(), |n| &raw const (*n).hold)
        };
        if !known {
            Self::types().report(Self::NAME, "left alone: a kind or state is none of layout 1");
        }
        known && view.crop == Crop::of(buffer)
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

const _: () = assert!(ShapeKind::Line as u32 == 1);

impl Picture for ZoneMeta {
    fn mapped(view: &View, parent: Payload, map: &Mapping) -> Payload {
        let to_frame = compose(&map.homography(), &view.to_frame.map(f64::from)).map(|v| v as f32);
        Payload::new(parent, |header, _| View {
            header,
            crop: Crop::default(),
            names: view.names.share(),
            shapes: view.shapes.share(),
            points: view.points.share(),
            now: view.now.share(),
            generation: view.generation,
            to_frame,
            reserved: 0,
        })
    }
}
