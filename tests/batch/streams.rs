//! Streams begin, change, end, go and come back.

use gst::prelude::*;
use gstnvperception::meta::BatchMeta;

use crate::rig::{Rig, init, until};

const BEGUN: [&str; 4] = ["added", "StreamStart", "height 4", "Segment"];

fn after_begin(rig: &Rig, pad: u32) -> Vec<String> {
    let lines = rig.log.of(pad);
    let (begun, rest) = lines.split_at(BEGUN.len());
    // The pad is added with its first event, before which the log does not look at it.
    let mut begun = begun.to_vec();
    begun.sort();
    let mut wanted = BEGUN.map(str::to_owned);
    wanted.sort();
    assert!(begun == wanted, "{lines:?}");
    rest.to_vec()
}

#[test]
fn each_stream_comes_out_on_its_pad_in_its_order() {
    let rig = Rig::playing("max-latency=10");
    let streams = [0, 1, 7].map(|number| rig.stream(number, false));
    for ms in [0, 40, 80] {
        for stream in &streams {
            stream.push(ms + u64::from(stream.number)).unwrap();
        }
        let mut tags = gst::TagList::new();
        tags.get_mut().unwrap().add::<gst::tags::Title>(&"door", gst::TagMergeMode::Append);
        streams[1].pad.push_event(gst::event::Tag::new(tags));
        streams[2].custom(&format!("after-{ms}"));
        streams[0].pad.push_event(gst::event::Gap::new(gst::ClockTime::from_mseconds(ms), None));
    }
    streams.iter().for_each(|stream| assert!(stream.eos()));
    streams.iter().for_each(|stream| rig.log.wait_for(stream.number, "removed"));
    assert_eq!(after_begin(&rig, 0), ["0", "Gap", "40", "Gap", "80", "Gap", "Eos", "removed"]);
    assert_eq!(after_begin(&rig, 1), ["1", "Tag", "41", "Tag", "81", "Tag", "Eos", "removed"]);
    let third = ["7", "after-0", "47", "after-40", "87", "after-80", "Eos", "removed"];
    assert_eq!(after_begin(&rig, 7), third);
    assert_eq!((rig.stat::<u64>(&rig.mux, "accepted"), rig.stat::<u64>(&rig.mux, "served")), (9, 9));
    assert_eq!(rig.stat::<u64>(&rig.demux, "frames"), 9);
}

#[test]
fn a_batch_refers_to_the_frames_themselves() {
    init();
    let rig = Rig::new("");
    let (sender, batches) = std::sync::mpsc::channel();
    let src = rig.mux.static_pad("src").unwrap();
    src.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        sender.send(info.buffer().unwrap().copy()).unwrap();
        gst::PadProbeReturn::Ok
    });
    rig.play();
    let streams = [0, 1].map(|number| rig.stream(number, false));
    let frames = streams.each_ref().map(|stream| stream.frame(40 * u64::from(stream.number + 1)));
    let memories = frames.each_ref().map(|frame| frame.peek_memory(0).as_ptr());
    for (stream, frame) in streams.iter().zip(frames) {
        stream.pad.push(frame).unwrap();
    }
    let is_full = |batch: &gst::Buffer| BatchMeta::get(batch).unwrap().frame_count() == 2;
    let batch = batches.iter().find(is_full).unwrap();
    assert_eq!((batch.size(), batch.pts()), (0, Some(gst::ClockTime::from_mseconds(40))));
    for (index, (stream, frame)) in BatchMeta::get(&batch).unwrap().frames().enumerate() {
        assert_eq!((stream.pad(), stream.id()), (index as u32, &*format!("camera/{index}")));
        assert_eq!(frame.peek_memory(0).as_ptr(), memories[index], "not copied");
        assert_eq!(stream.caps().unwrap().structure(0).unwrap().get::<i32>("width"), Ok(4));
        assert!(stream.segment().is_some());
    }
}

