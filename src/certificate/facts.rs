//! What a certificate says about itself (RFC 5280, section 4), read from its DER once for each
//! connection. Nothing here says whether any of it is true: that is `certificate::path`'s to find out.
//! Values are kept as they stand, hostile ones included; `identity` decides which may be names.

use crate::base::clock::Timestamp;
use std::net::IpAddr;

/// What one certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whom it is about.
    pub subject: DistinguishedName,
    /// Who issued it.
    pub issuer: DistinguishedName,
    /// The serial number's octets, big-endian, without leading zeros (zero is one octet).
    pub serial: Vec<u8>,
    /// The first second in which it is valid.
    pub not_before: Timestamp,
    /// The last second in which it is valid.
    pub not_after: Timestamp,
    /// SHA-256 of the whole DER.
    pub fingerprint: [u8; 32],
    /// SHA-256 of the SubjectPublicKeyInfo's DER.
    pub spki_sha256: [u8; 32],
    /// The subject alternative names.
    pub names: AlternativeNames,
    /// The keyUsage bits, bit 0 (digitalSignature) lowest; `None` without the extension.
    pub key_usage: Option<u16>,
    /// The extendedKeyUsage identifiers in dotted form; `None` without the extension.
    pub extended_key_usage: Option<Vec<String>>,
    /// The certificate policies in dotted form.
    pub policies: Vec<String>,
    /// Whether basicConstraints says that it is an authority's.
    pub is_authority: bool,
}

/// A distinguished name (RFC 5280, section 4.1.2.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistinguishedName {
    /// As RFC 4514 writes it, most specific first: `CN=Alice,O=Example`.
    pub text: String,
    /// Its DER, for comparison.
    pub der: Vec<u8>,
    /// Its attributes in the order of the certificate.
    pub attributes: Vec<Attribute>,
}

/// One attribute of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The type in dotted form: `2.5.4.3` is commonName.
    pub oid: String,
    /// The value, from whichever string type it had.
    pub value: String,
}

/// The subject alternative names (RFC 5280, section 4.2.1.6), by kind, in the order of the certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlternativeNames {
    /// rfc822Name.
    pub emails: Vec<String>,
    /// dNSName.
    pub dns: Vec<String>,
    /// uniformResourceIdentifier.
    pub uris: Vec<String>,
    /// iPAddress.
    pub addresses: Vec<IpAddr>,
    /// directoryName.
    pub directory: Vec<DistinguishedName>,
    /// otherName with the type 1.3.6.1.4.1.311.20.2.3: Microsoft's user principal name.
    pub upns: Vec<String>,
}
