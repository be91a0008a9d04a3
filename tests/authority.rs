//! What our authority makes is read by others as it was meant: OpenSSL verifies the paths, reads the
//! revocation lists and opens the PKCS#12 files, and NSS, which Firefox and Chromium keep their
//! certificates with, imports them.
#![cfg(test)]

use rustls_pki_types::CertificateDer;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use wicketgate::base::clock::Timestamp;
use wicketgate::base::secret::Secret;
use wicketgate::ca::crl::{self, CrlReason, Edition, Revoked};
use wicketgate::ca::files::{Access, write};
use wicketgate::ca::issue::{Authority, Issued};
use wicketgate::ca::key::SoftwareKey;
use wicketgate::ca::pem;
use wicketgate::ca::pkcs12::{self, Contents, Encryption};
use wicketgate::ca::profile::{AlternativeName, Profile, Subject, Validity};

const DAY: Duration = Duration::from_secs(86_400);
const PASSWORD: &str = "wicketgåte";

/// An authority with two levels, and a directory that holds its certificates, its lists and alice's
/// files.
struct Bench {
    directory: tempfile::TempDir,
    now: Timestamp,
    root: Authority,
    intermediate: Authority,
    alice: Issued,
}

fn subject(common_name: &str, names: Vec<AlternativeName>) -> Subject {
    Subject { common_name: common_name.into(), organization: Some("Wicketgate".into()), names }
}

impl Bench {
    fn new() -> Self {
        let now = Timestamp::now();
        let key = || Box::new(SoftwareKey::generate().unwrap());
        let validity = Validity::starting(now, DAY * 30);
        let root = Authority::root(key(), &subject("Root", vec![]), validity).unwrap();
        let intermediate = root.intermediate(key(), &subject("Intermediate", vec![]), 0, validity).unwrap();
        let names = vec![AlternativeName::Email("alice@example.org".into())];
        let alice = intermediate.issue(&Profile::client(), &subject("Alice Ångström", names), validity).unwrap();
        let bench = Self { directory: tempfile::tempdir().unwrap(), now, root, intermediate, alice };
        let certificates = |chain: &[CertificateDer<'static>]| pem::certificates(chain).unwrap().into_bytes();
        bench.write("root.pem", &certificates(&[bench.root.certificate().clone()]));
        bench.write("intermediate.pem", &certificates(&bench.alice.chain));
        bench.write("alice.pem", &certificates(&bench.alice.whole_chain()));
        bench.write("alice.key", pem::private_key(&bench.alice.key).unwrap().expose());
        bench
    }

    fn write(&self, name: &str, content: &[u8]) {
        write(&self.directory.path().join(name), content, Access::Private).unwrap();
    }

    /// Writes alice's PKCS#12 file in either form.
    fn pack(&self, encryption: Encryption) {
        let certificates = self.alice.whole_chain();
        let contents = Contents { friendly_name: "Alice", key: &self.alice.key, certificates: &certificates };
        self.write("alice.p12", &pkcs12::make(contents, &Secret::from(PASSWORD), encryption).unwrap());
    }

    /// Writes both authorities' lists into one file.
    fn publish(&self, revoked: &[Revoked]) {
        let edition = Edition { number: 1, this_update: self.now, next_update: self.now.plus(DAY) };
        let lists = [(&self.root, [].as_slice()), (&self.intermediate, revoked)].map(|(authority, revoked)| {
            pem::revocation_list(&crl::make(authority, edition, revoked).unwrap()).unwrap()
        });
        self.write("crl.pem", lists.concat().as_bytes());
    }

    fn openssl(&self, arguments: &str) -> Output {
        run(self.directory.path(), "openssl", &arguments.split(' ').collect::<Vec<_>>())
    }
}

fn run(directory: &Path, program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).current_dir(directory).output();
    output.unwrap_or_else(|error| panic!("{program}, which this test needs, does not run: {error}"))
}

/// Both streams of a program that ended well.
fn text(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr].map(|stream| String::from_utf8_lossy(stream)).concat();
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn openssl_verifies_the_path_for_its_purpose_and_no_other() {
    let bench = Bench::new();
    let verify = |purpose: &str| {
        bench.openssl(&format!(
            "verify -x509_strict -check_ss_sig -purpose {purpose} -CAfile root.pem -untrusted intermediate.pem alice.pem"
        ))
    };
    assert_eq!(text(&verify("sslclient")), "alice.pem: OK\n");
    assert!(!verify("sslserver").status.success());
}

#[test]
fn openssl_refuses_a_path_without_its_intermediate() {
    let bench = Bench::new();
    assert!(!bench.openssl("verify -CAfile root.pem alice.pem").status.success());
}

