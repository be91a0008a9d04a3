//! WebSocket and other upgrades (RFC 9110, section 7.8; RFC 6455): the request goes over a connection of its
//! own, and once both sides have switched, it is a `tunnel`.

use super::authorized::Asked;
use super::body::ClientBody;
use super::forward::{ForwardError, Head, Way};
use super::measure::failure;
use super::tunnel::{Near, Protocol, tunnel};
use crate::auth::decision::Permit;
use crate::base::reason::Reason;
use crate::telemetry::metrics::UpstreamFailure;
use crate::upstream::{Server, Ticket, Tour, Upstream, open_for_one};
use http::header::{HOST, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

/// Sends an upgrade request, with its `Upgrade` and `Connection`, to an upstream. If it switches, what comes and goes is passed on by a task of
/// its own, until `ended` says why it must end, or `leaving` that the process does; else its response is an ordinary one.
///
/// # Errors
/// When no server answers in time.
pub(super) async fn upgrade(
    _: &Permit,
    upstream: &Upstream,
    way: Way<'_>,
    client: Near,
    request: Request<ClientBody>,
    ended: impl Future<Output = Reason> + Send + 'static,
    leaving: impl Future<Output = ()> + Send + 'static,
) -> Result<Response<Incoming>, ForwardError> {
    let websocket =
        request.headers().get(UPGRADE).is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let protocol = if websocket { Protocol::WebSocket } else { Protocol::Other };
    let mut asked = Asked::new(upstream);
    let again = upstream.authorization.as_ref().map(|_| Head::of(&request));
    let (mut response, mut ticket) =
        ask(upstream, (upstream.tour(way.key), way), request, |to, what| asked.prepare(to, what)).await?;
    if let Some(again) = again.filter(|_| response.status() == StatusCode::UNAUTHORIZED) {
        asked.challenged(response.headers())?;
        let same = asked.server.clone().map_or_else(|| upstream.tour(way.key), |server| upstream.tour_to(server));
        drop(ticket);
        (response, ticket) =
            ask(upstream, (same, way), again.into_request(), |to, what| asked.prepare(to, what)).await?;
    }
    asked.answered(&mut response)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let server = hyper::upgrade::on(&mut response);
        tokio::spawn(async move {
            tunnel(client, server, protocol, ended, leaving).await;
            // It was under way at the server until now.
            drop(ticket);
        });
    }
    Ok(response)
}

/// Sends the request over a connection of its own to one of the servers of this tour; `prepare` makes it ready for each. Gives
/// the place at the server, too.
async fn ask(
    upstream: &Upstream,
    (mut tour, way): (Tour<'_>, Way<'_>),
    mut request: Request<ClientBody>,
    mut prepare: impl FnMut(&Arc<Server>, &mut Request<ClientBody>),
) -> Result<(Response<Incoming>, Option<Ticket>), ForwardError> {
    let name = || upstream.name.clone();
    let hostless = !request.headers().contains_key(HOST);
    let mut last = None;
    loop {
        let server = match tour.next().await {
            Ok(Some(server)) => server,
            Ok(None) => return Err(last.unwrap_or_else(|| ForwardError::nobody(upstream))),
            Err(source) => return Err(ForwardError::Busy { upstream: name(), source }),
        };
        let attempt = way.notes.attempt(&server, request.headers_mut());
        let stream = match open_for_one(&server, upstream.timeouts.connect, way.said.map(|said| &**said)).await {
            Ok(stream) => stream,
            Err(source) => {
                upstream.failed(&server, UpstreamFailure::Connect, &source);
                last = Some(ForwardError::Connect { upstream: name(), source });
                continue;
            }
        };
        let failed = |error: ForwardError| {
            upstream.failed(&server, failure(&error), &error);
            error
        };
        let broken = |source| failed(ForwardError::broken(upstream, &server, source));
        let (mut sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(driver.with_upgrades());
        *request.version_mut() = Version::HTTP_11;
        prepare(&server, &mut request);
        if hostless && let Ok(name) = HeaderValue::from_str(&server.authority()) {
            request.headers_mut().insert(HOST, name);
        }
        let (limit, sent) = (upstream.timeouts.response, Instant::now());
        let response = tokio::time::timeout(limit, sender.send_request(request))
            .await
            .map_err(|_| failed(ForwardError::TimedOut { upstream: name(), server: server.name().clone(), limit }))?
            .map_err(broken)?;
        upstream.answered(&server, response.status(), sent.elapsed());
        if let Some(attempt) = attempt {
            attempt.answered(response.status().as_u16());
        }
        return Ok((response, server.ticket()));
    }
}
