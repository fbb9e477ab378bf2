//! The pipeline's store of signals, which its elements share through a `GstContext`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;

use crate::rules::{SignalStore, Signals};

/// The type of the context, and the name of its only field.
const CONTEXT: &str = "nvp.signal-store";
const FIELD: &str = "store";

/// A store that several elements hold.
#[derive(Clone, Debug, Default, glib::Boxed)]
#[boxed_type(name = "NvpSignalStore")]
pub(super) struct SharedStore(Arc<Mutex<SignalStore>>);

impl SharedStore {
    /// The store, locked. It is to be held for the signals of a frame, and never across anything else.
    pub(super) fn lock(&self) -> MutexGuard<'_, SignalStore> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the signals of a frame of a running time where others find them.
    pub(super) fn share(&self, signals: &Signals, time: u64) {
        self.lock().tell(&signals.source, signals.names.view(), &signals.items, time);
    }

    /// The store of the pipeline that an element is in: the one that there is, else a new one that others will get.
    pub(super) fn of(element: &gst::Element) -> Self {
        if let Some(store) = Self::known(element) {
            return store;
        }
        // The bin answers at once, by giving the element the context that another has made.
        let _ = element.post_message(gst::message::NeedContext::builder(CONTEXT).src(element).build());
        if let Some(store) = Self::known(element) {
            return store;
        }
        let store = Self::default();
        let mut context = gst::Context::new(CONTEXT, true);
        if let Some(context) = context.get_mut() {
            context.structure_mut().set(FIELD, &store);
        }
        element.set_context(&context);
        let _ = element.post_message(gst::message::HaveContext::builder(context).src(element).build());
        store
    }

    fn known(element: &gst::Element) -> Option<Self> {
        element.context(CONTEXT)?.structure().get(FIELD).ok()
    }
}
