//! From the checked configuration to the parts that serve requests. Everything that can fail does so here,
//! before anything is changed.

use super::Parts;
use super::traces::Traces;
use super::trust::issuer_keys;
use super::upstreams::logins;
use crate::account::cache::Accounts;
use crate::account::{self, Directory};
use crate::admin::health::{Health, Ready};
use crate::assertion::Issuer;
use crate::auth::authorization::Authorization;
use crate::auth::peers::Peers;
use crate::auth::session::{Accepted, Sessions};
use crate::auth::throttle::Throttle;
use crate::auth::trust::TrustSet;
use crate::auth::{basic, digest};
use crate::base::clock::Timestamp;
use crate::base::secret::{Secret, SecretSource};
use crate::ca::est::Est;
use crate::ca::publish::service::{CertificateService, ListService, Responder};
use crate::ca::server::client::Client;
use crate::certificate::{facts, pem};
use crate::config::{self, Advertise, ClientCertificate, ClientPolicy, Config, HostPattern, Severity};
use crate::forward_auth::Authorizer;
use crate::handover::Handover;
use crate::identity::{Rules, claim};
use crate::listen::Settings;
use crate::listen::tls::{self, ListenerTls, ServerCertificate, TrustMaterial};
use crate::proxy::front::Front;
use crate::proxy::preauth::Preauth;
use crate::proxy::service::LocalService;
use crate::proxy::service::jwks::Jwks;
use crate::proxy::{Gate, GateParts, RouteParts};
use crate::store::rights::Role;
use crate::store::{Deadlines, Diagnosis, mysql};
use crate::telemetry::access::AccessLog;
use crate::telemetry::audit::Audit;
use crate::telemetry::metrics;
use anyhow::{Context, anyhow};
use arc_swap::ArcSwap;
use bytes::Bytes;
use rustls::sign::CertifiedKey;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Parts that a configuration makes anew.
pub(super) struct Built {
    pub(super) gate: Gate,
    pub(super) listeners: Vec<BuiltListener>,
}

/// A listener's configured address, and what is to be done there.
pub(super) struct BuiltListener {
    pub(super) address: SocketAddr,
    pub(super) settings: Settings,
}

