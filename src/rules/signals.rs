//! Signals by name, with their age.

use std::collections::HashMap;
use std::sync::Arc;

/// The most signals that a store keeps.
pub const MAX_SIGNALS: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Entry {
    value: f64,
    time: u64,
    ttl: u64,
}

/// The newest value of each signal, whoever tells it. Bounded; times are running times in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct SignalStore {
    entries: HashMap<Arc<str>, Entry>,
    refused: u64,
}

impl SignalStore {
    /// Takes a value that holds from `time` on for `ttl`. One that is older than what is there is left alone unless that is
    /// stale by as much as a restarted stream would make it. False when there is no room.
    pub fn put(&mut self, name: &str, value: f64, time: u64, ttl: u64) -> bool {
        if let Some(entry) = self.entries.get_mut(name) {
            if time >= entry.time || entry.time - time > entry.ttl {
                *entry = Entry { value, time, ttl };
            }
            return true;
        }
        if self.entries.len() >= MAX_SIGNALS {
            self.entries.retain(|_, entry| time.saturating_sub(entry.time) <= entry.ttl);
        }
        let room = self.entries.len() < MAX_SIGNALS;
        if room {
            self.entries.insert(name.into(), Entry { value, time, ttl });
        } else {
            self.refused += 1;
        }
        room
    }

    /// A signal that is fresh at a time, and no older than `ttl` where that is given.
    pub fn get(&self, name: &str, time: u64, ttl: Option<u64>) -> Option<f64> {
        let entry = self.entries.get(name)?;
        // Another branch may be ahead, but one from farther on is from before a seek.
        let age = time.abs_diff(entry.time);
        (age <= entry.ttl.min(ttl.unwrap_or(u64::MAX)) && !entry.value.is_nan()).then_some(entry.value)
    }

    /// How many signals there are, stale ones included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many values of new signals there was no room for.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
