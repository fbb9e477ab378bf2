//! Narrow bars, mixed once and then drawn on many rows.

use super::OPAQUE;
use super::canvas::Bar;
use super::grid::{Grid, Samples, clip};

/// Pixels that a group of bars may reach over.
pub(super) const MAX_REACH: usize = 24;
/// Bytes of as many pixels in the widest format.
const STRIP: usize = 4 * MAX_REACH;

/// What bars do to the bytes of a row of one grid: `byte * keep + add`, in 1/256.
#[derive(Clone, Debug)]
pub(super) struct Strip {
    start: usize,
    len: usize,
    keep: [u16; STRIP],
    add: [u16; STRIP],
}

impl Strip {
    /// The bars of a group on rows of which `rows` pixels are drawn on.
    pub(super) fn new(bars: &[Bar<'_>], index: usize, grid: &Grid, rows: u16, width: usize) -> Self {
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
            *keep = ((u32::from(*keep) * rest) >> 8) as u16;
            *add = ((u32::from(*add) * rest + 128) >> 8) as u16 + u16::from(new) * alpha;
        }
    }

    /// Draws it on a row.
    pub(super) fn draw(&self, row: &mut [u8]) {
        let bytes = &mut row[self.start..self.start + self.len];
        for ((byte, keep), add) in bytes.iter_mut().zip(&self.keep).zip(&self.add) {
            *byte = ((u16::from(*byte) * keep + add + 128) >> 8) as u8;
        }
    }
}
