//! `wicketgate cache flush`: what was written into the database by hand counts on every gate, and does not before.
#![cfg(test)]

mod common;

use common::eventually;
use common::foreign::take_over;
use common::gate::Gate;
use common::mariadb::{DATABASE, MariaDb, PASSWORD, USER};
use common::open::Open;
use common::setup::Setup;
use common::upstream::Upstream;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn flush(gate: &Gate, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
    command.args(["cache", "flush", "-c"]).arg(gate.folder().join("wicketgate.yaml")).args(more).output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_reaches_every_gate_on_the_database_and_its_open_connections() {
    let mariadb = MariaDb::start();
    let upstream = Upstream::start();
    let accounts = format!("{{ mysql: {}, cache: {{ ttl: 1h }} }}", mariadb.configuration());
    let gate = Setup::before(&upstream).file("db.password", PASSWORD).section("accounts", &accounts).start();
    let twin = gate.twin();
    let alice = gate.alice();
    let there = alice.clone().at(twin.address);
    for client in [&alice, &there] {
        assert_eq!(client.get("/").await.status, 200);
    }
    let open = [Open::http2(&alice).await, Open::http2(&there).await];
    // Without a number: the feed says nothing of it.
    mariadb.sql("UPDATE accounts SET status = 'locked' WHERE username = 'alice';");
    tokio::time::sleep(Duration::from_secs(1)).await;
    for client in [&alice, &there] {
        assert_eq!(client.get("/").await.status, 200, "nobody has noticed");
    }
    let output = flush(&gate, &[]);
    let flushed = Instant::now();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let number = mariadb.sql("SELECT n FROM changes WHERE kind = 'flush';");
    assert!(
        text(&output.stdout).contains(&format!(": change {}: every gate", number.trim())),
        "{}",
        text(&output.stdout)
    );
    for open in open {
        assert_eq!(open.ended().await.how, "GOAWAY");
    }
    for client in [&alice, &there] {
        gate.until(client, "account_inactive").await;
    }
    println!("both gates knew after {:?}", flushed.elapsed());
    assert!(twin.process.output().contains("everything is asked for anew, as somebody has demanded"));
    let output = flush(&gate, &["--json"]);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["change"].as_i64(), number.trim().parse::<i64>().ok().map(|number| number + 1));
}

#[tokio::test]
async fn a_flush_works_on_sqlite() {
    let upstream = Upstream::start();
    let accounts = "{ sqlite: { path: accounts.db }, cache: { ttl: 1h } }";
    let gate = Setup::before(&upstream).section("accounts", accounts).start();
    let alice = gate.alice();
    assert_eq!(alice.get("/").await.status, 200);
    let database = rusqlite::Connection::open(gate.folder().join("accounts.db")).unwrap();
    database.busy_timeout(common::PATIENCE).unwrap();
    database.execute_batch("UPDATE accounts SET status = 'locked'").unwrap();
    assert!(flush(&gate, &[]).status.success());
    gate.until(&alice, "account_inactive").await;
}

#[tokio::test]
async fn a_flush_needs_the_rights_of_those_who_look_after_accounts() {
    let mariadb = MariaDb::start();
    let upstream = Upstream::start();
    let accounts = format!("{{ mysql: {} }}", mariadb.configuration());
    let gate = Setup::before(&upstream).file("db.password", PASSWORD).section("accounts", &accounts).start();
    let granted = gate.wicketgate(&["db", "grants", "--accounts-user", "people"]);
    mariadb.administer(&format!("REVOKE ALL ON {DATABASE}.* FROM {USER}; {granted}; KILL USER {USER};"));
    let output = flush(&gate, &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("denied") && said.contains("--accounts-user"), "{said}");
    mariadb.administer(&format!("ALTER USER people IDENTIFIED BY '{PASSWORD}' ACCOUNT UNLOCK;"));
    let file = gate.folder().join("wicketgate.yaml");
    let configuration = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, configuration.replace(&format!("user: {USER}"), "user: people")).unwrap();
    let output = flush(&gate, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_tables_have_no_feed_and_a_signal_flushes() {
    let mariadb = MariaDb::start();
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).file("db.password", PASSWORD).start();
    mariadb.sql(
        "CREATE TABLE people (login VARCHAR(100), mail VARCHAR(150), state INT); \
         INSERT INTO people VALUES ('liddell', 'alice@example.org', 1);",
    );
    let tables = "tables: { accounts: { table: people, username: login, email: mail, \
                  status: { column: state, active: [1], locked: [0] } } }";
    let mysql = mariadb.configuration();
    let accounts =
        format!("{{ mysql: {}, {tables} }}, cache: {{ ttl: 1h }} }}", mysql.trim_end().trim_end_matches('}'));
    let alice = gate.alice();
    take_over(&gate, &accounts, async || {
        alice.get("/").await;
        upstream.requests().last().and_then(|seen| seen.header("remote-user")).as_deref() == Some("liddell")
    })
    .await;
    let flushes = || gate.log().matches("the cache of accounts was flushed").count();
    eventually("the signal that took the tables over", || (flushes() == 1).then_some(()));
    let open = Open::http2(&alice).await;
    mariadb.sql("UPDATE people SET state = 0;");
    let output = flush(&gate, &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    for part in ["`accounts.mysql.tables`", "no feed of changes", "send SIGHUP to each gate", "accounts.cache.ttl"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(alice.get("/").await.status, 200, "nothing was done");
    gate.reload();
    gate.until(&alice, "account_inactive").await;
    assert_eq!(open.ended().await.how, "GOAWAY");
    assert_eq!(flushes(), 2);
}
