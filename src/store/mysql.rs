//! MySQL and MariaDB: a pool of connections on the control runtime, to the first server of several that
//! answers. `connect` makes a connection; this module keeps them, gives each wait a deadline, and sorts
//! what the server says into [`Fault`]s.
//!
//! The pool is our own and not the driver's, which knows one server, waits without a deadline for a
//! connection and for the end of an abandoned answer, and keeps what a restarted server has closed until
//! somebody stumbles over it. A connection on which a deadline passed is closed, never handed on.

mod connect;
mod examine;
mod migrate;
mod refusal;

pub use examine::{Examination, Examined, examine};
pub use migrate::{create_database, script};

use super::{
    Abort, Answer, Deadlines, Described, Fault, OpenError, READ_SCHEMA_VERSION, Row, Session, Value, Work, stopped,
    version_of,
};
use crate::config;
use connect::{AVOIDED, Connected, Connector, Purpose, is_read_only};
use futures_util::future::{BoxFuture, FutureExt};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The most connections that one process holds.
const CONNECTIONS: usize = 8;

/// For how many times the wait somebody stands in the queue for a connection while it moves.
const LONGEST_QUEUE: u32 = 5;

/// A connection that nobody used for this long is closed: firewalls and servers forget idle ones.
const IDLE: Duration = Duration::from_secs(60);

/// How often a transaction is begun again when another was in its way.
const ATTEMPTS: u32 = 5;

/// What MySQL answers when a table is not there.
const NO_SUCH_TABLE: u16 = 1146;

/// The connections to one database.
#[derive(Debug)]
pub struct Pool {
    connector: Connector,
    deadlines: Deadlines,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    /// When a connection was last given back in order.
    put_back: Mutex<Instant>,
}

#[derive(Debug)]
struct Idle {
    connected: Connected,
    /// When the connection was made.
    made: Instant,
    since: Instant,
}

impl Idle {
    /// Whether it may be used again: not when it was idle for long, and not when it leads to another server than
    /// the preferred one, which may have come back meanwhile.
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < IDLE && !(self.connected.second_best && self.made.elapsed() > AVOIDED)
    }
}

/// A connection in use, and the right to use it.
struct Leased {
    connected: Connected,
    made: Instant,
    /// Whether it was used before, and so may have been closed by the other side meanwhile.
    reused: bool,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    /// Reaches the first server that answers.
    ///
    /// # Errors
    /// When none does, or the password is not to be had.
    pub async fn open(settings: config::MySql, deadlines: Deadlines) -> Result<Arc<Self>, OpenError> {
        let pool = Arc::new(Self {
            connector: Connector::new(settings)?,
            deadlines,
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
            idle: Mutex::new(Vec::new()),
            put_back: Mutex::new(Instant::now()),
        });
        let first = pool.lease(Purpose::Reading).await?;
        pool.put_back(first);
        Ok(pool)
    }

    /// The servers.
    #[must_use]
    pub fn name(&self) -> &str {
        self.connector.name()
    }

