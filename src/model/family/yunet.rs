//! YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 2023): faces.

use super::{Family, Fit, Outputs, Preprocess, TensorFacts, probable};
use crate::detection::{Found, Keypoint, Task};
use crate::geometry::BBox;
use crate::model::decode::{
    Candidates, DecodeError, DecodeParams, DecodeReport, Decoder, Matrix, MatrixReader, TensorView,
    shape_error,
};
use crate::preprocess::{ColorOrder, ResizeMode};

const STRIDES: [usize; 3] = [8, 16, 32];
/// Coordinates of the five points.
const POINTS: usize = 10;

/// For each stride the class's score, that of any object, the box and five points: right eye, left eye, tip of the
/// nose, right and left corner of the mouth.
pub(super) static FAMILY: Family = Family {
    name: "yunet",
    covers: "YuNet",
    expects: "for each of the strides 8, 16 and 32 two of [1, cells, 1], a [1, cells, 4] and a [1, cells, 10]",
    preprocess: Preprocess {
        color: ColorOrder::Bgr,
        scale: [1.0; 3],
        mean: [0.0; 3],
        std: [1.0; 3],
        resize: ResizeMode::Letterbox,
        pad: 0.0,
    },
    names: &["face"],
    only_by_name: false,
    task: Task::Detect,
    ultralytics: None,
    fit,
};

fn fit(outputs: &Outputs<'_>) -> Option<Fit> {
    if outputs.tensors.len() != 12 {
        return None;
    }
    let matrices: Option<Vec<_>> = outputs.tensors.iter().map(TensorFacts::matrix).collect();
    let matrices = matrices?;
    let (width, height) = outputs.size;
    let mut levels = Vec::new();
    for stride in STRIDES {
        let (columns, rows) = (width.div_ceil(stride), height.div_ceil(stride));
        let find = |wide: usize, skip: usize| {
            let fits = |m: &(Option<usize>, Option<usize>)| *m == (Some(columns * rows), Some(wide));
            matrices.iter().enumerate().filter(|(_, m)| fits(m)).nth(skip).map(|(i, _)| MatrixReader::new(i))
        };
        let (class, object, boxes) = (find(1, 0)?, find(1, 1)?, find(4, 0)?);
        levels.push(Level { class, object, boxes, points: find(POINTS, 0)?, columns, stride });
    }
    Some(Fit::new(0, Some(1), YuNet { levels, candidates: Candidates::default(), picks: Vec::new() }))
}

#[derive(Debug)]
struct Level {
    class: MatrixReader,
    object: MatrixReader,
    boxes: MatrixReader,
    points: MatrixReader,
    columns: usize,
    stride: usize,
}

#[derive(Debug)]
struct YuNet {
    levels: Vec<Level>,
    candidates: Candidates,
    /// The points of each candidate, in pixels.
    picks: Vec<[f32; POINTS]>,
}

/// The score of the class, that of any object, the box and the points of each cell.
type Maps<'a> = (Matrix<'a>, Matrix<'a>, Matrix<'a>, Matrix<'a>);

impl Level {
    fn read<'a, 'v: 'a>(
        &'a mut self,
        outputs: &[TensorView<'v>],
    ) -> Result<(Maps<'a>, TensorView<'v>), DecodeError> {
        let (class, view) = self.class.read(outputs)?;
        let (object, _) = self.object.read(outputs)?;
        let (boxes, other) = self.boxes.read(outputs)?;
        if class.columns != 1 || object.columns != 1 || object.rows != class.rows {
            return Err(shape_error(&view, "one score a cell"));
        }
        if boxes.columns != 4 || boxes.rows != class.rows {
            return Err(shape_error(&other, format!("{} rows of 4", class.rows)));
        }
        let (points, other) = self.points.read(outputs)?;
        if points.columns != POINTS || points.rows != class.rows {
            return Err(shape_error(&other, format!("{} rows of {POINTS}", class.rows)));
        }
        Ok(((class, object, boxes, points), view))
    }
}

impl Decoder for YuNet {
    fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        params: &DecodeParams,
        out: &mut Found,
    ) -> Result<DecodeReport, DecodeError> {
        out.clear();
        self.candidates.clear();
        self.picks.clear();
        for level in &mut self.levels {
            let (columns, stride) = (level.columns, level.stride as f32);
            let ((class, object, boxes, points), _) = level.read(outputs)?;
            let scores = class.values.iter().zip(object.values);
            let places = boxes.values.as_chunks::<4>().0.iter().zip(points.values.as_chunks::<POINTS>().0);
            for (cell, ((class, object), ([dx, dy, w, h], points))) in scores.zip(places).enumerate() {
                let score = (class.clamp(0.0, 1.0) * object.clamp(0.0, 1.0)).sqrt();
                if !score.is_finite() {
                    self.candidates.count_non_finite();
                } else if score >= params.confidence {
                    let corner = [(cell % columns) as f32, (cell / columns) as f32];
                    let (x, y) = (corner[0] + dx, corner[1] + dy);
                    let bbox = BBox::from_center(x * stride, y * stride, w.exp() * stride, h.exp() * stride);
                    self.candidates.push_of(self.picks.len(), bbox, None, (score, 0), &params.classes);
                    self.picks.push(std::array::from_fn(|i| (points[i] + corner[i % 2]) * stride));
                }
            }
        }
        let report = self.candidates.suppress(params, out);
        for pick in self.candidates.sources() {
            let point = |[x, y]: &[f32; 2]| Keypoint { x: *x, y: *y, confidence: 1.0 };
            let points: [Keypoint; POINTS / 2] =
                std::array::from_fn(|i| point(&self.picks[pick].as_chunks().0[i]));
            out.details.keypoints.push(&points);
        }
        Ok(report)
    }

    fn check(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DecodeError> {
        for level in &mut self.levels {
            let ((class, object, ..), view) = level.read(outputs)?;
            probable(&view, class.values)?;
            probable(&view, object.values)?;
        }
        Ok(())
    }
}
