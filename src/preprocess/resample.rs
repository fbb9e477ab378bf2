//! The components of a plane that share one sampling grid, resampled row by row.

use super::Rect;
use super::axis::{Columns, RowTap, Span, row_taps};
use super::kernels::{Blend, LANES, LerpRows, MAX_STRIDE, Resample, ResampleStrided, Split3, Widen};
use crate::image::{Frame, Layout, PixelFormat};

/// Where the samples of one to three components lie: interleaved in one plane, on one sampling grid.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sampling {
    plane: usize,
    /// Bytes from a sample to the next of the same component.
    step: usize,
    /// Bytes from the start of a row to the first sample of each component.
    offsets: [usize; 3],
    /// How many of the offsets count.
    components: usize,
    /// True when there is one sample for two columns.
    half_width: bool,
    /// True when there is one sample for two rows.
    half_height: bool,
}

impl Sampling {
    /// The groups of components of a format; together they count Y, U, V or R, G, B.
    pub(super) fn groups(format: PixelFormat) -> impl Iterator<Item = Self> {
        let luma = Self::full(0, 1, &[0]);
        let groups = match format.layout() {
            Layout::Packed { step, r, g, b, .. } => [Some(Self::full(0, step, &[r, g, b])), None, None],
            Layout::Packed422 => {
                let chroma = Self { half_width: true, ..Self::full(0, 4, &[1, 3]) };
                [Some(Self::full(0, 2, &[0])), Some(chroma), None]
            }
            Layout::Planar420 { u, v } => {
                [Some(luma), Some(Self::quarter(u, 1, &[0])), Some(Self::quarter(v, 1, &[0]))]
            }
            Layout::SemiPlanar420 { u, v } => [Some(luma), Some(Self::quarter(1, 2, &[u, v])), None],
            Layout::Gray => [Some(luma), None, None],
        };
        groups.into_iter().flatten()
    }

    fn full(plane: usize, step: usize, offsets: &[usize]) -> Self {
        let at = std::array::from_fn(|i| offsets.get(i).copied().unwrap_or(0));
        Self { plane, step, offsets: at, components: offsets.len(), half_width: false, half_height: false }
    }

    fn quarter(plane: usize, step: usize, offsets: &[usize]) -> Self {
        Self { half_width: true, half_height: true, ..Self::full(plane, step, offsets) }
    }
}

/// The rows of one component.
#[derive(Debug, Default)]
struct Component {
    /// Vertically blended samples, with the border repeated.
    working: Vec<i16>,
    /// The output row, with some samples more than there are output columns.
    out: Vec<f32>,
    /// As `out`, each made from one source row and kept because enlarging needs it again.
    kept: [Vec<f32>; 2],
}

impl Component {
    fn allocate(&mut self, samples: usize, outputs: usize) {
        self.working.resize(samples.max(outputs * MAX_STRIDE) + 1, 0);
        self.out.resize(outputs, 0.0);
        self.kept.iter_mut().for_each(|row| row.resize(outputs, 0.0));
    }
}

/// Resamples one group of components. Made empty; [`retarget`](Self::retarget) before use.
#[derive(Debug, Default)]
pub(super) struct Resampler {
    sampling: Sampling,
    /// Samples of a component in a source row.
    width: usize,
    columns: Columns,
    rows: Vec<RowTap>,
    /// True when there are more output than source rows: then source rows are resampled horizontally first,
    /// each once, and blended vertically after.
    enlarges: bool,
    /// The source row in each slot of [`Component::kept`].
    kept: [Option<usize>; 2],
    interleaved: Vec<i16>,
    components: Vec<Component>,
}

impl Resampler {
    /// Computes the tables for a group of frames of `size`, from the pixel positions `x` and `y`.
    pub(super) fn retarget(
        &mut self,
        sampling: Sampling,
        size: (usize, usize),
        chroma_cosited: bool,
        x: Span,
        y: Span,
        content: Rect,
    ) {
        self.sampling = sampling;
        let (mut x, mut y, (mut width, mut height)) = (x, y, size);
        if sampling.half_width {
            x = if chroma_cosited { x.halved_cosited() } else { x.halved_centred() };
            width = width.div_ceil(2);
        }
        if sampling.half_height {
            y = y.halved_centred();
            height = height.div_ceil(2);
        }
        self.width = width;
        self.columns.retarget(x, content.width, width);
        row_taps(y, content.height, height, &mut self.rows);
        self.enlarges = content.height > height;
        let (samples, outputs) = (self.columns.count, content.width.next_multiple_of(LANES));
        self.interleaved.resize(3 * samples, 0);
        self.components.resize_with(sampling.components, Component::default);
        self.components.iter_mut().for_each(|c| c.allocate(samples, outputs));
    }

    /// Forgets the rows of the last frame.
    pub(super) fn begin_frame(&mut self) {
        self.kept = [None; 2];
    }

