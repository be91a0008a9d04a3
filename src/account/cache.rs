//! What a directory answered lately. A hit costs a hash and a comparison of two instants and stays on the
//! caller's core. For a question that is not in the cache one query is on its way, however many ask, and
//! it goes on when the one who asked first has gone away. That there was no answer is never kept.
//!
//! An answer that was asked for before a change of what it tells was seen is given to nobody any more, whether
//! it is kept or still on its way ([`Accounts::forget`]). `changed` remembers when changes were seen.

mod changed;

use super::{Account, CertificateKey, Directory, Ha1, Lookup, Unavailable};
use crate::base::clock::Timestamp;
use crate::config::{self, DigestAlgorithm};
use crate::store::changes::{Change, Kind, Position, Since};
use changed::{Changed, Subject};
use equivalent::Equivalent;
use futures_util::future::{BoxFuture, FutureExt, try_join_all};
use moka::future::Cache;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The accounts that a question found: none, the one, or several, which is for the caller to refuse.
#[derive(Debug, Clone)]
pub struct Found {
    /// The accounts.
    pub accounts: Arc<[Arc<Account>]>,
    /// When the answer stops being good.
    pub until: Instant,
}

/// When certificates were revoked.
#[derive(Debug, Clone)]
pub struct Revocations {
    /// For each certificate that was asked for, in that order, since when it has been revoked, if it is.
    pub at: Vec<Option<Timestamp>>,
    /// When the answer stops being good.
    pub until: Instant,
}

/// A directory behind a cache. It is asked from the runtime of a worker.
pub struct Accounts {
    directory: Arc<dyn Directory>,
    ttl: Duration,
    negative_ttl: Duration,
    accounts: Answers<Lookup, Arc<[Arc<Account>]>>,
    credentials: Answers<Credential, Option<Arc<Ha1>>>,
    revocations: Answers<CertificateKey, Option<Timestamp>>,
    changed: Changed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Credential {
    username: String,
    realm: String,
    algorithm: DigestAlgorithm,
}

impl Accounts {
    /// Nothing is known yet. Accounts, digest credentials and revocations may each take
    /// `settings.capacity` entries.
    #[must_use]
    pub fn new(directory: Arc<dyn Directory>, settings: &config::Cache) -> Self {
        Self {
            directory,
            ttl: settings.ttl,
            negative_ttl: settings.negative_ttl,
            accounts: Answers::new(settings.capacity),
            credentials: Answers::new(settings.capacity),
            revocations: Answers::new(settings.capacity),
            changed: Changed::new(settings.ttl.max(settings.negative_ttl)),
        }
    }

    /// The accounts that a question matches. That there is none is good for `negative_ttl`, an account
    /// for `ttl`, counted from before the directory was asked.
    ///
    /// # Errors
    /// When the answer is not in the cache and the directory gives none.
    pub async fn find(&self, lookup: &Lookup) -> Result<Found, Unavailable> {
        let holds = |answer: &Answer<Arc<[Arc<Account>]>>| {
            let names = answer.value.iter().map(|account| account.username.as_str());
            self.changed.account_holds(answer.asked, names)
        };
        let answer = match self.accounts.get(lookup, holds).await {
            Some(answer) => answer,
            None => {
                let (asked, directory) = (lookup.clone(), Arc::clone(&self.directory));
                let (ttl, negative_ttl) = (self.ttl, self.negative_ttl);
                let query = move || {
                    let (asked, directory) = (asked.clone(), Arc::clone(&directory));
                    let query = async move {
                        let accounts: Arc<[_]> = directory.find(&asked).await?.into_iter().map(Arc::new).collect();
                        let good_for = if accounts.is_empty() { negative_ttl } else { ttl };
                        Ok((accounts, good_for))
                    };
                    query.boxed()
                };
                self.accounts.ask(lookup.clone(), query, holds).await?
            }
        };
        Ok(Found { accounts: answer.value, until: answer.until })
    }

