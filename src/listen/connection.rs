//! A connection whose handshake is done: what is known of it before the first request.

use crate::certificate::Presented;
use crate::certificate::facts::CertificateFacts;
use crate::config::ClientPolicy;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that no other connection of this process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The next number.
    #[must_use]
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The number itself.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A client on the other end of a TLS connection.
#[derive(Debug)]
pub struct Connection {
    /// Its number.
    pub id: ConnectionId,
    /// The client's address: the balancer's word for it, where the connection came through one.
    pub peer: SocketAddr,
    /// The address that the client connected to: the listener's own, or the balancer's.
    pub local: SocketAddr,
    /// The balancer that the connection came through, if the addresses above are its word.
    pub via: Option<SocketAddr>,
    /// The name of the listener.
    pub listener: Arc<str>,
    /// The policy that the session was made for.
    pub policy: Arc<ClientPolicy>,
    /// What the handshake agreed on.
    pub tls: TlsFacts,
    /// The certificate chain that the client presented and proved to hold the key of.
    pub presented: Option<Presented>,
}

impl Connection {
    /// What the client's certificate says, if it presented one that can be read.
    #[must_use]
    pub fn facts(&self) -> Option<&CertificateFacts> {
        self.presented.as_ref()?.facts.as_ref().ok()
    }
}

/// What a handshake agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.2`, `TLSv1.3`, or `none`.
    pub version: &'static str,
    /// The cipher suite, as rustls names it.
    pub cipher: String,
    /// Whether HTTP/2 was chosen (RFC 7301).
    pub http2: bool,
    /// The server name that the client asked for (RFC 6066), lower case.
    pub server_name: Option<Arc<str>>,
    /// Whether the session was resumed.
    pub resumed: bool,
}

impl TlsFacts {
    /// Of a connection without TLS.
    #[must_use]
    pub fn none() -> Self {
        Self { version: "none", cipher: String::new(), http2: false, server_name: None, resumed: false }
    }
}
