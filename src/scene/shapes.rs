//! A frame of the scene as flat polygons in the picture, the farthest first.

use super::camera::Camera;
use crate::draw::Rgb;
use crate::geometry::BBox;

/// Nothing nearer to the camera than this is shown, in metres.
const NEAR: f64 = 0.5;
/// Where the sun casts the shadow of a point at height 1: x and z in metres.
const SUN: [f64; 2] = [0.55, 0.4];

/// One polygon of one colour; even-odd where it crosses itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    start: usize,
    end: usize,
    pub(super) color: Rgb,
    bounds: BBox,
}

/// Something that may hide and be hidden: an object or an obstacle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thing {
    start: usize,
    end: usize,
    /// Around everything of it that lies in front of the camera; `None` when nothing does.
    pub(super) bounds: Option<BBox>,
}

/// What a frame shows. It keeps its memory from one frame to the next.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    points: Vec<[f32; 2]>,
    shapes: Vec<Shape>,
    shadows: Vec<Shape>,
    things: Vec<Thing>,
    turned: Vec<[f64; 3]>,
    clipped: Vec<[f64; 3]>,
}

impl Shapes {
    pub(super) fn clear(&mut self) {
        self.points.clear();
        self.shapes.clear();
        self.shadows.clear();
        self.things.clear();
    }

    /// What is added from now on belongs to one more thing.
    pub(super) fn begin(&mut self) {
        self.things.push(Thing { start: self.shapes.len(), end: self.shapes.len(), bounds: None });
    }

    /// Adds a polygon of the world to the last thing.
    pub(super) fn add(&mut self, camera: &Camera, corners: &[[f64; 3]], color: Rgb) {
        let Some(shape) = self.project(camera, corners, color) else { return };
        self.shapes.push(shape);
        let end = self.shapes.len();
        if let Some(thing) = self.things.last_mut() {
            thing.end = end;
            thing.bounds = Some(thing.bounds.map_or(shape.bounds, |b| around(&b, &shape.bounds)));
        }
    }

    /// Adds a polygon with its shadow on the ground.
    pub(super) fn add_casting(&mut self, camera: &Camera, corners: &[[f64; 3]], color: Rgb) {
        self.add(camera, corners, color);
        let mut fallen = [[0.0; 3]; 32];
        let count = corners.len().min(fallen.len());
        for (to, [x, y, z]) in fallen.iter_mut().zip(corners) {
            *to = [x + y * SUN[0], 0.0, z + y * SUN[1]];
        }
        if let Some(shape) = self.project(camera, &fallen[..count], Rgb::BLACK) {
            self.shadows.push(shape);
        }
    }

    /// The polygon in the picture, cut off where it comes too near.
    fn project(&mut self, camera: &Camera, corners: &[[f64; 3]], color: Rgb) -> Option<Shape> {
        self.turned.clear();
        self.turned.extend(corners.iter().map(|corner| camera.turned(*corner)));
        let corners = if self.turned.iter().all(|p| p[2] >= NEAR) {
            &self.turned
        } else {
            cut(&self.turned, &mut self.clipped);
            &self.clipped
        };
        if corners.len() < 3 {
            return None;
        }
        let start = self.points.len();
        let mut bounds = BBox::new(f32::MAX, f32::MAX, f32::MIN, f32::MIN);
        for corner in corners {
            let [x, y] = camera.projected(*corner).map(|v| v as f32);
            bounds = around(&bounds, &BBox::new(x, y, x, y));
            self.points.push([x, y]);
        }
        Some(Shape { start, end: self.points.len(), color, bounds })
    }

    pub(super) fn things(&self) -> &[Thing] {
        &self.things
    }

    /// All polygons in the order of painting.
    pub(super) fn painted(&self) -> impl Iterator<Item = (&[[f32; 2]], Rgb)> {
        self.shapes.iter().map(|s| (&self.points[s.start..s.end], s.color))
    }

