//! The tracks of a frame, attached to its buffer.

use std::ffi::CStr;

use gst::ffi;
use gst::glib::ffi::{gboolean, gpointer};

use crate::detection::LabelsRef;
use crate::geometry::BBox;
use crate::track::{
    Closed, Continuity, EndReason, Ended, Opened, Past, PastKind, Track, TrackPoint, TrackSegment,
    TrackState, Tracks,
};

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
            ended: t.ended.as_deref().map_or(Slice::NONE, Slice::new),
            past: t.past.as_deref().map_or(Slice::NONE, Slice::new),
            segments: Slice::new(&t.segments),
            points: Slice::new(&t.points),
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
    /// Every state, reason and kind in it is known to be one.
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
        // state and continuity, which `Kind::holds` has seen to before anybody got this view.
        unsafe { self.view.items.get() }
    }

    /// The tracks that ended on this frame; `None` when the tracker does not tell.
    pub fn ended(&self) -> Option<&'a [Ended]> {
        // SAFETY: as `items`.
        (!self.view.ended.data.is_null()).then(|| unsafe { self.view.ended.get() })
    }

    /// Where tracks were on earlier frames, as it turns out on this one; `None` when the tracker does not tell.
    pub fn past(&self) -> Option<&'a [Past]> {
        // SAFETY: as `items`.
        (!self.view.past.data.is_null()).then(|| unsafe { self.view.past.get() })
    }

    /// The trajectories that the tracker tells: by track, the older segments first.
    pub fn segments(&self) -> &'a [TrackSegment] {
        // SAFETY: as `items`.
        unsafe { self.view.segments.get() }
    }

    /// The points that [`TrackSegment::first`] refers to.
    pub fn points(&self) -> &'a [TrackPoint] {
        // SAFETY: the payload keeps its points while the buffer is borrowed; any bits are a point.
        unsafe { self.view.points.get() }
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
        Tracks {
            run: self.run().into(),
            labels: self.labels().to_owned(),
            items: self.items().to_vec(),
            ended: self.ended().map(<[_]>::to_vec),
            past: self.past().map(<[_]>::to_vec),
            segments: self.segments().to_vec(),
            points: self.points().to_vec(),
        }
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
    /// Of this and the next three what is an enum may be any number until it has been checked.
    items: Slice<Track>,
    /// No array when the tracker does not tell; the same for `past`.
    ended: Slice<Ended>,
    past: Slice<Past>,
    segments: Slice<TrackSegment>,
    points: Slice<TrackPoint>,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<View>() == 160);
const _: () = assert!(size_of::<Track>() == 128 && size_of::<Ended>() == 136 && size_of::<Past>() == 40);
const _: () = assert!(size_of::<TrackSegment>() == 192 && size_of::<TrackPoint>() == 16);

impl View {
    /// True when every state, reason and kind is one that this copy of the crate knows.
    fn states_are_known(&self) -> bool {
        let states = TrackState::ALL.len();
        let (continuities, reasons) = (Continuity::ALL.len(), EndReason::ALL.len());
        // SAFETY: each place is an enum of `repr(u32)` in the item that it is taken of.
        unsafe {
            all_below(&self.items, states, |t| &raw const (*t).state)
                && all_below(&self.items, continuities, |t| &raw const (*t).continuity)
                && all_below(&self.ended, states, |e| &raw const (*e).track.state)
                && all_below(&self.ended, continuities, |e| &raw const (*e).track.continuity)
                && all_below(&self.ended, reasons, |e| &raw const (*e).reason)
                && all_below(&self.past, PastKind::ALL.len(), |p| &raw const (*p).kind)
                && all_below(&self.segments, Opened::ALL.len(), |s| &raw const (*s).opened)
                && all_below(&self.segments, Closed::ALL.len(), |s| &raw const (*s).closed)
        }
    }
}

