//! One component of a frame (Y, U, V, R, G or B), resampled row by row.

use super::Rect;
use super::axis::{Columns, RowTap, Span, row_taps};
use super::kernels::{self, LANES, MAX_STRIDE, UNIT};
use crate::image::{Frame, Layout, PixelFormat};

/// Where the samples of a component lie, and how far apart.
#[derive(Clone, Copy, Debug, Default)]
struct Samples {
    plane: usize,
    /// Bytes from a sample to the next.
    step: usize,
    /// Bytes from the start of a row to its first sample.
    offset: usize,
    /// True when there is one sample for two columns.
    half_width: bool,
    /// True when there is one sample for two rows.
    half_height: bool,
}

impl Samples {
    /// Component `i` of a format, counted as Y, U, V or R, G, B.
    fn of(format: PixelFormat, i: usize) -> Self {
        let full = |plane, step, offset| Self { plane, step, offset, ..Self::default() };
        let chroma = |plane, step, offset| Self {
            half_width: true,
            half_height: true,
            ..full(plane, step, offset)
        };
        match (format.layout(), i) {
            (Layout::Packed { step, r, g, b, .. }, i) => full(0, step, [r, g, b][i]),
            (Layout::Packed422, 0) => full(0, 2, 0),
            (Layout::Packed422, i) => Self { half_width: true, ..full(0, 4, 2 * i - 1) },
            (Layout::Planar420 { .. } | Layout::SemiPlanar420 { .. } | Layout::Gray, 0) => full(0, 1, 0),
            (Layout::Planar420 { u, v }, i) => chroma([u, v][i - 1], 1, 0),
            (Layout::SemiPlanar420 { u, v }, i) => chroma(1, 2, [u, v][i - 1]),
            (Layout::Gray, _) => full(0, 1, 0),
        }
    }
}

/// A row at output width that was made from one source row, kept because enlarging needs it again.
#[derive(Debug, Default)]
struct KeptRow {
    source: Option<usize>,
    row: Vec<f32>,
}

/// Resamples one component. Made empty; [`retarget`](Self::retarget) before use.
#[derive(Debug, Default)]
pub(super) struct Resampler {
    samples: Samples,
    /// Samples in a source row.
    width: usize,
    columns: Columns,
    rows: Vec<RowTap>,
    /// True when there are more output than source rows: then source rows are resampled horizontally first,
    /// each once, and blended vertically after.
    enlarges: bool,
    kept: [KeptRow; 2],
    working: Vec<i16>,
    out: Vec<f32>,
}

