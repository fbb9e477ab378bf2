//! Cameras that come, go and fail while the others play on.
//!
//! `cargo run --release --example streams [SECONDS]` adds a camera a second to a running pipeline, takes the oldest out
//! when there are four, and lets every third one fail. Nothing of this stops the pipeline, and each frame keeps the name
//! of its camera.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use gst::prelude::*;

const MOST: usize = 4;

/// The program's side of the pipeline.
struct Cameras {
    pipeline: gst::Pipeline,
    mux: gst::Element,
    /// Each source with its pad of the muxer, by its name.
    sources: BTreeMap<String, (gst::Bin, gst::Pad)>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(12), |text| text.parse())?;
    gst::init()?;
    gstnvperception::plugin_register_static()?;
    println!("{}", play(seconds)?);
    Ok(())
}

/// Plays for so many seconds. What the demuxer counted in all.
pub(crate) fn play(seconds: u64) -> Result<gst::Structure, Box<dyn Error>> {
    // There may be no camera at all for a while: keep-alive waits for the next one.
    let launch = "nvpbatchmux name=mux keep-alive=true ! nvpbatchdemux name=demux";
    let pipeline = gst::parse::launch(launch)?.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
    let named = |name| pipeline.by_name(name).ok_or("the element is in the launch line");
    let (mux, demux) = (named("mux")?, named("demux")?);
    let bin = pipeline.downgrade();
    demux.connect_pad_added(move |_, pad| {
        if let Some(pipeline) = bin.upgrade()
            && let Err(error) = add_branch(&pipeline, pad)
        {
            eprintln!("{}: {error}", pad.name());
        }
    });
    pipeline.set_state(gst::State::Playing)?;
    let mut cameras = Cameras { pipeline: pipeline.clone(), mux, sources: BTreeMap::new() };
    let result = cameras.run(Duration::from_secs(seconds));
    let stats = demux.property("stats");
    pipeline.set_state(gst::State::Null)?;
    result.map(|()| stats)
}

impl Cameras {
    fn run(&mut self, length: Duration) -> Result<(), Box<dyn Error>> {
        let bus = self.pipeline.bus().ok_or("a pipeline has a bus")?;
        let start = Instant::now();
        for number in 0u32.. {
            let next = Duration::from_secs(number.into());
            if next >= length {
                break;
            }
            self.add(number)?;
            if self.sources.len() > MOST
                && let Some(oldest) = self.sources.keys().next().cloned()
            {
                self.remove(&oldest)?;
            }
            while let Some(left) = (next + Duration::from_secs(1)).checked_sub(start.elapsed()) {
                let wait = gst::ClockTime::try_from(left)?;
                if let Some(message) = bus.timed_pop(wait) {
                    self.hear(&message)?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, number: u32) -> Result<(), Box<dyn Error>> {
        let name = format!("camera-{number:03}");
        let after = if number % 3 == 2 { "error-after=20" } else { "" };
        let source = format!("nvptestsrc is-live=true seed={number} ! video/x-raw,width=320,height=180");
        let launch = format!("{source} ! identity {after}");
        let source = gst::parse::bin_from_description_with_name(&launch, true, &name)?;
        self.pipeline.add(&source)?;
        let pad = self.mux.request_pad_simple("sink_%u").ok_or("the muxer gives pads")?;
        pad.set_property("stream-name", &name);
        source.static_pad("src").ok_or("a bin with a ghost pad")?.link(&pad)?;
        source.sync_state_with_parent()?;
        self.sources.insert(name, (source, pad));
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), Box<dyn Error>> {
        let Some((source, pad)) = self.sources.remove(name) else { return Ok(()) };
        // Whatever waits in the pad's queue, the source's thread is free to go after this.
        pad.send_event(gst::event::FlushStart::new());
        source.set_state(gst::State::Null)?;
        self.mux.release_request_pad(&pad);
        self.pipeline.remove(&source)?;
        Ok(())
    }

    fn hear(&mut self, message: &gst::Message) -> Result<(), Box<dyn Error>> {
        match message.view() {
            gst::MessageView::Error(error) => {
                let culprit = |(bin, _): &(gst::Bin, gst::Pad)| {
                    message.src().is_some_and(|src| src == bin || src.has_as_ancestor(bin))
                };
                let name =
                    self.sources.iter().find(|(_, source)| culprit(source)).map(|(name, _)| name.clone());
                if let Some(name) = name {
                    println!("{name} has failed ({}) and is taken out", error.error());
                    self.remove(&name)?;
                } else if message.src().is_some_and(|src| src.has_as_ancestor(&self.pipeline)) {
                    // Not a word of a camera that was taken out: this concerns all of them.
                    return Err(error.error().into());
                }
            }
            gst::MessageView::Element(element) => {
                if let Some(said) = element.structure().filter(|s| s.name().starts_with("nvp-stream-")) {
                    println!("{said}");
                }
            }
            gst::MessageView::Application(_) => {
                if let Some(branch) = message.src().and_then(|src| src.downcast_ref::<gst::Bin>()) {
                    branch.set_state(gst::State::Null)?;
                    self.pipeline.remove(branch)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whatever is to become of one camera's frames; it reports when the last one has gone through.
fn add_branch(pipeline: &gst::Pipeline, pad: &gst::Pad) -> Result<(), Box<dyn Error>> {
    let launch = "queue ! nvpviewstate ! nvptracker ! fakesink name=end sync=false async=false";
    let branch = gst::parse::bin_from_description(launch, true)?;
    pipeline.add(&branch)?;
    branch.sync_state_with_parent()?;
    pad.link(&branch.static_pad("sink").ok_or("a bin with a ghost pad")?)?;
    let end = branch.by_name("end").and_then(|end| end.static_pad("sink")).ok_or("a sink has a sink pad")?;
    let branch = branch.downgrade();
    end.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let is_end = info.event().is_some_and(|event| event.type_() == gst::EventType::Eos);
        if let Some(branch) = branch.upgrade().filter(|_| is_end) {
            let done = gst::Structure::new_empty("branch-done");
            let _ = branch.post_message(gst::message::Application::builder(done).src(&branch).build());
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}
