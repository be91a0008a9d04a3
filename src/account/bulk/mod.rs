//! Many accounts at once: from files into the database of our own schema, and from there into files. What `export`
//! writes is what `import` reads; `record` says what a line holds, `csv` and `jsonl` how it is written.
//!
//! An import reads its file twice. `survey` checks every line against the file and the database and writes nothing;
//! `write` puts the accounts where nobody sees them and has all of them seen at once; `apply` makes the changes of accounts that exist, and
//! clears away what was cut off.

mod apply;
mod csv;
mod jsonl;
mod known;
mod read;
mod record;
mod staged;
mod statements;
mod survey;
mod write;

pub use read::ReadError;
pub use record::{Credential, Field, Person, Record, Refusal};

use super::password::PasswordHash;
use super::sql::accounts_by_id;
use super::{OPENING, Unavailable};
use crate::account::Status;
use crate::base::secret::Secret;
use crate::config::{self, DigestAlgorithm};
use crate::store::{Abort, Database, Deadlines, Fault, Value};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::File;
use std::io::BufRead;
use std::time::Duration;
use survey::Fate;
use tokio::runtime::Handle;

/// The state of an import whose accounts nobody sees yet.
const PENDING: &str = "pending";
/// The state of one whose accounts are there, and whose changes are being made.
const APPLYING: &str = "applying";

/// A transaction of some hundred accounts may take longer than what a gate asks.
const DEADLINES: Deadlines =
    Deadlines { connect: Duration::from_secs(5), wait: Duration::from_secs(10), work: Duration::from_secs(30) };

/// How many accounts one page of an export holds.
const PAGE: i64 = 1000;

/// How a file of accounts is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a line of column names (RFC 4180).
    Csv,
    /// A JSON object on each line.
    JsonLines,
}

/// What is done with a line whose account exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExisting {
    /// It cannot be taken.
    Fail,
    /// It is passed over.
    Skip,
    /// The account becomes what the line says; what it is silent about stays.
    Update,
}

/// How a file is imported.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How it is written.
    pub format: Format,
    /// What is done with accounts that exist.
    pub on_existing: OnExisting,
    /// Whether lines that cannot be taken are left out; otherwise nothing is imported if there is one.
    pub keep_going: bool,
    /// Whether nothing is written at all.
    pub dry_run: bool,
}

/// What an import is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It waits to see whether another import is alive; in seconds.
    Waiting,
    /// It removes what was cut off.
    CleaningUp,
    /// It reads the file and asks about it; in octets of the file.
    Checking,
    /// It writes new accounts; in octets of the file.
    Writing,
    /// It changes accounts; in accounts.
    Updating,
}

/// Whoever watches an import.
pub trait Watch: Sync {
    /// So much of the phase is done, of so much in all.
    fn progress(&self, phase: Phase, done: u64, all: u64);

    /// A change that an import before this one had noted and not made, and that is given up.
    fn given_up(&self, rejection: &Rejection);

    /// Whether the import is to end, and leave nothing behind. One that changes accounts already goes on.
    fn is_stopped(&self) -> bool;
}

/// A line that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The number of the line, from 1.
    pub line: u64,
    /// Whom it is about, if that could be read.
    pub username: Option<String>,
    /// Why.
    pub refusal: Refusal,
}

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Records in the file.
    pub read: u64,
    /// Accounts that were added, or would be in a dry run.
    pub added: u64,
    /// Accounts that were changed, or would be.
    pub updated: u64,
    /// Lines whose accounts are as they say.
    pub unchanged: u64,
    /// Lines that were passed over because their accounts exist.
    pub skipped: u64,
    /// Lines that were not taken, in their order.
    pub rejected: Vec<Rejection>,
    /// Whether anything was to be written: not in a dry run, nor where a line was rejected that must not be.
    pub imported: bool,
}