    /// See [`Database::read_current`](super::Database::read_current).
    ///
    /// # Errors
    /// What the work returns, or the fault of the database.
    pub async fn read_current<C, T, E>(self: Arc<Self>, context: C, work: Work<C, T, E>) -> Result<T, Abort<E>>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let mut leased = self.lease_for(Purpose::Writing).await?;
        let done = self.within(self.deadlines.work, &mut leased, &context, work).await;
        match &done {
            Err(Abort::Fault(fault)) if !leaves_in_order(fault) => self.discard(leased),
            _ => self.put_back(leased),
        }
        done
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
        loop {
            let mut leased = self.lease(Purpose::Reading).await?;
            let reused = leased.reused;
            let done = self.within(self.deadlines.work, &mut leased, &context, work).await;
            match &done {
                Err(Abort::Fault(fault)) if !leaves_in_order(fault) => {
                    self.discard(leased);
                    // A server that was restarted has closed every idle connection; a new one will do.
                    if reused && matches!(fault, Fault::Lost(_)) {
                        continue;
                    }
                }
                _ => self.put_back(leased),
            }
            return done;
        }
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
        let mut attempt = 1;
        loop {
            let mut leased = self.lease_for(Purpose::Writing).await?;
            let done = self.transaction(&mut leased, &context, work).await;
            if done.is_ok() {
                self.put_back(leased);
                return done;
            }
            self.roll_back(leased).await;
            if attempt == ATTEMPTS || !matches!(done, Err(Abort::Fault(Fault::Conflict(_)))) {
                return done;
            }
            tokio::time::sleep(Duration::from_millis(20) * attempt).await;
            attempt += 1;
        }
    }

    async fn transaction<C, T, E>(&self, leased: &mut Leased, context: &C, work: Work<C, T, E>) -> Result<T, Abort<E>> {
        let limit = self.deadlines.work * 2;
        self.query(leased, "START TRANSACTION").await?;
        let value = self.within(limit, leased, context, work).await?;
        self.query(leased, "COMMIT").await?;
        Ok(value)
    }

    /// Undoes what was begun, and keeps the connection if the server confirms it.
    async fn roll_back(&self, mut leased: Leased) {
        match self.query(&mut leased, "ROLLBACK").await {
            Ok(()) => self.put_back(leased),
            Err(_) => self.discard(leased),
        }
    }

    async fn within<C, T, E>(
        &self,
        limit: Duration,
        leased: &mut Leased,
        context: &C,
        work: Work<C, T, E>,
    ) -> Result<T, Abort<E>> {
        let mut session = MySqlSession { connection: &mut leased.connected.connection };
        let done = timeout(limit, work(&mut session, context)).await;
        done.unwrap_or_else(|_| Err(no_answer(limit).into()))
    }

    /// The version of the schema, `None` if there is none.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn schema_version(self: Arc<Self>) -> Result<Option<u32>, Fault> {
        let mut leased = self.lease_for(Purpose::Reading).await?;
        let version = self.read_version(&mut leased).await;
        self.finish(leased, version)
    }

    /// What the server calls itself, and its version.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn server(self: Arc<Self>) -> Result<String, Fault> {
        let mut leased = self.lease_for(Purpose::Reading).await?;
        let version = self.one_text(&mut leased, "SELECT VERSION()").await.map(|version| {
            let product = if version.contains("MariaDB") { "MariaDB" } else { "MySQL" };
            let number: &str = version.split('-').next().unwrap_or(&version);
            format!("{product} {number}")
        });
        self.finish(leased, version)
    }

    async fn read_version(&self, leased: &mut Leased) -> Result<Option<u32>, Fault> {
        let mut session = MySqlSession { connection: &mut leased.connected.connection };
        let limit = self.deadlines.work;
        let asked = timeout(limit, session.ask(READ_SCHEMA_VERSION, Vec::new())).await;
        match asked.map_err(|_| no_answer(limit))? {
            Ok(rows) => version_of(&rows),
            Err(mysql_async::Error::Server(error)) if error.code == NO_SUCH_TABLE => Ok(None),
            Err(error) => Err(fault(error)),
        }
    }

    async fn one_text(&self, leased: &mut Leased, sql: &'static str) -> Result<String, Fault> {
        let mut session = MySqlSession { connection: &mut leased.connected.connection };
        let limit = self.deadlines.work * 2;
        let rows = timeout(limit, session.query(sql, Vec::new())).await.map_err(|_| no_answer(limit))??;
        rows.first().ok_or_else(|| Fault::Unexpected("the server gave no row".to_owned()))?.text(0)
    }

    /// One statement without parameters or result.
    async fn query(&self, leased: &mut Leased, sql: &str) -> Result<(), Fault> {
        let limit = self.deadlines.work;
        let done = timeout(limit, leased.connected.connection.query_drop(sql)).await;
        done.map_err(|_| no_answer(limit))?.map_err(fault)
    }

    /// Keeps the connection if what was done with it left it in order.
    fn finish<T>(&self, leased: Leased, done: Result<T, Fault>) -> Result<T, Fault> {
        match &done {
            Err(fault) if !leaves_in_order(fault) => self.discard(leased),
            _ => self.put_back(leased),
        }
        done
    }

    /// A connection that is fit for the purpose: an idle one, or else a new one.
    async fn lease(&self, purpose: Purpose) -> Result<Leased, Fault> {
        let permit = self.permit().await?;
        if let Some(Idle { connected, made, .. }) = self.take_idle(purpose) {
            return Ok(Leased { connected, made, reused: true, _permit: permit });
        }
        self.make_room();
        let connected = self.connector.connect(self.deadlines.connect, purpose).await?;
        Ok(Leased { connected, made: Instant::now(), reused: false, _permit: permit })
    }

    /// The right to use a connection. Whoever waits for one is patient with a server that is busy, whose answers to
    /// others free connections meanwhile, and not with one that says nothing.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let nothing_idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if let Some(fault) = self.connector.failed_just_now(false).filter(|_| nothing_idle) {
            return Err(fault);
        }
        let (wait, began) = (self.deadlines.wait, Instant::now());
        let mut acquiring = pin!(Arc::clone(&self.permits).acquire_owned());
        loop {
            if let Ok(permit) = timeout(wait, acquiring.as_mut()).await {
                return permit.map_err(|_| stopped());
            }
            let put_back = *self.put_back.lock().unwrap_or_else(PoisonError::into_inner);
            if began.elapsed() >= wait * LONGEST_QUEUE || put_back.elapsed() >= wait {
                let waited = began.elapsed();
                return Err(Fault::Unavailable(format!("all {CONNECTIONS} connections were busy for {waited:.1?}")));
            }
        }
    }

    /// A connection that is known to work, for what must not be begun twice; and whose server takes writes
    /// still, if it is for writing.
    async fn lease_for(&self, purpose: Purpose) -> Result<Leased, Fault> {
        loop {
            let mut leased = self.lease(purpose).await?;
            if !leased.reused {
                return Ok(leased);
            }
            let asked = timeout(self.deadlines.connect, is_read_only(&mut leased.connected.connection)).await;
            if matches!(asked, Ok(Ok(read_only)) if !(read_only && purpose == Purpose::Writing)) {
                return Ok(leased);
            }
            self.discard(leased);
        }
    }

    fn take_idle(&self, purpose: Purpose) -> Option<Idle> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // Dropped here, those that are too old say good-bye on their own.
        idle.retain(Idle::is_fresh);
        // The last one returned is the one least likely to have been closed.
        let at = idle.iter().rposition(|idle| idle.connected.writable || purpose == Purpose::Reading)?;
        Some(idle.remove(at))
    }

    /// Lets go of idle connections, the oldest first, so that a new one is not one too many: those to a server
    /// that takes no writes are idle while a writer needs another.
    fn make_room(&self) {
        let in_use = CONNECTIONS.saturating_sub(self.permits.available_permits());
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let surplus = (idle.len() + in_use).saturating_sub(CONNECTIONS).min(idle.len());
        idle.drain(..surplus);
    }

    fn put_back(&self, leased: Leased) {
        *self.put_back.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let idle = Idle { connected: leased.connected, made: leased.made, since: Instant::now() };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
    }

    /// Closes a connection that something went wrong on, and with it all idle ones: most lead to the same
    /// server, and each of them would cost somebody a deadline to find out.
    fn discard(&self, leased: Leased) {
        let others = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in others.into_iter().map(|idle| idle.connected.connection).chain([leased.connected.connection])
        {
            // The driver would first read the rest of an answer that may never come.
            tokio::spawn(timeout(self.deadlines.connect, connection.disconnect()));
        }
    }
}

