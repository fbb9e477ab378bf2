//! The properties of `nvpviewstate`.

use std::path::Path;
use std::sync::Arc;

use gst::glib;
use gst::prelude::*;

use super::{CameraMode, Estimator};
use crate::view::{self, GenericSpace, Policy};

/// The properties' values.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) estimator: Estimator,
    pub(super) policy: Policy,
    /// How far from a frame a pose may be, in nanoseconds.
    pub(super) telemetry_age: u64,
    pub(super) generic: GenericSpace,
    pub(super) presets: Option<Arc<Path>>,
    /// Most presets to learn.
    pub(super) learn: u32,
    pub(super) health: bool,
    /// A picture that does not change for so many nanoseconds is frozen; 0 for never.
    pub(super) frozen: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            estimator: Estimator::default(),
            policy: Policy::default(),
            telemetry_age: 500_000_000,
            generic: GenericSpace::default(),
            presets: None,
            learn: 0,
            health: true,
            frozen: 10_000_000_000,
        }
    }
}

/// Most presets that can be learned.
const MOST_LEARNED: u32 = 64;

/// How a number among the settings is read and written.
type Field = (fn(&Settings) -> f64, fn(&mut Settings) -> &mut f64);

macro_rules! at {
    ($($field:ident).+) => { (|s| s.$($field).+, |s| &mut s.$($field).+) };
}

/// A property that is a number.
struct Number {
    name: &'static str,
    nick: &'static str,
    range: (f64, f64),
    field: Field,
    blurb: &'static str,
}

#[rustfmt::skip]
const NUMBERS: [Number; 12] = [
    Number { name: "field-of-view", nick: "Field of view", range: (0.0, 179.0), field: at!(policy.field_of_view),
        blurb: "From side to side with the lens at its widest, in degrees; 0 when unknown: telemetry then tells moves but no way to follow them, and segment-displacement decides without angles" },
    Number { name: "segment-angle", nick: "Segment angle", range: (0.0, 360.0), field: at!(policy.segment_angle),
        blurb: "A new epoch begins beyond this pan or tilt since the reference view, in degrees; needs field-of-view or telemetry" },
    Number { name: "segment-zoom", nick: "Segment zoom", range: (0.0, 100.0), field: at!(policy.segment_zoom),
        blurb: "A new epoch begins beyond this change of the zoom ratio since the reference view (0.3 = 30%)" },
    Number { name: "segment-displacement", nick: "Segment displacement", range: (0.0, 10.0), field: at!(policy.segment_displacement),
        blurb: "A new epoch begins beyond this displacement of the centre since the reference view, in units of the frame" },
    Number { name: "compensate-confidence", nick: "Compensate confidence", range: (0.0, 1.0), field: at!(policy.compensate_confidence),
        blurb: "A moved view is compensated rather than degraded at this mean confidence of the move at least, 0 to 1" },
    Number { name: "compensate-rotation", nick: "Compensate rotation", range: (0.0, 180.0), field: at!(policy.compensate_rotation),
        blurb: "A moved view is compensated up to this rotation about the axis of sight, in degrees" },
    Number { name: "compensate-zoom", nick: "Compensate zoom", range: (0.0, 100.0), field: at!(policy.compensate_zoom),
        blurb: "A moved view is compensated up to this change of the zoom ratio (0.1 = 10%)" },
    Number { name: "move-start", nick: "Move start", range: (0.0, 1.0), field: at!(policy.move_start),
        blurb: "A move begins when the picture has gone this far from where it rested, within about a quarter of a second, in units of the frame" },
    Number { name: "move-stop", nick: "Move stop", range: (0.0, 10.0), field: at!(policy.move_stop),
        blurb: "A move ends when the picture goes slower than this for 60 ms, in units of the frame a second" },
    Number { name: "onvif-pan", nick: "ONVIF pan", range: (-360.0, 360.0), field: at!(generic.pan),
        blurb: "Degrees of pan that 1 stands for in ONVIF's generic units; negative where the camera counts to the left" },
    Number { name: "onvif-tilt", nick: "ONVIF tilt", range: (-90.0, 90.0), field: at!(generic.tilt),
        blurb: "Degrees of tilt that 1 stands for in ONVIF's generic units; negative where the camera counts downwards" },
    Number { name: "onvif-zoom", nick: "ONVIF zoom", range: (1.0, 1000.0), field: at!(generic.zoom),
        blurb: "Zoom ratio that 1 stands for in ONVIF's generic units; 0 is the widest" },
];

