//! One client connection from its handshake to its end: HTTP/1.1 or HTTP/2 as ALPN chose, driven under the
//! deadlines of the configuration.

use super::body::ReplyBody;
use super::buffers::{GivesWay, Holding};
use super::doubt::{Loss, look_again};
use super::resting::{REST_AFTER, Resting};
use super::{Client, Closed, Worker};
use crate::base::reason::Reason;
use crate::config::Timeouts;
use crate::listen::activity::{Activity, Expired};
use crate::listen::coalesce::{Coalesced, CoalescingIo};
use crate::listen::connection::Connection;
use crate::listen::io::{ClientIo, ClientStream};
use crate::listen::limit::Place;
use crate::revocation::live::Cause;
use crate::telemetry::metrics::CUT;
use futures_util::future::BoxFuture;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::sleep_until;

/// Streams that one HTTP/2 connection may have open at once.
const MOST_STREAMS: u32 = 128;
/// HTTP/2 windows: how much of a body a client may send ahead of us.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// How much of one answer may wait in memory for the client, besides the piece that is on its way.
const SEND_BUFFER: usize = 64 * 1024;
/// Resets that an HTTP/2 client may cause before it is taken for an attacker (CVE-2023-44487).
const MOST_RESETS: usize = 64;
/// How long a connection may take to say good-bye that has lost what let it in: a GOAWAY, and what is ready.
const PARTING: Duration = Duration::from_millis(200);
/// How long a connection of HTTP/1.1 on which nothing is asked when the process is about to end may wait for one more
/// request, whose answer then says that it was the last one: to close it at once would be to reset what its client may
/// just be asking (RFC 9112, section 9.6). HTTP/2 has a frame for this.
const LAST_REQUEST: Duration = Duration::from_secs(1);
/// hyper reads heads into a buffer of at least this size.
const LEAST_BUFFER: usize = 8192;

/// How much hyper reads at once of HTTP/1.1, where heads may be so large, and about as much it queues of an answer.
fn buffer(head: usize) -> usize {
    head.max(LEAST_BUFFER) * 2
}

/// How much of a request's body may come before anybody asks for it.
pub(super) fn ahead(http2: bool, head: usize) -> u64 {
    if http2 { STREAM_WINDOW.into() } else { buffer(head) as u64 }
}

/// Serves a connection until it ends. What it takes to begin is done before the future is made, which is as large as
/// what an idle connection needs and no larger.
pub fn serve(
    connection: Connection,
    stream: ClientStream,
    place: Place,
    worker: Arc<Worker>,
) -> BoxFuture<'static, ()> {
    let multiplexed = connection.tls.http2;
    let activity = Arc::new(Activity::new(multiplexed, Instant::now()));
    let io = ClientIo::new(stream, Arc::clone(&activity));
    let client = Arc::new(Client::new(connection, activity, worker.live.register(), place));
    let (timeouts, limits) = {
        let gate = worker.gate();
        (gate.timeouts.clone(), gate.limits.clone())
    };
    let service = service_fn({
        let (client, worker) = (Arc::clone(&client), Arc::clone(&worker));
        // hyper keeps room for one such future as long as the connection: in a box, none while it is idle.
        move |request: Request<Incoming>| {
            let (head, incoming) = request.into_parts();
            Box::pin(super::handle(Arc::clone(&client), Arc::clone(&worker), Box::new(head), incoming))
        }
    });
    if multiplexed {
        let mut protocol = http2::Builder::new(TokioExecutor::new());
        protocol
            .timer(TokioTimer::new())
            .max_concurrent_streams(MOST_STREAMS)
            .max_header_list_size(u32::try_from(limits.head).unwrap_or(u32::MAX))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_pending_accept_reset_streams(MOST_RESETS);
        let connection = CoalescingIo::new(io).serve(|io| protocol.serve_connection(io, service));
        Box::pin(drive(Box::pin(connection), client, worker, timeouts))
    } else {
        let mut protocol = http1::Builder::new();
        protocol
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_headers(limits.headers)
            .max_header_size(limits.head)
            .max_buf_size(buffer(limits.head));
        let connection = Resting::begin(protocol, io, service, Arc::clone(&client.activity));
        Box::pin(drive(Box::pin(connection), client, worker, timeouts))
    }
}

/// A connection of either version.
trait Drivable: Future<Output = hyper::Result<()>> {
    /// Ends it after what it is doing.
    fn finish(self: Pin<&mut Self>);

    /// Has it rest if it can; says when to ask again, where that is of use.
    fn rest(self: Pin<&mut Self>, _: Instant) -> Option<Duration> {
        None
    }

    /// How many octets wait to be written that are nobody's piece any more.
    fn queued(&self) -> u64 {
        0
    }
}

impl<S> Drivable for Resting<S>
where
    S: HttpService<Incoming, ResBody = ReplyBody, Error = Closed> + Unpin,
{
    fn finish(mut self: Pin<&mut Self>) {
        Resting::finish(&mut self);
    }

    fn rest(mut self: Pin<&mut Self>, now: Instant) -> Option<Duration> {
        Resting::rest(&mut self, now)
    }
}

impl<S> Drivable for Coalesced<http2::Connection<CoalescingIo<ClientIo>, S, TokioExecutor>, ClientIo>
where
    S: HttpService<Incoming, ResBody = ReplyBody, Error = Closed>,
    S::Future: Send + 'static,
{
    fn finish(mut self: Pin<&mut Self>) {
        self.connection().graceful_shutdown();
    }

    fn queued(&self) -> u64 {
        Coalesced::queued(self)
    }
}

