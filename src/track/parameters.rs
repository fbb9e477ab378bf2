use super::{Motion, Retention};

/// How a [`Tracker`](super::Tracker) decides. Values outside their range are taken as the nearest inside it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// Detections at least this confident are associated first, with every track, in \[0, 1\].
    pub high_confidence: f32,
    /// Less confident detections are not looked at, in \[0, 1\].
    pub low_confidence: f32,
    /// The least confidence of a detection that begins a track, in \[0, 1\].
    pub new_confidence: f32,
    /// The least IoU of a track and a confident detection, in \[0, 1\]; with [`fuse_score`](Self::fuse_score)
    /// of the IoU times the confidence.
    pub iou: f32,
    /// The least IoU of a track and a doubtful detection, in \[0, 1\].
    pub low_iou: f32,
    /// The same as [`iou`](Self::iou) for tentative tracks, in \[0, 1\].
    pub tentative_iou: f32,
    /// Prefer confident detections to well placed ones: the IoU counts times the confidence.
    pub fuse_score: bool,
    /// How long a new track has to be seen before it is believed, in seconds, 0 to 60; at 0 the second match
    /// is enough.
    pub probation: f32,
    /// How long a track that is not matched is still shown at its predicted place, in seconds, 0 to 60.
    pub coast: f32,
    /// How long a track that is not matched can be found again, in seconds, 0 to 600.
    pub max_lost: f32,
    /// Report lost tracks too.
    pub report_lost: bool,
    /// Tell where tracks were on earlier frames when that becomes known.
    pub report_past: bool,
    /// How much of the way of a track is kept.
    pub retention: Retention,
    /// Row-major homography from normalised points of the camera's reference view to metres on the ground. It holds
    /// for the epoch in which it is given, and there for as long as the moves of the camera are known.
    pub ground: Option<[f64; 9]>,
    /// How objects move.
    pub motion: Motion,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            high_confidence: 0.6,
            low_confidence: 0.2,
            new_confidence: 0.7,
            iou: 0.12,
            low_iou: 0.5,
            tentative_iou: 0.3,
            fuse_score: true,
            probation: 0.0,
            coast: 0.5,
            max_lost: 1.0,
            report_lost: false,
            report_past: false,
            retention: Retention::default(),
            ground: None,
            motion: Motion::default(),
        }
    }
}

impl Parameters {
    /// The values within their documented ranges; what is not a number becomes the default.
    pub(super) fn clamped(self) -> Self {
        let default = Self::default();
        let within =
            |v: f32, otherwise: f32, max: f32| if v.is_nan() { otherwise } else { v.clamp(0.0, max) };
        Self {
            high_confidence: within(self.high_confidence, default.high_confidence, 1.0),
            low_confidence: within(self.low_confidence, default.low_confidence, 1.0),
            new_confidence: within(self.new_confidence, default.new_confidence, 1.0),
            iou: within(self.iou, default.iou, 1.0),
            low_iou: within(self.low_iou, default.low_iou, 1.0),
            tentative_iou: within(self.tentative_iou, default.tentative_iou, 1.0),
            probation: within(self.probation, default.probation, 60.0),
            coast: within(self.coast, default.coast, 60.0),
            max_lost: within(self.max_lost, default.max_lost, 600.0),
            retention: self.retention.clamped(),
            motion: self.motion.clamped(),
            ..self
        }
    }
}
