//! How good tracks are, measured against the truth.
//!
//! CLEAR MOT (Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics",
//! EURASIP JIVP 2008) and IDF1 (Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera
//! Tracking", ECCV Workshops 2016), with the matching rules of the MOTChallenge's own tool: an IoU of at least one
//! half, pairs of the frame before kept first, then the greatest sum of IoUs. Classes are not looked at.
//!
//! Objects of which less than [`LEAST_VISIBLE`] can be seen count neither as found nor as missed, and a track on one
//! of them is no false alarm.

use std::collections::HashMap;

use super::LEAST_IOU;
use crate::assignment::Assignment;
use crate::scene::{LEAST_VISIBLE, TrueObject};
use crate::track::Track;

/// Compares tracks with the truth, frame by frame.
#[derive(Debug, Default)]
pub struct Scorer {
    assignment: Assignment,
    objects: HashMap<u64, Seen>,
    /// On how many frames an object and a track overlapped enough, whether they were matched or not.
    pairs: HashMap<(u64, u64), u64>,
    counted: Vec<usize>,
    sums: Sums,
}

/// What was seen of an object so far.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// The track that it was matched with last, and on the frame before.
    last: Option<u64>,
    before: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    frames: u64,
    objects: u64,
    tracks: u64,
    matches: u64,
    switches: u64,
    iou: f64,
    distance: f64,
}

/// The scores so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scores {
    /// Frames.
    pub frames: u64,
    /// Objects that were to be found, over all frames.
    pub objects: u64,
    /// Those that were found.
    pub matches: u64,
    /// Those that were not.
    pub misses: u64,
    /// Tracks that were on nothing.
    pub false_positives: u64,
    /// How often an object was found under another id than last time.
    pub switches: u64,
    /// 1 - (misses + false positives + switches) / objects.
    pub mota: f64,
    /// The share of objects and tracks that lie under one identity, by the best assignment of identities.
    pub idf1: f64,
    /// Mean IoU of the matches.
    pub iou: f64,
    /// Mean distance of the matched boxes' centres, in heights of the true box.
    pub position_error: f64,
}

impl Scorer {
    /// Scores one frame and gives the indices of the tracks that counted: those that are there, but for those on
    /// objects that are too well hidden. `aspect` is the picture's width over its height.
    pub fn frame(&mut self, objects: &[TrueObject], tracks: &[Track], aspect: f32) -> &[usize] {
        self.choose(objects, tracks);
        let wanted = || objects.iter().filter(|o| o.visibility >= LEAST_VISIBLE);
        self.assignment.clear(self.counted.len());
        for object in wanted() {
            let before = self.objects.get(&object.id).and_then(|seen| seen.before);
            for (column, track) in self.counted.iter().map(|i| &tracks[*i]).enumerate() {
                let iou = object.bbox.iou(&track.bbox);
                if iou >= LEAST_IOU {
                    let kept = if before == Some(track.id) { 1000.0 } else { 0.0 };
                    let gain = (kept + f64::from(iou)) / 1024.0;
                    self.assignment.allow(column, Assignment::UNMATCHED - gain);
                    *self.pairs.entry((object.id, track.id)).or_default() += 1;
                }
            }
            self.assignment.end_row();
            self.sums.objects += 1;
        }
        self.sums.frames += 1;
        self.sums.tracks += self.counted.len() as u64;
        self.objects.values_mut().for_each(|seen| seen.before = None);
        let found: Vec<_> = self.assignment.solve().collect();
        let mut rows = wanted().enumerate();
        for (row, column) in found {
            let Some((_, object)) = rows.find(|(at, _)| *at == row) else { break };
            self.count(object, &tracks[self.counted[column]], aspect);
        }
        &self.counted
    }

    /// Leaves out the tracks that are on objects too well hidden.
    fn choose(&mut self, objects: &[TrueObject], tracks: &[Track]) {
        self.assignment.clear(tracks.len());
        for object in objects {
            for (column, track) in tracks.iter().enumerate() {
                let iou = object.bbox.iou(&track.bbox);
                if track.state.is_there() && iou >= LEAST_IOU {
                    self.assignment.allow(column, Assignment::UNMATCHED - f64::from(iou));
                }
            }
            self.assignment.end_row();
        }
        self.counted.clear();
        let there = |i: &usize| tracks[*i].state.is_there();
        self.counted.extend((0..tracks.len()).filter(there));
        for (row, column) in self.assignment.solve() {
            if objects[row].visibility < LEAST_VISIBLE {
                self.counted.retain(|i| *i != column);
            }
        }
    }

