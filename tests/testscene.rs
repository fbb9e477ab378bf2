//! The built-in model on scenes that it was not trained on, and the tracker behind it.

use std::sync::{Arc, Mutex, Once};

use gst::glib;
use gst::prelude::*;
use gstnvperception::meta::{DetectionMeta, TrackMeta, TruthMeta};
use gstnvperception::scene::{Class, TrueObject};
use gstnvperception::score::{DetectionScorer, Scorer};

/// The model's input is 320x192.
const INPUT_WIDTH: f32 = 320.0;

fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        glib::log_set_always_fatal(glib::LogLevels::LEVEL_CRITICAL | glib::LogLevels::LEVEL_WARNING);
        gstnvperception::plugin_register_static().unwrap();
    });
}

/// Plays to the end and shows every buffer that reaches the element `sink`.
fn play(launch: &str, look: impl Fn(&gst::BufferRef) + Send + Sync + 'static) {
    init();
    let pipeline = gst::parse::launch(launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    let pad = pipeline.by_name("sink").unwrap().static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        look(info.buffer().unwrap());
        gst::PadProbeReturn::Ok
    });
    let _ = pipeline.set_state(gst::State::Playing);
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(200), &ends);
    pipeline.set_state(gst::State::Null).unwrap();
    let end = end.expect("an end in time");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
}

#[test]
fn unseen_streets_at_unseen_sizes() {
    let mut all = DetectionScorer::default();
    for (seed, camera, width, height) in
        [(11, "fixed", 1024, 576), (12, "ptz", 854, 480), (13, "handheld", 426, 240), (14, "cut", 1024, 768)]
    {
        let scorer = Arc::new(Mutex::new(DetectionScorer::default()));
        let looking = scorer.clone();
        let input = INPUT_WIDTH * height as f32 / width as f32;
        let launch = format!(
            "nvptestsrc seed={seed} camera={camera} objects=24 num-buffers=80 \
             ! video/x-raw,width={width},height={height},framerate=2/1 \
             ! nvpinference model=builtin:testscene confidence=0.02 ! fakesink name=sink"
        );
        play(&launch, move |buffer| {
            let truth = TruthMeta::get(buffer).unwrap();
            let found = DetectionMeta::all(buffer).next().unwrap();
            assert_eq!((found.model(), found.label(3)), ("testscene", Some("bus")));
            let input = input.min(192.0);
            let counts = |o: &TrueObject| o.visibility >= 0.5 && o.bbox.height() * input >= 16.0;
            looking.lock().unwrap().frame(truth.objects(), found.items(), counts);
        });
        all.merge(&scorer.lock().unwrap());
    }
    for class in Class::ALL {
        let ap = all.average_precision(class).unwrap();
        println!("{}: {ap:.3} of {}", class.name(), all.wanted(class));
        assert!(all.wanted(class) > 30 && ap > 0.85, "{class:?} {ap}");
    }
    assert!(all.mean().unwrap() >= 0.9);
}

#[test]
fn the_tracker_behind_it_keeps_identities() {
    let scorer = Arc::new(Mutex::new(Scorer::default()));
    let looking = scorer.clone();
    let launch = "nvptestsrc seed=15 objects=12 num-buffers=300 ! video/x-raw,width=1024,height=576,framerate=15/1 \
                  ! nvpinference model=builtin:testscene ! nvptracker ! fakesink name=sink";
    play(launch, move |buffer| {
        let (truth, tracks) = (TruthMeta::get(buffer).unwrap(), TrackMeta::get(buffer).unwrap());
        looking.lock().unwrap().frame(truth.objects(), tracks.items(), 16.0 / 9.0);
    });
    let scores = scorer.lock().unwrap().scores();
    println!("{scores:?}");
    assert!(scores.mota > 0.6 && scores.idf1 > 0.6 && scores.position_error < 0.1, "{scores:?}");
}
