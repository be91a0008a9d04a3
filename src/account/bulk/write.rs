//! The second reading of a file, which puts its accounts into their tables where nobody sees them yet, and the one
//! small transaction in which all of them are there for everybody.
//!
//! An import reserves a range of ids. Whoever asks for accounts passes over those in the range of a pending import
//! (`present!` in `sql::statements`), while their names are taken already: the unique keys and the checks of all other
//! writers see them. The last id of the range belongs to an account that nobody can be, so that the ids that a database
//! gives by itself lie behind the range. The import writes in transactions of a few hundred accounts, each of which
//! renews its lease and takes a number of the feed. If no number was taken by somebody else since the file was checked,
//! what was found free then is still free.

use super::known::{Question, look};
use super::read::{Line, Part, ReadError, read};
use super::record::{Person, Record, Refusal};
use super::staged::Staged;
use super::survey::{Fate, Survey};
use super::{APPLYING, ImportError, Options, PENDING, Phase, Rejection, Watch, statements};
use crate::account::ha1::userhash;
use crate::account::sql;
use crate::account::sql::statements::UPDATE_ACCOUNT;
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::base::secret::Secret;
use crate::store::changes::{self, Kind};
use crate::store::{Abort, Database, Fault, Session, Value};
use std::collections::BTreeSet;
use std::fs::File;
use std::time::{Duration, Instant};

/// How long an import is taken for alive that gives no sign of life.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// How many accounts are changed or removed in one transaction.
pub(super) const CHUNK: usize = 200;

/// One import, as other processes know it.
#[derive(Debug, Clone)]
pub(super) struct Import {
    /// The first id of its range, by which it is known.
    pub(super) first: i64,
    /// The last one.
    pub(super) last: i64,
    /// The process that works on it.
    pub(super) holder: String,
    /// The time of the database, and when it was asked for.
    pub(super) clock: (Timestamp, Instant),
}

impl Import {
    /// When its lease ends, by the clock of the database.
    fn expires(&self) -> i64 {
        let (then, asked) = self.clock;
        then.plus(asked.elapsed()).plus(LEASE).as_unix()
    }

    /// Renews the lease. Without it, another process has taken this one for dead.
    pub(super) async fn renew(&self, session: &mut dyn Session, state: &str) -> Result<(), Abort<Stop>> {
        let lease = vec![
            Value::Integer(self.expires()),
            Value::Integer(self.first),
            Value::from(self.holder.as_str()),
            Value::from(state),
        ];
        match session.execute(statements::RENEW, lease).await? {
            1 => Ok(()),
            _ => Err(Abort::Refused(Stop::TakenOver)),
        }
    }
}

/// Why a transaction of an import was not made.
#[derive(Debug)]
pub(super) enum Stop {
    /// Another process has taken the import for dead.
    TakenOver,
    /// Not all that was written is there.
    Lost,
    /// Lines have become impossible since the file was checked.
    Refused(Vec<Rejection>),
}

/// What came of the second reading.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) import: Import,
    /// How many accounts were added, and how many changes are to be made.
    pub(super) added: u64,
    pub(super) updates: u64,
    /// Lines that could be taken when the file was checked, and then could not.
    pub(super) rejections: Vec<Rejection>,
}

/// The time of the database.
pub(super) async fn now(session: &mut dyn Session) -> Result<Timestamp, Fault> {
    let rows = session.query(statements::NOW, Vec::new()).await?;
    let text = rows.first().ok_or_else(|| Fault::Unexpected("the server gave no time".to_owned()))?.text(0)?;
    let parsed = format!("{}Z", text.replace(' ', "T")).parse();
    parsed.map_err(|_| Fault::Unexpected(format!("{text:?} is no time of the server")))
}

/// Takes a number of the feed under a name that nothing else ever has (no user name holds a colon), not even the same
/// step of the same import when it is made again. Whoever has read so far and finds another name there knows that
/// the database went back to an older state.
pub(super) async fn mark(session: &mut dyn Session, holder: &str) -> Result<i64, Fault> {
    let name = format!("{holder}:{}", self::holder()?);
    changes::record(session, Kind::Account, &name).await
}

