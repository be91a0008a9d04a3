//! What is noted of a request on its way, for the metrics and the access log: when it came, by which route, what was
//! decided, what was sent. It is counted when the last octet of the answer is on its way, or when the client has gone
//! away before.

use super::Client;
use super::forward::ForwardError;
use super::gate::Route;
use crate::base::clock::Moment;
use crate::base::reason::Reason;
use crate::config::Method as Authentication;
use crate::telemetry::access::{AccessLog, Line};
use crate::telemetry::metrics::{
    self, METHODS, REQUESTS_UNDER_WAY, RouteNumbers, UNROUTED, UpstreamFailure, Verdict, method_index,
};
use crate::telemetry::request_id::RequestId;
use crate::telemetry::trace::{Attempt, Stage, Trace, Tracer, Value};
use crate::upstream::Server;
use http::header::{HOST, REFERER, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, StatusCode, Version};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Nothing was decided yet.
const UNDECIDED: u32 = u32::MAX;
/// What nginx writes as the status of a request whose client went away, and of one that it closes the connection on.
const GONE: u16 = 499;
const CLOSED: u16 = 444;

/// One request's notes.
pub(super) struct Notes {
    /// When the head had come.
    pub(super) began: Instant,
    method: usize,
    route: OnceLock<&'static RouteNumbers>,
    /// The code of the verdict.
    verdict: AtomicU32,
    /// The status that was sent, once it was.
    status: Option<StatusCode>,
    /// How many octets of the body were handed over.
    octets: u64,
    /// What the access log and traces want to know besides, if it goes into any.
    story: Option<Box<Story>>,
    /// The trace that it belongs to, where requests are traced.
    trace: Option<Box<Trace>>,
}

/// What the access log and traces tell of a request.
struct Story {
    log: Option<Arc<AccessLog>>,
    client: Arc<Client>,
    id: RequestId,
    at: Moment,
    origin: Option<SocketAddr>,
    method: Method,
    uri: String,
    version: Version,
    host: Option<String>,
    referer: Option<String>,
    agent: Option<String>,
    told: Mutex<Told>,
}

/// What the stages have found.
#[derive(Default)]
struct Told {
    route: Option<String>,
    verdict: Option<Verdict>,
    account: Option<String>,
    upstream: Option<String>,
    /// Those that it was sent to, one after the other: `10.0.0.5:8080, 10.0.0.6:8080`.
    servers: Option<Arc<str>>,
    answered: Option<(StatusCode, Duration)>,
}

/// By what the access log knows a request.
pub(super) struct Known<'a> {
    pub(super) log: Option<&'a Arc<AccessLog>>,
    pub(super) tracer: Option<&'a Arc<Tracer>>,
    pub(super) client: &'a Arc<Client>,
    pub(super) id: RequestId,
    pub(super) at: Moment,
    pub(super) origin: Option<SocketAddr>,
}

impl Notes {
    /// Of a request that has just come.
    pub(super) fn begin(head: &Parts, known: Option<Known<'_>>) -> Self {
        REQUESTS_UNDER_WAY.begin();
        let trace = known.as_ref().and_then(|known| known.begin_trace(head));
        let recorded = trace.as_ref().is_some_and(|trace| trace.is_recorded());
        let known = known.filter(|known| known.log.is_some() || recorded);
        Self {
            began: Instant::now(),
            method: metrics::method_index(&head.method),
            route: OnceLock::new(),
            verdict: AtomicU32::new(UNDECIDED),
            status: None,
            octets: 0,
            story: known.map(|known| Box::new(Story::begin(head, known))),
            trace,
        }
    }

