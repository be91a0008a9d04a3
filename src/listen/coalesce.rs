//! Gathers what HTTP/2 writes into as few TLS records, and as few writes to the socket, as one turn of its connection
//! allows. h2 flushes after each DATA frame, so that eight small answers that are ready at once would cost eight
//! records and eight system calls. Here a flush only marks that one is due; it is made when the connection has done
//! all that there was to do ([`Coalesced`]). HTTP/1.1 writes each answer at once, and goes past this.

use hyper::rt::{Read, ReadBufCursor, Write};
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

/// How much is held before it must go out, whether or not the turn is over: a client that reads slowly then stops
/// the writer as it would without this.
const MOST_HELD: usize = 64 * 1024;

/// From this size on a write gains nothing from waiting for company: it fills a TLS record by itself (RFC 8446, section
/// 5.1), and is not copied.
const WHOLE_RECORD: usize = 16 * 1024;

/// How a RST_STREAM frame begins (RFC 9113, sections 4.1 and 6.4): four octets long, of type 3.
const RESET: [u8; 4] = [0, 0, 4, 3];

/// A stream whose small writes are held until the end of a turn.
#[derive(Debug)]
pub struct CoalescingIo<I>(Arc<Mutex<Held<I>>>);

/// A connection over a [`CoalescingIo`], which sends at the end of each turn what the turn has left.
#[derive(Debug)]
pub struct Coalesced<C, I> {
    connection: Pin<Box<C>>,
    held: Arc<Mutex<Held<I>>>,
}

/// The stream and what was written to it and not sent. Both ends live in one task; the lock is there because the task
/// must be `Send`, and nobody ever waits for it.
#[derive(Debug)]
struct Held<I> {
    io: I,
    octets: Vec<u8>,
    /// How many of them were sent.
    sent: usize,
    flush_due: bool,
    /// Sending failed at the end of a turn: the next write tells the connection.
    broken: Option<io::ErrorKind>,
}

impl<I> CoalescingIo<I> {
    /// Takes the stream over.
    #[must_use]
    pub fn new(io: I) -> Self {
        Self(Arc::new(Mutex::new(Held { io, octets: Vec::new(), sent: 0, flush_due: false, broken: None })))
    }

    /// The connection that `make` begins over this stream.
    pub fn serve<C>(self, make: impl FnOnce(Self) -> C) -> Coalesced<C, I> {
        let held = Arc::clone(&self.0);
        Coalesced { connection: Box::pin(make(self)), held }
    }
}

impl<C, I> Coalesced<C, I> {
    /// The connection itself.
    pub fn connection(&mut self) -> Pin<&mut C> {
        self.connection.as_mut()
    }

    /// How many octets wait to be sent.
    pub fn queued(&self) -> u64 {
        lock(&self.held).octets.len() as u64
    }
}

impl<C: Future, I: Read + Write + Unpin> Future for Coalesced<C, I> {
    type Output = C::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        if let Poll::Ready(end) = self.connection.as_mut().poll(cx) {
            return Poll::Ready(end);
        }
        let sent = lock(&self.held).poll_flush(cx);
        match sent {
            // It learns of the fault from its own next flush, and ends.
            Poll::Ready(Err(error)) => {
                lock(&self.held).broken = Some(error.kind());
                self.connection.as_mut().poll(cx)
            }
            _ => Poll::Pending,
        }
    }
}

fn lock<I>(held: &Mutex<Held<I>>) -> MutexGuard<'_, Held<I>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<I: Read + Write + Unpin> Held<I> {
    fn io(&mut self) -> Pin<&mut I> {
        Pin::new(&mut self.io)
    }

    /// Hands everything that is held to TLS.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.octets.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        // An idle connection holds no memory for this.
        self.octets = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        if self.flush_due {
            ready!(self.io().poll_flush(cx))?;
            self.flush_due = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Holds a write of this length, as far as there is room; `false` if it is to go out by itself.
    fn poll_room(&mut self, cx: &mut Context<'_>, length: usize) -> Poll<io::Result<bool>> {
        if let Some(kind) = self.broken {
            return Poll::Ready(Err(kind.into()));
        }
        self.flush_due = true;
        let alone = length >= WHOLE_RECORD;
        if alone || self.octets.len() + length > MOST_HELD {
            ready!(self.poll_send(cx))?;
        }
        if !alone && self.octets.capacity() == 0 {
            self.octets.reserve(WHOLE_RECORD);
        }
        Poll::Ready(Ok(!alone))
    }
}

impl<I: Read + Write + Unpin> Read for CoalescingIo<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).io().poll_read(cx, buffer)
    }
}

