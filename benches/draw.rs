//! Time and allocations of drawing 20 tracked objects with labels and trails, per frame size and format.
//!
//! `cargo bench --bench draw --no-default-features`

use std::hint::black_box;
use std::time::Instant;

use gstnvperception::draw::{Painter, Scene, Style};
use gstnvperception::geometry::BBox;
use gstnvperception::image::{Colorimetry, FrameMut, PixelFormat, PlaneMut};
use gstnvperception::track::{Track, TrackState};

#[path = "counting/mod.rs"]
mod counting;

const OBJECTS: u64 = 20;
const WARM_UP: u64 = 90;
const FRAMES: u64 = 300;

/// Pedestrians of 1/16 by 1/4 of the frame that walk across it and back, seven seconds each way, at 30
/// frames a second.
fn fill(scene: &mut Scene, frame: u64) {
    scene.clear(Some(frame * 33_333_333));
    scene.set_run("bench");
    for id in 1..=OBJECTS {
        let seed = id as f32 * 0.618;
        let x = ((seed + frame as f32 / 210.0) % 2.0 - 1.0).abs();
        let y = 0.2 + 0.6 * (seed * 7.0).fract();
        let track = Track {
            id,
            bbox: BBox::from_center(x, y, 1.0 / 16.0, 0.25),
            confidence: 0.5 + x / 2.0,
            state: if id % 7 == 0 { TrackState::Coasted } else { TrackState::Confirmed },
            ..Track::default()
        };
        scene.push_track(&track, Some("person"));
    }
}

fn planes(format: PixelFormat, width: usize, height: usize) -> [(Vec<u8>, usize); 3] {
    std::array::from_fn(|plane| {
        if plane >= format.planes() {
            return (Vec::new(), 0);
        }
        let (row, rows) = format.plane_size(plane, width, height);
        (vec![90; row * rows], row)
    })
}

/// Median time of a frame in microseconds, and allocations a frame.
fn measure(format: PixelFormat, width: usize, height: usize) -> (f64, f64) {
    let mut planes = planes(format, width, height);
    let (mut painter, mut scene, style) = (Painter::default(), Scene::default(), Style::default());
    let mut times = Vec::with_capacity(FRAMES as usize);
    let mut allocations = 0;
    for frame in 0..WARM_UP + FRAMES {
        let [a, b, c] = &mut planes;
        let views = [a, b, c].map(|(data, stride)| PlaneMut { data, stride: *stride });
        let before = counting::allocations();
        let start = Instant::now();
        fill(&mut scene, frame);
        let mut view = FrameMut::new(format, width, height, Colorimetry::default(), views)
            .expect("the planes are made for the size");
        painter.paint(black_box(&mut view), &scene, &style);
        if frame >= WARM_UP {
            times.push(start.elapsed().as_secs_f64() * 1e6);
            allocations += counting::allocations() - before;
        }
    }
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], allocations as f64 / FRAMES as f64)
}

fn main() {
    println!("{OBJECTS} tracks with boxes, labels and trails: median µs a frame (allocations a frame)");
    let formats = [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Rgb, PixelFormat::Bgrx];
    for (width, height) in [(640, 360), (1280, 720), (1920, 1080), (3840, 2160)] {
        print!("{width:4}x{height:<4}");
        for format in formats {
            let (time, allocations) = measure(format, width, height);
            print!("  {format:?} {time:7.1} ({allocations:.2})");
        }
        println!();
    }
}
