//! A model that runs, from a mapped frame to what was found in it.

use std::path::Path;
use std::sync::Arc;

use super::model::{Model, Source, failed};
use super::onnx::{Choice, Outputs, Runtime, Session};
use super::trouble::Trouble;
use crate::detection::{Found, Task};
use crate::elements::provenance::now;
use crate::geometry::BBox;
use crate::image::{Colorimetry, Frame, PixelFormat, Plane};
use crate::model::{DecodeParams, DecodeReport, Decoder, Facts, ModelError};
use crate::preprocess::{Geometry, Padding, PreprocessError, Preprocessor};

/// Nanoseconds that each part of a frame took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) preprocess: u64,
    pub(super) run: u64,
    pub(super) decode: u64,
}

/// How a model is loaded.
pub(super) struct Order<'a> {
    pub(super) source: &'a Source,
    pub(super) runtime: &'a Runtime,
    pub(super) choice: Choice,
    /// Most pictures in one run, where the model leaves that open.
    pub(super) batch: usize,
    pub(super) id: Option<Arc<str>>,
    pub(super) serial: u64,
}

/// A model with all that one thread needs to run it.
pub(super) struct Engine {
    pub(super) model: Arc<Model>,
    /// What the file says of itself, with the shapes that a run gave.
    facts: Facts,
    session: Session,
    decoder: Box<dyn Decoder>,
    preprocessor: Preprocessor,
    paddings: Vec<Padding>,
    geometries: Vec<Option<Geometry>>,
    found: Found,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("model", &self.model.path).finish_non_exhaustive()
    }
}

/// All of a frame.
pub(super) const WHOLE: BBox = BBox::new(0.0, 0.0, 1.0, 1.0);

impl Engine {
    /// Loads the model, understands it and runs it twice on a grey frame: the first run pays for one-time work and
    /// shows the outputs, the second is checked and timed. `twin` is another engine of the same model, which has
    /// seen the outputs already.
    ///
    /// # Errors
    /// One message that names the file and what is wrong with it.
    pub(super) fn load(order: &Order<'_>, twin: Option<&Self>) -> Result<Self, Trouble> {
        let Order { source, runtime, choice, batch, .. } = order;
        let path = source.path.as_path();
        let misunderstood = |e: ModelError| failed(path, e);
        let mut session = source.open(runtime, *choice)?;
        let mut facts = twin.map_or_else(|| session.facts(), |twin| twin.facts.clone());
        let input = source.input(&facts).map_err(misunderstood)?;
        session.allocate(&input, *batch).map_err(|e| failed(path, e))?;
        if twin.is_none() {
            let observe = |outputs: &Outputs<'_>| {
                outputs.whole().iter().enumerate().for_each(|(i, output)| facts.observe(i, output.shape));
            };
            session.run(1, observe).map_err(|e| failed(path, format_args!("a dry run fails: {e}")))?;
        }
        let plan = source.understand(&facts).map_err(misunderstood)?;
        session.read_bytes_as(plan.quantization.clone());
        let capacity = session.capacity();
        let id = order.id.clone();
        let model = Arc::new(Model { serial: order.serial, ..source.model(&plan, runtime, *choice, id) });
        let mut engine = Self {
            model: twin.map_or(model, |twin| twin.model.clone()),
            preprocessor: Preprocessor::new(plan.spec).map_err(|e| failed(path, e))?,
            paddings: vec![Padding::default(); capacity],
            geometries: vec![None; capacity],
            facts,
            session,
            decoder: plan.decoder,
            found: Found::default(),
        };
        let took = engine.check(path)?;
        if let Some(model) = Arc::get_mut(&mut engine.model) {
            model.dry_run = took;
        }
        Ok(engine)
    }

    /// Runs the model on a grey frame and says how long it took.
    fn check(&mut self, path: &Path) -> Result<u64, Trouble> {
        let start = now();
        let grey = [114; 64 * 64];
        let planes = [Plane { data: &grey, stride: 64 }, Plane::default(), Plane::default()];
        let frame = Frame::new(PixelFormat::Gray8, 64, 64, Colorimetry::default(), planes)
            .map_err(|e| failed(path, e))?;
        self.fill(&frame, &[WHOLE])?;
        let decoder = &mut self.decoder;
        let checked = self.session.run(1, |outputs| outputs.of_picture(0, |views| decoder.check(views)));
        checked.map_err(|e| failed(path, e))?.map_err(|e| failed(path, e))?;
        Ok(now() - start)
    }

    /// Puts the regions, at most as many as a run takes, into the input tensor. A region without a part inside the
    /// frame leaves its place as it was.
    fn fill(&mut self, frame: &Frame<'_>, regions: &[BBox]) -> Result<(), Trouble> {
        let Self { model, session, preprocessor, paddings, geometries, .. } = self;
        for (i, (region, (padding, geometry))) in
            regions.iter().zip(paddings.iter_mut().zip(geometries.iter_mut())).enumerate()
        {
            let place =
                session.place(i).ok_or_else(|| failed(&model.path, "its input tensor has no place left"))?;
            *geometry = match preprocessor.run_region(frame, *region, place, padding) {
                Ok(geometry) => Some(geometry),
                Err(PreprocessError::Region) => None,
                Err(error) => return Err(failed(&model.path, error)),
            };
        }
        Ok(())
    }

    /// Preprocesses, runs and decodes regions of a frame, and hands what was found in each, in units of the frame,
    /// to `take` with the region's index. Regions without a part inside the frame are left out.
    ///
    /// # Errors
    /// One message that names the model and what failed.
    pub(super) fn look(
        &mut self,
        frame: &Frame<'_>,
        regions: &[BBox],
        parameters: &DecodeParams,
        mut take: impl FnMut(usize, &mut Found),
    ) -> Result<(Times, DecodeReport), Trouble> {
        let (mut times, mut left_out) = (Times::default(), DecodeReport::default());
        let capacity = self.paddings.len().max(1);
        for (first, regions) in (0..).step_by(capacity).zip(regions.chunks(capacity)) {
            let start = now();
            self.fill(frame, regions)?;
            let filled = now();
            let mut ran = filled;
            let Self { model, session, decoder, geometries, found, .. } = self;
            let decoded = session.run(regions.len(), |outputs| {
                ran = now();
                for (i, geometry) in geometries[..regions.len()].iter().enumerate() {
                    let Some(geometry) = geometry else { continue };
                    let report = outputs.of_picture(i, |views| decoder.decode(views, parameters, found))?;
                    geometry.found_in_frame(found);
                    if model.task != Task::Detect {
                        found.items.iter_mut().for_each(|item| item.bbox = regions[i]);
                    }
                    left_out.add(report);
                    take(first + i, found);
                }
                Ok::<_, crate::model::DecodeError>(())
            });
            decoded.map_err(|e| failed(&model.path, e))?.map_err(|e| failed(&model.path, e))?;
            times.preprocess += filled - start;
            times.run += ran - filled;
            times.decode += now() - ran;
        }
        Ok((times, left_out))
    }
}
