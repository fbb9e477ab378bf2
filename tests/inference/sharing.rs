//! Elements that share one model.

use std::time::{Duration, Instant};

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

/// A rig whose element shares a model with those of the same instance.
fn member(instance: &str, model: &str, properties: &[(&str, &str)]) -> Rig {
    Rig::new(sharing(instance, model, properties), caps("RGB", SIZE))
}

fn sharing(instance: &str, model: &str, properties: &[(&str, &str)]) -> gst::Element {
    let element = element(model);
    element.set_property("model-instance", instance);
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    element
}

/// A colour of which each stream has its own on each frame.
pub(super) fn color(stream: usize, frame: usize) -> [u8; 3] {
    [60 + 20 * stream as u8, 200 - 7 * frame as u8, 40 + 9 * frame as u8]
}

#[track_caller]
pub(super) fn assert_is(found: &Detections, color: [u8; 3]) {
    assert_eq!(found.items.len(), 3, "{found:?}");
    for item in &found.items {
        let expected = f32::from(color[item.class_id as usize]) / 255.0;
        let off = (item.confidence - expected).abs();
        assert!(off < 0.012, "class {}: {} instead of {expected}", item.class_id, item.confidence);
    }
}

fn stop(rig: &Rig) {
    rig.element.set_state(gst::State::Null).unwrap();
}

fn pulled(rig: &mut Rig) -> gst::Buffer {
    rig.harness.pull().unwrap()
}

