//! Compile-time facts for gst-inspect-1.0: the commit and the date of the build.

fn main() {
    gst_plugin_version_helper::info();
}
