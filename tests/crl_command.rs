//! `wicketgate crl show` says of a revocation list what `openssl crl -text` says of it, and whether its
//! signature is good.
#![cfg(test)]

mod common;

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

fn openssl(folder: &Path, arguments: &str) -> String {
    let output = Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn crl(folder: &Path, arguments: &str) -> Output {
    let words = ["crl", "show"].into_iter().chain(arguments.split_whitespace());
    Command::new(env!("CARGO_BIN_EXE_wicketgate")).args(words).current_dir(folder).output().unwrap()
}

fn json(folder: &Path, arguments: &str) -> Vec<Value> {
    let output = crl(folder, &format!("{arguments} --json"));
    let lists: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    lists.as_array().unwrap().clone()
}

/// An authority `ca.pem`, and its list `ca.crl` with number 0x0A and two entries; `part.crl` is a delta list for a part.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let config = "[ca]\ndefault_ca=c\n[c]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\n\
                  [plain]\nauthorityKeyIdentifier=keyid\n\
                  [part]\nissuingDistributionPoint=critical,@point\n2.5.29.27=critical,ASN1:INTEGER:9\n\
                  [point]\nonlyuser=TRUE\nonlysomereasons=keyCompromise,CACompromise\n";
    std::fs::write(path.join("ca.cnf"), config).unwrap();
    let entry =
        |date: &str, serial: &str, name: &str| format!("R\t380101000000Z\t{date}\t{serial}\tunknown\t/CN={name}\n");
    let index = entry("260501000000Z,keyCompromise", "1234", "alice") + &entry("260502030405Z", "00FF", "bob");
    std::fs::write(path.join("index"), index).unwrap();
    std::fs::write(path.join("number"), "0A\n").unwrap();
    openssl(path, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key");
    openssl(path, "req -x509 -new -key ca.key -subj /O=Example/CN=Root -days 30 -out ca.pem");
    for (section, file) in [("plain", "ca.crl"), ("part", "part.crl")] {
        openssl(
            path,
            &format!(
                "ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.pem -crldays 30 -crlexts {section} -out {file}"
            ),
        );
    }
    folder
}

#[test]
fn a_list_is_shown_as_openssl_reads_it() {
    let folder = folder();
    let path = folder.path();
    openssl(path, "crl -in ca.crl -outform der -out ca.der");
    let theirs =
        openssl(path, "crl -in ca.crl -noout -text -nameopt RFC2253 -lastupdate -nextupdate -dateopt iso_8601");
    let line = |start: &str| {
        let line = theirs.lines().map(str::trim).find_map(|line| line.strip_prefix(start));
        line.unwrap_or_else(|| panic!("{start} in {theirs}")).trim().to_owned()
    };
    for file in ["ca.crl", "ca.der"] {
        let lists = json(path, &format!("{file} --issuer ca.pem --entries"));
        let [list] = lists.as_slice() else { panic!("{lists:?}") };
        assert_eq!(list["issuer"], line("Issuer:"));
        assert_eq!(list["algorithm"], line("Signature Algorithm:"));
        assert_eq!(list["this_update"], line("lastUpdate=").replace(' ', "T"));
        assert_eq!(list["next_update"], line("nextUpdate=").replace(' ', "T"));
        assert_eq!((list["number"].as_str(), list["delta_of"].as_str()), (Some("10"), None));
        assert!(theirs.contains("X509v3 CRL Number: \n                10"), "{theirs}");
        assert_eq!((list["scope"].as_str(), list["signature"].as_str()), (Some("all certificates"), Some("good")));
        let revoked: Vec<_> = list["revoked"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| ["serial", "at", "reason"].map(|key| entry[key].as_str().unwrap()))
            .collect();
        assert_eq!(
            revoked,
            [["ff", "2026-05-02T03:04:05Z", "unspecified"], ["1234", "2026-05-01T00:00:00Z", "keyCompromise"],]
        );
        assert!(theirs.contains("Serial Number: 1234") && theirs.contains("Serial Number: FF"), "{theirs}");
        assert_eq!(list["entries"], 2);
    }
}

#[test]
fn several_lists_of_a_file_are_shown_with_what_they_are_for() {
    let folder = folder();
    let path = folder.path();
    let both = ["ca.crl", "part.crl"].map(|file| std::fs::read_to_string(path.join(file)).unwrap()).concat();
    std::fs::write(path.join("both.crl"), both).unwrap();
    let output = crl(path, "both.crl");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "      issuer  CN=Root,O=Example\n      number  10\n this update  ",
        "       scope  all certificates\n     entries  2\n   algorithm  ecdsa-with-SHA256\n   signature  not checked\n",
        "      number  11\n    delta of  9\n",
        "       scope  certificates of users, for the reasons keyCompromise, cACompromise\n",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(!text.contains("revoked"), "{text}");
}

#[test]
fn a_signature_of_somebody_else_is_told_and_the_answer_is_no() {
    let folder = folder();
    let path = folder.path();
    openssl(path, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out other.key");
    openssl(path, "req -x509 -new -key other.key -subj /O=Example/CN=Root -days 30 -out forger.pem");
    openssl(path, "req -x509 -new -key other.key -subj /CN=Other -days 30 -out other.pem");
    openssl(
        path,
        "req -x509 -new -key ca.key -subj /O=Example/CN=Root -days 30 -addext keyUsage=keyCertSign -out narrow.pem",
    );
    for (issuer, expected, code) in [
        ("ca.pem", "good", 0),
        ("forger.pem", "bad", 1),
        ("other.pem", "of another issuer than the certificates given", 1),
        ("narrow.pem", "made with a key whose keyUsage lacks cRLSign", 1),
    ] {
        let output = crl(path, &format!("ca.crl --issuer {issuer}"));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(&format!("   signature  {expected}\n")), "{text}");
        assert_eq!(output.status.code(), Some(code));
    }
}

#[test]
fn what_is_no_list_is_named() {
    let folder = folder();
    let path = folder.path();
    std::fs::write(path.join("page.crl"), "<!DOCTYPE html><p>Log in").unwrap();
    openssl(path, "ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.pem -crldays 30 -md sha1 -out old.crl");
    for (file, expected) in [
        ("page.crl", "page.crl holds no revocation list: it holds a page of HTML"),
        ("ca.pem", "ca.pem holds no revocation list: it holds CERTIFICATE"),
        ("none.crl", "cannot read none.crl: No such file"),
        (
            "old.crl",
            "the revocation list of CN=Root,O=Example in old.crl cannot be used: the signature algorithm 1.2.840.10045.4.1 (SHA-1 with ECDSA) is not accepted",
        ),
    ] {
        let output = crl(path, file);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(expected), "{expected}\n{text}");
        assert_eq!(output.status.code(), Some(1));
    }
}
