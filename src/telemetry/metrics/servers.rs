//! Numbers about single servers of upstreams. Their addresses come from name servers and may change without end, so that
//! unlike those of a [`Family`](super::Family) the numbers of a server that nobody speaks to any more are forgotten: what
//! is kept, and what a page shows, is bounded by the servers that there are. Servers that only accounts name (a home by
//! pattern) share one place for each upstream.

use super::answers::Answers;
use super::histogram::{self, Histogram};
use super::sharded::{Counter, Gauge};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// What stands in the place of a name for all servers that only accounts name.
pub const HOMES: &str = "*";

/// Numbers about each server.
pub static SERVERS: Servers = Servers::new();

/// Which server it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerId {
    /// The upstream's name.
    pub upstream: String,
    /// The server as the configuration names it, or [`HOMES`].
    pub server: String,
    /// Its address, where its name has been resolved.
    pub address: Option<SocketAddr>,
}

/// The numbers of all servers that somebody has in use.
pub struct Servers(Mutex<BTreeMap<ServerId, Weak<ServerNumbers>>>);

impl Servers {
    /// There are none yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// The numbers of this server: those that are in use, so that they go on when a reload makes the server anew, or new
    /// ones. Not for the path of a request.
    pub fn of(&self, id: ServerId) -> Arc<ServerNumbers> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(numbers) = known.get(&id).and_then(Weak::upgrade) {
            return numbers;
        }
        known.retain(|_, numbers| numbers.strong_count() > 0);
        let numbers = Arc::new(ServerNumbers::default());
        known.insert(id, Arc::downgrade(&numbers));
        numbers
    }
}

impl Default for Servers {
    fn default() -> Self {
        Self::new()
    }
}

/// Numbers about a server.
pub struct ServerNumbers {
    /// What came of the requests that were sent to it.
    pub answers: Answers,
    connecting: Histogram,
    /// Open connections.
    pub open: Gauge,
    /// Those of them that are kept and that no request uses.
    pub idle: Gauge,
    /// Kept connections that turned out to be closed when a request was sent over them.
    pub stale: Counter,
    /// Active checks that were passed.
    pub passed: Counter,
    /// Active checks that were not.
    pub missed: Counter,
    /// How often it was ejected.
    pub ejections: Counter,
}

impl Default for ServerNumbers {
    fn default() -> Self {
        Self {
            answers: Answers::default(),
            connecting: Histogram::new(histogram::LONG),
            open: Gauge::new(),
            idle: Gauge::new(),
            stale: Counter::new(),
            passed: Counter::new(),
            missed: Counter::new(),
            ejections: Counter::new(),
        }
    }
}

impl ServerNumbers {
    /// Counts a connection that took so long to make, for as long as what this gives lives.
    #[must_use]
    pub fn connected(self: &Arc<Self>, took: Duration) -> OpenConnection {
        self.connecting.observe(took);
        self.open.begin();
        OpenConnection(Arc::clone(self))
    }

    /// How long it takes to connect, TLS included.
    #[must_use]
    pub fn connecting(&self) -> &Histogram {
        &self.connecting
    }
}

impl std::fmt::Debug for ServerNumbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerNumbers").finish_non_exhaustive()
    }
}

/// An open connection, counted as long as this lives.
#[derive(Debug)]
pub struct OpenConnection(Arc<ServerNumbers>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.end();
    }
}

#[cfg(test)]
mod tests {
    use super::super::UpstreamFailure;
    use super::*;

    fn id(port: u16) -> ServerId {
        let address = Some(SocketAddr::from(([127, 0, 0, 1], port)));
        ServerId { upstream: "app".to_owned(), server: "app.internal:80".to_owned(), address }
    }

    #[test]
    fn a_server_that_is_made_anew_goes_on_counting_and_one_that_is_gone_is_forgotten() {
        let servers = Servers::new();
        let before = servers.of(id(1));
        before.answers.failed(UpstreamFailure::Connect);
        let after = servers.of(id(1));
        drop(before);
        assert_eq!(after.answers.all_failures(), 1);
        drop(after);
        assert_eq!(servers.of(id(1)).answers.all_failures(), 0);
    }

    #[test]
    fn addresses_that_come_and_go_without_end_take_no_room() {
        let servers = Servers::new();
        let kept = servers.of(id(1));
        (2..10_000).for_each(|port| servers.of(id(port)).passed.increment());
        assert!(servers.0.lock().unwrap().len() <= 2);
        kept.passed.increment();
        assert_eq!(servers.of(id(1)).passed.get(), 1);
    }

    #[test]
    fn a_connection_counts_as_long_as_it_is_open() {
        let numbers = Arc::new(ServerNumbers::default());
        let connections = [1, 2].map(|seconds| numbers.connected(Duration::from_secs(seconds)));
        assert_eq!((numbers.open.get(), numbers.connecting().snapshot().count), (2, 2));
        drop(connections);
        assert_eq!((numbers.open.get(), numbers.connecting().snapshot().count), (0, 2));
    }
}
