//! Which objects of a frame a model looks at, when it looks at objects and not at the frame.
//!
//! Objects wait for their turn: those never looked at first, then those not looked at for
//! longest. At most [`Policy::limit`] of them have it on one frame, and the rest go on waiting, so none starves.
//! What was said of a track is kept and serves the frames between two looks.

use std::collections::HashMap;

use crate::detection::{Details, Detection, Found};
use crate::geometry::BBox;

/// The most tracks that something is remembered of; of more, those not seen for longest are forgotten.
pub const MAX_TRACKS: usize = 4096;
/// Frames after which a track that was not seen is forgotten.
const FORGET_AFTER: u64 = 900;

/// Which of a track's looks serves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The last one.
    #[default]
    Recent,
    /// The one at the largest and most certain picture of it.
    Best,
}

/// How often objects are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The most objects of one frame, 0 for all.
    pub limit: usize,
    /// Frames that what was said of a track serves before it is looked at again.
    pub interval: u32,
    /// Which look serves.
    pub keep: Keep,
}

/// An object that may be looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// The track's id, 0 when it is a detection.
    pub track: u64,
    /// Where it is, in units of the frame.
    pub bbox: BBox,
    /// How certain it is.
    pub confidence: f32,
    /// False for a track whose box is a prediction: it is not looked at, but what was said of it serves.
    pub visible: bool,
}

impl Region {
    fn quality(&self) -> f32 {
        self.bbox.clipped().map_or(0.0, |b| b.area()) * self.confidence.clamp(0.0, 1.0)
    }
}

#[derive(Debug, Default)]
struct Entry {
    /// The number of the frame on which it was looked at last.
    looked: Option<u64>,
    /// The number of the frame on which it was seen last.
    seen: u64,
    quality: f32,
    time: u64,
    /// What was said, in units of the region; `None` until the first look has ended.
    said: Option<Found>,
}

/// Plans the looks of one model and keeps what they said.
#[derive(Debug, Default)]
pub struct Cascade {
    tracks: HashMap<u64, Entry>,
    /// The model that looks: a number that rises when another one takes over.
    model: u64,
    number: u64,
    /// Where the objects without an identity begin on the next frame.
    turn: usize,
    waiting: Vec<(u64, usize)>,
}

impl Cascade {
    /// Forgets all tracks.
    pub fn clear(&mut self) {
        *self = Self { model: self.model, waiting: std::mem::take(&mut self.waiting), ..Self::default() };
    }

    /// Replaces `chosen` by the indices of the regions that are looked at on the next frame, in rising order.
    /// Returns how many others wait. A `model` newer than the one before knows nothing of any track.
    pub fn plan(
        &mut self,
        model: u64,
        policy: &Policy,
        regions: &[Region],
        chosen: &mut Vec<usize>,
    ) -> usize {
        if model > self.model {
            self.model = model;
            self.clear();
        }
        self.number += 1;
        let number = self.number;
        self.waiting.clear();
        let count = regions.len().max(1);
        for (i, region) in regions.iter().enumerate() {
            if region.track == 0 {
                // Objects without an identity take turns by their place in the list.
                let place = (i + count - self.turn % count) % count;
                self.waiting.push((number + place as u64, i));
                continue;
            }
            let entry = self.tracks.entry(region.track).or_default();
            entry.seen = number;
            let due = entry.looked.is_none_or(|last| number - last > u64::from(policy.interval));
            if due && region.visible {
                self.waiting.push((entry.looked.unwrap_or(0), i));
            }
        }
        self.waiting.sort_unstable();
        let taken = if policy.limit == 0 { self.waiting.len() } else { self.waiting.len().min(policy.limit) };
        self.turn = self.turn.wrapping_add(taken) % count;
        chosen.clear();
        chosen.extend(self.waiting[..taken].iter().map(|(_, i)| *i));
        chosen.sort_unstable();
        for i in chosen.iter() {
            if let Some(entry) = self.tracks.get_mut(&regions[*i].track) {
                entry.looked = Some(number);
            }
        }
        self.forget();
        self.waiting.len() - taken
    }

