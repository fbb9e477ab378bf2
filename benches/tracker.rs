//! Time and allocations of a tracker's step, by the number of objects.
//!
//! `cargo bench --bench tracker --no-default-features`

use std::time::Instant;

use gstnvperception::detection::Detection;
use gstnvperception::geometry::BBox;
use gstnvperception::track::{Input, Observation, Parameters, Tracker};

#[path = "counting/mod.rs"]
mod counting;

const WARM_UP: usize = 100;
const STEPS: usize = 1000;
const FRAME: u64 = 33_333_333;

/// Objects that wander about, a tenth of them unseen at any time and a tenth only doubtful.
fn observe(objects: usize, frame: usize, seen: &mut Vec<Observation<'static>>) {
    seen.clear();
    for object in 0..objects {
        let seed = object as f32 * 0.618;
        let phase = seed + frame as f32 * 0.002;
        let (x, y) = (0.5 + 0.45 * (phase * 5.0).sin(), 0.5 + 0.45 * (phase * 3.0 + seed).cos());
        let confidence = match (object + frame / 7) % 10 {
            0 => continue,
            1 => 0.4,
            _ => 0.9,
        };
        let bbox = BBox::from_center(x, y, 0.03, 0.1);
        let detection = Detection { bbox, confidence, class_id: 0 };
        seen.push(Observation { detection, label: 0, age: 0, embedding: None, detector: 0 });
    }
}

fn main() {
    println!("objects      median         p99    steps/s   allocations a step");
    for objects in [10, 30, 50, 100, 200, 500] {
        let mut tracker = Tracker::new(Parameters::default());
        let mut seen = Vec::with_capacity(objects);
        let mut times = Vec::with_capacity(STEPS);
        let mut before = 0;
        for frame in 0..WARM_UP + STEPS {
            observe(objects, frame, &mut seen);
            if frame == WARM_UP {
                before = counting::allocations();
            }
            let time = frame as u64 * FRAME;
            let input = Input { time, aspect: 16.0 / 9.0, observations: Some(&seen), ..Input::default() };
            let start = Instant::now();
            std::hint::black_box(tracker.step(&input));
            if frame >= WARM_UP {
                times.push(start.elapsed().as_nanos());
            }
        }
        let allocations = (counting::allocations() - before) as f64 / STEPS as f64;
        times.sort_unstable();
        let us = |at: usize| times[at] as f64 / 1000.0;
        let rate = STEPS as f64 * 1e9 / times.iter().sum::<u128>() as f64;
        let (median, p99) = (us(STEPS / 2), us(STEPS * 99 / 100));
        println!("{objects:7} {median:8.1} us {p99:8.1} us {rate:10.0} {allocations:10.2}");
    }
}
