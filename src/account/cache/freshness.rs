//! Whether what a store said may still be taken for what it says. A store with a feed of changes confirms with each
//! reading that what it has said before and not taken back since still holds; without a feed an answer holds for its
//! own time. How long either lasts while the store is silent is a rule of the administrator's (`serve_stale`), and it
//! is written here, once, for cached answers and for the connections that were let in on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How soon a change counts on every node, whatever becomes of the store: for this long an answer is believed that
/// nobody confirms, and no longer unless `serve_stale` says so.
pub const PROMISE: Duration = Duration::from_secs(2);

/// For this long after a question was not answered, whoever has something older to go by is not made to wait for
/// another one.
const DISCOURAGED: Duration = Duration::from_secs(1);

/// What is known of a store's readiness to answer. It is read with each request and written four times a second.
#[derive(Debug)]
pub(super) struct Freshness {
    origin: Instant,
    /// Whether a feed of changes confirms what the store said.
    by_feed: bool,
    serve_stale: Duration,
    /// Nanoseconds from `origin` to the beginning of the last question that confirmed what was known before, and to
    /// the end of the last one that was not answered; 0 before the first.
    confirmed: AtomicU64,
    failed: AtomicU64,
}

impl Freshness {
    /// Nothing was confirmed yet. `by_feed` says whether a feed of changes does that.
    pub(super) fn new(origin: Instant, by_feed: bool, serve_stale: Duration) -> Self {
        Self { origin, by_feed, serve_stale, confirmed: AtomicU64::new(0), failed: AtomicU64::new(0) }
    }

    /// For how long answers may be used while the store is silent.
    pub(super) fn serve_stale(&self) -> Duration {
        self.serve_stale
    }

    /// The feed was read to its end by a reading that began at this instant, and what it tells was taken up.
    pub(super) fn confirm(&self, began: Instant) {
        self.confirmed.fetch_max(self.nanoseconds(began), Ordering::Release);
    }

    /// A question was answered that was asked at this instant. That confirms nothing of what a store with a feed said
    /// before.
    pub(super) fn answered(&self, asked: Instant) {
        if !self.by_feed {
            self.confirm(asked);
        }
    }

    /// A question was not answered.
    pub(super) fn fail(&self, at: Instant) {
        self.failed.fetch_max(self.nanoseconds(at), Ordering::Relaxed);
    }

    /// Whether an answer that was asked for at this instant, and which nothing has contradicted since, counts as known.
    pub(super) fn counts(&self, asked: Instant, now: Instant) -> bool {
        !self.by_feed || now.saturating_duration_since(asked) < PROMISE || self.is_confirmed(now)
    }

    /// Whether the store has confirmed what it said before lately enough for that to count.
    pub(super) fn is_confirmed(&self, now: Instant) -> bool {
        self.since_confirmed(now).is_some_and(|since| since < self.serve_stale.max(PROMISE))
    }