    fn forget(&mut self) {
        let number = self.number;
        if number.is_multiple_of(64) || self.tracks.len() > MAX_TRACKS {
            self.tracks.retain(|_, entry| number - entry.seen <= FORGET_AFTER);
        }
        while self.tracks.len() > MAX_TRACKS {
            let Some(oldest) = self.tracks.iter().min_by_key(|(id, e)| (e.seen, **id)).map(|(id, _)| *id)
            else {
                return;
            };
            self.tracks.remove(&oldest);
        }
    }

    /// Takes back that the `chosen` regions were looked at, as the look failed: they are due again.
    pub fn failed(&mut self, regions: &[Region], chosen: &[usize]) {
        for region in chosen.iter().filter_map(|i| regions.get(*i)) {
            if let Some(entry) = self.tracks.get_mut(&region.track) {
                entry.looked = None;
            }
        }
    }

    /// Keeps what a model `said` of a region on a frame of this `time` (nanoseconds), in units of the frame. What a
    /// model before the present one says is not kept.
    pub fn keep(&mut self, model: u64, policy: &Policy, region: &Region, time: u64, said: &Found) {
        if model != self.model {
            return;
        }
        let Some(entry) = self.tracks.get_mut(&region.track) else { return };
        let quality = region.quality();
        // Workers may bring looks in another order than they began.
        let newer = entry.said.is_none() || time >= entry.time;
        let better = match policy.keep {
            Keep::Recent => newer,
            Keep::Best => entry.said.is_none() || quality >= entry.quality,
        };
        if !better {
            return;
        }
        let b = &region.bbox;
        let (sx, sy) = (1.0 / b.width().max(f32::EPSILON), 1.0 / b.height().max(f32::EPSILON));
        let kept = entry.said.get_or_insert_with(Found::default);
        copy(said, kept);
        kept.place((sx, sy), (-b.x_min * sx, -b.y_min * sy));
        (entry.quality, entry.time) = (quality, time);
    }

    /// Replaces `found` by what serves a track whose box is `bbox` now; returns the time of the frame it was said
    /// on, `None` when this model said nothing yet.
    pub fn recall(&self, model: u64, track: u64, bbox: &BBox, found: &mut Found) -> Option<u64> {
        found.clear();
        let entry = self.tracks.get(&track).filter(|_| model == self.model)?;
        copy(entry.said.as_ref()?, found);
        found.place((bbox.width(), bbox.height()), (bbox.x_min, bbox.y_min));
        Some(entry.time)
    }
}

fn copy(from: &Found, to: &mut Found) {
    to.clear();
    append(from, &mut to.items, &mut to.details);
}

