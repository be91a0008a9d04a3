//! How a connection to a MySQL server is made: which server, with what password and which certificates,
//! and what a refusal is called. Passwords and certificate files are read for every connection, so that
//! renewed ones are taken up.

use super::super::Fault;
use crate::base::secret::SecretError;
use crate::config::{self, MySqlTlsMode, ServerName};
use mysql_async::{ClientIdentity, Conn, DriverError, Error, IoError, OptsBuilder, SslOpts};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// For this long after all servers failed, nobody tries again: whoever asks meanwhile is told at once.
const PAUSE: Duration = Duration::from_millis(500);

/// For this long after a server failed, the others are tried before it.
const AVOIDED: Duration = Duration::from_secs(10);

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
const READ_ONLY: [&str; 2] =
    ["SET SESSION TRANSACTION READ ONLY", "SET SESSION sql_select_limit = 1001, group_concat_max_len = 1048576"];

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
    /// When all of them failed, and why.
    all_failed: Option<(Instant, Fault)>,
}

impl Connector {
    /// Reads the password once, so that one that is not to be had is found at the start.
    pub(super) fn new(settings: config::MySql) -> Result<Self, SecretError> {
        if let Some(password) = &settings.password {
            password.read()?;
        }
        let names: Vec<String> = settings.servers.iter().map(ServerName::to_string).collect();
        let health = Health { failed: vec![None; settings.servers.len()], all_failed: None };
        Ok(Self { name: names.join(", "), settings, health: Mutex::new(health) })
    }

    /// The servers.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A connection to the first server that answers within the limit.
    pub(super) async fn connect(&self, limit: Duration) -> Result<Conn, Fault> {
        if let Some(fault) = self.failed_just_now() {
            return Err(fault);
        }
        let mut reasons = Vec::new();
        for (index, server) in self.in_order() {
            let connected = timeout(limit, self.connect_to(&server)).await;
            let failed = match connected {
                Ok(Ok(connection)) => {
                    self.note(index, None);
                    return Ok(connection);
                }
                Ok(Err(why)) => why,
                Err(_) => format!("it did not complete the connection within {limit:?}"),
            };
            self.note(index, Some(Instant::now()));
            reasons.push(if self.settings.servers.len() > 1 { format!("{server}: {failed}") } else { failed });
        }
        let fault = Fault::Unavailable(reasons.join("; "));
        self.health().all_failed = Some((Instant::now(), fault.clone()));
        Err(fault)
    }

    async fn connect_to(&self, server: &ServerName) -> Result<Conn, String> {
        let password = match &self.settings.password {
            Some(source) => {
                let source = source.clone();
                let read = tokio::task::spawn_blocking(move || source.read()).await;
                let secret = read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
                Some(secret.expose_str().ok_or("the password is not UTF-8")?.to_owned())
            }
            None => None,
        };
        let options = OptsBuilder::default()
            .ip_or_hostname(server.host.clone())
            .tcp_port(server.port)
            .user(Some(self.settings.user.clone()))
            .pass(password)
            .db_name(Some(self.settings.database.clone()))
            .ssl_opts(self.tls().await?)
            .prefer_socket(false)
            .tcp_nodelay(true)
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .stmt_cache_size(STATEMENTS)
            .client_found_rows(true)
            // Given here, the driver does not ask the server for them.
            .max_allowed_packet(Some(LARGEST_PACKET))
            .wait_timeout(Some(28_800))
            .setup(self.setup());
        Conn::new(options).await.map_err(|error| self.refusal(&error))
    }

    fn setup(&self) -> Vec<&'static str> {
        let read_only = self.settings.foreign.iter().flat_map(|_| READ_ONLY);
        SETUP.into_iter().chain(read_only).collect()
    }

    async fn tls(&self) -> Result<Option<SslOpts>, String> {
        let tls = &self.settings.tls;
        if tls.mode == MySqlTlsMode::Off {
            return Ok(None);
        }
        let ca = tls.ca.as_ref().ok_or("tls.mode is verify, but tls.ca names no authorities")?;
        let mut options = SslOpts::default()
            .with_disable_built_in_roots(true)
            .with_root_certs(vec![read("the authorities", ca).await?.into()]);
        if let Some(client) = &tls.client {
            let chain = read("the certificate", &client.chain).await?;
            let key = read("the key", &client.key).await?;
            options = options.with_client_identity(Some(ClientIdentity::new(chain.into(), key.into())));
        }
        Ok(Some(options))
    }

    /// A refusal in words that say whose part it is to mend it.
    fn refusal(&self, error: &Error) -> String {
        let config::MySql { user, database, .. } = &self.settings;
        match error {
            Error::Server(error) => {
                let hint = match error.code {
                    1044 => format!("the user {user:?} may not use the database {database:?}"),
                    1045 | 1698 => format!(
                        "the user {user:?} was refused (a wrong password, no such user for this host, or one that \
                         must show a certificate)"
                    ),
                    1049 => format!("there is no database {database:?}"),
                    1040 | 1203 | 1226 => "the server has too many connections".to_owned(),
                    1129 | 1130 => "the server refuses this host".to_owned(),
                    3159 => "the server demands TLS".to_owned(),
                    _ => "the server refused the connection".to_owned(),
                };
                format!("{hint}: {} (error {})", error.message, error.code)
            }
            Error::Io(IoError::Io(error)) => error.to_string(),
            Error::Io(error @ IoError::Tls(_)) => error.to_string(),
            Error::Driver(DriverError::NoClientSslFlagFromServer) => "the server does not offer TLS".to_owned(),
            Error::Driver(DriverError::NoKeyFound) => "there is no private key in the key file of tls".to_owned(),
            error => error.to_string(),
        }
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed_just_now(&self) -> Option<Fault> {
        let health = self.health();
        health.all_failed.as_ref().filter(|(at, _)| at.elapsed() < PAUSE).map(|(_, fault)| fault.clone())
    }

    /// The servers in the order of the settings, those that failed lately last.
    fn in_order(&self) -> Vec<(usize, ServerName)> {
        let health = self.health();
        let failed_lately =
            |index: usize| health.failed.get(index).copied().flatten().is_some_and(|at| at.elapsed() < AVOIDED);
        let mut servers: Vec<_> = self.settings.servers.iter().cloned().enumerate().collect();
        servers.sort_by_key(|(index, _)| failed_lately(*index));
        servers
    }

    fn note(&self, index: usize, failed: Option<Instant>) {
        if let Some(server) = self.health().failed.get_mut(index) {
            *server = failed;
        }
    }
}

async fn read(what: &str, path: &Path) -> Result<Vec<u8>, String> {
    let path: PathBuf = path.to_owned();
    tokio::fs::read(&path).await.map_err(|error| format!("cannot read {what} in {}: {error}", path.display()))
}
