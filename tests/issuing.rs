//! What an administrator types to issue, look up, renew and revoke certificates, and what comes of it: files that
//! OpenSSL reads, a register that knows them all, and refusals that say what to do.
#![cfg(test)]

mod common;

use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const CONFIGURATION: &str = r#"
listeners:
  - { name: one, address: "127.0.0.1:9443", client_certificate: want, trust: staff, tls: { certificates: [{ chain: s.pem, key: s.key }] } }
trust: { staff: { authorities: [authority/root.pem] } }
identity: [{ from: san.email }]
routes: [{ path: /, upstream: app }]
upstreams: { app: { servers: ["http://127.0.0.1:8080"] } }
accounts: { sqlite: { path: wicketgate.db } }
authority:
  directory: authority
  passphrase: { file: passphrase }
  one_valid_per: profile
  compromised_keys: [compromised]
  profiles:
    client:
      validity: 30d
      subject: { organization: Example, common_name: "{username}" }
      crl: ["http://ca.example.org/list.crl"]
    web: { extends: server, hosts: ["*.web.example.org"], keys: [ecdsa-p256, rsa-3072], key: rsa-3072 }
"#;

/// A folder with an authority and two accounts.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with(CONFIGURATION)
    }

    fn with(configuration: &str) -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        bench.write("wicketgate.yaml", configuration);
        bench.write("passphrase", "correct horse battery\n");
        bench.write("compromised", "# none yet\n");
        bench.good("ca init --name Example");
        bench.good("account add ann --email ann@example.org --alias a.lee@example.org");
        bench.good("account add ben --email ben@example.org");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn run(&self, words: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
        command.current_dir(self.folder.path()).args(words.split(' ')).args(["-c", "wicketgate.yaml"]);
        command.output().unwrap()
    }

    #[track_caller]
    fn good(&self, words: &str) -> String {
        let output = self.run(words);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{words}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    #[track_caller]
    fn json(&self, words: &str) -> Value {
        serde_json::from_str(&self.good(&format!("{words} --json"))).unwrap()
    }

    #[track_caller]
    fn refused(&self, words: &str, why: &str) {
        let output = self.run(words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{words}");
        assert!(text.contains(why), "{words}: {text}");
    }

    #[track_caller]
    fn openssl(&self, words: &str) -> String {
        openssl(self.folder.path(), words)
    }

    /// A request that OpenSSL makes with these arguments, and its key beside it.
    fn request(&self, name: &str, words: &str) {
        self.openssl(&format!("req -new -nodes -batch -keyout {name}.key -out {name}.csr {words}"));
    }

    fn on_record(&self) -> usize {
        self.json("ca list").as_array().unwrap().len()
    }
}

#[track_caller]
fn openssl(folder: &Path, words: &str) -> String {
    let output = Command::new("openssl").current_dir(folder).args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn an_account_gets_a_file_with_a_password_that_is_shown_once() {
    let bench = Bench::new();
    for (flag, extra) in [("", ""), (" --legacy", " -legacy")] {
        let issued = bench.json(&format!("ca issue ann --out ann{}.p12{flag}", flag.len()));
        let (file, password) = (issued["file"].as_str().unwrap(), issued["password"].as_str().unwrap());
        assert!(password.len() >= 20, "{password}");
        assert_eq!(mode(&bench.path(file)), 0o600);
        bench.openssl(&format!("pkcs12 -in {file} -passin pass:{password} -nodes -out all.pem{extra}"));
        bench.openssl("verify -CAfile authority/root.pem -untrusted all.pem all.pem");
        let text = bench.openssl("x509 -in all.pem -noout -text");
        for said in ["O = Example, CN = ann", "email:ann@example.org", "TLS Web Client Authentication", "list.crl"] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(!bench.json("ca list").to_string().contains(password));
    }
    bench.write("chosen", "a long enough password\n");
    let issued = bench.json("ca issue ben --password-file chosen");
    assert_eq!((issued["file"].as_str(), &issued["password"]), (Some("ben.p12"), &Value::Null));
    bench.openssl("pkcs12 -in ben.p12 -passin file:chosen -nodes -out ben.pem");
    let again = bench.run("ca issue ben");
    assert!(String::from_utf8_lossy(&again.stderr).contains("it exists"), "no file is written over");
    assert_eq!(bench.on_record(), 3, "and nothing was issued for that");
    bench.write("chosen", "short\n");
    bench.refused("ca issue ben --out x.p12 --password-file chosen", "it needs at least 8");
}

#[test]
fn a_new_certificate_replaces_the_old_one_if_the_configuration_says_so() {
    let bench = Bench::new();
    let first = bench.json("ca issue ann --out 1.p12");
    let smime = bench.json("ca issue ann --profile smime --out 2.p12");
    let second = bench.json("ca issue ann --out 3.p12");
    assert_eq!(second["superseded"][0], first["serial"]);
    // The history has been told of both at once, and of nothing that was not done.
    let history = std::fs::read_to_string(bench.path("authority/private/history.jsonl")).unwrap();
    let told: Vec<Value> = history.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [.., issued, revoked] = &told[..] else { panic!("{history}") };
    assert_eq!((&issued["act"], &issued["serial"]), (&Value::from("issue"), &second["serial"]));
    assert_eq!((&revoked["act"], &revoked["serial"]), (&Value::from("revoke"), &first["serial"]));
    assert_eq!((&revoked["reason"], &revoked["time"]), (&Value::from("superseded"), &issued["time"]));
    let shown = bench.json(&format!("ca show {}", first["serial"].as_str().unwrap()));
    assert_eq!((shown["standing"].as_str(), shown["reason"].as_str()), (Some("revoked"), Some("superseded")));
    let shown = bench.json(&format!("ca show {}", smime["sha256"].as_str().unwrap()));
    assert_eq!(shown["standing"], "valid", "another profile is another certificate");
    let renewed = bench.json("ca renew --account ann --out 4.p12");
    assert_eq!(renewed["profile"], smime["profile"], "the one that lasts longest is renewed");
    bench.refused(&format!("ca renew {} --out 5.p12", first["serial"].as_str().unwrap()), "is not renewed");
}

#[test]
fn a_certificate_is_revoked_by_whatever_names_it_and_a_hold_is_taken_back() {
    let bench = Bench::new();
    let ann = bench.json("ca issue ann --out ann.p12");
    let serial = ann["serial"].as_str().unwrap();
    bench.openssl(&format!(
        "pkcs12 -in ann.p12 -passin pass:{} -nokeys -clcerts -out ann.pem",
        ann["password"].as_str().unwrap()
    ));
    assert!(bench.good(&format!("ca revoke {serial} --hold")).contains("is on hold"));
    assert_eq!(bench.json("ca list --revoked")[0]["standing"], "on hold");
    assert!(bench.good("ca revoke ann.pem --unhold").contains("removed from hold"));
    bench.refused("ca revoke ann.pem --unhold", "is not revoked");
    let shown = bench.good("ca show ann.pem --pem");
    assert!(std::fs::read_to_string(bench.path("ann.pem")).unwrap().contains(shown.trim()));
    let revoked = bench.json(&format!("ca revoke sha256:{} --reason key-compromise", ann["sha256"].as_str().unwrap()));
    assert_eq!(
        (revoked[0]["outcome"].as_str(), revoked[0]["reason"].as_str()),
        (Some("revoked"), Some("keyCompromise"))
    );
    assert!(bench.good("ca revoke ann.pem").contains("was revoked before"));
    bench.refused("ca revoke ann.pem --unhold", "revoked for good");
    bench.json("ca issue ben --out 1.p12");
    bench.json("ca issue ben --profile smime --out 2.p12");
    assert_eq!(bench.json("ca revoke --account ben --reason cessationOfOperation").as_array().unwrap().len(), 2);
    bench.refused("ca revoke --account ben", "all of its certificates are revoked");
    for (words, why) in [
        ("ca revoke 0123456789", "no such certificate is on record"),
        ("ca revoke --account nobody", "no such certificate is on record"),
        ("ca revoke not-hex", "neither a file nor hexadecimal"),
        ("ca revoke ann.pem --reason lost", "is no reason to revoke"),
        ("ca revoke ann.pem --hold --unhold", "cannot be used with"),
    ] {
        bench.refused(words, why);
    }
}

#[test]
fn what_ends_soon_is_listed_and_what_is_not_allowed_is_named() {
    let bench = Bench::new();
    bench.json("ca issue ann --profile client-short --out short.p12");
    bench.json("ca issue ben --profile smime --out long.p12");
    let soon = bench.json("ca list --expiring 1d");
    assert_eq!((soon.as_array().unwrap().len(), soon[0]["account"].as_str()), (1, Some("ann")));
    assert!(bench.good("ca list --account ben").contains("smime"));
    bench.good("account add cyd");
    bench.good("account lock ben");
    for (words, why) in [
        ("ca issue nobody", "there is no account"),
        ("ca issue cyd --profile smime", "needs an e-mail address"),
        ("ca issue ben --out x.p12", "the account \"ben\" is locked"),
        ("ca issue ann --profile nothing", "there is no profile"),
        ("ca issue", "nobody is named"),
        ("ca issue --profile server --dns bad- --out x.p12", "cannot stand in a certificate"),
        ("ca issue cyd --profile intermediate --out x.p12", "path length"),
    ] {
        bench.refused(words, why);
    }
    assert!(!bench.path("x.p12").exists() && !bench.path("x.p12.issuing").exists());
    assert_eq!(bench.on_record(), 2);
}

#[test]
fn an_authority_that_is_limited_vouches_for_nobody_else() {
    let bench = Bench::new();
    std::fs::remove_dir_all(bench.path("authority")).unwrap();
    bench.good("ca init --name Example --permit-email example.org --permit-dns example.org");
    bench.good("account add eve --email eve@example.com");
    bench.good("ca issue ann --out ann.p12");
    bench.refused("ca issue eve --out eve.p12", "the authority is limited to others");
    bench.good("ca issue --profile server --dns www.example.org --pem --out www.pem");
    bench.refused("ca issue --profile server --dns www.example.com --pem --out x.pem", "is limited to others");
    assert_eq!(bench.on_record(), 2);
}

#[test]
fn a_server_gets_a_key_and_a_chain() {
    let bench = Bench::new();
    let issued = bench
        .json("ca issue --profile web --dns www.example.org --dns example.org --address 10.0.0.1 --pem --out www.pem");
    assert_eq!((mode(&bench.path("www.key")), &issued["account"]), (0o600, &Value::Null));
    bench.openssl("verify -CAfile authority/root.pem -untrusted www.pem -verify_hostname example.org www.pem");
    let text = bench.openssl("x509 -in www.pem -noout -text");
    assert!(text.contains("CN = www.example.org") && text.contains("IP Address:10.0.0.1"), "{text}");
    assert!(text.contains("(3072 bit)") && text.contains("Digital Signature, Key Encipherment"), "{text}");
    let renewed = bench.json(&format!("ca renew {} --pem --out new.pem", issued["serial"].as_str().unwrap()));
    assert_eq!(renewed["subject"], issued["subject"]);
    let names = bench.openssl("x509 -in new.pem -noout -ext subjectAltName");
    assert!(names.contains("DNS:example.org") && names.contains("10.0.0.1"), "{names}");
}

#[test]
fn a_request_is_signed_if_it_asks_for_what_its_bearer_may_have() {
    let bench = Bench::new();
    bench.request(
        "ann",
        "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=ann -addext subjectAltName=email:a.lee@example.org",
    );
    let chain = bench.good("ca sign ann --csr ann.csr");
    bench.write("ann.pem", &chain);
    bench.openssl("verify -CAfile authority/root.pem -untrusted ann.pem ann.pem");
    assert!(bench.openssl("x509 -in ann.pem -noout -ext subjectAltName").contains("a.lee@example.org"));
    bench.refused("ca sign ben --csr ann.csr", "the key is certified already");

    bench.request("bare", "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /");
    bench.good("ca sign ann --csr bare.csr --out bare.pem");
    bench.refused("ca sign ben --csr bare.csr", "the key is certified already, for the account \"ann\"");
    bench.good("ca sign ann --csr bare.csr --out again.pem");

    let web = |name: &str, host: &str| {
        bench.request(name, &format!("-newkey rsa:3072 -subj / -addext subjectAltName=DNS:{host}"));
    };
    web("a", "a.web.example.org");
    bench.good("ca sign --csr a.csr --profile web --out a.pem");
    web("b", "www.example.org");
    bench.refused("ca sign --csr b.csr --profile web", "may not have");
    bench.good("ca sign --csr b.csr --profile web --dns www.example.org --out b.pem");

    // Keys and wishes that nobody gets.
    bench.request("weak", "-newkey rsa:1024 -subj /CN=ann");
    bench.request("ca", "-newkey rsa:2048 -subj /CN=ann -addext basicConstraints=critical,CA:TRUE");
    bench.request("usage", "-newkey rsa:2048 -subj /CN=ann -addext extendedKeyUsage=codeSigning");
    bench.request("other", "-newkey rsa:2048 -subj /CN=ben");
    bench.request("curve", "-newkey ec -pkeyopt ec_paramgen_curve:P-521 -subj /CN=ann");
    let pem = std::fs::read_to_string(bench.path("ann.csr")).unwrap();
    bench.write("forged.csr", &forged(&pem));
    let key = bench.openssl("pkey -in ca.key -pubout -outform DER -out ca.spki");
    let hash = bench.openssl("dgst -sha256 -r ca.spki");
    assert_eq!(key, "");
    let lost = hash.split(' ').next().unwrap().to_owned();
    for (name, why) in [
        ("weak", "the RSA key has 1024 bits"),
        ("ca", "asks for a certificate of an authority"),
        ("usage", "the extended key usage 1.3.6.1.5.5.7.3.3"),
        ("other", "asks for the common name \\\"ben\\\""),
        ("curve", "the public key is none of"),
        ("forged", "does not show that its maker has the key"),
        ("missing", "cannot"),
    ] {
        bench.refused(&format!("ca sign ann --csr {name}.csr"), &why.replace("\\\"", "\""));
    }
    bench.request("lost", "-key ca.key -subj /CN=ann");
    bench.write("compromised", &format!("{lost}\n"));
    bench.refused("ca sign ann --csr lost.csr", "is on the list of compromised keys");
    // The same key by a line of Debian's openssl-blacklist, made as its page in the manual makes one.
    let modulus = bench.openssl("rsa -in ca.key -noout -modulus");
    bench.write("modulus", &modulus);
    let output = Command::new("sha1sum").arg(bench.path("modulus")).output().unwrap();
    let debian = String::from_utf8(output.stdout).unwrap()[20..40].to_owned();
    bench.write("compromised", &format!("# blacklist.RSA-2048\n{debian}\n"));
    bench.refused("ca sign ann --csr lost.csr", "is on the list of compromised keys");
    bench.write("compromised", "4711\n");
    bench.refused("ca sign ann --csr lost.csr", "line 1 of");
    bench.write("compromised", "");
    // Thousands of extensions: more octets than are read, and more extensions than are looked at.
    for (count, why) in [(3000, "the request is larger than 64 KiB"), (500, "too many")] {
        let mut params = rcgen::CertificateParams::default();
        params.custom_extensions = (0..count)
            .map(|number| rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, number], vec![0x05; 8]))
            .collect();
        let key = rcgen::KeyPair::generate().unwrap();
        bench.write("many.csr", &params.serialize_request(&key).unwrap().pem().unwrap());
        bench.refused("ca sign ann --csr many.csr", why);
    }
    let before = bench.on_record();
    assert_eq!(before, 5, "refusals leave nothing on record");
}

