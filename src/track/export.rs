//! What a tracker tells of a track beyond where it is: how it moves, that it ended, what its earlier frames were.

use super::Track;
use crate::geometry::BBox;

/// Whether a track is the direct continuation of what it was on the frame before.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Continuity {
    /// It goes on.
    #[default]
    Continued = 0,
    /// It was found again, in another place or another view than where it was expected.
    Reassociated = 1,
    /// The view changed so that nobody can say whether the object is one that was tracked before.
    BrokenByView = 2,
}

impl Continuity {
    /// All of them, by number.
    pub const ALL: [Self; 3] = [Self::Continued, Self::Reassociated, Self::BrokenByView];

    /// The name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Continued => "continued",
            Self::Reassociated => "reassociated",
            Self::BrokenByView => "broken-by-view",
        }
    }
}

/// How a track has moved since its current [`TrackSegment`] began. A number that is not known is NaN.
///
/// The foot point is what moves: the middle of the box's lower edge. Lengths count x in widths and y in heights of
/// the frame, so that a way of \[0.3, 0.4\] is 0.5 long, and are free of the camera's own motion as far as the view
/// tells it. All is 0 while the object has not left the place where it began, whatever its box does there.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TrackMotion {
    /// 1 when it has kept its place for two seconds, else 0; see [`Self::is_stationary`].
    pub stationary: u32,
    /// Length of the way it went.
    pub path: f32,
    /// From where the segment began to where it is, in this frame's view: x, y.
    pub displacement: [f32; 2],
    /// Length of the way over the time since the segment began, a second.
    pub mean_speed: f32,
    /// The highest speed of the object while it moved, as the mean over about half a second, a second.
    pub max_speed: f32,
    /// Where it is heading: degrees clockwise from the right in the displayed picture, at least 0, below 360; 90 is
    /// down. NaN while it keeps its place.
    pub direction: f32,
    /// Where it stands on the ground, in metres: x, y.
    pub ground: [f32; 2],
    /// As [`displacement`](Self::displacement), in metres.
    pub ground_displacement: [f32; 2],
    /// As [`path`](Self::path), in metres.
    pub ground_path: f32,
    /// Its speed over about the last half a second, in metres a second; 0 while it keeps its place.
    pub ground_speed: f32,
    /// As [`mean_speed`](Self::mean_speed), in metres a second.
    pub ground_mean_speed: f32,
    /// As [`max_speed`](Self::max_speed), in metres a second.
    pub ground_max_speed: f32,
}

impl TrackMotion {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        stationary: 0,
        path: f32::NAN,
        displacement: [f32::NAN; 2],
        mean_speed: f32::NAN,
        max_speed: f32::NAN,
        direction: f32::NAN,
        ground: [f32::NAN; 2],
        ground_displacement: [f32::NAN; 2],
        ground_path: f32::NAN,
        ground_speed: f32::NAN,
        ground_mean_speed: f32::NAN,
        ground_max_speed: f32::NAN,
    };

    /// True when it has kept its place for two seconds.
    pub const fn is_stationary(&self) -> bool {
        self.stationary != 0
    }

    /// True when anything is known of how it moves.
    pub const fn is_known(&self) -> bool {
        !self.path.is_nan()
    }

    /// True when it is known where it stands on the ground.
    pub const fn is_on_ground(&self) -> bool {
        !self.ground[0].is_nan()
    }

    fn numbers(&self) -> [f32; 14] {
        let [dx, dy] = self.displacement;
        let ([x, y], [gx, gy]) = (self.ground, self.ground_displacement);
        let picture = [self.path, dx, dy, self.mean_speed, self.max_speed, self.direction];
        let ground = [self.ground_path, self.ground_speed, self.ground_mean_speed, self.ground_max_speed];
        let mut all = [0.0; 14];
        all[..6].copy_from_slice(&picture);
        all[6..10].copy_from_slice(&ground);
        all[10..].copy_from_slice(&[x, y, gx, gy]);
        all
    }
}

impl Default for TrackMotion {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

/// Equal when the same is known.
impl PartialEq for TrackMotion {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (f32, f32)| a == b || a.is_nan() && b.is_nan();
        self.stationary == other.stationary && self.numbers().into_iter().zip(other.numbers()).all(same)
    }
}

