//! Elements: GStreamer glue around the pure layer.
