//! Points in regions, paths across lines, and whether a polygon is one. Coordinates are normalised.

/// A point: x, y.
pub type Point = [f64; 2];

/// Twice the area of the triangle `a`, `b`, `c`; above 0 when `c` lies to the right of the way from `a` to `b` in the
/// picture, where y grows downwards.
pub(super) fn turn(a: Point, b: Point, c: Point) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// True when a point lies in a polygon, by the even-odd rule: edges on the left and at the top belong to it, those on
/// the right and at the bottom do not.
pub(crate) fn in_polygon(polygon: &[Point], [x, y]: Point) -> bool {
    let mut inside = false;
    let mut last = polygon.last().copied().unwrap_or_default();
    for &next in polygon {
        if (next[1] > y) != (last[1] > y) {
            let edge = (last[0] - next[0]) * (y - next[1]) / (last[1] - next[1]) + next[0];
            inside ^= x < edge;
        }
        last = next;
    }
    inside
}

/// How a path from `p` to `q` crosses the segment from `a` to `b`: 1 from its left to its right, -1 from right to left,
/// 0 not at all. What lies on the line counts as right of it, so that a path that ends on it and goes on crosses once.
pub(super) fn crossing(a: Point, b: Point, p: Point, q: Point) -> i32 {
    let (was, is) = (turn(a, b, p) >= 0.0, turn(a, b, q) >= 0.0);
    if was == is || (turn(p, q, a) >= 0.0) == (turn(p, q, b) >= 0.0) {
        return 0;
    }
    if is { 1 } else { -1 }
}

/// Distance of a point from a segment, with x stretched by `aspect`: in units of the frame's height.
pub(super) fn distance(a: Point, b: Point, p: Point, aspect: f64) -> f64 {
    let (dx, dy) = ((b[0] - a[0]) * aspect, b[1] - a[1]);
    let (px, py) = ((p[0] - a[0]) * aspect, p[1] - a[1]);
    let along = ((px * dx + py * dy) / (dx * dx + dy * dy).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
    (px - along * dx).hypot(py - along * dy)
}

/// Twice the area of a polygon, whatever way round it goes.
pub(super) fn double_area(polygon: &[Point]) -> f64 {
    let sum: f64 = edges(polygon).map(|(a, b)| a[0] * b[1] - a[1] * b[0]).sum();
    sum.abs()
}

/// The edges of a closed polygon.
fn edges(polygon: &[Point]) -> impl Iterator<Item = (Point, Point)> + '_ {
    (0..polygon.len()).map(|i| (polygon[i], polygon[(i + 1) % polygon.len()]))
}

/// Two edges of a polygon, by the number of their first corner, that meet though they are no neighbours.
pub(super) fn self_crossing(polygon: &[Point]) -> Option<(usize, usize)> {
    let count = polygon.len();
    let edges: Vec<_> = edges(polygon).collect();
    let pairs = (0..count).flat_map(|i| (i + 2..count).map(move |j| (i, j)));
    pairs.filter(|&(i, j)| !(i == 0 && j == count - 1)).find(|&(i, j)| meet(edges[i], edges[j]))
}

fn meet((a, b): (Point, Point), (c, d): (Point, Point)) -> bool {
    let (at_c, at_d) = (turn(a, b, c), turn(a, b, d));
    let (at_a, at_b) = (turn(c, d, a), turn(c, d, b));
    let apart = |u: f64, v: f64| (u > 0.0 && v < 0.0) || (u < 0.0 && v > 0.0);
    let between =
        |p: Point, a: Point, b: Point| (0..2).all(|i| a[i].min(b[i]) <= p[i] && p[i] <= a[i].max(b[i]));
    (apart(at_c, at_d) && apart(at_a, at_b))
        || (at_c == 0.0 && between(c, a, b))
        || (at_d == 0.0 && between(d, a, b))
        || (at_a == 0.0 && between(a, c, d))
        || (at_b == 0.0 && between(b, c, d))
}

/// Cuts polygons by convex ones, keeping its memory (Sutherland and Hodgman, "Reentrant Polygon Clipping", CACM 1974).
#[derive(Clone, Debug, Default)]
pub(super) struct Clipper {
    from: Vec<Point>,
    to: Vec<Point>,
}

impl Clipper {
    /// The share of a convex quadrilateral, whichever way round, that a polygon covers; 0 for one without an area.
    pub(super) fn covered(&mut self, polygon: &[Point], quad: &[Point; 4]) -> f64 {
        let whole = double_area(quad);
        if whole.is_nan() || whole <= f64::MIN_POSITIVE {
            return 0.0;
        }
        let side = if turn(quad[0], quad[1], quad[2]) >= 0.0 { 1.0 } else { -1.0 };
        self.to.clear();
        self.to.extend_from_slice(polygon);
        for i in 0..4 {
            self.cut(quad[i], quad[(i + 1) % 4], side);
        }
        double_area(&self.to) / whole
    }