/// The same request with one bit of its signature changed.
fn forged(pem: &str) -> String {
    use base64::Engine as _;
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    *der.last_mut().unwrap() ^= 1;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n")
}

#[test]
fn many_get_theirs_and_a_second_run_changes_nothing() {
    let bench = Bench::new();
    bench.good("account add cyd");
    bench.good("account add dee --group staff --email dee@example.org");
    bench.good("account lock cyd");
    let report = bench.json("ca issue --all --out files");
    assert_eq!((report["issued"].as_u64(), report["before"].as_u64()), (Some(3), Some(0)));
    let again = bench.json("ca issue --all --out files");
    assert_eq!((again["issued"].as_u64(), again["before"].as_u64()), (Some(0), Some(3)));
    assert_eq!(bench.on_record(), 3);
    let lines = std::fs::read_to_string(bench.path("files/report.csv")).unwrap();
    assert_eq!((lines.lines().count(), mode(&bench.path("files/report.csv"))), (4, 0o600));
    for line in lines.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let (file, password) = (format!("files/{}", fields[1]), fields[4]);
        assert_eq!(mode(&bench.path(&file)), 0o600);
        bench.openssl(&format!("pkcs12 -in {file} -passin pass:{password} -nokeys -clcerts -out leaf.pem"));
        let serial = bench.openssl("x509 -in leaf.pem -noout -serial").to_lowercase();
        assert!(
            serial
                .trim()
                .trim_start_matches("serial=")
                .trim_start_matches('0')
                .ends_with(fields[2].trim_start_matches('0')),
            "{serial} {line}"
        );
    }
    bench.refused("ca issue --all --profile smime --out files", "was begun for a batch with another profile");
    assert_eq!(bench.json("ca issue --group staff --out staff")["issued"], 1);
    bench.write("names", "ann\nnobody\n# a comment\nann\n");
    let output = bench.run("ca issue --from names --out named --json");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["issued"].as_u64(), report["refused"][0]["account"].as_str()), (Some(1), Some("nobody")));
    assert_eq!(output.status.code(), Some(1));

    std::fs::create_dir(bench.path("requests")).unwrap();
    for name in ["ann", "ben"] {
        bench.request(&format!("requests/{name}"), "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /");
    }
    std::fs::copy(bench.path("requests/ann.csr"), bench.path("requests/dee.csr")).unwrap();
    let output = bench.run("ca sign --requests requests --out signed --json");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["issued"], 2, "{report}");
    assert!(report["refused"][0]["why"].as_str().unwrap().contains("certified already"), "{report}");
    bench.openssl("verify -CAfile authority/root.pem -untrusted signed/ben.pem signed/ben.pem");
    assert!(!bench.path("signed/dee.pem").exists());
}

