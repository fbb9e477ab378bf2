//! The threads that infer: they take frames from the line or the mailbox and bring back what was found.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::RegionSource;
use super::engine::{Engine, Times, WHOLE};
use super::flow::{Flow, Job, Verdict};
use super::mailbox::{Finished, Mailbox};
use super::model::Model;
use super::regions::Objects;
use super::settings::{Regions, Settings};
use super::stats::Stats;
use super::trouble::Trouble;
use crate::cascade::{Cascade, Keep, Region, append};
use crate::detection::{Detections, Found, Parent};
use crate::elements::layout::Layout;
use crate::elements::provenance::now;
use crate::geometry::BBox;
use crate::model::{DecodeParams, DecodeReport};
use crate::schedule::{Schedule, Scheduler, Skip};

/// The settings in force, as frames carry them through the line.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) generation: u32,
    /// The serial of the model they are for.
    pub(super) model: u64,
    pub(super) parameters: DecodeParams,
    pub(super) schedule: Schedule,
    /// Nanoseconds; 0 for no limit.
    pub(super) max_age: u64,
    pub(super) regions: Regions,
}

impl Default for Config {
    fn default() -> Self {
        let Settings { schedule, regions, .. } = Settings::default();
        Self { generation: 0, model: 0, parameters: DecodeParams::default(), schedule, max_age: 0, regions }
    }
}

/// How a frame is to be looked at.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) layout: Arc<Layout>,
    pub(super) config: Arc<Config>,
    /// Running time of the frame in nanoseconds.
    pub(super) time: u64,
    /// When it gets too old, in nanoseconds of the monotonic clock.
    pub(super) expires: Option<u64>,
    /// Nanoseconds that there are for it.
    pub(super) budget: u64,
}

/// What the model said about one frame.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) model: Arc<Model>,
    pub(super) generation: u32,
    pub(super) schedule: Schedule,
    pub(super) detections: Detections,
    pub(super) times: Times,
    /// When work on the frame began and ended, on the monotonic clock.
    pub(super) span: (u64, u64),
    pub(super) budget: u64,
    /// Candidates that were no detections.
    pub(super) left_out: DecodeReport,
    /// Regions that were looked at, that were served by an earlier look, and that wait for their turn.
    pub(super) regions: [usize; 3],
    /// The objects that an earlier look serves, once all frames before this one are done: it may be on its way still.
    pub(super) recall: Vec<(Region, Parent)>,
    /// When the frame is, as looks at tracks are remembered.
    pub(super) time: u64,
    /// The model's number, as it is remembered.
    pub(super) serial: u64,
}

/// What the element and its workers share. Each lock is held for a moment only and none while another is taken.
pub(super) struct Shared {
    pub(super) flow: Flow,
    pub(super) mailbox: Mailbox,
    pub(super) config: Mutex<Arc<Config>>,
    pub(super) scheduler: Mutex<Scheduler>,
    pub(super) cascade: Mutex<Cascade>,
    /// Engines of a model that was loaded while playing, one for each worker that still has an older one.
    pub(super) spare: Mutex<Vec<Engine>>,
    pub(super) stats: Mutex<Stats>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            flow: Flow::new(),
            mailbox: Mailbox::default(),
            config: Mutex::default(),
            scheduler: Mutex::default(),
            cascade: Mutex::default(),
            spare: Mutex::default(),
            stats: Mutex::default(),
        }
    }

    pub(super) fn config(&self) -> Arc<Config> {
        lock(&self.config).clone()
    }

    pub(super) fn stats(&self) -> MutexGuard<'_, Stats> {
        lock(&self.stats)
    }

    /// The newer model that was loaded meanwhile takes the place of `engine`, when `look` is meant for it.
    fn renew(&self, engine: &mut Engine, look: &mut Look) {
        if engine.model.serial == look.config.model {
            return;
        }
        let spare = lock(&self.spare).pop_if(|spare| spare.model.serial > engine.model.serial);
        if let Some(newer) = spare {
            *engine = newer;
        }
        // Two changes in a row: the settings of the first are no use to the model of the second.
        if engine.model.serial != look.config.model {
            look.config = self.config();
        }
    }
}

/// Infers until the line closes, then hands the engine back.
pub(super) fn work(shared: &Shared, engine: Engine) -> Engine {
    let mut worker = Worker::new(shared, engine);
    while let Some(Job { ticket, buffer, mut look }) = shared.flow.take() {
        shared.renew(&mut worker.engine, &mut look);
        let verdict = worker.attempt(&buffer, &look);
        shared.flow.finish(ticket, buffer, verdict);
    }
    worker.engine
}

/// Infers the newest frame again and again until the mailbox closes, then hands the engine back.
pub(super) fn work_beside(shared: &Shared, engine: Engine) -> Engine {
    let mut worker = Worker::new(shared, engine);
    while let Some((stream, buffer, mut look)) = shared.mailbox.take() {
        shared.renew(&mut worker.engine, &mut look);
        let verdict = worker.attempt(&buffer, &look);
        shared.mailbox.give(Finished { stream, pts: buffer.pts(), verdict });
    }
    worker.engine
}

/// An engine with the memory that one thread keeps from frame to frame.
struct Worker<'s> {
    shared: &'s Shared,
    engine: Engine,
    objects: Objects,
    /// The objects that are looked at on this frame, and the parts of the frame that are seen of them.
    chosen: Vec<usize>,
    boxes: Vec<BBox>,
}

/// What a look at one frame took, what was left out, and how many regions were looked at, recalled and waiting.
type Looked = (Times, DecodeReport, [usize; 3]);

