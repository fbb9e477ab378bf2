//! From a model's output tensors to detections: what every decoder gets and gives.

use std::fmt;

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::filter::ClassFilter;
use crate::detection::Detection;
use crate::geometry::{BBox, Nms};

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
}

impl TensorData<'_> {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(data) => data.len(),
            Self::F16(data) => data.len(),
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
}

impl Default for DecodeParams {
    /// Confidence 0.25, IoU 0.45, 300 detections, all classes.
    fn default() -> Self {
        Self { confidence: 0.25, iou: 0.45, max_detections: 300, classes: ClassFilter::default() }
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
    /// Replaces `out` by the detections of one frame, most confident first, with boxes in pixels of the
    /// model's input. `outputs` are in the order of [`Facts::outputs`](super::Facts::outputs).
    ///
    /// # Errors
    /// [`DecodeError::Missing`] and [`DecodeError::Shape`]; `out` is then empty.
    fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        params: &DecodeParams,
        out: &mut Vec<Detection>,
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
        let values = match view.data {
            TensorData::F32(values) => values,
            TensorData::F16(narrow) => {
                self.wide.resize(narrow.len(), 0.0);
                narrow.convert_to_f32_slice(&mut self.wide);
                &self.wide
            }
        };
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

/// Candidates of one frame, filtered as they come and reduced at the end.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    items: Vec<Detection>,
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
        if !filter.contains(class) {
            return;
        }
        let edges = [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max];
        if !edges.iter().all(|e| e.is_finite()) {
            return self.count_non_finite();
        }
        match i32::try_from(class) {
            Ok(class_id) if bbox.is_valid() => self.items.push(Detection { bbox, confidence, class_id }),
            _ => self.count_degenerate(),
        }
    }

    /// Suppresses duplicates and writes the best to `out`.
    pub(super) fn suppress(&mut self, params: &DecodeParams, out: &mut Vec<Detection>) -> DecodeReport {
        self.report.over_limit = self.nms.rank(&self.items, MAX_CANDIDATES);
        self.nms.suppress(&self.items, params.iou, params.max_detections, out);
        self.report
    }

    /// Writes the best to `out`, duplicates and all.
    pub(super) fn take_best(&mut self, params: &DecodeParams, out: &mut Vec<Detection>) -> DecodeReport {
        self.report.over_limit = self.nms.rank(&self.items, MAX_CANDIDATES);
        self.nms.ranked(&self.items, params.max_detections, out);
        self.report
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
