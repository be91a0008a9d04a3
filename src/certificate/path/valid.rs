//! A path that was found valid, and what others need to know of it: who issued what, and with which key.

use super::anchors::Anchor;
use super::graph::Node;
use super::policy;
use crate::base::clock::Timestamp;
use crate::certificate::access;
use crate::certificate::distribution::{self, DistributionPoint};
use crate::certificate::facts::{FactsError, sha256};
use crate::certificate::fields::{CRL_DISTRIBUTION_POINTS, CRL_SIGN, FRESHEST_CRL, Fields};
use crate::certificate::name;
use rustls_pki_types::CertificateDer;
use std::sync::Arc;

/// A path that was found valid, leaf first, trust anchor last.
#[derive(Debug, Clone)]
pub struct ValidPath {
    /// The certificates, leaf first; the anchor is not among them.
    pub certificates: Vec<PathCertificate>,
    /// SHA-256 of the SubjectPublicKeyInfo of every authority on it, the anchor's last.
    pub authorities: Arc<[[u8; 32]]>,
    /// The earliest notAfter along it, the anchor's included.
    pub not_after: Timestamp,
    /// The certificate of the authority that it leads to.
    pub anchor: CertificateDer<'static>,
    /// The certificate policies that it is valid for.
    pub policies: policy::Outcome,
}

/// One certificate of a valid path, with what revocation needs to know of its issuer.
#[derive(Debug, Clone)]
pub struct PathCertificate {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// Its serial number's octets, without leading zeros.
    pub serial: Vec<u8>,
    /// Whether the serial number is below zero.
    pub serial_is_negative: bool,
    /// Whether basicConstraints says that it is an authority's.
    pub is_authority: bool,
    /// The issuer's Name in DER (the whole SEQUENCE).
    pub issuer_name: Vec<u8>,
    /// The issuer's name by [`name::canonical`], under which revocation lists and open connections are found.
    pub issuer_canonical: Vec<u8>,
    /// The issuer's SubjectPublicKeyInfo in DER (the whole SEQUENCE).
    pub issuer_spki: Vec<u8>,
    /// Whether the issuer's keyUsage, if it has one, allows signing revocation lists.
    pub issuer_signs_lists: bool,
    /// Its cRLDistributionPoints, none without the extension.
    pub distribution_points: Result<Vec<DistributionPoint>, FactsError>,
    /// Its freshestCRL, where delta lists are to be found; none without the extension.
    pub freshest: Result<Vec<DistributionPoint>, FactsError>,
    /// The URLs of the OCSP responders that it names, none without the extension.
    pub ocsp: Result<Vec<String>, FactsError>,
}

impl ValidPath {
    /// The path over these certificates, leaf first, to this anchor.
    pub(super) fn new(nodes: &[&Node<'_>], anchor: &Anchor, policies: policy::Outcome) -> Self {
        let issuers = || nodes.iter().skip(1).map(|issuer| Some(&issuer.fields)).chain([None]);
        Self {
            certificates: nodes
                .iter()
                .zip(issuers())
                .map(|(node, issuer)| PathCertificate::new(node.der, &node.fields, issuer, anchor))
                .collect(),
            authorities: issuers()
                .map(|issuer| sha256(issuer.map_or(anchor.public_key.as_slice(), |issuer| issuer.public_key)))
                .collect(),
            not_after: nodes.iter().map(|node| node.fields.not_after).fold(anchor.not_after, Timestamp::min),
            anchor: anchor.der.clone(),
            policies,
        }
    }
}

impl PathCertificate {
    /// A certificate whose issuer is the next one of the path, or the anchor where there is none.
    fn new(der: &CertificateDer<'_>, fields: &Fields<'_>, issuer: Option<&Fields<'_>>, anchor: &Anchor) -> Self {
        let points = |identifier: &[u8]| match fields.extension(identifier) {
            None => Ok(Vec::new()),
            Some(extension) => distribution::read(extension.value, fields.issuer),
        };
        Self {
            der: der.clone().into_owned(),
            serial: fields.serial.to_vec(),
            serial_is_negative: fields.serial_is_negative,
            // A path is valid only if all its basicConstraints can be read.
            is_authority: fields.authority().is_ok_and(|authority| authority.is_some()),
            issuer_name: fields.issuer.to_vec(),
            issuer_canonical: name::canonical(fields.issuer),
            issuer_spki: issuer.map_or(anchor.public_key.as_slice(), |issuer| issuer.public_key).to_vec(),
            issuer_signs_lists: issuer.map_or(anchor.signs_lists, |issuer| issuer.allows(CRL_SIGN).unwrap_or(false)),
            distribution_points: points(CRL_DISTRIBUTION_POINTS),
            freshest: points(FRESHEST_CRL),
            ocsp: access::responders(fields),
        }
    }
}
