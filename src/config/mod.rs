//! The configuration as every other part sees it: plain, checked types. `tree` reads the YAML, `read`
//! gives it the shape that `raw` holds, `check` turns that into these types, and all that is wrong is
//! reported at once as [`Faults`]. None of them opens any other file than the configuration itself, so
//! that what needs keys, chains or a database is left to `app::preflight`.

mod access;
mod admin;
mod answer;
mod assertion;
mod authority;
mod authorizer;
mod balancing;
mod basic;
mod by_account;
mod check;
pub mod claim;
mod digest;
mod enrolment;
mod fault;
mod fetching;
mod foreign;
mod forwarded;
mod handover;
mod ldap;
mod limits;
mod load;
mod matching;
pub mod name_template;
mod peers;
mod people;
mod proxy_protocol;
mod publishing;
mod preauth;
pub mod profile;
mod query;
mod raw;
mod read;
mod resolver;
mod rewrite;
mod tables;
mod takeover;
mod template;
mod throttle;
pub(crate) mod traces;
mod tree;
mod trust;
mod upstream_authorization;
mod upstream_tls;
mod values;

pub use access::Access;
pub use admin::{AccessFormat, AccessLog, Admin, AdminGuard};
pub use answer::{AnswerBody, FixedAnswer, Redirect, RedirectOrigin, RedirectQuery, RedirectTo};
pub use assertion::{Assertion, AssertionKeys, LEAST_ROTATION, MOST_LIFETIME, SignatureAlgorithm, UpstreamAssertion};
pub use authority::{Authority, PassphraseSource, Pkcs11};
pub use authorizer::{Authorizer, AuthorizerStatuses, CertificateForm, FrontCertificate, FrontSecret, OriginalRequest};
pub use balancing::{
    Balance, Balancing, Ejection, HashKey, HealthCheck, HttpVersion, MOST_WEIGHT, Retries, UpstreamLimits,
    UpstreamServer, names_status,
};
pub use basic::Basic;
pub use by_account::{ByAccount, HomeUrls};
pub use claim::Claim;
pub use digest::{ChallengeAlgorithm, Digest, DigestAlgorithm, DigestRealm};
pub use enrolment::{AuthorityProcess, DatabaseUser, Est};
pub use fault::{Fault, Faults, Severity};
pub use fetching::{CrlFetch, Ocsp, OcspMode, PrivateAddresses, Stapling};
pub use foreign::{Comparison, Foreign, LetterCase, SaltedLayout, StatusColumn};
pub use forwarded::{Forwarded, ForwardedHeader};
pub use handover::{Handover, HandoverSession, HandoverSite, SiteUrl};
pub use ldap::{Ldap, LdapAttribute, LdapFilter, LdapForm, LdapServer, LdapValue};
pub use limits::{CountedBy, LeastRate, Limits, Rate, RequestLimits, Timeouts};
pub use load::{Loaded, load, parse, schema};
pub use matching::{HeaderCondition, HeaderWants, PathPattern, Pattern, RoutePath};
pub use name_template::NameTemplate;
pub use peers::{Peer, PeerDigest};
pub use people::{
    Accounts, Cache, IdentityRule, IdentitySource, IfUnknown, IssuerPin, LookupKind, MySql, MySqlTls, MySqlTlsMode,
    ServerName, Store,
};
pub use preauth::{Preauth, PreauthAccount, PreauthBy};
pub use profile::{OneValidPer, Profile};
pub use proxy_protocol::ProxyProtocol;
pub use publishing::{PublishedAnswers, PublishedLists, Publishing};
pub use query::{Parameter, Query};
pub use resolver::Resolver;
pub use rewrite::{FieldEdits, HostRewrite, PathPart, PathRewrite, PathTemplate, Rewrite, is_server};
pub use takeover::Takeover;
pub use template::{Template, TemplateField};
pub use throttle::Throttle;
pub use traces::Tracing;
pub use trust::{CrlSource, Policies, Revocation, Scope, Trust, Unknown};
pub use upstream_authorization::{UpstreamAuthorization, UpstreamBasic, UpstreamDigest};
pub use upstream_tls::UpstreamTls;
pub use values::{parse_duration, server_of_url};

