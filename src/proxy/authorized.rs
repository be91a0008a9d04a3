//! Requests to an upstream that asks us, not the client, for a password (`upstreams.*.authorization`). The request goes
//! out with credentials if the server has given a nonce, and without if not; a 401 is answered once, by the same request
//! with credentials under the nonce that came with it. A second 401 is the upstream's refusal of us, and never reaches
//! the client, who would take it for its own. What is made of challenges is `upstream::digest`'s business.
//!
//! **Bodies.** A 401 says that the request was not carried out (RFC 9110, section 15.5.2), so it may be sent again whatever its
//! method. Bodies of up to [`MOST_HELD`] octets whose length is known are held for that. Before any other body a HEAD
//! for the same target is sent without credentials, which is safe by definition (RFC 9110, section 9.2.1) and brings a fresh
//! nonce, so that the body is sent once and does not meet a stale one.

use super::body::{ClientBody, Received, UploadFault};
use super::forward::{Answer, ForwardError, Head, Way, discard, send};
use super::held::Room;
use crate::auth::decision::Permit;
use crate::upstream::digest::{self, Credentials, NotLetIn, Sent};
use crate::upstream::pool::Pools;
use crate::upstream::{Server, Upstream};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The largest body that is held to be sent again, in octets.
pub(super) const MOST_HELD: u64 = 64 * 1024;
const AUTHENTICATION_INFO: HeaderName = HeaderName::from_static("authentication-info");

/// A body as it can be sent again, if it has `most` octets at most and there is room for it; read for no longer than
/// `deadline`. Its trailers are gone then.
///
/// # Errors
/// When it breaks off.
pub(super) async fn held(
    body: Received,
    most: u64,
    deadline: Duration,
    room: Room<'_>,
) -> Result<Received, UploadFault> {
    match body.length() {
        Some(length) if length <= most && room.has(length) => {
            body.whole(most, deadline, room).await.map(Received::Whole)
        }
        _ => Ok(body),
    }
}

/// As [`super::forward::forward`], with our own credentials.
///
/// # Errors
/// As there; and when the upstream does not let us in.
pub(super) async fn forward(
    permit: &Permit,
    upstream: &Upstream,
    way: Way<'_>,
    pools: &Arc<Pools<ClientBody>>,
    request: Box<Request<ClientBody>>,
) -> Result<Answer, ForwardError> {
    let mut asked = Asked::new(upstream);
    let (first, second) = match Head::of(&request).with(request.body().again()) {
        Some(again) => (request, Box::new(again)),
        None => {
            asked.quiet = true;
            (Box::new(probe(&request)), request)
        }
    };
    let probing = asked.quiet;
    let mut answer =
        send(permit, upstream, (upstream.tour(way.key), way), pools, first, |to, what| asked.prepare(to, what)).await?;
    if answer.status() == StatusCode::UNAUTHORIZED || probing {
        if answer.status() == StatusCode::UNAUTHORIZED {
            asked.challenged(answer.headers())?;
        }
        discard(answer).await;
        asked.quiet = false;
        let same = asked.server.clone().map_or_else(|| upstream.tour(way.key), |server| upstream.tour_to(server));
        answer = send(permit, upstream, (same, way), pools, second, |to, what| asked.prepare(to, what)).await?;
    }
    asked.answered(&mut answer)?;
    Ok(answer)
}

/// A request that is safe in itself, and that the server treats like this one as far as letting us in goes.
fn probe(request: &Request<ClientBody>) -> Request<ClientBody> {
    let mut probe = Head::of(request).into_request();
    *probe.method_mut() = Method::HEAD;
    for framing in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        probe.headers_mut().remove(framing);
    }
    probe
}

/// What was asked of which server, with which credentials. For an upstream that does not ask who we are, nothing
/// is changed.
pub(super) struct Asked<'u> {
    upstream: &'u Upstream,
    /// The one that was sent to last.
    pub(super) server: Option<Arc<Server>>,
    sent: Option<Sent>,
    /// Whether credentials are held back.
    quiet: bool,
}

impl<'u> Asked<'u> {
    /// Nothing yet.
    pub(super) fn new(upstream: &'u Upstream) -> Self {
        Self { upstream, server: None, sent: None, quiet: false }
    }

    /// Puts our credentials for this server in the place of whatever a request has.
    pub(super) fn prepare<B>(&mut self, server: &Arc<Server>, request: &mut Request<B>) {
        let Some(authorization) = &self.upstream.authorization else { return };
        self.server = Some(Arc::clone(server));
        request.headers_mut().remove(AUTHORIZATION);
        self.sent = None;
        if self.quiet {
            return;
        }
        if let Some((value, sent)) = credentials(authorization, server, request) {
            request.headers_mut().insert(AUTHORIZATION, value);
            self.sent = Some(sent);
        }
    }

    /// Takes up the challenge of a 401.
    pub(super) fn challenged(&self, headers: &HeaderMap) -> Result<(), ForwardError> {
        let (Some(authorization), Some(server)) = (&self.upstream.authorization, &self.server) else { return Ok(()) };
        let challenges = headers.get_all(WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes);
        let taken = authorization.challenged(server.name(), challenges, self.sent.as_ref(), Instant::now());
        taken.map_err(|why| self.error(server, why))
    }

    /// Takes up what an answer says of our credentials, and takes it out.
    ///
    /// # Errors
    /// When it is a 401, which no further request follows.
    pub(super) fn answered<B>(&mut self, answer: &mut Response<B>) -> Result<(), ForwardError> {
        let (Some(authorization), Some(server)) = (&self.upstream.authorization, &self.server) else { return Ok(()) };
        let mut sent = self.sent.take();
        if answer.status() == StatusCode::UNAUTHORIZED {
            let why = match &sent {
                Some(sent) => authorization.refused(server.name(), sent, Instant::now()),
                // A nonce is taken up for the next request, even if it is too late for this one.
                None => match self.challenged(answer.headers()) {
                    Ok(()) => NotLetIn::TooLarge,
                    Err(paused @ ForwardError::NotLetIn { source: NotLetIn::Pausing { .. }, .. }) => {
                        return Err(paused);
                    }
                    Err(_) => NotLetIn::Unanswerable,
                },
            };
            return Err(self.error(server, why));
        }
        if sent.is_some() {
            authorization.let_in(server.name());
        }
        for header in answer.headers().get_all(AUTHENTICATION_INFO) {
            let Some(sent) = &mut sent else { break };
            if authorization.informed(server.name(), sent, header.as_bytes()) == Some(false) {
                // Who could forge an answer could also leave this out, so it shows a mistake and no attack.
                tracing::warn!(upstream = %self.upstream.name, %server, "rspauth is not what our password makes");
            }
        }
        for ours in [AUTHENTICATION_INFO, WWW_AUTHENTICATE] {
            answer.headers_mut().remove(ours);
        }
        Ok(())
    }

    fn error(&self, server: &Server, source: NotLetIn) -> ForwardError {
        ForwardError::NotLetIn { upstream: self.upstream.name.clone(), server: server.name().clone(), source }
    }
}

/// The field that is sent, and what its answer is understood by.
fn credentials<B>(authorization: &Credentials, server: &Server, request: &Request<B>) -> Option<(HeaderValue, Sent)> {
    let target = request.uri().path_and_query()?.as_str();
    let (value, sent) = authorization.authorize(
        server.name(),
        request.method().as_str(),
        target,
        &digest::cnonce()?,
        Instant::now(),
    )?;
    let mut value = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)).ok()?;
    value.set_sensitive(true);
    Some((value, sent))
}
