//! Multi-object tracking: from the detections of each frame to identities over time.
//!
//! [`Tracker::step`] associates a frame's detections with the tracks in two stages, in the manner of
//! ByteTrack (Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV
//! 2022): confident detections first, with all tracks; then the doubtful ones, which alone would start no
//! track, with the tracks that were seen last time and found no confident partner. Assignments are optimal,
//! and boxes move by a Kalman filter in real time, so the frame rate does not matter.
//!
//! A track's life: a detection that is confident enough begins one, *tentative* until it was matched again
//! (see [`Parameters::probation`]); those of a run's first frame are believed at once. *Confirmed* tracks
//! that are not matched are *coasted*, then *lost*, and end after [`Parameters::max_lost`]. Time without a
//! detector's look at the frame counts, but only such a look can end a track.
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
