//! The extensions that tell others what they need to judge a certificate: policies (RFC 5280, section 4.2.1.4), where
//! revocation lists are (4.2.1.13), and where OCSP answers and the issuer's certificate are (4.2.2.1).

use super::{Links, Profile};
use crate::config;
use der::asn1::Ia5String;
use x509_cert::der::oid::db::rfc5280::{ID_AD_CA_ISSUERS, ID_AD_OCSP};
use x509_cert::ext::pkix::certpolicy::PolicyInformation;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{AccessDescription, AuthorityInfoAccessSyntax, CertificatePolicies, CrlDistributionPoints};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;

impl Links {
    /// Those that a profile names.
    pub(super) fn of(rules: &config::Profile) -> Self {
        let urls = |named: &Option<Vec<String>>| named.clone().unwrap_or_default();
        Self { crl: urls(&rules.crl), ocsp: urls(&rules.ocsp), issuer: urls(&rules.issuer) }
    }
}

impl Profile {
    /// The extensions besides those that every certificate has.
    pub(in crate::ca) fn further_extensions(&self, subject: &Name) -> x509_cert::builder::Result<Vec<Extension>> {
        let mut extensions = Vec::new();
        if !self.policies.is_empty() {
            let policies = self.policies.iter();
            let policies =
                policies.map(|policy| PolicyInformation { policy_identifier: *policy, policy_qualifiers: None });
            extensions.push(CertificatePolicies(policies.collect()).to_extension(subject, &[])?);
        }
        if !self.links.crl.is_empty() {
            // One point with several names: they are places of one list.
            let names = self.links.crl.iter().map(|url| uri(url)).collect::<der::Result<Vec<_>>>()?;
            let point = DistributionPoint {
                distribution_point: Some(DistributionPointName::FullName(names)),
                reasons: None,
                crl_issuer: None,
            };
            extensions.push(CrlDistributionPoints(vec![point]).to_extension(subject, &[])?);
        }
        let ocsp = self.links.ocsp.iter().map(|url| (ID_AD_OCSP, url));
        let issuer = self.links.issuer.iter().map(|url| (ID_AD_CA_ISSUERS, url));
        let access = ocsp
            .chain(issuer)
            .map(|(access_method, url)| Ok(AccessDescription { access_method, access_location: uri(url)? }))
            .collect::<der::Result<Vec<_>>>()?;
        if !access.is_empty() {
            extensions.push(AuthorityInfoAccessSyntax(access).to_extension(subject, &[])?);
        }
        Ok(extensions)
    }
}

fn uri(url: &str) -> der::Result<GeneralName> {
    Ok(GeneralName::UniformResourceIdentifier(Ia5String::new(url)?))
}
