//! One request, from its head to its answer, top to bottom: read the target, route it, gather evidence,
//! decide, forward or reply. Each step consumes what the one before made and never calls back.

pub mod body;
pub mod client;
pub mod forward;
pub mod framing;
pub mod gate;
pub mod headers;
pub mod path;
mod record;
pub mod reply;
pub mod router;
pub mod serve;
pub mod upgrade;

pub use client::Client;
pub use gate::{Gate, GateParts};
pub use headers::Prepared;

use crate::account::Status;
use crate::auth::decision::{CertificateEvidence, Evidence, Finding, Identity, Permit, Policy, Verdict, decide};
use crate::auth::{DigestFinding, Standing};
use crate::base::clock::Moment;
use crate::base::reason::Reason;
use crate::config::{Method, OnRejected};
use crate::telemetry::audit::Outcome;
use crate::telemetry::request_id::RequestId;
use crate::upstream::pool::Pools;
use arc_swap::ArcSwap;
use body::{ClientBody, ReplyBody, UploadFault};
use bytes::Bytes;
use client::Serving;
use forward::ForwardError;
use gate::{Route, Target};
use headers::identity::ClientCertificate;
use headers::remove_authorization;
use headers::strip::{self, HopByHop};
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use path::RequestTarget;
use record::About;
use reply::{REQUEST_ID, Refusal};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often it is looked whether a tunnel's client is still permitted.
const TUNNEL_CHECK: Duration = Duration::from_secs(1);
/// When to try again after the database gave no answer.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What one worker thread has of its own, and the configuration that all share.
pub struct Worker {
    gate: Arc<ArcSwap<Gate>>,
    pools: Arc<Pools<ClientBody>>,
    /// True once the process is about to end.
    pub draining: watch::Receiver<bool>,
}

impl Worker {
    /// A worker without connections.
    #[must_use]
    pub fn new(gate: Arc<ArcSwap<Gate>>, draining: watch::Receiver<bool>) -> Arc<Self> {
        Arc::new(Self { gate, pools: Pools::new(), draining })
    }

    /// The configuration in force.
    #[must_use]
    pub fn gate(&self) -> Arc<Gate> {
        self.gate.load_full()
    }

    /// Lets go of upstream connections that nobody is going to use.
    pub fn sweep(&self) {
        self.pools.sweep();
    }
}

/// The connection is closed without a response: the strict mode's answer to a refused certificate.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed: {0}")]
pub struct Closed(Reason);

/// A request on its way.
struct Exchange<'a> {
    client: &'a Arc<Client>,
    gate: &'a Arc<Gate>,
    id: RequestId,
    /// When it came.
    at: Moment,
}

/// What an answer of our own depends on: kept because the request itself may be on its way by then.
struct Page {
    method: http::Method,
    /// `Accept` alone.
    headers: HeaderMap,
}

impl Page {
    fn of(head: &http::request::Parts) -> Self {
        let mut headers = HeaderMap::new();
        for accept in head.headers.get_all(ACCEPT) {
            headers.append(ACCEPT, accept.clone());
        }
        Self { method: head.method.clone(), headers }
    }
}

/// Answers one request.
///
/// # Errors
/// When the connection is to be closed without a response.
pub async fn handle(
    client: Arc<Client>,
    worker: Arc<Worker>,
    request: Request<Incoming>,
) -> Result<Response<ReplyBody>, Closed> {
    let serving = Serving::begin(&client);
    let gate = worker.gate();
    let exchange = Exchange { client: &client, gate: &gate, id: RequestId::random(), at: Moment::now() };
    let mut response = exchange.run(&worker, request).await?;
    response.body_mut().serve(serving);
    Ok(response)
}

