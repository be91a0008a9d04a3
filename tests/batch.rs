//! Certificates for many accounts at once: a batch that is killed again and again loses nothing and does nothing twice,
//! two do not fill one folder, and how many a second it makes.
#![cfg(test)]

mod common;

use comfy_table::Table;
use common::mariadb::{MariaDb, PASSWORD};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A folder with an authority and many accounts.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(accounts: usize, store: &str) -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        let configuration = format!(
            "listeners:\n  - {{ name: one, address: '127.0.0.1:9443', client_certificate: want, trust: staff, \
             tls: {{ certificates: [{{ chain: s.pem, key: s.key }}] }} }}\n\
             trust: {{ staff: {{ authorities: [authority/root.pem] }} }}\nidentity: [{{ from: san.email }}]\n\
             routes: [{{ path: /, upstream: app }}]\nupstreams: {{ app: {{ servers: ['http://127.0.0.1:8080'] }} }}\n\
             accounts: {store}\n\
             authority: {{ directory: authority, passphrase: {{ env: PASSPHRASE }} }}\n"
        );
        std::fs::write(bench.path("wicketgate.yaml"), configuration).unwrap();
        let mut csv = "username,email\n".to_owned();
        for number in 0..accounts {
            writeln!(csv, "p{number},p{number}@example.org").unwrap();
        }
        std::fs::write(bench.path("accounts.csv"), csv).unwrap();
        if store.contains("mysql") {
            std::fs::write(bench.path("db.password"), PASSWORD).unwrap();
            bench.run("db init");
        }
        bench.run("ca init --name Example");
        bench.run("account import accounts.csv");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
        command.current_dir(self.folder.path()).args(words.split(' ')).args(["-c", "wicketgate.yaml"]);
        command.env("PASSPHRASE", "correct horse battery").stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn run(&self, words: &str) -> String {
        let output = self.command(words).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    fn start(&self, words: &str) -> Child {
        self.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Requests of so many accounts, each with a key of its own, in the folder `requests`.
    fn write_requests(&self, count: usize) {
        std::fs::create_dir(self.path("requests")).unwrap();
        for number in 0..count {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            let request = params.serialize_request(&key).unwrap();
            std::fs::write(self.path("requests").join(format!("p{number}.csr")), request.der()).unwrap();
        }
    }

    /// The lines of a report: serial numbers by accounts.
    fn reported(&self, folder: &str) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.path(folder).join("report.csv")).unwrap();
        let mut found = BTreeMap::new();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            assert!(found.insert(fields[0].to_owned(), fields[2].to_owned()).is_none(), "{line} stands there twice");
        }
        found
    }

    /// Serial numbers by accounts, as the register has them.
    fn on_record(&self) -> Vec<(String, String)> {
        let listed: serde_json::Value = serde_json::from_str(&self.run("ca list --json")).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let mut found: Vec<_> =
            listed.as_array().unwrap().iter().map(|one| (text(&one["account"]), text(&one["serial"]))).collect();
        found.sort();
        found
    }
}

fn files(folder: &Path, ending: &str) -> BTreeSet<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect()
}

