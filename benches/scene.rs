//! Time and allocations of making a frame of the synthetic scene, per size, format and camera, on one thread.
//!
//! `cargo bench --bench scene --no-default-features`. A camera that stands keeps its backdrop; one that moves
//! computes it for every frame. The truth (with its two allocations, labels being shared) is part of the time.

use std::time::Instant;

use gstnvperception::image::{Colorimetry, FrameMut, PixelFormat, PlaneMut};
use gstnvperception::scene::{CameraMode, Options, Scene};

#[path = "counting/mod.rs"]
mod counting;

const WARM_UP: u64 = 5;
const FRAMES: u64 = 60;

/// Median milliseconds of a frame, and allocations a frame.
fn measure(format: PixelFormat, (width, height): (usize, usize), camera: CameraMode) -> (f64, f64) {
    let size = |plane: usize| format.plane_size(plane, width, height);
    let mut planes: Vec<Vec<u8>> = (0..format.planes()).map(|i| vec![0; size(i).0 * size(i).1]).collect();
    let mut scene = Scene::new(Options { seed: 1, camera, ..Options::default() });
    let (mut times, mut allocations) = (Vec::new(), 0);
    for number in 0..WARM_UP + FRAMES {
        let mut rest = planes.iter_mut().enumerate();
        let views = std::array::from_fn(|_| {
            rest.next().map_or_else(PlaneMut::default, |(i, data)| PlaneMut { data, stride: size(i).0 })
        });
        let (before, start) = (counting::allocations(), Instant::now());
        let truth = scene.set(number * 33_333_333, None, number, width as f64 / height as f64);
        let mut frame = FrameMut::new(format, width, height, Colorimetry::default(), views)
            .expect("the planes are made for the size");
        scene.render(&mut frame);
        if number >= WARM_UP {
            times.push(start.elapsed().as_secs_f64() * 1e3);
            allocations += counting::allocations() - before;
        }
        drop(truth);
    }
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], allocations as f64 / FRAMES as f64)
}

fn main() {
    println!("A frame of the scene, 12 objects: median ms (allocations a frame)");
    let formats =
        [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Rgb, PixelFormat::Rgba, PixelFormat::Gray8];
    for camera in [CameraMode::Fixed, CameraMode::Handheld] {
        for size in [(640, 360), (1280, 720), (1920, 1080), (3840, 2160)] {
            print!("{camera:?} {:4}x{:<4}", size.0, size.1);
            for format in formats {
                let (time, allocations) = measure(format, size, camera);
                print!("  {format:?} {time:6.2} ({allocations:.1})");
            }
            println!();
        }
    }
}
