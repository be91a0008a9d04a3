//! The frame of a certificate: the fields that RFC 5280, section 4.1, names, as slices of its DER.
//! `facts` decodes them for people and for identity rules, `path` and `revocation` decide by them.
//! Nothing may be left over anywhere in the frame, so that no two readers of it can disagree.

use super::der::{self, DerError, Reader};
use super::facts::FactsError;
use crate::base::clock::Timestamp;
use x509_parser::extensions::{BasicConstraints, KeyUsage};
use x509_parser::prelude::FromDer;

/// subjectAltName, 2.5.29.17.
pub const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// keyUsage, 2.5.29.15.
pub const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
/// basicConstraints, 2.5.29.19.
pub const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
/// nameConstraints, 2.5.29.30.
pub const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];
/// cRLDistributionPoints, 2.5.29.31.
pub const CRL_DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 0x1f];
/// certificatePolicies, 2.5.29.32.
pub const CERTIFICATE_POLICIES: &[u8] = &[0x55, 0x1d, 0x20];
/// freshestCRL, 2.5.29.46.
pub const FRESHEST_CRL: &[u8] = &[0x55, 0x1d, 0x2e];
/// subjectKeyIdentifier, 2.5.29.14.
pub const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x0e];
/// authorityKeyIdentifier, 2.5.29.35.
pub const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x23];
/// policyMappings, 2.5.29.33.
pub const POLICY_MAPPINGS: &[u8] = &[0x55, 0x1d, 0x21];
/// policyConstraints, 2.5.29.36.
pub const POLICY_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x24];
/// inhibitAnyPolicy, 2.5.29.54.
pub const INHIBIT_ANY_POLICY: &[u8] = &[0x55, 0x1d, 0x36];
/// extendedKeyUsage, 2.5.29.37.
pub const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];

/// digitalSignature in a key usage.
pub const DIGITAL_SIGNATURE: u16 = 1 << 0;
/// keyCertSign in a key usage.
pub const KEY_CERT_SIGN: u16 = 1 << 5;
/// cRLSign in a key usage.
pub const CRL_SIGN: u16 = 1 << 6;

/// The largest certificate that is read, in octets.
pub const MAX_CERTIFICATE: usize = 64 * 1024;
const MAX_EXTENSIONS: usize = 64;

/// A certificate's fields.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    /// What its issuer signed: the whole TBSCertificate.
    pub signed: &'a [u8],
    /// The content of the signature's AlgorithmIdentifier.
    pub signature_algorithm: &'a [u8],
    /// The signature's octets.
    pub signature: &'a [u8],
    /// 1, 2 or 3.
    pub version: u8,
    /// The serial number's octets, without leading zeros.
    pub serial: &'a [u8],
    /// Whether the serial number is below zero, which RFC 5280 forbids and some authorities do: -1 and 255 have
    /// the same octets and are two certificates.
    pub serial_is_negative: bool,
    /// The issuer's whole Name.
    pub issuer: &'a [u8],
    /// The first second in which it is valid.
    pub not_before: Timestamp,
    /// The last second in which it is valid.
    pub not_after: Timestamp,
    /// The subject's whole Name.
    pub subject: &'a [u8],
    /// The whole SubjectPublicKeyInfo.
    pub public_key: &'a [u8],
    /// The extensions in their order, none twice.
    pub extensions: Vec<Extension<'a>>,
}

