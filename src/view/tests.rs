//! Pictures whose motion is known, and the decisions that follow.

use super::*;
use crate::geometry::BBox;
use crate::homography::{IDENTITY, apply};
use crate::image::{Colorimetry, Frame, PixelFormat, Plane};

const SIZE: (usize, usize) = (640, 360);

/// Smooth random texture with values about 128.
fn texture(x: f64, y: f64) -> f64 {
    let wave = |fx: f64, fy: f64, p: f64| (x * fx + y * fy + p).sin();
    let fine =
        wave(0.11, 0.07, 0.0) * wave(-0.06, 0.13, 1.0) + wave(0.19, -0.05, 2.0) * wave(0.03, 0.17, 3.0);
    128.0 + 45.0 * fine
}

fn picture(paint: impl Fn(f64, f64) -> f64) -> Vec<u8> {
    let (w, h) = SIZE;
    (0..w * h).map(|i| paint((i % w) as f64, (i / w) as f64).clamp(0.0, 255.0) as u8).collect()
}

fn push(estimator: &mut Estimator, data: &[u8], masks: &[BBox]) -> Estimate {
    let planes = [Plane { data, stride: SIZE.0 }, Plane::default(), Plane::default()];
    let frame = Frame::new(PixelFormat::Gray8, SIZE.0, SIZE.1, Colorimetry::default(), planes).unwrap();
    estimator.push(&frame, masks)
}

/// What is said of the second of two pictures.
fn compare(first: &[u8], second: &[u8]) -> Estimate {
    let mut estimator = Estimator::default();
    assert_eq!(push(&mut estimator, first, &[]).evidence, Evidence::First);
    push(&mut estimator, second, &[])
}

#[test]
fn a_moving_picture_is_followed_to_a_tenth_of_a_pixel() {
    let first = picture(texture);
    let (c, s) = (1.01 * 0.01_f64.cos(), 1.01 * 0.01_f64.sin());
    for h in [
        [1.0, 0.0, 7.3, 0.0, 1.0, -2.6, 0.0, 0.0, 1.0],
        [c, -s, 3.0, s, c, -4.0, 0.0, 0.0, 1.0],
        [1.0, 0.0, 2.0, 0.0, 1.0, 1.0, 3e-5, -2e-5, 1.0],
    ] {
        let second = picture(|x, y| {
            let [x, y] = apply(&h, [x, y]);
            texture(x, y)
        });
        let estimate = compare(&first, &second);
        assert_eq!(estimate.evidence, Evidence::Moves, "{estimate:?}");
        assert!(estimate.confidence > 0.9);
        let way = estimate.to_previous.unwrap();
        for [x, y] in [[0.0, 0.0], [639.0, 0.0], [639.0, 359.0], [0.0, 359.0]] {
            let [u, v] = apply(&way, [(x + 0.5) / 640.0, (y + 0.5) / 360.0]);
            let [a, b] = apply(&h, [x, y]);
            let miss = (u * 640.0 - 0.5 - a).hypot(v * 360.0 - 0.5 - b);
            assert!(miss < 0.1, "{miss} at {x},{y} of {h:?}");
        }
    }
}

/// A car as wide as half of the picture drives past a bare wall.
#[test]
fn a_car_before_a_bare_wall_is_not_the_camera() {
    let scene = |at: f64| {
        picture(move |x, y| {
            let car = x > at && x < at + 330.0 && y > 90.0 && y < 330.0;
            if car { texture(x - at, y) } else { 120.0 + 0.02 * x }
        })
    };
    let mut estimator = Estimator::default();
    let mut state = State::default();
    for frame in 0..40 {
        let estimate = push(&mut estimator, &scene(frame as f64 * 6.0 - 20.0), &[]);
        assert_ne!(estimate.evidence, Evidence::Moves, "frame {frame}: {estimate:?}");
        state = decide(&state, &report(frame, estimate), &Policy::default());
        assert!(frame == 0 || state.view().motion == Motion::Stable, "frame {frame}: {estimate:?}");
    }
}

#[test]
fn a_masked_crowd_is_not_followed() {
    let scene = |at: f64| picture(move |x, y| if y < 300.0 { texture(x - at, y) } else { texture(x, y) });
    let crowd = BBox::new(0.0, 0.0, 1.0, 300.0 / 360.0);
    let mut estimator = Estimator::default();
    push(&mut estimator, &scene(0.0), &[crowd]);
    let estimate = push(&mut estimator, &scene(5.0), &[crowd]);
    assert_eq!(estimate.evidence, Evidence::Still, "{estimate:?}");
    assert_ne!(compare(&scene(0.0), &scene(5.0)).evidence, Evidence::Still, "they would be, unmasked");
}