    /// The HA1 of a user in a realm, if there is one for this algorithm.
    ///
    /// # Errors
    /// When the answer is not in the cache and the directory gives none.
    pub async fn ha1(
        &self,
        username: &str,
        realm: &str,
        algorithm: DigestAlgorithm,
    ) -> Result<Option<Arc<Ha1>>, Unavailable> {
        let credential = Credential { username: username.to_owned(), realm: realm.to_owned(), algorithm };
        let holds = |answer: &Answer<_>| self.changed.holds(answer.asked, &Subject::Account(username));
        if let Some(answer) = self.credentials.get(&credential, holds).await {
            return Ok(answer.value);
        }
        let (asked, directory) = (credential.clone(), Arc::clone(&self.directory));
        let (ttl, negative_ttl) = (self.ttl, self.negative_ttl);
        let query = move || {
            let (asked, directory) = (asked.clone(), Arc::clone(&directory));
            let query = async move {
                let ha1 = directory.ha1(&asked.username, &asked.realm, asked.algorithm).await?.map(Arc::new);
                let good_for = if ha1.is_none() { negative_ttl } else { ttl };
                Ok((ha1, good_for))
            };
            query.boxed()
        };
        Ok(self.credentials.ask(credential, query, holds).await?.value)
    }

    /// Whether certificates were revoked, in the order in which they are given. Either answer is good for
    /// `ttl`.
    ///
    /// # Errors
    /// When an answer is not in the cache and the directory gives none.
    pub async fn revoked(&self, certificates: &[CertificateKey]) -> Result<Revocations, Unavailable> {
        let answers = try_join_all(certificates.iter().map(|certificate| self.revoked_one(certificate))).await?;
        // Of no certificate nothing has to be asked again.
        let until = answers.iter().map(|answer| answer.until).min().unwrap_or_else(|| later(Instant::now(), self.ttl));
        Ok(Revocations { at: answers.into_iter().map(|answer| answer.value).collect(), until })
    }

    async fn revoked_one(&self, certificate: &CertificateKey) -> Result<Answer<Option<Timestamp>>, Unavailable> {
        let holds = |answer: &Answer<_>| self.changed.holds(answer.asked, &Subject::Certificate(certificate));
        if let Some(answer) = self.revocations.get(certificate, holds).await {
            return Ok(answer);
        }
        let (asked, directory, ttl) = (certificate.clone(), Arc::clone(&self.directory), self.ttl);
        let query = move || {
            let (asked, directory) = (asked.clone(), Arc::clone(&directory));
            let query = async move {
                let at = directory.revoked(std::slice::from_ref(&asked)).await?;
                // A directory that answers another number of questions than it was asked has answered none.
                let [at] = at.as_slice() else {
                    return Err(unanswered("a different number of answers than questions"));
                };
                Ok((*at, ttl))
            };
            query.boxed()
        };
        self.revocations.ask(certificate.clone(), query, holds).await
    }

    /// What has changed in the directory since a position of its feed.
    ///
    /// # Errors
    /// When the directory gives no answer.
    pub async fn changes(&self, since: Option<&Position>) -> Result<Since, Unavailable> {
        self.directory.changes(since).await
    }

    /// Forgets what a change concerns, and nothing else. Nobody who asks after this gets an answer about it that
    /// was asked for before, not even one that is still on its way.
    pub fn forget(&self, change: &Change) {
        match change.kind {
            Kind::Account | Kind::Credential => self.changed.note(&Subject::Account(&change.name)),
            Kind::Certificate | Kind::Revocation => match CertificateKey::of_name(&change.name) {
                Some(key) => self.changed.note(&Subject::Certificate(&key)),
                // What nobody can name may be anything.
                None => self.invalidate_all(),
            },
        }
    }

