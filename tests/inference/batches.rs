//! Batch buffers: frames of several streams, each with its own results.

use gstnvperception::meta::{BATCH_CAPS, Batch, BatchItem, BatchMeta, BatchStream, StreamFacts};

use super::sharing::{assert_is, color};
use super::*;

struct Camera {
    stream: BatchStream,
    caps: gst::Caps,
}

/// The stream on a pad; its frames are of any format and of a size with the model's aspect ratio.
fn camera(pad: u32, format: &str, size: (u32, u32)) -> Camera {
    init();
    let caps = caps(format, size);
    Camera { stream: stream(pad, Some(caps.clone())), caps }
}

fn stream(pad: u32, caps: Option<gst::Caps>) -> BatchStream {
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    BatchStream::new(StreamFacts {
        pad,
        id: format!("camera/{pad}").into(),
        name: format!("camera {pad}").into(),
        caps,
        segment: Some(segment.upcast()),
    })
}

fn cameras() -> [Camera; 3] {
    [camera(0, "RGB", SIZE), camera(4, "BGRx", (192, 128)), camera(7, "xRGB", (48, 32))]
}

impl Camera {
    fn frame(&self, index: u64, color: [u8; 3]) -> BatchItem {
        let mut frame = picture(&self.caps, color);
        frame.make_mut().set_pts(FRAME * index);
        BatchItem::frame(self.stream.clone(), frame)
    }
}

fn rig(model: &str, properties: &[(&str, &str)]) -> Rig {
    let element = element(model);
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    Rig::new(element, gst::Caps::new_empty_simple(BATCH_CAPS))
}

fn batch(items: Vec<BatchItem>) -> gst::Buffer {
    let mut buffer = gst::Buffer::new();
    BatchMeta::set(buffer.make_mut(), Batch { items });
    buffer
}

impl Rig {
    /// The frames of a batch, once they were through.
    fn pass(&mut self, items: Vec<BatchItem>) -> Vec<gst::Buffer> {
        let out = self.harness.push_and_pull(batch(items)).unwrap();
        let batch = BatchMeta::get(&out).expect("still a batch").to_owned();
        batch.frames().map(|(_, frame)| frame.clone()).collect()
    }
}

#[test]
fn one_run_serves_a_batch_of_frames_of_any_size_and_format() {
    for (model, runs) in [("batch_open.onnx", 6), ("batch_of_4.onnx", 6), ("yolov8.onnx", 18)] {
        let mut rig = rig(model, &[]);
        let cameras = cameras();
        for index in 0..6 {
            let of = |camera: usize| color(camera, index as usize);
            let frames: Vec<_> = (0..3).map(|camera| cameras[camera].frame(index, of(camera))).collect();
            let before: Vec<_> = frames.iter().map(|item| format!("{:?}", item.stream.caps())).collect();
            let out = rig.harness.push_and_pull(batch(frames)).unwrap();
            let batch = BatchMeta::get(&out).unwrap().to_owned();
            for (camera, (stream, frame)) in batch.frames().enumerate() {
                assert_eq!(format!("{:?}", stream.caps()), before[camera]);
                assert_eq!(frame.pts(), Some(FRAME * index));
                assert_is(&detections(frame).expect("inferred"), of(camera));
                let provenance = ProvenanceMeta::get(frame).unwrap().to_owned();
                assert_eq!((&*provenance.feed, provenance.sequence), (stream.id(), index));
                assert!(provenance.stages[0].model_sha256.is_some());
            }
            assert_eq!(batch.frames().count(), 3);
        }
        assert_eq!((rig.stat("frames-in"), rig.stat("inferred")), (18, 18));
        assert_eq!((rig.stat("instance-runs"), rig.stat("instance-pictures")), (runs, 18), "{model}");
    }
}

#[test]
fn more_frames_than_a_run_takes_are_several_runs() {
    let mut rig = rig("batch_open.onnx", &[("batch-size", "4")]);
    let cameras: Vec<_> = (0..10).map(|pad| camera(pad, "RGB", SIZE)).collect();
    let frames = cameras.iter().enumerate().map(|(i, camera)| camera.frame(0, color(i % 4, i))).collect();
    for (i, frame) in rig.pass(frames).iter().enumerate() {
        assert_is(&detections(frame).unwrap(), color(i % 4, i));
    }
    assert_eq!(rig.stat("instance-runs"), 3);
}

