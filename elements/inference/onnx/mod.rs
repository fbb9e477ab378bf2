//! The ONNX Runtime backend: the only place that names it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use half::f16;
use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::value::{Tensor, TensorElementType, ValueType};

use crate::model::{ElementKind, Facts, TensorData, TensorFacts, TensorView};
use crate::preprocess::{ElementType, TensorMut};

mod ffi;
mod locate;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvponnx", gst::DebugColorFlags::empty(), Some("ONNX Runtime's own log"))
});

/// The execution provider that runs the models.
pub(super) const PROVIDER: &str = "CPUExecutionProvider";

/// The process's ONNX Runtime. Once loaded it stays: its environment must outlive every session.
#[derive(Clone)]
pub(super) struct Runtime {
    environment: Environment,
    path: PathBuf,
    pub(super) version: Arc<str>,
}

static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// The runtime in force, or the first that is found: see the element's page for where.
    pub(super) fn get(property: Option<&Path>, plugin_dir: Option<&Path>) -> Result<Self, String> {
        let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*runtime {
            return runtime.serves(property).map(|()| runtime.clone());
        }
        let surroundings = locate::Surroundings::of_process(
            property.map(Path::to_path_buf),
            plugin_dir.map(Path::to_path_buf),
        );
        let found = locate::find(&surroundings)?;
        let loaded = Self::load(&found)
            .map_err(|e| format!("ONNX Runtime {} cannot be used: {e}", found.path.display()))?;
        gst::info!(CAT, "ONNX Runtime {} from {}", found.version, found.path.display());
        Ok(runtime.insert(loaded).clone())
    }

    fn load(found: &locate::Found) -> Result<Self, String> {
        let builder = ort::init_from(&found.path).map_err(|e| e.to_string())?;
        let environment = builder
            .with_name("nvperception")
            .with_telemetry(false)
            .with_logger(Arc::new(log))
            .build()
            .map_err(|e| e.to_string())?;
        Ok(Self { environment, path: found.path.clone(), version: found.version.as_str().into() })
    }

    fn serves(&self, asked: Option<&Path>) -> Result<(), String> {
        let real = |p: &Path| p.canonicalize().unwrap_or_else(|_| p.to_path_buf());
        match asked.map(locate::resolve) {
            Some(asked) if real(&asked) != real(&self.path) => Err(format!(
                "property onnxruntime asks for {}, but this process already uses {} (version {}) and can hold \
                 only one ONNX Runtime. Set the same path on every nvpinference, or run them in two processes",
                asked.display(),
                self.path.display(),
                self.version
            )),
            _ => Ok(()),
        }
    }
}

fn log(level: LogLevel, category: &str, id: &str, place: &str, message: &str) {
    match level {
        LogLevel::Verbose => gst::trace!(CAT, "{category} {id} {place}: {message}"),
        LogLevel::Info => gst::debug!(CAT, "{category} {id} {place}: {message}"),
        LogLevel::Warning => gst::info!(CAT, "{category} {id} {place}: {message}"),
        LogLevel::Error | LogLevel::Fatal => gst::warning!(CAT, "{category} {id} {place}: {message}"),
    }
}

enum Input {
    F32(Tensor<f32>),
    F16(Tensor<f16>),
    U8(Tensor<u8>),
}

impl Input {
    fn clear(&mut self) {
        match self {
            Self::F32(tensor) => tensor.extract_tensor_mut().1.fill(0.0),
            Self::F16(tensor) => tensor.extract_tensor_mut().1.fill(f16::ZERO),
            Self::U8(tensor) => tensor.extract_tensor_mut().1.fill(0),
        }
    }
}

/// Outputs beyond this many are not shown to decoders: no detector has half of them.
const MAX_OUTPUTS: usize = 16;
const MAX_RANK: usize = 8;
const NOTHING: TensorView<'static> = TensorView { name: "", shape: &[], data: TensorData::F32(&[]) };

/// A loaded model with its input tensor, which is made once.
pub(super) struct Session {
    session: ort::session::Session,
    input: Option<Input>,
}

impl Session {
    /// Loads a model from its bytes, or without them from its file. `threads` is what one run may use, 0 for one
    /// a core.
    pub(super) fn open(
        runtime: &Runtime,
        path: &Path,
        bytes: Option<&[u8]>,
        threads: u32,
    ) -> Result<Self, String> {
        let build = || -> ort::Result<ort::session::Session> {
            let mut builder = ort::session::Session::builder(&runtime.environment)?;
            if threads > 0 {
                builder = builder.with_intra_threads(threads as usize)?;
            }
            match bytes {
                Some(bytes) => builder.commit_from_memory(bytes),
                None => builder.commit_from_file(path),
            }
        };
        Ok(Self { session: build().map_err(|e| e.message().to_owned())?, input: None })
    }

