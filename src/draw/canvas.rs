//! Clipped primitives on the planes of a frame.

use std::ops::Range;

use super::Rgb;
use crate::image::{FrameMut, Layout};

/// Full opacity, see [`Canvas::blend`].
pub const OPAQUE: u16 = 256;

/// A rectangle of pixels, left and top edge included, right and bottom edge not. It may reach outside the frame.
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
    texels: [Texel; MAX_GRIDS],
}

/// The bytes of one sample position, as many as its grid writes.
type Texel = [u8; 4];

const MAX_GRIDS: usize = 3;
/// Pixels that a group of bars may reach over; even.
pub(super) const MAX_BAR: i32 = 24;
/// Bytes of as many pixels in the widest format.
const STRIP: usize = 4 * MAX_BAR as usize;

/// Samples at regular places of one plane: every format is one to three of these.
#[derive(Clone, Copy, Debug)]
struct Grid {
    plane: usize,
    /// Bytes from one sample position to the next.
    step: usize,
    /// First byte written of each position.
    offset: usize,
    /// Which component goes into each byte written: red, green, blue or Y, Cb, Cr; 3 stands for opaque.
    components: [usize; 4],
    /// How many bytes are written at each position.
    lanes: usize,
    /// log2 of the pixels that share a sample, along x and y.
    shift: (u32, u32),
}

impl Grid {
    fn new(plane: usize, step: usize, offset: usize, written: &[usize], shift: (u32, u32)) -> Self {
        let mut components = [0; 4];
        components[..written.len()].copy_from_slice(written);
        Self { plane, step, offset, components, lanes: written.len(), shift }
    }

    fn packed(step: usize, r: usize, g: usize, b: usize) -> Self {
        let mut components = [3; 4];
        (components[r], components[g], components[b]) = (0, 1, 2);
        Self { plane: 0, step, offset: 0, components, lanes: step, shift: (0, 0) }
    }
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
        let luma = Grid::new(0, 1, 0, &[0], (0, 0));
        let (grids, count) = match frame.format().layout() {
            Layout::Planar420 { u, v } => {
                ([luma, Grid::new(u, 1, 0, &[1], (1, 1)), Grid::new(v, 1, 0, &[2], (1, 1))], 3)
            }
            Layout::SemiPlanar420 { u, .. } => {
                let pair = if u == 0 { [1, 2] } else { [2, 1] };
                ([luma, Grid::new(1, 2, 0, &pair, (1, 1)), luma], 2)
            }
            Layout::Packed422 => {
                let chroma = |offset, component| Grid::new(0, 4, offset, &[component], (1, 0));
                ([Grid::new(0, 2, 0, &[0], (0, 0)), chroma(1, 1), chroma(3, 2)], 3)
            }
            Layout::Packed { step, r, g, b, .. } => ([Grid::packed(step, r, g, b); MAX_GRIDS], 1),
            Layout::Gray => ([luma; MAX_GRIDS], 1),
        };
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
            let opacity = opacity.min(OPAQUE);
            let flat = Flat { grid, columns, rows, opacity };
            match (grid.step, grid.lanes) {
                (1, _) => flat.draw::<1, 1>(self.frame, texel),
                (2, 1) => flat.draw::<2, 1>(self.frame, texel),
                (2, _) => flat.draw::<2, 2>(self.frame, texel),
                (3, _) => flat.draw::<3, 3>(self.frame, texel),
                (_, 1) => flat.draw::<4, 1>(self.frame, texel),
                (..) => flat.draw::<4, 4>(self.frame, texel),
            }
        }
    }

    /// Draws groups of bars into the rows from `y0` up to `y1`, all of them in one pass over the rows. The bars
    /// of a group lie over each other, the last one on top, and reach over at most [`MAX_BAR`] pixels.
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
            let masked = Masked { grid, origin: (x, y), columns: columns.clone(), rows: rows.clone(), mask };
            match (grid.step, grid.lanes) {
                (1, _) => masked.draw::<1, 1>(self.frame, texel),
                (2, 1) => masked.draw::<2, 1>(self.frame, texel),
                (2, _) => masked.draw::<2, 2>(self.frame, texel),
                (3, _) => masked.draw::<3, 3>(self.frame, texel),
                (_, 1) => masked.draw::<4, 1>(self.frame, texel),
                (..) => masked.draw::<4, 4>(self.frame, texel),
            }
        }
    }
}

