//! Sets that follow one another: lists are replaced by where they come from, what goes back or is forged is refused
//! and the old list stays, and what was revoked between two sets is found without looking at the rest.

use super::CrlSet;
use super::ask::Held;
use super::entries;
use super::fault::{CrlError, Fault};
use super::list::{Edition, List, Number, Origin};
use super::signers;
use crate::base::clock::Timestamp;
use crate::certificate::path::TrustAnchors;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A list with fewer entries is not looked at for having lost many of them.
const FEW_ENTRIES: usize = 100;

/// What came of replacing the lists of one origin.
#[derive(Debug)]
pub struct Replaced {
    /// The set from now on.
    pub set: CrlSet,
    /// Lists that were not taken; in the place of each, the list before it stays.
    pub refused: Vec<Refused>,
    /// What an administrator should look at.
    pub warnings: Vec<Warning>,
}

/// A list that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the revocation list of {issuer} in {origin} cannot be used: {why}", issuer = .list.issuer, origin = .list.origin)]
pub struct Refused {
    /// Which.
    pub list: Arc<Edition>,
    /// Why.
    pub why: Fault,
}

/// Something odd about lists that were taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A list lost more than half of its entries.
    Shrank {
        /// Which.
        list: Arc<Edition>,
        /// How many entries the one before it has.
        from: usize,
        /// How many it has.
        to: usize,
    },
    /// A list has gone and no other came in its place.
    Gone {
        /// Which.
        list: Arc<Edition>,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shrank { list, from, to } => {
                write!(f, "the {list} has {to} entries where the one before it has {from}")
            }
            Self::Gone { list } => write!(f, "the {list} has gone and no other came in its place"),
        }
    }
}

impl CrlSet {
    /// A set of these lists. One whose issuer is among `anchors` must be signed by it; the signatures of others are
    /// checked when a path shows the issuer's key. A list that has run out is loaded: a certificate that it
    /// revokes stays revoked. `at` is the time at which the certificates of the lists' signers must be valid.
    ///
    /// # Errors
    /// When a list is wrongly signed.
    pub fn load(
        lists: impl IntoIterator<Item = (Origin, Vec<Arc<List>>)>,
        anchors: &TrustAnchors,
        clock_tolerance: Duration,
        at: Timestamp,
    ) -> Result<Self, CrlError> {
        let mut set = Self::new(clock_tolerance);
        for (origin, lists) in lists {
            let Replaced { set: next, refused, .. } = set.with(&origin, lists, anchors, at);
            if let Some(Refused { list, why }) = refused.into_iter().next() {
                return Err(CrlError::List { origin, issuer: list.issuer.clone(), why });
            }
            set = next;
        }
        Ok(set)
    }

