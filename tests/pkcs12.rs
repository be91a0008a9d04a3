//! A PKCS#12 file that was made here, in either form and under a password that was drawn or chosen, is imported by
//! other people's programs, and who imports it gets in: Chromium, Firefox, curl, OpenSSL, GnuTLS and Java.
#![cfg(test)]

mod common;

use common::browser::Browser;
use common::firefox::Firefox;
use common::gate::Gate;
use common::setup::Setup;
use common::upstream::Upstream;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use wicketgate::base::clock::Timestamp;
use wicketgate::base::hex;
use wicketgate::base::secret::Secret;
use wicketgate::ca::files::{Access, write};
use wicketgate::ca::issue::{Authority, Issued};
use wicketgate::ca::key::SoftwareKey;
use wicketgate::ca::password::{self, Password};
use wicketgate::ca::pem;
use wicketgate::ca::pkcs12::{self, Contents, Form};
use wicketgate::ca::profile::{AlternativeName, Profile, Subject, Validity};

const FORMS: [Form; 2] = [Form::Modern, Form::Legacy];

/// An authority of two levels, and one person's certificate.
struct Made {
    root: Authority,
    intermediate: Authority,
    alice: Issued,
}

/// A file, and the password that it opens with.
struct Packed {
    folder: tempfile::TempDir,
    form: Form,
    password: String,
}

fn subject(common_name: &str, names: Vec<AlternativeName>) -> Subject {
    Subject { common_name: common_name.into(), organization: None, names }
}

/// From now on, for so many days: nobody's certificate outlives its issuer's, though the clock goes on.
fn validity(days: u64) -> Validity {
    Validity::starting(Timestamp::now(), Duration::from_secs(days * 86_400))
}

impl Made {
    fn new() -> Self {
        let key = || Box::new(SoftwareKey::generate().unwrap());
        let root = Authority::root(key(), &subject("Root", vec![]), validity(3)).unwrap();
        let intermediate = root.intermediate(key(), &subject("Intermediate", vec![]), 0, validity(2)).unwrap();
        let names = vec![AlternativeName::Email("alice@example.org".into())];
        let alice = intermediate.issue(&Profile::client(), &subject("Alice Ångström", names), validity(1)).unwrap();
        Self { root, intermediate, alice }
    }

    fn pack(&self, form: Form, password: &Password) -> Packed {
        let certificates = self.alice.whole_chain();
        let contents = Contents { friendly_name: "Alice", key: &self.alice.key, certificates: &certificates };
        let folder = tempfile::tempdir().unwrap();
        let octets = pkcs12::pack(contents, password, form).unwrap();
        write(&folder.path().join("alice.p12"), &octets, Access::Private).unwrap();
        let password = password.secret().expose_str().unwrap().to_owned();
        Packed { folder, form, password }
    }

    /// In both forms, each with a password that was drawn and one that was chosen.
    fn all(&self) -> Vec<Packed> {
        let pack = |form| {
            let chosen = Password::chosen(Secret::from("chosen by somebody")).unwrap();
            [self.pack(form, &password::generate().unwrap()), self.pack(form, &chosen)]
        };
        FORMS.into_iter().flat_map(pack).collect()
    }

    /// A gate that lets in whom this authority has certified.
    fn gate(&self, upstream: &Upstream) -> Gate {
        let ours = pem::certificates(std::slice::from_ref(self.root.certificate())).unwrap();
        Setup::before(upstream)
            .file("ours.pem", &ours)
            .section("trust", "{ staff: { authorities: [ours.pem] } }")
            .start()
    }
}

impl Packed {
    fn file(&self) -> PathBuf {
        self.folder.path().join("alice.p12")
    }

