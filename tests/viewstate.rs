//! `nvpviewstate`: what it says of the camera, held against scenes whose truth is known.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};

use gst::glib;
use gst::prelude::*;
use gst_check::Harness;
use gstnvperception::homography::{apply, compose, inverse};
use gstnvperception::meta::{ProvenanceMeta, TruthMeta, ViewMeta};
use gstnvperception::scene::TrueView;
use gstnvperception::view::{Decision, Motion, MotionSource, Phase, Validity, View};

const CAPS: &str = "video/x-raw,format=GRAY8,width=320,height=180,framerate=25/1";

fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        glib::log_set_always_fatal(glib::LogLevels::LEVEL_CRITICAL | glib::LogLevels::LEVEL_WARNING);
        gstnvperception::plugin_register_static().unwrap();
    });
}

/// Plays a scene of 25 frames a second at 640x360: view and truth of each frame, and the messages.
fn play(source: &str, view: &str) -> (Vec<(View, TrueView)>, Vec<gst::Structure>) {
    play_at(25, source, view)
}

fn play_at(rate: u32, source: &str, view: &str) -> (Vec<(View, TrueView)>, Vec<gst::Structure>) {
    init();
    let launch = format!(
        "nvptestsrc seed=3 {source} ! video/x-raw,format=I420,width=640,height=360,framerate={rate}/1 \
         ! nvpviewstate name=view {view} ! fakesink"
    );
    let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let looking = seen.clone();
    let pad = pipeline.by_name("view").unwrap().static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let buffer = info.buffer().unwrap();
        let view = ViewMeta::get(buffer).expect("every frame has a view").to_owned();
        looking.lock().unwrap().push((view, *TruthMeta::get(buffer).unwrap().view()));
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut news = Vec::new();
    for message in pipeline.bus().unwrap().iter_timed(gst::ClockTime::NONE) {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => panic!("{error:?}"),
            gst::MessageView::Element(element) => news.extend(element.structure().map(ToOwned::to_owned)),
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    (seen, news)
}

/// Mean distance at the corners, in pixels at 640x360, of the ways to the previous frame.
fn miss(view: &View, truth: &TrueView) -> f64 {
    let h = view.to_previous.expect("known").map(f64::from);
    let corners = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]].map(|corner| {
        let (a, b) = (apply(&h, corner), apply(&truth.to_previous, corner));
        ((a[0] - b[0]) * 640.0).hypot((a[1] - b[1]) * 360.0)
    });
    corners.iter().sum::<f64>() / 4.0
}

fn quantile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part) as usize]
}

fn share(frames: &[(View, TrueView)], motion: Motion, of: impl Fn(&TrueView) -> bool) -> f64 {
    let of: Vec<_> = frames.iter().skip(1).filter(|(_, truth)| of(truth)).collect();
    of.iter().filter(|(view, _)| view.motion == motion).count() as f64 / of.len() as f64
}

fn reasons(news: &[gst::Structure], name: &str) -> Vec<String> {
    let named = news.iter().filter(|structure| structure.name() == name);
    named.map(|structure| structure.get("reason").unwrap()).collect()
}

#[test]
fn traffic_is_no_motion_of_the_camera() {
    let (frames, news) = play("objects=40 num-buffers=150", "");
    assert_eq!(share(&frames, Motion::Stable, |_| true), 1.0);
    assert!(frames.iter().all(|(view, _)| view.epoch == 0 && view.validity == Validity::Valid));
    assert!(frames.iter().skip(1).all(|(view, _)| view.source == MotionSource::Inferred));
    assert!(news.is_empty(), "{news:?}");
}

#[test]
fn a_tour_is_followed_and_each_move_ends_an_epoch() {
    let (frames, news) = play("camera=ptz num-buffers=400", "");
    let errors = frames.iter().skip(1).filter(|(v, _)| v.to_previous.is_some()).map(|(v, t)| miss(v, t));
    let errors: Vec<_> = errors.collect();
    assert!(errors.len() > 390);
    let (median, most) = (quantile(errors.clone(), 0.5), quantile(errors, 0.9));
    assert!(median <= 0.15 && most <= 0.5, "{median:.3} {most:.3}");
    assert!(share(&frames, Motion::Stable, |truth| truth.moved == 0) >= 0.98);
    assert!(share(&frames, Motion::Moving, |truth| truth.moved == 1) >= 0.85);
    assert_eq!(frames.last().unwrap().0.epoch, 2);
    assert_eq!(reasons(&news, "nvp-view-epoch"), ["move", "move"]);
    let starts = frames.iter().filter(|(view, _)| view.phase == Phase::MoveStart).count();
    let ends = frames.iter().filter(|(view, _)| view.phase == Phase::MoveEnd).count();
    assert_eq!((starts, ends), (2, 2));
    assert!(!reasons(&news, "nvp-view-degraded").is_empty());
    assert!(news.iter().any(|structure| structure.name() == "nvp-view-recovered"));
    // Beyond the thresholds of the defaults nothing is an epoch.
    let (frames, _) = play("camera=ptz num-buffers=220", "segment-displacement=9");
    assert_eq!(frames.last().unwrap().0.epoch, 0);
    assert!(frames.last().unwrap().0.to_reference.is_some());
}

