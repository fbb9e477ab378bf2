//! How good detections and tracks are, measured against the truth.

mod detections;
mod tracks;

pub use detections::DetectionScorer;
pub use tracks::{Scorer, Scores};

/// The least IoU of a match.
const LEAST_IOU: f32 = 0.5;
