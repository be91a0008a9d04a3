//! Where requests go: the servers of an upstream, taken in turn, and the pools of connections to them.
//! What is sent there, and what becomes of a failure, is `proxy::forward`'s business.

pub mod pool;

use crate::config::{self, ServerName, UpstreamTimeouts};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Servers that answer the same requests.
#[derive(Debug)]
pub struct Upstream {
    /// Its name in the configuration.
    pub name: String,
    /// How long each phase may take.
    pub timeouts: UpstreamTimeouts,
    servers: Vec<ServerName>,
    turn: AtomicUsize,
}

impl Upstream {
    /// From the configuration's section of this name.
    #[must_use]
    pub fn new(name: &str, settings: &config::Upstream) -> Self {
        Self {
            name: name.to_owned(),
            timeouts: settings.timeouts.clone(),
            servers: settings.servers.clone(),
            turn: AtomicUsize::new(0),
        }
    }

    /// All servers, each once, starting with the one whose turn it is: the others are for when it cannot be
    /// reached.
    pub fn in_turn(&self) -> impl Iterator<Item = &ServerName> {
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
        let server = |port| ServerName { host: "127.0.0.1".to_owned(), port };
        let second = Duration::from_secs(1);
        let upstream = Upstream {
            name: "app".to_owned(),
            timeouts: UpstreamTimeouts { connect: second, response: second, idle: second },
            servers: vec![server(1), server(2), server(3)],
            turn: AtomicUsize::new(0),
        };
        let ports = || upstream.in_turn().map(|server| server.port).collect::<Vec<_>>();
        assert_eq!(ports(), [1, 2, 3]);
        assert_eq!(ports(), [2, 3, 1]);
        assert_eq!(ports(), [3, 1, 2]);
        assert_eq!(ports(), [1, 2, 3]);
    }
}
