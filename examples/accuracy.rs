//! How well the built-in model finds what is in the scene: `accuracy [FRAMES [MODEL]]`
//!
//! A table of average precision at an IoU of 0.5 by class, over seeds and sizes that it was not trained on, for objects
//! that are at least half visible and 16 pixels high in its input of 320x192.

use std::error::Error;
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstnvperception::meta::{DetectionMeta, TruthMeta};
use gstnvperception::scene::{Class, TrueObject};
use gstnvperception::score::DetectionScorer;

/// Seeds below 1000 and these sizes do not occur in training.
const RUNS: [(u64, &str, u32, u32); 8] = [
    (1, "fixed", 1920, 1080),
    (2, "fixed", 854, 480),
    (3, "ptz", 1600, 900),
    (4, "handheld", 1024, 576),
    (5, "cut", 1920, 1080),
    (6, "fixed", 1024, 768),
    (7, "ptz", 1152, 864),
    (8, "handheld", 426, 240),
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let frames = arguments.first().map_or(Ok(300), |text| text.parse::<u32>())?;
    let model = arguments.get(1).map_or("builtin:testscene", String::as_str);
    gst::init()?;
    gstnvperception::plugin_register_static()?;
    println!(
        "| seed | camera | size | person | bicycle | car | bus | mean |\n|---|---|---|---|---|---|---|---|"
    );
    let mut all = DetectionScorer::default();
    for (seed, camera, width, height) in RUNS {
        // Twice a second: neighbouring frames say the same.
        let scorer = play(
            &format!(
                "nvptestsrc seed={seed} camera={camera} objects=24 num-buffers={frames} \
             ! video/x-raw,width={width},height={height},framerate=2/1 \
             ! nvpinference model=\"{model}\" confidence=0.02 threads=1 ! fakesink name=sink"
            ),
            f64::from(width) / f64::from(height),
        )?;
        println!("| {seed} | {camera} | {width}x{height} {}", row(&scorer));
        all.merge(&scorer);
    }
    println!("| all | | {}", row(&all));
    Ok(())
}

fn row(scorer: &DetectionScorer) -> String {
    let cell = |ap: Option<f64>| ap.map_or("-".into(), |ap| format!("{:.1}", 100.0 * ap));
    let classes = Class::ALL.map(|class| cell(scorer.average_precision(class)));
    format!("| {} | {} |", classes.join(" | "), cell(scorer.mean()))
}

fn play(launch: &str, aspect: f64) -> Result<DetectionScorer, Box<dyn Error>> {
    let pipeline = gst::parse::launch(launch)?.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
    let scorer = Arc::new(Mutex::new(DetectionScorer::default()));
    let looking = scorer.clone();
    // Letterboxed: the picture's height in the model's input.
    let input = (320.0 / aspect).min(192.0) as f32;
    let pad = pipeline.by_name("sink").and_then(|sink| sink.static_pad("sink")).ok_or("no sink")?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let seen = info.buffer().and_then(|b| Some((TruthMeta::get(b)?, DetectionMeta::all(b).next()?)));
        if let Some((truth, found)) = seen {
            let counts = |o: &TrueObject| o.visibility >= 0.5 && o.bbox.height() * input >= 16.0;
            looking.lock().expect("looking does not panic").frame(truth.objects(), found.items(), counts);
        }
        gst::PadProbeReturn::Ok
    });
    // When this fails, the reason is on the bus.
    let _ = pipeline.set_state(gst::State::Playing);
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().ok_or("no bus")?.timed_pop_filtered(gst::ClockTime::NONE, &ends);
    pipeline.set_state(gst::State::Null)?;
    if let Some(gst::MessageView::Error(error)) = end.as_ref().map(|message| message.view()) {
        return Err(error.error().message().into());
    }
    let scorer = scorer.lock().expect("looking does not panic").clone();
    Ok(scorer)
}
