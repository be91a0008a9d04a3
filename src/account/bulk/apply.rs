//! The end of an import: the changes of accounts that exist are made, a few hundred in each transaction. And what is
//! left of imports that were cut off: one that nobody has seen yet is removed, one whose changes were begun is
//! finished.

use super::known::{Known, Question, look};
use super::record::{Person, Refusal};
use super::staged::Staged;
use super::write::{CHUNK, Import, LEASE, Stop, change, finished, holder, mark, now};
use super::{APPLYING, ImportError, PENDING, Phase, Rejection, Watch, statements};
use crate::account::Status;
use crate::store::changes::{self, Kind};
use crate::store::{Abort, Database, Fault, Row, Session, Value};
use std::time::{Duration, Instant};

/// So many changed accounts are told to the gates one by one. If there are more, the gates are told once, at the end,
/// to ask for everything anew.
pub(super) const TOLD: u64 = 10_000;

/// If they are told so late, the gates are told this often in between to ask for everything anew, too.
const FLUSHED: Duration = Duration::from_secs(5);

/// How many reserved names are released in one transaction.
const NAMES_AT_ONCE: i64 = 1000;

/// How often it is looked whether another import is alive.
const WAIT: Duration = Duration::from_secs(1);

/// Makes the changes of an import, and ends it. Yields the lines whose accounts are no longer what they were compared
/// with: these stay as they are.
pub(super) async fn apply(
    database: &Database,
    import: &Import,
    changes: u64,
    told: bool,
    watch: &dyn Watch,
) -> Result<Vec<Rejection>, ImportError> {
    let what = "changing accounts";
    let (mut done, mut given_up): (u64, Vec<Rejection>) = (0, Vec::new());
    let mut flushed = Instant::now();
    loop {
        let flush = !told && flushed.elapsed() >= FLUSHED;
        if flush {
            flushed = Instant::now();
        }
        let step = database.write((import.clone(), told, flush), |session, (import, told, flush)| {
            Box::pin(async move { apply_some(session, import, *told, *flush).await })
        });
        let made = finished(database, what, step.await)?.map_err(|_| ImportError::TakenOver)?;
        if made.lines == 0 {
            break;
        }
        done += made.lines;
        given_up.extend(made.given_up);
        watch.progress(Phase::Updating, done, changes.max(done));
    }
    release_names(database, import, APPLYING).await?;
    let end = database.write((import.clone(), told), |session, (import, told)| {
        Box::pin(async move {
            if !told {
                changes::record(session, Kind::Flush, "").await?;
                mark(session, &import.holder).await?;
            }
            import.renew(session, APPLYING).await?;
            session.execute(statements::END, vec![Value::Integer(import.first)]).await?;
            Ok::<_, Abort<Stop>>(())
        })
    });
    finished(database, what, end.await)?.map_err(|_| ImportError::TakenOver)?;
    Ok(given_up)
}

/// What became of the next changes.
#[derive(Debug, Default)]
struct Made {
    /// How many there were.
    lines: u64,
    given_up: Vec<Rejection>,
}

/// Makes the next changes.
async fn apply_some(session: &mut dyn Session, import: &Import, told: bool, flush: bool) -> Result<Made, Abort<Stop>> {
    let most = i64::try_from(CHUNK).unwrap_or(i64::MAX);
    let rows = session.query(statements::UPDATES, vec![Value::Integer(import.first), Value::Integer(most)]).await?;
    let Some(last) = rows.last().map(|row| row.integer(0)).transpose()? else { return Ok(Made::default()) };
    let (mut staged, mut given_up) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in &rows {
        let line = u64::try_from(row.integer(0)?).unwrap_or(0);
        // What cannot be read now cannot be read by any later import either, and must not stand in the way of all.
        match Staged::read(&row.text(1)?) {
            Ok(noted) => staged.push((line, noted)),
            Err(refusal) => given_up.push(Rejection { line, username: None, refusal }),
        }
    }
    // One number is enough for all, as no two of these changes are about the same account.
    let number = mark(session, &import.holder).await?;
    import.renew(session, APPLYING).await?;
    let mut question = Question { persons: true, ..Question::default() };
    for person in staged.iter().filter_map(|(_, noted)| noted.record.made().ok()) {
        question.add(&person);
    }
    let known = look(session, &question).await?;
    let mut changed = Vec::with_capacity(staged.len());
    for (line, noted) in staged {
        match changed_by(&noted, &known, import) {
            Ok(change) => changed.push(change),
            Err(refusal) => given_up.push(Rejection { line, username: Some(noted.record.username), refusal }),
        }
    }
    change(session, number, &changed).await?;
    // Who loses something is named in any case: it must not wait until an import is over, which may be cut off.
    let named = changed.iter().filter(|(_, before, after)| told || takes_away(before, after));
    for (_, before, _) in named {
        changes::record(session, Kind::Account, &before.account.username).await?;
    }
    if flush {
        changes::record(session, Kind::Flush, "").await?;
    }
    // What a position of the feed may end with is unique.
    mark(session, &import.holder).await?;
    session.execute(statements::DELETE_UPDATES, vec![Value::Integer(import.first), Value::Integer(last)]).await?;
    Ok(Made { lines: u64::try_from(rows.len()).unwrap_or(u64::MAX), given_up })
}

