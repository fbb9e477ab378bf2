//! Memory that cannot be mapped, and counts who tries.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use gst::ffi::{GstAllocator, GstMapFlags, GstMemory};
use gst::glib;
use gst::glib::translate::{ToGlibPtr, from_glib_full, from_glib_none};
use gst::prelude::Cast;
use gst::subclass::prelude::*;

pub(crate) const SIZE: usize = 64;

glib::wrapper! {
    pub struct Allocator(ObjectSubclass<imp::Allocator>) @extends gst::Allocator, gst::Object;
}

impl Default for Allocator {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl Allocator {
    /// A piece of foreign memory.
    pub(crate) fn memory(&self) -> gst::Memory {
        // SAFETY: the memory is allocated as one GstMemory, initialised in full with a reference to the
        // allocator of its own, and freed by that allocator in the same way.
        unsafe {
            let memory = glib::ffi::g_malloc0(size_of::<GstMemory>()).cast::<GstMemory>();
            let allocator: *mut GstAllocator = self.upcast_ref::<gst::Allocator>().to_glib_none().0;
            gst::ffi::gst_memory_init(memory, 0, allocator, ptr::null_mut(), SIZE, 0, 0, SIZE);
            from_glib_full(memory)
        }
    }

    /// How often someone tried to map.
    pub(crate) fn maps(&self) -> usize {
        self.imp().maps.load(Ordering::SeqCst)
    }
}

unsafe extern "C" fn refuse(
    memory: *mut GstMemory,
    _size: usize,
    _flags: GstMapFlags,
) -> glib::ffi::gpointer {
    // SAFETY: GStreamer maps live memory only, and only memory of this allocator comes here.
    let allocator = unsafe { from_glib_none::<_, gst::Allocator>((*memory).allocator) };
    allocator.downcast::<Allocator>().unwrap().imp().maps.fetch_add(1, Ordering::SeqCst);
    ptr::null_mut()
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct Allocator {
        pub(crate) maps: AtomicUsize,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Allocator {
        const NAME: &'static str = "TestForeignAllocator";
        type Type = super::Allocator;
        type ParentType = gst::Allocator;
    }

    impl ObjectImpl for Allocator {
        fn constructed(&self) {
            self.parent_constructed();
            let allocator: *mut GstAllocator = self.obj().upcast_ref::<gst::Allocator>().to_glib_none().0;
            // SAFETY: the object is being constructed, so nobody else uses it.
            unsafe {
                (*allocator).mem_type = c"Foreign".as_ptr();
                (*allocator).mem_map = Some(refuse);
            }
        }
    }

    impl GstObjectImpl for Allocator {}

    // SAFETY: only memory made by `memory` above is freed here, with the function that belongs to its malloc.
    unsafe impl AllocatorImpl for Allocator {
        unsafe fn free(&self, memory: *mut GstMemory) {
            // SAFETY: `memory` above has allocated it with g_malloc0, and GStreamer frees it once.
            unsafe { glib::ffi::g_free(memory.cast()) }
        }
    }
}
