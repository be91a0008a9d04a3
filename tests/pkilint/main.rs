//! What our authority makes, before pkilint, which holds certificates, revocation lists and OCSP answers to every
//! sentence of the standards that can be checked: it finds no error in any of them.
#![cfg(test)]

#[path = "../common/mod.rs"]
mod common;

use common::authority::{shell, take};
use common::office::Office;
use common::packages::packages;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use wicketgate::base::clock::Timestamp;
use wicketgate::ca::crl::{self, CrlReason, Edition, Form, Revoked};
use wicketgate::ca::ocsp::answer::{assemble, sign};
use wicketgate::ca::ocsp::{Delegate, Issuer, Statement};
use wicketgate::ca::pem;
use wicketgate::certificate::fields::Fields;
use wicketgate::config::Store;
use wicketgate::revocation::crl::RevocationReason;
use wicketgate::revocation::ocsp::{HashAlgorithm, Status};

const DAY: Duration = Duration::from_secs(86_400);

/// What one of pkilint's linters finds of the severity of an error or worse; none is what it should find.
fn faults(linter: &str, options: &[&str], octets: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("document");
    std::fs::write(&file, octets).unwrap();
    let output = Command::new("python3")
        .args(["-m", &format!("pkilint.bin.{linter}"), "lint", "--severity", "ERROR"])
        .args(options)
        .arg(&file)
        .env("PYTHONPATH", packages("pkilint"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    // It exits with the number of its findings.
    assert!(output.status.code().is_some() && !errors.contains("Traceback"), "{linter}: {errors}");
    (!output.status.success() || !said.trim().is_empty()).then(|| format!("{said}{errors}"))
}

#[track_caller]
fn assert_flawless(what: &str, linter: &str, options: &[&str], octets: &[u8]) {
    if let Some(found) = faults(linter, options, octets) {
        panic!("{what}: {found}");
    }
}

async fn office() -> (Office, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::over(&Store::Sqlite { path: folder.path().join("office.db") }).await;
    (office, folder)
}

#[tokio::test]
async fn pkilint_finds_no_error_in_certificates() {
    let (office, _folder) = office().await;
    let alice = office.person("alice").await;
    let delegate = Delegate::new(&office.authority, Timestamp::now(), DAY).unwrap();
    for (what, certificate) in [
        ("the root", office.root.certificate()),
        ("the intermediate", office.authority.certificate()),
        ("a client", &alice.chain[0]),
        ("an OCSP signer", delegate.certificate()),
    ] {
        let pem = pem::certificates([certificate]).unwrap();
        assert_flawless(what, "lint_pkix_cert", &[], pem.as_bytes());
    }
}

/// What the Baseline Requirements ask of authorities that browsers and mail programs trust from the start, and what
/// nothing is lost by in one that its own people trust. Every other finding is an error.
const PUBLIC_AUTHORITIES_ONLY: [(&str, &str); 6] = [
    ("cabf.serverauth.ca.country_attribute_absent", "whose it is, its people know; `--organization` says it on wish"),
    ("cabf.serverauth.ca.organization_name_attribute_absent", "the same"),
    (
        "cabf.serverauth.ca.certificate_policies_extension_absent",
        "the policies are those of public authorities; a profile names an authority's own",
    ),
    (
        "cabf.serverauth.ca.crl_distribution_points_extension_absent",
        "it would point to the root's list, which nothing signs by itself while the root's key lies elsewhere",
    ),
    (
        "cabf.serverauth.ca.extended_key_usage_extension_absent",
        "one intermediate issues to people, servers and mail alike; a profile narrows it",
    ),
    (
        "cabf.serverauth.subscriber.certificate_policies_extension_absent",
        "as of the authority's; with `policies` in the profile there is no such finding",
    ),
];

/// The codes of what a linter finds of the severity of an error or worse.
fn codes(linter: &str, options: &[&str], octets: &[u8]) -> Vec<String> {
    let options = [&["--format", "CSV"], options].concat();
    let found = faults(linter, &options, octets).unwrap_or_default();
    let rows = found.lines().skip(1).filter(|row| !row.trim().is_empty());
    rows.map(|row| row.split(',').nth(3).unwrap_or(row).to_owned()).collect()
}

#[track_caller]
fn assert_flawless_in_private(what: &str, linter: &str, options: &[&str], octets: &[u8], and: &[&str]) {
    let dispensed =
        |code: &String| PUBLIC_AUTHORITIES_ONLY.iter().map(|(code, _)| code).chain(and).any(|known| known == code);
    let rest: Vec<String> = codes(linter, options, octets).into_iter().filter(|code| !dispensed(code)).collect();
    assert!(rest.is_empty(), "{what} before {linter} {options:?}: {rest:?}");
}

/// A folder with a configuration and an authority, on which commands are run.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new(profiles: &str) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        let configuration = format!(
            "listeners: [{{ name: one, address: '127.0.0.1:9443', client_certificate: want, trust: staff, \
             tls: {{ certificates: [{{ chain: s.pem, key: s.key }}] }} }}]\n\
             trust: {{ staff: {{ authorities: [authority/root.pem] }} }}\nidentity: [{{ from: san.email }}]\n\
             routes: [{{ path: /, upstream: {{ respond: {{ status: 200 }} }} }}]\n\
             accounts: {{ sqlite: {{ path: wicketgate.db }} }}\n\
             authority: {{ directory: authority, passphrase: {{ file: passphrase }}, {profiles} }}\n"
        );
        std::fs::write(bench.path("wicketgate.yaml"), configuration).unwrap();
        common::pki::write_private(&bench.path("passphrase"), "correct horse battery");
        bench.run("db init");
        bench.run("account add ann --email ann@example.org");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    #[track_caller]
    fn run(&self, words: &str) -> String {
        shell(self.0.path(), &format!("{} {words} -c wicketgate.yaml", env!("CARGO_BIN_EXE_wicketgate")))
    }

    /// The first certificate of a file.
    fn first(&self, name: &str) -> Vec<u8> {
        shell(self.0.path(), &format!("openssl x509 -in {name}")).into_bytes()
    }
}

