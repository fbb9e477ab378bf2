//! Running statistics in constant memory.
//!
//! [`Histogram`] is a log-linear histogram in the manner of HdrHistogram (Tene, 2012): every power of two is
//! divided into [`SUB_BUCKETS`] equal parts, so a quantile is known to a fixed fraction of its value whatever
//! the range of the values.

/// Parts that each power of two is divided into.
pub const SUB_BUCKETS: u64 = 1 << SUB_BITS;

const SUB_BITS: u32 = 5;
/// One bucket a value below 2^(SUB_BITS + 1), then SUB_BUCKETS for each further power of two of a u64.
const BUCKETS: usize = ((64 - SUB_BITS as usize) + 1) << SUB_BITS;

/// Quantiles, maximum and mean of durations in nanoseconds (or of any other `u64`).
///
/// Values below 64 are kept exactly; a quantile of larger ones is off by at most 1/64 of its value (1.6 %).
/// Count, minimum, maximum and mean are exact. A histogram takes 15 KiB, made once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    buckets: Box<[u64]>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

/// What a report shows of a [`Histogram`], in the unit of the recorded values; all 0 when nothing was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// Number of recorded values.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: u64,
    /// 95th percentile.
    pub p95: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Largest value.
    pub max: u64,
}

impl Histogram {
    /// A histogram without values.
    pub fn new() -> Self {
        Self { buckets: vec![0; BUCKETS].into_boxed_slice(), count: 0, sum: 0, min: u64::MAX, max: 0 }
    }

    /// Counts one value. Never allocates.
    pub fn record(&mut self, ns: u64) {
        self.buckets[bucket_of(ns)] += 1;
        self.count += 1;
        self.sum += u128::from(ns);
        self.min = self.min.min(ns);
        self.max = self.max.max(ns);
    }

    /// The nearest-rank quantile: the smallest recorded value that at least a share `q` of all values does not
    /// exceed, within 1/64 of that value. `q` outside \[0, 1\] counts as the nearer end, NaN as 0; 0 when nothing
    /// was recorded.
    pub fn quantile(&self, q: f64) -> u64 {
        if self.count == 0 {
            return 0;
        }
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|n| {
            seen += n;
            seen >= rank
        });
        bucket.map_or(self.max, |b| middle_of(b).clamp(self.min, self.max))
    }

    /// Number of recorded values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Largest recorded value, 0 when there is none.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Arithmetic mean, 0 when nothing was recorded.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }

    /// The figures of a report.
    pub fn summary(&self) -> Summary {
        Summary {
            count: self.count,
            mean: self.mean(),
            p50: self.quantile(0.50),
            p95: self.quantile(0.95),
            p99: self.quantile(0.99),
            max: self.max,
        }
    }

    /// Adds all values of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Forgets all values and keeps the memory.
    pub fn reset(&mut self) {
        self.buckets.fill(0);
        (self.count, self.sum, self.min, self.max) = (0, 0, u64::MAX, 0);
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

/// Index of the bucket that holds `value`: its exponent, then the SUB_BITS bits below its leading one.
fn bucket_of(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(SUB_BITS + 1);
    ((u64::from(shift) << SUB_BITS) + (value >> shift)) as usize
}

/// The value in the middle of a bucket.
fn middle_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket >> SUB_BITS).saturating_sub(1);
    let low = (bucket - (shift << SUB_BITS)) << shift;
    low + ((1 << shift) - 1) / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        values.iter().for_each(|v| histogram.record(*v));
        histogram
    }

    #[test]
    fn small_values_are_exact() {
        let h = of(&[5, 1, 3, 2, 4]);
        assert_eq!((h.quantile(0.0), h.quantile(0.5), h.quantile(0.8), h.quantile(1.0)), (1, 3, 4, 5));
        assert_eq!((h.count(), h.mean(), h.max()), (5, 3.0, 5));
    }

    #[test]
    fn an_empty_histogram_is_zero() {
        assert_eq!(Histogram::new().summary(), Summary::default());
    }

    #[test]
    fn extremes_have_a_bucket() {
        let h = of(&[0, u64::MAX]);
        assert_eq!((h.quantile(0.0), h.quantile(1.0)), (0, middle_of(BUCKETS - 1)));
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert_eq!((h.quantile(f64::NAN), h.quantile(-1.0)), (0, 0));
    }

    #[test]
    fn buckets_are_contiguous() {
        let mut last = bucket_of(0);
        for exponent in 1..63 {
            for value in [1u64 << exponent, (1 << exponent) + 1, (2 << exponent) - 1] {
                assert!(bucket_of(value) >= last && bucket_of(value) - bucket_of(value - 1) <= 1);
                last = bucket_of(value);
            }
        }
    }

    #[test]
    fn reset_forgets_everything() {
        let mut h = of(&[1, 1_000_000]);
        h.reset();
        assert_eq!(h, Histogram::new());
    }

    proptest! {
        #[test]
        fn quantiles_are_within_the_bound(
            mut values in prop::collection::vec(prop_oneof![0..200u64, 0..50_000_000u64, any::<u64>()], 1..300),
            q in 0.0..=1.0f64,
        ) {
            let h = of(&values);
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let exact = values[rank - 1];
            prop_assert!(h.quantile(q).abs_diff(exact) <= exact / 64, "{} for {exact}", h.quantile(q));
            prop_assert_eq!(h.max(), values[values.len() - 1]);
        }

        #[test]
        fn merging_equals_recording_all(a in prop::collection::vec(any::<u64>(), 0..50), b in prop::collection::vec(any::<u64>(), 0..50)) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(merged, of(&[a, b].concat()));
        }
    }
}
