//! Traces of requests for OpenTelemetry: which trace a request belongs to (`context`), whether it is recorded, and the
//! spans of those that are. A request costs a few random octets; one that is recorded hands its spans over when it ends,
//! to a queue of fixed length whose other end `app` sends from. What finds no room there is dropped and counted: nobody
//! who serves a request ever waits.
//!
//! **What a client may say.** A client's trace goes on, so that its spans and ours are found together. That it says its
//! trace is recorded has no weight unless it comes from `tracing.sampled_by`: anybody could have everything recorded
//! otherwise, here and at every server behind. That it is not recorded is respected.

pub mod context;

pub use context::{Parent, SpanId, TraceId};

use crate::base::clock::Moment;
use crate::config::Tracing;
use crate::telemetry::metrics::{TRACES, TraceFate};
use crate::telemetry::request_id::RequestId;
use context::{is_state, traceparent};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Says which trace a request belongs to.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What those who take part in a trace keep with it.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// How many requests may wait to be sent to the collector.
pub const QUEUE: usize = 1024;
/// How many servers that a request was sent to have spans of their own.
const MOST_ATTEMPTS: usize = 16;

/// Decides what is recorded, and hands it on.
#[derive(Debug)]
pub struct Tracer {
    settings: Tracing,
    queue: mpsc::Sender<Finished>,
}

/// The spans of one request, the server's span first.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The trace.
    pub trace: TraceId,
    /// What those before us keep with it.
    pub state: Option<String>,
    /// The spans.
    pub spans: Vec<Span>,
}

/// Something that took its time.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// What it is known by.
    pub id: SpanId,
    /// What it is a part of.
    pub parent: Option<SpanId>,
    /// What kind of thing.
    pub kind: SpanKind,
    /// What it is called.
    pub name: String,
    /// When it began, in nanoseconds since the epoch.
    pub began: u64,
    /// When it ended.
    pub ended: u64,
    /// What there is to say of it.
    pub attributes: Vec<(&'static str, Value)>,
    /// Whether it failed.
    pub failed: bool,
}

/// The kinds of spans that there are here, with the numbers that OTLP has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SpanKind {
    /// A stage.
    Internal = 1,
    /// A request that came.
    Server = 2,
    /// A request that was sent.
    Client = 3,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

/// A stage of a request whose end is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The route was found.
    Routed,
    /// All that the decision rests on is known.
    Gathered,
    /// It is decided.
    Decided,
}

/// The trace of one request.
#[derive(Debug)]
pub struct Trace {
    tracer: Arc<Tracer>,
    id: TraceId,
    parent: Option<SpanId>,
    state: Option<HeaderValue>,
    /// The request's own span.
    span: SpanId,
    began: Instant,
    /// What is recorded, if anything is.
    record: Option<Mutex<Record>>,
}

#[derive(Debug)]
struct Record {
    at: Moment,
    last: SpanId,
    stages: Vec<(Stage, Instant)>,
    attempts: Vec<Span>,
    sent: u16,
}

impl Tracer {
    /// By these settings, into this queue.
    #[must_use]
    pub fn new(settings: Tracing, queue: mpsc::Sender<Finished>) -> Arc<Self> {
        Arc::new(Self { settings, queue })
    }

    /// What it goes by.
    #[must_use]
    pub fn settings(&self) -> &Tracing {
        &self.settings
    }

    /// Begins the trace of a request with this head, which came from there at that time; or goes on with the one that
    /// it says it belongs to. A trace of our own has the request's identifier for its name.
    #[must_use]
    pub fn begin(self: &Arc<Self>, headers: &HeaderMap, from: IpAddr, id: &RequestId, at: Moment) -> Trace {
        let parent = only(headers, &TRACEPARENT).and_then(|value| Parent::parse(value.as_bytes()));
        let random = RequestId::random().octets();
        let span = SpanId::new(random.first_chunk().copied().unwrap_or_default());
        let chance = |share: u32| span.number() % 1_000_000 < u64::from(share);
        let sampled = match parent {
            Some(parent) if !parent.sampled => false,
            Some(_) if self.settings.sampled_by.iter().any(|range| range.contains(from)) => true,
            _ => chance(self.settings.sample),
        };
        let record = || Record { at, last: span, stages: Vec::new(), attempts: Vec::new(), sent: 0 };
        Trace {
            tracer: Arc::clone(self),
            id: parent.map_or_else(|| TraceId::new(id.octets()), |parent| parent.trace),
            parent: parent.map(|parent| parent.span),
            state: parent.and_then(|_| state(headers)),
            span,
            began: Instant::now(),
            record: sampled.then(|| Mutex::new(record())),
        }
    }
}

/// The value of a field that must not be there twice.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// All of `tracestate` in one field, if it may be handed on.
fn state(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut joined = Vec::new();
    for value in headers.get_all(TRACESTATE) {
        if !joined.is_empty() {
            joined.push(b',');
        }
        joined.extend_from_slice(value.as_bytes());
    }
    if is_state(&joined) { HeaderValue::from_bytes(&joined).ok() } else { None }
}

impl Trace {
    /// What the trace is known by.
    #[must_use]
    pub fn id(&self) -> TraceId {
        self.id
    }