/// True when the number at one place of every item is below `count`.
///
/// # Safety
/// `place` is given pointers to items whose bytes are initialised, and gives back that of four bytes within, without
/// reading the item.
pub(super) unsafe fn all_below<T, E>(
    items: &Slice<T>,
    count: usize,
    place: impl Fn(*const T) -> *const E,
) -> bool {
    // SAFETY: the payload keeps its items. With `MaybeUninit` nothing is said of what their bits mean yet.
    let items = unsafe { items.unchecked().get() };
    items.iter().all(|item| {
        // SAFETY: the item lies in the array just borrowed, and the rest is the caller's promise.
        let number = unsafe { place(item.as_ptr()).cast::<u32>().read() };
        (number as usize) < count
    })
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
            Self::types().report(Self::NAME, "left alone: a state, reason or kind is none of layout 1");
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
        let from = TracksRef { view };
        let kept = |bbox: &BBox| !map.loses(bbox);
        let items: Vec<_> = from.items().iter().filter(|t| kept(&t.bbox)).map(|t| moved(t, map)).collect();
        let ended = from.ended().map(|ended| {
            let ended = ended.iter().filter(|e| kept(&e.track.bbox));
            ended.map(|e| Ended { track: moved(&e.track, map), ..*e }).collect()
        });
        let past = from.past().map(|past| {
            past.iter().filter(|p| kept(&p.bbox)).map(|p| Past { bbox: map.bbox(&p.bbox), ..*p }).collect()
        });
        let segments = from.segments().iter().map(|segment| TrackSegment {
            transform: map.conjugated(&segment.transform).unwrap_or([f64::NAN; 9]),
            motion: map.motion(&segment.motion),
            ..*segment
        });
        let points = from.points().iter().map(|point| {
            let (x, y) = map.point(point.x, point.y);
            TrackPoint { x, y, ..*point }
        });
        let (segments, points) = (segments.collect(), points.collect());
        let tracks = Tracks { items, ended, past, segments, points, ..Tracks::default() };
        Payload::new((tracks, parent), |header, (t, _)| View {
            header,
            crop: Crop::default(),
            run: view.run.share(),
            labels: view.labels.share(),
            items: Slice::new(&t.items),
            ended: t.ended.as_deref().map_or(Slice::NONE, Slice::new),
            past: t.past.as_deref().map_or(Slice::NONE, Slice::new),
            segments: Slice::new(&t.segments),
            points: Slice::new(&t.points),
        })
    }
}

fn moved(track: &Track, map: &Mapping) -> Track {
    Track {
        bbox: map.bbox(&track.bbox),
        velocity: map.velocity(track.velocity),
        motion: map.motion(&track.motion),
        ..*track
    }
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;

    use super::*;
    use crate::detection::Labels;

    fn shown(items: &[MaybeUninit<Track>], ended: &[MaybeUninit<Ended>]) -> bool {
        let (items, ended) = (items.to_vec(), ended.to_vec());
        let payload = Payload::new((items, ended), |header, (items, ended)| View {
            header,
            crop: Crop::default(),
            run: Slice::NONE,
            labels: LabelTable::new(&Labels::default()),
            items: Slice { data: items.as_ptr().cast(), len: items.len() },
            ended: Slice { data: ended.as_ptr().cast(), len: ended.len() },
            past: Slice::NONE,
            segments: Slice::NONE,
            points: Slice::NONE,
        });
        let mut buffer = gst::Buffer::new();
        shared::put::<TrackMeta>(buffer.get_mut().unwrap(), payload, |_| true);
        TrackMeta::get(&buffer).is_some()
    }

    #[test]
    fn a_state_that_is_none_hides_the_tracks() {
        gst::init().unwrap();
        let track = || MaybeUninit::new(Track { id: 1, ..Track::default() });
        for (number, wanted) in [(TrackState::Lost as u32, true), (TrackState::Lost as u32 + 1, false)] {
            let mut item = track();
            // SAFETY: the place lies in the item, which is never read as a `Track` before a check.
            unsafe { (&raw mut (*item.as_mut_ptr()).state).cast::<u32>().write(number) };
            assert_eq!(shown(&[track(), item], &[]), wanted);
        }
        for (number, wanted) in [(2, true), (3, false)] {
            let mut item = track();
            // SAFETY: as above.
            unsafe { (&raw mut (*item.as_mut_ptr()).continuity).cast::<u32>().write(number) };
            assert_eq!(shown(&[item], &[]), wanted);
        }
        for (number, wanted) in [(4, true), (5, false)] {
            let mut end = MaybeUninit::new(Ended::default());
            // SAFETY: as above.
            unsafe { (&raw mut (*end.as_mut_ptr()).reason).cast::<u32>().write(number) };
            assert_eq!(shown(&[], &[end]), wanted);
        }
    }
}
