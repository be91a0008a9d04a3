//! Trust: whose certificates are accepted, on what conditions, and how it is known that one was taken back.

use super::{CrlFetch, IssuerPin, Ocsp};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// A named set of authorities, and how their certificates may be taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct Trust {
    /// PEM files of trust anchors; at least one.
    pub authorities: Vec<PathBuf>,
    /// PEM files of certificates that paths may lead over, and of signers of revocation lists. None of them is
    /// trusted by itself.
    pub intermediates: Vec<PathBuf>,
    /// The longest path accepted, leaf and anchor included.
    pub max_depth: usize,
    /// Which certificate policies are accepted.
    pub policies: Policies,
    /// If any, one of these authorities must occur on the path.
    pub issuers: Vec<IssuerPin>,
    /// Whether a leaf for smart-card logon will do where one for TLS clients is wanted.
    pub smart_card_logon: bool,
    /// Revocation sources.
    pub revocation: Revocation,
}

/// What RFC 5280, section 6.1.1, takes to begin with about certificate policies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policies {
    /// Object identifiers in dotted form, of which one must be valid for the path; empty accepts any.
    pub accept: Vec<String>,
    /// Whether a path without any valid policy is refused (initial-explicit-policy).
    pub require: bool,
    /// Whether authorities may not say that a policy of theirs is another one's (initial-policy-mapping-inhibit).
    pub inhibit_mapping: bool,
    /// Whether anyPolicy stands for no policy (initial-any-policy-inhibit).
    pub inhibit_any: bool,
}

/// Where it is asked whether a certificate was revoked.
#[derive(Debug, Clone, PartialEq)]
pub struct Revocation {
    /// About which certificates of a path.
    pub scope: Scope,
    /// How far the clocks of those who make lists and answers may be ahead of ours.
    pub clock_tolerance: Duration,
    /// Certificate revocation lists.
    pub crl: Option<CrlSource>,
    /// Responders (RFC 6960).
    pub ocsp: Ocsp,
    /// Our own store: `certificates` and `revocations`.
    pub database: bool,
}

impl Default for Revocation {
    /// Our own store alone.
    fn default() -> Self {
        Self {
            scope: Scope::Chain,
            clock_tolerance: Duration::from_secs(5 * 60),
            crl: None,
            ocsp: Ocsp::default(),
            database: true,
        }
    }
}

/// About which certificates of a path it is asked whether they were revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All below the anchor.
    #[default]
    Chain,
    /// The client's own.
    Leaf,
}

impl Scope {
    /// Those of a path's certificates, the client's own first, that are asked about.
    #[must_use]
    pub fn of<T>(self, certificates: &[T]) -> &[T] {
        match self {
            Self::Chain => certificates,
            Self::Leaf => certificates.get(..1).unwrap_or_default(),
        }
    }
}

/// Certificate revocation lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlSource {
    /// PEM or DER files; the last component may hold `*`. A folder stands for every file in it.
    pub files: Vec<PathBuf>,
    /// Lists that are fetched.
    pub fetch: CrlFetch,
    /// What an issuer without a current list means.
    pub unknown: Unknown,
}

/// What no answer of a revocation source means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// A refusal.
    #[default]
    Reject,
    /// The other sources decide.
    Accept,
}
