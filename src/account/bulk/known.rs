//! What a database has that concerns a batch of lines, asked for by a few statements; and what is to be done with a
//! line by that.

use super::record::{Credential, Field, Person, Record, Refusal};
use super::{OnExisting, statements};
use crate::account::Ha1;
use crate::account::sql::accounts_by_id;
use crate::base::secret::Secret;
use crate::config::DigestAlgorithm;
use crate::store::{Fault, Session, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is asked for.
#[derive(Debug, Default)]
pub(super) struct Question {
    /// User names, whose accounts are wanted.
    pub(super) usernames: BTreeSet<String>,
    /// All names of the lines, the user names among them.
    pub(super) names: BTreeSet<String>,
    /// Whether all that belongs to the accounts is wanted, too.
    pub(super) persons: bool,
}

impl Question {
    /// Adds the names of a line.
    pub(super) fn add(&mut self, person: &Person) {
        self.usernames.insert(person.account.username.clone());
        self.names.extend(person.names().into_iter().map(|(_, name)| name.to_owned()));
    }
}

/// What is there.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The accounts of the user names that were asked for.
    ids: HashMap<String, i64>,
    /// Who has a name of any kind.
    holders: HashMap<String, Vec<i64>>,
    /// Which import has reserved a name.
    reserved: HashMap<String, i64>,
    /// The ranges of pending imports.
    pending: Vec<(i64, i64)>,
    persons: BTreeMap<i64, Person>,
}

/// What is to be done with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is no such account yet.
    Add,
    /// There is, and it becomes another by this line.
    Update,
    /// There is, and it is as the line says.
    Unchanged,
    /// There is, which is why the line is passed over.
    Skip,
    /// It cannot be.
    Refuse(Refusal),
}

/// Asks.
pub(super) async fn look(session: &mut dyn Session, question: &Question) -> Result<Known, Fault> {
    let mut known = Known::default();
    let names: Vec<Value> = question.names.iter().map(|name| Value::from(name.as_str())).collect();
    for row in session.query(statements::IMPORTS, Vec::new()).await? {
        if row.text(4)? == super::PENDING {
            known.pending.push((row.integer(0)?, row.integer(1)?));
        }
    }
    for row in statements::BY_USERNAME.query(session, &names).await? {
        let (name, id) = (row.text(0)?, row.integer(1)?);
        if question.usernames.contains(&name) {
            known.ids.insert(name.clone(), id);
        }
        known.hold(name, id);
    }
    // What has no @ is no address.
    let addresses = question.names.iter().filter(|name| name.contains('@'));
    let addresses: Vec<Value> = addresses.map(|name| Value::from(name.as_str())).collect();
    for row in statements::BY_EMAIL.query(session, &addresses).await? {
        known.hold(row.text(0)?, row.integer(1)?);
    }
    for row in statements::BY_ALIAS.query(session, &names).await? {
        known.hold(row.text(0)?, row.integer(1)?);
    }
    for row in statements::BY_RESERVED.query(session, &names).await? {
        known.reserved.insert(row.text(0)?, row.integer(2)?);
        known.hold(row.text(0)?, row.integer(1)?);
    }
    if question.persons {
        let ids: Vec<i64> = known.ids.values().copied().collect();
        known.persons = persons(session, &ids).await?;
    }
    Ok(known)
}

/// All that belongs to accounts, by their ids.
pub(super) async fn persons(session: &mut dyn Session, ids: &[i64]) -> Result<BTreeMap<i64, Person>, Fault> {
    let ids: Vec<Value> = ids.iter().map(|id| Value::Integer(*id)).collect();
    let accounts = accounts_by_id(&statements::ACCOUNTS.query(session, &ids).await?)?;
    let mut persons: BTreeMap<i64, Person> =
        accounts.into_iter().map(|(id, account)| (id, Person::without_credentials(account))).collect();
    add_credentials(session, &mut persons).await?;
    Ok(persons)
}

