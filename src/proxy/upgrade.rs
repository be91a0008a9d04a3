//! WebSocket and other upgrades (RFC 9110, section 7.8; RFC 6455): the request goes over a connection of its
//! own, and once both sides have switched, it is a `tunnel`.

use super::authorized::Asked;
use super::body::ClientBody;
use super::forward::{ForwardError, Head};
use super::tunnel::{Protocol, tunnel};
use crate::auth::decision::Permit;
use crate::base::reason::Reason;
use crate::upstream::pool::{ConnectError, open};
use crate::upstream::{Server, Upstream};
use http::header::UPGRADE;
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::future::Future;

/// Sends an upgrade request, with its `Upgrade` and `Connection`, to an upstream. If it switches, what comes and goes is passed on by a task of
/// its own, until `ended` says why it must end; else its response is an ordinary one.
///
/// # Errors
/// When no server answers in time.
pub async fn upgrade(
    _: &Permit,
    upstream: &Upstream,
    client: OnUpgrade,
    request: Request<ClientBody>,
    ended: impl Future<Output = Reason> + Send + 'static,
) -> Result<Response<Incoming>, ForwardError> {
    let websocket =
        request.headers().get(UPGRADE).is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let protocol = if websocket { Protocol::WebSocket } else { Protocol::Other };
    let mut asked = Asked::new(upstream);
    let again = upstream.authorization.as_ref().map(|_| Head::of(&request));
    let mut response = ask(upstream, upstream.in_turn(), request, |to, what| asked.prepare(to, what)).await?;
    if let Some(again) = again.filter(|_| response.status() == StatusCode::UNAUTHORIZED) {
        asked.challenged(response.headers())?;
        let same = asked.server.into_iter();
        response = ask(upstream, same, again.into_request(), |to, what| asked.prepare(to, what)).await?;
    }
    asked.answered(&mut response)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let server = hyper::upgrade::on(&mut response);
        tokio::spawn(tunnel(client, server, protocol, ended));
    }
    Ok(response)
}

/// Sends the request over a connection of its own to one of these servers; `prepare` makes it ready for each.
async fn ask<'u>(
    upstream: &'u Upstream,
    servers: impl Iterator<Item = &'u Server>,
    mut request: Request<ClientBody>,
    mut prepare: impl FnMut(&'u Server, &mut Request<ClientBody>),
) -> Result<Response<Incoming>, ForwardError> {
    let mut unreachable = None;
    for server in servers {
        let stream = match open(server, upstream.timeouts.connect).await {
            Ok(stream) => stream,
            Err(error) => {
                unreachable = Some(error);
                continue;
            }
        };
        let name = || upstream.name.clone();
        let broken = |source| ForwardError::Broken { upstream: name(), server: server.name().clone(), source };
        let (mut sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(driver.with_upgrades());
        *request.version_mut() = Version::HTTP_11;
        prepare(server, &mut request);
        let limit = upstream.timeouts.response;
        return tokio::time::timeout(limit, sender.send_request(request))
            .await
            .map_err(|_| ForwardError::TimedOut { upstream: name(), server: server.name().clone(), limit })?
            .map_err(broken);
    }
    Err(ForwardError::Connect {
        upstream: upstream.name.clone(),
        source: unreachable.unwrap_or_else(ConnectError::no_servers),
    })
}