use crate::base::secret::SecretSource;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that the administrator wants. All paths are absolute or relative to the working
/// directory (the file's own are resolved against the folder it stands in).
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where clients come in; at least one, names and addresses unique.
    pub listeners: Vec<Listener>,
    /// Named sets of authorities. Every name that a listener, host or route mentions is here.
    pub trust: BTreeMap<String, Trust>,
    /// The rules that turn a certificate into an account's name, in the order in which they are tried.
    pub identity: Vec<IdentityRule>,
    /// Where accounts are kept.
    pub accounts: Accounts,
    /// Servers of other domains, by their user names.
    pub peers: BTreeMap<String, Peer>,
    /// HTTP Digest; present whenever a route lists `digest`.
    pub digest: Option<Digest>,
    /// Who signs assertions; present whenever an upstream gets any.
    pub assertion: Option<Assertion>,
    /// Hand-over to and from other sites.
    pub handover: Option<Handover>,
    /// HTTP Basic; present whenever a route lists `basic`.
    pub basic: Option<Basic>,
    /// How those who guess at passwords are held back.
    pub throttle: Throttle,
    /// What goes where, in the order of the file; the router orders them by how specific they are.
    pub routes: Vec<Route>,
    /// Who is asked for addresses; `None` asks as the system does.
    pub resolver: Option<Resolver>,
    /// Named upstreams. Every name that a route mentions is here.
    pub upstreams: BTreeMap<String, Upstream>,
    /// The authority that issues certificates, if there is one.
    pub authority: Option<Authority>,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// How much a client may send and hold.
    pub limits: Limits,
    /// The address for administrators and monitoring, if there is one.
    pub admin: Option<Admin>,
    /// Where sockets are handed over to a successor, if they are.
    pub takeover: Option<Takeover>,
    /// Logs.
    pub log: Log,
    /// Traces of requests, if they are sent anywhere.
    pub tracing: Option<Tracing>,
}

/// One address that clients connect to.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// Its name in logs and in `routes[].listeners`.
    pub name: String,
    /// Address and port.
    pub address: SocketAddr,
    /// What is asked of clients whose SNI names none of `hosts`, or who send none.
    pub policy: ClientPolicy,
    /// The balancers before it, if it has any that speak the PROXY protocol.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// The HTTP proxies before it, if any say who their clients are.
    pub forwarded: Option<Forwarded>,
    /// Certificates and protocol versions; `None` is plain HTTP, by which nothing but what everybody may read is served.
    pub tls: Option<Tls>,
    /// Host names of this listener with another policy.
    pub hosts: Vec<Host>,
    /// The front that asks here whether its requests may pass; `policy` is then what is asked of its clients.
    pub authorizer: Option<Authorizer>,
}

impl Listener {
    /// What is asked of whoever connects, where the SNI names none of `hosts`.
    #[must_use]
    pub fn handshake(&self) -> ClientPolicy {
        self.authorizer.as_ref().map_or_else(|| self.policy.clone(), Authorizer::handshake)
    }
}

/// Another policy for one SNI name of a listener.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Exact (`public.example.org`) or wildcard (`*.example.org`), lower case.
    pub name: HostPattern,
    /// What takes the place of the listener's policy for it.
    pub policy: ClientPolicy,
}

/// What is asked of a client about its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientPolicy {
    /// Whether a certificate is asked for.
    pub client_certificate: ClientCertificate,
    /// What happens to a client that has none where one is needed.
    pub on_missing: OnMissing,
    /// What happens to a certificate that is refused.
    pub on_rejected: OnRejected,
    /// The name of the trust set; `None` only where no certificate is asked for.
    pub trust: Option<String>,
    /// Which authorities the browser is told of.
    pub advertise: Advertise,
}

/// `off`, `want` or `need`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificate {
    /// No certificate is asked for.
    #[serde(alias = "Disabled", alias = "NoClientAuth", alias = "false")]
    Off,
    /// A certificate is asked for; a client may have none.
    #[serde(alias = "optional", alias = "WantClientAuth")]
    Want,
    /// A certificate is asked for and needed on every route.
    #[serde(alias = "on", alias = "NeedClientAuth", alias = "true")]
    Need,
}