impl Exchange<'_> {
    async fn run(&self, worker: &Worker, request: Request<Incoming>) -> Result<Response<ReplyBody>, Closed> {
        let (head, incoming) = request.into_parts();
        let page = Page::of(&head);
        if !framing::is_certain(&head.headers) {
            let detail = Some("the transfer coding is not `chunked` alone".to_owned());
            let about =
                About { method: page.method.as_str(), raw_target: Some(head.uri.path()), detail, ..About::default() };
            let mut response = self.refuse(&page, Reason::BadRequest, Vec::new(), &about);
            // Nobody can tell where the next request would begin.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return Ok(response);
        }
        let target = match RequestTarget::parse(&head.method, head.version, &head.uri, &head.headers) {
            Ok(target) => target,
            Err(error) => {
                // Without the query, which may hold secrets.
                let raw = head.uri.path().to_owned();
                let detail = Some(error.to_string());
                let about = About { method: page.method.as_str(), raw_target: Some(&raw), detail, ..About::default() };
                return Ok(self.refuse(&page, Reason::BadRequest, Vec::new(), &about));
            }
        };
        let about = About { method: page.method.as_str(), target: Some(&target), ..About::default() };
        let most = self.gate.limits.headers;
        if head.headers.len() > most && fields(&head.headers) > most {
            return Ok(self.refuse(&page, Reason::TooLarge, Vec::new(), &about));
        }
        let Some(listener) = self.gate.listener(&self.client.connection, target.host()) else {
            return Ok(self.refuse(&page, Reason::Misdirected, Vec::new(), &about));
        };
        let route = match self.gate.router.find(listener, target.host(), target.path()) {
            Ok(route) => route,
            Err(miss) => {
                let about = About { detail: Some(miss.to_string()), ..about };
                return Ok(self.refuse(&page, miss.reason(), Vec::new(), &about));
            }
        };
        let standing = self.client.standing(self.gate, self.at.timestamp(), Instant::now()).await;
        let policy = route.policy(&self.client.connection.policy);
        let digest = self.digest(&head, &target, policy, &standing).await;
        let about = About { route: Some(route), standing: Some(&standing), digest: digest.as_ref(), ..about };
        let evidence = Evidence {
            certificate: standing.evidence.clone(),
            digest: digest.as_ref().map_or(Finding::NotAsked, |digest| digest.evidence.clone()),
            authorization_sent: head.headers.contains_key(AUTHORIZATION),
        };
        match decide(policy, &evidence) {
            Verdict::Permit(permit) => self.admit(worker, permit, head, incoming, &page, &about).await,
            Verdict::Challenge { reason, stale } => {
                let challenges = self.gate.authenticator.challenges(stale, self.at.timestamp());
                Ok(self.refuse(&page, reason, challenges, &about))
            }
            Verdict::Redirect(to) => {
                self.record(&about, Outcome::Redirect, None, Some(StatusCode::FOUND), None);
                Ok(reply::redirect(&to, &page.method, self.id.as_str()).map(ReplyBody::from))
            }
            Verdict::Refuse(reason) if self.closes(&evidence) => {
                self.record(&about, Outcome::Refuse, Some(reason), None, None);
                self.client.condemned.notify_one();
                Err(Closed(reason))
            }
            Verdict::Refuse(reason) => Ok(self.refuse(&page, reason, Vec::new(), &about)),
        }
    }

    /// What the request's Digest credentials say, if the verdict depends on them.
    async fn digest(
        &self,
        head: &http::request::Parts,
        target: &RequestTarget,
        policy: &Policy,
        standing: &Standing,
    ) -> Option<DigestFinding> {
        if !policy.asks_digest(&standing.evidence) {
            return None;
        }
        let authorization = head.headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        Some(
            self.gate
                .authenticator
                .digest(authorization, head.method.as_str(), target.raw(), self.at.timestamp())
                .await,
        )
    }

    /// Whether a refusal closes the connection without a response: where refused certificates were to fail
    /// the handshake, and this one was refused only now. What an accepted one may do is another matter.
    fn closes(&self, evidence: &Evidence) -> bool {
        let refused = match &evidence.certificate {
            CertificateEvidence::Refused(_) => true,
            CertificateEvidence::Account(account) => account.status != Status::Active,
            _ => false,
        };
        refused && self.client.connection.policy.on_rejected == OnRejected::Alert
    }

    async fn admit(
        &self,
        worker: &Worker,
        permit: Permit,
        head: http::request::Parts,
        incoming: Incoming,
        page: &Page,
        about: &About<'_>,
    ) -> Result<Response<ReplyBody>, Closed> {
        let (Some(route), Some(target), Some(standing)) = (about.route, about.target, about.standing) else {
            return Ok(self.refuse(page, Reason::BadRequest, Vec::new(), about));
        };
        let username = permit.identity().map(|identity| identity.account.username.as_str());
        if self.client.first_admission(route.index, username) {
            self.record(about, Outcome::Permit, None, None, Some(&permit));
        }
        match &route.target {
            Target::Redirect(to) => Ok(reply::redirect(to, &page.method, self.id.as_str()).map(ReplyBody::from)),
            Target::Respond { status, body } => {
                Ok(reply::text(*status, body.clone(), &page.method, self.id.as_str()).map(ReplyBody::from))
            }
            Target::Upstream(upstream) => {
                let length =
                    head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
                if route.body_limit.is_some_and(|limit| length.is_some_and(|length| length > limit)) {
                    return Ok(self.refuse(page, Reason::TooLarge, Vec::new(), about));
                }
                match self.pass(worker, &permit, upstream, route, target, standing, head, incoming).await {
                    Ok(response) => Ok(response),
                    Err(error) => Ok(self.failed(page, about, &error)),
                }
            }
        }
    }

    /// The way through: the request as the application is to see it, and its answer.
    #[allow(clippy::too_many_arguments, reason = "they are what the stages before have made")]
    async fn pass(
        &self,
        worker: &Worker,
        permit: &Permit,
        upstream: &gate::RoutedUpstream,
        route: &Route,
        target: &RequestTarget,
        standing: &Arc<Standing>,
        head: http::request::Parts,
        incoming: Incoming,
    ) -> Result<Response<ReplyBody>, ForwardError> {
        let http::request::Parts { method, version, mut headers, mut extensions, .. } = head;
        let hop = self.gate.stripper.strip_request(&mut headers);
        self.prepare(&mut headers, permit, upstream, route, target, standing);
        let body = ClientBody::new(incoming, route.body_limit, self.gate.timeouts.idle, &self.gate.stripper);
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(target.path_and_query().clone());
        request.body().announce(&mut headers);
        // HTTP/2 has no upgrades (RFC 9113, section 8.6), and what has a body is no WebSocket.
        let switch =
            extensions.remove::<OnUpgrade>().filter(|_| version == Version::HTTP_11 && request.body().is_none());
        if let (Some(client), Some(_)) = (switch, &hop.upgrade) {
            hop.apply(&mut headers);
            *request.headers_mut() = headers;
            let policy = route.policy(&self.client.connection.policy).clone();
            let identity = permit.identity().cloned();
            let ended = no_longer_permitted(Arc::clone(self.client), Arc::clone(&worker.gate), policy, identity);
            let response = Box::pin(upgrade::upgrade(permit, &upstream.upstream, client, request, ended)).await?;
            return Ok(passed_back(response));
        }
        HopByHop { upgrade: None, ..hop }.apply(&mut headers);
        *request.headers_mut() = headers;
        Ok(passed_back(forward::forward(permit, &upstream.upstream, &worker.pools, request).await?))
    }

    /// Says to the application who asks, from where, for what: after whatever the client said of it is gone.
    fn prepare(
        &self,
        headers: &mut HeaderMap,
        permit: &Permit,
        upstream: &gate::RoutedUpstream,
        route: &Route,
        target: &RequestTarget,
        standing: &Arc<Standing>,
    ) {
        remove_authorization(headers, route.methods());
        // The gate has answered it: the body is read as soon as the upstream takes it.
        headers.remove(EXPECT);
        join_cookies(headers);
        let make = || {
            let path: Vec<&[u8]> =
                standing.path.iter().flat_map(|path| &path.certificates).map(|c| c.der.as_ref()).collect();
            upstream.identity.prepare(permit, certificate(self.client, &path))
        };
        match permit.identity() {
            Some(identity) if identity.method == Method::Digest => {
                self.client.told(target.authority(), make()).apply(headers);
            }
            identity => {
                let named = identity.is_some();
                self.client.prepared(standing, upstream.index, named, target.authority(), make).apply(headers);
            }
        }
        if let Some(authority) = target.authority() {
            headers.insert(HOST, authority.clone());
        }
        if let Ok(id) = HeaderValue::from_str(self.id.as_str()) {
            headers.insert(REQUEST_ID, id);
        }
    }

    /// Turns the request away and puts that on record.
    fn refuse(&self, page: &Page, reason: Reason, challenges: Vec<String>, about: &About<'_>) -> Response<ReplyBody> {
        let outcome = if challenges.is_empty() { Outcome::Refuse } else { Outcome::Challenge };
        let challenges =
            challenges.into_iter().filter_map(|value| HeaderValue::from_maybe_shared(Bytes::from(value)).ok());
        let mut refusal = Refusal::new(reason, self.id.as_str()).with_challenges(challenges.collect());
        if about.route.is_none() {
            // Nothing but the head was looked at.
            refusal = refusal.of_head();
        }
        if reason == Reason::AccountsUnavailable {
            refusal = refusal.with_retry_after(RETRY_AFTER);
        }
        self.record(about, outcome, Some(reason), Some(refusal.status()), None);
        refusal.response(&page.method, &page.headers).map(ReplyBody::from)
    }

    fn failed(&self, page: &Page, about: &About<'_>, error: &ForwardError) -> Response<ReplyBody> {
        let reason = match error {
            ForwardError::TimedOut { .. } => Reason::UpstreamTimeout,
            ForwardError::Upload(UploadFault::TooLarge) => Reason::TooLarge,
            ForwardError::Upload(_) => Reason::BadRequest,
            ForwardError::Connect { .. } | ForwardError::Broken { .. } | ForwardError::Unasked { .. } => {
                Reason::UpstreamUnavailable
            }
        };
        tracing::warn!(request = %self.id, %reason, %error, "no answer for a permitted request");
        let detail = Some(error.to_string());
        let About { method, raw_target, target, route, standing, digest, .. } = *about;
        let about = About { method, raw_target, target, route, standing, digest, detail };
        self.refuse(page, reason, Vec::new(), &about)
    }
}

