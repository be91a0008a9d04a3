//! The way through: a permitted request as its application is to see it, and the answer as its client is.

use super::body::{ClientBody, Pace, Received, ReplyBody};
use super::client::Told;
use super::doubt::{Running, Terms, no_longer_permitted};
use super::forward::{ForwardError, Way, forward};
use super::gate::{Asserted, Route, RoutedUpstream};
use super::headers::identity::ClientCertificate;
use super::headers::strip::{self, HopByHop};
use super::headers::{cookies, forwarded, remove_authorization};
use super::measure::failure;
use super::path::RequestTarget;
use super::reply::REQUEST_ID;
use super::tunnel::Near;
use super::upgrade::upgrade;
use super::{Exchange, Worker, authorized, serve, via};
use crate::assertion::{Held, Subject};
use crate::auth::decision::{ClientVerify, Permit};
use crate::auth::{Proof, Standing};
use crate::base::clock::Timestamp;
use crate::certificate::facts::CertificateFacts;
use crate::certificate::name::COMMON_NAME;
use crate::config::{HashKey, Method};
use crate::identity::claim::Claim;
use crate::revocation::live::Key;
use crate::upstream::balance::hash;
use crate::upstream::outward;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE, EXPECT, HOST};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use hyper::upgrade::OnUpgrade;
use std::sync::Arc;
use std::time::Instant;

/// A request that may pass, and what is known of it.
pub(super) struct Passage<'a> {
    pub(super) exchange: &'a Exchange<'a>,
    pub(super) permit: &'a Permit,
    /// The password that the permit rests on, if it does.
    pub(super) proof: Option<&'a Arc<Proof>>,
    pub(super) upstream: &'a RoutedUpstream,
    pub(super) route: &'a Route,
    pub(super) target: &'a RequestTarget,
    /// What the upstream is asked for in its place, where the route rewrites it.
    pub(super) asked: Option<PathAndQuery>,
    /// Whose the request says it is, where the route asks for it.
    pub(super) claim: Option<&'a Arc<Claim>>,
    pub(super) standing: &'a Arc<Standing>,
}

