//! Open connections, by what they rest on: certificates that a list or the store may revoke, an account, a
//! trust set, a date. When one of these changes, the connections that it concerns are found by a look-up and
//! put in doubt; whoever drives one looks at the sources again and knows what to do. Nothing here knows what a
//! connection is: it holds keys and handles, never sockets or requests.
//!
//! # Why no order of events lets a revoked connection through
//!
//! A connection takes a [`Look`] before it asks any source. The look notes how often this connection was
//! doubted, and how many doubts there have been at all. Then the connection adds its keys as they become known
//! and keeps the result of its questions under the number that the look has noted.
//!
//! Whoever changes a source first makes the change visible to those who ask, then calls [`Live::doubt`], which
//! first writes the key into the record of recent doubts and then looks the key up under its shard's lock.
//! [`Look::add`] does the opposite: it first inserts the key under that lock, then reads the record. So, for a
//! change and a connection:
//!
//! - The doubt found the key: the connection's number has grown, and what it keeps under an older one no
//!   longer holds.
//! - The doubt did not find the key: the key was inserted after that look-up, so that the record, which was
//!   written before it, is seen by whoever inserted. If the doubt came after the look began, the connection
//!   doubts itself. If it came before, so did the change, and every question of this look was asked after it.
//!
//! It does not matter whether a source is asked before or after its key is added, which is as well: whose
//! account a certificate leads to is known only from the answer.

use crate::account::CertificateKey;
use crate::base::clock::Timestamp;
use crate::certificate::path::{PathCertificate, ValidPath};
use crate::revocation::database;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

const SHARDS: usize = 64;

/// How many doubts are remembered for the sake of looks that are under way; a look that takes longer than so
/// many doubts is taken to be concerned.
const RECENT: usize = 4096;