/// Builds everything that requests need.
///
/// # Errors
/// What failed, on what file or section, and why.
pub(super) fn build(config: &Config, parts: &Parts, epoch: u64) -> anyhow::Result<Built> {
    let trust: HashMap<String, Arc<TrustSet>> =
        parts.trust.iter().map(|(name, kept)| (name.clone(), Arc::clone(&kept.set))).collect();
    let listeners = config
        .listeners
        .iter()
        .map(|listener| {
            let settings = Settings {
                name: Arc::from(listener.name.as_str()),
                tls: Arc::new(
                    listener_tls(listener, &config.routes, &trust, parts)
                        .with_context(|| format!("listener {}", listener.name))?,
                ),
                proxy_protocol: listener.proxy_protocol.clone(),
                handshake: config.timeouts.handshake,
                numbers: metrics::LISTENERS.of(&[&listener.name]),
            };
            Ok(BuiltListener { address: listener.address, settings })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let sessions = sessions(config, parts)?;
    let authenticator = crate::auth::Authenticator::new(
        Rules::new(&config.identity, |file| issuer_keys(file).context("identity"))?,
        Arc::clone(&parts.accounts),
        parts.digest.clone(),
        parts.basic.clone(),
        parts.throttle.clone(),
    )
    .with_sessions(sessions.clone())
    .with_peers(Peers::new(&config.peers, issuer_keys)?);
    let routes = config.routes.iter().enumerate().map(route_parts).collect::<anyhow::Result<Vec<_>>>()?;
    let fronts = fronts(config, &trust, parts)?;
    let gate = Gate::new(
        config,
        GateParts {
            epoch,
            authenticator,
            trust,
            listeners: listeners
                .iter()
                .map(|listener| (Arc::clone(&listener.settings.name), Arc::clone(&listener.settings.tls)))
                .collect(),
            upstreams: parts.upstreams.clone(),
            logins: logins(config)?,
            routes,
            audit: Arc::clone(&parts.audit),
            held: Arc::clone(&parts.held),
            allowances: Arc::clone(&parts.allowances),
            access: parts.access.clone(),
            tracer: parts.traces.as_ref().map(|traces| Arc::clone(&traces.tracer)),
            assertions: parts.assertions.clone(),
            services: services(config, parts, sessions)?,
            fronts,
        },
    )?;
    Ok(Built { gate, listeners })
}

/// What the gate answers itself, by what is configured.
fn services(
    config: &Config,
    parts: &Parts,
    sessions: Option<Arc<Sessions>>,
) -> anyhow::Result<Vec<Arc<dyn LocalService>>> {
    let mut services: Vec<Arc<dyn LocalService>> =
        vec![Arc::new(Health), Arc::new(Ready(super::admin::readiness(parts)))];
    if let Some(issuer) = &parts.assertions {
        services.push(Arc::new(Jwks::new(Arc::clone(issuer))));
    }
    let process = config.authority.as_ref().and_then(|authority| authority.process.as_ref());
    if let Some(process) = process.filter(|process| process.est.is_some()) {
        // It need not be there yet: whoever wants a certificate is told so.
        services.push(Arc::new(Est::new(Client::new(&process.socket, Handle::current()))));
    }
    if let (Some(settings), Some(sessions)) = (&config.handover, sessions) {
        let accounts = Arc::clone(&parts.accounts);
        services.push(Arc::new(Handover::new(settings, sessions, accounts).context("handover")?));
    }
    if config.accounts.store.foreign().is_none() {
        services.push(Arc::new(ListService::new(Arc::clone(&parts.shelf))));
        services.push(Arc::new(Responder::new(Arc::clone(&parts.shelf))));
        services.push(Arc::new(CertificateService::new(Arc::clone(&parts.shelf))));
    }
    Ok(services)
}

/// What reads the questions of other fronts, by the names of the listeners that they ask.
fn fronts(
    config: &Config,
    trust: &HashMap<String, Arc<TrustSet>>,
    parts: &Parts,
) -> anyhow::Result<HashMap<String, Arc<dyn Front>>> {
    let asked = config.listeners.iter().filter_map(|listener| Some((listener, listener.authorizer.as_ref()?)));
    let front = |(listener, settings): (&config::Listener, &config::Authorizer)| {
        let front = Authorizer::new(settings, trust, &parts.accounts)
            .with_context(|| format!("listener {}: authorizer", listener.name))?;
        Ok((listener.name.clone(), Arc::new(front) as Arc<dyn Front>))
    };
    asked.map(front).collect()
}

/// What makes and reads the sessions of who is handed over to us.
fn sessions(config: &Config, parts: &Parts) -> anyhow::Result<Option<Arc<Sessions>>> {
    let Some(handover) = &config.handover else { return Ok(None) };
    let secret = match &handover.session.secret {
        Some(source) => source.read().context("handover.session.secret")?,
        None => parts.ticket_secret.clone(),
    };
    let accepted = handover.sites.values();
    let accepted = accepted.map(|site| Accepted { site: site.url.as_str().to_owned(), paths: site.accept.clone() });
    let sessions = Sessions::new(&secret, handover.url.as_str(), accepted.collect()).context("handover.session")?;
    let trust = parts.trust.values().map(|kept| Arc::clone(&kept.set)).collect();
    Ok(Some(Arc::new(sessions.with_lists_of(trust))))
}

/// Who signs assertions. Keys are published after their last signature for as long as the longest-lived one counts.
pub(super) fn assertions(config: &Config) -> anyhow::Result<Option<Arc<Issuer>>> {
    let Some(settings) = &config.assertion else { return Ok(None) };
    let issuer = Issuer::open(settings, longest_assertion(config), Timestamp::now()).context("assertion.keys")?;
    Ok(Some(Arc::new(issuer)))
}

/// How long the longest-lived assertion counts.
pub(super) fn longest_assertion(config: &Config) -> Duration {
    let lifetimes = config.upstreams.values().filter_map(|upstream| Some(upstream.assertion.as_ref()?.lifetime));
    lifetimes.max().unwrap_or_default()
}

/// What the files of a route's section hold.
fn route_parts((index, route): (usize, &config::Route)) -> anyhow::Result<RouteParts> {
    let authorization = Authorization::new(route.allow.as_ref(), route.deny.as_ref(), issuer_keys)
        .with_context(|| format!("routes[{index}]"))?;
    let claim = route.claim.as_ref().map(|claim| claim::Rule::new(claim, issuer_keys)).transpose();
    let claim = claim.with_context(|| format!("routes[{index}].claim"))?.map(Arc::new);
    let preauth = match &route.target {
        config::Target::Preauth(settings) => {
            let key = settings.key.read().with_context(|| format!("routes[{index}].upstream.preauth.key"))?;
            Some(Box::new(Preauth::new(settings, &key)))
        }
        _ => None,
    };
    let body = match &route.target {
        config::Target::Respond(answer) => {
            Some(body_of(&answer.body).with_context(|| format!("routes[{index}].upstream"))?)
        }
        _ => None,
    };
    Ok(RouteParts { authorization, claim, preauth, body })
}

/// The most octets of a file that is answered with; it is kept in memory.
const MOST_ANSWER: u64 = 1024 * 1024;

/// The body of a fixed answer.
fn body_of(body: &config::AnswerBody) -> anyhow::Result<Bytes> {
    let path = match body {
        config::AnswerBody::Text(text) => return Ok(Bytes::from(text.clone())),
        config::AnswerBody::File(path) => path,
    };
    let mut octets = Vec::new();
    let file = File::open(path).with_context(|| path.display().to_string())?;
    file.take(MOST_ANSWER + 1).read_to_end(&mut octets).with_context(|| path.display().to_string())?;
    if octets.len() as u64 > MOST_ANSWER {
        return Err(anyhow!("{} has more than {MOST_ANSWER} octets: serve it from an upstream", path.display()));
    }
    Ok(Bytes::from(octets))
}

fn listener_tls(
    listener: &config::Listener,
    routes: &[config::Route],
    trust: &HashMap<String, Arc<TrustSet>>,
    parts: &Parts,
) -> anyhow::Result<ListenerTls> {
    let own = listener.handshake();
    let Some(settings) = &listener.tls else { return Ok(ListenerTls::off(&own)) };
    let certificates = settings.certificates.iter().map(server_certificate).collect::<anyhow::Result<Vec<_>>>()?;
    let ticket_secret = match &settings.ticket_secret {
        Some(source) => source.read().context("tls.ticket_secret")?,
        None => parts.ticket_secret.clone(),
    };
    let hosts: Vec<(HostPattern, ClientPolicy)> =
        listener.hosts.iter().map(|host| (host.name.clone(), host.policy.clone())).collect();
    // Read before, since `material` cannot fail.
    let mut files = HashMap::new();
    for policy in std::iter::once(&own).chain(hosts.iter().map(|(_, policy)| policy)) {
        if let Advertise::Files(named) = &policy.advertise {
            files.insert(named, subjects_of(named)?);
        }
    }
    let material = |policy: &ClientPolicy, host: Option<&HostPattern>| {
        let routes = routes.iter().filter(|route| route.is_reached(listener, host));
        let mut names: Vec<&String> = Vec::new();
        for name in policy.trust.iter().chain(routes.filter_map(|route| route.trust.as_ref())) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let sets: Vec<Arc<TrustSet>> = names.into_iter().filter_map(|name| trust.get(name).map(Arc::clone)).collect();
        let hints = match &policy.advertise {
            Advertise::None => Vec::new(),
            Advertise::All => union(sets.iter().flat_map(|set| set.subjects())),
            Advertise::Files(named) => files.get(named).cloned().unwrap_or_default(),
        };
        TrustMaterial { hints, trust: sets }
    };
    let asking = |policy: &&ClientPolicy| policy.client_certificate != ClientCertificate::Off;
    let all = std::iter::once((None, &own)).chain(hosts.iter().map(|(host, policy)| (Some(host), policy)));
    for (host, policy) in all.filter(|(_, policy)| asking(policy)) {
        let octets = octets_of_names(material(policy, host).hints.iter());
        if octets > MOST_NAMES_OCTETS {
            let name = host.map_or_else(String::new, |host| format!(" of {host}"));
            return Err(anyhow!(
                "advertise{name}: the names of the authorities have {octets} octets, and TLS has room for fewer: write \
                 `advertise: none` or a list of files"
            ));
        }
    }
    let settings = tls::Settings { certificates, min_version: settings.min_version, ticket_secret, trust: &material };
    ListenerTls::build(&own, &hosts, &settings).context("TLS cannot be set up")
}

/// The subjects of the certificates in these files, each once.
fn subjects_of(files: &[PathBuf]) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut subjects = Vec::new();
    for file in files {
        for certificate in pem::certificates(file)? {
            let facts = facts::parse(&certificate).with_context(|| format!("advertise: {}", file.display()))?;
            subjects.push(facts.subject.der);
        }
    }
    Ok(union(subjects))
}

/// How many octets the names of authorities may have that clients are told of: a CertificateRequest has 64 KiB
/// (RFC 8446, section 4.2.4), with other things in it.
pub(super) const MOST_NAMES_OCTETS: usize = 60 * 1024;

/// How many octets names take in a CertificateRequest: each has its length before it.
pub(super) fn octets_of_names<'a>(names: impl Iterator<Item = &'a Vec<u8>>) -> usize {
    names.map(|name| name.len() + 2).sum()
}

