//! What is still to be done in the directory, as it stands in the database. There is one row for each certificate that
//! is published: whether the directory is to hold it, and whether it is known to do so. A row says what is wanted and
//! not what happened, so that nothing is lost or done in the wrong order however often a worker is cut off: whoever
//! does it again does the same.
//!
//! Certificates come in when they are issued ([`want`]), in the transaction that records them. Revocations, and removals
//! from hold, are read from `revocation_log`, whose numbers have no holes, so that whoever revokes needs to know
//! nothing of a directory. One worker at a time holds a lease on the whole.

use crate::account::CertificateKey;
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::store::rows::Many;
use crate::store::{Abort, Database, Fault, Row, Session, Value};
use std::convert::Infallible;
use std::time::Duration;

/// Rows: issuer, serial, the user name, since when it is due.
static WANT: Many = Many::insert(
    "INSERT INTO ldap_publications (issuer, serial, username, wanted, pending, due_at, attempts) VALUES ",
    "(?, ?, ?, 1, 1, ?, 0)",
);
/// Parameters: when; how many. Columns: issuer, serial, user name, wanted, attempts, dn, the certificate.
const DUE: &str = "SELECT p.issuer, p.serial, p.username, p.wanted, p.attempts, p.dn, k.der FROM ldap_publications p \
                   LEFT JOIN certificate_contents k ON k.issuer = p.issuer AND k.serial = p.serial \
                   WHERE p.pending = 1 AND p.due_at <= ? ORDER BY p.due_at, p.issuer, p.serial LIMIT ?";
/// Parameters: when.
const ANY_DUE: &str = "SELECT 1 FROM ldap_publications WHERE pending = 1 AND due_at <= ? LIMIT 1";
/// Parameters: how many. Columns: issuer, serial, user name, wanted, attempts, due, problem.
const PENDING: &str = "SELECT issuer, serial, username, wanted, attempts, due_at, problem FROM ldap_publications \
                       WHERE pending = 1 ORDER BY due_at, issuer, serial LIMIT ?";
/// Parameters: the entry; issuer, serial, wanted.
const SETTLE: &str = "UPDATE ldap_publications SET pending = 0, attempts = 0, problem = NULL, dn = ? \
                      WHERE issuer = ? AND serial = ? AND wanted = ?";
/// Parameters: when next, the problem; issuer, serial, wanted.
const POSTPONE: &str = "UPDATE ldap_publications SET due_at = ?, attempts = attempts + 1, problem = ? \
                        WHERE issuer = ? AND serial = ? AND wanted = ?";
/// Parameters: wanted, since when; issuer, serial, wanted.
const TURN: &str = "UPDATE ldap_publications SET wanted = ?, pending = 1, due_at = ?, attempts = 0, problem = NULL \
                    WHERE issuer = ? AND serial = ? AND wanted <> ?";
/// Parameters: the number that is known, how many. The reason is NULL of a removal from hold.
const REVOCATIONS: &str = "SELECT n, issuer, serial, reason FROM revocation_log WHERE n > ? ORDER BY n LIMIT ?";
const CURSOR: &str = "SELECT revocations FROM ldap_worker WHERE id = 1";
/// Parameters: the number.
const ADVANCE: &str = "UPDATE ldap_worker SET revocations = ? WHERE id = 1 AND revocations < ?";
/// Parameters: who, until when; when, who.
const LEASE: &str = "UPDATE ldap_worker SET holder = ?, held_until = ? WHERE id = 1 AND (held_until < ? OR holder = ?)";
/// Parameters: who.
const RELEASE: &str = "UPDATE ldap_worker SET held_until = 0 WHERE id = 1 AND holder = ?";

/// How much is read at once.
pub(super) const BATCH: i64 = 100;

/// How long one worker keeps the others out without saying that it is still there.
const HELD: Duration = Duration::from_secs(120);

/// How long a certificate waits that could not be published, at first and at most.
const FIRST_DELAY: Duration = Duration::from_secs(10);
const LONGEST_DELAY: Duration = Duration::from_secs(3600);

/// The queue in a database. Cloning it is cheap.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    database: Database,
    /// Tells this worker from all others.
    holder: String,
}

/// The database did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} in {database} failed: {fault}")]
pub struct QueueError {
    what: &'static str,
    database: String,
    fault: Fault,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) key: CertificateKey,
    pub(super) username: String,
    /// Whether the directory is to hold the certificate.
    pub(super) wanted: bool,
    pub(super) attempts: u32,
    /// The entry that holds it, as far as is known.
    pub(super) dn: Option<String>,
    /// The certificate in DER.
    pub(super) certificate: Option<Vec<u8>>,
}

