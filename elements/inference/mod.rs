//! `nvpinference`: runs an ONNX model on the frames that pass, or on the objects in them.
//!
//! Reads raw video (see the pad templates for the formats; no `videoconvert` or `videoscale` is needed
//! before it), of one stream or of several in batches, and adds [`DetectionMeta`](crate::meta::DetectionMeta) and a
//! provenance stage to every frame it infers:
//!
//! ```text
//! gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! nvpinference model=yolox_nano.onnx \
//!     ! nvpoverlay ! videoconvert ! autovideosink
//! ```
//!
//! # The model
//! It is understood when the element goes to READY, before any frame: its family, input size, colour
//! order, normalisation, resizing and class names come from the properties, from a description beside it
//! (`MODEL.json` or `MODEL.onnx.json`, or `model-config`), from its own ONNX metadata, and from its shapes, in this order. See
//! [`crate::model`] for the families: detectors, segmentation (masks), pose (keypoints), oriented boxes, classifiers
//! and embeddings. A dry run then checks it. What was assumed is one line of the log at
//! level INFO and one element message `nvp-model-loaded`; what is ambiguous is an error that names the
//! choices. `cargo run --example nvperception-model -- FILE` tells the same without a pipeline.
//!
//! `model=builtin:testscene` is a small detector that is part of the plugin (persons, bicycles, cars and buses, 320x192).
//! It was trained on the scene of `nvptestsrc` and knows nothing else: on real video it finds nothing of use.
//!
//! ```text
//! gst-launch-1.0 nvptestsrc ! nvpinference model=builtin:testscene ! nvpoverlay ! videoconvert ! autovideosink
//! ```
//!
//! # Objects instead of frames
//! With `region=detections` or `region=tracks` the model looks at each object that elements before this one have found
//! (`region-classes`, `region-min-size` and `region-min-confidence` choose among them), cut from the frame's own planes.
//! Its results are a list of their own under its `model-id`, each with its parent. At most `region-limit` objects have
//! their turn on one frame, those that wait longest first. Of a track a look serves `reinfer-interval` more frames: the
//! last one, or the one at the best picture (`reinfer-cache`).
//!
//! ```text
//! gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! nvpinference model=yolo11n.onnx ! nvptracker \
//!     ! nvpinference model=osnet.onnx region=tracks region-classes=person reinfer-interval=25 \
//!     ! nvppublish location=out.jsonl embeddings=true ! fakesink
//! ```
//!
//! # Several streams
//! Elements of one process, in one pipeline or in many, share a loaded model under the name `model-instance`: the first
//! one loads it (the others wait for that, for `startup-timeout` at most), the last one to go to NULL unloads it. What
//! decides how it is loaded has to be the same on all of them (an error says what is not): `model`,
//! `model-config`, `labels`, `onnxruntime`, `provider`, `provider-policy`, `precision`, `workers`, `threads`, `batch-size`,
//! `max-latency` and `queue-capacity`. Everything else is each element's own.
//!
//! ```text
//! gst-launch-1.0 \
//!     rtspsrc location=rtsp://door ! decodebin ! nvpinference model=yolox_nano.onnx model-instance=people ! fakesink \
//!     rtspsrc location=rtsp://yard ! decodebin ! nvpinference model=yolox_nano.onnx model-instance=people ! fakesink
//! ```
//!
//! Frames wait in one queue, oldest first, each element with `max-in-flight` of its own (one unless set), so all
//! have the same share of the model. Where the model takes several pictures a run, a batch of up to `batch-size` leaves
//! when it is full, when all who take part are in it, or `max-latency` after its first frame began to wait. With several
//! workers a batch is a worker's share of the streams. A user that is silent is waited for once, one that hangs
//! downstream, flushes, stops or leaves holds nobody up. With `mode=sync` a frame waits for its turn, however long the
//! queue; with `mode=async` a stream has one there at most, and one that finds `queue-capacity` frames in it is not
//! inferred (`queue`): its stream is let in before those that were turned away later. A buffer whose result takes longer
//! than `response-timeout` goes on without (`timeout`). A run that fails is done again with each frame alone,
//! so only those are marked that the model fails on. Setting `model` (or what belongs to it) on one of the elements
//! while they play changes it for all of them, their properties included.
//!
//! `stats` tells of all users together: `instance-users`, `-batches`, `-runs` of the model, `-pictures` in them,
//! `-fill-ratio` (pictures to the room there was), `-submitted`, `-rejected`, `-timed-out`, `-in-flight`, and
//! `-formation-p50`, `-p95`, `-p99` and `-processing-...` in nanoseconds.
//!
//! Batch buffers, as `nvpbatchmux` makes them, are inferred in one run, too, or in as many as `batch-size` and the
//! model ask for. Each frame has its own results and provenance; `interval`, `max-fps` and
//! `failure-threshold` count in each stream. A failure there never ends the stream of batches: it is a warning with the
//! name of its stream, once for each reason until a frame of it does not fail. Frames of a stream that cannot be read pass (`format`).
//!
//! # Two ways to run
//! `mode=sync`: frames enter a bounded line, `workers` infer them side by side (each with a copy of the model), and they
//! leave in their order with the events and queries between them. A full line blocks upstream, so nothing is dropped.
//! The latency answer holds the time that buffers are measured to wait for the results of all of their frames. As many frames on one thread each are faster than one frame on
//! all threads; `workers=1` has the shorter latency.
//!
//! `mode=async`: every buffer goes on at once. The newest one is inferred beside the stream, and its result goes with the
//! next buffer, with the PTS of its source and its age, over which `nvptracker` predicts. A slow model makes results
//! rarer and older, never the video late.
//!
//! Either way `interval`, `max-fps`, `max-age` and `cost` choose the frames, and `failure-threshold` and `retry-after`
//! say what failures lead to. Every frame that is not inferred has its reason in its provenance and in `stats`:
//! `gap`, `interval`, `rate`, `age`, `backoff`, `disabled`, `no-region`, `queue`, `timeout`, `format`, `condition`. With `mode=async`
//! one that goes on without a result says `async`; `busy` counts those that gave way to a newer one in the mailbox, and
//! `superseded` results that no frame carries because a newer one came first. In `stats` all that becomes of frames
//! (`inferred`, `failed`, `superseded`, `skipped-...`, `dropped-...`) adds up to `frames-in`, but for those on their way.
//!
//! # Running when it matters
//! With `run-when` the model looks only at frames on which a condition holds, over what the frame itself tells and over the
//! signals of the pipeline while they are fresh (`run-when-max-age` makes that shorter), for `run-when-hold` after, and at one
//! frame when it has looked at none for `idle-timeout`. [`Condition::parse`](crate::rules::Condition::parse) says how it is
//! written. What is stale or not known makes a comparison false.
//!
//! | name | |
//! |---|---|
//! | `detections.count`, `detections.count.CLASS` | what models before this one have found on the frame; not known when none has looked |
//! | `tracks.count`, `tracks.count.CLASS` | tracks of the frame |
//! | `view.valid`, `view.moving`, `view.stability` | what `nvpviewstate` says of it |
//! | any other | a signal: of the frame, else of the pipeline, as `motion.active` of `nvpmotion` or the facts of `nvpevents`; with `ELEMENT:` before it that of one element |
//!
//! Spaces in names of classes are written `_`. A cheap model lets an expensive one run:
//!
//! ```text
//! gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! nvpmotion detections=false \
//!     ! nvpinference model=yolox_nano.onnx run-when='motion.active > 0' idle-timeout=10000 ! nvptracker \
//!     ! nvpinference model=yolo11x-seg.onnx run-when='tracks.count.person > 0' ! nvpoverlay ! videoconvert ! autovideosink
//! ```
//!
//! `stats` counts those left out as `skipped-condition`, and `idle` those inferred for `idle-timeout`.
//!
//! # Changes while playing
//! `model`, `model-config`, `labels`, `provider` and `precision` load the model anew beside the stream, also when the
//! same file is set again; it takes over between two frames. One that cannot be loaded leaves the old one running:
//! a warning and `nvp-model-rejected` say why. Each change raises `generation`, which is in each frame's provenance.
//!
//! # ONNX Runtime
//! The library is loaded at run time, once for the whole process. It is looked for in: the property
//! `onnxruntime`, the variable `ORT_DYLIB_PATH`, the plugin's own folder,
//! `${XDG_DATA_HOME:-~/.local/share}/nvperception/` (where `make deps` puts it), and the system's libraries.
//!
//! `provider=openvino` needs the library of the Python wheel `onnxruntime-openvino` (`make deps PROVIDER=openvino` puts it
//! into the folder `openvino` there: set `onnxruntime` to it). It runs on x86-64 CPUs of any maker, in f32 unless
//! `precision=bf16` is set, which takes a CPU with AVX-512. What is listed and cannot be had is an error, or with
//! `provider-policy=prefer` a warning and `nvp-provider-missing`; `active-provider` tells what runs.
//!
//! On x86-64 CPUs with AVX2 and without AVX-512 the SiLU between the convolutions of YOLO models is this plugin's own, in
//! place of ONNX Runtime's: faster, and exact to the last bits where that gives 0 below -18. Models with numbers in other
//! files, or of more than 256 MiB, and f16 are run as they are.
//!
//! # Messages
//! `nvp-model-loaded` with the fields `model`, `sha256`, `family`, `task`, `provider`, `runtime` and `summary` (strings),
//! `width`, `height`, `classes`, `workers`, `batch` (the most pictures in one run) and `generation` (guint),
//! `assumptions` (a list of strings), `dry-run` (guint64, nanoseconds) and, for a shared model, `instance` (string). `nvp-model-rejected` with `model`, `reason` (strings) and `generation` (guint).
//! `nvp-model-disabled` with `model`, `reason` (strings), `failures` (guint) and `retry-after` (guint64, nanoseconds);
//! `nvp-model-enabled` with `model` when it works again; both with `stream`, its name, where batches flow. `nvp-provider-missing` with `reason` and `active` (strings).
//! `nvp-model-nonfinite` when outputs are NaN or infinite (once a stream, with `candidates`, the
//! number of those left out of the first such frame).

