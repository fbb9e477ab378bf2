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
use crate::model::{DecodeError, DecodeParams, DecodeReport, Decoder, Facts, Input, ModelError};
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
    input: Input,
    /// The most pictures in one run.
    most: usize,
    /// As many as the input tensor has room for.
    places: Vec<Place>,
    found: Found,
}

/// A picture's place in the input tensor, and what is known of the picture in it.
#[derive(Clone, Debug, Default)]
struct Place {
    padding: Padding,
    /// `None` when the region has no part inside its frame.
    geometry: Option<Geometry>,
    region: BBox,
}

/// What was found in one picture.
pub(super) struct Decoded<'f> {
    /// The picture's place in the run.
    pub(super) place: usize,
    /// In units of its frame.
    pub(super) found: &'f mut Found,
    pub(super) left_out: DecodeReport,
    /// Nanoseconds that decoding took.
    pub(super) took: u64,
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
        session.allocate(&input, 1).map_err(|e| failed(path, e))?;
        if twin.is_none() {
            let observe = |outputs: &Outputs<'_>| {
                outputs.whole().iter().enumerate().for_each(|(i, output)| facts.observe(i, output.shape));
            };
            session.run(1, observe).map_err(|e| failed(path, format_args!("a dry run fails: {e}")))?;
        }
        let plan = source.understand(&facts).map_err(misunderstood)?;
        session.read_bytes_as(plan.quantization.clone());
        let capacity = session.capacity();
        let most = if input.open_batch { (*batch).max(1) } else { capacity };
        let serial = order.serial;
        let model = Arc::new(Model { serial, batch: most, ..source.model(&plan, runtime, *choice) });
        let mut engine = Self {
            model: twin.map_or(model, |twin| twin.model.clone()),
            preprocessor: Preprocessor::new(plan.spec).map_err(|e| failed(path, e))?,
            input,
            most,
            places: vec![Place::default(); capacity],
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
        self.fill(0, &frame, WHOLE)?;
        let decoder = &mut self.decoder;
        let checked = self.session.run(1, |outputs| outputs.of_picture(0, |views| decoder.check(views)));
        checked.map_err(|e| failed(path, e))?.map_err(|e| failed(path, e))?;
        Ok(now() - start)
    }

    /// The most pictures in one run.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Makes room for so many pictures in one run, or for as many as the model takes.
    ///
    /// # Errors
    /// One message that names the model, when there is no memory for it.
    pub(super) fn reserve(&mut self, pictures: usize) -> Result<(), Trouble> {
        let wanted = pictures.min(self.most);
        if wanted <= self.places.len() {
            return Ok(());
        }
        let capacity = wanted.next_power_of_two().min(self.most);
        self.places.clear();
        self.session.allocate(&self.input, capacity).map_err(|e| failed(&self.model.path, e))?;
        self.places.resize(capacity, Place::default());
        Ok(())
    }

    /// Puts a region of a frame into a place of the input tensor. A region without a part inside the frame leaves the
    /// place as it was.
    ///
    /// # Errors
    /// One message that names the model and what failed.
    pub(super) fn fill(&mut self, place: usize, frame: &Frame<'_>, region: BBox) -> Result<(), Trouble> {
        let Self { model, session, preprocessor, places, .. } = self;
        let (Some(tensor), Some(place)) = (session.place(place), places.get_mut(place)) else {
            return Err(failed(&model.path, "its input tensor has no place left"));
        };
        place.region = region;
        place.geometry = match preprocessor.run_region(frame, region, tensor, &mut place.padding) {
            Ok(geometry) => Some(geometry),
            Err(PreprocessError::Region) => None,
            Err(error) => return Err(failed(&model.path, error)),
        };
        Ok(())
    }

    /// Runs the model on the pictures in the first places, decodes each by its own parameters, and hands what was
    /// found in it to `take`. Regions without a part inside their frame are left out. Returns the nanoseconds that the
    /// model took.
    ///
    /// # Errors
    /// One message that names the model and what failed.
    pub(super) fn run<'p>(
        &mut self,
        pictures: usize,
        parameters: impl Fn(usize) -> &'p DecodeParams,
        mut take: impl FnMut(Decoded<'_>),
    ) -> Result<u64, Trouble> {
        let Self { model, session, decoder, places, found, .. } = self;
        let begun = now();
        let mut ran = begun;
        let decoded = session.run(pictures, |outputs| {
            ran = now();
            let mut before = ran;
            for (place, Place { geometry, region, .. }) in places[..pictures].iter().enumerate() {
                let Some(geometry) = geometry else { continue };
                let parameters = parameters(place);
                let left_out = outputs.of_picture(place, |views| decoder.decode(views, parameters, found))?;
                geometry.found_in_frame(found);
                if model.task != Task::Detect {
                    found.items.iter_mut().for_each(|item| item.bbox = *region);
                }
                let after = now();
                take(Decoded { place, found, left_out, took: after - before });
                before = after;
            }
            Ok::<_, DecodeError>(())
        });
        decoded.map_err(|e| failed(&model.path, e))?.map_err(|e| failed(&model.path, e))?;
        Ok(ran - begun)
    }
}