    /// Whether it is recorded.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.record.is_some()
    }

    /// Whether spans say whose request it is.
    #[must_use]
    pub fn tells_account(&self) -> bool {
        self.tracer.settings.account
    }

    /// A stage has ended.
    pub fn passed(&self, stage: Stage) {
        if let Some(mut record) = self.record() {
            // A request may be decided on again, when no server answers.
            if record.stages.iter().all(|(known, _)| *known != stage) {
                record.stages.push((stage, Instant::now()));
            }
        }
    }

    /// The request is about to be sent to a server, which is told of the trace by its headers.
    #[must_use]
    pub fn attempt(&self, server: &impl std::fmt::Display, headers: &mut HeaderMap) -> Attempt<'_> {
        let (span, resent) = match self.record() {
            Some(mut record) => {
                record.last = record.last.next();
                let resent = record.sent;
                record.sent = resent.saturating_add(1);
                (record.last, resent)
            }
            None => (self.span, 0),
        };
        if let Ok(value) = HeaderValue::try_from(traceparent(self.id, span, self.is_recorded())) {
            headers.insert(TRACEPARENT, value);
        }
        match &self.state {
            Some(state) => _ = headers.insert(TRACESTATE, state.clone()),
            None => _ = headers.remove(TRACESTATE),
        }
        let told = self.is_recorded().then(|| (server.to_string(), resent));
        Attempt { trace: self, span, began: Instant::now(), told, came: None }
    }

    /// The request has ended, and there is this to say of it: hands its spans over, if it is recorded. Calls `tell` for
    /// the name of its span, what there is to say, and whether it failed.
    pub fn end(&self, tell: impl FnOnce() -> (String, Vec<(&'static str, Value)>, bool)) {
        let Some(record) = self.record() else { return };
        let ended = Instant::now();
        let at = |instant| nanoseconds(record.at, self.began, instant);
        let (name, attributes, failed) = tell();
        let (began, ended) = (at(self.began), at(ended));
        let own =
            Span { id: self.span, parent: self.parent, kind: SpanKind::Server, name, began, ended, attributes, failed };
        let mut id = record.last;
        let mut spans = vec![own];
        let mut from = self.began;
        for (stage, passed) in &record.stages {
            let name = match stage {
                Stage::Routed => "route",
                Stage::Gathered => "gather",
                Stage::Decided => "decide",
            };
            id = id.next();
            spans.push(Span {
                id,
                parent: Some(self.span),
                kind: SpanKind::Internal,
                name: name.to_owned(),
                began: at(from),
                ended: at(*passed),
                attributes: Vec::new(),
                failed: false,
            });
            from = *passed;
        }
        spans.extend(record.attempts.iter().cloned());
        let state = self.state.as_ref().and_then(|state| state.to_str().ok()).map(str::to_owned);
        let count = spans.len() as u64;
        if self.tracer.queue.try_send(Finished { trace: self.id, state, spans }).is_err() {
            TRACES.add(TraceFate::Dropped, count);
        }
    }

    fn record(&self) -> Option<MutexGuard<'_, Record>> {
        self.record.as_ref().map(|record| record.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The nanoseconds since the epoch at which an instant is.
fn nanoseconds(at: Moment, began: Instant, instant: Instant) -> u64 {
    let millis = Duration::from_millis(u64::try_from(at.as_unix_millis()).unwrap_or(0));
    u64::try_from((millis + instant.saturating_duration_since(began)).as_nanos()).unwrap_or(u64::MAX)
}

/// A request that is under way to a server: what has come of it is noted when this is dropped.
#[derive(Debug)]
pub struct Attempt<'t> {
    trace: &'t Trace,
    span: SpanId,
    began: Instant,
    /// The server, and how often the request was sent before.
    told: Option<(String, u16)>,
    /// The status that came, or why none did.
    came: Option<Result<u16, &'static str>>,
}

impl Attempt<'_> {
    /// The head of an answer has come.
    pub fn answered(mut self, status: u16) {
        self.came = Some(Ok(status));
    }

    /// There is no answer for this cause.
    pub fn failed(mut self, cause: &'static str) {
        self.came = Some(Err(cause));
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let (Some((server, resent)), Some(mut record)) = (self.told.take(), self.trace.record()) else { return };
        if record.attempts.len() >= MOST_ATTEMPTS {
            return;
        }
        // Whoever asked may have gone away.
        let came = self.came.unwrap_or(Err("cancelled"));
        let mut attributes = vec![("server.address", Value::Text(server))];
        if resent > 0 {
            attributes.push(("http.request.resend_count", resent.into()));
        }
        attributes.push(match came {
            Ok(status) => ("http.response.status_code", status.into()),
            Err(cause) => ("error.type", cause.into()),
        });
        let at = |instant| nanoseconds(record.at, self.trace.began, instant);
        let span = Span {
            id: self.span,
            parent: Some(self.trace.span),
            kind: SpanKind::Client,
            name: "upstream".to_owned(),
            began: at(self.began),
            ended: at(Instant::now()),
            attributes,
            // Of a client's span, every status from 400 is a failure.
            failed: came.is_err() || came.is_ok_and(|status| status >= 400),
        };
        record.attempts.push(span);
    }
}

#[cfg(test)]
mod tests;
