//! What a model expects to find in its input tensor.

use serde::{Deserialize, Serialize};

use super::{PreprocessError, ResizeMode};

/// The channels of a pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColorOrder {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// One channel of luma, by the weights of the frame's colour matrix.
    Gray,
}

impl std::fmt::Display for ColorOrder {
    /// As in a model's description.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rgb => "rgb",
            Self::Bgr => "bgr",
            Self::Gray => "gray",
        })
    }
}

impl ColorOrder {
    /// How many channels a pixel has: 3 or 1.
    pub const fn channels(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Gray => 1,
        }
    }
}

/// The order of a tensor's axes, slowest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TensorLayout {
    /// Channel, row, column: one plane a channel.
    #[default]
    Nchw,
    /// Row, column, channel: interleaved pixels.
    Nhwc,
}

impl std::fmt::Display for TensorLayout {
    /// As in a model's description.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nchw => "nchw",
            Self::Nhwc => "nhwc",
        })
    }
}

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ElementType {
    /// 32-bit float.
    #[default]
    F32,
    /// 16-bit float (IEEE 754 binary16), rounded to nearest.
    F16,
    /// Unsigned byte, rounded to nearest and saturated.
    U8,
    /// Signed byte, rounded to nearest and saturated.
    I8,
}

impl std::fmt::Display for ElementType {
    /// As in a model's description.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::U8 => "u8",
            Self::I8 => "i8",
        })
    }
}

/// The input of a model.
///
/// An element of channel `c` is `(pixel * scale[c] - mean[c]) / std[c]`, where `pixel` lies in \[0, 255\]
/// and `c` counts in the order of [`color`](Self::color). So pixels in \[0, 1\] are `scale` 1/255, and
/// ImageNet statistics, which are given for \[0, 1\], go with that scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// The channels.
    pub color: ColorOrder,
    /// The order of the axes.
    pub layout: TensorLayout,
    /// The type of the elements.
    pub element: ElementType,
    /// How the frame is fitted into width and height.
    pub resize: ResizeMode,
    /// The pixel value around the picture in every channel, in \[0, 255\], normalised like any other.
    pub pad: f32,
    /// What a pixel is multiplied by first.
    pub scale: [f32; 3],
    /// What is subtracted then.
    pub mean: [f32; 3],
    /// What the rest is divided by.
    pub std: [f32; 3],
}

impl Default for Spec {
    /// The input of the common YOLO exports: 640x640 RGB in \[0, 1\], planar f32, letterboxed in grey 114.
    fn default() -> Self {
        Self {
            width: 640,
            height: 640,
            color: ColorOrder::Rgb,
            layout: TensorLayout::Nchw,
            element: ElementType::F32,
            resize: ResizeMode::Letterbox,
            pad: 114.0,
            scale: [1.0 / 255.0; 3],
            mean: [0.0; 3],
            std: [1.0; 3],
        }
    }
}

impl Spec {
    /// How many elements one image has: width x height x channels.
    pub fn len(&self) -> usize {
        self.width.saturating_mul(self.height).saturating_mul(self.color.channels())
    }

    /// True when an image has no element; such a specification is not valid.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element that a pixel value becomes, before rounding to the element type.
    pub fn normalise(&self, channel: usize, pixel: f32) -> f32 {
        (pixel * self.scale[channel] - self.mean[channel]) / self.std[channel]
    }

    pub(super) fn validate(&self) -> Result<(), PreprocessError> {
        let side = 1..=usize::from(u16::MAX);
        if !side.contains(&self.width) || !side.contains(&self.height) {
            return Err(PreprocessError::Spec("width and height must be 1 to 65535"));
        }
        if !(0.0..=255.0).contains(&self.pad) {
            return Err(PreprocessError::Spec("pad must be 0 to 255"));
        }
        if !self.scale.iter().chain(&self.mean).chain(&self.std).all(|v| v.is_finite()) {
            return Err(PreprocessError::Spec("scale, mean and std must be finite"));
        }
        if self.std.contains(&0.0) {
            return Err(PreprocessError::Spec("std must not be 0"));
        }
        Ok(())
    }
}