/// Drives a connection to its end: its own, the client's, a deadline's or the process's, or that of what let
/// it in. When it is in doubt, it goes on until the sources have answered.
async fn drive<C: Drivable>(mut connection: Pin<Box<C>>, client: Arc<Client>, worker: Arc<Worker>, timeouts: Timeouts) {
    let mut timer = pin!(sleep_until((Instant::now() + timeouts.request_head.min(REST_AFTER)).into()));
    let mut draining = worker.draining.clone();
    let mut holding = worker.gate().held.buffers().holding(client.connection.peer.ip(), &client.activity);
    let (mut finishing, mut parting, mut last) = (false, false, false);
    let mut number = 0;
    let mut looking: Option<BoxFuture<'static, Option<Loss>>> = None;
    loop {
        tokio::select! {
            biased;
            driven = poll_fn(|cx| driven(connection.as_mut(), &client.activity, &mut holding, cx)) => {
                match driven {
                    Driven::Ended(Ok(())) => {}
                    Driven::Ended(Err(error)) => log_end(&client, &error),
                    Driven::GivesWay(why) => {
                        CUT.increment(Reason::Overloaded);
                        tracing::info!(connection = %client.connection.id, client = %client.connection.peer, %why, "connection closed");
                    }
                }
                return;
            }
            () = asked(&client.activity), if last => {
                (finishing, last) = (true, false);
                connection.as_mut().finish();
            }
            () = timer.as_mut() => match client.activity.check(Instant::now(), &timeouts) {
                _ if parting => return,
                _ if last => {
                    (finishing, last) = (true, false);
                    connection.as_mut().finish();
                    timer.as_mut().reset((Instant::now() + timeouts.request_head).into());
                }
                Ok(left) => {
                    let now = Instant::now();
                    let rest = connection.as_mut().rest(now).unwrap_or(left);
                    timer.as_mut().reset((now + left.min(rest)).into());
                }
                // A client that waits for nothing is told so (HTTP/2: GOAWAY) and given a moment to go.
                Err(Expired::Idle) if !finishing => {
                    finishing = true;
                    connection.as_mut().finish();
                    timer.as_mut().reset((Instant::now() + timeouts.request_head).into());
                }
                Err(expired) => {
                    tracing::info!(connection = %client.connection.id, client = %client.connection.peer, ?expired, "connection closed");
                    return;
                }
            },
            _ = draining.wait_for(|draining| *draining), if !finishing && !parting && !last => {
                let waits = !client.connection.tls.http2 && client.activity.active() == 0;
                if waits {
                    last = true;
                    timer.as_mut().reset((Instant::now() + LAST_REQUEST.min(timeouts.drain / 3)).into());
                } else {
                    finishing = true;
                    connection.as_mut().finish();
                }
            }
            cause = client.registration.doubted(number), if looking.is_none() && !parting => {
                if client.is_condemned() {
                    return;
                }
                number = client.registration.doubts();
                looking = Some(doubt(&client, &worker, cause));
            }
            lost = answered(&mut looking) => {
                looking = None;
                if let Some(loss) = lost {
                    loss.record(&client, &worker.gate(), None);
                    parting = true;
                    connection.as_mut().finish();
                    timer.as_mut().reset((Instant::now() + PARTING).into());
                }
            }
        }
    }
}

/// How driving a connection ends.
enum Driven {
    /// By itself.
    Ended(hyper::Result<()>),
    /// Others need the memory.
    GivesWay(GivesWay),
}

/// Drives a connection as far as it goes, and counts what is left in memory by then.
fn driven(
    mut connection: Pin<&mut impl Drivable>,
    activity: &Activity,
    holding: &mut Holding,
    cx: &mut Context<'_>,
) -> Poll<Driven> {
    match connection.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Driven::Ended(ended)),
        Poll::Pending => {
            let queued = if activity.is_stalled() { connection.queued() } else { 0 };
            holding.poll(queued, cx).map(Driven::GivesWay)
        }
    }
}

/// Comes when a request has begun; looked at whenever the connection was driven.
async fn asked(activity: &Activity) {
    poll_fn(|_| if activity.active() > 0 { Poll::Ready(()) } else { Poll::Pending }).await;
}

fn doubt(client: &Arc<Client>, worker: &Worker, cause: Cause) -> BoxFuture<'static, Option<Loss>> {
    Box::pin(look_again(Arc::clone(client), Arc::clone(&worker.gate), cause))
}

/// What a look has found; never, while nobody looks.
async fn answered<T>(looking: &mut Option<BoxFuture<'static, T>>) -> T {
    match looking {
        Some(looking) => looking.await,
        None => std::future::pending().await,
    }
}

/// A connection that ends in a fault of the client's is worth a line: it is how attacks and broken clients
/// show. One that was just cut is not.
fn log_end(client: &Client, error: &hyper::Error) {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let (connection, peer) = (client.connection.id, client.connection.peer);
    // Of HTTP/2, what the library found wrong itself.
    let malformed = std::error::Error::source(error)
        .and_then(|cause| cause.downcast_ref::<h2::Error>())
        .is_some_and(h2::Error::is_library);
    if malformed || error.is_parse() || error.is_parse_too_large() {
        tracing::info!(%connection, client = %peer, %error, cause, "bad request");
    } else if error.is_user() {
        tracing::debug!(%connection, client = %peer, %error, cause, "connection cut on purpose");
    } else {
        tracing::debug!(%connection, client = %peer, %error, cause, "connection ended");
    }
}
