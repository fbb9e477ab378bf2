//! `nvptestsrc`: exact times, seeking, formats, the truth, and detections without a model.

use std::sync::Once;

use gst::glib;
use gst::prelude::*;
use gst_app::AppSink;
use gstnvperception::meta::{DetectionMeta, ProvenanceMeta, TruthMeta};

const FORMATS: [&str; 16] = [
    "I420", "NV12", "YV12", "NV21", "YUY2", "RGB", "BGR", "RGBA", "BGRA", "ARGB", "ABGR", "RGBx", "BGRx",
    "xRGB", "xBGR", "GRAY8",
];
const SMALL: &str = "video/x-raw,format=I420,width=160,height=90,framerate=30/1";

fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        glib::log_set_always_fatal(glib::LogLevels::LEVEL_CRITICAL | glib::LogLevels::LEVEL_WARNING);
        gstnvperception::plugin_register_static().unwrap();
    });
}

/// A source that plays into a sink that takes as it is asked.
struct Player {
    pipeline: gst::Pipeline,
    sink: AppSink,
}

impl Player {
    fn new(properties: &str, caps: &str) -> Self {
        init();
        let launch =
            format!("nvptestsrc name=src {properties} ! {caps} ! appsink name=sink sync=false max-buffers=1");
        let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
        let sink = pipeline.by_name("sink").and_downcast::<AppSink>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Self { pipeline, sink }
    }

    fn next(&self) -> Option<gst::Sample> {
        let sample = self.sink.try_pull_sample(gst::ClockTime::from_seconds(30));
        assert!(sample.is_some() || self.sink.is_eos(), "neither a frame nor the end");
        sample
    }

    fn buffers(&self) -> Vec<gst::Buffer> {
        std::iter::from_fn(|| self.next()).map(|sample| sample.buffer_owned().unwrap()).collect()
    }