/// Nothing was imported, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The database fails.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Lines have become impossible after the file was checked.
    #[error("{} lines became impossible while the file was imported, by what others have written", .0.len())]
    Rejected(Vec<Rejection>),
    /// Another import has taken this one for dead.
    #[error("another import has taken this one for dead, as it gave no sign of life for 30 s")]
    TakenOver,
    /// The database has lost a part of what was written.
    #[error(
        "the database has lost a part of what was written, as when a server takes over from one that it lagged behind"
    )]
    Lost,
    /// Whoever watches wanted it to end.
    #[error("it was interrupted")]
    Stopped,
    /// The last step was begun and never answered.
    #[error("it is not known whether it was done: {0}")]
    Uncertain(Box<ImportError>),
    /// The new accounts are there, and not all of the changes.
    #[error("the new accounts are there, but not all changes were made: {0}")]
    Half(Box<ImportError>),
}

impl ImportError {
    fn fault(database: &Database, what: &'static str, fault: &Fault) -> Self {
        Unavailable { what, store: database.name().to_owned(), why: fault.to_string() }.into()
    }
}

/// A database of our own schema, for many accounts at once.
#[derive(Debug, Clone)]
pub struct Bulk {
    database: Database,
}

impl Bulk {
    /// Opens the store that the configuration names, as [`open`](super::open) does.
    ///
    /// # Errors
    /// When the store does not answer, refuses us, has no schema or another one, or is not ours.
    pub async fn open(store: &config::Store, control: Handle) -> Result<Self, Unavailable> {
        let unavailable = |why: String| Unavailable { what: OPENING, store: store.to_string(), why };
        if store.foreign().is_some() {
            return Err(unavailable(
                "its accounts stand in tables of your own, which Wicketgate only reads".to_owned(),
            ));
        }
        let opened = Database::open(store, control, DEADLINES).await;
        Ok(Self { database: opened.map_err(|error| unavailable(error.to_string()))? })
    }

    /// Imports a file, which must be one that can be read twice.
    ///
    /// # Errors
    /// When the file cannot be read, the database fails, or the import is stopped.
    pub async fn import(&self, file: &File, options: &Options, watch: &dyn Watch) -> Result<Report, ImportError> {
        if !options.dry_run {
            apply::recover(&self.database, watch).await?;
        }
        let mut survey = survey::survey(&self.database, file, options, watch).await?;
        let rejected = std::mem::take(&mut survey.rejections);
        let mut report = Report {
            read: survey.read,
            added: survey.added(),
            updated: survey.count(Fate::Update),
            unchanged: survey.count(Fate::Unchanged),
            skipped: survey.count(Fate::Skipped),
            imported: !options.dry_run && (options.keep_going || rejected.is_empty()),
            rejected,
        };
        if !report.imported || report.added + report.updated == 0 {
            return Ok(report);
        }
        let mut began = None;
        match self.write(file, options, &survey, watch, &mut began).await {
            Ok((written, given_up)) => {
                report.added = written.added;
                report.updated = written.updates.saturating_sub(u64::try_from(given_up.len()).unwrap_or(u64::MAX));
                report.rejected.extend(written.rejections.into_iter().chain(given_up));
                report.rejected.sort_by_key(|rejection| rejection.line);
                Ok(report)
            }
            Err(error) => {
                if let (Some(import), false) =
                    (began, matches!(error, ImportError::Half(_) | ImportError::Uncertain(_)))
                {
                    // What cannot be removed now nobody sees, and the next import removes it.
                    let _ = apply::discard(&self.database, &import).await;
                }
                match error {
                    ImportError::Rejected(rejected) => Ok(Report { rejected, imported: false, ..report }),
                    error => Err(error),
                }
            }
        }
    }

    async fn write(
        &self,
        file: &File,
        options: &Options,
        survey: &survey::Survey,
        watch: &dyn Watch,
        began: &mut Option<write::Import>,
    ) -> Result<(write::Written, Vec<Rejection>), ImportError> {
        let database = &self.database;
        let written = write::write(database, file, options, survey, watch, began).await?;
        let changes = written.updates;
        match write::show(database, &written).await {
            Ok(()) => {}
            Err(error @ (ImportError::TakenOver | ImportError::Lost)) => return Err(error),
            // An answer that was lost may have been the one that says that it was done.
            Err(error) => match apply::standing(database, &written.import).await {
                Ok(apply::Standing::Pending) => return Err(error),
                Ok(apply::Standing::Shown) => {}
                Ok(apply::Standing::Unknown) | Err(_) => return Err(ImportError::Uncertain(Box::new(error))),
            },
        }
        let mut given_up = Vec::new();
        if changes > 0 {
            let applied = apply::apply(database, &written.import, changes, changes <= apply::TOLD, watch).await;
            given_up = applied.map_err(|error| ImportError::Half(Box::new(error)))?;
        }
        Ok((written, given_up))
    }

