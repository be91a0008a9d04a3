//! Many people arrive at once at a gate that knows none of them: all of them are answered, over no more connections to
//! the database than the pool allows, and nothing is asked twice.
#![cfg(test)]

mod common;

use common::client::{Client, Connection};
use common::mariadb::{MariaDb, PASSWORD};
use common::pki::Leaf;
use common::setup::Setup;
use common::upstream::Upstream;
use futures_util::StreamExt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::HashMap;
use std::time::Instant;

/// How many connections are being opened at once.
const AT_ONCE: usize = 64;

/// The most that the gate holds to one database.
const POOL: u32 = 8;

async fn arrive(people: usize) {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let (mariadb, upstream) = (MariaDb::start(), Upstream::start());
    let accounts = format!("{{ mysql: {}, cache: {{ ttl: 1h }} }}", mariadb.configuration());
    let rows: Vec<String> =
        (0..people).map(|number| format!("('person{number}', 'person{number}@example.org', 'active')")).collect();
    let insert = format!("INSERT INTO accounts (username, email, status) VALUES {};", rows.join(", "));
    let gate = Setup::before(&upstream)
        .file("db.password", PASSWORD)
        .section("accounts", &accounts)
        .section("limits", "{ connections: 20000, connections_per_address: 20000 }")
        .section("timeouts", "{ handshake: 60s, request_head: 5m, idle: 5m }")
        .section("routes", "[{ path: /, authenticate: [certificate], upstream: { respond: { body: welcome } } }]")
        .start_after(|| _ = mariadb.sql(&insert));
    let clients: Vec<Client> = (0..people)
        .map(|number| {
            let leaf = Leaf::person(&format!("person{number}@example.org"));
            gate.client().with(&gate.pki.people.issue(leaf))
        })
        .collect();
    // The connections are there already, so that the questions come all at once.
    let opening = clients.iter().map(async |client| client.http1().await.unwrap());
    let mut connections: Vec<Connection> =
        futures_util::stream::iter(opening).buffer_unordered(AT_ONCE).collect().await;
    mariadb.administer("FLUSH STATUS; SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = ON;");
    let begin = Instant::now();
    let answers = futures_util::future::join_all(connections.iter_mut().map(|connection| connection.get("/"))).await;
    let took = begin.elapsed();
    mariadb.administer("SET GLOBAL general_log = OFF;");
    let mut statuses: HashMap<u16, usize> = HashMap::new();
    answers.iter().for_each(|answer| *statuses.entry(answer.status).or_default() += 1);
    assert_eq!(statuses, HashMap::from([(200, people)]), "{}", gate.log());

    let most = mariadb.administer("SHOW GLOBAL STATUS LIKE 'Max_used_connections';");
    let most: u32 = most.trim().rsplit('\t').next().unwrap().parse().unwrap();
    // One of them is this test's own, and over one the feed of changes is read.
    assert!((3..=POOL + 2).contains(&most), "{most} connections");
    let asked = |of: &str| -> (usize, usize) {
        let counts = mariadb.administer(&format!(
            "SELECT COUNT(*), COUNT(DISTINCT CAST(argument AS BINARY)) FROM mysql.general_log \
             WHERE command_type = 'Execute' AND argument LIKE '{of}';"
        ));
        let mut counts = counts.trim().split('\t').map(|count| count.parse().unwrap());
        (counts.next().unwrap(), counts.next().unwrap())
    };
    let (questions, different) = asked("%@example.org%");
    assert_eq!((questions, different), (people, people), "who somebody is");
    let (questions, different) = asked("%revocations%");
    // Each person's certificate, and that of the authority which issued all of them.
    assert_eq!((questions, different), (people + 1, people + 1), "what was revoked");
    let said = (answers.len(), took, most - 1);
    println!("{} people were answered in {:.1?} over {} connections to the database", said.0, said.1, said.2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_people_at_once_are_all_answered_and_nothing_is_asked_twice() {
    arrive(300).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "five thousand people: `make prove`"]
async fn five_thousand_people_at_once_are_all_answered_and_nothing_is_asked_twice() {
    arrive(5000).await;
}