    /// Forgets everything. Nobody who asks after this gets an answer that was asked for before it, not
    /// even one that is still on its way.
    pub fn invalidate_all(&self) {
        self.accounts.invalidate_all();
        self.credentials.invalidate_all();
        self.revocations.invalidate_all();
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts")
            .field("accounts", &self.accounts.cache.entry_count())
            .field("credentials", &self.credentials.cache.entry_count())
            .field("revocations", &self.revocations.cache.entry_count())
            .finish_non_exhaustive()
    }
}

/// A value, and until when it may be believed.
#[derive(Debug, Clone)]
struct Answer<V> {
    value: V,
    /// From before the directory was asked.
    asked: Instant,
    until: Instant,
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

/// Lets the cache drop an answer when it stops being good.
struct UntilItIsStale;

impl<K, V> moka::Expiry<Key<K>, Answer<V>> for UntilItIsStale {
    fn expire_after_create(&self, _: &Key<K>, answer: &Answer<V>, at: Instant) -> Option<Duration> {
        Some(answer.until.saturating_duration_since(at))
    }

    fn expire_after_update(
        &self,
        _: &Key<K>,
        answer: &Answer<V>,
        at: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(answer.until.saturating_duration_since(at))
    }
}

/// A question on its way: the value, and for how long it is good.
type Query<V> = BoxFuture<'static, Result<(V, Duration), Unavailable>>;

/// How often a question is asked whose answer a change has overtaken.
const MOST_ATTEMPTS: usize = 8;

/// Answers to questions of one kind.
struct Answers<K, V> {
    cache: Cache<Key<K>, Answer<V>>,
    epoch: AtomicU64,
}

impl<K, V> Answers<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn new(capacity: u64) -> Self {
        let cache = Cache::builder().max_capacity(capacity).expire_after(UntilItIsStale).build();
        Self { cache, epoch: AtomicU64::new(0) }
    }

    /// An answer that is still good, and holds.
    async fn get(&self, question: &K, holds: impl Fn(&Answer<V>) -> bool) -> Option<Answer<V>> {
        let probe = Probe { epoch: self.epoch.load(Ordering::Acquire), question };
        self.cache.get(&probe).await.filter(|answer| Instant::now() < answer.until && holds(answer))
    }

    /// Asks, unless somebody else is asking already, and waits for the answer. The query yields the value
    /// and for how long it is good. It is driven by a task of its own: a caller that is dropped, because
    /// its client went away, takes nothing from the others who wait. An answer that a change has overtaken is
    /// thrown away, and the question asked once more.
    async fn ask(
        &self,
        question: K,
        query: impl Fn() -> Query<V>,
        holds: impl Fn(&Answer<V>) -> bool,
    ) -> Result<Answer<V>, Unavailable> {
        for _ in 0..MOST_ATTEMPTS {
            let key = Key { epoch: self.epoch.load(Ordering::Acquire), question: question.clone() };
            let (cache, query, asked_for) = (self.cache.clone(), query(), key.clone());
            let asking = tokio::spawn(async move {
                let timed = async move {
                    let asked = Instant::now();
                    let (value, good_for) = query.await?;
                    Ok(Answer { value, asked, until: later(asked, good_for) })
                };
                cache.try_get_with(asked_for, timed).await
            });
            let answer = match asking.await {
                Ok(answer) => answer.map_err(|unavailable: Arc<Unavailable>| (*unavailable).clone())?,
                Err(_) => return Err(unanswered("the runtime that asked has stopped")),
            };
            if holds(&answer) {
                return Ok(answer);
            }
            self.cache.invalidate(&key).await;
        }
        Err(unanswered("it changes faster than it can be asked for"))
    }

    fn invalidate_all(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.cache.invalidate_all();
    }
}

/// A point in time; one that the clock cannot show is no time at all.
fn later(from: Instant, by: Duration) -> Instant {
    from.checked_add(by).unwrap_or(from)
}

fn unanswered(why: &str) -> Unavailable {
    Unavailable { what: "asking for an account", store: "the cache".to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests;
