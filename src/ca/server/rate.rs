//! How many certificates may be asked for in a time: by one account, and by all together. It is what bounds a gate
//! that was broken into, which can ask in everybody's name (`docs/threat-model.md`); a person's device never meets
//! it. Counts are of this process, and of acts that were begun, so that failing costs as much as succeeding.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many acts are allowed in how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// As many at once; the same number comes back over `per`.
    pub acts: u32,
    /// How long it takes until all of them may be done again.
    pub per: Duration,
}

impl Rate {
    /// How long one act is remembered.
    fn interval(self) -> Duration {
        self.per / self.acts.max(1)
    }
}

/// When somebody would have used up nothing (the "theoretical arrival time" of the generic cell rate algorithm,
/// ITU-T I.371): one instant holds what a bucket would.
#[derive(Debug, Clone, Copy)]
struct Due(Instant);

impl Due {
    /// The due time after another act, or how long it has to wait.
    fn after(self, rate: Rate, now: Instant) -> Result<Self, Duration> {
        let next = self.0.max(now) + rate.interval();
        match next.checked_duration_since(now + rate.per) {
            Some(over) if !over.is_zero() => Err(over),
            _ => Ok(Self(next)),
        }
    }
}

/// Counts acts.
#[derive(Debug)]
pub struct Limiter {
    all: Rate,
    each: Rate,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    all: Option<Due>,
    each: HashMap<String, Due>,
}

impl Limiter {
    /// So many by everybody together, and by each account.
    #[must_use]
    pub fn new(all: Rate, each: Rate) -> Self {
        Self { all, each, state: Mutex::default() }
    }

    /// Counts an act of an account.
    ///
    /// # Errors
    /// When it is one too many: how long it has to wait. It is not counted then.
    pub fn count(&self, account: &str, now: Instant) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let all = state.all.unwrap_or(Due(now)).after(self.all, now)?;
        let each = state.each.get(account).copied().unwrap_or(Due(now)).after(self.each, now)?;
        state.all = Some(all);
        // Whoever is due no later than now has used up nothing: the table holds no more accounts than `all` lets
        // through in the time that one is remembered.
        if state.each.len() >= state.each.capacity() {
            state.each.retain(|_, due| due.0 > now);
        }
        state.each.insert(account.to_owned(), each);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rate(acts: u32, seconds: u32) -> Rate {
        Rate { acts, per: SECOND * seconds }
    }

    #[test]
    fn an_account_has_its_acts_at_once_and_then_waits_for_each() {
        let limiter = Limiter::new(rate(1000, 1), rate(3, 30));
        let now = Instant::now();
        for _ in 0..3 {
            limiter.count("alice", now).unwrap();
        }
        assert_eq!(limiter.count("alice", now), Err(SECOND * 10));
        assert_eq!(limiter.count("alice", now + SECOND * 4), Err(SECOND * 6));
        // What was refused was not counted, and nobody else waits.
        limiter.count("bob", now).unwrap();
        limiter.count("alice", now + SECOND * 10).unwrap();
        assert!(limiter.count("alice", now + SECOND * 10).is_err());
        for _ in 0..3 {
            limiter.count("alice", now + SECOND * 100).unwrap();
        }
        assert!(limiter.count("alice", now + SECOND * 100).is_err());
    }

    #[test]
    fn in_the_names_of_many_no_more_is_had_than_of_all_together() {
        let limiter = Limiter::new(rate(10, 60), rate(5, 60));
        let now = Instant::now();
        let had = (0..1000).filter(|number| limiter.count(&format!("account-{number}"), now).is_ok()).count();
        assert_eq!(had, 10);
        let later = now + SECOND * 6;
        limiter.count("account-500", later).unwrap();
        assert!(limiter.count("account-501", later).is_err());
    }

    #[test]
    fn who_has_used_up_nothing_is_forgotten() {
        let limiter = Limiter::new(rate(1_000_000, 1), rate(1, 1));
        let mut now = Instant::now();
        for number in 0..10_000 {
            limiter.count(&format!("account-{number}"), now).unwrap();
            now += SECOND / 10;
        }
        assert!(limiter.state.lock().unwrap().each.capacity() < 200);
    }
}
