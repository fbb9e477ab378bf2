mod tasks;

use proptest::prelude::*;

use super::*;
use crate::detection::{Detection, Found};
use crate::geometry::{BBox, nms};
use crate::model::facts::ElementKind;
use crate::model::{ClassFilter, DecodeError, DecodeParams, DecodeReport, TensorData, TensorView};

const SIZE: (usize, usize) = (64, 32);
/// Cells of strides 8, 16 and 32 in an input of 64x32.
const CELLS: usize = 42;

fn outputs<'a>(tensors: &'a [TensorFacts], size: (usize, usize)) -> Outputs<'a> {
    let (task, keypoints, labels, activation, box_order) = (None, None, None, None, None);
    Outputs { tensors, size, named: true, is_rtdetr: false, task, keypoints, labels, activation, box_order }
}

fn decoder(family: &str, shape: &[usize]) -> Box<dyn Decoder> {
    let shape = shape.iter().copied().map(Some).collect();
    let tensors = [TensorFacts { name: "out".into(), element: ElementKind::F32, shape }];
    let fit = Family::find(family).unwrap().fit;
    fit(&outputs(&tensors, SIZE)).unwrap().decoder
}

fn decode(
    decoder: &mut dyn Decoder,
    shape: &[usize],
    values: &[f32],
    params: &DecodeParams,
) -> (Vec<Detection>, DecodeReport) {
    let mut out = Found { items: vec![Detection::default()], ..Found::default() };
    let view = TensorView { name: "out", shape, data: TensorData::F32(values) };
    let report = decoder.decode(&[view], params, &mut out).unwrap();
    (out.items, report)
}

fn detection(x: [f32; 4], confidence: f32, class_id: i32) -> Detection {
    Detection { bbox: BBox::new(x[0], x[1], x[2], x[3]), confidence, class_id }
}

/// Rows of one prediction, zeros but for those given.
fn rows(count: usize, fields: usize, given: &[(usize, &[f32])]) -> Vec<f32> {
    let mut values = vec![0.0; count * fields];
    for (row, numbers) in given {
        values[row * fields..][..fields].copy_from_slice(numbers);
    }
    values
}

fn transposed(values: &[f32], fields: usize) -> Vec<f32> {
    (0..fields).flat_map(|f| values.iter().skip(f).step_by(fields).copied()).collect()
}

#[test]
fn yolov5_multiplies_objectness_and_class() {
    let shape = [1, 3 * CELLS, 7];
    let given: [(usize, &[f32]); 3] = [
        (5, &[10.0, 20.0, 4.0, 8.0, 0.8, 0.25, 0.75]),
        (6, &[10.0, 20.0, 4.0, 8.0, 0.5, 0.0, 1.0]),
        (7, &[50.0, 20.0, 4.0, 8.0, 1.0, 0.2, 0.1]),
    ];
    let values = rows(3 * CELLS, 7, &given);
    let params = DecodeParams { confidence: 0.3, ..DecodeParams::default() };
    let (found, report) = decode(&mut *decoder("yolov5", &shape), &shape, &values, &params);
    assert_eq!(found, [detection([8.0, 16.0, 12.0, 24.0], 0.8 * 0.75, 1)]);
    assert_eq!(report, DecodeReport::default());
}

#[test]
fn yolov8_reads_both_orientations() {
    let given: [(usize, &[f32]); 2] =
        [(0, &[4.0, 4.0, 8.0, 8.0, 0.1, 0.9]), (41, &[50.0, 20.0, 4.0, 8.0, 0.5, 0.0])];
    let values = rows(CELLS, 6, &given);
    let expected = [detection([0.0, 0.0, 8.0, 8.0], 0.9, 1), detection([48.0, 16.0, 52.0, 24.0], 0.5, 0)];
    let params = DecodeParams::default();
    let (by_rows, by_columns) = ([1, CELLS, 6], [1, 6, CELLS]);
    assert_eq!(decode(&mut *decoder("yolov8", &by_rows), &by_rows, &values, &params).0, expected);
    let columns = transposed(&values, 6);
    assert_eq!(decode(&mut *decoder("yolov8", &by_columns), &by_columns, &columns, &params).0, expected);
}

