//! The frame of an answer (RFC 6960, section 4.2), as slices of its DER. Nothing is believed here: see `verify`.

use super::request::HashAlgorithm;
use super::{Fault, MAX_CERTIFICATES, MAX_RESPONSE, MAX_SINGLE_RESPONSES, Refusal, Status};
use crate::base::clock::Timestamp;
use crate::certificate::der::{self, DerError, Reader};
use crate::certificate::fields::{Extension, read_extensions};
use crate::revocation::crl::RevocationReason;

/// The content of id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1.
const BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
/// NULL.
const NULL: u8 = 0x05;

/// A BasicOCSPResponse.
pub(super) struct Basic<'a> {
    /// What the responder signed: the whole ResponseData.
    pub(super) signed: &'a [u8],
    /// The content of the signature's AlgorithmIdentifier.
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
    pub(super) responder: ResponderId<'a>,
    pub(super) produced_at: Timestamp,
    pub(super) singles: Vec<Single<'a>>,
    pub(super) extensions: Vec<Extension<'a>>,
    /// The certificates that it brings along, in DER.
    pub(super) certificates: Vec<&'a [u8]>,
}

/// Who says that it signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponderId<'a> {
    /// The whole Name.
    Name(&'a [u8]),
    /// SHA-1 of the octets of the key's BIT STRING.
    KeyHash(&'a [u8]),
}

/// What is said of one certificate.
pub(super) struct Single<'a> {
    /// The hash algorithm, if it is a known one.
    pub(super) algorithm: Option<HashAlgorithm>,
    pub(super) name_hash: &'a [u8],
    pub(super) key_hash: &'a [u8],
    pub(super) serial: &'a [u8],
    pub(super) status: Status,
    pub(super) this_update: Timestamp,
    pub(super) next_update: Option<Timestamp>,
    pub(super) extensions: Vec<Extension<'a>>,
}

impl<'a> Basic<'a> {
    /// Reads an OCSPResponse.
    pub(super) fn read(octets: &'a [u8]) -> Result<Self, Fault> {
        if octets.len() > MAX_RESPONSE {
            return Err(Fault::TooLarge);
        }
        if looks_like_text(octets) {
            return Err(Fault::Text);
        }
        let mut outer = Reader::new(der::single(octets, der::SEQUENCE)?);
        let status = outer.expect(der::ENUMERATED)?.content;
        let bytes = outer.optional(der::constructed(0))?;
        outer.finish()?;
        let refusal = match status {
            [0] => None,
            [1] => Some(Refusal::MalformedRequest),
            [2] => Some(Refusal::InternalError),
            [3] => Some(Refusal::TryLater),
            [5] => Some(Refusal::SigRequired),
            [6] => Some(Refusal::Unauthorized),
            _ => return Err(DerError::Value("the responseStatus").into()),
        };
        if let Some(refusal) = refusal {
            return Err(Fault::Refused(refusal));
        }
        let bytes = bytes.ok_or(DerError::Truncated)?;
        let mut bytes = Reader::new(der::single(bytes.content, der::SEQUENCE)?);
        let identifier = bytes.expect(der::OBJECT_IDENTIFIER)?.content;
        if identifier != BASIC {
            return Err(Fault::Type(der::dotted(identifier)?));
        }
        let response = bytes.expect(der::OCTET_STRING)?.content;
        bytes.finish()?;
        Self::read_basic(der::single(response, der::SEQUENCE)?)
    }

    fn read_basic(content: &'a [u8]) -> Result<Self, Fault> {
        let mut outer = Reader::new(content);
        let signed = outer.expect(der::SEQUENCE)?;
        let algorithm = outer.expect(der::SEQUENCE)?.content;
        let signature = outer.octets_of_bit_string()?;
        let certificates = match outer.optional(der::constructed(0))? {
            None => Vec::new(),
            Some(list) => read_certificates(Reader::new(der::single(list.content, der::SEQUENCE)?))?,
        };
        outer.finish()?;

        let mut body = Reader::new(signed.content);
        // DER leaves the default version out, and some responders write it all the same.
        match body.optional(der::constructed(0))?.map(|version| version.content) {
            None | Some([der::INTEGER, 1, 0]) => {}
            Some(_) => return Err(DerError::Value("the version").into()),
        }
        let responder = body.element()?;
        let responder = if responder.tag == der::constructed(1) {
            der::single(responder.content, der::SEQUENCE)?;
            ResponderId::Name(responder.content)
        } else if responder.tag == der::constructed(2) {
            ResponderId::KeyHash(der::single(responder.content, der::OCTET_STRING)?)
        } else {
            return Err(DerError::Tag { expected: der::constructed(1), found: responder.tag }.into());
        };
        let produced_at = time(&mut body)?;
        let mut list = body.inside(der::SEQUENCE)?;
        let mut singles = Vec::new();
        while !list.is_empty() {
            if singles.len() == MAX_SINGLE_RESPONSES {
                return Err(Fault::TooMany("certificates' states"));
            }
            singles.push(Single::read(&mut list)?);
        }
        let extensions = explicit_extensions(&mut body)?;
        body.finish()?;
        Ok(Self {
            signed: signed.whole,
            algorithm,
            signature,
            responder,
            produced_at,
            singles,
            extensions,
            certificates,
        })
    }
}

