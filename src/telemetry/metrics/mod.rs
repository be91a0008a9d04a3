//! What is counted, for Prometheus and for `wicketgate status`. The numbers are the process's, as its log is: whoever
//! has something to count does so here, without being handed anything. What a request counts costs a few nanoseconds
//! each ([`sharded`]); routes and upstreams keep their own numbers ([`family`]), so that none has to be looked
//! up. What can be asked for at any time (ages, sizes, dates) is not counted here: `admin` asks for it when a page is
//! made.

pub mod answers;
pub mod catalogue;
pub mod family;
pub mod histogram;
pub mod page;
pub mod servers;
pub mod sharded;

pub use answers::Answers;
pub use family::{Family, Series};
pub use histogram::Histogram;
pub use page::Page;
pub use servers::{SERVERS, ServerNumbers};
pub use sharded::{Counter, Gauge, Held, Sharded};

use crate::base::reason::Reason;
use crate::config::Method as Authentication;
use http::{Method, StatusCode};
use std::time::Duration;

/// Numbers about each listener, by its name.
pub static LISTENERS: Family<ListenerNumbers> = Family::new();
/// Numbers about each route, by host and path.
pub static ROUTES: Family<RouteNumbers> = Family::new();
/// Numbers about each upstream, by its name.
pub static UPSTREAMS: Family<UpstreamNumbers> = Family::new();
/// Numbers about each trust set, by its name.
pub static TRUST: Family<TrustNumbers> = Family::new();

/// Numbers about requests that no route was found for.
pub static UNROUTED: RouteNumbers = RouteNumbers::new();

/// From accept to the end of a handshake that was done in full.
pub static FULL_HANDSHAKE: Histogram = Histogram::new(histogram::LONG);
/// The same where a session was resumed.
pub static RESUMED_HANDSHAKE: Histogram = Histogram::new(histogram::LONG);
/// From the head of a request to its verdict.
pub static DECIDE: Histogram = Histogram::new(histogram::SHORT);
/// Requests that are being answered.
pub static REQUESTS_UNDER_WAY: Gauge = Gauge::new();
/// Connections that have switched protocols.
pub static TUNNELS: Gauge = Gauge::new();
/// Connections and tunnels that were cut, by [`Reason`].
pub static CUT: Reasons = Reasons(Sharded::new());

/// What the cache of accounts answered.
pub static CACHE: CacheNumbers = CacheNumbers(Sharded::new());
/// Questions to the store that it answered.
pub static DATABASE_ANSWERED: Counter = Counter::new();
/// Questions to the store that it did not answer.
pub static DATABASE_FAILED: Counter = Counter::new();
/// How long the store takes.
pub static DATABASE_DURATION: Histogram = Histogram::new(histogram::LONG);
/// Connections to a MySQL server that are in use.
pub static DATABASE_BUSY: Gauge = Gauge::new();

/// Names that were locked.
pub static THROTTLE_LOCKS: Counter = Counter::new();
/// Attempts of whom is locked.
pub static THROTTLE_LOCKED: Counter = Counter::new();
/// Attempts that were one too many.
pub static THROTTLE_CROWDED: Counter = Counter::new();

/// Configurations that were taken up after the start.
pub static RELOADS_TAKEN_UP: Counter = Counter::new();
/// Configurations that were refused.
pub static RELOADS_REFUSED: Counter = Counter::new();
/// Lines of the access log.
pub static ACCESS_LINES: Counter = Counter::new();
/// Lines of the access log that were left out.
pub static ACCESS_DROPPED: Counter = Counter::new();

/// Spans of traces, by what became of them.
pub static TRACES: Traces = Traces(Sharded::new());

/// What became of the spans of a request that was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum TraceFate {
    /// The collector has them.
    Exported,
    /// The collector did not take them.
    Failed,
    /// There was no room for them in the queue.
    Dropped,
}

impl TraceFate {
    /// Every one, in the order of their numbers.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Exported, "exported"), (Self::Failed, "failed"), (Self::Dropped, "dropped")];
}

