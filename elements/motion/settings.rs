//! The properties of `nvpmotion`.

use std::sync::Arc;

use gst::glib;
use gst::prelude::*;

use super::Gate;
use crate::gate::Times;
use crate::motion::{Parameters, polygons};

const SECOND: u64 = 1_000_000_000;
/// The class, and what the model and the signals are called unless they are named.
pub(super) const NAME: &str = "motion";

/// The properties' values.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) parameters: Parameters,
    /// The polygons to ignore, as they were written.
    ignore: Arc<str>,
    /// What is wrong with those that were set before the start.
    pub(super) fault: Option<Arc<str>>,
    pub(super) detections: bool,
    pub(super) model_id: Arc<str>,
    pub(super) signal_prefix: Arc<str>,
    pub(super) signal_ttl: u64,
    pub(super) signal_store: bool,
    pub(super) gate: Gate,
    pub(super) times: Times,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            parameters: Parameters::default(),
            ignore: Arc::default(),
            fault: None,
            detections: true,
            model_id: NAME.into(),
            signal_prefix: NAME.into(),
            signal_ttl: SECOND,
            signal_store: true,
            gate: Gate::default(),
            times: Times { hold: 2 * SECOND, idle: 0 },
        }
    }
}

impl Settings {
    /// Takes over a property other than `stats`, whose type is the declared one.
    ///
    /// # Errors
    /// What is wrong with the value; the former one stays.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), String> {
        let seconds = || value.get::<u64>().unwrap_or_default() as f64 / SECOND as f64;
        let text = || value.get::<Option<String>>().unwrap_or_default().unwrap_or_default();
        let named = || Some(text()).filter(|text| !text.is_empty()).map_or(NAME.into(), Into::into);
        match name {
            "threshold" => self.parameters.threshold = value.get().unwrap_or_default(),
            "settle" => self.parameters.settle = seconds(),
            "adapt" => self.parameters.adapt = seconds(),
            "min-size" => self.parameters.min_size = value.get().unwrap_or_default(),
            "max-regions" => self.parameters.max_regions = value.get::<u32>().unwrap_or_default() as usize,
            "ignore" => {
                let text = text();
                self.parameters.ignore =
                    polygons(&text).map_err(|wrong| format!("Property ignore: {wrong}"))?;
                (self.ignore, self.fault) = (text.into(), None);
            }
            "detections" => self.detections = value.get().unwrap_or_default(),
            "model-id" => self.model_id = named(),
            "signal-prefix" => self.signal_prefix = named(),
            "signal-ttl" => self.signal_ttl = value.get().unwrap_or_default(),
            "signal-store" => self.signal_store = value.get().unwrap_or_default(),
            "gate" => self.gate = value.get().unwrap_or_default(),
            "gate-hold" => self.times.hold = value.get().unwrap_or_default(),
            "gate-interval" => self.times.idle = value.get().unwrap_or_default(),
            _ => unreachable!("GObject only passes declared properties"),
        }
        Ok(())
    }

    /// The value of a property other than `stats`.
    pub(super) fn get(&self, name: &str) -> glib::Value {
        let ns = |seconds: f64| (seconds * SECOND as f64).round() as u64;
        match name {
            "threshold" => self.parameters.threshold.to_value(),
            "settle" => ns(self.parameters.settle).to_value(),
            "adapt" => ns(self.parameters.adapt).to_value(),
            "min-size" => self.parameters.min_size.to_value(),
            "max-regions" => (self.parameters.max_regions as u32).to_value(),
            "ignore" => self.ignore.to_value(),
            "detections" => self.detections.to_value(),
            "model-id" => self.model_id.to_value(),
            "signal-prefix" => self.signal_prefix.to_value(),
            "signal-ttl" => self.signal_ttl.to_value(),
            "signal-store" => self.signal_store.to_value(),
            "gate" => self.gate.to_value(),
            "gate-hold" => self.times.hold.to_value(),
            "gate-interval" => self.times.idle.to_value(),
            _ => unreachable!("GObject only asks for declared properties"),
        }
    }
}

