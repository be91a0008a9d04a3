//! An HTTP/1.1 connection that gives its buffers back while nobody asks anything. hyper keeps two of 8 KiB for as long as a
//! connection lives, and most connections spend most of their lives waiting for a person. Such a one is taken apart:
//! the stream is kept, and hyper begins anew with the octets that come next (RFC 9112, section 9.3: requests on one
//! connection have nothing to do with each other).

use super::Closed;
use super::body::ReplyBody;
use crate::listen::activity::Activity;
use crate::listen::io::ClientIo;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBuf};
use hyper::server::conn::http1::{Builder, Parts, UpgradeableConnection};
use hyper::service::HttpService;
use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// After how much idleness a connection is laid to rest. Whoever asks again within it finds all as it was.
pub(super) const REST_AFTER: Duration = Duration::from_millis(250);

/// What is read at once of what ends a rest: a request mostly fits, and the rest is hyper's to read.
const FIRST: usize = 2048;

/// A connection that rests now and then.
pub(super) struct Resting<S: HttpService<Incoming>> {
    state: State<S>,
    protocol: Builder,
    activity: Arc<Activity>,
}

enum State<S: HttpService<Incoming>> {
    Awake(Box<UpgradeableConnection<ClientIo, S>>),
    Asleep(ClientIo, S),
    /// Between two states.
    Neither,
}

impl<S> Resting<S>
where
    S: HttpService<Incoming, ResBody = ReplyBody, Error = Closed> + Unpin,
{
    /// A connection that is about to be asked something.
    pub(super) fn begin(protocol: Builder, io: ClientIo, service: S, activity: Arc<Activity>) -> Self {
        let mut resting = Self { state: State::Neither, protocol, activity };
        resting.wake(io, service);
        resting
    }

    /// When it is to be asked again whether it may rest, if not now. `None` while it rests.
    pub(super) fn rest(&mut self, now: Instant) -> Option<Duration> {
        if !matches!(self.state, State::Awake(_)) {
            return None;
        }
        match self.activity.rests(now) {
            None => return Some(REST_AFTER),
            Some(rested) if rested < REST_AFTER => return Some(REST_AFTER - rested),
            Some(_) => {}
        }
        if let State::Awake(connection) = std::mem::replace(&mut self.state, State::Neither)
            && let Some(Parts { io, read_buf, service, .. }) = connection.into_parts()
        {
            if read_buf.is_empty() {
                self.state = State::Asleep(io, service);
                return None;
            }
            self.wake(io.preceded_by(read_buf), service);
        }
        Some(REST_AFTER)
    }

    /// Ends the connection after what it is doing.
    pub(super) fn finish(&mut self) {
        if let State::Asleep(..) = &self.state
            && let State::Asleep(io, service) = std::mem::replace(&mut self.state, State::Neither)
        {
            self.wake(io, service);
        }
        if let State::Awake(connection) = &mut self.state {
            Pin::new(connection.as_mut()).graceful_shutdown();
        }
    }

    fn wake(&mut self, io: ClientIo, service: S) {
        self.state = State::Awake(Box::new(self.protocol.serve_connection(io, service).with_upgrades()));
    }

    /// What comes next, or nothing at the end, which hyper then finds for itself.
    fn poll_first(io: &mut ClientIo, cx: &mut Context<'_>) -> Poll<Bytes> {
        let mut room = [MaybeUninit::uninit(); FIRST];
        let mut buffer = ReadBuf::uninit(&mut room);
        Pin::new(io).poll_read(cx, buffer.unfilled()).map(|_| Bytes::copy_from_slice(buffer.filled()))
    }
}

impl<S> Future for Resting<S>
where
    S: HttpService<Incoming, ResBody = ReplyBody, Error = Closed> + Unpin,
{
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        if let State::Asleep(io, _) = &mut self.state {
            let Poll::Ready(first) = Self::poll_first(io, cx) else { return Poll::Pending };
            if let State::Asleep(io, service) = std::mem::replace(&mut self.state, State::Neither) {
                self.wake(io.preceded_by(first), service);
            }
        }
        match &mut self.state {
            State::Awake(connection) => Pin::new(connection.as_mut()).poll(cx),
            State::Asleep(..) | State::Neither => Poll::Ready(Ok(())),
        }
    }
}
