use proptest::prelude::*;

use super::random::hash;
use super::*;
use crate::geometry::BBox;
use crate::homography;
use crate::image::{Colorimetry, PixelFormat, PlaneMut};

const SECOND: u64 = 1_000_000_000;

/// Renders into memory: the planes' bytes, one plane after the other.
fn pixels(scene: &mut Scene, format: PixelFormat, width: usize, height: usize) -> Vec<u8> {
    let size = |plane: usize| format.plane_size(plane, width, height);
    let mut planes: Vec<Vec<u8>> = (0..format.planes()).map(|i| vec![0xA5; size(i).0 * size(i).1]).collect();
    let mut borrowed = planes.iter_mut().enumerate();
    let borrowed = std::array::from_fn(|_| {
        borrowed.next().map_or_else(PlaneMut::default, |(i, data)| PlaneMut { data, stride: size(i).0 })
    });
    let mut frame = FrameMut::new(format, width, height, Colorimetry::default(), borrowed).unwrap();
    scene.render(&mut frame);
    planes.concat()
}

fn grey(options: Options, time: u64) -> Vec<u8> {
    let mut scene = Scene::new(options);
    scene.set(time, None, 0, 16.0 / 9.0);
    pixels(&mut scene, PixelFormat::Gray8, 640, 360)
}

/// What these frames look like must not change by accident, nor from machine to machine.
#[test]
fn the_same_pixels_everywhere() {
    let digest = |format, camera, time| {
        let mut scene = Scene::new(Options { seed: 7, camera, ..Options::default() });
        let truth = scene.set(time, None, 0, 4.0 / 3.0);
        let words: Vec<u64> = pixels(&mut scene, format, 161, 121).into_iter().map(u64::from).collect();
        (hash(&words), truth.objects.len())
    };
    let found = [
        digest(PixelFormat::I420, CameraMode::Fixed, 3 * SECOND),
        digest(PixelFormat::Nv12, CameraMode::Ptz, 7 * SECOND),
        digest(PixelFormat::Rgb, CameraMode::Handheld, 5 * SECOND),
        digest(PixelFormat::Bgrx, CameraMode::Cut, 16 * SECOND),
        digest(PixelFormat::Gray8, CameraMode::Fixed, 1_000 * SECOND),
        digest(PixelFormat::Yuy2, CameraMode::Fixed, 3 * SECOND),
    ];
    assert_eq!(found, GOLDEN);
}

const GOLDEN: [(u64, usize); 6] = [
    (693_786_190_444_836_078, 6),
    (17_332_414_038_871_952_235, 2),
    (18_339_198_394_546_048_178, 7),
    (18_275_502_147_640_735, 4),
    (13_970_341_657_530_754_715, 6),
    (2_464_637_208_701_852_398, 6),
];

#[test]
fn a_frame_does_not_depend_on_those_before_it() {
    for camera in [CameraMode::Fixed, CameraMode::Ptz, CameraMode::Handheld, CameraMode::Cut] {
        let options = Options { seed: 3, camera, ..Options::default() };
        let mut played = Scene::new(options);
        for frame in 0..20 {
            played.set(frame * SECOND / 3, None, frame, 16.0 / 9.0);
            pixels(&mut played, PixelFormat::Gray8, 640, 360);
        }
        let mut sought = Scene::new(options);
        let at = |scene: &mut Scene| scene.set(7 * SECOND, Some(6 * SECOND), 20, 16.0 / 9.0);
        assert_eq!(at(&mut played), at(&mut sought));
        let format = PixelFormat::Gray8;
        assert!(pixels(&mut played, format, 640, 360) == pixels(&mut sought, format, 640, 360), "{camera:?}");
    }
}

#[test]
fn each_option_changes_the_picture() {
    let usual = Options::default();
    let picture = |options| grey(options, 2 * SECOND);
    for other in [
        Options { seed: 1, ..usual },
        Options { objects: 40, ..usual },
        Options { camera: CameraMode::Handheld, ..usual },
        Options { noise: 0.0, ..usual },
    ] {
        assert!(picture(other) != picture(usual), "{other:?}");
    }
    assert!(grey(usual, 2 * SECOND) != grey(usual, 2 * SECOND + 1), "noise and light depend on the time");
}

