//! A table of class names as C sees it.

use crate::detection::{Labels, LabelsRef};

use super::shared::{Slice, Text};

/// Borrowed from a [`Labels`] or from another payload; nothing is built for it.
#[repr(C)]
pub(super) struct LabelTable {
    /// All names, one after the other.
    text: Text,
    /// Where each name ends in `text`, in bytes.
    ends: Slice<usize>,
}

impl LabelTable {
    pub(super) fn new(labels: &Labels) -> Self {
        let LabelsRef { text, ends } = labels.view();
        Self { text: Slice::new(text.as_bytes()), ends: Slice::new(ends) }
    }

    /// The same table, for a payload that keeps its owner alive.
    pub(super) fn share(&self) -> Self {
        Self { text: self.text.share(), ends: self.ends.share() }
    }

    /// The names.
    ///
    /// # Safety
    /// As [`Slice::get`], for both arrays.
    pub(super) unsafe fn get<'a>(&self) -> LabelsRef<'a> {
        // SAFETY: the caller's promise.
        unsafe { LabelsRef { text: self.text.as_str(), ends: self.ends.get() } }
    }
}