pub(super) fn properties() -> Vec<glib::ParamSpec> {
    [detection(), output(), gate()].into_iter().flatten().collect()
}

fn time(
    name: &'static str,
    nick: &'static str,
    blurb: &'static str,
    least: u64,
    default: u64,
) -> glib::ParamSpec {
    let builder = glib::ParamSpecUInt64::builder(name).nick(nick).blurb(blurb);
    builder.minimum(least).default_value(default).mutable_playing().build()
}

/// What counts as motion.
fn detection() -> Vec<glib::ParamSpec> {
    let Parameters { threshold, settle, adapt, min_size, max_regions, .. } = Parameters::default();
    let ns = |seconds: f64| (seconds * SECOND as f64) as u64;
    vec![
        glib::ParamSpecFloat::builder("threshold")
            .nick("Threshold")
            .blurb("Least difference from the background, in luma of 0 to 255; noise and misplaced edges are let off on top (default 12)")
            .minimum(1.0)
            .maximum(255.0)
            .default_value(threshold)
            .mutable_playing()
            .build(),
        time(
            "settle",
            "Settle",
            "What differs and stays as it is for so long becomes background, in nanoseconds (default 3 s)",
            0,
            ns(settle),
        ),
        time(
            "adapt",
            "Adapt",
            "Time constant with which the background follows slow changes, in nanoseconds (default 10 s)",
            1,
            ns(adapt),
        ),
        glib::ParamSpecFloat::builder("min-size")
            .nick("Minimum size")
            .blurb("Least part of the picture that changes in a region, 0 to 1 (default 0.0004)")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(min_size)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("max-regions")
            .nick("Maximum regions")
            .blurb("Most regions that are told, the largest first; all count for the level (default 50)")
            .minimum(1)
            .maximum(1000)
            .default_value(max_regions as u32)
            .mutable_playing()
            .build(),
        glib::ParamSpecString::builder("ignore")
            .nick("Ignore")
            .blurb("Polygons in which nothing is seen, as x,y in units of the frame: \"0,0 0.3,0 0.3,0.1 0,0.1; ...\" (default none)")
            .default_value("")
            .mutable_playing()
            .build(),
    ]
}

/// What is attached and shared.
fn output() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    let name = |name: &'static str, nick: &'static str, blurb: &'static str| {
        let builder = glib::ParamSpecString::builder(name).nick(nick).blurb(blurb);
        builder.default_value(NAME).mutable_ready().build()
    };
    vec![
        glib::ParamSpecBoolean::builder("detections")
            .nick("Detections")
            .blurb("Attach the regions as detections (default true)")
            .default_value(default.detections)
            .mutable_playing()
            .build(),
        name("model-id", "Model id", "What the detections' model is called (default motion)"),
        name("signal-prefix", "Signal prefix", "What the signals' names begin with (default motion)"),
        time(
            "signal-ttl",
            "Signal time to live",
            "How long the signals of a frame hold for others, in nanoseconds (default 1 s)",
            0,
            default.signal_ttl,
        ),
        glib::ParamSpecBoolean::builder("signal-store")
            .nick("Signal store")
            .blurb("Share signals with the other elements of the pipeline (default true)")
            .default_value(default.signal_store)
            .mutable_ready()
            .build(),
    ]
}

/// What becomes of still frames, and what was counted.
fn gate() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    vec![
        glib::ParamSpecEnum::builder_with_default("gate", default.gate)
            .nick("Gate")
            .blurb("What becomes of frames on which nothing moves (default open)")
            .mutable_playing()
            .build(),
        time(
            "gate-hold",
            "Gate hold",
            "How long after motion frames still count as moving, in nanoseconds (default 2 s)",
            0,
            default.times.hold,
        ),
        time(
            "gate-interval",
            "Gate interval",
            "A frame passes when none has for so long, in nanoseconds (0 = never, default 0)",
            0,
            default.times.idle,
        ),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Counts of frames, of those with motion, of those where it is not known, of those that could not be read, of regions, of frames flagged and dropped by the gate and of those that passed it for gate-interval, and the time of a step in nanoseconds as p50, p95 and p99")
            .read_only()
            .build(),
    ]
}
