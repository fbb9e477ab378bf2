//! Workers, the asynchronous mode, and which frames are inferred.

use super::*;

fn rig(model: &str, properties: &[(&str, &str)]) -> Rig {
    let element = element(model);
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    Rig::new(element, caps("RGB", SIZE))
}

#[test]
fn workers_keep_the_order() {
    for workers in ["1", "2", "4"] {
        let mut rig = rig("yolov8.onnx", &[("workers", workers)]);
        let loaded = rig.message("nvp-model-loaded").unwrap();
        assert_eq!(loaded.get::<u32>("workers").unwrap().to_string(), workers);
        let frames: Vec<_> = (0..40u8).map(|i| rig.frame([5 * i + 30, 0, 0])).collect();
        for frame in frames {
            rig.harness.push(frame).unwrap();
        }
        for i in 0..40u8 {
            let out = rig.harness.pull().unwrap();
            assert_eq!(out.pts(), Some(FRAME * u64::from(i)));
            let found = detections(&out).unwrap();
            let expected = f32::from(5 * i + 30) / 255.0;
            assert!((found.items[0].confidence - expected).abs() < 0.003, "frame {i} has another's result");
        }
    }
}

#[test]
fn an_asynchronous_model_holds_nothing_up_and_its_result_says_how_old_it_is() {
    let mut rig = rig("slow.onnx", &[("mode", "async")]);
    let (mut results, mut last) = (Vec::new(), std::time::Duration::ZERO);
    let begun = std::time::Instant::now();
    for i in 0..60u64 {
        let frame = rig.frame(COLOR);
        let start = std::time::Instant::now();
        let out = rig.harness.push_and_pull(frame).unwrap();
        last = last.max(start.elapsed());
        assert_eq!(out.pts(), Some(FRAME * i));
        match detections(&out) {
            Some(found) => {
                assert_color(&found, 0.003);
                let source = found.source_pts.unwrap();
                assert_eq!(found.age, FRAME.nseconds() * i - source);
                assert!(found.age > 0 && source % FRAME.nseconds() == 0);
                assert!(stage(&out).2);
                results.push(source);
            }
            None => assert_eq!(stage(&out).0, "async"),
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(results.len() >= 2, "{} results in {:?}", results.len(), begun.elapsed());
    assert!(results.is_sorted() && results.windows(2).all(|pair| pair[0] != pair[1]), "{results:?}");
    assert_eq!(rig.stat("inferred"), results.len() as u64);
    assert!(rig.stat("skipped-busy") > 20, "the newest frame takes the place of older ones");
    assert!(rig.stat("age-p99") > 0);
    assert_eq!(rig.element.property::<u32>("generation"), 1);
}

#[test]
fn every_frame_is_accounted_for() {
    for (model, mode) in
        [("slow.onnx", "sync"), ("slow.onnx", "async"), ("yolov8.onnx", "sync"), ("yolov8.onnx", "async")]
    {
        let mut rig = rig(model, &[("mode", mode), ("workers", "1"), ("interval", "1")]);
        for round in 0..3 {
            for _ in 0..3 {
                let frame = rig.frame(COLOR);
                rig.harness.push(frame).unwrap();
            }
            if round < 2 {
                rig.harness.push_event(gst::event::FlushStart::new());
                rig.harness.push_event(gst::event::FlushStop::new(true));
                let segment = gst::FormattedSegment::<gst::ClockTime>::new();
                rig.harness.push_event(gst::event::Segment::new(&segment));
            }
        }
        rig.element.set_state(gst::State::Ready).unwrap();
        assert_eq!((rig.stat("frames-in"), rig.outcomes()), (9, 9), "{model} {mode}");
    }
}

#[test]
fn an_asynchronous_model_survives_flushes_and_restarts() {
    let mut rig = rig("yolov8.onnx", &[("mode", "async")]);
    for _ in 0..20 {
        let frame = rig.frame(COLOR);
        rig.harness.push(frame).unwrap();
        rig.harness.push_event(gst::event::FlushStart::new());
        rig.harness.push_event(gst::event::FlushStop::new(true));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        rig.harness.push_event(gst::event::Segment::new(&segment));
    }
    rig.element.set_state(gst::State::Ready).unwrap();
    rig.harness.play();
    let again = rig.caps.clone();
    rig.harness.set_src_caps(again);
    let mut seen = false;
    for _ in 0..100 {
        let frame = rig.frame(COLOR);
        rig.harness.push(frame).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
        while let Some(out) = rig.harness.try_pull() {
            seen |= detections(&out).is_some();
        }
        if seen {
            return;
        }
    }
    panic!("no result after a restart");
}

#[test]
fn frames_beyond_the_rate_pass_and_are_counted() {
    let mut rig = rig("yolov8.onnx", &[("max-fps", "10")]);
    let mut inferred = Vec::new();
    for i in 0..10 {
        let frame = rig.frame(COLOR);
        let out = rig.harness.push_and_pull(frame).unwrap();
        match detections(&out) {
            Some(_) => inferred.push(i),
            None => assert_eq!(stage(&out).0, "rate"),
        }
    }
    assert_eq!(inferred, [0, 3, 5, 8]);
    assert_eq!((rig.stat("inferred"), rig.stat("skipped-rate")), (4, 6));
}

#[test]
fn frames_that_are_too_old_pass() {
    let mut rig = rig("yolov8.onnx", &[("max-age", "100")]);
    let clock = rig.harness.testclock().unwrap();
    let frame = rig.frame(COLOR);
    let out = rig.harness.push_and_pull(frame).unwrap();
    assert!(detections(&out).is_some());
    clock.set_time(gst::ClockTime::from_seconds(10));
    let frame = rig.frame(COLOR);
    let out = rig.harness.push_and_pull(frame).unwrap();
    assert_eq!((detections(&out).is_none(), stage(&out).0), (true, "age".to_owned()));
    assert_eq!(rig.stat("skipped-age"), 1);
}

const BRIGHT: [u8; 3] = [250, 250, 250];

#[test]
fn the_first_failure_ends_the_stream_unless_it_is_allowed() {
    let mut rig = rig("fails_on_bright.onnx", &[]);
    let good = rig.frame(COLOR);
    assert!(detections(&rig.harness.push_and_pull(good).unwrap()).is_some());
    let bad = rig.frame(BRIGHT);
    let _ = rig.harness.push(bad);
    let error = rig.error();
    assert!(error.contains("fails_on_bright"), "{error}");
}

#[test]
fn a_model_that_fails_again_and_again_is_switched_off_and_tried_later() {
    let mut rig =
        rig("fails_on_bright.onnx", &[("failure-threshold", "2"), ("retry-after", "50"), ("workers", "1")]);
    let push = |rig: &mut Rig, color| {
        let frame = rig.frame(color);
        let out = rig.harness.push_and_pull(frame).unwrap();
        (stage(&out).0, detections(&out).is_some())
    };
    assert_eq!(push(&mut rig, BRIGHT), ("model".to_owned(), false));
    assert_eq!(push(&mut rig, COLOR), (String::new(), true));
    assert_eq!(push(&mut rig, BRIGHT).0, "model");
    assert_eq!(push(&mut rig, BRIGHT).0, "model");
    assert_eq!(push(&mut rig, COLOR), ("disabled".to_owned(), false));
    let told = rig.message("nvp-model-disabled").unwrap();
    assert_eq!(told.get::<u32>("failures").unwrap(), 2);
    let reason = told.get::<&str>("reason").unwrap();
    assert!(reason.starts_with("Model ") && reason.contains("fails_on_bright"), "{reason}");
    assert_eq!(told.get::<u64>("retry-after").unwrap(), 50_000_000);
    std::thread::sleep(std::time::Duration::from_millis(60));
    assert_eq!(push(&mut rig, COLOR), (String::new(), true));
    assert!(rig.message("nvp-model-enabled").is_some());
    assert_eq!((rig.stat("failed"), rig.stat("skipped-disabled")), (3, 1));
}

#[test]
fn a_slow_run_is_followed_by_a_pause() {
    let element = element("slow.onnx");
    element.set_property_from_str("cost", "high");
    let mut caps = caps("RGB", SIZE);
    // Far more than twice the 1 ms from frame to frame.
    caps.make_mut().set("framerate", gst::Fraction::new(1000, 1));
    let mut rig = Rig::new(element, caps);
    let push = |rig: &mut Rig| {
        let frame = rig.frame(COLOR);
        let out = rig.harness.push_and_pull(frame).unwrap();
        stage(&out).0
    };
    assert_eq!(push(&mut rig), "");
    assert_eq!(push(&mut rig), "backoff");
    std::thread::sleep(std::time::Duration::from_millis(550));
    assert_eq!(push(&mut rig), "");
    assert_eq!(rig.stat("skipped-backoff"), 1);
}
