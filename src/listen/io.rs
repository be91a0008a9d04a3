//! The TLS stream as hyper wants it, with an eye on what the client does.

use super::activity::Activity;
use hyper::rt::{Read, ReadBufCursor, Write};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A TLS stream that tells its [`Activity`] what happens on it.
#[derive(Debug)]
pub struct ClientIo {
    stream: hyper_util::rt::TokioIo<TlsStream<TcpStream>>,
    activity: Arc<Activity>,
}

impl ClientIo {
    /// Takes the stream over.
    #[must_use]
    pub fn new(stream: TlsStream<TcpStream>, activity: Arc<Activity>) -> Self {
        Self { stream: hyper_util::rt::TokioIo::new(stream), activity }
    }

    fn tls(&mut self) -> Pin<&mut TlsStream<TcpStream>> {
        Pin::new(self.stream.inner_mut())
    }

    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        self.activity.written(written.is_pending());
        written
    }
}

impl Read for ClientIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Poll::Ready(Ok(())) = read {
            self.activity.received();
        }
        read
    }
}

impl Write for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.tls().poll_write(cx, octets);
        self.note(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.tls().poll_flush(cx);
        self.note(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tls().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.tls().poll_write_vectored(cx, slices);
        self.note(written)
    }
}
