//! The signal mask of the writer thread.

use std::mem::MaybeUninit;
use std::ptr;

/// Makes a write to a closed pipe or socket an error on this thread, not a SIGPIPE that ends the process.
pub(super) fn block_sigpipe() {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set that the other two calls read; it lives until they return. A null
    // pointer for the old mask is allowed. Only this thread's mask changes, and it ends with the thread.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut());
    }
}