/// Each name once, in the order in which they come.
fn union(names: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let mut known = HashSet::new();
    names.into_iter().filter(|name| known.insert(name.clone())).collect()
}

/// Reads a chain and its key, and makes sure that they belong together.
pub(super) fn server_certificate(files: &config::CertificateFiles) -> anyhow::Result<ServerCertificate> {
    let chain = pem::certificates(&files.chain)?;
    let key = pem::private_key(&files.key)?;
    let leaf = chain.first().with_context(|| format!("{} holds no certificate", files.chain.display()))?;
    let facts = facts::parse(leaf).with_context(|| files.chain.display().to_string())?;
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
        .with_context(|| format!("{}: this kind of key cannot be used", files.key.display()))?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(|_| {
        anyhow!("the key {} is not the key of the certificate {}", files.key.display(), files.chain.display())
    })?;
    let names = facts.names.dns.iter().map(|name| host_pattern(name)).collect();
    Ok(ServerCertificate { names, certified: Arc::new(ArcSwap::from_pointee(certified)) })
}

fn host_pattern(name: &str) -> HostPattern {
    let name = name.to_ascii_lowercase();
    match name.strip_prefix("*.") {
        Some(parent) => HostPattern::Wildcard(parent.to_owned()),
        None => HostPattern::Exact(name),
    }
}

