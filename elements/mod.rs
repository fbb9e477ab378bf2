//! Elements: GStreamer glue around the pure layer.

use gst::glib;

pub mod publish;

pub use plugin::plugin_register_static;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    publish::register(plugin)
}

#[allow(missing_docs, reason = "the macro documents nothing")]
mod plugin {
    use super::plugin_init;

    gst::plugin_define!(
        nvperception,
        env!("CARGO_PKG_DESCRIPTION"),
        plugin_init,
        env!("CARGO_PKG_VERSION"),
        "MIT/X11",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_REPOSITORY"),
        env!("BUILD_REL_DATE")
    );
}
