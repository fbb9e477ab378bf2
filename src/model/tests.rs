//! Whole models: facts in, plan or error out.

use proptest::prelude::*;

use super::*;
use crate::detection::Task;
use crate::preprocess::{ColorOrder, ElementType, ResizeMode, TensorLayout};

fn tensor(name: &str, element: ElementKind, shape: &[i64]) -> TensorFacts {
    let shape = shape.iter().map(|d| usize::try_from(*d).ok()).collect();
    TensorFacts { name: name.into(), element, shape }
}

/// A model with one input and one output of f32; -1 is an open dimension.
fn model(input: &[i64], output: &[i64]) -> Facts {
    Facts {
        inputs: vec![tensor("images", ElementKind::F32, input)],
        outputs: vec![tensor("output", ElementKind::F32, output)],
        ..Facts::default()
    }
}

fn with_metadata(mut facts: Facts, entries: &[(&str, &str)]) -> Facts {
    facts.metadata = entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    facts
}

fn plan(facts: &Facts) -> Plan {
    understand(facts, &Hints::default(), None).unwrap()
}

fn error(facts: &Facts) -> ModelError {
    understand(facts, &Hints::default(), None).unwrap_err()
}

fn labels(count: usize) -> Option<LabelSource> {
    Some(LabelSource::Names((0..count).map(|i| format!("class {i}")).collect()))
}

#[test]
fn yolox_is_known_by_its_shapes() {
    let plan = plan(&model(&[1, 3, 416, 416], &[1, 3549, 85]));
    assert_eq!((plan.family.name, plan.classes, plan.labels.get(16)), ("yolox", Some(80), Some("dog")));
    assert_eq!((plan.spec.color, plan.spec.resize), (ColorOrder::Bgr, ResizeMode::LetterboxTopLeft));
    assert_eq!((plan.spec.scale, plan.spec.pad), ([1.0; 3], 114.0));
    assert_eq!((plan.input.name.as_str(), plan.output.as_str()), ("images", "output"));
    assert_eq!(plan.assumptions.len(), 3, "{}", plan.summary());
    assert!(plan.summary().starts_with("family yolox, input images 416x416 bgr"));
}

#[test]
fn a_sidecar_overrides_the_family() {
    let sidecar = Hints::from_json(
        r#"{"family": "yolox", "color": "rgb", "scale": 0.00392156862745098,
            "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}"#,
    )
    .unwrap();
    let properties = Hints { pad: Some(0.0), mean: Some([0.5; 3]), ..Hints::default() };
    let plan = understand(&model(&[1, 3, 416, 416], &[1, 3549, 85]), &properties, Some(&sidecar)).unwrap();
    assert_eq!((plan.spec.color, plan.spec.scale), (ColorOrder::Rgb, [1.0 / 255.0; 3]));
    assert_eq!((plan.spec.mean, plan.spec.std), ([0.5; 3], [0.229, 0.224, 0.225]));
    assert_eq!((plan.spec.pad, plan.spec.resize), (0.0, ResizeMode::LetterboxTopLeft));
}

#[test]
fn families_are_known_by_their_shapes() {
    let family = |input: &[i64], output: &[i64]| {
        let plan = plan(&model(input, output));
        (plan.family.name, plan.classes)
    };
    let square = |side| [1, 3, side, side];
    assert_eq!(family(&square(640), &[1, 25200, 85]), ("yolov5", Some(80)));
    assert_eq!(family(&square(640), &[25200, 7]), ("yolov5", Some(2)));
    assert_eq!(family(&square(1280), &[1, 102_000, 85]), ("yolov5", Some(80)));
    assert_eq!(family(&square(640), &[1, 84, 8400]), ("yolov8", Some(80)));
    assert_eq!(family(&square(640), &[1, 5, 8400]), ("yolov8", Some(1)));
    assert_eq!(family(&[1, 3, 384, 640], &[1, 84, 5040]), ("yolov8", Some(80)));
    assert_eq!(family(&square(640), &[1, 8400, 84]), ("yolov8", Some(80)));
    assert_eq!(family(&square(640), &[1, 300, 6]), ("end-to-end", None));
}

