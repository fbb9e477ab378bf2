//! One stream's way on.

use crate::batch::Outcome;
use crate::meta::BatchStream;

/// A source pad, and what went out on it.
pub(super) struct Branch {
    pub(super) pad: gst::Pad,
    /// The facts that downstream was told of, as far as events told them.
    id: String,
    caps: Option<gst::Caps>,
    segment: Option<gst::Segment>,
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
            gst::EventView::Caps(caps) => self.caps = Some(caps.caps_owned()),
            gst::EventView::Segment(segment) => self.segment = Some(segment.segment().clone()),
            gst::EventView::FlushStop(_) => self.segment = None,
            _ => {}
        }
    }

    /// The events that downstream lacks to understand a frame of this stream, because a batch got lost on the way or the
    /// pad is new: none, as a rule.
    pub(super) fn lacking(&mut self, stream: &BatchStream) -> Vec<gst::Event> {
        let mut events = Vec::new();
        if self.id != stream.id() {
            events.push(gst::event::StreamStart::new(stream.id()));
            self.see(&events[0]);
        }
        if let Some(caps) = stream.caps().filter(|caps| self.caps.as_deref() != Some(*caps)) {
            self.caps = Some(caps.to_owned());
            events.extend(self.caps.as_ref().map(gst::event::Caps::new));
        }
        let segment = stream.segment();
        if segment.is_some() && self.segment != segment {
            events.extend(segment.as_ref().map(|segment| gst::event::Segment::new(segment)));
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
        self.unlinked += other.unlinked;
        self.flushing += other.flushing;
        self.ended += other.ended;
        self.failed += other.failed;
    }

    pub(super) fn fields(&self, structure: gst::structure::Builder) -> gst::structure::Builder {
        structure
            .field("frames", self.frames)
            .field("dropped-not-linked", self.unlinked)
            .field("dropped-flushing", self.flushing)
            .field("dropped-eos", self.ended)
            .field("dropped-error", self.failed)
    }
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
