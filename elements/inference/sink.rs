//! The sink side of `nvpinference`, and the events and queries of both pads.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::imp::{CAT, NvpInference};
use super::streams::{Admitted, Streams, layout_of};
use super::task::{Channel, Look, Task, Verdict, Work, lock};
use super::when::When;
use crate::elements::layout::Layout;
use crate::elements::provenance::now;
use crate::elements::signals::SharedStore;
use crate::gate::Pass;
use crate::meta::{BATCH_CAPS, BatchMeta};
use crate::schedule::Skip;

impl NvpInference {
    pub(super) fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let arrived = now();
        let admitted = self.admit(&buffer, arrived)?;
        self.member.stats().frames_in += admitted.tasks.len() as u64;
        if self.is_async() {
            return self.forward(buffer, arrived, admitted);
        }
        let result = self.line_up(buffer, arrived, admitted.tasks);
        self.end_streams(&admitted.ended);
        result
    }

    /// Puts a buffer into the line.
    fn line_up(
        &self,
        buffer: gst::Buffer,
        arrived: u64,
        tasks: Vec<Task>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let (frames, waits) = (tasks.len() as u64, !tasks.iter().all(Task::is_settled));
        let patience = self.member.config().response_timeout;
        let entered = self.member.flow.enter(buffer, tasks, (arrived, patience));
        entered.inspect_err(|why| self.member.stats().turn_away(*why, frames))?;
        if waits {
            self.submit(&self.own);
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// Gives a stream's next buffer a place in the queue of the model. False when there is none.
    fn submit(&self, channel: &Channel) -> bool {
        let pool = lock(&self.pool).clone();
        pool.is_some_and(|pool| pool.submit(channel.seat()))
    }

    /// Decides which frames of a buffer are inferred.
    fn admit(&self, buffer: &gst::Buffer, arrived: u64) -> Result<Admitted, gst::FlowError> {
        let (layout, time) = {
            let stream = lock(&self.stream);
            if stream.streams.is_some() {
                drop(stream);
                return self.admit_batch(buffer, arrived);
            }
            let layout = stream.layout.clone().ok_or(gst::FlowError::NotNegotiated)?;
            let segment = stream.segment.as_ref();
            (layout, segment.and_then(|segment| segment.to_running_time(buffer.pts())))
        };
        let task = self.admit_frame(&self.own, buffer, layout, time, arrived);
        Ok(Admitted { tasks: vec![task], ended: Vec::new() })
    }

    /// Decides whether a frame is inferred.
    pub(super) fn admit_frame(
        &self,
        channel: &Arc<Channel>,
        buffer: &gst::Buffer,
        layout: Arc<Layout>,
        time: Option<gst::ClockTime>,
        arrived: u64,
    ) -> Task {
        let work = match self.look(channel, buffer, layout, time, arrived) {
            Ok(look) => Work::Waiting(buffer.clone(), look),
            Err(why) => Work::Settled(Verdict::Skipped(why)),
        };
        Task { channel: channel.clone(), work }
    }

    fn look(
        &self,
        channel: &Channel,
        buffer: &gst::BufferRef,
        layout: Arc<Layout>,
        time: Option<gst::ClockTime>,
        arrived: u64,
    ) -> Result<Look, Skip> {
        if buffer.flags().contains(gst::BufferFlags::GAP) {
            return Err(Skip::Gap);
        }
        let config = self.member.config();
        let expires = self.room(config.max_age, time)?.map(|room| arrived + room);
        // A frame without a time counts by when it came.
        let time = time.map_or(arrived, gst::ClockTime::nseconds);
        let pass = config.when.as_deref().map(|when| self.ask(channel, when, buffer, time)).transpose()?;
        lock(&channel.scheduler).admit(&config.schedule, time, arrived)?;
        lock(&channel.gate).passed(time);
        if pass == Some(Pass::Idle) {
            self.member.stats().idle += 1;
        }
        let budget = config.schedule.budget(layout.frame_time());
        Ok(Look { layout, config, time, expires, budget })
    }

    /// Whether a frame is inferred by the condition.
    fn ask(&self, channel: &Channel, when: &When, buffer: &gst::BufferRef, time: u64) -> Result<Pass, Skip> {
        let store = self.store();
        let holds = when.holds(buffer, &store, time);
        if let Some(complaint) = when.complaint(buffer, &store) {
            gst::element_imp_warning!(self, gst::LibraryError::Settings, ("{complaint}"));
        }
        lock(&channel.gate).ask(holds, time, &when.times).ok_or(Skip::Condition)
    }

    /// The signals of the pipeline.
    fn store(&self) -> SharedStore {
        let known = lock(&self.store).clone();
        known.unwrap_or_else(|| {
            let store = SharedStore::of(self.obj().upcast_ref());
            lock(&self.store).get_or_insert(store).clone()
        })
    }

    /// Nanoseconds that are left until a frame is older than `most` on the running clock; `None` when it has no age.
    fn room(&self, most: u64, time: Option<gst::ClockTime>) -> Result<Option<u64>, Skip> {
        let (true, Some(time)) = (most > 0, time) else { return Ok(None) };
        let Some(running) = self.obj().current_running_time() else { return Ok(None) };
        let age = running.nseconds().saturating_sub(time.nseconds());
        most.checked_sub(age).map(Some).ok_or(Skip::Age)
    }

    /// Sends a buffer on at once, its frames with the last result of their stream if there is a new one.
    fn forward(
        &self,
        mut buffer: gst::Buffer,
        arrived: u64,
        Admitted { tasks, ended }: Admitted,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if let Some(mut batch) = self.batch_of(&mut buffer) {
            for ((_, frame), task) in batch.frames_mut().zip(tasks) {
                self.exchange(frame, arrived, task)?;
            }
            BatchMeta::set(buffer.make_mut(), batch);
        } else {
            for task in tasks {
                self.exchange(&mut buffer, arrived, task)?;
            }
        }
        self.end_streams(&ended);
        self.src.push(self.pack(buffer)?)
    }

    /// Gives a frame to the model beside the stream, and writes the last result that it has onto it.
    fn exchange(&self, buffer: &mut gst::Buffer, arrived: u64, task: Task) -> Result<(), gst::FlowError> {
        let Task { channel, work } = task;
        let (overtaken, finished) = channel.mailbox.collect();
        let skipped = match work {
            Work::Waiting(frame, look) => self.post(&channel, frame, look, arrived),
            Work::Settled(Verdict::Skipped(why)) => Some(why),
            Work::Running | Work::Settled(_) => None,
        };
        if let Some(overtaken) = overtaken {
            self.count_overtaken(&channel, overtaken.verdict)?;
        }
        match (finished, skipped) {
            (Some(finished), skipped) => {
                if let Some(why) = skipped {
                    self.member.stats().skip(why);
                }
                self.complete_late(&channel, buffer.make_mut(), arrived, finished)
            }
            (None, Some(why)) => {
                self.pass(&channel, buffer.make_mut(), arrived, why);
                Ok(())
            }
            (None, None) => {
                self.sign_forwarded(&channel, buffer.make_mut(), arrived);
                Ok(())
            }
        }
    }

    /// Puts the newest frame of a stream into its mailbox; says why when it will not be inferred.
    fn post(&self, channel: &Channel, frame: gst::Buffer, look: Look, arrived: u64) -> Option<Skip> {
        if channel.mailbox.put(frame, look, arrived) {
            // It takes the place of the one before, in the queue too.
            self.member.stats().skip(Skip::Busy);
            return None;
        }
        if self.submit(channel) {
            return None;
        }
        channel.mailbox.retract();
        Some(Skip::Queue)
    }

    pub(super) fn is_async(&self) -> bool {
        self.asynchronous.load(Ordering::Relaxed)
    }

    pub(super) fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        gst::log!(CAT, obj = pad, "{event:?}");
        match event.view() {
            gst::EventView::FlushStart(_) if self.is_async() => {
                let dropped = self.flush_mailboxes();
                self.member.stats().flushed += dropped;
                self.src.push_event(event)
            }
            gst::EventView::FlushStop(_) if self.is_async() => {
                self.restart();
                self.src.push_event(event)
            }
            gst::EventView::FlushStart(_) => {
                let dropped = self.member.flow.flush_start();
                self.withdraw(&self.own);
                self.member.stats().flushed += dropped.frames;
                self.keep(dropped.sticky);
                let forwarded = self.src.push_event(event);
                let _ = self.src.pause_task();
                forwarded
            }
            gst::EventView::FlushStop(_) => {
                let forwarded = self.src.push_event(event);
                self.restart();
                self.member.flow.flush_stop();
                self.start_task().is_ok() && forwarded
            }
            gst::EventView::Caps(caps) => self.accept_caps(caps.caps()) && self.enter(event),
            gst::EventView::Segment(segment) => {
                lock(&self.stream).segment = segment.segment().downcast_ref().cloned();
                self.enter(event)
            }
            gst::EventView::StreamStart(start) => {
                self.own.feed.begin(start.stream_id());
                lock(&self.own.cascade).clear();
                self.enter(event)
            }
            gst::EventView::Eos(_) if !self.is_async() => {
                let entered = self.member.flow.enter_event(event);
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
        if self.is_async() { self.src.push_event(event) } else { self.member.flow.enter_event(event) }
    }

    /// Forgets what is in the queue of the model for a stream.
    fn withdraw(&self, channel: &Channel) {
        let pool = lock(&self.pool).clone();
        if let Some(pool) = pool {
            pool.withdraw(channel.seat());
        }
    }

    /// Forgets all frames and results beside the stream; returns how many that were.
    fn flush_mailboxes(&self) -> u64 {
        self.channels().iter().map(|channel| self.flush_mailbox(channel)).sum()
    }

    /// Forgets the frames and results beside one stream, and its place in the queue; returns how many that were.
    pub(super) fn flush_mailbox(&self, channel: &Channel) -> u64 {
        self.withdraw(channel);
        channel.mailbox.flush()
    }

    /// Begins to count frames anew.
    fn restart(&self) {
        for channel in self.channels() {
            channel.restart();
        }
    }

    fn accept_caps(&self, caps: &gst::CapsRef) -> bool {
        gst::debug!(CAT, imp = self, "caps {caps}");
        if are_batches(caps) {
            lock(&self.stream).streams.get_or_insert_with(Streams::default);
            return self.batches_go_on(caps);
        }
        let layout = match layout_of(caps) {
            Ok(layout) => layout,
            Err(why) => {
                gst::element_imp_error!(self, gst::StreamError::Format, ("{why}"));
                return false;
            }
        };
        let former = {
            let mut stream = lock(&self.stream);
            stream.layout = Some(Arc::new(layout));
            stream.streams.take()
        };
        if let Some(former) = former {
            former.close(|seat| self.retire(seat));
        }
        true
    }

    /// Whether what comes after this element takes batches: if not, only this element can say so in words.
    fn batches_go_on(&self, caps: &gst::CapsRef) -> bool {
        let accepted = self.src.peer_query_accept_caps(&caps.to_owned());
        if !accepted {
            gst::element_imp_error!(
                self,
                gst::StreamError::WrongType,
                (
                    "Batches of several streams come in, and what follows {} does not take them. Put 'nvpbatchdemux' \
                     after it",
                    self.obj().name()
                )
            );
        }
        accepted
    }

    pub(super) fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        if let gst::QueryViewMut::AcceptCaps(asked) = query.view_mut()
            && are_batches(asked.caps())
        {
            asked.set_result(true);
            return true;
        }
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
        let in_turn = if self.is_async() { ask() } else { self.member.flow.in_turn(ask) };
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
        if event.type_() == gst::EventType::Reconfigure && !self.is_async() && self.member.flow.relinked() {
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
            let held = ours * self.member.flow.capacity().max(1) as u64;
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
        self.member.flow.flush_start();
        self.src.stop_task().map_err(|_| gst::loggable_error!(CAT, "Cannot stop the source task"))
    }
}

fn are_batches(caps: &gst::CapsRef) -> bool {
    caps.structure(0).is_some_and(|structure| structure.name() == BATCH_CAPS)
}