    /// The shadows on the ground, which lie below everything.
    pub(super) fn shadows(&self) -> impl Iterator<Item = &[[f32; 2]]> {
        self.shadows.iter().map(|s| &self.points[s.start..s.end])
    }

    /// True when a thing covers a point of the picture.
    pub(super) fn covers(&self, thing: &Thing, [x, y]: [f32; 2]) -> bool {
        self.shapes[thing.start..thing.end].iter().any(|shape| {
            let b = &shape.bounds;
            let near = x >= b.x_min && x <= b.x_max && y >= b.y_min && y <= b.y_max;
            near && inside(&self.points[shape.start..shape.end], [x, y])
        })
    }
}

fn around(a: &BBox, b: &BBox) -> BBox {
    BBox::new(a.x_min.min(b.x_min), a.y_min.min(b.y_min), a.x_max.max(b.x_max), a.y_max.max(b.y_max))
}

/// The part of a polygon in front of the camera (Sutherland and Hodgman, "Reentrant polygon clipping", 1974).
fn cut(polygon: &[[f64; 3]], out: &mut Vec<[f64; 3]>) {
    out.clear();
    let Some(mut last) = polygon.last().copied() else { return };
    for &corner in polygon {
        if (corner[2] >= NEAR) != (last[2] >= NEAR) {
            let part = (NEAR - last[2]) / (corner[2] - last[2]);
            out.push([0, 1, 2].map(|i| if i == 2 { NEAR } else { last[i] + (corner[i] - last[i]) * part }));
        }
        if corner[2] >= NEAR {
            out.push(corner);
        }
        last = corner;
    }
}

/// Even-odd rule.
fn inside(polygon: &[[f32; 2]], [x, y]: [f32; 2]) -> bool {
    let mut inside = false;
    let Some(mut last) = polygon.last().copied() else { return false };
    for &corner in polygon {
        if (corner[1] > y) != (last[1] > y)
            && x < (last[0] - corner[0]) * (y - corner[1]) / (last[1] - corner[1]) + corner[0]
        {
            inside = !inside;
        }
        last = corner;
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::super::camera::{HEIGHT, PRESETS};
    use super::*;

    #[test]
    fn a_square_in_front_is_seen_where_it_is() {
        let camera = Camera::new(&PRESETS[0].pose, 16.0 / 9.0);
        let [dx, dy, dz] = camera.direction([0.5, 0.5]);
        let center = [dx * 10.0, HEIGHT + dy * 10.0, dz * 10.0];
        let square = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
            .map(|(x, y)| [center[0] + x, center[1] + y, center[2]]);
        let mut shapes = Shapes::default();
        shapes.begin();
        shapes.add(&camera, &square, Rgb::WHITE);
        let thing = shapes.things()[0];
        assert!(shapes.covers(&thing, [0.5, 0.5]) && !shapes.covers(&thing, [0.7, 0.5]));
        let bounds = thing.bounds.unwrap();
        assert!((bounds.width() - 0.18).abs() < 0.02, "{bounds:?}");
    }

    #[test]
    fn what_reaches_behind_the_camera_is_cut_off() {
        let camera = Camera::new(&PRESETS[0].pose, 1.0);
        let mut shapes = Shapes::default();
        shapes.begin();
        let strip = [[-1.0, 0.0, -50.0], [1.0, 0.0, -50.0], [1.0, 0.0, 50.0], [-1.0, 0.0, 50.0]];
        shapes.add(&camera, &strip, Rgb::WHITE);
        let bounds = shapes.things()[0].bounds.unwrap();
        assert!(bounds.is_valid() && bounds.x_min < 0.5 && bounds.x_max > 0.5, "{bounds:?}");
        shapes.begin();
        shapes.add(&camera, &strip[..2], Rgb::WHITE);
        assert_eq!(shapes.things()[1].bounds, None);
    }
}
