//! Views whose place in each other is known.

use super::Estimator;
use super::keyframe::Keyframe;
use super::register::{Registrar, Registration, register};
use crate::geometry::BBox;
use crate::homography::{IDENTITY, apply, compose, inverse, normalised};
use crate::image::{Colorimetry, Frame, PixelFormat, Plane};

/// Random blocks of four sizes, smoothed at their edges; `world` chooses which.
pub(super) fn scene(world: u64, x: f64, y: f64) -> f64 {
    let layer = |side: f64, strength: f64| {
        let (u, v) = (x / side + 1000.0, y / side + 1000.0);
        let cell = |i: f64, j: f64| {
            let mixed = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
                ^ (j as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F)
                ^ (world + side as u64).wrapping_mul(0x1656_67B1_9E37_79F9);
            let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (mixed >> 56) as f64 / 255.0 - 0.5
        };
        let step = |v: f64| (((v - v.floor()) - 0.5) * side / 3.0).clamp(-0.5, 0.5) + 0.5;
        let (i, j, s, t) = ((u - 0.5).floor(), (v - 0.5).floor(), step(u - 0.5), step(v - 0.5));
        let top = cell(i, j) * (1.0 - s) + cell(i + 1.0, j) * s;
        let bottom = cell(i, j + 1.0) * (1.0 - s) + cell(i + 1.0, j + 1.0) * s;
        strength * (top * (1.0 - t) + bottom * t)
    };
    128.0 + layer(97.0, 90.0) + layer(41.0, 70.0) + layer(17.0, 60.0) + layer(9.0, 40.0)
}

pub(super) fn keyframe(width: usize, height: usize, paint: impl Fn(f64, f64) -> f64) -> Keyframe {
    let value = |i: usize| paint((i % width) as f64, (i / width) as f64).clamp(0.0, 255.0) as u8;
    let data: Vec<u8> = (0..width * height).map(value).collect();
    let planes = [Plane { data: &data, stride: width }, Plane::default(), Plane::default()];
    let frame = Frame::new(PixelFormat::Gray8, width, height, Colorimetry::default(), planes).unwrap();
    Keyframe::new(&frame, &[])
}

/// A view of the scene through a homography of its pixels at 320x180.
pub(super) fn view(world: u64, h: &[f64; 9]) -> Keyframe {
    keyframe(320, 180, |x, y| {
        let [x, y] = apply(h, [x, y]);
        scene(world, x, y)
    })
}

pub(super) fn similar(zoom: f64, turn: f64, x: f64, y: f64) -> [f64; 9] {
    let (s, c) = turn.sin_cos();
    let about = [1.0, 0.0, -160.0, 0.0, 1.0, -90.0, 0.0, 0.0, 1.0];
    compose(&[zoom * c, -zoom * s, 160.0 + x, zoom * s, zoom * c, 90.0 + y, 0.0, 0.0, 1.0], &about)
}

/// The largest miss at a corner, in pixels of 320.
fn miss(found: &Registration, h: &[f64; 9]) -> f64 {
    // Points at pixels' centres lie half a pixel into the frame.
    let half = [1.0, 0.0, 0.5, 0.0, 1.0, 0.5, 0.0, 0.0, 1.0];
    let wanted = normalised(&compose(&half, &compose(h, &inverse(&half).unwrap())), 320.0, 180.0);
    let corner = |at: [f64; 2]| {
        let (a, b) = (apply(&found.to_reference, at), apply(&wanted, at));
        (320.0 * (a[0] - b[0])).hypot(180.0 * (a[1] - b[1]))
    };
    [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]].map(corner).into_iter().fold(0.0, f64::max)
}

#[test]
fn a_view_is_found_near_a_guess_and_from_anywhere() {
    let reference = view(1, &IDENTITY);
    for (h, near, within) in [
        (IDENTITY, true, 0.05),
        (similar(1.0, 0.0, 7.4, -4.3), true, 0.1),
        (similar(1.02, 0.03, -3.0, 2.0), true, 0.15),
        (similar(1.0, 0.0, 110.0, -30.0), false, 0.5),
        (similar(1.4, 0.5, 20.0, 10.0), false, 0.5),
        (similar(0.6, -0.2, 20.0, 10.0), false, 0.5),
        (similar(2.0, 3.0, 0.0, 0.0), false, 1.0),
        (
            compose(&similar(1.0, 0.0, 30.0, 0.0), &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 2e-4, -1e-4, 1.0]),
            false,
            0.5,
        ),
    ] {
        let current = view(1, &h);
        let found = register(&reference, &current, None).unwrap_or_else(|| panic!("{h:?}"));
        assert!(miss(&found, &h) < within, "{} for {h:?}: {found:?}", miss(&found, &h));
        if near {
            let found = Registrar::default().near(&reference, &current, &IDENTITY).unwrap();
            assert!(miss(&found, &h) < within && found.confidence > 0.9, "{found:?}");
        }
    }
}