#[test]
fn a_hand_is_followed() {
    let (frames, _) = play("camera=handheld num-buffers=150", "");
    let errors = frames.iter().skip(1).filter(|(v, _)| v.to_previous.is_some()).map(|(v, t)| miss(v, t));
    let errors: Vec<_> = errors.collect();
    assert!(errors.len() == 149);
    let (median, most) = (quantile(errors.clone(), 0.5), quantile(errors, 0.9));
    assert!(median <= 0.15 && most <= 0.5, "{median:.3} {most:.3}");
    assert!(share(&frames, Motion::Moving, |_| true) >= 0.9);
    assert_eq!(frames.last().unwrap().0.epoch, 0);
}

#[test]
fn a_cut_opens_an_epoch() {
    let (frames, news) = play("camera=cut num-buffers=300", "");
    let cuts: Vec<_> = frames.iter().enumerate().filter(|(_, (_, t))| t.cut == 1).map(|(i, _)| i).collect();
    let epochs = frames.windows(2).enumerate().filter(|(_, w)| w[0].0.epoch != w[1].0.epoch);
    assert_eq!(epochs.map(|(i, _)| i + 1).collect::<Vec<_>>(), cuts);
    assert_eq!(reasons(&news, "nvp-view-epoch"), ["cut", "cut"]);
    // The frame after shows that it is a view.
    assert!(frames.iter().all(|(view, t)| (view.validity == Validity::Valid) == (t.cut == 0)));
}

#[test]
fn at_two_frames_a_second_a_move_is_still_one_epoch() {
    let (frames, news) = play_at(2, "camera=ptz num-buffers=40", "");
    let moves = frames.windows(2).filter(|w| w[0].1.moved == 0 && w[1].1.moved == 1).count() as u64;
    assert!(moves >= 2 && frames.last().unwrap().1.moved == 0, "{moves}");
    assert_eq!(frames.last().unwrap().0.epoch, moves, "{news:?}");
    // Once a move has left an epoch, nothing holds before the camera rests.
    let (mut rest, mut left) = (0, 0);
    for (view, truth) in &frames {
        if truth.moved == 0 {
            rest = view.epoch;
        } else if view.epoch != rest {
            left += 1;
            assert_ne!(view.validity, Validity::Valid, "{view:?}");
        }
    }
    assert!(left > 0);
}

#[test]
fn modes() {
    let (frames, _) = play("camera=ptz num-buffers=220", "camera-mode=fixed");
    let still = |v: &View| (v.motion, v.source, v.epoch) == (Motion::Stable, MotionSource::None, 0);
    assert!(frames.iter().all(|(view, _)| still(view)));
    let (frames, news) = play("num-buffers=3", "estimator=none");
    let untold = |v: &View| (v.motion, v.source) == (Motion::Unknown, MotionSource::None);
    assert!(frames.iter().all(|(view, _)| untold(view)));
    assert_eq!(reasons(&news, "nvp-view-degraded"), ["motion-unknown"]);
}

/// A frame of squares, moved to the right by so many pixels.
fn squares(moved: usize, ms: u64) -> gst::Buffer {
    let pixel = |i: usize| {
        let (x, y) = (i % 320 + 640 - moved, i / 320);
        ((x / 9 * 7 + y / 9 * 13) * 2_654_435_761 % 251) as u8
    };
    let mut buffer = gst::Buffer::from_mut_slice((0..320 * 180).map(pixel).collect::<Vec<u8>>());
    buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(ms));
    buffer
}

fn rig(properties: &[(&str, &str)]) -> (gst::Element, Harness) {
    init();
    let element = gst::ElementFactory::make("nvpviewstate").build().unwrap();
    properties.iter().for_each(|(name, value)| element.set_property_from_str(name, value));
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness.play();
    harness.set_src_caps_str(CAPS);
    (element, harness)
}

fn view(harness: &mut Harness, buffer: gst::Buffer) -> View {
    let out = harness.push_and_pull(buffer).unwrap();
    assert_eq!(ProvenanceMeta::get(&out).unwrap().to_owned().stages.len(), 1);
    ViewMeta::get(&out).unwrap().to_owned()
}

/// The view after 12 frames that each go so many pixels further.
fn pan(properties: &[(&str, &str)], step: usize) -> View {
    let (_element, mut harness) = rig(properties);
    (0..12).map(|i| view(&mut harness, squares(i * step, i as u64 * 40))).last().unwrap()
}

