//! Whose certificates are accepted is a matter of the listener, of the host and of the route; a connection whose
//! certificate one of them accepts has gained nothing with another.
#![cfg(test)]

mod common;

use common::client::get;
use common::gate::Gate;
use common::pki::{Authority, Credential, Leaf, far};
use common::setup::Setup;
use common::upstream::Upstream;
use rcgen::ExtendedKeyUsagePurpose;
use rustls::version::{TLS12, TLS13};
use std::process::Command;
use std::time::Duration;

const TWO_SETS: &str = "{ staff: { authorities: [ca.pem] }, partners: { authorities: [partners.pem] } }";

/// Our own authority, and that of partners, one of whom has an account.
struct World {
    partners: Authority,
    paula: Credential,
}

fn world(upstream: &Upstream) -> (Setup, World) {
    let partners = Authority::root("Partners");
    let paula = partners.issue(Leaf::person("paula@partners.example"));
    let setup = Setup::before(upstream)
        .account("paula", &["--email", "paula@partners.example"])
        .file("partners.pem", &partners.pem())
        .section("trust", TWO_SETS);
    (setup, World { partners, paula })
}

/// A listener whose routes below `/partners` trust others than the listener does.
fn by_route(upstream: &Upstream) -> (Setup, World) {
    let (setup, world) = world(upstream);
    let routes = "[{ path: /, upstream: app }, { path: /partners, trust: partners, upstream: app }]";
    (setup.section("routes", routes), world)
}

#[tokio::test]
async fn a_route_decides_by_its_own_set_on_every_request_of_a_connection() {
    let upstream = Upstream::start();
    let (setup, world) = by_route(&upstream);
    let gate = setup.start();
    let (alice, paula) = (gate.alice(), gate.client().with(&world.paula));
    for (client, name, own, other) in [(&alice, "alice", "/", "/partners"), (&paula, "paula", "/partners/x", "/x")] {
        for (version, connection) in &mut client.both().await {
            for _ in 0..3 {
                let answer = connection.get(own).await;
                assert_eq!(answer.status, 200, "{name} {version}: {}", answer.text());
                assert_eq!(upstream.last().header("remote-user").as_deref(), Some(name), "{version}");
                let answer = connection.get(other).await;
                assert_eq!(answer.status, 403, "{name} {version}");
                assert!(answer.text().contains("certificate_untrusted"), "{name} {version}: {}", answer.text());
            }
        }
    }
    assert_eq!(upstream.requests().len(), 2 * 2 * 3);
}

#[tokio::test]
async fn a_resumed_session_is_judged_by_the_set_of_the_route() {
    let upstream = Upstream::start();
    let (setup, world) = by_route(&upstream);
    let gate = setup.start();
    for version in [&TLS12, &TLS13] {
        let paula = gate.client().with(&world.paula).speaking(version);
        for _ in 0..2 {
            assert_eq!(paula.get("/partners").await.says(), "ok", "{:?}", version.version);
            assert!(paula.get("/").await.says().contains("certificate_untrusted"), "{:?}", version.version);
        }
    }
}

#[tokio::test]
async fn a_host_decides_by_its_own_set() {
    let upstream = Upstream::start();
    let (setup, world) = world(&upstream);
    let gate = setup.listener("hosts", "[{ name: partners.example.org, trust: partners }]").start();
    let paula = gate.client().with(&world.paula);
    assert!(paula.get("/").await.says().contains("certificate_untrusted"));
    assert_eq!(paula.named("partners.example.org").get("/").await.says(), "ok");
    assert!(gate.alice().named("partners.example.org").get("/").await.says().contains("certificate_untrusted"));
    assert_eq!(gate.alice().get("/").await.says(), "ok");
}

#[tokio::test]
async fn where_refusals_fail_the_handshake_what_any_route_accepts_comes_in_and_the_route_decides() {
    let upstream = Upstream::start();
    let (setup, world) = by_route(&upstream);
    let gate = setup.listener("on_rejected_certificate", "alert").start();
    let stranger = Authority::root("Stranger").issue(Leaf::person("alice@example.org"));
    for version in [&TLS12, &TLS13] {
        let paula = gate.client().with(&world.paula).speaking(version);
        assert_eq!(paula.get("/partners").await.says(), "ok");
        let mut connection = paula.http1().await.unwrap();
        assert!(connection.try_send(get("/")).await.is_err(), "the connection is closed without an answer");
        let refused = match gate.client().with(&stranger).speaking(version).http1().await {
            Ok(mut connection) => connection.try_send(get("/partners")).await.is_err(),
            Err(_) => true,
        };
        assert!(refused, "a stranger comes no further than the handshake, {:?}", version.version);
    }
    assert!(upstream.requests().iter().all(|request| request.target() == "/partners"));
}

