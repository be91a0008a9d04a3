//! What a server is beside the others that hold the same data: on its own, a replica, a node of a Galera
//! cluster, or a member of a replication group; and so whether it takes writes, and whether an answer of its may be older
//! than what is known already.

use super::connect::texts;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// A node of a Galera cluster, by its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GaleraNode {
    /// The cluster's identifier (`wsrep_cluster_state_uuid`).
    pub cluster: String,
    /// How many nodes are in this part of the cluster (`wsrep_cluster_size`).
    pub size: u32,
    /// `Primary` in the part that has the majority (`wsrep_cluster_status`).
    pub status: String,
    /// `Synced`, `Donor/Desynced`, `Joined`, … (`wsrep_local_state_comment`).
    pub state: String,
    /// Whether it answers questions at all (`wsrep_ready`).
    pub ready: bool,
}

impl std::fmt::Display for GaleraNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { size, status, state, ready, .. } = self;
        let nodes = if *size == 1 { "1 node".to_owned() } else { format!("{size} nodes") };
        let ready = if *ready { "ready" } else { "not ready" };
        write!(f, "{state} and {ready} in a Galera cluster of {nodes} ({status})")
    }
}

/// What a server is beside the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether it was told to take no writes, as replicas are.
    pub(super) read_only: bool,
    pub(super) galera: Option<GaleraNode>,
    /// The name of its replication group (MySQL's InnoDB cluster), if it is in one.
    pub(super) group: Option<String>,
}

impl Standing {
    /// Whether it takes writes: neither read-only nor a Galera node that lags behind or passes its state on.
    pub(super) fn is_writable(&self) -> bool {
        !self.read_only && self.galera.as_ref().is_none_or(|node| node.ready && node.state == SYNCED)
    }

    /// Whether what it answers may be older than what another server has answered before. A Galera node waits until it
    /// has everything, if it is told to.
    pub(super) fn may_lag(&self) -> bool {
        self.galera.is_none() && (self.read_only || self.group.is_some())
    }

    /// Which database it is a part of, if it says so: what is written to one part is seen by the others.
    pub(super) fn cluster(&self) -> Option<&str> {
        self.galera.as_ref().map(|node| node.cluster.as_str()).or(self.group.as_deref())
    }

    fn read(variables: &[(String, String)], status: &[(String, String)]) -> Self {
        let variable = |name| find(variables, name);
        let status = |name| find(status, name).unwrap_or_default();
        let is_galera =
            variable("wsrep_on") == Some("ON") && !matches!(variable("wsrep_provider"), None | Some("" | "none"));
        let galera = is_galera.then(|| GaleraNode {
            cluster: status("wsrep_cluster_state_uuid").to_owned(),
            size: status("wsrep_cluster_size").parse().unwrap_or(0),
            status: status("wsrep_cluster_status").to_owned(),
            state: status("wsrep_local_state_comment").to_owned(),
            ready: status("wsrep_ready") == "ON",
        });
        Self {
            read_only: !matches!(variable("read_only"), Some("0" | "OFF")),
            galera,
            group: variable("group_replication_group_name").filter(|name| !name.is_empty()).map(str::to_owned),
        }
    }
}

/// The state of a node that has everything the others have.
const SYNCED: &str = "Synced";

fn find<'r>(rows: &'r [(String, String)], name: &str) -> Option<&'r str> {
    rows.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN \
                         ('read_only', 'wsrep_on', 'wsrep_provider', 'group_replication_group_name')";

const STATUS: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN \
                      ('wsrep_cluster_state_uuid', 'wsrep_cluster_size', 'wsrep_cluster_status', \
                      'wsrep_local_state_comment', 'wsrep_ready')";

/// What a session on a Galera node begins with: every question waits until the node has seen what was committed
/// anywhere before it, and a node without the majority answers none, whatever its own settings say.
const GALERA: &str = "SET SESSION wsrep_sync_wait = 1, wsrep_dirty_reads = OFF";

/// Asks a server, and on a Galera node that is ready has all further questions of this connection wait until
/// the node has what the others have.
pub(super) async fn ask(connection: &mut Conn) -> Result<Standing, mysql_async::Error> {
    let variables = pairs(connection, VARIABLES).await?;
    let mut standing = Standing::read(&variables, &[]);
    if standing.galera.is_some() {
        standing = Standing::read(&variables, &pairs(connection, STATUS).await?);
    }
    if standing.galera.as_ref().is_some_and(|node| node.ready) {
        connection.query_drop(GALERA).await?;
    }
    Ok(standing)
}

async fn pairs(connection: &mut Conn, sql: &str) -> Result<Vec<(String, String)>, mysql_async::Error> {
    let rows = texts(connection, sql).await?.into_iter();
    Ok(rows.filter_map(|row| <[String; 2]>::try_from(row).ok()).map(|[name, value]| (name, value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(String, String)> {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn a_server_says_whether_it_takes_writes_and_whether_it_may_lag() {
        let galera = "read_only=OFF wsrep_on=ON wsrep_provider=/usr/lib/galera/libgalera_smm.so";
        let synced = "wsrep_ready=ON wsrep_local_state_comment=Synced wsrep_cluster_size=3";
        let cases = [
            ("a server of its own", "read_only=OFF", "", true, false),
            ("MySQL's way to say so", "read_only=0", "", true, false),
            ("a replica", "read_only=ON", "", false, true),
            ("one that does not say", "", "", false, true),
            ("MariaDB without a provider", "read_only=OFF wsrep_on=OFF wsrep_provider=none", "", true, false),
            ("Percona's server without one", "read_only=OFF wsrep_on=ON wsrep_provider=none", "", true, false),
            ("a Galera node", galera, synced, true, false),
            ("a donor", galera, "wsrep_ready=ON wsrep_local_state_comment=Donor/Desynced", false, false),
            ("without the majority", galera, "wsrep_ready=OFF wsrep_local_state_comment=Initialized", false, false),
            ("a node that is silent of itself", galera, "", false, false),
            ("one that is read-only", "read_only=ON wsrep_on=ON wsrep_provider=/galera.so", synced, false, false),
            ("a group's first", "read_only=OFF group_replication_group_name=a", "", true, true),
            ("a group's second", "read_only=ON group_replication_group_name=a", "", false, true),
        ];
        for (what, variables, status, writable, may_lag) in cases {
            let standing = Standing::read(&rows(variables), &rows(status));
            assert_eq!((standing.is_writable(), standing.may_lag()), (writable, may_lag), "{what}: {standing:?}");
        }
    }

    #[test]
    fn a_node_describes_itself() {
        let status = "wsrep_ready=ON wsrep_local_state_comment=Synced wsrep_cluster_size=3 \
                      wsrep_cluster_status=Primary wsrep_cluster_state_uuid=u";
        let standing = Standing::read(&rows("wsrep_on=ON wsrep_provider=/galera.so"), &rows(status));
        assert_eq!(standing.cluster(), Some("u"));
        let text = standing.galera.unwrap().to_string();
        assert_eq!(text, "Synced and ready in a Galera cluster of 3 nodes (Primary)");
    }
}
