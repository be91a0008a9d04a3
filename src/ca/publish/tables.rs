//! What is published, in the database. Each publication raises one number first, which lets one publisher in at a
//! time, on one server by the row's lock, on a cluster because two that raised it at once collide and one begins
//! again; so numbers become visible in their order, and whoever reads what has a greater number than what he has
//! misses nothing. Certificates are looked up in the transaction that stores what is said of them: an answer from
//! before a revocation never takes the place of one from after it.

use crate::base::clock::Timestamp;
use crate::ca::issue::IssueError;
use crate::ca::ocsp::answer::sign;
use crate::ca::ocsp::{Delegate, Issuer, Statement};
use crate::certificate::facts::sha256;
use crate::revocation::crl::RevocationReason;
use crate::revocation::ocsp::{HashAlgorithm, Status};
use crate::store::{Abort, Database, Fault, Row, Session, Value};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// How many octets of a list stand in one row.
const PART: usize = 1 << 20;
/// How many answers are signed in one transaction.
pub const BATCH: usize = 250;
/// How many answers are read at once; more than [`BATCH`], so that a page holds all of a publication.
pub const PAGE: usize = 2000;

const RAISE: &str = "UPDATE publications SET n = n + 1 WHERE id = 1";
const NUMBER: &str = "SELECT n FROM publications WHERE id = 1";
/// Parameters: issuer, certificate, above, edition.
const PUT_ISSUER: &str = "REPLACE INTO published_issuers (issuer, certificate, above, edition) VALUES (?, ?, ?, ?)";
const ISSUER: &str = "SELECT certificate, above FROM published_issuers WHERE issuer = ?";
/// Parameters: edition.
const ISSUERS: &str = "SELECT issuer, certificate, above, edition FROM published_issuers WHERE edition > ?";
/// Parameters: issuer.
const GREATEST: &str = "SELECT MAX(number) FROM published_lists WHERE issuer = ?";
/// Parameters: issuer, kind, number, thisUpdate, nextUpdate, edition.
const PUT_LIST: &str = "REPLACE INTO published_lists (issuer, kind, number, this_update, next_update, edition) \
    VALUES (?, ?, ?, ?, ?, ?)";
/// Parameters: issuer, kind.
const DROP_PARTS: &str = "DELETE FROM published_list_parts WHERE issuer = ? AND kind = ?";
/// Parameters: issuer, kind, part, content.
const PUT_PART: &str = "INSERT INTO published_list_parts (issuer, kind, part, content) VALUES (?, ?, ?, ?)";
/// One statement, so that a list and its parts are of one state. Parameters: issuer, kind.
const LIST: &str = "SELECT l.number, l.this_update, l.next_update, p.content FROM published_lists l \
    JOIN published_list_parts p ON p.issuer = l.issuer AND p.kind = l.kind \
    WHERE l.issuer = ? AND l.kind = ? ORDER BY p.part";
/// Parameters: edition.
const LISTS: &str = "SELECT issuer, kind FROM published_lists WHERE edition > ? AND kind <> 'base'";
/// What is on record and has no answer, or one that says another thing or is too old. Parameters: issuer, now, the
/// last thisUpdate that is too old, how many.
const DUE: &str = "SELECT c.serial, COALESCE(r.revoked_at, c.revoked_at), COALESCE(r.reason, c.reason) \
    FROM certificates c \
    LEFT JOIN revocations r ON r.issuer = c.issuer AND r.serial = c.serial \
    LEFT JOIN ocsp_answers o ON o.issuer = c.issuer AND o.serial = c.serial \
    WHERE c.issuer = ? AND c.not_after >= ? AND (o.serial IS NULL OR o.this_update <= ? \
    OR COALESCE(o.revoked_at, -1) <> COALESCE(r.revoked_at, c.revoked_at, -1) \
    OR COALESCE(o.reason, '') <> COALESCE(r.reason, c.reason, '')) LIMIT ?";
