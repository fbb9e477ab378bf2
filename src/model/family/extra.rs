//! What YOLO heads say of an object beyond box and class: numbers that follow the class scores of a prediction.

use crate::detection::{Details, Detection, Keypoint, Quad};
use crate::geometry::BBox;
use crate::model::decode::{Covariance, DecodeError, TensorData, TensorView, shape_error};

/// Keypoints of a person in COCO's order, three numbers each: what a pose model without a description has.
pub(super) const COCO_KEYPOINTS: (usize, usize) = (17, 3);

/// The numbers that follow the class scores.
#[derive(Debug)]
pub(super) enum Extra {
    None,
    /// `count` points of 2 (x, y) or 3 (x, y, confidence) numbers, in pixels of the input.
    Keypoints {
        count: usize,
        numbers: usize,
    },
    /// The angle of a box given by centre and size, in radians, clockwise.
    Angle,
    /// Coefficients of mask prototypes (Bolya et al., "YOLACT: Real-time Instance Segmentation", ICCV 2019).
    Mask(Prototypes),
}

impl Extra {
    /// How many numbers they are.
    pub(super) fn fields(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Keypoints { count, numbers } => count * numbers,
            Self::Angle => 1,
            Self::Mask(prototypes) => prototypes.count,
        }
    }

    /// The upright box of a prediction whose box is (centre x, centre y, width, height), and how it is turned.
    pub(super) fn turn(
        &self,
        [x, y, w, h]: [f32; 4],
        angle: impl FnOnce() -> f32,
    ) -> (BBox, Option<Covariance>) {
        if !matches!(self, Self::Angle) {
            return (BBox::from_center(x, y, w, h), None);
        }
        let angle = angle();
        let [xs, ys] = corners([x, y, w, h], angle);
        let least = |v: [f32; 4]| v.into_iter().fold(f32::INFINITY, f32::min);
        let most = |v: [f32; 4]| v.into_iter().fold(f32::NEG_INFINITY, f32::max);
        // An inverted box would be upright again after its corners are taken: it stays as invalid as it is.
        if w <= 0.0 || h <= 0.0 {
            return (BBox::from_center(x, y, w, h), None);
        }
        let bbox = BBox::new(least(xs), least(ys), most(xs), most(ys));
        (bbox, Some(Covariance::new(w, h, angle)))
    }

    /// Reads what all objects of one frame share.
    pub(super) fn begin(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DecodeError> {
        match self {
            Self::Mask(prototypes) => prototypes.read(outputs),
            _ => Ok(()),
        }
    }

    /// Appends what `numbers`, as many as there are [`fields`](Self::fields), say of `detection`; `place` is its
    /// box as the model gave it.
    pub(super) fn describe(
        &mut self,
        outputs: &[TensorView<'_>],
        detection: &Detection,
        place: [f32; 4],
        numbers: &[f32],
        out: &mut Details,
    ) {
        match self {
            Self::None => {}
            Self::Keypoints { count, numbers: each } => {
                let mut points = [Keypoint::default(); MOST_KEYPOINTS];
                for (point, numbers) in points.iter_mut().zip(numbers.chunks_exact(*each)) {
                    let confidence = numbers.get(2).map_or(1.0, |c| c.clamp(0.0, 1.0));
                    *point = Keypoint { x: numbers[0], y: numbers[1], confidence };
                }
                out.keypoints.push(&points[..*count]);
            }
            Self::Angle => {
                let [xs, ys] = corners(place, numbers.first().copied().unwrap_or_default());
                out.quads.push(Quad { corners: std::array::from_fn(|i| [xs[i], ys[i]]) });
            }
            Self::Mask(prototypes) => prototypes.mask(outputs, &detection.bbox, numbers, out),
        }
    }
}

/// More points than any known model has.
pub(super) const MOST_KEYPOINTS: usize = 256;

/// The x and the y of the corners of a turned box.
fn corners([x, y, w, h]: [f32; 4], angle: f32) -> [[f32; 4]; 2] {
    let (sin, cos) = angle.sin_cos();
    let (along, across) = ([w / 2.0 * cos, w / 2.0 * sin], [-h / 2.0 * sin, h / 2.0 * cos]);
    let signs = [(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)];
    let at = |axis: usize, middle: f32| signs.map(|(a, b)| middle + a * along[axis] + b * across[axis]);
    [at(0, x), at(1, y)]
}

/// Small pictures that a mask is a weighted sum of.
#[derive(Debug)]
pub(super) struct Prototypes {
    output: usize,
    count: usize,
    /// Width and height of the model's input.
    size: (f32, f32),
    width: usize,
    height: usize,
    wide: Vec<f32>,
    sum: Vec<f32>,
}

impl Prototypes {
    pub(super) fn new(output: usize, count: usize, (width, height): (usize, usize)) -> Self {
        let size = (width as f32, height as f32);
        Self { output, count, size, width: 0, height: 0, wide: Vec::new(), sum: Vec::new() }
    }

    fn read(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DecodeError> {
        let view = outputs.get(self.output).ok_or(DecodeError::Missing { index: self.output })?;
        let [1, count, height, width] = *view.shape else {
            return Err(shape_error(view, "mask prototypes [1, count, rows, columns]"));
        };
        let elements = count.checked_mul(height).and_then(|n| n.checked_mul(width));
        if count != self.count || elements != Some(view.data.len()) || view.data.is_empty() {
            return Err(shape_error(view, format!("{} mask prototypes", self.count)));
        }
        (self.width, self.height) = (width, height);
        if !matches!(view.data, TensorData::F32(_)) {
            view.floats(&mut self.wide);
        }
        Ok(())
    }

    /// The mask of one box: one cell a prototype's pixel that it covers.
    fn mask(&mut self, outputs: &[TensorView<'_>], bbox: &BBox, weights: &[f32], out: &mut Details) {
        let (width, height) = (self.width, self.height);
        let scale = (width as f32 / self.size.0, height as f32 / self.size.1);
        let b = bbox.scaled(scale.0, scale.1);
        let cells = |length: f32, most: usize| (length.ceil().max(1.0) as usize).min(most);
        let (columns, rows) = (cells(b.width(), width), cells(b.height(), height));
        let first = |v: f32, most: usize| (v - 0.5).floor().clamp(0.0, most as f32 - 1.0) as usize;
        let (x0, x1) = (first(b.x_min, width), first(b.x_max + 1.0, width));
        let (y0, y1) = (first(b.y_min, height), first(b.y_max + 1.0, height));
        let (w, h) = (x1 - x0 + 1, y1 - y0 + 1);
        self.sum.clear();
        self.sum.resize(w * h, 0.0);
        let prototypes = match outputs.get(self.output).map(|view| view.data) {
            Some(TensorData::F32(values)) => values,
            _ => &self.wide,
        };
        for (prototype, weight) in prototypes.chunks_exact(width * height).zip(weights) {
            for (sums, row) in self.sum.chunks_exact_mut(w).zip(prototype.chunks_exact(width).skip(y0)) {
                sums.iter_mut().zip(&row[x0..=x1]).for_each(|(sum, value)| *sum += weight * value);
            }
        }
        let sum = &self.sum;
        let sample = |x: f32, y: f32| {
            let (x, y) = (
                (x - 0.5 - x0 as f32).clamp(0.0, (w - 1) as f32),
                (y - 0.5 - y0 as f32).clamp(0.0, (h - 1) as f32),
            );
            let (column, row) =
                ((x as usize).min(w.saturating_sub(2)), (y as usize).min(h.saturating_sub(2)));
            let (fx, fy) = (x - column as f32, y - row as f32);
            let at = |c: usize, r: usize| sum[(row + r).min(h - 1) * w + (column + c).min(w - 1)];
            let top = at(0, 0) + (at(1, 0) - at(0, 0)) * fx;
            let bottom = at(0, 1) + (at(1, 1) - at(0, 1)) * fx;
            top + (bottom - top) * fy
        };
        out.masks.push(columns as u16, rows as u16, |mask| {
            for (r, line) in mask.chunks_exact_mut(columns).enumerate() {
                let y = b.y_min + (r as f32 + 0.5) / rows as f32 * b.height();
                for (c, cell) in line.iter_mut().enumerate() {
                    let x = b.x_min + (c as f32 + 0.5) / columns as f32 * b.width();
                    *cell = (255.0 / (1.0 + (-sample(x, y)).exp())).round() as u8;
                }
            }
        });
    }
}
