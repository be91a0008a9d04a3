//! One revocation list: its fields, and the index of the serial numbers that it revokes.

use crate::base::clock::Timestamp;
use crate::certificate::der::{self, DerError, Reader};
use crate::certificate::facts::{FactsError, sha256};
use crate::certificate::fields::{self, Extension};
use crate::certificate::name;
use crate::certificate::signature::{Sealed, SignatureError};
use arc_swap::ArcSwap;
use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest serial number that an entry may have (RFC 5280, section 4.1.2.2).
const MAX_SERIAL: usize = 20;
/// How many keys of one issuer a verdict on the signature is kept for.
const MAX_VERDICTS: usize = 8;

// The identifiers' content, all under 2.5.29.
const ISSUER_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x12];
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 0x14];
const REASON_CODE: &[u8] = &[0x55, 0x1d, 0x15];
const INVALIDITY_DATE: &[u8] = &[0x55, 0x1d, 0x18];
const DELTA_CRL_INDICATOR: &[u8] = &[0x55, 0x1d, 0x1b];
const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 0x1c];
const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1d, 0x1d];
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x23];

/// Why a list cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not the DER of a list.
    #[error("it cannot be read: {0}")]
    Malformed(#[from] DerError),
    /// Its issuer's name or its extensions are malformed.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] FactsError),
    /// It has a version that there is not.
    #[error("it is of an unknown version")]
    Version,
    /// It is of version 1 and has extensions.
    #[error("it is of version 1 and has extensions")]
    ExtensionsInVersion1,
    /// It does not say when there will be a newer one (RFC 5280, section 5.1.2.5).
    #[error("it has no nextUpdate")]
    NoNextUpdate,
    /// It runs out before it begins.
    #[error("its nextUpdate is before its thisUpdate")]
    Dates,
    /// A critical extension of it or of an entry is not understood (RFC 5280, section 5.2).
    #[error("its critical extension {0} is not understood")]
    CriticalExtension(String),
    /// It holds only what changed since another list.
    #[error("it is a delta list, which is not supported")]
    Delta,
    /// It speaks of a part of the certificates or reasons only.
    #[error("it has an issuingDistributionPoint: lists of a part of the certificates or reasons are not supported")]
    Partition,
    /// It speaks of certificates of other issuers.
    #[error("it is an indirect list, with certificates of other issuers, which is not supported")]
    Indirect,
    /// A serial number is longer than there are.
    #[error("it has a serial number of more than 20 octets")]
    LongSerial,
    /// Its signature algorithm is not accepted.
    #[error("{0}")]
    Algorithm(#[from] SignatureError),
    /// An authority of this name is trusted, and did not sign it.
    #[error("it is not signed by the authority of this name")]
    Signature,
    /// An authority of this name is trusted, and may not sign it.
    #[error("the authority of this name may not sign revocation lists: its keyUsage lacks cRLSign")]
    MayNotSign,
}

/// Why a certificate was revoked (RFC 5280, section 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationReason {
    /// The list does not say.
    Unspecified,
    /// The holder's key is in wrong hands.
    KeyCompromise,
    /// The authority's key is in wrong hands.
    CaCompromise,
    /// A name or other information changed.
    AffiliationChanged,
    /// There is another certificate for it.
    Superseded,
    /// It is needed no more.
    CessationOfOperation,
    /// It is suspended and may come back.
    CertificateHold,
    /// It came back, which only a delta list can say; in a whole list it counts as revoked.
    RemoveFromCrl,
    /// A right that it stated is gone.
    PrivilegeWithdrawn,
    /// The attribute authority's key is in wrong hands.
    AaCompromise,
}

impl RevocationReason {
    const BY_CODE: [Option<Self>; 11] = [
        Some(Self::Unspecified),
        Some(Self::KeyCompromise),
        Some(Self::CaCompromise),
        Some(Self::AffiliationChanged),
        Some(Self::Superseded),
        Some(Self::CessationOfOperation),
        Some(Self::CertificateHold),
        None,
        Some(Self::RemoveFromCrl),
        Some(Self::PrivilegeWithdrawn),
        Some(Self::AaCompromise),
    ];

    /// The reason with this code, if there is one.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::BY_CODE.get(usize::from(code)).copied().flatten()
    }

    /// The name that RFC 5280 gives it: `keyCompromise`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::RemoveFromCrl => "removeFromCRL",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }
}

/// A list whose signature is yet to be checked with the key of its issuer.
#[derive(Debug)]
pub struct List {
    file: PathBuf,
    issuer: Vec<u8>,
    issuer_name: String,
    number: Option<Number>,
    this_update: Timestamp,
    next_update: Timestamp,
    /// By serial number.
    entries: Vec<Entry>,
    sealed: Sealed,
    /// For each key, by its SHA-256, whether it made the signature.
    verdicts: ArcSwap<Vec<([u8; 32], bool)>>,
}