#[test]
fn ultralytics_metadata() {
    let metadata = [
        ("author", "Ultralytics"),
        ("imgsz", "[384, 640]"),
        ("names", "{0: 'person', 1: 'hot dog'}"),
        ("stride", "32"),
        ("task", "detect"),
    ];
    let open = plan(&with_metadata(model(&[-1, 3, -1, -1], &[-1, 6, -1]), &metadata));
    assert_eq!((open.family.name, open.classes, open.labels.get(1)), ("yolov8", Some(2), Some("hot dog")));
    assert_eq!((open.spec.width, open.spec.height), (640, 384));
    assert_eq!(open.spec.scale, [1.0 / 255.0; 3]);
    let end_to_end = with_metadata(model(&[1, 3, 640, 640], &[1, 300, 6]), &metadata);
    assert_eq!(plan(&end_to_end).classes, Some(2));
}

#[test]
fn labels_tell_families_apart() {
    let facts = model(&[1, 3, 640, 640], &[1, 8400, 8]);
    let choices = match error(&facts) {
        ModelError::Ambiguous { choices, .. } => choices,
        other => panic!("{other}"),
    };
    let names: Vec<_> = choices.iter().map(|c| (c.family, c.classes)).collect();
    assert_eq!(names, [("yolov8", Some(4)), ("yolox", Some(3))]);
    assert!(error(&facts).to_string().contains("property or sidecar key \"family\""));
    for (count, family) in [(4, "yolov8"), (3, "yolox")] {
        let hints = Hints { labels: labels(count), ..Hints::default() };
        assert_eq!(understand(&facts, &hints, None).unwrap().family.name, family);
    }
    let hints = Hints { labels: labels(5), ..Hints::default() };
    assert!(matches!(understand(&facts, &hints, None), Err(ModelError::LabelCount { labels: 5, .. })));
    let open = model(&[1, 3, 640, 640], &[1, -1, 6]);
    assert!(matches!(error(&open), ModelError::Ambiguous { .. }));
    let hints = Hints { labels: labels(80), ..Hints::default() };
    assert_eq!(understand(&open, &hints, None).unwrap().family.name, "end-to-end");
}

#[test]
fn label_count_names_both_numbers() {
    let sidecar = Hints { labels: labels(79), ..Hints::default() };
    let error = understand(&model(&[1, 3, 640, 640], &[1, 84, 8400]), &Hints::default(), Some(&sidecar));
    let message = error.unwrap_err().to_string();
    assert!(message.contains("the sidecar name 79 classes"), "{message}");
    assert!(message.contains("yolov8 (80 classes)"), "{message}");
}

#[test]
fn a_named_family_needs_no_proof() {
    let named = |family: &str, output: &[i64]| {
        let hints = Hints { family: Some(family.into()), ..Hints::default() };
        understand(&model(&[1, 3, 640, 640], output), &hints, None)
    };
    assert_eq!(named("yolox-decoded", &[1, 8400, 85]).unwrap().family.name, "yolox-decoded");
    assert_eq!(named("yolov8", &[1, 84, 1000]).unwrap().classes, Some(80));
    assert_eq!(named("yolov8", &[1, 1000, 84]).unwrap().classes, Some(80));
    assert!(matches!(named("yolox", &[1, 1000, 85]), Err(ModelError::Misfit { family: "yolox", .. })));
    assert!(matches!(named("yolov5", &[1, 8400, 5]), Err(ModelError::Misfit { .. })));
    let message = named("yolo8", &[1, 84, 8400]).unwrap_err().to_string();
    assert!(message.contains("did you mean \"yolov8\"?"), "{message}");
}

#[test]
fn inputs_of_other_kinds() {
    let mut facts = model(&[1, 320, 640, 1], &[1, 84, 4200]);
    facts.inputs[0].element = ElementKind::U8;
    let plan = plan(&facts);
    assert_eq!((plan.spec.width, plan.spec.height), (640, 320));
    assert_eq!((plan.spec.layout, plan.spec.element), (TensorLayout::Nhwc, ElementType::U8));
    assert_eq!((plan.spec.color, plan.spec.scale), (ColorOrder::Gray, [1.0; 3]));
    let open = input(&model(&[-1, -1, -1, -1], &[1, 84, 8400]), &Hints::default(), None).unwrap();
    assert_eq!((open.shape(), open.assumptions.len()), ([3, 640, 640], 2));
}

