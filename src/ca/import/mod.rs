//! Takes over an authority that was made elsewhere, with OpenSSL mostly: its certificate and key become the first
//! intermediate of a folder, what it issued becomes rows of the register, and its revocation lists go on with their
//! numbers. All is read and held against each other before anything is written. A root that issues to people itself
//! may be taken over too; `ca renew-intermediate` then puts an intermediate in its place.

pub mod index;

use crate::account::{CertificateKey, IssuedCertificate};
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::ca::directory::{ABOVE, BUNDLE, Directory, ROOT, ROOT_KEY, certificates_name, is_issued_by, key_name};
use crate::ca::hierarchy::{HierarchyError, Piece, create};
use crate::ca::issue::{Authority, IssueError};
use crate::ca::key::sealed::{self, SealError};
use crate::ca::key::{KeyError, SoftwareKey};
use crate::ca::register::{Entry, Reason};
use crate::certificate::facts::{self, FactsError};
use crate::certificate::fields::{CRL_SIGN, Fields};
use index::Row;
use rustls_pki_types::CertificateDer;
use std::collections::HashSet;
use std::path::Path;

/// The profile that stands in the record of what was issued elsewhere.
pub const PROFILE: &str = "imported";

/// The most certificates above an authority.
const MOST_ABOVE: usize = 8;

/// An authority that can be taken over.
pub struct Import {
    key: SoftwareKey,
    /// Its certificate, those above it, and the root last.
    chain: Vec<CertificateDer<'static>>,
    /// What tells its certificates from those of others, without their serial numbers.
    issuer: (Vec<u8>, Vec<u8>, String),
}

impl std::fmt::Debug for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import").field("issuer", &self.issuer.2).finish_non_exhaustive()
    }
}

/// What an index comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Issued {
    /// What goes on record.
    pub entries: Vec<Entry>,
    /// What is revoked.
    pub revoked: Vec<(CertificateKey, Timestamp, Reason)>,
    /// The serial numbers, as they are written, of what is not revoked and whose certificate was not found: without
    /// it there is nothing to put on record.
    pub missing: Vec<String>,
}

/// An authority cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// No certificate was given.
    #[error("there is no certificate of the authority")]
    NoCertificate,
    /// No certificates lead to a root.
    #[error("no certificates lead from {0} to a root")]
    NoRoot(String),
    /// The authority may not sign what it has to.
    #[error("{0} may not sign revocation lists: its keyUsage lacks cRLSign")]
    NoListSigner(String),
    /// A certificate cannot be read.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// The key is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate is no authority's, or the key is another's.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The key cannot be encrypted.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A certificate is not what the index says.
    #[error("the certificate with the serial number {serial} is {why}")]
    Other {
        /// The serial number as the index has it.
        serial: String,
        /// Why it is not.
        why: &'static str,
    },
    /// Two lines of the index have the same serial number.
    #[error("the serial number {0} stands in the index twice")]
    Twice(String),
    /// The folder cannot be made.
    #[error(transparent)]
    Hierarchy(#[from] HierarchyError),
}

impl Import {
    /// An authority by its certificate (the first of `certificates`), those above it in any order, and its key.
    ///
    /// # Errors
    /// When the certificate is no authority's, the key is another's, or no certificates lead to a root.
    pub fn new(certificates: Vec<CertificateDer<'static>>, key: SoftwareKey) -> Result<Self, ImportError> {
        let own = certificates.first().cloned().ok_or(ImportError::NoCertificate)?;
        let facts = facts::parse(&own)?;
        let name = facts.subject.text;
        let fields = Fields::read(&own)?;
        if !fields.allows(CRL_SIGN)? {
            return Err(ImportError::NoListSigner(name));
        }
        let issuer = (fields.subject.to_vec(), fields.public_key.to_vec(), name.clone());
        let mut chain = vec![own];
        while let Some(last) = chain.last().filter(|last| !is_issued_by(last, last)) {
            let next = certificates.iter().find(|above| is_issued_by(last, above) && !chain.contains(above));
            match next.filter(|_| chain.len() <= MOST_ABOVE) {
                Some(next) => chain.push(next.clone()),
                None => return Err(ImportError::NoRoot(name)),
            }
        }
        let import = Self { key, chain, issuer };
        // Whether the key is the certificate's is what this finds out.
        let own = import.chain.first().cloned().unwrap_or_else(|| CertificateDer::from(Vec::new()));
        Authority::open(Box::new(SoftwareKey::from_pkcs8(&import.key.to_pkcs8()?)?), own, Vec::new())?;
        Ok(import)
    }

