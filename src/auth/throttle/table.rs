//! A table of counters whose size never changes, whoever fills it. Each key has sixteen places where its counter can
//! stand; when they are taken, the counter that matters least makes room: one that is over, else the lowest, and
//! of several lowest the oldest. So a flood of new keys, which all begin at one, throws out others of the flood
//! and not the counter that somebody wants to be rid of: for that, each of the places must be raised to as many
//! failures as that counter has, in a table of tens of thousands of places which nobody outside can aim at,
//! since keys are hashed with a secret of this process.

use std::sync::{Mutex, PoisonError};

/// Places for one key.
const WAYS: usize = 16;

/// Counters of one kind.
pub(super) struct Table {
    buckets: Vec<Mutex<[Counter; WAYS]>>,
    /// How long a counter that is not raised means anything, in milliseconds.
    life: u64,
}

/// What is known of one key. Times are milliseconds since the throttle was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counter {
    /// 0 for a free place.
    key: u64,
    /// Failures, or whatever is counted.
    pub(super) count: u32,
    /// Attempts that have not come to anything yet.
    pub(super) pending: u32,
    /// When the first of those that are counted was.
    pub(super) since: u64,
    /// Until when something holds: a lock, or the turns that are given away.
    pub(super) until: u64,
}

impl Counter {
    /// Counts one more.
    pub(super) fn raise(&mut self, now: u64) {
        if self.count == 0 {
            self.since = now;
        }
        self.count = self.count.saturating_add(1);
    }

    /// Ends an attempt that was pending.
    pub(super) fn end_attempt(&mut self) {
        self.pending = self.pending.saturating_sub(1);
    }

    fn forget_what_is_over(&mut self, now: u64, life: u64) {
        if now.saturating_sub(self.since) >= life {
            self.count = 0;
        }
    }

    /// How much it matters; least goes first.
    fn weight(&self, now: u64) -> (bool, bool, u32, u64) {
        (self.pending > 0, self.until > now, self.count, self.since)
    }
}

impl Table {
    /// Empty, with so many times sixteen places, of counters that mean something for so many milliseconds.
    pub(super) fn new(life: u64, buckets: usize) -> Self {
        Self { buckets: (0..buckets).map(|_| Mutex::default()).collect(), life }
    }

    /// Does something with the counter of a key, which is a new one if there is none.
    pub(super) fn with<R>(&self, key: u64, now: u64, change: impl FnOnce(&mut Counter) -> R) -> R {
        let mut lost = Counter { key, ..Counter::default() };
        let Some(bucket) = self.bucket(key) else { return change(&mut lost) };
        let mut places = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        places.iter_mut().for_each(|counter| counter.forget_what_is_over(now, self.life));
        let known = places.iter().position(|counter| counter.key == key);
        let lightest =
            || places.iter().enumerate().min_by_key(|(_, counter)| counter.weight(now)).map(|(place, _)| place);
        let place = known.or_else(lightest);
        match place.and_then(|place| places.get_mut(place)) {
            Some(counter) => {
                if counter.key != key {
                    *counter = lost;
                }
                change(counter)
            }
            None => change(&mut lost),
        }
    }

    /// The counter of a key, if there is one.
    pub(super) fn get(&self, key: u64, now: u64) -> Option<Counter> {
        let places = self.bucket(key)?.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counter = places.iter().find(|counter| counter.key == key).copied()?;
        counter.forget_what_is_over(now, self.life);
        Some(counter)
    }

    /// Does something with the counter of a key, if there is one.
    pub(super) fn with_known(&self, key: u64, change: impl FnOnce(&mut Counter)) {
        let Some(bucket) = self.bucket(key) else { return };
        let mut places = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = places.iter_mut().find(|counter| counter.key == key) {
            change(counter);
        }
    }

    fn bucket(&self, key: u64) -> Option<&Mutex<[Counter; WAYS]>> {
        self.buckets.get(usize::try_from(key.checked_rem(self.buckets.len() as u64)?).ok()?)
    }

    /// The octets that it takes.
    pub(super) fn size(&self) -> usize {
        self.buckets.capacity() * size_of::<Mutex<[Counter; WAYS]>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKETS: usize = 2048;

    /// Keys of one bucket.
    fn key(number: u64) -> u64 {
        number * BUCKETS as u64 + 7
    }

    fn raise(table: &Table, key: u64, now: u64) {
        table.with(key, now, |counter| counter.raise(now));
    }

    fn count(table: &Table, key: u64, now: u64) -> Option<u32> {
        table.get(key, now).map(|counter| counter.count)
    }

    #[test]
    fn a_counter_is_kept_until_its_life_is_over() {
        let table = Table::new(1000, BUCKETS);
        assert_eq!(count(&table, key(1), 0), None);
        raise(&table, key(1), 10);
        raise(&table, key(1), 900);
        assert_eq!(count(&table, key(1), 1009), Some(2));
        assert_eq!(count(&table, key(1), 1010), Some(0));
        raise(&table, key(1), 1010);
        assert_eq!(table.get(key(1), 1010).map(|counter| (counter.count, counter.since)), Some((1, 1010)));
    }

    #[test]
    fn a_flood_of_new_keys_does_not_throw_out_a_counter_that_stands_higher() {
        let table = Table::new(1_000_000, BUCKETS);
        raise(&table, key(1), 1);
        raise(&table, key(1), 2);
        table.with(key(2), 3, |locked| locked.until = 500_000);
        table.with(key(3), 3, |tried| tried.pending = 1);
        for number in 10..10_000 {
            raise(&table, key(number), number);
        }
        assert_eq!(count(&table, key(1), 10_000), Some(2));
        assert_eq!(table.get(key(2), 10_000).map(|counter| counter.until), Some(500_000));
        assert_eq!(table.get(key(3), 10_000).map(|counter| counter.pending), Some(1));
        // Of the flood itself, the last stand there.
        assert_eq!(count(&table, key(9_999), 10_000), Some(1));
        assert_eq!(count(&table, key(9_000), 10_000), None);
        // When it is over, whatever stood there makes room.
        for number in 20_000..20_020 {
            raise(&table, key(number), 2_000_000);
        }
        assert_eq!(count(&table, key(1), 2_000_000), None);
    }

    #[test]
    fn it_never_grows() {
        let table = Table::new(1000, BUCKETS);
        let before = table.size();
        for number in 0_u64..200_000 {
            raise(&table, number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number);
        }
        assert_eq!(table.size(), before);
        assert!(before <= 2 << 20, "{before}");
    }
}
