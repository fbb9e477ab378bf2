//! The thread that infers: takes frames from the line, brings them back with their detections.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use super::engine::{Engine, Report};
use super::flow::{Flow, Job, Verdict};
use super::layout::Layout;
use super::stats::Stats;
use crate::model::DecodeParams;

/// What the element and its worker share.
pub(super) struct Shared {
    pub(super) flow: Flow,
    pub(super) parameters: Mutex<Arc<DecodeParams>>,
    pub(super) stats: Mutex<Stats>,
}

impl Shared {
    pub(super) fn new(capacity: usize) -> Self {
        Self { flow: Flow::new(capacity), parameters: Mutex::default(), stats: Mutex::default() }
    }

    pub(super) fn parameters(&self) -> Arc<DecodeParams> {
        self.parameters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn stats(&self) -> std::sync::MutexGuard<'_, Stats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Infers until the line closes, then hands the engine back.
pub(super) fn work(shared: &Shared, mut engine: Engine) -> Engine {
    while let Some(Job { ticket, buffer, layout }) = shared.flow.take() {
        let parameters = shared.parameters();
        let verdict = match attempt(&mut engine, &buffer, &layout, &parameters) {
            Ok(report) => Verdict::Inferred(report),
            Err(error) => Verdict::Failed(error),
        };
        shared.flow.finish(ticket, buffer, verdict);
    }
    engine
}

/// One frame. A panic, which would be a defect of this plugin, ends the stream with an error and not with
/// a pipeline that waits for ever.
fn attempt(
    engine: &mut Engine,
    buffer: &gst::BufferRef,
    layout: &Layout,
    parameters: &DecodeParams,
) -> Result<Report, gst::ErrorMessage> {
    let inferring = AssertUnwindSafe(|| infer(engine, buffer, layout, parameters));
    catch_unwind(inferring).unwrap_or_else(|_| {
        Err(gst::error_msg!(
            gst::LibraryError::Failed,
            ("Inference panicked; please report this as a defect")
        ))
    })
}

fn infer(
    engine: &mut Engine,
    buffer: &gst::BufferRef,
    layout: &Layout,
    parameters: &DecodeParams,
) -> Result<Report, gst::ErrorMessage> {
    let info = &layout.info;
    let mapped = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info).map_err(|_| {
        gst::error_msg!(
            gst::StreamError::Format,
            (
                "A buffer of {} bytes does not hold a {}x{} {} frame",
                buffer.size(),
                info.width(),
                info.height(),
                info.format()
            )
        )
    })?;
    let frame = layout
        .frame(&mapped)
        .map_err(|e| gst::error_msg!(gst::StreamError::Format, ("A frame cannot be read: {e}")))?;
    engine.infer(&frame, parameters)
}
