//! The threads that infer: they take frames, of one stream or of several, and bring back what was found.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::RegionSource;
use super::engine::{Decoded, Engine, Times, WHOLE};
use super::model::Model;
use super::pool::{Queue, Ticket};
use super::regions::Objects;
use super::task::{Channel, Job, Look, Report, Task, Verdict, Work, lock};
use super::trouble::Trouble;
use crate::cascade::{Keep, Region, append};
use crate::coordinator::Effort;
use crate::detection::{Detections, Found, Parent};
use crate::elements::layout::Layout;
use crate::elements::provenance::now;
use crate::geometry::BBox;
use crate::model::DecodeReport;
use crate::schedule::Skip;

/// Infers until the queue closes.
pub(super) fn work(queue: &Queue, engine: Engine) {
    let mut worker = Worker::new(engine);
    let (mut batch, mut jobs) = (Vec::new(), Vec::new());
    while let Some(since) = queue.next(&mut batch) {
        jobs.extend(
            batch.iter().filter_map(|ticket: &Ticket| Some((ticket.user.clone(), ticket.user.start()?))),
        );
        for (_, Job { tasks, .. }) in &mut jobs {
            worker.tasks.append(tasks);
            worker.ends.push(worker.tasks.len());
        }
        worker.attempt(queue);
        for (_, Job { tasks, .. }) in jobs.iter_mut().rev() {
            worker.ends.pop();
            tasks.extend(worker.tasks.drain(worker.ends.last().copied().unwrap_or(0)..));
        }
        queue.count(Effort { took: now().saturating_sub(since), ..std::mem::take(&mut worker.effort) });
        let late = jobs.drain(..).map(|(user, job)| user.finish(job)).filter(|late| *late).count();
        queue.finish(&batch, late);
    }
}

/// What one frame is looked at for, and what was seen.
#[derive(Default)]
struct Sight {
    objects: Objects,
    /// The objects that are looked at on this frame, and the parts of the frame that are seen of them.
    chosen: Vec<usize>,
    boxes: Vec<BBox>,
    begun: u64,
    waiting: usize,
    recall: Vec<(Region, Parent)>,
    seen: Seen,
}

/// What was seen on one frame so far.
#[derive(Default)]
struct Seen {
    detections: Detections,
    times: Times,
    left_out: DecodeReport,
    /// Which run for this batch, from 1 on, this frame had a picture in last.
    run: u64,
    error: Option<Trouble>,
}

/// A picture in the input tensor: whose it is, and which of its regions.
#[derive(Clone, Copy)]
struct Picture {
    task: usize,
    region: usize,
}

/// An engine with the memory that one thread keeps from batch to batch.
struct Worker {
    engine: Engine,
    /// The frames of the batch, those of one job together, and where each job's end.
    tasks: Vec<Task>,
    ends: Vec<usize>,
    /// As many as there were frames in the largest batch.
    sights: Vec<Sight>,
    /// What is in the input tensor.
    pictures: Vec<Picture>,
    /// What this batch took so far.
    effort: Effort,
}

impl Worker {
    fn new(engine: Engine) -> Self {
        let (tasks, ends, sights, pictures, effort) = Default::default();
        Self { engine, tasks, ends, sights, pictures, effort }
    }

    /// Settles all frames. A panic, which would be a defect of this plugin, is an error and not a pipeline that waits for
    /// ever.
    fn attempt(&mut self, queue: &Queue) {
        for task in &mut self.tasks {
            if matches!(&task.work, Work::Waiting(_, look) if look.expires.is_some_and(|e| now() > e)) {
                task.work = Work::Settled(Verdict::Skipped(Skip::Age));
            }
        }
        queue.renew(&mut self.engine, &mut self.tasks);
        if catch_unwind(AssertUnwindSafe(|| self.infer())).is_ok() {
            return;
        }
        self.pictures.clear();
        for task in self.tasks.iter_mut().filter(|task| !task.is_settled()) {
            let what = "Inference panicked; please report this as a defect".to_owned();
            task.work = Work::Settled(Verdict::Failed(Trouble::new(&gst::LibraryError::Failed, what)));
        }
    }

