//! One stream's way on.

use crate::batch::Outcome;
use crate::elements::packing;
use crate::meta::BatchStream;

/// A source pad, and what went out on it.
pub(super) struct Branch {
    pub(super) pad: gst::Pad,
    /// The facts that downstream was told of, as far as events told them.
    id: String,
    caps: Option<gst::Caps>,
    segment: Option<gst::Segment>,
    /// The layout that the caps alone describe, of frames in system memory.
    layout: Option<gst_video::VideoInfo>,
    /// Whether downstream reads any other, once it was asked.
    reads_any_layout: Option<bool>,
    /// The number of the flush that has begun and not ended.
    flushing: Option<gst::Seqnum>,
    /// Sticky events that wait for its end, one of a kind.
    held: Vec<gst::Event>,
    pub(super) outcome: Outcome,
    /// Why frames are dropped, as was reported.
    trouble: Option<&'static str>,
    counts: Counts,
}

/// What is to be said of a branch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Report {
    /// Frames begin to be dropped for this reason.
    Dropping(&'static str),
    /// They are taken again.
    Resumed,
}

/// What became of frames.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) frames: u64,
    repacked: u64,
    unlinked: u64,
    flushing: u64,
    ended: u64,
    failed: u64,
}

impl Branch {
    pub(super) fn new(pad: gst::Pad) -> Self {
        Self {
            pad,
            id: String::new(),
            caps: None,
            segment: None,
            layout: None,
            reads_any_layout: None,
            flushing: None,
            held: Vec::new(),
            outcome: Outcome::Taken,
            trouble: None,
            counts: Counts::default(),
        }
    }

    /// Remembers what an event tells downstream.
    pub(super) fn see(&mut self, event: &gst::EventRef) {
        match event.view() {
            gst::EventView::StreamStart(start) => {
                start.stream_id().clone_into(&mut self.id);
                (self.caps, self.segment) = (None, None);
            }
            gst::EventView::Caps(caps) => self.change(caps.caps_owned()),
            gst::EventView::Segment(segment) => self.segment = Some(segment.segment().clone()),
            gst::EventView::FlushStop(_) => self.segment = None,
            _ => {}
        }
    }

    fn change(&mut self, caps: gst::Caps) {
        self.layout = gst_video::VideoInfo::from_caps(&caps).ok().filter(|_| is_in_system_memory(&caps));
        (self.caps, self.reads_any_layout) = (Some(caps), None);
    }

    /// The layout that the caps alone describe, when a frame is in another one and downstream does not read it, as far as
    /// is known. Frames outside of system memory pass as they are.
    pub(super) fn layout_instead(&self, frame: &gst::BufferRef) -> Option<gst_video::VideoInfo> {
        let info = self.layout.as_ref().filter(|_| self.reads_any_layout != Some(true))?;
        (!packing::is_packed(frame, info)).then(|| info.clone())
    }

    /// As far as it was asked since the caps.
    pub(super) fn reads_any_layout(&self) -> Option<bool> {
        self.reads_any_layout
    }

    /// Remembers what downstream said, or that it is to be asked.
    pub(super) fn set_reads_any_layout(&mut self, reads: Option<bool>) {
        self.reads_any_layout = reads;
    }

    /// Counts a frame that was copied into another layout.
    pub(super) fn count_repacked(&mut self) {
        self.counts.repacked += 1;
    }

    /// A flush has begun, before whatever is in the batches on their way.
    pub(super) fn begin_flush(&mut self, number: gst::Seqnum) {
        self.flushing = Some(number);
    }

    /// Ends a flush before its time; what downstream is to hear for that.
    pub(super) fn cut_flush(&mut self) -> Option<gst::Event> {
        let number = self.flushing.take()?;
        Some(gst::event::FlushStop::builder(false).seqnum(number).build())
    }

    pub(super) fn is_flushing(&self) -> bool {
        self.flushing.is_some()
    }

