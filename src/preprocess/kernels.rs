//! The inner loops, written so that the compiler turns them into SIMD.
//!
//! Each is a struct of its arguments that `pulp::Arch::dispatch` runs, compiled once for every instruction
//! set that pulp knows. Structs rather than closures: the compiler calls a closure through a shim that is
//! not inlined, which leaves the loop at the baseline instruction set.

use pulp::{Simd, WithSimd};

use super::color::Channel;

/// Output rows are worked on in groups of this many samples, and are allocated in multiples of it.
pub(super) const LANES: usize = 8;
/// The largest distance of taps that [`ResampleStrided`] knows.
pub(super) const MAX_STRIDE: usize = 4;
/// What a sample value of 1 is in a working row: 255 of them fit into 14 bits, so that the difference of two
/// samples fits an `i16` at twice that scale.
pub(super) const UNIT: i16 = 64;

/// Blends byte `O` of each pixel of `S` bytes of two rows, into units of [`UNIT`].
pub(super) struct Blend<'a, const S: usize, const O: usize> {
    pub(super) top: &'a [[u8; S]],
    pub(super) bottom: &'a [[u8; S]],
    /// The weight of `bottom` in \[0, 1\].
    pub(super) frac: f32,
    pub(super) out: &'a mut [i16],
}

impl<const S: usize, const O: usize> WithSimd for Blend<'_, S, O> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let Self { top, bottom, frac, out } = self;
        let weight = (frac * 32768.0).min(32767.0) as i16;
        for ((t, b), o) in top.iter().zip(bottom).zip(out) {
            let (t, b) = (i16::from(t[O]), i16::from(b[O]));
            let difference = (b - t) * (2 * UNIT);
            *o = t * UNIT + ((i32::from(difference) * i32::from(weight)) >> 16) as i16;
        }
    }
}

/// Byte `O` of each pixel of `S` bytes of one row, in units of [`UNIT`].
pub(super) struct Widen<'a, const S: usize, const O: usize> {
    pub(super) row: &'a [[u8; S]],
    pub(super) out: &'a mut [i16],
}

impl<const S: usize, const O: usize> WithSimd for Widen<'_, S, O> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        for (s, o) in self.row.iter().zip(self.out) {
            *o = i16::from(s[O]) * UNIT;
        }
    }
}

/// Takes a row of interleaved samples apart.
pub(super) struct Split3<'a> {
    pub(super) row: &'a [[i16; 3]],
    pub(super) out: [&'a mut [i16]; 3],
}

impl WithSimd for Split3<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let [a, b, c] = self.out;
        for (((s, a), b), c) in self.row.iter().zip(a).zip(b).zip(c) {
            [*a, *b, *c] = *s;
        }
    }
}

/// Linear interpolation between `row[index]` and `row[index + 1]` for each output, the latter weighted by
/// `frac`. An index outside the row reads 0.
pub(super) struct Resample<'a> {
    pub(super) row: &'a [i16],
    pub(super) index: &'a [u32],
    pub(super) frac: &'a [f32],
    pub(super) out: &'a mut [f32],
}

impl WithSimd for Resample<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let Self { row, index, frac, out } = self;
        let groups = index.as_chunks::<LANES>().0.iter().zip(frac.as_chunks::<LANES>().0);
        for ((index, frac), out) in groups.zip(out.as_chunks_mut::<LANES>().0) {
            let pairs = index.map(|i| tap_pair(row, i as usize));
            for i in 0..LANES {
                let [left, right] = halves(pairs[i]);
                out[i] = lerp(left, right, frac[i]);
            }
        }
    }
}

#[inline(always)]
fn tap_pair(row: &[i16], index: usize) -> u32 {
    match row.get(index..index + 2) {
        Some(&[left, right]) => word(left, right),
        _ => 0,
    }
}

/// Two neighbouring samples, none below 0, in one word: one load instead of two.
#[inline(always)]
fn word(left: i16, right: i16) -> u32 {
    u32::from(left as u16) | u32::from(right as u16) << 16
}

