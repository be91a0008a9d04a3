//! The traits of `account` over a database of our own schema: what is asked and written, once for both
//! dialects. The statements are in `statements`.
//!
//! An account is read by one statement, so that its record, aliases and groups belong to one state of the
//! database. A writer takes its number of the feed first (`store::changes`), which lets one writer in at
//! a time: a name that was found free is still free when it is taken.

mod passwords;
pub(super) mod statements;

use super::certificates::{self, Entry, Revocation};
use super::names;
use super::password::Password;
use super::{
    Account, CertificateKey, Directory, Edit, Ha1, IssuedCertificate, Lookup, Registry, RegistryError, Status,
    Unavailable,
};
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::base::secret::Secret;
use crate::config::{DigestAlgorithm, LookupKind};
use crate::store::changes::{self, Kind, Position, Since};
use crate::store::{Abort, Database, Fault, Row, Session, Value};
use crate::telemetry::request_id::RequestId;
use futures_util::future::BoxFuture;
use passwords::{Credential, ha1, password, set_ha1, set_password, username_of};
use std::collections::BTreeMap;
use std::convert::Infallible;

/// The most accounts that one page of a list holds.
const LARGEST_PAGE: u32 = 1000;

type Written<T> = Result<T, Abort<RegistryError>>;

/// Accounts in one database.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
}

impl Store {
    /// Over a database that has this program's schema.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    fn unavailable(&self, what: &'static str, fault: &Fault) -> Unavailable {
        Unavailable { what, store: self.database.name().to_owned(), why: fault.to_string() }
    }

    fn answer<T>(&self, what: &'static str, done: Result<T, Abort<Infallible>>) -> Result<T, Unavailable> {
        done.map_err(|abort| match abort {
            Abort::Fault(fault) => self.unavailable(what, &fault),
            Abort::Refused(never) => match never {},
        })
    }

    fn outcome<T>(&self, what: &'static str, done: Written<T>) -> Result<T, RegistryError> {
        done.map_err(|abort| match abort {
            Abort::Fault(fault) => self.unavailable(what, &fault).into(),
            Abort::Refused(error) => error,
        })
    }
}

impl Directory for Store {
    fn find<'a>(&'a self, lookup: &'a Lookup) -> BoxFuture<'a, Result<Vec<Account>, Unavailable>> {
        Box::pin(async move {
            // What cannot be stored cannot be found. The database is spared long and hostile texts.
            if !names::is_plausible(&lookup.name) {
                return Ok(Vec::new());
            }
            let found = self.database.read(lookup.clone(), |session, lookup| Box::pin(find(session, lookup))).await;
            self.answer("looking up an account", found)
        })
    }

