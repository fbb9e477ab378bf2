//! The camera's view on a frame, attached to its buffer.

use std::ffi::CStr;

use gst::ffi;
use gst::glib::ffi::{gboolean, gpointer};

use crate::view::{Decision, Motion, MotionSource, Phase, Ptz, Sight, Validity, View};

use super::mapping::Mapping;
use super::shared::{self, Header, Kind, PICTURE_TAGS, Payload, Slice, Text, Types};
use super::transform::{self, Crop, Picture};

/// The meta `NvpViewMeta`: at most one a buffer.
#[derive(Debug)]
pub enum ViewMeta {}

impl ViewMeta {
    /// Attaches the view of a frame, in the place of one that was there before.
    pub fn set(buffer: &mut gst::BufferRef, view: View) {
        let crop = Crop::of(buffer);
        let payload = Payload::new(view, |header, v| Raw {
            header,
            crop,
            epoch: v.epoch,
            version: v.version,
            known: u32::from(v.to_previous.is_some())
                | u32::from(v.to_reference.is_some()) << 1
                | u32::from(v.ptz.is_some()) << 2,
            to_previous: v.to_previous.unwrap_or_default(),
            to_reference: v.to_reference.unwrap_or_default(),
            phase: v.phase as u32,
            motion: v.motion as u32,
            source: v.source as u32,
            validity: v.validity as u32,
            confidence: v.confidence,
            stability: v.stability,
            decision: v.decision as u32,
            reason: v.reason.as_deref().map_or(Slice::NONE, |text| Slice::new(text.as_bytes())),
            preset: v.preset.as_deref().map_or(Slice::NONE, |text| Slice::new(text.as_bytes())),
            ptz: v.ptz.map_or([0.0; 3], |ptz| [ptz.pan, ptz.tilt, ptz.zoom]),
        });
        shared::put::<Self>(buffer, payload, |_| true);
    }

    /// The view of a frame, or `None` where nobody has looked at it.
    pub fn get(buffer: &gst::BufferRef) -> Option<ViewRef<'_>> {
        shared::views::<Self>(buffer).next().map(|raw| ViewRef { raw })
    }

    /// Removes the view.
    pub fn remove(buffer: &mut gst::BufferRef) {
        shared::remove::<Self>(buffer, |_| true);
    }
}

/// The view of one frame, borrowed from the buffer.
#[derive(Clone, Copy)]
pub struct ViewRef<'a> {
    /// Whose numbers are known to name something.
    raw: &'a Raw,
}

impl<'a> ViewRef<'a> {
    /// Number of discontinuities so far.
    pub fn epoch(&self) -> u64 {
        self.raw.epoch
    }

    /// Number of changes of any kind so far.
    pub fn version(&self) -> u64 {
        self.raw.version
    }

    /// Where the frame lies in a move.
    pub fn phase(&self) -> Phase {
        phase(self.raw.phase).unwrap_or_default()
    }

    /// Whether the camera moves.
    pub fn motion(&self) -> Motion {
        motion(self.raw.motion).unwrap_or_default()
    }

    /// Who says so.
    pub fn source(&self) -> MotionSource {
        source(self.raw.source).unwrap_or_default()
    }

    /// Confidence in the motion, in \[0, 1\].
    pub fn confidence(&self) -> f32 {
        self.raw.confidence
    }

    /// Row-major homography from this frame's normalised points to the previous frame's, when known.
    pub fn to_previous(&self) -> Option<&'a [f32; 9]> {
        (self.raw.known & 1 != 0).then_some(&self.raw.to_previous)
    }

    /// Row-major homography from this frame's normalised points to the epoch's reference frame, when known.
    pub fn to_reference(&self) -> Option<&'a [f32; 9]> {
        (self.raw.known & 2 != 0).then_some(&self.raw.to_reference)
    }

    /// Whether what was drawn on the view holds.
    pub fn validity(&self) -> Validity {
        validity(self.raw.validity).unwrap_or_default()
    }

    /// Why it does not.
    pub fn reason(&self) -> Option<&'a str> {
        // SAFETY: the payload keeps its text while the buffer is borrowed.
        unsafe { self.raw.reason.as_option() }
    }

    /// How still the view is, in \[0, 1\].
    pub fn stability(&self) -> f32 {
        self.raw.stability
    }

    /// The camera's preset, when known.
    pub fn preset(&self) -> Option<&'a str> {
        // SAFETY: the payload keeps its text while the buffer is borrowed.
        unsafe { self.raw.preset.as_option() }
    }

    /// What decides whether something drawn on a view holds on this one.
    pub fn sight(&self) -> Sight<'a> {
        Sight {
            epoch: self.epoch(),
            preset: self.preset(),
            to_reference: self.to_reference().copied(),
            validity: self.validity(),
        }
    }

    /// Where the camera's head points, when it says so.
    pub fn ptz(&self) -> Option<Ptz> {
        let [pan, tilt, zoom] = self.raw.ptz;
        (self.raw.known & 4 != 0).then_some(Ptz { pan, tilt, zoom })
    }

    /// What becomes of what is drawn on the view.
    pub fn decision(&self) -> Decision {
        decision(self.raw.decision).unwrap_or_default()
    }

    /// A copy that outlives the buffer.
    pub fn to_owned(&self) -> View {
        View {
            epoch: self.epoch(),
            version: self.version(),
            phase: self.phase(),
            motion: self.motion(),
            source: self.source(),
            confidence: self.confidence(),
            to_previous: self.to_previous().copied(),
            to_reference: self.to_reference().copied(),
            validity: self.validity(),
            reason: self.reason().map(Into::into),
            stability: self.stability(),
            preset: self.preset().map(Into::into),
            ptz: self.ptz(),
            decision: self.decision(),
        }
    }
}

