//! Outlines of boxes.

use super::canvas::Bar;
use super::{Area, Canvas, Ink, OPAQUE, Rgb};

/// Opacity of the dark edge that sets an outline off from any background.
const EDGE: u16 = 110;

/// The outline of a rectangle: a line on its inner border, with a dark edge on both sides of the line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rectangle {
    area: Area,
    width: i32,
    ink: Ink,
    edge: i32,
    edge_ink: Ink,
}

impl Rectangle {
    /// An outline of `width` pixels with a dark edge.
    pub(super) fn new(canvas: &Canvas<'_, '_>, area: Area, width: i32, ink: &Ink) -> Self {
        Self { area, width, ink: *ink, edge: (width + 2) / 4, edge_ink: canvas.ink(Rgb::BLACK) }
    }

    /// An outline of half of `width` pixels without an edge.
    pub(super) fn thin(area: Area, width: i32, ink: &Ink) -> Self {
        Self { area, width: (width + 1) / 2, ink: *ink, edge: 0, edge_ink: *ink }
    }

    /// Draws it as one line.
    pub(super) fn solid(&self, canvas: &mut Canvas<'_, '_>) {
        self.draw(canvas, i32::MAX);
    }

    /// Draws it as dashes with gaps of the same length; the dark edge goes on through the gaps.
    pub(super) fn dashed(&self, canvas: &mut Canvas<'_, '_>) {
        self.draw(canvas, 4 * self.width);
    }

    fn draw(&self, canvas: &mut Canvas<'_, '_>, dash: i32) {
        let Area { x0, y0, x1, y1 } = self.area;
        if x1 - x0 <= 2 * self.width || y1 - y0 <= 2 * self.width {
            return canvas.fill(self.area, &self.ink);
        }
        self.horizontal(canvas, y0, dash);
        self.horizontal(canvas, y1 - self.width, dash);
        self.vertical(canvas, dash);
    }

    /// The side whose line begins at row `y`, corners included.
    fn horizontal(&self, canvas: &mut Canvas<'_, '_>, y: i32, dash: i32) {
        let Area { x0, x1, .. } = self.area;
        let side = Area::new(x0, y, x1, y + self.width);
        canvas.blend(side.grown(self.edge), &self.edge_ink, EDGE);
        for (from, to) in dashes(x0, x1, dash) {
            canvas.fill(Area { x0: from, x1: to, ..side }, &self.ink);
        }
    }

    /// Both sides between the horizontal ones. Where the edges of those are, only the line is drawn.
    fn vertical(&self, canvas: &mut Canvas<'_, '_>, dash: i32) {
        let Area { x0, y0, x1, y1 } = self.area;
        let (edge, line) = (self.edge, self.width);
        let side = |x: i32| {
            [
                Bar { x0: x - edge, x1: x + line + edge, ink: &self.edge_ink, opacity: EDGE },
                Bar { x0: x, x1: x + line, ink: &self.ink, opacity: OPAQUE },
            ]
        };
        let (left, right) = (side(x0), side(x1 - line));
        let (top, bottom) = (y0 + line, y1 - line);
        canvas.bars(top, (top + edge).min(bottom), [&left[1..], &right[1..]]);
        let mut last = top + edge;
        for (from, to) in dashes(top + edge, bottom - edge, dash) {
            canvas.bars(last, from, [&left[..1], &right[..1]]);
            canvas.bars(from, to, [&left, &right]);
            last = to;
        }
        canvas.bars(last, bottom - edge, [&left[..1], &right[..1]]);
        canvas.bars((bottom - edge).max(top + edge), bottom, [&left[1..], &right[1..]]);
    }
}

/// The dashes of a line from `start` to `end`, with gaps of a dash's length between them.
fn dashes(start: i32, end: i32, dash: i32) -> impl Iterator<Item = (i32, i32)> {
    let step = 2 * dash.max(1).unsigned_abs() as usize;
    (start..end).step_by(step).map(move |from| (from, from.saturating_add(dash).min(end)))
}