#[test]
fn every_threshold_counts() {
    // 55 pixels of 320 in the end.
    let plain = pan(&[], 5);
    assert_eq!((plain.motion, plain.epoch, plain.validity), (Motion::Moving, 0, Validity::Valid));
    let [_, _, x, ..] = plain.to_reference.unwrap();
    assert!((x + 55.0 / 320.0).abs() < 0.002, "{x}");
    assert_eq!(pan(&[("segment-displacement", "0.1")], 5).epoch, 1);
    assert_eq!(pan(&[("field-of-view", "100"), ("segment-angle", "10")], 5).epoch, 1);
    assert_eq!(pan(&[("move-start", "0.5")], 5).motion, Motion::Stable);
    for (stop, motion) in [("0.015", Motion::Moving), ("0.2", Motion::Stable)] {
        let (_element, mut harness) = rig(&[("move-stop", stop)]);
        let places = (0..12).map(|i| i * 5).chain([56, 57]);
        let views = places.enumerate().map(|(i, x)| view(&mut harness, squares(x, i as u64 * 40)));
        assert_eq!(views.last().unwrap().motion, motion, "slower than {stop}");
    }
    // No estimate is free of all rotation and zoom.
    assert_eq!(pan(&[("compensate-rotation", "0")], 5).reason.as_deref(), Some("rotation"));
    assert_eq!(pan(&[("compensate-zoom", "0")], 5).reason.as_deref(), Some("zoom"));
    assert_eq!(pan(&[("segment-zoom", "0")], 5).epoch, 1);
    for (confidence, reason) in [("0.9", None), ("0.99", Some("low-confidence"))] {
        let told = [("estimator", "ptz"), ("field-of-view", "60"), ("compensate-confidence", confidence)];
        let (element, mut harness) = rig(&told);
        // Between two poses nobody is certain.
        (0..20_u64).for_each(|i| assert!(tell(&element, 0.5 * (i as f64).clamp(5.0, 15.0), i * 40 + 20)));
        let last = (0..20).map(|i| view(&mut harness, squares(0, i * 40))).last().unwrap();
        assert_eq!(last.reason.as_deref(), reason, "{confidence}");
    }
}

#[test]
fn a_restart_opens_an_epoch_even_for_a_fixed_camera() {
    for mode in ["fixed", "observed"] {
        let (element, mut harness) = rig(&[("camera-mode", mode)]);
        assert_eq!(view(&mut harness, squares(0, 0)).epoch, 0);
        assert_eq!(view(&mut harness, squares(0, 40)).epoch, 0);
        harness.push_event(gst::event::FlushStart::new());
        harness.push_event(gst::event::FlushStop::new(true));
        harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        let restarted = view(&mut harness, squares(0, 0));
        assert_eq!((restarted.epoch, restarted.to_previous), (1, None), "{mode}");
        let stats = element.property::<gst::Structure>("stats");
        assert_eq!((stats.get::<u64>("frames"), stats.get::<u64>("epochs")), (Ok(3), Ok(1)));
    }
}

#[test]
fn bad_input() {
    let flat = |ms: u64| {
        let mut buffer = gst::Buffer::from_mut_slice(vec![16u8; 320 * 180]);
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(ms));
        buffer
    };
    let (_element, mut harness) = rig(&[]);
    view(&mut harness, squares(0, 0));
    let black = view(&mut harness, flat(40));
    assert_eq!((black.motion, black.epoch), (Motion::Unknown, 0));
    assert_eq!((black.validity, black.reason.as_deref()), (Validity::Degraded, Some("no-texture")));
    let back = view(&mut harness, squares(0, 80));
    assert_eq!((back.motion, back.validity, back.epoch), (Motion::Stable, Validity::Valid, 0));
    // A frame shorter than its caps say is passed on.
    let short = view(&mut harness, gst::Buffer::from_mut_slice(vec![1u8; 10]));
    assert_eq!((short.motion, short.epoch), (Motion::Unknown, 0));
    assert_ne!(short.validity, Validity::Valid);
    // Another size in mid-stream, down to a single pixel.
    for size in [(640_usize, 360), (1, 1), (33, 500)] {
        let caps = format!("video/x-raw,format=GRAY8,width={},height={},framerate=25/1", size.0, size.1);
        harness.push_event(gst::event::Caps::new(&caps.parse::<gst::Caps>().unwrap()));
        let stride = size.0.div_ceil(4) * 4;
        for _ in 0..3 {
            let out = view(&mut harness, gst::Buffer::from_mut_slice(vec![90u8; stride * size.1]));
            assert_eq!(out.motion, Motion::Unknown, "{size:?}");
            assert_ne!(out.validity, Validity::Valid, "{size:?}");
        }
    }
}

/// Shades that no corner can be followed in: only telemetry can tell.
fn plain(ms: u64) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(vec![128u8; 320 * 180]);
    buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(ms));
    buffer
}

fn stat(element: &gst::Element, name: &str) -> u64 {
    element.property::<gst::Structure>("stats").get(name).unwrap()
}

fn tell(element: &gst::Element, pan: f64, ms: u64) -> bool {
    element.emit_by_name("ptz", &[&pan, &0.0, &1.0, &(ms * 1_000_000)])
}

/// How far to the right the picture's centre was on the reference frame.
fn shift(view: &View) -> f64 {
    apply(&view.to_reference.expect("known").map(f64::from), [0.5, 0.5])[0] - 0.5
}

