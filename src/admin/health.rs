//! Whether the process lives, and whether it can serve requests. The same two questions are answered at the address for
//! administrators (`/healthz`, `/readyz`) and by services that a route may lead to (`upstream: { service: health }`,
//! `{ service: ready }`), for balancers that ask over the listener itself.

use crate::account::cache::Accounts;
use crate::auth::trust::TrustSet;
use crate::base::clock::Timestamp;
use crate::config::Unknown;
use crate::proxy::service::{Answer, LocalService, ServiceRequest, method_not_allowed};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// Answers whether requests can be served.
#[derive(Clone)]
pub struct Readiness {
    /// The accounts, whose store must answer.
    pub accounts: Arc<Accounts>,
    /// The trust sets, whose lists must be there.
    pub trust: Vec<Arc<TrustSet>>,
    /// Whether the process is about to end.
    pub draining: watch::Receiver<bool>,
}

/// One thing that must be so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// `configuration`, `trust`, `database`, `process`.
    pub name: String,
    /// Whether it is so.
    pub ok: bool,
    /// What is to say of it.
    pub detail: String,
}

impl Readiness {
    /// Everything that must be so, and whether it is.
    #[must_use]
    pub fn checks(&self, at: Timestamp, now: Instant) -> Vec<Check> {
        let check = |name: &str, ok: bool, detail: &str| Check { name: name.to_owned(), ok, detail: detail.to_owned() };
        let draining = *self.draining.borrow();
        let process = if draining { "it is about to end" } else { "serving" };
        // Whoever answers here runs under a configuration that was taken up whole.
        let configuration = check("configuration", true, "loaded");
        let faults: Vec<String> = self.trust.iter().filter_map(|set| fault(set, at)).collect();
        let trust = match faults.is_empty() {
            true => check("trust", true, "loaded"),
            false => check("trust", false, &faults.join("; ")),
        };
        let database = match (self.accounts.is_silent(now), self.accounts.is_confirmed(now)) {
            (false, _) => check("database", true, "it answers"),
            (true, true) => check("database", true, "it does not answer; what was known counts (serve_stale)"),
            (true, false) => check("database", false, "it does not answer"),
        };
        vec![check("process", !draining, process), configuration, trust, database]
    }
}

/// What would have every certificate of a trust set refused.
fn fault(set: &TrustSet, at: Timestamp) -> Option<String> {
    let crl = set.settings().revocation.crl.as_ref()?;
    if crl.unknown != Unknown::Reject || crl.fetch.from_certificates {
        return None;
    }
    let lists = set.lists();
    let name = set.name();
    if lists.lists().next().is_none() {
        return Some(format!("{name}: no revocation list is there yet"));
    }
    let tolerance = set.settings().revocation.clock_tolerance;
    let all_over = lists.lists().all(|list| at > list.next_update().plus(tolerance));
    all_over.then(|| format!("{name}: every revocation list has run out"))
}

/// Whether all is as it must be.
#[must_use]
pub fn is_ready(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.ok)
}

/// The checks as text, a line each.
#[must_use]
pub fn text(checks: &[Check]) -> String {
    let mut text = String::new();
    for Check { name, ok, detail } in checks {
        let sign = if *ok { "ok" } else { "NOT" };
        // Writing to a text never fails.
        let _ = writeln!(text, "{sign} {name}: {detail}");
    }
    text
}

/// `{ service: health }`: says that the process lives.
pub struct Health;

/// `{ service: ready }`: says whether requests can be served. What exactly is amiss is for administrators: whoever may
/// come to the route is told the names of what is not as it must be.
pub struct Ready(pub Readiness);

impl LocalService for Health {
    fn name(&self) -> &'static str {
        "health"
    }

    fn answer<'a>(&'a self, request: &'a ServiceRequest<'a>) -> BoxFuture<'a, Answer> {
        let answer = plain(request.method, StatusCode::OK, "ok\n".to_owned());
        Box::pin(std::future::ready(answer))
    }
}

impl LocalService for Ready {
    fn name(&self) -> &'static str {
        "ready"
    }

    fn answer<'a>(&'a self, request: &'a ServiceRequest<'a>) -> BoxFuture<'a, Answer> {
        let checks = self.0.checks(request.at, Instant::now());
        let (status, body) = match is_ready(&checks) {
            true => (StatusCode::OK, "ready\n".to_owned()),
            false => {
                let names: Vec<&str> = checks.iter().filter(|check| !check.ok).map(|check| &*check.name).collect();
                (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", names.join(", ")))
            }
        };
        Box::pin(std::future::ready(plain(request.method, status, body)))
    }
}

fn plain(method: &Method, status: StatusCode, body: String) -> Answer {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return method_not_allowed("GET, HEAD");
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    Answer::Response(response)
}
