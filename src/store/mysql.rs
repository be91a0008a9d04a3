//! MySQL and MariaDB: a pool of connections on the control runtime, to the first server of several that
//! answers. `connect` makes a connection; this module keeps them, gives each wait a deadline, and sorts
//! what the server says into [`Fault`]s.
//!
//! The pool is our own and not the driver's, which knows one server, waits without a deadline for a
//! connection and for the end of an abandoned answer, and keeps what a restarted server has closed until
//! somebody stumbles over it. A connection on which a deadline passed is closed, never handed on. What is begun
//! again after a fault, and what must not be, is `retry`'s to say.
//!
//! The feed of changes is read over a connection of its own, which no number of look-ups can delay. No look-up is
//! answered by a server that has less than the feed has told already. What a server was when a connection to it was made
//! is no proof that it has: a primary may be demoted under connections that stay open. Only the server that the feed was
//! read from last needs no proof.

mod connect;
mod examine;
mod migrate;
mod refusal;
mod retry;
mod slots;
mod standing;

pub use examine::{Examination, Examined, examine};
pub use migrate::{create_database, script};
pub use standing::GaleraNode;

use super::changes::{self, Position, Since};
use super::{
    Abort, Answer, Deadlines, Described, Fault, OpenError, READ_SCHEMA_VERSION, Row, Session, Value, Work, version_of,
};
use crate::config;
use crate::telemetry::metrics::{self, Held};
use connect::{Connected, Connector, Purpose, is_read_only};
use futures_util::future::{BoxFuture, FutureExt};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params};
use retry::{Next, Stage};
use slots::{Idle, Slots};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// The most connections that one process holds, beside the one that the feed of changes is read over.
const CONNECTIONS: usize = 8;

/// How a transaction is begun, and how on a Galera node.
const BEGIN: &[&str] = &["START TRANSACTION"];
const GALERA_BEGIN: &[&str] = &["SET autocommit = 0", "START TRANSACTION", "SAVEPOINT begun"];

/// What MySQL answers when a table is not there.
const NO_SUCH_TABLE: u16 = 1146;

/// The connections to one database.
#[derive(Debug)]
pub struct Pool {
    connector: Connector,
    deadlines: Deadlines,
    common: Slots,
    feed: Slots,
    /// Nothing before the feed was first read.
    told: Mutex<Option<Told>>,
}

/// What the feed of changes has told last.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// The number of the last change; 0 if there is none.
    number: i64,
    /// The place in the settings of the server that told it.
    server: usize,
}

/// A connection in use, and the right to use it.
struct Leased {
    connected: Connected,
    made: Instant,
    /// Whether it was used before, and so may have been closed by the other side meanwhile.
    reused: bool,
    purpose: Purpose,
    _permit: OwnedSemaphorePermit,
    _busy: Held,
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
            common: Slots::new(CONNECTIONS),
            feed: Slots::new(1),
            told: Mutex::default(),
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

    /// See [`Database::changes`](super::Database::changes).
    ///
    /// # Errors
    /// The fault of the database; a server that takes no writes is one.
    pub async fn changes(self: Arc<Self>, since: Option<Position>) -> Result<Since, Fault> {
        let mut leased = self.lease_for(Purpose::Following).await?;
        let limit = self.deadlines.work;
        let mut session = MySqlSession { connection: &mut leased.connected.connection };
        let read = timeout(limit, changes::since(&mut session, since.as_ref())).await;
        let read = read.unwrap_or_else(|_| Err(no_answer(limit)));
        if let Ok(since) = &read {
            // Not the greatest of all: a database that was put back has fewer changes than it had.
            *self.told() = Some(Told { number: since.position().number(), server: leased.connected.server });
        }
        self.finish(leased, read)
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
        self.read_for(Purpose::Reading, context, work).await
    }

