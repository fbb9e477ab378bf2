//! What a batch buffer carries: frames of several streams, and the events of each stream between them.
//!
//! A batch buffer has no memory of its own. Its payload refers to the frames, so a copy of the batch buffer (behind
//! a `tee`, or when an element makes it writable) is one reference more and copies no frame. To change what is
//! attached to the frames an element takes the batch out, changes it and puts it back:
//!
//! ```
//! use gstnvperception::meta::{Batch, BatchItem, BatchMeta, BatchStream, StreamFacts, ViewMeta};
//! use gstnvperception::view::View;
//!
//! gst::init()?;
//! let stream = BatchStream::new(StreamFacts { pad: 3, id: "camera/door".into(), ..StreamFacts::default() });
//! let mut buffer = gst::Buffer::new();
//! let items = vec![BatchItem::frame(stream, gst::Buffer::new())];
//! BatchMeta::set(buffer.get_mut().expect("nobody else has it"), Batch { items });
//!
//! let writable = buffer.make_mut();
//! let mut batch = BatchMeta::take(writable).ok_or("no batch")?;
//! for (stream, frame) in batch.frames_mut() {
//!     println!("{} on pad {}: {:?}", stream.id(), stream.pad(), stream.caps());
//!     ViewMeta::set(frame.make_mut(), View::default());
//! }
//! BatchMeta::set(writable, batch);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where nobody else holds the batch the frames are the taker's alone, and making them writable copies nothing;
//! where a branch of a `tee` still has it, `make_mut` copies the frame's head and shares its memory, as for any
//! buffer. A deep copy of a batch buffer shares the frames too. Whatever else an element may do to a buffer
//! (scale it, cut a part out of it) means nothing for a batch and drops it.

use std::ffi::CStr;
use std::ptr;
use std::sync::Arc;

use gst::ffi;
use gst::glib::ffi::{gboolean, gpointer};
use gst::glib::translate::{ToGlibPtr, from_glib_none};

use super::shared::{self, Header, Kind, Payload, Slice, Text, Types};
use super::transform;

/// The caps of batch buffers; they have no fields, since streams come, go and change within the stream of batches.
pub const BATCH_CAPS: &str = "multistream/x-nvp-batch";

/// The meta `NvpBatchMeta`: at most one a buffer.
#[derive(Debug)]
pub enum BatchMeta {}

impl BatchMeta {
    /// Attaches a batch, in the place of one that was there before.
    pub fn set(buffer: &mut gst::BufferRef, batch: Batch) {
        let raw: Vec<_> = batch.items.iter().map(RawItem::new).collect();
        let payload = Payload::new((batch, raw), |header, (_, raw)| View { header, items: Slice::new(raw) });
        shared::put::<Self>(buffer, payload, |_| true);
    }

    /// The batch, or `None` where the buffer is none.
    pub fn get(buffer: &gst::BufferRef) -> Option<BatchRef<'_>> {
        shared::views::<Self>(buffer).next().map(|view| BatchRef { view })
    }

    /// Takes the batch out of the buffer to change its frames; [`set`](Self::set) puts it back.
    pub fn take(buffer: &mut gst::BufferRef) -> Option<Batch> {
        let batch = Self::get(buffer)?.to_owned();
        // What the buffer held goes first: the frames are then in `batch` alone, unless a copy has them too.
        shared::remove::<Self>(buffer, |_| true);
        Some(batch)
    }
}

/// Frames and events of several streams; those of one stream are in its order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// What is in it, in order.
    pub items: Vec<BatchItem>,
}

impl Batch {
    /// The frames in order, each with its stream.
    pub fn frames(&self) -> impl Iterator<Item = (&BatchStream, &gst::Buffer)> {
        self.items.iter().filter_map(|item| match &item.content {
            BatchContent::Frame(frame) => Some((&item.stream, frame)),
            _ => None,
        })
    }

    /// The frames in order, each with its stream, to be made writable.
    pub fn frames_mut(&mut self) -> impl Iterator<Item = (&BatchStream, &mut gst::Buffer)> {
        self.items.iter_mut().filter_map(|item| match &mut item.content {
            BatchContent::Frame(frame) => Some((&item.stream, frame)),
            _ => None,
        })
    }
}

/// One thing in a batch.
#[derive(Clone, Debug)]
pub struct BatchItem {
    /// Of which stream it is.
    pub stream: BatchStream,
    /// What it is.
    pub content: BatchContent,
}

impl BatchItem {
    /// A frame.
    pub fn frame(stream: BatchStream, frame: gst::Buffer) -> Self {
        Self { stream, content: BatchContent::Frame(frame) }
    }

    /// An event between frames.
    pub fn event(stream: BatchStream, event: gst::Event) -> Self {
        Self { stream, content: BatchContent::Event(event) }
    }

    /// The stream's pad is gone.
    pub fn released(stream: BatchStream) -> Self {
        Self { stream, content: BatchContent::Released }
    }
}

