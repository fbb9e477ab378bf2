//! Colours, and their samples in the colorimetry of a frame.

use std::f32::consts::TAU;

use crate::image::Colorimetry;

/// A colour in non-linear sRGB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rgb {
    /// Red.
    pub r: u8,
    /// Green.
    pub g: u8,
    /// Blue.
    pub b: u8,
}

impl Rgb {
    /// Black.
    pub const BLACK: Self = Self::new(0, 0, 0);
    /// White.
    pub const WHITE: Self = Self::new(255, 255, 255);

    /// The colour of the given components.
    pub const fn new(r: u8, g: u8, b: u8) -> Self {
        Self { r, g, b }
    }

    /// Colour `index` of an endless palette in which neighbours differ most.
    ///
    /// The hue turns by the golden angle from one index to the next and the lightness cycles through three
    /// levels. Both are in OKLab (B. Ottosson, "A perceptual color space for image processing", 2020), so
    /// that no hue outshines the others.
    pub fn distinct(index: u64) -> Self {
        const GOLDEN_RATIO: f64 = 0.618_033_988_749_895;
        const LIGHTNESS: [f32; 3] = [0.78, 0.66, 0.86];
        const CHROMA: f32 = 0.17;
        // In f64 the fraction is good to about a degree of hue for indices up to 2^45.
        let turn = (index as f64 * GOLDEN_RATIO).fract() as f32;
        let lightness = LIGHTNESS[(index % 3) as usize];
        let (sin, cos) = (turn * TAU).sin_cos();
        from_oklab(lightness, CHROMA * cos, CHROMA * sin)
    }

    /// Relative luminance in \[0, 1\] as WCAG 2 defines it.
    pub fn luminance(self) -> f32 {
        let linear = |c: u8| {
            let c = f32::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.r) + 0.7152 * linear(self.g) + 0.0722 * linear(self.b)
    }

    /// Black or white, whichever has the higher WCAG 2 contrast with this colour.
    pub fn contrasting(self) -> Self {
        // (1 + 0.05) / (l + 0.05) = (l + 0.05) / 0.05 at this luminance.
        const EVEN: f32 = 0.1791;
        if self.luminance() > EVEN { Self::BLACK } else { Self::WHITE }
    }

    /// Y, Cb and Cr (BT.601, BT.709 or BT.2020 matrix; 8 bits).
    pub fn to_yuv(self, colorimetry: Colorimetry) -> [u8; 3] {
        let (matrix, offset) = colorimetry.from_rgb();
        let rgb = [self.r, self.g, self.b].map(f32::from);
        let sample = |row: usize| offset[row] + matrix[row].iter().zip(rgb).map(|(k, c)| k * c).sum::<f32>();
        [0, 1, 2].map(|row| to_u8(sample(row)))
    }
}

fn from_oklab(l: f32, a: f32, b: f32) -> Rgb {
    let long = (l + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let medium = (l - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let short = (l - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    let encode = |c: f32| {
        let c = c.clamp(0.0, 1.0);
        let c = if c <= 0.003_130_8 { 12.92 * c } else { 1.055 * c.powf(1.0 / 2.4) - 0.055 };
        to_u8(c * 255.0)
    };
    Rgb::new(
        encode(4.076_741_7 * long - 3.307_711_6 * medium + 0.230_969_94 * short),
        encode(-1.268_438 * long + 2.609_757_4 * medium - 0.341_319_4 * short),
        encode(-0.004_196_086_3 * long - 0.703_418_6 * medium + 1.707_614_7 * short),
    )
}

/// The nearest value of a byte; the cast saturates.
fn to_u8(v: f32) -> u8 {
    v.round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ColorMatrix;

    #[test]
    fn yuv_of_known_colors() {
        let limited = Colorimetry::default();
        let full = Colorimetry { full_range: true, ..limited };
        let hd = Colorimetry { matrix: ColorMatrix::Bt709, ..limited };
        assert_eq!(Rgb::BLACK.to_yuv(limited), [16, 128, 128]);
        assert_eq!(Rgb::WHITE.to_yuv(limited), [235, 128, 128]);
        assert_eq!(Rgb::WHITE.to_yuv(full), [255, 128, 128]);
        assert_eq!(Rgb::new(255, 0, 0).to_yuv(limited), [81, 90, 240]);
        assert_eq!(Rgb::new(255, 0, 0).to_yuv(hd), [63, 102, 240]);
        assert_eq!(Rgb::new(0, 0, 255).to_yuv(full), [29, 255, 107]);
    }

    #[test]
    fn oklab_of_white_is_white() {
        assert_eq!(from_oklab(1.0, 0.0, 0.0), Rgb::WHITE);
        assert_eq!(from_oklab(0.0, 0.0, 0.0), Rgb::BLACK);
        assert_eq!(from_oklab(0.627_955, 0.224_863, 0.125_846), Rgb::new(255, 0, 0));
    }

    #[test]
    fn text_contrasts_with_its_plate() {
        assert_eq!(Rgb::WHITE.contrasting(), Rgb::BLACK);
        assert_eq!(Rgb::BLACK.contrasting(), Rgb::WHITE);
        assert_eq!(Rgb::new(255, 255, 0).contrasting(), Rgb::BLACK);
        assert_eq!(Rgb::new(0, 0, 160).contrasting(), Rgb::WHITE);
    }

    #[test]
    fn nearby_indices_are_far_apart() {
        let distance = |a: Rgb, b: Rgb| {
            let d = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
            d(a.r, b.r) + d(a.g, b.g) + d(a.b, b.b)
        };
        for id in 0..500 {
            for step in 1..=4 {
                let (a, b) = (Rgb::distinct(id), Rgb::distinct(id + step));
                assert!(distance(a, b) > 40 * 40, "{id}+{step}: {a:?} {b:?}");
            }
        }
    }

    #[test]
    fn the_largest_id_has_a_color() {
        assert_ne!(Rgb::distinct(u64::MAX), Rgb::BLACK);
    }
}
