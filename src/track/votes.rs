//! What class an object is, when its detections do not agree.

/// Seconds after which a vote counts for half as much.
const HALF_LIFE: f32 = 2.0;

/// The classes that an object was seen as, each with the confidences of those detections; old ones fade.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Votes {
    /// Label, class and weight.
    classes: [(i32, i32, f32); 4],
    len: usize,
}

impl Votes {
    /// A detection `elapsed` seconds after the one before. The least of four classes gives way to a fifth.
    pub(super) fn cast(&mut self, label: i32, class_id: i32, confidence: f32, elapsed: f32) {
        let fade = (-elapsed / HALF_LIFE).exp2();
        let classes = &mut self.classes[..self.len];
        classes.iter_mut().for_each(|class| class.2 *= fade);
        if let Some(class) = classes.iter_mut().find(|class| (class.0, class.1) == (label, class_id)) {
            class.2 += confidence;
            return;
        }
        let at = match self.len < self.classes.len() {
            true => {
                self.len += 1;
                self.len - 1
            }
            false => {
                (0..self.len).min_by(|a, b| self.classes[*a].2.total_cmp(&self.classes[*b].2)).unwrap_or(0)
            }
        };
        self.classes[at] = (label, class_id, confidence);
    }

    /// Label and class with the greatest weight; the older one of equals.
    pub(super) fn winner(&self) -> (i32, i32) {
        let better =
            |best: (i32, i32, f32), class: &(i32, i32, f32)| if class.2 > best.2 { *class } else { best };
        let (label, class_id, _) = self.classes[..self.len].iter().fold((-1, 0, f32::MIN), better);
        (label, class_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_majority_wins_and_old_votes_fade() {
        let mut votes = Votes::default();
        votes.cast(0, 2, 0.9, 0.0);
        votes.cast(1, 7, 0.8, 0.1);
        assert_eq!(votes.winner(), (0, 2));
        votes.cast(1, 7, 0.8, 0.1);
        assert_eq!(votes.winner(), (1, 7));
        votes.cast(0, 2, 0.5, 60.0);
        assert_eq!(votes.winner(), (0, 2));
    }

    #[test]
    fn a_fifth_class_takes_the_place_of_the_weakest() {
        let mut votes = Votes::default();
        (0..5).for_each(|class| votes.cast(class, class, 0.9 - 0.1 * class as f32, 0.0));
        votes.cast(4, 4, 0.9, 0.0);
        assert_eq!(votes.winner(), (4, 4));
    }
}
