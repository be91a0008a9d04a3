//! The routes of a gate: what each is made of, where it leads, and what it demands of whoever comes.

use super::super::allowance::Allowance;
use super::super::by_account::ByAccount;
use super::super::headers::strip::Stripper;
use super::super::headers::{OwnCredentials, OwnDigest};
use super::super::preauth::Preauth;
use super::super::redirect::{FixedAnswer, Redirect};
use super::super::rewrite::Rewrite;
use super::super::router::{Conditions, Entry};
use super::super::service::{LocalService, Services};
use super::{GateError, RoutedUpstream};
use crate::auth::authorization::Authorization;
use crate::auth::decision::Policy;
use crate::config::{self, ClientCertificate, ClientPolicy, Config, Method};
use crate::identity::claim;
use crate::listen::tls::ListenerTls;
use crate::telemetry::metrics::{ROUTES, RouteNumbers, Series};
use bytes::Bytes;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

/// What a route is made of besides the configuration itself.
#[derive(Debug, Default)]
pub struct RouteParts {
    /// Who may pass.
    pub authorization: Authorization,
    /// How a request says whose it is.
    pub claim: Option<Arc<claim::Rule>>,
    /// Where it logs whoever passes in.
    pub preauth: Option<Box<Preauth>>,
    /// What it answers itself; there if it does.
    pub body: Option<Bytes>,
}

/// A route, ready for requests.
pub struct Route {
    /// Its place in the configuration, from 0.
    pub index: usize,
    /// Host and path, for records: `mail.example.org/app`.
    pub name: String,
    /// Where it leads.
    pub target: Target,
    /// What is changed on the way to an upstream and back.
    pub rewrite: Option<Box<Rewrite>>,
    /// The largest request body in octets.
    pub body_limit: Option<u64>,
    /// How many requests each client may make.
    pub allowance: Option<Allowance>,
    /// How fast a client must send a body, in octets a second; the outer `None` is as everywhere.
    pub least_upload: Option<Option<NonZeroU64>>,
    /// How a request must say whose it is.
    pub claim: Option<Arc<claim::Rule>>,
    /// What is not passed on of what clients send in `Authorization`.
    pub own_credentials: OwnCredentials,
    /// What is counted of its requests.
    pub numbers: Series<RouteNumbers>,
    trust: Option<String>,
    policy: Policy,
    /// The same where the host needs a certificate.
    policy_with_need: Policy,
}

/// Where a route leads.
pub enum Target {
    /// To an upstream.
    Upstream(Arc<RoutedUpstream>),
    /// To the upstream that the account names.
    ByAccount(Box<ByAccount>),
    /// To a service of the gate itself.
    Service(Arc<dyn LocalService>),
    /// To another URL.
    Redirect(Box<Redirect>),
    /// To where whoever passes is logged in.
    Preauth(Box<Preauth>),
    /// Nowhere: this is the answer.
    Respond(Box<FixedAnswer>),
}

impl Route {
    /// A route to a service, under a policy that is the same for all clients.
    pub(in crate::proxy) fn of_service(name: String, service: Arc<dyn LocalService>, policy: Policy) -> Self {
        let policy_with_need = policy.clone();
        Self {
            index: usize::MAX,
            numbers: ROUTES.of(&[&name]),
            name,
            target: Target::Service(service),
            rewrite: None,
            body_limit: None,
            allowance: None,
            least_upload: None,
            claim: None,
            own_credentials: OwnCredentials::default(),
            trust: None,
            policy,
            policy_with_need,
        }
    }

    /// What the route demands of a client that came under this policy.
    #[must_use]
    pub fn policy(&self, client: &ClientPolicy) -> &Policy {
        if client.client_certificate == ClientCertificate::Need { &self.policy_with_need } else { &self.policy }
    }

    /// The name of the trust set that certificates must satisfy here, for a client that came under this policy:
    /// the route's own, or else the policy's.
    #[must_use]
    pub fn trust<'t>(&'t self, client: &'t ClientPolicy) -> Option<&'t str> {
        self.trust.as_deref().or(client.trust.as_deref())
    }

    /// What identifies a client here.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        &self.policy.authenticate
    }
}

/// Which credentials are meant for the gate on a route.
pub(super) fn own_credentials(config: &Config, route: &config::Route) -> OwnCredentials {
    let beside =
        |method| config.routes.iter().any(|other| other.authenticate.contains(&method) && route.is_beside(other));
    OwnCredentials {
        basic: beside(Method::Basic),
        digest: match &config.digest {
            _ if route.authenticate.contains(&Method::Digest) => OwnDigest::All,
            Some(digest) if beside(Method::Digest) => OwnDigest::Realms(digest.realm.names().to_vec()),
            _ => OwnDigest::None,
        },
    }
}

