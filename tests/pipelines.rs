//! The pipelines of `pipelines/` run as they are written, and the README shows the same.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Once;

use gst::prelude::*;

const FRAMES: usize = 25;
const LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(60);

fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gstnvperception::plugin_register_static().unwrap();
    });
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The launch line of a file, without its comment.
fn line(name: &str) -> String {
    let text = std::fs::read_to_string(root().join("pipelines").join(name)).unwrap();
    let lines: Vec<_> = text.lines().filter(|l| !l.starts_with('#')).collect();
    assert_eq!(lines.len(), 1, "{name} has one line besides comments");
    lines[0].to_owned()
}

/// A folder with a short clip, gone when the test ends.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        init();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        run(&format!(
            "videotestsrc num-buffers={FRAMES} ! video/x-raw,width=320,height=240,framerate=25/1 ! jpegenc \
             ! avimux ! filesink location=\"{}\"",
            folder.join("clip.avi").display()
        ));
        Self(folder)
    }

    fn out(&self, extension: &str) -> PathBuf {
        self.0.join("out").with_extension(extension)
    }

    /// Fills the variables in as a shell does, and runs.
    fn run(&self, name: &str) {
        let model = root().join("tests/data/models/yolov8_coco.onnx");
        let source = format!("videotestsrc is-live=true num-buffers={FRAMES}");
        run(&line(name)
            .replace("$VIDEO", self.0.join("clip.avi").to_str().unwrap())
            .replace("$MODEL", model.to_str().unwrap())
            .replace("$OUT", self.0.join("out").to_str().unwrap())
            .replace("$SINK", "fakesink")
            .replace("$SOURCE", &source));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(launch: &str) {
    let pipeline = gst::parse::launch(launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(LIMIT, &ends);
    pipeline.set_state(gst::State::Null).unwrap();
    let end = end.unwrap_or_else(|| panic!("no end in time: {launch}"));
    assert_eq!(end.type_(), gst::MessageType::Eos, "{launch}: {end:?}");
}

fn records(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn watch() {
    Place::new("watch").run("watch.launch");
}

#[test]
fn json() {
    let place = Place::new("json");
    place.run("json.launch");
    let records = records(&std::fs::read_to_string(place.out("jsonl")).unwrap());
    assert_eq!(records.len(), FRAMES);
    assert!(records.iter().all(|r| r["detections"].is_array() && r["tracks"].is_array()));
}

#[test]
fn annotate() {
    let place = Place::new("annotate");
    place.run("annotate.launch");
    let copy = place.out("mp4");
    run(&format!("filesrc location=\"{}\" ! decodebin ! fakesink", copy.display()));
    assert!(copy.metadata().unwrap().len() > 1000);
}

#[test]
fn live() {
    let place = Place::new("live");
    let listener = UnixListener::bind(place.out("sock")).unwrap();
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(listener.accept().unwrap().0).lines();
        lines.map_while(Result::ok).collect::<Vec<_>>().join("\n")
    });
    place.run("live.launch");
    let records = records(&reader.join().unwrap());
    assert!(!records.is_empty() && records.len() <= FRAMES);
    assert!(records.iter().any(|r| r["detections"].is_array()));
}

#[test]
fn mot() {
    let place = Place::new("mot");
    place.run("mot.launch");
    for row in std::fs::read_to_string(place.out("txt")).unwrap().lines() {
        assert_eq!(row.split(',').count(), 10, "{row}");
    }
}

#[test]
fn every_pipeline_has_a_test_and_is_in_the_readme() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut names = Vec::new();
    for entry in root().join("pipelines").read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(stem) = name.strip_suffix(".launch") else { continue };
        let shown = line(&name)
            .replace("\"$VIDEO\"", "clip.mp4")
            .replace("\"$MODEL\"", "model.onnx")
            .replace("$OUT", "out")
            .replace("$SINK", "autovideosink")
            .replace("$SOURCE", "v4l2src")
            .replace('"', "");
        assert!(
            readme.contains(&format!("gst-launch-1.0 {shown}\n")),
            "the README shows: gst-launch-1.0 {shown}"
        );
        names.push(stem.to_owned());
    }
    names.sort();
    assert_eq!(names, ["annotate", "json", "live", "mot", "watch"]);
}
