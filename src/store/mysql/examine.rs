//! Looks at every server of the settings as an administrator would: can it be used at all, is it new enough,
//! does it have our tables with columns that tell every two people apart, and does the user have the rights
//! that it needs and no others. It changes nothing. What it finds is judged apart from the asking.

use super::super::migrations::{self, Standing};
use super::super::rights::{self, Role, TABLES, Table};
use super::super::{Deadlines, Diagnosis, OpenError};
use super::connect::{Connector, texts};
use super::standing::GaleraNode;
use crate::config::{self, ServerName, Severity};
use futures_util::future::join_all;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use tokio::time::timeout;

/// What MySQL answers when a table is not there.
const NO_SUCH_TABLE: u16 = 1146;
/// What MySQL answers when a column is not there.
const NO_SUCH_COLUMN: u16 = 1054;

/// What was found out about all servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// The servers that answered as a database, in the order of the settings.
    pub servers: Vec<Examined>,
    /// What is wrong with them and with those that did not.
    pub diagnoses: Vec<Diagnosis>,
}

impl Examination {
    /// Whether the gate can work with what was found.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.diagnoses.iter().all(|diagnosis| diagnosis.severity != Severity::Error)
    }
}

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Its name in the settings.
    pub name: String,
    /// What it calls itself: `MariaDB 10.11.19`.
    pub product: String,
    /// The version of our schema there, `None` if there is none.
    pub schema: Option<u32>,
    /// Whether it takes writes.
    pub writable: bool,
    /// What it is to its Galera cluster, if it is in one.
    pub galera: Option<GaleraNode>,
    /// What the parts of one database have in common: the name of their cluster or group, or else of the server alone.
    pub identity: String,
}

/// Looks at every server. `role` is what the user of the settings is for.
pub async fn examine(settings: &config::MySql, role: Role, deadlines: Deadlines) -> Examination {
    let connector = Connector::unread(settings.clone());
    let asked = settings.servers.iter().map(|server| one(&connector, server, settings, role, deadlines));
    let mut examination = Examination { servers: Vec::new(), diagnoses: Vec::new() };
    for (server, mut diagnoses) in join_all(asked).await {
        examination.servers.extend(server);
        examination.diagnoses.append(&mut diagnoses);
    }
    if !examination.servers.is_empty() {
        // Without this server the gate works with the others.
        let answered = |on: &str| examination.servers.iter().any(|server| server.name == on);
        for diagnosis in &mut examination.diagnoses {
            if settings.servers.iter().any(|server| server.to_string() == diagnosis.on) && !answered(&diagnosis.on) {
                diagnosis.severity = Severity::Warning;
            }
        }
        if !examination.servers.iter().any(|server| server.writable) {
            examination.diagnoses.push(Diagnosis::warning(
                connector.name(),
                "no server takes writes",
                "each that answers is read-only, or a cluster node that lags behind",
                "name the primary in accounts.mysql.servers, too: until then nothing can be changed, and what is changed \
                 elsewhere is noticed only when the time to live of an answer is over",
            ));
        }
        examination.diagnoses.extend(apart(&examination.servers, connector.name()));
        examination.diagnoses.extend(examination.servers.iter().filter_map(without_majority));
    }
    examination
}

/// Servers of which one does not see what is written to another, though both are written to.
fn apart(servers: &[Examined], on: &str) -> Option<Diagnosis> {
    let mut writable = servers.iter().filter(|server| server.writable);
    let first = writable.next()?;
    let other = writable.find(|server| server.identity != first.identity)?;
    Some(Diagnosis::warning(
        on,
        "several servers take writes that do not belong together",
        format!("{} is a part of {:?}, {} of {:?}", first.name, first.identity, other.name, other.identity),
        "set read_only on every replica; nodes of a Galera cluster must show the same wsrep_cluster_state_uuid. What is \
         locked or revoked on one of such servers is not on the other, which is asked when the first does not answer",
    ))
}

/// A cluster that stops answering when one node fails.
fn without_majority(server: &Examined) -> Option<Diagnosis> {
    let node = server.galera.as_ref().filter(|node| node.size < 3)?;
    Some(Diagnosis::warning(
        &server.name,
        "its cluster does not survive the failure of a node",
        format!("wsrep_cluster_size is {}", node.size),
        "see that every node runs and reaches the others; a majority is left only of three nodes or more, of which one may \
         be an arbitrator (garbd)",
    ))
}