/// Something that is not done yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Which certificate.
    pub key: CertificateKey,
    /// Whose.
    pub username: String,
    /// Whether it is to be added, or removed.
    pub wanted: bool,
    /// How often that was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub due: Timestamp,
    /// What was in the way.
    pub problem: Option<String>,
}

/// What became of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is done, in this entry.
    Done(Option<String>),
    /// It must be tried again.
    Postponed(String),
}

/// Has certificates published that are being recorded, in the transaction that records them; each with the user name
/// of its account.
///
/// # Errors
/// When the database fails.
pub(in crate::ca) async fn want(
    session: &mut dyn Session,
    certificates: &[(&CertificateKey, &str)],
    at: Timestamp,
) -> Result<(), Fault> {
    let rows = certificates.iter().flat_map(|(key, username)| {
        let due = Value::Integer(at.as_unix());
        [Value::from(key.issuer.as_slice()), Value::from(key.serial.as_slice()), Value::from(*username), due]
    });
    WANT.run(session, 4, rows.collect()).await
}

/// When a job is tried again that has failed `attempts` times before.
fn delay(attempts: u32) -> Duration {
    FIRST_DELAY.saturating_mul(1_u32.checked_shl(attempts.min(16)).unwrap_or(u32::MAX)).min(LONGEST_DELAY)
}

impl Queue {
    pub(super) fn new(database: Database, holder: String) -> Self {
        Self { database, holder }
    }

    /// Whether there is anything to do: the one question that is asked again and again.
    pub(super) async fn has_work(&self, now: Timestamp) -> Result<bool, QueueError> {
        let found = self.database.read_current(now, |session, now| Box::pin(has_work(session, *now))).await;
        self.answer("looking what is to be published", found)
    }

    /// Takes the lease, or makes it last longer; `false` if another worker has it.
    pub(super) async fn lease(&self, now: Timestamp) -> Result<bool, QueueError> {
        let asked = (self.holder.clone(), now);
        let leased = self.database.write(asked, |session, asked| Box::pin(lease(session, &asked.0, asked.1))).await;
        self.answer("taking the lease on publishing", leased)
    }

    pub(super) async fn release(&self) -> Result<(), QueueError> {
        let holder = self.holder.clone();
        let released = self.database.write(holder, |session, holder| Box::pin(release(session, holder))).await;
        self.answer("giving the lease on publishing back", released)
    }

    /// Takes note of the revocations since the last time.
    pub(super) async fn follow(&self, now: Timestamp) -> Result<(), QueueError> {
        loop {
            let followed = self.database.write(now, |session, now| Box::pin(follow(session, *now))).await;
            if !self.answer("following the revocations", followed)? {
                return Ok(());
            }
        }
    }

    /// The next jobs.
    pub(super) async fn due(&self, now: Timestamp) -> Result<Vec<Job>, QueueError> {
        let jobs = self.database.read_current(now, |session, now| Box::pin(due(session, *now))).await;
        self.answer("reading what is to be published", jobs)
    }

    /// Takes note of what became of a job. If by now something else is wanted, that is still to be done.
    pub(super) async fn close(&self, job: &Job, outcome: Outcome, now: Timestamp) -> Result<(), QueueError> {
        let closing = (job.clone(), outcome, now);
        let closed = self
            .database
            .write(closing, |session, (job, outcome, now)| Box::pin(close(session, job, outcome, *now)))
            .await;
        self.answer("noting what was published", closed)
    }

    /// What is not done yet, the next first; a thousand at most.
    pub(super) async fn pending(&self) -> Result<Vec<Pending>, QueueError> {
        let found = self.database.read_current((), |session, ()| Box::pin(pending(session))).await;
        self.answer("reading what is to be published", found)
    }

    fn answer<T>(&self, what: &'static str, answer: Result<T, Abort<Infallible>>) -> Result<T, QueueError> {
        answer.map_err(|abort| match abort {
            Abort::Fault(fault) => QueueError { what, database: self.database.name().to_owned(), fault },
            Abort::Refused(never) => match never {},
        })
    }
}

async fn has_work(session: &mut dyn Session, now: Timestamp) -> Result<bool, Abort<Infallible>> {
    if !session.query(ANY_DUE, vec![Value::Integer(now.as_unix())]).await?.is_empty() {
        return Ok(true);
    }
    let known = cursor(session).await?;
    Ok(!session.query(REVOCATIONS, vec![Value::Integer(known), Value::Integer(1)]).await?.is_empty())
}

