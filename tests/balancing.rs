//! Several servers of one upstream: how requests are spread over them, and that one which is stopped, hung or broken costs
//! nobody more than what cannot be helped.
#![cfg(test)]

mod common;

use common::client::{Connection, empty, full};
use common::eventually;
use common::gate::Gate;
use common::setup::Setup;
use common::upstream::{Exchange, Upstream};
use http::Request;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// A server that answers with its name.
fn named(name: &'static str) -> Upstream {
    Upstream::answering(move |exchange| {
        if exchange.read_body().is_ok() {
            exchange.answer(name);
        }
    })
}

/// A server that does what its mood says: a status, or nothing at all for 0.
fn moody(name: &'static str) -> (Upstream, Arc<AtomicU16>) {
    let mood = Arc::new(AtomicU16::new(200));
    let shared = Arc::clone(&mood);
    let answer = move |exchange: &mut Exchange<'_>| {
        if exchange.read_body().is_err() {
            return;
        }
        match shared.load(Ordering::SeqCst) {
            0 => std::thread::sleep(Duration::from_secs(20)),
            1 => exchange.close(),
            status => {
                exchange.send(format!("HTTP/1.1 {status} Mood\r\nContent-Length: {}\r\n\r\n{name}", name.len()));
            }
        }
    };
    (Upstream::answering(answer), mood)
}

fn urls(servers: &[SocketAddr]) -> String {
    let urls: Vec<String> = servers.iter().map(|server| format!("\"http://{server}\"")).collect();
    format!("[{}]", urls.join(", "))
}

fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// How often each answer came to so many requests.
async fn tally(connection: &mut Connection, requests: usize) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for _ in 0..requests {
        let answer = connection.get("/").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        *tally.entry(answer.text()).or_default() += 1;
    }
    tally
}

#[tokio::test]
async fn weights_are_kept_to_and_backups_wait() {
    let (a, b, c) = (named("a"), named("b"), named("c"));
    let servers = format!(
        "[\"http://{}\", {{ url: \"http://{}\", weight: 3 }}, {{ url: \"http://{}\", backup: true }}]",
        a.address(),
        b.address(),
        c.address()
    );
    let gate = Setup::before(&a).upstream("servers", &servers).start();
    let mut alice = gate.alice().http1().await.unwrap();
    let tally = tally(&mut alice, 40).await;
    assert_eq!(tally.into_iter().collect::<Vec<_>>(), [("a".to_owned(), 10), ("b".to_owned(), 30)]);
}

#[tokio::test]
async fn a_backup_is_asked_when_nobody_else_can_be() {
    let backup = named("backup");
    let servers = format!("[\"http://{}\", {{ url: \"http://{}\", backup: true }}]", nobody(), backup.address());
    let gate = Setup::before(&backup).upstream("servers", &servers).start();
    let mut alice = gate.alice().http1().await.unwrap();
    let post = || Request::post("/").body(full("not idempotent")).unwrap();
    for _ in 0..5 {
        // Nothing of it was sent to the server that is down, so it may go on to the next whatever it is.
        let answer = alice.send(post()).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "backup"));
    }
    assert!(backup.requests().iter().all(|request| request.body == b"not idempotent"));
}

#[tokio::test]
async fn the_same_session_stays_at_its_server_and_leaves_when_that_is_gone() {
    let (a, b, c) = (named("a"), named("b"), named("c"));
    let servers = urls(&[a.address(), b.address(), c.address()]);
    let gate = Setup::before(&a)
        .upstream("servers", &servers)
        .upstream("balance", "{ hash: \"cookie:SESSION\" }")
        .upstream("health", "{ path: /, every: 100ms, timeout: 1s, rise: 1, fall: 1 }")
        .start();
    let mut alice = gate.alice().http2().await.unwrap();
    let mut homes = BTreeMap::new();
    for session in 0..30 {
        for _ in 0..3 {
            let cookie = format!("theme=dark; SESSION={session}");
            let answer = alice.send(Request::get("/").header("cookie", cookie).body(empty()).unwrap()).await.text();
            assert_eq!(homes.entry(session).or_insert_with(|| answer.clone()), &answer, "session {session}");
        }
    }
    let at = |name: &str| homes.values().filter(|home| home.as_str() == name).count();
    assert!(["a", "b", "c"].iter().all(|name| at(name) > 0), "{homes:?}");
    let gone = a.address();
    drop(a);
    gate.log_line(&["fails its checks", &gone.to_string()]);
    for (session, home) in &homes {
        let cookie = format!("SESSION={session}");
        let answer = alice.send(Request::get("/").header("cookie", cookie).body(empty()).unwrap()).await.text();
        assert!(
            if home == "a" { answer != "a" } else { answer == *home },
            "session {session} moved from {home} to {answer}"
        );
    }
}