#[test]
fn input_size_for_open_and_fixed_inputs() {
    let hints = Hints { input_size: Some((320, 256)), ..Hints::default() };
    let shape = |dims: &[i64]| input(&model(dims, &[1]), &hints, None).map(|i| i.shape());
    assert_eq!(shape(&[1, 3, -1, -1]), Ok([3, 256, 320]));
    assert_eq!(shape(&[1, -1, 320, 3]), Ok([256, 320, 3]));
    assert_eq!(shape(&[1, 3, 256, 320]), Ok([3, 256, 320]));
    assert!(matches!(shape(&[1, 3, 640, 640]), Err(ModelError::InputSize { asked: (320, 256), .. })));
    assert!(matches!(shape(&[1, 3, 640, -1]), Err(ModelError::InputSize { .. })));
    // What a file says of itself does not contradict its shapes.
    let facts = with_metadata(model(&[1, 3, 640, 640], &[1, 84, 8400]), &[("imgsz", "[320, 320]")]);
    assert_eq!(plan(&facts).spec.width, 640);
}

#[test]
fn bad_models_say_what_is_wrong() {
    let good = [1, 84, 8400];
    let message = |input: &[i64], output: &[i64]| error(&model(input, output)).to_string();
    assert!(message(&[1, 512], &good).contains("images f32[1, 512]"));
    assert!(message(&[1, 4, 640, 640], &good).contains("1 or 3 channels"));
    assert!(message(&[0, 3, 640, 640], &good).contains("batch"));
    assert!(message(&[1, 3, 0, 640], &good).contains("sides"));
    let unknown = message(&[1, 3, 640, 640], &[1, 10, 10, 10]);
    assert!(unknown.contains("output f32[1, 10, 10, 10]"), "{unknown}");
    assert!(FAMILIES.iter().all(|f| unknown.contains(f.name)), "{unknown}");

    let mut facts = model(&[1, 3, 640, 640], &good);
    facts.outputs[0].element = ElementKind::I64;
    assert!(matches!(error(&facts), ModelError::NoFloats { .. }));
    facts.inputs[0].element = ElementKind::Other("string".into());
    assert!(error(&facts).to_string().contains("string[1, 3, 640, 640]"));
    facts.inputs.push(tensor("im_shape", ElementKind::F32, &[1, 2]));
    assert!(error(&facts).to_string().contains("has 2 inputs"));
    facts.inputs.clear();
    assert!(matches!(error(&facts), ModelError::Inputs { .. }));
}

#[test]
fn the_task_in_the_metadata_decides() {
    let family = |output: &[i64], entries: &[(&str, &str)]| {
        let plan = plan(&with_metadata(model(&[1, 3, 640, 640], output), entries));
        (plan.family.name, plan.family.task, plan.classes)
    };
    let pose = [("task", "pose"), ("kpt_shape", "[17, 3]"), ("names", "{0: 'person'}")];
    assert_eq!(family(&[1, 56, 8400], &pose), ("yolov8-pose", Task::Detect, Some(1)));
    assert_eq!(family(&[1, 300, 57], &pose).0, "end-to-end-pose");
    let obb = [("task", "obb"), ("names", "{0: 'plane', 1: 'ship'}")];
    assert_eq!(family(&[1, 7, 8400], &obb), ("yolov8-obb", Task::Detect, Some(2)));
    assert_eq!(family(&[1, 300, 7], &obb).0, "end-to-end-obb");
    let classify = [("task", "classify"), ("names", "{0: 'cat', 1: 'dog'}")];
    assert_eq!(family(&[1, 2], &classify), ("yolo-classify", Task::Classify, Some(2)));
    assert_eq!(family(&[1, 512], &[]), ("embedding", Task::Embed, None));
    assert_eq!(family(&[1, 1000], &[]), ("classifier", Task::Classify, Some(1000)));
    let mut masks = model(&[1, 3, 640, 640], &[1, 116, 8400]);
    masks.outputs.push(tensor("protos", ElementKind::F32, &[1, 32, 160, 160]));
    let understood = plan(&with_metadata(masks.clone(), &[("task", "segment")]));
    assert_eq!((understood.family.name, understood.classes), ("yolov8-segment", Some(80)));
    // The outputs contradict the metadata.
    for (task, facts) in [("detect", masks), ("segment", model(&[1, 3, 640, 640], &[1, 84, 8400]))] {
        let refused = error(&with_metadata(facts, &[("task", task)]));
        assert!(matches!(&refused, ModelError::Task { task: t, .. } if t == task), "{refused}");
    }
}