/// The same of what is revoked without being on record. Parameters: issuer, the last thisUpdate that is too old, how
/// many.
const DUE_UNRECORDED: &str = "SELECT r.serial, r.revoked_at, r.reason FROM revocations r \
    LEFT JOIN certificates c ON c.issuer = r.issuer AND c.serial = r.serial \
    LEFT JOIN ocsp_answers o ON o.issuer = r.issuer AND o.serial = r.serial \
    WHERE r.issuer = ? AND c.serial IS NULL AND (o.serial IS NULL OR o.this_update <= ? \
    OR COALESCE(o.revoked_at, -1) <> r.revoked_at OR COALESCE(o.reason, '') <> r.reason) LIMIT ?";
/// Parameters: fingerprint, certificate, notAfter.
const PUT_SIGNER: &str = "REPLACE INTO ocsp_signers (fingerprint, certificate, not_after) VALUES (?, ?, ?)";
const SIGNERS: &str = "SELECT fingerprint, certificate FROM ocsp_signers";
/// Parameters: issuer, serial, time, reason, thisUpdate, nextUpdate, signer, both answers, edition.
const PUT_ANSWER: &str = "REPLACE INTO ocsp_answers (issuer, serial, revoked_at, reason, this_update, next_update, \
    signer, by_sha1, by_sha256, edition) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
/// Parameters: edition, now, how many.
const ANSWERS: &str = "SELECT issuer, serial, this_update, next_update, signer, by_sha1, by_sha256, edition \
    FROM ocsp_answers WHERE edition > ? AND next_update >= ? ORDER BY edition LIMIT ?";
/// Parameters: until when.
const DROP_ANSWERS: &str = "DELETE FROM ocsp_answers WHERE next_update < ?";
/// Parameters: until when.
const DROP_SIGNERS: &str = "DELETE FROM ocsp_signers WHERE not_after < ?";

/// Which of an authority's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The newest whole list.
    Full,
    /// The newest delta list.
    Delta,
    /// The whole list that delta lists are made against.
    Base,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Delta => "delta",
            Self::Base => "base",
        }
    }
}

/// A signed list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredList {
    /// cRLNumber.
    pub number: u64,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Timestamp,
    /// The list in DER.
    pub der: Arc<[u8]>,
}

/// A published authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredIssuer {
    /// As [`CertificateKey::issuer`](crate::account::CertificateKey).
    pub issuer: [u8; 32],
    /// Its certificate in DER.
    pub certificate: Vec<u8>,
    /// The certificates above it in DER, one behind the other, the root's last.
    pub above: Vec<u8>,
}

/// What OCSP answers are signed with, and for how long they hold.
#[derive(Debug, Clone)]
pub struct Signing {
    /// As [`CertificateKey::issuer`](crate::account::CertificateKey).
    pub issuer: [u8; 32],
    /// The authority as questions name it.
    pub names: Issuer,
    /// Who signs.
    pub delegate: Arc<Delegate>,
    /// Now: their thisUpdate.
    pub now: Timestamp,
    /// How long they hold.
    pub validity: Duration,
    /// How old an answer may be before there is a newer one.
    pub every: Duration,
}

/// A signed answer, as the gate reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// Whose certificate it is about.
    pub issuer: [u8; 32],
    /// Its serial number, without leading zeros.
    pub serial: Vec<u8>,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Timestamp,
    /// The fingerprint of the certificate of who signed it.
    pub signer: [u8; 32],
    /// What was signed, for questions that hash with SHA-1.
    pub by_sha1: Vec<u8>,
    /// What was signed, for questions that hash with SHA-256.
    pub by_sha256: Vec<u8>,
    /// The number of its publication.
    pub edition: i64,
}

/// The work of a database came to nothing.
type Outcome<T> = Result<T, Fault>;

fn fault<T>(done: Result<T, Abort<Infallible>>) -> Outcome<T> {
    done.map_err(|abort| match abort {
        Abort::Fault(fault) => fault,
        Abort::Refused(never) => match never {},
    })
}

async fn raise(session: &mut dyn Session) -> Outcome<i64> {
    if session.execute(RAISE, Vec::new()).await? != 1 {
        return Err(no_counter());
    }
    newest(session).await
}