    fn ha1<'a>(
        &'a self,
        username: &'a str,
        realm: &'a str,
        algorithm: DigestAlgorithm,
    ) -> BoxFuture<'a, Result<Option<Ha1>, Unavailable>> {
        Box::pin(async move {
            if !names::is_plausible(username) || !names::is_plausible(realm) {
                return Ok(None);
            }
            let credential = (username.to_owned(), realm.to_owned(), algorithm);
            let found = self.database.read(credential, |session, credential| Box::pin(ha1(session, credential))).await;
            self.answer("looking up a digest credential", found)
        })
    }

    fn password<'a>(&'a self, username: &'a str) -> BoxFuture<'a, Result<Option<Password>, Unavailable>> {
        Box::pin(async move {
            if !names::is_plausible(username) {
                return Ok(None);
            }
            let asked = username.to_owned();
            let found = self.database.read(asked, |session, asked| Box::pin(password(session, asked))).await;
            self.answer("looking up a password", found)
        })
    }

    fn rehash<'a>(&'a self, username: &'a str, set: i64, hash: &'a Secret) -> BoxFuture<'a, Result<bool, Unavailable>> {
        Box::pin(async move {
            let change = vec![Value::from(hash.expose_str()), Value::Integer(set), text(username)];
            let done = self.database.write(change, |session, change| {
                Box::pin(async move { Ok(session.execute(statements::REHASH, change.clone()).await?) })
            });
            Ok(self.answer("hashing a password anew", done.await)? == 1)
        })
    }

    fn username_of<'a>(
        &'a self,
        userhash: &'a str,
        realm: &'a str,
        algorithm: DigestAlgorithm,
    ) -> BoxFuture<'a, Result<Option<String>, Unavailable>> {
        Box::pin(async move {
            if !names::is_plausible(userhash) || !names::is_plausible(realm) {
                return Ok(None);
            }
            let asked = (userhash.to_owned(), realm.to_owned(), algorithm);
            let found = self.database.read(asked, |session, asked| Box::pin(username_of(session, asked))).await;
            self.answer("looking up a hashed user name", found)
        })
    }

    fn changes<'a>(&'a self, since: Option<&'a Position>) -> BoxFuture<'a, Result<Since, Unavailable>> {
        Box::pin(async move {
            let read = self.database.changes(since.cloned()).await;
            read.map_err(|fault| self.unavailable("reading the feed of changes", &fault))
        })
    }

    fn revoked<'a>(
        &'a self,
        certificates: &'a [CertificateKey],
    ) -> BoxFuture<'a, Result<Vec<Option<Timestamp>>, Unavailable>> {
        Box::pin(async move {
            let what = "looking up a revocation";
            // No revocation of such a certificate could be recorded, so none can be ruled out.
            if certificates.iter().any(|certificate| names::key(certificate).is_err()) {
                let fault = Fault::Unexpected("a serial number is empty or longer than 64 octets".to_owned());
                return Err(self.unavailable(what, &fault));
            }
            let asked = certificates.to_vec();
            let found = self.database.read(asked, |session, asked| Box::pin(revoked(session, asked))).await;
            self.answer(what, found)
        })
    }

    fn use_once<'a>(
        &'a self,
        identifier: &'a [u8; 32],
        until: Timestamp,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Unavailable>> {
        Box::pin(async move {
            let used = (*identifier, until, at);
            let done = self.database.write(used, |session, used| Box::pin(use_once(session, used))).await;
            self.answer("writing down what was used", done)
        })
    }
}

