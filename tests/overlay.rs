//! `nvpoverlay` in a harness: what it touches, what it leaves alone, and what each property changes.

use gst::glib;
use gst::prelude::*;
use gstnvperception::detection::{Details, Detection, Detections, Keypoint};
use gstnvperception::elements::overlay::{NvpOverlay, ShowDetections, ShowView};
use gstnvperception::geometry::BBox;
use gstnvperception::meta::{DetectionMeta, EventMeta, TrackMeta, ViewMeta, ZoneMeta};
use gstnvperception::rules::{
    Board, Closing, Event, EventState, Events, Hold, NO_TIME, Shape, ShapeKind, ShapeNow, Shapes,
};
use gstnvperception::track::{Track, TrackState, Tracks};
use gstnvperception::view::{Motion, Validity, View};

const BACKGROUND: u8 = 100;
const FORMATS: [&str; 16] = [
    "I420", "NV12", "YV12", "NV21", "YUY2", "RGB", "BGR", "RGBA", "BGRA", "ARGB", "ABGR", "RGBx", "BGRx",
    "xRGB", "xBGR", "GRAY8",
];

struct Overlay {
    element: gst::Element,
    harness: gst_check::Harness,
    size: usize,
    frames: u64,
}

impl Overlay {
    fn new(format: &str, width: u32, height: u32) -> Self {
        gst::init().unwrap();
        let element: gst::Element = glib::Object::new::<NvpOverlay>().upcast();
        let harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        let mut overlay = Self { element, harness, size: 0, frames: 0 };
        overlay.set_caps(format, width, height);
        overlay.harness.play();
        overlay
    }

    fn set_caps(&mut self, format: &str, width: u32, height: u32) {
        let format = gst_video::VideoFormat::from_string(format);
        let info = gst_video::VideoInfo::builder(format, width, height).fps(gst::Fraction::new(25, 1));
        let info = info.build().unwrap();
        self.size = info.size();
        self.harness.set_src_caps(info.to_caps().unwrap());
    }

    fn buffer(&mut self) -> gst::Buffer {
        let mut buffer = gst::Buffer::from_mut_slice(vec![BACKGROUND; self.size]);
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(40 * self.frames));
        self.frames += 1;
        buffer
    }

    fn draw(&mut self, buffer: gst::Buffer) -> Vec<u8> {
        let out = self.harness.push_and_pull(buffer).unwrap();
        let map = out.map_readable().unwrap();
        map.to_vec()
    }

    /// Draws a few frames with every kind of object, and returns the last.
    fn draw_scene(&mut self) -> Vec<u8> {
        (0..5)
            .map(|i| {
                let mut buffer = self.buffer();
                add_scene(buffer.get_mut().unwrap(), i as f32 / 20.0);
                self.draw(buffer)
            })
            .last()
            .unwrap()
    }
}

fn detections() -> Detections {
    let detection =
        |x: f32, class_id| Detection { bbox: BBox::new(x, 0.3, x + 0.2, 0.7), confidence: 0.75, class_id };
    let mut details = Details::default();
    details.keypoints.push(&[Keypoint { x: 0.2, y: 0.5, confidence: 0.9 }]);
    details.keypoints.push(&[Keypoint { x: 0.8, y: 0.5, confidence: 0.9 }]);
    Detections {
        model: "model".into(),
        labels: ["person", "dog"].into_iter().collect(),
        items: vec![detection(0.1, 0), detection(0.7, 1)],
        details,
        ..Detections::default()
    }
}

fn add_scene(buffer: &mut gst::BufferRef, shift: f32) {
    let track = |id, x: f32, state| Track {
        id,
        state,
        bbox: BBox::new(x, 0.3, x + 0.2, 0.7),
        confidence: 0.75,
        label: 0,
        ..Track::default()
    };
    let items = vec![
        track(1, 0.1 + shift, TrackState::Confirmed),
        track(2, 0.4, TrackState::Tentative),
        track(3, 0.5, TrackState::Coasted),
    ];
    let labels = ["person"].into_iter().collect();
    TrackMeta::set(buffer, Tracks { run: "run".into(), labels, items, ..Tracks::default() });
    DetectionMeta::add(buffer, detections());
    ViewMeta::set(buffer, View { motion: Motion::Stable, ..View::default() });
    ZoneMeta::set(buffer, zones());
    EventMeta::set(buffer, events());
}

/// A zone and a line that hold, and a zone that does not.
fn zones() -> Shapes {
    let shape = |name, kind, first, count| Shape { name, kind, first, count };
    let now = |hold| ShapeNow { hold, reserved: 0, counts: [2.0, 3.0] };
    let board = Board {
        names: ["yard", "gate", "away"].into_iter().collect(),
        shapes: vec![
            shape(0, ShapeKind::Zone, 0, 3),
            shape(1, ShapeKind::Line, 1, 2),
            shape(2, ShapeKind::Zone, 0, 3),
        ],
        points: vec![[0.2, 0.8], [0.8, 0.75], [0.9, 0.95]],
        ..Board::default()
    };
    let to_frame = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    Shapes {
        board: board.into(),
        now: vec![now(Hold::Current), now(Hold::Current), now(Hold::Away)],
        to_frame,
    }
}

