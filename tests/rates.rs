//! How many requests a client may make, in a time and at once: whoever asks for more is told when to come again, nobody
//! else notices, and nothing of it reaches the upstream.
#![cfg(test)]

mod common;

use common::PATIENCE;
use common::client::{Answer, Client, Connection, get};
use common::gate::Gate;
use common::open;
use common::setup::Setup;
use common::upstream::{Exchange, Upstream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A route to the upstream with these limits.
fn route(anonymous: &str, limits: &str) -> String {
    format!("[{{ path: /, authenticate: [certificate], anonymous: {anonymous}, upstream: app, limits: {limits} }}]")
}

/// A gate with this route that knows bob as well.
fn gate(upstream: &Upstream, anonymous: &str, limits: &str) -> Gate {
    let setup = Setup::before(upstream).section("routes", &route(anonymous, limits));
    setup.section("limits", "{ exempt: [127.0.0.99] }").account("bob", &["--email", "bob@example.org"]).start()
}

/// Checks that this answer turns a request away until some of so many seconds have passed.
#[track_caller]
fn is_too_many(answer: &Answer, most_seconds: u64) {
    assert_eq!((answer.status, answer.text().contains("rate_limited")), (429, true), "{}", answer.text());
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=most_seconds).contains(&wait), "{wait}");
}

#[tokio::test]
async fn an_account_over_its_rate_is_told_when_to_come_again_wherever_it_comes_from() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "deny", "{ rate: 3/h, burst: 4 }");
    // By either version, on any connection and from any address it is one account.
    let mut first = gate.alice().from("127.0.0.2").http1().await.unwrap();
    let mut second = gate.alice().from("127.0.0.3").http2().await.unwrap();
    for _ in 0..2 {
        for connection in [&mut first, &mut second] {
            assert_eq!(connection.get("/").await.status, 200);
        }
    }
    for connection in [&mut first, &mut second] {
        let answer = connection.get("/").await;
        is_too_many(&answer, 1200);
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!(wait > 1100, "an interval is twenty minutes, and not {wait} s");
    }
    let bob = gate.client().with(&gate.pki.person("bob"));
    assert_eq!(bob.from("127.0.0.2").get("/").await.status, 200, "whoever has the same address is another account");
    assert_eq!(upstream.requests().len(), 5);
    gate.log_line(&["rate_limited", "the route's limits", "alice"]);
}

#[tokio::test]
async fn a_client_that_waits_as_long_as_it_was_told_is_served() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "deny", "{ rate: 1/s }");
    let mut connection = gate.alice().http1().await.unwrap();
    for _ in 0..3 {
        let start = Instant::now();
        let wait = loop {
            let answer = connection.get("/").await;
            if answer.status == 429 {
                break answer.header("retry-after").parse().unwrap();
            }
            assert!(start.elapsed() < PATIENCE, "two requests never came within a second");
        };
        tokio::time::sleep(Duration::from_secs(wait)).await;
        assert_eq!(connection.get("/").await.status, 200);
    }
}

#[tokio::test]
async fn whoever_is_without_an_account_is_counted_by_address() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "allow", "{ rate: 2/h }");
    let statuses = async |client: Client| {
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(client.get("/").await.status);
        }
        statuses
    };
    assert_eq!(statuses(gate.client().from("127.0.0.2")).await, [200, 200, 429]);
    assert_eq!(statuses(gate.client().from("127.0.0.3")).await, [200, 200, 429]);
    assert_eq!(statuses(gate.client().from("127.0.0.99")).await, [200, 200, 200], "an address that is exempted");
    assert_eq!(statuses(gate.alice().from("127.0.0.2")).await, [200, 200, 429], "an account is not its address");
    assert_eq!(statuses(gate.alice().from("127.0.0.99")).await, [429, 429, 429], "and has no exemption from it");
}

#[tokio::test]
async fn by_address_requests_are_counted_before_anybody_is_asked_who_they_are() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "deny", "{ rate: 3/h, by: address }");
    let stranger = gate.client().from("127.0.0.2");
    for _ in 0..3 {
        assert_eq!(stranger.get("/").await.status, 403);
    }
    is_too_many(&stranger.get("/").await, 1200);
    is_too_many(&gate.alice().from("127.0.0.2").get("/").await, 1200);
    assert_eq!(gate.alice().from("127.0.0.3").get("/").await.status, 200);
}

