//! Holds back who guesses at passwords, by Digest and Basic alike. Failed attempts are counted for each account name,
//! for each address prefix (an IPv4 address, an IPv6 /64), and for each pair of both:
//!
//! - a pair that fails too often is **locked**: nobody tries that name from that prefix for a while, not even with the
//!   right password, or the lock would tell which one that is. No name is ever locked as such, so that nobody locks
//!   out somebody else from elsewhere;
//! - a name that is guessed at from wherever is **delayed**, longer with each failure;
//! - a prefix that guesses at many names gets its turns **one after another**, with growing pauses;
//! - who has shown the right password from a prefix lately is **known** there and is neither delayed nor made to
//!   wait, whatever others do.
//!
//! A success takes nothing back: else whoever has an account of his own could clear his prefix, and whoever sits
//! behind the address of an office would be cleared by everybody else there. No more attempts of a pair or of a prefix
//! are under way at once than may still fail; the others wait in line, so that guesses do not overtake the count. An
//! attempt that work was spent on and whose client did not stay for the answer (`attempt`) counts against its prefix:
//! hashing is not to be had for nothing.
//!
//! All tables have a fixed size (`table`), and so have the lines of those who wait. A client certificate never comes
//! here. The counts are this process's own.

mod attempt;
mod table;

pub use attempt::{Attempt, Effort};

use crate::base::address::AddressPrefix;
use crate::config;
use crate::telemetry::metrics;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use table::Table;
use tokio::sync::Notify;

/// How many failures more a prefix may have than a name: several people may sit behind one address.
const PREFIX_FACTOR: u32 = 4;
/// How often a delay doubles.
const MOST_DOUBLINGS: u32 = 3;
/// The longest that a request is held; who would have to wait longer is sent away.
const MOST_PATIENCE: Duration = Duration::from_secs(10);
/// How long somebody who showed the right password is known at an address.
const KNOWN: Duration = Duration::from_secs(12 * 3600);
/// How often that is put on record anew.
const KNOWN_AGAIN: u64 = 60_000;
/// Requests that wait at once, in all and of one prefix.
const MOST_WAITING: usize = 4096;
const MOST_WAITING_OF_PREFIX: u32 = 256;
/// How long somebody in line waits before looking again without having been told.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// When to come again for whom there was no place to wait.
const COME_AGAIN: Duration = Duration::from_secs(1);
const SHARDS: usize = 64;
/// Sixteen counters each: 32,768 of every kind; and of prefixes somebody of which waits, twice as many as may wait.
const BUCKETS: usize = 2048;
const SEAT_BUCKETS: usize = 512;

/// Failed attempts, and who waits because of them. Shared by all threads.
pub struct Throttle {
    settings: config::Throttle,
    origin: Instant,
    hasher: RandomState,
    pairs: Table,
    names: Table,
    prefixes: Table,
    known: Table,
    /// Of each prefix, how many wait.
    seats: Table,
    waiting: AtomicUsize,
    /// Wakes those in line when an attempt has come to something, by a part of the prefix's key.
    ended: Vec<Notify>,
}

/// Who tries, by the keys of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Who {
    pair: u64,
    name: u64,
    prefix: u64,
}

/// What an attempt holds of the counts while it is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    who: Who,
    /// The pair of another name that the client gave for the same account, if it gave one.
    alias: Option<u64>,
    at_prefix: AtPrefix,
}

/// Whether an attempt is among those of its prefix that are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtPrefix {
    /// It has not been asked for.
    NotAsked,
    /// It is, until it has come to something.
    Counted,
    /// It needs no place there: the name is known at this prefix, or another attempt holds the place for it.
    Free,
}

/// Whether somebody may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admission {
    /// At once.
    Now,
    /// After this long.
    After(Duration),
    /// When one of the attempts that are under way has come to something.
    InLine,
    /// Not at all, for this reason.
    Held(Held),
}

/// How an attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The password was right.
    Right,
    /// It was not.
    Wrong,
    /// There was no answer, and nothing was spent on one.
    Nothing,
    /// The client did not stay for the answer that was being worked on.
    Abandoned,
}

/// Somebody may not try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// There were too many failures of this name from this prefix; it is over after this long.
    Locked(Duration),
    /// Too many wait, or the wait would be too long; it is worth trying after this long.
    Crowded(Duration),
}

impl Throttle {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new(settings: config::Throttle) -> Self {
        let window = milliseconds(settings.window);
        Self {
            origin: Instant::now(),
            hasher: RandomState::new(),
            pairs: Table::new(window, BUCKETS),
            names: Table::new(window, BUCKETS),
            prefixes: Table::new(window, BUCKETS),
            known: Table::new(milliseconds(KNOWN), BUCKETS),
            seats: Table::new(window, SEAT_BUCKETS),
            waiting: AtomicUsize::new(0),
            ended: (0..SHARDS).map(|_| Notify::new()).collect(),
            settings,
        }
    }

