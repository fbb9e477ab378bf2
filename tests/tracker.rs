//! `nvptracker`: what it makes of metadata, time and events.

use std::sync::Once;

use gst::glib;
use gst::prelude::*;
use gst_check::Harness;
use gstnvperception::detection::{Detection, Detections, Labels, Parent, Task};
use gstnvperception::geometry::BBox;
use gstnvperception::meta::{DetectionMeta, ProvenanceMeta, TrackMeta, ViewMeta};
use gstnvperception::track::{Closed, Continuity, EndReason, Opened, PastKind, TrackState, Tracks};
use gstnvperception::view::{Motion, View};

#[path = "common/foreign.rs"]
mod foreign;

const CAPS: &str = "video/x-raw,format=GRAY8,width=640,height=360,framerate=25/1";

fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        glib::log_set_always_fatal(glib::LogLevels::LEVEL_CRITICAL | glib::LogLevels::LEVEL_WARNING);
        gstnvperception::plugin_register_static().unwrap();
    });
}

struct Rig {
    element: gst::Element,
    harness: Harness,
}

impl Rig {
    fn new() -> Self {
        init();
        let element = gst::ElementFactory::make("nvptracker").build().unwrap();
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        harness.play();
        harness.set_src_caps_str(CAPS);
        Self { element, harness }
    }

    /// The same with properties.
    fn with(properties: &[(&str, &str)]) -> Self {
        let rig = Self::new();
        properties.iter().for_each(|(name, value)| rig.element.set_property_from_str(name, value));
        rig
    }

    /// Pushes a frame at a time in milliseconds, with an object whose centre is at x, and the view.
    fn see(&mut self, ms: u64, x: Option<f32>, view: Option<View>) -> Tracks {
        let mut buffer = gst::Buffer::new();
        let writable = buffer.get_mut().unwrap();
        writable.set_pts(gst::ClockTime::from_mseconds(ms));
        let mut found = person()[0].clone();
        match x {
            Some(x) => found.items[0].bbox = BBox::from_center(x, 0.5, 0.1, 0.3),
            None => found.items.clear(),
        }
        DetectionMeta::add(writable, found);
        if let Some(view) = view {
            ViewMeta::set(writable, view);
        }
        TrackMeta::get(&self.harness.push_and_pull(buffer).unwrap()).unwrap().to_owned()
    }

    /// Pushes a frame at a time in milliseconds, with what models found on it.
    fn track(&mut self, ms: impl Into<Option<u64>>, found: &[Detections]) -> Tracks {
        let mut buffer = gst::Buffer::new();
        {
            let buffer = buffer.get_mut().unwrap();
            buffer.set_pts(ms.into().map(gst::ClockTime::from_mseconds));
            for detections in found {
                DetectionMeta::add(buffer, detections.clone());
            }
        }
        let out = self.harness.push_and_pull(buffer).unwrap();
        TrackMeta::get(&out).expect("every frame gets tracks").to_owned()
    }

    fn stat(&self, name: &str) -> u64 {
        self.element.property::<gst::Structure>("stats").get(name).unwrap()
    }
}

/// One object of a class in the middle of the picture.
fn found(model: &str, names: &[&str], class_id: i32) -> Detections {
    let bbox = BBox::from_center(0.5, 0.5, 0.1, 0.3);
    let labels: Labels = names.iter().copied().collect();
    Detections {
        model: model.into(),
        labels,
        items: vec![Detection { bbox, confidence: 0.9, class_id }],
        ..Detections::default()
    }
}

fn person() -> [Detections; 1] {
    [found("detector", &["car", "person"], 1)]
}

fn ids(tracks: &Tracks) -> Vec<(u64, TrackState)> {
    tracks.items.iter().map(|t| (t.id, t.state)).collect()
}

#[test]
fn an_object_keeps_its_id_and_its_name() {
    let mut rig = Rig::new();
    let first = rig.track(0, &person());
    let tracks = rig.track(40, &person());
    assert_eq!(ids(&tracks), [(1, TrackState::Confirmed)]);
    assert_eq!(tracks.labels.get(tracks.items[0].label), Some("person"));
    assert_eq!((tracks.items[0].class_id, tracks.items[0].age), (1, 40_000_000));
    assert_eq!((first.run.len(), &first.run), (36, &tracks.run));
}

