//! Elements: GStreamer glue around the pure layer.

pub mod overlay;
