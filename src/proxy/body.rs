//! Bodies on their way through: the client's, counted and watched, and the gate's answers. They are
//! streamed; nothing is held but the piece that is on its way, and what credentials cover until they are verified.

use super::allowance::Taken;
use super::client::Serving;
use super::doubt::Running;
use super::headers::strip::{Stripper, strip_response_trailers};
use super::held::Room;
use super::measure::Notes;
use super::piece::{Load, Piece};
use crate::config::Timeouts;
use crate::listen::activity::Activity;
use crate::upstream::pool::{BodyError, MOST_AHEAD, PooledBody};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::future::Future;
use std::num::NonZeroU64;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::task::coop::unconstrained;

/// What the request's side knows of an upload that the upstream's side takes.
#[derive(Debug, Default)]
pub struct Upload {
    progressed: AtomicBool,
    /// The answer has begun: what still comes is said in turn with it, as fast as both sides like.
    answered: AtomicBool,
    fault: AtomicU8,
}

/// The largest answer of the gate's own that is made for whoever asks.
const MOST_OWN: usize = 64 * 1024;

/// Why an upload ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UploadFault {
    /// It is larger than the route allows.
    #[error("the body is larger than limits.body")]
    TooLarge = 1,
    /// The client broke it off, or what it sent is not HTTP.
    #[error("the client broke off its body")]
    Broken = 2,
    /// The client sent nothing for `timeouts.idle`.
    #[error("the client paused its body for longer than timeouts.idle")]
    Paused = 3,
    /// The client sent more slowly than `timeouts.least_rate`.
    #[error("the client sent its body more slowly than timeouts.least_rate allows")]
    Slow = 5,
    /// It would have to be held whole, and enough are.
    #[error("as many bodies are held as limits.held_bodies allows, in all or of this address")]
    NoRoom = 4,
}

impl Upload {
    /// Whether a piece has passed since the last call.
    #[must_use]
    pub fn progressed(&self) -> bool {
        self.progressed.swap(false, Relaxed)
    }

    /// The head of the answer has come.
    pub fn answered(&self) {
        self.answered.store(true, Relaxed);
    }

    /// What went wrong on the client's side, if anything did.
    #[must_use]
    pub fn fault(&self) -> Option<UploadFault> {
        use UploadFault::{Broken, NoRoom, Paused, Slow, TooLarge};
        [TooLarge, Broken, Paused, Slow, NoRoom].into_iter().find(|fault| *fault as u8 == self.fault.load(Relaxed))
    }
}

/// A request's body as the stages before admission leave it.
#[derive(Debug)]
pub enum Received {
    /// Nothing of it was read.
    Streaming(Incoming),
    /// It was read whole, because credentials cover it. Its trailers, which they do not cover, are gone.
    Whole(Bytes),
}

impl Received {
    /// All of it, of at most `limit` octets, read for no longer than `deadline`, and held in `room`. Nothing of it is
    /// believed yet: it may be anybody's.
    ///
    /// # Errors
    /// When it is larger or does not come, or there is no room for it.
    pub async fn whole(self, limit: u64, deadline: Duration, room: Room<'_>) -> Result<Bytes, UploadFault> {
        let incoming = match self {
            Self::Streaming(incoming) => incoming,
            Self::Whole(octets) if octets.len() as u64 > limit => return Err(UploadFault::TooLarge),
            Self::Whole(octets) => return Ok(octets),
        };
        if incoming.size_hint().lower() > limit {
            return Err(UploadFault::TooLarge);
        }
        if incoming.is_end_stream() {
            return Ok(Bytes::new());
        }
        let limit = incoming.size_hint().upper().map_or(limit, |upper| upper.min(limit));
        let place = room.take(limit).ok_or(UploadFault::NoRoom)?;
        match tokio::time::timeout(deadline, octets(incoming, usize::try_from(limit).unwrap_or(usize::MAX))).await {
            Ok(octets) => octets.map(|octets| place.holding(octets)),
            Err(_) => Err(UploadFault::Paused),
        }
    }

    /// Its length, if that is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Streaming(incoming) => incoming.size_hint().exact(),
            Self::Whole(octets) => Some(octets.len() as u64),
        }
    }
}

