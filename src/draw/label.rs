//! What labels say and where their plates go.

use std::fmt::Write;

use super::Area;
use super::scene::{Object, Pace, Source};
use super::style::Style;

/// Longer class names are cut.
const MAX_NAME: usize = 32;
/// Longer notes are cut.
const MAX_NOTE: usize = 48;
/// Plates that a new one is kept clear of; beyond that many nothing would be readable.
const MAX_PLACED: usize = 128;

/// Writes the text of a label, such as `person 17 0.83`. It is empty when the style shows none of its parts.
/// `note` is what other models say.
pub(super) fn write(
    text: &mut String,
    style: &Style,
    object: &Object,
    name: Option<&str>,
    note: Option<&str>,
) {
    text.clear();
    if style.labels {
        write_class(text, object.class_id, name);
    }
    if let (true, Source::Track { id, .. }) = (style.ids, object.source) {
        write_part(text, format_args!("{id}"));
    }
    if style.confidence && object.confidence.is_finite() {
        write_part(text, format_args!("{:.2}", object.confidence.clamp(0.0, 1.0)));
    }
    if let (true, Source::Track { pace, .. }) = (style.motion, object.source) {
        match pace {
            Pace::Still => write_part(text, format_args!("still")),
            Pace::Ground(speed) => write_part(text, format_args!("{speed:.1} m/s")),
            Pace::Picture(speed) => write_part(text, format_args!("{speed:.2}/s")),
        }
    }
    if let Some(note) = note {
        text.push_str(if text.is_empty() { "" } else { " \u{b7} " });
        text.extend(note.chars().take(MAX_NOTE));
    }
}

fn write_class(text: &mut String, class_id: i32, name: Option<&str>) {
    match name {
        Some(name) => text.extend(name.chars().take(MAX_NAME)),
        None => write_part(text, format_args!("class {class_id}")),
    }
}

fn write_part(text: &mut String, part: std::fmt::Arguments<'_>) {
    if !text.is_empty() {
        text.push(' ');
    }
    // Writing to a string does not fail.
    let _ = text.write_fmt(part);
}

/// Finds places for plates: at their boxes, inside the frame, and clear of each other where that is possible.
#[derive(Clone, Debug, Default)]
pub(super) struct Placer {
    placed: Vec<Area>,
}

impl Placer {
    /// Begins a new frame.
    pub(super) fn clear(&mut self) {
        self.placed.clear();
    }