/// One extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    /// The content of its OBJECT IDENTIFIER.
    pub identifier: &'a [u8],
    /// Whether whoever does not know it must refuse the certificate.
    pub critical: bool,
    /// The content of its OCTET STRING.
    pub value: &'a [u8],
    /// The extension from its tag to its end.
    pub whole: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads a certificate.
    ///
    /// # Errors
    /// When it is too large or not a certificate, or has an extension twice.
    pub fn read(certificate: &'a [u8]) -> Result<Self, FactsError> {
        if certificate.len() > MAX_CERTIFICATE {
            return Err(FactsError::TooLarge(certificate.len()));
        }
        let malformed = |why| FactsError::Malformed { what: "the certificate", why };
        let (mut fields, extensions) = frame(certificate).map_err(malformed)?;
        if let Some(extensions) = extensions {
            if fields.version != 3 {
                return Err(malformed(DerError::Value("the version of a certificate with extensions")));
            }
            fields.extensions = read_extensions(extensions)?;
        }
        Ok(fields)
    }

    /// The extension with this identifier.
    #[must_use]
    pub fn extension(&self, identifier: &[u8]) -> Option<&Extension<'a>> {
        find(&self.extensions, identifier)
    }

    /// The keyUsage bits, bit 0 (digitalSignature) lowest; `None` without the extension.
    ///
    /// # Errors
    /// When the extension is malformed.
    pub fn key_usage(&self) -> Result<Option<u16>, FactsError> {
        key_usage(&self.extensions)
    }

    /// Whether every use in `bits` is allowed, as it is without the extension.
    ///
    /// # Errors
    /// When the extension is malformed.
    pub fn allows(&self, bits: u16) -> Result<bool, FactsError> {
        Ok(self.key_usage()?.is_none_or(|usage| usage & bits == bits))
    }

    /// Whether basicConstraints says that it is an authority's, and if so how many authorities may follow
    /// below it (`Some(None)` is any number).
    ///
    /// # Errors
    /// When the extension is malformed.
    pub fn authority(&self) -> Result<Option<Option<u32>>, FactsError> {
        authority(&self.extensions)
    }

    /// What the certificate calls its own key (RFC 5280, section 4.2.1.2). A hint, which nothing is decided by:
    /// `None` also if it cannot be read.
    #[must_use]
    pub fn subject_key_identifier(&self) -> Option<&'a [u8]> {
        der::single(self.extension(SUBJECT_KEY_IDENTIFIER)?.value, der::OCTET_STRING).ok()
    }

    /// What the certificate calls its issuer's key (RFC 5280, section 4.2.1.1). A hint, as above.
    #[must_use]
    pub fn authority_key_identifier(&self) -> Option<&'a [u8]> {
        let identifier = der::single(self.extension(AUTHORITY_KEY_IDENTIFIER)?.value, der::SEQUENCE).ok()?;
        Some(Reader::new(identifier).expect(der::primitive(0)).ok()?.content)
    }

    /// The purposes of extendedKeyUsage in dotted form; `None` without the extension.
    ///
    /// # Errors
    /// When the extension is malformed or names no purpose.
    pub fn purposes(&self) -> Result<Option<Vec<String>>, FactsError> {
        purposes(&self.extensions)
    }
}

fn find<'e, 'a>(extensions: &'e [Extension<'a>], identifier: &[u8]) -> Option<&'e Extension<'a>> {
    extensions.iter().find(|extension| extension.identifier == identifier)
}

