//! The inner loops, written so that the compiler turns them into SIMD for the instruction set that they are
//! dispatched to. Every function is inlined into the closure given to `pulp::Arch::dispatch`.

use super::color::Channel;

/// Output rows are worked on in groups of this many samples, and are allocated in multiples of it.
pub(super) const LANES: usize = 8;
/// The largest distance of taps that [`resample_strided`] knows.
pub(super) const MAX_STRIDE: usize = 4;
/// What a sample value of 1 is in a working row: 255 of them fit into 14 bits, so that the difference of two
/// samples fits an `i16` at twice that scale.
pub(super) const UNIT: i16 = 64;

/// Blends two rows of pixels of `S` bytes, byte `offset` of each, with the weight `frac` in \[0, 1\] for
/// `bottom`, into units of [`UNIT`].
#[inline(always)]
pub(super) fn blend<const S: usize>(
    top: &[[u8; S]],
    bottom: &[[u8; S]],
    offset: usize,
    frac: f32,
    out: &mut [i16],
) {
    let weight = (frac * 32768.0).round().min(32767.0) as i32;
    for ((t, b), o) in top.iter().zip(bottom).zip(out) {
        let (t, b) = (i16::from(t[offset]), i16::from(b[offset]));
        let difference = (b - t) * (2 * UNIT);
        *o = t * UNIT + ((i32::from(difference) * weight) >> 16) as i16;
    }
}

/// One row of pixels of `S` bytes, byte `offset` of each, in units of [`UNIT`].
#[inline(always)]
pub(super) fn widen<const S: usize>(row: &[[u8; S]], offset: usize, out: &mut [i16]) {
    for (s, o) in row.iter().zip(out) {
        *o = i16::from(s[offset]) * UNIT;
    }
}

/// Linear interpolation between `row[index]` and `row[index + 1]` for each output; an index outside the row
/// reads 0.
#[inline(always)]
pub(super) fn resample(row: &[i16], index: &[u32], frac: &[f32], out: &mut [f32]) {
    let groups = index.as_chunks::<LANES>().0.iter().zip(frac.as_chunks::<LANES>().0);
    for ((index, frac), out) in groups.zip(out.as_chunks_mut::<LANES>().0) {
        let pairs = index.map(|i| tap_pair(row, i as usize));
        for i in 0..LANES {
            let (left, right) = ((pairs[i] & 0xffff) as i32 as f32, (pairs[i] >> 16) as i32 as f32);
            out[i] = left + (right - left) * frac[i];
        }
    }
}

/// Two neighbouring samples in one word, so that they cost one load.
#[inline(always)]
fn tap_pair(row: &[i16], index: usize) -> u32 {
    match row.get(index..index + 2) {
        Some(&[left, right]) => u32::from(left as u16) | u32::from(right as u16) << 16,
        _ => 0,
    }
}

/// As [`resample`], for taps at `stride` samples (1 to [`MAX_STRIDE`]) that share one weight. The row must
/// have `stride` samples for each output and one more.
#[inline(always)]
pub(super) fn resample_strided(row: &[i16], stride: usize, frac: f32, out: &mut [f32]) {
    match stride {
        1 => resample_contiguous(row, frac, out),
        2 => resample_chunks::<2>(row, frac, out),
        3 => resample_chunks::<3>(row, frac, out),
        _ => resample_chunks::<4>(row, frac, out),
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
        *o = lerp(f32::from(samples[0]), f32::from(samples[1]), frac);
    }
}

#[inline(always)]
fn lerp(a: f32, b: f32, frac: f32) -> f32 {
    a + (b - a) * frac
}

/// Interpolates between two rows with the weight `frac` for `bottom`.
#[inline(always)]
pub(super) fn lerp_rows(top: &[f32], bottom: &[f32], frac: f32, out: &mut [f32]) {
    for ((t, b), o) in top.iter().zip(bottom).zip(out) {
        *o = lerp(*t, *b, frac);
    }
}

/// Mixes component rows into one channel row. Components without weight are not read.
#[inline(always)]
pub(super) fn mix<'a>(channel: &Channel, row: impl Fn(usize) -> &'a [f32], out: &mut [f32]) {
    let Channel { weights: w, bias, low, high } = *channel;
    let clamp = |v: f32| v.max(low).min(high);
    match w.map(|w| w != 0.0) {
        [true, true, true] => {
            for (((a, b), c), o) in row(0).iter().zip(row(1)).zip(row(2)).zip(out) {
                *o = clamp(a * w[0] + b * w[1] + c * w[2] + bias);
            }
        }
        [true, true, false] => mix_two(row(0), row(1), [w[0], w[1]], bias, clamp, out),
        [true, false, true] => mix_two(row(0), row(2), [w[0], w[2]], bias, clamp, out),
        [false, true, true] => mix_two(row(1), row(2), [w[1], w[2]], bias, clamp, out),
        [true, false, false] => mix_one(row(0), w[0], bias, clamp, out),
        [false, true, false] => mix_one(row(1), w[1], bias, clamp, out),
        [false, false, true] => mix_one(row(2), w[2], bias, clamp, out),
        [false, false, false] => out.fill(clamp(bias)),
    }
}

#[inline(always)]
fn mix_two(a: &[f32], b: &[f32], w: [f32; 2], bias: f32, clamp: impl Fn(f32) -> f32, out: &mut [f32]) {
    for ((a, b), o) in a.iter().zip(b).zip(out) {
        *o = clamp(a * w[0] + b * w[1] + bias);
    }
}

#[inline(always)]
fn mix_one(a: &[f32], w: f32, bias: f32, clamp: impl Fn(f32) -> f32, out: &mut [f32]) {
    for (a, o) in a.iter().zip(out) {
        *o = clamp(a * w + bias);
    }
}