/// What a connection may rest on. Only a keyed hash of it is kept; two keys of one hash cost a look too many
/// and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key<'a> {
    /// A certificate as revocation lists know it.
    Listed {
        /// Its issuer's Name, in the form by which lists are matched.
        issuer: &'a [u8],
        /// Its serial number's octets, without leading zeros.
        serial: &'a [u8],
    },
    /// A certificate as the store knows it.
    Stored(&'a CertificateKey),
    /// An account, by its user name.
    Account(&'a str),
    /// A trust set, by its name in the configuration.
    Trust(&'a str),
    /// The routes of the configuration: for tunnels, which outlive the one that they began under.
    Routes,
}

impl<'a> Key<'a> {
    /// Why a connection that rests on it is usually doubted.
    fn cause(&self) -> Cause {
        match self {
            Self::Listed { .. } => Cause::Lists,
            Self::Stored(_) => Cause::Store,
            Self::Account(_) => Cause::Account,
            Self::Trust(_) => Cause::Trust,
            Self::Routes => Cause::Routes,
        }
    }

    /// The key of a certificate for revocation lists.
    #[must_use]
    pub fn listed(certificate: &'a PathCertificate) -> Self {
        Self::Listed { issuer: &certificate.issuer_canonical, serial: &certificate.serial }
    }
}

/// Why a connection is looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cause {
    /// A revocation list was taken up that lists what the one before did not.
    Lists,
    /// A revocation was recorded in the store.
    Store,
    /// An account was changed.
    Account,
    /// A certificate or a revocation list has reached its last second.
    Date,
    /// A trust set was reloaded with another content.
    Trust,
    /// Routes were reloaded.
    Routes,
    /// It is not known what has changed in the store: its feed of changes has a gap, or gives no answer.
    Feed,
    /// A request has found that the connection no longer stands for whom it was let in as.
    Request,
    /// Somebody has demanded that everything be asked for anew.
    Flush,
}

impl Cause {
    const ALL: [Self; 9] = [
        Self::Lists,
        Self::Store,
        Self::Account,
        Self::Date,
        Self::Trust,
        Self::Routes,
        Self::Feed,
        Self::Request,
        Self::Flush,
    ];

    /// What happened, for the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lists => "a revocation list was taken up",
            Self::Store => "a revocation was recorded",
            Self::Account => "an account was changed",
            Self::Date => "a date has passed",
            Self::Trust => "trust was reloaded",
            Self::Routes => "routes were reloaded",
            Self::Feed => "the feed of changes was interrupted",
            Self::Request => "a request was refused",
            Self::Flush => "the cache was flushed",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Connections by something and by their number.
type Shard<T> = Mutex<BTreeMap<(T, u64), Arc<Handle>>>;

/// The connections of a process that can be doubted. Shared by all workers.
pub struct Live {
    hasher: RandomState,
    next: AtomicU64,
    /// By hash of the key and number of the connection, in the shard of the hash.
    by_key: Vec<Shard<u64>>,
    /// Every connection that has or had a key, by the last second for which it is believed and by its number, in the
    /// shard of the number.
    by_date: Vec<Shard<Timestamp>>,
    recent: Recent,
}

/// The latest doubts.
#[derive(Default)]
struct Recent {
    /// How many there have been.
    count: AtomicU64,
    /// The hashes of the last of them; `None` concerns everybody.
    hashes: Mutex<VecDeque<Option<u64>>>,
}

impl Recent {
    fn note(&self, hash: Option<u64>) {
        let mut hashes = lock(&self.hashes);
        if hashes.len() == RECENT {
            hashes.pop_front();
        }
        hashes.push_back(hash);
        self.count.fetch_add(1, Ordering::Release);
    }

    /// Whether any doubt after the first `since` concerns this key, or may do so.
    fn concerns(&self, since: u64, hash: u64) -> bool {
        if self.count.load(Ordering::Acquire) == since {
            return false;
        }
        let hashes = lock(&self.hashes);
        let later = usize::try_from(self.count.load(Ordering::Acquire).wrapping_sub(since)).unwrap_or(usize::MAX);
        later > hashes.len() || hashes.iter().rev().take(later).any(|doubted| doubted.is_none_or(|it| it == hash))
    }
}

/// What a doubt reaches of a connection.
struct Handle {
    number: u64,
    /// How often it was doubted.
    doubts: AtomicU64,
    /// The latest [`Cause`].
    cause: AtomicU8,
    /// Its place in `by_date`, in seconds; changed only under the lock of that shard.
    date: AtomicI64,
    woken: Notify,
}

impl Handle {
    fn doubt(&self, cause: Cause) {
        self.cause.store(cause as u8, Ordering::Relaxed);
        self.doubts.fetch_add(1, Ordering::Release);
        self.woken.notify_waiters();
    }
}

impl Live {
    /// No connections yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            hasher: RandomState::new(),
            next: AtomicU64::new(0),
            by_key: (0..SHARDS).map(|_| Mutex::default()).collect(),
            by_date: (0..SHARDS).map(|_| Mutex::default()).collect(),
            recent: Recent::default(),
        })
    }

    /// A connection. It takes no room among the others until it has a key.
    #[must_use]
    pub fn register(self: &Arc<Self>) -> Registration {
        let handle = Arc::new(Handle {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            doubts: AtomicU64::new(0),
            cause: AtomicU8::new(Cause::Request as u8),
            date: AtomicI64::new(Timestamp::FAR_FUTURE.as_unix()),
            woken: Notify::new(),
        });
        Registration { live: Arc::clone(self), handle, keys: Mutex::default() }
    }

    /// Puts every connection that rests on this key in doubt, and says how many there are. What has changed
    /// must be visible to whoever asks its source before this is called.
    pub fn doubt(&self, key: &Key<'_>, cause: Cause) -> usize {
        let hash = self.hasher.hash_one(key);
        self.recent.note(Some(hash));
        self.wake(hash, cause)
    }

    fn wake(&self, hash: u64, cause: Cause) -> usize {
        let Some(shard) = shard(&self.by_key, hash) else { return 0 };
        let concerned: Vec<Arc<Handle>> =
            lock(shard).range((hash, 0)..=(hash, u64::MAX)).map(|(_, handle)| Arc::clone(handle)).collect();
        concerned.iter().for_each(|handle| handle.doubt(cause));
        concerned.len()
    }

    /// Puts every connection in doubt whose date lies before this second, and says how many there are. They are
    /// found at the front of ordered queues.
    pub fn doubt_due(&self, at: Timestamp) -> usize {
        // Whoever has no date stands at the end of time, and is never due.
        let at = at.min(Timestamp::FAR_FUTURE);
        let mut due = Vec::new();
        for shard in &self.by_date {
            let mut queue = lock(shard);
            while let Some(first) = queue.first_entry().filter(|first| first.key().0 < at) {
                let handle = first.remove();
                handle.date.store(Timestamp::FAR_FUTURE.as_unix(), Ordering::Relaxed);
                queue.insert((Timestamp::FAR_FUTURE, handle.number), Arc::clone(&handle));
                due.push(handle);
            }
        }
        due.iter().for_each(|handle| handle.doubt(Cause::Date));
        due.len()
    }

    /// Puts all connections in doubt, a part with each step of the iterator, so that they need not all ask
    /// their sources at once. Each step says how many it has doubted. All steps must be taken.
    #[must_use = "connections are doubted as the iterator goes on"]
    pub fn doubt_all(&self, cause: Cause) -> impl ExactSizeIterator<Item = usize> {
        self.recent.note(None);
        self.by_date.iter().map(move |shard| {
            let all: Vec<Arc<Handle>> = lock(shard).values().cloned().collect();
            all.iter().for_each(|handle| handle.doubt(cause));
            all.len()
        })
    }

    /// How many connections have or had a key.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_date.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn move_to(&self, handle: &Arc<Handle>, date: Timestamp, only_if_there: bool) {
        let Some(shard) = shard(&self.by_date, handle.number) else { return };
        let mut queue = lock(shard);
        let before = (Timestamp::from_unix(handle.date.load(Ordering::Relaxed)), handle.number);
        let there = queue.remove(&before).is_some();
        // Kept also for one that is not there: its first key puts it there under this date.
        handle.date.store(date.as_unix(), Ordering::Relaxed);
        if there || !only_if_there {
            queue.insert((date, handle.number), Arc::clone(handle));
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("connections", &self.len()).finish_non_exhaustive()
    }
}

