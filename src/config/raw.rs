//! The shape of the YAML file: its keys, and nothing of what they mean. `read` fills it, `check` turns it
//! into the checked model, and the JSON Schema that `wicketgate schema` prints is made from it, with the
//! comments here as its descriptions.
//!
//! Every key is a [`Field`], so that what is wrong with one does not hide what is wrong with the next, and
//! so that `check` knows where each stands. Which keys must be there is said twice, in the `required` of
//! the schema and in `check`; a test holds the two together.

mod access;
mod access_log;
mod admin;
mod answers;
mod assertion;
mod authority;
mod authorizer;
mod claim;
mod cache;
mod digest;
mod balancing;
mod enrolment;
mod basic;
mod by_account;
mod fetching;
mod foreign;
mod forwarded;
mod proxy_protocol;
mod peers;
mod preauth;
mod profile;
mod publishing;
mod handover;
mod ldap;
mod limits;
mod listener_tls;
mod matching;
mod throttle;
mod traces;
mod trust;
mod resolver;
mod rewrite;
mod takeover;
mod upstream;
mod upstream_authorization;
mod upstream_tls;

pub(super) use access::Access;
pub(super) use access_log::AccessLog;
pub(super) use admin::Admin;
pub(super) use answers::{Redirect, Respond};
pub(super) use assertion::{Assertion, AssertionKeys, UpstreamAssertion};
pub(super) use authority::{Authority, AuthorityKey, Passphrase};
pub(super) use authorizer::{Authorizer, FrontCertificate, FrontSecret};
pub(super) use balancing::{
    Balance, BalanceWord, Ejection, EjectionWhen, EjectionWord, HealthCheck, HttpVersion, OutwardProxy, Percent,
    Retries, Statuses, UpstreamLimits, UpstreamServer,
};
pub(super) use basic::Basic;
pub(super) use by_account::{AccountColumn, HomeUrls};
pub(super) use cache::{Cache, Capacity};
pub(super) use claim::{Claim, Forms};
pub(super) use digest::{AuthInt, Bind, Digest, Nonce, Realm};
pub(super) use enrolment::{DatabaseUser, Est};
pub(super) use fetching::{PrivateAddresses, Stapling};
pub(super) use foreign::{
    AccountTable, Address, Comparison, HashTable, NameTable, PasswordTable, Queries, Reference, StatusColumn, Tables,
    Values,
};
pub(super) use forwarded::Forwarded;
pub(super) use handover::{Handover, HandoverSession, HandoverSite, SiteLookup};
pub(super) use ldap::Ldap;
pub(super) use limits::{AddressRequests, ByteRate, LeastRate, Limits, Rate, RouteLimits, Timeouts};
pub(super) use listener_tls::ListenerTls;
pub(super) use matching::{HeaderMatch, RoutePath};
pub(super) use peers::{Peer, PeerDigest};
pub(super) use preauth::Preauth;
pub(super) use profile::{Names as ProfileNames, Profile, Subject as ProfileSubject};
pub(super) use proxy_protocol::ProxyProtocol;
pub(super) use publishing::Publishing;
pub(super) use resolver::Resolver;
pub(super) use rewrite::{HeaderEdits, Rewrite};
pub(super) use takeover::Takeover;
pub(super) use throttle::Throttle;
pub(super) use traces::Tracing;
pub(super) use trust::{Crl, Ocsp, Policies, Revocation, Trust};
pub(super) use upstream::{Upstream, UpstreamTimeouts};
pub(super) use upstream_authorization::{UpstreamAuthorization, UpstreamBasic, UpstreamDigest};
pub(super) use upstream_tls::UpstreamTls;

