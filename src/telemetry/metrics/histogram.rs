//! How long something takes, counted in buckets that are fixed: quantiles are for whoever reads to estimate.

use super::sharded::Sharded;
use crate::base::number::float;
use std::time::Duration;

/// The most buckets that a histogram may have, the one without an upper bound aside.
const MOST_BUCKETS: usize = 18;
/// The cell of the sum, after the buckets and the one without a bound.
const SUM: usize = MOST_BUCKETS + 1;

/// Upper bounds in microseconds for what usually takes no wait at all: from 25 µs to 5 s.
pub const SHORT: &[u64] = &[
    25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000,
];
/// Upper bounds in microseconds for what waits for a network or an application: from 250 µs to 60 s.
pub const LONG: &[u64] = &[
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000, 60_000_000,
];

/// Durations, counted by how long they are.
pub struct Histogram {
    bounds: &'static [u64],
    cells: Sharded<{ MOST_BUCKETS + 2 }>,
}

/// What a histogram has counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// For each bound, in seconds, how many took no longer.
    pub buckets: Vec<(f64, u64)>,
    /// How many there were.
    pub count: u64,
    /// How long they took together, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// Nothing was counted yet. The bounds are in microseconds and ascend; no more than 18 of them are used.
    #[must_use]
    pub const fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, cells: Sharded::new() }
    }

    /// Counts a duration.
    pub fn observe(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds().iter().position(|bound| nanoseconds <= bound.saturating_mul(1000));
        self.cells.add(bucket.unwrap_or(MOST_BUCKETS), 1);
        self.cells.add(SUM, nanoseconds);
    }

    /// What was counted so far. The count is that of the buckets, so that both agree whatever happens meanwhile.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut count = 0;
        let buckets = self.bounds().iter().enumerate().map(|(index, bound)| {
            count += self.cells.get(index);
            (float(*bound) / 1e6, count)
        });
        let buckets = buckets.collect();
        count += self.cells.get(MOST_BUCKETS);
        Snapshot { buckets, count, sum: float(self.cells.get(SUM)) / 1e9 }
    }

    fn bounds(&self) -> &'static [u64] {
        self.bounds.get(..MOST_BUCKETS).unwrap_or(self.bounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_every_bucket_that_it_is_no_longer_than() {
        let histogram = Histogram::new(&[1000, 2000]);
        let micros = Duration::from_micros;
        for took in [micros(0), micros(1000), micros(1001), micros(2000), micros(2001), Duration::MAX] {
            histogram.observe(took.min(Duration::from_secs(1)));
        }
        let Snapshot { buckets, count, sum } = histogram.snapshot();
        assert_eq!(buckets, [(0.001, 2), (0.002, 4)]);
        assert_eq!(count, 6);
        assert!((sum - 1.006_002).abs() < 1e-9, "{sum}");
    }

    #[test]
    fn the_bounds_in_use_ascend_and_fit() {
        for bounds in [SHORT, LONG] {
            assert!(bounds.is_sorted() && bounds.len() <= MOST_BUCKETS);
        }
    }
}
