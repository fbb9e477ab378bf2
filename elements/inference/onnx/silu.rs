//! SiLU in place of ONNX Runtime's own, which takes up to a quarter of a small YOLO's time on a CPU.
//!
//! Where a graph has `x * Sigmoid(x)`, ONNX Runtime makes it one node `QuickGelu` of the domain `com.microsoft`, wherever the
//! blocked layout of convolutions is kept. A custom operator of that name takes the place of the one built in; nothing else
//! about the graph changes. A session asks registered operators only when its model imports their domain, so that import is
//! added to the model's bytes: in protobuf, repeated fields go on where one leaves off.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput,
};
use ort::value::TensorElementType;

use crate::silu::silu;

/// `opset_import { domain: "com.microsoft", version: 1 }` of a `ModelProto`.
const IMPORT: [u8; 19] = *b"\x42\x11\x0a\x0dcom.microsoft\x10\x01";
const DOMAIN: &str = "com.microsoft";
/// What models have that end up with the operator.
const SOURCES: [&[u8]; 2] = [b"Sigmoid", b"QuickGelu"];
/// What models have that keep numbers in other files, which are found from where the model lies only.
const OUTSIDE: &[u8] = b"location";
/// Larger files are not read into memory.
const MOST_BYTES: u64 = 256 << 20;
/// Fewer numbers than this are not worth a second thread.
const BLOCK: usize = 16 << 10;
/// ONNX's default for the attribute.
const ALPHA: f32 = 1.702;

/// A model's bytes with the import, when that is of use on this machine.
pub(super) fn prepared(path: &Path, bytes: Option<&[u8]>) -> Option<Vec<u8>> {
    if !fast() {
        return None;
    }
    let mut model = match bytes {
        Some(bytes) => bytes.to_vec(),
        None => {
            let small = std::fs::metadata(path).ok()?.len() <= MOST_BYTES;
            small.then(|| std::fs::read(path).ok()).flatten()?
        }
    };
    let has = |name: &[u8]| model.windows(name.len()).any(|part| part == name);
    if !SOURCES.into_iter().any(has) || has(OUTSIDE) {
        return None;
    }
    model.extend(IMPORT);
    Some(model)
}

/// Whether ours is known to be the faster one: ONNX Runtime goes over the numbers twice but for AVX-512.
fn fast() -> bool {
    #[cfg(target_arch = "x86_64")]
    let fast = std::is_x86_feature_detected!("avx2")
        && std::is_x86_feature_detected!("fma")
        && !std::is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    let fast = false;
    fast
}

/// The operator, for sessions that run with so many threads (0 for one a core).
pub(super) fn domain(threads: u32) -> ort::Result<OperatorDomain> {
    OperatorDomain::new(DOMAIN)?.add(Silu { threaded: threads != 1 })
}

struct Silu {
    threaded: bool,
}

struct Run {
    arch: pulp::Arch,
    scale: f32,
    threaded: bool,
}

impl Operator for Silu {
    type Kernel<'a> = Run;

    fn name(&self) -> &str {
        "QuickGelu"
    }

    fn versions(&self) -> std::ops::RangeInclusive<u32> {
        1..=1
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [OperatorInput::required(TensorElementType::Float32)]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'a>(&self, context: &KernelContext<'a>) -> ort::Result<Run> {
        let scale = context.get::<f32>("alpha").unwrap_or(ALPHA);
        Ok(Run { arch: pulp::Arch::new(), scale, threaded: self.threaded })
    }
}