    /// The accounts behind a user name, in the order of their user names; none at the end. What they prove themselves with
    /// is read only if `credentials` are wanted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn page(&self, after: Option<&str>, credentials: bool) -> Result<Vec<Person>, Unavailable> {
        let asked = (after.unwrap_or_default().to_owned(), credentials);
        let read = self.database.read(asked, |session, (after, credentials)| {
            Box::pin(async move {
                let page = vec![Value::from(after.as_str()), Value::Integer(PAGE)];
                let accounts = accounts_by_id(&session.query(super::sql::statements::LIST, page).await?)?;
                let persons = accounts.into_iter().map(|(id, account)| (id, Person::without_credentials(account)));
                let mut persons: BTreeMap<i64, Person> = persons.collect();
                if *credentials {
                    known::add_credentials(session, &mut persons).await?;
                }
                Ok::<_, Abort<Infallible>>(persons.into_values().collect::<Vec<_>>())
            })
        });
        let mut page = answered(&self.database, "reading accounts", read.await)?;
        page.sort_by(|one, other| one.account.username.cmp(&other.account.username));
        Ok(page)
    }
}

fn answered<T>(database: &Database, what: &'static str, done: Result<T, Abort<Infallible>>) -> Result<T, Unavailable> {
    done.map_err(|abort| match abort {
        Abort::Fault(fault) => Unavailable { what, store: database.name().to_owned(), why: fault.to_string() },
        Abort::Refused(never) => match never {},
    })
}

/// The line in which a record begins, and the account that it makes where there is none, or why it is refused.
pub type Numbered = (u64, Result<Person, Refusal>);

/// The records of a file as an import reads them, one after another and without a database.
///
/// # Errors
/// When the first line of a CSV file does not name columns of accounts.
pub fn records<R: BufRead>(
    input: R,
    format: Format,
) -> Result<impl Iterator<Item = Result<Numbered, ReadError>>, ReadError> {
    let mut reader = read::Reader::new(input, format)?;
    let line = |line: read::Line| (line.number, line.said.map(|(_, made)| made));
    // After an error it is not known where the next record begins.
    let mut ended = false;
    Ok(std::iter::from_fn(move || {
        let next = if ended { None } else { reader.next().map(|next| next.map(line)).transpose() };
        ended = !matches!(next, Some(Ok(_)));
        next
    }))
}

/// The first line of a file of this format, if it has one that holds no account.
#[must_use]
pub fn header(format: Format, credentials: bool) -> String {
    match format {
        Format::Csv => csv::header(credentials),
        Format::JsonLines => String::new(),
    }
}

/// Writes the line of an account behind what was written before.
pub fn write_line(format: Format, person: Person, credentials: bool, out: &mut String) {
    let record = person.record(credentials);
    match format {
        Format::Csv => csv::write(&record, credentials, out),
        Format::JsonLines => jsonl::write(&record, out),
    }
}

fn status(text: &str) -> Result<Status, Refusal> {
    text.parse().map_err(|_| Refusal::of(Field::Status, "it is none of active, locked and closed"))
}

fn algorithm(text: &str) -> Result<DigestAlgorithm, Refusal> {
    DigestAlgorithm::ALL.into_iter().find(|known| known.as_str() == text).ok_or_else(|| {
        let known: Vec<&str> = DigestAlgorithm::ALL.into_iter().map(DigestAlgorithm::as_str).collect();
        Refusal::of(Field::Digest, format!("an algorithm is none of {}", known.join(", ")))
    })
}

/// The hash of a password that the gate can use, as it was written. What else stands there may be a password, which
/// the refusal does not show.
fn password_hash(text: String) -> Result<Secret, Refusal> {
    let written = Secret::new(text.into_bytes());
    match PasswordHash::parse(written.expose_str().unwrap_or_default()) {
        Ok(_) => Ok(written),
        Err(error) => Err(Refusal::of(Field::PasswordHash, error.to_string())),
    }
}

#[cfg(test)]
mod tests;
