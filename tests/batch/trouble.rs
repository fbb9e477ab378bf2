//! One stream is in trouble, and the others do not notice.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use gst::prelude::*;

use crate::rig::{LIMIT, Rig, Source, init, until};

#[test]
fn frames_without_caps_are_refused_and_the_others_go_on() {
    let rig = Rig::playing("max-latency=10");
    let [good, bad] = [0, 1].map(|number| rig.pad(number, false));
    good.begin();
    assert!(bad.pad.push_event(gst::event::StreamStart::new("camera/1")));
    bad.segment();
    for ms in [0, 40] {
        bad.push(ms).unwrap();
        good.push(ms).unwrap();
    }
    assert_eq!(rig.message("nvp-stream-refused", 1).get::<String>("reason").unwrap(), "no-caps");
    assert_eq!(rig.stat::<u64>(&rig.mux, "dropped-no-caps"), 2);
    rig.log.wait_for(0, "40");
    let bad = rig.pad(2, false);
    assert!(bad.pad.push_event(gst::event::StreamStart::new("camera/2")));
    let audio = gst::Caps::builder("audio/x-raw").build();
    bad.pad.push_event(gst::event::Caps::new(&audio));
    assert!(bad.sink.current_caps().is_none(), "no video");
    good.push(80).unwrap();
    rig.log.wait_for(0, "80");
}

