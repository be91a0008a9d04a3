//! The history of the authority's acts, from outside: what was done stands in it, what somebody changes shows, and
//! where it cannot be written nothing is done.
#![cfg(test)]

mod common;

use serde_json::Value;
use std::collections::BTreeMap;
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
    assert_eq!((code, &said["sound"], &said["last"], &said["confirmed"]), (0, &true.into(), &4.into(), &1.into()));
    let records: Vec<Value> = world.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let acts: Vec<&str> = records.iter().map(|record| record["act"].as_str().unwrap()).collect();
    assert_eq!(acts, ["begin", "issue", "issue", "renew_intermediate"]);
    let subjects: Vec<&str> = records[1..].iter().map(|record| record["subject"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["CN=Example Root", "CN=Example Authority 1", "CN=Example Authority 2"]);
    let record = &records[3];
    let newest = world.path().join("authority/intermediates/2.pem");
    let hash = Command::new("openssl").args(["x509", "-noout", "-sha256", "-fingerprint", "-in"]).arg(newest).output();
    let hash = text(&hash.unwrap().stdout).trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
    assert_eq!(record["fingerprint"], hash);
    assert!(record["by"].as_str().unwrap().starts_with("uid "), "{record}");
    let head = world.good(&["audit", "head"]);
    world.good(&["renew-intermediate"]);
    world.good(&["audit", "rotate"]);
    world.good(&["renew-intermediate"]);
    let (code, said) = world.verify(&["--head", head.trim()]);
    assert_eq!((code, &said["last"]), (0, &8.into()), "{said}");
    assert!(world.good(&["audit", "verify"]).contains("records 1 to 8, one chain"));
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
    let closed = world.path().join("authority/private/history.jsonl.6");
    std::fs::rename(&closed, world.path().join("elsewhere")).unwrap();
    // The database knows the head of what is missing.
    let (code, said) = world.verify(&["--without-database"]);
    assert!(code == 1 && said["why"].as_str().unwrap().contains("begins with record 7"), "{said}");
}

#[test]
fn what_is_issued_and_revoked_stands_in_it_and_is_refused_where_it_cannot() {
    let world = World::new();
    world.wicketgate(&["account", "add", "ann", "--email", "ann@example.org"]);
    world.good(&["issue", "ann", "--out", "ann.p12"]);
    world.good(&["revoke", "--account", "ann", "--reason", "keyCompromise"]);
    let (code, said) = world.verify(&[]);
    assert_eq!((code, &said["last"], &said["confirmed"]), (0, &6.into(), &3.into()), "{said}");
    let records: Vec<Value> = world.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&records[4]["act"], &records[5]["act"]), (&"issue".into(), &"revoke".into()));
    assert_eq!((&records[4]["account"], &records[4]["profile"]), (&"ann".into(), &"client".into()));
    assert_eq!(records[5]["reason"], "keyCompromise");
    assert_eq!(records[4]["serial"], records[5]["serial"]);
    let listed = world.good(&["list", "--json"]);
    assert!(listed.contains(records[4]["serial"].as_str().unwrap()), "{listed}");
    // Without it nothing is issued or revoked.
    std::fs::rename(world.file(), world.path().join("elsewhere")).unwrap();
    for words in [&["issue", "ann", "--out", "other.p12"][..], &["revoke", "--account", "ann"]] {
        let output = world.ca(words);
        assert!(!output.status.success(), "{words:?}");
    }
    assert!(!world.path().join("other.p12").exists());
    assert_eq!(world.good(&["list", "--json"]), listed, "nothing has changed");
}

