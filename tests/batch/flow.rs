//! When batches leave, and what becomes of frames that come too fast, too late or not at all.

use std::time::Duration;

use gst::prelude::*;

use crate::rig::{LIMIT, Rig, until};

#[test]
fn a_live_stream_loses_old_frames_and_a_file_waits() {
    let rig = Rig::playing("max-latency=600000 silence=0 queue-size=3");
    let _never = rig.stream(9, true);
    let live = rig.stream(0, true);
    for ms in 0..10 {
        live.push(ms).unwrap();
    }
    let message = rig.message("nvp-stream-dropping", 0);
    assert_eq!(message.get::<String>("reason").unwrap(), "overflow");
    assert_eq!(rig.stat::<u64>(&rig.mux, "dropped-overflow"), 7);
    let file = rig.stream(1, false);
    for ms in 0..3 {
        file.push(ms).unwrap();
    }
    let waits = std::thread::spawn(move || {
        let result = file.push(3);
        (file, result)
    });
    std::thread::sleep(Duration::from_millis(30));
    assert!(!waits.is_finished());
    rig.mux.set_property("max-latency", 0u32);
    let (_file, result) = waits.join().unwrap();
    result.unwrap();
    rig.log.wait_for(1, "3");
    let frames =
        |pad| rig.log.of(pad).into_iter().filter(|line| line.parse::<u64>().is_ok()).collect::<Vec<_>>();
    assert_eq!(frames(1), ["0", "1", "2", "3"], "nothing is lost");
    assert_eq!(frames(0), ["7", "8", "9"], "the newest are kept");
}

#[test]
fn a_silent_stream_is_reported_and_left_out_and_comes_back() {
    let rig = Rig::playing("max-latency=20 silence=60");
    let [talks, silent] = [0, 1].map(|number| rig.stream(number, true));
    silent.push(0).unwrap();
    talks.push(0).unwrap();
    rig.message("nvp-stream-silent", 1);
    talks.push(40).unwrap();
    rig.log.wait_for(0, "40");
    silent.push(40).unwrap();
    rig.message("nvp-stream-resumed", 1);
    rig.log.wait_for(1, "40");
}

#[test]
fn nobody_is_silent_in_pause() {
    let rig = Rig::new("silence=50");
    rig.pipeline.set_state(gst::State::Paused).unwrap();
    let _camera = rig.stream(0, true);
    std::thread::sleep(Duration::from_millis(150));
    rig.message("nvp-stream-started", 0);
    assert!(rig.pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Element]).is_none());
    rig.play();
    rig.message("nvp-stream-silent", 0);
}

#[test]
fn a_file_that_stalls_costs_the_others_one_latency() {
    let rig = Rig::playing("max-latency=200 silence=0");
    let [talks, _stalls] = [0, 1].map(|number| rig.stream(number, false));
    let started = std::time::Instant::now();
    for ms in 0..100 {
        talks.push(ms).unwrap();
    }
    rig.log.wait_for(0, "99");
    assert!(started.elapsed() < Duration::from_secs(10), "100 times the latency would be 20 s");
    let frames: Vec<_> = rig.log.of(0).into_iter().filter(|line| line.parse::<u64>().is_ok()).collect();
    assert!(frames.into_iter().eq((0..100).map(|ms: u64| ms.to_string())), "and loses nothing");
}

#[test]
fn frames_leave_together_by_their_time() {
    let rig = Rig::new("sync=pts sync-tolerance=10 max-latency=600000 silence=0");
    let (sender, batches) = std::sync::mpsc::channel();
    rig.mux.static_pad("src").unwrap().add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let batch = gstnvperception::meta::BatchMeta::get(info.buffer().unwrap()).unwrap();
        let frames: Vec<_> =
            batch.frames().map(|(s, f)| (s.pad(), f.pts().map(gst::ClockTime::mseconds))).collect();
        if !frames.is_empty() {
            sender.send(frames).unwrap();
        }
        gst::PadProbeReturn::Ok
    });
    rig.play();
    let [fast, slow] = [0, 1].map(|number| rig.stream(number, false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for ms in [0, 33, 67, 100, 133, 167, 200] {
                fast.push(ms).unwrap();
            }
            fast.eos();
        });
        for ms in [2, 102, 202] {
            slow.push(ms).unwrap();
        }
        slow.eos();
    });
    rig.eos();
    let said: Vec<_> = batches.try_iter().collect();
    let both = |a, b| vec![(0, Some(a)), (1, Some(b))];
    let one = |a| vec![(0, Some(a))];
    let sorted: Vec<_> = said
        .into_iter()
        .map(|mut frames| {
            frames.sort();
            frames
        })
        .collect();
    let wanted = [both(0, 2), one(33), one(67), both(100, 102), one(133), one(167), both(200, 202)];
    assert_eq!(sorted, wanted);
}