impl Kernel for Run {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let missing = |what| ort::Error::new(format!("SiLU has no {what}"));
        let input = context.input(0)?.ok_or_else(|| missing("input"))?;
        let (shape, from) = input.try_extract_tensor::<f32>()?;
        let mut output = context.output(0, shape.clone())?.ok_or_else(|| missing("output"))?;
        let (_, to) = output.try_extract_tensor_mut::<f32>()?;
        let Self { arch, scale, threaded } = *self;
        if !threaded || from.len() <= BLOCK {
            silu(arch, scale, from, to);
            return Ok(());
        }
        let blocks = Mutex::new(from.chunks(BLOCK).zip(to.chunks_mut(BLOCK)));
        context.par_for(from.len().div_ceil(BLOCK), 0, |_| {
            let block = blocks.lock().unwrap_or_else(PoisonError::into_inner).next();
            if let Some((from, to)) = block {
                silu(arch, scale, from, to);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elements::inference::onnx::{Choice, Precision, Provider, Runtime, Session};
    use crate::model::{Hints, TensorData, input};
    use crate::preprocess::TensorMut;

    const COUNT: usize = 3 * 64 * 96;

    /// What a model of the test data makes of numbers from -100 to 100.
    fn run(model: &str, threads: u32) -> Vec<[f32; 2]> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models").join(model);
        let runtime = Runtime::get(None, None).unwrap();
        let choice = Choice { provider: Provider::Cpu, precision: Precision::Auto, threads };
        let mut session = Session::open(&runtime, &path, None, choice).unwrap();
        let wanted = input(&session.facts(), &Hints::default(), None).unwrap();
        session.allocate(&wanted, 1).unwrap();
        let Some(TensorMut::F32(place)) = session.place(0) else { panic!() };
        assert!(place.len() == COUNT && COUNT > BLOCK);
        place.iter_mut().enumerate().for_each(|(i, x)| *x = 200.0 * i as f32 / COUNT as f32 - 100.0);
        let from = place.to_vec();
        let read = |outputs: &crate::elements::inference::onnx::Outputs<'_>| {
            let TensorData::F32(to) = outputs.whole()[0].data else { panic!() };
            from.iter().zip(to).map(|(x, y)| [*x, *y]).collect()
        };
        session.run(1, read).unwrap()
    }

    /// ONNX Runtime's own gives nothing at all below -18.
    fn is_ours(results: &[[f32; 2]]) -> bool {
        results.iter().filter(|[x, _]| (-50.0..-20.0).contains(x)).all(|[_, y]| *y < -1e-25)
    }

    #[test]
    fn it_takes_the_place_of_the_one_built_in() {
        for threads in [1, 2, 0] {
            let results = run("silu.onnx", threads);
            for [x, y] in &results {
                let exact = f64::from(*x) / (1.0 + (-f64::from(*x)).exp());
                assert!((f64::from(*y) - exact).abs() <= 1e-5 * exact.abs() + 2e-6, "{x}: {y}, not {exact}");
            }
            assert_eq!(is_ours(&results), fast(), "{threads} threads");
        }
    }

    /// A node of another type, with which ONNX Runtime refuses ours, and numbers in files beside the model's.
    #[test]
    fn other_models_are_left_to_onnx_runtime() {
        assert!(!is_ours(&run("silu_outside.onnx", 1)));
        for model in ["silu_f16.onnx", "silu_outside.onnx"] {
            let results = run(model, 1);
            for [x, y] in &results {
                let exact = x / (1.0 + (-x).exp());
                assert!((y - exact).abs() <= 2e-3 * exact.abs() + 1e-3, "{model}, {x}: {y}, not {exact}");
            }
        }
    }

    #[test]
    fn the_import_goes_to_models_that_may_use_it() {
        let sigmoid = prepared(Path::new(""), Some(b"..Sigmoid.."));
        assert_eq!(sigmoid.map(|model| model.len()), fast().then_some(11 + IMPORT.len()));
        assert_eq!(prepared(Path::new(""), Some(b"..Relu..")), None);
        assert_eq!(prepared(Path::new("/there/is/none.onnx"), None), None);
        assert_eq!(usize::from(IMPORT[1]), IMPORT.len() - 2);
        assert_eq!(usize::from(IMPORT[3]), DOMAIN.len());
    }
}
