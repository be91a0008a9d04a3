//! Whether a path leads from a presented certificate to a configured authority (RFC 5280, section 6).
//! Pure: the certificates, the anchors, the requirements and the time go in, a verdict comes out.
//!
//! [`graph`] lays out which certificates could have issued which, by their names; [`search`] walks it from the
//! leaf upwards, checks the signatures of each path that reaches an anchor, and hands it to [`checks`], which
//! is section 6.1 itself. A path that fails gives way to the next, and of all failures the one that came
//! closest to the leaf is told. Revocation is not looked at here: `revocation` asks about every path found.

mod anchors;
mod checks;
pub mod constraints;
mod error;
mod graph;
pub mod policy;
mod pool;
mod search;
mod valid;
mod violation;

pub use anchors::{AnchorError, Authority, TrustAnchors};
pub use error::{PathError, Place};
pub use search::{MAX_SIGNATURES, MAX_STEPS};
pub use valid::{PathCertificate, ValidPath};
pub use violation::Violation;

use super::fields::Fields;
use super::{MAX_CHAIN, MAX_CHAIN_OCTETS};
use crate::base::clock::Timestamp;
use graph::Graph;
use rustls_pki_types::CertificateDer;
use search::Search;

/// What a path must fulfil besides leading to an anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirements {
    /// The longest path accepted, leaf and anchor included.
    pub max_depth: usize,
    /// What the leaf is to be used for.
    pub purpose: Purpose,
    /// What is asked of its certificate policies.
    pub policies: policy::Inputs,
    /// SHA-256 of the SubjectPublicKeyInfo of authorities, one of which must stand on the path; it may be the
    /// anchor. Empty allows any.
    pub issuers: Vec<[u8; 32]>,
}

/// What a leaf is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To prove who a TLS client is: the leaf is no authority's, and neither its keyUsage nor an
    /// extendedKeyUsage along the path forbids it.
    Client {
        /// Whether an extendedKeyUsage may name Microsoft's smart-card logon (1.3.6.1.4.1.311.20.2.2) in the
        /// place of TLS client authentication.
        smart_card_logon: bool,
    },
    /// To sign revocation lists: the leaf's keyUsage, if it has one, allows it. It need not be an authority's.
    ListSigner,
    /// Anything: a path as section 6.1 demands it, and no more.
    Any,
}

impl Requirements {
    /// For TLS clients, on paths of at most this many certificates; smart-card logon alone does not do.
    #[must_use]
    pub fn for_clients(max_depth: usize) -> Self {
        Self::new(max_depth, Purpose::Client { smart_card_logon: false })
    }

    /// For signers of revocation lists, on paths of at most this many certificates.
    #[must_use]
    pub fn for_list_signers(max_depth: usize) -> Self {
        Self::new(max_depth, Purpose::ListSigner)
    }

    fn new(max_depth: usize, purpose: Purpose) -> Self {
        Self { max_depth, purpose, policies: policy::Inputs::default(), issuers: Vec::new() }
    }

    /// For nothing in particular, on paths of at most this many certificates.
    #[must_use]
    pub fn for_anything(max_depth: usize) -> Self {
        Self::new(max_depth, Purpose::Any)
    }
}

/// Finds a path from the first certificate of `chain` to one of the anchors, over any others of it and any of
/// the configured intermediates, valid at the time `at` for what `requirements` demand.
///
/// An anchor is a name and a key, with the dates of its certificate: one that has expired, or is not yet
/// valid, makes every path to it so. It may be an intermediate authority, and then the path ends there. It
/// is never a client: [`TrustAnchors::new`] takes only the certificates of authorities, and the certificate of
/// an authority presented by a client is refused. To let in single certificates without an authority, an
/// identity rule can read the fingerprint; who issued them must be trusted all the same.
///
/// # Errors
/// When there is no such path, or none was found before [`MAX_SIGNATURES`] or [`MAX_STEPS`] were spent; the
/// error tells the most useful story of why.
pub fn validate(
    chain: &[CertificateDer<'_>],
    anchors: &TrustAnchors,
    requirements: &Requirements,
    at: Timestamp,
) -> Result<ValidPath, PathError> {
    let Some((leaf, others)) = chain.split_first() else {
        return Err(PathError::untrusted("no certificate was presented"));
    };
    if chain.len() > MAX_CHAIN {
        return Err(PathError::too_much(format!(
            "{} certificates were presented, {MAX_CHAIN} are looked at",
            chain.len()
        )));
    }
    let octets: usize = chain.iter().map(|certificate| certificate.len()).sum();
    if octets > MAX_CHAIN_OCTETS {
        return Err(PathError::too_much(format!(
            "certificates of {octets} octets were presented, {MAX_CHAIN_OCTETS} are looked at"
        )));
    }
    // What cannot be read here must not be judged by what another reader makes of it.
    let fields = Fields::read(leaf)
        .map_err(|why| PathError::untrusted(format!("the presented certificate cannot be used: {why}")))?;
    let graph = Graph::new(leaf, fields, others, anchors, at);
    Search::new(&graph, requirements, at).run()
}

#[cfg(test)]
mod tests;