/// The names of authorities that a client is told of which asks for this host.
fn told_of(gate: &Gate, host: &str) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &gate.address.to_string(), "-servername", host])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.split_once("Acceptable client certificate CA names").map(|(_, rest)| rest);
    names.unwrap_or_default().lines().skip(1).take_while(|line| line.contains("CN")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_browser_is_told_of_the_authorities_of_every_route_that_it_can_reach() {
    let upstream = Upstream::start();
    let (setup, _) = world(&upstream);
    let hosts = "[{ name: own.example.org, trust: staff }, { name: silent.example.org, advertise: none }, \
                  { name: chosen.example.org, advertise: [partners.pem] }]";
    let routes = "[{ host: gate.example.org, path: /, upstream: app }, \
                   { host: gate.example.org, path: /partners, trust: partners, upstream: app }, \
                   { host: silent.example.org, trust: partners, upstream: app }, \
                   { host: own.example.org, upstream: app }, { host: chosen.example.org, upstream: app }]";
    let gate = setup.listener("hosts", hosts).section("routes", routes).start();
    for (host, staff, partners) in [
        ("gate.example.org", true, true),
        ("own.example.org", true, false),
        ("silent.example.org", false, false),
        ("chosen.example.org", false, true),
    ] {
        let names = told_of(&gate, host);
        assert_eq!(
            (names.contains("Example Root"), names.contains("Partners")),
            (staff, partners),
            "{host} is told of: {names}"
        );
    }
}

#[tokio::test]
async fn an_intermediate_authority_may_be_an_anchor() {
    let upstream = Upstream::start();
    let setup = Setup::before(&upstream).section("trust", "{ staff: { authorities: [people.pem] } }");
    let others = setup.pki.root.intermediate("Example Machines");
    let machine = others.issue(Leaf::person("alice@example.org"));
    let people = setup.pki.people.pem();
    let gate = setup.file("people.pem", &people).start();
    assert_eq!(gate.alice().get("/").await.says(), "ok");
    let machine = gate.client().with(&machine);
    assert!(machine.get("/").await.says().contains("certificate_untrusted"), "its root is not trusted here");
}

#[tokio::test]
async fn a_path_may_lead_over_intermediates_that_the_client_does_not_send() {
    let upstream = Upstream::start();
    for (trust, expected) in [
        ("{ staff: { authorities: [ca.pem] } }", "certificate_untrusted"),
        ("{ staff: { authorities: [ca.pem], intermediates: [people.pem] } }", "ok"),
        ("{ staff: { authorities: [partners.pem], intermediates: [people.pem] } }", "certificate_untrusted"),
    ] {
        let setup = Setup::before(&upstream).section("trust", trust);
        let people = setup.pki.people.pem();
        let mut alice = setup.pki.person("alice");
        alice.chain.truncate(1);
        let gate = setup.file("people.pem", &people).file("partners.pem", &Authority::root("Partners").pem()).start();
        let reason = gate.client().with(&alice).get("/").await.says();
        assert!(reason.contains(expected), "{trust}: {reason}");
    }
}

#[tokio::test]
async fn smart_card_logon_is_accepted_where_the_set_says_so() {
    let upstream = Upstream::start();
    let logon = || ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 2]);
    for (key, expected) in [("", "certificate_unsuitable"), (", smart_card_logon: true", "ok")] {
        let trust = format!("{{ staff: {{ authorities: [ca.pem]{key} }} }}");
        let gate = Setup::before(&upstream).section("trust", &trust).start();
        let card = gate.pki.people.issue(Leaf::person("alice@example.org").only_for(logon()));
        let reason = gate.client().with(&card).get("/").await.says();
        assert!(reason.contains(expected), "{trust}: {reason}");
    }
}

#[tokio::test]
async fn only_the_leaf_is_asked_about_where_the_set_says_so() {
    let upstream = Upstream::start();
    for (scope, expected) in [("chain", "certificate_revoked"), ("leaf", "ok")] {
        let revocation = format!("{{ scope: {scope}, crl: {{ files: [root.crl, people.crl] }} }}");
        let trust = format!("{{ staff: {{ authorities: [ca.pem], revocation: {revocation} }} }}");
        let setup = Setup::before(&upstream).section("trust", &trust);
        let root = setup.pki.root.revocation_list(&[&setup.pki.people.credential()], far());
        let people = setup.pki.people.revocation_list(&[], far());
        let gate = setup.file("root.crl", &root).file("people.crl", &people).start();
        let reason = gate.alice().get("/").await.says();
        assert!(reason.contains(expected), "{scope}: {reason}");
    }
}

