//! The feed of changes: every write takes the next number and says what it changed, in the transaction
//! that changes it, so that numbers have no holes and become visible in their order (which values of an
//! AUTO_INCREMENT do not). Whoever caches what a database holds reads the feed.
//!
//! Taking the number is what a writer does first. It locks the one row of the counter, so that writers go
//! one by one and what they check before they write still holds when they do. On a cluster that commits
//! optimistically the row is where two writers collide, and one of them is begun again (`mysql::retry`).

use super::{Fault, Session, Value};

/// How many changes are read at once.
pub const BATCH: usize = 1000;

/// How many changes are kept. Whoever has fallen further behind sees the gap and reads everything anew.
const KEPT: i64 = 100_000;

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An account, its aliases or its groups. The name is the user name.
    Account,
    /// What an account proves itself with beside certificates. The name is the user name.
    Credential,
    /// A certificate that was issued; of several that were recorded at once, the first. The name is
    /// `<issuer in hex>:<serial in hex>`.
    Certificate,
    /// A certificate that was revoked. The name is `<issuer in hex>:<serial in hex>`.
    Revocation,
    /// Whatever somebody has written past the feed: all that is kept is to be forgotten. The name is empty. A program
    /// that does not know this kind takes it for a gap, and does the same.
    Flush,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Account, Self::Credential, Self::Certificate, Self::Revocation, Self::Flush];

    /// As it stands in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Credential => "credential",
            Self::Certificate => "certificate",
            Self::Revocation => "revocation",
            Self::Flush => "flush",
        }
    }
}

/// Takes the next number for a change and records it. A writer calls this before it looks at anything.
///
/// # Errors
/// When the database fails, or holds no counter.
pub async fn record(session: &mut dyn Session, kind: Kind, name: &str) -> Result<i64, Fault> {
    let raised = session.execute("UPDATE change_counter SET n = n + 1 WHERE id = 1", Vec::new()).await?;
    if raised != 1 {
        return Err(no_counter());
    }
    let number = newest(session).await?;
    let change = vec![Value::Integer(number), Value::from(kind.as_str()), Value::from(name)];
    session.execute("INSERT INTO changes (n, kind, name) VALUES (?, ?, ?)", change).await?;
    session.execute("DELETE FROM changes WHERE n <= ?", vec![Value::Integer(number.saturating_sub(KEPT))]).await?;
    Ok(number)
}

/// The number of the last change of all, 0 before the first.
///
/// # Errors
/// When the database fails, or holds no counter.
pub async fn newest(session: &mut dyn Session) -> Result<i64, Fault> {
    session.query(NUMBER, Vec::new()).await?.first().ok_or_else(no_counter)?.integer(0)
}

fn no_counter() -> Fault {
    Fault::Unexpected("change_counter has lost its row; the schema must be restored".to_owned())
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is about.
    pub kind: Kind,
    /// Which one.
    pub name: String,
}

/// How far somebody has read the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The number of the last change that was read; 0 before the first.
    number: i64,
    /// Its kind and name. A database that was put back to an older state and has grown since has another change
    /// of this number.
    last: Option<(String, String)>,
}

impl Position {
    /// The number of the last change that was read; 0 before the first.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.number
    }
}

/// What has changed since a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// These, in their order; at most [`BATCH`], so that there may be more when there are as many.
    Changes(Vec<Change>, Position),
    /// It cannot be told: there is no position to begin from, changes are missing, the number went back, or a
    /// change is of a kind that this program does not know. Whoever keeps anything must read it anew; from here
    /// on it can be told again.
    Gap(Position),
}

impl Since {
    /// Where the feed has been read to.
    #[must_use]
    pub fn position(&self) -> &Position {
        match self {
            Self::Changes(_, position) | Self::Gap(position) => position,
        }
    }
}

/// The number of the last change of all.
const NUMBER: &str = "SELECT n FROM change_counter WHERE id = 1";

/// The counter, and with it the change of that number, in one statement: all that is asked while nothing changes.
const NEWEST: &str = "SELECT c.n, h.kind, h.name FROM change_counter c LEFT JOIN changes h ON h.n = c.n WHERE c.id = 1";

