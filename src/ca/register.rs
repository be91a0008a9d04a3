//! What the authority has issued and revoked, in the database. Every certificate is on record before it leaves the
//! machine; every revocation, and every removal from hold, takes a number of the feed of changes, so that each node
//! knows of it at once. The numbers of revocation lists come from here as well, together with the revocations that such
//! a list must hold.
//!
//! Who writes takes the number of the feed first (`store::changes`), which lets one writer in at a time, on one server
//! or on a cluster: what is checked before a certificate is recorded (the account, the key, the older certificates)
//! still holds when it is. What a certificate says is `issue`'s business, and making lists is `crl`'s.

mod reason;
mod record;
mod editions;

pub use crate::account::certificates::{Entry, Released, Revocation, Revoked};
pub use editions::{Edition, Listed, Standing};
pub use reason::{NotAReason, Reason};
pub use record::{Recorded, Refused, Replace, Replaced};

use crate::account::certificates::{self, certificate, certificate_columns};
use crate::account::{CertificateKey, IssuedCertificate, RegistryError, Unavailable, names};
use crate::base::clock::Timestamp;
use crate::store::{Abort, Database, Fault, Row, Session, Value};
use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The most certificates that one page of a list holds.
const LARGEST_PAGE: u32 = 1000;

/// The columns of an [`OnRecord`].
macro_rules! on_record {
    ($rest:expr) => {
        concat!("SELECT ", certificate_columns!(), ", c.revoked_at, c.reason FROM certificates c ", $rest)
    };
}

/// Parameters: issuer, serial.
const BY_KEY: &str = on_record!("WHERE c.issuer = ? AND c.serial = ?");
/// Parameters: the serial.
const BY_SERIAL: &str =
    on_record!("JOIN certificate_contents k ON k.issuer = c.issuer AND k.serial = c.serial WHERE k.serial = ?");
/// Parameters: SHA-256 of the certificate.
const BY_FINGERPRINT: &str = on_record!("WHERE c.fingerprint = ?");
/// Parameters: SHA-256 of the SubjectPublicKeyInfo.
const BY_SPKI: &str =
    on_record!("JOIN certificate_contents k ON k.issuer = c.issuer AND k.serial = c.serial WHERE k.spki = ?");
/// Parameters: the first and the last notAfter; of the certificate that the page before ended with the issuer twice and
/// the serial; how many.
const PAGE: &str = on_record!(
    "WHERE c.not_after >= ? AND c.not_after <= ? AND (c.issuer > ? OR (c.issuer = ? AND c.serial > ?)) \
     ORDER BY c.issuer, c.serial LIMIT ?"
);
/// The same of one account; its user name comes first.
const PAGE_OF: &str = on_record!(
    "WHERE c.username = ? AND c.not_after >= ? AND c.not_after <= ? \
     AND (c.issuer > ? OR (c.issuer = ? AND c.serial > ?)) ORDER BY c.issuer, c.serial LIMIT ?"
);
/// Parameters: issuer, serial. Columns: the certificate in DER.
const CONTENTS: &str = "SELECT der FROM certificate_contents WHERE issuer = ? AND serial = ?";

/// The register of one or several authorities in one database. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Register {
    database: Database,
    /// The profiles whose certificates are published in a directory.
    published: Arc<[String]>,
}

/// A certificate that was issued, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnRecord {
    /// What stands in the record.
    pub certificate: IssuedCertificate,
    /// If it is revoked or on hold: since when, and why.
    pub revoked: Option<Revocation>,
}

/// How a certificate is named by whoever looks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// By issuer and serial number: one at most.
    Key(CertificateKey),
    /// By its serial number without leading zeros. Two issuers may have given the same.
    Serial(Vec<u8>),
    /// By the SHA-256 of its DER: one at most.
    Fingerprint([u8; 32]),
    /// By the SHA-256 of its SubjectPublicKeyInfo: all that certify this key.
    Spki([u8; 32]),
}

/// Which certificates a list holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Of this account alone.
    pub username: Option<String>,
    /// Those whose last second of validity lies in this range.
    pub not_after: RangeInclusive<Timestamp>,
    /// Those that come after this one in the order of issuer and serial number: the last of the page before.
    pub after: Option<CertificateKey>,
    /// How many at most; no more than 1000 are returned at once.
    pub limit: u32,
}

