//! Private keys in the forms that other programs write: PKCS#8, encrypted or not, and the older forms of RSA
//! (PKCS#1, RFC 8017, appendix A.1.2) and of elliptic curves (SEC 1, RFC 5915).

use super::sealed::{self, SealError};
use super::{KeyError, SoftwareKey};
use crate::base::secret::Secret;
use crate::certificate::pem;
use rustls_pki_types::PrivateKeyDer;
use std::path::Path;

/// How an encrypted PKCS#8 begins in PEM.
const ENCRYPTED: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
/// How the older forms say that they are encrypted (RFC 1421, section 4.6.1.1). Their key derivation is one round of
/// MD5.
const OLD_ENCRYPTION: &[u8] = b"Proc-Type: 4,ENCRYPTED";

/// A key in a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// The file cannot be read, or holds no key.
    #[error(transparent)]
    Pem(#[from] pem::PemError),
    /// It does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It is no key that signs here.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The passphrase cannot be had.
    #[error(transparent)]
    Passphrase(#[from] crate::ca::passphrase::PassphraseError),
    /// It is encrypted in the way of old.
    #[error("{0} is encrypted as PEM was before PKCS#8; `openssl pkcs8 -topk8 -scrypt` encrypts it anew")]
    OldEncryption(String),
}

/// The key in a PEM file. `passphrase` is asked only if it is encrypted.
///
/// # Errors
/// When the file holds no key, the passphrase is wrong, or the key is of a kind that does not sign here.
pub fn read(
    file: &Path,
    passphrase: impl FnOnce() -> Result<Secret, crate::ca::passphrase::PassphraseError>,
) -> Result<SoftwareKey, ForeignError> {
    let text = pem::read(file, pem::MAX_KEY)?;
    let holds = |what: &[u8]| text.windows(what.len()).any(|window| window == what);
    if holds(OLD_ENCRYPTION) {
        return Err(ForeignError::OldEncryption(file.display().to_string()));
    }
    if holds(ENCRYPTED) {
        return Ok(SoftwareKey::from_pkcs8(&sealed::open(&text, &passphrase()?)?)?);
    }
    Ok(match pem::private_key_in(file, &text)? {
        PrivateKeyDer::Pkcs8(key) => SoftwareKey::from_pkcs8(&Secret::new(key.secret_pkcs8_der().to_vec()))?,
        PrivateKeyDer::Pkcs1(key) => SoftwareKey::from_pkcs1(&Secret::new(key.secret_pkcs1_der().to_vec()))?,
        PrivateKeyDer::Sec1(key) => SoftwareKey::from_sec1(&Secret::new(key.secret_sec1_der().to_vec()))?,
        _ => return Err(KeyError::Rejected("it is neither PKCS#8, PKCS#1 nor SEC 1".into()).into()),
    })
}
