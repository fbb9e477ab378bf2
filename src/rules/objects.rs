//! The tracks of a frame where they stand in the view's reference, and a numbered place for each track in memory.

use std::collections::HashMap;

use super::geometry::Point;
use super::input::Input;
use crate::detection::LabelsRef;
use crate::geometry::BBox;
use crate::homography::apply;
use crate::track::{Continuity, Track, TrackState};
use crate::view::Sight;

/// Tracks that are remembered at a time. Of more, those that were not seen for longest are forgotten, and what does not
/// even so find room on a frame is left out and counted.
pub(super) const MAX_OBJECTS: usize = 1024;

/// A track that appears where another was on the same view, no longer ago than this many nanoseconds and overlapping it by
/// this IoU, goes on with what that one has begun: trackers lose their objects now and then, and one visit is one visit.
/// What the tracker still has, though lost, is another object.
const HANDOVER: u64 = 2_000_000_000;
/// As [`HANDOVER`].
const HANDOVER_IOU: f32 = 0.3;

/// A class that the rules do not name.
pub(super) const OTHER: u8 = u8::MAX;

/// An object on this frame. Places are in the reference's points.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Its place in memory.
    pub(super) slot: usize,
    /// Its number among the frame's tracks.
    pub(super) track: usize,
    pub(super) class: u8,
    pub(super) center: Point,
    pub(super) foot: Point,
    pub(super) quad: [Point; 4],
    pub(super) height: f32,
    /// It was seen, not predicted.
    pub(super) firm: bool,
    /// Its way here from where it was is known.
    pub(super) continued: bool,
}

impl Seen {
    /// Where a box is; `way` leads from the frame's points to the reference's.
    pub(super) fn new(bbox: &BBox, class: u8, way: Option<&[f64; 9]>) -> Self {
        let at = |x: f32, y: f32| {
            let point = [f64::from(x), f64::from(y)];
            way.map_or(point, |way| apply(way, point))
        };
        let (x, y) = bbox.center();
        Self {
            slot: 0,
            track: 0,
            class,
            center: at(x, y),
            foot: at(x, bbox.y_max),
            quad: [
                at(bbox.x_min, bbox.y_min),
                at(bbox.x_max, bbox.y_min),
                at(bbox.x_max, bbox.y_max),
                at(bbox.x_min, bbox.y_max),
            ],
            height: bbox.height(),
            firm: true,
            continued: true,
        }
    }

    /// The upright box around it.
    fn bounds(&self) -> BBox {
        let least = |axis: usize| self.quad.iter().map(|c| c[axis]).fold(f64::INFINITY, f64::min) as f32;
        let most = |axis: usize| self.quad.iter().map(|c| c[axis]).fold(f64::NEG_INFINITY, f64::max) as f32;
        BBox::new(least(0), least(1), most(0), most(1))
    }

    fn is_somewhere(&self) -> bool {
        self.quad.iter().chain([&self.center, &self.foot]).flatten().all(|v| v.is_finite())
    }
}

/// What each class of a table is among the classes that the rules name.
#[derive(Clone, Debug, Default)]
pub(super) struct Classes {
    text: String,
    ends: Vec<usize>,
    numbers: Vec<u8>,
}

impl Classes {
    /// Learns a table; true when it is another than before. `same` compares a name that the rules know with one of it.
    pub(super) fn learn(
        &mut self,
        labels: LabelsRef<'_>,
        known: &[std::sync::Arc<str>],
        same: impl Fn(&str, &str) -> bool,
    ) -> bool {
        if self.text == labels.text && self.ends == labels.ends {
            return false;
        }
        self.text.clear();
        self.text.push_str(labels.text);
        self.ends.clear();
        self.ends.extend_from_slice(labels.ends);
        self.numbers.clear();
        let number =
            |name: &str| known.iter().position(|class| same(class, name)).map_or(OTHER, |at| at as u8);
        self.numbers.extend(labels.iter().map(number));
        true
    }

    pub(super) fn number(&self, label: i32) -> u8 {
        usize::try_from(label).ok().and_then(|at| self.numbers.get(at)).copied().unwrap_or(OTHER)
    }

