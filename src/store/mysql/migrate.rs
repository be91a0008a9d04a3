//! How the schema is made and brought to the version that this program works with, by one process at a time.
//! MySQL commits each change of a schema by itself, so the version is raised after each step and a step can be
//! repeated.
//!
//! `GET_LOCK` counts on one server alone, and a row's lock ends with the first change of the schema. So the right to
//! migrate is a lease: a row that names its holder and when the lease ends, by the server's clock. On a Galera
//! cluster two who take it at once collide, and one of them begins again. The holder renews it while a statement
//! runs, and looks before each statement whether it is still its own; clocks of a cluster that differ by more than
//! [`LEASE`] less [`RENEWAL`] would break that.

use super::super::migrations::{self, Standing};
use super::super::{CREATE_SCHEMA_VERSION, Deadlines, Fault, Migrated, OpenError, Session, Value};
use super::connect::{Connector, Purpose};
use super::retry::Stage;
use super::{Attempts, Leased, MySqlSession, Pool, fault, no_answer};
use crate::base::hex;
use crate::config;
use crate::store::rights::identifier;
use mysql_async::prelude::Queryable;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// How long a lease lasts that nobody renews.
const LEASE: Duration = Duration::from_secs(30);
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(10);
/// How long somebody else's lease is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest that one change of the schema may take: a table with millions of rows is copied.
const STATEMENT: Duration = Duration::from_secs(3600);

/// The error of a statement that speaks of a CHECK of a table which has none of that name. MySQL before 8.0.16 read CHECK
/// and kept nothing, so tables that it made have none on a newer server either.
const NO_SUCH_CHECK: u16 = 3821;

const CREATE_LEASE: &str = "CREATE TABLE IF NOT EXISTS migration_lease (id TINYINT NOT NULL PRIMARY KEY, \
                            holder VARCHAR(64) NOT NULL, who VARCHAR(254) NOT NULL, expires BIGINT NOT NULL) \
                            ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
const CREATE_LEASE_ROW: &str = "INSERT IGNORE INTO migration_lease (id, holder, who, expires) VALUES (1, '', '', 0)";
/// Parameters: the holder, seconds.
const TAKE: &str = "UPDATE migration_lease SET holder = ?, who = LEFT(USER(), 254), expires = UNIX_TIMESTAMP() + ? \
                    WHERE id = 1 AND expires < UNIX_TIMESTAMP()";
/// Parameters: seconds, the holder.
const RENEW: &str = "UPDATE migration_lease SET expires = UNIX_TIMESTAMP() + ? WHERE id = 1 AND holder = ?";
/// Parameters: the holder.
const GIVE_BACK: &str = "UPDATE migration_lease SET expires = 0 WHERE id = 1 AND holder = ?";
const HOLDER: &str =
    "SELECT CONCAT(who, ' for at most ', GREATEST(expires - UNIX_TIMESTAMP(), 0), ' s more') FROM migration_lease";

/// Makes the database that the settings name, if there is none; the user of the settings must have the right to.
///
/// # Errors
/// When no server that takes writes can be reached, or the server refuses.
pub async fn create_database(settings: &config::MySql, deadlines: Deadlines) -> Result<(), OpenError> {
    // Whoever names a database that is not there yet is refused.
    let connector = Connector::new(config::MySql { database: String::new(), ..settings.clone() })?;
    let mut connected = connector.connect(deadlines.connect, Purpose::Writing).await?;
    let limit = deadlines.work * 2;
    let done = timeout(limit, connected.connection.query_drop(database_statement(&settings.database))).await;
    done.map_err(|_| no_answer(limit))?.map_err(fault)?;
    Ok(())
}

fn database_statement(database: &str) -> String {
    format!("CREATE DATABASE IF NOT EXISTS {} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", identifier(database))
}

/// The statements that make the database and the newest schema in it, for those who run SQL by hand. Each can be
/// repeated, on a database that has this schema or none.
#[must_use]
pub fn script(database: &str) -> Vec<String> {
    let versions = migrations::ALL
        .iter()
        .map(|migration| format!("INSERT IGNORE INTO schema_version (version) VALUES ({})", migration.version));
    [database_statement(database), format!("USE {}", identifier(database)), CREATE_SCHEMA_VERSION.to_owned()]
        .into_iter()
        .chain(migrations::ALL.iter().flat_map(|migration| migrations::statements(migration.mysql)))
        .chain(versions)
        .collect()
}

impl Pool {
    /// Makes the schema or brings it to the version that this program works with.
    ///
    /// # Errors
    /// When no server that takes writes answers, when it refuses, has a newer schema, or another process is
    /// migrating it.
    pub async fn migrate(self: Arc<Self>) -> Result<Migrated, OpenError> {
        let mut leased = self.lease_for(Purpose::Writing).await?;
        let migrated = self.migrate_over(&mut leased).await;
        // A statement that was given up may still run there.
        self.discard(leased);
        migrated
    }

    async fn migrate_over(&self, leased: &mut Leased) -> Result<Migrated, OpenError> {
        if let Some(done) = self.nothing_to_do(leased).await? {
            return Ok(done);
        }
        self.insist(leased, CREATE_LEASE, self.deadlines.work).await?;
        self.insist(leased, CREATE_LEASE_ROW, self.deadlines.work).await?;
        let holder = holder()?;
        self.take_lease(leased, &holder).await?;
        let migrated = self.migrate_as(leased, &holder).await;
        // One that is not given back ends by itself.
        let _ = self.change(leased, GIVE_BACK, vec![Value::from(holder.as_str())]).await;
        migrated
    }