/// Appends all of `from` to `items` and `details`.
pub fn append(from: &Found, items: &mut Vec<Detection>, details: &mut Details) {
    items.extend_from_slice(&from.items);
    (0..from.items.len()).for_each(|i| details.push(from.details.view(), i, |point| point));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(track: u64, size: f32) -> Region {
        Region { track, bbox: BBox::new(0.0, 0.0, size, size), confidence: 1.0, visible: true }
    }

    fn said(class_id: i32) -> Found {
        let bbox = BBox::new(0.0, 0.0, 0.25, 0.25);
        Found { items: vec![Detection { bbox, confidence: 1.0, class_id }], ..Found::default() }
    }

    fn plans(policy: &Policy, frames: &[Vec<Region>]) -> Vec<Vec<usize>> {
        let (mut cascade, mut chosen) = (Cascade::default(), Vec::new());
        let plan = |regions: &Vec<Region>| {
            cascade.plan(0, policy, regions, &mut chosen);
            chosen.clone()
        };
        frames.iter().map(plan).collect()
    }

    #[test]
    fn a_limit_is_shared_fairly() {
        let policy = Policy { limit: 2, ..Policy::default() };
        let tracks = vec![(1..=5).map(|id| region(id, 0.1)).collect::<Vec<_>>(); 5];
        assert_eq!(plans(&policy, &tracks), [[0, 1], [2, 3], [0, 4], [1, 2], [0, 3]]);
        let detections = vec![vec![region(0, 0.1); 5]; 5];
        assert_eq!(plans(&policy, &detections), [[0, 1], [2, 3], [0, 4], [1, 2], [3, 4]]);
    }

    #[test]
    fn a_track_is_looked_at_anew_after_its_interval() {
        let policy = Policy { interval: 2, ..Policy::default() };
        let frames = vec![vec![region(7, 0.1)]; 5];
        assert_eq!(plans(&policy, &frames).iter().map(Vec::len).collect::<Vec<_>>(), [1, 0, 0, 1, 0]);
        let hidden = vec![vec![Region { visible: false, ..region(7, 0.1) }]; 2];
        assert_eq!(plans(&policy, &hidden), [[0usize; 0], []]);
    }

    #[test]
    fn what_was_said_moves_with_the_track() {
        let policy = Policy::default();
        let (mut cascade, mut found) = (Cascade::default(), Found::default());
        let seen = region(3, 0.5);
        cascade.plan(0, &policy, &[seen], &mut Vec::new());
        assert_eq!(cascade.recall(0, 3, &seen.bbox, &mut found), None);
        cascade.keep(0, &policy, &seen, 40, &said(1));
        let moved = BBox::new(0.5, 0.0, 0.75, 1.0);
        assert_eq!(cascade.recall(0, 3, &moved, &mut found), Some(40));
        assert_eq!(found.items[0].bbox, BBox::new(0.5, 0.0, 0.625, 0.5));
        assert_eq!(cascade.recall(0, 4, &moved, &mut found), None);
        assert!(found.items.is_empty());
    }

    #[test]
    fn the_best_or_the_last_look_serves() {
        for (keep, class) in [(Keep::Best, 1), (Keep::Recent, 2)] {
            let policy = Policy { keep, ..Policy::default() };
            let (mut cascade, mut found) = (Cascade::default(), Found::default());
            let (large, small) = (region(3, 0.5), region(3, 0.25));
            cascade.plan(0, &policy, &[large], &mut Vec::new());
            cascade.keep(0, &policy, &large, 40, &said(1));
            cascade.keep(0, &policy, &small, 80, &said(2));
            cascade.keep(0, &policy, &Region { confidence: 0.1, ..large }, 60, &said(3));
            cascade.recall(0, 3, &large.bbox, &mut found);
            assert_eq!(found.items[0].class_id, class);
        }
    }

    #[test]
    fn another_model_knows_nothing_and_a_failed_look_is_due_again() {
        let policy = Policy { interval: 100, ..Policy::default() };
        let (mut cascade, mut found, mut chosen) = (Cascade::default(), Found::default(), Vec::new());
        let seen = region(3, 0.5);
        let mut plan = |cascade: &mut Cascade, model| {
            cascade.plan(model, &policy, &[seen], &mut chosen);
            chosen.len()
        };
        assert_eq!((plan(&mut cascade, 1), plan(&mut cascade, 1)), (1, 0));
        cascade.failed(&[seen], &[0]);
        assert_eq!(plan(&mut cascade, 1), 1);
        cascade.keep(1, &policy, &seen, 40, &said(1));
        assert_eq!(cascade.recall(1, 3, &seen.bbox, &mut found), Some(40));
        assert_eq!((plan(&mut cascade, 2), cascade.recall(2, 3, &seen.bbox, &mut found)), (1, None));
        cascade.keep(1, &policy, &seen, 80, &said(1));
        assert_eq!(cascade.recall(2, 3, &seen.bbox, &mut found), None, "the old model came late");
    }

    #[test]
    fn memory_is_bounded() {
        let (mut cascade, policy) = (Cascade::default(), Policy::default());
        for id in 1..=2 * MAX_TRACKS as u64 {
            cascade.plan(0, &policy, &[region(id, 0.1)], &mut Vec::new());
            assert!(cascade.tracks.len() <= MAX_TRACKS);
        }
        assert!(cascade.tracks.len() as u64 <= FORGET_AFTER + 64);
    }
}