/// Whether a change takes anything away that somebody may get in by: whether more is different than what came to be
/// where nothing was, and what says nothing of rights.
fn takes_away(before: &Person, after: &Person) -> bool {
    let mut kept = after.clone();
    let (was, is) = (&before.account, &mut kept.account);
    is.display_name.clone_from(&was.display_name);
    is.home.clone_from(&was.home);
    is.aliases.retain(|alias| was.aliases.contains(alias));
    is.groups.retain(|group| was.groups.contains(group));
    if was.email.is_none() {
        is.email = None;
    }
    if was.status != Status::Active {
        is.status = was.status;
    }
    kept.credentials.retain(|credential| before.credentials.contains(credential));
    kept != *before
}

/// The account of a change, before and after it.
fn changed_by(noted: &Staged, known: &Known, import: &Import) -> Result<(i64, Person, Person), Refusal> {
    let found = known.person(&noted.record.username);
    let (id, after) = noted.applied_to(found)?;
    // Whoever writes by the feed finds the names reserved. This is about those who do not.
    if let Some(refusal) = known.taken(Some(id), &after, Some(import.first)) {
        return Err(refusal);
    }
    found.map(|(id, before)| (id, before.clone(), after)).ok_or_else(|| Refusal::of_line("the account is gone"))
}

async fn release_names(database: &Database, import: &Import, state: &'static str) -> Result<(), ImportError> {
    repeat(database, import, state, |session, import| {
        Box::pin(async move {
            let next = vec![Value::Integer(import.first), Value::Integer(NAMES_AT_ONCE)];
            let rows = session.query(statements::NAMES, next).await?;
            let names: Vec<Value> = rows.iter().filter_map(|row| row.value(0).cloned()).collect();
            statements::DELETE_NAMES.execute(session, &names).await?;
            Ok(!names.is_empty())
        })
    })
    .await
}

/// One step of what is done until there is nothing left; says whether there may be more.
type Step = for<'s> fn(&'s mut dyn Session, &'s Import) -> futures_util::future::BoxFuture<'s, Result<bool, Fault>>;

async fn repeat(database: &Database, import: &Import, state: &'static str, step: Step) -> Result<(), ImportError> {
    loop {
        let done = database.write((import.clone(), state, step), |session, (import, state, step)| {
            Box::pin(async move {
                import.renew(session, state).await?;
                Ok::<_, Abort<Stop>>(step(session, import).await?)
            })
        });
        let more = finished(database, "cleaning up after an import", done.await)?;
        if !more.map_err(|_| ImportError::TakenOver)? {
            return Ok(());
        }
    }
}

/// Removes all of an import that nobody has seen yet.
pub(super) async fn discard(database: &Database, import: &Import) -> Result<(), ImportError> {
    repeat(database, import, PENDING, |session, import| {
        Box::pin(async move {
            let most = Value::Integer(i64::try_from(CHUNK).unwrap_or(i64::MAX));
            let range = vec![Value::Integer(import.first), Value::Integer(import.last), most];
            let rows = session.query(statements::IDS, range).await?;
            let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(false) };
            let ids = vec![Value::Integer(first.integer(0)?), Value::Integer(last.integer(0)?)];
            session.execute(statements::DELETE_ACCOUNTS, ids).await?;
            Ok(true)
        })
    })
    .await?;
    repeat(database, import, PENDING, |session, import| {
        Box::pin(async move {
            let most = Value::Integer(i64::try_from(CHUNK).unwrap_or(i64::MAX));
            let rows = session.query(statements::UPDATES, vec![Value::Integer(import.first), most]).await?;
            let Some(last) = rows.last() else { return Ok(false) };
            let lines = vec![Value::Integer(import.first), Value::Integer(last.integer(0)?)];
            session.execute(statements::DELETE_UPDATES, lines).await?;
            Ok(true)
        })
    })
    .await?;
    release_names(database, import, PENDING).await?;
    repeat(database, import, PENDING, |session, import| {
        Box::pin(async move {
            session.execute(statements::END, vec![Value::Integer(import.first)]).await?;
            Ok(false)
        })
    })
    .await
}

