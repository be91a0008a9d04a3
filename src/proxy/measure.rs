//! What is noted of a request on its way, for the metrics and the access log: when it came, by which route, what was
//! decided, what was sent. It is counted when the last octet of the answer is on its way, or when the client has gone
//! away before.

use super::Client;
use super::forward::ForwardError;
use super::gate::Route;
use crate::base::clock::Moment;
use crate::base::hex;
use crate::config::Method as Authentication;
use crate::telemetry::access::{AccessLog, Line};
use crate::telemetry::metrics::{self, REQUESTS_UNDER_WAY, RouteNumbers, UNROUTED, UpstreamFailure, Verdict};
use crate::telemetry::request_id::RequestId;
use http::header::{HOST, REFERER, USER_AGENT};
use http::{HeaderName, Method, Request, StatusCode, Version};
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
    /// What the access log wants to know besides, if there is one.
    story: Option<Box<Story>>,
}

/// What the access log tells of a request.
struct Story {
    log: Arc<AccessLog>,
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
    answered: Option<(StatusCode, Duration)>,
}

/// By what the access log knows a request.
pub(super) struct Known<'a> {
    pub(super) log: &'a Arc<AccessLog>,
    pub(super) client: &'a Arc<Client>,
    pub(super) id: RequestId,
    pub(super) at: Moment,
    pub(super) origin: Option<SocketAddr>,
}

impl Notes {
    /// Of a request that has just come.
    pub(super) fn begin<B>(request: &Request<B>, known: Option<Known<'_>>) -> Self {
        REQUESTS_UNDER_WAY.begin();
        Self {
            began: Instant::now(),
            method: metrics::method_index(request.method()),
            route: OnceLock::new(),
            verdict: AtomicU32::new(UNDECIDED),
            status: None,
            octets: 0,
            story: known.map(|known| Box::new(Story::begin(request, known))),
        }
    }

    /// The route is known.
    pub(super) fn routed(&self, route: &Route) {
        // The first one stays; a request has one.
        let _ = self.route.set(route.numbers.numbers());
        self.tell(|told| told.route = Some(route.name.clone()));
    }

    /// It is decided what becomes of the request. A later verdict takes the place of the one before: whoever may pass
    /// may yet be turned away for want of an upstream.
    pub(super) fn decided(&self, verdict: Verdict) {
        if self.verdict.swap(verdict.code(), Ordering::Relaxed) == UNDECIDED {
            metrics::DECIDE.observe(self.began.elapsed());
        }
        self.tell(|told| told.verdict = Some(verdict));
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
            story.end(self.status.map_or(without, |status| status.as_u16()), took, self.octets);
        }
    }
}

impl Story {
    fn begin<B>(request: &Request<B>, known: Known<'_>) -> Self {
        let Known { log, client, id, at, origin } = known;
        let query = log.settings().query;
        let field = |name: &HeaderName| {
            request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let uri = match request.uri().path_and_query().filter(|_| query) {
            Some(whole) => whole.as_str().to_owned(),
            None => request.uri().path().to_owned(),
        };
        let without_query = |mut url: String| {
            url.truncate(url.find('?').filter(|_| !query).unwrap_or(url.len()));
            url
        };
        Self {
            log: Arc::clone(log),
            client: Arc::clone(client),
            id,
            at,
            origin,
            method: request.method().clone(),
            uri,
            version: request.version(),
            host: request.uri().authority().map(ToString::to_string).or_else(|| field(&HOST)),
            referer: field(&REFERER).map(without_query),
            agent: field(&USER_AGENT),
            told: Mutex::default(),
        }
    }

    fn end(&self, status: u16, request_time: Duration, body_bytes_sent: u64) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = &self.client.connection;
        let (client, via) = match self.origin {
            Some(origin) => (origin, Some(connection.peer)),
            None => (connection.peer, connection.via),
        };
        let (verdict, reason, authentication) = match told.verdict {
            None => (None, None, None),
            Some(Verdict::Permit(by)) => (Some("permit"), None, by),
            Some(Verdict::Redirect) => (Some("redirect"), None, None),
            Some(Verdict::Challenge(reason)) => (Some("challenge"), Some(reason), None),
            Some(Verdict::Refuse(reason)) => (Some("refuse"), Some(reason), None),
        };
        let facts = connection.presented.as_ref().and_then(|presented| presented.facts.as_ref().ok());
        let serial = facts.map(|facts| hex::encode(&facts.serial));
        let line = Line {
            time: self.at,
            request_id: self.id.as_str(),
            remote_addr: client.ip(),
            remote_port: client.port(),
            via,
            remote_user: told.account.as_deref(),
            connection: connection.id.get(),
            listener: &connection.listener,
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
            upstream_status: told.answered.map(|(status, _)| status.as_u16()),
            upstream_header_time: told.answered.map(|(_, took)| took),
            verdict,
            reason: reason.map(|reason| reason.as_str()),
            authentication: authentication.map(Authentication::as_str),
            ssl_protocol: connection.tls.version,
            ssl_cipher: &connection.tls.cipher,
            ssl_server_name: connection.tls.server_name.as_deref(),
            ssl_session_reused: if connection.tls.resumed { "r" } else { "." },
            ssl_client_s_dn: facts.map(|facts| facts.subject.text.as_str()),
            ssl_client_serial: serial.as_deref(),
        };
        self.log.write(&line);
    }
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
        ForwardError::Broken { .. } | ForwardError::Unasked { .. } => UpstreamFailure::Broken,
        ForwardError::TimedOut { .. } => UpstreamFailure::TimedOut,
        ForwardError::NotLetIn { .. } => UpstreamFailure::NotLetIn,
        ForwardError::Upload(_) => UpstreamFailure::Upload,
        ForwardError::Busy { .. } => UpstreamFailure::Busy,
        ForwardError::Loop { .. } => UpstreamFailure::Loop,
    }
}
