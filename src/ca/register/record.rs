//! Recording what was issued: many certificates in one transaction, each with its own outcome.

use super::{Entry, Reason, Register, RegisterError, Revocation};
use crate::account::certificates::{self, certificate, certificate_columns, hash};
use crate::account::{CertificateKey, IssuedCertificate, names};
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::ca::ldap;
use crate::store::changes::{self, Kind};
use crate::store::rows::Many;
use crate::store::{Abort, Fault, Session, Value};
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;

/// Columns: the fingerprint, issuer, serial.
static RECORDED: Many = Many::among("SELECT fingerprint, issuer, serial FROM certificates WHERE fingerprint IN (", ")");
/// Columns: SHA-256 of the SubjectPublicKeyInfo, the user name, the serial.
static CERTIFIED: Many = Many::among(
    "SELECT k.spki, c.username, c.serial FROM certificate_contents k \
     JOIN certificates c ON c.issuer = k.issuer AND c.serial = k.serial WHERE k.spki IN (",
    ")",
);
/// What accounts have that is not revoked.
static UNREVOKED: Many = Many::among(
    concat!("SELECT ", certificate_columns!(), " FROM certificates c WHERE c.username IN ("),
    ") AND c.revoked_at IS NULL",
);

/// What becomes of the older certificates of an account when it gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replace {
    /// Nothing: it has several.
    #[default]
    None,
    /// Those of the same profile are revoked as superseded.
    SameProfile,
    /// All are revoked as superseded.
    All,
}

/// What became of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It is on record now, and these were revoked in its favour.
    Now(Vec<CertificateKey>),
    /// It had been recorded before, in these very octets.
    Before,
}

/// A certificate that is to be revoked in favour of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The new one.
    pub by: CertificateKey,
    /// The older one.
    pub key: CertificateKey,
}

/// A certificate cannot be recorded, and must not be handed out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such account, or not any more.
    #[error("there is no account {0:?}")]
    NoSuchAccount(String),
    /// Its key stands in a certificate of somebody else.
    #[error("the key is certified already, for {whom}, by the certificate with the serial number {serial}")]
    KeyCertified {
        /// `the account "ben"`, `no account`.
        whom: String,
        /// The serial number of that certificate in hexadecimal.
        serial: String,
    },
    /// Another certificate has this issuer and serial number.
    #[error("another certificate with the serial number {0} is on record already")]
    SerialTaken(String),
}

struct Batch {
    entries: Vec<Entry>,
    replace: Replace,
    at: Timestamp,
    published: Arc<[String]>,
}

/// What is on record of the keys and accounts of a batch.
struct Known {
    accounts: HashSet<String>,
    recorded: HashMap<[u8; 32], CertificateKey>,
    /// For each key, whose certificates it stands in.
    certified: HashMap<[u8; 32], Vec<Holder>>,
}

/// The account that a certificate was issued to, if to one, and its serial number.
type Holder = (Option<String>, Vec<u8>);

impl Register {
    /// Records one certificate. It may be handed out only afterwards.
    ///
    /// # Errors
    /// As [`Register::record_all`]; and when it is refused.
    pub async fn record(&self, entry: &Entry, replace: Replace, at: Timestamp) -> Result<Recorded, RegisterError> {
        let outcome = self.record_all(vec![entry.clone()], replace, at).await?.into_iter().next();
        // There is an outcome for each entry.
        let nothing = || Fault::Unexpected("nothing was recorded".to_owned());
        Ok(outcome.ok_or_else(|| self.unavailable("recording a certificate", &nothing()))??)
    }

    /// Records certificates in one transaction and revokes the older ones that they replace; the outcomes are in the
    /// order of the entries. Whoever does not know whether an earlier attempt succeeded may repeat it: what is on
    /// record is not recorded twice. Of the feed it takes one number, which names the first, and one for each
    /// revocation.
    ///
    /// # Errors
    /// When the database does not answer or a value cannot be stored; then none is recorded.
    pub async fn record_all(
        &self,
        entries: Vec<Entry>,
        replace: Replace,
        at: Timestamp,
    ) -> Result<Vec<Result<Recorded, Refused>>, RegisterError> {
        const WHAT: &str = "recording certificates";
        for entry in &entries {
            names::issued(&entry.certificate)?;
        }
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let mut attempts = 0;
        loop {
            let batch = Batch { entries: entries.clone(), replace, at, published: Arc::clone(&self.published) };
            let done: Result<_, Abort<Infallible>> =
                self.database.write(batch, |session, batch| Box::pin(record_all(session, batch))).await;
            attempts += 1;
            match done {
                // Repeating it is how one learns whether it was done.
                Err(Abort::Fault(Fault::InDoubt(_))) if attempts < 3 => {}
                done => return self.answer(WHAT, done),
            }
        }
    }