/// Waits until something is so, or the process has ended.
fn until(child: &mut Child, so: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(120) {
        if so() {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("nothing happens");
}

#[test]
fn a_batch_that_is_killed_again_and_again_loses_nothing_and_does_nothing_twice() {
    const ACCOUNTS: usize = 1100;
    let bench = Bench::new(ACCOUNTS, "{ sqlite: { path: wicketgate.db } }");
    let work = bench.path("out/.batch");
    let has_part = || {
        let entries = std::fs::read_dir(&work).into_iter().flatten();
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("part-"))
    };
    let count = || files_or_none(&bench.path("out"), ".p12");
    let mut kills = 0;
    // When a part is staged, when the first of its files lies there, and at any time.
    for round in 0..6 {
        let mut child = bench.start("ca issue --all --out out");
        let before = count();
        let running = match round % 3 {
            0 => until(&mut child, has_part),
            1 => until(&mut child, || count() > before),
            _ => {
                until(&mut child, || has_part() && count() > before) && {
                    std::thread::sleep(Duration::from_millis(7 * round));
                    true
                }
            }
        };
        if !running {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills >= 2, "it was not killed often enough to show anything: {kills}");
    bench.run("ca issue --all --out out");
    let reported = bench.reported("out");
    assert_eq!(reported.len(), ACCOUNTS);
    assert_eq!(
        bench.on_record(),
        reported.clone().into_iter().collect::<Vec<_>>(),
        "the register has what was reported"
    );
    assert_eq!(files(&bench.path("out"), ".p12"), reported.keys().cloned().collect(), "and the folder, too");
    assert_eq!(files(&work, "").into_iter().filter(|name| name.starts_with("part-")).count(), 0);
    // Each file is the one that the report speaks of.
    let line = std::fs::read_to_string(bench.path("out/report.csv")).unwrap();
    let line = line.lines().last().unwrap().to_owned();
    let fields: Vec<&str> = line.split(',').collect();
    let shown = Command::new("openssl")
        .current_dir(bench.path("out"))
        .args(["pkcs12", "-in", fields[1], "-passin", &format!("pass:{}", fields[4]), "-nokeys", "-clcerts"])
        .output()
        .unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    std::fs::write(bench.path("leaf.pem"), shown.stdout).unwrap();
    assert!(bench.run("ca show leaf.pem").contains(fields[2]));
}

fn files_or_none(folder: &Path, ending: &str) -> usize {
    if folder.exists() { files(folder, ending).len() } else { 0 }
}

#[test]
fn two_do_not_fill_one_folder_and_a_damaged_part_stops_it() {
    let bench = Bench::new(300, "{ sqlite: { path: wicketgate.db } }");
    bench.run("ca issue --all --out out");
    let lock = std::fs::File::open(bench.path("out/.batch/lock")).unwrap();
    lock.lock().unwrap();
    let refused = bench.command("ca issue --all --out out").output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another process is filling"));
    lock.unlock().unwrap();
    std::fs::write(bench.path("out/.batch/part-9"), "{}\n").unwrap();
    let refused = bench.command("ca issue --all --out out").output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is damaged"), "{refused:?}");
    std::fs::remove_file(bench.path("out/.batch/part-9")).unwrap();
    // What somebody put in the place of a file is not written over.
    make_folder(&bench.path("other"), 0o700);
    std::fs::write(bench.path("other/p7.p12"), "mine").unwrap();
    let refused = bench.command("ca issue --all --out other").output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is there already"), "{refused:?}");
    std::fs::remove_file(bench.path("other/p7.p12")).unwrap();
    bench.run("ca issue --all --out other");
    assert_eq!(bench.on_record().len(), 600, "and nobody has got two by that");
}

fn make_folder(path: &Path, mode: u32) {
    std::fs::create_dir(path).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_folder_that_others_may_write_in_gets_no_passwords() {
    let bench = Bench::new(2, "{ sqlite: { path: wicketgate.db } }");
    make_folder(&bench.path("shared"), 0o777);
    make_folder(&bench.path("own"), 0o700);
    std::os::unix::fs::symlink("own", bench.path("link")).unwrap();
    for folder in ["shared", "link", "link/"] {
        let refused = bench.command(&format!("ca issue --all --out {folder}")).output().unwrap();
        assert!(!refused.status.success(), "{folder}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("is not yours alone"), "{folder}: {refused:?}");
    }
    assert!(bench.on_record().is_empty(), "and nobody has got one");
    bench.run("ca issue --all --out own");
    assert_eq!(bench.reported("own").len(), 2);
}

#[test]
fn requests_that_are_no_plain_files_or_have_no_end_are_refused_and_hold_nobody_up() {
    let bench = Bench::new(6, "{ sqlite: { path: wicketgate.db } }");
    bench.write_requests(3);
    let requests = bench.path("requests");
    assert!(Command::new("mkfifo").arg(requests.join("p3.csr")).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", requests.join("p4.csr")).unwrap();
    let sparse = std::fs::File::create(requests.join("p5.csr")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    // A link to a plain file is one.
    std::fs::rename(requests.join("p2.csr"), bench.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", requests.join("p2.csr")).unwrap();
    bench.command("ca sign --requests requests --out signed").output().unwrap();
    assert_eq!(bench.reported("signed").into_keys().collect::<Vec<_>>(), ["p0", "p1", "p2"]);
    let refused = std::fs::read_to_string(bench.path("signed/refused.csv")).unwrap();
    for (username, why) in [("p3", "no plain file"), ("p4", "no plain file"), ("p5", "")] {
        let is_said = refused.lines().any(|line| line.starts_with(&format!("{username},")) && line.contains(why));
        assert!(is_said, "{username}: {refused}");
    }
}

/// A number below another, whichever.
fn any_below(bound: u16) -> usize {
    let mut octets = [0; 2];
    aws_lc_rs::rand::fill(&mut octets).unwrap();
    usize::from(u16::from_be_bytes(octets) % bound)
}

/// The serial numbers of certificates that the history says were issued to somebody.
fn told(bench: &Bench) -> BTreeSet<String> {
    let text = std::fs::read_to_string(bench.path("authority/private/history.jsonl")).unwrap();
    let records = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let issued = records.filter(|record| record["act"] == "issue" && record["account"].is_string());
    issued.map(|record| record["serial"].as_str().unwrap().to_owned()).collect()
}

/// The serial number in a file of a folder.
fn serial_in(folder: &Path, file: &str, password: &str) -> String {
    use wicketgate::base::secret::Secret;
    let octets = std::fs::read(folder.join(file)).unwrap();
    let leaf = if file.ends_with(".p12") {
        wicketgate::ca::pkcs12::open(&octets, &Secret::from(password)).unwrap().certificates.swap_remove(0)
    } else {
        rustls_pki_types::CertificateDer::from(pem_body(&octets))
    };
    let facts = wicketgate::certificate::facts::parse(&leaf).unwrap();
    wicketgate::base::hex::encode(&facts.serial)
}

/// The octets of the first certificate in a PEM file.
fn pem_body(text: &[u8]) -> Vec<u8> {
    use base64::Engine;
    let text = String::from_utf8(text.to_vec()).unwrap();
    let body: String = text.lines().skip(1).take_while(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

#[test]
#[ignore = "make prove: ten thousand certificates, killed at random moments"]
fn ten_thousand_that_are_killed_at_random_moments_are_none_lost_and_none_twice() {
    const COUNT: usize = 10_000;
    let mut table = Table::new();
    table.set_header(["what", "store", "certificates", "kills", "seconds", "lost", "twice", "gaps"]);
    let server = MariaDb::start();
    for store in ["{ sqlite: { path: wicketgate.db } }".to_owned(), format!("{{ mysql: {} }}", server.configuration())]
    {
        let name = if store.contains("sqlite") { "SQLite" } else { "MariaDB" };
        let bench = Bench::new(COUNT, &store);
        bench.write_requests(COUNT);
        let mut expected = BTreeSet::new();
        for (what, words, folder, ending) in [
            ("keys made here, PKCS#12", "ca issue --all --out files", "files", ".p12"),
            ("requests", "ca sign --requests requests --out signed", "signed", ".pem"),
        ] {
            let start = Instant::now();
            let mut kills = 0;
            // SIGKILL, each time after as many files as it happens to be and a moment more, until it is through.
            loop {
                let count = || files_or_none(&bench.path(folder), ending);
                let enough = count() + any_below(1500);
                let mut child = bench.start(words);
                if !until(&mut child, || count() >= enough) {
                    assert!(child.wait().unwrap().success());
                    break;
                }
                std::thread::sleep(Duration::from_millis(any_below(400) as u64));
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
            }
            let seconds = start.elapsed().as_secs_f64();
            assert!(kills >= 3, "it was not killed often enough to show anything: {kills}");
            let reported = bench.reported(folder);
            let accounts: BTreeSet<String> = (0..COUNT).map(|number| format!("p{number}")).collect();
            assert_eq!(reported.keys().cloned().collect::<BTreeSet<_>>(), accounts, "nobody is lost");
            assert_eq!(files(&bench.path(folder), ending), accounts, "each has a file, and there is no other");
            expected.extend(reported);
            let on_record = bench.on_record();
            assert_eq!(on_record, expected.iter().cloned().collect::<Vec<_>>(), "nobody has two of either kind");
            // The history has been told of each of them, and of no other.
            assert_eq!(told(&bench), on_record.iter().map(|(_, serial)| serial.clone()).collect());
            let report = std::fs::read_to_string(bench.path(folder).join("report.csv")).unwrap();
            for line in report.lines().skip(1).step_by(if ending == ".p12" { 97 } else { 1 }) {
                let fields: Vec<&str> = line.split(',').collect();
                let password = fields.get(4).copied().unwrap_or_default();
                assert_eq!(serial_in(&bench.path(folder), fields[1], password), fields[2], "{line}");
            }
            let left = files(&bench.path(folder).join(".batch"), "");
            assert!(left.iter().all(|name| !name.starts_with("part-")), "{left:?}");
            let (count, kills) = (COUNT.to_string(), kills.to_string());
            table.add_row([what, name, &count, &kills, &format!("{seconds:.0}"), "0", "0", "0"]);
        }
        let verified = bench.run("ca audit verify");
        assert!(verified.contains("one chain"), "{verified}");
    }
    println!("{table}");
}

#[test]
#[ignore = "make prove: ten thousand certificates, in two ways and in two stores"]
fn how_many_certificates_a_second_are_issued() {
    const COUNT: usize = 10_000;
    let mut table = Table::new();
    table.set_header(["what", "store", "certificates", "seconds", "a second"]);
    // Nothing is deleted before the end: ext4 searches long for a place for a new file where many have just gone.
    let mut benches = Vec::new();
    let mut measure = |what: &str, name: &str, store: &str, words| {
        let bench = Bench::new(COUNT, store);
        bench.write_requests(COUNT);
        // What was written before is not for the batch to wait for.
        rustix::fs::sync();
        let start = Instant::now();
        bench.run(words);
        let seconds = start.elapsed().as_secs_f64();
        let rate = COUNT as f64 / seconds;
        table.add_row([what, name, &COUNT.to_string(), &format!("{seconds:.2}"), &format!("{rate:.0}")]);
        assert_eq!((bench.reported("out").len(), bench.on_record().len()), (COUNT, COUNT));
        benches.push(bench);
    };
    for (what, words) in
        [("keys made here, PKCS#12", "ca issue --all --out out"), ("requests", "ca sign --requests requests --out out")]
    {
        measure(what, "SQLite", "{ sqlite: { path: wicketgate.db } }", words);
        let server = MariaDb::start();
        measure(what, "MariaDB", &format!("{{ mysql: {} }}", server.configuration()), words);
    }
    println!("{table}");
}
