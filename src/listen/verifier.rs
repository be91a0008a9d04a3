//! What the TLS layer does with a client certificate: it proves that the client holds the key, and no
//! more. Path, dates and revocation are judged after the handshake, for new and resumed sessions alike,
//! because rustls asks its verifier neither again on resumption nor with the time to ask a database.
//! Only where the administrator wants refused certificates to fail the handshake (`on_rejected_certificate:
//! alert`) is the judgement that needs no waiting made here as well.

use crate::auth::trust::TrustSet;
use crate::base::clock::Timestamp;
use crate::base::reason::Reason;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::fmt;
use std::sync::Arc;

/// Asks for a certificate and checks possession of its key.
pub(super) struct PossessionVerifier {
    pub(super) provider: Arc<CryptoProvider>,
    /// Whether a client without a certificate fails the handshake.
    pub(super) mandatory: bool,
    /// The authorities that the client is told of.
    pub(super) hints: Vec<DistinguishedName>,
    /// Judge chains during the handshake, where refusals are to fail it: one that accepts is enough, and the
    /// first says why none did.
    pub(super) judges: Option<Vec<Arc<TrustSet>>>,
}

impl fmt::Debug for PossessionVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PossessionVerifier").field("mandatory", &self.mandatory).finish_non_exhaustive()
    }
}

impl ClientCertVerifier for PossessionVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(judges) = &self.judges {
            let chain: Vec<CertificateDer<'_>> = std::iter::once(end_entity)
                .chain(intermediates)
                .map(|der| CertificateDer::from(der.as_ref()))
                .collect();
            let at = Timestamp::from_unix(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
            let mut refusal = None;
            let accepted = judges.iter().any(|judge| match judge.judge(&chain, at) {
                Ok(()) => true,
                Err(reason) => {
                    refusal.get_or_insert(reason);
                    false
                }
            });
            if !accepted {
                let reason = refusal.unwrap_or(Reason::CertificateUntrusted);
                return Err(Error::InvalidCertificate(alert(reason)));
            }
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The certificate error whose TLS alert (RFC 8446, section 6.2) says most nearly the same.
fn alert(reason: Reason) -> CertificateError {
    match reason {
        Reason::CertificateExpired => CertificateError::Expired,
        Reason::CertificateNotYetValid => CertificateError::NotValidYet,
        Reason::CertificateRevoked => CertificateError::Revoked,
        Reason::RevocationUnknown => CertificateError::UnknownRevocationStatus,
        Reason::CertificateUnsuitable => CertificateError::InvalidPurpose,
        Reason::CertificateUntrusted => CertificateError::UnknownIssuer,
        _ => CertificateError::ApplicationVerificationFailure,
    }
}