/// Reads what these accounts prove themselves with.
pub(super) async fn add_credentials(
    session: &mut dyn Session,
    persons: &mut BTreeMap<i64, Person>,
) -> Result<(), Fault> {
    let ids: Vec<Value> = persons.keys().map(|id| Value::Integer(*id)).collect();
    for row in statements::CREDENTIALS.query(session, &ids).await? {
        let algorithm = row.text(2)?;
        let known = DigestAlgorithm::ALL.into_iter().find(|known| known.as_str() == algorithm);
        let Some(algorithm) = known else {
            return Err(Fault::Unexpected(format!("{algorithm:?} is no algorithm of HTTP Digest")));
        };
        let ha1 = Ha1(Secret::new(row.text(3)?.into_bytes()));
        let credential = Credential { realm: row.text(1)?, algorithm, ha1 };
        if let Some(person) = persons.get_mut(&row.integer(0)?) {
            person.credentials.push(credential);
        }
    }
    for row in statements::PASSWORDS.query(session, &ids).await? {
        if let Some(person) = persons.get_mut(&row.integer(0)?) {
            person.password_hash = Some(Secret::new(row.text(1)?.into_bytes()));
        }
    }
    for person in persons.values_mut() {
        person
            .credentials
            .sort_by(|one, other| (&one.realm, one.algorithm.as_str()).cmp(&(&other.realm, other.algorithm.as_str())));
    }
    Ok(())
}

impl Known {
    fn hold(&mut self, name: String, id: i64) {
        self.holders.entry(name).or_default().push(id);
    }

    /// The account of a user name that was asked for, as far as it was asked for.
    pub(super) fn person(&self, username: &str) -> Option<(i64, &Person)> {
        let id = self.ids.get(username)?;
        Some((*id, self.persons.get(id)?))
    }

    fn is_pending(&self, id: i64) -> bool {
        self.pending.iter().any(|(first, last)| (*first..=*last).contains(&id))
    }

    /// What is to be done with a line.
    pub(super) fn verdict(&self, record: &Record, person: &Person, on_existing: OnExisting) -> Verdict {
        let existing = self.ids.get(&record.username).copied();
        if let Some(id) = existing {
            let refuse = |why: &str| Verdict::Refuse(Refusal::of(Field::Username, why));
            match on_existing {
                _ if self.is_pending(id) => return refuse(IMPORTING),
                OnExisting::Fail => return refuse("there is such an account already"),
                OnExisting::Skip => return Verdict::Skip,
                OnExisting::Update => {}
            }
        }
        if let Some(refusal) = self.taken(existing, person, None) {
            return Verdict::Refuse(refusal);
        }
        match existing.and_then(|id| self.persons.get(&id)) {
            None => Verdict::Add,
            Some(before) => match record.applied_to(before.clone()).checked() {
                Ok(after) if after == *before => Verdict::Unchanged,
                Ok(_) => Verdict::Update,
                Err(refusal) => Verdict::Refuse(refusal),
            },
        }
    }

    /// Whether a name of a line belongs to somebody else, or is reserved by another import than this one, be it for
    /// the same account: which of two changes is the later one nobody could tell.
    pub(super) fn taken(&self, own: Option<i64>, person: &Person, import: Option<i64>) -> Option<Refusal> {
        person.names().into_iter().find_map(|(field, name)| {
            if self.reserved.get(name).is_some_and(|by| Some(*by) != import) {
                return Some(Refusal::of(field, format!("{name:?} {IMPORTING}")));
            }
            let holder = self.holders.get(name)?.iter().find(|holder| Some(**holder) != own)?;
            let why = if self.is_pending(*holder) { IMPORTING } else { "belongs to another account" };
            Some(Refusal::of(field, format!("{name:?} {why}")))
        })
    }
}

const IMPORTING: &str = "belongs to an import that is under way";
