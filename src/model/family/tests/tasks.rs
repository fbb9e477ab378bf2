//! Families that say more of an object than its box.

use super::*;
use crate::detection::{Keypoint, Quad};
use crate::model::sidecar::{Activation, BoxOrder};

fn named<'a>(tensors: &'a [TensorFacts]) -> Outputs<'a> {
    outputs(tensors, SIZE)
}

fn row(fields: usize, start: &[f32], end: &[f32]) -> Vec<f32> {
    let mut row = vec![0.0; fields];
    row[..start.len()].copy_from_slice(start);
    row[fields - end.len()..].copy_from_slice(end);
    row
}

#[test]
fn a_pose_model_gives_the_points_of_what_is_kept() {
    let fields = 4 + 1 + 2 * 3;
    let points = [10.0, 4.0, 0.9, 12.0, 6.0, 1.5];
    let better = row(fields, &[12.0, 8.0, 8.0, 8.0, 0.9], &points);
    let worse = row(fields, &[12.0, 8.0, 8.0, 8.0, 0.6], &[0.0; 6]);
    let unsure = row(fields, &[40.0, 8.0, 8.0, 8.0, 0.1], &[0.0; 6]);
    let values = rows(CELLS, fields, &[(3, &worse), (7, &better), (8, &unsure)]);
    let columns = transposed(&values, fields);
    let shape = [1, fields, CELLS];
    let given: [Output<'_>; 1] = [("out", &shape, &columns)];
    let tensors = facts(&given);
    let outputs = Outputs { keypoints: Some((2, 3)), ..named(&tensors) };
    let (found, _) = found_all(&outputs, "yolov8-pose", &given, &DecodeParams::default());
    assert_eq!(found.items, [detection([8.0, 4.0, 16.0, 12.0], 0.9, 0)]);
    let expected =
        [Keypoint { x: 10.0, y: 4.0, confidence: 0.9 }, Keypoint { x: 12.0, y: 6.0, confidence: 1.0 }];
    assert_eq!(found.details.keypoints.view().row(0), expected);
    // Two numbers a point have no confidence of their own.
    let shape = [1, 4, 6 + 4];
    let values = [1.0, 2.0, 9.0, 12.0, 0.8, 0.0, 3.0, 4.0, 5.0, 6.0];
    let values = [&values[..], &[0.0; 30]].concat();
    let given: [Output<'_>; 1] = [("out", &shape, &values)];
    let tensors = facts(&given);
    let outputs = Outputs { keypoints: Some((2, 2)), ..named(&tensors) };
    let (found, _) = found_all(&outputs, "end-to-end-pose", &given, &DecodeParams::default());
    assert_eq!(found.items, [detection([1.0, 2.0, 9.0, 12.0], 0.8, 0)]);
    assert_eq!(found.details.keypoints.view().row(0)[1], Keypoint { x: 5.0, y: 6.0, confidence: 1.0 });
}

#[test]
fn a_turned_box_has_corners_and_suppresses_by_its_own_shape() {
    // Two bars that cross: their upright boxes are the same, they themselves hardly overlap.
    let quarter = std::f32::consts::FRAC_PI_4;
    let fields = 4 + 1 + 1;
    let bar = |angle: f32, score: f32| row(fields, &[32.0, 16.0, 20.0, 2.0, score], &[angle]);
    let (one, other, same) = (bar(quarter, 0.9), bar(-quarter, 0.8), bar(quarter + 0.05, 0.7));
    let values = rows(CELLS, fields, &[(3, &one), (4, &other), (5, &same)]);
    let columns = transposed(&values, fields);
    let shape = [1, fields, CELLS];
    let given: [Output<'_>; 1] = [("out", &shape, &columns)];
    let tensors = facts(&given);
    let (found, _) = found_all(&named(&tensors), "yolov8-obb", &given, &DecodeParams::default());
    assert_eq!(found.items.iter().map(|d| d.confidence).collect::<Vec<_>>(), [0.9, 0.8]);
    let Quad { corners } = found.details.quads[0];
    let half = (10.0f32 - 1.0) / 2f32.sqrt();
    assert!((corners[0][0] - (32.0 + half)).abs() < 1e-3 && corners[0][1] > 16.0, "{corners:?}");
    let bbox = found.items[0].bbox;
    for [x, y] in corners {
        assert!((bbox.x_min - 1e-3..=bbox.x_max + 1e-3).contains(&x));
        assert!((bbox.y_min - 1e-3..=bbox.y_max + 1e-3).contains(&y));
    }
}

#[test]
fn a_mask_covers_its_box() {
    // Two prototypes, 16x8 for an input of 64x32: the object is the left half of the first.
    let (w, h) = (16, 8);
    let prototype = (0..w * h).map(|i| if i % w < 8 { 1.0 } else { -1.0 });
    let prototype: Vec<f32> = prototype.chain(vec![9.0; w * h]).collect();
    let fields = 4 + 1 + 2;
    let values = rows(CELLS, fields, &[(3, &row(fields, &[32.0, 16.0, 32.0, 16.0, 0.9], &[20.0, 0.0]))]);
    let columns = transposed(&values, fields);
    let (shape, protos) = ([1, fields, CELLS], [1, 2, h, w]);
    let given: [Output<'_>; 2] = [("out", &shape, &columns), ("protos", &protos, &prototype)];
    let tensors = facts(&given);
    let (found, _) = found_all(
        &Outputs { named: false, ..named(&tensors) },
        "yolov8-segment",
        &given,
        &DecodeParams::default(),
    );
    assert_eq!(found.items.len(), 1);
    let (columns, rows, cells) = found.details.masks.view().get(0).unwrap();
    assert_eq!((columns, rows), (8, 4));
    for line in cells.chunks(columns) {
        assert!(line[..4].iter().all(|c| *c > 250) && line[4..].iter().all(|c| *c < 5), "{line:?}");
    }
    for other in ["yolov8", "yolov5", "end-to-end", "yolov8-pose"] {
        let outputs = Outputs { named: false, ..named(&tensors) };
        assert!((Family::find(other).unwrap().fit)(&outputs).is_none(), "{other}");
    }
    // Prototypes of another shape than planned.
    let mut decoder = (Family::find("yolov8-segment").unwrap().fit)(&named(&tensors)).unwrap().decoder;
    let views = [
        TensorView { name: "out", shape: &shape, data: TensorData::F32(given[0].2) },
        TensorView { name: "protos", shape: &[1, 2, h, w - 1], data: TensorData::F32(&prototype) },
    ];
    let error = decoder.decode(&views, &DecodeParams::default(), &mut Found::default()).unwrap_err();
    assert!(error.to_string().contains("protos"), "{error}");
}

#[test]
fn a_box_beyond_the_picture_has_a_mask() {
    let prototype = [1.0; 256];
    for place in
        [[-20.0, -20.0, 10.0, 10.0], [70.0, 40.0, 4.0, 4.0], [0.0, 0.0, 500.0, 500.0], [63.9, 31.9, 0.1, 0.1]]
    {
        let values = rows(
            CELLS,
            7,
            &[
                (3, &[place[0], place[1], place[2], place[3], 0.9, 2.0, 1.0]),
                (9, &[60.0, 20.0, 1.0, 1.0, 0.3, 0.0, 0.0]),
            ],
        );
        let columns = transposed(&values, 7);
        let given: [Output<'_>; 2] =
            [("out", &[1, 7, CELLS], &columns), ("protos", &[1, 2, 8, 16], &prototype)];
        let tensors = facts(&given);
        let (found, _) = found_all(&named(&tensors), "yolov8-segment", &given, &DecodeParams::default());
        assert!(found.details.masks.view().get(0).is_some(), "{place:?}");
    }
}

#[test]
fn a_classifier_turns_logits_into_probabilities_and_leaves_probabilities_alone() {
    let classify = |activation, scores: &[f32], params: &DecodeParams| {
        let shape = [1, scores.len(), 1, 1];
        let given: [Output<'_>; 1] = [("out", &shape, scores)];
        let tensors = facts(&given);
        let (found, report) =
            found_all(&Outputs { activation, ..named(&tensors) }, "classifier", &given, params);
        (found.items.iter().map(|d| (d.class_id, d.confidence)).collect::<Vec<_>>(), report)
    };
    let best = DecodeParams { confidence: 0.05, top_k: 2, ..DecodeParams::default() };
    let (found, _) = classify(None, &[0.0, 2.0, 1.0], &best);
    assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), [1, 2]);
    assert!((found[0].1 - 0.665_24).abs() < 1e-4, "{found:?}");
    assert_eq!(classify(None, &[0.1, 0.2, 0.7], &best).0, [(2, 0.7), (1, 0.2)]);
    let (found, _) = classify(Some(Activation::Sigmoid), &[0.0, -9.0], &best);
    assert_eq!(found, [(0, 0.5)]);
    let (found, report) = classify(None, &[f32::NAN, 3.0, 0.0], &best);
    assert_eq!((found[0].0, report.non_finite), (1, 1));
}

#[test]
fn an_embedding_has_length_one() {
    let vector: Vec<f32> = (0..128)
        .map(|i| {
            if i == 3 {
                3.0
            } else if i == 7 {
                -4.0
            } else {
                0.0
            }
        })
        .collect();
    let given: [Output<'_>; 1] = [("features", &[1, 128], &vector)];
    let tensors = facts(&given);
    let guessed = Outputs { named: false, ..named(&tensors) };
    let (found, _) = found_all(&guessed, "embedding", &given, &DecodeParams::default());
    assert_eq!((found.items.len(), found.items[0].class_id), (1, -1));
    let row = found.details.embeddings.view().row(0);
    assert_eq!((row[3], row[7]), (0.6, -0.8));
    assert!((Family::find("classifier").unwrap().fit)(&guessed).is_none());
    let with_names = Outputs { labels: Some(128), ..guessed };
    assert!((Family::find("embedding").unwrap().fit)(&with_names).is_none());
    let zeros: [Output<'_>; 1] = [("features", &[1, 128], &[0.0; 128])];
    let (found, report) = found_all(&guessed, "embedding", &zeros, &DecodeParams::default());
    assert_eq!((found.items.len(), report.degenerate), (0, 1));
}

#[test]
fn ssd_reads_what_its_outputs_are_named() {
    let boxes = [0.25, 0.5, 0.75, 1.0, 0.0, 0.0, 0.1, 0.1, 0.0, 0.0, 1.0, 1.0];
    let given: [Output<'_>; 4] = [
        ("detection_boxes", &[1, 3, 4], &boxes),
        ("detection_classes", &[1, 3], &[3.0, 1.5, 1.0]),
        ("detection_scores", &[1, 3], &[0.9, 0.8, 0.7]),
        ("num_detections", &[1], &[2.0]),
    ];
    let (items, report) = found("ssd", &given, SIZE, &DecodeParams::default());
    assert_eq!(items, [detection([32.0, 8.0, 64.0, 24.0], 0.9, 3)]);
    assert_eq!(report.degenerate, 1);
    let pixels = [8.0, 4.0, 24.0, 20.0];
    let given: [Output<'_>; 3] =
        [("boxes", &[1, 4], &pixels), ("labels", &[1], &[2.0]), ("scores", &[1], &[0.5])];
    assert_eq!(found("ssd", &given, SIZE, &DecodeParams::default()).0, [detection(pixels, 0.5, 2)]);
    let tensors = facts(&given);
    let turned = Outputs { box_order: Some(BoxOrder::Yxyx), ..named(&tensors) };
    let (items, _) = found_all(&turned, "ssd", &given, &DecodeParams::default());
    assert_eq!(items.items, [detection([4.0, 8.0, 20.0, 24.0], 0.5, 2)]);
    let unnamed: [Output<'_>; 3] = [("a", &[1, 4], &pixels), ("b", &[1], &[2.0]), ("c", &[1], &[0.5])];
    let tensors = facts(&unnamed);
    assert!((Family::find("ssd").unwrap().fit)(&named(&tensors)).is_none());
}

#[test]
fn rtdetr_of_ultralytics_is_in_units_of_the_input() {
    let values = rows(300, 7, &[(2, &[0.5, 0.5, 0.25, 0.5, 0.1, 0.8, 0.2])]);
    let given: [Output<'_>; 1] = [("out", &[1, 300, 7], &values)];
    let (items, _) = found("rtdetr", &given, SIZE, &DecodeParams::default());
    assert_eq!(items, [detection([24.0, 8.0, 40.0, 24.0], 0.8, 1)]);
}

proptest! {
    #[test]
    fn no_tensor_makes_a_decoder_panic(
        bits in proptest::collection::vec(any::<u32>(), 600),
        confidence in any::<f32>(),
    ) {
        let values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        let prototype = &values[..256];
        let params = DecodeParams { confidence, top_k: 3, ..DecodeParams::default() };
        let cases: [(&str, &[usize], bool); 7] = [
            ("yolov8-segment", &[1, 7, CELLS], true),
            ("yolov8-pose", &[1, 11, CELLS], false),
            ("yolov8-obb", &[1, 7, CELLS], false),
            ("end-to-end-obb", &[1, 60, 7], false),
            ("end-to-end-segment", &[1, 60, 8], true),
            ("classifier", &[1, 100], false),
            ("embedding", &[1, 128], false),
        ];
        for (family, shape, masks) in cases {
            let values = &values[..shape.iter().product()];
            let mut given: Vec<Output<'_>> = vec![("out", shape, values)];
            if masks {
                given.push(("protos", &[1, 2, 8, 16], prototype));
            }
            let tensors = facts(&given);
            let outputs = Outputs { keypoints: Some((2, 3)), ..named(&tensors) };
            let mut decoder = (Family::find(family).unwrap().fit)(&outputs).unwrap().decoder;
            let views = views(&given);
            let mut found = Found::default();
            let _ = decoder.check(&views);
            decoder.decode(&views, &params, &mut found).unwrap();
            let details = found.details.view();
            for i in 0..found.items.len() {
                prop_assert!(details.keypoints.is_empty() || details.keypoints.row(i).len() == 2);
            }
            prop_assert!(details.quads.is_empty() || details.quads.len() == found.items.len());
            prop_assert!(details.masks.is_empty() || details.masks.sizes.len() == found.items.len());
        }
    }
}