    /// A program that reads the file. OpenSSL 3 knows the old algorithms only if it is told to load them.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        if self.form == Form::Legacy {
            command.env("OPENSSL_CONF", self.legacy_provider());
        }
        command
    }

    fn legacy_provider(&self) -> PathBuf {
        let path = self.folder.path().join("openssl.cnf");
        let text =
            "openssl_conf = init\n[init]\nproviders = both\n[both]\ndefault = on\nlegacy = on\n[on]\nactivate = 1\n";
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// An application that greets whoever the gate says is there.
fn greeting() -> Upstream {
    Upstream::answering(|exchange| {
        let user = exchange.request.header("remote-user").unwrap_or_default();
        let page = format!("<!doctype html><title>Mail</title><p id=user>Welcome, {user}</p>");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", page.len());
        exchange.send(head + &page);
    })
}

/// Who the gate said was there when a browser of this kind asked for the path.
#[track_caller]
fn user_of(upstream: &Upstream, path: &str, agent: &str) -> Option<String> {
    let seen = upstream.requests().into_iter().find(|seen| seen.target() == path).unwrap();
    assert!(seen.header("user-agent").is_some_and(|name| name.contains(agent)), "{}", seen.head);
    seen.header("remote-user")
}

#[test]
fn who_imports_either_form_into_firefox_gets_in() {
    let (upstream, made) = (greeting(), Made::new());
    let gate = made.gate(&upstream);
    for packed in made.all() {
        let firefox = Firefox::new(&gate);
        let listed = firefox.import(&packed.file(), &packed.password);
        let alice = listed.lines().find(|line| line.contains("Alice")).unwrap_or_else(|| panic!("{listed}"));
        assert!(alice.trim_end().ends_with("u,u,u"), "the key is missing: {listed}");
        let path = format!("/{:?}/{}", packed.form, packed.password.len());
        firefox.open(&gate, &path);
        assert_eq!(user_of(&upstream, &path, "Firefox").as_deref(), Some("alice"));
    }
}

#[test]
fn who_imports_either_form_into_chromium_gets_in() {
    let (upstream, made) = (greeting(), Made::new());
    let gate = made.gate(&upstream);
    for form in FORMS {
        let packed = made.pack(form, &password::generate().unwrap());
        let browser = Browser::new(&gate);
        browser.import_file(&packed.file(), &packed.password);
        let path = format!("/{form:?}");
        let page = browser.open(&gate, &path);
        assert!(page.contains("Welcome, alice"), "{page}");
        assert_eq!(user_of(&upstream, &path, "Chrome").as_deref(), Some("alice"));
    }
}

#[test]
fn curl_gets_in_with_the_file_as_it_is() {
    let (upstream, made) = (greeting(), Made::new());
    let gate = made.gate(&upstream);
    for packed in made.all() {
        let port = gate.address.port();
        let mut curl = packed.program("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "30", "--cacert"]);
        curl.arg(gate.folder().join("ca.pem"));
        curl.args(["--resolve", &format!("gate.example.org:{port}:{}", gate.address.ip())]);
        curl.args(["--cert-type", "P12", "--cert", &format!("{}:{}", packed.file().display(), packed.password)]);
        let output = curl.arg(format!("https://gate.example.org:{port}/")).output().unwrap();
        assert!(text(&output).contains("Welcome, alice"), "{:?}: {}", packed.form, text(&output));
    }
}

#[test]
fn openssl_finds_key_and_chain_as_costly_to_guess_as_the_password_needs() {
    let made = Made::new();
    for (packed, rounds) in made.all().iter().zip([1_000, 100_000, 1_000, 100_000]) {
        let legacy = if packed.form == Form::Legacy { &["-legacy"][..] } else { &[] };
        let mut openssl = Command::new("openssl");
        openssl.args(["pkcs12", "-nodes", "-info", "-passin", &format!("pass:{}", packed.password), "-in"]);
        let output = openssl.arg(packed.file()).args(legacy).output().unwrap();
        let shown = text(&output);
        let algorithm = match packed.form {
            Form::Modern => format!("PBES2, PBKDF2, AES-256-CBC, Iteration {rounds}, PRF hmacWithSHA256"),
            Form::Legacy => format!("pbeWithSHA1And3-KeyTripleDES-CBC, Iteration {rounds}"),
        };
        let mac = match packed.form {
            Form::Modern => format!("MAC: sha256, Iteration {rounds}"),
            Form::Legacy => format!("MAC: sha1, Iteration {rounds}"),
        };
        // Key and certificates are encrypted alike.
        assert_eq!(shown.matches(&algorithm).count(), 2, "{shown}");
        assert!(shown.contains(&mac), "{shown}");
        assert!(shown.contains("friendlyName: Alice"), "{shown}");
        assert_eq!(shown.matches("-----BEGIN CERTIFICATE-----").count(), 2, "{shown}");
        let ids: Vec<&str> = shown.lines().filter(|line| line.trim().starts_with("localKeyID:")).collect();
        assert_eq!(ids.len(), 2, "{shown}");
        assert_eq!(ids[0], ids[1], "the key is not tied to its certificate");
    }
}

#[test]
fn certtool_reads_both_forms() {
    let made = Made::new();
    for packed in made.all() {
        let mut certtool = Command::new("certtool");
        certtool.args(["--p12-info", "--inder", "--password", &packed.password, "--infile"]);
        let output = certtool.arg(packed.file()).output().unwrap();
        let shown = text(&output);
        assert!(output.status.success(), "{shown}");
        assert_eq!(shown.matches("-----BEGIN CERTIFICATE-----").count(), 2, "{shown}");
        assert!(shown.contains("Friendly name: Alice"), "{shown}");
        let wrong = Command::new("certtool")
            .args(["--p12-info", "--inder", "--password", "another one", "--infile"])
            .arg(packed.file())
            .output()
            .unwrap();
        assert!(!wrong.status.success(), "{}", text(&wrong));
    }
}

#[test]
fn keytool_finds_a_private_key_with_its_chain_in_both_forms() {
    let made = Made::new();
    let sha256 = |der: &[u8]| {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        let octets: Vec<String> = hash.as_ref().iter().map(|octet| format!("{octet:02X}")).collect();
        octets.join(":")
    };
    for packed in made.all() {
        let mut keytool = Command::new("keytool");
        keytool.args(["-list", "-v", "-storetype", "PKCS12", "-storepass", &packed.password, "-keystore"]);
        let output = keytool.arg(packed.file()).env("LC_ALL", "C.UTF-8").output().unwrap();
        let shown = text(&output);
        assert!(output.status.success(), "{shown}");
        assert!(shown.contains("Alias name: alice"), "{shown}");
        assert!(shown.contains("Entry type: PrivateKeyEntry"), "{shown}");
        assert!(shown.contains("Certificate chain length: 2"), "{shown}");
        for certificate in [&made.alice.certificate, made.intermediate.certificate()] {
            assert!(shown.contains(&sha256(certificate)), "{} is missing: {shown}", hex::encode(certificate));
        }
    }
}

#[test]
fn a_password_of_other_letters_opens_the_file_everywhere() {
    let made = Made::new();
    let chosen = Password::chosen(Secret::from("Ångström ключ")).unwrap();
    for form in FORMS {
        let packed = made.pack(form, &chosen);
        let readers: [(&str, Vec<&str>); 2] = [
            ("openssl", vec!["pkcs12", "-noout", "-passin", "pass:Ångström ключ", "-in"]),
            ("certtool", vec!["--p12-info", "--inder", "--password", "Ångström ключ", "--infile"]),
        ];
        for (program, options) in readers {
            let mut reader = packed.program(program);
            let output = reader.args(options).arg(packed.file()).env("LC_ALL", "C.UTF-8").output().unwrap();
            assert!(output.status.success(), "{program}, {form:?}: {}", text(&output));
        }
        let database = packed.folder.path().join("nss");
        std::fs::create_dir(&database).unwrap();
        let database = format!("sql:{}", database.display());
        for (tool, options) in
            [("certutil", vec!["-N", "--empty-password"]), ("pk12util", vec!["-W", "Ångström ключ", "-i"])]
        {
            let mut command = Command::new(tool);
            let file = (tool == "pk12util").then(|| packed.file());
            let output = command.args(options).args(file).args(["-d", &database]).output().unwrap();
            assert!(output.status.success(), "{tool}, {form:?}: {}", text(&output));
        }
    }
}

/// What measures has the machine for itself.
static ALONE: Mutex<()> = Mutex::new(());

/// Keys, certificates and files for this many people on two cores.
#[test]
#[ignore = "make prove: it measures"]
fn five_hundred_people_a_second_get_a_key_a_certificate_and_a_file() {
    const PEOPLE: u32 = 4_000;
    let _alone = ALONE.lock();
    let made = Made::new();
    let one = |number: u32| {
        let names = vec![AlternativeName::Email(format!("person{number}@example.org"))];
        let issued = made.intermediate.issue(&Profile::client(), &subject("Person", names), validity(1)).unwrap();
        let certificates = issued.whole_chain();
        let contents = Contents { friendly_name: "Person", key: &issued.key, certificates: &certificates };
        pkcs12::pack(contents, &password::generate().unwrap(), Form::Modern).unwrap().len()
    };
    let began = Instant::now();
    let octets: usize = std::thread::scope(|scope| {
        let halves = [0, PEOPLE / 2].map(|from| scope.spawn(move || (from..from + PEOPLE / 2).map(one).sum::<usize>()));
        halves.into_iter().map(|half| half.join().unwrap()).sum()
    });
    let each_second = f64::from(PEOPLE) / began.elapsed().as_secs_f64();
    println!("keys, certificates and PKCS#12 files each second on two cores: {each_second:.0} ({octets} octets)");
    assert!(each_second >= 500.0, "{each_second:.0} a second");
}

/// Where the time for one file goes.
#[test]
#[ignore = "make prove: it measures"]
fn what_a_file_costs() {
    let _alone = ALONE.lock();
    let made = Made::new();
    let chosen = Password::chosen(Secret::from("chosen by somebody")).unwrap();
    for (what, password, times) in [("drawn", password::generate().unwrap(), 200), ("chosen", chosen, 5)] {
        for form in FORMS {
            let certificates = made.alice.whole_chain();
            let contents = Contents { friendly_name: "Alice", key: &made.alice.key, certificates: &certificates };
            let began = Instant::now();
            for _ in 0..times {
                pkcs12::pack(contents, &password, form).unwrap();
            }
            println!("{form:?} with a password that was {what}: {:?} a file", began.elapsed() / times);
        }
    }
}
