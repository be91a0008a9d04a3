//! curl reaches the application as an administrator would have it: with a PKCS#12 file, over either version
//! of HTTP, and by password where it has no certificate.
#![cfg(test)]

mod common;

use common::gate::Gate;
use common::pki::{Authority, Credential, Leaf, write_private};
use common::setup::Setup;
use common::upstream::Upstream;
use std::process::Command;

const VERSIONS: [&str; 2] = ["--http1.1", "--http2"];

/// Writes a credential as `NAME.p12`, the way people are given it, and gives curl's options for it.
fn pkcs12(gate: &Gate, name: &str, credential: &Credential) -> [String; 4] {
    let (chain, key) = credential.write(gate.folder(), name);
    let file = gate.folder().join(format!("{name}.p12"));
    let mut export = Command::new("openssl");
    export.args(["pkcs12", "-export", "-passout", "pass:secret", "-inkey"]).arg(key).arg("-in").arg(chain);
    assert!(export.arg("-out").arg(&file).status().unwrap().success());
    ["--cert-type".into(), "P12".into(), "--cert".into(), format!("{}:secret", file.display())]
}

/// A gate on which alice has a password for HTTP Digest.
fn with_password(upstream: &Upstream) -> Gate {
    let routes = "[{ path: /, authenticate: [certificate, digest], upstream: app }, \
                   { path: /certificate-only, authenticate: [certificate], upstream: app }]";
    let gate = Setup::before(upstream).section("routes", routes).section("digest", "{ realm: example.org }").start();
    let password = gate.folder().join("alice.password");
    write_private(&password, "of-alice\n");
    gate.wicketgate(&["account", "password", "alice", "--file", password.to_str().unwrap()]);
    gate
}

#[test]
fn a_pkcs_12_file_is_enough_to_get_in_over_either_version() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let certificate = pkcs12(&gate, "alice", &gate.pki.person("alice"));
    for version in VERSIONS {
        let mut options: Vec<&str> = certificate.iter().map(String::as_str).collect();
        options.push(version);
        let output = gate.curl("/inbox", &options);
        assert_eq!((output.status, output.body.as_str()), (200, "ok"), "{version}: {output:?}");
        assert_eq!(upstream.last().header("remote-user").as_deref(), Some("alice"), "{version}");
    }
}

#[test]
fn a_digest_password_is_enough_where_the_route_allows_it() {
    let upstream = Upstream::start();
    let gate = with_password(&upstream);
    for version in VERSIONS {
        let output = gate.curl("/inbox?of=alice", &["--digest", "-u", "alice:of-alice", version]);
        assert_eq!((output.status, output.body.as_str()), (200, "ok"), "{version}: {output:?}");
        let seen = upstream.last();
        assert_eq!(seen.header("remote-user").as_deref(), Some("alice"), "{version}");
        assert_eq!(seen.header("x-client-verify").as_deref(), Some("NONE"), "{version}");
        assert_eq!(seen.header("authorization"), None, "{version}");
    }
    let before = upstream.requests().len();
    for (path, user, expected) in [
        ("/", "alice:wrong", 401),
        ("/", "nobody:of-alice", 401),
        ("/", "ALICE:of-alice", 401),
        ("/certificate-only", "alice:of-alice", 403),
    ] {
        let output = gate.curl(path, &["--digest", "-u", user]);
        assert_eq!(output.status, expected, "{user} on {path}: {output:?}");
    }
    assert_eq!(gate.curl("/", &["--basic", "-u", "alice:of-alice"]).status, 401, "no other scheme counts");
    assert_eq!(upstream.requests().len(), before, "nothing passed");
    assert!(!gate.log().contains("of-alice"), "no password is logged");
}

#[test]
fn both_algorithms_are_offered_the_better_one_first() {
    let upstream = Upstream::start();
    let gate = with_password(&upstream);
    let output = gate.curl("/", &["-i"]);
    assert_eq!(output.status, 401);
    let offers: Vec<&str> = output.body.lines().filter(|line| line.to_lowercase().starts_with("www-auth")).collect();
    assert!(offers.len() == 2 && offers[0].contains("SHA-256") && offers[1].contains("MD5"), "{offers:?}");
}

#[test]
fn a_right_password_does_not_rescue_a_refused_certificate() {
    let upstream = Upstream::start();
    let gate = with_password(&upstream);
    let alice = || Leaf::person("alice@example.org");
    for (name, credential) in [
        ("certificate_untrusted", Authority::root("Stranger").issue(alice())),
        ("certificate_expired", gate.pki.people.issue(alice().expired())),
        ("account_unknown", gate.pki.person("nobody")),
    ] {
        let certificate = pkcs12(&gate, name, &credential);
        let mut options: Vec<&str> = certificate.iter().map(String::as_str).collect();
        options.extend(["--digest", "-u", "alice:of-alice"]);
        let output = gate.curl("/", &options);
        assert_eq!(output.status, 403, "{name}: {output:?}");
        assert!(output.body.contains(name), "{output:?}");
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn an_upload_that_waits_for_leave_arrives_whole() {
    let upstream = Upstream::start();
    let gate = with_password(&upstream);
    let file = gate.folder().join("upload");
    std::fs::write(&file, vec![b'u'; 3 << 20]).unwrap();
    for version in VERSIONS {
        let options = ["-T", file.to_str().unwrap(), "--digest", "-u", "alice:of-alice", "--expect100-timeout", "20"];
        let output = gate.curl("/upload", &[&options[..], &[version]].concat());
        assert_eq!(output.status, 200, "{version}: {output:?}");
        assert_eq!(upstream.last().length, 3 << 20, "{version}");
    }
}
