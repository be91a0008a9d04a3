//! HTTP Basic as curl speaks it: who has a password passes on a route that lists the method, and is told of to the
//! application; whoever has not is challenged. What a password opened ends with it.
#![cfg(test)]

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::client::{empty, get};
use common::gate::Gate;
use common::pki::write_private;
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use std::time::Duration;

const ROUTES: &str = "[{ path: /, authenticate: [certificate, basic], upstream: app }, \
                        { path: /both, authenticate: [digest, basic], upstream: app }, \
                        { path: /digest, authenticate: [digest], upstream: app }, \
                        { path: /open, authenticate: [certificate], anonymous: allow, upstream: app }, \
                        { host: other.example.org, path: /, anonymous: allow, upstream: app }]";

fn setup(upstream: &Upstream) -> Setup {
    Setup::before(upstream)
        .section("routes", ROUTES)
        .section("digest", "{ realm: example.org }")
        .section("basic", "{ realm: example.org }")
        .account("bob", &["--email", "bob@example.org"])
}

fn set_password(gate: &Gate, username: &str, password: &str) {
    let file = gate.folder().join("new.password");
    write_private(&file, &format!("{password}\n"));
    let said = gate.wicketgate(&["account", "password", username, "--file", file.to_str().unwrap()]);
    assert!(said.contains(&format!("set the password of {username} for Basic")), "{said}");
}

