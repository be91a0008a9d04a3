//! Whom a certificate means: the identity rules as the administrator writes them, seen from the client and
//! from the application.
#![cfg(test)]

mod common;

use common::pki::{Authority, Credential, Leaf};
use common::setup::Setup;
use common::upstream::Upstream;

/// What becomes of a visit: the user that the application is told, or the reason of the refusal.
async fn visit(upstream: &Upstream, gate: &common::gate::Gate, credential: &Credential) -> String {
    let request = http::Request::get("/").header("Accept", "application/json").body(common::client::empty()).unwrap();
    let answer = gate.client().with(credential).http1().await.unwrap().send(request).await;
    match answer.status {
        200 => upstream.last().header("remote-user").unwrap(),
        _ => answer.json()["reason"].as_str().unwrap().to_owned(),
    }
}

fn setup(upstream: &Upstream, rules: &str) -> Setup {
    Setup::before(upstream)
        .account("bob", &["--email", "bob@example.org", "--alias", "robert", "--alias", "bob@example.com"])
        .section("identity", rules)
}

#[tokio::test]
async fn each_rule_finds_the_account_that_it_names() {
    let upstream = Upstream::start();
    let cases = [
        ("[{ from: san.email }]", Leaf::person("alice@example.org"), "alice"),
        ("[{ from: san.email }]", Leaf::person("alice@EXAMPLE.org"), "alice"),
        ("[{ from: san.email }]", Leaf::person("bob@example.com"), "bob"),
        ("[{ from: subject.cn }]", Leaf::client("alice"), "alice"),
        ("[{ from: subject.cn }]", Leaf::client("Alice"), "account_unknown"),
        ("[{ from: subject.cn, as: alias }]", Leaf::client("robert"), "bob"),
        ("[{ from: subject.cn }]", Leaf::client("robert"), "account_unknown"),
        ("[{ from: san.upn, pattern: '^([^@]+)@corp\\.example$' }]", Leaf::client("x").upn("bob@corp.example"), "bob"),
        (
            "[{ from: san.upn, pattern: '^([^@]+)@corp\\.example$' }]",
            Leaf::client("x").upn("bob@evil.example"),
            "identity_missing",
        ),
        ("[{ from: san.email }, { from: subject.cn }]", Leaf::client("alice"), "alice"),
        (
            "[{ from: san.email }, { from: subject.cn }]",
            Leaf::client("alice").email("x@example.org"),
            "account_unknown",
        ),
        (
            "[{ from: san.email, if_unknown: next }, { from: subject.cn }]",
            Leaf::client("alice").email("x@example.org"),
            "alice",
        ),
    ];
    for (rules, leaf, expected) in cases {
        let gate = setup(&upstream, rules).start();
        let credential = gate.pki.people.issue(leaf);
        assert_eq!(visit(&upstream, &gate, &credential).await, expected, "{rules}");
    }
}

#[tokio::test]
async fn a_rule_for_one_authority_does_not_believe_another() {
    let upstream = Upstream::start();
    let partners = Authority::root("Partners");
    let setup = setup(&upstream, "[{ from: subject.cn, issuers: [ca.pem] }]");
    let gate = setup
        .file("partners.pem", &partners.pem())
        .section("trust", "{ staff: { authorities: [ca.pem, partners.pem] } }")
        .start();
    assert_eq!(visit(&upstream, &gate, &gate.pki.people.issue(Leaf::client("alice"))).await, "alice");
    assert_eq!(visit(&upstream, &gate, &partners.issue(Leaf::client("alice"))).await, "issuer_not_allowed");
}

#[tokio::test]
async fn only_members_of_its_groups_pass_a_route_that_names_some() {
    let upstream = Upstream::start();
    let routes = "[{ path: /, authenticate: [certificate], upstream: app, allow: { groups: [staff, boss] } }]";
    let gate = Setup::before(&upstream)
        .account("bob", &["--email", "bob@example.org", "--group", "staff", "--group", "mail"])
        .account("carol", &["--email", "carol@example.org", "--group", "Staff"])
        .section("routes", routes)
        .start();
    assert_eq!(visit(&upstream, &gate, &gate.pki.person("bob")).await, "bob");
    assert_eq!(upstream.last().header("remote-groups").as_deref(), Some("mail,staff"));
    assert_eq!(visit(&upstream, &gate, &gate.pki.person("alice")).await, "not_authorized");
    assert_eq!(visit(&upstream, &gate, &gate.pki.person("carol")).await, "not_authorized");
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn no_name_can_end_its_header_or_split_its_list() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream)
        .account(
            "bob",
            &["--email", "bob@example.org", "--name", "Bö, \"the\" 100% Boss", "--group", "a,b", "--group", "c d"],
        )
        .start();
    assert_eq!(visit(&upstream, &gate, &gate.pki.person("bob")).await, "bob");
    let seen = upstream.last();
    let name = seen.header("remote-name").unwrap();
    assert_eq!(name, "B%C3%B6%2C \"the\" 100%25 Boss");
    let groups = seen.header("remote-groups").unwrap();
    assert_eq!(groups.split(',').count(), 2, "{groups}");
}

#[tokio::test]
async fn explain_says_beforehand_what_the_gate_then_does() {
    let upstream = Upstream::start();
    let gate = setup(&upstream, "[{ from: san.email }]").start();
    gate.wicketgate(&["account", "lock", "bob"]);
    let people = &gate.pki.people;
    for (name, credential) in [
        ("good", gate.pki.person("alice")),
        ("locked", gate.pki.person("bob")),
        ("unknown", gate.pki.person("nobody")),
        ("expired", people.issue(Leaf::person("alice@example.org").expired())),
        ("early", people.issue(Leaf::person("alice@example.org").not_yet_valid())),
        ("stranger", Authority::root("Stranger").issue(Leaf::person("alice@example.org"))),
        ("nameless", people.issue(Leaf::client("alice"))),
        ("two", people.issue(Leaf::person("alice@example.org").email("bob@example.org"))),
    ] {
        let (chain, _) = credential.write(gate.folder(), name);
        let outcome = visit(&upstream, &gate, &credential).await;
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_wicketgate"))
            .args(["explain", "-c"])
            .arg(gate.folder().join("wicketgate.yaml"))
            .arg(chain)
            .args(["--host", "gate.example.org"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&outcome), "{name}: the gate says {outcome}, explain says {text}");
        assert_eq!(output.status.code(), Some(i32::from(outcome != "alice")), "{name}: {text}");
    }
}
