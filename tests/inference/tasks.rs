//! Models that do more than detect.

use super::*;
use gstnvperception::detection::Task;

fn look(model: &str) -> Detections {
    let mut rig = Rig::of(model);
    let frame = rig.frame(COLOR);
    rig.infer(frame)
}

fn near(seen: [f32; 2], expected: (f32, f32)) {
    let [x, y] = [expected.0 / 96.0, expected.1 / 64.0];
    assert!((seen[0] - x).abs() < 1e-3 && (seen[1] - y).abs() < 1e-3, "{seen:?} is not {x}, {y}");
}

#[test]
fn a_pose_model_gives_keypoints_in_units_of_the_frame() {
    let found = look("pose.onnx");
    assert_color(&found, 0.003);
    let details = found.details.view();
    let points = details.keypoints.row(0);
    near([points[0].x, points[0].y], (8.0, 20.0));
    near([points[1].x, points[1].y], (24.0, 44.0));
    assert_eq!((points[0].confidence, points[1].confidence), (0.75, 0.25));
    assert_eq!(details.keypoints.values.len(), 6);
}

#[test]
fn a_model_of_oriented_boxes_gives_corners() {
    let found = look("obb.onnx");
    assert_color(&found, 0.003);
    // 16 wide and 24 high, turned by a quarter.
    let b = found.items[0].bbox;
    near([b.x_min, b.y_min], (4.0, 24.0));
    near([b.x_max, b.y_max], (28.0, 40.0));
    let corners = found.details.quads[0].corners;
    near(corners[0], (4.0, 40.0));
    near(corners[1], (4.0, 24.0));
    near(corners[2], (28.0, 24.0));
}

#[test]
fn a_segmentation_model_gives_masks() {
    let found = look("segment.onnx");
    assert_color(&found, 0.003);
    let (width, height, cells) = found.details.masks.view().get(0).unwrap();
    assert_eq!((width, height), (4, 6));
    let (upper, lower) = cells.split_at(width * height / 2);
    assert!(upper.iter().all(|c| *c > 250) && lower.iter().all(|c| *c < 5), "{cells:?}");
}

#[test]
fn a_model_with_suppression_in_its_graph_is_read_by_names() {
    let found = look("ssd.onnx");
    let seen: Vec<_> = found.items.iter().map(|d| (d.class_id, d.confidence)).collect();
    assert_eq!(seen.len(), 3, "the count leaves the fourth out: {seen:?}");
    assert!((seen[0].1 - 0.8).abs() < 0.003 && seen[0].0 == 0, "{seen:?}");
    near([found.items[0].bbox.x_min, found.items[0].bbox.y_min], (8.0, 20.0));
    assert_eq!(found.labels.get(1), Some("second's"));
}

#[test]
fn a_model_that_asks_for_the_size_is_told_it() {
    let mut rig = Rig::new(element("deployed.onnx"), caps("RGB", (192, 128)));
    let frame = rig.frame(COLOR);
    let found = rig.infer(frame);
    assert_eq!(classes(&found), [0, 0, 1, 2], "it suppresses by itself");
    near([found.items[0].bbox.x_min, found.items[0].bbox.y_max], (8.0, 44.0));
}

#[test]
fn classifiers_of_any_batch_and_type_name_the_picture() {
    for model in ["classifier.onnx", "classifier_batch.onnx", "classifier_i8.onnx"] {
        let mut rig = Rig::of(model);
        rig.element.set_property("top-k", 2u32);
        let frame = rig.frame(COLOR);
        let found = rig.infer(frame);
        assert_eq!((found.task, classes(&found)), (Task::Classify, vec![0]), "{model}");
        // e^8, e^4 and e^2.
        assert!((found.items[0].confidence - 0.9796).abs() < 0.01, "{model}: {:?}", found.items);
        assert_eq!(found.items[0].bbox, gstnvperception::geometry::BBox::new(0.0, 0.0, 1.0, 1.0));
        rig.element.set_property("confidence", 0.0f32);
        let frame = rig.frame(COLOR);
        assert_eq!(classes(&rig.infer(frame)), [0, 1], "{model}");
    }
}

#[test]
fn an_embedding_says_what_the_picture_looks_like() {
    let found = look("embedding.onnx");
    assert_eq!((found.task, found.items.len(), found.items[0].class_id), (Task::Embed, 1, -1));
    let row = found.details.view().embeddings.row(0);
    let norm = (0.8f32 * 0.8 + 0.4 * 0.4 + 0.2 * 0.2).sqrt();
    assert_eq!(row.len(), 64);
    for (seen, expected) in row.iter().zip([0.8 / norm, 0.4 / norm, 0.2 / norm, 0.0]) {
        assert!((seen - expected).abs() < 0.005, "{row:?}");
    }
}

#[test]
fn inputs_without_a_batch_and_with_one_channel_are_pictures() {
    for model in ["classifier_chw.onnx", "classifier_gray.onnx", "classifier_gray_hwc.onnx"] {
        for format in ["RGB", "GRAY8", "I420"] {
            let mut rig = Rig::new(element(model), caps(format, SIZE));
            let frame = rig.frame([128; 3]);
            let found = rig.infer(frame);
            assert_eq!(classes(&found), [0], "{model} {format}");
        }
    }
}

#[test]
fn timestamps_flags_and_other_metas_stay_as_they_were() {
    let mut rig = Rig::of("pose.onnx");
    let mut buffer = rig.frame(COLOR);
    {
        let buffer = buffer.make_mut();
        buffer.set_dts(gst::ClockTime::from_mseconds(3));
        buffer.set_offset(17);
        buffer.set_flags(gst::BufferFlags::MARKER | gst::BufferFlags::DISCONT);
        let reference = gst::Caps::builder("timestamp/x-test").build();
        gst::ReferenceTimestampMeta::add(buffer, &reference, gst::ClockTime::from_seconds(9), None);
    }
    let out = rig.harness.push_and_pull(buffer).unwrap();
    assert_eq!((out.pts(), out.duration()), (Some(gst::ClockTime::ZERO), Some(FRAME)));
    assert_eq!((out.dts(), out.offset()), (Some(gst::ClockTime::from_mseconds(3)), 17));
    assert!(out.flags().contains(gst::BufferFlags::MARKER | gst::BufferFlags::DISCONT));
    assert!(out.meta::<gst::ReferenceTimestampMeta>().is_some());
}

#[test]
fn a_missing_model_is_an_error_and_a_later_one_runs() {
    init();
    let element = gst::ElementFactory::make("nvpinference").build().unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    for _ in 0..2 {
        assert!(element.set_state(gst::State::Ready).is_err());
        assert!(error_on(&bus).contains("property model"));
        element.set_state(gst::State::Null).unwrap();
    }
    element.set_property("model", data("yolov8.onnx").to_str().unwrap());
    element.set_property("confidence", 0.1f32);
    let mut rig = Rig::new(element, caps("RGB", SIZE));
    let frame = rig.frame(COLOR);
    assert_color(&rig.infer(frame), 0.003);
}

#[test]
fn caps_that_are_no_pictures_of_ours_are_not_accepted() {
    let rig = Rig::of("yolov8.onnx");
    let pad = rig.element.static_pad("sink").unwrap();
    assert!(pad.query_accept_caps(&caps("NV12", SIZE)));
    assert!(!pad.query_accept_caps(&caps("P010_10LE", SIZE)));
    assert!(!pad.query_accept_caps(&gst::Caps::builder("audio/x-raw").build()));
}