/// The octets of a body, of which there may be `limit`. They are copied out of the pieces in which they come: a piece of one
/// octet may keep thousands from being freed that were read with it.
async fn octets(mut incoming: Incoming, limit: usize) -> Result<Vec<u8>, UploadFault> {
    let mut octets = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame.map_err(|_| UploadFault::Broken)?.into_data() else { continue };
        let left = limit.saturating_sub(octets.len());
        if data.len() > left {
            return Err(UploadFault::TooLarge);
        }
        if octets.capacity() - octets.len() < data.len() {
            // Twice as much each time, and never more than was counted.
            octets.reserve_exact(data.len().max(octets.len()).min(left));
        }
        octets.extend_from_slice(&data);
    }
    Ok(octets)
}

/// The body of a client's request.
#[derive(Debug)]
pub struct ClientBody {
    incoming: Option<Received>,
    /// Octets that may still come; `None` is any number.
    left: Option<u64>,
    upload: Option<Arc<Upload>>,
    /// Removes from trailers what must not travel on; there whenever there is a body.
    stripper: Option<Arc<Stripper>>,
    pace: Pace,
    pausing: Option<Pausing>,
    /// What it holds for its connection, and how much of it may come before anybody asks. What is held whole has its place.
    load: Option<(Load, u64)>,
}

/// How long a client may pause in a body, and how fast it must send it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// The longest pause.
    pub pause: Duration,
    /// Octets a second.
    pub least: Option<NonZeroU64>,
    /// For how long it may be slower.
    pub grace: Duration,
    /// For how long it has kept the gate waiting beyond what the octets that came account for.
    debt: Duration,
}

impl Pace {
    /// What is written in the configuration, for a route that may say otherwise.
    #[must_use]
    pub fn of(timeouts: &Timeouts, least_upload: Option<Option<NonZeroU64>>) -> Self {
        let least = least_upload.unwrap_or(timeouts.least_rate.upload);
        Self { pause: timeouts.idle, least, grace: timeouts.least_rate.grace, debt: Duration::ZERO }
    }

    /// How long the client is waited for now, and what it is if it does not come.
    fn patience(&self, answered: bool) -> (Duration, UploadFault) {
        let left = self.grace.saturating_sub(self.debt);
        if self.least.is_some() && !answered && left < self.pause {
            (left, UploadFault::Slow)
        } else {
            (self.pause, UploadFault::Paused)
        }
    }

    /// So much has come after so long. What came fast before is no credit.
    fn came(&mut self, octets: u64, waited: Duration) {
        if let Some(least) = self.least {
            let worth = Duration::from_millis(octets.saturating_mul(1000) / least);
            self.debt = (self.debt + waited).saturating_sub(worth);
        }
    }
}

/// A pause of the client's.
#[derive(Debug)]
struct Pausing {
    since: Instant,
    until: Pin<Box<tokio::time::Sleep>>,
    fault: UploadFault,
}

impl ClientBody {
    /// No body: of a request that has none, and of one that is sent again.
    #[must_use]
    pub fn none() -> Self {
        let pace = Pace::default();
        Self { incoming: None, left: None, upload: None, stripper: None, pace, pausing: None, load: None }
    }

    /// A body of at most `limit` octets, which comes at this pace over a client's connection, of which `ahead` octets may come
    /// before anybody asks for them.
    #[must_use]
    pub(super) fn new(
        incoming: Received,
        limit: Option<u64>,
        pace: Pace,
        stripper: &Arc<Stripper>,
        (activity, ahead): (&Arc<Activity>, u64),
    ) -> Self {
        let is_empty = match &incoming {
            Received::Streaming(incoming) => incoming.is_end_stream(),
            Received::Whole(octets) => octets.is_empty(),
        };
        if is_empty {
            return Self::none();
        }
        let (upload, stripper) = (Some(Arc::default()), Some(Arc::clone(stripper)));
        let mut load = match &incoming {
            Received::Streaming(_) => Some((Load::new(Arc::clone(activity)), ahead)),
            Received::Whole(_) => None,
        };
        if let Some((load, ahead)) = &mut load {
            load.waits(left_of(&incoming, *ahead));
        }
        Self { incoming: Some(incoming), left: limit, upload, stripper, pace, pausing: None, load }
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.incoming.is_none()
    }