    /// What goes out for an event that came in a batch. While the branch is being flushed that is nothing, until the end of
    /// this very flush.
    pub(super) fn follow(&mut self, event: gst::Event) -> Vec<gst::Event> {
        let stop = event.type_() == gst::EventType::FlushStop;
        let events = match self.flushing {
            Some(number) if stop && number == event.seqnum() => {
                self.flushing = None;
                let mut events = vec![event];
                events.append(&mut self.held);
                events
            }
            Some(_) => {
                self.hold(event);
                Vec::new()
            }
            None if stop => {
                vec![gst::event::FlushStart::builder().seqnum(event.seqnum()).build(), event]
            }
            None => vec![event],
        };
        events.iter().for_each(|event| self.see(event));
        events
    }

    fn hold(&mut self, event: gst::Event) {
        let kind = event.type_();
        if kind.is_sticky() && kind != gst::EventType::Segment {
            self.held.retain(|held| held.type_() != kind);
            self.held.push(event);
        }
    }

    /// The events that downstream lacks to understand a frame of this stream, because a batch got lost on the way or the
    /// pad is new: none, as a rule.
    pub(super) fn lacking(&mut self, stream: &BatchStream) -> Vec<gst::Event> {
        let mut events = Vec::new();
        if self.is_flushing() {
            return events;
        }
        if self.id != stream.id() {
            events.push(gst::event::StreamStart::new(stream.id()));
            self.see(&events[0]);
        }
        if let Some(caps) = stream.caps().filter(|caps| self.caps.as_deref() != Some(*caps)) {
            self.change(caps.to_owned());
            events.extend(self.caps.as_ref().map(gst::event::Caps::new));
        }
        let segment = stream.segment();
        if segment.is_some() && self.segment != segment {
            events.extend(segment.as_ref().map(gst::event::Segment::new));
            self.segment = segment;
        }
        events
    }

    /// Counts what became of a frame, and says what is to be reported of it. A flush is nobody's trouble.
    pub(super) fn count(&mut self, outcome: Outcome) -> Option<Report> {
        self.outcome = outcome;
        let reason = match outcome {
            Outcome::Taken => {
                self.counts.frames += 1;
                return self.trouble.take().map(|_| Report::Resumed);
            }
            Outcome::Flushing => {
                self.counts.flushing += 1;
                return None;
            }
            Outcome::Unlinked => {
                self.counts.unlinked += 1;
                "not-linked"
            }
            Outcome::Ended => {
                self.counts.ended += 1;
                "eos"
            }
            Outcome::Failed => {
                self.counts.failed += 1;
                "error"
            }
        };
        (self.trouble.replace(reason) != Some(reason)).then_some(Report::Dropping(reason))
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.repacked += other.repacked;
        self.unlinked += other.unlinked;
        self.flushing += other.flushing;
        self.ended += other.ended;
        self.failed += other.failed;
    }

    pub(super) fn fields(&self, structure: gst::structure::Builder) -> gst::structure::Builder {
        structure
            .field("frames", self.frames)
            .field("repacked", self.repacked)
            .field("dropped-not-linked", self.unlinked)
            .field("dropped-flushing", self.flushing)
            .field("dropped-eos", self.ended)
            .field("dropped-error", self.failed)
    }
}

fn is_in_system_memory(caps: &gst::CapsRef) -> bool {
    caps.features(0).is_none_or(|features| features.contains(gst::CAPS_FEATURE_MEMORY_SYSTEM_MEMORY))
}

/// What a push's result means.
pub(super) fn outcome(result: Result<gst::FlowSuccess, gst::FlowError>) -> Outcome {
    match result {
        Ok(_) => Outcome::Taken,
        Err(gst::FlowError::NotLinked) => Outcome::Unlinked,
        Err(gst::FlowError::Flushing) => Outcome::Flushing,
        Err(gst::FlowError::Eos) => Outcome::Ended,
        Err(_) => Outcome::Failed,
    }
}
