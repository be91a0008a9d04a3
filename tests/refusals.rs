//! Whoever is turned away is told why in a form they can read, and the administrator finds the same in the log:
//! the reason, the certificate, and one identifier for both.
#![cfg(test)]

mod common;

use common::client::{Answer, Client, empty};
use common::gate::Gate;
use common::mariadb::{MariaDb, PASSWORD};
use common::pki::{Authority, Credential, Leaf};
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::Value;
use wicketgate::base::hex;

async fn ask(client: &Client, accept: &str) -> Answer {
    let request = Request::get("/some/path").header("Accept", accept).body(empty()).unwrap();
    client.http1().await.unwrap().send(request).await
}

/// The audit records, which stand in a file of their own.
fn audit(gate: &Gate) -> Vec<Value> {
    let text = std::fs::read_to_string(gate.folder().join("audit.log")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))).collect()
}

/// The audit record of a request.
#[track_caller]
fn record(gate: &Gate, request: &str) -> Value {
    common::eventually(&format!("the audit record of {request}"), || {
        audit(gate).into_iter().find(|record| record["request_id"] == request)
    })
}

fn setup(upstream: &Upstream) -> Setup {
    Setup::before(upstream).section("log", "{ audit: audit.log }")
}

#[tokio::test]
async fn the_page_comes_in_the_form_that_the_client_asks_for() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
    for (accept, kind) in [
        (browser, "text/html"),
        ("application/json", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("text/plain", "text/plain"),
        ("text/html;q=0.1, application/json", "application/json"),
    ] {
        let answer = ask(&gate.client(), accept).await;
        assert_eq!(answer.status, 403, "{accept}");
        assert!(answer.header("content-type").starts_with(kind), "{accept}: {}", answer.header("content-type"));
        assert!(answer.text().contains("certificate_required"), "{accept}: {}", answer.text());
        assert!(answer.header("cache-control").contains("no-store"), "a refusal is not cached");
        let identifier = answer.header("x-request-id").to_owned();
        assert!(!identifier.is_empty() && answer.text().contains(&identifier), "{accept}: {}", answer.text());
        if kind == "application/json" {
            assert_eq!(answer.json()["reason"], "certificate_required");
            assert_eq!(answer.json()["request_id"], identifier);
        }
    }
}

#[tokio::test]
async fn the_page_for_a_browser_says_how_to_choose_another_certificate() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let page = ask(&gate.client().with(&gate.pki.person("nobody")), "text/html").await;
    let text = page.text();
    assert!(text.starts_with("<!doctype html>") || text.starts_with("<!DOCTYPE html>"), "{text}");
    assert!(text.contains("account_unknown"), "{text}");
    assert!(text.to_lowercase().contains("close"), "browsers remember the choice until they are closed: {text}");
    assert!(page.header("content-security-policy").contains("default-src 'none'"), "{:?}", page.headers);
}

/// Every client that can be made wrong by its certificate alone, with the reason it must be told.
fn wrong_in_some_way(gate: &Gate) -> Vec<(&'static str, Credential)> {
    let people = &gate.pki.people;
    let alice = || Leaf::person("alice@example.org");
    vec![
        ("certificate_untrusted", Authority::root("Stranger").issue(alice())),
        ("certificate_expired", people.issue(alice().expired())),
        ("certificate_not_yet_valid", people.issue(alice().not_yet_valid())),
        ("certificate_unsuitable", people.issue(alice().only_for(ExtendedKeyUsagePurpose::ServerAuth))),
        ("identity_missing", people.issue(Leaf::client("alice"))),
        ("account_unknown", gate.pki.person("nobody")),
        ("account_inactive", gate.pki.person("bob")),
        ("identity_ambiguous", people.issue(alice().email("carol@example.org"))),
        ("identity_invalid", people.issue(Leaf::client("alice").email("alice\0@example.org"))),
    ]
}

#[tokio::test]
async fn every_refusal_names_its_reason_to_the_client_and_in_the_audit_log() {
    let upstream = Upstream::start();
    let gate = setup(&upstream)
        .account("bob", &["--email", "bob@example.org"])
        .account("carol", &["--email", "carol@example.org"])
        .start();
    gate.wicketgate(&["account", "lock", "bob"]);
    for (reason, credential) in wrong_in_some_way(&gate) {
        let answer = ask(&gate.client().with(&credential), "application/json").await;
        assert_eq!(answer.status, 403, "{reason}: {}", answer.text());
        assert_eq!(answer.json()["reason"], reason);
        let record = record(&gate, answer.header("x-request-id"));
        assert_eq!(record["reason"], reason, "{record}");
        assert_eq!(record["verdict"], "refuse", "{record}");
        let fingerprint = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &credential.chain[0]);
        assert_eq!(record["fingerprint"], hex::encode(fingerprint.as_ref()), "{record}");
        assert!(record["subject"].as_str().is_some_and(|subject| subject.starts_with("CN=")), "{record}");
        assert!(record["issuer"].as_str().is_some_and(|issuer| issuer.starts_with("CN=")), "{record}");
        assert!(record["serial"].as_str().is_some_and(|serial| !serial.is_empty()), "{record}");
    }
    assert!(upstream.requests().is_empty(), "{:#?}", upstream.requests());
}

