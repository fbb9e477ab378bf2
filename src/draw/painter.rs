//! Draws scenes.

use super::bearings::paint_grid;
use super::details;
use super::label::{self, Placer};
use super::outline::Rectangle;
use super::scene::{Object, Scene, Source};
use super::style::{ColorBy, ShowDetections, Style};
use super::trail::{Sight, Trails};
use super::{Area, Canvas, Font, Mask, OPAQUE, Rgb, zones};
use crate::geometry::BBox;
use crate::image::FrameMut;
use crate::track::TrackState;

/// Opacity of the plates of tracks that are only predicted.
const FAINT: u16 = 150;

/// Draws scenes, frame after frame, and remembers where the tracks have been.
///
/// What is drawn: masks, zones and trails first, then outlines and keypoints, then labels, so that no label is crossed by a line. Boxes are
/// clipped to the frame; a box that is not a number or has no area is left out. Outlines of coasted tracks are
/// dashed; those of tentative tracks, and of detections beside tracks, are thin.
#[derive(Debug, Default)]
pub struct Painter {
    font: Font,
    text: String,
    mask: Mask,
    placer: Placer,
    trails: Trails,
}

/// What an object's outline looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outline {
    Solid,
    Dashed,
    Thin,
}

impl Painter {
    /// Draws a scene into a frame. Times of successive scenes are the running times of one stream.
    pub fn paint(&mut self, frame: &mut FrameMut<'_>, scene: &Scene, style: &Style) {
        self.remember(scene, style);
        let mut canvas = Canvas::new(frame);
        let width = style.line_width(canvas.height());
        if style.details && style.detections != ShowDetections::Never {
            details::paint_masks(&mut canvas, &mut self.mask, scene);
        }
        if style.view.has_grid() {
            paint_grid(&mut canvas, &mut self.mask, scene.view(), width as f32 * 0.25);
        }
        if style.zones {
            zones::paint_shapes(&mut canvas, &mut self.mask, scene.plan(), width);
        }
        if scene.time().is_some() {
            self.paint_trails(&mut canvas, scene, style, width);
        }
        if style.boxes {
            for object in scene.shown(style).filter(|object| !(object.turned && style.details)) {
                paint_outline(&mut canvas, scene, object, style, width);
            }
        }
        if style.details && style.detections != ShowDetections::Never {
            details::paint_lines(&mut canvas, &mut self.mask, scene, width);
        }
        self.paint_labels(&mut canvas, scene, style);
        if style.zones {
            let Self { font, placer, mask, .. } = self;
            zones::paint_texts(&mut canvas, mask, (font, placer), scene.plan());
        }
    }

    /// Brings the trails into the view of another frame, whether that is painted or not. Without a word the camera
    /// stands still.
    pub fn follow(&mut self, sight: &Sight) {
        self.trails.follow(sight);
    }

    fn remember(&mut self, scene: &Scene, style: &Style) {
        let Some(time) = scene.time().filter(|_| scene.is_tracked()) else { return };
        self.trails.advance(scene.run(), time, style.trail);
        if style.trail.is_zero() {
            return;
        }
        for object in scene.shown(style) {
            let Source::Track { id, continuity, .. } = object.source else { continue };
            // The place on the ground rather than the centre: it does not run across the object.
            self.trails.push(id, object.bbox.center().0, object.bbox.y_max, continuity);
        }
    }

    fn paint_trails(&mut self, canvas: &mut Canvas<'_, '_>, scene: &Scene, style: &Style, width: i32) {
        if style.trail.is_zero() {
            return;
        }
        for object in scene.shown(style) {
            let Source::Track { id, .. } = object.source else { continue };
            let ink = canvas.ink(color(object, style));
            self.trails.draw(id, width as f32 * 1.5, canvas, &mut self.mask, &ink);
        }
    }

    fn paint_labels(&mut self, canvas: &mut Canvas<'_, '_>, scene: &Scene, style: &Style) {
        self.placer.clear();
        self.font.set_height(style.font_size(canvas.height()));
        if style.view.has_text() && !scene.view().text.is_empty() {
            self.text.clear();
            self.text.push_str(&scene.view().text);
            let corner = Area::new(0, 0, canvas.width() as i32, canvas.height() as i32);
            self.paint_plate(canvas, corner, scene.view().color, OPAQUE);
        }
        for object in scene.shown(style) {
            let Some(area) = pixels(&object.bbox, canvas) else { continue };
            let note = scene.note(object).filter(|_| style.details);
            label::write(&mut self.text, style, object, scene.name(object), note);
            if !self.text.is_empty() {
                self.paint_label(canvas, area, object, style);
            }
        }
    }

    fn paint_label(&mut self, canvas: &mut Canvas<'_, '_>, at: Area, object: &Object, style: &Style) {
        let opacity = if outline(object, true) == Outline::Dashed { FAINT } else { OPAQUE };
        self.paint_plate(canvas, at, color(object, style), opacity);
    }

    /// Writes the text on a plate beside what it is of.
    fn paint_plate(&mut self, canvas: &mut Canvas<'_, '_>, at: Area, color: Rgb, opacity: u16) {
        let padding = (self.font.height() as i32 / 4) & !1;
        let size = (self.font.width(&self.text) as i32 + 2 * padding, self.font.height() as i32);
        let size = ((size.0 + 1) & !1, (size.1 + 1) & !1);
        let plate = self.placer.place(at, size, (canvas.width() as i32, canvas.height() as i32));
        canvas.blend(plate, &canvas.ink(color), opacity);
        self.font.render(&self.text, &mut self.mask);
        let ink = canvas.ink(color.contrasting());
        canvas.mask(plate.x0 + padding, plate.y0, &self.mask, &ink);
    }
}

fn color(object: &Object, style: &Style) -> Rgb {
    match (object.source, style.color_by) {
        (Source::Track { id, .. }, ColorBy::Track) => Rgb::distinct(id),
        _ => Rgb::distinct(object.class_id.unsigned_abs().into()),
    }
}

fn outline(object: &Object, tracked: bool) -> Outline {
    match object.source {
        Source::Track { state: TrackState::Coasted, .. } => Outline::Dashed,
        Source::Track { state: TrackState::Tentative, .. } => Outline::Thin,
        Source::Track { .. } => Outline::Solid,
        Source::Detection if tracked => Outline::Thin,
        Source::Detection => Outline::Solid,
    }
}

/// A box in pixels with its edges on even ones, or `None` when nothing of it is in the frame.
fn pixels(bbox: &BBox, canvas: &Canvas<'_, '_>) -> Option<Area> {
    let b = bbox.clipped()?.scaled(canvas.width() as f32, canvas.height() as f32);
    let even = |v: f32| (v / 2.0).round() as i32 * 2;
    let (x0, y0) = (even(b.x_min), even(b.y_min));
    Some(Area::new(x0, y0, even(b.x_max).max(x0 + 2), even(b.y_max).max(y0 + 2)))
}

fn paint_outline(canvas: &mut Canvas<'_, '_>, scene: &Scene, object: &Object, style: &Style, width: i32) {
    let Some(area) = pixels(&object.bbox, canvas) else { return };
    let ink = canvas.ink(color(object, style));
    match outline(object, scene.is_tracked()) {
        Outline::Solid => Rectangle::new(canvas, area, width, &ink).solid(canvas),
        Outline::Dashed => Rectangle::new(canvas, area, width, &ink).dashed(canvas),
        Outline::Thin => Rectangle::thin(area, width, &ink).solid(canvas),
    }
}
