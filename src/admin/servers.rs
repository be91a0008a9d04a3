//! What is known of single upstream servers, for the page of metrics and for `wicketgate status`: the upstreams of the
//! configuration in force are asked for it. A server shows under the name that the configuration gives it, with its
//! address where the name has been resolved; servers that only accounts name show as one.

use super::Sources;
use super::status::Server;
use crate::telemetry::metrics::catalogue as all;
use crate::telemetry::metrics::histogram::Snapshot;
use crate::telemetry::metrics::servers::HOMES;
use crate::telemetry::metrics::{Page, STATUS_CLASSES, ServerNumbers, UPSTREAMS, UpstreamFailure, UpstreamNumbers};
use crate::upstream::{Standing, State, Upstream};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The states that servers are counted by.
const STATES: [State; 3] = [State::Up, State::Down, State::Ejected];
/// As what names are counted beside them whose addresses cannot be had.
const UNRESOLVED: &str = "unresolved";

/// One line of the tables: a server, or all those that only accounts name.
struct Row {
    /// Upstream, server, address.
    names: [String; 3],
    /// Where it is one server.
    standing: Option<Standing>,
    numbers: Arc<ServerNumbers>,
}

impl Row {
    fn labels(&self) -> [&str; 3] {
        self.names.each_ref().map(String::as_str)
    }

    fn with<'a>(&'a self, last: &'a str) -> [&'a str; 4] {
        let [upstream, server, address] = self.labels();
        [upstream, server, address, last]
    }
}

/// The servers of an upstream, each once: one that the configuration lists twice has one place in the page, which must
/// not say anything twice.
fn rows(upstream: &Upstream) -> Vec<Row> {
    let mut rows: BTreeMap<[String; 3], Row> = BTreeMap::new();
    for standing in upstream.standings() {
        let address = standing.address.map(|address| address.to_string()).unwrap_or_default();
        let names = [upstream.name.clone(), standing.server.clone(), address];
        if let Some(Row { standing: Some(known), .. }) = rows.get_mut(&names) {
            known.active = known.active.saturating_add(standing.active);
            continue;
        }
        let numbers = Arc::clone(&standing.numbers);
        rows.insert(names.clone(), Row { names, standing: Some(standing), numbers });
    }
    if let Some(numbers) = upstream.homes() {
        let names = [upstream.name.clone(), HOMES.to_owned(), String::new()];
        rows.insert(names.clone(), Row { names, standing: None, numbers: Arc::clone(numbers) });
    }
    rows.into_values().collect()
}

/// What stands on the page of metrics.
pub(super) fn page(page: &mut Page, sources: &Sources) {
    let gate = sources.gate.load();
    let upstreams: Vec<&Upstream> = gate.upstreams.iter().map(|routed| &*routed.upstream).collect();
    let mut servers = page.metric(&all::UPSTREAM_SERVERS);
    for upstream in &upstreams {
        let standings = upstream.standings();
        for state in STATES {
            let count = standings.iter().filter(|standing| standing.state == state).count();
            servers.sample(&[&upstream.name, state.as_str()], count);
        }
        servers.sample(&[&upstream.name, UNRESOLVED], upstream.unresolved());
    }
    let mut queue = page.metric(&all::UPSTREAM_QUEUE);
    for (upstream, waiting) in upstreams.iter().filter_map(|upstream| Some((upstream, upstream.waiting()?))) {
        queue.sample(&[&upstream.name], u64::from(waiting));
    }
    let mut retries = page.metric(&all::UPSTREAM_RETRIES);
    UPSTREAMS.for_each(|names, upstream: &UpstreamNumbers| {
        let name = names.first().copied().unwrap_or_default();
        retries.sample(&[name, "sent"], upstream.retried.get());
        retries.sample(&[name, "over_budget"], upstream.over_budget.get());
    });
    let mut budget = page.metric(&all::UPSTREAM_BUDGET);
    for (upstream, left) in upstreams.iter().filter_map(|upstream| Some((upstream, upstream.retries_left()?))) {
        budget.sample(&[&upstream.name], left);
    }
    let rows: Vec<Row> = upstreams.iter().flat_map(|upstream| rows(upstream)).collect();
    each_server(page, &rows);
}

