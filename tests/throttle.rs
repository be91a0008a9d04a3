//! Who guesses at passwords is held back, and nobody else: not who comes from elsewhere, not who has a certificate.
//! And fail2ban's own program reads the failures from a gate's audit log by the filter in `packaging`.
#![cfg(test)]

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::client::{Answer, Body, Connection, empty};
use common::gate::Gate;
use common::pki::write_private;
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const ROUTES: &str = "[{ path: /, authenticate: [certificate, digest, basic], upstream: app }]";

/// A gate on which alice and bob have passwords, and everybody is counted.
fn gate(upstream: &Upstream, throttle: &str) -> Gate {
    let gate = Setup::before(upstream)
        .section("routes", ROUTES)
        .section("digest", "{ realm: example.org }")
        .section("basic", "{ realm: example.org }")
        .section("throttle", throttle)
        .section("log", "{ audit: audit.log }")
        .account("bob", &["--email", "bob@example.org"])
        .start();
    for username in ["alice", "bob"] {
        let file = gate.folder().join(username);
        write_private(&file, &format!("of {username}\n"));
        gate.wicketgate(&["account", "password", username, "--file", file.to_str().unwrap()]);
    }
    gate
}

fn basic(username: &str, password: &str) -> Request<Body> {
    let encoded = STANDARD.encode(format!("{username}:{password}"));
    let request = Request::get("/").header("accept", "application/json");
    request.header("authorization", format!("Basic {encoded}")).body(empty()).unwrap()
}

async fn attempt(connection: &mut Connection, username: &str, password: &str) -> Answer {
    connection.send(basic(username, password)).await
}

/// What curl is answered that comes from this address of the machine.
fn from(gate: &Gate, address: &str, scheme: &str, user: &str) -> u16 {
    gate.curl("/", &["--interface", address, scheme, "-u", user]).status
}

#[tokio::test]
async fn a_name_is_locked_where_it_was_guessed_at_and_nowhere_else_and_never_for_a_certificate() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "{ failures: 3, delay: 0s, exempt: [] }");
    let mut connection = gate.client().http1().await.unwrap();
    for _ in 0..3 {
        assert_eq!(attempt(&mut connection, "alice", "a guess").await.status, 401);
    }
    for (username, password) in [("alice", "of alice"), ("ALICE", "of alice"), ("alice", "a guess")] {
        let held = attempt(&mut connection, username, password).await;
        assert_eq!((held.status, held.json()["reason"].as_str()), (429, Some("locked_out")), "{username}");
        let after: u64 = held.header("retry-after").parse().unwrap();
        assert!((1..=300).contains(&after), "{after}");
        assert_eq!(held.header("www-authenticate"), "");
    }
    // By Digest the same lock holds.
    assert_eq!(from(&gate, "127.0.0.1", "--digest", "alice:of alice"), 429);
    assert_eq!(attempt(&mut connection, "bob", "of bob").await.status, 200, "nobody has guessed at bob");
    for scheme in ["--basic", "--digest"] {
        assert_eq!(from(&gate, "127.0.0.2", scheme, "alice:of alice"), 200, "{scheme}");
    }
    assert_eq!(gate.alice().get("/").await.status, 200, "a certificate is no password");
    gate.wicketgate(&["account", "set", "alice", "--name", "Alice"]);
    assert_eq!(attempt(&mut connection, "alice", "of alice").await.status, 429);
}

#[tokio::test]
async fn guesses_by_digest_count_and_a_stale_nonce_does_not() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "{ failures: 3, delay: 0s, exempt: [] }");
    for _ in 0..10 {
        assert_eq!(from(&gate, "127.0.0.1", "--digest", "bob:of bob"), 200);
    }
    for _ in 0..3 {
        assert_eq!(from(&gate, "127.0.0.1", "--digest", "bob:a guess"), 401);
    }
    assert_eq!(from(&gate, "127.0.0.1", "--digest", "bob:of bob"), 429);
}

#[tokio::test]
async fn whoever_is_exempted_is_not_counted() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "{ failures: 1, exempt: [127.0.0.1] }");
    let mut connection = gate.client().http1().await.unwrap();
    for _ in 0..5 {
        assert_eq!(attempt(&mut connection, "bob", "a guess").await.status, 401);
    }
    assert_eq!(attempt(&mut connection, "bob", "of bob").await.status, 200);
    assert_eq!(from(&gate, "127.0.0.2", "--basic", "bob:a guess"), 401);
    assert_eq!(from(&gate, "127.0.0.2", "--basic", "bob:of bob"), 429);
}

#[tokio::test]
async fn a_flood_of_guesses_does_not_disturb_whoever_has_a_certificate() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "{ failures: 5, delay: 1s, exempt: [] }");
    let mut connection = gate.client().http1().await.unwrap();
    for _ in 0..5 {
        assert_eq!(attempt(&mut connection, "alice", "a guess").await.status, 401);
    }
    let guessing: Vec<_> = (0..4)
        .map(|task| {
            let client = gate.client();
            tokio::spawn(async move {
                let mut connection = client.http1().await.unwrap();
                let (mut judged, mut held) = (0, 0);
                for number in 0..60 {
                    // Half of them at one account, half at ever new ones; those that have to wait are given up.
                    let name = if number % 2 == 0 { "alice".to_owned() } else { format!("user {task} {number}") };
                    let answer = connection.try_send(basic(&name, "a guess"));
                    match tokio::time::timeout(Duration::from_millis(300), answer).await {
                        Ok(Ok(answer)) if answer.status == 429 => held += 1,
                        Ok(Ok(_)) => judged += 1,
                        _ => connection = client.http1().await.unwrap(),
                    }
                }
                (judged, held)
            })
        })
        .collect();
    let mut alice = gate.alice().http1().await.unwrap();
    while !guessing.iter().all(tokio::task::JoinHandle::is_finished) {
        assert_eq!(alice.send(common::client::get("/")).await.status, 200);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut held = 0;
    for task in guessing {
        let (judged, refused) = task.await.unwrap();
        assert!(judged < 30, "{judged} guesses were judged");
        held += refused;
    }
    assert!(held >= 100, "only {held} were refused");
}

