//! Who exists: the records of accounts, and the traits behind which a database answers for them.
//! `sql` implements them over either of `store`'s databases, `cache` stands before it, `names` says what
//! may be a name. What a database returns is compared again here, in Rust, with what was asked: see
//! [`Lookup::matches`].

pub mod bulk;
pub mod cache;
pub mod certificates;
pub mod foreign;
pub mod ha1;
pub mod reopen;
pub mod names;
pub mod password;
pub mod sql;

use crate::base::clock::Timestamp;
use crate::base::email;
use crate::base::hex;
use crate::base::secret::Secret;
use crate::config::{self, DigestAlgorithm, LookupKind};
use crate::store::changes::{Position, Since};
use crate::store::{Database, Deadlines};
use futures_util::future::BoxFuture;
use password::Password;
use std::str::FromStr;
use std::sync::Arc;
use tokio::runtime::Handle;

const OPENING: &str = "opening the account store";

/// Opens the store that the configuration names, to ask it. Accounts may stand in tables that are not
/// Wicketgate's.
///
/// # Errors
/// As for [`open`]; and when the queries over foreign tables do not fit them.
pub async fn open_directory(store: &config::Store, control: Handle) -> Result<Arc<dyn Directory>, Unavailable> {
    let Some(foreign) = store.foreign() else {
        let registry: Arc<dyn Directory> = open(store, control).await?;
        return Ok(registry);
    };
    match foreign::Store::open(store, foreign, control).await {
        Ok(directory) => Ok(Arc::new(directory)),
        Err(why) => Err(Unavailable { what: OPENING, store: store.to_string(), why }),
    }
}

/// Opens the store that the configuration names, to ask it and to change it. An SQLite file is made, and brought to this program's
/// schema, if need be; a MySQL server must have that schema already. The store is worked on by `control`,
/// which must live as long as it; it may be asked from any runtime.
///
/// # Errors
/// When the store does not answer, refuses us, or has no schema or another one; the reason says which.
pub async fn open(store: &config::Store, control: Handle) -> Result<Arc<dyn Registry>, Unavailable> {
    if store.foreign().is_some() {
        let why = "its accounts stand in tables of your own, which Wicketgate only reads".to_owned();
        return Err(Unavailable { what: OPENING, store: store.to_string(), why });
    }
    match Database::open(store, control, Deadlines::default()).await {
        Ok(database) => Ok(Arc::new(sql::Store::new(database))),
        Err(error) => Err(Unavailable { what: OPENING, store: store.to_string(), why: error.to_string() }),
    }
}
use sha2::{Digest, Sha256};

/// Somebody who may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name that applications know; unique, compared exactly.
    pub username: String,
    /// The main e-mail address, in the form of [`normalise`](crate::base::email::normalise).
    pub email: Option<String>,
    /// What people call them.
    pub display_name: Option<String>,
    /// Whether they may pass.
    pub status: Status,
    /// The upstream server that keeps their data, for routes by account.
    pub home: Option<String>,
    /// Other names and addresses, sorted.
    pub aliases: Vec<String>,
    /// Groups, sorted.
    pub groups: Vec<String>,
}

/// Whether an account may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It may.
    Active,
    /// Not for now.
    Locked,
    /// Not any more.
    Closed,
}

impl Status {
    /// As it stands in the database and on the command line: `active`, `locked`, `closed`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Locked => "locked",
            Self::Closed => "closed",
        }
    }
}

/// The text is no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no status: write active, locked or closed")]
pub struct NotAStatus(String);

impl FromStr for Status {
    type Err = NotAStatus;

    fn from_str(text: &str) -> Result<Self, NotAStatus> {
        [Self::Active, Self::Locked, Self::Closed]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| NotAStatus(text.to_owned()))
    }
}

/// One question for an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lookup {
    /// What the name is.
    pub kind: LookupKind,
    /// The name; an e-mail address in the form of [`normalise`](crate::base::email::normalise).
    pub name: String,
}

impl Lookup {
    /// Whether an account is one that this question asks for. A database compares by its collation,
    /// which may make one of two names; this compares octet by octet, and alone decides.
    #[must_use]
    pub fn matches(&self, account: &Account) -> bool {
        match self.kind {
            LookupKind::Username => account.username == self.name,
            LookupKind::Alias => account.aliases.contains(&self.name),
            LookupKind::Email => {
                let addresses = account.email.iter().chain(&account.aliases);
                addresses.into_iter().any(|address| email::normalise(address).as_ref() == Some(&self.name))
            }
        }
    }
}

/// The hash of `username:realm:password` (RFC 7616, section 3.4.2): as good as the password in that
/// realm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ha1(pub Secret);

/// A certificate as revocation knows it (RFC 5280, section 5.3: issuer and serial number).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertificateKey {
    /// SHA-256 of the issuer's Name in DER followed by SHA-256 of the issuer's SubjectPublicKeyInfo.
    pub issuer: [u8; 32],
    /// The serial's octets, without leading zeros (zero is one octet).
    pub serial: Vec<u8>,
}

