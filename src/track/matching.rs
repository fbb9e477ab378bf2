//! Which observation belongs to which track: one optimal assignment a stage, over the pairs that can be.

use super::Observation;
use super::tracked::{Seen, Tracked};
use crate::assignment::Assignment;

/// Associates; keeps its memory.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    assignment: Assignment,
    /// Indices of the tracks that take part: a row each.
    rows: Vec<usize>,
    /// The columns by left edge, so that a track meets only what can overlap it.
    by_left: Vec<(f32, usize)>,
    /// Pairs of a track and a place in the list of free observations.
    pairs: Vec<(usize, usize)>,
}

/// Which pairs are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    /// What a pair has to fit at least.
    pub(super) least: f32,
    /// Boxes count as larger by so much of their size on each side.
    pub(super) margin: f32,
}

impl Matcher {
    /// Finds the pairs with the greatest sum of fit, of the tracks that `takes_part` accepts and the `free`
    /// observations that they overlap. What fits less than the gate's `least` stays alone.
    pub(super) fn overlapping(
        &mut self,
        tracks: &[Tracked],
        seen: &[Seen],
        free: &[usize],
        gate: Gate,
        takes_part: impl Fn(&Tracked) -> bool,
        fit: impl Fn(&Tracked, &Seen) -> f32,
    ) -> &[(usize, usize)] {
        self.rows.clear();
        self.by_left.clear();
        self.by_left.extend(free.iter().enumerate().map(|(at, i)| (seen[*i].detection.bbox.x_min, at)));
        self.by_left.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let widest =
            free.iter().map(|i| seen[*i].detection.bbox.width()).fold(0.0, f32::max) * (1.0 + gate.margin);
        let drift = free.iter().map(|i| seen[*i].age).max().unwrap_or(0);
        self.assignment.clear(free.len());
        for (i, tracked) in tracks.iter().enumerate().filter(|(_, t)| !t.now && takes_part(t)) {
            let reach = tracked.reach(drift).grown(gate.margin);
            let from = self.by_left.partition_point(|(left, _)| *left < reach.x_min - widest);
            for (_, column) in self.by_left[from..]
                .iter()
                .take_while(|(left, _)| *left <= reach.x_max + gate.margin * widest)
            {
                let seen = &seen[free[*column]];
                if !reach.meets(&seen.detection.bbox.grown(gate.margin)) {
                    continue;
                }
                allow(&mut self.assignment, *column, fit(tracked, seen) - gate.least);
            }
            self.assignment.end_row();
            self.rows.push(i);
        }
        self.solve()
    }

    /// The same for pairs that need not overlap.
    pub(super) fn anywhere(
        &mut self,
        tracks: &[Tracked],
        free: &[usize],
        least: f32,
        takes_part: impl Fn(&Tracked) -> bool,
        fit: impl Fn(&Tracked, usize) -> f32,
    ) -> &[(usize, usize)] {
        self.rows.clear();
        self.assignment.clear(free.len());
        for (i, tracked) in tracks.iter().enumerate().filter(|(_, t)| !t.now && takes_part(t)) {
            for (column, seen) in free.iter().enumerate() {
                allow(&mut self.assignment, column, fit(tracked, *seen) - least);
            }
            self.assignment.end_row();
            self.rows.push(i);
        }
        self.solve()
    }

    fn solve(&mut self) -> &[(usize, usize)] {
        self.pairs.clear();
        let rows = &self.rows;
        self.pairs.extend(self.assignment.solve().map(|(row, column)| (rows[row], column)));
        &self.pairs
    }
}

fn allow(assignment: &mut Assignment, column: usize, gain: f32) {
    if gain > 0.0 {
        assignment.allow(column, Assignment::UNMATCHED - f64::from(gain));
    }
}

/// The embedding of an observation, when it has one.
pub(super) fn embedding<'a>(observations: &[Observation<'a>], seen: &Seen) -> Option<&'a [f32]> {
    observations[seen.index].embedding
}
