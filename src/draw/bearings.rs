//! Where the camera looks: a line of text, and a grid that lies in the scene.

use std::fmt::Write;

use super::line::join;
use super::style::ShowView;
use super::{Canvas, Mask, Rgb};
use crate::homography::{apply, inverse};
use crate::view::{Motion, Phase, Validity};

/// Lines of the grid in a picture's width and height.
const LINES: i32 = 8;
/// How many pictures the grid reaches beyond the reference view.
const BEYOND: i32 = 1;
/// Pieces of each line; what of them lies outside is left out.
const PIECES: i32 = 4 * LINES;

/// What a painter tells of the camera's view.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bearings<'a> {
    /// Number of the view's jumps so far.
    pub epoch: u64,
    /// The camera's preset, when known.
    pub preset: Option<&'a str>,
    /// Where the frame lies in a move.
    pub phase: Phase,
    /// Whether the camera moves.
    pub motion: Motion,
    /// Whether what was drawn on the view holds.
    pub validity: Validity,
    /// Why it does not.
    pub reason: Option<&'a str>,
    /// Row-major homography from this frame's normalised points to those of the reference view, when known.
    pub to_reference: Option<[f32; 9]>,
}

/// The same, kept for a painter.
#[derive(Clone, Debug, Default)]
pub(super) struct Noted {
    /// Empty when there is no view.
    pub(super) text: String,
    from_reference: Option<[f64; 9]>,
    pub(super) color: Rgb,
}

impl Noted {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.from_reference = None;
    }

    pub(super) fn set(&mut self, view: &Bearings<'_>) {
        self.clear();
        let motion = match (view.phase, view.motion) {
            (Phase::MoveStart, _) => "starts to move",
            (Phase::MoveEnd, _) => "comes to rest",
            (_, Motion::Unknown) => "motion unknown",
            (_, Motion::Stable) => "still",
            (_, Motion::Moving) => "moving",
        };
        // Writing to a string does not fail.
        let _ = write!(self.text, "epoch {}", view.epoch);
        if let Some(preset) = view.preset {
            let _ = write!(self.text, " \u{b7} {preset}");
        }
        let _ = write!(self.text, " \u{b7} {motion}");
        if let Some(reason) = view.reason.filter(|reason| *reason != motion) {
            let _ = write!(self.text, " \u{b7} {reason}");
        }
        let known = view.to_reference.filter(|_| view.validity != Validity::Invalid);
        self.from_reference = known.and_then(|h| inverse(&h.map(f64::from)));
        // The same preset looks the same each time. The numbers keep away from those of the first tracks.
        let number = view.preset.map_or(view.epoch, |name| {
            name.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 10_000
        });
        self.color = Rgb::distinct(number + 5);
    }
}

/// Draws the grid of the reference view, an eighth of the picture wide, where that lies now.
pub(super) fn paint_grid(canvas: &mut Canvas<'_, '_>, mask: &mut Mask, noted: &Noted, radius: f32) {
    let Some(way) = noted.from_reference else { return };
    let ink = canvas.ink(noted.color);
    let (first, last) = (-BEYOND * LINES, (1 + BEYOND) * LINES);
    let step = f64::from(last - first) / f64::from(LINES * PIECES);
    for line in first..=last {
        let across = f64::from(line) / f64::from(LINES);
        for piece in 0..PIECES {
            let along = |by: i32| f64::from(first) / f64::from(LINES) + f64::from(piece + by) * step;
            let (from, to) = (along(0), along(1));
            for (a, b) in [([across, from], [across, to]), ([from, across], [to, across])] {
                let (a, b) = (apply(&way, a), apply(&way, b));
                let outside = |i: usize| a[i].max(b[i]) < 0.0 || a[i].min(b[i]) > 1.0;
                if !outside(0) && !outside(1) {
                    join(canvas, mask, a.map(|v| v as f32), b.map(|v| v as f32), radius, &ink);
                }
            }
        }
    }
}

impl ShowView {
    pub(super) fn has_text(self) -> bool {
        self != Self::Never
    }

    pub(super) fn has_grid(self) -> bool {
        self == Self::Grid
    }
}
