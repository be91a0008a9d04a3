//! Part of the checked model: whom a certificate means, and where people are on record.

use super::{CertificateFiles, Foreign};
use crate::base::secret::SecretSource;
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// One rule that turns a certificate into names of accounts.
#[derive(Debug, Clone)]
pub struct IdentityRule {
    /// The part of the certificate that is read.
    pub source: IdentitySource,
    /// If present, a value must match; the first group is the name, or the whole match without one.
    pub pattern: Option<regex::Regex>,
    /// What the name is looked up as.
    pub lookup: LookupKind,
    /// If not empty, one of these must occur in the validated path.
    pub issuers: Vec<IssuerPin>,
    /// What happens when none of the names has an account.
    pub if_unknown: IfUnknown,
}

impl PartialEq for IdentityRule {
    fn eq(&self, other: &Self) -> bool {
        let pattern = |rule: &Self| rule.pattern.as_ref().map(|pattern| pattern.as_str().to_owned());
        self.source == other.source
            && pattern(self) == pattern(other)
            && self.lookup == other.lookup
            && self.issuers == other.issuers
            && self.if_unknown == other.if_unknown
    }
}

/// A part of a certificate that may name somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
pub enum IdentitySource {
    /// `san.email`: rfc822Name.
    #[serde(rename = "san.email")]
    SanEmail,
    /// `san.dns`: dNSName.
    #[serde(rename = "san.dns")]
    SanDns,
    /// `san.uri`: uniformResourceIdentifier.
    #[serde(rename = "san.uri")]
    SanUri,
    /// `san.upn`: otherName 1.3.6.1.4.1.311.20.2.3.
    #[serde(rename = "san.upn")]
    SanUpn,
    /// `subject.cn`: commonName.
    #[serde(rename = "subject.cn")]
    SubjectCn,
    /// `subject.email`: emailAddress (PKCS #9).
    #[serde(rename = "subject.email")]
    SubjectEmail,
    /// `subject.uid`: userid (RFC 4519).
    #[serde(rename = "subject.uid")]
    SubjectUid,
    /// `subject.dn`: the whole subject, as RFC 4514 writes it.
    #[serde(rename = "subject.dn")]
    SubjectDn,
    /// `serial`: `<serial in hex>@<issuer as RFC 4514 writes it>`; never without the issuer.
    #[serde(rename = "serial")]
    SerialAndIssuer,
    /// `fingerprint`: SHA-256 of the certificate in lower-case hex.
    #[serde(rename = "fingerprint")]
    Fingerprint,
}

/// What a name is looked up as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LookupKind {
    /// The account's e-mail address or one of its aliases.
    Email,
    /// The account's user name.
    Username,
    /// One of the account's aliases.
    Alias,
}

/// An authority that must occur in the validated path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssuerPin {
    /// The certificates in this PEM file: their subject public keys.
    File(PathBuf),
    /// SHA-256 of a SubjectPublicKeyInfo.
    SpkiSha256([u8; 32]),
}

/// What happens when a rule yields names and none has an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IfUnknown {
    /// `account_unknown`.
    #[default]
    Refuse,
    /// The next rule is tried.
    Next,
}

/// Where accounts are kept, and for how long an answer is good.
#[derive(Debug, Clone, PartialEq)]
pub struct Accounts {
    /// The database.
    pub store: Store,
    /// The cache before it.
    pub cache: Cache,
}

/// A database.
#[derive(Debug, Clone, PartialEq)]
pub enum Store {
    /// An embedded SQLite file.
    Sqlite {
        /// The file; made if it is absent.
        path: PathBuf,
    },
    /// A MySQL or MariaDB server.
    MySql(MySql),
}

impl Store {
    /// How accounts are read, if they stand in tables that are not Wicketgate's.
    #[must_use]
    pub fn foreign(&self) -> Option<&Arc<Foreign>> {
        match self {
            Self::MySql(settings) => settings.foreign.as_ref(),
            Self::Sqlite { .. } => None,
        }
    }
}

impl std::fmt::Display for Store {
    /// What it is called in messages: the file, or the servers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite { path } => path.display().fmt(f),
            Self::MySql(settings) => {
                let servers: Vec<String> = settings.servers.iter().map(ServerName::to_string).collect();
                f.write_str(&servers.join(", "))
            }
        }
    }
}

/// How a MySQL or MariaDB server is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct MySql {
    /// `host:port`, or the path of a Unix socket; tried in this order.
    pub servers: Vec<ServerName>,
    /// The database's name.
    pub database: String,
    /// The user's name.
    pub user: String,
    /// The password; none for accounts known by their client certificate.
    pub password: Option<SecretSource>,
    /// Transport security.
    pub tls: MySqlTls,
    /// How accounts are read from tables that are not Wicketgate's; none for those that are.
    pub foreign: Option<Arc<Foreign>>,
    /// Whether another machine may be talked to in clear text.
    pub insecure: bool,
}

impl MySql {
    /// The first server on another machine that is talked to in clear text, though nobody said that this
    /// may be.
    #[must_use]
    pub fn exposed(&self) -> Option<&ServerName> {
        let in_clear = self.tls.mode == MySqlTlsMode::Off && !self.insecure;
        self.servers.iter().find(|server| in_clear && !server.is_this_machine())
    }
}

/// A host and a port, or the path of a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerName {
    /// A DNS name or a literal address, without brackets; or the absolute path of a Unix socket.
    pub host: String,
    /// The port; 0 with a socket.
    pub port: u16,
}

impl ServerName {
    /// The path, if it is a Unix socket's.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        self.host.starts_with('/').then(|| Path::new(&self.host))
    }

    /// Whether what is said to it stays on this machine.
    #[must_use]
    pub fn is_this_machine(&self) -> bool {
        let loopback = || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        self.socket().is_some() || self.host == "localhost" || loopback()
    }
}

impl std::fmt::Display for ServerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.socket().is_some() {
            f.write_str(&self.host)
        } else if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Transport security of a MySQL connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MySqlTls {
    /// `off` or `verify`.
    pub mode: MySqlTlsMode,
    /// PEM file of the authorities that the server's certificate may come from.
    pub ca: Option<PathBuf>,
    /// Our own certificate and key.
    pub client: Option<CertificateFiles>,
}

/// Whether a MySQL connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MySqlTlsMode {
    /// In clear text.
    #[default]
    #[serde(alias = "false")]
    Off,
    /// Encrypted, the server's certificate and name verified.
    Verify,
}

/// The cache of account look-ups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// How long a found account is good.
    pub ttl: Duration,
    /// How long it is remembered that there is none.
    pub negative_ttl: Duration,
    /// How many answers of ordinary size are kept: of accounts 1 KiB, of digest credentials and of revocations half a
    /// KiB each.
    pub capacity: u64,
    /// For how long answers are used after the store was last heard of.
    pub serve_stale: Duration,
}
