//! The successor's side: it asks the process that runs for its sockets, and says when it serves.

use super::super::inherit::{Giver, Inherited, Label, Passed};
use super::wire::{Channel, Message, WireError};
use super::{PassedDoor, VERSION, absolute, is_ours};
use crate::base::hex;
use crate::base::secret::Secret;
use anyhow::{Context, bail};
use rustix::net::sockopt::socket_acceptconn;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long an answer may take: a process that is reading a large configuration anew answers when it has read it.
const ANSWER: Duration = Duration::from_secs(30);

/// The process whose place this one takes.
pub(in crate::app) struct Predecessor {
    channel: Channel,
    /// Its number, where the kernel knows it.
    process: Option<i32>,
    /// Where its door stands.
    door: Option<PathBuf>,
}

/// Asks the process that runs, if there is one, for its sockets.
///
/// # Errors
/// When one is there and does not pass them on, or is another user's.
pub(in crate::app) async fn ask(path: &Path) -> anyhow::Result<Option<(Predecessor, Inherited)>> {
    let stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot connect to {}", path.display())),
    };
    let asked = timeout(ANSWER, asked(stream)).await;
    let asked = asked.unwrap_or_else(|_| bail!("no answer within {ANSWER:?}"));
    asked
        .map(Some)
        .with_context(|| format!("the sockets of the process that runs are not to be had ({})", path.display()))
}

async fn asked(stream: UnixStream) -> anyhow::Result<(Predecessor, Inherited)> {
    let peer = stream.peer_cred()?;
    if !is_ours(peer.uid()) {
        bail!("user {} listens there, who is neither root nor the user that this process runs as", peer.uid());
    }
    let mut channel = Channel::new(stream);
    let program = env!("CARGO_PKG_VERSION").to_owned();
    channel.send(&Message::Ask { version: VERSION, program }, None).await?;
    let mut inherited = Inherited::default();
    let mut door = None;
    loop {
        match channel.receive().await? {
            (Message::Socket { name, bound, managers }, Some(socket)) => {
                let socket = TcpListener::from(socket);
                if !socket_acceptconn(&socket)? || socket.local_addr()? != bound {
                    bail!("what is passed as the socket of {name} is not bound to {bound}, or not listened on");
                }
                let giver = Giver::Predecessor { managers };
                inherited.sockets.push(Passed { label: Label { name: Some(name), bound, giver }, socket });
            }
            (Message::Door { path }, Some(socket)) => {
                door = Some(path.clone());
                inherited.door = Some(PassedDoor { path, socket });
            }
            (Message::Secret { tickets }, None) => {
                let octets = hex::decode(&tickets).context("the secret is not hexadecimal")?;
                inherited.ticket_secret = Some(Secret::new(octets));
            }
            (Message::All { sockets }, None) if sockets == inherited.sockets.len() => break,
            (Message::Refused { why }, None) => bail!("{why}"),
            _ => bail!("it says what does not belong here"),
        }
    }
    tracing::info!(predecessor = peer.pid(), sockets = inherited.sockets.len(), "taking over");
    Ok((Predecessor { channel, process: peer.pid(), door }, inherited))
}

impl Predecessor {
    /// Says that this process serves, and waits until the other one accepts nothing more. Whatever becomes of that, this
    /// process serves.
    pub(in crate::app) async fn succeed(mut self, door: Option<&Path>) {
        let keeps_door = self.door.is_some() && self.door == door.map(absolute);
        let told = async {
            self.channel.send(&Message::Ready { keeps_door }, None).await?;
            self.channel.receive().await
        };
        let process = self.process;
        match timeout(ANSWER, told).await {
            Ok(Ok((Message::Yours, None))) => {
                tracing::info!(predecessor = process, "took over; it finishes what is open")
            }
            Ok(Err(WireError::Gone)) => tracing::info!(predecessor = process, "took over; it has ended"),
            Ok(Ok(_)) => tracing::error!(predecessor = process, "took over; it says what does not belong here"),
            Ok(Err(error)) => tracing::error!(predecessor = process, %error, "took over; it may not know"),
            Err(_) => tracing::error!(predecessor = process, "took over; it does not answer, and may go on accepting"),
        }
    }
}