/// What each client may do on the route of this index. It is the same one in another configuration if its host, path,
/// listeners and limits are, and as many others like it stand before it.
pub(super) fn allowance(routes: &[config::Route], index: usize) -> Option<Allowance> {
    let route = routes.get(index)?;
    let place = |route: &config::Route| (route.host.clone(), route.path.to_string(), route.listeners.clone());
    let limits = route.request_limits.as_ref()?;
    let alike = |other: &&config::Route| place(other) == place(route) && other.request_limits == route.request_limits;
    let before = routes.iter().take(index).filter(alike).count();
    Some(Allowance::new((place(route), before), limits))
}

/// What a route changes. Names that the stripper takes are the gate's own.
pub(super) fn rewrite(
    config: &Config,
    route: &config::Route,
    stripper: &Stripper,
) -> Result<Option<Box<Rewrite>>, GateError> {
    let Some(settings) = &route.rewrite else { return Ok(None) };
    let upstreams: Vec<&String> = match &route.target {
        config::Target::Upstream(name) => vec![name],
        config::Target::ByAccount(homes) => homes.among.iter().chain(&homes.otherwise).collect(),
        _ => Vec::new(),
    };
    let upstreams = upstreams.into_iter().filter_map(|name| config.upstreams.get(name));
    let servers = upstreams.flat_map(|upstream| &upstream.servers).map(|server| server.name.clone()).collect();
    let rewrite = Rewrite::new(settings, &route.path, servers, |name| stripper.takes(name));
    let rewrite = rewrite.map_err(|source| GateError::Rewrite { route: route.path.to_string(), source })?;
    Ok(Some(Box::new(rewrite)))
}

/// A route with its place in the router.
pub(super) fn entry(
    index: usize,
    route: &config::Route,
    made: RouteParts,
    own_credentials: OwnCredentials,
    upstreams: &HashMap<&str, Arc<RoutedUpstream>>,
    services: &Services,
    listeners: &[(Arc<str>, Arc<ListenerTls>)],
) -> Result<Entry<Route>, GateError> {
    let host = route.host.as_ref().map(ToString::to_string).unwrap_or_default();
    let name = name(route, &host);
    let missing = |what, missing: &str| GateError::Missing { route: name.clone(), what, name: missing.to_owned() };
    let upstream = |named: &str| upstreams.get(named).map(Arc::clone).ok_or_else(|| missing("upstream", named));
    let target = match &route.target {
        config::Target::Upstream(named) => Target::Upstream(upstream(named)?),
        config::Target::ByAccount(settings) => {
            let among = settings.among.iter().map(|named| Ok((named.clone(), upstream(named)?)));
            let among = among.collect::<Result<HashMap<_, _>, GateError>>()?;
            let otherwise = settings.otherwise.as_deref().map(upstream).transpose()?;
            let homes = ByAccount::new(among, otherwise);
            Target::ByAccount(Box::new(match &settings.urls {
                None => homes,
                Some(urls) => homes
                    .with_urls(&urls.pattern, upstream(&urls.like)?)
                    .map_err(|_| missing("pattern", &urls.pattern))?,
            }))
        }
        config::Target::Service(service) => {
            let found = services.named(service).ok_or_else(|| missing("service", service))?;
            Target::Service(Arc::clone(found))
        }
        config::Target::Redirect(settings) => {
            let redirect = Redirect::new(settings, &route.path).ok_or_else(|| missing("status", "redirect"))?;
            Target::Redirect(Box::new(redirect))
        }
        config::Target::Preauth(_) => Target::Preauth(made.preauth.ok_or_else(|| missing("key", "preauth"))?),
        config::Target::Respond(settings) => {
            let body = made.body.ok_or_else(|| missing("body", "respond"))?;
            let answer = FixedAnswer::new(settings, body).ok_or_else(|| missing("header", "respond"))?;
            Target::Respond(Box::new(answer))
        }
    };
    let indices = route
        .listeners
        .iter()
        .map(|wanted| {
            listeners.iter().position(|(name, _)| **name == **wanted).ok_or_else(|| missing("listener", wanted))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let policy = Policy {
        authenticate: route.authenticate.clone(),
        anonymous: route.anonymous.clone(),
        claim: made.claim.is_some(),
        authorization: made.authorization,
        certificate_needed: false,
    };
    let policy_with_need = Policy { certificate_needed: true, ..policy.clone() };
    let payload = Route {
        index,
        numbers: ROUTES.of(&[&name]),
        name: name.clone(),
        target,
        rewrite: None,
        body_limit: route.body_limit,
        allowance: None,
        least_upload: route.least_upload,
        claim: made.claim,
        own_credentials,
        trust: route.trust.clone(),
        policy,
        policy_with_need,
    };
    let conditions = Conditions::of(route)?;
    Ok(Entry { host: route.host.clone(), path: route.path.clone(), conditions, listeners: indices, payload })
}

/// What a route is called in records: `mail.example.org/app`, and what it asks besides, if it does.
fn name(route: &config::Route, host: &str) -> String {
    let mut name = format!("{host}{}", route.path);
    if !route.methods.is_empty() {
        name.push_str(&format!(" {}", route.methods.join(",")));
    }
    for condition in &route.match_headers {
        name.push_str(&format!(" {condition}"));
    }
    name
}
