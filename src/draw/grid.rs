//! Where the samples of a format lie, and how shapes are mixed into them.

use std::ops::Range;

use super::{Mask, OPAQUE};
use crate::image::{FrameMut, Layout};

/// The bytes of one sample position, as many as its grid writes.
pub(super) type Texel = [u8; 4];

/// The most grids that a format has.
pub(super) const MAX_GRIDS: usize = 3;

/// Samples at regular places of one plane: every format is one to three of these.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) plane: usize,
    /// Bytes from one sample position to the next.
    pub(super) step: usize,
    /// First byte written of each position.
    pub(super) offset: usize,
    /// Which component goes into each byte written: red, green, blue or Y, Cb, Cr; 3 stands for opaque.
    pub(super) components: [usize; 4],
    /// How many bytes are written at each position.
    pub(super) lanes: usize,
    /// log2 of the pixels that share a sample, along x and y.
    pub(super) shift: (u32, u32),
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

    /// The grids of a layout and how many of them count.
    pub(super) fn of(layout: Layout) -> ([Self; MAX_GRIDS], usize) {
        let luma = Self::new(0, 1, 0, &[0], (0, 0));
        match layout {
            Layout::Planar420 { u, v } => {
                ([luma, Self::new(u, 1, 0, &[1], (1, 1)), Self::new(v, 1, 0, &[2], (1, 1))], 3)
            }
            Layout::SemiPlanar420 { u, .. } => {
                let pair = if u == 0 { [1, 2] } else { [2, 1] };
                ([luma, Self::new(1, 2, 0, &pair, (1, 1)), luma], 2)
            }
            Layout::Packed422 => {
                let chroma = |offset, component| Self::new(0, 4, offset, &[component], (1, 0));
                ([Self::new(0, 2, 0, &[0], (0, 0)), chroma(1, 1), chroma(3, 2)], 3)
            }
            Layout::Packed { step, r, g, b, .. } => ([Self::packed(step, r, g, b); MAX_GRIDS], 1),
            Layout::Gray => ([luma; MAX_GRIDS], 1),
        }
    }

    /// Draws a shape on the grid, with code made for its step and lanes.
    pub(super) fn draw(&self, shape: &impl Shape, frame: &mut FrameMut<'_>, texel: Texel) {
        match (self.step, self.lanes) {
            (1, _) => shape.draw::<1, 1>(self, frame, texel),
            (2, 1) => shape.draw::<2, 1>(self, frame, texel),
            (2, _) => shape.draw::<2, 2>(self, frame, texel),
            (3, _) => shape.draw::<3, 3>(self, frame, texel),
            (_, 1) => shape.draw::<4, 1>(self, frame, texel),
            (..) => shape.draw::<4, 4>(self, frame, texel),
        }
    }
}

/// Something to draw on a grid of `STEP` bytes a position, of which `LANES` are written.
pub(super) trait Shape {
    /// Draws it in the colour `texel`.
    fn draw<const STEP: usize, const LANES: usize>(
        &self,
        grid: &Grid,
        frame: &mut FrameMut<'_>,
        texel: Texel,
    );
}

/// The part of `start..end` inside `0..size`, or `None` when there is none.
pub(super) fn clip(start: i32, end: i32, size: usize) -> Option<Range<usize>> {
    let start = usize::try_from(start.max(0)).ok()?;
    let end = usize::try_from(end).ok()?.min(size);
    (start < end).then_some(start..end)
}

/// Pixels along one axis, and the samples that serve them.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    pixels: Range<usize>,
    shift: u32,
}

impl Samples {
    pub(super) fn new(mut pixels: Range<usize>, shift: u32, size: usize) -> Self {
        // The last sample of an odd side serves the pixels that exist: they are all of it.
        if pixels.end == size {
            pixels.end = size.next_multiple_of(1 << shift);
        }
        Self { pixels, shift }
    }

    pub(super) fn range(&self) -> Range<usize> {
        served(&self.pixels, self.shift)
    }

