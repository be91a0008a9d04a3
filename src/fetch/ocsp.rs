//! Asks OCSP responders (RFC 6960, appendix A; RFC 5019) about the certificates of valid paths, and keeps what
//! they say until they say that there is something newer.
//!
//! However many requests wait for the same answer, one question is in flight, and it goes on when those who
//! waited have gone. No answer is remembered for a few seconds only, so that a dead responder costs each of
//! these one timeout and not every request one. A certificate that was once said to be revoked stays so when its
//! responder falls silent.

pub(super) mod question;

use super::guard::Guard;
use super::http::FetchError;
use crate::base::clock::Timestamp;
use crate::base::url::HttpUrl;
use crate::certificate::path::PathCertificate;
use crate::config::{Ocsp, OcspMode};
use crate::revocation::ocsp::{CLOCK_TOLERANCE, CertId, HashAlgorithm, OcspAnswer, Statement, Status};
use futures_util::future::join_all;
use question::{Case, Terms};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

/// How many answers are kept.
const MOST_ANSWERS: u64 = 50_000;
/// How long an answer is kept at most, whatever it says of itself.
const LONGEST_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// For how long it is remembered that there was no answer.
const FAILURE: Duration = Duration::from_secs(5);
/// How many questions are in flight at a time; others wait for their turn within their timeout.
const MOST_FLIGHTS: usize = 64;
/// How many responders of one certificate are tried.
const MAX_RESPONDERS: usize = 2;
/// How long an answer is kept at least, however little the server says that it is fresh for.
const SHORTEST: Duration = Duration::from_secs(10);

/// The responders of one trust set.
#[derive(Clone)]
pub struct Responders {
    shared: Arc<Shared>,
    /// How far the responders' clocks and ours may be apart.
    tolerance: Duration,
}

struct Shared {
    settings: Ocsp,
    guard: Guard,
    handle: Handle,
    answers: moka::sync::Cache<CertId, Kept>,
    flights: Mutex<HashMap<CertId, watch::Receiver<Option<Kept>>>>,
    turns: Semaphore,
    counts: Counts,
}

/// How questions fared, for metrics.
#[derive(Debug, Default)]
pub struct Counts {
    asked: AtomicU64,
    failed: AtomicU64,
    /// When the last answer that is believed came, in seconds since the epoch; 0 for never.
    answered: AtomicI64,
}

impl Counts {
    /// How many questions were sent out.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// How many of them brought no answer that may be believed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// When a responder last gave an answer that is believed, if one has.
    #[must_use]
    pub fn answered(&self) -> Option<Timestamp> {
        let answered = self.answered.load(Ordering::Relaxed);
        (answered > 0).then(|| Timestamp::from_unix(answered))
    }
}

/// What is known of one certificate.
#[derive(Debug, Clone)]
struct Kept {
    /// What was said last, by whichever answer was believed.
    statement: Option<Statement>,
    /// Why there is nothing newer, if the last question failed.
    fault: Option<Arc<str>>,
    /// When it is to be asked again.
    again: Timestamp,
}

impl Kept {
    /// What it means at a time: what was said if that may still be believed, or why nothing is known.
    fn at(&self, at: Timestamp) -> Result<&Statement, String> {
        match &self.statement {
            Some(statement) if at <= statement.until => Ok(statement),
            // Like a list that has run out, which still revokes what it lists.
            Some(statement) if matches!(statement.status, Status::Revoked { .. }) => Ok(statement),
            _ => Err(self.fault.as_deref().unwrap_or("the answer ran out").to_owned()),
        }
    }
}

/// What is known of one certificate of a path.
enum Known {
    NoResponder,
    Said(Statement),
    Unknown { why: String, until: Timestamp },
}

impl Responders {
    /// Responders that are asked as the configuration says; `None` if it says that none is. Questions run on
    /// `handle`, so that they outlive whoever asked first.
    #[must_use]
    pub fn new(settings: &Ocsp, handle: Handle) -> Option<Self> {
        if settings.mode == OcspMode::Off {
            return None;
        }
        let answers = moka::sync::Cache::builder().max_capacity(MOST_ANSWERS).time_to_live(LONGEST_KEPT).build();
        let shared = Shared {
            settings: settings.clone(),
            guard: Guard::new(settings.private_addresses.clone()),
            handle,
            answers,
            flights: Mutex::default(),
            turns: Semaphore::new(MOST_FLIGHTS),
            counts: Counts::default(),
        };
        Some(Self { shared: Arc::new(shared), tolerance: CLOCK_TOLERANCE })
    }

