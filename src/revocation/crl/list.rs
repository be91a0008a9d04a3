//! One revocation list: its fields, the index of what it revokes, and whose signature it bears. `read` makes them.

use super::coverage::Coverage;
use super::entries::{Index, Revocation};
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::certificate::distribution::DistributionPoint;
use crate::certificate::signature::Sealed;
use arc_swap::ArcSwap;
use std::cmp::Ordering;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many keys of one issuer a verdict on the signature is kept for.
const MAX_VERDICTS: usize = 16;

/// Where lists come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// A URL.
    Url(String),
}

impl Origin {
    /// The file, or the URL as if it were one.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Url(url) => Path::new(url),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_path().display().fmt(f)
    }
}

/// Which list it is, for people: what answers, logs and `explain` tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    /// Where it comes from.
    pub origin: Origin,
    /// Its issuer as RFC 4514 writes it.
    pub issuer: String,
    /// Its number, if it has one.
    pub number: Option<Number>,
    /// The number of the list that it completes, if it is a delta list.
    pub base: Option<Number>,
    /// When it was made.
    pub this_update: Timestamp,
    /// When there will be a newer one at the latest.
    pub next_update: Timestamp,
}

impl fmt::Display for Edition {
    /// `list 7 of CN=Root from root.crl, made at 2026-05-31T00:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.base.is_some() { "delta list" } else { "list" })?;
        if let Some(number) = &self.number {
            write!(f, " {number}")?;
        }
        write!(f, " of {} from {}, made at {}", self.issuer, self.origin, self.this_update)
    }
}

/// A cRLNumber: up to 20 octets, without leading zeros.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(Vec<u8>);

impl Number {
    /// The longest that there is, in octets (RFC 5280, section 5.2.3).
    pub(super) const LONGEST: usize = 20;

    /// Takes a number's octets, without leading zeros.
    #[must_use]
    pub fn new(octets: Vec<u8>) -> Self {
        Self(octets)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Number {
    /// In decimal digits, or where there would be more than 20 of them as `0x` and hexadecimal ones.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() > 8 {
            return write!(f, "0x{}", hex::encode(&self.0));
        }
        write!(f, "{}", self.0.iter().fold(0, |number: u64, octet| number << 8 | u64::from(*octet)))
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number({self})")
    }
}

/// A list whose signature is yet to be checked with the key of its issuer.
#[derive(Debug)]
pub struct List {
    pub(super) edition: Arc<Edition>,
    /// The issuer's whole Name.
    pub(super) issuer: Vec<u8>,
    /// The issuer's canonical name.
    pub(super) issuer_canonical: Arc<[u8]>,
    pub(super) coverage: Coverage,
    /// The value of authorityKeyIdentifier: two keys of one authority have lists with numbers of their own.
    pub(super) authority_key: Option<Vec<u8>>,
    pub(super) freshest: Vec<DistributionPoint>,
    pub(super) index: Index,
    pub(super) algorithm: String,
    pub(super) sealed: Sealed,
    /// For each key that was tried.
    pub(super) verdicts: ArcSwap<Vec<Verdict>>,
}

/// Whether a key made a list's signature.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    /// SHA-256 of the key's SubjectPublicKeyInfo.
    key: [u8; 32],
    /// The whole SubjectPublicKeyInfo if it made the signature.
    signer: Option<Arc<[u8]>>,
}

