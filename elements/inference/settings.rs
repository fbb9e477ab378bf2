//! The values of `nvpinference`'s properties.

use std::path::PathBuf;
use std::sync::Arc;

use gst::glib;
use gst::prelude::*;

use super::when;
use super::{Cache, CostHint, Mode, PrecisionHint, ProviderPolicy, RegionSource};
use crate::cascade::Policy;
use crate::schedule::Schedule;

/// Property values, as set.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    /// What decides which model is loaded and how.
    pub(super) load: Load,
    pub(super) mode: Mode,
    pub(super) model_id: Option<Arc<str>>,
    pub(super) confidence: f32,
    pub(super) iou: f32,
    pub(super) max_detections: u32,
    pub(super) top_k: u32,
    pub(super) classes: String,
    pub(super) schedule: Schedule,
    /// Milliseconds.
    pub(super) max_age: u32,
    /// Milliseconds.
    pub(super) response_timeout: u32,
    pub(super) sharing: Sharing,
    pub(super) regions: Regions,
    pub(super) when: when::Settings,
}

/// How the model is shared with other elements.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sharing {
    pub(super) instance: Option<Arc<str>>,
    /// Milliseconds.
    pub(super) max_latency: u32,
    /// Frames; 0 for no limit.
    pub(super) queue_capacity: u32,
    pub(super) max_in_flight: u32,
    /// Milliseconds.
    pub(super) startup_timeout: u32,
}

impl Default for Sharing {
    fn default() -> Self {
        Self { instance: None, max_latency: 10, queue_capacity: 0, max_in_flight: 1, startup_timeout: 60_000 }
    }
}

/// The part of the settings that takes effect when the model is loaded.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Load {
    pub(super) model: Option<PathBuf>,
    pub(super) model_config: Option<PathBuf>,
    pub(super) labels: Option<PathBuf>,
    pub(super) onnxruntime: Option<PathBuf>,
    pub(super) threads: u32,
    /// Engines to load; 0 for as many as suit the machine.
    pub(super) workers: u32,
    pub(super) batch_size: u32,
    pub(super) provider: String,
    pub(super) policy: ProviderPolicy,
    pub(super) precision: PrecisionHint,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            model: None,
            model_config: None,
            labels: None,
            onnxruntime: None,
            threads: 0,
            workers: 0,
            batch_size: 8,
            provider: "auto".into(),
            policy: ProviderPolicy::default(),
            precision: PrecisionHint::default(),
        }
    }
}

/// What the model looks at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Regions {
    pub(super) source: RegionSource,
    /// Names or numbers; empty for all.
    pub(super) classes: Arc<[String]>,
    /// Pixels.
    pub(super) min_size: u32,
    pub(super) min_confidence: f32,
    pub(super) padding: f32,
    pub(super) policy: Policy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            load: Load::default(),
            mode: Mode::default(),
            model_id: None,
            confidence: 0.25,
            iou: 0.45,
            max_detections: 300,
            top_k: 1,
            classes: String::new(),
            schedule: Schedule::default(),
            max_age: 0,
            response_timeout: 0,
            sharing: Sharing::default(),
            regions: Regions {
                source: RegionSource::default(),
                classes: Arc::default(),
                min_size: 8,
                min_confidence: 0.0,
                padding: 0.0,
                policy: Policy { limit: 16, ..Policy::default() },
            },
            when: when::Settings::default(),
        }
    }
}

/// The most workers that are started unasked: each has a copy of the model.
const MOST_WORKERS: usize = 4;

/// What all elements that share an instance have to set alike.
const SHARED: [&str; 12] = [
    "model",
    "model-config",
    "labels",
    "onnxruntime",
    "provider",
    "provider-policy",
    "precision",
    "workers",
    "threads",
    "batch-size",
    "max-latency",
    "queue-capacity",
];

impl Load {
    /// How many engines to load, and the threads of one run of each, on a machine with `cores`.
    pub(super) fn arrangement(&self, mode: Mode, cores: usize) -> (usize, u32) {
        let workers = match (mode, self.workers) {
            (Mode::Async, _) => 1,
            (Mode::Sync, 0) if self.threads == 0 => cores.clamp(1, MOST_WORKERS),
            (Mode::Sync, 0) => (cores / self.threads as usize).clamp(1, MOST_WORKERS),
            (Mode::Sync, workers) => workers as usize,
        };
        let threads = if self.threads == 0 { (cores / workers).max(1) as u32 } else { self.threads };
        (workers, threads)
    }
}

/// What a property change asks of the element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Changed {
    /// Nothing but the next frame's parameters.
    Parameters,
    /// A model that is loaded already was loaded with the old value.
    Load,
    /// It counts from the next start on.
    Start,
}