/// What the history says that was done since a line: acts, and how often each.
fn acts(world: &World, from: usize) -> BTreeMap<String, usize> {
    let mut acts = BTreeMap::new();
    for line in world.lines().iter().skip(from) {
        let record: Value = serde_json::from_str(line).unwrap();
        *acts.entry(record["act"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    acts
}

#[test]
fn every_act_is_a_record_and_every_record_that_is_tampered_with_shows() {
    let world = World::new();
    let (ca, wicketgate) = (
        |words: &str| world.good(&words.split(' ').collect::<Vec<_>>()),
        |words: &str| {
            world.wicketgate(&words.split(' ').collect::<Vec<_>>());
        },
    );
    for name in ["ann", "ben", "carla"] {
        wicketgate(&format!("account add {name} --email {name}@example.org"));
    }
    let request =
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout c.key -out c.csr -subj /CN=carla";
    let made = Command::new("openssl").args(request.split(' ')).current_dir(world.path()).output().unwrap();
    assert!(made.status.success());
    let mut before = world.lines().len();
    for (act, expected) in [
        ("issue ann --out ann.p12", &[("issue", 1)][..]),
        ("sign carla --csr c.csr --out c.pem", &[("issue", 1)]),
        ("issue --all --out out", &[("issue", 3)]),
        ("renew --account ann --out renewed.p12", &[("renew", 1)]),
        ("revoke --account ann --hold", &[("revoke", 3)]),
        ("revoke --account ann --unhold", &[("release", 3)]),
        ("revoke c.pem --reason keyCompromise", &[("revoke", 1)]),
        ("crl --delta --out list.crl", &[("sign_list", 2)]),
        ("crl --root --out root.crl", &[("sign_list", 1)]),
        ("export --root-key --output root.key", &[("export_root_key", 1)]),
        ("renew-intermediate --root-key root.key", &[("renew_intermediate", 1)]),
        ("audit rotate", &[("continue", 1)]),
    ] {
        ca(act);
        if act == "audit rotate" {
            before = 0;
        }
        let expected = expected.iter().map(|(act, times)| ((*act).to_owned(), *times)).collect();
        assert_eq!(acts(&world, before), expected, "{act}");
        before = world.lines().len();
    }
    // An account that is removed loses its certificates, and that is told as well.
    wicketgate("account remove ben");
    assert_eq!(acts(&world, before), [("revoke".to_owned(), 1)].into());
    let last: Value = serde_json::from_str(world.lines().last().unwrap()).unwrap();
    assert_eq!((&last["account"], &last["reason"]), (&"ben".into(), &"cessationOfOperation".into()));
    // A list that is published can be told from one that somebody else has signed.
    ca("crl --out newest.crl");
    let last: Value = serde_json::from_str(world.lines().last().unwrap()).unwrap();
    let hash = Command::new("sha256sum").arg(world.path().join("newest.crl")).output().unwrap();
    assert!(text(&hash.stdout).starts_with(last["fingerprint"].as_str().unwrap()), "{last}");
    assert_eq!(world.verify(&[]).0, 0);

    // Whatever is done to the file from then on shows.
    for _ in 0..3 {
        ca("crl --out newest.crl");
    }
    let intact = world.lines();
    let mut tampered: Vec<(String, Vec<String>)> = Vec::new();
    for at in 0..intact.len() {
        let without = intact.iter().enumerate().filter(|(line, _)| *line != at).map(|(_, line)| line.clone());
        tampered.push((format!("line {at} removed"), without.collect()));
        tampered.push((format!("cut off before line {at}"), intact[..at].to_vec()));
        let mut changed = intact.clone();
        changed[at] = changed[at].replacen("uid ", "uid 7", 1);
        tampered.push((format!("line {at} changed"), changed));
        let mut twice = intact.clone();
        twice.insert(at, intact[at].clone());
        tampered.push((format!("line {at} twice"), twice));
        if at > 0 {
            let mut swapped = intact.clone();
            swapped.swap(at - 1, at);
            tampered.push((format!("line {at} moved"), swapped));
        }
    }
    for (what, lines) in tampered {
        world.put(&lines);
        assert_eq!(world.ca(&["audit", "verify"]).status.code(), Some(1), "{what}");
    }
    world.put(&intact);
    assert_eq!(world.verify(&[]).0, 0);
}

#[test]
fn an_authority_that_runs_records_its_lists_and_signers_and_what_est_asks_for() {
    let upstream = common::upstream::Upstream::start();
    let gate = common::setup::Setup::before(&upstream).with_authority("users: [root], est: {}").start();
    let folder = gate.folder();
    common::pki::write_private(&folder.join("password"), "password\n");
    gate.wicketgate(&["account", "password", "alice", "--file", folder.join("password").to_str().unwrap()]);
    let authority = common::authority::Authority::beside(&gate);
    let records = || -> Vec<Value> {
        let text = std::fs::read_to_string(folder.join("authority/private/history.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let first = |act: &str| records().into_iter().find(|record| record["act"] == act);
    let signer = common::eventually("an OCSP signer", || first("delegate_ocsp"));
    let list = common::eventually("a list", || first("sign_list"));
    assert!(list["number"].as_u64().unwrap() >= 1 && list["fingerprint"].is_string(), "{list}");
    // The signer is on record as every certificate is.
    let shown = gate.wicketgate(&["ca", "show", signer["serial"].as_str().unwrap(), "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["profile"], &shown["account"]), (&"ocsp".into(), &Value::Null), "{shown}");
    let listed = gate.wicketgate(&["ca", "list"]);
    assert!(listed.contains(" ocsp ") && listed.contains(" intermediate "), "{listed}");
    assert!(!gate.wicketgate(&["ca", "list", "--expiring", "30d"]).contains(" ocsp "), "it is replaced by itself");
    let pem = gate.wicketgate(&["ca", "show", signer["serial"].as_str().unwrap(), "--pem"]);
    std::fs::write(folder.join("signer.pem"), pem).unwrap();
    let said = common::authority::shell(folder, "openssl x509 -in signer.pem -noout -ext extendedKeyUsage");
    assert!(said.contains("OCSP Signing"), "{said}");

    common::authority::request(folder, "asked", "-subj /CN=alice");
    let body = format!("@{}", folder.join("asked.b64").display());
    let media_type = "Content-Type: application/pkcs10";
    let options = ["--user", "alice:password", "-H", media_type, "--data-binary", &body];
    let enrolled = gate.curl("/.well-known/est/simpleenroll", &options);
    assert_eq!(enrolled.status, 200, "{enrolled:?}");
    let told = records().into_iter().find(|record| record["account"] == "alice").unwrap();
    assert_eq!(told["act"], "issue");
    assert!(told["by"].as_str().unwrap().contains("alice"), "{told}");
    assert_eq!(authority.stop(), Some(0));
    gate.wicketgate(&["ca", "audit", "verify"]);
}

#[test]
fn who_writes_the_database_cannot_make_a_revocation_or_a_certificate_be_forgotten_unseen() {
    let world = World::new();
    for name in ["ann", "ben"] {
        world.wicketgate(&["account", "add", name, "--email", &format!("{name}@example.org")]);
        world.good(&["issue", name, "--out", &format!("{name}.p12")]);
    }
    world.good(&["revoke", "--account", "ann", "--reason", "keyCompromise"]);
    assert!(world.good(&["audit", "compare"]).contains("the register says the same of 2 certificates"));
    let database = rusqlite::Connection::open(world.path().join("accounts.db")).unwrap();
    let compared = || {
        let output = world.ca(&["audit", "compare", "--json"]);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), said["differences"].clone())
    };
    database
        .execute_batch("DELETE FROM revocations; UPDATE certificates SET revoked_at = NULL, reason = NULL")
        .unwrap();
    let (code, said) = compared();
    assert_eq!((code, said.as_array().unwrap().len()), (1, 1), "{said}");
    assert_eq!(said[0]["what"], "it was revoked, and counts again");
    world.good(&["revoke", "--account", "ann", "--reason", "keyCompromise"]);
    assert_eq!(compared().0, 0);
    database
        .execute_batch("DELETE FROM certificate_contents; DELETE FROM certificates WHERE username = 'ben'")
        .unwrap();
    let (code, said) = compared();
    assert_eq!((code, &said[0]["what"]), (1, &"it was issued, and is not on record".into()), "{said}");
    // A history that is not sound says nothing.
    world.put(&world.lines()[..3]);
    assert_eq!(world.ca(&["audit", "compare"]).status.code(), Some(1));
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
    assert_eq!(said["other_histories"][0]["last"], 4);
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
