//! What no longer counts: certificate revocation lists (RFC 5280, section 5), our own table, and what OCSP
//! responders say (RFC 6960), combined into one answer.
//!
//! Each source is asked where it lives, `crl` in memory, `database` through the cache of accounts and `ocsp`
//! by `fetch`, in this order, so that nobody is asked over the network about what is known to be revoked; what
//! they say is combined by [`combine`], which is pure: revoked by any is revoked, and no answer of a
//! source that must answer is a refusal. `live` knows which open connections rest on what, so that a change
//! reaches those that it concerns.

pub mod crl;
pub mod database;
pub mod live;
pub mod ocsp;

use crate::account::Unavailable;
use crate::account::cache::Fresh;
use crate::base::clock::Timestamp;
use crate::base::reason::Reason;
use crate::config::Unknown;
use crl::{CrlAnswer, RevocationReason};
use database::DatabaseAnswer;
use ocsp::OcspAnswer;
use std::fmt;

/// Where it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// Certificate revocation lists.
    Crl,
    /// Our own store.
    Database,
    /// OCSP responders.
    Ocsp,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crl => "crl",
            Self::Database => "database",
            Self::Ocsp => "ocsp",
        })
    }
}

/// The one answer about a path.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Whether the path still counts.
    pub verdict: Verdict,
    /// What each source said, in the order in which they are asked, for logs and for `explain`.
    pub said: Vec<(Source, String)>,
    /// Until when the answer may be believed by what lists and responders say of themselves.
    pub valid_until: Timestamp,
    /// How long the store's answer may be believed without asking again, if it was asked.
    pub fresh: Option<Fresh>,
}

/// Whether a path still counts.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// No certificate of it is known to be revoked, as far as the configuration asks.
    Good,
    /// A certificate of it was revoked.
    Revoked {
        /// Who says so.
        source: Source,
        /// Its place in the path; the client's own is 0.
        position: usize,
        /// Since when.
        at: Timestamp,
        /// Why, if the source says.
        reason: Option<RevocationReason>,
    },
    /// A source that must answer had no current answer.
    Unknown {
        /// Which.
        source: Source,
        /// Why.
        why: String,
    },
    /// The store gave no answer.
    StoreUnavailable(Unavailable),
}

impl Verdict {
    /// What it means for the request; `None` if nothing stands against it.
    #[must_use]
    pub fn refusal(&self) -> Option<Reason> {
        match self {
            Self::Good => None,
            Self::Revoked { .. } => Some(Reason::CertificateRevoked),
            Self::Unknown { .. } => Some(Reason::RevocationUnknown),
            Self::StoreUnavailable(_) => Some(Reason::AccountsUnavailable),
        }
    }
}

/// Makes one answer of what the sources said; a source that the configuration does not ask is `None`.
/// Revoked by any is revoked, whatever the others could not say. Then comes what is unknown and must not
/// be; the database has no `unknown: accept`, since what it does not know of is not revoked.
#[must_use]
pub fn combine(
    crl: Option<(CrlAnswer, Unknown)>,
    database: Option<DatabaseAnswer>,
    ocsp: Option<(OcspAnswer, Unknown)>,
) -> Answer {
    let said = crl
        .iter()
        .map(|(answer, _)| (Source::Crl, answer.to_string()))
        .chain(database.iter().map(|answer| (Source::Database, told_by_store(answer))))
        .chain(ocsp.iter().map(|(answer, _)| (Source::Ocsp, answer.to_string())))
        .collect();
    let mut valid_until = Timestamp::FAR_FUTURE;
    let mut unknown = None;
    let mut revoked = None;
    match crl {
        None | Some((CrlAnswer::Unknown { .. }, Unknown::Accept)) => {}
        Some((CrlAnswer::Good { until, .. }, _)) => valid_until = until,
        Some((CrlAnswer::Revoked { position, at, reason, .. }, _)) => {
            revoked = Some(Verdict::Revoked { source: Source::Crl, position, at, reason: Some(reason) });
        }
        Some((CrlAnswer::Unknown { why }, Unknown::Reject)) => {
            unknown = Some(Verdict::Unknown { source: Source::Crl, why });
        }
    }
    let mut fresh = None;
    match database {
        None => {}
        Some(DatabaseAnswer::Good { fresh: of_store }) => fresh = Some(of_store),
        Some(DatabaseAnswer::Revoked { position, at }) => {
            revoked = revoked.or(Some(Verdict::Revoked { source: Source::Database, position, at, reason: None }));
        }
        Some(DatabaseAnswer::Unavailable(unavailable)) => {
            unknown = unknown.or(Some(Verdict::StoreUnavailable(unavailable)));
        }
    }
    match ocsp {
        None | Some((OcspAnswer::NoResponder, _)) => {}
        Some((OcspAnswer::Good { until, .. }, _)) => valid_until = valid_until.min(until),
        Some((OcspAnswer::Revoked { position, at, reason, .. }, _)) => {
            revoked = revoked.or(Some(Verdict::Revoked { source: Source::Ocsp, position, at, reason }));
        }
        // A responder that was silent may speak soon: what was let in without it is asked about again.
        Some((OcspAnswer::Unknown { until, .. }, Unknown::Accept)) => valid_until = valid_until.min(until),
        Some((OcspAnswer::Unknown { why, .. }, Unknown::Reject)) => {
            unknown = unknown.or(Some(Verdict::Unknown { source: Source::Ocsp, why }));
        }
    }
    Answer { verdict: revoked.or(unknown).unwrap_or(Verdict::Good), said, valid_until, fresh }
}