#[test]
fn telemetry_by_signal() {
    let (element, mut harness) =
        rig(&[("estimator", "ptz"), ("field-of-view", "60"), ("scene-health", "false")]);
    let views: Vec<_> = (0..20_u64)
        .map(|i| {
            assert!(tell(&element, 0.5 * (i as f64).clamp(5.0, 15.0), i * 40));
            view(&mut harness, plain(i * 40))
        })
        .collect();
    let moving = views.iter().filter(|view| view.motion == Motion::Moving).count();
    assert!((10..=12).contains(&moving), "{moving}");
    let last = views.last().unwrap();
    assert_eq!((last.source, last.epoch), (MotionSource::Telemetry, 0));
    assert_eq!(last.ptz.map(|ptz| ptz.pan), Some(7.5));
    assert!((shift(last) - 0.0757).abs() < 1e-3, "{}", shift(last));
    assert_eq!((last.decision, last.validity), (Decision::Compensate, Validity::Valid));
    // It stops: unknown is not still.
    let silent = view(&mut harness, plain(2000));
    assert_eq!((silent.motion, silent.reason.as_deref()), (Motion::Unknown, Some("no-telemetry")));
    // It is there again, surer than it was when it had just come back.
    assert!(tell(&element, 7.5, 2400));
    let views: Vec<_> = (0..12).map(|i| view(&mut harness, plain(2040 + i * 40))).collect();
    let unsure = &views[1];
    assert_eq!(unsure.reason.as_deref(), None, "{unsure:?}");
    let (element, mut harness) = rig(&[("estimator", "ptz"), ("telemetry-max-age", "5000000000")]);
    tell(&element, 0.0, 0);
    view(&mut harness, plain(0));
    assert_eq!(view(&mut harness, plain(2000)).motion, Motion::Stable);
    assert_eq!(stat(&element, "telemetry-taken"), 1);
}

#[test]
fn what_was_told_before_a_flush_is_of_another_time() {
    let (element, mut harness) = rig(&[("estimator", "ptz"), ("scene-health", "false")]);
    assert!(tell(&element, 3.0, 0));
    assert_eq!(view(&mut harness, plain(0)).ptz.map(|ptz| ptz.pan), Some(3.0));
    for (reset, pan) in [(false, Some(3.0)), (true, None)] {
        harness.push_event(gst::event::FlushStart::new());
        harness.push_event(gst::event::FlushStop::new(reset));
        harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        assert_eq!(view(&mut harness, plain(0)).ptz.map(|ptz| ptz.pan), pan);
    }
}

#[test]
fn bad_telemetry_is_refused_once_aloud() {
    let (element, mut harness) = rig(&[("estimator", "ptz")]);
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    for bad in [f64::NAN, f64::INFINITY, 1e9] {
        assert!(!tell(&element, bad, 0));
    }
    let told = gst::Structure::builder("nvp-ptz").field("pan", "left").build();
    harness.push_upstream_event(gst::event::CustomUpstream::new(told));
    assert_eq!((stat(&element, "telemetry-taken"), stat(&element, "telemetry-refused")), (0, 4));
    let warnings: Vec<_> = bus.iter_filtered(&[gst::MessageType::Warning]).collect();
    let [warning] = &warnings[..] else { panic!("one warning: {warnings:?}") };
    let gst::MessageView::Warning(warning) = warning.view() else { unreachable!() };
    let text = warning.error().to_string();
    assert!(text.contains("pan, tilt and zoom have to be finite numbers"), "{text}");
    let good = gst::Structure::builder("nvp-ptz")
        .field("pan", 3i32)
        .field("tilt", 0.0)
        .field("running-time", 0u64)
        .build();
    assert!(harness.push_upstream_event(gst::event::CustomUpstream::new(good)));
    assert_eq!(view(&mut harness, plain(0)).ptz.unwrap().pan, 3.0);
}

#[test]
fn onvif_metadata_on_its_own_pad() {
    let units = [("onvif-pan", "90"), ("onvif-tilt", "-45"), ("onvif-zoom", "21")];
    let (element, mut harness) = rig(&[&[("estimator", "ptz")][..], &units].concat());
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let pad = element.request_pad_simple("telemetry").unwrap();
    pad.set_active(true).unwrap();
    assert!(pad.send_event(gst::event::StreamStart::new("onvif")));
    let caps = gst::Caps::builder("application/x-onvif-metadata").field("encoding", "utf8").build();
    assert!(pad.send_event(gst::event::Caps::new(&caps)));
    assert!(pad.send_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new())));
    let document = |x: &str| {
        format!(
            "<tt:MetadataStream xmlns:tt=\"http://www.onvif.org/ver10/schema\"><tt:PTZ><tt:PTZStatus><tt:Position>\
             <tt:PanTilt x=\"{x}\" y=\"0.2\"/><tt:Zoom x=\"0.1\"/></tt:Position></tt:PTZStatus></tt:PTZ></tt:MetadataStream>"
        )
    };
    let push = |text: &str, ms: u64| {
        let mut buffer = gst::Buffer::from_slice(text.as_bytes().to_vec());
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(ms));
        pad.chain(buffer).unwrap();
    };
    push(&document("0.5"), 0);
    push(&document("0.6"), 80);
    push(&document("0.6")[..40], 90);
    push(&document("left"), 100);
    let told = view(&mut harness, plain(40)).ptz.unwrap();
    assert!((told.pan - 49.5).abs() < 1e-9, "half way between two: {told:?}");
    assert!((told.tilt + 9.0).abs() < 1e-9 && (told.zoom - 3.0).abs() < 1e-9, "{told:?}");
    assert_eq!((stat(&element, "telemetry-taken"), stat(&element, "telemetry-refused")), (2, 2));
    assert_eq!(bus.iter_filtered(&[gst::MessageType::Warning]).count(), 1);
    element.release_request_pad(&pad);
    assert!(element.static_pad("telemetry").is_none());
}