#[test]
fn interval_and_rate_count_in_each_stream() {
    let cameras = cameras();
    let mut interval = rig("batch_open.onnx", &[("interval", "1")]);
    let mut rate = rig("batch_open.onnx", &[("max-fps", "10")]);
    for index in 0..6u64 {
        // The second stream has a frame in every other batch, the third joins late.
        let taking_part = [true, index % 2 == 0, index > 2];
        let frames = |color| {
            let present = (0..3).filter(|camera| taking_part[*camera]);
            present.map(|camera| cameras[camera].frame(index, color)).collect::<Vec<_>>()
        };
        let inferred = |frames: Vec<gst::Buffer>| {
            let mut frames = frames.iter().map(|frame| detections(frame).is_some());
            taking_part.map(|there| there.then(|| frames.next().unwrap()))
        };
        let seen = inferred(interval.pass(frames(COLOR)));
        let second = (index % 2 == 0).then_some(index % 4 == 0);
        assert_eq!(seen, [Some(index % 2 == 0), second, (index > 2).then_some(index != 4)], "batch {index}");
        let seen = inferred(rate.pass(frames(COLOR)));
        let second = (index % 2 == 0).then_some(index != 2);
        let third = (index > 2).then_some(index == 3);
        assert_eq!(seen, [Some([0, 3, 5].contains(&index)), second, third], "batch {index}");
    }
}

#[test]
fn a_failure_marks_its_frame_and_no_other_stream() {
    let mut rig = rig("batch_fails_on_bright.onnx", &[]);
    let cameras = cameras();
    for index in 0..3 {
        let colors = [COLOR, [250; 3], COLOR];
        let frames = (0..3).map(|camera| cameras[camera].frame(index, colors[camera])).collect();
        let frames = rig.pass(frames);
        assert_color(&detections(&frames[0]).unwrap(), 0.02);
        assert_eq!((stage(&frames[1]).0.as_str(), detections(&frames[1])), ("model", None));
        assert_color(&detections(&frames[2]).unwrap(), 0.02);
    }
    assert_eq!((rig.stat("failed"), rig.stat("inferred")), (3, 6));
    let warned = rig.bus.pop_filtered(&[gst::MessageType::Warning]).expect("a warning names the stream");
    let gst::MessageView::Warning(warning) = warned.view() else { unreachable!("filtered") };
    assert!(warning.error().message().starts_with("Stream camera 4: Model "), "{warning:?}");
    assert!(rig.bus.pop_filtered(&[gst::MessageType::Warning]).is_none(), "once is enough");
    rig.pass(vec![cameras[1].frame(3, COLOR)]);
    rig.pass(vec![cameras[1].frame(4, [250; 3])]);
    assert!(rig.bus.pop_filtered(&[gst::MessageType::Warning]).is_some(), "it worked meanwhile");
    assert!(rig.bus.pop_filtered(&[gst::MessageType::Error]).is_none());
}

#[test]
fn a_model_is_switched_off_for_the_stream_that_it_fails_on() {
    let mut rig = rig("batch_fails_on_bright.onnx", &[("failure-threshold", "2")]);
    let cameras = cameras();
    for index in 0..4 {
        let frames = rig.pass(vec![cameras[0].frame(index, COLOR), cameras[1].frame(index, [250; 3])]);
        assert!(detections(&frames[0]).is_some());
        assert_eq!(stage(&frames[1]).0, if index < 2 { "model" } else { "disabled" });
    }
    let told = rig.message("nvp-model-disabled").unwrap();
    assert_eq!(told.get::<&str>("stream").unwrap(), "camera 4");
}