impl Passage<'_> {
    /// Sends the request on, and gives the answer back.
    ///
    /// # Errors
    /// When the upstream gives no answer, or the client's body breaks off before there is one.
    pub(super) async fn pass(
        self,
        worker: &Worker,
        mut head: Box<Parts>,
        incoming: Received,
    ) -> Result<Response<ReplyBody>, ForwardError> {
        let (exchange, permit, upstream) = (self.exchange, self.permit, &self.upstream.upstream);
        if via::goes_round(&head.headers) {
            return Err(ForwardError::Loop { upstream: upstream.name.clone() });
        }
        let running = Running::begin(exchange.client, &exchange.look, self.proof);
        // A tunnel is decided anew by what it was asked for with, as it came.
        let came = head.extensions.get::<OnUpgrade>().map(|_| Box::new(head.headers.clone()));
        let hop = exchange.gate.stripper.strip_request(&mut head.headers);
        self.tell(&mut head.headers);
        via::add(&mut head.headers, head.version);
        let most = self.upstream.most_held(head.method.is_idempotent());
        let incoming = match most {
            0 => incoming,
            // In boxes of their own, here and below: most requests need none, and all would be larger by them.
            most => Box::pin(authorized::held(incoming, most, exchange.gate.timeouts.idle, exchange.room())).await?,
        };
        let (mut request, client) = self.request(head, incoming);
        let (key, said) = self.way(request.headers());
        let way = Way { key, said: said.as_ref(), notes: &exchange.notes };
        let asked = Instant::now();
        if let (Some(client), Some(_)) = (client, &hop.upgrade) {
            hop.apply(request.headers_mut());
            let terms = self.terms(running, &request, came.map(|headers| *headers).unwrap_or_default());
            // What it holds of the client's allowances it holds as long as the tunnel.
            let (ended, taken) = (no_longer_permitted(Arc::clone(&worker.gate), terms), exchange.taken.clone());
            let ended = async move {
                let reason = ended.await;
                drop(taken);
                reason
            };
            let near = Near::new(client, exchange.client, exchange.gate.held.buffers());
            let response = Box::pin(upgrade(permit, upstream, way, near, *request, ended, worker.leaving())).await;
            return Ok(self.passed_back(self.counted(asked, response)?));
        }
        HopByHop { upgrade: None, ..hop }.apply(request.headers_mut());
        let response = match upstream.authorization {
            Some(_) => Box::pin(authorized::forward(permit, upstream, way, &worker.pools, request)).await,
            None => forward(permit, upstream, way, &worker.pools, request).await,
        };
        let mut response = self.passed_back(self.counted(asked, response)?);
        response.body_mut().run(running);
        Ok(response)
    }

    /// The request to the upstream; and the client's connection, if it is to change its protocol.
    fn request(&self, head: Box<Parts>, incoming: Received) -> (Box<Request<ClientBody>>, Option<OnUpgrade>) {
        let Parts { method, version, mut headers, mut extensions, .. } = *head;
        let gate = self.exchange.gate;
        let pace = Pace::of(&gate.timeouts, self.route.least_upload);
        let client = &self.exchange.client;
        let over = (&client.activity, serve::ahead(client.connection.tls.http2, gate.limits.head));
        let body = ClientBody::new(incoming, self.route.body_limit, pace, &gate.stripper, over);
        body.announce(&mut headers);
        let mut request = Box::new(Request::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(self.asked.as_ref().unwrap_or(self.target.path_and_query()).clone());
        *request.headers_mut() = headers;
        // HTTP/2 has no upgrades (RFC 9113, section 8.6), and what has a body is no WebSocket.
        let client =
            extensions.remove::<OnUpgrade>().filter(|_| version == Version::HTTP_11 && request.body().is_none());
        (request, client)
    }

    /// What a tunnel rests on that is asked for with this request, which came with these fields.
    fn terms(&self, running: Running, request: &Request<ClientBody>, came: HeaderMap) -> Terms {
        let Self { exchange, permit, route, target, .. } = self;
        let came_under = &exchange.client.connection.policy;
        // The tunnel is the connection from now on, and outlives this configuration.
        exchange.look.add(&Key::Routes);
        Terms {
            running,
            target: RequestTarget::clone(target),
            method: request.method().clone(),
            headers: without_secrets(came),
            number: exchange.look.number(),
            epoch: exchange.gate.epoch,
            trust: route.trust(came_under).map(str::to_owned),
            claim: self.claim.map(Arc::clone),
            policy: route.policy(came_under).clone(),
            identity: permit.identity().cloned(),
            address: exchange.address(),
        }
    }

    /// What the request is hashed by, and what servers are told on a connection before it.
    fn way(&self, headers: &HeaderMap) -> (Option<u64>, Option<Arc<[u8]>>) {
        let upstream = &self.upstream.upstream;
        let key = upstream.hashed_by().and_then(|by| self.key(by, headers));
        (key, upstream.takes_proxy_protocol().then(|| self.said()))
    }

    /// Who the client is, in the PROXY protocol. A certificate that was not accepted is not shown to be there.
    fn said(&self) -> Arc<[u8]> {
        let connection = &self.exchange.client.connection;
        let accepted = connection.facts().filter(|_| self.permit.client_verify() == ClientVerify::Success);
        outward::header(&outward::Said {
            source: self.exchange.origin().unwrap_or(connection.peer),
            destination: connection.local,
            version: connection.tls.version,
            server_name: connection.tls.server_name.as_deref(),
            protocol: if connection.tls.http2 { "h2" } else { "http/1.1" },
            common_name: accepted.map(common_name),
        })
        .into()
    }

    /// What the request is hashed by, if it has that.
    fn key(&self, by: &HashKey, headers: &HeaderMap) -> Option<u64> {
        match by {
            HashKey::Account => self.permit.identity().map(|identity| hash(identity.account.username.as_bytes())),
            HashKey::ClientAddress => Some(hash(self.exchange.address().to_canonical().to_string().as_bytes())),
            HashKey::Cookie(name) => cookies::value(headers, name).map(|value| hash(value.as_bytes())),
            HashKey::Header(name) => headers.get(name).map(|value| hash(value.as_bytes())),
        }
    }

    /// Counts what has come of asking the upstream at that instant.
    fn counted<B>(
        &self,
        asked: Instant,
        response: Result<Response<B>, ForwardError>,
    ) -> Result<Response<B>, ForwardError> {
        let Self { upstream, exchange, .. } = self;
        let answered = match &response {
            Ok(response) => {
                let took = asked.elapsed();
                upstream.numbers.answers.answered(response.status(), took);
                Some((response.status(), took))
            }
            Err(error) => {
                upstream.numbers.answers.failed(failure(error));
                None
            }
        };
        exchange.notes.passed(&upstream.upstream.name, answered);
        response
    }

    /// Says to the application who asks, from where, for what: after whatever the client said of it is gone.
    fn tell(&self, headers: &mut HeaderMap) {
        let Self { exchange, upstream, .. } = self;
        remove_authorization(headers, &self.route.own_credentials);
        if upstream.upstream.authorization.is_some() || upstream.identity.logs_in() {
            // The upstream knows us, and what the client says of itself is not for another domain to see.
            headers.remove(AUTHORIZATION);
        }
        // The gate has answered it: the body is read as soon as the upstream takes it.
        headers.remove(EXPECT);
        cookies::remove_from_request(headers);
        join_cookies(headers);
        let authority = self.target.authority();
        self.say_who(authority, headers);
        if let Some(origin) = exchange.origin() {
            // Another client may stand behind each request of this connection.
            forwarded::prepare(origin.ip(), exchange.client.connection.local.port(), authority).apply(headers);
        }
        if let Some(authority) = authority {
            headers.insert(HOST, authority.clone());
        }
        if let Ok(id) = HeaderValue::from_str(exchange.id.as_str()) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(rewrite) = &self.route.rewrite {
            rewrite.request(headers, self.permit.identity().map(|identity| &*identity.account));
        }
    }

    /// The answer as its client is to see it.
    fn passed_back<B>(&self, response: Response<B>) -> Response<ReplyBody>
    where
        ReplyBody: From<B>,
    {
        let mut response = passed_back(response);
        if let Some(rewrite) = &self.route.rewrite {
            rewrite.answer(response.headers_mut(), self.target.authority());
        }
        response
    }

    /// Says who asks, for what authority.
    pub(super) fn say_who(&self, authority: Option<&HeaderValue>, headers: &mut HeaderMap) {
        let Self { exchange, permit, upstream, standing, .. } = self;
        match permit.identity() {
            Some(identity) if identity.method != Method::Certificate => {
                exchange.client.told(authority, |held| self.identity(held)).apply(headers);
            }
            identity => {
                let named = identity.is_some();
                let (at, identity) = (exchange.at.timestamp(), |held: &mut Held| self.identity(held));
                exchange.client.prepared(standing, upstream.index, named, authority, at, identity).apply(headers);
            }
        }
    }

    /// Who asks, in the upstream's own headers. What is signed is taken from what the connection holds.
    fn identity(&self, held: &mut Held) -> Told {
        let certificates = self.standing.path.iter().flat_map(|path| &path.certificates);
        let path: Vec<&[u8]> = certificates.map(|certificate| certificate.der.as_ref()).collect();
        let facts = self.exchange.client.connection.facts();
        let certificate = facts.filter(|_| !path.is_empty()).map(|facts| ClientCertificate { facts, path: &path });
        let mut fields = self.upstream.identity.prepare(self.permit, certificate);
        let mut until = Timestamp::FAR_FUTURE;
        let subject = Subject::of(self.permit, facts, self.proof.map(Arc::as_ref));
        if let (Some(Asserted { header, terms, issuer }), Some(subject)) = (&self.upstream.assertion, subject) {
            match held.assertion(issuer, terms, subject, self.exchange.at.timestamp()) {
                Ok(assertion) => {
                    fields.push(header, assertion.token);
                    until = assertion.renew_at;
                }
                // The application verifies what is not there, and turns the request away.
                Err(error) => {
                    tracing::error!(request = %self.exchange.id, %error, "cannot sign an assertion");
                    until = self.exchange.at.timestamp();
                }
            }
        }
        Told { fields, until }
    }
}