#[test]
fn yolox_applies_the_grid() {
    let shape = [1, CELLS, 6];
    let ln2 = 2.0f32.ln();
    let given: [(usize, &[f32]); 2] =
        [(9, &[0.5, 0.25, 0.0, ln2, 0.9, 1.0]), (41, &[0.5, 0.5, 0.0, 0.0, 0.5, 1.0])];
    let values = rows(CELLS, 6, &given);
    let (found, _) = decode(&mut *decoder("yolox", &shape), &shape, &values, &DecodeParams::default());
    // Cell 9 of the 8x4 grid of stride 8 is (1, 1): centre (12, 10), 8 wide, 16 high.
    assert_eq!(found[0], detection([8.0, 2.0, 16.0, 18.0], 0.9, 0));
    // The last cell is (1, 0) of stride 32.
    assert_eq!(found[1], detection([32.0, 0.0, 64.0, 32.0], 0.5, 0));
    let given: [(usize, &[f32]); 1] = [(9, &[12.0, 10.0, 8.0, 16.0, 0.9, 1.0])];
    let values = rows(CELLS, 6, &given);
    let (found, _) =
        decode(&mut *decoder("yolox-decoded", &shape), &shape, &values, &DecodeParams::default());
    assert_eq!(found, [detection([8.0, 2.0, 16.0, 18.0], 0.9, 0)]);
}

#[test]
fn end_to_end_keeps_overlaps_and_sorts() {
    let shape = [1, 4, 6];
    let values = [
        [1.0, 1.0, 9.0, 9.0, 0.5, 3.0],
        [1.0, 1.0, 9.0, 9.0, 0.9, 3.0],
        [1.0, 1.0, 9.0, 9.0, 0.8, 1.5],
        [1.0, 1.0, 9.0, 9.0, 0.1, 0.0],
    ];
    let (found, report) =
        decode(&mut *decoder("end-to-end", &shape), &shape, values.as_flattened(), &DecodeParams::default());
    assert_eq!(found.iter().map(|d| (d.confidence, d.class_id)).collect::<Vec<_>>(), [(0.9, 3), (0.5, 3)]);
    assert_eq!(report.degenerate, 1);
}

#[test]
fn bad_numbers_are_counted_and_left_out() {
    let shape = [1, CELLS, 6];
    let good: &[f32] = &[40.0, 16.0, 8.0, 8.0, 0.5, 0.0];
    let given: [(usize, &[f32]); 6] = [
        (0, &[f32::NAN, 4.0, 8.0, 8.0, 0.9, 0.1]),
        (1, &[4.0, 4.0, 8.0, f32::INFINITY, 0.9, 0.1]),
        (2, &[4.0, 4.0, 8.0, 8.0, -f32::NAN, 0.1]),
        (3, &[4.0, 4.0, 8.0, 8.0, 0.1, f32::NEG_INFINITY]),
        (4, &[4.0, 4.0, -8.0, 8.0, 0.9, 0.1]),
        (5, good),
    ];
    let values = rows(CELLS, 6, &given);
    let expected = (vec![detection([36.0, 12.0, 44.0, 20.0], 0.5, 0)], 4, 1);
    for (shape, values) in [(shape, values.clone()), ([1, 6, CELLS], transposed(&values, 6))] {
        let (found, report) =
            decode(&mut *decoder("yolov8", &shape), &shape, &values, &DecodeParams::default());
        assert_eq!((found, report.non_finite, report.degenerate), expected);
    }
    let (found, report) =
        decode(&mut *decoder("yolov5", &shape), &shape, &vec![f32::NAN; CELLS * 6], &DecodeParams::default());
    assert_eq!((found.len(), report.non_finite), (0, CELLS));
}

