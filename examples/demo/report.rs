//! What the demo tells while it runs and at its end.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstnvperception::meta::{DetectionMeta, ProvenanceMeta, TrackMeta, TracksRef};
use gstnvperception::stats::Histogram;
use gstnvperception::track::TrackState;

/// How often progress is told on a terminal, where the line is rewritten, and elsewhere.
const OFTEN: Duration = Duration::from_millis(250);
const SELDOM: Duration = Duration::from_secs(5);
/// Elements whose work on a frame is timed between their pads.
const TIMED: [&str; 3] = ["track", "publish", "draw"];

#[derive(Default)]
struct Seen {
    frames: u64,
    detections: usize,
    confirmed: BTreeSet<u64>,
    scene: Histogram,
    /// By element of [`TIMED`]: when its last frame came, and how long frames took.
    timed: [(Option<Instant>, Histogram); TIMED.len()],
    /// The drawn frames so far end with this one.
    picture: Option<gst::Sample>,
    wanted: u64,
}

pub(super) struct Report {
    seen: Arc<Mutex<Seen>>,
    infer: gst::Element,
    started: Instant,
    /// CPU time of the process when the first frame was on its way.
    cpu: Duration,
    told: Instant,
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().expect("counting does not panic")
}

fn pad(pipeline: &gst::Pipeline, element: &str, name: &str) -> gst::Pad {
    let element = pipeline.by_name(element).expect("the launch line names it");
    element.static_pad(name).expect("it has this pad")
}

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

impl Report {
    /// Counts what leaves the tracker, times the elements, and keeps a frame that has been drawn on.
    pub(super) fn watch(pipeline: &gst::Pipeline) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let probe = |element: &str, name: &str, look: fn(&mut Seen, &gst::Pad, &gst::Buffer)| {
            let seen = seen.clone();
            pad(pipeline, element, name).add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
                if let Some(buffer) = info.buffer() {
                    look(&mut lock(&seen), pad, buffer);
                }
                gst::PadProbeReturn::Ok
            });
        };
        probe("track", "sink", |seen, _, _| seen.timed[0].0 = Some(Instant::now()));
        probe("track", "src", |seen, _, buffer| {
            seen.end(0);
            seen.count(buffer);
        });
        probe("publish", "sink", |seen, _, _| seen.timed[1].0 = Some(Instant::now()));
        probe("publish", "src", |seen, _, _| seen.end(1));
        probe("draw", "sink", |seen, _, _| seen.timed[2].0 = Some(Instant::now()));
        probe("draw", "src", |seen, pad, buffer| {
            seen.end(2);
            seen.keep(pad, buffer);
        });
        let infer = pipeline.by_name("infer").expect("the launch line names it");
        let now = Instant::now();
        Self { seen, infer, started: now, cpu: cpu(), told: now }
    }

    /// Tells what the model was understood as.
    pub(super) fn hear(&mut self, message: &gst::message::Element) {
        let Some(loaded) = message.structure().filter(|s| s.name() == "nvp-model-loaded") else { return };
        println!("model: {}", loaded.get::<String>("summary").unwrap_or_default());
        (self.started, self.cpu) = (Instant::now(), cpu());
    }

    /// One line, rewritten on a terminal.
    pub(super) fn progress(&mut self, pipeline: &gst::Pipeline) {
        let terminal = std::io::stdout().is_terminal();
        let frames = lock(&self.seen).frames;
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

    /// A table of what was seen and where the time went.
    pub(super) fn summary(&self) -> String {
        let seen = lock(&self.seen);
        let seconds = self.started.elapsed().as_secs_f64();
        let all = (cpu() - self.cpu).as_secs_f64() * 1e3 / seen.frames.max(1) as f64;
        let stats = self.infer.property::<gst::Structure>("stats");
        let of_model = |name: &str| stats.get::<u64>(name).unwrap_or_default();
        let mut times = vec![("make the scene", seen.scene.quantile(0.5))];
        times.extend(
            [("preprocess", "preprocess-p50"), ("run the model", "run-p50"), ("decode", "decode-p50")]
                .map(|(what, name)| (what, of_model(name))),
        );
        times.extend(TIMED.iter().zip(&seen.timed).map(|(what, (_, times))| (*what, times.quantile(0.5))));
        let mut text = String::from("\n");
        let mut row = |what: &str, value: String| text.push_str(&format!("  {what:<24}{value:>10}\n"));
        row("frames", seen.frames.to_string());
        row("detections", seen.detections.to_string());
        row("confirmed tracks", seen.confirmed.len().to_string());
        row("frames/s", format!("{:.1}", seen.frames as f64 / seconds));
        row("ms a frame (median)", String::new());
        for (what, time) in times.iter().filter(|(_, time)| *time > 0) {
            row(&format!("  {what}"), format!("{:.2}", *time as f64 / 1e6));
        }
        row("CPU ms a frame, all in", format!("{all:.2}"));
        text
    }

    /// A frame from the middle, as far as one was drawn.
    pub(super) fn picture(&self) -> Option<gst::Sample> {
        lock(&self.seen).picture.take()
    }
}

impl Seen {
    fn count(&mut self, buffer: &gst::BufferRef) {
        self.frames += 1;
        self.detections += DetectionMeta::all(buffer).map(|found| found.items().len()).sum::<usize>();
        let tracks = TrackMeta::get(buffer);
        let tracks = tracks.iter().flat_map(TracksRef::items);
        self.confirmed.extend(tracks.filter(|t| t.state == TrackState::Confirmed).map(|t| t.id));
        let made = ProvenanceMeta::get(buffer).and_then(|p| p.stages().find(|s| s.element() == "scene"));
        if let Some(made) = made {
            self.scene.record(made.end() - made.start());
        }
    }

    fn end(&mut self, element: usize) {
        let (came, times) = &mut self.timed[element];
        if let Some(came) = came.take() {
            times.record(came.elapsed().as_nanos() as u64);
        }
    }

    /// Keeps frames ever more rarely: the last one is from between the middle and the end.
    fn keep(&mut self, pad: &gst::Pad, buffer: &gst::Buffer) {
        if self.frames < self.wanted {
            return;
        }
        self.wanted = self.frames * 2;
        // Copied once in a while: the encoder is to get its buffer for itself.
        let copy = buffer.copy_deep().ok();
        let caps = pad.current_caps();
        self.picture = copy.zip(caps).map(|(b, caps)| gst::Sample::builder().buffer(&b).caps(&caps).build());
    }
}