    /// Whether it is known that the store will hardly answer now.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        let confirmed = self.confirmed.load(Ordering::Acquire);
        let failed = self.failed.load(Ordering::Relaxed);
        let lately = self.nanoseconds(now).saturating_sub(failed) < nanoseconds(DISCOURAGED);
        failed > confirmed && lately || self.by_feed && self.since_confirmed(now).is_none_or(|since| since >= PROMISE)
    }

    /// Until when an answer whose time is over may be used in the place of one that the store does not give. It is
    /// asked again before long, as the store may be back.
    pub(super) fn stale_until(&self, now: Instant) -> Option<Instant> {
        let since = self.since_confirmed(now)?;
        let left = self.serve_stale.checked_sub(since).filter(|left| !left.is_zero())?;
        now.checked_add(left.min(PROMISE))
    }

    /// How long ago the store last confirmed what it said before, if it ever has.
    pub(super) fn since_confirmed(&self, now: Instant) -> Option<Duration> {
        let confirmed = self.confirmed.load(Ordering::Acquire);
        (confirmed > 0).then(|| Duration::from_nanos(self.nanoseconds(now).saturating_sub(confirmed)))
    }

    /// Nanoseconds since the origin, and one more: nothing was at 0.
    fn nanoseconds(&self, at: Instant) -> u64 {
        nanoseconds(at.saturating_duration_since(self.origin)).saturating_add(1)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How long an answer may be used without asking again.
#[derive(Debug, Clone)]
pub struct Fresh {
    until: Instant,
    asked: Instant,
    store: Arc<Freshness>,
}

impl Fresh {
    /// Of an answer that was asked for at an instant, until another one at most.
    pub(super) fn new(asked: Instant, until: Instant, store: &Arc<Freshness>) -> Self {
        Self { until, asked, store: Arc::clone(store) }
    }

    /// Until this instant, whatever becomes of the store.
    #[must_use]
    pub fn until(until: Instant) -> Self {
        let store = Freshness::new(until, false, Duration::ZERO);
        Self { until, asked: until, store: Arc::new(store) }
    }

    /// Whether it may be used now.
    #[must_use]
    pub fn holds(&self, now: Instant) -> bool {
        now < self.until && self.store.counts(self.asked, now)
    }

    /// Of two answers of one store together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { until: self.until.min(other.until), asked: self.asked.min(other.asked), store: self.store }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A time line in tenths of a second.
    struct Clock(Instant);

    impl Clock {
        fn at(&self, tenths: u64) -> Instant {
            self.0 + Duration::from_millis(100 * tenths)
        }
    }

    fn begin(by_feed: bool, serve_stale: Duration) -> (Clock, Freshness) {
        let origin = Instant::now();
        (Clock(origin), Freshness::new(origin, by_feed, serve_stale))
    }

    #[test]
    fn an_answer_counts_while_the_feed_is_read_and_two_seconds_beyond_it() {
        let (clock, store) = begin(true, Duration::ZERO);
        let asked = clock.at(10);
        assert!(store.counts(asked, clock.at(29)), "it is younger than the promise");
        assert!(!store.counts(asked, clock.at(30)), "nobody has confirmed it");
        store.confirm(clock.at(25));
        for (tenths, expected) in [(30, true), (44, true), (45, false), (100, false)] {
            assert_eq!(store.counts(asked, clock.at(tenths)), expected, "at {tenths}");
            assert_eq!(store.is_confirmed(clock.at(tenths)), expected, "at {tenths}");
        }
        store.confirm(clock.at(20));
        assert!(!store.counts(asked, clock.at(45)), "a reading that ends late confirms nothing new");
        assert_eq!(store.stale_until(clock.at(26)), None, "by default nothing outlives its time");
    }

    #[test]
    fn answers_of_the_store_confirm_nothing_where_there_is_a_feed() {
        let (clock, store) = begin(true, SECOND * 60);
        store.answered(clock.at(10));
        assert!(!store.is_confirmed(clock.at(11)));
        let (clock, store) = begin(false, SECOND * 60);
        store.answered(clock.at(10));
        assert!(store.is_confirmed(clock.at(11)));
    }

    #[test]
    fn serve_stale_is_counted_from_the_last_reading() {
        let (clock, store) = begin(true, SECOND * 10);
        let asked = clock.at(0);
        store.confirm(clock.at(50));
        for (tenths, expected) in [(51, true), (149, true), (150, false), (1000, false)] {
            assert_eq!(store.counts(asked, clock.at(tenths)), expected, "at {tenths}");
            assert_eq!(store.stale_until(clock.at(tenths)).is_some(), expected, "at {tenths}");
        }
        assert_eq!(store.stale_until(clock.at(60)), Some(clock.at(80)), "it is asked again before long");
        assert_eq!(store.stale_until(clock.at(145)).map(|until| until <= clock.at(151)), Some(true));
    }

    #[test]
    fn a_store_is_silent_when_its_feed_is_not_read_or_a_question_was_not_answered() {
        let (clock, store) = begin(true, SECOND * 10);
        assert!(store.is_silent(clock.at(0)), "it was never read");
        store.confirm(clock.at(10));
        assert!(!store.is_silent(clock.at(29)));
        assert!(store.is_silent(clock.at(30)));
        store.confirm(clock.at(40));
        store.fail(clock.at(41));
        assert!(store.is_silent(clock.at(50)));
        assert!(!store.is_silent(clock.at(52)), "it may be asked again");
        store.confirm(clock.at(51));
        assert!(!store.is_silent(clock.at(51)), "it answers again");
        let (clock, store) = begin(false, SECOND * 10);
        assert!(!store.is_silent(clock.at(1000)), "there is no feed to be silent");
    }

    #[test]
    fn without_a_feed_an_answer_holds_for_its_own_time() {
        let (clock, store) = begin(false, Duration::ZERO);
        assert!(store.counts(clock.at(0), clock.at(10_000)));
        let fresh = Fresh::new(clock.at(0), clock.at(600), &Arc::new(store));
        assert!(fresh.holds(clock.at(599)) && !fresh.holds(clock.at(600)));
    }

    #[test]
    fn what_rests_on_two_answers_holds_as_long_as_both() {
        let (clock, store) = begin(true, Duration::ZERO);
        let store = Arc::new(store);
        let of = |asked, until| Fresh::new(clock.at(asked), clock.at(until), &store);
        let both = of(0, 600).and(of(15, 18));
        assert!(both.holds(clock.at(17)) && !both.holds(clock.at(18)));
        let both = of(15, 600).and(of(0, 600));
        assert!(both.holds(clock.at(19)) && !both.holds(clock.at(20)), "the older one is confirmed by nobody");
        store.confirm(clock.at(19));
        assert!(both.holds(clock.at(20)));
    }
}