    /// True while no table with names has been learned.
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// True when a table with names has been learned and this name is not in it.
    pub(super) fn lacks(&self, known: usize) -> bool {
        !self.numbers.is_empty() && !self.numbers.contains(&(known as u8))
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    id: u64,
    /// The track that it was handed over from, 0 for none: it has it back when it returns first.
    former: u64,
    /// When it was last there.
    seen: u64,
    /// Its number among those of the frame on which it was last there, and that frame's number.
    at: (usize, u64),
    class: u8,
    /// Where it was last, and in which of [`Objects::view`].
    bounds: BBox,
    view: u64,
}

/// All tracks that are remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct Objects {
    slots: Vec<Slot>,
    by_id: HashMap<u64, usize>,
    free: Vec<usize>,
    /// Slots in use.
    pub(super) live: Vec<usize>,
    /// The objects of the frame.
    pub(super) seen: Vec<Seen>,
    frame: u64,
    /// Counts the views, so that places on different ones are not compared.
    view: u64,
    preset: String,
    epoch: Option<u64>,
    /// Slots given up since this was emptied, each with the id of its track.
    pub(super) gone: Vec<(usize, u64)>,
    /// When the tracks that are not on the frame were last there, while room is made.
    absent: Vec<(u64, usize)>,
    /// Tracks that there was no room for, frame by frame.
    pub(super) refused: u64,
}

impl Objects {
    /// Takes in the tracks of a frame, those that are known first.
    pub(super) fn see(
        &mut self,
        input: &Input<'_>,
        sight: &Sight<'_>,
        way: Option<&[f64; 9]>,
        classes: &Classes,
    ) {
        self.frame += 1;
        self.look(sight);
        self.seen.clear();
        let mut unknown = 0;
        for known in [true, false] {
            let there = input.tracks.iter().enumerate().filter(|(_, track)| track.state.is_there());
            for (at, track) in there {
                if self.by_id.contains_key(&track.id) != known {
                    unknown += 1;
                    continue;
                }
                let seen = Seen::new(&track.bbox, classes.number(track.label), way);
                if seen.is_somewhere() {
                    self.take(Seen { track: at, ..seen }, track, input);
                }
            }
            if unknown == 0 {
                return;
            }
            self.make_room(unknown);
            unknown = 0;
        }
    }

    /// Gives up as many slots as so many new tracks need, those first that were not seen for longest.
    fn make_room(&mut self, wanted: usize) {
        let excess = (self.live.len() + wanted).saturating_sub(MAX_OBJECTS);
        self.absent.clear();
        let Some(last) = excess.checked_sub(1) else { return };
        let Self { slots, live, absent, frame, .. } = self;
        let away = live.iter().filter(|slot| slots[**slot].at.1 != *frame);
        absent.extend(away.map(|slot| (slots[*slot].seen, *slot)));
        let Some(last) = absent.len().checked_sub(1).map(|most| most.min(last)) else { return };
        let (_, &mut newest, _) = absent.select_nth_unstable(last);
        let frame = *frame;
        self.give_up(|at, slot| slot.at.1 != frame && (slot.seen, at) <= newest);
    }

    /// Gives up slots, and keeps in mind which.
    fn give_up(&mut self, goes: impl Fn(usize, &Slot) -> bool) {
        let Self { slots, by_id, free, live, gone, .. } = self;
        live.retain(|&at| {
            let slot = &slots[at];
            let goes = goes(at, slot);
            if goes {
                by_id.remove(&slot.id);
                free.push(at);
                gone.push((at, slot.id));
            }
            !goes
        });
    }

    /// Notices another view. Where nobody knows the way to the reference, places are those of the frame.
    fn look(&mut self, sight: &Sight<'_>) {
        let epoch = sight.to_reference.map(|_| sight.epoch);
        let preset = sight.preset.unwrap_or_default();
        if self.epoch != epoch || self.preset != preset {
            self.view += 1;
            self.epoch = epoch;
            self.preset.clear();
            self.preset.push_str(preset);
        }
    }