impl Listing {
    /// All that there are, from the first page on.
    #[must_use]
    pub fn all() -> Self {
        let not_after = Timestamp::from_unix(i64::MIN)..=Timestamp::from_unix(i64::MAX);
        Self { username: None, not_after, after: None, limit: LARGEST_PAGE }
    }

    /// All that were issued to an account, from the first page on.
    #[must_use]
    pub fn of(username: &str) -> Self {
        Self { username: Some(username.to_owned()), ..Self::all() }
    }
}

/// The register did not do what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegisterError {
    /// No answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A value that cannot be stored.
    #[error(transparent)]
    Unacceptable(#[from] RegistryError),
    /// A certificate cannot be recorded, and must not be handed out.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A certificate that is not revoked cannot be removed from hold.
    #[error("the certificate with the serial number {0} is not revoked, so it is not on hold either")]
    NotRevoked(String),
    /// A certificate that is revoked for good cannot be removed from hold.
    #[error("the certificate with the serial number {serial} is revoked for good since {at} ({reason})")]
    Final {
        /// The serial number in hexadecimal.
        serial: String,
        /// Since when.
        at: Timestamp,
        /// Why.
        reason: String,
    },
}

impl Register {
    /// Over a database that has this program's schema.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, published: Arc::default() }
    }

    /// The same, where certificates of accounts by these profiles are published in an LDAP directory.
    #[must_use]
    pub fn publishing(self, profiles: &[String]) -> Self {
        Self { published: profiles.into(), ..self }
    }

    /// What a question finds, by the word of a server that takes writes.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(&self, question: &Question) -> Result<Vec<OnRecord>, RegisterError> {
        let asked = question.clone();
        let found = self.database.read_current(asked, |session, asked| Box::pin(find(session, asked))).await;
        self.answer("looking up a certificate", found)
    }

    /// One page of a list, in the order of issuer and serial number. There are more if it is full.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self, listing: &Listing) -> Result<Vec<OnRecord>, RegisterError> {
        let asked = listing.clone();
        let found = self.database.read_current(asked, |session, asked| Box::pin(list(session, asked))).await;
        self.answer("listing certificates", found)
    }

    /// All pages of a list from its beginning on, in memory.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_all(&self, listing: &Listing) -> Result<Vec<OnRecord>, RegisterError> {
        let mut page = Listing { limit: LARGEST_PAGE, ..listing.clone() };
        let mut all = Vec::new();
        loop {
            let found = self.list(&page).await?;
            let is_last = found.len() < usize::try_from(LARGEST_PAGE).unwrap_or(usize::MAX);
            page.after = found.last().map(|last| last.certificate.key.clone());
            all.extend(found);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// The certificate itself in DER; `None` if it is not on record, or by its particulars alone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn contents(&self, key: &CertificateKey) -> Result<Option<Vec<u8>>, RegisterError> {
        let asked = key.clone();
        let found = self.database.read_current(asked, |session, asked| Box::pin(contents(session, asked))).await;
        self.answer("reading a certificate", found)
    }

    /// Revokes a certificate of any issuer, on record or not, from `at` on; [`Reason::CertificateHold`] puts it on
    /// hold. What is revoked keeps its time. A hold becomes final by any other reason, and any other reason gives way
    /// to a compromise.
    ///
    /// # Errors
    /// When the database does not answer, or the serial number cannot be stored.
    pub async fn revoke(&self, key: &CertificateKey, at: Timestamp, reason: Reason) -> Result<Revoked, RegisterError> {
        names::key(key)?;
        let asked = (key.clone(), Revocation { at, reason: reason.as_str().to_owned() });
        let done = self.database.write(asked, |session, (key, revocation)| {
            Box::pin(async move { Ok(certificates::revoke(session, key, revocation).await?) })
        });
        self.answer("revoking a certificate", done.await)
    }

    /// Removes a certificate from hold: it counts again. `at` is when, for lists that tell of it.
    ///
    /// # Errors
    /// When the database does not answer, or the certificate is not on hold.
    pub async fn release(&self, key: &CertificateKey, at: Timestamp) -> Result<Revocation, RegisterError> {
        names::key(key)?;
        let asked = (key.clone(), at);
        // An attempt that changes nothing is undone, its number in the feed included.
        let done: Result<Revocation, Abort<Released>> = self
            .database
            .write(asked, |session, (key, at)| {
                Box::pin(async move {
                    match certificates::release(session, key, *at).await? {
                        Released::Now(hold) => Ok(hold),
                        other => Err(Abort::Refused(other)),
                    }
                })
            })
            .await;
        let serial = || crate::base::hex::encode(&key.serial);
        done.map_err(|abort| match abort {
            Abort::Fault(fault) => self.unavailable("removing a certificate from hold", &fault),
            Abort::Refused(Released::Final(revocation) | Released::Now(revocation)) => {
                RegisterError::Final { serial: serial(), at: revocation.at, reason: revocation.reason }
            }
            Abort::Refused(Released::NotRevoked) => RegisterError::NotRevoked(serial()),
        })
    }

    fn unavailable(&self, what: &'static str, fault: &Fault) -> RegisterError {
        Unavailable { what, store: self.database.name().to_owned(), why: fault.to_string() }.into()
    }

    fn answer<T>(&self, what: &'static str, done: Result<T, Abort<Infallible>>) -> Result<T, RegisterError> {
        done.map_err(|abort| match abort {
            Abort::Fault(fault) => self.unavailable(what, &fault),
            Abort::Refused(never) => match never {},
        })
    }
}