impl List {
    /// Which list it is.
    #[must_use]
    pub fn edition(&self) -> &Arc<Edition> {
        &self.edition
    }

    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.edition.origin
    }

    /// Its issuer's Name in DER (the whole SEQUENCE).
    #[must_use]
    pub fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// Its issuer's name by [`crate::certificate::name::canonical`].
    #[must_use]
    pub fn issuer_canonical(&self) -> &[u8] {
        &self.issuer_canonical
    }

    /// Its issuer as RFC 4514 writes it.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.edition.issuer
    }

    /// Its number, if it has one.
    #[must_use]
    pub fn number(&self) -> Option<&Number> {
        self.edition.number.as_ref()
    }

    /// The number of the list that it completes, if it is a delta list.
    #[must_use]
    pub fn base(&self) -> Option<&Number> {
        self.edition.base.as_ref()
    }

    /// When it was made.
    #[must_use]
    pub fn this_update(&self) -> Timestamp {
        self.edition.this_update
    }

    /// When there will be a newer one at the latest.
    #[must_use]
    pub fn next_update(&self) -> Timestamp {
        self.edition.next_update
    }

    /// Which certificates and reasons it speaks of.
    #[must_use]
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Where its delta lists are to be found (freshestCRL).
    #[must_use]
    pub fn freshest(&self) -> &[DistributionPoint] {
        &self.freshest
    }

    /// What its signature was made with, as people call it: `ecdsa-with-SHA256`.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// How many certificates it speaks of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether it speaks of none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many octets of memory its entries take.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.index.octets()
    }

    /// Its entries: the canonical name of the certificate's issuer, the serial number without leading zeros, and
    /// what is said of it; by issuer and serial number.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8], Revocation)> {
        self.index
            .groups()
            .flat_map(|(issuer, entries)| entries.iter().map(move |entry| (issuer, entry.serial(), entry.revocation())))
    }

    /// What it says of a certificate: named by its issuer's canonical name, and its serial number without leading
    /// zeros and with its sign. Takes time in the logarithm of the entries, and no memory.
    #[must_use]
    pub fn find(&self, issuer: &[u8], serial: &[u8], negative: bool) -> Option<Revocation> {
        self.index.find(issuer, serial, negative)
    }

    /// Whether a key, a whole SubjectPublicKeyInfo with its SHA-256, made the signature. That is computed once; the
    /// keys come from the configuration and from validated paths, so that no client can make us compute more.
    #[must_use]
    pub fn is_signed_with(&self, key: &[u8; 32], public_key: &[u8]) -> bool {
        if let Some(known) = self.verdicts.load().iter().find(|known| known.key == *key) {
            return known.signer.is_some();
        }
        let verdict = self.sealed.verify(public_key).is_ok();
        let signer = verdict.then(|| Arc::from(public_key));
        self.verdicts.rcu(|verdicts| {
            if verdicts.len() == MAX_VERDICTS || verdicts.iter().any(|known| known.key == *key) {
                return Arc::clone(verdicts);
            }
            let verdict = Verdict { key: *key, signer: signer.clone() };
            Arc::new(verdicts.iter().cloned().chain([verdict]).collect())
        });
        verdict
    }

    /// The keys that are known to have made the signature: SHA-256 and whole SubjectPublicKeyInfo.
    pub(super) fn signers(&self) -> Vec<([u8; 32], Arc<[u8]>)> {
        self.verdicts.load().iter().filter_map(|known| Some((known.key, Arc::clone(known.signer.as_ref()?)))).collect()
    }

    /// By what the newest is told: the greatest counts.
    pub(super) fn age(&self) -> (Option<&Number>, Timestamp) {
        (self.number(), self.this_update())
    }

    /// Whether it is of one line with another list: of the same issuer and key, about the same certificates and
    /// reasons, both whole or both deltas, so that one of them replaces the other.
    #[must_use]
    pub fn continues(&self, other: &List) -> bool {
        self.issuer_canonical == other.issuer_canonical
            && self.authority_key == other.authority_key
            && self.coverage == other.coverage
            && self.base().is_some() == other.base().is_some()
    }

    /// Whether it is the same list, read once more.
    pub(super) fn is_again(&self, other: &List) -> bool {
        self.continues(other)
            && self.age() == other.age()
            && self.next_update() == other.next_update()
            && self.len() == other.len()
            && self.sealed.signature() == other.sealed.signature()
    }
}