/// What happens to a client without a certificate where one is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnMissing {
    /// The handshake fails.
    Alert,
    /// The handshake succeeds, every request is answered by a page.
    Page,
}

/// What happens to a client whose certificate is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnRejected {
    /// Path, dates and CRLs are judged during the handshake, which fails; no session tickets; later
    /// refusals close the connection without a response.
    Alert,
    /// The handshake succeeds, every request is answered by a page.
    Page,
}

/// Which authorities stand in the CertificateRequest (RFC 8446, section 4.2.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Advertise {
    /// All of the trust set.
    All,
    /// None: the browser offers every certificate that it has.
    None,
    /// The subjects of the certificates in these files.
    Files(Vec<PathBuf>),
}

/// Certificates and protocol versions of a listener.
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    /// At least one; the first whose names match the SNI is used, the very first if none does.
    pub certificates: Vec<CertificateFiles>,
    /// The oldest version spoken.
    pub min_version: TlsVersion,
    /// The secret that session tickets are sealed with; random, and of this process alone, if absent.
    pub ticket_secret: Option<SecretSource>,
    /// How OCSP answers about our own certificates are had; `None` staples none.
    pub stapling: Option<Stapling>,
}

/// A TLS version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    V1_3,
}

/// A certificate chain and its key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Leaf first, then intermediates.
    pub chain: PathBuf,
    /// Unencrypted PKCS#8, PKCS#1 or SEC 1.
    pub key: PathBuf,
}

/// What happens to requests for a host and a path.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// `None` is every host.
    pub host: Option<HostPattern>,
    /// Which paths.
    pub path: RoutePath,
    /// Which methods; empty is all. `HEAD` is among them where `GET` is.
    pub methods: Vec<String>,
    /// What must be true of the head besides; one at most for each name, in their order.
    pub match_headers: Vec<HeaderCondition>,
    /// Names of listeners; empty is all, of which none is without TLS.
    pub listeners: Vec<String>,
    /// The trust set that decides on certificates here; `None` is that of the listener or host.
    pub trust: Option<String>,
    /// What identifies a client, in the order in which it is tried.
    pub authenticate: Vec<Method>,
    /// What happens to clients that present nothing.
    pub anonymous: Anonymous,
    /// If present, only clients pass of whom this is true.
    pub allow: Option<Access>,
    /// If present, no client passes of whom any of this is true.
    pub deny: Option<Access>,
    /// If present, clients must say who they are, and be it.
    pub claim: Option<Claim>,
    /// Where it goes.
    pub target: Target,
    /// What is changed on the way to an upstream and back; `None` is nothing.
    pub rewrite: Option<Rewrite>,
    /// The largest request body in octets; `None` is no limit.
    pub body_limit: Option<u64>,
    /// How many requests one client may make here.
    pub request_limits: Option<RequestLimits>,
    /// How fast a client must send a body here, in octets a second; the outer `None` is as everywhere.
    pub least_upload: Option<Option<NonZeroU64>>,
}

impl Route {
    /// Whether a client may reach both routes under one host name and port, and so send to one what it was asked for at
    /// the other.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        let one_host = match (&self.host, &other.host) {
            (None, _) | (_, None) => true,
            (Some(HostPattern::Exact(name)), Some(pattern)) | (Some(pattern), Some(HostPattern::Exact(name))) => {
                pattern.matches(name)
            }
            (Some(one), Some(other)) => one == other,
        };
        let is_everywhere = self.listeners.is_empty() || other.listeners.is_empty();
        one_host && (is_everywhere || self.listeners.iter().any(|listener| other.listeners.contains(listener)))
    }

    /// Whether a request for this route may come under the policy of one of the listener's `hosts`, or
    /// (`None`) under the listener's own.
    #[must_use]
    pub fn is_reached(&self, listener: &Listener, host: Option<&HostPattern>) -> bool {
        let here = self.listeners.is_empty() || self.listeners.contains(&listener.name);
        let covers = |pattern: &HostPattern| match (&self.host, pattern) {
            (None, _) => true,
            (Some(own), HostPattern::Exact(name)) => own.matches(name),
            (Some(HostPattern::Exact(name)), wildcard) => wildcard.matches(name),
            (Some(own), wildcard) => own == wildcard,
        };
        here && match (host, &self.host) {
            (Some(pattern), _) => covers(pattern),
            (None, None) => true,
            // Names that a host of the listener takes away are not the listener's own.
            (None, Some(own)) => !listener.hosts.iter().any(|host| match own {
                HostPattern::Exact(name) => host.name.matches(name),
                HostPattern::Wildcard(_) => host.name == *own,
            }),
        }
    }
}

