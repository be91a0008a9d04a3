//! The statements over our own schema, in the SQL that SQLite and MySQL have in common. Every value is
//! a bound parameter.

/// In column 0: the row is an account's own record.
pub(super) const RECORD: i64 = 0;
/// In column 0: the row is one of its aliases.
pub(super) const ALIAS: i64 = 1;
/// In column 0: the row is one of its groups.
pub(super) const GROUP: i64 = 2;

/// Of accounts `a` those that are there for everybody: an import whose state is `pending` is not, as a whole.
macro_rules! present {
    () => {
        "NOT EXISTS (SELECT 1 FROM imports i WHERE i.first_id <= a.id AND i.last_id >= a.id AND i.state = 'pending')"
    };
}

/// All that belongs to the accounts whose ids the given query finds. The columns are: which part the row
/// is, the account's id, and of the record username, email, display name, status and home; of an alias
/// or a group its name.
macro_rules! accounts_found_by {
    ($($query:expr),+) => {
        concat!("WITH found (id) AS (", $($query),+, all_that_belongs_to_them!())
    };
}

/// What stands behind the query in [`accounts_found_by`].
macro_rules! all_that_belongs_to_them {
    () => {
        ") SELECT 0, a.id, a.username, a.email, a.display_name, a.status, a.home \
         FROM found JOIN accounts a ON a.id = found.id \
         UNION ALL SELECT 1, l.account_id, l.alias, NULL, NULL, NULL, NULL \
         FROM found JOIN aliases l ON l.account_id = found.id \
         UNION ALL SELECT 2, g.account_id, g.name, NULL, NULL, NULL, NULL \
         FROM found JOIN account_groups g ON g.account_id = found.id"
    };
}

pub(in crate::account) use all_that_belongs_to_them;
pub(in crate::account) use present;

/// Parameters: the user name.
pub(super) const FIND_BY_USERNAME: &str =
    accounts_found_by!("SELECT a.id FROM accounts a WHERE a.username = ? AND ", present!());
/// Parameters: the alias.
pub(super) const FIND_BY_ALIAS: &str = accounts_found_by!(
    "SELECT a.id FROM aliases n JOIN accounts a ON a.id = n.account_id WHERE n.alias = ? AND ",
    present!()
);
/// Parameters: the address, twice.
pub(super) const FIND_BY_EMAIL: &str = accounts_found_by!(
    "SELECT a.id FROM accounts a WHERE a.email = ? AND ",
    present!(),
    " UNION SELECT a.id FROM aliases n JOIN accounts a ON a.id = n.account_id WHERE n.alias = ? AND ",
    present!()
);
/// Parameters: the user name before the page, how many accounts.
pub(in crate::account) const LIST: &str = accounts_found_by!(
    "SELECT a.id FROM accounts a WHERE a.username > ? AND ",
    present!(),
    " ORDER BY a.username LIMIT ?"
);

/// Parameters: user name, realm, algorithm. Columns: the same and HA1.
pub(super) const HA1: &str = concat!(
    "SELECT a.username, d.realm, d.algorithm, d.ha1 FROM accounts a JOIN digest_credentials d ON d.account_id = a.id \
     WHERE a.username = ? AND d.realm = ? AND d.algorithm = ? AND ",
    present!()
);

/// Parameters: the hash of a user name, realm, algorithm. Column: the user name.
pub(super) const USERNAME_OF: &str = concat!(
    "SELECT a.username FROM digest_userhashes h JOIN accounts a ON a.id = h.account_id \
     WHERE h.userhash = ? AND h.realm = ? AND h.algorithm = ? AND ",
    present!()
);
/// Parameters: the user name. Columns: the same, the hash, the number of the change that set the password.
pub(super) const PASSWORD: &str = concat!(
    "SELECT a.username, p.hash, p.set_by \
     FROM accounts a JOIN password_hashes p ON p.account_id = a.id WHERE a.username = ? AND ",
    present!()
);

/// Parameters: issuer and serial, twice. Columns: issuer, serial, the time.
pub(super) const REVOKED: &str = "SELECT issuer, serial, revoked_at FROM revocations WHERE issuer = ? AND serial = ? \
    UNION ALL SELECT issuer, serial, revoked_at FROM certificates \
    WHERE issuer = ? AND serial = ? AND revoked_at IS NOT NULL";