use gst::glib;
use gst::prelude::*;

mod builtin;
mod deliver;
mod engine;
mod flow;
mod imp;
mod instance;
mod loader;
mod mailbox;
mod model;
mod onnx;
mod pool;
mod properties;
mod regions;
mod settings;
mod sink;
mod source;
mod stats;
mod streams;
mod task;
mod trouble;
mod when;
mod worker;

use crate::{cascade, schedule};

/// When a result reaches the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpInferenceMode")]
pub enum Mode {
    /// With its own frame.
    #[default]
    #[enum_value(name = "Each buffer waits for its own result", nick = "sync")]
    Sync,
    /// With a later one.
    #[enum_value(
        name = "Buffers go on at once; the newest is inferred, its result goes with the next buffer",
        nick = "async"
    )]
    Async,
}

/// What a model looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpInferenceRegion")]
pub enum RegionSource {
    /// The picture.
    #[default]
    #[enum_value(name = "The whole frame", nick = "frame")]
    Frame,
    /// What detectors before this element found.
    #[enum_value(name = "Each detected object", nick = "detections")]
    Detections,
    /// What a tracker before this element follows.
    #[enum_value(name = "Each confirmed track", nick = "tracks")]
    Tracks,
}

/// What follows a run that took more than twice its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpInferenceCost")]
pub enum CostHint {
    /// Nothing.
    #[default]
    #[enum_value(name = "No pause", nick = "low")]
    Low,
    /// A short pause.
    #[enum_value(name = "A pause of 100 ms", nick = "medium")]
    Medium,
    /// A long pause.
    #[enum_value(name = "A pause of 500 ms", nick = "high")]
    High,
}

