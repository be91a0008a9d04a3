//! The question about one certificate (RFC 6960, section 4.1): unsigned, with a nonce or without, in DER.

use crate::certificate::der::{self, DerError, Reader};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

/// How many octets a nonce has (RFC 9654, section 2.1; the most that responders of RFC 8954 take).
pub const NONCE_OCTETS: usize = 32;
/// The content of id-pkix-ocsp-nonce, 1.3.6.1.5.5.7.48.1.2.
pub const NONCE: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02];

/// What a certificate's issuer is hashed with to name it. A name needs no collision resistance against whoever
/// chooses neither the issuer's name nor its key: SHA-1 is no weakness here, and it is what every responder of
/// RFC 5019 (section 2.1.1) looks up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum HashAlgorithm {
    /// SHA-1.
    #[default]
    Sha1,
    /// SHA-256, for responders that demand it.
    Sha256,
}

impl HashAlgorithm {
    /// The content of its OBJECT IDENTIFIER.
    #[must_use]
    pub const fn identifier(self) -> &'static [u8] {
        match self {
            Self::Sha1 => &[0x2b, 0x0e, 0x03, 0x02, 0x1a],
            Self::Sha256 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
        }
    }

    /// The hash of these octets.
    #[must_use]
    pub fn hash(self, octets: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &SHA256,
        };
        digest(algorithm, octets).as_ref().to_vec()
    }
}

/// What a certificate is called in questions and answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertId {
    pub(super) algorithm: HashAlgorithm,
    /// The hash of the issuer's Name.
    pub(super) name_hash: Vec<u8>,
    /// The hash of the issuer's key: the octets of the BIT STRING in its SubjectPublicKeyInfo.
    pub(super) key_hash: Vec<u8>,
    /// The octets of the serial number without leading zeros.
    pub(super) serial: Vec<u8>,
}

impl CertId {
    /// Names a certificate by its issuer's Name and SubjectPublicKeyInfo, both whole, and its serial number
    /// without leading zeros.
    ///
    /// # Errors
    /// When the SubjectPublicKeyInfo is malformed.
    pub fn new(
        algorithm: HashAlgorithm,
        issuer_name: &[u8],
        issuer_spki: &[u8],
        serial: &[u8],
    ) -> Result<Self, DerError> {
        Ok(Self {
            algorithm,
            name_hash: algorithm.hash(issuer_name),
            key_hash: algorithm.hash(key_octets(issuer_spki)?),
            serial: serial.to_vec(),
        })
    }

    pub(super) fn to_der(&self) -> Vec<u8> {
        // RFC 5280, section 4.1.2.2: serial numbers are positive, so that a first bit needs an octet before it.
        let sign: &[u8] = if self.serial.first().is_none_or(|first| *first >= 0x80) { &[0] } else { &[] };
        element(
            der::SEQUENCE,
            &[
                &element(
                    der::SEQUENCE,
                    &[&element(der::OBJECT_IDENTIFIER, &[self.algorithm.identifier()]), &element(NULL, &[])],
                ),
                &element(der::OCTET_STRING, &[&self.name_hash]),
                &element(der::OCTET_STRING, &[&self.key_hash]),
                &element(der::INTEGER, &[sign, &self.serial]),
            ],
        )
    }
}

/// NULL.
const NULL: u8 = 0x05;

/// The octets of the BIT STRING in a SubjectPublicKeyInfo.
///
/// # Errors
/// When it is malformed.
pub fn key_octets(spki: &[u8]) -> Result<&[u8], DerError> {
    let mut reader = Reader::new(der::single(spki, der::SEQUENCE)?);
    reader.expect(der::SEQUENCE)?;
    let key = reader.octets_of_bit_string()?;
    reader.finish()?;
    Ok(key)
}

/// The DER of an OCSPRequest about one certificate.
#[must_use]
pub fn encode(id: &CertId, nonce: Option<&[u8]>) -> Vec<u8> {
    let list = element(der::SEQUENCE, &[&element(der::SEQUENCE, &[&id.to_der()])]);
    let extensions = nonce.map_or_else(Vec::new, |nonce| {
        let value = element(der::OCTET_STRING, &[&element(der::OCTET_STRING, &[nonce])]);
        let extension = element(der::SEQUENCE, &[&element(der::OBJECT_IDENTIFIER, &[NONCE]), &value]);
        element(der::constructed(2), &[&element(der::SEQUENCE, &[&extension])])
    });
    element(der::SEQUENCE, &[&element(der::SEQUENCE, &[&list, &extensions])])
}

/// One element around these parts.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut octets = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => octets.push(short),
        _ => {
            let significant: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect();
            octets.push(0x80 | significant.len().to_le_bytes().first().copied().unwrap_or_default());
            octets.extend(significant);
        }
    }
    parts.iter().for_each(|part| octets.extend_from_slice(part));
    octets
}
