//! What all metas share: the payload's header and reference count, the registered types, and walking a buffer.
//!
//! A `GstMeta` of this crate is a [`RawMeta`]: GStreamer's own part and one pointer. What it points to is a
//! payload that starts with a [`Header`], whichever copy of the crate made it, so that any copy can retain,
//! release and read what any other one attached. A payload is never changed once it is attached.

use std::ffi::{CStr, c_char};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use gst::ffi;
use gst::glib::ffi::{GFALSE, GTRUE, GType, gboolean, gpointer};
use gst::glib::gobject_ffi::g_type_from_name;
use gst::prelude::*;

/// The layout that this file's structures describe.
pub(super) const LAYOUT_VERSION: u32 = 1;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvpmeta", gst::DebugColorFlags::empty(), Some("Perception metadata"))
});

/// What every payload starts with, in this layout version and in any later one.
#[repr(C)]
pub(super) struct Header {
    /// Of the payload behind the header; a reader leaves alone what it does not know.
    version: u32,
    /// Bytes of the payload's documented part, this header included. It may grow within a version.
    size: u32,
    functions: *const Functions,
}

impl Header {
    /// True when this copy of the crate can read the payload as a structure of `size` bytes.
    pub(super) fn is_read_as(&self, size: usize) -> bool {
        self.version == LAYOUT_VERSION && self.size as usize >= size
    }
}

/// How any copy of the crate shares a payload. Both functions may be called from any thread.
#[repr(C)]
struct Functions {
    retain: unsafe extern "C" fn(*const Header),
    release: unsafe extern "C" fn(*const Header),
}

/// A C array that its payload keeps alive.
#[repr(C)]
pub(super) struct Slice<T> {
    pub(super) data: *const T,
    pub(super) len: usize,
}

/// UTF-8 text without a terminator; `data` is null where there is none.
pub(super) type Text = Slice<u8>;

impl<T> Slice<T> {
    /// No array at all.
    pub(super) const NONE: Self = Self { data: ptr::null(), len: 0 };

    pub(super) fn new(items: &[T]) -> Self {
        Self { data: items.as_ptr(), len: items.len() }
    }

    /// The same array, for a payload that keeps its owner alive.
    pub(super) fn share(&self) -> Self {
        Self { data: self.data, len: self.len }
    }

    /// The same array, with nothing said of what its bytes mean.
    pub(super) fn unchecked(&self) -> Slice<MaybeUninit<T>> {
        Slice { data: self.data.cast(), len: self.len }
    }

    /// The items; empty where there are none or the pointer cannot be one to an array of `T`.
    ///
    /// # Safety
    /// A pointer that is neither null nor misaligned must be to `len` initialised values of `T` that live and
    /// stay unchanged for `'a`.
    pub(super) unsafe fn get<'a>(&self) -> &'a [T] {
        let fits = self.len.checked_mul(size_of::<T>()).is_some_and(|bytes| isize::try_from(bytes).is_ok());
        if self.data.is_null() || !self.data.is_aligned() || !fits {
            return &[];
        }
        // SAFETY: non-null, aligned and of a possible size as just checked; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

impl Text {
    /// The text, empty where there is none or it is not UTF-8.
    ///
    /// # Safety
    /// As [`Slice::get`].
    pub(super) unsafe fn as_str<'a>(&self) -> &'a str {
        // SAFETY: the caller's promise.
        str::from_utf8(unsafe { self.get() }).unwrap_or_default()
    }

    /// The text, or `None` where there is none.
    ///
    /// # Safety
    /// As [`Slice::get`].
    pub(super) unsafe fn as_option<'a>(&self) -> Option<&'a str> {
        // SAFETY: the caller's promise.
        (!self.data.is_null()).then(|| unsafe { self.as_str() })
    }
}

/// A kind of meta: its registered names and how its payload is read.
///
/// # Safety
/// `View` is `repr(C)` and starts with a [`Header`], and every copy of the crate that calls a payload of type
/// `NAME` layout [`LAYOUT_VERSION`] means this structure. `transform` fulfils GStreamer's contract of a
/// `GstMetaTransformFunction` for a [`RawMeta`] of this kind, and does not unwind.
pub(super) unsafe trait Kind: Sized + 'static {
    /// The name of the meta API type.
    const API: &'static CStr;
    /// The name of the meta implementation.
    const NAME: &'static CStr;
    /// What the meta depends on; an element that changes that drops the meta or asks `transform`.
    const TAGS: &'static [&'static CStr];
    /// The payload as C sees it.
    type View;