    /// The request is about to be sent to this server with these headers.
    pub(super) fn attempt(&self, server: &Server, headers: &mut HeaderMap) -> Option<Attempt<'_>> {
        if self.story.is_none() && self.trace.is_none() {
            return None;
        }
        let place = server.place();
        self.tell(|told| match &told.servers {
            None => told.servers = Some(Arc::clone(place)),
            Some(before) if before.rsplit(", ").next() == Some(&**place) => {}
            Some(before) => told.servers = Some(format!("{before}, {place}").into()),
        });
        self.trace.as_ref().map(|trace| trace.attempt(place, headers))
    }

    /// All that the decision rests on is known.
    pub(super) fn gathered(&self) {
        self.stage(Stage::Gathered);
    }

    fn stage(&self, stage: Stage) {
        if let Some(trace) = &self.trace {
            trace.passed(stage);
        }
    }

    /// The route is known.
    pub(super) fn routed(&self, route: &Route) {
        // The first one stays; a request has one.
        let _ = self.route.set(route.numbers.numbers());
        self.tell(|told| told.route = Some(route.name.clone()));
        self.stage(Stage::Routed);
    }

    /// It is decided what becomes of the request. A later verdict takes the place of the one before: whoever may pass
    /// may yet be turned away for want of an upstream.
    pub(super) fn decided(&self, verdict: Verdict) {
        if self.verdict.swap(verdict.code(), Ordering::Relaxed) == UNDECIDED {
            metrics::DECIDE.observe(self.began.elapsed());
        }
        self.tell(|told| told.verdict = Some(verdict));
        self.stage(Stage::Decided);
    }

    /// The request may pass, for this account if for one.
    pub(super) fn permitted(&self, by: Option<Authentication>, account: Option<&str>) {
        self.decided(Verdict::Permit(by));
        self.tell(|told| told.account = account.map(str::to_owned));
    }

    /// An upstream was asked, and gave this status after this time if it gave any.
    pub(super) fn passed(&self, upstream: &str, answered: Option<(StatusCode, Duration)>) {
        self.tell(|told| {
            told.upstream = Some(upstream.to_owned());
            told.answered = answered;
        });
    }

    /// The head of an answer is on its way.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
        self.count_verdict();
    }

    /// So much of the answer's body was handed over.
    pub(super) fn handed(&mut self, octets: usize) {
        self.octets = self.octets.saturating_add(octets as u64);
    }

    fn tell(&self, tell: impl FnOnce(&mut Told)) {
        if let Some(story) = &self.story {
            tell(&mut story.told.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn numbers(&self) -> &'static RouteNumbers {
        self.route.get().copied().unwrap_or(&UNROUTED)
    }

    fn count_verdict(&self) {
        self.numbers().verdict(self.verdict.load(Ordering::Relaxed));
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.count_verdict();
        }
        let took = self.began.elapsed();
        self.numbers().answered(self.method, self.status, took, self.octets);
        REQUESTS_UNDER_WAY.end();
        if let Some(story) = &self.story {
            let without = if story.client.is_condemned() { CLOSED } else { GONE };
            let end = End {
                status: self.status.map_or(without, |status| status.as_u16()),
                took,
                octets: self.octets,
                trace: self.trace.as_deref(),
            };
            story.end(&end);
        }
    }
}

impl Known<'_> {
    fn begin_trace(&self, head: &Parts) -> Option<Box<Trace>> {
        let tracer = self.tracer?;
        let from = self.origin.unwrap_or(self.client.connection.peer).ip();
        Some(Box::new(tracer.begin(&head.headers, from, &self.id, self.at)))
    }
}

/// How a request has ended.
struct End<'a> {
    status: u16,
    took: Duration,
    octets: u64,
    trace: Option<&'a Trace>,
}

