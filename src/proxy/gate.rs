//! Everything that one configuration gives to requests. It never changes: a reload makes another one, and
//! requests that began under the old one keep it until they end.

mod route;

pub use route::{Route, RouteParts, Target};

use super::allowance::{Allowance, Allowances};
use super::authorized::MOST_HELD;
use super::front::{Front, FrontListener};
use super::headers::identity::{BasicLogin, IdentityWriter};
use super::headers::origin::{self, Unreadable};
use super::headers::strip::Stripper;
use super::held::HeldBodies;
use super::path::RequestTarget;
use super::respell;
use super::rewrite::BadRewrite;
use super::router::{Asked, BadCondition, Miss, Router};
use super::service::{Clash, LocalService, Services};
use crate::assertion::{self, Issuer};
use crate::auth::Authenticator;
use crate::auth::trust::TrustSet;
use crate::config::{self, ClientPolicy, Config, DigestRealm, Forwarded, Limits, Timeouts};
use crate::listen::connection::Connection;
use crate::listen::tls::{ListenerTls, same_session};
use crate::telemetry::access::AccessLog;
use crate::telemetry::audit::Audit;
use crate::telemetry::metrics::{Series, UPSTREAMS, UpstreamNumbers};
use crate::telemetry::trace::Tracer;
use crate::upstream::Upstream;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Uri};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// Fields in which some applications look for a method that counts in the place of the request's own. Where routes are chosen
/// by the method they are taken off all requests.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

/// What requests are served by.
pub struct Gate {
    /// Grows with each configuration that was taken up.
    pub epoch: u64,
    /// The upstreams, in the order of their names.
    pub upstreams: Vec<Arc<RoutedUpstream>>,
    /// Routes by listener, host and path.
    pub router: Router<Route>,
    /// Gathers evidence.
    pub authenticator: Authenticator,
    /// Trust by its name.
    pub trust: HashMap<String, Arc<TrustSet>>,
    /// Removes what clients must not say.
    pub stripper: Arc<Stripper>,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// How much a client may send and hold.
    pub limits: Limits,
    /// Where verdicts go on record.
    pub audit: Arc<Audit>,
    /// The memory of bodies that are held whole.
    pub held: Arc<HeldBodies>,
    /// What clients have used of their allowances.
    pub allowances: Arc<Allowances>,
    /// What each address may do, whatever it asks for.
    pub per_address: Option<Allowance>,
    /// Where each request gets a line, if anywhere.
    pub access: Option<Arc<AccessLog>>,
    /// What records requests for traces, if anything does.
    pub tracer: Option<Arc<Tracer>>,
    services: Services,
    /// Where services may spell paths anew.
    respelling: Vec<respell::Place>,
    /// The HTTP proxies before a listener, by its name.
    forwarded: HashMap<String, Forwarded>,
    /// The listeners that fronts ask, by their names.
    fronts: HashMap<String, Arc<FrontListener>>,
    /// In the order of the configuration, which is the router's index.
    listeners: Vec<(Arc<str>, Arc<ListenerTls>)>,
}

/// What a [`Gate`] is made of besides the configuration itself.
pub struct GateParts {
    /// Which configuration it is.
    pub epoch: u64,
    /// Gathers evidence.
    pub authenticator: Authenticator,
    /// Trust by its name.
    pub trust: HashMap<String, Arc<TrustSet>>,
    /// Names and TLS of the listeners, in the order of the configuration.
    pub listeners: Vec<(Arc<str>, Arc<ListenerTls>)>,
    /// The upstreams, by their names.
    pub upstreams: HashMap<String, Arc<Upstream>>,
    /// What clients are logged in with at upstreams, by their names.
    pub logins: HashMap<String, BasicLogin>,
    /// What was made of the routes' files, in the order of the configuration.
    pub routes: Vec<RouteParts>,
    /// Where verdicts go on record.
    pub audit: Arc<Audit>,
    /// The memory of bodies that are held whole, under whatever configuration.
    pub held: Arc<HeldBodies>,
    /// What clients have used of their allowances, under whatever configuration.
    pub allowances: Arc<Allowances>,
    /// Where each request gets a line, if anywhere.
    pub access: Option<Arc<AccessLog>>,
    /// What records requests for traces, if anything does.
    pub tracer: Option<Arc<Tracer>>,
    /// Who signs assertions; there if an upstream gets any.
    pub assertions: Option<Arc<Issuer>>,
    /// What the gate answers itself.
    pub services: Vec<Arc<dyn LocalService>>,
    /// What reads the questions of fronts, by the names of the listeners that they ask.
    pub fronts: HashMap<String, Arc<dyn Front>>,
}

