//! What a buffer says, as the engine wants it.

use crate::detection::Task;
use crate::elements::names::Names;
use crate::elements::provenance::now;
use crate::elements::signals::SharedStore;
use crate::meta::{DetectionMeta, DetectionsRef, ProvenanceMeta, SignalMeta, ViewMeta};
use crate::rules::{Attribute, Clock, Found, Look, Rules};
use crate::view::Motion;

/// The clock is looked at again after this many nanoseconds.
const CLOCK_PERIOD: u64 = 500_000_000;

/// What is gathered for a frame; it keeps its memory.
#[derive(Default)]
pub(super) struct Gatherer {
    pub(super) names: Names,
    /// What classifiers may say.
    pub(super) said: Names,
    pub(super) found: Vec<Found>,
    pub(super) signals: Vec<f64>,
    clock: Option<(u64, Clock)>,
}

impl Gatherer {
    /// Gathers the detections of all models; false when none looked.
    pub(super) fn detections(&mut self, buffer: &gst::BufferRef) -> bool {
        self.found.clear();
        let mut looked = false;
        for detections in DetectionMeta::all(buffer).filter(DetectionsRef::are_objects) {
            looked = true;
            let indices = self.names.indices(detections.labels());
            let label = |class: i32| {
                usize::try_from(class).ok().and_then(|at| indices.get(at)).copied().unwrap_or(-1)
            };
            self.found.extend(
                detections.items().iter().map(|item| Found { bbox: item.bbox, label: label(item.class_id) }),
            );
        }
        looked
    }

    /// Takes the signals of a buffer into the store, but for those of `own`, and out of it those that the rules declare.
    pub(super) fn signals(
        &mut self,
        buffer: &gst::BufferRef,
        own: &str,
        time: u64,
        rules: &Rules,
        store: &SharedStore,
    ) {
        self.signals.clear();
        let mut store = store.lock();
        for signals in SignalMeta::all(buffer).filter(|signals| signals.source() != own) {
            store.tell(signals.source(), signals.names(), signals.items(), time);
        }
        let value = |declared: &crate::rules::Declared| store.get(&declared.name, time, declared.ttl);
        self.signals.extend(rules.signals.iter().map(|declared| value(declared).unwrap_or(f64::NAN)));
    }

    /// The time of day at which a frame was received.
    pub(super) fn clock(&mut self, buffer: &gst::BufferRef) -> Option<Clock> {
        let at = now();
        if let Some((_, clock)) = self.clock.filter(|(looked, _)| at - looked < CLOCK_PERIOD) {
            return Some(clock);
        }
        let received = ProvenanceMeta::get(buffer).map(|provenance| provenance.received() / 1_000_000_000);
        let local = received.and_then(|seconds| gst::glib::DateTime::from_unix_local(seconds as i64).ok());
        let local = local.or_else(|| gst::glib::DateTime::now_local().ok())?;
        let hour = f64::from(local.hour()) + f64::from(local.minute()) / 60.0 + local.seconds() / 3600.0;
        let clock = Clock { hour, weekday: f64::from(local.day_of_week()) };
        self.clock = Some((at, clock));
        Some(clock)
    }
}

/// What classifiers say of tracks; `said` takes in what they may say.
pub(super) fn attributes<'a>(buffer: &'a gst::BufferRef, said: &mut Names, to: &mut Vec<Attribute<'a>>) {
    for classes in DetectionMeta::all(buffer).filter(|found| found.task() == Task::Classify) {
        said.indices(classes.labels());
        for (item, parent) in classes.items().iter().zip(classes.parents()).filter(|(_, p)| p.track > 0) {
            if let Some(name) = classes.label(item.class_id) {
                to.push(Attribute { track: parent.track, name, confidence: item.confidence });
            }
        }
    }
}

/// The view of a buffer.
pub(super) fn look(buffer: &gst::BufferRef) -> Option<Look<'_>> {
    let view = ViewMeta::get(buffer)?;
    Some(Look { sight: view.sight(), moving: view.motion() != Motion::Stable, stability: view.stability() })
}