async fn one(
    connector: &Connector,
    server: &ServerName,
    settings: &config::MySql,
    role: Role,
    deadlines: Deadlines,
) -> (Option<Examined>, Vec<Diagnosis>) {
    let (mut connection, standing) = match connector.connect_within(deadlines.connect, server).await {
        Ok(connected) => connected,
        Err(diagnosis) => return (None, vec![diagnosis]),
    };
    let ours = settings.foreign.is_none();
    let tables = TABLES.iter().filter(|table| ours && !table.rights(role).is_empty());
    let asked = timeout(deadlines.work * 2, ask(&mut connection, tables)).await;
    // The good-bye is not worth waiting for.
    tokio::spawn(timeout(deadlines.connect, connection.disconnect()));
    let unanswered = |why: String| {
        let what_to_do = "see what keeps the server busy, and look at its error log";
        (None, vec![Diagnosis::error(server, "the server did not answer what it was asked", why, what_to_do)])
    };
    match asked {
        Ok(Ok(findings)) => {
            let examined = Examined {
                name: server.to_string(),
                product: product(&findings.version),
                schema: findings.schema,
                writable: standing.is_writable(),
                identity: standing.cluster().map_or(findings.host.clone(), str::to_owned),
                galera: standing.galera,
            };
            (Some(examined), judge(&findings, &server.to_string(), settings, role))
        }
        Ok(Err(error)) => unanswered(error.to_string()),
        Err(_) => unanswered(format!("there was no answer within {:?}", deadlines.work * 2)),
    }
}

/// What one server said.
#[derive(Debug, Clone, Default)]
struct Findings {
    /// `10.11.19-MariaDB-0+deb12u1`.
    version: String,
    /// The name of its machine, and its port there.
    host: String,
    schema: Option<u32>,
    /// The character sets of what we send, of how it is compared, and of what we get.
    connection: Vec<(String, String)>,
    text_columns: Vec<TextColumn>,
    /// The tables that could not be read, with the server's number and words.
    unread: Vec<(&'static str, u16, String)>,
    grants: Vec<String>,
}

/// A column that holds text.
#[derive(Debug, Clone)]
struct TextColumn {
    table: String,
    column: String,
    character_set: String,
    collation: String,
}

impl From<[String; 4]> for TextColumn {
    fn from([table, column, character_set, collation]: [String; 4]) -> Self {
        Self { table, column, character_set, collation }
    }
}

async fn ask(connection: &mut Conn, tables: impl Iterator<Item = &'static Table>) -> Result<Findings, Error> {
    let character_sets = "SHOW SESSION VARIABLES WHERE Variable_name IN \
                          ('character_set_client', 'character_set_connection', 'character_set_results')";
    let text_columns = "SELECT table_name, column_name, character_set_name, collation_name \
                        FROM information_schema.columns \
                        WHERE table_schema = DATABASE() AND character_set_name IS NOT NULL \
                        ORDER BY table_name, ordinal_position";
    let mut findings = Findings {
        version: first(texts(connection, "SELECT VERSION()").await?).unwrap_or_default(),
        host: first(texts(connection, "SELECT CONCAT(@@hostname, ':', @@port)").await?).unwrap_or_default(),
        connection: texts(connection, character_sets).await?.into_iter().filter_map(row).map(|[a, b]| (a, b)).collect(),
        text_columns: texts(connection, text_columns)
            .await?
            .into_iter()
            .filter_map(row)
            .map(TextColumn::from)
            .collect(),
        ..Findings::default()
    };
    for table in tables {
        let sql = format!("SELECT {} FROM {} LIMIT 0", table.columns.join(", "), table.name);
        match connection.query_drop(sql).await {
            Ok(()) => {}
            Err(Error::Server(error)) => findings.unread.push((table.name, error.code, error.message)),
            Err(error) => return Err(error),
        }
    }
    findings.schema = match texts(connection, "SELECT MAX(version) FROM schema_version").await {
        Ok(version) => first(version).and_then(|version| version.parse().ok()),
        Err(Error::Server(_)) => None,
        Err(error) => return Err(error),
    };
    findings.grants = grants(connection, &findings.version).await?;
    Ok(findings)
}

/// What the user may do, with what it may through roles. MariaDB tells both; MySQL only if it is told which roles.
async fn grants(connection: &mut Conn, version: &str) -> Result<Vec<String>, Error> {
    let roles = if version.contains("MariaDB") {
        None
    } else {
        match texts(connection, "SELECT CURRENT_ROLE()").await {
            Ok(active) => first(active).filter(|roles| roles != "NONE" && !roles.is_empty()),
            // MySQL 5.7 has no roles.
            Err(Error::Server(_)) => None,
            Err(error) => return Err(error),
        }
    };
    let sql = match roles {
        Some(roles) => format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}"),
        None => "SHOW GRANTS".to_owned(),
    };
    Ok(texts(connection, &sql).await?.into_iter().filter_map(|row| row.into_iter().next()).collect())
}