    /// The same with another tolerance for clocks that differ than [`CLOCK_TOLERANCE`].
    #[must_use]
    pub fn tolerating(self, tolerance: Duration) -> Self {
        Self { tolerance, ..self }
    }

    /// What the responders say about certificates of a valid path, the client's own first: all of them are asked
    /// at once, unless an answer is at hand.
    pub async fn ask(&self, certificates: &[PathCertificate], at: Timestamp) -> OcspAnswer {
        let known = join_all(certificates.iter().map(|certificate| self.ask_one(certificate, at))).await;
        combine(known)
    }

    /// How questions fared so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    async fn ask_one(&self, certificate: &PathCertificate, at: Timestamp) -> Known {
        let unknown = |why: &str| Known::Unknown { why: why.to_owned(), until: Timestamp::FAR_FUTURE };
        let responders = match self.responders_of(certificate) {
            Ok(Some(responders)) => responders,
            Ok(None) if self.shared.settings.mode == OcspMode::Prefer => return Known::NoResponder,
            Ok(None) => return unknown("it names no responder, and none is configured"),
            Err(why) => return unknown(&why),
        };
        if certificate.serial_is_negative {
            return unknown("its serial number is negative, by which no responder can be asked");
        }
        let id =
            CertId::new(HashAlgorithm::Sha1, &certificate.issuer_name, &certificate.issuer_spki, &certificate.serial);
        let Ok(id) = id else { return unknown("its issuer's key cannot be read") };
        let case = Case {
            id,
            issuer_name: certificate.issuer_name.clone(),
            issuer_spki: certificate.issuer_spki.clone(),
            responders,
            tolerance: self.tolerance,
        };
        let kept = self.shared.known(case, at).await;
        match kept.at(at) {
            Ok(Statement { status: Status::Unknown, this_update, .. }) => Known::Unknown {
                why: format!("the responder does not know it (an answer from {this_update})"),
                until: kept.again,
            },
            // Whoever was let in is asked about again when there may be a newer answer.
            Ok(statement) => {
                let again = kept.again.max(at.plus(Duration::from_secs(1)));
                Known::Said(Statement { until: statement.until.min(again), ..statement.clone() })
            }
            Err(why) => Known::Unknown { why, until: kept.again },
        }
    }

    /// Whom to ask: the configured responder, or those that the certificate names over `http`; `None` if it names
    /// none at all.
    fn responders_of(&self, certificate: &PathCertificate) -> Result<Option<Vec<HttpUrl>>, String> {
        if let Some(responder) = &self.shared.settings.responder {
            return Ok(Some(vec![responder.clone()]));
        }
        let named = certificate.ocsp.as_ref().map_err(ToString::to_string)?;
        let Some(first) = named.first() else { return Ok(None) };
        let usable: Vec<HttpUrl> = named.iter().filter_map(|url| url.parse().ok()).take(MAX_RESPONDERS).collect();
        if usable.is_empty() {
            let why = first.parse::<HttpUrl>().err().map(|why| why.to_string()).unwrap_or_default();
            return Err(format!("its responder {first} cannot be asked: {why}"));
        }
        Ok(Some(usable))
    }
}

/// One answer of what is known about each certificate of a path.
fn combine(known: Vec<Known>) -> OcspAnswer {
    let (mut since, mut until, mut unknown, mut asked) = (Timestamp::FAR_FUTURE, Timestamp::FAR_FUTURE, None, false);
    for (position, known) in known.into_iter().enumerate() {
        match known {
            Known::NoResponder => {}
            Known::Said(Statement { status: Status::Revoked { at, reason }, this_update, .. }) => {
                return OcspAnswer::Revoked { position, at, reason, since: this_update };
            }
            Known::Said(statement) => {
                asked = true;
                since = since.min(statement.this_update);
                until = until.min(statement.until);
            }
            // Another certificate may be known to be revoked, which says more.
            Known::Unknown { why, until: again } => {
                unknown.get_or_insert((format!("certificate {position} of the path: {why}"), again));
            }
        }
    }
    match unknown {
        Some((why, until)) => OcspAnswer::Unknown { why, until },
        None if asked => OcspAnswer::Good { since, until },
        None => OcspAnswer::NoResponder,
    }
}