#[test]
fn an_end_ends_one_stream_and_the_last_one_the_output() {
    let rig = Rig::playing("max-latency=10");
    let [first, second] = [0, 1].map(|number| rig.stream(number, false));
    first.push(0).unwrap();
    assert!(first.eos());
    rig.log.wait_for(0, "removed");
    for ms in [0, 40, 80] {
        second.push(ms).unwrap();
    }
    rig.log.wait_for(1, "80");
    assert_eq!(rig.message("nvp-stream-ended", 0).get::<String>("reason").unwrap(), "eos");
    assert!(second.eos());
    rig.eos();
    rig.log.wait_for(1, "removed");
    assert_eq!(after_begin(&rig, 0), ["0", "Eos", "removed"]);
    assert_eq!(after_begin(&rig, 1), ["0", "40", "80", "Eos", "removed"]);
}

#[test]
fn a_stream_may_begin_after_the_end_and_the_output_begins_again() {
    for keep_alive in [false, true] {
        let rig = Rig::playing(&format!("max-latency=10 keep-alive={keep_alive}"));
        let first = rig.stream(0, false);
        first.push(0).unwrap();
        assert!(first.eos());
        rig.log.wait_for(0, "removed");
        if !keep_alive {
            rig.eos();
        }
        let ended = || rig.mux.static_pad("src").unwrap().sticky_event::<gst::event::Eos>(0).is_some();
        until(|| ended() != keep_alive);
        first.begin();
        first.push(40).unwrap();
        rig.log.wait_for(0, "40");
        let second = rig.stream(1, false);
        second.push(40).unwrap();
        rig.log.wait_for(1, "40");
        until(|| !ended());
    }
}

#[test]
fn an_output_that_was_kept_alive_ends_when_it_is_not_any_more() {
    let rig = Rig::playing("max-latency=10 keep-alive=true");
    let stream = rig.stream(0, false);
    stream.push(0).unwrap();
    assert!(stream.eos());
    rig.log.wait_for(0, "removed");
    // By then the muxer has seen that there is nothing to do.
    std::thread::sleep(std::time::Duration::from_millis(50));
    rig.mux.set_property("keep-alive", false);
    rig.eos();
}

#[test]
fn a_released_stream_ends_and_its_number_may_be_used_again() {
    let rig = Rig::playing("max-latency=10");
    let [first, second] = [0, 1].map(|number| rig.stream(number, false));
    first.push(0).unwrap();
    rig.log.wait_for(0, "0");
    rig.release(&first);
    assert_eq!(rig.message("nvp-stream-ended", 0).get::<String>("reason").unwrap(), "released");
    rig.log.wait_for(0, "removed");
    assert_eq!(first.push(40), Err(gst::FlowError::NotLinked));
    let again = rig.stream(0, false);
    again.push(80).unwrap();
    rig.log.wait_for(0, "80");
    second.push(80).unwrap();
    rig.log.wait_for(1, "80");
    assert_eq!(after_begin(&rig, 0)[..3], ["0", "Eos", "removed"]);
    assert_eq!(rig.mux.request_pad_simple("sink_%u").unwrap().name(), "sink_2");
    rig.release(&second);
    rig.log.wait_for(1, "removed");
    assert!(again.eos());
    rig.log.wait_for(0, "Eos");
}

#[test]
fn an_end_is_reported_once_though_a_flush_takes_it_away_before_the_release() {
    let rig = Rig::playing("max-latency=600000 silence=0");
    let [first, _second] = [0, 1].map(|number| rig.stream(number, false));
    rig.log.wait_for(0, "Segment");
    first.push(0).unwrap();
    assert!(first.eos());
    assert_eq!(rig.message("nvp-stream-ended", 0).get::<String>("reason").unwrap(), "eos");
    first.sink.send_event(gst::event::FlushStart::new());
    rig.release(&first);
    rig.log.wait_for(0, "removed");
    let bus = rig.pipeline.bus().unwrap();
    let mut rest = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Element]));
    assert!(rest.all(|message| message.structure().unwrap().name() != "nvp-stream-ended"));
}

