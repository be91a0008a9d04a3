//! Part of the checked model: accounts that stand in tables which somebody else designed. Each question is a
//! [`Query`], whether the administrator wrote it or it was made from the names of tables and columns.

use super::query::Query;
use schemars::JsonSchema;
use serde::Deserialize;

/// How accounts are read from tables that are not Wicketgate's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// The key that they are configured by, below `accounts.mysql`: `queries` or `tables`.
    pub key: &'static str,
    /// The accounts with a user name.
    pub by_username: Query,
    /// The accounts with a main e-mail address; present whenever an identity rule looks for one.
    pub by_email: Option<Query>,
    /// The accounts with an alias; present whenever an identity rule looks for one.
    pub by_alias: Option<Query>,
    /// The aliases of an account, in one column.
    pub aliases: Option<Query>,
    /// The groups of an account, in one column.
    pub groups: Option<Query>,
    /// The HA1 of a user; present whenever there is HTTP Digest.
    pub ha1: Option<Query>,
    /// The hash of a user's password; present whenever a route lists `basic`.
    pub password: Option<Query>,
    /// How hashes are made whose salt stands in a column of its own. Without it they say themselves what they are.
    pub password_layout: Option<SaltedLayout>,
    /// What the status is read from. Without it a column `status` with our own words is, if there is one, and
    /// every account that a query finds is active if there is none.
    pub status: Option<StatusColumn>,
    /// Which spellings are one name.
    pub compare: Comparison,
}

impl Foreign {
    /// Where the configuration says what a query is.
    #[must_use]
    pub fn place(&self, query: &str) -> String {
        match self.key {
            "queries" => format!("accounts.mysql.queries.{query}"),
            key => format!("accounts.mysql.{key} ({query})"),
        }
    }

    /// All queries with their keys.
    pub fn queries(&self) -> impl Iterator<Item = (&'static str, &Query)> {
        let optional = [
            ("by_email", &self.by_email),
            ("by_alias", &self.by_alias),
            ("aliases", &self.aliases),
            ("groups", &self.groups),
            ("ha1", &self.ha1),
            ("password", &self.password),
        ];
        let optional = optional.into_iter().filter_map(|(key, query)| query.as_ref().map(|query| (key, query)));
        std::iter::once(("by_username", &self.by_username)).chain(optional)
    }
}

/// The column that says whether an account may pass, and what its values mean. What is in none of the lists
/// means that it may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusColumn {
    /// The column's name.
    pub column: String,
    /// It may. At least one.
    pub active: Vec<String>,
    /// Not for now.
    pub locked: Vec<String>,
    /// Not any more.
    pub closed: Vec<String>,
}

/// How a hash was made whose salt stands in a column of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SaltedLayout {
    /// SHA-1 of salt and password.
    Sha1SaltFirst,
    /// SHA-1 of password and salt.
    Sha1SaltLast,
    /// SHA-256 of salt and password.
    Sha256SaltFirst,
    /// SHA-256 of password and salt.
    Sha256SaltLast,
}

/// Which spellings are one name, whatever the database's collation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Comparison {
    /// Of user names.
    pub username: LetterCase,
    /// Of the local part of addresses. Domains are compared without regard to case anyhow.
    pub local_part: LetterCase,
}

/// Whether capital letters are others than small ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LetterCase {
    /// They are.
    #[default]
    Exact,
    /// They are not.
    CaseInsensitive,
}
