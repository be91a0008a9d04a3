//! What is refused of queries over foreign tables, and what they are made into.

use crate::config::fault::{Faults, Severity};
use crate::config::{Comparison, Config, LetterCase, Parameter, StatusColumn, parse};
use std::path::Path;

/// A configuration with these keys in `accounts.mysql` and these further sections.
fn text(mysql: &str, sections: &str) -> String {
    let trust = if sections.contains("trust:") {
        ""
    } else {
        "trust: {staff: {authorities: [ca.pem], revocation: {database: false}}}\n"
    };
    format!(
        "listeners: [{{name: a, address: '127.0.0.1:1', trust: staff, tls: {{certificates: [{{chain: c, key: k}}]}}}}]\n\
         routes: [{{upstream: app}}]\nupstreams: {{app: {{servers: ['http://127.0.0.1:2']}}}}\n{trust}\
         accounts: {{mysql: {{servers: ['127.0.0.1'], database: d, user: u, password: {{env: P}}, {mysql}}}}}\n{sections}\n"
    )
}

fn faults(mysql: &str, sections: &str) -> Faults {
    match parse(&text(mysql, sections), "gate.yaml", Path::new("")) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => faults,
    }
}

fn config(mysql: &str, sections: &str) -> Config {
    match parse(&text(mysql, sections), "gate.yaml", Path::new("")) {
        Ok(loaded) => loaded.config,
        Err(faults) => panic!("{faults}"),
    }
}

const BY_USERNAME: &str = "by_username: 'SELECT u AS username FROM t WHERE u = :username'";
const AS_USERNAME: &str = "identity: [{from: subject.cn}]";

#[test]
fn queries_are_taken_with_what_they_are_compared_by() {
    let config = config(
        &format!(
            "queries: {{{BY_USERNAME}, by_email: 'SELECT 1 FROM t WHERE a = :email OR b = :email_unicode', \
             status: {{column: active, active: [1, Y], closed: [0]}}, compare: {{local_part: case_insensitive}}}}"
        ),
        "",
    );
    let foreign = config.accounts.store.foreign().unwrap();
    assert_eq!(foreign.by_username.sql(), "SELECT u AS username FROM t WHERE u = ?");
    let by_email = foreign.by_email.as_ref().unwrap();
    assert_eq!(by_email.parameters(), [Parameter::Email, Parameter::EmailUnicode]);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let status = StatusColumn {
        column: "active".to_owned(),
        active: words(&["1", "Y"]),
        locked: Vec::new(),
        closed: words(&["0"]),
    };
    assert_eq!(foreign.status, Some(status));
    let compare = Comparison { username: LetterCase::Exact, local_part: LetterCase::CaseInsensitive };
    assert_eq!(foreign.compare, compare);
    assert_eq!(foreign.queries().map(|(key, _)| key).collect::<Vec<_>>(), ["by_username", "by_email"]);
}

#[test]
fn a_faulty_query_is_refused_where_it_stands() {
    let cases = [
        ("queries: {}", "accounts.mysql.queries.by_username", "missing"),
        ("queries: SELECT 1", "accounts.mysql.queries", "a mapping is expected"),
        ("queries: {by_username: DROP TABLE t}", "accounts.mysql.queries.by_username", "begins with SELECT"),
        ("queries: {by_username: SELECT 1 FROM t}", "accounts.mysql.queries.by_username", "does not ask for anybody"),
        (
            "queries: {by_username: 'SELECT 1 FROM t WHERE a = :email'}",
            "accounts.mysql.queries.by_username",
            "`:email` is no parameter of this query, which has `:username`",
        ),
        (
            "queries: {by_username: 'SELECT 1 FROM t WHERE a = :domain'}",
            "accounts.mysql.queries.by_username",
            "none of `:username`, `:local_part`",
        ),
    ];
    for (mysql, path, message) in cases {
        assert_fault(&faults(mysql, AS_USERNAME), Severity::Error, path, message);
    }
    let status = |status: &str| format!("queries: {{{BY_USERNAME}, {status}}}");
    let cases = [
        (status("status: {column: active}"), "accounts.mysql.queries.status.active", "missing"),
        (status("status: {active: []}"), "accounts.mysql.queries.status.active", "empty"),
        (
            status("status: {active: [1], locked: [2, 1]}"),
            "accounts.mysql.queries.status.locked[1]",
            "a meaning already",
        ),
        (status("compare: {username: loose}"), "accounts.mysql.queries.compare.username", "not one of"),
        (status("by_mail: x"), "accounts.mysql.queries.by_mail", "not a key"),
    ];
    for (mysql, path, message) in cases {
        assert_fault(&faults(&mysql, AS_USERNAME), Severity::Error, path, message);
    }
}

#[track_caller]
fn assert_fault(faults: &Faults, severity: Severity, path: &str, message: &str) {
    let found: Vec<_> = faults.iter().collect();
    let [fault] = found[..] else { panic!("{path}: expected one fault, found\n{faults}") };
    assert_eq!((fault.severity, fault.path.as_str()), (severity, path), "{faults}");
    assert!(fault.message.contains(message), "{faults}");
}

#[test]
fn what_the_rest_of_the_file_needs_must_be_there() {
    let queries = format!("queries: {{{BY_USERNAME}}}");
    let place = "accounts.mysql.queries";
    let cases = [
        ("", "`by_email`"),
        ("identity: [{from: san.upn, as: alias}]", "`by_alias`"),
        ("identity: [{from: subject.cn}]\ndigest: {realm: r}", "`digest` needs"),
    ];
    for (sections, message) in cases {
        assert_fault(&faults(&queries, sections), Severity::Error, place, message);
    }
}

