//! A client's stream as hyper wants it, with an eye on what the client does.

use super::activity::Activity;
use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use std::future::Future;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::server::TlsStream;

/// How long a client that was told the end may go on sending, and how long it may pause before it is taken to
/// have nothing more to send.
const LINGER: Duration = Duration::from_secs(30);
const LINGER_PAUSE: Duration = Duration::from_secs(2);
/// From how many octets on that the socket has not taken no more are sealed: a client that reads nothing has each answer
/// held once in its queue, and not twice.
const MOST_UNSENT: u64 = 64 * 1024;

/// A client's stream: TLS, or on a listener without it the connection itself.
#[derive(Debug)]
pub enum ClientStream {
    /// TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// Plain.
    Plain(TcpStream),
}

impl ClientStream {
    fn socket(&mut self) -> &mut TcpStream {
        match self {
            Self::Tls(stream) => stream.get_mut().0,
            Self::Plain(stream) => stream,
        }
    }

    /// Whether TLS has sealed what the socket has not taken.
    fn is_behind(&self) -> bool {
        match self {
            Self::Tls(stream) => stream.get_ref().1.wants_write(),
            Self::Plain(_) => false,
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }
}

/// A client's stream that tells its [`Activity`] what happens on it.
#[derive(Debug)]
pub struct ClientIo {
    stream: hyper_util::rt::TokioIo<ClientStream>,
    activity: Arc<Activity>,
    /// What was read already, and is to be read first.
    before: Bytes,
    lingering: Option<Lingering>,
}

/// After the end was said, until the client has heard it.
#[derive(Debug)]
struct Lingering {
    until: Instant,
    pause: Pin<Box<Sleep>>,
}

impl ClientIo {
    /// Takes the stream over.
    #[must_use]
    pub fn new(stream: ClientStream, activity: Arc<Activity>) -> Self {
        Self { stream: hyper_util::rt::TokioIo::new(stream), activity, before: Bytes::new(), lingering: None }
    }

    /// Has these octets, which were read from it, read before all others.
    #[must_use]
    pub fn preceded_by(mut self, read: Bytes) -> Self {
        self.before = read;
        self
    }

    fn inner(&mut self) -> Pin<&mut ClientStream> {
        Pin::new(self.stream.inner_mut())
    }

    /// Reads on until the client closes, too (RFC 9112, section 9.6): closing on octets that nobody has read
    /// resets the connection, and a client that was refused in the middle of an upload would never read why.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let lingering = self
            .lingering
            .get_or_insert_with(|| Lingering { until: Instant::now() + LINGER, pause: Box::pin(sleep(LINGER_PAUSE)) });
        let socket = self.stream.inner_mut().socket();
        let mut unread = [MaybeUninit::uninit(); 16 * 1024];
        loop {
            let mut buffer = ReadBuf::uninit(&mut unread);
            match Pin::new(&mut *socket).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let now = Instant::now();
                    if now >= lingering.until {
                        return Poll::Ready(());
                    }
                    lingering.pause.as_mut().reset(now + LINGER_PAUSE);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return lingering.pause.as_mut().poll(cx),
            }
        }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.activity.written(written.is_pending());
        if let Poll::Ready(Ok(octets)) = &written {
            self.activity.sent(*octets);
            self.activity.sealed(*octets, self.stream.inner().is_behind());
        }
        written
    }

    /// Sends what is sealed before more is, where that is much.
    fn catch_up(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.activity.unsent() < MOST_UNSENT {
            return Poll::Ready(Ok(()));
        }
        let sent = self.inner().poll_flush(cx);
        if sent.is_ready() {
            self.activity.sealed(0, false);
        } else {
            self.activity.written(true);
        }
        sent
    }
}

impl Read for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let room = self.before.len().min(buffer.remaining());
            let now = self.before.split_to(room);
            buffer.put_slice(&now);
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Poll::Ready(Ok(())) = read {
            self.activity.received();
        }
        read
    }
}

impl Write for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.catch_up(cx))?;
        let written = self.inner().poll_write(cx, octets);
        self.note(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.inner().poll_flush(cx);
        self.activity.written(flushed.is_pending());
        if flushed.is_ready() {
            self.activity.eased();
            self.activity.sealed(0, false);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            self.activity.close();
            ready!(self.inner().poll_shutdown(cx))?;
        }
        self.linger(cx).map(Ok)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.catch_up(cx))?;
        let written = self.inner().poll_write_vectored(cx, slices);
        self.note(written)
    }
}