/// Whether a connection can be used again after a fault: the server answered, and it is known what.
fn leaves_in_order(fault: &Fault) -> bool {
    match fault {
        Fault::Conflict(_) | Fault::Incomparable(_) | Fault::Duplicate(_) | Fault::Unexpected(_) => true,
        Fault::Unavailable(_) | Fault::Lost(_) => false,
    }
}

fn no_answer(limit: Duration) -> Fault {
    Fault::Unavailable(format!("it gave no answer within {limit:?}"))
}

struct MySqlSession<'c> {
    connection: &'c mut Conn,
}

impl MySqlSession<'_> {
    async fn ask(&mut self, sql: &'static str, parameters: Vec<Value>) -> Result<Vec<Row>, mysql_async::Error> {
        let rows: Vec<mysql_async::Row> = self.connection.exec(sql, bound(parameters)).await?;
        Ok(rows.into_iter().map(|row| Row(row.unwrap_raw().into_iter().map(value).collect())).collect())
    }
}

impl Session for MySqlSession<'_> {
    fn query<'s>(&'s mut self, sql: &'static str, parameters: Vec<Value>) -> BoxFuture<'s, Result<Vec<Row>, Fault>> {
        async move { self.ask(sql, parameters).await.map_err(fault) }.boxed()
    }

    fn execute<'s>(&'s mut self, sql: &'static str, parameters: Vec<Value>) -> BoxFuture<'s, Result<u64, Fault>> {
        async move {
            self.connection.exec_drop(sql, bound(parameters)).await.map_err(fault)?;
            Ok(self.connection.affected_rows())
        }
        .boxed()
    }

    fn select<'s>(&'s mut self, sql: &'s str, parameters: Vec<Value>) -> BoxFuture<'s, Result<Answer, Fault>> {
        async move {
            let result = self.connection.exec_iter(sql, bound(parameters)).await.map_err(fault)?;
            let columns = names(result.columns_ref());
            let found: Vec<mysql_async::Row> = result.collect_and_drop().await.map_err(fault)?;
            let rows = found.into_iter().map(|row| Row(row.unwrap_raw().into_iter().map(value).collect()));
            Ok(Answer { columns, rows: rows.collect() })
        }
        .boxed()
    }

    fn describe<'s>(&'s mut self, sql: &'s str) -> BoxFuture<'s, Result<Described, Fault>> {
        async move {
            let statement = self.connection.prep(sql).await.map_err(fault)?;
            Ok(Described { columns: names(&statement.columns()), parameters: statement.num_params().into() })
        }
        .boxed()
    }
}

