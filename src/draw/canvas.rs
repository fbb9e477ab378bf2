//! Clipped primitives on the planes of a frame.

use super::Rgb;
use super::grid::{Flat, Grid, MAX_GRIDS, Masked, Samples, Texel, clip};
use super::strip::Strip;
use crate::image::FrameMut;

/// Full opacity, see [`Canvas::blend`].
pub const OPAQUE: u16 = 256;

/// A rectangle of pixels, left and top edge included, right and bottom edge not. It may reach outside the
/// frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Area {
    /// Left edge.
    pub x0: i32,
    /// Top edge.
    pub y0: i32,
    /// Right edge.
    pub x1: i32,
    /// Bottom edge.
    pub y1: i32,
}

impl Area {
    /// The rectangle between two corners.
    pub const fn new(x0: i32, y0: i32, x1: i32, y1: i32) -> Self {
        Self { x0, y0, x1, y1 }
    }

    /// This rectangle with every edge moved outwards by `by` pixels.
    pub fn grown(self, by: i32) -> Self {
        Self::new(
            self.x0.saturating_sub(by),
            self.y0.saturating_sub(by),
            self.x1.saturating_add(by),
            self.y1.saturating_add(by),
        )
    }

    /// True when the two share a pixel.
    pub fn overlaps(self, other: Self) -> bool {
        self.x0 < other.x1 && other.x0 < self.x1 && self.y0 < other.y1 && other.y0 < self.y1
    }
}

/// How much of each pixel of a shape is covered, 0 to 255, in rows. Both sides are even.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Mask {
    /// Makes the mask empty at a new size in pixels, each side rounded up to even. Keeps its memory.
    pub fn reset(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width.next_multiple_of(2), height.next_multiple_of(2));
        self.data.clear();
        self.data.resize(self.width * self.height, 0);
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// One row.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.data[y * self.width..][..self.width]
    }

    /// One row to write.
    pub fn row_mut(&mut self, y: usize) -> &mut [u8] {
        &mut self.data[y * self.width..][..self.width]
    }
}

/// A colour as the samples of one frame's format; made by [`Canvas::ink`].
#[derive(Clone, Copy, Debug)]
pub struct Ink {
    pub(super) texels: [Texel; MAX_GRIDS],
}

/// Columns from `x0` up to `x1` that take a colour, `opacity` from 0 to [`OPAQUE`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Bar<'i> {
    pub(super) x0: i32,
    pub(super) x1: i32,
    pub(super) ink: &'i Ink,
    pub(super) opacity: u16,
}

/// A frame as a surface to draw on. Everything is clipped to the frame.
///
/// Where chroma is subsampled, a sample takes the drawn colour in proportion to the pixels it serves that
/// were drawn on.
#[derive(Debug)]
pub struct Canvas<'f, 'p> {
    frame: &'f mut FrameMut<'p>,
    grids: [Grid; MAX_GRIDS],
    count: usize,
}

impl<'f, 'p> Canvas<'f, 'p> {
    /// The canvas of a frame.
    pub fn new(frame: &'f mut FrameMut<'p>) -> Self {
        let (grids, count) = Grid::of(frame.format().layout());
        Self { frame, grids, count }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.frame.width()
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.frame.height()
    }

    /// A colour in the samples of this frame. The alpha of formats that have it is opaque.
    pub fn ink(&self, color: Rgb) -> Ink {
        let [a, b, c] = if self.frame.format().is_yuv() {
            color.to_yuv(self.frame.colorimetry())
        } else {
            [color.r, color.g, color.b]
        };
        let values = [a, b, c, 255];
        Ink { texels: self.grids.map(|grid| grid.components.map(|i| values[i])) }
    }

    /// Fills a rectangle.
    pub fn fill(&mut self, area: Area, ink: &Ink) {
        self.blend(area, ink, OPAQUE);
    }

    /// Mixes a colour into a rectangle, `opacity` from 0 to [`OPAQUE`].
    pub fn blend(&mut self, area: Area, ink: &Ink, opacity: u16) {
        let (Some(x), Some(y)) =
            (clip(area.x0, area.x1, self.width()), clip(area.y0, area.y1, self.height()))
        else {
            return;
        };
        for (grid, texel) in self.grids[..self.count].iter().zip(ink.texels) {
            let columns = Samples::new(x.clone(), grid.shift.0, self.frame.width());
            let rows = Samples::new(y.clone(), grid.shift.1, self.frame.height());
            grid.draw(&Flat { columns, rows, opacity: opacity.min(OPAQUE) }, self.frame, texel);
        }
    }

    /// Draws groups of bars into the rows from `y0` up to `y1`, all of them in one pass over the rows. The
    /// bars of a group lie over each other, the last one on top, and reach over at most
    /// [`MAX_REACH`](super::strip::MAX_REACH) pixels.
    pub(super) fn bars<const N: usize>(&mut self, y0: i32, y1: i32, groups: [&[Bar<'_>]; N]) {
        let Some(rows) = clip(y0, y1, self.height()) else { return };
        for (index, grid) in self.grids[..self.count].iter().enumerate() {
            let rows = Samples::new(rows.clone(), grid.shift.1, self.frame.height());
            for (rows, weight) in rows.by_weight() {
                let strips = groups.map(|bars| Strip::new(bars, index, grid, weight, self.frame.width()));
                for row in self.frame.rows_mut(grid.plane, rows) {
                    strips.iter().for_each(|strip| strip.draw(row));
                }
            }
        }
    }

    /// Mixes a colour in through a mask with its top left corner at (`x`, `y`), both rounded down to even.
    pub fn mask(&mut self, x: i32, y: i32, mask: &Mask, ink: &Ink) {
        let (x, y) = (x & !1, y & !1);
        let (right, bottom) =
            (x.saturating_add_unsigned(mask.width as u32), y.saturating_add_unsigned(mask.height as u32));
        let (Some(columns), Some(rows)) = (clip(x, right, self.width()), clip(y, bottom, self.height()))
        else {
            return;
        };
        for (grid, texel) in self.grids[..self.count].iter().zip(ink.texels) {
            let (columns, rows) = (columns.clone(), rows.clone());
            grid.draw(&Masked { origin: (x, y), columns, rows, mask }, self.frame, texel);
        }
    }
}
