//! Questions about certificates (RFC 6960, section 4.1), as slices of their DER, and the way in which they travel
//! in the path of a GET request (appendix A.1). A signature of a question is passed over: nobody is told more for it.

use crate::certificate::der::{self, DerError, Reader};
use crate::certificate::facts::FactsError;
use crate::certificate::fields::read_extensions;
use crate::revocation::ocsp::HashAlgorithm;
use crate::revocation::ocsp::request::NONCE;
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use std::borrow::Cow;

/// The largest question that is read, in octets: room for the most certificates and a signature.
pub const MAX_REQUEST: usize = 16 * 1024;
/// How many certificates one question may be about.
pub const MAX_CERTIFICATES: usize = 16;
/// The longest question that is taken out of a path, in base64. RFC 5019, section 5, sends what is longer than 255
/// octets by POST.
const MAX_IN_PATH: usize = 2048;

/// The content of id-pkix-ocsp-response, 1.3.6.1.5.5.7.48.1.4: which answers the client understands.
const ACCEPTABLE_RESPONSES: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x04];

/// Base64 with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// The same with `-` and `_` in the places of `+` and `/`.
const BASE64_IN_URLS: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// The certificates in question, at least one and at most [`MAX_CERTIFICATES`].
    pub certificates: Vec<CertId<'a>>,
    /// Whether the client has sent a nonce.
    pub has_nonce: bool,
}

/// What a certificate is called in a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertId<'a> {
    /// What its issuer is hashed with; `None` is an algorithm that we have no answers for.
    pub algorithm: Option<HashAlgorithm>,
    /// The hash of the issuer's Name.
    pub name_hash: &'a [u8],
    /// The hash of the issuer's key: of the octets of the BIT STRING in its SubjectPublicKeyInfo.
    pub key_hash: &'a [u8],
    /// The octets of the serial number without leading zeros.
    pub serial: &'a [u8],
}

/// A question cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// More octets than are read.
    #[error("the question is larger than {MAX_REQUEST} octets")]
    TooLarge,
    /// It is not the DER of a question.
    #[error("the question cannot be read: {0}")]
    Malformed(#[from] DerError),
    /// Its extensions cannot be read.
    #[error("the question cannot be read: {0}")]
    Extensions(#[from] FactsError),
    /// It asks for nothing, or for too much.
    #[error("a question is about 1 to {MAX_CERTIFICATES} certificates")]
    Number,
    /// A critical extension is not understood.
    #[error("the question's critical extension {0} is not understood")]
    CriticalExtension(String),
    /// The version is another than 1.
    #[error("the question is of an unknown version")]
    Version,
}

impl<'a> Request<'a> {
    /// Reads an OCSPRequest.
    ///
    /// # Errors
    /// When it is larger than [`MAX_REQUEST`], malformed, or demands what is not understood.
    pub fn read(octets: &'a [u8]) -> Result<Self, BadRequest> {
        if octets.len() > MAX_REQUEST {
            return Err(BadRequest::TooLarge);
        }
        let mut outer = Reader::new(der::single(octets, der::SEQUENCE)?);
        let mut inner = outer.inside(der::SEQUENCE)?;
        // optionalSignature
        outer.optional(der::constructed(0))?;
        outer.finish()?;
        if let Some(version) = inner.optional(der::constructed(0))?
            && version.content != [der::INTEGER, 1, 0]
        {
            return Err(BadRequest::Version);
        }
        // requestorName
        inner.optional(der::constructed(1))?;
        let mut list = inner.inside(der::SEQUENCE)?;
        let mut certificates = Vec::with_capacity(1);
        while !list.is_empty() {
            if certificates.len() == MAX_CERTIFICATES {
                return Err(BadRequest::Number);
            }
            let mut one = list.inside(der::SEQUENCE)?;
            certificates.push(CertId::read(&mut one)?);
            if let Some(extensions) = one.optional(der::constructed(0))? {
                check_extensions(extensions.content)?;
            }
            one.finish()?;
        }
        if certificates.is_empty() {
            return Err(BadRequest::Number);
        }
        let has_nonce = match inner.optional(der::constructed(2))? {
            Some(extensions) => check_extensions(extensions.content)?,
            None => false,
        };
        inner.finish()?;
        Ok(Self { certificates, has_nonce })
    }
}

impl<'a> CertId<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut id = reader.inside(der::SEQUENCE)?;
        let mut algorithm = id.inside(der::SEQUENCE)?;
        let identifier = algorithm.expect(der::OBJECT_IDENTIFIER)?.content;
        // NULL, or nothing.
        if !algorithm.is_empty() {
            algorithm.element()?;
        }
        algorithm.finish()?;
        let known = [HashAlgorithm::Sha1, HashAlgorithm::Sha256];
        let found = Self {
            algorithm: known.into_iter().find(|known| known.identifier() == identifier),
            name_hash: id.expect(der::OCTET_STRING)?.content,
            key_hash: id.expect(der::OCTET_STRING)?.content,
            serial: id.integer()?,
        };
        id.finish()?;
        Ok(found)
    }
}

/// Whether a nonce is among the extensions in this SEQUENCE.
fn check_extensions(whole: &[u8]) -> Result<bool, BadRequest> {
    let list = read_extensions(Reader::new(der::single(whole, der::SEQUENCE)?))?;
    let unknown = |id: &[u8]| id != NONCE && id != ACCEPTABLE_RESPONSES;
    if let Some(demand) = list.iter().find(|extension| extension.critical && unknown(extension.identifier)) {
        return Err(BadRequest::CriticalExtension(der::dotted(demand.identifier)?));
    }
    Ok(list.iter().any(|extension| extension.identifier == NONCE))
}

/// A question in the path of a GET request, as it came, in a spelling that is one segment and survives every normal
/// form: base64 for URLs without padding. Some clients encode the slashes of their base64 and some leave them, and
/// neither would come through. `None` is what is no question: it does not look like base64 of a SEQUENCE.
#[must_use]
pub fn one_segment(rest: &str) -> Option<String> {
    let octets = from_path(rest)?;
    Some(URL_SAFE_NO_PAD.encode(octets))
}

/// The question in what stands in a path, whatever its spelling; it may still be none.
#[must_use]
pub fn from_path(rest: &str) -> Option<Vec<u8>> {
    // Three characters for one, if each is encoded.
    if rest.len() > 3 * MAX_IN_PATH {
        return None;
    }
    let text = percent_decoded(rest)?;
    if text.len() > MAX_IN_PATH {
        return None;
    }
    let octets = BASE64.decode(text.as_bytes()).or_else(|_| BASE64_IN_URLS.decode(text.as_bytes())).ok()?;
    (octets.first() == Some(&der::SEQUENCE)).then_some(octets)
}

/// Only what base64 is made of may stand encoded.
fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = String::with_capacity(text.len());
    let mut parts = text.split('%');
    decoded.push_str(parts.next()?);
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let octet =
            u8::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        let character = char::from(octet);
        if !character.is_ascii_alphanumeric() && !matches!(character, '+' | '/' | '=' | '-' | '_') {
            return None;
        }
        decoded.push(character);
        decoded.push_str(rest);
    }
    Some(Cow::Owned(decoded))
}
