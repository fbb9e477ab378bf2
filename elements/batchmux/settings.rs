//! The properties of `nvpbatchmux`.

use gst::glib;
use gst::prelude::*;

use super::Sync;
use crate::batch::Policy;

const NS_PER_MS: u64 = 1_000_000;
const MOST_FRAMES: u32 = 1024;
/// Ten minutes.
const MOST_MS: u32 = 600_000;

/// Property values, as set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    batch_size: u32,
    /// Milliseconds, as the tolerance and the silence.
    max_latency: u32,
    sync: Sync,
    tolerance: u32,
    queue_size: u32,
    silence: u32,
    pub(super) keep_alive: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch_size: 0,
            max_latency: 40,
            sync: Sync::None,
            tolerance: 20,
            queue_size: 2,
            silence: 2000,
            keep_alive: false,
        }
    }
}

pub(super) fn properties() -> Vec<glib::ParamSpec> {
    let defaults = Settings::default();
    let number = |name: &'static str, nick: &'static str, blurb: &'static str, range: (u32, u32), default| {
        glib::ParamSpecUInt::builder(name)
            .nick(nick)
            .blurb(blurb)
            .minimum(range.0)
            .maximum(range.1)
            .default_value(default)
            .mutable_playing()
            .build()
    };
    vec![
        number(
            "batch-size",
            "Batch size",
            "Most frames in a batch, one of a stream at most (0 = as many as there are streams; default 0)",
            (0, MOST_FRAMES),
            defaults.batch_size,
        ),
        number(
            "max-latency",
            "Maximum latency",
            "Milliseconds from the first waiting frame until a batch leaves with what is there (default 40)",
            (0, MOST_MS),
            defaults.max_latency,
        ),
        glib::ParamSpecEnum::builder_with_default("sync", defaults.sync)
            .nick("Synchronisation")
            .blurb("Which frames may leave together (default none)")
            .mutable_playing()
            .build(),
        number(
            "sync-tolerance",
            "Tolerance of sync=pts",
            "How far the running times of a batch's frames may be apart with sync=pts, in milliseconds (default 20)",
            (0, MOST_MS),
            defaults.tolerance,
        ),
        number(
            "queue-size",
            "Queue size",
            "Most frames of a stream that wait: then a live stream loses its oldest one and any other has to wait (default 2)",
            (1, MOST_FRAMES),
            defaults.queue_size,
        ),
        number(
            "silence",
            "Silence",
            "Milliseconds without a frame after which a stream is reported as silent and not waited for (0 = never; default 2000)",
            (0, MOST_MS),
            defaults.silence,
        ),
        glib::ParamSpecBoolean::builder("keep-alive")
            .nick("Keep alive")
            .blurb("Go on when the last stream has ended, and wait for others (default false)")
            .default_value(defaults.keep_alive)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Counts of batches and frames, accepted, served and dropped by reason, in all and by stream, the share of the batches' places that was filled, and the time that batches took to form in nanoseconds as p50, p95 and p99")
            .read_only()
            .build(),
    ]
}

impl Settings {
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        let number = || value.get::<u32>().unwrap_or_default();
        match name {
            "batch-size" => self.batch_size = number(),
            "max-latency" => self.max_latency = number(),
            "sync" => self.sync = value.get().unwrap_or_default(),
            "sync-tolerance" => self.tolerance = number(),
            "queue-size" => self.queue_size = number(),
            "silence" => self.silence = number(),
            "keep-alive" => self.keep_alive = value.get().unwrap_or_default(),
            _ => unreachable!("GObject only passes declared properties"),
        }
    }

    pub(super) fn get(&self, name: &str) -> glib::Value {
        match name {
            "batch-size" => self.batch_size.to_value(),
            "max-latency" => self.max_latency.to_value(),
            "sync" => self.sync.to_value(),
            "sync-tolerance" => self.tolerance.to_value(),
            "queue-size" => self.queue_size.to_value(),
            "silence" => self.silence.to_value(),
            "keep-alive" => self.keep_alive.to_value(),
            _ => unreachable!("GObject only passes declared properties"),
        }
    }

    pub(super) fn policy(&self) -> Policy {
        let ns = |ms: u32| u64::from(ms) * NS_PER_MS;
        Policy {
            batch_size: self.batch_size as usize,
            max_latency: ns(self.max_latency),
            tolerance: (self.sync == Sync::Pts).then(|| ns(self.tolerance)),
            capacity: self.queue_size as usize,
            silence: ns(self.silence),
        }
    }

    /// The most frames of a stream that are held at once: those that wait, one in a batch and one that has just come.
    pub(super) fn held(&self) -> u32 {
        self.queue_size + 2
    }

    pub(super) fn max_latency(&self) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(self.max_latency.into())
    }
}
