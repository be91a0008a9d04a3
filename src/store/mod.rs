//! The databases: one [`Database`] over an embedded SQLite file or a MySQL server, its schema, and the
//! feed of changes. Statements are run through a [`Session`], so that whoever writes them (`account`)
//! writes them once for both dialects. What the rows mean is `account`'s and `revocation`'s business.
//!
//! All work is done on the control runtime, whichever runtime the caller lives on: a connection belongs
//! to the runtime that opened it, and a caller that goes away does not tear a transaction. Every wait has
//! a deadline.

pub mod changes;
mod diagnosis;
pub mod migrations;
pub mod mysql;
pub mod rights;
pub mod rows;
pub mod sqlite;

pub use diagnosis::Diagnosis;

use crate::base::secret::SecretError;
use crate::config;
use changes::{Position, Since};
use futures_util::future::BoxFuture;
use migrations::Standing;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// What is bound to a `?` of a statement, and what a row holds.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// NULL.
    Null,
    /// Any integer.
    Integer(i64),
    /// Text. It is never equal to a blob.
    Text(String),
    /// Octets; what MySQL returns of text, too.
    Blob(Vec<u8>),
}

impl std::fmt::Debug for Value {
    /// The type alone: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "NULL",
            Self::Integer(_) => "[integer]",
            Self::Text(_) => "[text]",
            Self::Blob(_) => "[blob]",
        })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&[u8]> for Value {
    fn from(octets: &[u8]) -> Self {
        Self::Blob(octets.to_vec())
    }
}

impl From<i64> for Value {
    fn from(integer: i64) -> Self {
        Self::Integer(integer)
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

/// One row of an answer. Columns count from 0.
#[derive(Debug, Clone)]
pub struct Row(Vec<Value>);

impl From<Vec<Value>> for Row {
    fn from(values: Vec<Value>) -> Self {
        Self(values)
    }
}

impl Row {
    /// An integer that is not NULL.
    ///
    /// # Errors
    /// [`Fault::Unexpected`] when the column is missing or holds something else.
    pub fn integer(&self, column: usize) -> Result<i64, Fault> {
        match self.0.get(column) {
            Some(Value::Integer(integer)) => Ok(*integer),
            other => Err(unexpected(column, "an integer", other)),
        }
    }

    /// Text that is not NULL.
    ///
    /// # Errors
    /// [`Fault::Unexpected`] when the column is missing, holds something else or is not UTF-8.
    pub fn text(&self, column: usize) -> Result<String, Fault> {
        self.optional_text(column)?.ok_or_else(|| unexpected(column, "text", Some(&Value::Null)))
    }

    /// Text, or `None` for NULL.
    ///
    /// # Errors
    /// [`Fault::Unexpected`] when the column is missing, holds something else or is not UTF-8.
    pub fn optional_text(&self, column: usize) -> Result<Option<String>, Fault> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.clone())),
            Some(Value::Blob(octets)) => match std::str::from_utf8(octets) {
                Ok(text) => Ok(Some(text.to_owned())),
                Err(_) => Err(Fault::Unexpected(format!("column {column} of the answer is not UTF-8"))),
            },
            other => Err(unexpected(column, "text", other)),
        }
    }

    /// Whatever the column holds; `None` when there is no such column.
    #[must_use]
    pub fn value(&self, column: usize) -> Option<&Value> {
        self.0.get(column)
    }

    /// Octets that are not NULL.
    ///
    /// # Errors
    /// [`Fault::Unexpected`] when the column is missing or holds something else.
    pub fn blob(&self, column: usize) -> Result<&[u8], Fault> {
        match self.0.get(column) {
            Some(Value::Blob(octets)) => Ok(octets),
            other => Err(unexpected(column, "octets", other)),
        }
    }
}

fn unexpected(column: usize, wanted: &str, found: Option<&Value>) -> Fault {
    match found {
        Some(found) => {
            Fault::Unexpected(format!("column {column} of the answer holds {found:?} where {wanted} belongs"))
        }
        None => Fault::Unexpected(format!("the answer has no column {column}")),
    }
}

