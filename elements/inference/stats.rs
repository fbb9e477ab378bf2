//! What `nvpinference` counts and times.

use super::engine::Times;
use crate::stats::Histogram;

/// Counts since the element left READY, and times of the frames that were inferred.
#[derive(Default)]
pub(super) struct Stats {
    pub(super) frames_in: u64,
    pub(super) inferred: u64,
    pub(super) detections: u64,
    pub(super) nonfinite: u64,
    pub(super) degenerate: u64,
    pub(super) over_limit: u64,
    pub(super) repacked: u64,
    /// Waiting when downstream took nothing more.
    pub(super) refused: u64,
    pub(super) flushed: u64,
    skipped: Vec<(&'static str, u64)>,
    preprocess: Histogram,
    run: Histogram,
    decode: Histogram,
    total: Histogram,
}

impl Stats {
    pub(super) fn skip(&mut self, reason: &'static str) {
        match self.skipped.iter_mut().find(|(r, _)| *r == reason) {
            Some((_, count)) => *count += 1,
            None => self.skipped.push((reason, 1)),
        }
    }

    pub(super) fn infer(&mut self, times: &Times, detections: usize) {
        self.inferred += 1;
        self.detections += detections as u64;
        self.preprocess.record(times.preprocess);
        self.run.record(times.run);
        self.decode.record(times.decode);
        self.total.record(times.preprocess + times.run + times.decode);
    }

    /// The time within which 95 of 100 frames are inferred, in nanoseconds.
    pub(super) fn usual_time(&self) -> u64 {
        self.total.quantile(0.95)
    }

    /// The read-only property `stats`.
    pub(super) fn to_structure(&self, level: usize) -> gst::Structure {
        let mut structure = gst::Structure::builder("application/x-nvp-inference-stats")
            .field("frames-in", self.frames_in)
            .field("inferred", self.inferred)
            .field("detections", self.detections)
            .field("candidates-nonfinite", self.nonfinite)
            .field("candidates-degenerate", self.degenerate)
            .field("candidates-over-limit", self.over_limit)
            .field("repacked", self.repacked)
            .field("dropped-downstream", self.refused)
            .field("dropped-flush", self.flushed)
            .field("in-flight", level as u64)
            .build();
        for reason in ["interval", "gap"] {
            let count = self.skipped.iter().find(|(r, _)| *r == reason).map_or(0, |(_, n)| *n);
            structure.set(format!("skipped-{reason}"), count);
        }
        let times = [("preprocess", &self.preprocess), ("run", &self.run), ("decode", &self.decode)];
        for (name, histogram) in times {
            for (suffix, quantile) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
                structure.set(format!("{name}-{suffix}"), histogram.quantile(quantile));
            }
        }
        structure
    }
}
