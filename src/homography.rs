//! Row-major 3x3 homographies between normalised points.

/// Leaves every point where it is.
pub const IDENTITY: [f64; 9] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];

/// First `first`, then `second`, scaled so that the last number is 1 where it can be.
pub fn compose(second: &[f64; 9], first: &[f64; 9]) -> [f64; 9] {
    let product = |i: usize| (0..3).map(|k| second[i / 3 * 3 + k] * first[k * 3 + i % 3]).sum::<f64>();
    scaled(std::array::from_fn(product))
}

/// The way back, or `None` where there is none.
pub fn inverse(h: &[f64; 9]) -> Option<[f64; 9]> {
    let minor = |r: usize, c: usize| {
        let at = |i: usize, j: usize| h[(r + i) % 3 * 3 + (c + j) % 3];
        at(1, 1) * at(2, 2) - at(1, 2) * at(2, 1)
    };
    let determinant = (0..3).map(|c| h[c] * minor(0, c)).sum::<f64>();
    let largest = h.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    if !determinant.is_finite() || determinant.abs() <= largest.powi(3) * 1e-12 {
        return None;
    }
    Some(scaled(std::array::from_fn(|i| minor(i % 3, i / 3) / determinant)))
}

/// Where a point goes; infinite or NaN for points that go nowhere.
pub fn apply(h: &[f64; 9], [x, y]: [f64; 2]) -> [f64; 2] {
    let w = h[6] * x + h[7] * y + h[8];
    [(h[0] * x + h[1] * y + h[2]) / w, (h[3] * x + h[4] * y + h[5]) / w]
}

/// A homography of pixels as one of normalised points, for pictures of the same size on both sides.
pub fn normalised(h: &[f64; 9], width: f64, height: f64) -> [f64; 9] {
    let to_pixels = [width, 0.0, 0.0, 0.0, height, 0.0, 0.0, 0.0, 1.0];
    let back = [1.0 / width, 0.0, 0.0, 0.0, 1.0 / height, 0.0, 0.0, 0.0, 1.0];
    compose(&back, &compose(h, &to_pixels))
}

fn scaled(h: [f64; 9]) -> [f64; 9] {
    if h[8] == 0.0 || !h[8].is_finite() { h } else { h.map(|v| v / h[8]) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_flattens_has_no_way_back() {
        assert_eq!(inverse(&[0.0; 9]), None);
        assert_eq!(inverse(&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]), None);
        assert_eq!(inverse(&[f64::NAN; 9]), None);
        assert_eq!(inverse(&IDENTITY), Some(IDENTITY));
    }

    #[test]
    fn a_shift_by_pixels() {
        let shift = [1.0, 0.0, 64.0, 0.0, 1.0, -18.0, 0.0, 0.0, 1.0];
        assert_eq!(apply(&normalised(&shift, 640.0, 360.0), [0.5, 0.5]), [0.6, 0.45]);
    }

    proptest! {
        #[test]
        fn there_and_back(h in prop::array::uniform8(-0.3..0.3f64), x in 0.0..1.0f64, y in 0.0..1.0f64) {
            let h: [f64; 9] = std::array::from_fn(|i| IDENTITY[i] + h.get(i).copied().unwrap_or(0.0) * 0.5);
            let back = inverse(&h).unwrap();
            let there = apply(&h, [x, y]);
            let again = apply(&back, there);
            prop_assert!((again[0] - x).abs() < 1e-9 && (again[1] - y).abs() < 1e-9);
            let nowhere = compose(&back, &h);
            prop_assert!(nowhere.iter().zip(IDENTITY).all(|(a, b)| (a - b).abs() < 1e-9));
        }
    }
}
