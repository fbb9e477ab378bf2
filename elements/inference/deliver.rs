//! What becomes of a frame once it is known how it fared.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::imp::{CAT, NvpInference};
use super::mailbox::Finished;
use super::task::{Channel, Report, Task, Verdict, Work, lock};
use super::trouble::Trouble;
use super::worker::add;
use crate::detection::{Found, Parent};
use crate::elements::provenance::now;
use crate::meta::{BatchMeta, DetectionMeta};
use crate::provenance::{Outcome, Stage};
use crate::schedule::{Failure, Skip};

impl NvpInference {
    /// Writes onto the frames of a buffer how they fared.
    ///
    /// # Errors
    /// After a failure that ends the stream; it has been posted.
    pub(super) fn complete_all(
        &self,
        buffer: &mut gst::Buffer,
        arrived: u64,
        tasks: Vec<Task>,
    ) -> Result<(), gst::FlowError> {
        let Some(mut batch) = self.batch_of(buffer) else {
            return tasks
                .into_iter()
                .try_for_each(|task| self.complete_task(buffer.make_mut(), arrived, task));
        };
        let mut frames = batch.frames_mut().zip(tasks);
        let completed = frames.try_for_each(|((_, f), task)| self.complete_task(f.make_mut(), arrived, task));
        drop(frames);
        BatchMeta::set(buffer.make_mut(), batch);
        completed
    }

    fn complete_task(
        &self,
        buffer: &mut gst::BufferRef,
        arrived: u64,
        task: Task,
    ) -> Result<(), gst::FlowError> {
        let Task { channel, work: Work::Settled(verdict) } = task else { return Ok(()) };
        if matches!(verdict, Verdict::Skipped(Skip::Timeout)) {
            self.count_timeout();
        }
        self.complete(&channel, buffer, arrived, verdict)
    }

    fn count_timeout(&self) {
        let pool = lock(&self.pool).clone();
        if let Some(pool) = pool {
            pool.timed_out(1);
        }
    }

    /// Writes onto a frame how it fared.
    fn complete(
        &self,
        channel: &Channel,
        buffer: &mut gst::BufferRef,
        arrived: u64,
        verdict: Verdict,
    ) -> Result<(), gst::FlowError> {
        match verdict {
            Verdict::Inferred(mut report) => {
                recall(channel, &mut report);
                self.note(channel, &report);
                self.attach(channel, buffer, *report);
            }
            Verdict::Skipped(why) => self.pass(channel, buffer, arrived, why),
            Verdict::Failed(error) => {
                let generation = self.fail(channel, error)?;
                let outcome = Outcome::Failed("model".into());
                let stage = Stage { generation, start: arrived, end: now(), outcome, ..Stage::default() };
                self.sign(channel, buffer, stage);
            }
        }
        Ok(())
    }

    /// Writes onto a frame that it was not inferred.
    pub(super) fn pass(&self, channel: &Channel, buffer: &mut gst::BufferRef, arrived: u64, why: Skip) {
        self.member.stats().skip(why);
        self.sign_skipped(channel, buffer, arrived, why);
    }

    fn sign_skipped(&self, channel: &Channel, buffer: &mut gst::BufferRef, arrived: u64, why: Skip) {
        let generation = self.member.config().generation;
        let outcome = Outcome::Skipped(why.as_str().into());
        let stage = Stage { generation, start: arrived, end: now(), outcome, ..Stage::default() };
        self.sign(channel, buffer, stage);
    }

