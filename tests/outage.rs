//! The database is away while people work: stopped, or accepting connections and answering nobody. Who was seen before
//! goes on for as long as `accounts.serve_stale` says, everybody else is told 503 and when to come again; nobody is let
//! in wrongly; and when the database is back, so is everybody. Prints its figures as a table.
#![cfg(test)]

mod common;

use comfy_table::Table;
use common::client::{Client, Connection, get};
use common::foreign::take_over;
use common::gate::Gate;
use common::mariadb::{MariaDb, PASSWORD};
use common::pki::{Credential, Leaf};
use common::setup::Setup;
use common::store;
use common::upstream::Upstream;
use common::{PATIENCE, eventually};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How the database is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Away {
    Stopped,
    /// The kernel goes on accepting connections for it, and nobody answers.
    Silent,
}

impl Away {
    fn begin(self, mariadb: &mut MariaDb) {
        match self {
            Self::Stopped => mariadb.stop(),
            Self::Silent => mariadb.signal("STOP"),
        }
    }

    fn end(self, mariadb: &mut MariaDb) {
        match self {
            Self::Stopped => mariadb.start_again(),
            Self::Silent => mariadb.signal("CONT"),
        }
    }
}

/// How much, and how long.
#[derive(Clone, Copy)]
struct Scale {
    people: usize,
    away: Duration,
    /// How soon everybody must be back.
    back: Duration,
    /// How long an answer may take at most, whatever it is.
    slowest: Duration,
}

const BRIEF: Scale =
    Scale { people: 6, away: Duration::from_secs(6), back: PATIENCE, slowest: Duration::from_secs(20) };

const WHOLE: Scale =
    Scale { people: 50, away: Duration::from_secs(60), back: Duration::from_secs(2), slowest: Duration::from_secs(8) };

/// One answer.
#[derive(Debug, Clone, Copy)]
struct Visit {
    began: Instant,
    took: Duration,
    /// 0 if the connection broke.
    status: u16,
    says_when: bool,
}

impl Visit {
    fn ended(&self) -> Instant {
        self.began + self.took
    }
}

/// Visits again and again until told to end: over one connection for as long as it lasts, and over a new one in turn.
struct Visitor {
    visits: JoinHandle<Vec<Visit>>,
}

impl Visitor {
    fn begin(client: &Client, mut end: watch::Receiver<bool>) -> Self {
        let client = client.clone();
        let visits = tokio::spawn(async move {
            let (mut visits, mut open) = (Vec::new(), None);
            while !*end.borrow_and_update() {
                visits.push(visit(&client, &mut open).await);
                visits.push(visit(&client, &mut None).await);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            visits
        });
        Self { visits }
    }

    async fn ends(self) -> Vec<Visit> {
        self.visits.await.unwrap()
    }
}

async fn visit(client: &Client, open: &mut Option<Connection>) -> Visit {
    let began = Instant::now();
    let answer = async {
        if open.is_none() {
            *open = client.http1().await.ok();
        }
        open.as_mut()?.try_send(get("/")).await.ok()
    };
    let answer = answer.await;
    if answer.is_none() {
        *open = None;
    }
    let (status, says_when) =
        answer.map_or((0, false), |answer| (answer.status, answer.header("retry-after").parse::<u32>().is_ok()));
    Visit { began, took: began.elapsed(), status, says_when }
}

/// A gate, and those who visit it.
struct World {
    upstream: Upstream,
    gate: Gate,
    /// Who are known to the gate when the outage begins.
    seen: Vec<Client>,
    /// Who may pass and were never there.
    new: Vec<Client>,
    locked: Client,
    revoked: Client,
    stranger: Client,
}

impl World {
    /// With locked and revoked people, whom the gate has let in before, and knows by now to be so.
    async fn new(mariadb: &MariaDb, accounts: &str, scale: Scale) -> Self {
        let upstream = Upstream::start();
        let accounts = format!("{{ mysql: {}, {accounts} }}", mariadb.configuration());
        let mut setup = Setup::before(&upstream).file("db.password", PASSWORD).section("accounts", &accounts);
        for name in ["locked", "revoked"] {
            setup = setup.account(name, &["--email", &format!("{name}@example.org")]);
        }
        let people: Vec<String> = (0..scale.people * 2).map(|number| format!("person{number}")).collect();
        let sql: Vec<String> =
            people.iter().map(|name| format!("('{name}', '{name}@example.org', 'active')")).collect();
        let sql = format!("INSERT INTO accounts (username, email, status) VALUES {};", sql.join(", "));
        let gate = setup.start_after(|| _ = mariadb.sql(&sql));
        let of = |name: &str| -> (Credential, Client) {
            let credential = gate.pki.people.issue(Leaf::person(&format!("{name}@example.org")));
            let client = gate.client().with(&credential);
            (credential, client)
        };
        let mut seen: Vec<Client> = people.iter().map(|name| of(name).1).collect();
        let new = seen.split_off(scale.people);
        let (certificate, revoked) = of("revoked");
        let (locked, stranger) = (of("locked").1, of("stranger").1);
        for client in seen.iter().chain([&locked, &revoked]) {
            assert_eq!(client.get("/").await.status, 200);
        }
        gate.wicketgate(&["account", "lock", "locked"]);
        store::revoke(&gate, &certificate).await;
        gate.until(&locked, "account_inactive").await;
        gate.until(&revoked, "certificate_revoked").await;
        Self { upstream, gate, seen, new, locked, revoked, stranger }
    }

