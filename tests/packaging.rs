//! What is packaged is what systemd takes: the units say nothing that it does not know, and leave the two processes
//! no more of the machine than they need.
#![cfg(test)]

use std::path::{Path, PathBuf};
use std::process::Command;

const GATE: &str = "wicketgate.service";
const AUTHORITY: &str = "wicketgate-authority.service";
const SOCKET: &str = "wicketgate.socket";

fn packaged(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)
}

fn unit(name: &str) -> String {
    std::fs::read_to_string(packaged("systemd").join(name)).unwrap()
}

/// The values of a key in a unit, in their order.
fn values<'a>(unit: &'a str, key: &'a str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// A folder with the units as they are, but for the program, which is not installed here.
fn installed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in [GATE, AUTHORITY, SOCKET] {
        let text = unit(name).replace("/usr/bin/wicketgate", env!("CARGO_BIN_EXE_wicketgate"));
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn systemd_finds_no_fault_with_the_units() {
    let folder = installed();
    for name in [GATE, AUTHORITY, SOCKET] {
        let mut verify = Command::new("systemd-analyze");
        // It looks at all units that these mention; those of this machine are none of ours.
        let output =
            verify.args(["verify", "--man=no", "--recursive-errors=no"]).arg(folder.path().join(name)).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let ours: Vec<&str> = said.lines().filter(|line| line.contains(name)).collect();
        assert!(output.status.success() && ours.is_empty(), "{name}: {said}");
    }
}

#[test]
fn neither_process_has_more_of_the_machine_than_it_needs() {
    let folder = installed();
    for name in [GATE, AUTHORITY] {
        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--no-pager", "--offline=yes", "--threshold=25"]).arg(folder.path().join(name));
        let output = security.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{name}: {said}{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_gate_tells_systemd_how_it_is_and_may_name_its_successor() {
    let gate = unit(GATE);
    assert_eq!((values(&gate, "Type"), values(&gate, "NotifyAccess")), (vec!["notify"], vec!["main"]));
    assert_eq!(values(&gate, "WatchdogSec").len(), 1);
    assert_eq!(
        (values(&gate, "RuntimeDirectory"), values(&gate, "RuntimeDirectoryMode")),
        (vec!["wicketgate-gate"], vec!["0700"])
    );
    // A version of systemd that does not know the type leaves the drop-in's line out, and nothing else.
    let newer = unit("notify-reload.conf");
    assert_eq!((values(&newer, "Type"), values(&newer, "ExecReload")), (vec!["notify-reload"], vec![""]));
}

#[test]
fn the_gate_and_the_authority_are_two_users_and_neither_is_root() {
    let (gate, authority) = (unit(GATE), unit(AUTHORITY));
    assert_eq!((values(&gate, "User"), values(&authority, "User")), (vec!["wicketgate"], vec!["wicketgate-authority"]));
    // The socket is for the group of both; what else there is, is for its owner.
    assert_eq!((values(&gate, "Group"), values(&authority, "Group")), (vec!["wicketgate"], vec!["wicketgate"]));
    for unit in [&gate, &authority] {
        assert_eq!((values(unit, "UMask"), values(unit, "StateDirectoryMode")), (vec!["0077"], vec!["0700"]));
    }
    let users = std::fs::read_to_string(packaged("sysusers.d/wicketgate.conf")).unwrap();
    for user in ["u wicketgate ", "u wicketgate-authority "] {
        assert!(users.lines().any(|line| line.starts_with(user)), "{user}");
    }
    // The passphrase is given to the authority alone.
    assert!(values(&gate, "LoadCredentialEncrypted").is_empty() && values(&gate, "LoadCredential").is_empty());
    assert_eq!(values(&authority, "LoadCredentialEncrypted").len(), 1);
}
