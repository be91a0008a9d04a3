//! Keeps a gate's shelf as the database has it: reads what was published since, four times a second one number
//! and nothing else while nothing is. A database that does not answer changes nothing: what is here holds by its dates.

use super::Shelf;
use super::shelf::ShelfError;
use super::tables::{self, PAGE};
use crate::base::clock::Timestamp;
use crate::config;
use crate::store::{Database, Deadlines, Fault, OpenError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval};

/// How often it is asked for something new.
const POLL: Duration = Duration::from_millis(250);
/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How often answers that have run out are let go.
const SWEEP: Duration = Duration::from_secs(10 * 60);

/// Why the shelf is not as the database has it.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Shelf(#[from] ShelfError),
}

/// Follows what is published in a store, for ever.
pub async fn follow(shelf: Arc<Shelf>, store: config::Store) {
    let mut follower = Follower { shelf, store, database: None, read: 0 };
    let mut poll = interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    let mut swept = Instant::now();
    loop {
        poll.tick().await;
        match follower.turn().await {
            Ok(()) if failing => {
                failing = false;
                tracing::info!("what the authority publishes is read again");
            }
            Ok(()) => {}
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "what the authority publishes cannot be read; what is known goes on being served");
                }
                tokio::time::sleep(RETRY).await;
            }
        }
        if swept.elapsed() >= SWEEP {
            swept = Instant::now();
            follower.shelf.sweep(Timestamp::now());
        }
    }
}

struct Follower {
    shelf: Arc<Shelf>,
    store: config::Store,
    database: Option<Database>,
    /// The number of the newest publication that was read.
    read: i64,
}

impl Follower {
    async fn turn(&mut self) -> Result<(), FollowError> {
        let database = match &self.database {
            Some(database) => database.clone(),
            None => {
                let opened = Database::open(&self.store, Handle::current(), Deadlines::default()).await?;
                self.database.insert(opened).clone()
            }
        };
        let newest = tables::number(&database).await?;
        if newest == self.read {
            return Ok(());
        }
        if newest < self.read {
            tracing::warn!("the numbers of publications went back; everything is read anew");
            self.shelf.clear();
            self.read = 0;
        }
        for issuer in tables::issuers_since(&database, self.read).await? {
            self.shelf.put_issuer(&issuer)?;
        }
        for (issuer, kind) in tables::lists_since(&database, self.read).await? {
            if let Some(list) = tables::list(&database, issuer, kind).await? {
                self.shelf.put_list(&issuer, kind, &list);
            }
        }
        self.read_answers(&database).await?;
        // What was published meanwhile was read in part, and is read again.
        self.read = newest;
        Ok(())
    }

    async fn read_answers(&self, database: &Database) -> Result<(), FollowError> {
        let mut from = self.read;
        loop {
            let mut answers = tables::answers_since(database, from, Timestamp::now()).await?;
            let is_full = answers.len() == PAGE;
            let Some(last) = answers.last().map(|answer| answer.edition) else { return Ok(()) };
            if is_full {
                // The last publication may go on behind the page.
                answers.retain(|answer| answer.edition < last);
                from = last.saturating_sub(1);
            }
            if !self.shelf.knows_signers(&answers) {
                self.shelf.put_signers(tables::signers(database).await?);
            }
            self.shelf.put_answers(answers);
            if !is_full {
                return Ok(());
            }
        }
    }
}
