//! From facts to decisions: zones, lines, signals, conditions and events.
//!
//! [`Rules::read`] reads a rule file, and [`Engine::update`] decides on a frame by it. Facts come first: who is in which
//! zone and for how long, who crossed which line which way, what else is known. All are numbers with a name, and what is
//! not known is no number, so that no comparison with it holds. Conditions over them make events.
//!
//! ```
//! use gstnvperception::rules::{Engine, Input, Rules};
//!
//! let rules = Rules::read(
//!     r#"{"version": 1,
//!         "zones": [{"name": "door", "polygon": [[0.4, 0.2], [0.6, 0.2], [0.6, 0.9], [0.4, 0.9]]}],
//!         "rules": [{"name": "crowd", "when": "zone.door.occupancy >= 3", "for": 2, "gap": 1}]}"#,
//! )?;
//! let mut engine = Engine::new(rules);
//! let output = engine.update(&Input { time: 0, tracked: true, ..Input::default() });
//! assert!(output.events.is_empty());
//! # Ok::<(), gstnvperception::rules::RuleError>(())
//! ```
//!
//! # Zones
//! A polygon or an ellipse, or all outside of it (`inverse`). What of a box counts is its `anchor`: `bottom-center`
//! (default), `center`, `any` part of it or an `overlap` of at least that share of its area. `classes`, `min-height` and
//! `max-height` (of boxes, in units of the frame) say what counts.
//!
//! | fact `zone.NAME.` | |
//! |---|---|
//! | `occupancy` | objects inside on this frame |
//! | `entries` | visits that began: an object came in, or appeared inside |
//! | `exits` | visits that ended: it was outside or unseen for longer than `grace` (1 s) |
//! | `unique` | different tracks that were inside |
//! | `dwell` | seconds since the longest visit of those inside began |
//! | `dwell-mean` | mean seconds of the visits that ended, without their grace |
//! | `overcrowded` | 1 when more than `limit` objects are inside, 0 when not |
//! | `speed` | mean speed of those inside, in units of the frame a second |
//! | `direction` | where those inside that move are heading on average, in degrees clockwise from the right |
//! | `current` | 1 while the zone holds on the view, 0 while it is suspended |
//!
//! On a frame that no tracker looked at, all but `current` and the sums so far is unknown. A comparison with what is unknown
//! fails, so `occupancy == 0` asks for a zone that is known to be empty; `not occupancy > 0` holds where nobody knows, too.
//!
//! With several `classes`, `occupancy`, `entries` and `exits` also have one for each: `zone.NAME.entries.CLASS`. With
//! `"count": "detections"` detections are counted instead of tracks, on frames that a model looked at (on others the count
//! is unknown: a `gap` bridges them); there are no visits then.
//!
//! # Lines
//! [`Line`] says what a crossing is and when it counts. Forward is from the left of the line to its right, walking from its
//! first point to its last. Facts `line.NAME.`: `forward` and `backward` (since the start), `forward.now` and
//! `backward.now` (on this frame), `current`; with several `classes` also `forward.CLASS` and `backward.CLASS`. The file may
//! give the directions names (`"forward": "in"`), which conditions may use: `line.door.in`.
//!
//! # Other facts
//! `tracks.count` and `detections.count` of the frame; `rule.NAME.active` (events that last) and `rule.NAME.count` (events so
//! far); `view.valid`, `view.epoch`, `view.moving`, `view.stability`, `view.preset.NAME` (of presets that zones and lines
//! name); `time.hour` (0 to 24, with fraction, local) and `time.weekday` (1 Monday to 7 Sunday). Signals from elsewhere are
//! declared, `"signals": [{"name": "motion.level", "ttl": 2}]`, and go stale. With the name of who tells them and a colon before
//! it, those of one source are meant: `"lobby:zone.door.occupancy"` is a fact of the element named `lobby`.
//!
//! # Rules
//! `when` is a condition ([`Condition::parse`] says how it is written) or an object `{"all": [...]}`, `{"any": [...]}` or
//! `{"not": ...}` of conditions. It has to hold `for` so many seconds; an event may go on through a `gap`, is followed by a
//! `cooldown`, and ends after `max-duration`, after which the condition has to fail before there is another unless
//! `"re-arm": "always"`.
//!
//! | wanted | written |
//! |---|---|
//! | presence, absence | `"zone.till.occupancy > 0"`, `"zone.till.occupancy == 0"` |
//! | a count | `"zone.hall.occupancy.person >= 5"` |
//! | a threshold, once each time that it is passed | `"when": "motion.level > 0.2", "max-duration": 0` |
//! | loitering | `"per": "object", "when": "object.zone.yard.dwell > 30"` |
//! | a crossing | `"per": "object", "when": "object.line.door.forward.now"`, `"max-duration": 0` |
//! | an attribute | `"per": "object", "when": "object.attribute.helmet < 0.5 and object.zone.site.inside"` |
//! | by night | `"zone.yard.occupancy > 0 and (time.hour >= 22 or time.hour < 6)"` |
//! | on a view that holds | `"view.valid and tracks.count > 3"` |
//!
//! With `"per": "object"` each track has an event of its own, and the condition may ask about it: `object.age`,
//! `confidence`, `speed`, `speed-m` (metres a second, where the tracker knows the ground), `direction`, `stationary`, `x`, `y`
//! (of its foot point), `width`, `height`, `zone.NAME.inside`, `zone.NAME.dwell`, `line.NAME.forward`, `line.NAME.forward.now`,
//! and so on, and `attribute.CLASS` (what a classifier said of it in the last two seconds).
//!
//! # Tracks that are lost
//! Trackers lose their objects now and then and give them new ids. A track that appears where another of its class was no
//! more than two seconds ago, overlapping it by an IoU of 0.3 at least, goes on with what that one has begun: its visits and
//! its events, as long as the view is the same and the tracker does not report that one as lost. If instead the old id comes
//! back, and the new one is not there, it has its own back. The path begins anew, as after every jump, so that none of this
//! makes up a crossing.
//!
//! A track is remembered for ten seconds, and for as long as a visit or an event of its own is not over, its cooldown
//! included; at most 1024 are. Where there are more, those that were not seen for longest give way, and what goes on about
//! them ends.
//!
//! # Views
//! A zone or line belongs to the `preset` that it names, else to the view that it first sees (see [`Binding`]). While
//! the camera looks elsewhere, or nobody can say where exactly, it is suspended: counts stay as they are, what else it
//! tells is unknown, and no condition that asks about it holds. Paths do not go on over such a time, so no crossing is
//! made up. On return who is inside, or first seen inside within `grace`, is inside without having entered, and a visit goes on where the time away was
//! no longer than `grace`. While the camera moves and its motion is known, anchors are moved into the reference view, so
//! that a crossing is measured against the line where it is drawn on the world.
//!
//! [`Binding`]: crate::view::Binding

