//! The properties of `nvpinference`.

use std::path::PathBuf;
use std::sync::Arc;

use gst::glib;
use gst::glib::translate::{FromGlib, IntoGlib};
use gst::prelude::*;

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
    pub(super) regions: Regions,
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
            regions: Regions {
                source: RegionSource::default(),
                classes: Arc::default(),
                min_size: 8,
                min_confidence: 0.0,
                padding: 0.0,
                policy: Policy { limit: 16, ..Policy::default() },
            },
        }
    }
}

/// The most workers that are started unasked: each has a copy of the model.
const MOST_WORKERS: usize = 4;

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

/// When a property may change.
#[derive(Clone, Copy)]
enum When {
    Ready,
    Playing,
}

macro_rules! finish {
    ($builder:expr, $when:expr) => {
        match $when {
            When::Ready => $builder.mutable_ready().build(),
            When::Playing => $builder.mutable_playing().build(),
        }
    };
}

fn text(name: &str, nick: &str, blurb: &str, default: Option<&str>, when: When) -> glib::ParamSpec {
    finish!(glib::ParamSpecString::builder(name).nick(nick).blurb(blurb).default_value(default), when)
}

fn count(
    name: &str,
    nick: &str,
    blurb: &str,
    range: (u32, u32),
    default: u32,
    when: When,
) -> glib::ParamSpec {
    let builder = glib::ParamSpecUInt::builder(name).nick(nick).blurb(blurb);
    finish!(builder.minimum(range.0).maximum(range.1).default_value(default), when)
}

fn ratio(name: &str, nick: &str, blurb: &str, default: f32) -> glib::ParamSpec {
    let builder = glib::ParamSpecFloat::builder(name).nick(nick).blurb(blurb);
    builder.minimum(0.0).maximum(1.0).default_value(default).mutable_playing().build()
}

fn choice<T>(name: &str, nick: &str, blurb: &str, default: T, when: When) -> glib::ParamSpec
where
    T: StaticType + FromGlib<i32> + IntoGlib<GlibType = i32>,
{
    let builder = glib::ParamSpecEnum::builder_with_default(name, default).nick(nick).blurb(blurb);
    finish!(builder, when)
}

pub(super) fn properties() -> Vec<glib::ParamSpec> {
    let all = [model_properties(), result_properties(), time_properties(), region_properties(), told()];
    all.into_iter().flatten().collect()
}

/// Which model, and how it runs.
fn model_properties() -> Vec<glib::ParamSpec> {
    use When::{Playing, Ready};
    let Settings { load, mode, .. } = Settings::default();
    vec![
        text(
            "model",
            "Model",
            "Path of the ONNX model, or builtin:testscene for the detector of nvptestsrc's scene (required)",
            None,
            Playing,
        ),
        text(
            "model-config",
            "Model description",
            "Path of the model's JSON description; default: MODEL.json or MODEL.onnx.json beside the model, when it exists",
            None,
            Playing,
        ),
        text(
            "labels",
            "Labels",
            "Path of a text file with one class name a line; default: from the model",
            None,
            Playing,
        ),
        text(
            "model-id",
            "Model id",
            "What the model is called in its results; default: its file's name without folder and extension",
            None,
            Ready,
        ),
        text(
            "onnxruntime",
            "ONNX Runtime",
            "Path of libonnxruntime.so or of the folder that holds it; default: ORT_DYLIB_PATH, beside the \
             plugin, ~/.local/share/nvperception, the system",
            None,
            Ready,
        ),
        text(
            "provider",
            "Provider",
            "Engines of ONNX Runtime to run the model with, the first usable one of a list: cpu, openvino, cuda, tensorrt; auto is cpu",
            Some(&load.provider),
            Playing,
        ),
        choice(
            "provider-policy",
            "Provider policy",
            "What happens when the first provider of the list, or the precision, is not to be had",
            load.policy,
            Playing,
        ),
        choice(
            "precision",
            "Precision",
            "The type that the engine computes in; auto is what the model says",
            load.precision,
            Playing,
        ),
        choice(
            "mode",
            "Mode",
            "Whether a buffer waits for its own result, or goes on at once and carries the last one",
            mode,
            Ready,
        ),
        count(
            "workers",
            "Workers",
            "Frames in the model at once in mode=sync, each with a copy of the model (0 = as many as suit the machine, up to 4)",
            (0, 64),
            load.workers,
            Ready,
        ),
        count(
            "threads",
            "Threads",
            "Threads that one run of the model uses (0 = the machine's cores divided by the workers)",
            (0, 256),
            load.threads,
            Ready,
        ),
        count(
            "batch-size",
            "Batch size",
            "Most regions in one run of a model whose batch is open",
            (1, 1024),
            load.batch_size,
            Ready,
        ),
    ]
}

