//! What is really there.

use super::camera::PRESETS;
use crate::detection::Labels;
use crate::geometry::BBox;
use crate::homography::IDENTITY;

/// One object that is really there.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrueObject {
    /// Identity: from 1, below 2^53, never used twice.
    pub id: u64,
    /// Around all of it, hidden parts and those outside the frame included, in units of the frame.
    pub bbox: BBox,
    /// The part of it that can be seen, in \[0, 1\]: neither hidden by something nearer nor outside the frame.
    pub visibility: f32,
    /// The class's index in [`Truth::labels`].
    pub class_id: i32,
}

/// Where the camera really looks.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrueView {
    /// Row-major homography from this frame's normalised points to the previous frame's; the identity on the
    /// first frame.
    pub to_previous: [f64; 9],
    /// Row-major homography from this frame's normalised points to those of the view at preset 0.
    pub to_scene: [f64; 9],
    /// Degrees to the right.
    pub pan: f32,
    /// Degrees downwards.
    pub tilt: f32,
    /// Degrees clockwise.
    pub roll: f32,
    /// Focal length in units of the widest.
    pub zoom: f32,
    /// The preset that the camera stands at, -1 on the way and where there is none.
    pub preset: i32,
    /// 1 when the view differs from the previous frame's, 0 otherwise.
    pub moved: u32,
    /// 1 when it jumped, 0 otherwise.
    pub cut: u32,
    /// Always 0.
    pub reserved: u32,
}

impl Default for TrueView {
    fn default() -> Self {
        Self {
            to_previous: IDENTITY,
            to_scene: IDENTITY,
            pan: 0.0,
            tilt: 0.0,
            roll: 0.0,
            zoom: 1.0,
            preset: -1,
            moved: 0,
            cut: 0,
            reserved: 0,
        }
    }
}

impl TrueView {
    /// The name of the preset that the camera stands at.
    pub fn preset_name(&self) -> Option<&'static str> {
        usize::try_from(self.preset).ok().and_then(|i| PRESETS.get(i)).map(|preset| preset.name)
    }
}

/// Everything that is really in one frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// The frame's number, from 0.
    pub frame: u64,
    /// Names of the classes.
    pub labels: Labels,
    /// The objects of which something lies within the frame, by rising id.
    pub objects: Vec<TrueObject>,
    /// The camera.
    pub view: TrueView,
}
