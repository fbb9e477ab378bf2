//! The source pad: its task forms batches and pushes them.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::NvpBatchMuxPad;
use super::imp::{CAT, Frame, NvpBatchMux, State, Word, lock};
use crate::batch::{Form, Next, Policy, StreamKey};
use crate::elements::batch;
use crate::elements::provenance::now;
use crate::meta::{BATCH_CAPS, Batch, BatchContent, BatchItem, BatchMeta};
use crate::provenance::Stage;

/// What the task does next.
enum Turn {
    Batch(Vec<(StreamKey, Form<Frame, Word>)>),
    /// The streams of these pads have become silent.
    Silent(Vec<NvpBatchMuxPad>),
    /// All streams have ended.
    End,
    Stop,
}

/// The source pad of a new element.
pub(super) fn pad(template: &gst::PadTemplate) -> gst::Pad {
    gst::Pad::builder_from_template(template)
        .activatemode_function(|pad, parent, _mode, active| {
            NvpBatchMux::catch_panic_pad_function(
                parent,
                || Err(gst::loggable_error!(CAT, "The element has panicked")),
                |mux| mux.activate(pad, active),
            )
        })
        .event_function(|pad, parent, event| {
            NvpBatchMux::catch_panic_pad_function(parent, || false, |mux| mux.upstream_event(pad, event))
        })
        .query_function(|pad, parent, query| {
            NvpBatchMux::catch_panic_pad_function(parent, || false, |mux| mux.query(pad, query))
        })
        .build()
}

impl NvpBatchMux {
    fn activate(&self, pad: &gst::Pad, active: bool) -> Result<(), gst::LoggableError> {
        if let Some(state) = lock(&self.state).as_mut() {
            state.stopping = !active;
            state.wake();
        }
        self.work.notify_one();
        if !active {
            return Ok(pad.stop_task()?);
        }
        let mux = self.downgrade();
        Ok(pad.start_task(move || {
            if let Some(mux) = mux.upgrade() {
                mux.turn();
            }
        })?)
    }

    /// One turn of the task.
    fn turn(&self) {
        match self.wait() {
            Turn::Batch(forms) => self.push_batch(forms),
            Turn::Silent(pads) => {
                for pad in pads {
                    let stream = pad.imp().stream();
                    gst::info!(CAT, imp = self, "{} on pad {} is silent", stream.name(), stream.pad());
                    batch::report(&*self.obj(), "nvp-stream-silent", &stream, |s| s);
                }
            }
            Turn::End => {
                gst::info!(CAT, imp = self, "All streams have ended");
                self.announce();
                self.src.push_event(gst::event::Eos::new());
                if let Some(state) = lock(&self.state).as_mut() {
                    state.announced = false;
                }
            }
            Turn::Stop => {
                let _ = self.src.pause_task();
            }
        }
    }