#[tokio::test]
async fn who_passes_stands_in_the_audit_log_too() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    assert_eq!(ask(&gate.alice(), "*/*").await.status, 200);
    let record =
        common::eventually("the audit record", || audit(&gate).into_iter().find(|record| record["account"] == "alice"));
    assert_eq!(record["verdict"], "permit", "{record}");
    assert_eq!(record["authentication"], "certificate", "{record}");
    assert_eq!(record["issuer"], "CN=Example People", "{record}");
    assert_eq!(record["subject"], "CN=alice", "{record}");
    assert!(record["client"].as_str().is_some_and(|client| client.starts_with("127.0.0.1")), "{record}");
    assert!(record["route"].is_string() && record["time"].is_string(), "{record}");
    assert_eq!(upstream.only().header("x-request-id").as_deref(), record["request_id"].as_str());
}

#[tokio::test]
async fn hostile_text_in_a_certificate_breaks_neither_the_page_nor_the_log() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).section("identity", "[{ from: subject.cn, as: username }]").start();
    for name in
        ["<script>alert(1)</script>", "a\nverdict=permit", "a\",\"verdict\":\"permit", "a\u{202e}b", "\u{1b}[2J"]
    {
        let credential = gate.pki.people.issue(Leaf::client(name));
        let client = gate.client().with(&credential);
        for accept in ["text/html", "application/json", "text/plain"] {
            let answer = ask(&client, accept).await;
            assert_eq!(answer.status, 403, "{name:?}");
            assert!(!answer.text().contains("<script>"), "{name:?}: {}", answer.text());
            assert!(!answer.text().contains(['\u{202e}', '\u{1b}']), "{name:?}: {:?}", answer.text());
            let record = record(&gate, answer.header("x-request-id"));
            assert_eq!(record["verdict"], "refuse", "{name:?}: {record}");
        }
    }
    assert!(!gate.log().contains('\u{1b}'), "{:?}", gate.log());
}

#[tokio::test]
async fn a_name_that_looks_like_a_statement_is_only_a_name() {
    let mariadb = MariaDb::start();
    let upstream = Upstream::start();
    let identity = "[{ from: subject.cn, as: username }]";
    let mysql = format!("{{ mysql: {} }}", mariadb.configuration());
    for accounts in ["{ sqlite: { path: accounts.db } }", &mysql] {
        let setup = setup(&upstream).section("identity", identity).section("accounts", accounts);
        let gate = setup.file("db.password", PASSWORD).start();
        for name in
            ["alice' OR 'a'='a", "alice'-- ", "alice\\' OR 1=1#", "x'; DROP TABLE accounts; --", "alice%", "alic_"]
        {
            let client = gate.client().with(&gate.pki.people.issue(Leaf::client(name)));
            let answer = ask(&client, "application/json").await;
            let reason = answer.json()["reason"].as_str().unwrap().to_owned();
            assert!(["account_unknown", "identity_invalid"].contains(&reason.as_str()), "{name:?}: {reason}");
        }
        let alice = gate.client().with(&gate.pki.people.issue(Leaf::client("alice")));
        assert_eq!(ask(&alice, "*/*").await.status, 200, "nothing has happened to the accounts");
    }
}

#[tokio::test]
async fn an_identifier_that_a_client_brings_is_not_believed() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let request = Request::get("/").header("X-Request-Id", "mine").body(empty()).unwrap();
    let answer = gate.alice().http1().await.unwrap().send(request).await;
    assert_eq!(answer.status, 200);
    assert_ne!(upstream.only().header("x-request-id").as_deref(), Some("mine"));
}

#[test]
fn who_is_refused_while_sending_a_large_body_still_reads_why() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let file = gate.folder().join("upload");
    std::fs::File::create(&file).unwrap().set_len(64 << 20).unwrap();
    for version in ["--http1.1", "--http2"] {
        for round in 0..5 {
            // Without `Expect`, the body is on its way before the answer is.
            let output = gate.curl("/", &[version, "--header", "Expect:", "--upload-file", file.to_str().unwrap()]);
            assert_eq!(output.status, 403, "{round} of {version}: {output:?}");
            assert!(output.body.contains("certificate_required"), "{round} of {version}: {output:?}");
        }
    }
}