#[test]
fn a_stream_that_cannot_be_read_passes_and_is_named() {
    let mut rig = rig("batch_open.onnx", &[]);
    let good = camera(0, "RGB", SIZE);
    let mut interlaced = caps("RGB", SIZE);
    interlaced.make_mut().set("interlace-mode", "interleaved");
    let odd = [(1, None), (2, Some(caps("GRAY16_LE", SIZE))), (3, Some(interlaced))];
    for index in 0..3 {
        let mut items = vec![good.frame(index, COLOR)];
        for (pad, caps) in &odd {
            items.push(BatchItem::frame(
                stream(*pad, caps.clone()),
                gst::Buffer::with_size(96 * 64 * 3).unwrap(),
            ));
        }
        let frames = rig.pass(items);
        assert_color(&detections(&frames[0]).unwrap(), 0.003);
        for frame in &frames[1..] {
            assert_eq!((stage(frame).0.as_str(), detections(frame)), ("format", None));
        }
    }
    let mut told = Vec::new();
    while let Some(message) = rig.bus.pop_filtered(&[gst::MessageType::Warning]) {
        let gst::MessageView::Warning(warning) = message.view() else { unreachable!("filtered") };
        told.push(warning.error().message().to_owned());
    }
    for (pad, part) in [(1, "no caps"), (2, "GRAY16_LE"), (3, "deinterlace")] {
        let of_pad = |text: &&String| text.contains(&format!("camera {pad} ")) && text.contains(part);
        assert_eq!(told.iter().filter(of_pad).count(), 1, "{part}: {told:?}");
    }
    // A frame that is smaller than its caps say is its own stream's trouble, too.
    let small = BatchItem::frame(camera(5, "RGB", SIZE).stream, gst::Buffer::with_size(7).unwrap());
    let frames = rig.pass(vec![small, good.frame(3, COLOR)]);
    assert_eq!(stage(&frames[0]).0, "model");
    assert_color(&detections(&frames[1]).unwrap(), 0.003);
}

#[test]
fn caps_change_and_streams_come_and_go_in_mid_batch() {
    let mut rig = rig("batch_open.onnx", &[("interval", "1")]);
    let (first, other) = (camera(0, "RGB", SIZE), camera(0, "RGBA", (192, 128)));
    let frames = rig.pass(vec![
        first.frame(0, COLOR),
        first.frame(1, COLOR),
        BatchItem::event(other.stream.clone(), gst::event::Caps::new(&other.caps)),
        other.frame(2, COLOR),
        BatchItem::released(other.stream.clone()),
        first.frame(0, COLOR),
        BatchItem::event(first.stream.clone(), gst::event::StreamStart::new("camera/0")),
        first.frame(0, COLOR),
        BatchItem::event(first.stream.clone(), gst::event::FlushStop::new(true)),
        first.frame(0, COLOR),
    ]);
    let inferred: Vec<_> = frames.iter().map(|frame| detections(frame).is_some()).collect();
    assert_eq!(inferred, [true, false, true, true, true, true]);
    let sequence = |frame: &gst::Buffer| ProvenanceMeta::get(frame).unwrap().to_owned().sequence;
    assert_eq!(frames.iter().map(sequence).collect::<Vec<_>>(), [0, 1, 2, 0, 0, 1]);
}