impl Shared {
    /// What is known of a certificate, asked for if need be.
    async fn known(self: &Arc<Self>, case: Case, at: Timestamp) -> Kept {
        let current = |kept: &Kept| at < kept.again;
        let before = self.answers.get(&case.id);
        if let Some(kept) = before.as_ref().filter(|kept| current(kept)) {
            return kept.clone();
        }
        let mut flight = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            match flights.get(&case.id) {
                Some(flight) => flight.clone(),
                // The flight that this one would have joined may just have landed.
                None => match self.answers.get(&case.id).filter(current) {
                    Some(kept) => return kept,
                    None => {
                        let (landed, flight) = watch::channel(None);
                        flights.insert(case.id.clone(), flight.clone());
                        self.handle.spawn(Arc::clone(self).fly(case, at, landed));
                        flight
                    }
                },
            }
        };
        // Nobody waits for a responder that was silent, while what it said before may still be believed.
        if let Some(kept) = before.filter(|kept| kept.fault.is_some() && kept.at(at).is_ok()) {
            return kept;
        }
        match flight.wait_for(Option::is_some).await.ok().and_then(|kept| kept.clone()) {
            Some(kept) => kept,
            None => Kept { statement: None, fault: Some(Arc::from("the question was broken off")), again: at },
        }
    }

    /// Asks, keeps the answer and tells those who wait.
    async fn fly(self: Arc<Self>, case: Case, at: Timestamp, landed: watch::Sender<Option<Kept>>) {
        // The flight ends with this task, however that ends.
        let flight = Flight { shared: &self, id: &case.id };
        let before = self.answers.get(&case.id).and_then(|kept| kept.statement);
        self.counts.asked.fetch_add(1, Ordering::Relaxed);
        let asked = tokio::time::timeout(self.settings.timeout, self.ask_any(&case, at)).await;
        let answer = asked.unwrap_or_else(|_| Err(FetchError::TooSlow(self.settings.timeout).to_string()));
        let kept = match answer {
            Ok((statement, fresh_for)) => {
                self.counts.answered.fetch_max(at.as_unix(), Ordering::Relaxed);
                let fresh_for = fresh_for.map_or(LONGEST_KEPT, |fresh| fresh.max(SHORTEST));
                // There should be a newer one when its own time is over; the tolerance is for clocks that differ.
                let due = statement.until.minus(case.tolerance);
                let again = due.min(at.plus(fresh_for)).max(at.plus(FAILURE));
                Kept { statement: Some(statement), fault: None, again }
            }
            Err(why) => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(why, "an OCSP responder gave no answer that can be believed");
                Kept { statement: before, fault: Some(Arc::from(why)), again: at.plus(FAILURE) }
            }
        };
        self.answers.insert(case.id.clone(), kept.clone());
        drop(flight);
        landed.send_replace(Some(kept));
    }

    /// Asks one responder after the other.
    async fn ask_any(&self, case: &Case, at: Timestamp) -> Result<(Statement, Option<Duration>), String> {
        let terms = Terms { guard: &self.guard, deadline: self.settings.timeout, with_nonce: self.settings.nonce };
        let _turn = self.turns.acquire().await.map_err(|_| "nothing is asked any more".to_owned())?;
        let mut fault = String::new();
        for responder in &case.responders {
            match question::ask(case, responder, &terms, at).await {
                Ok(told) => return Ok((told.statement, told.fresh_for)),
                Err(why) => fault = format!("{responder}: {why}"),
            }
        }
        Err(fault)
    }
}

/// Removes a question from those in flight when it is dropped.
struct Flight<'a> {
    shared: &'a Shared,
    id: &'a CertId,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.shared.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(self.id);
    }
}

#[cfg(test)]
mod tests;