    /// What [`Register::record_all`] would revoke in favour of these certificates, if nothing happened in between: for
    /// those who tell of it before it is done.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn replaced_by(
        &self,
        entries: &[Entry],
        replace: Replace,
        at: Timestamp,
    ) -> Result<Vec<Replaced>, RegisterError> {
        if replace == Replace::None || entries.is_empty() {
            return Ok(Vec::new());
        }
        let batch = Batch { entries: entries.to_vec(), replace, at, published: Arc::clone(&self.published) };
        let found = self.database.read_current(batch, |session, batch| Box::pin(foresee(session, batch))).await;
        self.answer("looking up what is replaced", found)
    }

    /// Whom a key is certified for already besides this account: an error that says so, or nothing. Recording asks the
    /// same again, in its transaction; asked before, it spares a signature.
    ///
    /// # Errors
    /// [`Refused::KeyCertified`], and when the database does not answer.
    pub async fn require_own_key(&self, spki: &[u8; 32], username: Option<&str>) -> Result<(), RegisterError> {
        let found = self.find(&super::Question::Spki(*spki)).await?;
        match found.iter().find(|found| found.certificate.username.as_deref() != username) {
            Some(other) => Err(certified(other.certificate.username.as_deref(), &other.certificate.key.serial).into()),
            None => Ok(()),
        }
    }
}

async fn record_all(
    session: &mut dyn Session,
    batch: &Batch,
) -> Result<Vec<Result<Recorded, Refused>>, Abort<Infallible>> {
    let Some(first) = batch.entries.first() else { return Ok(Vec::new()) };
    changes::record(session, Kind::Certificate, &first.certificate.key.name()).await?;
    let outcomes = admit(session, batch).await?;
    let new = admitted(batch, &outcomes);
    let mut superseded = supersede(session, batch, &new).await?;
    match certificates::insert(session, &new).await {
        Err(Fault::Duplicate(why)) => {
            // 128 random bits do not meet; whoever meets them nevertheless writes past this program.
            return Err(Fault::Unexpected(format!("a serial number is on record already: {why}")).into());
        }
        done => done?,
    }
    let published: Vec<_> = new
        .iter()
        .map(|entry| &entry.certificate)
        .filter(|certificate| batch.published.contains(&certificate.profile))
        .filter_map(|certificate| Some((&certificate.key, certificate.username.as_deref()?)))
        .collect();
    ldap::want(session, &published, batch.at).await?;
    let outcomes = batch.entries.iter().zip(outcomes).map(|(entry, outcome)| match outcome {
        Ok(Recorded::Now(_)) => {
            Ok(Recorded::Now(superseded.remove(&entry.certificate.fingerprint).unwrap_or_default()))
        }
        other => other,
    });
    Ok(outcomes.collect())
}

async fn admit(session: &mut dyn Session, batch: &Batch) -> Result<Vec<Result<Recorded, Refused>>, Fault> {
    let mut known = known(session, &batch.entries).await?;
    Ok(batch.entries.iter().map(|entry| known.admit(entry)).collect())
}

/// Those that come on record now.
fn admitted<'a>(batch: &'a Batch, outcomes: &[Result<Recorded, Refused>]) -> Vec<&'a Entry> {
    let entries = batch.entries.iter().zip(outcomes);
    entries.filter(|(_, outcome)| matches!(outcome, Ok(Recorded::Now(_)))).map(|(entry, _)| entry).collect()
}

async fn foresee(session: &mut dyn Session, batch: &Batch) -> Result<Vec<Replaced>, Abort<Infallible>> {
    let outcomes = admit(session, batch).await?;
    let found = replaced(session, batch, &admitted(batch, &outcomes)).await?;
    Ok(found.into_iter().map(|(entry, key)| Replaced { by: entry.certificate.key.clone(), key }).collect())
}

