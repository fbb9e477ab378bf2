//! The demo's pipeline.

use gst::prelude::*;

use super::Job;

/// Encoders of annotated.mp4, the best first, and how to call them.
const ENCODERS: [(&str, &str); 3] = [
    ("x264enc", "x264enc speed-preset=veryfast ! h264parse"),
    ("openh264enc", "openh264enc ! h264parse"),
    ("avenc_mpeg4", "avenc_mpeg4 bitrate=4000000 ! mpeg4videoparse"),
];

/// Builds `decode or make up, infer, track, publish, draw, encode`. The conversion passes all but exotic formats
/// through.
pub(super) fn build(job: &Job) -> Result<gst::Pipeline, String> {
    let available = |(name, launch)| gst::ElementFactory::find(name).map(|_| launch);
    let encode = ENCODERS.into_iter().find_map(available);
    let encode = encode.ok_or("no video encoder is installed: 'make deps' installs them")?;
    let show = if job.show { "drawn. ! queue ! videoconvert ! autovideosink" } else { "" };
    let source = match &job.video {
        Some(_) => "filesrc name=file ! decodebin name=decoder ".to_owned(),
        None => format!(
            "nvptestsrc name=scene seed=11 objects=30 num-buffers={} ! video/x-raw,framerate=30/1 ! queue max-size-buffers=2 ! convert. ",
            30 * job.seconds
        ),
    };
    let launch = format!(
        "{source} videoconvert name=convert ! nvpinference name=infer ! nvptracker name=track \
         ! nvppublish name=publish ! nvpoverlay name=draw ! tee name=drawn \
         drawn. ! queue ! videoconvert ! {encode} ! mp4mux ! filesink name=annotated {show}"
    );
    let pipeline =
        gst::parse::launch(&launch).map_err(|e| format!("{e} ('make deps' installs what is needed)"))?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "this is no pipeline")?;
    let infer = element(&pipeline, "infer");
    infer.set_property("model", &job.model);
    if job.video.is_none() {
        // The scene and the encoder want a core of their own.
        infer.set_property("threads", 1_u32);
    }
    set(&pipeline, "publish", "location", &job.frames);
    set(&pipeline, "annotated", "location", &job.annotated);
    if let Some(video) = &job.video {
        set(&pipeline, "file", "location", video);
        connect_video(&pipeline, &video.display().to_string());
    }
    Ok(pipeline)
}

/// Writes a frame as JPEG.
pub(super) fn save(frame: &gst::Sample, to: &std::path::Path) -> Result<(), String> {
    let failed = |why: &dyn std::fmt::Display| format!("cannot write {}: {why}", to.display());
    let caps = gst::Caps::new_empty_simple("image/jpeg");
    let wait = Some(gst::ClockTime::from_seconds(20));
    let jpeg = gst_video::convert_sample(frame, &caps, wait).map_err(|e| failed(&e))?;
    let map =
        jpeg.buffer().and_then(|buffer| buffer.map_readable().ok()).ok_or_else(|| failed(&"it is empty"))?;
    std::fs::write(to, &map).map_err(|e| failed(&e))
}

fn element(pipeline: &gst::Pipeline, name: &str) -> gst::Element {
    pipeline.by_name(name).expect("the launch line names it")
}

fn set(pipeline: &gst::Pipeline, name: &str, property: &str, path: &std::path::Path) {
    element(pipeline, name).set_property(property, path.to_string_lossy().as_ref());
}

/// Links the first video stream; others are left alone. A file without any is an error.
fn connect_video(pipeline: &gst::Pipeline, file: &str) {
    let sink = element(pipeline, "convert").static_pad("sink").expect("it has a sink pad");
    let decoder = element(pipeline, "decoder");
    let target = sink.clone();
    decoder.connect_pad_added(move |_, pad| {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let is_video = caps.structure(0).is_some_and(|s| s.name() == "video/x-raw");
        if is_video && !target.is_linked() {
            // Formats that do not fit are told by the pads themselves.
            let _ = pad.link(&target);
        }
    });
    let file = file.to_owned();
    decoder.connect_no_more_pads(move |decoder| {
        if !sink.is_linked() {
            gst::element_error!(decoder, gst::StreamError::WrongType, ("{file} has no video in it"));
        }
    });
}

/// An error message for people: what failed, where.
pub(super) fn explain(error: &gst::message::Error) -> String {
    let source = error.src().map_or_else(String::new, |s| format!("{}: ", s.name()));
    format!("{source}{}", error.error().message())
}
