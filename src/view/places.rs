//! The views that are known, and which of them the camera rests on.

use std::sync::Arc;

use super::keyframe::Keyframe;
use super::presets::{Pose, Tolerance};
use super::register::{Registrar, Registration};
use super::telemetry::Ptz;
use crate::homography::{IDENTITY, apply};

/// A view whose corners lie further from those of a known one than this, in units of the frame, is another.
const FURTHEST: f64 = 0.3;
/// Two known views whose corners are about as far from this one's are told apart by how many corners of the picture agree:
/// by this many times more.
const AS_FAR: f64 = 0.01;
const MORE: f64 = 1.25;
/// A picture with fewer corners is not learned: it would not be known again.
const LEAST_CORNERS: usize = 20;

/// A known view.
#[derive(Clone, Debug)]
struct Place {
    name: Arc<str>,
    pose: Option<Pose>,
    keyframe: Option<Keyframe>,
    /// When it was recognised last, in calls.
    seen: u64,
}

impl Place {
    /// Whether the camera points here, where both are known.
    fn is_at(&self, ptz: Option<&Ptz>) -> Option<bool> {
        Some(self.pose?.holds(ptz?))
    }
}

/// A known view that the camera rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Recognised {
    /// Its name.
    pub name: Arc<str>,
    /// Where the camera's picture lies in the known view's, when it was known by its pixels rather than by its pose.
    pub registration: Option<Registration>,
}

/// What [`Places::go_on`] finds.
#[derive(Clone, Debug, PartialEq)]
pub enum Sighting {
    /// A known view.
    Known(Recognised),
    /// Several known views look like this one, and none more than the others.
    Ambiguous,
    /// None that is known.
    New,
}

/// How far from where it was seen a view is looked for.
#[derive(Clone, Copy, Debug)]
enum Reach {
    Near,
    Anywhere,
}

impl Reach {
    /// In milliseconds, about.
    fn effort(self) -> u32 {
        match self {
            Self::Near => 1,
            Self::Anywhere => 5,
        }
    }
}

/// Most effort a call.
const MOST_EFFORT: u32 = 16;
/// What is looked for, one after the other: views that the camera points at, then those that may be anywhere.
const STAGES: [(Option<bool>, Reach); 4] =
    [(Some(true), Reach::Near), (Some(true), Reach::Anywhere), (None, Reach::Near), (None, Reach::Anywhere)];

/// A search through the known views.
#[derive(Clone, Debug)]
struct Search {
    ptz: Option<Ptz>,
    /// The stage, and the next place to be looked for in it.
    stage: usize,
    next: usize,
    /// Places found in this stage.
    found: Vec<(Arc<str>, Registration)>,
}

/// The known views: presets, and some learned ones.
#[derive(Clone, Debug, Default)]
pub struct Places {
    presets: Vec<Place>,
    learned: Vec<Place>,
    most_learned: usize,
    /// Views learned so far.
    count: u64,
    calls: u64,
    search: Option<Search>,
    registrar: Registrar,
}

impl Places {
    /// None yet, and at most so many learned ones at a time. Each takes about 0.5 MB.
    pub fn new(most_learned: usize) -> Self {
        Self { most_learned, ..Self::default() }
    }

    /// Adds a preset, known by its pose, by a described picture, or by both. One of the same name is replaced.
    pub fn add(&mut self, name: Arc<str>, pose: Option<Pose>, picture: Option<Keyframe>) {
        self.give_up();
        self.presets.retain(|place| place.name != name);
        self.presets.push(Place { name, pose, keyframe: picture, seen: self.calls });
    }

    /// The picture of a known view.
    #[cfg(test)]
    pub(super) fn picture(&self, name: &str) -> Option<&Keyframe> {
        self.all().find(|place| &*place.name == name)?.keyframe.as_ref()
    }

    /// Where the camera points when it rests on a known view.
    pub fn pose(&self, name: &str) -> Option<&Pose> {
        self.all().find(|place| &*place.name == name)?.pose.as_ref()
    }

    /// Whether there is nothing to know a view by, nor ever will be.
    pub fn is_empty(&self) -> bool {
        self.most_learned == 0 && self.presets.is_empty()
    }

    /// Gives a known view that has no picture the one that is seen now, so that the way to it is known next time. Returns
    /// false where it has one, is not known, or the picture shows too little.
    pub fn picture_now(&mut self, name: &str, keyframe: &Keyframe) -> bool {
        let found = self.presets.iter_mut().chain(&mut self.learned).find(|place| &*place.name == name);
        match found {
            Some(place) if place.keyframe.is_none() && is_worth(keyframe) => {
                place.keyframe = Some(keyframe.clone());
                true
            }
            _ => false,
        }
    }