/// Why a statement, or the work around it, came to nothing. The texts are the drivers' own and hold no
/// bound value that is a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There was no answer, or none in time.
    #[error("{0}")]
    Unavailable(String),
    /// The connection broke; nothing more can be asked over it.
    #[error("{0}")]
    Lost(String),
    /// The database was told to commit, and did not say whether it had.
    #[error("{0}; it had been told to commit, so look whether it was done before you do it again")]
    InDoubt(String),
    /// Another transaction was in the way, and nothing of this one was done.
    #[error("another transaction was in the way: {0}")]
    Conflict(String),
    /// What was asked for cannot be written in the character set of the column that it is compared with.
    #[error("{0}")]
    Incomparable(String),
    /// A value that must be unique is there already.
    #[error("{0}")]
    Duplicate(String),
    /// The database is not as this program knows it.
    #[error("{0}")]
    Unexpected(String),
}

/// Why a piece of work was given up; whatever it had done is undone.
#[derive(Debug)]
pub enum Abort<E> {
    /// The database failed it.
    Fault(Fault),
    /// It refused for a reason of its own.
    Refused(E),
}

impl<E> From<Fault> for Abort<E> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A connection for the length of one piece of work. The statements are prepared once for each
/// connection, which is why they are constants; their parameters are `?`.
pub trait Session: Send {
    /// The rows that a statement yields.
    fn query<'s>(&'s mut self, sql: &'static str, parameters: Vec<Value>) -> BoxFuture<'s, Result<Vec<Row>, Fault>>;

    /// How many rows a statement found to change, whether or not the change made them different.
    fn execute<'s>(&'s mut self, sql: &'static str, parameters: Vec<Value>) -> BoxFuture<'s, Result<u64, Fault>>;

    /// What a query of the administrator's own yields. It comes from the configuration, never from a request.
    fn select<'s>(&'s mut self, sql: &'s str, parameters: Vec<Value>) -> BoxFuture<'s, Result<Answer, Fault>>;

    /// Has such a query prepared, and does not run it.
    fn describe<'s>(&'s mut self, sql: &'s str) -> BoxFuture<'s, Result<Described, Fault>>;
}

/// The rows that a statement yields, with the names of their columns.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The names, in the order of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// What a server says of a statement that it prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The names of the columns that it yields; none if it is no query.
    pub columns: Vec<String>,
    /// How many parameters it has.
    pub parameters: usize,
}

/// Work over a session, with what it works on. It may be called again when a transaction was in its way
/// or a connection broke under a reader. Between its statements it may wait for nothing else.
pub type Work<C, T, E> = for<'s> fn(&'s mut dyn Session, &'s C) -> BoxFuture<'s, Result<T, Abort<E>>>;

/// How long each wait on a database may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// To connect to one server, its handshakes included.
    pub connect: Duration,
    /// Until one of the pool's connections is free.
    pub wait: Duration,
    /// For one read; a write may take twice as long.
    pub work: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), wait: Duration::from_secs(2), work: Duration::from_secs(3) }
    }
}

/// A database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It does not answer, or refuses us.
    #[error("{0}")]
    Fault(#[from] Fault),
    /// The password is not to be had.
    #[error(transparent)]
    Password(#[from] SecretError),
    /// A file is not to be had.
    #[error("cannot open {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is a database of something else.
    #[error("{0} is an SQLite database, but not one of Wicketgate's")]
    Foreign(PathBuf),
    /// There are no tables of ours.
    #[error("the database has no schema: run `wicketgate db init`")]
    NoSchema,
    /// The schema must be migrated.
    #[error("the schema has version {found} and this program needs {known}: run `wicketgate db migrate`")]
    OldSchema {
        /// The version in the database.
        found: u32,
        /// The version that this program works with.
        known: u32,
    },
    /// The schema was made by a newer program.
    #[error("the schema has version {found} and this program knows only {known}: it needs a newer Wicketgate")]
    NewSchema {
        /// The version in the database.
        found: u32,
        /// The version that this program works with.
        known: u32,
    },
}

impl OpenError {
    fn from_standing(standing: Standing) -> Result<(), Self> {
        let known = migrations::newest();
        match standing {
            Standing::Current => Ok(()),
            Standing::Absent => Err(Self::NoSchema),
            Standing::Older(found) => Err(Self::OldSchema { found, known }),
            Standing::Newer(found) => Err(Self::NewSchema { found, known }),
        }
    }
}

/// What a migration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The version before, `None` if there was no schema.
    pub from: Option<u32>,
    /// The version now.
    pub to: u32,
}

