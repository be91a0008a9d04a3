//! Who may pass a route: `allow` and `deny`, on the example that the manual explains.
#![cfg(test)]

mod common;

use common::client::{Answer, Client};
use common::gate::Gate;
use common::pki::{Authority, Leaf, write_private};
use common::setup::Setup;
use common::upstream::Upstream;
use std::process::Command;

/// The example, with tests' addresses, before an application.
fn example(upstream: &Upstream) -> Setup {
    let server = format!("http://{}", upstream.address());
    let exchange = [
        ("http://10.0.0.5:8080", server.as_str()),
        // The tests' clients come from loopback addresses.
        ("[10.0.0.0/8, \"fd00::/8\"]", "[127.0.0.0/8]"),
    ];
    let setup = Setup::before(upstream).example("authorization.yaml", &exchange);
    let people = setup.pki.people.pem();
    let mut setup = setup.file("staff-ca.pem", &people).file("nonce.secret", &"0123456789abcdef".repeat(2));
    for (name, groups) in [
        ("boss", &["admin"][..]),
        ("worker", &["staff"]),
        ("auditor", &[]),
        ("intern", &["staff", "admin"]),
        ("stranger", &[]),
    ] {
        let address = format!("{name}@example.org");
        let mut options = vec!["--email", &address];
        groups.iter().for_each(|group| options.extend(["--group", group]));
        setup = setup.account(name, &options);
    }
    setup
}

async fn visit(client: &Client, path: &str) -> Answer {
    client.clone().named("app.example.org").get(path).await
}

/// The account that the application was told, or the reason of the refusal.
async fn outcome(upstream: &Upstream, client: &Client, path: &str) -> String {
    let answer = visit(client, path).await;
    match answer.status {
        200 => upstream.last().header("remote-user").unwrap(),
        _ => answer.says(),
    }
}

#[track_caller]
fn with_password(gate: &Gate, name: &str) {
    let file = gate.folder().join("password");
    write_private(&file, &format!("of-{name}\n"));
    gate.wicketgate(&["account", "password", name, "--file", file.to_str().unwrap()]);
}

#[tokio::test]
async fn the_admin_console_opens_for_administrators_with_a_certificate_alone() {
    let upstream = Upstream::start();
    let gate = example(&upstream).start();
    let by_certificate = |name| gate.client().with(&gate.pki.person(name));
    for (name, path, expected) in [
        ("boss", "/", "boss"),
        ("worker", "/", "worker"),
        ("auditor", "/", "auditor"),
        ("stranger", "/", "not_authorized"),
        // Denied, though allowed twice over.
        ("intern", "/", "not_authorized"),
        ("boss", "/admin", "boss"),
        ("worker", "/admin/users", "not_authorized"),
        ("auditor", "/admin", "not_authorized"),
    ] {
        let outcome = outcome(&upstream, &by_certificate(name), path).await;
        assert!(outcome.contains(expected), "{name} on {path}: {outcome}");
    }
    // Another authority of the trust set, and the right name.
    let direct = gate.pki.root.issue(Leaf::person("boss@example.org"));
    let direct = gate.client().with(&direct);
    assert_eq!(outcome(&upstream, &direct, "/").await, "boss");
    assert!(outcome(&upstream, &direct, "/admin").await.contains("issuer_not_allowed"));
    gate.log_line(&["issuer_not_allowed", "none of allow.issuers is on the path"]);
    gate.log_line(&["intern", "not_authorized", "deny.accounts names intern"]);
}

