//! A muxer and a demuxer between pads that the test plays on, with a log of what comes out.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, Once};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gstnvperception::plugin_register_static().unwrap();
        glib::log_set_always_fatal(glib::LogLevels::LEVEL_WARNING | glib::LogLevels::LEVEL_CRITICAL);
    });
}

/// What came out on each pad, in order.
#[derive(Default)]
pub(crate) struct Log {
    lines: Mutex<BTreeMap<u32, Vec<String>>>,
    changed: Condvar,
}

impl Log {
    pub(crate) fn add(&self, pad: u32, line: String) {
        self.lines.lock().unwrap().entry(pad).or_default().push(line);
        self.changed.notify_all();
    }

    pub(crate) fn of(&self, pad: u32) -> Vec<String> {
        self.lines.lock().unwrap().get(&pad).cloned().unwrap_or_default()
    }

    pub(crate) fn forget(&self, pad: u32) {
        self.lines.lock().unwrap().remove(&pad);
    }

    /// Waits until a pad's lines are as wanted.
    pub(crate) fn wait(&self, pad: u32, wanted: impl Fn(&[String]) -> bool) {
        let started = Instant::now();
        let mut lines = self.lines.lock().unwrap();
        while !wanted(lines.get(&pad).map_or(&[], Vec::as_slice)) {
            assert!(started.elapsed() < LIMIT, "pad {pad} has {:?}", lines.get(&pad));
            lines = self.changed.wait_timeout(lines, Duration::from_millis(100)).unwrap().0;
        }
    }

    pub(crate) fn wait_for(&self, pad: u32, line: &str) {
        self.wait(pad, |lines| lines.iter().any(|l| l == line));
    }
}

pub(crate) struct Rig {
    pub(crate) pipeline: gst::Pipeline,
    pub(crate) mux: gst::Element,
    pub(crate) demux: gst::Element,
    pub(crate) log: Arc<Log>,
}

/// A stream that the test plays.
pub(crate) struct Source {
    pub(crate) number: u32,
    pub(crate) pad: gst::Pad,
    pub(crate) sink: gst::Pad,
    /// Events that came upstream.
    pub(crate) heard: Arc<Log>,
}

impl Rig {
    /// `between` is what stands between muxer and demuxer, with its exclamation mark.
    pub(crate) fn with(properties: &str, between: &str) -> Self {
        init();
        let launch = format!("nvpbatchmux name=mux {properties} ! {between} nvpbatchdemux name=demux");
        let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
        let (mux, demux) = (pipeline.by_name("mux").unwrap(), pipeline.by_name("demux").unwrap());
        let log = Arc::new(Log::default());
        let (added, bin) = (log.clone(), pipeline.downgrade());
        demux.connect_pad_added(move |_, pad| {
            let number = number(pad);
            watch(pad, &added);
            added.add(number, "added".into());
            let Some(bin) = bin.upgrade() else { return };
            let sink = gst::ElementFactory::make("fakesink").property("sync", false);
            let sink = sink.property("async", false).name(format!("end-{number}")).build().unwrap();
            bin.add(&sink).unwrap();
            sink.sync_state_with_parent().unwrap();
            pad.link(&sink.static_pad("sink").unwrap()).unwrap();
        });
        let (removed, bin) = (log.clone(), pipeline.downgrade());
        demux.connect_pad_removed(move |_, pad| {
            if pad.direction() == gst::PadDirection::Sink {
                return;
            }
            let number = number(pad);
            if let Some(bin) = bin.upgrade()
                && let Some(sink) = bin.by_name(&format!("end-{number}"))
            {
                bin.remove(&sink).unwrap();
                sink.set_state(gst::State::Null).unwrap();
            }
            removed.add(number, "removed".into());
        });
        Self { pipeline, mux, demux, log }
    }

    pub(crate) fn new(properties: &str) -> Self {
        Self::with(properties, "")
    }

    pub(crate) fn playing(properties: &str) -> Self {
        let rig = Self::new(properties);
        rig.play();
        rig
    }

    pub(crate) fn play(&self) {
        self.pipeline.set_state(gst::State::Playing).unwrap();
    }

    /// A stream that has said nothing yet.
    pub(crate) fn pad(&self, number: u32, live: bool) -> Source {
        self.pad_with(number, live, 7)
    }

    /// A live one that is so many milliseconds late, and has said nothing yet.
    pub(crate) fn late(&self, number: u32, latency: u64) -> Source {
        self.pad_with(number, true, latency)
    }

    fn pad_with(&self, number: u32, live: bool, late: u64) -> Source {
        let sink = self.mux.request_pad_simple(&format!("sink_{number}")).expect("a pad for the asking");
        let heard = Arc::new(Log::default());
        let log = heard.clone();
        let pad = gst::Pad::builder(gst::PadDirection::Src)
            .query_function(move |pad, parent, query| match query.view_mut() {
                gst::QueryViewMut::Latency(latency) => {
                    latency.set(live, gst::ClockTime::from_mseconds(late), gst::ClockTime::NONE);
                    true
                }
                gst::QueryViewMut::Duration(duration) => {
                    duration.set(gst::ClockTime::from_seconds(u64::from(number) + 1));
                    true
                }
                gst::QueryViewMut::Seeking(seeking) => {
                    seeking.set(true, gst::ClockTime::ZERO, gst::ClockTime::from_seconds(9));
                    true
                }
                _ => gst::Pad::query_default(pad, parent, query),
            })
            .event_function(move |_, _, event| {
                log.add(number, format!("{:?}", event.type_()));
                true
            })
            .build();
        pad.set_active(true).unwrap();
        pad.link(&sink).unwrap();
        Source { number, pad, sink, heard }
    }