    /// Keeps what lies on one side of a line.
    fn cut(&mut self, a: Point, b: Point, side: f64) {
        std::mem::swap(&mut self.from, &mut self.to);
        self.to.clear();
        let Some(mut last) = self.from.last().copied() else { return };
        let mut was = turn(a, b, last) * side;
        for &next in &self.from {
            let is = turn(a, b, next) * side;
            if (was >= 0.0) != (is >= 0.0) {
                let t = was / (was - is);
                self.to.push([last[0] + t * (next[0] - last[0]), last[1] + t * (next[1] - last[1])]);
            }
            if is >= 0.0 {
                self.to.push(next);
            }
            (last, was) = (next, is);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SQUARE: [Point; 4] = [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]];
    /// A U, open at the top.
    const HOLLOW: [Point; 8] =
        [[0.0, 0.0], [0.2, 0.0], [0.2, 0.8], [0.8, 0.8], [0.8, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];

    #[test]
    fn points_are_in_or_out() {
        assert!(in_polygon(&SQUARE, [0.5, 0.5]) && in_polygon(&SQUARE, [0.25, 0.25]));
        assert!(!in_polygon(&SQUARE, [0.75, 0.5]) && !in_polygon(&SQUARE, [0.5, 0.75]));
        assert!(in_polygon(&HOLLOW, [0.1, 0.1]) && !in_polygon(&HOLLOW, [0.5, 0.5]));
        assert!(!in_polygon(&SQUARE, [f64::NAN, 0.5]) && !in_polygon(&[], [0.5, 0.5]));
    }

    /// Walking down the picture, the right hand points to the left of the picture.
    #[test]
    fn forward_is_from_the_left_of_the_line_to_its_right() {
        let (a, b) = ([0.5, 0.1], [0.5, 0.9]);
        assert_eq!(crossing(a, b, [0.7, 0.5], [0.3, 0.5]), 1);
        assert_eq!(crossing(a, b, [0.3, 0.5], [0.7, 0.5]), -1);
        assert_eq!(crossing(a, b, [0.7, 0.95], [0.3, 0.95]), 0, "it goes round the end");
        assert_eq!(crossing(a, b, [0.7, 0.5], [0.6, 0.5]), 0);
        let stops = [crossing(a, b, [0.7, 0.5], [0.5, 0.5]), crossing(a, b, [0.5, 0.5], [0.3, 0.5])];
        assert_eq!(stops, [1, 0], "a path that stops on the line crosses it once");
    }

    #[test]
    fn a_bow_tie_crosses_itself() {
        assert_eq!(self_crossing(&SQUARE), None);
        assert_eq!(self_crossing(&HOLLOW), None);
        assert_eq!(self_crossing(&[SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]]), Some((0, 2)));
        let touching = [[0.0, 0.0], [1.0, 0.0], [0.5, 0.5], [1.0, 1.0], [0.0, 1.0], [0.5, 0.5]];
        assert!(self_crossing(&touching).is_some(), "a corner on another edge");
    }

    #[test]
    fn a_share_is_covered() {
        let mut clipper = Clipper::default();
        let quad = |x0: f64, y0: f64, x1: f64, y1: f64| [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        near(clipper.covered(&SQUARE, &quad(0.0, 0.0, 0.5, 0.5)), 0.25);
        near(clipper.covered(&SQUARE, &quad(0.4, 0.4, 0.6, 0.6)), 1.0);
        near(clipper.covered(&SQUARE, &quad(0.8, 0.8, 0.9, 0.9)), 0.0);
        near(clipper.covered(&HOLLOW, &quad(0.0, 0.0, 1.0, 0.8)), 0.4);
        let mut turned = quad(0.0, 0.0, 0.5, 0.5);
        turned.reverse();
        near(clipper.covered(&SQUARE, &turned), 0.25);
        near(clipper.covered(&SQUARE, &[[0.5, 0.5]; 4]), 0.0);
    }

    proptest! {
        /// However a path goes, it crosses back and forth by turns.
        #[test]
        fn crossings_alternate(ys in prop::collection::vec(-0.1..0.1f64, 2..40)) {
            let (a, b) = ([-1.0, 0.0], [41.0, 0.0]);
            let path: Vec<Point> = ys.iter().enumerate().map(|(i, y)| [i as f64, *y]).collect();
            let crossings: Vec<i32> = path.windows(2).map(|w| crossing(a, b, w[0], w[1])).filter(|c| *c != 0).collect();
            prop_assert!(crossings.windows(2).all(|w| w[0] == -w[1]));
            let net = i32::from(ys[ys.len() - 1] >= 0.0) - i32::from(ys[0] >= 0.0);
            prop_assert_eq!(crossings.iter().sum::<i32>(), net);
        }

        /// A path across a corner of a polyline crosses one of the two segments.
        #[test]
        fn a_corner_is_no_gap(x in -0.5..0.5f64, y in 0.1..0.5f64) {
            let (a, b, c) = ([-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]);
            let (p, q) = ([x, -y], [-x, y]);
            prop_assert_eq!(crossing(a, b, p, q) + crossing(b, c, p, q), 1);
        }
    }
}
