//! Numbers that every worker adds to and that are read once in a while: each thread adds to cells of its own, which
//! no other core writes to, and whoever reads adds them up. Nothing is ever locked, and an addition costs a few
//! nanoseconds however many cores add at once.

use crate::telemetry::shard::{SHARDS, shard};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// `N` numbers, all 0 at first. The cells of a thread are made when it first adds, so that what is never counted
/// takes no room.
pub struct Sharded<const N: usize> {
    shards: [OnceLock<Box<Cells<N>>>; SHARDS],
}

/// Cells of one thread, on cache lines that nothing else is on (two of them, because they are fetched in pairs).
#[repr(align(128))]
struct Cells<const N: usize>([AtomicU64; N]);

impl<const N: usize> Sharded<N> {
    /// Numbers that are all 0.
    #[must_use]
    pub const fn new() -> Self {
        Self { shards: [const { OnceLock::new() }; SHARDS] }
    }

    /// Adds to a number. A number that is not there takes nothing.
    pub fn add(&self, index: usize, amount: u64) {
        if let Some(cell) = self.cells().and_then(|cells| cells.0.get(index)) {
            cell.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// Takes from a number; what one thread adds another may take.
    pub fn take(&self, index: usize, amount: u64) {
        if let Some(cell) = self.cells().and_then(|cells| cells.0.get(index)) {
            cell.fetch_sub(amount, Ordering::Relaxed);
        }
    }

    /// A number as all threads have left it. Additions that happen meanwhile may be in it or not.
    #[must_use]
    pub fn get(&self, index: usize) -> u64 {
        let cells = self.shards.iter().filter_map(OnceLock::get).filter_map(|cells| cells.0.get(index));
        // Each shard's own share may be below 0 and wrapped around; the sum is not.
        cells.fold(0, |sum, cell| sum.wrapping_add(cell.load(Ordering::Relaxed)))
    }

    fn cells(&self) -> Option<&Cells<N>> {
        let shard = self.shards.get(shard())?;
        Some(shard.get_or_init(|| Box::new(Cells([const { AtomicU64::new(0) }; N]))))
    }
}

impl<const N: usize> Default for Sharded<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// A number that only grows.
#[derive(Default)]
pub struct Counter(Sharded<1>);

impl Counter {
    /// A counter that stands at 0.
    #[must_use]
    pub const fn new() -> Self {
        Self(Sharded::new())
    }

    /// One more.
    pub fn increment(&self) {
        self.0.add(0, 1);
    }

    /// So many more.
    pub fn add(&self, amount: u64) {
        self.0.add(0, amount);
    }

    /// How many there were.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.get(0)
    }
}

/// A number that goes up and down: what is under way.
#[derive(Default)]
pub struct Gauge(Sharded<1>);

impl Gauge {
    /// A gauge that stands at 0.
    #[must_use]
    pub const fn new() -> Self {
        Self(Sharded::new())
    }

    /// One begins.
    pub fn begin(&self) {
        self.0.add(0, 1);
    }

    /// One ends, on whatever thread.
    pub fn end(&self) {
        self.0.take(0, 1);
    }

    /// One begins that ends when what this gives is dropped.
    pub fn hold(&'static self) -> Held {
        self.begin();
        Held(self)
    }

    /// How many are under way. While threads add and take, it may be off by those few, but never below 0.
    #[must_use]
    pub fn get(&self) -> u64 {
        let sum = self.0.get(0);
        // What was read in the middle of a move from one thread to another.
        if sum > u64::MAX / 2 { 0 } else { sum }
    }
}

/// Something that is under way until this is dropped.
#[must_use = "it ends when this is dropped"]
pub struct Held(&'static Gauge);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_all_threads_add_is_summed_up() {
        let numbers = Arc::new(Sharded::<3>::new());
        let threads: Vec<_> = (0..2 * SHARDS)
            .map(|_| {
                let numbers = Arc::clone(&numbers);
                std::thread::spawn(move || (0..1000).for_each(|_| numbers.add(1, 2)))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!([0, 1, 2].map(|index| numbers.get(index)), [0, 4000 * SHARDS as u64, 0]);
        numbers.add(3, 1);
        assert_eq!(numbers.get(3), 0, "there is no such number");
    }

    #[test]
    fn what_begins_on_one_thread_may_end_on_another() {
        static GAUGE: Gauge = Gauge::new();
        let held = (GAUGE.hold(), GAUGE.hold());
        assert_eq!(GAUGE.get(), 2);
        std::thread::spawn(move || drop(held)).join().unwrap();
        assert_eq!(GAUGE.get(), 0);
        GAUGE.end();
        assert_eq!(GAUGE.get(), 0, "it is never shown below 0");
    }
}
