//! `nvpreplay`: round trips, matching, and files that are not as they should be.

use std::path::{Path, PathBuf};
use std::sync::Once;

use gst::glib;
use gst::prelude::*;
use gst_check::Harness;
use gstnvperception::meta::{DetectionMeta, TrackMeta};

#[path = "common/foreign.rs"]
mod foreign;

const CAPS: &str = "video/x-raw,format=GRAY8,width=100,height=100,framerate=10/1";

fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        glib::log_set_always_fatal(glib::LogLevels::LEVEL_CRITICAL | glib::LogLevels::LEVEL_WARNING);
        gstnvperception::plugin_register_static().unwrap();
    });
}

/// A file of the test's own, gone when it ends.
struct File(PathBuf);

impl File {
    fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("replay-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn replay(file: &File) -> gst::Element {
    init();
    gst::ElementFactory::make("nvpreplay").property("location", file.0.to_str().unwrap()).build().unwrap()
}

fn run(launch: &str) {
    init();
    let pipeline = gst::parse::launch(launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends);
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(end.expect("an end in time").type_(), gst::MessageType::Eos, "{launch}");
}

#[test]
fn what_was_published_is_published_again() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/models/yolov8_coco.onnx");
    let source = "videotestsrc num-buffers=30 ! video/x-raw,format=I420,width=320,height=240,framerate=25/1";
    let (first, second) = (File::new("first.jsonl", ""), File::new("second.jsonl", ""));
    run(&format!(
        "{source} ! nvpinference model=\"{model}\" threads=1 interval=2 confidence=0.05 ! nvptracker low-confidence=0.05 \
         high-confidence=0.1 new-confidence=0.1 iou=0.01 ! nvppublish location=\"{}\" ! fakesink",
        first.0.display()
    ));
    run(&format!(
        "{source} ! nvpreplay location=\"{}\" ! nvppublish location=\"{}\" ! fakesink",
        first.0.display(),
        second.0.display()
    ));
    assert_eq!(first.text(), second.text());
    let text = first.text();
    assert_eq!(text.lines().count(), 30);
    for part in ["\"detections\":[{", "\"tracks\":[{", "\"outcome\":\"skipped\"", "\"state\":\"coasted\""] {
        assert!(text.contains(part), "{part} is tested too");
    }
}

#[test]
fn zones_and_lines_are_published_again() {
    let rules = r#"{"version": 1, "zones": [{"name": "kerb", "polygon": [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9]]}],
        "lines": [{"name": "door", "points": [[0.5, 0.2], [0.5, 0.9], [0.6, 1.0]]}]}"#;
    let rules = File::new("rules.json", rules);
    let (first, second) = (File::new("shapes-1.jsonl", ""), File::new("shapes-2.jsonl", ""));
    let source = "nvptestsrc camera=handheld detections=perfect num-buffers=20 \
                  ! video/x-raw,width=320,height=180,framerate=15/1 ! identity";
    run(&format!(
        "{source} ! nvpviewstate ! nvptracker ! nvpevents rules=\"{}\" ! nvppublish location=\"{}\" ! fakesink",
        rules.0.display(),
        first.0.display()
    ));
    run(&format!(
        "{source} ! nvpreplay location=\"{}\" ! nvppublish location=\"{}\" ! fakesink",
        first.0.display(),
        second.0.display()
    ));
    let shapes = |file: &File| -> Vec<serde_json::Value> {
        let shapes = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["shapes"].take();
        file.text().lines().map(shapes).collect()
    };
    let (told, again) = (shapes(&first), shapes(&second));
    assert_eq!(told, again);
    assert_eq!(told.len(), 20);
    for shapes in &told {
        let [zone, line] = &shapes.as_array().unwrap()[..] else { panic!("{shapes}") };
        assert_eq!(
            (&zone["kind"], &zone["name"], &zone["hold"]),
            (&"zone".into(), &"kerb".into(), &"current".into())
        );
        assert!(zone["occupancy"].is_number() && zone["entries"].is_number(), "{zone}");
        assert_eq!((&line["kind"], line["points"].as_array().unwrap().len()), (&"line".into(), 3));
        assert!(line["forward"].is_number() && line["backward"].is_number(), "{line}");
    }
    assert_ne!(told[0][0]["points"], told[19][0]["points"], "they lie where the camera sees them");
}

