//! Looks at what a checked configuration names: can every file be reached and read, do keys match their
//! certificates, are secrets kept from others, is anything expired or about to, does the database
//! answer. It changes nothing, and whatever it finds it says with a way to mend it.

mod authorities;
mod authority;
mod keys;
mod server;
mod sockets;
mod tracing;
mod trust;

pub use sockets::examine_passed;

use crate::account;
use crate::base::clock::Timestamp;
use crate::base::reach;
use crate::base::secret::{Secret, SecretError, SecretSource};
use crate::certificate::fields::Fields;
use crate::certificate::pem::{self, PemError};
use crate::config::{Cache, Config, Foreign, MySql, Severity, Store};
use crate::store::rights::Role;
use crate::store::{Database, Deadlines, Diagnosis, migrations, mysql};
use rustls_pki_types::CertificateDer;
use serde::Serialize;
use std::collections::HashSet;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::Handle;

/// How long the database has to answer.
const DATABASE: Duration = Duration::from_secs(5);
/// How long before its end a certificate is called soon to expire.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);
/// Secrets that others could guess have fewer octets.
const MIN_SECRET: usize = 16;

/// Something that stands in the way, or soon will.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether the gate can work with it.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// The file or the server that it is wrong with, and the key of the configuration that names it.
    pub on: String,
    /// What it was seen by.
    pub why: String,
    /// How it is mended.
    pub what_to_do: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, what, on, why, what_to_do } = self;
        write!(f, "{severity}: {what}\n  on: {on}\n  why: {why}\n  what to do: {what_to_do}")
    }
}

impl From<Diagnosis> for Finding {
    fn from(diagnosis: Diagnosis) -> Self {
        let Diagnosis { severity, on, what, why, what_to_do } = diagnosis;
        Self { severity, what, on: format!("{on} (accounts.mysql)"), why, what_to_do }
    }
}

/// Examines every file that the configuration names, as the user that this process runs as, at the time
/// `now`. The database is left to [`examine_store`].
#[must_use]
pub fn examine(config: &Config, now: Timestamp) -> Vec<Finding> {
    let mut examiner = Examiner { now, findings: Vec::new(), seen: HashSet::new() };
    examiner.listeners(config);
    for (name, set) in &config.trust {
        examiner.trust(name, set);
    }
    examiner.told_of(config);
    examiner.identity(&config.identity);
    examiner.routes(&config.routes);
    examiner.upstreams(config);
    examiner.peers(config);
    match &config.accounts.store {
        Store::Sqlite { path } => examiner.database_file(path),
        Store::MySql(mysql) => examiner.mysql(mysql),
    }
    if let Some(foreign) = config.accounts.store.foreign() {
        examiner.no_feed(foreign, &config.accounts.cache);
    }
    if let Some(secret) = config.digest.as_ref().and_then(|digest| digest.nonce_secret.as_ref()) {
        examiner.strong_secret("digest.nonce.secret", secret);
    }
    if let Some(handover) = &config.handover {
        examiner.handover(handover);
    }
    if let Some(assertion) = &config.assertion {
        examiner.assertion(assertion);
    }
    if let Some(authority) = &config.authority {
        examiner.authority(authority);
    }
    if let Some(takeover) = &config.takeover {
        examiner.takeover(takeover);
    }
    if let Some(tracing) = &config.tracing {
        examiner.tracing(tracing);
    }
    if let Some(audit) = &config.log.audit {
        examiner.writable("log.audit", audit);
    }
    examiner.findings
}

/// Why a file cannot be read by this process, if it cannot.
#[must_use]
pub fn examine_file(path: &Path) -> Option<Finding> {
    let obstacle = reach::readable(path).err()?;
    Some(Finding {
        severity: Severity::Error,
        what: "the file cannot be read".to_owned(),
        on: path.display().to_string(),
        why: obstacle.why,
        what_to_do: obstacle.what_to_do,
    })
}

/// Asks the database whether it is there and is as this program needs it. An embedded
/// database that does not exist yet is not made.
pub async fn examine_store(store: &Store, control: Handle) -> Vec<Finding> {
    let asked = async {
        match store {
            Store::Sqlite { path } if !path.exists() => Ok(Vec::new()),
            Store::Sqlite { .. } => embedded_is_usable(store, control).await.map(|()| Vec::new()),
            Store::MySql(settings) => {
                let examination = mysql::examine(settings, Role::Gate, Deadlines::default()).await;
                let reached = !examination.servers.is_empty();
                let mut findings: Vec<Finding> = examination.diagnoses.into_iter().map(Finding::from).collect();
                if let Some(foreign) = settings.foreign.as_ref().filter(|_| reached) {
                    findings.extend(examine_foreign(store, foreign, control).await);
                }
                Ok(findings)
            }
        }
    };
    let limit = match store {
        Store::Sqlite { .. } => DATABASE,
        Store::MySql(_) => DATABASE * 2,
    };
    let why = match tokio::time::timeout(limit, asked).await {
        Ok(Ok(findings)) => return findings,
        Ok(Err(why)) => why,
        Err(_) => format!("it gave no answer within {} seconds", limit.as_secs()),
    };
    let what_to_do = match store {
        Store::Sqlite { .. } => "look whether the file is Wicketgate's, and whether its disk is full or read-only",
        Store::MySql(_) => "look what keeps the servers busy, and at what `wicketgate db check` says",
    };
    vec![Finding {
        severity: Severity::Error,
        what: "the account database cannot be used".to_owned(),
        on: format!("{store} (accounts)"),
        why,
        what_to_do: what_to_do.to_owned(),
    }]
}

