//! Where requests go: the servers of an upstream, taken in turn, the pools of connections to them, TLS, and who we are there.
//! What is sent there, and what becomes of a failure, is `proxy::forward`'s business.

pub mod digest;
pub mod pool;
mod stream;
pub mod tls;

pub use stream::Stream;

use crate::config::{self, ServerName, UpstreamTimeouts};
use digest::Credentials;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tls::ClientTls;

/// Servers that answer the same requests.
#[derive(Debug)]
pub struct Upstream {
    /// Its name in the configuration.
    pub name: String,
    /// How long each phase may take.
    pub timeouts: UpstreamTimeouts,
    /// How its servers are told who we are, if they ask for a password.
    pub authorization: Option<Credentials>,
    servers: Vec<Server>,
    turn: AtomicUsize,
}

/// One server, and how it is spoken to.
#[derive(Debug, Clone)]
pub struct Server {
    key: Key,
    tls: Option<Arc<ClientTls>>,
}

/// What tells connections apart: what goes to one server over TLS was opened with one certificate of ours, and under
/// one idea of whom the server must show to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    name: ServerName,
    /// [`ClientTls::number`], or 0 in clear text.
    tls: u64,
}

impl Server {
    /// A server that is spoken to in this way.
    #[must_use]
    pub fn new(name: ServerName, tls: Option<Arc<ClientTls>>) -> Self {
        Self { key: Key { name, tls: tls.as_ref().map_or(0, |tls| tls.number()) }, tls }
    }

    /// Host and port.
    #[must_use]
    pub fn name(&self) -> &ServerName {
        &self.key.name
    }

    /// How it is spoken to over TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&ClientTls> {
        self.tls.as_deref()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.name.fmt(f)
    }
}

impl Upstream {
    /// From the configuration's section of this name, with what was made of its `tls` and `authorization`.
    #[must_use]
    pub fn new(
        name: &str,
        settings: &config::Upstream,
        tls: Option<&Arc<ClientTls>>,
        authorization: Option<Credentials>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            timeouts: settings.timeouts.clone(),
            authorization,
            servers: settings.servers.iter().map(|server| Server::new(server.clone(), tls.map(Arc::clone))).collect(),
            turn: AtomicUsize::new(0),
        }
    }

    /// All servers, each once, starting with the one whose turn it is: the others are for when it cannot be
    /// reached.
    pub fn in_turn(&self) -> impl Iterator<Item = &Server> {
        let first = match self.servers.len() {
            0 | 1 => 0,
            count => self.turn.fetch_add(1, Ordering::Relaxed) % count,
        };
        self.servers.iter().cycle().skip(first).take(self.servers.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn servers_are_taken_in_turn_and_each_once() {
        let server = |port| Server::new(ServerName { host: "127.0.0.1".to_owned(), port }, None);
        let second = Duration::from_secs(1);
        let upstream = Upstream {
            name: "app".to_owned(),
            timeouts: UpstreamTimeouts { connect: second, response: second, idle: second },
            authorization: None,
            servers: vec![server(1), server(2), server(3)],
            turn: AtomicUsize::new(0),
        };
        let ports = || upstream.in_turn().map(|server| server.name().port).collect::<Vec<_>>();
        assert_eq!(ports(), [1, 2, 3]);
        assert_eq!(ports(), [2, 3, 1]);
        assert_eq!(ports(), [3, 1, 2]);
        assert_eq!(ports(), [1, 2, 3]);
    }
}
