use super::{Motion, Retention};

/// Whose rules a tracker follows. All but [`Auto`](Self::Auto) are there to compare with: they are what those
/// trackers decide by, on the same filter, in real time and without their own ways to report a track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Everything that [the module's page](super) describes.
    #[default]
    Auto,
    /// SORT (Bewley et al., ICIP 2016): confident detections by IoU, three matches to be believed, and no patience.
    Sort,
    /// ByteTrack (Zhang et al., ECCV 2022): doubtful detections in a second stage.
    ByteTrack,
    /// OC-SORT (Cao et al., CVPR 2023): the direction of motion counts, and gaps are walked again once they end.
    OcSort,
    /// BoT-SORT (Aharon et al., arXiv 2206.14651): ByteTrack that follows the camera and looks at appearance.
    BotSort,
}

/// How a [`Tracker`](super::Tracker) decides. Where it says so, classes may differ: see
/// [`Tracker::set_classes`](super::Tracker::set_classes). Values outside their range are taken as the nearest inside it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// Detections at least this confident are associated first, with every track, in \[0, 1\].
    pub high_confidence: f32,
    /// Less confident detections are not looked at, in \[0, 1\].
    pub low_confidence: f32,
    /// The least confidence of a detection that begins a track, in \[0, 1\].
    pub new_confidence: f32,
    /// The least similarity of a track and a confident detection, in \[0, 1\]: their IoU, less what else speaks
    /// against the pair; with [`fuse_score`](Self::fuse_score) times the confidence.
    pub iou: f32,
    /// The least similarity of a track and a doubtful detection, in \[0, 1\]; above 1 there is no second stage.
    pub low_iou: f32,
    /// The same as [`iou`](Self::iou) for tentative tracks, in \[0, 1\].
    pub tentative_iou: f32,
    /// Prefer confident detections to well placed ones: the similarity counts times the confidence.
    pub fuse_score: bool,
    /// How much the overlap in height alone counts beside the IoU, as an exponent, 0 to 4.
    pub height: f32,
    /// How much a change of size that the filter did not expect counts, in nats for each squared standard
    /// deviation, 0 to 1.
    pub size: f32,
    /// How much the direction of motion counts, in units of IoU, 0 to 1.
    pub momentum: f32,
    /// How fast a track that is not seen loses against one that is, in nats a second, 0 to 10.
    pub staleness: f32,
    /// How much appearance counts where observations have embeddings, in units of IoU, 0 to 1.
    pub appearance: f32,
    /// Take the camera's motion from the view where it is known.
    pub follow_view: bool,
    /// Take it from what all tracks have in common where the view does not tell it.
    pub shared_motion: bool,
    /// Once a gap ends, walk it again in a straight line.
    pub walk_gaps: bool,
    /// Let a detection of another class prolong a track that it overlaps well; the track's class is decided by
    /// vote. Otherwise only detections of its own class do.
    pub class_voting: bool,
    /// The sum of the confidences that a new track has to be seen with before it is believed, 0 to 100.
    pub evidence: f32,
    /// How long a new track has to be seen before it is believed, in seconds, 0 to 60; at 0 the second match
    /// is enough.
    pub probation: f32,
    /// How long a track that is not yet believed may go unseen, in seconds, 0 to 60; at 0 the first miss ends it.
    pub patience: f32,
    /// How long a track that is not matched is still taken to be there and reported at its predicted place, in
    /// seconds, 0 to 60. One that was seen on fewer than ten frames gets less of it.
    pub coast: f32,
    /// The share of looks at which a track must have been seen so that it may coast, in \[0, 1\].
    pub reliability: f32,
    /// How long a track that is not matched can be found again, in seconds, 0 to 600.
    pub max_lost: f32,
    /// The most tracks at a time, 1 to 100,000. A detection beyond that takes the place of the track that has been
    /// lost for longest; where none is lost, it begins no track.
    pub max_tracks: u32,
    /// What becomes of tracks when the view's epoch changes.
    pub on_epoch: OnEpoch,
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