    /// Whether it can be sent again.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        !matches!(self.incoming, Some(Received::Streaming(_)))
    }

    /// The same once more; `None` if it is not held whole.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        let octets = match &self.incoming {
            None => return Some(Self::none()),
            Some(Received::Streaming(_)) => return None,
            Some(Received::Whole(octets)) => octets.clone(),
        };
        Some(Self {
            incoming: Some(Received::Whole(octets)),
            left: self.left,
            upload: Some(Arc::default()),
            stripper: self.stripper.clone(),
            pace: self.pace,
            pausing: None,
            load: None,
        })
    }

    /// What becomes of it; `None` without a body.
    #[must_use]
    pub fn upload(&self) -> Option<Arc<Upload>> {
        self.upload.clone()
    }

    /// Says in the head how the body is framed on its way to the upstream: by what was read of it, not by what
    /// the client wrote. A length that no body follows would swallow the start of the next request on the same
    /// connection; and hyper leaves the body of a GET out unless the head announces one.
    pub fn announce(&self, headers: &mut HeaderMap) {
        match self.size_hint().exact() {
            Some(0) if !headers.contains_key(CONTENT_LENGTH) => {}
            Some(length) => drop(headers.insert(CONTENT_LENGTH, HeaderValue::from(length))),
            None => {
                headers.remove(CONTENT_LENGTH);
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
    }

    /// Waits for the client, but no longer than it may take.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, UploadFault>>> {
        loop {
            let answered = self.upload.as_ref().is_some_and(|upload| upload.answered.load(Relaxed));
            let pace = self.pace;
            let pausing = self.pausing.get_or_insert_with(|| {
                let (patience, fault) = pace.patience(answered);
                Pausing { since: Instant::now(), until: Box::pin(tokio::time::sleep(patience)), fault }
            });
            // Whoever sends without end what is no body, such as noughts before the size of a chunk, uses up what the task
            // may do at a time, and the timer must be asked all the same.
            if pin!(unconstrained(pausing.until.as_mut())).poll(cx).is_pending() {
                return Poll::Pending;
            }
            let fault = pausing.fault;
            if fault == UploadFault::Paused || !answered {
                return self.fail(fault);
            }
            // It was to hurry until its answer began.
            self.pausing = None;
        }
    }

    fn fail(&mut self, fault: UploadFault) -> Poll<Option<Result<Frame<Piece>, UploadFault>>> {
        if let Some(upload) = &self.upload {
            upload.fault.store(fault as u8, Relaxed);
        }
        self.incoming = None;
        self.load = None;
        Poll::Ready(Some(Err(fault)))
    }

    /// Counts what of it is handed over.
    fn piece(&mut self, octets: Bytes) -> Piece {
        match (&mut self.load, &self.incoming) {
            (Some((load, ahead)), Some(incoming)) => load.piece(octets, left_of(incoming, *ahead)),
            _ => Piece::from(octets),
        }
    }
}

/// How much of a body may come before it is asked for, where `most` octets of any may.
fn left_of(incoming: &Received, most: u64) -> u64 {
    match incoming {
        Received::Streaming(incoming) if !incoming.is_end_stream() => left(&incoming.size_hint(), most),
        _ => 0,
    }
}

/// As much as there may still be, and `most` at most.
fn left(hint: &SizeHint, most: u64) -> u64 {
    hint.upper().map_or(most, |upper| upper.min(most))
}