fn told_by_store(answer: &DatabaseAnswer) -> String {
    match answer {
        DatabaseAnswer::Good { .. } => "not revoked".to_owned(),
        DatabaseAnswer::Revoked { position, at } => format!("certificate {position} of the path was revoked at {at}"),
        DatabaseAnswer::Unavailable(unavailable) => format!("no answer: {unavailable}"),
    }
}

#[cfg(test)]
mod tests {
    use super::crl::{Edition, Number, Origin};
    use super::*;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    const UNTIL: Timestamp = Timestamp::from_unix(2_000_000_000);
    const SINCE: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn edition() -> Arc<Edition> {
        Arc::new(Edition {
            origin: Origin::File("middle.crl".into()),
            issuer: "CN=Middle".to_owned(),
            number: Some(Number::new(vec![7])),
            base: None,
            this_update: SINCE,
            next_update: UNTIL,
        })
    }

    fn good() -> CrlAnswer {
        CrlAnswer::Good { until: UNTIL, lists: vec![edition()] }
    }

    fn revoked() -> CrlAnswer {
        CrlAnswer::Revoked { position: 1, at: SINCE, reason: RevocationReason::KeyCompromise, list: edition() }
    }

    fn unknown() -> CrlAnswer {
        CrlAnswer::Unknown { why: "there is no list".to_owned() }
    }

    fn unavailable() -> DatabaseAnswer {
        DatabaseAnswer::Unavailable(Unavailable {
            what: "looking up a revocation",
            store: "wicketgate.db".to_owned(),
            why: "it is locked".to_owned(),
        })
    }

    fn by_responder() -> OcspAnswer {
        OcspAnswer::Revoked { position: 0, at: SINCE, reason: None, since: SINCE }
    }

    fn good_by_responder() -> OcspAnswer {
        OcspAnswer::Good { since: SINCE, until: UNTIL.minus(Duration::from_secs(60)) }
    }

    fn silent() -> OcspAnswer {
        OcspAnswer::Unknown { why: "there was no whole answer within 2s".to_owned(), until: SINCE }
    }

