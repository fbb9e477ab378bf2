//! What becomes of a frame once it is known how it fared.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::flow::Verdict;
use super::imp::{CAT, NvpInference};
use super::mailbox::Finished;
use super::trouble::Trouble;
use super::worker::{Report, add, lock};
use crate::detection::{Found, Parent};
use crate::elements::provenance::now;
use crate::meta::DetectionMeta;
use crate::provenance::{Outcome, Stage};
use crate::schedule::{Failure, Skip};

impl NvpInference {
    /// Writes onto a frame how it fared.
    ///
    /// # Errors
    /// After a failure that ends the stream; it has been posted.
    pub(super) fn complete(
        &self,
        buffer: &mut gst::BufferRef,
        arrived: u64,
        verdict: Verdict,
    ) -> Result<(), gst::FlowError> {
        match verdict {
            Verdict::Inferred(mut report) => {
                self.recall(&mut report);
                self.note(&report);
                self.attach(buffer, *report);
            }
            Verdict::Skipped(why) => self.pass(buffer, arrived, why),
            Verdict::Failed(error) => {
                let generation = self.fail(error)?;
                let outcome = Outcome::Failed("model".into());
                self.sign(
                    buffer,
                    Stage { generation, start: arrived, end: now(), outcome, ..Stage::default() },
                );
            }
        }
        Ok(())
    }

    /// Writes onto a frame that it was not inferred.
    pub(super) fn pass(&self, buffer: &mut gst::BufferRef, arrived: u64, why: Skip) {
        self.shared.stats().skip(why);
        let generation = self.shared.config().generation;
        let outcome = Outcome::Skipped(why.as_str().into());
        self.sign(buffer, Stage { generation, start: arrived, end: now(), outcome, ..Stage::default() });
    }

    /// Writes onto a frame what was found on an earlier one.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub(super) fn complete_late(
        &self,
        buffer: &mut gst::BufferRef,
        arrived: u64,
        finished: Finished,
    ) -> Result<(), gst::FlowError> {
        match finished.verdict {
            Verdict::Inferred(mut report) => {
                self.recall(&mut report);
                self.note(&report);
                let age = buffer.pts().zip(finished.pts).map(|(now, then)| now.saturating_sub(then));
                report.detections.age = age.map_or(0, gst::ClockTime::nseconds);
                report.detections.source_pts = finished.pts.map(gst::ClockTime::nseconds);
                self.shared.stats().aged(report.detections.age);
                self.attach(buffer, *report);
                Ok(())
            }
            // The frame that it was is gone; this one goes on without a result.
            Verdict::Skipped(why) => {
                self.shared.stats().skip(why);
                self.sign_forwarded(buffer, arrived);
                Ok(())
            }
            verdict @ Verdict::Failed(_) => self.complete(buffer, arrived, verdict),
        }
    }

    /// Writes onto a frame that it goes on before its own result.
    pub(super) fn sign_forwarded(&self, buffer: &mut gst::BufferRef, arrived: u64) {
        let generation = self.shared.config().generation;
        let outcome = Outcome::Skipped(Skip::Async.as_str().into());
        self.sign(buffer, Stage { generation, start: arrived, end: now(), outcome, ..Stage::default() });
    }

    /// Adds what earlier looks said of tracks that were not looked at on this frame.
    fn recall(&self, report: &mut Report) {
        if report.recall.is_empty() {
            return;
        }
        let mut found = Found::default();
        for (region, parent) in std::mem::take(&mut report.recall) {
            let said =
                lock(&self.shared.cascade).recall(report.serial, region.track, &region.bbox, &mut found);
            let Some(time) = said else { continue };
            report.regions[1] += usize::from(time != report.time);
            let age = report.time.saturating_sub(time);
            add(&mut report.detections, &found, Parent { age, ..parent });
        }
    }

    /// Counts a run that ended well.
    fn note(&self, report: &Report) {
        let usual = {
            let mut stats = self.shared.stats();
            stats.infer(report);
            stats.usual_time()
        };
        let took = report.span.1 - report.span.0;
        let back =
            lock(&self.shared.scheduler).succeeded(&report.schedule, report.span.1, took, report.budget);
        if back {
            gst::info!(CAT, imp = self, "the model works again");
            self.tell(gst::Structure::builder("nvp-model-enabled").field("model", &*report.model.id).build());
        }
        gst::log!(CAT, imp = self, "{} detections, {:?}", report.detections.items.len(), report.times);
        let nonfinite = report.left_out.non_finite;
        if nonfinite > 0 && !self.nonfinite_told.swap(true, Ordering::Relaxed) {
            gst::warning!(CAT, imp = self, "{nonfinite} candidates with NaN or infinite values are left out");
            let told = gst::Structure::builder("nvp-model-nonfinite").field("candidates", nonfinite as u64);
            self.tell(told.build());
        }
        self.follow_latency(usual);
    }

    /// Decides what a failure leads to; returns the generation of the settings.
    fn fail(&self, error: Trouble) -> Result<u32, gst::FlowError> {
        let config = self.shared.config();
        let (failure, count) = {
            let mut scheduler = lock(&self.shared.scheduler);
            (scheduler.failed(&config.schedule, now()), scheduler.failures())
        };
        self.shared.stats().failed += 1;
        let why = error.to_string();
        match failure {
            Failure::Fatal => {
                self.post_error_message(error.into_message());
                return Err(gst::FlowError::Error);
            }
            Failure::Counted => gst::warning!(CAT, imp = self, "failure {count}: {why}"),
            Failure::Disabled => {
                let retry = config.schedule.retry_after;
                let next = match retry {
                    0 => "it stays off until the element is started again".to_owned(),
                    ns => format!("it is tried again after {} ms", ns / 1_000_000),
                };
                gst::element_imp_warning!(
                    self,
                    gst::LibraryError::Failed,
                    ("The model is switched off after {count} failures in a row, video flows on, {next}: {why}")
                );
                let id = lock(&self.model).as_ref().map(|model| model.id.clone()).unwrap_or_default();
                let told = gst::Structure::builder("nvp-model-disabled")
                    .field("model", &*id)
                    .field("failures", count)
                    .field("reason", why)
                    .field("retry-after", retry);
                self.tell(told.build());
            }
        }
        Ok(config.generation)
    }

    fn attach(&self, buffer: &mut gst::BufferRef, report: Report) {
        let Report { model, generation, mut detections, span: (start, end), .. } = report;
        let stage = Stage {
            model_sha256: Some(model.sha256.clone()),
            provider: Some(model.provider.clone()),
            generation,
            start,
            end,
            ..Stage::default()
        };
        self.sign(buffer, stage);
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

    fn sign(&self, buffer: &mut gst::BufferRef, stage: Stage) {
        let element = self.name_in_provenance();
        self.feed.sign(buffer, Stage { element, ..stage });
    }

    /// Reports a new latency when frames usually take a quarter longer than was last said.
    fn follow_latency(&self, usual: u64) {
        let told = self.latency.load(Ordering::Relaxed);
        if usual > told + told / 4 {
            self.latency.store(usual, Ordering::Relaxed);
            let _ = self.post_message(gst::message::Latency::builder().src(&*self.obj()).build());
        }
    }
}
