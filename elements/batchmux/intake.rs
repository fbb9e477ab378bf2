//! The sink pads: frames and events come in and wait for a batch.

use std::sync::PoisonError;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::NvpBatchMuxPad;
use super::imp::{CAT, Frame, NvpBatchMux, State, Word, lock};
use super::pad::{Described, Unknown};
use crate::batch::{Mark, Pushed, Refused, StreamKey};
use crate::elements::batch;
use crate::elements::provenance::now;
use crate::meta::BatchContent;

impl Word {
    /// True for events that hold for what comes after a flush, too.
    fn outlives_a_flush(&self) -> bool {
        let BatchContent::Event(event) = &self.content else { return false };
        event.is_sticky() && !matches!(event.type_(), gst::EventType::Segment | gst::EventType::Eos)
    }
}

impl NvpBatchMux {
    /// A sink pad that is not the element's yet; its stream has a place, so that activating it finds one.
    pub(super) fn new_pad(&self, template: &gst::PadTemplate, number: u32) -> NvpBatchMuxPad {
        let pad = gst::PadBuilder::<NvpBatchMuxPad>::from_template(template)
            .name(format!("sink_{number}"))
            .chain_function(|pad, parent, buffer| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |mux| mux.take_frame(pad, buffer),
                )
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |mux| mux.take_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |mux| mux.take_query(pad, query))
            })
            .activatemode_function(|pad, parent, _mode, active| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::loggable_error!(CAT, "The element has panicked")),
                    |mux| {
                        mux.set_flushing(pad, !active);
                        Ok(())
                    },
                )
            })
            .build();
        self.enroll(&pad);
        pad
    }

    fn take_frame(
        &self,
        pad: &NvpBatchMuxPad,
        buffer: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if pad.imp().has_to_ask() {
            self.ask_whether_live(pad);
        }
        let Described { key, stream, time } = match pad.imp().describe(&buffer) {
            Ok(described) => described,
            Err(Unknown::Idle) => return Err(gst::FlowError::Flushing),
            Err(Unknown::Caps(first)) => {
                if let Some(state) = lock(&self.state).as_mut() {
                    state.without_caps += 1;
                }
                if first {
                    gst::warning!(CAT, obj = pad, "Frames come without caps and are dropped");
                    let stream = pad.imp().stream();
                    batch::report(&*self.obj(), "nvp-stream-refused", &stream, |s| {
                        s.field("reason", "no-caps")
                    });
                }
                return Ok(gst::FlowSuccess::Ok);
            }
        };
        let arrived = now();
        let frame = Frame { pad: pad.clone(), stream, buffer, time, arrived };
        let pushed = self.push(
            key,
            frame,
            |state| state.refusal,
            |state, frame| {
                let (time, arrived) = (frame.time, frame.arrived);
                state.former.push_frame(key, frame, time, arrived)
            },
        )?;
        if pushed.resumed {
            gst::info!(CAT, obj = pad, "The stream is back");
            batch::report(&*self.obj(), "nvp-stream-resumed", &pad.imp().stream(), |s| s);
        }
        if pushed.dropped.is_some()
            && let Some(dropped) = pad.imp().count_drop(arrived)
        {
            gst::debug!(CAT, obj = pad, "{dropped} frames were dropped for newer ones");
            batch::report(&*self.obj(), "nvp-stream-dropping", &pad.imp().stream(), |s| {
                s.field("dropped", dropped).field("reason", "overflow")
            });
        }
        Ok(gst::FlowSuccess::Ok)
    }

    fn take_event(&self, pad: &NvpBatchMuxPad, event: gst::Event) -> bool {
        gst::log!(CAT, obj = pad, "{event:?}");
        let mark = match event.view() {
            gst::EventView::FlushStart(_) => return self.begin_flush(pad, event),
            gst::EventView::FlushStop(_) => {
                self.set_flushing(pad, false);
                Mark::Begin
            }
            gst::EventView::StreamStart(_) => Mark::Begin,
            gst::EventView::Eos(_) => Mark::End,
            _ => Mark::None,
        };
        if matches!(event.type_(), gst::EventType::StreamStart | gst::EventType::FlushStop) {
            self.try_again();
        }
        let event = pad.imp().see(event);
        let Some(key) = pad.imp().key() else { return false };
        let (stream, kind) = (pad.imp().stream(), event.type_());
        let word = Word { stream: stream.clone(), content: BatchContent::Event(event) };
        let pushed = self.push(key, word, State::halted, |state, word| {
            state.over = false;
            state.former.push_event(key, word, mark)
        });
        if let Err(error) = pushed {
            gst::debug!(CAT, obj = pad, "An event is dropped: {error}");
            return false;
        }
        match kind {
            gst::EventType::StreamStart => {
                batch::report(&*self.obj(), "nvp-stream-started", &stream, |s| s);
            }
            gst::EventType::Eos if pad.imp().has_to_report_end() => {
                batch::report(&*self.obj(), "nvp-stream-ended", &stream, |s| s.field("reason", "eos"));
            }
            _ => {}
        }
        true
    }

    fn take_query(&self, pad: &NvpBatchMuxPad, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Allocation(allocation) => {
                self.say_what_is_held(allocation);
                true
            }
            gst::QueryViewMut::Drain(_) => self.drain(pad),
            _ => gst::Pad::query_default(pad, Some(&*self.obj()), query),
        }
    }

    /// Any layout of a frame passes, and so many frames are held that upstream has to have more of them.
    fn say_what_is_held(&self, allocation: &mut gst::query::Allocation) {
        let info = allocation.get().0.and_then(|caps| gst_video::VideoInfo::from_caps(caps).ok());
        if let Some(size) = info.and_then(|info| u32::try_from(info.size()).ok()) {
            allocation.add_allocation_pool(None::<&gst::BufferPool>, size, self.settings().held(), 0);
        }
        allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
    }

    /// Waits until all that came of a stream has left; false when it cannot.
    fn drain(&self, pad: &NvpBatchMuxPad) -> bool {
        let Some(key) = pad.imp().key() else { return false };
        let mut guard = lock(&self.state);
        loop {
            let Some(state) = guard.as_ref().filter(|s| !s.stopping && s.halted().is_none()) else {
                return false;
            };
            let Some(member) = state.members.get(&key).filter(|member| !member.flushing) else {
                return false;
            };
            if !state.pushing && state.former.is_drained(key) {
                return true;
            }
            let room = member.room.clone();
            guard = room.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Puts something into a stream's queue, unless there is a `refusal`, and waits until there is room for it.
    fn push<T>(
        &self,
        key: StreamKey,
        mut what: T,
        refusal: impl Fn(&State) -> Option<gst::FlowError>,
        put: impl Fn(&mut State, T) -> Result<Pushed<Frame>, Refused<T>>,
    ) -> Result<Pushed<Frame>, gst::FlowError> {
        let mut guard = lock(&self.state);
        loop {
            let state = guard.as_mut().ok_or(gst::FlowError::Flushing)?;
            if let Some(refusal) = refusal(state) {
                return Err(refusal);
            }
            let member = state.members.get(&key).filter(|member| !member.flushing && !state.stopping);
            let room = member.ok_or(gst::FlowError::Flushing)?.room.clone();
            match put(state, what) {
                Ok(pushed) => {
                    self.work.notify_one();
                    return Ok(pushed);
                }
                Err(Refused::Gone(_)) => return Err(gst::FlowError::Flushing),
                Err(Refused::Full(back)) => what = back,
            }
            guard = room.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Downstream that has had enough may take what begins anew.
    fn try_again(&self) {
        if let Some(state) = lock(&self.state).as_mut() {
            state.begun += 1;
            state.refusal.take_if(|why| *why == gst::FlowError::Eos);
        }
    }

    /// Empties a stream's queue. Its branch hears of it at once: what is in front of the end of the flush, in batches, may be
    /// waiting for that very branch.
    fn begin_flush(&self, pad: &NvpBatchMuxPad, event: gst::Event) -> bool {
        self.set_flushing(pad, true);
        pad.imp().see(event.clone());
        let number = pad.imp().stream().pad();
        self.src.push_event(batch::wrap_urgent_event(number, event));
        true
    }

    /// While a pad is flushing nothing waits in it.
    fn set_flushing(&self, pad: &NvpBatchMuxPad, flushing: bool) {
        let Some(key) = pad.imp().key() else { return };
        let mut state = lock(&self.state);
        let Some(state) = state.as_mut() else { return };
        state.former.flush(key, Word::outlives_a_flush);
        if let Some(member) = state.members.get_mut(&key) {
            member.flushing = flushing;
            member.room.notify_all();
        }
    }

    /// A live stream must not be held up.
    fn ask_whether_live(&self, pad: &NvpBatchMuxPad) {
        let mut latency = gst::query::Latency::new();
        let live = pad.peer_query(&mut latency) && latency.result().0;
        gst::debug!(CAT, obj = pad, "The stream is {}live", if live { "" } else { "not " });
        let Some(key) = pad.imp().key() else { return };
        if let Some(state) = lock(&self.state).as_mut() {
            state.former.set_live(key, live);
        }
        if live {
            // Its latency may be higher than what was told before it came.
            self.latency_changed();
        }
    }
}
