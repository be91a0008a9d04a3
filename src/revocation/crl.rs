//! Certificate revocation lists (RFC 5280, sections 5 and 6.3): read once, checked once, asked often. Full and delta
//! lists, lists by distribution point, by kind of certificate and by reason, and indirect ones.
//!
//! A list of a million entries is read into 24 MiB of sorted serial numbers ([`read`], `entries`); its DER is never
//! held. Its signature is checked once for each key that its issuer has: over a digest that is taken while the
//! list is read, so that the key may turn up later, in a validated path. Only a list that is signed with Ed25519,
//! which has no such digest, keeps what was signed.
//!
//! A [`CrlSet`] is a snapshot of the lists of one trust set, by where they come from. Replacing some of them makes
//! another set that shares the rest ([`CrlSet::with`]). What a set says of a path is found by `ask`.
//!
//! What is not understood refuses the whole list, when it is loaded. Who fetches lists and when is not this
//! module's business.

mod ask;
mod coverage;
mod entries;
mod fault;
mod list;
mod read;
mod reason;
mod replace;
mod signers;
mod stream;

pub use ask::CrlAnswer;
pub use coverage::{Certificates, Coverage};
pub use entries::Revocation;
pub use fault::{CrlError, Fault};
pub use list::{Edition, List, Number, Origin};
pub use read::{Limits, read, read_file};
pub use reason::RevocationReason;
pub use replace::{Refused, Replaced, Warning, newly_revoked};

use crate::account::CertificateKey;
use ask::Held;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How far the clock of a list's issuer may be ahead of ours, unless the configuration says otherwise.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The lists of one trust set.
#[derive(Debug)]
pub struct CrlSet {
    clock_tolerance: Duration,
    origins: BTreeMap<Origin, Vec<Held>>,
    /// By the canonical name of the lists' issuer, the newest first.
    by_issuer: HashMap<Arc<[u8]>, Vec<Held>>,
}

impl CrlSet {
    /// A set without lists, which says that nothing is known.
    #[must_use]
    pub fn new(clock_tolerance: Duration) -> Self {
        Self::of(clock_tolerance, BTreeMap::new())
    }

    fn of(clock_tolerance: Duration, origins: BTreeMap<Origin, Vec<Held>>) -> Self {
        let mut by_issuer: HashMap<_, Vec<Held>> = HashMap::new();
        for held in origins.values().flatten() {
            by_issuer.entry(Arc::clone(&held.list.issuer_canonical)).or_default().push(held.clone());
        }
        for lists in by_issuer.values_mut() {
            lists.sort_by(|a, b| b.list.age().cmp(&a.list.age()));
        }
        Self { clock_tolerance, origins, by_issuer }
    }

    /// The lists, by where they come from.
    pub fn lists(&self) -> impl Iterator<Item = &Arc<List>> {
        self.origins.values().flatten().map(|held| &held.list)
    }

    /// The lists that come from one place; none if it is not known.
    pub fn lists_from(&self, origin: &Origin) -> impl Iterator<Item = &Arc<List>> {
        self.origins.get(origin).into_iter().flatten().map(|held| &held.list)
    }

    /// Whether a list names a certificate of which only issuer and serial number are known: one whose signature is known to
    /// be that issuer's. A list that has run out still counts. That none does says nothing: there may be none that speaks of it.
    #[must_use]
    pub fn name_as_revoked(&self, certificate: &CertificateKey) -> bool {
        let is_of = |list: &List| {
            list.signers().iter().any(|(key, _)| CertificateKey::issuer(list.issuer(), key) == certificate.issuer)
        };
        let names = |list: &&Arc<List>| {
            let entry = list.find(list.issuer_canonical(), &certificate.serial, false);
            entry.is_some_and(|entry| entry.reason != RevocationReason::RemoveFromCrl) && is_of(list)
        };
        self.lists().any(|list| names(&list))
    }

    /// Where its lists come from.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.origins.keys()
    }
}

#[cfg(test)]
mod tests;
