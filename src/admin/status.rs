//! What `wicketgate status` shows, as the JSON of `/status`: the same numbers as the metrics, put together for people.
//! The command line reads it again, so the shape is said once.

use super::health::{Check, is_ready};
use super::numbers::{each_route, lists};
use super::process::{Usage, seconds};
use super::{Admin, Dated, Sources, servers};
use crate::base::clock::Timestamp;
use crate::base::number::float;
use crate::telemetry::metrics::histogram::Snapshot;
use crate::telemetry::metrics::{self, CacheKind, CacheResult, Handshake, METHODS, STATUS_CLASSES, UPSTREAMS};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// What a gate does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the program.
    pub version: String,
    /// When this was so, in RFC 3339.
    pub time: String,
    /// When the process started.
    pub started: String,
    /// Seconds since then.
    pub uptime_seconds: i64,
    /// The number of the configuration in force.
    pub epoch: u64,
    /// When it was taken up.
    pub loaded: String,
    /// Whether requests can be served.
    pub ready: bool,
    /// What that depends on.
    pub checks: Vec<Check>,
    /// Names and addresses of the listeners.
    pub listeners: Vec<Listener>,
    /// Client connections.
    pub connections: Connections,
    /// Requests in all.
    pub requests: Requests,
    /// Requests by route.
    pub routes: Vec<Route>,
    /// Why requests were turned away, most often first.
    pub refusals: Vec<Refusal>,
    /// Upstreams.
    pub upstreams: Vec<Upstream>,
    /// Accounts.
    pub accounts: Accounts,
    /// Revocation lists.
    pub lists: Vec<List>,
    /// Certificates, the next one to run out first.
    pub certificates: Vec<Certificate>,
    /// CPU seconds of the process so far.
    pub cpu_seconds: f64,
    /// Octets of memory that are in RAM.
    pub resident_bytes: u64,
}

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// The address that it is bound to.
    pub address: String,
}

/// Client connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Now.
    pub open: usize,
    /// At most.
    pub limit: usize,
    /// Since the start.
    pub accepted: u64,
    /// Handshakes that were done in full.
    pub full_handshakes: u64,
    /// Sessions that were resumed.
    pub resumed: u64,
    /// Connections that came to nothing.
    pub failed: u64,
    /// WebSockets and the like, now.
    pub tunnels: u64,
}

/// Requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// Since the start.
    pub total: u64,
    /// Now.
    pub under_way: u64,
    /// By class of status.
    pub by_status: Vec<(String, u64)>,
    /// Octets of bodies that were sent.
    pub response_bytes: u64,
}

/// Requests of one route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Host and path; `-` where there was none.
    pub name: String,
    /// Since the start.
    pub requests: u64,
    /// Of these, answered with 4xx.
    pub client_errors: u64,
    /// Of these, answered with 5xx.
    pub server_errors: u64,
    /// Half took no longer than this, in seconds, about.
    pub median_seconds: f64,
    /// All but one of a hundred took no longer than this, in seconds, about.
    pub p99_seconds: f64,
}

/// How often requests were turned away for a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// An upstream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// Answers since the start.
    pub responses: u64,
    /// Requests without an answer.
    pub failures: u64,
    /// Half took no longer than this, in seconds, about.
    pub median_seconds: f64,
    /// Requests that wait for a server to be free, where servers have limits.
    pub waiting: Option<u32>,
    /// Requests that were sent to another server after one had failed them.
    pub retries: u64,
    /// Retries that the budget has left, where there is another server.
    pub retries_left: Option<u64>,
    /// Names whose addresses cannot be had.
    pub unresolved: usize,
    /// Its servers.
    pub servers: Vec<Server>,
}

/// A server of an upstream, or all those that only accounts name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// As the configuration names it; `*` stands for those that only accounts name.
    pub name: String,
    /// Its address, where the name has been resolved.
    pub address: Option<String>,
    /// `up`, `down`, `ejected`, of one server.
    pub state: Option<String>,
    /// Whether it is asked only when no other one can be.
    pub backup: bool,
    /// Its share in relation to the others'.
    pub weight: u16,
    /// Requests under way, where there is a choice of servers or a limit.
    pub under_way: u32,
    /// Answers since the start.
    pub responses: u64,
    /// Requests that it has failed.
    pub failures: u64,
    /// How often it was ejected.
    pub ejections: u64,
    /// Active checks that it did not pass.
    pub checks_failed: u64,
    /// Open connections to it.
    pub connections_open: u64,
    /// Those of them that no request uses.
    pub connections_idle: u64,
    /// Half of its answers took no longer than this, in seconds, about.
    pub median_seconds: f64,
}