impl Registry for Store {
    fn add<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(async move {
            let account = names::checked(account)?;
            let done = self.database.write(account, |session, account| Box::pin(add(session, account))).await;
            self.outcome("adding an account", done)
        })
    }

    fn update<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(async move {
            let account = names::checked(account)?;
            let done = self.database.write(account, |session, account| Box::pin(update(session, account))).await;
            self.outcome("changing an account", done)
        })
    }

    fn edit<'a>(&'a self, username: &'a str, edit: &'a Edit) -> BoxFuture<'a, Result<Account, RegistryError>> {
        Box::pin(async move {
            names::username(username)?;
            let change = (username.to_owned(), edit.clone());
            let done = self.database.write(change, |session, change| Box::pin(change_part(session, change))).await;
            self.outcome("changing an account", done)
        })
    }

    fn remove<'a>(&'a self, username: &'a str, at: Timestamp) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(async move {
            names::username(username)?;
            let removal = (username.to_owned(), at);
            let done = self.database.write(removal, |session, removal| Box::pin(remove(session, removal))).await;
            self.outcome("removing an account", done)
        })
    }

    fn list<'a>(&'a self, after: Option<&'a str>, limit: u32) -> BoxFuture<'a, Result<Vec<Account>, RegistryError>> {
        Box::pin(async move {
            let page = (after.unwrap_or_default().to_owned(), limit.min(LARGEST_PAGE));
            let found = self.database.read(page, |session, page| Box::pin(list(session, page))).await;
            Ok(self.answer("listing accounts", found)?)
        })
    }

    fn set_ha1<'a>(
        &'a self,
        username: &'a str,
        realm: &'a str,
        algorithm: DigestAlgorithm,
        ha1: Option<&'a Ha1>,
    ) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(async move {
            names::username(username)?;
            names::realm(realm)?;
            if let Some(ha1) = ha1 {
                names::ha1(ha1, algorithm)?;
            }
            let credential =
                Credential { username: username.to_owned(), realm: realm.to_owned(), algorithm, ha1: ha1.cloned() };
            let done = self.database.write(credential, |session, set| Box::pin(set_ha1(session, set))).await;
            self.outcome("setting a digest credential", done)
        })
    }

    fn set_password<'a>(
        &'a self,
        username: &'a str,
        hash: Option<&'a Secret>,
    ) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(async move {
            names::username(username)?;
            if let Some(hash) = hash {
                names::password_hash(hash)?;
            }
            let change = (username.to_owned(), hash.cloned());
            let done = self.database.write(change, |session, change| Box::pin(set_password(session, change))).await;
            self.outcome("setting a password", done)
        })
    }

    fn record_issued<'a>(&'a self, certificate: &'a IssuedCertificate) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(async move {
            names::issued(certificate)?;
            let issued = certificate.clone();
            let done = self.database.write(issued, |session, issued| Box::pin(record_issued(session, issued))).await;
            self.outcome("recording a certificate", done)
        })
    }

    fn revoke<'a>(
        &'a self,
        certificate: &'a CertificateKey,
        at: Timestamp,
        reason: &'a str,
    ) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(async move {
            names::key(certificate)?;
            names::reason(reason)?;
            let revocation = (certificate.clone(), Revocation { at, reason: reason.to_owned() });
            let done = self.database.write(revocation, |session, (certificate, revocation)| {
                Box::pin(async move { Ok(certificates::revoke(session, certificate, revocation).await?) })
            });
            self.outcome("revoking a certificate", done.await).map(|_| ())
        })
    }

    fn flush<'a>(&'a self) -> BoxFuture<'a, Result<i64, RegistryError>> {
        Box::pin(async move {
            // A name of its own, so that a counter that went back and came here again is noticed.
            let name = RequestId::random().as_str().to_owned();
            let done = self.database.write(name, |session, name| {
                Box::pin(async move { Ok(changes::record(session, Kind::Flush, name).await?) })
            });
            self.outcome("flushing the caches", done.await)
        })
    }
}

/// The key of the table decides who was first, on one node or on several.
async fn use_once(
    session: &mut dyn Session,
    (identifier, until, at): &([u8; 32], Timestamp, Timestamp),
) -> Result<bool, Abort<Infallible>> {
    session.execute(statements::FORGET_USED, vec![Value::Integer(at.as_unix())]).await?;
    let used = vec![Value::from(&identifier[..]), Value::Integer(until.as_unix())];
    match session.execute(statements::INSERT_USED, used).await {
        Ok(_) => Ok(true),
        Err(Fault::Duplicate(_)) => Ok(false),
        Err(fault) => Err(fault.into()),
    }
}

async fn find(session: &mut dyn Session, lookup: &Lookup) -> Result<Vec<Account>, Abort<Infallible>> {
    let name = Value::from(lookup.name.as_str());
    let rows = match lookup.kind {
        LookupKind::Username => session.query(statements::FIND_BY_USERNAME, vec![name]).await?,
        LookupKind::Alias => session.query(statements::FIND_BY_ALIAS, vec![name]).await?,
        LookupKind::Email => session.query(statements::FIND_BY_EMAIL, vec![name.clone(), name]).await?,
    };
    let mut accounts = accounts(&rows)?;
    accounts.retain(|account| lookup.matches(account));
    Ok(accounts)
}

async fn list(session: &mut dyn Session, (after, limit): &(String, u32)) -> Result<Vec<Account>, Abort<Infallible>> {
    let page = vec![Value::from(after.as_str()), Value::Integer((*limit).into())];
    let mut accounts = accounts(&session.query(statements::LIST, page).await?)?;
    accounts.sort_by(|one, other| one.username.cmp(&other.username));
    Ok(accounts)
}

