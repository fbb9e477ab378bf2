//! What `nvpinference` counts and times.

use super::task::Report;
use crate::schedule::Skip;
use crate::stats::Histogram;

/// Counts since the element left READY, and times of the frames that were inferred.
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub(super) frames_in: u64,
    pub(super) inferred: u64,
    pub(super) detections: u64,
    pub(super) failed: u64,
    /// Frames that were inferred for idle-timeout.
    pub(super) idle: u64,
    pub(super) nonfinite: u64,
    pub(super) degenerate: u64,
    pub(super) over_limit: u64,
    pub(super) repacked: u64,
    /// Waiting when downstream took nothing more.
    pub(super) refused: u64,
    pub(super) flushed: u64,
    /// Results that no frame carries, because a newer one came first.
    pub(super) superseded: u64,
    /// Regions that were looked at, that an earlier look served, and that had to wait.
    regions: [u64; 3],
    skipped: [u64; Skip::ALL.len()],
    preprocess: Histogram,
    run: Histogram,
    decode: Histogram,
    /// Times that buffers were held until all of their frames were looked at.
    held: Histogram,
    age: Histogram,
}

impl Stats {
    pub(super) fn skip(&mut self, why: Skip) {
        let place = Skip::ALL.iter().position(|known| *known == why);
        if let Some(place) = place {
            self.skipped[place] += 1;
        }
    }

    pub(super) fn infer(&mut self, report: &Report) {
        let times = &report.times;
        self.inferred += 1;
        self.detections += report.detections.items.len() as u64;
        self.nonfinite += report.left_out.non_finite as u64;
        self.degenerate += report.left_out.degenerate as u64;
        self.over_limit += report.left_out.over_limit as u64;
        for (count, more) in self.regions.iter_mut().zip(report.regions) {
            *count += more as u64;
        }
        self.preprocess.record(times.preprocess);
        self.run.record(times.run);
        self.decode.record(times.decode);
    }

    /// Counts frames that could not enter the line.
    pub(super) fn turn_away(&mut self, why: gst::FlowError, frames: u64) {
        match why {
            gst::FlowError::Flushing => self.flushed += frames,
            _ => self.refused += frames,
        }
    }

    /// Counts a buffer that entered the line and had its results at these times.
    pub(super) fn hold(&mut self, entered: u64, end: u64) {
        self.held.record(end.saturating_sub(entered));
    }

    /// Counts the age of a result that came with a later frame, in nanoseconds.
    pub(super) fn aged(&mut self, age: u64) {
        self.age.record(age);
    }

    /// The time within which 95 of 100 buffers have their results, in nanoseconds.
    pub(super) fn usual_hold(&self) -> u64 {
        self.held.quantile(0.95)
    }

    /// The read-only property `stats`.
    pub(super) fn to_structure(&self, level: u64) -> gst::Structure {
        let mut structure = gst::Structure::builder("application/x-nvp-inference-stats")
            .field("frames-in", self.frames_in)
            .field("inferred", self.inferred)
            .field("failed", self.failed)
            .field("idle", self.idle)
            .field("detections", self.detections)
            .field("candidates-nonfinite", self.nonfinite)
            .field("candidates-degenerate", self.degenerate)
            .field("candidates-over-limit", self.over_limit)
            .field("regions-inferred", self.regions[0])
            .field("regions-cached", self.regions[1])
            .field("regions-waiting", self.regions[2])
            .field("repacked", self.repacked)
            .field("dropped-downstream", self.refused)
            .field("dropped-flush", self.flushed)
            .field("superseded", self.superseded)
            .field("in-flight", level)
            .build();
        // A frame that goes on before its result may be inferred yet: it is counted by what becomes of it.
        let counted = Skip::ALL.iter().zip(self.skipped).filter(|(reason, _)| **reason != Skip::Async);
        for (reason, count) in counted {
            structure.set(format!("skipped-{}", reason.as_str()), count);
        }
        let times = [
            ("preprocess", &self.preprocess),
            ("run", &self.run),
            ("decode", &self.decode),
            ("age", &self.age),
        ];
        for (name, histogram) in times {
            for (suffix, quantile) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
                structure.set(format!("{name}-{suffix}"), histogram.quantile(quantile));
            }
        }
        structure
    }
}
