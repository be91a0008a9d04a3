//! The numbers of revocation lists (RFC 5280, section 5.2.3) and what each list must hold.
//!
//! Whoever makes a list raises the issuer's number and reads the revocations in one transaction. The row of the number
//! lets one in at a time, on one server by its lock, on a cluster because two that raised it at once collide and one
//! begins again; so a list with a greater number has seen all that one with a smaller number has.

use super::{Reason, Register, RegisterError};
use crate::account::certificates::hash;
use crate::base::clock::Timestamp;
use crate::store::{Abort, Fault, Row, Session, Value, changes};
use std::collections::BTreeMap;
use std::convert::Infallible;

/// Parameters: the issuer.
const RAISE: &str = "UPDATE crl_numbers SET number = number + 1 WHERE issuer = ?";
/// Parameters: the least number, the issuer, the same number.
const RAISE_TO: &str = "UPDATE crl_numbers SET number = ? WHERE issuer = ? AND number < ?";
/// Parameters: the issuer, the number.
const FIRST: &str = "INSERT INTO crl_numbers (issuer, number) VALUES (?, ?)";
/// Parameters: the issuer.
const NUMBER: &str = "SELECT number FROM crl_numbers WHERE issuer = ?";
/// Parameters: the issuer. Columns: serial, time, reason, notAfter if the certificate is on record.
const REVOKED: &str = "SELECT r.serial, r.revoked_at, r.reason, c.not_after FROM revocations r \
    LEFT JOIN certificates c ON c.issuer = r.issuer AND c.serial = r.serial WHERE r.issuer = ?";
/// What is marked as revoked in the record alone. Parameters: the issuer. Columns as above.
const MARKED: &str = "SELECT c.serial, c.revoked_at, c.reason, c.not_after FROM certificates c \
    WHERE c.issuer = ? AND c.revoked_at IS NOT NULL";
/// Parameters: the issuer, the number of the feed. Columns: number, serial, time, reason (NULL: removed from hold).
const SINCE: &str =
    "SELECT l.n, l.serial, l.at, l.reason FROM revocation_log l WHERE l.issuer = ? AND l.n > ? ORDER BY l.n";
/// Columns: the issuer.
const ISSUERS: &str = "SELECT DISTINCT issuer FROM certificates";

/// What goes into a list: its number, and all that it must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    /// Greater than that of every list of this issuer before, full or delta (they share the numbers).
    pub number: u64,
    /// The number of the feed of changes up to which every revocation is in it.
    pub covers: i64,
    /// What it lists, by serial numbers.
    pub listed: Vec<Listed>,
}

/// One certificate in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The serial number's octets, big-endian, without leading zeros.
    pub serial: Vec<u8>,
    /// Since when it stands as it does.
    pub at: Timestamp,
    /// How it stands.
    pub standing: Standing,
    /// The last second in which it is valid, if it is on record.
    pub not_after: Option<Timestamp>,
}

/// How a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is revoked or on hold.
    Revoked(Reason),
    /// It was removed from hold: `removeFromCRL` in a delta list, and in no other.
    Released,
}

