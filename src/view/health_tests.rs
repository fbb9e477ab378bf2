//! Pictures that something ails, and sound ones that look as if.

use super::register_tests::scene;
use super::{Estimator, Health, Trouble};
use crate::image::{Colorimetry, Frame, PixelFormat, Plane};

const WIDTH: usize = 160;
const HEIGHT: usize = 90;
/// Nanoseconds between frames.
const STEP: u64 = 100_000_000;

/// Smooth noise-free luma.
type Picture = Vec<f32>;

fn paint(value: impl Fn(f64, f64) -> f64) -> Picture {
    (0..WIDTH * HEIGHT).map(|i| value((i % WIDTH) as f64, (i / WIDTH) as f64) as f32).collect()
}

fn street() -> Picture {
    paint(|x, y| scene(1, 2.0 * x, 2.0 * y) + 12.0 * (1.9 * x).sin() * (1.7 * y).sin())
}

fn lit(picture: &Picture, gain: f32, offset: f32) -> Picture {
    picture.iter().map(|v| gain * v + offset).collect()
}

/// A mean over a square.
fn blurred(picture: &Picture, reach: isize) -> Picture {
    let line = |from: &Picture, along: isize, across: bool| -> Picture {
        let at = |i: usize, by: isize| {
            let (x, y) = ((i % WIDTH) as isize, (i / WIDTH) as isize);
            let x = if across { (x + by).clamp(0, WIDTH as isize - 1) } else { x };
            let y = if across { y } else { (y + by).clamp(0, HEIGHT as isize - 1) };
            from[(y * WIDTH as isize + x) as usize]
        };
        let mean = |i| (-along..=along).map(|by| at(i, by)).sum::<f32>() / (2 * along + 1) as f32;
        (0..from.len()).map(mean).collect()
    };
    line(&line(picture, reach, true), reach, false)
}

/// A camera with its noise.
struct Camera {
    estimator: Estimator,
    health: Health,
    time: u64,
    seed: u64,
    noise: f32,
}

impl Camera {
    fn new(frozen_after: f64) -> Self {
        Self {
            estimator: Estimator::default(),
            health: Health::new(frozen_after),
            time: 0,
            seed: 1,
            noise: 1.0,
        }
    }

    fn show(&mut self, picture: &Picture) -> Option<Trouble> {
        let (noise, seed) = (self.noise, &mut self.seed);
        let mut grain = || {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((*seed >> 40) as f32 / (1 << 24) as f32 - 0.5) * 3.46
        };
        let data: Vec<u8> = picture.iter().map(|v| (v + noise * grain()).clamp(0.0, 255.0) as u8).collect();
        let planes = [Plane { data: &data, stride: WIDTH }, Plane::default(), Plane::default()];
        let frame = Frame::new(PixelFormat::Gray8, WIDTH, HEIGHT, Colorimetry::default(), planes).unwrap();
        self.time += STEP;
        self.estimator.push(&frame, &[]);
        self.health.look(&self.estimator, self.time)
    }

    /// Shows a picture for some seconds; what is told at their end.
    fn show_for(&mut self, seconds: f64, picture: &Picture) -> Option<Trouble> {
        (0..(seconds * 10.0) as usize).fold(None, |_, _| self.show(picture))
    }

    /// Shows pictures for some seconds in which nothing is to be told.
    fn sound(&mut self, seconds: f64, what: &str, picture: impl Fn(f64) -> Picture) {
        for i in 0..(seconds * 10.0) as usize {
            let at = i as f64 / 10.0;
            assert_eq!(self.show(&picture(at)), None, "{what} at {at} s");
        }
    }
}

#[test]
fn each_trouble_is_told_and_forgotten() {
    let street = street();
    let soft = blurred(&street, 4);
    let cloth = paint(|x, y| 70.0 + 0.1 * x + 12.0 * (y / 30.0).sin());
    for (picture, trouble, at_once) in [
        (paint(|_, _| 16.0), Trouble::Blank, 0.3),
        (paint(|_, _| 250.0), Trouble::Blank, 0.3),
        (cloth, Trouble::Covered, 0.7),
        (soft.clone(), Trouble::Blurred, 0.7),
        (lit(&soft, 0.8, 30.0), Trouble::Blurred, 0.7),
        (lit(&street, 0.5, 10.0), Trouble::Exposure, 0.7),
        (lit(&street, 1.0, 45.0), Trouble::Exposure, 0.7),
    ] {
        let mut camera = Camera::new(0.0);
        assert_eq!(camera.show_for(3.0, &street), None);
        if trouble != Trouble::Blank {
            assert_eq!(camera.show_for(0.4, &picture), None, "{trouble:?} too early");
        }
        assert_eq!(camera.show_for(at_once, &picture), Some(trouble));
        if trouble == Trouble::Exposure {
            assert_eq!(camera.show_for(8.0, &picture), None, "one gets used to it");
            continue;
        }
        assert_eq!(camera.show_for(10.0, &picture), Some(trouble), "it stays");
        assert_eq!(camera.show_for(0.8, &street), Some(trouble), "too early to say");
        assert_eq!(camera.show_for(0.5, &street), None, "{trouble:?} is over");
    }
}

