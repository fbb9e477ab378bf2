//! A picture whose contrast is the same everywhere: what is left when light, shade and exposure are taken away.

use super::luma::Luma;

/// Pixels from the middle of the window, over which contrast is measured, to its edge.
const REACH: usize = 12;
/// Standard deviation of a window with much contrast afterwards, in grey levels.
const CONTRAST: f32 = 40.0;
/// Standard deviation of a window, in grey levels, at which half of that is given: noise is not blown up.
const WEAK: f32 = 10.0;

/// Evens out contrast; keeps its memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Evener {
    /// Sums and sums of squares of each column over the window's rows.
    sums: Vec<[f32; 2]>,
}

impl Evener {
    /// Puts `from`, less the mean of the window around each pixel and over its standard deviation, into `to`.
    pub(super) fn even(&mut self, from: &Luma, to: &mut Luma) {
        let (width, height) = (from.width, from.height);
        to.resize(width, height);
        if width == 0 || height == 0 {
            return;
        }
        self.sums.clear();
        self.sums.resize(width, [0.0; 2]);
        for y in 0..REACH.min(height) {
            self.add(from.row(y), 1.0);
        }
        for y in 0..height {
            if y + REACH < height {
                self.add(from.row(y + REACH), 1.0);
            }
            if y > REACH {
                self.add(from.row(y - REACH - 1), -1.0);
            }
            let rows = (y + REACH + 1).min(height) - y.saturating_sub(REACH);
            self.write(from.row(y), rows, &mut to.data[y * width..][..width]);
        }
    }

    fn add(&mut self, row: &[f32], sign: f32) {
        for ([sum, squares], v) in self.sums.iter_mut().zip(row) {
            // About grey, which keeps the squares small.
            let v = v - 128.0;
            *sum += sign * v;
            *squares += sign * (v * v);
        }
    }

    fn write(&self, row: &[f32], rows: usize, out: &mut [f32]) {
        let width = row.len();
        let mut total = [0.0_f32; 2];
        let mut take = |[sum, squares]: [f32; 2], sign: f32| {
            total = [total[0] + sign * sum, total[1] + sign * squares];
            total
        };
        self.sums.iter().take(REACH).for_each(|column| {
            take(*column, 1.0);
        });
        for (x, (v, out)) in row.iter().zip(out).enumerate() {
            let entering = self.sums.get(x + REACH).copied().unwrap_or_default();
            take(entering, 1.0);
            let leaving = if x > REACH { self.sums[x - REACH - 1] } else { [0.0; 2] };
            let [sum, squares] = take(leaving, -1.0);
            let columns = (x + REACH + 1).min(width) - x.saturating_sub(REACH);
            let scale = 1.0 / (rows * columns) as f32;
            let mean = sum * scale;
            let deviation = (squares * scale - mean * mean).max(0.0).sqrt();
            *out = (v - 128.0 - mean) * (CONTRAST / (deviation + WEAK));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(paint: impl Fn(usize, usize) -> f32) -> Luma {
        let (width, height) = (90, 60);
        Luma { width, height, data: (0..width * height).map(|i| paint(i % width, i / width)).collect() }
    }

    #[test]
    fn light_and_shade_are_taken_away() {
        let check = |x: usize, y: usize| if (x / 4 + y / 4).is_multiple_of(2) { 30.0 } else { -30.0 };
        let (mut plain, mut shaded) = (Luma::default(), Luma::default());
        let mut evener = Evener::default();
        evener.even(&picture(|x, y| 120.0 + check(x, y)), &mut plain);
        evener.even(&picture(|x, y| 60.0 + 0.6 * check(x, y) + 0.5 * x as f32), &mut shaded);
        let worst = plain.data.iter().zip(&shaded.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 12.0, "{worst}");
        let largest = plain.data.iter().fold(0.0, |most: f32, v| most.max(v.abs()));
        assert!((25.0..40.0).contains(&largest), "{largest}");
        evener.even(&picture(|_, _| 200.0), &mut plain);
        assert!(plain.data.iter().all(|v| v.abs() < 0.1));
    }

    #[test]
    fn pictures_smaller_than_the_window() {
        for (width, height) in [(0, 0), (1, 1), (30, 1), (1, 30), (5, 5)] {
            let (from, mut to) = (Luma { width, height, data: vec![9.0; width * height] }, Luma::default());
            Evener::default().even(&from, &mut to);
            assert!(to.data.len() == width * height && to.data.iter().all(|v| v.abs() < 1e-3));
        }
    }
}