/// What of the results is kept.
fn result_properties() -> Vec<glib::ParamSpec> {
    use When::Playing;
    let default = Settings::default();
    vec![
        ratio(
            "confidence",
            "Confidence",
            "Lowest confidence of a detection or class that is kept, 0 to 1",
            default.confidence,
        ),
        ratio(
            "iou",
            "IoU",
            "Overlap (IoU, 0 to 1) above which the weaker of two detections of a class is dropped; unused by end-to-end models",
            default.iou,
        ),
        count(
            "max-detections",
            "Maximum detections",
            "Detections kept per picture, the most confident first",
            (1, 10_000),
            default.max_detections,
            Playing,
        ),
        count(
            "top-k",
            "Top k",
            "Classes that a classifier gives per picture, the most confident first",
            (1, 1000),
            default.top_k,
            Playing,
        ),
        text(
            "classes",
            "Classes",
            "Class names or numbers to keep, separated by commas; empty = all",
            Some(""),
            Playing,
        ),
    ]
}

/// Which frames are inferred.
fn time_properties() -> Vec<glib::ParamSpec> {
    use When::Playing;
    let Settings { schedule, max_age, .. } = Settings::default();
    let rate = glib::ParamSpecDouble::builder("max-fps")
        .nick("Maximum rate")
        .blurb("Most buffers that are inferred in a second of stream time; the others pass without detections (0 = no limit)")
        .minimum(0.0)
        .maximum(1000.0)
        .default_value(schedule.max_fps)
        .mutable_playing();
    vec![
        count(
            "interval",
            "Interval",
            "Buffers to leave out after each one that is inferred (0 = infer every buffer)",
            (0, u32::MAX),
            schedule.interval,
            Playing,
        ),
        rate.build(),
        count(
            "max-age",
            "Maximum age",
            "Milliseconds after its time on the clock beyond which a buffer is not inferred (0 = no limit)",
            (0, 3_600_000),
            max_age,
            Playing,
        ),
        choice(
            "cost",
            "Cost",
            "Pause after a run that took more than twice the time between frames to infer",
            CostHint::default(),
            Playing,
        ),
        count(
            "failure-threshold",
            "Failure threshold",
            "Failures in a row after which the model is switched off while video flows on (0 = the first one is an error that ends the stream)",
            (0, 1_000_000),
            schedule.failure_threshold,
            Playing,
        ),
        count(
            "retry-after",
            "Retry after",
            "Milliseconds after which a model that was switched off is tried again (0 = never)",
            (0, 86_400_000),
            0,
            Playing,
        ),
    ]
}

/// Cascades.
fn region_properties() -> Vec<glib::ParamSpec> {
    use When::{Playing, Ready};
    let Regions { source, min_size, min_confidence, policy, .. } = Settings::default().regions;
    let padding = glib::ParamSpecFloat::builder("region-padding")
        .nick("Region padding")
        .blurb("What is added to a region on each side, in units of its width and height")
        .minimum(0.0)
        .maximum(2.0)
        .mutable_playing();
    vec![
        choice("region", "Region", "What the model looks at", source, Ready),
        text(
            "region-classes",
            "Region classes",
            "Class names or numbers of the objects to look at, separated by commas; empty = all",
            Some(""),
            Playing,
        ),
        count(
            "region-min-size",
            "Region minimum size",
            "Width and height in pixels below which an object is not looked at",
            (1, 65_535),
            min_size,
            Playing,
        ),
        ratio(
            "region-min-confidence",
            "Region minimum confidence",
            "Confidence below which an object is not looked at, 0 to 1",
            min_confidence,
        ),
        padding.build(),
        count(
            "region-limit",
            "Region limit",
            "Most objects to look at on one frame; the others take their turn on the next ones (0 = all)",
            (0, 10_000),
            policy.limit as u32,
            Playing,
        ),
        count(
            "reinfer-interval",
            "Reinfer interval",
            "Frames for which what was said of a track serves before it is looked at again (0 = none)",
            (0, u32::MAX),
            policy.interval,
            Playing,
        ),
        choice(
            "reinfer-cache",
            "Reinfer cache",
            "Which look at a track serves until the next",
            Cache::default(),
            Playing,
        ),
    ]
}

/// What is only told.
fn told() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecString::builder("active-provider")
            .nick("Active provider")
            .blurb("The engine that runs the model, by ONNX Runtime's name; NULL before the model is loaded")
            .read_only()
            .build(),
        glib::ParamSpecUInt::builder("generation")
            .nick("Generation")
            .blurb("Number of the settings in force: it rises with each change that applies and is in each frame's provenance")
            .read_only()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Counts of frames (in, inferred, skipped and dropped by reason) and times in nanoseconds as p50, p95 and p99")
            .read_only()
            .build(),
    ]
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
            "model-id" | "onnxruntime" | "mode" | "workers" | "threads" | "batch-size" | "region" => {
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
}
