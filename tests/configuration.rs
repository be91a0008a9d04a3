//! What `wicketgate check` tells an administrator, and with which exit code: every fault of the file at
//! once, and what is wrong with the files and the database that it names. And the other commands that say
//! how the configuration is written.
#![cfg(test)]

mod common;

use common::pki::{Leaf, Pki, write_private};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const GOOD: &str = "\
listeners:
  - name: guarded
    address: 127.0.0.1:0
    trust: staff
    tls: { certificates: [{ chain: server.pem, key: server.key }] }
trust:
  staff: { authorities: [ca.pem] }
routes:
  - { host: gate.example.org, upstream: app }
upstreams:
  app: { servers: [http://127.0.0.1:1] }
";

/// A folder with a configuration and what it names.
struct Folder(TempDir);

impl Folder {
    fn with(configuration: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let pki = Pki::new();
        std::fs::write(folder.path("wicketgate.yaml"), configuration).unwrap();
        std::fs::write(folder.path("ca.pem"), pki.root.pem()).unwrap();
        pki.server.write(folder.0.path(), "server");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn check(&self, options: &[&str]) -> Output {
        wicketgate(&[&["check", "-c", self.path("wicketgate.yaml").to_str().unwrap()], options].concat())
    }
}

fn wicketgate(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wicketgate")).args(words).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn assert_says(output: &Output, exit: i32, parts: &[&str]) {
    let all = format!("{}{}", text(output), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(exit), "{all}");
    for part in parts {
        assert!(all.contains(part), "{part:?} is missing from\n{all}");
    }
}

#[test]
fn a_good_configuration_is_called_good_and_nothing_is_made() {
    let folder = Folder::with(GOOD);
    assert_says(&folder.check(&[]), 0, &["wicketgate.yaml: the configuration is good"]);
    let report: Value = serde_json::from_slice(&folder.check(&["--json"]).stdout).unwrap();
    assert_eq!(report["good"], true);
    assert_eq!(report["findings"], Value::Array(Vec::new()));
    assert!(!folder.path("wicketgate.db").exists());
}

#[test]
fn every_fault_is_reported_at_once_with_its_line_and_path() {
    let bad = GOOD
        .replace("    address: 127.0.0.1:0\n", "    adress: 127.0.0.1:0\n    client_certificate: wnat\n")
        .replace("trust: staff", "trust: stafff")
        .replace("authorities: [ca.pem]", "authorities: ca.pem, password: hunter2")
        .replace("upstream: app", "upstream: ap, path: /a/../b");
    let folder = Folder::with(&bad);
    assert_says(
        &folder.check(&[]),
        2,
        &[
            "wicketgate.yaml:3:5",
            "`adress` is not a key that is known here",
            "^^^^^^ listeners[0].adress",
            "did you mean `address`?",
            "^^^^ listeners[0].client_certificate",
            "did you mean `want`?",
            "^^^^^^ listeners[0].trust",
            "did you mean `staff`?",
            "trust.staff.authorities",
            "trust.staff.password",
            "routes[0].upstream",
            "did you mean `app`?",
            "routes[0].path",
            "the configuration is bad",
        ],
    );
    assert!(!text(&folder.check(&[])).contains("hunter2"));

    let report: Value = serde_json::from_slice(&folder.check(&["--json"]).stdout).unwrap();
    assert_eq!(report["good"], false);
    let places: Vec<(u64, &str)> = report["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| (fault["line"].as_u64().unwrap(), fault["path"].as_str().unwrap()))
        .collect();
    assert_eq!(
        places,
        [
            (3, "listeners[0].adress"),
            (4, "listeners[0].client_certificate"),
            (5, "listeners[0].trust"),
            (8, "trust.staff.authorities"),
            (8, "trust.staff.password"),
            (10, "routes[0].upstream"),
            (10, "routes[0].path"),
        ]
    );
}

#[test]
fn what_is_no_yaml_or_no_file_is_told() {
    let folder = Folder::with("listeners: [\nroutes: [}\n");
    assert_says(&folder.check(&[]), 2, &["this is not YAML", "wicketgate.yaml:2:"]);
    std::fs::remove_file(folder.path("wicketgate.yaml")).unwrap();
    assert_says(&folder.check(&[]), 2, &["the file cannot be read", "wicketgate.yaml does not exist", "what to do:"]);
    assert_says(&wicketgate(&["check"]), 2, &["--config"]);
}

#[test]
fn a_key_that_does_not_match_its_certificate_is_told() {
    let folder = Folder::with(GOOD);
    let other = Pki::new().server;
    write_private(&folder.path("server.key"), &other.key_pem);
    assert_says(
        &folder.check(&[]),
        2,
        &[
            "error: the private key does not match the certificate",
            "server.key (listeners[0].tls.certificates[0].key)",
            "server.pem",
            "what to do:",
        ],
    );
}

#[test]
fn a_key_that_everybody_can_read_is_told() {
    let folder = Folder::with(GOOD);
    std::fs::set_permissions(folder.path("server.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_says(&folder.check(&[]), 2, &["everybody on this machine", "mode is 0644", "chmod 600"]);
}

#[test]
fn an_expired_certificate_is_an_error_and_one_that_soon_expires_a_warning() {
    let pki = Pki::new();
    let server = || Leaf::server(&["gate.example.org"]);
    for (leaf, exit, part) in [
        (server().expired(), 2, "error: the certificate CN=gate.example.org has expired"),
        (server().not_yet_valid(), 2, "is not valid yet"),
        (server().expiring_in(10 * 24 * 3600 + 60), 0, "warning: the certificate CN=gate.example.org expires soon"),
    ] {
        let folder = Folder::with(GOOD);
        std::fs::write(folder.path("ca.pem"), pki.root.pem()).unwrap();
        pki.root.issue(leaf).write(folder.0.path(), "server");
        assert_says(&folder.check(&[]), exit, &[part, "what to do:"]);
    }
}

#[test]
fn a_trust_set_without_an_authority_is_told() {
    let folder = Folder::with(GOOD);
    std::fs::write(folder.path("ca.pem"), "").unwrap();
    assert_says(&folder.check(&[]), 2, &["ca.pem (trust.staff.authorities[0])", "holds no certificate"]);
    std::fs::write(folder.path("ca.pem"), &Pki::new().person("alice").leaf_pem).unwrap();
    assert_says(&folder.check(&[]), 2, &["cannot be trusted as an authority", "CN=alice"]);
}

/// Runs `check` as somebody from whom things can be kept, which root is not.
fn check_as_nobody(folder: &Folder) -> Output {
    let program = folder.path("wicketgate");
    let mut command = if is_root(folder.0.path()) {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.arg("check").arg("-c").arg(folder.path("wicketgate.yaml")).output().unwrap()
}

/// Whether what this process makes belongs to root.
fn is_root(made: &Path) -> bool {
    std::fs::metadata(made).unwrap().uid() == 0
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_directory_that_cannot_be_entered_is_named_with_its_owner_its_mode_and_who_we_are() {
    let folder = Folder::with(&GOOD.replace("key: server.key", "key: private/keys/server.key"));
    let private = folder.path("private");
    std::fs::create_dir_all(private.join("keys")).unwrap();
    std::fs::rename(folder.path("server.key"), private.join("keys/server.key")).unwrap();
    // The build may stand where nobody but us can go.
    std::fs::copy(env!("CARGO_BIN_EXE_wicketgate"), folder.path("wicketgate")).unwrap();
    // Everything is open, and an embedded database could be made; only one directory on the way is closed.
    for entry in std::fs::read_dir(folder.0.path()).unwrap() {
        chmod(&entry.unwrap().path(), 0o755);
    }
    chmod(folder.0.path(), 0o777);
    chmod(&private, 0o000);
    let output = check_as_nobody(&folder);
    chmod(&private, 0o755);
    assert_says(
        &output,
        2,
        &[
            "error: the file cannot be read",
            "private/keys/server.key (listeners[0].tls.certificates[0].key)",
            &format!("the directory {} (owner ", private.display()),
            "mode 0000) cannot be entered by user ",
            "setfacl",
        ],
    );
    let report = text(&output);
    assert_eq!(report.matches("error:").count(), 1, "{report}");
    if is_root(folder.0.path()) {
        assert!(report.contains("(owner root, group root, mode 0000) cannot be entered by user nobody (uid 65534"));
    }
}

#[test]
fn a_database_that_does_not_answer_is_told_within_its_deadline() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let configuration = |address: SocketAddr| {
        let mysql = format!("{{ servers: [\"{address}\"], database: d, user: u, password: {{ file: db.password }} }}");
        format!("{GOOD}accounts: {{ mysql: {mysql} }}\n")
    };
    let folder = Folder::with(&configuration(address));
    write_private(&folder.path("db.password"), "hunter2\n");
    let output = folder.check(&[]);
    let on = format!("{address} (accounts.mysql)");
    assert_says(&output, 2, &["error: nothing listens there", &on, "why: ", "what to do: "]);
    assert!(!text(&output).contains("hunter2"));

    // It accepts, and then says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = Folder::with(&configuration(silent.local_addr().unwrap()));
    write_private(&folder.path("db.password"), "hunter2\n");
    let on = format!("{} (accounts.mysql)", silent.local_addr().unwrap());
    let start = std::time::Instant::now();
    assert_says(&folder.check(&[]), 2, &["error: ", &on, "why: ", "what to do: "]);
    assert!(start.elapsed() < common::PATIENCE, "{:?}", start.elapsed());
}

#[test]
fn the_schema_the_completions_and_the_manual_are_printed() {
    let schema: Value = serde_json::from_slice(&wicketgate(&["schema"]).stdout).unwrap();
    assert_eq!(schema["title"], "Wicketgate");
    assert_eq!(schema["properties"]["listeners"]["type"], "array");
    for shell in ["bash", "zsh", "fish"] {
        assert_says(&wicketgate(&["completions", shell]), 0, &["wicketgate", "completions"]);
    }
    assert_says(&wicketgate(&["man"]), 0, &[".TH wicketgate", "check"]);
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().to_str().unwrap();
    assert_says(&wicketgate(&["man", "--directory", directory]), 0, &[]);
    assert!(folder.path().join("wicketgate-check.1").exists());
    let absent = folder.path().join("absent");
    assert_says(
        &wicketgate(&["man", "--directory", absent.to_str().unwrap()]),
        1,
        &["error: writing the manual failed on", "why: ", "what to do: "],
    );
    assert_says(&wicketgate(&["chekc"]), 2, &["check"]);
}
