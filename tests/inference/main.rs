//! `nvpinference` with the tiny models of `tests/data`: what a picture's colours say there is exact.

mod batches;
mod changes;
mod frames;
mod library;
mod models;
mod modes;
mod regions;
mod sharing;
mod stream;
mod tasks;
mod when;

use std::path::PathBuf;
use std::sync::Once;

use gst::glib;
use gst::prelude::*;
use gst_check::Harness;
use gstnvperception::detection::Detections;
use gstnvperception::meta::{DetectionMeta, OutcomeRef, ProvenanceMeta};

/// The size that the tiny models see, and the frame interval of the tests.
const SIZE: (u32, u32) = (96, 64);
const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

/// Confidences of the three classes for [`COLOR`], which is red, green and blue in 0 to 255.
const COLOR: [u8; 3] = [204, 102, 51];
const CONFIDENCES: [f32; 3] = [0.8, 0.4, 0.2];

fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        glib::log_set_always_fatal(glib::LogLevels::LEVEL_CRITICAL | glib::LogLevels::LEVEL_WARNING);
        gstnvperception::plugin_register_static().unwrap();
    });
}

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/models").join(name)
}

fn element(model: &str) -> gst::Element {
    init();
    let path = data(model);
    assert!(path.is_file(), "{} is missing", path.display());
    gst::ElementFactory::make("nvpinference")
        .property("model", path.to_str().unwrap())
        .property("threads", 1u32)
        .property("confidence", 0.1f32)
        .build()
        .unwrap()
}

fn caps(format: &str, (width, height): (u32, u32)) -> gst::Caps {
    gst::Caps::builder("video/x-raw")
        .field("format", format)
        .field("width", width as i32)
        .field("height", height as i32)
        .field("framerate", gst::Fraction::new(25, 1))
        .build()
}

/// A picture of one colour in any caps, converted by GStreamer itself.
fn picture(caps: &gst::Caps, color: [u8; 3]) -> gst::Buffer {
    init();
    let info = gst_video::VideoInfo::from_caps(caps).unwrap();
    let rgb = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgb, info.width(), info.height());
    let rgb = rgb.fps(info.fps()).build().unwrap();
    let mut bytes = vec![0; rgb.size()];
    for row in bytes.chunks_exact_mut(rgb.stride()[0] as usize) {
        row.as_chunks_mut::<3>().0.fill(color);
    }
    let buffer = gst::Buffer::from_mut_slice(bytes);
    let sample = gst::Sample::builder().buffer(&buffer).caps(&rgb.to_caps().unwrap()).build();
    let limit = gst::ClockTime::from_seconds(20);
    let converted = gst_video::convert_sample(&sample, caps, Some(limit)).unwrap();
    converted.buffer_owned().unwrap()
}

/// An element in a harness, with the bus that its messages go to.
struct Rig {
    element: gst::Element,
    harness: Harness,
    bus: gst::Bus,
    caps: gst::Caps,
    pushed: u64,
}

impl Rig {
    fn new(element: gst::Element, caps: gst::Caps) -> Self {
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        harness.play();
        harness.set_src_caps(caps.clone());
        Self { element, harness, bus, caps, pushed: 0 }
    }

    fn of(model: &str) -> Self {
        Self::new(element(model), caps("RGB", SIZE))
    }

    /// The next frame of the stream, all in one colour.
    fn frame(&mut self, color: [u8; 3]) -> gst::Buffer {
        let mut buffer = picture(&self.caps, color);
        self.stamp(&mut buffer);
        buffer
    }

    fn stamp(&mut self, buffer: &mut gst::Buffer) {
        let buffer = buffer.make_mut();
        buffer.set_pts(FRAME * self.pushed);
        buffer.set_duration(FRAME);
        self.pushed += 1;
    }

    fn infer(&mut self, buffer: gst::Buffer) -> Detections {
        let out = self.harness.push_and_pull(buffer).unwrap();
        detections(&out).expect("the frame was inferred")
    }

    /// Waits for a message of this name, whichever thread posts it.
    fn await_message(&self, name: &str) -> gst::Structure {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while std::time::Instant::now() < end {
            let limit = gst::ClockTime::from_mseconds(100);
            let message = self.bus.timed_pop_filtered(limit, &[gst::MessageType::Element]);
            if let Some(structure) = message.as_ref().and_then(|m| m.structure()).filter(|s| s.name() == name)
            {
                return structure.to_owned();
            }
        }
        panic!("no message {name}");
    }

    fn stat(&self, name: &str) -> u64 {
        self.element.property::<gst::Structure>("stats").get(name).unwrap()
    }

    /// What became of frames, all in all.
    fn outcomes(&self) -> u64 {
        let stats = self.element.property::<gst::Structure>("stats");
        let is_one = |name: &str| {
            ["inferred", "failed", "superseded"].contains(&name)
                || ["skipped-", "dropped-"].iter().any(|kind| name.starts_with(kind))
        };
        stats.iter().filter(|(name, _)| is_one(name)).map(|(_, count)| count.get::<u64>().unwrap()).sum()
    }

    /// The first error on the bus: its text.
    fn error(&self) -> String {
        error_on(&self.bus)
    }

    /// The structure of the first element message of this name.
    fn message(&self, name: &str) -> Option<gst::Structure> {
        while let Some(message) = self.bus.pop_filtered(&[gst::MessageType::Element]) {
            if let Some(structure) = message.structure().filter(|s| s.name() == name) {
                return Some(structure.to_owned());
            }
        }
        None
    }
}

fn error_on(bus: &gst::Bus) -> String {
    let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(20), &[gst::MessageType::Error]);
    let message = message.expect("an error was posted");
    let gst::MessageView::Error(error) = message.view() else { unreachable!("filtered") };
    assert!(bus.pop_filtered(&[gst::MessageType::Error]).is_none(), "one error is enough");
    error.error().message().to_owned()
}

fn detections(buffer: &gst::BufferRef) -> Option<Detections> {
    let mut all = DetectionMeta::all(buffer);
    let first = all.next()?.to_owned();
    assert!(all.next().is_none(), "one model, one metadata");
    Some(first)
}

/// The last stage's reason for leaving a frame alone or failing, its generation, and whether it did its work.
fn stage(buffer: &gst::BufferRef) -> (String, u32, bool) {
    let provenance = ProvenanceMeta::get(buffer).expect("the frame is signed");
    let last = provenance.stages().last().unwrap();
    let (reason, ok) = match last.outcome() {
        OutcomeRef::Ok => ("", true),
        OutcomeRef::Skipped(reason) | OutcomeRef::Failed(reason) => (reason, false),
    };
    (reason.to_owned(), last.generation(), ok)
}

/// The classes found, most confident first.
fn classes(found: &Detections) -> Vec<i32> {
    found.items.iter().map(|d| d.class_id).collect()
}

#[track_caller]
fn assert_color(found: &Detections, tolerance: f32) {
    let seen: Vec<_> = found.items.iter().map(|d| (d.class_id, d.confidence)).collect();
    assert_eq!(classes(found), [0, 1, 2], "{seen:?}");
    for ((_, seen), expected) in seen.iter().zip(CONFIDENCES) {
        assert!((seen - expected).abs() <= tolerance, "{seen} instead of {expected}");
    }
}
