//! Order, events, queries, states: what the element owes the pipeline around it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use gst_video::prelude::*;

use super::*;

const LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(30);

fn pipeline(description: &str) -> gst::Pipeline {
    init();
    gst::parse::launch(description).unwrap().downcast().unwrap()
}

fn model(name: &str) -> String {
    format!("nvpinference name=infer threads=1 confidence=0.1 model=\"{}\"", data(name).display())
}

fn run(pipeline: &gst::Pipeline) -> gst::Message {
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    bus.timed_pop_filtered(LIMIT, &[gst::MessageType::Eos, gst::MessageType::Error]).expect("an end in time")
}

fn to_eos(pipeline: &gst::Pipeline) {
    let end = run(pipeline);
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
}

fn source(frames: usize) -> String {
    format!("videotestsrc num-buffers={frames} ! video/x-raw,format=I420,width=96,height=64,framerate=25/1")
}

#[test]
fn frames_keep_their_order_and_the_end_comes_last() {
    let pipeline = pipeline(&format!("{} ! {} ! fakesink name=sink", source(100), model("yolov8.onnx")));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let pad = pipeline.by_name("sink").unwrap().static_pad("sink").unwrap();
    let log = seen.clone();
    pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => {
                let pts = buffer.pts().map_or(u64::MAX, gst::ClockTime::mseconds);
                assert!(detections(buffer).is_some());
                log.lock().unwrap().push(format!("{pts}"));
            }
            Some(gst::PadProbeData::Event(event)) => log.lock().unwrap().push(event.type_().to_string()),
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
    to_eos(&pipeline);
    let seen = seen.lock().unwrap();
    assert_eq!(seen[..3], ["stream-start", "caps", "segment"]);
    assert_eq!(seen.last().unwrap(), "eos");
    let times: Vec<u64> = seen.iter().filter_map(|s| s.parse().ok()).collect();
    assert_eq!(times, (0..100).map(|i| i * 40).collect::<Vec<_>>());
}

#[test]
fn the_interval_leaves_frames_out_and_says_so() {
    let mut rig = Rig::of("yolov8.onnx");
    rig.element.set_property("interval", 2u32);
    let inferred: Vec<bool> = (0..7)
        .map(|_| {
            let frame = rig.frame(COLOR);
            let out = rig.harness.push_and_pull(frame).unwrap();
            let provenance = ProvenanceMeta::get(&out).unwrap().to_owned();
            let ran = detections(&out).is_some();
            assert_eq!(provenance.stages[0].model_sha256.is_some(), ran);
            ran
        })
        .collect();
    assert_eq!(inferred, [true, false, false, true, false, false, true]);
    assert_eq!((rig.stat("frames-in"), rig.stat("inferred"), rig.stat("skipped-interval")), (7, 3, 4));
}

#[test]
fn a_gap_is_not_inferred() {
    let mut rig = Rig::of("yolov8.onnx");
    let mut frame = rig.frame(COLOR);
    frame.make_mut().set_flags(gst::BufferFlags::GAP);
    let out = rig.harness.push_and_pull(frame).unwrap();
    assert!(detections(&out).is_none());
    assert_eq!(rig.stat("skipped-gap"), 1);
}

#[test]
fn every_property_may_change_while_playing() {
    let mut rig = Rig::of("yolov8.onnx");
    let mut ask = |name: &str, value: &str| {
        rig.element.set_property_from_str(name, value);
        let frame = rig.frame(COLOR);
        classes(&rig.infer(frame))
    };
    assert_eq!(ask("confidence", "0.3"), [0, 1]);
    assert_eq!(ask("confidence", "0.1"), [0, 1, 2]);
    assert_eq!(ask("max-detections", "1"), [0]);
    assert_eq!(ask("max-detections", "300"), [0, 1, 2]);
    assert_eq!(ask("classes", "third"), [2]);
    assert_eq!(ask("classes", "no such class"), [2]);
    assert_eq!(ask("classes", ""), [0, 1, 2]);
    assert_eq!(ask("iou", "1"), [0, 0, 1, 2]);
    assert_eq!(ask("iou", "0.45"), [0, 1, 2]);
    assert_eq!(ask("model", "/nowhere.onnx"), [0, 1, 2]);
    assert_eq!(ask("threads", "2"), [0, 1, 2]);
    let warned = rig.bus.pop_filtered(&[gst::MessageType::Warning]).expect("an unknown class is told");
    let gst::MessageView::Warning(warning) = warned.view() else { unreachable!("filtered") };
    assert!(warning.error().message().contains("no such class"), "{warning:?}");
}