#[test]
fn of_foreign_tables_nobody_asks_for_revocations() {
    let queries = format!("queries: {{{BY_USERNAME}}}");
    let trust = |keys: &str| format!("{AS_USERNAME}\ntrust: {{staff: {{authorities: [ca.pem]{keys}}}}}");
    let asked = trust(", revocation: {database: true}");
    let path = "trust.staff.revocation.database";
    assert_fault(&faults(&queries, &asked), Severity::Error, path, "hold none");
    assert_fault(&faults(&queries, &trust("")), Severity::Warning, "trust.staff", "nothing says whether");
    let lists = trust(", revocation: {crl: {files: [a.pem]}}");
    assert!(faults(&queries, &lists).is_empty());
    for sections in [trust(""), lists, trust(", revocation: {database: false}")] {
        assert!(!config(&queries, &sections).trust["staff"].revocation.database, "{sections}");
    }
}

#[test]
fn tables_are_made_into_queries() {
    let tables = "tables: {accounts: {table: people, id: id, username: login, email: {local_part: l, domain: d}, \
                  groups: g, status: {column: state, active: [1]}, where: {kind: user, realm: [a, b]}}, \
                  aliases: {table: also, account: person, name: address}, \
                  groups: {table: m, account: login, refers_to: username, name: grp, names: {table: g, id: i, name: n}}, \
                  ha1: {md5: h, realm: d}, compare: {username: case_insensitive}}";
    let config = config(tables, "digest: {realm: r}");
    let foreign = config.accounts.store.foreign().unwrap();
    assert_eq!(foreign.key, "tables");
    let condition = "AND a.`kind` IN ('user') AND a.`realm` IN ('a', 'b')";
    let columns = "a.`login` AS `username`, CONCAT(a.`l`, '@', a.`d`) AS `email`, a.`id` AS `id`, a.`state` AS `status`, \
                   a.`g` AS `groups` FROM `people` AS a";
    let sql: Vec<&str> = foreign.queries().map(|(_, query)| query.sql()).collect();
    assert_eq!(
        sql,
        [
            format!("SELECT {columns} WHERE a.`login` = ? {condition}"),
            format!("SELECT {columns} WHERE a.`l` = ? AND a.`d` IN (?, ?) {condition}"),
            format!(
                "SELECT {columns} WHERE a.`id` IN (SELECT l.`person` FROM `also` AS l WHERE l.`address` IN (?, ?)) {condition}"
            ),
            "SELECT l.`address` FROM `also` AS l WHERE l.`person` = ?".to_owned(),
            "SELECT n.`n` FROM `m` AS l JOIN `g` AS n ON n.`i` = l.`grp` WHERE l.`login` = ?".to_owned(),
            format!(
                "SELECT a.`login` AS `username`, a.`d` AS `realm`, CASE ? WHEN 'MD5' THEN a.`h` END AS `ha1` \
                 FROM `people` AS a WHERE a.`login` = ? AND a.`d` = ? {condition}"
            ),
        ]
    );
    assert_eq!(foreign.status.as_ref().unwrap().column, "status");
    assert_eq!(foreign.compare.username, LetterCase::CaseInsensitive);
    assert_eq!(foreign.place("by_email"), "accounts.mysql.tables (by_email)");
}

#[test]
fn faulty_tables_are_refused_where_they_stand() {
    let accounts = |keys: &str| format!("tables: {{accounts: {{table: t, username: u{keys}}}}}");
    let with = |table: &str| format!("tables: {{accounts: {{table: t, username: u}}, {table}}}");
    let at = |path: &str| format!("accounts.mysql.tables{path}");
    let cases = [
        ("tables: {}".to_owned(), at(".accounts"), "missing"),
        ("tables: {accounts: {username: u}}".to_owned(), at(".accounts.table"), "missing"),
        ("tables: {accounts: {table: t}}".to_owned(), at(".accounts.username"), "missing"),
        ("tables: {accounts: {table: '', username: u}}".to_owned(), at(".accounts.table"), "not the name"),
        ("tables: {accounts: {table: t, username: 'a`b'}}".to_owned(), at(".accounts.username"), "not the name"),
        (accounts(", email: 'a`'"), at(".accounts.email"), "not the name"),
        (accounts(", email: {local_part: l}"), at(".accounts.email.domain"), "missing"),
        (accounts(", where: {'a`b': 1}"), at(".accounts.where[\"a`b\"]"), "not the name"),
        (accounts(", where: {a: 'b\\c'}"), at(".accounts.where.a"), "no backslash"),
        (accounts(", where: {a: []}"), at(".accounts.where.a"), "empty"),
        (accounts(", status: {column: 'a`', active: [1]}"), at(".accounts.status.column"), "not the name"),
        (with("aliases: {table: a, name: n}"), at(".aliases.account"), "missing"),
        (with("aliases: {table: a, account: b, name: n, refers_to: id}"), at(".aliases"), "accounts have none"),
        (with("groups: {table: a, account: b, name: n, refers_to: email}"), at(".groups"), "accounts have none"),
        (
            with("groups: {table: a, account: b, name: n, names: {table: c, id: d}}"),
            at(".groups.names.name"),
            "missing",
        ),
        (with("ha1: {}"), at(".ha1"), "neither `md5` nor `sha256`"),
        (with("ha1: {md5: a, table: b}"), at(".ha1"), "with `table` stands `account`"),
        (with("ha1: {md5: a, account: b}"), at(".ha1"), "none is named"),
        (format!("queries: {{{BY_USERNAME}}}, {}", accounts("")), at(""), "either by `queries` or by `tables`"),
    ];
    for (mysql, path, message) in cases {
        assert_fault(&faults(&mysql, AS_USERNAME), Severity::Error, &path, message);
    }
    assert_fault(&faults(&accounts(""), ""), Severity::Error, &at(""), "`by_email`");
}
