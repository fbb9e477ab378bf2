//! Drawing on upright boards that face the camera, and around solid bodies.

use super::super::camera::{Camera, HEIGHT};
use super::super::shapes::Shapes;
use crate::draw::Rgb;

/// A colour in another light.
pub(super) fn shade(color: Rgb, light: f64) -> Rgb {
    let part = |c: u8| (f64::from(c) * light).clamp(0.0, 255.0) as u8;
    Rgb::new(part(color.r), part(color.g), part(color.b))
}

/// The colour of a number like 0xRRGGBB.
pub(super) const fn rgb(code: u32) -> Rgb {
    Rgb::new((code >> 16) as u8, (code >> 8) as u8, code as u8)
}

/// A point of a board: metres to its right and up.
pub(super) type Point = [f64; 2];

/// Adds shapes to the frame.
pub(super) struct Pen<'a> {
    camera: &'a Camera,
    shapes: &'a mut Shapes,
}

/// An upright plane through a place on the ground.
#[derive(Clone, Copy, Debug)]
pub(super) struct Board {
    foot: [f64; 2],
    /// Unit vector to the right, x and z; to the left on a mirrored board.
    right: [f64; 2],
}

impl Board {
    /// The board that faces the camera, so that its right is right in the picture.
    pub(super) fn facing([x, z]: [f64; 2]) -> Self {
        let distance = (x * x + z * z).sqrt().max(1e-9);
        Self { foot: [x, z], right: [z / distance, -x / distance] }
    }

    /// How much of a heading goes to the right, in \[-1, 1\].
    pub(super) fn sideways(&self, heading: [f64; 2]) -> f64 {
        self.right[0] * heading[0] + self.right[1] * heading[1]
    }

    /// The same board seen in a mirror: what was on its right is on its left.
    pub(super) fn mirrored(self, when: bool) -> Self {
        if when { Self { right: self.right.map(|v| -v), ..self } } else { self }
    }

    fn point(&self, [a, b]: Point) -> [f64; 3] {
        [self.foot[0] + self.right[0] * a, b, self.foot[1] + self.right[1] * a]
    }
}

impl<'a> Pen<'a> {
    pub(super) fn new(camera: &'a Camera, shapes: &'a mut Shapes) -> Self {
        shapes.begin();
        Self { camera, shapes }
    }

    /// A polygon of the world; its shadow too when it `casts` one.
    pub(super) fn polygon(&mut self, corners: &[[f64; 3]], color: Rgb, casts: bool) {
        if casts {
            self.shapes.add_casting(self.camera, corners, color);
        } else {
            self.shapes.add(self.camera, corners, color);
        }
    }

    /// A polygon on a board, of at most 32 corners, with its shadow.
    pub(super) fn fill(&mut self, board: &Board, corners: &[Point], color: Rgb) {
        let mut points = [[0.0; 3]; 32];
        let count = corners.len().min(points.len());
        points.iter_mut().zip(corners).for_each(|(to, corner)| *to = board.point(*corner));
        self.polygon(&points[..count], color, true);
    }

    /// A line with square ends that may get thinner.
    pub(super) fn limb(&mut self, board: &Board, from: Point, to: Point, widths: [f64; 2], color: Rgb) {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let length = (dx * dx + dy * dy).sqrt().max(1e-9);
        let (nx, ny) = (-dy / length / 2.0, dx / length / 2.0);
        let at = |p: Point, width: f64| [p[0] + nx * width, p[1] + ny * width];
        let corners = [at(from, widths[0]), at(to, widths[1]), at(to, -widths[1]), at(from, -widths[0])];
        self.fill(board, &corners, color);
    }

    /// An ellipse as a polygon of 14 corners.
    pub(super) fn ellipse(&mut self, board: &Board, center: Point, radii: [f64; 2], color: Rgb) {
        let corners = CIRCLE.map(|(x, y)| [center[0] + x * radii[0], center[1] + y * radii[1]]);
        self.fill(board, &corners, color);
    }

    /// A circle with a hole.
    pub(super) fn ring(&mut self, board: &Board, center: Point, outer: f64, inner: f64, color: Rgb) {
        let mut corners = [[0.0; 2]; 30];
        for (i, corner) in corners.iter_mut().enumerate() {
            // Around the outside and, by a cut without width, back around the hole.
            let (radius, at) = if i < 15 { (outer, i % 14) } else { (inner, (29 - i) % 14) };
            let (x, y) = CIRCLE[at];
            *corner = [center[0] + x * radius, center[1] + y * radius];
        }
        self.fill(board, &corners, color);
    }

    /// True when the camera sees the front of a polygon of the world whose corners go round clockwise as seen
    /// from there.
    pub(super) fn sees(&self, corners: &[[f64; 3]]) -> bool {
        let [a, b, c, ..] = corners else { return false };
        let minus = |p: &[f64; 3], q: &[f64; 3]| [p[0] - q[0], p[1] - q[1], p[2] - q[2]];
        let (u, v) = (minus(b, a), minus(c, a));
        let normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
        let view = minus(a, &[0.0, HEIGHT, 0.0]);
        normal[0] * view[0] + normal[1] * view[1] + normal[2] * view[2] < 0.0
    }
}

/// Corners of a regular polygon in the unit circle: sines and cosines of whole multiples of 360 / 14 degrees.
const CIRCLE: [(f64, f64); 14] = [
    (1.0, 0.0),
    (0.900_969, 0.433_884),
    (0.623_490, 0.781_831),
    (0.222_521, 0.974_928),
    (-0.222_521, 0.974_928),
    (-0.623_490, 0.781_831),
    (-0.900_969, 0.433_884),
    (-1.0, 0.0),
    (-0.900_969, -0.433_884),
    (-0.623_490, -0.781_831),
    (-0.222_521, -0.974_928),
    (0.222_521, -0.974_928),
    (0.623_490, -0.781_831),
    (0.900_969, -0.433_884),
];
