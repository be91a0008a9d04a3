//! The feed of changes: every write takes the next number and says what it changed, in the transaction
//! that changes it, so that numbers have no holes and become visible in their order (which values of an
//! AUTO_INCREMENT do not). Whoever caches what a database holds reads the feed.
//!
//! Taking the number is what a writer does first. It locks the one row of the counter, so that writers go
//! one by one and what they check before they write still holds when they do. On a cluster that commits
//! optimistically the row is where two writers collide, and one of them is begun again.

use super::{Fault, Session, Value};

/// How many changes are kept. Whoever has fallen further behind sees the gap and reads everything anew.
const KEPT: i64 = 100_000;

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An account, its aliases or its groups. The name is the user name.
    Account,
    /// What an account proves itself with beside certificates. The name is the user name.
    Credential,
    /// A certificate that was issued. The name is `<issuer in hex>:<serial in hex>`.
    Certificate,
    /// A certificate that was revoked. The name is `<issuer in hex>:<serial in hex>`.
    Revocation,
}

impl Kind {
    /// As it stands in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Credential => "credential",
            Self::Certificate => "certificate",
            Self::Revocation => "revocation",
        }
    }
}

/// Takes the next number for a change and records it. A writer calls this before it looks at anything.
///
/// # Errors
/// When the database fails, or holds no counter.
pub async fn record(session: &mut dyn Session, kind: Kind, name: &str) -> Result<i64, Fault> {
    let raised = session.execute("UPDATE change_counter SET n = n + 1 WHERE id = 1", Vec::new()).await?;
    let rows = session.query("SELECT n FROM change_counter WHERE id = 1", Vec::new()).await?;
    let Some(row) = rows.first().filter(|_| raised == 1) else {
        return Err(Fault::Unexpected("change_counter has lost its row; the schema must be restored".to_owned()));
    };
    let number = row.integer(0)?;
    let change = vec![Value::Integer(number), Value::from(kind.as_str()), Value::from(name)];
    session.execute("INSERT INTO changes (n, kind, name) VALUES (?, ?, ?)", change).await?;
    session.execute("DELETE FROM changes WHERE n <= ?", vec![Value::Integer(number.saturating_sub(KEPT))]).await?;
    Ok(number)
}
