//! What would happen to a certificate: the very parts that serve requests, asked once and without a socket.

use super::{Parts, build, trust};
use crate::auth::Stage;
use crate::auth::authorization::Origin;
use crate::auth::decision::{ClaimEvidence, Evidence, Finding, Permit, Verdict, decide, denied};
use crate::base::clock::Timestamp;
use crate::base::reason::Reason;
use crate::certificate::{Presented, pem};
use crate::config::{ClientCertificate, Config, Log};
use crate::proxy::gate::{Route, Target};
use crate::proxy::headers::identity::ClientCertificate as Shown;
use crate::proxy::path::RequestTarget;
use crate::proxy::router::Asked;
use crate::proxy::service::LocalService;
use crate::revocation::live::Look;
use anyhow::{Context, anyhow};
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri, Version};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;

/// How long lists may take to be fetched that a running gate would have.
const FETCHING: Duration = Duration::from_secs(10);

/// What is asked.
#[derive(Debug, Clone)]
pub struct Query<'a> {
    /// PEM file of the certificate, followed by intermediates.
    pub certificate: &'a Path,
    /// The listener's name; the first one if absent.
    pub listener: Option<&'a str>,
    /// The host that is asked for.
    pub host: Option<&'a str>,
    /// The path that is asked for.
    pub path: &'a str,
    /// The method by which it is asked for.
    pub method: &'a str,
    /// Other fields of the head, by which routes may be chosen.
    pub headers: &'a [(String, String)],
    /// What the client says in the header in which the route has it say whose the request is.
    pub claim: Option<&'a str>,
    /// The client's address; needed where the route asks for it.
    pub from: Option<IpAddr>,
    /// When.
    pub at: Timestamp,
}

/// What would happen.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// What each stage found, in order.
    pub stages: Vec<Stage>,
    /// What came out: `permit`, `challenge`, `redirect`, `refuse`.
    pub verdict: &'static str,
    /// Why, where it is not a permit.
    pub reason: Option<Reason>,
    /// What the application would be told, by header.
    pub headers: Vec<(String, String)>,
}

/// Follows a certificate through every stage under a configuration.
///
/// # Errors
/// When the configuration cannot be built, or the question names what is not there.
pub async fn explain(config: &Config, query: &Query<'_>) -> anyhow::Result<Explanation> {
    // Nobody asks over HTTP here, so the access log and the collector of traces are left alone.
    let config = &Config { log: Log { access: None, ..config.log.clone() }, tracing: None, ..config.clone() };
    let (_draining, drained) = watch::channel(false);
    let parts = Parts::new(config, drained, None).await?;
    trust::lists_have_come(&parts.trust, FETCHING).await;
    let gate = build::build(config, &parts, 1)?.gate;
    let presented = Presented::new(&pem::certificates(query.certificate)?)
        .with_context(|| query.certificate.display().to_string())?;
    let (index, listener) = match query.listener {
        Some(name) => config.listeners.iter().enumerate().find(|(_, listener)| listener.name == name),
        None => config.listeners.iter().enumerate().next(),
    }
    .ok_or_else(|| anyhow!("there is no listener {:?}", query.listener.unwrap_or_default()))?;
    let (method, fields) = asked(query)?;
    let target = target(query, &method)?;
    anyhow::ensure!(
        listener.authorizer.is_none() || target.came_as_read(),
        "the path {:?} would be refused: it is not spelled as it is read, and a front sends it on as it came",
        query.path
    );
    let policy = gate.client_policy(index, target.host()).unwrap_or(&listener.policy);

    let mut stages = vec![Stage {
        name: "listener",
        found: format!(
            "{} ({:?}, trust {})",
            listener.name,
            policy.client_certificate,
            policy.trust.as_deref().unwrap_or("-")
        ),
    }];
    let (route, service) = match gate.find(index, &target, &Asked { method: &method, headers: &fields }) {
        Ok(found) => found,
        Err(miss) => {
            stages.push(Stage { name: "route", found: miss.to_string() });
            let reason = Some(miss.reason());
            return Ok(Explanation { stages, verdict: "refuse", reason, headers: Vec::new() });
        }
    };
    let trust = route.trust(policy);
    let found = match trust.filter(|trust| policy.trust.as_deref() != Some(*trust)) {
        Some(own) => format!("{} (trust {own})", route.name),
        None => route.name.clone(),
    };
    stages.push(Stage { name: "route", found });
    let access = &route.policy(policy).authorization;
    if query.from.is_none() && access.is_of_addresses() {
        return Err(anyhow!("the route {} asks where a client comes from: say it with --from ADDRESS", route.name));
    }
    let address = query.from.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    if let Err(denied) = access.judge_address(address) {
        stages.push(Stage { name: "access", found: format!("{}: {denied}", denied.reason()) });
        return Ok(Explanation { stages, verdict: "refuse", reason: Some(denied.reason()), headers: Vec::new() });
    }
    let asked = (policy.client_certificate != ClientCertificate::Off).then_some(&presented);
    if asked.is_none() {
        stages.push(Stage { name: "handshake", found: "no certificate is asked for here".to_owned() });
    }
    let trust = trust.and_then(|name| gate.trust.get(name));
    let claim = route.claim.as_ref().map(|rule| rule.read(query.claim.map(str::as_bytes)));
    let (trust, look) = (trust.map(AsRef::as_ref), Look::of_nobody());
    let standing = gate.authenticator.certificate(asked, trust, claim.as_ref(), query.at, &look).await;
    stages.extend(standing.stages.iter().cloned());
    let evidence = Evidence {
        certificate: standing.evidence.clone(),
        credentials: Finding::NotAsked,
        authorization_sent: false,
        claim: ClaimEvidence::of(claim.as_ref(), None, &Finding::NotAsked),
        origin: Origin::new(address, standing.path.as_deref()),
    };
    if let Some(denied) = denied(route.policy(policy), &evidence) {
        stages.push(Stage { name: "access", found: format!("{}: {denied}", denied.reason()) });
    }
    let (verdict, reason, headers) = match decide(route.policy(policy), &evidence) {
        Verdict::Permit(permit) => ("permit", None, told(route, service, &permit, &presented, &standing)),
        Verdict::Challenge { reason, .. } => ("challenge", Some(reason), Vec::new()),
        Verdict::Redirect(_) => ("redirect", None, Vec::new()),
        Verdict::Refuse(reason) => ("refuse", Some(reason), Vec::new()),
    };
    Ok(Explanation { stages, verdict, reason, headers })
}