#[test]
fn what_is_no_motion() {
    let street = picture(texture);
    assert_eq!(compare(&street, &street).evidence, Evidence::Still);
    assert_eq!(compare(&street, &street).to_previous, Some(IDENTITY));
    let other = picture(|x, y| texture(1000.0 - 1.7 * y, 900.0 + 1.3 * x));
    assert_eq!(compare(&street, &other).evidence, Evidence::Cut);
    let black = vec![0; SIZE.0 * SIZE.1];
    assert_eq!(compare(&street, &black).evidence, Evidence::Blind);
    assert_eq!(compare(&black, &black).evidence, Evidence::Blind);
    let brighter = picture(|x, y| texture(x, y) + 40.0);
    assert_eq!(compare(&street, &brighter).evidence, Evidence::Still);
    let mut noise = 1u64;
    let mut snow = || {
        let grain = |_| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 56) as u8
        };
        (0..SIZE.0 * SIZE.1).map(grain).collect::<Vec<u8>>()
    };
    assert_ne!(compare(&snow(), &snow()).evidence, Evidence::Moves);
}

fn report(frame: u64, estimate: Estimate) -> Report {
    Report { time: frame * 40_000_000, estimate: Some(estimate), aspect: 16.0 / 9.0, ..Report::default() }
}

fn moves(h: [f64; 9], confidence: f32) -> Estimate {
    let evidence = if h == IDENTITY { Evidence::Still } else { Evidence::Moves };
    Estimate { evidence, to_previous: Some(h), confidence }
}

fn shift(x: f64) -> Estimate {
    moves([1.0, 0.0, x, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], 1.0)
}

/// The states after each of some estimates.
fn run(estimates: &[Estimate]) -> Vec<State> {
    let mut state = State::default();
    let step = |(frame, estimate): (usize, &Estimate)| {
        state = decide(&state, &report(frame as u64, *estimate), &Policy::default());
        state.clone()
    };
    estimates.iter().enumerate().map(step).collect()
}

fn sequence(parts: &[(usize, Estimate)]) -> Vec<Estimate> {
    let mut estimates = vec![Estimate::default()];
    parts.iter().for_each(|(count, estimate)| estimates.extend(vec![*estimate; *count]));
    estimates
}

#[test]
fn a_short_move_is_compensated_and_its_way_is_known() {
    let states = run(&sequence(&[(5, shift(0.0)), (10, shift(0.01)), (5, shift(0.0))]));
    let phases: Vec<_> = states.iter().map(|state| state.view().phase).collect();
    assert_eq!(phases.iter().filter(|phase| **phase == Phase::MoveStart).count(), 1);
    assert_eq!(phases.iter().filter(|phase| **phase == Phase::MoveEnd).count(), 1);
    let last = states.last().unwrap();
    assert_eq!((last.view().decision, last.view().epoch), (Decision::Compensate, 0));
    assert_eq!((last.view().motion, last.view().validity), (Motion::Stable, Validity::Valid));
    let [_, _, x, ..] = last.view().to_reference.unwrap();
    assert!((x - 0.1).abs() < 1e-6, "{x}");
    assert!(last.view().version > 0);
}

#[test]
fn a_long_move_is_one_epoch_whose_reference_is_where_it_ends() {
    let states = run(&sequence(&[(5, shift(0.0)), (90, shift(0.01)), (5, shift(0.0))]));
    let segments = states.iter().filter(|state| state.view().decision == Decision::Segment).count();
    let last = states.last().unwrap();
    assert_eq!((segments, last.view().epoch, last.view().decision), (1, 1, Decision::Continue));
    assert_eq!(last.view().to_reference, Some(IDENTITY.map(|v| v as f32)));
    let on_the_way = states[60].view();
    assert_eq!((on_the_way.to_reference, on_the_way.validity), (None, Validity::Invalid));
    assert_eq!(on_the_way.reason.as_deref(), Some("moving"));
}

