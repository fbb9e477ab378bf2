//! The camera's motion, as far as the tracks tell it.
//!
//! People walk their own ways, a camera moves all of them at once. So what the tracks that were seen last time have
//! in common in the difference between where they were expected and where something like them is now, is taken for
//! the camera's: the median of the differences, if it stands out from their spread. Nothing is taken from the pixels,
//! and it costs one more assignment.

use super::matching::{Gate, Matcher};
use super::tracked::{Seen, Tracked};

/// The fewest tracks that can tell it.
const FEWEST: usize = 4;
/// How often its standard error a median has to be to be believed at all; what is beyond counts by its square.
const SIGNIFICANCE: f32 = 2.0;
/// Boxes are taken to be larger by so much of their size on each side, so that a jump does not tear pairs apart.
const MARGIN: f32 = 0.1;
/// The same where that leaves most tracks without a pair, and for how long tracks may then have gone unseen, in seconds.
const WIDE_MARGIN: f32 = 0.8;
const LATELY: f32 = 0.3;
/// The least fit of a pair: its IoU, less for another height.
const LEAST_FIT: f32 = 0.2;
/// The standard deviation of a normal distribution in median absolute deviations, and the standard error of its
/// median in those of its mean.
const DEVIATION: f32 = 1.4826;
const MEDIAN_ERROR: f32 = 1.2533;

/// Finds it; keeps its memory.
#[derive(Debug, Default)]
pub(super) struct SharedMotion {
    differences: [Vec<f32>; 2],
    spread: Vec<f32>,
}

impl SharedMotion {
    /// The homography from this frame's points to the previous frame's, or `None` when nothing is shared.
    pub(super) fn find(
        &mut self,
        matcher: &mut Matcher,
        tracks: &[Tracked],
        seen: &[Seen],
        confident: &[usize],
        time: u64,
    ) -> Option<[f32; 9]> {
        let known = |tracked: &Tracked| tracked.moves_are_known() && !tracked.adrift;
        let last_time = |tracked: &Tracked| known(tracked) && !tracked.missed;
        let lately =
            |tracked: &Tracked| known(tracked) && (!tracked.missed || tracked.unseen(time) <= LATELY);
        let count = tracks.iter().filter(|tracked| lately(tracked)).count();
        if count < FEWEST {
            return None;
        }
        let mut pairs = matcher.overlapping(tracks, seen, confident, gate(MARGIN), last_time, fit(MARGIN));
        if pairs.len() * 2 < count {
            pairs = matcher.overlapping(tracks, seen, confident, gate(WIDE_MARGIN), lately, fit(WIDE_MARGIN));
        }
        if pairs.len() < FEWEST {
            return None;
        }
        self.differences.iter_mut().for_each(Vec::clear);
        for (track, column) in pairs {
            let (was, is) =
                (tracks[*track].track.bbox.center(), seen[confident[*column]].detection.bbox.center());
            self.differences[0].push(is.0 - was.0);
            self.differences[1].push(is.1 - was.1);
        }
        let [x, y] = [0, 1].map(|axis| shared(&mut self.differences[axis], &mut self.spread));
        (x != 0.0 || y != 0.0).then_some([1.0, 0.0, -x, 0.0, 1.0, -y, 0.0, 0.0, 1.0])
    }
}

fn gate(margin: f32) -> Gate {
    Gate { least: LEAST_FIT, margin }
}

/// How likely a pair is of the same object, whatever the camera does.
fn fit(margin: f32) -> impl Fn(&Tracked, &Seen) -> f32 {
    move |tracked, seen| {
        let (own, other) = (&tracked.track.bbox, &seen.detection.bbox);
        let heights = (own.height().min(other.height()) / own.height().max(other.height())).powi(2);
        let same = tracked.track.label == seen.label;
        if same { own.grown(margin).iou(&other.grown(margin)) * heights } else { 0.0 }
    }
}

/// What the values have in common, 0 when that is no more than chance.
fn shared(values: &mut [f32], spread: &mut Vec<f32>) -> f32 {
    let middle = median(values);
    spread.clear();
    spread.extend(values.iter().map(|v| (v - middle).abs()));
    let error = MEDIAN_ERROR * DEVIATION * median(spread) / (values.len() as f32).sqrt();
    let chance = SIGNIFICANCE * error / middle.abs().max(f32::MIN_POSITIVE);
    if chance < 1.0 { middle * (1.0 - chance * chance) } else { 0.0 }
}

fn median(values: &mut [f32]) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let n = values.len();
    (values[n / 2] + values[(n - 1) / 2]) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f32]) -> f32 {
        shared(&mut values.to_vec(), &mut Vec::new())
    }

    #[test]
    fn what_all_have_in_common_is_the_camera_s() {
        assert_eq!(of(&[0.1; 5]), 0.1);
        assert!((of(&[0.1, 0.101, 0.099, 0.1, 0.3]) - 0.1).abs() < 0.002, "one walks another way");
    }

    #[test]
    fn chance_is_not() {
        assert_eq!(of(&[0.0; 4]), 0.0);
        assert_eq!(of(&[0.01, -0.012, 0.011, -0.009]), 0.0);
        assert_eq!(of(&[0.01, 0.03, -0.02, 0.015, -0.01]), 0.0);
    }
}