/// The part of `start..end` inside `0..size`, or `None` when there is none.
fn clip(start: i32, end: i32, size: usize) -> Option<Range<usize>> {
    let start = usize::try_from(start.max(0)).ok()?;
    let end = usize::try_from(end).ok()?.min(size);
    (start < end).then_some(start..end)
}

/// Pixels along one axis, and the samples that serve them.
#[derive(Clone, Debug)]
struct Samples {
    pixels: Range<usize>,
    shift: u32,
}

impl Samples {
    fn new(mut pixels: Range<usize>, shift: u32, size: usize) -> Self {
        // The last sample of an odd side serves the pixels that exist: they are all of it.
        if pixels.end == size {
            pixels.end = size.next_multiple_of(1 << shift);
        }
        Self { pixels, shift }
    }

    fn range(&self) -> Range<usize> {
        self.pixels.start >> self.shift..(self.pixels.end - 1 >> self.shift) + 1
    }

    /// How many of a sample's pixels are in the range: at most 1 << shift.
    fn weight(&self, sample: usize) -> u16 {
        let first = (sample << self.shift).max(self.pixels.start);
        let end = ((sample + 1) << self.shift).min(self.pixels.end);
        (end - first) as u16
    }

    /// The samples all of whose pixels are in the range.
    fn whole(&self) -> Range<usize> {
        let first = self.pixels.start.div_ceil(1 << self.shift);
        first..(self.pixels.end >> self.shift).max(first)
    }

    /// Runs of samples of one weight: the first and the last when they are partly covered, and the whole ones.
    fn by_weight(&self) -> impl Iterator<Item = (Range<usize>, u16)> {
        let (all, whole) = (self.range(), self.whole());
        let first_after = whole.end.max(all.start);
        [all.start..whole.start.min(all.end), whole, first_after..all.end]
            .into_iter()
            .filter(|range| !range.is_empty())
            .map(|range| (range.clone(), self.weight(range.start)))
    }
}

/// Columns from `x0` up to `x1` that take a colour, `opacity` from 0 to [`OPAQUE`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Bar<'i> {
    pub(super) x0: i32,
    pub(super) x1: i32,
    pub(super) ink: &'i Ink,
    pub(super) opacity: u16,
}

/// What bars do to the bytes of a row of one grid: `byte * keep + add`, in 1/256.
#[derive(Clone, Debug)]
struct Strip {
    start: usize,
    len: usize,
    keep: [u16; STRIP],
    add: [u16; STRIP],
}

impl Strip {
    /// The bars of a group on rows of which `rows` pixels are drawn on.
    fn new(bars: &[Bar<'_>], index: usize, grid: &Grid, rows: u16, width: usize) -> Self {
        let mut strip = Self { start: 0, len: 0, keep: [OPAQUE; STRIP], add: [0; STRIP] };
        let clipped = |bar: &Bar<'_>| Some(Samples::new(clip(bar.x0, bar.x1, width)?, grid.shift.0, width));
        let ranges = || bars.iter().filter_map(clipped).map(|samples| samples.range());
        let Some(first) = ranges().map(|range| range.start).min() else { return strip };
        let end = ranges().map(|range| range.end).max().unwrap_or(first).min(first + STRIP / grid.step);
        (strip.start, strip.len) = (first * grid.step, (end - first) * grid.step);
        for bar in bars {
            let Some(samples) = clipped(bar) else { continue };
            for sample in samples.range().take_while(|sample| *sample < end) {
                let covered = bar.opacity.min(OPAQUE) * rows * samples.weight(sample);
                let at = (sample - first) * grid.step + grid.offset;
                strip.mix(at, &bar.ink.texels[index][..grid.lanes], covered >> (grid.shift.0 + grid.shift.1));
            }
        }
        strip
    }

    /// Mixes a colour over what is there.
    fn mix(&mut self, at: usize, texel: &[u8], alpha: u16) {
        for (i, &new) in texel.iter().enumerate() {
            let (keep, add) = (&mut self.keep[at + i], &mut self.add[at + i]);
            let rest = u32::from(OPAQUE - alpha);
            *keep = (u32::from(*keep) * rest >> 8) as u16;
            *add = (u32::from(*add) * rest + 128 >> 8) as u16 + u16::from(new) * alpha;
        }
    }

    fn draw(&self, row: &mut [u8]) {
        let bytes = &mut row[self.start..self.start + self.len];
        for ((byte, keep), add) in bytes.iter_mut().zip(&self.keep).zip(&self.add) {
            *byte = (u16::from(*byte) * keep + add + 128 >> 8) as u8;
        }
    }
}

/// A rectangle of one opacity on one grid.
struct Flat<'g> {
    grid: &'g Grid,
    columns: Samples,
    rows: Samples,
    opacity: u16,
}

