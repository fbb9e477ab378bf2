//! From shapes to the samples of a frame: backdrop, shadows, shapes, light and noise.

use pulp::{Arch, Simd, WithSimd};

use super::backdrop::Backdrop;
use super::camera::Camera;
use super::paint::{Inks, Painter};
use super::random::{Dice, hash};
use super::shapes::Shapes;
use crate::image::{Colorimetry, FrameMut, Layout, PixelFormat};

/// Entries of the table of noise, more than any row has pixels that look alike.
const NOISE: usize = 1 << 16;

/// Draws frames of one size and format. It keeps its memory, and the backdrop while the camera stands still.
#[derive(Debug)]
pub(super) struct Renderer {
    format: PixelFormat,
    colorimetry: Colorimetry,
    width: usize,
    height: usize,
    /// Planes of full size: Y, Cb and Cr, or red, green and blue; of grey frames only the first.
    still: Vec<Vec<u8>>,
    work: Vec<Vec<u8>>,
    seen: Option<Camera>,
    painter: Painter,
    noise: Vec<i8>,
    row: Vec<u8>,
    arch: Arch,
}

/// What changes a whole frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exposure {
    /// Light in 1024ths of the usual.
    pub(super) light: i32,
    /// Names the frame's noise.
    pub(super) noise: u64,
}

impl Renderer {
    /// `sigma` is the noise's standard deviation in 255ths.
    pub(super) fn new(
        seed: u64,
        sigma: f64,
        format: PixelFormat,
        (width, height): (usize, usize),
        colorimetry: Colorimetry,
    ) -> Self {
        let planes = if format == PixelFormat::Gray8 { 1 } else { 3 };
        let mut dice = Dice::new(&[seed, 0x2015E]);
        // Rounded half away from zero: a cast alone would cut towards it.
        let sample = |v: f64| (v * sigma + if v < 0.0 { -0.5 } else { 0.5 }) as i8;
        let noise = (0..NOISE).map(|_| sample(dice.normal())).collect();
        Self {
            format,
            colorimetry,
            width,
            height,
            still: vec![vec![0; width * height]; planes],
            work: vec![vec![0; width * height]; planes],
            seen: None,
            painter: Painter::new(Inks::new(format, colorimetry), (width, height)),
            noise,
            row: vec![0; width],
            arch: Arch::new(),
        }
    }

    /// True when a frame is of the size and format that this draws.
    pub(super) fn fits(&self, frame: &FrameMut<'_>) -> bool {
        (self.format, self.width, self.height, self.colorimetry)
            == (frame.format(), frame.width(), frame.height(), frame.colorimetry())
    }

    /// Draws a frame. What is `behind` lies behind everything of `shapes` and moves with the camera alone.
    pub(super) fn draw(
        &mut self,
        backdrop: &Backdrop,
        camera: &Camera,
        (behind, shapes): (&Shapes, &Shapes),
        exposure: Exposure,
        frame: &mut FrameMut<'_>,
    ) {
        if self.seen != Some(*camera) {
            let matrix = Inks::new(self.format, self.colorimetry).matrix();
            backdrop.paint(camera, self.width, matrix, &mut self.still);
            self.painter.paint(behind, &mut self.still);
            self.seen = Some(*camera);
        }
        for (work, still) in self.work.iter_mut().zip(&self.still) {
            work.copy_from_slice(still);
        }
        self.painter.paint(shapes, &mut self.work);
        self.expose(exposure);
        self.write(frame);
    }

    /// Light and noise: on luma alone, or on all of red, green and blue alike.
    fn expose(&mut self, exposure: Exposure) {
        let luma_only = self.format.is_yuv();
        let black = if luma_only && !self.colorimetry.full_range { 16 } else { 0 };
        let planes = if luma_only { 1 } else { self.work.len() };
        for plane in &mut self.work[..planes] {
            for (y, mut rest) in plane.chunks_exact_mut(self.width).enumerate() {
                let mut at = hash(&[exposure.noise, y as u64]) as usize % NOISE;
                while !rest.is_empty() {
                    let (samples, later) = rest.split_at_mut(rest.len().min(NOISE - at));
                    let noise = &self.noise[at..];
                    self.arch.dispatch(Expose { samples, noise, black, light: exposure.light });
                    (rest, at) = (later, 0);
                }
            }
        }
    }

