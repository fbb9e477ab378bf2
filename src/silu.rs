//! SiLU, the activation between the convolutions of most detectors: `x * sigmoid(x)`, here for `x * sigmoid(a * x)` (Hendrycks
//! and Gimpel, "Gaussian Error Linear Units", 2016).

use std::f32::consts::LOG2_E;

use pulp::{Arch, Simd, WithSimd};

/// 2^f for f in \[-0.5, 0.5\] by rising power: the polynomial of which the largest relative error is least, 7.5e-8 (by Remez's
/// algorithm).
const EXP2: [f32; 6] = [1.000_000_1, 0.693_146_94, 0.240_221_2, 0.055_507_13, 0.009_675_541, 0.001_327_647_2];
/// Exponents beyond this are no normal numbers.
const MOST: f32 = 126.0;
/// Added to a number below 2^22, this leaves its nearest integer in the lowest bits.
const ROUND: f32 = 12_582_912.0;

/// Writes the activations of `from` to `to`, as many as there are in both. Their relative error is
/// below 3e-7 + 1.5e-7 |scale * x|, apart from numbers that are hardly normal.
pub fn silu(arch: Arch, scale: f32, from: &[f32], to: &mut [f32]) {
    arch.dispatch(Activation { scale, from, to });
}

struct Activation<'a> {
    scale: f32,
    from: &'a [f32],
    to: &'a mut [f32],
}

impl WithSimd for Activation<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let Self { scale, from, to } = self;
        let to_exponent = -scale * LOG2_E;
        for (x, y) in from.iter().zip(to) {
            *y = *x / (1.0 + exp2(*x * to_exponent));
        }
    }
}

/// 2^x, of x no further from 0 than [`MOST`].
#[inline(always)]
fn exp2(x: f32) -> f32 {
    let x = x.clamp(-MOST, MOST);
    let rounded = x + ROUND;
    let rest = x - (rounded - ROUND);
    let [a, b, c, d, e, f] = EXP2;
    let part = fma(fma(fma(fma(fma(f, rest, e), rest, d), rest, c), rest, b), rest, a);
    f32::from_bits(part.to_bits().wrapping_add(rounded.to_bits() << 23))
}

#[inline(always)]
fn fma(a: f32, b: f32, c: f32) -> f32 {
    a.mul_add(b, c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(scale: f32, from: &[f32]) -> Vec<f32> {
        let mut to = vec![f32::NAN; from.len()];
        silu(Arch::new(), scale, from, &mut to);
        to
    }

    fn exact(scale: f32, x: f32) -> f64 {
        f64::from(x) / (1.0 + (-f64::from(scale) * f64::from(x)).exp())
    }

    #[test]
    fn the_ends_are_right() {
        let ends = [0.0, f32::MAX, -f32::MAX, f32::INFINITY, f32::MIN_POSITIVE, 100.0, -100.0];
        let [zero, most, least, infinite, tiny, high, low] = of(1.0, &ends)[..] else { panic!() };
        assert_eq!([zero, most, infinite, high], [0.0, f32::MAX, f32::INFINITY, 100.0]);
        assert!(tiny > 0.0 && tiny < f32::MIN_POSITIVE);
        assert!(low <= 0.0 && low > -1e-35 && least <= 0.0);
        assert!(of(1.0, &[f32::NAN])[0].is_nan());
    }

    #[test]
    fn shorter_lists_set_the_length() {
        let mut to = [7.0; 3];
        silu(Arch::new(), 1.0, &[0.0; 2], &mut to);
        assert_eq!(to, [0.0, 0.0, 7.0]);
    }

    proptest! {
        #[test]
        fn it_is_exact_to_the_last_bits(x in prop::collection::vec(-30f32..30.0, 1..50), scale in 0.5f32..2.0) {
            for (x, y) in x.iter().zip(of(scale, &x)) {
                let wanted = exact(scale, *x);
                // The exponent's own rounding grows with it.
                let room = (3e-7 + 1.5e-7 * f64::from((scale * x).abs())) * wanted.abs() + 1e-37;
                prop_assert!((f64::from(y) - wanted).abs() <= room, "{x} at {scale}: {y} and not {wanted}");
            }
        }
    }
}
