//! What a certificate says about itself (RFC 5280, section 4), read from its DER once for each
//! connection. Nothing here says whether any of it is true: that is `certificate::path`'s to find out.
//! Values are kept as they stand, hostile ones included; `identity` decides which may be names.

use super::der::{self, DerError, Reader};
use super::fields::{self, Fields};
use super::name;
use crate::base::clock::Timestamp;
use aws_lc_rs::digest::{SHA256, digest};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use x509_parser::extensions::{ParsedExtension, X509Extension};

/// How many subject alternative names are read.
const MAX_NAMES: usize = 256;
/// The content of the OBJECT IDENTIFIER of Microsoft's user principal name, 1.3.6.1.4.1.311.20.2.3.
const USER_PRINCIPAL_NAME: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x14, 0x02, 0x03];

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

/// A certificate does not say what it should in the way it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    /// More octets than are read.
    #[error("the certificate has {0} octets; at most {max} are read", max = fields::MAX_CERTIFICATE)]
    TooLarge(usize),
    /// The frame is not as RFC 5280, section 4.1, demands.
    #[error("{what} cannot be read: {why}")]
    Malformed {
        /// `the certificate`, `an extension`, `a name`.
        what: &'static str,
        /// Why.
        why: DerError,
    },
    /// A known extension's value is malformed.
    #[error("the extension {0} is malformed")]
    Extension(&'static str),
    /// An extension stands there twice (RFC 5280, section 4.2).
    #[error("the extension {0} stands there twice")]
    Twice(String),
    /// More of something than is read.
    #[error("there are too many {0}")]
    TooMany(&'static str),
    /// Text that is not in the alphabet of its string type, or a name that is no text at all.
    #[error("{0} cannot be decoded")]
    Undecodable(String),
}

/// Reads one certificate's facts.
///
/// # Errors
/// When it is too large, malformed anywhere that is looked at, or has an extension twice. It never says
/// only half of what a certificate says.
pub fn parse(der: &[u8]) -> Result<CertificateFacts, FactsError> {
    let fields = Fields::read(der)?;
    Ok(CertificateFacts {
        subject: name::read(fields.subject)?,
        issuer: name::read(fields.issuer)?,
        serial: fields.serial.to_vec(),
        not_before: fields.not_before,
        not_after: fields.not_after,
        fingerprint: sha256(der),
        spki_sha256: sha256(fields.public_key),
        names: alternative_names(&fields.extensions)?,
        key_usage: fields.key_usage()?,
        extended_key_usage: fields.purposes()?,
        policies: policies(&fields)?,
        is_authority: fields.authority()?.is_some(),
    })
}

/// SHA-256 of some octets.
#[must_use]
pub fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.iter_mut().zip(digest(&SHA256, octets).as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

fn policies(fields: &Fields<'_>) -> Result<Vec<String>, FactsError> {
    const MALFORMED: FactsError = FactsError::Extension("certificatePolicies");
    let Some(extension) = fields.extension(fields::CERTIFICATE_POLICIES) else { return Ok(Vec::new()) };
    der::single(extension.value, der::SEQUENCE).map_err(|_| MALFORMED)?;
    match parsed_extension(extension.whole) {
        Some(ParsedExtension::CertificatePolicies(policies)) => policies
            .iter()
            .map(|policy| der::dotted(policy.policy_id.as_bytes()))
            .collect::<Result<_, _>>()
            .map_err(|_| MALFORMED),
        _ => Err(MALFORMED),
    }
}

fn parsed_extension(whole: &[u8]) -> Option<ParsedExtension<'_>> {
    let (_, extension) = <X509Extension<'_> as x509_parser::prelude::FromDer<_>>::from_der(whole).ok()?;
    Some(extension.parsed_extension().clone())
}

/// The names of the extension subjectAltName in a list of extensions; none without it.
///
/// # Errors
/// When the extension is malformed or has too many names.
pub fn alternative_names(extensions: &[fields::Extension<'_>]) -> Result<AlternativeNames, FactsError> {
    let mut names = AlternativeNames::default();
    let found = extensions.iter().find(|extension| extension.identifier == fields::SUBJECT_ALTERNATIVE_NAME);
    let Some(extension) = found else { return Ok(names) };
    let malformed = |why| FactsError::Malformed { what: "a subject alternative name", why };
    let mut list = Reader::new(der::single(extension.value, der::SEQUENCE).map_err(malformed)?);
    for count in 0.. {
        if list.is_empty() {
            break;
        }
        if count == MAX_NAMES {
            return Err(FactsError::TooMany("subject alternative names"));
        }
        let name = list.element().map_err(malformed)?;
        match name.tag {
            OTHER_NAME => names.upns.extend(user_principal_name(name.content).map_err(malformed)?.transpose()?),
            RFC822_NAME => names.emails.push(ia5_string(name.content, "a san.email")?),
            DNS_NAME => names.dns.push(ia5_string(name.content, "a san.dns")?),
            URI => names.uris.push(ia5_string(name.content, "a san.uri")?),
            IP_ADDRESS => names.addresses.push(ip_address(name.content).map_err(malformed)?),
            DIRECTORY_NAME => names.directory.push(name::read(name.content)?),
            X400_ADDRESS | EDI_PARTY_NAME | REGISTERED_ID => {}
            found => return Err(malformed(DerError::Tag { expected: RFC822_NAME, found })),
        }
    }
    Ok(names)
}

// The alternatives of a GeneralName (RFC 5280, section 4.2.1.6).
pub(super) const OTHER_NAME: u8 = der::constructed(0);
pub(super) const RFC822_NAME: u8 = der::primitive(1);
pub(super) const DNS_NAME: u8 = der::primitive(2);
pub(super) const X400_ADDRESS: u8 = der::constructed(3);
pub(super) const DIRECTORY_NAME: u8 = der::constructed(4);
pub(super) const EDI_PARTY_NAME: u8 = der::constructed(5);
pub(super) const URI: u8 = der::primitive(6);
pub(super) const IP_ADDRESS: u8 = der::primitive(7);
pub(super) const REGISTERED_ID: u8 = der::primitive(8);

fn ia5_string(content: &[u8], what: &str) -> Result<String, FactsError> {
    const IA5_STRING: u8 = 0x16;
    match name::decode_string(IA5_STRING, content) {
        Some(Ok(text)) => Ok(text),
        _ => Err(FactsError::Undecodable(what.to_owned())),
    }
}

/// The text of an otherName if it is a user principal name: the type, and `[0]` around a UTF8String.
fn user_principal_name(content: &[u8]) -> Result<Option<Result<String, FactsError>>, DerError> {
    const UTF8_STRING: u8 = 0x0c;
    let mut reader = Reader::new(content);
    let identifier = reader.expect(der::OBJECT_IDENTIFIER)?.content;
    let value = reader.expect(der::constructed(0))?.content;
    reader.finish()?;
    if identifier != USER_PRINCIPAL_NAME {
        return Ok(None);
    }
    let text = std::str::from_utf8(der::single(value, UTF8_STRING)?);
    Ok(Some(text.map(str::to_owned).map_err(|_| FactsError::Undecodable("a san.upn".to_owned()))))
}

/// The address of an iPAddress: 4 or 16 octets.
pub(super) fn ip_address(content: &[u8]) -> Result<IpAddr, DerError> {
    let v4 = <[u8; 4]>::try_from(content).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
    let v6 = <[u8; 16]>::try_from(content).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)));
    v4.or(v6).map_err(|_| DerError::Value("an iPAddress"))
}

#[cfg(test)]
mod tests;