async fn cursor(session: &mut dyn Session) -> Result<i64, Fault> {
    let rows = session.query(CURSOR, Vec::new()).await?;
    let lost = || Fault::Unexpected("ldap_worker has lost its row; the schema must be restored".to_owned());
    rows.first().ok_or_else(lost)?.integer(0)
}

async fn lease(session: &mut dyn Session, holder: &str, now: Timestamp) -> Result<bool, Abort<Infallible>> {
    let until = now.plus(HELD).as_unix();
    let values = vec![Value::from(holder), Value::Integer(until), Value::Integer(now.as_unix()), Value::from(holder)];
    Ok(session.execute(LEASE, values).await? == 1)
}

async fn release(session: &mut dyn Session, holder: &str) -> Result<(), Abort<Infallible>> {
    session.execute(RELEASE, vec![Value::from(holder)]).await?;
    Ok(())
}

/// Whether there may be more.
async fn follow(session: &mut dyn Session, now: Timestamp) -> Result<bool, Abort<Infallible>> {
    let known = cursor(session).await?;
    let rows = session.query(REVOCATIONS, vec![Value::Integer(known), Value::Integer(BATCH)]).await?;
    let mut newest = known;
    for row in &rows {
        newest = row.integer(0)?;
        let wanted = i64::from(row.optional_text(3)?.is_none());
        let values = vec![
            Value::Integer(wanted),
            Value::Integer(now.as_unix()),
            Value::from(row.blob(1)?),
            Value::from(row.blob(2)?),
            Value::Integer(wanted),
        ];
        session.execute(TURN, values).await?;
    }
    if newest > known {
        session.execute(ADVANCE, vec![Value::Integer(newest), Value::Integer(newest)]).await?;
    }
    Ok(i64::try_from(rows.len()).is_ok_and(|read| read == BATCH))
}

async fn due(session: &mut dyn Session, now: Timestamp) -> Result<Vec<Job>, Abort<Infallible>> {
    let rows = session.query(DUE, vec![Value::Integer(now.as_unix()), Value::Integer(BATCH)]).await?;
    let job = |row: &Row| {
        Ok::<_, Fault>(Job {
            key: key_of(row)?,
            username: row.text(2)?,
            wanted: row.integer(3)? == 1,
            attempts: u32::try_from(row.integer(4)?).unwrap_or(u32::MAX),
            dn: row.optional_text(5)?,
            certificate: row.blob(6).ok().map(<[u8]>::to_vec),
        })
    };
    Ok(rows.iter().map(job).collect::<Result<_, _>>()?)
}

async fn close(
    session: &mut dyn Session,
    job: &Job,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), Abort<Infallible>> {
    let of_key =
        [Value::from(job.key.issuer.as_slice()), Value::from(job.key.serial.as_slice()), i64::from(job.wanted).into()];
    match outcome {
        Outcome::Done(dn) => {
            let values = [Value::from(dn.as_deref())].into_iter().chain(of_key).collect();
            session.execute(SETTLE, values).await?;
        }
        Outcome::Postponed(problem) => {
            let next = now.plus(delay(job.attempts)).as_unix();
            let values = [Value::Integer(next), Value::from(problem.as_str())].into_iter().chain(of_key).collect();
            session.execute(POSTPONE, values).await?;
        }
    }
    Ok(())
}

async fn pending(session: &mut dyn Session) -> Result<Vec<Pending>, Abort<Infallible>> {
    let rows = session.query(PENDING, vec![Value::Integer(1000)]).await?;
    let pending = |row: &Row| {
        Ok::<_, Fault>(Pending {
            key: key_of(row)?,
            username: row.text(2)?,
            wanted: row.integer(3)? == 1,
            attempts: u32::try_from(row.integer(4)?).unwrap_or(u32::MAX),
            due: Timestamp::from_unix(row.integer(5)?),
            problem: row.optional_text(6)?,
        })
    };
    Ok(rows.iter().map(pending).collect::<Result<_, _>>()?)
}

fn key_of(row: &Row) -> Result<CertificateKey, Fault> {
    let issuer = row.blob(0)?;
    let name = format!("{}:{}", hex::encode(issuer), hex::encode(row.blob(1)?));
    CertificateKey::of_name(&name).ok_or_else(|| Fault::Unexpected(format!("{name} is no key of a certificate")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_again_waits_longer_and_an_hour_at_most() {
        let delays: Vec<u64> = [0, 1, 2, 8, 9, 40, u32::MAX].map(|attempts| delay(attempts).as_secs()).to_vec();
        assert_eq!(delays, [10, 20, 40, 2560, 3600, 3600, 3600]);
    }
}
