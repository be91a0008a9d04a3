//! The address for administrators: what it answers, whom it answers, and the commands that ask there.
#![cfg(test)]

mod common;

use common::admin::{Answer, command, get, say, with_admin};
use common::client::Client;
use common::eventually;
use common::gate::{Gate, unused_address};
use common::pki::{Leaf, past};
use common::raw::{Raw, status};
use common::setup::Setup;
use common::upstream::Upstream;
use serde_json::Value;
use std::net::SocketAddr;
use std::process::Output;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn edit(gate: &Gate, from: &str, to: &str) {
    let file = gate.folder().join("wicketgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(&file, text.replace(from, to)).unwrap();
}

#[test]
fn a_gate_says_that_it_lives_and_that_it_is_ready() {
    let upstream = Upstream::start();
    let (setup, admin) = with_admin(Setup::before(&upstream));
    let _gate = setup.start();
    assert_eq!((get(admin, "/healthz").status, get(admin, "/healthz").body.as_str()), (200, "ok\n"));
    eventually("the feed of changes to be read", || (get(admin, "/readyz").status == 200).then_some(()));
    let ready = get(admin, "/readyz").body;
    for name in ["configuration", "trust", "database", "process"] {
        assert!(ready.contains(&format!("ok {name}:")), "{ready}");
    }
    for (head, expected) in [
        ("GET /nothing HTTP/1.1", 404),
        ("POST /metrics HTTP/1.1", 405),
        ("GET /reload HTTP/1.1", 405),
        ("HEAD /readyz HTTP/1.1", 200),
    ] {
        let Answer { status, head: answered, .. } = say(admin, &format!("{head}\r\nHost: localhost"));
        assert_eq!(status, expected, "{head}: {answered}");
        assert!(answered.contains("no-store") && answered.contains("nosniff"), "{answered}");
    }
}

#[tokio::test]
async fn a_gate_whose_lists_have_run_out_lives_and_is_not_ready() {
    let upstream = Upstream::start();
    let setup = Setup::before(&upstream);
    let (root, people) = (setup.pki.root.revocation_list(&[], past()), setup.pki.people.revocation_list(&[], past()));
    let crl = "crl: { files: [root.crl, people.crl] }";
    let routes = "[{ path: /, authenticate: [certificate], upstream: app },\
                   { path: /-/health, authenticate: [certificate], anonymous: allow, upstream: { service: health } },\
                   { path: /-/ready, authenticate: [certificate], anonymous: allow, upstream: { service: ready } }]";
    let setup = setup
        .section("trust", &format!("{{ staff: {{ authorities: [ca.pem], revocation: {{ {crl} }} }} }}"))
        .section("routes", routes)
        .file("root.crl", &root)
        .file("people.crl", &people);
    let (setup, admin) = with_admin(setup);
    let gate = setup.start();
    assert_eq!(get(admin, "/healthz").status, 200);
    let ready = get(admin, "/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("NOT trust: staff: every revocation list has run out"), "{}", ready.body);
    assert_eq!(gate.client().get("/-/health").await.says(), "ok\n");
    let told = gate.client().get("/-/ready").await;
    assert_eq!(told.status, 503);
    assert!(told.says().contains("trust") && !told.says().contains("staff"), "{}", told.says());
    let status = command(&gate, &["status"]);
    assert_eq!(status.status.code(), Some(1), "{}", said(&status));
    assert!(said(&status).contains("NOT READY") && said(&status).contains("run out"), "{}", said(&status));
}

#[test]
fn a_page_of_another_site_reaches_nothing_through_somebodys_browser() {
    let upstream = Upstream::start();
    let (setup, admin) = with_admin(Setup::before(&upstream));
    let gate = setup.start();
    let port = admin.port();
    for head in [
        format!("GET /metrics HTTP/1.1\r\nHost: attacker.example:{port}"),
        "GET /metrics HTTP/1.0".to_owned(),
        "GET /status HTTP/1.1\r\nHost: localhost\r\nHost: localhost".to_owned(),
        format!(
            "POST /reload HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: https://attacker.example\r\nContent-Length: 0"
        ),
        format!("POST /reload HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 0"),
    ] {
        let answer = say(admin, &head);
        assert!(matches!(answer.status, 400 | 421), "{head}: {}", answer.head);
        assert!(!answer.body.contains("wicketgate_"), "{head}");
    }
    assert!(!gate.log().contains("configuration taken up"), "nothing was reloaded");
}

#[test]
fn a_reload_says_what_it_has_changed_or_everything_that_is_wrong() {
    let upstream = Upstream::start();
    let (setup, _) = with_admin(Setup::before(&upstream));
    let gate = setup.start();
    let nothing = command(&gate, &["reload"]);
    assert!(nothing.status.success() && said(&nothing).contains("configuration 2 is in force"), "{}", said(&nothing));

    let other = gate.pki.root.issue(Leaf::server(&["gate.example.org"]));
    other.write(gate.folder(), "server");
    edit(&gate, "path: /,", "path: /app,");
    // The watch over the files may have been quicker, and says the same in the log.
    let changed = said(&command(&gate, &["reload"])) + &gate.log();
    assert!(changed.contains("listener guarded shows other certificates"), "{changed}");
    assert!(changed.contains("section routes is another one"), "{changed}");

    edit(&gate, "upstream: app", "upstream: ap");
    edit(&gate, "path: /app,", "path: /app, colour: red,");
    let refused = command(&gate, &["reload", "--json"]);
    // What is wrong in itself is said by the command before anybody is asked.
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("colour") && said(&refused).contains("`ap`"), "{}", said(&refused));
}

#[test]
fn a_reload_that_the_gate_refuses_changes_nothing() {
    let upstream = Upstream::start();
    let (setup, admin) = with_admin(Setup::before(&upstream));
    let gate = setup.start();
    std::fs::write(gate.folder().join("ca.pem"), "nothing").unwrap();
    let refused = command(&gate, &["reload", "--json"]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    let outcome: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert!(outcome["refused"].as_str().unwrap().contains("ca.pem"), "{outcome}");
    let status: Value = serde_json::from_str(&get(admin, "/status").body).unwrap();
    assert_eq!(status["epoch"], 1);
}

#[tokio::test]
async fn status_and_top_show_what_the_gate_does() {
    let upstream = Upstream::start();
    let (setup, _) = with_admin(Setup::before(&upstream));
    let gate = setup.start();
    assert_eq!(gate.alice().get("/").await.status, 200);
    assert_eq!(gate.client().get("/").await.status, 403);
    let json: Value = serde_json::from_slice(&command(&gate, &["status", "--json"]).stdout).unwrap();
    assert_eq!(json["listeners"][0]["address"], gate.address.to_string());
    assert_eq!(json["upstreams"][0]["name"], "app");
    assert_eq!(json["refusals"][0]["reason"], "certificate_required");
    assert!(json["certificates"].as_array().unwrap().iter().any(|certificate| certificate["role"] == "authority"));
    let text = said(&command(&gate, &["status"]));
    for expected in ["ready", "listener guarded", "certificate_required", "app", "TURNED AWAY", "CERTIFICATE"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let top = command(&gate, &["top", "--once", "--interval", "1"]);
    assert!(top.status.success() && said(&top).contains("REQ/S"), "{}", said(&top));
    assert!(!said(&top).contains('\x1b'), "no escape sequences where there is no terminal");
}

#[test]
fn a_gate_that_does_not_run_or_has_no_address_is_said_to() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let without = command(&gate, &["status"]);
    assert_eq!(without.status.code(), Some(2));
    assert!(said(&without).contains("admin: { address"), "{}", said(&without));
    let nowhere = unused_address();
    let file = gate.folder().join("wicketgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}admin: {{ address: \"{nowhere}\" }}\n")).unwrap();
    let silent = command(&gate, &["status", "--address", &unused_address().to_string()]);
    assert_eq!(silent.status.code(), Some(1), "{}", said(&silent));
    assert!(said(&silent).contains("what to do"), "{}", said(&silent));
}

/// A gate whose address for administrators asks for a certificate of alice's.
fn guarded(upstream: &Upstream) -> (Gate, SocketAddr) {
    let address = unused_address();
    let setup = Setup::before(upstream).account("bob", &["--email", "bob@example.org"]);
    let admin = format!(
        "{{ address: \"{address}\", tls: {{ chain: server.pem, key: server.key }}, trust: staff, \
         allow: {{ accounts: [alice] }} }}"
    );
    (setup.section("admin", &admin).start(), address)
}

fn ask(client: Client, path: &str) -> std::io::Result<String> {
    let mut raw = Raw::try_connect(&client, &["http/1.1"])?;
    raw.try_send(format!("GET {path} HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\n\r\n"))?;
    let said = raw.read_to_end();
    if said.is_empty() { Err(std::io::ErrorKind::ConnectionAborted.into()) } else { Ok(said) }
}

#[test]
fn only_administrators_pass_where_a_certificate_is_asked_for() {
    let upstream = Upstream::start();
    let (gate, admin) = guarded(&upstream);
    let client = || gate.client().at(admin);
    let whole = ask(client().with(&gate.pki.person("alice")), "/metrics").unwrap();
    assert!(status(&whole) == 200 && whole.contains("wicketgate_build_info"), "{whole}");
    let bob = ask(client().with(&gate.pki.person("bob")), "/metrics").unwrap();
    assert!(status(&bob) == 403 && bob.contains("not_authorized") && !bob.contains("wicketgate_"), "{bob}");
    let nobody = ask(client().with(&gate.pki.person("mallory")), "/metrics").unwrap();
    assert!(status(&nobody) == 403 && nobody.contains("account_unknown"), "{nobody}");
    let stranger = common::pki::Authority::root("Somebody else").issue(Leaf::person("alice@example.org"));
    assert!(ask(client().with(&stranger), "/metrics").is_err(), "the handshake fails");
    let expired = gate.pki.people.issue(Leaf::person("alice@example.org").expired());
    assert!(ask(client().with(&expired), "/metrics").is_err(), "the handshake fails");
    assert!(ask(client(), "/healthz").is_err(), "without a certificate there is not even health");
    let mut plain = std::net::TcpStream::connect(admin).unwrap();
    std::io::Write::write_all(&mut plain, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // However it ends, nothing is answered.
    let _ = std::io::Read::read_to_end(&mut plain, &mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));

    gate.wicketgate(&["account", "lock", "alice"]);
    eventually("alice's account to be locked here too", || {
        let answer = ask(client().with(&gate.pki.person("alice")), "/metrics").unwrap();
        answer.contains("account_inactive").then_some(())
    });
}

#[test]
fn commands_show_the_administrators_certificate() {
    let upstream = Upstream::start();
    let (gate, _) = guarded(&upstream);
    gate.pki.person("alice").write(gate.folder(), "alice");
    let file = |name: &str| gate.folder().join(name).display().to_string();
    let (certificate, key, ca) = (file("alice.pem"), file("alice.key"), file("ca.pem"));
    let words = ["reload", "--certificate", &certificate, "--key", &key, "--ca", &ca, "--name", "gate.example.org"];
    let reload = command(&gate, &words);
    assert!(reload.status.success(), "{}", said(&reload));
    gate.log_line(&["a reload was asked for", "alice"]);
    let without = command(&gate, &["reload"]);
    assert_eq!(without.status.code(), Some(2));
    assert!(said(&without).contains("--certificate"), "{}", said(&without));
}

#[test]
fn the_address_moves_with_a_reload_and_one_that_is_taken_refuses_it() {
    let upstream = Upstream::start();
    let (setup, admin) = with_admin(Setup::before(&upstream));
    let gate = setup.start();
    let taken = std::net::TcpListener::bind(unused_address()).unwrap();
    edit(&gate, &admin.to_string(), &taken.local_addr().unwrap().to_string());
    gate.log_line(&["configuration refused", "(admin)"]);
    assert_eq!(get(admin, "/healthz").status, 200, "the old address goes on");
    let other = unused_address();
    edit(&gate, &taken.local_addr().unwrap().to_string(), &other.to_string());
    eventually("the new address to answer", || std::net::TcpStream::connect(other).ok());
    assert_eq!(get(other, "/healthz").status, 200);
    eventually("the old one to be given up", || std::net::TcpStream::connect(admin).is_err().then_some(()));
}
