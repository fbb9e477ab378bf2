//! What the demo tells while it runs and at its end.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstnvperception::meta::{DetectionMeta, TrackMeta, TracksRef};
use gstnvperception::track::TrackState;

/// How often progress is told on a terminal, where the line is rewritten, and elsewhere.
const OFTEN: Duration = Duration::from_millis(250);
const SELDOM: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Seen {
    frames: u64,
    detections: usize,
    confirmed: BTreeSet<u64>,
}

pub(super) struct Report {
    seen: Arc<Mutex<Seen>>,
    infer: gst::Element,
    model: String,
    started: Instant,
    told: Instant,
}

impl Report {
    /// Counts what leaves the tracker.
    pub(super) fn watch(pipeline: &gst::Pipeline) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let named = |name| pipeline.by_name(name).expect("the launch line names it");
        let pad = named("track").static_pad("src").expect("it has a source pad");
        let counted = seen.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(buffer) = info.buffer() {
                count(&mut counted.lock().expect("counting does not panic"), buffer);
            }
            gst::PadProbeReturn::Ok
        });
        let now = Instant::now();
        Self { seen, infer: named("infer"), model: String::new(), started: now, told: now }
    }

    /// Remembers what the model was understood as.
    pub(super) fn hear(&mut self, message: &gst::message::Element) {
        let Some(loaded) = message.structure().filter(|s| s.name() == "nvp-model-loaded") else { return };
        self.model = loaded.get("summary").unwrap_or_default();
        println!("model: {}", self.model);
        self.started = Instant::now();
    }

    /// One line, rewritten on a terminal.
    pub(super) fn progress(&mut self, pipeline: &gst::Pipeline) {
        let terminal = std::io::stdout().is_terminal();
        let frames = self.seen.lock().expect("counting does not panic").frames;
        if frames == 0 || self.told.elapsed() < if terminal { OFTEN } else { SELDOM } {
            return;
        }
        self.told = Instant::now();
        let position = pipeline.query_position::<gst::ClockTime>().unwrap_or_default();
        let length = pipeline.query_duration::<gst::ClockTime>().filter(|d| !d.is_zero());
        let percent = length.map(|d| 100 * position.nseconds() / d.nseconds());
        let percent = percent.map_or_else(String::new, |p| format!("{:3} %, ", p.min(100)));
        let speed = frames as f64 / self.started.elapsed().as_secs_f64();
        let line = format!("{percent}{frames} frames, {speed:.1} frames/s");
        if terminal {
            print!("\r{line}   ");
            let _ = std::io::stdout().flush();
        } else {
            println!("{line}");
        }
    }

    /// Ends the progress line.
    pub(super) fn finish(&mut self) {
        if std::io::stdout().is_terminal() {
            print!("\r\x1b[K");
        }
    }

    pub(super) fn summary(&self) -> String {
        let seen = self.seen.lock().expect("counting does not panic");
        let seconds = self.started.elapsed().as_secs_f64();
        let stats = self.infer.property::<gst::Structure>("stats");
        let ms = |name: &str| stats.get::<u64>(name).unwrap_or_default() as f64 / 1e6;
        format!(
            "{} frames in {seconds:.1} s ({:.1} frames/s), {} detections, {} confirmed tracks\n\
             per frame (median): preprocess {:.2} ms, model {:.2} ms, decode {:.2} ms",
            seen.frames,
            seen.frames as f64 / seconds,
            seen.detections,
            seen.confirmed.len(),
            ms("preprocess-p50"),
            ms("run-p50"),
            ms("decode-p50"),
        )
    }
}

fn count(seen: &mut Seen, buffer: &gst::BufferRef) {
    seen.frames += 1;
    seen.detections += DetectionMeta::all(buffer).map(|found| found.items().len()).sum::<usize>();
    let tracks = TrackMeta::get(buffer);
    let tracks = tracks.iter().flat_map(TracksRef::items);
    seen.confirmed.extend(tracks.filter(|t| t.state == TrackState::Confirmed).map(|t| t.id));
}
