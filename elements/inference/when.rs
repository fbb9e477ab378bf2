//! `run-when`: whether a model is to run on a frame, by what is known of it and by fresh signals.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::detection::LabelsRef;
use crate::elements::signals::SharedStore;
use crate::gate::Times;
use crate::meta::{DetectionMeta, DetectionsRef, SignalMeta, TrackMeta, TracksRef, ViewMeta};
use crate::rules::{Watch, closest, is_part, part_of_name};
use crate::view::{Motion, Validity};

/// Frames on which nobody has told a signal, from the first on, after which that is said; classes are looked for as often.
const PATIENCE: u64 = 100;

/// The values of `run-when` and of what belongs to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Settings {
    /// The condition; empty for none.
    pub(super) condition: String,
    /// Milliseconds; 0 for no limit of its own.
    pub(super) max_age: u32,
    /// Milliseconds.
    pub(super) hold: u32,
    /// Milliseconds; 0 for never.
    pub(super) idle: u32,
}

impl Settings {
    /// The condition to ask about each frame; `None` when there is none.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(&self) -> Result<Option<When>, String> {
        if self.condition.trim().is_empty() {
            return Ok(None);
        }
        let ns = |milliseconds: u32| u64::from(milliseconds) * 1_000_000;
        Ok(Some(When {
            watch: Watch::new(&self.condition)?,
            max_age: (self.max_age > 0).then(|| ns(self.max_age)),
            times: Times { hold: ns(self.hold), idle: ns(self.idle) },
            asked: AtomicU64::new(0),
            complained: AtomicBool::new(false),
        }))
    }
}

/// When a model is to run.
#[derive(Debug)]
pub(super) struct When {
    watch: Watch,
    max_age: Option<u64>,
    pub(super) times: Times,
    /// Frames that it was asked about.
    asked: AtomicU64,
    complained: AtomicBool,
}

impl When {
    /// Whether the condition holds on a frame of a running time. What the frame tells goes before what others have told.
    pub(super) fn holds(&self, buffer: &gst::BufferRef, store: &SharedStore, time: u64) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.watch.holds(|name| {
            let known = on_frame(buffer, name).or_else(|| store.lock().get(name, time, self.max_age));
            known.unwrap_or(f64::NAN)
        })
    }

    /// Words about a name that is misspelt, as it seems; once. Now and then a frame is asked whether it knows better.
    pub(super) fn complaint(&self, buffer: &gst::BufferRef, store: &SharedStore) -> Option<String> {
        let asked = self.asked.load(Ordering::Relaxed);
        if !asked.is_multiple_of(PATIENCE) || self.complained.load(Ordering::Relaxed) {
            return None;
        }
        let untold = (asked == PATIENCE).then(|| self.untold(buffer, store)).flatten();
        let complaint = untold.or_else(|| self.misspelt(buffer))?;
        self.complained.store(true, Ordering::Relaxed);
        Some(complaint)
    }

    /// Words about a signal that nobody has told.
    fn untold(&self, buffer: &gst::BufferRef, store: &SharedStore) -> Option<String> {
        let on_buffer: Vec<&str> = SignalMeta::all(buffer).flat_map(|all| all.names().iter()).collect();
        let store = store.lock();
        let is_known = |name: &str| is_fact(name) || on_buffer.contains(&name) || store.knows(name);
        let unknown = self.watch.names().find(|name| !is_known(name))?;
        let meant = closest(unknown, on_buffer.iter().copied().chain(store.names()));
        let hint = meant.map_or_else(String::new, |meant| format!("; did you mean {meant:?}?"));
        Some(format!(
            "Property run-when asks about {unknown:?}, which nobody has told on {PATIENCE} frames, so that the model has \
             not run by it{hint}"
        ))
    }

    /// Words about a class that is on no list of the frame, where one has a name much like it.
    fn misspelt(&self, buffer: &gst::BufferRef) -> Option<String> {
        let of_class =
            |name| COUNTS.iter().find_map(|count| str::strip_prefix(name, count)?.strip_prefix('.'));
        let mut asked = self.watch.names().filter_map(|name| Some((name, of_class(name)?))).peekable();
        asked.peek()?;
        let found: Vec<_> = DetectionMeta::all(buffer).collect();
        let tracks = TrackMeta::get(buffer);
        let lists = found.iter().map(DetectionsRef::labels).chain(tracks.iter().map(TracksRef::labels));
        let classes: Vec<String> = lists.flat_map(LabelsRef::iter).map(part_of_name).collect();
        asked.find_map(|(name, class)| {
            let unknown = !classes.iter().any(|known| known == class);
            let meant = closest(class, classes.iter().map(String::as_str)).filter(|_| unknown)?;
            Some(format!("Property run-when asks about {name:?}; did you mean the class {meant:?}?"))
        })
    }
}

/// Facts that may be asked for one class.
const COUNTS: [&str; 2] = ["detections.count", "tracks.count"];

/// Names that every frame may tell something about.
fn is_fact(name: &str) -> bool {
    COUNTS
        .iter()
        .chain(&["view.valid", "view.moving", "view.stability"])
        .any(|fact| name.strip_prefix(fact).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// What a frame itself tells.
fn on_frame(buffer: &gst::BufferRef, name: &str) -> Option<f64> {
    if is_fact(name) {
        return fact(buffer, name);
    }
    SignalMeta::all(buffer).find_map(|signals| {
        let own = name.strip_prefix(signals.source()).and_then(|rest| rest.strip_prefix(':'));
        signals.find(own.unwrap_or(name)).map(|signal| signal.value)
    })
}

/// A fact of a frame; `None` when nobody has looked.
fn fact(buffer: &gst::BufferRef, name: &str) -> Option<f64> {
    let number = |yes: bool| f64::from(u8::from(yes));
    if let Some(class) = name.strip_prefix("detections.count") {
        let mut models = DetectionMeta::all(buffer).filter(DetectionsRef::are_objects).peekable();
        models.peek()?;
        let classes =
            models.map(|found| count(found.items().iter().map(|i| i.class_id), found.labels(), class));
        return Some(classes.sum());
    }
    if let Some(class) = name.strip_prefix("tracks.count") {
        let tracks = TrackMeta::get(buffer)?;
        return Some(count(tracks.items().iter().map(|track| track.label), tracks.labels(), class));
    }
    let view = ViewMeta::get(buffer)?;
    match name {
        "view.valid" => Some(number(view.validity() == Validity::Valid)),
        "view.moving" => Some(number(view.motion() != Motion::Stable)),
        "view.stability" => Some(f64::from(view.stability())),
        _ => None,
    }
}

/// How many are of a class, written as `.NAME`; of any when that is empty.
fn count(classes: impl Iterator<Item = i32>, labels: LabelsRef<'_>, class: &str) -> f64 {
    let Some(wanted) = class.strip_prefix('.') else { return classes.count() as f64 };
    let is_wanted = |class: &i32| labels.get(*class).is_some_and(|label| is_part(wanted, label));
    classes.filter(is_wanted).count() as f64
}
