//! One server: where it is, how it is spoken to, and what all workers know of it. A name of the configuration that has
//! several addresses is several servers.

use super::balance;
use super::health::{Condition, State};
use super::tls::ClientTls;
use crate::config::{HttpVersion, ServerName, UpstreamServer};
use crate::telemetry::metrics::ServerNumbers;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::task::AbortHandle;

/// One server, and how it is spoken to.
#[derive(Debug)]
pub struct Server {
    pub(super) key: Key,
    place: Arc<str>,
    tls: Option<Arc<ClientTls>>,
    /// Its share in relation to the others'.
    pub(super) weight: u16,
    /// Whether it is asked only when no other one can be.
    pub(super) backup: bool,
    /// What it is known by in hashing.
    pub(super) hash: u64,
    pub(super) tally: Tally,
    numbers: Arc<ServerNumbers>,
    pub(super) condition: Mutex<Condition>,
    /// What checks it, as long as it is there.
    pub(super) checker: OnceLock<AbortHandle>,
}

/// What tells connections apart: what goes to one server over TLS was opened with one certificate of ours, and under
/// one idea of whom the server must show to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// Of all that follows, made once: connections are looked up by it twice a request.
    hash: u64,
    pub(super) name: ServerName,
    /// The address, where the name has been resolved.
    pub(super) address: Option<SocketAddr>,
    /// [`ClientTls::number`], or 0 in clear text.
    pub(super) tls: u64,
    pub(super) http: HttpVersion,
    /// What was said of the client before anything else: then the connection is that client's alone.
    pub(super) said: Option<Arc<[u8]>>,
}

impl Key {
    fn new(
        name: ServerName,
        address: Option<SocketAddr>,
        tls: u64,
        http: HttpVersion,
        said: Option<Arc<[u8]>>,
    ) -> Self {
        // One for the whole process: what clients have said of them must not be chosen so that it collides.
        static SEED: OnceLock<RandomState> = OnceLock::new();
        let hash = SEED.get_or_init(RandomState::new).hash_one((&name, address, tls, http, &said));
        Self { hash, name, address, tls, http, said }
    }

    /// The same for connections on which this is said of the client before anything else.
    pub(super) fn with_said(&self, said: &Arc<[u8]>) -> Self {
        Self::new(self.name.clone(), self.address, self.tls, self.http, Some(Arc::clone(said)))
    }

    /// Whether connections are one client's alone.
    pub(super) fn is_private(&self) -> bool {
        self.said.is_some()
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Takes the hash that a [`Key`] already is.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        // A key writes one number and nothing else; whatever else is written still counts.
        for octet in octets {
            self.0 = self.0.rotate_left(8) ^ u64::from(*octet);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 ^= hash;
    }
}

/// What is kept by keys.
pub(super) type ByKey<T> = HashMap<Key, T, BuildHasherDefault<KeyHasher>>;

/// What requests are spread by, apart from what is only read.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Tally {
    /// Requests under way.
    pub(super) active: AtomicU32,
    /// Failures since the last success.
    pub(super) in_a_row: AtomicU32,
}

/// What is known of a server at one time, for status pages and metrics.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The server as the configuration names it.
    pub server: String,
    /// Its address, where the name has been resolved.
    pub address: Option<SocketAddr>,
    /// Whether it gets requests.
    pub state: State,
    /// Whether it is asked only when no other one can be.
    pub backup: bool,
    /// Its weight.
    pub weight: u16,
    /// Requests under way, where there is a choice of servers or a limit.
    pub active: u32,
    /// What is counted of it.
    pub numbers: Arc<ServerNumbers>,
}

impl Server {
    /// A server that is spoken to in this way, and counted so.
    #[must_use]
    pub(super) fn new(
        settings: &UpstreamServer,
        address: Option<SocketAddr>,
        tls: Option<Arc<ClientTls>>,
        http: HttpVersion,
        numbers: Arc<ServerNumbers>,
    ) -> Self {
        let key = Key::new(settings.name.clone(), address, tls.as_ref().map_or(0, |tls| tls.number()), http, None);
        let place = address.map_or_else(|| settings.name.to_string(), |address| address.to_string());
        Self {
            key,
            hash: balance::hash(place.as_bytes()),
            place: place.into(),
            tls,
            weight: settings.weight,
            backup: settings.backup,
            tally: Tally::default(),
            numbers,
            condition: Mutex::default(),
            checker: OnceLock::new(),
        }
    }

    /// A server that is no upstream's, and is not counted: nobody's requests go there.
    #[must_use]
    pub fn apart(name: ServerName, tls: Option<Arc<ClientTls>>) -> Self {
        let settings = UpstreamServer { name, weight: 1, backup: false };
        Self::new(&settings, None, tls, HttpVersion::One, Arc::default())
    }

    /// Host and port, or the path of a socket.
    #[must_use]
    pub fn name(&self) -> &ServerName {
        &self.key.name
    }

    /// The address, where the name has been resolved.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.key.address
    }

    /// Where it is, for logs and traces: its address and port, or its name where that is all there is.
    #[must_use]
    pub fn place(&self) -> &Arc<str> {
        &self.place
    }

    /// How it is spoken to over TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&ClientTls> {
        self.tls.as_deref()
    }

    /// What is asked for there where nobody says it: host and port.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.key.name.socket().is_some() { "localhost".to_owned() } else { self.key.name.to_string() }
    }

    /// Whether HTTP/2 is to be spoken to it.
    pub(super) fn speaks_two(&self) -> bool {
        self.key.http == HttpVersion::Two
    }

    /// What is spoken to it.
    #[must_use]
    pub fn http(&self) -> HttpVersion {
        self.key.http
    }

    /// What is counted of it.
    #[must_use]
    pub fn numbers(&self) -> &Arc<ServerNumbers> {
        &self.numbers
    }

    /// What is known of it.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            server: self.key.name.to_string(),
            address: self.key.address,
            state: self.condition().state(),
            backup: self.backup,
            weight: self.weight,
            active: self.tally.active.load(Relaxed),
            numbers: Arc::clone(&self.numbers),
        }
    }

    /// Held for a few instructions.
    pub(super) fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(checker) = self.checker.get() {
            checker.abort();
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.name.fmt(f)?;
        match self.key.address {
            Some(address) if address.ip().to_string() != self.key.name.host => write!(f, " ({address})"),
            _ => Ok(()),
        }
    }
}