/// A count for each [`TraceFate`].
pub struct Traces(Sharded<{ TraceFate::ALL.len() }>);

impl Traces {
    /// So many more of this fate.
    pub fn add(&self, fate: TraceFate, spans: u64) {
        self.0.add(fate as usize, spans);
    }

    /// How many there were.
    #[must_use]
    pub fn get(&self, fate: TraceFate) -> u64 {
        self.0.get(fate as usize)
    }
}

/// What became of a connection before its first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Handshake {
    /// Done in full.
    Full,
    /// Done, with a session resumed.
    Resumed,
    /// TLS did not come about: an alert of either side, or octets that are no TLS.
    Failed,
    /// The client went away without a word.
    Silent,
    /// It took too long.
    Late,
    /// The client spoke another protocol, mostly plain HTTP.
    NotTls,
    /// The certificate cannot be read.
    Certificate,
    /// Something is wrong with the PROXY header, or with who sent it.
    ProxyHeader,
    /// The client that the balancer named has all the connections that it may have.
    NoPlace,
    /// A balancer looked whether somebody listens.
    Check,
}

impl Handshake {
    /// Every one, in the order of their numbers.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Full, "full"),
        (Self::Resumed, "resumed"),
        (Self::Failed, "failed"),
        (Self::Silent, "silent"),
        (Self::Late, "late"),
        (Self::NotTls, "not_tls"),
        (Self::Certificate, "certificate"),
        (Self::ProxyHeader, "proxy_header"),
        (Self::NoPlace, "no_place"),
        (Self::Check, "check"),
    ];
}

/// Why a connection was closed as soon as it was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Closed {
    /// `limits.connections`.
    Total,
    /// `limits.connections_per_address`.
    PerAddress,
    /// Too many wait for their PROXY headers.
    Unannounced,
    /// Only balancers may connect here.
    NoBalancer,
}

impl Closed {
    /// Every one, in the order of their numbers.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Total, "connections"),
        (Self::PerAddress, "connections_per_address"),
        (Self::Unannounced, "unannounced"),
        (Self::NoBalancer, "no_balancer"),
    ];
}

/// Numbers about a listener.
#[derive(Default)]
pub struct ListenerNumbers {
    /// Connections that were accepted.
    pub accepted: Counter,
    refused: Sharded<{ Closed::ALL.len() }>,
    handshakes: Sharded<{ Handshake::ALL.len() }>,
}

impl ListenerNumbers {
    /// Counts a connection that was closed at once.
    pub fn refused(&self, cause: Closed) {
        self.refused.add(cause as usize, 1);
    }

    /// How many were closed at once, by cause.
    #[must_use]
    pub fn refusals(&self, cause: Closed) -> u64 {
        self.refused.get(cause as usize)
    }

    /// Counts what became of a connection after this time.
    pub fn handshake(&self, result: Handshake, took: Duration) {
        self.handshakes.add(result as usize, 1);
        match result {
            Handshake::Full => FULL_HANDSHAKE.observe(took),
            Handshake::Resumed => RESUMED_HANDSHAKE.observe(took),
            _ => {}
        }
    }

    /// How many connections came to this.
    #[must_use]
    pub fn handshakes(&self, result: Handshake) -> u64 {
        self.handshakes.get(result as usize)
    }
}

/// A count for each [`Reason`].
pub struct Reasons(Sharded<MOST_REASONS>);

/// Room for reasons that are yet to come.
const MOST_REASONS: usize = 48;
const _: () = assert!(Reason::ALL.len() <= MOST_REASONS);

impl Reasons {
    /// One more for this reason.
    pub fn increment(&self, reason: Reason) {
        self.0.add(reason as usize, 1);
    }

    /// How many there were for this reason.
    #[must_use]
    pub fn get(&self, reason: Reason) -> u64 {
        self.0.get(reason as usize)
    }
}