fn authorization(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

fn with(authorization: &str, path: &str) -> Request<common::client::Body> {
    Request::get(path).header("authorization", authorization).body(empty()).unwrap()
}

#[tokio::test]
async fn a_password_is_enough_where_the_route_asks_for_it() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    set_password(&gate, "bob", "zwölf: Boxkämpfer");
    for version in ["--http1.1", "--http2"] {
        let output = gate.curl("/inbox", &["--basic", "-u", "bob:zwölf: Boxkämpfer", version]);
        assert_eq!((output.status, output.body.as_str()), (200, "ok"), "{version}: {output:?}");
        let seen = upstream.last();
        assert_eq!(seen.header("remote-user").as_deref(), Some("bob"), "{version}");
        assert_eq!(seen.header("x-client-verify").as_deref(), Some("NONE"), "{version}");
        assert_eq!(seen.header("authorization"), None, "{version}");
    }
    gate.log_line(&["\"verdict\":\"permit\"", "\"account\":\"bob\"", "\"authentication\":\"basic\""]);
    // A client that takes the first challenge it understands.
    let output = gate.curl("/both", &["--anyauth", "-u", "bob:zwölf: Boxkämpfer"]);
    assert_eq!(output.status, 200, "{output:?}");

    let mut connection = gate.client().http1().await.unwrap();
    for (username, password) in
        [("bob", "zwölf"), ("bob", ""), ("Bob", "zwölf: Boxkämpfer"), ("nobody", "zwölf: Boxkämpfer"), ("alice", "")]
    {
        let answer = connection.send(with(&authorization(username, password), "/")).await;
        assert_eq!(answer.status, 401, "{username} {password}: {}", answer.text());
        assert_eq!(answer.header("www-authenticate"), r#"Basic realm="example.org", charset="UTF-8""#);
    }
    gate.log_line(&["basic_failed", "wrong_password", "\"account\":\"bob\""]);
    gate.log_line(&["basic_failed", "unknown_user", "\"account\":\"nobody\""]);
    assert!(!gate.log().contains("Boxk"), "no password is logged");

    let challenged = connection.send(get("/both")).await;
    let schemes: Vec<_> = challenged.headers.get_all("www-authenticate").iter().collect();
    let schemes: Vec<_> = schemes.iter().map(|value| value.to_str().unwrap().split(' ').next().unwrap()).collect();
    assert_eq!(schemes.last(), Some(&"Basic"), "{schemes:?}");
    assert!(schemes.len() > 1 && schemes.iter().rev().skip(1).all(|scheme| *scheme == "Digest"), "{schemes:?}");
    for (header, status) in [("Basic ????", 400), ("Basic", 400), ("Bearer token", 401)] {
        assert_eq!(connection.send(with(header, "/")).await.status, status, "{header}");
    }
    // A route that does not list the method does not judge the password; but browsers send it there too, and no
    // application gets it that stands on the same host.
    let right = authorization("bob", "zwölf: Boxkämpfer");
    assert_eq!(connection.send(with(&right, "/digest")).await.status, 401);
    assert_eq!(connection.send(with(&right, "/open")).await.status, 200);
    assert_eq!(upstream.last().header("authorization"), None);
    assert_eq!(upstream.last().header("remote-user"), None);
}

#[tokio::test]
async fn a_password_for_the_gate_reaches_no_application_of_its_host_and_those_of_others_do() {
    let upstream = Upstream::start();
    let routes = "[{ host: app.example.org, path: /, authenticate: [digest, basic], upstream: app }, \
                   { host: app.example.org, path: /open, anonymous: allow, upstream: app }, \
                   { host: other.example.org, path: /, anonymous: allow, upstream: app }]";
    let gate = setup(&upstream).section("routes", routes).start();
    let ours = "Digest username=\"bob\", realm=\"example.org\", nonce=\"n\", uri=\"/open\"";
    let theirs = "Digest username=\"bob\", realm=\"of the application\", nonce=\"n\", uri=\"/open\"";
    let basic = authorization("bob", "open sesame");
    for (host, value, arrives) in [
        ("app.example.org", basic.as_str(), false),
        ("app.example.org", ours, false),
        ("app.example.org", "Digest \"", false),
        ("app.example.org", theirs, true),
        ("app.example.org", "Bearer token", true),
        ("other.example.org", &basic, true),
        ("other.example.org", ours, true),
    ] {
        let request = Request::get("/open").header("host", host).header("authorization", value);
        let mut connection = gate.client().http1().await.unwrap();
        assert_eq!(connection.send(request.body(empty()).unwrap()).await.status, 200, "{host} {value}");
        assert_eq!(upstream.last().header("authorization").is_some(), arrives, "{host} {value}");
    }
}

#[tokio::test]
async fn a_refused_certificate_is_not_rescued_by_a_password() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    set_password(&gate, "bob", "open sesame");
    let stranger = gate.client().with(&gate.pki.person("stranger"));
    let answer = stranger.http1().await.unwrap().send(with(&authorization("bob", "open sesame"), "/")).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("account_unknown"), "{}", answer.text());
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_change_of_the_password_or_a_lock_counts_at_once_and_ends_what_runs() {
    let upstream = Upstream::sending("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    let gate = setup(&upstream).start();
    set_password(&gate, "bob", "the old one");
    let mut running = gate.client().http1().await.unwrap();
    let response = running.start(with(&authorization("bob", "the old one"), "/")).await.unwrap();
    assert_eq!(response.status(), 200);
    set_password(&gate, "bob", "the new one");
    let body = http_body_util::BodyExt::collect(response.into_body());
    assert!(tokio::time::timeout(common::PATIENCE, body).await.unwrap().is_err(), "the download was not cut");
    gate.log_line(&["connection cut", "basic_failed"]);
    let status = async |password: &str| {
        let mut connection = gate.client().http1().await.unwrap();
        connection.start(with(&authorization("bob", password), "/")).await.unwrap().status().as_u16()
    };
    assert_eq!(status("the old one").await, 401);
    assert_eq!(status("the new one").await, 200);
    gate.wicketgate(&["account", "lock", "bob"]);
    let locked = async {
        while status("the new one").await != 403 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(common::PATIENCE, locked).await.unwrap();
}

#[tokio::test]
async fn an_outdated_hash_is_replaced_when_somebody_logs_in_by_it() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    set_password(&gate, "bob", "open sesame");
    let database = rusqlite::Connection::open(gate.folder().join("accounts.db")).unwrap();
    let hash = || database.query_row("SELECT hash FROM password_hashes", [], |row| row.get::<_, String>(0)).unwrap();
    let first = hash();
    assert!(first.starts_with("$argon2id$"), "{first}");
    // openssl passwd -6 -salt saltsalt 'open sesame'
    let old = std::process::Command::new("openssl").args(["passwd", "-6", "-salt", "saltsalt", "open sesame"]).output();
    let old = String::from_utf8(old.unwrap().stdout).unwrap().trim().to_owned();
    database.execute("UPDATE password_hashes SET hash = ?", [&old]).unwrap();
    assert_eq!(gate.curl("/", &["--basic", "-u", "bob:wrong"]).status, 401);
    assert_eq!(hash(), old);
    assert_eq!(gate.curl("/", &["--basic", "-u", "bob:open sesame"]).status, 200);
    common::eventually("a new hash", || hash().starts_with("$argon2id$").then_some(()));
    assert_ne!(hash(), first);
    assert_eq!(gate.curl("/", &["--basic", "-u", "bob:open sesame"]).status, 200);
}
