//! The versions of the schema: numbered SQL files, one for each dialect, in the order in which they are
//! applied. How they are applied, and under which lock, is the pools' business.

use std::cmp::Ordering;

/// One step from a version of the schema to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// The version that the schema has afterwards; 1, 2, 3, …
    pub version: u32,
    /// For SQLite.
    pub sqlite: &'static str,
    /// For MySQL and MariaDB. Each statement can be repeated without harm, since MySQL commits a
    /// change of the schema by itself and may be cut off between two of them.
    pub mysql: &'static str,
}

/// Every migration, without a gap.
pub const ALL: &[Migration] = &[
    Migration {
        version: 1,
        sqlite: include_str!("migrations/sqlite/0001_accounts.sql"),
        mysql: include_str!("migrations/mysql/0001_accounts.sql"),
    },
    Migration {
        version: 2,
        sqlite: include_str!("migrations/sqlite/0002_imports.sql"),
        mysql: include_str!("migrations/mysql/0002_imports.sql"),
    },
    Migration {
        version: 3,
        sqlite: include_str!("migrations/sqlite/0003_handovers.sql"),
        mysql: include_str!("migrations/mysql/0003_handovers.sql"),
    },
    Migration {
        version: 4,
        sqlite: include_str!("migrations/sqlite/0004_digest.sql"),
        mysql: include_str!("migrations/mysql/0004_digest.sql"),
    },
    Migration {
        version: 5,
        sqlite: include_str!("migrations/sqlite/0005_passwords.sql"),
        mysql: include_str!("migrations/mysql/0005_passwords.sql"),
    },
    Migration {
        version: 6,
        sqlite: include_str!("migrations/sqlite/0006_authority.sql"),
        mysql: include_str!("migrations/mysql/0006_authority.sql"),
    },
    Migration {
        version: 7,
        sqlite: include_str!("migrations/sqlite/0007_history_and_directory.sql"),
        mysql: include_str!("migrations/mysql/0007_history_and_directory.sql"),
    },
    Migration {
        version: 8,
        sqlite: include_str!("migrations/sqlite/0008_publishing.sql"),
        mysql: include_str!("migrations/mysql/0008_publishing.sql"),
    },
];

/// The version that this program works with.
#[must_use]
pub fn newest() -> u32 {
    ALL.last().map_or(0, |migration| migration.version)
}

/// What a database's schema is to this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    Absent,
    /// It must be migrated first.
    Older(u32),
    /// It is the one that this program works with.
    Current,
    /// A newer program made it, and this one does not know what it means.
    Newer(u32),
}

/// How a version found in a database stands to this program.
#[must_use]
pub fn standing(found: Option<u32>) -> Standing {
    match found.map(|version| (version, version.cmp(&newest()))) {
        None => Standing::Absent,
        Some((version, Ordering::Less)) => Standing::Older(version),
        Some((_, Ordering::Equal)) => Standing::Current,
        Some((version, Ordering::Greater)) => Standing::Newer(version),
    }
}

/// The migrations that lead from a version (`None`: from nothing) to the newest.
pub fn after(version: Option<u32>) -> impl Iterator<Item = &'static Migration> {
    ALL.iter().filter(move |migration| migration.version > version.unwrap_or(0))
}

/// The statements of a file of ours, without its comments. A statement ends with a semicolon at the end
/// of its line; comments take whole lines.
pub fn statements(sql: &str) -> impl Iterator<Item = String> {
    let code: Vec<&str> = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let code = code.join("\n");
    let statements: Vec<String> = code
        .split(";\n")
        .map(|part| part.trim().trim_end_matches(';').to_owned())
        .filter(|part| !part.is_empty())
        .collect();
    statements.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_without_a_gap() {
        let versions: Vec<u32> = ALL.iter().map(|migration| migration.version).collect();
        assert_eq!(versions, (1..=newest()).collect::<Vec<_>>());
    }

    #[test]
    fn a_schema_from_a_newer_program_is_told_from_ours() {
        let newest = newest();
        let cases = [
            (None, Standing::Absent),
            (Some(0), Standing::Older(0)),
            (Some(newest), Standing::Current),
            (Some(newest + 1), Standing::Newer(newest + 1)),
        ];
        for (found, expected) in cases {
            assert_eq!(standing(found), expected, "{found:?}");
        }
    }

    #[test]
    fn a_file_falls_into_its_statements() {
        let sql = "-- A comment; with a semicolon.\nCREATE TABLE a (\n  b TEXT\n);\n\nINSERT INTO a VALUES (';');\n";
        let expected = ["CREATE TABLE a (\n  b TEXT\n)", "INSERT INTO a VALUES (';')"];
        assert_eq!(statements(sql).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn both_dialects_make_the_same_tables() {
        let tables = |sql: &str| -> Vec<String> {
            let name = |statement: String| -> Option<String> {
                let rest = statement.strip_prefix("CREATE TABLE ")?;
                rest.trim_start_matches("IF NOT EXISTS ").split(' ').next().map(str::to_owned)
            };
            // A table that takes another's name once it is filled is that one.
            let renamed = |name: &String| sql.contains(&format!("ALTER TABLE {name} RENAME TO "));
            statements(sql).filter_map(name).filter(|name| !renamed(name)).collect()
        };
        for migration in ALL {
            assert_eq!(tables(migration.sqlite), tables(migration.mysql), "version {}", migration.version);
            assert!(!tables(migration.sqlite).is_empty(), "version {}", migration.version);
        }
    }
}
