//! A frame's luma at several sizes.

use crate::image::Frame;
pub(super) use crate::luma::Luma;

/// Levels of a [`Pyramid`]: each has half the size of the one before.
pub(super) const LEVELS: usize = 3;
/// The longer side that level 0 is brought near to by a whole factor.
const SIDE: f64 = 340.0;

/// A frame's luma at several sizes.
#[derive(Clone, Debug, Default)]
pub(super) struct Pyramid {
    pub(super) levels: [Luma; LEVELS],
    /// Pixels of the frame along a side of one of level 0.
    pub(super) factor: usize,
    /// The frame's own size.
    pub(super) size: (usize, usize),
    sums: Vec<u16>,
}

impl Pyramid {
    /// Takes over a frame. Memory is kept from one frame to the next of its size.
    pub(super) fn fill(&mut self, frame: &Frame<'_>) {
        self.size = (frame.width(), frame.height());
        self.factor = self.levels[0].fill(frame, SIDE, &mut self.sums);
        self.halve_down();
    }

    /// Makes the smaller levels from level 0.
    pub(super) fn halve_down(&mut self) {
        let [base, rest @ ..] = &mut self.levels;
        let mut above = &*base;
        for level in rest {
            level.halve(above);
            above = level;
        }
    }

    /// The same picture without level 0.
    pub(super) fn coarser(&self) -> Self {
        let [_, finer, coarse] = &self.levels;
        let mut smallest = Luma::default();
        smallest.halve(coarse);
        let levels = [finer.clone(), coarse.clone(), smallest];
        Self { levels, factor: self.factor * 2, size: self.size, sums: Vec::new() }
    }
}
