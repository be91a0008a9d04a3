//! Where the revocation lists that cover a certificate are said to be, and which part of the reasons each of them
//! speaks of: cRLDistributionPoints and freshestCRL of certificates (RFC 5280, sections 4.2.1.13 and 4.2.1.15), and
//! the name forms that issuingDistributionPoint of a list shares with them (section 5.2.5). Which list fits which
//! point is `revocation::crl`'s to say, and whether anything is fetched from one `fetch`'s.

use super::der::{self, DerError, Reader};
use super::facts::FactsError;
use super::name;
use std::fmt;

/// How many distribution points of one extension are read.
const MAX_POINTS: usize = 64;
/// How many names of one distribution point are read.
const MAX_NAMES: usize = 64;

const DIRECTORY_NAME: u8 = der::constructed(4);
const URI: u8 = der::primitive(6);

/// One of the places where a certificate's revocation lists are to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionPoint {
    /// Its names, any of which stands for it; empty if only `issuers` says where it is.
    pub names: Vec<PointName>,
    /// The reasons that its lists speak of: all of them where the certificate says nothing.
    pub reasons: Reasons,
    /// Who issues its lists, by [`name::canonical`]; empty if that is the certificate's own issuer.
    pub issuers: Vec<Vec<u8>>,
}

/// A name of a distribution point, in a form in which equal names are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PointName {
    /// A directoryName, or a name relative to the issuer of the list made whole, by [`name::canonical`].
    Directory(Vec<u8>),
    /// A URI, its scheme and host in lower case (RFC 5280, section 7.4).
    Uri(String),
    /// A name of another kind, which only the same octets equal.
    Other {
        /// The tag of the GeneralName.
        tag: u8,
        /// Its content.
        content: Vec<u8>,
    },
}

/// A set of reasons for which certificates are revoked (ReasonFlags of RFC 5280, section 4.2.1.13).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reasons(u16);

impl Reasons {
    /// No reason.
    pub const NONE: Self = Self(0);
    /// All reasons: keyCompromise, which is bit 1, to aACompromise, which is bit 8.
    pub const ALL: Self = Self(0x1fe);

    const NAMES: [&'static str; 8] = [
        "keyCompromise",
        "cACompromise",
        "affiliationChanged",
        "superseded",
        "cessationOfOperation",
        "certificateHold",
        "privilegeWithdrawn",
        "aACompromise",
    ];

    /// Reads the content of a ReasonFlags. Bits that have no meaning are passed over.
    ///
    /// # Errors
    /// When it is not the content of a BIT STRING.
    pub fn read(content: &[u8]) -> Result<Self, DerError> {
        const MALFORMED: DerError = DerError::Value("a set of reasons");
        let (unused, octets) = content.split_first().ok_or(MALFORMED)?;
        if *unused > 7 || (octets.is_empty() && *unused > 0) {
            return Err(MALFORMED);
        }
        let bit = |place: usize| octets.get(place / 8).is_some_and(|octet| octet & (0x80 >> (place % 8)) != 0);
        Ok(Self((1..=8).filter(|place| bit(*place)).fold(0, |set, place| set | 1 << place)))
    }

    /// The reasons of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The reasons of both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The reasons that are not in this set, by their names in RFC 5280.
    pub fn missing(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().zip(1..).filter(move |(_, place)| self.0 & 1 << place == 0).map(|(name, _)| name)
    }
}

impl fmt::Display for Reasons {
    /// The names in RFC 5280, with commas.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Self(Self::ALL.0 & !self.0).missing().collect();
        f.write_str(&names.join(", "))
    }
}

impl fmt::Debug for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reasons({self})")
    }
}

impl DistributionPoint {
    /// The URIs of its names.
    pub fn uris(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter_map(|name| match name {
            PointName::Uri(uri) => Some(uri.as_str()),
            _ => None,
        })
    }
}

/// Reads the value of cRLDistributionPoints or freshestCRL. `issuer` is the whole Name of the certificate's or
/// list's issuer, to which a relative name is relative unless the point names another issuer.
///
/// # Errors
/// When it is malformed, or has more points or names than are read.
pub fn read(value: &[u8], issuer: &[u8]) -> Result<Vec<DistributionPoint>, FactsError> {
    let malformed = |why| FactsError::Malformed { what: "a distribution point", why };
    let mut list = Reader::new(der::single(value, der::SEQUENCE).map_err(malformed)?);
    let mut points = Vec::new();
    while !list.is_empty() {
        if points.len() == MAX_POINTS {
            return Err(FactsError::TooMany("distribution points"));
        }
        points.push(list.inside(der::SEQUENCE).and_then(|point| read_point(point, issuer)).map_err(malformed)?);
    }
    if points.is_empty() { Err(malformed(DerError::Truncated)) } else { Ok(points) }
}

