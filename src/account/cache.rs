//! What a directory answered lately. A hit costs a hash and comparisons of instants, and stays on the caller's core. For
//! a question that is not in the cache one query is on its way, however many ask, and it goes on when the one who asked
//! first has gone away. That there was no answer is never kept.
//!
//! An answer that was asked for before a change of what it tells was seen is given to nobody any more, whether
//! it is kept or still on its way ([`Accounts::forget`]); `changed` remembers when changes were seen. How long an
//! answer counts that nobody confirms is the business of `freshness`, the keeping that of `answers`.

mod answers;
mod changed;
mod flights;
mod freshness;
mod weight;

pub use freshness::{Fresh, PROMISE};

use super::password::Password;
use super::{Account, CertificateKey, Directory, Ha1, Lookup, Status, Unavailable};
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::config::{self, DigestAlgorithm};
use crate::store::changes::{Change, Kind, Position, Since};
use crate::telemetry::metrics::{self, CacheKind};
use answers::{Answer, Answers, Life};
use changed::{Changed, Subject};
use freshness::Freshness;
use futures_util::future::{FutureExt, try_join_all};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The room for one ordinary answer of each kind, in octets: accounts, digest credentials, passwords, revocations.
const ROOM: [u64; 4] = [1024, 512, 1024, 512];

/// The accounts that a question found: none, the one, or several, which is for the caller to refuse.
#[derive(Debug, Clone)]
pub struct Found {
    /// The accounts.
    pub accounts: Arc<[Arc<Account>]>,
    /// How long the answer may be used without asking again.
    pub fresh: Fresh,
}

/// When certificates were revoked.
#[derive(Debug, Clone)]
pub struct Revocations {
    /// For each certificate that was asked for, in that order, since when it has been revoked, if it is.
    pub at: Vec<Option<Timestamp>>,
    /// How long the answer may be used without asking again.
    pub fresh: Fresh,
}

/// A directory behind a cache. It is asked from the runtime of a worker.
pub struct Accounts {
    directory: Arc<dyn Directory>,
    ttl: Duration,
    negative_ttl: Duration,
    accounts: Answers<Lookup, Arc<[Arc<Account>]>>,
    credentials: Answers<Credential, Option<Arc<Ha1>>>,
    /// User names by their hash, which stands in the place of the name.
    hashed_names: Answers<Credential, Option<Arc<str>>>,
    passwords: Answers<String, Option<Arc<Password>>>,
    revocations: Answers<CertificateKey, Option<Timestamp>>,
    changed: Arc<Changed>,
    freshness: Arc<Freshness>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Credential {
    username: String,
    realm: String,
    algorithm: DigestAlgorithm,
}

impl Accounts {
    /// Nothing is known yet. An answer counts for its time to live, as befits a directory without a feed of changes.
    #[must_use]
    pub fn new(directory: Arc<dyn Directory>, settings: &config::Cache) -> Self {
        Self::with(directory, settings, false)
    }

    /// The same for a directory whose feed of changes is read, and reported to [`confirm`](Self::confirm): what nobody
    /// confirms counts for [`PROMISE`], or for as long as `settings.serve_stale` says.
    #[must_use]
    pub fn with_feed(directory: Arc<dyn Directory>, settings: &config::Cache) -> Self {
        Self::with(directory, settings, true)
    }

    fn with(directory: Arc<dyn Directory>, settings: &config::Cache, by_feed: bool) -> Self {
        let config::Cache { ttl, negative_ttl, capacity, serve_stale } = *settings;
        let freshness = Arc::new(Freshness::new(Instant::now(), by_feed, serve_stale));
        let [accounts, credentials, passwords, revocations] = ROOM.map(|room| capacity.saturating_mul(room));
        Self {
            directory,
            ttl,
            negative_ttl,
            accounts: Answers::new(CacheKind::Accounts, accounts, &freshness),
            credentials: Answers::new(CacheKind::Digest, credentials, &freshness),
            hashed_names: Answers::new(CacheKind::Names, credentials, &freshness),
            passwords: Answers::new(CacheKind::Passwords, passwords, &freshness),
            revocations: Answers::new(CacheKind::Revocations, revocations, &freshness),
            changed: Arc::new(Changed::new(ttl.saturating_add(serve_stale).max(negative_ttl))),
            freshness,
        }
    }

