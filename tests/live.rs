//! What was let in does not stay in longer than what let it in: revocations, locked accounts and the passing of
//! dates reach connections that are open, within a second, and no others.
#![cfg(test)]

mod common;

use common::client::Client;
use common::gate::Gate;
use common::mariadb::{MariaDb, PASSWORD};
use common::open::Open;
use common::pki::{Authority, Credential, Leaf, far};
use common::setup::Setup;
use common::store;
use common::upstream::{Exchange, Upstream};
use common::{eventually, open};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use wicketgate::base::clock::Timestamp;

/// How long it may take here, where two slow cores may be shared by many tests. `live_load` measures.
const SOON: Duration = Duration::from_millis(1500);

/// Answers; streams without end; and sends back what comes over a WebSocket, whose frames must be short.
fn application(exchange: &mut Exchange<'_>) {
    match exchange.request.target() {
        "/download" => {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
            while exchange.is_open() {
                exchange.send([7; 1000]);
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        "/events" => {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
            while exchange.is_open() {
                exchange.send("9\r\ndata: 1\n\n\r\n");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        "/socket" => {
            switch(exchange);
            let (reader, mut wire) = exchange.upgrade();
            let mut frame = [0; 8];
            while reader.read_exact(&mut frame).is_ok() && frame[0] == 0x81 {
                let _ = wire.write_all(&[0x81, 2, frame[6], frame[7]]);
            }
        }
        _ => {
            if exchange.read_body().is_ok() {
                exchange.answer("ok");
            }
        }
    }
}

/// Accepts a WebSocket.
fn switch(exchange: &mut Exchange<'_>) {
    let key = exchange.request.header("sec-websocket-key").unwrap();
    exchange.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    ));
}

fn setup(upstream: &Upstream) -> Setup {
    Setup::before(upstream).account("bob", &["--email", "bob@example.org"])
}

fn on(mariadb: &MariaDb, setup: Setup) -> Setup {
    let accounts = format!("{{ mysql: {} }}", mariadb.configuration());
    setup.file("db.password", PASSWORD).section("accounts", &accounts)
}

/// All of these end soon after `since`, in the way in which each kind should.
async fn end(hers: Vec<Open>, since: Instant, reason: &str) {
    for open in hers {
        let what = open.what.clone();
        let ended = open.ended().await;
        let after = ended.at.saturating_duration_since(since);
        assert!(after < SOON, "{what} ended after {after:?}");
        match what.as_str() {
            "a WebSocket" => assert_eq!(ended.how, format!("1008 {reason}")),
            "an idle HTTP/2 connection" => assert_eq!(ended.how, "GOAWAY"),
            "an idle HTTP/1.1 connection" => assert_eq!(ended.how, "Ok(0)"),
            // They have no end of their own; what was sent of them must not pass for whole.
            _ => assert!(ended.how.contains("Err"), "{what}: {}", ended.how),
        }
    }
}

/// All of these are as good as before, once it is too late for them to end.
async fn go_on(his: Vec<Open>) {
    for open in his {
        open.goes_on().await;
    }
}

async fn people(gate: &Gate) -> (Credential, Client, Client) {
    let alice = gate.pki.person("alice");
    let client = gate.client().with(&alice);
    (alice, client, gate.client().with(&gate.pki.person("bob")))
}

async fn revoked_in_the_store(gate: Gate) {
    let (certificate, alice, bob) = people(&gate).await;
    // Another certificate of hers is another matter.
    let other = gate.alice();
    let (hers, his, others) =
        (Open::everything(&alice).await, Open::everything(&bob).await, Open::everything(&other).await);
    store::revoke(&gate, &certificate).await;
    end(hers, Instant::now(), "certificate_revoked").await;
    go_on(his).await;
    go_on(others).await;
    let line = gate.log_line(&["\"event\":\"connection\"", "certificate_revoked", "\"account\":\"alice\""]);
    assert!(line.contains("database: certificate 0 of the path was revoked"), "{line}");
    assert_eq!(alice.get("/").await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_revoked_in_sqlite_loses_its_open_connections() {
    let upstream = Upstream::answering(application);
    revoked_in_the_store(setup(&upstream).start()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_revoked_in_mariadb_loses_its_open_connections_on_every_node() {
    let upstream = Upstream::answering(application);
    let mariadb = MariaDb::start();
    let gate = on(&mariadb, setup(&upstream)).start();
    let twin = gate.twin();
    let (certificate, alice, bob) = people(&gate).await;
    let there = |client: &Client| client.clone().at(twin.address);
    let (hers, his) = (Open::everything(&there(&alice)).await, Open::everything(&there(&bob)).await);
    let hers_here = Open::everything(&alice).await;
    store::revoke(&gate, &certificate).await;
    let since = Instant::now();
    end(hers_here, since, "certificate_revoked").await;
    end(hers, since, "certificate_revoked").await;
    go_on(his).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_on_a_renewed_list_loses_its_open_connections() {
    let upstream = Upstream::answering(application);
    let setup = setup(&upstream);
    let lists = [setup.pki.root.revocation_list(&[], far()), setup.pki.people.revocation_list(&[], far())];
    let trust = "{ staff: { authorities: [ca.pem], revocation: { crl: { files: [root.crl, people.crl] } } } }";
    let gate = setup.section("trust", trust).file("root.crl", &lists[0]).file("people.crl", &lists[1]).start();
    let (certificate, alice, bob) = people(&gate).await;
    let (hers, his) = (Open::everything(&alice).await, Open::everything(&bob).await);
    let half = gate.folder().join("half");
    std::fs::write(&half, gate.pki.people.revocation_list(&[&certificate], far())).unwrap();
    std::fs::rename(half, gate.folder().join("people.crl")).unwrap();
    end(hers, Instant::now(), "certificate_revoked").await;
    go_on(his).await;
    gate.log_line(&["\"event\":\"connection\"", "certificate_revoked", "crl: certificate 0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_locked_loses_its_open_connections() {
    let upstream = Upstream::answering(application);
    let gate = setup(&upstream).start();
    let (_, alice, bob) = people(&gate).await;
    let (hers, his) = (Open::everything(&alice).await, Open::everything(&bob).await);
    gate.wicketgate(&["account", "lock", "alice"]);
    end(hers, Instant::now(), "account_inactive").await;
    go_on(his).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_expires_loses_its_open_connections_in_that_second() {
    let upstream = Upstream::answering(application);
    let gate = setup(&upstream).start();
    let brief = gate.pki.people.issue(Leaf::person("alice@example.org").expiring_in(6));
    let until = Timestamp::now().as_unix() + 6;
    let bob = gate.client().with(&gate.pki.person("bob"));
    let (hers, his) = (Open::everything(&gate.client().with(&brief)).await, Open::everything(&bob).await);
    eventually("the last second to pass", || (Timestamp::now().as_unix() > until).then_some(()));
    end(hers, Instant::now(), "certificate_expired").await;
    go_on(his).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_runs_out_takes_its_issuers_open_connections_along() {
    let upstream = Upstream::answering(application);
    let setup = setup(&upstream);
    let last_second = Timestamp::now().as_unix() + 8;
    let until = time::OffsetDateTime::from_unix_timestamp(last_second).unwrap();
    let lists = [setup.pki.root.revocation_list(&[], far()), setup.pki.people.revocation_list(&[], until)];
    let trust = "{ staff: { authorities: [ca.pem], revocation: { crl: { files: [root.crl, people.crl] } } } }";
    let gate = setup.section("trust", trust).file("root.crl", &lists[0]).file("people.crl", &lists[1]).start();
    let hers = Open::everything(&gate.alice()).await;
    eventually("the last second to pass", || (Timestamp::now().as_unix() > last_second).then_some(()));
    end(hers, Instant::now(), "revocation_unknown").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hole_in_the_feed_makes_the_gate_look_at_everything_again() {
    let upstream = Upstream::answering(application);
    let gate = setup(&upstream).start();
    let (_, alice, bob) = people(&gate).await;
    for (what, counter) in
        [("a hole", "n = n + 5"), ("a number that went back", "n = 1; DELETE FROM changes WHERE n > 1")]
    {
        let (hers, his) = (Open::everything(&alice).await, Open::everything(&bob).await);
        let database = rusqlite::Connection::open(gate.folder().join("accounts.db")).unwrap();
        database.busy_timeout(common::PATIENCE).unwrap();
        // Nobody says which account it was.
        database
            .execute_batch(&format!(
                "BEGIN IMMEDIATE; UPDATE accounts SET status = 'locked' WHERE username = 'alice'; \
                 UPDATE change_counter SET {counter}; COMMIT"
            ))
            .unwrap();
        end(hers, Instant::now(), "account_inactive").await;
        go_on(his).await;
        gate.wicketgate(&["account", "unlock", "alice"]);
        let start = Instant::now();
        while alice.get("/").await.status != 200 {
            assert!(start.elapsed() < SOON, "{what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    gate.log_line(&["the feed of changes has a gap"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_while_the_feed_cannot_be_read_counts_when_it_can_be_again() {
    let upstream = Upstream::answering(application);
    let mariadb = RefCell::new(MariaDb::start());
    let accounts = format!("{{ mysql: {}, serve_stale: 1m }}", mariadb.borrow().configuration());
    let gate = setup(&upstream).file("db.password", PASSWORD).section("accounts", &accounts).start();
    let (certificate, alice, bob) = people(&gate).await;
    let (hers, his) = (Open::everything(&alice).await, Open::everything(&bob).await);
    mariadb.borrow_mut().stop();
    gate.log_line(&["ERROR", "the feed of changes cannot be read"]);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(hers.iter().chain(&his).all(|open| !open.has_ended()), "answers are believed for a minute");
    mariadb.borrow_mut().start_again();
    store::revoke(&gate, &certificate).await;
    let since = Instant::now();
    for open in hers {
        let ended = open.ended().await;
        // The gate's connections to the database may have to be made anew.
        assert!(ended.at.saturating_duration_since(since) < Duration::from_secs(5), "{ended:?}");
    }
    go_on(his).await;
    gate.log_line(&["the feed of changes is read again"]);
    assert_eq!(gate.log().matches("the feed of changes cannot be read").count(), 1, "it is said once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_ends_when_nobody_can_say_for_long_whether_it_may() {
    let upstream = Upstream::answering(application);
    let mariadb = RefCell::new(MariaDb::start());
    // However long answers are kept: that nobody takes them back is known only as long as the feed is read.
    let accounts = format!("{{ mysql: {}, cache: {{ ttl: 1h }} }}", mariadb.borrow().configuration());
    let gate = setup(&upstream).file("db.password", PASSWORD).section("accounts", &accounts).start();
    let alice = gate.alice();
    let (idle, running) = (Open::keep_alive(&alice).await, Open::response(&alice, "h2", "/events").await);
    let socket = Open::websocket(&alice).await;
    mariadb.borrow_mut().stop();
    assert!(running.ended().await.how.contains("Err"));
    assert_eq!(socket.ended().await.how, "1008 accounts_unavailable");
    assert!(!idle.has_ended(), "what is idle has nothing to lose, and its requests are refused one by one");
    mariadb.borrow_mut().start_again();
    eventually("the feed to be read again", || gate.log().contains("is read again").then_some(()));
    idle.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_revoked_between_handshake_and_request_has_no_request() {
    let upstream = Upstream::answering(application);
    let gate = setup(&upstream).start();
    for _ in 0..10 {
        let (certificate, alice, _) = people(&gate).await;
        let mut connections = alice.both().await;
        store::revoke(&gate, &certificate).await;
        for (version, connection) in &mut connections {
            assert!(connection.is_refused("certificate_revoked").await, "{version}");
        }
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_and_addresses_change_with_the_next_request_and_nothing_is_cut() {
    let upstream = Upstream::answering(application);
    let routes = "[{ path: /, authenticate: [certificate], upstream: app }, \
                  { path: /staff, authenticate: [certificate], allow: { groups: [staff] }, upstream: app }]";
    let gate = setup(&upstream)
        .section("routes", routes)
        .upstream("headers", "{ user: Remote-User, email: Remote-Email, groups: Remote-Groups }")
        .start();
    let alice = gate.alice();
    let running = Open::everything(&alice).await;
    let mut connections = alice.both().await;
    let mut expect = async |what: &str, status: u16| {
        let start = Instant::now();
        for (version, connection) in &mut connections {
            while connection.get("/staff").await.status != status {
                assert!(start.elapsed() < SOON, "{what}, {version}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    expect("before", 403).await;
    gate.wicketgate(&["account", "set", "alice", "--add-group", "staff"]);
    expect("a member", 200).await;
    assert_eq!(upstream.last().header("remote-groups").as_deref(), Some("staff"));
    gate.wicketgate(&["account", "set", "alice", "--remove-group", "staff"]);
    expect("no longer a member", 403).await;
    go_on(running).await;
    assert!(!gate.log().contains(" cut\""), "{}", gate.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_certificate_on_a_route_for_all_has_nothing_to_lose() {
    let upstream = Upstream::answering(application);
    let gate = setup(&upstream).open_to_all().start();
    let stranger = gate.pki.person("stranger");
    let hers = Open::everything(&gate.client().with(&stranger)).await;
    gate.wicketgate(&["account", "add", "stranger", "--email", "other@example.org"]);
    store::revoke(&gate, &stranger).await;
    gate.reload();
    gate.log_line(&["configuration taken up"]);
    tokio::time::sleep(SOON).await;
    go_on(hers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_decides_tunnels_anew_and_disturbs_nothing_else() {
    let upstream = Upstream::answering(application);
    let gate = setup(&upstream).start();
    let (hers, socket) = (Open::everything(&gate.alice()).await, Open::websocket(&gate.alice()).await);
    gate.reload();
    gate.log_line(&["configuration taken up", "\"epoch\":2"]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(hers.iter().all(|open| !open.has_ended()));
    go_on(hers).await;
    let file = gate.folder().join("wicketgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let closed =
        text.replace("authenticate: [certificate],", "authenticate: [certificate], allow: { groups: [staff] },");
    assert_ne!(text, closed);
    std::fs::write(&file, closed).unwrap();
    gate.reload();
    assert_eq!(socket.ended().await.how, "1008 not_authorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_is_no_longer_trusted_loses_what_runs() {
    let upstream = Upstream::answering(application);
    let gate = setup(&upstream).start();
    let hers = Open::everything(&gate.alice()).await;
    let half = gate.folder().join("half");
    std::fs::write(&half, Authority::root("Example Successor").pem()).unwrap();
    std::fs::rename(half, gate.folder().join("ca.pem")).unwrap();
    gate.reload();
    gate.log_line(&["configuration taken up"]);
    end(hers, Instant::now(), "certificate_untrusted").await;
}

/// A server that begins a frame of this many octets and sends a part of it each time it is told to; it ends when
/// nobody tells it any more.
fn large_frame(octets: u64) -> (Upstream, mpsc::Sender<usize>) {
    let (tell, told) = mpsc::channel::<usize>();
    let told = std::sync::Mutex::new(told);
    let upstream = Upstream::answering(move |exchange| {
        if exchange.request.target() != "/socket" {
            return exchange.answer("ok");
        }
        switch(exchange);
        let (_, mut wire) = exchange.upgrade();
        wire.write_all(&[0x82, 127]).unwrap();
        wire.write_all(&octets.to_be_bytes()).unwrap();
        while let Ok(count) = told.lock().unwrap().recv() {
            // What looks like the start of a Close frame is payload.
            let _ = wire.write_all(&vec![0x88; count]);
        }
    });
    (upstream, tell)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_frame_is_put_in_where_the_servers_frame_ends() {
    let (upstream, tell) = large_frame(300_000);
    let gate = setup(&upstream).start();
    let (certificate, alice, _) = people(&gate).await;
    let mut socket = open::websocket(&alice).await;
    tell.send(100_000).unwrap();
    let mut part = vec![0; 10 + 100_000];
    socket.read_exact(&mut part).await.unwrap();
    store::revoke(&gate, &certificate).await;
    gate.log_line(&["tunnel cut"]);
    // The rest of the frame, and the beginning of something else.
    tell.send(200_000 + 5000).unwrap();
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
    assert!(rest[..200_000].iter().all(|octet| *octet == 0x88));
    let close = [&[0x88, 21, 0x03, 0xf0], b"certificate_revoked".as_slice()].concat();
    assert_eq!(rest[200_000..], close, "{} octets came", rest.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_does_not_end_is_cut() {
    let (upstream, tell) = large_frame(300_000);
    let gate = setup(&upstream).start();
    let (certificate, alice, _) = people(&gate).await;
    let mut socket = open::websocket(&alice).await;
    tell.send(100_000).unwrap();
    let mut part = vec![0; 10 + 100_000];
    socket.read_exact(&mut part).await.unwrap();
    store::revoke(&gate, &certificate).await;
    let since = Instant::now();
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
    assert!(rest.is_empty(), "half a frame is no place for another");
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    let _ = socket.shutdown().await;
}
