//! The pipelines of `pipelines/` run as they are written, filled in by a shell as `pipelines/README.md` says, and the
//! README shows the same.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstnvperception::meta::DetectionMeta;

const FRAMES: usize = 25;
const LIMIT: Duration = Duration::from_secs(60);

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
    let (comments, lines): (Vec<_>, Vec<_>) = text.lines().partition(|l| l.starts_with('#'));
    assert!(!comments.is_empty(), "{name} says what it does");
    assert_eq!(lines.len(), 1, "{name} has one line besides comments");
    lines[0].to_owned()
}

/// A folder with a short clip, gone when the test ends.
struct Place(PathBuf);

impl Place {
    /// The clip is bluish: class 2 of the model is 0.8 confident, class 1 half as much. The blank in the folder's name is
    /// for the quotes of the lines.
    fn new(name: &str) -> Self {
        init();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name} {}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let place = Self(folder);
        let clip = place.clip();
        run(&[
            &format!("videotestsrc num-buffers={FRAMES} pattern=solid-color foreground-color=0xff3366cc"),
            "! video/x-raw,width=320,height=240,framerate=25/1 ! jpegenc ! avimux ! filesink",
            &format!("location=\"{}\"", clip.display()),
        ]
        .join(" "));
        place
    }

    fn clip(&self) -> PathBuf {
        self.0.join("clip.avi")
    }

    fn out(&self, extension: &str) -> PathBuf {
        self.0.join("out").with_extension(extension)
    }

    /// Runs what a shell would give to `gst-launch-1.0`.
    fn run(&self, name: &str) {
        play(self.pipeline(name), name, |_| {});
    }

    /// Has a shell fill the variables in.
    fn pipeline(&self, name: &str) -> gst::Element {
        let shell = Command::new("sh")
            .args(["-c", r#"eval "printf '%s\\0' $(grep -v '^#' "$0")""#])
            .arg(root().join("pipelines").join(name))
            .env("VIDEO", self.clip())
            .env("MODEL", root().join("tests/data/models/yolov8_coco.onnx"))
            .env("CLASSIFIER", root().join("tests/data/models/classifier.onnx"))
            .env("REID", root().join("tests/data/models/embedding.onnx"))
            .env("OUT", self.0.join("out"))
            .env("SINK", "fakesink")
            .env("SOURCE", format!("videotestsrc is-live=true num-buffers={FRAMES}"))
            .output()
            .unwrap();
        assert!(shell.status.success() && shell.stderr.is_empty(), "{name}: {shell:?}");
        let words = String::from_utf8(shell.stdout).unwrap();
        let words: Vec<_> = words.split_terminator('\0').collect();
        gst::parse::launchv(&words).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(launch: &str) {
    play(gst::parse::launch(launch).unwrap(), launch, |_| {});
}

/// Plays to the end of the stream, and not longer than the limit; `look` sees what is there then.
fn play(pipeline: gst::Element, what: &str, look: impl FnOnce(&gst::Pipeline)) {
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    // When this fails, the reason is on the bus.
    let _ = pipeline.set_state(gst::State::Playing);
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let limit = gst::ClockTime::try_from(LIMIT).unwrap();
    let end = pipeline.bus().unwrap().timed_pop_filtered(limit, &ends);
    if end.is_some() {
        look(&pipeline);
    }
    pipeline.set_state(gst::State::Null).unwrap();
    let end = end.unwrap_or_else(|| panic!("no end in time: {what}"));
    assert_eq!(end.type_(), gst::MessageType::Eos, "{what}: {end:?}");
}

/// Counts the frames on a pad, and what was detected on them.
fn detected(pad: &gst::Pad) -> Arc<[AtomicUsize; 2]> {
    let counts = Arc::<[AtomicUsize; 2]>::default();
    let count = counts.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(gst::PadProbeData::Buffer(buffer)) = &info.data else { unreachable!("a buffer probe") };
        let found: usize = DetectionMeta::all(buffer).map(|meta| meta.to_owned().items.len()).sum();
        count[0].fetch_add(1, Ordering::Relaxed);
        count[1].fetch_add(found, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    counts
}

/// The number of frames of a video file.
fn frames(file: &Path) -> usize {
    let launch =
        format!("filesrc location=\"{}\" ! decodebin ! appsink name=sink sync=false", file.display());
    let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let sink = pipeline.by_name("sink").unwrap().downcast::<gst_app::AppSink>().unwrap();
    let limit = gst::ClockTime::try_from(LIMIT).unwrap();
    let frames = std::iter::from_fn(|| sink.try_pull_sample(limit)).count();
    assert!(sink.is_eos(), "{} is read to its end", file.display());
    pipeline.set_state(gst::State::Null).unwrap();
    frames
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
    for record in &records {
        assert_eq!(record["detections"].as_array().unwrap().len(), 2, "{record}");
        assert_eq!(record["detections"][0]["class"], 2, "{record}");
        assert_eq!(record["tracks"][0]["class"], 2, "{record}");
    }
}

#[test]
fn cascade() {
    let place = Place::new("cascade");
    place.run("cascade.launch");
    let records = records(&std::fs::read_to_string(place.out("jsonl")).unwrap());
    assert_eq!(records.len(), FRAMES);
    for record in &records {
        let track = record["tracks"][0]["id"].as_u64().unwrap();
        let said = |task: &str| {
            let found = record["detections"].as_array().unwrap().iter();
            found.filter(|d| d["task"] == task).collect::<Vec<_>>()
        };
        let (classes, vectors) = (said("classify"), said("embed"));
        assert_eq!((classes.len(), vectors.len()), (1, 1), "{record}");
        assert_eq!((&classes[0]["label"], &classes[0]["model"]), (&"third".into(), &"classifier".into()));
        assert_eq!(classes[0]["parent"]["track"].as_u64(), Some(track));
        assert_eq!(vectors[0]["parent"]["track"].as_u64(), Some(track));
        assert_eq!(vectors[0]["embedding"].as_array().unwrap().len(), 64);
    }
}

#[test]
fn asynchronous() {
    Place::new("async").run("async.launch");
}

#[test]
fn annotate() {
    let place = Place::new("annotate");
    place.run("annotate.launch");
    assert_eq!(frames(&place.out("mp4")), FRAMES);
}

#[test]
fn live() {
    let place = Place::new("live");
    let listener = UnixListener::bind(place.out("sock")).unwrap();
    listener.set_nonblocking(true).unwrap();
    let reader = std::thread::spawn(move || {
        let stream = accept(&listener);
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        BufReader::new(stream).lines().map(Result::unwrap).collect::<Vec<_>>().join("\n")
    });
    place.run("live.launch");
    let records = records(&reader.join().unwrap());
    assert!(!records.is_empty() && records.len() <= FRAMES, "{} lines", records.len());
    for (index, record) in records.iter().enumerate() {
        assert_eq!(record["detections"].is_array(), index % 3 == 0, "every third is inferred: {record}");
        assert!(record["tracks"].is_array(), "each is tracked: {record}");
    }
}

fn accept(listener: &UnixListener) -> std::os::unix::net::UnixStream {
    let started = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => return stream,
            Err(error) => assert!(started.elapsed() < LIMIT, "nobody connects: {error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn mot() {
    let place = Place::new("mot");
    place.run("mot.launch");
    let text = std::fs::read_to_string(place.out("txt")).unwrap();
    let rows: Vec<Vec<f64>> =
        text.lines().map(|row| row.split(',').map(|field| field.parse().unwrap()).collect()).collect();
    assert!(rows.iter().all(|row| row.len() == 10), "{text}");
    let frames: Vec<_> = rows.iter().map(|row| row[0]).collect();
    let confirmed: Vec<_> = (frames[0] as usize..=FRAMES).map(|frame| frame as f64).collect();
    assert_eq!(frames, confirmed, "one track, on every frame once it is confirmed");
    assert!(rows.iter().all(|row| row[1] == rows[0][1]), "{text}");
}

#[test]
fn replay() {
    let place = Place::new("replay");
    place.run("json.launch");
    place.run("replay.launch");
}

#[test]
fn reidentify() {
    let place = Place::new("reidentify");
    place.run("reidentify.launch");
    let records = records(&std::fs::read_to_string(place.out("jsonl")).unwrap());
    assert_eq!(records.len(), FRAMES);
    for record in &records {
        let looks = record["detections"].as_array().unwrap().iter().filter(|d| d["task"] == "embed").count();
        assert!(looks > 0, "{record}");
        assert_eq!(record["tracks"][0]["id"], 1, "{record}");
    }
}

#[test]
fn mosaic() {
    let pipeline = Place::new("mosaic").pipeline("mosaic.launch");
    let mosaic = pipeline.downcast_ref::<gst::Bin>().unwrap().by_name("mosaic").unwrap();
    let seen: Vec<_> = mosaic.sink_pads().iter().map(detected).collect();
    play(pipeline, "mosaic", |pipeline| {
        let mux = pipeline.by_name("mux").unwrap().property::<gst::Structure>("stats");
        assert_eq!(mux.get::<u64>("accepted").unwrap(), 400, "{mux}");
    });
    assert_eq!(seen.len(), 4);
    for seen in seen {
        let [frames, detections] = seen.each_ref().map(|count| count.load(Ordering::Relaxed));
        assert!(frames > 10, "{frames} frames");
        assert!(detections > 0, "something is seen");
    }
}

#[test]
fn ptz() {
    let place = Place::new("ptz");
    place.run("ptz.launch");
    let records = records(&std::fs::read_to_string(place.out("jsonl")).unwrap());
    let presets: Vec<_> = records.iter().map(|record| record["view"]["preset"].as_str()).collect();
    // The first view is left for the second, and comes back.
    let mut visits: Vec<_> = presets.iter().flatten().collect();
    visits.dedup();
    assert_eq!((visits.first(), visits.get(1)), (Some(&&"view-1"), Some(&&"view-2")), "{visits:?}");
    assert!(visits[1..].contains(&&"view-1"), "{visits:?}");
    assert!(presets.contains(&None), "on the way it is none of them");
}

#[test]
fn scene() {
    Place::new("scene").run("scene.launch");
}

/// The facts of a place are on each line.
fn tells(name: &str, fact: &str) {
    let place = Place::new(name);
    place.run(&format!("{name}.launch"));
    let records = records(&std::fs::read_to_string(place.out("jsonl")).unwrap());
    assert_eq!(records.len(), FRAMES);
    for record in &records {
        let signals = record["signals"].as_array().unwrap();
        assert!(signals.iter().any(|signal| signal["name"] == fact), "{record}");
    }
}

#[test]
fn door() {
    tells("door", "line.door.forward");
}

#[test]
fn loiter() {
    tells("loiter", "zone.aisle.occupancy");
}

#[test]
fn gated() {
    let place = Place::new("gated");
    place.run("gated.launch");
    let records = records(&std::fs::read_to_string(place.out("jsonl")).unwrap());
    assert_eq!(records.len(), FRAMES);
    for record in &records {
        // The clip is shorter than motion is taken to last, and begins with nothing to compare with.
        let signals = record["signals"].as_array().unwrap();
        assert!(signals.iter().any(|s| s["name"] == "motion.active" && s["value"] == 1.0), "{record}");
        let models = record["detections"].as_array().unwrap().iter().map(|d| d["model"].as_str().unwrap());
        assert!(models.into_iter().any(|model| model == "classifier"), "{record}");
    }
}

#[test]
fn sixteen() {
    let pipeline = Place::new("sixteen").pipeline("sixteen.launch");
    play(pipeline, "sixteen", |pipeline| {
        let elements = pipeline.iterate_elements().into_iter().map(Result::unwrap);
        let models = elements.filter(|element| element.factory().unwrap().name() == "nvpinference");
        let stats: Vec<_> = models.map(|model| model.property::<gst::Structure>("stats")).collect();
        assert_eq!(stats.len(), 16);
        for stats in stats {
            let of = |name| stats.get::<u64>(name).unwrap();
            assert_eq!((of("instance-users"), of("inferred"), of("frames-in")), (16, 25, 25), "{stats}");
            assert!(of("detections") > 0, "{stats}");
        }
    });
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
            .replace("\"$CLASSIFIER\"", "classifier.onnx")
            .replace("\"$REID\"", "reid.onnx")
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
    assert_eq!(
        readme.matches("gst-launch-1.0 ").count(),
        names.len(),
        "each that the README shows is a file"
    );
    names.sort();
    assert_eq!(
        names,
        [
            "annotate",
            "async",
            "cascade",
            "door",
            "gated",
            "json",
            "live",
            "loiter",
            "mosaic",
            "mot",
            "ptz",
            "reidentify",
            "replay",
            "scene",
            "sixteen",
            "watch"
        ]
    );
}
