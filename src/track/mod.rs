//! Multi-object tracking: from the detections of each frame to identities over time.
//!
//! [`Tracker::step`] is one frame. What it does, in order, and whose idea it is:
//!
//! 1. **Predict.** Boxes move by a Kalman filter in real time, in units of the object's own size, so neither the
//!    frame rate nor left-out frames nor the resolution need tuning. Velocities fade (an Ornstein-Uhlenbeck process;
//!    Singer, "Estimating Optimal Tracking Filter Performance for Manned Maneuvering Targets", 1970).
//! 2. **Follow the camera**, by the view's homography where it is known (BoT-SORT; Aharon et al., arXiv 2206.14651),
//!    otherwise by what the tracks have in common: the median of what all of them are off by, where it stands out
//!    from their spread. That needs no pixels and finds most of what image registration finds.
//! 3. **Associate** confident detections with all tracks, then doubtful ones with the tracks seen last time, then
//!    what is left of the confident ones with tentative tracks (ByteTrack; Zhang et al., ECCV 2022). Assignments
//!    are optimal. A pair is worth its IoU, times its overlap in height alone and less for an unexpected size
//!    (height-modulated IoU; Yang et al., "Hybrid-SORT", AAAI 2024), times the detection's confidence, a little less
//!    the longer the track was not seen, and more for going on in the direction of the last second (OC-SORT; Cao et
//!    al., CVPR 2023) and for looking alike, where a re-identification model has looked.
//! 4. **Recognise** lost tracks by their looks where they can have got to, or anywhere once the view has jumped: an
//!    average that confident detections move most, and a gallery (Deep OC-SORT; Maggiolino et al., ICIP 2023;
//!    DeepSORT; Wojke et al., ICIP 2017). Cosines are read against what is usual in the stream, so no threshold
//!    depends on the model.
//! 5. **Begin and end.** A new track is believed when the confidences it was seen with add up to
//!    [`Parameters::evidence`]: two sights of a sure detector, three of an unsure one. Those of a run's first frame
//!    are believed at once. A track on which another lies has ended, and so has one unseen for
//!    [`Parameters::max_lost`].
//!
//! A track is *tentative* until it is believed, then *confirmed*. One that is not seen on a frame is *coasted* while it
//! is likely to be there unseen: it is within the picture, was seen lately, on most looks and with no less confidence
//! than is usual. Detectors miss objects that are in plain sight more often than objects vanish, so telling those
//! places finds more than it invents. After that it is *lost*. A frame that no detector looked at is no miss: tracks
//! coast through it.
//!
//! Beside where a track is, a tracker tells how it moves ([`TrackMotion`]), which way it went
//! ([`Tracker::trajectory`]), that it ended and why ([`Tracker::ended`]), and what its earlier frames were once
//! that is known ([`Tracker::past`]). How long an object has been there is [`Track::age`].

mod appearance;
mod export;
mod history;
#[cfg(test)]
mod history_tests;
mod kalman;
mod matching;
mod parameters;
mod rules;
mod shared_motion;
#[cfg(test)]
mod tests;
mod tracked;
mod tracker;
mod trajectory;
#[cfg(test)]
mod trajectory_tests;
mod votes;

pub use export::{
    Closed, Continuity, EndReason, Ended, Opened, Past, PastKind, TrackMotion, TrackPoint, TrackSegment,
};
pub use kalman::Motion;
pub use parameters::{Algorithm, OnEpoch, Parameters};
pub use tracker::Tracker;
pub use trajectory::{Point, Retention, Segment, Trajectory};

use crate::detection::{Detection, Labels};
use crate::geometry::BBox;

/// Where a track stands in its life.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TrackState {
    /// Seen too briefly to be believed.
    #[default]
    Tentative = 0,
    /// Believed, and matched with a detection on this frame.
    Confirmed = 1,
    /// Believed, not matched on this frame: the box is a prediction.
    Coasted = 2,
    /// Not seen for too long to be shown; it may still be found again.
    Lost = 3,
}

impl TrackState {
    /// All of them, by number.
    pub const ALL: [Self; 4] = [Self::Tentative, Self::Confirmed, Self::Coasted, Self::Lost];