/// Pixels that differ from the empty street fill the boxes, and what lies left of a box is left alone.
#[test]
fn objects_are_where_the_truth_says() {
    let options = Options { seed: 4, noise: 0.0, ..Options::default() };
    let mut checked = 0;
    for second in 0..12 {
        let time = second * 4 * SECOND;
        let (full, empty) = (grey(options, time), grey(Options { objects: 0, ..options }, time));
        let truth = Scene::new(options).set(time, None, 0, 16.0 / 9.0);
        let differ = |x: f32, y: f32| {
            let at = (y * 360.0) as usize * 640 + (x * 640.0) as usize;
            full[at] != empty[at]
        };
        for object in truth.objects.iter().filter(|o| o.visibility == 1.0) {
            let b = &object.bbox;
            let share = |from: f32, to: f32| {
                let all = (0..400).map(|i| (from + (to - from) * (i % 20) as f32 / 20.0, i / 20));
                let all = all.map(|(x, row)| (x, b.y_min + b.height() * (row as f32 + 0.5) / 20.0));
                all.filter(|(x, y)| (0.0..1.0).contains(x) && differ(*x, *y)).count() as f32 / 400.0
            };
            assert!(share(b.x_min, b.x_max) > 0.25, "{second} {object:?}");
            // No other object stands there, nor throws its shadow there.
            let clear = BBox::new(b.x_min - 0.15, 0.0, b.x_min, 1.0);
            if truth.objects.iter().all(|o| o.id == object.id || o.bbox.intersection(&clear) == 0.0) {
                assert!(share(b.x_min - 0.02, b.x_min - 0.004) < 0.02, "{second} {object:?}");
                checked += 1;
            }
        }
    }
    assert!(checked > 10, "{checked}");
}

#[test]
fn what_is_hidden_is_not_visible() {
    let mut seen = [0; 3];
    for frame in 0..600 {
        let truth =
            Scene::new(Options { seed: 2, ..Options::default() }).set(frame * SECOND / 5, None, 0, 1.6);
        for object in truth.objects {
            assert!((0.0..=1.0).contains(&object.visibility) && object.bbox.is_valid());
            let inside = object.bbox.clipped().unwrap().area() / object.bbox.area();
            assert!(object.visibility <= inside + 0.25, "{object:?} {inside}");
            seen[if object.visibility == 0.0 { 0 } else { 1 + usize::from(object.visibility == 1.0) }] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 30), "hidden, partly visible and plain to see: {seen:?}");
}

/// The homography to the previous frame says where each pixel was.
#[test]
fn homographies_hold_for_the_pixels() {
    let options = Options { seed: 6, camera: CameraMode::Ptz, noise: 0.0, objects: 0 };
    let (before, after) = (7 * SECOND, 7 * SECOND + SECOND / 10);
    let (old, new) = (grey(options, before), grey(options, after));
    let view = Scene::new(options).set(after, Some(before), 1, 16.0 / 9.0).view;
    assert_eq!((view.moved, view.cut, view.preset), (1, 0, -1));
    let sample = |picture: &[u8], x: f64, y: f64| {
        let (x, y) = (x * 640.0 - 0.5, y * 360.0 - 0.5);
        let (fx, fy) = (x - x.floor(), y - y.floor());
        let at = |dx: usize, dy: usize| f64::from(picture[(y as usize + dy) * 640 + x as usize + dx]);
        let row = |dy: usize| at(0, dy) * (1.0 - fx) + at(1, dy) * fx;
        row(0) * (1.0 - fy) + row(1) * fy
    };
    let error = |h: &[f64; 9]| {
        let points =
            (0..4000).map(|i| [0.1 + 0.8 * f64::from(i % 80) / 80.0, 0.1 + 0.8 * f64::from(i / 80) / 50.0]);
        let errors = points.map(|[x, y]| {
            let [u, v] = homography::apply(h, [x, y]);
            (sample(&new, x, y) - sample(&old, u, v)).abs()
        });
        errors.sum::<f64>() / 4000.0
    };
    let (with, without) = (error(&view.to_previous), error(&homography::IDENTITY));
    assert!(with < 3.0 && without > 12.0, "{with} {without}");
}

