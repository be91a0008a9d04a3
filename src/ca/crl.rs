//! Makes certificate revocation lists (RFC 5280, section 5): version 2, whole or delta, with a number, signed
//! by the issuer of the certificates itself. What others' lists say is read by `revocation::crl`; when a list is
//! due, and where it is kept, is the business of `publish`.

use crate::base::clock::Timestamp;
use crate::ca::encode;
use crate::ca::issue::{Authority, IssueError, encoding};
use crate::certificate::der::{INTEGER, SEQUENCE, constructed, primitive};
use der::Encode;
use std::collections::BTreeMap;

pub use x509_cert::ext::pkix::CrlReason;

/// The contents of the identifiers of extensions of lists and their entries (RFC 5280, sections 5.2 and 5.3).
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x23];
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 0x14];
const DELTA_CRL_INDICATOR: &[u8] = &[0x55, 0x1d, 0x1b];
const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 0x1c];
const FRESHEST_CRL: &[u8] = &[0x55, 0x1d, 0x2e];
const REASON_CODE: &[u8] = &[0x55, 0x1d, 0x15];

/// The most octets that a serial number may have (RFC 5280, section 4.1.2.2).
const MOST_SERIAL_OCTETS: usize = 20;

/// A certificate that no longer counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// The serial number's octets, big-endian.
    pub serial: Vec<u8>,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: CrlReason,
}

/// A list's own particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edition {
    /// cRLNumber: greater than that of every list before it.
    pub number: u64,
    /// thisUpdate: when it was made.
    pub this_update: Timestamp,
    /// nextUpdate: when there will be a newer one at the latest. From then on it says nothing.
    pub next_update: Timestamp,
}

/// What a list says of itself besides its edition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form {
    /// BaseCRLNumber: the list says only what has changed since the whole list of this number (section 5.2.4).
    pub base: Option<u64>,
    /// Where there are delta lists for it (freshestCRL, section 5.2.6). A delta list has none.
    pub freshest: Option<String>,
    /// The distribution point that the list is for (issuingDistributionPoint, section 5.2.5), for those who fetch it
    /// by a name that stands in certificates: without it, they take any list of the issuer for it.
    pub point: Option<String>,
}

/// A list, in DER, of all the certificates of this authority that no longer count.
///
/// # Errors
/// When a serial number does not encode, or the authority's key fails.
pub fn make(authority: &Authority, edition: Edition, revoked: &[Revoked]) -> Result<Vec<u8>, IssueError> {
    make_in(authority, edition, &Form::default(), revoked)
}

/// A list, in DER, of this form. Of a delta list the entries are what [`changes`] has found.
///
/// # Errors
/// When a serial number does not encode, or the authority's key fails.
pub fn make_in(
    authority: &Authority,
    edition: Edition,
    form: &Form,
    revoked: &[Revoked],
) -> Result<Vec<u8>, IssueError> {
    const WHAT: &str = "the revocation list";
    let key = authority.key();
    let algorithm = key.algorithm().to_der().map_err(encoding(WHAT))?;
    let entries = entries(revoked)?;
    let extensions = extensions(authority, edition, form);
    let to_be_signed = encode::sequence(&[
        // v2
        &[INTEGER, 1, 1],
        &algorithm,
        &authority.name_der()?,
        &encode::time(edition.this_update),
        &encode::time(edition.next_update),
        &entries,
        &encode::element(constructed(0), &[&extensions]),
    ]);
    let signature = key.sign(&to_be_signed)?;
    Ok(encode::sequence(&[&to_be_signed, &algorithm, &encode::bit_string(&signature)]))
}

/// revokedCertificates, which an empty list does not have (RFC 5280, section 5.1.2.6).
fn entries(revoked: &[Revoked]) -> Result<Vec<u8>, IssueError> {
    if revoked.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = Vec::with_capacity(revoked.len() * 50);
    for entry in revoked {
        entry.encode(&mut all)?;
    }
    Ok(encode::element(SEQUENCE, &[&all]))
}

