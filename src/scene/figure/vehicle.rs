//! Cars and buses: solid bodies along the road, with the side that faces the camera drawn in detail.

use super::super::cast::Actor;
use super::super::random::Dice;
use super::pen::{Pen, Point, rgb, shade};
use crate::draw::Rgb;

const PAINTS: [u32; 10] =
    [0xC8CBD0, 0x22252A, 0xE8E8E6, 0x8E1F24, 0x1E3F78, 0x5B6770, 0x2F6B4F, 0xD9A441, 0x7A7F85, 0x3E8FB0];
const BUSES: [u32; 5] = [0xD23B2E, 0xF0B323, 0x2F7DC0, 0xE9EBEC, 0x3E9B62];
const GLASS: Rgb = rgb(0x2B3840);
const TYRE: Rgb = rgb(0x161617);

/// A body: a side view that goes round clockwise as the near side shows it, pushed from the near side to the far.
struct Body {
    x: f64,
    /// 1 when it drives to the right.
    sign: f64,
    near: f64,
    far: f64,
}

impl Body {
    fn new(actor: &Actor, width: f64) -> Self {
        let [x, z] = actor.place;
        let sign = if actor.heading[0] < 0.0 { -1.0 } else { 1.0 };
        Self { x, sign, near: z - width / 2.0, far: z + width / 2.0 }
    }

    fn at(&self, [l, b]: Point, z: f64) -> [f64; 3] {
        [self.x + self.sign * l, b, z]
    }

    /// The faces between near and far side that the camera sees, each in its colour.
    fn faces(&self, pen: &mut Pen<'_>, profile: &[Point], color: impl Fn(usize) -> Rgb) {
        for i in 0..profile.len() {
            let (a, b) = (profile[i], profile[(i + 1) % profile.len()]);
            let (a, b) = if self.sign > 0.0 { (a, b) } else { (b, a) };
            let face =
                [self.at(a, self.near), self.at(a, self.far), self.at(b, self.far), self.at(b, self.near)];
            if pen.sees(&face) {
                pen.polygon(&face, color(i), true);
            }
        }
    }

    /// A polygon on the near side.
    fn side(&self, pen: &mut Pen<'_>, corners: &[Point], color: Rgb, casts: bool) {
        let mut points = [[0.0; 3]; 24];
        let count = corners.len().min(points.len());
        points.iter_mut().zip(corners).for_each(|(to, corner)| *to = self.at(*corner, self.near));
        pen.polygon(&points[..count], color, casts);
    }

    fn box_on_side(&self, pen: &mut Pen<'_>, from: Point, to: Point, color: Rgb) {
        self.side(pen, &[from, [from[0], to[1]], to, [to[0], from[1]]], color, false);
    }

    /// A wheel with a hub that turns with the way gone.
    fn wheel(&self, pen: &mut Pen<'_>, center: Point, radius: f64, travelled: f64) {
        let round = |radius: f64, start: f64| {
            let mut corners = [[0.0; 2]; 12];
            for (i, corner) in corners.iter_mut().enumerate() {
                let (s, c) = libm::sincos(start + i as f64 * (std::f64::consts::TAU / 12.0));
                *corner = [center[0] + radius * c, center[1] + radius * s];
            }
            corners
        };
        self.side(pen, &round(radius, 0.0), TYRE, false);
        self.side(pen, &round(radius * 0.58, 0.0), rgb(0xA9ACB0), false);
        let (s, c) = libm::sincos(-travelled / radius);
        let spoke = |p: f64, q: f64| {
            [center[0] + radius * 0.55 * (p * c - q * s), center[1] + radius * 0.55 * (p * s + q * c)]
        };
        for (p, q) in [(1.0, 0.0), (0.0, 1.0)] {
            let (w, v) = (q * 0.14, p * 0.14);
            let corners =
                [spoke(p + w, q + v), spoke(p - w, q - v), spoke(-p - w, -q - v), spoke(-p + w, -q + v)];
            self.side(pen, &corners, rgb(0x55585C), false);
        }
    }
}