/// As [`Fields::key_usage`], of a list of extensions.
///
/// # Errors
/// When the extension is malformed.
pub fn key_usage(extensions: &[Extension<'_>]) -> Result<Option<u16>, FactsError> {
    let Some(extension) = find(extensions, KEY_USAGE) else { return Ok(None) };
    match KeyUsage::from_der(extension.value) {
        Ok(([], usage)) => Ok(Some(usage.flags)),
        _ => Err(FactsError::Extension("keyUsage")),
    }
}

/// As [`Fields::authority`], of a list of extensions.
///
/// # Errors
/// When the extension is malformed.
pub fn authority(extensions: &[Extension<'_>]) -> Result<Option<Option<u32>>, FactsError> {
    let Some(extension) = find(extensions, BASIC_CONSTRAINTS) else { return Ok(None) };
    match BasicConstraints::from_der(extension.value) {
        Ok(([], constraints)) => Ok(constraints.ca.then_some(constraints.path_len_constraint)),
        _ => Err(FactsError::Extension("basicConstraints")),
    }
}

/// As [`Fields::purposes`], of a list of extensions.
///
/// # Errors
/// When the extension is malformed or names no purpose.
pub fn purposes(extensions: &[Extension<'_>]) -> Result<Option<Vec<String>>, FactsError> {
    let Some(extension) = find(extensions, EXTENDED_KEY_USAGE) else { return Ok(None) };
    let read = || {
        let mut purposes = Reader::new(der::single(extension.value, der::SEQUENCE)?);
        let mut dotted = Vec::new();
        while !purposes.is_empty() {
            dotted.push(der::dotted(purposes.expect(der::OBJECT_IDENTIFIER)?.content)?);
        }
        Ok::<_, DerError>(dotted)
    };
    match read() {
        Ok(purposes) if !purposes.is_empty() => Ok(Some(purposes)),
        _ => Err(FactsError::Extension("extendedKeyUsage")),
    }
}

/// The fields without the extensions, and a reader of these.
fn frame(certificate: &[u8]) -> Result<(Fields<'_>, Option<Reader<'_>>), DerError> {
    let mut outer = Reader::new(der::single(certificate, der::SEQUENCE)?);
    let signed = outer.expect(der::SEQUENCE)?;
    let signature_algorithm = outer.expect(der::SEQUENCE)?.content;
    let signature = outer.octets_of_bit_string()?;
    outer.finish()?;

    let mut body = Reader::new(signed.content);
    let version = match body.optional(der::constructed(0))?.map(|version| version.content) {
        None => 1,
        Some([der::INTEGER, 1, 1]) => 2,
        Some([der::INTEGER, 1, 2]) => 3,
        Some(_) => return Err(DerError::Value("the version")),
    };
    let mut ahead = body;
    let serial_is_negative = ahead.expect(der::INTEGER)?.content.first().is_some_and(|first| *first >= 0x80);
    let serial = body.integer()?;
    if body.expect(der::SEQUENCE)?.content != signature_algorithm {
        return Err(DerError::Value("the second naming of the signature algorithm"));
    }
    let issuer = body.expect(der::SEQUENCE)?.whole;
    let mut validity = body.inside(der::SEQUENCE)?;
    let (not_before, not_after) = (validity.time()?, validity.time()?);
    validity.finish()?;
    let subject = body.expect(der::SEQUENCE)?.whole;
    let public_key = body.expect(der::SEQUENCE)?;
    let mut key = Reader::new(public_key.content);
    key.expect(der::SEQUENCE)?;
    key.octets_of_bit_string()?;
    key.finish()?;
    // issuerUniqueID and subjectUniqueID say nothing that anybody uses.
    body.optional(der::primitive(1))?;
    body.optional(der::primitive(2))?;
    let extensions = body.optional(der::constructed(3))?;
    body.finish()?;
    let extensions = extensions.map(|list| der::single(list.content, der::SEQUENCE)).transpose()?;
    let fields = Fields {
        signed: signed.whole,
        signature_algorithm,
        signature,
        version,
        serial,
        serial_is_negative,
        issuer,
        not_before,
        not_after,
        subject,
        public_key: public_key.whole,
        extensions: Vec::new(),
    };
    Ok((fields, extensions.map(Reader::new)))
}

/// Reads the extensions of a certificate, of a revocation list or of one of its entries.
///
/// # Errors
/// When one is malformed or stands there twice, or there are too many.
pub fn read_extensions(mut list: Reader<'_>) -> Result<Vec<Extension<'_>>, FactsError> {
    let mut extensions: Vec<Extension<'_>> = Vec::new();
    while !list.is_empty() {
        let extension =
            Extension::read(&mut list).map_err(|why| FactsError::Malformed { what: "an extension", why })?;
        if extensions.iter().any(|earlier| earlier.identifier == extension.identifier) {
            return Err(FactsError::Twice(der::dotted(extension.identifier).unwrap_or_default()));
        }
        if extensions.len() == MAX_EXTENSIONS {
            return Err(FactsError::TooMany("extensions"));
        }
        extensions.push(extension);
    }
    Ok(extensions)
}

impl<'a> Extension<'a> {
    /// Reads the next of a list of extensions.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn read(list: &mut Reader<'a>) -> Result<Self, DerError> {
        let extension = list.expect(der::SEQUENCE)?;
        let mut reader = Reader::new(extension.content);
        let identifier = reader.expect(der::OBJECT_IDENTIFIER)?.content;
        let critical = reader.default_false()?;
        let value = reader.expect(der::OCTET_STRING)?.content;
        reader.finish()?;
        Ok(Self { identifier, critical, value, whole: extension.whole })
    }
}