#[test]
fn a_picture_that_does_not_change_is_frozen() {
    let street = street();
    let mut camera = Camera::new(2.0);
    assert_eq!(camera.show_for(3.0, &street), None);
    camera.noise = 0.0;
    assert_eq!(camera.show_for(1.9, &street), None);
    assert_eq!(camera.show_for(0.4, &street), Some(Trouble::Frozen));
    // Nobody knows what was there in between.
    let mut late = Camera::new(2.0);
    late.noise = 0.0;
    late.show(&street);
    late.time += 3600 * 1_000_000_000;
    assert_eq!(late.show(&street), None);
    camera.noise = 1.0;
    assert_eq!(camera.show_for(1.3, &street), None);
    camera.health.set_frozen_after(0.0);
    camera.noise = 0.0;
    assert_eq!(camera.show_for(10.0, &street), None);
}

#[test]
fn sound_pictures_are_left_alone() {
    let street = street();
    let mut camera = Camera::new(5.0);
    camera.sound(2.0, "rest", |_| street.clone());
    let truck = |at: f64| {
        let mut picture = street.clone();
        let left = ((at / 1.0).min(1.0) * 80.0 - ((at - 4.0) / 1.0).clamp(0.0, 1.0) * 80.0) as usize;
        for row in picture.chunks_exact_mut(WIDTH) {
            row[..left].fill(220.0);
        }
        picture
    };
    camera.sound(6.0, "a truck", truck);
    camera.sound(30.0, "dusk", |at| lit(&street, 1.0 - 0.02 * at as f32, 0.0));
    let dusk = lit(&street, 0.4, 0.0);
    camera.noise = 6.0;
    camera.sound(6.0, "noise by night", |_| dusk.clone());
    camera.noise = 1.0;
    camera.sound(6.0, "dusk without it", |_| dusk.clone());
    camera.sound(10.0, "exposure that drifts", |at| lit(&dusk, 1.0 + 0.06 * at as f32, 2.0 * at as f32));
    let bright = lit(&dusk, 1.6, 20.0);
    camera.sound(2.0, "rest", |_| bright.clone());
    assert_eq!(camera.show(&lit(&bright, 1.0, 80.0)), None, "a flash");
    camera.sound(2.0, "rest", |_| bright.clone());
    camera.sound(3.0, "traffic", |at| {
        let mut picture = bright.clone();
        for (i, row) in picture.chunks_exact_mut(WIDTH).enumerate() {
            for car in 0..4 {
                let left = ((at * 45.0) as usize + car * 41 + i / 20 * 15) % (WIDTH - 20);
                row[left..left + 20].fill(30.0 + 60.0 * car as f32);
            }
        }
        picture
    });
}

#[test]
fn a_new_view_is_no_trouble_but_a_cover_is() {
    let (street, yard) = (street(), paint(|x, y| scene(2, 2.0 * x, 2.0 * y)));
    let mut camera = Camera::new(0.0);
    camera.sound(3.0, "rest", |_| street.clone());
    camera.health.reset();
    camera.sound(3.0, "another view", |_| yard.clone());
    // What covers the view makes the epoch end; it is no view for that.
    let hand = paint(|x, y| 90.0 + 0.2 * x - 0.2 * y);
    camera.show(&hand);
    camera.health.reset();
    assert_eq!(camera.show_for(1.0, &hand), Some(Trouble::Covered));
    assert_eq!(camera.show_for(1.3, &yard), None);
    // A camera that starts before a wall has nothing to miss.
    let mut camera = Camera::new(0.0);
    camera.sound(3.0, "a wall", |_| hand.clone());
    camera.sound(3.0, "a view", |_| street.clone());
}

#[test]
fn any_size_of_picture_and_order_of_times() {
    let mut health = Health::new(1.0);
    for (width, height) in [(1, 1), (63, 36), (64, 36), (36, 64), (500, 8), (180, 320)] {
        let data = vec![40; width * height];
        let planes = [Plane { data: &data, stride: width }, Plane::default(), Plane::default()];
        let frame = Frame::new(PixelFormat::Gray8, width, height, Colorimetry::default(), planes).unwrap();
        let mut estimator = Estimator::default();
        for time in [u64::MAX, 0, 7, 3] {
            estimator.push(&frame, &[]);
            health.look(&estimator, time);
        }
    }
    health.look(&Estimator::default(), 0);
}