/// Which other accounts have a name, or are to get it by an import. Parameters: the name and the id of the account
/// that wants it, four times.
pub(super) const HOLDERS: &str = "SELECT id FROM accounts WHERE username = ? AND id <> ? \
    UNION ALL SELECT id FROM accounts WHERE email = ? AND id <> ? \
    UNION ALL SELECT account_id FROM aliases WHERE alias = ? AND account_id <> ? \
    UNION ALL SELECT account_id FROM import_names WHERE name = ? AND account_id <> ?";

/// Parameters: the user name. Columns: id, user name.
pub(super) const ID: &str = concat!("SELECT a.id, a.username FROM accounts a WHERE a.username = ? AND ", present!());

/// Parameters: email, display name, status, home, user name.
pub(super) const INSERT_ACCOUNT: &str =
    "INSERT INTO accounts (email, display_name, status, home, username) VALUES (?, ?, ?, ?, ?)";
/// Parameters: email, display name, status, home, id.
pub(in crate::account) const UPDATE_ACCOUNT: &str =
    "UPDATE accounts SET email = ?, display_name = ?, status = ?, home = ? WHERE id = ?";
/// Parameters: the id. Aliases, groups and digest credentials go with it.
pub(super) const DELETE_ACCOUNT: &str = "DELETE FROM accounts WHERE id = ?";

/// Parameters: alias, account id.
pub(super) const INSERT_ALIAS: &str = "INSERT INTO aliases (alias, account_id) VALUES (?, ?)";
/// Parameters: the account id.
pub(super) const DELETE_ALIASES: &str = "DELETE FROM aliases WHERE account_id = ?";
/// Parameters: account id, name.
pub(super) const INSERT_GROUP: &str = "INSERT INTO account_groups (account_id, name) VALUES (?, ?)";
/// Parameters: the account id.
pub(super) const DELETE_GROUPS: &str = "DELETE FROM account_groups WHERE account_id = ?";

/// Parameters: account id, realm, algorithm, HA1.
pub(super) const INSERT_HA1: &str =
    "INSERT INTO digest_credentials (account_id, realm, algorithm, ha1) VALUES (?, ?, ?, ?)";
/// Parameters: account id, realm, algorithm.
pub(super) const DELETE_HA1: &str =
    "DELETE FROM digest_credentials WHERE account_id = ? AND realm = ? AND algorithm = ?";

/// Parameters: account id, realm, algorithm, the hash of the user name.
pub(super) const INSERT_USERHASH: &str =
    "INSERT INTO digest_userhashes (account_id, realm, algorithm, userhash) VALUES (?, ?, ?, ?)";
/// Parameters: account id, realm, algorithm.
pub(super) const DELETE_USERHASH: &str =
    "DELETE FROM digest_userhashes WHERE account_id = ? AND realm = ? AND algorithm = ?";
/// Parameters: account id, hash, the number of the change.
pub(super) const INSERT_PASSWORD: &str = "INSERT INTO password_hashes (account_id, hash, set_by) VALUES (?, ?, ?)";
/// Parameters: account id.
pub(super) const DELETE_PASSWORD: &str = "DELETE FROM password_hashes WHERE account_id = ?";
/// Parameters: hash, the number of the change that set the password, user name.
pub(super) const REHASH: &str = "UPDATE password_hashes SET hash = ? \
    WHERE set_by = ? AND account_id = (SELECT id FROM accounts WHERE username = ?)";

/// Parameters: issuer, serial, issuer name, user name, subject, notBefore, notAfter, fingerprint, profile.
/// What was issued to an account and is not revoked for good. Parameters: the user name. Columns: issuer, serial.
pub(super) const CERTIFICATES_OF: &str = "SELECT issuer, serial FROM certificates \
    WHERE username = ? AND (revoked_at IS NULL OR reason = 'certificateHold')";
/// Parameters: the identifier, until when it is kept.
pub(super) const INSERT_USED: &str = "INSERT INTO handovers (identifier, kept_until) VALUES (?, ?)";
/// Parameters: the time.
pub(super) const FORGET_USED: &str = "DELETE FROM handovers WHERE kept_until < ?";