async fn newest(session: &mut dyn Session) -> Outcome<i64> {
    session.query(NUMBER, Vec::new()).await?.first().ok_or_else(no_counter)?.integer(0)
}

fn no_counter() -> Fault {
    Fault::Unexpected("publications has lost its row; the schema must be restored".to_owned())
}

/// Publishes an authority's certificate and those above it, unless they are published as they are.
///
/// # Errors
/// The fault of the database.
pub async fn put_issuer(database: &Database, issuer: StoredIssuer) -> Outcome<()> {
    let done = database.write(issuer, |session, issuer| {
        Box::pin(async move {
            let StoredIssuer { issuer, certificate, above } = issuer;
            let known = session.query(ISSUER, vec![Value::from(&issuer[..])]).await?;
            if let Some(row) = known.first()
                && row.blob(0)? == certificate.as_slice()
                && row.blob(1)? == above.as_slice()
            {
                return Ok(());
            }
            let edition = raise(session).await?;
            let values = [&issuer[..], certificate, above].map(Value::from);
            session.execute(PUT_ISSUER, values.into_iter().chain([Value::Integer(edition)]).collect()).await?;
            Ok(())
        })
    });
    fault(done.await)
}

/// Publishes lists of an authority that have one number, unless lists with a greater one are published already: says
/// whether it was done.
///
/// # Errors
/// The fault of the database.
pub async fn put_lists(database: &Database, issuer: [u8; 32], lists: Vec<(Kind, StoredList)>) -> Outcome<bool> {
    let done = database.write((issuer, lists), |session, (issuer, lists)| {
        Box::pin(async move {
            let edition = raise(session).await?;
            let of = || Value::from(&issuer[..]);
            let greatest = session.query(GREATEST, vec![of()]).await?;
            let greatest = match greatest.first().and_then(|row| row.value(0)) {
                Some(Value::Integer(number)) => u64::try_from(*number).ok(),
                _ => None,
            };
            if lists.iter().any(|(_, list)| greatest.is_some_and(|greatest| greatest >= list.number)) {
                return Ok(false);
            }
            for (kind, list) in lists {
                let kind = || Value::from(kind.as_str());
                let number = i64::try_from(list.number).unwrap_or(i64::MAX);
                let numbers = [number, list.this_update.as_unix(), list.next_update.as_unix(), edition];
                let values = [of(), kind()].into_iter().chain(numbers.map(Value::Integer));
                session.execute(PUT_LIST, values.collect()).await?;
                session.execute(DROP_PARTS, vec![of(), kind()]).await?;
                for (part, content) in list.der.chunks(PART).enumerate() {
                    let part = Value::Integer(i64::try_from(part).unwrap_or(i64::MAX));
                    session.execute(PUT_PART, vec![of(), kind(), part, Value::from(content)]).await?;
                }
            }
            Ok(true)
        })
    });
    fault(done.await)
}

/// One of an authority's lists, if it is published.
///
/// # Errors
/// The fault of the database.
pub async fn list(database: &Database, issuer: [u8; 32], kind: Kind) -> Outcome<Option<StoredList>> {
    let read = database.read_current((issuer, kind), |session, (issuer, kind)| {
        Box::pin(async move {
            let rows = session.query(LIST, vec![Value::from(&issuer[..]), Value::from(kind.as_str())]).await?;
            let Some(first) = rows.first() else { return Ok(None) };
            let mut der = Vec::new();
            for row in &rows {
                der.extend_from_slice(row.blob(3)?);
            }
            let number = u64::try_from(first.integer(0)?).unwrap_or_default();
            let [this_update, next_update] = [first.integer(1)?, first.integer(2)?].map(Timestamp::from_unix);
            Ok(Some(StoredList { number, this_update, next_update, der: der.into() }))
        })
    });
    fault(read.await)
}