/// The accounts behind their cache; a store that gives no answer is asked again with each request.
pub(super) async fn accounts(settings: &config::Accounts) -> Arc<Accounts> {
    if let config::Store::MySql(store) = &settings.store {
        tokio::spawn(log_diagnoses(store.clone()));
    }
    let directory = account::reopen::open(&settings.store, Handle::current()).await;
    behind_cache(directory, settings)
}

fn behind_cache(directory: Arc<dyn Directory>, settings: &config::Accounts) -> Arc<Accounts> {
    Arc::new(match settings.store.foreign() {
        Some(_) => Accounts::new(directory, &settings.cache),
        None => Accounts::with_feed(directory, &settings.cache),
    })
}

/// Says in the log what `wicketgate db check` would say. The start does not wait for it.
async fn log_diagnoses(store: config::MySql) {
    let examination = mysql::examine(&store, Role::Gate, Deadlines::default()).await;
    for Diagnosis { severity, on, what, why, what_to_do } in &examination.diagnoses {
        match severity {
            Severity::Error => tracing::error!(%on, %why, %what_to_do, "database: {what}"),
            Severity::Warning => tracing::warn!(%on, %why, %what_to_do, "database: {what}"),
        }
    }
}

/// Refuses a store on another machine that would be talked to in clear text.
pub(super) fn not_exposed(settings: &config::Accounts) -> anyhow::Result<()> {
    match &settings.store {
        config::Store::MySql(store) => match store.exposed() {
            Some(server) => Err(anyhow!(
                "accounts.mysql: the password and all that {server} answers would travel unencrypted: add `tls: {{mode: \
                 verify, ca: …}}`, or say `insecure: true`"
            )),
            None => Ok(()),
        },
        config::Store::Sqlite { .. } => Ok(()),
    }
}

