//! What the lists of a set say of a certificate: RFC 5280, section 6.3.3. Each distribution point of the certificate
//! is asked for, and then its issuer by name alone, until lists for all reasons have been found.
//!
//! It departs from the RFC on the safe side alone: a list that has run out still revokes, and so does a delta list
//! whose base is missing.

use super::CrlSet;
use super::entries::Revocation;
use super::list::{Edition, List};
use super::reason::RevocationReason;
use super::signers::Signer;
use crate::base::clock::Timestamp;
use crate::certificate::distribution::{DistributionPoint, Reasons};
use crate::certificate::name;
use crate::certificate::path::{PathCertificate, ValidPath};
use crate::config::Scope;
use std::fmt;
use std::sync::Arc;

/// How many lists may stand between a certificate and one whose signer needs no list.
const MAX_DEPTH: usize = 3;

/// A list of a set.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) list: Arc<List>,
    /// Who signed it, as far as the configuration shows.
    pub(super) signers: Arc<[Signer]>,
}

/// What the lists say of all certificates of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrlAnswer {
    /// None was revoked.
    Good {
        /// Until when that may be believed: the earliest nextUpdate of the lists that were asked.
        until: Timestamp,
        /// The lists that say so, none twice.
        lists: Vec<Arc<Edition>>,
    },
    /// One was revoked.
    Revoked {
        /// Its place in the path; the client's own is 0.
        position: usize,
        /// Since when.
        at: Timestamp,
        /// Why, as far as the list says.
        reason: RevocationReason,
        /// The list that says so.
        list: Arc<Edition>,
    },
    /// For one there is no list that may be believed, and none is known to be revoked.
    Unknown {
        /// Which issuer's list is missing, and why.
        why: String,
    },
}

impl fmt::Display for CrlAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good { until, lists } => {
                write!(f, "not revoked, as may be believed until {until}")?;
                lists.iter().try_for_each(|list| write!(f, "; {list}"))
            }
            Self::Revoked { position, at, reason, list } => {
                write!(f, "certificate {position} of the path was revoked at {at}: {}; {list}", reason.as_str())
            }
            Self::Unknown { why } => write!(f, "unknown: {why}"),
        }
    }
}

/// Why nothing is known of a certificate; the greatest says most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    NoList(String),
    NotCovered(String),
    MayNotSign(String),
    NotSigned(String),
    FromTheFuture(String, Timestamp),
    SignerUnknown(String),
    SignerRevoked(String),
    SomeReasons(String),
    OnlyDelta(String),
    RanOut(String, Timestamp),
    Unreadable(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoList(issuer) => write!(f, "there is no revocation list of {issuer}"),
            Self::NotCovered(issuer) => {
                write!(f, "no revocation list of {issuer} is for certificates of this kind and distribution point")
            }
            Self::MayNotSign(issuer) => {
                write!(f, "{issuer} may not sign revocation lists: its keyUsage lacks cRLSign")
            }
            Self::NotSigned(issuer) => write!(f, "no revocation list of {issuer} is signed with its key and in force"),
            Self::FromTheFuture(issuer, at) => {
                write!(f, "the revocation list of {issuer} is from the future: it was made at {at}")
            }
            Self::SignerUnknown(issuer) => {
                write!(f, "whether the signer of the revocation list of {issuer} was revoked is not known")
            }
            Self::SignerRevoked(issuer) => write!(f, "the signer of the revocation list of {issuer} was revoked"),
            Self::SomeReasons(missing) => write!(f, "no revocation list covers the reasons {missing}"),
            Self::OnlyDelta(issuer) => {
                write!(f, "there is a delta list of {issuer} and not the revocation list that it completes")
            }
            Self::RanOut(issuer, at) => write!(f, "the revocation list of {issuer} ran out at {at}"),
            Self::Unreadable(why) => write!(f, "where its revocation lists are cannot be read: {why}"),
        }
    }
}

/// What is known of one certificate.
enum State {
    Good,
    Revoked(Revocation, Arc<Edition>),
    Unknown(Why),
}

impl CrlSet {
    /// Asks for the certificates of a validated path that are in `scope`; the anchor is not asked for. Of several
    /// lists for the same the newest that is rightly signed and not from the future counts, by number and then by
    /// date. One that has run out still revokes what it lists, and says nothing of what it does not.
    #[must_use]
    pub fn check(&self, path: &ValidPath, scope: Scope, at: Timestamp) -> CrlAnswer {
        self.check_within(path, scope, at, None)
    }