impl std::fmt::Debug for ViewRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_owned().fmt(f)
    }
}

fn phase(number: u32) -> Option<Phase> {
    [Phase::Settled, Phase::MoveStart, Phase::Moving, Phase::MoveEnd].get(number as usize).copied()
}

fn motion(number: u32) -> Option<Motion> {
    [Motion::Unknown, Motion::Stable, Motion::Moving].get(number as usize).copied()
}

fn source(number: u32) -> Option<MotionSource> {
    use MotionSource::{External, Inferred, None, Telemetry};
    [None, Telemetry, Inferred, External].get(number as usize).copied()
}

fn validity(number: u32) -> Option<Validity> {
    [Validity::Valid, Validity::Degraded, Validity::Invalid].get(number as usize).copied()
}

fn decision(number: u32) -> Option<Decision> {
    use Decision::{Compensate, Continue, Degrade, Segment};
    [Continue, Degrade, Compensate, Segment].get(number as usize).copied()
}

/// The payload: `NvpView` in the C header.
#[repr(C)]
pub(super) struct Raw {
    header: Header,
    crop: Crop,
    epoch: u64,
    version: u64,
    to_previous: [f32; 9],
    to_reference: [f32; 9],
    /// 1: `to_previous` is known, 2: `to_reference` is, 4: `ptz` is.
    known: u32,
    phase: u32,
    motion: u32,
    source: u32,
    validity: u32,
    confidence: f32,
    stability: f32,
    decision: u32,
    reason: Text,
    preset: Text,
    ptz: [f64; 3],
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Raw>() == 208);

// SAFETY: `Raw` is layout 1 of "NvpViewMeta" as written down in the C header, and `transform` passes
// GStreamer's promises on to a function that wants just those and does not unwind.
unsafe impl Kind for ViewMeta {
    const API: &'static CStr = c"NvpViewMetaAPI";
    const NAME: &'static CStr = c"NvpViewMeta";
    const TAGS: &'static [&'static CStr] = PICTURE_TAGS;
    type View = Raw;

    fn types() -> &'static Types {
        static TYPES: Types = Types::new();
        &TYPES
    }

    fn holds(raw: &Raw, buffer: &gst::BufferRef) -> bool {
        let known = phase(raw.phase).is_some()
            && motion(raw.motion).is_some()
            && source(raw.source).is_some()
            && validity(raw.validity).is_some()
            && decision(raw.decision).is_some();
        if !known {
            Self::types().report(Self::NAME, "left alone: it has a state that is none of layout 1");
        }
        known && raw.crop == Crop::of(buffer)
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

impl Picture for ViewMeta {
    fn mapped(raw: &Raw, parent: Payload, map: &Mapping) -> Payload {
        let moved = |h: &[f32; 9], bit: u32| {
            let moved = (raw.known & bit != 0).then(|| map.conjugated(&h.map(f64::from))).flatten();
            moved.map(|h| h.map(|v| v as f32))
        };
        let (to_previous, to_reference) = (moved(&raw.to_previous, 1), moved(&raw.to_reference, 2));
        Payload::new(parent, |header, _| Raw {
            header,
            crop: Crop::default(),
            known: u32::from(to_previous.is_some()) | u32::from(to_reference.is_some()) << 1 | raw.known & 4,
            to_previous: to_previous.unwrap_or_default(),
            to_reference: to_reference.unwrap_or_default(),
            reason: raw.reason.share(),
            preset: raw.preset.share(),
            ..*raw
        })
    }
}