/// Accounts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accounts {
    /// Where they are kept.
    pub store: String,
    /// Whether it answers.
    pub up: bool,
    /// Seconds since it last confirmed what is known of it.
    pub confirmed_seconds: Option<f64>,
    /// Questions that the cache answered.
    pub hits: u64,
    /// Questions that the store answered.
    pub misses: u64,
    /// Questions that the cache answered in the store's place.
    pub stale: u64,
    /// Questions without an answer.
    pub unavailable: u64,
}

/// A revocation list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// The trust set.
    pub trust: String,
    /// Its file or URL.
    pub origin: String,
    /// Whose list it is.
    pub issuer: String,
    /// Seconds since it was made.
    pub age_seconds: i64,
    /// Seconds until it runs out.
    pub remaining_seconds: i64,
    /// How many certificates it names.
    pub entries: usize,
}

/// A certificate that runs out some day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// `listener`, `authority`, `intermediate`, `upstream`, `admin`.
    pub role: String,
    /// Of what.
    pub name: String,
    /// Its subject.
    pub subject: String,
    /// Its notAfter, in RFC 3339.
    pub not_after: String,
    /// Seconds until then.
    pub remaining_seconds: i64,
}

impl Admin {
    /// What the gate does at this time.
    pub(super) fn status(&self, at: Timestamp, now: Instant) -> Status {
        let sources = self.sources();
        let checks = sources.readiness.checks(at, now);
        let usage = Usage::now();
        let (routes, requests, refusals) = requests();
        let cache = |result| CacheKind::ALL.iter().map(|(kind, _)| metrics::CACHE.get(*kind, result)).sum();
        let mut certificates: Vec<Certificate> =
            sources.certificates.iter().map(|dated| certificate(dated, at)).collect();
        certificates.sort_by_key(|certificate| certificate.remaining_seconds);
        let all_lists = lists(&sources, at).into_iter().map(|((trust, origin, issuer), list)| List {
            trust,
            origin,
            issuer,
            age_seconds: list.age,
            remaining_seconds: list.remaining,
            entries: list.entries,
        });
        let listeners = sources.listeners.iter();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time: at.to_string(),
            started: self.started.to_string(),
            uptime_seconds: seconds(self.started, at),
            epoch: sources.epoch,
            loaded: sources.loaded.to_string(),
            ready: is_ready(&checks),
            checks,
            listeners: listeners.map(|(name, at)| Listener { name: name.clone(), address: at.to_string() }).collect(),
            connections: connections(sources.limit.open(), sources.connections),
            requests,
            routes,
            refusals,
            upstreams: upstreams(&sources),
            accounts: Accounts {
                store: sources.store.clone(),
                up: !sources.accounts.is_silent(now),
                confirmed_seconds: sources.accounts.since_confirmed(now).as_ref().map(Duration::as_secs_f64),
                hits: cache(CacheResult::Hit),
                misses: cache(CacheResult::Miss),
                stale: cache(CacheResult::Stale),
                unavailable: cache(CacheResult::Unavailable),
            },
            lists: all_lists.collect(),
            certificates,
            cpu_seconds: usage.map_or(0.0, |usage| usage.cpu),
            resident_bytes: usage.map_or(0, |usage| usage.resident),
        }
    }
}

fn connections(open: usize, limit: usize) -> Connections {
    let mut connections = Connections {
        open,
        limit,
        accepted: 0,
        full_handshakes: 0,
        resumed: 0,
        failed: 0,
        tunnels: metrics::TUNNELS.get(),
    };
    metrics::LISTENERS.for_each(|_, listener| {
        connections.accepted += listener.accepted.get();
        for (result, _) in Handshake::ALL {
            let count = listener.handshakes(result);
            match result {
                Handshake::Full => connections.full_handshakes += count,
                Handshake::Resumed => connections.resumed += count,
                // A balancer that looks whether somebody listens is no failure.
                Handshake::Check => {}
                _ => connections.failed += count,
            }
        }
    });
    connections
}