    /// True for a track that is believed to be there on the frame, seen or not.
    pub const fn is_there(self) -> bool {
        matches!(self, Self::Confirmed | Self::Coasted)
    }

    /// The name used in JSON and in pictures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tentative => "tentative",
            Self::Confirmed => "confirmed",
            Self::Coasted => "coasted",
            Self::Lost => "lost",
        }
    }
}

/// One tracked object on one frame.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Track {
    /// Identity: from 1, below 2^53, never used twice in a run.
    pub id: u64,
    /// Nanoseconds of stream time since the track's first detection.
    pub age: u64,
    /// Nanoseconds of stream time since its last matched detection; 0 when matched on this frame.
    pub since_match: u64,
    /// Where it is, in units of the frame: the filtered box, or the predicted one while coasted.
    pub bbox: BBox,
    /// How the box's centre moves, in units of the frame a second.
    pub velocity: [f32; 2],
    /// Confidence of the last matched detection, in \[0, 1\].
    pub confidence: f32,
    /// The class in its model's numbering.
    pub class_id: i32,
    /// Index of the class's name in [`Tracks::labels`], -1 when it has none.
    pub label: i32,
    /// Where the track stands.
    pub state: TrackState,
    /// Whether it is the direct continuation of what it was on the frame before.
    pub continuity: Continuity,
    /// How it has moved.
    pub motion: TrackMotion,
}

/// All tracks of one frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tracks {
    /// The run's id (a UUID): ids are unique within it.
    pub run: std::sync::Arc<str>,
    /// The names that [`Track::label`] refers to.
    pub labels: Labels,
    /// The tracks by rising id.
    pub items: Vec<Track>,
    /// The tracks that ended on this frame; `None` when the tracker does not tell.
    pub ended: Option<Vec<Ended>>,
    /// Where tracks were on earlier frames, as it turns out on this one; `None` when the tracker does not tell.
    pub past: Option<Vec<Past>>,
    /// The trajectories that the tracker tells, of tracks in `items` or `ended`: by track, the older segments first.
    pub segments: Vec<TrackSegment>,
    /// The points that [`TrackSegment::first`] refers to, by segment, the older first.
    pub points: Vec<TrackPoint>,
}

/// One detection as the tracker sees it.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// The detection.
    pub detection: Detection,
    /// Index of the class's name in the tracker's own label table, -1 when it has none. Observations of
    /// different labels or classes never join one track.
    pub label: i32,
    /// Nanoseconds from the frame on which it was seen to this one: more than 0 when the detector works beside the
    /// stream.
    pub age: u64,
    /// Appearance, L2-normalised, when a re-identification model looked at the object.
    pub embedding: Option<&'a [f32]>,
    /// Who found it. What several detectors find in one place is one object, as seen by the most confident.
    pub detector: u32,
}

/// What the tracker gets for one frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input<'a> {
    /// Running time of the frame in nanoseconds.
    pub time: u64,
    /// Width over height of the picture as displayed: normalised boxes are stretched by it.
    pub aspect: f32,
    /// The frame's detections, or `None` when no detector looked at this frame: then tracks are only predicted.
    pub observations: Option<&'a [Observation<'a>]>,
    /// Row-major homography from this frame's normalised points to the previous frame's, when the camera moved.
    pub to_previous: Option<[f32; 9]>,
    /// The same to those of the epoch's reference frame, when known.
    pub to_reference: Option<[f32; 9]>,
    /// The view's epoch: it rises when the view jumps. `None` when nobody counts them: then it stays.
    pub epoch: Option<u64>,
    /// The camera moves, or may move, and nobody knows how: without `to_previous` no trajectory leads from the
    /// previous frame to this one.
    pub moved_unknown: bool,
}

const NANOSECONDS: f32 = 1e9;

fn seconds(nanoseconds: u64) -> f32 {
    nanoseconds as f32 / NANOSECONDS
}

fn nanoseconds(seconds: f32) -> u64 {
    (f64::from(seconds) * f64::from(NANOSECONDS)) as u64
}
