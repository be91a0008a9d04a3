//! SQLite: a file of our own, made with the mode 0600, in WAL mode, with several readers beside one
//! writer, all of them on threads that may block. A file that is removed or replaced under the running
//! program is unavailable until it is back: it is not made again behind the administrator's back, and
//! what takes its place is not mixed with the log of what stood there before.

use super::changes::{self, Position, Since};
use super::migrations::{self, Standing};
use super::{
    Abort, Answer, CREATE_SCHEMA_VERSION, Deadlines, Described, Fault, Migrated, OpenError, READ_SCHEMA_VERSION, Row,
    Session, Value, Work, stopped, version_of,
};
use futures_util::future::{BoxFuture, FutureExt, ready};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi, params_from_iter};
use std::fs::OpenOptions;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How many reads may run at once. A read is a few look-ups in memory, and a core does one at a time.
const READERS: usize = 4;

/// Statements kept prepared for each connection; there are fewer in the whole program.
const STATEMENTS: usize = 64;

/// Marks the file as ours: "WGTE", in SQLite's header.
const APPLICATION_ID: i64 = 0x5747_5445;

/// The connections to one file.
#[derive(Debug)]
pub struct Pool {
    path: PathBuf,
    name: String,
    /// The file that was opened.
    file: FileIdentity,
    deadlines: Deadlines,
    readers: Side,
    /// For the feed of changes, which no number of readers may delay.
    feed: Side,
    writer: Side,
}

/// The connections of one kind that nobody uses just now, and the right to use one.
#[derive(Debug)]
struct Side {
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Side {
    fn new(size: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(size)), idle: Mutex::new(Vec::new()) }
    }

    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}

/// Which file stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    fn of(path: &Path) -> Result<Self, Fault> {
        let metadata = std::fs::metadata(path).map_err(|error| Fault::Unavailable(error.to_string()))?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Follow,
    Write,
}

impl Pool {
    /// Opens a file, and makes it if there is none. Its schema is left as it is.
    ///
    /// # Errors
    /// When the file cannot be opened or is not one of ours.
    pub async fn open(path: PathBuf, deadlines: Deadlines) -> Result<Arc<Self>, OpenError> {
        let opened = tokio::task::spawn_blocking(move || {
            create(&path)?;
            let pool = Self {
                name: path.display().to_string(),
                file: FileIdentity::of(&path)?,
                path,
                deadlines,
                readers: Side::new(READERS),
                feed: Side::new(1),
                writer: Side::new(1),
            };
            let writer = pool.connect(Access::Write)?;
            if is_foreign(&writer)? {
                return Err(OpenError::Foreign(pool.path));
            }
            // Only here and not for each connection: it takes a lock on the file, which remembers it.
            let mode: String = writer.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(fault)?;
            if !mode.eq_ignore_ascii_case("wal") {
                return Err(Fault::Unavailable("the file system cannot hold a write-ahead log".to_owned()).into());
            }
            pool.writer.put(writer);
            Ok(Arc::new(pool))
        });
        opened.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    /// The path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// See [`Database::read`](super::Database::read).
    ///
    /// # Errors
    /// What the work returns, or the fault of the database.
    pub async fn read<C, T, E>(self: Arc<Self>, context: C, work: Work<C, T, E>) -> Result<T, Abort<E>>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        self.on_a_thread(Access::Read, move |session| run(work(session, &context))).await
    }

    /// See [`Database::changes`](super::Database::changes).
    ///
    /// # Errors
    /// The fault of the database.
    pub async fn changes(self: Arc<Self>, since: Option<Position>) -> Result<Since, Fault> {
        let read = self.on_a_thread(Access::Follow, move |session| {
            run(async { Ok(changes::since(session, since.as_ref()).await?) }.boxed())
        });
        without_refusal(read.await)
    }

