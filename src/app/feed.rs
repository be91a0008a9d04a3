//! Follows the store's feed of changes: what has changed is forgotten by the cache of accounts, and the open
//! connections that it concerns are put in doubt, in this order, so that whoever looks again finds what is true.

use crate::account::cache::Accounts;
use crate::account::{CertificateKey, Unavailable};
use crate::revocation::live::{Cause, Key, Live};
use crate::store::changes::{BATCH, Change, Kind, Position, Since};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;

/// How often the feed is read.
const POLL: Duration = Duration::from_millis(250);
/// How long one reading may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// How often connections are doubted at most where there is no feed.
const LEAST_WITHOUT: Duration = Duration::from_secs(1);
/// What passes between one part of all connections being doubted and the next one.
const SPREAD: Duration = Duration::from_millis(8);

/// The feed of one store.
pub(super) struct Feed {
    accounts: Arc<Accounts>,
    live: Arc<Live>,
    /// For how long answers are believed while the feed cannot be read.
    patience: Duration,
    position: Option<Position>,
    outage: Option<Outage>,
}

/// The feed gives no answer.
struct Outage {
    since: Instant,
    /// Whether all connections were doubted for it.
    doubted: bool,
}

impl Feed {
    /// The feed of the store behind these accounts, whose answers are believed for `patience` without it.
    pub(super) fn new(accounts: Arc<Accounts>, live: Arc<Live>, patience: Duration) -> Self {
        Self { accounts, live, patience, position: None, outage: None }
    }

    /// Takes its place, for ever, where a store has none: whoever asks again asks the cache, so that what changed is
    /// noticed when the answer there has become too old, and a quarter of that time later at most.
    pub(super) async fn do_without(self) {
        let mut tick = tokio::time::interval((self.patience / 4).max(LEAST_WITHOUT));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.doubt_all();
        }
    }

    /// Reads it for ever.
    pub(super) async fn follow(mut self) {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            poll.tick().await;
            while self.read().await {}
        }
    }

    /// Reads it once, and says whether there may be more at once.
    async fn read(&mut self) -> bool {
        let reading = self.accounts.changes(self.position.as_ref());
        let read = match tokio::time::timeout(DEADLINE, reading).await {
            Ok(Ok(read)) => read,
            Ok(Err(Unavailable { store, why, .. })) => {
                self.fail(&format!("{store}: {why}"));
                return false;
            }
            Err(_) => {
                self.fail(&format!("no answer within {DEADLINE:?}"));
                return false;
            }
        };
        if let Some(outage) = self.outage.take() {
            let lasted = outage.since.elapsed();
            tracing::info!(?lasted, "the feed of changes is read again");
        }
        match read {
            Since::Changes(changes, position) => {
                changes.iter().for_each(|change| self.take_up(change));
                self.position = Some(position);
                changes.len() == BATCH
            }
            Since::Gap(position) => {
                if self.position.is_some() {
                    tracing::warn!("the feed of changes has a gap; everything is asked for anew");
                }
                // What was answered before the position was known may be older than it.
                self.accounts.invalidate_all();
                self.doubt_all();
                self.position = Some(position);
                false
            }
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
                    self.doubt_all();
                    self.live.len()
                }
            },
        };
        tracing::debug!(kind = change.kind.as_str(), name = change.name, doubted, "changed");
    }

    fn fail(&mut self, error: &str) {
        let outage = self.outage.get_or_insert_with(|| {
            tracing::error!(error, "the feed of changes cannot be read: what changes in the store is not noticed");
            Outage { since: Instant::now(), doubted: false }
        });
        if !outage.doubted && outage.since.elapsed() >= self.patience {
            outage.doubted = true;
            self.doubt_all();
        }
    }

    /// Puts all connections in doubt, spread over half a second; meanwhile the feed is read on.
    fn doubt_all(&self) {
        let live = Arc::clone(&self.live);
        tokio::spawn(async move {
            let mut doubted = 0;
            for part in live.doubt_all(Cause::Feed) {
                doubted += part;
                tokio::time::sleep(SPREAD).await;
            }
            tracing::debug!(doubted, "all connections were doubted");
        });
    }
}