/// A name that no other process takes.
pub(super) fn holder() -> Result<String, Fault> {
    let mut octets = [0; 16];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| Fault::Unavailable("the system gives no randomness".to_owned()))?;
    Ok(hex::encode(&octets))
}

/// The second reading.
struct Writer<'a> {
    database: &'a Database,
    import: Import,
    next_id: i64,
    /// The number that the next change has if nobody else writes; `None` once somebody has.
    expected: Option<i64>,
    keep_going: bool,
    added: u64,
    updates: u64,
    rejections: Vec<Rejection>,
}

/// Reserves the ids, and puts the accounts where nobody sees them. What was begun is found by `began`.
pub(super) async fn write(
    database: &Database,
    file: &File,
    options: &Options,
    survey: &Survey,
    watch: &dyn Watch,
    began: &mut Option<Import>,
) -> Result<Written, ImportError> {
    let (import, number) = begin(database, survey.added()).await?;
    *began = Some(import.clone());
    let mut writer = Writer {
        database,
        next_id: import.first,
        import,
        expected: (survey.counter.checked_add(1) == Some(number)).then_some(number.saturating_add(1)),
        keep_going: options.keep_going,
        added: 0,
        updates: 0,
        rejections: Vec::new(),
    };
    let size = file.metadata().map_err(ReadError::from)?.len();
    let mut parts = read(file, options.format)?;
    while let Some(part) = parts.recv().await {
        if watch.is_stopped() {
            return Err(ImportError::Stopped);
        }
        let (lines, octets) = match part? {
            Part::Lines(lines, octets) => (lines, octets),
            Part::End(digest) if digest == survey.digest => continue,
            Part::End(_) => return Err(ReadError::Changed.into()),
        };
        let (mut adds, mut updates) = (Vec::new(), Vec::new());
        for Line { number, said } in lines {
            let Ok((record, person)) = said else { continue };
            match survey.fates.get(&number) {
                None => adds.push((number, person)),
                Some(Fate::Update) => updates.push((number, record)),
                Some(_) => {}
            }
        }
        writer.add(adds).await?;
        writer.stage(updates).await?;
        watch.progress(Phase::Writing, octets, size);
    }
    let Writer { import, added, updates, rejections, .. } = writer;
    Ok(Written { import, added, updates, rejections })
}

/// Reserves ids for so many accounts, and yields the number of the change.
async fn begin(database: &Database, accounts: u64) -> Result<(Import, i64), ImportError> {
    let holder = holder().map_err(|fault| ImportError::fault(database, "beginning an import", &fault))?;
    let accounts = i64::try_from(accounts).unwrap_or(i64::MAX);
    let done = database.write((holder, accounts), |session, (holder, accounts)| {
        Box::pin(async move {
            let number = mark(session, holder).await?;
            let clock = (now(session).await?, Instant::now());
            let mut highest = 0;
            for row in session.query(statements::HIGHEST, Vec::new()).await? {
                if row.value(0) != Some(&Value::Null) {
                    highest = highest.max(row.integer(0)?);
                }
            }
            let first = highest.saturating_add(1);
            let import = Import { first, last: first.saturating_add(*accounts), holder: holder.clone(), clock };
            let row = vec![
                Value::Integer(import.first),
                Value::Integer(import.last),
                Value::from(holder.as_str()),
                Value::Integer(import.expires()),
                Value::from(PENDING),
            ];
            session.execute(statements::BEGIN, row).await?;
            // No name may hold a control character, so nobody is or becomes this one.
            let nobody = format!("\u{1}import {holder}");
            let row = [Value::Null, Value::Null, Value::from("closed"), Value::Null, Value::from(nobody.as_str())];
            let row = row.into_iter().chain([Value::Integer(import.last)]).collect();
            statements::INSERT_ACCOUNTS.run(session, 6, row).await?;
            Ok::<_, Abort<Stop>>((import, number))
        })
    });
    finished(database, "beginning an import", done.await)?.map_err(|_| ImportError::TakenOver)
}

/// Accounts that are to be added in one transaction.
struct Adding {
    import: Import,
    /// With their ids and lines.
    people: Vec<(i64, u64, Person)>,
    expected: Option<i64>,
}

