//! `nvpmotion`: what it attaches, tells and lets pass.

use std::sync::Once;

use gst::glib;
use gst::prelude::*;
use gst_check::Harness;
use gstnvperception::detection::Detections;
use gstnvperception::meta::{DetectionMeta, ProvenanceMeta, SignalMeta, ViewMeta};
use gstnvperception::view::{Validity, View};

#[path = "common/foreign.rs"]
mod foreign;

const CAPS: &str = "video/x-raw,format=GRAY8,width=320,height=180,framerate=25/1";
const IDENTITY: [f32; 9] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
const FRAME: u64 = 40;

fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        glib::log_set_always_fatal(glib::LogLevels::LEVEL_CRITICAL | glib::LogLevels::LEVEL_WARNING);
        gstnvperception::plugin_register_static().unwrap();
    });
}

/// A wall, and before it a bright square of 40 pixels when there is a place for its left edge.
fn picture(square: Option<usize>) -> gst::Buffer {
    let pixel = |i: usize| {
        let (x, y) = (i % 320, i / 320);
        let on = square.is_some_and(|left| (left..left + 40).contains(&x) && (60..100).contains(&y));
        if on { 235 } else { (90 + (x / 8 * 5 + y / 8 * 7) % 60) as u8 }
    };
    gst::Buffer::from_mut_slice((0..320 * 180).map(pixel).collect::<Vec<u8>>())
}

struct Rig {
    element: gst::Element,
    harness: Harness,
    bus: gst::Bus,
    ms: u64,
}

impl Rig {
    fn new(properties: &[(&str, &str)]) -> Self {
        init();
        let element = gst::ElementFactory::make("nvpmotion").name("eye").build().unwrap();
        for (name, value) in properties {
            element.set_property_from_str(name, value);
        }
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        harness.play();
        harness.set_src_caps_str(CAPS);
        Self { element, harness, bus, ms: 0 }
    }

    fn push(&mut self, mut buffer: gst::Buffer) -> Option<gst::Buffer> {
        let writable = buffer.make_mut();
        writable.set_pts(gst::ClockTime::from_mseconds(self.ms));
        writable.set_duration(gst::ClockTime::from_mseconds(FRAME));
        self.ms += FRAME;
        self.harness.push(buffer).unwrap();
        self.harness.try_pull()
    }

    fn see(&mut self, square: Option<usize>) -> gst::Buffer {
        self.push(picture(square)).expect("it passes")
    }

    /// The wall for so many frames; how many passed.
    fn wait(&mut self, frames: usize) -> usize {
        (0..frames).filter(|_| self.push(picture(None)).is_some()).count()
    }

    fn stat(&self, name: &str) -> u64 {
        self.element.property::<gst::Structure>("stats").get(name).unwrap()
    }

    fn news(&self) -> Vec<(String, Option<f32>)> {
        let told = self.bus.iter_filtered(&[gst::MessageType::Element]);
        let told = told.filter_map(|message| message.structure().map(ToOwned::to_owned));
        told.filter(|said| said.name() == "nvp-motion")
            .map(|said| (said.get("state").unwrap(), said.get("level").ok()))
            .collect()
    }

    fn warning(&self) -> String {
        let message = self.bus.pop_filtered(&[gst::MessageType::Warning]).expect("a warning");
        let gst::MessageView::Warning(warning) = message.view() else { unreachable!() };
        warning.error().to_string()
    }
}

fn signal(buffer: &gst::Buffer, name: &str) -> f64 {
    let signals = SignalMeta::all(buffer).next().expect("every frame has signals");
    assert_eq!(signals.source(), "eye");
    signals.find(name).unwrap_or_else(|| panic!("{name} in {signals:?}")).value
}

fn regions(buffer: &gst::Buffer) -> Option<Detections> {
    DetectionMeta::all(buffer).find(|found| found.model() == "motion").map(|found| found.to_owned())
}

