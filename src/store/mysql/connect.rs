//! How a connection to a MySQL server is made: which server, with what password and which certificates.
//! Passwords and certificate files are read for every connection, so that renewed ones are taken up. What a
//! refusal means is `refusal`'s to say.

use super::super::{Diagnosis, Fault, Value};
use super::refusal::Attempt;
use super::standing::{self, Standing};
use super::value;
use crate::base::reach;
use crate::base::secret::{SecretError, SecretSource};
use crate::config::{self, MySqlTlsMode, ServerName};
use mysql_async::prelude::Queryable;
use mysql_async::{ClientIdentity, Conn, OptsBuilder, SslOpts};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// When all servers have failed, one connection is tried as often as this, however many are wanted: everybody else is
/// told at once. A server that accepts connections and says nothing is so no worse than one that is down.
const PAUSE: Duration = Duration::from_millis(500);

/// For this long after a server failed, the others are tried before it.
pub(super) const AVOIDED: Duration = Duration::from_secs(10);

/// The largest answer that is read. Larger ones come from no table of ours.
const LARGEST_PACKET: usize = 16 * 1024 * 1024;

/// Statements kept prepared for each connection; there are fewer in the whole program.
const STATEMENTS: usize = 64;

/// What every connection begins with: comparisons by `utf8mb4_bin`, values that do not fit refused and
/// not cut, and no wait for a lock that is longer than our deadlines.
const SETUP: [&str; 2] = [
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', \
     innodb_lock_wait_timeout = 2",
];

/// What a connection begins with besides, where the tables are not ours: the server itself refuses what would
/// write, and yields no more rows than the names of one account may be, and one.
const FOREIGN: [&str; 2] =
    ["SET SESSION TRANSACTION READ ONLY", "SET SESSION sql_select_limit = 1001, group_concat_max_len = 1048576"];

/// What a connection is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A server that takes writes is best, since a replica may lag behind; but any will do.
    Reading,
    /// The server must take writes.
    Writing,
    /// The same, over the connection that is kept for the feed of changes.
    Following,
}

impl Purpose {
    /// Whether the server must take writes.
    pub(super) fn writes(self) -> bool {
        self != Self::Reading
    }
}

/// A connection and what is known of the server at its other end.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) connection: Conn,
    /// The place of its server in the settings.
    pub(super) server: usize,
    /// Whether it takes writes: neither read-only nor a Galera node that lags behind.
    pub(super) writable: bool,
    /// Whether it may answer from before what another server has answered.
    pub(super) may_lag: bool,
    /// Whether it is a Galera node.
    pub(super) galera: bool,
    /// Whether another server would be preferred to it, but for its having failed.
    pub(super) second_best: bool,
}

impl Connected {
    /// Whether it may answer from before what this server, by its place in the settings, has answered. A Galera node
    /// waits until it has everything; any other server has for certain only what it told itself, whatever it was
    /// when the connection was made: it may have been demoted since, and may follow that one, or nobody.
    pub(super) fn may_have_less_than(&self, server: usize) -> bool {
        !self.galera && (self.may_lag || self.server != server)
    }
}

/// Knows the servers, and how they did lately.
#[derive(Debug)]
pub(super) struct Connector {
    settings: config::MySql,
    name: String,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    /// When each server failed last, in the order of the settings.
    failed: Vec<Option<Instant>>,
    /// When all of them had failed and were last tried again, and why they failed; nothing once any has answered.
    all_failed: Option<(Instant, Fault)>,
}

impl Connector {
    /// Reads the password once, so that one that is not to be had is found at the start.
    pub(super) fn new(settings: config::MySql) -> Result<Self, SecretError> {
        if let Some(password) = &settings.password {
            password.read()?;
        }
        Ok(Self::unread(settings))
    }

    /// The same without a look at the password.
    pub(super) fn unread(settings: config::MySql) -> Self {
        let names: Vec<String> = settings.servers.iter().map(ServerName::to_string).collect();
        let health = Health { failed: vec![None; settings.servers.len()], all_failed: None };
        Self { name: names.join(", "), settings, health: Mutex::new(health) }
    }

    /// The servers.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A connection to the first server that answers within the limit and takes writes; for reading, if there is
    /// none, to the first that answers.
    pub(super) async fn connect(&self, limit: Duration, purpose: Purpose) -> Result<Connected, Fault> {
        if let Some(fault) = self.failed_just_now(true) {
            return Err(fault);
        }
        let mut reasons = Vec::new();
        let mut read_only: Option<Connected> = None;
        let mut all_failed = true;
        for Candidate { index, server, failed_lately } in self.in_order() {
            if failed_lately && read_only.is_some() {
                // Whoever only reads does not wait again for a server that is known to be down.
                continue;
            }
            let why = match self.connect_within(limit, &server).await {
                Ok((connection, standing)) => {
                    self.note(index, None);
                    let (writable, may_lag) = (standing.is_writable(), standing.may_lag());
                    let second_best = !writable || self.is_second_best(index);
                    let galera = standing.galera.is_some();
                    let connected = Connected { connection, server: index, writable, may_lag, galera, second_best };
                    if writable {
                        return Ok(connected);
                    }
                    all_failed = false;
                    if !purpose.writes() {
                        read_only.get_or_insert(connected);
                    }
                    READ_ONLY.to_owned()
                }
                Err(diagnosis) => {
                    self.note(index, Some(Instant::now()));
                    diagnosis.to_string()
                }
            };
            reasons.push(if self.settings.servers.len() > 1 { format!("{server}: {why}") } else { why });
        }
        if let Some(connected) = read_only {
            return Ok(connected);
        }
        let fault = Fault::Unavailable(reasons.join("; "));
        if all_failed {
            self.health().all_failed = Some((Instant::now(), fault.clone()));
        }
        Err(fault)
    }

