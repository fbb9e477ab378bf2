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
        self.vertical(canvas, dash);
        let edge = self.edge;
        canvas.blend(Area::new(x0 - edge, y0 - edge, x1 + edge, y0), &self.edge_ink, EDGE);
        self.horizontal(canvas, y0, y0, dash);
        self.horizontal(canvas, y1 - self.width, y1 - self.width - edge, dash);
        canvas.blend(Area::new(x0 - edge, y1, x1 + edge, y1 + edge), &self.edge_ink, EDGE);
    }

    /// The left and the right side with their edges, corners included.
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
        let mut last = y0;
        for (from, to) in dashes(y0, y1, dash) {
            canvas.bars(last, from, [&left[..1], &right[..1]]);
            canvas.bars(from, to, [&left, &right]);
            last = to;
        }
        canvas.bars(last, y1, [&left[..1], &right[..1]]);
    }

    /// The side whose line begins at row `y`, over the corners, with its edge inside the box. What lies
    /// between the sides' own edges is darkened from row `inner` on.
    fn horizontal(&self, canvas: &mut Canvas<'_, '_>, y: i32, inner: i32, dash: i32) {
        let Area { x0, x1, .. } = self.area;
        let inset = self.width + self.edge;
        canvas.blend(Area::new(x0 + inset, inner, x1 - inset, inner + inset), &self.edge_ink, EDGE);
        for (from, to) in dashes(x0, x1, dash) {
            canvas.fill(Area::new(from, y, to, y + self.width), &self.ink);
        }
    }
}

/// The dashes of a line from `start` to `end`, with gaps of a dash's length between them.
fn dashes(start: i32, end: i32, dash: i32) -> impl Iterator<Item = (i32, i32)> {
    let step = 2 * dash.max(1).unsigned_abs() as usize;
    (start..end).step_by(step).map(move |from| (from, from.saturating_add(dash).min(end)))
}