/// What an item of a batch is.
#[derive(Clone, Debug)]
pub enum BatchContent {
    /// A frame.
    Frame(gst::Buffer),
    /// A serialised event of the stream: stream-start, caps, segment, tags, gap, custom, flush-stop, EOS, ...
    Event(gst::Event),
    /// The stream's pad was released: nothing more comes, with or without EOS before.
    Released,
}

/// What is known of a stream at some place in it.
#[derive(Clone, Debug, Default)]
pub struct StreamFacts {
    /// The number of the pad that it came in on.
    pub pad: u32,
    /// The id in its stream-start event; empty before that.
    pub id: Arc<str>,
    /// What people call it; empty when it has no other name than its id.
    pub name: Arc<str>,
    /// The caps of its frames, once known.
    pub caps: Option<gst::Caps>,
    /// The segment of its frames, once known.
    pub segment: Option<gst::Segment>,
}

/// A counted reference to what is known of a stream at some place in it. Items of a batch share it until the stream's
/// id, caps or segment change.
#[repr(transparent)]
pub struct BatchStream(Payload);

impl BatchStream {
    /// The stream as it is from here on.
    pub fn new(facts: StreamFacts) -> Self {
        // The segment is boxed: pointers may be to an owner's heap only.
        let owner = (facts.id, facts.name, facts.caps, facts.segment.map(Box::new));
        Self(Payload::new(owner, |header, (id, name, caps, segment)| StreamView {
            header,
            pad: facts.pad,
            reserved: 0,
            id: Slice::new(id.as_bytes()),
            name: Slice::new(name.as_bytes()),
            caps: caps.as_ref().map_or(ptr::null(), |caps| caps.as_ptr()),
            segment: segment.as_ref().map_or(ptr::null(), |segment| (**segment).to_glib_none().0),
        }))
    }

    /// The number of the pad that it came in on.
    pub fn pad(&self) -> u32 {
        self.view().pad
    }

    /// The id in its stream-start event; empty before that.
    pub fn id(&self) -> &str {
        // SAFETY: the payload keeps its text.
        unsafe { self.view().id.as_str() }
    }

    /// What people call it: its name, or the id when it has none.
    pub fn name(&self) -> &str {
        // SAFETY: as in `id`.
        let name = unsafe { self.view().name.as_str() };
        if name.is_empty() { self.id() } else { name }
    }

    /// The caps of its frames.
    pub fn caps(&self) -> Option<&gst::CapsRef> {
        let caps = self.view().caps;
        // SAFETY: a payload's caps are null or live and unchanged as long as it does.
        (!caps.is_null()).then(|| unsafe { gst::CapsRef::from_ptr(caps) })
    }

    /// The segment of its frames.
    pub fn segment(&self) -> Option<gst::Segment> {
        let segment = self.view().segment;
        // SAFETY: as for the caps; the structure is copied.
        (!segment.is_null()).then(|| unsafe { from_glib_none(segment) })
    }

    /// True when both are one reference to the same facts.
    pub fn is_same(&self, other: &Self) -> bool {
        ptr::eq(self.0.as_ptr(), other.0.as_ptr())
    }

    fn view(&self) -> &StreamView {
        // SAFETY: a `BatchStream` is made of a `StreamView`, or checked to be one by `RawItem::is_sound`.
        unsafe { &*self.0.as_ptr().cast() }
    }
}

impl Clone for BatchStream {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl std::fmt::Debug for BatchStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut f = f.debug_struct("BatchStream");
        f.field("pad", &self.pad()).field("id", &self.id()).field("name", &self.name());
        f.field("caps", &self.caps()).field("segment", &self.segment()).finish()
    }
}

/// A batch, borrowed from its buffer.
#[derive(Clone, Copy)]
pub struct BatchRef<'a> {
    /// Every item in it is known to be sound.
    view: &'a View,
}

impl<'a> BatchRef<'a> {
    /// What is in the batch, in order.
    pub fn items(&self) -> impl Iterator<Item = ItemRef<'a>> + use<'a> {
        // SAFETY: the payload keeps its items while the buffer is borrowed, and `Kind::holds` has checked each.
        unsafe { self.view.items.get() }.iter().map(|item| unsafe { item.get() })
    }

    /// The frames in order, each with its stream.
    pub fn frames(&self) -> impl Iterator<Item = (&'a BatchStream, &'a gst::BufferRef)> + use<'a> {
        self.items().filter_map(|item| match item.content {
            ContentRef::Frame(frame) => Some((item.stream, frame)),
            _ => None,
        })
    }

    /// How many frames there are.
    pub fn frame_count(&self) -> usize {
        self.frames().count()
    }

    /// A copy that outlives the buffer and shares the frames.
    pub fn to_owned(&self) -> Batch {
        let items = self.items().map(|item| BatchItem {
            stream: item.stream.clone(),
            content: match item.content {
                // SAFETY: what was borrowed from a live reference may be given one more.
                ContentRef::Frame(frame) => BatchContent::Frame(unsafe { from_glib_none(frame.as_ptr()) }),
                ContentRef::Event(event) => BatchContent::Event(unsafe { from_glib_none(event.as_ptr()) }),
                ContentRef::Released => BatchContent::Released,
            },
        });
        Batch { items: items.collect() }
    }
}