    /// Where this copy of the crate remembers the registered types.
    fn types() -> &'static Types;

    /// True when what the payload says can be taken at its word and speaks of `buffer` as it is now.
    fn holds(view: &Self::View, buffer: &gst::BufferRef) -> bool;

    /// GStreamer's transform function.
    ///
    /// # Safety
    /// Only to be called by GStreamer, or as it would.
    unsafe extern "C" fn transform(
        out: *mut ffi::GstBuffer,
        meta: *mut ffi::GstMeta,
        input: *mut ffi::GstBuffer,
        what: u32,
        data: gpointer,
    ) -> gboolean;
}

/// A counted reference to a payload, of any layout version and from any copy of the crate.
#[repr(transparent)]
pub(super) struct Payload(NonNull<Header>);

// SAFETY: a payload is immutable, and its functions may be called from any thread.
unsafe impl Send for Payload {}
// SAFETY: as above.
unsafe impl Sync for Payload {}

impl Payload {
    /// Moves a view and what keeps its pointers valid into one heap block.
    ///
    /// `view` makes the view from the owner. Its pointers may be to what the owner holds on the heap: the
    /// owner moves once, its heap does not.
    pub(super) fn new<V, O: Send + Sync + 'static>(owner: O, view: impl FnOnce(Header, &O) -> V) -> Self {
        let view = view(Block::<V, O>::header(), &owner);
        let block = Arc::into_raw(Arc::new(Block { view, _owner: owner }));
        // SAFETY: an Arc's pointer is not null. It covers the whole block, and goes on doing so as a pointer to
        // the header that `V`, the block's first field, starts with.
        Self(unsafe { NonNull::new_unchecked(block.cast_mut().cast()) })
    }

    /// Shares a payload that something else holds.
    ///
    /// # Safety
    /// `header` is that of a payload which lives at least until this function returns.
    pub(super) unsafe fn retain(header: NonNull<Header>) -> Self {
        // SAFETY: the payload lives, and the function table with it, whatever its version.
        unsafe { ((*header.as_ref().functions).retain)(header.as_ptr()) };
        Self(header)
    }

    /// The payload's header, for a structure that is kept beside this reference.
    pub(super) fn as_ptr(&self) -> *const Header {
        self.0.as_ptr()
    }

    fn into_raw(self) -> *const Header {
        ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Clone for Payload {
    fn clone(&self) -> Self {
        // SAFETY: this reference keeps the payload alive.
        unsafe { Self::retain(self.0) }
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        // SAFETY: this reference keeps the payload alive until here and is not used again.
        unsafe { ((*self.0.as_ref().functions).release)(self.0.as_ptr()) }
    }
}

/// A payload of this copy of the crate. The view stays first: its address is the header's.
#[repr(C)]
struct Block<V, O> {
    view: V,
    _owner: O,
}

impl<V, O: Send + Sync + 'static> Block<V, O> {
    const FUNCTIONS: &'static Functions = &Functions { retain: Self::retain, release: Self::release };

    fn header() -> Header {
        const { assert!(size_of::<V>() <= u32::MAX as usize) };
        Header { version: LAYOUT_VERSION, size: size_of::<V>() as u32, functions: Self::FUNCTIONS }
    }

    unsafe extern "C" fn retain(header: *const Header) {
        // SAFETY: the table with this function is only in headers of blocks made by `Payload::new`, whose
        // address is that of an Arc's content, and the caller holds a reference.
        unsafe { Arc::increment_strong_count(header.cast::<Self>()) }
    }

    unsafe extern "C" fn release(header: *const Header) {
        // SAFETY: as in `retain`; the caller gives its reference up. The last one may be given up on any
        // thread, which the owner's `Send` allows; the view's pointers own nothing.
        unsafe { Arc::decrement_strong_count(header.cast::<Self>()) }
    }
}

/// The registered structure, the same in every copy of the crate and in every layout version.
#[repr(C)]
pub(super) struct RawMeta {
    meta: ffi::GstMeta,
    /// Null, or a reference that the meta owns.
    payload: *const Header,
}

/// The types of one kind, once this copy of the crate has looked for them.
pub(super) struct Types {
    found: OnceLock<Option<Registered>>,
    reported: AtomicBool,
}

#[derive(Clone, Copy)]
struct Registered {
    api: GType,
    info: &'static ffi::GstMetaInfo,
}

// SAFETY: GStreamer never changes or frees the description of a registered meta.
unsafe impl Send for Registered {}
// SAFETY: as above.
unsafe impl Sync for Registered {}

