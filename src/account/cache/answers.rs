//! Answers to questions of one kind. One that is good is given at the cost of a hash and a few comparisons. One that is
//! asked for in the last fifth of its time is asked for anew behind the one who asked, so that nobody waits for it
//! when its time is over. One whose time is over is kept for as long as it may be used while the store is silent.

use super::flights::{Flight, Flights};
use super::freshness::{Fresh, Freshness, PROMISE};
use super::weight::{self, Weigh};
use crate::account::Unavailable;
use crate::telemetry::metrics::{self, CacheKind, CacheResult};
use equivalent::Equivalent;
use futures_util::future::BoxFuture;
use moka::sync::Cache;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How often a question is asked whose answer a change has overtaken.
const MOST_ATTEMPTS: usize = 8;

/// How long somebody waits for an answer who has an older one that may be used if the store is silent.
const IMPATIENT: Duration = Duration::from_secs(1);

/// How long an answer is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// For so long. It is worth asking for anew before that, and may be used beyond it while the store is silent.
    Lasting(Duration),
    /// For so long and no longer: there is nobody of that name.
    Short(Duration),
}

/// A question on its way: the value, and for how long it is good.
pub(super) type Query<V> = BoxFuture<'static, Result<(V, Life), Unavailable>>;

/// A value, and until when it may be believed.
#[derive(Debug)]
pub(super) struct Entry<V> {
    pub(super) value: V,
    /// From before the store was asked.
    pub(super) asked: Instant,
    /// From when on it is asked for anew.
    renew: Instant,
    /// Until when it is good.
    until: Instant,
    /// Until when it is kept.
    kept: Instant,
    /// Whether it was asked for anew; once is enough.
    renewed: AtomicBool,
}

impl<V> Entry<V> {
    fn new(value: V, asked: Instant, life: Life, serve_stale: Duration) -> Self {
        let (renew, until, kept) = match life {
            Life::Lasting(life) => (life / 5 * 4, life, life.saturating_add(serve_stale)),
            Life::Short(life) => (life, life, life),
        };
        let [renew, until, kept] = [renew, until, kept].map(|life| later(asked, life));
        Self { value, asked, renew, until, kept, renewed: AtomicBool::new(false) }
    }
}

/// An answer, and how long it may be used without asking again.
#[derive(Debug)]
pub(super) struct Answer<V> {
    pub(super) entry: Arc<Entry<V>>,
    pub(super) fresh: Fresh,
}

/// A question in one epoch. `invalidate_all` begins a new epoch, whose questions are not those of the one
/// before: what was asked in that one, and what is still on its way, answers nobody any more.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key<K> {
    epoch: u64,
    question: K,
}

/// A [`Key`] to look for without owning the question.
struct Probe<'k, K> {
    epoch: u64,
    question: &'k K,
}

impl<K: Hash> Hash for Key<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Probe { epoch: self.epoch, question: &self.question }.hash(state);
    }
}

impl<K: Hash> Hash for Probe<'_, K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.epoch.hash(state);
        self.question.hash(state);
    }
}

impl<K: Eq> Equivalent<Key<K>> for Probe<'_, K> {
    fn equivalent(&self, key: &Key<K>) -> bool {
        self.epoch == key.epoch && *self.question == key.question
    }
}

/// Lets the cache drop an answer when it is of no use any more.
struct UntilItIsUseless;

impl<K, V> moka::Expiry<Key<K>, Arc<Entry<V>>> for UntilItIsUseless {
    fn expire_after_create(&self, _: &Key<K>, entry: &Arc<Entry<V>>, at: Instant) -> Option<Duration> {
        Some(entry.kept.saturating_duration_since(at))
    }

    fn expire_after_update(
        &self,
        _: &Key<K>,
        entry: &Arc<Entry<V>>,
        at: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.kept.saturating_duration_since(at))
    }
}

type Asked<V> = Result<Arc<Entry<V>>, Unavailable>;

/// Answers to questions of one kind.
pub(super) struct Answers<K, V>(Arc<Shared<K, V>>);

/// What the questions on their way share with those who wait for them.
struct Shared<K, V> {
    cache: Cache<Key<K>, Arc<Entry<V>>>,
    flights: Flights<Key<K>, Asked<V>>,
    epoch: AtomicU64,
    freshness: Arc<Freshness>,
    /// As what answers are counted.
    kind: CacheKind,
}