#[test]
fn batches_go_on_at_once_when_the_model_works_beside_them() {
    let mut rig = rig("batch_open.onnx", &[("mode", "async")]);
    let cameras = cameras();
    let mut late = [0; 3];
    let begun = std::time::Instant::now();
    let mut index = 0;
    while late.iter().any(|count| *count < 3) {
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{late:?}");
        let frames = (0..3).map(|camera| cameras[camera].frame(index, color(camera, 5))).collect();
        for (camera, frame) in rig.pass(frames).iter().enumerate() {
            match detections(frame) {
                Some(found) => {
                    assert_is(&found, color(camera, 5));
                    assert!(found.age > 0 && found.source_pts.is_some());
                    late[camera] += 1;
                }
                None => assert_eq!(stage(frame).0, "async"),
            }
        }
        index += 1;
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert_eq!(rig.stat("instance-users"), 4, "one for each stream, and one for frames without a batch");
    rig.pass(vec![BatchItem::released(cameras[1].stream.clone())]);
    assert_eq!(rig.stat("instance-users"), 3);
}

fn eos(camera: &Camera) -> BatchItem {
    BatchItem::event(camera.stream.clone(), gst::event::Eos::new())
}

#[test]
fn a_stream_that_ends_leaves_nothing_behind() {
    let mut rig = rig("batch_open.onnx", &[("mode", "async")]);
    for pad in 0..10 {
        let camera = camera(pad, "RGB", SIZE);
        rig.pass(vec![camera.frame(0, COLOR)]);
        assert_eq!(rig.stat("instance-users"), 2);
        rig.pass(vec![eos(&camera)]);
        assert_eq!(rig.stat("instance-users"), 1, "its own alone");
    }
}

#[test]
fn the_last_frame_has_what_is_known_before_its_stream_ends() {
    let start = |camera: &Camera| {
        BatchItem::event(camera.stream.clone(), gst::event::StreamStart::new("camera/again"))
    };
    for end in [eos, start] {
        let mut rig = rig("batch_open.onnx", &[("mode", "async")]);
        let camera = camera(0, "RGB", SIZE);
        rig.pass(vec![camera.frame(0, COLOR)]);
        let begun = std::time::Instant::now();
        while rig.stat("instance-in-flight") > 0 || rig.stat("instance-runs") == 0 {
            assert!(begun.elapsed() < std::time::Duration::from_secs(20));
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let frames = rig.pass(vec![camera.frame(1, COLOR), end(&camera)]);
        assert_color(&detections(&frames[0]).expect("the result of the one before"), 0.003);
        assert_eq!((rig.stat("skipped-queue"), rig.stat("inferred"), rig.stat("dropped-flush")), (0, 1, 1));
    }
}

#[test]
fn a_flushed_stream_has_one_place_in_the_queue() {
    let mut rig = rig("slow.onnx", &[("mode", "async"), ("workers", "1")]);
    let cameras = cameras();
    for index in 0..4 {
        let flush = BatchItem::event(cameras[0].stream.clone(), gst::event::FlushStop::new(true));
        rig.pass(vec![flush, cameras[0].frame(index, COLOR), cameras[1].frame(index, COLOR)]);
    }
    assert!(rig.stat("instance-in-flight") <= 4, "of each stream one in the model and one in the queue");
    rig.element.set_state(gst::State::Ready).unwrap();
    assert_eq!((rig.stat("frames-in"), rig.outcomes()), (8, 8));
}

#[test]
fn the_latency_is_that_of_all_frames_of_a_batch() {
    let mut rig = rig("slow.onnx", &[("workers", "1")]);
    let cameras: Vec<_> = (0..4).map(|pad| camera(pad, "RGB", SIZE)).collect();
    let begun = std::time::Instant::now();
    rig.pass(cameras.iter().map(|camera| camera.frame(0, COLOR)).collect());
    let took = begun.elapsed().as_nanos() as u64;
    let latency = rig.harness.query_latency().unwrap().nseconds();
    assert!(2 * latency > took, "{took} ns for four runs, and the latency is {latency} ns");
}

#[test]
fn every_frame_of_a_batch_is_accounted_for() {
    for mode in ["sync", "async"] {
        let mut rig = rig("slow.onnx", &[("mode", mode), ("workers", "1")]);
        let cameras = cameras();
        let push = |rig: &mut Rig, index| {
            let frames = cameras.iter().map(|camera| camera.frame(index, COLOR)).collect();
            rig.harness.push(batch(frames)).unwrap();
        };
        push(&mut rig, 0);
        push(&mut rig, 1);
        rig.harness.push_event(gst::event::FlushStart::new());
        rig.harness.push_event(gst::event::FlushStop::new(true));
        rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        push(&mut rig, 2);
        push(&mut rig, 3);
        rig.element.set_state(gst::State::Ready).unwrap();
        assert_eq!((rig.stat("frames-in"), rig.outcomes()), (12, 12), "{mode}");
    }
}

#[test]
fn frames_that_downstream_does_not_want_are_counted_and_events_go_on() {
    for mode in ["sync", "async"] {
        let mut rig = rig("batch_open.onnx", &[("mode", mode)]);
        let [first, second, _] = cameras();
        let src = rig.element.static_pad("src").unwrap();
        // What goes on is told, and what has frames is enough.
        let (sender, told) = std::sync::mpsc::channel();
        src.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let Some(gst::PadProbeData::Buffer(buffer)) = &info.data else { unreachable!("a buffer probe") };
            let batch = BatchMeta::get(buffer).unwrap().to_owned();
            let frames = batch.frames().count();
            sender.send((frames, batch.items.len() - frames)).unwrap();
            info.flow_res = if frames > 0 { Err(gst::FlowError::Eos) } else { Ok(gst::FlowSuccess::Ok) };
            gst::PadProbeReturn::Handled
        });
        let mut pushed = 0;
        while rig.harness.push(batch(vec![first.frame(pushed, COLOR), second.frame(pushed, COLOR)])).is_ok() {
            pushed += 1;
            assert!(pushed < 1000, "{mode}");
        }
        assert_eq!(rig.harness.push(batch(vec![eos(&first)])), Ok(gst::FlowSuccess::Ok), "{mode}");
        let limit = std::time::Duration::from_secs(20);
        while told.recv_timeout(limit).unwrap() != (0, 1) {}
        let start = gst::event::StreamStart::new("camera/again");
        let again = vec![BatchItem::event(first.stream.clone(), start), first.frame(0, COLOR)];
        let _ = rig.harness.push(batch(again));
        assert_eq!(told.recv_timeout(limit), Ok((1, 1)), "{mode}: what begins anew is asked again");
        rig.element.set_state(gst::State::Ready).unwrap();
        assert_eq!(rig.stat("frames-in"), rig.outcomes(), "{mode}");
    }
}

