//! The statements of imports and exports, in the SQL that SQLite and MySQL have in common.

use crate::account::sql::statements::all_that_belongs_to_them;
use crate::store::rows::Many;

/// The number of the last change.
pub(super) const COUNTER: &str = "SELECT n FROM change_counter WHERE id = 1";
/// Whether there is any account.
pub(super) const ANY: &str = "SELECT 1 FROM accounts LIMIT 1";
/// The time of the server in UTC, as `2026-11-21 16:40:00`. (`CURRENT_TIMESTAMP` alone is of a type that one of the two
/// does not have.)
pub(super) const NOW: &str = "SELECT CAST(CURRENT_TIMESTAMP AS CHAR)";
/// The highest id that an account has or that is reserved for one.
pub(super) const HIGHEST: &str = "SELECT MAX(id) FROM accounts UNION ALL SELECT MAX(last_id) FROM imports";

/// Columns: first id, last id, holder, expires, state.
pub(super) const IMPORTS: &str = "SELECT first_id, last_id, holder, expires, state FROM imports ORDER BY first_id";
/// Parameters: first id, last id, holder, expires, state.
pub(super) const BEGIN: &str = "INSERT INTO imports (first_id, last_id, holder, expires, state) VALUES (?, ?, ?, ?, ?)";
/// Parameters: expires, first id, holder, state.
pub(super) const RENEW: &str = "UPDATE imports SET expires = ? WHERE first_id = ? AND holder = ? AND state = ?";
/// Parameters: the new holder, expires, first id, the old holder, when its lease ended.
pub(super) const TAKE_OVER: &str =
    "UPDATE imports SET holder = ?, expires = ? WHERE first_id = ? AND holder = ? AND expires = ?";
/// Parameters: the new state, first id.
pub(super) const SET_STATE: &str = "UPDATE imports SET state = ? WHERE first_id = ?";
/// Parameters: first id.
pub(super) const END: &str = "DELETE FROM imports WHERE first_id = ?";

/// Columns: the user name, the id.
pub(super) static BY_USERNAME: Many = Many::among("SELECT username, id FROM accounts WHERE username IN (", ")");
/// Columns: the address, the id.
pub(super) static BY_EMAIL: Many = Many::among("SELECT email, id FROM accounts WHERE email IN (", ")");
/// Columns: the alias, the id of the account.
pub(super) static BY_ALIAS: Many = Many::among("SELECT alias, account_id FROM aliases WHERE alias IN (", ")");
/// Names that an import will give or leave to an account. Columns: the name, the id of the account, the import.
pub(super) static BY_RESERVED: Many =
    Many::among("SELECT name, account_id, import FROM import_names WHERE name IN (", ")");

/// Accounts with aliases and groups, by their ids.
pub(super) static ACCOUNTS: Many = Many::among(
    "WITH found (id) AS (SELECT n.id FROM accounts n WHERE n.id IN (",
    concat!(")", all_that_belongs_to_them!()),
);
/// Columns: the id of the account, realm, algorithm, HA1.
pub(super) static CREDENTIALS: Many =
    Many::among("SELECT account_id, realm, algorithm, ha1 FROM digest_credentials WHERE account_id IN (", ")");
/// Columns: the id of the account, the hash of its password.
pub(super) static PASSWORDS: Many =
    Many::among("SELECT account_id, hash FROM password_hashes WHERE account_id IN (", ")");

/// Rows: email, display name, status, home, user name, id.
pub(super) static INSERT_ACCOUNTS: Many = Many::insert(
    "INSERT INTO accounts (email, display_name, status, home, username, id) VALUES ",
    "(?, ?, ?, ?, ?, ?)",
);
/// Rows: alias, account id.
pub(super) static INSERT_ALIASES: Many = Many::insert("INSERT INTO aliases (alias, account_id) VALUES ", "(?, ?)");
/// Rows: account id, name.
pub(super) static INSERT_GROUPS: Many = Many::insert("INSERT INTO account_groups (account_id, name) VALUES ", "(?, ?)");
/// Rows: account id, realm, algorithm, HA1.
pub(super) static INSERT_CREDENTIALS: Many =
    Many::insert("INSERT INTO digest_credentials (account_id, realm, algorithm, ha1) VALUES ", "(?, ?, ?, ?)");
/// Rows: account id, realm, algorithm, hash of the user name.
pub(super) static INSERT_USERHASHES: Many =
    Many::insert("INSERT INTO digest_userhashes (account_id, realm, algorithm, userhash) VALUES ", "(?, ?, ?, ?)");
/// Rows: account id, hash, the number of the change that sets the password.
pub(super) static INSERT_PASSWORDS: Many =
    Many::insert("INSERT INTO password_hashes (account_id, hash, set_by) VALUES ", "(?, ?, ?)");
/// By account ids.
pub(super) static DELETE_ALIASES: Many = Many::among("DELETE FROM aliases WHERE account_id IN (", ")");
/// By account ids.
pub(super) static DELETE_GROUPS: Many = Many::among("DELETE FROM account_groups WHERE account_id IN (", ")");
/// By account ids.
pub(super) static DELETE_CREDENTIALS: Many = Many::among("DELETE FROM digest_credentials WHERE account_id IN (", ")");
/// By account ids.
pub(super) static DELETE_USERHASHES: Many = Many::among("DELETE FROM digest_userhashes WHERE account_id IN (", ")");
/// By account ids.
pub(super) static DELETE_PASSWORDS: Many = Many::among("DELETE FROM password_hashes WHERE account_id IN (", ")");

/// The next ids of a range. Parameters: the first and the last, how many.
pub(super) const IDS: &str = "SELECT id FROM accounts WHERE id >= ? AND id <= ? ORDER BY id LIMIT ?";
/// How many accounts a range has. Parameters: the first id and the last one.
pub(super) const COUNT_ACCOUNTS: &str = "SELECT COUNT(*) FROM accounts WHERE id >= ? AND id <= ?";
/// How many changes an import has noted. Parameters: import.
pub(super) const COUNT_UPDATES: &str = "SELECT COUNT(*) FROM import_updates WHERE import = ?";
/// Parameters: the first id and the last one.
pub(super) const DELETE_ACCOUNTS: &str = "DELETE FROM accounts WHERE id >= ? AND id <= ?";

/// Rows: import, line, record.
pub(super) static INSERT_UPDATES: Many =
    Many::insert("INSERT INTO import_updates (import, line, record) VALUES ", "(?, ?, ?)");
/// The next changes of an import. Parameters: import, how many. Columns: line, record.
pub(super) const UPDATES: &str = "SELECT line, record FROM import_updates WHERE import = ? ORDER BY line LIMIT ?";
/// Parameters: import, the last line.
pub(super) const DELETE_UPDATES: &str = "DELETE FROM import_updates WHERE import = ? AND line <= ?";
/// Rows: name, import, account id.
pub(super) static INSERT_NAMES: Many =
    Many::insert("INSERT INTO import_names (name, import, account_id) VALUES ", "(?, ?, ?)");
/// The next names of an import. Parameters: import, how many.
pub(super) const NAMES: &str = "SELECT name FROM import_names WHERE import = ? LIMIT ?";
/// By names.
pub(super) static DELETE_NAMES: Many = Many::among("DELETE FROM import_names WHERE name IN (", ")");