use super::read::Field;
use super::values::{parse_duration, parse_size};
use super::{
    ClientCertificate, IdentitySource, IfUnknown, LogFormat, LookupKind, Method, MySqlTlsMode, OnMissing, OnRejected,
    TlsVersion,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The configuration of Wicketgate. Paths are relative to the file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Wicketgate", extend("required" = ["listeners", "routes"]))]
pub(super) struct File {
    /// Where clients come in.
    pub(super) listeners: Field<Vec<Field<Listener>>>,
    /// Named sets of authorities that client certificates may come from.
    pub(super) trust: Field<BTreeMap<String, Field<Trust>>>,
    /// The rules that turn a certificate into the name of an account, in the order in which they are tried.
    /// Default: `san.email` as an e-mail address.
    pub(super) identity: Field<Vec<Field<IdentityRule>>>,
    /// Where accounts are kept. Default: the embedded database in `wicketgate.db`.
    pub(super) accounts: Field<Accounts>,
    /// Servers of other domains, by the user names that applications know them by.
    pub(super) peers: Field<BTreeMap<String, Field<Peer>>>,
    /// HTTP Digest for clients without a certificate; needed by routes that list `digest`.
    pub(super) digest: Field<Digest>,
    /// What the gate signs for upstreams of who is there; needed by upstreams that have an `assertion`.
    pub(super) assertion: Field<Assertion>,
    /// Hand-over of people who have logged in, to and from other sites.
    pub(super) handover: Field<Handover>,
    /// HTTP Basic for clients without a certificate; needed by routes that list `basic`.
    pub(super) basic: Field<Basic>,
    /// How those who guess at passwords are held back.
    pub(super) throttle: Field<Throttle>,
    /// What happens to requests; the most specific host and path win.
    pub(super) routes: Field<Vec<Field<Route>>>,
    /// Who is asked for the addresses of upstreams' servers. Default: as the system does.
    pub(super) resolver: Field<Resolver>,
    /// Named servers that answer requests.
    pub(super) upstreams: Field<BTreeMap<String, Field<Upstream>>>,
    /// The authority that issues the certificates which the gate trusts.
    pub(super) authority: Field<Authority>,
    /// How long each phase of a connection may take.
    pub(super) timeouts: Field<Timeouts>,
    /// How much a client may send and hold.
    pub(super) limits: Field<Limits>,
    /// The address for administrators and monitoring. Default: none.
    pub(super) admin: Field<Admin>,
    /// How a process that runs is succeeded by another one. Default: not at all.
    pub(super) takeover: Field<Takeover>,
    /// Logs.
    pub(super) log: Field<Log>,
    /// Traces of requests for OpenTelemetry. Default: none.
    pub(super) tracing: Field<Tracing>,
}

/// One address that clients connect to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name", "address", "tls"]))]
pub(super) struct Listener {
    /// Its name in logs and in `routes[].listeners`.
    pub(super) name: Field<String>,
    /// Address and port: `0.0.0.0:443`, `[::]:443`.
    pub(super) address: Field<String>,
    /// Whether a client certificate is asked for. Default: `want`.
    pub(super) client_certificate: Field<ClientCertificate>,
    /// What happens to a client without a certificate where one is needed; only with `need`. Default: `alert`.
    pub(super) on_missing_certificate: Field<OnMissing>,
    /// What happens to a client whose certificate is refused. Default: `page`.
    pub(super) on_rejected_certificate: Field<OnRejected>,
    /// The set of authorities, by name; needed unless `client_certificate` is `off`.
    pub(super) trust: Field<String>,
    /// Which authorities the browser is told of. Default: `all`.
    pub(super) advertise: Field<Advertise>,
    /// The balancers before the listener that say by the PROXY protocol who their clients are. Default: none.
    pub(super) proxy_protocol: Field<ProxyProtocol>,
    /// The HTTP proxies before the listener that say in a header who their clients are. Default: none.
    pub(super) forwarded: Field<Forwarded>,
    /// Certificates and protocol versions, or `off`: plain HTTP, for the services that publish what an authority says.
    pub(super) tls: Field<ListenerTls>,
    /// Host names of this listener with another policy; what they do not state they take from the listener.
    pub(super) hosts: Field<Vec<Field<Host>>>,
    /// The front that asks here whether its requests may pass. Default: clients come themselves.
    pub(super) authorizer: Field<Authorizer>,
}

/// Another policy for one host name (SNI) of a listener.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name"]))]
pub(super) struct Host {
    /// `public.example.org` or `*.example.org`.
    pub(super) name: Field<String>,
    /// Whether a client certificate is asked for.
    pub(super) client_certificate: Field<ClientCertificate>,
    /// What happens to a client without a certificate where one is needed; only with `need`.
    pub(super) on_missing_certificate: Field<OnMissing>,
    /// What happens to a client whose certificate is refused.
    pub(super) on_rejected_certificate: Field<OnRejected>,
    /// The set of authorities, by name.
    pub(super) trust: Field<String>,
    /// Which authorities the browser is told of.
    pub(super) advertise: Field<Advertise>,
}

/// `all`, `none` or a list of PEM files.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "Advertise", untagged)]
pub(super) enum Advertise {
    /// All of the trust set, or none.
    #[serde(rename = "$text")]
    Word(AdvertiseWord),
    /// The subjects of the certificates in these files.
    #[serde(rename = "$list")]
    Files(Vec<Field<String>>),
}

/// All of the trust set, or none.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AdvertiseWord {
    /// All of the trust set.
    All,
    /// None: the browser offers every certificate that it has.
    None,
}

