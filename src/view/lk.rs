//! Where a patch of one picture is in another: pyramidal Lucas-Kanade.
//!
//! Inverse-compositional steps (Baker and Matthews, "Lucas-Kanade 20 Years On", IJCV 2004) for a shift and a
//! change of brightness, from coarse to fine (Bouguet, "Pyramidal Implementation of the Lucas Kanade Feature
//! Tracker", Intel 2000), kept where the way back leads home (Kalal, Mikolajczyk and Matas, "Forward-Backward
//! Error", ICPR 2010).

use super::luma::{LEVELS, Luma, Pyramid};

/// Pixels along a patch's side.
const SIDE: usize = 12;
/// The same with the neighbours that its gradient needs.
const WIDE: usize = SIDE + 2;
const AREA: f32 = (SIDE * SIDE) as f32;
/// Most steps on a level.
const STEPS: usize = 8;
/// A step shorter than this, in pixels, is the last.
const SETTLED: f32 = 0.01;
/// Smallest curvature, per pixel, in which a step makes sense.
const LEAST_CURVATURE: f32 = 0.5;
/// What of a patch's variance may stay unexplained, and the variance of noise that may, too.
const UNEXPLAINED: f32 = 0.25;
const NOISE: f32 = 9.0;
/// A patch that fits this well before the first step is not looked for on coarser levels.
const FITS: f32 = 0.1;
/// Pixels that a patch which fits at once may be off.
const NEAR: f32 = 0.75;
/// Pixels between the start and the end of the way there and back.
const HOME: f32 = 0.25;

type Patch = [[f32; SIDE]; SIDE];

/// A patch with what a step needs of it.
struct Template {
    values: Patch,
    /// Gradients less their means, so that a change of brightness has no effect.
    gx: Patch,
    gy: Patch,
    /// Inverse of the gradients' products xx, xy, yy.
    inverse: [f32; 3],
    variance: f32,
}

/// How the axes of the target lie in the template: row-major 2x2. `None` stands for the identity.
pub(super) type Axes = Option<[f32; 4]>;

