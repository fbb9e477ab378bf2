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

/// What a view was known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// What it looks like.
    Pixels,
    /// Where the camera points.
    Pose,
}

/// A known view that the camera rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Recognised {
    /// Its name.
    pub name: Arc<str>,
    /// What it was known by.
    pub by: KnownBy,
    /// Where the camera's picture lies in the known view's, when it was known by its pixels.
    pub registration: Option<Registration>,
}

/// What [`Places::recognise`] finds.
#[derive(Clone, Debug, PartialEq)]
pub enum Sighting {
    /// A known view.
    Known(Recognised),
    /// Several known views look like this one, and none more than the others.
    Ambiguous,
    /// None that is known.
    New,
}

impl Sighting {
    /// The known view.
    pub fn known(self) -> Option<Recognised> {
        if let Self::Known(recognised) = self { Some(recognised) } else { None }
    }
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
    registrar: Registrar,
}

impl Places {
    /// None yet, and at most so many learned ones at a time. Each takes about 0.5 MB.
    pub fn new(most_learned: usize) -> Self {
        Self { most_learned, ..Self::default() }
    }

    /// Adds a preset, known by its pose, by a described picture, or by both. One of the same name is replaced.
    pub fn add(&mut self, name: Arc<str>, pose: Option<Pose>, picture: Option<Keyframe>) {
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

    /// Which known view the camera rests on, from what it sees (a described keyframe), where it points, or both. A view at
    /// another pose is ruled out whatever it looks like; one at this pose is believed without its pixels, unless another
    /// looks like it.
    ///
    /// Takes about a millisecond for each picture that is known, and some ten more where the camera is not quite back.
    pub fn recognise(&mut self, keyframe: Option<&Keyframe>, ptz: Option<&Ptz>) -> Sighting {
        self.calls += 1;
        let sighting = self.sight(keyframe, ptz);
        if let Sighting::Known(Recognised { name, .. }) = &sighting {
            let calls = self.calls;
            let mut all = self.presets.iter_mut().chain(&mut self.learned);
            if let Some(place) = all.find(|place| place.name == *name) {
                place.seen = calls;
            }
        }
        sighting
    }

    fn sight(&mut self, keyframe: Option<&Keyframe>, ptz: Option<&Ptz>) -> Sighting {
        let Self { presets, learned, registrar, .. } = self;
        let points = |place: &Place| Some(place.pose?.holds(ptz?));
        let possible: Vec<&Place> =
            presets.iter().chain(learned.iter()).filter(|place| points(place) != Some(false)).collect();
        let here: Vec<&Place> =
            possible.iter().copied().filter(|place| points(place) == Some(true)).collect();
        if let Some(keyframe) = keyframe {
            // What the camera points at comes first.
            for places in [&here, &possible] {
                match best(registrar, places, keyframe) {
                    Sighting::New => {}
                    sighting => return sighting,
                }
            }
        }
        let off = |place: &Place| match (place.pose, ptz) {
            (Some(pose), Some(ptz)) => pose.ptz.apart(ptz).angle,
            _ => f64::INFINITY,
        };
        let nearest = here.into_iter().min_by(|a, b| off(a).total_cmp(&off(b)));
        nearest.map_or(Sighting::New, |place| {
            let name = place.name.clone();
            Sighting::Known(Recognised { name, by: KnownBy::Pose, registration: None })
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

/// The places that `find` finds the picture in, close to theirs.
fn matches(
    places: &[&Place],
    mut find: impl FnMut(&Keyframe) -> Option<Registration>,
) -> Vec<(Arc<str>, Registration)> {
    let found = |place: &&Place| {
        let registration = find(place.keyframe.as_ref()?)?;
        (off(&registration) <= FURTHEST).then(|| (place.name.clone(), registration))
    };
    places.iter().filter_map(found).collect()
}

/// The place that looks most like the picture: the nearest one.
fn best(registrar: &mut Registrar, places: &[&Place], current: &Keyframe) -> Sighting {
    let mut found = matches(places, |reference| registrar.near(reference, current, &IDENTITY));
    if found.is_empty() {
        found = matches(places, |reference| registrar.wide(reference, current));
    }
    found.sort_by(|(_, a), (_, b)| off(a).total_cmp(&off(b)));
    let Some((_, nearest)) = found.first() else { return Sighting::New };
    let limit = off(nearest) + AS_FAR;
    found.retain(|(_, registration)| off(registration) <= limit);
    found.sort_by_key(|(_, registration)| std::cmp::Reverse(registration.agreeing));
    match &found[..] {
        [(_, first), (_, second), ..] if f64::from(first.agreeing) < MORE * f64::from(second.agreeing) => {
            Sighting::Ambiguous
        }
        [(name, registration), ..] => Sighting::Known(Recognised {
            name: name.clone(),
            by: KnownBy::Pixels,
            registration: Some(*registration),
        }),
        [] => Sighting::New,
    }
}
