//! A loaded model: its input tensor, its runs and its outputs.

use std::path::Path;

use half::f16;
use ort::session::SessionInputValue;
use ort::value::{PrimitiveTensorElementType, Tensor, TensorElementType, TensorRef, ValueType};

use super::{CAT, Choice, Provider, Runtime, silu, take_last_error};
use crate::model::{ElementKind, Facts, Input, Quantization, TensorData, TensorFacts, TensorView};
use crate::preprocess::{ElementType, TensorMut};

/// Outputs beyond this many are not shown to decoders: no model has half of them.
const MAX_OUTPUTS: usize = 16;
const MAX_RANK: usize = 8;
const NOTHING: TensorView<'static> = TensorView { name: "", shape: &[], data: TensorData::F32(&[]) };

/// Room for `capacity` pictures.
enum Buffer {
    F32(Tensor<f32>),
    F16(Tensor<f16>),
    U8(Tensor<u8>),
    I8(Tensor<i8>),
}

/// The input tensor, which is made once.
struct InputTensor {
    buffer: Buffer,
    name: String,
    /// Dimensions of one picture, slowest first.
    shape: [usize; 3],
    rank: usize,
    /// The most pictures of a run, and all that a run with a fixed batch may have.
    capacity: usize,
    open_batch: bool,
    /// The second input that wants the size of each picture, and its values.
    sizes: Option<(String, Vec<i64>)>,
}

/// A loaded model with its input tensor.
pub(in super::super) struct Session {
    session: ort::session::Session,
    input: Option<InputTensor>,
    quantization: Vec<Option<Quantization>>,
}

fn message<R>(error: impl std::borrow::Borrow<ort::Error<R>>) -> String {
    error.borrow().message().to_owned()
}

impl Session {
    /// Loads a model from its bytes, or without them from its file.
    pub(in super::super) fn open(
        runtime: &Runtime,
        path: &Path,
        bytes: Option<&[u8]>,
        choice: Choice,
    ) -> Result<Self, String> {
        if let Some(session) = Self::open_with_silu(runtime, path, bytes, choice) {
            return Ok(session);
        }
        let build = || -> ort::Result<ort::session::Session> {
            let mut builder = Self::builder(runtime, choice)?;
            match bytes {
                Some(bytes) => builder.commit_from_memory(bytes),
                None => builder.commit_from_file(path),
            }
        };
        take_last_error();
        let session = build().map_err(|error| {
            let told = message(error);
            match take_last_error() {
                // The log's own words come after places in ONNX Runtime's source.
                Some(logged) if choice.provider != Provider::Cpu => {
                    format!("{told}: {}", logged.rsplit(" : ").next().unwrap_or(&logged).trim())
                }
                _ => told,
            }
        })?;
        Ok(Self::new(session))
    }

    /// Loads it with our SiLU, where that has a place in it; `None` where ONNX Runtime had better do without.
    fn open_with_silu(runtime: &Runtime, path: &Path, bytes: Option<&[u8]>, choice: Choice) -> Option<Self> {
        if choice.provider != Provider::Cpu {
            return None;
        }
        let model = silu::prepared(path, bytes)?;
        let build = || -> ort::Result<ort::session::Session> {
            let builder = Self::builder(runtime, choice)?;
            builder.with_operators(silu::domain(choice.threads)?)?.commit_from_memory(&model)
        };
        let refused = |e: &ort::Error| {
            gst::debug!(CAT, "{} is loaded without our SiLU: {}", path.display(), e.message());
        };
        build().inspect_err(refused).ok().map(Self::new)
    }

    fn builder(runtime: &Runtime, choice: Choice) -> ort::Result<ort::session::builder::SessionBuilder> {
        let mut builder = ort::session::Session::builder(&runtime.environment)?;
        if choice.threads > 0 {
            builder = builder.with_intra_threads(choice.threads as usize)?;
        }
        if let Some(provider) = choice.dispatch() {
            builder = builder.with_execution_providers([provider])?;
        }
        Ok(builder)
    }

    fn new(session: ort::session::Session) -> Self {
        Self { session, input: None, quantization: Vec::new() }
    }