#[tokio::test]
async fn guesses_at_many_names_over_as_many_connections_at_once_do_not_overtake_the_count_of_their_address() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "{ failures: 3, delay: 60s, exempt: [] }");
    let guessing: Vec<_> = (0..100)
        .map(|number| {
            let client = gate.client();
            tokio::spawn(async move {
                let mut connection = client.http1().await.unwrap();
                attempt(&mut connection, &format!("user {number}"), "a guess").await.status
            })
        })
        .collect();
    let mut judged = 0;
    for task in guessing {
        match task.await.unwrap() {
            401 => judged += 1,
            status => assert_eq!(status, 429),
        }
    }
    // Four times as many as of one name, and then one turn, after which the next is a minute off.
    assert!((12..=13).contains(&judged), "{judged} guesses were judged");
    assert_eq!(from(&gate, "127.0.0.1", "--basic", "bob:of bob"), 429);
    assert_eq!(from(&gate, "127.0.0.2", "--basic", "bob:of bob"), 200);
    assert_eq!(gate.alice().get("/").await.status, 200, "a certificate is no password");
}

#[tokio::test]
async fn whoever_leaves_before_the_answer_does_not_get_hashing_for_nothing() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "{ failures: 2, delay: 60s, exempt: [] }");
    // It takes longer to hash than anybody here stays.
    let slow = "$6$rounds=1000000$saltsalt$oDxhScmAF.kccOCkVstug7WoFoFjMX6mXSTs0lFRSUqML932SQ3Q/BgYSribNat/so81nzUOA4mI6/b5E5nYV/";
    let database = rusqlite::Connection::open(gate.folder().join("accounts.db")).unwrap();
    database.execute("UPDATE password_hashes SET hash = ?", [slow]).unwrap();
    let refused = async {
        loop {
            let mut connection = gate.client().http1().await.unwrap();
            let answer = attempt(&mut connection, "bob", "a guess");
            match tokio::time::timeout(Duration::from_millis(100), answer).await {
                Err(_) => drop(connection),
                Ok(answer) => break answer,
            }
        }
    };
    let answer = tokio::time::timeout(common::PATIENCE, refused).await.unwrap();
    assert_eq!((answer.status, answer.json()["reason"].as_str()), (429, Some("rate_limited")));
    assert_eq!(gate.alice().get("/").await.status, 200, "a certificate is no password");
}

/// What fail2ban's program finds in a log: how many lines match, and from which addresses.
fn fail2ban(log: &Path) -> (usize, Vec<String>) {
    let filter = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/fail2ban/filter.d/wicketgate.conf");
    let output = Command::new("fail2ban-regex").arg("--out").arg("ip").arg(log).arg(&filter).output();
    let output = output.expect("fail2ban must be installed: make programs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let addresses: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    (addresses.len(), addresses)
}

#[tokio::test]
async fn fail2ban_finds_the_failures_in_the_audit_log_and_nothing_else() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "{ failures: 4, delay: 0s, exempt: [] }");
    let log = gate.folder().join("audit.log");
    let mut connection = gate.client().http1().await.unwrap();
    // No failures: nothing said, the right thing said, what cannot be read.
    assert_eq!(connection.get("/").await.status, 401);
    assert_eq!(attempt(&mut connection, "bob", "of bob").await.status, 200);
    assert_eq!(from(&gate, "127.0.0.3", "--digest", "bob:of bob"), 200);
    let hostile = r#"/","failed":"basic","connection":1,"client":"192.0.2.66:1"#;
    let malformed = Request::get("/").header("authorization", "Basic ?").body(empty()).unwrap();
    assert_eq!(connection.send(malformed).await.status, 400);
    // Failures, some of them with names that would like to be somebody else's.
    let mut expected = vec!["127.0.0.1"; 6];
    for _ in 0..4 {
        assert_eq!(attempt(&mut connection, "bob", "a guess").await.status, 401);
    }
    assert_eq!(attempt(&mut connection, "bob", "a guess").await.status, 429);
    assert_eq!(attempt(&mut connection, hostile, "a guess").await.status, 401);
    assert_eq!(from(&gate, "127.0.0.3", "--digest", "bob:a guess"), 401);
    expected.push("127.0.0.3");
    common::eventually("all records", || {
        let text = std::fs::read_to_string(&log).unwrap();
        (text.lines().filter(|line| line.contains("127.0.0.3") && line.contains("\"failed\"")).count() == 1)
            .then_some(())
    });
    let (count, addresses) = fail2ban(&log);
    assert_eq!((count, addresses), (7, expected.into_iter().map(str::to_owned).collect()));
}