/// Pushes a frame after a flush or a stop and pulls it; one from before may have been on its way downstream already.
fn through(rig: &mut Rig, picture: gst::Buffer) -> gst::Buffer {
    let pts = picture.pts();
    rig.harness.push(picture).unwrap();
    loop {
        let out = pulled(rig);
        if out.pts() == pts {
            return out;
        }
    }
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LIMIT, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn four_streams(instance: &str, model: &str, properties: &[(&str, &str)]) -> Vec<Rig> {
    let formats = [("RGB", SIZE), ("BGRx", (192, 128)), ("RGBA", (48, 32)), ("xRGB", (96, 64))];
    let streams = formats.iter().enumerate().map(|(stream, (format, size))| {
        let mut rig = Rig::new(sharing(instance, model, properties), caps(format, *size));
        std::thread::spawn(move || {
            for frame in 0..15 {
                let color = color(stream, frame);
                let picture = rig.frame(color);
                let out = rig.harness.push_and_pull(picture).unwrap();
                assert_is(&detections(&out).expect("inferred"), color);
            }
            rig
        })
    });
    let streams: Vec<_> = streams.collect();
    streams.into_iter().map(|stream| stream.join().unwrap()).collect()
}

fn fill_ratio(rig: &Rig) -> f64 {
    rig.element.property::<gst::Structure>("stats").get("instance-fill-ratio").unwrap()
}

#[test]
fn each_stream_gets_its_own_results() {
    for (model, workers) in [("batch_open.onnx", "1"), ("batch_open.onnx", "2"), ("batch_of_4.onnx", "1")] {
        let properties = [("workers", workers), ("max-latency", "1000")];
        let rigs = four_streams("own results", model, &properties);
        let of_first = |name| rigs[0].stat(name);
        assert_eq!(of_first("instance-users"), 4);
        assert_eq!((of_first("instance-submitted"), of_first("instance-pictures")), (60, 60));
        assert!(of_first("instance-runs") < 40, "{} runs", of_first("instance-runs"));
        assert_eq!((of_first("instance-rejected"), of_first("instance-timed-out")), (0, 0));
        let fill = fill_ratio(&rigs[0]);
        assert!(fill > 0.0 && fill <= 1.0, "{fill}");
        assert_eq!(of_first("inferred"), 15);
        rigs.iter().for_each(stop);
    }
}

#[test]
fn a_model_that_takes_one_picture_is_shared_too() {
    let rigs = four_streams("one picture", "yolov8.onnx", &[("workers", "2")]);
    assert_eq!((rigs[3].stat("instance-runs"), fill_ratio(&rigs[3])), (60, 1.0));
    rigs.iter().for_each(stop);
}

#[test]
fn other_settings_for_the_same_name_are_an_error_that_says_which() {
    let first = member("settings", "yolov8.onnx", &[("workers", "1")]);
    let same =
        member("settings", "yolov8.onnx", &[("workers", "1"), ("confidence", "0.5"), ("mode", "async")]);
    let other = sharing("settings", "yolov5.onnx", &[("workers", "2"), ("max-latency", "7")]);
    let bus = gst::Bus::new();
    other.set_bus(Some(&bus));
    assert!(other.set_state(gst::State::Ready).is_err());
    let error = error_on(&bus);
    for part in [
        "\"settings\"",
        "yolov5.onnx here",
        "yolov8.onnx there",
        "workers is 2 here and 1 there",
        "max-latency is 7 here and 10 there",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!error.contains("threads"), "{error}");
    // The last one unloads it.
    stop(&first);
    stop(&same);
    other.set_state(gst::State::Ready).unwrap();
    other.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_loaded_instance_is_announced_by_each_who_joins() {
    let (first, second) =
        (member("announced", "batch_open.onnx", &[]), member("announced", "batch_open.onnx", &[]));
    for rig in [&first, &second] {
        let told = rig.message("nvp-model-loaded").unwrap();
        assert_eq!(told.get::<&str>("instance").unwrap(), "announced");
        assert_eq!(told.get::<u32>("batch").unwrap(), 8);
    }
    stop(&first);
    stop(&second);
}

#[test]
fn who_hangs_downstream_holds_nobody_up() {
    let properties = [("workers", "1"), ("max-latency", "5")];
    let mut hanging = member("hanging", "batch_open.onnx", &properties);
    let mut lively = member("hanging", "batch_open.onnx", &properties);
    let src = hanging.element.static_pad("src").unwrap();
    let probe =
        src.add_probe(gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER, |_, _| gst::PadProbeReturn::Ok);
    for frame in 0..3 {
        let picture = hanging.frame(color(1, frame));
        hanging.harness.push(picture).unwrap();
    }
    for frame in 0..15 {
        let picture = lively.frame(color(0, frame));
        assert_is(&lively.infer(picture), color(0, frame));
    }
    src.remove_probe(probe.unwrap());
    for frame in 0..3 {
        assert_is(&detections(&pulled(&mut hanging)).unwrap(), color(1, frame));
    }
    stop(&hanging);
    stop(&lively);
}

#[test]
fn who_stops_or_flushes_with_a_frame_in_the_model_takes_it_along() {
    let mut rigs = [0; 3].map(|_| member("leaving", "slow.onnx", &[("workers", "1")]));
    for _ in 0..2 {
        for rig in &mut rigs {
            let picture = rig.frame(COLOR);
            rig.harness.push(picture).unwrap();
        }
        rigs[0].harness.push_event(gst::event::FlushStart::new());
        rigs[0].harness.push_event(gst::event::FlushStop::new(true));
        rigs[0].harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        rigs[1].element.set_state(gst::State::Ready).unwrap();
        assert_color(&detections(&pulled(&mut rigs[2])).unwrap(), 0.003);
        rigs[1].harness.play();
        let caps = rigs[1].caps.clone();
        rigs[1].harness.set_src_caps(caps);
        for rig in &mut rigs[..2] {
            let picture = rig.frame(COLOR);
            assert_color(&detections(&through(rig, picture)).unwrap(), 0.003);
        }
    }
    rigs.iter().for_each(stop);
}

#[test]
fn a_failure_in_a_batch_marks_only_its_frames() {
    let properties = [("workers", "1"), ("max-latency", "10000"), ("failure-threshold", "100")];
    let mut good = member("failing", "batch_fails_on_bright.onnx", &properties);
    let mut bad = member("failing", "batch_fails_on_bright.onnx", &properties);
    let picture = good.frame(COLOR);
    good.infer(picture);
    for _ in 0..4 {
        let (bright, picture) = (bad.frame([250; 3]), good.frame(COLOR));
        bad.harness.push(bright).unwrap();
        good.harness.push(picture).unwrap();
        assert_color(&detections(&pulled(&mut good)).unwrap(), 0.003);
        let failed = pulled(&mut bad);
        assert_eq!((stage(&failed).0.as_str(), detections(&failed)), ("model", None));
    }
    let of = |name| good.stat(name);
    assert_eq!(
        (of("instance-batches"), of("instance-runs")),
        (5, 13),
        "each of four pairs, then each frame alone"
    );
    assert_eq!((bad.stat("failed"), of("failed")), (4, 0));
    stop(&good);
    stop(&bad);
}

#[test]
fn a_buffer_waits_so_long_for_its_result_and_no_longer() {
    let mut rig = member("timeout", "slow.onnx", &[("workers", "1"), ("response-timeout", "20")]);
    for _ in 0..2 {
        let picture = rig.frame(COLOR);
        let out = rig.harness.push_and_pull(picture).unwrap();
        assert_eq!((stage(&out).0.as_str(), detections(&out)), ("timeout", None));
    }
    assert_eq!((rig.stat("skipped-timeout"), rig.stat("instance-timed-out")), (2, 2));
    rig.element.set_property("response-timeout", 0u32);
    wait_for("the model is free", || rig.stat("instance-in-flight") == 0);
    let picture = rig.frame(COLOR);
    assert_color(&rig.infer(picture), 0.003);
    stop(&rig);
}

#[test]
fn a_full_queue_turns_those_away_who_do_not_wait() {
    let properties = [("workers", "1"), ("mode", "async"), ("queue-capacity", "1")];
    let mut rigs = [0; 3].map(|_| member("queue", "slow.onnx", &properties));
    let mut push = |i: usize| {
        let picture = rigs[i].frame(COLOR);
        let out = rigs[i].harness.push_and_pull(picture).unwrap();
        stage(&out).0
    };
    assert_eq!(push(0), "async");
    wait_for("the first frame is in the model", || {
        // One in the model and one in the queue, and the third finds it full.
        push(1) == "async" && push(2) == "queue"
    });
    let turned_away: u64 = rigs.iter().map(|rig| rig.stat("skipped-queue")).sum();
    assert!(rigs[2].stat("skipped-queue") > 0);
    assert_eq!(turned_away, rigs[0].stat("instance-rejected"));
    rigs.iter().for_each(stop);
}

#[test]
fn those_who_wait_and_those_who_do_not_share_a_model() {
    let mut waiting = member("modes", "batch_open.onnx", &[("workers", "1")]);
    let mut going_on = member("modes", "batch_open.onnx", &[("workers", "1"), ("mode", "async")]);
    for frame in 0..5 {
        let picture = waiting.frame(color(0, frame));
        assert_is(&waiting.infer(picture), color(0, frame));
        wait_for("a result comes with a later frame", || {
            let picture = going_on.frame(color(1, frame));
            let out = going_on.harness.push_and_pull(picture).unwrap();
            detections(&out).inspect(|found| assert!(found.age > 0)).is_some()
        });
    }
    stop(&waiting);
    stop(&going_on);
}

#[test]
fn another_model_takes_over_for_all_who_share_it() {
    let mut rigs = [0; 2].map(|_| member("changing", "yolov8.onnx", &[("workers", "2")]));
    for rig in &mut rigs {
        let picture = rig.frame(COLOR);
        assert_eq!(&*rig.infer(picture).model, "yolov8");
        rig.message("nvp-model-loaded").unwrap();
    }
    let path = data("end_to_end.onnx").to_str().unwrap().to_owned();
    rigs[0].element.set_property("model", &path);
    for rig in &mut rigs {
        assert!(
            rig.await_message("nvp-model-loaded").get::<&str>("model").unwrap().ends_with("end_to_end.onnx")
        );
        for _ in 0..3 {
            let picture = rig.frame(COLOR);
            assert_eq!(&*rig.infer(picture).model, "end_to_end");
        }
        assert_eq!(rig.element.property::<Option<String>>("model"), Some(path.clone()));
    }
    // Who comes now has to ask for the new one.
    let late = sharing("changing", "yolov8.onnx", &[("workers", "2")]);
    assert!(late.set_state(gst::State::Ready).is_err());
    late.set_property("model", &path);
    late.set_state(gst::State::Ready).unwrap();
    late.set_state(gst::State::Null).unwrap();
    rigs.iter().for_each(stop);
}

#[test]
fn each_names_the_model_in_its_own_results() {
    let mut first = member("names", "yolov8.onnx", &[("model-id", "door"), ("classes", "first")]);
    let mut second = member("names", "yolov8.onnx", &[("confidence", "0.3")]);
    let (one, two) = (first.frame(COLOR), second.frame(COLOR));
    let (one, two) = (first.infer(one), second.infer(two));
    assert_eq!((&*one.model, classes(&one)), ("door", vec![0]));
    assert_eq!((&*two.model, classes(&two)), ("yolov8", vec![0, 1]));
    stop(&first);
    stop(&second);
}

#[test]
fn streams_end_when_each_of_them_does() {
    init();
    let share = format!(
        "nvpinference model-instance=ends batch-size=4 model=\"{}\"",
        data("batch_open.onnx").display()
    );
    let stream = |frames: usize| {
        format!(
            "videotestsrc num-buffers={frames} ! video/x-raw,format=RGB,width=96,height=64 ! {share} \
             ! fakesink name=sink{frames} "
        )
    };
    let lengths = [3, 10, 40, 80];
    let description: String = lengths.map(stream).concat();
    let pipeline = gst::parse::launch(&description).unwrap().downcast::<gst::Pipeline>().unwrap();
    let seen = lengths.map(|frames| {
        let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = count.clone();
        let pad = pipeline.by_name(&format!("sink{frames}")).unwrap().static_pad("sink").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let Some(gst::PadProbeData::Buffer(buffer)) = &info.data else { unreachable!("a buffer probe") };
            assert!(detections(buffer).is_some());
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
        count
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(20), &ends).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    let seen = seen.map(|count| count.load(std::sync::atomic::Ordering::Relaxed));
    assert_eq!(seen, lengths);
}

#[test]
fn a_stream_has_so_many_buffers_in_the_model_and_no_more() {
    for (limit, runs) in [("1", 2), ("2", 1)] {
        let properties = [("workers", "1"), ("max-latency", "10000"), ("max-in-flight", limit)];
        let mut rig = member("in flight", "batch_open.onnx", &properties);
        for frame in 0..2 {
            let picture = rig.frame(color(0, frame));
            rig.harness.push(picture).unwrap();
        }
        for frame in 0..2 {
            assert_is(&detections(&pulled(&mut rig)).unwrap(), color(0, frame));
        }
        assert_eq!((rig.stat("instance-runs"), rig.stat("instance-pictures")), (runs, 2));
        stop(&rig);
    }
}

#[test]
fn a_frame_waits_for_others_as_long_as_was_said() {
    let mut rigs =
        [0; 2].map(|_| member("formation", "batch_open.onnx", &[("workers", "1"), ("max-latency", "200")]));
    for i in [0, 1, 0] {
        let picture = rigs[i].frame(color(i, 0));
        assert_is(&rigs[i].infer(picture), color(i, 0));
    }
    let longest = rigs[0].stat("instance-formation-p99");
    assert!(longest >= 190_000_000, "{longest}");
    rigs.iter().for_each(stop);
}

#[test]
fn users_come_flush_and_go_while_others_go_on() {
    let properties = [("workers", "2"), ("max-latency", "5")];
    let steady = member("churn", "batch_open.onnx", &properties);
    let streams = (0..4usize).map(|stream| {
        std::thread::spawn(move || {
            for round in 0..12 {
                let mut rig = member("churn", "batch_open.onnx", &properties);
                let count = (stream + 3 * round) % 5;
                for frame in 0..count {
                    let picture = rig.frame(color(stream, frame));
                    assert_is(&rig.infer(picture), color(stream, frame));
                }
                // It stops, or is flushed, with frames on their way.
                for frame in 0..(stream + round) % 3 {
                    let picture = rig.frame(color(stream, frame));
                    rig.harness.push(picture).unwrap();
                }
                if round % 2 == 0 {
                    rig.harness.push_event(gst::event::FlushStart::new());
                    rig.harness.push_event(gst::event::FlushStop::new(true));
                    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
                    rig.harness.push_event(gst::event::Segment::new(&segment));
                    let picture = rig.frame(color(stream, 9));
                    assert_is(&detections(&through(&mut rig, picture)).unwrap(), color(stream, 9));
                }
                stop(&rig);
            }
        })
    });
    let streams: Vec<_> = streams.collect();
    streams.into_iter().for_each(|stream| stream.join().unwrap());
    wait_for("nothing is left", || steady.stat("instance-in-flight") == 0);
    assert_eq!(steady.stat("instance-users"), 1);
    stop(&steady);
}