fn names(columns: &[mysql_async::Column]) -> Vec<String> {
    columns.iter().map(|column| column.name_str().into_owned()).collect()
}

fn bound(parameters: Vec<Value>) -> Params {
    let bound = parameters.into_iter().map(|value| match value {
        Value::Null => mysql_async::Value::NULL,
        Value::Integer(integer) => mysql_async::Value::Int(integer),
        Value::Text(text) => mysql_async::Value::Bytes(text.into_bytes()),
        Value::Blob(octets) => mysql_async::Value::Bytes(octets),
    });
    match bound.collect::<Vec<_>>() {
        none if none.is_empty() => Params::Empty,
        some => Params::Positional(some),
    }
}

/// A value of a type that none of our columns has becomes its text.
fn value(value: Option<mysql_async::Value>) -> Value {
    match value {
        None | Some(mysql_async::Value::NULL) => Value::Null,
        Some(mysql_async::Value::Int(integer)) => Value::Integer(integer),
        Some(mysql_async::Value::UInt(integer)) => {
            i64::try_from(integer).map_or_else(|_| Value::Text(integer.to_string()), Value::Integer)
        }
        Some(mysql_async::Value::Bytes(octets)) => Value::Blob(octets),
        Some(other) => Value::Text(other.as_sql(true)),
    }
}

/// What an error of the driver means. The numbers are those of MySQL's and MariaDB's reference manuals.
fn fault(error: mysql_async::Error) -> Fault {
    match error {
        mysql_async::Error::Server(error) => match error.code {
            // A mix of collations that cannot be had, or a text that does not fit into the other's characters.
            1267 | 1270 | 1271 | 3988 => Fault::Incomparable(error.to_string()),
            1022 | 1062 => Fault::Duplicate(error.message),
            // Lock wait timeout, deadlock, and Galera's "record has changed since last read".
            1205 | 1213 | 1020 => Fault::Conflict(error.message),
            1047 | 1053 | 1077..=1080 | 1152..=1161 | 1290 | 1836 | 1927 | 3169 | 4031 => Fault::Lost(error.message),
            _ => Fault::Unexpected(error.to_string()),
        },
        error => Fault::Lost(error.to_string()),
    }
}