    /// The set with these lists from `origin` in the place of those that it had from there. All else is shared, and
    /// so is a list that is the same as before.
    ///
    /// A list is refused that is wrongly signed, or whose number or date went back; the old one stays. One whose
    /// signature cannot be checked yet, because no path has shown the issuer's key, is taken beside the old one if
    /// that is known to be rightly signed, so that nobody between us and the issuer can take it away by a forgery.
    #[must_use]
    pub fn with(&self, origin: &Origin, lists: Vec<Arc<List>>, anchors: &TrustAnchors, at: Timestamp) -> Replaced {
        let old = self.origins.get(origin).map(Vec::as_slice).unwrap_or_default();
        let mut taken: Vec<Held> = Vec::with_capacity(lists.len());
        let (mut refused, mut warnings) = (Vec::new(), Vec::new());
        for new in &lists {
            let known = old.iter().map(|held| &held.list).find(|list| list.is_again(new));
            let list = known.unwrap_or(new);
            let before = newest_vouched(old, list);
            for (key, public_key) in before.iter().flat_map(|before| before.list.signers()) {
                // The list keeps whether it did.
                let _ = list.is_signed_with(&key, &public_key);
            }
            let signers = signers::find(list, anchors, at);
            // A list that was there before may be older than another one beside it.
            let before = before.filter(|_| known.is_none());
            let goes_on = before.map_or(Ok(()), |before| goes_on(&before.list, list));
            match goes_on.and(signers) {
                Ok(signers) => {
                    if let Some(before) = before
                        && before.list.len() >= FEW_ENTRIES
                        && list.len() < before.list.len() / 2
                    {
                        let (from, to) = (before.list.len(), list.len());
                        warnings.push(Warning::Shrank { list: Arc::clone(list.edition()), from, to });
                    }
                    taken.push(Held { list: Arc::clone(list), signers: signers.into() });
                }
                Err(why) => refused.push(Refused { list: Arc::clone(list.edition()), why }),
            }
        }
        for held in old {
            let is_replaced = taken.iter().any(|new| is_vouched(new) && new.list.continues(&held.list));
            let is_newest = newest_vouched(old, &held.list).is_some_and(|newest| Arc::ptr_eq(&newest.list, &held.list));
            let is_followed = lists.iter().any(|new| new.continues(&held.list));
            // One that was refused may have been meant to follow it, under a key that is not its issuer's.
            if !is_followed && refused.is_empty() {
                warnings.push(Warning::Gone { list: Arc::clone(held.list.edition()) });
            } else if !is_followed || (is_newest && !is_replaced) {
                taken.push(held.clone());
            }
        }
        let mut origins = self.origins.clone();
        origins.insert(origin.clone(), taken);
        Replaced { set: Self::of(self.clock_tolerance, origins), refused, warnings }
    }

    /// The set without the lists from `origin`. What only they spoke of is not known any more.
    #[must_use]
    pub fn without(&self, origin: &Origin) -> Self {
        let mut origins = self.origins.clone();
        origins.remove(origin);
        Self::of(self.clock_tolerance, origins)
    }
}

/// Whether somebody is known to have signed a list who may have.
fn is_vouched(held: &Held) -> bool {
    !held.signers.is_empty() || !held.list.signers().is_empty()
}

/// The newest list of the line of `list` that is known to be rightly signed.
fn newest_vouched<'a>(old: &'a [Held], list: &List) -> Option<&'a Held> {
    old.iter().filter(|held| held.list.continues(list) && is_vouched(held)).max_by_key(|held| held.list.age())
}

/// Whether a list can follow another one of its line.
fn goes_on(before: &List, list: &List) -> Result<(), Fault> {
    if list.number() < before.number() {
        let number = |list: &List| list.number().cloned().unwrap_or_else(|| Number::new(vec![0]));
        return Err(Fault::NumberWentBack { from: number(before), to: number(list) });
    }
    if list.this_update() < before.this_update() {
        return Err(Fault::DateWentBack { from: before.this_update(), to: list.this_update() });
    }
    Ok(())
}

/// The certificates that `new` revokes and `old` did not: their issuers' canonical names and their serial numbers
/// without leading zeros. Only lists that were replaced or added are looked at, each beside the one that it
/// replaces, so that the work is one pass over those. Some of what is found may have been revoked before, by a list
/// from elsewhere, and a list may be one that cannot be believed: what is found is to be asked for again.
pub fn newly_revoked<'a>(old: &'a CrlSet, new: &'a CrlSet) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let is_shared = |list: &&Arc<List>| !old.lists().any(|other| Arc::ptr_eq(other, list));
    new.lists().filter(is_shared).flat_map(move |list| {
        let before = old.lists().filter(|other| other.continues(list)).max_by_key(|other| other.age());
        let mut issuers: Vec<&[u8]> = list.index.groups().map(|(issuer, _)| issuer).collect();
        issuers.extend(before.into_iter().flat_map(|before| before.index.groups().map(|(issuer, _)| issuer)));
        issuers.sort_unstable();
        issuers.dedup();
        issuers.into_iter().flat_map(move |issuer| {
            let before = before.map(|before| before.index.of(issuer)).unwrap_or_default();
            entries::newly_revoked(before, list.index.of(issuer)).map(move |entry| (issuer, entry.serial()))
        })
    })
}
