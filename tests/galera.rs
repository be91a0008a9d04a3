//! Accounts on a Galera cluster, where every node takes writes and the loser of two is told at its COMMIT: what is
//! written by many at once to different nodes, and what becomes of a gate whose nodes die, freeze and lose the
//! majority under it. That the account suite passes there is in `accounts`.
#![cfg(test)]

mod common;

use comfy_table::Table;
use common::client::Client;
use common::eventually;
use common::galera::{Cluster, NODES};
use common::gate::Gate;
use common::mariadb::{self, DATABASE, PASSWORD, USER};
use common::setup::Setup;
use common::upstream::Upstream;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use wicketgate::account::{self, Account, CertificateKey, Edit, Lookup, Registry, RegistryError, Status};
use wicketgate::base::clock::Timestamp;
use wicketgate::base::secret::{Secret, SecretSource};
use wicketgate::config::{LookupKind, MySql, MySqlTls, ServerName, Store};
use wicketgate::store::changes::{Change, Since};
use wicketgate::store::{Abort, Database, Deadlines, Session};

/// The promise: what is changed anywhere is in force everywhere.
const IN_FORCE: Duration = Duration::from_secs(2);

fn store(servers: &[SocketAddr], database: &str, user: &str, password: &str) -> Store {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let name = |server: &SocketAddr| ServerName { host: server.ip().to_string(), port: server.port() };
    Store::MySql(MySql {
        servers: servers.iter().map(name).collect(),
        database: database.to_owned(),
        user: user.to_owned(),
        password: Some(SecretSource::Literal(Secret::from(password))),
        tls: MySqlTls::default(),
        foreign: None,
        insecure: false,
    })
}

async fn open(store: &Store) -> Arc<dyn Registry> {
    account::open(store, Handle::current()).await.unwrap()
}

fn account(username: &str) -> Account {
    Account {
        username: username.to_owned(),
        email: Some(format!("{username}@example.org")),
        display_name: None,
        status: Status::Active,
        home: None,
        aliases: Vec::new(),
        groups: Vec::new(),
    }
}

/// The tables in a database of their own on the cluster, by one node at a time.
struct World {
    database: mariadb::Database,
    nodes: Vec<Store>,
}

impl World {
    async fn on(cluster: &Cluster) -> Self {
        let database = cluster.database();
        let of = |server| store(&[server], &database.name, &database.user, &database.password);
        let nodes: Vec<Store> = cluster.addresses().into_iter().map(of).collect();
        // All at once, from every node: one makes it, and the others wait and see that it was made.
        let migrating = nodes.iter().map(|node| async move {
            let database = Database::connect(node, Handle::current(), Deadlines::default()).await.unwrap();
            database.migrate().await.unwrap().from.is_none()
        });
        let made = futures_util::future::join_all(migrating).await;
        assert_eq!(made.iter().filter(|made| **made).count(), 1, "{made:?}");
        Self { database, nodes }
    }

    /// What a query yields on each node, once it has all that was committed.
    fn on_each(&self, cluster: &Cluster, sql: &str) -> Vec<String> {
        let sql = format!("SET wsrep_sync_wait = 15; USE {}; {sql}", self.database.name);
        (0..NODES).map(|node| cluster.node(node).administer(&sql)).collect()
    }
}

