//! Zones, lines, their counters, and the events that last.

use std::fmt::Write;
use std::ops::Range;

use super::canvas::{Area, Canvas, OPAQUE};
use super::label::Placer;
use super::line::{Line, draw_line};
use super::{Font, Mask, Rgb};
use crate::homography::apply;
use crate::rules::{Hold, ShapeKind, ShapeNow};

/// What nothing happens on, what has an event, and what is written on.
const CALM: Rgb = Rgb { r: 64, g: 200, b: 255 };
const ALARM: Rgb = Rgb { r: 255, g: 72, b: 48 };
/// Long lines are drawn in pieces of about this many pixels, whose masks are small.
const PIECE: f32 = 96.0;
/// Half of the length of the arrow across a line, in parts of the frame's height.
const ARROW: f32 = 0.025;
/// Longer texts are cut.
const MAX_TEXT: usize = 40;
/// The most events that are written out.
const MAX_EVENTS: usize = 8;

/// A zone or line on this frame, in units of it.
#[derive(Clone, Debug)]
struct Drawn {
    kind: ShapeKind,
    points: Range<usize>,
    text: Range<usize>,
    active: bool,
}

/// Zones, lines and events of one frame. Fill it anew for each frame: it keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    shapes: Vec<Drawn>,
    points: Vec<[f32; 2]>,
    texts: String,
    events: Vec<Range<usize>>,
}

impl Plan {
    /// Removes everything.
    pub fn clear(&mut self) {
        self.shapes.clear();
        self.points.clear();
        self.texts.clear();
        self.events.clear();
    }

    /// True when there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.shapes.is_empty() && self.events.is_empty()
    }

    /// Adds a zone or line with its counters. One that does not hold is nowhere on the frame. `to_frame` leads from its
    /// points to the frame's; `active` when an event about it lasts.
    pub fn push_shape(
        &mut self,
        kind: ShapeKind,
        name: &str,
        points: &[[f32; 2]],
        to_frame: &[f32; 9],
        (now, active): (&ShapeNow, bool),
    ) {
        if now.hold != Hold::Current || points.len() < 2 {
            return;
        }
        let (first, way) = (self.points.len(), to_frame.map(f64::from));
        self.points.extend(points.iter().map(|point| apply(&way, point.map(f64::from)).map(|v| v as f32)));
        // What lies behind the camera has no outline.
        if !self.points[first..].iter().flatten().all(|v| v.is_finite() && v.abs() < 100.0) {
            self.points.truncate(first);
            return;
        }
        let start = self.texts.len();
        let [a, b] = now.counts;
        let name = name.get(..MAX_TEXT).unwrap_or(name);
        // Writing to a string does not fail.
        let _ = match kind {
            ShapeKind::Zone if a.is_nan() => write!(self.texts, "{name}"),
            ShapeKind::Zone => write!(self.texts, "{name} {a:.0}"),
            ShapeKind::Line => write!(self.texts, "{name} {a:.0}/{b:.0}"),
        };
        let (points, text) = (first..self.points.len(), start..self.texts.len());
        self.shapes.push(Drawn { kind, points, text, active });
    }

    /// Adds an event that lasts: the rule, how long in seconds, and a track that takes part.
    pub fn push_event(&mut self, rule: &str, seconds: f64, track: Option<u64>) {
        if self.events.len() == MAX_EVENTS {
            return;
        }
        let start = self.texts.len();
        let _ = write!(self.texts, "{} {seconds:.0} s", rule.get(..MAX_TEXT).unwrap_or(rule));
        if let Some(track) = track {
            let _ = write!(self.texts, " ({track})");
        }
        self.events.push(start..self.texts.len());
    }
}

