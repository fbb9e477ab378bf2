//! All that says where a camera looks, brought together frame by frame.

use std::sync::Arc;

use super::{
    Anchor, Camera, Cause, Estimate, Estimator, Evidence, Health, Keyframe, Motion, Places, Policy, Ptz,
    Reading, Recognised, Registrar, Registration, Report, Sighting, State, Telling, Trouble, Validity, View,
    decide,
};
use crate::geometry::BBox;
use crate::homography::IDENTITY;
use crate::image::Frame;

/// What there is to know of one frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look<'a> {
    /// Running time in nanoseconds.
    pub time: u64,
    /// Width over height of the picture as displayed.
    pub aspect: f64,
    /// Its pixels, where somebody is to look at them.
    pub frame: Option<&'a Frame<'a>>,
    /// Whether they tell how the camera moves.
    pub follow: bool,
    /// Whether they tell what ails the picture, and after how many seconds without any change it is frozen; 0 for never.
    pub health: Option<f64>,
    /// What moves on its own, in units of the frame.
    pub masks: &'a [BBox],
    /// What the camera says.
    pub telling: Telling,
    /// Whether the stream begins anew.
    pub restart: bool,
}

/// What changed on a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// An epoch began.
    Epoch(Cause),
    /// What was drawn on the view holds less than before, or for another reason.
    Degraded {
        /// That it does not hold at all.
        invalid: bool,
        /// Why.
        reason: Arc<str>,
    },
    /// It holds again.
    Recovered,
    /// The view is a preset.
    Preset(Arc<str>),
}

/// Watches one camera.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    estimator: Estimator,
    registrar: Registrar,
    state: State,
    /// The view that the epoch's frames are led back to, where it has texture.
    anchor: Keyframe,
    anchored: bool,
    now: Keyframe,
    /// Whether something may have happened unseen since that view was seen last.
    doubted: bool,
    places: Places,
    /// The picture that is looked up among them, where there is one.
    shown: Keyframe,
    has_picture: bool,
    health: Health,
    /// When the epoch's reference was seen, and how often its view has been looked up since.
    settled: u64,
    lookups: u32,
    news: Vec<News>,
}

/// A view that is not known when the camera settles is looked up again after this time, twice this time, and so on, in
/// nanoseconds: a picture that has just come to rest, or is just there, may be blurred.
const AGAIN: u64 = 1_000_000_000;
/// How often at most.
const LOOKUPS: u32 = 4;

impl Watch {
    /// The views that are known from now on.
    pub fn know(&mut self, places: Places) {
        self.places = places;
    }

    /// The view of the next frame.
    pub fn look(&mut self, look: &Look<'_>, policy: &Policy) -> &View {
        let estimate = self.see(look);
        let report = Report {
            time: look.time,
            estimate,
            telling: look.telling,
            aspect: look.aspect,
            anchor: self.find_anchor(look, estimate.as_ref(), policy),
            trouble: self.examine(look),
            restart: look.restart,
        };
        let next = decide(&self.state, &report, policy);
        let before = std::mem::replace(&mut self.state, next);
        if self.state.cause().is_some() || self.state.view().motion == Motion::Moving {
            self.health.reset();
        }
        if self.state.is_reference() {
            self.anchored = estimate.is_some() && self.estimator.fill_keyframe(&mut self.anchor);
            (self.settled, self.lookups, self.doubted) = (look.time, 0, false);
        }
        self.look_up(look, policy, estimate.is_some());
        self.tell(&before);
        self.state.view()
    }

    /// What changed with the frame looked at last.
    pub fn news(&self) -> &[News] {
        &self.news
    }

    fn see(&mut self, look: &Look<'_>) -> Option<Estimate> {
        if look.restart {
            self.estimator.reset();
        }
        let Some(frame) = look.frame else {
            // What was seen before is too old to compare with once somebody looks again.
            self.estimator.reset();
            return None;
        };
        if look.follow {
            return Some(self.estimator.push(frame, look.masks));
        }
        self.estimator.glance(frame);
        None
    }

