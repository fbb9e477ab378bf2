//! The properties of `nvpviewstate`.

use gst::glib;
use gst::prelude::*;

use super::{CameraMode, Estimator};
use crate::view::Policy;

/// The properties' values.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settings {
    pub(super) estimator: Estimator,
    pub(super) policy: Policy,
}

/// A property that is one number of the policy.
struct Number {
    name: &'static str,
    nick: &'static str,
    maximum: f64,
    field: fn(&mut Policy) -> &mut f64,
    blurb: &'static str,
}

#[rustfmt::skip]
const NUMBERS: [Number; 9] = [
    Number { name: "field-of-view", nick: "Field of view", maximum: 179.0, field: |p| &mut p.field_of_view,
        blurb: "From side to side, in degrees; 0 when unknown: segment-displacement then decides without angles" },
    Number { name: "segment-angle", nick: "Segment angle", maximum: 360.0, field: |p| &mut p.segment_angle,
        blurb: "A new epoch begins beyond this pan or tilt since the reference view, in degrees; needs field-of-view" },
    Number { name: "segment-zoom", nick: "Segment zoom", maximum: 100.0, field: |p| &mut p.segment_zoom,
        blurb: "A new epoch begins beyond this change of the zoom ratio since the reference view (0.3 = 30%)" },
    Number { name: "segment-displacement", nick: "Segment displacement", maximum: 10.0, field: |p| &mut p.segment_displacement,
        blurb: "A new epoch begins beyond this displacement of the centre since the reference view, in units of the frame" },
    Number { name: "compensate-confidence", nick: "Compensate confidence", maximum: 1.0, field: |p| &mut p.compensate_confidence,
        blurb: "A moved view is compensated rather than degraded at this mean confidence of the move at least, 0 to 1" },
    Number { name: "compensate-rotation", nick: "Compensate rotation", maximum: 180.0, field: |p| &mut p.compensate_rotation,
        blurb: "A moved view is compensated up to this rotation about the axis of sight, in degrees" },
    Number { name: "compensate-zoom", nick: "Compensate zoom", maximum: 100.0, field: |p| &mut p.compensate_zoom,
        blurb: "A moved view is compensated up to this change of the zoom ratio (0.1 = 10%)" },
    Number { name: "move-start", nick: "Move start", maximum: 1.0, field: |p| &mut p.move_start,
        blurb: "A move begins when the picture has gone this far from where it rested, within about a quarter of a second, in units of the frame" },
    Number { name: "move-stop", nick: "Move stop", maximum: 10.0, field: |p| &mut p.move_stop,
        blurb: "A move ends when the picture goes slower than this for 60 ms, in units of the frame a second" },
];

impl Settings {
    /// Takes over a property other than `stats`, whose type is the declared one.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        if let Some(number) = NUMBERS.iter().find(|number| number.name == name) {
            *(number.field)(&mut self.policy) = value.get().unwrap_or_default();
            return;
        }
        match name {
            "estimator" => self.estimator = value.get().unwrap_or_default(),
            "camera-mode" => self.policy.mode = value.get::<CameraMode>().unwrap_or_default().into(),
            _ => unreachable!("GObject only passes declared properties"),
        }
    }

    /// The value of a property other than `stats`.
    pub(super) fn get(mut self, name: &str) -> glib::Value {
        if let Some(number) = NUMBERS.iter().find(|number| number.name == name) {
            return (*(number.field)(&mut self.policy)).to_value();
        }
        match name {
            "estimator" => self.estimator.to_value(),
            "camera-mode" => CameraMode::from(self.policy.mode).to_value(),
            _ => unreachable!("GObject only asks for declared properties"),
        }
    }
}

pub(super) fn properties() -> Vec<glib::ParamSpec> {
    let mut default = Settings::default();
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
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Counts of frames, of stable, moving and unknown, continued, compensated and degraded ones, of frames that could not be read and of epochs after the first, and the time of a step in nanoseconds as p50, p95 and p99")
            .read_only()
            .build(),
    ];
    specs.extend(NUMBERS.iter().map(|number| {
        let builder = glib::ParamSpecDouble::builder(number.name).nick(number.nick).blurb(number.blurb);
        let builder = builder.minimum(0.0).maximum(number.maximum).mutable_playing();
        builder.default_value(*(number.field)(&mut default.policy)).build()
    }));
    specs
}