pub(super) fn car(actor: &Actor, pen: &mut Pen<'_>) {
    let mut dice = Dice::new(&[actor.looks, 3]);
    let paint = rgb(dice.pick(&PAINTS));
    let estate = dice.chance(0.4);
    let tall = dice.between(0.96, 1.1);
    let long = dice.between(0.95, 1.06);
    let body = Body::new(actor, 1.75);
    let at = |l: f64, b: f64| [l * long, b * tall];
    let tail = if estate { 2.0 } else { 1.35 };
    let profile = [
        at(-2.12, 0.30),
        at(-2.15, 0.85),
        at(-tail, 0.97),
        at(-tail + 0.35, 1.42),
        at(0.25, 1.45),
        at(0.95, 0.95),
        at(2.0, 0.80),
        at(2.15, 0.55),
        at(2.12, 0.30),
    ];
    let braking = actor.speed < 0.5;
    body.faces(pen, &profile, |i| match i {
        2 | 4 => GLASS,
        0 if braking => rgb(0xD02018),
        3 => shade(paint, 1.12),
        1 | 5 => shade(paint, 1.05),
        _ => shade(paint, 0.75),
    });
    body.side(pen, &profile, shade(paint, 0.9), true);
    body.side(
        pen,
        &[at(-tail + 0.2, 0.98), at(-tail + 0.45, 1.36), at(-0.32, 1.38), at(-0.32, 0.97)],
        GLASS,
        false,
    );
    body.side(pen, &[at(-0.22, 0.97), at(-0.22, 1.38), at(0.2, 1.38), at(0.74, 0.96)], GLASS, false);
    body.box_on_side(pen, at(-2.1, 0.30), at(2.1, 0.40), shade(paint, 0.45));
    body.box_on_side(pen, at(-0.29, 0.45), at(-0.25, 0.95), shade(paint, 0.6));
    body.box_on_side(pen, at(1.95, 0.62), at(2.13, 0.75), rgb(0xF5F0D0));
    body.box_on_side(pen, at(-2.13, 0.66), at(-1.98, 0.80), rgb(if braking { 0xFF3020 } else { 0x9A1B18 }));
    for l in [-1.3, 1.35] {
        body.wheel(pen, at(l, 0.32), 0.32, actor.travelled);
    }
}

pub(super) fn bus(actor: &Actor, pen: &mut Pen<'_>) {
    let mut dice = Dice::new(&[actor.looks, 4]);
    let paint = rgb(dice.pick(&BUSES));
    let stripe = rgb(dice.pick(&[0xFFFFFF, 0x20304A, 0xF2D13B, 0x1D1D1F]));
    let half = dice.between(4.6, 5.4);
    let body = Body::new(actor, 2.5);
    let profile =
        [[-half, 0.35], [-half, 2.95], [-half + 0.15, 3.1], [half - 0.2, 3.1], [half, 2.8], [half, 0.35]];
    body.faces(pen, &profile, |i| match i {
        2 => shade(paint, 1.15),
        4 => GLASS,
        _ => shade(paint, 0.75),
    });
    body.side(pen, &profile, shade(paint, 0.92), true);
    body.box_on_side(pen, [-half, 1.05], [half, 1.3], stripe);
    body.box_on_side(pen, [-half + 0.25, 1.5], [half - 0.15, 2.55], GLASS);
    let mut l = -half + 1.4;
    while l < half - 1.6 {
        body.box_on_side(pen, [l, 1.5], [l + 0.09, 2.55], shade(paint, 0.8));
        l += 1.3;
    }
    for door in [half - 1.5, -0.6] {
        body.box_on_side(pen, [door, 0.45], [door + 1.15, 2.6], shade(paint, 0.6));
        body.box_on_side(pen, [door + 0.07, 0.6], [door + 0.54, 2.5], GLASS);
        body.box_on_side(pen, [door + 0.61, 0.6], [door + 1.08, 2.5], GLASS);
    }
    body.box_on_side(pen, [-half, 0.35], [half, 0.5], rgb(0x2A2A2C));
    body.box_on_side(pen, [half - 0.15, 0.7], [half, 0.95], rgb(0xF5F0D0));
    body.box_on_side(pen, [-half, 0.8], [-half + 0.12, 1.05], rgb(0xB01E18));
    for l in [-half + 2.2, half - 2.4] {
        body.wheel(pen, [l, 0.48], 0.48, actor.travelled);
    }
}
