//! The cluster of `examples/cluster`: HAProxy before two gates before three databases, from the very files that stand
//! there, with this machine's addresses in place of theirs. Under load one database and then one gate are ended as a
//! power failure does. Whoever gets an answer gets a right one, and what was acknowledged as written is there.
#![cfg(test)]

mod common;

use common::client::{Client, get};
use common::galera::{Cluster, NODES};
use common::gate::{serve, unused_address};
use common::haproxy::HaProxy;
use common::mariadb::{DATABASE, PASSWORD};
use common::pki::{Pki, write_private};
use common::process::Process;
use common::setup::wicketgate;
use common::upstream::Upstream;
use common::{PATIENCE, eventually, store};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wicketgate::account::{Account, CertificateKey, Registry, Status};
use wicketgate::base::clock::Timestamp;
use wicketgate::base::hex;

/// How many people make requests all the time, besides those who may not.
const PEOPLE: usize = 12;
/// How many come for the first time when a database has just been lost: nothing is known of them yet.
const NEWCOMERS: usize = 4;
/// How many accounts there are to be written to.
const WRITTEN: usize = 300;
/// Between two requests of one client.
const PAUSE: Duration = Duration::from_millis(20);
/// How many requests a client makes over one connection.
const EACH: usize = 25;
/// How soon a change counts on every gate. What is asked may take as long on a busy machine.
const PROMISE: Duration = Duration::from_secs(2);
/// How long anybody may go without a good answer: Galera takes three to six seconds to give a node up, and a
/// question that was put to it three more.
const LONGEST: Duration = Duration::from_secs(20);

fn example(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cluster").join(file)).unwrap()
}

/// A text with these parts exchanged; each of them must be there.
fn substituted(mut text: String, parts: &[(&str, String)]) -> String {
    for (from, to) in parts {
        assert!(text.contains(from), "there is no {from} in:\n{text}");
        text = text.replace(from, to);
    }
    text
}

/// The settings of the example's databases as options, without those that name its machines and their files.
fn settings() -> Vec<String> {
    let text = example("galera.cnf");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '[']));
    let pairs = lines.map(|line| line.split_once(" = ").unwrap());
    let ours =
        ["bind_address", "ssl_ca", "ssl_cert", "ssl_key", "wsrep_provider", "wsrep_cluster_address", "wsrep_node_name"];
    let options: Vec<String> =
        pairs.filter(|(name, _)| !ours.contains(name)).map(|(name, value)| format!("--{name}={value}")).collect();
    assert!(options.len() > 5, "{options:?}");
    options
}

/// The folder of a gate of the example.
fn folder(address: SocketAddr, cluster: &Cluster, pki: &Pki, application: &Upstream) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut parts = vec![
        ("0.0.0.0:9443", address.to_string()),
        // HAProxy comes from the address that the kernel chooses among those of the loopback interface.
        ("10.0.0.4", "127.0.0.1".to_owned()),
        ("10.0.0.31:8080", application.address().to_string()),
    ];
    let names = ["db1.example.org:3306", "db2.example.org:3306", "db3.example.org:3306"];
    parts.extend(names.into_iter().zip(cluster.addresses().map(|address| address.to_string())));
    std::fs::write(folder.path().join("wicketgate.yaml"), substituted(example("wicketgate.yaml"), &parts)).unwrap();
    std::fs::write(folder.path().join("ca.pem"), pki.root.pem()).unwrap();
    std::fs::copy(cluster.node(0).tls("ca.pem"), folder.path().join("db-ca.pem")).unwrap();
    pki.server.write(folder.path(), "server");
    for (file, secret) in [
        ("db.password", PASSWORD),
        ("ticket.secret", "a secret of both gates, for tickets"),
        ("nonce.secret", "a secret of both gates, for nonces"),
    ] {
        write_private(&folder.path().join(file), secret);
    }
    folder
}

/// A running gate of the example.
struct Node {
    process: Process,
    folder: TempDir,
}

impl Node {
    fn start(folder: TempDir, address: SocketAddr) -> Self {
        let mut process = serve(folder.path());
        eventually("a gate to accept connections", || {
            assert!(process.ended().is_none(), "a gate ended at once:\n{}", process.output());
            TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()
        });
        Self { process, folder }
    }

    fn audit(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("audit.log")).unwrap()
    }

    /// The addresses of whom it has had requests from.
    fn clients(&self) -> BTreeSet<String> {
        let record = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let client = |record: serde_json::Value| record["client"].as_str().unwrap().parse::<SocketAddr>().unwrap();
        self.audit().lines().map(|line| client(record(line)).ip().to_string()).collect()
    }
}

