//! Where the picture lies in the model's input, and the way back.

use serde::{Deserialize, Serialize};

use crate::detection::Found;
use crate::geometry::BBox;

/// How a picture is fitted into the model's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ResizeMode {
    /// Keeps the aspect ratio and centres the picture, sizes rounded as Ultralytics' `LetterBox` does.
    #[default]
    #[serde(rename = "letterbox")]
    Letterbox,
    /// Keeps the aspect ratio with the picture at the top left, sizes truncated as in YOLOX's `preproc`.
    #[serde(rename = "letterbox-topleft")]
    LetterboxTopLeft,
    /// Fills the input and lets the aspect ratio change.
    #[serde(rename = "stretch")]
    Stretch,
    /// Fills the input and keeps the aspect ratio: the middle of the picture, as classifiers are fed.
    #[serde(rename = "center-crop")]
    CenterCrop,
}

impl std::fmt::Display for ResizeMode {
    /// As in a model's description.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Letterbox => "letterbox",
            Self::LetterboxTopLeft => "letterbox-topleft",
            Self::Stretch => "stretch",
            Self::CenterCrop => "center-crop",
        })
    }
}

impl ResizeMode {
    /// The part of a picture that is shown in an input of `input` pixels: left, top, width and height in pixels of
    /// the picture, which is `source` pixels wide and high.
    pub fn shown(self, source: (f64, f64), input: (usize, usize)) -> (f64, f64, f64, f64) {
        if self != Self::CenterCrop {
            return (0.0, 0.0, source.0, source.1);
        }
        let ratio = (input.0 as f64 / source.0).max(input.1 as f64 / source.1);
        let (width, height) =
            ((input.0 as f64 / ratio).min(source.0), (input.1 as f64 / ratio).min(source.1));
        ((source.0 - width) / 2.0, (source.1 - height) / 2.0, width, height)
    }

    /// Where a picture of `source` pixels (width, height) goes in an input of `input` pixels. The result
    /// has at least one pixel, however extreme the aspect ratio.
    pub fn place(self, source: (f64, f64), input: (usize, usize)) -> Rect {
        let ratio = (input.0 as f64 / source.0).min(input.1 as f64 / source.1);
        let side = |length: f64, limit: usize| (length as usize).clamp(1, limit);
        let (width, height) = match self {
            // Python's round() takes a half to the even number.
            Self::Letterbox => ((source.0 * ratio).round_ties_even(), (source.1 * ratio).round_ties_even()),
            Self::LetterboxTopLeft => (source.0 * ratio, source.1 * ratio),
            Self::Stretch | Self::CenterCrop => (input.0 as f64, input.1 as f64),
        };
        let (width, height) = (side(width, input.0), side(height, input.1));
        let centred = matches!(self, Self::Letterbox);
        let margin = |free: usize| if centred { free / 2 } else { 0 };
        Rect { x: margin(input.0 - width), y: margin(input.1 - height), width, height }
    }
}

/// A rectangle of whole pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// Left column.
    pub x: usize,
    /// Top row.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// The mapping between pixels of the model's input and units of the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// The part of the frame that was read, in units of the frame.
    pub region: BBox,
    /// Where it lies in the input, in pixels.
    pub content: Rect,
}

impl Geometry {
    /// A box in pixels of the model's input, in units of the frame. Not clipped: a box that reaches into the
    /// padding reaches outside the frame.
    pub fn to_frame(&self, input: &BBox) -> BBox {
        let (sx, sy) = self.frame_per_pixel();
        let x = |v: f32| (v - self.content.x as f32) * sx + self.region.x_min;
        let y = |v: f32| (v - self.content.y as f32) * sy + self.region.y_min;
        BBox::new(x(input.x_min), y(input.y_min), x(input.x_max), y(input.y_max))
    }