    /// See [`Database::write`](super::Database::write).
    ///
    /// # Errors
    /// What the work returns, or the fault of the database.
    pub async fn write<C, T, E>(self: Arc<Self>, context: C, work: Work<C, T, E>) -> Result<T, Abort<E>>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        self.on_a_thread(Access::Write, move |session| {
            // IMMEDIATE takes the lock at once: a transaction that began as a reader could not become
            // a writer when another has written since.
            session.batch("BEGIN IMMEDIATE")?;
            let done = run(work(session, &context)).and_then(|value| {
                session.batch("COMMIT")?;
                Ok(value)
            });
            if done.is_err() && !session.connection.is_autocommit() {
                session.batch("ROLLBACK")?;
            }
            done
        })
        .await
    }

    /// The version of the schema, `None` if there is none.
    ///
    /// # Errors
    /// When the file does not answer.
    pub async fn schema_version(self: Arc<Self>) -> Result<Option<u32>, Fault> {
        without_refusal(self.on_a_thread(Access::Read, |session| Ok(schema_version(session.connection)?)).await)
    }

    /// Makes the schema or brings it to the version that this program works with, all of it or nothing.
    ///
    /// # Errors
    /// When the file does not answer or has a newer schema.
    pub async fn migrate(self: Arc<Self>) -> Result<Migrated, OpenError> {
        let migrated = self.on_a_thread(Access::Write, |session| {
            session.batch("BEGIN IMMEDIATE")?;
            let done = migrate(session);
            session.batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
            done.map_err(|abort| match abort {
                OpenError::Fault(fault) => Abort::Fault(fault),
                other => Abort::Refused(other),
            })
        });
        migrated.await.map_err(|abort| match abort {
            Abort::Fault(fault) => OpenError::Fault(fault),
            Abort::Refused(error) => error,
        })
    }

    /// Does work with a connection of its own on a thread that may block. The thread keeps the
    /// connection to the end, though the deadline be over.
    async fn on_a_thread<T, E>(
        self: Arc<Self>,
        access: Access,
        work: impl FnOnce(&mut SqliteSession<'_>) -> Result<T, Abort<E>> + Send + 'static,
    ) -> Result<T, Abort<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let Deadlines { wait, work: limit, .. } = self.deadlines;
        let side = self.side(access);
        let permit = match timeout(wait, Arc::clone(&side.permits).acquire_owned()).await {
            Ok(permit) => permit.map_err(|_| stopped())?,
            Err(_) => return Err(Fault::Unavailable(format!("its connections were all busy for {wait:?}")).into()),
        };
        let limit = if access == Access::Write { limit * 2 } else { limit };
        let working = tokio::task::spawn_blocking(move || self.with_connection(access, permit, work));
        match timeout(limit, working).await {
            Ok(done) => done.unwrap_or_else(|_| Err(stopped().into())),
            Err(_) => {
                let why = format!("it gave no answer within {limit:?}");
                Err(if access == Access::Write { Fault::InDoubt(why) } else { Fault::Unavailable(why) }.into())
            }
        }
    }

    fn with_connection<T, E>(
        &self,
        access: Access,
        permit: OwnedSemaphorePermit,
        work: impl FnOnce(&mut SqliteSession<'_>) -> Result<T, Abort<E>>,
    ) -> Result<T, Abort<E>> {
        let side = self.side(access);
        // A connection outlives the name of its file. Whoever read on from a file that was removed or
        // replaced would not see what is locked or revoked in the one that stands there now.
        if FileIdentity::of(&self.path)? != self.file {
            let replaced = "the file was replaced while it was in use: stop Wicketgate before you replace it";
            return Err(Fault::Unavailable(replaced.to_owned()).into());
        }
        let mut connection = match side.take() {
            Some(connection) => connection,
            None => self.connect(access)?,
        };
        let done = work(&mut SqliteSession { connection: &mut connection });
        if connection.is_autocommit() {
            side.put(connection);
        }
        drop(permit);
        done
    }

    fn side(&self, access: Access) -> &Side {
        match access {
            Access::Read => &self.readers,
            Access::Follow => &self.feed,
            Access::Write => &self.writer,
        }
    }

    fn connect(&self, access: Access) -> Result<Connection, Fault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(fault)?;
        configure(&connection, access, self.deadlines.wait).map_err(fault)?;
        Ok(connection)
    }
}

fn configure(connection: &Connection, access: Access, patience: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(patience)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // A revocation that was confirmed outlives a power failure, and a removed HA1 leaves no octets behind.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "query_only", access != Access::Write)
}

/// Makes the file if it is absent; nobody else may read it, nor the log that SQLite puts beside it.
fn create(path: &Path) -> Result<(), OpenError> {
    let made = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(drop).map_err(|source| OpenError::File { path: path.to_owned(), source })
}

/// Whether there are tables in the file that we did not make.
fn is_foreign(connection: &Connection) -> Result<bool, Fault> {
    let count = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(fault);
    Ok(count("PRAGMA application_id")? != APPLICATION_ID && count("SELECT count(*) FROM sqlite_schema")? > 0)
}

fn schema_version(connection: &Connection) -> Result<Option<u32>, Fault> {
    let exists = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'";
    if connection.query_row(exists, [], |row| row.get::<_, i64>(0)).map_err(fault)? == 0 {
        return Ok(None);
    }
    version_of(&rows(connection, READ_SCHEMA_VERSION, Vec::new())?)
}

fn migrate(session: &mut SqliteSession<'_>) -> Result<Migrated, OpenError> {
    let from = schema_version(session.connection)?;
    let standing = migrations::standing(from);
    if let Standing::Newer(_) = standing {
        OpenError::from_standing(standing)?;
    }
    if from.is_none() {
        session.connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(fault)?;
        session.batch(CREATE_SCHEMA_VERSION)?;
    }
    for migration in migrations::after(from) {
        session.batch(migration.sqlite)?;
        let version = vec![Value::Integer(migration.version.into())];
        change(session.connection, "INSERT INTO schema_version (version) VALUES (?)", version)?;
    }
    Ok(Migrated { from, to: migrations::newest() })
}

