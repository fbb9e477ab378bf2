//! Reads a file of presets and the pictures that it names.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::elements::layout::Layout;
use crate::view::{Keyframe, Places, PresetFile};

/// Larger files are refused.
const MOST_BYTES: u64 = 1 << 20;
/// How long reading the pictures may take, all together.
const PATIENCE: Duration = Duration::from_secs(20);

/// The views that are known when the element starts. Errors are whole sentences.
pub(super) fn places(file: Option<&Path>, learn: u32) -> Result<Places, String> {
    let mut places = Places::new(learn as usize);
    let Some(path) = file else { return Ok(places) };
    let refuse = |why: &dyn std::fmt::Display| format!("Presets {}: {why}", path.display());
    let length = fs::metadata(path).map_err(|e| refuse(&e))?.len();
    if length > MOST_BYTES {
        return Err(refuse(&format_args!("{length} bytes are more than {MOST_BYTES}")));
    }
    let until = Instant::now() + PATIENCE;
    let text = fs::read_to_string(path).map_err(|e| refuse(&e))?;
    for preset in PresetFile::from_json(&text).map_err(|e| refuse(&e))?.presets {
        let image = preset.image.as_deref().map(|image| {
            let at = path.parent().unwrap_or_else(|| Path::new("")).join(image);
            picture(&at, until).map_err(|why| {
                refuse(&format_args!("the image of \"{}\", {}: {why}", preset.name, at.display()))
            })
        });
        places.add(preset.name.clone(), preset.pose, image.transpose()?);
    }
    Ok(places)
}

/// A picture in any format that GStreamer reads.
fn picture(path: &Path, until: Instant) -> Result<Keyframe, String> {
    fs::metadata(path).map_err(|e| e.to_string())?;
    let sample = decode(path, until)?;
    let read = || {
        let layout = Layout::new(gst_video::VideoInfo::from_caps(sample.caps()?).ok()?)?;
        let mapped =
            gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer()?, &layout.info).ok()?;
        Some(Keyframe::new(&layout.frame(&mapped).ok()?, &[]))
    };
    read().ok_or_else(|| "its pixels cannot be read".to_owned())
}

fn decode(path: &Path, until: Instant) -> Result<gst::Sample, String> {
    let launch =
        "filesrc name=file ! decodebin ! videoconvert ! video/x-raw,format=GRAY8 ! fakesink name=end";
    let pipeline = gst::parse::launch(launch).map_err(|e| e.to_string())?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "no pipeline can be made")?;
    let named = |name: &str| pipeline.by_name(name).ok_or("no pipeline can be made");
    named("file")?.set_property("location", path.to_string_lossy().as_ref());
    let bus = pipeline.bus().ok_or("no pipeline can be made")?;
    // When this fails, the reason is on the bus.
    let _ = pipeline.set_state(gst::State::Paused);
    let left = until.saturating_duration_since(Instant::now());
    let left = gst::ClockTime::from_nseconds(left.as_nanos() as u64);
    let ends = [gst::MessageType::AsyncDone, gst::MessageType::Error];
    let end = bus.timed_pop_filtered(left, &ends);
    let sample = named("end")?.property::<Option<gst::Sample>>("last-sample");
    let _ = pipeline.set_state(gst::State::Null);
    match end.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(error.error().message().to_owned()),
        Some(_) => sample.ok_or_else(|| "it has no picture".to_owned()),
        None => Err(format!("the images cannot be read within {} seconds", PATIENCE.as_secs())),
    }
}
