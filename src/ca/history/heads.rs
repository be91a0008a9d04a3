//! The heads of histories in the database. A row is only ever added: the authority's database user has no right to
//! change or remove one (`store::rights`), so that whoever takes over the authority's machine cannot make the database
//! forget what it recorded before.

use super::line::Head;
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::store::{Abort, Database, Fault, Row, Session, Value};
use std::convert::Infallible;

/// Parameters: the history, the number, the hash, when.
const KEEP: &str = "INSERT INTO history_heads (history, seq, hash, kept_at) VALUES (?, ?, ?, ?)";
/// Parameters: the history, the number.
const KEPT: &str = "SELECT seq, hash FROM history_heads WHERE history = ? AND seq = ?";
/// Parameters: the history, the number after which, how many.
const PAGE: &str = "SELECT seq, hash FROM history_heads WHERE history = ? AND seq > ? ORDER BY seq LIMIT ?";
/// The last record of each history, and when it was kept.
const HISTORIES: &str = "SELECT history, MAX(seq), MAX(kept_at) FROM history_heads GROUP BY history ORDER BY history";

/// How many heads are read at once.
const BATCH: i64 = 10_000;

/// The heads that a database keeps. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Heads {
    database: Database,
}

/// The database did not keep a head, or does not say which it has kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} in {database} failed: {fault}")]
pub struct HeadsError {
    what: &'static str,
    database: String,
    fault: Fault,
}

/// What a database knows of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its identity: 32 hexadecimal digits.
    pub history: String,
    /// The number of the last record that was kept.
    pub last: u64,
    /// When.
    pub at: Timestamp,
}

struct Keeping {
    history: Vec<u8>,
    head: Head,
    at: Timestamp,
}

impl Heads {
    /// Over a database that has this program's schema.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Keeps a head; one that is kept already is no fault.
    ///
    /// # Errors
    /// When the database does not answer, or has kept another hash for this record.
    pub async fn keep(&self, history: &str, head: Head, at: Timestamp) -> Result<(), HeadsError> {
        const WHAT: &str = "keeping the head of the history";
        let octets = hex::decode(history).filter(|octets| octets.len() == 16);
        let history = octets.ok_or_else(|| self.failed(WHAT, Fault::Unexpected("it has no identity".to_owned())))?;
        let keeping = Keeping { history, head, at };
        let kept: Result<(), Abort<Infallible>> =
            self.database.write(keeping, |session, keeping| Box::pin(keep(session, keeping))).await;
        self.answer(WHAT, kept)
    }

    /// All heads of a history in the order of their records.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn all(&self, history: &str) -> Result<Vec<Head>, HeadsError> {
        let history = hex::decode(history).unwrap_or_default();
        let mut heads: Vec<Head> = Vec::new();
        loop {
            let after = heads.last().map_or(0, |head| head.seq);
            let asked = (history.clone(), after);
            let page: Result<Vec<Head>, Abort<Infallible>> =
                self.database.read_current(asked, |session, asked| Box::pin(page(session, &asked.0, asked.1))).await;
            let page = self.answer("reading the heads of the history", page)?;
            if page.is_empty() {
                return Ok(heads);
            }
            heads.extend(page);
        }
    }

    /// Every history of which the database knows: each machine with an authority has one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn histories(&self) -> Result<Vec<Known>, HeadsError> {
        let found: Result<Vec<Known>, Abort<Infallible>> =
            self.database.read_current((), |session, ()| Box::pin(histories(session))).await;
        self.answer("reading the heads of the histories", found)
    }

    fn answer<T>(&self, what: &'static str, answer: Result<T, Abort<Infallible>>) -> Result<T, HeadsError> {
        answer.map_err(|abort| match abort {
            Abort::Fault(fault) => self.failed(what, fault),
            Abort::Refused(never) => match never {},
        })
    }

    fn failed(&self, what: &'static str, fault: Fault) -> HeadsError {
        HeadsError { what, database: self.database.name().to_owned(), fault }
    }
}

async fn keep(session: &mut dyn Session, keeping: &Keeping) -> Result<(), Abort<Infallible>> {
    let Keeping { history, head, at } = keeping;
    let seq = number(head.seq)?;
    // It may be there already: a commit whose answer was lost is repeated.
    let there = session.query(KEPT, vec![Value::from(history.as_slice()), Value::Integer(seq)]).await?;
    if let Some(row) = there.first() {
        if head_of(row)? != *head {
            let why = format!("record {} of this history was kept with another hash", head.seq);
            return Err(Fault::Unexpected(why).into());
        }
        return Ok(());
    }
    let values = vec![
        Value::from(history.as_slice()),
        Value::Integer(seq),
        Value::from(head.hash.as_slice()),
        Value::Integer(at.as_unix()),
    ];
    session.execute(KEEP, values).await?;
    Ok(())
}

async fn page(session: &mut dyn Session, history: &[u8], after: u64) -> Result<Vec<Head>, Abort<Infallible>> {
    let values = vec![Value::from(history), Value::Integer(number(after)?), Value::Integer(BATCH)];
    let rows = session.query(PAGE, values).await?;
    Ok(rows.iter().map(head_of).collect::<Result<_, _>>()?)
}

async fn histories(session: &mut dyn Session) -> Result<Vec<Known>, Abort<Infallible>> {
    let rows = session.query(HISTORIES, Vec::new()).await?;
    let known = |row: &Row| {
        Ok::<_, Fault>(Known {
            history: hex::encode(row.blob(0)?),
            last: u64::try_from(row.integer(1)?).unwrap_or(0),
            at: Timestamp::from_unix(row.integer(2)?),
        })
    };
    Ok(rows.iter().map(known).collect::<Result<_, _>>()?)
}

fn head_of(row: &Row) -> Result<Head, Fault> {
    let wrong = || Fault::Unexpected("a row of history_heads is no head".to_owned());
    let seq = u64::try_from(row.integer(0)?).map_err(|_| wrong())?;
    Ok(Head { seq, hash: row.blob(1)?.try_into().map_err(|_| wrong())? })
}

fn number(seq: u64) -> Result<i64, Fault> {
    i64::try_from(seq).map_err(|_| Fault::Unexpected("the history has too many records".to_owned()))
}
