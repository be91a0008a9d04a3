//! Certificate revocation lists (RFC 5280, section 5) from files: read once, checked once, asked often.
//!
//! A list of a million entries is read into some 24 MiB of sorted serial numbers ([`list`]); its DER is not
//! kept. Its signature is checked once for each key that its issuer has: over a digest that is taken
//! while the list is read, so that the key may turn up later, in a validated path. Only a list that is
//! signed with Ed25519, which has no such digest, keeps what was signed.
//!
//! What is not understood refuses the whole list, when it is loaded: unknown critical extensions, and, until
//! they are supported, delta lists, partitions and indirect lists. Issuers are matched by the octets of their
//! Name: one that writes its own name in two ways has no list, which is not a yes.

mod list;

pub use list::{Fault, List, RevocationReason};

use crate::base::clock::Timestamp;
use crate::certificate::name;
use crate::certificate::path::{PathCertificate, TrustAnchors, ValidPath};
use crate::certificate::pem::{self, PemError};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

/// How far the clock of a list's issuer may be ahead of ours.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The lists of one trust set.
#[derive(Debug, Default)]
pub struct CrlSet {
    /// By the issuer's Name in DER, the newest first.
    lists: HashMap<Vec<u8>, Vec<List>>,
}

/// What the lists say about all certificates of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrlAnswer {
    /// None was revoked.
    Good {
        /// Until when that may be believed: the earliest nextUpdate of the lists that were asked.
        until: Timestamp,
    },
    /// One was revoked.
    Revoked {
        /// Its place in the path; the client's own is 0.
        position: usize,
        /// Since when.
        at: Timestamp,
        /// Why, as far as the list says.
        reason: RevocationReason,
    },
    /// For one there is no list that may be believed, and none is known to be revoked.
    Unknown {
        /// Which issuer's list is missing, and why.
        why: String,
    },
}

/// A file of lists cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CrlError {
    /// It holds no list.
    #[error(transparent)]
    File(#[from] PemError),
    /// A list in it cannot be used.
    #[error("the revocation list of {issuer} in {path} cannot be used: {why}")]
    List {
        /// The file.
        path: PathBuf,
        /// The issuer as RFC 4514 writes it; empty if it could not be read.
        issuer: String,
        /// Why.
        why: Fault,
    },
}

impl CrlSet {
    /// Reads the lists of some files, given as paths and contents; PEM files may hold several. A list whose
    /// issuer is one of `anchors` must be signed by it; the signatures of others are checked when a path shows
    /// the issuer's key. A list that has run out is loaded: a certificate that it revokes stays revoked.
    ///
    /// # Errors
    /// When a file holds no list, or one that is malformed, is not understood, or is wrongly signed.
    pub fn load(files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>, anchors: &TrustAnchors) -> Result<Self, CrlError> {
        let mut set = Self::default();
        for (path, octets) in files {
            for der in pem::revocation_lists_in(&path, octets)? {
                let list = List::read(&der, &path).map_err(|(issuer, why)| CrlError::List {
                    path: path.clone(),
                    issuer,
                    why,
                })?;
                check_against(anchors, &list).map_err(|why| CrlError::List {
                    path: path.clone(),
                    issuer: list.issuer_name().to_owned(),
                    why,
                })?;
                set.lists.entry(list.issuer().to_vec()).or_default().push(list);
            }
        }
        for lists in set.lists.values_mut() {
            lists.sort_by(|a, b| b.age().cmp(&a.age()));
        }
        Ok(set)
    }

    /// The lists, for people.
    pub fn lists(&self) -> impl Iterator<Item = &List> {
        self.lists.values().flatten()
    }

    /// Asks for every certificate of a validated path; the anchor is not asked for. Of several lists of one
    /// issuer the newest that is rightly signed and not from the future counts, by number and then by date. One
    /// that has run out still revokes what it lists, and says nothing of what it does not.
    #[must_use]
    pub fn check(&self, path: &ValidPath, at: Timestamp) -> CrlAnswer {
        let mut until = Timestamp::FAR_FUTURE;
        let mut unknown = None;
        for (position, certificate) in path.certificates.iter().enumerate() {
            match self.check_one(certificate, at) {
                Ok(Known::Revoked(at, reason)) => return CrlAnswer::Revoked { position, at, reason },
                Ok(Known::Good(next_update)) => until = until.min(next_update),
                // Another certificate may be known to be revoked, which says more.
                Err(why) => _ = unknown.get_or_insert(why),
            }
        }
        match unknown {
            Some(why) => CrlAnswer::Unknown { why },
            None => CrlAnswer::Good { until },
        }
    }

    fn check_one(&self, certificate: &PathCertificate, at: Timestamp) -> Result<Known, String> {
        let issuer = || name::read(&certificate.issuer_name).map_or_else(|why| why.to_string(), |name| name.text);
        let lists = self
            .lists
            .get(&certificate.issuer_name)
            .ok_or_else(|| format!("there is no revocation list of {}", issuer()))?;
        if !certificate.issuer_signs_lists {
            return Err(format!("{} may not sign revocation lists: its keyUsage lacks cRLSign", issuer()));
        }
        let newest = lists
            .iter()
            .filter(|list| list.this_update() <= at.plus(CLOCK_TOLERANCE))
            .find(|list| list.is_signed_with(&certificate.issuer_spki))
            .ok_or_else(|| format!("no revocation list of {} is signed with its key and in force", issuer()))?;
        if let Some((at, reason)) = newest.find(&certificate.serial) {
            return Ok(Known::Revoked(at, reason));
        }
        if at > newest.next_update() {
            return Err(format!("the revocation list of {} ran out at {}", issuer(), newest.next_update()));
        }
        Ok(Known::Good(newest.next_update()))
    }
}

enum Known {
    Good(Timestamp),
    Revoked(Timestamp, RevocationReason),
}

fn check_against(anchors: &TrustAnchors, list: &List) -> Result<(), Fault> {
    if !anchors.subjects().iter().any(|subject| subject == list.issuer()) {
        return Ok(());
    }
    let mut keys = anchors.list_signers(list.issuer()).peekable();
    if keys.peek().is_none() {
        return Err(Fault::MayNotSign);
    }
    if keys.any(|key| list.is_signed_with(key)) { Ok(()) } else { Err(Fault::Signature) }
}

#[cfg(test)]
mod tests;
