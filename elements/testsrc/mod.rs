//! `nvptestsrc` is to perception what `videotestsrc` is to video: a source that needs nothing, with the exact truth.
//!
//! Reads nothing; adds the truth of each frame (`NvpTruthMeta`: objects with ids, classes, boxes and visibility, the
//! camera's pose, and homographies) and, when asked, detections as a perfect or a bad detector would make them:
//!
//! ```text
//! gst-launch-1.0 nvptestsrc detections=noisy ! nvptracker ! nvpoverlay ! videoconvert ! autovideosink
//! ```
//!
//! The detector that is built in knows this scene, so that a model can be tried as well:
//!
//! ```text
//! gst-launch-1.0 nvptestsrc num-buffers=300 ! nvpinference model=builtin:testscene ! nvptracker \
//!     ! nvppublish location=out.jsonl ! fakesink
//! ```
//!
//! # The scene
//! A street, seen from a post 6.5 m high. People walk, stop, turn back and cross at their green light; bicycles, cars
//! and buses drive by and wait at the crossing. They pass behind each other and behind posts, kiosks, planters and
//! columns, cast shadows, and the light drifts. `objects` is how many may be on their way at a time; fewer are in
//! sight. The same `seed`, `objects`, `camera` and `noise` give the same pixels at the same time on every machine and
//! after any seek; the truth is the same for every size of one aspect, format and frame rate.
//!
//! # The camera
//! It stands at one place and turns and zooms, so homographies are exact for the whole picture.
//!
//! | `camera` | what it does |
//! |---|---|
//! | `fixed` | stays at preset 0, `street` |
//! | `ptz` | at `street` until 6 s, moves, at `right` from 8 s to 13 s, at `crossing` from 15.5 s to 20 s, at `left` from 22.5 s to 28 s, back at `street` at 30 s, and again from 34 s on; moves are eased by 3s² - 2s³ |
//! | `handheld` | wanders about `street`: pan by up to 1 degree, tilt 0.8, roll 0.7, with periods of 3.1, 1.3 and 0.47 s |
//! | `cut` | jumps to the next of the four presets every 5 s |
//!
//! | preset | pan | tilt | zoom |
//! |---|---|---|---|
//! | 0 `street` | 0° | 14° | 1 |
//! | 1 `right` | 17° | 13° | 1 |
//! | 2 `crossing` | 4° | 15.5° | 1.8 |
//! | 3 `left` | -18° | 15° | 1.3 |
//!
//! # Detections
//! With `detections=perfect` every object of which at least a quarter is visible, with its true box and confidence 1.
//! With `noisy` an object in plain sight is missed with probability `miss-rate` and one that is hidden up to four times
//! as often, each edge of a box is off by a normal error of `jitter` times the box's size, confidence falls with what
//! is hidden, and `false-positives` boxes a frame, on average, are about nothing. Errors of two frames have nothing to
//! do with each other. The model is called `testscene`, its classes person, bicycle, car and bus.
//!
//! # Seeking
//! Unless `is-live` is set, in time and in frames (format `default`), forwards and backwards.

use gst::glib;
use gst::prelude::*;

mod clock;
mod imp;
mod settings;

glib::wrapper! {
    /// See the [module's page](self).
    pub struct NvpTestSrc(ObjectSubclass<imp::NvpTestSrc>)
        @extends gst_base::BaseSrc, gst::Element, gst::Object;
}

/// How the camera behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpTestSrcCamera")]
pub enum Camera {
    /// It stays where it is.
    #[default]
    #[enum_value(name = "Stays where it is", nick = "fixed")]
    Fixed,
    /// It tours its presets.
    #[enum_value(name = "Tours its presets: pans, tilts, zooms and returns", nick = "ptz")]
    Ptz,
    /// It wanders as if held by hand.
    #[enum_value(name = "Wanders as if held by hand", nick = "handheld")]
    Handheld,
    /// It jumps.
    #[enum_value(name = "Jumps to the next preset every 5 seconds", nick = "cut")]
    Cut,
}

/// Which detections are attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpTestSrcDetections")]
pub enum Detections {
    /// None.
    #[default]
    #[enum_value(name = "None", nick = "none")]
    None,
    /// The truth.
    #[enum_value(name = "Every object that is visible enough, exactly", nick = "perfect")]
    Perfect,
    /// The truth with errors.
    #[enum_value(name = "With misses, false alarms and jitter", nick = "noisy")]
    Noisy,
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "nvptestsrc", gst::Rank::NONE, NvpTestSrc::static_type())
}