impl Settings {
    /// These settings with what counts from the next start on as it was at `start`.
    pub(super) fn since(self, start: &Self) -> Self {
        let Self { load, regions, .. } = self.clone();
        let at_start = start.load.clone();
        Self {
            mode: start.mode,
            model_id: start.model_id.clone(),
            sharing: start.sharing.clone(),
            load: Load {
                onnxruntime: at_start.onnxruntime,
                workers: at_start.workers,
                threads: at_start.threads,
                batch_size: at_start.batch_size,
                ..load
            },
            regions: Regions { source: start.regions.source, ..regions },
            ..self
        }
    }

    /// How many engines to load, and the threads of one run of each, on a machine with `cores`. Those that share a
    /// model may run in either mode, so its workers do not depend on that.
    pub(super) fn arrangement(&self, cores: usize) -> (usize, u32) {
        let mode = if self.sharing.instance.is_some() { Mode::Sync } else { self.mode };
        self.load.arrangement(mode, cores)
    }

    /// True when a model that was loaded with `loaded` is what these settings ask for.
    pub(super) fn ask_for(&self, loaded: &Self) -> bool {
        self.sharing.instance == loaded.sharing.instance
            && (self.sharing.instance.is_some() || self.mode == loaded.mode)
            && self.differences(loaded).is_empty()
    }

    /// What is not as in `other` of all that those who share a model have to set alike, in words.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let differing = SHARED.iter().filter_map(|name| {
            let (ours, theirs) = (shown(&self.get(name)), shown(&other.get(name)));
            (ours != theirs).then(|| format!("{name} is {ours} here and {theirs} there"))
        });
        differing.collect()
    }

    /// Takes over from `other` what those who share a model have to set alike.
    pub(super) fn follow(&mut self, other: &Self) {
        self.load = other.load.clone();
        self.sharing.max_latency = other.sharing.max_latency;
        self.sharing.queue_capacity = other.sharing.queue_capacity;
    }

    /// Takes a property over. The names and types are those of [`properties`].
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) -> Changed {
        let string = || value.get::<Option<String>>().ok().flatten();
        let path = || string().filter(|s| !s.is_empty()).map(PathBuf::from);
        let number = || value.get::<u32>().unwrap_or_default();
        let ratio = || value.get::<f32>().unwrap_or_default();
        match name {
            "model" => self.load.model = path(),
            "model-config" => self.load.model_config = path(),
            "labels" => self.load.labels = path(),
            "model-id" => self.model_id = string().filter(|s| !s.is_empty()).map(Into::into),
            "onnxruntime" => self.load.onnxruntime = path(),
            "provider" => self.load.provider = string().unwrap_or_default(),
            "provider-policy" => self.load.policy = value.get().unwrap_or_default(),
            "precision" => self.load.precision = value.get().unwrap_or_default(),
            "mode" => self.mode = value.get().unwrap_or_default(),
            "workers" => self.load.workers = number(),
            "threads" => self.load.threads = number(),
            "batch-size" => self.load.batch_size = number(),
            "confidence" => self.confidence = ratio(),
            "iou" => self.iou = ratio(),
            "max-detections" => self.max_detections = number(),
            "top-k" => self.top_k = number(),
            "classes" => self.classes = string().unwrap_or_default(),
            "interval" => self.schedule.interval = number(),
            "max-fps" => self.schedule.max_fps = value.get().unwrap_or_default(),
            "max-age" => self.max_age = number(),
            "response-timeout" => self.response_timeout = number(),
            "model-instance" => self.sharing.instance = string().filter(|s| !s.is_empty()).map(Into::into),
            "max-latency" => self.sharing.max_latency = number(),
            "queue-capacity" => self.sharing.queue_capacity = number(),
            "max-in-flight" => self.sharing.max_in_flight = number(),
            "startup-timeout" => self.sharing.startup_timeout = number(),
            "run-when" => self.when.condition = string().unwrap_or_default(),
            "run-when-max-age" => self.when.max_age = number(),
            "run-when-hold" => self.when.hold = number(),
            "idle-timeout" => self.when.idle = number(),
            "cost" => self.schedule.cost = value.get::<CostHint>().unwrap_or_default().into(),
            "failure-threshold" => self.schedule.failure_threshold = number(),
            "retry-after" => self.schedule.retry_after = u64::from(number()) * 1_000_000,
            "region" => self.regions.source = value.get().unwrap_or_default(),
            "region-classes" => {
                let list = string().unwrap_or_default();
                let classes = list.split(',').map(str::trim).filter(|class| !class.is_empty());
                self.regions.classes = classes.map(str::to_owned).collect();
            }
            "region-min-size" => self.regions.min_size = number(),
            "region-min-confidence" => self.regions.min_confidence = ratio(),
            "region-padding" => self.regions.padding = ratio(),
            "region-limit" => self.regions.policy.limit = number() as usize,
            "reinfer-interval" => self.regions.policy.interval = number(),
            "reinfer-cache" => self.regions.policy.keep = value.get::<Cache>().unwrap_or_default().into(),
            _ => unreachable!("GObject only passes declared properties"),
        }
        match name {
            "model" | "model-config" | "labels" | "provider" | "provider-policy" | "precision" => {
                Changed::Load
            }
            "model-id" | "onnxruntime" | "mode" | "workers" | "threads" | "batch-size" | "region"
            | "model-instance" | "max-latency" | "queue-capacity" | "max-in-flight" | "startup-timeout" => {
                Changed::Start
            }
            _ => Changed::Parameters,
        }
    }

    /// The value of a property that can be set.
    pub(super) fn get(&self, name: &str) -> glib::Value {
        let path = |p: &Option<PathBuf>| p.as_ref().map(|p| p.to_string_lossy().into_owned()).to_value();
        match name {
            "model" => path(&self.load.model),
            "model-config" => path(&self.load.model_config),
            "labels" => path(&self.load.labels),
            "model-id" => self.model_id.as_deref().to_value(),
            "onnxruntime" => path(&self.load.onnxruntime),
            "provider" => self.load.provider.to_value(),
            "provider-policy" => self.load.policy.to_value(),
            "precision" => self.load.precision.to_value(),
            "mode" => self.mode.to_value(),
            "workers" => self.load.workers.to_value(),
            "threads" => self.load.threads.to_value(),
            "batch-size" => self.load.batch_size.to_value(),
            "confidence" => self.confidence.to_value(),
            "iou" => self.iou.to_value(),
            "max-detections" => self.max_detections.to_value(),
            "top-k" => self.top_k.to_value(),
            "classes" => self.classes.to_value(),
            "interval" => self.schedule.interval.to_value(),
            "max-fps" => self.schedule.max_fps.to_value(),
            "max-age" => self.max_age.to_value(),
            "response-timeout" => self.response_timeout.to_value(),
            "model-instance" => self.sharing.instance.as_deref().to_value(),
            "max-latency" => self.sharing.max_latency.to_value(),
            "queue-capacity" => self.sharing.queue_capacity.to_value(),
            "max-in-flight" => self.sharing.max_in_flight.to_value(),
            "startup-timeout" => self.sharing.startup_timeout.to_value(),
            "run-when" => self.when.condition.to_value(),
            "run-when-max-age" => self.when.max_age.to_value(),
            "run-when-hold" => self.when.hold.to_value(),
            "idle-timeout" => self.when.idle.to_value(),
            "cost" => CostHint::from(self.schedule.cost).to_value(),
            "failure-threshold" => self.schedule.failure_threshold.to_value(),
            "retry-after" => ((self.schedule.retry_after / 1_000_000) as u32).to_value(),
            "region" => self.regions.source.to_value(),
            "region-classes" => self.regions.classes.join(",").to_value(),
            "region-min-size" => self.regions.min_size.to_value(),
            "region-min-confidence" => self.regions.min_confidence.to_value(),
            "region-padding" => self.regions.padding.to_value(),
            "region-limit" => (self.regions.policy.limit as u32).to_value(),
            "reinfer-interval" => self.regions.policy.interval.to_value(),
            "reinfer-cache" => Cache::from(self.regions.policy.keep).to_value(),
            _ => unreachable!("GObject only passes declared properties"),
        }
    }
}

