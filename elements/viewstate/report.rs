//! What is told of the views: counts for `stats`, and what changed for the bus.

use super::EPOCH;
use crate::stats::Histogram;
use crate::view::{Decision, Motion, News, View};

/// Counts of one run.
#[derive(Clone, Default)]
pub(super) struct Counts {
    pub(super) frames: u64,
    stable: u64,
    moving: u64,
    unknown: u64,
    continued: u64,
    compensated: u64,
    degraded: u64,
    /// Frames that could not be mapped.
    unread: u64,
    epochs: u64,
    step: Histogram,
}

impl Counts {
    /// Counts a frame that took `step` nanoseconds.
    pub(super) fn count(&mut self, view: &View, unread: bool, step: u64) {
        self.frames += 1;
        self.epochs = view.epoch;
        self.unread += u64::from(unread);
        self.step.record(step);
        *match view.motion {
            Motion::Stable => &mut self.stable,
            Motion::Moving => &mut self.moving,
            Motion::Unknown => &mut self.unknown,
        } += 1;
        match view.decision {
            Decision::Continue => self.continued += 1,
            Decision::Compensate => self.compensated += 1,
            Decision::Degrade => self.degraded += 1,
            Decision::Segment => {}
        }
    }

    /// What the property `stats` says, with the numbers of poses taken and refused.
    pub(super) fn stats(&self, (taken, refused): (u64, u64)) -> gst::Structure {
        gst::Structure::builder("application/x-nvp-viewstate-stats")
            .field("frames", self.frames)
            .field("stable", self.stable)
            .field("moving", self.moving)
            .field("unknown", self.unknown)
            .field("continued", self.continued)
            .field("compensated", self.compensated)
            .field("degraded", self.degraded)
            .field("unread", self.unread)
            .field("epochs", self.epochs)
            .field("telemetry-taken", taken)
            .field("telemetry-refused", refused)
            .field("step-p50", self.step.quantile(0.50))
            .field("step-p95", self.step.quantile(0.95))
            .field("step-p99", self.step.quantile(0.99))
            .build()
    }
}

/// What is said of a change on the bus.
pub(super) fn structure(news: &News, view: &View, time: u64) -> gst::Structure {
    let said =
        |name: &str| gst::Structure::builder(name).field("epoch", view.epoch).field("running-time", time);
    match news {
        News::Epoch(cause) => {
            let said = said(EPOCH).field("reason", cause.name());
            said.field_if_some("preset", view.preset.as_deref()).build()
        }
        News::Preset(preset) => said("nvp-view-preset").field("preset", &**preset).build(),
        News::Recovered => said("nvp-view-recovered").build(),
        News::Degraded { invalid, reason } => {
            let validity = if *invalid { "invalid" } else { "degraded" };
            said("nvp-view-degraded").field("reason", &**reason).field("validity", validity).build()
        }
    }
}