#[test]
fn elements_share_a_model_for_their_batches() {
    let properties = [("model-instance", "batches"), ("workers", "1")];
    let mut rigs = [0; 2].map(|_| rig("batch_open.onnx", &properties));
    let cameras = cameras();
    for index in 0..4 {
        for (i, rig) in rigs.iter_mut().enumerate() {
            let frames = (0..3).map(|camera| cameras[camera].frame(index, color(camera, i))).collect();
            for (camera, frame) in rig.pass(frames).iter().enumerate() {
                assert_is(&detections(frame).unwrap(), color(camera, i));
            }
        }
    }
    for rig in rigs {
        rig.element.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn an_empty_batch_passes_and_a_buffer_without_one_is_an_error() {
    let mut rig = rig("batch_open.onnx", &[]);
    assert!(rig.pass(Vec::new()).is_empty());
    assert_eq!(rig.harness.push(gst::Buffer::new()), Err(gst::FlowError::Error));
    let error = rig.error();
    assert!(error.contains("carries no batch") && error.contains("nvpbatchmux"), "{error}");
}

#[test]
fn through_mux_and_demux_each_stream_has_its_own_results() {
    init();
    let model = data("batch_open.onnx");
    let colors: [[u8; 3]; 4] = std::array::from_fn(|stream| color(stream, 3 * stream));
    let sizes = [(96, 64), (192, 128), (48, 32), (96, 64)];
    let mut description = format!(
        "nvpbatchmux name=mux ! nvpinference name=infer confidence=0.1 model=\"{}\" ! nvpbatchdemux name=demux ",
        model.display()
    );
    for (i, ([r, g, b], (width, height))) in colors.into_iter().zip(sizes).enumerate() {
        let color = u32::from_be_bytes([255, r, g, b]);
        description += &format!(
            "videotestsrc num-buffers=20 pattern=solid-color foreground-color={color} \
             ! video/x-raw,format=RGB,width={width},height={height} ! mux.sink_{i} \
             demux.src_{i} ! queue ! fakesink name=sink{i} async=false "
        );
    }
    let pipeline = gst::parse::launch(&description).unwrap().downcast::<gst::Pipeline>().unwrap();
    let counts = std::sync::Arc::new([0; 4].map(std::sync::atomic::AtomicUsize::new));
    for (i, color) in colors.into_iter().enumerate() {
        let counts = counts.clone();
        let pad = pipeline.by_name(&format!("sink{i}")).unwrap().static_pad("sink").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let Some(gst::PadProbeData::Buffer(buffer)) = &info.data else { unreachable!("a buffer probe") };
            assert_is(&detections(buffer).expect("inferred"), color);
            counts[i].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
    }
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(20), &ends).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    let stats = pipeline.by_name("infer").unwrap().property::<gst::Structure>("stats");
    let runs: u64 = stats.get("instance-runs").unwrap();
    assert!(runs < 60, "{runs} runs for 80 frames");
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(counts.iter().all(|count| count.load(std::sync::atomic::Ordering::Relaxed) == 20));
}

#[test]
fn what_takes_no_batches_is_not_linked_after_it_and_told_of_in_words_when_it_is() {
    let element = element("batch_open.onnx");
    let mux = "videotestsrc ! nvpbatchmux ! nvpinference name=infer";
    for follows in ["nvptracker", "nvpoverlay", "queue ! nvptracker"] {
        let error = gst::parse::launch(&format!("{mux} ! {follows} ! fakesink")).unwrap_err();
        assert!(error.message().starts_with("could not link"), "{error}");
    }
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_sink_caps_str("video/x-raw");
    harness.play();
    assert!(harness.push_event(gst::event::StreamStart::new("batches")));
    harness.push_event(gst::event::Caps::new(&gst::Caps::new_empty_simple(BATCH_CAPS)));
    let error = error_on(&bus);
    assert!(error.contains("Put 'nvpbatchdemux' after it"), "{error}");
}