#[test]
fn parameters_limit_what_is_kept() {
    let shape = [1, CELLS, 6];
    let given: [(usize, &[f32]); 3] = [
        (0, &[10.0, 10.0, 8.0, 8.0, 0.9, 0.1]),
        (1, &[11.0, 10.0, 8.0, 8.0, 0.8, 0.1]),
        (2, &[40.0, 10.0, 8.0, 8.0, 0.2, 0.7]),
    ];
    let values = rows(CELLS, 6, &given);
    let classes = |params: DecodeParams| {
        let (found, _) = decode(&mut *decoder("yolov8", &shape), &shape, &values, &params);
        found.iter().map(|d| d.class_id).collect::<Vec<_>>()
    };
    let only = |id: &str| ClassFilter::parse(id, &Default::default(), Some(2)).unwrap();
    assert_eq!(classes(DecodeParams::default()), [0, 1]);
    assert_eq!(classes(DecodeParams { iou: 0.9, ..Default::default() }), [0, 0, 1]);
    assert_eq!(classes(DecodeParams { max_detections: 1, ..Default::default() }), [0]);
    assert_eq!(classes(DecodeParams { confidence: 0.75, ..Default::default() }), [0]);
    assert_eq!(classes(DecodeParams { classes: only("1"), ..Default::default() }), [1]);
}

#[test]
fn other_shapes_than_planned_are_errors() {
    for (family, planned) in [("yolov8", [1, 6, CELLS]), ("yolox", [1, CELLS, 6]), ("end-to-end", [1, 4, 6])]
    {
        let mut decoder = decoder(family, &planned);
        let values = [0.0; 7 * 44];
        let view = TensorView { name: "out", shape: &[1, 44, 7], data: TensorData::F32(&values) };
        let mut out = Found::default();
        let error = decoder.decode(&[view], &DecodeParams::default(), &mut out).unwrap_err();
        assert!(matches!(error, DecodeError::Shape { .. }), "{family}: {error}");
    }
    // The fields are right, but 44 predictions are on no grid.
    let view = TensorView { name: "out", shape: &[1, 44, 6], data: TensorData::F32(&[0.0; 44 * 6]) };
    let error = decoder("yolox", &[1, CELLS, 6]).check(&[view]).unwrap_err();
    assert!(error.to_string().contains("64x32"), "{error}");
}

#[test]
fn a_dry_run_tells_what_cannot_be() {
    let check = |family: &str, shape: [usize; 3], given: &[f32]| {
        let values = rows(shape[1], shape[2], &[(0, given)]);
        let view = TensorView { name: "out", shape: &shape, data: TensorData::F32(&values) };
        decoder(family, &shape).check(&[view]).map_err(|e| e.to_string())
    };
    let cells = [1, CELLS, 6];
    assert_eq!(check("yolox", cells, &[0.5, -3.0, 1.0, 2.0, 0.9, 1.0]), Ok(()));
    let decoded = check("yolox", cells, &[60.0, 16.0, 8.0, 8.0, 0.9, 1.0]);
    assert!(decoded.unwrap_err().contains("yolox-decoded"));
    assert!(check("yolox-decoded", cells, &[0.5, -3.0, 1.0, 2.0, 0.9, 1.0]).is_err());
    assert_eq!(check("yolov8", cells, &[60.0, 16.0, 8.0, 8.0, 0.9, 1.0]), Ok(()));
    assert!(check("yolov8", cells, &[0.9, 0.5, 0.1, 0.1, 0.9, 1.0]).unwrap_err().contains("not in pixels"));
    assert!(check("yolov8", cells, &[60.0, 16.0, 8.0, 8.0, 3.5, 1.0]).unwrap_err().contains("score of 3.5"));
    assert_eq!(check("yolov8", cells, &[f32::NAN; 6]), Ok(()));
    assert_eq!(check("end-to-end", [1, 4, 6], &[1.0, 1.0, 60.0, 9.0, 0.9, 2.0]), Ok(()));
    assert!(check("end-to-end", [1, 4, 6], &[0.1, 0.1, 0.9, 0.9, 0.9, 2.0]).unwrap_err().contains("units"));
    assert!(check("end-to-end", [1, 4, 6], &[1.0, 1.0, 60.0, 9.0, 0.9, 2.5]).is_err());
}

