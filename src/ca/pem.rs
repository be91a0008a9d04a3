//! Writes certificates, keys and revocation lists as PEM (RFC 7468). `certificate::pem` reads them.

use crate::base::secret::Secret;
use der::pem::{LineEnding, encode_string};
use rustls_pki_types::CertificateDer;

/// Something does not fit into memory as PEM.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot write a {label} as PEM: {why}")]
pub struct PemError {
    /// The label that it was to have.
    pub label: &'static str,
    /// Why, in the words of the encoder.
    pub why: String,
}

/// Certificates, one after another.
///
/// # Errors
/// When they do not fit into memory.
pub fn certificates<'a>(
    certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> Result<String, PemError> {
    certificates.into_iter().map(|certificate| encode("CERTIFICATE", certificate)).collect()
}

/// A private key (PKCS#8 in DER), without encryption.
///
/// # Errors
/// When it does not fit into memory.
pub fn private_key(pkcs8: &Secret) -> Result<Secret, PemError> {
    Ok(Secret::new(encode("PRIVATE KEY", pkcs8.expose())?.into_bytes()))
}

/// A revocation list (in DER).
///
/// # Errors
/// When it does not fit into memory.
pub fn revocation_list(list: &[u8]) -> Result<String, PemError> {
    encode("X509 CRL", list)
}

fn encode(label: &'static str, der: &[u8]) -> Result<String, PemError> {
    encode_string(label, LineEnding::LF, der).map_err(|error| PemError { label, why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::pem;
    use rustls_pki_types::CertificateRevocationListDer;
    use rustls_pki_types::pem::PemObject;
    use std::path::Path;

    #[test]
    fn what_is_written_is_read_again() {
        let path = Path::new("test.pem");
        let written: Vec<_> = [b"one".as_slice(), &[0; 100]].map(|der| CertificateDer::from(der.to_vec())).into();
        let text = certificates(&written).unwrap();
        assert_eq!(pem::certificates_in(path, text.as_bytes()).unwrap(), written);
        let key = private_key(&Secret::from("key")).unwrap();
        assert_eq!(pem::private_key_in(path, key.expose()).unwrap().secret_der(), b"key");
        let list = revocation_list(b"list").unwrap();
        assert_eq!(CertificateRevocationListDer::from_pem_slice(list.as_bytes()).unwrap().as_ref(), b"list");
    }
}
