//! Average precision of detections at an IoU of one half.
//!
//! Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 2010, with the area under the whole
//! interpolated curve, as since 2010. As in COCO's evaluation some objects may be set aside: to find one of them is
//! neither right nor wrong.

use super::LEAST_IOU;
use crate::detection::Detection;
use crate::scene::{Class, TrueObject};

const CLASSES: usize = Class::ALL.len();

/// Collects what a detector found of the scene's classes.
#[derive(Clone, Debug, Default)]
pub struct DetectionScorer {
    /// By class: confidence, and whether it was right.
    found: [Vec<(f32, bool)>; CLASSES],
    wanted: [u64; CLASSES],
    taken: Vec<bool>,
}

impl DetectionScorer {
    /// Takes one frame. Detections come by falling confidence; `counts` says which objects are to be found.
    pub fn frame(
        &mut self,
        objects: &[TrueObject],
        detections: &[Detection],
        counts: impl Fn(&TrueObject) -> bool,
    ) {
        self.taken.clear();
        self.taken.resize(objects.len(), false);
        for object in objects.iter().filter(|object| counts(object)) {
            if let Some(wanted) = self.wanted.get_mut(object.class_id as usize) {
                *wanted += 1;
            }
        }
        for detection in detections {
            let Some(found) = self.found.get_mut(detection.class_id as usize) else { continue };
            let near = |i: &usize| {
                let object = &objects[*i];
                object.class_id == detection.class_id && object.bbox.iou(&detection.bbox) >= LEAST_IOU
            };
            let iou = |i: &usize| objects[*i].bbox.iou(&detection.bbox);
            let best = (0..objects.len()).filter(|i| !self.taken[*i] && near(i)).max_by(|a, b| {
                counts(&objects[*a]).cmp(&counts(&objects[*b])).then(iou(a).total_cmp(&iou(b)))
            });
            match best {
                Some(i) if counts(&objects[i]) => {
                    self.taken[i] = true;
                    found.push((detection.confidence, true));
                }
                Some(_) => {}
                None => found.push((detection.confidence, false)),
            }
        }
    }

    /// How many objects of a class were to be found.
    pub fn wanted(&self, class: Class) -> u64 {
        self.wanted[class as usize]
    }

    /// The average precision of a class, in \[0, 1\]; `None` when none of its objects were to be found.
    pub fn average_precision(&self, class: Class) -> Option<f64> {
        let wanted = self.wanted(class);
        let mut found = self.found[class as usize].clone();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut right = 0_u64;
        let mut curve: Vec<(f64, f64)> = found
            .iter()
            .zip(1_u32..)
            .map(|((_, hit), all)| {
                right += u64::from(*hit);
                (right as f64 / wanted.max(1) as f64, right as f64 / f64::from(all))
            })
            .collect();
        // The best precision at this recall or beyond.
        let mut best = 0.0_f64;
        for (_, precision) in curve.iter_mut().rev() {
            best = best.max(*precision);
            *precision = best;
        }
        let mut last = 0.0;
        let area = curve.iter().map(|(recall, precision)| {
            let width = recall - last;
            last = *recall;
            width * precision
        });
        let area = area.sum();
        (wanted > 0).then_some(area)
    }

    /// The mean of the classes that have an average precision; `None` when none has.
    pub fn mean(&self) -> Option<f64> {
        let all: Vec<f64> = Class::ALL.iter().filter_map(|class| self.average_precision(*class)).collect();
        (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
    }

    /// Adds what another one collected.
    pub fn merge(&mut self, other: &Self) {
        for (found, more) in self.found.iter_mut().zip(&other.found) {
            found.extend_from_slice(more);
        }
        for (wanted, more) in self.wanted.iter_mut().zip(other.wanted) {
            *wanted += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BBox;

    fn object(id: u64, x: f32, visibility: f32) -> TrueObject {
        TrueObject { id, bbox: BBox::new(x, 0.0, x + 0.1, 0.2), visibility, class_id: 2 }
    }

    fn detection(x: f32, confidence: f32) -> Detection {
        Detection { bbox: BBox::new(x, 0.0, x + 0.1, 0.2), confidence, class_id: 2 }
    }

    #[test]
    fn precision_by_hand() {
        let mut scorer = DetectionScorer::default();
        let objects = [object(1, 0.0, 1.0), object(2, 0.3, 1.0), object(3, 0.6, 0.2)];
        let plain = |o: &TrueObject| o.visibility > 0.5;
        // Right, wrong (twice the same), set aside, right.
        let found = [detection(0.0, 0.9), detection(0.01, 0.8), detection(0.6, 0.7), detection(0.3, 0.6)];
        scorer.frame(&objects, &found, plain);
        assert_eq!(scorer.wanted(Class::Car), 2);
        let ap = scorer.average_precision(Class::Car).unwrap();
        assert!((ap - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-12, "{ap}");
        assert_eq!((scorer.average_precision(Class::Bus), scorer.mean()), (None, Some(ap)));
        let mut twice = scorer.clone();
        twice.merge(&scorer);
        assert_eq!((twice.wanted(Class::Car), twice.mean().is_some()), (4, true));
    }

    #[test]
    fn nothing_found_is_nothing() {
        let mut scorer = DetectionScorer::default();
        assert_eq!(scorer.mean(), None);
        scorer.frame(&[object(1, 0.0, 1.0)], &[], |_| true);
        assert_eq!(scorer.mean(), Some(0.0));
    }
}
