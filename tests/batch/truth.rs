//! Eight scenes of their own sizes and rates: what is on a frame that went through a batch is its own scene's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstnvperception::detection::Detection;
use gstnvperception::meta::{DetectionMeta, TruthMeta};
use gstnvperception::scene::TrueObject;

use crate::rig::{LIMIT, init};

const STREAMS: i32 = 8;

/// The size of each frame, its true objects and its detections, by stream and PTS.
type Seen = Arc<Mutex<BTreeMap<(i32, u64), (usize, Vec<TrueObject>, Vec<Detection>)>>>;

fn source(stream: i32) -> String {
    let (width, height, rate) = (64 + 16 * stream, 36 + 4 * stream, 5 + 5 * (stream % 3));
    format!(
        "nvptestsrc seed={stream} detections=noisy num-buffers=12 \
         ! video/x-raw,format=GRAY8,width={width},height={height},framerate={rate}/1"
    )
}

fn watch(pad: &gst::Pad, stream: i32, seen: &Seen) {
    let seen = seen.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let buffer = info.buffer().unwrap();
        let truth = TruthMeta::get(buffer).unwrap().to_owned();
        let found = DetectionMeta::all(buffer).next().unwrap().to_owned();
        let key = (stream, buffer.pts().unwrap().nseconds());
        let again = seen.lock().unwrap().insert(key, (buffer.size(), truth.objects, found.items));
        assert!(again.is_none(), "each frame comes once");
        gst::PadProbeReturn::Ok
    });
}

fn play(launch: &str, prepare: impl Fn(&gst::Pipeline)) {
    let pipeline = gst::parse::launch(launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    prepare(&pipeline);
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let limit = gst::ClockTime::try_from(LIMIT).unwrap();
    let end = pipeline.bus().unwrap().timed_pop_filtered(limit, &ends).expect("it ends");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn what_is_on_a_frame_is_its_own_streams() {
    init();
    let (alone, batched) = (Seen::default(), Seen::default());
    for stream in 0..STREAMS {
        play(&format!("{} ! fakesink name=end", source(stream)), |pipeline| {
            let end = pipeline.by_name("end").unwrap();
            watch(&end.static_pad("sink").unwrap(), stream, &alone);
        });
    }
    let mut launch = String::from("nvpbatchmux name=mux batch-size=3 ! nvpbatchdemux name=demux ");
    for stream in 0..STREAMS {
        let source = source(stream);
        // While sinks preroll, a stream may be ahead of another one by all it has.
        let end = format!("queue max-size-time=0 ! fakesink name=end-{stream}");
        launch += &format!("{source} ! mux.sink_{stream} demux.src_{stream} ! {end} ");
    }
    play(&launch, |pipeline| {
        for stream in 0..STREAMS {
            let end = pipeline.by_name(&format!("end-{stream}")).unwrap();
            watch(&end.static_pad("sink").unwrap(), stream, &batched);
        }
    });
    let (alone, batched) = (alone.lock().unwrap(), batched.lock().unwrap());
    assert_eq!(alone.len(), 12 * STREAMS as usize);
    assert!(alone.values().any(|(_, objects, found)| !objects.is_empty() && !found.is_empty()));
    assert!(*alone == *batched, "as if there were no other streams");
}