/// Draws outlines and lines.
pub(super) fn paint_shapes(canvas: &mut Canvas<'_, '_>, mask: &mut Mask, plan: &Plan, width: i32) {
    for shape in &plan.shapes {
        let points = &plan.points[shape.points.clone()];
        let ink = canvas.ink(color(shape.active));
        let radius = width as f32 * if shape.active { 0.9 } else { 0.6 };
        let size = [canvas.width() as f32, canvas.height() as f32];
        let at = |point: [f32; 2]| (point[0] * size[0], point[1] * size[1]);
        let closing = (shape.kind == ShapeKind::Zone).then(|| (points[points.len() - 1], points[0]));
        for (from, to) in points.windows(2).map(|pair| (pair[0], pair[1])).chain(closing) {
            stroke(canvas, mask, Line { from: at(from), to: at(to), radius }, &ink);
        }
        if shape.kind == ShapeKind::Line {
            for end in arrow(at(points[0]), at(points[1]), ARROW * size[1]) {
                stroke(canvas, mask, Line { radius, ..end }, &ink);
            }
        }
    }
}

/// An arrow across the middle of a line, from its left to its right: where forward leads.
fn arrow(a: (f32, f32), b: (f32, f32), reach: f32) -> [Line; 3] {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx.hypot(dy).max(1.0);
    let (along, across) = ((dx / length, dy / length), (-dy / length, dx / length));
    let middle = (a.0 + dx / 2.0, a.1 + dy / 2.0);
    let at = |right: f32, on: f32| {
        (
            middle.0 + (across.0 * right + along.0 * on) * reach,
            middle.1 + (across.1 * right + along.1 * on) * reach,
        )
    };
    let line = |from, to| Line { from, to, radius: 0.0 };
    [line(at(-1.0, 0.0), at(1.0, 0.0)), line(at(0.5, -0.4), at(1.0, 0.0)), line(at(0.5, 0.4), at(1.0, 0.0))]
}

/// Draws the part of a line that is in the frame, in pieces.
fn stroke(canvas: &mut Canvas<'_, '_>, mask: &mut Mask, line: Line, ink: &super::Ink) {
    let margin = line.radius + 1.0;
    let bounds = [canvas.width() as f32 + margin, canvas.height() as f32 + margin];
    let Some((from, to)) = clipped(line.from, line.to, -margin, bounds) else { return };
    let length = (to.0 - from.0).hypot(to.1 - from.1);
    let pieces = (length / PIECE).ceil().max(1.0);
    let at = |i: f32| (from.0 + (to.0 - from.0) * i / pieces, from.1 + (to.1 - from.1) * i / pieces);
    for i in 0..pieces as usize {
        let piece = Line { from: at(i as f32), to: at(i as f32 + 1.0), radius: line.radius };
        draw_line(canvas, mask, &piece, ink);
    }
}

/// A part of a plane, as its two ends.
type Ends = ((f32, f32), (f32, f32));

/// The part of a line in a rectangle from `least` on both axes to `most` (Liang and Barsky, ACM TOG 1984).
fn clipped(from: (f32, f32), to: (f32, f32), least: f32, most: [f32; 2]) -> Option<Ends> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut enter, mut leave) = (0.0f32, 1.0f32);
    let walls =
        [(-dx, from.0 - least), (dx, most[0] - from.0), (-dy, from.1 - least), (dy, most[1] - from.1)];
    for (speed, room) in walls {
        if speed == 0.0 && room < 0.0 {
            return None;
        }
        if speed < 0.0 {
            enter = enter.max(room / speed);
        } else if speed > 0.0 {
            leave = leave.min(room / speed);
        }
    }
    let at = |t: f32| (from.0 + dx * t, from.1 + dy * t);
    (enter <= leave).then(|| (at(enter), at(leave)))
}