    /// Its name as RFC 4514 writes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.issuer.2
    }

    /// Its own certificate.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        self.chain.first().map(|own| own.as_ref()).unwrap_or_default()
    }

    /// How the register knows it.
    #[must_use]
    pub fn issuer(&self) -> [u8; 32] {
        self.certificate_key(&[0]).issuer
    }

    fn certificate_key(&self, serial: &[u8]) -> CertificateKey {
        CertificateKey::new(&self.issuer.0, &self.issuer.1, serial)
    }

    /// What the rows of its index come to. `find` looks for the certificate of a row.
    ///
    /// # Errors
    /// When a certificate that is found is not the row's, or is not this authority's.
    pub fn issued<E: From<ImportError>>(
        &self,
        rows: &[Row],
        mut find: impl FnMut(&Row) -> Result<Option<CertificateDer<'static>>, E>,
    ) -> Result<Issued, E> {
        let mut issued = Issued::default();
        let mut seen: HashSet<&[u8]> = HashSet::with_capacity(rows.len());
        for row in rows {
            if !seen.insert(&row.serial) {
                return Err(ImportError::Twice(row.written.clone()).into());
            }
            let key = self.certificate_key(&row.serial);
            match find(row)? {
                Some(certificate) => issued.entries.push(self.entry(row, key.clone(), &certificate)?),
                None if row.revoked.is_none() => issued.missing.push(row.written.clone()),
                None => {}
            }
            if let Some((at, reason)) = row.revoked {
                issued.revoked.push((key, at, reason));
            }
        }
        Ok(issued)
    }

    fn entry(&self, row: &Row, key: CertificateKey, certificate: &CertificateDer<'_>) -> Result<Entry, ImportError> {
        let other = |why| ImportError::Other { serial: row.written.clone(), why };
        let facts = facts::parse(certificate)?;
        if facts.serial != row.serial {
            return Err(other("another: its serial number differs"));
        }
        if facts.not_after != row.not_after {
            return Err(other("another: its notAfter differs"));
        }
        if self.chain.first().is_none_or(|own| !is_issued_by(certificate, own)) {
            return Err(other("not one of this authority's"));
        }
        Ok(Entry {
            certificate: IssuedCertificate {
                key,
                issuer_name: self.issuer.2.clone(),
                username: None,
                subject: facts.subject.text,
                not_before: facts.not_before,
                not_after: facts.not_after,
                fingerprint: facts.fingerprint,
                profile: PROFILE.to_owned(),
            },
            spki: Some(facts.spki_sha256),
            der: Some(certificate.to_vec()),
        })
    }

    /// Makes the folder, with a history that begins `now`. The key is sealed with a passphrase of its own.
    ///
    /// # Errors
    /// When something is there already, the passphrase is short, or a file cannot be written; nothing is left then.
    pub fn make(&self, path: &Path, passphrase: &Secret, now: Timestamp) -> Result<Directory, ImportError> {
        let sealed = sealed::seal(&self.key.to_pkcs8()?, passphrase)?;
        let [own, above @ ..] = self.chain.as_slice() else { return Err(ImportError::NoCertificate) };
        let (below_root, _) = self.chain.split_at(above.len());
        let certificates = |name: &str, certificates: &[CertificateDer<'static>]| {
            Piece::certificates(name, certificates).map_err(HierarchyError::from)
        };
        let mut pieces = vec![
            Piece::private(&key_name(1), sealed.clone()),
            Piece::history(now, &[]).map_err(HierarchyError::from)?,
            certificates(&certificates_name(1), std::slice::from_ref(own))?,
        ];
        if !below_root.is_empty() {
            pieces.push(certificates(BUNDLE, below_root)?);
        }
        match above {
            [] => {
                // A root that issues itself: its key signs intermediates as well.
                pieces.push(Piece::private(ROOT_KEY, sealed));
                pieces.push(certificates(ROOT, std::slice::from_ref(own))?);
            }
            [between @ .., root] => {
                pieces.push(certificates(ROOT, std::slice::from_ref(root))?);
                if !between.is_empty() {
                    pieces.push(certificates(ABOVE, between)?);
                }
            }
        }
        Ok(create(path, &pieces)?)
    }
}

#[cfg(test)]
mod tests;