fn first(rows: Vec<Vec<String>>) -> Option<String> {
    rows.into_iter().next()?.into_iter().next()
}

/// A row of so many columns; another one is none of what was asked for.
fn row<const N: usize>(row: Vec<String>) -> Option<[String; N]> {
    row.try_into().ok()
}

fn judge(findings: &Findings, server: &str, settings: &config::MySql, role: Role) -> Vec<Diagnosis> {
    let mut diagnoses = Vec::new();
    let foreign = settings.foreign.is_some();
    diagnoses.extend(too_old(&findings.version, server, foreign));
    for (variable, value) in findings.connection.iter().filter(|(_, value)| value != "utf8mb4") {
        diagnoses.push(Diagnosis::error(
            server,
            "the connection is not utf8mb4",
            format!("{variable} is {value}, though SET NAMES utf8mb4 was said"),
            "see what changes it on the way: a proxy, or a server that replaces statements",
        ));
    }
    if foreign {
        diagnoses.extend(more_than_reading(findings, server, settings));
        return diagnoses;
    }
    diagnoses.extend(schema(findings, server));
    diagnoses.extend(columns(findings, server));
    diagnoses.extend(user_rights(findings, server, settings, role));
    diagnoses
}

fn product(version: &str) -> String {
    let product = if version.contains("MariaDB") { "MariaDB" } else { "MySQL" };
    format!("{product} {}", version.split('-').next().unwrap_or(version))
}

/// Tables of others may be on a server that has not all that ours need.
fn too_old(version: &str, server: &str, foreign: bool) -> Option<Diagnosis> {
    let mut numbers = version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let found = (numbers.next()?, numbers.next().unwrap_or(0));
    let (needed, name) = match (version.contains("MariaDB"), foreign) {
        (true, _) => ((10, 6), "MariaDB 10.6"),
        (false, false) => ((8, 0), "MySQL 8.0"),
        (false, true) => ((5, 7), "MySQL 5.7"),
    };
    (found < needed).then(|| {
        let what_to_do = format!("bring the server to {name} or newer");
        Diagnosis::error(server, "the server is too old", format!("it is {}", product(version)), what_to_do)
    })
}

fn schema(findings: &Findings, server: &str) -> Vec<Diagnosis> {
    let known = migrations::newest();
    let standing = migrations::standing(findings.schema);
    let wrong = match standing {
        Standing::Current => None,
        Standing::Absent if findings.unread.iter().any(|(_, code, _)| !is_missing(*code)) => None,
        Standing::Absent => Some((OpenError::NoSchema, "`wicketgate db init` makes it")),
        Standing::Older(found) => {
            Some((OpenError::OldSchema { found, known }, "`wicketgate db migrate` brings it up to date"))
        }
        Standing::Newer(found) => {
            Some((OpenError::NewSchema { found, known }, "bring this program to that version, too"))
        }
    };
    let mut diagnoses: Vec<Diagnosis> = wrong
        .into_iter()
        .map(|(why, what_to_do)| {
            let what = "the schema is not the one that this program works with";
            Diagnosis::error(server, what, why.to_string(), what_to_do)
        })
        .collect();
    // What the version explains needs no other words.
    if standing == Standing::Current || diagnoses.is_empty() {
        for (table, code, message) in findings.unread.iter().filter(|(_, code, _)| is_missing(*code)) {
            let what = if *code == NO_SUCH_TABLE { "a table is missing" } else { "a column is missing" };
            diagnoses.push(Diagnosis::error(
                format!("{table} on {server}"),
                what,
                format!("{message} (error {code})"),
                "restore it from a backup: the version of the schema says that it was there",
            ));
        }
    }
    diagnoses
}

fn is_missing(code: u16) -> bool {
    matches!(code, NO_SUCH_TABLE | NO_SUCH_COLUMN)
}

