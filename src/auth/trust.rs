//! What stands behind a certificate: one named set of authorities with its revocation sources, as listeners,
//! hosts and `wicketgate explain` ask it. Paths that were found valid are remembered by what was presented,
//! so that a client that comes back costs no signature check; their dates are looked at every time.

use crate::account::cache::Accounts;
use crate::base::clock::Timestamp;
use crate::base::reason::Reason;
use crate::certificate::path::{self, AnchorError, PathError, Requirements, TrustAnchors, ValidPath};
use crate::config;
use crate::revocation::crl::{CrlAnswer, CrlError, CrlSet, List, Origin};
use crate::revocation::{self, database};
use aws_lc_rs::digest::{Context, SHA256};
use rustls_pki_types::CertificateDer;
use std::sync::Arc;

/// How many paths a set remembers.
const MOST_PATHS: u64 = 10_000;

/// A named set of authorities.
pub struct TrustSet {
    anchors: TrustAnchors,
    requirements: Requirements,
    /// About which certificates of a path lists are asked.
    scope: config::Scope,
    /// With what no answer of theirs means.
    lists: Option<(CrlSet, config::Unknown)>,
    database: bool,
    /// By SHA-256 of the chain as it was presented, with the time at which the path was found valid.
    paths: moka::sync::Cache<[u8; 32], (Timestamp, Arc<ValidPath>)>,
}

/// A trust set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Its authorities.
    #[error(transparent)]
    Anchors(#[from] AnchorError),
    /// Its revocation lists.
    #[error(transparent)]
    Lists(#[from] CrlError),
}

impl TrustSet {
    /// A set of these authorities, with the lists of its files of revocation lists. `at` is the time at which the
    /// certificates of those who signed the lists must be valid.
    ///
    /// # Errors
    /// When a certificate cannot be an authority, or a list cannot be used.
    pub fn new(
        settings: &config::Trust,
        authorities: Vec<CertificateDer<'static>>,
        lists: Vec<(Origin, Vec<Arc<List>>)>,
        at: Timestamp,
    ) -> Result<Self, TrustError> {
        let anchors = TrustAnchors::new(authorities)?;
        let lists = match &settings.revocation.crl {
            Some(source) => {
                let tolerance = settings.revocation.clock_tolerance;
                Some((CrlSet::load(lists, &anchors, tolerance, at)?, source.unknown))
            }
            None => None,
        };
        Ok(Self {
            anchors,
            requirements: Requirements::for_clients(settings.max_depth),
            scope: settings.revocation.scope,
            lists,
            database: settings.revocation.database,
            paths: moka::sync::Cache::new(MOST_PATHS),
        })
    }

    /// The valid path from what a client presented (its own certificate first) to an authority of this set.
    ///
    /// # Errors
    /// Why there is none.
    pub fn path(&self, chain: &[CertificateDer<'_>], at: Timestamp) -> Result<Arc<ValidPath>, PathError> {
        let key = fingerprint(chain);
        if let Some((since, path)) = self.paths.get(&key)
            && since <= at
            && at <= path.not_after
        {
            return Ok(path);
        }
        let path = Arc::new(path::validate(chain, &self.anchors, &self.requirements, at)?);
        self.paths.insert(key, (at, Arc::clone(&path)));
        Ok(path)
    }

    /// What the lists and, after them, the store say of a path.
    pub async fn revocation(&self, path: &ValidPath, accounts: &Accounts, at: Timestamp) -> revocation::Answer {
        let lists = self.ask_lists(path, at);
        let listed = matches!(lists, Some((CrlAnswer::Revoked { .. }, _)));
        // What a list has revoked is no question for the store.
        let database = if self.database && !listed { Some(database::ask(accounts, path).await) } else { None };
        revocation::combine(lists, database, None)
    }

    fn ask_lists(&self, path: &ValidPath, at: Timestamp) -> Option<(CrlAnswer, config::Unknown)> {
        self.lists.as_ref().map(|(lists, unknown)| (lists.check(path, self.scope, at), *unknown))
    }

    /// Judges a chain by what is in memory: path, dates and revocation lists.
    ///
    /// # Errors
    /// The reason for which it is refused.
    pub fn judge(&self, chain: &[CertificateDer<'_>], at: Timestamp) -> Result<(), Reason> {
        let path = self.path(chain, at).map_err(|error| error.reason)?;
        revocation::combine(self.ask_lists(&path, at), None, None).verdict.refusal().map_or(Ok(()), Err)
    }

    /// The authorities' subjects in DER.
    #[must_use]
    pub fn subjects(&self) -> Vec<Vec<u8>> {
        self.anchors.subjects()
    }
}

/// SHA-256 over the certificates, each after its length so that no two chains are the same octets.
fn fingerprint(chain: &[CertificateDer<'_>]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for certificate in chain {
        context.update(&(certificate.len() as u64).to_be_bytes());
        context.update(certificate);
    }
    let mut fingerprint = [0; 32];
    fingerprint.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    fingerprint
}