#[test]
fn a_flush_drops_what_waits_and_the_stream_goes_on() {
    let mut rig = Rig::of("yolov8.onnx");
    for _ in 0..3 {
        let frame = rig.frame(COLOR);
        assert!(rig.harness.push(frame).is_ok());
    }
    assert!(rig.harness.push_event(gst::event::FlushStart::new()));
    assert!(rig.harness.push_event(gst::event::FlushStop::new(true)));
    while rig.harness.try_pull().is_some() {}
    rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    let frame = rig.frame(COLOR);
    let pts = frame.pts();
    let out = rig.harness.push_and_pull(frame).unwrap();
    assert_eq!(out.pts(), pts);
    assert!(detections(&out).is_some());
}

#[test]
fn caps_that_a_flush_overtakes_are_not_lost() {
    let mut rig = Rig::of("yolov8.onnx");
    rig.caps = caps("GRAY8", (32, 32));
    rig.harness.set_src_caps(rig.caps.clone());
    rig.harness.push_event(gst::event::FlushStart::new());
    rig.harness.push_event(gst::event::FlushStop::new(true));
    rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    let frame = rig.frame([255; 3]);
    rig.harness.push_and_pull(frame).unwrap();
    let now = rig.element.static_pad("src").unwrap().current_caps().unwrap();
    assert!(now.is_subset(&caps("GRAY8", (32, 32))), "{now}");
}

#[test]
fn seeking_back_and_forth_comes_to_an_end() {
    let pipeline = pipeline(&format!("{} ! {} ! fakesink", source(200), model("yolov8.onnx")));
    pipeline.set_state(gst::State::Paused).unwrap();
    let (result, state, _) = pipeline.state(LIMIT);
    assert!(result.is_ok() && state == gst::State::Paused);
    for second in [4, 1, 6, 0, 7] {
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        pipeline.seek_simple(flags, gst::ClockTime::from_seconds(second)).unwrap();
        assert!(pipeline.state(LIMIT).0.is_ok());
    }
    to_eos(&pipeline);
}

#[test]
fn the_latency_answer_holds_the_model_and_the_line() {
    let mut rig = Rig::of("yolov8.onnx");
    rig.harness.set_upstream_latency(gst::ClockTime::from_mseconds(10));
    let mut query = gst::query::Latency::new();
    assert!(rig.element.static_pad("src").unwrap().query(&mut query));
    let (_, min, max) = query.result();
    assert!(min > gst::ClockTime::from_mseconds(10), "{min}");
    assert!(max.is_none_or(|max| max >= min), "{max:?}");
}

#[test]
fn any_layout_is_welcome_whatever_is_downstream() {
    let mut rig = Rig::of("yolov8.onnx");
    let caps = rig.caps.clone();
    let mut query = gst::query::Allocation::new(Some(&caps), true);
    assert!(rig.element.static_pad("sink").unwrap().query(&mut query));
    assert!(query.find_allocation_meta::<gst_video::VideoMeta>().is_some());
    // The harness's sink does not read GstVideoMeta, so the frame is laid out as its caps say.
    let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
    let plain = rig.frame(COLOR);
    let mut wide = gst::Buffer::with_size(400 * 64).unwrap();
    {
        let wide = wide.get_mut().unwrap();
        let flags = gst_video::VideoFrameFlags::empty();
        gst_video::VideoMeta::add_full(wide, flags, info.format(), 96, 64, &[0], &[400]).unwrap();
        let from = gst_video::VideoFrameRef::from_buffer_ref_readable(&plain, &info).unwrap();
        from.copy(&mut gst_video::VideoFrameRef::from_buffer_ref_writable(wide, &info).unwrap()).unwrap();
    }
    rig.stamp(&mut wide);
    let pts = wide.pts();
    let out = rig.harness.push_and_pull(wide).unwrap();
    assert!(out.meta::<gst_video::VideoMeta>().is_none());
    assert_eq!((out.size(), out.pts()), (info.size(), pts));
    assert_eq!(out.map_readable().unwrap().to_vec(), plain.map_readable().unwrap().to_vec());
    assert_color(&detections(&out).unwrap(), 0.003);
    assert_eq!(rig.stat("repacked"), 1);
}