fn each_server(page: &mut Page, rows: &[Row]) {
    let standing = || rows.iter().filter_map(|row| Some((row, row.standing.as_ref()?)));
    let mut up = page.metric(&all::SERVER_UP);
    standing().for_each(|(row, standing)| up.sample(&row.labels(), standing.state == State::Up));
    let mut responses = page.metric(&all::SERVER_RESPONSES);
    for row in rows {
        // Whoever answers has a status.
        for (class, status) in STATUS_CLASSES.iter().enumerate().skip(1) {
            responses.sample(&row.with(status), row.numbers.answers.responses(class));
        }
    }
    let mut failures = page.metric(&all::SERVER_FAILURES);
    for row in rows {
        for cause in UpstreamFailure::OF_SERVERS {
            failures.sample(&row.with(cause.as_str()), row.numbers.answers.failures(cause));
        }
    }
    type Durations = fn(&ServerNumbers) -> Snapshot;
    let durations: [(_, Durations); 2] = [
        (&all::SERVER_DURATION, |numbers| numbers.answers.duration().snapshot()),
        (&all::SERVER_CONNECT, |numbers| numbers.connecting().snapshot()),
    ];
    for (metric, durations) in durations {
        let mut samples = page.metric(metric);
        rows.iter().for_each(|row| samples.histogram(&row.labels(), &durations(&row.numbers)));
    }
    let mut connections = page.metric(&all::SERVER_CONNECTIONS);
    for row in rows {
        let (open, idle) = connections_of(&row.numbers);
        connections.sample(&row.with("busy"), open - idle);
        connections.sample(&row.with("idle"), idle);
    }
    let mut stale = page.metric(&all::SERVER_STALE);
    rows.iter().for_each(|row| stale.sample(&row.labels(), row.numbers.stale.get()));
    let mut active = page.metric(&all::SERVER_ACTIVE);
    standing().for_each(|(row, standing)| active.sample(&row.labels(), u64::from(standing.active)));
    let mut checks = page.metric(&all::SERVER_CHECKS);
    for (row, _) in standing() {
        checks.sample(&row.with("passed"), row.numbers.passed.get());
        checks.sample(&row.with("failed"), row.numbers.missed.get());
    }
    let mut ejections = page.metric(&all::SERVER_EJECTIONS);
    standing().for_each(|(row, _)| ejections.sample(&row.labels(), row.numbers.ejections.get()));
}

/// How many are open, and how many of them are idle: never more, though the two are read one after the other.
fn connections_of(numbers: &ServerNumbers) -> (u64, u64) {
    let open = numbers.open.get();
    (open, numbers.idle.get().min(open))
}

/// What is shown of the servers of an upstream.
pub(super) fn status(upstream: &Upstream) -> Vec<Server> {
    let server = |row: Row| {
        let (open, idle) = connections_of(&row.numbers);
        let [_, name, address] = row.names;
        let standing = row.standing;
        Server {
            name,
            address: (!address.is_empty()).then_some(address),
            state: standing.as_ref().map(|standing| standing.state.as_str().to_owned()),
            backup: standing.as_ref().is_some_and(|standing| standing.backup),
            weight: standing.as_ref().map_or(1, |standing| standing.weight),
            under_way: standing.map_or(0, |standing| standing.active),
            responses: row.numbers.answers.all_responses(),
            failures: row.numbers.answers.all_failures(),
            ejections: row.numbers.ejections.get(),
            checks_failed: row.numbers.missed.get(),
            connections_open: open,
            connections_idle: idle,
            median_seconds: super::status::quantile(&row.numbers.answers.duration().snapshot(), 0.5),
        }
    };
    rows(upstream).into_iter().map(server).collect()
}