/// An import that the database knows of.
#[derive(Debug, Clone)]
struct Found {
    first: i64,
    last: i64,
    holder: String,
    expires: i64,
    state: String,
}

fn found(row: &Row) -> Result<Found, Fault> {
    Ok(Found {
        first: row.integer(0)?,
        last: row.integer(1)?,
        holder: row.text(2)?,
        expires: row.integer(3)?,
        state: row.text(4)?,
    })
}

/// The imports that the database knows of, and its time.
async fn imports(database: &Database) -> Result<(Vec<Found>, crate::base::clock::Timestamp), ImportError> {
    let asked = database.read_current((), |session, ()| {
        Box::pin(async move {
            let rows = session.query(statements::IMPORTS, Vec::new()).await?;
            let found = rows.iter().map(found).collect::<Result<Vec<_>, Fault>>()?;
            Ok::<_, Abort<Stop>>((found, now(session).await?))
        })
    });
    finished(database, "looking for other imports", asked.await)?.map_err(|_| ImportError::TakenOver)
}

/// What became of an import whose accounts were to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody sees them.
    Pending,
    /// They were shown.
    Shown,
    /// Another process has had its hands in it, and has shown or removed them.
    Unknown,
}

/// What became of an import of this process whose accounts were to be shown.
pub(super) async fn standing(database: &Database, import: &Import) -> Result<Standing, ImportError> {
    let (all, _) = imports(database).await?;
    let found = all.iter().find(|found| found.first == import.first);
    if found.is_some_and(|found| found.holder != import.holder) {
        return Ok(Standing::Unknown);
    }
    Ok(match found {
        Some(found) if found.state == PENDING => Standing::Pending,
        Some(_) => Standing::Shown,
        // Its end is the same step as showing the accounts, unless somebody took it for dead, who may do so only when
        // its lease is over.
        None if import.clock.1.elapsed() < LEASE => Standing::Shown,
        None => Standing::Unknown,
    })
}

/// Waits until each import that is there has given a sign of life or is known to be dead, and clears those away.
pub(super) async fn recover(database: &Database, watch: &dyn Watch) -> Result<(), ImportError> {
    let (others, _) = imports(database).await?;
    for other in others {
        let begun = Instant::now();
        loop {
            let (now_there, now) = imports(database).await?;
            let same = now_there.into_iter().find(|import| import.first == other.first);
            // Ended by itself, or alive.
            let Some(import) = same.filter(|import| import.expires == other.expires) else { break };
            if import.expires < now.as_unix() {
                take_over(database, &import, watch).await?;
                break;
            }
            if watch.is_stopped() {
                return Err(ImportError::Stopped);
            }
            watch.progress(Phase::Waiting, begun.elapsed().as_secs(), LEASE.as_secs());
            tokio::time::sleep(WAIT).await;
        }
    }
    Ok(())
}

