//! The GstMeta types.

mod detection;
mod labels;
mod mapping;
mod provenance;
mod shared;
mod track;
mod transform;

pub use crate::provenance::Origin;
pub use detection::{DetectionMeta, DetectionsRef};
pub use provenance::{OutcomeRef, ProvenanceMeta, ProvenanceRef, StageRef};
pub use track::{TrackMeta, TracksRef};

/// Registers the metas' types now rather than on first use, so that their names can be looked up. True when
/// all of them can be carried.
pub fn init() -> bool {
    let kinds = [
        shared::register::<DetectionMeta>(),
        shared::register::<TrackMeta>(),
        shared::register::<ProvenanceMeta>(),
    ];
    kinds.iter().all(|registered| *registered)
}