#[test]
fn the_output_ends_when_the_last_stream_that_has_not_is_released() {
    let rig = Rig::playing("max-latency=10");
    let [first, second] = [0, 1].map(|number| rig.stream(number, false));
    second.push(0).unwrap();
    assert!(first.eos());
    rig.log.wait_for(1, "0");
    rig.release(&second);
    rig.eos();
    rig.release(&first);
    assert_eq!(rig.mux.num_sink_pads(), 0);
}

#[test]
fn a_flush_empties_one_stream() {
    let rig = Rig::playing("max-latency=600000 silence=0");
    let [first, second] = [0, 1].map(|number| rig.stream(number, true));
    rig.log.wait_for(0, "Segment");
    first.push(0).unwrap();
    first.push(40).unwrap();
    first.flush();
    first.push(1000).unwrap();
    second.push(0).unwrap();
    rig.log.wait_for(0, "1000");
    let lines = after_begin(&rig, 0);
    assert_eq!(lines, ["FlushStart", "FlushStop", "Segment", "1000"]);
    assert!(!rig.log.of(1).iter().any(|line| line.starts_with("Flush")));
    assert_eq!(rig.stat::<u64>(&rig.mux, "dropped-flush"), 2);
}

/// A branch whose queue is full holds the batches up, and is the one that is to be emptied.
#[test]
fn a_seek_in_pause_shows_the_place() {
    init();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/models/batch_open.onnx");
    let infer = format!("nvpinference model=\"{model}\" !");
    for between in ["", "queue max-size-buffers=1 !", &infer] {
        let launch = format!(
            "videotestsrc ! video/x-raw,format=RGB,width=96,height=64,framerate=25/1 ! nvpbatchmux name=mux ! {between} \
             nvpbatchdemux name=demux ! queue max-size-buffers=3 ! fakesink name=sink sync=true enable-last-sample=true"
        );
        let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
        let (mux, demux) = (pipeline.by_name("mux").unwrap(), pipeline.by_name("demux").unwrap());
        let rig = Rig { pipeline, mux, demux, log: Default::default() };
        let limit = gst::ClockTime::try_from(crate::rig::LIMIT).unwrap();
        let sink = rig.pipeline.by_name("sink").unwrap();
        let shown = || {
            let sample = sink.property::<Option<gst::Sample>>("last-sample");
            sample.and_then(|sample| sample.buffer()?.pts()).map(gst::ClockTime::seconds)
        };
        rig.pipeline.set_state(gst::State::Paused).unwrap();
        rig.pipeline.state(limit).0.unwrap();
        assert_eq!(shown(), Some(0), "{launch}");
        for place in [10, 5, 20, 0, 7] {
            let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
            rig.pipeline.seek_simple(flags, gst::ClockTime::from_seconds(place)).unwrap();
            rig.pipeline.state(limit).0.unwrap();
            assert_eq!(shown(), Some(place), "{launch}");
        }
    }
}

#[test]
fn caps_change_between_two_frames() {
    let rig = Rig::playing("max-latency=10");
    let stream = rig.stream(3, false);
    for height in [8i32, 12] {
        stream.push(u64::from(height.unsigned_abs())).unwrap();
        assert!(stream.caps(height));
    }
    stream.push(40).unwrap();
    rig.log.wait_for(3, "40");
    assert_eq!(after_begin(&rig, 3), ["8", "height 8", "12", "height 12", "40"]);
}

#[test]
fn two_hundred_pads() {
    let rig = Rig::playing("max-latency=10000");
    let streams: Vec<_> = (0..200).map(|number| rig.stream(number, false)).collect();
    for ms in [0, 40] {
        streams.iter().for_each(|stream| stream.send(ms));
    }
    streams.iter().for_each(|stream| rig.log.wait_for(stream.number, "40"));
    let (batches, frames) = (rig.stat::<u64>(&rig.mux, "batches"), rig.stat::<u64>(&rig.mux, "frames"));
    assert_eq!((batches, frames, rig.stat::<f64>(&rig.mux, "fill")), (2, 400, 1.0));
    streams.iter().for_each(|stream| rig.release(stream));
    streams.iter().for_each(|stream| rig.log.wait_for(stream.number, "removed"));
    assert_eq!(rig.demux.num_src_pads(), 0);
}
