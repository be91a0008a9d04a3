//! A tunnel: octets are passed on between a client and a server that have both switched to another protocol,
//! until both have ended or the client may no longer go on. It holds no memory while nothing is on its way.

use super::Client;
use super::buffers::{Buffers, Holding};
use super::websocket::{Frames, going_away, policy_violation};
use crate::base::reason::Reason;
use crate::telemetry::metrics::{CUT, TUNNELS};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

/// How much is read at once.
const PIECE: usize = 16 * 1024;
/// How long a client that may not go on is waited for, and its server, until the end of a frame, and until what was
/// written to it is on its way.
const PARTING: Duration = Duration::from_millis(200);
/// How long it may take to hear of it.
const HEARING: Duration = Duration::from_secs(1);
/// How long the end of a frame is waited for before a client is told that the process ends, and how long it may take
/// after that to say good-bye to the server.
const LEAVE: Duration = Duration::from_secs(5);

/// What TLS may have sealed for a server that reads nothing: rustls's own limit.
const SEALED: u64 = 64 * 1024;

/// What is spoken in a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// RFC 6455.
    WebSocket,
    /// Nothing that the gate knows.
    Other,
}

type Side = TokioIo<Upgraded>;

/// The client's side of a tunnel to be.
pub(super) struct Near {
    upgrade: OnUpgrade,
    holding: Holding,
}

impl Near {
    /// Of this client, who asked for it.
    pub(super) fn new(upgrade: OnUpgrade, client: &Client, buffers: &Arc<Buffers>) -> Self {
        Self { upgrade, holding: buffers.holding(client.connection.peer.ip(), &client.activity) }
    }
}