mod board;
mod condition;
mod define;
mod edit;
mod engine;
mod event;
mod file;
#[cfg(test)]
mod file_tests;
mod geometry;
mod input;
mod json;
mod judge;
mod line;
mod machine;
mod names;
mod objects;
#[cfg(test)]
mod objects_tests;
mod order;
mod place;
mod signals;
mod suggest;
#[cfg(test)]
mod tests;
mod zone;

pub use condition::{About, Comparison, Condition, Number, Operand, Values, Watch};
pub use define::{Anchor, Declared, Filter, Line, Mode, Per, Region, Rule, Rules, Timing, Zone};
pub use edit::{EMPTY, Part, put, remove};
pub use engine::{Engine, Notice, Output};
pub use event::{
    Board, Closing, Event, EventState, Events, Evidence, NO_TIME, Shape, ShapeKind, ShapeNow, Shapes, Signal,
    Signals, part,
};
pub use geometry::Point;
pub(crate) use geometry::in_polygon;
pub use input::{Attribute, Clock, Found, Input, Look};
pub use names::{is_part, part as part_of_name};
pub use place::Hold;
pub use signals::{MAX_SIGNALS, SignalStore};
pub use suggest::closest;

/// What is wrong with a rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The line, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// The way to the value, as in `zones[1].polygon`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what to do.
    pub what: String,
}

impl std::fmt::Display for RuleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        if !self.path.is_empty() {
            write!(f, "{} ", self.path)?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for RuleError {}

impl Rules {
    /// Reads the text of a rule file; see `schema/nvperception.rules-1.schema.json` and the [module's page](self).
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and the way to it.
    pub fn read(text: &str) -> Result<Self, RuleError> {
        file::read(text)
    }
}
