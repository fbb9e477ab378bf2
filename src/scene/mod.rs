//! A synthetic street: a deterministic scene with its exact truth, to try perception on without a camera.
//!
//! People walk, stop, turn back and cross the road when their light is green; bicycles, cars and buses drive by
//! and wait at the crossing; all pass behind each other and behind posts, trees, kiosks and planters. What is
//! seen at a time depends on [`Options`] and the time alone: any frame can be made without those before it, and
//! is the same on every machine, as only exactly rounded arithmetic and the crate `libm` are used.
//!
//! ```
//! use gstnvperception::image::{Colorimetry, FrameMut, PixelFormat, PlaneMut};
//! use gstnvperception::scene::{Options, Scene};
//!
//! let mut scene = Scene::new(Options { seed: 7, ..Options::default() });
//! let mut pixels = vec![0; 320 * 180];
//! let planes = [PlaneMut { data: &mut pixels, stride: 320 }, PlaneMut::default(), PlaneMut::default()];
//! let mut frame = FrameMut::new(PixelFormat::Gray8, 320, 180, Colorimetry::default(), planes)?;
//! let truth = scene.set(2_000_000_000, None, 50, 16.0 / 9.0);
//! scene.render(&mut frame);
//! for object in &truth.objects {
//!     println!("{} {:?} {}", object.id, truth.labels.get(object.class_id), object.visibility);
//! }
//! # Ok::<(), gstnvperception::image::FrameError>(())
//! ```

mod backdrop;
mod camera;
mod cast;
mod detector;
mod figure;
mod paint;
mod random;
mod raster;
mod render;
mod route;
mod shapes;
#[cfg(test)]
mod tests;
mod truth;

pub use camera::{CUT_PERIOD, Camera, CameraMode, CameraState, PRESETS, PTZ_PERIOD, Pose, Preset, TOUR};
pub use cast::Class;
pub use detector::{LEAST_VISIBLE, MOST_FALSE_POSITIVES, Noise, noisy, perfect};
pub use truth::{TrueObject, TrueView, Truth};

use backdrop::Backdrop;
use cast::{Actor, street};
use figure::Obstacle;
use render::{Exposure, Renderer};
use shapes::{Shapes, Thing};

use crate::detection::Labels;
use crate::image::FrameMut;

/// What a scene follows from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Chooses the street and everybody's ways.
    pub seed: u64,
    /// How many objects may be on their way at a time.
    pub objects: usize,
    /// How the camera behaves.
    pub camera: CameraMode,
    /// Standard deviation of the sensor's noise in 255ths of the range, at most [`MOST_NOISE`].
    pub noise: f64,
}

/// More noise than this is not made.
pub const MOST_NOISE: f64 = 20.0;
/// Objects beyond this many are not made.
pub const MOST_OBJECTS: usize = 200;

impl Default for Options {
    fn default() -> Self {
        Self { seed: 0, objects: 12, camera: CameraMode::Fixed, noise: 2.0 }
    }
}

/// Points that an object is looked at, across and down, to find what is visible of it.
const LOOKS: (usize, usize) = (10, 14);

/// A scene, at the time that it was [`set`](Self::set) to last.
#[derive(Debug)]
pub struct Scene {
    options: Options,
    labels: Labels,
    backdrop: Backdrop,
    /// What stands among the objects.
    obstacles: Vec<Obstacle>,
    /// What stands behind all of them, and how this camera sees it.
    rear: Vec<Obstacle>,
    behind: Shapes,
    behind_of: Option<Camera>,
    time: u64,
    camera: Camera,
    actors: Vec<Actor>,
    /// What stands in the street, the farthest first.
    order: Vec<(f64, Standing)>,
    shapes: Shapes,
    renderer: Option<Renderer>,
}

#[derive(Clone, Copy, Debug)]
enum Standing {
    Actor(usize),
    Obstacle(usize),
}

impl Scene {
    /// A scene at its beginning.
    pub fn new(options: Options) -> Self {
        let objects = options.objects.min(MOST_OBJECTS);
        let options = Options { objects, noise: options.noise.clamp(0.0, MOST_NOISE), ..options };
        let (obstacles, mut rear): (Vec<_>, Vec<_>) =
            figure::obstacles(options.seed).into_iter().partition(|o| o.place[1] <= street::LAWN);
        rear.sort_unstable_by(|a, b| far(b.place).total_cmp(&far(a.place)));
        Self {
            options,
            labels: Class::ALL.iter().map(|class| class.name()).collect(),
            backdrop: Backdrop::new(options.seed),
            obstacles,
            rear,
            behind: Shapes::default(),
            behind_of: None,
            time: 0,
            camera: Camera::new(&PRESETS[0].pose, 1.0),
            actors: Vec::new(),
            order: Vec::new(),
            shapes: Shapes::default(),
            renderer: None,
        }
    }

