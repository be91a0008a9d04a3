//! Accounts in tables that somebody else designed: the questions of [`Directory`] asked by the queries of the
//! configuration, over connections that can only read. `answer` reads what comes back, `compare` decides whose
//! it is: a row that the database took for the one that was asked for, by its collation or by padding, is
//! nobody's, and is logged with the collation. There are no revocations here, and nobody says what changed:
//! an answer is as old as the cache lets it be.
//!
//! The names of an account come from one or two statements after the one that finds it. The status stands in
//! its own row, so whoever was locked when that was read is locked; groups are those of a moment later.

mod answer;
mod compare;

use super::names;
use super::password::{HashError, Password, PasswordHash};
use super::{Account, CertificateKey, Directory, Ha1, Lookup, Status, Unavailable};
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::config::{self, DigestAlgorithm, Foreign, LookupKind, Parameter, Query};
use crate::store::changes::{Position, Since};
use crate::store::{Abort, Answer, Database, Deadlines, Fault, Row, Session, Value};
use crate::telemetry::seldom::Seldom;
use answer::{AnswerError, Layout, Purpose, Row as Found, StoredPassword};
use compare::Rules;
use futures_util::future::BoxFuture;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// The most rows that are looked through for one name. A collation takes a handful of spellings for one.
const MOST_ROWS: usize = 16;

/// How often it is said that the database takes two names for one: whoever tries such names must not fill the log, nor
/// have the database asked for its collations each time.
const WARNED_EVERY: Duration = Duration::from_secs(60);

type Read<T> = Result<T, Abort<Infallible>>;

/// Accounts in one database.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
    foreign: Arc<Foreign>,
    warned: Arc<Warned>,
}

/// What was said of names that the database took for others, by the query that found them: its columns have one
/// collation each.
type Warned = Seldom<&'static str>;

impl Store {
    /// Reaches the database and has it prepare every query. What it says of them must fit: the parameters
    /// are those that were meant, the columns those that are needed.
    ///
    /// # Errors
    /// When it does not answer or refuses us, or with all that is wrong with the queries.
    pub async fn open(store: &config::Store, foreign: &Arc<Foreign>, control: Handle) -> Result<Self, String> {
        let database = Database::connect(store, control, Deadlines::default()).await;
        let database = database.map_err(|error| error.to_string())?;
        let examined = database.read(Arc::clone(foreign), |session, foreign| Box::pin(examine(session, foreign)));
        match examined.await {
            Ok(()) => Ok(Self { database, foreign: Arc::clone(foreign), warned: Arc::new(Seldom::new(WARNED_EVERY)) }),
            Err(Abort::Refused(faults)) => Err(faults.join("; ")),
            Err(Abort::Fault(fault)) => Err(fault.to_string()),
        }
    }

    fn question<A>(&self, asked: A) -> Question<A> {
        Question { foreign: Arc::clone(&self.foreign), warned: Arc::clone(&self.warned), asked }
    }

    fn unavailable(&self, what: &'static str, fault: &Fault) -> Unavailable {
        Unavailable { what, store: self.database.name().to_owned(), why: fault.to_string() }
    }

    fn answer<T>(&self, what: &'static str, done: Read<T>) -> Result<T, Unavailable> {
        done.map_err(|abort| match abort {
            Abort::Fault(fault) => self.unavailable(what, &fault),
            Abort::Refused(never) => match never {},
        })
    }
}

impl Directory for Store {
    fn find<'a>(&'a self, lookup: &'a Lookup) -> BoxFuture<'a, Result<Vec<Account>, Unavailable>> {
        Box::pin(async move {
            // What cannot be anybody's name is not asked for: the database is spared long and hostile texts.
            if !names::is_plausible(&lookup.name) {
                return Ok(Vec::new());
            }
            let question = self.question(lookup.clone());
            let found = self.database.read(question, |session, question| Box::pin(question.find(session))).await;
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
            let asked = Credential { username: username.to_owned(), realm: realm.to_owned(), algorithm };
            let question = self.question(asked);
            let found = self.database.read(question, |session, question| Box::pin(question.ha1(session))).await;
            self.answer("looking up a digest credential", found)
        })
    }

