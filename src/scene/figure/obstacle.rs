//! What stands in the street and hides objects: posts, trees, kiosks, planters and advertising columns.

use super::super::camera::Camera;
use super::super::cast::street;
use super::super::random::Dice;
use super::super::shapes::Shapes;
use super::pen::{Board, Pen, rgb, shade};
use crate::draw::Rgb;

/// Something that stands still.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Obstacle {
    kind: Kind,
    /// X and z in metres.
    pub(in super::super) place: [f64; 2],
    looks: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Post,
    Tree,
    Kiosk,
    Planter,
    Column,
}

/// The obstacles of a seed's street.
pub(in super::super) fn obstacles(seed: u64) -> Vec<Obstacle> {
    let mut all = Vec::new();
    let mut dice = Dice::new(&[seed, 0x0B57]);
    let mut put = |dice: &mut Dice, kind, x: f64, z: f64| {
        all.push(Obstacle { kind, place: [x + dice.between(-0.6, 0.6), z], looks: dice.next() });
    };
    let free = |x: f64| (x - street::CROSSING).abs() > street::CROSSING_HALF + 1.4;
    for block in -4..=4 {
        let x = f64::from(block) * 9.5;
        if free(x - 2.5) {
            put(&mut dice, Kind::Post, x - 2.5, street::NEAR_CURB - 0.35);
        }
        if free(x + 1.5) {
            put(&mut dice, Kind::Post, x + 1.5, street::FAR_CURB + 0.4);
        }
        put(&mut dice, Kind::Tree, x - 4.6, street::LAWN + 1.6);
        put(&mut dice, Kind::Tree, x + 0.4, street::LAWN + 2.4);
        if block % 2 == 0 {
            put(&mut dice, Kind::Kiosk, x - 6.0, street::FAR_CURB + 1.0);
            put(&mut dice, Kind::Planter, x - 1.2, 12.0);
        } else {
            put(&mut dice, Kind::Column, x + 3.3, street::NEAR_CURB - 0.9);
            put(&mut dice, Kind::Planter, x - 0.5, street::FAR_CURB + 0.9);
        }
    }
    all
}

impl Obstacle {
    pub(in super::super) fn draw(&self, camera: &Camera, shapes: &mut Shapes) {
        let pen = &mut Pen::new(camera, shapes);
        let mut dice = Dice::new(&[self.looks]);
        let board = Board::facing(self.place);
        match self.kind {
            Kind::Post => post(pen, &board),
            Kind::Tree => tree(pen, &board, &mut dice),
            Kind::Kiosk => {
                let paint = rgb(dice.pick(&[0x3F6E5A, 0x7A3B36, 0x35506E]));
                block(pen, self.place, [2.6, 1.8, 2.5], paint);
                let [x, z] = self.place;
                let near = z - 0.91;
                let window = |a: f64, b: f64, c: f64, d: f64| {
                    [[x + a, b, near], [x + a, d, near], [x + c, d, near], [x + c, b, near]]
                };
                pen.polygon(&window(-1.0, 1.0, 1.0, 1.9), rgb(0xD8D2B8), false);
                pen.polygon(&window(-1.3, 2.0, 1.3, 2.3), rgb(0xE8E0D0), false);
            }
            Kind::Planter => {
                block(pen, self.place, [2.2, 0.7, 0.55], rgb(0x8B8378));
                for i in 0..7 {
                    let at = [-0.95 + 0.31 * f64::from(i), 0.62 + dice.between(0.0, 0.22)];
                    let leaf = shade(rgb(0x3F7A35), dice.between(0.75, 1.2));
                    pen.ellipse(&board, at, [0.26, 0.24], leaf);
                }
            }
            Kind::Column => {
                let paper = rgb(dice.pick(&[0xD8C9A0, 0xC9D3D8, 0xE0B0A0]));
                pen.fill(&board, &[[-0.55, 0.0], [-0.55, 2.9], [0.55, 2.9], [0.55, 0.0]], rgb(0x6A7A6E));
                pen.fill(&board, &[[-0.5, 0.5], [-0.5, 2.5], [0.42, 2.5], [0.42, 0.5]], paper);
                pen.fill(&board, &[[-0.3, 1.3], [-0.3, 2.2], [0.2, 2.2], [0.2, 1.3]], shade(paper, 0.6));
                pen.ellipse(&board, [0.0, 2.95], [0.68, 0.2], rgb(0x4A5A50));
            }
        }
    }
}

fn post(pen: &mut Pen<'_>, board: &Board) {
    pen.limb(board, [0.0, 0.0], [0.0, 5.2], [0.16, 0.1], rgb(0x4A4F52));
    pen.limb(board, [-0.02, 5.15], [0.75, 5.35], [0.07, 0.07], rgb(0x4A4F52));
    pen.limb(board, [0.5, 5.3], [1.1, 5.38], [0.14, 0.12], rgb(0xC8C8BC));
}

fn tree(pen: &mut Pen<'_>, board: &Board, dice: &mut Dice) {
    let tall = dice.between(3.6, 4.8);
    pen.limb(board, [0.0, 0.0], [0.05, tall - 0.8], [0.34, 0.2], rgb(0x5A4632));
    for i in 0..11 {
        let (s, c) = libm::sincos(f64::from(i) * 2.4);
        let spread = 0.35 + 0.1 * f64::from(i);
        let at = [c * spread, tall + s * spread * 0.8];
        let leaf = shade(rgb(0x47803A), dice.between(0.65, 1.1) * (0.8 + 0.2 * (s + 1.0)));
        pen.ellipse(board, at, [dice.between(0.7, 1.0), dice.between(0.6, 0.85)], leaf);
    }
}

/// A box by its middle, with its width, depth and height.
fn block(pen: &mut Pen<'_>, [x, z]: [f64; 2], [width, depth, height]: [f64; 3], color: Rgb) {
    let (l, r) = (x - width / 2.0, x + width / 2.0);
    let (n, f) = (z - depth / 2.0, z + depth / 2.0);
    let faces = [
        ([[l, height, n], [l, height, f], [r, height, f], [r, height, n]], 1.15),
        ([[l, 0.0, n], [l, 0.0, f], [l, height, f], [l, height, n]], 0.7),
        ([[r, 0.0, n], [r, height, n], [r, height, f], [r, 0.0, f]], 0.7),
        ([[l, 0.0, n], [l, height, n], [r, height, n], [r, 0.0, n]], 0.9),
    ];
    for (face, light) in faces {
        if pen.sees(&face) {
            pen.polygon(&face, shade(color, light), true);
        }
    }
}
