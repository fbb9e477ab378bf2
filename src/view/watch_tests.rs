//! One camera's pictures, with what may happen between them.

use super::register_tests::scene;
use super::*;
use crate::image::{Colorimetry, Frame, PixelFormat, Plane};

const STEP: u64 = 40_000_000;

/// A watch and the time of its next frame.
#[derive(Default)]
struct Camera {
    watch: Watch,
    time: u64,
}

impl Camera {
    /// The view of a picture of a world, moved to the left by so many pixels.
    fn show(&mut self, world: u64, moved: f64, (width, height): (usize, usize)) -> View {
        self.paint((width, height), |x, y| scene(world, x + moved, y))
    }

    fn paint(&mut self, (width, height): (usize, usize), paint: impl Fn(f64, f64) -> f64) -> View {
        let value = |i: usize| paint((i % width) as f64, (i / width) as f64).clamp(0.0, 255.0) as u8;
        let data: Vec<u8> = (0..width * height).map(value).collect();
        let planes = [Plane { data: &data, stride: width }, Plane::default(), Plane::default()];
        let frame = Frame::new(PixelFormat::Gray8, width, height, Colorimetry::default(), planes).unwrap();
        self.look(Some(&frame))
    }

    fn look(&mut self, frame: Option<&Frame<'_>>) -> View {
        self.time += STEP;
        let look = Look { time: self.time, aspect: 16.0 / 9.0, frame, follow: true, ..Look::default() };
        self.watch.look(&look, &Policy::default()).clone()
    }

    fn shows(&mut self, frames: usize, world: u64, moved: f64, size: (usize, usize)) -> Vec<View> {
        (0..frames).map(|_| self.show(world, moved, size)).collect()
    }
}

const SIZE: (usize, usize) = (320, 180);
const TALLER: (usize, usize) = (320, 240);

fn holds(view: &View) -> bool {
    view.epoch == 0 && view.validity == Validity::Valid
}

#[test]
fn another_scene_after_an_interruption_is_another_epoch() {
    for size in [SIZE, TALLER] {
        let mut camera = Camera::default();
        camera.shows(30, 1, 0.0, SIZE);
        if size == SIZE {
            assert_eq!(camera.look(None).motion, Motion::Unknown);
        }
        let views = camera.shows(50, 2, 0.0, size);
        assert_eq!(views.iter().filter(|view| holds(view)).count(), 0, "{size:?}");
        assert_eq!(views[2].reason.as_deref(), Some("reference-lost"));
        let last = views.last().unwrap();
        assert_eq!((last.epoch, last.validity), (1, Validity::Valid), "{size:?}");
        // Even where the first frames show nothing to know it by.
        let mut camera = Camera::default();
        camera.shows(30, 1, 0.0, SIZE);
        camera.look(None);
        for _ in 0..5 {
            assert!(!holds(&camera.paint(size, |_, _| 90.0)));
        }
        let views = camera.shows(50, 2, 0.0, size);
        assert_eq!(views.iter().filter(|view| holds(view)).count(), 0, "{size:?}");
        assert_eq!(views.last().unwrap().epoch, 1);
    }
}

#[test]
fn the_same_scene_goes_on_after_an_interruption() {
    for moved in [0.0, 4.0, 60.0] {
        let mut camera = Camera::default();
        camera.shows(30, 1, 0.0, SIZE);
        camera.look(None);
        let views = camera.shows(30, 1, moved, SIZE);
        assert!(views[1..].iter().all(holds), "{:?}", views[1]);
        let [_, _, x, ..] = views[29].to_reference.unwrap();
        assert!((f64::from(x) - moved / 320.0).abs() < 1e-3, "{x} after {moved}");
    }
}