    async fn nothing_to_do(&self, leased: &mut Leased) -> Result<Option<Migrated>, OpenError> {
        let from = self.read_version(leased).await?;
        match migrations::standing(from) {
            Standing::Current => Ok(Some(Migrated { from, to: migrations::newest() })),
            standing @ Standing::Newer(_) => OpenError::from_standing(standing).map(|()| None),
            Standing::Absent | Standing::Older(_) => Ok(None),
        }
    }

    async fn migrate_as(&self, leased: &mut Leased, holder: &str) -> Result<Migrated, OpenError> {
        // Whoever held the lease before may have done it all.
        if let Some(done) = self.nothing_to_do(leased).await? {
            return Ok(done);
        }
        let from = self.read_version(leased).await?;
        self.step(leased, holder, CREATE_SCHEMA_VERSION).await?;
        for migration in migrations::after(from) {
            for statement in migrations::statements(migration.mysql) {
                self.step(leased, holder, &statement).await?;
            }
            let raise = format!("INSERT IGNORE INTO schema_version (version) VALUES ({})", migration.version);
            self.step(leased, holder, &raise).await?;
        }
        Ok(Migrated { from, to: migrations::newest() })
    }

    /// Waits for a lease to end that somebody else has.
    async fn take_lease(&self, leased: &mut Leased, holder: &str) -> Result<(), Fault> {
        let start = Instant::now();
        loop {
            match self.change(leased, TAKE, vec![Value::from(holder), seconds(LEASE)]).await {
                Ok(1) => return Ok(()),
                Ok(_) | Err(Fault::Conflict(_)) if start.elapsed() < PATIENCE => {}
                Ok(_) => {
                    let who = self.one_text(leased, HOLDER).await?;
                    return Err(Fault::Unavailable(format!("another process is migrating it: {who}")));
                }
                Err(fault) => return Err(fault),
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// One statement, under a lease that is seen to be ours before and renewed meanwhile.
    async fn step(&self, leased: &mut Leased, holder: &str, statement: &str) -> Result<(), Fault> {
        self.renew(leased, holder).await?;
        let statement = self.insist(leased, statement, STATEMENT);
        let renewing = async {
            loop {
                sleep(RENEWAL).await;
                // On Galera a change of the schema holds all else up, the renewal too; that comes when it can.
                if let Ok(mut second) = self.lease_for(Purpose::Writing).await {
                    let _ = self.renew(&mut second, holder).await;
                    self.put_back(second);
                }
            }
        };
        tokio::select! {
            done = statement => done,
            () = renewing => Ok(()),
        }
    }

    async fn renew(&self, leased: &mut Leased, holder: &str) -> Result<(), Fault> {
        match self.change(leased, RENEW, vec![seconds(LEASE), Value::from(holder)]).await? {
            1 => Ok(()),
            _ => Err(Fault::Unavailable("another process has taken the migration over".to_owned())),
        }
    }

    /// One statement without parameters, which commits by itself and may be repeated. On a cluster it may come into
    /// the way of another node's, and then nothing was done.
    async fn insist(&self, leased: &mut Leased, statement: &str, limit: Duration) -> Result<(), Fault> {
        let mut attempts = Attempts::begin();
        let mut statement = Cow::Borrowed(statement);
        loop {
            let done = timeout(limit, leased.connected.connection.query_drop(&*statement)).await;
            let done = done.map_err(|_| no_answer(limit))?;
            if let (Err(mysql_async::Error::Server(error)), Some(plain)) = (&done, without_versions(&statement))
                && error.code == NO_SUCH_CHECK
            {
                // What only newer servers keep, and an older one made the table.
                statement = Cow::Owned(plain);
                continue;
            }
            match done.map_err(fault) {
                Err(conflict @ Fault::Conflict(_)) => attempts.next(Stage::Writing, conflict).await?,
                done => return done,
            }
        }
    }

    /// The same for one that changes rows, and how many it found to change.
    async fn change(&self, leased: &mut Leased, sql: &'static str, values: Vec<Value>) -> Result<u64, Fault> {
        let (mut attempts, limit) = (Attempts::begin(), self.deadlines.work * 2);
        loop {
            let mut session = MySqlSession { connection: &mut leased.connected.connection };
            let done = timeout(limit, session.execute(sql, values.clone())).await;
            match done.map_err(|_| no_answer(limit))? {
                Err(conflict @ Fault::Conflict(_)) => attempts.next(Stage::Writing, conflict).await?,
                done => return done,
            }
        }
    }
}

/// A statement without what it says to servers of some version alone (`/*!80016 … */`); `None` if it says nothing of
/// the kind.
fn without_versions(statement: &str) -> Option<String> {
    let (before, rest) = statement.split_once("/*!")?;
    let (_, after) = rest.split_once("*/")?;
    let plain = format!("{before}{after}");
    Some(without_versions(&plain).unwrap_or(plain))
}

fn seconds(duration: Duration) -> Value {
    Value::Integer(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX))
}

/// A name that no other process takes.
fn holder() -> Result<String, Fault> {
    let mut octets = [0; 16];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| Fault::Unavailable("the system gives no randomness".to_owned()))?;
    Ok(hex::encode(&octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_some_versions_alone_can_be_left_out() {
        assert_eq!(without_versions("ALTER TABLE a MODIFY b INT"), None);
        assert_eq!(
            without_versions("ALTER TABLE a MODIFY b INT /*!80016 , c */"),
            Some("ALTER TABLE a MODIFY b INT ".into())
        );
        assert_eq!(without_versions("a /*!80016 b */ c /*!50700 d */ e"), Some("a  c  e".into()));
        assert_eq!(without_versions("a /*!80016 b"), None);
        for migration in migrations::ALL {
            for statement in migrations::statements(migration.mysql) {
                let plain = without_versions(&statement);
                assert!(plain.is_none_or(|plain| plain.contains("ALTER TABLE")), "{statement}");
            }
        }
    }
}