fn requests() -> (Vec<Route>, Requests, Vec<Refusal>) {
    let (mut routes, mut octets) = (Vec::new(), 0);
    let mut by_status = [0; STATUS_CLASSES.len()];
    let mut refusals = std::collections::BTreeMap::<String, u64>::new();
    each_route(|name, numbers| {
        let count = |class| (0..METHODS.len()).map(|method| numbers.requests(method, class)).sum::<u64>();
        let counts: [u64; STATUS_CLASSES.len()] = std::array::from_fn(count);
        by_status.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
        octets += numbers.octets();
        numbers.for_each_verdict(|verdict, reason, _, count| {
            if matches!(verdict, "refuse" | "challenge") {
                *refusals.entry(reason.to_owned()).or_default() += count;
            }
        });
        let requests = counts.iter().sum();
        if requests > 0 || name != super::numbers::NO_ROUTE {
            let took = numbers.duration().snapshot();
            let [.., client_errors, server_errors] = counts;
            let (median_seconds, p99_seconds) = (quantile(&took, 0.5), quantile(&took, 0.99));
            routes.push(Route {
                name: name.to_owned(),
                requests,
                client_errors,
                server_errors,
                median_seconds,
                p99_seconds,
            });
        }
    });
    let mut refusals: Vec<Refusal> = refusals.into_iter().map(|(reason, count)| Refusal { reason, count }).collect();
    refusals.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.reason.cmp(&other.reason)));
    let total = by_status.iter().sum();
    let by_status = STATUS_CLASSES.iter().zip(by_status).map(|(class, count)| ((*class).to_owned(), count)).collect();
    let under_way = metrics::REQUESTS_UNDER_WAY.get();
    (routes, Requests { total, under_way, by_status, response_bytes: octets }, refusals)
}

fn upstreams(sources: &Sources) -> Vec<Upstream> {
    let gate = sources.gate.load();
    let mut upstreams = Vec::new();
    UPSTREAMS.for_each(|names, numbers| {
        let name = names.first().copied().unwrap_or_default();
        let upstream = gate.upstreams.iter().map(|routed| &*routed.upstream).find(|upstream| upstream.name == name);
        upstreams.push(Upstream {
            name: name.to_owned(),
            responses: numbers.answers.all_responses(),
            failures: numbers.answers.all_failures(),
            median_seconds: quantile(&numbers.answers.duration().snapshot(), 0.5),
            waiting: upstream.and_then(|upstream| upstream.waiting()),
            retries: numbers.retried.get(),
            retries_left: upstream.and_then(|upstream| upstream.retries_left()),
            unresolved: upstream.map_or(0, |upstream| upstream.unresolved()),
            servers: upstream.map(servers::status).unwrap_or_default(),
        });
    });
    upstreams
}

fn certificate(dated: &Dated, at: Timestamp) -> Certificate {
    Certificate {
        role: dated.role.to_owned(),
        name: dated.name.clone(),
        subject: dated.subject.clone(),
        not_after: dated.not_after.to_string(),
        remaining_seconds: seconds(at, dated.not_after),
    }
}

/// A quantile as Prometheus estimates it: as if what is in a bucket were spread evenly over it. What is longer than the
/// last bound is taken for that bound.
pub(super) fn quantile(snapshot: &Snapshot, quantile: f64) -> f64 {
    let rank = quantile * float(snapshot.count);
    let (mut lower, mut below) = (0.0, 0);
    for (upper, count) in &snapshot.buckets {
        if float(*count) >= rank && *count > below {
            return lower + (upper - lower) * (rank - float(below)) / float(count - below);
        }
        (lower, below) = (*upper, *count);
    }
    if snapshot.count > 0 { lower } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_estimated_within_its_bucket() {
        let of = |buckets: &[(f64, u64)], count| Snapshot { buckets: buckets.to_vec(), count, sum: 0.0 };
        let even = of(&[(1.0, 10), (2.0, 20)], 20);
        for (snapshot, wanted, expected) in [
            (&even, 0.5, 1.0),
            (&even, 0.75, 1.5),
            (&even, 0.99, 1.98),
            (&of(&[(1.0, 0), (2.0, 4)], 4), 0.5, 1.5),
            (&of(&[(1.0, 0), (2.0, 0)], 4), 0.5, 2.0),
            (&of(&[(1.0, 0)], 0), 0.5, 0.0),
        ] {
            let found = quantile(snapshot, wanted);
            assert!((found - expected).abs() < 1e-9, "{snapshot:?} at {wanted}: {found}");
        }
    }
}