/// Changes that are to be noted in one transaction.
struct Staging {
    import: Import,
    /// With their lines.
    records: Vec<(u64, Record)>,
}

impl Writer<'_> {
    async fn add(&mut self, mut people: Vec<(u64, Person)>) -> Result<(), ImportError> {
        while !people.is_empty() {
            let numbered = people.iter().zip(self.next_id..).map(|((line, person), id)| (id, *line, person.clone()));
            let adding = Adding { import: self.import.clone(), people: numbered.collect(), expected: self.expected };
            let done = self.database.write(adding, |session, adding| Box::pin(add(session, adding))).await;
            if let Some(number) = self.numbered(done, |lines| people.retain(|(line, _)| !lines.contains(line)))? {
                let count = people.len();
                self.next_id = self.next_id.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
                self.added += u64::try_from(count).unwrap_or(u64::MAX);
                self.expect_after(number);
                break;
            }
        }
        Ok(())
    }

    async fn stage(&mut self, mut records: Vec<(u64, Record)>) -> Result<(), ImportError> {
        while !records.is_empty() {
            let staging = Staging { import: self.import.clone(), records: records.clone() };
            let done = self.database.write(staging, |session, staging| Box::pin(stage(session, staging))).await;
            if let Some(number) = self.numbered(done, |lines| records.retain(|(line, _)| !lines.contains(line)))? {
                self.updates += u64::try_from(records.len()).unwrap_or(u64::MAX);
                self.expect_after(number);
                break;
            }
        }
        Ok(())
    }

    /// The number of a change that was made. `None` if it was not, because lines have become impossible: these are
    /// left out the next time, if the import may go on without them.
    fn numbered(
        &mut self,
        done: Result<i64, Abort<Stop>>,
        leave_out: impl FnOnce(&BTreeSet<u64>),
    ) -> Result<Option<i64>, ImportError> {
        match finished(self.database, "writing accounts", done)? {
            Ok(number) => Ok(Some(number)),
            Err(Stop::TakenOver) => Err(ImportError::TakenOver),
            Err(Stop::Lost) => Err(ImportError::Lost),
            Err(Stop::Refused(rejections)) if self.keep_going => {
                self.expected = None;
                leave_out(&rejections.iter().map(|rejection| rejection.line).collect());
                self.rejections.extend(rejections);
                Ok(None)
            }
            Err(Stop::Refused(rejections)) => Err(ImportError::Rejected(rejections)),
        }
    }

    fn expect_after(&mut self, number: i64) {
        self.expected = self.expected.filter(|expected| *expected == number).and_then(|number| number.checked_add(1));
    }
}

async fn add(session: &mut dyn Session, adding: &Adding) -> Result<i64, Abort<Stop>> {
    let number = mark(session, &adding.import.holder).await?;
    adding.import.renew(session, PENDING).await?;
    if adding.expected != Some(number) {
        let mut question = Question::default();
        adding.people.iter().for_each(|(_, _, person)| question.add(person));
        let known = look(session, &question).await?;
        let taken = adding.people.iter().filter_map(|(_, line, person)| {
            let refusal = known.taken(None, person, None)?;
            Some(Rejection { line: *line, username: Some(person.account.username.clone()), refusal })
        });
        refuse(taken.collect())?;
    }
    let mut accounts = Vec::with_capacity(adding.people.len() * 6);
    for (id, _, Person { account, .. }) in &adding.people {
        accounts.extend(sql::record(account));
        accounts.extend([Value::from(account.username.as_str()), Value::Integer(*id)]);
    }
    let done = statements::INSERT_ACCOUNTS.run(session, 6, accounts).await;
    unique(done, adding)?;
    let belongings = adding.people.iter().map(|(id, _, person)| (*id, person));
    unique(insert_belongings(session, belongings).await, adding)?;
    insert_passwords(session, number, adding.people.iter().map(|(id, _, person)| (*id, person))).await?;
    Ok(number)
}

/// What a unique key refuses was written past the feed, or is another spelling of a name for its collation.
fn unique<T>(done: Result<T, Fault>, adding: &Adding) -> Result<T, Abort<Stop>> {
    done.map_err(|fault| match (fault, adding.people.first(), adding.people.last()) {
        (Fault::Duplicate(why), Some((_, first, _)), Some((_, last, _))) => {
            Fault::Unexpected(format!("a name in lines {first} to {last} is taken: {why}")).into()
        }
        (fault, ..) => fault.into(),
    })
}