/// Whether what the configuration says of tables that are not ours fits them.
pub async fn examine_foreign(store: &Store, foreign: &Foreign, control: Handle) -> Option<Finding> {
    let unavailable = account::open_directory(store, control).await.err()?;
    Some(Finding {
        severity: Severity::Error,
        what: "the configuration does not fit the tables".to_owned(),
        on: format!("{store} (accounts.mysql.{})", foreign.key),
        why: unavailable.why,
        what_to_do: format!("correct `accounts.mysql.{}`, or what its user may read", foreign.key),
    })
}

/// Opening it for use would migrate it, which is not for a check to do.
async fn embedded_is_usable(store: &Store, control: Handle) -> Result<(), String> {
    let deadlines = Deadlines::default();
    let database = Database::connect(store, control, deadlines).await.map_err(|error| error.to_string())?;
    let version = database.schema_version().await.map_err(|error| error.to_string())?;
    match migrations::standing(version) {
        migrations::Standing::Newer(found) => {
            Err(format!("its schema has version {found}, and this program knows only {}", migrations::newest()))
        }
        _ => Ok(()),
    }
}

/// What an examination has seen and found so far.
struct Examiner {
    now: Timestamp,
    findings: Vec<Finding>,
    /// Files that were read for a purpose already: several keys often name the same one.
    seen: HashSet<(PathBuf, String)>,
}

/// A file and the key of the configuration that names it.
#[derive(Clone, Copy)]
struct Named<'a> {
    path: &'a Path,
    key: &'a str,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path.display(), self.key)
    }
}

impl Examiner {
    fn error(&mut self, what: &str, on: impl fmt::Display, why: impl Into<String>, what_to_do: impl Into<String>) {
        self.find(Severity::Error, what, on, why, what_to_do);
    }

    fn warn(&mut self, what: &str, on: impl fmt::Display, why: impl Into<String>, what_to_do: impl Into<String>) {
        self.find(Severity::Warning, what, on, why, what_to_do);
    }

    fn find(
        &mut self,
        severity: Severity,
        what: &str,
        on: impl fmt::Display,
        why: impl Into<String>,
        what_to_do: impl Into<String>,
    ) {
        self.findings.push(Finding {
            severity,
            what: what.to_owned(),
            on: on.to_string(),
            why: why.into(),
            what_to_do: what_to_do.into(),
        });
    }

    /// Whether a file is looked at for this purpose for the first time.
    fn first_look(&mut self, file: Named<'_>, purpose: &str) -> bool {
        self.seen.insert((file.path.to_owned(), purpose.to_owned()))
    }

    /// Whether the file can be read. That it cannot is told once.
    fn readable(&mut self, file: Named<'_>) -> bool {
        match reach::readable(file.path) {
            Ok(()) => true,
            Err(obstacle) => {
                if self.first_look(file, "reading") {
                    self.error("the file cannot be read", file, obstacle.why, obstacle.what_to_do);
                }
                false
            }
        }
    }