    fn password<'a>(&'a self, username: &'a str) -> BoxFuture<'a, Result<Option<Password>, Unavailable>> {
        Box::pin(async move {
            if !names::is_plausible(username) {
                return Ok(None);
            }
            let question = self.question(OfUser(username.to_owned()));
            let found = self.database.read(question, |session, question| Box::pin(question.password(session))).await;
            self.answer("looking up a password", found)
        })
    }

    fn changes<'a>(&'a self, _since: Option<&'a Position>) -> BoxFuture<'a, Result<Since, Unavailable>> {
        let why = "tables of your own have no feed of changes".to_owned();
        let error = self.unavailable("reading the feed of changes", &Fault::Unexpected(why));
        Box::pin(std::future::ready(Err(error)))
    }

    fn revoked<'a>(
        &'a self,
        certificates: &'a [CertificateKey],
    ) -> BoxFuture<'a, Result<Vec<Option<Timestamp>>, Unavailable>> {
        Box::pin(async move {
            if certificates.is_empty() {
                return Ok(Vec::new());
            }
            let why = "tables of your own hold no revocations: set `revocation.database: false`".to_owned();
            Err(self.unavailable("looking up a revocation", &Fault::Unexpected(why)))
        })
    }
}

/// Has every query prepared, and says what is wrong with any.
async fn examine(session: &mut dyn Session, foreign: &Arc<Foreign>) -> Result<(), Abort<Vec<String>>> {
    let mut faults = Vec::new();
    for (key, query) in foreign.queries() {
        let why = match session.describe(query.sql()).await {
            Err(fault @ (Fault::Lost(_) | Fault::Unavailable(_))) => return Err(fault.into()),
            Err(fault) => fault.to_string(),
            Ok(described) if described.parameters != query.parameters().len() => {
                let (server, we) = (described.parameters, query.parameters().len());
                format!("the server sees {server} parameters where {we} were read: write the query more plainly")
            }
            Ok(described) => match Layout::new(&described.columns, purpose(key), foreign) {
                Ok(layout) if !layout.says_whose_rows_they_are(key, foreign) => {
                    "it yields nothing that a name could be compared with: let it yield `email` or `alias`".to_owned()
                }
                Ok(_) => continue,
                Err(error) => error.to_string(),
            },
        };
        faults.push(format!("{}: {why}", foreign.place(key)));
    }
    if faults.is_empty() { Ok(()) } else { Err(Abort::Refused(faults)) }
}

fn purpose(key: &str) -> Purpose {
    match key {
        "aliases" | "groups" => Purpose::Names,
        "ha1" => Purpose::Credential,
        "password" => Purpose::Password,
        _ => Purpose::Account,
    }
}

struct Credential {
    username: String,
    realm: String,
    algorithm: DigestAlgorithm,
}

/// What is asked, and how.
struct Question<A> {
    foreign: Arc<Foreign>,
    warned: Arc<Warned>,
    asked: A,
}

impl<A> Question<A> {
    fn rules(&self) -> Rules {
        Rules(self.foreign.compare)
    }

    /// Runs a query, and names it in what goes wrong.
    async fn select(
        &self,
        session: &mut dyn Session,
        key: &str,
        query: &Query,
        value: impl Fn(Parameter) -> Value,
    ) -> Result<(Layout, Vec<Row>), Fault> {
        let parameters = query.parameters().iter().map(|parameter| value(*parameter)).collect();
        let Answer { columns, rows } =
            session.select(query.sql(), parameters).await.map_err(|fault| self.named(key, fault))?;
        let layout =
            Layout::new(&columns, purpose(key), &self.foreign).map_err(|error| self.unexpected(key, &error))?;
        Ok((layout, rows))
    }

    fn unexpected(&self, key: &str, error: &AnswerError) -> Fault {
        self.named(key, Fault::Unexpected(error.to_string()))
    }

    /// A fault of the question is told with its key; one of the connection is none of the question's.
    fn named(&self, key: &str, fault: Fault) -> Fault {
        match fault {
            Fault::Unexpected(why) => Fault::Unexpected(format!("{}: {why}", self.foreign.place(key))),
            other => other,
        }
    }
}