impl CertificateKey {
    /// The key of the certificate with this serial number from the issuer with this Name and
    /// SubjectPublicKeyInfo, both whole SEQUENCEs in DER. Two issuers of one name differ by their keys.
    #[must_use]
    pub fn new(issuer_name: &[u8], issuer_spki: &[u8], serial: &[u8]) -> Self {
        let zeros = serial.iter().take_while(|octet| **octet == 0).count().min(serial.len().saturating_sub(1));
        let issuer = Self::issuer(issuer_name, &Sha256::digest(issuer_spki).into());
        Self { issuer, serial: serial.iter().skip(zeros).copied().collect() }
    }

    /// The issuer of a key, from its Name in DER and the SHA-256 of its SubjectPublicKeyInfo.
    #[must_use]
    pub fn issuer(name: &[u8], spki_sha256: &[u8; 32]) -> [u8; 32] {
        Sha256::new().chain_update(name).chain_update(spki_sha256).finalize().into()
    }

    /// As the feed of changes names it: `<issuer in hex>:<serial in hex>`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{}", hex::encode(&self.issuer), hex::encode(&self.serial))
    }

    /// The key of this [`name`](Self::name); `None` if it is none.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let (issuer, serial) = name.split_once(':')?;
        Some(Self { issuer: hex::decode(issuer)?.try_into().ok()?, serial: hex::decode(serial)? })
    }
}

/// The store gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what} failed on {store}: {why}")]
pub struct Unavailable {
    /// What was being done: `looking up an account`.
    pub what: &'static str,
    /// The store, without any secret: `wicketgate.db`, `db1.example.org:3306`.
    pub store: String,
    /// Why, in the words of the driver.
    pub why: String,
}

/// What the gate asks of a store: it only reads, but for what was used once.
pub trait Directory: Send + Sync + 'static {
    /// All accounts that the question matches, compared again by [`Lookup::matches`], none twice.
    fn find<'a>(&'a self, lookup: &'a Lookup) -> BoxFuture<'a, Result<Vec<Account>, Unavailable>>;

    /// The HA1 of a user in a realm, if there is one for this algorithm.
    fn ha1<'a>(
        &'a self,
        username: &'a str,
        realm: &'a str,
        algorithm: DigestAlgorithm,
    ) -> BoxFuture<'a, Result<Option<Ha1>, Unavailable>>;

    /// The user name that a client sent hashed with the realm ([`ha1::userhash`]), if there is one and the store
    /// knows its hash. A store that keeps no such hashes knows none.
    fn username_of<'a>(
        &'a self,
        _userhash: &'a str,
        _realm: &'a str,
        _algorithm: DigestAlgorithm,
    ) -> BoxFuture<'a, Result<Option<String>, Unavailable>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// What is kept of a user's password, if there is one that can be used. A store that keeps none has none of
    /// anybody.
    fn password<'a>(&'a self, _username: &'a str) -> BoxFuture<'a, Result<Option<Password>, Unavailable>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Puts another hash of the same password in the place of one that is outdated; `set` is the number of that
    /// password. Says whether it did: not if the password has been changed since, and not where the store is only
    /// read. Nobody is told of it by the feed, since the password is the same.
    fn rehash<'a>(
        &'a self,
        _username: &'a str,
        _set: i64,
        _hash: &'a Secret,
    ) -> BoxFuture<'a, Result<bool, Unavailable>> {
        Box::pin(std::future::ready(Ok(false)))
    }

    /// What has changed in the store since a position of its feed. Without one, it tells the position to begin
    /// from.
    fn changes<'a>(&'a self, since: Option<&'a Position>) -> BoxFuture<'a, Result<Since, Unavailable>>;

    /// For each certificate, when it was revoked if it was: by `revocations` or by `certificates`.
    fn revoked<'a>(
        &'a self,
        certificates: &'a [CertificateKey],
    ) -> BoxFuture<'a, Result<Vec<Option<Timestamp>>, Unavailable>>;

    /// Writes down that what may be used once was used, and keeps that until a time; false if it was used before, on
    /// whichever node. What is out of date at `at` is forgotten. A store that is only read cannot.
    fn use_once<'a>(
        &'a self,
        identifier: &'a [u8; 32],
        until: Timestamp,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Unavailable>> {
        let _ = (identifier, until, at);
        let (what, store) = ("writing down what was used", "the directory of accounts".to_owned());
        let why = "nothing is written into tables that somebody else designed".to_owned();
        Box::pin(async move { Err(Unavailable { what, store, why }) })
    }
}

/// What is to become another in an account. What is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edit {
    /// The e-mail address, or `Some(None)` for none.
    pub email: Option<Option<String>>,
    /// What people call them, or `Some(None)` for nothing.
    pub display_name: Option<Option<String>>,
    /// Whether they may pass.
    pub status: Option<Status>,
    /// The upstream server that keeps their data, or `Some(None)` for none.
    pub home: Option<Option<String>>,
    /// Aliases that are added. One that is there already stays.
    pub add_aliases: Vec<String>,
    /// Aliases that are taken away. One that is not there is no fault.
    pub remove_aliases: Vec<String>,
    /// Groups that are added. One that is there already stays.
    pub add_groups: Vec<String>,
    /// Groups that are taken away. One that is not there is no fault.
    pub remove_groups: Vec<String>,
}