#[inline(always)]
fn halves(word: u32) -> [f32; 2] {
    [(word & 0xffff) as i32 as f32, (word >> 16) as i32 as f32]
}

/// As [`Resample`], for taps at `stride` samples (1 to [`MAX_STRIDE`]) that share one weight. The row must
/// have `stride` samples for each output and one more.
pub(super) struct ResampleStrided<'a> {
    pub(super) row: &'a [i16],
    pub(super) stride: usize,
    pub(super) frac: f32,
    pub(super) out: &'a mut [f32],
}

impl WithSimd for ResampleStrided<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let Self { row, stride, frac, out } = self;
        match stride {
            1 => resample_contiguous(row, frac, out),
            2 => resample_chunks::<2>(row, frac, out),
            3 => resample_chunks::<3>(row, frac, out),
            _ => resample_chunks::<4>(row, frac, out),
        }
    }
}

#[inline(always)]
fn resample_contiguous(row: &[i16], frac: f32, out: &mut [f32]) {
    for ((left, right), o) in row.iter().zip(&row[1..]).zip(out) {
        *o = lerp(f32::from(*left), f32::from(*right), frac);
    }
}

#[inline(always)]
fn resample_chunks<const K: usize>(row: &[i16], frac: f32, out: &mut [f32]) {
    for (samples, o) in row.as_chunks::<K>().0.iter().zip(out) {
        let [left, right] = halves(word(samples[0], samples[1]));
        *o = lerp(left, right, frac);
    }
}

#[inline(always)]
fn lerp(a: f32, b: f32, frac: f32) -> f32 {
    a + (b - a) * frac
}

/// Interpolates between two rows with the weight `frac` for `bottom`.
pub(super) struct LerpRows<'a> {
    pub(super) top: &'a [f32],
    pub(super) bottom: &'a [f32],
    pub(super) frac: f32,
    pub(super) out: &'a mut [f32],
}

impl WithSimd for LerpRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        for ((t, b), o) in self.top.iter().zip(self.bottom).zip(self.out) {
            *o = lerp(*t, *b, self.frac);
        }
    }
}

/// Mixes component rows into one channel row. Components without weight are not read.
pub(super) struct MixRow<'a> {
    pub(super) channel: &'a Channel,
    pub(super) rows: [&'a [f32]; 3],
    pub(super) out: &'a mut [f32],
}

impl WithSimd for MixRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let Self { channel, rows: [a, b, c], out } = self;
        let w = channel.weights;
        match w.map(|w| w != 0.0) {
            [true, true, true] => {
                for (((a, b), c), o) in a.iter().zip(b).zip(c).zip(out) {
                    *o = channel.clamp(a * w[0] + b * w[1] + c * w[2] + channel.bias);
                }
            }
            [true, true, false] => mix_two(channel, [a, b], [w[0], w[1]], out),
            [true, false, true] => mix_two(channel, [a, c], [w[0], w[2]], out),
            [false, true, true] => mix_two(channel, [b, c], [w[1], w[2]], out),
            [true, false, false] => mix_one(channel, a, w[0], out),
            [false, true, false] => mix_one(channel, b, w[1], out),
            [false, false, true] => mix_one(channel, c, w[2], out),
            [false, false, false] => out.fill(channel.clamp(channel.bias)),
        }
    }
}

#[inline(always)]
fn mix_two(channel: &Channel, [a, b]: [&[f32]; 2], w: [f32; 2], out: &mut [f32]) {
    for ((a, b), o) in a.iter().zip(b).zip(out) {
        *o = channel.clamp(a * w[0] + b * w[1] + channel.bias);
    }
}

#[inline(always)]
fn mix_one(channel: &Channel, a: &[f32], w: f32, out: &mut [f32]) {
    for (a, o) in a.iter().zip(out) {
        *o = channel.clamp(a * w + channel.bias);
    }
}