#[test]
fn both_are_joined() {
    let (element, mut harness) = rig(&[("estimator", "both"), ("field-of-view", "60")]);
    // Both say that nothing moves; then the picture goes dark, and the camera turns.
    for i in 0..5 {
        tell(&element, 0.0, i * 40);
        let view = view(&mut harness, squares(0, i * 40));
        assert_eq!((view.motion == Motion::Stable, view.source), (i > 0, MotionSource::Inferred));
    }
    let dark: Vec<_> = (5..10)
        .map(|i| {
            tell(&element, (i - 4) as f64, i * 40);
            view(&mut harness, plain(i * 40))
        })
        .collect();
    assert!(dark.iter().all(|view| (view.motion, view.source) == (Motion::Moving, MotionSource::Telemetry)));
    // The camera says that it turns, and the picture stands still.
    let (element, mut harness) = rig(&[("estimator", "both"), ("field-of-view", "60")]);
    let views = (0..20).map(|i| {
        tell(&element, i as f64, i * 40);
        view(&mut harness, squares(0, i * 40))
    });
    assert_eq!(views.last().unwrap().reason.as_deref(), Some("telemetry-disagrees"));
}

#[test]
fn an_epoch_is_told_downstream_before_its_frame() {
    let (element, mut harness) = rig(&[]);
    let passed = Arc::new(Mutex::new(Vec::new()));
    let seen = passed.clone();
    let both = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    element.static_pad("src").unwrap().add_probe(both, move |_, info| {
        let name = match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => ViewMeta::get(buffer).unwrap().epoch().to_string(),
            Some(gst::PadProbeData::Event(event)) => match event.view() {
                gst::EventView::CustomDownstream(event) => event.structure().unwrap().to_string(),
                _ => return gst::PadProbeReturn::Ok,
            },
            _ => return gst::PadProbeReturn::Ok,
        };
        seen.lock().unwrap().push(name);
        gst::PadProbeReturn::Ok
    });
    view(&mut harness, squares(0, 0));
    harness.push_event(gst::event::StreamStart::new("another"));
    view(&mut harness, squares(0, 40));
    let passed = passed.lock().unwrap();
    let [first, event, second] = &passed[..] else { panic!("{passed:?}") };
    assert_eq!((first.as_str(), second.as_str()), ("0", "1"));
    assert!(event.starts_with("nvp-view-epoch, epoch=(guint64)1") && event.contains("restart"), "{event}");
}

#[test]
fn a_slow_pan_does_not_go_unseen() {
    // A third of a pixel a frame is no move, and a hundred frames of it are.
    let (_element, mut harness) = rig(&[]);
    let views: Vec<_> = (0..150_usize).map(|i| view(&mut harness, squares(i / 3, i as u64 * 40))).collect();
    let last = views.last().unwrap();
    assert_eq!(last.epoch, 0);
    assert!((shift(last) + 49.0 / 320.0).abs() < 0.03, "{}", shift(last));
}

/// A file of the test's own, gone when it ends.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str, content: &str) -> Self {
        let name = format!("viewstate-{}-{name}", std::process::id());
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Distance at the corners, in pixels, of the way that leads from one frame's points to another's by the views, and by
/// the truth.
fn led(from: &(View, TrueView), to: &(View, TrueView)) -> f64 {
    let way = |view: &View| view.to_reference.expect("known").map(f64::from);
    let by_view = compose(&inverse(&way(&to.0)).unwrap(), &way(&from.0));
    let by_truth = compose(&inverse(&to.1.to_scene).unwrap(), &from.1.to_scene);
    let corners = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]].map(|corner| {
        let (a, b) = (apply(&by_view, corner), apply(&by_truth, corner));
        ((a[0] - b[0]) * 640.0).hypot((a[1] - b[1]) * 360.0)
    });
    corners.into_iter().fold(0.0, f64::max)
}

#[test]
fn a_learned_view_is_known_when_the_camera_returns() {
    let (frames, news) = play("camera=cut num-buffers=700", "learn-presets=8");
    let mut names = std::collections::BTreeMap::new();
    for frame in &frames {
        let Some(name) = frame.0.preset.as_deref() else { continue };
        let first = names.entry(name.to_owned()).or_insert(frame);
        assert_eq!(first.1.preset, frame.1.preset, "{name} is one view");
        assert!(led(frame, first) < 1.5, "{} px off in {name}", led(frame, first));
    }
    let presets: std::collections::BTreeSet<_> = frames.iter().map(|(_, truth)| truth.preset).collect();
    assert_eq!(names.len(), presets.len(), "{:?}", names.keys());
    // A cut back to a known view says so as soon as the picture rests.
    let named = |name: &'static str| news.iter().filter(move |s| s.name() == name);
    let time = |s: &gst::Structure| s.get::<u64>("running-time").unwrap();
    let at_once = named("nvp-view-preset").filter(|preset| {
        named("nvp-view-epoch").any(|epoch| time(preset).checked_sub(time(epoch)) == Some(40_000_000))
    });
    let at_once = at_once.count();
    assert!(at_once >= 1, "{news:?}");
}