/// A database that was reached once. Cloning it is cheap and shares the pool.
#[derive(Debug, Clone)]
pub struct Database {
    backend: Backend,
    control: Handle,
}

#[derive(Debug, Clone)]
enum Backend {
    Sqlite(Arc<sqlite::Pool>),
    MySql(Arc<mysql::Pool>),
}

impl Database {
    /// Opens a database for use: an SQLite file is made and migrated as needed, a MySQL server must
    /// have the schema that this program works with.
    ///
    /// # Errors
    /// When it does not answer within the deadlines, refuses us, or has another schema.
    pub async fn open(store: &config::Store, control: Handle, deadlines: Deadlines) -> Result<Self, OpenError> {
        let database = Self::connect(store, control, deadlines).await?;
        match (&database.backend, migrations::standing(database.schema_version().await?)) {
            (Backend::Sqlite(_), Standing::Absent | Standing::Older(_)) => {
                database.migrate().await?;
            }
            (_, standing) => OpenError::from_standing(standing)?,
        }
        Ok(database)
    }

    /// Reaches a database without asking what schema it has, for the commands that make one. An SQLite
    /// file is made if it is absent.
    ///
    /// # Errors
    /// When it does not answer within the deadlines or refuses us.
    pub async fn connect(store: &config::Store, control: Handle, deadlines: Deadlines) -> Result<Self, OpenError> {
        let store = store.clone();
        let connecting = control.spawn(async move {
            Ok::<_, OpenError>(match store {
                config::Store::Sqlite { path } => Backend::Sqlite(sqlite::Pool::open(path, deadlines).await?),
                config::Store::MySql(settings) => Backend::MySql(mysql::Pool::open(settings, deadlines).await?),
            })
        });
        let backend = connecting.await.unwrap_or_else(|_| Err(stopped().into()))?;
        Ok(Self { backend, control })
    }

