//! Pictures with owned planes, and the input tensor worked out pixel by pixel in f64.

use crate::image::{ColorMatrix, Colorimetry, Frame, Layout, PixelFormat, Plane};
use crate::preprocess::{ColorOrder, Geometry, Spec, TensorLayout};

#[derive(Clone, Debug)]
pub(super) struct Picture {
    format: PixelFormat,
    size: (usize, usize),
    colorimetry: Colorimetry,
    planes: [(Vec<u8>, usize); 3],
}

impl Picture {
    /// Random bytes; `slack` bytes lie between two rows, none after the last.
    pub(super) fn noise(
        format: PixelFormat,
        size: (usize, usize),
        colorimetry: Colorimetry,
        slack: usize,
        seed: u64,
    ) -> Self {
        let mut state = seed | 1;
        let mut byte = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        let planes = std::array::from_fn(|plane| {
            if plane >= format.planes() {
                return (Vec::new(), 0);
            }
            let (row, rows) = format.plane_size(plane, size.0, size.1);
            let stride = row + slack;
            ((0..stride * (rows - 1) + row).map(|_| byte()).collect(), stride)
        });
        Self { format, size, colorimetry, planes }
    }

    /// One value for each component (Y, U, V or R, G, B) everywhere.
    pub(super) fn uniform(
        format: PixelFormat,
        size: (usize, usize),
        colorimetry: Colorimetry,
        value: [u8; 3],
    ) -> Self {
        let mut picture = Self::noise(format, size, colorimetry, 0, 1);
        for (c, value) in value.into_iter().enumerate() {
            for y in 0..size.1 {
                for x in 0..size.0 {
                    let (plane, at) = picture.address(c, x, y);
                    picture.planes[plane].0[at] = value;
                }
            }
        }
        picture
    }

    /// A picture given by the colour of each pixel; chroma is that of the pixels' upper left.
    pub(super) fn encode(
        format: PixelFormat,
        size: (usize, usize),
        colorimetry: Colorimetry,
        rgb: impl Fn(usize, usize) -> [u8; 3],
    ) -> Self {
        let mut picture = Self::noise(format, size, colorimetry, 5, 1);
        for y in (0..size.1).rev() {
            for x in (0..size.0).rev() {
                let color = rgb(x, y).map(f64::from);
                let value = if format.is_yuv() { to_yuv(color, colorimetry.matrix) } else { color };
                for (c, value) in value.into_iter().enumerate().take(picture.components()) {
                    let (plane, at) = picture.address(c, x, y);
                    picture.planes[plane].0[at] = value.round() as u8;
                }
            }
        }
        picture
    }