impl Question<Lookup> {
    async fn find(&self, session: &mut dyn Session) -> Read<Vec<Account>> {
        let mut found: Vec<Found> = Vec::new();
        for (key, query) in self.queries()? {
            let before = found.len();
            let mut unlike = Vec::new();
            for row in self.rows(session, key, query).await? {
                if !self.rules().is_of(&row, &self.asked) {
                    unlike.push(row);
                } else if !found.iter().take(before).any(|known| known.record == row.record) {
                    // Each row of an answer is an account, even if two look the same: who is to say that they
                    // are one? Only what two queries found of one name is put together.
                    found.push(row);
                }
            }
            if !unlike.is_empty() {
                self.warn(session, key, query, &unlike).await;
            }
        }
        let mut accounts = Vec::with_capacity(found.len());
        for row in found {
            accounts.push(self.account(session, row).await?);
        }
        Ok(accounts)
    }

    /// An address is looked for as an alias, too.
    fn queries(&self) -> Result<Vec<(&'static str, &Query)>, Fault> {
        let Foreign { by_username, by_email, by_alias, .. } = &*self.foreign;
        let by_email = by_email.as_ref().map(|query| ("by_email", query));
        let by_alias = by_alias.as_ref().map(|query| ("by_alias", query));
        let queries: Vec<_> = match self.asked.kind {
            LookupKind::Username => vec![("by_username", by_username)],
            LookupKind::Email => by_email.into_iter().chain(by_alias).collect(),
            LookupKind::Alias => by_alias.into_iter().collect(),
        };
        if queries.is_empty() {
            let why = format!("accounts.mysql.{} has no query for this kind of name", self.foreign.key);
            return Err(Fault::Unexpected(why));
        }
        Ok(queries)
    }

    /// What a query finds, with the aliases of each account.
    async fn rows(&self, session: &mut dyn Session, key: &str, query: &Query) -> Result<Vec<Found>, Fault> {
        let name = &self.asked.name;
        let selected = self.select(session, key, query, |parameter| asked_value(parameter, name)).await;
        let (layout, rows) = match selected {
            // A column of fewer characters cannot hold such a name. For a name that every column can hold, the
            // query itself is at fault.
            Err(Fault::Incomparable(_)) if !name.is_ascii() => return Ok(Vec::new()),
            other => other?,
        };
        if rows.len() > MOST_ROWS {
            return Err(self.unexpected(key, &AnswerError::TooManyRows(MOST_ROWS)));
        }
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut row = layout.account(row, &self.foreign).map_err(|error| self.unexpected(key, &error))?;
            if let Some(query) = &self.foreign.aliases {
                row.aliases.extend(self.names(session, "aliases", query, &row).await?);
            }
            found.push(row);
        }
        Ok(found)
    }

    /// The aliases or the groups of an account.
    async fn names(
        &self,
        session: &mut dyn Session,
        key: &str,
        query: &Query,
        of: &Found,
    ) -> Result<Vec<String>, Fault> {
        let (layout, rows) = self.select(session, key, query, |parameter| of.value(parameter)).await?;
        if rows.len() > names::MAX_NAMES {
            return Err(self.unexpected(key, &AnswerError::TooManyRows(names::MAX_NAMES)));
        }
        let names = rows.iter().map(|row| layout.name(row));
        let names: Result<Vec<_>, _> = names.collect();
        Ok(names.map_err(|error| self.unexpected(key, &error))?.into_iter().flatten().collect())
    }

    /// The account that a row is, as the rest of the gate knows accounts.
    async fn account(&self, session: &mut dyn Session, row: Found) -> Result<Account, Fault> {
        let mut groups = row.record.groups.clone();
        if let Some(query) = &self.foreign.groups {
            groups.extend(self.names(session, "groups", query, &row).await?);
        }
        let (account, left_out) = row
            .into_account(groups)
            .map_err(|error| Fault::Unexpected(format!("accounts.mysql.{}: {error}", self.foreign.key)))?;
        for what in left_out {
            tracing::warn!(account = %account.username, "{what}");
        }
        Ok(account)
    }

    /// Says which rows the database took for the one that was asked for, and by which collation.
    async fn warn(&self, session: &mut dyn Session, key: &'static str, query: &Query, unlike: &[Found]) {
        let Some(suppressed) = self.warned.may_be_said(key, Instant::now()) else { return };
        let found: Vec<String> = unlike.iter().map(|row| shown(&row.record.username)).collect();
        let collations = self.collations(session, key, query, unlike).await;
        tracing::warn!(
            asked = shown(&self.asked.name),
            found = found.join(", "),
            collations = collations.as_deref().unwrap_or("not known"),
            query = key,
            suppressed,
            "the database takes another name for the one that was asked for, by its collation, padding or conversion; \
             it is nobody's here"
        );
    }

    /// By which collation the columns compare that names are found by: asked of the server only when it has done so.
    async fn collations(
        &self,
        session: &mut dyn Session,
        key: &str,
        query: &Query,
        unlike: &[Found],
    ) -> Option<String> {
        let name = &self.asked.name;
        let (layout, _) = self.select(session, key, query, |parameter| asked_value(parameter, name)).await.ok()?;
        let columns = layout.compared(self.asked.kind);
        let parameters = query.parameters().iter().map(|parameter| asked_value(*parameter, name)).collect();
        let mut said = collations_of(session, query, &columns, parameters).await.unwrap_or_default();
        if let (Some(query), Some(first)) = (&self.foreign.aliases, unlike.first())
            && self.asked.kind != LookupKind::Username
        {
            let (layout, _) = self.select(session, "aliases", query, |parameter| first.value(parameter)).await.ok()?;
            let parameters = query.parameters().iter().map(|parameter| first.value(*parameter)).collect();
            said.extend(collations_of(session, query, &layout.all(), parameters).await.unwrap_or_default());
        }
        (!said.is_empty()).then(|| said.join(", "))
    }
}