    /// What ails the picture.
    fn examine(&mut self, look: &Look<'_>) -> Option<&'static str> {
        let frozen_after = look.health.filter(|_| look.frame.is_some())?;
        self.health.set_frozen_after(frozen_after);
        self.health.look(&self.estimator, look.time).map(Trouble::name)
    }

    /// Looks for the epoch's own first frame now and then, and where something may have happened since it was seen.
    fn find_anchor(&mut self, look: &Look<'_>, estimate: Option<&Estimate>, policy: &Policy) -> Anchor {
        let Some(estimate) = estimate.filter(|_| self.anchored && !look.restart) else {
            return Anchor::Unasked;
        };
        self.doubted |= estimate.evidence == Evidence::First;
        let guess = self.state.due_anchor(look.time, self.doubted);
        let Some(guess) = guess.filter(|_| self.estimator.fill_keyframe(&mut self.now)) else {
            return Anchor::Unasked;
        };
        if let Some(found) = self.registrar.near(&self.anchor, &self.now, &guess) {
            return self.found(&found, policy);
        }
        if !self.doubted {
            // What stands before it may hide it, and light and weather change it.
            return Anchor::Unasked;
        }
        self.anchor.describe();
        self.now.describe();
        match self.registrar.wide(&self.anchor, &self.now) {
            Some(found) => self.found(&found, policy),
            None => Anchor::Lost,
        }
    }

    /// The reference is seen again; where that was not in doubt, what is not sure is not needed.
    fn found(&mut self, found: &Registration, policy: &Policy) -> Anchor {
        let doubted = std::mem::take(&mut self.doubted);
        if !doubted && f64::from(found.confidence) < policy.compensate_confidence {
            return Anchor::Unasked;
        }
        Anchor::Found { way: found.to_reference, confidence: found.confidence }
    }

    /// Looks for the view among those that are known, when the camera has settled and some times after.
    fn look_up(&mut self, look: &Look<'_>, policy: &Policy, seen: bool) {
        let first = self.state.is_reference();
        if first || !self.state.rests() || self.state.view().motion == Motion::Moving {
            self.places.give_up();
        }
        if self.state.view().preset.is_some() || self.places.is_empty() {
            return;
        }
        let told = if let Telling::Told(reading) = look.telling { Some(reading) } else { None };
        let ptz = told.map(|reading| reading.ptz);
        if !self.places.is_seeking() && !self.seek(look, ptz.as_ref(), seen) {
            return;
        }
        let Some(sighting) = self.places.go_on(self.has_picture.then_some(&self.shown)) else { return };
        match sighting {
            Sighting::Known(found) => self.recognise(&found, told, look, policy),
            // It may look like one of them tomorrow.
            Sighting::Ambiguous => {}
            Sighting::New if self.lookups == 1 => {}
            Sighting::New => self.learn(ptz.as_ref()),
        }
    }

    /// Begins to look for the view, where it is time to and there is something to know it by.
    fn seek(&mut self, look: &Look<'_>, ptz: Option<&Ptz>, seen: bool) -> bool {
        let first = self.state.is_reference();
        let seen = seen && (look.health.is_none() || self.health.trouble().is_none());
        let due = self.lookups < LOOKUPS && (first || self.may_look_again(look.time));
        if !due || !(seen || ptz.is_some()) {
            return false;
        }
        self.lookups += 1;
        let looks = if first { self.anchored } else { seen };
        self.has_picture = looks && self.estimator.fill_keyframe(&mut self.shown);
        if self.has_picture {
            self.shown.describe();
        }
        self.places.seek(ptz);
        true
    }

    /// Whether a view that was not known when the camera settled may be by now.
    fn may_look_again(&self, time: u64) -> bool {
        let due = time.saturating_sub(self.settled) >= AGAIN << self.lookups.saturating_sub(1);
        due && self.state.view().motion == Motion::Stable && self.state.rests()
    }

    /// The epoch's reference is a known view from now on.
    fn learn(&mut self, ptz: Option<&Ptz>) {
        let anchor = self.anchored.then_some(&mut self.anchor).map(|anchor| {
            anchor.describe();
            &*anchor
        });
        if let Some(name) = self.places.learn(anchor, ptz) {
            self.state.name(name);
        }
    }

    fn recognise(&mut self, found: &Recognised, told: Option<Reading>, look: &Look<'_>, policy: &Policy) {
        let first = self.state.is_reference();
        let by_pose = || {
            let (reading, pose) = (told?, self.places.pose(&found.name)?);
            let camera = Camera { field_of_view: policy.field_of_view, aspect: look.aspect };
            Some((camera.way(&reading.ptz, &pose.ptz)?, reading.confidence))
        };
        let seen = found.registration.map(|seen| (seen.to_reference, seen.confidence));
        let (way, confidence) = seen.or_else(by_pose).unwrap_or((IDENTITY, 1.0));
        self.state.recognise(found.name.clone(), way, confidence);
        if !first {
            (self.anchored, self.settled, self.doubted) = (self.has_picture, look.time, false);
        }
        if self.has_picture {
            std::mem::swap(&mut self.anchor, &mut self.shown);
            self.places.picture_now(&found.name, &self.anchor);
        }
    }

    fn tell(&mut self, before: &State) {
        self.news.clear();
        let (now, then) = (self.state.view(), before.view());
        self.news.extend(self.state.cause().map(News::Epoch));
        if let Some(preset) = now.preset.as_ref().filter(|_| now.preset != then.preset) {
            self.news.push(News::Preset(preset.clone()));
        }
        match (then.validity, now.validity) {
            (Validity::Valid, Validity::Valid) => {}
            (_, Validity::Valid) => self.news.push(News::Recovered),
            (was, is) if was != is || now.reason != then.reason => {
                let reason = now.reason.clone().unwrap_or_else(|| Arc::from(""));
                self.news.push(News::Degraded { invalid: is == Validity::Invalid, reason });
            }
            _ => {}
        }
    }
}