impl std::fmt::Debug for BatchRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.items()).finish()
    }
}

/// One thing in a batch, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ItemRef<'a> {
    /// Of which stream it is.
    pub stream: &'a BatchStream,
    /// What it is.
    pub content: ContentRef<'a>,
}

/// What an item of a batch is: [`BatchContent`], borrowed.
#[derive(Clone, Copy, Debug)]
pub enum ContentRef<'a> {
    /// A frame.
    Frame(&'a gst::BufferRef),
    /// A serialised event of the stream.
    Event(&'a gst::EventRef),
    /// The stream's pad was released.
    Released,
}

const FRAME: u32 = 0;
const EVENT: u32 = 1;
const RELEASED: u32 = 2;

/// What is known of a stream: `NvpStream` in the C header, a payload of its own.
#[repr(C)]
struct StreamView {
    header: Header,
    pad: u32,
    reserved: u32,
    id: Text,
    name: Text,
    caps: *const ffi::GstCaps,
    segment: *const ffi::GstSegment,
}

/// One thing in a batch: `NvpBatchItem` in the C header. The payload holds a reference to each.
#[repr(C)]
struct RawItem {
    stream: *const Header,
    buffer: *const ffi::GstBuffer,
    event: *const ffi::GstEvent,
    kind: u32,
    reserved: u32,
}

/// The payload: `NvpBatch` in the C header.
#[repr(C)]
pub(super) struct View {
    header: Header,
    items: Slice<RawItem>,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<View>() == 32 && size_of::<RawItem>() == 32 && size_of::<StreamView>() == 72);

// SAFETY: the pointers are to what the owner beside the items holds: a payload, a buffer or an event, all of which may
// be read and released on any thread.
unsafe impl Send for RawItem {}
// SAFETY: as above; nothing is changed through them.
unsafe impl Sync for RawItem {}

impl RawItem {
    fn new(item: &BatchItem) -> Self {
        let (kind, buffer, event) = match &item.content {
            BatchContent::Frame(frame) => (FRAME, frame.as_ptr(), ptr::null()),
            BatchContent::Event(event) => (EVENT, ptr::null(), event.as_ptr()),
            BatchContent::Released => (RELEASED, ptr::null(), ptr::null()),
        };
        Self { stream: item.stream.0.as_ptr(), buffer, event, kind, reserved: 0 }
    }

    /// True when it is an item that this copy of the crate can read.
    ///
    /// # Safety
    /// The pointers are null or to what the item's payload holds.
    unsafe fn is_sound(&self) -> bool {
        let has_content = match self.kind {
            FRAME => !self.buffer.is_null(),
            EVENT => !self.event.is_null(),
            RELEASED => true,
            _ => false,
        };
        // SAFETY: the caller's promise; every payload starts with a header.
        let stream = unsafe { self.stream.as_ref() };
        has_content && stream.is_some_and(|header| header.is_read_as(size_of::<StreamView>()))
    }

    /// # Safety
    /// The item is sound, and what it points to lives and stays unchanged for `'a`.
    unsafe fn get<'a>(&'a self) -> ItemRef<'a> {
        // SAFETY: the pointer is not null and to a `StreamView`, as `is_sound` saw. A `BatchStream` is a transparent
        // non-null pointer to just that; as it is only borrowed here, its reference is not given up.
        let stream = unsafe { &*(&raw const self.stream).cast::<BatchStream>() };
        // SAFETY: the pointer that the kind calls for is not null, as `is_sound` saw.
        let content = unsafe {
            match self.kind {
                FRAME => ContentRef::Frame(gst::BufferRef::from_ptr(self.buffer)),
                EVENT => ContentRef::Event(gst::EventRef::from_ptr(self.event)),
                _ => ContentRef::Released,
            }
        };
        ItemRef { stream, content }
    }
}

// SAFETY: `View` is layout 1 of "NvpBatchMeta" as written down in the C header, and `transform` passes GStreamer's
// promises on to a function that wants just those and does not unwind.
unsafe impl Kind for BatchMeta {
    const API: &'static CStr = c"NvpBatchMetaAPI";
    const NAME: &'static CStr = c"NvpBatchMeta";
    /// None: a batch buffer has no content that could change.
    const TAGS: &'static [&'static CStr] = &[];
    type View = View;

    fn types() -> &'static Types {
        static TYPES: Types = Types::new();
        &TYPES
    }

    fn holds(view: &View, _: &gst::BufferRef) -> bool {
        // SAFETY: the payload keeps its items and what they point to while the buffer is borrowed. Any bits are a
        // `RawItem`.
        let sound = unsafe { view.items.get().iter().all(|item| item.is_sound()) };
        if !sound {
            Self::types().report(Self::NAME, "left alone: an item is none of layout 1");
        }
        sound
    }

    unsafe extern "C" fn transform(
        out: *mut ffi::GstBuffer,
        meta: *mut ffi::GstMeta,
        _: *mut ffi::GstBuffer,
        what: u32,
        data: gpointer,
    ) -> gboolean {
        // SAFETY: GStreamer's promises, passed on.
        unsafe { transform::copy_only::<Self>(out, meta, what, data) }
    }
}
