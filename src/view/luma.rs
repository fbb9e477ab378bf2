//! Luma at about 340 pixels along its longer side, and smaller copies of it.

use crate::image::{Frame, Layout};

/// Levels of a [`Pyramid`]: each has half the size of the one before.
pub(super) const LEVELS: usize = 3;
/// The longer side that level 0 is brought near to by a whole factor.
const SIDE: f64 = 340.0;

/// A picture of luma as floats from 0 to 255.
#[derive(Clone, Debug, Default)]
pub(super) struct Luma {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) data: Vec<f32>,
}

impl Luma {
    pub(super) fn resize(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.data.resize(width * height, 0.0);
    }

    pub(super) fn row(&self, y: usize) -> &[f32] {
        &self.data[y * self.width..][..self.width]
    }

    /// The mean of each two by two pixels of `from`.
    pub(super) fn halve(&mut self, from: &Self) {
        self.resize(from.width / 2, from.height / 2);
        for (y, row) in self.data.chunks_exact_mut(self.width.max(1)).enumerate() {
            let (a, b) = (from.row(2 * y), from.row(2 * y + 1));
            for ((out, a), b) in row.iter_mut().zip(a.chunks_exact(2)).zip(b.chunks_exact(2)) {
                *out = 0.25 * (a[0] + a[1] + b[0] + b[1]);
            }
        }
    }
}

/// A frame's luma at several sizes.
#[derive(Clone, Debug, Default)]
pub(super) struct Pyramid {
    pub(super) levels: [Luma; LEVELS],
    /// Pixels of the frame along a side of one of level 0.
    pub(super) factor: usize,
    /// The frame's own size.
    pub(super) size: (usize, usize),
    sums: Vec<u32>,
}

impl Pyramid {
    /// Takes over a frame. Memory is kept from one frame to the next of its size.
    pub(super) fn fill(&mut self, frame: &Frame<'_>) {
        let (width, height) = (frame.width(), frame.height());
        self.size = (width, height);
        self.factor = ((width.max(height) as f64 / SIDE).round() as usize).clamp(1, width.min(height));
        let factor = self.factor;
        let base = &mut self.levels[0];
        base.resize(width / factor, height / factor);
        self.sums.resize(width, 0);
        let scale = 1.0 / (factor * factor) as f32;
        for y in 0..base.height {
            self.sums.fill(0);
            for source in y * factor..(y + 1) * factor {
                add_row(frame, source, &mut self.sums);
            }
            let out = &mut base.data[y * base.width..][..base.width];
            match factor {
                2 => shrink::<2>(&self.sums, out, scale),
                4 => shrink::<4>(&self.sums, out, scale),
                6 => shrink::<6>(&self.sums, out, scale),
                _ => {
                    for (out, sums) in out.iter_mut().zip(self.sums.chunks_exact(factor)) {
                        *out = sums.iter().sum::<u32>() as f32 * scale;
                    }
                }
            }
        }
        self.halve_down();
    }

    /// Makes the smaller levels from level 0.
    pub(super) fn halve_down(&mut self) {
        let [base, rest @ ..] = &mut self.levels;
        let mut above = &*base;
        for level in rest {
            level.halve(above);
            above = level;
        }
    }

    /// The same picture without level 0.
    pub(super) fn coarser(&self) -> Self {
        let [_, finer, coarse] = &self.levels;
        let mut smallest = Luma::default();
        smallest.halve(coarse);
        let levels = [finer.clone(), coarse.clone(), smallest];
        Self { levels, factor: self.factor * 2, size: self.size, sums: Vec::new() }
    }
}

fn shrink<const N: usize>(sums: &[u32], out: &mut [f32], scale: f32) {
    for (out, sums) in out.iter_mut().zip(sums.as_chunks::<N>().0) {
        *out = sums.iter().sum::<u32>() as f32 * scale;
    }
}

/// Adds the luma of a row of the frame to `sums`.
fn add_row(frame: &Frame<'_>, y: usize, sums: &mut [u32]) {
    let row = frame.row(0, y);
    match frame.format().layout() {
        Layout::Planar420 { .. } | Layout::SemiPlanar420 { .. } | Layout::Gray => {
            sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += u32::from(*v));
        }
        Layout::Packed422 => {
            sums.iter_mut().zip(row.iter().step_by(2)).for_each(|(sum, v)| *sum += u32::from(*v));
        }
        Layout::Packed { step, r, g, b, .. } => {
            for (sum, pixel) in sums.iter_mut().zip(row.chunks_exact(step)) {
                let [r, g, b] = [r, g, b].map(|at| u32::from(pixel[at]));
                *sum += (77 * r + 150 * g + 29 * b) >> 8;
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
                let mut pyramid = Pyramid::default();
                pyramid.fill(&frame);
                let [base, ..] = &pyramid.levels;
                assert!(base.width >= 1 && base.height >= 1 && base.width.max(base.height) <= 512);
                assert!(base.data.iter().all(|v| (v - 90.0).abs() <= 1.0), "{format:?}");
            }
        }
    }
}
