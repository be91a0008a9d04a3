//! The table of what clients have used: its size never changes, whoever fills it, and no client ever gets more out of
//! it than its terms say, whoever else comes.
//!
//! Each key has sixteen places where it can stand. When they are taken, the one that has least to remember makes room;
//! what it remembered becomes the least that is assumed of everybody who is not there (`floor`). So a flood of keys, as
//! one who has many addresses can make them, gives nobody a fresh start; whoever else falls into the same places may
//! have to wait as if it had used its burst when somebody last made room, and no longer, whatever longer terms the
//! others have. A key with requests under way never makes room: where all sixteen have some, a newcomer is refused. Keys
//! are hashed with a secret of the process, so that nobody can aim at the places of another.

use std::sync::{Mutex, PoisonError};

/// Places for one key.
const WAYS: usize = 16;
/// 131,072 places of 24 octets, and what is known of those who are in none.
const BUCKETS: usize = 8192;

/// What each of many clients has used.
#[derive(Debug)]
pub(super) struct Table {
    buckets: Vec<Mutex<Bucket>>,
}

/// What a client may use. Times are in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// Between two requests of somebody who makes them evenly; 0 without a limit.
    pub(super) interval: u64,
    /// The interval as often as requests may come at once.
    pub(super) window: u64,
    /// How many may be under way at once.
    pub(super) most: Option<u32>,
}

/// Why there is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is at this time, if nobody else has taken it by then.
    Until(u64),
    /// As many are under way as may be.
    UnderWay,
}

#[derive(Debug, Default)]
struct Bucket {
    places: [Place; WAYS],
    /// Until when at least those who are not in the places are assumed to have used theirs up.
    floor: u64,
    /// The latest time at which anything was taken here.
    latest: u64,
    /// What that was when somebody last made room who had something to remember.
    forgotten: u64,
}

/// What is known of one key.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// 0 for a place that was never used.
    key: u64,
    /// When it has again all that it may have.
    due: u64,
    under_way: u32,
}

impl Place {
    /// How much there is to remember; least goes first.
    fn weight(&self) -> (bool, u64) {
        (self.under_way > 0, self.due)
    }
}

impl Table {
    /// One in which nobody has used anything.
    pub(super) fn new() -> Self {
        Self::with_buckets(BUCKETS)
    }

    /// The same with so many times sixteen places.
    pub(super) fn with_buckets(buckets: usize) -> Self {
        Self { buckets: (0..buckets).map(|_| Mutex::default()).collect() }
    }

    /// Takes one request for this key at this time. What was taken under way is to be [given back](Self::give_back).
    ///
    /// # Errors
    /// When there is none; then nothing has changed.
    pub(super) fn take(&self, key: u64, now: u64, terms: &Terms) -> Result<(), Refused> {
        let Some(bucket) = self.bucket(key) else { return Err(Refused::UnderWay) };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let Bucket { places, floor, latest, forgotten } = &mut *bucket;
        let lightest = || places.iter().enumerate().min_by_key(|(_, place)| place.weight()).map(|(index, _)| index);
        let known = places.iter().position(|place| place.key == key);
        let Some(place) = known.or_else(lightest).and_then(|index| places.get_mut(index)) else {
            return Err(Refused::UnderWay);
        };
        let mut taken = *place;
        if known.is_none() {
            if place.under_way > 0 {
                return Err(Refused::UnderWay);
            }
            // Nobody who had made room by then had used more than its window.
            taken = Place { key, due: (*floor).min(forgotten.saturating_add(terms.window)), under_way: 0 };
        }
        if terms.most.is_some_and(|most| taken.under_way >= most) {
            return Err(Refused::UnderWay);
        }
        if terms.interval > 0 {
            let due = taken.due.max(now).saturating_add(terms.interval);
            let most = now.saturating_add(terms.window);
            if due > most {
                return Err(Refused::Until(now.saturating_add(due - most)));
            }
            taken.due = due;
        }
        taken.under_way += u32::from(terms.most.is_some());
        *latest = now.max(*latest);
        if known.is_none() {
            *floor = place.due.max(*floor);
            if place.due > now {
                *forgotten = *latest;
            }
        }
        *place = taken;
        Ok(())
    }

    /// One request of this key is not under way any more.
    pub(super) fn give_back(&self, key: u64) {
        let Some(bucket) = self.bucket(key) else { return };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = bucket.places.iter_mut().find(|place| place.key == key) {
            place.under_way = place.under_way.saturating_sub(1);
        }
    }

    fn bucket(&self, key: u64) -> Option<&Mutex<Bucket>> {
        self.buckets.get(usize::try_from(key.checked_rem(self.buckets.len() as u64)?).ok()?)
    }
}

#[cfg(test)]
mod tests;