#[test]
fn a_fixed_batch_is_seen_as_one_picture() {
    let plan = plan(&model(&[4, 3, 640, 640], &[4, 84, 8400]));
    assert_eq!((plan.family.name, plan.input.batch, plan.input.open_batch), ("yolov8", 4, false));
    assert!(plan.summary().contains("4 pictures a run"), "{}", plan.summary());
    let open = input(&model(&[-1, 3, 640, 640], &[-1, 84, 8400]), &Hints::default(), None).unwrap();
    assert!(open.open_batch && open.batch == 1);
    let single = input(&model(&[3, 640, 640], &[84, 8400]), &Hints::default(), None).unwrap();
    assert_eq!((single.rank, single.shape()), (3, [3, 640, 640]));
}

#[test]
fn bytes_stand_for_what_the_sidecar_says() {
    let mut facts = model(&[1, 3, 640, 640], &[1, 84, 8400]);
    facts.inputs[0].element = ElementKind::I8;
    facts.outputs[0].element = ElementKind::I8;
    assert!(error(&facts).to_string().contains("output-quantization"));
    let sidecar = Hints::from_json(
        r#"{"input-quantization": {"scale": 0.00392156862745098, "zero-point": -128},
            "output-quantization": {"scale": 2.5, "zero-point": -128}}"#,
    )
    .unwrap();
    let plan = understand(&facts, &Hints::default(), Some(&sidecar)).unwrap();
    assert_eq!(plan.family.name, "yolov8");
    assert_eq!(plan.quantization, [Some(Quantization { scale: 2.5, zero_point: -128 })]);
    assert_eq!(plan.spec.element, ElementType::I8);
    for (pixel, byte) in [(0.0, -128.0), (255.0, 127.0), (128.0, 0.0)] {
        assert!((plan.spec.normalise(1, pixel) - byte).abs() < 1e-3, "{pixel}");
    }
    let two = Hints::from_json(r#"{"output-quantization": [{"scale": 1}, {"scale": 1}]}"#).unwrap();
    let refused = understand(&facts, &Hints::default(), Some(&two)).unwrap_err();
    assert!(refused.to_string().contains("2 output-quantization entries for 1 outputs"), "{refused}");
}

#[test]
fn a_second_input_may_ask_for_the_size() {
    let mut facts = model(&[-1, 3, 640, 640], &[-1, 300]);
    facts.inputs.push(tensor("orig_target_sizes", ElementKind::I64, &[-1, 2]));
    facts.outputs = vec![
        tensor("labels", ElementKind::I64, &[1, 300]),
        tensor("boxes", ElementKind::F32, &[1, 300, 4]),
        tensor("scores", ElementKind::F32, &[1, 300]),
    ];
    let plan = plan(&facts);
    assert_eq!((plan.family.name, plan.input.sizes.as_deref()), ("ssd", Some("orig_target_sizes")));
}

#[test]
fn models_with_heads_apart_fit_no_family() {
    let mut facts = model(&[1, 3, -1, -1], &[1, -1, 10]);
    for name in ["kps_16", "kps_32"] {
        facts.outputs.push(tensor(name, ElementKind::F32, &[1, -1, 10]));
    }
    assert!(matches!(error(&facts), ModelError::NoFamily { .. }));
    // As many rows as UltraFace has, but of another input; too many for the queries of a transformer.
    let mut facts = model(&[1, 3, 224, 320], &[1, 4420, 2]);
    facts.outputs.push(tensor("boxes", ElementKind::F32, &[1, 4420, 4]));
    assert!(matches!(error(&facts), ModelError::NoFamily { .. }));
}