/// A gate cannot be made of this configuration.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// A route's path.
    #[error(transparent)]
    Path(#[from] super::router::BadRoutePath),
    /// What a route asks of requests.
    #[error(transparent)]
    Condition(#[from] BadCondition),
    /// What a route changes of requests and answers.
    #[error("route {route}: {source}")]
    Rewrite {
        /// The route.
        route: String,
        /// What is wrong.
        source: BadRewrite,
    },
    /// A header under which an upstream is to be told something.
    #[error("upstream {upstream}: {source}")]
    Header {
        /// The upstream's name.
        upstream: String,
        /// What is wrong.
        source: super::headers::identity::BadHeaderName,
    },
    /// Services that get in each other's way.
    #[error(transparent)]
    Service(#[from] Clash),
    /// A route names what is not there.
    #[error("route {route}: there is no {what} {name:?}")]
    Missing {
        /// The route.
        route: String,
        /// `upstream`, `listener`, `service`, `assertion`.
        what: &'static str,
        /// The name.
        name: String,
    },
}

/// An upstream, and what it is told of clients.
pub struct RoutedUpstream {
    /// Its place among the upstreams, from 0.
    pub index: usize,
    /// Its servers.
    pub upstream: Arc<Upstream>,
    /// Writes identity headers.
    pub identity: IdentityWriter,
    /// What it is told under a signature, if it is.
    pub assertion: Option<Asserted>,
    /// What is counted of its answers.
    pub numbers: Series<UpstreamNumbers>,
}

impl RoutedUpstream {
    /// Another server that is spoken to like this upstream, and told the same; `None` if it is one of those with TLS and
    /// the other without.
    #[must_use]
    pub(super) fn at(&self, server: config::ServerName, tls: bool) -> Option<Self> {
        (self.upstream.tls().is_some() == tls).then(|| Self {
            index: self.index,
            upstream: Arc::new(self.upstream.at(server)),
            identity: self.identity.clone(),
            assertion: self.assertion.clone(),
            numbers: self.numbers.clone(),
        })
    }

    /// The fields in which it may be told who asks.
    pub(super) fn told_in(&self) -> impl Iterator<Item = HeaderName> {
        self.identity.names().chain(self.assertion.iter().map(|assertion| assertion.header.clone()))
    }

    /// The largest body that is held to be sent again, in octets: 0 for none.
    #[must_use]
    pub(super) fn most_held(&self, idempotent: bool) -> u64 {
        let again = if idempotent && self.upstream.has_choice() { self.upstream.retries().body } else { 0 };
        if self.upstream.authorization.is_some() { again.max(MOST_HELD) } else { again }
    }
}

/// What an upstream is told under a signature.
#[derive(Clone)]
pub struct Asserted {
    /// The field that carries it.
    pub header: HeaderName,
    /// For whom it is, and how long it counts.
    pub terms: assertion::Terms,
    /// Who signs it.
    pub issuer: Arc<Issuer>,
}

impl Gate {
    /// Makes a gate of a checked configuration.
    ///
    /// # Errors
    /// When a route or header is not usable, which `config::check` has usually found before.
    pub fn new(config: &Config, mut parts: GateParts) -> Result<Self, GateError> {
        let (mut upstreams, mut in_order) = (HashMap::new(), Vec::new());
        for (index, (name, settings)) in config.upstreams.iter().enumerate() {
            let identity = IdentityWriter::new(&settings.headers)
                .map_err(|source| GateError::Header { upstream: name.clone(), source })?
                .with_basic(parts.logins.remove(name));
            let assertion = settings.assertion.as_ref();
            let assertion =
                assertion.map(|settings| asserted(name, settings, parts.assertions.as_ref())).transpose()?;
            let upstream = RoutedUpstream {
                index,
                upstream: parts.upstreams.get(name).map(Arc::clone).ok_or_else(|| GateError::Missing {
                    route: format!("to {name}"),
                    what: "upstream",
                    name: name.clone(),
                })?,
                identity,
                assertion,
                numbers: UPSTREAMS.of(&[name]),
            };
            let upstream = Arc::new(upstream);
            in_order.push(Arc::clone(&upstream));
            upstreams.insert(name.as_str(), upstream);
        }
        let told = config.upstreams.values().flat_map(|upstream| {
            upstream.headers.names().chain(upstream.assertion.as_ref().map(|assertion| assertion.header.as_str()))
        });
        let claims = config.routes.iter().filter_map(|route| route.claim.as_ref()).map(|claim| claim.header.as_str());
        let realm = config.digest.as_ref().and_then(|digest| match &digest.realm {
            DigestRealm::FromHeader { header, .. } => Some(header.as_str()),
            DigestRealm::Fixed(_) => None,
        });
        let asked =
            config.routes.iter().flat_map(|route| &route.match_headers).map(|condition| condition.name.as_str());
        let by_method = config.routes.iter().any(|route| !route.methods.is_empty());
        let overriding = METHOD_OVERRIDES.iter().copied().filter(|_| by_method);
        let edits = config.routes.iter().filter_map(|route| Some(&route.rewrite.as_ref()?.request));
        let written = || edits.clone().flat_map(|edits| edits.set.iter());
        let said = written().filter(|(_, text)| text.as_constant().is_none()).map(|(name, _)| name.as_str());
        let changed = written().map(|(name, _)| name).chain(edits.clone().flat_map(|edits| &edits.remove));
        let in_trailers = claims.chain(realm).chain(asked).chain(changed.map(String::as_str));
        let stripper = Stripper::new(told.chain(overriding)).without_in_trailers(in_trailers);
        let services = Services::new(parts.services)?;
        let mut made = std::mem::take(&mut parts.routes).into_iter();
        let entries = config
            .routes
            .iter()
            .enumerate()
            .map(|(index, route)| {
                let missing =
                    || GateError::Missing { route: route.path.to_string(), what: "part", name: index.to_string() };
                let made = made.next().ok_or_else(missing)?;
                let mut entry = route::entry(
                    index,
                    route,
                    made,
                    route::own_credentials(config, route),
                    &upstreams,
                    &services,
                    &parts.listeners,
                )?;
                entry.payload.allowance = route::allowance(&config.routes, index);
                entry.payload.rewrite = route::rewrite(config, route, &stripper)?;
                Ok(entry)
            })
            .collect::<Result<Vec<_>, GateError>>()?;
        let respelling = respell::places(&config.routes, &services);
        let asked = config.listeners.iter().filter_map(|listener| {
            let front = parts.fronts.remove(&listener.name)?;
            Some((listener.name.clone(), Arc::new(FrontListener::new(front, listener.policy.clone()))))
        });
        let fronts = asked.collect();
        Ok(Self {
            respelling,
            fronts,
            epoch: parts.epoch,
            upstreams: in_order,
            router: Router::new(parts.listeners.len(), entries)?,
            authenticator: parts.authenticator,
            trust: parts.trust,
            stripper: Arc::new(stripper.with(said)),
            timeouts: config.timeouts.clone(),
            limits: config.limits.clone(),
            audit: parts.audit,
            held: parts.held,
            allowances: parts.allowances,
            per_address: config.limits.requests_per_address.as_ref().map(|limits| Allowance::new("", limits)),
            access: parts.access,
            tracer: parts.tracer,
            services,
            forwarded: config
                .listeners
                .iter()
                .filter_map(|listener| Some((listener.name.clone(), listener.forwarded.clone()?)))
                .collect(),
            listeners: parts.listeners,
        })
    }

    /// What is asked of clients for a host at the listener of this index.
    #[must_use]
    pub fn client_policy(&self, listener: usize, host: Option<&str>) -> Option<&ClientPolicy> {
        let (name, tls) = self.listeners.get(listener)?;
        Some(self.fronts.get(&**name).map_or(&tls.host(host).policy, |front| &front.policy))
    }

    /// The front that asks on this connection, if its listener is for one.
    #[must_use]
    pub(super) fn front(&self, connection: &Connection) -> Option<&Arc<FrontListener>> {
        if self.fronts.is_empty() { None } else { self.fronts.get(&*connection.listener) }
    }

    /// The route of a request that came in by the listener of this index, and the service that answers in place of
    /// the route's target if the path is reserved for one.
    ///
    /// # Errors
    /// When there is no route, or nothing at a path that is reserved.
    pub fn find(
        &self,
        listener: usize,
        target: &RequestTarget,
        asked: &Asked<'_>,
    ) -> Result<(&Route, Option<&dyn LocalService>), Miss> {
        let (host, path) = (target.host(), target.path());
        let is_plain = self.listeners.get(listener).is_some_and(|(_, tls)| tls.is_off());
        match self.services.reserved(path) {
            // Keys and hand-overs are for who is sure whom they talk to.
            Some(_) if is_plain => Err(Miss::NoRoute),
            None => self.router.find(listener, host, path, asked).map(|route| (route, None)),
            Some(None) => Err(Miss::NoRoute),
            Some(Some(reserved)) => {
                let service = Some(reserved.service.as_ref());
                match &reserved.own {
                    Some(own) => Ok((own, service)),
                    None => self.router.find(listener, host, path, asked).map(|route| (route, service)),
                }
            }
        }
    }

    /// The path of a request as a service wants it spelled, before anything else reads it; usually there is none.
    #[must_use]
    pub fn respelled(&self, head: &Parts) -> Option<Uri> {
        respell::uri(&self.respelling, head)
    }

    /// Where a request on this connection came from, by the word of a proxy that is trusted there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn origin(&self, connection: &Connection, headers: &HeaderMap) -> Result<Option<SocketAddr>, Unreadable> {
        match self.forwarded.get(&*connection.listener) {
            Some(trusted) => origin::of(connection.peer.ip(), headers, trusted),
            None => Ok(None),
        }
    }

    /// The router's index of the listener that a connection came in by, if a request for this host may be
    /// served on its TLS session: if the host's policy is the one that the session was made for (rule 6 of the
    /// design; RFC 9110, section 7.4).
    #[must_use]
    pub fn listener(&self, connection: &Connection, host: Option<&str>) -> Option<usize> {
        let index = self.listeners.iter().position(|(name, _)| *name == connection.listener)?;
        let (name, tls) = self.listeners.get(index)?;
        if let Some(front) = self.fronts.get(&**name) {
            // One policy for all hosts; the session was the front's.
            return same_session(&front.policy, &connection.policy).then_some(index);
        }
        same_session(&tls.host(host).policy, &connection.policy).then_some(index)
    }
}

fn asserted(
    upstream: &str,
    settings: &config::UpstreamAssertion,
    issuer: Option<&Arc<Issuer>>,
) -> Result<Asserted, GateError> {
    let header = HeaderName::from_bytes(settings.header.as_bytes()).map_err(|_| GateError::Header {
        upstream: upstream.to_owned(),
        source: super::headers::identity::BadHeaderName::Invalid(settings.header.clone()),
    })?;
    let (route, name) = (format!("to {upstream}"), "keys".to_owned());
    let issuer = issuer.ok_or(GateError::Missing { route, what: "assertion", name })?;
    let terms = assertion::Terms { audience: settings.audience.clone(), lifetime: settings.lifetime };
    Ok(Asserted { header, terms, issuer: Arc::clone(issuer) })
}