/// The accounts that rows of `statements` hold: one row for each account, one for each of its aliases and
/// one for each of its groups, in any order; by their ids.
pub(super) fn accounts_by_id(rows: &[Row]) -> Result<BTreeMap<i64, Account>, Fault> {
    let mut accounts = BTreeMap::new();
    for row in rows.iter().filter(|row| row.integer(0) == Ok(statements::RECORD)) {
        let status = row.text(5)?;
        let account = Account {
            username: row.text(2)?,
            email: row.optional_text(3)?,
            display_name: row.optional_text(4)?,
            status: status.parse::<Status>().map_err(|error| Fault::Unexpected(error.to_string()))?,
            home: row.optional_text(6)?,
            aliases: Vec::new(),
            groups: Vec::new(),
        };
        accounts.insert(row.integer(1)?, account);
    }
    for row in rows {
        let part = row.integer(0)?;
        // The account was in the same answer, which is of one state of the database.
        let Some(account) = accounts.get_mut(&row.integer(1)?) else { continue };
        match part {
            statements::ALIAS => account.aliases.push(row.text(2)?),
            statements::GROUP => account.groups.push(row.text(2)?),
            _ => {}
        }
    }
    for account in accounts.values_mut() {
        account.aliases.sort();
        account.groups.sort();
    }
    Ok(accounts)
}

fn accounts(rows: &[Row]) -> Result<Vec<Account>, Fault> {
    Ok(accounts_by_id(rows)?.into_values().collect())
}

async fn revoked(
    session: &mut dyn Session,
    certificates: &[CertificateKey],
) -> Result<Vec<Option<Timestamp>>, Abort<Infallible>> {
    let mut times = Vec::with_capacity(certificates.len());
    for certificate in certificates {
        let [issuer, serial] = certificates::key(certificate);
        let rows = session.query(statements::REVOKED, vec![issuer.clone(), serial.clone(), issuer, serial]).await?;
        let mut earliest = None;
        for row in &rows {
            if row.blob(0)? == certificate.issuer && row.blob(1)? == certificate.serial {
                let at = Timestamp::from_unix(row.integer(2)?);
                earliest = Some(earliest.map_or(at, |earlier: Timestamp| earlier.min(at)));
            }
        }
        times.push(earliest);
    }
    Ok(times)
}

async fn add(session: &mut dyn Session, account: &Account) -> Written<()> {
    changes::record(session, Kind::Account, &account.username).await?;
    require_free(session, None, account).await?;
    let values = record(account).into_iter();
    let inserted = session.execute(statements::INSERT_ACCOUNT, values.chain([text(&account.username)]).collect()).await;
    unless_taken(inserted, account)?;
    let Some((id, _)) = find_id(session, &account.username).await? else {
        return Err(Fault::Unexpected("an account that was added is not there".to_owned()).into());
    };
    insert_names(session, id, account).await
}

async fn update(session: &mut dyn Session, account: &Account) -> Written<()> {
    changes::record(session, Kind::Account, &account.username).await?;
    replace(session, account).await
}

async fn change_part(session: &mut dyn Session, (username, edit): &(String, Edit)) -> Written<Account> {
    changes::record(session, Kind::Account, username).await?;
    let lookup = Lookup { kind: LookupKind::Username, name: username.clone() };
    let found = accounts(&session.query(statements::FIND_BY_USERNAME, vec![text(username)]).await?)?;
    let Some(account) = found.into_iter().find(|account| lookup.matches(account)) else {
        return Err(Abort::Refused(RegistryError::NoSuchAccount(username.clone())));
    };
    let account = names::checked(&edit.apply(account)).map_err(Abort::Refused)?;
    replace(session, &account).await?;
    Ok(account)
}

async fn replace(session: &mut dyn Session, account: &Account) -> Written<()> {
    let id = require_account(session, &account.username).await?;
    require_free(session, Some(id), account).await?;
    let values = record(account).into_iter();
    let updated = session.execute(statements::UPDATE_ACCOUNT, values.chain([Value::Integer(id)]).collect()).await;
    unless_taken(updated, account)?;
    session.execute(statements::DELETE_ALIASES, vec![Value::Integer(id)]).await?;
    session.execute(statements::DELETE_GROUPS, vec![Value::Integer(id)]).await?;
    insert_names(session, id, account).await
}

