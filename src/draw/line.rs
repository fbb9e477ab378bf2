//! Lines with smooth edges.

use super::{Canvas, Ink, Mask};

/// A line is drawn in pieces of so many widths, so that the mask of each is small.
const PIECE: f32 = 6.0;

/// A line with round ends, in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) from: (f32, f32),
    pub(super) to: (f32, f32),
    pub(super) radius: f32,
}

/// Draws a line. Its mask is as large as the rectangle around it: cut long ones into pieces.
pub(super) fn draw_line(canvas: &mut Canvas<'_, '_>, mask: &mut Mask, line: &Line, ink: &Ink) {
    let reach = line.radius + 0.5;
    let span = |a: f32, b: f32, size: usize| {
        let first = (a.min(b) - reach).floor().max(0.0) as i32 & !1;
        let end = (a.max(b) + reach).ceil().min(size as f32) as i32;
        (first, usize::try_from(end - first).unwrap_or(0))
    };
    let (x, width) = span(line.from.0, line.to.0, canvas.width());
    let (y, height) = span(line.from.1, line.to.1, canvas.height());
    if width == 0 || height == 0 {
        return;
    }
    mask.reset(width, height);
    for i in 0..mask.height() {
        cover(mask.row_mut(i), x as f32 + 0.5, (y + i as i32) as f32 + 0.5, line);
    }
    canvas.mask(x, y, mask, ink);
}

/// Draws a line between two points in units of the frame.
pub(super) fn join(
    canvas: &mut Canvas<'_, '_>,
    mask: &mut Mask,
    a: [f32; 2],
    b: [f32; 2],
    radius: f32,
    ink: &Ink,
) {
    // Far outside nothing shows; what is no number is nowhere.
    let near = |v: f32| (-1.0..=2.0).contains(&v);
    if !a.iter().chain(&b).all(|v| near(*v)) {
        return;
    }
    let (width, height) = (canvas.width() as f32, canvas.height() as f32);
    let (from, to) = ((a[0] * width, a[1] * height), (b[0] * width, b[1] * height));
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let pieces = (dx.hypot(dy) / (2.0 * radius * PIECE)).ceil().max(1.0) as usize;
    let at = |i: usize| {
        let t = i as f32 / pieces as f32;
        (from.0 + t * dx, from.1 + t * dy)
    };
    for i in 0..pieces {
        draw_line(canvas, mask, &Line { from: at(i), to: at(i + 1), radius: radius.max(0.5) }, ink);
    }
}

/// How much of each pixel of a row a line covers. (`x`, `y`) is the centre of the first pixel.
///
/// The edge falls with the square of the distance: it is 1, 1/2 and 0 where a linear one would be, half a
/// pixel inside of the radius, on it and half a pixel outside, and needs no root. The forms of clamp and of
/// rounding to an integer are those that compile to a few vector instructions.
#[allow(clippy::manual_clamp)]
fn cover(row: &mut [u8], x: f32, y: f32, line: &Line) {
    let (dx, dy) = (line.to.0 - line.from.0, line.to.1 - line.from.1);
    let inverse = 1.0 / (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
    let (px, py) = (x - line.from.0, y - line.from.1);
    let reach = (line.radius + 0.5) * (line.radius + 0.5);
    let slope = 255.0 / (2.0 * line.radius);
    // 2^23: the low bits of such a number are its integer part.
    const INTEGER: f32 = 8_388_608.0;
    for (i, out) in row.iter_mut().enumerate() {
        let px = px + i as i32 as f32;
        let along = ((px * dx + py * dy) * inverse).max(0.0).min(1.0);
        let (ex, ey) = (px - along * dx, py - along * dy);
        let covered = (reach - ex * ex - ey * ey) * slope;
        *out = (covered.max(0.0).min(255.0) + INTEGER).to_bits() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_falls_across_the_edge() {
        let line = Line { from: (-10.0, 0.0), to: (10.0, 0.0), radius: 1.5 };
        let at = |y: f32| {
            let mut pixel = [0];
            cover(&mut pixel, 0.0, y, &line);
            pixel[0]
        };
        assert_eq!([at(0.0), at(1.0), at(2.0), at(-2.5)], [255, 255, 0, 0]);
        // (2^2 - 1.5^2) / 3 of 255
        assert_eq!(at(1.5), 149);
    }
}
