//! What a connection is doing and since when: waiting for a request, receiving its head, or serving it.
//! From that its driver knows whether a deadline has passed, with one timer for the whole connection
//! instead of one for each request.

use crate::config::{LeastRate, Timeouts};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

/// How many requests a client may give up, whatever it does with the others: more than a page has, or a map that is
/// moved about.
const MANY_GIVEN_UP: usize = 500;
/// How many octets of bodies streams may have in memory before the connection is told of it.
const UNSEEN: u64 = 16 * 1024;

/// Shared by a connection's input and output, its requests and its driver, all on one thread: relaxed
/// atomics only because requests must be `Send`.
#[derive(Debug)]
pub struct Activity {
    origin: Instant,
    /// HTTP/2 sends frames between requests, so that what arrives need not be a head.
    multiplexed: bool,
    /// Requests being served.
    active: AtomicUsize,
    /// Requests that have come, and those that the client gave up before their answer.
    begun: AtomicUsize,
    given_up: AtomicUsize,
    /// Milliseconds since `origin`, plus one; 0 while no head is being received.
    head_since: AtomicU64,
    /// Milliseconds since `origin` at the end of the last request.
    idle_since: AtomicU64,
    /// Milliseconds since `origin`, plus one; 0 while the client takes what is written.
    stalled_since: AtomicU64,
    /// The end was said, and the client is heard out.
    closing: AtomicBool,
    /// Requests of which a piece of the response waits for the client to take it. Over HTTP/2 a client can
    /// stop them all by its flow control while it goes on reading the connection.
    waiting: AtomicUsize,
    /// How often a piece was handed over or taken, how often at the last check, and the time of the last check
    /// that found something moving, in milliseconds since `origin`.
    moves: AtomicU64,
    moves_seen: AtomicU64,
    moved: AtomicU64,
    /// Octets that were written, and whether the client has taken all of them since the last check.
    octets: AtomicU64,
    eased: AtomicBool,
    /// Octets of bodies that are in memory for the connection, on their way to the client or from it, and how many have
    /// gone on.
    held: AtomicU64,
    passed: AtomicU64,
    /// How many of them its driver has seen, and by what it is woken.
    seen: AtomicU64,
    driver: Mutex<Option<Waker>>,
    /// Octets that TLS has sealed and the socket has not taken, at most.
    unsent: AtomicU64,
    /// What the last check has seen of how fast the client takes.
    slowness: Mutex<Slowness>,
}

/// How fast the client takes, as the checks have seen it.
#[derive(Debug, Clone, Copy, Default)]
struct Slowness {
    /// When, in milliseconds since `origin`, and how many octets had been written.
    at: u64,
    octets: u64,
    /// Whether it was waited for.
    waited: bool,
    /// For how long it has kept the gate waiting beyond what the octets that it took account for, in milliseconds.
    debt: u64,
}

/// A deadline that has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// `timeouts.request_head`: a head began and did not end.
    Head,
    /// `timeouts.idle`: nothing was asked.
    Idle,
    /// `timeouts.idle`: the client takes nothing of what is written.
    Stalled,
    /// `timeouts.least_rate`: the client takes what is written too slowly.
    Slow,
}

impl Activity {
    /// A connection whose handshake has just ended: the head of its first request is due.
    #[must_use]
    pub fn new(multiplexed: bool, now: Instant) -> Self {
        Self {
            origin: now,
            multiplexed,
            active: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            given_up: AtomicUsize::new(0),
            head_since: AtomicU64::new(1),
            idle_since: AtomicU64::new(0),
            stalled_since: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            moves: AtomicU64::new(0),
            moves_seen: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            octets: AtomicU64::new(0),
            eased: AtomicBool::new(false),
            held: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            driver: Mutex::default(),
            unsent: AtomicU64::new(0),
            slowness: Mutex::default(),
        }
    }