#[test]
fn openssl_shows_the_certificate_as_it_was_meant() {
    let bench = Bench::new();
    let shown = text(&bench.openssl("x509 -in alice.pem -noout -text -nameopt utf8,sep_comma_plus"));
    for expected in [
        "Version: 3 (0x2)",
        "Signature Algorithm: ecdsa-with-SHA256",
        "Issuer: O=Wicketgate,CN=Intermediate",
        "Subject: O=Wicketgate,CN=Alice Ångström",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "X509v3 Extended Key Usage: \n                TLS Web Client Authentication\n",
        "X509v3 Subject Alternative Name: \n                email:alice@example.org\n",
    ] {
        assert!(shown.contains(expected), "{expected:?} is missing in:\n{shown}");
    }
    let shown = text(&bench.openssl("x509 -in intermediate.pem -noout -text"));
    for expected in [
        "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0",
        "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n",
    ] {
        assert!(shown.contains(expected), "{expected:?} is missing in:\n{shown}");
    }
}

#[test]
fn openssl_finds_a_revoked_certificate_in_the_list() {
    let bench = Bench::new();
    let verify = || {
        bench.openssl("verify -x509_strict -crl_check_all -CRLfile crl.pem -CAfile root.pem -untrusted intermediate.pem alice.pem")
    };
    bench.publish(&[]);
    assert_eq!(text(&verify()), "alice.pem: OK\n");
    let serial = text(&bench.openssl("x509 -in alice.pem -noout -serial"));
    let serial = wicketgate::base::hex::decode(serial.trim().strip_prefix("serial=").unwrap()).unwrap();
    bench.publish(&[Revoked { serial, at: bench.now, reason: CrlReason::KeyCompromise }]);
    let refused = verify();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("certificate revoked"), "{refused:?}");
}

#[test]
fn openssl_shows_the_revocation_list_as_it_was_meant() {
    let bench = Bench::new();
    let edition = Edition { number: 41, this_update: bench.now, next_update: bench.now.plus(DAY) };
    let revoked = [Revoked { serial: vec![0xc0, 0xff, 0xee], at: bench.now, reason: CrlReason::PrivilegeWithdrawn }];
    bench.write("list.der", &crl::make(&bench.intermediate, edition, &revoked).unwrap());
    let shown = text(&bench.openssl("crl -inform DER -in list.der -noout -text -CAfile intermediate.pem"));
    for expected in
        ["verify OK", "Version 2 (0x1)", "X509v3 CRL Number: \n                41", "C0FFEE", "Privilege Withdrawn"]
    {
        assert!(shown.contains(expected), "{expected:?} is missing in:\n{shown}");
    }
}

#[test]
fn openssl_opens_both_forms_of_a_pkcs12_file() {
    let bench = Bench::new();
    for (encryption, options, expected) in [
        (Encryption::MODERN, "", "PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256"),
        (Encryption::LEGACY, " -legacy", "pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 100000"),
    ] {
        bench.pack(encryption);
        let opened =
            text(&bench.openssl(&format!("pkcs12 -in alice.p12 -passin pass:{PASSWORD} -nodes -info{options}")));
        assert!(opened.contains(expected), "{opened}");
        assert!(opened.contains("friendlyName: Alice"), "{opened}");
        assert_eq!(opened.matches("-----BEGIN CERTIFICATE-----").count(), 2, "{opened}");
        let key = pem::private_key(&bench.alice.key).unwrap();
        assert!(opened.contains(key.expose_str().unwrap()), "the key is another one");
        let wrong = bench.openssl(&format!("pkcs12 -in alice.p12 -passin pass:wrong -nodes{options}"));
        assert!(!wrong.status.success());
    }
}

#[test]
fn nss_imports_both_forms_of_a_pkcs12_file() {
    let bench = Bench::new();
    for (encryption, database) in [(Encryption::MODERN, "modern"), (Encryption::LEGACY, "legacy")] {
        bench.pack(encryption);
        let directory = bench.directory.path();
        std::fs::create_dir(directory.join(database)).unwrap();
        let database = format!("sql:{database}");
        text(&run(directory, "certutil", &["-N", "--empty-password", "-d", &database]));
        text(&run(directory, "certutil", &["-A", "-n", "Root", "-t", "TC,,", "-i", "root.pem", "-d", &database]));
        text(&run(directory, "pk12util", &["-i", "alice.p12", "-W", PASSWORD, "-d", &database]));
        let listed = text(&run(directory, "certutil", &["-L", "-d", &database]));
        let alice = listed.lines().find(|line| line.contains("Alice")).unwrap_or_else(|| panic!("{listed}"));
        assert!(alice.trim_end().ends_with("u,u,u"), "the key is missing: {listed}");
        let nickname = alice.trim_end().trim_end_matches("u,u,u").trim_end();
        text(&run(directory, "certutil", &["-V", "-u", "C", "-n", nickname, "-d", &database]));
    }
}
