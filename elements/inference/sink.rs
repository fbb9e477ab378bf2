//! The sink side of `nvpinference`, and the events and queries of both pads.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::flow::Order;
use super::imp::{CAT, NvpInference};
use super::worker::{Look, lock};
use crate::elements::layout::Layout;
use crate::elements::provenance::now;
use crate::schedule::Skip;

impl NvpInference {
    pub(super) fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let arrived = now();
        self.shared.stats().frames_in += 1;
        let order = self.admit(&buffer, arrived)?;
        if self.is_async() {
            return self.forward(buffer, arrived, order);
        }
        self.shared.flow.enter(buffer, order, arrived)?;
        Ok(gst::FlowSuccess::Ok)
    }

    /// Decides whether a frame is inferred.
    fn admit(&self, buffer: &gst::BufferRef, arrived: u64) -> Result<Order, gst::FlowError> {
        let (layout, time) = {
            let stream = lock(&self.stream);
            let layout = stream.layout.clone().ok_or(gst::FlowError::NotNegotiated)?;
            let segment = stream.segment.as_ref();
            (layout, segment.and_then(|segment| segment.to_running_time(buffer.pts())))
        };
        if buffer.flags().contains(gst::BufferFlags::GAP) {
            return Ok(Order::Skip(Skip::Gap));
        }
        let config = self.shared.config();
        let expires = match self.room(config.max_age, time) {
            Ok(room) => room.map(|room| arrived + room),
            Err(why) => return Ok(Order::Skip(why)),
        };
        // A frame without a time counts by when it came.
        let time = time.map_or(arrived, gst::ClockTime::nseconds);
        let admitted = lock(&self.shared.scheduler).admit(&config.schedule, time, arrived);
        Ok(match admitted {
            Ok(()) => {
                let budget = config.schedule.budget(layout.frame_time());
                Order::Infer(Look { layout, config, time, expires, budget })
            }
            Err(why) => Order::Skip(why),
        })
    }

    /// Nanoseconds that are left until a frame is older than `most` on the running clock; `None` when it has no age.
    fn room(&self, most: u64, time: Option<gst::ClockTime>) -> Result<Option<u64>, Skip> {
        let (true, Some(time)) = (most > 0, time) else { return Ok(None) };
        let Some(running) = self.obj().current_running_time() else { return Ok(None) };
        let age = running.nseconds().saturating_sub(time.nseconds());
        most.checked_sub(age).map(Some).ok_or(Skip::Age)
    }

    /// Sends a frame on at once, with the last result if there is a new one.
    fn forward(
        &self,
        mut buffer: gst::Buffer,
        arrived: u64,
        order: Order,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let finished = match order {
            Order::Infer(look) => {
                let (finished, replaced) = self.shared.mailbox.exchange(buffer.clone(), look);
                if replaced {
                    self.shared.stats().skip(Skip::Busy);
                }
                if finished.is_none() {
                    self.sign_forwarded(buffer.make_mut(), arrived);
                }
                finished
            }
            Order::Skip(why) => {
                let finished = self.shared.mailbox.collect();
                if finished.is_none() {
                    self.pass(buffer.make_mut(), arrived, why);
                } else {
                    self.shared.stats().skip(why);
                }
                finished
            }
        };
        if let Some(finished) = finished {
            self.complete_late(buffer.make_mut(), arrived, finished)?;
        }
        self.src.push(self.pack(buffer)?)
    }

    pub(super) fn is_async(&self) -> bool {
        self.asynchronous.load(Ordering::Relaxed)
    }

    pub(super) fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        gst::log!(CAT, obj = pad, "{event:?}");
        match event.view() {
            gst::EventView::FlushStart(_) if self.is_async() => {
                let dropped = self.shared.mailbox.flush();
                self.shared.stats().flushed += dropped;
                self.src.push_event(event)
            }
            gst::EventView::FlushStop(_) if self.is_async() => {
                lock(&self.shared.scheduler).restart();
                self.src.push_event(event)
            }
            gst::EventView::FlushStart(_) => {
                let dropped = self.shared.flow.flush_start();
                self.shared.stats().flushed += dropped.frames as u64;
                self.keep(dropped.sticky);
                let forwarded = self.src.push_event(event);
                let _ = self.src.pause_task();
                forwarded
            }
            gst::EventView::FlushStop(_) => {
                let forwarded = self.src.push_event(event);
                lock(&self.shared.scheduler).restart();
                self.shared.flow.flush_stop();
                self.start_task().is_ok() && forwarded
            }
            gst::EventView::Caps(caps) => self.accept_caps(caps.caps()) && self.enter(event),
            gst::EventView::Segment(segment) => {
                lock(&self.stream).segment = segment.segment().downcast_ref().cloned();
                self.enter(event)
            }
            gst::EventView::StreamStart(start) => {
                self.feed.begin(start.stream_id());
                lock(&self.shared.cascade).clear();
                self.enter(event)
            }
            gst::EventView::Eos(_) if !self.is_async() => {
                let entered = self.shared.flow.enter_event(event);
                if !entered {
                    self.report_refusal();
                }
                entered
            }
            _ if event.is_serialized() => self.enter(event),
            _ => gst::Pad::event_default(pad, Some(&*self.obj()), event),
        }
    }

    /// Sends a serialised event on in its turn.
    fn enter(&self, event: gst::Event) -> bool {
        if self.is_async() { self.src.push_event(event) } else { self.shared.flow.enter_event(event) }
    }

    fn accept_caps(&self, caps: &gst::CapsRef) -> bool {
        let Ok(info) = gst_video::VideoInfo::from_caps(caps) else {
            gst::element_imp_error!(self, gst::StreamError::Format, ("These are no raw video caps: {caps}"));
            return false;
        };
        if info.interlace_mode() != gst_video::VideoInterlaceMode::Progressive {
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                (
                    "Interlaced video ({:?}) is not read: a moving object would be torn in two. Put 'deinterlace' before this element",
                    info.interlace_mode()
                )
            );
            return false;
        }
        gst::debug!(CAT, imp = self, "caps {caps}");
        let Some(layout) = Layout::new(info) else { return false };
        lock(&self.stream).layout = Some(Arc::new(layout));
        true
    }

    pub(super) fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        if !query.type_().is_serialized() {
            return gst::Pad::query_default(pad, Some(&*self.obj()), query);
        }
        let mut ask = || {
            let answered = self.src.peer_query(query);
            match query.view_mut() {
                gst::QueryViewMut::Allocation(allocation) => self.offer_video_meta(allocation, answered),
                _ => answered,
            }
        };
        let in_turn = if self.is_async() { ask() } else { self.shared.flow.in_turn(ask) };
        gst::log!(CAT, obj = pad, "{query:?}: {in_turn}");
        in_turn
    }

    /// Any stride is read here, so GstVideoMeta is offered whatever is downstream. Where that does not read
    /// it, frames of another layout than the caps' are copied into it: see `pack`.
    fn offer_video_meta(&self, allocation: &mut gst::query::Allocation, answered: bool) -> bool {
        let offered = allocation.find_allocation_meta::<gst_video::VideoMeta>().is_some();
        self.packed_only.store(!(answered && offered), Ordering::Relaxed);
        if !offered {
            allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
        }
        true
    }

    pub(super) fn src_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        if event.type_() == gst::EventType::Reconfigure && !self.is_async() && self.shared.flow.relinked() {
            let _ = self.start_task();
        }
        gst::Pad::event_default(pad, Some(&*self.obj()), event)
    }

    pub(super) fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        // A frame that does not wait for its result has no latency of ours.
        if query.type_() != gst::QueryType::Latency || self.is_async() {
            return gst::Pad::query_default(pad, Some(&*self.obj()), query);
        }
        let answered = self.sink.peer_query(query);
        if let gst::QueryViewMut::Latency(latency) = query.view_mut()
            && answered
        {
            let (live, min, max) = latency.result();
            let ours = gst::ClockTime::from_nseconds(self.latency.load(Ordering::Relaxed));
            let held = ours * self.shared.flow.capacity().max(1) as u64;
            latency.set(live, min + ours, max.map(|max| max + held));
        }
        answered
    }

    pub(super) fn src_activate(&self, mode: gst::PadMode, active: bool) -> Result<(), gst::LoggableError> {
        if mode != gst::PadMode::Push {
            return Err(gst::loggable_error!(CAT, "Only push mode is possible"));
        }
        if self.is_async() {
            return Ok(());
        }
        if active {
            return self.start_task().map_err(|_| gst::loggable_error!(CAT, "Cannot start the source task"));
        }
        self.shared.flow.flush_start();
        self.src.stop_task().map_err(|_| gst::loggable_error!(CAT, "Cannot stop the source task"))
    }
}