    /// How many of a sample's pixels are in the range: at most 1 << shift.
    pub(super) fn weight(&self, sample: usize) -> u16 {
        let first = (sample << self.shift).max(self.pixels.start);
        let end = ((sample + 1) << self.shift).min(self.pixels.end);
        (end - first) as u16
    }

    /// The samples all of whose pixels are in the range.
    fn whole(&self) -> Range<usize> {
        let first = self.pixels.start.div_ceil(1 << self.shift);
        first..(self.pixels.end >> self.shift).max(first)
    }

    /// Runs of samples of one weight: the first and the last when they are covered in part, and the whole
    /// ones.
    pub(super) fn by_weight(&self) -> impl Iterator<Item = (Range<usize>, u16)> {
        let (all, whole) = (self.range(), self.whole());
        let first_after = whole.end.max(all.start);
        [all.start..whole.start.min(all.end), whole, first_after..all.end]
            .into_iter()
            .filter(|range| !range.is_empty())
            .map(|range| (range.clone(), self.weight(range.start)))
    }
}

/// A rectangle of one opacity.
pub(super) struct Flat {
    pub(super) columns: Samples,
    pub(super) rows: Samples,
    pub(super) opacity: u16,
}

impl Shape for Flat {
    fn draw<const STEP: usize, const LANES: usize>(
        &self,
        grid: &Grid,
        frame: &mut FrameMut<'_>,
        texel: Texel,
    ) {
        let (columns, whole) = (self.columns.range(), self.columns.whole());
        let first = frame.rows_mut(grid.plane, self.rows.range());
        for (y, row) in self.rows.range().zip(first) {
            let alpha = (self.opacity * self.rows.weight(y)) >> grid.shift.1;
            let mut run = |samples: Range<usize>, alpha: u16| {
                let bytes = &mut row[samples.start * STEP..samples.end * STEP];
                lerp_run::<STEP, LANES>(bytes, grid.offset, texel, alpha);
            };
            run(whole.clone(), alpha);
            for edge in (columns.start..whole.start).chain(whole.end..columns.end) {
                run(edge..edge + 1, (alpha * self.columns.weight(edge)) >> grid.shift.0);
            }
        }
    }
}

/// A mask at even pixels, so that its own edge cuts no sample.
pub(super) struct Masked<'m> {
    pub(super) origin: (i32, i32),
    pub(super) columns: Range<usize>,
    pub(super) rows: Range<usize>,
    pub(super) mask: &'m Mask,
}

impl Shape for Masked<'_> {
    fn draw<const STEP: usize, const LANES: usize>(
        &self,
        grid: &Grid,
        frame: &mut FrameMut<'_>,
        texel: Texel,
    ) {
        let (columns, rows) = (served(&self.columns, grid.shift.0), served(&self.rows, grid.shift.1));
        let left = inside(columns.start << grid.shift.0, self.origin.0);
        for (y, row) in rows.clone().zip(frame.rows_mut(grid.plane, rows)) {
            let bytes = &mut row[columns.start * STEP..columns.end * STEP];
            let top = inside(y << grid.shift.1, self.origin.1);
            let first = &self.mask.row(top)[left..];
            let second = if grid.shift.1 == 0 { first } else { &self.mask.row(top + 1)[left..] };
            if grid.shift.0 == 0 {
                let alphas = first.iter().map(|&a| u16::from(a));
                lerp_each::<STEP, LANES>(bytes, grid.offset, texel, alphas);
            } else {
                let alphas = first.chunks_exact(2).zip(second.chunks_exact(2)).map(|(a, b)| {
                    (u16::from(a[0]) + u16::from(a[1]) + u16::from(b[0]) + u16::from(b[1]) + 2) / 4
                });
                lerp_each::<STEP, LANES>(bytes, grid.offset, texel, alphas);
            }
        }
    }
}

/// The samples that serve a range of pixels.
fn served(pixels: &Range<usize>, shift: u32) -> Range<usize> {
    pixels.start >> shift..((pixels.end - 1) >> shift) + 1
}

/// A frame coordinate in a mask at `origin`.
fn inside(pixel: usize, origin: i32) -> usize {
    (pixel as i32 - origin) as usize
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