    /// Sets the scene to a time in nanoseconds and tells what is in it. `previous` is the time of the frame
    /// before, `frame` this frame's number, `aspect` the picture's displayed width over its height.
    pub fn set(&mut self, time: u64, previous: Option<u64>, frame: u64, aspect: f64) -> Truth {
        let Options { seed, objects, camera, .. } = self.options;
        let state = camera.state(seed, time);
        self.time = time;
        self.camera = Camera::new(&state.pose, aspect);
        self.actors.clear();
        cast::assemble(seed, objects, camera, time, &mut self.actors);
        self.compose();
        let before = previous.map(|time| camera.state(seed, time));
        let view = self.view(&state, before.as_ref(), aspect);
        Truth { frame, labels: self.labels.clone(), objects: self.objects(), view }
    }

    /// Lays out everything from the back to the front.
    fn compose(&mut self) {
        if self.behind_of != Some(self.camera) {
            self.behind.clear();
            self.rear.iter().for_each(|obstacle| obstacle.draw(&self.camera, &mut self.behind));
            self.behind_of = Some(self.camera);
        }
        self.order.clear();
        self.order.extend(self.actors.iter().enumerate().map(|(i, a)| (far(a.place), Standing::Actor(i))));
        let obstacles = self.obstacles.iter().enumerate();
        self.order.extend(obstacles.map(|(i, o)| (far(o.place), Standing::Obstacle(i))));
        self.order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        self.shapes.clear();
        for (_, standing) in &self.order {
            match standing {
                Standing::Actor(i) => figure::draw(&self.actors[*i], &self.camera, &mut self.shapes),
                Standing::Obstacle(i) => self.obstacles[*i].draw(&self.camera, &mut self.shapes),
            }
        }
    }

    fn objects(&self) -> Vec<TrueObject> {
        let things = self.shapes.things();
        let of_actor = |(i, (_, standing)): (usize, &(f64, Standing))| match standing {
            Standing::Actor(actor) => {
                let bbox = things[i].bounds.filter(|b| b.clipped().is_some())?;
                let Actor { id, class, .. } = self.actors[*actor];
                let visibility = self.visibility(&things[i], &things[i + 1..]);
                Some(TrueObject { id, bbox, visibility, class_id: class as i32 })
            }
            Standing::Obstacle(_) => None,
        };
        let mut objects: Vec<_> = self.order.iter().enumerate().filter_map(of_actor).collect();
        objects.sort_unstable_by_key(|object| object.id);
        objects
    }

    /// The share of a thing's points that lie in the frame and not behind those in front of it.
    fn visibility(&self, thing: &Thing, in_front: &[Thing]) -> f32 {
        let Some(bounds) = thing.bounds else { return 0.0 };
        let (mut all, mut seen) = (0, 0);
        for i in 0..LOOKS.0 * LOOKS.1 {
            let (column, row) = (i % LOOKS.0, i / LOOKS.0);
            let x = bounds.x_min + bounds.width() * (column as f32 + 0.5) / LOOKS.0 as f32;
            let y = bounds.y_min + bounds.height() * (row as f32 + 0.5) / LOOKS.1 as f32;
            if !self.shapes.covers(thing, [x, y]) {
                continue;
            }
            all += 1;
            let inside = (0.0..1.0).contains(&x) && (0.0..1.0).contains(&y);
            let hides = |other: &Thing| {
                other.bounds.is_some_and(|b| b.intersection(&bounds) > 0.0)
                    && self.shapes.covers(other, [x, y])
            };
            seen += i32::from(inside && !in_front.iter().any(hides));
        }
        if all > 0 { seen as f32 / all as f32 } else { 0.0 }
    }

    fn view(&self, state: &CameraState, before: Option<&CameraState>, aspect: f64) -> TrueView {
        let before = before.unwrap_or(state);
        let moved = before.pose != state.pose;
        TrueView {
            to_previous: if moved {
                self.camera.to(&Camera::new(&before.pose, aspect))
            } else {
                TrueView::default().to_previous
            },
            to_scene: self.camera.to(&Camera::new(&PRESETS[0].pose, aspect)),
            pan: state.pose.pan as f32,
            tilt: state.pose.tilt as f32,
            roll: state.pose.roll as f32,
            zoom: state.pose.zoom as f32,
            preset: state.preset.map_or(-1, |preset| preset as i32),
            moved: u32::from(moved),
            cut: u32::from(moved && self.options.camera == CameraMode::Cut),
            reserved: 0,
        }
    }

    /// Draws the scene.
    pub fn render(&mut self, frame: &mut FrameMut<'_>) {
        let Options { seed, noise, .. } = self.options;
        if !self.renderer.as_ref().is_some_and(|renderer| renderer.fits(frame)) {
            let size = (frame.width(), frame.height());
            self.renderer = Some(Renderer::new(seed, noise, frame.format(), size, frame.colorimetry()));
        }
        let Some(renderer) = &mut self.renderer else { return };
        // Clouds pass once in 47 seconds.
        let cloud = libm::sin((self.time % 47_000_000_000) as f64 / 47e9 * std::f64::consts::TAU);
        let exposure =
            Exposure { light: 1024 + (64.0 * cloud) as i32, noise: random::hash(&[seed, 0x5E45, self.time]) };
        let shapes = (&self.behind, &self.shapes);
        renderer.draw(&self.backdrop, &self.camera, shapes, exposure, frame);
    }
}

/// How far a place is, squared: for sorting.
fn far([x, z]: [f64; 2]) -> f64 {
    x * x + z * z
}
