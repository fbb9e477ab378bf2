//! Boxes in units of the frame, their overlap, and non-maximum suppression.
//!
//! This is the only place of the project that computes an IoU, clips a box or suppresses duplicates.

/// An axis-aligned box in units of the frame. It may reach outside \[0, 1\]: an object cut by the border
/// keeps its full extent, and only drawing and cropping clip it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BBox {
    /// Left edge.
    pub x_min: f32,
    /// Top edge.
    pub y_min: f32,
    /// Right edge.
    pub x_max: f32,
    /// Bottom edge.
    pub y_max: f32,
}

impl BBox {
    /// The box between two corners.
    pub const fn new(x_min: f32, y_min: f32, x_max: f32, y_max: f32) -> Self {
        Self { x_min, y_min, x_max, y_max }
    }

    /// The box around a centre.
    pub fn from_center(cx: f32, cy: f32, width: f32, height: f32) -> Self {
        let (w, h) = (width / 2.0, height / 2.0);
        Self::new(cx - w, cy - h, cx + w, cy + h)
    }

    /// Width; negative when the corners are swapped.
    pub fn width(&self) -> f32 {
        self.x_max - self.x_min
    }

    /// Height; negative when the corners are swapped.
    pub fn height(&self) -> f32 {
        self.y_max - self.y_min
    }

    /// Centre as (x, y).
    pub fn center(&self) -> (f32, f32) {
        ((self.x_min + self.x_max) / 2.0, (self.y_min + self.y_max) / 2.0)
    }

    /// Area, 0 for an empty or inverted box.
    pub fn area(&self) -> f32 {
        self.width().max(0.0) * self.height().max(0.0)
    }

    /// True when all four edges are finite and the box has an area.
    pub fn is_valid(&self) -> bool {
        let finite = [self.x_min, self.y_min, self.x_max, self.y_max].iter().all(|v| v.is_finite());
        finite && self.x_max > self.x_min && self.y_max > self.y_min
    }

    /// Area of the overlap with `other`, in the unit of the boxes squared.
    pub fn intersection(&self, other: &Self) -> f32 {
        let w = self.x_max.min(other.x_max) - self.x_min.max(other.x_min);
        let h = self.y_max.min(other.y_max) - self.y_min.max(other.y_min);
        w.max(0.0) * h.max(0.0)
    }

    /// Intersection over union in \[0, 1\]; 0 when both boxes are empty.
    pub fn iou(&self, other: &Self) -> f32 {
        let overlap = self.intersection(other);
        let union = self.area() + other.area() - overlap;
        if union > 0.0 { overlap / union } else { 0.0 }
    }

    /// The part inside the frame, or `None` when nothing of the box is inside.
    pub fn clipped(&self) -> Option<Self> {
        let b = Self::new(
            self.x_min.clamp(0.0, 1.0),
            self.y_min.clamp(0.0, 1.0),
            self.x_max.clamp(0.0, 1.0),
            self.y_max.clamp(0.0, 1.0),
        );
        b.is_valid().then_some(b)
    }

    /// True when the boxes have more than an edge in common.
    pub fn meets(&self, other: &Self) -> bool {
        self.x_min < other.x_max
            && other.x_min < self.x_max
            && self.y_min < other.y_max
            && other.y_min < self.y_max
    }

    /// The box with `margin` of its width and height added on each side.
    pub fn grown(&self, margin: f32) -> Self {
        let (w, h) = (self.width() * margin, self.height() * margin);
        Self::new(self.x_min - w, self.y_min - h, self.x_max + w, self.y_max + h)
    }

    /// The box with its x edges multiplied by `sx` and its y edges by `sy` (normalised to pixels, say).
    pub fn scaled(&self, sx: f32, sy: f32) -> Self {
        Self::new(self.x_min * sx, self.y_min * sy, self.x_max * sx, self.y_max * sy)
    }
}

/// What [`nms`] needs to know of a candidate.
pub trait Candidate {
    /// Its box, in any one unit.
    fn bbox(&self) -> BBox;
    /// Its score; higher wins.
    fn score(&self) -> f32;
    /// Its class; boxes of different classes never suppress each other.
    fn class(&self) -> i32;
    /// How much of the two is common, in \[0, 1\]: the IoU of their boxes.
    fn overlap(&self, other: &Self) -> f32 {
        self.bbox().iou(&other.bbox())
    }
}

/// Greedy non-maximum suppression per class: sorts `items` by falling score, keeps the best `limit` whose
/// IoU with every better kept one of the same class is at most `iou`, and truncates the rest.
///
/// Equal scores keep their order, so the result depends on the input alone. [`Nms`] does the same again and
/// again without allocating.
pub fn nms<T: Candidate + Copy>(items: &mut Vec<T>, iou: f32, limit: usize) {
    let (mut nms, mut kept) = (Nms::default(), Vec::new());
    nms.rank(items, usize::MAX);
    nms.suppress(items, iou, limit, &mut kept);
    *items = kept;
}

