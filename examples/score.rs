//! Scores the tracker against the truth of `nvptestsrc` while the pipeline runs: `score OUT [SECONDS [PROPERTIES...]]`
//!
//! PROPERTIES go to `nvptestsrc`, five seeds are played unless one of them is `seed=N`, and `model=M` puts
//! `nvpinference` in place of noisy detections. OUT gets each run's truth and tracks as MOTChallenge text, in folders
//! that `eval_mot.py OUT/results --suite OUT/truth --per-seq` reads.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstnvperception::geometry::BBox;
use gstnvperception::meta::{TrackMeta, TruthMeta};
use gstnvperception::scene::LEAST_VISIBLE;
use gstnvperception::score::Scorer;

const WIDTH: f32 = 1280.0;
const HEIGHT: f32 = 720.0;
const RATE: u32 = 25;

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
        return Err("usage: score OUT [SECONDS [PROPERTIES...]]".into());
    };
    let seconds = rest.first().map_or(Ok(60), |text| text.parse::<u32>())?;
    let (models, properties): (Vec<&String>, Vec<&String>) =
        rest.iter().skip(1).partition(|property| property.starts_with("model="));
    let properties: String = properties.into_iter().map(|p| format!("{p} ")).collect();
    gst::init()?;
    gstnvperception::plugin_register_static()?;
    println!("| run | MOTA | IDF1 | switches | misses | false positives | objects | position error |");
    println!("|---|---|---|---|---|---|---|---|");
    let chosen = properties.split_whitespace().find_map(|p| p.strip_prefix("seed=")).map(str::parse::<u64>);
    let seeds = chosen.transpose()?.map_or_else(|| (1..6).collect(), |seed| vec![seed]);
    for seed in seeds {
        let name = format!("seed-{seed}");
        let noise = if models.is_empty() { "detections=noisy" } else { "" };
        let source = format!("nvptestsrc seed={seed} {noise} num-buffers={} {properties}", seconds * RATE);
        let detect = models.first().map_or("!".into(), |m| format!("! nvpinference {m} !"));
        let run = play(&format!(
            "{source} {detect} video/x-raw,width={WIDTH},height={HEIGHT},framerate={RATE}/1 ! nvptracker name=track ! fakesink"
        ))?;
        let mut run = run.lock().expect("looking does not panic");
        let s = run.scorer.scores();
        println!(
            "| {name} | {:.2} | {:.2} | {} | {} | {} | {} | {:.3} |",
            100.0 * s.mota,
            100.0 * s.idf1,
            s.switches,
            s.misses,
            s.false_positives,
            s.objects,
            s.position_error
        );
        write(Path::new(out), &name, seconds * RATE, &run)?;
    }
    Ok(())
}

fn play(launch: &str) -> Result<Arc<Mutex<Run>>, Box<dyn Error>> {
    let pipeline = gst::parse::launch(launch)?.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
    let run = Arc::new(Mutex::new(Run::default()));
    let looking = run.clone();
    let pad = pipeline.by_name("track").and_then(|track| track.static_pad("src")).ok_or("no tracker")?;
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

fn write(out: &Path, name: &str, frames: u32, run: &Run) -> Result<(), Box<dyn Error>> {
    let (truth, results) = (out.join("truth/scene").join(name), out.join("results/scene"));
    fs::create_dir_all(truth.join("gt"))?;
    fs::create_dir_all(&results)?;
    let info = format!(
        "[Sequence]\nname={name}\nframeRate={RATE}\nseqLength={frames}\nimWidth={WIDTH}\nimHeight={HEIGHT}\n"
    );
    fs::write(truth.join("seqinfo.ini"), info)?;
    fs::write(truth.join("gt/gt.txt"), &run.truth)?;
    fs::write(results.join(name).with_extension("txt"), &run.tracks)?;
    Ok(())
}
