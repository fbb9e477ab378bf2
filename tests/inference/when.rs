//! `run-when`: which frames a model looks at, by what is known of them.

use gst::glib::object::ObjectExt;
use gstnvperception::detection::Detection;
use gstnvperception::geometry::BBox;
use gstnvperception::meta::{SignalMeta, TrackMeta, ViewMeta};
use gstnvperception::rules::{Signal, Signals};
use gstnvperception::track::{Track, Tracks};
use gstnvperception::view::{Validity, View};

use super::*;

fn tell(buffer: &mut gst::Buffer, name: &str, value: f64) {
    let items = vec![Signal { name: 0, reserved: 0, value, ttl: 1_000_000_000 }];
    let signals = Signals { source: "app".into(), names: [name].into_iter().collect(), items };
    SignalMeta::add(buffer.make_mut(), signals);
}

fn when(condition: &str) -> Rig {
    let element = element("yolov8.onnx");
    element.set_property("run-when", condition);
    element.set_property("workers", 1u32);
    Rig::new(element, caps("RGB", SIZE))
}

impl Rig {
    /// Whether the model looked at a frame of which somebody tells something.
    fn looked(&mut self, about: impl FnOnce(&mut gst::Buffer)) -> bool {
        let mut buffer = self.frame(COLOR);
        about(&mut buffer);
        let out = self.harness.push_and_pull(buffer).unwrap();
        let (why, _, ran) = stage(&out);
        assert!(ran || why == "condition", "{why}");
        ran
    }
}

#[test]
fn a_model_runs_while_a_signal_says_so() {
    let mut rig = when("motion.level > 0.2");
    assert!(!rig.looked(|_| ()), "nobody has told");
    assert!(rig.looked(|frame| tell(frame, "motion.level", 0.3)));
    rig.element.set_property("run-when", "app:motion.level > 0.2");
    assert!(rig.looked(|frame| tell(frame, "motion.level", 0.3)));
    rig.element.set_property("run-when", "yard:motion.level > 0.2");
    assert!(!rig.looked(|frame| tell(frame, "motion.level", 0.3)), "another source");
    rig.element.set_property("run-when", "motion.level > 0.2");
    assert!(!rig.looked(|frame| tell(frame, "motion.level", 0.1)));
    assert!(!rig.looked(|frame| tell(frame, "motion.level", f64::NAN)), "what is not known is false");
    assert_eq!((rig.stat("inferred"), rig.stat("skipped-condition")), (2, 4));
}

#[test]
fn it_stays_awake_for_a_while_and_looks_now_and_then() {
    let mut rig = when("motion.level > 0.2");
    rig.element.set_property("run-when-hold", 80u32);
    rig.element.set_property("idle-timeout", 200u32);
    let looked: Vec<bool> =
        (0..16).map(|i| rig.looked(|frame| tell(frame, "motion.level", f64::from(i == 2)))).collect();
    let at: Vec<usize> = (0..16).filter(|i| looked[*i]).collect();
    // 40 ms a frame: 80 ms after the third one, and 200 ms after the last one.
    assert_eq!(at, [2, 3, 4, 9, 14]);
    assert_eq!(rig.stat("idle"), 2);
}

#[test]
fn what_a_frame_says_itself() {
    let found = |classes: &[i32]| {
        let item = |class: &i32| Detection {
            bbox: BBox::new(0.0, 0.0, 0.5, 0.5),
            confidence: 0.9,
            class_id: *class,
        };
        Detections {
            model: "cheap".into(),
            labels: ["person", "traffic light"].into_iter().collect(),
            items: classes.iter().map(item).collect(),
            ..Detections::default()
        }
    };
    let with = |classes: &'static [i32]| {
        move |frame: &mut gst::Buffer| DetectionMeta::add(frame.make_mut(), found(classes))
    };
    for (condition, classes, runs) in [
        ("detections.count > 1", &[0, 1][..], true),
        ("detections.count > 1", &[0], false),
        ("detections.count.person > 0", &[0], true),
        ("detections.count.traffic_light > 0", &[1], true),
        ("detections.count.traffic_light > 0", &[0], false),
        ("detections.count == 0", &[], true),
    ] {
        let mut rig = when(condition);
        assert_eq!(rig.looked(with(classes)), runs, "{condition} with {classes:?}");
    }
    assert!(!when("detections.count == 0").looked(|_| ()), "nobody has looked");
    let track = Track { id: 1, class_id: 0, label: 0, ..Track::default() };
    let tracks = Tracks { labels: ["person"].into_iter().collect(), items: vec![track], ..Tracks::default() };
    let tracked = |frame: &mut gst::Buffer| TrackMeta::set(frame.make_mut(), tracks.clone());
    assert!(when("tracks.count.person == 1 and tracks.count == 1").looked(tracked));
    assert!(!when("tracks.count.car > 0").looked(tracked));
    let view = |validity| {
        move |frame: &mut gst::Buffer| ViewMeta::set(frame.make_mut(), View { validity, ..View::default() })
    };
    assert!(when("view.valid").looked(view(Validity::Valid)));
    assert!(!when("view.valid").looked(view(Validity::Invalid)));
}

