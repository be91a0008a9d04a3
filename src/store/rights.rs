//! Who needs which rights on our tables: the gate, the portal, the authority and the commands that look after
//! accounts each have a database user of their own. From one table come the statements of `wicketgate db grants`
//! and, in `granted`, the judgement on what `SHOW GRANTS` answers. Nothing here talks to a server.

mod granted;

pub use granted::{Judgement, beyond_reading, judge};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// What a database user is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The gate: it reads, and writes down used hand-overs.
    Gate,
    /// The portal: it writes what people may change themselves.
    Portal,
    /// The authority: it records what it issues and revokes.
    Authority,
    /// The commands `wicketgate account …` and `wicketgate cache flush`.
    Accounts,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Gate, Self::Portal, Self::Authority, Self::Accounts];

    /// `the gate`, `the portal`, `the authority`, `wicketgate account`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gate => "the gate",
            Self::Portal => "the portal",
            Self::Authority => "the authority",
            Self::Accounts => "`wicketgate account`",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    /// As it is typed: `gate`, `portal`, `authority`, `accounts`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "gate" => Ok(Self::Gate),
            "portal" => Ok(Self::Portal),
            "authority" => Ok(Self::Authority),
            "accounts" => Ok(Self::Accounts),
            _ => Err("it is one of gate, portal, authority and accounts".to_owned()),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One of our tables.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The columns that this program reads and writes.
    pub columns: &'static [&'static str],
    /// The rights that each role needs on it, in the order of [`Role::ALL`].
    rights: [&'static [&'static str]; 4],
}

impl Table {
    /// The rights that a role needs on it.
    #[must_use]
    pub fn rights(&self, role: Role) -> &'static [&'static str] {
        let [gate, portal, authority, accounts] = self.rights;
        match role {
            Role::Gate => gate,
            Role::Portal => portal,
            Role::Authority => authority,
            Role::Accounts => accounts,
        }
    }
}

const NONE: &[&str] = &[];
const READ: &[&str] = &["SELECT"];
const APPEND: &[&str] = &["SELECT", "INSERT"];
const RAISE: &[&str] = &["SELECT", "UPDATE"];
const REPLACE: &[&str] = &["SELECT", "INSERT", "DELETE"];
const RECORD: &[&str] = &["SELECT", "INSERT", "UPDATE"];
const ALL: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE"];

/// Every table, with the columns and rights that are needed.
pub const TABLES: &[Table] = &[
    Table {
        name: "accounts",
        columns: &["id", "username", "email", "display_name", "status", "home"],
        rights: [READ, READ, READ, ALL],
    },
    Table { name: "aliases", columns: &["alias", "account_id"], rights: [READ, READ, READ, REPLACE] },
    Table { name: "account_groups", columns: &["account_id", "name"], rights: [READ, READ, READ, REPLACE] },
    Table {
        name: "digest_credentials",
        columns: &["account_id", "realm", "algorithm", "ha1"],
        rights: [READ, REPLACE, NONE, REPLACE],
    },
    Table {
        name: "digest_userhashes",
        columns: &["account_id", "realm", "algorithm", "userhash"],
        rights: [READ, REPLACE, NONE, REPLACE],
    },
    Table {
        name: "password_hashes",
        columns: &["account_id", "hash", "set_by"],
        rights: [READ, REPLACE, NONE, REPLACE],
    },
    Table {
        name: "certificates",
        columns: &[
            "issuer",
            "serial",
            "issuer_name",
            "username",
            "subject",
            "not_before",
            "not_after",
            "fingerprint",
            "profile",
            "revoked_at",
            "reason",
        ],
        rights: [READ, RAISE, RECORD, RAISE],
    },
    Table {
        name: "revocations",
        columns: &["issuer", "serial", "revoked_at", "reason"],
        rights: [READ, RECORD, ALL, RECORD],
    },
    Table {
        name: "certificate_contents",
        columns: &["issuer", "serial", "spki", "der"],
        rights: [READ, READ, APPEND, READ],
    },
    Table {
        name: "revocation_log",
        columns: &["n", "issuer", "serial", "at", "reason"],
        rights: [READ, APPEND, APPEND, APPEND],
    },
    Table { name: "crl_numbers", columns: &["issuer", "number"], rights: [READ, NONE, RECORD, NONE] },
    Table { name: "change_counter", columns: &["id", "n"], rights: [READ, RAISE, RAISE, RAISE] },
    Table { name: "changes", columns: &["n", "kind", "name"], rights: [READ, REPLACE, REPLACE, REPLACE] },
    Table {
        name: "imports",
        columns: &["first_id", "last_id", "holder", "expires", "state"],
        rights: [READ, READ, READ, ALL],
    },
    Table { name: "import_updates", columns: &["import", "line", "record"], rights: [READ, READ, NONE, REPLACE] },
    Table { name: "import_names", columns: &["name", "import", "account_id"], rights: [READ, READ, NONE, REPLACE] },
    Table { name: "handovers", columns: &["identifier", "kept_until"], rights: [REPLACE, NONE, NONE, NONE] },
    Table {
        name: "history_heads",
        columns: &["history", "seq", "hash", "kept_at"],
        rights: [READ, NONE, APPEND, NONE],
    },
    Table {
        name: "ldap_publications",
        columns: &["issuer", "serial", "username", "wanted", "pending", "due_at", "attempts", "dn", "problem"],
        rights: [READ, NONE, RECORD, NONE],
    },
    Table {
        name: "ldap_worker",
        columns: &["id", "holder", "held_until", "revocations"],
        rights: [READ, NONE, RAISE, NONE],
    },
    Table { name: "publications", columns: &["id", "n"], rights: [READ, NONE, RAISE, NONE] },
    Table {
        name: "published_issuers",
        columns: &["issuer", "certificate", "above", "edition"],
        rights: [READ, NONE, REPLACE, NONE],
    },
    Table {
        name: "published_lists",
        columns: &["issuer", "kind", "number", "this_update", "next_update", "edition"],
        rights: [READ, NONE, REPLACE, NONE],
    },
    Table {
        name: "published_list_parts",
        columns: &["issuer", "kind", "part", "content"],
        rights: [READ, NONE, REPLACE, NONE],
    },
    Table {
        name: "ocsp_signers",
        columns: &["fingerprint", "certificate", "not_after"],
        rights: [READ, NONE, REPLACE, NONE],
    },
    Table {
        name: "ocsp_answers",
        columns: &[
            "issuer",
            "serial",
            "revoked_at",
            "reason",
            "this_update",
            "next_update",
            "signer",
            "by_sha1",
            "by_sha256",
            "edition",
        ],
        rights: [READ, NONE, REPLACE, NONE],
    },
    Table { name: "schema_version", columns: &["version"], rights: [READ, READ, READ, READ] },
];

