//! Somebody on foot, seen from the side or from the front, in step with the way gone.

use super::super::cast::Actor;
use super::super::random::Dice;
use super::pen::{Board, Pen, rgb, shade};
use crate::draw::Rgb;

const SHIRTS: [u32; 12] = [
    0xC0392B, 0x2E6FB0, 0xE9E4DA, 0x2F3542, 0xE0A82E, 0x3C8D53, 0x7D4FA0, 0xD97B93, 0x1F8A8A, 0xB9B4A6,
    0x6B4A34, 0xF1C9A0,
];
const TROUSERS: [u32; 7] = [0x2B3A55, 0x3A3A3C, 0x6B6455, 0x8C7B62, 0x1F2226, 0x51617A, 0xA89F91];
const SKIN: [u32; 5] = [0xF0C8A8, 0xD9A57F, 0xB27B52, 0x8A5A3A, 0x5E3D28];
const HAIR: [u32; 5] = [0x1E1A17, 0x4A3222, 0x7A5530, 0xC7A46A, 0x9A9A98];

/// The four joints of a limb's side: where a stride swings it.
pub(super) fn stride(travelled: f64, step: f64) -> (f64, f64) {
    libm::sincos(travelled / step * std::f64::consts::PI)
}

pub(super) fn draw(actor: &Actor, pen: &mut Pen<'_>) {
    let mut dice = Dice::new(&[actor.looks, 1]);
    let tall = dice.between(0.87, 1.09);
    let broad = dice.between(0.88, 1.15);
    let (shirt, trousers) = (rgb(dice.pick(&SHIRTS)), rgb(dice.pick(&TROUSERS)));
    let (skin, hair) = (rgb(dice.pick(&SKIN)), rgb(dice.pick(&HAIR)));
    let (bag, long_hair, skirt) = (dice.chance(0.3), dice.chance(0.35), dice.chance(0.15));

    let board = Board::facing(actor.place);
    let sideways = board.sideways(actor.heading);
    let board = board.mirrored(sideways < 0.0);
    let side = sideways.abs();
    // Legs stand still where the walker does.
    let pace = (actor.speed / 0.8).min(1.0);
    let (swing, lift) = stride(actor.travelled, 0.72 * tall);
    let reach = 0.34 * pace * (0.25 + 0.75 * side);
    let at = |a: f64, b: f64| [a * tall, b * tall];

    // From the front hips and shoulders are apart, from the side they are not.
    let apart = 0.10 * (1.0 - side) * broad;
    let leg = |pen: &mut Pen<'_>, swing: f64, lift: f64, offset: f64, light: f64| {
        let (hip, foot) = (at(offset, 0.88), at(offset + swing * reach, 0.05 + 0.12 * pace * lift.max(0.0)));
        let knee = [
            (hip[0] + foot[0]) / 2.0 + 0.05 * tall * side * lift.max(0.0) * pace + 0.01,
            (hip[1] + foot[1]) / 2.0 + 0.02,
        ];
        let (upper, lower) = (shade(trousers, light), shade(if skirt { skin } else { trousers }, light));
        pen.limb(&board, hip, knee, [0.19 * broad, 0.15 * broad], upper);
        pen.limb(&board, knee, foot, [0.14 * broad, 0.10], lower);
        let toe = [foot[0] + 0.17 * side + 0.02, foot[1] - 0.045 * tall];
        pen.limb(&board, [foot[0] - 0.05, foot[1] - 0.02], toe, [0.10, 0.06], rgb(0x22201E));
    };
    let arm = |pen: &mut Pen<'_>, swing: f64, offset: f64, light: f64| {
        let shoulder = at(offset, 1.40);
        let elbow = [shoulder[0] + swing * reach * 0.45 - 0.02, shoulder[1] - 0.28 * tall];
        let hand = [elbow[0] + swing * reach * 0.45 + 0.08 * side * pace, elbow[1] - 0.24 * tall];
        pen.limb(&board, shoulder, elbow, [0.12 * broad, 0.10], shade(shirt, light));
        pen.limb(&board, elbow, hand, [0.09, 0.07], shade(shirt, light * 0.95));
        pen.ellipse(&board, hand, [0.05, 0.06], shade(skin, light));
    };
    let shoulders = 0.13 + 0.10 * (1.0 - side);

    arm(pen, swing, -shoulders * (1.0 - side), 0.72);
    leg(pen, -swing, -lift, -apart, 0.72);
    leg(pen, swing, lift, apart, 1.0);
    if bag && side > 0.4 {
        pen.fill(
            &board,
            &[at(-0.32, 1.40), at(-0.10, 1.44), at(-0.10, 1.02), at(-0.30, 1.0)],
            shade(shirt, 0.45),
        );
    }
    let (top, waist) = (shoulders * broad, (0.13 + 0.03 * (1.0 - side)) * broad);
    let lean = 0.03 * pace * side;
    let torso = [
        at(-top + lean, 1.40),
        at(-top * 0.6 + lean, 1.49),
        at(top * 0.6 + lean, 1.49),
        at(top + lean, 1.40),
        at(waist, 1.05),
        at(waist * 1.08, 0.84),
        at(-waist * 1.08, 0.84),
        at(-waist, 1.05),
    ];
    pen.fill(&board, &torso, shirt);
    if skirt {
        pen.fill(&board, &[at(-0.15, 0.95), at(0.15, 0.95), at(0.24, 0.52), at(-0.24, 0.52)], trousers);
    }
    head(pen, &board, at(lean + 0.03 * side, 1.63), tall, side, (skin, hair, long_hair));
    arm(pen, -swing, shoulders * (1.0 - side), 0.9);
}

fn head(
    pen: &mut Pen<'_>,
    board: &Board,
    [x, y]: [f64; 2],
    tall: f64,
    side: f64,
    (skin, hair, long): (Rgb, Rgb, bool),
) {
    let [w, h] = [0.105 * tall, 0.135 * tall];
    pen.limb(board, [x - 0.02, y - 0.19 * tall], [x - 0.01, y - 0.06], [0.11, 0.10], shade(skin, 0.85));
    if long {
        pen.ellipse(board, [x - 0.045 * side, y - 0.05], [w * 1.15, h * 1.45], hair);
    }
    pen.ellipse(board, [x, y], [w, h], skin);
    let cap = [
        [x - w * 1.06, y - h * 0.15],
        [x - w * 1.0, y + h * 0.55],
        [x - w * 0.45, y + h * 1.08],
        [x + w * 0.5, y + h * 1.06],
        [x + w * 1.0, y + h * 0.55],
        [x + w * (0.95 - 0.3 * side), y + h * 0.35],
        [x - w * 0.4, y + h * 0.4],
        [x - w * (1.0 - 0.55 * side), y - h * 0.3],
    ];
    pen.fill(board, &cap, hair);
}
