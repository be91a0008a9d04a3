//! How many streams a server takes on a connection: it says so in the SETTINGS frame that it begins with (RFC 9113, sections
//! 3.4 and 6.5.2). No request is sent before that has come: many are about to use a new connection at once, and those that
//! the server has no room for would wait there for the others' ends instead of going over another one. It shows, too, that
//! HTTP/2 is what is spoken there.

use futures_util::task::AtomicWaker;
use hyper::rt::{Read, ReadBufCursor, Write};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What counts as the server's word until it has said anything: no server can say this much.
pub(super) const UNTOLD: usize = usize::MAX - 1;

/// A stream that tells whenever it has been read from, since nobody else tells that a frame has come which is no answer.
pub(super) struct Heard<T> {
    io: T,
    listener: Arc<AtomicWaker>,
}

impl<T> Heard<T> {
    /// The stream, and who is woken.
    pub(super) fn new(io: T) -> (Self, Arc<AtomicWaker>) {
        let listener = Arc::<AtomicWaker>::default();
        (Self { io, listener: Arc::clone(&listener) }, listener)
    }
}

impl<T: Read + Unpin> Read for Heard<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(cx, buffer);
        // Also when there is nothing more to read: by then, what was read before has been looked at.
        self.listener.wake();
        polled
    }
}

impl<T: Write + Unpin> Write for Heard<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