/// A cRLNumber: up to 20 octets, without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number(Vec<u8>);

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A revoked certificate, of 25 octets without padding, since there may be a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// The serial number, filled up with zeros from the left.
    serial: [u8; MAX_SERIAL],
    /// Since when, in seconds since 1970, big-endian; what is outside that range is moved to its end.
    at: [u8; 4],
    /// The code of the reason.
    reason: u8,
}

impl List {
    /// Reads one list in DER. `file` is kept with it, for people.
    ///
    /// # Errors
    /// Its issuer, as far as it could be read, and why the list cannot be used.
    pub fn read(der: &[u8], file: &Path) -> Result<Self, (String, Fault)> {
        let frame = Frame::read(der).map_err(|why| (String::new(), why))?;
        let issuer = name::read(frame.issuer).map_err(|why| (String::new(), why.into()))?;
        let name = issuer.text.clone();
        Self::from_frame(&frame, issuer.text, file).map_err(|why| (name, why))
    }

    fn from_frame(frame: &Frame<'_>, issuer_name: String, file: &Path) -> Result<Self, Fault> {
        let next_update = frame.next_update.ok_or(Fault::NoNextUpdate)?;
        if next_update < frame.this_update {
            return Err(Fault::Dates);
        }
        let number = match frame.extensions {
            None => None,
            Some(_) if frame.version == 1 => return Err(Fault::ExtensionsInVersion1),
            Some(extensions) => number_in(&fields::read_extensions(extensions)?)?,
        };
        Ok(Self {
            file: file.to_owned(),
            issuer: frame.issuer.to_vec(),
            issuer_name,
            number,
            this_update: frame.this_update,
            next_update,
            entries: read_entries(frame.entries)?,
            sealed: Sealed::new(frame.algorithm, frame.signed, frame.signature)?,
            verdicts: ArcSwap::default(),
        })
    }

    /// The file that it was read from.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Its issuer's Name in DER (the whole SEQUENCE).
    #[must_use]
    pub fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// Its issuer as RFC 4514 writes it.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.issuer_name
    }

    /// The octets of its number, without leading zeros, if it has one.
    #[must_use]
    pub fn number(&self) -> Option<&[u8]> {
        self.number.as_ref().map(|number| number.0.as_slice())
    }

    /// When it was made.
    #[must_use]
    pub fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// When there will be a newer one at the latest.
    #[must_use]
    pub fn next_update(&self) -> Timestamp {
        self.next_update
    }

    /// How many entries it has.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// How many octets of memory its entries take.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    /// By what the newest is told: the greatest counts.
    pub(super) fn age(&self) -> (Option<&Number>, Timestamp) {
        (self.number.as_ref(), self.this_update)
    }

    /// Since when and why a certificate of the issuer was revoked, if it was. The serial number comes without
    /// leading zeros.
    #[must_use]
    pub fn find(&self, serial: &[u8]) -> Option<(Timestamp, RevocationReason)> {
        let serial = padded(serial)?;
        let place = self.entries.binary_search_by(|entry| entry.serial.cmp(&serial)).ok()?;
        let entry = self.entries.get(place)?;
        let reason = RevocationReason::from_code(entry.reason).unwrap_or(RevocationReason::Unspecified);
        Some((Timestamp::from_unix(i64::from(u32::from_be_bytes(entry.at))), reason))
    }

    /// Whether a key (a whole SubjectPublicKeyInfo) made the signature. That is computed once; the keys come
    /// from validated paths, so that no client can make us compute more.
    #[must_use]
    pub fn is_signed_with(&self, public_key: &[u8]) -> bool {
        let key = sha256(public_key);
        if let Some((_, verdict)) = self.verdicts.load().iter().find(|(known, _)| *known == key) {
            return *verdict;
        }
        let verdict = self.sealed.verify(public_key).is_ok();
        self.verdicts.rcu(|verdicts| {
            if verdicts.len() == MAX_VERDICTS {
                return Arc::clone(verdicts);
            }
            Arc::new(verdicts.iter().copied().chain([(key, verdict)]).collect())
        });
        verdict
    }
}

/// The fields of a list (RFC 5280, section 5.1) as slices of its DER.
struct Frame<'a> {
    signed: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
    version: u8,
    issuer: &'a [u8],
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    /// The content of revokedCertificates.
    entries: &'a [u8],
    extensions: Option<Reader<'a>>,
}