    /// See [`Database::read_current`](super::Database::read_current).
    ///
    /// # Errors
    /// What the work returns, or the fault of the database; a server that takes no writes is one.
    pub async fn read_current<C, T, E>(self: Arc<Self>, context: C, work: Work<C, T, E>) -> Result<T, Abort<E>>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        self.read_for(Purpose::Writing, context, work).await
    }

    async fn read_for<C, T, E>(&self, purpose: Purpose, context: C, work: Work<C, T, E>) -> Result<T, Abort<E>> {
        let mut attempts = Attempts::begin();
        loop {
            let mut leased =
                if purpose.writes() { self.lease_for(purpose).await? } else { self.lease(purpose).await? };
            let done = match self.lag(&mut leased).await {
                Ok(None) => self.within(self.deadlines.work, &mut leased, &context, work).await,
                Ok(Some(_)) if leased.reused => {
                    // Its server was the best to be had when the connection was made; another one may be by now.
                    self.discard(leased);
                    continue;
                }
                Ok(Some(fault)) | Err(fault) => Err(fault.into()),
            };
            let fault = match done {
                Err(Abort::Fault(fault)) => fault,
                done => {
                    self.put_back(leased);
                    return done;
                }
            };
            if leaves_in_order(&fault) {
                self.put_back(leased);
            } else {
                self.discard(leased);
            }
            attempts.next(Stage::Reading, fault).await?;
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
        let mut attempts = Attempts::begin();
        loop {
            let mut leased = self.lease_for(Purpose::Writing).await?;
            let (stage, fault) = match self.transaction(&mut leased, &context, work).await {
                Ok(value) => {
                    self.end_transaction(leased).await;
                    return Ok(value);
                }
                Err((_, Abort::Refused(refusal))) => {
                    self.roll_back(leased).await;
                    return Err(Abort::Refused(refusal));
                }
                Err((stage, Abort::Fault(fault))) => (stage, fault),
            };
            if leaves_in_order(&fault) {
                self.roll_back(leased).await;
            } else {
                self.discard(leased);
            }
            attempts.next(stage, fault).await?;
        }
    }

    /// All of it, or how far it came and why no further.
    ///
    /// A Galera node rolls a transaction back at any moment for one of another node, and says so with the next statement;
    /// but not always if that is a prepared one, which then begins anew where the transaction was. So on Galera no
    /// statement commits by itself meanwhile, and a savepoint, which ends with its transaction, shows that all
    /// statements belonged to one.
    async fn transaction<C, T, E>(
        &self,
        leased: &mut Leased,
        context: &C,
        work: Work<C, T, E>,
    ) -> Result<T, (Stage, Abort<E>)> {
        let limit = self.deadlines.work * 2;
        let before = |abort| (Stage::Writing, abort);
        let galera = leased.connected.galera;
        let begin = if galera { GALERA_BEGIN } else { BEGIN };
        for statement in begin {
            self.query(leased, statement).await.map_err(|fault| before(fault.into()))?;
        }
        let value = self.within(limit, leased, context, work).await.map_err(before)?;
        if galera {
            let whole = self.query(leased, "RELEASE SAVEPOINT begun").await.map_err(|fault| match fault {
                Fault::Unexpected(why) => Fault::Conflict(why),
                fault => fault,
            });
            whole.map_err(|fault| before(fault.into()))?;
        }
        let at_commit = |fault: Fault| (Stage::Committing, fault.into());
        match timeout(limit, leased.connected.connection.query_drop("COMMIT")).await {
            Ok(Ok(())) => Ok(value),
            Ok(Err(error)) => Err(at_commit(fault_of_commit(error))),
            Err(_) => Err(at_commit(no_answer(limit))),
        }
    }

    /// Why a server is not to be believed that has less than the feed has told already: a look-up that asks anew what
    /// has changed must not be told what was true before.
    async fn lag(&self, leased: &mut Leased) -> Result<Option<Fault>, Fault> {
        let Some(Told { number: known, server }) = *self.told() else { return Ok(None) };
        if known == 0 || !leased.connected.may_have_less_than(server) {
            return Ok(None);
        }
        let limit = self.deadlines.work;
        let mut session = MySqlSession { connection: &mut leased.connected.connection };
        let number = timeout(limit, changes::newest(&mut session)).await.map_err(|_| no_answer(limit))??;
        Ok((number < known).then(|| {
            Fault::Unavailable(format!(
                "the server lags behind: it has change {number}, and change {known} is known already"
            ))
        }))
    }

    fn told(&self) -> MutexGuard<'_, Option<Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Undoes what was begun, and keeps the connection if the server confirms it.
    async fn roll_back(&self, mut leased: Leased) {
        match self.query(&mut leased, "ROLLBACK").await {
            Ok(()) => self.end_transaction(leased).await,
            Err(_) => self.discard(leased),
        }
    }

    /// Has each statement stand for itself again, and keeps the connection if the server confirms it.
    async fn end_transaction(&self, mut leased: Leased) {
        if leased.connected.galera && self.query(&mut leased, "SET autocommit = 1").await.is_err() {
            self.discard(leased);
        } else {
            self.put_back(leased);
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
        let slots = self.slots(purpose);
        if let Some(fault) = self.connector.failed_just_now(false).filter(|_| slots.nothing_is_idle()) {
            return Err(fault);
        }
        let permit = slots.permit(self.deadlines.wait).await?;
        if let Some(Idle { connected, made, .. }) = slots.take(purpose.writes()) {
            return Ok(Leased {
                connected,
                made,
                reused: true,
                purpose,
                _permit: permit,
                _busy: metrics::DATABASE_BUSY.hold(),
            });
        }
        slots.make_room();
        let connected = self.connector.connect(self.deadlines.connect, purpose).await?;
        let (made, busy) = (Instant::now(), metrics::DATABASE_BUSY.hold());
        Ok(Leased { connected, made, reused: false, purpose, _permit: permit, _busy: busy })
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
            if matches!(asked, Ok(Ok(read_only)) if !(read_only && purpose.writes())) {
                return Ok(leased);
            }
            self.discard(leased);
        }
    }

    fn slots(&self, purpose: Purpose) -> &Slots {
        match purpose {
            Purpose::Reading | Purpose::Writing => &self.common,
            Purpose::Following => &self.feed,
        }
    }

    fn put_back(&self, leased: Leased) {
        self.slots(leased.purpose).put_back(leased.connected, leased.made);
    }

    /// Closes a connection that something went wrong on, and with it all idle ones: most lead to the same
    /// server, and each of them would cost somebody a deadline to find out.
    fn discard(&self, leased: Leased) {
        let others = self.slots(leased.purpose).take_all();
        for connection in others.into_iter().map(|idle| idle.connected.connection).chain([leased.connected.connection])
        {
            // The driver would first read the rest of an answer that may never come.
            tokio::spawn(timeout(self.deadlines.connect, connection.disconnect()));
        }
    }
}