    /// The place of a plate of the given size at a box: above it, else below it, else inside at the top or
    /// the bottom, on its left before its right. The first place that is free wins, and when none is, the
    /// first one inside the frame.
    pub(super) fn place(&mut self, at: Area, plate: (i32, i32), frame: (i32, i32)) -> Area {
        let (width, height) = plate;
        let inside_x = |x: i32| x.min(frame.0 - width).max(0);
        let inside_y = |y: i32| y.min(frame.1 - height).max(0);
        let (left, right) = (inside_x(at.x0), inside_x(at.x1 - width));
        let (above, below) = (at.y0 - height, at.y1);
        let (top, bottom) = (inside_y(at.y0), inside_y(at.y1 - height));
        let candidates = [
            (left, above),
            (right, above),
            (left, below),
            (right, below),
            (left, top),
            (right, top),
            (left, bottom),
            (right, bottom),
        ];
        let mut fitting = candidates
            .into_iter()
            .filter(|&(_, y)| y == inside_y(y))
            .map(|(x, y)| Area::new(x, y, x + width, y + height));
        // The places inside the box always fit.
        let first = fitting.clone().next().unwrap_or_default();
        let free = fitting.find(|area| !self.placed.iter().any(|other| area.overlaps(*other)));
        let area = free.unwrap_or(first);
        if self.placed.len() < MAX_PLACED {
            self.placed.push(area);
        }
        area
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::Detection;
    use crate::draw::Scene;
    use crate::track::{Track, TrackMotion, TrackState};

    const FRAME: (i32, i32) = (640, 360);

    fn text(style: &Style, scene: &Scene) -> String {
        let mut text = String::from("of the frame before");
        let object = scene.shown(style).next().unwrap();
        write(&mut text, style, object, scene.name(object), scene.note(object));
        text
    }

    fn tracked(name: Option<&str>, confidence: f32) -> Scene {
        let mut scene = Scene::default();
        let state = TrackState::Confirmed;
        let track = Track { id: 17, class_id: 3, confidence, state, ..Track::default() };
        scene.push_track(&track, name);
        scene
    }

    #[test]
    fn a_label_has_the_parts_of_the_style() {
        let style = Style::default();
        let scene = tracked(Some("person"), 0.8349);
        assert_eq!(text(&style, &scene), "person 17 0.83");
        assert_eq!(text(&Style { labels: false, ..style.clone() }, &scene), "17 0.83");
        assert_eq!(text(&Style { ids: false, ..style.clone() }, &scene), "person 0.83");
        assert_eq!(text(&Style { confidence: false, ..style.clone() }, &scene), "person 17");
        let none = Style { labels: false, ids: false, confidence: false, ..style };
        assert_eq!(text(&none, &scene), "");
    }

    #[test]
    fn a_label_says_how_fast_a_track_is() {
        let style = Style { motion: true, confidence: false, ..Style::default() };
        let said = |motion| {
            let mut scene = Scene::default();
            scene
                .push_track(&Track { id: 17, velocity: [0.3, 0.4], motion, ..Track::default() }, Some("car"));
            text(&Style { tentative: true, ..style.clone() }, &scene)
        };
        assert_eq!(said(TrackMotion::UNKNOWN), "car 17 0.50/s");
        assert_eq!(said(TrackMotion { ground_speed: 1.44, ..TrackMotion::UNKNOWN }), "car 17 1.4 m/s");
        assert_eq!(said(TrackMotion { stationary: 1, ..TrackMotion::UNKNOWN }), "car 17 still");
    }

    #[test]
    fn what_is_missing_is_left_out() {
        let style = Style::default();
        assert_eq!(text(&style, &tracked(None, f32::NAN)), "class 3 17");
        assert_eq!(text(&style, &tracked(Some(""), 0.5)), "17 0.50");
        assert_eq!(text(&style, &tracked(Some(&"é".repeat(99)), 0.5)), format!("{} 17 0.50", "é".repeat(32)));
        let mut scene = Scene::default();
        scene.push_detection(&Detection { confidence: 1.0, ..Detection::default() }, Some("dog"));
        assert_eq!(text(&style, &scene), "dog 1.00");
    }

    #[test]
    fn a_plate_sits_on_its_box() {
        let mut placer = Placer::default();
        let at = Area::new(100, 50, 200, 150);
        assert_eq!(placer.place(at, (80, 20), FRAME), Area::new(100, 30, 180, 50));
    }

    #[test]
    fn a_taken_place_moves_the_plate() {
        let mut placer = Placer::default();
        let at = Area::new(100, 50, 200, 150);
        let plates: Vec<_> = (0..6).map(|_| placer.place(at, (80, 20), FRAME)).collect();
        let expected = [(100, 30), (100, 150), (100, 50), (100, 130)];
        for (plate, (x, y)) in plates.iter().zip(expected) {
            assert_eq!((plate.x0, plate.y0), (x, y));
        }
        assert_eq!(plates[4], plates[0]);
        placer.clear();
        assert_eq!(placer.place(at, (80, 20), FRAME), plates[0]);
    }

    #[test]
    fn a_plate_stays_in_the_frame() {
        let mut placer = Placer::default();
        assert_eq!(placer.place(Area::new(600, 0, 640, 300), (80, 20), FRAME), Area::new(560, 300, 640, 320));
        placer.clear();
        assert_eq!(placer.place(Area::new(0, 0, 640, 360), (80, 20), FRAME), Area::new(0, 0, 80, 20));
        placer.clear();
        assert_eq!(placer.place(Area::new(0, 0, 4, 4), (80, 20), (4, 4)), Area::new(0, 0, 80, 20));
    }
}