/// A property's value as one would write it.
fn shown(value: &glib::Value) -> String {
    if let Ok(text) = value.get::<Option<String>>() {
        return text.unwrap_or_else(|| "not set".to_owned());
    }
    if let Some((_, choice)) = glib::EnumValue::from_value(value) {
        return choice.nick().to_owned();
    }
    value.serialize().map_or_else(|_| "unknown".to_owned(), |text| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_the_cores() {
        let load = |workers, threads| Load { workers, threads, ..Load::default() };
        assert_eq!(load(0, 0).arrangement(Mode::Sync, 2), (2, 1));
        assert_eq!(load(0, 0).arrangement(Mode::Sync, 16), (4, 4));
        assert_eq!(load(0, 4).arrangement(Mode::Sync, 8), (2, 4));
        assert_eq!(load(3, 0).arrangement(Mode::Sync, 2), (3, 1));
        assert_eq!(load(3, 0).arrangement(Mode::Async, 2), (1, 2));
        assert_eq!(load(0, 0).arrangement(Mode::Sync, 1), (1, 1));
    }

    #[test]
    fn those_who_share_a_model_hear_what_differs() {
        let one = Settings::default();
        let mut other = one.clone();
        other.set("confidence", &0.9f32.to_value());
        other.set("mode", &Mode::Async.to_value());
        assert_eq!(one.differences(&other), [""; 0]);
        other.set("model", &"a.onnx".to_value());
        other.set("precision", &PrecisionHint::F32.to_value());
        other.set("max-latency", &20u32.to_value());
        let expected = [
            "model is not set here and a.onnx there",
            "precision is auto here and f32 there",
            "max-latency is 10 here and 20 there",
        ];
        assert_eq!(one.differences(&other), expected);
        assert!(!one.ask_for(&other));
        other.follow(&one);
        assert_eq!(one.differences(&other), [""; 0]);
    }
}
