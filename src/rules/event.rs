//! What the engine tells: facts as signals, events, and where zones and lines are.

use std::sync::Arc;

use super::place::Hold;
use crate::detection::Labels;

/// Stands for a time that is not known or has not come.
pub const NO_TIME: u64 = u64::MAX;

/// Where an event stands in its life.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventState {
    /// Its condition holds, for not long enough yet.
    #[default]
    Potential = 0,
    /// It is one, and lasts.
    Confirmed = 1,
    /// It was one.
    Ended = 2,
    /// It was potential and came to nothing.
    Cancelled = 3,
}

impl EventState {
    /// All of them, by number.
    pub const ALL: [Self; 4] = [Self::Potential, Self::Confirmed, Self::Ended, Self::Cancelled];

    /// The name used in JSON and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Potential => "potential",
            Self::Confirmed => "confirmed",
            Self::Ended => "ended",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why an event ended or was cancelled.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Closing {
    /// It is not over.
    #[default]
    Open = 0,
    /// Its condition failed.
    Cleared = 1,
    /// It had lasted as long as it may.
    MaxDuration = 2,
    /// A zone or line that it is about does not hold any more.
    Suspended = 3,
    /// Its rule was changed or removed.
    RulesChanged = 4,
    /// The stream began anew.
    Restart = 5,
    /// The stream came to its end or was stopped. No frame follows that could carry the event.
    EndOfStream = 6,
}

impl Closing {
    /// All of them, by number.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::Cleared,
        Self::MaxDuration,
        Self::Suspended,
        Self::RulesChanged,
        Self::Restart,
        Self::EndOfStream,
    ];

    /// The name used in JSON and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Cleared => "cleared",
            Self::MaxDuration => "max-duration",
            Self::Suspended => "suspended",
            Self::RulesChanged => "rules-changed",
            Self::Restart => "restart",
            Self::EndOfStream => "end-of-stream",
        }
    }
}

/// An event as it stands on a frame. Names are indices into [`Events::names`], -1 for none; times are running times in
/// nanoseconds.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// Identity: from 1, below 2^53, never used twice in a run.
    pub id: u64,
    /// When its condition began to hold.
    pub start: u64,
    /// When it had held for long enough; [`NO_TIME`] before.
    pub confirmed: u64,
    /// When the condition held last, once it is over; [`NO_TIME`] before.
    pub end: u64,
    /// Generation of the rules that decided.
    pub generation: u64,
    /// The rule.
    pub rule: i32,
    /// The zone that the rule is about, the first where it asks about several.
    pub zone: i32,
    /// The line, likewise.
    pub line: i32,
    /// Where it stands.
    pub state: EventState,
    /// Why it is over.
    pub closing: Closing,
    /// 1 when it stands otherwise than on the frame before, 0 when it goes on.
    pub changed: u32,
    /// Where its tracks begin in [`Events::tracks`], and how many they are.
    pub first_track: u32,
    /// How many tracks take part.
    pub tracks: u32,
    /// Where its evidence begins in [`Events::evidence`], and how much it is.
    pub first_evidence: u32,
    /// How many pieces of evidence there are.
    pub evidence: u32,
}

/// The course of one of the signals that an event's condition asks about, from its start on. What is not known is NaN.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// The signal.
    pub signal: i32,
    /// Always 0.
    pub reserved: u32,
    /// Its value when the condition began to hold.
    pub start: f64,
    /// When the event was confirmed.
    pub confirmed: f64,
    /// When the condition held last.
    pub last: f64,
    /// The greatest while it held.
    pub peak: f64,
    /// When that was first.
    pub peak_time: u64,
}

/// Whether a [`Shape`] is a zone or a line.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShapeKind {
    /// A closed polygon.
    #[default]
    Zone = 0,
    /// A polyline.
    Line = 1,
}

/// A zone or line to be drawn.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shape {
    /// Its name: an index into [`Board::names`].
    pub name: i32,
    /// What it is.
    pub kind: ShapeKind,
    /// Where its corners begin in [`Board::points`].
    pub first: u32,
    /// How many corners it has.
    pub count: u32,
}

/// What is the same on every frame until the rules change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    /// The names of facts, in the order of their values, then of everything else that is named.
    pub names: Labels,
    /// How many facts there are.
    pub facts: usize,
    /// Zones first.
    pub shapes: Vec<Shape>,
    /// Corners, x and y, in the points of the view that each shape is bound to.
    pub points: Vec<[f32; 2]>,
    /// Numbers the rules, from 1.
    pub generation: u64,
}

/// How a shape stands on a frame.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ShapeNow {
    /// Whether it holds.
    pub hold: Hold,
    /// Always 0.
    pub reserved: u32,
    /// Of a zone: occupancy, NaN when not known on this frame, and entries. Of a line: crossings forward and backward.
    pub counts: [f64; 2],
}

/// The events of a frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Events {
    /// The run's id (a UUID): ids are unique within it.
    pub run: Arc<str>,
    /// The names that events refer to.
    pub names: Labels,
    /// What changed on this frame, and what goes on.
    pub items: Vec<Event>,
    /// The tracks that [`Event::first_track`] refers to.
    pub tracks: Vec<u64>,
    /// What [`Event::first_evidence`] refers to.
    pub evidence: Vec<Evidence>,
}

impl Events {
    /// The tracks that take part in an event; none where it refers to what is not there.
    pub fn tracks_of(&self, event: &Event) -> &[u64] {
        part(&self.tracks, event.first_track, event.tracks)
    }

    /// The evidence of an event, likewise.
    pub fn evidence_of(&self, event: &Event) -> &[Evidence] {
        part(&self.evidence, event.first_evidence, event.evidence)
    }
}

/// A part of a list by its start and length; empty where it is not there.
pub fn part<T>(list: &[T], first: u32, count: u32) -> &[T] {
    let first = first as usize;
    first.checked_add(count as usize).and_then(|end| list.get(first..end)).unwrap_or_default()
}

/// Where zones and lines are on a frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shapes {
    /// The shapes, which are the same on every frame until the rules change.
    pub board: Arc<Board>,
    /// How each of them stands.
    pub now: Vec<ShapeNow>,
    /// Row-major homography from the points of the shapes that hold to this frame's.
    pub to_frame: [f32; 9],
}

/// Named values of a frame, from one source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signals {
    /// Who tells them: an element's name, say.
    pub source: Arc<str>,
    /// The names that [`Signal::name`] refers to.
    pub names: Labels,
    /// The values.
    pub items: Vec<Signal>,
}

/// A named value.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signal {
    /// Index of its name in [`Signals::names`].
    pub name: i32,
    /// Always 0.
    pub reserved: u32,
    /// The value in the signal's own unit; NaN when it is not known.
    pub value: f64,
    /// Nanoseconds from the frame on during which it holds.
    pub ttl: u64,
}
