//! Perception for GStreamer pipelines: detection, tracking and publishing as ordinary elements.
//!
//! Three layers share this package. The modules declared here are pure: values in, values out, no
//! GStreamer, clocks, files, threads, logging or unsafe code. [`meta`] holds the `GstMeta` types that
//! carry the values on buffers, and [`elements`] the elements; both need the feature `plugin`.
//!
//! Coordinates are in units of the frame unless a name says pixels: (0, 0) is the top left corner,
//! (1, 1) the bottom right, x grows to the right and y downwards.
#![cfg_attr(not(feature = "plugin"), forbid(unsafe_code))]

mod assignment;
pub mod batch;
pub mod cascade;
pub mod coordinator;
pub mod detection;
pub mod draw;
pub mod gate;
pub mod geometry;
pub mod homography;
pub mod image;
mod luma;
pub mod model;
pub mod motion;
pub mod preprocess;
pub mod provenance;
pub mod record;
pub mod replay;
pub mod rules;
pub mod scene;
pub mod schedule;
pub mod score;
pub mod silu;
pub mod stats;
pub mod track;
pub mod view;

#[cfg(feature = "plugin")]
#[path = "../elements/mod.rs"]
pub mod elements;
#[cfg(feature = "plugin")]
#[path = "../meta/mod.rs"]
pub mod meta;

#[cfg(feature = "plugin")]
pub use elements::plugin_register_static;
