//! Raw video frames as borrowed planes.

use std::ops::Range;

/// The pixel layouts that the plugin reads and draws on, named as in GStreamer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum PixelFormat {
    I420,
    Yv12,
    Nv12,
    Nv21,
    Yuy2,
    Rgb,
    Bgr,
    Rgba,
    Bgra,
    Argb,
    Abgr,
    Rgbx,
    Bgrx,
    Xrgb,
    Xbgr,
    Gray8,
}

/// How the samples of a format are laid out: the one place that knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Three planes: luma, then chroma at half size both ways; the plane index of U and V.
    Planar420 {
        /// Plane of U (Cb).
        u: usize,
        /// Plane of V (Cr).
        v: usize,
    },
    /// Luma plane and one plane of interleaved chroma at half size both ways; byte offset of U and V in a pair.
    SemiPlanar420 {
        /// Offset of U (Cb).
        u: usize,
        /// Offset of V (Cr).
        v: usize,
    },
    /// One plane of Y0 U Y1 V.
    Packed422,
    /// One plane of interleaved red, green, blue; bytes a pixel and the byte offset of each.
    Packed {
        /// Bytes a pixel.
        step: usize,
        /// Offset of red.
        r: usize,
        /// Offset of green.
        g: usize,
        /// Offset of blue.
        b: usize,
        /// Offset of alpha, for formats that have it.
        a: Option<usize>,
    },
    /// One plane of luma.
    Gray,
}

impl PixelFormat {
    /// Every format, in the order of preference that the elements' caps use.
    pub const ALL: [Self; 16] = [
        Self::I420,
        Self::Nv12,
        Self::Yv12,
        Self::Nv21,
        Self::Yuy2,
        Self::Rgb,
        Self::Bgr,
        Self::Rgba,
        Self::Bgra,
        Self::Argb,
        Self::Abgr,
        Self::Rgbx,
        Self::Bgrx,
        Self::Xrgb,
        Self::Xbgr,
        Self::Gray8,
    ];

    /// How the samples are laid out.
    pub const fn layout(self) -> Layout {
        const fn packed(step: usize, r: usize, g: usize, b: usize, a: Option<usize>) -> Layout {
            Layout::Packed { step, r, g, b, a }
        }
        match self {
            Self::I420 => Layout::Planar420 { u: 1, v: 2 },
            Self::Yv12 => Layout::Planar420 { u: 2, v: 1 },
            Self::Nv12 => Layout::SemiPlanar420 { u: 0, v: 1 },
            Self::Nv21 => Layout::SemiPlanar420 { u: 1, v: 0 },
            Self::Yuy2 => Layout::Packed422,
            Self::Rgb => packed(3, 0, 1, 2, None),
            Self::Bgr => packed(3, 2, 1, 0, None),
            Self::Rgba => packed(4, 0, 1, 2, Some(3)),
            Self::Bgra => packed(4, 2, 1, 0, Some(3)),
            Self::Argb => packed(4, 1, 2, 3, Some(0)),
            Self::Abgr => packed(4, 3, 2, 1, Some(0)),
            Self::Rgbx => packed(4, 0, 1, 2, None),
            Self::Bgrx => packed(4, 2, 1, 0, None),
            Self::Xrgb => packed(4, 1, 2, 3, None),
            Self::Xbgr => packed(4, 3, 2, 1, None),
            Self::Gray8 => Layout::Gray,
        }
    }

    /// How many planes a frame has.
    pub const fn planes(self) -> usize {
        match self.layout() {
            Layout::Planar420 { .. } => 3,
            Layout::SemiPlanar420 { .. } => 2,
            Layout::Packed422 | Layout::Packed { .. } | Layout::Gray => 1,
        }
    }