/// What routes are chosen by of a head that is kept for long.
fn without_secrets(mut headers: HeaderMap) -> HeaderMap {
    headers.remove(AUTHORIZATION);
    headers.remove(COOKIE);
    headers
}

/// The most specific common name of a certificate's subject; empty if it has none.
fn common_name(facts: &CertificateFacts) -> &str {
    let names = facts.subject.attributes.iter().rev().filter(|attribute| attribute.oid == COMMON_NAME);
    names.map(|attribute| attribute.value.as_str()).next().unwrap_or_default()
}

/// What is kept of a response's head: all but what ended at this hop.
fn passed_back<B>(response: Response<B>) -> Response<ReplyBody>
where
    ReplyBody: From<B>,
{
    let (mut parts, body) = response.into_parts();
    let hop = strip::strip_response(&mut parts.headers);
    cookies::remove_from_response(&mut parts.headers);
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        hop.apply(&mut parts.headers);
    }
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let body = ReplyBody::from(body);
    // A length beside another framing says nothing of the body (RFC 9112, section 6.3), and the client would
    // be given no more of it than that.
    if body.size_hint().exact().is_none() || !has_one_length(&mut parts.headers) {
        parts.headers.remove(CONTENT_LENGTH);
    }
    Response::from_parts(parts, body)
}