impl Edit {
    /// The account as it is afterwards.
    #[must_use]
    pub fn apply(&self, account: Account) -> Account {
        let without = |mut names: Vec<String>, removed: &[String]| {
            names.retain(|name| !removed.contains(name));
            names
        };
        let removed_aliases: Vec<String> = self.remove_aliases.iter().map(|alias| names::normal_alias(alias)).collect();
        Account {
            email: self.email.clone().unwrap_or(account.email),
            display_name: self.display_name.clone().unwrap_or(account.display_name),
            status: self.status.unwrap_or(account.status),
            home: self.home.clone().unwrap_or(account.home),
            aliases: [without(account.aliases, &removed_aliases), self.add_aliases.clone()].concat(),
            groups: [without(account.groups, &self.remove_groups), self.add_groups.clone()].concat(),
            username: account.username,
        }
    }
}

/// What `account`, `db` and the authority do to a store besides asking it.
pub trait Registry: Directory {
    /// Adds an account with its aliases and groups.
    fn add<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<(), RegistryError>>;

    /// Replaces an account's record, aliases and groups (found by its user name).
    fn update<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<(), RegistryError>>;

    /// Changes a part of an account, in one step: what another writer changes in it at the same time is
    /// not undone. Yields the account as it is afterwards.
    fn edit<'a>(&'a self, username: &'a str, edit: &'a Edit) -> BoxFuture<'a, Result<Account, RegistryError>>;

    /// Removes an account with its aliases, groups and digest credentials. Certificates issued to it stay
    /// on record, revoked from `at` on.
    fn remove<'a>(&'a self, username: &'a str, at: Timestamp) -> BoxFuture<'a, Result<(), RegistryError>>;

    /// All accounts, by user name; `after` and `limit` page through them.
    fn list<'a>(&'a self, after: Option<&'a str>, limit: u32) -> BoxFuture<'a, Result<Vec<Account>, RegistryError>>;

    /// Sets (or with `None` removes) the HA1 of an account in a realm, and with it the hash of its name there.
    fn set_ha1<'a>(
        &'a self,
        username: &'a str,
        realm: &'a str,
        algorithm: DigestAlgorithm,
        ha1: Option<&'a Ha1>,
    ) -> BoxFuture<'a, Result<(), RegistryError>>;

    /// Sets (or with `None` removes) the hash of an account's password, as [`password::make`] makes it.
    fn set_password<'a>(
        &'a self,
        username: &'a str,
        hash: Option<&'a Secret>,
    ) -> BoxFuture<'a, Result<(), RegistryError>>;

    /// Records a certificate before it leaves the machine.
    fn record_issued<'a>(&'a self, certificate: &'a IssuedCertificate) -> BoxFuture<'a, Result<(), RegistryError>>;

    /// Revokes a certificate of any issuer from `at` on. Revoking twice keeps the first time.
    fn revoke<'a>(
        &'a self,
        certificate: &'a CertificateKey,
        at: Timestamp,
        reason: &'a str,
    ) -> BoxFuture<'a, Result<(), RegistryError>>;

    /// Has everybody who follows the feed of changes forget what they know, and yields the number of that change.
    fn flush<'a>(&'a self) -> BoxFuture<'a, Result<i64, RegistryError>>;
}

/// A certificate that our authority issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// Issuer and serial.
    pub key: CertificateKey,
    /// The issuer's name as RFC 4514 writes it, for people.
    pub issuer_name: String,
    /// The account it was issued to, if to one.
    pub username: Option<String>,
    /// The subject as RFC 4514 writes it.
    pub subject: String,
    /// The first second in which it is valid.
    pub not_before: Timestamp,
    /// The last second in which it is valid.
    pub not_after: Timestamp,
    /// SHA-256 of its DER.
    pub fingerprint: [u8; 32],
    /// The profile that it was issued by.
    pub profile: String,
}

/// A store did not do what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// No answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// There is no such account.
    #[error("there is no account {0:?}")]
    NoSuchAccount(String),
    /// Another account has this name, address or alias.
    #[error("{what} {value:?} belongs to another account")]
    Taken {
        /// `the user name`, `the e-mail address`, `the alias`.
        what: &'static str,
        /// Which.
        value: String,
    },
    /// A certificate with this issuer and serial number, or these octets, was recorded before.
    #[error("the certificate with the serial number {0} is on record already")]
    AlreadyRecorded(String),
    /// A value cannot be stored.
    #[error("{what} {value:?} is not acceptable: {why}")]
    Unacceptable {
        /// What it was to be.
        what: &'static str,
        /// The value, escaped.
        value: String,
        /// Why.
        why: &'static str,
    },
}

#[cfg(test)]
mod tests;