    #[test]
    fn revoked_by_any_is_revoked_and_no_answer_is_no_yes() {
        use Unknown::{Accept, Reject};
        let in_store = || DatabaseAnswer::Revoked { position: 0, at: SINCE };
        let not_in_store = || DatabaseAnswer::Good { fresh: Fresh::until(Instant::now()) };
        let none = || OcspAnswer::NoResponder;
        let [revoked_is, unknown_is] = [Reason::CertificateRevoked, Reason::RevocationUnknown].map(Some);
        let unavailable_is = Some(Reason::AccountsUnavailable);
        type Asked = (Option<(CrlAnswer, Unknown)>, Option<DatabaseAnswer>, Option<(OcspAnswer, Unknown)>);
        let cases: [(Asked, Option<Reason>); 27] = [
            ((None, None, None), None),
            ((Some((good(), Reject)), None, None), None),
            ((Some((good(), Reject)), Some(not_in_store()), None), None),
            ((Some((revoked(), Reject)), Some(not_in_store()), None), revoked_is),
            ((Some((revoked(), Accept)), None, None), revoked_is),
            ((Some((revoked(), Accept)), Some(unavailable()), None), revoked_is),
            ((Some((unknown(), Reject)), None, None), unknown_is),
            ((Some((unknown(), Reject)), Some(not_in_store()), None), unknown_is),
            ((Some((unknown(), Reject)), Some(in_store()), None), revoked_is),
            ((Some((unknown(), Accept)), None, None), None),
            ((Some((unknown(), Accept)), Some(in_store()), None), revoked_is),
            ((Some((unknown(), Accept)), Some(unavailable()), None), unavailable_is),
            ((Some((good(), Reject)), Some(unavailable()), None), unavailable_is),
            ((None, Some(unavailable()), None), unavailable_is),
            ((Some((good(), Reject)), Some(in_store()), None), revoked_is),
            ((None, None, Some((none(), Reject))), None),
            ((None, None, Some((good_by_responder(), Reject))), None),
            ((None, None, Some((by_responder(), Reject))), revoked_is),
            ((None, None, Some((by_responder(), Accept))), revoked_is),
            ((None, None, Some((silent(), Reject))), unknown_is),
            ((None, None, Some((silent(), Accept))), None),
            ((Some((good(), Reject)), Some(not_in_store()), Some((good_by_responder(), Reject))), None),
            ((Some((good(), Reject)), Some(not_in_store()), Some((by_responder(), Reject))), revoked_is),
            ((Some((unknown(), Reject)), Some(unavailable()), Some((by_responder(), Accept))), revoked_is),
            // What a responder knows is no answer to what the lists should have said.
            ((Some((unknown(), Reject)), None, Some((good_by_responder(), Reject))), unknown_is),
            ((None, Some(unavailable()), Some((silent(), Reject))), unavailable_is),
            ((None, Some(in_store()), Some((silent(), Reject))), revoked_is),
        ];
        for ((crl, database, ocsp), expected) in cases {
            let what = format!("{crl:?} {database:?} {ocsp:?}");
            assert_eq!(combine(crl, database, ocsp).verdict.refusal(), expected, "{what}");
        }
    }

    #[test]
    fn an_answer_is_good_for_as_long_as_the_sources_say() {
        let (now, minute) = (Instant::now(), Duration::from_secs(60));
        let fresh = Fresh::until(now + minute);
        let answer = combine(Some((good(), Unknown::Reject)), Some(DatabaseAnswer::Good { fresh }), None);
        assert_eq!(answer.valid_until, UNTIL);
        assert!(answer.fresh.is_some_and(|fresh| fresh.holds(now) && !fresh.holds(now + minute)));
        let answer = combine(None, None, None);
        assert!(answer.valid_until == Timestamp::FAR_FUTURE && answer.fresh.is_none());
        let earlier = UNTIL.minus(Duration::from_secs(60));
        let answer = combine(Some((good(), Unknown::Reject)), None, Some((good_by_responder(), Unknown::Reject)));
        assert_eq!(answer.valid_until, earlier);
        let answer = combine(None, None, Some((silent(), Unknown::Accept)));
        assert_eq!(answer.valid_until, SINCE, "who was let in without an answer is asked about again");
    }

    #[test]
    fn the_answer_tells_which_source_said_what() {
        let said = |crl, database, ocsp| {
            let said = combine(Some((crl, Unknown::Accept)), Some(database), Some((ocsp, Unknown::Accept))).said;
            said.into_iter().map(|(source, text)| format!("{source}: {text}")).collect::<Vec<_>>()
        };
        assert_eq!(
            said(revoked(), unavailable(), by_responder()),
            [
                "crl: certificate 1 of the path was revoked at 2023-11-14T22:13:20Z: keyCompromise; list 7 of CN=Middle from \
                 middle.crl, made at 2023-11-14T22:13:20Z",
                "database: no answer: looking up a revocation failed on wicketgate.db: it is locked",
                "ocsp: certificate 0 of the path was revoked at 2023-11-14T22:13:20Z \
                 (an answer from 2023-11-14T22:13:20Z)",
            ]
        );
        assert_eq!(
            said(unknown(), DatabaseAnswer::Revoked { position: 0, at: SINCE }, good_by_responder()),
            [
                "crl: unknown: there is no list",
                "database: certificate 0 of the path was revoked at 2023-11-14T22:13:20Z",
                "ocsp: not revoked, as of answers from 2023-11-14T22:13:20Z that are good until 2033-05-18T03:32:20Z",
            ]
        );
    }
}