#[test]
fn times_that_run_backwards_or_are_missing_are_passed_on() {
    let rig = Rig::playing("max-latency=10 sync=pts");
    let stream = rig.stream(0, false);
    for ms in [Some(80), Some(40), None, Some(0), Some(120)] {
        stream.push(ms).unwrap();
    }
    rig.log.wait_for(0, "120");
    assert_eq!(rig.log.of(0)[4..], ["80", "40", "frame", "0", "120"]);
}

#[test]
fn the_latency_is_that_of_the_slowest_live_stream_and_the_batch() {
    let rig = Rig::new("max-latency=30");
    let src = rig.mux.static_pad("src").unwrap();
    let latency = || {
        let mut query = gst::query::Latency::new();
        assert!(src.query(&mut query));
        query.result()
    };
    let _file = rig.stream(0, false);
    assert!(!latency().0);
    let _live = rig.stream(1, true);
    assert_eq!(latency(), (true, gst::ClockTime::from_mseconds(37), gst::ClockTime::NONE));
    let bus = rig.pipeline.bus().unwrap();
    rig.mux.set_property("max-latency", 50u32);
    assert!(bus.pop_filtered(&[gst::MessageType::Latency]).is_some());
    assert_eq!(latency().1, gst::ClockTime::from_mseconds(57));
}

#[test]
fn streams_that_come_too_late_to_leave_together_are_told_of_once() {
    for (properties, fits) in [
        ("", true),
        ("sync=pts", false),
        ("sync=pts max-latency=200 queue-size=6", true),
        ("sync=pts max-latency=200 queue-size=5", false),
    ] {
        let rig = Rig::playing(properties);
        let late = rig.late(1, 207);
        let streams = [rig.stream(0, true), late];
        streams[1].begin();
        let mut query = gst::query::Latency::new();
        for _ in 0..2 {
            assert!(rig.mux.static_pad("src").unwrap().query(&mut query));
        }
        let bus = rig.pipeline.bus().unwrap();
        let mut warned = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Warning]));
        if let Some(message) = warned.next().filter(|_| !fits) {
            let gst::MessageView::Warning(warning) = message.view() else { unreachable!("filtered") };
            let text = warning.error().message().to_owned();
            assert!(text.contains("200 ms later") && text.contains("queue-size to 6"), "{text}");
        } else {
            assert!(fits, "{properties}");
        }
        assert!(warned.next().is_none(), "{properties}");
    }
}

#[test]
fn upstream_is_told_what_is_held_and_that_any_layout_will_do() {
    let rig = Rig::playing("queue-size=3");
    let stream = rig.stream(0, false);
    let caps = stream.sink.current_caps().unwrap();
    let mut query = gst::query::Allocation::new(Some(&caps), true);
    assert!(stream.pad.peer_query(&mut query));
    assert!(query.find_allocation_meta::<gst_video::VideoMeta>().is_some());
    let pools: Vec<_> = query.allocation_pools().map(|(_, size, least, most)| (size, least, most)).collect();
    assert_eq!(pools, [(16, 5, 0)]);
}

#[test]
fn a_stream_is_drained_when_its_frames_have_left() {
    let rig = Rig::playing("max-latency=600000 silence=0 queue-size=3");
    let [drained, other] = [0, 1].map(|number| rig.stream(number, false));
    assert!(drained.pad.peer_query(&mut gst::query::Drain::new()), "there is nothing");
    drained.send(0);
    let asks = std::thread::spawn(move || (drained.pad.peer_query(&mut gst::query::Drain::new()), drained));
    std::thread::sleep(Duration::from_millis(30));
    assert!(!asks.is_finished());
    other.send(0);
    let (answer, drained) = asks.join().unwrap();
    assert!(answer);
    assert!(rig.log.of(0).contains(&"0".to_owned()), "it has left");
    drained.send(40);
    let (pad, sink) = (drained.pad.clone(), drained.sink.clone());
    let asks = std::thread::spawn(move || pad.peer_query(&mut gst::query::Drain::new()));
    std::thread::sleep(Duration::from_millis(30));
    rig.mux.release_request_pad(&sink);
    assert!(!asks.join().unwrap(), "it cannot be");
}

