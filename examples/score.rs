//! Scores the tracker against the truth of `nvptestsrc` while the pipeline runs: `score OUT [SECONDS [SETTING...]]`
//!
//! | setting | what it does |
//! |---|---|
//! | `seed=N` | plays one scene instead of five |
//! | `rate=N` | makes N frames a second instead of 25 |
//! | `drop=N` | takes N percent of the frames away before the tracker, chosen at random |
//! | `view=true` | tells the tracker how the camera really moves |
//! | `view=seen` | lets `nvpviewstate` tell it, on pictures of 640x360 |
//! | `model=M` | puts `nvpinference` in place of noisy detections |
//! | `tracker.NAME=VALUE` | goes to `nvptracker`, every other setting to `nvptestsrc` |
//!
//! OUT gets each run's truth and tracks as MOTChallenge text, in folders that
//! `eval_mot.py OUT/results --suite OUT/truth --per-seq` reads.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstnvperception::geometry::BBox;
use gstnvperception::homography::{compose, inverse};
use gstnvperception::meta::{TrackMeta, TruthMeta, ViewMeta};
use gstnvperception::scene::LEAST_VISIBLE;
use gstnvperception::score::Scorer;
use gstnvperception::view::{Motion, MotionSource, View};

/// What boxes are written in. The truth is the same for every size: without a model the pictures are smaller.
const WIDTH: f32 = 1280.0;
const HEIGHT: f32 = 720.0;

/// What is played.
struct Options {
    seconds: u32,
    seeds: Vec<u64>,
    rate: u32,
    drop: u64,
    view: bool,
    seen: bool,
    model: Option<String>,
    source: String,
    tracker: String,
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self, Box<dyn Error>> {
        let seconds = arguments.first().map_or(Ok(60), |text| text.parse())?;
        let (seeds, source, tracker) = ((1..6).collect(), String::new(), String::new());
        let mut options = Self {
            seconds,
            seeds,
            rate: 25,
            drop: 0,
            view: false,
            seen: false,
            model: None,
            source,
            tracker,
        };
        for setting in arguments.iter().skip(1) {
            let (name, value) =
                setting.split_once('=').ok_or_else(|| format!("{setting} is not NAME=VALUE"))?;
            match name {
                "seed" => options.seeds = vec![value.parse()?],
                "rate" => options.rate = value.parse()?,
                "drop" => options.drop = value.parse()?,
                "view" if value == "seen" => options.seen = true,
                "view" => options.view = value.parse()?,
                "model" => options.model = Some(value.into()),
                _ => match setting.strip_prefix("tracker.") {
                    Some(property) => write!(options.tracker, " {property}")?,
                    None => write!(options.source, " {setting}")?,
                },
            }
        }
        Ok(options)
    }

    fn frames(&self) -> u32 {
        self.seconds * self.rate
    }

    fn pipeline(&self, seed: u64) -> String {
        let Self { rate, source, tracker, .. } = self;
        let (noise, (width, height), detect) = match &self.model {
            Some(model) => ("", (WIDTH, HEIGHT), format!("! nvpinference model={model}")),
            None if self.seen => ("detections=noisy", (640.0, 360.0), "! nvpviewstate".into()),
            None => ("detections=noisy", (32.0, 18.0), String::new()),
        };
        format!(
            "nvptestsrc name=source seed={seed} {noise} num-buffers={}{source} \
             ! video/x-raw,width={width},height={height},framerate={rate}/1 {detect} \
             ! nvptracker name=track{tracker} ! fakesink",
            self.frames()
        )
    }
}

/// What lies between the camera and the tracker: lost frames, and the truth about the camera's moves.
struct Way {
    seed: u64,
    drop: u64,
    view: bool,
    /// Where the last frame that came through looked, as [`TrueView::to_scene`](gstnvperception::scene::TrueView).
    last: Option<[f64; 9]>,
}

impl Way {
    fn pass(&mut self, buffer: &mut gst::Buffer) -> gst::PadProbeReturn {
        let Some(truth) = TruthMeta::get(buffer) else { return gst::PadProbeReturn::Ok };
        let (frame, to_scene) = (truth.frame(), truth.view().to_scene);
        if chance(self.seed, frame) < self.drop {
            return gst::PadProbeReturn::Drop;
        }
        if self.view {
            let to_previous = self.last.and_then(|last| Some(compose(&inverse(&last)?, &to_scene)));
            let motion = if self.last == Some(to_scene) { Motion::Stable } else { Motion::Moving };
            let view = View {
                motion,
                source: MotionSource::External,
                confidence: 1.0,
                to_previous: to_previous.map(|h| h.map(|v| v as f32)),
                to_reference: Some(to_scene.map(|v| v as f32)),
                ..View::default()
            };
            ViewMeta::set(buffer.make_mut(), view);
        }
        self.last = Some(to_scene);
        gst::PadProbeReturn::Ok
    }
}