/// Certificates and protocol versions of a listener.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["certificates"]))]
pub(super) struct Tls {
    /// The first whose names match the SNI is used, the very first if none does.
    pub(super) certificates: Field<Vec<Field<CertificateFiles>>>,
    /// The oldest version spoken. Default: `1.2`.
    pub(super) min_version: Field<TlsVersion>,
    /// What session tickets are sealed with; the same on every node. Default: random.
    pub(super) ticket_secret: Field<Secret>,
    /// Whether OCSP answers about our certificates are sent along with them, where their issuer has a responder.
    /// Default: `true`.
    pub(super) stapling: Field<Stapling>,
}

/// A certificate chain and its key, both PEM.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["chain", "key"]))]
pub(super) struct CertificateFiles {
    /// The certificate, then the intermediates.
    pub(super) chain: Field<String>,
    /// The unencrypted private key.
    pub(super) key: Field<String>,
}

/// A secret: `{file: …}`, `{env: …}`, or (with a warning) the secret itself.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "Secret", untagged)]
pub(super) enum Secret {
    /// The secret itself, which everybody can read who can read the configuration.
    #[serde(rename = "$text")]
    Literal(String),
    /// Where it is kept.
    #[serde(rename = "$map")]
    Kept(SecretPlace),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Literal(_) => f.write_str("[secret]"),
            Self::Kept(place) => place.fmt(f),
        }
    }
}

/// Where a secret is kept: exactly one of the two.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SecretPlace {
    /// A file, of which the first line is the secret.
    pub(super) file: Field<String>,
    /// An environment variable.
    pub(super) env: Field<String>,
}

/// One rule that turns a certificate into names of accounts.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["from"]))]
pub(super) struct IdentityRule {
    /// The part of the certificate that is read.
    pub(super) from: Field<IdentitySource>,
    /// A regular expression that a value must match; its first group is the name, or the whole match
    /// without one.
    pub(super) pattern: Field<String>,
    /// What the name is looked up as. Default: `email` for `san.email` and `subject.email`, `username` for
    /// the others.
    pub(super) r#as: Field<LookupKind>,
    /// Certificate files, or SHA-256 of public keys (`sha256:…`), one of which must occur in the path.
    pub(super) issuers: Field<Vec<Field<String>>>,
    /// What happens when none of the names has an account. Default: `refuse`.
    pub(super) if_unknown: Field<IfUnknown>,
}

/// Where accounts are kept: `sqlite` or `mysql`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Accounts {
    /// An embedded database.
    pub(super) sqlite: Field<Sqlite>,
    /// A MySQL or MariaDB server.
    pub(super) mysql: Field<MySql>,
    /// The cache before it.
    pub(super) cache: Field<Cache>,
    /// For how long people whose accounts are in the cache go on when the database gives no answer. Default: `0s`.
    pub(super) serve_stale: Field<Duration>,
}

/// An embedded database.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sqlite {
    /// The file. Default: `wicketgate.db`.
    pub(super) path: Field<String>,
}

