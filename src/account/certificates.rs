//! What is written of certificates beside accounts: that one was issued, that one is revoked, and that one is
//! removed from hold. Each is a piece of a transaction, once for both dialects, for whoever writes: the store of
//! accounts, when an account goes, and the authority's register (`ca::register`), which asks the same tables.

use super::sql::statements::present;
use super::{CertificateKey, IssuedCertificate};
use crate::base::clock::Timestamp;
use crate::store::changes::{self, Kind};
use crate::store::rows::Many;
use crate::store::{Fault, Row, Session, Value};
use std::collections::HashSet;

/// The reason of a certificate that is only on hold (RFC 5280, section 5.3.1): the one reason that can be taken
/// back.
pub const HOLD: &str = "certificateHold";

/// Reasons that weigh more than any other: what was signed before may be forged, too.
const COMPROMISES: [&str; 3] = ["keyCompromise", "cACompromise", "aACompromise"];

/// Rows: issuer, serial, issuer name, user name, subject, notBefore, notAfter, fingerprint, profile.
static INSERT_CERTIFICATES: Many = Many::insert(
    "INSERT INTO certificates (issuer, serial, issuer_name, username, subject, not_before, not_after, fingerprint, \
     profile) VALUES ",
    "(?, ?, ?, ?, ?, ?, ?, ?, ?)",
);
/// Rows: issuer, serial, SHA-256 of the SubjectPublicKeyInfo, the certificate.
static INSERT_CONTENTS: Many =
    Many::insert("INSERT INTO certificate_contents (issuer, serial, spki, der) VALUES ", "(?, ?, ?, ?)");
/// Columns: the user name.
static USERNAMES: Many =
    Many::among("SELECT a.username FROM accounts a WHERE a.username IN (", concat!(") AND ", present!()));
/// Parameters: issuer and serial, twice. Columns: which table it is from, time, reason.
const STANDING: &str = "SELECT 0, revoked_at, reason FROM revocations WHERE issuer = ? AND serial = ? \
    UNION ALL SELECT 1, revoked_at, reason FROM certificates \
    WHERE issuer = ? AND serial = ? AND revoked_at IS NOT NULL";
/// Parameters: time, reason, issuer, serial.
const MARK: &str = "UPDATE certificates SET revoked_at = ?, reason = ? WHERE issuer = ? AND serial = ?";
/// Parameters: time, reason, issuer, serial.
const CHANGE: &str = "UPDATE revocations SET revoked_at = ?, reason = ? WHERE issuer = ? AND serial = ?";
/// Parameters: issuer, serial, time, reason.
const INSERT: &str = "INSERT INTO revocations (issuer, serial, revoked_at, reason) VALUES (?, ?, ?, ?)";
/// Parameters: issuer, serial.
const DELETE: &str = "DELETE FROM revocations WHERE issuer = ? AND serial = ?";
/// Parameters: issuer, serial.
const CLEAR: &str = "UPDATE certificates SET revoked_at = NULL, reason = NULL WHERE issuer = ? AND serial = ?";
/// Parameters: number, issuer, serial, time, reason.
const LOG: &str = "INSERT INTO revocation_log (n, issuer, serial, at, reason) VALUES (?, ?, ?, ?, ?)";

/// A certificate to be recorded, with its octets if they are to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What stands in the record.
    pub certificate: IssuedCertificate,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub spki: Option<[u8; 32]>,
    /// The certificate in DER.
    pub der: Option<Vec<u8>>,
}

/// Since when a certificate is revoked, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Since when.
    pub at: Timestamp,
    /// Why: of those that this program writes, a CRLReason as RFC 5280, section 5.3.1, writes it.
    pub reason: String,
}

/// What a revocation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// It is revoked now.
    Now,
    /// It was before, and keeps its time; its reason has changed, from this one.
    ReasonChanged(Revocation),
    /// It was before, and nothing has changed.
    Before(Revocation),
}

/// What a removal from hold came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Released {
    /// It counts again; this was the hold.
    Now(Revocation),
    /// It was not revoked.
    NotRevoked,
    /// It is revoked for good.
    Final(Revocation),
}

/// Records certificates, in a transaction that has taken its number of the feed. A serial number or a fingerprint
/// that is on record already is a [`Fault::Duplicate`].
///
/// # Errors
/// The fault of the database.
pub async fn insert(session: &mut dyn Session, entries: &[&Entry]) -> Result<(), Fault> {
    let records = entries.iter().flat_map(|entry| {
        let certificate = &entry.certificate;
        let [issuer, serial] = key(&certificate.key);
        [
            issuer,
            serial,
            Value::from(certificate.issuer_name.as_str()),
            Value::from(certificate.username.as_deref()),
            Value::from(certificate.subject.as_str()),
            Value::Integer(certificate.not_before.as_unix()),
            Value::Integer(certificate.not_after.as_unix()),
            Value::from(certificate.fingerprint.as_slice()),
            Value::from(certificate.profile.as_str()),
        ]
    });
    INSERT_CERTIFICATES.run(session, 9, records.collect()).await?;
    let contents = entries.iter().flat_map(|entry| {
        let [issuer, serial] = key(&entry.certificate.key);
        let octets = |octets: Option<&[u8]>| octets.map_or(Value::Null, Value::from);
        [issuer, serial, octets(entry.spki.as_ref().map(<[u8; 32]>::as_slice)), octets(entry.der.as_deref())]
    });
    INSERT_CONTENTS.run(session, 4, contents.collect()).await
}