async fn take_over(database: &Database, dead: &Found, watch: &dyn Watch) -> Result<(), ImportError> {
    let what = "clearing away an import that was cut off";
    let holder = holder().map_err(|fault| ImportError::fault(database, what, &fault))?;
    let taken = database.write((dead.clone(), holder), |session, (dead, holder)| {
        Box::pin(async move {
            let clock = (now(session).await?, Instant::now());
            let import = Import { first: dead.first, last: dead.last, holder: holder.clone(), clock };
            let lease = clock.0.plus(LEASE).as_unix();
            let values = vec![
                Value::from(holder.as_str()),
                Value::Integer(lease),
                Value::Integer(dead.first),
                Value::from(dead.holder.as_str()),
                Value::Integer(dead.expires),
            ];
            match session.execute(statements::TAKE_OVER, values).await? {
                1 => Ok(import),
                _ => Err(Abort::Refused(Stop::TakenOver)),
            }
        })
    });
    // Somebody else was quicker, or it is alive after all.
    let Ok(import) = finished(database, what, taken.await)? else { return Ok(()) };
    watch.progress(Phase::CleaningUp, 0, 0);
    if dead.state == APPLYING {
        for rejection in apply(database, &import, 0, false, watch).await? {
            watch.given_up(&rejection);
        }
        Ok(())
    } else {
        discard(database, &import).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::bulk::write::{Written, show};
    use crate::account::bulk::{DEADLINES, jsonl};
    use crate::base::clock::Timestamp;
    use crate::config;

    #[tokio::test]
    async fn an_import_that_was_taken_over_is_not_taken_for_shown() {
        let directory = tempfile::tempdir().unwrap();
        let store = config::Store::Sqlite { path: directory.path().join("accounts.db") };
        let database = Database::open(&store, tokio::runtime::Handle::current(), DEADLINES).await.unwrap();
        let clock = (Timestamp::from_unix(1_800_000_000), Instant::now());
        let import = Import { first: 1, last: 1, holder: "this".to_owned(), clock };
        let run = async |sql: &'static str, values: Vec<Value>| {
            let done = database.write((sql, values), |session, (sql, values)| {
                Box::pin(async move { Ok::<_, Abort<Stop>>(session.execute(sql, values.clone()).await?) })
            });
            assert_eq!(done.await.unwrap(), 1);
        };
        let row = |holder: &str| {
            let [first, last, expires] = [1, 1, 1_900_000_000].map(Value::Integer);
            vec![first, last, Value::from(holder), expires, Value::from(PENDING)]
        };
        let written = Written { import: import.clone(), added: 0, updates: 0, rejections: Vec::new() };
        run(statements::BEGIN, row("another")).await;
        assert!(matches!(show(&database, &written).await, Err(ImportError::TakenOver)));
        assert_eq!(standing(&database, &import).await.unwrap(), Standing::Unknown);
        run(statements::END, vec![Value::Integer(1)]).await;
        run(statements::BEGIN, row("this")).await;
        assert!(matches!(show(&database, &written).await, Err(ImportError::Lost)), "nobody is not there");
        assert_eq!(standing(&database, &import).await.unwrap(), Standing::Pending);
        run(statements::SET_STATE, vec![Value::from(APPLYING), Value::Integer(1)]).await;
        assert_eq!(standing(&database, &import).await.unwrap(), Standing::Shown);
    }

    #[test]
    fn what_takes_something_away_is_told_from_what_only_adds() {
        let ha1 = |digit: &str| format!(r#"{{"realm":"r","algorithm":"MD5","ha1":"{}"}}"#, digit.repeat(32));
        let person = |line: &str| jsonl::record(line.as_bytes()).unwrap();
        let all = format!(
            r#"{{"username":"ann","email":"a@example.org","aliases":["a1","a2"],"groups":["g1","g2"],"digest":[{}]}}"#,
            ha1("a")
        );
        let before = person(&all).made().unwrap();
        for (line, expected) in [
            (r#""name":"Ann","home":"mail1""#.to_owned(), false),
            (r#""aliases":["a1","a2","a3"],"groups":["g1","g2","g3"]"#.to_owned(), false),
            (r#""status":"locked""#.to_owned(), true),
            (r#""status":"closed""#.to_owned(), true),
            (r#""email":null"#.to_owned(), true),
            (r#""email":"b@example.org""#.to_owned(), true),
            (r#""aliases":["a1","a3"]"#.to_owned(), true),
            (r#""groups":["g2","g3"]"#.to_owned(), true),
            (r#""digest":[]"#.to_owned(), true),
            (format!(r#""digest":[{}]"#, ha1("b")), true),
        ] {
            let after = person(&format!(r#"{{"username":"ann",{line}}}"#)).applied_to(before.clone());
            assert_eq!(takes_away(&before, &after), expected, "{line}");
        }
        let mut locked = before.clone();
        locked.account.status = Status::Locked;
        assert!(!takes_away(&locked, &before), "it is unlocked");
        let nobody = person(r#"{"username":"ann"}"#).made().unwrap();
        assert!(!takes_away(&nobody, &before), "all of it is new");
    }
}