impl Resampler {
    /// Computes the tables for component `i` of frames of `size`, from the pixel positions `x` and `y`.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn retarget(
        &mut self,
        format: PixelFormat,
        i: usize,
        size: (usize, usize),
        chroma_cosited: bool,
        x: Span,
        y: Span,
        content: Rect,
    ) {
        self.samples = Samples::of(format, i);
        let (mut x, mut y, mut height) = (x, y, size.1);
        self.width = size.0;
        if self.samples.half_width {
            x = if chroma_cosited { x.halved_cosited() } else { x.halved_centred() };
            self.width = self.width.div_ceil(2);
        }
        if self.samples.half_height {
            y = y.halved_centred();
            height = height.div_ceil(2);
        }
        self.columns.retarget(x, content.width, self.width);
        row_taps(y, content.height, height, &mut self.rows);
        self.enlarges = content.height > height;
        self.allocate(content.width.next_multiple_of(LANES));
    }

    fn allocate(&mut self, outputs: usize) {
        self.working.resize(self.columns.count.max(outputs * MAX_STRIDE) + 1, 0);
        self.out.resize(outputs, 0.0);
        self.kept.iter_mut().for_each(|k| k.row.resize(outputs, 0.0));
    }

    /// Forgets the rows of the last frame.
    pub(super) fn begin_frame(&mut self) {
        self.kept.iter_mut().for_each(|k| k.source = None);
    }

    /// Computes output row `y`.
    pub(super) fn advance(&mut self, arch: pulp::Arch, frame: &Frame<'_>, y: usize) {
        let tap = self.rows[y];
        if self.enlarges {
            self.keep(arch, frame, tap.top);
            self.keep(arch, frame, tap.bottom);
            let (top, bottom) = (&self.kept[tap.top % 2].row, &self.kept[tap.bottom % 2].row);
            let out = &mut self.out;
            arch.dispatch(
                #[inline(always)]
                || kernels::lerp_rows(top, bottom, tap.frac, out),
            );
            return;
        }
        load(arch, frame, self.samples, &self.columns, self.width, tap, &mut self.working);
        resample(arch, &self.columns, &self.working, &mut self.out);
    }

    /// The row that [`advance`](Self::advance) computed, in units of [`UNIT`], with some samples more than
    /// there are output columns.
    pub(super) fn row(&self) -> &[f32] {
        &self.out
    }

    /// Neighbouring rows have slots of different parity, so the two rows of a tap never displace each other.
    fn keep(&mut self, arch: pulp::Arch, frame: &Frame<'_>, source: usize) {
        let slot = &mut self.kept[source % 2];
        if slot.source == Some(source) {
            return;
        }
        let tap = RowTap { top: source, bottom: source, frac: 0.0 };
        load(arch, frame, self.samples, &self.columns, self.width, tap, &mut self.working);
        resample(arch, &self.columns, &self.working, &mut slot.row);
        slot.source = Some(source);
    }
}

/// Fills the working row with the vertically blended samples that `columns` reads.
fn load(
    arch: pulp::Arch,
    frame: &Frame<'_>,
    samples: Samples,
    columns: &Columns,
    width: usize,
    tap: RowTap,
    working: &mut [i16],
) {
    let first = columns.first.max(0) as usize;
    let end = width.min((columns.first + columns.count as isize) as usize);
    let at = (first as isize - columns.first) as usize;
    let inside = &mut working[at..at + end - first];
    let (top, bottom) = (frame.row(samples.plane, tap.top), frame.row(samples.plane, tap.bottom));
    match samples.step {
        1 => blend::<1>(arch, top, bottom, first..end, samples.offset, tap.frac, inside),
        2 => blend::<2>(arch, top, bottom, first..end, samples.offset, tap.frac, inside),
        3 => blend::<3>(arch, top, bottom, first..end, samples.offset, tap.frac, inside),
        _ => blend::<4>(arch, top, bottom, first..end, samples.offset, tap.frac, inside),
    }
    repeat_border(working, at, at + end - first);
}

/// Repeats the samples at both ends of `start..end` one step outwards.
fn repeat_border(working: &mut [i16], start: usize, end: usize) {
    if start > 0 {
        working[start - 1] = working[start];
    }
    working[end] = working[end - 1];
}

fn blend<const S: usize>(
    arch: pulp::Arch,
    top: &[u8],
    bottom: &[u8],
    range: std::ops::Range<usize>,
    offset: usize,
    frac: f32,
    out: &mut [i16],
) {
    let (top, bottom) = (&top.as_chunks::<S>().0[range.clone()], &bottom.as_chunks::<S>().0[range]);
    if frac < 1.0 / 65536.0 {
        arch.dispatch(
            #[inline(always)]
            || kernels::widen(top, offset, out),
        );
    } else {
        arch.dispatch(
            #[inline(always)]
            || kernels::blend(top, bottom, offset, frac, out),
        );
    }
}

fn resample(arch: pulp::Arch, columns: &Columns, working: &[i16], out: &mut [f32]) {
    match columns.stride {
        Some(stride) => arch.dispatch(
            #[inline(always)]
            || kernels::resample_strided(working, stride, columns.frac[0], out),
        ),
        None => arch.dispatch(
            #[inline(always)]
            || kernels::resample(working, &columns.index, &columns.frac, out),
        ),
    }
}

const _: () = assert!(255 * 2 * UNIT as i32 <= i16::MAX as i32);
