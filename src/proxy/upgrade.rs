//! WebSocket and other upgrades (RFC 9110, section 7.8; RFC 6455): the request goes over a connection of its
//! own, and once both sides have switched, it is a `tunnel`.

use super::body::ClientBody;
use super::forward::ForwardError;
use super::tunnel::{Protocol, tunnel};
use crate::auth::decision::Permit;
use crate::base::reason::Reason;
use crate::upstream::Upstream;
use crate::upstream::pool::{ConnectError, open};
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
    mut request: Request<ClientBody>,
    ended: impl Future<Output = Reason> + Send + 'static,
) -> Result<Response<Incoming>, ForwardError> {
    let websocket =
        request.headers().get(UPGRADE).is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let protocol = if websocket { Protocol::WebSocket } else { Protocol::Other };
    let mut unreachable = None;
    for server in upstream.in_turn() {
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
        let limit = upstream.timeouts.response;
        let mut response = tokio::time::timeout(limit, sender.send_request(request))
            .await
            .map_err(|_| ForwardError::TimedOut { upstream: name(), server: server.name().clone(), limit })?
            .map_err(broken)?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let server = hyper::upgrade::on(&mut response);
            tokio::spawn(tunnel(client, server, protocol, ended));
        }
        return Ok(response);
    }
    Err(ForwardError::Connect {
        upstream: upstream.name.clone(),
        source: unreachable.unwrap_or_else(ConnectError::no_servers),
    })
}