fn columns(findings: &Findings, server: &str) -> Vec<Diagnosis> {
    let ours = findings.text_columns.iter().filter(|found| {
        TABLES.iter().any(|known| known.name == found.table && known.columns.contains(&found.column.as_str()))
    });
    ours.filter_map(|TextColumn { table, column, character_set, collation }| {
        let on = format!("{table}.{column} on {server}");
        let what_to_do = format!("ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
        if character_set != "utf8mb4" {
            let why = format!("its character set is {character_set}, which does not have every letter");
            return Some(Diagnosis::error(on, "a column is not utf8mb4", why, what_to_do));
        }
        let what = "a collation would make two people one";
        let why = format!("its collation is {collation}, which takes some different names for the same");
        (!collation.ends_with("_bin")).then(|| Diagnosis::error(on, what, why, what_to_do))
    })
    .collect()
}

fn user_rights(findings: &Findings, server: &str, settings: &config::MySql, role: Role) -> Vec<Diagnosis> {
    let mut judgement = rights::judge(role, &settings.database, &findings.grants);
    let mut diagnoses = Vec::new();
    // Whoever may read some columns of a table only finds that out by asking.
    for (table, code, message) in findings.unread.iter().filter(|(_, code, _)| !is_missing(*code)) {
        if !judgement.missing.iter().any(|missing| missing.ends_with(&format!(" ON {table}"))) {
            judgement.missing.push(format!("{message} (error {code})"));
        }
    }
    let user = format!("{:?} on {server}", settings.user);
    if !judgement.missing.is_empty() {
        diagnoses.push(Diagnosis::error(
            &user,
            format!("the user has not all the rights that {role} needs"),
            format!("missing: {}", judgement.missing.join("; ")),
            "grant them: `wicketgate db grants` prints the statements",
        ));
    }
    if !judgement.superfluous.is_empty() {
        diagnoses.push(Diagnosis::warning(
            &user,
            format!("the user has more rights than {role} needs"),
            format!("superfluous: {}", judgement.superfluous.join("; ")),
            "revoke them, so that whoever gets hold of its password gets no more than it needs: `wicketgate db grants` \
             prints what it should have",
        ));
    }
    diagnoses
}

/// Of tables of others the gate only reads.
fn more_than_reading(findings: &Findings, server: &str, settings: &config::MySql) -> Option<Diagnosis> {
    let superfluous = rights::beyond_reading(&findings.grants);
    (!superfluous.is_empty()).then(|| {
        Diagnosis::warning(
            format!("{:?} on {server}", settings.user),
            "the user may do more than read",
            format!("superfluous: {}", superfluous.join("; ")),
            "revoke that: SELECT on the tables that are read is enough",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MySqlTls;

    fn settings() -> config::MySql {
        config::MySql {
            servers: Vec::new(),
            database: "wg".to_owned(),
            user: "gate".to_owned(),
            password: None,
            tls: MySqlTls::default(),
            foreign: None,
            insecure: false,
        }
    }

    /// What a server says with which nothing is wrong.
    fn good() -> Findings {
        Findings {
            version: "10.11.19-MariaDB".to_owned(),
            host: "db1:3306".to_owned(),
            schema: Some(migrations::newest()),
            connection: vec![("character_set_client".to_owned(), "utf8mb4".to_owned())],
            text_columns: vec![column("username", "utf8mb4", "utf8mb4_bin")],
            unread: Vec::new(),
            grants: rights::grants(Role::Gate, "wg", "`gate`@`%`"),
        }
    }

    #[test]
    fn servers_that_do_not_belong_together_and_clusters_that_are_too_small_are_told() {
        let server = |name: &str, writable, identity: &str, size: Option<u32>| Examined {
            name: name.to_owned(),
            product: "MariaDB 10.11.19".to_owned(),
            schema: None,
            writable,
            galera: size.map(|size| GaleraNode {
                cluster: identity.to_owned(),
                size,
                status: "Primary".to_owned(),
                state: "Synced".to_owned(),
                ready: true,
            }),
            identity: identity.to_owned(),
        };
        let cases = [
            ("one", vec![server("a", true, "a:3306", None)], None, 0),
            ("a replica", vec![server("a", true, "a:3306", None), server("b", false, "b:3306", None)], None, 0),
            ("two", vec![server("a", true, "a:3306", None), server("b", true, "b:3306", None)], Some("b of"), 0),
            ("one by two names", vec![server("a", true, "h:1", None), server("b", true, "h:1", None)], None, 0),
            ("a cluster", vec![server("a", true, "u", Some(3)), server("b", true, "u", Some(3))], None, 0),
            ("two clusters", vec![server("a", true, "u", Some(3)), server("b", true, "v", Some(1))], Some("\"v\""), 1),
            ("a pair", vec![server("a", true, "u", Some(2)), server("b", true, "u", Some(2))], None, 2),
        ];
        for (what, servers, expected, small) in cases {
            let told = apart(&servers, "a, b").map(|diagnosis| diagnosis.why);
            match expected {
                Some(expected) => assert!(told.as_ref().is_some_and(|why| why.contains(expected)), "{what}: {told:?}"),
                None => assert_eq!(told, None, "{what}"),
            }
            assert_eq!(servers.iter().filter_map(without_majority).count(), small, "{what}");
        }
    }

    fn column(name: &str, character_set: &str, collation: &str) -> TextColumn {
        TextColumn::from(["accounts", name, character_set, collation].map(str::to_owned))
    }

    /// What it is about, what is wrong, and what is told.
    type Case = (&'static str, fn(&mut Findings), &'static [&'static str]);

    #[test]
    fn what_is_wrong_is_told_and_nothing_else() {
        let newest = migrations::newest();
        let cases: Vec<Case> = vec![
            ("nothing", |_| {}, &[]),
            ("an old MariaDB", |found| found.version = "10.5.9-MariaDB".to_owned(), &["too old: it is MariaDB 10.5.9"]),
            ("an old MySQL", |found| found.version = "5.7.44-log".to_owned(), &["too old: it is MySQL 5.7.44"]),
            ("a new MySQL", |found| found.version = "8.4.3".to_owned(), &[]),
            ("a new MariaDB", |found| found.version = "11.8.2-MariaDB-log".to_owned(), &[]),
            (
                "a connection",
                |found| found.connection[0].1 = "latin1".to_owned(),
                &["not utf8mb4: character_set_client is latin1"],
            ),
            (
                "a column",
                |found| found.text_columns[0] = column("email", "latin1", "latin1_bin"),
                &["a column is not utf8mb4"],
            ),
            (
                "a collation",
                |found| found.text_columns[0] = column("email", "utf8mb4", "utf8mb4_general_ci"),
                &["two people one: its collation is utf8mb4_general_ci"],
            ),
            ("another's column", |found| found.text_columns[0] = column("phone", "latin1", "latin1_swedish_ci"), &[]),
            (
                "a table",
                |found| found.unread = vec![("aliases", 1146, "no aliases".to_owned())],
                &["a table is missing: no aliases"],
            ),
            (
                "a column less",
                |found| found.unread = vec![("aliases", 1054, "no alias".to_owned())],
                &["a column is missing: no alias"],
            ),
            (
                "no schema",
                |found| (found.schema, found.unread) = (None, vec![("aliases", 1146, String::new())]),
                &["has no schema: run `wicketgate db init`"],
            ),
            ("a newer schema", |found| found.schema = Some(9000), &["version 9000 and this program knows only"]),
            (
                "a right less",
                |found| {
                    found.grants.retain(|line| !line.contains("`aliases`"));
                    found.unread = vec![("aliases", 1142, "SELECT command denied".to_owned())];
                },
                &["not all the rights that the gate needs: missing: SELECT ON aliases"],
            ),
            (
                "a column's right less",
                |found| found.unread = vec![("aliases", 1143, "denied for column 'alias'".to_owned())],
                &["missing: denied for column 'alias' (error 1143)"],
            ),
            (
                "too much",
                |found| found.grants.push("GRANT FILE ON *.* TO x".to_owned()),
                &["more rights than the gate needs: superfluous: FILE ON *.*"],
            ),
        ];
        assert!(newest > 0);
        for (what, change, expected) in cases {
            let mut findings = good();
            change(&mut findings);
            let told: Vec<String> =
                judge(&findings, "db1:3306", &settings(), Role::Gate).iter().map(ToString::to_string).collect();
            assert_eq!(told.len(), expected.len(), "{what}: {told:?}");
            for (told, expected) in told.iter().zip(expected) {
                assert!(told.contains(expected), "{what}: {told}");
            }
        }
    }
}
