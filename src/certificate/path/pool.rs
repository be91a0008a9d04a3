//! Certificates that the configuration offers beside those that clients send: intermediates of paths, and
//! signers of revocation lists. Nothing is trusted because it stands here.

use super::AnchorError;
use crate::certificate::fields::Fields;
use crate::certificate::name;
use rustls_pki_types::CertificateDer;
use std::collections::{HashMap, HashSet};

/// How many certificates a pool takes.
const MAX_POOL: usize = 10_000;

/// The certificates, by the canonical form of their subjects.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool(HashMap<Vec<u8>, Vec<CertificateDer<'static>>>);

impl Pool {
    /// Takes certificates, each once.
    pub(super) fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, AnchorError> {
        if certificates.len() > MAX_POOL {
            return Err(AnchorError::TooManyIntermediates(certificates.len()));
        }
        let mut pool: HashMap<Vec<u8>, Vec<_>> = HashMap::new();
        let mut seen = HashSet::new();
        for (index, certificate) in certificates.into_iter().enumerate() {
            let fields =
                Fields::read(&certificate).map_err(|why| AnchorError::Intermediate { position: index + 1, why })?;
            let subject = name::canonical(fields.subject);
            if seen.insert(certificate.clone()) {
                pool.entry(subject).or_default().push(certificate);
            }
        }
        Ok(Self(pool))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those whose subject has this canonical form.
    pub(super) fn named(&self, subject: &[u8]) -> &[CertificateDer<'static>] {
        self.0.get(subject).map_or(&[], Vec::as_slice)
    }
}