fn read_point(mut point: Reader<'_>, issuer: &[u8]) -> Result<DistributionPoint, DerError> {
    let place = point.optional(der::constructed(0))?;
    let reasons = point.optional(der::primitive(1))?;
    let issuers = point.optional(der::constructed(2))?;
    point.finish()?;
    let mut base = issuer;
    let issuers = match issuers {
        None => Vec::new(),
        Some(names) => {
            let names = directory_names(names.content)?;
            // A relative name needs one name to be relative to.
            match names.as_slice() {
                [] => return Err(DerError::Value("a cRLIssuer")),
                [one] => base = one,
                _ => {}
            }
            names.into_iter().map(name::canonical).collect()
        }
    };
    let names = place.map(|place| read_names(place.content, base)).transpose()?.unwrap_or_default();
    if names.is_empty() && issuers.is_empty() {
        return Err(DerError::Value("a distribution point without name and issuer"));
    }
    let reasons = reasons.map(|reasons| Reasons::read(reasons.content)).transpose()?.unwrap_or(Reasons::ALL);
    Ok(DistributionPoint { names, reasons, issuers })
}

/// Reads the content of a DistributionPointName's tag: fullName, or nameRelativeToCRLIssuer with the whole Name
/// that it is relative to. At least one name comes out.
///
/// # Errors
/// When it is neither, or has more names than are read.
pub fn read_names(content: &[u8], issuer: &[u8]) -> Result<Vec<PointName>, DerError> {
    let mut reader = Reader::new(content);
    let names = reader.element()?;
    reader.finish()?;
    if names.tag == der::constructed(1) {
        let base = der::single(issuer, der::SEQUENCE)?;
        let whole = enclose(der::SEQUENCE, &[base, &enclose(der::SET, &[names.content])]);
        return Ok(vec![PointName::Directory(name::canonical(&whole))]);
    }
    if names.tag != der::constructed(0) {
        return Err(DerError::Tag { expected: der::constructed(0), found: names.tag });
    }
    let mut list = Reader::new(names.content);
    let mut names = Vec::new();
    while !list.is_empty() {
        if names.len() == MAX_NAMES {
            return Err(DerError::Value("a distribution point with too many names"));
        }
        let name = list.element()?;
        names.push(match name.tag {
            DIRECTORY_NAME => PointName::Directory(name::canonical(name.content)),
            URI => PointName::Uri(uri(name.content)?),
            tag => PointName::Other { tag, content: name.content.to_vec() },
        });
    }
    if names.is_empty() { Err(DerError::Truncated) } else { Ok(names) }
}

/// The whole Names among the GeneralNames of a content; those of other kinds name no issuer.
///
/// # Errors
/// When it is malformed or has more names than are read.
pub fn directory_names(content: &[u8]) -> Result<Vec<&[u8]>, DerError> {
    let mut list = Reader::new(content);
    let mut names = Vec::new();
    for count in 0.. {
        if list.is_empty() {
            break;
        }
        if count == MAX_NAMES {
            return Err(DerError::Value("a list of too many names"));
        }
        let name = list.element()?;
        if name.tag == DIRECTORY_NAME {
            names.push(name.content);
        }
    }
    Ok(names)
}

fn uri(content: &[u8]) -> Result<String, DerError> {
    let text = match std::str::from_utf8(content) {
        Ok(text) if text.is_ascii() => text,
        _ => return Err(DerError::Value("a URI")),
    };
    let Some((scheme, behind)) = text.split_once("://") else { return Ok(text.to_owned()) };
    let (authority, rest) = behind.split_at(behind.find(['/', '?', '#']).unwrap_or(behind.len()));
    let (user, host) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    Ok(format!("{}://{user}{}{rest}", scheme.to_ascii_lowercase(), host.to_ascii_lowercase()))
}

/// One element with this tag around these parts.
fn enclose(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut element = vec![tag];
    match u8::try_from(length) {
        Ok(short @ ..0x80) => element.push(short),
        _ => {
            let octets = length.to_be_bytes();
            let octets: Vec<u8> = octets.into_iter().skip_while(|octet| *octet == 0).collect();
            element.push(0x80 | u8::try_from(octets.len()).unwrap_or(0));
            element.extend(octets);
        }
    }
    parts.iter().for_each(|part| element.extend_from_slice(part));
    element
}

#[cfg(test)]
mod tests;
