//! The elements: GStreamer glue around the pure layer. One folder an element.

use gst::glib;

mod batch;
mod clock;
mod filter;
mod layout;
mod names;
mod packing;
mod provenance;
mod signals;
mod video;

pub mod batchdemux;
pub mod batchmux;
pub mod events;
#[cfg(feature = "onnx")]
pub mod inference;
pub mod motion;
pub mod overlay;
pub mod publish;
pub mod replay;
pub mod testsrc;
pub mod tracker;
pub mod viewstate;

pub use plugin::plugin_register_static;

/// Who made the elements, as gst-inspect-1.0 shows it.
const AUTHOR: &str = "gst-nvperception developers";

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    if !crate::meta::init() {
        return Err(glib::bool_error!(
            "another library in this process registered nvperception metas of another layout"
        ));
    }
    #[cfg(feature = "onnx")]
    inference::register(plugin)?;
    batchmux::register(plugin)?;
    batchdemux::register(plugin)?;
    tracker::register(plugin)?;
    viewstate::register(plugin)?;
    motion::register(plugin)?;
    events::register(plugin)?;
    overlay::register(plugin)?;
    replay::register(plugin)?;
    testsrc::register(plugin)?;
    publish::register(plugin)
}

#[allow(missing_docs, reason = "the macro documents nothing")]
mod plugin {
    use super::plugin_init;

    gst::plugin_define!(
        nvperception,
        env!("CARGO_PKG_DESCRIPTION"),
        plugin_init,
        concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
        "MIT/X11",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_REPOSITORY"),
        env!("BUILD_REL_DATE")
    );
}
