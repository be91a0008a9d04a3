//! What our authority makes, before pkilint, which holds certificates, revocation lists and OCSP answers to every
//! sentence of the standards that can be checked: it finds no error in any of them.
#![cfg(test)]

#[path = "../common/mod.rs"]
mod common;

use common::office::Office;
use std::path::{Path, PathBuf};
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

/// The folder with pkilint, which is filled on first use and kept between runs.
fn packages() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pkilint");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let script = tests.join("digest_clients/fetch.sh");
    let output = Command::new(script).arg(&folder).arg(tests.join("pkilint/requirements.txt")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

/// What one of pkilint's linters finds of the severity of an error or worse; none is what it should find.
fn faults(linter: &str, options: &[&str], octets: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("document");
    std::fs::write(&file, octets).unwrap();
    let output = Command::new("python3")
        .args(["-m", &format!("pkilint.bin.{linter}"), "lint", "--severity", "ERROR"])
        .args(options)
        .arg(&file)
        .env("PYTHONPATH", packages())
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
