//! What is counted of single upstream servers, as it stands on the page of metrics, in `status` and in `top`; and that
//! neither name servers nor accounts make the page grow without bound.
#![cfg(test)]

mod common;

use common::admin::{command, get, sample, with_admin};
use common::client::get as request;
use common::eventually;
use common::gate::unused_address;
use common::setup::Setup;
use common::upstream::Upstream;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The value of a sample that must be there.
#[track_caller]
fn number(admin: SocketAddr, name: &str) -> f64 {
    sample(admin, name).unwrap_or_else(|| panic!("{name}:\n{}", get(admin, "/metrics").body))
}

/// The name of a sample of one server of the upstream `app`.
fn of(metric: &str, server: impl std::fmt::Display, more: &str) -> String {
    format!("wicketgate_upstream_{metric}{{upstream=\"app\",server=\"{server}\",address=\"\"{more}}}")
}

#[tokio::test]
async fn each_server_is_counted_by_itself() {
    let well = Upstream::start();
    let broken = Upstream::answering(|exchange| exchange.close());
    let nobody = unused_address();
    let servers = format!("[\"http://{}\", \"http://{}\", \"http://{nobody}\"]", well.address(), broken.address());
    let setup = Setup::before(&well)
        .upstream("servers", &servers)
        .upstream("ejection", "{ failures: 2, first: 5m, share: 100% }")
        .upstream("limits", "{ requests: 10 }");
    let (setup, admin) = with_admin(setup);
    let gate = setup.start();
    let mut alice = gate.alice().http1().await.unwrap();
    const REQUESTS: usize = 30;
    for _ in 0..REQUESTS {
        assert_eq!(alice.get("/").await.status, 200);
    }
    let (well, broken) = (well.address(), broken.address());
    let number = |name: &str| number(admin, name);
    assert_eq!(number(&of("server_responses_total", well, ",status=\"2xx\"")), REQUESTS as f64);
    assert_eq!(number(&of("server_duration_seconds_count", well, "")), REQUESTS as f64);
    assert_eq!(number(&of("server_failures_total", broken, ",cause=\"broken\"")), 2.0);
    assert_eq!(number(&of("server_failures_total", nobody, ",cause=\"connect\"")), 2.0);
    assert_eq!(number(&of("server_responses_total", nobody, ",status=\"2xx\"")), 0.0);
    for (server, up) in [(well, 1.0), (broken, 0.0), (nobody, 0.0)] {
        assert_eq!(number(&of("server_up", server, "")), up, "{server}");
        assert_eq!(number(&of("server_ejections_total", server, "")), 1.0 - up, "{server}");
        assert_eq!(number(&of("server_requests_under_way", server, "")), 0.0, "{server}");
    }
    for (state, servers) in [("up", 1.0), ("ejected", 2.0), ("down", 0.0), ("unresolved", 0.0)] {
        assert_eq!(number(&format!("wicketgate_upstream_servers{{upstream=\"app\",state=\"{state}\"}}")), servers);
    }
    let retries = number("wicketgate_upstream_retries_total{upstream=\"app\",result=\"sent\"}");
    assert_eq!(retries, 4.0, "each failure was made up for by another server");
    assert!(number("wicketgate_upstream_retry_budget{upstream=\"app\"}") > 0.0);
    assert_eq!(number("wicketgate_upstream_queue{upstream=\"app\"}"), 0.0);
    // One connection of each worker that was asked, and it is kept.
    let made = number(&of("server_connect_duration_seconds_count", well, ""));
    assert!((1.0..=2.0 * REQUESTS as f64 / 10.0).contains(&made), "{made} connections");
    assert_eq!(number(&of("server_connections", well, ",state=\"idle\"")), made);
    assert_eq!(number(&of("server_connections", well, ",state=\"busy\"")), 0.0);

    let status: Value = serde_json::from_slice(&command(&gate, &["status", "--json"]).stdout).unwrap();
    let shown = status["upstreams"][0]["servers"].as_array().unwrap();
    let shown = shown.iter().find(|server| server["name"] == broken.to_string()).unwrap();
    assert_eq!((&shown["state"], &shown["failures"]), (&Value::from("ejected"), &Value::from(2)), "{status}");
    for words in [&["status"][..], &["top", "--once", "--interval", "1"]] {
        let output = command(&gate, words);
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find(|line| line.starts_with(&broken.to_string()));
        assert!(line.is_some_and(|line| line.contains("ejected")), "{words:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_shows_while_it_is() {
    let upstream = Upstream::answering(|exchange| {
        if exchange.request.target() == "/slow" {
            std::thread::sleep(std::time::Duration::from_secs(2));
        }
        exchange.answer("ok");
    });
    let setup = Setup::before(&upstream).upstream("limits", "{ requests: 1, queue: 5, wait: 10s }");
    let (setup, admin) = with_admin(setup);
    let gate = setup.start();
    let server = upstream.address();
    let mut alice = gate.alice().http2().await.unwrap();
    let (mut one, mut other) = (alice.another(), alice.another());
    let slow = tokio::spawn(async move { one.start(request("/slow")).await.unwrap().status() });
    eventually("the slow request to be under way", || {
        (sample(admin, &of("server_requests_under_way", server, "")) == Some(1.0)).then_some(())
    });
    assert_eq!(number(admin, &of("server_connections", server, ",state=\"busy\"")), 1.0);
    let waiting = tokio::spawn(async move { other.start(request("/next")).await.unwrap().status() });
    eventually("the next one to wait", || {
        (sample(admin, "wicketgate_upstream_queue{upstream=\"app\"}") == Some(1.0)).then_some(())
    });
    assert_eq!((slow.await.unwrap(), waiting.await.unwrap()), (http::StatusCode::OK, http::StatusCode::OK));
    assert_eq!(alice.get("/").await.status, 200);
    eventually("nothing to be under way", || {
        (sample(admin, &of("server_requests_under_way", server, "")) == Some(0.0)).then_some(())
    });
    assert_eq!(number(admin, "wicketgate_upstream_queue{upstream=\"app\"}"), 0.0);
}

#[test]
fn checks_are_counted_by_their_outcome() {
    let ill = Arc::new(AtomicBool::new(false));
    let mood = Arc::clone(&ill);
    let upstream = Upstream::answering(move |exchange| match mood.load(Ordering::SeqCst) {
        true => exchange.send("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"),
        false => exchange.answer("ok"),
    });
    let health = "{ path: /, every: 100ms, timeout: 1s, rise: 1, fall: 1 }";
    let (setup, admin) = with_admin(Setup::before(&upstream).upstream("health", health));
    let _gate = setup.start();
    let server = upstream.address();
    eventually("a check to be passed", || {
        (sample(admin, &of("server_checks_total", server, ",result=\"passed\""))? >= 1.0).then_some(())
    });
    assert_eq!(number(admin, &of("server_up", server, "")), 1.0);
    ill.store(true, Ordering::SeqCst);
    eventually("a check to fail", || (sample(admin, &of("server_up", server, "")) == Some(0.0)).then_some(()));
    assert!(number(admin, &of("server_checks_total", server, ",result=\"failed\"")) >= 1.0);
    assert_eq!(number(admin, "wicketgate_upstream_servers{upstream=\"app\",state=\"down\"}"), 1.0);
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_counted_and_costs_nothing() {
    let upstream = Upstream::answering(|exchange| {
        exchange.answer("ok");
        if exchange.request.target() == "/last" {
            exchange.close();
        }
    });
    let (setup, admin) = with_admin(Setup::before(&upstream));
    let gate = setup.start();
    let mut alice = gate.alice().http1().await.unwrap();
    for _ in 0..10 {
        assert_eq!(alice.get("/last").await.status, 200);
        assert_eq!(alice.get("/next").await.status, 200);
    }
    // Most of them are found to be closed before anything is sent; either way no failure is counted.
    let failed = of("server_failures_total", upstream.address(), ",cause=\"broken\"");
    assert_eq!(number(admin, &failed), 0.0);
    assert!(sample(admin, &of("server_stale_connections_total", upstream.address(), "")).is_some());
    let made = number(admin, &of("server_connect_duration_seconds_count", upstream.address(), ""));
    assert!(made >= 10.0, "{made}");
}

#[tokio::test]
async fn homes_that_only_accounts_name_show_as_one() {
    let homes: Vec<Upstream> = (0..5).map(|_| Upstream::start()).collect();
    let like = Upstream::start();
    let route = "[{ path: /, authenticate: [certificate], upstream: { by_account: home, \
                 urls: { pattern: 'http://127\\.0\\.0\\.1:[0-9]+', like: app } } }]";
    let (setup, admin) = with_admin(Setup::before(&like).section("routes", route));
    let gate = setup.start();
    let names = || -> BTreeSet<String> {
        let page = get(admin, "/metrics").body;
        let of_upstreams = page.lines().filter(|line| line.starts_with("wicketgate_upstream"));
        of_upstreams.map(|line| line.split("} ").next().unwrap().to_owned()).collect()
    };
    let mut first = None;
    for home in &homes {
        gate.wicketgate(&["account", "set", "alice", "--home", &format!("http://{}", home.address())]);
        let alice = gate.alice();
        let mut tries = 0;
        while home.requests().is_empty() {
            assert_eq!(alice.get("/").await.status, 200);
            tries += 1;
            assert!(tries < 500, "alice has not moved");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        match &first {
            None => first = Some(names()),
            Some(first) => assert_eq!(names().difference(first).collect::<Vec<_>>(), Vec::<&String>::new()),
        }
    }
    assert!(number(admin, &of("server_responses_total", "*", ",status=\"2xx\"")) >= 5.0);
    assert_eq!(number(admin, &of("server_responses_total", like.address(), ",status=\"2xx\"")), 0.0);
    assert_eq!(sample(admin, &of("server_up", "*", "")), None, "many are neither up nor down");
}