/// Writes the aliases, groups and digest credentials of accounts that have none.
async fn insert_belongings<'a>(
    session: &mut dyn Session,
    people: impl Iterator<Item = (i64, &'a Person)>,
) -> Result<(), Fault> {
    let (mut aliases, mut groups, mut credentials, mut userhashes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (id, Person { account, credentials: all, .. }) in people {
        let id = Value::Integer(id);
        aliases.extend(account.aliases.iter().flat_map(|alias| [Value::from(alias.as_str()), id.clone()]));
        groups.extend(account.groups.iter().flat_map(|group| [id.clone(), Value::from(group.as_str())]));
        for credential in all {
            let ha1 = credential.ha1.0.expose_str().unwrap_or_default();
            let hashed = userhash(&account.username, &credential.realm, credential.algorithm);
            let [realm, algorithm] = [&credential.realm, credential.algorithm.as_str()].map(Value::from);
            credentials.extend([id.clone(), realm.clone(), algorithm.clone(), Value::from(ha1)]);
            userhashes.extend([id.clone(), realm, algorithm, Value::from(hashed.as_str())]);
        }
    }
    statements::INSERT_ALIASES.run(session, 2, aliases).await?;
    statements::INSERT_GROUPS.run(session, 2, groups).await?;
    statements::INSERT_CREDENTIALS.run(session, 4, credentials).await?;
    statements::INSERT_USERHASHES.run(session, 4, userhashes).await
}

/// Writes the hashes of passwords that this change sets, for accounts that have none.
async fn insert_passwords<'a>(
    session: &mut dyn Session,
    number: i64,
    people: impl Iterator<Item = (i64, &'a Person)>,
) -> Result<(), Fault> {
    let mut rows = Vec::new();
    for (id, person) in people {
        if let Some(hash) = person.password_hash.as_ref().and_then(Secret::expose_str) {
            rows.extend([Value::Integer(id), Value::from(hash), Value::Integer(number)]);
        }
    }
    statements::INSERT_PASSWORDS.run(session, 3, rows).await
}

fn refuse(rejections: Vec<Rejection>) -> Result<(), Abort<Stop>> {
    if rejections.is_empty() { Ok(()) } else { Err(Abort::Refused(Stop::Refused(rejections))) }
}

/// Notes changes, and reserves the names that they give to accounts or leave them: until the changes are made these go
/// to nobody else.
async fn stage(session: &mut dyn Session, staging: &Staging) -> Result<i64, Abort<Stop>> {
    let number = mark(session, &staging.import.holder).await?;
    staging.import.renew(session, PENDING).await?;
    let mut question = Question { persons: true, ..Question::default() };
    let mut people = Vec::with_capacity(staging.records.len());
    for (line, record) in &staging.records {
        let reject = |refusal| {
            let username = Some(record.username.clone());
            Abort::Refused(Stop::Refused(vec![Rejection { line: *line, username, refusal }]))
        };
        let person = record.made().map_err(reject)?;
        question.add(&person);
        people.push((*line, record, person));
    }
    let known = look(session, &question).await?;
    let (mut rows, mut names, mut rejections) = (Vec::new(), Vec::new(), Vec::new());
    for (line, record, person) in &people {
        let found = known.person(&record.username);
        let refusal = match found {
            None => Some(Refusal::of_line("the account was removed meanwhile")),
            Some((id, _)) => known.taken(Some(id), person, None),
        };
        match (refusal, found) {
            (None, Some((id, before))) => {
                for (_, name) in person.names() {
                    names.extend([Value::from(name), Value::Integer(staging.import.first), Value::Integer(id)]);
                }
                let noted = Staged::new(id, before, (*record).clone()).write();
                let line = Value::Integer(i64::try_from(*line).unwrap_or(i64::MAX));
                rows.extend([Value::Integer(staging.import.first), line, Value::Text(noted)]);
            }
            (refusal, _) => rejections.extend(refusal.map(|refusal| Rejection {
                line: *line,
                username: Some(record.username.clone()),
                refusal,
            })),
        }
    }
    refuse(rejections)?;
    statements::INSERT_UPDATES.run(session, 3, rows).await?;
    statements::INSERT_NAMES.run(session, 3, names).await?;
    Ok(number)
}

/// Has everybody see the accounts: all of them at once. All that was written must be there: a server that took over
/// from one which it lagged behind has lost the last of it, and what is left is not what the file says.
pub(super) async fn show(database: &Database, written: &Written) -> Result<(), ImportError> {
    let counted = (written.import.clone(), written.added, written.updates);
    let done = database.write(counted, |session, (import, added, updates)| {
        Box::pin(async move {
            mark(session, &import.holder).await?;
            import.renew(session, PENDING).await?;
            let range = vec![Value::Integer(import.first), Value::Integer(import.last)];
            let accounts = count(session, statements::COUNT_ACCOUNTS, range).await?;
            let noted = count(session, statements::COUNT_UPDATES, vec![Value::Integer(import.first)]).await?;
            // One of them is nobody.
            if (accounts, noted) != (added.saturating_add(1), *updates) {
                return Err(Abort::Refused(Stop::Lost));
            }
            let nobody = vec![Value::Integer(import.last), Value::Integer(import.last)];
            session.execute(statements::DELETE_ACCOUNTS, nobody).await?;
            if *updates > 0 {
                let state = vec![Value::from(APPLYING), Value::Integer(import.first)];
                session.execute(statements::SET_STATE, state).await?;
            } else {
                session.execute(statements::END, vec![Value::Integer(import.first)]).await?;
            }
            Ok::<_, Abort<Stop>>(())
        })
    });
    finished(database, "taking the accounts over", done.await)?.map_err(|stop| match stop {
        Stop::Lost => ImportError::Lost,
        Stop::TakenOver | Stop::Refused(_) => ImportError::TakenOver,
    })
}

async fn count(session: &mut dyn Session, sql: &'static str, range: Vec<Value>) -> Result<u64, Fault> {
    let rows = session.query(sql, range).await?;
    let row = rows.first().ok_or_else(|| Fault::Unexpected("the server counted nothing".to_owned()))?;
    Ok(u64::try_from(row.integer(0)?).unwrap_or(0))
}

/// The outcome of a transaction, its faults taken for those of the import.
pub(super) fn finished<T>(
    database: &Database,
    what: &'static str,
    done: Result<T, Abort<Stop>>,
) -> Result<Result<T, Stop>, ImportError> {
    match done {
        Ok(value) => Ok(Ok(value)),
        Err(Abort::Refused(stop)) => Ok(Err(stop)),
        Err(Abort::Fault(fault)) => Err(ImportError::fault(database, what, &fault)),
    }
}

/// Makes changes that were noted: the accounts' records, and what belongs to them. `number` is that of the change.
pub(super) async fn change(
    session: &mut dyn Session,
    number: i64,
    changed: &[(i64, Person, Person)],
) -> Result<(), Fault> {
    for (id, before, after) in changed {
        if sql::record(&before.account) != sql::record(&after.account) {
            let values = sql::record(&after.account).into_iter().chain([Value::Integer(*id)]);
            session.execute(UPDATE_ACCOUNT, values.collect()).await?;
        }
    }
    let ids: Vec<Value> = changed.iter().map(|(id, ..)| Value::Integer(*id)).collect();
    statements::DELETE_ALIASES.execute(session, &ids).await?;
    statements::DELETE_GROUPS.execute(session, &ids).await?;
    statements::DELETE_CREDENTIALS.execute(session, &ids).await?;
    statements::DELETE_USERHASHES.execute(session, &ids).await?;
    insert_belongings(session, changed.iter().map(|(id, _, after)| (*id, after))).await?;
    // A password that stays keeps its number, and with that whatever it has opened.
    let other = || changed.iter().filter(|(_, before, after)| before.password_hash != after.password_hash);
    let ids: Vec<Value> = other().map(|(id, ..)| Value::Integer(*id)).collect();
    statements::DELETE_PASSWORDS.execute(session, &ids).await?;
    insert_passwords(session, number, other().map(|(id, _, after)| (*id, after))).await
}