    /// What the file says of itself.
    pub(in super::super) fn facts(&self) -> Facts {
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

    /// Makes the input tensor for up to `most` pictures a run, filled with zeros; a fixed batch has as many as it
    /// has.
    ///
    /// # Errors
    /// ONNX Runtime's, when there is no memory for it.
    pub(in super::super) fn allocate(&mut self, input: &Input, most: usize) -> Result<(), String> {
        let capacity = if input.open_batch { most.max(1) } else { input.batch };
        let shape = input.shape();
        let full = dimensions(input.rank, capacity, shape);
        let allocator = self.session.allocator();
        fn zeros<T: PrimitiveTensorElementType + Clone + Default + std::fmt::Debug + 'static>(
            allocator: &ort::memory::Allocator,
            full: &[usize],
        ) -> Result<Tensor<T>, String> {
            let mut tensor = Tensor::<T>::new(allocator, full.to_vec()).map_err(message)?;
            tensor.extract_tensor_mut().1.fill(T::default());
            Ok(tensor)
        }
        let buffer = match input.element {
            ElementType::F32 => Buffer::F32(zeros(allocator, &full)?),
            ElementType::F16 => Buffer::F16(zeros(allocator, &full)?),
            ElementType::U8 => Buffer::U8(zeros(allocator, &full)?),
            ElementType::I8 => Buffer::I8(zeros(allocator, &full)?),
        };
        let size = [input.width as i64, input.height as i64];
        let sizes = input.sizes.clone().map(|name| (name, size.repeat(capacity)));
        let (name, rank, open_batch) = (input.name.clone(), input.rank, input.open_batch);
        self.input = Some(InputTensor { buffer, name, shape, rank, capacity, open_batch, sizes });
        Ok(())
    }

    /// Says what the bytes of the outputs stand for.
    pub(in super::super) fn read_bytes_as(&mut self, quantization: Vec<Option<Quantization>>) {
        self.quantization = quantization;
    }

    /// The most pictures that a run takes.
    pub(in super::super) fn capacity(&self) -> usize {
        self.input.as_ref().map_or(0, |input| input.capacity)
    }

    /// The place of one picture, to be filled before [`Session::run`]; `None` beyond the last.
    pub(in super::super) fn place(&mut self, index: usize) -> Option<TensorMut<'_>> {
        let InputTensor { buffer, shape, .. } = self.input.as_mut()?;
        let len = shape.iter().product::<usize>();
        let range = index * len..(index + 1) * len;
        Some(match buffer {
            Buffer::F32(tensor) => TensorMut::F32(tensor.extract_tensor_mut().1.get_mut(range)?),
            Buffer::F16(tensor) => TensorMut::F16(tensor.extract_tensor_mut().1.get_mut(range)?),
            Buffer::U8(tensor) => TensorMut::U8(tensor.extract_tensor_mut().1.get_mut(range)?),
            Buffer::I8(tensor) => TensorMut::I8(tensor.extract_tensor_mut().1.get_mut(range)?),
        })
    }

    /// Runs the model on the first `pictures` places and shows its outputs to `read`.
    ///
    /// # Errors
    /// ONNX Runtime's, and outputs that are no tensors.
    pub(in super::super) fn run<R>(
        &mut self,
        pictures: usize,
        read: impl FnOnce(&Outputs<'_>) -> R,
    ) -> Result<R, String> {
        let input = self.input.as_ref().ok_or("the input tensor is missing")?;
        let batch = if input.open_batch { pictures.clamp(1, input.capacity) } else { input.capacity };
        let value = input.value(batch)?;
        let outputs = match &input.sizes {
            None => self.session.run([value]),
            Some((name, sizes)) => {
                let sizes = TensorRef::from_array_view(([batch, 2], &sizes[..2 * batch])).map_err(message)?;
                self.session.run(vec![(input.name.as_str(), value), (name.as_str(), sizes.into())])
            }
        }
        .map_err(message)?;
        let mut shapes = [[0; MAX_RANK]; MAX_OUTPUTS];
        let mut views = [NOTHING; MAX_OUTPUTS];
        let count = outputs.len().min(MAX_OUTPUTS);
        for (i, (name, (view, shape))) in outputs.keys().zip(views.iter_mut().zip(&mut shapes)).enumerate() {
            let quantization = self.quantization.get(i).copied().flatten().unwrap_or_default();
            *view = look(name, &outputs[i], shape, quantization)?;
        }
        Ok(read(&Outputs { views: &views[..count], batch }))
    }
}