/// The same decoding written for reading only.
fn naive(values: &[f32], fields: usize, objectness: bool, params: &DecodeParams) -> Vec<Detection> {
    let first = if objectness { 5 } else { 4 };
    let mut found: Vec<Detection> = Vec::new();
    for row in values.chunks_exact(fields) {
        let mut best = 0;
        for class in 0..fields - first {
            if row[first + class] > row[first + best] {
                best = class;
            }
        }
        let confidence = row[first + best] * if objectness { row[4] } else { 1.0 };
        let bbox = BBox::from_center(row[0], row[1], row[2], row[3]);
        if confidence >= params.confidence && bbox.is_valid() {
            found.push(Detection { bbox, confidence, class_id: best as i32 });
        }
    }
    nms(&mut found, params.iou, params.max_detections);
    found
}

fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32
    }
}

fn random_rows(seed: u64, count: usize, fields: usize) -> Vec<f32> {
    let mut random = noise(seed);
    let mut field = |i: usize| if i % fields < 4 { random() * 64.0 } else { random().powi(8) };
    (0..count * fields).map(&mut field).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn agrees_with_the_naive_decoder(seed: u64, classes in 1usize..90, confidence in 0.0f32..1.0) {
        let params = DecodeParams { confidence, ..Default::default() };
        // More cells than one block holds.
        let (fields, count) = (4 + classes, 2100);
        let values = random_rows(seed, count, fields);
        let expected = naive(&values, fields, false, &params);
        let shape = [1, count, fields];
        prop_assert_eq!(&decode(&mut dense(shape, false, false), &shape, &values, &params).0, &expected);
        let shape = [1, fields, count];
        let columns = transposed(&values, fields);
        prop_assert_eq!(&decode(&mut dense(shape, true, false), &shape, &columns, &params).0, &expected);
        let values = random_rows(seed, count, fields + 1);
        let shape = [1, count, fields + 1];
        let expected = naive(&values, fields + 1, true, &params);
        prop_assert_eq!(&decode(&mut dense(shape, false, true), &shape, &values, &params).0, &expected);
    }

}

proptest! {
    #[test]
    fn any_tensor_is_decoded_or_refused(
        bits in proptest::collection::vec(any::<u32>(), 0..300),
        shape in proptest::collection::vec(0usize..60, 0..4),
        confidence in any::<f32>(),
        iou in any::<f32>(),
    ) {
        let values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        let params = DecodeParams { confidence, iou, ..Default::default() };
        for (family, planned) in [("yolov5", [1, CELLS, 7]), ("yolov8", [1, 6, CELLS]), ("yolox", [1, CELLS, 7]),
            ("end-to-end", [1, 4, 6])] {
            let mut decoder = decoder(family, &planned);
            for shape in [&shape[..], &[1, CELLS, values.len() / CELLS], &[values.len() / 6, 6]] {
                let len = shape.iter().product::<usize>().min(values.len());
                let view = TensorView { name: "out", shape, data: TensorData::F32(&values[..len]) };
                let mut out = Found::default();
                let _ = decoder.decode(&[view], &params, &mut out);
                prop_assert!(out.items.iter().all(|d| d.bbox.is_valid()));
                let _ = decoder.check(&[view]);
            }
        }
    }
}

fn dense(shape: [usize; 3], columns: bool, objectness: bool) -> dense::Dense {
    use dense::{Axis, Coding, Dense, Layout};
    let (axis, fields) = if columns { (Axis::Columns, shape[1]) } else { (Axis::Rows, shape[2]) };
    let classes = fields - if objectness { 5 } else { 4 };
    Dense::new(0, Layout { axis, objectness, coding: Coding::Center, classes }, extra::Extra::None, SIZE)
}

