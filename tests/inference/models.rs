//! Good models find what they are shown; bad ones end in one message that says why.

use super::*;

#[test]
fn every_family_and_element_type_finds_the_three_objects() {
    for model in
        ["yolov5", "yolov8", "yolov8_rows", "yolov8_dynamic", "yolov8_f16", "yolov8_nhwc", "yolov8_u8"]
    {
        let mut rig = Rig::of(&format!("{model}.onnx"));
        let frame = rig.frame(COLOR);
        let found = rig.infer(frame);
        assert_color(&found, 0.003);
        assert_eq!(&*found.model, model);
        let names: Vec<_> = found.labels.iter().collect();
        assert_eq!(names, ["first", "second's", "third"], "{model}");
        let [x0, y0, x1, y1] = [8.0 / 96.0, 20.0 / 64.0, 24.0 / 96.0, 44.0 / 64.0];
        let b = found.items[0].bbox;
        for (seen, expected) in [(b.x_min, x0), (b.y_min, y0), (b.x_max, x1), (b.y_max, y1)] {
            assert!((seen - expected).abs() < 1e-3, "{model}: {b:?}");
        }
    }
}

#[test]
fn an_end_to_end_model_keeps_its_own_duplicates() {
    let mut rig = Rig::of("end_to_end.onnx");
    let frame = rig.frame(COLOR);
    assert_eq!(classes(&rig.infer(frame)), [0, 0, 1, 2]);
}

#[test]
fn yolox_models_read_blue_first() {
    for model in ["yolox.onnx", "yolox_decoded.onnx"] {
        let mut rig = Rig::of(model);
        let frame = rig.frame([51, 102, 204]);
        assert_color(&rig.infer(frame), 0.003);
    }
}

#[test]
fn a_loaded_model_is_announced_once_with_what_was_assumed() {
    let rig = Rig::of("yolov8_coco.onnx");
    let loaded = rig.message("nvp-model-loaded").unwrap();
    assert_eq!(loaded.get::<&str>("family").unwrap(), "yolov8");
    assert_eq!((loaded.get::<u32>("width").unwrap(), loaded.get::<u32>("height").unwrap()), SIZE);
    assert_eq!(loaded.get::<u32>("classes").unwrap(), 80);
    assert_eq!(loaded.get::<&str>("sha256").unwrap().len(), 64);
    assert!(loaded.get::<u64>("dry-run").unwrap() > 0);
    let assumptions = loaded.get::<gst::List>("assumptions").unwrap();
    assert!(assumptions.iter().any(|a| a.get::<&str>().unwrap().contains("COCO")), "{assumptions:?}");
    assert!(rig.message("nvp-model-loaded").is_none());
}

/// Goes to READY, which must fail, and gives the error's text.
fn refused(element: &gst::Element) -> String {
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert!(element.set_state(gst::State::Ready).is_err());
    element.set_state(gst::State::Null).unwrap();
    error_on(&bus)
}

#[test]
fn bad_models_are_refused_with_their_name_and_the_reason() {
    for (model, reason) in [
        ("bad_ambiguous.onnx", "yolox"),
        ("bad_heads.onnx", "output"),
        ("bad_integers.onnx", "output"),
        ("bad_labels.onnx", "2"),
        ("bad_rank.onnx", "input"),
        ("bad_two_inputs.onnx", "input"),
        ("bad_rank_1.onnx", "images f32[768] is no picture"),
        ("bad_rank_5.onnx", "images f32[1, 1, 3, 16, 16] is no picture"),
        ("bad_channels.onnx", "it has not 1 or 3 channels"),
        ("bad_task.onnx", "task is \"segment\""),
        ("bad_operator.onnx", "ONNX Runtime"),
        ("bad_opset.onnx", "opset"),
        ("bad_text.onnx", "ONNX Runtime"),
        ("bad_truncated.onnx", "ONNX Runtime"),
    ] {
        let error = refused(&element(model));
        assert!(error.contains(model) && error.contains(reason), "{model}: {error}");
    }
}

#[test]
fn missing_files_are_named() {
    init();
    let bare = gst::ElementFactory::make("nvpinference").build().unwrap();
    assert!(refused(&bare).contains("set the property model"));
    for property in ["model", "model-config", "labels"] {
        let element = element("yolov8.onnx");
        element.set_property(property, "/nowhere/at-all");
        let error = refused(&element);
        assert!(error.contains("/nowhere/at-all") && error.contains("No such file"), "{property}: {error}");
    }
    let folder = element("yolov8.onnx");
    folder.set_property("model", data("").to_str().unwrap());
    assert!(refused(&folder).contains("director"));
}

fn written(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn labels_come_from_the_property_first() {
    let labels = written("labels.txt", "red\ngreen\nblue\n");
    let named = element("yolov8.onnx");
    named.set_property("labels", &labels);
    named.set_property("classes", "blue,1");
    let mut rig = Rig::new(named, caps("RGB", SIZE));
    let frame = rig.frame(COLOR);
    let found = rig.infer(frame);
    assert_eq!(
        found.items.iter().map(|d| found.labels.get(d.class_id)).collect::<Vec<_>>(),
        [Some("green"), Some("blue")]
    );
    std::fs::remove_file(labels).unwrap();
}

#[test]
fn wrong_labels_and_descriptions_are_refused() {
    let two = written("two.txt", "red\ngreen\n");
    let short = element("yolov8.onnx");
    short.set_property("labels", &two);
    let error = refused(&short);
    assert!(error.contains('2') && error.contains('3'), "{error}");

    let broken = written("broken.json", r#"{"family": "yolov8", "colour": "rgb"}"#);
    let described = element("yolov8.onnx");
    described.set_property("model-config", &broken);
    let error = refused(&described);
    assert!(error.contains("broken.json") && error.contains("colour"), "{error}");

    let choosy = element("yolov8.onnx");
    choosy.set_property("classes", "first,fourth");
    let error = refused(&choosy);
    assert!(error.contains("classes") && error.contains("fourth"), "{error}");
    for file in [two, broken] {
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_description_settles_what_is_ambiguous() {
    let sidecar = written("ambiguous.json", r#"{"family": "yolov8"}"#);
    let described = element("bad_ambiguous.onnx");
    described.set_property("model-config", &sidecar);
    let rig = Rig::new(described, caps("RGB", SIZE));
    assert_eq!(rig.message("nvp-model-loaded").unwrap().get::<&str>("family").unwrap(), "yolov8");
    std::fs::remove_file(sidecar).unwrap();
}

#[test]
fn values_that_are_not_finite_are_left_out_told_once_and_counted() {
    let mut rig = Rig::of("bad_values.onnx");
    for _ in 0..3 {
        let frame = rig.frame(COLOR);
        let found = rig.infer(frame);
        assert!(found.items.iter().all(|d| d.confidence.is_finite() && d.bbox.x_min.is_finite()));
        assert_eq!(classes(&found), [0, 2]);
    }
    let told = rig.message("nvp-model-nonfinite").unwrap();
    assert_eq!(told.get::<u64>("candidates").unwrap(), 2);
    assert!(rig.message("nvp-model-nonfinite").is_none());
    assert_eq!(rig.stat("candidates-nonfinite"), 6);
}