/// Passes octets both ways until both sides have ended, or until it is over for the client: then a WebSocket is told
/// why, between two frames of the server's, and both sides are closed. `leaving` comes when the process is about to end:
/// then a WebSocket is told so, and may close in its own time; to a protocol that is not known nothing can be said.
pub(super) async fn tunnel(
    client: Near,
    server: OnUpgrade,
    protocol: Protocol,
    ended: impl Future<Output = Reason>,
    leaving: impl Future<Output = ()>,
) {
    let Near { upgrade, mut holding } = client;
    let (client, server) = match tokio::try_join!(upgrade, server) {
        Ok(both) => both,
        Err(error) => return tracing::debug!(%error, "the upgrade did not come about"),
    };
    let _open = TUNNELS.hold();
    let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
    let mut up = Way::default();
    let mut down = Way { frames: (protocol == Protocol::WebSocket).then(Frames::default), ..Way::default() };
    let reason = tokio::select! {
        passed = pass_both(&mut client, &mut server, (&mut up, &mut down), &mut holding) => {
            if let Err(error) = passed {
                tracing::debug!(%error, "a tunnel broke off");
            }
            return;
        }
        reason = ended => Some(reason),
        () = leaving, if protocol == Protocol::WebSocket => None,
    };
    let told = match reason {
        Some(reason) => timeout(PARTING, tell(&mut client, &mut server, down, policy_violation(reason.as_str()))).await,
        None => {
            let told = timeout(LEAVE, tell(&mut client, &mut server, down, going_away())).await;
            if matches!(told, Ok(Ok(true))) {
                // Whether the client answers is its own affair.
                let _ = timeout(LEAVE, hear_out(&mut client, &mut server, &mut up)).await;
            }
            told
        }
    };
    drop(server);
    match told {
        // The end is said in TLS, too, and heard before the connection is reset by what the client still sends.
        Ok(Ok(true)) => _ = timeout(HEARING, client.shutdown()).await,
        Ok(Ok(false)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a tunnel broke off"),
        Err(_) => tracing::debug!("a tunnel was cut within a frame"),
    }
}

/// Passes octets both ways. A tunnel whose other end reads nothing may have to give way to others, and ends in an error then.
async fn pass_both(
    client: &mut Side,
    server: &mut Side,
    (up, down): (&mut Way, &mut Way),
    holding: &mut Holding,
) -> io::Result<()> {
    let (mut up_ended, mut down_ended) = (false, false);
    poll_fn(|cx| {
        if !up_ended && let Poll::Ready(outcome) = up.poll(cx, client, server) {
            outcome?;
            up_ended = true;
        }
        if !down_ended && let Poll::Ready(outcome) = down.poll(cx, server, client) {
            outcome?;
            down_ended = true;
        }
        if up_ended && down_ended {
            return Poll::Ready(Ok(()));
        }
        let gives_way = ready!(holding.poll(up.holds(SEALED) + down.holds(0), cx));
        CUT.increment(Reason::Overloaded);
        Poll::Ready(Err(io::Error::other(gives_way)))
    })
    .await
}

/// Writes to a client whose tunnel ends what is left of a frame that has begun, and a Close frame. Says whether it
/// has been told.
async fn tell(client: &mut Side, server: &mut Side, down: Way, close: Vec<u8>) -> io::Result<bool> {
    let Way { mut waiting, frames: Some(mut frames), .. } = down else { return Ok(false) };
    while !frames.is_between() {
        if waiting.is_empty() {
            waiting.resize(PIECE, 0);
            let read = server.read(&mut waiting).await?;
            if read == 0 {
                return Ok(false);
            }
            waiting.truncate(read);
        }
        let end = frames.pass_frame(&waiting);
        client.write_all(waiting.get(..end).unwrap_or_default()).await?;
        waiting.drain(..end);
    }
    if !frames.is_closed() {
        client.write_all(&close).await?;
    }
    client.flush().await?;
    Ok(true)
}

/// Passes on what a client still says that was told the end, its own Close frame above all, until one of the two has
/// closed. What the server says meanwhile is for nobody: no frame follows a Close frame.
async fn hear_out(client: &mut Side, server: &mut Side, up: &mut Way) -> io::Result<()> {
    let mut unheard = vec![0; PIECE];
    poll_fn(|cx| {
        if let Poll::Ready(ended) = up.poll(cx, client, server) {
            return Poll::Ready(ended);
        }
        loop {
            let mut buffer = ReadBuf::new(&mut unheard);
            ready!(Pin::new(&mut *server).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    })
    .await
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    /// What was read and is not written yet.
    waiting: Vec<u8>,
    /// There is no more to come.
    ended: bool,
    /// Something was written since the last flush.
    unflushed: bool,
    /// How far what was written has come, in frames.
    frames: Option<Frames>,
}

impl Way {
    /// How many octets are in memory: what waits, and `sealed` before it.
    fn holds(&self, sealed: u64) -> u64 {
        if self.waiting.is_empty() { 0 } else { sealed + self.waiting.len() as u64 }
    }

    /// Passes on what there is; ready when the end was passed on.
    fn poll(&mut self, cx: &mut Context<'_>, from: &mut Side, to: &mut Side) -> Poll<io::Result<()>> {
        thread_local! {
            // One for all tunnels of a worker: what the other side does not take at once is copied.
            static PIECES: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into_boxed_slice());
        }
        loop {
            while !self.waiting.is_empty() {
                let waiting = std::mem::take(&mut self.waiting);
                let written = Pin::new(&mut *to).poll_write(cx, &waiting);
                self.waiting = waiting;
                let written = ready!(written)?;
                self.note_written(written)?;
            }
            if self.ended {
                return Pin::new(&mut *to).poll_shutdown(cx);
            }
            let read = PIECES.with_borrow_mut(|piece| {
                let mut buffer = ReadBuf::new(piece);
                ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer))?;
                self.pass_on(cx, buffer.filled(), to)?;
                Poll::Ready(Ok::<_, io::Error>(()))
            });
            match read {
                Poll::Ready(read) => read?,
                Poll::Pending => {
                    if self.unflushed {
                        ready!(Pin::new(&mut *to).poll_flush(cx))?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Writes what was read as far as it is taken, and keeps the rest.
    fn pass_on(&mut self, cx: &mut Context<'_>, read: &[u8], to: &mut Side) -> io::Result<()> {
        self.ended = read.is_empty();
        if self.ended {
            return Ok(());
        }
        let written = match Pin::new(to).poll_write(cx, read) {
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        let (now, later) = read.split_at_checked(written).unwrap_or((read, &[]));
        if let Some(frames) = &mut self.frames {
            frames.pass(now);
        }
        self.unflushed |= written > 0;
        // What a slow reader needed is given back with the next piece that is taken whole.
        self.waiting = later.to_vec();
        Ok(())
    }

    /// Notes that so much of what waits was written.
    fn note_written(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        if let Some(frames) = &mut self.frames {
            frames.pass(self.waiting.get(..written).unwrap_or_default());
        }
        self.waiting.drain(..written.min(self.waiting.len()));
        self.unflushed = true;
        Ok(())
    }
}