    pub(super) fn frame(&self) -> Frame<'_> {
        let planes = self.planes.each_ref().map(|(data, stride)| Plane { data, stride: *stride });
        Frame::new(self.format, self.size.0, self.size.1, self.colorimetry, planes).unwrap()
    }

    fn components(&self) -> usize {
        if self.format == PixelFormat::Gray8 { 1 } else { 3 }
    }

    /// Plane and byte of the sample of component `c` that belongs to a pixel.
    fn address(&self, c: usize, x: usize, y: usize) -> (usize, usize) {
        let (plane, x_byte, row) = match (self.format.layout(), c) {
            (Layout::Gray, _) => (0, x, y),
            (Layout::Packed { step, r, g, b, .. }, c) => (0, x * step + [r, g, b][c], y),
            (Layout::Packed422, 0) => (0, 2 * x, y),
            (Layout::Packed422, c) => (0, x / 2 * 4 + 2 * c - 1, y),
            (Layout::Planar420 { .. } | Layout::SemiPlanar420 { .. }, 0) => (0, x, y),
            (Layout::Planar420 { u, v }, c) => ([u, v][c - 1], x / 2, y / 2),
            (Layout::SemiPlanar420 { u, v }, c) => (1, x / 2 * 2 + [u, v][c - 1], y / 2),
        };
        (plane, row * self.planes[plane].1 + x_byte)
    }

    /// Pixels for one sample of component `c`, horizontally and vertically.
    fn subsampling(&self, c: usize) -> (usize, usize) {
        match self.format.layout() {
            _ if c == 0 => (1, 1),
            Layout::Planar420 { .. } | Layout::SemiPlanar420 { .. } => (2, 2),
            Layout::Packed422 => (2, 1),
            Layout::Packed { .. } | Layout::Gray => (1, 1),
        }
    }

    /// Component `c` at a position in pixels, where the first pixel's centre is (0, 0).
    fn at(&self, c: usize, x: f64, y: f64) -> f64 {
        let (sub_x, sub_y) = self.subsampling(c);
        let cosited = self.colorimetry.chroma_cosited;
        let x = if sub_x == 2 && !cosited { (x + 0.5) / 2.0 - 0.5 } else { x / sub_x as f64 };
        let y = if sub_y == 2 { (y + 0.5) / 2.0 - 0.5 } else { y };
        let (columns, rows) = (self.size.0.div_ceil(sub_x), self.size.1.div_ceil(sub_y));
        let sample = |column: f64, row: f64| {
            let column = column.clamp(0.0, columns as f64 - 1.0) as usize;
            let row = row.clamp(0.0, rows as f64 - 1.0) as usize;
            let (plane, at) = self.address(c, column * sub_x, row * sub_y);
            f64::from(self.planes[plane].0[at])
        };
        let (left, top) = (x.floor(), y.floor());
        let (fx, fy) = (x - left, y - top);
        let upper = sample(left, top) * (1.0 - fx) + sample(left + 1.0, top) * fx;
        let lower = sample(left, top + 1.0) * (1.0 - fx) + sample(left + 1.0, top + 1.0) * fx;
        upper * (1.0 - fy) + lower * fy
    }

    /// Red, green, blue and luma in \[0, 255\] at a position in pixels.
    fn color_at(&self, x: f64, y: f64) -> [f64; 4] {
        let [kr, kg, kb] = weights(self.colorimetry.matrix);
        let c = |i| self.at(i, x, y);
        if !self.format.is_yuv() {
            let (r, g, b) = (c(0), c(1), c(2));
            return [r, g, b, kr * r + kg * g + kb * b];
        }
        let full = self.colorimetry.full_range;
        let luma = if full { c(0) / 255.0 } else { (c(0) - 16.0) / 219.0 };
        let chroma = |i| {
            if self.components() == 1 { 0.0 } else { (c(i) - 128.0) / if full { 255.0 } else { 224.0 } }
        };
        let red = luma + 2.0 * (1.0 - kr) * chroma(2);
        let blue = luma + 2.0 * (1.0 - kb) * chroma(1);
        let green = (luma - kr * red - kb * blue) / kg;
        [red, green, blue, luma].map(|v| (v * 255.0).clamp(0.0, 255.0))
    }
}

fn weights(matrix: ColorMatrix) -> [f64; 3] {
    match matrix {
        ColorMatrix::Bt601 => [0.299, 0.587, 0.114],
        ColorMatrix::Bt709 => [0.2126, 0.7152, 0.0722],
        ColorMatrix::Bt2020 => [0.2627, 0.678, 0.0593],
    }
}

fn to_yuv([r, g, b]: [f64; 3], matrix: ColorMatrix) -> [f64; 3] {
    let [kr, kg, kb] = weights(matrix);
    let y = kr * r + kg * g + kb * b;
    [y, 128.0 + (b - y) / (2.0 * (1.0 - kb)), 128.0 + (r - y) / (2.0 * (1.0 - kr))]
}

/// The tensor that `picture` becomes, with its padding.
pub(super) fn expected(picture: &Picture, spec: &Spec, geometry: &Geometry) -> Vec<f32> {
    let (content, region, channels) = (geometry.content, geometry.region, spec.color.channels());
    let (w, h) = (picture.size.0 as f64, picture.size.1 as f64);
    let scale_x = f64::from(region.x_max - region.x_min) * w / content.width as f64;
    let scale_y = f64::from(region.y_max - region.y_min) * h / content.height as f64;
    let mut tensor = vec![f32::NAN; spec.width * spec.height * channels];
    for y in 0..spec.height {
        for x in 0..spec.width {
            let inside = x.checked_sub(content.x).filter(|x| *x < content.width);
            let inside = inside.zip(y.checked_sub(content.y).filter(|y| *y < content.height));
            let color = inside.map_or([f64::from(spec.pad); 4], |(cx, cy)| {
                let at_x = (cx as f64 + 0.5) * scale_x - 0.5 + f64::from(region.x_min) * w;
                let at_y = (cy as f64 + 0.5) * scale_y - 0.5 + f64::from(region.y_min) * h;
                picture.color_at(at_x, at_y)
            });
            for c in 0..channels {
                let pixel = color[match spec.color {
                    ColorOrder::Rgb => c,
                    ColorOrder::Bgr => 2 - c,
                    ColorOrder::Gray => 3,
                }];
                let at = match spec.layout {
                    TensorLayout::Nchw => (c * spec.height + y) * spec.width + x,
                    TensorLayout::Nhwc => (y * spec.width + x) * channels + c,
                };
                let (scale, mean, std) = (spec.scale[c], spec.mean[c], spec.std[c]);
                let value = (pixel * f64::from(scale) - f64::from(mean)) / f64::from(std);
                tensor[at] = value as f32;
            }
        }
    }
    tensor
}