#[test]
fn provenance_names_the_feed_and_the_stage() {
    let mut rig = Rig::of("yolov8.onnx");
    let sha = rig.message("nvp-model-loaded").unwrap().get::<String>("sha256").unwrap();
    for sequence in 0..3 {
        let frame = rig.frame(COLOR);
        let out = rig.harness.push_and_pull(frame).unwrap();
        let provenance = ProvenanceMeta::get(&out).unwrap().to_owned();
        assert_eq!(provenance.sequence, sequence);
        assert!(!provenance.feed.is_empty());
        let [stage] = &provenance.stages[..] else { panic!("{provenance:?}") };
        assert_eq!(stage.model_sha256.as_deref(), Some(&*sha));
        assert_eq!(stage.provider.as_deref(), Some("CPUExecutionProvider"));
        assert!(stage.start < stage.end);
    }
}

#[test]
fn what_downstream_answers_reaches_upstream() {
    let pipeline = pipeline(&format!(
        "{} ! {} ! identity error-after=5 ! fakesink",
        source(-1i64 as usize & 0x7fff_ffff),
        model("yolov8.onnx")
    ));
    let end = run(&pipeline);
    assert_eq!(end.type_(), gst::MessageType::Error);
    assert!(end.src().unwrap().name().starts_with("identity"), "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn downstream_may_have_enough() {
    let pipeline = pipeline(&format!(
        "{} ! {} ! identity eos-after=5 ! fakesink",
        source(1_000_000),
        model("yolov8.onnx")
    ));
    to_eos(&pipeline);
    let few = format!("{} ! {} ! identity eos-after=2 ! fakesink", source(2), model("yolov8.onnx"));
    to_eos(&self::pipeline(&few));
}

#[test]
fn a_short_stream_to_nowhere_ends_with_an_error() {
    let pipeline = pipeline(&format!("{} ! {}", source(2), model("yolov8.onnx")));
    assert_eq!(run(&pipeline).type_(), gst::MessageType::Error);
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn an_element_whose_source_is_not_linked_stops_its_upstream() {
    let pipeline = pipeline(&format!("{} ! {}", source(1_000_000), model("yolov8.onnx")));
    let end = run(&pipeline);
    assert_eq!(end.type_(), gst::MessageType::Error);
    assert!(format!("{end:?}").contains("not-linked"), "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn two_elements_in_line_keep_their_results_apart() {
    let pipeline = pipeline(&format!(
        "{} ! {} ! nvpinference model=\"{}\" threads=1 ! fakesink name=sink",
        source(20),
        model("yolov8.onnx"),
        data("yolov5.onnx").display()
    ));
    let count = Arc::new(AtomicUsize::new(0));
    let pad = pipeline.by_name("sink").unwrap().static_pad("sink").unwrap();
    let counted = count.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(gst::PadProbeData::Buffer(buffer)) = &info.data else { return gst::PadProbeReturn::Ok };
        let mut models: Vec<_> = DetectionMeta::all(buffer).map(|d| d.model().to_owned()).collect();
        models.sort();
        assert_eq!(models, ["yolov5", "yolov8"]);
        counted.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    to_eos(&pipeline);
    assert_eq!(count.load(Ordering::Relaxed), 20);
}

#[test]
fn another_model_is_loaded_in_ready() {
    let pipeline = pipeline(&format!("{} ! {} ! fakesink", source(3), model("yolov8.onnx")));
    let infer = pipeline.by_name("infer").unwrap();
    to_eos(&pipeline);
    pipeline.set_state(gst::State::Ready).unwrap();
    infer.set_property("model", data("yolov5.onnx").to_str().unwrap());
    let bus = pipeline.bus().unwrap();
    bus.set_flushing(true);
    bus.set_flushing(false);
    pipeline.set_state(gst::State::Paused).unwrap();
    let loaded = bus.timed_pop_filtered(LIMIT, &[gst::MessageType::Element]).unwrap();
    assert_eq!(loaded.structure().unwrap().get::<&str>("family").unwrap(), "yolov5");
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_stop_in_mid_stream_is_prompt_and_clean() {
    for _ in 0..20 {
        let pipeline = pipeline(&format!("{} ! {} ! fakesink", source(100_000), model("yolov8.onnx")));
        pipeline.set_state(gst::State::Playing).unwrap();
        assert!(pipeline.state(LIMIT).0.is_ok());
        pipeline.set_state(gst::State::Null).unwrap();
    }
}