    /// What the database is called in messages: the file, or the servers.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.backend {
            Backend::Sqlite(pool) => pool.name(),
            Backend::MySql(pool) => pool.name(),
        }
    }

    /// Reads. Nothing is locked, and each statement sees one state of the database.
    ///
    /// # Errors
    /// What the work returns, or the fault of the database.
    pub async fn read<C, T, E>(&self, context: C, work: Work<C, T, E>) -> Result<T, Abort<E>>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let done = match &self.backend {
            Backend::Sqlite(pool) => self.control.spawn(Arc::clone(pool).read(context, work)),
            Backend::MySql(pool) => self.control.spawn(Arc::clone(pool).read(context, work)),
        };
        done.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    /// Reads as [`read`](Self::read) does, but only where writes go: never from a replica, which may not have seen
    /// them yet.
    ///
    /// # Errors
    /// What the work returns, or the fault of the database; a server that takes no writes is one.
    pub async fn read_current<C, T, E>(&self, context: C, work: Work<C, T, E>) -> Result<T, Abort<E>>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let done = match &self.backend {
            Backend::Sqlite(pool) => self.control.spawn(Arc::clone(pool).read(context, work)),
            Backend::MySql(pool) => self.control.spawn(Arc::clone(pool).read_current(context, work)),
        };
        done.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    /// What has changed since a position of the feed, by the word of a server that takes writes, never of a replica;
    /// over a connection that nothing else uses. From then on no look-up is answered from before the position that this
    /// yields.
    ///
    /// # Errors
    /// The fault of the database; that no server takes writes is one.
    pub async fn changes(&self, since: Option<Position>) -> Result<Since, Fault> {
        let read = match &self.backend {
            Backend::Sqlite(pool) => self.control.spawn(Arc::clone(pool).changes(since)),
            Backend::MySql(pool) => self.control.spawn(Arc::clone(pool).changes(since)),
        };
        read.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Writes in one transaction, which is undone when the work returns an error, and begun again, a limited number
    /// of times, when another transaction was in its way or the server left before it was told to commit.
    ///
    /// # Errors
    /// What the work returns, or the fault of the database. After [`Fault::InDoubt`] it is not known whether the
    /// transaction was committed; after every other one it was not.
    pub async fn write<C, T, E>(&self, context: C, work: Work<C, T, E>) -> Result<T, Abort<E>>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let done = match &self.backend {
            Backend::Sqlite(pool) => self.control.spawn(Arc::clone(pool).write(context, work)),
            Backend::MySql(pool) => self.control.spawn(Arc::clone(pool).write(context, work)),
        };
        done.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    /// The version of the schema, `None` if there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn schema_version(&self) -> Result<Option<u32>, OpenError> {
        let asked = match &self.backend {
            Backend::Sqlite(pool) => self.control.spawn(Arc::clone(pool).schema_version()),
            Backend::MySql(pool) => self.control.spawn(Arc::clone(pool).schema_version()),
        };
        Ok(asked.await.unwrap_or_else(|_| Err(stopped()))?)
    }

    /// What the server calls itself and its version: `SQLite 3.50.2`, `MariaDB 10.11.19`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn server(&self) -> Result<String, OpenError> {
        match &self.backend {
            Backend::Sqlite(_) => Ok(sqlite::version()),
            Backend::MySql(pool) => {
                let asked = self.control.spawn(Arc::clone(pool).server()).await;
                Ok(asked.unwrap_or_else(|_| Err(stopped()))?)
            }
        }
    }

    /// Makes the schema, or brings it to the version that this program works with. Two that migrate at
    /// once wait for each other.
    ///
    /// # Errors
    /// When the database does not answer, refuses, or has a newer schema.
    pub async fn migrate(&self) -> Result<Migrated, OpenError> {
        let done = match &self.backend {
            Backend::Sqlite(pool) => self.control.spawn(Arc::clone(pool).migrate()),
            Backend::MySql(pool) => self.control.spawn(Arc::clone(pool).migrate()),
        };
        done.await.unwrap_or_else(|_| Err(stopped().into()))
    }
}

fn stopped() -> Fault {
    Fault::Unavailable("the control runtime has stopped".to_owned())
}

/// Makes the table that the version is kept in; the same in both dialects.
const CREATE_SCHEMA_VERSION: &str = "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY)";

const READ_SCHEMA_VERSION: &str = "SELECT MAX(version) FROM schema_version";

fn version_of(rows: &[Row]) -> Result<Option<u32>, Fault> {
    match rows.first().and_then(|row| row.0.first()) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Integer(version)) => u32::try_from(*version)
            .map(Some)
            .map_err(|_| Fault::Unexpected(format!("{version} is no version of a schema"))),
        other => Err(unexpected(0, "an integer", other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_never_shown() {
        let row = Row(vec![Value::from("secret"), Value::from(b"secret".as_slice()), Value::Integer(7), Value::Null]);
        assert_eq!(format!("{row:?}"), "Row([[text], [blob], [integer], NULL])");
        assert_eq!(
            row.integer(0),
            Err(Fault::Unexpected("column 0 of the answer holds [text] where an integer belongs".to_owned()))
        );
    }

    #[test]
    fn a_column_is_read_as_what_it_is_or_not_at_all() {
        let row = Row(vec![
            Value::from("text"),
            Value::from(b"octets".as_slice()),
            Value::Integer(7),
            Value::Null,
            Value::Blob(vec![0xff]),
        ]);
        assert_eq!(row.text(0).as_deref(), Ok("text"));
        assert_eq!(row.text(1).as_deref(), Ok("octets"));
        assert_eq!(row.blob(1), Ok(b"octets".as_slice()));
        assert_eq!(row.integer(2), Ok(7));
        assert_eq!(row.optional_text(3), Ok(None));
        for faulty in [row.text(2), row.text(3), row.text(4), row.text(5)] {
            assert!(matches!(faulty, Err(Fault::Unexpected(_))), "{faulty:?}");
        }
        assert!(row.blob(0).is_err());
        assert!(row.integer(3).is_err());
    }
}