    /// Writes onto a frame what was found on an earlier one.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub(super) fn complete_late(
        &self,
        channel: &Channel,
        buffer: &mut gst::BufferRef,
        arrived: u64,
        finished: Finished,
    ) -> Result<(), gst::FlowError> {
        match finished.verdict {
            Verdict::Inferred(mut report) => {
                recall(channel, &mut report);
                self.note(channel, &report);
                let age = buffer.pts().zip(finished.pts).map(|(now, then)| now.saturating_sub(then));
                report.detections.age = age.map_or(0, gst::ClockTime::nseconds);
                report.detections.source_pts = finished.pts.map(gst::ClockTime::nseconds);
                self.member.stats().aged(report.detections.age);
                self.attach(channel, buffer, *report);
                Ok(())
            }
            // The frame that it was is gone; this one goes on without a result.
            Verdict::Skipped(why) => {
                self.member.stats().skip(why);
                self.sign_forwarded(channel, buffer, arrived);
                Ok(())
            }
            verdict @ Verdict::Failed(_) => self.complete(channel, buffer, arrived, verdict),
        }
    }

    /// Writes onto a frame that it goes on before its own result.
    pub(super) fn sign_forwarded(&self, channel: &Channel, buffer: &mut gst::BufferRef, arrived: u64) {
        self.sign_skipped(channel, buffer, arrived, Skip::Async);
    }

    /// Counts a run that ended well.
    fn note(&self, channel: &Channel, report: &Report) {
        self.member.stats().infer(report);
        self.succeed(channel, report);
        gst::log!(CAT, imp = self, "{} detections, {:?}", report.detections.items.len(), report.times);
        let nonfinite = report.left_out.non_finite;
        if nonfinite > 0 && !self.nonfinite_told.swap(true, Ordering::Relaxed) {
            gst::warning!(CAT, imp = self, "{nonfinite} candidates with NaN or infinite values are left out");
            let told = gst::Structure::builder("nvp-model-nonfinite").field("candidates", nonfinite as u64);
            self.tell(told.build());
        }
    }

    /// The model works on a stream's frames.
    fn succeed(&self, channel: &Channel, report: &Report) {
        channel.forget_complaints();
        let took = report.span.1 - report.span.0;
        let back = lock(&channel.scheduler).succeeded(&report.schedule, report.span.1, took, report.budget);
        if back {
            gst::info!(CAT, imp = self, "the model works again");
            let told = gst::Structure::builder("nvp-model-enabled").field("model", &*report.detections.model);
            self.tell(told.field_if_some("stream", channel.name.as_deref()).build());
        }
    }

    /// Counts a result that no frame carries, because a newer one came before the next frame did.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub(super) fn count_overtaken(&self, channel: &Channel, verdict: Verdict) -> Result<(), gst::FlowError> {
        match verdict {
            Verdict::Inferred(report) => {
                self.member.stats().superseded += 1;
                self.succeed(channel, &report);
                Ok(())
            }
            Verdict::Skipped(why) => {
                self.member.stats().skip(why);
                Ok(())
            }
            Verdict::Failed(error) => self.fail(channel, error).map(|_| ()),
        }
    }

    /// Decides what a failure leads to; returns the generation of the settings.
    fn fail(&self, channel: &Channel, error: Trouble) -> Result<u32, gst::FlowError> {
        let config = self.member.config();
        let (failure, count) = {
            let mut scheduler = lock(&channel.scheduler);
            (scheduler.failed(&config.schedule, now()), scheduler.failures())
        };
        self.member.stats().failed += 1;
        let of = channel.name.as_ref().map_or_else(String::new, |name| format!("Stream {name}: "));
        let why = format!("{of}{error}");
        match failure {
            // What one stream's frames lead to is not the end of the others in the batch.
            Failure::Fatal if channel.name.is_some() => {
                if channel.complains_first_of(&why) {
                    gst::element_imp_warning!(self, gst::LibraryError::Failed, ("{why}"));
                } else {
                    gst::debug!(CAT, imp = self, "failure {count}: {why}");
                }
            }
            Failure::Fatal => {
                self.post_error_message(error.into_message());
                return Err(gst::FlowError::Error);
            }
            Failure::Counted => gst::warning!(CAT, imp = self, "failure {count}: {why}"),
            Failure::Disabled => self.tell_disabled(channel, count, why, config.schedule.retry_after),
        }
        Ok(config.generation)
    }

    fn tell_disabled(&self, channel: &Channel, failures: u32, why: String, retry: u64) {
        let next = match retry {
            0 => "it stays off until the element is started again".to_owned(),
            ns => format!("it is tried again after {} ms", ns / 1_000_000),
        };
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Failed,
            ("The model is switched off after {failures} failures in a row, video flows on, {next}: {why}")
        );
        let named = self.member.config().model_id.clone();
        let id = named.or_else(|| self.model().map(|model| model.id.clone())).unwrap_or_default();
        let told = gst::Structure::builder("nvp-model-disabled")
            .field("model", &*id)
            .field("failures", failures)
            .field("reason", why)
            .field("retry-after", retry)
            .field_if_some("stream", channel.name.as_deref());
        self.tell(told.build());
    }

    fn attach(&self, channel: &Channel, buffer: &mut gst::BufferRef, report: Report) {
        let Report { model, generation, mut detections, span: (start, end), .. } = report;
        let stage = Stage {
            model_sha256: Some(model.sha256.clone()),
            provider: Some(model.provider.clone()),
            generation,
            start,
            end,
            ..Stage::default()
        };
        self.sign(channel, buffer, stage);
        self.tell_apart(buffer, &mut detections.model);
        DetectionMeta::add(buffer, detections);
    }

    /// Gives the results another model id when an element before this one uses the same.
    fn tell_apart(&self, buffer: &gst::BufferRef, id: &mut Arc<str>) {
        if DetectionMeta::all(buffer).any(|other| other.model() == &**id) {
            let mut alias = lock(&self.alias);
            let known = alias.get_or_insert_with(|| {
                let alias = format!("{id}@{}", self.obj().name());
                gst::warning!(
                    CAT,
                    imp = self,
                    "another element before this one calls its model {id}; here it is {alias}. Set model-id to choose a name"
                );
                alias.into()
            });
            *id = known.clone();
        }
    }

    fn sign(&self, channel: &Channel, buffer: &mut gst::BufferRef, stage: Stage) {
        let element = self.name_in_provenance();
        channel.feed.sign(buffer, Stage { element, ..stage });
    }

    /// Counts how long a buffer was held until all of its frames were looked at, and reports a new latency when that usually
    /// takes a quarter longer than was last said.
    pub(super) fn follow_latency(&self, entered: u64, tasks: &[Task]) {
        let ends = tasks.iter().filter_map(|task| match &task.work {
            Work::Settled(Verdict::Inferred(report)) => Some(report.span.1),
            _ => None,
        });
        let Some(end) = ends.max() else { return };
        let usual = {
            let mut stats = self.member.stats();
            stats.hold(entered, end);
            stats.usual_hold()
        };
        let told = self.latency.load(Ordering::Relaxed);
        if usual > told + told / 4 {
            self.latency.store(usual, Ordering::Relaxed);
            let _ = self.post_message(gst::message::Latency::builder().src(&*self.obj()).build());
        }
    }
}

/// Adds what earlier looks said of tracks that were not looked at on this frame.
fn recall(channel: &Channel, report: &mut Report) {
    if report.recall.is_empty() {
        return;
    }
    let mut found = Found::default();
    for (region, parent) in std::mem::take(&mut report.recall) {
        let serial = report.model.serial;
        let said = lock(&channel.cascade).recall(serial, region.track, &region.bbox, &mut found);
        let Some(time) = said else { continue };
        report.regions[1] += usize::from(time != report.time);
        let age = report.time.saturating_sub(time);
        add(&mut report.detections, &found, Parent { age, ..parent });
    }
}