/// What becomes of tracks when the view jumps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnEpoch {
    /// They go on as if nothing had happened.
    Keep,
    /// Where the way from the view before is known they go on along it. Otherwise their places are forgotten, and only
    /// appearance can find them again, for as long as lost tracks are kept.
    #[default]
    Reassociate,
    /// They end.
    End,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            high_confidence: 0.55,
            low_confidence: 0.1,
            new_confidence: 0.6,
            iou: 0.12,
            low_iou: 0.5,
            tentative_iou: 0.4,
            fuse_score: true,
            height: 1.0,
            size: 0.04,
            momentum: 0.2,
            staleness: 0.1,
            appearance: 0.3,
            follow_view: true,
            shared_motion: true,
            walk_gaps: false,
            class_voting: true,
            evidence: 1.8,
            probation: 0.0,
            patience: 0.0,
            coast: 0.2,
            reliability: 0.6,
            max_lost: 2.0,
            max_tracks: 1000,
            on_epoch: OnEpoch::default(),
            report_lost: false,
            report_past: false,
            retention: Retention::default(),
            ground: None,
            motion: Motion::default(),
        }
    }
}

impl Parameters {
    /// The rules of an algorithm.
    pub fn of(algorithm: Algorithm) -> Self {
        let auto = Self::default();
        let byte = Self {
            high_confidence: 0.6,
            new_confidence: 0.7,
            iou: 0.2,
            tentative_iou: 0.3,
            height: 0.0,
            size: 0.0,
            momentum: 0.0,
            staleness: 0.0,
            appearance: 0.0,
            follow_view: false,
            shared_motion: false,
            class_voting: false,
            evidence: 0.0,
            coast: 0.0,
            max_lost: 1.0,
            ..auto
        };
        let one_stage = Self { low_iou: 2.0, fuse_score: false, iou: 0.3, evidence: 1.8, ..byte };
        match algorithm {
            Algorithm::Auto => auto,
            Algorithm::Sort => Self { max_lost: 0.07, new_confidence: 0.6, ..one_stage },
            Algorithm::ByteTrack => byte,
            Algorithm::OcSort => Self { new_confidence: 0.6, momentum: 0.2, walk_gaps: true, ..one_stage },
            Algorithm::BotSort => Self { appearance: 0.3, follow_view: true, ..byte },
        }
    }

    /// The values within their documented ranges; what is not a number becomes the default.
    pub(super) fn clamped(self) -> Self {
        let d = Self::default();
        let within =
            |v: f32, otherwise: f32, max: f32| if v.is_nan() { otherwise } else { v.clamp(0.0, max) };
        Self {
            high_confidence: within(self.high_confidence, d.high_confidence, 1.0),
            low_confidence: within(self.low_confidence, d.low_confidence, 1.0),
            new_confidence: within(self.new_confidence, d.new_confidence, 1.0),
            iou: within(self.iou, d.iou, 1.0),
            low_iou: within(self.low_iou, d.low_iou, 2.0),
            tentative_iou: within(self.tentative_iou, d.tentative_iou, 1.0),
            height: within(self.height, d.height, 4.0),
            size: within(self.size, d.size, 1.0),
            momentum: within(self.momentum, d.momentum, 1.0),
            staleness: within(self.staleness, d.staleness, 10.0),
            appearance: within(self.appearance, d.appearance, 1.0),
            evidence: within(self.evidence, d.evidence, 100.0),
            probation: within(self.probation, d.probation, 60.0),
            patience: within(self.patience, d.patience, 60.0),
            coast: within(self.coast, d.coast, 60.0),
            reliability: within(self.reliability, d.reliability, 1.0),
            max_lost: within(self.max_lost, d.max_lost, 600.0),
            max_tracks: self.max_tracks.clamp(1, 100_000),
            retention: self.retention.clamped(),
            motion: self.motion.clamped(),
            ..self
        }
    }
}