impl<'s> Worker<'s> {
    fn new(shared: &'s Shared, engine: Engine) -> Self {
        Self { shared, engine, objects: Objects::default(), chosen: Vec::new(), boxes: Vec::new() }
    }

    /// One frame. A panic, which would be a defect of this plugin, is an error and not a pipeline that waits for ever.
    fn attempt(&mut self, buffer: &gst::BufferRef, look: &Look) -> Verdict {
        if look.expires.is_some_and(|expires| now() > expires) {
            return Verdict::Skipped(Skip::Age);
        }
        let inferring = AssertUnwindSafe(|| self.infer(buffer, look));
        let panicked = |_| {
            Err(Trouble::new(
                &gst::LibraryError::Failed,
                "Inference panicked; please report this as a defect".to_owned(),
            ))
        };
        match catch_unwind(inferring).unwrap_or_else(panicked) {
            Ok(Some(report)) => Verdict::Inferred(Box::new(report)),
            Ok(None) => Verdict::Skipped(Skip::NoRegion),
            Err(error) => Verdict::Failed(error),
        }
    }

    fn infer(&mut self, buffer: &gst::BufferRef, look: &Look) -> Result<Option<Report>, Trouble> {
        let start = now();
        let model = self.engine.model.clone();
        let mut detections = Detections {
            model: model.id.clone(),
            labels: model.labels.clone(),
            task: model.task,
            ..Detections::default()
        };
        let mut recall = Vec::new();
        let looked = if look.config.regions.source == RegionSource::Frame {
            Some(self.look_at_frame(buffer, look, &mut detections)?)
        } else {
            self.look_at_objects(buffer, look, &mut detections, &mut recall)?
        };
        Ok(looked.map(|(times, left_out, regions)| Report {
            model,
            generation: look.config.generation,
            schedule: look.config.schedule,
            detections,
            times,
            span: (start, now()),
            budget: look.budget,
            left_out,
            regions,
            recall,
            time: look.time,
            serial: self.engine.model.serial,
        }))
    }

    fn look_at_frame(
        &mut self,
        buffer: &gst::BufferRef,
        look: &Look,
        detections: &mut Detections,
    ) -> Result<Looked, Trouble> {
        let (times, left_out) = mapped(buffer, &look.layout, |frame| {
            self.engine.look(frame, &[WHOLE], &look.config.parameters, |_, said| {
                // What was found goes into the buffer's metadata, which keeps it.
                detections.items = said.items.clone();
                detections.details = said.details.clone();
            })
        })?;
        Ok((times, left_out, [1, 0, 0]))
    }

    /// `None` when there is no object to look at.
    fn look_at_objects(
        &mut self,
        buffer: &gst::BufferRef,
        look: &Look,
        detections: &mut Detections,
        recall: &mut Vec<(Region, Parent)>,
    ) -> Result<Option<Looked>, Trouble> {
        let Self { shared, engine, objects, chosen, boxes } = self;
        let settings = &look.config.regions;
        objects.read(buffer, &look.layout, settings);
        if objects.regions.is_empty() {
            return Ok(None);
        }
        let model = engine.model.serial;
        let waiting = lock(&shared.cascade).plan(model, &settings.policy, &objects.regions, chosen);
        boxes.clear();
        boxes.extend(chosen.iter().map(|i| objects.padded(*i, settings.padding)));
        let mut looked = (Times::default(), DecodeReport::default());
        let newest = settings.policy.keep == Keep::Recent;
        if !boxes.is_empty() {
            let tried = mapped(buffer, &look.layout, |frame| {
                engine.look(frame, boxes, &look.config.parameters, |i, said| {
                    let (region, parent) = (&objects.regions[chosen[i]], objects.parents[chosen[i]]);
                    lock(&shared.cascade).keep(model, &settings.policy, region, look.time, said);
                    if region.track == 0 || newest {
                        add(detections, said, parent);
                    }
                })
            });
            looked = tried.inspect_err(|_| lock(&shared.cascade).failed(&objects.regions, chosen))?;
        }
        let told = |i: usize| newest && chosen.binary_search(&i).is_ok();
        let all = objects.regions.iter().zip(&objects.parents).enumerate();
        let others = all.filter(|(i, (region, _))| region.track != 0 && !told(*i));
        recall.extend(others.map(|(_, (region, parent))| (*region, *parent)));
        detections.parent_models = objects.models.clone();
        Ok(Some((looked.0, looked.1, [chosen.len(), 0, waiting])))
    }
}

/// Adds what was said of one object.
pub(super) fn add(detections: &mut Detections, said: &Found, parent: Parent) {
    append(said, &mut detections.items, &mut detections.details);
    detections.parents.resize(detections.items.len(), parent);
}

/// Maps the frame for as long as `read` takes.
fn mapped<R>(
    buffer: &gst::BufferRef,
    layout: &Layout,
    read: impl FnOnce(&crate::image::Frame<'_>) -> Result<R, Trouble>,
) -> Result<R, Trouble> {
    let info = &layout.info;
    let mapped = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info).map_err(|_| {
        Trouble::new(
            &gst::StreamError::Format,
            format!(
                "A buffer of {} bytes does not hold a {}x{} {} frame",
                buffer.size(),
                info.width(),
                info.height(),
                info.format()
            ),
        )
    })?;
    let frame = layout
        .frame(&mapped)
        .map_err(|e| Trouble::new(&gst::StreamError::Format, format!("A frame cannot be read: {e}")))?;
    read(&frame)
}
