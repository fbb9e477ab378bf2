//! Detects, tracks, draws and publishes: `demo [out=FOLDER] [video=FILE] [model=FILE] [seconds=N] [show]`
//!
//! Without a video it plays the scene of `nvptestsrc` for 20 seconds, without a model it takes the one that is built in
//! and knows just that scene. FOLDER/annotated.mp4 is the video with boxes, names, ids and trails, FOLDER/frames.jsonl
//! one JSON object a frame, FOLDER/picture.jpg a frame from the middle. With `show` the picture is shown as well.
//! Ctrl-C ends all files properly.

mod pipeline;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;

use report::Report;

const USAGE: &str = "usage: demo [out=FOLDER] [video=FILE] [model=FILE] [seconds=N] [show]
  out      the folder for annotated.mp4, frames.jsonl and picture.jpg: out
  video    any video file that GStreamer can decode: the scene of nvptestsrc
  model    an ONNX detector, YOLOv5, 8, 9, 10, 11, 12, 26 or YOLOX: the one for that scene
  seconds  the length of the scene: 20
  show     show the picture as well";

const BUILTIN: &str = "builtin:testscene";
const TICK: gst::ClockTime = gst::ClockTime::from_mseconds(200);

/// What the command line says.
struct Job {
    video: Option<PathBuf>,
    model: String,
    seconds: u32,
    annotated: PathBuf,
    frames: PathBuf,
    picture: PathBuf,
    show: bool,
}

impl Job {
    fn new(arguments: &[String]) -> Result<Self, String> {
        let (mut video, mut model, mut out) = (None, None, PathBuf::from("out"));
        let (mut seconds, mut show) = (20, false);
        for argument in arguments {
            match argument.split_once('=') {
                Some(("video", file)) => video = Some(PathBuf::from(file)),
                Some(("model", file)) => model = Some(file.to_owned()),
                Some(("out", folder)) => out = folder.into(),
                Some(("seconds", number)) => {
                    let wanted = number.parse().ok().filter(|n| (1..=3600).contains(n));
                    seconds = wanted.ok_or_else(|| format!("seconds={number} is not from 1 to 3600"))?;
                }
                None if argument == "show" => show = true,
                _ => return Err(format!("{argument} is not known\n{USAGE}")),
            }
        }
        if video.is_some() && model.is_none() {
            return Err(
                "the built-in model knows only the built-in scene: a video needs a model of its own".into()
            );
        }
        if show && !["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some()) {
            println!(
                "There is no display (DISPLAY and WAYLAND_DISPLAY are not set): going on without a window"
            );
            show = false;
        }
        let files = [("video", video.as_deref()), ("model", model.as_deref().map(Path::new))];
        for (what, file) in files {
            if let Some(file) = file {
                std::fs::File::open(file)
                    .map_err(|e| format!("cannot open the {what} {}: {e}", file.display()))?;
            }
        }
        std::fs::create_dir_all(&out)
            .map_err(|e| format!("cannot make the folder {}: {e}", out.display()))?;
        let file = |name| out.join(name);
        let (annotated, frames, picture) = (file("annotated.mp4"), file("frames.jsonl"), file("picture.jpg"));
        let model = model.unwrap_or_else(|| BUILTIN.to_owned());
        Ok(Self { video, model, seconds, annotated, frames, picture, show })
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Job::new(&arguments).and_then(|job| run(&job)) {
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
    let picture = report.picture();
    let _ = pipeline.set_state(gst::State::Null);
    outcome?;
    println!("{summary}");
    println!("annotated video: {}", job.annotated.display());
    println!("JSON lines:      {}", job.frames.display());
    if let Some(picture) = picture {
        pipeline::save(&picture, &job.picture)?;
        println!("a picture:       {}", job.picture.display());
    }
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