/// The point of level 0 on another level.
fn on_level([x, y]: [f32; 2], level: usize) -> [f32; 2] {
    let scale = 1.0 / (1 << level) as f32;
    [(x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5]
}

/// Samples `N` by `N` pixels around a point.
fn sample<const N: usize>(luma: &Luma, [x, y]: [f32; 2]) -> Option<[[f32; N]; N]> {
    if !(x.is_finite() && y.is_finite()) {
        return None;
    }
    let half = (N as f32 - 1.0) / 2.0;
    let (left, top) = (x - half, y - half);
    let (x0, y0) = (left.floor(), top.floor());
    let (u, v) = (left - x0, top - y0);
    // Half of the patch has to lie within the picture; the border goes on outside.
    let reach = half * 0.6;
    if x < reach - half * 0.5 || y < reach - half * 0.5 {
        return None;
    }
    if x > luma.width as f32 - reach || y > luma.height as f32 - reach {
        return None;
    }
    let weights = [(1.0 - u) * (1.0 - v), u * (1.0 - v), (1.0 - u) * v, u * v];
    let mut patch = [[0.0; N]; N];
    let inside = x0 >= 0.0 && y0 >= 0.0 && (x0 as usize) + N < luma.width && (y0 as usize) + N < luma.height;
    if inside {
        let (x0, y0) = (x0 as usize, y0 as usize);
        for (i, row) in patch.iter_mut().enumerate() {
            let a = &luma.row(y0 + i)[x0..][..=N];
            let b = &luma.row(y0 + i + 1)[x0..][..=N];
            for j in 0..N {
                row[j] =
                    weights[0] * a[j] + weights[1] * a[j + 1] + weights[2] * b[j] + weights[3] * b[j + 1];
            }
        }
    } else {
        let column = |j: usize| ((x0 as isize + j as isize).max(0) as usize).min(luma.width - 1);
        let line = |i: usize| ((y0 as isize + i as isize).max(0) as usize).min(luma.height - 1);
        for (i, row) in patch.iter_mut().enumerate() {
            let (a, b) = (luma.row(line(i)), luma.row(line(i + 1)));
            for (j, out) in row.iter_mut().enumerate() {
                let (p, q) = (column(j), column(j + 1));
                *out = weights[0] * a[p] + weights[1] * a[q] + weights[2] * b[p] + weights[3] * b[q];
            }
        }
    }
    Some(patch)
}

/// The same along other axes.
fn sample_along(luma: &Luma, [x, y]: [f32; 2], axes: [f32; 4]) -> Option<[[f32; WIDE]; WIDE]> {
    let half = (WIDE as f32 - 1.0) / 2.0;
    let mut patch = [[0.0; WIDE]; WIDE];
    let (right, bottom) = (luma.width as f32 - 1.0, luma.height as f32 - 1.0);
    if !(0.0..=right).contains(&x) || !(0.0..=bottom).contains(&y) {
        return None;
    }
    for (i, row) in patch.iter_mut().enumerate() {
        for (j, out) in row.iter_mut().enumerate() {
            let (dx, dy) = (j as f32 - half, i as f32 - half);
            let px = (x + axes[0] * dx + axes[1] * dy).clamp(0.0, right);
            let py = (y + axes[2] * dx + axes[3] * dy).clamp(0.0, bottom);
            let (x0, y0) = (px as usize, py as usize);
            let (x1, y1) = ((x0 + 1).min(luma.width - 1), (y0 + 1).min(luma.height - 1));
            let (u, v) = (px - x0 as f32, py - y0 as f32);
            let (a, b) = (luma.row(y0), luma.row(y1));
            *out = (1.0 - v) * ((1.0 - u) * a[x0] + u * a[x1]) + v * ((1.0 - u) * b[x0] + u * b[x1]);
        }
    }
    Some(patch)
}

fn total(patch: &Patch) -> f32 {
    patch.iter().flatten().sum()
}

fn product(a: &Patch, b: &Patch) -> f32 {
    // Columns are summed apart first, which the compiler turns into vector instructions.
    let mut sums = [0.0; SIDE];
    for (a, b) in a.iter().zip(b) {
        for j in 0..SIDE {
            sums[j] += a[j] * b[j];
        }
    }
    sums.iter().sum()
}

impl Template {
    fn new(luma: &Luma, at: [f32; 2], axes: Axes) -> Option<Self> {
        let wide: [[f32; WIDE]; WIDE] = match axes {
            None => sample(luma, at)?,
            Some(axes) => sample_along(luma, at, axes)?,
        };
        let (mut values, mut gx, mut gy) = ([[0.0; SIDE]; SIDE], [[0.0; SIDE]; SIDE], [[0.0; SIDE]; SIDE]);
        for i in 0..SIDE {
            for j in 0..SIDE {
                values[i][j] = wide[i + 1][j + 1];
                gx[i][j] = 0.5 * (wide[i + 1][j + 2] - wide[i + 1][j]);
                gy[i][j] = 0.5 * (wide[i + 2][j + 1] - wide[i][j + 1]);
            }
        }
        for gradient in [&mut gx, &mut gy] {
            let mean = total(gradient) / AREA;
            gradient.iter_mut().flatten().for_each(|v| *v -= mean);
        }
        let (xx, xy, yy) = (product(&gx, &gx), product(&gx, &gy), product(&gy, &gy));
        let (mean, difference) = (0.5 * (xx + yy), 0.5 * (xx - yy));
        let smallest = mean - (difference * difference + xy * xy).sqrt();
        if smallest < LEAST_CURVATURE * AREA {
            return None;
        }
        let scale = 1.0 / (xx * yy - xy * xy);
        let mean = total(&values) / AREA;
        let variance = product(&values, &values) / AREA - mean * mean;
        Some(Self { values, gx, gy, inverse: [yy * scale, -xy * scale, xx * scale], variance })
    }

    /// Moves `place` in `luma` to where the patch fits best. Returns the part of its variance that stays
    /// unexplained there, and whether it fitted at the start.
    fn seek(&self, luma: &Luma, place: &mut [f32; 2], steps: usize) -> Option<f32> {
        let mut unexplained = f32::INFINITY;
        for step in 0..=steps {
            let found: Patch = sample(luma, *place)?;
            let (mut bx, mut by, mut sum, mut squares) = ([0.0; SIDE], [0.0; SIDE], [0.0; SIDE], [0.0; SIDE]);
            let gradients = self.gx.iter().zip(&self.gy);
            for ((found, values), (gx, gy)) in found.iter().zip(&self.values).zip(gradients) {
                for j in 0..SIDE {
                    let error = found[j] - values[j];
                    bx[j] += gx[j] * error;
                    by[j] += gy[j] * error;
                    sum[j] += error;
                    squares[j] += error * error;
                }
            }
            let [bx, by, sum, squares] = [bx, by, sum, squares].map(|v| v.iter().sum::<f32>());
            let mean = sum / AREA;
            unexplained = (squares / AREA - mean * mean - NOISE).max(0.0) / self.variance.max(1.0);
            let dx = self.inverse[0] * bx + self.inverse[1] * by;
            let dy = self.inverse[1] * bx + self.inverse[2] * by;
            if step == steps {
                break;
            }
            let limit = SIDE as f32 / 2.0;
            if !(dx.abs() <= limit && dy.abs() <= limit) {
                return None;
            }
            place[0] -= dx;
            place[1] -= dy;
            if dx * dx + dy * dy < SETTLED * SETTLED {
                break;
            }
        }
        Some(unexplained)
    }
}

/// Finds where the patch of `from` around `at` is in `to`, near `guess`; all on level 0. `axes` says how the axes of
/// `to` lie in `from`. `None` where it is not found beyond doubt.
pub(super) fn follow(
    from: &Pyramid,
    to: &Pyramid,
    at: [f32; 2],
    guess: [f32; 2],
    axes: Axes,
) -> Option<[f32; 2]> {
    let template = Template::new(&from.levels[0], at, axes)?;
    let mut place = guess;
    let fits = template.seek(&to.levels[0], &mut guess.clone(), 0).is_some_and(|rest| rest < FITS);
    if !fits {
        place = on_level(guess, LEVELS - 1);
        for level in (1..LEVELS).rev() {
            if let Some(coarse) = Template::new(&from.levels[level], on_level(at, level), axes) {
                let mut moved = place;
                if coarse.seek(&to.levels[level], &mut moved, STEPS).is_some_and(|rest| rest < 1.0) {
                    place = moved;
                }
            }
            place = [(place[0] + 0.5) * 2.0 - 0.5, (place[1] + 0.5) * 2.0 - 0.5];
        }
    }
    let rest = template.seek(&to.levels[0], &mut place, STEPS)?;
    if rest > UNEXPLAINED {
        return None;
    }
    // What was where it was looked for, and hardly had to be moved, needs no second opinion.
    let close = (place[0] - guess[0]).abs().max((place[1] - guess[1]).abs()) < NEAR;
    if fits && close {
        return Some(place);
    }
    let back = axes.map_or(Some(None), |a| invert(a).map(Some))?;
    let there = Template::new(&to.levels[0], place, back)?;
    let mut home = at;
    there.seek(&from.levels[0], &mut home, 3)?;
    ((home[0] - at[0]).hypot(home[1] - at[1]) < HOME).then_some(place)
}

fn invert([a, b, c, d]: [f32; 4]) -> Option<[f32; 4]> {
    let determinant = a * d - b * c;
    (determinant.abs() > 1e-3).then(|| [d, -b, -c, a].map(|v| v / determinant))
}