/// The attempts at one piece of work.
struct Attempts {
    begun: Instant,
    made: u32,
}

impl Attempts {
    fn begin() -> Self {
        Self { begun: Instant::now(), made: 0 }
    }

    /// Waits until the next attempt may be made, or gives the fault if there is to be none.
    async fn next(&mut self, stage: Stage, fault: Fault) -> Result<(), Fault> {
        self.made += 1;
        match retry::next(stage, &fault, self.made, self.begun.elapsed(), chance()) {
            Next::Again(pause) => {
                tokio::time::sleep(pause).await;
                Ok(())
            }
            Next::GiveUp => Err(fault),
            Next::InDoubt => Err(Fault::InDoubt(fault.to_string())),
        }
    }
}

/// A number that nobody foresees; without randomness pauses are merely all the same.
fn chance() -> u8 {
    let mut octet = [0];
    let _ = aws_lc_rs::rand::fill(&mut octet);
    u8::from_ne_bytes(octet)
}

/// Whether a connection can be used again after a fault: the server answered, and it is known what.
fn leaves_in_order(fault: &Fault) -> bool {
    match fault {
        Fault::Conflict(_) | Fault::Incomparable(_) | Fault::Duplicate(_) | Fault::Unexpected(_) => true,
        Fault::Unavailable(_) | Fault::Lost(_) | Fault::InDoubt(_) => false,
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
            // Lock wait timeout, MariaDB's "record has changed since last read", and deadlocks of every kind.
            1205 | 1020 => Fault::Conflict(error.message),
            _ if is_deadlock(&error) => Fault::Conflict(error.message),
            1047 | 1053 | 1077..=1080 | 1152..=1161 | 1290 | 1836 | 1927 | 3169 | 4031 => Fault::Lost(error.message),
            _ => Fault::Unexpected(error.to_string()),
        },
        error => Fault::Lost(error.to_string()),
    }
}

/// The same of an answer to COMMIT. Only where the server says that it rolled the transaction back it did: other
/// errors, such as that the node has left its cluster (1180), leave open whether the others have it.
fn fault_of_commit(error: mysql_async::Error) -> Fault {
    match error {
        mysql_async::Error::Server(error) if is_deadlock(&error) => Fault::Conflict(error.message),
        error => Fault::Lost(error.to_string()),
    }
}

/// Whether the server rolled a transaction back for another one: a deadlock, or what Galera and group replication found
/// when they compared it with those of other nodes.
fn is_deadlock(error: &mysql_async::ServerError) -> bool {
    const DEADLOCK: u16 = 1213;
    const ROLLED_BACK_DURING_COMMIT: u16 = 3101;
    matches!(error.code, DEADLOCK | ROLLED_BACK_DURING_COMMIT) || error.state == "40001"
}
