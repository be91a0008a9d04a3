//! What applications are told of accounts in other words: in headers of the administrator's own, and as a log-in by HTTP
//! Basic for those that know nothing else.
#![cfg(test)]

mod common;

use base64::prelude::{BASE64_STANDARD, Engine};
use common::client::empty;
use common::setup::Setup;
use common::upstream::{Recorded, Upstream};
use http::Request;

const KEYS: &str = "{ basic: { user: \"{username}*gate\", password: { file: master.password } } }";

fn login(request: &Recorded) -> Option<String> {
    let value = request.header("authorization")?;
    Some(String::from_utf8(BASE64_STANDARD.decode(value.strip_prefix("Basic ")?).unwrap()).unwrap())
}

#[tokio::test]
async fn an_application_that_knows_basic_alone_gets_a_log_in_of_each_account() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream)
        .open_to_all()
        .account("bob", &["--email", "bob@example.org"])
        .upstream("authorization", KEYS)
        .file("master.password", "s:cret")
        .start();
    let bob = gate.client().with(&gate.pki.person("bob"));
    for (client, name) in [(gate.alice(), "alice"), (bob, "bob")] {
        for (version, mut connection) in client.both().await {
            let request = Request::get("/").header("authorization", "Basic bWFsbG9yeTp4").body(empty()).unwrap();
            assert_eq!(connection.send(request).await.status, 200, "{version}");
            assert_eq!(login(&upstream.last()), Some(format!("{name}*gate:s:cret")), "{version}");
        }
    }
    let request = Request::get("/").header("authorization", "Basic bWFsbG9yeTp4").body(empty()).unwrap();
    assert_eq!(gate.client().http1().await.unwrap().send(request).await.status, 200);
    assert_eq!(login(&upstream.last()), None, "nobody is logged in as nobody, nor as whom a client says it is");
    assert!(!gate.log().contains("s:cret") && !gate.log().contains("czpjcmV0"));
}

#[tokio::test]
async fn a_new_password_is_taken_up_by_itself() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).upstream("authorization", KEYS).file("master.password", "old").start();
    let mut alice = gate.alice().http1().await.unwrap();
    alice.get("/").await;
    assert_eq!(login(&upstream.last()).as_deref(), Some("alice*gate:old"));
    std::fs::write(gate.folder().join("master.password"), "new").unwrap();
    gate.log_line(&["configuration taken up"]);
    alice.get("/").await;
    assert_eq!(login(&upstream.last()).as_deref(), Some("alice*gate:new"), "on the same connection");
}

#[tokio::test]
async fn headers_of_the_administrators_own_say_what_the_account_has_and_clients_cannot() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream)
        .open_to_all()
        .upstream("headers", "{ set: { X-Mailbox: \"<{email}>, {username}\", X-Home: \"{home}\" } }")
        .start();
    let request = || {
        let forged = Request::get("/").header("x-mailbox", "root").header("X_Home", "root");
        forged.body(empty()).unwrap()
    };
    gate.alice().http1().await.unwrap().send(request()).await;
    let seen = upstream.last();
    assert_eq!(seen.header("x-mailbox").as_deref(), Some("<alice@example.org>%2C alice"));
    assert_eq!((seen.header("x-home"), seen.header("x_home")), (None, None), "she has none");
    gate.client().http2().await.unwrap().send(request()).await;
    let seen = upstream.last();
    assert_eq!((seen.header("x-mailbox"), seen.header("x-home"), seen.header("x_home")), (None, None, None));
}