/// Profiles of each kind of key beside those that are built in, and where all of it is published.
const PROFILES: &str = "publish: { url: 'http://pki.example.org' }, profiles: { \
    server-rsa: { extends: server, key: rsa-2048 }, server-384: { extends: server, key: ecdsa-p384 }, \
    smime-rsa: { extends: smime, key: rsa-2048 }, smime-384: { extends: smime, key: ecdsa-p384 }, \
    smime-ed: { extends: smime, key: ed25519 }, \
    server-policy: { extends: server, subject: {}, policies: [2.23.140.1.2.1], names: { dns: [www.example.org] } }, \
    smime-strict: { extends: smime, policies: [2.23.140.1.5.1.3] }, \
    smime-many: { extends: smime, extended_key_usage: [email_protection, client_auth], \
                  policies: [2.23.140.1.5.1.2] } }";

#[test]
fn pkilint_finds_no_error_in_what_the_profiles_for_servers_and_people_make() {
    let bench = Bench::new(PROFILES);
    bench.run("ca init --name Example");
    let pkix = |what: &str, octets: &[u8]| assert_flawless(what, "lint_pkix_cert", &[], octets);
    for profile in ["server", "server-rsa", "server-384", "server-policy"] {
        bench.run(&format!("ca issue --profile {profile} --dns www.example.org --pem --out {profile}.pem"));
        let certificate = bench.first(&format!("{profile}.pem"));
        pkix(profile, &certificate);
        let public = ["--type", "DV-FINAL-CERTIFICATE"];
        if profile == "server-policy" {
            // With the policy that public authorities have, nothing is left to dispense with.
            assert_eq!(codes("lint_cabf_serverauth_cert", &public, &certificate), [""; 0]);
        } else {
            assert_flawless_in_private(profile, "lint_cabf_serverauth_cert", &public, &certificate, &[]);
        }
    }
    for profile in ["client", "client-short"] {
        bench.run(&format!("ca issue ann --profile {profile} --pem --out {profile}.pem"));
        pkix(profile, &bench.first(&format!("{profile}.pem")));
    }
}