    fn infer(&mut self) {
        let count = self.tasks.len();
        if self.sights.len() < count {
            self.sights.resize_with(count, Sight::default);
        }
        for (sight, task) in self.sights.iter_mut().zip(&self.tasks) {
            if let Work::Waiting(buffer, look) = &task.work {
                sight.prepare(&self.engine.model, &task.channel, buffer, look);
            }
        }
        if let Err(error) = self.look(0..count) {
            self.look_at_each(error);
        }
        for (sight, task) in self.sights.iter_mut().zip(&mut self.tasks) {
            if let Work::Waiting(_, look) = &task.work {
                task.work = Work::Settled(sight.conclude(&self.engine.model, &task.channel, look));
            }
        }
    }

    /// A run of several frames failed: which of them the model fails on shows when each has a run of its own.
    fn look_at_each(&mut self, error: Trouble) {
        let looked_at = |sight: &Sight| !sight.boxes.is_empty() && sight.seen.error.is_none();
        let tasks = 0..self.tasks.len();
        let with_pictures = tasks.filter(|i| !self.tasks[*i].is_settled() && looked_at(&self.sights[*i]));
        let with_pictures: Vec<_> = with_pictures.collect();
        if let [only] = with_pictures[..] {
            self.sights[only].seen.error = Some(error);
            return;
        }
        for task in with_pictures {
            self.sights[task].seen.restart();
            if let Err(error) = self.look(task..task + 1) {
                self.sights[task].seen.error = Some(error);
            }
        }
    }

    /// Looks at all regions of some frames, in as few runs as the model allows. What is wrong with one frame is kept
    /// with it.
    ///
    /// # Errors
    /// When a run fails.
    fn look(&mut self, tasks: std::ops::Range<usize>) -> Result<(), Trouble> {
        self.pictures.clear();
        let unsettled = |task: &usize| !self.tasks[*task].is_settled();
        let pictures = tasks.clone().filter(unsettled).map(|task| self.sights[task].boxes.len()).sum();
        self.engine.reserve(pictures)?;
        for task in tasks {
            let filled = self.fill(task)?;
            if let Err(error) = filled {
                self.pictures.retain(|picture| picture.task != task);
                self.sights[task].seen.error = Some(error);
            }
        }
        self.run()
    }

    /// Puts the regions of a frame into the input tensor, and runs the model whenever that is full. The inner error is
    /// this frame's alone.
    fn fill(&mut self, task: usize) -> Result<Result<(), Trouble>, Trouble> {
        let regions = self.sights[task].boxes.len();
        let mut first = 0;
        while first < regions && !self.tasks[task].is_settled() {
            if self.pictures.len() == self.engine.most() {
                self.run()?;
            }
            let Work::Waiting(buffer, look) = &self.tasks[task].work else { break };
            let end = regions.min(first + self.engine.most() - self.pictures.len());
            let Self { engine, sights, pictures, .. } = self;
            let sight = &mut sights[task];
            let start = now();
            let filled = mapped(buffer, &look.layout, |frame| {
                for region in first..end {
                    engine.fill(pictures.len(), frame, sight.boxes[region])?;
                    pictures.push(Picture { task, region });
                }
                Ok(())
            });
            if filled.is_err() {
                return Ok(filled);
            }
            sight.seen.times.preprocess += now() - start;
            first = end;
        }
        Ok(Ok(()))
    }

    /// Runs the model on what is in the input tensor.
    fn run(&mut self) -> Result<(), Trouble> {
        let Self { engine, tasks, sights, pictures, effort, .. } = self;
        if pictures.is_empty() {
            return Ok(());
        }
        let look = |task: usize| match &tasks[task].work {
            Work::Waiting(_, look) => Some(look),
            _ => None,
        };
        let fallback = Default::default();
        let parameters =
            |place: usize| look(pictures[place].task).map_or(&fallback, |look| &look.config.parameters);
        let serial = engine.model.serial;
        let ran = engine.run(pictures.len(), parameters, |decoded| {
            let Picture { task, region } = pictures[decoded.place];
            let Some(look) = look(task) else { return };
            sights[task].take(serial, &tasks[task].channel, look, region, &decoded);
        });
        effort.runs += 1;
        effort.pictures += pictures.len() as u64;
        if let Ok(took) = ran {
            for Picture { task, .. } in pictures.iter() {
                sights[*task].seen.ran(effort.runs, took);
            }
        }
        pictures.clear();
        ran.map(|_| ())
    }
}