/// Makes one length of several that are the same (RFC 9110, section 8.6); `false` if they are not, which nobody has
/// looked at where there is no body, as in an answer to HEAD.
fn has_one_length(headers: &mut HeaderMap) -> bool {
    let plain = |value: &HeaderValue| value.as_bytes().iter().all(u8::is_ascii_digit);
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    match (values.next(), values.next()) {
        (None, _) => return true,
        (Some(one), None) if plain(one) => return true,
        _ => {}
    }
    let said = headers.get_all(CONTENT_LENGTH).iter().flat_map(|value| value.as_bytes().split(|octet| *octet == b','));
    let mut lengths = said.map(|length| std::str::from_utf8(length.trim_ascii()).ok()?.parse::<u64>().ok());
    let Some(Some(first)) = lengths.next() else { return false };
    let agreed = lengths.all(|length| length == Some(first));
    if agreed {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(first));
    }
    agreed
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_said_once_or_not_at_all() {
        for (said, expected) in [
            (&[][..], Some(None)),
            (&["2"], Some(Some("2"))),
            (&["2", "2"], Some(Some("2"))),
            (&["2, 2"], Some(Some("2"))),
            (&["2", "02"], Some(Some("2"))),
            (&["2", "3"], None),
            (&["2, 3"], None),
            (&["2,"], None),
            (&["two"], None),
            (&["-2"], None),
            (&["99999999999999999999, 99999999999999999999"], None),
        ] {
            let mut headers: HeaderMap =
                said.iter().map(|value| (CONTENT_LENGTH, HeaderValue::from_static(value))).collect();
            let one = has_one_length(&mut headers);
            assert_eq!(one, expected.is_some(), "{said:?}");
            if let Some(expected) = expected {
                let left: Vec<_> =
                    headers.get_all(CONTENT_LENGTH).iter().map(|value| value.to_str().unwrap()).collect();
                assert_eq!(left, expected.into_iter().collect::<Vec<_>>(), "{said:?}");
            }
        }
    }
}