    /// A stream that has begun.
    pub(crate) fn stream(&self, number: u32, live: bool) -> Source {
        let source = self.pad(number, live);
        source.begin();
        source
    }

    pub(crate) fn release(&self, source: &Source) {
        self.mux.release_request_pad(&source.sink);
    }

    /// Waits for an element message of this name about this pad.
    pub(crate) fn message(&self, name: &str, pad: u32) -> gst::Structure {
        let bus = self.pipeline.bus().unwrap();
        let started = Instant::now();
        while started.elapsed() < LIMIT {
            let wait = gst::ClockTime::from_mseconds(100);
            let Some(message) = bus.timed_pop_filtered(wait, &[gst::MessageType::Element]) else { continue };
            let structure = message.structure().unwrap();
            if structure.name() == name && structure.get::<u32>("pad") == Ok(pad) {
                return structure.to_owned();
            }
        }
        panic!("no {name} about pad {pad}");
    }

    pub(crate) fn stat<T: for<'a> glib::value::FromValue<'a> + ValueType>(
        &self,
        of: &gst::Element,
        name: &str,
    ) -> T {
        of.property::<gst::Structure>("stats").get(name).unwrap()
    }

    pub(crate) fn eos(&self) {
        let bus = self.pipeline.bus().unwrap();
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let end = bus.timed_pop_filtered(gst::ClockTime::try_from(LIMIT).unwrap(), &ends).expect("it ends");
        assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
        // A sink that came in meanwhile followed the state that the pipeline was in.
        for element in self.pipeline.iterate_elements().into_iter().flatten() {
            let _ = element.set_state(gst::State::Null);
        }
    }
}

/// Waits until something is so.
pub(crate) fn until(what: impl Fn() -> bool) {
    let started = Instant::now();
    while !what() {
        assert!(started.elapsed() < LIMIT);
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn number(pad: &gst::Pad) -> u32 {
    pad.name().rsplit('_').next().unwrap().parse().unwrap()
}

fn watch(pad: &gst::Pad, log: &Arc<Log>) {
    let (log, number) = (log.clone(), number(pad));
    let flushes = gst::PadProbeType::EVENT_FLUSH;
    pad.add_probe(gst::PadProbeType::DATA_DOWNSTREAM | flushes, move |_, info| {
        match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => log.add(number, told(number, buffer)),
            Some(gst::PadProbeData::Event(event)) => log.add(number, said(event)),
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

/// A frame as its time in milliseconds, once its pixels say that it is this stream's.
fn told(number: u32, buffer: &gst::BufferRef) -> String {
    let pixels = buffer.map_readable().unwrap();
    assert!(
        pixels.iter().all(|pixel| u32::from(*pixel) == number % 256),
        "a frame of another stream on pad {number}"
    );
    buffer.pts().map_or("frame".into(), |pts| pts.mseconds().to_string())
}

fn said(event: &gst::EventRef) -> String {
    match event.view() {
        gst::EventView::Caps(caps) => {
            format!("height {}", caps.caps().structure(0).unwrap().get::<i32>("height").unwrap())
        }
        gst::EventView::CustomDownstream(_) => event.structure().unwrap().name().to_string(),
        _ => format!("{:?}", event.type_()),
    }
}

impl Source {
    pub(crate) fn begin(&self) {
        assert!(self.pad.push_event(gst::event::StreamStart::new(&format!("camera/{}", self.number))));
        self.caps(4);
        self.segment();
    }

    pub(crate) fn caps(&self, height: i32) -> bool {
        let caps = gst::Caps::builder("video/x-raw").field("format", "GRAY8");
        let caps = caps.field("width", 4i32).field("height", height);
        self.pad
            .push_event(gst::event::Caps::new(&caps.field("framerate", gst::Fraction::new(25, 1)).build()))
    }

    pub(crate) fn segment(&self) {
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        self.pad.push_event(gst::event::Segment::new(&segment));
    }

    pub(crate) fn frame(&self, ms: impl Into<Option<u64>>) -> gst::Buffer {
        let mut buffer = gst::Buffer::from_mut_slice(vec![(self.number % 256) as u8; 16]);
        buffer.get_mut().unwrap().set_pts(ms.into().map(gst::ClockTime::from_mseconds));
        buffer
    }

    pub(crate) fn send(&self, ms: impl Into<Option<u64>>) {
        self.push(ms).unwrap();
    }

    pub(crate) fn push(&self, ms: impl Into<Option<u64>>) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.pad.push(self.frame(ms))
    }

    pub(crate) fn custom(&self, name: &str) -> bool {
        self.pad.push_event(gst::event::CustomDownstream::new(gst::Structure::new_empty(name)))
    }

    pub(crate) fn eos(&self) -> bool {
        self.pad.push_event(gst::event::Eos::new())
    }

    pub(crate) fn flush(&self) {
        assert!(self.pad.push_event(gst::event::FlushStart::new()));
        assert!(self.pad.push_event(gst::event::FlushStop::new(true)));
        self.segment();
    }
}