/// What the gate may be given besides, to hash outdated passwords anew (`db grants --rehash`): the column of the hash
/// and no other, so that it can set nobody another password that the feed of changes would tell of.
const REHASH: (Role, &str, &str) = (Role::Gate, "password_hashes", "hash");

/// The statement that gives a user what hashing passwords anew needs.
#[must_use]
pub fn rehash_grant(database: &str, user: &str) -> String {
    let (_, table, column) = REHASH;
    format!("GRANT UPDATE ({column}) ON {}.{} TO {user}", identifier(database), identifier(table))
}

/// A name as SQL writes it.
#[must_use]
pub fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Text as SQL writes it.
#[must_use]
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The statements that give a user, written as SQL writes it, what a role needs.
#[must_use]
pub fn grants(role: Role, database: &str, user: &str) -> Vec<String> {
    let mut by_rights: BTreeMap<&[&str], BTreeSet<&str>> = BTreeMap::new();
    for table in TABLES.iter().filter(|table| !table.rights(role).is_empty()) {
        by_rights.entry(table.rights(role)).or_default().insert(table.name);
    }
    by_rights
        .iter()
        .flat_map(|(rights, tables)| {
            tables.iter().map(|table| {
                format!("GRANT {} ON {}.{} TO {user}", rights.join(", "), identifier(database), identifier(table))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::migrations;
    use proptest::prelude::*;

    fn lines(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_tables_are_those_of_the_schema_with_all_their_columns() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY)").unwrap();
        for migration in migrations::ALL {
            connection.execute_batch(migration.sqlite).unwrap();
        }
        let strings = |sql: &str| -> BTreeSet<String> {
            let mut statement = connection.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let made = strings("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
        assert_eq!(made, TABLES.iter().map(|table| table.name.to_owned()).collect());
        for table in TABLES {
            let columns = strings(&format!("SELECT name FROM pragma_table_info('{}')", table.name));
            assert_eq!(columns, table.columns.iter().map(|column| (*column).to_owned()).collect(), "{}", table.name);
        }
    }

    #[test]
    fn what_is_granted_is_exactly_what_is_needed() {
        for role in Role::ALL {
            let granted = grants(role, "wick_et`gate", "`gate`@`%`");
            assert_eq!(judge(role, "wick_et`gate", &granted), Judgement::default(), "{role}");
        }
    }

    #[test]
    fn too_little_is_named_by_table() {
        let mut granted = grants(Role::Gate, "wg", "`gate`@`%`");
        granted.retain(|line| !line.contains("`revocations`"));
        granted.push("GRANT SELECT ON `other`.`revocations` TO `gate`@`%`".to_owned());
        let judged = judge(Role::Gate, "wg", &granted);
        assert_eq!(judged.missing, ["SELECT ON revocations"]);
        assert_eq!(judged.superfluous, ["SELECT ON `other`.`revocations`"]);
        assert_eq!(judge(Role::Gate, "wg", &[]).missing.len(), TABLES.len());
    }

    #[test]
    fn a_right_to_write_some_columns_is_not_the_right_to_write() {
        let cases = [
            ("SELECT, INSERT, UPDATE, DELETE", ""),
            ("ALL PRIVILEGES", ""),
            ("SELECT (`id`, `username`), INSERT, UPDATE, DELETE", ""),
            ("SELECT, INSERT (`id`), UPDATE, DELETE", "INSERT ON accounts"),
            ("SELECT, INSERT, UPDATE (`status`, `home`), DELETE", "UPDATE ON accounts"),
            ("SELECT, INSERT (`id`), UPDATE (`status`), DELETE", "INSERT, UPDATE ON accounts"),
        ];
        for (rights, missing) in cases {
            let mut granted = grants(Role::Accounts, "wg", "`a`@`%`");
            granted.retain(|line| !line.contains("`accounts`"));
            granted.push(format!("GRANT {rights} ON `wg`.`accounts` TO `a`@`%`"));
            assert_eq!(judge(Role::Accounts, "wg", &granted).missing.join("; "), missing, "{rights}");
        }
        let raised = lines(&["GRANT SELECT, UPDATE (`reason`) ON `wg`.`certificates` TO `a`@`%`"]);
        let judged = judge(Role::Portal, "wg", &raised);
        assert!(judged.missing.contains(&"UPDATE ON certificates".to_owned()), "{judged:?}");
    }

    #[test]
    fn too_much_is_named_as_it_was_granted() {
        let cases: [(&[&str], &[&str]); 8] = [
            (&["GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*HASH' REQUIRE X509"], &[]),
            (&["GRANT SELECT ON `w_g`.* TO `a`@`%`"], &[]),
            (&["GRANT SELECT ON `w\\_g`.* TO `a`@`%`"], &[]),
            (&["GRANT SELECT, DELETE ON `w_g`.* TO `a`@`%` WITH GRANT OPTION"], &["DELETE, GRANT OPTION ON `w_g`.*"]),
            (&["GRANT ALL PRIVILEGES ON `w_g`.* TO `a`@`%`"], &["ALL PRIVILEGES ON `w_g`.*"]),
            (&["GRANT SELECT ON `w%`.* TO `a`@`%`"], &["SELECT ON `w%`.*"]),
            (&["GRANT PROCESS ON *.* TO `a`@`%`", "GRANT `r` TO `a`@`%`"], &["PROCESS ON *.*"]),
            (
                &["GRANT SELECT (`id`, `email`), INSERT (`id`) ON `w_g`.`accounts` TO `a`@`%`"],
                &["INSERT (`id`) ON `w_g`.`accounts`"],
            ),
        ];
        for (granted, superfluous) in cases {
            assert_eq!(judge(Role::Gate, "w_g", &lines(granted)).superfluous, superfluous, "{granted:?}");
        }
    }

    #[test]
    fn the_gate_may_hash_passwords_anew_and_set_none() {
        let granted = |line: &str| judge(Role::Gate, "wg", &lines(&[line])).superfluous;
        assert!(granted(&rehash_grant("wg", "`gate`@`%`")).is_empty());
        assert!(granted("GRANT SELECT, UPDATE (`hash`) ON `wg`.`password_hashes` TO `gate`@`%`").is_empty());
        for line in [
            "GRANT UPDATE ON `wg`.`password_hashes` TO `a`@`%`",
            "GRANT UPDATE (`hash`, `set_by`) ON `wg`.`password_hashes` TO `a`@`%`",
            "GRANT UPDATE (`hash`) ON `wg`.`digest_credentials` TO `a`@`%`",
            "GRANT UPDATE (`hash`) ON `other`.`password_hashes` TO `a`@`%`",
        ] {
            assert_eq!(granted(line).len(), 1, "{line}");
        }
        let rehash = lines(&[&rehash_grant("wg", "`authority`@`%`")]);
        assert_eq!(judge(Role::Authority, "wg", &rehash).superfluous.len(), 1);
    }

    #[test]
    fn whoever_only_reads_needs_no_other_right() {
        let granted = lines(&[
            "GRANT USAGE ON *.* TO `a`@`%`",
            "GRANT SELECT, SHOW VIEW ON `mail`.* TO `a`@`%`",
            "GRANT SELECT (`id`), UPDATE (`id`) ON `mail`.`users` TO `a`@`%`",
        ]);
        assert_eq!(beyond_reading(&granted), ["UPDATE (`id`) ON `mail`.`users`"]);
    }

    proptest! {
        #[test]
        fn no_line_upsets_the_judge(line in "\\PC{0,80}", tail in "[ -~]{0,60}") {
            let _ = judge(Role::Gate, "wg", &[line.clone(), format!("GRANT {tail}"), format!("GRANT SELECT ON {line} TO x")]);
        }

        #[test]
        fn a_literal_cannot_be_left_from_within(text in "\\PC{0,20}") {
            let quoted = literal(&text);
            let inside = &quoted[1..quoted.len() - 1];
            prop_assert_eq!(inside.replace("\\\\", "").replace("''", "").contains(['\'', '\\']), false);
        }
    }
}