/// [`nms`] in two steps, with the working memory kept from one frame to the next.
#[derive(Clone, Debug, Default)]
pub struct Nms {
    /// One key an item: the falling score above, the item's index below.
    keys: Vec<u64>,
}

impl Nms {
    /// Orders `items` by falling score and forgets all but the best `limit`; returns how many it forgot.
    /// Equal scores keep their order. Items beyond the first 2^32 are forgotten too.
    pub fn rank<T: Candidate>(&mut self, items: &[T], limit: usize) -> usize {
        self.keys.clear();
        let keys = (0..=u32::MAX).zip(items).map(|(i, item)| falling(item.score()) | u64::from(i));
        self.keys.extend(keys);
        if limit < self.keys.len() {
            self.keys.select_nth_unstable(limit);
            self.keys.truncate(limit);
        }
        self.keys.sort_unstable();
        items.len() - self.keys.len()
    }

    /// Replaces `kept` by the best `limit` of the ranked items. `items` are those given to [`rank`](Self::rank).
    pub fn ranked<T: Copy>(&self, items: &[T], limit: usize, kept: &mut Vec<T>) {
        kept.clear();
        kept.extend(self.order().take(limit).filter_map(|i| items.get(i)));
    }

    /// Replaces `kept` by the best `limit` of the ranked items whose overlap with every better kept one of the
    /// same class is at most `iou`. `items` are those given to [`rank`](Self::rank).
    pub fn suppress<T: Candidate + Copy>(&self, items: &[T], iou: f32, limit: usize, kept: &mut Vec<T>) {
        kept.clear();
        for item in self.order().filter_map(|i| items.get(i)) {
            if kept.len() == limit {
                break;
            }
            let class = item.class();
            if kept.iter().all(|k| k.class() != class || k.overlap(item) <= iou) {
                kept.push(*item);
            }
        }
    }

    fn order(&self) -> impl Iterator<Item = usize> {
        self.keys.iter().map(|key| *key as u32 as usize)
    }
}

/// A score in the upper half of a key that sorts as [`f32::total_cmp`] does, highest score first.
fn falling(score: f32) -> u64 {
    let bits = score.to_bits();
    let rising = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    u64::from(!rising) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Item(BBox, f32, i32);
    impl Candidate for Item {
        fn bbox(&self) -> BBox {
            self.0
        }
        fn score(&self) -> f32 {
            self.1
        }
        fn class(&self) -> i32 {
            self.2
        }
    }

    #[test]
    fn iou_of_known_boxes() {
        let a = BBox::new(0.0, 0.0, 0.5, 1.0);
        assert_eq!(a.iou(&a), 1.0);
        assert!((a.iou(&BBox::new(0.25, 0.0, 0.75, 1.0)) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(a.iou(&BBox::new(0.5, 0.0, 1.0, 1.0)), 0.0);
        assert_eq!(BBox::default().iou(&BBox::default()), 0.0);
        assert_eq!(BBox::new(0.5, 0.5, 0.1, 0.1).iou(&a), 0.0);
    }

    #[test]
    fn clip_keeps_the_inside() {
        assert_eq!(BBox::new(-0.5, 0.2, 0.5, 1.4).clipped(), Some(BBox::new(0.0, 0.2, 0.5, 1.0)));
        assert_eq!(BBox::new(1.1, 0.0, 1.2, 1.0).clipped(), None);
        assert_eq!(BBox::new(f32::NAN, 0.0, 1.0, 1.0).clipped(), None);
    }

    #[test]
    fn nms_keeps_the_best_of_each_class() {
        let b = BBox::new(0.0, 0.0, 1.0, 1.0);
        let shifted = BBox::new(0.05, 0.0, 1.05, 1.0);
        let far = BBox::new(2.0, 0.0, 3.0, 1.0);
        let mut items = vec![Item(shifted, 0.5, 0), Item(b, 0.9, 0), Item(b, 0.4, 1), Item(far, 0.1, 0)];
        nms(&mut items, 0.5, 10);
        assert_eq!(items, [Item(b, 0.9, 0), Item(b, 0.4, 1), Item(far, 0.1, 0)]);
        nms(&mut items, 0.5, 2);
        assert_eq!(items.len(), 2);
    }

    #[test]
    fn ranking_is_stable_and_bounded() {
        let scores = [0.5, f32::NAN, -1.0, 0.5, 0.9, -0.0, 0.0];
        let items: Vec<Item> =
            scores.iter().zip(0..).map(|(s, class)| Item(BBox::default(), *s, class)).collect();
        let classes = |limit: usize| {
            let (mut nms, mut kept) = (Nms::default(), Vec::new());
            let forgotten = nms.rank(&items, limit);
            nms.ranked(&items, usize::MAX, &mut kept);
            (forgotten, kept.iter().map(|i| i.2).collect::<Vec<_>>())
        };
        assert_eq!(classes(usize::MAX), (0, vec![1, 4, 0, 3, 6, 5, 2]));
        assert_eq!(classes(3), (4, vec![1, 4, 0]));
        assert_eq!(classes(0), (7, vec![]));
    }
}