/// The classes of status that answers are counted by.
pub const STATUS_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// The methods that requests are counted by; a client may think of any other.
pub const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "other"];
/// By what those that may pass have shown who they are.
pub const AUTHENTICATIONS: [&str; 5] = ["none", "certificate", "digest", "session", "basic"];

/// The number of a method among [`METHODS`].
#[must_use]
pub fn method_index(method: &Method) -> usize {
    let last = METHODS.len() - 1;
    METHODS.iter().take(last).position(|name| *name == method.as_str()).unwrap_or(last)
}

fn class(status: Option<StatusCode>) -> usize {
    status.map_or(0, |status| usize::from(status.as_u16() / 100)).min(STATUS_CLASSES.len() - 1)
}

/// What a request came to, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass, by this method or without saying who it is.
    Permit(Option<Authentication>),
    /// The client was sent elsewhere.
    Redirect,
    /// The client was asked for credentials.
    Challenge(Reason),
    /// It was turned away.
    Refuse(Reason),
}

/// Where in the cells of a route verdicts of a kind begin.
const REDIRECT: usize = AUTHENTICATIONS.len();
const CHALLENGE: usize = REDIRECT + 1;
const REFUSE: usize = CHALLENGE + MOST_REASONS;
const VERDICTS: usize = REFUSE + MOST_REASONS;

impl Verdict {
    /// A number that is no other verdict's.
    #[must_use]
    pub fn code(self) -> u32 {
        // There are a hundred.
        u32::try_from(self.cell()).unwrap_or(u32::MAX)
    }

    fn cell(self) -> usize {
        match self {
            Self::Permit(None) => 0,
            Self::Permit(Some(Authentication::Certificate)) => 1,
            Self::Permit(Some(Authentication::Digest)) => 2,
            Self::Permit(Some(Authentication::Session)) => 3,
            Self::Permit(Some(Authentication::Basic)) => 4,
            Self::Redirect => REDIRECT,
            Self::Challenge(reason) => CHALLENGE + reason as usize,
            Self::Refuse(reason) => REFUSE + reason as usize,
        }
    }
}

/// Numbers about a route.
pub struct RouteNumbers {
    verdicts: Sharded<VERDICTS>,
    requests: Sharded<{ METHODS.len() * STATUS_CLASSES.len() }>,
    duration: Histogram,
    octets: Counter,
}

impl Default for RouteNumbers {
    fn default() -> Self {
        Self::new()
    }
}

impl RouteNumbers {
    /// Nothing was counted yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            verdicts: Sharded::new(),
            requests: Sharded::new(),
            duration: Histogram::new(histogram::LONG),
            octets: Counter::new(),
        }
    }

    /// Counts the verdict of this [code](Verdict::code); any other number is none.
    pub fn verdict(&self, code: u32) {
        self.verdicts.add(usize::try_from(code).unwrap_or(usize::MAX), 1);
    }

    /// Counts an answered request: its method's number, the status that was sent if one was, how long it took, and
    /// how many octets its body had.
    pub fn answered(&self, method: usize, status: Option<StatusCode>, took: Duration, octets: u64) {
        self.requests.add(method.min(METHODS.len() - 1) * STATUS_CLASSES.len() + class(status), 1);
        self.duration.observe(took);
        if octets > 0 {
            self.octets.add(octets);
        }
    }

    /// How long answers take.
    #[must_use]
    pub fn duration(&self) -> &Histogram {
        &self.duration
    }

    /// How many octets of bodies were handed over.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets.get()
    }

    /// How many requests of this method were answered with a status of this class, by their numbers.
    #[must_use]
    pub fn requests(&self, method: usize, class: usize) -> u64 {
        self.requests.get(method * STATUS_CLASSES.len() + class)
    }

    /// Calls `show` with verdict, reason, authentication and number for each verdict that there was.
    pub fn for_each_verdict(&self, mut show: impl FnMut(&str, &str, &str, u64)) {
        let mut show = |cell: usize, verdict: &str, reason: &str, authentication: &str| {
            let count = self.verdicts.get(cell);
            if count > 0 {
                show(verdict, reason, authentication, count);
            }
        };
        for (cell, authentication) in AUTHENTICATIONS.iter().enumerate() {
            show(cell, "permit", "", authentication);
        }
        show(REDIRECT, "redirect", "", "");
        for (first, verdict) in [(CHALLENGE, "challenge"), (REFUSE, "refuse")] {
            Reason::ALL.iter().for_each(|reason| show(first + *reason as usize, verdict, reason.as_str(), ""));
        }
    }
}

