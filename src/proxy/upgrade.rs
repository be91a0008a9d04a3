//! WebSocket and other upgrades (RFC 9110, section 7.8; RFC 6455): the request goes over a connection of its
//! own, and once both sides have switched, octets are passed on as they come.

use super::body::ClientBody;
use super::forward::ForwardError;
use crate::auth::decision::Permit;
use crate::upstream::Upstream;
use crate::upstream::pool::{ConnectError, open};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::future::Future;

/// Sends an upgrade request, with its `Upgrade` and `Connection`, to an upstream. If it switches, what comes and goes is passed on by a task of
/// its own, until `ended` is; else its response is an ordinary one.
///
/// # Errors
/// When no server answers in time.
pub async fn upgrade(
    _: &Permit,
    upstream: &Upstream,
    client: OnUpgrade,
    mut request: Request<ClientBody>,
    ended: impl Future<Output = ()> + Send + 'static,
) -> Result<Response<Incoming>, ForwardError> {
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
        let broken = |source| ForwardError::Broken { upstream: name(), server: server.clone(), source };
        let (mut sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(driver.with_upgrades());
        *request.version_mut() = Version::HTTP_11;
        let limit = upstream.timeouts.response;
        let mut response = tokio::time::timeout(limit, sender.send_request(request))
            .await
            .map_err(|_| ForwardError::TimedOut { upstream: name(), server: server.clone(), limit })?
            .map_err(broken)?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let server = hyper::upgrade::on(&mut response);
            tokio::spawn(tunnel(client, server, ended));
        }
        return Ok(response);
    }
    Err(ForwardError::Connect {
        upstream: upstream.name.clone(),
        source: unreachable.unwrap_or_else(ConnectError::no_servers),
    })
}

/// Passes octets both ways until both sides have ended, or until it is over for the client.
async fn tunnel(client: OnUpgrade, server: OnUpgrade, ended: impl Future<Output = ()>) {
    let (client, server) = match tokio::try_join!(client, server) {
        Ok(both) => both,
        Err(error) => return tracing::debug!(%error, "the upgrade did not come about"),
    };
    let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
    tokio::select! {
        copied = tokio::io::copy_bidirectional(&mut client, &mut server) => if let Err(error) = copied {
            tracing::debug!(%error, "a tunnel broke off");
        },
        () = ended => {}
    }
}