fn extensions(authority: &Authority, edition: Edition, form: &Form) -> Vec<u8> {
    let key = encode::sequence(&[&encode::element(primitive(0), &[authority.key_identifier().as_bytes()])]);
    let mut list = vec![encode::extension(AUTHORITY_KEY_IDENTIFIER, false, &key)];
    if let Some(point) = &form.point {
        let value = encode::sequence(&[&encode::element(constructed(0), &[&full_name(point)])]);
        list.push(encode::extension(ISSUING_DISTRIBUTION_POINT, true, &value));
    }
    list.push(encode::extension(CRL_NUMBER, false, &encode::unsigned(&edition.number.to_be_bytes())));
    match (form.base, &form.freshest) {
        (Some(base), _) => {
            list.push(encode::extension(DELTA_CRL_INDICATOR, true, &encode::unsigned(&base.to_be_bytes())));
        }
        (None, Some(freshest)) => {
            let point = encode::sequence(&[&encode::element(constructed(0), &[&full_name(freshest)])]);
            list.push(encode::extension(FRESHEST_CRL, false, &encode::sequence(&[&point])));
        }
        (None, None) => {}
    }
    let parts: Vec<&[u8]> = list.iter().map(Vec::as_slice).collect();
    encode::sequence(&parts)
}

/// DistributionPointName's fullName with one URL.
fn full_name(url: &str) -> Vec<u8> {
    encode::element(constructed(0), &[&encode::element(primitive(6), &[url.as_bytes()])])
}

impl Revoked {
    fn encode(&self, list: &mut Vec<u8>) -> Result<(), IssueError> {
        let refuse = |why: &str| encoding("a revoked serial number")(why.to_owned());
        if self.serial.iter().all(|octet| *octet == 0) {
            return Err(refuse("it is zero"));
        }
        if self.serial.len() > MOST_SERIAL_OCTETS {
            return Err(refuse("it has more than 20 octets"));
        }
        let (serial, at) = (encode::unsigned(&self.serial), encode::time(self.at));
        let reason = match self.reason {
            // It says nothing, and is left out for that (RFC 5280, section 5.3.1).
            CrlReason::Unspecified => Vec::new(),
            reason => {
                let value = encode::enumerated(reason as u8);
                encode::sequence(&[&encode::extension(REASON_CODE, false, &value)])
            }
        };
        encode::head(list, SEQUENCE, serial.len() + at.len() + reason.len());
        [serial, at, reason].iter().for_each(|part| list.extend_from_slice(part));
        Ok(())
    }
}

/// What a delta list says: the entries of `now` that `base` does not have, or has with another reason or time, and
/// those of `base` that are gone, as removed (removeFromCRL, RFC 5280, section 5.3.1). Neither list has a serial
/// number twice; the order of what comes is that of the serial numbers.
#[must_use]
pub fn changes(base: &[Revoked], now: &[Revoked], at: Timestamp) -> Vec<Revoked> {
    let before: BTreeMap<&[u8], &Revoked> = base.iter().map(|entry| (entry.serial.as_slice(), entry)).collect();
    let after: BTreeMap<&[u8], &Revoked> = now.iter().map(|entry| (entry.serial.as_slice(), entry)).collect();
    let came = after.iter().filter(|(serial, entry)| before.get(*serial) != Some(entry));
    let went = before.iter().filter(|(serial, _)| !after.contains_key(*serial));
    let removed = went.map(|(_, entry)| Revoked { reason: CrlReason::RemoveFromCRL, at, serial: entry.serial.clone() });
    let mut changes: Vec<Revoked> = came.map(|(_, entry)| (*entry).clone()).chain(removed).collect();
    changes.sort_by(|one, other| one.serial.cmp(&other.serial));
    changes
}

#[cfg(test)]
mod tests;