/// Follows the feed of one node until told to stop, and gives all that it told. A hole, or a number that went back, would be
/// a gap, and there must be none.
fn follow(store: &Store, stop: &Arc<AtomicBool>) -> JoinHandle<Vec<Change>> {
    let (store, stop) = (store.clone(), Arc::clone(stop));
    tokio::spawn(async move {
        let database = Database::open(&store, Handle::current(), Deadlines::default()).await.unwrap();
        let Since::Gap(mut position) = database.changes(None).await.unwrap() else { panic!("no beginning") };
        let mut told = Vec::new();
        loop {
            let last = stop.load(Ordering::SeqCst);
            match database.changes(Some(position.clone())).await.unwrap() {
                Since::Changes(changes, next) => {
                    assert_eq!(next.number() - position.number(), i64::try_from(changes.len()).unwrap());
                    told.extend(changes);
                    position = next;
                }
                Since::Gap(next) => panic!("a gap between {position:?} and {next:?}"),
            }
            if last {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_write_to_all_nodes_at_once_none_loses_anything() {
    const WRITERS: usize = 6;
    const ROUNDS: usize = 8;
    let cluster = tokio::task::spawn_blocking(Cluster::shared).await.unwrap();
    let world = World::on(cluster).await;
    open(&world.nodes[0]).await.add(&account("common")).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let followers: Vec<_> = world.nodes.iter().map(|node| follow(node, &stop)).collect();
    // Followers begin where the feed is when they ask for the first time.
    tokio::time::sleep(Duration::from_millis(500)).await;

    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let node = world.nodes[writer % NODES].clone();
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    // On a new connection every statement is prepared anew, which is when a node may roll back unsaid.
                    let registry = open(&node).await;
                    let name = format!("w{writer}-{round}");
                    registry.add(&account(&name)).await.unwrap();
                    let edit = Edit {
                        add_aliases: vec![format!("{name}@alias.example.org")],
                        add_groups: vec![format!("group {name}")],
                        ..Edit::default()
                    };
                    registry.edit("common", &edit).await.unwrap();
                    // The serial is this writer's and round's, and that of all writers in this round.
                    for serial in [vec![1, writer as u8, round as u8], vec![2, round as u8]] {
                        let key = CertificateKey { issuer: [7; 32], serial };
                        let at = Timestamp::from_unix(1_800_000_000 + i64::try_from(writer).unwrap());
                        registry.revoke(&key, at, "superseded").await.unwrap();
                    }
                    if round % 2 == 1 {
                        let edit = Edit { remove_groups: vec![format!("group {name}")], ..Edit::default() };
                        registry.edit("common", &edit).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    stop.store(true, Ordering::SeqCst);

    let mut told: Vec<Vec<String>> = Vec::new();
    for follower in followers {
        let changes = follower.await.unwrap();
        told.push(changes.iter().map(|change| format!("{}\t{}", change.kind.as_str(), change.name)).collect());
    }
    let writes = WRITERS * (ROUNDS * 4 + ROUNDS / 2);
    let expected = (writes + 1).to_string();
    for counted in world.on_each(
        cluster,
        "SELECT CONCAT_WS(' ', COUNT(*), MIN(n), MAX(n), (SELECT n FROM change_counter)) FROM changes;",
    ) {
        assert_eq!(counted.trim(), format!("{expected} 1 {expected} {expected}"), "numbers without holes");
    }
    for recorded in world.on_each(cluster, "SELECT kind, name FROM changes WHERE n > 1 ORDER BY n;") {
        let recorded: Vec<&str> = recorded.lines().collect();
        for (node, told) in told.iter().enumerate() {
            assert_eq!(told.len(), writes, "node {node}");
            assert_eq!(*told, recorded, "what node {node} told, in its order");
        }
    }
    let pairs = || (0..WRITERS).flat_map(|writer| (0..ROUNDS).map(move |round| (writer, round)));
    let lookup = Lookup { kind: LookupKind::Username, name: "common".to_owned() };
    for node in &world.nodes {
        let registry = open(node).await;
        let [found] = registry.find(&lookup).await.unwrap().try_into().unwrap();
        let aliases: BTreeSet<String> =
            pairs().map(|(writer, round)| format!("w{writer}-{round}@alias.example.org")).collect();
        assert_eq!(found.aliases.iter().cloned().collect::<BTreeSet<_>>(), aliases, "no alias was undone");
        let groups: BTreeSet<String> = pairs()
            .filter(|(_, round)| round % 2 == 0)
            .map(|(writer, round)| format!("group w{writer}-{round}"))
            .collect();
        assert_eq!(found.groups.iter().cloned().collect::<BTreeSet<_>>(), groups, "no group was undone");
        assert_eq!(registry.list(None, 1000).await.unwrap().len(), 1 + WRITERS * ROUNDS, "no account was lost");
        let keys: Vec<CertificateKey> = pairs()
            .flat_map(|(writer, round)| [vec![1, writer as u8, round as u8], vec![2, round as u8]])
            .map(|serial| CertificateKey { issuer: [7; 32], serial })
            .collect();
        assert!(registry.revoked(&keys).await.unwrap().iter().all(Option::is_some), "no revocation was lost");
    }
}

/// Raises the counter in two steps; the first attempt is rolled back between them, and nobody is told.
async fn raise_in_two_steps(session: &mut dyn Session, attempts: &AtomicU32) -> Result<(), Abort<Infallible>> {
    session.execute("UPDATE change_counter SET n = n + 1 WHERE id = 1", Vec::new()).await?;
    if attempts.fetch_add(1, Ordering::SeqCst) == 0 {
        session.execute("ROLLBACK", Vec::new()).await?;
    }
    session.execute("UPDATE change_counter SET n = n + 10 WHERE id = 1", Vec::new()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_a_node_rolled_back_unsaid_is_begun_again_as_a_whole() {
    let cluster = tokio::task::spawn_blocking(Cluster::shared).await.unwrap();
    let world = World::on(cluster).await;
    let database = Database::open(&world.nodes[0], Handle::current(), Deadlines::default()).await.unwrap();
    let attempts = Arc::new(AtomicU32::new(0));
    let raised = database.write(Arc::clone(&attempts), |session, attempts| {
        Box::pin(async move { raise_in_two_steps(session, attempts).await })
    });
    raised.await.unwrap();
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
    assert_eq!(world.on_each(cluster, "SELECT n FROM change_counter;"), ["11\n"; NODES]);
}

/// A configuration in a folder of its own, for commands.
fn folder_for(accounts: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "listeners: [{{ name: one, address: '127.0.0.1:9443', client_certificate: want, trust: staff, \
         tls: {{ certificates: [{{ chain: server.pem, key: server.key }}] }} }}]\n\
         trust: {{ staff: {{ authorities: [ca.pem] }} }}\nidentity: [{{ from: san.email }}]\n\
         accounts: {{ mysql: {accounts} }}\nroutes: [{{ path: /, upstream: app }}]\n\
         upstreams: {{ app: {{ servers: ['http://127.0.0.1:8080'] }} }}\n"
    );
    std::fs::write(folder.path().join("wicketgate.yaml"), text).unwrap();
    common::pki::write_private(&folder.path().join("db.password"), PASSWORD);
    folder
}

fn wicketgate(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
    command.args(words).arg("-c").arg(folder.join("wicketgate.yaml"));
    command
}

#[test]
fn commands_on_different_nodes_undo_nothing_of_each_other_and_check_shows_the_cluster() {
    let cluster = Cluster::shared();
    let folders = [[0, 1, 2], [1, 2, 0], [2, 0, 1]].map(|order| folder_for(&cluster.configuration(order)));
    let run = |node: usize, words: &[&str]| {
        let output = wicketgate(folders[node].path(), words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run(0, &["db", "init"]);
    run(1, &["account", "add", "ann", "--email", "ann@example.org"]);
    // All processes at once, each on the node that its configuration prefers.
    let started: Vec<_> = (0..9)
        .map(|number| {
            let alias = format!("alias{number}@example.org");
            let group = format!("group{number}");
            let words: [&str; 5] = match number % 3 {
                0 => ["account", "alias", "add", "ann", &alias],
                _ => ["account", "set", "ann", "--add-group", &group],
            };
            let mut command = wicketgate(folders[number % NODES].path(), &words);
            command.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in started {
        assert!(child.wait().unwrap().success());
    }
    let shown = run(2, &["account", "show", "ann"]);
    for number in 0..9 {
        let expected = if number % 3 == 0 { format!("alias{number}@example.org") } else { format!("group{number}") };
        assert!(shown.contains(&expected), "{expected} was undone: {shown}");
    }

    let checked = run(0, &["db", "check", "--role", "accounts"]);
    assert_eq!(checked.matches("Synced and ready in a Galera cluster of 3 nodes (Primary)").count(), 3, "{checked}");
    let json: serde_json::Value =
        serde_json::from_str(&run(0, &["db", "check", "--role", "accounts", "--json"])).unwrap();
    for server in json["servers"].as_array().unwrap() {
        assert_eq!((&server["galera"]["size"], &server["galera"]["ready"]), (&3.into(), &true.into()), "{json}");
    }
}

/// What the application says to whom the gate lets pass, and the reasons for which it does not.
const PASSES: &str = "ok";
const UNKNOWN: &str = "account_unknown";
const INACTIVE: &str = "account_inactive";
const UNAVAILABLE: &str = "accounts_unavailable";

/// What clients were told, by who asked and what they were told.
#[derive(Default)]
struct Told {
    answers: BTreeMap<(&'static str, String), usize>,
    /// The longest that somebody who may pass was kept out.
    longest: Duration,
}

impl Told {
    /// Nobody was told what is not true; and the errors are fewer than the answers, and end.
    fn judge(&self) {
        let mut table = Table::new();
        table.set_header(["who", "was told", "times"]);
        for ((who, says), times) in &self.answers {
            table.add_row([(*who).to_owned(), says.clone(), times.to_string()]);
        }
        eprintln!("{table}\nlongest without the right answer: {:?}", self.longest);
        for (who, says) in self.answers.keys() {
            let right = if *who == "a stranger" { UNKNOWN } else { PASSES };
            assert!(says == right || says == UNAVAILABLE, "{who} was told {says}");
        }
        for who in ["alice", "alice again", "a stranger"] {
            let of = |error: bool| -> usize {
                let of = self.answers.iter().filter(|((name, says), _)| *name == who && (says == UNAVAILABLE) == error);
                of.map(|(_, times)| times).sum()
            };
            let (right, errors) = (of(false), of(true));
            assert!(right > errors, "{who}: {right} right answers and {errors} errors");
        }
        assert!(self.longest < common::PATIENCE, "{:?}", self.longest);
    }
}

fn note(told: &Mutex<Told>, who: &'static str, says: String, without: Duration) {
    let mut told = told.lock().unwrap();
    told.longest = told.longest.max(without);
    *told.answers.entry((who, says)).or_default() += 1;
}

/// Why somebody was refused, without what differs from page to page.
fn reason(says: &str) -> String {
    let known = [UNKNOWN, INACTIVE, UNAVAILABLE].into_iter().find(|reason| says.contains(reason));
    known.unwrap_or(says).to_owned()
}

/// Somebody who comes again and again, each time by a connection of its own.
fn visit(
    who: &'static str,
    client: Client,
    right: &'static str,
    told: &Arc<Mutex<Told>>,
    stop: &Arc<AtomicBool>,
) -> JoinHandle<()> {
    let (told, stop) = (Arc::clone(told), Arc::clone(stop));
    tokio::spawn(async move {
        let mut last_right = Instant::now();
        while !stop.load(Ordering::SeqCst) {
            let says = reason(&client.get("/").await.says());
            if says == right {
                last_right = Instant::now();
            }
            note(&told, who, says, last_right.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
}

/// What became of writes.
#[derive(Default)]
struct Writes {
    done: Vec<String>,
    in_doubt: Vec<String>,
    refused: Vec<(String, String)>,
}

/// Adds one account after the other, and never one again.
fn write(name: &'static str, store: &Store, stop: &Arc<AtomicBool>) -> JoinHandle<Writes> {
    let (store, stop) = (store.clone(), Arc::clone(stop));
    tokio::spawn(async move {
        let registry = open(&store).await;
        let mut writes = Writes::default();
        for number in 0.. {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            let username = format!("{name}-{number}");
            match registry.add(&account(&username)).await {
                Ok(()) => writes.done.push(username),
                Err(RegistryError::Unavailable(unavailable)) if unavailable.why.contains("told to commit") => {
                    writes.in_doubt.push(username);
                }
                Err(error) => writes.refused.push((username, error.to_string())),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        writes
    })
}

/// A gate over the whole cluster, people who come and a process that writes.
struct Load {
    cluster: Cluster,
    gate: Gate,
    told: Arc<Mutex<Told>>,
    stop: Arc<AtomicBool>,
    visitors: Vec<JoinHandle<()>>,
    writers: Vec<JoinHandle<Writes>>,
    report: Table,
    _upstream: Upstream,
}

impl Load {
    async fn start() -> Self {
        let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
        let upstream = Upstream::start();
        // So short that nearly every visit asks the database.
        let cache = "cache: { ttl: 100ms, negative_ttl: 100ms }";
        let accounts = format!("{{ mysql: {}, {cache} }}", cluster.configuration([0, 1, 2]));
        let gate = Setup::before(&upstream)
            .account("bob", &["--email", "bob@example.org"])
            .file("db.password", PASSWORD)
            .section("accounts", &accounts)
            .start();
        let (told, stop) = (Arc::default(), Arc::default());
        let client = |name: &str| gate.client().with(&gate.pki.person(name));
        let visitors = vec![
            visit("alice", client("alice"), PASSES, &told, &stop),
            visit("alice again", client("alice"), PASSES, &told, &stop),
            visit("a stranger", client("stranger"), UNKNOWN, &told, &stop),
        ];
        let [a, b, c] = cluster.addresses();
        let writers = [("first", [a, b, c]), ("second", [b, c, a])]
            .map(|(name, order)| write(name, &store(&order, DATABASE, USER, PASSWORD), &stop));
        let mut report = Table::new();
        report.set_header(["what happened", "after how long everybody was served"]);
        Self { cluster, gate, told, stop, visitors, writers: writers.into(), report, _upstream: upstream }
    }

    /// Does something to the cluster, and waits until the gate serves again, three times in a row.
    async fn after(&mut self, what: &str, happening: impl FnOnce(&Cluster)) {
        happening(&self.cluster);
        let (start, alice, mut served) = (Instant::now(), self.gate.alice(), 0);
        while served < 3 {
            assert!(start.elapsed() < common::PATIENCE, "{what}: not served again:\n{}", self.gate.log());
            served = if alice.get("/").await.says() == PASSES { served + 1 } else { 0 };
            // Older than anything in the cache.
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        self.report.add_row([what.to_owned(), format!("{:.1} s", start.elapsed().as_secs_f32())]);
    }

    /// Bob is locked through a node, and is soon refused; then he may pass again.
    async fn lock_through(&mut self, node: usize) {
        let bob = self.gate.client().with(&self.gate.pki.person("bob"));
        self.gate.until(&bob, PASSES).await;
        let registry = open(&store(&[self.cluster.addresses()[node]], DATABASE, USER, PASSWORD)).await;
        for (status, expected) in [(Status::Locked, INACTIVE), (Status::Active, PASSES)] {
            let edit = Edit { status: Some(status), ..Edit::default() };
            registry.edit("bob", &edit).await.unwrap();
            let changed = Instant::now();
            self.gate.until(&bob, expected).await;
            let after = changed.elapsed();
            assert!(after < IN_FORCE, "{status:?} through node {node} was in force after {after:?}");
            self.report.add_row([format!("{status:?} through node {node}"), format!("{} ms", after.as_millis())]);
        }
    }

    /// Ends the load, when every node is back; all that must be true of it is.
    async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        for visitor in self.visitors {
            visitor.await.unwrap();
        }
        eprintln!("{}", self.report);
        self.told.lock().unwrap().judge();
        for writer in self.writers {
            let Writes { done, in_doubt, refused } = writer.await.unwrap();
            eprintln!("writes: {} done, {} in doubt, not done: {refused:?}", done.len(), in_doubt.len());
            assert!(!done.is_empty(), "{refused:?}");
            for node in 0..NODES {
                let names = format!("SET wsrep_sync_wait = 15; USE {DATABASE}; SELECT username FROM accounts;");
                // One that has just been thawed finds out that it was given up, and waits no more for the others.
                let names = eventually("a node to say who is there", || self.cluster.ask(node, &names));
                let names: BTreeSet<&str> = names.lines().collect();
                for username in &done {
                    assert!(names.contains(username.as_str()), "{username} is lost on node {node}");
                }
                for (username, why) in &refused {
                    assert!(!names.contains(username.as_str()), "{username} is on node {node}, though: {why}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_goes_on_with_the_other_nodes_when_one_dies_or_freezes() {
    let mut load = Load::start().await;
    load.after("nothing", |_| ()).await;
    load.lock_through(2).await;
    load.after("the preferred node is killed", |cluster| cluster.kill(0)).await;
    load.lock_through(2).await;
    load.cluster.rejoin(0);
    load.after("it is back", |_| ()).await;
    load.after("the preferred node freezes", |cluster| cluster.freeze(0)).await;
    load.lock_through(1).await;
    load.cluster.thaw(0);
    load.cluster.until_synced(0, NODES - 1);
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make prove"]
async fn a_gate_outlives_every_failure_of_every_node() {
    let mut load = Load::start().await;
    for node in 0..NODES {
        let other = (node + 1) % NODES;
        load.after(&format!("node {node} is killed"), |cluster| cluster.kill(node)).await;
        load.lock_through(other).await;
        load.cluster.rejoin(node);
        load.after(&format!("node {node} freezes"), |cluster| cluster.freeze(node)).await;
        load.lock_through(other).await;
        load.cluster.thaw(node);
        load.cluster.until_synced(node, NODES - 1);
        load.after(&format!("node {node} loses the majority"), |cluster| cluster.isolate(node)).await;
        load.lock_through(other).await;
        let alone = store(&[load.cluster.addresses()[node]], DATABASE, USER, PASSWORD);
        let refused = account::open(&alone, Handle::current()).await.err().unwrap();
        assert!(refused.why.contains("belongs to a cluster and is not ready"), "{refused}");
        load.cluster.connect(node);
        load.cluster.until_synced(node, NODES - 1);
    }
    load.end().await;
}

/// `wicketgate account …` beside a gate, which may be refused.
fn command(gate: &Gate, words: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
    let output = command.arg("account").args(words).args(["-c", "wicketgate.yaml"]).current_dir(gate.folder());
    let output = output.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a cluster of three loses a node under imports of ten thousand: make prove"]
async fn an_import_is_whole_or_nothing_when_the_node_that_it_talks_to_leaves() {
    const PEOPLE: usize = 10_000;
    let mut cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let upstream = Upstream::start();
    let accounts = format!("{{ mysql: {} }}", cluster.configuration([0, 1, 2]));
    let gate = Setup::before(&upstream).file("db.password", PASSWORD).section("accounts", &accounts).start();
    let mut report = Table::new();
    report.set_header(["the node", "accounts by then", "the import", "all there after"]);
    for (round, (leaves, killed)) in [("is killed", true), ("freezes", false)].into_iter().enumerate() {
        let person = |number: usize| format!("person-{round}-{number:05}");
        let lines = (0..PEOPLE).map(|number| format!("{0},{0}@example.org,staff;all\n", person(number)));
        let file = gate.folder().join(format!("people-{round}.csv"));
        std::fs::write(&file, ["username,email,groups\n".to_owned()].into_iter().chain(lines).collect::<String>())
            .unwrap();
        let count = |node: usize, from: &str| {
            let sql = format!("SET wsrep_sync_wait = 15; USE {DATABASE}; SELECT COUNT(*) FROM {from};");
            cluster.ask(node, &sql).and_then(|answer| answer.trim().parse::<usize>().ok())
        };
        let of_round = format!("accounts WHERE username LIKE 'person-{round}-%'");
        let importing = {
            let (gate, file) = (gate.folder().to_owned(), file.clone());
            std::thread::spawn(move || {
                let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
                let words = ["account", "import", file.to_str().unwrap(), "-c", "wicketgate.yaml"];
                command.args(words).current_dir(gate).output().unwrap()
            })
        };
        let there = eventually("an import that is under way", || count(1, &of_round).filter(|there| *there > 0));
        let start = Instant::now();
        if killed {
            cluster.kill(0);
        } else {
            cluster.freeze(0);
        }
        let output = importing.join().unwrap();
        let done = output.status.success();
        let says = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        // Nobody of a file that was given up is seen, and everybody of one that was taken.
        let shown = |number: usize| command(&gate, &["show", &person(number)]).0;
        for number in [0, PEOPLE / 2, PEOPLE - 1] {
            assert_eq!(shown(number), done, "{number}: {says}");
        }
        if !done {
            // Until what was left of it has given no sign of life for long enough, its names are taken.
            let again = Instant::now();
            loop {
                let (done, says) = command(&gate, &["import", file.to_str().unwrap()]);
                if done {
                    break;
                }
                assert!(again.elapsed() < 3 * common::PATIENCE, "{says}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        let took = format!("{:.1} s", start.elapsed().as_secs_f32());
        report.add_row([leaves, &there.to_string(), if done { "is done" } else { "is done the second time" }, &took]);
        for node in [1, 2] {
            assert_eq!(count(node, &of_round), Some(PEOPLE), "node {node}");
            let groups =
                format!("account_groups g JOIN {}", of_round.replace(" WHERE", " a ON a.id = g.account_id WHERE"));
            assert_eq!(count(node, &groups), Some(2 * PEOPLE), "node {node}");
            for table in ["imports", "import_updates", "import_names"] {
                assert_eq!(count(node, table), Some(0), "{table} on node {node}");
            }
        }
        if killed {
            cluster.rejoin(0);
        } else {
            cluster.thaw(0);
            cluster.until_synced(0, NODES - 1);
        }
    }
    eprintln!("{report}");
}
