//! YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 2023): faces.

use super::{Family, Fit, Outputs, Preprocess, TensorFacts, first_beyond_unit};
use crate::detection::Detection;
use crate::geometry::BBox;
use crate::model::decode::{
    Candidates, DecodeError, DecodeParams, DecodeReport, Decoder, Matrix, MatrixReader, TensorView,
    implausible, shape_error,
};
use crate::preprocess::{ColorOrder, ResizeMode};

const STRIDES: [usize; 3] = [8, 16, 32];

/// For each stride the class's score, that of any object, the box and five points, of which boxes are read.
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
    ultralytics: false,
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
        find(10, 0)?;
        levels.push(Level { class: find(1, 0)?, object: find(1, 1)?, boxes: find(4, 0)?, columns, stride });
    }
    Some(Fit {
        output: 0,
        classes: Some(1),
        decoder: Box::new(YuNet { levels, candidates: Candidates::default() }),
    })
}

#[derive(Debug)]
struct Level {
    class: MatrixReader,
    object: MatrixReader,
    boxes: MatrixReader,
    columns: usize,
    stride: usize,
}

#[derive(Debug)]
struct YuNet {
    levels: Vec<Level>,
    candidates: Candidates,
}

/// The score of the class, that of any object, and the box of each cell.
type Maps<'a> = (Matrix<'a>, Matrix<'a>, Matrix<'a>);

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
        Ok(((class, object, boxes), view))
    }
}

impl Decoder for YuNet {
    fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        params: &DecodeParams,
        out: &mut Vec<Detection>,
    ) -> Result<DecodeReport, DecodeError> {
        out.clear();
        self.candidates.clear();
        for level in &mut self.levels {
            let (columns, stride) = (level.columns, level.stride as f32);
            let ((class, object, boxes), _) = level.read(outputs)?;
            let scores = class.values.iter().zip(object.values);
            for (cell, ((class, object), [dx, dy, w, h])) in
                scores.zip(boxes.values.as_chunks::<4>().0).enumerate()
            {
                let score = (class.clamp(0.0, 1.0) * object.clamp(0.0, 1.0)).sqrt();
                if !score.is_finite() {
                    self.candidates.count_non_finite();
                } else if score >= params.confidence {
                    let (x, y) = ((cell % columns) as f32 + dx, (cell / columns) as f32 + dy);
                    let bbox = BBox::from_center(x * stride, y * stride, w.exp() * stride, h.exp() * stride);
                    self.candidates.push(bbox, score, 0, &params.classes);
                }
            }
        }
        Ok(self.candidates.suppress(params, out))
    }

    fn check(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DecodeError> {
        for level in &mut self.levels {
            let ((class, object, _), view) = level.read(outputs)?;
            if let Some(score) = first_beyond_unit(class.values).or(first_beyond_unit(object.values)) {
                return Err(implausible(&view, format!("a score of {score} where 0 to 1 is expected")));
            }
        }
        Ok(())
    }
}