async fn collations_of(
    session: &mut dyn Session,
    query: &Query,
    columns: &[String],
    parameters: Vec<Value>,
) -> Option<Vec<String>> {
    let quoted: Vec<String> =
        columns.iter().map(|name| format!("COLLATION(q.`{}`)", name.replace('`', "``"))).collect();
    if quoted.is_empty() {
        return None;
    }
    let sql = format!("SELECT {} FROM ({}) AS q LIMIT 1", quoted.join(", "), query.sql());
    let answer = session.select(&sql, parameters).await.ok()?;
    let row = answer.rows.first()?;
    let said = columns.iter().enumerate().filter_map(|(place, column)| {
        let collation = row.optional_text(place).ok()??;
        Some(format!("{column}: {collation}"))
    });
    Some(said.collect())
}

impl Question<Credential> {
    async fn ha1(&self, session: &mut dyn Session) -> Read<Option<Ha1>> {
        let Some(query) = &self.foreign.ha1 else { return Ok(None) };
        let Credential { username, realm, algorithm } = &self.asked;
        let value = |parameter| match parameter {
            Parameter::Realm => Value::from(realm.as_str()),
            Parameter::Algorithm => Value::from(algorithm.as_str()),
            other => asked_value(other, username),
        };
        let (layout, rows) = match self.select(session, "ha1", query, value).await {
            Err(Fault::Incomparable(_)) if !(username.is_ascii() && realm.is_ascii()) => return Ok(None),
            other => other?,
        };
        if rows.len() > MOST_ROWS {
            return Err(self.unexpected("ha1", &AnswerError::TooManyRows(MOST_ROWS)).into());
        }
        let mut hashes = Vec::new();
        for row in &rows {
            let found = layout.credential(row).map_err(|error| self.unexpected("ha1", &error))?;
            let is_asked = self.rules().is_username(&found.username, username)
                && found.realm.is_none_or(|found| found == *realm)
                && found.algorithm.is_none_or(|found| found == algorithm.as_str());
            if is_asked && let Some(digits) = found.ha1 {
                hashes.push(Ha1(Secret::new(digits.to_ascii_lowercase().into_bytes())));
            }
        }
        match (hashes.pop(), hashes.is_empty()) {
            (None, _) => Ok(None),
            (Some(_), false) => {
                tracing::warn!(username = shown(username), "there are several HA1 for one user, so none counts");
                Ok(None)
            }
            (Some(hash), true) => match names::ha1(&hash, *algorithm) {
                Ok(()) => Ok(Some(hash)),
                Err(error) => {
                    tracing::warn!(username = shown(username), %error, "an HA1 cannot be used");
                    Ok(None)
                }
            },
        }
    }
}

