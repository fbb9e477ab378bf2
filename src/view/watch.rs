//! All that says where a camera looks, brought together frame by frame.

use std::sync::Arc;

use super::{
    Cause, Estimate, Estimator, Keyframe, Policy, Registrar, Report, State, Telling, Validity, View, decide,
};
use crate::geometry::BBox;
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
    news: Vec<News>,
}

impl Watch {
    /// The view of the next frame.
    pub fn look(&mut self, look: &Look<'_>, policy: &Policy) -> &View {
        let estimate = self.see(look);
        let report = Report {
            time: look.time,
            estimate,
            telling: look.telling,
            aspect: look.aspect,
            anchored: self.find_anchor(look.time, estimate.is_some()),
            trouble: None,
            restart: look.restart,
        };
        let next = decide(&self.state, &report, policy);
        let before = std::mem::replace(&mut self.state, next);
        if self.state.is_reference() {
            self.anchored = estimate.is_some() && self.estimator.fill_keyframe(&mut self.anchor);
        }
        self.tell(&before);
        self.state.view()
    }

    /// What changed with the frame looked at last.
    pub fn news(&self) -> &[News] {
        &self.news
    }

    /// The view of the frame looked at last.
    pub fn view(&self) -> &View {
        self.state.view()
    }

    /// Forgets the frame before: the next one has nothing to be compared with.
    pub fn interrupt(&mut self) {
        self.estimator.reset();
    }

    fn see(&mut self, look: &Look<'_>) -> Option<Estimate> {
        let Some(frame) = look.frame else {
            // What was seen before is too old to compare with once somebody looks again.
            self.estimator.reset();
            return None;
        };
        Some(self.estimator.push(frame, look.masks))
    }

    /// The way to the epoch's own first frame, looked for now and then.
    fn find_anchor(&mut self, time: u64, seen: bool) -> Option<[f64; 9]> {
        let guess = self.state.due_anchor(time).filter(|_| seen && self.anchored)?;
        if !self.estimator.fill_keyframe(&mut self.now) {
            return None;
        }
        self.registrar.near(&self.anchor, &self.now, &guess).map(|found| found.to_reference)
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