#[test]
fn pkilint_finds_no_error_in_what_the_profiles_for_mail_make() {
    const NO_POLICY: &str = "cabf.smime.certificate_policies_extension_missing";
    let bench = Bench::new(PROFILES);
    bench.run("ca init --name Example");
    for (profile, kinds, dispensed) in [
        ("smime", ["MAILBOX-STRICT", "MAILBOX-MULTIPURPOSE"].as_slice(), [NO_POLICY].as_slice()),
        ("smime-rsa", &["MAILBOX-STRICT", "MAILBOX-MULTIPURPOSE"], &[NO_POLICY]),
        ("smime-384", &["MAILBOX-STRICT"], &[NO_POLICY]),
        ("smime-ed", &["MAILBOX-STRICT"], &[NO_POLICY]),
        ("smime-strict", &["MAILBOX-STRICT"], &[]),
        ("smime-many", &["MAILBOX-MULTIPURPOSE"], &[]),
    ] {
        bench.run(&format!("ca issue ann --profile {profile} --pem --out {profile}.pem"));
        let certificate = bench.first(&format!("{profile}.pem"));
        assert_flawless(profile, "lint_pkix_cert", &[], &certificate);
        for kind in kinds {
            let options = ["--type", kind];
            assert_flawless_in_private(profile, "lint_cabf_smime_cert", &options, &certificate, dispensed);
        }
    }
}

#[test]
fn pkilint_finds_no_error_in_authorities_however_they_came_about() {
    let bench = Bench::new(
        "profiles: { intermediate: { policies: [1.3.6.1.4.1.99999.1], extended_key_usage: [client_auth, email_protection], \
         crl: ['http://pki.example.org/root.crl'], issuer: ['http://pki.example.org/root.der'] } }",
    );
    bench.run("ca init --name Example --permit-email example.org --permit-dns example.org");
    let lint = |bench: &Bench, file: &str, kind: &str| {
        let certificate = bench.first(file);
        assert_flawless(file, "lint_pkix_cert", &[], &certificate);
        assert_flawless_in_private(file, "lint_cabf_serverauth_cert", &["--type", kind], &certificate, &[]);
    };
    lint(&bench, "authority/root.pem", "ROOT-CA");
    // It may serve nothing that has to do with TLS servers, since its profile says so.
    lint(&bench, "authority/intermediates/1.pem", "NON-TLS-CA");
    bench.run("ca renew-intermediate --permit-all --validity 90d");
    lint(&bench, "authority/intermediates/2.pem", "NON-TLS-CA");
    let said = shell(bench.0.path(), "openssl x509 -in authority/intermediates/2.pem -noout -text");
    for expected in ["1.3.6.1.4.1.99999.1", "http://pki.example.org/root.crl", "TLS Web Client Authentication"] {
        assert!(said.contains(expected), "{said}");
    }
    let plain = Bench::new("");
    plain.run("ca init --name Example --organization Example --algorithm rsa-3072");
    lint(&plain, "authority/root.pem", "ROOT-CA");
    lint(&plain, "authority/intermediates/1.pem", "INTERNAL-UNCONSTRAINED-TLS-CA");

    // Of an authority that was imported its own certificate is as it was made; what comes after is ours.
    let imported = Bench::new("publish: { url: 'http://pki.example.org' }");
    shell(
        imported.0.path(),
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout old.key -out old.pem -days 300 \
         -subj /C=NL/O=Example/CN=Old -addext keyUsage=critical,keyCertSign,cRLSign && chmod 600 old.key",
    );
    imported.run("ca import --certificate old.pem --key old.key");
    imported.run("ca issue ann --pem --out before.pem");
    imported.run("ca renew-intermediate");
    imported.run("ca issue ann --pem --out after.pem");
    for file in ["before.pem", "authority/intermediates/2.pem", "after.pem"] {
        assert_flawless(file, "lint_pkix_cert", &[], &imported.first(file));
    }
}

