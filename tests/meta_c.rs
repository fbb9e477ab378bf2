//! The C header reads what Rust has attached.

use std::path::PathBuf;
use std::process::Command;

use gst::prelude::*;
use gstnvperception::detection::{Details, Detection, Detections, Keypoint, Parent, Quad, Task};
use gstnvperception::geometry::BBox;
use gstnvperception::meta::{
    Batch, BatchItem, BatchMeta, BatchStream, DetectionMeta, Origin, ProvenanceMeta, StreamFacts, TrackMeta,
    TruthMeta, ViewMeta,
};
use gstnvperception::provenance::{Outcome, Stage};
use gstnvperception::scene::{TrueObject, TrueView, Truth};
use gstnvperception::track::{
    Closed, Continuity, EndReason, Ended, Opened, Past, PastKind, Track, TrackMotion, TrackPoint,
    TrackSegment, TrackState, Tracks,
};
use gstnvperception::view::{Motion, MotionSource, Phase, View};

/// Compiles the C filter against the header, warnings being errors.
fn build_reader() -> PathBuf {
    let output = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("libgstmetareader.so");
    let flags = Command::new("pkg-config")
        .args(["--cflags", "--libs", "gstreamer-video-1.0", "gstreamer-base-1.0"])
        .output()
        .expect("pkg-config runs");
    assert!(flags.status.success(), "{}", String::from_utf8_lossy(&flags.stderr));
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let status = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".into()))
        .args(["-shared", "-fPIC", "-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-I"])
        .arg(root.join("meta"))
        .arg(root.join("tests/meta_reader.c"))
        .arg("-o")
        .arg(&output)
        .args(String::from_utf8(flags.stdout).unwrap().split_whitespace())
        .status()
        .expect("a C compiler runs");
    assert!(status.success());
    output
}

fn attach(buffer: &mut gst::BufferRef) {
    let bbox = BBox::new(0.25, 0.5, 0.75, 1.25);
    let item = Detection { bbox, confidence: 0.5, class_id: 1 };
    let labels = ["person", "größe"].into_iter().collect();
    let mut details = Details::default();
    for i in 0..2u8 {
        let x = f32::from(i);
        details.keypoints.push(&[Keypoint { x, y: 0.5, confidence: 0.25 }]);
        details.quads.push(Quad { corners: [[x, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]] });
        details.masks.push(2, 1, |cells| cells.fill(i + 1));
        details.embeddings.push(&[x, 1.0 - x]);
    }
    let parents = vec![
        Parent { track: 9, age: 40, model: -1, item: -1 },
        Parent { track: 0, age: 0, model: 0, item: 3 },
    ];
    let found = Detections {
        model: "det".into(),
        labels,
        task: Task::Classify,
        age: 33,
        source_pts: Some(44),
        items: vec![item, item],
        parents,
        parent_models: ["other"].into_iter().collect(),
        details,
    };
    DetectionMeta::add(buffer, found);
    DetectionMeta::add(buffer, Detections { model: "none".into(), ..Detections::default() });
    let track = Track { id: 1 << 52, age: 40, bbox, velocity: [0.5, -0.25], ..Track::default() };
    let motion = TrackMotion {
        stationary: 1,
        path: 2.5,
        displacement: [0.5, -1.5],
        direction: 90.0,
        ground: [12.0, 3.5],
        ground_max_speed: 4.25,
        ..TrackMotion::UNKNOWN
    };
    let track = Track { continuity: Continuity::Reassociated, motion, ..track };
    let items = vec![Track { state: TrackState::Coasted, label: 0, class_id: 7, ..track }];
    let tracks =
        Tracks { run: "run".into(), labels: ["car"].into_iter().collect(), items, ..Tracks::default() };
    let ended = Ended { track: Track { id: 3, ..track }, reason: EndReason::Duplicate, reserved: 0 };
    let past = Past { id: 4, before: 80, bbox, confidence: 0.5, kind: PastKind::Interpolated };
    let segment = TrackSegment {
        track: 3,
        epoch: 2,
        since: 90,
        until: 10,
        opened: Opened::Reassociated,
        closed: Closed::Ended,
        compensations: 6,
        count: 1,
        first: 1,
        transform: [0.5; 9],
        motion,
        reserved: 0,
    };
    let points = vec![TrackPoint::default(), TrackPoint { before: 50, x: 0.25, y: 0.75 }];
    let (ended, past, segments) = (Some(vec![ended]), Some(vec![past]), vec![segment]);
    TrackMeta::set(buffer, Tracks { ended, past, segments, points, ..tracks });
    let object = TrueObject { id: 5, bbox, visibility: 0.5, class_id: 0 };
    let seen = TrueView { preset: 2, zoom: 1.5, ..TrueView::default() };
    let labels = ["bus"].into_iter().collect();
    TruthMeta::set(buffer, Truth { frame: 8, labels, objects: vec![object], view: seen });
    let view =
        View { epoch: 3, version: 4, phase: Phase::MoveEnd, motion: Motion::Moving, ..View::default() };
    let (confidence, to_previous) = (0.75, Some([1.0, 0.0, 0.5, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]));
    let preset = Some("home".into());
    ViewMeta::set(buffer, View { confidence, to_previous, preset, source: MotionSource::External, ..view });
    let stage = Stage {
        element: "one".into(),
        model_sha256: None,
        provider: Some("CPU".into()),
        start: 1,
        end: 2,
        outcome: Outcome::Ok,
        generation: 6,
    };
    let origin = || Origin { feed: "door".into(), sequence: 9, received: 0 };
    ProvenanceMeta::append(buffer, origin, stage.clone());
    let skipped = Outcome::Skipped("interval".into());
    ProvenanceMeta::append(
        buffer,
        origin,
        Stage { element: "two".into(), provider: None, outcome: skipped, ..stage },
    );
    BatchMeta::set(buffer, batch());
}

