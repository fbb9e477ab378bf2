//! What a detector says about one frame.

mod details;
mod labels;

use std::sync::Arc;

pub use details::{Details, DetailsRef, Keypoint, MaskSize, Masks, MasksRef, Quad, Table, TableRef};
pub use labels::{Labels, LabelsRef};

use serde::{Deserialize, Serialize};

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

/// What the items of a [`Detections`] are.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Objects.
    #[default]
    Detect = 0,
    /// Classes of a region, the likeliest first; the box is the region's.
    Classify = 1,
    /// Descriptions of a region for comparison; the box is the region's and the class is -1.
    Embed = 2,
}

impl Task {
    /// The name used in JSON and in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Classify => "classify",
            Self::Embed => "embed",
        }
    }
}

/// What a model looked at when it was not the whole frame: an object that another stage had found.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parent {
    /// The track's id, 0 when the object was a detection.
    pub track: u64,
    /// Nanoseconds of stream time since the model looked at it; 0 when it did so on this frame.
    pub age: u64,
    /// The index of the detection's model in [`Detections::parent_models`], -1 for a track.
    pub model: i32,
    /// The index of the detection in its model's list on this frame, -1 for a track, and once the frame was
    /// cropped or turned.
    pub item: i32,
}

/// What one model found on one frame; empty `items` mean that it looked and found nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detections {
    /// The model's id: unique among the models of a pipeline.
    pub model: Arc<str>,
    /// Names of the model's classes.
    pub labels: Labels,
    /// What the items are.
    pub task: Task,
    /// Nanoseconds from the frame that the model looked at to this one: more than 0 when it worked beside the
    /// stream.
    pub age: u64,
    /// PTS in nanoseconds of the frame that the model looked at, when that was another frame.
    pub source_pts: Option<u64>,
    /// The objects, by falling confidence within a parent.
    pub items: Vec<Detection>,
    /// What each item belongs to; empty when the model looked at the whole frame.
    pub parents: Vec<Parent>,
    /// The names that [`Parent::model`] refers to.
    pub parent_models: Labels,
    /// What the model says of each item beyond its box.
    pub details: Details,
}

/// What a model found in one picture, before anybody says whose it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The objects, by falling confidence.
    pub items: Vec<Detection>,
    /// What the model says of each beyond its box.
    pub details: Details,
}

impl Found {
    /// Forgets all items and keeps the memory.
    pub fn clear(&mut self) {
        self.items.clear();
        self.details.clear();
    }

    /// Moves everything from one picture's coordinates into another's: each point by `scale` and then `offset`,
    /// both (x, y).
    pub fn place(&mut self, scale: (f32, f32), offset: (f32, f32)) {
        let x = |v: f32| v * scale.0 + offset.0;
        let y = |v: f32| v * scale.1 + offset.1;
        for Detection { bbox: b, .. } in &mut self.items {
            *b = BBox::new(x(b.x_min), y(b.y_min), x(b.x_max), y(b.y_max));
        }
        self.details.move_points(|[px, py]| [x(px), y(py)]);
    }
}
