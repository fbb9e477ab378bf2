//! Which frames of many streams leave together, and when: the policy of batching, without pads or threads.
//!
//! A [`Former`] keeps a bounded queue for each stream and decides by times that it is given. A batch holds at most one
//! frame of a stream. It leaves
//! - when it is full ([`Policy::batch_size`]), or
//! - when every stream that is waited for has a frame, or
//! - [`Policy::max_latency`] after its first frame has arrived, with what is there.
//!
//! A frame that waits in a queue with backpressure has not arrived, for this purpose, before the batch in front of it
//! has left: nobody is late as long as nobody is asked.
//!
//! **Who is waited for.** Every stream that has not ended, but for those that are left out: a stream with backpressure
//! once a batch had to leave without it, a live one after [`Policy::silence`] without a frame. Their next frame brings
//! them back. So no stream, however slow or dead, costs the others more than `max_latency` a batch, and files nothing
//! at all.
//!
//! **Who comes first.** Streams with frames stand in a line. The first `batch_size` of it are served; a stream that was
//! served and has more frames goes to the end of the line, one that had nothing joins it with its next frame. This is
//! round robin: of streams that always have frames none is ever served more than once more than another, and a stream
//! that asks for less than its share gets all it asks for (max-min fairness).
//!
//! **What is dropped.** A live stream whose queue is full loses its oldest frame; any other one has to wait. Events are
//! never dropped and never overtake, or are overtaken by, a frame of their stream. When nobody wants frames any more
//! they are dropped ([`Former::drop_frames`]), and events go on, so that who listens hears the streams end.

mod former;
mod line;
mod outcome;
#[cfg(test)]
mod tests;

pub use former::{Form, Former, Left, Mark, Next, Pushed, Refused};
pub use line::{Counts, StreamKey};
pub use outcome::{Outcome, combined};

/// By what rules batches are formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The most frames in a batch; 0 for as many as there are streams.
    pub batch_size: usize,
    /// Nanoseconds from the first waiting frame until the batch leaves with what is there.
    pub max_latency: u64,
    /// How far the times of a batch's frames may be apart, in nanoseconds; `None` when times do not matter.
    pub tolerance: Option<u64>,
    /// The most frames of a stream that wait, at least 1.
    pub capacity: usize,
    /// Nanoseconds without a frame after which a stream counts as silent; 0 for never.
    pub silence: u64,
}

impl Policy {
    /// What has to be raised, and how far, for frames of one time to leave together where those of some streams come up to
    /// `spread` nanoseconds after those of others, whose frames come every `interval` nanoseconds (0 when that is not
    /// known). `None` when nothing has to, or times do not matter.
    pub fn bridge(&self, spread: u64, interval: u64) -> Option<Self> {
        let tolerance = self.tolerance?;
        // The frame that was waited for takes no place.
        let frames = spread.checked_div(interval).map_or(0, |frames| frames as usize + 1);
        let max_latency = self.max_latency.max(spread);
        let needed = Self { max_latency, capacity: self.capacity.max(frames), ..*self };
        (spread > tolerance && needed != *self).then_some(needed)
    }
}

impl Default for Policy {
    /// As many frames as there are streams, at most 40 ms late, whatever their times; two frames of a stream wait, and
    /// it is silent after two seconds.
    fn default() -> Self {
        Self { batch_size: 0, max_latency: 40_000_000, tolerance: None, capacity: 2, silence: 2_000_000_000 }
    }
}
