//! What a detector says about one frame.

use std::sync::Arc;

use crate::geometry::{BBox, Candidate};

/// One detected object.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Detection {
    /// Where it is, in units of the frame.
    pub bbox: BBox,
    /// The detector's confidence in \[0, 1\].
    pub confidence: f32,
    /// The class's index in the model's output.
    pub class_id: i32,
}

impl Candidate for Detection {
    fn bbox(&self) -> BBox {
        self.bbox
    }
    fn score(&self) -> f32 {
        self.confidence
    }
    fn class(&self) -> i32 {
        self.class_id
    }
}

/// Names of a model's classes, indexed by class id. Cloning shares the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Arc<[Box<str>]>);

impl Labels {
    /// The name of a class, or `None` when the model does not name it.
    pub fn get(&self, class_id: i32) -> Option<&str> {
        usize::try_from(class_id).ok().and_then(|i| self.0.get(i)).map(|s| &**s)
    }

    /// The class id of a name, by exact match.
    pub fn find(&self, name: &str) -> Option<i32> {
        self.0.iter().position(|l| **l == *name).and_then(|i| i32::try_from(i).ok())
    }

    /// How many classes are named.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when no class is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names in class order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|s| &**s)
    }

    /// True when both are the same table in memory: a cheap way to see that nothing changed.
    pub fn shares_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<S: Into<Box<str>>> FromIterator<S> for Labels {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }
}

/// What one model found on one frame; empty `items` mean that it looked and found nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detections {
    /// The model's id: unique among the models of a pipeline.
    pub model: Arc<str>,
    /// Names of the model's classes.
    pub labels: Labels,
    /// The objects, by falling confidence.
    pub items: Vec<Detection>,
}