    /// The certificates of a file; at least one.
    fn certificates(&mut self, file: Named<'_>) -> Option<Vec<CertificateDer<'static>>> {
        if !self.readable(file) {
            return None;
        }
        match pem::certificates(file.path) {
            Ok(certificates) => Some(certificates),
            Err(error) => {
                if self.first_look(file, "certificates") {
                    self.unfit(file, "certificates", &error);
                }
                None
            }
        }
    }

    fn unfit(&mut self, file: Named<'_>, wanted: &str, error: &PemError) {
        let what = format!("the file does not hold the {wanted} that it should");
        self.error(&what, file, error.to_string(), format!("put PEM-encoded {wanted} there, or name the right file"));
    }

    /// Whether a certificate counts now, and will for a while. `what` is what it is: `the certificate`,
    /// `the authority CN=Example`.
    fn dates(&mut self, file: Named<'_>, what: &str, fields: &Fields<'_>) {
        let Fields { not_before, not_after, .. } = *fields;
        if self.now > not_after {
            let why = format!("it ended at {not_after}, and it is {} now", self.now);
            self.error(&format!("{what} has expired"), file, why, "renew it, and put the new one there");
        } else if self.now < not_before {
            let why = format!("it begins at {not_before}, and it is {} now", self.now);
            self.error(&format!("{what} is not valid yet"), file, why, "look at this machine's clock, or wait");
        } else if self.now.plus(SOON) > not_after {
            let days = not_after.since(self.now).as_secs() / (24 * 3600);
            let why = format!("it ends at {not_after}, in {days} days");
            self.warn(&format!("{what} expires soon"), file, why, "renew it in time");
        }
    }

    /// Whether a file with a secret is kept from others; `what` is `the key`, `the secret`.
    fn kept_from_others(&mut self, file: Named<'_>, what: &str) {
        let Ok(metadata) = std::fs::metadata(file.path) else { return };
        if !metadata.is_file() || !self.first_look(file, "secrecy") {
            return;
        }
        let mode = metadata.permissions().mode() & 0o7777;
        let why = format!("its mode is {mode:04o}");
        let what_to_do = format!("chmod 600 {}", file.path.display());
        if mode & 0o007 != 0 {
            self.error(&format!("everybody on this machine has access to {what}"), file, why, what_to_do);
        } else if mode & 0o020 != 0 {
            self.error(&format!("the file's group can replace {what}"), file, why, what_to_do);
        } else if mode & 0o040 != 0 {
            self.warn(&format!("the file's group can read {what}"), file, why, what_to_do);
        }
    }

    /// A secret, if it can be had.
    fn secret(&mut self, key: &str, source: &SecretSource) -> Option<Secret> {
        if let SecretSource::File(path) = source {
            let file = Named { path, key };
            if !self.readable(file) {
                return None;
            }
            self.kept_from_others(file, "the secret");
        }
        match source.read() {
            Ok(secret) => Some(secret),
            Err(error) => {
                let what_to_do = match &error {
                    SecretError::Environment(name) => format!("set {name} where the gate is started"),
                    SecretError::File { .. } | SecretError::Empty(_) => {
                        "put the secret there, as the first line".to_owned()
                    }
                };
                self.error("the secret is not to be had", key, error.to_string(), what_to_do);
                None
            }
        }
    }

    /// A secret that something is authenticated or sealed with.
    fn strong_secret(&mut self, key: &str, source: &SecretSource) {
        let Some(secret) = self.secret(key, source) else { return };
        let length = secret.expose().len();
        if length < MIN_SECRET {
            let why = format!("it has {length} octets; whoever guesses it can make what only the gate should");
            self.warn("the secret is short", key, why, "make one with: openssl rand -hex 32");
        }
    }

    fn mysql(&mut self, mysql: &MySql) {
        if let Some(password) = &mysql.password {
            self.secret("accounts.mysql.password", password);
        }
        if let Some(ca) = &mysql.tls.ca {
            self.certificates(Named { path: ca, key: "accounts.mysql.tls.ca" });
        }
        if let Some(client) = &mysql.tls.client {
            self.key_pair(client, "accounts.mysql.tls.certificate", "accounts.mysql.tls.key");
        }
    }

    /// The files of upstreams that are spoken to over TLS.
    fn upstreams(&mut self, config: &Config) {
        for (name, upstream) in &config.upstreams {
            let Some(tls) = &upstream.tls else { continue };
            let key = |key: &str| format!("upstreams.{name}.tls.{key}");
            self.certificates(Named { path: &tls.ca, key: &key("ca") });
            if let Some(client) = &tls.client {
                self.key_pair(client, &key("certificate"), &key("key"));
            }
        }
    }

    /// The files of servers of other domains.
    fn peers(&mut self, config: &Config) {
        for (name, peer) in &config.peers {
            self.pins(&format!("peers.{name}"), &peer.issuers);
            for (_, source) in peer.digest.iter().flat_map(|digest| &digest.ha1) {
                self.secret(&format!("peers.{name}.digest"), source);
            }
        }
    }

    /// In tables of others nothing says what changed.
    fn no_feed(&mut self, foreign: &Foreign, cache: &Cache) {
        let Cache { ttl, serve_stale, .. } = cache;
        self.warn(
            "a lock counts only when the time to live of an answer is over",
            format!("accounts.mysql.{}", foreign.key),
            "tables of your own have no feed of changes, so that the gate learns nothing of one",
            format!(
                "choose `accounts.cache.ttl` (now {ttl:?}) as long as somebody who was locked may still pass; after a change by \
                 hand SIGHUP flushes the cache"
            ),
        );
        if !serve_stale.is_zero() {
            self.warn(
                "an outage is known only by a question that is not answered",
                "accounts.serve_stale".to_owned(),
                "tables of your own have no feed of changes, so that its time is counted from the last answer of the \
                 database to whatever question",
                format!("reckon with {:?} after that answer", serve_stale.max(ttl)),
            );
        }
    }

    fn database_file(&mut self, path: &Path) {
        let key = "accounts.sqlite.path";
        self.writable(key, path);
        self.kept_from_others(Named { path, key }, "the accounts");
    }

    /// Whether a file can be written to, or else made.
    fn writable(&mut self, key: &str, path: &Path) {
        if let Err(obstacle) = reach::writable(path) {
            self.error("the file cannot be written to", Named { path, key }, obstacle.why, obstacle.what_to_do);
        }
    }
}

#[cfg(test)]
mod tests;