/// The accounts behind their cache, of a store that must answer: a reload does not exchange one that does for
/// one that does not.
pub(super) async fn accounts_that_answer(settings: &config::Accounts) -> anyhow::Result<Arc<Accounts>> {
    let directory = account::open_directory(&settings.store, Handle::current()).await?;
    Ok(behind_cache(directory, settings))
}

/// The verifier of Digest credentials; it takes the place of the one before, if there was one.
pub(super) fn digest(
    settings: Option<&config::Digest>,
    before: Option<&digest::Verifier>,
) -> anyhow::Result<Option<Arc<digest::Verifier>>> {
    let Some(settings) = settings else { return Ok(None) };
    let secret = settings.nonce_secret.as_ref().map(SecretSource::read).transpose().context("digest.nonce.secret")?;
    let verifier = match before {
        Some(before) => before.succeed(settings, secret.as_ref(), Timestamp::now()),
        None => digest::Verifier::new(settings, secret.as_ref()),
    };
    Ok(Some(Arc::new(verifier.context("digest")?)))
}

/// The verifier of Basic credentials.
pub(super) fn basic(settings: Option<&config::Basic>) -> anyhow::Result<Option<Arc<basic::Verifier>>> {
    settings.map(|settings| basic::Verifier::new(settings).map(Arc::new).context("basic")).transpose()
}

/// What holds back those who guess at passwords, where there are any.
pub(super) fn throttle(config: &Config) -> Option<Arc<Throttle>> {
    let passwords = config.digest.is_some() || config.basic.is_some();
    passwords.then(|| Arc::new(Throttle::new(config.throttle.clone())))
}

/// Where audit records go.
pub(super) fn audit(settings: &config::Log) -> anyhow::Result<Arc<Audit>> {
    Audit::open(settings.audit.as_deref()).map(Arc::new).context("log.audit")
}

/// Where each request gets a line, if anywhere.
pub(super) fn access(settings: &config::Log) -> anyhow::Result<Option<Arc<AccessLog>>> {
    let log = settings.access.as_ref().map(AccessLog::open).transpose().context("log.access")?;
    Ok(log.map(Arc::new))
}

/// What records requests for traces and sends them, if anything does.
///
/// # Errors
/// When a file cannot be read, or when this build sends no traces.
pub(super) fn traces(settings: Option<&config::Tracing>) -> anyhow::Result<Option<Arc<Traces>>> {
    settings.map(|settings| Traces::start(settings, &Handle::current()).map(Arc::new)).transpose()
}

/// A secret of this process alone.
pub(super) fn random_secret() -> anyhow::Result<Secret> {
    let mut octets = vec![0; 32];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| anyhow!("the system gives no randomness"))?;
    Ok(Secret::new(octets))
}