    /// A connection to this server, and what the server is. One that answers no questions, because it is not ready, is
    /// as good as none.
    pub(super) async fn connect_within(
        &self,
        limit: Duration,
        server: &ServerName,
    ) -> Result<(Conn, Standing), Diagnosis> {
        let Ok(shown) = timeout(limit, self.credentials(server)).await else {
            return Err(Diagnosis::error(
                server,
                "password, certificate and key could not be read",
                format!("reading them took longer than {limit:?}"),
                "look at the file system that they are on, and whether one of them is a pipe",
            ));
        };
        let shown = shown?;
        let attempt =
            Attempt { settings: &self.settings, server, certificate: shown.client.as_ref().map(|(chain, _)| &**chain) };
        let connecting = async {
            let mut connection = Conn::new(self.options(server, &shown)).await?;
            let standing = standing::ask(&mut connection).await?;
            Ok::<_, mysql_async::Error>((connection, standing))
        };
        match timeout(limit, connecting).await {
            Ok(Ok((_, Standing { galera: Some(node), .. }))) if !node.ready => Err(attempt.not_ready(node.to_string())),
            Ok(Ok(connected)) => Ok(connected),
            Ok(Err(error)) => Err(attempt.failed(&error)),
            Err(_) => Err(attempt.timed_out(limit)),
        }
    }

    fn options(&self, server: &ServerName, shown: &Credentials) -> OptsBuilder {
        let options = OptsBuilder::default()
            .user(Some(self.settings.user.clone()))
            .pass(shown.password.clone())
            .db_name(Some(self.settings.database.clone()).filter(|database| !database.is_empty()))
            .prefer_socket(false)
            .stmt_cache_size(STATEMENTS)
            .client_found_rows(true)
            // Given here, the driver does not ask the server for them.
            .max_allowed_packet(Some(LARGEST_PACKET))
            .wait_timeout(Some(28_800))
            .setup(self.setup());
        if server.socket().is_some() {
            // The driver would announce TLS over a socket, and then not speak it.
            return options.socket(Some(server.host.clone()));
        }
        let tls = shown.authorities.as_ref().map(|authorities| {
            let options =
                SslOpts::default().with_disable_built_in_roots(true).with_root_certs(vec![authorities.clone().into()]);
            match &shown.client {
                Some((chain, key)) => {
                    options.with_client_identity(Some(ClientIdentity::new(chain.clone().into(), key.clone().into())))
                }
                None => options,
            }
        });
        options
            .ip_or_hostname(server.host.clone())
            .tcp_port(server.port)
            .ssl_opts(tls)
            .tcp_nodelay(true)
            .tcp_keepalive(Some(Duration::from_secs(30)))
    }