impl Body for ClientBody {
    type Data = Piece;
    type Error = UploadFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, UploadFault>>> {
        if let Some((load, _)) = &mut self.load {
            load.asked();
        }
        let polled = match &mut self.incoming {
            None => return Poll::Ready(None),
            Some(Received::Streaming(incoming)) => Pin::new(incoming).poll_frame(cx),
            Some(Received::Whole(octets)) => {
                let frame = Frame::data(std::mem::take(octets));
                self.incoming = None;
                Poll::Ready(Some(Ok(frame)))
            }
        };
        match polled {
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(pausing) = self.pausing.take() {
                    let octets = frame.data_ref().map_or(0, |data| data.len() as u64);
                    self.pace.came(octets, pausing.since.elapsed());
                }
                if let (Some(trailers), Some(stripper)) = (frame.trailers_mut(), &self.stripper) {
                    stripper.strip_trailers(trailers);
                }
                if let Some(upload) = &self.upload {
                    upload.progressed.store(true, Relaxed);
                }
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                match self.left.map(|left| left.checked_sub(length)) {
                    Some(None) => self.fail(UploadFault::TooLarge),
                    left => {
                        self.left = left.flatten();
                        Poll::Ready(Some(Ok(frame.map_data(|octets| self.piece(octets)))))
                    }
                }
            }
            Poll::Ready(Some(Err(_))) => self.fail(UploadFault::Broken),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => self.wait(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.incoming {
            None => true,
            Some(Received::Streaming(incoming)) => incoming.is_end_stream(),
            Some(Received::Whole(_)) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.incoming {
            None => SizeHint::with_exact(0),
            Some(Received::Streaming(incoming)) => incoming.size_hint(),
            Some(Received::Whole(octets)) => SizeHint::with_exact(octets.len() as u64),
        }
    }
}

/// The body of a response to a client.
pub struct ReplyBody {
    source: Source,
    /// Kept until the last octet is on its way.
    serving: Option<(Serving, Notes, Taken)>,
    /// The same, for what was let through.
    running: Option<Running>,
}

enum Source {
    /// The gate's own words.
    Own(Full<Bytes>),
    /// The upstream's, over a connection that is given back at its end.
    Pooled(Box<PooledBody<ClientBody>>),
    /// The upstream's, over a connection of its own.
    Single(Incoming),
}

impl ReplyBody {
    /// Counts the request as being served for as long as the body lives.
    pub(super) fn serve(&mut self, serving: Serving, notes: Notes, taken: Taken) {
        self.serving = Some((serving, notes, taken));
    }

    /// Has something to lose for as long as the body lives.
    pub(super) fn run(&mut self, running: Running) {
        self.running = Some(running);
    }

    /// Counts what of it is handed over.
    fn piece(&mut self, octets: Bytes) -> Piece {
        let Some((serving, notes, _)) = &mut self.serving else { return Piece::from(octets) };
        notes.handed(octets.len());
        let ahead = match &self.source {
            // What is as large is published, and the same octets are everybody's who asks for it.
            Source::Own(_) if octets.len() > MOST_OWN => {
                serving.handed();
                return Piece::from(octets);
            }
            Source::Own(_) => 0,
            Source::Pooled(body) => left(&body.size_hint(), body.ahead()),
            Source::Single(body) if body.is_end_stream() => 0,
            Source::Single(body) => left(&body.size_hint(), MOST_AHEAD),
        };
        serving.handed_piece(octets, ahead)
    }
}

impl From<Full<Bytes>> for ReplyBody {
    fn from(body: Full<Bytes>) -> Self {
        Self { source: Source::Own(body), serving: None, running: None }
    }
}

impl From<Box<PooledBody<ClientBody>>> for ReplyBody {
    fn from(body: Box<PooledBody<ClientBody>>) -> Self {
        Self { source: Source::Pooled(body), serving: None, running: None }
    }
}

impl From<Incoming> for ReplyBody {
    fn from(body: Incoming) -> Self {
        Self { source: Source::Single(body), serving: None, running: None }
    }
}

impl Body for ReplyBody {
    type Data = Piece;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, BodyError>>> {
        if let Some((serving, ..)) = &mut self.serving {
            serving.asked();
        }
        let frame = match &mut self.source {
            Source::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never: Infallible| match never {}),
            Source::Pooled(body) => Pin::new(body.as_mut()).poll_frame(cx),
            Source::Single(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::from),
        };
        frame.map_ok(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                strip_response_trailers(trailers);
            }
            frame.map_data(|octets| self.piece(octets))
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(body) => body.is_end_stream(),
            Source::Pooled(body) => body.is_end_stream(),
            Source::Single(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(body) => body.size_hint(),
            Source::Pooled(body) => body.size_hint(),
            Source::Single(body) => body.size_hint(),
        }
    }
}