async fn find(session: &mut dyn Session, question: &Question) -> Result<Vec<OnRecord>, Abort<Infallible>> {
    let (sql, values) = match question {
        Question::Key(key) => (BY_KEY, certificates::key(key).to_vec()),
        Question::Serial(serial) => (BY_SERIAL, vec![Value::from(serial.as_slice())]),
        Question::Fingerprint(hash) => (BY_FINGERPRINT, vec![Value::from(hash.as_slice())]),
        Question::Spki(hash) => (BY_SPKI, vec![Value::from(hash.as_slice())]),
    };
    Ok(session.query(sql, values).await?.iter().map(on_record).collect::<Result<_, _>>()?)
}

async fn list(session: &mut dyn Session, listing: &Listing) -> Result<Vec<OnRecord>, Abort<Infallible>> {
    let (issuer, serial) = match &listing.after {
        Some(key) => (key.issuer.as_slice(), key.serial.as_slice()),
        None => ([].as_slice(), [].as_slice()),
    };
    let page = [
        Value::Integer(listing.not_after.start().as_unix()),
        Value::Integer(listing.not_after.end().as_unix()),
        Value::from(issuer),
        Value::from(issuer),
        Value::from(serial),
        Value::Integer(listing.limit.min(LARGEST_PAGE).into()),
    ];
    let rows = match &listing.username {
        None => session.query(PAGE, page.to_vec()).await?,
        Some(name) if !names::is_plausible(name) => Vec::new(),
        Some(name) => {
            let of_name = std::iter::once(Value::from(name.as_str())).chain(page).collect();
            session.query(PAGE_OF, of_name).await?
        }
    };
    let mut found = rows.iter().map(on_record).collect::<Result<Vec<_>, _>>()?;
    // A collation may have made one of two names.
    found.retain(|found| listing.username.is_none() || found.certificate.username == listing.username);
    Ok(found)
}

async fn contents(session: &mut dyn Session, key: &CertificateKey) -> Result<Option<Vec<u8>>, Abort<Infallible>> {
    let rows = session.query(CONTENTS, certificates::key(key).to_vec()).await?;
    match rows.first().map(|row| row.value(0)) {
        None | Some(Some(Value::Null)) => Ok(None),
        Some(_) => Ok(rows.first().map(|row| row.blob(0).map(<[u8]>::to_vec)).transpose()?),
    }
}

fn on_record(row: &Row) -> Result<OnRecord, Fault> {
    let revoked = match row.value(9) {
        Some(Value::Null) => None,
        _ => Some(Revocation {
            at: Timestamp::from_unix(row.integer(9)?),
            reason: row.optional_text(10)?.unwrap_or_else(|| Reason::Unspecified.as_str().to_owned()),
        }),
    };
    Ok(OnRecord { certificate: certificate(row)?, revoked })
}