#[tokio::test]
async fn one_address_may_make_so_many_requests_whatever_it_asks_for() {
    let upstream = Upstream::start();
    let limits = "{ requests_per_address: { rate: 4/h }, exempt: [] }";
    let routes = "[{ host: gate.example.org, path: /, authenticate: [certificate], upstream: app }]";
    let gate = Setup::before(&upstream).section("routes", routes).section("limits", limits).start();
    let mut alice = gate.alice().from("127.0.0.2").http2().await.unwrap();
    assert_eq!(alice.get("/").await.status, 200);
    assert_eq!(alice.get("/%2f").await.status, 400, "what cannot be read counts");
    let elsewhere = gate.client().from("127.0.0.2").named("gate.example.org");
    assert_eq!(elsewhere.get("/").await.status, 403, "and what is refused, of whomever");
    assert_eq!(alice.get("/").await.status, 200);
    for target in ["/", "/%2f"] {
        is_too_many(&alice.get(target).await, 900);
    }
    assert_eq!(gate.alice().from("127.0.0.3").get("/").await.status, 200);
    gate.log_line(&["rate_limited", "limits.requests_per_address"]);
}

/// An upstream whose `/held` is answered when it is told to go on; it echoes over `/socket`.
fn holding(go_on: &Arc<AtomicBool>) -> Upstream {
    let go_on = Arc::clone(go_on);
    Upstream::answering(move |exchange: &mut Exchange<'_>| match exchange.request.target() {
        "/held" => {
            while !go_on.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(10));
            }
            exchange.answer("held");
        }
        "/socket" => {
            exchange.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
            let (reader, _) = exchange.upgrade();
            let _ = std::io::Read::read(reader, &mut [0; 100]);
        }
        _ => exchange.answer("ok"),
    })
}

/// Starts as many requests as there may be at once, and waits until they are at the upstream.
async fn hold(connection: &Connection, upstream: &Upstream, count: usize) -> Vec<tokio::task::JoinHandle<Answer>> {
    let before = upstream.requests().len();
    let held = (0..count).map(|_| {
        let mut stream = connection.another();
        tokio::spawn(async move { stream.send(get("/held")).await })
    });
    let held = held.collect();
    while upstream.requests().len() < before + count {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    held
}

#[tokio::test]
async fn no_more_requests_of_an_account_are_under_way_than_may_be() {
    let go_on = Arc::default();
    let upstream = holding(&go_on);
    let gate = gate(&upstream, "deny", "{ concurrency: 3 }");
    let connection = gate.alice().http2().await.unwrap();
    let held = hold(&connection, &upstream, 3).await;
    let mut other = gate.alice().from("127.0.0.2").http1().await.unwrap();
    is_too_many(&other.get("/").await, 1);
    is_too_many(&connection.another().get("/").await, 1);
    let bob = gate.client().with(&gate.pki.person("bob"));
    assert_eq!(bob.get("/").await.status, 200);
    // A request that its client gives up is not under way any more.
    let mut held = held.into_iter();
    held.next().unwrap().abort();
    let mut freed = false;
    for _ in 0..500 {
        freed = other.get("/").await.status == 200;
        if freed {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(freed, "the place was not given back");
    go_on.store(true, Ordering::SeqCst);
    for held in held {
        assert_eq!(held.await.unwrap().text(), "held");
    }
    for _ in 0..20 {
        assert_eq!(other.get("/").await.status, 200, "one after another is never two at once");
    }
}

#[tokio::test]
async fn a_websocket_is_under_way_until_it_ends() {
    let upstream = holding(&Arc::default());
    let gate = gate(&upstream, "deny", "{ concurrency: 1 }");
    let socket = open::websocket(&gate.alice()).await;
    is_too_many(&gate.alice().get("/").await, 1);
    drop(socket);
    let start = Instant::now();
    while gate.alice().get("/").await.status != 200 {
        assert!(start.elapsed() < PATIENCE, "its place was not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_reload_lets_nobody_off_whose_limits_stay_as_they_are() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "deny", "{ rate: 2/h }");
    let alice = gate.alice();
    for expected in [200, 200, 429] {
        assert_eq!(alice.get("/").await.status, expected);
    }
    let file = gate.folder().join("wicketgate.yaml");
    let change = |from: &str, to: &str, section: &str| {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from));
        std::fs::write(&file, text.replace(from, to)).unwrap();
        gate.reload();
        gate.log_line(&["configuration taken up", section]);
    };
    change("exempt: [127.0.0.99]", "exempt: [127.0.0.98]", "limits");
    assert_eq!(alice.get("/").await.status, 429, "another part has changed");
    change("rate: 2/h", "rate: 5/h", "routes");
    assert_eq!(alice.get("/").await.status, 200, "other limits begin anew");
}
