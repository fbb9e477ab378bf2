//! Where a frame came from and what each stage did to it.

use std::sync::Arc;

/// How a stage ended for one frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The stage did its work.
    #[default]
    Ok,
    /// The stage left the frame alone on purpose: "interval", say.
    Skipped(Arc<str>),
    /// The stage tried and failed: "model", "map", ...
    Failed(Arc<str>),
}

/// What one stage did to one frame. Times are nanoseconds on the process's monotonic clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// The element's name.
    pub element: Arc<str>,
    /// SHA-256 of the model in lower-case hex, when the stage ran one.
    pub model_sha256: Option<Arc<str>>,
    /// The execution provider that ran the model: "CPUExecutionProvider", say.
    pub provider: Option<Arc<str>>,
    /// The number of the settings in force, which rises with each change; 0 when the stage does not count them.
    pub generation: u32,
    /// When the stage began with this frame.
    pub start: u64,
    /// When it was done with it.
    pub end: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// Where a frame came from: what the first element that saw it knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The feed's id: the stream id unless a property names it.
    pub feed: Arc<str>,
    /// The frame's number in the feed, from 0.
    pub sequence: u64,
    /// When the element received the frame: nanoseconds since the Unix epoch.
    pub received: u64,
}

/// A frame's origin and history. Each element appends its own stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The feed's id: the stream id unless a property names it.
    pub feed: Arc<str>,
    /// The frame's number in the feed as counted by the first element that saw it, from 0.
    pub sequence: u64,
    /// When the first element received the frame: nanoseconds since the Unix epoch.
    pub received: u64,
    /// The stages in the order they worked.
    pub stages: Vec<Stage>,
}