/// A demuxer whose pads the test links, or does not.
fn unlinked() -> Rig {
    init();
    let launch = "nvpbatchmux name=mux max-latency=10 ! nvpbatchdemux name=demux";
    let pipeline = gst::parse::launch(launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    let (mux, demux) = (pipeline.by_name("mux").unwrap(), pipeline.by_name("demux").unwrap());
    Rig { pipeline, mux, demux, log: Default::default() }
}

#[test]
fn a_stream_that_nobody_takes_is_dropped_until_somebody_does() {
    let rig = unlinked();
    rig.play();
    let stream = rig.stream(0, false);
    for ms in [0, 40, 80] {
        stream.push(ms).unwrap();
    }
    assert_eq!(rig.message("nvp-stream-dropping", 0).get::<String>("reason").unwrap(), "not-linked");
    let sink = gst::ElementFactory::make("fakesink").property("async", false).build().unwrap();
    rig.pipeline.add(&sink).unwrap();
    sink.sync_state_with_parent().unwrap();
    let pad = rig.demux.static_pad("src_0").unwrap();
    pad.link(&sink.static_pad("sink").unwrap()).unwrap();
    stream.push(120).unwrap();
    rig.message("nvp-stream-resumed", 0);
    let caps = sink.static_pad("sink").unwrap().current_caps();
    assert!(caps.is_some(), "what it missed it is told");
    assert!(rig.stat::<u64>(&rig.demux, "dropped-not-linked") >= 1);
}

#[test]
fn a_branch_that_fails_does_not_stop_the_others() {
    let rig = unlinked();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    let ends = Mutex::new(Vec::new());
    rig.demux.connect_pad_added(move |_, pad| {
        let (result, count) = (
            match pad.name().as_str() {
                "src_0" => Err(gst::FlowError::Error),
                "src_1" => Err(gst::FlowError::Eos),
                _ => Ok(gst::FlowSuccess::Ok),
            },
            count.clone(),
        );
        let end = gst::Pad::builder(gst::PadDirection::Sink)
            .chain_function(move |_, _, _| {
                if result.is_ok() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
                result
            })
            .event_function(|_, _, _| true)
            .build();
        end.set_active(true).unwrap();
        pad.link(&end).unwrap();
        ends.lock().unwrap().push(end);
    });
    rig.play();
    let streams = [0, 1, 2].map(|number| rig.stream(number, false));
    for ms in 0..50 {
        streams.iter().for_each(|stream| stream.send(ms));
    }
    assert!(streams.iter().all(Source::eos));
    let reason = |pad| rig.message("nvp-stream-dropping", pad).get::<String>("reason").unwrap();
    assert_eq!((reason(0), reason(1)), ("error".into(), "eos".into()));
    rig.message("nvp-stream-ended", 2);
    until(|| rig.demux.num_src_pads() == 0);
    assert_eq!(taken.load(Ordering::SeqCst), 50, "all of the third");
    assert_eq!(rig.stat::<u64>(&rig.demux, "frames"), 50);
    assert_eq!(rig.stat::<u64>(&rig.demux, "dropped-error"), 50);
    assert_eq!(rig.stat::<u64>(&rig.demux, "dropped-eos"), 50);
}

#[test]
fn all_branches_failing_is_an_error_upstream() {
    let rig = unlinked();
    let pipeline = rig.pipeline.downgrade();
    rig.demux.connect_pad_added(move |_, pad| {
        let pipeline = pipeline.upgrade().unwrap();
        let bin =
            gst::parse::bin_from_description("identity error-after=1 ! fakesink async=false", true).unwrap();
        pipeline.add(&bin).unwrap();
        bin.sync_state_with_parent().unwrap();
        pad.link(&bin.static_pad("sink").unwrap()).unwrap();
    });
    rig.play();
    let stream = rig.stream(0, false);
    let started = Instant::now();
    let error = loop {
        assert!(started.elapsed() < LIMIT);
        if let Err(error) = stream.push(0) {
            break error;
        }
    };
    assert_eq!(error, gst::FlowError::Error);
}

#[test]
fn who_does_not_take_batches_is_named() {
    init();
    for direct in ["nvpbatchmux ! nvptracker ! fakesink", "nvpbatchmux ! queue ! nvptracker ! fakesink"] {
        assert!(gst::parse::launch(direct).is_err(), "the pads do not fit: {direct}");
    }
    for (refuses, wanted) in [(true, "does not take batches"), (false, "nothing is linked")] {
        let mux = gst::ElementFactory::make("nvpbatchmux").build().unwrap();
        let pipeline = gst::Pipeline::new();
        pipeline.add(&mux).unwrap();
        let rig = Rig { pipeline, demux: mux.clone(), mux, log: Default::default() };
        let next = gst::Pad::builder(gst::PadDirection::Sink)
            .event_function(|_, _, event| event.type_() != gst::EventType::Caps)
            .chain_function(|_, _, _| Err(gst::FlowError::NotNegotiated))
            .build();
        next.set_active(true).unwrap();
        if refuses {
            rig.mux.static_pad("src").unwrap().link(&next).unwrap();
        }
        rig.play();
        let stream = rig.stream(0, false);
        let started = Instant::now();
        while stream.push(0).is_ok() {
            assert!(started.elapsed() < LIMIT, "{wanted}");
        }
        let bus = rig.pipeline.bus().unwrap();
        let limit = gst::ClockTime::try_from(LIMIT).unwrap();
        let message = bus.timed_pop_filtered(limit, &[gst::MessageType::Error]).unwrap();
        let gst::MessageView::Error(error) = message.view() else { unreachable!() };
        assert!(error.error().to_string().contains(wanted), "{}", error.error());
    }
    let demux = gst_check::Harness::with_padnames("nvpbatchdemux", Some("sink"), None);
    let bus = gst::Bus::new();
    demux.element().unwrap().set_bus(Some(&bus));
    let mut demux = demux;
    demux.set_src_caps_str("multistream/x-nvp-batch");
    assert_eq!(demux.push(gst::Buffer::new()), Err(gst::FlowError::Error));
    let message = bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
    let gst::MessageView::Error(error) = message.view() else { unreachable!() };
    assert!(error.error().to_string().contains("only what nvpbatchmux makes"), "{}", error.error());
}

/// A muxer whose output the test takes, and answers with what it likes.
#[test]
fn who_has_had_enough_may_take_what_begins_anew() {
    init();
    let mux = gst::ElementFactory::make("nvpbatchmux").property("max-latency", 0u32).build().unwrap();
    let pipeline = gst::Pipeline::new();
    pipeline.add(&mux).unwrap();
    let rig = Rig { pipeline, demux: mux.clone(), mux, log: Arc::default() };
    let log = rig.log.clone();
    let next = gst::Pad::builder(gst::PadDirection::Sink)
        .event_function(|_, _, _| true)
        .chain_function(move |_, _, buffer| {
            let frames = gstnvperception::meta::BatchMeta::get(&buffer).unwrap().frame_count();
            (0..frames).for_each(|_| log.add(0, "frame".into()));
            if frames > 0 { Err(gst::FlowError::Eos) } else { Ok(gst::FlowSuccess::Ok) }
        })
        .build();
    next.set_active(true).unwrap();
    rig.mux.static_pad("src").unwrap().link(&next).unwrap();
    rig.play();
    let stream = rig.stream(0, false);
    for round in 1..=3 {
        stream.push(0).unwrap();
        until(|| stream.push(40) == Err(gst::FlowError::Eos));
        assert_eq!(rig.log.of(0).len(), round, "one is enough");
        stream.flush();
    }
    let second = rig.stream(1, false);
    second.push(0).unwrap();
    rig.log.wait(0, |lines| lines.len() == 4);
}

/// Each branch ends after frames of its own, and its queue remembers that; the sources would go on for ever.
#[test]
fn branches_that_have_had_enough_end_the_pipeline() {
    init();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/models/batch_open.onnx");
    let infer = format!("nvpinference model=\"{model}\" !");
    let source = "videotestsrc ! video/x-raw,format=RGB,width=96,height=64 ! mux.";
    let branch = |number, frames| {
        format!("demux.src_{number} ! queue ! identity eos-after={frames} ! fakesink async=false")
    };
    for between in ["", "queue !", &infer] {
        let (first, second) = (branch(0, 10), branch(1, 30));
        for streams in [format!("{source} {first}"), format!("{source} {source} {first} {second}")] {
            let launch = format!("nvpbatchmux name=mux ! {between} nvpbatchdemux name=demux {streams}");
            let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
            let (mux, demux) = (pipeline.by_name("mux").unwrap(), pipeline.by_name("demux").unwrap());
            let rig = Rig { pipeline, mux, demux, log: Arc::default() };
            rig.play();
            rig.eos();
            until(|| rig.demux.num_src_pads() == 0);
            let of = |name| rig.stat::<u64>(&rig.mux, name);
            assert_eq!(of("accepted"), of("served") + of("dropped-downstream"), "{launch}");
        }
    }
}

/// What a program has to do when a source fails: take it out, and the rest goes on.
#[test]
fn a_source_that_fails_is_taken_out() {
    let rig = Rig::playing("max-latency=10");
    let others = [0, 1].map(|number| rig.stream(number, false));
    let launch = "videotestsrc ! video/x-raw,format=GRAY8,width=4,height=4 ! identity error-after=5";
    let bad = gst::parse::bin_from_description(launch, true).unwrap();
    rig.pipeline.add(&bad).unwrap();
    let sink = rig.mux.request_pad_simple("sink_2").unwrap();
    bad.static_pad("src").unwrap().link(&sink).unwrap();
    // Its pixels are no stream number: nobody is to look at them.
    let log = rig.log.clone();
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut() {
            *buffer = gst::Buffer::from_mut_slice([2u8; 16]);
            log.add(99, "frame".into());
        }
        gst::PadProbeReturn::Ok
    });
    bad.sync_state_with_parent().unwrap();
    let bus = rig.pipeline.bus().unwrap();
    let limit = gst::ClockTime::try_from(LIMIT).unwrap();
    let message = bus.timed_pop_filtered(limit, &[gst::MessageType::Error]).expect("it fails");
    assert!(message.src().unwrap().has_as_ancestor(&bad), "whose error it is can be told");
    bad.set_state(gst::State::Null).unwrap();
    rig.mux.release_request_pad(&sink);
    rig.pipeline.remove(&bad).unwrap();
    for ms in 0..20 {
        others.iter().for_each(|stream| stream.send(ms));
    }
    others.iter().for_each(|stream| rig.log.wait_for(stream.number, "19"));
    rig.log.wait_for(2, "removed");
    assert!(rig.log.of(99).len() >= 4);
}