    fn take(&mut self, seen: Seen, track: &Track, input: &Input<'_>) {
        let bounds = seen.bounds();
        let Some((slot, fresh)) = self.slot(track.id, seen.class, &bounds, input) else {
            self.refused += 1;
            return;
        };
        // An id that stands there twice.
        if self.slots[slot].at.1 == self.frame {
            return;
        }
        let at = (self.seen.len(), self.frame);
        let (former, view) = (self.slots[slot].former, self.view);
        self.slots[slot] =
            Slot { id: track.id, former, seen: input.time, at, class: seen.class, bounds, view };
        let firm = track.state == TrackState::Confirmed;
        let continued = !fresh && track.continuity == Continuity::Continued;
        self.seen.push(Seen { slot, firm, continued, ..seen });
    }

    /// The slot of a track, and whether it is new to it.
    fn slot(&mut self, id: u64, class: u8, bounds: &BBox, input: &Input<'_>) -> Option<(usize, bool)> {
        if let Some(slot) = self.by_id.get(&id) {
            return Some((*slot, false));
        }
        if let Some(slot) = self.given_away(id).or_else(|| self.vanished(class, bounds, input)) {
            let former = std::mem::replace(&mut self.slots[slot].id, id);
            self.slots[slot].former = former;
            self.by_id.remove(&former);
            self.by_id.insert(id, slot);
            return Some((slot, true));
        }
        let slot = self.free.pop().or_else(|| {
            (self.slots.len() < MAX_OBJECTS).then(|| {
                self.slots.push(Slot::default());
                self.slots.len() - 1
            })
        })?;
        self.slots[slot] = Slot::default();
        self.by_id.insert(id, slot);
        self.live.push(slot);
        Some((slot, true))
    }

    /// The slot that a track had before another took it over, which is gone.
    fn given_away(&self, id: u64) -> Option<usize> {
        let had = |slot: &Slot| slot.former == id && slot.at.1 != self.frame;
        self.live.iter().copied().find(|slot| had(&self.slots[*slot]))
    }

    /// The slot of a track that was there a while ago and is gone.
    fn vanished(&self, class: u8, bounds: &BBox, input: &Input<'_>) -> Option<usize> {
        let gone = self.live.iter().copied().filter(|slot| {
            let slot = &self.slots[*slot];
            let lately = input.time.saturating_sub(slot.seen) <= HANDOVER;
            slot.at.1 != self.frame && slot.view == self.view && slot.class == class && lately
        });
        let overlaps = gone.map(|slot| (self.slots[slot].bounds.iou(bounds), slot));
        let held = |slot: usize| input.tracks.iter().any(|track| track.id == self.slots[slot].id);
        let near = overlaps.filter(|(overlap, slot)| *overlap >= HANDOVER_IOU && !held(*slot));
        near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, slot)| slot)
    }

    /// Gives up the slots of tracks that were last there before a time, but for those that are `busy`.
    pub(super) fn expire(&mut self, before: u64, busy: impl Fn(usize) -> bool) {
        self.give_up(|at, slot| slot.seen < before && !busy(at));
    }

    /// How many slots there are, in use or not.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn id(&self, slot: usize) -> u64 {
        self.slots[slot].id
    }

    /// An object, when it is on the frame.
    pub(super) fn on_frame(&self, slot: usize) -> Option<&Seen> {
        let (at, frame) = self.slots[slot].at;
        if frame == self.frame { self.seen.get(at) } else { None }
    }

    /// The slot of a track that is remembered.
    pub(super) fn find(&self, id: u64) -> Option<usize> {
        self.by_id.get(&id).copied()
    }
}

/// How fast a track is, in units of the frame a second.
pub(super) fn speed(track: &Track) -> f64 {
    f64::from(track.velocity[0]).hypot(f64::from(track.velocity[1]))
}

/// Where a track is heading: degrees clockwise from the right as displayed; NaN for one that keeps its place.
pub(super) fn direction(track: &Track, aspect: f32) -> f64 {
    let [x, y] = track.velocity.map(f64::from);
    if track.motion.direction.is_finite() {
        return f64::from(track.motion.direction);
    }
    if track.motion.is_stationary() || (x == 0.0 && y == 0.0) {
        return f64::NAN;
    }
    libm::atan2(y, x * f64::from(aspect)).to_degrees().rem_euclid(360.0)
}
