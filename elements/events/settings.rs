//! The properties of `nvpevents`.

use gst::glib;
use gst::prelude::*;

const DEFAULT_TTL: u64 = 1_000_000_000;

/// The properties' values.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// A path, or JSON.
    pub(super) rules: Option<String>,
    pub(super) watch: bool,
    pub(super) signal_ttl: u64,
    pub(super) signal_store: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rules: None, watch: false, signal_ttl: DEFAULT_TTL, signal_store: true }
    }
}

impl Settings {
    /// Takes over a property other than `stats`, whose type is the declared one.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        match name {
            "rules" => {
                self.rules =
                    value.get::<Option<String>>().unwrap_or_default().filter(|text| !text.is_empty());
            }
            "watch" => self.watch = value.get().unwrap_or_default(),
            "signal-ttl" => self.signal_ttl = value.get().unwrap_or(DEFAULT_TTL),
            "signal-store" => self.signal_store = value.get().unwrap_or(true),
            _ => unreachable!("GObject only passes declared properties"),
        }
    }

    /// The value of a property other than `stats`.
    pub(super) fn get(&self, name: &str) -> glib::Value {
        match name {
            "rules" => self.rules.to_value(),
            "watch" => self.watch.to_value(),
            "signal-ttl" => self.signal_ttl.to_value(),
            "signal-store" => self.signal_store.to_value(),
            _ => unreachable!("GObject only asks for declared properties"),
        }
    }
}

pub(super) fn properties() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    vec![
        glib::ParamSpecString::builder("rules")
            .nick("Rules")
            .blurb("Path of a rule file, or rules as JSON; without any nothing is decided")
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("watch")
            .nick("Watch")
            .blurb("Read the rule file again whenever it has changed (default false)")
            .default_value(default.watch)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt64::builder("signal-ttl")
            .nick("Signal time to live")
            .blurb("How long the facts of a frame hold for others, in nanoseconds (default 1 s)")
            .default_value(default.signal_ttl)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("signal-store")
            .nick("Signal store")
            .blurb("Share signals with the other elements of the pipeline (default true)")
            .default_value(default.signal_store)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Counts of frames, of those without tracks and without time, of events, of conditions that held too briefly (cancelled), of tracks that there was no room for (refused) and of signals likewise, of rules applied (generation) and rejected, and the time of a step in nanoseconds as p50, p95 and p99")
            .read_only()
            .build(),
    ]
}
