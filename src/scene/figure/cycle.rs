//! A bicycle with its rider, from the side.

use super::super::cast::Actor;
use super::super::random::Dice;
use super::pen::{Board, Pen, Point, rgb, shade};

const FRAMES: [u32; 7] = [0xB8342B, 0x1F4E8C, 0x20242A, 0x2E8B57, 0xE2C044, 0xD9D9D6, 0xE07A2E];
const JERSEYS: [u32; 7] = [0xF2D13B, 0x3C6FB5, 0xD6483B, 0x2E2F33, 0x56A05B, 0xE8E6E1, 0x9A5BB0];
const WHEEL: f64 = 0.34;

pub(super) fn draw(actor: &Actor, pen: &mut Pen<'_>) {
    let mut dice = Dice::new(&[actor.looks, 2]);
    let (frame, jersey) = (rgb(dice.pick(&FRAMES)), rgb(dice.pick(&JERSEYS)));
    let trousers = rgb(dice.pick(&[0x26282C, 0x3B4A66, 0x55504A]));
    let (skin, helmet) = (rgb(dice.pick(&[0xE6B894, 0xB27B52, 0x6B4630])), rgb(dice.pick(&FRAMES)));
    let board = Board::facing(actor.place);
    let board = board.mirrored(board.sideways(actor.heading) < 0.0);

    let (rear, front): (Point, Point) = ([-0.52, WHEEL], [0.55, WHEEL]);
    let (crank, saddle, bar): (Point, Point, Point) = ([-0.05, 0.30], [-0.24, 0.96], [0.40, 1.02]);
    let (sin, cos) = libm::sincos(actor.travelled / 0.95);
    let pedal = |s: f64, c: f64| [crank[0] + 0.17 * c, crank[1] - 0.17 * s];

    leg(pen, &board, saddle, pedal(-sin, -cos), shade(trousers, 0.7));
    for wheel in [rear, front] {
        pen.ring(&board, wheel, WHEEL, WHEEL - 0.055, rgb(0x18181A));
        let (s, c) = libm::sincos(actor.travelled / WHEEL);
        for (x, y) in [(c, -s), (s, c)] {
            let end = |sign: f64| [wheel[0] + sign * x * 0.29, wheel[1] + sign * y * 0.29];
            pen.limb(&board, end(-1.0), end(1.0), [0.018, 0.018], rgb(0x9A9A9A));
        }
    }
    let head = [0.36, 0.90];
    for (from, to) in [
        (rear, crank),
        (crank, head),
        ([-0.2, 0.82], head),
        (rear, [-0.2, 0.82]),
        (crank, saddle),
        (head, front),
    ] {
        pen.limb(&board, from, to, [0.055, 0.055], frame);
    }
    pen.limb(&board, head, bar, [0.05, 0.05], rgb(0x2A2A2C));
    pen.limb(
        &board,
        [saddle[0] - 0.13, saddle[1]],
        [saddle[0] + 0.12, saddle[1] - 0.01],
        [0.07, 0.04],
        rgb(0x151515),
    );

    leg(pen, &board, saddle, pedal(sin, cos), trousers);
    let shoulder = [0.10, 1.50];
    pen.limb(&board, [saddle[0] + 0.02, saddle[1] - 0.02], shoulder, [0.30, 0.34], jersey);
    let elbow = [0.28, 1.22];
    pen.limb(&board, shoulder, elbow, [0.13, 0.10], shade(jersey, 0.85));
    pen.limb(&board, elbow, bar, [0.09, 0.07], skin);
    pen.limb(&board, shoulder, [0.17, 1.66], [0.11, 0.10], shade(skin, 0.85));
    pen.ellipse(&board, [0.20, 1.72], [0.105, 0.13], skin);
    let cap = [[0.06, 1.74], [0.09, 1.86], [0.20, 1.90], [0.31, 1.85], [0.33, 1.76], [0.20, 1.78]];
    pen.fill(&board, &cap, helmet);
}

/// Hip to knee to pedal, both parts of one length, the knee in front.
fn leg(pen: &mut Pen<'_>, board: &Board, hip: Point, foot: Point, color: crate::draw::Rgb) {
    const PART: f64 = 0.46;
    let (dx, dy) = (foot[0] - hip[0], foot[1] - hip[1]);
    let far = (dx * dx + dy * dy).sqrt().max(1e-9);
    let bend = (PART * PART - far * far / 4.0).max(0.0).sqrt();
    let knee = [(hip[0] + foot[0]) / 2.0 - dy / far * bend, (hip[1] + foot[1]) / 2.0 + dx / far * bend];
    pen.limb(board, hip, knee, [0.19, 0.14], color);
    pen.limb(board, knee, foot, [0.13, 0.09], color);
    pen.limb(board, [foot[0] - 0.08, foot[1]], [foot[0] + 0.14, foot[1] - 0.01], [0.08, 0.06], rgb(0x1A1A1A));
}
