//! What happens in a zone.

use super::define::{Anchor, Filter, Region, Zone};
use super::geometry::{Clipper, Point, in_polygon};
use super::names::{ZONE, ZONE_CLASS};
use super::objects::{OTHER, Seen, direction, speed};
use super::place::Bound;
use crate::track::Track;

/// Corners of the polygon that stands for an ellipse where areas are compared or drawn.
const CORNERS: usize = 48;

/// A track's visit to a zone.
#[derive(Clone, Copy, Debug, Default)]
struct Visit {
    /// It goes on, though the object may be outside at the moment.
    open: bool,
    /// The object was there before, in this visit or an earlier one.
    known: bool,
    since: u64,
    last: u64,
    class: usize,
}

/// Which classes count, as numbers, and heights of boxes.
#[derive(Clone, Debug)]
pub(super) struct Sieve {
    /// By the number of the class; empty when all count.
    classes: Vec<usize>,
    height: [f64; 2],
    any: bool,
}

impl Sieve {
    pub(super) fn new(filter: &Filter, classes: &[std::sync::Arc<str>]) -> Self {
        let place = |class: &std::sync::Arc<str>| filter.classes.iter().position(|own| own == class);
        let classes = classes.iter().map(|class| place(class).unwrap_or(usize::MAX)).collect();
        Self { classes, height: filter.height, any: filter.classes.is_empty() }
    }

    /// The place of an object's class among those of the filter, or `None` when it does not count.
    pub(super) fn class(&self, seen: &Seen) -> Option<usize> {
        if !(self.height[0]..=self.height[1]).contains(&f64::from(seen.height)) {
            return None;
        }
        if self.any {
            return Some(0);
        }
        let number = (seen.class != OTHER).then_some(usize::from(seen.class))?;
        self.classes.get(number).copied().filter(|place| *place != usize::MAX)
    }
}

/// A zone and what was counted in it.
#[derive(Clone, Debug)]
pub(super) struct ZoneState {
    pub(super) zone: Zone,
    pub(super) bound: Bound,
    pub(super) sieve: Sieve,
    /// Its outline: that of an ellipse has corners.
    pub(super) outline: Vec<Point>,
    reach: [Point; 2],
    visits: Vec<Visit>,
    /// Its classes, where there are several, each with entries and exits; and the number inside on this frame.
    by_class: Vec<[f64; 3]>,
    occupancy: f64,
    entries: f64,
    exits: f64,
    unique: f64,
    /// The seconds of visits that came to an end, added up.
    dwelt: f64,
    returning: bool,
    /// When it last came to hold again.
    returned: Option<u64>,
}