fn events() -> Events {
    let event = Event {
        id: 1,
        start: 0,
        confirmed: 0,
        end: NO_TIME,
        generation: 1,
        rule: 0,
        zone: 1,
        line: -1,
        state: EventState::Confirmed,
        closing: Closing::Open,
        changed: 0,
        first_track: 0,
        tracks: 1,
        first_evidence: 0,
        evidence: 0,
    };
    let names = ["loiters", "yard"].into_iter().collect();
    Events { names, items: vec![event], tracks: vec![1], ..Events::default() }
}

#[test]
fn what_is_drawn_of_zones_depends_on_how_they_stand() {
    let drawn = |hold, event: bool| {
        let mut overlay = Overlay::new("I420", 320, 240);
        let mut buffer = overlay.buffer();
        let mut shapes = zones();
        shapes.now.iter_mut().for_each(|now| now.hold = hold);
        ZoneMeta::set(buffer.get_mut().unwrap(), shapes);
        if event {
            EventMeta::set(buffer.get_mut().unwrap(), events());
        }
        overlay.draw(buffer)
    };
    assert!(drawn(Hold::Away, false).iter().all(|&b| b == BACKGROUND));
    let calm = drawn(Hold::Current, false);
    assert!(calm.iter().any(|&b| b != BACKGROUND));
    assert_ne!(drawn(Hold::Current, true), calm, "an event colours its zone");
}

/// A zone and a line may have one name.
#[test]
fn an_event_colours_shapes_of_its_kind_only() {
    let drawn = |named: &str| {
        let mut overlay = Overlay::new("I420", 320, 240);
        let mut buffer = overlay.buffer();
        let writable = buffer.get_mut().unwrap();
        ZoneMeta::set(writable, zones());
        EventMeta::set(writable, Events { names: ["loiters", named].into_iter().collect(), ..events() });
        overlay.draw(buffer)
    };
    assert_eq!(drawn("gate"), drawn("elsewhere"), "it is about a zone, and gate is a line");
    assert_ne!(drawn("yard"), drawn("elsewhere"));
}

#[test]
fn a_buffer_without_results_passes_through_untouched() {
    let mut overlay = Overlay::new("I420", 64, 48);
    let buffer = overlay.buffer();
    let memory = buffer.peek_memory(0).as_ptr();
    let out = overlay.harness.push_and_pull(buffer).unwrap();
    assert_eq!(out.peek_memory(0).as_ptr(), memory);
    assert!(out.map_readable().unwrap().iter().all(|&b| b == BACKGROUND));
}

