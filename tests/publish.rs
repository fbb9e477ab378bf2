//! What `nvppublish` writes, where, and what it does when it cannot.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Once;
use std::thread;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gst_check::Harness;
use gstnvperception::detection::{Detection, Detections};
use gstnvperception::geometry::BBox;
use gstnvperception::meta::{DetectionMeta, ProvenanceMeta, TrackMeta, ZoneMeta};
use gstnvperception::provenance::{Origin, Outcome, Stage};
use gstnvperception::record::FrameRecord;
use gstnvperception::replay::{Key, Recording};
use gstnvperception::rules::{Board, Hold, Shape, ShapeKind, ShapeNow, Shapes};
use gstnvperception::track::{Track, TrackState, Tracks};

#[path = "common/foreign.rs"]
mod foreign;

const CAPS: &str = "video/x-raw,format=GRAY8,width=640,height=360,framerate=25/1";
const LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(20);

fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        glib::log_set_always_fatal(glib::LogLevels::LEVEL_CRITICAL);
        gstnvperception::plugin_register_static().unwrap();
    });
}

/// A folder of the test's own, gone when it ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn publisher(location: &str, properties: &[(&str, &str)]) -> gst::Element {
    init();
    let element = gst::ElementFactory::make("nvppublish").property("location", location).build().unwrap();
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    element
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn pipeline(description: &str) -> gst::Pipeline {
    init();
    gst::parse::launch(description).unwrap().downcast().unwrap()
}

/// Runs to the end of stream or the first error.
fn run(pipeline: &gst::Pipeline) -> gst::Message {
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    bus.timed_pop_filtered(LIMIT, &[gst::MessageType::Eos, gst::MessageType::Error]).unwrap()
}

/// A harness whose element has a bus and knows caps and segment.
struct Bench {
    harness: Harness,
    element: gst::Element,
    bus: gst::Bus,
}

impl Bench {
    fn new(element: &gst::Element) -> Self {
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
        harness.set_src_caps_str(CAPS);
        Self { harness, element: element.clone(), bus }
    }

    fn push(&mut self, number: u64) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.harness.push(buffer(number))
    }

    fn stat(&self, name: &str) -> u64 {
        self.element.property::<gst::Structure>("stats").get(name).unwrap()
    }

    fn wait_for(&self, name: &str) -> gst::Structure {
        let message = self.bus.iter_timed(LIMIT).find(|m| m.structure().is_some_and(|s| s.name() == name));
        message.unwrap_or_else(|| panic!("no message {name}")).structure().unwrap().to_owned()
    }

    fn errors(&self) -> Vec<String> {
        let errors = self.bus.iter_filtered(&[gst::MessageType::Error]);
        errors.map(|m| m.structure().unwrap().get::<glib::Error>("gerror").unwrap().to_string()).collect()
    }

    fn stop(&self) {
        self.element.set_state(gst::State::Null).unwrap();
    }
}

fn buffer(number: u64) -> gst::Buffer {
    let mut buffer = gst::Buffer::new();
    let pts = gst::ClockTime::from_mseconds(40 * number);
    buffer.get_mut().unwrap().set_pts(pts);
    buffer
}

fn records(path: &Path) -> Vec<FrameRecord> {
    let lines = fs::read(path).unwrap();
    assert!(lines.is_empty() || lines.ends_with(b"\n"), "a torn line");
    lines.split_inclusive(|b| *b == b'\n').map(|line| FrameRecord::from_line(line).unwrap()).collect()
}