    /// Waits for something to do.
    fn wait(&self) -> Turn {
        let mut guard = lock(&self.state);
        loop {
            let Some(state) = guard.as_mut() else { return Turn::Stop };
            if state.stopping {
                return Turn::Stop;
            }
            if state.halted().is_some() {
                guard = self.work.wait(guard).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let time = now();
            if let Some(silent) = state.silent(time) {
                return Turn::Silent(silent);
            }
            let until = match state.former.next(time) {
                Next::Leave => return Turn::Batch(state.take(time)),
                Next::Wait(until) => until,
            };
            if state.former.is_over() && !state.keep_alive && !std::mem::replace(&mut state.over, true) {
                return Turn::End;
            }
            guard = match until.map(|until| Duration::from_nanos(until.saturating_sub(time))) {
                Some(left) => self.work.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.work.wait(guard).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn push_batch(&self, mut forms: Vec<(StreamKey, Form<Frame, Word>)>) {
        let Some(element) = lock(&self.state).as_ref().map(|state| state.element.clone()) else { return };
        let end = now();
        let earliest = |form: &(_, Form<Frame, Word>)| match &form.1 {
            Form::Frame(frame) => frame.time,
            Form::Event(_) => None,
        };
        let time = forms.iter().filter_map(earliest).min();
        let items = forms.drain(..).map(|(_, form)| match form {
            Form::Event(Word { stream, content: BatchContent::Event(event) }) => {
                BatchItem::event(stream, event)
            }
            Form::Event(Word { stream, .. }) => BatchItem::released(stream),
            Form::Frame(Frame { pad, stream, mut buffer, arrived, .. }) => {
                let stage = Stage { element: element.clone(), start: arrived, end, ..Stage::default() };
                pad.imp().sign(buffer.make_mut(), stage);
                BatchItem::frame(stream, buffer)
            }
        });
        let batch = Batch { items: items.collect() };
        let mut buffer = gst::Buffer::new();
        let writable = buffer.make_mut();
        BatchMeta::set(writable, batch);
        let mut begun = 0;
        if let Some(state) = lock(&self.state).as_mut() {
            begun = state.begun;
            state.forms = forms;
            // Streams need not agree on the time; the stream of batches does not go back.
            state.time = time.map_or(state.time, |time| state.time.max(time));
            writable.set_pts(time.map(|_| gst::ClockTime::from_nseconds(state.time)));
        }
        self.announce();
        let pushed = self.src.push(buffer);
        if let Some(state) = lock(&self.state).as_mut() {
            state.pushing = false;
            state.wake();
        }
        if let Err(error) = pushed {
            self.give_up(error, begun);
        }
    }

    /// Says what comes, where downstream does not know it.
    fn announce(&self) {
        let announced = lock(&self.state).as_mut().is_none_or(|s| std::mem::replace(&mut s.announced, true));
        if announced {
            return;
        }
        let id = format!("nvpbatchmux/{}", uuid::Uuid::new_v4());
        let start = gst::event::StreamStart::builder(&id).group_id(gst::GroupId::next()).build();
        self.src.push_event(start);
        self.src.push_event(gst::event::Caps::new(&gst::Caps::new_empty_simple(BATCH_CAPS)));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        self.src.push_event(gst::event::Segment::new(&segment));
    }

    /// Downstream takes nothing more: neither do the sink pads, and the task waits. One that has had enough is still told
    /// that the streams end. What has `begun` since it was asked it may take.
    fn give_up(&self, error: gst::FlowError, begun: u64) {
        gst::debug!(CAT, imp = self, "Downstream takes nothing more: {error}");
        let enough = error == gst::FlowError::Eos;
        if let Some(state) = lock(&self.state).as_mut().filter(|state| !enough || state.begun == begun) {
            state.refusal = Some(error);
            if enough {
                state.former.drop_frames();
            }
            state.wake();
        }
        let why = match error {
            gst::FlowError::Flushing | gst::FlowError::Eos => return,
            gst::FlowError::NotNegotiated => {
                "what is linked to the source pad does not take batches (multistream/x-nvp-batch): link nvpinference or \
                 nvpbatchdemux"
            }
            gst::FlowError::NotLinked => {
                "nothing is linked to the source pad: link nvpinference or nvpbatchdemux"
            }
            _ => "an element downstream has failed and says why",
        };
        gst::element_imp_error!(
            self,
            gst::StreamError::Failed,
            ("The batches cannot go on: {why}"),
            ["{error}"]
        );
        self.src.push_event(gst::event::Eos::new());
    }

    /// What a stream's branch sends goes to that stream, seeks and the like from elsewhere to all of them.
    fn upstream_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        if let Some((number, event)) = batch::wrapped_event(&event) {
            gst::log!(CAT, imp = self, "For stream {number}: {event:?}");
            let pad = self.obj().static_pad(&format!("sink_{number}"));
            return pad.is_some_and(|pad| pad.push_event(event));
        }
        // How late batches are says nothing about any one stream.
        event.type_() == gst::EventType::Qos || gst::Pad::event_default(pad, Some(&*self.obj()), event)
    }

    fn query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        if let gst::QueryViewMut::Latency(latency) = query.view_mut() {
            let (live, min, max) = self.latency();
            latency.set(live, min, max);
            return true;
        }
        let of = |number| self.obj().static_pad(&format!("sink_{number}"));
        batch::answer(query, of).unwrap_or_else(|| gst::Pad::query_default(pad, Some(&*self.obj()), query))
    }

    /// Whether any stream is live, and between what the latency of those that are lies.
    fn latency(&self) -> (bool, gst::ClockTime, Option<gst::ClockTime>) {
        let settings = self.settings();
        let own = settings.max_latency();
        let mut all = (false, gst::ClockTime::ZERO, None::<gst::ClockTime>);
        let (mut least, mut interval) = (gst::ClockTime::MAX, None);
        for pad in self.obj().sink_pads() {
            let mut query = gst::query::Latency::new();
            if !pad.peer_query(&mut query) {
                continue;
            }
            if let (true, min, max) = query.result() {
                let lowest = |all: gst::ClockTime| max.map_or(all, |max| max.min(all));
                all = (true, all.1.max(min), all.2.map_or(max, |all| Some(lowest(all))));
                least = least.min(min);
                interval = frame_time(&pad).into_iter().chain(interval).min();
            }
        }
        if all.0 {
            self.warn_of_misfit(&settings.policy(), all.1.saturating_sub(least), interval);
        }
        (all.0, all.1 + own, all.2.map(|max| max + own))
    }
}

impl NvpBatchMux {
    /// Says, once, that frames of one time cannot leave together, because some streams come too much later than others.
    fn warn_of_misfit(&self, policy: &Policy, spread: gst::ClockTime, interval: Option<gst::ClockTime>) {
        let spread = spread.nseconds();
        let Some(needed) = policy.bridge(spread, interval.map_or(0, gst::ClockTime::nseconds)) else {
            return;
        };
        if self.misfit_told.swap(true, Ordering::Relaxed) {
            return;
        }
        let ms = |ns: u64| ns.div_ceil(1_000_000);
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Settings,
            (
                "Some streams come up to {} ms later than others, so with sync=pts frames of one time do not leave \
                 together. Set max-latency to {} and queue-size to {} or more",
                ms(spread),
                ms(needed.max_latency),
                needed.capacity
            )
        );
    }
}

/// From one frame to the next of a stream, where its caps say so.
fn frame_time(pad: &gst::Pad) -> Option<gst::ClockTime> {
    let rate = pad.current_caps()?.structure(0)?.get::<gst::Fraction>("framerate").ok()?;
    let (frames, seconds) = (u64::try_from(rate.numer()).ok()?, u64::try_from(rate.denom()).ok()?);
    gst::ClockTime::SECOND.mul_div_floor(seconds, frames)
}

impl State {
    /// The pads whose streams have become silent, if any.
    fn silent(&mut self, time: u64) -> Option<Vec<NvpBatchMuxPad>> {
        let mut keys = Vec::new();
        self.former.silent(time, &mut keys);
        let pads: Vec<_> = keys.iter().filter_map(|key| Some(self.members.get(key)?.pad.clone())).collect();
        (!pads.is_empty()).then_some(pads)
    }

    /// Takes a batch out, and wakes those whose streams have room again.
    fn take(&mut self, time: u64) -> Vec<(StreamKey, Form<Frame, Word>)> {
        let mut forms = std::mem::take(&mut self.forms);
        self.former.take(time, &mut forms);
        self.pushing = true;
        for (key, _) in &forms {
            if let Some(member) = self.members.get(key) {
                member.room.notify_all();
            }
        }
        forms
    }
}
