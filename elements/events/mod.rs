//! `nvpevents`: decides by rules what has happened.
//!
//! Reads the tracks, the detections, the signals and the view of a buffer ([`TrackMeta`](crate::meta::TrackMeta),
//! [`DetectionMeta`](crate::meta::DetectionMeta), [`SignalMeta`](crate::meta::SignalMeta),
//! [`ViewMeta`](crate::meta::ViewMeta)) and adds [`EventMeta`](crate::meta::EventMeta), a
//! [`SignalMeta`](crate::meta::SignalMeta) with every fact, [`ZoneMeta`](crate::meta::ZoneMeta) and a provenance stage; it
//! never looks at pixels, so any memory passes:
//!
//! ```text
//! gst-launch-1.0 -m nvptestsrc detections=noisy num-buffers=500 ! nvptracker \
//!     ! nvpevents rules='{"version": 1, "lines": [{"name": "kerb", "points": [[0.2, 0.55], [0.8, 0.55]]}]}' \
//!     ! nvpoverlay ! videoconvert ! autovideosink
//! ```
//!
//! `rules` is the path of a rule file or JSON itself; [`crate::rules`] says what it may hold and what each fact and each
//! mode means, and `schema/nvperception.rules-1.schema.json` is its schema. Without one there are no zones, lines or rules.
//!
//! # Changes
//! `rules` may be set again at any time, and with `watch` a file that changed is read again, half a second after it was
//! written last. Rules are checked as a whole and put in force between two frames. Zones, lines and rules that are the same
//! go on with what they have counted. Rules that are wrong leave those in force alone. Single parts are edited by action
//! signals, which return whether that was possible:
//!
//! | action signal | |
//! |---|---|
//! | `set-zone` (JSON), `set-line` (JSON) | puts one in, in the place of one of its name |
//! | `remove-zone` (name), `remove-line` (name) | takes one out |
//!
//! Edits are made to the rules in force, one after the other, and last until `rules` is set, a watched file changes or the
//! element stops: the property goes on to say what it was set to, and the next start begins with that.
//!
//! # Messages
//! | element message | fields | |
//! |---|---|---|
//! | `nvp-event` | `id`, `run`, `rule`, `state`, `reason`, `start`, `confirmed`, `end`, `tracks`, `zone`, `line`, `generation`, `running-time` | an event was confirmed or ended |
//! | `nvp-rule-suspended`, `nvp-rule-resumed` | `kind`, `name`, `reason`, `rules`, `running-time` | a zone or line does not hold on the view, or holds again; `rules` are those about it |
//! | `nvp-rules-applied` | `generation`, `zones`, `lines`, `rules` | other rules are in force |
//! | `nvp-rules-rejected` | `generation`, `reason` | they were wrong; those of this generation stay |
//! | `nvp-events-replaced` | `run`, `running-time` | frames come with events of another `nvpevents` or of a recording, which give way; said once |
//! | `nvp-rules-too-many-tracks` | `refused`, `running-time` | a frame has more tracks than can be remembered (1024), and some are left out; said once |
//! | `nvp-rules-unknown-class` | `class`, `kind`, `suggestion` | no model so far names a class that the rules ask about, of objects (`object`) or as an attribute of them (`attribute`) |
//!
//! # More than one
//! A buffer has the events and the zones of one element: the last one in a chain replaces those of others, and says so.
//! Their facts stay, each under the name of its element. Rules whose events go together belong in one file.
//!
//! # Signals
//! Each fact is a signal of its own name, fresh for `signal-ttl`. With `signal-store` (default) the elements of a pipeline
//! share their newest signals, so that rules on one branch may ask about what another found, as long as it runs: those of
//! `nvpevents name=lobby` are declared as `"signals": [{"name": "lobby:zone.door.occupancy"}]` and asked about by that name.
//! Elements that share are told apart by their names. Signals that an application attaches to buffers are read likewise,
//! by their own names or with that of their source before them.
//!
//! # Time
//! Time is running time; a flush or a jump back ends events, forgets tracks and keeps the counts. The end of the stream and
//! a stop end events, too, with the reason `end-of-stream`: their messages are posted at once, and no frame carries them.
//! `time.hour` is the local time at which the frame was received.

use gst::glib;
use gst::prelude::*;

mod gather;
mod imp;
mod report;
mod rulebook;
mod settings;
mod state;
mod watch;

glib::wrapper! {
    /// See the [module's page](self).
    pub struct NvpEvents(ObjectSubclass<imp::NvpEvents>) @extends gst::Element, gst::Object;
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "nvpevents", gst::Rank::NONE, NvpEvents::static_type())
}