impl Settings {
    /// Whether the camera may move.
    pub(super) fn observes(&self) -> bool {
        self.policy.mode == view::CameraMode::Observed
    }

    /// Takes over a property other than `stats`, whose type is the declared one.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        if let Some(number) = NUMBERS.iter().find(|number| number.name == name) {
            *(number.field.1)(self) = value.get().unwrap_or_default();
            return;
        }
        match name {
            "estimator" => self.estimator = value.get().unwrap_or_default(),
            "camera-mode" => self.policy.mode = value.get::<CameraMode>().unwrap_or_default().into(),
            "telemetry-max-age" => self.telemetry_age = value.get().unwrap_or_default(),
            "presets" => {
                let path = value.get::<Option<String>>().unwrap_or_default();
                self.presets = path.filter(|path| !path.is_empty()).map(|path| Path::new(&path).into());
            }
            "learn-presets" => self.learn = value.get().unwrap_or_default(),
            "scene-health" => self.health = value.get().unwrap_or_default(),
            "frozen-after" => self.frozen = value.get().unwrap_or_default(),
            _ => unreachable!("GObject only passes declared properties"),
        }
    }

    /// The value of a property other than `stats`.
    pub(super) fn get(&self, name: &str) -> glib::Value {
        if let Some(number) = NUMBERS.iter().find(|number| number.name == name) {
            return (number.field.0)(self).to_value();
        }
        match name {
            "estimator" => self.estimator.to_value(),
            "camera-mode" => CameraMode::from(self.policy.mode).to_value(),
            "telemetry-max-age" => self.telemetry_age.to_value(),
            "presets" => self.presets.as_ref().map(|path| path.to_string_lossy().into_owned()).to_value(),
            "learn-presets" => self.learn.to_value(),
            "scene-health" => self.health.to_value(),
            "frozen-after" => self.frozen.to_value(),
            _ => unreachable!("GObject only asks for declared properties"),
        }
    }
}

pub(super) fn properties() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    let mut specs = vec![
        glib::ParamSpecEnum::builder_with_default("estimator", default.estimator)
            .nick("Estimator")
            .blurb("Who tells the camera's motion (default visual)")
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("camera-mode", CameraMode::from(default.policy.mode))
            .nick("Camera mode")
            .blurb("Whether the camera may move (default observed)")
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt64::builder("telemetry-max-age")
            .nick("Telemetry max age")
            .blurb("How far in time from a frame a pose may be to say something of it, in nanoseconds (default 500 ms)")
            .default_value(default.telemetry_age)
            .mutable_playing()
            .build(),
        glib::ParamSpecString::builder("presets")
            .nick("Presets")
            .blurb("Path of a JSON file of known views: names with a pose, a reference picture or both (default none)")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("learn-presets")
            .nick("Learn presets")
            .blurb("How many views to remember by themselves, as view-1, view-2, ...; the one not seen for longest gives way (0 = none, default 0)")
            .maximum(MOST_LEARNED)
            .default_value(default.learn)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("scene-health")
            .nick("Scene health")
            .blurb("Tell frozen, blank, covered, blurred and suddenly exposed pictures, whoever tells the motion (default true)")
            .default_value(default.health)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt64::builder("frozen-after")
            .nick("Frozen after")
            .blurb("A picture that does not change at all for this long is frozen, in nanoseconds (0 = never, default 10 s)")
            .default_value(default.frozen)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Counts of frames, of stable, moving and unknown, continued, compensated and degraded ones, of frames that could not be read, of epochs after the first, of poses taken and refused, and the time of a step in nanoseconds as p50, p95 and p99")
            .read_only()
            .build(),
    ];
    specs.extend(NUMBERS.iter().map(|number| {
        let builder = glib::ParamSpecDouble::builder(number.name).nick(number.nick).blurb(number.blurb);
        let (minimum, maximum) = number.range;
        let builder = builder.minimum(minimum).maximum(maximum).mutable_playing();
        builder.default_value((number.field.0)(&default)).build()
    }));
    specs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_changes_its_own_value_and_no_other() {
        for number in &NUMBERS {
            let mut settings = Settings::default();
            let value = 0.5 * (number.range.0 + number.range.1) + 0.123;
            settings.set(number.name, &value.to_value());
            for other in &NUMBERS {
                let (now, default) = (settings.get(other.name), Settings::default().get(other.name));
                let (now, default): (f64, f64) = (now.get().unwrap(), default.get().unwrap());
                let wanted = if other.name == number.name { value } else { default };
                assert_eq!(now, wanted, "{} after {}", other.name, number.name);
            }
        }
    }
}