/// A user name.
struct OfUser(String);

impl Question<OfUser> {
    async fn password(&self, session: &mut dyn Session) -> Read<Option<Password>> {
        let (Some(query), OfUser(username)) = (&self.foreign.password, &self.asked) else { return Ok(None) };
        let value = |parameter| asked_value(parameter, username);
        let (layout, rows) = match self.select(session, "password", query, value).await {
            Err(Fault::Incomparable(_)) if !username.is_ascii() => return Ok(None),
            other => other?,
        };
        if rows.len() > MOST_ROWS {
            return Err(self.unexpected("password", &AnswerError::TooManyRows(MOST_ROWS)).into());
        }
        let mut found = Vec::new();
        for row in &rows {
            let stored = layout.password(row).map_err(|error| self.unexpected("password", &error))?;
            if self.rules().is_username(&stored.username, username) {
                found.push(stored);
            }
        }
        let stored = match (found.pop(), found.is_empty()) {
            (None, _) => return Ok(None),
            (Some(stored), true) => stored,
            (Some(_), false) => {
                tracing::warn!(username = shown(username), "there are several passwords for one user, so none counts");
                return Ok(None);
            }
        };
        match self.understood(&stored) {
            Ok(password) => Ok(Some(password)),
            Err(HashError::NoPassword) => Ok(None),
            Err(error) => {
                tracing::warn!(username = shown(username), %error, "the hash of a password cannot be used");
                Ok(None)
            }
        }
    }

    fn understood(&self, stored: &StoredPassword) -> Result<Password, HashError> {
        let read = |hash: Option<&str>, salt| match (hash, self.foreign.password_layout) {
            (None, _) => Err(HashError::NoPassword),
            (Some(hash), None) => PasswordHash::parse(hash),
            (Some(hash), Some(layout)) => PasswordHash::salted(layout, hash, salt),
        };
        let hash = read(stored.hash.as_deref(), &stored.salt)?;
        let pin = stored.has_pin.then(|| read(stored.pin_hash.as_deref(), &stored.pin_salt)).transpose()?;
        Ok(Password { hash, pin, set: None })
    }
}

/// What a parameter is of the name that is looked up.
fn asked_value(parameter: Parameter, name: &str) -> Value {
    let split = name.rsplit_once('@');
    match parameter {
        Parameter::LocalPart => Value::from(split.map_or(name, |(local, _)| local)),
        Parameter::Domain => Value::from(split.map_or("", |(_, domain)| domain)),
        Parameter::EmailUnicode => match split {
            Some((local, domain)) => Value::Text(format!("{local}@{}", in_unicode(domain))),
            None => Value::from(name),
        },
        Parameter::DomainUnicode => Value::Text(split.map_or_else(String::new, |(_, domain)| in_unicode(domain))),
        Parameter::Username | Parameter::Email | Parameter::Alias => Value::from(name),
        // No query that is asked with a name knows these.
        Parameter::Realm | Parameter::Algorithm | Parameter::Id => Value::Null,
    }
}

/// A domain in U-labels (RFC 5890, section 2.3.2.1).
fn in_unicode(domain: &str) -> String {
    idna::domain_to_unicode(domain).0
}

/// The beginning of a name, escaped.
fn shown(name: &str) -> String {
    format!("{:?}", names::beginning(name))
}

/// What a value of the status column means. What nobody gave a meaning means that the account may not pass.
fn status(foreign: &Foreign, value: Option<&str>) -> (Status, bool) {
    let Some(settings) = &foreign.status else {
        let known = value.and_then(|value| value.parse().ok());
        return (known.unwrap_or(Status::Locked), known.is_some());
    };
    let meaning =
        [(Status::Active, &settings.active), (Status::Locked, &settings.locked), (Status::Closed, &settings.closed)];
    let known = value.and_then(|value| meaning.iter().find(|(_, values)| values.iter().any(|known| known == value)));
    (known.map_or(Status::Locked, |(status, _)| *status), known.is_some())
}

#[cfg(test)]
mod tests;
