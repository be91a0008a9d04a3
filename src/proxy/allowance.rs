//! How many requests a client may make: so many in a time, and so many at once. Each request asks before it costs
//! anything; one that is too many is turned away, and nothing of it waits.
//!
//! A rate is kept by the generic cell rate algorithm (ITU-T I.371, annex A): for each client one point in time, at
//! which it has again all that it may have, moved on by one interval with each request. It may lie ahead by the
//! burst, and when the next request may come follows from it exactly.
//!
//! Clients are kept in one `table` of fixed size for the process, which goes on over reloads, by a hash of whose
//! allowance it is and what is limited. Limits that have changed are others and begin anew. The table is made when
//! the first request is counted: where nothing is limited, nothing is held. The counts are this process's own.

mod table;

use crate::base::address::AddressPrefix;
use crate::config::{CountedBy, RequestLimits};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use table::{Refused, Table, Terms};

/// When to come again for whom as many requests are under way as may be: nobody knows when one of them will end.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// What all clients have used of their allowances. Shared by all threads.
#[derive(Debug)]
pub struct Allowances {
    origin: Instant,
    hasher: RandomState,
    table: OnceLock<Table>,
}

/// What one client may do in one place: on a route, or anywhere.
#[derive(Debug, Clone)]
pub struct Allowance {
    /// What clients are told apart by.
    pub by: CountedBy,
    scope: u64,
    terms: Terms,
}

/// Whose allowance it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose<'a> {
    /// Of the account of this user name.
    Account(&'a str),
    /// Of whoever comes from there.
    Address(AddressPrefix),
}

/// A client has had what it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// The next request may come after this long.
    #[error("more requests came than the rate allows")]
    Rate(Duration),
    /// As many requests are under way as may be.
    #[error("as many requests are under way as may be at once")]
    Concurrency,
}

impl Exceeded {
    /// When it is worth trying again.
    #[must_use]
    pub fn retry_after(self) -> Duration {
        match self {
            Self::Rate(wait) => wait,
            Self::Concurrency => COME_AGAIN,
        }
    }
}

/// A request that is under way and counted as such until the last clone of this is dropped.
#[derive(Debug, Clone)]
pub struct Slot(#[expect(dead_code, reason = "it is held, not read")] Arc<Held>);

#[derive(Debug)]
struct Held {
    allowances: Arc<Allowances>,
    key: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(table) = self.allowances.table.get() {
            table.give_back(self.key);
        }
    }
}

/// What one request holds of the allowances that it came under: that of its address, and that of its route.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    of_address: OnceLock<Slot>,
    of_route: OnceLock<Slot>,
}

impl Taken {
    /// Holds this for as long as the request goes on, as taken of its address's allowance.
    pub fn hold_of_address(&self, slot: Option<Slot>) {
        if let Some(slot) = slot {
            // A request takes one of each.
            let _ = self.of_address.set(slot);
        }
    }

    /// The same of its route's.
    pub fn hold_of_route(&self, slot: Option<Slot>) {
        if let Some(slot) = slot {
            let _ = self.of_route.set(slot);
        }
    }
}

impl Allowance {
    /// What these limits allow each client in this place. The same limits in the same place are one allowance, however
    /// often it is made.
    #[must_use]
    pub fn new(place: impl Hash, limits: &RequestLimits) -> Self {
        // Places come from the configuration, so that nobody chooses them.
        let mut hasher = DefaultHasher::new();
        (place, limits).hash(&mut hasher);
        let terms = limits.rate.map_or(Terms::default(), |rate| {
            let interval = rate.per.as_nanos().div_ceil(u128::from(rate.requests.max(1)));
            let interval = u64::try_from(interval).unwrap_or(u64::MAX);
            Terms { interval, window: interval.saturating_mul(u64::from(rate.burst)), ..Terms::default() }
        });
        let terms = Terms { most: limits.concurrency.map(NonZeroU32::get), ..terms };
        Self { by: limits.by, scope: hasher.finish(), terms }
    }
}

impl Allowances {
    /// Nobody has used anything.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { origin: Instant::now(), hasher: RandomState::new(), table: OnceLock::new() })
    }

    /// Takes what one request needs. There is something to hold only where requests under way are counted.
    ///
    /// # Errors
    /// What the client has used up. Nothing is taken then.
    pub fn take(
        self: &Arc<Self>,
        allowance: &Allowance,
        whose: Whose<'_>,
        now: Instant,
    ) -> Result<Option<Slot>, Exceeded> {
        let key = self.hasher.hash_one((allowance.scope, whose));
        let at = u64::try_from(now.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX);
        match self.table.get_or_init(Table::new).take(key, at, &allowance.terms) {
            Ok(()) if allowance.terms.most.is_none() => Ok(None),
            Ok(()) => Ok(Some(Slot(Arc::new(Held { allowances: Arc::clone(self), key })))),
            Err(Refused::Until(due)) => Err(Exceeded::Rate(Duration::from_nanos(due.saturating_sub(at).max(1)))),
            Err(Refused::UnderWay) => Err(Exceeded::Concurrency),
        }
    }
}

#[cfg(test)]
mod tests;
