//! What is known of an object beyond its box: masks, corners and keypoints.

use super::line::join;
use super::scene::{Scene, Shape};
use super::{Canvas, Ink, Mask, Rgb};
use crate::detection::{Keypoint, Quad};

/// Opacity of a mask, 0 to 255.
const TINT: u8 = 110;
/// Keypoints less certain than this are not drawn.
const MIN_CONFIDENCE: f32 = 0.3;
/// Which keypoints of a person in COCO's order are joined.
const SKELETON: [(usize, usize); 16] = [
    (5, 7),
    (7, 9),
    (6, 8),
    (8, 10),
    (5, 6),
    (5, 11),
    (6, 12),
    (11, 12),
    (11, 13),
    (13, 15),
    (12, 14),
    (14, 16),
    (0, 1),
    (0, 2),
    (1, 3),
    (2, 4),
];
const COCO_POINTS: usize = 17;

/// Draws masks, which lie under everything else.
pub(super) fn paint_masks(canvas: &mut Canvas<'_, '_>, mask: &mut Mask, scene: &Scene) {
    for shape in scene.shapes() {
        if let Some((width, height, cells)) = scene.mask_of(shape) {
            paint_mask(canvas, mask, shape, (width, height, cells));
        }
    }
}

/// Draws corners and keypoints, with lines of `width` pixels.
pub(super) fn paint_lines(canvas: &mut Canvas<'_, '_>, mask: &mut Mask, scene: &Scene, width: i32) {
    let radius = width as f32 / 2.0;
    for shape in scene.shapes() {
        let ink = canvas.ink(color(shape));
        if let Some(Quad { corners }) = shape.quad {
            for i in 0..4 {
                join(canvas, mask, corners[i], corners[(i + 1) % 4], radius, &ink);
            }
        }
        paint_points(canvas, mask, scene.points_of(shape), radius, &ink);
    }
}

fn color(shape: &Shape) -> Rgb {
    Rgb::distinct(shape.class_id.unsigned_abs().into())
}

fn paint_points(canvas: &mut Canvas<'_, '_>, mask: &mut Mask, points: &[Keypoint], radius: f32, ink: &Ink) {
    let sure = |i: usize| points.get(i).filter(|p| p.confidence >= MIN_CONFIDENCE).map(|p| [p.x, p.y]);
    if points.len() == COCO_POINTS {
        for (a, b) in SKELETON {
            if let (Some(a), Some(b)) = (sure(a), sure(b)) {
                join(canvas, mask, a, b, radius * 0.75, ink);
            }
        }
    }
    for at in (0..points.len()).filter_map(sure) {
        join(canvas, mask, at, at, radius * 1.5, ink);
    }
}

fn paint_mask(
    canvas: &mut Canvas<'_, '_>,
    mask: &mut Mask,
    shape: &Shape,
    (columns, rows, cells): (usize, usize, &[u8]),
) {
    let Some(inside) = shape.bbox.clipped() else { return };
    let (width, height) = (canvas.width() as f32, canvas.height() as f32);
    let (visible, whole) = (inside.scaled(width, height), shape.bbox.scaled(width, height));
    let (x0, y0) = (visible.x_min as i32 & !1, visible.y_min as i32 & !1);
    let side = |from: i32, to: f32| (to.ceil() as i32 - from).max(1) as usize;
    mask.reset(side(x0, visible.x_max), side(y0, visible.y_max));
    let cell = |at: f32, from: f32, length: f32, count: usize| {
        let i = ((at - from) / length * count as f32).floor();
        (0.0..count as f32).contains(&i).then_some(i as usize)
    };
    for y in 0..mask.height() {
        let Some(row) = cell((y0 + y as i32) as f32 + 0.5, whole.y_min, whole.height(), rows) else {
            continue;
        };
        for (x, to) in mask.row_mut(y).iter_mut().enumerate() {
            let column = cell((x0 + x as i32) as f32 + 0.5, whole.x_min, whole.width(), columns);
            *to = column.map_or(0, |column| if cells[row * columns + column] >= 128 { TINT } else { 0 });
        }
    }
    let ink = canvas.ink(color(shape));
    canvas.mask(x0, y0, mask, &ink);
}
