//! The page of metrics: what was counted, and what the parts say when they are asked. Each metric of
//! [`catalogue::ALL`] stands there once, in that order.

use super::process::{Usage, seconds};
use super::{Admin, Dated, Sources, servers};
use crate::auth::trust::TrustSet;
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::base::reason::Reason;
use crate::telemetry::metrics::catalogue as all;
use crate::telemetry::metrics::{
    self, CacheKind, CacheResult, Closed, Handshake, METHODS, Page, ROUTES, RouteNumbers, STATUS_CLASSES, TRUST,
    TraceFate, UNROUTED, UPSTREAMS, UpstreamFailure,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What stands for requests without a route.
pub(super) const NO_ROUTE: &str = "-";

/// A revocation list in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListState {
    /// Seconds since it was made.
    pub(super) age: i64,
    /// Seconds until it runs out.
    pub(super) remaining: i64,
    /// How many certificates it names.
    pub(super) entries: usize,
}

/// The lists in force, by trust set, origin and issuer. Of several lists with the same names, such as a list and the
/// changes to it, the oldest counts.
pub(super) fn lists(sources: &Sources, at: Timestamp) -> BTreeMap<(String, String, String), ListState> {
    let mut all: BTreeMap<_, ListState> = BTreeMap::new();
    for set in &sources.trust {
        for list in set.lists().lists() {
            let names = (set.name().to_owned(), list.origin().to_string(), list.issuer_name().to_owned());
            let age = seconds(list.this_update(), at);
            let remaining = seconds(at, list.next_update());
            let state = ListState { age, remaining, entries: list.len() };
            let merge = |known: &mut ListState| {
                known.age = known.age.max(age);
                known.remaining = known.remaining.min(remaining);
                known.entries += list.len();
            };
            all.entry(names).and_modify(merge).or_insert(state);
        }
    }
    all
}

/// Calls `show` with the name and the numbers of each route.
pub(super) fn each_route(mut show: impl FnMut(&str, &'static RouteNumbers)) {
    ROUTES.for_each(|names, numbers| show(names.first().copied().unwrap_or(NO_ROUTE), numbers));
    show(NO_ROUTE, &UNROUTED);
}

impl Admin {
    /// The page, at this time.
    pub(super) fn page(&self, at: Timestamp, now: Instant) -> String {
        let sources = self.sources();
        let mut page = Page::new();
        page.metric(&all::BUILD_INFO).sample(&[env!("CARGO_PKG_VERSION")], true);
        page.metric(&all::START_TIME).sample(&[], self.started.as_unix());
        usage(&mut page);
        connections(&mut page, &sources);
        requests(&mut page, &sources);
        upstreams(&mut page);
        servers::page(&mut page, &sources);
        accounts(&mut page, &sources, now);
        revocation(&mut page, &sources, at);
        certificates(&mut page, &sources, at);
        credentials(&mut page, &sources);
        process(&mut page, &sources);
        page.into_text()
    }
}

fn usage(page: &mut Page) {
    let Some(usage) = Usage::now() else { return };
    page.metric(&all::CPU).sample(&[], usage.cpu);
    page.metric(&all::RESIDENT).sample(&[], usage.resident);
    page.metric(&all::OPEN_FDS).sample(&[], usage.descriptors);
    page.metric(&all::MAX_FDS).sample(&[], usage.most_descriptors);
}

fn connections(page: &mut Page, sources: &Sources) {
    page.metric(&all::CONNECTIONS_OPEN).sample(&[], sources.limit.open());
    page.metric(&all::CONNECTIONS_LIMIT).sample(&[], sources.connections);
    let mut accepted = page.metric(&all::CONNECTIONS_ACCEPTED);
    metrics::LISTENERS.for_each(|names, listener| accepted.sample(names, listener.accepted.get()));
    let mut refused = page.metric(&all::CONNECTIONS_REFUSED);
    metrics::LISTENERS.for_each(|names, listener| {
        for (cause, name) in Closed::ALL {
            refused.sample(&with(names, name), listener.refusals(cause));
        }
    });
    let mut handshakes = page.metric(&all::HANDSHAKES);
    metrics::LISTENERS.for_each(|names, listener| {
        for (result, name) in Handshake::ALL {
            handshakes.sample(&with(names, name), listener.handshakes(result));
        }
    });
    let mut duration = page.metric(&all::HANDSHAKE_DURATION);
    duration.histogram(&["full"], &metrics::FULL_HANDSHAKE.snapshot());
    duration.histogram(&["resumed"], &metrics::RESUMED_HANDSHAKE.snapshot());
    let mut cut = page.metric(&all::CONNECTIONS_CUT);
    for reason in Reason::ALL.iter().filter(|reason| may_cut(**reason) || metrics::CUT.get(**reason) > 0) {
        cut.sample(&[reason.as_str()], metrics::CUT.get(*reason));
    }
    page.metric(&all::LIVE).sample(&[], sources.live.len());
}

/// Whether it is the usual reason for which somebody loses what runs: there from the start, so that the first one shows
/// as an increase.
fn may_cut(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::CertificateRevoked | Reason::CertificateExpired | Reason::AccountInactive | Reason::Overloaded
    )
}

