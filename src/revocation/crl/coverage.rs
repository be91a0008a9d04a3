//! Which certificates and which reasons a list speaks of: its issuingDistributionPoint (RFC 5280, section 5.2.5), and
//! whether that fits a certificate and one of its distribution points (section 6.3.3, (b) (2)).

use super::fault::Fault;
use crate::certificate::der::{self, DerError, Reader};
use crate::certificate::distribution::{self, DistributionPoint, PointName, Reasons};
use crate::certificate::path::PathCertificate;
use std::fmt;

/// What a list speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The names of the distribution point that it is for, sorted; empty if it is for no particular one.
    pub names: Vec<PointName>,
    /// The kind of certificates.
    pub certificates: Certificates,
    /// The reasons.
    pub reasons: Reasons,
    /// Whether it may have entries for certificates of other issuers.
    pub indirect: bool,
}

/// The kinds of certificates that a list may be confined to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Certificates {
    /// All public key certificates.
    All,
    /// Those that are not an authority's.
    Users,
    /// Those of authorities.
    Authorities,
    /// Attribute certificates, of which no path has any.
    Attributes,
}

impl Coverage {
    /// That of a list without the extension: everything of its issuer.
    pub(super) const WHOLE: Self =
        Self { names: Vec::new(), certificates: Certificates::All, reasons: Reasons::ALL, indirect: false };

    /// Reads the value of the extension. `issuer` is the whole Name of the list's issuer.
    pub(super) fn read(value: &[u8], issuer: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(der::single(value, der::SEQUENCE)?);
        let names = reader.optional(der::constructed(0))?;
        let users = flag(&mut reader, 1)?;
        let authorities = flag(&mut reader, 2)?;
        let reasons = reader.optional(der::primitive(3))?;
        let indirect = flag(&mut reader, 4)?;
        let attributes = flag(&mut reader, 5)?;
        reader.finish()?;
        let mut names =
            names.map(|names| distribution::read_names(names.content, issuer)).transpose()?.unwrap_or_default();
        names.sort_unstable();
        let reasons = reasons.map(|reasons| Reasons::read(reasons.content)).transpose()?.unwrap_or(Reasons::ALL);
        let certificates = match (users, authorities, attributes) {
            (false, false, false) => Certificates::All,
            (true, false, false) => Certificates::Users,
            (false, true, false) => Certificates::Authorities,
            (false, false, true) => Certificates::Attributes,
            _ => return Err(Fault::Contradiction),
        };
        if reasons == Reasons::NONE {
            return Err(Fault::Contradiction);
        }
        Ok(Self { names, certificates, reasons, indirect })
    }

    /// Whether the list speaks of this certificate, asked for by one of its distribution points, or (`None`) by
    /// the issuer's name alone.
    pub(super) fn includes(&self, certificate: &PathCertificate, point: Option<&DistributionPoint>) -> bool {
        let kind = match self.certificates {
            Certificates::All => true,
            Certificates::Users => !certificate.is_authority,
            Certificates::Authorities => certificate.is_authority,
            Certificates::Attributes => false,
        };
        // A point that names the issuer of its lists has those of nobody else, and they are indirect.
        let indirect = self.indirect || point.is_none_or(|point| point.issuers.is_empty());
        kind && indirect && (self.names.is_empty() || self.is_named_by(certificate, point))
    }

    fn is_named_by(&self, certificate: &PathCertificate, point: Option<&DistributionPoint>) -> bool {
        let has_directory_name =
            |wanted: &[u8]| self.names.iter().any(|name| matches!(name, PointName::Directory(name) if name == wanted));
        match point {
            None => has_directory_name(&certificate.issuer_canonical),
            Some(point) if point.names.is_empty() => point.issuers.iter().any(|issuer| has_directory_name(issuer)),
            Some(point) => point.names.iter().any(|name| self.names.contains(name)),
        }
    }
}

impl fmt::Display for Coverage {
    /// `all certificates`, `certificates of users for the reasons keyCompromise, of other issuers too`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.certificates {
            Certificates::All => "all certificates",
            Certificates::Users => "certificates of users",
            Certificates::Authorities => "certificates of authorities",
            Certificates::Attributes => "attribute certificates",
        })?;
        if !self.names.is_empty() {
            f.write_str(" of a distribution point")?;
        }
        if self.indirect {
            f.write_str(", of other issuers too")?;
        }
        if self.reasons != Reasons::ALL {
            write!(f, ", for the reasons {}", self.reasons)?;
        }
        Ok(())
    }
}

/// `[number] IMPLICIT BOOLEAN DEFAULT FALSE`.
fn flag(reader: &mut Reader<'_>, number: u8) -> Result<bool, DerError> {
    match reader.optional(der::primitive(number))?.map(|element| element.content) {
        None | Some([0x00]) => Ok(false),
        Some([0xff]) => Ok(true),
        Some(_) => Err(DerError::Value("an issuingDistributionPoint")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::{name, sequence, tlv};
    use proptest::prelude::*;

    fn issuer() -> Vec<u8> {
        name(&[(&[0x55, 0x04, 0x03], 0x0c, b"Issuer")])
    }

    fn yes(number: u8) -> Vec<u8> {
        tlv(der::primitive(number), &[&[0xff]])
    }

    #[test]
    fn a_list_says_what_it_speaks_of() {
        let reasons = tlv(der::primitive(3), &[&[5, 0x60]]);
        let uri = tlv(der::constructed(0), &[&tlv(der::constructed(0), &[&tlv(0x86, &[b"http://a.example/1"])])]);
        let no = tlv(der::primitive(1), &[&[0]]);
        let cases: [(Vec<Vec<u8>>, &str); 7] = [
            (vec![], "all certificates"),
            (vec![no], "all certificates"),
            (vec![yes(1)], "certificates of users"),
            (vec![yes(2)], "certificates of authorities"),
            (vec![yes(5)], "attribute certificates"),
            (vec![uri, yes(4)], "all certificates of a distribution point, of other issuers too"),
            (vec![reasons], "all certificates, for the reasons keyCompromise, cACompromise"),
        ];
        for (parts, expected) in cases {
            let value = sequence(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
            assert_eq!(Coverage::read(&value, &issuer()).unwrap().to_string(), expected);
        }
        assert_eq!(Coverage::read(&sequence(&[]), &issuer()), Ok(Coverage::WHOLE));
    }

    #[test]
    fn a_list_that_contradicts_itself_is_refused() {
        let (both, none) = ([yes(1), yes(2)].concat(), tlv(der::primitive(3), &[&[0]]));
        for content in [both, none] {
            assert_eq!(Coverage::read(&sequence(&[&content]), &issuer()), Err(Fault::Contradiction));
        }
        for content in [tlv(der::primitive(1), &[&[1]]), tlv(der::primitive(6), &[&[0xff]]), [yes(4), yes(1)].concat()]
        {
            assert!(matches!(Coverage::read(&sequence(&[&content]), &issuer()), Err(Fault::Malformed(_))));
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_a_panic(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
            for octets in [octets.clone(), sequence(&[&octets])] {
                let _ = Coverage::read(&octets, &issuer());
            }
        }
    }
}
