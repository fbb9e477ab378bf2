//! A pipeline inside a program: reads the tracks off the buffers and prints them.
//!
//! `cargo run --release --example embed -- clip.mp4 model.onnx`

use std::error::Error;
use std::io::Write;

use gst::prelude::*;
use gstnvperception::meta::TrackMeta;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, video, model] = arguments.as_slice() else {
        return Err("usage: embed VIDEO MODEL".into());
    };
    gst::init()?;
    // The elements come from the linked crate. A program that only reads the metas may as well load the
    // plugin from GST_PLUGIN_PATH: both share the same types.
    gstnvperception::plugin_register_static()?;

    let launch = "filesrc name=file ! decodebin ! nvpinference name=infer ! nvptracker ! fakesink name=sink";
    let pipeline = gst::parse::launch(launch)?.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
    let named = |name| pipeline.by_name(name).ok_or("the element is in the launch line");
    named("file")?.set_property("location", video);
    named("infer")?.set_property("model", model);

    let pad = named("sink")?.static_pad("sink").ok_or("a sink has a sink pad")?;
    pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
        match info.buffer().map(|buffer| print_tracks(buffer)) {
            // Whoever read the output has had enough.
            Some(Err(_)) => gst::PadProbeReturn::Remove,
            _ => gst::PadProbeReturn::Ok,
        }
    });

    pipeline.set_state(gst::State::Playing)?;
    let ended = wait(&pipeline);
    pipeline.set_state(gst::State::Null)?;
    ended
}

fn print_tracks(buffer: &gst::BufferRef) -> std::io::Result<()> {
    let Some(tracks) = TrackMeta::get(buffer) else { return Ok(()) };
    let pts = buffer.pts().unwrap_or_default();
    let mut out = std::io::stdout().lock();
    for track in tracks.items() {
        let name = tracks.label(track.label).unwrap_or("object");
        let (x, y) = track.bbox.center();
        let state = track.state.as_str();
        writeln!(out, "{pts} {name} {} {state} at ({x:.2}, {y:.2})", track.id)?;
    }
    Ok(())
}

fn wait(pipeline: &gst::Pipeline) -> Result<(), Box<dyn Error>> {
    let bus = pipeline.bus().ok_or("a pipeline has a bus")?;
    for message in bus.iter_timed(gst::ClockTime::NONE) {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => return Err(error.error().message().into()),
            _ => {}
        }
    }
    Ok(())
}
