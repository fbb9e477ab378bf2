//! Signals by name, with their age.

use std::collections::HashMap;
use std::sync::Arc;

use super::event::Signal;
use crate::detection::{Labels, LabelsRef};

/// The most signals that a store keeps of one source.
pub const MAX_SIGNALS: usize = 8192;
/// The most sources of which a store keeps signals.
const MAX_SOURCES: usize = 64;
/// Between a source's name and that of one of its signals.
const SEPARATOR: char = ':';

#[derive(Clone, Copy, Debug)]
struct Entry {
    value: f64,
    time: u64,
    ttl: u64,
}

impl Entry {
    /// One from so far ahead that it could only be from before a seek is as stale as one from so long ago.
    fn is_fresh(&self, time: u64) -> bool {
        time.abs_diff(self.time) <= self.ttl
    }

    /// Takes the newer value: of two branches one may be behind.
    fn renew(&mut self, new: Self) {
        if new.time >= self.time || !self.is_fresh(new.time) {
            *self = new;
        }
    }
}

/// The newest value of each signal, by source: who tells it. Bounded; times are running times in nanoseconds.
///
/// A source that tells the same names frame by frame, as `nvpevents` does with its facts, has each value put where it
/// belongs without looking its name up.
#[derive(Clone, Debug, Default)]
pub struct SignalStore {
    sources: Vec<Source>,
    refused: u64,
}

#[derive(Clone, Debug, Default)]
struct Source {
    name: Arc<str>,
    entries: Vec<Entry>,
    index: HashMap<Arc<str>, usize>,
    /// The names that were told last, and for each of the signals its name's number and its entry, if there is one.
    names: Labels,
    places: Vec<(i32, Option<usize>)>,
    /// When stale entries were last cleared away.
    cleared: Option<u64>,
}

impl SignalStore {
    /// Takes the signals of a source, as they are attached to a frame at a running time.
    pub fn tell(&mut self, source: &str, names: LabelsRef<'_>, signals: &[Signal], time: u64) {
        let Some(source) = self.source(source, time) else {
            self.refused += signals.len() as u64;
            return;
        };
        self.refused += source.tell(names, signals, time);
    }

    /// Takes one signal that nobody in particular tells. False when there is no room.
    pub fn put(&mut self, name: &str, value: f64, time: u64, ttl: u64) -> bool {
        let new = Entry { value, time, ttl };
        let taken = self.source("", time).is_some_and(|source| source.put(name, new));
        self.refused += u64::from(!taken);
        taken
    }

    /// A signal that is fresh at a time, and no older than `ttl` where that is given: by its own name the newest that any
    /// source tells, as `SOURCE:NAME` that of one source.
    pub fn get(&self, name: &str, time: u64, ttl: Option<u64>) -> Option<f64> {
        let known = self.sources.iter().flat_map(|source| source.called(name));
        let fresh = known.filter(|entry| {
            let young = ttl.is_none_or(|ttl| time.abs_diff(entry.time) <= ttl);
            entry.is_fresh(time) && young && !entry.value.is_nan()
        });
        // Of several that are as new the first is taken.
        fresh.reduce(|best, entry| if entry.time > best.time { entry } else { best }).map(|entry| entry.value)
    }

    /// Forgets all that a source has told.
    pub fn forget(&mut self, source: &str) {
        self.sources.retain(|known| *known.name != *source);
    }

    /// Whether somebody has told a signal, stale ones included.
    pub fn knows(&self, name: &str) -> bool {
        self.sources.iter().any(|source| source.called(name).next().is_some())
    }

    /// The names of all signals, stale ones included, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().flat_map(|source| source.index.keys()).map(|name| &**name)
    }

    /// How many signals there are, stale ones included.
    pub fn len(&self) -> usize {
        self.sources.iter().map(|source| source.entries.len()).sum()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values there was no room for.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn source(&mut self, name: &str, time: u64) -> Option<&mut Source> {
        let known = self.sources.iter().position(|source| *source.name == *name);
        if known.is_none() && self.sources.len() >= MAX_SOURCES {
            self.sources.retain(|source| source.entries.iter().any(|entry| entry.is_fresh(time)));
        }
        if known.is_none() && self.sources.len() < MAX_SOURCES {
            self.sources.push(Source { name: name.into(), ..Source::default() });
        }
        self.sources.iter_mut().find(|source| *source.name == *name)
    }
}