/// A number below 100 that looks random (the finaliser of SplitMix64).
fn chance(seed: u64, frame: u64) -> u64 {
    let mut z = (seed << 32 | frame).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % 100
}

/// What a run leaves behind.
#[derive(Default)]
struct Run {
    scorer: Scorer,
    truth: String,
    tracks: String,
}

impl Run {
    /// Looks at one frame behind the tracker.
    fn see(&mut self, buffer: &gst::BufferRef) -> Option<()> {
        let (truth, tracks) = (TruthMeta::get(buffer)?, TrackMeta::get(buffer)?);
        let frame = truth.frame() + 1;
        for index in self.scorer.frame(truth.objects(), tracks.items(), WIDTH / HEIGHT) {
            let track = &tracks.items()[*index];
            row(&mut self.tracks, frame, track.id, &track.bbox, track.confidence, "-1,-1,-1");
        }
        for object in truth.objects().iter().filter(|object| object.visibility >= LEAST_VISIBLE) {
            row(&mut self.truth, frame, object.id, &object.bbox, 1.0, "1,1");
        }
        Some(())
    }
}

fn row(text: &mut String, frame: u64, id: u64, b: &BBox, confidence: f32, rest: &str) {
    let (x, y, w, h) = (b.x_min * WIDTH, b.y_min * HEIGHT, b.width() * WIDTH, b.height() * HEIGHT);
    writeln!(text, "{frame},{id},{x:.4},{y:.4},{w:.4},{h:.4},{confidence:.3},{rest}").expect("text grows");
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, rest @ ..] = arguments.as_slice() else {
        return Err("usage: score OUT [SECONDS [SETTING...]]".into());
    };
    let options = Options::read(rest)?;
    gst::init()?;
    gstnvperception::plugin_register_static()?;
    println!(
        "| run | MOTA | IDF1 | switches | misses | false positives | objects | object-minutes | position error |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for seed in &options.seeds {
        let name = format!("seed-{seed}");
        let run = play(&options, *seed)?;
        let mut run = run.lock().expect("looking does not panic");
        let s = run.scorer.scores();
        let minutes = f64::from(options.seconds) / 60.0 * s.objects as f64 / s.frames.max(1) as f64;
        println!(
            "| {name} | {:.2} | {:.2} | {} | {} | {} | {} | {minutes:.2} | {:.3} |",
            100.0 * s.mota,
            100.0 * s.idf1,
            s.switches,
            s.misses,
            s.false_positives,
            s.objects,
            s.position_error
        );
        write(Path::new(out), &name, &options, &run)?;
    }
    Ok(())
}

fn play(options: &Options, seed: u64) -> Result<Arc<Mutex<Run>>, Box<dyn Error>> {
    let pipeline = gst::parse::launch(&options.pipeline(seed))?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
    let run = Arc::new(Mutex::new(Run::default()));
    let looking = run.clone();
    let behind = |name: &str| pipeline.by_name(name).and_then(|element| element.static_pad("src"));
    let way = Mutex::new(Way { seed, drop: options.drop, view: options.view, last: None });
    let source = behind("source").ok_or("no source")?;
    source.add_probe(gst::PadProbeType::BUFFER, move |_, info| match info.buffer_mut() {
        Some(buffer) => way.lock().expect("passing does not panic").pass(buffer),
        None => gst::PadProbeReturn::Ok,
    });
    let pad = behind("track").ok_or("no tracker")?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer() {
            looking.lock().expect("looking does not panic").see(buffer);
        }
        gst::PadProbeReturn::Ok
    });
    // When this fails, the reason is on the bus.
    let _ = pipeline.set_state(gst::State::Playing);
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().ok_or("no bus")?.timed_pop_filtered(gst::ClockTime::NONE, &ends);
    pipeline.set_state(gst::State::Null)?;
    match end.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(error.error().message().into()),
        _ => Ok(run),
    }
}

fn write(out: &Path, name: &str, options: &Options, run: &Run) -> Result<(), Box<dyn Error>> {
    let (truth, results) = (out.join("truth/scene").join(name), out.join("results/scene"));
    fs::create_dir_all(truth.join("gt"))?;
    fs::create_dir_all(&results)?;
    let info = format!(
        "[Sequence]\nname={name}\nframeRate={}\nseqLength={}\nimWidth={WIDTH}\nimHeight={HEIGHT}\n",
        options.rate,
        options.frames()
    );
    fs::write(truth.join("seqinfo.ini"), info)?;
    fs::write(truth.join("gt/gt.txt"), &run.truth)?;
    fs::write(results.join(name).with_extension("txt"), &run.tracks)?;
    Ok(())
}
