//! Motion on made-up pictures of 320 by 180 pixels.

use proptest::prelude::*;

use super::*;
use crate::image::{Colorimetry, PixelFormat, Plane};

const SIZE: (usize, usize) = (320, 180);
const FRAME: u64 = 40_000_000;

/// A textured wall; smooth enough to be seen between its pixels.
fn wall(x: f64, y: f64) -> f64 {
    120.0 + 30.0 * (x * 0.31).sin() * (y * 0.23).cos() + 20.0 * (x * 0.07 + y * 0.11).sin()
}

/// Noise that is the same on every run, with a standard deviation of 1.
fn noise(frame: u64, x: usize, y: usize) -> f64 {
    let mut v = frame.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (y * SIZE.0 + x) as u64;
    let mut sum = 0.0;
    for _ in 0..4 {
        v = (v ^ (v >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        sum += (v >> 40) as f64 / (1u64 << 24) as f64 - 0.5;
    }
    sum * 3f64.sqrt()
}

fn inside([x0, y0, x1, y1]: [f64; 4], x: f64, y: f64) -> bool {
    (x0..x1).contains(&x) && (y0..y1).contains(&y)
}

struct Watcher {
    detector: Detector,
    parameters: Parameters,
    camera: Camera,
    frame: u64,
}

impl Watcher {
    fn new() -> Self {
        let (detector, parameters) = Default::default();
        Self { detector, parameters, camera: Camera::Fixed, frame: 0 }
    }

    /// Looks at a picture with noise of this standard deviation.
    fn see_noisy(&mut self, level: f64, pixel: impl Fn(f64, f64) -> f64) -> Motion {
        let value = |i: usize| {
            let (x, y) = (i % SIZE.0, i / SIZE.0);
            (pixel(x as f64, y as f64) + level * noise(self.frame, x, y)).round().clamp(0.0, 255.0) as u8
        };
        let data: Vec<u8> = (0..SIZE.0 * SIZE.1).map(value).collect();
        let planes = [Plane { data: &data, stride: SIZE.0 }, Plane::default(), Plane::default()];
        let frame = Frame::new(PixelFormat::Gray8, SIZE.0, SIZE.1, Colorimetry::default(), planes).unwrap();
        self.frame += 1;
        self.detector.look(&frame, self.frame * FRAME, &self.camera, &self.parameters).clone()
    }

    fn see(&mut self, pixel: impl Fn(f64, f64) -> f64) -> Motion {
        self.see_noisy(2.0, pixel)
    }

    /// Gets to know the wall.
    fn settled() -> Self {
        let mut watcher = Self::new();
        (0..25).for_each(|_| drop(watcher.see(wall)));
        watcher
    }
}

fn with(patch: [f64; 4], value: f64) -> impl Fn(f64, f64) -> f64 {
    move |x, y| if inside(patch, x, y) { value } else { wall(x, y) }
}

fn no_motion() -> Motion {
    Motion { level: Some(0.0), regions: Vec::new() }
}

#[test]
fn a_still_picture_is_still_whatever_its_noise() {
    for level in [0.0, 2.0, 8.0, 20.0] {
        let mut watcher = Watcher::new();
        assert_eq!(watcher.see_noisy(level, wall).level, None);
        for _ in 0..40 {
            assert_eq!(watcher.see_noisy(level, wall), no_motion(), "noise of {level}");
        }
    }
}

#[test]
fn what_moves_is_where_it_is() {
    let mut watcher = Watcher::settled();
    for step in 0..50 {
        let x = 40.0 + 3.0 * f64::from(step);
        let motion = watcher.see(with([x, 60.0, x + 20.0, 110.0], 230.0));
        if step == 0 {
            assert_eq!(motion.regions, [], "it could be a flash");
            continue;
        }
        let [region] = motion.regions[..] else { panic!("{motion:?}") };
        let b = region.bbox;
        let near =
            |value: f32, wanted: f64, side: usize| (f64::from(value) * side as f64 - wanted).abs() <= 2.0;
        assert!(near(b.x_min, x, 320) && near(b.x_max, x + 20.0, 320), "{b:?} at {x}");
        assert!(near(b.y_min, 60.0, 180) && near(b.y_max, 110.0, 180), "{b:?}");
        let area = 20.0 * 50.0 / (320.0 * 180.0);
        assert!((motion.level.unwrap() - area).abs() < 0.1 * area);
        assert_eq!(motion.level, Some(region.size));
        assert!(region.confidence > 0.8 && region.confidence < 1.0);
    }
}

#[test]
fn what_stops_is_no_motion_and_what_it_leaves_is_none() {
    let mut watcher = Watcher::settled();
    let coming = |x: f64| with([x, 60.0, x + 20.0, 110.0], 230.0);
    for step in 0..20 {
        watcher.see(coming(40.0 + 3.0 * f64::from(step)));
    }
    let moved = |watcher: &mut Watcher| !watcher.see(coming(100.0)).regions.is_empty();
    let stopped: Vec<i32> = (0..100).filter(|_| moved(&mut watcher)).collect();
    assert_eq!(stopped, (0..stopped.len() as i32).collect::<Vec<_>>(), "it rests and goes on resting");
    assert!((1..=16).contains(&stopped.len()), "{stopped:?}");
    for step in 0..20 {
        let motion = watcher.see(coming(100.0 + 6.0 * f64::from(step)));
        assert!(step < 2 || !motion.regions.is_empty(), "step {step}");
    }
    let left: Vec<i32> = (0..100).filter(|_| !watcher.see(wall).regions.is_empty()).collect();
    assert!(left.iter().all(|frame| *frame < 16), "the place that it has left: {left:?}");
}

#[test]
fn a_flash_is_no_motion() {
    let mut watcher = Watcher::settled();
    assert_eq!(watcher.see(with([100.0, 60.0, 160.0, 100.0], 240.0)), no_motion());
    assert_eq!(watcher.see(wall), no_motion());
}

#[test]
fn light_is_no_motion() {
    let mut watcher = Watcher::settled();
    for step in 0..50 {
        let gain = 1.0 + 0.3 * (f64::from(step) * 0.3).sin();
        assert_eq!(watcher.see(|x, y| gain * wall(x, y) - 10.0), no_motion(), "step {step}");
    }
    let mut watcher = Watcher::settled();
    for step in 0..20 {
        let spot = [60.0 + f64::from(step), 40.0, 130.0 + f64::from(step), 120.0];
        let lit = |x, y| if inside(spot, x, y) { 1.5 * wall(x, y) } else { wall(x, y) };
        assert_eq!(watcher.see(lit), no_motion(), "a spot of light that wanders");
    }
}

#[test]
fn somebody_is_seen_while_the_light_changes() {
    let mut watcher = Watcher::settled();
    for step in 0..30 {
        let (gain, x) = (1.0 + 0.01 * f64::from(step), 60.0 + 3.0 * f64::from(step));
        let motion = watcher.see(|x_, y| gain * with([x, 60.0, x + 16.0, 100.0], 30.0)(x_, y));
        assert!(step == 0 || motion.regions.len() == 1, "step {step}: {motion:?}");
    }
}

#[test]
fn another_picture_begins_anew() {
    let mut watcher = Watcher::settled();
    let other = |x: f64, y: f64| if ((x / 20.0 + y / 15.0) as u32).is_multiple_of(2) { 15.0 } else { 240.0 };
    assert_eq!(watcher.see(other).level, None);
    assert_eq!(watcher.see(other), no_motion());
}

/// What a camera sees that has turned by so many pixels.
fn turned(dx: f64) -> (impl Fn(f64, f64) -> f64, [f64; 9]) {
    let to_reference = [1.0, 0.0, dx / 320.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    (move |x: f64, y: f64| wall(x + dx, y), to_reference)
}

#[test]
fn a_camera_that_moves_moves_nothing() {
    let mut watcher = Watcher::new();
    let mut blind = Watcher::settled();
    let mut seen = 0;
    for step in 0..120 {
        // Beyond a third of the picture the background is led along; at the end the camera rests.
        let (pixel, to_reference) = turned((1.3 * f64::from(step)).min(130.0));
        watcher.camera = Camera::At { epoch: 3, to_reference };
        let motion = watcher.see(&pixel);
        assert!(step == 0 || motion == no_motion(), "step {step}: {motion:?}");
        seen += u32::from(blind.see(&pixel) != no_motion());
    }
    assert!(seen > 20, "without a view it is the wall that moves");
}

#[test]
fn somebody_is_seen_while_the_camera_moves() {
    let mut watcher = Watcher::new();
    for step in 0..60 {
        let dx = 1.3 * f64::from(step);
        let (pixel, to_reference) = turned(dx);
        watcher.camera = Camera::At { epoch: 3, to_reference };
        // He walks the other way, in the frame's own pixels.
        let x = 200.0 - 3.0 * f64::from(step);
        let man = [x, 60.0, x + 16.0, 110.0];
        let motion = watcher.see(|x, y| if step > 15 && inside(man, x, y) { 20.0 } else { pixel(x, y) });
        if step > 20 {
            let found =
                motion.regions.iter().any(|r| (r.bbox.center().0 * 320.0 - x as f32 - 8.0).abs() < 4.0);
            assert!(found, "step {step}: {motion:?}");
        }
    }
}

#[test]
fn a_view_that_nobody_follows_tells_nothing() {
    let mut watcher = Watcher::new();
    let at = |epoch| Camera::At { epoch, to_reference: IDENTITY };
    watcher.camera = at(1);
    assert_eq!(watcher.see(wall).level, None);
    assert_eq!(watcher.see(wall), no_motion());
    watcher.camera = Camera::Lost;
    assert_eq!(watcher.see(|x, y| wall(y, x)).level, None);
    watcher.camera = at(1);
    assert_eq!(watcher.see(wall), no_motion(), "back where it was");
    watcher.camera = at(2);
    assert_eq!(watcher.see(wall).level, None, "another stretch");
}

#[test]
fn what_is_ignored_is_not_seen() {
    let mut watcher = Watcher::settled();
    watcher.parameters.ignore = polygons("0.2,0.2 0.8,0.2 0.8,0.8 0.2,0.8").unwrap();
    for step in 0..20 {
        let x = 100.0 + 3.0 * f64::from(step);
        assert_eq!(watcher.see(with([x, 60.0, x + 20.0, 110.0], 230.0)), no_motion());
    }
    watcher.parameters.ignore = Arc::default();
    let motion = watcher.see(with([160.0, 60.0, 180.0, 110.0], 230.0));
    assert!(motion.level.is_some());
}

#[test]
fn each_parameter_counts() {
    let regions = |change: &dyn Fn(&mut Parameters), contrast: f64| {
        let mut watcher = Watcher::settled();
        change(&mut watcher.parameters);
        let patch = |x0: f64, x: f64, y: f64| inside([x0, 60.0, x0 + 16.0, 90.0], x, y);
        let look = |step: i32| {
            let (a, b) = (40.0 + 3.0 * f64::from(step), 260.0 - 3.0 * f64::from(step));
            let both = |x, y| wall(x, y) + if patch(a, x, y) || patch(b, x, y) { contrast } else { 0.0 };
            watcher.see(both).regions.len()
        };
        (0..10).map(look).last().unwrap()
    };
    // A patch of one offset would be a change of light: so it is tried where it cannot be, with two signs.
    assert_eq!(regions(&|_| (), 0.0), 0);
    let plain = |change: &dyn Fn(&mut Parameters)| {
        let mut watcher = Watcher::new();
        change(&mut watcher.parameters);
        (0..20).for_each(|_| drop(watcher.see(|_, _| 100.0)));
        let look = |step: i32| {
            let (a, b) = (40.0 + 3.0 * f64::from(step), 260.0 - 3.0 * f64::from(step));
            let patch = |x0: f64, x, y| inside([x0, 60.0, x0 + 16.0, 90.0], x, y);
            watcher.see(|x, y| if patch(a, x, y) || patch(b, x, y) { 120.0 } else { 100.0 }).regions.len()
        };
        (0..10).map(look).last().unwrap()
    };
    assert_eq!(plain(&|_| ()), 2);
    assert_eq!(plain(&|p| p.threshold = 30.0), 0);
    assert_eq!(plain(&|p| p.min_size = 0.05), 0);
    assert_eq!(plain(&|p| p.max_regions = 1), 1);
}

#[test]
fn how_soon_it_settles_and_adapts() {
    let patch = with([100.0, 60.0, 140.0, 110.0], 230.0);
    // What has settled is background, so that the wall behind it stands out when it goes.
    let stands_out = |settle: f64| {
        let mut watcher = Watcher::settled();
        watcher.parameters.settle = settle;
        (0..60).for_each(|_| drop(watcher.see(&patch)));
        (0..3).any(|_| !watcher.see(wall).regions.is_empty())
    };
    assert!(stands_out(1.0));
    assert!(!stands_out(10.0));
    // A lamp goes on so slowly that it is background by the time that it goes out.
    let stands_out = |adapt: f64| {
        let mut watcher = Watcher::new();
        (watcher.parameters.adapt, watcher.parameters.settle) = (adapt, 100.0);
        (0..50).for_each(|_| drop(watcher.see(|_, _| 100.0)));
        let lamp = |value: f64| {
            move |x: f64, y: f64| if inside([100.0, 60.0, 140.0, 110.0], x, y) { value } else { 100.0 }
        };
        (0..200).for_each(|step| drop(watcher.see(lamp(100.0 + 0.2 * f64::from(step)))));
        (0..3).any(|_| !watcher.see(lamp(100.0)).regions.is_empty())
    };
    assert!(stands_out(0.5));
    assert!(!stands_out(100.0));
}

#[test]
fn time_that_runs_backwards_begins_anew() {
    let mut watcher = Watcher::settled();
    watcher.frame = 3;
    assert_eq!(watcher.see(wall).level, None);
    assert_eq!(watcher.see(wall), no_motion());
}

proptest! {
    #[test]
    fn nothing_breaks_on_any_picture(
        sizes in prop::collection::vec((1usize..400, 1usize..400), 1..4),
        values in prop::collection::vec(any::<u8>(), 1..50),
        homography in prop::array::uniform9(-2.0f64..2.0),
        seen in prop::collection::vec((0u64..3, any::<bool>()), 4..12),
        min_size in 0.0f32..1.0,
    ) {
        let (mut detector, ignore) = (Detector::default(), polygons("0,0 0.5,0 0.2,0.9").unwrap());
        let parameters = Parameters { min_size, ignore, settle: 0.05, ..Parameters::default() };
        for (i, (epoch, lost)) in seen.into_iter().enumerate() {
            let (width, height) = sizes[i / 2 % sizes.len()];
            let data: Vec<u8> = (0..width * height).map(|at| values[(at / 7 + i) % values.len()]).collect();
            let planes = [Plane { data: &data, stride: width }, Plane::default(), Plane::default()];
            let frame = Frame::new(PixelFormat::Gray8, width, height, Colorimetry::default(), planes).unwrap();
            let to_reference = if i % 2 == 0 { homography } else { IDENTITY };
            let camera = if lost { Camera::Lost } else { Camera::At { epoch: epoch / 2, to_reference } };
            let motion = detector.look(&frame, i as u64 * FRAME, &camera, &parameters);
            prop_assert!(motion.level.is_none_or(|level| (0.0..=1.0).contains(&level)));
            for region in &motion.regions {
                prop_assert!(region.bbox.is_valid() && (0.5..1.0).contains(&region.confidence));
                prop_assert!((0.0..=1.0).contains(&region.size));
            }
        }
    }
}
