//! Time and allocations of each element per frame, with 20 objects in it, on the steady path.
//!
//! `cargo bench --bench line`. Allocations are those of the plugin's own code on all its threads: GStreamer and
//! ONNX Runtime, which allocate in C, are not counted. The model is a tiny one of `tests/data`.
//!
//! What is allocated is what leaves with the buffer: the list of detections or tracks, the payload of their
//! metadata (for `nvpreplay`, of 50 boxes), and that of the provenance, which the first element to sign begins. `nvpinference` has two more: the
//! handle of the output tensor that ONNX Runtime gives to each run.

use std::time::Instant;

use gst_check::Harness;
use gstnvperception::detection::{Detection, Detections, Labels};
use gstnvperception::geometry::BBox;
use gstnvperception::meta::{DetectionMeta, TrackMeta};
use gstnvperception::track::{Track, TrackState, Tracks};

#[path = "counting/mod.rs"]
mod counting;

const OBJECTS: u64 = 20;
/// Boxes that `nvpreplay` attaches to each frame.
const REPLAYED: usize = 50;
const WARM_UP: usize = 200;
const FRAMES: usize = 600;
const CAPS: &str = "video/x-raw,format=I420,width=1280,height=720,framerate=30/1";

/// What the frames carry when they reach the element.
struct Carries {
    detections: bool,
    tracks: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    gst::init()?;
    gstnvperception::plugin_register_static()?;
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/models/yolov8.onnx");
    let out = std::env::temp_dir().join(format!("nvp-line-{}.jsonl", std::process::id()));
    println!("element        median    p99       allocations a frame");
    let nothing = Carries { detections: false, tracks: false };
    let found = Carries { detections: true, tracks: false };
    let tracked = Carries { detections: true, tracks: true };
    measure("identity", "identity", &tracked)?;
    measure("nvpinference", &format!("nvpinference model=\"{model}\" threads=1"), &nothing)?;
    measure("nvptracker", "nvptracker", &found)?;
    measure("nvpoverlay", "nvpoverlay", &tracked)?;
    measure("nvppublish", &format!("nvppublish location=\"{}\"", out.display()), &tracked)?;
    std::fs::remove_file(&out)?;
    let boxes = |frame: usize| {
        let row = move |i: usize| format!("{},-1,{},{},40,120,0.8\n", frame + 1, 20 * i, 7 * i);
        (0..REPLAYED).map(row).collect::<String>()
    };
    std::fs::write(&out, (0..WARM_UP + FRAMES).map(boxes).collect::<String>())?;
    measure("nvpreplay", &format!("nvpreplay location=\"{}\"", out.display()), &nothing)?;
    std::fs::remove_file(out)?;
    Ok(())
}

fn measure(name: &str, launch: &str, carries: &Carries) -> Result<(), Box<dyn std::error::Error>> {
    let mut harness = Harness::new_parse(launch);
    harness.set_src_caps_str(CAPS);
    let pixels = gst::Buffer::from_slice(vec![100u8; 1280 * 720 * 3 / 2]);
    let labels: Labels = ["person"].into_iter().collect();
    let mut times = Vec::with_capacity(FRAMES);
    let mut allocations = 0;
    for frame in 0..WARM_UP + FRAMES {
        let buffer = prepare(&pixels, &labels, frame as u64, carries)?;
        let before = counting::allocations();
        let start = Instant::now();
        let out = harness.push_and_pull(buffer)?;
        let time = start.elapsed().as_nanos();
        if frame >= WARM_UP {
            allocations += counting::allocations() - before;
            times.push(time);
        }
        drop(out);
    }
    times.sort_unstable();
    let us = |at: usize| times[at] as f64 / 1000.0;
    let each = allocations as f64 / FRAMES as f64;
    println!("{name:12} {:8.1} us {:8.1} us {each:8.2}", us(FRAMES / 2), us(FRAMES * 99 / 100));
    Ok(())
}

fn prepare(
    pixels: &gst::Buffer,
    labels: &Labels,
    frame: u64,
    carries: &Carries,
) -> Result<gst::Buffer, gst::glib::BoolError> {
    let mut buffer = pixels.copy_deep()?;
    let writable = buffer.make_mut();
    writable.set_pts(gst::ClockTime::from_nseconds(frame * 33_333_333));
    let place = |id: u64| {
        let x = ((id as f32 * 0.618 + frame as f32 / 210.0) % 2.0 - 1.0).abs();
        BBox::from_center(x, 0.2 + 0.6 * (id as f32 * 0.37).fract(), 1.0 / 16.0, 0.25)
    };
    if carries.detections {
        let detection = |id| Detection { bbox: place(id), confidence: 0.8, class_id: 0 };
        let items = (1..=OBJECTS).map(detection).collect();
        DetectionMeta::add(
            writable,
            Detections { model: "bench".into(), labels: labels.clone(), items, ..Detections::default() },
        );
    }
    if carries.tracks {
        let state = TrackState::Confirmed;
        let track = |id| Track { id, bbox: place(id), confidence: 0.8, label: 0, state, ..Track::default() };
        let items = (1..=OBJECTS).map(track).collect();
        TrackMeta::set(
            writable,
            Tracks { run: "bench".into(), labels: labels.clone(), items, ..Tracks::default() },
        );
    }
    Ok(buffer)
}
