//! What leaves the process: one JSON object a frame in schema `nvperception.frame/1`, and MOTChallenge text.
//!
//! The schema is `schema/nvperception.frame-1.schema.json` in the repository. [`write_line`] serialises whatever
//! implements [`RecordSource`], borrowing its lists, and allocates nothing of its own; [`FrameRecord`] is what
//! reading such a line back gives. A list is absent when its stage did not run on the frame, and empty when it ran
//! and found nothing. A number that is not finite is written as `null`.

mod events;
mod frame;
pub mod mot;
mod parts;
#[cfg(test)]
mod tests;
mod time;
mod tracks;

pub use events::{EventRecord, EvidenceRecord, ShapeRecord, SignalRecord};
pub use frame::{FrameRecord, Header, RecordSource, SCHEMA, SchemaName, write_line};
pub use parts::{
    DetectionRecord, MaskRecord, ParentRecord, ProvenanceRecord, StageOutcome, StageRecord, ViewRecord,
};
pub use time::{InvalidTimestamp, Timestamp};
pub use tracks::{Course, EndedRecord, MotionRecord, PastRecord, TrackRecord};
