//! What no longer counts: certificate revocation lists (RFC 5280, section 5) and our own table, combined
//! into one answer.
//!
//! Each source is asked where it lives, `crl` in memory and `database` through the cache of accounts; what
//! they say is combined by [`combine`], which is pure: revoked by any is revoked, and no answer of a
//! source that must answer is a refusal. `live` knows which open connections rest on what, so that a change
//! reaches those that it concerns.

pub mod crl;
pub mod database;
pub mod live;

use crate::account::Unavailable;
use crate::base::clock::Timestamp;
use crate::base::reason::Reason;
use crate::config::Unknown;
use crl::{CrlAnswer, RevocationReason};
use database::DatabaseAnswer;
use std::fmt;
use std::time::Instant;

/// Where it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// Certificate revocation lists.
    Crl,
    /// Our own store.
    Database,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crl => "crl",
            Self::Database => "database",
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
    /// Until when the answer may be believed by what lists say of themselves.
    pub valid_until: Timestamp,
    /// Until when the answer may be believed by how long the store's is kept, if it was asked.
    pub fresh_until: Option<Instant>,
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
pub fn combine(crl: Option<(CrlAnswer, Unknown)>, database: Option<DatabaseAnswer>) -> Answer {
    let said = crl
        .iter()
        .map(|(answer, _)| (Source::Crl, told_by_lists(answer)))
        .chain(database.iter().map(|answer| (Source::Database, told_by_store(answer))))
        .collect();
    let mut valid_until = Timestamp::FAR_FUTURE;
    let mut unknown = None;
    let mut revoked = None;
    match crl {
        None | Some((CrlAnswer::Unknown { .. }, Unknown::Accept)) => {}
        Some((CrlAnswer::Good { until }, _)) => valid_until = until,
        Some((CrlAnswer::Revoked { position, at, reason }, _)) => {
            revoked = Some(Verdict::Revoked { source: Source::Crl, position, at, reason: Some(reason) });
        }
        Some((CrlAnswer::Unknown { why }, Unknown::Reject)) => {
            unknown = Some(Verdict::Unknown { source: Source::Crl, why });
        }
    }
    let mut fresh_until = None;
    match database {
        None => {}
        Some(DatabaseAnswer::Good { until }) => fresh_until = Some(until),
        Some(DatabaseAnswer::Revoked { position, at }) => {
            revoked = revoked.or(Some(Verdict::Revoked { source: Source::Database, position, at, reason: None }));
        }
        Some(DatabaseAnswer::Unavailable(unavailable)) => {
            unknown = unknown.or(Some(Verdict::StoreUnavailable(unavailable)));
        }
    }
    Answer { verdict: revoked.or(unknown).unwrap_or(Verdict::Good), said, valid_until, fresh_until }
}

fn told_by_lists(answer: &CrlAnswer) -> String {
    match answer {
        CrlAnswer::Good { until } => format!("not revoked, as of lists that are good until {until}"),
        CrlAnswer::Revoked { position, at, reason } => {
            format!("certificate {position} of the path was revoked at {at}: {}", reason.as_str())
        }
        CrlAnswer::Unknown { why } => format!("unknown: {why}"),
    }
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
    use super::*;

    const UNTIL: Timestamp = Timestamp::from_unix(2_000_000_000);
    const SINCE: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn good() -> CrlAnswer {
        CrlAnswer::Good { until: UNTIL }
    }

    fn revoked() -> CrlAnswer {
        CrlAnswer::Revoked { position: 1, at: SINCE, reason: RevocationReason::KeyCompromise }
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

    #[test]
    fn revoked_by_any_is_revoked_and_no_answer_is_no_yes() {
        use Unknown::{Accept, Reject};
        let in_store = || DatabaseAnswer::Revoked { position: 0, at: SINCE };
        let not_in_store = || DatabaseAnswer::Good { until: Instant::now() };
        type Asked = (Option<(CrlAnswer, Unknown)>, Option<DatabaseAnswer>);
        let cases: [(Asked, Option<Reason>); 15] = [
            ((None, None), None),
            ((Some((good(), Reject)), None), None),
            ((Some((good(), Reject)), Some(not_in_store())), None),
            ((Some((revoked(), Reject)), Some(not_in_store())), Some(Reason::CertificateRevoked)),
            ((Some((revoked(), Accept)), None), Some(Reason::CertificateRevoked)),
            ((Some((revoked(), Accept)), Some(unavailable())), Some(Reason::CertificateRevoked)),
            ((Some((unknown(), Reject)), None), Some(Reason::RevocationUnknown)),
            ((Some((unknown(), Reject)), Some(not_in_store())), Some(Reason::RevocationUnknown)),
            ((Some((unknown(), Reject)), Some(in_store())), Some(Reason::CertificateRevoked)),
            ((Some((unknown(), Accept)), None), None),
            ((Some((unknown(), Accept)), Some(in_store())), Some(Reason::CertificateRevoked)),
            ((Some((unknown(), Accept)), Some(unavailable())), Some(Reason::AccountsUnavailable)),
            ((Some((good(), Reject)), Some(unavailable())), Some(Reason::AccountsUnavailable)),
            ((None, Some(unavailable())), Some(Reason::AccountsUnavailable)),
            ((Some((good(), Reject)), Some(in_store())), Some(Reason::CertificateRevoked)),
        ];
        for ((crl, database), expected) in cases {
            let what = format!("{crl:?} {database:?}");
            assert_eq!(combine(crl, database).verdict.refusal(), expected, "{what}");
        }
    }

    #[test]
    fn an_answer_is_good_for_as_long_as_the_sources_say() {
        let until = Instant::now();
        let answer = combine(Some((good(), Unknown::Reject)), Some(DatabaseAnswer::Good { until }));
        assert_eq!((answer.valid_until, answer.fresh_until), (UNTIL, Some(until)));
        let answer = combine(None, None);
        assert_eq!((answer.valid_until, answer.fresh_until), (Timestamp::FAR_FUTURE, None));
    }

    #[test]
    fn the_answer_tells_which_source_said_what() {
        let said = |crl, database| {
            let said = combine(Some((crl, Unknown::Accept)), Some(database)).said;
            said.into_iter().map(|(source, text)| format!("{source}: {text}")).collect::<Vec<_>>()
        };
        assert_eq!(
            said(revoked(), unavailable()),
            [
                "crl: certificate 1 of the path was revoked at 2023-11-14T22:13:20Z: keyCompromise",
                "database: no answer: looking up a revocation failed on wicketgate.db: it is locked",
            ]
        );
        assert_eq!(
            said(unknown(), DatabaseAnswer::Revoked { position: 0, at: SINCE }),
            [
                "crl: unknown: there is no list",
                "database: certificate 0 of the path was revoked at 2023-11-14T22:13:20Z"
            ]
        );
    }
}