impl Seen {
    /// Forgets what was seen of the pictures.
    fn restart(&mut self) {
        self.detections.items.clear();
        self.detections.details.clear();
        self.detections.parents.clear();
        (self.times, self.left_out, self.run) = Default::default();
    }

    /// A run that this frame had a picture in took so many nanoseconds.
    fn ran(&mut self, run: u64, took: u64) {
        if self.run != run {
            self.run = run;
            self.times.run += took;
        }
    }
}

impl Sight {
    /// Decides what of the frame is looked at.
    fn prepare(&mut self, model: &Model, channel: &Channel, buffer: &gst::BufferRef, look: &Look) {
        let id = look.config.model_id.as_ref().unwrap_or(&model.id);
        let detections = Detections {
            model: id.clone(),
            labels: model.labels.clone(),
            task: model.task,
            ..Detections::default()
        };
        self.seen = Seen { detections, ..Seen::default() };
        (self.begun, self.waiting) = (now(), 0);
        self.recall.clear();
        self.chosen.clear();
        self.boxes.clear();
        if look.config.regions.source == RegionSource::Frame {
            self.chosen.push(0);
            self.boxes.push(WHOLE);
        } else {
            self.choose(model.serial, channel, buffer, look);
        }
    }

    /// Chooses among the objects on the frame.
    fn choose(&mut self, model: u64, channel: &Channel, buffer: &gst::BufferRef, look: &Look) {
        let Self { objects, chosen, boxes, recall, seen, .. } = self;
        let settings = &look.config.regions;
        objects.read(buffer, &look.layout, settings);
        if objects.regions.is_empty() {
            return;
        }
        self.waiting = lock(&channel.cascade).plan(model, &settings.policy, &objects.regions, chosen);
        boxes.extend(chosen.iter().map(|i| objects.padded(*i, settings.padding)));
        let newest = settings.policy.keep == Keep::Recent;
        let told = |i: usize| newest && chosen.binary_search(&i).is_ok();
        let all = objects.regions.iter().zip(&objects.parents).enumerate();
        let others = all.filter(|(i, (region, _))| region.track != 0 && !told(*i));
        recall.extend(others.map(|(_, (region, parent))| (*region, *parent)));
        seen.detections.parent_models = objects.models.clone();
    }

    /// Takes over what was found in one region.
    fn take(&mut self, model: u64, channel: &Channel, look: &Look, region: usize, decoded: &Decoded<'_>) {
        let Self { objects, chosen, seen, .. } = self;
        seen.left_out.add(decoded.left_out);
        seen.times.decode += decoded.took;
        let settings = &look.config.regions;
        if settings.source == RegionSource::Frame {
            // What was found goes into the buffer's metadata, which keeps it.
            seen.detections.items = decoded.found.items.clone();
            seen.detections.details = decoded.found.details.clone();
            return;
        }
        let (object, parent) = (&objects.regions[chosen[region]], objects.parents[chosen[region]]);
        lock(&channel.cascade).keep(model, &settings.policy, object, look.time, decoded.found);
        if object.track == 0 || settings.policy.keep == Keep::Recent {
            add(&mut seen.detections, decoded.found, parent);
        }
    }

    /// How the frame fared.
    fn conclude(&mut self, model: &Arc<Model>, channel: &Channel, look: &Look) -> Verdict {
        let objects = look.config.regions.source != RegionSource::Frame;
        if let Some(error) = self.seen.error.take() {
            if objects {
                lock(&channel.cascade).failed(&self.objects.regions, &self.chosen);
            }
            return Verdict::Failed(error);
        }
        if objects && self.objects.regions.is_empty() {
            return Verdict::Skipped(Skip::NoRegion);
        }
        Verdict::Inferred(Box::new(Report {
            model: model.clone(),
            generation: look.config.generation,
            schedule: look.config.schedule,
            detections: std::mem::take(&mut self.seen.detections),
            times: self.seen.times,
            span: (self.begun, now()),
            budget: look.budget,
            left_out: self.seen.left_out,
            regions: [self.chosen.len(), 0, self.waiting],
            recall: std::mem::take(&mut self.recall),
            time: look.time,
        }))
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
