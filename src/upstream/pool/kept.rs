//! HTTP/1.1 connections that nobody uses at the moment. Those on which something was said of a client are that client's
//! alone: when it has gone nobody will ever use them, and nobody says that it has gone. So they are kept for a shorter time,
//! and there are no more of them than so many, however many clients come and go.

use super::{BoxError, Pooled};
use crate::config::UpstreamTimeouts;
use crate::upstream::server::{ByKey, Key};
use http_body::Body;
use std::time::{Duration, Instant};

/// Idle connections kept for each server and worker.
const MOST_IDLE: usize = 256;
/// How long a connection is kept at most that is one client's alone.
const PRIVATE: Duration = Duration::from_secs(5);

/// How long a connection is kept unused.
pub(super) fn keep(key: &Key, timeouts: &UpstreamTimeouts) -> Duration {
    if key.is_private() { timeouts.idle.min(PRIVATE) } else { timeouts.idle }
}

/// The connections.
pub(super) struct Kept<B: Body + 'static> {
    of: ByKey<Vec<Idle<B>>>,
    /// How many of them are one client's alone, and may be.
    private: usize,
    most_private: usize,
}

struct Idle<B: Body + 'static> {
    connection: Pooled<B>,
    since: Instant,
}

impl<B> Kept<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    pub(super) fn new(most_private: usize) -> Self {
        Self { of: ByKey::default(), private: 0, most_private }
    }

    /// The one that was used last, and since when nobody has used it.
    pub(super) fn take(&mut self, key: &Key) -> Option<(Pooled<B>, Instant)> {
        let kept = self.of.get_mut(key)?;
        let last = kept.pop();
        // An entry that others will use again stays, so that its name is not cloned for each request.
        if key.is_private() {
            if kept.is_empty() {
                self.of.remove(key);
            }
            self.private = self.private.saturating_sub(usize::from(last.is_some()));
        }
        let Idle { connection, since } = last?;
        connection.numbers.idle.end();
        Some((connection, since))
    }

    /// Keeps a connection, if there is room for it.
    pub(super) fn give(&mut self, connection: Pooled<B>, since: Instant) {
        let private = connection.key.is_private();
        if private && self.private >= self.most_private {
            return;
        }
        let kept = match self.of.get_mut(&connection.key) {
            Some(kept) => kept,
            None => self.of.entry(connection.key.clone()).or_default(),
        };
        if kept.len() < MOST_IDLE {
            connection.numbers.idle.begin();
            kept.push(Idle { connection, since });
            self.private += usize::from(private);
        }
    }

    /// Lets go of those that their server has closed, and of those that were kept for too long.
    pub(super) fn sweep(&mut self) {
        let mut private = 0;
        self.of.retain(|key, kept| {
            kept.retain_mut(|kept| {
                let good = kept.since.elapsed() < kept.connection.keep && kept.connection.usable();
                if !good {
                    kept.connection.numbers.idle.end();
                }
                good
            });
            private += if key.is_private() { kept.len() } else { 0 };
            !kept.is_empty()
        });
        self.private = private;
    }
}
