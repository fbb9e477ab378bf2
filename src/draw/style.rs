//! What to show, and how large.

use std::time::Duration;

/// What decides the colour of a track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorBy {
    /// Its id: every object has its own colour for as long as it is tracked.
    #[default]
    Track,
    /// Its class.
    Class,
}

/// Which detections to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShowDetections {
    /// None.
    Never,
    /// All, on frames that no tracker looked at; none on the others.
    #[default]
    Untracked,
    /// Those that no track shown on the frame overlaps with an IoU of 0.5 or more.
    Uncovered,
    /// All.
    Always,
}

/// What to show of the camera's view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShowView {
    /// Nothing.
    #[default]
    Never,
    /// A line of text: epoch, preset, motion, and what is wrong.
    State,
    /// That, and a grid that lies in the scene for as long as the way to the reference view is known.
    Grid,
}

/// What a painter shows, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Style {
    /// Show the boxes' outlines.
    pub boxes: bool,
    /// Show class names.
    pub labels: bool,
    /// Show masks, keypoints, corners, and what other models say of an object.
    pub details: bool,
    /// Show track ids.
    pub ids: bool,
    /// Show confidences.
    pub confidence: bool,
    /// Show how fast tracks are: `still`, metres a second (`1.4 m/s`) where the ground is known, else units of the
    /// frame a second (`0.25/s`).
    pub motion: bool,
    /// Show tentative tracks too, in thin lines.
    pub tentative: bool,
    /// What to show of the camera's view.
    pub view: ShowView,
    /// Show zones, lines, their counters, and the events that last.
    pub zones: bool,
    /// Which detections to show.
    pub detections: ShowDetections,
    /// What decides the colour of a track.
    pub color_by: ColorBy,
    /// How long a trail reaches back; zero for none.
    pub trail: Duration,
    /// Thickness of outlines in pixels, 0 to follow the frame's height.
    pub line_width: u32,
    /// Height of a line of text in pixels, 0 to follow the frame's height.
    pub font_size: u32,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            boxes: true,
            labels: true,
            details: true,
            ids: true,
            confidence: true,
            motion: false,
            tentative: false,
            view: ShowView::default(),
            zones: true,
            detections: ShowDetections::default(),
            color_by: ColorBy::default(),
            trail: Duration::from_secs(2),
            line_width: 0,
            font_size: 0,
        }
    }
}

impl Style {
    /// The largest line width in pixels.
    pub const MAX_LINE_WIDTH: u32 = 16;
    /// The largest font size in pixels.
    pub const MAX_FONT_SIZE: u32 = 256;

    /// Thickness of outlines in pixels on a frame of the given height: 2 up to 720p, 4 at 1080p, 6 at
    /// 2160p.
    pub(super) fn line_width(&self, height: usize) -> i32 {
        match self.line_width {
            0 => ((height + 360) / 720).clamp(1, 8) as i32 * 2,
            px => px.min(Self::MAX_LINE_WIDTH) as i32,
        }
    }

    /// Height of a line of text in pixels on a frame of the given height: a fortieth of it, at least 14.
    pub(super) fn font_size(&self, height: usize) -> usize {
        match self.font_size {
            0 => (height / 40).clamp(14, 128),
            px => px.min(Self::MAX_FONT_SIZE) as usize,
        }
    }
}