impl Register {
    /// The next number of an issuer's lists, and all of its certificates that are revoked now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_edition(&self, issuer: &[u8; 32]) -> Result<Edition, RegisterError> {
        let done = self.database.write(*issuer, |session, issuer| Box::pin(full(session, issuer))).await;
        self.answer("taking the number of a revocation list", done)
    }

    /// The next number, and what has changed since a list that covers the feed up to this number.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_delta(&self, issuer: &[u8; 32], covered: i64) -> Result<Edition, RegisterError> {
        let asked = (*issuer, covered);
        let done = self.database.write(asked, |session, asked| Box::pin(delta(session, asked))).await;
        self.answer("taking the number of a revocation list", done)
    }

    /// Has the numbers of an issuer's lists go on above this one, if they have not got there: after an import.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn raise_number(&self, issuer: &[u8; 32], to: u64) -> Result<(), RegisterError> {
        let asked = (*issuer, i64::try_from(to).unwrap_or(i64::MAX));
        let done = self.database.write(asked, |session, (issuer, to)| {
            Box::pin(async move {
                let (issuer, to) = (Value::from(&issuer[..]), Value::Integer(*to));
                let known = !session.query(NUMBER, vec![issuer.clone()]).await?.is_empty();
                if known {
                    session.execute(RAISE_TO, vec![to.clone(), issuer, to]).await?;
                } else {
                    first(session, issuer, to).await?;
                }
                Ok(())
            })
        });
        self.answer("setting the number of a revocation list", done.await)
    }

    /// The issuers that certificates are on record of, as [`CertificateKey::issuer`](crate::account::CertificateKey).
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn issuers(&self) -> Result<Vec<[u8; 32]>, RegisterError> {
        let found = self.database.read_current((), |session, ()| {
            Box::pin(async move {
                let rows = session.query(ISSUERS, Vec::new()).await?;
                Ok(rows.iter().map(|row| hash(row, 0)).collect::<Result<Vec<_>, _>>()?)
            })
        });
        self.answer("listing issuers", found.await)
    }
}

async fn full(session: &mut dyn Session, issuer: &[u8; 32]) -> Result<Edition, Abort<Infallible>> {
    let number = raise(session, issuer).await?;
    let covers = changes::newest(session).await?;
    let mut listed = BTreeMap::new();
    for sql in [MARKED, REVOKED] {
        for row in session.query(sql, vec![Value::from(&issuer[..])]).await? {
            let found = entry(&row)?;
            listed
                .entry(found.serial.clone())
                .and_modify(|known: &mut Listed| known.at = known.at.min(found.at))
                .or_insert(found);
        }
    }
    Ok(Edition { number, covers, listed: listed.into_values().collect() })
}

async fn delta(session: &mut dyn Session, (issuer, covered): &([u8; 32], i64)) -> Result<Edition, Abort<Infallible>> {
    let number = raise(session, issuer).await?;
    let covers = changes::newest(session).await?;
    let mut listed = BTreeMap::new();
    for row in session.query(SINCE, vec![Value::from(&issuer[..]), Value::Integer(*covered)]).await? {
        let serial = row.blob(1)?.to_vec();
        let standing = match row.optional_text(3)? {
            Some(reason) => Standing::Revoked(Reason::of_record(&reason)),
            None => Standing::Released,
        };
        let at = Timestamp::from_unix(row.integer(2)?);
        listed.insert(serial.clone(), Listed { serial, at, standing, not_after: None });
    }
    Ok(Edition { number, covers, listed: listed.into_values().collect() })
}

/// Takes the next number. It is done first: the row is where two that make lists at once wait or collide.
async fn raise(session: &mut dyn Session, issuer: &[u8; 32]) -> Result<u64, Fault> {
    let issuer = Value::from(&issuer[..]);
    if session.execute(RAISE, vec![issuer.clone()]).await? == 0 {
        first(session, issuer.clone(), Value::Integer(1)).await?;
    }
    let rows = session.query(NUMBER, vec![issuer]).await?;
    let number = rows.first().map_or(Ok(0), |row| row.integer(0))?;
    u64::try_from(number).map_err(|_| Fault::Unexpected("the number of a revocation list is negative".to_owned()))
}

async fn first(session: &mut dyn Session, issuer: Value, number: Value) -> Result<(), Fault> {
    match session.execute(FIRST, vec![issuer, number]).await {
        // Somebody else was first in the meantime: begin again, after them.
        Err(Fault::Duplicate(why)) => Err(Fault::Conflict(why)),
        done => done.map(|_| ()),
    }
}

fn entry(row: &Row) -> Result<Listed, Fault> {
    let reason = row.optional_text(2)?.map_or(Reason::Unspecified, |reason| Reason::of_record(&reason));
    let not_after = match row.value(3) {
        Some(Value::Null) => None,
        _ => Some(Timestamp::from_unix(row.integer(3)?)),
    };
    Ok(Listed {
        serial: row.blob(0)?.to_vec(),
        at: Timestamp::from_unix(row.integer(1)?),
        standing: Standing::Revoked(reason),
        not_after,
    })
}