/// Which look at a track serves until the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpInferenceCache")]
pub enum Cache {
    /// The last.
    #[default]
    #[enum_value(name = "The most recent look", nick = "recent")]
    Recent,
    /// The best.
    #[enum_value(name = "The look at the largest and most certain picture", nick = "best")]
    Best,
}

/// What happens when a provider is not to be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpInferenceProviderPolicy")]
pub enum ProviderPolicy {
    /// An error.
    #[default]
    #[enum_value(name = "An error when none of the list can be had", nick = "require")]
    Require,
    /// A warning.
    #[enum_value(
        name = "A warning and the message nvp-provider-missing; the provider without the precision, or the CPU, runs the model",
        nick = "prefer"
    )]
    Prefer,
}

/// The type that an engine computes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpInferencePrecision")]
pub enum PrecisionHint {
    /// As the model says.
    #[default]
    #[enum_value(name = "As the model says", nick = "auto")]
    Auto,
    /// 32 bits.
    #[enum_value(name = "32-bit floats", nick = "f32")]
    F32,
    /// 16 bits with the range of 32.
    #[enum_value(name = "bfloat16: OpenVINO on a CPU with AVX-512", nick = "bf16")]
    Bf16,
    /// 16 bits.
    #[enum_value(name = "16-bit floats", nick = "f16")]
    F16,
}

impl From<CostHint> for schedule::Cost {
    fn from(hint: CostHint) -> Self {
        match hint {
            CostHint::Low => Self::Low,
            CostHint::Medium => Self::Medium,
            CostHint::High => Self::High,
        }
    }
}

impl From<schedule::Cost> for CostHint {
    fn from(cost: schedule::Cost) -> Self {
        match cost {
            schedule::Cost::Low => Self::Low,
            schedule::Cost::Medium => Self::Medium,
            schedule::Cost::High => Self::High,
        }
    }
}

impl From<Cache> for cascade::Keep {
    fn from(cache: Cache) -> Self {
        match cache {
            Cache::Recent => Self::Recent,
            Cache::Best => Self::Best,
        }
    }
}

impl From<cascade::Keep> for Cache {
    fn from(keep: cascade::Keep) -> Self {
        match keep {
            cascade::Keep::Recent => Self::Recent,
            cascade::Keep::Best => Self::Best,
        }
    }
}

glib::wrapper! {
    /// See the [module's page](self).
    pub struct NvpInference(ObjectSubclass<imp::NvpInference>) @extends gst::Element, gst::Object;
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "nvpinference", gst::Rank::NONE, NvpInference::static_type())
}
