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
