//! The properties of `nvptestsrc`.

use gst::glib;
use gst::prelude::*;

use super::{Camera, Detections};
use crate::scene::{CameraMode, MOST_FALSE_POSITIVES, MOST_NOISE, MOST_OBJECTS, Noise, Options};

/// Property values, as set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) scene: Options,
    pub(super) detections: Detections,
    pub(super) errors: Noise,
}

impl Default for Settings {
    fn default() -> Self {
        Self { scene: Options::default(), detections: Detections::None, errors: Noise::default() }
    }
}

pub(super) fn properties() -> Vec<glib::ParamSpec> {
    let Settings { scene, errors, .. } = Settings::default();
    let part = |name: &'static str, nick: &'static str, blurb: &'static str, most: f64, default: f64| {
        glib::ParamSpecDouble::builder(name)
            .nick(nick)
            .blurb(blurb)
            .minimum(0.0)
            .maximum(most)
            .default_value(default)
            .mutable_playing()
            .build()
    };
    vec![
        glib::ParamSpecUInt64::builder("seed")
            .nick("Seed")
            .blurb("Chooses the street and everybody's ways")
            .default_value(scene.seed)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("objects")
            .nick("Objects")
            .blurb("How many objects may be on their way at a time")
            .maximum(MOST_OBJECTS as u32)
            .default_value(scene.objects as u32)
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("camera", Camera::default())
            .nick("Camera")
            .blurb("How the camera behaves")
            .mutable_ready()
            .build(),
        glib::ParamSpecDouble::builder("noise")
            .nick("Sensor noise")
            .blurb("Standard deviation of the sensor's noise in 255ths of the range")
            .minimum(0.0)
            .maximum(MOST_NOISE)
            .default_value(scene.noise)
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("detections", Detections::default())
            .nick("Detections")
            .blurb("Which detections are attached besides the truth")
            .mutable_playing()
            .build(),
        part(
            "miss-rate",
            "Miss rate",
            "Share of the objects in plain sight that noisy detections miss",
            1.0,
            errors.miss_rate,
        ),
        part(
            "false-positives",
            "False positives",
            "How many noisy detections a frame, on average, are about nothing",
            MOST_FALSE_POSITIVES,
            errors.false_positives,
        ),
        part(
            "jitter",
            "Jitter",
            "Standard deviation of a noisy detection's edges, in parts of the box's size",
            1.0,
            errors.jitter,
        ),
        glib::ParamSpecBoolean::builder("is-live")
            .nick("Is live")
            .blurb("Makes each frame at its time, as a camera does, and cannot be sought in")
            .default_value(false)
            .mutable_ready()
            .build(),
    ]
}

impl Settings {
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        let number = || value.get::<f64>().unwrap_or_default();
        match name {
            "seed" => self.scene.seed = value.get().unwrap_or_default(),
            "objects" => self.scene.objects = value.get::<u32>().unwrap_or_default() as usize,
            "camera" => {
                self.scene.camera = match value.get::<Camera>().unwrap_or_default() {
                    Camera::Fixed => CameraMode::Fixed,
                    Camera::Ptz => CameraMode::Ptz,
                    Camera::Handheld => CameraMode::Handheld,
                    Camera::Cut => CameraMode::Cut,
                };
            }
            "noise" => self.scene.noise = number(),
            "detections" => self.detections = value.get().unwrap_or_default(),
            "miss-rate" => self.errors.miss_rate = number(),
            "false-positives" => self.errors.false_positives = number(),
            "jitter" => self.errors.jitter = number(),
            _ => unreachable!("GObject only passes declared properties"),
        }
    }

    pub(super) fn get(&self, name: &str) -> glib::Value {
        match name {
            "seed" => self.scene.seed.to_value(),
            "objects" => (self.scene.objects as u32).to_value(),
            "camera" => match self.scene.camera {
                CameraMode::Fixed => Camera::Fixed,
                CameraMode::Ptz => Camera::Ptz,
                CameraMode::Handheld => Camera::Handheld,
                CameraMode::Cut => Camera::Cut,
            }
            .to_value(),
            "noise" => self.scene.noise.to_value(),
            "detections" => self.detections.to_value(),
            "miss-rate" => self.errors.miss_rate.to_value(),
            "false-positives" => self.errors.false_positives.to_value(),
            "jitter" => self.errors.jitter.to_value(),
            _ => unreachable!("GObject only passes declared properties"),
        }
    }
}