    /// What the file says of itself.
    pub(super) fn facts(&self) -> Facts {
        let describe = |outlet: &ort::value::Outlet| TensorFacts {
            name: outlet.name().to_owned(),
            element: element_kind(outlet.dtype()),
            shape: outlet
                .dtype()
                .tensor_shape()
                .map_or_else(Vec::new, |shape| shape.iter().map(|d| usize::try_from(*d).ok()).collect()),
        };
        let mut metadata = std::collections::BTreeMap::new();
        if let Ok(model) = self.session.metadata() {
            for key in model.custom_keys().unwrap_or_default() {
                if let Some(value) = model.custom(&key) {
                    metadata.insert(key, value);
                }
            }
        }
        Facts {
            inputs: self.session.inputs().iter().map(describe).collect(),
            outputs: self.session.outputs().iter().map(describe).collect(),
            metadata,
        }
    }

    /// Makes the input tensor, filled with zeros.
    ///
    /// # Errors
    /// ONNX Runtime's, when there is no memory for it.
    pub(super) fn allocate(&mut self, shape: [usize; 4], element: ElementType) -> Result<(), String> {
        let allocator = self.session.allocator();
        let mut input = match element {
            ElementType::F32 => Tensor::<f32>::new(allocator, shape).map(Input::F32),
            ElementType::F16 => Tensor::<f16>::new(allocator, shape).map(Input::F16),
            ElementType::U8 => Tensor::<u8>::new(allocator, shape).map(Input::U8),
        }
        .map_err(|e| e.message().to_owned())?;
        input.clear();
        self.input = Some(input);
        Ok(())
    }

    /// The input tensor, to be filled before [`Session::run`]; `None` before [`Session::allocate`].
    pub(super) fn input(&mut self) -> Option<TensorMut<'_>> {
        Some(match self.input.as_mut()? {
            Input::F32(tensor) => TensorMut::F32(tensor.extract_tensor_mut().1),
            Input::F16(tensor) => TensorMut::F16(tensor.extract_tensor_mut().1),
            Input::U8(tensor) => TensorMut::U8(tensor.extract_tensor_mut().1),
        })
    }

    /// Runs the model on the input tensor and shows its outputs, in their order, to `read`.
    ///
    /// # Errors
    /// ONNX Runtime's, and outputs that are no tensors.
    pub(super) fn run<R>(&mut self, read: impl FnOnce(&[TensorView<'_>]) -> R) -> Result<R, String> {
        let inputs = match self.input.as_ref().ok_or("the input tensor is missing")? {
            Input::F32(tensor) => ort::inputs![tensor],
            Input::F16(tensor) => ort::inputs![tensor],
            Input::U8(tensor) => ort::inputs![tensor],
        };
        let outputs = self.session.run(inputs).map_err(|e| e.message().to_owned())?;
        let mut shapes = [[0; MAX_RANK]; MAX_OUTPUTS];
        let mut views = [NOTHING; MAX_OUTPUTS];
        let count = outputs.len().min(MAX_OUTPUTS);
        for (i, (name, (view, shape))) in outputs.keys().zip(views.iter_mut().zip(&mut shapes)).enumerate() {
            *view = look(name, &outputs[i], shape)?;
        }
        Ok(read(&views[..count]))
    }
}

/// A view of one output; its dimensions go to `shape`. Elements that no decoder reads look like none.
fn look<'v>(
    name: &'v str,
    value: &'v ort::value::DynValue,
    shape: &'v mut [usize; MAX_RANK],
) -> Result<TensorView<'v>, String> {
    let dims = value.dtype().tensor_shape().ok_or_else(|| format!("output {name} is not a tensor"))?;
    if dims.len() > MAX_RANK {
        return Err(format!("output {name} has {} dimensions, more than {MAX_RANK}", dims.len()));
    }
    for (to, dim) in shape.iter_mut().zip(dims.iter()) {
        *to = usize::try_from(*dim).unwrap_or(0);
    }
    let failed = |e: ort::Error| e.message().to_owned();
    let data = match value.dtype().tensor_type() {
        Some(TensorElementType::Float32) => {
            TensorData::F32(value.try_extract_tensor::<f32>().map_err(failed)?.1)
        }
        Some(TensorElementType::Float16) => {
            TensorData::F16(value.try_extract_tensor::<f16>().map_err(failed)?.1)
        }
        _ => TensorData::F32(&[]),
    };
    Ok(TensorView { name, shape: &shape[..dims.len()], data })
}

fn element_kind(dtype: &ValueType) -> ElementKind {
    match dtype.tensor_type() {
        Some(TensorElementType::Float32) => ElementKind::F32,
        Some(TensorElementType::Float16) => ElementKind::F16,
        Some(TensorElementType::Uint8) => ElementKind::U8,
        Some(TensorElementType::Int8) => ElementKind::I8,
        Some(TensorElementType::Int64) => ElementKind::I64,
        Some(TensorElementType::Int32) => ElementKind::I32,
        Some(other) => ElementKind::Other(other.to_string()),
        None => ElementKind::Other("not a tensor".to_owned()),
    }
}
