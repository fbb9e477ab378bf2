//! From a model's output tensors to detections: what every decoder gets and gives.

use std::fmt;

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::filter::ClassFilter;
use crate::detection::{Detection, Found};
use crate::geometry::{BBox, Candidate, Nms};

/// The most candidates that suppression looks at in one frame; of more, the best are kept. No scene has this
/// many objects: it bounds the time that a very low confidence threshold costs.
pub const MAX_CANDIDATES: usize = 30_000;

/// The elements of an output tensor, dense, in row-major order.
#[derive(Clone, Copy, Debug)]
pub enum TensorData<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// 16-bit floats.
    F16(&'a [f16]),
    /// Bytes that stand for numbers.
    U8(&'a [u8], Quantization),
    /// Signed bytes that stand for numbers.
    I8(&'a [i8], Quantization),
    /// 32-bit whole numbers.
    I32(&'a [i32]),
    /// 64-bit whole numbers.
    I64(&'a [i64]),
}

/// What a byte stands for: `(byte - zero_point) * scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// The step from one byte to the next.
    pub scale: f32,
    /// The byte that stands for 0.
    pub zero_point: i32,
}

impl Default for Quantization {
    /// A byte stands for itself.
    fn default() -> Self {
        Self { scale: 1.0, zero_point: 0 }
    }
}

impl Quantization {
    fn real(self, byte: i32) -> f32 {
        (byte - self.zero_point) as f32 * self.scale
    }
}

impl TensorData<'_> {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(data) => data.len(),
            Self::F16(data) => data.len(),
            Self::U8(data, _) => data.len(),
            Self::I8(data, _) => data.len(),
            Self::I32(data) => data.len(),
            Self::I64(data) => data.len(),
        }
    }

    /// The elements from `start` on, `len` of them; none when there are not as many.
    #[must_use]
    pub fn part(&self, start: usize, len: usize) -> Self {
        let range = start..start.saturating_add(len);
        match self {
            Self::F32(data) => Self::F32(data.get(range).unwrap_or_default()),
            Self::F16(data) => Self::F16(data.get(range).unwrap_or_default()),
            Self::U8(data, q) => Self::U8(data.get(range).unwrap_or_default(), *q),
            Self::I8(data, q) => Self::I8(data.get(range).unwrap_or_default(), *q),
            Self::I32(data) => Self::I32(data.get(range).unwrap_or_default()),
            Self::I64(data) => Self::I64(data.get(range).unwrap_or_default()),
        }
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One output tensor of a run.
#[derive(Clone, Copy, Debug)]
pub struct TensorView<'a> {
    /// The output's name, for messages.
    pub name: &'a str,
    /// Its dimensions, slowest first.
    pub shape: &'a [usize],
    /// Its elements.
    pub data: TensorData<'a>,
}

impl<'a> TensorView<'a> {
    /// The elements as f32: those that are so already as they lie, others converted into `wide`.
    pub(super) fn floats<'b>(&self, wide: &'b mut Vec<f32>) -> &'b [f32]
    where
        'a: 'b,
    {
        wide.clear();
        match self.data {
            TensorData::F32(values) => return values,
            TensorData::F16(narrow) => {
                wide.resize(narrow.len(), 0.0);
                narrow.convert_to_f32_slice(wide);
            }
            TensorData::U8(bytes, q) => wide.extend(bytes.iter().map(|b| q.real(i32::from(*b)))),
            TensorData::I8(bytes, q) => wide.extend(bytes.iter().map(|b| q.real(i32::from(*b)))),
            TensorData::I32(numbers) => wide.extend(numbers.iter().map(|n| *n as f32)),
            TensorData::I64(numbers) => wide.extend(numbers.iter().map(|n| *n as f32)),
        }
        wide
    }
}

/// What a decoder keeps.
#[derive(Clone, Debug)]
pub struct DecodeParams {
    /// The least confidence, in \[0, 1\]. For families with objectness the confidence is objectness times
    /// class score.
    pub confidence: f32,
    /// Boxes of one class that overlap a better one by more than this IoU are suppressed; not used by
    /// families whose models suppress duplicates themselves.
    pub iou: f32,
    /// The most detections of a frame; of more, the most confident are kept.
    pub max_detections: usize,
    /// The classes wanted. An object counts as its best class: one whose best class is not wanted is dropped.
    pub classes: ClassFilter,
    /// The most classes that a classifier gives.
    pub top_k: usize,
}

impl Default for DecodeParams {
    /// Confidence 0.25, IoU 0.45, 300 detections, all classes, the best one of a classifier.
    fn default() -> Self {
        let classes = ClassFilter::default();
        Self { confidence: 0.25, iou: 0.45, max_detections: 300, classes, top_k: 1 }
    }
}

/// What a decoder left out of one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeReport {
    /// Candidates with a NaN or an infinity. Those whose finite scores were too low anyway are not looked at.
    pub non_finite: usize,
    /// Candidates with an empty or inverted box, or a class number that is none.
    pub degenerate: usize,
    /// Candidates beyond [`MAX_CANDIDATES`].
    pub over_limit: usize,
}

