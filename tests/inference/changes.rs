//! What changes while the stream flows.

use super::*;

fn push(rig: &mut Rig) -> (Detections, u32) {
    let frame = rig.frame(COLOR);
    let out = rig.harness.push_and_pull(frame).unwrap();
    (detections(&out).expect("inferred"), stage(&out).1)
}

fn path(model: &str) -> String {
    data(model).to_str().unwrap().to_owned()
}

#[test]
fn another_model_takes_over_between_two_frames() {
    let mut rig = Rig::of("yolov8.onnx");
    let first = rig.message("nvp-model-loaded").unwrap();
    assert_eq!(first.get::<u32>("generation").unwrap(), 1);
    let (found, generation) = push(&mut rig);
    assert_eq!((&*found.model, generation), ("yolov8", 1));
    rig.element.set_property("model", path("end_to_end.onnx"));
    let loaded = rig.await_message("nvp-model-loaded");
    assert_eq!(loaded.get::<&str>("family").unwrap(), "end-to-end");
    let next = loaded.get::<u32>("generation").unwrap();
    for _ in 0..5 {
        let (found, generation) = push(&mut rig);
        assert_eq!((&*found.model, generation), ("end_to_end", next));
        assert_eq!(classes(&found), [0, 0, 1, 2]);
    }
    assert_eq!(rig.element.property::<u32>("generation"), next);
    // After a restart the new model is the one that runs.
    rig.element.set_state(gst::State::Ready).unwrap();
    rig.harness.play();
    let again = rig.caps.clone();
    rig.harness.set_src_caps(again);
    assert_eq!(&*push(&mut rig).0.model, "end_to_end");
    // What was changed while playing is not taken for what the element began with.
    rig.element.set_property("model", path("yolov8.onnx"));
    rig.await_message("nvp-model-loaded");
    rig.element.set_state(gst::State::Ready).unwrap();
    rig.element.set_property("model", path("end_to_end.onnx"));
    rig.harness.play();
    let again = rig.caps.clone();
    rig.harness.set_src_caps(again);
    assert_eq!(&*push(&mut rig).0.model, "end_to_end");
}