/// The camera turns by more than an object's width between two frames.
#[test]
fn a_track_follows_the_view() {
    let turned = |view: bool| {
        let mut rig = Rig::new();
        rig.track(0, &person());
        rig.track(40, &person());
        let mut found = person()[0].clone();
        found.items[0].bbox = BBox::from_center(0.3, 0.5, 0.1, 0.3);
        let mut buffer = gst::Buffer::new();
        let writable = buffer.get_mut().unwrap();
        writable.set_pts(gst::ClockTime::from_mseconds(80));
        DetectionMeta::add(writable, found);
        if view {
            let to_previous = Some([1.0, 0.0, 0.2, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
            ViewMeta::set(writable, View { to_previous, ..View::default() });
        }
        ids(&TrackMeta::get(&rig.harness.push_and_pull(buffer).unwrap()).unwrap().to_owned())
    };
    assert_eq!(turned(true), [(1, TrackState::Confirmed)]);
    assert_eq!(turned(false), [(1, TrackState::Coasted), (2, TrackState::Tentative)]);
}

#[test]
fn one_name_from_two_models_is_one_class() {
    let mut rig = Rig::new();
    rig.track(0, &person());
    let tracks = rig.track(40, &[found("other", &["person"], 0)]);
    assert_eq!(ids(&tracks), [(1, TrackState::Confirmed)]);
    rig.element.set_property("class-voting", false);
    let tracks = rig.track(80, &[found("third", &["dog"], 0)]);
    assert_eq!(ids(&tracks), [(1, TrackState::Coasted), (2, TrackState::Tentative)]);
    assert_eq!(tracks.labels.get(tracks.items[1].label), Some("dog"));
}

#[test]
fn two_detectors_see_one_object() {
    let mut rig = Rig::new();
    let both = [person()[0].clone(), found("other", &["person"], 0)];
    assert_eq!(ids(&rig.track(0, &both)), [(1, TrackState::Confirmed)]);
    assert_eq!(ids(&rig.track(40, &both)), [(1, TrackState::Confirmed)]);
}

/// What a re-identification model says of the object.
fn look(embedding: [f32; 2]) -> Detections {
    let mut look = Detections {
        model: "reid".into(),
        task: Task::Embed,
        items: vec![person()[0].items[0]],
        parents: vec![Parent { track: 0, age: 0, model: 0, item: 0 }],
        parent_models: ["detector"].into_iter().collect(),
        ..Detections::default()
    };
    look.details.embeddings.push(&embedding);
    look
}

#[test]
fn an_object_is_found_again_by_its_looks() {
    let again = |embedding: [f32; 2]| {
        let mut rig = Rig::new();
        for i in 0..5 {
            rig.track(40 * i, &[person()[0].clone(), look([0.6, 0.8])]);
        }
        let nothing = [Detections { items: Vec::new(), ..person()[0].clone() }];
        rig.track(240, &nothing);
        let mut far = person()[0].clone();
        far.items[0].bbox = BBox::from_center(0.62, 0.5, 0.1, 0.3);
        let tracks = rig.track(600, &[far, look(embedding)]);
        (tracks.items[0].id, tracks.items[0].continuity)
    };
    assert_eq!(again([0.6, 0.8]), (1, Continuity::Reassociated));
    assert_eq!(again([0.8, -0.6]), (2, Continuity::Continued));
}

#[test]
fn a_class_may_have_its_own_settings() {
    let mut rig = Rig::with(&[("class-settings", "person: new-confidence=0.95; dog: coast=2")]);
    assert_eq!(ids(&rig.track(0, &person())), []);
    assert_eq!(
        ids(&rig.track(40, &[found("detector", &["car", "person"], 0)])),
        [(1, TrackState::Tentative)]
    );
    let bus = gst::Bus::new();
    rig.element.set_bus(Some(&bus));
    rig.element.set_property("class-settings", "person: new-confidence=95");
    let message = bus.pop_filtered(&[gst::MessageType::Warning]).unwrap();
    let gst::MessageView::Warning(warning) = message.view() else { unreachable!() };
    let said = warning.error().to_string();
    assert!(said.contains("class-settings has new-confidence=95, which is no number from 0 to 1"), "{said}");
    let kept: String = rig.element.property("class-settings");
    assert_eq!(kept, "person: new-confidence=0.95; dog: coast=2");
}

#[test]
fn an_algorithm_sets_what_was_not_set() {
    let rig = Rig::with(&[("iou", "0.4"), ("algorithm", "sort"), ("momentum", "0.5")]);
    let number = |name: &str| rig.element.property::<f32>(name);
    assert_eq!((number("iou"), number("momentum"), number("max-lost")), (0.4, 0.5, 0.07));
    assert!(!rig.element.property::<bool>("shared-motion"));
    rig.element.set_property_from_str("algorithm", "auto");
    assert_eq!((number("iou"), number("max-lost")), (0.4, 2.0));
}

#[test]
fn more_tracks_than_there_may_be_are_refused() {
    let mut rig = Rig::with(&[("max-tracks", "1")]);
    let mut two = person()[0].clone();
    two.items.push(Detection { bbox: BBox::from_center(0.2, 0.5, 0.1, 0.3), ..two.items[0] });
    assert_eq!(ids(&rig.track(0, &[two])).len(), 1);
    assert_eq!(rig.stat("refused"), 1);
}

#[test]
fn absent_metadata_is_predicted_and_an_empty_list_is_nothing_seen() {
    let mut rig = Rig::new();
    rig.track(0, &person());
    (1..12).for_each(|i| drop(rig.track(40 * i, &person())));
    assert_eq!(ids(&rig.track(5_000, &[])), [(1, TrackState::Coasted)], "nobody looked");
    assert_eq!(ids(&rig.track(5_040, &person())), [(1, TrackState::Confirmed)]);
    let nothing = [Detections { items: Vec::new(), ..person()[0].clone() }];
    assert_eq!(ids(&rig.track(5_080, &nothing)), [(1, TrackState::Coasted)]);
    assert_eq!(ids(&rig.track(5_400, &nothing)), [], "lost");
    assert_eq!(ids(&rig.track(9_000, &nothing)), []);
    assert_eq!(ids(&rig.track(9_040, &person())), [(2, TrackState::Tentative)]);
    assert_eq!((rig.stat("frames"), rig.stat("predicted"), rig.stat("tracks")), (18, 1, 2));
}

#[test]
fn a_frame_without_pts_follows_the_one_before() {
    let mut rig = Rig::new();
    for _ in 0..3 {
        rig.track(None, &person());
    }
    let tracks = rig.track(None, &person());
    assert_eq!(ids(&tracks), [(1, TrackState::Confirmed)]);
    assert_eq!(tracks.items[0].age, 120_000_000);
    assert_eq!(rig.stat("untimed"), 4);
}

#[test]
fn time_is_running_time() {
    let mut rig = Rig::new();
    rig.track(0, &person());
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(gst::ClockTime::from_seconds(3600));
    segment.set_base(gst::ClockTime::from_mseconds(40));
    assert!(rig.harness.push_event(gst::event::Segment::new(&segment)));
    let tracks = rig.track(3_600_000, &person());
    assert_eq!(ids(&tracks), [(1, TrackState::Confirmed)]);
    assert_eq!(tracks.items[0].age, 40_000_000);
}

#[test]
fn a_flush_ends_all_tracks_and_ids_are_not_used_again() {
    let mut rig = Rig::new();
    let run = rig.track(0, &person()).run;
    assert!(rig.harness.push_event(gst::event::FlushStart::new()));
    assert!(rig.harness.push_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(rig.harness.push_event(gst::event::Segment::new(&segment)));
    let tracks = rig.track(0, &person());
    assert_eq!((ids(&tracks), &tracks.run), (vec![(2, TrackState::Confirmed)], &run));
}

#[test]
fn another_start_is_another_run() {
    let mut rig = Rig::new();
    let run = rig.track(0, &person()).run;
    rig.element.set_state(gst::State::Ready).unwrap();
    assert_eq!(rig.stat("frames"), 1);
    rig.element.set_state(gst::State::Playing).unwrap();
    rig.harness.set_src_caps_str(CAPS);
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    rig.harness.push_event(gst::event::Segment::new(&segment));
    let tracks = rig.track(0, &person());
    assert_ne!(tracks.run, run);
    assert_eq!(ids(&tracks), [(1, TrackState::Confirmed)]);
}

#[test]
fn every_property_may_change_while_playing_and_tracks_are_kept() {
    let mut rig = Rig::new();
    rig.track(0, &person());
    for (step, spec) in rig.element.list_properties().iter().enumerate() {
        if spec.owner_type() != rig.element.type_() || spec.flags() == glib::ParamFlags::READABLE {
            continue;
        }
        let value = rig.element.property_value(spec.name());
        rig.element.set_property_from_value(spec.name(), &value);
        assert_eq!(ids(&rig.track(40 * (step as u64 + 1), &person()))[0], (1, TrackState::Confirmed));
    }
    rig.element.set_property_from_str("export", "lost+ended");
    rig.element.set_property("coast", 0.0f32);
    let nothing = [Detections { items: Vec::new(), ..person()[0].clone() }];
    assert_eq!(ids(&rig.track(5_000, &nothing)), []);
    rig.element.set_property("max-lost", 5.0f32);
    rig.track(5_040, &person());
    rig.track(5_080, &person());
    assert_eq!(ids(&rig.track(5_120, &nothing)), [(2, TrackState::Lost)]);
}

#[test]
fn a_walk_is_measured_in_the_picture_and_in_metres() {
    let mut rig = Rig::with(&[("ground-homography", "20,0,0;0,10,0;0,0,1")]);
    let steps = (0..=50u64).map(|i| rig.see(40 * i, Some(0.2 + 0.01 * i as f32), None));
    let track = steps.last().unwrap().items[0];
    let motion = track.motion;
    let near = |a: f32, b: f32| assert!((a - b).abs() < 0.02 * b, "{a} is not {b}: {motion:?}");
    near(motion.path, 0.5);
    near(motion.displacement[0], 0.5);
    near(motion.mean_speed, 0.25);
    near(motion.ground[0], 14.0);
    near(motion.ground_path, 10.0);
    near(motion.ground_mean_speed, 5.0);
    near(motion.ground_speed, 5.0);
    assert!(motion.direction < 1.0 || motion.direction > 359.0, "{motion:?}");
    assert!(!motion.is_stationary() && track.age == 2_000_000_000);
    let standing = (51..=110u64).map(|i| rig.see(40 * i, Some(0.7), None)).last().unwrap();
    assert!(standing.items[0].motion.is_stationary());
}

/// The camera pans over an object that stands still, jumps, and then moves by nobody knows how much.
#[test]
fn what_the_camera_does_is_not_what_the_object_does() {
    let mut rig = Rig::with(&[("export", "ended+trajectories+live-trajectories"), ("on-epoch", "keep")]);
    let pan = |epoch| View {
        epoch,
        to_previous: Some([1.0, 0.0, 0.005, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]),
        motion: Motion::Moving,
        ..View::default()
    };
    let x = |i: u64| Some(0.7 - 0.005 * i as f32);
    let panned = (0..60).map(|i| rig.see(40 * i, x(i), Some(pan(1)))).last().unwrap();
    let motion = panned.items[0].motion;
    assert_eq!((motion.path, motion.displacement, motion.is_stationary()), (0.0, [0.0; 2], true));
    assert_eq!((panned.segments.len(), panned.segments[0].compensations), (1, 59));
    assert!(panned.points.iter().all(|p| (p.x - 0.7).abs() < 1e-3), "{:?}", panned.points);
    rig.see(2400, x(60), Some(pan(2)));
    let unknown = View { to_previous: None, ..pan(2) };
    let told = rig.see(2440, x(60), Some(unknown));
    let segments: Vec<_> = told.segments.iter().map(|s| (s.epoch, s.opened, s.closed)).collect();
    let wanted =
        [(1, Opened::Born, Closed::Epoch), (2, Opened::Epoch, Closed::View), (2, Opened::View, Closed::Open)];
    assert_eq!(segments, wanted);
    let still = View { motion: Motion::Stable, to_previous: None, ..pan(2) };
    assert_eq!(rig.see(2480, x(60), Some(still)).segments.len(), 3);
    let ended = rig.see(6000, None, None);
    assert_eq!(ended.segments.iter().map(|s| s.closed).next_back(), Some(Closed::Ended));
    assert_eq!(ended.segments.iter().map(|s| s.count as usize).sum::<usize>(), ended.points.len());
}

#[test]
fn ends_are_told_once() {
    let mut rig = Rig::new();
    assert_eq!(rig.see(0, Some(0.5), None).ended, Some(vec![]));
    rig.see(40, Some(0.5), None);
    assert_eq!((rig.stat("ended"), rig.stat("alive")), (0, 1));
    let ended = rig.see(2100, None, None).ended.unwrap();
    let told: Vec<_> =
        ended.iter().map(|e| (e.track.id, e.reason, e.track.age, e.track.since_match)).collect();
    assert_eq!(told, [(1, EndReason::Lost, 2_100_000_000, 2_060_000_000)]);
    let after = rig.see(2140, None, None);
    assert_eq!((after.ended, after.past, after.segments.len()), (Some(vec![]), None, 0));
    assert_eq!((rig.stat("ended"), rig.stat("alive")), (1, 0));
    rig.element.set_property_from_str("export", "");
    assert_eq!(rig.see(2180, None, None).ended, None);
}

#[test]
fn a_flush_is_told_on_the_next_frame() {
    let mut rig = Rig::new();
    rig.see(0, Some(0.5), None);
    assert!(rig.harness.push_event(gst::event::FlushStart::new()));
    assert!(rig.harness.push_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(rig.harness.push_event(gst::event::Segment::new(&segment)));
    let ended = rig.see(0, None, None).ended.unwrap();
    assert_eq!(ended.iter().map(|e| (e.track.id, e.reason)).collect::<Vec<_>>(), [(1, EndReason::Restart)]);
}

#[test]
fn earlier_frames_are_told_when_they_are_known() {
    let mut rig = Rig::with(&[("export", "past")]);
    assert_eq!(rig.see(0, None, None).past, Some(vec![]));
    rig.see(40, Some(0.5), None);
    let rows = |tracks: &Tracks| {
        let past = tracks.past.as_deref().unwrap();
        past.iter().map(|row| (row.id, row.before / 1_000_000, row.kind)).collect::<Vec<_>>()
    };
    assert_eq!(rows(&rig.see(80, Some(0.5), None)), [(1, 40, PastKind::Tentative)]);
    rig.see(120, None, None);
    rig.see(160, None, None);
    let found = rig.see(200, Some(0.5), None);
    assert_eq!(rows(&found), [(1, 80, PastKind::Interpolated), (1, 40, PastKind::Interpolated)]);
    let bbox = found.past.unwrap()[0].bbox;
    assert!((bbox.center().0 - 0.5).abs() < 1e-4 && (bbox.width() - 0.1).abs() < 1e-3, "{bbox:?}");
}

#[test]
fn trajectories_are_kept_as_long_as_wanted() {
    let mut rig =
        Rig::with(&[("export", "live-trajectories"), ("trajectory-age", "1"), ("trajectory-points", "5")]);
    let tracks = (0..100u64).map(|i| rig.see(40 * i, Some(0.5), None)).last().unwrap();
    assert!((4..=5).contains(&tracks.points.len()), "{:?}", tracks.points);
    assert!(tracks.points.iter().all(|p| p.before <= 1_000_000_000));
    assert_eq!(tracks.points.last().unwrap().before, 0);
    assert_eq!(tracks.segments[0].since, 99 * 40_000_000);
}

#[test]
fn a_bad_homography_is_refused_with_what_to_do() {
    init();
    let element = gst::ElementFactory::make("nvptracker").build().unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    element.set_property("ground-homography", "1,2,3");
    assert!(element.set_state(gst::State::Paused).is_err());
    let message = bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
    let gst::MessageView::Error(error) = message.view() else { unreachable!() };
    let said = error.error().to_string();
    assert!(said.contains("ground-homography has 3 numbers; give nine numbers"), "{said}");
    element.set_state(gst::State::Null).unwrap();
    element.set_property("ground-homography", "1,0,0;0,1,0;0,0,1");
    element.set_state(gst::State::Paused).unwrap();
    element.set_property("ground-homography", "1,0,0;1,0,0;0,0,1");
    let message = bus.pop_filtered(&[gst::MessageType::Warning]).unwrap();
    let gst::MessageView::Warning(warning) = message.view() else { unreachable!() };
    assert!(warning.error().to_string().contains("has no inverse"), "{}", warning.error());
    assert_eq!(element.property::<String>("ground-homography"), "1,0,0;0,1,0;0,0,1");
    element.set_state(gst::State::Null).unwrap();
}

#[test]
fn the_stage_is_signed_with_the_feed() {
    let mut rig = Rig::new();
    let out = rig.harness.push_and_pull(gst::Buffer::new()).unwrap();
    let provenance = ProvenanceMeta::get(&out).unwrap().to_owned();
    assert_eq!((provenance.stages.len(), provenance.sequence), (1, 0));
    assert_eq!(&*provenance.stages[0].element, rig.element.name().as_str());
    assert!(provenance.stages[0].model_sha256.is_none());
}

#[test]
fn foreign_memory_passes_unmapped() {
    let mut rig = Rig::new();
    let caps = "video/x-raw(memory:CUDAMemory),format=NV12,width=640,height=360,framerate=25/1";
    rig.harness.set_src_caps_str(caps);
    let allocator = foreign::Allocator::default();
    let mut buffer = gst::Buffer::new();
    buffer.get_mut().unwrap().append_memory(allocator.memory());
    let out = rig.harness.push_and_pull(buffer).unwrap();
    assert_eq!((out.size(), allocator.maps()), (foreign::SIZE, 0));
    let now = rig.element.static_pad("src").unwrap().current_caps().unwrap();
    assert!(now.features(0).unwrap().contains("memory:CUDAMemory"));
}