/// A frame that a detector and a tracker have looked at.
fn seen(number: u64) -> gst::Buffer {
    let mut buffer = buffer(number);
    let r = buffer.get_mut().unwrap();
    let bbox = BBox::new(0.25, 0.5, 0.5, 1.25);
    let items = vec![Detection { bbox, confidence: 0.75, class_id: 1 }];
    let labels = ["person", "car"].into_iter().collect();
    DetectionMeta::add(r, Detections { model: "yolo".into(), labels, items, ..Detections::default() });
    let confirmed = Track { id: 7, age: 40, bbox, confidence: 0.75, class_id: 1, ..Track::default() };
    let items = vec![
        Track { state: TrackState::Confirmed, ..confirmed },
        Track { id: 8, label: -1, state: TrackState::Coasted, ..confirmed },
    ];
    TrackMeta::set(
        r,
        Tracks { run: "run".into(), labels: ["car"].into_iter().collect(), items, ..Tracks::default() },
    );
    let stage = Stage {
        element: "nvpinference0".into(),
        model_sha256: None,
        provider: Some("CPUExecutionProvider".into()),
        start: 10,
        end: 20,
        outcome: Outcome::Skipped("interval".into()),
        ..Stage::default()
    };
    let origin = Origin { feed: "north".into(), sequence: 41 + number, received: 1_000_000_000_250_000_000 };
    ProvenanceMeta::append(r, || origin, stage);
    buffer
}

#[test]
fn a_line_says_what_the_buffer_carries() {
    let folder = Folder::new("golden");
    let out = folder.path("out.jsonl");
    let mut bench = Bench::new(&publisher(text(&out), &[]));
    let sent = seen(1);
    let (address, metas) = (sent.as_ptr(), sent.iter_meta::<gst::Meta>().count());
    bench.harness.push(sent).unwrap();
    let received = bench.harness.pull().unwrap();
    assert_eq!((received.as_ptr(), received.iter_meta::<gst::Meta>().count()), (address, metas));
    drop(received);
    bench.stop();
    let expected = concat!(
        r#"{"schema":"nvperception.frame/1","feed":"north","seq":42,"pts":40000000,"running_time":40000000,"#,
        r#""wall":"2001-09-09T01:46:40.250000Z","width":640,"height":360,"#,
        r#""detections":[{"model":"yolo","class":1,"label":"car","confidence":0.75,"box":[0.25,0.5,0.5,1.25]}],"#,
        r#""tracks":[{"id":7,"class":1,"label":"car","state":"confirmed","confidence":0.75,"#,
        r#""box":[0.25,0.5,0.5,1.25],"age":40},"#,
        r#"{"id":8,"class":1,"label":null,"state":"coasted","confidence":0.75,"box":[0.25,0.5,0.5,1.25],"age":40}],"#,
        r#""provenance":{"received":"2001-09-09T01:46:40.250000Z","stages":[{"element":"nvpinference0","#,
        r#""provider":"CPUExecutionProvider","start":10,"end":20,"outcome":"skipped","reason":"interval"}]}}"#,
        "\n",
    );
    assert_eq!(fs::read_to_string(&out).unwrap(), expected);
}

#[test]
fn mot_rows_are_in_pixels() {
    let folder = Folder::new("mot");
    let out = folder.path("out.txt");
    let mut bench = Bench::new(&publisher(text(&out), &[("format", "mot")]));
    bench.harness.push(seen(0)).unwrap();
    bench.push(1).unwrap();
    bench.stop();
    assert_eq!(
        fs::read_to_string(&out).unwrap(),
        "42,7,160.00,180.00,160.00,270.00,0.7500,-1,-1,-1\n42,8,160.00,180.00,160.00,270.00,0.7500,-1,-1,-1\n"
    );
    assert_eq!((bench.stat("frames"), bench.stat("written")), (2, 2));
}

#[test]
fn a_plain_frame_has_the_header_alone() {
    let folder = Folder::new("plain");
    let out = folder.path("out.jsonl");
    let mut bench = Bench::new(&publisher(text(&out), &[("feed", "door")]));
    bench.harness.push(gst::Buffer::new()).unwrap();
    bench.push(1).unwrap();
    bench.stop();
    let [first, second]: [FrameRecord; 2] = records(&out).try_into().unwrap();
    assert_eq!((first.seq, first.pts, first.running_time), (0, None, None));
    assert_eq!((second.seq, second.pts, second.running_time), (1, Some(40_000_000), Some(40_000_000)));
    assert_eq!((&*second.feed, second.width, second.height), ("door", 640, 360));
    assert!(second.detections.is_none() && second.tracks.is_none() && second.provenance.is_none());
    assert!(second.wall.0 > 1_600_000_000_000_000_000);
}