#[test]
fn camera_motion_is_a_view_and_is_published_again() {
    let motion = "0\t1 0 0 0 1 0\t\n1\t1 0 -10 0 1 0\t\n2\t1.1 0 0 0 1.1 0\t\n3\t1 0 0 0 1 0.1\t\n";
    let motion = File::new("motion.txt", motion);
    let (first, second) = (File::new("view-1.jsonl", ""), File::new("view-2.jsonl", ""));
    let source = format!("videotestsrc num-buffers=5 ! {CAPS}");
    let publish = |from: &File, to: &File| {
        run(&format!(
            "{source} ! nvpreplay location=\"{}\" ! nvppublish location=\"{}\" feed=f ! fakesink",
            from.0.display(),
            to.0.display()
        ));
    };
    publish(&motion, &first);
    publish(&first, &second);
    let without_wall = |file: &File| -> Vec<serde_json::Value> {
        let records = file.text();
        let record = |line: &str| {
            let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
            record.as_object_mut().unwrap().remove("wall");
            record
        };
        records.lines().map(record).collect()
    };
    let records = without_wall(&first);
    assert_eq!(records, without_wall(&second));
    let view = |frame: usize| &records[frame]["view"];
    let shift = view(1)["to_previous"][2].as_f64().unwrap();
    assert!((shift - 0.1).abs() < 1e-6, "10 pixels of 100 to the left: the point came from the right");
    let words =
        |frame: usize| ["motion", "phase", "source"].map(|key| view(frame)[key].as_str().unwrap().to_owned());
    assert_eq!(words(0), ["stable", "settled", "external"]);
    assert_eq!(words(1), ["moving", "move-start", "external"]);
    assert_eq!(words(3), ["stable", "move-end", "external"]);
    assert!(view(4).is_null());
}

/// Pushes frames at times in milliseconds, and gives the number of detections of each, if it has a list.
fn detections(harness: &mut Harness, times: &[Option<u64>]) -> Vec<Option<usize>> {
    let one = |ms: &Option<u64>| {
        let mut buffer = gst::Buffer::new();
        buffer.get_mut().unwrap().set_pts(ms.map(gst::ClockTime::from_mseconds));
        let out = harness.push_and_pull(buffer).unwrap();
        DetectionMeta::all(&out).map(|found| found.items().len()).next()
    };
    times.iter().map(one).collect()
}

fn harness(element: &gst::Element) -> Harness {
    let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
    harness.play();
    harness.set_src_caps_str(CAPS);
    harness
}

#[test]
fn rows_go_to_frames_by_time_and_rate_or_by_count() {
    let file = File::new("det.txt", "2,-1,0,0,10,10,0.9\n4,-1,0,0,10,10,0.9\n4,-1,50,0,10,10,7\n");
    let element = replay(&file);
    let mut timed = harness(&element);
    let found = detections(&mut timed, &[Some(0), Some(300), Some(200), Some(100), Some(400)]);
    assert_eq!(found, [None, Some(2), Some(0), Some(1), None]);
    timed.push_event(gst::event::Eos::new());
    let stats = element.property::<gst::Structure>("stats");
    let stat = |name: &str| stats.get::<u64>(name).unwrap();
    assert_eq!([stat("records"), stat("matched"), stat("unmatched-buffers"), stat("clamped")], [2, 2, 2, 1]);

    let counted = detections(&mut harness(&replay(&file)), &[None; 5]);
    assert_eq!(counted, [None, Some(1), Some(0), Some(2), None]);
}

#[test]
fn the_end_tells_what_found_no_partner() {
    let file = File::new("gt.txt", "1,1,0,0,10,10,1\n9,1,0,0,10,10,1\n");
    let element = replay(&file);
    let mut harness = harness(&element);
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let out = harness.push_and_pull(gst::Buffer::new()).unwrap();
    let tracks = TrackMeta::get(&out).unwrap().to_owned();
    assert_eq!((tracks.items[0].id, tracks.run.len()), (1, 36));
    harness.push_event(gst::event::Eos::new());
    let message = bus.pop_filtered(&[gst::MessageType::Element]).unwrap();
    let done = message.structure().unwrap();
    assert_eq!(done.name(), "nvp-replay-done");
    assert_eq!((done.get::<u64>("matched"), done.get::<u64>("unused-records")), (Ok(1), Ok(1)));
}

#[test]
fn files_that_cannot_be_replayed_are_one_clear_error() {
    let missing = File(PathBuf::from("/nowhere/at-all.jsonl"));
    let endless = File::new("endless.jsonl", "");
    // Sparse: no disk is filled.
    std::fs::File::options().write(true).open(&endless.0).unwrap().set_len((2 << 30) + 1).unwrap();
    for (file, reason) in [
        (missing, "No such file"),
        (endless, "split it"),
        (File::new("binary", [0xff, 0xfe, 0x00]), "it is no text"),
        (File::new("short.txt", "1,-1,0,0,10,10\n1,-1,0\n"), "line 2: 3 fields"),
        (File::new("newer.jsonl", "{\"schema\":\"nvperception.frame/2\"}\n"), "line 1: the line has schema"),
        (File::new("other.jsonl", "{\"name\":\"x\"}\n{\"name\":\"y\"}\n"), "line 1: missing field"),
        (File::new("zero.txt", "0,-1,0,0,10,10\n"), "frames count from 1"),
        (File::new("flat.txt", "0 0 0 5 0 0 5\n"), "line 1: the motion has no way back"),
    ] {
        let element = replay(&file);
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        assert!(element.set_state(gst::State::Paused).is_err(), "{reason}");
        element.set_state(gst::State::Null).unwrap();
        let messages: Vec<_> = bus.iter_filtered(&[gst::MessageType::Error]).collect();
        let [message] = &messages[..] else { panic!("{} errors for {reason}", messages.len()) };
        let gst::MessageView::Error(error) = message.view() else { unreachable!("filtered") };
        let text = error.error().message().to_owned();
        assert!(text.contains(reason) && text.contains(file.0.to_str().unwrap()), "{text}");
    }
}