impl Source {
    fn put(&mut self, name: &str, new: Entry) -> bool {
        let place = self.place(name, new);
        place.map(|at| self.entries[at].renew(new)).is_some()
    }

    /// Takes signals, and gives how many there was no room for.
    fn tell(&mut self, names: LabelsRef<'_>, signals: &[Signal], time: u64) -> u64 {
        let known = self.places.iter().map(|place| place.0).eq(signals.iter().map(|signal| signal.name));
        let crowded = self.places.iter().any(|place| place.1.is_none()) && self.cleared != Some(time);
        if names != self.names || !known || crowded {
            self.learn(names, signals, time);
        }
        let mut refused = 0;
        for (signal, (_, place)) in signals.iter().zip(&self.places) {
            match place {
                Some(at) => self.entries[*at].renew(entry(signal, time)),
                None => refused += 1,
            }
        }
        refused
    }

    /// Finds the places of signals, for those that are told by the same names.
    fn learn(&mut self, names: LabelsRef<'_>, signals: &[Signal], time: u64) {
        self.make_room(signals.len(), time);
        self.places.clear();
        for signal in signals {
            let place = names.get(signal.name).and_then(|name| self.place(name, entry(signal, time)));
            self.places.push((signal.name, place));
        }
        self.names = names.to_owned();
    }

    /// The place of a name, with this entry where it is new; `None` when there is no room.
    fn place(&mut self, name: &str, new: Entry) -> Option<usize> {
        if let Some(at) = self.index.get(name) {
            return Some(*at);
        }
        self.make_room(1, new.time);
        if self.entries.len() >= MAX_SIGNALS {
            return None;
        }
        self.entries.push(new);
        self.index.insert(name.into(), self.entries.len() - 1);
        Some(self.entries.len() - 1)
    }

    /// Clears stale entries away where there is no room for so many more, at most once at a time.
    fn make_room(&mut self, more: usize, time: u64) {
        if self.entries.len() + more <= MAX_SIGNALS || self.cleared == Some(time) {
            return;
        }
        self.cleared = Some(time);
        let mut kept = Vec::new();
        let entries = &self.entries;
        self.index.retain(|_, at| {
            let fresh = entries[*at].is_fresh(time);
            if fresh {
                kept.push(entries[*at]);
                *at = kept.len() - 1;
            }
            fresh
        });
        self.entries = kept;
        (self.names, self.places) = Default::default();
    }

    /// What has this name, with the source's own name before it or without.
    fn called(&self, name: &str) -> impl Iterator<Item = &Entry> {
        let own = name.strip_prefix(&*self.name).and_then(|rest| rest.strip_prefix(SEPARATOR));
        [Some(name), own]
            .into_iter()
            .flatten()
            .filter_map(|name| self.index.get(name))
            .map(|at| &self.entries[*at])
    }
}