async fn remove(session: &mut dyn Session, (username, at): &(String, Timestamp)) -> Written<()> {
    changes::record(session, Kind::Account, username).await?;
    let id = require_account(session, username).await?;
    for row in session.query(statements::CERTIFICATES_OF, vec![text(username)]).await? {
        let issuer = row.blob(0)?.try_into().map_err(|_| Fault::Unexpected("an issuer is not 32 octets".to_owned()))?;
        let key = CertificateKey { issuer, serial: row.blob(1)?.to_vec() };
        let revocation = Revocation { at: *at, reason: "cessationOfOperation".to_owned() };
        certificates::revoke(session, &key, &revocation).await?;
    }
    session.execute(statements::DELETE_ACCOUNT, vec![Value::Integer(id)]).await?;
    Ok(())
}

async fn record_issued(session: &mut dyn Session, certificate: &IssuedCertificate) -> Written<()> {
    changes::record(session, Kind::Certificate, &certificate.key.name()).await?;
    if let Some(username) = &certificate.username {
        require_account(session, username).await?;
    }
    let entry = Entry { certificate: certificate.clone(), spki: None, der: None };
    match certificates::insert(session, &[&entry]).await {
        Ok(()) => Ok(()),
        Err(Fault::Duplicate(_)) => {
            Err(Abort::Refused(RegistryError::AlreadyRecorded(hex::encode(&certificate.key.serial))))
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Refuses an account that has a name in common with another one, be it a user name, an address or an
/// alias: names of all kinds are one space, so that no question has two answers.
async fn require_free(session: &mut dyn Session, id: Option<i64>, account: &Account) -> Written<()> {
    let own = Value::Integer(id.unwrap_or(-1));
    let claims = [("the user name", &account.username)]
        .into_iter()
        .chain(account.email.iter().map(|email| ("the e-mail address", email)))
        .chain(account.aliases.iter().map(|alias| ("the alias", alias)));
    for (what, value) in claims {
        let name = text(value);
        let claim: Vec<Value> = std::iter::repeat_n([name, own.clone()], 4).flatten().collect();
        if !session.query(statements::HOLDERS, claim).await?.is_empty() {
            return Err(Abort::Refused(RegistryError::Taken { what, value: value.clone() }));
        }
    }
    Ok(())
}

/// A unique key stands behind [`require_free`] for whoever writes without taking a number of the feed.
fn unless_taken(written: Result<u64, Fault>, account: &Account) -> Written<()> {
    match written {
        Ok(_) => Ok(()),
        Err(Fault::Duplicate(_)) => {
            Err(Abort::Refused(RegistryError::Taken { what: "a name of", value: account.username.clone() }))
        }
        Err(fault) => Err(fault.into()),
    }
}

async fn require_account(session: &mut dyn Session, username: &str) -> Written<i64> {
    match find_id(session, username).await? {
        Some((id, found)) if found == username => Ok(id),
        _ => Err(Abort::Refused(RegistryError::NoSuchAccount(username.to_owned()))),
    }
}

async fn find_id(session: &mut dyn Session, username: &str) -> Result<Option<(i64, String)>, Fault> {
    let rows = session.query(statements::ID, vec![text(username)]).await?;
    rows.first().map(|row| Ok((row.integer(0)?, row.text(1)?))).transpose()
}

async fn insert_names(session: &mut dyn Session, id: i64, account: &Account) -> Written<()> {
    for alias in &account.aliases {
        let inserted = session.execute(statements::INSERT_ALIAS, vec![text(alias), Value::Integer(id)]).await;
        unless_taken(inserted, account)?;
    }
    for group in &account.groups {
        session.execute(statements::INSERT_GROUP, vec![Value::Integer(id), text(group)]).await?;
    }
    Ok(())
}

/// The columns that `INSERT_ACCOUNT` and `UPDATE_ACCOUNT` begin with.
pub(super) fn record(account: &Account) -> [Value; 4] {
    [
        Value::from(account.email.as_deref()),
        Value::from(account.display_name.as_deref()),
        text(account.status.as_str()),
        Value::from(account.home.as_deref()),
    ]
}

fn text(text: &str) -> Value {
    Value::from(text)
}