impl<I: Read + Write + Unpin> Write for CoalescingIo<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(octets)])
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut held = lock(&self.0);
        let length = slices.iter().map(|slice| slice.len()).sum();
        // A client that uploads is told by it that nobody reads on (section 8.1). Debian 12's curl forgets the answer
        // before it if both come in one record.
        if slices.iter().find(|slice| !slice.is_empty()).is_some_and(|slice| slice.starts_with(&RESET)) {
            ready!(held.poll_send(cx))?;
        }
        if !ready!(held.poll_room(cx, length))? {
            return held.io().poll_write_vectored(cx, slices);
        }
        for slice in slices {
            held.octets.extend_from_slice(slice);
        }
        Poll::Ready(Ok(length))
    }

    /// Says that the flush is done, which [`Coalesced`] then does.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut held = lock(&self.0);
        held.flush_due = true;
        Poll::Ready(held.broken.map_or(Ok(()), |kind| Err(kind.into())))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut held = lock(&self.0);
        if held.broken.is_none() {
            ready!(held.poll_flush(cx))?;
        }
        held.io().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::poll_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};

    /// Writes and flushes each piece, as h2 does with DATA frames, then waits for ever.
    async fn write_all(mut io: CoalescingIo<TokioIo<DuplexStream>>, pieces: Vec<Vec<u8>>) -> io::Error {
        for piece in pieces {
            let mut rest = piece.as_slice();
            while !rest.is_empty() {
                let (head, tail) = rest.split_at(rest.len() / 2);
                let slices = [IoSlice::new(head), IoSlice::new(tail)];
                match poll_fn(|cx| Pin::new(&mut io).poll_write_vectored(cx, &slices)).await {
                    Ok(written) => rest = &rest[written..],
                    Err(error) => return error,
                }
            }
            if let Err(error) = poll_fn(|cx| Pin::new(&mut io).poll_flush(cx)).await {
                return error;
            }
        }
        poll_fn(|cx| {
            let flushed = Pin::new(&mut io).poll_flush(cx);
            if let Poll::Ready(Err(error)) = flushed { Poll::Ready(error) } else { Poll::Pending }
        })
        .await
    }

    fn pieces(lengths: &[usize]) -> Vec<Vec<u8>> {
        (0..=u8::MAX).cycle().zip(lengths).map(|(number, length)| vec![number; *length]).collect()
    }

    #[tokio::test]
    async fn what_one_turn_writes_goes_out_together_and_in_order() {
        for lengths in [&[9, 1000, 9, 1000][..], &[1, 16_384, 1], &[40_000, 20_000, 9, 30_000, 5], &[100; 2000]] {
            let expected = pieces(lengths).concat();
            let (ours, mut theirs) = duplex(1 << 20);
            let served = CoalescingIo::new(TokioIo::new(ours)).serve(|io| write_all(io, pieces(lengths)));
            tokio::spawn(served);
            let mut received = vec![0; expected.len()];
            theirs.read_exact(&mut received).await.unwrap();
            assert_eq!(received, expected, "{lengths:?}");
        }
    }

    #[tokio::test]
    async fn nothing_goes_out_before_the_turn_is_over_and_nothing_is_held_after_it() {
        let (ours, mut theirs) = duplex(1 << 20);
        let mut io = CoalescingIo::new(TokioIo::new(ours));
        let held = Arc::clone(&io.0);
        let octets = [7; 1000];
        let written = poll_fn(|cx| Pin::new(&mut io).poll_write(cx, &octets)).await.unwrap();
        poll_fn(|cx| Pin::new(&mut io).poll_flush(cx)).await.unwrap();
        assert_eq!(written, 1000);
        let mut received = [0; 2000];
        let early = tokio::time::timeout(std::time::Duration::from_millis(20), theirs.read(&mut received)).await;
        assert!(early.is_err(), "it was sent before the turn was over");
        let mut served = io.serve(|io| write_all(io, vec![vec![8; 5]]));
        let turn = poll_fn(|cx| Poll::Ready(Pin::new(&mut served).poll(cx).is_pending())).await;
        assert!(turn);
        assert_eq!(theirs.read(&mut received).await.unwrap(), 1005);
        assert_eq!(lock(&held).octets.capacity(), 0);
    }

    #[tokio::test]
    async fn what_stands_before_a_reset_goes_out_before_it() {
        let (ours, mut theirs) = duplex(1 << 20);
        let mut io = CoalescingIo::new(TokioIo::new(ours));
        let reset = [&RESET[..], &[0; 9]].concat();
        for piece in [&[7; 100][..], &reset] {
            poll_fn(|cx| Pin::new(&mut io).poll_write(cx, piece)).await.unwrap();
        }
        let mut received = [0; 200];
        assert_eq!(theirs.read(&mut received).await.unwrap(), 100);
        assert_eq!(lock(&io.0).octets, reset);
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_stops_the_writer() {
        let (ours, mut theirs) = duplex(1000);
        let written = pieces(&[1000; 200]);
        let expected = written.concat();
        let served = CoalescingIo::new(TokioIo::new(ours)).serve(|io| write_all(io, written));
        let held = Arc::clone(&served.held);
        tokio::spawn(served);
        for _ in 0..20 {
            tokio::task::yield_now().await;
            assert!(lock(&held).octets.len() <= MOST_HELD);
        }
        let mut received = vec![0; 200_000];
        theirs.read_exact(&mut received).await.unwrap();
        assert_eq!(received, expected);
    }

    #[tokio::test]
    async fn a_connection_learns_that_its_last_words_did_not_go_out() {
        let (ours, theirs) = duplex(1000);
        drop(theirs);
        let served = CoalescingIo::new(TokioIo::new(ours)).serve(|io| write_all(io, vec![vec![1; 10]]));
        let end = tokio::time::timeout(std::time::Duration::from_secs(5), served).await.unwrap();
        assert_eq!(end.kind(), io::ErrorKind::BrokenPipe);
    }
}