    fn setup(&self) -> Vec<&'static str> {
        let foreign = self.settings.foreign.iter().flat_map(|_| FOREIGN);
        SETUP.into_iter().chain(foreign).collect()
    }

    /// All that is read from files for a connection.
    async fn credentials(&self, server: &ServerName) -> Result<Credentials, Diagnosis> {
        let password = match &self.settings.password {
            Some(source) => Some(password(source.clone()).await.map_err(|obstacle| obstacle.on(server))?),
            None => None,
        };
        let tls = &self.settings.tls;
        if tls.mode == MySqlTlsMode::Off || server.socket().is_some() {
            return Ok(Credentials { password, authorities: None, client: None });
        }
        let Some(ca) = &tls.ca else {
            let why = "tls.mode is verify, but tls.ca names no authorities";
            return Err(Diagnosis::error(server, "no certificate could be trusted", why, "name them in tls.ca"));
        };
        let authorities = read("the authorities (tls.ca)", ca).await.map_err(|obstacle| obstacle.on(server))?;
        let client = match &tls.client {
            Some(files) => Some((
                read("the certificate (tls.certificate)", &files.chain)
                    .await
                    .map_err(|obstacle| obstacle.on(server))?,
                read("the key (tls.key)", &files.key).await.map_err(|obstacle| obstacle.on(server))?,
            )),
            None => None,
        };
        Ok(Credentials { password, authorities: Some(authorities), client })
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why all servers failed, if it is not time to try them again. Whoever is about to try takes that on themselves.
    pub(super) fn failed_just_now(&self, about_to_try: bool) -> Option<Fault> {
        let mut health = self.health();
        let (tried, fault) = health.all_failed.as_mut()?;
        if tried.elapsed() < PAUSE {
            return Some(fault.clone());
        }
        if about_to_try {
            *tried = Instant::now();
        }
        None
    }

    /// The servers in the order of the settings, those that failed lately last.
    fn in_order(&self) -> Vec<Candidate> {
        let health = self.health();
        let failed_lately =
            |index: usize| health.failed.get(index).copied().flatten().is_some_and(|at| at.elapsed() < AVOIDED);
        let servers = self.settings.servers.iter().cloned().enumerate();
        let mut servers: Vec<_> =
            servers.map(|(index, server)| Candidate { index, server, failed_lately: failed_lately(index) }).collect();
        servers.sort_by_key(|candidate| candidate.failed_lately);
        servers
    }

    /// Whether a server is only used because one before it failed.
    fn is_second_best(&self, index: usize) -> bool {
        self.health().failed.iter().take(index).any(Option::is_some)
    }

    fn note(&self, index: usize, failed: Option<Instant>) {
        let mut health = self.health();
        if let Some(server) = health.failed.get_mut(index) {
            *server = failed;
        }
        if failed.is_none() {
            health.all_failed = None;
        }
    }
}

const READ_ONLY: &str = "the server takes no writes: it is read-only, or a cluster node that lags behind; what to do: \
                         name one that takes them in accounts.mysql.servers";

/// A server that may be connected to.
struct Candidate {
    /// Its place in the settings.
    index: usize,
    server: ServerName,
    failed_lately: bool,
}

/// What one connection is made with.
struct Credentials {
    password: Option<String>,
    /// PEM; `None` without TLS.
    authorities: Option<Vec<u8>>,
    /// PEM of certificate and key.
    client: Option<(Vec<u8>, Vec<u8>)>,
}

/// Whether the server was told to take no writes, as replicas are.
pub(super) async fn is_read_only(connection: &mut Conn) -> Result<bool, mysql_async::Error> {
    let rows = texts(connection, "SELECT @@GLOBAL.read_only").await?;
    let value = rows.first().and_then(|row| row.first());
    Ok(!value.is_some_and(|value| matches!(value.as_str(), "0" | "OFF")))
}

/// The rows that a statement yields, each value as text and NULL as the empty one. The driver's own conversions
/// panic on what they do not expect.
pub(super) async fn texts(connection: &mut Conn, sql: &str) -> Result<Vec<Vec<String>>, mysql_async::Error> {
    let rows: Vec<mysql_async::Row> = connection.query(sql).await?;
    let text = |found| match value(found) {
        Value::Null => String::new(),
        Value::Integer(integer) => integer.to_string(),
        Value::Text(text) => text,
        Value::Blob(octets) => String::from_utf8_lossy(&octets).into_owned(),
    };
    Ok(rows.into_iter().map(|row| row.unwrap_raw().into_iter().map(text).collect()).collect())
}

/// Something on this machine that keeps a connection from being tried.
struct Obstacle {
    what: String,
    why: String,
    what_to_do: String,
}

impl Obstacle {
    fn on(self, server: &ServerName) -> Diagnosis {
        Diagnosis::error(server, self.what, self.why, self.what_to_do)
    }
}

async fn password(source: SecretSource) -> Result<String, Obstacle> {
    let file = match &source {
        SecretSource::File(path) => Some(path.clone()),
        _ => None,
    };
    let read = tokio::task::spawn_blocking(move || source.read()).await;
    let unreadable = |why: String| match file.as_deref().map(reach::readable) {
        Some(Err(obstacle)) => {
            Obstacle { what: "cannot read the password".to_owned(), why: obstacle.why, what_to_do: obstacle.what_to_do }
        }
        _ => Obstacle {
            what: "the password is not to be had".to_owned(),
            why,
            what_to_do: "put it where accounts.mysql.password says, as the first line and in UTF-8".to_owned(),
        },
    };
    let secret = match read {
        Ok(Ok(secret)) => secret,
        Ok(Err(error)) => return Err(unreadable(error.to_string())),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    secret.expose_str().map(str::to_owned).ok_or_else(|| unreadable("it is not UTF-8".to_owned()))
}

async fn read(what: &str, path: &Path) -> Result<Vec<u8>, Obstacle> {
    let path: PathBuf = path.to_owned();
    tokio::fs::read(&path).await.map_err(|error| {
        let obstacle = reach::readable(&path).err();
        let (why, what_to_do) = obstacle.map_or_else(
            || (error.to_string(), "look at the file and the file system that it is on".to_owned()),
            |obstacle| (obstacle.why, obstacle.what_to_do),
        );
        Obstacle { what: format!("cannot read {what} in {}", path.display()), why, what_to_do }
    })
}
