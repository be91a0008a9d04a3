//! How an act comes into the history before it is done: the file first, off the runtime's threads, then its head into
//! the database. Whoever does the act waits for both.

use super::heads::{Heads, HeadsError};
use super::{Act, Entry, History, HistoryError, Recorded};
use crate::base::clock::Moment;
use crate::ca::office::recorder::{self as office, Deed, NotRecorded};
use crate::store::Database;
use futures_util::future::BoxFuture;
use std::path::Path;
use std::sync::Arc;

/// The most characters of a reason that somebody else gives.
const LONGEST_REASON: usize = 1000;

/// An act cannot be recorded, and must not be done.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The database.
    #[error(transparent)]
    Heads(#[from] HeadsError),
    /// The thread that writes broke off.
    #[error("the thread that writes the history broke off")]
    Thread,
}

/// Records acts. Cloning it is cheap and shares the file.
#[derive(Debug, Clone)]
pub struct Recorder {
    history: Arc<History>,
    heads: Heads,
}

impl Recorder {
    /// Into this history, with its heads in this database.
    #[must_use]
    pub fn new(history: History, heads: Heads) -> Self {
        Self { history: Arc::new(history), heads }
    }

    /// Into the history of the authority in this folder, with its heads in this database.
    #[must_use]
    pub fn of(directory: &Path, database: Database) -> Self {
        Self::new(History::at(&History::of(directory)), Heads::new(database))
    }

    /// Records acts that are about to be done, all of them or none.
    ///
    /// # Errors
    /// When the file or the database does not take it; then nothing may be done.
    pub async fn write(&self, at: Moment, entries: Vec<Entry>) -> Result<Recorded, RecordError> {
        let history = Arc::clone(&self.history);
        let writing = tokio::task::spawn_blocking(move || history.record(at, &entries));
        let recorded = writing.await.map_err(|_| RecordError::Thread)??;
        self.heads.keep(&recorded.history, recorded.head, at.timestamp()).await?;
        Ok(recorded)
    }
}

impl office::Recorder for Recorder {
    fn record<'a>(&'a self, acts: &'a [office::Act]) -> BoxFuture<'a, Result<(), NotRecorded>> {
        Box::pin(async move {
            let Some(first) = acts.first() else { return Ok(()) };
            let written = self.write(first.at.into(), acts.iter().map(entry).collect()).await;
            written.map(drop).map_err(|error| NotRecorded(error.to_string()))
        })
    }

    fn retract<'a>(&'a self, act: &'a office::Act, why: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let reason = Some(why.chars().take(LONGEST_REASON).collect());
            let detail = Some(deed(act.deed).as_str().to_owned());
            let entry = Entry { act: Act::Fail, reason, detail, ..entry(act) };
            if let Err(error) = self.write(act.at.into(), vec![entry]).await {
                let certificate = act.key.name();
                tracing::error!(%error, certificate, "an act that was not done stands in the history as done");
            }
        })
    }
}

fn deed(deed: Deed) -> Act {
    match deed {
        Deed::Issue => Act::Issue,
        Deed::Renew => Act::Renew,
        Deed::Revoke => Act::Revoke,
        Deed::Release => Act::Release,
    }
}

fn entry(act: &office::Act) -> Entry {
    let certificate = act.certificate.as_ref();
    Entry {
        account: certificate.and_then(|certificate| certificate.username.clone()),
        issuer: Some(act.key.issuer.to_vec()),
        serial: Some(act.key.serial.clone()),
        fingerprint: certificate.map(|certificate| certificate.fingerprint.to_vec()),
        profile: certificate.map(|certificate| certificate.profile.clone()),
        subject: certificate.map(|certificate| certificate.subject.clone()),
        not_after: certificate.map(|certificate| certificate.not_after),
        reason: act.reason.clone(),
        ..Entry::new(deed(act.deed), &act.by)
    }
}
