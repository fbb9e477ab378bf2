//! Models that look at objects which others have found.

use super::*;
use gstnvperception::detection::{Detection, Task};
use gstnvperception::geometry::BBox;
use gstnvperception::meta::TrackMeta;
use gstnvperception::track::{Track, TrackState, Tracks};

/// A picture whose left half is red and whose right half is blue.
fn halves(rig: &mut Rig) -> gst::Buffer {
    let mut bytes = Vec::new();
    for _ in 0..64 {
        bytes.extend(std::iter::repeat_n([250u8, 0, 0], 48).flatten());
        bytes.extend(std::iter::repeat_n([0u8, 0, 250], 48).flatten());
    }
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    rig.stamp(&mut buffer);
    buffer
}

const LEFT: BBox = BBox::new(0.1, 0.1, 0.4, 0.9);
const RIGHT: BBox = BBox::new(0.6, 0.1, 0.9, 0.9);

fn rig(model: &str, properties: &[(&str, &str)]) -> Rig {
    let element = element(model);
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    Rig::new(element, caps("RGB", SIZE))
}

fn detect(buffer: &mut gst::Buffer, boxes: &[(BBox, i32, f32)]) {
    let items = boxes.iter().map(|(bbox, class_id, confidence)| Detection {
        bbox: *bbox,
        confidence: *confidence,
        class_id: *class_id,
    });
    let found = Detections {
        model: "first".into(),
        labels: ["person", "car"].into_iter().collect(),
        items: items.collect(),
        ..Detections::default()
    };
    DetectionMeta::add(buffer.get_mut().unwrap(), found);
}

fn track(buffer: &mut gst::Buffer, tracks: &[(u64, BBox, TrackState)]) {
    let track = |(id, bbox, state): &(u64, BBox, TrackState)| Track {
        id: *id,
        bbox: *bbox,
        state: *state,
        confidence: 0.9,
        label: 0,
        ..Track::default()
    };
    let labels = ["person"].into_iter().collect();
    let tracks =
        Tracks { run: "run".into(), labels, items: tracks.iter().map(track).collect(), ..Tracks::default() };
    TrackMeta::set(buffer.get_mut().unwrap(), tracks);
}

/// What the second model said, if it looked.
fn said(rig: &mut Rig, buffer: gst::Buffer) -> Option<Detections> {
    let out = rig.harness.push_and_pull(buffer).unwrap();
    DetectionMeta::all(&out).find(|found| found.model() != "first").map(|found| found.to_owned())
}

#[test]
fn each_detection_is_classified_and_keeps_its_parent() {
    let mut rig = rig("classifier.onnx", &[("region", "detections")]);
    let mut buffer = halves(&mut rig);
    detect(&mut buffer, &[(LEFT, 0, 0.9), (RIGHT, 1, 0.8)]);
    let found = said(&mut rig, buffer).unwrap();
    assert_eq!((found.task, classes(&found)), (Task::Classify, vec![0, 2]));
    assert_eq!(
        found.parents.iter().map(|p| (p.model, p.item, p.track)).collect::<Vec<_>>(),
        [(0, 0, 0), (0, 1, 0)]
    );
    assert_eq!(found.parent_models.get(0), Some("first"));
    assert_eq!(found.items[1].bbox, RIGHT);
    assert_eq!(rig.stat("regions-inferred"), 2);
}

#[test]
fn filters_by_class_size_and_confidence() {
    let properties = [
        ("region", "detections"),
        ("region-classes", "car"),
        ("region-min-size", "10"),
        ("region-min-confidence", "0.5"),
    ];
    let mut rig = rig("embedding.onnx", &properties);
    let tiny = BBox::new(0.5, 0.5, 0.55, 0.9);
    let outside = BBox::new(1.2, 0.1, 1.5, 0.9);
    let empty = BBox::new(0.3, 0.5, 0.3, 0.9);
    let mut buffer = halves(&mut rig);
    detect(
        &mut buffer,
        &[
            (LEFT, 0, 0.9),
            (RIGHT, 1, 0.8),
            (LEFT, 1, 0.4),
            (tiny, 1, 0.9),
            (outside, 1, 0.9),
            (empty, 1, 0.9),
        ],
    );
    let found = said(&mut rig, buffer).unwrap();
    assert_eq!(found.parents.iter().map(|p| p.item).collect::<Vec<_>>(), [1]);
    let row = found.details.view().embeddings.row(0);
    assert!(row[2] > 0.99, "the right half is blue: {row:?}");
    let mut buffer = halves(&mut rig);
    detect(&mut buffer, &[(LEFT, 0, 0.9)]);
    let out = rig.harness.push_and_pull(buffer).unwrap();
    assert_eq!(stage(&out), ("no-region".to_owned(), 1, false));
}

#[test]
fn a_nested_detector_finds_objects_in_units_of_the_frame() {
    let mut rig = rig("yolov8.onnx", &[("region", "detections")]);
    let mut buffer = halves(&mut rig);
    let half = BBox::new(0.0, 0.0, 0.5, 1.0);
    detect(&mut buffer, &[(half, 0, 0.9)]);
    let found = said(&mut rig, buffer).unwrap();
    assert_eq!((found.task, classes(&found)[0]), (Task::Detect, 0));
    // The region is 48x64 in an input of 96x64: its picture begins at x = 24, where the object ends.
    let b = found.items[0].bbox;
    assert!(b.x_max.abs() < 0.01 && b.y_min > 0.3, "{b:?}");
    assert_eq!(found.parents.len(), found.items.len());
}

