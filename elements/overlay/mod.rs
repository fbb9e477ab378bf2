//! `nvpoverlay` draws what the elements before it found into the picture.
//!
//! Reads the tracks ([`TrackMeta`](crate::meta::TrackMeta)) and detections
//! ([`DetectionMeta`](crate::meta::DetectionMeta)) of each buffer, zones, lines and events
//! ([`ZoneMeta`](crate::meta::ZoneMeta), [`EventMeta`](crate::meta::EventMeta)), and adds pixels: boxes, labels such as
//! `person 17 0.83`, and trails that show where a track has been. The metas stay as they are. A buffer that
//! carries none of them passes through untouched; it is not even mapped.
//!
//! ```shell
//! gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! nvpinference model=yolox_nano.onnx ! nvptracker ! \
//!     nvpoverlay ! videoconvert ! autovideosink
//! ```
//!
//! It draws straight into I420, YV12, NV12, NV21, YUY2, RGB, BGR, RGBA, BGRA, ARGB, ABGR, the x variants and
//! GRAY8 at any size, in the frame's own colorimetry, so no `videoconvert` is needed before it. Lines and text
//! grow with the frame's height: they read alike at 360p and at 2160p.
//!
//! | what | how it looks |
//! |---|---|
//! | confirmed track | solid outline in the colour of its id |
//! | coasted track (not seen on this frame) | dashed outline, fainter plate |
//! | tentative track, with `show-tentative` | thin outline |
//! | detection | solid outline in the colour of its class; thin on frames that have tracks |
//! | zone or line that holds on the view, and its counters (occupancy; forward/backward) | light blue; red while an event about it lasts |
//! | event that lasts | its rule, its age and a track, in the corner |
//!
//! Where a tracker runs, its tracks stand for the detections, so these are hidden by default;
//! `show-detections` says otherwise. `trail-length=0` turns trails off. Where the buffers have a
//! [`ViewMeta`](crate::meta::ViewMeta), trails lie where the objects were in the scene: they follow the camera's motion,
//! and begin anew when its epoch changes or it moves by nobody knows how much; `show-view` tells epoch, preset and motion, and
//! lays a grid into the scene. All properties may change while
//! playing and take effect with the next frame.

mod imp;
mod zones;

use gst::glib;
use gst::prelude::*;

use crate::draw;

glib::wrapper! {
    /// The element `nvpoverlay`.
    pub struct NvpOverlay(ObjectSubclass<imp::NvpOverlay>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

/// What decides the colour of a track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpOverlayColorBy")]
pub enum ColorBy {
    /// Its id.
    #[default]
    #[enum_value(name = "One colour for each track", nick = "track")]
    Track,
    /// Its class.
    #[enum_value(name = "One colour for each class", nick = "class")]
    Class,
}

/// Which detections are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpOverlayShowDetections")]
pub enum ShowDetections {
    /// None.
    #[enum_value(name = "No detections", nick = "never")]
    Never,
    /// Those on frames without a tracker's result.
    #[default]
    #[enum_value(name = "On frames that no tracker looked at", nick = "untracked")]
    Untracked,
    /// Those that no drawn track overlaps.
    #[enum_value(name = "Where no drawn track overlaps them (IoU 0.5)", nick = "uncovered")]
    Uncovered,
    /// All.
    #[enum_value(name = "All detections", nick = "always")]
    Always,
}

/// What is shown of the camera's view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpOverlayShowView")]
pub enum ShowView {
    /// Nothing.
    #[default]
    #[enum_value(name = "Nothing", nick = "never")]
    Never,
    /// A line of text.
    #[enum_value(name = "A line of text: epoch, preset, motion, and what is wrong", nick = "state")]
    State,
    /// That and a grid.
    #[enum_value(
        name = "That, and a grid that lies in the scene while the way to the reference view is known",
        nick = "grid"
    )]
    Grid,
}

impl From<ShowView> for draw::ShowView {
    fn from(value: ShowView) -> Self {
        match value {
            ShowView::Never => Self::Never,
            ShowView::State => Self::State,
            ShowView::Grid => Self::Grid,
        }
    }
}

impl From<draw::ShowView> for ShowView {
    fn from(value: draw::ShowView) -> Self {
        match value {
            draw::ShowView::Never => Self::Never,
            draw::ShowView::State => Self::State,
            draw::ShowView::Grid => Self::Grid,
        }
    }
}

impl From<ColorBy> for draw::ColorBy {
    fn from(value: ColorBy) -> Self {
        match value {
            ColorBy::Track => Self::Track,
            ColorBy::Class => Self::Class,
        }
    }
}

impl From<draw::ColorBy> for ColorBy {
    fn from(value: draw::ColorBy) -> Self {
        match value {
            draw::ColorBy::Track => Self::Track,
            draw::ColorBy::Class => Self::Class,
        }
    }
}

impl From<ShowDetections> for draw::ShowDetections {
    fn from(value: ShowDetections) -> Self {
        match value {
            ShowDetections::Never => Self::Never,
            ShowDetections::Untracked => Self::Untracked,
            ShowDetections::Uncovered => Self::Uncovered,
            ShowDetections::Always => Self::Always,
        }
    }
}

impl From<draw::ShowDetections> for ShowDetections {
    fn from(value: draw::ShowDetections) -> Self {
        match value {
            draw::ShowDetections::Never => Self::Never,
            draw::ShowDetections::Untracked => Self::Untracked,
            draw::ShowDetections::Uncovered => Self::Uncovered,
            draw::ShowDetections::Always => Self::Always,
        }
    }
}

/// Registers the element with the plugin.
pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "nvpoverlay", gst::Rank::NONE, NvpOverlay::static_type())
}