/// Frames with rows of eight bytes, of which four are pixels.
#[test]
fn a_branch_that_reads_no_other_layout_gets_that_of_the_caps() {
    for (reads, size) in [(false, 16), (true, 32)] {
        let rig = Rig::playing("max-latency=10");
        let stream = rig.stream(0, false);
        rig.log.wait_for(0, "Segment");
        let (sender, sizes) = std::sync::mpsc::channel();
        let pad = rig.demux.static_pad("src_0").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            sender.send(info.buffer().unwrap().size()).unwrap();
            gst::PadProbeReturn::Ok
        });
        let sink = pad.peer().unwrap();
        sink.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, move |_, info| {
            match info.query_mut().map(|q| q.view_mut()) {
                Some(gst::QueryViewMut::Allocation(allocation)) => {
                    if reads {
                        allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
                    }
                    gst::PadProbeReturn::Handled
                }
                _ => gst::PadProbeReturn::Ok,
            }
        });
        for ms in [0, 40] {
            let mut frame = gst::Buffer::from_mut_slice(vec![0u8; 32]);
            let writable = frame.get_mut().unwrap();
            writable.set_pts(gst::ClockTime::from_mseconds(ms));
            let (flags, format) = (gst_video::VideoFrameFlags::empty(), gst_video::VideoFormat::Gray8);
            gst_video::VideoMeta::add_full(writable, flags, format, 4, 4, &[0], &[8]).unwrap();
            stream.pad.push(frame).unwrap();
            assert_eq!(sizes.recv_timeout(LIMIT), Ok(size));
        }
        assert_eq!(rig.stat::<u64>(&rig.demux, "repacked"), if reads { 0 } else { 2 });
    }
}

#[test]
fn a_batch_has_so_many_frames_at_most() {
    let rig = Rig::playing("batch-size=2 max-latency=600000 silence=0");
    let streams = [0, 1, 2, 3].map(|number| rig.stream(number, true));
    streams.iter().for_each(|stream| stream.send(0));
    streams.iter().for_each(|stream| rig.log.wait_for(stream.number, "0"));
    assert_eq!((rig.stat::<u64>(&rig.mux, "batches"), rig.stat::<u64>(&rig.mux, "frames")), (2, 4));
    rig.mux.set_property("batch-size", 4u32);
    streams.iter().for_each(|stream| stream.send(40));
    streams.iter().for_each(|stream| rig.log.wait_for(stream.number, "40"));
    assert_eq!((rig.stat::<u64>(&rig.mux, "batches"), rig.stat::<f64>(&rig.mux, "fill")), (3, 1.0));
}

/// Whatever blocks downstream, and whoever waits in a full queue: the way down to NULL is free.
#[test]
fn going_down_wakes_who_waits() {
    for order in ["pipeline", "mux first", "release"] {
        let rig = Rig::playing("max-latency=0");
        let src = rig.mux.static_pad("src").unwrap();
        let block =
            src.add_probe(gst::PadProbeType::BLOCK_DOWNSTREAM, |_, _| gst::PadProbeReturn::Ok).unwrap();
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let source = rig.stream(number, false);
                std::thread::spawn(move || {
                    let until = std::time::Instant::now() + LIMIT;
                    while std::time::Instant::now() < until {
                        if let Err(error) = source.push(0) {
                            return (source, error);
                        }
                    }
                    panic!("{order}: nobody woke it");
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(30));
        assert!(threads.iter().all(|thread| !thread.is_finished()), "{order}: all of them wait");
        match order {
            "release" => {
                for pad in rig.mux.sink_pads() {
                    rig.mux.release_request_pad(&pad);
                }
            }
            "mux first" => {
                rig.mux.set_state(gst::State::Ready).unwrap();
                rig.mux.set_state(gst::State::Null).unwrap();
            }
            _ => {
                rig.pipeline.set_state(gst::State::Ready).unwrap();
            }
        }
        for thread in threads {
            let (_source, error) = thread.join().unwrap();
            assert!(
                [gst::FlowError::Flushing, gst::FlowError::NotLinked].contains(&error),
                "{order}: {error}"
            );
        }
        if order == "release" {
            src.remove_probe(block);
        }
        drop(rig);
    }
}

#[test]
fn without_pads_it_goes_up_and_down() {
    let rig = Rig::new("");
    for _ in 0..3 {
        rig.play();
        std::thread::sleep(Duration::from_millis(5));
        rig.pipeline.set_state(gst::State::Null).unwrap();
    }
    rig.play();
    let stream = rig.stream(0, false);
    stream.push(0).unwrap();
    until(|| rig.stat::<u64>(&rig.demux, "frames") == 1);
    rig.pipeline.set_state(gst::State::Ready).unwrap();
    assert_eq!(rig.stat::<u64>(&rig.mux, "served"), 1, "of the last run");
    assert_eq!(rig.stat::<u64>(&rig.demux, "frames"), 1);
}