impl InputTensor {
    /// The first `batch` pictures.
    fn value(&self, batch: usize) -> Result<SessionInputValue<'_>, String> {
        fn part<'t, T: PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static>(
            tensor: &'t Tensor<T>,
            shape: &[usize],
            full: bool,
        ) -> Result<SessionInputValue<'t>, String> {
            if full {
                return Ok(tensor.into());
            }
            let values = &tensor.extract_tensor().1[..shape.iter().product()];
            Ok(TensorRef::from_array_view((shape.to_vec(), values)).map_err(message)?.into())
        }
        let full = batch == self.capacity;
        let shape = if full { Vec::new() } else { dimensions(self.rank, batch, self.shape) };
        match &self.buffer {
            Buffer::F32(tensor) => part(tensor, &shape, full),
            Buffer::F16(tensor) => part(tensor, &shape, full),
            Buffer::U8(tensor) => part(tensor, &shape, full),
            Buffer::I8(tensor) => part(tensor, &shape, full),
        }
    }
}

fn dimensions(rank: usize, batch: usize, picture: [usize; 3]) -> Vec<usize> {
    let mut shape = if rank == 4 { vec![batch] } else { Vec::new() };
    shape.extend(picture);
    shape
}

/// The outputs of one run.
pub(in super::super) struct Outputs<'o> {
    views: &'o [TensorView<'o>],
    batch: usize,
}

impl Outputs<'_> {
    /// All pictures together, as the model gave them.
    pub(in super::super) fn whole(&self) -> &[TensorView<'_>] {
        self.views
    }

    /// Shows the outputs for one picture to `read`: the part of each tensor whose first dimension is the batch, and
    /// all of the others.
    pub(in super::super) fn of_picture<R>(
        &self,
        index: usize,
        read: impl FnOnce(&[TensorView<'_>]) -> R,
    ) -> R {
        if self.batch == 1 {
            return read(self.views);
        }
        let mut shapes = [[0; MAX_RANK]; MAX_OUTPUTS];
        let mut views = [NOTHING; MAX_OUTPUTS];
        for ((view, shape), from) in views.iter_mut().zip(&mut shapes).zip(self.views) {
            *view = *from;
            if let [batch, rest @ ..] = from.shape
                && *batch == self.batch
            {
                let len = from.data.len() / self.batch;
                shape[0] = 1;
                shape[1..=rest.len()].copy_from_slice(rest);
                *view = TensorView {
                    name: from.name,
                    shape: &shape[..=rest.len()],
                    data: from.data.part(index * len, len),
                };
            }
        }
        read(&views[..self.views.len()])
    }
}

/// A view of one output; its dimensions go to `shape`. Elements that no decoder reads look like none.
fn look<'v>(
    name: &'v str,
    value: &'v ort::value::DynValue,
    shape: &'v mut [usize; MAX_RANK],
    quantization: Quantization,
) -> Result<TensorView<'v>, String> {
    let dims = value.dtype().tensor_shape().ok_or_else(|| format!("output {name} is not a tensor"))?;
    if dims.len() > MAX_RANK {
        return Err(format!("output {name} has {} dimensions, more than {MAX_RANK}", dims.len()));
    }
    for (to, dim) in shape.iter_mut().zip(dims.iter()) {
        *to = usize::try_from(*dim).unwrap_or(0);
    }
    fn values<T: PrimitiveTensorElementType>(value: &ort::value::DynValue) -> Result<&[T], String> {
        value.try_extract_tensor::<T>().map(|(_, values)| values).map_err(message)
    }
    let data = match value.dtype().tensor_type() {
        Some(TensorElementType::Float32) => TensorData::F32(values(value)?),
        Some(TensorElementType::Float16) => TensorData::F16(values(value)?),
        Some(TensorElementType::Uint8) => TensorData::U8(values(value)?, quantization),
        Some(TensorElementType::Int8) => TensorData::I8(values(value)?, quantization),
        Some(TensorElementType::Int32) => TensorData::I32(values(value)?),
        Some(TensorElementType::Int64) => TensorData::I64(values(value)?),
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