/// One connection's place among the others; dropping it gives the place up.
pub struct Registration {
    live: Arc<Live>,
    handle: Arc<Handle>,
    keys: Mutex<Keys>,
}

/// The hashes of a connection's keys.
#[derive(Default)]
struct Keys {
    /// Those that stay as long as the connection.
    kept: Vec<u64>,
    /// Those that are given back, with how often each must be.
    held: Vec<(u64, u32)>,
}

impl Keys {
    fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.held.is_empty()
    }

    fn has(&self, hash: u64) -> bool {
        self.kept.contains(&hash) || self.held.iter().any(|(held, _)| *held == hash)
    }
}

impl Registration {
    /// Begins to look at the sources on behalf of this connection; see the module's description.
    #[must_use]
    pub fn look(&self) -> Look<'_> {
        let number = self.doubts();
        Look { since: self.live.recent.count.load(Ordering::Acquire), number, registration: Some(self) }
    }

    /// How often the connection was doubted. What was found by a [`Look`] holds for as long as this is its
    /// [`Look::number`].
    #[must_use]
    pub fn doubts(&self) -> u64 {
        self.handle.doubts.load(Ordering::Acquire)
    }

    /// Waits until the connection has been doubted another number of times than this, and says why it was the
    /// last time.
    pub async fn doubted(&self, number: u64) -> Cause {
        let mut woken = pin!(self.handle.woken.notified());
        loop {
            woken.as_mut().enable();
            if self.doubts() != number {
                let cause = usize::from(self.handle.cause.load(Ordering::Relaxed));
                return Cause::ALL.get(cause).copied().unwrap_or(Cause::Request);
            }
            woken.as_mut().await;
            woken.set(self.handle.woken.notified());
        }
    }

    /// Puts this connection alone in doubt.
    pub fn doubt(&self, cause: Cause) {
        self.handle.doubt(cause);
    }

    /// Gives a key back that a look has [held](Look::hold): as often as it was held.
    pub fn give_back(&self, key: &Key<'_>) {
        let hash = self.live.hasher.hash_one(key);
        let mut keys = lock(&self.keys);
        let Some(place) = keys.held.iter().position(|(held, _)| *held == hash) else { return };
        match keys.held.get_mut(place) {
            Some((_, times)) if *times > 1 => *times -= 1,
            _ => _ = keys.held.swap_remove(place),
        }
        if !keys.has(hash)
            && let Some(shard) = shard(&self.live.by_key, hash)
        {
            lock(shard).remove(&(hash, self.handle.number));
        }
    }

    /// The last second for which what the connection rests on says of itself that it is good. After it, the
    /// connection is doubted. Replaces what was said before; without a key it is of no consequence.
    pub fn expires(&self, date: Timestamp) {
        if self.handle.date.load(Ordering::Relaxed) != date.as_unix() {
            self.live.move_to(&self.handle, date.min(Timestamp::FAR_FUTURE), true);
        }
    }

    fn insert(&self, hash: u64, held: bool) {
        let mut keys = lock(&self.keys);
        let (first, known) = (keys.is_empty(), keys.has(hash));
        if held {
            match keys.held.iter_mut().find(|(held, _)| *held == hash) {
                Some((_, times)) => *times += 1,
                None => keys.held.push((hash, 1)),
            }
        } else if !keys.kept.contains(&hash) {
            // A few, and as long as the connection: no room for more.
            keys.kept.reserve_exact(1);
            keys.kept.push(hash);
        }
        if first {
            self.live.move_to(&self.handle, Timestamp::from_unix(self.handle.date.load(Ordering::Relaxed)), false);
        }
        if !known && let Some(shard) = shard(&self.live.by_key, hash) {
            lock(shard).insert((hash, self.handle.number), Arc::clone(&self.handle));
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("number", &self.handle.number).finish_non_exhaustive()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let number = self.handle.number;
        let keys = std::mem::take(&mut *lock(&self.keys));
        for hash in keys.kept.into_iter().chain(keys.held.into_iter().map(|(hash, _)| hash)) {
            if let Some(shard) = shard(&self.live.by_key, hash) {
                lock(shard).remove(&(hash, number));
            }
        }
        if let Some(shard) = shard(&self.live.by_date, number) {
            let mut queue = lock(shard);
            queue.remove(&(Timestamp::from_unix(self.handle.date.load(Ordering::Relaxed)), number));
        }
    }
}