impl<'a> Single<'a> {
    fn read(list: &mut Reader<'a>) -> Result<Self, Fault> {
        let mut reader = list.inside(der::SEQUENCE)?;
        let mut id = reader.inside(der::SEQUENCE)?;
        let mut algorithm = id.inside(der::SEQUENCE)?;
        let identifier = algorithm.expect(der::OBJECT_IDENTIFIER)?.content;
        match algorithm.optional(NULL)? {
            None => {}
            Some(null) if null.content.is_empty() => {}
            Some(_) => return Err(DerError::Value("a NULL").into()),
        }
        algorithm.finish()?;
        let (name_hash, key_hash) = (id.expect(der::OCTET_STRING)?.content, id.expect(der::OCTET_STRING)?.content);
        let serial = id.integer()?;
        id.finish()?;

        let status = reader.element()?;
        let status = if status.tag == der::primitive(0) && status.content.is_empty() {
            Status::Good
        } else if status.tag == der::constructed(1) {
            let mut info = Reader::new(status.content);
            let at = time(&mut info)?;
            let reason = info.optional(der::constructed(0))?.map(|reason| read_reason(reason.content)).transpose()?;
            info.finish()?;
            Status::Revoked { at, reason }
        } else if status.tag == der::primitive(2) && status.content.is_empty() {
            Status::Unknown
        } else {
            return Err(DerError::Value("a certStatus").into());
        };
        let this_update = time(&mut reader)?;
        let next_update = match reader.optional(der::constructed(0))? {
            None => None,
            Some(next) => {
                let mut next = Reader::new(next.content);
                let at = time(&mut next)?;
                next.finish()?;
                Some(at)
            }
        };
        let extensions = explicit_extensions(&mut reader)?;
        reader.finish()?;
        let algorithm = [HashAlgorithm::Sha1, HashAlgorithm::Sha256]
            .into_iter()
            .find(|algorithm| algorithm.identifier() == identifier);
        Ok(Self { algorithm, name_hash, key_hash, serial, status, this_update, next_update, extensions })
    }
}

fn read_reason(content: &[u8]) -> Result<RevocationReason, DerError> {
    match der::single(content, der::ENUMERATED)? {
        [code] => RevocationReason::from_code(*code).ok_or(DerError::Value("a CRLReason")),
        _ => Err(DerError::Value("a CRLReason")),
    }
}

fn read_certificates(mut list: Reader<'_>) -> Result<Vec<&[u8]>, Fault> {
    let mut certificates = Vec::new();
    while !list.is_empty() {
        if certificates.len() == MAX_CERTIFICATES {
            return Err(Fault::TooMany("certificates"));
        }
        certificates.push(list.expect(der::SEQUENCE)?.whole);
    }
    Ok(certificates)
}

/// `[1] EXPLICIT Extensions OPTIONAL`, as both places that have extensions have them.
fn explicit_extensions<'a>(reader: &mut Reader<'a>) -> Result<Vec<Extension<'a>>, Fault> {
    match reader.optional(der::constructed(1))? {
        None => Ok(Vec::new()),
        Some(list) => Ok(read_extensions(Reader::new(der::single(list.content, der::SEQUENCE)?))?),
    }
}

/// A GeneralizedTime.
fn time(reader: &mut Reader<'_>) -> Result<Timestamp, DerError> {
    match reader.peek() {
        Some(der::GENERALIZED_TIME) | None => reader.time(),
        Some(found) => Err(DerError::Tag { expected: der::GENERALIZED_TIME, found }),
    }
}

/// Whether the octets begin like a page or a message for people. DER begins with a SEQUENCE, whose tag is the
/// digit zero, so that a text which begins with that is told by the octets behind it.
fn looks_like_text(octets: &[u8]) -> bool {
    let beginning = octets.get(..octets.len().min(64)).unwrap_or_default();
    let beginning = beginning.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(beginning);
    !beginning.is_empty()
        && beginning.iter().all(|octet| matches!(octet, b'\t' | b'\r' | b'\n' | b' '..=b'~'))
        && octets.len() > 8
}