impl DecodeReport {
    /// Adds what was left out of another picture.
    pub fn add(&mut self, other: Self) {
        self.non_finite += other.non_finite;
        self.degenerate += other.degenerate;
        self.over_limit += other.over_limit;
    }
}

/// Why outputs cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The run gave fewer outputs than the plan reads.
    Missing {
        /// The output's index.
        index: usize,
    },
    /// An output has not the shape that the plan was made for, or its data is not as long as its shape says.
    Shape {
        /// The output's name.
        output: String,
        /// What was expected.
        expected: String,
        /// The dimensions it has.
        got: Vec<usize>,
        /// The elements it has.
        elements: usize,
    },
    /// The values cannot be what the family says they are.
    Implausible {
        /// The output's name.
        output: String,
        /// What is wrong with them and what to do.
        why: String,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { index } => write!(f, "the model gave no output {index}"),
            Self::Shape { output, expected, got, elements } => {
                write!(f, "output {output} is {got:?} with {elements} elements, expected {expected}")
            }
            Self::Implausible { output, why } => write!(f, "output {output}: {why}"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Turns the outputs of one model into detections. Keeps its working memory, so that decoding a frame
/// allocates nothing once the first frames have been seen.
pub trait Decoder: fmt::Debug + Send {
    /// Replaces `out` by what was found in one picture, most confident first, with coordinates in pixels of
    /// the model's input. `outputs` are in the order of [`Facts::outputs`](super::Facts::outputs).
    ///
    /// # Errors
    /// [`DecodeError::Missing`] and [`DecodeError::Shape`]; `out` is then empty.
    fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        params: &DecodeParams,
        out: &mut Found,
    ) -> Result<DecodeReport, DecodeError>;

    /// Looks whether the outputs of a dry run, on any picture, can be what the family says they are. Not
    /// finite values are no reason to refuse: [`decode`](Self::decode) counts them.
    ///
    /// # Errors
    /// Those of [`decode`](Self::decode), and [`DecodeError::Implausible`].
    fn check(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DecodeError>;
}

/// The output that a family reads: a matrix, after leading dimensions of 1.
#[derive(Debug, Default)]
pub(super) struct MatrixReader {
    output: usize,
    wide: Vec<f32>,
}

impl MatrixReader {
    pub(super) fn new(output: usize) -> Self {
        Self { output, wide: Vec::new() }
    }

    /// The view, its values as f32, its rows and its columns.
    pub(super) fn read<'a, 'v>(
        &'a mut self,
        outputs: &[TensorView<'v>],
    ) -> Result<(Matrix<'a>, TensorView<'v>), DecodeError>
    where
        'v: 'a,
    {
        let view = *outputs.get(self.output).ok_or(DecodeError::Missing { index: self.output })?;
        let [batch @ .., rows, columns] = view.shape else {
            return Err(shape_error(&view, "a matrix"));
        };
        let elements = rows.checked_mul(*columns);
        if batch.iter().any(|d| *d != 1) || elements != Some(view.data.len()) || view.data.is_empty() {
            return Err(shape_error(&view, "one matrix that is not empty"));
        }
        let values = view.floats(&mut self.wide);
        Ok((Matrix { values, rows: *rows, columns: *columns }, view))
    }
}

/// A row-major matrix that is not empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<'a> {
    pub(super) values: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
}

pub(super) fn shape_error(view: &TensorView<'_>, expected: impl Into<String>) -> DecodeError {
    DecodeError::Shape {
        output: view.name.to_owned(),
        expected: expected.into(),
        got: view.shape.to_vec(),
        elements: view.data.len(),
    }
}

pub(super) fn implausible(view: &TensorView<'_>, why: impl Into<String>) -> DecodeError {
    DecodeError::Implausible { output: view.name.to_owned(), why: why.into() }
}

/// A candidate and the prediction that it was made of.
#[derive(Clone, Copy, Debug)]
struct Pick {
    detection: Detection,
    source: u32,
    /// Covariance of the turned box, for candidates that are not upright.
    turned: Option<Covariance>,
}

impl Candidate for Pick {
    fn bbox(&self) -> BBox {
        self.detection.bbox
    }
    fn score(&self) -> f32 {
        self.detection.confidence
    }
    fn class(&self) -> i32 {
        self.detection.class_id
    }
    fn overlap(&self, other: &Self) -> f32 {
        match (&self.turned, &other.turned) {
            (Some(a), Some(b)) => a.overlap(self.bbox().center(), b, other.bbox().center()),
            _ => self.bbox().iou(&other.bbox()),
        }
    }
}

/// A turned box as a normal distribution: `[[a, c], [c, b]]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Covariance {
    a: f32,
    b: f32,
    c: f32,
}

impl Covariance {
    /// Of a box of `width` and `height` that is turned by `angle` (radians, clockwise in the picture).
    pub(super) fn new(width: f32, height: f32, angle: f32) -> Self {
        let (w, h) = (width * width / 12.0, height * height / 12.0);
        let (sin, cos) = angle.sin_cos();
        Self { a: w * cos * cos + h * sin * sin, b: w * sin * sin + h * cos * cos, c: (w - h) * cos * sin }
    }

    /// Probabilistic IoU: 1 less the Hellinger distance of the two distributions (Llerena et al., "Gaussian
    /// Bounding Boxes and Probabilistic Intersection-over-Union for Object Detection", 2021).
    fn overlap(&self, center: (f32, f32), other: &Self, at: (f32, f32)) -> f32 {
        const TINY: f32 = 1e-7;
        let (a, b, c) = (self.a + other.a, self.b + other.b, self.c + other.c);
        let (dx, dy) = (center.0 - at.0, center.1 - at.1);
        let joint = a * b - c * c;
        let far = (a * dy * dy + b * dx * dx - 2.0 * c * dx * dy) / (4.0 * (joint + TINY));
        let own = |m: &Self| (m.a * m.b - m.c * m.c).max(0.0);
        let shape = 0.5 * (joint / (4.0 * (own(self) * own(other)).sqrt() + TINY) + TINY).ln();
        let distance = (far + shape).clamp(TINY, 100.0);
        1.0 - (1.0 - (-distance).exp() + TINY).sqrt()
    }
}

/// Candidates of one frame, filtered as they come and reduced at the end.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    items: Vec<Pick>,
    kept: Vec<Pick>,
    nms: Nms,
    report: DecodeReport,
}

