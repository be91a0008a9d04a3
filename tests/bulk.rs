//! Many accounts at once: `wicketgate account import` and `export`, into and out of SQLite and a real MariaDB, cut
//! off, beside each other, and under a running gate. What it costs with a million accounts is measured by `make prove`.
#![cfg(test)]

mod common;

use base64::Engine;
use common::PATIENCE;
use common::mariadb::{self, MariaDb};
use common::process::Process;
use common::setup::Setup;
use common::upstream::Upstream;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wicketgate::account::{CertificateKey, Edit, Lookup, Status};
use wicketgate::base::clock::Timestamp;
use wicketgate::config::{DigestAlgorithm, LookupKind};
use wicketgate::store::changes::Since;

/// A folder with a configuration and the store that it names.
struct Folder {
    folder: TempDir,
    /// Runs SQL in the store behind the product's back.
    sql: Box<dyn Fn(&str) -> String>,
}

impl Folder {
    fn with(accounts: &str, password: &str, sql: impl FnOnce(&Path) -> Box<dyn Fn(&str) -> String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "listeners:\n  - {{ name: one, address: '127.0.0.1:9443', client_certificate: want, trust: staff, \
             tls: {{ certificates: [{{ chain: server.pem, key: server.key }}] }} }}\n\
             trust: {{ staff: {{ authorities: [ca.pem] }} }}\nidentity: [{{ from: san.email }}]\n\
             accounts: {accounts}\nroutes: [{{ path: /, upstream: app }}]\n\
             upstreams: {{ app: {{ servers: ['http://127.0.0.1:8080'] }} }}\n"
        );
        std::fs::write(folder.path().join("wicketgate.yaml"), text).unwrap();
        std::fs::write(folder.path().join("db.password"), password).unwrap();
        let sql = sql(folder.path());
        let made = Self { folder, sql };
        made.succeeds(&["db", "init"]);
        made
    }

    fn sqlite() -> Self {
        Self::with("{ sqlite: { path: accounts.db } }", "", |folder| {
            let path = folder.join("accounts.db");
            Box::new(move |sql| {
                let connection = rusqlite::Connection::open(&path).unwrap();
                connection.busy_timeout(PATIENCE).unwrap();
                if !sql.starts_with("SELECT") {
                    connection.execute_batch(sql).unwrap();
                    return String::new();
                }
                let mut statement = connection.prepare(sql).unwrap();
                let rows = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap();
                rows.map(|row| row.unwrap().to_string()).collect::<Vec<_>>().join("\n")
            })
        })
    }

    /// A database of its own on a server that may be shared.
    fn mariadb(server: &'static MariaDb) -> Self {
        let database = server.database();
        let mariadb::Database { name, user, password } = database;
        let accounts = format!(
            "{{ mysql: {{ servers: ['{}'], database: {name}, user: {user}, password: {{ file: db.password }} }} }}",
            server.address()
        );
        Self::with(&accounts, &password, move |_| {
            Box::new(move |sql| server.administer(&format!("USE {name}; {sql}")).trim().to_owned())
        })
    }

    /// One of each kind.
    fn each() -> [(&'static str, Self); 2] {
        [("SQLite", Self::sqlite()), ("MariaDB", Self::mariadb(MariaDb::shared()))]
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
        command.args(words).args(["-c", "wicketgate.yaml"]).current_dir(self.path());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    #[track_caller]
    fn succeeds(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{words:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// What an import or another command prints as JSON, and its exit code.
    #[track_caller]
    fn json(&self, words: &[&str]) -> (i32, Value) {
        let output = self.run(&[words, &["--json"]].concat());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let value = serde_json::from_slice(&output.stdout);
        (output.status.code().unwrap(), value.unwrap_or_else(|_| panic!("{words:?}: {error}")))
    }

    fn usernames(&self) -> Vec<String> {
        let (_, listed) = self.json(&["account", "list"]);
        listed.as_array().unwrap().iter().map(|account| account["username"].as_str().unwrap().to_owned()).collect()
    }

    fn count(&self, from: &str) -> u64 {
        (self.sql)(&format!("SELECT COUNT(*) FROM {from}")).parse().unwrap()
    }

    /// Nothing is left of any import.
    #[track_caller]
    fn is_clean(&self) {
        for table in ["imports", "import_updates", "import_names"] {
            assert_eq!(self.count(table), 0, "{table}");
        }
        assert_eq!(self.count("accounts WHERE username < ' '"), 0);
    }
}

/// So many accounts, each with an address, an alias, a group and a hash; a part of the name tells sets apart.
fn people(part: &str, count: usize) -> String {
    let mut text = "username,email,name,aliases,groups,digest\n".to_owned();
    for number in 0..count {
        // In no order, as in most directories.
        let shuffled = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
        writeln!(
            text,
            "{part}{shuffled:010x},{shuffled:010x}@{part}.example.org,Person {number},{part}.{shuffled:010x},staff,\
             SHA-256:{number:064x}:example.org"
        )
        .unwrap();
    }
    text
}

const ANN_AND_BEN: &str = "\
username,email,name,status,home,aliases,groups,digest,password_hash
ann,Ann@EXAMPLE.org,\"Lee, Ann\",active,mail1,info@example.org;a\\;1,staff;admins,\
MD5:7e92ed8dce9d4662b9a6acc3a3ba4f53:example.org,\"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA\"
ben,,,locked,,,,,
";

#[test]
fn what_is_exported_is_imported_as_the_same_in_either_format_and_database() {
    let [(_, sqlite), (_, mariadb)] = Folder::each();
    let back = Folder::sqlite();
    sqlite.write("in.csv", &format!("{ANN_AND_BEN}Zoë 'DROP;,zoe@bücher.example,\"a\"\"b\",closed,,安,,,\"pbkdf2_sha256$1000$a;\\,b$aGFzaGhhc2hoYXNoaGFzaA==\"\n"));
    let (code, report) = sqlite.json(&["account", "import", "in.csv"]);
    assert_eq!((code, &report["added"]), (0, &json!(3)), "{report}");
    let export = |from: &Folder, file: &str| -> String {
        from.succeeds(&["account", "export", "--with-credentials", file]);
        let path = from.path().join(file);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::read_to_string(path).unwrap()
    };
    let carry = |from: &Folder, to: &Folder, file: &str| {
        to.write(file, &export(from, file));
        to.succeeds(&["account", "import", file]);
    };
    carry(&sqlite, &mariadb, "all.csv");
    carry(&mariadb, &back, "all.jsonl");
    for file in ["again.csv", "again.jsonl"] {
        assert_eq!(export(&sqlite, file), export(&mariadb, file));
        assert_eq!(export(&sqlite, file), export(&back, file));
    }
    assert!(
        export(&back, "again.csv").contains(",\"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA\"\r\n")
    );
    assert_eq!(back.count("password_hashes"), 2);
    assert_eq!(sqlite.json(&["account", "list"]), back.json(&["account", "list"]));
    let (_, ann) = mariadb.json(&["account", "show", "a;1", "--by", "alias"]);
    let expected = json!({
        "username": "ann", "email": "Ann@example.org", "name": "Lee, Ann", "status": "active", "home": "mail1",
        "aliases": ["a;1", "info@example.org"], "groups": ["admins", "staff"],
    });
    assert_eq!(ann, expected);

    // Without a word about credentials none leaves the database.
    let shown = mariadb.succeeds(&["account", "export"]);
    assert!(shown.starts_with("username,email,name,status,home,aliases,groups\r\n"), "{shown}");
    assert!(shown.contains("zoe@xn--bcher-kva.example") && !shown.contains("7e92ed8dce9d4662b9a6acc3a3ba4f53"));
    assert!(!shown.contains("argon2id") && !shown.contains("pbkdf2"), "{shown}");
    // What an export is silent about stays when it is imported again.
    back.write("without.csv", &shown);
    let (code, report) = back.json(&["account", "import", "--on-existing", "update", "without.csv"]);
    assert_eq!((code, &report["unchanged"], &report["updated"]), (0, &json!(3), &json!(0)), "{report}");
    assert_eq!(export(&back, "last.csv"), export(&sqlite, "last.csv"));
    for folder in [&sqlite, &mariadb, &back] {
        folder.is_clean();
    }
}

#[test]
fn one_bad_line_stops_all_and_is_named() {
    for (kind, folder) in Folder::each() {
        folder.succeeds(&["account", "add", "old", "--email", "old@example.org", "--alias", "other"]);
        folder.write(
            "in.csv",
            "username,email,aliases\r\n\
             new1,new1@example.org,\r\n\
             new2,OLD@example.org,\r\n\
             new3,,one;other\r\n\
             new4,new4@example.org,new1\r\n\
             old,,\r\n\
             other,,\r\n\
             new1,,\r\n\
             ne:w,,\r\n\
             new5,,new5\r\n\
             new6,old@EXAMPLE.org,\r\n",
        );
        let expected = json!([
            { "line": 4, "username": "new3", "field": "aliases", "why": "\"other\" belongs to another account" },
            { "line": 5, "username": "new4", "field": "aliases", "why": "\"new1\" stands in line 2 already" },
            { "line": 6, "username": "old", "field": "username", "why": "there is such an account already" },
            { "line": 7, "username": "other", "field": "username", "why": "\"other\" belongs to another account" },
            { "line": 8, "username": "new1", "field": "username", "why": "\"new1\" stands in line 2 already" },
            { "line": 9, "username": null, "field": "username",
              "why": "the user name \"ne:w\" is not acceptable: it holds a colon, which HTTP Digest cannot transport" },
            { "line": 11, "username": "new6", "field": "email",
              "why": "\"old@example.org\" belongs to another account" },
        ]);
        // The local part of an address is compared exactly.
        let (code, report) = folder.json(&["account", "import", "in.csv"]);
        assert_eq!((code, &report["rejected"]), (1, &expected), "{kind}");
        assert_eq!((&report["read"], &report["imported"]), (&json!(10), &json!(false)), "{kind}");
        assert_eq!(folder.usernames(), ["old"], "{kind}");
        folder.is_clean();

        let dry = folder.run(&["account", "import", "--dry-run", "--keep-going", "in.csv"]);
        let said = String::from_utf8(dry.stdout).unwrap();
        assert!(said.contains("line 4: aliases: \"other\" belongs to another account\n"), "{said}");
        assert!(said.ends_with("10 accounts read: 3 added, 7 rejected; nothing was written\n"), "{said}");
        assert_eq!(folder.usernames(), ["old"], "{kind}");

        let words = ["account", "import", "--keep-going", "--rejected", "rejected.csv", "in.csv"];
        let (code, report) = folder.json(&words);
        assert_eq!((code, &report["added"], &report["imported"]), (1, &json!(3), &json!(true)), "{kind}: {report}");
        assert_eq!(folder.usernames(), ["new1", "new2", "new5", "old"], "{kind}");
        let rejected = std::fs::read_to_string(folder.path().join("rejected.csv")).unwrap();
        assert!(
            rejected.starts_with("line,username,field,why\r\n4,new3,aliases,\"\"\"other\"\" belongs"),
            "{rejected}"
        );
        assert_eq!(rejected.lines().count(), 8, "{rejected}");
        folder.is_clean();
    }
}

#[test]
fn accounts_that_exist_are_refused_passed_over_or_changed() {
    for (kind, folder) in Folder::each() {
        folder.write("in.csv", ANN_AND_BEN);
        folder.succeeds(&["account", "import", "in.csv"]);
        let before = folder.json(&["account", "list"]);
        folder.write(
            "changes.jsonl",
            "{\"username\":\"ann\",\"status\":\"locked\",\"aliases\":[\"new\"]}\n\
            {\"username\":\"ben\",\"status\":\"locked\"}\n{\"username\":\"cyd\",\"email\":\"cyd@example.org\"}\n",
        );
        let import =
            |on_existing: &str| folder.json(&["account", "import", "--on-existing", on_existing, "changes.jsonl"]);
        let (code, report) = import("fail");
        assert_eq!((code, report["rejected"].as_array().unwrap().len()), (1, 2), "{kind}: {report}");
        assert_eq!(folder.json(&["account", "list"]), before, "{kind}");

        let (code, report) = import("skip");
        assert_eq!((code, &report["skipped"], &report["added"]), (0, &json!(2), &json!(1)), "{kind}: {report}");
        let (_, ann) = folder.json(&["account", "show", "ann"]);
        assert_eq!(ann["status"], json!("active"), "{kind}");

        let (code, report) = import("update");
        let counts = (&report["updated"], &report["unchanged"], &report["added"]);
        assert_eq!((code, counts), (0, (&json!(1), &json!(2), &json!(0))), "{kind}: {report}");
        let (_, ann) = folder.json(&["account", "show", "new", "--by", "alias"]);
        let expected = json!({
            "username": "ann", "email": "Ann@example.org", "name": "Lee, Ann", "status": "locked", "home": "mail1",
            "aliases": ["new"], "groups": ["admins", "staff"],
        });
        assert_eq!(ann, expected, "{kind}");
        assert_eq!(folder.count("digest_credentials"), 1, "{kind}: what is not said of passwords stays");
        folder.succeeds(&["account", "add", "dan", "--alias", "a;1"]);
        folder.is_clean();
    }
}

#[test]
fn a_password_hash_is_taken_over_exchanged_and_taken_away() {
    let hash = |word: &str| {
        let digest = base64::engine::general_purpose::STANDARD.encode(word.repeat(32).get(..32).unwrap());
        format!("pbkdf2_sha256$1000$salt${digest}")
    };
    let (old, new) = (hash("old"), hash("new"));
    for (kind, folder) in Folder::each() {
        let import = |text: &str| {
            folder.write("in.jsonl", text);
            folder.json(&["account", "import", "--on-existing", "update", "in.jsonl"])
        };
        let stored = |username: &str, hash: &str| {
            folder.count(&format!(
                "password_hashes JOIN accounts ON id = account_id WHERE username = '{username}' AND hash = '{hash}'"
            ))
        };
        let feed = || (folder.sql)("SELECT n FROM change_counter");
        let set_by = || -> u64 { (folder.sql)("SELECT MAX(set_by) FROM password_hashes").parse().unwrap() };
        let people = ["ann", "ben", "cyd"]
            .map(|username| format!("{{\"username\":\"{username}\",\"password_hash\":\"{old}\"}}\n"))
            .concat();
        let (code, report) = import(&people);
        assert_eq!((code, &report["added"]), (0, &json!(3)), "{kind}: {report}");
        assert_eq!(["ann", "ben", "cyd"].map(|username| stored(username, &old)), [1; 3], "{kind}");

        // What is as it was is no change, and nobody is told of one.
        let (before, first) = (feed(), set_by());
        let (code, report) = import(&people);
        assert_eq!((code, &report["unchanged"]), (0, &json!(3)), "{kind}: {report}");
        assert_eq!((feed(), set_by()), (before, first), "{kind}");

        // Another group is no other password.
        let (_, report) = import(&people.replace("}", ",\"groups\":[\"staff\"]}"));
        assert_eq!((&report["updated"], set_by()), (&json!(3), first), "{kind}: {report}");

        let (code, report) = import(&format!(
            "{{\"username\":\"ann\",\"password_hash\":\"{new}\"}}\n{{\"username\":\"ben\",\"password_hash\":null}}\n\
             {{\"username\":\"cyd\",\"status\":\"locked\"}}\n"
        ));
        assert_eq!((code, &report["updated"]), (0, &json!(3)), "{kind}: {report}");
        assert_eq!((stored("ann", &new), stored("cyd", &old)), (1, 1), "{kind}");
        assert_eq!(folder.count("password_hashes"), 2, "{kind}");
        assert!(set_by() > first, "{kind}: another password has another number");
        assert!(feed().parse::<u64>().unwrap() >= set_by(), "{kind}: which is one of the feed");

        let (code, report) = import("{\"username\":\"ann\",\"password_hash\":\"hunter2hunter2\"}\n");
        let why = "its layout is not known here";
        let expected = json!([{ "line": 1, "username": null, "field": "password_hash", "why": why }]);
        assert_eq!((code, &report["rejected"]), (1, &expected), "{kind}");
        assert_eq!(stored("ann", &new), 1, "{kind}");
        folder.is_clean();
    }
}

/// Starts an import and kills it as soon as the store looks like this.
fn kill_import(folder: &Folder, words: &[&str], is_so: impl Fn() -> bool) {
    let mut importing = folder.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !is_so() {
        assert!(importing.try_wait().unwrap().is_none(), "the import was over before it could be killed");
        assert!(start.elapsed() < PATIENCE, "the import does not come so far");
    }
    importing.kill().unwrap();
    importing.wait().unwrap();
}

#[test]
fn an_import_that_was_killed_is_seen_by_nobody_and_cleared_away_by_the_next_one() {
    for (kind, folder) in Folder::each() {
        folder.succeeds(&["account", "add", "old"]);
        folder.write("in.csv", &people("p", 20_000));
        kill_import(&folder, &["account", "import", "in.csv"], || folder.count("accounts") > 1000);
        assert!(folder.count("accounts") > 1000 && folder.count("aliases") > 500, "{kind}");
        assert_eq!(folder.usernames(), ["old"], "{kind}");
        // The first account of the file was in the first transaction, and is found by none of its names.
        let first: Vec<String> = people("p", 1).lines().nth(1).unwrap().split(',').map(str::to_owned).collect();
        for (name, by) in [(&first[0], "username"), (&first[1], "email"), (&first[3], "alias")] {
            let output = folder.run(&["account", "show", name, "--by", by]);
            assert_eq!(output.status.code(), Some(1), "{kind}: {name}");
        }
        // The name is taken all the same.
        let taken = folder.run(&["account", "add", "eve", "--alias", &first[0]]);
        assert!(String::from_utf8(taken.stderr).unwrap().contains("belongs to another account"), "{kind}");
        folder.write("one.csv", "username\nnew\n");
        (folder.sql)("UPDATE imports SET expires = 0");
        let (code, report) = folder.json(&["account", "import", "one.csv"]);
        assert_eq!((code, &report["added"]), (0, &json!(1)), "{kind}: {report}");
        assert_eq!(folder.usernames(), ["new", "old"], "{kind}");
        assert_eq!((folder.count("accounts"), folder.count("aliases")), (2, 0), "{kind}");
        folder.is_clean();
    }
}

#[test]
fn changes_that_were_cut_off_are_finished_by_the_next_import() {
    for (kind, folder) in Folder::each() {
        folder.write("in.csv", &people("p", 5000));
        folder.succeeds(&["account", "import", "in.csv"]);
        folder.write("change.csv", &people("p", 5000).replace(",staff,", ",guests,").replace(",p.", ",q."));
        let applying = || folder.count("account_groups WHERE name = 'guests'") > 100;
        kill_import(&folder, &["account", "import", "--on-existing", "update", "change.csv"], applying);
        let done = folder.count("account_groups WHERE name = 'guests'");
        assert!((100..5000).contains(&done), "{kind}: {done}");
        assert!(folder.count("import_updates") > 0 && folder.count("import_names") > 0, "{kind}");
        // A name that was promised to somebody goes to nobody else.
        let promised = people("p", 5000).lines().last().unwrap().split(',').nth(3).unwrap().replace("p.", "q.");
        assert_eq!(folder.run(&["account", "add", "eve", "--alias", &promised]).status.code(), Some(1), "{kind}");
        (folder.sql)("UPDATE imports SET expires = 0");
        folder.write("none.csv", "username\n");
        folder.succeeds(&["account", "import", "none.csv"]);
        assert_eq!(folder.count("account_groups WHERE name = 'guests'"), 5000, "{kind}");
        assert_eq!(folder.count("account_groups WHERE name = 'staff'"), 0, "{kind}");
        assert_eq!(folder.count("aliases WHERE alias LIKE 'q.%'"), 5000, "{kind}");
        assert_eq!(folder.count("digest_credentials"), 5000, "{kind}");
        folder.is_clean();
    }
}

#[test]
fn a_change_that_was_cut_off_is_not_made_of_an_account_that_was_changed_since() {
    for (kind, folder) in Folder::each() {
        folder.write("in.csv", &people("p", 5000));
        folder.succeeds(&["account", "import", "in.csv"]);
        folder.succeeds(&["account", "add", "old"]);
        let change = people("p", 5000).replace(",staff,", ",guests,").replace(",p.", ",q.");
        folder.write("change.csv", &change);
        let applying = || folder.count("account_groups WHERE name = 'guests'") > 100;
        kill_import(&folder, &["account", "import", "--on-existing", "update", "change.csv"], applying);
        let last: Vec<Vec<&str>> = change.lines().rev().take(4).map(|line| line.split(',').collect()).collect();
        let [locked, removed, moved, robbed] = last.as_slice() else { panic!("{last:?}") };
        folder.succeeds(&["account", "lock", locked[0]]);
        // Of what a line says, nothing goes to somebody else before the line is done with.
        folder.succeeds(&["account", "remove", removed[0]]);
        assert_eq!(folder.run(&["account", "add", removed[0]]).status.code(), Some(1), "{kind}");
        folder.succeeds(&["account", "set", moved[0], "--no-email"]);
        assert_eq!(folder.run(&["account", "set", "old", "--email", moved[1]]).status.code(), Some(1), "{kind}");
        // Who writes past the feed is told nothing.
        (folder.sql)(&format!("INSERT INTO accounts (username, status) VALUES ('{}', 'active')", removed[0]));
        (folder.sql)(&format!(
            "INSERT INTO aliases (alias, account_id) SELECT '{}', id FROM accounts WHERE username = 'old'",
            robbed[3]
        ));
        (folder.sql)("UPDATE imports SET expires = 0");
        folder.write("none.csv", "username\n");
        let output = folder.run(&["account", "import", "none.csv"]);
        let warnings = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{kind}: {warnings}");
        assert_eq!(warnings.lines().count(), 4, "{kind}: {warnings}");
        for (line, who) in [(5001, locked), (5000, removed), (4999, moved), (4998, robbed)] {
            let warning = format!("line {line} of its file (\"{}\"): ", who[0]);
            assert!(warnings.contains(&warning), "{kind}: {warning}: {warnings}");
        }
        assert!(warnings.contains(&format!("aliases: \"{}\" belongs to another account", robbed[3])), "{warnings}");
        let (_, account) = folder.json(&["account", "show", locked[0]]);
        assert_eq!((&account["status"], &account["groups"]), (&json!("locked"), &json!(["staff"])), "{kind}");
        let (_, account) = folder.json(&["account", "show", removed[0]]);
        assert_eq!((&account["email"], &account["groups"]), (&json!(null), &json!([])), "{kind}");
        assert_eq!(folder.count("account_groups WHERE name = 'guests'"), 4996, "{kind}");
        folder.is_clean();
    }
}

#[test]
fn among_many_changes_those_that_take_something_away_are_told_by_name() {
    let folder = Folder::sqlite();
    let crowd = people("p", 10_500);
    folder.write("in.csv", &format!("{crowd}zed,,,,,\n"));
    folder.succeeds(&["account", "import", "in.csv"]);
    let renamed: String =
        crowd.lines().skip(1).map(|line| format!("{},Another,\n", line.split(',').next().unwrap())).collect();
    folder.write("change.csv", &format!("username,name,status\nzed,,locked\n{renamed}"));
    folder.succeeds(&["account", "import", "--on-existing", "update", "change.csv"]);
    assert_eq!(folder.count("changes WHERE kind = 'account' AND name = 'zed'"), 1);
    assert_eq!(folder.count("changes WHERE name LIKE 'p%'"), 0);
    assert!(folder.count("changes WHERE kind = 'flush'") > 0);
    // What is not told by name has a name of its own all the same, and stands at the end.
    let marks = folder.count("changes WHERE name LIKE '%:%'");
    assert_eq!(folder.count("(SELECT DISTINCT name FROM changes WHERE name LIKE '%:%')"), marks);
    assert_eq!(folder.count("changes WHERE n = (SELECT MAX(n) FROM changes) AND name LIKE '%:%'"), 1);
    folder.is_clean();
}

#[test]
fn an_import_of_which_the_database_lost_a_part_is_undone() {
    for (kind, folder) in Folder::each() {
        folder.write("in.csv", &people("p", 20_000));
        let mut command = folder.command(&["account", "import", "in.csv"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let start = Instant::now();
        while folder.count("accounts") <= 1000 {
            assert!(start.elapsed() < PATIENCE, "{kind}: the import does not come so far");
        }
        // As a server that takes over and has not yet heard of the first account.
        (folder.sql)("DELETE FROM accounts WHERE id = (SELECT first_id FROM imports)");
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{kind}: {said}");
        assert!(said.contains("lost a part") && said.contains("nothing was imported"), "{kind}: {said}");
        assert_eq!(folder.count("accounts"), 0, "{kind}");
        folder.is_clean();
    }
}

#[test]
fn two_imports_at_once_do_not_mix() {
    for (kind, folder) in Folder::each() {
        let start = |file: &str| {
            let mut command = folder.command(&["account", "import", "--json", file]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        for (file, part) in [("a.csv", "a"), ("b.csv", "b")] {
            folder.write(file, &people(part, 4000));
        }
        let running = ["a.csv", "b.csv"].map(start);
        for child in running {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
        }
        assert_eq!((folder.count("accounts"), folder.count("aliases")), (8000, 8000), "{kind}");
        // Two that want the same names: one of them gets all and the other one nothing.
        for (file, part) in [("c.csv", "c"), ("d.csv", "d")] {
            folder.write(file, &people(part, 4000).replace(&format!(",{part}."), ",same."));
        }
        let codes = ["c.csv", "d.csv"].map(start).map(|child| child.wait_with_output().unwrap().status.code().unwrap());
        assert!(codes.contains(&1), "{kind}: {codes:?}");
        let (c, d) =
            (folder.count("accounts WHERE username LIKE 'c%'"), folder.count("accounts WHERE username LIKE 'd%'"));
        assert_eq!((c % 4000, d % 4000, c + d < 8000), (0, 0, true), "{kind}: {c} {d}");
        assert_eq!(folder.count("aliases"), 8000 + c + d, "{kind}");
        folder.is_clean();
    }
}

#[test]
fn a_file_that_cannot_be_read_twice_is_copied_first() {
    let folder = Folder::sqlite();
    let mut command = folder.command(&["account", "import", "-", "--format", "jsonl"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{\"username\":\"ann\"}\n{\"username\":\"ben\"}\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "2 accounts read: 2 added\n");
    assert_eq!(folder.usernames(), ["ann", "ben"]);
    let no_format = folder.run(&["account", "import", "accounts.txt"]);
    assert_eq!(no_format.status.code(), Some(2));
    let missing = folder.run(&["account", "import", "nowhere.csv"]);
    assert_eq!(missing.status.code(), Some(2));
    folder.write("bad.csv", "name,mail\nann,ann@example.org\n");
    let bad = folder.run(&["account", "import", "bad.csv"]);
    let said = String::from_utf8(bad.stderr).unwrap();
    assert_eq!(bad.status.code(), Some(2));
    assert!(said.contains("\"mail\" is no column of accounts"), "{said}");
}

#[tokio::test]
async fn a_running_gate_takes_an_import_up() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let bob = gate.client().with(&gate.pki.person("bob"));
    assert_eq!(gate.alice().get("/").await.says(), "ok");
    assert!(bob.get("/").await.says().contains("account_unknown"));
    let import = |text: &str| {
        let file = gate.folder().join("in.csv");
        std::fs::write(&file, text).unwrap();
        gate.wicketgate(&["account", "import", "--on-existing", "update", file.to_str().unwrap()]);
    };
    import("username,email\nbob,bob@example.org\n");
    gate.until(&bob, "ok").await;
    import("username,status\nalice,locked\n");
    gate.until(&gate.alice(), "account_inactive").await;
    // So many that the gate is told to ask for everything anew.
    let crowd = people("p", 10_500);
    import(&crowd);
    import(&format!("username,groups,status\nalice,,active\n{}", changed(&crowd)));
    gate.until(&gate.alice(), "ok").await;
    assert_eq!(bob.get("/").await.says(), "ok");
}

#[tokio::test]
async fn an_imported_password_hash_lets_somebody_in_until_the_next_one() {
    let upstream = Upstream::start();
    let routes = "[{ path: /, authenticate: [certificate, basic], upstream: app }]";
    let setup = Setup::before(&upstream).section("routes", routes).section("basic", "{ realm: example.org }");
    let gate = setup.start();
    let import = |username: &str, password: &str| {
        let salted = [password.as_bytes(), b"salt"].concat();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &salted);
        let octets = [digest.as_ref(), b"salt"].concat();
        let hash = base64::engine::general_purpose::STANDARD.encode(octets);
        let file = gate.folder().join("in.csv");
        std::fs::write(&file, format!("username,password_hash\n{username},{{SSHA256}}{hash}\n")).unwrap();
        gate.wicketgate(&["account", "import", "--on-existing", "update", file.to_str().unwrap()]);
    };
    let until = |login: &str, status: u16| {
        let start = Instant::now();
        loop {
            let found = gate.curl("/", &["--basic", "-u", login]).status;
            if found == status {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "{login} has {found}");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    until("bob:open sesame", 401);
    import("bob", "open sesame");
    until("bob:open sesame", 200);
    assert_eq!(upstream.last().header("remote-user").as_deref(), Some("bob"));
    import("bob", "another one");
    until("bob:another one", 200);
    until("bob:open sesame", 401);
}

/// Another group for each of these people.
fn changed(people: &str) -> String {
    people.lines().skip(1).map(|line| format!("{},guests,\n", line.split(',').next().unwrap())).collect()
}

/// The store that a folder's configuration names, as the gate and the commands open it.
fn store_of(folder: &Path) -> wicketgate::config::Store {
    match wicketgate::config::load(&folder.join("wicketgate.yaml")) {
        Ok(loaded) => loaded.config.accounts.store,
        Err(faults) => panic!("{faults}"),
    }
}

#[tokio::test]
async fn no_statement_looks_at_more_rows_than_it_is_about() {
    let server = MariaDb::start();
    let server: &'static MariaDb = Box::leak(Box::new(server));
    let folder = Folder::mariadb(server);
    folder.write("in.csv", &people("p", 5000));
    folder.succeeds(&["account", "import", "in.csv"]);
    // From here on the server notes every statement of a new connection that looks at a hundred rows or more.
    let (first, last) = (4_000_000_000_i64, 4_000_000_500_i64);
    (folder.sql)(&format!(
        "INSERT INTO imports VALUES ({first}, {last}, 'another', 4000000000, 'pending'); ANALYZE TABLE accounts, aliases; \
         SET GLOBAL log_output = 'TABLE', slow_query_log = ON, long_query_time = 0, min_examined_row_limit = 100;"
    ));
    let registry =
        wicketgate::account::open(&store_of(folder.path()), tokio::runtime::Handle::current()).await.unwrap();
    let person: Vec<String> = people("p", 3).lines().nth(3).unwrap().split(',').map(str::to_owned).collect();
    for (kind, name) in
        [(LookupKind::Username, &person[0]), (LookupKind::Email, &person[1]), (LookupKind::Alias, &person[3])]
    {
        let lookup = Lookup { kind, name: name.clone() };
        assert_eq!(registry.find(&lookup).await.unwrap()[0].username, person[0], "{kind:?}");
    }
    let username = person[0].as_str();
    assert!(registry.ha1(username, "example.org", DigestAlgorithm::Sha256).await.unwrap().is_some());
    let key = CertificateKey { issuer: [7; 32], serial: vec![1] };
    assert_eq!(registry.revoked(std::slice::from_ref(&key)).await.unwrap(), [None]);
    let Since::Gap(position) = registry.changes(None).await.unwrap() else { panic!("there is no position") };
    registry.changes(Some(&position)).await.unwrap();
    let locked = Edit { status: Some(Status::Locked), add_aliases: vec!["more".to_owned()], ..Edit::default() };
    registry.edit(username, &locked).await.unwrap();
    registry.set_ha1(username, "other", DigestAlgorithm::Md5, None).await.unwrap();
    registry.revoke(&key, Timestamp::from_unix(1_800_000_000), "superseded").await.unwrap();
    registry.remove(username, Timestamp::from_unix(1_800_000_000)).await.unwrap();
    assert!(
        matches!(registry.changes(Some(&position)).await.unwrap(), Since::Changes(changes, _) if changes.len() == 4)
    );
    let noted = || server.administer("SELECT rows_examined, LEFT(sql_text, 200) FROM mysql.slow_log");
    assert_eq!(noted(), "");
    // And it does note them.
    registry.list(None, 500).await.unwrap();
    assert!(noted().contains("WHERE a.username > "), "{}", noted());
}

const MILLION: usize = 1_000_000;

/// So many of the million come to the gate.
const VISITORS: usize = 2000;

/// A million people, of whom the last ones are those whose certificates `Pki::person` makes.
fn million(file: &Path) {
    let mut out = std::io::BufWriter::new(std::fs::File::create(file).unwrap());
    out.write_all(people("p", MILLION - VISITORS).as_bytes()).unwrap();
    for number in 0..VISITORS {
        writeln!(out, "v{number},v{number}@example.org,Visitor {number},v.{number},staff,").unwrap();
    }
    out.flush().unwrap();
}

/// CPU time of a process so far, user and system (`/proc/PID/stat`; a tick is a hundredth of a second).
fn cpu(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Runs a command to its end, and says how long it took, the most memory that it had in KiB, and what it printed.
fn measured(command: &mut Command) -> (Duration, u64, String) {
    let begin = Instant::now();
    let mut process = Process::start(command);
    let mut peak = 0;
    while process.ended().is_none() {
        peak = peak.max(process.peak_kib().unwrap_or(0));
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = begin.elapsed();
    assert!(process.ended().unwrap().success(), "{}", process.output());
    (took, peak, process.output())
}

#[tokio::test]
#[ignore = "a million accounts take minutes: make prove"]
async fn a_million_accounts_are_a_normal_size() {
    let mut server = MariaDb::start();
    // A server for a million accounts, which loses nothing that it has confirmed.
    server.restart_with(&[
        "--innodb-buffer-pool-size=512M",
        "--innodb-log-file-size=256M",
        "--innodb-flush-log-at-trx-commit=1",
    ]);
    let upstream = Upstream::start();
    let accounts = format!("{{ mysql: {}, cache: {{ ttl: 1h }} }}", server.configuration());
    let setup = Setup::before(&upstream).file("db.password", mariadb::PASSWORD).section("accounts", &accounts);
    let gate = setup.start();
    let folder = gate.folder();
    million(&folder.join("in.csv"));
    let command = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
        command.args(words).args(["-c", "wicketgate.yaml"]).current_dir(folder);
        command
    };
    let (took, peak, said) = measured(&mut command(&["account", "import", "in.csv"]));
    assert!(said.contains("1,000,000 accounts read: 1,000,000 added"), "{said}");
    println!("import of a million accounts: {took:.1?}, {:.1} MiB at most", peak as f64 / 1024.0);

    let (took, peak, _) = measured(&mut command(&["account", "export", "--with-credentials", "out.csv"]));
    println!("export of a million accounts: {took:.1?}, {:.1} MiB at most", peak as f64 / 1024.0);
    let exported = std::fs::read_to_string(folder.join("out.csv")).unwrap();
    assert_eq!(exported.lines().count(), MILLION + 2, "those of the file, alice and the first line");
    drop(exported);
    let (took, peak, _) = measured(&mut command(&["account", "list", "--status", "closed"]));
    println!("account list over a million accounts: {took:.1?}, {:.1} MiB at most", peak as f64 / 1024.0);
    let (took, peak, _) = measured(&mut command(&["db", "check"]));
    println!("db check over a million accounts: {took:.1?}, {:.1} MiB at most", peak as f64 / 1024.0);

    // Everybody comes over a connection of their own, first unknown to the gate, then known to it.
    let visitors: Vec<_> = (0..VISITORS).map(|number| gate.pki.person(&format!("v{number}"))).collect();
    let mut figures = Vec::new();
    for round in ["not in the cache", "in the cache"] {
        let before = cpu(gate.process.id());
        for visitor in &visitors {
            assert_eq!(gate.client().with(visitor).get("/").await.says(), "ok");
        }
        let each = (cpu(gate.process.id()) - before) / u32::try_from(VISITORS).unwrap();
        println!("CPU of the gate for a visit, handshake and request included, {round}: {each:.0?}");
        figures.push(each);
    }
    println!("of which the questions to the database: {:.0?}", figures[0].saturating_sub(figures[1]));

    let (took, peak, said) = measured(&mut command(&["account", "import", "--on-existing", "update", "out.csv"]));
    assert!(said.contains("1,000,001 unchanged"), "{said}");
    println!("import of a million accounts of which none changed: {took:.1?}, {:.1} MiB at most", peak as f64 / 1024.0);
}