/// A host name, or all the names one label below one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// This name, lower case, without a trailing dot.
    Exact(String),
    /// `*.` and this name: one label more.
    Wildcard(String),
}

impl HostPattern {
    /// Whether the pattern covers a host name (lower case, no port, no trailing dot).
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Wildcard(parent) => {
                host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent)
            }
        }
    }
}

impl std::fmt::Display for HostPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(parent) => write!(f, "*.{parent}"),
        }
    }
}

/// A way in which a client says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A client certificate.
    Certificate,
    /// HTTP Digest.
    Digest,
    /// A session that a hand-over from another site has begun.
    Session,
    /// HTTP Basic.
    Basic,
}

impl Method {
    /// The name in the configuration and in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Digest => "digest",
            Self::Session => "session",
            Self::Basic => "basic",
        }
    }
}

/// What happens to clients that present nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anonymous {
    /// They are refused or challenged.
    Deny,
    /// They pass without an identity.
    Allow,
    /// They are sent to this path or URL.
    Redirect(String),
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The upstream of this name.
    Upstream(String),
    /// The upstream that the account names.
    ByAccount(ByAccount),
    /// The service of the gate itself that has this name.
    Service(String),
    /// A redirect.
    Redirect(Redirect),
    /// A redirect that logs whoever passes in at Zimbra.
    Preauth(Preauth),
    /// A fixed answer.
    Respond(FixedAnswer),
}

/// Servers that answer requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// At least one that is no backup; all of them are spoken to over TLS, or none.
    pub servers: Vec<UpstreamServer>,
    /// What is spoken to them.
    pub http: HttpVersion,
    /// Whether they are told by the PROXY protocol who the client is; connections to them are one client's alone then.
    pub proxy_protocol: bool,
    /// How requests are spread over them, and what becomes of those that fail.
    pub balancing: Balancing,
    /// How they are spoken to over TLS; `None` is clear text.
    pub tls: Option<UpstreamTls>,
    /// How they are shown who we are, besides by a certificate.
    pub authorization: Option<UpstreamAuthorization>,
    /// How long each phase may take.
    pub timeouts: UpstreamTimeouts,
    /// What the application is told.
    pub headers: IdentityHeaders,
    /// What it is told under a signature.
    pub assertion: Option<UpstreamAssertion>,
}

/// How long an upstream may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// To connect.
    pub connect: Duration,
    /// From the last octet of the request to the head of the response, and between parts of a body.
    pub response: Duration,
    /// How long an unused connection is kept.
    pub idle: Duration,
}

/// The names under which the application is told who the client is. `None` says it nothing of that
/// kind; the names that any upstream uses are stripped from what clients send in either case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// The account's user name.
    pub user: Option<String>,
    /// Its e-mail address.
    pub email: Option<String>,
    /// Its display name.
    pub name: Option<String>,
    /// Its groups, as a comma-separated list.
    pub groups: Option<String>,
    /// Whether `Client-Cert` and `Client-Cert-Chain` are sent (RFC 9440).
    pub client_cert: bool,
    /// Whether `X-Forwarded-Client-Cert` is sent, as Envoy writes it.
    pub xfcc: bool,
    /// What else is said, by its header.
    pub set: Vec<(String, Template)>,
}

impl IdentityHeaders {
    /// The configured names that are in use.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let fixed = [&self.user, &self.email, &self.name, &self.groups].into_iter().flatten();
        fixed.chain(self.set.iter().map(|(name, _)| name)).map(String::as_str)
    }
}

/// Logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// What is logged at all: a `tracing` filter such as `info` or `wicketgate=debug`.
    pub level: String,
    /// The file that audit records are appended to; with the other lines on standard error if absent.
    pub audit: Option<PathBuf>,
    /// A line for each request, if one is wanted.
    pub access: Option<AccessLog>,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}