#[test]
fn what_moves_is_a_detection_and_a_signal() {
    let mut rig = Rig::new(&[]);
    let first = rig.see(None);
    assert!(regions(&first).is_none(), "there is nothing to compare with");
    assert!(signal(&first, "motion.level").is_nan() && signal(&first, "motion.count").is_nan());
    assert_eq!(signal(&first, "motion.active"), 1.0, "that is no reason to rest");
    let still = rig.see(None);
    assert_eq!(regions(&still).unwrap().items, []);
    assert_eq!((signal(&still, "motion.level"), signal(&still, "motion.count")), (0.0, 0.0));
    rig.wait(60);
    assert_eq!(signal(&rig.see(None), "motion.active"), 0.0);
    rig.see(Some(100));
    let moved = rig.see(Some(103));
    let found = regions(&moved).unwrap();
    assert_eq!(found.labels.iter().collect::<Vec<_>>(), ["motion"]);
    let [region] = found.items[..] else { panic!("{found:?}") };
    let b = region.bbox;
    for (value, wanted) in [(b.x_min, 103.0 / 320.0), (b.x_max, 143.0 / 320.0), (b.y_min, 60.0 / 180.0)] {
        assert!((value - wanted).abs() < 0.015, "{b:?}");
    }
    assert_eq!((region.class_id, signal(&moved, "motion.count")), (0, 1.0));
    assert!((signal(&moved, "motion.level") - 40.0 * 40.0 / (320.0 * 180.0)).abs() < 0.003);
    assert_eq!(signal(&moved, "motion.active"), 1.0);
    let provenance = ProvenanceMeta::get(&moved).unwrap();
    assert_eq!(provenance.stages().last().unwrap().element(), "eye");
    assert_eq!((rig.stat("frames"), rig.stat("moving"), rig.stat("unknown")), (65, 1, 1));
}

#[test]
fn it_is_told_when_motion_begins_and_ends() {
    let mut rig = Rig::new(&[("gate-hold", "200000000")]);
    rig.wait(20);
    assert_eq!(rig.news(), [], "what is not known is no news");
    (0..10).for_each(|step| drop(rig.see(Some(60 + 3 * step))));
    let [(state, level)] = &rig.news()[..] else { panic!() };
    assert_eq!(state, "began");
    assert!(level.unwrap() > 0.02);
    rig.wait(20);
    assert_eq!(rig.news(), [("ended".into(), Some(0.0))]);
    (0..10).for_each(|step| drop(rig.see(Some(60 + 3 * step))));
    rig.harness.push_event(gst::event::Eos::new());
    let states: Vec<String> = rig.news().into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["began", "ended"]);
}

#[test]
fn a_gate_that_flags() {
    let mut rig = Rig::new(&[("gate", "flag"), ("gate-hold", "0")]);
    let is_gap = |buffer: &gst::Buffer| buffer.flags().contains(gst::BufferFlags::GAP);
    assert!(!is_gap(&rig.see(None)), "nothing is known yet");
    assert!(is_gap(&rig.see(None)));
    rig.see(Some(100));
    assert!(!is_gap(&rig.see(Some(103))));
    assert_eq!((rig.stat("flagged"), rig.stat("dropped")), (2, 0));
}

#[test]
fn a_gate_that_drops_tells_the_time_and_opens_now_and_then() {
    let mut rig = Rig::new(&[("gate", "drop"), ("gate-hold", "200000000")]);
    assert_eq!(rig.wait(20), 6, "the first, and those within 200 ms after it");
    let gaps = std::iter::from_fn(|| rig.harness.try_pull_event());
    let gaps: Vec<_> = gaps.filter(|event| event.type_() == gst::EventType::Gap).collect();
    assert_eq!(gaps.len(), 14);
    let gst::EventView::Gap(gap) = gaps[0].view() else { unreachable!() };
    assert_eq!(gap.get(), (gst::ClockTime::from_mseconds(240), Some(gst::ClockTime::from_mseconds(40))));
    rig.element.set_property("gate-interval", 1_000_000_000u64);
    assert_eq!(rig.wait(75), 3);
    assert_eq!((rig.stat("dropped"), rig.stat("passed")), (14 + 72, 3));
    rig.element.set_property_from_str("gate", "open");
    assert_eq!(rig.wait(5), 5);
    let last = rig.see(None);
    assert_eq!(ProvenanceMeta::get(&last).unwrap().sequence(), 20 + 75 + 5, "those dropped count");
}

#[test]
fn a_view_that_nobody_follows_is_not_known() {
    let mut rig = Rig::new(&[]);
    let mut look = |to_reference, validity, epoch| {
        let mut buffer = picture(None);
        ViewMeta::set(buffer.make_mut(), View { epoch, to_reference, validity, ..View::default() });
        signal(&rig.push(buffer).unwrap(), "motion.level")
    };
    assert!(look(Some(IDENTITY), Validity::Valid, 0).is_nan(), "the first");
    assert_eq!(look(Some(IDENTITY), Validity::Valid, 0), 0.0);
    assert_eq!(look(Some(IDENTITY), Validity::Degraded, 0), 0.0);
    assert!(look(None, Validity::Valid, 0).is_nan());
    assert!(look(Some(IDENTITY), Validity::Invalid, 0).is_nan());
    assert_eq!(look(Some(IDENTITY), Validity::Valid, 0), 0.0, "back where it was");
    assert!(look(Some(IDENTITY), Validity::Valid, 1).is_nan(), "another stretch");
    assert_eq!(rig.stat("unknown"), 4);
}