impl Types {
    pub(super) const fn new() -> Self {
        Self { found: OnceLock::new(), reported: AtomicBool::new(false) }
    }

    /// Says once per kind that something on a buffer is left alone.
    pub(super) fn report(&self, name: &CStr, why: &str) {
        if !self.reported.swap(true, Ordering::Relaxed) {
            gst::warning!(CAT, "{}: {why}", name.to_string_lossy());
        }
    }
}

/// Looks the types of a kind up, and registers them where no copy of the crate has done so before.
pub(super) fn register<K: Kind>() -> bool {
    registered::<K>().is_some()
}

fn registered<K: Kind>() -> Option<Registered> {
    *K::types().found.get_or_init(|| {
        let registry = gst::Registry::get();
        // The registry is one object for the whole process: its lock orders the copies of the crate among
        // themselves, and registering takes no lock of the registry's.
        let _guard = registry.object_lock();
        find_or_register::<K>()
    })
}

fn find_or_register<K: Kind>() -> Option<Registered> {
    let mut tags: Vec<*const c_char> = K::TAGS.iter().map(|tag| tag.as_ptr()).collect();
    tags.push(ptr::null());
    // SAFETY: all strings are terminated, `tags` ends with null and is copied, and the functions given have the
    // signatures and, by the contract of `Kind`, the behaviour that GStreamer asks for. What
    // `gst_meta_get_info` and `gst_meta_register` return lives as long as the process.
    let (api, info) = unsafe {
        let mut api = g_type_from_name(K::API.as_ptr());
        if api == 0 {
            api = ffi::gst_meta_api_type_register(K::API.as_ptr(), tags.as_mut_ptr());
        }
        let mut info = ffi::gst_meta_get_info(K::NAME.as_ptr());
        if info.is_null() && api != 0 {
            let (init, free, transform) = (init as _, free as _, K::transform as _);
            let size = size_of::<RawMeta>();
            info =
                ffi::gst_meta_register(api, K::NAME.as_ptr(), size, Some(init), Some(free), Some(transform));
        }
        (api, info.as_ref())
    };
    match info {
        Some(info) if info.api == api && info.size >= size_of::<RawMeta>() => Some(Registered { api, info }),
        _ => {
            K::types().report(K::NAME, "the name is taken by something else; this metadata is not carried");
            None
        }
    }
}

unsafe extern "C" fn init(meta: *mut ffi::GstMeta, _: gpointer, _: *mut ffi::GstBuffer) -> gboolean {
    // SAFETY: GStreamer gives memory of the registered size, that of `RawMeta`.
    unsafe { (*meta.cast::<RawMeta>()).payload = ptr::null() };
    GTRUE
}

unsafe extern "C" fn free(meta: *mut ffi::GstMeta, _: *mut ffi::GstBuffer) {
    // SAFETY: GStreamer gives what `init` has initialised, for the last time.
    drop(unsafe { take(meta.cast()) });
}

/// Takes the payload out of a meta.
///
/// # Safety
/// `meta` is a live [`RawMeta`] that nothing else reads or writes meanwhile.
unsafe fn take(meta: *mut RawMeta) -> Option<Payload> {
    // SAFETY: the caller's promise; the reference that the meta owned becomes the returned one.
    let payload = unsafe { ptr::replace(&raw mut (*meta).payload, ptr::null()) };
    NonNull::new(payload.cast_mut()).map(Payload)
}

/// The payload of a meta in this layout version, or `None`.
///
/// # Safety
/// `meta` is a live [`RawMeta`] of kind `K` which keeps its payload for `'a`.
pub(super) unsafe fn view<'a, K: Kind>(meta: *const ffi::GstMeta) -> Option<&'a K::View> {
    // SAFETY: the caller's promise.
    let header = unsafe { (*meta.cast::<RawMeta>()).payload };
    // SAFETY: a meta's payload lives as long as the meta holds it.
    unsafe { checked::<K>(header) }
}

/// A payload in this layout version, or `None`.
///
/// # Safety
/// `header` is null or that of a payload of kind `K` that lives for `'a`.
pub(super) unsafe fn checked<'a, K: Kind>(header: *const Header) -> Option<&'a K::View> {
    // SAFETY: the caller's promise; every version starts with a header.
    let (version, size, known) =
        unsafe { header.as_ref().map(|h| (h.version, h.size, h.is_read_as(size_of::<K::View>())))? };
    if !known {
        let why = format!("left alone: layout {version} of {size} bytes, this copy reads {LAYOUT_VERSION}");
        K::types().report(K::NAME, &why);
        return None;
    }
    // SAFETY: by the contract of `Kind` this version and size mean a `View`.
    Some(unsafe { &*header.cast::<K::View>() })
}