/// Publishes the certificate of who signs OCSP answers, before the first of them.
///
/// # Errors
/// The fault of the database.
pub async fn put_signer(database: &Database, delegate: Arc<Delegate>) -> Outcome<()> {
    let done = database.write(delegate, |session, delegate| {
        Box::pin(async move {
            let certificate = delegate.certificate();
            let fingerprint = sha256(certificate);
            let values = vec![Value::from(&fingerprint[..]), Value::from(&certificate[..]), time(delegate.not_after())];
            session.execute(PUT_SIGNER, values).await?;
            Ok(())
        })
    });
    fault(done.await)
}

fn time(at: Timestamp) -> Value {
    Value::Integer(at.as_unix())
}

/// Why answers were not signed.
#[derive(Debug, thiserror::Error)]
pub enum AnswersError {
    /// The database.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The key of the delegate.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

/// Signs answers that are due, [`BATCH`] at most, and says how many they were. That it signs within the transaction is
/// why no answer is older than the state that it was made of; the delegate's key is in memory and takes microseconds.
///
/// # Errors
/// The fault of the database, or of the delegate's key.
pub async fn put_due_answers(database: &Database, signing: Signing) -> Result<usize, AnswersError> {
    let done: Result<usize, Abort<IssueError>> =
        database.write(signing, |session, signing| Box::pin(put_due(session, signing))).await;
    done.map_err(|abort| match abort {
        Abort::Fault(fault) => fault.into(),
        Abort::Refused(error) => error.into(),
    })
}

async fn put_due(session: &mut dyn Session, signing: &Signing) -> Result<usize, Abort<IssueError>> {
    let Signing { issuer, names, delegate, now, validity, every } = signing;
    let edition = raise(session).await?;
    let most = || Value::Integer(i64::try_from(BATCH).unwrap_or(i64::MAX));
    let of = || Value::from(&issuer[..]);
    let old = || time(now.minus(*every));
    let mut due = session.query(DUE, vec![of(), time(*now), old(), most()]).await?;
    if due.len() < BATCH {
        due.extend(session.query(DUE_UNRECORDED, vec![of(), old(), most()]).await?);
    }
    let next_update = now.plus(*validity).min(delegate.not_after());
    let signer = sha256(delegate.certificate());
    for row in &due {
        let status = status(row)?;
        let serial = row.blob(0)?.to_vec();
        let statement = [Statement { serial, status, this_update: *now, next_update }];
        let signed = |algorithm| sign(delegate, names, algorithm, &statement, *now).map_err(Abort::Refused);
        let (by_sha1, by_sha256) = (signed(HashAlgorithm::Sha1)?, signed(HashAlgorithm::Sha256)?);
        let said = |column| row.value(column).cloned().unwrap_or(Value::Null);
        let values = vec![
            of(),
            said(0),
            said(1),
            said(2),
            time(*now),
            time(next_update),
            Value::from(&signer[..]),
            Value::from(by_sha1.as_slice()),
            Value::from(by_sha256.as_slice()),
            Value::Integer(edition),
        ];
        session.execute(PUT_ANSWER, values).await?;
    }
    Ok(due.len())
}

/// What a row of [`DUE`] says of its certificate. A word that is no reason revokes all the same, without one.
fn status(row: &Row) -> Outcome<Status> {
    if matches!(row.value(1), Some(Value::Null)) {
        return Ok(Status::Good);
    }
    let at = Timestamp::from_unix(row.integer(1)?);
    let word = row.optional_text(2)?;
    let reason = (0..=10).filter_map(RevocationReason::from_code);
    let reason = reason.filter(|reason| *reason != RevocationReason::RemoveFromCrl);
    let reason = word.and_then(|word| reason.into_iter().find(|reason| reason.as_str() == word));
    Ok(Status::Revoked { at, reason })
}

/// Forgets what ran out before this time.
///
/// # Errors
/// The fault of the database.
pub async fn purge(database: &Database, before: Timestamp) -> Outcome<()> {
    let done = database.write(before, |session, before| {
        Box::pin(async move {
            raise(session).await?;
            session.execute(DROP_ANSWERS, vec![time(*before)]).await?;
            session.execute(DROP_SIGNERS, vec![time(*before)]).await?;
            Ok(())
        })
    });
    fault(done.await)
}

/// The number of the newest publication.
///
/// # Errors
/// The fault of the database.
pub async fn number(database: &Database) -> Outcome<i64> {
    fault(database.read_current((), |session, ()| Box::pin(async move { Ok(newest(session).await?) })).await)
}

/// The authorities that were published after this number.
///
/// # Errors
/// The fault of the database.
pub async fn issuers_since(database: &Database, edition: i64) -> Outcome<Vec<StoredIssuer>> {
    let read = database.read_current(edition, |session, edition| {
        Box::pin(async move {
            let rows = session.query(ISSUERS, vec![Value::Integer(*edition)]).await?;
            let issuer = |row: &Row| -> Outcome<StoredIssuer> {
                let (certificate, above) = (row.blob(1)?.to_vec(), row.blob(2)?.to_vec());
                Ok(StoredIssuer { issuer: hash(row, 0)?, certificate, above })
            };
            Ok(rows.iter().map(issuer).collect::<Result<Vec<_>, _>>()?)
        })
    });
    fault(read.await)
}

/// Which lists were published after this number.
///
/// # Errors
/// The fault of the database.
pub async fn lists_since(database: &Database, edition: i64) -> Outcome<Vec<([u8; 32], Kind)>> {
    let read = database.read_current(edition, |session, edition| {
        Box::pin(async move {
            let rows = session.query(LISTS, vec![Value::Integer(*edition)]).await?;
            let kind = |row: &Row| -> Outcome<([u8; 32], Kind)> {
                let kind = if row.text(1)? == Kind::Delta.as_str() { Kind::Delta } else { Kind::Full };
                Ok((hash(row, 0)?, kind))
            };
            Ok(rows.iter().map(kind).collect::<Result<Vec<_>, _>>()?)
        })
    });
    fault(read.await)
}

/// The certificates of those who sign OCSP answers, by their fingerprints.
///
/// # Errors
/// The fault of the database.
pub async fn signers(database: &Database) -> Outcome<BTreeMap<[u8; 32], Vec<u8>>> {
    let read = database.read_current((), |session, ()| {
        Box::pin(async move {
            let rows = session.query(SIGNERS, Vec::new()).await?;
            let signer = |row: &Row| -> Outcome<([u8; 32], Vec<u8>)> { Ok((hash(row, 0)?, row.blob(1)?.to_vec())) };
            Ok(rows.iter().map(signer).collect::<Result<BTreeMap<_, _>, _>>()?)
        })
    });
    fault(read.await)
}

/// The answers that were published after this number and hold now, in the order of their publications, [`PAGE`] at
/// most. Of a full page the last publication may be cut off.
///
/// # Errors
/// The fault of the database.
pub async fn answers_since(database: &Database, edition: i64, now: Timestamp) -> Outcome<Vec<StoredAnswer>> {
    let read = database.read_current((edition, now), |session, (edition, now)| {
        Box::pin(async move {
            let most = Value::Integer(i64::try_from(PAGE).unwrap_or(i64::MAX));
            let rows = session.query(ANSWERS, vec![Value::Integer(*edition), time(*now), most]).await?;
            Ok(rows.iter().map(answer).collect::<Result<Vec<_>, _>>()?)
        })
    });
    fault(read.await)
}

fn answer(row: &Row) -> Outcome<StoredAnswer> {
    Ok(StoredAnswer {
        issuer: hash(row, 0)?,
        serial: row.blob(1)?.to_vec(),
        this_update: Timestamp::from_unix(row.integer(2)?),
        next_update: Timestamp::from_unix(row.integer(3)?),
        signer: hash(row, 4)?,
        by_sha1: row.blob(5)?.to_vec(),
        by_sha256: row.blob(6)?.to_vec(),
        edition: row.integer(7)?,
    })
}

fn hash(row: &Row, column: usize) -> Outcome<[u8; 32]> {
    let octets = row.blob(column)?;
    octets.try_into().map_err(|_| Fault::Unexpected(format!("column {column} of the answer is no SHA-256")))
}