/// What one client has been told.
#[derive(Default)]
struct Told {
    good: u64,
    /// How often which error came.
    errors: BTreeMap<String, u64>,
    /// Answers that nobody should ever get.
    wrong: Vec<String>,
    last_good: Option<Instant>,
    longest: Duration,
}

impl Told {
    fn good(&mut self) {
        let now = Instant::now();
        self.longest = self.longest.max(self.last_good.map_or(Duration::ZERO, |last| now - last));
        self.last_good = Some(now);
        self.good += 1;
    }

    fn error(&mut self, error: impl Into<String>) {
        *self.errors.entry(error.into()).or_default() += 1;
    }
}

/// Somebody who makes requests, and what they may be told.
struct Visitor {
    name: String,
    from: String,
    told: Mutex<Told>,
    /// Whether this visitor may be turned away, and from when on they must be.
    leaves: AtomicBool,
    out: Mutex<Option<Instant>>,
}

impl Visitor {
    fn new(name: &str, number: usize) -> Arc<Self> {
        let from = format!("127.77.0.{}", number + 1);
        Arc::new(Self {
            name: name.to_owned(),
            from,
            told: Mutex::default(),
            leaves: AtomicBool::new(false),
            out: Mutex::default(),
        })
    }

    /// May be turned away from now on.
    fn leaves(&self) {
        self.leaves.store(true, Ordering::SeqCst);
    }

    /// Must be turned away with every request from now on.
    fn is_out(&self) {
        self.leaves();
        *self.out.lock().unwrap() = Some(Instant::now());
    }

    fn has_been_served_since(&self, since: Instant) -> bool {
        self.told.lock().unwrap().last_good.is_some_and(|last| last > since)
    }

    /// What is right depends on when it was asked for.
    fn judge(&self, asked: Instant, answer: &common::client::Answer) {
        let mut told = self.told.lock().unwrap();
        let out = self.out.lock().unwrap().is_some_and(|out| asked > out);
        let leaves = self.leaves.load(Ordering::SeqCst);
        let says = answer.says();
        match answer.status {
            200 if !out && says == format!("{} {}", self.name, self.from) => told.good(),
            403 if leaves && (says.contains("account_inactive") || says.contains("certificate_revoked")) => {
                told.good();
            }
            status @ (502..=504) => told.error(format!("{status}")),
            status => told.wrong.push(format!("{} was told {status} {says}", self.name)),
        }
    }