impl ZoneState {
    pub(super) fn new(zone: Zone, classes: &[std::sync::Arc<str>]) -> Self {
        let outline = outline(&zone.region);
        let reach = [0, 1].map(|axis| {
            let values = outline.iter().map(|point| point[axis]);
            [values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max)]
        });
        let several = if zone.filter.classes.len() > 1 { zone.filter.classes.len() } else { 0 };
        Self {
            bound: Bound::new(zone.preset.as_ref()),
            sieve: Sieve::new(&zone.filter, classes),
            outline,
            reach,
            visits: Vec::new(),
            by_class: vec![[0.0; 3]; several],
            occupancy: f64::NAN,
            entries: 0.0,
            exits: 0.0,
            unique: 0.0,
            dwelt: 0.0,
            returning: false,
            returned: None,
            zone,
        }
    }

    /// Goes on with what another state of the same zone has counted.
    pub(super) fn adopt(&mut self, old: Self) {
        let sieve = std::mem::replace(&mut self.sieve, old.sieve.clone());
        *self = Self { sieve, ..old };
    }

    /// Makes room for tracks.
    pub(super) fn reserve(&mut self, slots: usize) {
        self.visits.resize(slots, Visit::default());
    }

    /// Forgets a track. What is left of its visit ends.
    pub(super) fn forget(&mut self, slot: usize) {
        let visit = std::mem::take(&mut self.visits[slot]);
        if visit.open && !self.returning {
            self.count_exit(&visit);
        }
    }

    /// True while a track that is outside or unseen may go on with its visit.
    pub(super) fn is_visited(&self, slot: usize, now: u64) -> bool {
        let visit = &self.visits[slot];
        visit.open && (!self.returning || now.saturating_sub(visit.last) <= self.zone.grace)
    }

    /// Ends all visits, at a restart of the stream.
    pub(super) fn restart(&mut self) {
        self.visits.fill(Visit::default());
        self.returned = None;
    }

    /// The zone does not hold: what is inside is not known.
    pub(super) fn suspend(&mut self) {
        self.set_inside(f64::NAN);
        self.returning = true;
    }

    /// Nobody looked at the frame: what is inside is not known.
    pub(super) fn overlook(&mut self) {
        self.set_inside(f64::NAN);
    }

    fn set_inside(&mut self, count: f64) {
        self.occupancy = count;
        self.by_class.iter_mut().for_each(|class| class[0] = count);
    }

    fn contains(&self, point: Point) -> bool {
        match &self.zone.region {
            Region::Polygon(polygon) => {
                let [x, y] = self.reach;
                (x[0]..=x[1]).contains(&point[0])
                    && (y[0]..=y[1]).contains(&point[1])
                    && in_polygon(polygon, point)
            }
            Region::Ellipse { center, radii } => {
                let (x, y) = ((point[0] - center[0]) / radii[0], (point[1] - center[1]) / radii[1]);
                x * x + y * y < 1.0
            }
        }
    }

    /// Whether an object is in the zone.
    pub(super) fn holds(&self, seen: &Seen, clipper: &mut Clipper) -> bool {
        let inverse = self.zone.inverse;
        match self.zone.anchor {
            Anchor::Center => self.contains(seen.center) != inverse,
            Anchor::BottomCenter => self.contains(seen.foot) != inverse,
            Anchor::Any | Anchor::Overlap => {
                let covered = if self.meets(seen) { clipper.covered(&self.outline, &seen.quad) } else { 0.0 };
                let covered = if inverse { 1.0 - covered } else { covered };
                match self.zone.anchor {
                    // What is left of rounding is no overlap.
                    Anchor::Any => covered > 1e-9,
                    _ => covered >= self.zone.overlap,
                }
            }
        }
    }

    fn meets(&self, seen: &Seen) -> bool {
        self.reach.iter().enumerate().all(|(axis, [least, most])| {
            seen.quad.iter().any(|corner| corner[axis] >= *least)
                && seen.quad.iter().any(|corner| corner[axis] <= *most)
        })
    }

    /// Counts detections instead of tracks; `None` when no model looked.
    pub(super) fn count(&mut self, found: Option<&[Seen]>, clipper: &mut Clipper) {
        let Some(found) = found else { return self.overlook() };
        self.set_inside(0.0);
        for seen in found {
            let Some(class) = self.sieve.class(seen) else { continue };
            if self.holds(seen, clipper) {
                self.occupancy += 1.0;
                self.by_class.get_mut(class).map(|counts| counts[0] += 1.0).unwrap_or_default();
            }
        }
    }

    /// Takes in the objects of a frame.
    pub(super) fn update(&mut self, now: u64, seen: &[Seen], live: &[usize], clipper: &mut Clipper) {
        let returning = std::mem::take(&mut self.returning);
        if returning {
            self.returned = Some(now);
        }
        self.set_inside(0.0);
        for object in seen {
            let Some(class) = self.sieve.class(object) else { continue };
            if self.holds(object, clipper) {
                self.occupancy += 1.0;
                self.by_class.get_mut(class).map(|counts| counts[0] += 1.0).unwrap_or_default();
                self.enter(object, class, now, returning);
            }
        }
        for &slot in live {
            self.leave(slot, now, returning);
        }
    }

    fn enter(&mut self, object: &Seen, class: usize, now: u64, returning: bool) {
        let visit = &mut self.visits[object.slot];
        // While the camera looked elsewhere an object may have left and come back.
        if returning && now.saturating_sub(visit.last) > self.zone.grace {
            visit.open = false;
        }
        visit.last = now;
        if visit.open {
            return;
        }
        self.unique += f64::from(u8::from(!visit.known));
        *visit = Visit { open: true, known: true, since: now, last: now, class };
        // A tracker needs a moment to find what has been there all the time.
        let found = !object.continued && self.returned.is_some_and(|since| now - since <= self.zone.grace);
        if !returning && !found {
            self.entries += 1.0;
            self.by_class.get_mut(class).map(|counts| counts[1] += 1.0).unwrap_or_default();
        }
    }

    fn leave(&mut self, slot: usize, now: u64, returning: bool) {
        let visit = &mut self.visits[slot];
        let over = visit.last < now && (returning || now - visit.last > self.zone.grace);
        if !visit.open || !over {
            return;
        }
        visit.open = false;
        // Nobody saw it leave.
        if returning {
            return;
        }
        let visit = *visit;
        self.count_exit(&visit);
    }

    fn count_exit(&mut self, visit: &Visit) {
        self.exits += 1.0;
        self.dwelt += visit.last.saturating_sub(visit.since) as f64 / 1e9;
        self.by_class.get_mut(visit.class).map(|counts| counts[2] += 1.0).unwrap_or_default();
    }

    /// True while a track is inside on this frame.
    pub(super) fn is_inside(&self, slot: usize, now: u64) -> bool {
        let visit = &self.visits[slot];
        visit.open && visit.last == now
    }

    /// For how many seconds a visit has lasted; 0 without one.
    pub(super) fn dwell(&self, slot: usize, now: u64) -> f64 {
        let visit = &self.visits[slot];
        if visit.open { now.saturating_sub(visit.since) as f64 / 1e9 } else { 0.0 }
    }

    /// Writes the facts of the zone in their order.
    pub(super) fn tell(&self, facts: &mut [f64], now: u64, aspect: f32, seen: &[Seen], tracks: &[Track]) {
        let current = self.bound.hold == super::place::Hold::Current;
        let limit = self.zone.limit.map_or(f64::NAN, f64::from);
        let watched = !self.occupancy.is_nan() && !self.zone.detections;
        let mut dwell = if watched { 0.0f64 } else { f64::NAN };
        let (mut speeds, mut x, mut y, mut count) = (0.0, 0.0, 0.0, 0.0);
        if watched {
            for object in seen.iter().filter(|object| self.is_inside(object.slot, now)) {
                let track = &tracks[object.track];
                dwell = dwell.max(self.dwell(object.slot, now));
                count += 1.0;
                speeds += speed(track);
                let direction = direction(track, aspect).to_radians();
                if direction.is_finite() {
                    x += libm::cos(direction);
                    y += libm::sin(direction);
                }
            }
        }
        let direction =
            if x == 0.0 && y == 0.0 { f64::NAN } else { libm::atan2(y, x).to_degrees().rem_euclid(360.0) };
        let overcrowded = if limit.is_nan() || self.occupancy.is_nan() {
            f64::NAN
        } else {
            f64::from(u8::from(self.occupancy > limit))
        };
        let values: [f64; ZONE.len()] = [
            self.occupancy,
            self.entries,
            self.exits,
            self.unique,
            dwell,
            self.dwelt / self.exits,
            overcrowded,
            speeds / count,
            direction,
            f64::from(u8::from(current)),
        ];
        let (whole, rest) = facts.split_at_mut(ZONE.len());
        whole.copy_from_slice(&values);
        for (to, counts) in rest.chunks_exact_mut(ZONE_CLASS.len()).zip(&self.by_class) {
            to.copy_from_slice(counts);
        }
    }

    /// Occupancy and entries, to be drawn.
    pub(super) fn counts(&self) -> [f64; 2] {
        [self.occupancy, self.entries]
    }
}

/// The corners of a region.
pub(super) fn outline(region: &Region) -> Vec<Point> {
    match region {
        Region::Polygon(points) => points.clone(),
        Region::Ellipse { center, radii } => {
            let corner = |i: usize| {
                let angle = std::f64::consts::TAU * i as f64 / CORNERS as f64;
                [center[0] + radii[0] * libm::cos(angle), center[1] + radii[1] * libm::sin(angle)]
            };
            (0..CORNERS).map(corner).collect()
        }
    }
}
