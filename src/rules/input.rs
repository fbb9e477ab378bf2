//! What the engine is told of a frame.

use crate::detection::LabelsRef;
use crate::geometry::BBox;
use crate::track::Track;
use crate::view::Sight;

/// A detection that may be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Found {
    /// Where it is, in units of the frame.
    pub bbox: BBox,
    /// Index of its class's name in [`Input::found_labels`], -1 when it has none.
    pub label: i32,
}

/// What a classifier says of a track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attribute<'a> {
    /// The track's id.
    pub track: u64,
    /// The name of the class.
    pub name: &'a str,
    /// In \[0, 1\].
    pub confidence: f32,
}

/// The camera's view on the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look<'a> {
    /// What decides whether zones and lines hold.
    pub sight: Sight<'a>,
    /// Whether the camera moves; unknown is moving.
    pub moving: bool,
    /// How still the view is, in \[0, 1\].
    pub stability: f32,
}

/// The time of day where the camera is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Clock {
    /// Hours since midnight, with their fraction.
    pub hour: f64,
    /// 1 for Monday to 7 for Sunday.
    pub weekday: f64,
}

/// What is known of a frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input<'a> {
    /// Running time in nanoseconds.
    pub time: u64,
    /// Width over height of the picture as displayed.
    pub aspect: f32,
    /// The view; `None` where nobody looks, which is a camera that stands still.
    pub look: Option<Look<'a>>,
    /// The tracks; those that are not believed to be there do not count.
    pub tracks: &'a [Track],
    /// False when no tracker looked at the frame: counts of tracks are unknown then.
    pub tracked: bool,
    /// The names that [`Track::label`] refers to.
    pub labels: LabelsRef<'a>,
    /// The detections; `None` when no model looked.
    pub found: Option<&'a [Found]>,
    /// The names that [`Found::label`] refers to.
    pub found_labels: LabelsRef<'a>,
    /// What classifiers say of tracks on this frame.
    pub attributes: &'a [Attribute<'a>],
    /// The names that classifiers may say.
    pub said_labels: LabelsRef<'a>,
    /// The values of the declared signals in their order, NaN where one is stale or missing.
    pub signals: &'a [f64],
    /// The time of day, when known.
    pub clock: Option<Clock>,
}
