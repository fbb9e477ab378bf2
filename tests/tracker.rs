//! `nvptracker`: what it makes of metadata, time and events.

use std::sync::Once;

use gst::glib;
use gst::prelude::*;
use gst_check::Harness;
use gstnvperception::detection::{Detection, Detections, Labels};
use gstnvperception::geometry::BBox;
use gstnvperception::meta::{DetectionMeta, ProvenanceMeta, TrackMeta, ViewMeta};
use gstnvperception::track::{TrackState, Tracks};
use gstnvperception::view::View;

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
    let tracks = rig.track(80, &[found("third", &["dog"], 0)]);
    assert_eq!(ids(&tracks), [(1, TrackState::Coasted), (2, TrackState::Tentative)]);
    assert_eq!(tracks.labels.get(tracks.items[1].label), Some("dog"));
}

#[test]
fn absent_metadata_is_predicted_and_an_empty_list_is_nothing_seen() {
    let mut rig = Rig::new();
    rig.track(0, &person());
    assert_eq!(ids(&rig.track(5_000, &[])), []);
    assert_eq!(ids(&rig.track(5_040, &person())), [(1, TrackState::Confirmed)]);
    let nothing = [Detections { items: Vec::new(), ..person()[0].clone() }];
    assert_eq!(ids(&rig.track(5_080, &nothing)), [(1, TrackState::Coasted)]);
    assert_eq!(ids(&rig.track(9_000, &nothing)), []);
    assert_eq!(ids(&rig.track(9_040, &person())), [(2, TrackState::Tentative)]);
    assert_eq!((rig.stat("frames"), rig.stat("predicted"), rig.stat("tracks")), (6, 1, 2));
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
    rig.element.set_property("report-lost", true);
    rig.element.set_property("coast", 0.0f32);
    let nothing = [Detections { items: Vec::new(), ..person()[0].clone() }];
    assert_eq!(ids(&rig.track(2_000, &nothing)), []);
    rig.element.set_property("max-lost", 5.0f32);
    rig.track(2_040, &person());
    rig.track(2_080, &person());
    assert_eq!(ids(&rig.track(2_120, &nothing)), [(2, TrackState::Lost)]);
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
