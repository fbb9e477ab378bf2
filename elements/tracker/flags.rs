//! The values of the property `export`.

// The macro leaves the comments out of what it makes.
#![allow(missing_docs)]

use gst::glib;

/// What the tracker tells beside the tracks that are there.
#[glib::flags(name = "GstNvpTrackerExport")]
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