#[test]
fn each_bound_has_its_reason() {
    let zoom = moves([1.02, 0.0, -0.01, 0.0, 1.02, -0.01, 0.0, 0.0, 1.0], 1.0);
    let (c, s) = (0.02_f64.cos(), 0.02_f64.sin());
    let roll = moves([c, -s, 0.5 - 0.5 * c + 0.5 * s, s, c, 0.5 - 0.5 * s - 0.5 * c, 0.0, 0.0, 1.0], 1.0);
    let doubt = Estimate { confidence: 0.5, ..shift(0.01) };
    for (step, count, reason) in [(zoom, 6, "zoom"), (roll, 6, "rotation"), (doubt, 6, "low-confidence")] {
        let states = run(&sequence(&[(count, step)]));
        let last = states.last().unwrap();
        assert_eq!((last.view().decision, last.view().reason.as_deref()), (Decision::Degrade, Some(reason)));
        assert_eq!(last.view().epoch, 0);
    }
    assert_eq!(run(&sequence(&[(16, zoom)])).last().unwrap().view().epoch, 1, "beyond 0.3 of zoom");
}

#[test]
fn shakes_about_one_place_are_rest() {
    let mut estimates = vec![Estimate::default()];
    estimates.extend((0..200).map(|i| shift(0.002 * [1.0, -1.0, -1.0, 1.0][i % 4])));
    let states = run(&estimates);
    assert!(states.iter().skip(1).all(|state| state.view().motion == Motion::Stable));
    assert!(states.iter().all(|state| state.view().decision == Decision::Continue));
    assert_eq!(states[0].view().version + 1, states.last().unwrap().view().version);
}

#[test]
fn what_cannot_be_told() {
    let unclear = Estimate { evidence: Evidence::Unclear, ..Estimate::default() };
    let states = run(&sequence(&[(3, shift(0.0)), (3, unclear)]));
    let last = states.last().unwrap().view();
    assert_eq!((last.motion, last.confidence), (Motion::Stable, 0.0));
    assert_eq!((last.validity, last.reason.as_deref()), (Validity::Degraded, Some("motion-unclear")));
    // Where a move goes on unseen, the way to the reference is lost, and its end opens an epoch.
    let states = run(&sequence(&[(3, shift(0.01)), (2, unclear), (5, shift(0.0))]));
    assert_eq!(states[5].view().to_reference, None);
    assert_eq!(states.last().unwrap().view().epoch, 1);
}

#[test]
fn cuts_in_a_row_are_one_epoch() {
    let cut = Estimate { evidence: Evidence::Cut, ..Estimate::default() };
    for cuts in [1, 4] {
        let states = run(&sequence(&[(3, shift(0.0)), (cuts, cut), (3, shift(0.0))]));
        assert_eq!((states[4].view().decision, states[4].cause()), (Decision::Segment, Some(Cause::Cut)));
        for state in &states[4..4 + cuts] {
            let view = state.view();
            assert_eq!((view.epoch, view.validity, view.to_reference), (1, Validity::Invalid, None));
        }
        let settled = &states[4 + cuts];
        assert!(settled.is_reference());
        assert_eq!((settled.view().motion, settled.view().validity), (Motion::Stable, Validity::Valid));
        assert_eq!(states.last().unwrap().view().epoch, 1);
    }
    // What moves on after a cut is a view all the same.
    let states = run(&sequence(&[(3, shift(0.0)), (1, cut), (9, shift(0.02))]));
    let last = states.last().unwrap().view();
    assert_eq!((last.epoch, last.motion, last.validity), (1, Motion::Moving, Validity::Valid));
}

#[test]
fn a_turn_is_compensated_up_to_five_degrees() {
    let wide = 16.0 / 9.0;
    for (degrees, decision) in [(4.9_f64, Decision::Compensate), (5.1, Decision::Degrade)] {
        let (s, c) = (degrees.to_radians() / 5.0).sin_cos();
        let h = [c, -s / wide, 0.5 - 0.5 * c + 0.5 * s / wide, s * wide, c, 0.5 - 0.5 * s * wide - 0.5 * c];
        let step = moves([h[0], h[1], h[2], h[3], h[4], h[5], 0.0, 0.0, 1.0], 1.0);
        let states = run(&sequence(&[(3, shift(0.0)), (5, step), (4, shift(0.0))]));
        assert_eq!(states.last().unwrap().view().decision, decision, "{degrees}");
    }
}

#[test]
fn a_move_has_one_first_and_one_last_frame() {
    let moves = [false, true, true, true, false, false, true, false, true];
    let phases = moves.iter().scan(Phase::default(), |phase, moves| {
        *phase = phase.next(*moves);
        Some(*phase)
    });
    use Phase::{MoveEnd, MoveStart, Moving, Settled};
    let wanted = [Settled, MoveStart, Moving, Moving, MoveEnd, Settled, MoveStart, MoveEnd, MoveStart];
    assert_eq!(phases.collect::<Vec<_>>(), wanted);
}