    fn check_within(&self, path: &ValidPath, scope: Scope, at: Timestamp, judged: Option<&Judged<'_>>) -> CrlAnswer {
        let asked = match scope {
            Scope::Leaf => 1,
            Scope::Chain => path.certificates.len(),
        };
        let (mut until, mut lists, mut unknown) = (Timestamp::FAR_FUTURE, Vec::new(), None);
        for (position, certificate) in path.certificates.iter().enumerate().take(asked) {
            let mut question = Question {
                set: self,
                path,
                scope,
                at,
                judged,
                position,
                certificate,
                covered: Reasons::NONE,
                until: &mut until,
                lists: &mut lists,
                why: None,
            };
            match question.answer() {
                State::Good => {}
                State::Revoked(Revocation { at, reason }, list) => {
                    return CrlAnswer::Revoked { position, at, reason, list };
                }
                // Another certificate may be known to be revoked, which says more.
                State::Unknown(why) => _ = unknown.get_or_insert(why),
            }
        }
        match unknown {
            Some(why) => CrlAnswer::Unknown { why: why.to_string() },
            None => CrlAnswer::Good { until, lists },
        }
    }
}

/// The lists whose signers are being asked about. One of them may speak for its own signer: an authority that has
/// a key for its lists alone covers that key's certificate with the very lists that it signs.
struct Judged<'a> {
    list: &'a List,
    before: Option<&'a Judged<'a>>,
}

impl Judged<'_> {
    fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |judged| judged.before)
    }
}

/// The search for the state of one certificate.
struct Question<'a> {
    set: &'a CrlSet,
    path: &'a ValidPath,
    scope: Scope,
    at: Timestamp,
    judged: Option<&'a Judged<'a>>,
    position: usize,
    certificate: &'a PathCertificate,
    /// The reasons for which it is known that the certificate was not revoked (`reasons_mask`).
    covered: Reasons,
    until: &'a mut Timestamp,
    lists: &'a mut Vec<Arc<Edition>>,
    why: Option<Why>,
}

impl<'a> Question<'a> {
    fn answer(&mut self) -> State {
        let certificate = self.certificate;
        let points = match &certificate.distribution_points {
            Ok(points) => points.as_slice(),
            Err(why) => return State::Unknown(Why::Unreadable(why.to_string())),
        };
        for point in points.iter().map(Some).chain([None]) {
            let issuers = point.map(|point| point.issuers.as_slice()).filter(|issuers| !issuers.is_empty());
            let issuers = issuers.unwrap_or(std::slice::from_ref(&certificate.issuer_canonical));
            for issuer in issuers {
                if self.covered == Reasons::ALL {
                    return State::Good;
                }
                if let Some((revocation, list)) = self.ask_lists_of(issuer, point) {
                    return State::Revoked(revocation, Arc::clone(&list.edition));
                }
            }
        }
        if self.covered == Reasons::ALL {
            return State::Good;
        }
        if self.covered != Reasons::NONE {
            let missing: Vec<_> = self.covered.missing().collect();
            self.note(Why::SomeReasons(missing.join(", ")));
        }
        State::Unknown(self.why.take().unwrap_or_else(|| Why::NoList(self.issuer_text())))
    }

    /// Asks the lists of one issuer (its canonical name) for one distribution point; `Some` if one revokes. All that
    /// may be used are asked: an authority with two keys may write two lists, each of what one key signed.
    fn ask_lists_of(&mut self, issuer: &[u8], point: Option<&DistributionPoint>) -> Option<(Revocation, &'a List)> {
        let set = self.set;
        let held = set.by_issuer.get(issuer)?;
        let mut usable: Vec<&'a List> = Vec::new();
        let mut is_covered = false;
        for held in held {
            let list = &held.list;
            if !list.coverage.includes(self.certificate, point) {
                continue;
            }
            is_covered = true;
            // They stand in the order of their age: what comes later in one line is older.
            if !usable.iter().any(|newer| newer.continues(list)) && self.may_use(held) {
                usable.push(list);
            }
        }
        if !is_covered && let Some(held) = held.first() {
            self.note(Why::NotCovered(held.list.issuer_name().to_owned()));
        }
        let is_pair = |whole: &List, delta: &List| {
            whole.base().is_none()
                && delta.base().is_some()
                && whole.coverage == delta.coverage
                && whole.authority_key == delta.authority_key
        };
        for list in &usable {
            let revoked = if list.base().is_none() {
                self.ask(list, usable.iter().find(|delta| is_pair(list, delta)).copied(), point)
            } else if usable.iter().any(|whole| is_pair(whole, list)) {
                None
            } else {
                self.note(Why::OnlyDelta(list.issuer_name().to_owned()));
                self.find_in(list).filter(brings_not_back).map(|found| (found, *list))
            };
            if revoked.is_some() {
                return revoked;
            }
        }
        None
    }

