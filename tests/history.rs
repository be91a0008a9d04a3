//! The history of the authority's acts, from outside: what was done stands in it, what somebody changes shows, and
//! where it cannot be written nothing is done.
#![cfg(test)]

mod common;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const CONFIGURATION: &str = "\
listeners: [{ name: guarded, address: \"127.0.0.1:0\", client_certificate: off, tls: { certificates: [{ chain: server.pem, key: server.key }] } }]
identity: [{ from: san.email }]
accounts: { sqlite: { path: accounts.db } }
routes: [{ path: /, anonymous: allow, upstream: app }]
upstreams: { app: { servers: [\"http://127.0.0.1:1\"] } }
authority: { directory: authority, passphrase: { file: passphrase } }
";

/// A folder with an authority that was renewed once.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        std::fs::write(world.path().join("wicketgate.yaml"), CONFIGURATION).unwrap();
        common::pki::write_private(&world.path().join("passphrase"), "of the whole authority\n");
        world.good(&["init", "--name", "Example"]);
        world.good(&["renew-intermediate"]);
        world
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self) -> PathBuf {
        self.path().join("authority/private/history.jsonl")
    }

    fn ca(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
        command.arg("ca").args(words).args(["-c", "wicketgate.yaml"]).current_dir(self.path()).output().unwrap()
    }

    fn wicketgate(&self, words: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
        let output = command.args(words).args(["-c", "wicketgate.yaml"]).current_dir(self.path()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    }

    #[track_caller]
    fn good(&self, words: &[&str]) -> String {
        let output = self.ca(words);
        assert!(output.status.success(), "{words:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// What `verify` says, and its exit code.
    fn verify(&self, options: &[&str]) -> (i32, Value) {
        let output = self.ca(&[&["audit", "verify", "--json"], options].concat());
        let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
        (output.status.code().unwrap(), said)
    }

    fn lines(&self) -> Vec<String> {
        std::fs::read_to_string(self.file()).unwrap().lines().map(str::to_owned).collect()
    }

    fn put(&self, lines: &[String]) {
        std::fs::write(self.file(), lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[test]
fn what_the_authority_did_is_verified_and_what_was_changed_shows() {
    let world = World::new();
    let (code, said) = world.verify(&[]);
    assert_eq!((code, &said["sound"], &said["last"], &said["confirmed"]), (0, &true.into(), &2.into(), &1.into()));
    let record: Value = serde_json::from_str(&world.lines()[1]).unwrap();
    assert_eq!(record["act"], "renew_intermediate");
    assert!(record["by"].as_str().unwrap().starts_with("uid "), "{record}");
    let head = world.good(&["audit", "head"]);
    world.good(&["renew-intermediate"]);
    world.good(&["audit", "rotate"]);
    world.good(&["renew-intermediate"]);
    let (code, said) = world.verify(&["--head", head.trim()]);
    assert_eq!((code, &said["last"]), (0, &6.into()), "{said}");
    assert!(world.good(&["audit", "verify"]).contains("records 1 to 6, one chain"));
    let intact = world.lines();
    // The last record cut off, its text changed, all since the rotation gone.
    world.put(&intact[..1]);
    let (code, said) = world.verify(&[]);
    assert_eq!((code, &said["sound"]), (1, &false.into()));
    assert!(said["why"].as_str().unwrap().contains("the end was cut off"), "{said}");
    assert_eq!(world.verify(&["--without-database"]).0, 0, "the chain alone is whole");
    world.put(&[intact[0].clone(), intact[1].replace("uid ", "uid 1")]);
    let (code, said) = world.verify(&[]);
    assert_eq!((code, &said["line"]), (1, &2.into()), "{said}");
    world.put(&intact);
    assert_eq!(world.verify(&[]).0, 0);
    let closed = world.path().join("authority/private/history.jsonl.4");
    std::fs::rename(&closed, world.path().join("elsewhere")).unwrap();
    // The database knows the head of what is missing.
    let (code, said) = world.verify(&["--without-database"]);
    assert!(code == 1 && said["why"].as_str().unwrap().contains("begins with record 5"), "{said}");
}

#[test]
fn what_is_issued_and_revoked_stands_in_it_and_is_refused_where_it_cannot() {
    let world = World::new();
    world.wicketgate(&["account", "add", "ann", "--email", "ann@example.org"]);
    world.good(&["issue", "ann", "--out", "ann.p12"]);
    world.good(&["revoke", "--account", "ann", "--reason", "keyCompromise"]);
    let (code, said) = world.verify(&[]);
    assert_eq!((code, &said["last"], &said["confirmed"]), (0, &4.into(), &3.into()), "{said}");
    let records: Vec<Value> = world.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&records[2]["act"], &records[3]["act"]), (&"issue".into(), &"revoke".into()));
    assert_eq!((&records[2]["account"], &records[2]["profile"]), (&"ann".into(), &"client".into()));
    assert_eq!(records[3]["reason"], "keyCompromise");
    assert_eq!(records[2]["serial"], records[3]["serial"]);
    let listed = world.good(&["list", "--json"]);
    assert!(listed.contains(records[2]["serial"].as_str().unwrap()), "{listed}");
    // Without it nothing is issued or revoked.
    std::fs::rename(world.file(), world.path().join("elsewhere")).unwrap();
    for words in [&["issue", "ann", "--out", "other.p12"][..], &["revoke", "--account", "ann"]] {
        let output = world.ca(words);
        assert!(!output.status.success(), "{words:?}");
    }
    assert!(!world.path().join("other.p12").exists());
    assert_eq!(world.good(&["list", "--json"]), listed, "nothing has changed");
}

#[test]
fn a_history_in_the_place_of_another_shows() {
    let world = World::new();
    let identity = world.verify(&[]).1["history"].clone();
    std::fs::remove_file(world.file()).unwrap();
    let output = world.ca(&["renew-intermediate"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("is missing"), "{}", text(&output.stderr));
    assert_eq!(world.path().join("authority/intermediates").read_dir().unwrap().count(), 2, "nothing was done");
    world.good(&["audit", "begin"]);
    let (code, said) = world.verify(&[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(said["other_histories"][0]["history"], identity, "the database goes on knowing the old one");
    assert_eq!(said["other_histories"][0]["last"], 2);
    assert!(!world.ca(&["audit", "begin"]).status.success());
}

#[test]
fn on_a_full_disk_nothing_is_done() {
    let world = World::new();
    let script = r#"
        set -e
        wicketgate=$1; cd "$2"
        mkdir small; mount -t tmpfs -o size=256k none small
        cp -a authority/. small/; mount --move small authority 2>/dev/null || mount --bind small authority
        dd if=/dev/zero of=authority/ballast bs=4k 2>/dev/null || true
        # What fits into the block that the history has already is written; a record is longer.
        while "$wicketgate" ca renew-intermediate -c wicketgate.yaml >said 2>&1; do :; done
        ls authority/intermediates | wc -l
        cat said
        rm authority/ballast
        "$wicketgate" ca renew-intermediate -c wicketgate.yaml >/dev/null
        "$wicketgate" ca audit verify -c wicketgate.yaml
    "#;
    let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
    let mut command = Command::new("unshare");
    command.args(if root { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
    command.args(["sh", "-c", script, "sh", env!("CARGO_BIN_EXE_wicketgate")]).arg(world.path());
    let output = command.output().unwrap();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    assert!(said.contains("No space left on device"), "{said}");
    assert_eq!(said.lines().next().map(str::trim), Some("2"), "an intermediate is left of what failed: {said}");
    assert!(said.contains("one chain"), "{said}");
}