/// Two servers, of which one is moody; what is asked of the gate may be sent again.
fn repeating(mood_of: &Upstream, other: &Upstream, keys: &[(&str, &str)]) -> Gate {
    let setup = Setup::before(other)
        .upstream("servers", &urls(&[mood_of.address(), other.address()]))
        .upstream("timeouts", "{ response: 500ms }");
    keys.iter().fold(setup, |setup, (key, value)| setup.upstream(key, value)).start()
}

#[tokio::test]
async fn what_may_be_repeated_is_asked_of_another_server() {
    for (what, state) in [("hung", 0), ("broken", 1), ("failing", 500)] {
        let ((moody, mood), other) = (moody("moody"), named("other"));
        mood.store(state, Ordering::SeqCst);
        let retries = "{ status: [500], body: 64KiB }";
        let gate = repeating(&moody, &other, &[("retries", retries), ("ejection", "off")]);
        let mut alice = gate.alice().http1().await.unwrap();
        for method in ["GET", "PUT", "GET", "PUT"] {
            let body = if method == "PUT" { full("kept") } else { empty() };
            let answer = alice.send(Request::builder().method(method).uri("/").body(body).unwrap()).await;
            assert_eq!((answer.status, answer.text().as_str()), (200, "other"), "{method} while one is {what}");
        }
        assert!(!moody.requests().is_empty(), "{what}: it was asked");
        let puts = other.requests().into_iter().filter(|request| request.line().starts_with("PUT"));
        assert!(puts.into_iter().all(|request| request.body == b"kept"), "{what}");
    }
}

#[tokio::test]
async fn what_may_have_been_carried_out_is_not_repeated() {
    for (what, state, expected) in [("hung", 0, 504), ("broken", 1, 502), ("failing", 500, 500)] {
        let ((moody, mood), other) = (moody("moody"), named("other"));
        mood.store(state, Ordering::SeqCst);
        let gate = repeating(&moody, &other, &[("retries", "{ status: [500], body: 64KiB }"), ("ejection", "off")]);
        let mut alice = gate.alice().http1().await.unwrap();
        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(alice.send(Request::post("/").body(full("once")).unwrap()).await.status);
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, expected, expected], "one is {what}");
        assert_eq!(moody.requests().len() + other.requests().len(), 4, "{what}: each was sent once");
    }
}

#[tokio::test]
async fn without_a_budget_nothing_is_repeated() {
    let ((moody, mood), other) = (moody("moody"), named("other"));
    mood.store(1, Ordering::SeqCst);
    let gate = repeating(&moody, &other, &[("retries", "{ budget: 0% }"), ("ejection", "off")]);
    let mut alice = gate.alice().http1().await.unwrap();
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(alice.get("/").await.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 502, 502]);
}

#[tokio::test]
async fn a_server_that_fails_requests_is_ejected_and_comes_back() {
    let ((moody, mood), other) = (moody("moody"), named("other"));
    mood.store(503, Ordering::SeqCst);
    let ejection = "{ failures: 3, first: 1s }";
    let gate = repeating(&moody, &other, &[("ejection", ejection), ("retries", "{ status: [503] }")]);
    let mut alice = gate.alice().http1().await.unwrap();
    assert_eq!(tally(&mut alice, 20).await.keys().collect::<Vec<_>>(), ["other"]);
    let line = gate.log_line(&["gets none for a while", "503", &moody.address().to_string()]);
    assert!(line.contains("app"), "{line}");
    assert_eq!(moody.requests().len(), 3, "no more than it takes to eject it");
    mood.store(200, Ordering::SeqCst);
    gate.log_line(&["gets some again"]);
    assert!(tally(&mut alice, 4).await.contains_key("moody"));
}

