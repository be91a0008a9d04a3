//! A new connection to a server: to its Unix socket, or to an address of its name, and then TLS if it is spoken to so.

use super::stream::Wire;
use super::{Server, Stream};
use crate::config::ServerName;
use std::error::Error;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};

/// No connection could be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Name resolution or connecting failed.
    #[error("cannot connect to {server}: {source}")]
    Failed {
        /// The server.
        server: ServerName,
        /// Why.
        source: std::io::Error,
    },
    /// It took longer than `timeouts.connect`.
    #[error("cannot connect to {server}: no answer within {limit:?}")]
    TimedOut {
        /// The server.
        server: ServerName,
        /// The limit.
        limit: Duration,
    },
    /// TLS did not come about.
    #[error("cannot connect to {server} over TLS: {why}")]
    Tls {
        /// The server.
        server: ServerName,
        /// Whose certificate was refused by whom, and why.
        why: String,
    },
    /// There is none to connect to.
    #[error("no server is fit for requests: {0}")]
    NoServer(String),
}

impl ConnectError {
    /// HTTP did not begin on a new connection.
    pub(super) fn of_http(server: &Server, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed { server: server.name().clone(), source: std::io::Error::other(error) }
    }
}

/// Opens a connection to a server, on which this is said before anything else.
///
/// # Errors
/// When the name has no address, nobody listens there, TLS fails, or all of it takes longer than `limit`.
pub(super) async fn open(server: &Server, limit: Duration, said: Option<&[u8]>) -> Result<Stream, ConnectError> {
    open_for(server, limit, said, false).await
}

/// The same, with HTTP/1.1 alone on offer over TLS.
///
/// # Errors
/// As for [`open`].
pub async fn open_for_one(server: &Server, limit: Duration, said: Option<&[u8]>) -> Result<Stream, ConnectError> {
    open_for(server, limit, said, true).await
}

async fn open_for(
    server: &Server,
    limit: Duration,
    said: Option<&[u8]>,
    version_one: bool,
) -> Result<Stream, ConnectError> {
    let (name, began) = (|| server.name().clone(), Instant::now());
    let connecting = async {
        let failed = |source| ConnectError::Failed { server: name(), source };
        if let Some(path) = server.name().socket() {
            let mut stream = UnixStream::connect(path).await.map_err(failed)?;
            stream.write_all(said.unwrap_or_default()).await.map_err(failed)?;
            return Ok(Wire::Unix(stream));
        }
        let stream = match server.address() {
            Some(address) => TcpStream::connect(address).await,
            None => TcpStream::connect((server.name().host.as_str(), server.name().port)).await,
        };
        let mut stream = stream.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        if let Some(said) = said {
            stream.write_all(said).await.map_err(failed)?;
        }
        Ok(match server.tls() {
            None => Wire::Plain(stream),
            Some(tls) => {
                let two = server.speaks_two() && !version_one;
                let stream = tls.connect(server.name(), stream, two).await;
                Wire::Tls(Box::new(stream.map_err(|why| ConnectError::Tls { server: name(), why })?))
            }
        })
    };
    match tokio::time::timeout(limit, connecting).await {
        Ok(wire) => wire.map(|wire| Stream::new(wire, server.numbers().connected(began.elapsed()))),
        Err(_) => Err(ConnectError::TimedOut { server: name(), limit }),
    }
}
