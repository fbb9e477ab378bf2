//! Time and allocations of telling motion, by the size of the frame and by what the camera does.
//!
//! `cargo bench --bench motion --no-default-features`

use std::time::Instant;

use gstnvperception::motion::{Camera, Detector, Parameters};
use gstnvperception::scene::{CameraMode, Options};

#[path = "counting/mod.rs"]
mod counting;
#[path = "pictures/mod.rs"]
mod pictures;

use pictures::Pictures;

const FRAMES: u64 = 50;
const ROUNDS: u64 = 6;

fn main() {
    println!("frame       camera    median     p99        allocations a frame");
    for (width, height) in [(640, 360), (1280, 720), (1920, 1080)] {
        for camera in [CameraMode::Fixed, CameraMode::Handheld] {
            let options = Options { seed: 1, camera, ..Options::default() };
            let pictures = Pictures::of(options, width, height, FRAMES);
            let (mut detector, parameters) = (Detector::default(), Parameters::default());
            let mut times = Vec::with_capacity((FRAMES * ROUNDS) as usize);
            let mut before = 0;
            for round in 0..=ROUNDS {
                if round == 1 {
                    before = counting::allocations();
                }
                for (i, (frame, to_scene)) in pictures.frames().zip(pictures.to_scene()).enumerate() {
                    let time = (round * FRAMES + i as u64) * 40_000_000;
                    let camera = Camera::At { epoch: 0, to_reference: *to_scene };
                    let start = Instant::now();
                    std::hint::black_box(detector.look(&frame, time, &camera, &parameters));
                    if round > 0 {
                        times.push(start.elapsed().as_nanos());
                    }
                }
            }
            let allocations = (counting::allocations() - before) as f64 / times.len() as f64;
            times.sort_unstable();
            let us = |at: usize| times[at] as f64 / 1000.0;
            let (median, p99) = (us(times.len() / 2), us(times.len() * 99 / 100));
            let camera = format!("{camera:?}");
            println!(
                "{width:>4} x {height:<4} {camera:<9} {median:>7.1} us {p99:>7.1} us {allocations:>8.2}"
            );
        }
    }
}