/// Parameters: the first number, how many.
const FROM: &str = "SELECT n, kind, name FROM changes WHERE n >= ? ORDER BY n LIMIT ?";

/// What has changed since a position, and the next one.
///
/// # Errors
/// When the database fails, or holds no counter.
pub async fn since(session: &mut dyn Session, position: Option<&Position>) -> Result<Since, Fault> {
    let rows = session.query(NEWEST, Vec::new()).await?;
    let newest = match rows.first() {
        Some(row) => Position { number: row.integer(0)?, last: row.optional_text(1)?.zip(row.optional_text(2)?) },
        None => return Err(no_counter()),
    };
    let Some(position) = position else { return Ok(Since::Gap(newest)) };
    if *position == newest {
        return Ok(Since::Changes(Vec::new(), newest));
    }
    let most = i64::try_from(BATCH).unwrap_or(i64::MAX).saturating_add(1);
    let rows = session.query(FROM, vec![Value::Integer(position.number), Value::Integer(most)]).await?;
    let read = rows.iter().map(|row| Ok((row.integer(0)?, row.text(1)?, row.text(2)?)));
    Ok(follow(position, read.collect::<Result<Vec<_>, Fault>>()?).unwrap_or(Since::Gap(newest)))
}

/// The changes behind a position, if these rows, which begin with the one at the position, leave no doubt.
fn follow(position: &Position, rows: Vec<(i64, String, String)>) -> Option<Since> {
    let mut rows = rows.into_iter();
    if let Some(last) = &position.last {
        let (number, kind, name) = rows.next()?;
        if number != position.number || (kind, name) != *last {
            return None;
        }
    }
    let (mut next, mut changes) = (position.clone(), Vec::new());
    for (number, kind, name) in rows {
        if number != next.number.checked_add(1)? {
            return None;
        }
        changes.push(Change { kind: Kind::ALL.into_iter().find(|known| known.as_str() == kind)?, name: name.clone() });
        next = Position { number, last: Some((kind, name)) };
    }
    // The counter says that there are some.
    (!changes.is_empty()).then_some(Since::Changes(changes, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: i64, kind: &str, name: &str) -> (i64, String, String) {
        (number, kind.to_owned(), name.to_owned())
    }

    fn at(number: i64, last: Option<(&str, &str)>) -> Position {
        Position { number, last: last.map(|(kind, name)| (kind.to_owned(), name.to_owned())) }
    }

    #[test]
    fn changes_are_told_only_if_none_is_missing_and_the_last_one_is_still_the_same() {
        let ann = || row(7, "account", "ann");
        let seven = at(7, Some(("account", "ann")));
        let cases = [
            ("the next one", &seven, vec![ann(), row(8, "revocation", "00:01")], true),
            ("the first one of all", &at(0, None), vec![row(1, "account", "ann")], true),
            ("none, though the counter was raised", &seven, vec![ann()], false),
            ("nothing at all", &seven, vec![], false),
            ("one is missing", &seven, vec![ann(), row(9, "account", "bob")], false),
            ("one is missing further on", &seven, vec![ann(), row(8, "account", "b"), row(10, "account", "c")], false),
            ("the first one is missing", &at(0, None), vec![row(2, "account", "ann")], false),
            ("the last one that was read is gone", &seven, vec![row(8, "account", "bob")], false),
            ("it is another one", &seven, vec![row(7, "account", "eve"), row(8, "account", "bob")], false),
            ("it is of another kind", &seven, vec![row(7, "credential", "ann"), row(8, "account", "bob")], false),
            ("that everything is to be forgotten", &seven, vec![ann(), row(8, "flush", "")], true),
            ("a kind from the future", &seven, vec![ann(), row(8, "moon", "full")], false),
        ];
        for (what, position, rows, told) in cases {
            let expected = rows.last().cloned();
            match follow(position, rows) {
                Some(Since::Changes(changes, next)) => {
                    let (number, kind, name) = expected.unwrap();
                    assert!(told, "{what}");
                    assert_eq!((changes.len(), next), (1, at(number, Some((&kind, &name)))), "{what}");
                    assert_eq!((changes[0].kind.as_str(), &changes[0].name), (kind.as_str(), &name), "{what}");
                }
                other => assert!(other.is_none() && !told, "{what}"),
            }
        }
    }
}