    /// The names of all known views, presets first.
    #[cfg(test)]
    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.all().map(|place| &place.name)
    }

    fn all(&self) -> impl Iterator<Item = &Place> {
        self.presets.iter().chain(&self.learned)
    }

    /// Begins to look for the known view that the camera rests on; it points at `ptz`, where that is known.
    pub fn seek(&mut self, ptz: Option<&Ptz>) {
        self.calls += 1;
        self.search = Some(Search { ptz: ptz.copied(), stage: 0, next: 0, found: Vec::new() });
    }

    /// Whether the search that was begun last is not over.
    pub fn is_seeking(&self) -> bool {
        self.search.is_some()
    }

    /// Gives the search up.
    pub fn give_up(&mut self) {
        self.search = None;
    }

    /// Goes on with the search in what the camera sees (a described keyframe, the same each time), where it sees anything. A
    /// view at another pose is ruled out whatever it looks like; one at this pose is believed without its pixels, unless
    /// another looks like it. `None` while there is more to do: a call takes about 20 ms at most, a millisecond for each
    /// picture near which the camera may be, and five for each that is looked for anywhere.
    pub fn go_on(&mut self, keyframe: Option<&Keyframe>) -> Option<Sighting> {
        let mut search = self.search.take()?;
        let seen = keyframe.map_or(Some(Sighting::New), |keyframe| self.look_through(&mut search, keyframe));
        let sighting = match seen {
            None => {
                self.search = Some(search);
                return None;
            }
            Some(Sighting::New) => self.by_pose(search.ptz.as_ref()),
            Some(sighting) => sighting,
        };
        if let Sighting::Known(Recognised { name, .. }) = &sighting {
            let calls = self.calls;
            let mut all = self.presets.iter_mut().chain(&mut self.learned);
            if let Some(place) = all.find(|place| place.name == *name) {
                place.seen = calls;
            }
        }
        Some(sighting)
    }

    fn look_through(&mut self, search: &mut Search, keyframe: &Keyframe) -> Option<Sighting> {
        let Self { presets, learned, registrar, .. } = self;
        let mut effort = 0;
        while let Some((here, reach)) = STAGES.get(search.stage) {
            while let Some(place) = presets.iter().chain(learned.iter()).nth(search.next) {
                if effort >= MOST_EFFORT {
                    return None;
                }
                search.next += 1;
                let asked = place.is_at(search.ptz.as_ref()) == *here;
                let Some(reference) = place.keyframe.as_ref().filter(|_| asked) else { continue };
                effort += reach.effort();
                let found = match reach {
                    Reach::Near => registrar.near(reference, keyframe, &IDENTITY),
                    Reach::Anywhere => registrar.wide(reference, keyframe),
                };
                let close = found.filter(|found| off(found) <= FURTHEST);
                search.found.extend(close.map(|found| (place.name.clone(), found)));
            }
            if !search.found.is_empty() {
                return Some(most_like(std::mem::take(&mut search.found)));
            }
            (search.stage, search.next) = (search.stage + 1, 0);
        }
        Some(Sighting::New)
    }

    /// The known view that the camera points at.
    fn by_pose(&self, ptz: Option<&Ptz>) -> Sighting {
        let off = |place: &&Place| match (place.pose, ptz) {
            (Some(pose), Some(ptz)) => pose.ptz.apart(ptz).angle,
            _ => f64::INFINITY,
        };
        let here = self.all().filter(|place| place.is_at(ptz) == Some(true));
        let nearest = here.min_by(|a, b| off(a).total_cmp(&off(b)));
        nearest.map_or(Sighting::New, |place| {
            Sighting::Known(Recognised { name: place.name.clone(), registration: None })
        })
    }

    /// Takes the view that the camera rests on for a known one from now on, and returns its name: `view-1`, `view-2`, ...,
    /// never that of a preset. The learned view that was not recognised for longest is forgotten where there are too many.
    /// `None` where none are to be learned, or there is nothing to know the view by.
    pub fn learn(&mut self, keyframe: Option<&Keyframe>, ptz: Option<&Ptz>) -> Option<Arc<str>> {
        let keyframe = keyframe.filter(|keyframe| is_worth(keyframe));
        if self.most_learned == 0 || (keyframe.is_none() && ptz.is_none()) {
            return None;
        }
        self.give_up();
        while self.learned.len() >= self.most_learned {
            let oldest = (0..self.learned.len()).min_by_key(|i| self.learned[*i].seen)?;
            self.learned.remove(oldest);
        }
        let name: Arc<str> = loop {
            self.count += 1;
            let name = format!("view-{}", self.count);
            if self.presets.iter().all(|place| *place.name != *name) {
                break name.into();
            }
        };
        self.calls += 1;
        self.learned.push(Place {
            name: name.clone(),
            pose: ptz.map(|ptz| Pose { ptz: *ptz, tolerance: Tolerance::default() }),
            keyframe: keyframe.cloned(),
            seen: self.calls,
        });
        Some(name)
    }
}

fn is_worth(keyframe: &Keyframe) -> bool {
    keyframe.corners.len() >= LEAST_CORNERS
}

/// How far the corners of the frame are from the known view's.
fn off(registration: &Registration) -> f64 {
    let corner = |at: [f64; 2]| {
        let [x, y] = apply(&registration.to_reference, at);
        (x - at[0]).hypot(y - at[1])
    };
    [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]].map(corner).into_iter().fold(0.0, f64::max)
}

/// Of places that look like the picture the one that does most: the nearest one.
fn most_like(mut found: Vec<(Arc<str>, Registration)>) -> Sighting {
    found.sort_by(|(_, a), (_, b)| off(a).total_cmp(&off(b)));
    let Some((_, nearest)) = found.first() else { return Sighting::New };
    let limit = off(nearest) + AS_FAR;
    found.retain(|(_, registration)| off(registration) <= limit);
    found.sort_by_key(|(_, registration)| std::cmp::Reverse(registration.agreeing));
    match &found[..] {
        [(_, first), (_, second), ..] if f64::from(first.agreeing) < MORE * f64::from(second.agreeing) => {
            Sighting::Ambiguous
        }
        [(name, registration), ..] => {
            Sighting::Known(Recognised { name: name.clone(), registration: Some(*registration) })
        }
        [] => Sighting::New,
    }
}