    /// The accounts that a question matches. That there is none is good for `negative_ttl`, an account
    /// for `ttl`, counted from before the directory was asked.
    ///
    /// # Errors
    /// When there is no answer that counts, and the directory gives none.
    pub async fn find(&self, lookup: &Lookup) -> Result<Found, Unavailable> {
        let query = |asked: Instant| {
            let (lookup, directory, changed) = (lookup.clone(), Arc::clone(&self.directory), Arc::clone(&self.changed));
            let (ttl, negative_ttl) = (self.ttl, self.negative_ttl);
            let query = async move {
                let accounts: Arc<[_]> = directory.find(&lookup).await?.into_iter().map(Arc::new).collect();
                let may_not_pass = accounts.iter().filter(|account| account.status != Status::Active);
                may_not_pass.for_each(|account| changed.note_inactive(&account.username, asked));
                let life = if accounts.is_empty() { Life::Short(negative_ttl) } else { Life::Lasting(ttl) };
                Ok((accounts, life))
            };
            query.boxed()
        };
        let holds = |answer: &answers::Entry<Arc<[Arc<Account>]>>| {
            let names = answer.value.iter().map(|account| account.username.as_str());
            self.changed.account_holds(answer.asked, names)
        };
        let Answer { entry, fresh } = self.accounts.get(lookup, query, holds).await?;
        Ok(Found { accounts: Arc::clone(&entry.value), fresh })
    }

    /// The HA1 of a user in a realm, if there is one for this algorithm.
    ///
    /// # Errors
    /// When there is no answer that counts, and the directory gives none.
    pub async fn ha1(
        &self,
        username: &str,
        realm: &str,
        algorithm: DigestAlgorithm,
    ) -> Result<Option<Arc<Ha1>>, Unavailable> {
        let credential = Credential { username: username.to_owned(), realm: realm.to_owned(), algorithm };
        let query = |_| {
            let (asked, directory) = (credential.clone(), Arc::clone(&self.directory));
            let (ttl, negative_ttl) = (self.ttl, self.negative_ttl);
            let query = async move {
                let ha1 = directory.ha1(&asked.username, &asked.realm, asked.algorithm).await?.map(Arc::new);
                let life = if ha1.is_none() { Life::Short(negative_ttl) } else { Life::Lasting(ttl) };
                Ok((ha1, life))
            };
            query.boxed()
        };
        let holds = |answer: &answers::Entry<Option<Arc<Ha1>>>| {
            let name = Some(username).filter(|_| answer.value.is_some());
            self.changed.account_holds(answer.asked, name.into_iter())
                && self.changed.holds(answer.asked, &Subject::Account(username))
        };
        Ok(self.credentials.get(&credential, query, holds).await?.entry.value.clone())
    }

    /// The user name that a client sent hashed with the realm, if there is one. Found or not, it is good as an
    /// account is.
    ///
    /// # Errors
    /// When the answer is not in the cache and the directory gives none.
    pub async fn username_of(
        &self,
        userhash: &str,
        realm: &str,
        algorithm: DigestAlgorithm,
    ) -> Result<Option<Arc<str>>, Unavailable> {
        let hashed = Credential { username: userhash.to_owned(), realm: realm.to_owned(), algorithm };
        let query = |_| {
            let (asked, directory) = (hashed.clone(), Arc::clone(&self.directory));
            let (ttl, negative_ttl) = (self.ttl, self.negative_ttl);
            let query = async move {
                let name = directory.username_of(&asked.username, &asked.realm, asked.algorithm).await?;
                let life = if name.is_none() { Life::Short(negative_ttl) } else { Life::Lasting(ttl) };
                Ok((name.map(Arc::from), life))
            };
            query.boxed()
        };
        let holds = |answer: &answers::Entry<Option<Arc<str>>>| {
            self.changed.account_holds(answer.asked, answer.value.iter().map(|name| &**name))
        };
        Ok(self.hashed_names.get(&hashed, query, holds).await?.entry.value.clone())
    }

    /// What is kept of a user's password, if there is one that can be used.
    ///
    /// # Errors
    /// When there is no answer that counts, and the directory gives none.
    pub async fn password(&self, username: &str) -> Result<Option<Arc<Password>>, Unavailable> {
        let username = username.to_owned();
        let query = |_| {
            let (username, directory) = (username.clone(), Arc::clone(&self.directory));
            let (ttl, negative_ttl) = (self.ttl, self.negative_ttl);
            let query = async move {
                let password = directory.password(&username).await?.map(Arc::new);
                let life = if password.is_none() { Life::Short(negative_ttl) } else { Life::Lasting(ttl) };
                Ok((password, life))
            };
            query.boxed()
        };
        let holds = |answer: &answers::Entry<Option<Arc<Password>>>| {
            let name = Some(username.as_str()).filter(|_| answer.value.is_some());
            self.changed.account_holds(answer.asked, name.into_iter())
                && self.changed.holds(answer.asked, &Subject::Account(&username))
        };
        Ok(self.passwords.get(&username, query, holds).await?.entry.value.clone())
    }

