//! The properties of `nvpinference`.

use std::path::PathBuf;

use gst::glib;
use gst::prelude::*;

/// Property values, as set.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    /// What decides which model is loaded and how.
    pub(super) load: Load,
    pub(super) confidence: f32,
    pub(super) iou: f32,
    pub(super) max_detections: u32,
    pub(super) classes: String,
    pub(super) interval: u32,
}

/// The part of the settings that takes effect when the model is loaded.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Load {
    pub(super) model: Option<PathBuf>,
    pub(super) model_config: Option<PathBuf>,
    pub(super) labels: Option<PathBuf>,
    pub(super) onnxruntime: Option<PathBuf>,
    pub(super) threads: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            load: Load::default(),
            confidence: 0.25,
            iou: 0.45,
            max_detections: 300,
            classes: String::new(),
            interval: 0,
        }
    }
}

pub(super) fn properties() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    let path = |name: &'static str, nick: &'static str, blurb: &'static str| {
        glib::ParamSpecString::builder(name).nick(nick).blurb(blurb).mutable_ready().build()
    };
    vec![
        path("model", "Model", "Path of the ONNX model, or builtin:testscene for the detector of nvptestsrc's scene (required)"),
        path(
            "model-config",
            "Model description",
            "Path of the model's JSON description; default: MODEL.json or MODEL.onnx.json beside the model, when it exists",
        ),
        path("labels", "Labels", "Path of a text file with one class name a line; default: from the model"),
        path(
            "onnxruntime",
            "ONNX Runtime",
            "Path of libonnxruntime.so or of the folder that holds it; default: ORT_DYLIB_PATH, beside the \
             plugin, ~/.local/share/nvperception, the system",
        ),
        glib::ParamSpecUInt::builder("threads")
            .nick("Threads")
            .blurb("Threads that one run of the model uses (0 = as many as there are cores)")
            .maximum(256)
            .default_value(default.load.threads)
            .mutable_ready()
            .build(),
        glib::ParamSpecFloat::builder("confidence")
            .nick("Confidence")
            .blurb("Lowest confidence of a detection that is kept, 0 to 1")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(default.confidence)
            .mutable_playing()
            .build(),
        glib::ParamSpecFloat::builder("iou")
            .nick("IoU")
            .blurb("Overlap (IoU, 0 to 1) above which the weaker of two detections of a class is dropped; unused by end-to-end models")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(default.iou)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("max-detections")
            .nick("Maximum detections")
            .blurb("Detections kept per frame, the most confident first")
            .minimum(1)
            .maximum(10_000)
            .default_value(default.max_detections)
            .mutable_playing()
            .build(),
        glib::ParamSpecString::builder("classes")
            .nick("Classes")
            .blurb("Class names or numbers to keep, separated by commas; empty = all")
            .default_value(Some(""))
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("interval")
            .nick("Interval")
            .blurb("Buffers to leave out after each one that is inferred (0 = infer every buffer)")
            .default_value(default.interval)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Counts of frames (in, inferred, skipped and dropped by reason) and times in nanoseconds as p50, p95 and p99")
            .read_only()
            .build(),
    ]
}

/// What a property change asks of the element.
#[derive(PartialEq)]
pub(super) enum Changed {
    /// Nothing but the next frame's parameters.
    Parameters,
    /// A model that is loaded already was loaded with the old value.
    Load,
}

impl Settings {
    /// Takes a property over. The names and types are those of [`properties`].
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) -> Changed {
        let path =
            || value.get::<Option<String>>().ok().flatten().filter(|s| !s.is_empty()).map(PathBuf::from);
        let number = || value.get::<u32>().unwrap_or_default();
        let ratio = || value.get::<f32>().unwrap_or_default();
        match name {
            "model" => self.load.model = path(),
            "model-config" => self.load.model_config = path(),
            "labels" => self.load.labels = path(),
            "onnxruntime" => self.load.onnxruntime = path(),
            "threads" => self.load.threads = number(),
            "confidence" => self.confidence = ratio(),
            "iou" => self.iou = ratio(),
            "max-detections" => self.max_detections = number(),
            "classes" => self.classes = value.get::<Option<String>>().ok().flatten().unwrap_or_default(),
            "interval" => self.interval = number(),
            _ => unreachable!("GObject only passes declared properties"),
        }
        match name {
            "model" | "model-config" | "labels" | "onnxruntime" | "threads" => Changed::Load,
            _ => Changed::Parameters,
        }
    }

    /// The value of a property other than `stats`.
    pub(super) fn get(&self, name: &str) -> glib::Value {
        let path = |p: &Option<PathBuf>| p.as_ref().map(|p| p.to_string_lossy().into_owned()).to_value();
        match name {
            "model" => path(&self.load.model),
            "model-config" => path(&self.load.model_config),
            "labels" => path(&self.load.labels),
            "onnxruntime" => path(&self.load.onnxruntime),
            "threads" => self.load.threads.to_value(),
            "confidence" => self.confidence.to_value(),
            "iou" => self.iou.to_value(),
            "max-detections" => self.max_detections.to_value(),
            "classes" => self.classes.to_value(),
            "interval" => self.interval.to_value(),
            _ => unreachable!("GObject only passes declared properties"),
        }
    }
}
