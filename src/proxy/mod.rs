//! One request, from its head to its answer, top to bottom: read the target, route it, gather evidence,
//! decide, forward or reply. Each step consumes what the one before made and never calls back.

pub mod allowance;
mod authorized;
pub mod body;
pub mod buffers;
pub mod by_account;
pub mod client;
mod credentials;
mod doubt;
pub mod forward;
pub mod framing;
pub mod front;
pub mod gate;
pub mod headers;
pub mod held;
mod measure;
mod passage;
pub mod path;
pub mod piece;
pub mod preauth;
mod record;
pub mod redirect;
pub mod reply;
mod respell;
mod resting;
pub mod rewrite;
pub mod router;
pub mod serve;
pub mod service;
mod tunnel;
pub mod upgrade;
mod via;
mod websocket;

pub use client::Client;
pub use gate::{Gate, GateParts, RouteParts};
pub use headers::Prepared;

use crate::account::Status;
use crate::auth::Standing;
use crate::auth::authorization::{Denied, Origin};
use crate::auth::decision::{CertificateEvidence, ClaimEvidence, Evidence, Finding, Permit, Verdict, decide, denied};
use crate::base::address::AddressPrefix;
use crate::base::clock::Moment;
use crate::base::reason::Reason;
use crate::config::{CountedBy, OnRejected};
use crate::identity::claim::Claim;
use crate::revocation::live::{Live, Look};
use crate::telemetry::audit::Outcome;
use crate::telemetry::request_id::RequestId;
use crate::upstream::pool::Pools;
use allowance::{Allowance, Exceeded, Taken, Whose};
use arc_swap::ArcSwap;
use body::{ClientBody, Received, ReplyBody, UploadFault};
use client::Serving;
use forward::ForwardError;
use gate::{Route, RoutedUpstream, Target};
use headers::origin::Unreadable;
use held::Room;
use http::header::{ACCEPT, ALLOW, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use measure::{Known, Notes};
use passage::Passage;
use path::RequestTarget;
use preauth::Preauth;
use record::About;
use redirect::Redirect;
use reply::Refusal;
use router::{Asked, Miss};
use service::{Call, LocalService};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Says that the password was right, and what goes on from there (RFC 7616, section 3.5).
const AUTHENTICATION_INFO: HeaderName = HeaderName::from_static("authentication-info");
/// When to try again after the database gave no answer, all servers were busy, or there was no room for a body.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What one worker thread has of its own, and the configuration that all share.
pub struct Worker {
    gate: Arc<ArcSwap<Gate>>,
    live: Arc<Live>,
    pools: Arc<Pools<ClientBody>>,
    /// True once the process is about to end.
    pub draining: watch::Receiver<bool>,
}

impl Worker {
    /// A worker without connections; those that it gets are registered with `live`.
    #[must_use]
    pub fn new(gate: Arc<ArcSwap<Gate>>, live: Arc<Live>, draining: watch::Receiver<bool>) -> Arc<Self> {
        Arc::new(Self { gate, live, pools: Pools::new(), draining })
    }

    /// The configuration in force.
    #[must_use]
    pub fn gate(&self) -> Arc<Gate> {
        self.gate.load_full()
    }

    /// Comes when a tunnel is to be told that the process ends: each at a time of its own within the first third of
    /// `timeouts.drain`, so that those who come again do not come all at once.
    fn leaving(&self) -> impl Future<Output = ()> + Send + use<> {
        let (mut draining, gate) = (self.draining.clone(), Arc::clone(&self.gate));
        async move {
            // A process that is gone tells nobody anything.
            let _ = draining.wait_for(|draining| *draining).await;
            let mut part = [0];
            // Without randomness all go at once.
            let _ = aws_lc_rs::rand::fill(&mut part);
            let within = gate.load().timeouts.drain / 3;
            tokio::time::sleep(within * u32::from(part[0]) / u32::from(u8::MAX)).await;
        }
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
    /// Begun before the configuration was taken and anything was asked.
    look: Look<'a>,
    gate: &'a Arc<Gate>,
    id: RequestId,
    /// When it came.
    at: Moment,
    /// Where it came from, if a trusted proxy says so.
    origin: Result<Option<SocketAddr>, Unreadable>,
    /// What is counted of it.
    notes: Notes,
    /// What it holds of its client's allowances until it ends.
    taken: Taken,
    /// Whether a front asks about it, which sends it on itself.
    for_front: bool,
}

/// What the stages before admission have made of a request.
struct Routed<'a> {
    target: &'a RequestTarget,
    route: &'a Route,
    /// What answers instead of the route's target, at a path that is reserved for it.
    service: Option<&'a dyn LocalService>,
    /// Whose the request says it is, where the route asks for it.
    claim: Option<&'a Arc<Claim>>,
    standing: &'a Arc<Standing>,
}

/// What an answer of our own depends on: kept because the request itself may be on its way by then.
struct Page {
    method: http::Method,
    /// `Accept` alone.
    headers: HeaderMap,
}

impl Page {
    fn of(head: &Parts) -> Self {
        let mut headers = HeaderMap::new();
        for accept in head.headers.get_all(ACCEPT) {
            headers.append(ACCEPT, accept.clone());
        }
        Self { method: head.method.clone(), headers }
    }
}

/// Answers one request, whose head is in a box because it passes through many hands.
///
/// # Errors
/// When the connection is to be closed without a response.
pub async fn handle(
    client: Arc<Client>,
    worker: Arc<Worker>,
    head: Box<Parts>,
    incoming: Incoming,
) -> Result<Response<ReplyBody>, Closed> {
    let look = client.registration.look();
    let gate = worker.gate();
    if let Some(listener) = gate.front(&client.connection) {
        // In a box of its own: most requests are no questions, and all would be larger by it.
        let listener = Arc::clone(listener);
        return Box::pin(front::handle(&listener, Arc::clone(&client), worker, gate, head, incoming)).await;
    }
    let mut serving = Serving::begin(&client);
    if client.activity.gives_up_most() {
        let (connection, peer) = (client.connection.id, client.connection.peer);
        tracing::info!(%connection, client = %peer, "connection closed: it gives up most of its requests before their answers");
        client.condemn();
        return Err(Closed(Reason::RateLimited));
    }
    let origin = gate.origin(&client.connection, &head.headers);
    let (id, at) = (RequestId::random(), Moment::now());
    let (log, tracer) = (gate.access.as_ref(), gate.tracer.as_ref());
    let known = Known { log, tracer, client: &client, id, at, origin: origin.ok().flatten() };
    let notes = Notes::begin(&head, (log.is_some() || tracer.is_some()).then_some(known));
    let taken = Taken::default();
    let exchange = Exchange { client: &client, look, gate: &gate, id, at, origin, notes, taken, for_front: false };
    let mut response = exchange.run(&worker, head, incoming).await?;
    let Exchange { mut notes, taken, .. } = exchange;
    serving.answered();
    notes.answered(response.status());
    response.body_mut().serve(serving, notes, taken);
    Ok(response)
}

impl Exchange<'_> {
    /// From a head to what is answered.
    async fn run(
        &self,
        worker: &Worker,
        mut head: Box<Parts>,
        incoming: Incoming,
    ) -> Result<Response<ReplyBody>, Closed> {
        if let Some(uri) = self.gate.respelled(&head) {
            head.uri = uri;
        }
        let page = Page::of(&head);
        if !framing::is_certain(&head.headers) {
            let detail = Some("the transfer coding is not `chunked` alone".to_owned());
            let about = About { raw_target: Some(head.uri.path()), detail, ..About::of(&page) };
            let mut response = self.refuse(&about, Reason::BadRequest);
            // Nobody can tell where the next request would begin.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return Ok(response);
        }
        if let Err(unreadable) = self.origin {
            let about =
                About { raw_target: Some(head.uri.path()), detail: Some(unreadable.to_string()), ..About::of(&page) };
            return Ok(self.refuse(&about, Reason::BadRequest));
        }
        if let Some(allowance) = &self.gate.per_address
            && let Err(exceeded) = self.take(allowance, None).map(|slot| self.taken.hold_of_address(slot))
        {
            let about = About { raw_target: Some(head.uri.path()), ..About::of(&page) };
            return Ok(self.too_many(&about, "limits.requests_per_address", exceeded));
        }
        let target = match RequestTarget::parse(&head.method, head.version, &head.uri, &head.headers) {
            Ok(target) => target,
            Err(error) => {
                // Without the query, which may hold secrets.
                let detail = Some(error.to_string());
                let about = About { raw_target: Some(head.uri.path()), detail, ..About::of(&page) };
                return Ok(self.refuse(&about, Reason::BadRequest));
            }
        };
        if self.for_front && !target.came_as_read() {
            // The front sends on what it got, whose application may route by another reading of it.
            let detail = Some("the path is not spelled as it is read, and a front sends it on as it came".to_owned());
            let about = About { raw_target: Some(head.uri.path()), detail, ..About::of(&page) };
            return Ok(self.refuse(&about, Reason::BadRequest));
        }
        let about = About { target: Some(&target), ..About::of(&page) };
        let most = self.gate.limits.headers;
        if head.headers.len() > most && fields(&head.headers) > most {
            return Ok(self.refuse(&about, Reason::TooLarge));
        }
        let Some(listener) = self.gate.listener(&self.client.connection, target.host()) else {
            return Ok(self.refuse(&about, Reason::Misdirected));
        };
        let asked = Asked { method: &head.method, headers: &head.headers };
        let (route, service) = match self.gate.find(listener, &target, &asked) {
            Ok(found) => found,
            Err(miss) => return Ok(self.missed(about, miss)),
        };
        self.notes.routed(route);
        let came_under = &self.client.connection.policy;
        let (policy, address) = (route.policy(came_under), self.address());
        if let Err(denied) = policy.authorization.judge_address(address) {
            // Where nobody may pass, nobody is made out.
            return Ok(self.deny(&About { route: Some(route), ..about }, &denied));
        }
        if let Some(allowance) = route.allowance.as_ref().filter(|allowance| allowance.by == CountedBy::Address)
            && let Err(exceeded) = self.take(allowance, None).map(|slot| self.taken.hold_of_route(slot))
        {
            // Before anything is asked of anybody.
            return Ok(self.too_many(&About { route: Some(route), ..about }, "the route's limits", exceeded));
        }
        let claim = route.claim.as_ref().map(|rule| {
            let values = headers::claim::values(&head.headers, rule.header());
            Arc::new(rule.read(values))
        });
        let (at, now) = (self.at.timestamp(), self.notes.began);
        let trust = route.trust(came_under);
        let standing = self.client.standing(&self.look, self.gate, trust, claim.as_ref(), at, now).await;
        let authorization_sent = head.headers.contains_key(AUTHORIZATION);
        let unclaimed = claim.as_ref().is_some_and(|claim| claim.said.is_err());
        // In a box of its own: most requests have none, and all would be larger by it.
        let (credentials, received) = match policy.asks_credentials(&standing.evidence) {
            // A password of nobody in particular is tried by nobody.
            true if authorization_sent && unclaimed => (None, Received::Streaming(incoming)),
            true => match Box::pin(self.credentials(policy, &head, &target, route, incoming)).await {
                Ok((credentials, received)) => (Some(credentials), received),
                Err(fault) => {
                    let about = About { route: Some(route), detail: Some(fault.to_string()), ..about };
                    return Ok(self.refuse(&about, refusal_of(fault)));
                }
            },
            false => (None, Received::Streaming(incoming)),
        };
        let about = About { route: Some(route), standing: Some(&standing), credentials: credentials.as_ref(), ..about };
        let found = credentials.as_ref().map_or(Finding::NotAsked, |credentials| credentials.evidence.clone());
        let proof = credentials.as_ref().and_then(|credentials| credentials.proof.as_deref());
        let evidence = Evidence {
            certificate: standing.evidence.clone(),
            claim: ClaimEvidence::of(claim.as_deref(), proof, &found),
            credentials: found,
            authorization_sent,
            origin: Origin::new(address, standing.path.as_deref()),
        };
        self.notes.gathered();
        match decide(policy, &evidence) {
            Verdict::Permit(permit) => {
                let claim = claim.as_ref();
                let routed = Routed { target: &target, route, service, claim, standing: &standing };
                let mut response = self.admit(worker, &permit, &routed, &about, (head, received)).await;
                let info = credentials.as_ref().and_then(|credentials| credentials.authentication_info.as_deref());
                if let Some(info) = info.and_then(|info| HeaderValue::from_str(info).ok()) {
                    response.headers_mut().insert(AUTHENTICATION_INFO, info);
                }
                Ok(response)
            }
            Verdict::Challenge { reason, stale } => {
                let body = front::length_for_challenge(self.for_front, &received);
                Ok(self.challenge(&about, &head.headers, body, reason, stale))
            }
            Verdict::Redirect(to) => {
                self.record(&about, Outcome::Redirect, None, Some(StatusCode::FOUND), None);
                Ok(reply::redirect(&to, &page.method, self.id.as_str()).map(ReplyBody::from))
            }
            Verdict::Refuse(reason) if self.closes(&evidence) => {
                self.record(&about, Outcome::Refuse, Some(reason), None, None);
                self.client.condemn();
                Err(Closed(reason))
            }
            Verdict::Refuse(reason) => Ok(match denied(policy, &evidence) {
                Some(denied) => self.deny(&about, &denied),
                None if reason == Reason::ClaimMismatch && standing.path.is_none() => {
                    let detail = claim.as_ref().map(|claim| claim.contradiction());
                    self.refuse(&About { detail, ..about }, reason)
                }
                None => self.refuse(&about, reason),
            }),
        }
    }

    /// Where the request came from, if that is not where its connection did.
    fn origin(&self) -> Option<SocketAddr> {
        self.origin.ok().flatten()
    }

    /// The address of the request's client, as far as it is known: to count it, to judge it, to show it.
    fn address(&self) -> IpAddr {
        self.origin().unwrap_or(self.client.connection.peer).ip()
    }

    /// Takes one request of an allowance: of the account's if there is one, else of the address's unless that is not
    /// counted.
    fn take(&self, allowance: &Allowance, username: Option<&str>) -> Result<Option<allowance::Slot>, Exceeded> {
        let address = self.address();
        let whose = match username {
            Some(username) => Whose::Account(username),
            None if self.gate.limits.exempts(address) => return Ok(None),
            None => Whose::Address(AddressPrefix::of(address)),
        };
        self.gate.allowances.take(allowance, whose, self.notes.began)
    }

    /// Where bodies of the request may be held.
    fn room(&self) -> Room<'_> {
        self.gate.held.room(self.gate.limits.held_bodies, self.address())
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

    /// Does what the route says with a request that may pass.
    async fn admit(
        &self,
        worker: &Worker,
        permit: &Permit,
        routed: &Routed<'_>,
        about: &About<'_>,
        (head, received): (Box<Parts>, Received),
    ) -> Response<ReplyBody> {
        let Routed { target, route, service, standing, .. } = *routed;
        let (method, id) = (&about.page.method, self.id.as_str());
        let username = permit.identity().map(|identity| identity.account.username.as_str());
        if let Some(allowance) = route.allowance.as_ref().filter(|allowance| allowance.by == CountedBy::Account)
            && let Err(exceeded) = self.take(allowance, username).map(|slot| self.taken.hold_of_route(slot))
        {
            return self.too_many(about, "the route's limits", exceeded);
        }
        self.notes.permitted(permit.identity().map(|identity| identity.method), username);
        let origin = self.origin().map(|origin| origin.ip());
        if self.client.first_admission(standing, route.index, username, origin) {
            self.record(about, Outcome::Permit, None, None, Some(permit));
        }
        if self.for_front {
            return self.permit_front(permit, routed, about);
        }
        let call = |service| Call { exchange: self, permit, service, about, target, standing };
        match (service, &route.target) {
            // In boxes of their own: most requests go to upstreams, and all would be larger by it.
            (Some(service), _) => Box::pin(call(service).run(Request::from_parts(*head, received))).await,
            (None, Target::Service(service)) => {
                Box::pin(call(service.as_ref()).run(Request::from_parts(*head, received))).await
            }
            (None, Target::Redirect(redirect)) => self.redirect(redirect, target, about),
            (None, Target::Preauth(preauth)) => self.log_in(preauth, permit, about),
            (None, Target::Respond(answer)) => reply::of_service(answer.response(), method, id).map(ReplyBody::from),
            (None, Target::Upstream(upstream)) => {
                self.send_on(worker, permit, routed, about, (head, received), upstream).await
            }
            (None, Target::ByAccount(homes)) => match homes.of(permit.identity().map(|identity| &*identity.account)) {
                Ok(upstream) => {
                    Box::pin(self.send_on(worker, permit, routed, about, (head, received), &upstream)).await
                }
                Err(why) => {
                    tracing::warn!(request = %self.id, %why, "there is nowhere to send a request to");
                    let about = About { detail: Some(why.to_string()), ..about.clone() };
                    self.refuse(&about, Reason::UpstreamUnavailable)
                }
            },
        }
    }

    /// Sends a request that may pass to an upstream.
    async fn send_on(
        &self,
        worker: &Worker,
        permit: &Permit,
        routed: &Routed<'_>,
        about: &About<'_>,
        (head, received): (Box<Parts>, Received),
        upstream: &RoutedUpstream,
    ) -> Response<ReplyBody> {
        let Routed { target, route, claim, standing, .. } = *routed;
        let asked = match route.rewrite.as_ref().map(|rewrite| rewrite.target(target)) {
            None | Some(Ok(None)) => None,
            Some(Ok(rewritten)) => rewritten,
            Some(Err(why)) => {
                return self.refuse(&About { detail: Some(why.to_string()), ..about.clone() }, why.reason());
            }
        };
        let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if route.body_limit.is_some_and(|limit| length.is_some_and(|length| length > limit)) {
            return self.refuse(about, Reason::TooLarge);
        }
        let passage = Passage {
            exchange: self,
            permit,
            proof: about.credentials.and_then(|credentials| credentials.proof.as_ref()),
            upstream,
            route,
            target,
            asked,
            claim,
            standing,
        };
        match passage.pass(worker, head, received).await {
            Ok(response) => response,
            Err(error) => self.failed(about, &error),
        }
    }

    /// Sends a request that may pass elsewhere.
    fn redirect(&self, redirect: &Redirect, target: &RequestTarget, about: &About<'_>) -> Response<ReplyBody> {
        match redirect.location(target) {
            Ok(to) => {
                let (status, method) = (redirect.status(), &about.page.method);
                reply::redirect_as(status, &to, method, self.id.as_str()).map(ReplyBody::from)
            }
            Err(why) => self.refuse(&About { detail: Some(why.to_string()), ..about.clone() }, why.reason()),
        }
    }

    /// Sends whoever passes to where they are logged in.
    fn log_in(&self, preauth: &Preauth, permit: &Permit, about: &About<'_>) -> Response<ReplyBody> {
        let Some(identity) = permit.identity() else { return self.refuse(about, Reason::CertificateRequired) };
        match preauth.location(&identity.account, self.at) {
            Ok(location) => {
                reply::redirect_with_secret(&location, &about.page.method, self.id.as_str()).map(ReplyBody::from)
            }
            Err(why) => self.refuse(&About { detail: Some(why.to_string()), ..about.clone() }, Reason::IdentityMissing),
        }
    }

    /// Turns the request away, and puts that on record.
    fn refuse(&self, about: &About<'_>, reason: Reason) -> Response<ReplyBody> {
        let mut refusal = Refusal::new(reason, self.id.as_str());
        if about.route.is_none() {
            // Nothing but the head was looked at.
            refusal = refusal.of_head();
        }
        if matches!(reason, Reason::AccountsUnavailable | Reason::UpstreamBusy | Reason::Overloaded) {
            refusal = refusal.with_retry_after(RETRY_AFTER);
        }
        let held_back = about.credentials.and_then(|credentials| credentials.retry_after);
        if let Some(wait) = about.retry_after.or(held_back) {
            refusal = refusal.with_retry_after(wait);
        }
        self.record(about, Outcome::Refuse, Some(reason), Some(refusal.status()), None);
        refusal.response(&about.page.method, &about.page.headers).map(ReplyBody::from)
    }

    /// Turns away what has no route.
    fn missed(&self, about: About<'_>, miss: Miss) -> Response<ReplyBody> {
        let about = About { detail: Some(miss.to_string()), ..about };
        let mut response = self.refuse(&about, miss.reason());
        if let Miss::Method { allow } = miss {
            response.headers_mut().insert(ALLOW, allow);
        }
        response
    }

    /// Turns away one request more than its client may make.
    fn too_many(&self, about: &About<'_>, limit: &str, exceeded: Exceeded) -> Response<ReplyBody> {
        let detail = Some(format!("{limit}: {exceeded}"));
        let about = About { detail, retry_after: Some(exceeded.retry_after()), ..about.clone() };
        self.refuse(&about, Reason::RateLimited)
    }

    /// Turns away whom the route does not let pass.
    fn deny(&self, about: &About<'_>, denied: &Denied) -> Response<ReplyBody> {
        self.refuse(&About { detail: Some(denied.to_string()), ..about.clone() }, denied.reason())
    }

    fn failed(&self, about: &About<'_>, error: &ForwardError) -> Response<ReplyBody> {
        let reason = match error {
            ForwardError::TimedOut { .. } => Reason::UpstreamTimeout,
            ForwardError::Upload(fault) => refusal_of(*fault),
            ForwardError::Busy { .. } => Reason::UpstreamBusy,
            ForwardError::Loop { .. } => Reason::LoopDetected,
            ForwardError::Connect { .. }
            | ForwardError::Broken { .. }
            | ForwardError::Unasked { .. }
            | ForwardError::Coding { .. }
            | ForwardError::NotLetIn { .. } => Reason::UpstreamUnavailable,
        };
        tracing::warn!(request = %self.id, %reason, %error, "no answer for a permitted request");
        self.refuse(&About { detail: Some(error.to_string()), ..about.clone() }, reason)
    }
}

/// Why a request with such a body is turned away.
fn refusal_of(fault: UploadFault) -> Reason {
    match fault {
        UploadFault::TooLarge => Reason::TooLarge,
        UploadFault::NoRoom => Reason::Overloaded,
        UploadFault::Broken | UploadFault::Paused | UploadFault::Slow => Reason::BadRequest,
    }
}

/// How many fields a head has, as HTTP/1.1 would count them: HTTP/2 may spread its cookies over several.
fn fields(headers: &HeaderMap) -> usize {
    let cookies = headers.get_all(COOKIE).iter().count();
    headers.len() - cookies.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what a function of four arguments gives, without calling it.
    fn size_of_result<A, B, C, D, R>(_: impl Fn(A, B, C, D) -> R) -> usize {
        size_of::<R>()
    }

    #[test]
    fn what_waits_in_a_request_is_small() {
        // All of it is copied when a request begins, and touched in turn with that of every other stream.
        let size = size_of_result(handle);
        assert!(size <= 4096, "{size} octets: box what is large and waits");
    }
}