type Output<'a> = (&'a str, &'a [usize], &'a [f32]);

fn facts(given: &[Output<'_>]) -> Vec<TensorFacts> {
    let facts = |(name, shape, _): &Output<'_>| TensorFacts {
        name: (*name).into(),
        element: ElementKind::F32,
        shape: shape.iter().copied().map(Some).collect(),
    };
    given.iter().map(facts).collect()
}

fn views<'a>(given: &[Output<'a>]) -> Vec<TensorView<'a>> {
    given
        .iter()
        .map(|(name, shape, values)| TensorView { name, shape, data: TensorData::F32(values) })
        .collect()
}

/// What the decoder of a family finds in several outputs, with all that it says of it.
fn found_all(
    outputs: &Outputs<'_>,
    family: &str,
    given: &[Output<'_>],
    params: &DecodeParams,
) -> (Found, DecodeReport) {
    let fit = Family::find(family).unwrap().fit;
    let mut decoder = fit(outputs).expect("it fits").decoder;
    let views = views(given);
    decoder.check(&views).unwrap();
    let mut out = Found::default();
    let report = decoder.decode(&views, params, &mut out).unwrap();
    // A tensor that is missing is an error, not a panic.
    assert!(decoder.decode(&views[1..], params, &mut Found::default()).is_err());
    (out, report)
}

/// The objects that the decoder of a family, which was not named, finds in several outputs.
fn found(
    family: &str,
    given: &[Output<'_>],
    size: (usize, usize),
    params: &DecodeParams,
) -> (Vec<Detection>, DecodeReport) {
    let tensors = facts(given);
    let (out, report) =
        found_all(&Outputs { named: false, ..outputs(&tensors, size) }, family, given, params);
    (out.items, report)
}

/// Logits of a distribution that lies on one number of cells.
fn side(cells: usize) -> [f32; 8] {
    std::array::from_fn(|bin| if bin == cells { 50.0 } else { 0.0 })
}

fn close(found: &[Detection], wanted: &[Detection]) {
    assert_eq!(found.len(), wanted.len(), "{found:?}");
    for (f, w) in found.iter().zip(wanted) {
        let edges = |b: &BBox| [b.x_min, b.y_min, b.x_max, b.y_max];
        let near = edges(&f.bbox).iter().zip(edges(&w.bbox)).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(
            near && f.class_id == w.class_id && (f.confidence - w.confidence).abs() < 1e-4,
            "{f:?} {w:?}"
        );
    }
}

#[test]
fn picodet_reads_distances_from_the_middle_of_cells() {
    // An input of 64x32 has cells of 8x4, 4x2, 2x1 and 1x1.
    let cells = [32, 8, 2, 1];
    let mut scores: Vec<Vec<f32>> = cells.iter().map(|n| vec![0.0; n * 2]).collect();
    let mut boxes: Vec<Vec<f32>> = cells.iter().map(|n| vec![0.0; n * 32]).collect();
    // The second column of the second row at stride 16: its middle is at 24, 24.
    scores[1][5 * 2 + 1] = 0.75;
    boxes[1][5 * 32..6 * 32].copy_from_slice(&[side(1), side(0), side(2), side(1)].concat());
    scores[0][0] = f32::NAN;
    let shapes: Vec<([usize; 3], [usize; 3])> = cells.iter().map(|n| ([1, *n, 2], [1, *n, 32])).collect();
    let mut outputs: Vec<(&str, &[usize], &[f32])> = Vec::new();
    for (shape, values) in shapes.iter().zip(&scores) {
        outputs.push(("scores", &shape.0, values));
    }
    for (shape, values) in shapes.iter().zip(&boxes) {
        outputs.push(("boxes", &shape.1, values));
    }
    let (found, report) = found("picodet", &outputs, SIZE, &DecodeParams::default());
    close(&found, &[detection([8.0, 24.0, 56.0, 40.0], 0.75, 1)]);
    assert_eq!(report.non_finite, 1);
}

#[test]
fn nanodet_reads_distances_from_the_corners_of_cells() {
    let all = 32 + 8 + 2 + 1;
    let row: Vec<f32> = [vec![0.1, 0.9, 0.2], [side(1), side(0), side(2), side(1)].concat()].concat();
    let values = rows(all, 35, &[(32 + 5, &row)]);
    let (found, _) = found("nanodet", &[("out", &[1, all, 35], &values)], SIZE, &DecodeParams::default());
    close(&found, &[detection([0.0, 16.0, 48.0, 32.0], 0.9, 1)]);
}

#[test]
fn ultraface_boxes_are_in_units_of_the_input() {
    let all = 32 * 3 + 8 * 2 + 2 * 2 + 3;
    let scores = rows(all, 2, &[(7, &[0.1, 0.9]), (8, &[0.2, 0.8]), (9, &[0.9, 0.1])]);
    let boxes = rows(all, 4, &[(7, &[0.25, 0.5, 0.5, 0.75]), (8, &[0.25, 0.5, 0.5, 0.74])]);
    let outputs: [(&str, &[usize], &[f32]); 2] =
        [("scores", &[1, all, 2], &scores), ("boxes", &[1, all, 4], &boxes)];
    let (found, _) = found("ultraface", &outputs, SIZE, &DecodeParams::default());
    close(&found, &[detection([16.0, 16.0, 32.0, 24.0], 0.9, 0)]);
}

#[test]
fn yunet_scores_are_the_mean_of_two() {
    let cells = [32, 8, 2];
    let values = |wide: usize| cells.map(|n| vec![0.0; n * wide]);
    let (mut class, mut object, mut boxes, points) = (values(1), values(1), values(4), values(10));
    (class[1][5], object[1][5]) = (0.81, 1.0);
    boxes[1][20..24].copy_from_slice(&[0.5, 0.25, 2.0f32.ln(), 0.0]);
    let shapes = [1, 4, 10].map(|wide| cells.map(|n| [1, n, wide]));
    let mut outputs: Vec<(&str, &[usize], &[f32])> = Vec::new();
    for (at, maps) in [(0, &class), (0, &object), (1, &boxes), (2, &points)] {
        for (shape, values) in shapes[at].iter().zip(maps) {
            outputs.push(("map", shape, values));
        }
    }
    let (found, _) = found("yunet", &outputs, SIZE, &DecodeParams::default());
    // The cell's corner is at 16, 16; the centre half and a quarter of 16 pixels further; 32 by 16 pixels.
    close(&found, &[detection([8.0, 12.0, 40.0, 28.0], 0.9, 0)]);
}

#[test]
fn detr_takes_the_best_class_of_each_query_and_suppresses_nothing() {
    let logits =
        rows(5, 6, &[(0, &[-9.0, 0.0, -9.0, -9.0, -9.0, -9.0]), (1, &[-9.0, 1.0, -9.0, 2.0, -9.0, -9.0])]);
    let logits: Vec<f32> = logits
        .chunks(6)
        .enumerate()
        .flat_map(|(i, row)| if i < 2 { row.to_vec() } else { vec![-9.0; 6] })
        .collect();
    let boxes = rows(5, 4, &[(0, &[0.5, 0.5, 0.5, 0.5]), (1, &[0.5, 0.5, 0.5, 0.5])]);
    let given: [Output<'_>; 2] = [("logits", &[1, 5, 6], &logits), ("pred_boxes", &[1, 5, 4], &boxes)];
    let (found, _) = found("detr", &given, SIZE, &DecodeParams::default());
    let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
    let bbox = [16.0, 8.0, 48.0, 24.0];
    close(&found, &[detection(bbox, sigmoid(2.0), 3), detection(bbox, 0.5, 1)]);
    let tensors = facts(&given);
    let others = FAMILIES.iter().filter(|f| f.name != "detr");
    for other in others {
        assert!(
            (other.fit)(&Outputs { named: false, ..outputs(&tensors, SIZE) }).is_none(),
            "{}",
            other.name
        );
    }
}