/// Waits until a client that became a tunnel under this policy would no longer pass as who it was: its
/// certificate has expired or was revoked, its account is locked or has left the group, or nobody can say.
/// Who passed as nobody in particular waits for ever.
async fn no_longer_permitted(
    client: Arc<Client>,
    gate: Arc<ArcSwap<Gate>>,
    policy: Policy,
    identity: Option<Identity>,
) {
    let Some(Identity { account, method }) = identity else {
        // The client is held all the same: its place is given back when the tunnel ends.
        return std::future::pending().await;
    };
    let username = account.username.as_str();
    loop {
        tokio::time::sleep(TUNNEL_CHECK).await;
        let gate = gate.load_full();
        let standing = client.standing(&gate, Moment::now().timestamp(), Instant::now()).await;
        let digest = match method {
            Method::Digest => gate.authenticator.digest_again(username).await,
            Method::Certificate => Finding::NotAsked,
        };
        let evidence = Evidence { certificate: standing.evidence.clone(), digest, authorization_sent: false };
        let verdict = decide(&policy, &evidence);
        let same = |permit: &Permit| permit.identity().is_some_and(|now| now.account.username == username);
        if !matches!(&verdict, Verdict::Permit(permit) if same(permit)) {
            let (connection, found) = (client.connection.id, standing.last());
            let reason = verdict.reason().map(Reason::as_str);
            return tracing::info!(%connection, client = %client.connection.peer, account = username, reason, found, "tunnel cut");
        }
    }
}