    /// A box in units of the frame, in pixels of the model's input.
    pub fn to_input(&self, frame: &BBox) -> BBox {
        let (sx, sy) = self.frame_per_pixel();
        let x = |v: f32| (v - self.region.x_min) / sx + self.content.x as f32;
        let y = |v: f32| (v - self.region.y_min) / sy + self.content.y as f32;
        BBox::new(x(frame.x_min), y(frame.y_min), x(frame.x_max), y(frame.y_max))
    }

    /// Moves what was found in the model's input into the frame.
    pub fn found_in_frame(&self, found: &mut Found) {
        let (sx, sy) = self.frame_per_pixel();
        let (x, y) =
            (self.region.x_min - self.content.x as f32 * sx, self.region.y_min - self.content.y as f32 * sy);
        found.place((sx, sy), (x, y));
    }

    fn frame_per_pixel(&self) -> (f32, f32) {
        (self.region.width() / self.content.width as f32, self.region.height() / self.content.height as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rect(x: usize, y: usize, width: usize, height: usize) -> Rect {
        Rect { x, y, width, height }
    }

    #[test]
    fn letterbox_rounds_as_the_python_references() {
        let place = |mode: ResizeMode, w: usize, h: usize, side: usize| {
            mode.place((w as f64, h as f64), (side, side))
        };
        assert_eq!(place(ResizeMode::Letterbox, 1280, 720, 640), rect(0, 140, 640, 360));
        assert_eq!(place(ResizeMode::Letterbox, 768, 576, 416), rect(0, 52, 416, 312));
        assert_eq!(place(ResizeMode::Letterbox, 500, 375, 417), rect(0, 52, 417, 313));
        // 1281 * 0.5 = 640.5 goes to the even 640 and fills the width.
        assert_eq!(place(ResizeMode::Letterbox, 1281, 1280, 640), rect(0, 0, 640, 640));
        assert_eq!(place(ResizeMode::LetterboxTopLeft, 500, 375, 417), rect(0, 0, 417, 312));
        assert_eq!(place(ResizeMode::Stretch, 500, 375, 417), rect(0, 0, 417, 417));
        assert_eq!(place(ResizeMode::Letterbox, 1, 8192, 64), rect(31, 0, 1, 64));
    }

    proptest! {
        #[test]
        fn boxes_survive_the_round_trip(
            w in 1usize..9000, h in 1usize..9000, iw in 1usize..2000, ih in 1usize..2000,
            region in (0f32..0.5, 0f32..0.5, 0.6f32..1.0, 0.6f32..1.0),
            b in (-0.5f32..1.5, -0.5f32..1.5, -0.5f32..1.5, -0.5f32..1.5),
            mode in prop_oneof![
                Just(ResizeMode::Letterbox), Just(ResizeMode::LetterboxTopLeft), Just(ResizeMode::Stretch)],
        ) {
            let content = mode.place((w as f64, h as f64), (iw, ih));
            prop_assert!(content.width >= 1 && content.x + content.width <= iw);
            prop_assert!(content.height >= 1 && content.y + content.height <= ih);
            let region = BBox::new(region.0, region.1, region.2, region.3);
            let geometry = Geometry { region, content };
            let b = BBox::new(b.0, b.1, b.2, b.3);
            let back = geometry.to_frame(&geometry.to_input(&b));
            for (got, want) in [(back.x_min, b.x_min), (back.y_min, b.y_min),
                                (back.x_max, b.x_max), (back.y_max, b.y_max)] {
                prop_assert!((got - want).abs() < 1e-2, "{back:?} {b:?}");
            }
        }
    }

    #[test]
    fn corners_of_the_picture_are_corners_of_the_region() {
        let region = BBox::new(0.25, 0.5, 0.75, 1.0);
        let geometry = Geometry { region, content: rect(10, 20, 100, 50) };
        assert_eq!(geometry.to_input(&region), BBox::new(10.0, 20.0, 110.0, 70.0));
        assert_eq!(geometry.to_frame(&BBox::new(10.0, 20.0, 60.0, 70.0)), BBox::new(0.25, 0.5, 0.5, 1.0));
    }
}
