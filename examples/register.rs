//! Finds one picture in another: `register REFERENCE PICTURE...`
//!
//! Prints a line for each picture: its name, then the row-major homography that leads from its normalised points to the
//! reference's, or `unknown` where it shows something else. Reads what GStreamer can decode.

use std::error::Error;

use gst::prelude::*;
use gst_video::prelude::*;
use gstnvperception::image::{Colorimetry, Frame, PixelFormat, Plane};
use gstnvperception::view::{Keyframe, register};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [reference, pictures @ ..] = arguments.as_slice() else {
        return Err("usage: register REFERENCE PICTURE...".into());
    };
    gst::init()?;
    let reference = read(reference)?;
    for picture in pictures {
        match register(&reference, &read(picture)?, None) {
            Some(found) => println!("{picture} {}", found.to_reference.map(|v| v.to_string()).join(" ")),
            None => println!("{picture} unknown"),
        }
    }
    Ok(())
}

/// What a picture is known again by.
fn read(path: &str) -> Result<Keyframe, Box<dyn Error>> {
    let launch =
        "filesrc name=file ! decodebin ! videoconvert ! video/x-raw,format=GRAY8 ! fakesink name=end";
    let pipeline = gst::parse::launch(launch)?.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
    let named = |name| pipeline.by_name(name).ok_or("the element is in the launch line");
    named("file")?.set_property("location", path);
    pipeline.set_state(gst::State::Paused)?;
    let ends = [gst::MessageType::AsyncDone, gst::MessageType::Error];
    let end = pipeline.bus().ok_or("no bus")?.timed_pop_filtered(gst::ClockTime::NONE, &ends);
    let sample = named("end")?.property::<Option<gst::Sample>>("last-sample");
    pipeline.set_state(gst::State::Null)?;
    if let Some(gst::MessageView::Error(error)) = end.as_ref().map(|message| message.view()) {
        return Err(format!("{path}: {}", error.error().message()).into());
    }
    let sample = sample.ok_or("no picture")?;
    let (caps, buffer) = (sample.caps().ok_or("no caps")?, sample.buffer().ok_or("no picture")?);
    let info = gst_video::VideoInfo::from_caps(caps)?;
    let mapped = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info)?;
    let gray =
        Plane { data: mapped.plane_data(0)?, stride: usize::try_from(mapped.plane_stride()[0]).unwrap_or(0) };
    let planes = [gray, Plane::default(), Plane::default()];
    let (width, height) = (mapped.width() as usize, mapped.height() as usize);
    Ok(Keyframe::new(&Frame::new(PixelFormat::Gray8, width, height, Colorimetry::default(), planes)?, &[]))
}