#[test]
fn pkilint_finds_no_error_in_what_est_gives_out() {
    let upstream = common::upstream::Upstream::start();
    let gate = common::setup::Setup::before(&upstream)
        .with_authority("users: [root], publish: { url: 'http://pki.example.org' }, est: { labels: { mail: smime } }")
        .start();
    common::pki::write_private(&gate.folder().join("password"), "password\n");
    gate.wicketgate(&["account", "password", "alice", "--file", gate.folder().join("password").to_str().unwrap()]);
    let _authority = common::authority::Authority::beside(&gate);
    // What is asked for is little; what stands in the certificate is the profile's.
    common::authority::request(gate.folder(), "asked", "-subj /CN=alice");
    let body = format!("@{}", gate.folder().join("asked.b64").display());
    for (path, name) in [("simpleenroll", "logs-in"), ("mail/simpleenroll", "mails")] {
        let media_type = "Content-Type: application/pkcs10";
        let options = ["--user", "alice:password", "-H", media_type, "--data-binary", &body];
        let enrolled = gate.curl(&format!("/.well-known/est/{path}"), &options);
        assert_eq!(enrolled.status, 200, "{enrolled:?}");
        take(gate.folder(), name, &enrolled.body);
        let certificate = std::fs::read(gate.folder().join(format!("{name}.pem"))).unwrap();
        assert_flawless(name, "lint_pkix_cert", &[], &certificate);
        if name == "mails" {
            let missing = ["cabf.smime.certificate_policies_extension_missing"];
            let strict = ["--type", "MAILBOX-STRICT"];
            assert_flawless_in_private(name, "lint_cabf_smime_cert", &strict, &certificate, &missing);
        }
    }
}

#[tokio::test]
async fn pkilint_finds_no_error_in_revocation_lists() {
    let (office, _folder) = office().await;
    let now = Timestamp::now();
    let edition = Edition { number: 300, this_update: now, next_update: now.plus(DAY * 7) };
    let revoked = |serial: u8, reason| Revoked { serial: vec![0x80, serial], at: now.minus(DAY), reason };
    let entries = [
        revoked(1, CrlReason::KeyCompromise),
        revoked(2, CrlReason::Unspecified),
        revoked(3, CrlReason::CertificateHold),
        revoked(4, CrlReason::Superseded),
    ];
    let url = || Some("http://pki.example.org/crl/ca.crl".to_owned());
    let delta = [revoked(1, CrlReason::KeyCompromise), revoked(3, CrlReason::RemoveFromCRL)];
    for (what, form, entries) in [
        ("an empty list", Form::default(), &[][..]),
        ("a list", Form::default(), &entries),
        ("a list with deltas", Form { freshest: url(), ..Form::default() }, &entries),
        ("a list for one distribution point", Form { point: url(), ..Form::default() }, &entries),
        ("a delta list", Form { base: Some(299), ..Form::default() }, &delta),
    ] {
        let list = crl::make_in(&office.authority, edition, &form, entries).unwrap();
        let list = pem::revocation_list(&list).unwrap();
        assert_flawless(what, "lint_crl", &["--type", "CRL", "--profile", "PKIX"], list.as_bytes());
    }
}

#[tokio::test]
async fn pkilint_finds_no_error_in_ocsp_answers() {
    let (office, _folder) = office().await;
    let alice = office.person("alice").await;
    let now = Timestamp::now();
    let delegate = Arc::new(Delegate::new(&office.authority, now, DAY * 3).unwrap());
    let issuer = Issuer::new(&office.authority.name_der().unwrap(), office.authority.public_key()).unwrap();
    let serial = Fields::read(&alice.chain[0]).unwrap().serial.to_vec();
    let revoked = |reason| Status::Revoked { at: now.minus(DAY), reason };
    for status in [
        Status::Good,
        revoked(None),
        revoked(Some(RevocationReason::KeyCompromise)),
        revoked(Some(RevocationReason::CertificateHold)),
    ] {
        for algorithm in [HashAlgorithm::Sha1, HashAlgorithm::Sha256] {
            let statement =
                [Statement { serial: serial.clone(), status, this_update: now, next_update: now.plus(DAY) }];
            let signed = sign(&delegate, &issuer, algorithm, &statement, now).unwrap();
            let answer = assemble(&signed, delegate.certificate());
            assert_flawless(&format!("{status:?}"), "lint_ocsp_response", &[], &answer);
        }
    }
}

#[test]
fn pkilint_finds_what_is_wrong() {
    // What it is worth that it finds nothing above: a list that says it is a delta of a later list, and one cut short.
    let found = faults(
        "lint_crl",
        &["--type", "CRL", "--profile", "PKIX"],
        b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n",
    );
    assert!(found.is_some());
}