impl Candidates {
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.report = DecodeReport::default();
    }

    pub(super) fn count_non_finite(&mut self) {
        self.report.non_finite += 1;
    }

    pub(super) fn count_degenerate(&mut self) {
        self.report.degenerate += 1;
    }

    /// Takes a candidate that is confident enough.
    pub(super) fn push(&mut self, bbox: BBox, confidence: f32, class: usize, filter: &ClassFilter) {
        self.push_of(0, bbox, None, (confidence, class), filter);
    }

    /// Takes a candidate that is confident enough and remembers the prediction `source` that it was made of;
    /// `turned` says how a box that is not upright lies.
    pub(super) fn push_of(
        &mut self,
        source: usize,
        bbox: BBox,
        turned: Option<Covariance>,
        (confidence, class): (f32, usize),
        filter: &ClassFilter,
    ) {
        if !filter.contains(class) {
            return;
        }
        let edges = [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max];
        if !edges.iter().all(|e| e.is_finite()) {
            return self.count_non_finite();
        }
        match (i32::try_from(class), u32::try_from(source)) {
            (Ok(class_id), Ok(source)) if bbox.is_valid() => {
                let detection = Detection { bbox, confidence, class_id };
                self.items.push(Pick { detection, source, turned });
            }
            _ => self.count_degenerate(),
        }
    }

    /// Suppresses duplicates and writes the best to `out`.
    pub(super) fn suppress(&mut self, params: &DecodeParams, out: &mut Found) -> DecodeReport {
        self.report.over_limit = self.nms.rank(&self.items, MAX_CANDIDATES);
        self.nms.suppress(&self.items, params.iou, params.max_detections, &mut self.kept);
        self.give(out)
    }

    /// Writes the best to `out`, duplicates and all.
    pub(super) fn take_best(&mut self, params: &DecodeParams, out: &mut Found) -> DecodeReport {
        self.report.over_limit = self.nms.rank(&self.items, MAX_CANDIDATES);
        self.nms.ranked(&self.items, params.max_detections, &mut self.kept);
        self.give(out)
    }

    fn give(&self, out: &mut Found) -> DecodeReport {
        out.items.extend(self.kept.iter().map(|pick| pick.detection));
        self.report
    }

    /// The predictions that what was written last was made of, in the same order.
    pub(super) fn sources(&self) -> impl Iterator<Item = usize> {
        self.kept.iter().map(|pick| pick.source as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_has_the_elements_of_its_shape() {
        let data = [1.0; 12];
        let mut reader = MatrixReader::new(0);
        let mut size = |shape: &[usize], len: usize| {
            let view = TensorView { name: "out", shape, data: TensorData::F32(&data[..len]) };
            reader.read(&[view]).map(|(m, _)| (m.rows, m.columns))
        };
        assert_eq!(size(&[1, 2, 6], 12), Ok((2, 6)));
        assert_eq!(size(&[2, 6], 12), Ok((2, 6)));
        for (shape, len) in [(&[2, 1, 6][..], 12), (&[1, 2, 6], 11), (&[6], 6), (&[1, 0, 6], 0), (&[], 1)] {
            assert!(matches!(size(shape, len), Err(DecodeError::Shape { .. })), "{shape:?}");
        }
        assert!(size(&[1, usize::MAX, 6], 12).is_err());
        assert_eq!(reader.read(&[]).unwrap_err(), DecodeError::Missing { index: 0 });
    }

    #[test]
    fn half_floats_are_widened() {
        let data = [f16::from_f32(0.5), f16::INFINITY];
        let view = TensorView { name: "out", shape: &[1, 2], data: TensorData::F16(&data) };
        let mut reader = MatrixReader::new(0);
        assert_eq!(reader.read(&[view]).unwrap().0.values, [0.5, f32::INFINITY]);
    }
}
