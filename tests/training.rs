//! What a gate mostly does, for a compiler that watches (`packaging/build.sh`): it lays the program out for what happens
//! often. Everything that an organisation has on is on. The proportions matter little, and that each way is gone does.
#![cfg(test)]

mod common;

use common::admin::with_admin;
use common::client::{Client, Connection, full, get};
use common::digest::{authorization, get_with, session, set_password};
use common::gate::Gate;
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use std::time::Duration;
use tokio::task::JoinSet;
use wicketgate::config::ChallengeAlgorithm;

/// Requests of each client.
const REQUESTS: usize = 1_500;
/// Connections that are opened for one request each, by each client.
const VISITS: usize = 150;
const CLIENTS: usize = 8;
/// Octets of a body that goes through in parts.
const LARGE: usize = 8 << 20;

fn setup(app: &Upstream) -> Setup {
    let setup = Setup::before(app)
        .with_lists()
        .section("digest", "{ realm: example.org }")
        .section("log", "{ audit: audit.log, access: { path: access.log } }")
        .section("limits", "{ requests_per_address: { rate: 1000000/s, concurrency: 10000 } }")
        .section(
            "routes",
            "[{ path: /, authenticate: [certificate, digest], upstream: app, \
                limits: { rate: 1000000/s, concurrency: 10000, by: account } }]",
        )
        .upstream("health", "{ path: /, every: 1s }");
    with_admin(setup).0
}

/// So many requests, one after the other.
async fn ask(mut connection: Connection, requests: usize) {
    for number in 0..requests {
        let request = Request::get(format!("/mail/{number}?part=1"))
            .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
            .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("accept-language", "en,de;q=0.5")
            .header("cookie", "theme=dark; application=0123456789abcdef")
            .body(common::client::empty())
            .unwrap();
        assert_eq!(connection.send(request).await.status, 200);
    }
}

/// Runs as many clients at once.
async fn together<F: Future<Output = ()> + Send + 'static>(clients: usize, client: impl Fn() -> F) {
    let mut tasks = JoinSet::new();
    (0..clients).for_each(|_| _ = tasks.spawn(client()));
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}

/// A client that opens a connection for each request, with the session that it has or without one.
async fn visit(client: Client, resumed: bool) {
    for _ in 0..VISITS {
        let client = if resumed { client.clone() } else { client.clone().with(client.credential()) };
        assert_eq!(client.get("/").await.status, 200);
    }
}

async fn by_certificate(gate: &Gate) {
    let alice = gate.alice();
    together(CLIENTS, || {
        let alice = alice.clone();
        async move { ask(alice.http1().await.unwrap(), REQUESTS).await }
    })
    .await;
    together(CLIENTS, || {
        let alice = alice.clone();
        async move { ask(alice.http2().await.unwrap(), REQUESTS).await }
    })
    .await;
    for _ in 0..2 {
        let shared = alice.http2().await.unwrap();
        together(CLIENTS, || ask(shared.another(), REQUESTS)).await;
    }
}

async fn handshakes(gate: &Gate) {
    let alice = gate.alice();
    together(CLIENTS, || visit(alice.clone(), false)).await;
    together(CLIENTS, || visit(alice.clone(), true)).await;
}

async fn by_password(gate: &Gate) {
    set_password(gate, &[]);
    for mut connection in [gate.client().http1().await.unwrap(), gate.client().http2().await.unwrap()] {
        let mut session = session(&mut connection, ChallengeAlgorithm::Sha256).await;
        for _ in 0..REQUESTS {
            let request = get_with("/", &authorization(&mut session, "/"));
            assert_eq!(connection.send(request).await.status, 200);
        }
    }
}

async fn large_bodies(gate: &Gate) {
    for (_, mut connection) in gate.alice().both().await {
        for _ in 0..4 {
            assert_eq!(connection.get("/large").await.body.len(), LARGE);
            let upload = Request::post("/").body(full(vec![b'x'; LARGE])).unwrap();
            assert_eq!(connection.send(upload).await.status, 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "teaches a build that watches: make packaged"]
async fn a_gate_does_what_it_mostly_does() {
    let (page, large) = ("x".repeat(1024), "x".repeat(LARGE));
    let upstream = Upstream::answering(move |exchange| {
        exchange.read_body().unwrap();
        let body = if exchange.request.target() == "/large" { &large } else { &page };
        exchange.answer(body);
    });
    let gate = setup(&upstream).start();
    by_certificate(&gate).await;
    handshakes(&gate).await;
    by_password(&gate).await;
    large_bodies(&gate).await;
    // Who has no certificate and no password is asked for them, which is often as well.
    let mut nobody = gate.client().http1().await.unwrap();
    for _ in 0..REQUESTS {
        assert_eq!(nobody.send(get("/")).await.status, 401);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    // What was counted is written down when it ends by itself.
    assert!(gate.stop().success());
}