/// The library's version.
#[must_use]
pub fn version() -> String {
    format!("SQLite {}", rusqlite::version())
}

struct SqliteSession<'c> {
    connection: &'c mut Connection,
}

impl SqliteSession<'_> {
    fn batch(&self, sql: &str) -> Result<(), Fault> {
        self.connection.execute_batch(sql).map_err(fault)
    }
}

impl Session for SqliteSession<'_> {
    fn query<'s>(&'s mut self, sql: &'static str, parameters: Vec<Value>) -> BoxFuture<'s, Result<Vec<Row>, Fault>> {
        ready(rows(self.connection, sql, parameters)).boxed()
    }

    fn execute<'s>(&'s mut self, sql: &'static str, parameters: Vec<Value>) -> BoxFuture<'s, Result<u64, Fault>> {
        ready(change(self.connection, sql, parameters)).boxed()
    }

    fn select<'s>(&'s mut self, sql: &'s str, parameters: Vec<Value>) -> BoxFuture<'s, Result<Answer, Fault>> {
        let answer = describe(self.connection, sql).and_then(|Described { columns, .. }| {
            Ok(Answer { columns, rows: rows(self.connection, sql, parameters)? })
        });
        ready(answer).boxed()
    }

    fn describe<'s>(&'s mut self, sql: &'s str) -> BoxFuture<'s, Result<Described, Fault>> {
        ready(describe(self.connection, sql)).boxed()
    }
}

/// Runs work whose every step is ready, as they are over this session.
fn run<T, E>(work: BoxFuture<'_, Result<T, Abort<E>>>) -> Result<T, Abort<E>> {
    let waits = || Err(Fault::Unexpected("the work waits for something other than its session".to_owned()).into());
    work.now_or_never().unwrap_or_else(waits)
}

fn without_refusal<T>(done: Result<T, Abort<std::convert::Infallible>>) -> Result<T, Fault> {
    done.map_err(|abort| match abort {
        Abort::Fault(fault) => fault,
        Abort::Refused(never) => match never {},
    })
}

fn rows(connection: &Connection, sql: &str, parameters: Vec<Value>) -> Result<Vec<Row>, Fault> {
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    let columns = statement.column_count();
    let mut found = statement.query(params_from_iter(parameters.into_iter().map(bound))).map_err(fault)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(fault)? {
        let values = (0..columns).map(|column| row.get_ref(column).map_err(fault).and_then(value));
        rows.push(Row(values.collect::<Result<_, _>>()?));
    }
    Ok(rows)
}

fn describe(connection: &Connection, sql: &str) -> Result<Described, Fault> {
    let statement = connection.prepare_cached(sql).map_err(fault)?;
    let columns = statement.column_names().map(str::to_owned).collect();
    Ok(Described { columns, parameters: statement.parameter_count() })
}

fn change(connection: &Connection, sql: &str, parameters: Vec<Value>) -> Result<u64, Fault> {
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    let changed = statement.execute(params_from_iter(parameters.into_iter().map(bound))).map_err(fault)?;
    Ok(u64::try_from(changed).unwrap_or(u64::MAX))
}

fn bound(value: Value) -> rusqlite::types::Value {
    match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Integer(integer) => rusqlite::types::Value::Integer(integer),
        Value::Text(text) => rusqlite::types::Value::Text(text),
        Value::Blob(octets) => rusqlite::types::Value::Blob(octets),
    }
}

fn value(value: ValueRef<'_>) -> Result<Value, Fault> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(integer) => Ok(Value::Integer(integer)),
        ValueRef::Blob(octets) => Ok(Value::from(octets)),
        ValueRef::Text(octets) => std::str::from_utf8(octets)
            .map(Value::from)
            .map_err(|_| Fault::Unexpected("a text in the answer is not UTF-8".to_owned())),
        ValueRef::Real(_) => Err(Fault::Unexpected("the answer holds a floating-point number".to_owned())),
    }
}

fn fault(error: rusqlite::Error) -> Fault {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    match (error.sqlite_error_code(), extended) {
        (_, Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY)) => {
            Fault::Duplicate(error.to_string())
        }
        (Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked), _) => {
            Fault::Unavailable(format!("another process holds the file: {error}"))
        }
        (Some(ErrorCode::NotADatabase), _) => Fault::Unavailable("the file is not an SQLite database".to_owned()),
        (Some(_), _) => Fault::Unavailable(error.to_string()),
        (None, _) => Fault::Unexpected(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