    /// Puts another hash of the same password in the place of an outdated one, where the directory can. The other
    /// hash is found here when the outdated one is too old, which is as good until then.
    ///
    /// # Errors
    /// When the directory gives no answer, or does not let us.
    pub async fn rehash(&self, username: &str, set: i64, hash: &Secret) -> Result<bool, Unavailable> {
        self.directory.rehash(username, set, hash).await
    }

    /// Whether certificates were revoked, in the order in which they are given. Either answer is good for
    /// `ttl`.
    ///
    /// # Errors
    /// When there is no answer that counts about one of them, and the directory gives none.
    pub async fn revoked(&self, certificates: &[CertificateKey]) -> Result<Revocations, Unavailable> {
        let answers = try_join_all(certificates.iter().map(|certificate| self.revoked_one(certificate))).await?;
        let at = answers.iter().map(|answer| answer.entry.value).collect();
        let fresh = answers.into_iter().map(|answer| answer.fresh).reduce(Fresh::and);
        // Of no certificate nothing has to be asked again.
        let fresh = fresh.unwrap_or_else(|| Fresh::until(Instant::now() + self.ttl));
        Ok(Revocations { at, fresh })
    }

    async fn revoked_one(&self, certificate: &CertificateKey) -> Result<Answer<Option<Timestamp>>, Unavailable> {
        let query = |_| {
            let (asked, directory, ttl) = (certificate.clone(), Arc::clone(&self.directory), self.ttl);
            let query = async move {
                let at = directory.revoked(std::slice::from_ref(&asked)).await?;
                // A directory that answers another number of questions than it was asked has answered none.
                let [at] = at.as_slice() else {
                    return Err(unanswered("a different number of answers than questions"));
                };
                Ok((*at, Life::Lasting(ttl)))
            };
            query.boxed()
        };
        let holds = |answer: &answers::Entry<_>| self.changed.holds(answer.asked, &Subject::Certificate(certificate));
        self.revocations.get(certificate, query, holds).await
    }

    /// Writes down that what may be used once was used; see [`Directory::use_once`].
    ///
    /// # Errors
    /// When the directory gives no answer: whether it was written down is not known then.
    pub async fn use_once(&self, identifier: &[u8; 32], until: Timestamp, at: Timestamp) -> Result<bool, Unavailable> {
        self.directory.use_once(identifier, until, at).await
    }

    /// What has changed in the directory since a position of its feed.
    ///
    /// # Errors
    /// When the directory gives no answer.
    pub async fn changes(&self, since: Option<&Position>) -> Result<Since, Unavailable> {
        let asked = Instant::now();
        let answer = self.directory.changes(since).await;
        metrics::database_asked(answer.is_ok(), asked.elapsed());
        answer
    }

    /// The feed of changes was read to its end by a reading that began at this instant, and all that it tells was
    /// [forgotten](Self::forget): what is kept still holds.
    pub fn confirm(&self, began: Instant) {
        self.freshness.confirm(began);
    }

    /// The feed of changes could not be read.
    pub fn unconfirmed(&self, at: Instant) {
        self.freshness.fail(at);
    }

    /// Whether it is known that the store gives no answers now.
    #[must_use]
    pub fn is_silent(&self, now: Instant) -> bool {
        self.freshness.is_silent(now)
    }

    /// How long ago the store last confirmed what it said before, if it ever has.
    #[must_use]
    pub fn since_confirmed(&self, now: Instant) -> Option<Duration> {
        self.freshness.since_confirmed(now)
    }

    /// How many answers are kept of each kind, about.
    #[must_use]
    pub fn kept(&self) -> [(CacheKind, u64); 5] {
        [
            (CacheKind::Accounts, self.accounts.len()),
            (CacheKind::Digest, self.credentials.len()),
            (CacheKind::Names, self.hashed_names.len()),
            (CacheKind::Passwords, self.passwords.len()),
            (CacheKind::Revocations, self.revocations.len()),
        ]
    }

    /// Whether what was confirmed last still counts: if not, nobody may go on who is not found anew.
    #[must_use]
    pub fn is_confirmed(&self, now: Instant) -> bool {
        self.freshness.is_confirmed(now)
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
            Kind::Flush => self.invalidate_all(),
        }
    }

    /// Forgets everything. Nobody who asks after this gets an answer that was asked for before it, not
    /// even one that is still on its way.
    pub fn invalidate_all(&self) {
        self.accounts.invalidate_all();
        self.credentials.invalidate_all();
        self.hashed_names.invalidate_all();
        self.passwords.invalidate_all();
        self.revocations.invalidate_all();
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts")
            .field("accounts", &self.accounts.len())
            .field("credentials", &self.credentials.len())
            .field("revocations", &self.revocations.len())
            .finish_non_exhaustive()
    }
}

fn unanswered(why: &str) -> Unavailable {
    Unavailable { what: "asking for an account", store: "the cache".to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests;