#[test]
fn the_way_to_the_scene_is_the_same_over_the_frame_before() {
    let mut scene = Scene::new(Options { camera: CameraMode::Ptz, ..Options::default() });
    let before = scene.set(7 * SECOND, None, 0, 1.5).view;
    let after = scene.set(7 * SECOND + 1, Some(7 * SECOND), 1, 1.5).view;
    let over = homography::compose(&before.to_scene, &after.to_previous);
    assert!(over.iter().zip(after.to_scene).all(|(a, b)| (a - b).abs() < 1e-9));
    let home = scene.set(0, None, 0, 1.5).view;
    assert!(home.to_scene.iter().zip(homography::IDENTITY).all(|(a, b)| (a - b).abs() < 1e-12));
    assert_eq!((home.preset_name(), home.moved), (Some("street"), 0));
}

#[test]
fn a_cut_is_told() {
    let mut scene = Scene::new(Options { camera: CameraMode::Cut, ..Options::default() });
    let cut = scene.set(5 * SECOND, Some(5 * SECOND - 1), 1, 1.5).view;
    assert_eq!((cut.cut, cut.moved, cut.preset_name()), (1, 1, Some("right")));
    assert_eq!(scene.set(5 * SECOND + 1, Some(5 * SECOND), 2, 1.5).view.cut, 0);
}

#[test]
fn noisy_detections_err_as_they_are_told_to() {
    let mut scene = Scene::new(Options { seed: 11, objects: 30, ..Options::default() });
    let noise = Noise { miss_rate: 0.2, false_positives: 0.5, jitter: 0.05 };
    let (mut plain, mut missed, mut false_alarms, mut edges) = (0, 0, 0, Vec::new());
    for frame in 0..1500 {
        let truth = scene.set(frame * SECOND / 10, None, frame, 16.0 / 9.0);
        let (mut perfect_ones, mut found) = (Vec::new(), Vec::new());
        perfect(&truth, &mut perfect_ones);
        noisy(&truth, &noise, 11, &mut found);
        assert!(found.is_sorted_by(|a, b| a.confidence >= b.confidence));
        let near = |d: &&crate::detection::Detection, o: &TrueObject| {
            d.class_id == o.class_id && d.bbox.iou(&o.bbox) > 0.5
        };
        for object in truth.objects.iter().filter(|o| o.visibility == 1.0) {
            plain += 1;
            match found.iter().find(|d| near(d, object)) {
                Some(d) => edges.push(f64::from((d.bbox.x_min - object.bbox.x_min) / object.bbox.width())),
                None => missed += 1,
            }
        }
        let about_nothing =
            |d: &crate::detection::Detection| truth.objects.iter().all(|o| d.bbox.iou(&o.bbox) < 0.3);
        false_alarms += found.iter().filter(|d| about_nothing(d)).count();
        assert!(
            perfect_ones
                .iter()
                .all(|d| d.confidence == 1.0 && truth.objects.iter().any(|o| o.bbox == d.bbox))
        );
    }
    let miss_rate = f64::from(missed) / f64::from(plain);
    assert!((miss_rate - 0.2).abs() < 0.03, "{miss_rate}");
    let alarms = false_alarms as f64 / 1500.0;
    assert!((alarms - 0.45).abs() < 0.1, "{alarms}");
    let deviation = (edges.iter().map(|e| e * e).sum::<f64>() / edges.len() as f64).sqrt();
    assert!((deviation - 0.05).abs() < 0.01, "{deviation}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_scene_can_be_drawn(
        seed: u64, time: u64, objects in 0..300usize, mode in 0..4usize, noise in -1.0..500.0f64,
        width in 1..70usize, height in 1..70usize, format in 0..PixelFormat::ALL.len(), stretch in 0.1..10.0f64
    ) {
        let camera = [CameraMode::Fixed, CameraMode::Ptz, CameraMode::Handheld, CameraMode::Cut][mode];
        let mut scene = Scene::new(Options { seed, objects, camera, noise });
        let truth = scene.set(time, time.checked_sub(1), 0, width as f64 / height as f64 * stretch);
        prop_assert!(truth.objects.iter().all(|o| o.bbox.is_valid() && o.id > 0 && o.id < 1 << 53));
        prop_assert!(truth.objects.is_sorted_by(|a, b| a.id < b.id));
        prop_assert!(truth.view.to_previous.iter().chain(&truth.view.to_scene).all(|v| v.is_finite()));
        pixels(&mut scene, PixelFormat::ALL[format], width, height);
    }
}