/// Why a track ended.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// It was not seen for too long.
    #[default]
    Lost = 0,
    /// Another track follows the same object.
    Duplicate = 1,
    /// There were too many tracks.
    Evicted = 2,
    /// The view changed so that it could not be followed.
    BrokenByView = 3,
    /// The stream began anew: a flush, or a jump back in time.
    Restart = 4,
}

impl EndReason {
    /// All of them, by number.
    pub const ALL: [Self; 5] =
        [Self::Lost, Self::Duplicate, Self::Evicted, Self::BrokenByView, Self::Restart];

    /// The name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Duplicate => "duplicate",
            Self::Evicted => "evicted",
            Self::BrokenByView => "broken-by-view",
            Self::Restart => "restart",
        }
    }
}

/// A track that ended on this frame. Tentative ones, which were never believed, end without a word.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ended {
    /// The track as it was last; [`Track::since_match`] says when it was seen.
    pub track: Track,
    /// Why it ended.
    pub reason: EndReason,
    /// Always 0.
    pub reserved: u32,
}

/// What a [`Past`] row is.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PastKind {
    /// The track was tentative then and is believed now: its filtered box.
    #[default]
    Tentative = 0,
    /// The track was not seen then and has been found again: a place on the straight line between the boxes of
    /// before and after, freed of the camera's motion.
    Interpolated = 1,
}

impl PastKind {
    /// All of them, by number.
    pub const ALL: [Self; 2] = [Self::Tentative, Self::Interpolated];

    /// The name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tentative => "tentative",
            Self::Interpolated => "interpolated",
        }
    }
}

/// Where a track was on an earlier frame, as it turns out on this one.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Past {
    /// The track's id.
    pub id: u64,
    /// Nanoseconds from the earlier frame to this one.
    pub before: u64,
    /// Where it was, in units of the earlier frame.
    pub bbox: BBox,
    /// Confidence of the detection that was matched then; of an interpolated row the lower of those around it.
    pub confidence: f32,
    /// What the row is.
    pub kind: PastKind,
}

/// Why a segment of a trajectory was opened.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Opened {
    /// The track began.
    #[default]
    Born = 0,
    /// The view is of another epoch than before.
    Epoch = 1,
    /// The view moved, and nobody knows how.
    View = 2,
    /// The track was found again in another view ([`Continuity::Reassociated`]).
    Reassociated = 3,
}

impl Opened {
    /// All of them, by number.
    pub const ALL: [Self; 4] = [Self::Born, Self::Epoch, Self::View, Self::Reassociated];

    /// The name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Born => "born",
            Self::Epoch => "epoch",
            Self::View => "view",
            Self::Reassociated => "reassociated",
        }
    }
}

/// Why a segment of a trajectory was closed.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Closed {
    /// It is open.
    #[default]
    Open = 0,
    /// Another epoch of the view began.
    Epoch = 1,
    /// The view moved, and nobody knows how.
    View = 2,
    /// The track ended.
    Ended = 3,
}

impl Closed {
    /// All of them, by number.
    pub const ALL: [Self; 4] = [Self::Open, Self::Epoch, Self::View, Self::Ended];

    /// The name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Epoch => "epoch",
            Self::View => "view",
            Self::Ended => "ended",
        }
    }
}

/// A part of a trajectory that lies in one view.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackSegment {
    /// The track's id.
    pub track: u64,
    /// The view's epoch; 0 when nobody counts them.
    pub epoch: u64,
    /// Nanoseconds from its first point to this frame.
    pub since: u64,
    /// Nanoseconds from its last point to this frame.
    pub until: u64,
    /// Why it was opened.
    pub opened: Opened,
    /// Why it was closed.
    pub closed: Closed,
    /// How many times the camera's motion was taken out.
    pub compensations: u32,
    /// How many of [`Tracks::points`](super::Tracks::points) are this segment's.
    pub count: u32,
    /// The first of them.
    pub first: u64,
    /// Row-major homography from its first frame's normalised points to those of this frame, or of the last frame
    /// before it was closed.
    pub transform: [f64; 9],
    /// How the object moved in it.
    pub motion: TrackMotion,
    /// Always 0.
    pub reserved: u32,
}

/// A point of a trajectory: where the foot point was.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrackPoint {
    /// Nanoseconds from its frame to this one.
    pub before: u64,
    /// In units of the first frame of its segment.
    pub x: f32,
    /// In units of the first frame of its segment.
    pub y: f32,
}