    fn seek(&self, rate: f64, from: impl FormattedValue, to: impl FormattedValue) {
        self.pipeline.state(gst::ClockTime::from_seconds(30)).0.unwrap();
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        let (from, to): (gst::GenericFormattedValue, gst::GenericFormattedValue) = (from.into(), to.into());
        let event = gst::event::Seek::new(rate, flags, gst::SeekType::Set, from, gst::SeekType::Set, to);
        assert!(self.pipeline.send_event(event));
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

fn frames(properties: &str, caps: &str) -> Vec<gst::Buffer> {
    Player::new(properties, caps).buffers()
}

fn pixels(buffer: &gst::Buffer) -> Vec<u8> {
    buffer.map_readable().unwrap().to_vec()
}

fn times(buffers: &[gst::Buffer]) -> Vec<u64> {
    buffers.iter().map(|b| b.pts().unwrap().nseconds()).collect()
}

#[test]
fn without_caps_it_is_720p_at_30() {
    let player = Player::new("num-buffers=2", "video/x-raw");
    let sample = player.next().unwrap();
    let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
    assert_eq!((info.width(), info.height(), info.fps()), (1280, 720, gst::Fraction::new(30, 1)));
    assert_eq!((info.format(), info.par()), (gst_video::VideoFormat::I420, gst::Fraction::new(1, 1)));
    let length = player.pipeline.query_duration::<gst::ClockTime>();
    assert_eq!(length, Some(gst::ClockTime::from_nseconds(66_666_666)));
}

#[test]
fn times_are_exact() {
    let buffers = frames("num-buffers=4", "video/x-raw,width=32,height=18,framerate=30000/1001");
    assert_eq!(times(&buffers), [0, 33_366_666, 66_733_333, 100_100_000]);
    for (number, pair) in buffers.windows(2).enumerate() {
        assert_eq!(pair[0].pts().unwrap() + pair[0].duration().unwrap(), pair[1].pts().unwrap());
        assert_eq!(pair[0].offset(), number as u64);
    }
}

#[test]
fn rates_without_reason() {
    let still = frames("", "video/x-raw,width=32,height=18,framerate=0/1");
    assert_eq!((still.len(), still[0].pts(), still[0].duration()), (1, Some(gst::ClockTime::ZERO), None));
    let absurd = frames("num-buffers=5", "video/x-raw,width=32,height=18,framerate=2147483647/1");
    assert_eq!(times(&absurd), [0, 0, 0, 1, 1]);
    let slow = frames("num-buffers=2", "video/x-raw,width=32,height=18,framerate=1/2147483647");
    assert_eq!(times(&slow), [0, 2_147_483_647_000_000_000]);
}

#[test]
fn every_format_and_odd_sizes() {
    for format in FORMATS {
        for (width, height) in [(1, 1), (16, 16), (161, 91)] {
            let caps = format!("video/x-raw,format={format},width={width},height={height}");
            let buffers = frames("num-buffers=1", &caps);
            assert!(buffers.len() == 1 && TruthMeta::get(&buffers[0]).is_some(), "{caps}");
        }
    }
}

#[test]
fn the_truth_is_of_every_size_and_format_the_same() {
    let truth = |caps: &str| TruthMeta::get(&frames("num-buffers=3 seed=4", caps)[2]).unwrap().to_owned();
    let small = truth("video/x-raw,format=GRAY8,width=160,height=90");
    assert!(!small.objects.is_empty());
    assert_eq!(small, truth("video/x-raw,format=RGB,width=320,height=180"));
    assert_eq!(small, truth("video/x-raw,format=I420,width=80,height=90,pixel-aspect-ratio=2/1"));
}

#[test]
fn a_frame_found_by_seeking_is_the_frame_that_was_played() {
    for camera in ["fixed", "handheld"] {
        let properties = format!("num-buffers=12 camera={camera} objects=20");
        let played = frames(&properties, SMALL);
        let player = Player::new(&format!("camera={camera} objects=20"), SMALL);
        player.seek(1.0, gst::format::Default::from_u64(5), gst::format::Default::from_u64(9));
        let by_number = player.buffers();
        assert_eq!(times(&by_number), times(&played[5..9]));
        player.seek(1.0, gst::ClockTime::from_mseconds(250), gst::ClockTime::from_mseconds(330));
        let by_time = player.buffers();
        assert_eq!(times(&by_time), times(&played[7..10]));
        for (sought, played) in by_number.iter().zip(&played[5..]).chain(by_time.iter().zip(&played[7..])) {
            assert!(pixels(sought) == pixels(played));
            assert_eq!(
                TruthMeta::get(sought).unwrap().to_owned(),
                TruthMeta::get(played).unwrap().to_owned()
            );
        }
    }
}

#[test]
fn it_plays_backwards() {
    let forwards = frames("num-buffers=6", SMALL);
    let player = Player::new("", SMALL);
    player.seek(-1.0, gst::ClockTime::ZERO, gst::ClockTime::from_mseconds(200));
    let backwards = player.buffers();
    assert_eq!(times(&backwards), times(&forwards).into_iter().rev().collect::<Vec<_>>());
    assert!(backwards.iter().rev().zip(&forwards).all(|(b, f)| pixels(b) == pixels(f)));
}

#[test]
fn live_frames_come_at_their_time() {
    let player = Player::new("num-buffers=6 is-live=true", SMALL);
    let mut query = gst::query::Latency::new();
    player.next().unwrap();
    let src = player.pipeline.by_name("src").unwrap();
    assert!(src.query(&mut query) && query.result().0, "it is live");
    let started = std::time::Instant::now();
    assert_eq!(player.buffers().len(), 5);
    assert!(started.elapsed() > std::time::Duration::from_millis(100), "5 frames at 30/s take 167 ms");
    let mut seeking = gst::query::Seeking::new(gst::Format::Time);
    assert!(!src.query(&mut seeking) || !seeking.result().0);
}

#[test]
fn each_property_changes_something() {
    let base = frames("num-buffers=2", SMALL);
    for property in ["seed=1", "objects=60", "camera=handheld", "noise=8"] {
        let other = frames(&format!("num-buffers=2 {property}"), SMALL);
        assert!(pixels(&base[1]) != pixels(&other[1]), "{property}");
    }
    let detections = |properties: &str| {
        let buffers = frames(&format!("num-buffers=40 objects=40 {properties}"), SMALL);
        let lists = buffers.iter().map(|b| DetectionMeta::all(b).map(|d| d.items().to_vec()).next());
        lists.collect::<Vec<_>>()
    };
    assert!(detections("").iter().all(Option::is_none));
    let perfect = detections("detections=perfect");
    let noisy = detections("detections=noisy");
    assert!(perfect.iter().flatten().flatten().all(|d| d.confidence == 1.0));
    let count = |lists: &[Option<Vec<_>>]| lists.iter().flatten().flatten().count();
    assert!(count(&perfect) > 40);
    for property in ["miss-rate=0.9", "false-positives=9", "jitter=0.3"] {
        let other = detections(&format!("detections=noisy {property}"));
        assert_ne!(noisy, other, "{property}");
    }
    assert!(count(&detections("detections=noisy miss-rate=1 false-positives=0")) == 0);
    assert!(count(&detections("detections=noisy false-positives=9")) > count(&noisy) + 40 * 7);
}

#[test]
fn an_empty_scene_has_an_empty_list() {
    let buffers = frames("num-buffers=1 objects=0 detections=perfect", SMALL);
    assert_eq!(TruthMeta::get(&buffers[0]).unwrap().objects(), []);
    assert_eq!(DetectionMeta::all(&buffers[0]).map(|d| d.items().len()).collect::<Vec<_>>(), [0]);
    assert_eq!(DetectionMeta::all(&buffers[0]).next().unwrap().label(3), Some("bus"));
}

#[test]
fn the_source_signs_its_frames() {
    let buffers = frames("num-buffers=3 seed=2", SMALL);
    let provenance = ProvenanceMeta::get(&buffers[2]).unwrap();
    assert_eq!(provenance.sequence(), 2);
    assert_eq!(provenance.stages().map(|stage| stage.element()).collect::<Vec<_>>(), ["src"]);
}

#[test]
fn an_8k_frame() {
    let buffers = frames("num-buffers=1 camera=handheld", "video/x-raw,format=NV12,width=7680,height=4320");
    assert_eq!(buffers[0].size(), 7680 * 4320 * 3 / 2);
}

#[test]
fn larger_frames_are_refused_in_the_caps() {
    init();
    let launch = "nvptestsrc ! video/x-raw,width=8193,height=2 ! fakesink";
    let error = gst::parse::launch(launch).unwrap_err();
    assert!(error.message().contains("can't handle caps"), "{error}");
}

/// Caps may change on the way: time goes on.
#[test]
fn another_rate_in_mid_stream_goes_on_from_there() {
    let player = Player::new("", "capsfilter name=filter caps=video/x-raw,width=32,height=18,framerate=10/1");
    let filter = player.pipeline.by_name("filter").unwrap();
    let first: Vec<u64> =
        (0..3).map(|_| player.next().unwrap().buffer().unwrap().pts().unwrap().mseconds()).collect();
    assert_eq!(first, [0, 100, 200]);
    let caps = "video/x-raw,width=32,height=18,framerate=50/1".parse::<gst::Caps>().unwrap();
    filter.set_property("caps", &caps);
    let rest: Vec<u64> =
        (0..12).map(|_| player.next().unwrap().buffer().unwrap().pts().unwrap().mseconds()).collect();
    assert!(rest.is_sorted_by(|a, b| a < b), "{rest:?}");
    assert_eq!(rest[11] - rest[10], 20, "{rest:?}");
    player.seek(1.0, gst::ClockTime::from_mseconds(40), gst::ClockTime::from_mseconds(100));
    let again: Vec<u64> = player.buffers().iter().map(|b| b.pts().unwrap().mseconds()).collect();
    assert_eq!(again, [40, 60, 80], "before the change of rate, at the rate in force");
}
