//! Detections without a model: the truth, or the truth as a bad detector sees it.

use super::cast::Class;
use super::random::Dice;
use super::truth::Truth;
use crate::detection::Detection;
use crate::geometry::BBox;

/// How a detector errs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Share of the objects in plain sight that it misses, in \[0, 1\]; of objects half hidden it misses more.
    pub miss_rate: f64,
    /// How many things that are not there it sees on a frame, on average.
    pub false_positives: f64,
    /// Standard deviation of each box edge in units of the box's width or height.
    pub jitter: f64,
}

impl Default for Noise {
    fn default() -> Self {
        Self { miss_rate: 0.1, false_positives: 0.3, jitter: 0.03 }
    }
}

/// More false positives a frame than this are not made.
pub const MOST_FALSE_POSITIVES: f64 = 100.0;
/// The least visible part of an object that a detector can find.
pub const LEAST_VISIBLE: f32 = 0.25;

/// Objects of which enough is visible, with confidence 1, by rising id.
pub fn perfect(truth: &Truth, found: &mut Vec<Detection>) {
    let seen = truth.objects.iter().filter(|object| object.visibility >= LEAST_VISIBLE);
    found.extend(seen.map(|o| Detection { bbox: o.bbox, confidence: 1.0, class_id: o.class_id }));
}

/// The same with misses, false alarms and moved boxes, by falling confidence. Errors of different frames have
/// nothing to do with each other, and depend on `seed` and the frame's number alone.
pub fn noisy(truth: &Truth, noise: &Noise, seed: u64, found: &mut Vec<Detection>) {
    for object in truth.objects.iter().filter(|object| object.visibility >= LEAST_VISIBLE) {
        let mut dice = Dice::new(&[seed, 0xDE7, truth.frame, object.id]);
        let hidden = 1.0 - f64::from(object.visibility);
        if dice.chance((noise.miss_rate * (1.0 + 3.0 * hidden)).min(1.0)) {
            continue;
        }
        let (w, h) = (object.bbox.width(), object.bbox.height());
        let mut moved = |v: f32, size: f32| v + size * (dice.normal() * noise.jitter) as f32;
        let b = &object.bbox;
        let bbox = BBox::new(moved(b.x_min, w), moved(b.y_min, h), moved(b.x_max, w), moved(b.y_max, h));
        let confidence = (0.88 - 0.55 * hidden + 0.07 * dice.normal()).clamp(0.05, 0.99) as f32;
        if bbox.is_valid() {
            found.push(Detection { bbox, confidence, class_id: object.class_id });
        }
    }
    let mut dice = Dice::new(&[seed, 0xFA15E, truth.frame]);
    let sure = noise.false_positives.clamp(0.0, MOST_FALSE_POSITIVES) as u64;
    let more = dice.chance(noise.false_positives.clamp(0.0, MOST_FALSE_POSITIVES) - sure as f64);
    for _ in 0..sure + u64::from(more) {
        let class = dice.pick(&Class::ALL);
        let height = dice.between(0.06, 0.25) as f32;
        let width = height * dice.between(0.3, 1.2) as f32;
        let (x, y) = (dice.unit() as f32, dice.between(0.3, 1.0) as f32);
        let confidence = (0.35 + 0.15 * dice.normal()).clamp(0.05, 0.95) as f32;
        let bbox = BBox::from_center(x, y, width, height);
        found.push(Detection { bbox, confidence, class_id: class as i32 });
    }
    found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
}