#[tokio::test]
async fn a_server_that_fails_its_checks_gets_nothing_until_it_passes_them() {
    let ((moody, mood), other) = (moody("moody"), named("other"));
    let health = "{ path: /healthz, status: [200], every: 50ms, timeout: 5s, rise: 2, fall: 2, host: app.internal }";
    let gate = repeating(&moody, &other, &[("health", health)]);
    let mut alice = gate.alice().http1().await.unwrap();
    eventually("a check", || moody.requests().into_iter().find(|request| request.target() == "/healthz"));
    let check = moody.last();
    assert_eq!(check.header("host").as_deref(), Some("app.internal"));
    assert!(check.header("user-agent").unwrap().starts_with("wicketgate"));
    mood.store(404, Ordering::SeqCst);
    gate.log_line(&["fails its checks", "status 404"]);
    assert_eq!(tally(&mut alice, 10).await.keys().collect::<Vec<_>>(), ["other"]);
    mood.store(200, Ordering::SeqCst);
    gate.log_line(&["passes its checks again"]);
    assert_eq!(tally(&mut alice, 10).await.len(), 2);
}

#[tokio::test]
async fn what_is_known_of_servers_outlives_a_reload() {
    let ((moody, mood), other) = (moody("moody"), named("other"));
    mood.store(503, Ordering::SeqCst);
    let keys = [("ejection", "{ failures: 3, first: 5m }"), ("retries", "{ status: [503] }")];
    let gate = repeating(&moody, &other, &keys);
    let mut alice = gate.alice().http1().await.unwrap();
    tally(&mut alice, 10).await;
    let (asked, connections) = (moody.requests().len(), other.connections());
    gate.reload();
    gate.log_line(&["configuration taken up"]);
    assert_eq!(tally(&mut alice, 10).await.keys().collect::<Vec<_>>(), ["other"]);
    assert_eq!((moody.requests().len(), other.connections()), (asked, connections));
}

#[tokio::test]
async fn beyond_its_limit_a_server_is_not_asked_and_clients_are_told_to_come_again() {
    let slow = Upstream::answering(|exchange| {
        exchange.read_body().unwrap();
        std::thread::sleep(Duration::from_secs(2));
        exchange.answer("slow");
    });
    let gate = Setup::before(&slow).upstream("limits", "{ requests: 2, queue: 1, wait: 30s }").start();
    let connection = gate.alice().http2().await.unwrap();
    let requests = (0..8).map(|_| {
        let mut stream = connection.another();
        async move { stream.get("/").await }
    });
    let answers = futures_util::future::join_all(requests).await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(200), count(503)), (3, 5), "two at once, and one that waits");
    let busy = answers.iter().find(|answer| answer.status == 503).unwrap();
    assert!(!busy.header("retry-after").is_empty() && busy.text().contains("upstream_busy"), "{busy:?}");
    assert_eq!(slow.requests().len(), 3);
}

#[tokio::test]
async fn a_unix_socket_is_a_server_like_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut seen = Vec::new();
                let mut piece = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut piece) {
                    seen.extend_from_slice(&piece[..read]);
                    if seen.ends_with(b"\r\n\r\n") {
                        let body = if seen.starts_with(b"GET /who HTTP/1.1\r\n") { "unix" } else { "what?" };
                        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                        stream.write_all(answer.as_bytes()).unwrap();
                        seen.clear();
                    }
                }
            });
        }
    });
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).upstream("servers", &format!("[\"unix:{}\"]", path.display())).start();
    for (version, mut connection) in gate.alice().both().await {
        for _ in 0..3 {
            assert_eq!(connection.get("/who").await.text(), "unix", "{version}");
        }
    }
    assert!(upstream.requests().is_empty());
}
