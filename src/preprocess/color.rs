//! From the components of a frame to the channels of a model, as weighted sums.

use super::kernels::UNIT;
use super::{ColorOrder, Spec};
use crate::image::{ColorMatrix, Colorimetry, Layout, PixelFormat};

/// One channel: `clamp(sum(weight * component) + bias, low, high)`, normalised already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Channel {
    /// Weight of each component.
    pub(super) weights: [f32; 3],
    /// What is added to the weighted sum.
    pub(super) bias: f32,
    /// The smaller of what pixel values 0 and 255 become.
    pub(super) low: f32,
    /// The larger of the two.
    pub(super) high: f32,
}

impl Channel {
    /// Written so that it becomes one `max` and one `min`; `f32::clamp` minds NaN, which cannot occur.
    #[inline(always)]
    pub(super) fn clamp(&self, value: f32) -> f32 {
        let value = if value < self.low { self.low } else { value };
        if value > self.high { self.high } else { value }
    }
}

/// How components become channels.
#[derive(Clone, Debug)]
pub(super) struct Mix {
    channels: [Channel; 3],
    len: usize,
}

/// A weighted sum of three components and a constant.
type Affine = ([f64; 3], f64);

impl Mix {
    /// The mix from the components of `format`, given in [`UNIT`]s, to the normalised channels of `spec`.
    ///
    /// Components count as Y, U, V or R, G, B. The ranges and matrices are those of ITU-R BT.601, BT.709 and
    /// BT.2020 (non-constant luminance) for 8 bits.
    pub(super) fn new(spec: &Spec, format: PixelFormat, colorimetry: Colorimetry) -> Self {
        let rgb = to_rgb(format, colorimetry);
        let pixels = match spec.color {
            ColorOrder::Rgb => rgb,
            ColorOrder::Bgr => [rgb[2], rgb[1], rgb[0]],
            ColorOrder::Gray => [luma(&rgb, colorimetry.matrix); 3],
        };
        let mut channels = [Channel::default(); 3];
        for (c, channel) in channels.iter_mut().enumerate() {
            *channel = normalised(spec, c, pixels[c]);
        }
        Self { channels, len: spec.color.channels() }
    }

    /// The channels in the model's order.
    pub(super) fn channels(&self) -> &[Channel] {
        &self.channels[..self.len]
    }

    /// True when a channel uses more than the first component.
    pub(super) fn reads_chroma(&self) -> bool {
        self.channels().iter().any(|c| c.weights[1..] != [0.0; 2])
    }
}

fn to_rgb(format: PixelFormat, colorimetry: Colorimetry) -> [Affine; 3] {
    let (luma_gain, chroma_gain, black) =
        if colorimetry.full_range { (1.0, 1.0, 0.0) } else { (255.0 / 219.0, 255.0 / 224.0, 16.0) };
    let gray = ([luma_gain, 0.0, 0.0], -black * luma_gain);
    match format.layout() {
        Layout::Packed { .. } => [([1.0, 0.0, 0.0], 0.0), ([0.0, 1.0, 0.0], 0.0), ([0.0, 0.0, 1.0], 0.0)],
        Layout::Gray => [gray; 3],
        Layout::Planar420 { .. } | Layout::SemiPlanar420 { .. } | Layout::Packed422 => {
            let [kr, kg, kb] = weights(colorimetry.matrix);
            let (red, blue) = (2.0 * (1.0 - kr) * chroma_gain, 2.0 * (1.0 - kb) * chroma_gain);
            let with_chroma = |u: f64, v: f64| ([luma_gain, u, v], gray.1 - 128.0 * (u + v));
            [with_chroma(0.0, red), with_chroma(-blue * kb / kg, -red * kr / kg), with_chroma(blue, 0.0)]
        }
    }
}

fn weights(matrix: ColorMatrix) -> [f64; 3] {
    let (kr, kb) = matrix.weights();
    let (kr, kb) = (f64::from(kr), f64::from(kb));
    [kr, 1.0 - kr - kb, kb]
}

fn luma(rgb: &[Affine; 3], matrix: ColorMatrix) -> Affine {
    let k = weights(matrix);
    let sum = |part: &dyn Fn(&Affine) -> f64| -> f64 { rgb.iter().zip(k).map(|(c, k)| part(c) * k).sum() };
    // Chroma cancels out up to rounding, and a component without weight need not be read.
    let clean = |v: f64| if v.abs() < 1e-9 { 0.0 } else { v };
    (std::array::from_fn(|i| clean(sum(&|c| c.0[i]))), sum(&|c| c.1))
}

fn normalised(spec: &Spec, channel: usize, (weights, offset): Affine) -> Channel {
    let (scale, mean, std) = (spec.scale[channel], spec.mean[channel], spec.std[channel]);
    let gain = f64::from(scale) / f64::from(std);
    let (at_0, at_255) = (spec.normalise(channel, 0.0), spec.normalise(channel, 255.0));
    Channel {
        weights: weights.map(|w| (w * gain / f64::from(UNIT)) as f32),
        bias: (offset * gain - f64::from(mean) / f64::from(std)) as f32,
        low: at_0.min(at_255),
        high: at_0.max(at_255),
    }
}