fn entry(signal: &Signal, time: u64) -> Entry {
    Entry { value: signal.value, time, ttl: signal.ttl }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(store: &mut SignalStore, source: &str, names: &Labels, value: f64, time: u64) {
        let signal = |name| Signal { name: name as i32, reserved: 0, value, ttl: 50 };
        let signals: Vec<Signal> = (0..names.len()).map(signal).collect();
        store.tell(source, names.view(), &signals, time);
    }

    #[test]
    fn signals_go_stale() {
        let mut store = SignalStore::default();
        store.put("motion.level", 0.5, 100, 50);
        assert_eq!(store.get("motion.level", 150, None), Some(0.5));
        assert_eq!(store.get("motion.level", 151, None), None);
        assert_eq!(store.get("motion.level", 120, Some(10)), None);
        assert_eq!(store.get("motion.level", 90, None), Some(0.5), "this branch is behind");
        assert_eq!(store.get("motion.level", 40, None), None, "it is from before a seek back");
        assert_eq!(store.get("motion", 100, None), None);
        store.put("motion.level", 0.1, 90, 50);
        assert_eq!(store.get("motion.level", 100, None), Some(0.5), "the newest counts");
        store.put("motion.level", 0.2, 10, 50);
        assert_eq!(store.get("motion.level", 20, None), Some(0.2), "the stream began anew");
        store.put("motion.level", f64::NAN, 30, 50);
        assert_eq!(store.get("motion.level", 30, None), None);
    }

    #[test]
    fn a_store_is_bounded() {
        let mut store = SignalStore::default();
        let fill = |store: &mut SignalStore, from: usize, time| {
            (from..from + MAX_SIGNALS).filter(|i| store.put(&format!("s{i}"), 1.0, time, 10)).count()
        };
        assert_eq!(fill(&mut store, 0, 0), MAX_SIGNALS);
        assert!(!store.put("one-more", 1.0, 5, 10));
        assert_eq!((store.len(), store.refused()), (MAX_SIGNALS, 1));
        assert!(store.put("one-more", 1.0, 50, 10), "stale ones make room");
        assert_eq!(store.len(), 1);
    }

    /// Two sources may tell signals of one name.
    #[test]
    fn sources_are_told_apart() {
        let mut store = SignalStore::default();
        let names: Labels = ["tracks.count", "zone.a.entries"].into_iter().collect();
        tell(&mut store, "left", &names, 1.0, 100);
        tell(&mut store, "right", &names, 2.0, 110);
        let get = |store: &SignalStore, name| store.get(name, 110, None);
        assert_eq!(get(&store, "left:zone.a.entries"), Some(1.0));
        assert_eq!(get(&store, "right:zone.a.entries"), Some(2.0));
        assert_eq!(get(&store, "zone.a.entries"), Some(2.0), "the newest");
        assert_eq!(get(&store, "middle:zone.a.entries"), None);
        tell(&mut store, "right", &names, f64::NAN, 110);
        assert_eq!(get(&store, "zone.a.entries"), Some(1.0), "what is known");
        store.forget("left");
        assert_eq!(get(&store, "zone.a.entries"), None);
        assert_eq!(store.len(), 2);
    }

    #[test]
    fn names_may_change_from_frame_to_frame() {
        let mut store = SignalStore::default();
        let (one, both): (Labels, Labels) = (["a"].into_iter().collect(), ["b", "a"].into_iter().collect());
        tell(&mut store, "app", &one, 1.0, 100);
        tell(&mut store, "app", &both, 2.0, 110);
        tell(&mut store, "app", &one, 3.0, 120);
        let fresh = ["a", "b"].map(|name| store.get(name, 130, None));
        assert_eq!((fresh, store.len()), ([Some(3.0), Some(2.0)], 2));
        store.tell("app", both.view(), &[Signal { name: 5, ..Signal::default() }], 130);
        assert_eq!(store.refused(), 1, "it has no name");
    }

    /// One source may have more than there is room for, and many may come: others keep theirs.
    #[test]
    fn nobody_takes_the_room_of_another() {
        let mut store = SignalStore::default();
        let one: Labels = ["a"].into_iter().collect();
        let many: Labels = (0..MAX_SIGNALS + 9)
            .map(|i| format!("s{i}"))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)
            .collect();
        tell(&mut store, "good", &one, 1.0, 100);
        tell(&mut store, "greedy", &many, 2.0, 100);
        tell(&mut store, "greedy", &many, 2.0, 110);
        assert_eq!((store.get("good:a", 110, None), store.refused()), (Some(1.0), 18));
        assert_eq!(store.get("s8191", 110, None), Some(2.0));
        let source = |i: usize| format!("source-{i}");
        (0..100).for_each(|i| tell(&mut store, &source(i), &one, 3.0, 120));
        assert_eq!((store.sources.len(), store.get("good:a", 120, None)), (MAX_SOURCES, Some(1.0)));
        tell(&mut store, "late", &one, 4.0, 1000);
        assert_eq!(store.get("late:a", 1000, None), Some(4.0), "stale ones make room");
        assert_eq!(store.sources.len(), 1);
    }
}