/// What is kept of a response's head: all but what ended at this hop.
fn passed_back<B>(response: Response<B>) -> Response<ReplyBody>
where
    ReplyBody: From<B>,
{
    let (mut parts, body) = response.into_parts();
    let hop = strip::strip_response(&mut parts.headers);
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        hop.apply(&mut parts.headers);
    }
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let body = ReplyBody::from(body);
    // A length beside another framing says nothing of the body (RFC 9112, section 6.3), and the client would
    // be given no more of it than that.
    if body.size_hint().exact().is_none() {
        parts.headers.remove(CONTENT_LENGTH);
    }
    Response::from_parts(parts, body)
}

/// The accepted certificate of a connection, if that is what it has.
fn certificate<'a>(client: &'a Client, path: &'a [&'a [u8]]) -> Option<ClientCertificate<'a>> {
    let facts = client.connection.presented.as_ref()?.facts.as_ref().ok()?;
    (!path.is_empty()).then_some(ClientCertificate { facts, path })
}

/// How many fields a head has, as HTTP/1.1 would count them: HTTP/2 may spread its cookies over several.
fn fields(headers: &HeaderMap) -> usize {
    let cookies = headers.get_all(COOKIE).iter().count();
    headers.len() - cookies.saturating_sub(1)
}

/// HTTP/2 clients may send cookies in several fields, which HTTP/1.1 has in one (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (cookies.next(), cookies.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for cookie in std::iter::once(second).chain(cookies) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(cookie.as_bytes());
    }
    if let Ok(joined) = HeaderValue::from_maybe_shared(Bytes::from(joined)) {
        headers.insert(COOKIE, joined);
    }
}