#[test]
fn families_with_several_heads_are_known_by_their_shapes() {
    let with = |first: &[i64], more: &[&[i64]], size: [i64; 4]| {
        let mut facts = model(&size, first);
        for (i, shape) in more.iter().enumerate() {
            facts.outputs.push(tensor(&format!("more{i}"), ElementKind::F32, shape));
        }
        let plan = plan(&facts);
        (plan.family.name, plan.classes, plan.labels.get(0).map(str::to_owned))
    };
    let face = || Some("face".to_owned());
    let person = || Some("person".to_owned());
    assert_eq!(with(&[1, 4420, 2], &[&[1, 4420, 4]], [1, 3, 240, 320]), ("ultraface", Some(1), face()));
    assert_eq!(with(&[1, 300, 80], &[&[1, 300, 4]], [1, 3, 640, 640]), ("detr", Some(80), person()));
    assert_eq!(with(&[1, 3598, 112], &[], [1, 3, 416, 416]), ("nanodet", Some(80), person()));
    let pico: [&[i64]; 7] = [
        &[1, 676, 80],
        &[1, 169, 80],
        &[1, 49, 80],
        &[1, 2704, 32],
        &[1, 676, 32],
        &[1, 169, 32],
        &[1, 49, 32],
    ];
    assert_eq!(with(&[1, 2704, 80], &pico, [1, 3, 416, 416]), ("picodet", Some(80), person()));
}

#[test]
fn extra_outputs_of_older_exports_are_left_alone() {
    let mut facts = model(&[1, 3, 640, 640], &[1, 25200, 85]);
    facts.outputs.insert(0, tensor("345", ElementKind::F32, &[1, 3, 80, 80, 85]));
    let plan = plan(&facts);
    assert_eq!((plan.family.name, plan.output.as_str()), ("yolov5", "output"));
}

#[test]
fn observed_shapes_settle_open_ones() {
    let mut facts = model(&[1, 3, -1, -1], &[1, -1, -1]);
    assert!(matches!(error(&facts), ModelError::NoFamily { .. }));
    facts.observe(0, &[1, 84, 8400]);
    facts.observe(7, &[1]);
    assert_eq!(plan(&facts).family.name, "yolov8");
}

#[test]
fn labels_that_cannot_be_had() {
    let facts = model(&[1, 3, 640, 640], &[1, 84, 8400]);
    let hints = Hints { labels: Some(LabelSource::File("coco.names".into())), ..Hints::default() };
    assert!(matches!(understand(&facts, &hints, None), Err(ModelError::UnreadLabels { .. })));
    let plan = plan(&with_metadata(facts, &[("names", "{0: person}")]));
    assert!(plan.summary().contains("cannot be read"), "{}", plan.summary());
}

#[test]
fn colours_need_their_channels() {
    let hints = Hints { color: Some(ColorOrder::Gray), ..Hints::default() };
    let error = understand(&model(&[1, 3, 640, 640], &[1, 84, 8400]), &hints, None).unwrap_err();
    assert_eq!(error, ModelError::Color { input: "images".into(), asked: 1, channels: 3 });
}

proptest! {
    #[test]
    fn any_shapes_are_understood_or_refused(
        input in proptest::collection::vec(-1i64..700, 0..6),
        output in proptest::collection::vec(-1i64..9000, 0..6),
        big in any::<bool>(),
    ) {
        let mut facts = model(&[1, 3, 64, 32], &output);
        let _ = understand(&facts, &Hints::default(), None);
        facts.inputs[0] = tensor("images", ElementKind::F32, &input);
        if big {
            facts.inputs[0].shape = vec![Some(1), Some(3), Some(usize::MAX), Some(usize::MAX)];
        }
        for family in FAMILIES {
            let hints = Hints { family: Some(family.name.into()), ..Hints::default() };
            let _ = understand(&facts, &hints, None);
        }
    }
}
