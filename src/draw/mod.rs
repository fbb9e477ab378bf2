//! Boxes, labels and trails drawn straight into the planes of a video frame.
//!
//! A [`Scene`] lists what there is to show on one frame, a [`Style`] says how, and a [`Painter`] draws it
//! into a [`FrameMut`](crate::image::FrameMut) of any [`PixelFormat`](crate::image::PixelFormat), without
//! converting the frame. Colours are computed in the frame's own samples, line and text sizes follow its
//! height. A picture drawn in one format is the same picture in any other: edges lie on even pixels, so
//! that a chroma sample shared by 2x2 pixels never has to serve two colours.
//!
//! A painter and a scene keep their memory from frame to frame.

mod bearings;
mod canvas;
mod color;
mod details;
mod font;
mod grid;
mod label;
mod line;
mod outline;
mod painter;
mod scene;
mod strip;
mod style;
#[cfg(test)]
mod tests;
mod trail;
mod zones;

pub use bearings::Bearings;
pub use canvas::{Area, Canvas, Ink, Mask, OPAQUE};
pub use color::Rgb;
pub use font::Font;
pub use painter::Painter;
pub use scene::{Scene, Subject};
pub use style::{ColorBy, ShowDetections, ShowView, Style};
pub use trail::Sight;
pub use zones::Plan;
