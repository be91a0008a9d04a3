//! A cluster of three MariaDB servers that commit by Galera's certification, on loopback addresses and in
//! temporary folders like every server of the tests. A node can be killed, frozen, cut off from the others, and
//! brought back.
//!
//! The nodes begin as copies of one node that was alone for a moment, so that joining transfers nothing but what
//! happened since; a node that comes back after a crash first asks its own files how far it was, as the service of
//! Debian's package does.

use super::eventually;
use super::gate::unused_address;
use super::mariadb::{DATABASE, Database, MariaDb, RunsAs, USER};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How many nodes there are: the least of which one may fail.
pub(crate) const NODES: usize = 3;

/// How long a node is waited for to join. Groups find together by timers of seconds.
const JOINING: Duration = Duration::from_secs(120);

/// Where Debian, and where Red Hat keep the provider.
const PROVIDERS: [&str; 2] = ["/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so"];

/// A running cluster.
pub(crate) struct Cluster {
    nodes: Vec<Node>,
    /// Options of every node besides those that it needs here.
    settings: Vec<String>,
}

struct Node {
    server: MariaDb,
    /// Where it speaks with the others, where it is sent what it missed, and where all that there is.
    group: SocketAddr,
    increments: SocketAddr,
    whole_state: SocketAddr,
}

impl Node {
    fn new(server: MariaDb) -> Self {
        let [group, increments, whole_state] = [(); 3].map(|()| unused_address());
        Self { server, group, increments, whole_state }
    }

    /// Has it be started as one node of these, beginning with `more`.
    fn configure(&mut self, name: usize, group: &str, more: Vec<String>) {
        let provider = PROVIDERS.into_iter().find(|path| Path::new(path).exists());
        let Self { group: own, increments, whole_state, server } = self;
        server.options = vec![
            "--binlog-format=ROW".to_owned(),
            "--innodb-autoinc-lock-mode=2".to_owned(),
            "--wsrep-on=ON".to_owned(),
            format!("--wsrep-provider={}", provider.expect("Galera's provider (Debian: galera-4)")),
            "--wsrep-cluster-name=wicketgate".to_owned(),
            format!("--wsrep-cluster-address=gcomm://{group}"),
            format!("--wsrep-node-name=node{name}"),
            format!("--wsrep-node-address={}", own.ip()),
            "--wsrep-sst-method=rsync".to_owned(),
            format!("--wsrep-sst-receive-address={whole_state}"),
            // A node that does not answer is given up after three seconds rather than five.
            format!(
                "--wsrep-provider-options=gmcast.listen_addr=tcp://{own};ist.recv_addr={increments};\
                 gcache.size=16M;pc.recovery=no;evs.keepalive_period=PT0.5S;evs.inactive_check_period=PT0.2S;\
                 evs.join_retrans_period=PT0.3S;evs.suspect_timeout=PT3S;evs.inactive_timeout=PT6S"
            ),
        ];
        server.options.extend(more);
    }

    /// What it says of itself, by the name of a status variable; nothing while it says nothing.
    fn status(&self, name: &str) -> String {
        self.server.try_administer(&format!("SHOW GLOBAL STATUS LIKE '{name}'")).map_or_else(String::new, |row| {
            row.split_once('\t').map_or_else(String::new, |(_, value)| value.trim().to_owned())
        })
    }

    fn is_synced_with(&self, others: usize) -> bool {
        self.status("wsrep_local_state_comment") == "Synced"
            && self.status("wsrep_ready") == "ON"
            && self.status("wsrep_cluster_size") == (others + 1).to_string()
    }
}

impl Cluster {
    /// The cluster that all tests of one test binary share; none of them may stop a node of it.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Makes a cluster and waits until every node has joined it. Each has [`DATABASE`], empty, and [`USER`].
    pub(crate) fn start() -> Self {
        Self::start_with(Vec::new())
    }

    /// The same with these options on every node.
    pub(crate) fn start_with(settings: Vec<String>) -> Self {
        let alone = vec!["--wsrep-new-cluster".to_owned()];
        let mut first = Node::new(MariaDb::prepare(RunsAs::Mysql));
        first.configure(0, "", [settings.clone(), alone.clone()].concat());
        first.server.start_again();
        first.server.make_database();
        first.server.stop();
        let others: Vec<Node> = (1..NODES).map(|_| Node::new(first.server.copy())).collect();
        let mut cluster = Self { nodes: [first].into_iter().chain(others).collect(), settings };
        for node in 0..NODES {
            cluster.configure(node, if node == 0 { alone.clone() } else { Vec::new() });
            cluster.nodes[node].server.spawn();
            cluster.until_synced(node, node);
        }
        // None of them will found a cluster again.
        for node in 0..NODES {
            cluster.configure(node, Vec::new());
            cluster.until_synced(node, NODES - 1);
        }
        cluster
    }

