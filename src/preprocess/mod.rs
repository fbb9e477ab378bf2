//! From a frame's planes to a model's input tensor in one pass.
//!
//! A [`Preprocessor`] reads the mapped planes of a [`Frame`] and writes the pixels that a model expects:
//! resized, in the model's colour order, normalised, in its layout and element type. No full-size picture
//! is made in between; what is kept is a handful of rows:
//!
//! 1. two source rows of each component (Y, U, V or R, G, B) are blended vertically into one row;
//! 2. that row is resampled horizontally to the output width;
//! 3. the component rows are mixed into the model's channels, clamped, normalised and stored.
//!
//! Resampling is bilinear with half-pixel centres, border pixels repeated, and no low-pass filter before
//! shrinking: OpenCV's `INTER_LINEAR`, which detectors are trained with. Chroma is interpolated at its own
//! sampling grid, and converted to RGB after resampling, at the output's size.

mod axis;
mod color;
mod geometry;
mod kernels;
mod resample;
mod spec;
mod tensor;
#[cfg(test)]
mod tests;

pub use geometry::{Geometry, Rect, ResizeMode};
pub use spec::{ColorOrder, ElementType, Spec, TensorLayout};
pub use tensor::{Padding, TensorMut};

use crate::geometry::BBox;
use crate::image::{Colorimetry, Frame, PixelFormat};
use axis::Span;
use color::Mix;
use resample::{Resampler, Sampling};
use tensor::RowWriter;

/// Why a frame cannot be turned into an input tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreprocessError {
    /// The [`Spec`] describes no usable tensor.
    Spec(&'static str),
    /// The tensor's length is not the product of width, height and channels.
    Length {
        /// Elements of one image as the [`Spec`] says.
        needed: usize,
        /// Elements of the tensor.
        got: usize,
    },
    /// The tensor's elements are of another type than the [`Spec`] says.
    Element {
        /// The type that the [`Spec`] asks for.
        needed: ElementType,
        /// The type of the tensor.
        got: ElementType,
    },
    /// The region has no part inside the frame.
    Region,
}

impl std::fmt::Display for PreprocessError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Spec(why) => write!(f, "the input specification is unusable: {why}"),
            Self::Length { needed, got } => {
                write!(f, "the input tensor has {got} elements where one image has {needed}")
            }
            Self::Element { needed, got } => {
                write!(f, "the input tensor holds {got:?} elements where the model reads {needed:?}")
            }
            Self::Region => f.write_str("the region lies outside the frame"),
        }
    }
}

impl std::error::Error for PreprocessError {}

/// What the tables of a [`Plan`] were computed for.
#[derive(Clone, Copy, PartialEq)]
struct PlanKey {
    format: PixelFormat,
    size: (usize, usize),
    colorimetry: Colorimetry,
    region: BBox,
}

struct Plan {
    key: PlanKey,
    geometry: Geometry,
    mix: Mix,
}

/// Turns frames into the input tensor of one model.
///
/// Keeps the resampling tables of the last frame's size, format, colorimetry and region, and rebuilds them
/// when one of these changes; in between, a run allocates nothing.
pub struct Preprocessor {
    spec: Spec,
    arch: pulp::Arch,
    plan: Option<Plan>,
    resamplers: Vec<Resampler>,
    writer: RowWriter,
}