impl Flat<'_> {
    fn draw<const STEP: usize, const LANES: usize>(&self, frame: &mut FrameMut<'_>, texel: Texel) {
        let (columns, whole) = (self.columns.range(), self.columns.whole());
        let first = frame.rows_mut(self.grid.plane, self.rows.range());
        for (y, row) in self.rows.range().zip(first) {
            let alpha = self.opacity * self.rows.weight(y) >> self.grid.shift.1;
            let mut run = |samples: Range<usize>, alpha: u16| {
                let bytes = &mut row[samples.start * STEP..samples.end * STEP];
                lerp_run::<STEP, LANES>(bytes, self.grid.offset, texel, alpha);
            };
            run(whole.clone(), alpha);
            for edge in (columns.start..whole.start).chain(whole.end..columns.end) {
                run(edge..edge + 1, alpha * self.columns.weight(edge) >> self.grid.shift.0);
            }
        }
    }
}

/// A mask on one grid.
struct Masked<'g> {
    grid: &'g Grid,
    origin: (i32, i32),
    columns: Range<usize>,
    rows: Range<usize>,
    mask: &'g Mask,
}

impl Masked<'_> {
    fn draw<const STEP: usize, const LANES: usize>(&self, frame: &mut FrameMut<'_>, texel: Texel) {
        let (columns, rows) =
            (self.samples(&self.columns, self.grid.shift.0), self.samples(&self.rows, self.grid.shift.1));
        let left = self.inside(columns.start << self.grid.shift.0, self.origin.0);
        for (y, row) in rows.clone().zip(frame.rows_mut(self.grid.plane, rows)) {
            let bytes = &mut row[columns.start * STEP..columns.end * STEP];
            let top = self.inside(y << self.grid.shift.1, self.origin.1);
            let first = &self.mask.row(top)[left..];
            let second = if self.grid.shift.1 == 0 { first } else { &self.mask.row(top + 1)[left..] };
            if self.grid.shift.0 == 0 {
                let alphas = first.iter().map(|&a| u16::from(a));
                lerp_each::<STEP, LANES>(bytes, self.grid.offset, texel, alphas);
            } else {
                let alphas = first.chunks_exact(2).zip(second.chunks_exact(2)).map(|(a, b)| {
                    (u16::from(a[0]) + u16::from(a[1]) + u16::from(b[0]) + u16::from(b[1]) + 2) / 4
                });
                lerp_each::<STEP, LANES>(bytes, self.grid.offset, texel, alphas);
            }
        }
    }

    /// The samples of a range of pixels. Masks lie on even pixels, so no sample is cut by a mask's edge.
    fn samples(&self, pixels: &Range<usize>, shift: u32) -> Range<usize> {
        pixels.start >> shift..(pixels.end - 1 >> shift) + 1
    }

    /// A frame coordinate in the mask.
    fn inside(&self, pixel: usize, origin: i32) -> usize {
        (pixel as i32 - origin) as usize
    }
}

/// `old` mixed with `new`, exact at both ends; `alpha` from 0 to 256.
fn lerp(old: u8, new: u8, alpha: u16) -> u8 {
    ((u16::from(old) * (OPAQUE - alpha) + u16::from(new) * alpha + 128) >> 8) as u8
}

fn lerp_run<const STEP: usize, const LANES: usize>(
    bytes: &mut [u8],
    offset: usize,
    texel: Texel,
    alpha: u16,
) {
    let offset = offset.min(STEP - LANES);
    if alpha == OPAQUE {
        for sample in bytes.chunks_exact_mut(STEP) {
            sample[offset..][..LANES].copy_from_slice(&texel[..LANES]);
        }
        return;
    }
    for sample in bytes.chunks_exact_mut(STEP) {
        for (byte, new) in sample[offset..][..LANES].iter_mut().zip(texel) {
            *byte = lerp(*byte, new, alpha);
        }
    }
}

fn lerp_each<const STEP: usize, const LANES: usize>(
    bytes: &mut [u8],
    offset: usize,
    texel: Texel,
    alphas: impl Iterator<Item = u16>,
) {
    let offset = offset.min(STEP - LANES);
    for (sample, alpha) in bytes.chunks_exact_mut(STEP).zip(alphas) {
        // 255 means all of it.
        let alpha = alpha + (alpha >> 7);
        for (byte, new) in sample[offset..][..LANES].iter_mut().zip(texel) {
            *byte = lerp(*byte, new, alpha);
        }
    }
}