    /// Computes output row `y`.
    pub(super) fn advance(&mut self, arch: pulp::Arch, frame: &Frame<'_>, y: usize) {
        let tap = self.rows[y];
        if !self.enlarges {
            self.load(arch, frame, tap);
            self.components.iter_mut().for_each(|c| resample(arch, &self.columns, &c.working, &mut c.out));
            return;
        }
        self.keep(arch, frame, tap.top);
        self.keep(arch, frame, tap.bottom);
        for Component { kept, out, .. } in &mut self.components {
            let (top, bottom) = (&kept[tap.top % 2], &kept[tap.bottom % 2]);
            arch.dispatch(LerpRows { top, bottom, frac: tap.frac, out });
        }
    }

    /// The rows that [`advance`](Self::advance) computed, one a component, in units of
    /// [`UNIT`](super::kernels::UNIT). They may be longer than there are output columns.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.components.iter().map(|c| c.out.as_slice())
    }

    /// Neighbouring rows have slots of different parity, so the two rows of a tap never displace each other.
    fn keep(&mut self, arch: pulp::Arch, frame: &Frame<'_>, source: usize) {
        let slot = source % 2;
        if self.kept[slot] == Some(source) {
            return;
        }
        self.load(arch, frame, RowTap { top: source, bottom: source, frac: 0.0 });
        for Component { working, kept, .. } in &mut self.components {
            resample(arch, &self.columns, working, &mut kept[slot]);
        }
        self.kept[slot] = Some(source);
    }

    /// Fills the working rows with the vertically blended samples that the columns need.
    fn load(&mut self, arch: pulp::Arch, frame: &Frame<'_>, tap: RowTap) {
        let Columns { first, count, .. } = self.columns;
        let (start, end) = (first.max(0) as usize, self.width.min((first + count as isize) as usize));
        let at = (start as isize - first) as usize;
        let inside = at..at + end - start;
        let Sampling { plane, step, offsets, .. } = self.sampling;
        let bytes = |row: usize| &frame.row(plane, row)[start * step..end * step];
        let (top, bottom) = (bytes(tap.top), bytes(tap.bottom));
        if step == 3 {
            blend::<1, 0>(arch, top, bottom, tap.frac, &mut self.interleaved);
            self.split(arch, inside.clone());
        } else {
            for (c, offset) in self.components.iter_mut().zip(offsets) {
                blend_component(
                    arch,
                    [top, bottom],
                    (step, offset),
                    tap.frac,
                    &mut c.working[inside.clone()],
                );
            }
        }
        self.components.iter_mut().for_each(|c| repeat_border(&mut c.working, inside.clone()));
    }

    /// Distributes the interleaved samples of three components, which is cheaper after blending than before.
    fn split(&mut self, arch: pulp::Arch, inside: std::ops::Range<usize>) {
        let row = &self.interleaved.as_chunks::<3>().0[..inside.len()];
        let Some(components) = self.components.first_chunk_mut::<3>() else { return };
        let mut out = components.each_mut().map(|c| &mut c.working[inside.clone()]);
        if self.sampling.offsets[0] == 2 {
            out.reverse();
        }
        arch.dispatch(Split3 { row, out });
    }
}

/// Repeats the samples at both ends of `inside` one step outwards.
fn repeat_border(working: &mut [i16], inside: std::ops::Range<usize>) {
    if inside.start > 0 {
        working[inside.start - 1] = working[inside.start];
    }
    working[inside.end] = working[inside.end - 1];
}

fn blend_component(
    arch: pulp::Arch,
    [top, bottom]: [&[u8]; 2],
    step_and_offset: (usize, usize),
    frac: f32,
    out: &mut [i16],
) {
    let blend = match step_and_offset {
        (1, _) => blend::<1, 0>,
        (2, 0) => blend::<2, 0>,
        (2, _) => blend::<2, 1>,
        (_, 0) => blend::<4, 0>,
        (_, 1) => blend::<4, 1>,
        (_, 2) => blend::<4, 2>,
        (_, _) => blend::<4, 3>,
    };
    blend(arch, top, bottom, frac, out);
}

fn blend<const S: usize, const O: usize>(
    arch: pulp::Arch,
    top: &[u8],
    bottom: &[u8],
    frac: f32,
    out: &mut [i16],
) {
    let (top, bottom) = (top.as_chunks::<S>().0, bottom.as_chunks::<S>().0);
    if frac < 1.0 / 65536.0 {
        arch.dispatch(Widen::<S, O> { row: top, out });
    } else {
        arch.dispatch(Blend::<S, O> { top, bottom, frac, out });
    }
}

fn resample(arch: pulp::Arch, columns: &Columns, row: &[i16], out: &mut [f32]) {
    let (index, frac) = (&columns.index, &columns.frac);
    match columns.stride {
        Some(stride) => arch.dispatch(ResampleStrided { row, stride, frac: frac[0], out }),
        None => arch.dispatch(Resample { row, index, frac, out }),
    }
}
