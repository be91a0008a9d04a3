//! Follows the store's feed of changes: what has changed is forgotten by the cache of accounts, and the open
//! connections that it concerns are put in doubt, in this order, so that whoever looks again finds what is true. Each
//! reading that came to the end of the feed confirms what is kept; when none has done so for longer than answers count
//! without it, everybody is put in doubt.

use crate::account::cache::{Accounts, PROMISE};
use crate::account::{CertificateKey, Unavailable};
use crate::revocation::live::{Cause, Key, Live};
use crate::store::changes::{BATCH, Change, Kind, Position, Since};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;

/// How often the feed is read.
const POLL: Duration = Duration::from_millis(250);
/// How long one reading may take: what it confirms would no longer count when the next one begins. A store that accepts
/// the question and never answers it costs no more than one that refuses it.
const DEADLINE: Duration = PROMISE.saturating_sub(POLL);
/// How often connections are doubted at most where there is no feed.
const LEAST_WITHOUT: Duration = Duration::from_secs(1);
/// What passes between one part of all connections being doubted and the next one.
const SPREAD: Duration = Duration::from_millis(8);

/// The feed of one store.
pub(super) struct Feed {
    accounts: Arc<Accounts>,
    live: Arc<Live>,
    position: Option<Position>,
    outage: Option<Outage>,
}

/// The feed gives no answer.
struct Outage {
    since: Instant,
    /// When all connections were last doubted for it.
    doubted: Option<Instant>,
}

/// What came of reading the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// All that there is, for now.
    ToTheEnd,
    /// There may be more at once.
    InPart,
    /// Nothing.
    Failed,
}

impl Feed {
    /// The feed of the store behind these accounts.
    pub(super) fn new(accounts: Arc<Accounts>, live: Arc<Live>) -> Self {
        Self { accounts, live, position: None, outage: None }
    }

    /// Takes its place, for ever, where a store has none and answers are good for `ttl`: whoever asks again asks the
    /// cache, so that what changed is noticed when the answer there has become too old, and a quarter of that time
    /// later at most.
    pub(super) async fn do_without(self, ttl: Duration) {
        let mut tick = tokio::time::interval((ttl / 4).max(LEAST_WITHOUT));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            doubt_all(&self.live, Cause::Feed);
        }
    }

    /// Reads it for ever.
    pub(super) async fn follow(mut self) {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            poll.tick().await;
            loop {
                let began = Instant::now();
                match self.read().await {
                    Read::InPart => continue,
                    Read::ToTheEnd => self.confirm(began),
                    Read::Failed => {}
                }
                break;
            }
        }
    }

    /// Reads it once.
    async fn read(&mut self) -> Read {
        let reading = self.accounts.changes(self.position.as_ref());
        let read = match tokio::time::timeout(DEADLINE, reading).await {
            Ok(Ok(read)) => read,
            Ok(Err(Unavailable { store, why, .. })) => {
                self.fail(&format!("{store}: {why}"));
                return Read::Failed;
            }
            Err(_) => {
                self.fail(&format!("no answer within {DEADLINE:?}"));
                return Read::Failed;
            }
        };
        match read {
            Since::Changes(changes, position) => {
                changes.iter().for_each(|change| self.take_up(change));
                self.position = Some(position);
                if changes.len() == BATCH { Read::InPart } else { Read::ToTheEnd }
            }
            Since::Gap(position) => {
                if self.position.is_some() {
                    tracing::warn!("the feed of changes has a gap; everything is asked for anew");
                }
                // What was answered before the position was known may be older than it.
                self.accounts.invalidate_all();
                doubt_all(&self.live, Cause::Feed);
                self.position = Some(position);
                Read::ToTheEnd
            }
        }
    }

    /// All that is kept holds as of this instant.
    fn confirm(&mut self, began: Instant) {
        self.accounts.confirm(began);
        if let Some(outage) = self.outage.take() {
            let lasted = outage.since.elapsed();
            tracing::info!(?lasted, "the feed of changes is read again");
        }
    }

    fn take_up(&self, change: &Change) {
        self.accounts.forget(change);
        let doubted = match change.kind {
            Kind::Account | Kind::Credential => self.live.doubt(&Key::Account(&change.name), Cause::Account),
            Kind::Certificate | Kind::Revocation => match CertificateKey::of_name(&change.name) {
                Some(key) => self.live.doubt(&Key::Stored(&key), Cause::Store),
                None => {
                    tracing::warn!(
                        name = change.name,
                        "a change of an unnamed certificate; everything is asked for anew"
                    );
                    doubt_all(&self.live, Cause::Feed);
                    self.live.len()
                }
            },
            Kind::Flush => {
                tracing::info!("everything is asked for anew, as somebody has demanded");
                doubt_all(&self.live, Cause::Flush);
                self.live.len()
            }
        };
        tracing::debug!(kind = change.kind.as_str(), name = change.name, doubted, "changed");
    }

    fn fail(&mut self, error: &str) {
        let now = Instant::now();
        self.accounts.unconfirmed(now);
        let outage = self.outage.get_or_insert_with(|| {
            tracing::error!(error, "the feed of changes cannot be read: what changes in the store is not noticed");
            Outage { since: now, doubted: None }
        });
        // An answer that was given just before the outage counts for as long by itself: whoever is doubted earlier would
        // find it, and go on.
        let outlived = now.saturating_duration_since(outage.since) >= PROMISE;
        if !outlived || self.accounts.is_confirmed(now) {
            return;
        }
        // Again and again: a server that may be asked meanwhile, but not for the feed, may say another thing then.
        if outage.doubted.is_none_or(|before| now.saturating_duration_since(before) >= PROMISE) {
            if outage.doubted.replace(now).is_none() {
                tracing::error!(error, "what was known counts no longer: nobody is let in until the store answers");
            }
            doubt_all(&self.live, Cause::Feed);
        }
    }
}

/// Puts all connections in doubt, spread over half a second; meanwhile whoever calls goes on.
pub(super) fn doubt_all(live: &Arc<Live>, cause: Cause) {
    let live = Arc::clone(live);
    tokio::spawn(async move {
        let mut doubted = 0;
        for part in live.doubt_all(cause) {
            doubted += part;
            tokio::time::sleep(SPREAD).await;
        }
        tracing::debug!(doubted, %cause, "all connections were doubted");
    });
}
