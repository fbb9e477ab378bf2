//! Resampling tables: which source samples make an output sample, and with which weights.

/// An affine map from output samples to positions among source samples, where sample `i` sits at `i`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: f64,
    step: f64,
}

impl Span {
    /// `outputs` pixels that cover `length` source pixels from the edge `origin` on, centres on centres.
    pub(super) fn pixels(origin: f64, length: f64, outputs: usize) -> Self {
        Self { start: origin - 0.5, step: length / outputs as f64 }
    }

    /// The same positions among samples at half the rate that sit between two pixels.
    pub(super) fn halved_centred(self) -> Self {
        Self { start: self.start / 2.0 - 0.25, step: self.step / 2.0 }
    }

    /// The same positions among samples at half the rate that sit on the even pixels.
    pub(super) fn halved_cosited(self) -> Self {
        Self { start: self.start / 2.0, step: self.step / 2.0 }
    }

    /// The sample at or before output `o`, from -1 to `len - 1`, and how far on the way to the next one.
    fn tap(self, o: usize, len: usize) -> (isize, f32) {
        let position = self.start + (o as f64 + 0.5) * self.step;
        let index = position.floor().clamp(-1.0, len as f64 - 1.0);
        (index as isize, (position - index).clamp(0.0, 1.0) as f32)
    }
}

/// The two source rows of one output row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RowTap {
    /// The upper row.
    pub(super) top: usize,
    /// The lower row, which is the upper one again at the border.
    pub(super) bottom: usize,
    /// The weight of the lower row in \[0, 1\].
    pub(super) frac: f32,
}

/// Fills `taps` with the row taps of `outputs` output rows over `rows` source rows.
pub(super) fn row_taps(span: Span, outputs: usize, rows: usize, taps: &mut Vec<RowTap>) {
    taps.clear();
    taps.extend((0..outputs).map(|o| {
        let (index, frac) = span.tap(o, rows);
        let (top, bottom) = (index.max(0) as usize, ((index + 1) as usize).min(rows - 1));
        RowTap { top, bottom, frac: if top == bottom { 0.0 } else { frac } }
    }));
}

/// How the columns of a row are resampled.
///
/// Samples are read from a working row that starts at source sample [`first`](Self::first), which is -1 when
/// the border sample is repeated on the left; it reaches one sample past the last tap.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// The source sample at the start of the working row.
    pub(super) first: isize,
    /// Samples of the working row.
    pub(super) count: usize,
    /// Index of the left tap of each output column in the working row.
    pub(super) index: Vec<u32>,
    /// Weight of the right tap in \[0, 1\].
    pub(super) frac: Vec<f32>,
    /// Set when the taps lie at one constant distance and share one weight.
    pub(super) stride: Option<usize>,
}

impl Columns {
    /// Computes the tables for `outputs` output columns over `columns` source columns. The tables are
    /// rounded up to [`LANES`](super::kernels::LANES) by repeating the last column.
    pub(super) fn retarget(&mut self, span: Span, outputs: usize, columns: usize) {
        self.index.clear();
        self.frac.clear();
        self.first = span.tap(0, columns).0;
        for o in 0..outputs.next_multiple_of(super::kernels::LANES) {
            let (index, frac) = span.tap(o.min(outputs - 1), columns);
            self.index.push((index - self.first) as u32);
            self.frac.push(frac);
        }
        self.count = self.index[outputs - 1] as usize + 2;
        self.stride = self.constant_stride(outputs);
    }

    fn constant_stride(&self, outputs: usize) -> Option<usize> {
        let (index, frac) = (&self.index[..outputs], &self.frac[..outputs]);
        let stride = index.get(1).map_or(1, |i| *i as usize);
        let even = index.iter().enumerate().all(|(o, i)| *i as usize == o * stride);
        let same = frac.iter().all(|f| (f - frac[0]).abs() < 1e-5);
        (even && same && (1..=super::kernels::MAX_STRIDE).contains(&stride)).then_some(stride)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(span: Span, outputs: usize, columns: usize) -> Columns {
        let mut c = Columns::default();
        c.retarget(span, outputs, columns);
        c
    }

    #[test]
    fn halving_takes_pairs() {
        let c = columns(Span::pixels(0.0, 8.0, 4), 4, 8);
        assert_eq!((c.first, c.count, c.stride), (0, 8, Some(2)));
        assert_eq!((&c.index[..4], c.frac[0]), (&[0u32, 2, 4, 6][..], 0.5));
    }

    #[test]
    fn chroma_sits_where_it_was_sampled() {
        let luma = Span::pixels(0.0, 8.0, 4);
        let centred = columns(luma.halved_centred(), 4, 4);
        assert_eq!((centred.first, centred.stride, centred.frac[0]), (0, Some(1), 0.0));
        let cosited = columns(luma.halved_cosited(), 4, 4);
        assert_eq!((cosited.first, cosited.stride, cosited.frac[0]), (0, Some(1), 0.25));
    }

    #[test]
    fn doubling_repeats_the_border() {
        let c = columns(Span::pixels(0.0, 2.0, 4), 4, 2);
        assert_eq!((c.first, c.count, c.stride), (-1, 4, None));
        assert_eq!(&c.index[..4], [0, 1, 1, 2]);
        assert_eq!(&c.frac[..4], [0.75, 0.25, 0.75, 0.25]);
        let mut rows = Vec::new();
        row_taps(Span::pixels(0.0, 2.0, 4), 4, 2, &mut rows);
        assert_eq!(rows[0], RowTap { top: 0, bottom: 0, frac: 0.0 });
        assert_eq!(rows[1], RowTap { top: 0, bottom: 1, frac: 0.25 });
        assert_eq!(rows[3], RowTap { top: 1, bottom: 1, frac: 0.0 });
    }
}