/// The payload that a meta holds, shared.
///
/// # Safety
/// `meta` is a live [`RawMeta`].
pub(super) unsafe fn payload(meta: *const ffi::GstMeta) -> Option<Payload> {
    // SAFETY: the caller's promise; the meta keeps its payload alive meanwhile.
    unsafe { NonNull::new((*meta.cast::<RawMeta>()).payload.cast_mut()).map(|h| Payload::retain(h)) }
}

/// The metas of one kind on a buffer, in the order they were attached.
struct Metas<'a> {
    buffer: &'a gst::BufferRef,
    api: GType,
    state: gpointer,
}

impl Iterator for Metas<'_> {
    type Item = NonNull<ffi::GstMeta>;

    fn next(&mut self) -> Option<Self::Item> {
        let buffer = self.buffer.as_ptr().cast_mut();
        // SAFETY: GStreamer only reads the buffer here, and the shared borrow keeps its list of metas as it is.
        NonNull::new(unsafe { ffi::gst_buffer_iterate_meta_filtered(buffer, &mut self.state, self.api) })
    }
}

fn metas<K: Kind>(buffer: &gst::BufferRef) -> impl Iterator<Item = NonNull<ffi::GstMeta>> {
    let metas = registered::<K>().map(|r| Metas { buffer, api: r.api, state: ptr::null_mut() });
    metas.into_iter().flatten()
}

/// All payloads of one kind that can be read and speak of the buffer as it is.
pub(super) fn views<K: Kind>(buffer: &gst::BufferRef) -> impl Iterator<Item = &K::View> {
    metas::<K>(buffer)
        // SAFETY: a meta found through the registered API is a `RawMeta` of this kind. It and its payload stay
        // while the buffer is borrowed: both change through `&mut BufferRef` only.
        .filter_map(|meta| unsafe { view::<K>(meta.as_ptr()) })
        .filter(move |view| K::holds(view, buffer))
}

fn find<K: Kind>(
    buffer: &gst::BufferRef,
    wanted: &impl Fn(&K::View) -> bool,
) -> Option<NonNull<ffi::GstMeta>> {
    // SAFETY: as in `views`; the view is not kept.
    metas::<K>(buffer).find(|meta| unsafe { view::<K>(meta.as_ptr()) }.is_some_and(wanted))
}

/// Shares the first wanted payload of a buffer.
pub(super) fn shared<K: Kind>(buffer: &gst::BufferRef, wanted: impl Fn(&K::View) -> bool) -> Option<Payload> {
    // SAFETY: the meta lives while the buffer is borrowed.
    find::<K>(buffer, &wanted).and_then(|meta| unsafe { payload(meta.as_ptr()) })
}

/// Attaches a payload, in the place of the first one that it `replaces`.
pub(super) fn put<K: Kind>(
    buffer: &mut gst::BufferRef,
    payload: Payload,
    replaces: impl Fn(&K::View) -> bool,
) {
    let meta = find::<K>(buffer, &replaces);
    // SAFETY: `&mut BufferRef` is a writable buffer.
    let Some(meta) = meta.or_else(|| unsafe { add::<K>(buffer.as_mut_ptr()) }) else { return };
    // SAFETY: the meta is on a buffer that is borrowed mutably, so that nothing else reads it.
    unsafe { set(meta, payload) };
}

/// Attaches a payload from within a transform function.
///
/// # Safety
/// `buffer` is writable and nothing else uses it meanwhile.
pub(super) unsafe fn attach<K: Kind>(buffer: *mut ffi::GstBuffer, payload: Payload) {
    // SAFETY: the caller's promise.
    if let Some(meta) = unsafe { add::<K>(buffer) } {
        // SAFETY: the meta was made just now.
        unsafe { set(meta, payload) };
    }
}

/// # Safety
/// `buffer` is writable and nothing else uses it meanwhile.
unsafe fn add<K: Kind>(buffer: *mut ffi::GstBuffer) -> Option<NonNull<ffi::GstMeta>> {
    let info = registered::<K>()?.info;
    // SAFETY: the caller's promise; `init` takes no parameters.
    NonNull::new(unsafe { ffi::gst_buffer_add_meta(buffer, info, ptr::null_mut()) })
}

/// # Safety
/// `meta` is a live [`RawMeta`] that nothing else reads or writes meanwhile.
unsafe fn set(meta: NonNull<ffi::GstMeta>, payload: Payload) {
    let meta = meta.as_ptr().cast::<RawMeta>();
    // SAFETY: the caller's promise.
    unsafe {
        drop(take(meta));
        (*meta).payload = payload.into_raw();
    }
}