#[test]
fn a_model_that_cannot_be_loaded_leaves_the_old_one_running() {
    let mut rig = Rig::of("yolov8.onnx");
    let folder = std::env::temp_dir().join(format!("nvp-changes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("swapped.onnx");
    std::fs::copy(data("yolov8_rows.onnx"), &file).unwrap();
    rig.element.set_property("model", file.to_str().unwrap());
    rig.await_message("nvp-model-loaded");
    let loaded = rig.await_message("nvp-model-loaded");
    assert!(loaded.get::<&str>("model").unwrap().ends_with("swapped.onnx"));
    let (found, generation) = push(&mut rig);
    assert_eq!(&*found.model, "swapped");
    std::fs::write(&file, "garbage").unwrap();
    rig.element.set_property("model", file.to_str().unwrap());
    let rejected = rig.await_message("nvp-model-rejected");
    let reason = rejected.get::<&str>("reason").unwrap();
    assert!(reason.starts_with("Model ") && reason.contains("swapped.onnx"), "{reason}");
    rig.element.set_property("model", "/nowhere/none.onnx");
    let rejected = rig.await_message("nvp-model-rejected");
    assert!(rejected.get::<&str>("reason").unwrap().contains("/nowhere/none.onnx"));
    for _ in 0..3 {
        let (found, now) = push(&mut rig);
        assert_eq!((&*found.model, now), ("swapped", generation));
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn labels_and_thresholds_apply_to_the_next_frame() {
    let mut rig = Rig::of("yolov8.onnx");
    assert_eq!(push(&mut rig).0.labels.get(0), Some("first"));
    rig.element.set_property("confidence", 0.5f32);
    let (found, generation) = push(&mut rig);
    assert_eq!((found.items.len(), generation), (1, 2));
    rig.element.set_property("confidence", 0.1f32);
    rig.element.set_property("classes", "third");
    let (found, generation) = push(&mut rig);
    assert_eq!((classes(&found), generation), (vec![2], 4));
    rig.element.set_property("classes", "");
    let file = std::env::temp_dir().join(format!("nvp-labels-{}.txt", std::process::id()));
    std::fs::write(&file, "red\ngreen\nblue\n").unwrap();
    rig.element.set_property("labels", file.to_str().unwrap());
    rig.await_message("nvp-model-loaded");
    rig.await_message("nvp-model-loaded");
    let (found, generation) = push(&mut rig);
    assert_eq!((found.labels.get(2), generation), (Some("blue"), 6));
    std::fs::write(&file, "red\ngreen\n").unwrap();
    rig.element.set_property("labels", file.to_str().unwrap());
    let rejected = rig.await_message("nvp-model-rejected");
    assert!(rejected.get::<&str>("reason").unwrap().contains("2 classes"), "{rejected:?}");
    assert_eq!(push(&mut rig).0.labels.get(2), Some("blue"));
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn many_changes_in_a_row_end_with_the_last() {
    let mut rig = Rig::of("yolov8.onnx");
    for _ in 0..5 {
        for model in ["yolov8_rows.onnx", "yolov5.onnx", "end_to_end.onnx", "yolov8_f16.onnx"] {
            rig.element.set_property("model", path(model));
            push(&mut rig);
        }
    }
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while &*push(&mut rig).0.model != "yolov8_f16" {
        assert!(std::time::Instant::now() < end, "the last model never came");
    }
    rig.element.set_state(gst::State::Null).unwrap();
}

#[test]
fn what_counts_from_the_next_start_on_does_not_mix_with_a_change_of_the_model() {
    let element = element("yolov8.onnx");
    element.set_property("workers", 3u32);
    let mut rig = Rig::new(element, caps("RGB", SIZE));
    push(&mut rig);
    rig.element.set_property("workers", 1u32);
    rig.element.set_property_from_str("region", "tracks");
    rig.element.set_property("model", path("end_to_end.onnx"));
    rig.await_message("nvp-model-loaded");
    let loaded = rig.await_message("nvp-model-loaded");
    assert_eq!(loaded.get::<u32>("workers").unwrap(), 3);
    for _ in 0..9 {
        assert_eq!(&*push(&mut rig).0.model, "end_to_end", "each worker has the new model");
    }
}

/// Goes to READY with these properties; the error's text, or nothing.
fn ready(properties: &[(&str, &str)]) -> (gst::Element, gst::Bus, Option<String>) {
    let element = element("yolov8.onnx");
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let error = element.set_state(gst::State::Ready).is_err().then(|| error_on(&bus));
    (element, bus, error)
}

#[test]
fn a_provider_that_cannot_be_had_is_never_passed_over_in_silence() {
    for (provider, precision, part) in [
        ("opnvino", "auto", "no provider \"opnvino\" (known: auto, cpu, openvino, cuda, tensorrt)"),
        ("cuda", "auto", "cuda is not supported yet"),
        ("openvino", "auto", "was built without OpenVINOExecutionProvider"),
        ("cpu", "f16", "does not compute in f16"),
    ] {
        let (element, _, error) = ready(&[("provider", provider), ("precision", precision)]);
        let error = error.expect("it is required");
        assert!(error.contains(part), "{provider}: {error}");
        assert_eq!(element.property::<Option<String>>("active-provider"), None);
        element.set_state(gst::State::Null).unwrap();
    }
    for (list, policy) in [("openvino", "prefer"), ("openvino,cpu", "require")] {
        let (element, bus, error) = ready(&[("provider", list), ("provider-policy", policy)]);
        assert_eq!(error, None);
        let warning = bus.pop_filtered(&[gst::MessageType::Warning]).expect("a warning");
        let gst::MessageView::Warning(warning) = warning.view() else { unreachable!("filtered") };
        assert!(warning.error().message().contains("OpenVINOExecutionProvider"));
        let told = bus.pop_filtered(&[gst::MessageType::Element]).unwrap();
        let told = told.structure().unwrap();
        assert_eq!(
            (told.name().as_str(), told.get::<&str>("active").unwrap()),
            ("nvp-provider-missing", "CPUExecutionProvider")
        );
        let active = element.property::<Option<String>>("active-provider");
        assert_eq!(active.as_deref(), Some("CPUExecutionProvider"));
        element.set_state(gst::State::Null).unwrap();
    }
}