#[test]
fn a_zone_that_lies_nowhere_on_the_frame_has_no_points() {
    let folder = Folder::new("nowhere");
    let out = folder.path("out.jsonl");
    let mut bench = Bench::new(&publisher(text(&out), &[]));
    let shape = Shape { name: 0, kind: ShapeKind::Zone, first: 0, count: 3 };
    let points = vec![[0.25, 0.5], [0.5, 0.5], [0.5, 1.0]];
    let board =
        Board { names: ["kerb"].into_iter().collect(), shapes: vec![shape], points, ..Board::default() };
    let board = std::sync::Arc::new(board);
    let shift = [1.0, 0.0, 0.25, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    // The last one has the horizon through a corner.
    for to_frame in [shift, [f32::NAN; 9], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, -2.0, 0.0, 1.0]] {
        let now = vec![ShapeNow { hold: Hold::Current, reserved: 0, counts: [1.0, f64::NAN] }];
        let mut buffer = buffer(0);
        ZoneMeta::set(buffer.make_mut(), Shapes { board: board.clone(), now, to_frame });
        bench.harness.push(buffer).unwrap();
    }
    bench.stop();
    let shapes = |record: FrameRecord| record.shapes.unwrap().remove(0);
    let told: Vec<_> = records(&out).into_iter().map(shapes).collect();
    assert_eq!(&*told[0].points, [[0.5, 0.5], [0.75, 0.5], [0.75, 1.0]]);
    assert!(told[1].points.is_empty() && told[2].points.is_empty(), "{told:?}");
    assert_eq!((told[2].occupancy, told[2].entries), (Some(1.0), None));
}

#[test]
fn events_set_feed_running_time_and_size() {
    let folder = Folder::new("events");
    let out = folder.path("out.jsonl");
    let mut bench = Bench::new(&publisher(text(&out), &[]));
    let h = &mut bench.harness;
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(gst::ClockTime::from_mseconds(1000));
    segment.set_base(gst::ClockTime::from_mseconds(500));
    assert!(h.push_event(gst::event::StreamStart::new("other")));
    assert!(h.push_event(gst::event::Caps::new(
        &"video/x-raw(memory:NVMM),format=NV12,width=1920,height=1080,framerate=25/1".parse().unwrap()
    )));
    assert!(h.push_event(gst::event::Segment::new(&segment)));
    h.push(buffer(26)).unwrap();
    h.push(buffer(0)).unwrap();
    assert!(h.push_event(gst::event::Gap::new(gst::ClockTime::from_mseconds(1040), None)));
    assert!(h.push_event(gst::event::FlushStart::new()));
    assert_eq!(h.push(buffer(27)), Err(gst::FlowError::Flushing));
    assert!(h.push_event(gst::event::FlushStop::new(true)));
    assert!(h.push_event(gst::event::Segment::new(&segment)));
    h.push(buffer(27)).unwrap();
    bench.stop();
    let lines = records(&out);
    let said: Vec<_> = lines.iter().map(|r| (&*r.feed, r.seq, r.running_time, r.width, r.height)).collect();
    let running = |ms: u64| Some(ms * 1_000_000);
    assert_eq!(
        said,
        [
            ("other", 0, running(540), 1920, 1080),
            ("other", 1, None, 1920, 1080),
            ("other", 2, running(580), 1920, 1080)
        ]
    );
}

#[test]
fn frames_before_caps_are_not_negotiated() {
    let folder = Folder::new("no-caps");
    let element = publisher(text(&folder.path("out")), &[]);
    element.set_state(gst::State::Paused).unwrap();
    let pad = element.static_pad("sink").unwrap();
    pad.send_event(gst::event::StreamStart::new("s"));
    pad.send_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    assert_eq!(pad.chain(buffer(0)), Err(gst::FlowError::NotNegotiated));
    element.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_file_is_whole_before_end_of_stream() {
    let folder = Folder::new("eos");
    let out = folder.path("out.jsonl");
    fs::write(&out, "left from before\n".repeat(1000)).unwrap();
    let pipeline = pipeline(&format!(
        "videotestsrc num-buffers=500 ! {CAPS} ! nvppublish queue-size=1 location={} ! fakesink",
        text(&out)
    ));
    let end = run(&pipeline);
    let lines = records(&out);
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos);
    assert!(lines.iter().map(|r| r.seq).eq(0..500));
}