/// Removes the metas of one kind that are `unwanted`; those of another layout version stay.
pub(super) fn remove<K: Kind>(buffer: &mut gst::BufferRef, unwanted: impl Fn(&K::View) -> bool) {
    while let Some(meta) = find::<K>(buffer, &unwanted) {
        // SAFETY: the meta is one of this buffer, which is writable.
        let removed = unsafe { ffi::gst_buffer_remove_meta(buffer.as_mut_ptr(), meta.as_ptr()) };
        if removed == GFALSE {
            return;
        }
    }
}

/// The meta API tags of what is said about the picture's plane: it changes with size and orientation.
pub(super) const PICTURE_TAGS: &[&CStr] = &[c"video", c"size", c"orientation"];

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::detection::Detections;
    use crate::meta::{DetectionMeta, TrackMeta};

    /// What a copy of the crate with another layout would attach.
    #[repr(C)]
    struct Later {
        header: Header,
        references: AtomicUsize,
    }

    static FUNCTIONS: Functions = Functions { retain, release };

    unsafe extern "C" fn retain(header: *const Header) {
        // SAFETY: the tests put this function in a `Later` only.
        unsafe { (*header.cast::<Later>()).references.fetch_add(1, Ordering::SeqCst) };
    }

    unsafe extern "C" fn release(header: *const Header) {
        // SAFETY: as above.
        unsafe { (*header.cast::<Later>()).references.fetch_sub(1, Ordering::SeqCst) };
    }

    fn later(version: u32, size: u32) -> Later {
        let header = Header { version, size, functions: &FUNCTIONS };
        Later { header, references: AtomicUsize::new(0) }
    }

    fn attached<K: Kind>(later: &Later) -> gst::Buffer {
        let mut buffer = gst::Buffer::new();
        // SAFETY: the payload outlives the buffers of each test.
        let payload = unsafe { Payload::retain(NonNull::from(later).cast()) };
        put::<K>(buffer.get_mut().unwrap(), payload, |_| true);
        buffer
    }

    #[test]
    fn another_layout_is_absent_yet_carried_and_released() {
        gst::init().unwrap();
        for later in [later(LAYOUT_VERSION + 1, 4096), later(LAYOUT_VERSION, 16), later(0, 0)] {
            let mut buffer = attached::<DetectionMeta>(&later);
            assert_eq!(DetectionMeta::all(&buffer).count(), 0);
            let copy = buffer.copy();
            assert_eq!(later.references.load(Ordering::SeqCst), 2);
            let r = buffer.get_mut().unwrap();
            DetectionMeta::add(r, Detections { model: "own".into(), ..Detections::default() });
            assert_eq!(DetectionMeta::all(r).map(|d| d.model()).collect::<Vec<_>>(), ["own"]);
            DetectionMeta::remove(r, None);
            assert_eq!(metas::<DetectionMeta>(r).count(), 1, "only what can be read is removed");
            drop((buffer, copy));
            assert_eq!(later.references.load(Ordering::SeqCst), 0);
        }
    }

    #[test]
    fn an_empty_meta_is_absent() {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::new();
        // SAFETY: the buffer is writable and used here only.
        let meta = unsafe { add::<TrackMeta>(buffer.get_mut().unwrap().as_mut_ptr()) };
        assert!(meta.is_some() && TrackMeta::get(&buffer).is_none());
        assert!(TrackMeta::get(&buffer.copy()).is_none());
    }

    #[test]
    fn what_cannot_be_an_array_is_empty() {
        let four = [1u32, 2, 3, 4];
        let misaligned = four.as_ptr().wrapping_byte_add(1);
        let absurd = Slice { data: four.as_ptr(), len: usize::MAX };
        // SAFETY: nothing but the first is taken for an array.
        unsafe {
            assert_eq!(Slice::new(&four).get(), four);
            assert!(Slice { data: misaligned, len: 1 }.get().is_empty());
            assert!(absurd.get().is_empty());
            assert!(Slice::<u32>::NONE.get().is_empty());
            assert_eq!(Text::new(b"\xff").as_str(), "");
        }
    }

    #[test]
    fn types_are_registered_once() {
        gst::init().unwrap();
        assert!(crate::meta::init());
        let first = registered::<TrackMeta>().unwrap();
        let again = find_or_register::<TrackMeta>().unwrap();
        assert!(first.api == again.api && ptr::eq(first.info, again.info));
    }
}