/// Which of these user names are accounts', compared octet by octet.
///
/// # Errors
/// The fault of the database.
pub async fn existing(session: &mut dyn Session, usernames: &[&str]) -> Result<HashSet<String>, Fault> {
    let asked: Vec<Value> = usernames.iter().map(|name| Value::from(*name)).collect();
    let found = USERNAMES.query(session, &asked).await?;
    // What a database takes for the same may be written otherwise.
    let found = found.iter().map(|row| row.text(0)).collect::<Result<HashSet<_>, _>>()?;
    Ok(usernames.iter().filter(|name| found.contains(**name)).map(|name| (*name).to_owned()).collect())
}

/// Revokes a certificate of any issuer. One that is revoked already keeps its time; its reason changes if it was on
/// hold, or if it is a compromise now and was none before.
///
/// # Errors
/// The fault of the database.
pub async fn revoke(session: &mut dyn Session, of: &CertificateKey, as_of: &Revocation) -> Result<Revoked, Fault> {
    let number = changes::record(session, Kind::Revocation, &of.name()).await?;
    let (standing, listed) = standing(session, of).await?;
    let (outcome, revocation) = match standing {
        None => (Revoked::Now, as_of.clone()),
        Some(before) if weighs_more(&as_of.reason, &before.reason) => {
            let now = Revocation { at: before.at, reason: as_of.reason.clone() };
            (Revoked::ReasonChanged(before), now)
        }
        Some(before) => (Revoked::Before(before.clone()), before),
    };
    let [issuer, serial] = key(of);
    let (at, reason) = (Value::Integer(revocation.at.as_unix()), Value::from(revocation.reason.as_str()));
    let is_new = !matches!(outcome, Revoked::Before(_));
    if !listed {
        let row = vec![issuer.clone(), serial.clone(), at.clone(), reason.clone()];
        session.execute(INSERT, row).await?;
    } else if is_new {
        session.execute(CHANGE, vec![at.clone(), reason.clone(), issuer.clone(), serial.clone()]).await?;
    }
    session.execute(MARK, vec![at.clone(), reason.clone(), issuer.clone(), serial.clone()]).await?;
    if is_new {
        session.execute(LOG, vec![Value::Integer(number), issuer, serial, at, reason]).await?;
    }
    Ok(outcome)
}

/// Removes a certificate from hold, from `at` on.
///
/// # Errors
/// The fault of the database.
pub async fn release(session: &mut dyn Session, of: &CertificateKey, at: Timestamp) -> Result<Released, Fault> {
    let number = changes::record(session, Kind::Revocation, &of.name()).await?;
    let hold = match standing(session, of).await?.0 {
        None => return Ok(Released::NotRevoked),
        Some(revocation) if revocation.reason != HOLD => return Ok(Released::Final(revocation)),
        Some(hold) => hold,
    };
    session.execute(DELETE, key(of).to_vec()).await?;
    session.execute(CLEAR, key(of).to_vec()).await?;
    let [issuer, serial] = key(of);
    let row = vec![Value::Integer(number), issuer, serial, Value::Integer(at.as_unix()), Value::Null];
    session.execute(LOG, row).await?;
    Ok(Released::Now(hold))
}

/// How a certificate stands by both tables, and whether it is among the revocations. The earliest time counts, and a
/// hold only if no table knows more.
async fn standing(session: &mut dyn Session, of: &CertificateKey) -> Result<(Option<Revocation>, bool), Fault> {
    let [issuer, serial] = key(of);
    let rows = session.query(STANDING, vec![issuer.clone(), serial.clone(), issuer, serial]).await?;
    let mut found: Option<Revocation> = None;
    let mut listed = false;
    for row in &rows {
        listed |= row.integer(0)? == 0;
        let at = Timestamp::from_unix(row.integer(1)?);
        let reason = row.optional_text(2)?.unwrap_or_else(|| "unspecified".to_owned());
        found = Some(match found {
            None => Revocation { at, reason },
            Some(other) => {
                let reason = if other.reason == HOLD { reason } else { other.reason };
                Revocation { at: at.min(other.at), reason }
            }
        });
    }
    Ok((found, listed))
}

fn weighs_more(reason: &str, before: &str) -> bool {
    let is_compromise = |reason| COMPROMISES.contains(&reason);
    (before == HOLD && reason != HOLD) || (is_compromise(reason) && !is_compromise(before))
}

/// The columns of [`IssuedCertificate`], in the order in which [`certificate`] reads them.
macro_rules! certificate_columns {
    () => {
        "c.issuer, c.serial, c.issuer_name, c.username, c.subject, c.not_before, c.not_after, c.fingerprint, c.profile"
    };
}
pub(crate) use certificate_columns;

/// The certificate that a row begins with whose first columns are `certificate_columns`.
///
/// # Errors
/// [`Fault::Unexpected`] when the row is another.
pub fn certificate(row: &Row) -> Result<IssuedCertificate, Fault> {
    Ok(IssuedCertificate {
        key: CertificateKey { issuer: hash(row, 0)?, serial: row.blob(1)?.to_vec() },
        issuer_name: row.text(2)?,
        username: row.optional_text(3)?,
        subject: row.text(4)?,
        not_before: Timestamp::from_unix(row.integer(5)?),
        not_after: Timestamp::from_unix(row.integer(6)?),
        fingerprint: hash(row, 7)?,
        profile: row.text(8)?,
    })
}

/// A column of 32 octets.
///
/// # Errors
/// [`Fault::Unexpected`] when it is anything else.
pub fn hash(row: &Row, column: usize) -> Result<[u8; 32], Fault> {
    let octets = row.blob(column)?;
    octets.try_into().map_err(|_| Fault::Unexpected(format!("column {column} of the answer is not 32 octets")))
}

/// Issuer and serial, as they are bound.
#[must_use]
pub fn key(key: &CertificateKey) -> [Value; 2] {
    [Value::from(key.issuer.as_slice()), Value::from(key.serial.as_slice())]
}