/// A MySQL or MariaDB server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["servers", "database", "user"]))]
pub(super) struct MySql {
    /// `host:port` or the path of a Unix socket, in the order of preference. The port defaults to 3306.
    pub(super) servers: Field<Vec<Field<String>>>,
    /// The name of the database.
    pub(super) database: Field<String>,
    /// The name of the user.
    pub(super) user: Field<String>,
    /// The password; none for users that are known by their certificate.
    pub(super) password: Field<Secret>,
    /// Transport security. Default: none.
    pub(super) tls: Field<MySqlTls>,
    /// Queries over tables of your own. Default: the tables that `wicketgate db init` makes.
    pub(super) queries: Field<Queries>,
    /// The names of your own tables and columns, instead of `queries`.
    pub(super) tables: Field<Tables>,
    /// Lets `serve` talk to another machine without TLS. Default: `false`.
    pub(super) insecure: Field<bool>,
}

/// Transport security of a MySQL connection.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MySqlTls {
    /// Default: `verify`.
    pub(super) mode: Field<MySqlTlsMode>,
    /// PEM file of the authorities that the server's certificate may come from; needed for `verify`.
    pub(super) ca: Field<String>,
    /// Our own certificate.
    pub(super) certificate: Field<String>,
    /// Its key.
    pub(super) key: Field<String>,
}

/// What happens to requests for a host and a path.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["upstream"]))]
pub(super) struct Route {
    /// `mail.example.org` or `*.example.org`. Default: every host.
    pub(super) host: Field<String>,
    /// A prefix in whole segments, normalised, or `{exact: …}` or `{pattern: …}`. Default: `/`.
    pub(super) path: Field<RoutePath>,
    /// The methods of requests, `GET` with `HEAD`. Default: all.
    pub(super) methods: Field<Vec<Field<String>>>,
    /// Header fields of requests and what must be true of them. Default: none.
    pub(super) match_headers: Field<BTreeMap<String, Field<HeaderMatch>>>,
    /// Names of listeners. Default: all that have TLS.
    pub(super) listeners: Field<Vec<Field<String>>>,
    /// The set of authorities that certificates must come from here, by name. Default: that of the listener or
    /// host.
    pub(super) trust: Field<String>,
    /// What identifies a client, in the order in which it is tried. Default: `[certificate]`.
    pub(super) authenticate: Field<Vec<Field<Method>>>,
    /// What happens to clients that present nothing. Default: `deny`.
    pub(super) anonymous: Field<Anonymous>,
    /// Who passes. Default: every active account.
    pub(super) allow: Field<Access>,
    /// Who does not pass, whatever `allow` says. Default: nobody.
    pub(super) deny: Field<Access>,
    /// The header in which clients say who they are, and what they must say there. Default: none.
    pub(super) claim: Field<Claim>,
    /// Where requests go.
    pub(super) upstream: Field<Target>,
    /// What of requests and answers is changed on the way. Default: nothing.
    pub(super) rewrite: Field<Rewrite>,
    /// Limits of this route.
    pub(super) limits: Field<RouteLimits>,
}

/// `deny`, `allow` or `{redirect: …}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "Anonymous", untagged)]
pub(super) enum Anonymous {
    /// They are turned away or let through.
    #[serde(rename = "$text")]
    Word(AnonymousWord),
    /// They are sent elsewhere.
    #[serde(rename = "$map")]
    To(AnonymousTo),
}

/// What happens to clients that present nothing.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnonymousWord {
    /// They are refused or challenged.
    Deny,
    /// They pass without an identity.
    Allow,
}

/// Where clients that present nothing are sent.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["redirect"]))]
pub(super) struct AnonymousTo {
    /// A path or a URL.
    pub(super) redirect: Field<String>,
}

/// The name of an upstream, `{by_account: …}`, `{redirect: …}`, `{respond: …}`, `{service: …}` or `{preauth: …}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "Target", untagged)]
pub(super) enum Target {
    /// The upstream of this name.
    #[serde(rename = "$text")]
    Upstream(String),
    /// An answer of our own.
    #[serde(rename = "$map")]
    Own(Box<OwnAnswer>),
}

