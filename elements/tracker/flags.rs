//! The values of properties.

// The macro leaves the comments out of what it makes.
#![allow(missing_docs)]

use gst::glib;

use crate::track;

/// What the tracker tells beside the tracks that are there.
#[glib::flags(name = "NvpTrackerExport")]
pub enum Export {
    /// Tracks in state lost.
    #[flags_value(name = "Tracks in state lost", nick = "lost")]
    LOST = 1,
    /// Rows of earlier frames.
    #[flags_value(name = "Rows of earlier frames that become known", nick = "past")]
    PAST = 2,
    /// Tracks that ended.
    #[flags_value(name = "Tracks that ended, and why", nick = "ended")]
    ENDED = 4,
    /// Their trajectories.
    #[flags_value(name = "Trajectories of tracks that ended", nick = "trajectories")]
    TRAJECTORIES = 8,
    /// Trajectories of the tracks on the frame.
    #[flags_value(name = "Trajectories of the tracks on the frame", nick = "live-trajectories")]
    LIVE_TRAJECTORIES = 16,
}

impl Default for Export {
    fn default() -> Self {
        Self::ENDED
    }
}

/// Whose rules the tracker follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpTrackerAlgorithm")]
pub enum Algorithm {
    /// Its own.
    #[default]
    #[enum_value(name = "Its own: the best of these and more, see the documentation", nick = "auto")]
    Auto,
    /// To compare with.
    #[enum_value(name = "As SORT (Bewley et al., 2016), to compare with", nick = "sort")]
    Sort,
    /// To compare with.
    #[enum_value(name = "As ByteTrack (Zhang et al., 2022), to compare with", nick = "bytetrack")]
    ByteTrack,
    /// To compare with.
    #[enum_value(name = "As OC-SORT (Cao et al., 2023), to compare with", nick = "ocsort")]
    OcSort,
    /// To compare with.
    #[enum_value(name = "As BoT-SORT (Aharon et al., 2022), to compare with", nick = "botsort")]
    BotSort,
}

impl From<Algorithm> for track::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Auto => Self::Auto,
            Algorithm::Sort => Self::Sort,
            Algorithm::ByteTrack => Self::ByteTrack,
            Algorithm::OcSort => Self::OcSort,
            Algorithm::BotSort => Self::BotSort,
        }
    }
}

/// What becomes of tracks when the view jumps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpTrackerOnEpoch")]
pub enum OnEpoch {
    /// They stay.
    #[enum_value(name = "They go on as if nothing had happened", nick = "keep")]
    Keep,
    /// They may be recognised.
    #[default]
    #[enum_value(
        name = "They follow the view where its way is known, else they can be found again by their looks, for max-lost",
        nick = "reassociate"
    )]
    Reassociate,
    /// They end.
    #[enum_value(name = "They end", nick = "end")]
    End,
}

impl From<OnEpoch> for track::OnEpoch {
    fn from(policy: OnEpoch) -> Self {
        match policy {
            OnEpoch::Keep => Self::Keep,
            OnEpoch::Reassociate => Self::Reassociate,
            OnEpoch::End => Self::End,
        }
    }
}
