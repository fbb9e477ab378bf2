//! Time and allocations of an estimate of the camera's motion, by the size of the frame.
//!
//! `cargo bench --bench view --no-default-features`

use std::time::Instant;

use gstnvperception::image::{Colorimetry, Frame, FrameMut, PixelFormat, Plane, PlaneMut};
use gstnvperception::scene::{CameraMode, Options, Scene};
use gstnvperception::view::Estimator;

#[path = "counting/mod.rs"]
mod counting;

const FRAMES: usize = 50;
const ROUNDS: usize = 6;

fn main() {
    println!("frame       camera    median     p99        allocations a frame");
    for (width, height) in [(640, 360), (1280, 720), (1920, 1080)] {
        for camera in [CameraMode::Fixed, CameraMode::Handheld] {
            let mut scene = Scene::new(Options { seed: 1, camera, ..Options::default() });
            let aspect = width as f64 / height as f64;
            let pictures: Vec<Vec<u8>> = (0..FRAMES as u64)
                .map(|frame| {
                    let mut data = vec![0; width * height];
                    let planes = [
                        PlaneMut { data: &mut data, stride: width },
                        PlaneMut::default(),
                        PlaneMut::default(),
                    ];
                    let (format, colors) = (PixelFormat::Gray8, Colorimetry::default());
                    let mut picture = FrameMut::new(format, width, height, colors, planes).expect("it fits");
                    scene.set(frame * 40_000_000, None, frame, aspect);
                    scene.render(&mut picture);
                    data
                })
                .collect();
            let mut estimator = Estimator::default();
            let mut times = Vec::with_capacity(FRAMES * ROUNDS);
            let mut before = 0;
            for round in 0..=ROUNDS {
                if round == 1 {
                    before = counting::allocations();
                }
                for data in &pictures {
                    let planes = [Plane { data, stride: width }, Plane::default(), Plane::default()];
                    let (format, colors) = (PixelFormat::Gray8, Colorimetry::default());
                    let frame = Frame::new(format, width, height, colors, planes).expect("it fits");
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
