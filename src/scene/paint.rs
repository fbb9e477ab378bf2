//! Shapes and their shadows, drawn onto planes of samples.

use pulp::{Arch, Simd, WithSimd};

use super::raster::{Raster, blend};
use super::shapes::Shapes;
use crate::draw::Rgb;
use crate::image::{Colorimetry, PixelFormat};

/// How much of the light is gone in a shadow, in 256ths.
const SHADOW: u16 = 96;

/// Draws onto planes of one size: Y, Cb and Cr, or red, green and blue, or of grey frames luma alone. It keeps its
/// memory.
#[derive(Debug)]
pub(super) struct Painter {
    width: usize,
    height: usize,
    inks: Inks,
    raster: Raster,
    shadow: Vec<u8>,
    arch: Arch,
}

/// What the samples of a colour are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inks(Option<Colorimetry>);

impl Inks {
    pub(super) fn new(format: PixelFormat, colorimetry: Colorimetry) -> Self {
        Self(format.is_yuv().then_some(colorimetry))
    }

    pub(super) fn samples(self, color: Rgb) -> [u8; 3] {
        self.0.map_or([color.r, color.g, color.b], |colorimetry| color.to_yuv(colorimetry))
    }

    /// The matrix that makes samples of red, green and blue, and what is added after it.
    pub(super) fn matrix(self) -> ([[f32; 3]; 3], [f32; 3]) {
        const SAME: ([[f32; 3]; 3], [f32; 3]) =
            ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [0.0; 3]);
        self.0.map_or(SAME, |colorimetry| colorimetry.from_rgb())
    }
}

impl Painter {
    pub(super) fn new(inks: Inks, (width, height): (usize, usize)) -> Self {
        let shadow = vec![0; width * height];
        Self { width, height, inks, raster: Raster::default(), shadow, arch: Arch::new() }
    }

    /// All shadows, then all shapes in their order.
    pub(super) fn paint(&mut self, shapes: &Shapes, planes: &mut [Vec<u8>]) {
        self.cast(shapes, planes);
        let (size, width) = ((self.width, self.height), self.width);
        for (points, color) in shapes.painted() {
            let samples = self.inks.samples(color);
            self.raster.fill(points, size, |y, x, cover| {
                for (plane, sample) in planes.iter_mut().zip(samples) {
                    blend(&mut plane[y * width + x..][..cover.len()], cover, sample);
                }
            });
        }
    }

    /// Where shadows overlap the ground is no darker than in one of them.
    fn cast(&mut self, shapes: &Shapes, planes: &mut [Vec<u8>]) {
        let (width, shadow) = (self.width, &mut self.shadow);
        let (mut first, mut last) = (self.height, 0);
        shadow.fill(0);
        for points in shapes.shadows() {
            self.raster.fill(points, (self.width, self.height), |y, x, cover| {
                (first, last) = (first.min(y), last.max(y + 1));
                for (to, cover) in shadow[y * width + x..].iter_mut().zip(cover) {
                    *to = (*to).max(*cover);
                }
            });
        }
        let rows = first.min(last) * width..last * width;
        for (plane, dark) in planes.iter_mut().zip(self.inks.samples(Rgb::BLACK)) {
            let (samples, cover) = (&mut plane[rows.clone()], &shadow[rows.clone()]);
            self.arch.dispatch(Shade { samples, cover, dark });
        }
    }
}

/// Takes light away by coverage. Chroma fades with the light: black has none.
struct Shade<'a> {
    samples: &'a mut [u8],
    cover: &'a [u8],
    dark: u8,
}

impl WithSimd for Shade<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let dark = u16::from(self.dark);
        for (sample, cover) in self.samples.iter_mut().zip(self.cover) {
            let part = (u16::from(*cover) * SHADOW) >> 8;
            *sample = ((u16::from(*sample) * (256 - part) + dark * part + 128) >> 8) as u8;
        }
    }
}