#[test]
fn a_file_that_vanishes_while_playing_is_no_loss() {
    let file = File::new("gone.txt", "1,-1,0,0,10,10\n2,-1,0,0,10,10\n");
    let mut harness = harness(&replay(&file));
    assert_eq!(detections(&mut harness, &[Some(0)]), [Some(1)]);
    drop(file);
    assert_eq!(detections(&mut harness, &[Some(100)]), [Some(1)]);
}

#[test]
fn foreign_memory_passes_unmapped() {
    let file = File::new("foreign.txt", "1,-1,0,0,10,10\n");
    let mut harness = harness(&replay(&file));
    harness.set_src_caps_str("video/x-raw(memory:NVMM),format=NV12,width=64,height=48,framerate=25/1");
    let allocator = foreign::Allocator::default();
    let mut buffer = gst::Buffer::new();
    buffer.get_mut().unwrap().append_memory(allocator.memory());
    let out = harness.push_and_pull(buffer).unwrap();
    assert_eq!((out.size(), allocator.maps()), (foreign::SIZE, 0));
    assert!(DetectionMeta::all(&out).next().is_some());
}

#[test]
fn poses_go_ahead_of_their_frames() {
    let file = File::new("poses.csv", "time,pan,tilt,zoom\n0.15,3,2,1\n0,1,2,1\n0.2,4,2,1\n9,5,2,1\n");
    let element = replay(&file);
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness.play();
    harness.set_src_caps_str(CAPS);
    let mut pans = Vec::new();
    for i in 0..4_u64 {
        let mut buffer = gst::Buffer::with_size(10_000).unwrap();
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(100 * i));
        harness.push_and_pull(buffer).unwrap();
        let events = std::iter::from_fn(|| harness.try_pull_event());
        let poses = events.filter(|event| event.type_() == gst::EventType::CustomDownstream);
        let pan = |event: gst::Event| event.structure().unwrap().get::<f64>("pan").unwrap();
        pans.push(poses.map(pan).collect::<Vec<_>>());
    }
    let stats = element.property::<gst::Structure>("stats");
    let count = |name| stats.get::<u64>(name).unwrap();
    assert_eq!((count("records"), count("matched"), count("unmatched-buffers")), (4, 4, 0));
    // Each frame knows the first pose that is not before it.
    assert_eq!(pans, [vec![1.0], vec![3.0], vec![4.0], vec![5.0]]);
}

#[test]
fn poses_are_told_in_the_running_time_of_their_segment() {
    let file =
        File::new("seek.csv", "time,pan,tilt,zoom\n0,0,0,1\n1,1,0,1\n2,2,0,1\n3,3,0,1\n4,4,0,1\n5,5,0,1\n");
    let element = replay(&file);
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness.play();
    harness.set_src_caps_str(CAPS);
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(gst::ClockTime::from_mseconds(2500));
    segment.set_stop(gst::ClockTime::from_mseconds(3500));
    segment.set_time(gst::ClockTime::from_mseconds(2500));
    segment.set_base(gst::ClockTime::from_seconds(10));
    harness.push_event(gst::event::Segment::new(&segment));
    while harness.try_pull_event().is_some() {}
    for ms in [2500, 3400] {
        let mut buffer = gst::Buffer::with_size(10_000).unwrap();
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(ms));
        harness.push_and_pull(buffer).unwrap();
    }
    let events = std::iter::from_fn(|| harness.try_pull_event());
    let poses = events.filter(|event| event.type_() == gst::EventType::CustomDownstream);
    let told = |event: gst::Event| {
        let told = event.structure().unwrap();
        (told.get::<f64>("pan").unwrap(), told.get::<u64>("running-time").unwrap() / 1_000_000)
    };
    assert_eq!(poses.map(told).collect::<Vec<_>>(), [(2.0, 10_000), (3.0, 10_500), (4.0, 11_000)]);
    drop(harness);
    element.set_state(gst::State::Null).unwrap();
    let stats = element.property::<gst::Structure>("stats");
    let count = |name| stats.get::<u64>(name).unwrap();
    assert_eq!((count("records"), count("matched"), count("unused-records")), (6, 3, 3));
}