/// One look at the sources. What it finds is kept under its [`number`](Self::number).
pub struct Look<'r> {
    registration: Option<&'r Registration>,
    number: u64,
    /// How many doubts there had been when it began.
    since: u64,
}

impl Look<'_> {
    /// A look that is not on behalf of any connection.
    #[must_use]
    pub fn of_nobody() -> Self {
        Self { registration: None, number: 0, since: 0 }
    }

    /// What [`Registration::doubts`] was when the look began.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Rests on this key from now on. A doubt of it since the look began counts, too.
    pub fn add(&self, key: &Key<'_>) {
        self.rest_on(key, false);
    }

    /// The same for a key that will be [given back](Registration::give_back).
    pub fn hold(&self, key: &Key<'_>) {
        self.rest_on(key, true);
    }

    /// Rests on every certificate of a path, as lists and as the store know it.
    pub fn add_path(&self, path: &ValidPath) {
        if self.registration.is_some() {
            for certificate in &path.certificates {
                self.add(&Key::listed(certificate));
                self.add(&Key::Stored(&database::key(certificate)));
            }
        }
    }

    fn rest_on(&self, key: &Key<'_>, held: bool) {
        let Some(registration) = self.registration else { return };
        let hash = registration.live.hasher.hash_one(key);
        registration.insert(hash, held);
        if registration.live.recent.concerns(self.since, hash) {
            registration.doubt(key.cause());
        }
    }
}

fn shard<T>(shards: &[T], number: u64) -> Option<&T> {
    // The lower bits of a hash are as good as any; of numbers, they spread best.
    shards.get(usize::try_from(number % SHARDS as u64).unwrap_or(0))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
