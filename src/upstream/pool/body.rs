//! The body of a response on its way from a server, with what it holds: the connection, which it drives and gives back at
//! its end, and the request's place at the server.

use super::shared::STREAM_WINDOW;
use super::{BoxError, MOST_AHEAD, Pooled, Pools, Wire, drive};
use crate::upstream::Ticket;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep};

/// The body of a response, which drives the connection that it comes over and gives it back at its end.
pub struct PooledBody<B: Body + 'static>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    incoming: Incoming,
    connection: Option<Pooled<B>>,
    pools: Arc<Pools<B>>,
    /// How long the server may pause.
    pause: Duration,
    /// Made at its first pause, and set anew at each further one.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the timer runs for the pause that is now, and not for one that is over.
    pausing: bool,
    /// Given back when the body ends or is given up.
    _ticket: Option<Ticket>,
}

/// The rest of a response did not come.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke off, or what came over it is not HTTP.
    #[error("the upstream broke off its answer: {0}")]
    Broken(#[from] hyper::Error),
    /// Nothing came for `timeouts.response`.
    #[error("the upstream paused its answer for {0:?}")]
    Paused(Duration),
}

impl<B> PooledBody<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// The body of a response that came over this connection; it may pause for `pause`. It keeps the request's place at
    /// the server.
    pub fn new(
        incoming: Incoming,
        connection: Pooled<B>,
        pools: Arc<Pools<B>>,
        pause: Duration,
        ticket: Option<Ticket>,
    ) -> Self {
        let mut body =
            Self { incoming, connection: Some(connection), pools, pause, timer: None, pausing: false, _ticket: ticket };
        if body.incoming.is_end_stream() {
            body.release();
        }
        body
    }

    /// How many octets of it may be read before anybody asks for them.
    #[must_use]
    pub fn ahead(&self) -> u64 {
        match &self.connection {
            None => 0,
            Some(Pooled { wire: Wire::One { .. }, .. }) => MOST_AHEAD,
            Some(Pooled { wire: Wire::Two(_), .. }) => STREAM_WINDOW.into(),
        }
    }

    fn release(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pools.give_back(connection);
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let incoming = &mut self.incoming;
        let Some(Pooled { wire: Wire::One { driver, quiet, .. }, .. }) = &mut self.connection else {
            // Shared ones have a driver of their own, which wakes whoever waits.
            return Pin::new(incoming).poll_frame(cx);
        };
        if let Poll::Ready(frame) = quiet.poll_other_end(|cx| Pin::new(&mut *incoming).poll_frame(cx)) {
            return Poll::Ready(frame);
        }
        quiet.poll_for(cx, |cx| drive(driver, cx));
        quiet.poll_other_end(|cx| Pin::new(incoming).poll_frame(cx))
    }
}

impl<B> Body for PooledBody<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.poll_incoming(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.pausing = false;
                if self.incoming.is_end_stream() {
                    self.release();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.connection = None;
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                self.release();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let Self { pause, timer, pausing, .. } = &mut *self;
                let timer = timer.get_or_insert_with(|| {
                    *pausing = true;
                    Box::pin(sleep(*pause))
                });
                if !*pausing {
                    *pausing = true;
                    timer.as_mut().reset(Instant::now() + *pause);
                }
                // A server that sends without end what is no body, such as noughts before the size of a chunk, uses up
                // what the task may do at a time, and the timer must be asked all the same.
                if pin!(unconstrained(timer.as_mut())).poll(cx).is_ready() {
                    self.connection = None;
                    return Poll::Ready(Some(Err(BodyError::Paused(self.pause))));
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
