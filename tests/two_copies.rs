//! An application that links the crate and also loads the plugin: two copies of the crate, built apart, in one
//! process. What one attaches the other reads, transforms and frees, whichever registered the types.
//!
//! Which copy is first is decided once a process, so each order runs in a process of its own.

use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use gst::glib;
use gst::prelude::*;
use gstnvperception::detection::{Detection, Detections};
use gstnvperception::geometry::BBox;
use gstnvperception::meta::{self, DetectionMeta, Origin, ProvenanceMeta, TrackMeta};
use gstnvperception::provenance::{Outcome, Stage};

const PLUGIN: &str = "NVP_TEST_SECOND_COPY";
const FRAMES: u64 = 6;
const BOX: BBox = BBox::new(0.25, 0.1, 0.5, 0.8);

/// Builds the plugin where nothing of this build is shared, and otherwise optimised.
fn build_plugin() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("second-copy");
    let status = Command::new(std::env::var_os("CARGO").expect("run by cargo"))
        .args(["build", "--locked", "--lib", "--no-default-features", "--features", "plugin", "--target-dir"])
        .arg(&target)
        .arg("--manifest-path")
        .arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "0")
        .status()
        .expect("cargo runs");
    assert!(status.success());
    target.join("debug/libgstnvperception.so")
}

fn in_a_process_of_its_own(test: &str) {
    let plugin = build_plugin();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(PLUGIN, plugin)
        .env("G_DEBUG", "fatal_warnings")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
    assert!(said.contains("1 passed"), "{test} did not run: {said}");
}

#[test]
fn both_orders() {
    in_a_process_of_its_own("the_application_registers_first");
    in_a_process_of_its_own("the_plugin_registers_first");
}

fn load_plugin() {
    let plugin = gst::Plugin::load_file(std::env::var_os(PLUGIN).expect("set by both_orders")).unwrap();
    gst::Registry::get().add_plugin(&plugin).unwrap();
}

fn api_is_registered() -> bool {
    glib::Type::from_name("NvpDetectionMetaAPI").is_some()
}

#[test]
#[ignore = "both_orders runs it"]
fn the_application_registers_first() {
    gst::init().unwrap();
    assert!(!api_is_registered());
    assert!(meta::init());
    load_plugin();
    exchange();
}

#[test]
#[ignore = "both_orders runs it"]
fn the_plugin_registers_first() {
    gst::init().unwrap();
    load_plugin();
    let launch = "videotestsrc num-buffers=1 ! nvptracker ! fakesink";
    let pipeline = gst::parse::launch(launch).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let wait = Some(gst::ClockTime::from_seconds(20));
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(wait, &ends).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(api_is_registered());
    exchange();
}

/// A frame with one detection and one stage by the application.
fn frame(number: u64) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(vec![0; 160 * 120 * 3 / 2]);
    let r = buffer.get_mut().unwrap();
    r.set_pts(gst::ClockTime::from_mseconds(40 * number));
    r.set_duration(gst::ClockTime::from_mseconds(40));
    let items = vec![Detection { bbox: BOX, confidence: 0.9, class_id: 1 }];
    let labels = ["person", "car"].into_iter().collect();
    DetectionMeta::add(r, Detections { model: "application".into(), labels, items, ..Detections::default() });
    let origin = || Origin { feed: "door".into(), sequence: number, received: 5 };
    let stage = Stage {
        element: "application".into(),
        model_sha256: None,
        provider: None,
        start: 1,
        end: 2,
        outcome: Outcome::Ok,
        ..Stage::default()
    };
    ProvenanceMeta::append(r, origin, stage);
    buffer
}

/// Sends what the application says through the plugin and through GStreamer's elements, and back.
fn exchange() {
    let caps = "video/x-raw,format=I420,width=160,height=120,framerate=25/1,pixel-aspect-ratio=1/1";
    let launch = "appsrc name=frames format=time ! nvptracker ! tee name=t \
        t. ! queue ! videoscale ! video/x-raw,width=80,height=60 ! appsink name=scaled sync=false \
        t. ! queue ! videoscale ! video/x-raw,width=200,height=60,pixel-aspect-ratio=1/1 \
           ! appsink name=stretched sync=false";
    let pipeline = gst::parse::launch(launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    let src = pipeline.by_name("frames").and_downcast::<gst_app::AppSrc>().unwrap();
    src.set_caps(Some(&gst::Caps::from_str(caps).unwrap()));
    let sink = |name: &str| pipeline.by_name(name).and_downcast::<gst_app::AppSink>().unwrap();
    let (scaled, stretched) = (sink("scaled"), sink("stretched"));
    pipeline.set_state(gst::State::Playing).unwrap();
    for number in 0..FRAMES {
        src.push_buffer(frame(number)).unwrap();
    }
    src.end_of_stream().unwrap();
    for number in 0..FRAMES {
        let pull = |sink: &gst_app::AppSink| sink.try_pull_sample(gst::ClockTime::from_seconds(20)).unwrap();
        let mut kept = pull(&scaled).buffer_owned().unwrap();
        assert_kept(&kept, number);
        add_more(&mut kept, number);
        assert_dropped(pull(&stretched).buffer().unwrap());
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

fn assert_kept(buffer: &gst::BufferRef, number: u64) {
    let own = DetectionMeta::all(buffer).next().unwrap();
    assert_eq!((own.model(), own.label(1), own.items()[0].bbox), ("application", Some("car"), BOX));
    let tracks = TrackMeta::get(buffer).expect("nvptracker adds tracks to every frame");
    assert!(!tracks.run().is_empty());
    if number == FRAMES - 1 {
        let track = tracks.items()[0];
        assert!(track.bbox.iou(&BOX) > 0.9, "{track:?}");
        assert_eq!((tracks.items().len(), tracks.label(track.label)), (1, Some("car")));
    }
    let provenance = ProvenanceMeta::get(buffer).unwrap();
    assert_eq!((provenance.feed(), provenance.sequence()), ("door", number));
    let stages: Vec<_> = provenance.stages().map(|s| s.element()).collect();
    assert_eq!((stages.len(), stages[0]), (2, "application"), "{stages:?}");
}

/// On top of what the plugin's copy has attached; both are freed in the end by whoever registered.
fn add_more(buffer: &mut gst::Buffer, number: u64) {
    let r = buffer.make_mut();
    let mut tracks = TrackMeta::get(r).unwrap().to_owned();
    tracks.items.clear();
    TrackMeta::set(r, tracks);
    let last = ProvenanceMeta::get(r).unwrap().to_owned().stages.pop().unwrap();
    ProvenanceMeta::append(r, || unreachable!("the frame has an origin"), last);
    assert!(TrackMeta::get(r).unwrap().items().is_empty());
    let provenance = ProvenanceMeta::get(r).unwrap();
    assert_eq!((provenance.stages().count(), provenance.sequence()), (3, number));
}

fn assert_dropped(buffer: &gst::BufferRef) {
    assert_eq!(DetectionMeta::all(buffer).count(), 0);
    assert!(TrackMeta::get(buffer).is_none());
    assert_eq!(ProvenanceMeta::get(buffer).unwrap().stages().count(), 2);
}
