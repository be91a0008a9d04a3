//! `wicketgate account` and `wicketgate db`, as an administrator or a script calls them.
#![cfg(test)]

mod common;

use common::mariadb::{MariaDb, PASSWORD};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A folder with a configuration; it is complete, though nothing listens by it here.
struct Folder(TempDir);

impl Folder {
    fn new(accounts: &str, digest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "listeners:\n  - {{ name: one, address: '127.0.0.1:9443', client_certificate: want, trust: staff, \
             tls: {{ certificates: [{{ chain: server.pem, key: server.key }}] }} }}\n\
             trust: {{ staff: {{ authorities: [ca.pem] }} }}\nidentity: [{{ from: san.email }}]\n\
             accounts: {accounts}\n{digest}\nroutes: [{{ path: /, upstream: app }}]\n\
             upstreams: {{ app: {{ servers: ['http://127.0.0.1:8080'] }} }}\n"
        );
        std::fs::write(folder.path().join("wicketgate.yaml"), text).unwrap();
        std::fs::write(folder.path().join("db.password"), PASSWORD).unwrap();
        Self(folder)
    }

    /// One whose accounts are in an SQLite file beside the configuration.
    fn sqlite(digest: &str) -> Self {
        Self::new("{ sqlite: { path: accounts.db } }", digest)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
        command.args(arguments).arg("-c").arg(self.path().join("wicketgate.yaml"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that fails before it reads has closed the pipe.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// What a command that succeeds prints.
    fn succeeds(&self, arguments: &[&str]) -> String {
        self.succeeds_with(arguments, "")
    }

    fn succeeds_with(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.succeeds(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// What a command prints on standard error that ends with this exit code.
    fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments, "");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
        error
    }

    fn sql(&self, sql: &str) -> Vec<String> {
        let connection = rusqlite::Connection::open(self.path().join("accounts.db")).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

const DIGEST: &str = "digest: { realm: example.org }";

#[test]
fn an_account_is_looked_after_from_its_beginning_to_its_end() {
    let folder = Folder::sqlite("");
    let added = folder.json(&[
        "account",
        "add",
        "ann",
        "--email",
        "Ann@EXAMPLE.org",
        "--name",
        "Ann Lee",
        "--home",
        "mail1",
        "--alias",
        "a1",
        "--group",
        "staff",
        "--group",
        "admins",
    ]);
    let mut expected = json!({
        "username": "ann", "email": "Ann@example.org", "name": "Ann Lee", "status": "active", "home": "mail1",
        "aliases": ["a1"], "groups": ["admins", "staff"],
    });
    assert_eq!(added, expected);
    for name in [["ann", "username"], ["Ann@Example.ORG", "email"], ["a1", "alias"]] {
        assert_eq!(folder.json(&["account", "show", name[0], "--by", name[1]]), expected);
    }
    for (command, status) in [("lock", "locked"), ("unlock", "active"), ("close", "closed")] {
        expected["status"] = status.into();
        assert_eq!(folder.json(&["account", command, "ann"]), expected);
    }
    expected["aliases"] = json!(["a1", "info@example.org"]);
    assert_eq!(folder.json(&["account", "alias", "add", "ann", "info@EXAMPLE.org"]), expected);
    expected["aliases"] = json!(["info@example.org"]);
    assert_eq!(folder.json(&["account", "alias", "remove", "ann", "a1"]), expected);
    for (change, value) in [("status", json!("active")), ("email", Value::Null), ("home", Value::Null)] {
        expected[change] = value;
    }
    expected["groups"] = json!(["admins", "users"]);
    let set = ["--status", "active", "--no-email", "--no-home", "--add-group", "users", "--remove-group", "staff"];
    assert_eq!(folder.json(&[&["account", "set", "ann"], set.as_slice()].concat()), expected);
    assert_eq!(folder.json(&["account", "show", "ann"]), expected);
    assert!(folder.succeeds(&["account", "show", "ann"]).contains("groups    admins, users\n"));
    assert_eq!(folder.json(&["account", "remove", "ann"]), json!({ "removed": "ann" }));
    assert!(folder.fails(1, &["account", "show", "ann"]).contains("there is no account \"ann\""));
}

#[test]
fn accounts_are_listed_by_name_status_and_group() {
    let folder = Folder::sqlite("");
    assert_eq!(folder.json(&["account", "list"]), json!([]));
    for (name, group) in [("bob", "staff"), ("ann", "staff"), ("carol", "guests")] {
        folder.succeeds(&["account", "add", name, "--group", group]);
    }
    folder.succeeds(&["account", "lock", "bob"]);
    let names = |arguments: &[&str]| -> Vec<String> {
        let listed = folder.json(&[&["account", "list"], arguments].concat());
        listed.as_array().unwrap().iter().map(|account| account["username"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&[]), ["ann", "bob", "carol"]);
    assert_eq!(names(&["--status", "locked"]), ["bob"]);
    assert_eq!(names(&["--group", "staff"]), ["ann", "bob"]);
    assert_eq!(names(&["--group", "staff", "--status", "closed"]), [""; 0]);
    let text = folder.succeeds(&["account", "list"]);
    assert_eq!(text.lines().count(), 4, "{text}");
}

#[test]
fn what_cannot_be_done_is_said_and_changes_nothing() {
    let folder = Folder::sqlite("");
    folder.succeeds(&["account", "add", "ann", "--alias", "a1"]);
    let before = folder.json(&["account", "list"]);
    let cases: [(i32, &[&str], &str); 11] = [
        (1, &["account", "add", "ann"], "the user name \"ann\" belongs to another account"),
        (1, &["account", "add", "bob", "--alias", "a1"], "the alias \"a1\" belongs to another account"),
        (1, &["account", "lock", "bob"], "there is no account \"bob\""),
        (1, &["account", "remove", "Ann"], "there is no account \"Ann\""),
        (2, &["account", "add", "b:ob"], "colon"),
        (2, &["account", "add", "bob\u{7}"], "control character"),
        (2, &["account", "add", "bob", "--email", "bob"], "the e-mail address"),
        (2, &["account", "add", "bob", "--status", "gone"], "write active, locked or closed"),
        (2, &["account", "set", "ann"], "nothing is to change"),
        (2, &["account", "set", "ann", "--email", "a@b.example", "--no-email"], "cannot be used with"),
        (2, &["account", "password", "ann", "--stdin"], "--realm"),
    ];
    for (code, arguments, expected) in cases {
        let error = folder.fails(code, arguments);
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
    assert_eq!(folder.json(&["account", "list"]), before);
}

#[test]
fn of_a_password_only_its_hashes_are_kept() {
    let folder = Folder::sqlite(DIGEST);
    let hashes = || folder.sql("SELECT algorithm || ' ' || realm || ' ' || ha1 FROM digest_credentials ORDER BY 1");
    folder.succeeds(&["account", "add", "alice"]);
    let printed = folder.succeeds_with(&["account", "password", "alice", "--stdin"], "alice-password\nmore\n");
    assert!(!printed.contains("alice-password"), "{printed}");
    // echo -n alice:example.org:alice-password | md5sum, and sha256sum
    let expected = [
        "MD5 example.org 7e92ed8dce9d4662b9a6acc3a3ba4f53",
        "SHA-256 example.org bf93841740e64c978a456a72150cae85a85f4e8eb5d36ef5e5125501a812a5f8",
    ];
    assert_eq!(hashes(), expected);

    let file = folder.path().join("new.password");
    std::fs::write(&file, "another\n").unwrap();
    let other = ["account", "password", "alice", "--realm", "other", "--file", file.to_str().unwrap()];
    let told = folder.json(&other);
    assert_eq!(told, json!({ "username": "alice", "realm": "other", "algorithms": ["SHA-256", "MD5"], "hash": null }));
    let told = folder.json(&["account", "password", "alice", "--basic", "--file", file.to_str().unwrap()]);
    assert_eq!(told, json!({ "username": "alice", "realm": null, "algorithms": [], "hash": "argon2id" }));
    let kept = folder.sql("SELECT hash FROM password_hashes");
    assert!(kept.len() == 1 && kept.iter().all(|hash| hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")), "{kept:?}");
    assert_eq!(hashes().len(), 4);
    folder.succeeds(&["account", "password", "alice", "--realm", "other", "--remove"]);
    assert_eq!(hashes(), expected);

    for (input, expected) in [("", "it is empty"), ("\n", "it is empty"), ("a\u{7}b\n", "control character")] {
        let output = folder.run(&["account", "password", "alice", "--stdin"], input);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains(expected), "{input:?}");
    }
    let long = "x".repeat(1 << 20);
    let output = folder.run(&["account", "password", "alice", "--stdin"], &long);
    assert!(String::from_utf8_lossy(&output.stderr).contains("longer than 1024 octets"));
    let unknown = folder.run(&["account", "password", "bob", "--stdin"], "password\n");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(folder.fails(2, &["account", "password", "alice"]).contains("there is no terminal"));
    assert_eq!(hashes(), expected);
    let text = std::fs::read(folder.path().join("accounts.db")).unwrap();
    assert!(!text.windows(14).any(|octets| octets == b"alice-password"), "the password itself is in the file");
}

#[test]
fn a_new_password_leaves_no_hash_of_the_old_one() {
    let folder = Folder::sqlite(DIGEST);
    folder.succeeds(&["account", "add", "alice"]);
    folder.succeeds_with(&["account", "password", "alice", "--stdin"], "old\n");
    let yaml = folder.path().join("wicketgate.yaml");
    let text = std::fs::read_to_string(&yaml).unwrap();
    std::fs::write(&yaml, text.replace(DIGEST, "digest: { realm: example.org, algorithms: [SHA-256] }")).unwrap();
    folder.succeeds_with(&["account", "password", "alice", "--stdin"], "new\n");
    assert_eq!(folder.sql("SELECT algorithm FROM digest_credentials"), ["SHA-256"]);
}

#[test]
fn a_database_is_made_migrated_and_examined() {
    let mut server = MariaDb::start();
    let folder = Folder::new(&format!("{{ mysql: {} }}", server.configuration()), DIGEST);
    let address = server.address().to_string();
    let version = wicketgate::store::migrations::newest();

    assert!(folder.fails(1, &["account", "list"]).contains("run `wicketgate db init`"));
    assert!(folder.fails(1, &["db", "migrate"]).contains("run `wicketgate db init`"));
    let check = folder.run(&["db", "check"], "");
    assert_eq!(check.status.code(), Some(1));
    let said = String::from_utf8(check.stdout).unwrap();
    assert!(said.contains("MariaDB") && said.contains("run `wicketgate db init`"), "{said}");

    assert_eq!(folder.json(&["db", "init"]), json!({ "store": address, "from": null, "to": version }));
    assert_eq!(folder.json(&["db", "init"]), json!({ "store": address, "from": version, "to": version }));
    folder.succeeds(&["db", "migrate"]);
    let check = folder.json(&["db", "check"]);
    assert_eq!(
        (&check["reachable"], &check["schema"], &check["known"]),
        (&json!(true), &json!(version), &json!(version))
    );

    folder.succeeds(&["account", "add", "ann", "--email", "ann@example.org"]);
    folder.succeeds_with(&["account", "password", "ann", "--stdin"], "password\n");
    assert_eq!(folder.json(&["account", "list"]).as_array().unwrap().len(), 1);
    assert_eq!(server.sql("SELECT COUNT(*) FROM digest_credentials"), "2\n");

    server.sql("INSERT INTO schema_version (version) VALUES (9000)");
    for command in [["db", "migrate"], ["account", "list"]] {
        let error = folder.fails(1, &command);
        assert!(error.contains("version 9000") && error.contains("newer Wicketgate"), "{error}");
    }
    assert_eq!(folder.run(&["db", "check"], "").status.code(), Some(1));

    server.stop();
    let check = folder.run(&["db", "check"], "");
    assert_eq!(check.status.code(), Some(1));
    for said in [String::from_utf8(check.stdout).unwrap(), folder.fails(1, &["account", "list"])] {
        assert!(said.contains(&address) && said.contains("nothing listens there"), "{said}");
        assert!(!said.contains(PASSWORD), "{said}");
    }
}

#[test]
fn examining_a_file_that_is_not_there_does_not_make_it() {
    let folder = Folder::sqlite("");
    let check = folder.run(&["db", "check", "--json"], "");
    assert_eq!(check.status.code(), Some(1));
    assert_eq!(serde_json::from_slice::<Value>(&check.stdout).unwrap()["reachable"], json!(false));
    assert!(!folder.path().join("accounts.db").exists());
    folder.succeeds(&["db", "init"]);
    assert_eq!(folder.json(&["db", "check"])["reachable"], json!(true));
}