    /// Bytes in a row and number of rows of one plane of a frame, without any padding.
    pub const fn plane_size(self, plane: usize, width: usize, height: usize) -> (usize, usize) {
        match (self.layout(), plane) {
            (Layout::Planar420 { .. } | Layout::SemiPlanar420 { .. } | Layout::Gray, 0) => (width, height),
            (Layout::Planar420 { .. }, _) => (width.div_ceil(2), height.div_ceil(2)),
            (Layout::SemiPlanar420 { .. }, _) => (width.div_ceil(2) * 2, height.div_ceil(2)),
            (Layout::Packed422, _) => (width.div_ceil(2) * 4, height),
            (Layout::Packed { step, .. }, _) => (width * step, height),
            (Layout::Gray, _) => (0, 0),
        }
    }

    /// True when the samples are luma and chroma rather than red, green and blue.
    pub const fn is_yuv(self) -> bool {
        !matches!(self.layout(), Layout::Packed { .. })
    }
}

/// The matrix between RGB and luma and chroma.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorMatrix {
    /// ITU-R BT.601.
    #[default]
    Bt601,
    /// ITU-R BT.709.
    Bt709,
    /// ITU-R BT.2020, non-constant luminance.
    Bt2020,
}

impl ColorMatrix {
    /// The weights of red and blue in luma (green has the rest).
    pub const fn weights(self) -> (f32, f32) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Bt2020 => (0.2627, 0.0593),
        }
    }
}

/// How samples map to colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Colorimetry {
    /// The matrix, for formats with luma and chroma.
    pub matrix: ColorMatrix,
    /// True for samples over 0 to 255; false for luma over 16 to 235 and chroma over 16 to 240.
    pub full_range: bool,
    /// True when chroma samples sit on the even luma columns (MPEG-2, H.264 default) rather than between
    /// two columns (JPEG, MPEG-1).
    pub chroma_cosited: bool,
}

impl Colorimetry {
    /// Y, Cb and Cr of red, green and blue, all from 0 to 255: a matrix's rows, and what is added after it.
    pub fn from_rgb(&self) -> ([[f32; 3]; 3], [f32; 3]) {
        let (kr, kb) = self.matrix.weights();
        let y = [kr, 1.0 - kr - kb, kb];
        let (black, luma, chroma) =
            if self.full_range { (0.0, 1.0, 1.0) } else { (16.0, 219.0 / 255.0, 224.0 / 255.0) };
        let blue = [-y[0], -y[1], 1.0 - y[2]].map(|v| v * chroma / (2.0 - 2.0 * kb));
        let red = [1.0 - y[0], -y[1], -y[2]].map(|v| v * chroma / (2.0 - 2.0 * kr));
        ([y.map(|v| v * luma), blue, red], [black, 128.0, 128.0])
    }
}

/// One plane: rows of `stride` bytes. The last row may end at its last sample.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plane<'a> {
    /// The bytes, first row first.
    pub data: &'a [u8],
    /// Distance of two rows in bytes.
    pub stride: usize,
}

impl<'a> Plane<'a> {
    /// Row `y` from its first byte, `len` bytes of it.
    pub fn row(&self, y: usize, len: usize) -> &'a [u8] {
        &self.data[y * self.stride..][..len]
    }
}

/// Why planes do not make a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A side of the frame is 0.
    Empty,
    /// A plane's stride is shorter than its row, or its data ends before its last row does.
    Short {
        /// Which plane.
        plane: usize,
        /// Bytes that the plane needs with its stride.
        needed: usize,
        /// Bytes that it has.
        got: usize,
    },
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("the frame has no pixels"),
            Self::Short { plane, needed, got } => {
                write!(f, "plane {plane} has {got} bytes where its size and stride need {needed}")
            }
        }
    }
}

impl std::error::Error for FrameError {}

fn check(
    format: PixelFormat,
    plane: usize,
    w: usize,
    h: usize,
    stride: usize,
    got: usize,
) -> Result<(), FrameError> {
    let (row, rows) = format.plane_size(plane, w, h);
    let needed = stride.max(row).saturating_mul(rows - 1).saturating_add(row);
    if stride < row || got < needed { Err(FrameError::Short { plane, needed, got }) } else { Ok(()) }
}