#[test]
fn a_condition_that_is_wrong_is_an_error_before_and_a_warning_while_playing() {
    let element = element("yolov8.onnx");
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    element.set_property("run-when", "motion.level >");
    assert!(element.set_state(gst::State::Ready).is_err());
    let said = error_on(&bus);
    assert!(said.contains("Property run-when"), "{said}");
    let mut rig = when("motion.level > 0.2");
    rig.element.set_property("run-when", "motion.level >> 0.2");
    let message = rig.bus.pop_filtered(&[gst::MessageType::Warning]).expect("a warning");
    let gst::MessageView::Warning(warning) = message.view() else { unreachable!() };
    assert!(warning.error().message().contains("the former condition stays"), "{warning:?}");
    assert!(!rig.looked(|_| ()));
    rig.element.set_property("run-when", "");
    assert!(rig.looked(|_| ()), "no condition");
    rig.element.set_property("run-when", "motion.level > 0.5");
    assert!(!rig.looked(|frame| tell(frame, "motion.level", 0.3)));
}

fn warnings(rig: &Rig) -> Vec<String> {
    let told = rig.bus.iter_filtered(&[gst::MessageType::Warning]);
    let text = |message: gst::Message| match message.view() {
        gst::MessageView::Warning(warning) => warning.error().to_string(),
        _ => unreachable!(),
    };
    told.map(text).collect()
}

#[test]
fn a_class_that_is_misspelt_is_told_once() {
    let found = |items: Vec<Detection>| Detections {
        labels: ["person", "traffic light"].into_iter().collect(),
        items,
        ..Detections::default()
    };
    for (condition, meant) in [
        ("detections.count.trafic_light > 0", Some("\"traffic_light\"")),
        ("tracks.count.peson > 0", Some("\"person\"")),
        ("detections.count.traffic_light > 0 or tracks.count.person > 0", None),
        ("detections.count.giraffe > 0", None),
    ] {
        let mut rig = when(condition);
        (0..150).for_each(|_| assert!(!rig.looked(|_| ())));
        assert_eq!(warnings(&rig), [""; 0], "{condition}: no frame knew classes");
        (0..150).for_each(|_| {
            rig.looked(|frame| DetectionMeta::add(frame.make_mut(), found(Vec::new())));
        });
        match (&warnings(&rig)[..], meant) {
            ([said], Some(meant)) => assert!(said.contains(meant), "{said}"),
            ([], None) => (),
            (said, _) => panic!("{condition}: {said:?}"),
        }
    }
}

#[test]
fn a_name_that_nobody_tells_is_told_once() {
    let mut rig = when("motion.levl > 0.2");
    (0..150).for_each(|_| assert!(!rig.looked(|frame| tell(frame, "motion.level", 0.3))));
    let warnings = warnings(&rig);
    let [said] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(said.contains("\"motion.levl\"") && said.contains("did you mean \"motion.level\"?"), "{said}");
    let mut rig = when("motion.level > 0.2");
    (0..150).for_each(|_| assert!(!rig.looked(|frame| tell(frame, "motion.level", 0.1))));
    assert!(rig.bus.pop_filtered(&[gst::MessageType::Warning]).is_none());
}

/// Runs a pipeline to its end.
fn play(launch: &str) -> gst::Bin {
    init();
    let pipeline = gst::parse::launch(launch).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends).expect("an end in time");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    pipeline.downcast().unwrap()
}

#[test]
fn motion_lets_a_model_run() {
    let model = data("yolov8.onnx");
    let infer =
        format!("nvpinference name=infer model=\"{}\" run-when=\"motion.active > 0\"", model.display());
    let count = |bin: &gst::Bin, name: &str| {
        bin.by_name("infer").unwrap().property::<gst::Structure>("stats").get::<u64>(name).unwrap()
    };
    // A ball goes round for ever; a picture that stands still is looked at as long as that is not sure.
    for (pattern, inferred) in [("ball", 100), ("smpte75", 51)] {
        let bin = play(&format!(
            "videotestsrc pattern={pattern} num-buffers=100 ! video/x-raw,width=320,height=240,framerate=25/1 \
             ! nvpmotion ! {infer} ! fakesink"
        ));
        assert_eq!((count(&bin, "inferred"), count(&bin, "skipped-condition")), (inferred, 100 - inferred));
    }
}

#[test]
fn signals_of_another_branch_count_while_they_are_fresh() {
    let model = data("yolov8.onnx");
    let inferred = |age: u32| {
        let bin = play(&format!(
            "videotestsrc pattern=ball num-buffers=5 ! video/x-raw,width=320,height=240,framerate=25/1 ! nvpmotion \
             signal-prefix=yard signal-ttl=100000000000 ! fakesink sync=false async=false \
             videotestsrc num-buffers=4 is-live=true \
             ! video/x-raw,width=96,height=64,framerate=2/1 ! nvpinference name=infer model=\"{}\" \
             run-when=\"yard.active > 0\" run-when-max-age={age} ! fakesink sync=false",
            model.display()
        ));
        bin.by_name("infer").unwrap().property::<gst::Structure>("stats").get::<u64>("inferred").unwrap()
    };
    // The first branch ends after 200 ms; the first frame of the other may come before it has told anything.
    assert!(inferred(0) >= 3);
    assert!(inferred(100) <= 1);
}