#[test]
fn a_track_is_looked_at_once_and_remembered() {
    let mut rig = rig("classifier.onnx", &[("region", "tracks"), ("reinfer-interval", "2")]);
    let mut ages = Vec::new();
    for i in 0..4 {
        let mut buffer = halves(&mut rig);
        let moved = BBox::new(LEFT.x_min, LEFT.y_min, LEFT.x_max - 0.01 * i as f32, LEFT.y_max);
        let hidden = (9, RIGHT, TrackState::Coasted);
        track(&mut buffer, &[(7, moved, TrackState::Confirmed), (8, RIGHT, TrackState::Tentative), hidden]);
        let found = said(&mut rig, buffer).unwrap();
        assert_eq!(classes(&found), [0], "the tentative and the coasted track have not been looked at");
        assert_eq!(found.parents[0].track, 7);
        assert!(found.items[0].bbox.iou(&moved) > 0.999, "it moves with the track");
        ages.push(found.parents[0].age / 1_000_000);
    }
    assert_eq!(ages, [0, 40, 80, 0]);
    assert_eq!((rig.stat("regions-inferred"), rig.stat("regions-cached")), (2, 2));
}

#[test]
fn more_objects_than_the_limit_take_turns() {
    let mut rig = rig("embedding.onnx", &[("region", "tracks"), ("region-limit", "2"), ("workers", "1")]);
    let boxes: Vec<_> = (0..5)
        .map(|i| (i + 1, BBox::new(0.18 * i as f32, 0.1, 0.18 * i as f32 + 0.15, 0.9), TrackState::Confirmed))
        .collect();
    let mut known = Vec::new();
    for _ in 0..3 {
        let mut buffer = halves(&mut rig);
        track(&mut buffer, &boxes);
        known.push(said(&mut rig, buffer).unwrap().items.len());
    }
    assert_eq!(known, [2, 4, 5]);
    assert_eq!(rig.stat("regions-waiting"), 9);
}

#[test]
fn ten_thousand_detections_are_bounded_by_the_limit() {
    let mut rig = rig("classifier.onnx", &[("region", "detections")]);
    let mut buffer = halves(&mut rig);
    detect(&mut buffer, &vec![(LEFT, 0, 0.9); 10_000]);
    assert_eq!(said(&mut rig, buffer).unwrap().items.len(), 16);
}

#[test]
fn two_elements_with_one_model_do_not_mix() {
    init();
    let model = data("yolov8.onnx");
    let description = format!(
        "nvpinference name=one confidence=0.1 model=\"{0}\" ! nvpinference name=two confidence=0.1 model=\"{0}\"",
        model.display()
    );
    let mut harness = Harness::new_parse(&description);
    let caps = caps("RGB", SIZE);
    harness.set_src_caps(caps.clone());
    let mut buffer = picture(&caps, COLOR);
    buffer.make_mut().set_pts(gst::ClockTime::ZERO);
    let out = harness.push_and_pull(buffer).unwrap();
    let models: Vec<_> = DetectionMeta::all(&out).map(|found| found.model().to_owned()).collect();
    assert_eq!(models, ["yolov8", "yolov8@two"]);
}

#[test]
fn padding_shows_what_is_around_an_object() {
    let blue = |padding: &str, batch: &str| {
        let properties = [("region", "detections"), ("region-padding", padding), ("batch-size", batch)];
        let mut rig = rig("embedding.onnx", &properties);
        let mut buffer = halves(&mut rig);
        detect(&mut buffer, &[(LEFT, 0, 0.9), (LEFT, 0, 0.8), (RIGHT, 0, 0.7)]);
        let found = said(&mut rig, buffer).unwrap();
        let row = |i| found.details.view().embeddings.row(i).to_vec();
        assert_eq!(row(0), row(1), "whatever the batch");
        (row(0)[2], row(2)[2])
    };
    assert_eq!(blue("0", "1"), blue("0", "2"));
    assert!(
        blue("0", "8").0 < 0.01 && blue("1.5", "8").0 > 0.3,
        "{:?} {:?}",
        blue("0", "8"),
        blue("1.5", "8")
    );
}

#[test]
fn the_best_look_at_a_track_serves_when_asked() {
    for (cache, class) in [("best", 0), ("recent", 2)] {
        let mut rig =
            rig("classifier.onnx", &[("region", "tracks"), ("reinfer-cache", cache), ("workers", "1")]);
        let mut last = Vec::new();
        // Large and red, then small and blue.
        for bbox in [LEFT, BBox::new(0.6, 0.4, 0.75, 0.6)] {
            let mut buffer = halves(&mut rig);
            track(&mut buffer, &[(7, bbox, TrackState::Confirmed)]);
            last = classes(&said(&mut rig, buffer).unwrap());
        }
        assert_eq!(last, [class], "{cache}");
    }
}