#[test]
fn start_and_stop_a_hundred_times() {
    let folder = Folder::new("cycles");
    let out = folder.path("out.jsonl");
    let pipeline = pipeline(&format!(
        "videotestsrc num-buffers=3 ! {CAPS} ! nvppublish name=publish location={} ! fakesink",
        text(&out)
    ));
    let element = pipeline.by_name("publish").unwrap();
    for _ in 0..100 {
        let end = run(&pipeline);
        pipeline.set_state(gst::State::Null).unwrap();
        assert_eq!(end.type_(), gst::MessageType::Eos);
        assert_eq!(records(&out).len(), 3);
        let stats: gst::Structure = element.property("stats");
        assert_eq!((stats.get::<u64>("frames"), stats.get::<u64>("written")), (Ok(3), Ok(3)));
    }
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let names = threads.map(|t| fs::read_to_string(t.unwrap().path().join("comm")).unwrap_or_default());
    let name = element.name();
    assert!(!names.into_iter().any(|n| n.trim() == name), "a writer thread is left");
}

#[test]
fn what_cannot_be_opened_is_one_clear_error() {
    let folder = Folder::new("start");
    let missing = folder.path("no/such/folder/out.jsonl");
    let socket = format!("unix:{}", text(&folder.path("nobody")));
    let pipe = folder.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let long = format!("unix:/{}", "x".repeat(200));
    for (location, expected) in [
        ("", "No location is set"),
        (text(&missing), "Make the folder first"),
        (text(&folder.0), "Add the name of a file"),
        (text(&pipe), "Start the reader"),
        (&socket, "Start the process that listens"),
        (&long, "Cannot write to unix:/xxx"),
    ] {
        let element = publisher(location, &[]);
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        assert!(element.set_state(gst::State::Paused).is_err(), "{location}");
        let messages: Vec<_> = bus.iter_filtered(&[gst::MessageType::Error]).collect();
        let [message] = &messages[..] else { panic!("{} errors for {location}", messages.len()) };
        let error = message.structure().unwrap().get::<glib::Error>("gerror").unwrap().to_string();
        assert!(error.contains(expected) && error.contains(location), "{error}");
        element.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn a_full_disk_is_one_error() {
    for policy in ["block", "drop"] {
        let mut bench = Bench::new(&publisher("/dev/full", &[("policy", policy)]));
        let refused = (0..10_000).map(|n| bench.push(n)).find_map(Result::err);
        assert_eq!(refused, Some(gst::FlowError::Error));
        bench.harness.push_event(gst::event::Eos::new());
        bench.stop();
        let errors = bench.errors();
        assert!(errors.len() == 1 && errors[0].contains("No space left") && errors[0].contains("/dev/full"));
        let stats = ["written", "errors", "queue-level"].map(|s| bench.stat(s));
        assert_eq!(stats, [0, 1, 0]);
        assert_eq!(bench.stat("frames"), bench.stat("undelivered") + bench.stat("dropped-overflow"));
    }
}

#[test]
fn an_error_is_told_before_end_of_stream() {
    let mut bench = Bench::new(&publisher("/dev/full", &[]));
    bench.push(0).ok();
    bench.harness.push_event(gst::event::Eos::new());
    assert_eq!(bench.errors().len(), 1);
    bench.stop();
}

#[test]
fn properties_stay_while_running() {
    let folder = Folder::new("properties");
    let out = folder.path("out.jsonl");
    let mut bench = Bench::new(&publisher(text(&out), &[("feed", "a")]));
    let other = folder.path("other");
    for (name, value) in [
        ("location", text(&other)),
        ("feed", "b"),
        ("format", "mot"),
        ("policy", "drop"),
        ("queue-size", "7"),
    ] {
        bench.element.set_property_from_str(name, value);
    }
    bench.push(0).unwrap();
    assert_eq!(bench.element.property::<String>("location"), text(&out));
    assert_eq!(bench.element.property::<u32>("queue-size"), 256);
    bench.stop();
    assert_eq!(records(&out)[0].feed, "a");
    assert!(!other.exists());
    bench.element.set_property("queue-size", 7u32);
    assert_eq!(bench.element.property::<u32>("queue-size"), 7);
}

/// A peer on a Unix socket.
struct Peer {
    listener: UnixListener,
    path: PathBuf,
}

impl Peer {
    fn new(folder: &Folder) -> Self {
        let path = folder.path("socket");
        let _ = fs::remove_file(&path);
        Self { listener: UnixListener::bind(&path).unwrap(), path }
    }

    fn location(&self) -> String {
        format!("unix:{}", text(&self.path))
    }

    fn accept(&self) -> UnixStream {
        self.listener.accept().unwrap().0
    }
}

#[test]
fn a_socket_reader_sees_each_line_at_once() {
    let folder = Folder::new("socket");
    let peer = Peer::new(&folder);
    let mut bench = Bench::new(&publisher(&peer.location(), &[]));
    let mut reader = BufReader::new(peer.accept());
    for number in 0..3 {
        bench.push(number).unwrap();
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert_eq!(FrameRecord::from_line(line.as_bytes()).unwrap().seq, number);
    }
    bench.stop();
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_dead_peer_is_an_error_when_nothing_may_be_lost() {
    let folder = Folder::new("dead-peer");
    let peer = Peer::new(&folder);
    let mut bench = Bench::new(&publisher(&peer.location(), &[]));
    drop(peer.accept());
    let refused = (0..10_000).map(|n| bench.push(n)).find_map(Result::err);
    assert_eq!(refused, Some(gst::FlowError::Error));
    let errors = bench.errors();
    assert!(
        errors.len() == 1 && errors[0].contains("unix:") && errors[0].contains("Lines lost"),
        "{errors:?}"
    );
    bench.stop();
}

#[test]
fn a_reader_that_stops_reading_is_an_error_at_the_end() {
    let folder = Folder::new("stuck");
    let peer = Peer::new(&folder);
    let mut bench = Bench::new(&publisher(&peer.location(), &[("queue-size", "65536")]));
    let _reader = peer.accept();
    for number in 0..20_000 {
        bench.push(number).unwrap();
        drop(bench.harness.pull());
    }
    assert!(bench.harness.push_event(gst::event::Eos::new()));
    let errors = bench.errors();
    assert!(errors.len() == 1 && errors[0].contains("the reader takes nothing"), "{errors:?}");
    bench.stop();
    assert_eq!(bench.stat("frames"), bench.stat("written") + bench.stat("undelivered"));
}

#[test]
fn live_video_survives_a_dead_peer() {
    let folder = Folder::new("live");
    let peer = Peer::new(&folder);
    let mut bench = Bench::new(&publisher(&peer.location(), &[("policy", "drop")]));
    drop(peer.accept());
    drop(peer);
    bench.push(0).unwrap();
    let lost = bench.wait_for("nvp-publish-lost");
    assert!(lost.get::<String>("location").unwrap().starts_with("unix:"));
    for number in 1..=3 {
        bench.push(number).unwrap();
    }
    assert_eq!(bench.stat("dropped-disconnected"), 4);

    let peer = Peer::new(&folder);
    let mut reader = BufReader::new(peer.accept());
    let back = bench.wait_for("nvp-publish-back");
    assert_eq!(back.get::<u64>("dropped"), Ok(4));
    assert!(back.get::<u64>("outage").unwrap() > 0);
    bench.push(4).unwrap();
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(FrameRecord::from_line(line.as_bytes()).unwrap().seq, 4);
    bench.stop();
    assert_eq!(["frames", "written", "errors", "reconnects"].map(|s| bench.stat(s)), [5, 1, 1, 1]);
    assert!(bench.errors().is_empty());
}

#[test]
fn live_video_stops_while_the_peer_is_away() {
    let folder = Folder::new("away");
    let peer = Peer::new(&folder);
    let mut bench = Bench::new(&publisher(&peer.location(), &[("policy", "drop")]));
    drop(peer.accept());
    drop(peer);
    bench.push(0).unwrap();
    bench.wait_for("nvp-publish-lost");
    assert!(bench.harness.push_event(gst::event::Eos::new()));
    bench.stop();
    assert_eq!(bench.stat("frames"), bench.stat("dropped-disconnected"));
}

#[test]
fn a_reader_that_does_not_read_costs_old_lines() {
    let folder = Folder::new("overflow");
    let peer = Peer::new(&folder);
    let mut bench = Bench::new(&publisher(&peer.location(), &[("policy", "drop"), ("queue-size", "4")]));
    let mut reader = peer.accept();
    let frames = 20_000;
    for number in 0..frames {
        bench.push(number).unwrap();
        drop(bench.harness.pull());
    }
    bench.wait_for("nvp-publish-overflow");
    let [accepted, written, dropped, level] =
        ["frames", "written", "dropped-overflow", "queue-level"].map(|s| bench.stat(s));
    assert_eq!((accepted, level), (frames, 4));
    assert_eq!(accepted, written + dropped + level + 1, "one is being written");
    bench.stop();
    assert_eq!(bench.stat("undelivered"), 5);
    assert_eq!(bench.bus.iter_filtered(&[gst::MessageType::Warning]).count(), 1);
    assert!(bench.errors().is_empty());

    let mut text = Vec::new();
    reader.read_to_end(&mut text).unwrap();
    let whole = text.iter().filter(|b| **b == b'\n').count() as u64;
    assert_eq!(whole, written);
}

#[test]
fn a_blocked_frame_is_freed_by_a_flush_and_by_the_stop() {
    let folder = Folder::new("blocked");
    let peer = Peer::new(&folder);
    let bench = Bench::new(&publisher(&peer.location(), &[("queue-size", "1")]));
    let mut reader = peer.accept();
    let pad = bench.element.static_pad("sink").unwrap();
    let streaming = thread::spawn({
        let pad = pad.clone();
        move || (0u64..).map(|n| pad.chain(buffer(n))).find_map(Result::err)
    });
    let blocked = || {
        let mut before = u64::MAX;
        while std::mem::replace(&mut before, bench.stat("frames")) != bench.stat("frames") || before == 0 {
            thread::sleep(Duration::from_millis(50));
        }
    };
    blocked();
    pad.send_event(gst::event::FlushStart::new());
    assert_eq!(streaming.join().unwrap(), Some(gst::FlowError::Flushing));
    let drained = thread::spawn(move || reader.read_to_end(&mut Vec::new()).unwrap());
    bench.stop();
    assert!(drained.join().unwrap() > 0);
    assert_eq!(bench.stat("frames"), bench.stat("written"));
    assert!(bench.errors().is_empty());
}

#[test]
fn foreign_memory_passes_unmapped() {
    let folder = Folder::new("foreign");
    let out = folder.path("out.jsonl");
    let caps = "video/x-raw(memory:Foreign),format=NV12,width=64,height=48,framerate=25/1";
    let pipeline = pipeline(&format!(
        "appsrc name=src format=time caps={caps} ! nvppublish location={} ! appsink name=sink sync=false",
        text(&out)
    ));
    let src = pipeline.by_name("src").unwrap().downcast::<gst_app::AppSrc>().unwrap();
    let sink = pipeline.by_name("sink").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let allocator = foreign::Allocator::default();
    let mut sent = buffer(0);
    sent.get_mut().unwrap().append_memory(allocator.memory());
    src.push_buffer(sent).unwrap();
    src.end_of_stream().unwrap();
    let sample = sink.pull_sample().unwrap();
    assert_eq!(sample.buffer().unwrap().size(), foreign::SIZE);
    assert!(sample.caps().unwrap().features(0).unwrap().contains("memory:Foreign"));
    pipeline.bus().unwrap().timed_pop_filtered(LIMIT, &[gst::MessageType::Eos]).unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!((records(&out)[0].width, records(&out)[0].height), (64, 48));
    assert_eq!(allocator.maps(), 0);
    assert!(sample.buffer().unwrap().map_readable().is_err());
    assert!(allocator.maps() > 0, "the memory counts");
}

/// `gst-launch-1.0` with the plugin built for this test.
fn launch(pipeline: &str) -> Command {
    let plugin = std::env::current_exe().unwrap().with_file_name("libgstnvperception.so");
    assert!(plugin.exists(), "{} is not built", plugin.display());
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q").arg(format!("--gst-plugin-load={}", plugin.display()));
    command.args(pipeline.split_whitespace()).stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

#[test]
fn standard_output_gets_the_lines_and_nothing_else() {
    let pipeline = format!("videotestsrc num-buffers=5 ! {CAPS} ! nvppublish location=- ! fakesink");
    let Output { status, stdout, stderr } = launch(&pipeline).output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let lines = stdout.split_inclusive(|b| *b == b'\n');
    assert!(lines.map(|l| FrameRecord::from_line(l).unwrap().seq).eq(0..5));
}

#[test]
fn a_closed_standard_output_is_an_error_and_no_signal() {
    let pipeline = format!("videotestsrc ! {CAPS} ! nvppublish location=- ! fakesink");
    let mut child = launch(&pipeline).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(FrameRecord::from_line(line.as_bytes()).is_ok());
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.code().is_some_and(|c| c != 0), "{status}: {stderr}");
    assert!(stderr.contains("Cannot write to standard output: Broken pipe"), "{stderr}");
}

#[test]
fn stats_say_what_was_written() {
    let folder = Folder::new("stats");
    let out = folder.path("out.jsonl");
    let mut bench = Bench::new(&publisher(text(&out), &[]));
    for number in 0..10 {
        bench.push(number).unwrap();
    }
    assert!(bench.harness.push_event(gst::event::Eos::new()));
    assert_eq!((bench.stat("frames"), bench.stat("written")), (10, 10));
    assert_eq!(bench.stat("bytes"), fs::metadata(&out).unwrap().len());
    bench.stop();
    assert_eq!(bench.stat("written"), 10);
}

/// Everything that the tracker tells is in lines of the schema, and comes back from them.
#[test]
fn what_the_tracker_tells_is_written_and_read() {
    init();
    let folder = Folder::new("told");
    let lines = folder.path("told.jsonl");
    let tracker = "nvptracker max-lost=0.1 ground-homography=10,0,0;0,10,0;0,0,1 \
        export=lost+past+ended+trajectories+live-trajectories";
    let mut harness = Harness::new_parse(&format!("{tracker} ! nvppublish location=\"{}\"", text(&lines)));
    harness.set_src_caps_str(CAPS);
    let mut told = Vec::new();
    for frame in 0..40u64 {
        let mut buffer = gst::Buffer::new();
        let writable = buffer.get_mut().unwrap();
        writable.set_pts(gst::ClockTime::from_mseconds(40 * frame));
        let bbox = BBox::from_center(0.2 + 0.01 * frame as f32, 0.5, 0.1, 0.2);
        let seen = !matches!(frame, 0 | 5 | 30..);
        let items = seen.then_some(Detection { bbox, confidence: 0.9, class_id: 0 });
        let items = items.into_iter().collect();
        DetectionMeta::add(writable, Detections { model: "det".into(), items, ..Detections::default() });
        let out = harness.push_and_pull(buffer).unwrap();
        told.push(TrackMeta::get(&out).unwrap().to_owned());
    }
    harness.push_event(gst::event::Eos::new());
    drop(harness);
    let written = fs::read_to_string(&lines).unwrap();
    let schema = include_str!("../schema/nvperception.frame-1.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    for line in written.lines() {
        let line = serde_json::from_str(line).unwrap();
        assert!(schema.is_valid(&line), "{:?}", schema.validate(&line));
    }
    let recording = Recording::from_json(&written).unwrap();
    for (frame, mut told) in told.iter().cloned().enumerate() {
        let read = recording.content(recording.at(Key::Number(frame as u64)), (640, 360)).tracks.unwrap();
        told.run = read.run.clone();
        told.items.iter_mut().for_each(|track| track.since_match = 0);
        assert_eq!(read, told, "frame {frame}");
    }
    assert!(told.iter().any(|t| !t.ended.as_ref().unwrap().is_empty()));
    assert!(told.iter().filter(|t| !t.past.as_ref().unwrap().is_empty()).count() == 2);
    assert!(told.iter().all(|t| t.items.is_empty() || !t.segments.is_empty()));
}
