//! The source side of `nvpinference`: the task that takes frames and events from the line and pushes them.

use std::sync::atomic::Ordering;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::flow::Output;
use super::imp::{CAT, NvpInference};
use super::task::{Task, lock};
use crate::elements::packing;

impl NvpInference {
    pub(super) fn start_task(&self) -> Result<(), glib::BoolError> {
        let element = self.obj().downgrade();
        self.src.start_task(move || {
            if let Some(element) = element.upgrade() {
                element.imp().turn();
            }
        })
    }

    /// One turn of the source task; it pauses when the line is halted or downstream takes nothing more.
    fn turn(&self) {
        let pushed = match self.member.flow.leave() {
            None => {
                let _ = self.src.pause_task();
                return;
            }
            Some(Output::Event(event)) => {
                self.src.push_event(event);
                return;
            }
            Some(Output::Frame { buffer, arrived, entered, tasks }) => {
                self.follow_latency(entered, &tasks);
                self.deliver(buffer, arrived, tasks)
            }
        };
        let Err(why) = pushed else { return };
        gst::debug!(CAT, imp = self, "downstream: {why}");
        let dropped = self.member.flow.refuse(why);
        self.member.stats().refused += dropped.frames;
        if dropped.sticky.iter().any(|event| event.type_() == gst::EventType::Eos) {
            self.report_refusal();
        }
        self.keep(dropped.sticky);
        if why != gst::FlowError::Eos {
            let _ = self.src.pause_task();
        }
    }

    /// The end of the stream finds a line that nothing leaves. No frame comes after it that could tell
    /// upstream, so it is told here.
    pub(super) fn report_refusal(&self) {
        if let Some(why @ (gst::FlowError::NotLinked | gst::FlowError::NotNegotiated)) =
            self.member.flow.refusal()
        {
            gst::element_imp_error!(
                self,
                gst::StreamError::Failed,
                ("Internal data stream error: downstream answered {why}"),
                ["streaming stopped, reason {why}"]
            );
        }
    }

    /// Stores the events that describe the stream for whoever comes after.
    pub(super) fn keep(&self, sticky: Vec<gst::Event>) {
        for sticky in sticky {
            if !matches!(sticky.type_(), gst::EventType::Segment | gst::EventType::Eos) {
                let _ = self.src.store_sticky_event(&sticky);
            }
        }
    }

    fn deliver(
        &self,
        mut buffer: gst::Buffer,
        arrived: u64,
        tasks: Vec<Task>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if let Err(why) = self.complete_all(&mut buffer, arrived, tasks) {
            // What was finished before may be in a muxer that needs an end to be readable.
            self.src.push_event(gst::event::Eos::new());
            return Err(why);
        }
        self.src.push(self.pack(buffer)?)
    }

    /// The frame in the layout that its caps alone describe, when downstream said that it reads no other.
    /// This copies, which upstream would have had to do otherwise; it is counted as `repacked`.
    pub(super) fn pack(&self, buffer: gst::Buffer) -> Result<gst::Buffer, gst::FlowError> {
        if !self.packed_only.load(Ordering::Relaxed) || lock(&self.stream).streams.is_some() {
            return Ok(buffer);
        }
        let Some(info) = self.src.current_caps().and_then(|c| gst_video::VideoInfo::from_caps(&c).ok())
        else {
            return Ok(buffer);
        };
        if packing::is_packed(&buffer, &info) {
            return Ok(buffer);
        }
        self.member.stats().repacked += 1;
        packing::packed(&buffer, &info).ok_or_else(|| {
            gst::element_imp_error!(self, gst::StreamError::Format, ("A frame's planes cannot be copied"));
            gst::FlowError::Error
        })
    }
}
