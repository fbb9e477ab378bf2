//! Detects, tracks, draws and publishes what a video shows: `demo VIDEO MODEL OUT [show]`
//!
//! OUT/annotated.mp4 is the video with boxes, names, ids and trails, OUT/frames.jsonl one JSON object a frame.
//! With `show` the picture is shown as well. Ctrl-C ends both files properly.

mod pipeline;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;

use report::Report;

const USAGE: &str = "usage: demo VIDEO MODEL OUT [show]
  VIDEO  any video file that GStreamer can decode
  MODEL  an ONNX detector: YOLOv5, 8, 9, 10, 11, 12, 26 or YOLOX
  OUT    the folder for annotated.mp4 and frames.jsonl
  show   show the picture as well";

const TICK: gst::ClockTime = gst::ClockTime::from_mseconds(200);

/// What the command line says.
struct Job {
    video: PathBuf,
    model: PathBuf,
    annotated: PathBuf,
    frames: PathBuf,
    show: bool,
}

impl Job {
    fn new(video: &str, model: &str, out: &str, show: bool) -> Result<Self, String> {
        for (what, file) in [("video", video), ("model", model)] {
            std::fs::File::open(file).map_err(|e| format!("cannot open the {what} {file}: {e}"))?;
        }
        std::fs::create_dir_all(out).map_err(|e| format!("cannot make the folder {out}: {e}"))?;
        let out = Path::new(out);
        let (annotated, frames) = (out.join("annotated.mp4"), out.join("frames.jsonl"));
        Ok(Self { video: video.into(), model: model.into(), annotated, frames, show })
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (video, model, out, show) = match arguments[..] {
        [video, model, out] => (video, model, out, false),
        [video, model, out, "show"] => (video, model, out, true),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match Job::new(video, model, out, show).and_then(|job| run(&job)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(job: &Job) -> Result<(), String> {
    gst::init().map_err(|e| e.to_string())?;
    gstnvperception::plugin_register_static().map_err(|e| e.to_string())?;
    let pipeline = pipeline::build(job)?;
    let mut report = Report::watch(&pipeline);
    let outcome = play(&pipeline, &mut report);
    report.finish();
    let summary = report.summary();
    let _ = pipeline.set_state(gst::State::Null);
    outcome?;
    println!("{summary}");
    println!("annotated video: {}", job.annotated.display());
    println!("JSON lines:      {}", job.frames.display());
    Ok(())
}

/// Plays to the end, showing progress on the way. An interrupt ends the stream, so that the files are whole.
fn play(pipeline: &gst::Pipeline, report: &mut Report) -> Result<(), String> {
    let interrupted = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, interrupted.clone())
        .map_err(|e| e.to_string())?;
    let bus = pipeline.bus().expect("a pipeline has a bus");
    // When this fails, the reason is on the bus.
    let _ = pipeline.set_state(gst::State::Playing);
    loop {
        let message = bus.timed_pop(TICK);
        match message.as_ref().map(|m| m.view()) {
            Some(gst::MessageView::Eos(_)) => return Ok(()),
            Some(gst::MessageView::Error(error)) => return Err(pipeline::explain(error)),
            Some(gst::MessageView::Element(element)) => report.hear(element),
            _ => {}
        }
        report.progress(pipeline);
        if interrupted.swap(false, Ordering::Relaxed) {
            pipeline.send_event(gst::event::Eos::new());
        }
    }
}