#[test]
fn neither_light_nor_what_stands_before_it_hides_a_view() {
    let reference = view(1, &IDENTITY);
    let h = similar(1.01, 0.01, 3.0, -2.0);
    for (gain, offset, covered) in [(0.6, 10.0, 0.0), (1.5, -60.0, 0.0), (1.0, 0.0, 0.33), (0.7, 40.0, 0.33)]
    {
        let current = keyframe(320, 180, |x, y| {
            let [u, v] = apply(&h, [x, y]);
            if x < covered * 320.0 { scene(7, x, y) } else { gain * scene(1, u, v) + offset }
        });
        for found in [register(&reference, &current, Some(&IDENTITY)), register(&reference, &current, None)] {
            let found = found.unwrap_or_else(|| panic!("{gain} {offset} {covered}"));
            assert!(miss(&found, &h) < 0.5, "{} {gain} {offset} {covered}", miss(&found, &h));
        }
    }
}

#[test]
fn other_views_are_refused() {
    let reference = view(1, &IDENTITY);
    let mirrored = keyframe(320, 180, |x, y| scene(1, 319.0 - x, y));
    let caption = |x: f64, y: f64| (y < 24.0 && x < 200.0) || (y > 160.0 && x > 160.0);
    let captioned =
        |world| keyframe(320, 180, move |x, y| scene(if caption(x, y) { 9 } else { world }, x, y));
    let blank = keyframe(320, 180, |_, _| 90.0);
    let stripes = keyframe(320, 180, |x, _| if (x as usize / 8).is_multiple_of(2) { 40.0 } else { 200.0 });
    let tiny = keyframe(3, 2, |x, _| 80.0 * x);
    for (name, a, b) in [
        ("another scene", &reference, &view(2, &IDENTITY)),
        ("mirrored", &reference, &mirrored),
        ("beside it", &reference, &view(1, &similar(1.0, 0.0, 300.0, 0.0))),
        ("the same caption", &captioned(1), &captioned(2)),
        ("blank", &reference, &blank),
        ("both blank", &blank, &blank),
        ("stripes", &stripes, &stripes),
        ("tiny", &tiny, &tiny),
        ("tiny", &reference, &tiny),
        ("empty", &Keyframe::default(), &reference),
    ] {
        for guess in [None, Some(&IDENTITY)] {
            assert_eq!(register(a, b, guess), None, "{name}");
            assert_eq!(register(b, a, guess), None, "{name}");
        }
    }
    for guess in [[f64::NAN; 9], [0.0; 9], [1e300; 9]] {
        assert_eq!(Registrar::default().near(&reference, &reference, &guess), None);
    }
}

#[test]
fn a_picture_of_another_size_shows_the_same_view() {
    let reference = keyframe(1000, 562, |x, y| scene(1, x * 0.32, y * 0.32));
    let found = register(&reference, &view(1, &IDENTITY), None).unwrap();
    assert!(miss(&found, &IDENTITY) < 1.0, "{}", miss(&found, &IDENTITY));
}

#[test]
fn an_estimator_hands_out_what_it_saw_last() {
    let mut estimator = Estimator::default();
    let mut push = |paint: &dyn Fn(f64, f64) -> f64, masks: &[BBox]| {
        let value = |i: usize| paint((i % 320) as f64, (i / 320) as f64).clamp(0.0, 255.0) as u8;
        let data: Vec<u8> = (0..320 * 180).map(value).collect();
        let planes = [Plane { data: &data, stride: 320 }, Plane::default(), Plane::default()];
        let frame = Frame::new(PixelFormat::Gray8, 320, 180, Colorimetry::default(), planes).unwrap();
        estimator.push(&frame, masks);
        let mut keyframe = Keyframe::default();
        estimator.fill_keyframe(&mut keyframe).then(|| {
            keyframe.describe();
            keyframe
        })
    };
    assert!(push(&|_, _| 0.0, &[]).is_none());
    let seen = push(&|x, y| scene(1, x, y), &[]).unwrap();
    assert_eq!(register(&view(1, &IDENTITY), &seen, None).unwrap().to_reference, IDENTITY);
    assert!(push(&|_, _| 0.0, &[]).is_none());
    let upper = push(&|x, y| scene(1, x, y), &[BBox::new(0.0, 0.5, 1.0, 1.0)]).unwrap();
    assert!(!upper.features.is_empty() && upper.features.iter().all(|feature| feature.at[1] < 90.0));
    let mut plain = Keyframe::default();
    assert!(!Estimator::default().fill_keyframe(&mut plain));
}