    fn configure(&mut self, node: usize, more: Vec<String>) {
        let group: Vec<String> = self.nodes.iter().map(|node| node.group.to_string()).collect();
        self.nodes[node].configure(node, &group.join(","), [self.settings.clone(), more].concat());
    }

    /// One of the servers, counted from 0.
    pub(crate) fn node(&self, node: usize) -> &MariaDb {
        &self.nodes[node].server
    }

    /// Where each server answers, in their order.
    pub(crate) fn addresses(&self) -> [SocketAddr; NODES] {
        std::array::from_fn(|node| self.node(node).address())
    }

    /// Another database, which every node knows of, and of its user.
    pub(crate) fn database(&self) -> Database {
        let database = self.node(0).database();
        let rights = format!(
            "SET wsrep_sync_wait = 1; SELECT 1 FROM mysql.db WHERE Db = '{}' AND User = '{}'",
            database.name, database.user
        );
        for node in 0..NODES {
            eventually("a node to know of a new database's user", || {
                self.ask(node, &rights).filter(|row| !row.is_empty())
            });
        }
        database
    }

    /// The value of `accounts.mysql` that leads to [`DATABASE`] by all nodes, in this order of preference; it wants
    /// a file `db.password` beside the configuration.
    pub(crate) fn configuration(&self, order: [usize; NODES]) -> String {
        let servers = order.map(|node| format!("\"{}\"", self.node(node).address())).join(", ");
        format!("{{ servers: [{servers}], database: {DATABASE}, user: {USER}, password: {{ file: db.password }} }}")
    }

    /// A status variable of a node, `wsrep_cluster_status`; empty while the node does not say.
    pub(crate) fn status(&self, node: usize, name: &str) -> String {
        self.nodes[node].status(name)
    }

    /// What statements yield on a node; nothing if it refuses or does not answer.
    pub(crate) fn ask(&self, node: usize, statements: &str) -> Option<String> {
        self.node(node).try_administer(statements)
    }

    /// Ends a node as a power failure does: it says good-bye to nobody.
    pub(crate) fn kill(&self, node: usize) {
        self.node(node).signal("KILL");
    }

    /// Has a node do nothing any more, though its connections stay open.
    pub(crate) fn freeze(&self, node: usize) {
        self.node(node).signal("STOP");
    }

    /// Lets a frozen node go on.
    pub(crate) fn thaw(&self, node: usize) {
        self.node(node).signal("CONT");
    }

    /// Cuts a node off from the others: it runs, answers, and knows that it is not part of the cluster any more.
    pub(crate) fn isolate(&self, node: usize) {
        self.node(node).administer("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'");
    }

    /// Ends the isolation of a node.
    pub(crate) fn connect(&self, node: usize) {
        self.node(node).administer("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'");
    }

    /// Starts a node that was killed, and returns when it has what the others have.
    pub(crate) fn rejoin(&mut self, node: usize) {
        self.nodes[node].server.stop();
        let said = self.node(node).consult("--wsrep-recover");
        let position = said.lines().filter_map(|line| line.split_once("Recovered position: ")).next_back();
        let (_, position) = position.unwrap_or_else(|| panic!("no position in:\n{said}"));
        self.configure(node, vec![format!("--wsrep-start-position={}", position.trim())]);
        self.nodes[node].server.spawn();
        let others = (0..NODES).filter(|other| *other != node && self.status(*other, "wsrep_ready") == "ON").count();
        self.until_synced(node, others);
        self.configure(node, Vec::new());
    }

    /// Waits until a node has all that the others have, and sees so many others.
    pub(crate) fn until_synced(&mut self, node: usize, others: usize) {
        let (start, node) = (Instant::now(), &mut self.nodes[node]);
        while !node.is_synced_with(others) {
            node.server.require_running();
            assert!(start.elapsed() < JOINING, "not joined with {others} others:\n{}", node.server.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