impl std::fmt::Debug for Preprocessor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preprocessor").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl Preprocessor {
    /// A preprocessor for one model's input; fails with [`PreprocessError::Spec`] when `spec` is not valid.
    pub fn new(spec: Spec) -> Result<Self, PreprocessError> {
        spec.validate()?;
        let (plan, resamplers) = (None, Vec::new());
        Ok(Self { spec, arch: pulp::Arch::new(), plan, resamplers, writer: RowWriter::default() })
    }

    /// What it was made for.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Writes the whole of `frame` into `tensor`, one image of [`Spec::len`] elements.
    ///
    /// `padding` belongs to that tensor: keep the two together, and start from `Padding::default()` for a
    /// new tensor or after anyone else wrote to it. Pixels around the picture are then written only when
    /// the picture's place has changed since the last run on the same tensor.
    pub fn run(
        &mut self,
        frame: &Frame<'_>,
        tensor: TensorMut<'_>,
        padding: &mut Padding,
    ) -> Result<Geometry, PreprocessError> {
        self.run_region(frame, BBox::new(0.0, 0.0, 1.0, 1.0), tensor, padding)
    }

    /// As [`run`](Self::run), for the part of `frame` inside `region` (in units of the frame).
    ///
    /// The region is clipped to the frame first; [`PreprocessError::Region`] when nothing remains. Its edges
    /// may lie between pixels. Pixels just outside it take part in the interpolation at its border.
    pub fn run_region(
        &mut self,
        frame: &Frame<'_>,
        region: BBox,
        mut tensor: TensorMut<'_>,
        padding: &mut Padding,
    ) -> Result<Geometry, PreprocessError> {
        tensor.check(&self.spec)?;
        let region = region.clipped().ok_or(PreprocessError::Region)?;
        let plan = self.plan_for(frame, region);
        let (geometry, content) = (plan.geometry, plan.geometry.content);
        padding.fill(&self.spec, content, &mut tensor);
        self.write_content(frame, content, &mut tensor);
        Ok(geometry)
    }

    fn plan_for(&mut self, frame: &Frame<'_>, region: BBox) -> &Plan {
        let (format, colorimetry) = (frame.format(), frame.colorimetry());
        let key = PlanKey { format, size: (frame.width(), frame.height()), colorimetry, region };
        let plan = match self.plan.take() {
            Some(plan) if plan.key == key => plan,
            _ => self.new_plan(key),
        };
        self.plan.insert(plan)
    }

    fn new_plan(&mut self, key: PlanKey) -> Plan {
        let (w, h) = (key.size.0 as f64, key.size.1 as f64);
        let (x_min, y_min) = (f64::from(key.region.x_min) * w, f64::from(key.region.y_min) * h);
        let (x_max, y_max) = (f64::from(key.region.x_max) * w, f64::from(key.region.y_max) * h);
        let (input, whole) = ((self.spec.width, self.spec.height), (x_max - x_min, y_max - y_min));
        let (left, top, width, height) = self.spec.resize.shown(whole, input);
        let content = self.spec.resize.place((width, height), input);
        let x = Span::pixels(x_min + left, width, content.width);
        let y = Span::pixels(y_min + top, height, content.height);
        let (left, top) = ((x_min + left) / w, (y_min + top) / h);
        let region = match self.spec.resize {
            ResizeMode::CenterCrop => {
                let edges = [left, top, left + width / w, top + height / h].map(|edge| edge as f32);
                BBox::new(edges[0], edges[1], edges[2], edges[3])
            }
            _ => key.region,
        };
        let mix = Mix::new(&self.spec, key.format, key.colorimetry);
        self.retarget(key, &mix, x, y, content);
        self.writer.retarget(&self.spec, content);
        Plan { key, geometry: Geometry { region, content }, mix }
    }

    fn retarget(&mut self, key: PlanKey, mix: &Mix, x: Span, y: Span, content: Rect) {
        let (size, cosited) = (key.size, key.colorimetry.chroma_cosited);
        let mut used = 0;
        for sampling in Sampling::groups(key.format).take(if mix.reads_chroma() { 3 } else { 1 }) {
            if used == self.resamplers.len() {
                self.resamplers.push(Resampler::default());
            }
            self.resamplers[used].retarget(sampling, size, cosited, x, y, content);
            used += 1;
        }
        self.resamplers.truncate(used);
    }

    fn write_content(&mut self, frame: &Frame<'_>, content: Rect, tensor: &mut TensorMut<'_>) {
        let Self { spec, arch, plan: Some(plan), resamplers, writer } = self else { return };
        resamplers.iter_mut().for_each(Resampler::begin_frame);
        for y in 0..content.height {
            resamplers.iter_mut().for_each(|r| r.advance(*arch, frame, y));
            let mut rows = [[].as_slice(); 3];
            rows.iter_mut().zip(resamplers.iter().flat_map(Resampler::rows)).for_each(|(to, row)| *to = row);
            writer.write(*arch, spec, &plan.mix, rows, (content.x, content.y + y), tensor);
        }
    }
}