#[test]
fn a_preset_of_a_file_is_known_by_its_picture() {
    init();
    let picture = File::new("view.png", "");
    let launch = format!(
        "nvptestsrc seed=3 objects=1 num-buffers=1 ! video/x-raw,format=RGB,width=640,height=360 ! pngenc \
         ! filesink location=\"{}\"",
        picture.text()
    );
    let pipeline = gst::parse::launch(&launch).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::NONE, &[gst::MessageType::Eos]);
    pipeline.set_state(gst::State::Null).unwrap();
    let name = picture.0.file_name().unwrap().to_str().unwrap();
    let json = format!("{{\"version\": 1, \"presets\": [{{\"name\": \"street\", \"image\": \"{name}\"}}]}}");
    let file = File::new("presets.json", &json);
    let (frames, news) = play("camera=cut num-buffers=300", &format!("presets=\"{}\"", file.text()));
    assert!(frames.iter().any(|(_, truth)| truth.preset != 0));
    for (view, truth) in frames.iter().filter(|(_, truth)| truth.cut == 0) {
        assert_eq!(view.preset.as_deref(), (truth.preset == 0).then_some("street"));
    }
    assert_eq!(news[0].name(), "nvp-view-preset");
}

#[test]
fn a_preset_is_known_by_its_pose() {
    let file = File::new(
        "poses.json",
        r#"{"version": 1, "presets": [{"name": "door", "ptz": {"pan": 10, "tilt": 0}},
            {"name": "yard", "ptz": {"pan": 60, "tilt": 0}, "tolerance": {"pan": 3}}]}"#,
    );
    let (element, mut harness) =
        rig(&[("estimator", "ptz"), ("field-of-view", "60"), ("presets", file.text())]);
    let pans = [10.2; 5].into_iter().chain((0..25).map(|i| 10.2 + 2.0 * i as f64)).chain([62.0; 5]);
    let views: Vec<_> = pans
        .enumerate()
        .map(|(i, pan)| {
            tell(&element, pan, i as u64 * 40);
            view(&mut harness, plain(i as u64 * 40))
        })
        .collect();
    let at = |i: usize| (views[i].preset.as_deref(), views[i].epoch);
    assert_eq!((at(3), at(20), at(34)), ((Some("door"), 0), (None, 1), (Some("yard"), 1)));
    // The preset's own pose is the reference.
    let two = 2.0_f64.to_radians().tan() / (2.0 * 30.0_f64.to_radians().tan());
    assert!((shift(views.last().unwrap()) - two).abs() < 1e-3);
}