#[tokio::test]
async fn explain_asks_the_set_of_the_route_and_tells_what_each_source_says() {
    let upstream = Upstream::start();
    let (setup, world) = by_route(&upstream);
    let trust = "{ staff: { authorities: [ca.pem] }, \
                  partners: { authorities: [partners.pem], revocation: { crl: { files: [partners.crl] } } } }";
    let list = world.partners.revocation_list(&[], far());
    let gate =
        setup.section("trust", trust).file("partners.crl", &list).file("paula.pem", &world.paula.chain_pem()).start();
    let certificate = gate.folder().join("paula.pem").display().to_string();
    let accepted = gate.wicketgate(&["explain", &certificate, "--path", "/partners"]);
    for text in ["trust partners", "crl: not revoked", "list 1 of CN=Partners", "partners.crl", "database: not revoked"]
    {
        assert!(accepted.contains(text), "{text:?} is not in:\n{accepted}");
    }
    let mut explain = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
    explain.args(["explain", &certificate, "--path", "/", "-c"]).arg(gate.folder().join("wicketgate.yaml"));
    let refused = String::from_utf8_lossy(&explain.output().unwrap().stdout).into_owned();
    assert!(refused.contains("certificate_untrusted") && !refused.contains("crl:"), "{refused}");
}

#[tokio::test]
async fn a_reload_that_changes_nothing_of_a_set_disturbs_none_of_its_connections() {
    let upstream = Upstream::start();
    let (setup, world) = by_route(&upstream);
    let gate = setup.start();
    let mut connections = gate.client().with(&world.paula).both().await;
    for round in 0..3 {
        for (version, connection) in &mut connections {
            assert_eq!(connection.get("/partners").await.status, 200, "{version}, round {round}");
        }
        gate.reload();
        gate.log_line(&["configuration taken up", &format!("\"epoch\":{}", round + 2)]);
    }
    // A set whose authorities are others is another one, and its connections are worth what it says.
    let stranger = Authority::root("Partners");
    common::pki::write_private(&gate.folder().join("partners.pem"), &stranger.pem());
    gate.log_line(&["configuration taken up", "\"epoch\":5"]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    for (version, connection) in &mut connections {
        // It has been closed by now, or answers why not.
        let answer = connection.try_send(get("/partners")).await;
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 403), "{version}");
    }
}

#[tokio::test]
async fn one_of_the_allowed_issuers_must_stand_on_the_path() {
    let upstream = Upstream::start();
    for (issuers, alice, machine) in [
        ("people.pem", "ok", "issuer_not_allowed"),
        ("machines.pem", "issuer_not_allowed", "ok"),
        ("people.pem, machines.pem", "ok", "ok"),
        ("ca.pem", "ok", "ok"),
    ] {
        let trust = format!("{{ staff: {{ authorities: [ca.pem], issuers: [{issuers}] }} }}");
        let setup = Setup::before(&upstream).section("trust", &trust);
        let machines = setup.pki.root.intermediate("Example Machines");
        let people = setup.pki.people.pem();
        let gate = setup.file("people.pem", &people).file("machines.pem", &machines.pem()).start();
        assert!(gate.alice().get("/").await.says().contains(alice), "{issuers}");
        let client = gate.client().with(&machines.issue(Leaf::person("alice@example.org")));
        assert!(client.get("/").await.says().contains(machine), "{issuers}");
    }
}

#[tokio::test]
async fn a_path_must_stand_for_an_accepted_policy_where_one_is_required() {
    const OWN: &[u64] = &[1, 3, 6, 1, 4, 1, 99999, 1];
    let upstream = Upstream::start();
    for (policies, with, without) in [
        ("", "ok", "ok"),
        ("policies: { accept: [1.3.6.1.4.1.99999.1], require: true }", "ok", "certificate_unsuitable"),
        (
            "policies: { accept: [1.3.6.1.4.1.99999.2], require: true }",
            "certificate_unsuitable",
            "certificate_unsuitable",
        ),
        ("policies: { accept: [1.3.6.1.4.1.99999.2] }", "ok", "ok"),
        ("policies: { require: true }", "ok", "certificate_unsuitable"),
    ] {
        let trust = format!("{{ staff: {{ authorities: [ca.pem], {policies} }} }}");
        let gate = Setup::before(&upstream).section("trust", &trust).start();
        let own = gate.pki.root.issue(Leaf::person("alice@example.org").policy(OWN));
        assert!(gate.client().with(&own).get("/").await.says().contains(with), "{policies}");
        assert!(gate.alice().get("/").await.says().contains(without), "{policies}");
    }
}