    /// Waits until this name may be tried from this address. What comes of the attempt is said to it.
    ///
    /// # Errors
    /// When it may not be tried.
    pub async fn enter(self: &Arc<Self>, name: &str, address: IpAddr) -> Result<Attempt, Held> {
        let entered = match self.place(name, address) {
            Some(place) => self.admit(place).await,
            None => Ok(Attempt::unthrottled()),
        };
        match entered {
            Ok(_) => {}
            Err(Held::Locked(_)) => metrics::THROTTLE_LOCKED.increment(),
            Err(Held::Crowded(_)) => metrics::THROTTLE_CROWDED.increment(),
        }
        entered
    }

    /// Waits until there is a place for an attempt.
    async fn admit(self: &Arc<Self>, mut place: Place) -> Result<Attempt, Held> {
        let who = place.who;
        let give_up = Instant::now() + MOST_PATIENCE;
        let mut seat = None;
        loop {
            // Listening begins before it is asked, so that nothing is missed in between.
            let mut ended = std::pin::pin!(self.ended(who).notified());
            ended.as_mut().enable();
            let now = Instant::now();
            let admission = self.ask(&mut place, now);
            match admission {
                Admission::Now => return Ok(Attempt::new(self, place)),
                Admission::After(wait) => {
                    // From here on it is given back when the client goes away.
                    let attempt = Attempt::new(self, place);
                    let _seat = match seat {
                        Some(seat) => seat,
                        None => self.seat(who, now).ok_or(Held::Crowded(wait))?,
                    };
                    tokio::time::sleep(wait).await;
                    return Ok(attempt);
                }
                Admission::InLine if now < give_up => {
                    if seat.is_none() {
                        seat = Some(self.seat(who, now).ok_or(Held::Crowded(COME_AGAIN))?);
                    }
                    // Whichever comes first; then it is asked again.
                    let _ = tokio::time::timeout(LOOK_AGAIN, ended).await;
                }
                Admission::InLine => return Err(Held::Crowded(COME_AGAIN)),
                Admission::Held(held) => return Err(held),
            }
        }
    }

    /// How many wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether somebody may try now. An attempt that may begin, at once or later, is under way from here on.
    fn ask(&self, place: &mut Place, now: Instant) -> Admission {
        let (who, at) = (place.who, self.at(now));
        let failures = self.settings.failures;
        let admitted = self.pairs.with(who.pair, at, |pair| {
            if pair.until > at {
                return Err(Admission::Held(Held::Locked(Duration::from_millis(pair.until - at))));
            }
            if pair.count.saturating_add(pair.pending) >= failures {
                return Err(Admission::InLine);
            }
            pair.pending += 1;
            Ok(())
        });
        if let Err(refused) = admitted {
            return refused;
        }
        if self.known.get(who.pair, at).is_some_and(|known| known.count > 0) {
            if place.at_prefix == AtPrefix::NotAsked {
                place.at_prefix = AtPrefix::Free;
            }
            return Admission::Now;
        }
        let turn = match place.at_prefix {
            AtPrefix::NotAsked => self.turn(who, at),
            AtPrefix::Counted | AtPrefix::Free => Ok(Duration::ZERO),
        };
        match turn {
            Err(refused) => {
                self.pairs.with_known(who.pair, table::Counter::end_attempt);
                refused
            }
            Ok(turn) => {
                if place.at_prefix == AtPrefix::NotAsked {
                    place.at_prefix = AtPrefix::Counted;
                }
                let name_failures = self.names.get(who.name, at).map_or(0, |name| name.count);
                match turn.max(self.pause(name_failures, failures)) {
                    Duration::ZERO => Admission::Now,
                    wait => Admission::After(wait),
                }
            }
        }
    }

    /// A place among a prefix's attempts that are under way, and how long it is until its turn; or why there is none. Its
    /// failures and what is under way are looked at together: what has not failed yet may.
    fn turn(&self, who: Who, at: u64) -> Result<Duration, Admission> {
        let free = self.settings.failures.saturating_mul(PREFIX_FACTOR);
        self.prefixes.with(who.prefix, at, |prefix| {
            let at_most = prefix.count.saturating_add(prefix.pending);
            if prefix.pending >= free || prefix.count < free && at_most >= free {
                return Err(Admission::InLine);
            }
            if prefix.count < free {
                prefix.pending += 1;
                return Ok(Duration::ZERO);
            }
            let turn = prefix.until.max(at);
            let wait = Duration::from_millis(turn - at);
            if wait > MOST_PATIENCE {
                return Err(Admission::Held(Held::Crowded(wait)));
            }
            prefix.until = turn.saturating_add(milliseconds(self.pause(at_most, free)));
            prefix.pending += 1;
            Ok(wait)
        })
    }