    /// Who must not be let in has not reached the application since it had seen so many requests.
    fn nobody_slipped_in(&self, since: usize) {
        for request in self.upstream.requests().iter().skip(since) {
            let user = request.header("remote-user").unwrap();
            assert!(user.starts_with("person"), "{user} was let in");
        }
    }
}

/// What is expected of those who were seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    GoOn,
    AreTurnedAway,
}

async fn outage(away: Away, accounts: &str, expected: Seen, scale: Scale) {
    let mut mariadb = MariaDb::start();
    let world = World::new(&mariadb, accounts, scale).await;
    let (end, ended) = watch::channel(false);
    let begin = |clients: &[&Client]| -> Vec<Visitor> {
        clients.iter().map(|client| Visitor::begin(client, ended.clone())).collect()
    };
    let seen = begin(&world.seen.iter().collect::<Vec<_>>());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = world.upstream.requests().len();
    away.begin(&mut mariadb);
    let gone = Instant::now();
    let new = begin(&world.new.iter().collect::<Vec<_>>());
    let kept_out = begin(&[&world.locked, &world.revoked, &world.stranger]);
    world.gate.log_line(&["the feed of changes cannot be read"]);
    if expected == Seen::AreTurnedAway {
        world.gate.log_line(&["what was known counts no longer"]);
    }
    let noticed = Instant::now();
    tokio::time::sleep(scale.away).await;
    let returning = Instant::now();
    away.end(&mut mariadb);
    let returned = Instant::now();
    // Everybody who may pass has done so since.
    let everybody: Vec<&Client> = world.seen.iter().chain(&world.new).collect();
    for client in &everybody {
        let start = Instant::now();
        while client.get("/").await.status != 200 {
            assert!(start.elapsed() < PATIENCE, "{}", world.gate.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let _ = end.send(true);
    let mut table = Table::new();
    table.set_header(["who", "answers", "200", "403", "503", "slowest", "back after"]);
    let during = |visit: &&Visit| visit.began > noticed && visit.ended() < returning;
    let mut late = Vec::new();
    for (who, visitors) in [("seen before", seen), ("new", new), ("locked, revoked, unknown", kept_out)] {
        let mut all = Vec::new();
        for visitor in visitors {
            let visits = visitor.ends().await;
            let back = visits.iter().find(|visit| visit.began >= returned && visit.status == 200);
            late.extend(back.map(|visit| (who, visit.ended() - returned)));
            all.extend(visits);
        }
        let count = |status: u16| all.iter().filter(during).filter(|visit| visit.status == status).count();
        let slow = all.iter().filter(|visit| visit.began > gone).max_by_key(|visit| visit.took).unwrap();
        let slowest = slow.took;
        let back = late.iter().filter(|(of, _)| *of == who).map(|(_, after)| *after).max();
        table.add_row([
            who.to_owned(),
            all.iter().filter(during).count().to_string(),
            count(200).to_string(),
            count(403).to_string(),
            count(503).to_string(),
            format!("{slowest:.1?}"),
            back.map_or_else(|| "–".to_owned(), |after| format!("{after:.1?}")),
        ]);
        for visit in all.iter().filter(during) {
            let allowed: &[u16] = match (who, expected) {
                ("seen before", Seen::GoOn) => &[200],
                ("seen before", Seen::AreTurnedAway) | ("new", _) => &[503],
                _ => &[403, 503],
            };
            assert!(allowed.contains(&visit.status), "{who}: {visit:?}\n{}", world.gate.log());
            assert!(visit.status != 503 || visit.says_when, "{who}: {visit:?} does not say when to come again");
        }
        if who.starts_with("locked") {
            assert!(all.iter().all(|visit| visit.status != 200), "somebody was let in wrongly");
        }
        if who == "seen before" && expected == Seen::GoOn {
            let disturbed: Vec<_> = all.iter().filter(|visit| visit.status != 200).collect();
            assert!(disturbed.is_empty(), "{disturbed:?}\n{}", world.gate.log());
        }
        let after = slow.began - gone;
        assert!(slowest < scale.slowest, "{who}: {slow:?}, begun {after:?} after the end\n{}", world.gate.log());
    }
    println!("the database is {away:?} for {:?}, {accounts}\n{table}", scale.away);
    world.nobody_slipped_in(before);
    late.retain(|(_, after)| *after > scale.back);
    assert!(late.is_empty(), "{late:?}");
}

const STALE: &str = "serve_stale: 5m, cache: { ttl: 2s }";
const BY_DEFAULT: &str = "cache: { ttl: 1h }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_seen_before_goes_on_while_the_database_is_stopped() {
    outage(Away::Stopped, STALE, Seen::GoOn, BRIEF).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_seen_before_goes_on_while_the_database_answers_nobody() {
    outage(Away::Silent, STALE, Seen::GoOn, BRIEF).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_default_nobody_is_let_in_while_the_database_is_stopped() {
    outage(Away::Stopped, BY_DEFAULT, Seen::AreTurnedAway, BRIEF).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_default_nobody_is_let_in_while_the_database_answers_nobody() {
    outage(Away::Silent, BY_DEFAULT, Seen::AreTurnedAway, BRIEF).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "four outages of a minute: `make prove`"]
async fn a_minute_without_the_database_lets_nobody_in_wrongly_and_keeps_nobody_out_afterwards() {
    for (accounts, expected) in [(STALE, Seen::GoOn), (BY_DEFAULT, Seen::AreTurnedAway)] {
        for away in [Away::Stopped, Away::Silent] {
            outage(away, accounts, expected, WHOLE).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_served_stale_ends_when_its_time_is_over_on_open_connections_too() {
    let mut mariadb = MariaDb::start();
    let upstream = Upstream::start();
    let accounts = format!("{{ mysql: {}, serve_stale: 6s }}", mariadb.configuration());
    let gate = Setup::before(&upstream).file("db.password", PASSWORD).section("accounts", &accounts).start();
    let alice = gate.alice();
    let mut open = alice.both().await;
    for (version, connection) in &mut open {
        assert_eq!(connection.get("/").await.status, 200, "{version}");
    }
    let stopping = Instant::now();
    mariadb.stop();
    gate.log_line(&["the feed of changes cannot be read"]);
    assert_eq!(alice.get("/").await.status, 200);
    gate.log_line(&["what was known counts no longer"]);
    assert!(stopping.elapsed() > Duration::from_secs(4), "it came after {:?}", stopping.elapsed());
    for (version, connection) in &mut open {
        let answer = connection.get("/").await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "2"), "{version}");
    }
    assert_eq!(alice.get("/").await.status, 503);
    mariadb.start_again();
    gate.until(&alice, "ok").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_foreign_tables_an_answer_outlives_its_time_only_as_serve_stale_says() {
    let mut mariadb = MariaDb::start();
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).file("db.password", PASSWORD).start();
    mariadb.sql(
        "CREATE TABLE people (login VARCHAR(100), mail VARCHAR(150), state INT); \
         INSERT INTO people VALUES ('liddell', 'alice@example.org', 1), ('bob', 'bob@example.org', 0);",
    );
    let tables = "tables: { accounts: { table: people, username: login, email: mail, \
                  status: { column: state, active: [1], locked: [0] } } }";
    let mysql = mariadb.configuration();
    let accounts = format!(
        "{{ mysql: {}, {tables} }}, cache: {{ ttl: 1s }}, serve_stale: 8s }}",
        mysql.trim_end().trim_end_matches('}')
    );
    let alice = gate.alice();
    take_over(&gate, &accounts, async || {
        alice.get("/").await;
        upstream.requests().last().and_then(|seen| seen.header("remote-user")).as_deref() == Some("liddell")
    })
    .await;
    // Which the signal has done that took the tables over.
    gate.log_line(&["the cache of accounts was flushed"]);
    let bob = gate.client().with(&gate.pki.person("bob"));
    assert!(bob.get("/").await.says().contains("account_inactive"));
    assert_eq!(alice.get("/").await.status, 200);
    mariadb.stop();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(alice.get("/").await.status, 200, "the time to live of a second is over");
    assert!(bob.get("/").await.says().contains("account_inactive"), "who was locked stays so");
    assert_eq!(gate.client().with(&gate.pki.person("carol")).get("/").await.status, 503);
    gate.until(&alice, "accounts_unavailable").await;
    mariadb.start_again();
    eventually("the server to be back", || (mariadb.sql("SELECT 1;") == "1\n").then_some(()));
    let start = Instant::now();
    while alice.get("/").await.status != 200 {
        assert!(start.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