    async fn visit(self: Arc<Self>, client: Client, over_http_2: bool, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            let connecting = async { if over_http_2 { client.http2().await } else { client.http1().await } };
            let mut connection = match tokio::time::timeout(PATIENCE, connecting).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(_)) => {
                    self.told.lock().unwrap().error("no connection");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(_) => {
                    self.told.lock().unwrap().error("no connection in time");
                    continue;
                }
            };
            for _ in 0..EACH {
                let asked = Instant::now();
                match tokio::time::timeout(PATIENCE, connection.try_send(get("/"))).await {
                    Ok(Ok(answer)) => self.judge(asked, &answer),
                    // What let this visitor in is gone, and the connection with it.
                    Ok(Err(_)) if self.leaves.load(Ordering::SeqCst) => break,
                    Ok(Err(_)) => {
                        self.told.lock().unwrap().error("a connection that ended");
                        break;
                    }
                    Err(_) => {
                        self.told.lock().unwrap().error("no answer in time");
                        break;
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Writes all the time, and remembers what was acknowledged.
#[derive(Default)]
struct Written {
    names: Mutex<BTreeSet<usize>>,
    revoked: Mutex<BTreeSet<u32>>,
    refused: Mutex<BTreeMap<String, u64>>,
}

impl Written {
    /// Gives accounts names, one after the other, as an administrator does.
    fn set_names(&self, configuration: &Path, stop: &AtomicBool) {
        for number in 0..WRITTEN {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
            command.args(["account", "set", &format!("written{number}"), "--name", &format!("Name {number}"), "-c"]);
            let output = command.arg(configuration).stdin(Stdio::null()).output().unwrap();
            if output.status.success() {
                self.names.lock().unwrap().insert(number);
            } else {
                self.refuse("account set");
            }
        }
    }

    /// Revokes certificates, one after the other, as the authority does.
    async fn revoke(&self, registry: &dyn Registry, stop: &AtomicBool) {
        for serial in 1_u32.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            match registry.revoke(&key(serial), Timestamp::now(), "superseded").await {
                Ok(()) => _ = self.revoked.lock().unwrap().insert(serial),
                Err(_) => self.refuse("revocation"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn refuse(&self, what: &str) {
        *self.refused.lock().unwrap().entry(what.to_owned()).or_default() += 1;
    }
}

/// Certificates of an authority that nobody else uses.
fn key(serial: u32) -> CertificateKey {
    CertificateKey::new(b"an authority", b"its key", &[&[1], &serial.to_be_bytes()[..]].concat())
}

/// What a node of the cluster has after all that was committed before.
fn on_node(cluster: &Cluster, node: usize, sql: &str) -> String {
    cluster.node(node).administer(&format!("SET wsrep_sync_wait = 15; USE {DATABASE}; {sql}"))
}

async fn until_served(everybody: &[Arc<Visitor>], since: Instant, what: &str) {
    while !everybody.iter().all(|visitor| visitor.has_been_served_since(since)) {
        assert!(since.elapsed() < LONGEST * 2, "not everybody is served after {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

fn account(name: &str, status: Status) -> Account {
    Account {
        username: name.to_owned(),
        email: Some(format!("{name}@example.org")),
        display_name: None,
        status,
        home: None,
        aliases: Vec::new(),
        groups: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_loses_a_database_and_a_gate_tells_nobody_anything_wrong() {
    let begun = Instant::now();
    let pki = Pki::new();
    let application = Upstream::answering(|exchange| {
        let told = ["remote-user", "x-forwarded-for"].map(|name| exchange.request.header(name).unwrap_or_default());
        exchange.answer(&told.join(" "));
    });
    let cluster = tokio::task::block_in_place(|| Cluster::start_with(settings()));
    let cluster_ready = begun.elapsed();

    let addresses = [unused_address(), unused_address()];
    let folders = addresses.map(|address| folder(address, &cluster, &pki, &application));
    let configuration: PathBuf = folders[1].path().join("wicketgate.yaml");
    wicketgate(folders[1].path(), &["db", "init"]);
    let registry = store::open(folders[1].path()).await;
    let names: Vec<String> = (0..PEOPLE + NEWCOMERS).map(|number| format!("person{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).chain(["locked", "leaver", "late", "revoked"]).collect();
    for name in &names {
        let status = if *name == "locked" { Status::Locked } else { Status::Active };
        registry.add(&account(name, status)).await.unwrap();
    }
    for number in 0..WRITTEN {
        registry.add(&account(&format!("written{number}"), Status::Active)).await.unwrap();
    }
    let [first, second] = folders;
    let gates = [Node::start(first, addresses[0]), Node::start(second, addresses[1])];
    let front = unused_address();
    let parts = [
        ("10.0.0.4:443", front.to_string()),
        ("10.0.0.11:9443", addresses[0].to_string()),
        ("10.0.0.12:9443", addresses[1].to_string()),
    ];
    let haproxy = HaProxy::with(&substituted(example("haproxy.cfg"), &parts), &[front]);

    // The load.
    let stop = Arc::new(AtomicBool::new(false));
    let visitors: Vec<Arc<Visitor>> =
        names.iter().enumerate().map(|(number, name)| Visitor::new(name, number)).collect();
    let credentials: Vec<_> = names.iter().map(|name| pki.person(name)).collect();
    let mut tasks = Vec::new();
    let mut visit = |visitor: &Arc<Visitor>| {
        let number = visitors.iter().position(|other| Arc::ptr_eq(visitor, other)).unwrap();
        let client = Client::new(front, &pki.root).with(&credentials[number]).from(&visitor.from);
        tasks.push(tokio::spawn(Arc::clone(visitor).visit(client, number % 2 == 0, Arc::clone(&stop))));
    };
    let (newcomers, others) = visitors.split_at(NEWCOMERS);
    others.iter().for_each(&mut visit);
    let [.., locked, leaver, late, revoked] = &visitors[..] else { unreachable!() };
    locked.is_out();
    let written = Arc::new(Written::default());
    let by_command = std::thread::spawn({
        let (written, stop) = (Arc::clone(&written), Arc::clone(&stop));
        move || written.set_names(&configuration, &stop)
    });
    let revoking = tokio::spawn({
        let (written, stop, registry) = (Arc::clone(&written), Arc::clone(&stop), Arc::clone(&registry));
        async move { written.revoke(&*registry, &stop).await }
    });
    until_served(others, begun, "the start").await;

    // Two lose their rights before anything fails.
    leaver.leaves();
    revoked.leaves();
    registry.edit("leaver", &locking()).await.unwrap();
    let certificate = store::key(&credentials[names.len() - 1]);
    registry.revoke(&certificate, Timestamp::now(), "keyCompromise").await.unwrap();
    tokio::time::sleep(PROMISE).await;
    leaver.is_out();
    revoked.is_out();

    let [of_the_first, of_the_second] = gates.each_ref().map(Node::clients);
    assert!(
        of_the_first.is_disjoint(&of_the_second),
        "each client keeps to its gate: {of_the_first:?} {of_the_second:?}"
    );
    assert!(!of_the_first.is_empty() && !of_the_second.is_empty());

    let at = Instant::now();
    cluster.kill(0);
    newcomers.iter().for_each(&mut visit);
    until_served(&visitors, at, "the end of a database").await;
    let database_after = at.elapsed();
    eventually("writes to go on", || {
        let before = written.revoked.lock().unwrap().len();
        std::thread::sleep(Duration::from_millis(200));
        (written.revoked.lock().unwrap().len() > before).then_some(())
    });
    let errors_of_the_database: u64 = visitors.iter().map(|visitor| sum(&visitor.told.lock().unwrap().errors)).sum();
    // One loses them while a database is gone.
    late.leaves();
    registry.edit("late", &locking()).await.unwrap();
    tokio::time::sleep(PROMISE).await;
    late.is_out();

    let at = Instant::now();
    gates[0].process.signal("KILL");
    until_served(&visitors, at, "the end of a gate").await;
    let gate_after = at.elapsed();
    tokio::time::sleep(PROMISE).await;

    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    revoking.await.unwrap();
    by_command.join().unwrap();

    // What was told.
    let (mut good, mut errors, mut wrong, mut longest) = (0, BTreeMap::new(), Vec::new(), Duration::ZERO);
    for visitor in &visitors {
        let told = visitor.told.lock().unwrap();
        good += told.good;
        longest = longest.max(told.longest);
        wrong.extend(told.wrong.clone());
        for (error, count) in &told.errors {
            *errors.entry(error.clone()).or_insert(0) += count;
        }
    }
    let in_all = sum(&errors);
    let (names, revoked) = (written.names.lock().unwrap().clone(), written.revoked.lock().unwrap().clone());
    println!(
        "a cluster of {NODES} databases after {cluster_ready:?}; one lost: everybody served after {database_after:?}"
    );
    println!("one of two gates lost: everybody served after {gate_after:?}; longest wait of anybody {longest:?}");
    println!("{good} right answers, {in_all} errors ({errors_of_the_database} by the database): {errors:?}");
    println!(
        "{} names and {} revocations written, refused: {:?}",
        names.len(),
        revoked.len(),
        written.refused.lock().unwrap()
    );
    println!("{:?} in all", begun.elapsed());

    assert!(wrong.is_empty(), "{wrong:#?}\n{}", gates[1].process.output());
    assert!(longest < LONGEST, "{longest:?}");
    assert!(good > 1000 && in_all - errors_of_the_database <= 10 * visitors.len() as u64, "{errors:?}");
    assert!(names.len() > 5 && revoked.len() > 50);

    // What was written.
    for node in 1..NODES {
        let found = on_node(
            &cluster,
            node,
            "SELECT username FROM accounts WHERE display_name = CONCAT('Name ', SUBSTRING(username, 8))",
        );
        let found: BTreeSet<usize> =
            found.lines().map(|name| name.strip_prefix("written").unwrap().parse().unwrap()).collect();
        assert!(found.is_superset(&names), "node {node} has lost {:?}", names.difference(&found));
        let found = on_node(&cluster, node, "SELECT LOWER(HEX(serial)) FROM revocations");
        let found: BTreeSet<&str> = found.lines().collect();
        let lost: Vec<_> =
            revoked.iter().filter(|serial| !found.contains(&*hex::encode(&key(**serial).serial))).collect();
        assert!(lost.is_empty(), "node {node} has lost {lost:?}");
        let holes =
            on_node(&cluster, node, "SELECT COUNT(*) = MAX(n), MAX(n) = (SELECT n FROM change_counter) FROM changes");
        assert_eq!(holes.trim(), "1\t1", "the feed of node {node} has holes");
    }

    // Whom the gates saw: the clients, through the balancer.
    let clients = gates[1].clients();
    let everybody: BTreeSet<String> = visitors.iter().map(|visitor| visitor.from.clone()).collect();
    assert_eq!(clients, everybody, "in the end all came to the gate that was left");
    let is_through_haproxy = |line: &str| line.contains("\"via\":\"127.0.0.1:");
    assert!(gates[1].audit().lines().all(is_through_haproxy));
    assert!(haproxy.process.output().contains("gate1 is DOWN"), "{}", haproxy.process.output());
}

fn locking() -> wicketgate::account::Edit {
    wicketgate::account::Edit { status: Some(Status::Locked), ..Default::default() }
}

fn sum(counts: &BTreeMap<String, u64>) -> u64 {
    counts.values().sum()
}