#[test]
fn each_property_counts() {
    let seen = |properties: &[(&str, &str)]| {
        let mut rig = Rig::new(properties);
        rig.wait(10);
        rig.see(Some(100));
        rig.see(Some(103))
    };
    let count = |buffer: &gst::Buffer| regions(buffer).map_or(0, |found| found.items.len());
    assert_eq!(count(&seen(&[])), 1);
    assert_eq!(count(&seen(&[("threshold", "200")])), 0);
    assert_eq!(count(&seen(&[("min-size", "0.2")])), 0);
    assert_eq!(count(&seen(&[("ignore", "0,0.2 1,0.2 1,0.7 0,0.7")])), 0);
    assert!(regions(&seen(&[("detections", "false")])).is_none());
    let named = seen(&[("model-id", "yard"), ("signal-prefix", "yard"), ("signal-ttl", "7")]);
    assert_eq!(DetectionMeta::all(&named).next().unwrap().model(), "yard");
    let ttl = SignalMeta::all(&named).next().unwrap().find("yard.level").unwrap().ttl;
    assert_eq!(ttl, 7);
    let settled = |settle: &str| {
        let mut rig = Rig::new(&[("settle", settle), ("adapt", "100000000000")]);
        rig.wait(5);
        (0..50).for_each(|_| drop(rig.see(Some(100))));
        rig.see(None);
        count(&rig.see(None))
    };
    assert_eq!((settled("1000000000"), settled("60000000000")), (1, 0));
}

#[test]
fn polygons_that_are_wrong_leave_the_former_ones() {
    let rig = Rig::new(&[("ignore", "0,0 1,0 1,1")]);
    rig.element.set_property("ignore", "0,0 1,0");
    let said = rig.warning();
    assert!(said.contains("Property ignore") && said.contains("has 2 points"), "{said}");
    assert_eq!(rig.element.property::<String>("ignore"), "0,0 1,0 1,1");
}

#[test]
fn polygons_that_are_wrong_are_an_error_before_the_start() {
    init();
    let element = gst::ElementFactory::make("nvpmotion").property("ignore", "0,0 1").build().unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert!(element.set_state(gst::State::Paused).is_err());
    let message = bus.pop_filtered(&[gst::MessageType::Error]).expect("an error");
    let gst::MessageView::Error(error) = message.view() else { unreachable!() };
    let said = error.error().to_string();
    assert!(said.contains("Property ignore") && said.contains("write x,y"), "{said}");
    element.set_state(gst::State::Null).unwrap();
    element.set_property("ignore", "0,0 1,0 1,1");
    assert!(element.set_state(gst::State::Paused).is_ok());
    element.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_flush_begins_anew() {
    let mut rig = Rig::new(&[]);
    rig.wait(5);
    rig.harness.push_event(gst::event::FlushStart::new());
    rig.harness.push_event(gst::event::FlushStop::new(true));
    rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    assert!(signal(&rig.see(Some(100)), "motion.level").is_nan());
    assert_eq!(signal(&rig.see(Some(100)), "motion.level"), 0.0);
}

#[test]
fn what_cannot_be_read_passes_and_is_counted() {
    let mut rig = Rig::new(&[]);
    rig.see(None);
    let mut buffer = gst::Buffer::new();
    let allocator = foreign::Allocator::default();
    buffer.make_mut().append_memory(allocator.memory());
    let out = rig.push(buffer).unwrap();
    assert!(signal(&out, "motion.level").is_nan());
    assert!(allocator.maps() > 0);
    assert_eq!((rig.stat("unread"), rig.stat("unknown")), (1, 2));
}

#[test]
fn counts_stay_after_the_end() {
    let mut rig = Rig::new(&[]);
    rig.wait(7);
    rig.element.set_state(gst::State::Null).unwrap();
    assert_eq!(rig.stat("frames"), 7);
}

#[test]
fn it_runs_on_every_kind_of_picture() {
    init();
    for (format, size) in [("I420", "641,height=361"), ("YUY2", "64,height=36"), ("BGRx", "1280,height=720")]
    {
        let launch = format!(
            "nvptestsrc num-buffers=20 ! videoconvert ! videoscale \
             ! video/x-raw,format={format},width={size} ! nvpmotion name=eye ! fakesink"
        );
        let pipeline = gst::parse::launch(&launch).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let bus = pipeline.bus().unwrap();
        let end = bus.timed_pop_filtered(
            gst::ClockTime::from_seconds(30),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        );
        assert_eq!(end.unwrap().type_(), gst::MessageType::Eos, "{format}");
        pipeline.set_state(gst::State::Null).unwrap();
        let eye = pipeline.downcast::<gst::Bin>().unwrap().by_name("eye").unwrap();
        let stats = eye.property::<gst::Structure>("stats");
        assert_eq!((stats.get::<u64>("frames"), stats.get::<u64>("unread")), (Ok(20), Ok(0)));
    }
}