#[test]
fn many_are_packed_into_one_archive_that_age_opens() {
    let bench = Bench::new();
    let long = "x".repeat(60);
    std::fs::write(bench.path("names"), "ann\nben\n").unwrap();
    let report = bench.json("ca issue --from names --out files --archive all.age");
    assert_eq!((report["issued"].as_u64(), mode(&bench.path("all.age"))), (Some(2), 0o600));
    bench.refused("ca issue --from names --out files --archive all.age", "it exists");
    // A large file, and one with a long name, are more than a chunk and more than a header.
    std::fs::write(bench.path("files/large"), vec![7; 200_000]).unwrap();
    std::fs::write(bench.path("files").join(format!("{long}{long}")), "long").unwrap();
    let report = bench.json("ca issue --from names --out files --archive more.age");
    assert_eq!((report["issued"].as_u64(), report["before"].as_u64()), (Some(0), Some(2)));
    std::fs::create_dir(bench.path("opened")).unwrap();
    // age asks a terminal for the passphrase.
    let opened = |passphrase: &str| {
        let mut script = Command::new("script");
        script.args(["-q", "-e", "-c", "age --decrypt --output opened.tar more.age", "/dev/null"]);
        let mut child = script.current_dir(bench.folder.path()).stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), format!("{passphrase}\n").as_bytes()).unwrap();
        child.wait().unwrap().success()
    };
    assert!(!opened("0000-0000-0000-0000-0000"));
    assert!(opened(report["passphrase"].as_str().unwrap()));
    let tar = Command::new("tar").current_dir(bench.path("opened")).args(["-xf", "../opened.tar"]).output().unwrap();
    assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    for name in ["ann.p12", "ben.p12", "report.csv", "large", &format!("{long}{long}")] {
        let read = |folder: &str| std::fs::read(bench.path(folder).join(name)).unwrap();
        assert!(read("opened") == read("files"), "{name}");
    }
    assert!(!bench.path("opened/.batch").exists());
}
