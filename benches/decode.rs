//! Decoding and suppression of the common heads, and the allocations that it takes.
//!
//! The tensors are those of a street: most cells see nothing, some hundred are candidates for twenty objects.

mod counting;

use std::time::Instant;

use gstnvperception::detection::Found;
use gstnvperception::model::{
    DecodeParams, ElementKind, Facts, Hints, TensorData, TensorFacts, TensorView, understand,
};

const CELLS: usize = 8400;
const RUNS: usize = 400;

fn tensor(name: &str, shape: &[usize]) -> TensorFacts {
    let shape = shape.iter().copied().map(Some).collect();
    TensorFacts { name: name.into(), element: ElementKind::F32, shape }
}

/// Columns of one prediction each: twenty objects that some neighbouring cells see.
fn street(fields: usize, classes: usize) -> Vec<f32> {
    let mut values = vec![0.0; fields * CELLS];
    let mut noise = 1u32;
    let mut random = move || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 8) as f32 / (1 << 24) as f32
    };
    for cell in 0..CELLS {
        let object = cell / 53 % 20;
        let sees = cell % 53 < 2;
        let (x, y) = (30.0 + 29.0 * object as f32 + 4.0 * random(), 320.0 + 8.0 * random());
        for (field, value) in [x, y, 40.0, 90.0].into_iter().enumerate() {
            values[field * CELLS + cell] = value;
        }
        for class in 0..classes {
            let score =
                if sees && class == object % classes { 0.4 + 0.5 * random() } else { 0.05 * random() };
            values[(4 + class) * CELLS + cell] = score;
        }
    }
    values
}

fn main() {
    println!("| head | outputs | found | median us | p95 us | allocations |\n|---|---|---|---|---|---|");
    for (head, task, extra, masks) in [
        ("yolov8", "detect", 0, false),
        ("yolov8-pose", "pose", 51, false),
        ("yolov8-segment", "segment", 32, true),
    ] {
        let classes = if task == "pose" { 1 } else { 80 };
        let fields = 4 + classes + extra;
        let mut facts = Facts {
            inputs: vec![tensor("images", &[1, 3, 640, 640])],
            outputs: vec![tensor("output0", &[1, fields, CELLS])],
            ..Facts::default()
        };
        facts.metadata.insert("task".into(), task.into());
        if masks {
            facts.outputs.push(tensor("output1", &[1, 32, 160, 160]));
        }
        let mut plan = understand(&facts, &Hints::default(), None).expect("a known head");
        assert_eq!(plan.family.name, head);
        let values = street(fields, classes);
        let prototypes = vec![0.1; 32 * 160 * 160];
        let shape = [1, fields, CELLS];
        let mut views = vec![TensorView { name: "output0", shape: &shape, data: TensorData::F32(&values) }];
        if masks {
            views.push(TensorView {
                name: "output1",
                shape: &[1, 32, 160, 160],
                data: TensorData::F32(&prototypes),
            });
        }
        let (params, mut found) = (DecodeParams::default(), Found::default());
        plan.decoder.decode(&views, &params, &mut found).expect("the planned shapes");
        let mut times = Vec::with_capacity(RUNS);
        let before = counting::allocations();
        for _ in 0..RUNS {
            let start = Instant::now();
            plan.decoder.decode(&views, &params, &mut found).expect("the planned shapes");
            times.push(start.elapsed().as_nanos() as f64 / 1000.0);
        }
        let allocations = counting::allocations() - before;
        times.sort_by(f64::total_cmp);
        println!(
            "| {head} | 1x{fields}x{CELLS}{} | {} | {:.1} | {:.1} | {allocations} |",
            if masks { ", 1x32x160x160" } else { "" },
            found.items.len(),
            times[RUNS / 2],
            times[RUNS * 95 / 100],
        );
    }
}