    fn count(&mut self, object: &TrueObject, track: &Track, aspect: f32) {
        let seen = self.objects.entry(object.id).or_default();
        self.sums.matches += 1;
        self.sums.switches += u64::from(seen.last.is_some_and(|last| last != track.id));
        *seen = Seen { last: Some(track.id), before: Some(track.id) };
        self.sums.iou += f64::from(object.bbox.iou(&track.bbox));
        let ((x, y), (u, v)) = (object.bbox.center(), track.bbox.center());
        self.sums.distance += f64::from(((x - u) * aspect).hypot(y - v) / object.bbox.height());
    }

    /// The scores of all frames so far.
    pub fn scores(&mut self) -> Scores {
        let Sums { frames, objects, tracks, matches, switches, iou, distance } = self.sums;
        let (misses, false_positives) = (objects - matches, tracks - matches);
        let part = |of: f64, all: u64| if all > 0 { of / all as f64 } else { 0.0 };
        let wrong = (misses + false_positives + switches) as f64;
        Scores {
            frames,
            objects,
            matches,
            misses,
            false_positives,
            switches,
            mota: if objects > 0 { 1.0 - wrong / objects as f64 } else { 0.0 },
            idf1: part(2.0 * self.identified() as f64, objects + tracks),
            iou: part(iou, matches),
            position_error: part(distance, matches),
        }
    }

    /// Frames on which objects are covered by the tracks that are theirs by the best assignment of all.
    fn identified(&mut self) -> u64 {
        let number = |ids: Vec<u64>| {
            let mut ids = ids;
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let rows = number(self.pairs.keys().map(|pair| pair.0).collect());
        let columns = number(self.pairs.keys().map(|pair| pair.1).collect());
        let most = self.pairs.values().copied().max().unwrap_or(0) as f64 + 1.0;
        self.assignment.clear(columns.len());
        for row in &rows {
            for (column, id) in columns.iter().enumerate() {
                if let Some(count) = self.pairs.get(&(*row, *id)) {
                    self.assignment.allow(column, Assignment::UNMATCHED - *count as f64 / most);
                }
            }
            self.assignment.end_row();
        }
        let pairs = &self.pairs;
        self.assignment.solve().filter_map(|(row, column)| pairs.get(&(rows[row], columns[column]))).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BBox;
    use crate::track::TrackState;

    fn object(id: u64, x: f32) -> TrueObject {
        TrueObject { id, bbox: BBox::new(x, 0.0, x + 0.1, 0.2), visibility: 1.0, class_id: 0 }
    }

    fn track(id: u64, x: f32) -> Track {
        let bbox = BBox::new(x, 0.0, x + 0.1, 0.2);
        Track { id, bbox, state: TrackState::Confirmed, ..Track::default() }
    }

    #[test]
    fn a_switch_a_miss_and_a_false_alarm() {
        let mut scorer = Scorer::default();
        scorer.frame(&[object(1, 0.0), object(2, 0.5)], &[track(7, 0.0), track(8, 0.5)], 1.0);
        scorer.frame(&[object(1, 0.0), object(2, 0.5)], &[track(9, 0.01), track(8, 0.8)], 1.0);
        let scores = scorer.scores();
        assert_eq!((scores.frames, scores.objects, scores.matches), (2, 4, 3));
        assert_eq!((scores.misses, scores.false_positives, scores.switches), (1, 1, 1));
        assert_eq!(scores.mota, 0.25);
        // One frame each under 7 or 9, and one under 8.
        assert_eq!(scores.idf1, 2.0 * 2.0 / 8.0);
        assert!((scores.position_error - 0.01 / 0.2 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn a_pair_stays_together_while_it_overlaps() {
        let mut scorer = Scorer::default();
        scorer.frame(&[object(1, 0.0)], &[track(7, 0.0)], 1.0);
        // Another track fits better, yet the pair holds.
        scorer.frame(&[object(1, 0.0)], &[track(7, 0.03), track(8, 0.0)], 1.0);
        let scores = scorer.scores();
        assert_eq!((scores.switches, scores.false_positives), (0, 1));
    }

    #[test]
    fn hidden_objects_do_not_count() {
        let mut scorer = Scorer::default();
        let hidden = TrueObject { visibility: 0.1, ..object(1, 0.0) };
        let tentative = Track { state: TrackState::Tentative, ..track(9, 0.5) };
        assert_eq!(
            scorer.frame(&[hidden, object(2, 0.3)], &[track(7, 0.0), track(8, 0.3), tentative], 1.0),
            [1]
        );
        let scores = scorer.scores();
        assert_eq!((scores.objects, scores.matches, scores.false_positives, scores.mota), (1, 1, 0, 1.0));
        assert_eq!(Scorer::default().scores(), Scores::default());
    }
}