impl<'a> Frame<'a> {
    fn read(der: &'a [u8]) -> Result<Self, Fault> {
        let mut outer = Reader::new(der::single(der, der::SEQUENCE)?);
        let signed = outer.expect(der::SEQUENCE)?;
        let algorithm = outer.expect(der::SEQUENCE)?.content;
        let signature = outer.octets_of_bit_string()?;
        outer.finish()?;

        let mut body = Reader::new(signed.content);
        let version = match body.optional(der::INTEGER)?.map(|version| version.content) {
            None => 1,
            Some([1]) => 2,
            Some(_) => return Err(Fault::Version),
        };
        if body.expect(der::SEQUENCE)?.content != algorithm {
            return Err(DerError::Value("the second naming of the signature algorithm").into());
        }
        let issuer = body.expect(der::SEQUENCE)?.whole;
        let this_update = body.time()?;
        let next_update = match body.peek() {
            Some(der::UTC_TIME | der::GENERALIZED_TIME) => Some(body.time()?),
            _ => None,
        };
        let entries = body.optional(der::SEQUENCE)?.map(|entries| entries.content).unwrap_or_default();
        let extensions = body.optional(der::constructed(0))?;
        body.finish()?;
        let extensions = extensions.map(|list| der::single(list.content, der::SEQUENCE)).transpose()?;
        Ok(Self {
            signed: signed.whole,
            algorithm,
            signature,
            version,
            issuer,
            this_update,
            next_update,
            entries,
            extensions: extensions.map(Reader::new),
        })
    }
}

fn number_in(extensions: &[Extension<'_>]) -> Result<Option<Number>, Fault> {
    let mut number = None;
    for extension in extensions {
        match extension.identifier {
            CRL_NUMBER => {
                let mut reader = Reader::new(extension.value);
                let octets = reader.integer()?;
                reader.finish()?;
                if octets.len() > MAX_SERIAL {
                    return Err(DerError::Value("the number of the list").into());
                }
                number = Some(Number(octets.to_vec()));
            }
            DELTA_CRL_INDICATOR => return Err(Fault::Delta),
            ISSUING_DISTRIBUTION_POINT => return Err(Fault::Partition),
            // They help to find a key, which the path has found, and to name the issuer to people.
            AUTHORITY_KEY_IDENTIFIER | ISSUER_ALTERNATIVE_NAME => {}
            _ => refuse_if_critical(extension)?,
        }
    }
    Ok(number)
}

fn refuse_if_critical(extension: &Extension<'_>) -> Result<(), Fault> {
    if extension.critical {
        let identifier = der::dotted(extension.identifier).unwrap_or_else(|_| "that cannot be read".to_owned());
        return Err(Fault::CriticalExtension(identifier));
    }
    Ok(())
}

fn read_entries(content: &[u8]) -> Result<Vec<Entry>, Fault> {
    // Counted first, so that the index takes exactly the room that it needs.
    let mut count = 0;
    let mut counter = Reader::new(content);
    while !counter.is_empty() {
        counter.expect(der::SEQUENCE)?;
        count += 1;
    }
    let mut entries = Vec::with_capacity(count);
    let mut reader = Reader::new(content);
    while !reader.is_empty() {
        entries.push(read_entry(reader.inside(der::SEQUENCE)?)?);
    }
    entries.sort_unstable();
    Ok(entries)
}

fn read_entry(mut entry: Reader<'_>) -> Result<Entry, Fault> {
    let serial = padded(entry.integer()?).ok_or(Fault::LongSerial)?;
    let at = entry.time()?.as_unix();
    let at = u32::try_from(at).unwrap_or(if at < 0 { 0 } else { u32::MAX });
    let mut reason = 0;
    if let Some(extensions) = entry.optional(der::SEQUENCE)? {
        let mut extensions = Reader::new(extensions.content);
        while !extensions.is_empty() {
            let extension = Extension::read(&mut extensions)?;
            match extension.identifier {
                REASON_CODE => match der::single(extension.value, der::ENUMERATED)? {
                    [code] if RevocationReason::from_code(*code).is_some() => reason = *code,
                    _ => return Err(DerError::Value("a reason").into()),
                },
                CERTIFICATE_ISSUER => return Err(Fault::Indirect),
                INVALIDITY_DATE => {}
                _ => refuse_if_critical(&extension)?,
            }
        }
    }
    entry.finish()?;
    Ok(Entry { serial, at: at.to_be_bytes(), reason })
}

/// A serial number as the index has it; `None` if it is longer than any in a list.
fn padded(serial: &[u8]) -> Option<[u8; MAX_SERIAL]> {
    let mut padded = [0; MAX_SERIAL];
    let place = MAX_SERIAL.checked_sub(serial.len())?;
    padded.get_mut(place..)?.copy_from_slice(serial);
    Some(padded)
}
