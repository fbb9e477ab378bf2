//! Writing into the model's input tensor: its types, layouts and padding.

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::color::Mix;
use super::kernels::MixRow;
use super::{ElementType, PreprocessError, Rect, Spec, TensorLayout};

/// One image of an input tensor: channels x height x width elements in the order of the [`Spec`].
#[derive(Debug)]
pub enum TensorMut<'a> {
    /// 32-bit floats.
    F32(&'a mut [f32]),
    /// 16-bit floats.
    F16(&'a mut [f16]),
    /// Bytes.
    U8(&'a mut [u8]),
    /// Signed bytes.
    I8(&'a mut [i8]),
}

impl TensorMut<'_> {
    /// The type of the elements.
    pub fn element(&self) -> ElementType {
        match self {
            Self::F32(_) => ElementType::F32,
            Self::F16(_) => ElementType::F16,
            Self::U8(_) => ElementType::U8,
            Self::I8(_) => ElementType::I8,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::F32(t) => t.len(),
            Self::F16(t) => t.len(),
            Self::U8(t) => t.len(),
            Self::I8(t) => t.len(),
        }
    }

    pub(super) fn check(&self, spec: &Spec) -> Result<(), PreprocessError> {
        let (needed, got) = (spec.element, self.element());
        if needed != got {
            return Err(PreprocessError::Element { needed, got });
        }
        let (needed, got) = (spec.len(), self.len());
        if needed != got { Err(PreprocessError::Length { needed, got }) } else { Ok(()) }
    }
}

/// A type that tensors are made of.
trait Element: Copy {
    /// Converts `values` into `out`, which is as long.
    fn encode(values: &[f32], out: &mut [Self]);
}

impl Element for f32 {
    #[inline(always)]
    fn encode(values: &[f32], out: &mut [Self]) {
        out.copy_from_slice(values);
    }
}

impl Element for f16 {
    #[inline(always)]
    fn encode(values: &[f32], out: &mut [Self]) {
        out.convert_from_f32_slice(values);
    }
}

impl Element for u8 {
    #[inline(always)]
    fn encode(values: &[f32], out: &mut [Self]) {
        for (v, o) in values.iter().zip(out) {
            *o = v.round_ties_even() as Self;
        }
    }
}

impl Element for i8 {
    #[inline(always)]
    fn encode(values: &[f32], out: &mut [Self]) {
        for (v, o) in values.iter().zip(out) {
            *o = v.round_ties_even() as Self;
        }
    }
}

/// What one tensor holds around the picture. The default says that nothing is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Padding(Option<(Spec, Rect)>);

impl Padding {
    /// Writes the padding around `content`, unless the tensor holds it already.
    pub(super) fn fill(&mut self, spec: &Spec, content: Rect, tensor: &mut TensorMut<'_>) {
        if self.0 == Some((*spec, content)) {
            return;
        }
        match tensor {
            TensorMut::F32(t) => pad(spec, content, t),
            TensorMut::F16(t) => pad(spec, content, t),
            TensorMut::U8(t) => pad(spec, content, t),
            TensorMut::I8(t) => pad(spec, content, t),
        }
        self.0 = Some((*spec, content));
    }
}

fn pad<T: Element + Default>(spec: &Spec, content: Rect, tensor: &mut [T]) {
    let values: [f32; 3] = std::array::from_fn(|c| spec.normalise(c, spec.pad));
    let mut encoded = [T::default(); 3];
    T::encode(&values, &mut encoded);
    match spec.layout {
        TensorLayout::Nchw => {
            for (plane, value) in tensor.chunks_exact_mut(spec.width * spec.height).zip(encoded) {
                pad_plane(spec.width, content, &[value], plane);
            }
        }
        TensorLayout::Nhwc => pad_plane(spec.width, content, &encoded[..spec.color.channels()], tensor),
    }
}

fn pad_plane<T: Copy>(width: usize, content: Rect, pixel: &[T], plane: &mut [T]) {
    let (row, n) = (width * pixel.len(), pixel.len());
    let (above, rest) = plane.split_at_mut(content.y * row);
    let (beside, below) = rest.split_at_mut(content.height * row);
    fill(pixel, above);
    for row in beside.chunks_exact_mut(row) {
        fill(pixel, &mut row[..content.x * n]);
        fill(pixel, &mut row[(content.x + content.width) * n..]);
    }
    fill(pixel, below);
}

fn fill<T: Copy>(pixel: &[T], part: &mut [T]) {
    match pixel {
        [value] => part.fill(*value),
        [a, b, c] => part.as_chunks_mut::<3>().0.fill([*a, *b, *c]),
        _ => {}
    }
}

/// Mixes component rows into channels and stores them, with the rows in between that this takes.
#[derive(Debug, Default)]
pub(super) struct RowWriter {
    width: usize,
    channels: [Vec<f32>; 3],
    pixels: Vec<f32>,
}

impl RowWriter {
    /// Makes room for rows of `content`.
    pub(super) fn retarget(&mut self, spec: &Spec, content: Rect) {
        self.width = content.width;
        let channels = spec.color.channels();
        self.channels[..channels].iter_mut().for_each(|c| c.resize(self.width, 0.0));
        self.pixels.resize(self.width * channels, 0.0);
    }

    /// Writes one row of the picture; `at` is the column and row of its first pixel in the tensor.
    pub(super) fn write(
        &mut self,
        arch: pulp::Arch,
        spec: &Spec,
        mix: &Mix,
        rows: [&[f32]; 3],
        at: (usize, usize),
        tensor: &mut TensorMut<'_>,
    ) {
        if let (TensorMut::F32(tensor), TensorLayout::Nchw) = (&mut *tensor, spec.layout) {
            self.write_planes(arch, spec, mix, rows, at, tensor);
            return;
        }
        for (channel, row) in mix.channels().iter().zip(&mut self.channels) {
            arch.dispatch(MixRow { channel, rows, out: row });
        }
        match tensor {
            TensorMut::F32(t) => self.store(arch, spec, at, t),
            TensorMut::F16(t) => self.store(arch, spec, at, t),
            TensorMut::U8(t) => self.store(arch, spec, at, t),
            TensorMut::I8(t) => self.store(arch, spec, at, t),
        }
    }

    fn write_planes(
        &self,
        arch: pulp::Arch,
        spec: &Spec,
        mix: &Mix,
        rows: [&[f32]; 3],
        at: (usize, usize),
        tensor: &mut [f32],
    ) {
        let planes = tensor.chunks_exact_mut(spec.width * spec.height);
        for (channel, plane) in mix.channels().iter().zip(planes) {
            let out = &mut plane[at.1 * spec.width + at.0..][..self.width];
            arch.dispatch(MixRow { channel, rows, out });
        }
    }

    fn store<T: Element>(&mut self, arch: pulp::Arch, spec: &Spec, at: (usize, usize), tensor: &mut [T]) {
        let start = at.1 * spec.width + at.0;
        let channels = spec.color.channels();
        match spec.layout {
            TensorLayout::Nchw => {
                let planes = tensor.chunks_exact_mut(spec.width * spec.height);
                for (row, plane) in self.channels.iter().zip(planes) {
                    arch.dispatch(Encode { values: row, out: &mut plane[start..][..self.width] });
                }
            }
            TensorLayout::Nhwc => {
                arch.dispatch(Interleave { channels: &self.channels[..channels], out: &mut self.pixels });
                let out = &mut tensor[start * channels..][..self.width * channels];
                arch.dispatch(Encode { values: &self.pixels, out });
            }
        }
    }
}

struct Encode<'a, T> {
    values: &'a [f32],
    out: &'a mut [T],
}

impl<T: Element> pulp::WithSimd for Encode<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: pulp::Simd>(self, _: V) {
        T::encode(self.values, self.out);
    }
}

struct Interleave<'a> {
    channels: &'a [Vec<f32>],
    out: &'a mut [f32],
}

impl pulp::WithSimd for Interleave<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: pulp::Simd>(self, _: V) {
        let [r, g, b] = self.channels else { return self.out.copy_from_slice(&self.channels[0]) };
        for (((p, r), g), b) in self.out.as_chunks_mut::<3>().0.iter_mut().zip(r).zip(g).zip(b) {
            *p = [*r, *g, *b];
        }
    }
}