/// The camera pans to the right over an object that stands still: its trail is a point, which its box hides.
#[test]
fn trails_stay_in_the_scene() {
    let drawn = |view: bool| {
        let mut overlay = Overlay::new("GRAY8", 320, 240);
        overlay.element.set_property("show-labels", false);
        overlay.element.set_property("show-boxes", false);
        overlay.element.set_property("show-ids", false);
        overlay.element.set_property("show-confidence", false);
        let mut last = Vec::new();
        for i in 0..10u8 {
            let mut buffer = overlay.buffer();
            let writable = buffer.get_mut().unwrap();
            let x = 0.7 - 0.05 * f32::from(i);
            let bbox = BBox::new(x - 0.05, 0.3, x + 0.05, 0.7);
            let items = vec![Track { id: 1, bbox, state: TrackState::Confirmed, ..Track::default() }];
            TrackMeta::set(writable, Tracks { items, ..Tracks::default() });
            let to_previous = Some([1.0, 0.0, 0.05, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
            if view {
                ViewMeta::set(writable, View { to_previous, ..View::default() });
            }
            last = overlay.draw(buffer);
        }
        last.iter().filter(|v| **v != BACKGROUND).count()
    };
    assert_eq!(drawn(true), 0);
    assert!(drawn(false) > 200);
}

#[test]
fn a_writable_buffer_is_drawn_on_in_place() {
    let mut overlay = Overlay::new("NV12", 64, 48);
    let mut buffer = overlay.buffer();
    DetectionMeta::add(buffer.get_mut().unwrap(), detections());
    let memory = buffer.peek_memory(0).as_ptr();
    let out = overlay.harness.push_and_pull(buffer).unwrap();
    assert_eq!(out.peek_memory(0).as_ptr(), memory);
    assert!(out.map_readable().unwrap().iter().any(|&b| b != BACKGROUND));
    assert_eq!(DetectionMeta::all(&out).next().unwrap().items().len(), 2);
}

#[test]
fn a_shared_buffer_keeps_its_pixels() {
    let mut overlay = Overlay::new("RGB", 64, 48);
    let mut buffer = overlay.buffer();
    DetectionMeta::add(buffer.get_mut().unwrap(), detections());
    let shared = buffer.clone();
    let drawn = overlay.draw(buffer);
    assert!(drawn.iter().any(|&b| b != BACKGROUND));
    assert!(shared.map_readable().unwrap().iter().all(|&b| b == BACKGROUND));
}

#[test]
fn every_format_is_drawn_on_at_any_size() {
    for format in FORMATS {
        for (width, height) in [(1, 1), (33, 17), (320, 240)] {
            let mut overlay = Overlay::new(format, width, height);
            assert!(overlay.draw_scene().iter().any(|&b| b != BACKGROUND), "{format} {width}x{height}");
        }
    }
}

#[test]
fn caps_may_change_in_mid_stream() {
    let mut overlay = Overlay::new("I420", 320, 240);
    overlay.draw_scene();
    overlay.set_caps("BGRx", 641, 361);
    assert!(overlay.draw_scene().iter().any(|&b| b != BACKGROUND));
}

#[test]
fn a_buffer_without_time_is_drawn_without_trails() {
    let mut overlay = Overlay::new("GRAY8", 320, 240);
    let mut draw = |shift| {
        let mut buffer = overlay.buffer();
        let frame = buffer.get_mut().unwrap();
        frame.set_pts(None::<gst::ClockTime>);
        add_scene(frame, shift);
        overlay.draw(buffer)
    };
    draw(0.0);
    let after_another = draw(0.2);
    let mut fresh = Overlay::new("GRAY8", 320, 240);
    let mut buffer = fresh.buffer();
    add_scene(buffer.get_mut().unwrap(), 0.2);
    assert_eq!(after_another, fresh.draw(buffer));
}

#[test]
fn it_starts_again() {
    let mut overlay = Overlay::new("I420", 320, 240);
    let first = overlay.draw_scene();
    for _ in 0..3 {
        overlay.element.set_state(gst::State::Null).unwrap();
        overlay.harness.play();
        overlay.set_caps("I420", 320, 240);
        overlay.frames = 0;
        assert_eq!(overlay.draw_scene(), first);
    }
}

#[test]
fn every_property_changes_the_picture_while_playing() {
    let changes: [(&str, glib::Value); 14] = [
        ("show-boxes", false.to_value()),
        ("show-labels", false.to_value()),
        ("show-details", false.to_value()),
        ("show-ids", false.to_value()),
        ("show-confidence", false.to_value()),
        ("show-motion", true.to_value()),
        ("show-tentative", true.to_value()),
        ("show-zones", false.to_value()),
        ("show-detections", ShowDetections::Uncovered.to_value()),
        ("show-view", ShowView::State.to_value()),
        ("color-by", gstnvperception::elements::overlay::ColorBy::Class.to_value()),
        ("trail-length", 0_u32.to_value()),
        ("line-width", 5_u32.to_value()),
        ("font-size", 30_u32.to_value()),
    ];
    let plain = Overlay::new("I420", 640, 480).draw_scene();
    let mut names = Vec::new();
    for (name, value) in changes {
        let mut overlay = Overlay::new("I420", 640, 480);
        overlay.element.set_property_from_value(name, &value);
        assert_eq!(
            overlay.element.property_value(name).transform::<String>().unwrap().get::<String>().unwrap(),
            value.transform::<String>().unwrap().get::<String>().unwrap()
        );
        assert_ne!(overlay.draw_scene(), plain, "{name}");
        names.push(name.to_owned());
    }
    let overlay = Overlay::new("I420", 64, 48);
    let own: Vec<String> = overlay
        .element
        .list_properties()
        .iter()
        .filter(|p| p.owner_type() == overlay.element.type_())
        .map(|p| p.name().to_owned())
        .collect();
    assert_eq!(own, names, "each property is tested");
}

/// What is drawn of a view alone.
fn of_view(show: ShowView, view: View) -> Vec<u8> {
    let mut overlay = Overlay::new("GRAY8", 320, 240);
    overlay.element.set_property("show-view", show);
    let mut buffer = overlay.buffer();
    ViewMeta::set(buffer.get_mut().unwrap(), view);
    overlay.draw(buffer)
}

#[test]
fn a_grid_lies_in_the_scene_while_the_way_to_it_is_known() {
    let to_reference = |x: f32| Some([1.0, 0.0, x, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    let view = |x| View { to_reference: to_reference(x), ..View::default() };
    let (text, grid) = (of_view(ShowView::State, view(0.0)), of_view(ShowView::Grid, view(0.0)));
    assert!(of_view(ShowView::Never, view(0.0)).iter().all(|&b| b == BACKGROUND));
    assert!(text.iter().any(|&b| b != BACKGROUND) && text != grid);
    // The middle of a cell is bare, and has the grid's line once the camera has gone half a cell to the right.
    let (row, x) = (125, 2 * 40 + 20);
    let (still, moved) = (grid[row * 320 + x], of_view(ShowView::Grid, view(1.0 / 16.0))[row * 320 + x]);
    assert!(still == BACKGROUND && moved != BACKGROUND, "{still} {moved}");
    assert_eq!(grid[row * 320 + 80], moved, "it is the same line");
    // Where the view does not hold there is none.
    let away = View { validity: Validity::Invalid, ..view(0.0) };
    let lost = View { to_reference: None, ..View::default() };
    assert_eq!(of_view(ShowView::Grid, away), text);
    assert_eq!(of_view(ShowView::Grid, lost), text);
}
