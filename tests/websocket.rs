//! A WebSocket passes the gate like any request, and then in both directions until either end closes it
//! (RFC 6455; RFC 9110, section 7.8).
#![cfg(test)]

mod common;

use common::echo::{echo, handshake};
use common::foreign::take_over;
use common::gate::Gate;
use common::mariadb::{MariaDb, PASSWORD};
use common::setup::Setup;
use common::upstream::Upstream;
use futures_util::{SinkExt, StreamExt};
use http::Request;
use hyper_util::rt::TokioIo;
use std::io::Write;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};

async fn connect(gate: &Gate) -> WebSocketStream<TlsStream<TcpStream>> {
    common::echo::open(&gate.alice()).await.unwrap()
}

#[tokio::test]
async fn messages_pass_in_both_directions_and_the_application_knows_whose_they_are() {
    let upstream = Upstream::answering(echo);
    let gate = Setup::before(&upstream).start();
    let mut socket = connect(&gate).await;
    assert_eq!(upstream.only().header("remote-user").as_deref(), Some("alice"));
    for message in [Message::text("hello"), Message::binary(vec![7; 1 << 20]), Message::text("")] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test]
async fn many_sockets_at_once_never_mix_up_their_messages() {
    let upstream = Upstream::answering(echo);
    let gate = Setup::before(&upstream).start();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..20 {
        let mut socket = connect(&gate).await;
        tasks.spawn(async move {
            for round in 0..20 {
                let message = Message::text(format!("{number}:{round}"));
                socket.send(message.clone()).await.unwrap();
                assert_eq!(socket.next().await.unwrap().unwrap(), message);
            }
        });
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn a_socket_outlives_the_time_that_a_connection_may_be_idle_for_requests() {
    let upstream = Upstream::answering(echo);
    let gate = Setup::before(&upstream).section("timeouts", "{ idle: 1s, request_head: 1s }").start();
    let mut socket = connect(&gate).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    socket.send(Message::text("still here")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("still here"));
}

#[tokio::test]
async fn a_socket_is_closed_when_its_certificate_expires() {
    let upstream = Upstream::answering(echo);
    let gate = Setup::before(&upstream).start();
    let brief = gate.pki.people.issue(common::pki::Leaf::person("alice@example.org").expiring_in(5));
    let stream = gate.client().with(&brief).tls(&["http/1.1"]).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(handshake(), stream).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    let end = async { while let Some(Ok(_)) = socket.next().await {} };
    assert!(tokio::time::timeout(common::PATIENCE, end).await.is_ok(), "the socket stays open");
}

#[tokio::test]
async fn a_socket_is_told_that_the_gate_ends_and_may_say_good_bye() {
    let upstream = Upstream::answering(echo);
    let gate = Setup::before(&upstream).section("timeouts", "{ drain: 20s }").start();
    let mut socket = connect(&gate).await;
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    let start = std::time::Instant::now();
    let stopping = tokio::task::spawn_blocking(move || gate.stop());
    let last = socket.next().await.unwrap().unwrap();
    assert_eq!(last, Message::Close(Some(CloseFrame { code: CloseCode::Away, reason: "".into() })));
    while let Some(Ok(_)) = socket.next().await {}
    assert!(stopping.await.unwrap().success());
    assert!(start.elapsed() < Duration::from_secs(15), "a third of the time, and not all of it: {:?}", start.elapsed());
}

#[tokio::test]
async fn whoever_may_not_pass_gets_no_socket() {
    let upstream = Upstream::answering(echo);
    let gate = Setup::before(&upstream).start();
    let stream = gate.client().tls(&["http/1.1"]).await.unwrap();
    match tokio_tungstenite::client_async(handshake(), stream).await {
        Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 403),
        other => panic!("{other:?}"),
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn an_upstream_that_declines_the_upgrade_is_heard() {
    let upstream = Upstream::sending("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno");
    let gate = Setup::before(&upstream).start();
    let stream = gate.alice().tls(&["http/1.1"]).await.unwrap();
    match tokio_tungstenite::client_async(handshake(), stream).await {
        Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 426),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn any_other_protocol_may_be_switched_to_as_well() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let upstream = Upstream::answering(|exchange| {
        exchange.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\nWELCOME");
        let (reader, mut wire) = exchange.upgrade();
        let mut line = String::new();
        std::io::BufRead::read_line(reader, &mut line).unwrap();
        wire.write_all(line.to_uppercase().as_bytes()).unwrap();
    });
    let gate = Setup::before(&upstream).start();
    let mut connection = gate.alice().http1().await.unwrap();
    let request = Request::get("/").header("Connection", "upgrade").header("Upgrade", "shout");
    let response = connection.start(request.body(common::client::empty()).unwrap()).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["upgrade"]), (101, &"shout".parse().unwrap()));
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let mut welcome = [0; 7];
    stream.read_exact(&mut welcome).await.unwrap();
    assert_eq!(&welcome, b"WELCOME", "what came with the head is not lost");
    stream.write_all(b"hello\n").await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert_eq!(answer, "HELLO\n");
}

/// Waits until a socket is cut; until then it must go on echoing.
async fn until_cut<S>(mut socket: WebSocketStream<S>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let start = std::time::Instant::now();
    loop {
        assert!(start.elapsed() < common::PATIENCE, "the socket goes on");
        let sent = socket.send(Message::text("still here")).await;
        if sent.is_err() || !matches!(socket.next().await, Some(Ok(Message::Text(_)))) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn an_account_that_is_locked_loses_its_sockets() {
    let upstream = Upstream::answering(echo);
    let gate = Setup::before(&upstream).start();
    let socket = connect(&gate).await;
    gate.wicketgate(&["account", "lock", "alice"]);
    until_cut(socket).await;
    gate.log_line(&["tunnel cut", "account_inactive"]);
}

#[tokio::test]
async fn who_leaves_the_group_that_a_route_asks_for_loses_the_sockets_there() {
    let upstream = Upstream::answering(echo);
    let gate = Setup::before(&upstream)
        .section("routes", "[{ path: /, authenticate: [certificate], allow: { groups: [staff] }, upstream: app }]")
        .start();
    gate.wicketgate(&["account", "set", "alice", "--add-group", "staff"]);
    eventually_permitted(&gate).await;
    let socket = connect(&gate).await;
    gate.wicketgate(&["account", "set", "alice", "--remove-group", "staff"]);
    until_cut(socket).await;
    gate.log_line(&["tunnel cut", "not_authorized"]);
}

#[tokio::test]
async fn who_is_locked_in_foreign_tables_loses_their_sockets_when_the_time_to_live_is_over() {
    let database = MariaDb::start();
    database.sql(
        "CREATE TABLE people (login VARCHAR(100), mail VARCHAR(150), state INT); \
         INSERT INTO people VALUES ('liddell', 'alice@example.org', 1);",
    );
    let upstream = Upstream::answering(echo);
    let gate = Setup::before(&upstream).file("db.password", PASSWORD).start();
    // What is set up is set up in tables of Wicketgate's own; these take their place by a reload.
    let tables = "tables: { accounts: { table: people, username: login, email: mail, \
                  status: { column: state, active: [1], locked: [0] } } }";
    let mysql = database.configuration();
    let accounts =
        format!("{{ mysql: {}, {tables} }}, cache: {{ ttl: 2s }} }}", mysql.trim_end().trim_end_matches('}'));
    take_over(&gate, &accounts, async || {
        gate.alice().get("/").await;
        upstream.requests().last().and_then(|seen| seen.header("remote-user")).as_deref() == Some("liddell")
    })
    .await;
    let mut socket = connect(&gate).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    socket.send(Message::text("still here")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("still here"));
    database.sql("UPDATE people SET state = 0;");
    until_cut(socket).await;
    gate.log_line(&["tunnel cut", "account_inactive"]);
}

/// Waits until alice is let in.
async fn eventually_permitted(gate: &Gate) {
    let start = std::time::Instant::now();
    while gate.alice().get("/").await.status != 200 {
        assert!(start.elapsed() < common::PATIENCE, "alice is never let in");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The answer to a Digest challenge of algorithm SHA-256 for a GET of `/socket` (RFC 7616).
fn digest_answer(challenge: &str, username: &str, password: &str) -> String {
    let part =
        |name: &str| challenge.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (realm, nonce, opaque) = (part("realm"), part("nonce"), challenge.contains("opaque=").then(|| part("opaque")));
    let hash = |text: String| wicketgate::base::hex::encode(&<sha2::Sha256 as sha2::Digest>::digest(text));
    let ha1 = hash(format!("{username}:{realm}:{password}"));
    let response = hash(format!("{ha1}:{nonce}:00000001:abcdef:auth:{}", hash("GET:/socket".to_owned())));
    let opaque = opaque.map(|opaque| format!(", opaque=\"{opaque}\"")).unwrap_or_default();
    format!(
        "Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"/socket\", algorithm=SHA-256, \
         qop=auth, nc=00000001, cnonce=\"abcdef\", response=\"{response}\"{opaque}"
    )
}

/// A gate for passwords, and a socket that bob's has opened.
async fn opened_by_password() -> (Upstream, Gate, WebSocketStream<TlsStream<TcpStream>>) {
    let upstream = Upstream::answering(echo);
    let gate = Setup::before(&upstream)
        .section("digest", "{ realm: example.org }")
        .section("routes", "[{ path: /, authenticate: [digest], upstream: app }]")
        .file("password", "open sesame\n")
        .account("bob", &["--email", "bob@example.org"])
        .start();
    let password = gate.folder().join("password");
    gate.wicketgate(&["account", "password", "bob", "--file", password.to_str().unwrap()]);
    let challenged = gate.client().get("/socket").await;
    let challenge = challenged
        .headers
        .get_all("www-authenticate")
        .iter()
        .find_map(|value| value.to_str().ok().filter(|text| text.contains("SHA-256")));
    let mut request = handshake();
    request
        .headers_mut()
        .insert("authorization", digest_answer(challenge.unwrap(), "bob", "open sesame").parse().unwrap());
    let stream = gate.client().tls(&["http/1.1"]).await.unwrap();
    let mut socket = tokio_tungstenite::client_async(request, stream).await.unwrap().0;
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    (upstream, gate, socket)
}

#[tokio::test]
async fn an_account_that_is_locked_loses_the_sockets_that_its_password_opened() {
    let (_upstream, gate, mut socket) = opened_by_password().await;
    // Nothing that concerns bob changes meanwhile.
    gate.wicketgate(&["account", "lock", "alice"]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    socket.send(Message::text("still here")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("still here"));
    gate.wicketgate(&["account", "lock", "bob"]);
    until_cut(socket).await;
    gate.log_line(&["tunnel cut", "account_inactive"]);
}

#[tokio::test]
async fn a_password_that_is_changed_loses_the_sockets_that_it_opened() {
    let (_upstream, gate, socket) = opened_by_password().await;
    let password = gate.folder().join("password");
    std::fs::write(&password, "another one\n").unwrap();
    gate.wicketgate(&["account", "password", "bob", "--file", password.to_str().unwrap()]);
    until_cut(socket).await;
    gate.log_line(&["tunnel cut", "digest_failed"]);
}
