//! A route that leads each account to the server where it is at home, and to no other, whatever somebody writes into the
//! account.
#![cfg(test)]

mod common;

use common::setup::Setup;
use common::upstream::Upstream;

fn named(name: &'static str) -> Upstream {
    Upstream::answering(move |exchange| {
        if exchange.read_body().is_ok() {
            exchange.answer(name);
        }
    })
}

#[tokio::test]
async fn each_account_reaches_its_home_and_nothing_that_the_route_does_not_name() {
    let (app, one, two, secret) = (named("app"), named("one"), named("two"), named("secret"));
    let url = |upstream: &Upstream| format!("http://{}", upstream.address());
    let servers = |upstream: &Upstream| format!("{{ servers: [\"{}\"] }}", url(upstream));
    let route = format!(
        "[{{ path: /, anonymous: allow, upstream: {{ by_account: home, among: [one], otherwise: app, urls: {{ pattern: \
         'http://127\\.0\\.0\\.1:{}', like: app }} }} }}, {{ path: /secret, upstream: secret }}]",
        two.address().port()
    );
    let mut setup = Setup::before(&app)
        .other_upstream("one", &servers(&one))
        .other_upstream("secret", &servers(&secret))
        .section("routes", &route);
    let outside = format!("{}/", url(&secret));
    let beyond = format!("{}@{}", url(&two), secret.address());
    let homes = [
        ("bob", "one".to_owned(), Ok("one")),
        ("carol", url(&two), Ok("two")),
        ("dave", "secret".to_owned(), Err(())),
        ("erin", outside, Err(())),
        ("frank", beyond, Err(())),
        ("grace", format!("{}/path", url(&two)), Err(())),
        ("heidi", format!("unix:{}", "/run/secret.sock"), Err(())),
    ];
    for (name, home, _) in &homes {
        setup = setup.account(name, &["--email", &format!("{name}@example.org"), "--home", home]);
    }
    let gate = setup.start();
    for (name, home, expected) in &homes {
        let client = gate.client().with(&gate.pki.person(name));
        for (version, mut connection) in client.both().await {
            let answer = connection.get("/inbox").await;
            match expected {
                Ok(server) => assert_eq!(answer.text(), *server, "{name} at {home}, {version}"),
                Err(()) => assert_eq!(answer.status, 502, "{name} at {home}, {version}: {}", answer.text()),
            }
        }
        if expected.is_err() {
            gate.log_line(&["none of the upstreams and URLs", name]);
        }
    }
    assert_eq!(gate.alice().get("/").await.text(), "app", "she has no home");
    assert_eq!(gate.client().get("/").await.text(), "app", "nobody is known");
    assert!(secret.requests().is_empty());
    assert_eq!(one.last().header("remote-user").as_deref(), Some("bob"));
    assert_eq!(two.last().header("remote-user").as_deref(), Some("carol"), "it is told what the others are");
}

#[tokio::test]
async fn who_has_no_home_is_refused_where_nothing_else_is_said() {
    let app = named("app");
    let gate = Setup::before(&app)
        .section("routes", "[{ path: /, upstream: { by_account: home, among: [app] } }]")
        .account("bob", &["--email", "bob@example.org", "--home", "app"])
        .start();
    let answer = gate.alice().get("/").await;
    assert_eq!(answer.status, 502);
    gate.log_line(&["has no home", "alice"]);
    assert_eq!(gate.client().with(&gate.pki.person("bob")).get("/").await.text(), "app");
}

#[tokio::test]
async fn a_home_that_changes_counts_with_the_next_request() {
    let (app, one) = (named("app"), named("one"));
    let gate = Setup::before(&app)
        .other_upstream("one", &format!("{{ servers: [\"http://{}\"] }}", one.address()))
        .section("routes", "[{ path: /, upstream: { by_account: home, among: [app, one] } }]")
        .account("bob", &["--email", "bob@example.org", "--home", "app"])
        .start();
    let bob = gate.client().with(&gate.pki.person("bob"));
    gate.until(&bob, "app").await;
    gate.wicketgate(&["account", "set", "bob", "--home", "one"]);
    gate.until(&bob, "one").await;
}
