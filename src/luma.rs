//! A frame's luma, made smaller by a whole factor.

use pulp::{Arch, Simd, WithSimd};

use crate::image::{Frame, Layout};

/// Rows of 8-bit samples that may be summed in 16 bits.
const MOST_ROWS: usize = 257;

/// A picture of luma as floats from 0 to 255.
#[derive(Clone, Debug, Default)]
pub(crate) struct Luma {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) data: Vec<f32>,
}

impl Luma {
    pub(crate) fn resize(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.data.resize(width * height, 0.0);
    }

    pub(crate) fn row(&self, y: usize) -> &[f32] {
        &self.data[y * self.width..][..self.width]
    }

    /// The mean of each two by two pixels of `from`.
    pub(crate) fn halve(&mut self, from: &Self) {
        self.resize(from.width / 2, from.height / 2);
        for (y, row) in self.data.chunks_exact_mut(self.width.max(1)).enumerate() {
            let (a, b) = (from.row(2 * y), from.row(2 * y + 1));
            for ((out, a), b) in row.iter_mut().zip(a.chunks_exact(2)).zip(b.chunks_exact(2)) {
                *out = 0.25 * (a[0] + a[1] + b[0] + b[1]);
            }
        }
    }

    /// Takes over a frame, the mean of each square of pixels that brings its longer side near to `side`; returns the side of
    /// that square. Uses the memory of `sums`.
    pub(crate) fn fill(&mut self, frame: &Frame<'_>, side: f64, sums: &mut Vec<u16>) -> usize {
        let (width, height) = (frame.width(), frame.height());
        let most = width.min(height).min(MOST_ROWS);
        let factor = ((width.max(height) as f64 / side).round() as usize).clamp(1, most);
        self.resize(width / factor, height / factor);
        sums.resize(width, 0);
        Arch::new().dispatch(Shrink { frame, to: self, sums, factor });
        factor
    }
}

struct Shrink<'a, 'f> {
    frame: &'a Frame<'f>,
    to: &'a mut Luma,
    sums: &'a mut [u16],
    factor: usize,
}

impl WithSimd for Shrink<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let Self { frame, to, sums, factor } = self;
        let scale = 1.0 / (factor * factor) as f32;
        for (y, out) in to.data.chunks_exact_mut(to.width).enumerate() {
            sums.fill(0);
            for source in y * factor..(y + 1) * factor {
                add_row(frame, source, sums);
            }
            match factor {
                2 => shrink::<2>(sums, out, scale),
                3 => shrink::<3>(sums, out, scale),
                4 => shrink::<4>(sums, out, scale),
                6 => shrink::<6>(sums, out, scale),
                _ => {
                    for (out, sums) in out.iter_mut().zip(sums.chunks_exact(factor)) {
                        *out = sum(sums) * scale;
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn sum(sums: &[u16]) -> f32 {
    sums.iter().map(|sum| u32::from(*sum)).sum::<u32>() as f32
}

#[inline(always)]
fn shrink<const N: usize>(sums: &[u16], out: &mut [f32], scale: f32) {
    for (out, sums) in out.iter_mut().zip(sums.as_chunks::<N>().0) {
        *out = sum(sums) * scale;
    }
}

/// Adds the luma of a row of the frame to `sums`.
#[inline(always)]
fn add_row(frame: &Frame<'_>, y: usize, sums: &mut [u16]) {
    let row = frame.row(0, y);
    match frame.format().layout() {
        Layout::Planar420 { .. } | Layout::SemiPlanar420 { .. } | Layout::Gray => {
            sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += u16::from(*v));
        }
        Layout::Packed422 => {
            sums.iter_mut().zip(row.iter().step_by(2)).for_each(|(sum, v)| *sum += u16::from(*v));
        }
        Layout::Packed { step, r, g, b, .. } => {
            for (sum, pixel) in sums.iter_mut().zip(row.chunks_exact(step)) {
                let [r, g, b] = [r, g, b].map(|at| u32::from(pixel[at]));
                *sum += ((77 * r + 150 * g + 29 * b) >> 8) as u16;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Colorimetry, PixelFormat, Plane};

    #[test]
    fn every_format_gives_luma_at_every_size() {
        for format in PixelFormat::ALL {
            for (width, height) in [(1, 1), (3, 1), (339, 2), (1281, 721), (40, 4000)] {
                let planes: Vec<Vec<u8>> = (0..3)
                    .map(|plane| {
                        let (row, rows) = format.plane_size(plane, width, height);
                        vec![90; row * rows]
                    })
                    .collect();
                let planes: [Plane<'_>; 3] = std::array::from_fn(|i| Plane {
                    data: &planes[i],
                    stride: format.plane_size(i, width, height).0,
                });
                let frame = Frame::new(format, width, height, Colorimetry::default(), planes).unwrap();
                let mut luma = Luma::default();
                luma.fill(&frame, 340.0, &mut Vec::new());
                assert!(luma.width >= 1 && luma.height >= 1 && luma.width.max(luma.height) <= 512);
                assert!(luma.data.iter().all(|v| (v - 90.0).abs() <= 1.0), "{format:?}");
            }
        }
    }

    #[test]
    fn a_huge_white_picture_does_not_overflow() {
        let (width, height) = (90_000, 300);
        let data = vec![255; width * height];
        let planes = [Plane { data: &data, stride: width }, Plane::default(), Plane::default()];
        let frame = Frame::new(PixelFormat::Gray8, width, height, Colorimetry::default(), planes).unwrap();
        let mut luma = Luma::default();
        assert_eq!(luma.fill(&frame, 340.0, &mut Vec::new()), MOST_ROWS);
        assert!(luma.data.iter().all(|v| (v - 255.0).abs() < 0.01));
    }
}
