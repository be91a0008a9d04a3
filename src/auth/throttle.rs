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
//! behind the address of an office would be cleared by everybody else there. No more attempts of a pair are under way
//! at once than may still fail; the others wait in line, so that guesses do not overtake the count.
//!
//! All tables have a fixed size (`table`), and so have the lines of those who wait. A client certificate never comes
//! here. The counts are this process's own.

mod table;

use crate::base::address::AddressPrefix;
use crate::config;
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

/// Failed attempts, and who waits because of them. Shared by all threads.
pub struct Throttle {
    settings: config::Throttle,
    origin: Instant,
    hasher: RandomState,
    pairs: Table,
    names: Table,
    prefixes: Table,
    known: Table,
    waiting: AtomicUsize,
    /// Wakes those in line when an attempt has come to something, by a part of the pair's key.
    ended: Vec<Notify>,
}

/// Who tries, by the keys of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Who {
    pair: u64,
    name: u64,
    prefix: u64,
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
            pairs: Table::new(window),
            names: Table::new(window),
            prefixes: Table::new(window),
            known: Table::new(milliseconds(KNOWN)),
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
        let Some(who) = self.who(name, address) else { return Ok(Attempt { of: None }) };
        let give_up = Instant::now() + MOST_PATIENCE;
        let mut seat = None;
        loop {
            // Listening begins before it is asked, so that nothing is missed in between.
            let mut ended = std::pin::pin!(self.ended(who).notified());
            ended.as_mut().enable();
            let now = Instant::now();
            let admission = self.ask(who, now);
            match admission {
                Admission::Now => return Ok(Attempt { of: Some((Arc::clone(self), who)) }),
                Admission::After(wait) => {
                    // From here on it is given back when the client goes away.
                    let attempt = Attempt { of: Some((Arc::clone(self), who)) };
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

    /// Whether somebody may try now. An attempt that may begin, at once or later, is under way from here on.
    fn ask(&self, who: Who, now: Instant) -> Admission {
        let at = self.at(now);
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
            return Admission::Now;
        }
        let name_failures = self.names.get(who.name, at).map_or(0, |name| name.count);
        let delay = self.pause(name_failures, failures);
        let turn = match self.prefixes.get(who.prefix, at) {
            Some(prefix) if prefix.count >= failures.saturating_mul(PREFIX_FACTOR) => self.turn(who, at),
            _ => Ok(Duration::ZERO),
        };
        match turn {
            Err(wait) => {
                self.pairs.with_known(who.pair, table::Counter::end_attempt);
                Admission::Held(Held::Crowded(wait))
            }
            Ok(turn) => match turn.max(delay) {
                Duration::ZERO => Admission::Now,
                wait => Admission::After(wait),
            },
        }
    }

    /// The next turn of a prefix that guesses; or, if that is too far off, how far.
    fn turn(&self, who: Who, at: u64) -> Result<Duration, Duration> {
        let from = self.settings.failures.saturating_mul(PREFIX_FACTOR);
        self.prefixes.with(who.prefix, at, |prefix| {
            let turn = prefix.until.max(at);
            let wait = Duration::from_millis(turn - at);
            if wait > MOST_PATIENCE {
                return Err(wait);
            }
            prefix.until = turn.saturating_add(milliseconds(self.pause(prefix.count, from)));
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

    /// What came of an attempt: right, wrong, or nothing.
    fn settle(&self, who: Who, right: Option<bool>, now: Instant) {
        let at = self.at(now);
        match right {
            Some(false) => {
                self.pairs.with(who.pair, at, |pair| {
                    pair.end_attempt();
                    pair.raise(at);
                    if pair.count >= self.settings.failures {
                        pair.until = at.saturating_add(milliseconds(self.settings.lock));
                        pair.count = 0;
                    }
                });
                self.names.with(who.name, at, |name| name.raise(at));
                self.prefixes.with(who.prefix, at, |prefix| prefix.raise(at));
            }
            Some(true) => {
                self.pairs.with_known(who.pair, table::Counter::end_attempt);
                let lately = |since: u64| at.saturating_sub(since) < KNOWN_AGAIN;
                if !self.known.get(who.pair, at).is_some_and(|known| known.count > 0 && lately(known.since)) {
                    self.known.with(who.pair, at, |known| (known.count, known.since) = (1, at));
                }
            }
            None => self.pairs.with_known(who.pair, table::Counter::end_attempt),
        }
        self.ended(who).notify_waiters();
    }

    /// A place to wait in.
    fn seat(self: &Arc<Self>, who: Who, now: Instant) -> Option<Seat> {
        let taken = self.prefixes.with(who.prefix, self.at(now), |prefix| {
            let free = prefix.pending < MOST_WAITING_OF_PREFIX;
            prefix.pending += u32::from(free);
            free
        });
        if !taken {
            return None;
        }
        // Given back by the seat, whether there was room or not.
        let seat = Seat { throttle: Arc::clone(self), who };
        (self.waiting.fetch_add(1, Ordering::Relaxed) < MOST_WAITING).then_some(seat)
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
        self.ended.get(usize::try_from(who.pair % SHARDS as u64).unwrap_or(0)).unwrap_or(&NEVER)
    }

    /// The octets that its tables take, which never changes.
    #[must_use]
    pub fn size(&self) -> usize {
        [&self.pairs, &self.names, &self.prefixes, &self.known].map(Table::size).iter().sum()
    }
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttle").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// An attempt that is under way. One that is dropped without a word has come to nothing: there was no answer, or the
/// client has gone away.
#[derive(Debug)]
#[must_use = "what comes of it must be said"]
pub struct Attempt {
    of: Option<(Arc<Throttle>, Who)>,
}

impl Attempt {
    /// One that nobody counts.
    pub fn unthrottled() -> Self {
        Self { of: None }
    }

    /// The password was right, or it was not.
    pub fn settle(mut self, right: bool) {
        if let Some((throttle, who)) = self.of.take() {
            throttle.settle(who, Some(right), Instant::now());
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some((throttle, who)) = self.of.take() {
            throttle.settle(who, None, Instant::now());
        }
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
        self.throttle.prefixes.with_known(self.who.prefix, table::Counter::end_attempt);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
