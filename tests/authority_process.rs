//! The authority and the gate are two processes, of which one has the key: they run as two users of the system and two of the
//! database, and neither may do what the other does.
#![cfg(test)]

mod common;

use common::authority::{Authority, request, shell, shell_output};
use common::eventually;
use common::gate::unused_address;
use common::mariadb::{MariaDb, PASSWORD, USER};
use common::process::Process;
use common::setup::Setup;
use common::upstream::Upstream;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Users that no system has given to anybody.
const GATE: u32 = 64_901;
const STRANGER: u32 = 64_902;

fn as_user(user: u32) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--clear-groups", "--regid", &user.to_string(), "--reuid", &user.to_string()]);
    command.arg(env!("CARGO_BIN_EXE_wicketgate"));
    command
}

/// Whether processes of other users can be started here.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What a process has open and what it has mapped.
fn files_of(process: u32) -> String {
    let links = format!("ls -l /proc/{process}/fd 2>/dev/null; cat /proc/{process}/maps 2>/dev/null");
    let output = Command::new("bash").args(["-c", &links]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Asks the authority for its certificates as some user.
fn ask(folder: &Path, user: u32) -> String {
    let curl = "curl --silent --show-error --max-time 10 --unix-socket authority.sock http://authority/v1/authorities";
    let output = shell_output(folder, &format!("setpriv --clear-groups --regid {user} --reuid {user} {curl} 2>&1"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_gate_has_people_enrolled_and_cannot_read_the_key() {
    if !is_root() {
        // As somebody else, the one user of this test owns every file; the units see to it where it counts.
        return;
    }
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let address = unused_address();
    let keys = format!("users: ['{GATE}'], est: {{}}");
    Setup::before(&upstream).with_authority(&keys).write(folder.path(), address);
    let path = folder.path();
    std::fs::write(path.join("password"), "password\n").unwrap();
    let password = "account password alice --file password -c wicketgate.yaml";
    shell(path, &format!("chmod 600 password && {} {password}", env!("CARGO_BIN_EXE_wicketgate")));
    // The gate's user owns what the gate needs; the authority's what it does.
    shell(path, &format!("chmod 711 . && chown -R {GATE} . && chown -R 0 authority authority.passphrase"));
    let mut authority = Command::new("setpriv");
    authority.args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_wicketgate")]);
    let authority = Authority::start(authority, path);
    let gate = Process::start(as_user(GATE).args(["serve", "-c"]).arg(path.join("wicketgate.yaml")));
    eventually("the gate to accept connections", || TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok());
    shell(path, &format!("chown {GATE} authority.sock"));

    request(path, "alice", "-subj /CN=alice");
    let curl = format!(
        "curl --silent --show-error --max-time 30 --cacert ca.pem --resolve gate.example.org:{0}:{1} --user alice:password \
         -H 'Content-Type: application/pkcs10' --data-binary @alice.b64 --write-out '%{{http_code}}' -o answer \
         https://gate.example.org:{0}/.well-known/est/simpleenroll",
        address.port(),
        address.ip()
    );
    assert_eq!(shell(path, &curl), "200", "{}{}", gate.output(), authority.log());

    let key = "authority/private/intermediate-1.key";
    let read = shell_output(path, &format!("setpriv --clear-groups --regid {GATE} --reuid {GATE} cat {key}"));
    assert!(!read.status.success(), "the gate's user reads the key");
    let open = files_of(gate.id());
    assert!(open.contains("accounts.db") && !open.contains("private/"), "{open}");

    // Others are turned away though the file would let them in.
    shell(path, "chmod 666 authority.sock");
    assert!(ask(path, GATE).contains("certificates"));
    let turned_away = ask(path, STRANGER);
    assert!(turned_away.contains("curl:") && !turned_away.contains("certificates"), "{turned_away}");
    assert!(authority.log().contains(&STRANGER.to_string()), "{}", authority.log());
}

#[test]
fn an_authority_that_cannot_do_its_work_says_why() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    Setup::before(&upstream).with_authority("users: [nobody], est: {}").write(path, unused_address());
    let text = std::fs::read_to_string(path.join("wicketgate.yaml")).unwrap();
    // A route to a service that is not there would be the first fault of a file without one.
    let without = text.replace("{ service: est }", "app");
    for (text, from, to, code, why) in [
        (&text, "users: [nobody]", "users: [no-such-user]", 1, "there is no user \"no-such-user\""),
        (&text, "est: {}", "est: {profile: none}", 1, "there is no profile \"none\""),
        (&text, "est: {}", "est: {profile: intermediate}", 1, "nobody enrols as one"),
        (&text, "directory: authority", "directory: nowhere", 1, "there is no authority in"),
        (&text, "socket: authority.sock", "socket: wicketgate.yaml", 1, "is no socket"),
        (&text, "est: {}", "est: {profil: client}", 2, "profil"),
        (&without, "socket: authority.sock, users: [nobody], est: {}", "", 1, "authority.socket is missing"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(path.join("wicketgate.yaml"), text.replace(from, to)).unwrap();
        let command = format!("timeout 60 {} authority serve -c wicketgate.yaml", env!("CARGO_BIN_EXE_wicketgate"));
        let output = shell_output(path, &command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{to}: {said}");
        assert!(said.contains(why), "{to}: {said}");
    }
}

#[test]
fn neither_a_core_dump_nor_a_debugger_gets_at_the_key() {
    if !is_root() {
        // Whose files a process is can only be told from the test's own user by another.
        return;
    }
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    Setup::before(&upstream).with_authority("est: {}").write(path, unused_address());
    shell(path, &format!("chown -R {GATE} ."));
    let authority = Authority::start(as_user(GATE), path);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", authority.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    // Of a process that may not be dumped, what a debugger needs is root's, whoever it runs as.
    let owner = std::fs::metadata(format!("/proc/{}/mem", authority.id())).unwrap().uid();
    assert_eq!(owner, 0);
    assert_eq!(authority.stop(), Some(0));
}

#[test]
fn the_authority_works_in_the_database_as_a_user_of_its_own() {
    let upstream = Upstream::start();
    let server = MariaDb::start();
    let keys = "est: {}, mysql: { user: keeper, password: { file: keeper.password } }";
    let gate = Setup::before(&upstream)
        .with_authority(keys)
        .section("accounts", &format!("{{ mysql: {} }}", server.configuration()))
        .file("db.password", PASSWORD)
        .file("keeper.password", "of the keeper")
        .file("new.password", "password")
        .start();
    let path = gate.folder();
    gate.wicketgate(&["account", "password", "alice", "--file", path.join("new.password").to_str().unwrap()]);
    // Who the authority is stands in the configuration.
    let options = ["--gate-user", "reader", "--host", "127.0.0.1"];
    server.administer(&gate.wicketgate(&[["db", "grants"].as_slice(), &options].concat()));
    server.administer("ALTER USER keeper@'127.0.0.1' IDENTIFIED BY 'of the keeper' ACCOUNT UNLOCK;");
    let authority = Authority::beside(&gate);
    request(path, "alice", "-subj /CN=alice");
    let body = format!("@{}", path.join("alice.b64").display());
    let options = ["--user", "alice:password", "-H", "Content-Type: application/pkcs10", "--data-binary", &body];
    let enrolled = gate.curl("/.well-known/est/simpleenroll", &options);
    assert_eq!(enrolled.status, 200, "{enrolled:?}{}", authority.log());
    let connected = server.administer("SELECT DISTINCT user FROM information_schema.processlist;");
    assert!(connected.contains("keeper") && connected.contains(USER), "{connected}");
    let query = "SELECT coalesce(username, '-'), profile FROM certificates ORDER BY profile";
    assert_eq!(server.sql(query).trim(), "alice\tclient\n-\tintermediate\n-\tocsp");
}
