//! How an act comes into the history before it is done: the file first, off the runtime's threads, then its head into
//! the database. Whoever does the act waits for both.

use super::heads::{Heads, HeadsError};
use super::{Act, Entry, History, HistoryError, Recorded};
use crate::base::clock::Moment;
use std::sync::Arc;

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

    /// Records acts that are about to be done, all of them or none. What was recorded and then fails must be recorded
    /// again by [`Recorder::fail`].
    ///
    /// # Errors
    /// When the file or the database does not take it; then nothing may be done.
    pub async fn record(&self, at: Moment, entries: Vec<Entry>) -> Result<Recorded, RecordError> {
        let history = Arc::clone(&self.history);
        let writing = tokio::task::spawn_blocking(move || history.record(at, &entries));
        let recorded = writing.await.map_err(|_| RecordError::Thread)??;
        self.heads.keep(&recorded.history, recorded.head, at.timestamp()).await?;
        Ok(recorded)
    }

    /// Records that an act was not done after all: `number` is its record, `why` what was in the way.
    ///
    /// # Errors
    /// As [`Recorder::record`]. The act stands recorded as done then, which an auditor sees by the register.
    pub async fn fail(&self, at: Moment, by: &str, number: u64, why: &str) -> Result<Recorded, RecordError> {
        let reason = Some(why.chars().take(1000).collect());
        let entry = Entry { number: Some(number), reason, ..Entry::new(Act::Fail, by) };
        self.record(at, vec![entry]).await
    }
}