#[tokio::test]
async fn a_password_opens_the_application_and_not_the_admin_console() {
    let upstream = Upstream::start();
    let gate = example(&upstream).start();
    with_password(&gate, "boss");
    let port = gate.address.port();
    let resolve = format!("app.example.org:{port}:{}", gate.address.ip());
    for (path, expected) in [("/", "200"), ("/admin", "403")] {
        let output = Command::new("curl")
            .args(["--silent", "--noproxy", "*", "--digest", "-u", "boss:of-boss", "--resolve", &resolve, "--cacert"])
            .arg(gate.folder().join("ca.pem"))
            .args(["--output", "/dev/null", "--write-out", "%{http_code}"])
            .arg(format!("https://app.example.org:{port}{path}"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{path}: {output:?}\n{}", gate.log());
    }
    gate.log_line(&["not_authorized", "digest is none of allow.methods"]);
}

#[tokio::test]
async fn from_another_address_nobody_is_asked_who_they_are() {
    let upstream = Upstream::start();
    let gate = example(&upstream).start();
    // The route for 10.20.0.0/16 and anybody; and whoever has a certificate is nobody else there.
    for client in [gate.client(), gate.client().with(&gate.pki.person("boss"))] {
        let answer = visit(&client, "/metrics").await;
        assert_eq!(answer.status, 403);
        assert!(answer.says().contains("not_authorized"), "{}", answer.text());
    }
    assert!(upstream.requests().is_empty());
    gate.log_line(&["not_authorized", "is none of allow.addresses"]);

    let text = std::fs::read_to_string(gate.folder().join("wicketgate.yaml")).unwrap();
    let text = text.replace("[127.0.0.0/8]", "[10.0.0.0/8]").replace("[10.20.0.0/16]", "[127.0.0.0/8]");
    std::fs::write(gate.folder().join("wicketgate.yaml"), text).unwrap();
    gate.reload();
    let inside = || async { visit(&gate.client(), "/metrics").await.status };
    let start = std::time::Instant::now();
    while inside().await != 200 {
        assert!(start.elapsed() < common::PATIENCE, "{}", gate.log());
    }
    // A route with passwords challenges nobody who comes from elsewhere, and judges no certificate of theirs.
    let stranger = Authority::root("Stranger").issue(Leaf::person("boss@example.org"));
    for client in [gate.client(), gate.client().with(&stranger), gate.client().with(&gate.pki.person("boss"))] {
        let answer = visit(&client, "/admin").await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (403, ""));
        assert!(answer.says().contains("not_authorized"), "{}", answer.text());
    }
}

#[tokio::test]
async fn explain_says_which_condition_does_not_hold() {
    let upstream = Upstream::start();
    let gate = example(&upstream).start();
    let explain = |name: &str, path: &str, from: &[&str]| {
        let (chain, _) = gate.pki.person(name).write(gate.folder(), name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
        command.args(["explain", "--host", "app.example.org", "--path", path]).args(from).arg(chain).arg("-c");
        let output = command.arg(gate.folder().join("wicketgate.yaml")).output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code().unwrap(), text)
    };
    for (name, path, from, code, expected) in [
        ("worker", "/", &[][..], 0, "permit"),
        ("intern", "/", &[], 1, "deny.accounts names intern"),
        ("boss", "/admin", &["--from", "127.0.0.1"], 0, "permit"),
        ("worker", "/admin", &["--from", "127.0.0.1"], 1, "allow.groups"),
        ("boss", "/admin", &["--from", "192.0.2.7"], 1, "192.0.2.7 is none of allow.addresses"),
        // Without the address there is no true answer.
        ("boss", "/admin", &[], 1, "--from ADDRESS"),
    ] {
        let (status, text) = explain(name, path, from);
        assert_eq!(status, code, "{name} on {path}: {text}");
        assert!(text.contains(expected), "{name} on {path}: {text}");
    }
}

#[tokio::test]
async fn an_authority_that_is_exchanged_counts_with_the_reload() {
    let upstream = Upstream::start();
    let gate = example(&upstream).start();
    let boss = gate.client().with(&gate.pki.person("boss"));
    assert_eq!(outcome(&upstream, &boss, "/admin").await, "boss");
    std::fs::write(gate.folder().join("staff-ca.pem"), Authority::root("Other").pem()).unwrap();
    let start = std::time::Instant::now();
    while !visit(&boss, "/admin").await.says().contains("issuer_not_allowed") {
        assert!(start.elapsed() < common::PATIENCE, "{}", gate.log());
    }
}