impl<K, V> Answers<K, V>
where
    K: Hash + Eq + Clone + Weigh + Send + Sync + 'static,
    V: Clone + Weigh + Send + Sync + 'static,
{
    /// None yet, and never more than these octets of them.
    pub(super) fn new(kind: CacheKind, octets: u64, freshness: &Arc<Freshness>) -> Self {
        let cache = Cache::builder()
            .max_capacity(octets)
            .weigher(|key: &Key<K>, entry: &Arc<Entry<V>>| weight::of(&key.question, &entry.value))
            .expire_after(UntilItIsUseless)
            .build();
        let (epoch, freshness) = (AtomicU64::new(0), Arc::clone(freshness));
        Self(Arc::new(Shared { cache, flights: Flights::new(), epoch, freshness, kind }))
    }

    /// The answer to a question: one that is kept, if it is good and `holds` says that no change has overtaken it, or
    /// what `query` yields, which is given the instant at which it is asked. While the store is silent, one whose time
    /// is over will do if it may be used.
    pub(super) async fn get(
        &self,
        question: &K,
        query: impl Fn(Instant) -> Query<V>,
        holds: impl Fn(&Entry<V>) -> bool,
    ) -> Result<Answer<V>, Unavailable> {
        let (now, epoch) = (Instant::now(), self.0.epoch.load(Ordering::Acquire));
        let kept = self.0.kept(epoch, question).filter(|entry| holds(entry));
        let freshness = &self.0.freshness;
        let kept = match kept {
            Some(entry) if now < entry.until && freshness.counts(entry.asked, now) => {
                let renew = now >= entry.renew;
                if renew && !freshness.is_silent(now) && !entry.renewed.swap(true, Ordering::Relaxed) {
                    // Nobody waits for it.
                    drop(self.send(epoch, question, &query, || None));
                }
                let until = if renew { entry.until } else { entry.renew };
                let fresh = Fresh::new(entry.asked, until, freshness);
                self.count(CacheResult::Hit);
                return Ok(Answer { entry, fresh });
            }
            Some(entry) if freshness.is_silent(now) => match self.stale(epoch, &entry) {
                Some(stale) => {
                    self.count(CacheResult::Stale);
                    return Ok(stale);
                }
                None => Some(entry),
            },
            kept => kept,
        };
        // In a box of its own, since it is seldom needed and would make the future of every hit larger.
        let (answer, result) = match Box::pin(self.ask(question, epoch, kept, query, holds)).await {
            Ok((answer, result)) => (Ok(answer), result),
            Err(unavailable) => (Err(unavailable), CacheResult::Unavailable),
        };
        self.count(result);
        answer
    }

    fn count(&self, result: CacheResult) {
        metrics::CACHE.increment(self.0.kind, result);
    }

    /// Asks, unless somebody else is asking already, and waits for the answer. One that a change has overtaken is
    /// given to nobody, and the question asked once more. It says whether the store has answered, too.
    async fn ask(
        &self,
        question: &K,
        began_in: u64,
        kept: Option<Arc<Entry<V>>>,
        query: impl Fn(Instant) -> Query<V>,
        holds: impl Fn(&Entry<V>) -> bool,
    ) -> Result<(Answer<V>, CacheResult), Unavailable> {
        let stale = || kept.as_ref().filter(|entry| holds(entry)).and_then(|entry| self.stale(began_in, entry));
        let is_new = |entry: &Arc<Entry<V>>| kept.as_ref().is_none_or(|kept| !Arc::ptr_eq(kept, entry));
        for _ in 0..MOST_ATTEMPTS {
            let epoch = self.0.epoch.load(Ordering::Acquire);
            let landed_meanwhile = || {
                let now = Instant::now();
                let counts = |entry: &Arc<Entry<V>>| now < entry.until && self.0.freshness.counts(entry.asked, now);
                self.0.kept(epoch, question).filter(|entry| is_new(entry) && holds(entry) && counts(entry)).map(Ok)
            };
            let flight = self.send(epoch, question, &query, landed_meanwhile);
            let landed = loop {
                let patience = if stale().is_some() { IMPATIENT } else { PROMISE };
                if let Ok(landed) = timeout(patience, flight.clone()).await {
                    break landed;
                }
                if let Some(stale) = stale() {
                    return Ok((stale, CacheResult::Stale));
                }
                // It goes on being asked, for whoever comes again.
                if self.0.freshness.is_silent(Instant::now()) {
                    return Err(super::unanswered("the store is silent"));
                }
            };
            match landed {
                Some(Ok(entry)) if holds(&entry) && epoch == self.0.epoch.load(Ordering::Acquire) => {
                    let fresh = Fresh::new(entry.asked, entry.renew, &self.0.freshness);
                    return Ok((Answer { entry, fresh }, CacheResult::Miss));
                }
                Some(Ok(_)) => {}
                Some(Err(unavailable)) => {
                    return stale().map(|stale| (stale, CacheResult::Stale)).ok_or(unavailable);
                }
                None => self.0.flights.landed(&Key { epoch, question: question.clone() }),
            }
        }
        Err(super::unanswered("it changes faster than it can be asked for"))
    }

    /// What is kept in the place of an answer that the store does not give, if it may be used.
    fn stale(&self, epoch: u64, entry: &Arc<Entry<V>>) -> Option<Answer<V>> {
        let now = Instant::now();
        if now >= entry.kept || epoch != self.0.epoch.load(Ordering::Acquire) {
            return None;
        }
        let until = self.0.freshness.stale_until(now)?;
        let fresh = Fresh::new(entry.asked, until.min(entry.kept), &self.0.freshness);
        Some(Answer { entry: Arc::clone(entry), fresh })
    }

    /// Lets a question be asked, unless it is on its way.
    fn send(
        &self,
        epoch: u64,
        question: &K,
        query: impl Fn(Instant) -> Query<V>,
        landed_meanwhile: impl FnOnce() -> Option<Asked<V>>,
    ) -> Flight<Asked<V>> {
        let key = Key { epoch, question: question.clone() };
        self.0.flights.join(&key, landed_meanwhile, || {
            let asked = Instant::now();
            Arc::clone(&self.0).carry(key.clone(), asked, query(asked))
        })
    }

    /// Forgets everything. Nobody who asks after this gets an answer that was asked for before it, not
    /// even one that is still on its way.
    pub(super) fn invalidate_all(&self) {
        self.0.epoch.fetch_add(1, Ordering::AcqRel);
        self.0.cache.invalidate_all();
    }

    /// How many are kept, about.
    pub(super) fn len(&self) -> u64 {
        self.0.cache.entry_count()
    }

    /// How many octets they take.
    #[cfg(test)]
    pub(super) fn octets(&self) -> u64 {
        self.0.cache.run_pending_tasks();
        self.0.cache.weighted_size()
    }

    /// How many questions are on their way.
    #[cfg(test)]
    pub(super) fn on_their_way(&self) -> usize {
        self.0.flights.len()
    }
}

impl<K, V> Shared<K, V>
where
    K: Hash + Eq + Clone + Weigh + Send + Sync + 'static,
    V: Clone + Weigh + Send + Sync + 'static,
{
    fn kept(&self, epoch: u64, question: &K) -> Option<Arc<Entry<V>>> {
        self.cache.get(&Probe { epoch, question })
    }

    async fn carry(self: Arc<Self>, key: Key<K>, asked: Instant, query: Query<V>) -> Asked<V> {
        let answer = query.await;
        metrics::database_asked(answer.is_ok(), asked.elapsed());
        let answered = match answer {
            Ok((value, life)) => {
                self.freshness.answered(asked);
                let entry = Arc::new(Entry::new(value, asked, life, self.freshness.serve_stale()));
                if key.epoch == self.epoch.load(Ordering::Acquire) {
                    self.cache.insert(key.clone(), Arc::clone(&entry));
                }
                Ok(entry)
            }
            Err(unavailable) => {
                self.freshness.fail(Instant::now());
                Err(unavailable)
            }
        };
        self.flights.landed(&key);
        answered
    }
}

/// A point in time; one that the clock cannot show is no time at all.
fn later(from: Instant, by: Duration) -> Instant {
    from.checked_add(by).unwrap_or(from)
}
