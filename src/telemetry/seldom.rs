//! What may happen with each request and is said once in a while: the first time at once, and then no more often than
//! once in an interval, with how often it was kept quiet about.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many subjects are told apart. When there are more, all are forgotten, and each is said once more.
const MOST_SUBJECTS: usize = 1024;

/// Knows what was said, and when, by what it was about.
#[derive(Debug)]
pub struct Seldom<K> {
    interval: Duration,
    said: Mutex<HashMap<K, Said>>,
}

#[derive(Debug)]
struct Said {
    at: Instant,
    suppressed: u64,
}

impl<K: Hash + Eq> Seldom<K> {
    /// Nothing was said yet; each thing may be once in this interval.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self { interval, said: Mutex::default() }
    }

    /// Whether something about this subject may be said now: how often it was suppressed since the last time, or `None`
    /// if it is suppressed again.
    pub fn may_be_said(&self, subject: K, now: Instant) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = said.get_mut(&subject) {
            if now.saturating_duration_since(known.at) < self.interval {
                known.suppressed = known.suppressed.saturating_add(1);
                return None;
            }
            known.at = now;
            return Some(std::mem::take(&mut known.suppressed));
        }
        if said.len() == MOST_SUBJECTS {
            said.clear();
        }
        said.insert(subject, Said { at: now, suppressed: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_in_an_interval_with_how_often_it_was_not() {
        let (seldom, begin) = (Seldom::new(Duration::from_secs(60)), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        for (subject, seconds, expected) in [
            ("a", 0, Some(0)),
            ("a", 1, None),
            ("b", 1, Some(0)),
            ("a", 59, None),
            ("a", 60, Some(2)),
            ("a", 61, None),
            ("a", 500, Some(1)),
            ("b", 500, Some(0)),
        ] {
            assert_eq!(seldom.may_be_said(subject, at(seconds)), expected, "{subject} after {seconds}s");
        }
    }

    #[test]
    fn it_does_not_grow_without_bound() {
        let (seldom, now) = (Seldom::new(Duration::from_secs(60)), Instant::now());
        for number in 0..10 * MOST_SUBJECTS {
            assert_eq!(seldom.may_be_said(number, now), Some(0));
        }
        assert!(seldom.said.lock().unwrap().len() <= MOST_SUBJECTS);
    }
}