fn batch() -> Batch {
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    let stream = BatchStream::new(StreamFacts {
        pad: 4,
        id: "rtsp://door".into(),
        name: "door".into(),
        caps: "video/x-raw,width=64".parse().ok(),
        segment: Some(segment.upcast()),
    });
    let mut frame = gst::Buffer::new();
    frame.get_mut().unwrap().set_pts(gst::ClockTime::from_nseconds(77));
    let items = vec![
        BatchItem::frame(stream.clone(), frame),
        BatchItem::event(stream, gst::event::Eos::new()),
        BatchItem::released(BatchStream::new(StreamFacts { pad: 5, ..StreamFacts::default() })),
    ];
    Batch { items }
}

#[test]
fn c_reads_what_rust_attached() {
    gst::init().unwrap();
    let plugin = gst::Plugin::load_file(build_reader()).unwrap();
    gst::Registry::get().add_plugin(&plugin).unwrap();
    let pipeline = gst::parse::launch("appsrc name=frames ! metareader ! fakesink").unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let src = pipeline.by_name("frames").and_downcast::<gst_app::AppSrc>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut buffer = gst::Buffer::new();
    attach(buffer.get_mut().unwrap());
    src.push_buffer(buffer).unwrap();
    let wait = Some(gst::ClockTime::from_seconds(20));
    let message = pipeline.bus().unwrap().timed_pop_filtered(wait, &[gst::MessageType::Element]).unwrap();
    let said: String = message.structure().unwrap().get("said").unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(
        said,
        "det task 1 33 before 44: größe 0.50 0.25,0.50,0.75,1.25 of 9/40 - 0.0,0.5,0.25 0.0 1x2 of 0.0,1.0 \
         größe 0.50 0.25,0.50,0.75,1.25 of 0/0 other 3 1.0,0.5,0.25 1.0 2x2 of 1.0,0.0; none task 0 0 before -1:; \
         run: 4503599627370496 car state 2 age 40 at 0.25,0.50,0.75,1.25 moving 0.50,-0.25 \
         continuity 1 stationary 1 path 2.50 by -1.50 mean nan to 90 on 12.0 max 4.25; \
         ended 3 for 1; past 4 80 ago at 0.25 by 0.50 kind 1; \
         segment of 3 in 2 from 90 to 10 opened 3 closed 3 by 6 of 0.5 path 2.50 at 50 0.25,0.75; \
         view 3.4 phase 3 motion 2 source 3 valid 0 by 0.75 known 1 shift 0.50 at home; \
         truth 8: 5 bus 0.50 at 0.25,0.50,0.75,1.25 zoom 1.5 preset 2 of 1.0; \
         door 9: two  1 interval 6; one CPU 0  6; \
         batch: 4 door rtsp://door video/x-raw time frame 77, 4 door rtsp://door video/x-raw time eos, 5   - - released,;"
    );
}
