//! The GstMeta types.
