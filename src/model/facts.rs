//! What a model file says of itself: the input of [`understand`](super::understand).

use std::collections::BTreeMap;
use std::fmt;

/// The type of a tensor's elements, as far as detectors use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElementKind {
    /// 32-bit float.
    F32,
    /// 16-bit float (IEEE 754 binary16).
    F16,
    /// Unsigned byte.
    U8,
    /// Signed byte.
    I8,
    /// 32-bit signed integer.
    I32,
    /// 64-bit signed integer.
    I64,
    /// Any other type, by the name that the runtime gives it.
    Other(String),
}

impl ElementKind {
    /// True for the types that a [`Decoder`](super::Decoder) reads.
    pub const fn is_float(&self) -> bool {
        matches!(self, Self::F32 | Self::F16)
    }
}

impl fmt::Display for ElementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::Other(name) => name,
        })
    }
}

/// One input or output of a model. Displays as `images f32[1, 3, ?, ?]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorFacts {
    /// The tensor's name.
    pub name: String,
    /// The type of its elements.
    pub element: ElementKind,
    /// Its dimensions, slowest first; `None` where the model leaves one open.
    pub shape: Vec<Option<usize>>,
}

impl TensorFacts {
    /// The last two dimensions of a float tensor whose earlier dimensions are 1 or open, `None` for others.
    /// Without earlier dimensions the first must be known: an open one is a batch of vectors.
    pub fn matrix(&self) -> Option<(Option<usize>, Option<usize>)> {
        let (batch, matrix) = self.shape.split_at_checked(self.shape.len().checked_sub(2)?)?;
        let single = batch.iter().all(|d| d.is_none_or(|d| d == 1));
        let one_picture = single && (!batch.is_empty() || matrix[0].is_some());
        (self.element.is_float() && one_picture).then(|| (matrix[0], matrix[1]))
    }

    /// The length of a float tensor that is one vector: all its dimensions but one are 1, or an open batch.
    pub fn vector(&self) -> Option<usize> {
        let (batch, rest) = self.shape.split_first()?;
        let single = batch.is_none_or(|n| n == 1) || rest.is_empty();
        let rest = if rest.is_empty() { &self.shape[..] } else { rest };
        let mut long = rest.iter().filter(|d| **d != Some(1));
        let length = match (long.next(), long.next()) {
            (None, _) => Some(1),
            (Some(length), None) => *length,
            _ => None,
        };
        length.filter(|_| single && self.element.is_float())
    }
}

impl fmt::Display for TensorFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}[", self.name, self.element)?;
        for (i, dim) in self.shape.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            match dim {
                Some(d) => write!(f, "{comma}{d}")?,
                None => write!(f, "{comma}?")?,
            }
        }
        f.write_str("]")
    }
}

/// Several tensors, separated by semicolons.
pub(super) struct List<'a>(pub(super) &'a [TensorFacts]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (i, tensor) in self.0.iter().enumerate() {
            write!(f, "{}{tensor}", if i > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

/// A loaded model's inputs, outputs and metadata.
///
/// Open output dimensions make families harder to tell apart. A caller that has run the model once
/// (see [`input`](super::input)) should put the dimensions it saw here with [`observe`](Self::observe).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The inputs that are not initialisers, in the model's order.
    pub inputs: Vec<TensorFacts>,
    /// The outputs, in the model's order; decoders get their tensors in the same order.
    pub outputs: Vec<TensorFacts>,
    /// The custom metadata of the file.
    pub metadata: BTreeMap<String, String>,
}

impl Facts {
    /// Replaces the declared shape of output `index` with the one that a run of the model gave. An index
    /// beyond the outputs is ignored.
    pub fn observe(&mut self, index: usize, shape: &[usize]) {
        if let Some(output) = self.outputs.get_mut(index) {
            output.shape = shape.iter().copied().map(Some).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(element: ElementKind, shape: &[Option<usize>]) -> TensorFacts {
        TensorFacts { name: "out".into(), element, shape: shape.to_vec() }
    }

    #[test]
    fn matrix_needs_floats_and_a_batch_of_one() {
        let f = |shape: &[_]| tensor(ElementKind::F32, shape).matrix();
        assert_eq!(f(&[Some(1), Some(84), None]), Some((Some(84), None)));
        assert_eq!(f(&[None, Some(300), Some(6)]), Some((Some(300), Some(6))));
        assert_eq!(f(&[Some(300), Some(6)]), Some((Some(300), Some(6))));
        assert_eq!(f(&[Some(32), Some(160), Some(160)]), None);
        assert_eq!(f(&[None, Some(512)]), None);
        assert_eq!(f(&[Some(6)]), None);
        assert_eq!(f(&[]), None);
        assert_eq!(tensor(ElementKind::I64, &[Some(1), Some(300), Some(6)]).matrix(), None);
    }

    #[test]
    fn a_vector_is_long_in_one_dimension() {
        let f = |shape: &[_]| tensor(ElementKind::F32, shape).vector();
        assert_eq!(f(&[Some(1), Some(512)]), Some(512));
        assert_eq!(f(&[None, Some(1000)]), Some(1000));
        assert_eq!(f(&[Some(1), Some(62), Some(1), Some(1)]), Some(62));
        assert_eq!(f(&[Some(7)]), Some(7));
        assert_eq!(f(&[Some(1), Some(1)]), Some(1));
        assert_eq!(f(&[Some(2), Some(512)]), None);
        assert_eq!(f(&[Some(1), Some(3), Some(2)]), None);
        assert_eq!(f(&[Some(1), None, Some(2)]), None);
        assert_eq!(f(&[]), None);
    }

    #[test]
    fn shows_open_dimensions() {
        let t = tensor(ElementKind::F16, &[Some(1), None, Some(6)]);
        assert_eq!(t.to_string(), "out f16[1, ?, 6]");
        assert_eq!(List(&[t.clone(), t]).to_string(), "out f16[1, ?, 6]; out f16[1, ?, 6]");
    }
}