#[test]
fn presets_that_cannot_be_used_are_one_clear_error() {
    let twice = r#"{"version": 1, "presets": [{"name": "a", "ptz": {"pan": 1, "tilt": 1}},
        {"name": "a", "ptz": {"pan": 50, "tilt": 1}}]}"#;
    let near = r#"{"version": 1, "presets": [{"name": "a", "ptz": {"pan": 1, "tilt": 1}},
        {"name": "b", "ptz": {"pan": 2, "tilt": 1}}]}"#;
    let lost = r#"{"version": 1, "presets": [{"name": "a", "image": "nowhere.png"}]}"#;
    let no_image = r#"{"version": 1, "presets": [{"name": "a", "image": "Cargo.toml"}]}"#;
    for (text, told) in [
        ("{", "not JSON"),
        (r#"{"version": 1, "preset": []}"#, "did you mean \"presets\""),
        (twice, "both named \"a\""),
        (near, "overlap within their tolerances"),
        (lost, "the image of \"a\""),
        (
            &no_image.replace("Cargo.toml", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")),
            "the image of \"a\"",
        ),
    ] {
        init();
        let file = File::new("bad.json", text);
        let element =
            gst::ElementFactory::make("nvpviewstate").property("presets", file.text()).build().unwrap();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        assert!(element.set_state(gst::State::Paused).is_err());
        let errors: Vec<_> = bus.iter_filtered(&[gst::MessageType::Error]).collect();
        let [error] = &errors[..] else { panic!("one error: {errors:?}") };
        let gst::MessageView::Error(error) = error.view() else { unreachable!() };
        let error = error.error().to_string();
        assert!(error.contains(told) && error.contains("bad.json"), "{error}");
        element.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn what_ails_the_picture_is_told() {
    let (element, mut harness) = rig(&[("frozen-after", "2000000000")]);
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    // Grain that changes, so that nothing is frozen.
    let grainy = |ms: u64, light: u8| {
        let mut buffer = squares(0, ms);
        let mut map = buffer.get_mut().unwrap().map_writable().unwrap();
        let shades = map.iter_mut().enumerate();
        shades
            .for_each(|(i, v)| *v = (*v / 2 + light).wrapping_add(((i as u64 * 7 + ms / 40 * 13) % 5) as u8));
        drop(map);
        buffer
    };
    let mut time = 0;
    let mut run = |harness: &mut Harness, seconds: u64, frame: &dyn Fn(u64) -> gst::Buffer| {
        let frames = (0..seconds * 25).map(|_| {
            time += 40;
            view(harness, frame(time))
        });
        frames.last().unwrap()
    };
    let well = run(&mut harness, 3, &|ms| grainy(ms, 0));
    assert_eq!((well.validity, well.epoch), (Validity::Valid, 0));
    let dark = run(&mut harness, 1, &plain);
    assert_eq!((dark.validity, dark.reason.as_deref()), (Validity::Degraded, Some("blank")));
    let back = run(&mut harness, 3, &|ms| grainy(ms, 0));
    assert_eq!((back.validity, back.epoch), (Validity::Valid, 0), "{back:?}");
    let frozen = run(&mut harness, 4, &|ms| {
        let mut buffer = grainy(40, 0);
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(ms));
        buffer
    });
    assert_eq!(frozen.reason.as_deref(), Some("frozen"));
    let messages: Vec<_> = bus.iter_filtered(&[gst::MessageType::Element]).collect();
    let names: Vec<_> = messages.iter().map(|message| message.structure().unwrap().name().as_str()).collect();
    assert_eq!(names.iter().filter(|name| **name == "nvp-view-recovered").count(), 1, "{names:?}");
    // Nobody looks, nobody tells; nor does a camera that cannot move keep it from being told.
    for (properties, told) in [
        (&[("scene-health", "false"), ("estimator", "none")][..], "motion-unknown"),
        (&[("camera-mode", "fixed")][..], "blank"),
    ] {
        let (_element, mut harness) = rig(properties);
        let last = (0..20).map(|i| view(&mut harness, plain(i * 40))).last().unwrap();
        assert_eq!(last.reason.as_deref(), Some(told));
    }
}

/// A source of telemetry, linked to a new pad of the element, and how many events about lateness it gets.
fn telemetry_source(element: &gst::Element) -> (gst::Pad, Arc<AtomicU64>) {
    let caps = gst::Caps::new_empty_simple("application/x-onvif-metadata");
    let (direction, presence) = (gst::PadDirection::Src, gst::PadPresence::Always);
    let template = gst::PadTemplate::new("src", direction, presence, &caps).unwrap();
    let leaks = Arc::<AtomicU64>::default();
    let counted = leaks.clone();
    let source = gst::Pad::builder_from_template(&template)
        .event_function(move |_, _, event| {
            counted.fetch_add(u64::from(event.type_() == gst::EventType::Qos), Ordering::Relaxed);
            true
        })
        .build();
    source.set_active(true).unwrap();
    source.link(&element.request_pad_simple("telemetry").unwrap()).unwrap();
    (source, leaks)
}

#[test]
fn telemetry_has_no_part_in_what_the_video_negotiates() {
    init();
    let element = gst::ElementFactory::make("nvpviewstate").build().unwrap();
    let (_source, leaks) = telemetry_source(&element);
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness.play();
    harness.set_src_caps_str(CAPS);
    let caps = element.static_pad("src").unwrap().query_caps(None);
    assert!(caps.can_intersect(&CAPS.parse::<gst::Caps>().unwrap()), "{caps}");
    let sink = element.static_pad("sink").unwrap().query_caps(None);
    assert!(sink.can_intersect(&CAPS.parse::<gst::Caps>().unwrap()), "{sink}");
    view(&mut harness, squares(0, 0));
    let late = gst::event::Qos::new(gst::QOSType::Underflow, 0.5, 0, gst::ClockTime::ZERO);
    harness.push_upstream_event(late);
    let seen = std::iter::from_fn(|| harness.try_pull_upstream_event());
    assert_eq!(seen.filter(|event| event.type_() == gst::EventType::Qos).count(), 1);
    assert_eq!(leaks.load(Ordering::Relaxed), 0);
}

/// A pose as an event; what is `None` is left out.
fn event(pan: Option<f64>, tilt: Option<f64>, zoom: Option<f64>, ms: u64) -> gst::Event {
    let told = gst::Structure::builder("nvp-ptz").field("running-time", ms * 1_000_000);
    let told = told.field_if_some("pan", pan).field_if_some("tilt", tilt).field_if_some("zoom", zoom);
    gst::event::CustomUpstream::new(told.build())
}

#[test]
fn what_was_never_told_is_not_made_up() {
    let (element, mut harness) = rig(&[("estimator", "ptz"), ("scene-health", "false")]);
    harness.push_upstream_event(event(None, None, Some(2.0), 0));
    assert_eq!(view(&mut harness, plain(0)).ptz, None);
    assert_eq!((stat(&element, "telemetry-taken"), stat(&element, "telemetry-refused")), (0, 1));
    harness.push_upstream_event(event(Some(40.0), Some(-5.0), None, 40));
    let told = view(&mut harness, plain(40));
    assert_eq!(told.ptz.map(|ptz| (ptz.pan, ptz.tilt, ptz.zoom)), Some((40.0, -5.0, 2.0)));
    assert_eq!(told.epoch, 0);
    // What comes late says nothing of what is left out later.
    harness.push_upstream_event(event(Some(20.0), Some(9.0), None, 20));
    harness.push_upstream_event(event(Some(41.0), None, None, 80));
    let told = view(&mut harness, plain(80)).ptz.unwrap();
    assert_eq!((told.pan, told.tilt, told.zoom), (41.0, -5.0, 2.0));
    // Nor does what was told before time began anew.
    harness.push_event(gst::event::FlushStart::new());
    harness.push_event(gst::event::FlushStop::new(true));
    harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    harness.push_upstream_event(event(None, Some(1.0), None, 0));
    assert_eq!(view(&mut harness, plain(0)).ptz, None);
}

#[test]
fn a_time_is_a_number_of_nanoseconds_or_refused() {
    let pose = || gst::Structure::builder("nvp-ptz").field("pan", 3.0).field("tilt", 0.0);
    for (told, taken) in [
        (pose().build(), true),
        (pose().field("running-time", 40_000_000_u64).build(), true),
        (pose().field("running-time", 40_000_000_i64).build(), true),
        (pose().field("running-time", 40_000_000_i32).build(), true),
        (pose().field("running-time", u64::MAX).build(), true),
        (pose().field("running-time", -1_i64).build(), false),
        (pose().field("running-time", -1_i32).build(), false),
        (pose().field("running-time", "now").build(), false),
        (pose().field("running-time", f64::NAN).build(), false),
    ] {
        let (element, mut harness) = rig(&[("estimator", "ptz")]);
        view(&mut harness, plain(0));
        let text = told.to_string();
        harness.push_upstream_event(gst::event::CustomUpstream::new(told));
        let counts = (stat(&element, "telemetry-taken"), stat(&element, "telemetry-refused"));
        assert_eq!(counts, (u64::from(taken), u64::from(!taken)), "{text}");
        assert_eq!(view(&mut harness, plain(40)).ptz.is_some(), taken, "{text}");
    }
}

#[test]
fn telemetry_may_run_far_ahead_of_the_video() {
    let (element, mut harness) = rig(&[("estimator", "ptz"), ("scene-health", "false")]);
    for i in 0..5000_u64 {
        tell(&element, i as f64 / 100.0, i * 40);
    }
    assert_eq!(stat(&element, "telemetry-taken") + stat(&element, "telemetry-refused"), 5000);
    assert!(stat(&element, "telemetry-refused") > 0, "memory is bounded");
    let first: Vec<_> = (0..5).map(|i| view(&mut harness, plain(i * 40)).ptz.map(|ptz| ptz.pan)).collect();
    assert_eq!(first, [0.0, 0.01, 0.02, 0.03, 0.04].map(Some));
    // Where nobody asks, what the video has passed is forgotten all the same.
    let (element, mut harness) = rig(&[]);
    for i in 0..5000_u64 {
        tell(&element, 1.0, i * 40);
        if i.is_multiple_of(100) {
            view(&mut harness, plain(i * 40));
        }
    }
    assert_eq!(stat(&element, "telemetry-refused"), 0);
}

/// A frame of another place than [`squares`], of the height that is given.
fn elsewhere(height: usize, ms: u64) -> gst::Buffer {
    let pixel = |i: usize| {
        let (x, y) = (i % 320 + 77, i / 320 + 31);
        ((x / 13 * 11 + y / 7 * 5) * 2_246_822_519 % 241) as u8
    };
    let mut buffer = gst::Buffer::from_mut_slice((0..320 * height).map(pixel).collect::<Vec<u8>>());
    buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(ms));
    buffer
}

#[test]
fn another_scene_after_an_interruption_is_another_epoch() {
    let size = "video/x-raw,format=GRAY8,width=320,height=240,framerate=25/1";
    for interruption in ["size", "unread", "estimator"] {
        let (element, mut harness) = rig(&[]);
        for i in 0..30 {
            view(&mut harness, squares(0, i * 40));
        }
        let mut height = 180;
        match interruption {
            "size" => {
                harness.push_event(gst::event::Caps::new(&size.parse::<gst::Caps>().unwrap()));
                height = 240;
            }
            "unread" => {
                view(&mut harness, gst::Buffer::from_mut_slice(vec![1u8; 10]));
            }
            _ => {
                element.set_property_from_str("estimator", "none");
                view(&mut harness, squares(0, 1200));
                element.set_property_from_str("estimator", "visual");
            }
        }
        let views: Vec<_> = (31..80).map(|i| view(&mut harness, elsewhere(height, i * 40))).collect();
        let holds = |view: &&View| view.epoch == 0 && view.validity == Validity::Valid;
        assert_eq!(views.iter().filter(holds).count(), 0, "{interruption}");
        let last = views.last().unwrap();
        assert_eq!((last.epoch, last.validity), (1, Validity::Valid), "{interruption}");
    }
    // The same scene goes on, even at another size.
    let (_element, mut harness) = rig(&[]);
    for i in 0..30 {
        view(&mut harness, squares(0, i * 40));
    }
    view(&mut harness, gst::Buffer::from_mut_slice(vec![1u8; 10]));
    let back: Vec<_> = (31..60).map(|i| view(&mut harness, squares(3, i * 40))).collect();
    assert!(back.iter().skip(1).all(|view| (view.epoch, view.validity) == (0, Validity::Valid)));
    assert!((shift(&back[28]) + 3.0 / 320.0).abs() < 0.001, "{}", shift(&back[28]));
}