impl Story {
    fn begin(head: &Parts, known: Known<'_>) -> Self {
        let Known { log, tracer: _, client, id, at, origin } = known;
        // Traces never have it: tokens stand in queries.
        let query = log.is_some_and(|log| log.settings().query);
        let field = |name: &HeaderName| {
            head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let uri = match head.uri.path_and_query().filter(|_| query) {
            Some(whole) => whole.as_str().to_owned(),
            None => head.uri.path().to_owned(),
        };
        let without_query = |mut url: String| {
            url.truncate(url.find('?').filter(|_| !query).unwrap_or(url.len()));
            url
        };
        Self {
            log: log.map(Arc::clone),
            client: Arc::clone(client),
            id,
            at,
            origin,
            method: head.method.clone(),
            uri,
            version: head.version,
            host: head.uri.authority().map(ToString::to_string).or_else(|| field(&HOST)),
            referer: field(&REFERER).map(without_query),
            agent: field(&USER_AGENT),
            told: Mutex::default(),
        }
    }

    fn end(&self, end: &End<'_>) {
        let End { status, took: request_time, octets: body_bytes_sent, trace } = *end;
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (verdict, reason, authentication) = match told.verdict {
            None => (None, None, None),
            Some(Verdict::Permit(by)) => (Some("permit"), None, by),
            Some(Verdict::Redirect) => (Some("redirect"), None, None),
            Some(Verdict::Challenge(reason)) => (Some("challenge"), Some(reason), None),
            Some(Verdict::Refuse(reason)) => (Some("refuse"), Some(reason), None),
        };
        if let Some(trace) = trace {
            let client = self.origin.unwrap_or(self.client.connection.peer);
            let facts = SpanFacts { verdict, reason, authentication, client, status, octets: body_bytes_sent };
            trace.end(|| self.span(&told, &facts, trace.tells_account()));
        }
        let Some(log) = &self.log else { return };
        let trace_id = trace.map(|trace| trace.id().to_string());
        let connection = match self.origin {
            Some(origin) => &self.client.accessed_from(origin),
            None => self.client.accessed(),
        };
        let line = Line {
            time: self.at,
            request_id: self.id.as_str(),
            trace_id: trace_id.as_deref(),
            connection,
            remote_user: told.account.as_deref(),
            request_method: self.method.as_str(),
            request_uri: &self.uri,
            server_protocol: protocol(self.version),
            http_host: self.host.as_deref(),
            http_referer: self.referer.as_deref(),
            http_user_agent: self.agent.as_deref(),
            status,
            body_bytes_sent,
            request_time,
            route_name: told.route.as_deref(),
            upstream_cluster: told.upstream.as_deref(),
            upstream_addr: told.servers.as_deref(),
            upstream_status: told.answered.map(|(status, _)| status.as_u16()),
            upstream_header_time: told.answered.map(|(_, took)| took),
            verdict,
            reason: reason.map(|reason| reason.as_str()),
            authentication: authentication.map(Authentication::as_str),
        };
        log.write(&line);
    }

    /// The name of the request's span, what there is to say of it in the words of OpenTelemetry's semantic conventions
    /// for HTTP and in our own, and whether it failed. The query is left out, and the account unless that is wanted.
    fn span(&self, told: &Told, facts: &SpanFacts<'_>, account: bool) -> (String, Vec<(&'static str, Value)>, bool) {
        let connection = &self.client.connection;
        let SpanFacts { verdict, reason, authentication, client, status, octets } = *facts;
        let route = told.route.as_deref();
        let method = METHODS.get(method_index(&self.method)).copied().unwrap_or("other");
        let known = if method == "other" { "HTTP" } else { method };
        let path = self.uri.split('?').next().unwrap_or_default();
        let mut said: Vec<(&'static str, Value)> = vec![
            ("http.request.method", if method == "other" { "_OTHER" } else { method }.into()),
            ("url.scheme", if connection.tls.version.is_empty() { "http" } else { "https" }.into()),
            ("url.path", path.into()),
            ("http.response.status_code", status.into()),
            ("http.response.body.size", Value::Number(i64::try_from(octets).unwrap_or(i64::MAX))),
            (
                "network.protocol.version",
                protocol(self.version).trim_start_matches("HTTP/").trim_end_matches(".0").into(),
            ),
            ("client.address", Value::Text(client.ip().to_string())),
            ("wicketgate.request_id", self.id.as_str().into()),
            ("wicketgate.listener", (&*connection.listener).into()),
        ];
        let mut say = |name, value: Option<&str>| said.extend(value.map(|value| (name, Value::from(value))));
        say("http.route", route);
        say("server.address", self.host.as_deref());
        say("user_agent.original", self.agent.as_deref());
        say("wicketgate.verdict", verdict);
        say("wicketgate.reason", reason.map(Reason::as_str));
        say("wicketgate.authentication", authentication.map(Authentication::as_str));
        say("wicketgate.upstream", told.upstream.as_deref());
        say("user.name", told.account.as_deref().filter(|_| account));
        let name = route.map_or_else(|| known.to_owned(), |route| format!("{known} {route}"));
        (name, said, status >= 500)
    }
}

/// What a request's span says besides what is known from the start.
#[derive(Clone, Copy)]
struct SpanFacts<'a> {
    verdict: Option<&'a str>,
    reason: Option<Reason>,
    authentication: Option<Authentication>,
    client: SocketAddr,
    status: u16,
    octets: u64,
}

/// As nginx writes it.
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

/// As which failure of an upstream it is counted that there was no answer.
pub(super) fn failure(error: &ForwardError) -> UpstreamFailure {
    match error {
        ForwardError::Connect { .. } => UpstreamFailure::Connect,
        ForwardError::Broken { .. } | ForwardError::Unasked { .. } | ForwardError::Coding { .. } => {
            UpstreamFailure::Broken
        }
        ForwardError::TimedOut { .. } => UpstreamFailure::TimedOut,
        ForwardError::NotLetIn { .. } => UpstreamFailure::NotLetIn,
        ForwardError::Upload(_) => UpstreamFailure::Upload,
        ForwardError::Busy { .. } => UpstreamFailure::Busy,
        ForwardError::Loop { .. } => UpstreamFailure::Loop,
    }
}
