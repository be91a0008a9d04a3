//! What a certificate says: `pem` reads files (`armour` those too large to be held), `facts` reads one certificate, `path` finds whether an
//! authority stands behind it (RFC 5280). Whom it means is `identity`'s business.
//!
//! Below these, `der` and `fields` frame what is read, `name` decodes names and `oid` object identifiers,
//! `distribution` reads where revocation lists are to be found, and `signature` holds the algorithms that are
//! accepted and checks what they signed.

pub mod access;
pub mod armour;
pub mod der;
pub mod distribution;
pub mod facts;
pub mod fields;
pub mod name;
pub mod oid;
pub mod path;
pub mod pem;
pub mod signature;
#[cfg(test)]
pub(crate) mod testing;

use facts::{CertificateFacts, FactsError};
use rustls_pki_types::CertificateDer;

/// How many certificates a client may present.
pub const MAX_CHAIN: usize = 10;
/// How many octets they may have in all.
pub const MAX_CHAIN_OCTETS: usize = 64 * 1024;

/// What a client presented in its handshake, and what its own certificate says.
#[derive(Debug, Clone)]
pub struct Presented {
    /// The certificates in the order in which they came, the client's own first; never empty.
    pub chain: Vec<CertificateDer<'static>>,
    /// What the first says.
    pub facts: Result<CertificateFacts, FactsError>,
}

/// What a client presented is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PresentedError {
    /// There is no certificate.
    #[error("the client presented no certificate")]
    Nothing,
    /// There are too many certificates.
    #[error("the client presented {0} certificates; at most {MAX_CHAIN} are looked at")]
    TooMany(usize),
    /// The certificates are too large.
    #[error("the client presented certificates of {0} octets in all; at most {MAX_CHAIN_OCTETS} are looked at")]
    TooLarge(usize),
}

impl Presented {
    /// Takes what a client presented. That its own certificate cannot be read is no error here: it is
    /// kept, to be refused with a reason.
    ///
    /// # Errors
    /// When it is nothing, more than [`MAX_CHAIN`] certificates or more than [`MAX_CHAIN_OCTETS`] octets.
    pub fn new(chain: &[CertificateDer<'_>]) -> Result<Self, PresentedError> {
        let Some(own) = chain.first() else { return Err(PresentedError::Nothing) };
        if chain.len() > MAX_CHAIN {
            return Err(PresentedError::TooMany(chain.len()));
        }
        let octets = chain.iter().map(|certificate| certificate.len()).sum();
        if octets > MAX_CHAIN_OCTETS {
            return Err(PresentedError::TooLarge(octets));
        }
        let facts = facts::parse(own);
        Ok(Self { chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(), facts })
    }
}
