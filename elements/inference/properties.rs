//! The properties of `nvpinference`, as `gst-inspect-1.0` shows them.

use gst::glib;
use gst::glib::translate::{FromGlib, IntoGlib};
use gst::prelude::*;

use super::settings::{Regions, Settings};
use super::{Cache, CostHint};

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
    let all = [
        model_properties(),
        sharing_properties(),
        result_properties(),
        time_properties(),
        region_properties(),
        told(),
    ];
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
            "Most pictures in one run of a model whose batch is open: regions of a frame, frames of a batch, or frames of those who share the model",
            (1, 1024),
            load.batch_size,
            Ready,
        ),
    ]
}

/// With whom the model is shared, and how.
fn sharing_properties() -> Vec<glib::ParamSpec> {
    use When::{Playing, Ready};
    let Settings { sharing, response_timeout, .. } = Settings::default();
    vec![
        text(
            "model-instance",
            "Model instance",
            "Name under which elements of this process share one loaded model; default: the model is this element's own",
            None,
            Ready,
        ),
        count(
            "max-latency",
            "Maximum latency",
            "Milliseconds that a frame waits at most for those of others to be in one run of a shared model with it",
            (0, 10_000),
            sharing.max_latency,
            Ready,
        ),
        count(
            "queue-capacity",
            "Queue capacity",
            "Frames waiting for a shared model from which on it turns frames of mode=async away; their streams are let in first, in their order (0 = no limit: each stream has one there at most)",
            (0, 65_536),
            sharing.queue_capacity,
            Ready,
        ),
        count(
            "max-in-flight",
            "Maximum in flight",
            "Buffers of this element that wait for or are in a shared model at once, in mode=sync",
            (1, 64),
            sharing.max_in_flight,
            Ready,
        ),
        count(
            "startup-timeout",
            "Startup timeout",
            "Milliseconds to wait for a shared model that another element is loading, beyond which it is an error (0 = no limit)",
            (0, 3_600_000),
            sharing.startup_timeout,
            Ready,
        ),
        count(
            "response-timeout",
            "Response timeout",
            "Milliseconds that a buffer waits for its result, beyond which it goes on without it (0 = no limit)",
            (0, 3_600_000),
            response_timeout,
            Playing,
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
    let Settings { schedule, max_age, when, .. } = Settings::default();
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
        text(
            "run-when",
            "Run when",
            "Condition over fresh signals and facts of the frame under which it is inferred, as in \"motion.active > 0\" or \"detections.count.person > 0\"; empty = always",
            Some(""),
            Playing,
        ),
        count(
            "run-when-max-age",
            "Run when: maximum age",
            "Milliseconds after which a signal of another frame no longer counts in run-when, however long it holds by itself (0 = no limit of this kind)",
            (0, 3_600_000),
            when.max_age,
            Playing,
        ),
        count(
            "run-when-hold",
            "Run when: hold",
            "Milliseconds for which frames are inferred after run-when held last",
            (0, 3_600_000),
            when.hold,
            Playing,
        ),
        count(
            "idle-timeout",
            "Idle timeout",
            "Milliseconds after the last frame that was inferred after which one is, whatever run-when says (0 = never)",
            (0, 86_400_000),
            when.idle,
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
            "Failures in a row after which the model is switched off while video flows on (0 = the first one is an error that ends the stream, or for a stream in batches a warning for each reason until a frame of it does not fail)",
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
            .blurb("Counts of frames (in, inferred, skipped and dropped by reason) and times in nanoseconds as p50, p95 and p99; instance-... for all who share the model")
            .read_only()
            .build(),
    ]
}