fn requests(page: &mut Page, sources: &Sources) {
    let mut requests = page.metric(&all::REQUESTS);
    each_route(|route, numbers| {
        for (method, name) in METHODS.iter().enumerate() {
            for (class, status) in STATUS_CLASSES.iter().enumerate() {
                let count = numbers.requests(method, class);
                if count > 0 {
                    requests.sample(&[route, name, status], count);
                }
            }
        }
    });
    let mut verdicts = page.metric(&all::VERDICTS);
    each_route(|route, numbers| {
        numbers.for_each_verdict(|verdict, reason, authentication, count| {
            verdicts.sample(&[route, verdict, reason, authentication], count);
        });
    });
    let mut duration = page.metric(&all::REQUEST_DURATION);
    each_route(|route, numbers| duration.histogram(&[route], &numbers.duration().snapshot()));
    page.metric(&all::DECIDE_DURATION).histogram(&[], &metrics::DECIDE.snapshot());
    page.metric(&all::REQUESTS_UNDER_WAY).sample(&[], metrics::REQUESTS_UNDER_WAY.get());
    let mut octets = page.metric(&all::RESPONSE_BYTES);
    each_route(|route, numbers| octets.sample(&[route], numbers.octets()));
    let gate = sources.gate.load();
    page.metric(&all::BUFFERS).sample(&[], gate.held.buffers().all());
    page.metric(&all::BUFFERS_LIMIT).sample(&[], gate.held.buffers().most());
    page.metric(&all::TUNNELS).sample(&[], metrics::TUNNELS.get());
}

fn upstreams(page: &mut Page) {
    let mut duration = page.metric(&all::UPSTREAM_DURATION);
    UPSTREAMS.for_each(|names, upstream| duration.histogram(names, &upstream.answers.duration().snapshot()));
    let mut responses = page.metric(&all::UPSTREAM_RESPONSES);
    UPSTREAMS.for_each(|names, upstream| {
        // Whoever answers has a status.
        for (class, status) in STATUS_CLASSES.iter().enumerate().skip(1) {
            responses.sample(&with(names, status), upstream.answers.responses(class));
        }
    });
    let mut failures = page.metric(&all::UPSTREAM_FAILURES);
    UPSTREAMS.for_each(|names, upstream| {
        for (cause, name) in UpstreamFailure::ALL {
            failures.sample(&with(names, name), upstream.answers.failures(cause));
        }
    });
}

fn accounts(page: &mut Page, sources: &Sources, now: Instant) {
    let mut answers = page.metric(&all::CACHE_ANSWERS);
    for (kind, name) in CacheKind::ALL {
        for (result, result_name) in CacheResult::ALL {
            answers.sample(&[name, result_name], metrics::CACHE.get(kind, result));
        }
    }
    let mut entries = page.metric(&all::CACHE_ENTRIES);
    for (kind, count) in sources.accounts.kept() {
        let name = CacheKind::ALL.iter().find(|(known, _)| *known == kind).map_or("", |(_, name)| name);
        entries.sample(&[name], count);
    }
    page.metric(&all::DATABASE_UP).sample(&[], !sources.accounts.is_silent(now));
    let confirmed = sources.accounts.since_confirmed(now).as_ref().map_or(-1.0, Duration::as_secs_f64);
    page.metric(&all::DATABASE_CONFIRMED).sample(&[], confirmed);
    let mut queries = page.metric(&all::DATABASE_QUERIES);
    queries.sample(&["answered"], metrics::DATABASE_ANSWERED.get());
    queries.sample(&["failed"], metrics::DATABASE_FAILED.get());
    page.metric(&all::DATABASE_DURATION).histogram(&[], &metrics::DATABASE_DURATION.snapshot());
    page.metric(&all::DATABASE_CONNECTIONS).sample(&[], metrics::DATABASE_BUSY.get());
}