    /// Octets have arrived.
    pub fn received(&self) {
        if !self.multiplexed && self.active.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.elapsed(Instant::now()) + 1, Relaxed);
        }
    }

    /// The client took what was written, or did not.
    pub fn written(&self, stalled: bool) {
        if !stalled {
            if self.stalled_since.load(Relaxed) != 0 {
                self.stalled_since.store(0, Relaxed);
            }
        } else if self.stalled_since.load(Relaxed) == 0 {
            self.stalled_since.store(self.elapsed(Instant::now()) + 1, Relaxed);
        }
    }

    /// The end is being said.
    pub fn close(&self) {
        self.closing.store(true, Relaxed);
    }

    /// How long a connection has had nothing at all to do: no request under way and none beginning, nothing to send, and no
    /// end to say. `None` while it has.
    #[must_use]
    pub fn rests(&self, now: Instant) -> Option<Duration> {
        let busy = self.active() > 0
            || self.head_since.load(Relaxed) != 0
            || self.stalled_since.load(Relaxed) != 0
            || self.closing.load(Relaxed);
        let since = || Duration::from_millis(self.elapsed(now).saturating_sub(self.idle_since.load(Relaxed)));
        (!busy).then(since)
    }

    /// So many octets were written.
    pub fn sent(&self, octets: usize) {
        self.octets.fetch_add(octets as u64, Relaxed);
    }

    /// The client has taken all that was written.
    pub fn eased(&self) {
        if !self.eased.load(Relaxed) {
            self.eased.store(true, Relaxed);
        }
    }

    /// So many octets more were handed to TLS, which has `behind` it what the socket has not taken, or nothing. Gives how
    /// many may be there.
    pub fn sealed(&self, octets: usize, behind: bool) -> u64 {
        let before = self.unsent.load(Relaxed);
        let unsent = if behind { before.saturating_add(octets as u64) } else { 0 };
        if unsent != before {
            self.unsent.store(unsent, Relaxed);
        }
        unsent
    }

    /// How many octets TLS may have sealed that the socket has not taken.
    #[must_use]
    pub fn unsent(&self) -> u64 {
        self.unsent.load(Relaxed)
    }

    /// So many octets of a body are in memory from now on. One thread does all this, so that no number is lost
    /// between reading and writing it.
    pub fn hold(&self, octets: u64) {
        let held = self.held.load(Relaxed).saturating_add(octets);
        self.held.store(held, Relaxed);
        // Streams have tasks of their own, and what they wait with their connection may never hear of.
        if self.multiplexed && held > self.seen.load(Relaxed).saturating_add(UNSEEN) {
            self.wake();
        }
    }

    /// Whoever drives the connection is this task.
    pub fn driven_by(&self, task: &Waker) {
        *self.driver.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.clone());
    }

    /// Has the connection driven, whatever it waits for.
    pub fn wake(&self) {
        if let Some(driver) = &*self.driver.lock().unwrap_or_else(PoisonError::into_inner) {
            driver.wake_by_ref();
        }
    }

    /// So many octets no longer are.
    pub fn let_go(&self, octets: u64) {
        self.held.store(self.held.load(Relaxed).saturating_sub(octets), Relaxed);
    }

    /// So many octets no longer are, because they have gone on.
    pub fn pass(&self, octets: u64) {
        self.let_go(octets);
        self.passed.store(self.passed.load(Relaxed).wrapping_add(octets), Relaxed);
    }

    /// How many octets are in memory for the connection, and how many have gone on since it began.
    #[must_use]
    pub fn held(&self) -> (u64, u64) {
        (self.held.load(Relaxed).saturating_add(self.unsent()), self.passed.load(Relaxed))
    }

    /// The same for its driver, who need not be told again before there is much more.
    #[must_use]
    pub fn look(&self) -> (u64, u64) {
        let held = self.held.load(Relaxed);
        if self.seen.load(Relaxed) != held {
            self.seen.store(held, Relaxed);
        }
        self.held()
    }

    /// Whether the client does not take what is written.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.stalled_since.load(Relaxed) != 0
    }

    /// A request's head is whole.
    pub fn begin(&self) {
        self.active.fetch_add(1, Relaxed);
        self.begun.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
    }

    /// A request was answered whole, or given up.
    pub fn end(&self) {
        if self.active.fetch_sub(1, Relaxed) == 1 {
            self.idle_since.store(self.elapsed(Instant::now()), Relaxed);
        }
    }

    /// A request was given up by the client before there was an answer.
    pub fn gave_up(&self) {
        self.given_up.fetch_add(1, Relaxed);
    }

    /// Whether the client gives up most of its requests, and many: it wants the work done, and no answers
    /// (CVE-2023-44487, however slowly).
    #[must_use]
    pub fn gives_up_most(&self) -> bool {
        let given_up = self.given_up.load(Relaxed);
        given_up > MANY_GIVEN_UP && given_up > self.begun.load(Relaxed) / 2
    }

    /// A piece of a response is there for the client to take.
    pub fn handed(&self) {
        self.waiting.fetch_add(1, Relaxed);
        self.moves.fetch_add(1, Relaxed);
    }

    /// The client has taken that piece, or never will.
    pub fn taken(&self) {
        self.waiting.fetch_sub(1, Relaxed);
        self.moves.fetch_add(1, Relaxed);
    }

    /// How many requests are being served.
    #[must_use]
    pub fn active(&self) -> usize {
        self.active.load(Relaxed)
    }

    /// The deadline that has passed, or when to look again.
    ///
    /// # Errors
    /// Which deadline has passed.
    pub fn check(&self, now: Instant, timeouts: &Timeouts) -> Result<Duration, Expired> {
        let elapsed = Duration::from_millis(self.elapsed(now));
        let left = |since: u64, limit: Duration| (Duration::from_millis(since) + limit).checked_sub(elapsed);
        let stalled = match self.stalled_since.load(Relaxed) {
            0 => timeouts.idle,
            since => left(since - 1, timeouts.idle).filter(|left| !left.is_zero()).ok_or(Expired::Stalled)?,
        };
        let stalled = stalled.min(self.check_streams(elapsed, timeouts.idle)?);
        self.check_rate(elapsed, &timeouts.least_rate)?;
        let next = match (self.active(), self.head_since.load(Relaxed)) {
            (0, 0) => left(self.idle_since.load(Relaxed), timeouts.idle)
                .filter(|left| !left.is_zero())
                .ok_or(Expired::Idle)?,
            (0, since) => left(since - 1, timeouts.request_head).filter(|left| !left.is_zero()).ok_or(Expired::Head)?,
            _ => timeouts.request_head,
        };
        // A head that begins right after this check must be seen before its deadline is long over.
        let often = timeouts.request_head.min(timeouts.least_rate.grace);
        Ok(next.min(stalled).min(often).max(Duration::from_millis(1)))
    }

    /// The same for the streams of HTTP/2: whether the client has let all of them wait for `limit`.
    fn check_streams(&self, elapsed: Duration, limit: Duration) -> Result<Duration, Expired> {
        let (waiting, moves) = (self.waiting.load(Relaxed), self.moves.load(Relaxed));
        let all_wait = self.multiplexed && waiting > 0 && waiting >= self.active();
        let moved = self.moves_seen.swap(moves, Relaxed) != moves;
        if !all_wait || moved {
            self.moved.store(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), Relaxed);
            return Ok(limit);
        }
        let over = Duration::from_millis(self.moved.load(Relaxed)) + limit;
        over.checked_sub(elapsed).filter(|left| !left.is_zero()).ok_or(Expired::Stalled)
    }

    /// Whether the client has taken answers more slowly than it must, for longer than it may. Only what it is waited for
    /// counts: an answer that has little to say is none that is taken slowly. What it took fast before is no credit.
    fn check_rate(&self, elapsed: Duration, least: &LeastRate) -> Result<(), Expired> {
        let Some(rate) = least.download else { return Ok(()) };
        let eased = self.eased.swap(false, Relaxed);
        let writing = self.stalled_since.load(Relaxed) != 0 && !eased;
        let waiting = self.waiting.load(Relaxed);
        let waits = writing || (self.multiplexed && waiting > 0 && waiting >= self.active());
        let now = Slowness {
            at: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            octets: self.octets.load(Relaxed),
            waited: waits,
            debt: 0,
        };
        let mut last = self.slowness.lock().unwrap_or_else(PoisonError::into_inner);
        let debt = if waits && last.waited {
            let taken = now.octets.saturating_sub(last.octets).saturating_mul(1000) / rate;
            (last.debt + now.at.saturating_sub(last.at)).saturating_sub(taken)
        } else {
            0
        };
        *last = Slowness { debt, ..now };
        if Duration::from_millis(debt) > least.grace { Err(Expired::Slow) } else { Ok(()) }
    }

    fn elapsed(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.origin).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU64;

    fn timeouts() -> Timeouts {
        let seconds = Duration::from_secs;
        let least_rate = LeastRate { upload: None, download: None, grace: seconds(30) };
        Timeouts {
            handshake: seconds(10),
            request_head: seconds(10),
            idle: seconds(75),
            drain: seconds(30),
            least_rate,
        }
    }

    #[test]
    fn a_connection_rests_when_it_has_nothing_to_do() {
        let start = Instant::now();
        let activity = Activity::new(false, start);
        let rests = || activity.rests(start + Duration::from_secs(3));
        assert_eq!(rests(), None, "the first head is due");
        activity.begin();
        assert_eq!(rests(), None, "a request is under way");
        activity.end();
        assert!(rests().is_some_and(|rested| rested > Duration::from_secs(2)));
        activity.written(true);
        assert_eq!(rests(), None, "the client takes nothing");
        activity.written(false);
        assert!(rests().is_some());
        activity.received();
        assert_eq!(rests(), None, "a head begins");
        activity.begin();
        activity.end();
        activity.close();
        assert_eq!(rests(), None, "the end is being said");
    }

    #[test]
    fn what_is_held_is_what_neither_went_on_nor_was_let_go() {
        let activity = Activity::new(false, Instant::now());
        activity.hold(1000);
        activity.hold(500);
        assert_eq!(activity.held(), (1500, 0));
        activity.pass(1000);
        activity.let_go(200);
        assert_eq!(activity.held(), (300, 1000));
        activity.let_go(301);
        assert_eq!(activity.sealed(100, true), 100);
        assert_eq!(activity.sealed(50, true), 150);
        assert_eq!(activity.held(), (150, 1000));
        assert_eq!(activity.sealed(70, false), 0, "the socket has taken all");
        assert_eq!(activity.held(), (0, 1000));
    }

    #[test]
    fn the_first_head_is_due_from_the_handshake_on() {
        let start = Instant::now();
        let activity = Activity::new(false, start);
        let after = |seconds| activity.check(start + Duration::from_secs(seconds), &timeouts());
        assert_eq!(after(4), Ok(Duration::from_secs(6)));
        assert_eq!(after(10), Err(Expired::Head));
    }

    #[test]
    fn a_connection_without_requests_expires_as_idle() {
        let start = Instant::now();
        let activity = Activity::new(false, start);
        activity.begin();
        assert!(activity.check(start + Duration::from_secs(1000), &timeouts()).is_ok(), "a long request is no fault");
        activity.end();
        assert_eq!(activity.check(start + Duration::from_secs(70), &timeouts()), Ok(Duration::from_secs(5)));
        assert_eq!(activity.check(start + Duration::from_secs(76), &timeouts()), Err(Expired::Idle));
        activity.received();
        assert_eq!(activity.check(start + Duration::from_secs(11), &timeouts()), Err(Expired::Head));
    }

    #[test]
    fn frames_between_http_2_requests_are_not_heads() {
        let start = Instant::now();
        let activity = Activity::new(true, start);
        activity.begin();
        activity.end();
        activity.received();
        assert!(activity.check(start + Duration::from_secs(11), &timeouts()).is_ok());
    }

    #[test]
    fn a_client_that_stops_reading_expires_as_stalled() {
        let start = Instant::now();
        let activity = Activity::new(true, start);
        activity.begin();
        activity.written(true);
        assert_eq!(activity.check(start + Duration::from_secs(76), &timeouts()), Err(Expired::Stalled));
        activity.written(false);
        assert!(activity.check(start + Duration::from_secs(76), &timeouts()).is_ok());
    }

    #[test]
    fn a_client_that_lets_all_its_streams_wait_expires_as_stalled() {
        let start = Instant::now();
        let activity = Activity::new(true, start);
        let after = |seconds| activity.check(start + Duration::from_secs(seconds), &timeouts());
        activity.begin();
        activity.handed();
        assert!(after(10).is_ok());
        assert!(after(80).is_ok(), "75 s are counted from when it was first seen");
        activity.taken();
        activity.handed();
        assert!(after(90).is_ok(), "a piece was taken meanwhile");
        activity.begin();
        assert!(after(200).is_ok(), "one waits for the upstream, not for the client");
        activity.handed();
        assert!(after(210).is_ok());
        assert_eq!(after(285), Err(Expired::Stalled));
        activity.taken();
        activity.end();
        assert!(after(286).is_ok());
    }

    /// The same where a thousand octets a second are to be taken.
    fn hurried() -> Timeouts {
        let least_rate = LeastRate { download: NonZeroU64::new(1000), ..timeouts().least_rate };
        Timeouts { least_rate, ..timeouts() }
    }

    /// What a check finds every ten seconds, where so many octets are taken in between and the client is waited for.
    fn checks(activity: &Activity, start: Instant, octets: &[usize]) -> Vec<bool> {
        let mut found = Vec::new();
        for (number, octets) in (1..).zip(octets) {
            activity.sent(*octets);
            // A little is taken, and the rest waits again.
            activity.written(false);
            activity.written(true);
            found.push(activity.check(start + Duration::from_secs(10 * number), &hurried()).is_ok());
        }
        found
    }

    #[test]
    fn a_client_that_gives_up_many_and_most_of_its_requests_is_known_for_it() {
        let activity = Activity::new(true, Instant::now());
        let ask = |count, gives_up: bool| {
            for _ in 0..count {
                activity.begin();
                if gives_up {
                    activity.gave_up();
                }
                activity.end();
            }
            activity.gives_up_most()
        };
        assert!(!ask(MANY_GIVEN_UP, true));
        assert!(!ask(MANY_GIVEN_UP + 100, false));
        assert!(!ask(2, true), "not most");
        assert!(ask(1000, true));
    }

    #[test]
    fn a_client_that_takes_its_answer_in_drops_expires_as_slow() {
        let start = Instant::now();
        let new = || {
            let activity = Activity::new(false, start);
            activity.begin();
            activity
        };
        assert_eq!(checks(&new(), start, &[100; 6]), [true, true, true, true, false, false]);
        // What was taken fast before, or by the rate, is neither credit nor debt.
        assert_eq!(checks(&new(), start, &[1 << 30, 100, 100, 100, 100, 100]), [true, true, true, true, false, false]);
        assert_eq!(checks(&new(), start, &[10_000; 7]), [true; 7]);
        assert_eq!(checks(&new(), start, &[100, 100, 100, 100_000, 100, 100, 100]), [true; 7]);
        let activity = new();
        assert_eq!(checks(&activity, start, &[100; 4]), [true; 4]);
        assert_eq!(activity.check(start + Duration::from_secs(51), &hurried()), Err(Expired::Slow));
    }

    #[test]
    fn an_answer_that_has_little_to_say_is_not_taken_slowly() {
        let start = Instant::now();
        let activity = Activity::new(false, start);
        activity.begin();
        for number in 1..=7 {
            activity.sent(10);
            activity.written(true);
            activity.written(false);
            activity.eased();
            // It happens that the next piece is just on its way.
            activity.written(true);
            assert!(activity.check(start + Duration::from_secs(10 * number), &hurried()).is_ok(), "{number}");
        }
    }
}