/// The method and the fields that routes are chosen by.
fn asked(query: &Query<'_>) -> anyhow::Result<(Method, HeaderMap)> {
    let method =
        Method::from_bytes(query.method.as_bytes()).with_context(|| format!("the method {:?}", query.method))?;
    let mut fields = HeaderMap::new();
    for (name, value) in query.headers {
        let wrong = || format!("the header {name:?} with the value {value:?}");
        let name = HeaderName::from_bytes(name.as_bytes()).with_context(wrong)?;
        fields.append(name, HeaderValue::from_str(value).with_context(wrong)?);
    }
    Ok((method, fields))
}

/// The request that is asked about, read as one that comes is.
fn target(query: &Query<'_>, method: &Method) -> anyhow::Result<RequestTarget> {
    let refused = || {
        let host = query.host.map(|host| format!(" for the host {host:?}")).unwrap_or_default();
        format!("the path {:?}{host} would be refused", query.path)
    };
    let mut headers = HeaderMap::new();
    if let Some(host) = query.host {
        headers.insert(HOST, HeaderValue::from_str(host).with_context(refused)?);
    }
    // Only HTTP/1.0 has requests without a host.
    let version = if headers.is_empty() { Version::HTTP_10 } else { Version::HTTP_11 };
    let uri: Uri = query.path.parse().with_context(refused)?;
    RequestTarget::parse(method, version, &uri, &headers).with_context(refused)
}

/// What the application would be told.
fn told(
    route: &Route,
    service: Option<&dyn LocalService>,
    permit: &Permit,
    presented: &Presented,
    standing: &crate::auth::Standing,
) -> Vec<(String, String)> {
    let home;
    let upstream = match (service, &route.target) {
        (None, Target::Upstream(upstream)) => upstream,
        (None, Target::ByAccount(homes)) => {
            let Ok(found) = homes.of(permit.identity().map(|identity| &*identity.account)) else { return Vec::new() };
            home = found;
            &home
        }
        _ => return Vec::new(),
    };
    let path: Vec<&[u8]> =
        standing.path.iter().flat_map(|path| &path.certificates).map(|certificate| certificate.der.as_ref()).collect();
    let certificate = presented.facts.as_ref().ok().filter(|_| !path.is_empty());
    let certificate = certificate.map(|facts| Shown { facts, path: &path });
    upstream
        .identity
        .prepare(permit, certificate)
        .iter()
        .map(|(name, value)| {
            let shown = if value.is_sensitive() { b"(secret)".as_slice() } else { value.as_bytes() };
            (name.to_string(), String::from_utf8_lossy(shown).into_owned())
        })
        .collect()
}