/// An answer of our own, or the upstream of an account: exactly one of these.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OwnAnswer {
    /// A redirect to this path or URL.
    pub(super) redirect: Field<Redirect>,
    /// A fixed answer.
    pub(super) respond: Field<Respond>,
    /// A service of the gate itself, by its name.
    pub(super) service: Field<String>,
    /// A redirect (302) that logs whoever passes in at Zimbra.
    pub(super) preauth: Field<Preauth>,
    /// The upstream that the account names.
    pub(super) by_account: Field<AccountColumn>,
    /// With `by_account`: upstreams that an account may name.
    pub(super) among: Field<Vec<Field<String>>>,
    /// With `by_account`: the upstream of those who name none. Default: they are refused.
    pub(super) otherwise: Field<String>,
    /// With `by_account`: URLs of servers that an account may name. Default: none.
    pub(super) urls: Field<HomeUrls>,
}

/// The header fields in which the application is told who the client is; `off` or `null` for none.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Headers {
    /// The account's user name. Default: `Remote-User`.
    pub(super) user: Field<HeaderName>,
    /// Its e-mail address. Default: `Remote-Email`.
    pub(super) email: Field<HeaderName>,
    /// Its display name. Default: `Remote-Name`.
    pub(super) name: Field<HeaderName>,
    /// Its groups. Default: `Remote-Groups`.
    pub(super) groups: Field<HeaderName>,
    /// Whether `Client-Cert` and `Client-Cert-Chain` are sent. Default: `off`.
    pub(super) client_cert: Field<Option<ClientCertHeader>>,
    /// Whether `X-Forwarded-Client-Cert` is sent, as Envoy writes it. Default: `off`.
    pub(super) xfcc: Field<bool>,
    /// Other headers, and what they say: text in which `{username}`, `{email}`, `{name}` and `{home}` stand for the account's.
    pub(super) set: Field<BTreeMap<String, Field<String>>>,
}

/// The name of a header field; `off` or `null` for none.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct HeaderName(pub(super) Option<String>);

impl JsonSchema for HeaderName {
    fn schema_name() -> Cow<'static, str> {
        "HeaderName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The name of a header field; `off` or `null` for none.",
            "anyOf": [{ "type": ["string", "null"] }, { "const": false }],
        })
    }
}

/// How the certificate is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ClientCertHeader {
    /// Not at all.
    #[serde(alias = "false")]
    Off,
    /// As RFC 9440 says.
    Rfc9440,
}

/// Logs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    /// How a line looks. Default: `json`.
    pub(super) format: Field<LogFormat>,
    /// What is logged: `info`, or for single modules `info,wicketgate::auth=debug`. Default: `info`.
    pub(super) level: Field<String>,
    /// The file that audit records are appended to. Default: with the other lines, on standard error.
    pub(super) audit: Field<String>,
    /// The access log: a line for each request. Default: none.
    pub(super) access: Field<AccessLog>,
}

/// A duration: `500ms`, `30s`, `5m`, `1h`, `365d`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = "^[0-9]+(ms|s|m|h|d)$"))]
pub(super) struct Duration(pub(super) std::time::Duration);

impl TryFrom<String> for Duration {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_duration(&text).map(Self)
    }
}

/// A size in octets: `4096`, `16KiB`, `100MiB`, `1GiB`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Size(pub(super) u64);

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_size(&text).map(Self)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A size in octets: `4096`, `16KiB`, `100MiB`, `1GiB`.",
            "anyOf": [
                { "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)?$" },
                { "type": "integer", "minimum": 0 },
            ],
        })
    }
}

impl JsonSchema for ClientCertificate {
    fn schema_name() -> Cow<'static, str> {
        "ClientCertificate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Whether a client certificate is asked for; the spellings of nginx and of Zimbra are \
                            accepted too.",
            "enum": [
                "off", "want", "need", "optional", "on", "Disabled", "NoClientAuth", "WantClientAuth",
                "NeedClientAuth", false, true,
            ],
        })
    }
}
