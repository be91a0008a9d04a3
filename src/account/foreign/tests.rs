//! What is made of the answers of a database that somebody else looks after, of hostile ones above all. The
//! database is a list of answers.

use super::*;
use crate::store::Described;
use futures_util::future::{FutureExt, ready};
use std::collections::HashMap;
use std::path::Path;

const QUERIES: &str = "
      by_username: SELECT 'username' WHERE :username
      by_email: SELECT 'email' WHERE :email
      by_alias: SELECT 'alias' WHERE :alias
      groups: SELECT 'groups' WHERE :username
      ha1: SELECT 'ha1' WHERE :username
      status: { column: active, active: [1, Y], locked: [0], closed: [gone] }";

fn foreign(queries: &str) -> Arc<Foreign> {
    let text = format!(
        "listeners: [{{name: a, address: '127.0.0.1:1', trust: t, tls: {{certificates: [{{chain: c, key: k}}]}}}}]
trust: {{t: {{authorities: [a], revocation: {{database: false}}}}}}
identity: [{{from: subject.cn}}]
routes: [{{upstream: {{respond: {{}}}}}}]
accounts:
  mysql:
    servers: ['127.0.0.1']
    database: d
    user: u
    password: {{env: P}}
    queries:{queries}\n"
    );
    let config = config::parse(&text, "gate.yaml", Path::new("")).unwrap_or_else(|faults| panic!("{faults}")).config;
    Arc::clone(config.accounts.store.foreign().unwrap())
}