    /// Asks a whole list, and the delta list of the same coverage and key that may complete it (section 5.2.4).
    fn ask(
        &mut self,
        whole: &'a List,
        delta: Option<&'a List>,
        point: Option<&DistributionPoint>,
    ) -> Option<(Revocation, &'a List)> {
        // A delta that is not newer says what the whole list says, or what no longer holds.
        let delta = delta.filter(|delta| delta.number() > whole.number());
        // It brings back what it says to, and makes the whole list current, only from its base on and in its time.
        let completing = delta.filter(|delta| whole.number() >= delta.base() && self.at <= delta.next_update());
        let in_delta = delta.and_then(|delta| self.find_in(delta).map(|found| (found, delta)));
        let in_whole = || self.find_in(whole).map(|found| (found, whole));
        let revoked = match in_delta {
            Some((found, _)) if brings_not_back(&found) => in_delta,
            Some(_) if completing.is_some() => None,
            _ => in_whole(),
        };
        if revoked.is_some() {
            return revoked;
        }
        let runs_out = match completing {
            Some(delta) if self.at > whole.next_update() => delta.next_update(),
            Some(delta) => delta.next_update().min(whole.next_update()),
            None => whole.next_update(),
        };
        if self.at > runs_out {
            self.note(Why::RanOut(whole.issuer_name().to_owned(), runs_out));
            return None;
        }
        let reasons = whole.coverage.reasons.intersection(point.map_or(Reasons::ALL, |point| point.reasons));
        self.covered = self.covered.union(reasons);
        *self.until = runs_out.min(*self.until);
        for list in completing.into_iter().chain([whole]) {
            if !self.lists.contains(&list.edition) {
                self.lists.push(Arc::clone(&list.edition));
            }
        }
        None
    }

    fn find_in(&self, list: &List) -> Option<Revocation> {
        let PathCertificate { issuer_canonical, serial, serial_is_negative, .. } = self.certificate;
        list.find(issuer_canonical, serial, *serial_is_negative)
    }

    /// Whether a list is in force and signed by one who may.
    fn may_use(&mut self, held: &'a Held) -> bool {
        let list = &held.list;
        if list.this_update() > self.at.plus(self.set.clock_tolerance) {
            self.note(Why::FromTheFuture(list.issuer_name().to_owned(), list.this_update()));
            return false;
        }
        // The authorities above the certificate: below it nobody speaks of it.
        let (mut is_named, mut may_sign) = (false, false);
        let above = self.path.certificates.iter().zip(&*self.path.authorities).skip(self.position);
        for (issued, key) in above.filter(|(issued, _)| *issued.issuer_canonical == *list.issuer_canonical) {
            is_named = true;
            may_sign |= issued.issuer_signs_lists;
            if issued.issuer_signs_lists && list.is_signed_with(key, &issued.issuer_spki) {
                return true;
            }
        }
        let anchor = self.path.certificates.last().map(|last| last.issuer_canonical.as_slice()).unwrap_or_default();
        let at = self.at;
        let signers = held.signers.iter().filter(|signer| signer.anchor == anchor);
        for signer in signers.filter(|signer| signer.from <= at && at <= signer.until) {
            match self.signer_state(list, signer) {
                Ok(until) => {
                    *self.until = until.min(*self.until);
                    return true;
                }
                Err(why) => self.note(why(list.issuer_name().to_owned())),
            }
        }
        let issuer = list.issuer_name().to_owned();
        self.note(if is_named && !may_sign { Why::MayNotSign(issuer) } else { Why::NotSigned(issuer) });
        false
    }

    /// Until when the signer of a list may be believed.
    fn signer_state(&self, list: &List, signer: &Signer) -> Result<Timestamp, fn(String) -> Why> {
        let Some(path) = &signer.path else { return Ok(signer.until) };
        let mut judged = self.judged.into_iter().flat_map(Judged::all);
        if judged.any(|judged| std::ptr::eq(judged.list, list)) {
            return Ok(signer.until);
        }
        if self.judged.into_iter().flat_map(Judged::all).count() == MAX_DEPTH {
            return Err(Why::SignerUnknown);
        }
        let judged = Judged { list, before: self.judged };
        match self.set.check_within(path, self.scope, self.at, Some(&judged)) {
            CrlAnswer::Good { until, .. } => Ok(until.min(signer.until)),
            CrlAnswer::Revoked { .. } => Err(Why::SignerRevoked),
            // Who asks for nothing but the client's own certificate needs no lists about authorities.
            CrlAnswer::Unknown { .. } if self.scope == Scope::Leaf => Ok(signer.until),
            CrlAnswer::Unknown { .. } => Err(Why::SignerUnknown),
        }
    }

    /// Keeps what says most of why nothing is known.
    fn note(&mut self, why: Why) {
        if self.why.as_ref().is_none_or(|before| *before < why) {
            self.why = Some(why);
        }
    }

    fn issuer_text(&self) -> String {
        name::read(&self.certificate.issuer_name).map_or_else(|why| why.to_string(), |name| name.text)
    }
}

fn brings_not_back(found: &Revocation) -> bool {
    found.reason != RevocationReason::RemoveFromCrl
}