/// Why there was no answer from an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum UpstreamFailure {
    /// No server could be connected to.
    Connect,
    /// The connection broke off, or what came is not HTTP.
    Broken,
    /// Nothing came in time.
    TimedOut,
    /// It does not let us in.
    NotLetIn,
    /// The client's own body broke off.
    Upload,
    /// All servers had enough to do.
    Busy,
    /// The request had passed the gate before.
    Loop,
}

impl UpstreamFailure {
    /// Every one, in the order of their numbers.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Connect, "connect"),
        (Self::Broken, "broken"),
        (Self::TimedOut, "timed_out"),
        (Self::NotLetIn, "not_let_in"),
        (Self::Upload, "upload"),
        (Self::Busy, "busy"),
        (Self::Loop, "loop"),
    ];

    /// Those of which one server is the cause.
    pub const OF_SERVERS: [Self; 3] = [Self::Connect, Self::Broken, Self::TimedOut];

    /// Its name as a label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(cause, _)| *cause == self).map_or("", |(_, name)| name)
    }
}

/// Numbers about an upstream.
#[derive(Default)]
pub struct UpstreamNumbers {
    /// What came of the requests that were sent to it.
    pub answers: Answers,
    /// Requests that were sent to another server after one had failed them.
    pub retried: Counter,
    /// Requests that were not, because the budget was spent.
    pub over_budget: Counter,
}

/// Numbers about a trust set.
#[derive(Default)]
pub struct TrustNumbers {
    /// Revocation lists that were taken up.
    pub lists_taken_up: Counter,
    /// Revocation lists that were refused.
    pub lists_refused: Counter,
}

/// What is asked of the cache of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum CacheKind {
    /// Accounts by a name.
    Accounts,
    /// HA1s.
    Digest,
    /// User names by their hash.
    Names,
    /// Hashes of passwords.
    Passwords,
    /// Revocations in the database.
    Revocations,
}

impl CacheKind {
    /// Every one, in the order of their numbers.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Accounts, "accounts"),
        (Self::Digest, "digest"),
        (Self::Names, "names"),
        (Self::Passwords, "passwords"),
        (Self::Revocations, "revocations"),
    ];
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum CacheResult {
    /// The cache.
    Hit,
    /// The store.
    Miss,
    /// The cache, in the place of a store that gives no answer.
    Stale,
    /// Nowhere.
    Unavailable,
}

impl CacheResult {
    /// Every one, in the order of their numbers.
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::Hit, "hit"), (Self::Miss, "miss"), (Self::Stale, "stale"), (Self::Unavailable, "unavailable")];
}

/// Answers by what was asked and where they came from.
pub struct CacheNumbers(Sharded<{ CacheKind::ALL.len() * CacheResult::ALL.len() }>);

impl CacheNumbers {
    /// One more answer.
    pub fn increment(&self, kind: CacheKind, result: CacheResult) {
        self.0.add(kind as usize * CacheResult::ALL.len() + result as usize, 1);
    }

    /// How many there were.
    #[must_use]
    pub fn get(&self, kind: CacheKind, result: CacheResult) -> u64 {
        self.0.get(kind as usize * CacheResult::ALL.len() + result as usize)
    }
}

/// Counts a question to the store of accounts, and whether it was answered.
pub fn database_asked(answered: bool, took: Duration) {
    if answered {
        DATABASE_ANSWERED.increment()
    } else {
        DATABASE_FAILED.increment()
    }
    DATABASE_DURATION.observe(took);
}

#[cfg(test)]
mod tests;