/// A database: what it answers to a query that holds a word.
#[derive(Default)]
struct Answers(HashMap<&'static str, Result<Answer, Fault>>);

impl Answers {
    fn with(mut self, word: &'static str, columns: &[&str], rows: &[&[Value]]) -> Self {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        let rows = rows.iter().map(|row| Row::from(row.to_vec())).collect();
        self.0.insert(word, Ok(Answer { columns, rows }));
        self
    }

    fn find(mut self, queries: &str, kind: LookupKind, name: &str) -> Result<Vec<Account>, String> {
        let asked = Lookup { kind, name: name.to_owned() };
        let question = Question { foreign: foreign(queries), warned: Arc::new(Seldom::new(WARNED_EVERY)), asked };
        outcome(question.find(&mut self).now_or_never().unwrap())
    }

    fn ha1(mut self, algorithm: DigestAlgorithm) -> Result<Option<Ha1>, String> {
        let asked = Credential { username: "ann".to_owned(), realm: "realm".to_owned(), algorithm };
        let question = Question { foreign: foreign(QUERIES), warned: Arc::new(Seldom::new(WARNED_EVERY)), asked };
        outcome(question.ha1(&mut self).now_or_never().unwrap())
    }
}

fn outcome<T>(done: Read<T>) -> Result<T, String> {
    done.map_err(|abort| match abort {
        Abort::Fault(fault) => fault.to_string(),
        Abort::Refused(never) => match never {},
    })
}

impl Session for Answers {
    fn query<'s>(&'s mut self, _: &'static str, _: Vec<Value>) -> BoxFuture<'s, Result<Vec<Row>, Fault>> {
        ready(Err(Fault::Unexpected("nothing of ours is asked".to_owned()))).boxed()
    }

    fn execute<'s>(&'s mut self, _: &'static str, _: Vec<Value>) -> BoxFuture<'s, Result<u64, Fault>> {
        ready(Err(Fault::Unexpected("nothing is written".to_owned()))).boxed()
    }

    fn select<'s>(&'s mut self, sql: &'s str, _: Vec<Value>) -> BoxFuture<'s, Result<Answer, Fault>> {
        let known = self.0.iter().find(|(word, _)| sql.contains(&format!("'{word}'")) && !sql.contains("COLLATION"));
        let answer = known.map(|(_, answer)| answer.clone());
        let nothing = || {
            let columns = if sql.contains("'groups'") { vec!["name"] } else { vec!["username", "active"] };
            Ok(Answer { columns: columns.into_iter().map(str::to_owned).collect(), rows: Vec::new() })
        };
        ready(answer.unwrap_or_else(nothing)).boxed()
    }

    fn describe<'s>(&'s mut self, sql: &'s str) -> BoxFuture<'s, Result<Described, Fault>> {
        let parameters = sql.matches('?').count();
        self.select(sql, Vec::new())
            .map(move |answer| answer.map(|answer| Described { columns: answer.columns, parameters }))
            .boxed()
    }
}

fn text(text: &str) -> Value {
    Value::from(text)
}

const ALL: [&str; 7] = ["id", "username", "email", "display_name", "active", "home", "groups"];

fn ann() -> Vec<Value> {
    vec![
        Value::Integer(7),
        Value::from(b"ann".as_slice()),
        text("Ann@EXAMPLE.org"),
        text("Ann Lee"),
        Value::Integer(1),
        text("mail1"),
        text("staff, admins,,staff"),
    ]
}

#[test]
fn a_row_becomes_an_account() {
    let answers = Answers::default().with("username", &ALL, &[&ann()]).with(
        "groups",
        &["whatever"],
        &[&[text("wheel")], &[Value::Null], &[text("a\nb")], &[text("")]],
    );
    let found = answers.find(QUERIES, LookupKind::Username, "ann").unwrap();
    let expected = Account {
        username: "ann".to_owned(),
        email: Some("Ann@example.org".to_owned()),
        display_name: Some("Ann Lee".to_owned()),
        status: Status::Active,
        home: Some("mail1".to_owned()),
        aliases: Vec::new(),
        groups: ["admins", "staff", "wheel"].map(str::to_owned).to_vec(),
    };
    assert_eq!(found, [expected]);
}

#[test]
fn only_values_with_a_meaning_let_anybody_pass() {
    let cases = [
        (Value::Integer(1), Status::Active),
        (text("1"), Status::Active),
        (text("Y"), Status::Active),
        (Value::Blob(vec![1]), Status::Active),
        (Value::Integer(0), Status::Locked),
        (Value::Blob(vec![0]), Status::Locked),
        (text("gone"), Status::Closed),
        (text("y"), Status::Locked),
        (text("active"), Status::Locked),
        (text("1 "), Status::Locked),
        (text(""), Status::Locked),
        (Value::Integer(2), Status::Locked),
        (Value::Null, Status::Locked),
    ];
    for (value, expected) in cases {
        let shown = format!("{value:?}");
        let answers = Answers::default().with("username", &["username", "active"], &[&[text("ann"), value]]);
        let found = answers.find(QUERIES, LookupKind::Username, "ann").unwrap();
        assert_eq!(found[0].status, expected, "{shown}");
    }
    // Without a mapping a column of our own words counts, and without a column whoever is found.
    let plain = "\n      by_username: SELECT 'username' WHERE :username";
    for (columns, value, expected) in [
        (["username", "status"], text("active"), Status::Active),
        (["username", "status"], text("closed"), Status::Closed),
        (["username", "status"], Value::Integer(1), Status::Locked),
        (["username", "status"], Value::Null, Status::Locked),
        (["username", "home"], Value::Null, Status::Active),
    ] {
        let answers = Answers::default().with("username", &columns, &[&[text("ann"), value]]);
        assert_eq!(answers.find(plain, LookupKind::Username, "ann").unwrap()[0].status, expected, "{columns:?}");
    }
}

#[test]
fn an_answer_that_does_not_fit_is_an_error_that_names_the_column() {
    let endless = "x".repeat(MOST_ROWS << 16);
    let with = |place: usize, value: Value| {
        let mut row = ann();
        row[place] = value;
        row
    };
    let cases = [
        (with(1, Value::Null), "`username` holds NULL"),
        (with(1, Value::Blob(vec![b'a', 0xff])), "`username` holds what is not UTF-8"),
        (with(1, text(&endless)), "`username` holds more than 1024 octets"),
        (with(2, text(&endless)), "`email` holds more than 1024 octets"),
        (with(3, Value::Blob(vec![0xc0])), "`display_name` holds what is not UTF-8"),
        (with(5, text("mail\n1")), "the home"),
        (with(6, text(&endless)), "`groups` holds more than 65536 octets"),
    ];
    for (row, expected) in cases {
        let error = Answers::default().with("username", &ALL, &[&row]).find(QUERIES, LookupKind::Username, "ann");
        let error = error.unwrap_err();
        assert!(error.starts_with("accounts.mysql.queries"), "{error}");
        assert!(error.contains(expected) && error.len() < 500, "{expected}: {error}");
    }
    let named = |columns: &[&str]| {
        let row = vec![text("ann"); columns.len()];
        let answers = Answers::default().with("username", columns, &[&row]);
        answers.find(QUERIES, LookupKind::Username, "ann").unwrap_err()
    };
    for (columns, expected) in [
        (&["active"][..], "no column `username`"),
        (&["username"], "no column `active`"),
        (&["username", "active", "mail"], "a column `mail`, which has no meaning here; `username`, `email`"),
        (&["username", "active", "Username"], "the column `Username` twice"),
        (&["username", "active", &endless], "which has no meaning"),
        (&[], "only a SELECT"),
    ] {
        let error = named(columns);
        assert!(error.contains(expected) && error.len() < 500, "{expected}: {error}");
    }
    let many = vec![text("ann"), Value::Integer(1)];
    let rows = vec![many.as_slice(); MOST_ROWS + 1];
    let answers = Answers::default().with("username", &["username", "active"], &rows);
    assert!(answers.find(QUERIES, LookupKind::Username, "ann").unwrap_err().contains("more than 16 rows"));
}

#[test]
fn what_an_account_need_not_have_is_left_out_when_it_cannot_be() {
    let mut row = ann();
    row[2] = text("no address");
    row[3] = text("Ann\u{202e}eeL");
    row[5] = text("");
    row[6] = text("sta\u{200b}ff,admins");
    let found = Answers::default().with("username", &ALL, &[&row]).find(QUERIES, LookupKind::Username, "ann").unwrap();
    let Account { email, display_name, home, groups, .. } = &found[0];
    assert_eq!((email, display_name, home), (&None, &None, &None));
    assert_eq!(groups, &["admins"]);
}

#[test]
fn each_row_is_an_account_and_what_two_queries_find_is_one() {
    let columns = ["username", "email", "active"];
    let row = |name: &str, address: &str| vec![text(name), text(address), Value::Integer(1)];
    let names = |answers: Answers, kind, name: &str| {
        let found = answers.find(QUERIES, kind, name).unwrap();
        found.into_iter().map(|account| account.username).collect::<Vec<_>>()
    };
    // Two people of one name, told apart by nothing that the query yields.
    let twins = Answers::default().with("username", &columns, &[&row("ann", "a@x.org"), &row("ann", "a@x.org")]);
    assert_eq!(names(twins, LookupKind::Username, "ann"), ["ann", "ann"]);
    let by_both = Answers::default().with("email", &columns, &[&row("ann", "ann@x.org")]).with(
        "alias",
        &columns,
        &[&row("ann", "ann@x.org")],
    );
    assert_eq!(names(by_both, LookupKind::Email, "ann@x.org"), ["ann"]);
    let of_two = Answers::default().with("email", &columns, &[&row("ann", "ann@x.org")]).with(
        "alias",
        &["username", "alias", "active"],
        &[&row("bob", "ann@x.org")],
    );
    assert_eq!(names(of_two, LookupKind::Email, "ann@x.org"), ["ann", "bob"]);
    // A row that matched by its collation is no second account.
    let unlike = Answers::default().with("email", &columns, &[&row("ann", "ann@x.org"), &row("Ann", "ANN@x.org")]);
    assert_eq!(names(unlike, LookupKind::Email, "ann@x.org"), ["ann"]);
    // What has no name that could be compared is nobody's.
    let nameless = Answers::default().with("alias", &["username", "active"], &[&[text("ann"), Value::Integer(1)]]);
    assert_eq!(names(nameless, LookupKind::Alias, "ann"), [""; 0]);
}

#[test]
fn a_name_that_a_column_cannot_hold_is_unknown_and_any_other_is_a_fault_of_the_query() {
    let incomparable = || {
        let mut answers = Answers::default();
        answers.0.insert("username", Err(Fault::Incomparable("illegal mix".to_owned())));
        answers
    };
    assert_eq!(incomparable().find(QUERIES, LookupKind::Username, "安"), Ok(Vec::new()));
    assert_eq!(incomparable().find(QUERIES, LookupKind::Username, "ann"), Err("illegal mix".to_owned()));
}

#[test]
fn an_ha1_counts_only_if_it_is_the_one_that_was_asked_for() {
    use DigestAlgorithm::{Md5, Sha256};
    let columns = ["username", "realm", "algorithm", "ha1"];
    let (upper, lower) = ("0F".repeat(16), "0f".repeat(16));
    let row = |values: [&str; 4]| values.map(text).to_vec();
    let good = row(["ann", "realm", "MD5", &upper]);
    let cases = [
        (vec![good.clone()], Md5, true),
        (vec![good.clone(), row(["Ann", "realm", "MD5", &lower])], Md5, true),
        (vec![good.clone()], Sha256, false),
        (vec![row(["Ann", "realm", "MD5", &lower])], Md5, false),
        (vec![row(["ann", "Realm", "MD5", &lower])], Md5, false),
        (vec![row(["ann", "realm", "MD5", "password"])], Md5, false),
        (vec![row(["ann", "realm", "MD5", ""])], Md5, false),
        (vec![good.clone(), row(["ann", "realm", "MD5", &"1".repeat(32)])], Md5, false),
        (vec![], Md5, false),
    ];
    for (rows, algorithm, expected) in cases {
        let rows: Vec<&[Value]> = rows.iter().map(Vec::as_slice).collect();
        let found = Answers::default().with("ha1", &columns, &rows).ha1(algorithm).unwrap();
        let expected = expected.then(|| Ha1(Secret::from(lower.as_str())));
        assert_eq!(found, expected, "{rows:?}");
    }
    let without = Answers::default().with("ha1", &["username", "realm"], &[]).ha1(Md5).unwrap_err();
    assert!(without.contains("no column `ha1`"), "{without}");
}

#[test]
fn a_query_is_examined_before_anybody_is_looked_up() {
    let examined = |mut answers: Answers, queries: &str| {
        let done = examine(&mut answers, &foreign(queries)).now_or_never().unwrap();
        match done {
            Ok(()) => Vec::new(),
            Err(Abort::Refused(faults)) => faults,
            Err(Abort::Fault(fault)) => panic!("{fault}"),
        }
    };
    let queries =
        "\n      by_username: SELECT 'username' WHERE :username\n      groups: SELECT 'groups' WHERE :username";
    let good = Answers::default().with("username", &["username"], &[]);
    assert_eq!(examined(good, queries), [""; 0]);
    let mut bad = Answers::default().with("groups", &["a", "b"], &[]);
    bad.0.insert("username", Err(Fault::Unexpected("no such table".to_owned())));
    assert_eq!(
        examined(bad, queries),
        [
            "accounts.mysql.queries.by_username: no such table",
            "accounts.mysql.queries.groups: it yields 2 columns where one belongs",
        ]
    );
    // Rows that show neither an address nor an alias cannot be compared with one.
    let blind = "\n      by_username: SELECT 'username' WHERE :username\n      by_email: SELECT 'email' WHERE :email";
    let seeing = format!("{blind}\n      aliases: SELECT 'groups' WHERE :username");
    let answers =
        |column| Answers::default().with("username", &["username"], &[]).with("email", &["username", column], &[]);
    assert!(examined(answers("home"), blind)[0].contains("nothing that a name could be compared with"));
    assert_eq!(examined(answers("home"), &seeing), [""; 0]);
    for column in ["email", "alias"] {
        assert_eq!(examined(answers(column), blind), [""; 0]);
    }
    // A server that sees another number of parameters reads the query in another way than we do.
    let misread = "\n      by_username: \"SELECT 'username?' WHERE :username\"";
    assert!(examined(Answers::default(), misread)[0].contains("sees 2 parameters where 1 were read"));
}