fn revocation(page: &mut Page, sources: &Sources, at: Timestamp) {
    let lists = lists(sources, at);
    type Ask = fn(&ListState) -> i64;
    let numbers: [(_, Ask); 3] = [
        (&all::CRL_AGE, |list| list.age),
        (&all::CRL_REMAINING, |list| list.remaining),
        (&all::CRL_ENTRIES, |list| i64::try_from(list.entries).unwrap_or(i64::MAX)),
    ];
    for (metric, ask) in numbers {
        let mut samples = page.metric(metric);
        for ((trust, origin, issuer), list) in &lists {
            samples.sample(&[trust, origin, issuer], ask(list));
        }
    }
    let mut refused = page.metric(&all::CRL_REFUSED);
    TRUST.for_each(|names, trust| refused.sample(names, trust.lists_refused.get()));
    let mut taken = page.metric(&all::CRL_TAKEN);
    TRUST.for_each(|names, trust| taken.sample(names, trust.lists_taken_up.get()));
    let mut fetches = page.metric(&all::CRL_FETCHES);
    for set in &sources.trust {
        for (result, count) in fetched(set) {
            fetches.sample(&[set.name(), result], count);
        }
    }
    let mut questions = page.metric(&all::OCSP_QUESTIONS);
    for (set, counts) in sources.trust.iter().filter_map(|set| Some((set, set.responders()?.counts()))) {
        questions.sample(&[set.name(), "answered"], counts.asked().saturating_sub(counts.failed()));
        questions.sample(&[set.name(), "failed"], counts.failed());
    }
    let mut ages = page.metric(&all::OCSP_AGE);
    for (set, counts) in sources.trust.iter().filter_map(|set| Some((set, set.responders()?.counts()))) {
        ages.sample(&[set.name()], counts.answered().map_or(-1, |answered| seconds(answered, at)));
    }
}

/// How attempts to fetch the lists of a set went, where lists are fetched.
fn fetched(set: &TrustSet) -> Vec<(&'static str, u64)> {
    let Some(fetcher) = set.fetcher() else { return Vec::new() };
    let (mut taken, mut unchanged, mut refused, mut failed) = (0, 0, 0, 0);
    for state in fetcher.states() {
        taken += state.fetched;
        unchanged += state.unchanged;
        refused += state.refused;
        failed += state.failed;
    }
    vec![("taken_up", taken), ("unchanged", unchanged), ("refused", refused), ("failed", failed)]
}

fn certificates(page: &mut Page, sources: &Sources, at: Timestamp) {
    let mut staples = page.metric(&all::STAPLE_REMAINING);
    let by_certificate: BTreeMap<String, i64> = sources
        .staples
        .iter()
        .map(|staple| {
            let fingerprint = hex::encode(staple.certificate().get(..8).unwrap_or_default());
            (fingerprint, staple.until().map_or(-1, |until| seconds(at, until)))
        })
        .collect();
    for (fingerprint, remaining) in &by_certificate {
        staples.sample(&[fingerprint], *remaining);
    }
    let mut remaining = page.metric(&all::CERTIFICATE_REMAINING);
    for Dated { role, name, subject, fingerprint, not_after } in &sources.certificates {
        remaining.sample(&[role, name, subject, fingerprint], seconds(at, *not_after));
    }
}

fn credentials(page: &mut Page, sources: &Sources) {
    page.metric(&all::THROTTLE_LOCKS).sample(&[], metrics::THROTTLE_LOCKS.get());
    let mut held = page.metric(&all::THROTTLE_HELD);
    held.sample(&["locked"], metrics::THROTTLE_LOCKED.get());
    held.sample(&["crowded"], metrics::THROTTLE_CROWDED.get());
    let waiting = sources.throttle.as_ref().map_or(0, |throttle| throttle.waiting());
    page.metric(&all::THROTTLE_WAITING).sample(&[], waiting);
    let nonces = sources.digest.as_ref().map_or(0, |digest| digest.nonces());
    page.metric(&all::DIGEST_NONCES).sample(&[], nonces);
}

fn process(page: &mut Page, sources: &Sources) {
    let mut reloads = page.metric(&all::RELOADS);
    reloads.sample(&["taken_up"], metrics::RELOADS_TAKEN_UP.get());
    reloads.sample(&["refused"], metrics::RELOADS_REFUSED.get());
    page.metric(&all::EPOCH).sample(&[], sources.epoch);
    page.metric(&all::LOADED).sample(&[], sources.loaded.as_unix());
    page.metric(&all::AUDIT_LOST).sample(&[], sources.audit.lost());
    page.metric(&all::ACCESS_LINES).sample(&[], metrics::ACCESS_LINES.get());
    page.metric(&all::ACCESS_DROPPED).sample(&[], metrics::ACCESS_DROPPED.get());
    let mut spans = page.metric(&all::TRACE_SPANS);
    for (fate, name) in TraceFate::ALL {
        spans.sample(&[name], metrics::TRACES.get(fate));
    }
}

fn with<'a>(names: &[&'a str], last: &'a str) -> Vec<&'a str> {
    names.iter().copied().chain([last]).collect()
}
