//! Time and allocations of an estimate of the camera's motion, by the size of the frame.
//!
//! `cargo bench --bench view --no-default-features`

use std::time::Instant;

use gstnvperception::scene::{CameraMode, Options};
use gstnvperception::view::Estimator;

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
            let mut estimator = Estimator::default();
            let mut times = Vec::with_capacity((FRAMES * ROUNDS) as usize);
            let mut before = 0;
            for round in 0..=ROUNDS {
                if round == 1 {
                    before = counting::allocations();
                }
                for frame in pictures.frames() {
                    let start = Instant::now();
                    std::hint::black_box(estimator.push(&frame, &[]));
                    if round > 0 {
                        times.push(start.elapsed().as_nanos());
                    }
                }
            }
            let allocations = (counting::allocations() - before) as f64 / times.len() as f64;
            times.sort_unstable();
            let us = |at: usize| times[at] as f64 / 1000.0;
            let (median, p99) = (us(times.len() / 2), us(times.len() * 99 / 100));
            println!(
                "{width:4}x{height:<4}  {camera:9?} {median:7.1} us {p99:7.1} us {allocations:8.2}",
                camera = format!("{camera:?}")
            );
        }
    }
}
