//! The certificates of a client as fronts write them into headers: the form of RFC 9440, and those of nginx, HAProxy,
//! Traefik and Envoy. Pure: the octets of one or two header fields go in, certificates come out, the client's own first.
//! A field is either what the form says or it is refused: whatever could be read in two ways would be a way in. What the
//! certificates say is read elsewhere, and whether anybody stands behind them is decided elsewhere.

use crate::certificate::MAX_CHAIN;
use crate::certificate::der::{self, DerError, Reader};
use crate::config::CertificateForm;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rustls_pki_types::CertificateDer;

/// How many octets a field may have. [`MAX_CHAIN_OCTETS`](crate::certificate::MAX_CHAIN_OCTETS) of DER have no more in
/// Base64, with a third of them percent-encoded.
pub const MOST_OCTETS: usize = 160 * 1024;

/// Readers of structured fields do without padding (RFC 9651, section 4.2.7), and so do some fronts.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// What Caddy sends in the place of a certificate that is not there: its placeholder, as it stands in its configuration.
const CADDY_HAS_NONE: &[u8] = b"{http.request.tls.client.certificate_der_base64}";

type Certificate = CertificateDer<'static>;

/// Why a field is not a certificate in the form that was agreed upon.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is more than is read.
    #[error("it has {0} octets; at most {MOST_OCTETS} are read")]
    TooLarge(usize),
    /// There are more certificates than are looked at.
    #[error("it has more than {MAX_CHAIN} certificates")]
    TooMany,
    /// It is not a byte sequence, or a list of such (RFC 9651, sections 3.1 and 3.3.5).
    #[error("it is not a byte sequence between colons")]
    ByteSequence,
    /// It holds what is not Base64.
    #[error("it is not Base64")]
    Base64,
    /// `%` without two hexadecimal digits, or what cannot stand in a field.
    #[error("it is not percent-encoded text")]
    Percent,
    /// There is something beside or in place of PEM.
    #[error("it is not a certificate in PEM")]
    Pem,
    /// One certificate was to be there.
    #[error("it has several certificates where one belongs")]
    Several,
    /// What was encoded is no certificate.
    #[error("it is not one certificate in DER: {0}")]
    Der(#[from] DerError),
    /// It is not what Envoy writes.
    #[error("it is not one element of keys and values")]
    Element,
    /// A key stands twice, or two keys show different certificates.
    #[error("it shows two certificates")]
    Ambiguous,
    /// Envoy was not told to show the certificate.
    #[error("it has neither Cert nor Chain: write `set_current_client_cert_details: {{cert: true, chain: true}}`")]
    NotShown,
    /// The rest of a chain without its beginning.
    #[error("there is a chain without the certificate that it belongs to")]
    ChainAlone,
}

/// Whether a front says by this value that its client has no certificate: by an empty one, in some forms by what it
/// writes for an empty one.
#[must_use]
pub fn says_none(form: CertificateForm, value: &[u8]) -> bool {
    let value = value.trim_ascii();
    match form {
        _ if value.is_empty() => true,
        CertificateForm::Nginx => value == b"-",
        CertificateForm::Haproxy => value == b"-" || value == CADDY_HAS_NONE,
        CertificateForm::Rfc9440 | CertificateForm::Traefik | CertificateForm::Envoy => false,
    }
}

/// The certificates that a client has shown to a front, its own first; none if it has shown none. `chain` is the field
/// for the rest of them, where the form has one.
///
/// # Errors
/// When a field is not what the form says, or larger than is read.
pub fn read(form: CertificateForm, own: Option<&[u8]>, chain: Option<&[u8]>) -> Result<Vec<Certificate>, Unreadable> {
    let shown = |value: &&[u8]| !says_none(form, value);
    let (own, chain) = (own.filter(shown).map(<[u8]>::trim_ascii), chain.filter(shown).map(<[u8]>::trim_ascii));
    for value in [own, chain].into_iter().flatten() {
        if value.len() > MOST_OCTETS {
            return Err(Unreadable::TooLarge(value.len()));
        }
    }
    let Some(own) = own else {
        return if chain.is_some() { Err(Unreadable::ChainAlone) } else { Ok(Vec::new()) };
    };
    let mut certificates = match form {
        CertificateForm::Rfc9440 => vec![byte_sequence(own)?],
        CertificateForm::Nginx => match pem(&percent_decoded(own)?)?.as_slice() {
            [certificate] => vec![certificate.clone()],
            _ => return Err(Unreadable::Several),
        },
        CertificateForm::Haproxy => vec![certificate(&base64(own)?)?],
        CertificateForm::Traefik => list(&percent_decoded(own)?, |item| certificate(&base64(item)?))?,
        CertificateForm::Envoy => envoy(own)?,
    };
    let rest = match (form, chain) {
        (CertificateForm::Rfc9440, Some(chain)) => list(chain, byte_sequence)?,
        (CertificateForm::Haproxy, Some(chain)) => one_behind_the_other(&base64(chain)?)?,
        _ => Vec::new(),
    };
    // Some write the client's own at the head of the chain as well.
    let again = usize::from(rest.first() == certificates.first());
    certificates.extend(rest.into_iter().skip(again));
    if certificates.len() > MAX_CHAIN { Err(Unreadable::TooMany) } else { Ok(certificates) }
}

fn base64(text: &[u8]) -> Result<Vec<u8>, Unreadable> {
    BASE64.decode(text).map_err(|_| Unreadable::Base64)
}

/// One element of DER and nothing else. Whether it is a certificate inside is seen when it is read.
fn certificate(octets: &[u8]) -> Result<Certificate, Unreadable> {
    let mut reader = Reader::new(octets);
    let whole = reader.expect(der::SEQUENCE)?.whole;
    reader.finish()?;
    Ok(Certificate::from(whole.to_vec()))
}