    fn write(&mut self, frame: &mut FrameMut<'_>) {
        match frame.format().layout() {
            Layout::Gray => self.write_first(frame),
            Layout::Planar420 { u, v } => {
                self.write_first(frame);
                self.write_chroma(frame, [u, v], [(0, 1), (0, 1)]);
            }
            Layout::SemiPlanar420 { u, v } => {
                self.write_first(frame);
                self.write_chroma(frame, [1, 1], [(u, 2), (v, 2)]);
            }
            Layout::Packed422 => self.write_packed_422(frame),
            Layout::Packed { step, r, g, b, a } => self.write_packed(frame, step, [r, g, b], a),
        }
    }

    fn write_first(&self, frame: &mut FrameMut<'_>) {
        for (y, row) in self.work[0].chunks_exact(self.width).enumerate() {
            frame.row_mut(0, y).copy_from_slice(row);
        }
    }

    /// Both chroma planes at half size; each goes to a plane, from a first byte in steps.
    fn write_chroma(&mut self, frame: &mut FrameMut<'_>, planes: [usize; 2], places: [(usize, usize); 2]) {
        for ((chroma, plane), (first, step)) in self.work[1..].iter().zip(planes).zip(places) {
            for y in 0..self.height.div_ceil(2) {
                let upper = &chroma[2 * y * self.width..][..self.width];
                let below = (2 * y + 1).min(self.height - 1);
                let lower = &chroma[below * self.width..][..self.width];
                for ((to, a), b) in self.row.iter_mut().zip(upper).zip(lower) {
                    *to = (u16::from(*a) + u16::from(*b)).div_ceil(2) as u8;
                }
                let to = frame.row_mut(plane, y).iter_mut().skip(first).step_by(step);
                halve(&self.row, self.colorimetry.chroma_cosited, to);
            }
        }
    }

    fn write_packed_422(&mut self, frame: &mut FrameMut<'_>) {
        let width = self.width;
        for y in 0..self.height {
            let row = frame.row_mut(0, y);
            let luma = &self.work[0][y * width..][..width];
            // A row of odd length ends with a pixel that nobody sees.
            row.iter_mut().step_by(2).zip(luma.iter().chain(luma.last())).for_each(|(to, v)| *to = *v);
            for (chroma, first) in self.work[1..].iter().zip([1, 3]) {
                let to = row.iter_mut().skip(first).step_by(4);
                halve(&chroma[y * width..][..width], self.colorimetry.chroma_cosited, to);
            }
        }
    }

    fn write_packed(&self, frame: &mut FrameMut<'_>, step: usize, places: [usize; 3], alpha: Option<usize>) {
        let width = self.width;
        // The byte that is neither red nor green nor blue: alpha, or padding.
        let other = (0..step).find(|i| !places.contains(i)).or(alpha);
        for y in 0..self.height {
            let rows = [0, 1, 2].map(|i| &self.work[i][y * width..][..width]);
            let row = frame.row_mut(0, y);
            for (i, pixel) in row.chunks_exact_mut(step).enumerate() {
                for (place, samples) in places.into_iter().zip(rows) {
                    pixel[place] = samples[i];
                }
                if let Some(other) = other {
                    pixel[other] = 255;
                }
            }
        }
    }
}

struct Expose<'a> {
    samples: &'a mut [u8],
    noise: &'a [i8],
    black: i32,
    light: i32,
}

impl WithSimd for Expose<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let Self { samples, noise, black, light } = self;
        for (sample, noise) in samples.iter_mut().zip(noise) {
            let lit = (((i32::from(*sample) - black) * light + 512) >> 10) + black;
            *sample = (lit + i32::from(*noise)).clamp(0, 255) as u8;
        }
    }
}

/// Chroma of every second pixel: by three where it sits on a pixel, by two where it sits between.
fn halve<'a>(row: &[u8], cosited: bool, to: impl Iterator<Item = &'a mut u8>) {
    let last = row.len() - 1;
    for (i, to) in to.enumerate() {
        let at = |x: usize| u16::from(row[x.min(last)]);
        let x = 2 * i;
        *to = if cosited {
            (at(x.saturating_sub(1)) + 2 * at(x) + at(x + 1) + 2) / 4
        } else {
            (at(x) + at(x + 1)).div_ceil(2)
        } as u8;
    }
}