    /// What so many failures cost, if they are not free yet.
    fn pause(&self, failures: u32, free: u32) -> Duration {
        match failures.checked_sub(free) {
            None => Duration::ZERO,
            Some(more) => self.settings.delay.saturating_mul(1 << more.min(MOST_DOUBLINGS)),
        }
    }

    /// What came of an attempt.
    fn settle(&self, place: Place, end: End, now: Instant) {
        let (who, at) = (place.who, self.at(now));
        let pairs = [Some(who.pair), place.alias];
        for pair in pairs.into_iter().flatten() {
            self.pairs.with_known(pair, table::Counter::end_attempt);
        }
        if end == End::Wrong {
            self.pairs.with(who.pair, at, |pair| {
                pair.raise(at);
                if pair.count >= self.settings.failures {
                    pair.until = at.saturating_add(milliseconds(self.settings.lock));
                    pair.count = 0;
                    metrics::THROTTLE_LOCKS.increment();
                }
            });
            self.names.with(who.name, at, |name| name.raise(at));
        }
        for pair in pairs.into_iter().flatten() {
            match end {
                End::Right => self.make_known(pair, at),
                // It showed nothing, and would go on without waiting for a turn.
                End::Abandoned => self.known.with_known(pair, |known| known.count = 0),
                End::Wrong | End::Nothing => {}
            }
        }
        let (counted, raised) = (place.at_prefix == AtPrefix::Counted, matches!(end, End::Wrong | End::Abandoned));
        let change = |prefix: &mut table::Counter| {
            // Under one lock, so that nobody is let in between.
            if raised {
                prefix.raise(at);
            }
            if counted {
                prefix.end_attempt();
            }
        };
        match raised {
            true => self.prefixes.with(who.prefix, at, change),
            false => self.prefixes.with_known(who.prefix, change),
        }
        self.ended(who).notify_waiters();
    }

    /// Puts on record that a pair has shown the right password, unless that was done lately.
    fn make_known(&self, pair: u64, at: u64) {
        let lately = |since: u64| at.saturating_sub(since) < KNOWN_AGAIN;
        if !self.known.get(pair, at).is_some_and(|known| known.count > 0 && lately(known.since)) {
            self.known.with(pair, at, |known| (known.count, known.since) = (1, at));
        }
    }

    /// A place to wait in.
    fn seat(self: &Arc<Self>, who: Who, now: Instant) -> Option<Seat> {
        let taken = self.seats.with(who.prefix, self.at(now), |seats| {
            let free = seats.pending < MOST_WAITING_OF_PREFIX;
            seats.pending += u32::from(free);
            free
        });
        if !taken {
            return None;
        }
        // Given back by the seat, whether there was room or not.
        let seat = Seat { throttle: Arc::clone(self), who };
        (self.waiting.fetch_add(1, Ordering::Relaxed) < MOST_WAITING).then_some(seat)
    }

    /// An attempt that has not been asked for yet; `None` for who is exempted.
    fn place(&self, name: &str, address: IpAddr) -> Option<Place> {
        Some(Place { who: self.who(name, address)?, alias: None, at_prefix: AtPrefix::NotAsked })
    }

    /// Who tries; `None` for who is exempted. Letters of either case are one name here: where the store tells them
    /// apart, nobody is harmed by it, and where it does not, no spelling is a fresh start.
    fn who(&self, name: &str, address: IpAddr) -> Option<Who> {
        if self.settings.exempt.iter().any(|range| range.contains(address)) {
            return None;
        }
        let (name, prefix) = (name.to_lowercase(), AddressPrefix::of(address));
        // 0 is a free place.
        let key = |hash: u64| hash | 1 << 63;
        Some(Who {
            pair: key(self.hasher.hash_one((&name, prefix))),
            name: key(self.hasher.hash_one(&name)),
            prefix: key(self.hasher.hash_one(prefix)),
        })
    }

    fn at(&self, now: Instant) -> u64 {
        // Not 0, which is when nothing has happened yet.
        milliseconds(now.saturating_duration_since(self.origin)).saturating_add(1)
    }

    fn ended(&self, who: Who) -> &Notify {
        static NEVER: Notify = Notify::const_new();
        self.ended.get(usize::try_from(who.prefix % SHARDS as u64).unwrap_or(0)).unwrap_or(&NEVER)
    }

    /// The octets that its tables take, which never changes.
    #[must_use]
    pub fn size(&self) -> usize {
        [&self.pairs, &self.names, &self.prefixes, &self.known, &self.seats].map(Table::size).iter().sum()
    }
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttle").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A place of somebody who waits.
struct Seat {
    throttle: Arc<Throttle>,
    who: Who,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.throttle.waiting.fetch_sub(1, Ordering::Relaxed);
        self.throttle.seats.with_known(self.who.prefix, table::Counter::end_attempt);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