fn one_behind_the_other(octets: &[u8]) -> Result<Vec<Certificate>, Unreadable> {
    let mut reader = Reader::new(octets);
    let mut certificates = Vec::new();
    while !reader.is_empty() {
        if certificates.len() == MAX_CHAIN {
            return Err(Unreadable::TooMany);
        }
        certificates.push(Certificate::from(reader.expect(der::SEQUENCE)?.whole.to_vec()));
    }
    Ok(certificates)
}

/// Members with commas between them.
fn list(
    text: &[u8],
    member: impl Fn(&[u8]) -> Result<Certificate, Unreadable>,
) -> Result<Vec<Certificate>, Unreadable> {
    let mut certificates = Vec::new();
    for text in text.split(|octet| *octet == b',') {
        if certificates.len() == MAX_CHAIN {
            return Err(Unreadable::TooMany);
        }
        certificates.push(member(text.trim_ascii())?);
    }
    Ok(certificates)
}

/// A byte sequence (RFC 9651, section 3.3.5) without parameters, which RFC 9440 gives no meaning.
fn byte_sequence(text: &[u8]) -> Result<Certificate, Unreadable> {
    let inside = text.strip_prefix(b":").and_then(|text| text.strip_suffix(b":")).ok_or(Unreadable::ByteSequence)?;
    certificate(&base64(inside)?)
}

/// The octets that percent-encoded text stands for. A plus sign is one: Base64 has it, and not everybody encodes it.
fn percent_decoded(text: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((octet, behind)) = rest.split_first() {
        rest = behind;
        match octet {
            b'%' => {
                let (digits, behind) = rest.split_first_chunk::<2>().ok_or(Unreadable::Percent)?;
                rest = behind;
                let mut encoded = 0;
                for digit in digits {
                    let digit = char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                    encoded = encoded << 4 | digit.ok_or(Unreadable::Percent)?;
                }
                octets.push(encoded);
            }
            b'!'..=b'~' | b' ' => octets.push(*octet),
            _ => return Err(Unreadable::Percent),
        }
    }
    Ok(octets)
}

/// Certificates in PEM and nothing beside them (RFC 7468).
fn pem(text: &[u8]) -> Result<Vec<Certificate>, Unreadable> {
    let mut rest = std::str::from_utf8(text).map_err(|_| Unreadable::Pem)?.trim_ascii();
    let mut certificates = Vec::new();
    loop {
        let inside = rest.strip_prefix(BEGIN).ok_or(Unreadable::Pem)?;
        let (inside, behind) = inside.split_once(END).ok_or(Unreadable::Pem)?;
        if certificates.len() == MAX_CHAIN {
            return Err(Unreadable::TooMany);
        }
        let inside: Vec<u8> = inside.bytes().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect();
        certificates.push(certificate(&base64(&inside)?)?);
        rest = behind.trim_ascii();
        if rest.is_empty() {
            return Ok(certificates);
        }
    }
}

/// The one element of Envoy's field: keys and values with semicolons between, values perhaps in quotation marks. Several
/// elements are several proxies' words, of which nobody says whose counts.
fn envoy(text: &[u8]) -> Result<Vec<Certificate>, Unreadable> {
    let (mut own, mut chain) = (None, None);
    let mut rest = text;
    loop {
        let end = rest.iter().position(|octet| *octet == b'=').ok_or(Unreadable::Element)?;
        let (key, behind) = rest.split_at_checked(end).ok_or(Unreadable::Element)?;
        let (value, behind) = envoy_value(behind.get(1..).unwrap_or_default())?;
        let place = match key.to_ascii_lowercase().as_slice() {
            b"cert" => Some(&mut own),
            b"chain" => Some(&mut chain),
            b"by" | b"hash" | b"subject" | b"uri" | b"dns" => None,
            _ => return Err(Unreadable::Element),
        };
        if let Some(place) = place
            && place.replace(value).is_some()
        {
            return Err(Unreadable::Ambiguous);
        }
        match behind.split_first() {
            None => break,
            Some((b';', behind)) => rest = behind,
            Some(_) => return Err(Unreadable::Element),
        }
    }
    let shown = |value: Option<Vec<u8>>| value.map(|value| pem(&percent_decoded(&value)?)).transpose();
    match (shown(own)?, shown(chain)?) {
        (None, None) => Err(Unreadable::NotShown),
        (Some(own), None) if own.len() == 1 => Ok(own),
        (Some(own), Some(chain)) if own.len() == 1 && own.first() != chain.first() => Err(Unreadable::Ambiguous),
        (Some(own), _) if own.len() != 1 => Err(Unreadable::Several),
        (_, chain) => chain.ok_or(Unreadable::NotShown),
    }
}

/// A value, and what stands behind it.
fn envoy_value(text: &[u8]) -> Result<(Vec<u8>, &[u8]), Unreadable> {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|octet| matches!(octet, b';' | b',')).unwrap_or(text.len());
        let (value, behind) = text.split_at_checked(end).ok_or(Unreadable::Element)?;
        return if value.contains(&b'"') { Err(Unreadable::Element) } else { Ok((value.to_vec(), behind)) };
    };
    let mut value = Vec::new();
    loop {
        let (octet, behind) = rest.split_first().ok_or(Unreadable::Element)?;
        rest = behind;
        match octet {
            b'"' => return Ok((value, rest)),
            b'\\' => {
                let (escaped, behind) = rest.split_first().ok_or(Unreadable::Element)?;
                value.push(*escaped);
                rest = behind;
            }
            octet => value.push(*octet),
        }
    }
}

#[cfg(test)]
mod tests;