async fn known(session: &mut dyn Session, entries: &[Entry]) -> Result<Known, Fault> {
    let usernames: Vec<&str> = entries.iter().filter_map(|entry| entry.certificate.username.as_deref()).collect();
    let accounts = certificates::existing(session, &usernames).await?;
    let fingerprints: Vec<Value> =
        entries.iter().map(|entry| Value::from(entry.certificate.fingerprint.as_slice())).collect();
    let mut recorded = HashMap::new();
    for row in RECORDED.query(session, &fingerprints).await? {
        recorded.insert(hash(&row, 0)?, CertificateKey { issuer: hash(&row, 1)?, serial: row.blob(2)?.to_vec() });
    }
    let keys: Vec<Value> = entries.iter().filter_map(|entry| entry.spki).map(|key| Value::from(&key[..])).collect();
    let mut certified: HashMap<[u8; 32], Vec<Holder>> = HashMap::new();
    for row in CERTIFIED.query(session, &keys).await? {
        certified.entry(hash(&row, 0)?).or_default().push((row.optional_text(1)?, row.blob(2)?.to_vec()));
    }
    Ok(Known { accounts, recorded, certified })
}

impl Known {
    /// Whether a certificate can be recorded. If so, its key is known from now on.
    fn admit(&mut self, entry: &Entry) -> Result<Recorded, Refused> {
        let IssuedCertificate { key, username, fingerprint, .. } = &entry.certificate;
        match self.recorded.get(fingerprint) {
            Some(recorded) if recorded == key => return Ok(Recorded::Before),
            Some(_) => return Err(Refused::SerialTaken(hex::encode(&key.serial))),
            None => {}
        }
        if let Some(name) = username.as_ref().filter(|name| !self.accounts.contains(*name)) {
            return Err(Refused::NoSuchAccount(name.clone()));
        }
        if let Some(spki) = entry.spki {
            let holders = self.certified.entry(spki).or_default();
            if let Some((whom, serial)) = holders.iter().find(|(whom, _)| whom != username) {
                return Err(certified(whom.as_deref(), serial));
            }
            holders.push((username.clone(), key.serial.clone()));
        }
        self.recorded.insert(*fingerprint, key.clone());
        Ok(Recorded::Now(Vec::new()))
    }
}

fn certified(whom: Option<&str>, serial: &[u8]) -> Refused {
    let whom = whom.map_or_else(|| "no account".to_owned(), |name| format!("the account {name:?}"));
    Refused::KeyCertified { whom, serial: hex::encode(serial) }
}

/// Revokes what new certificates replace; yields it by the fingerprints of those.
async fn supersede(
    session: &mut dyn Session,
    batch: &Batch,
    new: &[&Entry],
) -> Result<HashMap<[u8; 32], Vec<CertificateKey>>, Fault> {
    let mut superseded: HashMap<[u8; 32], Vec<CertificateKey>> = HashMap::new();
    for (entry, older) in replaced(session, batch, new).await? {
        let revocation = Revocation { at: batch.at, reason: Reason::Superseded.as_str().to_owned() };
        certificates::revoke(session, &older, &revocation).await?;
        superseded.entry(entry.certificate.fingerprint).or_default().push(older);
    }
    Ok(superseded)
}

/// What new certificates replace, each with the one that does.
async fn replaced<'a>(
    session: &mut dyn Session,
    batch: &Batch,
    new: &[&'a Entry],
) -> Result<Vec<(&'a Entry, CertificateKey)>, Fault> {
    let usernames: Vec<Value> =
        new.iter().filter_map(|entry| entry.certificate.username.as_deref()).map(Value::from).collect();
    if batch.replace == Replace::None || usernames.is_empty() {
        return Ok(Vec::new());
    }
    let older = UNREVOKED.query(session, &usernames).await?;
    let older = older.iter().map(certificate).collect::<Result<Vec<_>, _>>()?;
    // A list that is filled up with its last value yields nothing twice, but two new ones may replace the same.
    let mut done = HashSet::new();
    let mut replaced = Vec::new();
    for entry in new {
        let found = older.iter().filter(|older| {
            older.username == entry.certificate.username
                && (batch.replace == Replace::All || older.profile == entry.certificate.profile)
                // What has expired is not worth a line in every list.
                && older.not_after >= batch.at
        });
        for older in found {
            if done.insert(older.key.clone()) {
                replaced.push((*entry, older.key.clone()));
            }
        }
    }
    Ok(replaced)
}
