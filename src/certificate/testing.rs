//! Certificates for unit tests: authorities and leaves by rcgen, hostile octets by hand, and the
//! `openssl` program for what rcgen does not make.

use super::der;
use super::facts::{self, AlternativeNames, Attribute, CertificateFacts};
use super::fields::{Extension, Fields};
use super::name::COMMON_NAME;
use crate::base::clock::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, IsCa, Issuer, KeyPair, SigningKey,
    date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

/// The key of every leaf: which it is does not matter.
pub(crate) static LEAF_KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());

/// A time at which everything is valid unless it was made not to be: 2026-06-01T00:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_780_272_000);

/// What a certificate says whose common name (none if it is empty) and alternative names are all that matters.
pub(crate) fn facts_of(common_name: &str, names: AlternativeNames) -> CertificateFacts {
    let named =
        (!common_name.is_empty()).then(|| Attribute { oid: COMMON_NAME.to_owned(), value: common_name.to_owned() });
    let subject =
        facts::DistinguishedName { text: String::new(), der: Vec::new(), attributes: named.into_iter().collect() };
    CertificateFacts {
        issuer: subject.clone(),
        subject,
        serial: vec![1],
        not_before: Timestamp::from_unix(0),
        not_after: Timestamp::FAR_FUTURE,
        fingerprint: [0; 32],
        spki_sha256: [0; 32],
        names,
        key_usage: None,
        extended_key_usage: None,
        policies: Vec::new(),
        is_authority: false,
    }
}

/// An authority with its key.
pub(crate) struct Authority {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A self-signed authority.
    pub(crate) fn root(name: &str) -> Self {
        Self::root_with(name, |_| {})
    }

    /// A self-signed authority whose certificate is changed before it is signed.
    pub(crate) fn root_with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let params = authority_params(name, change);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { der, issuer: issuer(params, key) }
    }

    /// An authority below this one.
    pub(crate) fn below(&self, name: &str) -> Self {
        self.below_with(name, |_| {})
    }

    /// An authority below this one whose certificate is changed before it is signed.
    pub(crate) fn below_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let params = authority_params(name, change);
        let key = KeyPair::generate().unwrap();
        let der = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Self { der, issuer: issuer(params, key) }
    }

    /// A client's certificate.
    pub(crate) fn leaf(&self, name: &str) -> CertificateDer<'static> {
        self.leaf_with(name, |_| {})
    }

    /// A client's certificate, changed before it is signed.
    pub(crate) fn leaf_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = params(name);
        change(&mut params);
        params.signed_by(&*LEAF_KEY, &self.issuer).unwrap().der().clone()
    }

    /// Another authority with the same name and key, and a certificate of its own.
    pub(crate) fn renewed_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let params = authority_params(name, change);
        params.self_signed(self.issuer.key()).unwrap().der().clone()
    }

    /// Puts a signature on DER: `SEQUENCE { signed, ecdsa-with-SHA256, signature }`.
    pub(crate) fn sign(&self, signed: &[u8]) -> Vec<u8> {
        let signature = self.issuer.key().sign(signed).unwrap();
        sequence(&[signed, &ecdsa_with_sha256(), &tlv(der::BIT_STRING, &[&[0], signature.as_slice()])])
    }
}

// rcgen refuses to sign with an authority whose key usage forbids it, which is just what tests need.
fn issuer(mut params: CertificateParams, key: KeyPair) -> Issuer<'static, KeyPair> {
    params.key_usages.clear();
    Issuer::new(params, key)
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params.distinguished_name = named(name);
    params
}

fn authority_params(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    params
}

/// A name of one commonName.
pub(crate) fn named(common_name: impl Into<DnValue>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// The AlgorithmIdentifier of the signatures that [`Authority::sign`] makes.
pub(crate) fn ecdsa_with_sha256() -> Vec<u8> {
    sequence(&[&[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]])
}

/// One element with this tag around these parts.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().position(|octet| *octet != 0).unwrap_or(length.len() - 1)..];
    let mut element = vec![tag];
    if content.len() >= 0x80 {
        element.push(0x80 | u8::try_from(length.len()).unwrap());
    }
    element.extend_from_slice(length);
    element.extend_from_slice(&content);
    element
}

/// A SEQUENCE around these parts.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(der::SEQUENCE, parts)
}

/// A Name of single-valued attributes: type (as its DER content), string type, octets.
pub(crate) fn name(attributes: &[(&[u8], u8, &[u8])]) -> Vec<u8> {
    let attributes: Vec<_> = attributes
        .iter()
        .map(|(oid, tag, value)| {
            tlv(der::SET, &[&sequence(&[&tlv(der::OBJECT_IDENTIFIER, &[oid]), &tlv(*tag, &[value])])])
        })
        .collect();
    sequence(&attributes.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// The fields of a certificate of which nothing matters but these extensions: identifier, criticality, value.
pub(crate) fn bare<'a>(extensions: &[(&'a [u8], bool, &'a [u8])]) -> Fields<'a> {
    let extension = |&(identifier, critical, value)| Extension { identifier, critical, value, whole: &[] };
    Fields {
        signed: &[],
        signature_algorithm: &[],
        signature: &[],
        version: 3,
        serial: &[],
        serial_is_negative: false,
        issuer: &[],
        not_before: NOW,
        not_after: NOW,
        subject: &[],
        public_key: &[],
        extensions: extensions.iter().map(extension).collect(),
    }
}

/// Runs `openssl` in a directory and returns what it prints.
pub(crate) fn openssl(directory: &Path, arguments: &str) -> String {
    let output = Command::new("openssl").args(arguments.split_whitespace()).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
