//! What a rule file says, once it has been read: plain values.

use std::sync::Arc;

use super::condition::Condition;
use super::geometry::Point;

/// Which place of a box counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anchor {
    /// Its centre.
    Center,
    /// The middle of its lower edge: where what stands upright touches the ground.
    #[default]
    BottomCenter,
    /// Any part of it.
    Any,
    /// A share of its area, [`Zone::overlap`].
    Overlap,
}

/// When a path that meets a line has crossed it; see [`Line`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It came from beyond the margin, and stays beyond it on the other side for a while, seen all the time.
    Strict,
    /// It is beyond the margin on the other side.
    #[default]
    Balanced,
    /// At once, and somewhat beside the line's ends too.
    Loose,
}

/// The shape of a zone.
#[derive(Clone, Debug, PartialEq)]
pub enum Region {
    /// Within a polygon without self-crossings.
    Polygon(Vec<Point>),
    /// Within an ellipse.
    Ellipse {
        /// Its centre.
        center: Point,
        /// Its half axes in units of the frame's width and height.
        radii: [f64; 2],
    },
}

/// What objects count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Names of classes; empty for all.
    pub classes: Vec<Arc<str>>,
    /// The least and the greatest height of a box, in units of the frame's height.
    pub height: [f64; 2],
}

/// A part of the picture that is watched.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// Its name.
    pub name: Arc<str>,
    /// Where it is, in the normalised points of the view that it is bound to.
    pub region: Region,
    /// Everything outside of it counts instead.
    pub inverse: bool,
    /// Which place of a box counts.
    pub anchor: Anchor,
    /// The least share of a box's area inside, for [`Anchor::Overlap`], in (0, 1].
    pub overlap: f64,
    /// What counts.
    pub filter: Filter,
    /// Objects may be outside or unseen for this long, in nanoseconds, without their visit coming to an end.
    pub grace: u64,
    /// The zone is overcrowded above this many objects.
    pub limit: Option<u32>,
    /// Detections are counted instead of tracks; there are no visits then.
    pub detections: bool,
    /// The preset of the camera that it belongs to; without one the view that it first sees.
    pub preset: Option<Arc<str>>,
}

/// A line or polyline whose crossings are counted.
///
/// What crosses is the anchor's path: the straight way from where a track was to where it is, in the points of the view
/// that the line is bound to. A crossing of the segments themselves, from the left of a segment to its right or back, is
/// *pending*; two opposite ones cancel. The modes say when a pending crossing counts:
///
/// - *balanced*: as soon as the anchor is farther from the line than `margin`. Jitter on the line counts once, or not at
///   all where the object turns back.
/// - *strict*: when besides the object was beyond the margin before it crossed, and has been beyond it for a fifth of a
///   second since, on frames on which it was seen (tracks that are only predicted wait).
/// - *loose*: at once, and the line reaches a tenth of its length farther at both ends. What turns back before it was
///   beyond the margin is counted back when it gets there.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name.
    pub name: Arc<str>,
    /// Its corners, in the normalised points of the view that it is bound to.
    pub points: Vec<Point>,
    /// [`Anchor::Center`] or [`Anchor::BottomCenter`].
    pub anchor: Anchor,
    /// When a crossing counts.
    pub mode: Mode,
    /// How far beyond the line an object has crossed it, in units of the frame's height.
    pub margin: f64,
    /// What counts.
    pub filter: Filter,
    /// What the directions forward and backward are called: other names of those facts, too.
    pub directions: [Option<Arc<str>>; 2],
    /// As [`Zone::preset`].
    pub preset: Option<Arc<str>>,
}

/// A signal of another element or of the application that conditions may use.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// Its name.
    pub name: Arc<str>,
    /// It is stale after this many nanoseconds, whatever its own time to live says.
    pub ttl: Option<u64>,
}

/// Whether a rule has one event at a time, or one an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Per {
    /// One for the whole rule.
    #[default]
    Rule,
    /// One for each track.
    Object,
}

/// How long a condition has to hold, and what follows; nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// For this long before the event is confirmed.
    pub hold: u64,
    /// It may fail for this long without the event coming to an end.
    pub gap: u64,
    /// After an event there is no other for this long.
    pub cooldown: u64,
    /// An event ends after this long at the latest.
    pub maximum: Option<u64>,
    /// After an event that ended for its length, another may begin though the condition never failed.
    pub rearm: bool,
}

/// What makes an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name.
    pub name: Arc<str>,
    /// What has to hold.
    pub when: Condition,
    /// The same as it was written.
    pub text: String,
    /// Whose events they are.
    pub per: Per,
    /// For [`Per::Object`]: names of classes; empty for all.
    pub classes: Vec<Arc<str>>,
    /// How long.
    pub timing: Timing,
    /// Numbers of the zones that the condition asks about, and of the lines.
    pub zones: Vec<usize>,
    /// As `zones`.
    pub lines: Vec<usize>,
}

/// A rule file. Names are unique within a kind, and every condition refers to what is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// The zones.
    pub zones: Vec<Zone>,
    /// The lines.
    pub lines: Vec<Line>,
    /// The signals that come from outside.
    pub signals: Vec<Declared>,
    /// The rules, in an order in which each comes after those that it asks about.
    pub rules: Vec<Rule>,
    /// What the attributes of objects that conditions ask about are called.
    pub attributes: Vec<Arc<str>>,
    /// What the presets that conditions ask about are called.
    pub presets: Vec<Arc<str>>,
}