/// A frame to read. Made by [`Frame::new`], so the planes are long enough for the size.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    format: PixelFormat,
    width: usize,
    height: usize,
    colorimetry: Colorimetry,
    planes: [Plane<'a>; 3],
}

impl<'a> Frame<'a> {
    /// Checks that `planes` hold a frame of the given size in pixels.
    pub fn new(
        format: PixelFormat,
        width: usize,
        height: usize,
        colorimetry: Colorimetry,
        planes: [Plane<'a>; 3],
    ) -> Result<Self, FrameError> {
        if width == 0 || height == 0 {
            return Err(FrameError::Empty);
        }
        for (i, p) in planes.iter().enumerate().take(format.planes()) {
            check(format, i, width, height, p.stride, p.data.len())?;
        }
        Ok(Self { format, width, height, colorimetry, planes })
    }

    /// The pixel format.
    pub fn format(&self) -> PixelFormat {
        self.format
    }
    /// Width in pixels, at least 1.
    pub fn width(&self) -> usize {
        self.width
    }
    /// Height in pixels, at least 1.
    pub fn height(&self) -> usize {
        self.height
    }
    /// How samples map to colours.
    pub fn colorimetry(&self) -> Colorimetry {
        self.colorimetry
    }
    /// The planes; those that the format lacks are empty.
    pub fn planes(&self) -> &[Plane<'a>; 3] {
        &self.planes
    }
    /// Row `y` of a plane, without padding.
    pub fn row(&self, plane: usize, y: usize) -> &'a [u8] {
        let (len, _) = self.format.plane_size(plane, self.width, self.height);
        self.planes[plane].row(y, len)
    }
}

/// One plane to write on.
#[derive(Debug, Default)]
pub struct PlaneMut<'a> {
    /// The bytes, first row first.
    pub data: &'a mut [u8],
    /// Distance of two rows in bytes.
    pub stride: usize,
}

/// A frame to draw on. Made by [`FrameMut::new`], so the planes are long enough for the size.
#[derive(Debug)]
pub struct FrameMut<'a> {
    format: PixelFormat,
    width: usize,
    height: usize,
    colorimetry: Colorimetry,
    planes: [PlaneMut<'a>; 3],
}

impl<'a> FrameMut<'a> {
    /// Checks that `planes` hold a frame of the given size in pixels.
    pub fn new(
        format: PixelFormat,
        width: usize,
        height: usize,
        colorimetry: Colorimetry,
        planes: [PlaneMut<'a>; 3],
    ) -> Result<Self, FrameError> {
        if width == 0 || height == 0 {
            return Err(FrameError::Empty);
        }
        for (i, p) in planes.iter().enumerate().take(format.planes()) {
            check(format, i, width, height, p.stride, p.data.len())?;
        }
        Ok(Self { format, width, height, colorimetry, planes })
    }

    /// The pixel format.
    pub fn format(&self) -> PixelFormat {
        self.format
    }
    /// Width in pixels, at least 1.
    pub fn width(&self) -> usize {
        self.width
    }
    /// Height in pixels, at least 1.
    pub fn height(&self) -> usize {
        self.height
    }
    /// How samples map to colours.
    pub fn colorimetry(&self) -> Colorimetry {
        self.colorimetry
    }
    /// Row `y` of a plane, without padding.
    pub fn row_mut(&mut self, plane: usize, y: usize) -> &mut [u8] {
        let (len, _) = self.format.plane_size(plane, self.width, self.height);
        let p = &mut self.planes[plane];
        &mut p.data[y * p.stride..][..len]
    }
    /// Rows of a plane, each without padding. The range must lie within the plane.
    pub fn rows_mut(&mut self, plane: usize, rows: Range<usize>) -> impl Iterator<Item = &mut [u8]> {
        let (len, _) = self.format.plane_size(plane, self.width, self.height);
        let p = &mut self.planes[plane];
        p.data[rows.start * p.stride..].chunks_mut(p.stride).take(rows.len()).map(move |row| &mut row[..len])
    }
}