/// Writes counters beside shapes, and the events that last into the corner.
pub(super) fn paint_texts(
    canvas: &mut Canvas<'_, '_>,
    mask: &mut Mask,
    (font, placer): (&mut Font, &mut Placer),
    plan: &Plan,
) {
    let bounds = (canvas.width() as i32, canvas.height() as i32);
    for shape in &plan.shapes {
        let points = &plan.points[shape.points.clone()];
        let top = points.iter().min_by(|a, b| a[1].total_cmp(&b[1])).copied().unwrap_or_default();
        let (x, y) = ((top[0] * bounds.0 as f32) as i32 & !1, (top[1] * bounds.1 as f32) as i32 & !1);
        let text = &plan.texts[shape.text.clone()];
        let size = plate(font, text);
        let place = placer.place(Area::new(x, y, x + 2, y + 2), size, bounds);
        write_on(canvas, mask, font, (place, color(shape.active)), text);
    }
    let mut y = 4;
    for event in &plan.events {
        let text = &plan.texts[event.clone()];
        let size = plate(font, text);
        let place = Area::new(4, y, 4 + size.0, y + size.1);
        write_on(canvas, mask, font, (place, ALARM), text);
        y += size.1 + 2;
    }
}

fn color(active: bool) -> Rgb {
    if active { ALARM } else { CALM }
}

fn padding(font: &Font) -> i32 {
    (font.height() as i32 / 4) & !1
}

/// The size of a text's plate.
fn plate(font: &mut Font, text: &str) -> (i32, i32) {
    let size = (font.width(text) as i32 + 2 * padding(font), font.height() as i32);
    ((size.0 + 1) & !1, (size.1 + 1) & !1)
}

fn write_on(
    canvas: &mut Canvas<'_, '_>,
    mask: &mut Mask,
    font: &mut Font,
    (at, color): (Area, Rgb),
    text: &str,
) {
    canvas.blend(at, &canvas.ink(color), OPAQUE);
    font.render(text, mask);
    let ink = canvas.ink(color.contrasting());
    canvas.mask(at.x0 + padding(font), at.y0, mask, &ink);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_to_the_frame() {
        let cut = |from, to| clipped(from, to, 0.0, [100.0, 50.0]);
        assert_eq!(cut((-50.0, 25.0), (150.0, 25.0)), Some(((0.0, 25.0), (100.0, 25.0))));
        assert_eq!(cut((10.0, 10.0), (20.0, 20.0)), Some(((10.0, 10.0), (20.0, 20.0))));
        assert_eq!(cut((-50.0, -25.0), (150.0, -25.0)), None);
        assert_eq!(cut((120.0, 0.0), (120.0, 50.0)), None);
    }

    #[test]
    fn an_arrow_points_to_the_right_of_the_line() {
        // Down the picture, the right hand is on the left.
        let [shaft, ..] = arrow((50.0, 0.0), (50.0, 100.0), 10.0);
        assert_eq!((shaft.from, shaft.to), ((60.0, 50.0), (40.0, 50.0)));
    }

    #[test]
    fn what_does_not_hold_or_lies_nowhere_is_not_drawn() {
        let mut plan = Plan::default();
        let points = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]];
        let still = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let now = ShapeNow { counts: [2.0, 5.0], ..ShapeNow::default() };
        let away = ShapeNow { hold: Hold::Away, ..now };
        plan.push_shape(ShapeKind::Zone, "yard", &points, &still, (&away, false));
        plan.push_shape(ShapeKind::Zone, "yard", &points, &[f32::NAN; 9], (&now, false));
        plan.push_shape(ShapeKind::Zone, "yard", &points[..1], &still, (&now, false));
        assert!(plan.is_empty() && plan.points.is_empty());
        plan.push_shape(ShapeKind::Zone, "yard", &points, &still, (&now, false));
        plan.push_shape(ShapeKind::Line, "gate", &points[..2], &still, (&now, true));
        plan.push_event("loiters", 12.4, Some(7));
        assert_eq!(plan.texts, "yard 2gate 2/5loiters 12 s (7)");
        plan.clear();
        let unknown = ShapeNow { counts: [f64::NAN, 5.0], ..now };
        plan.push_shape(ShapeKind::Zone, "yard", &points, &still, (&unknown, false));
        assert_eq!(plan.texts, "yard");
    }
}
