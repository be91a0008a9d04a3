//! Makes certificates (RFC 5280, section 4): an [`Authority`] signs what a [`Profile`] and a
//! [`Subject`] describe, within its own validity and path length. Where its key and its certificates
//! are kept, and a record of what it issued, is its owner's business.

use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::ca::key::{KeyError, Signer, SigningKey, SoftwareKey};
use crate::ca::profile::apply::Content;
use crate::ca::profile::{Kind, Profile, Subject, Unacceptable, Validity, alternative_names};
use aws_lc_rs::digest::{SHA256, digest};
use der::asn1::{BitString, OctetString};
use der::{Decode, Encode};
use rustls_pki_types::CertificateDer;
use std::time::Duration;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder, CertificateBuilder};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::time::Time;
use x509_cert::{Certificate, TbsCertificate, time};

/// How many random octets a serial number has. 64 bits would do (Baseline Requirements, section 7.1);
/// with 128, no two ever meet, so that an authority need not remember those it gave.
const SERIAL_OCTETS: usize = 16;

/// How many octets a key identifier has (RFC 7093, section 2, method 1).
const KEY_IDENTIFIER_OCTETS: usize = 20;

/// A key, and the certificate that makes it an authority.
pub struct Authority {
    key: Box<dyn SigningKey>,
    certificate: CertificateDer<'static>,
    /// Its issuer, that one's issuer and so on, the root left out.
    above: Vec<CertificateDer<'static>>,
    name: Name,
    key_identifier: OctetString,
    path_length: Option<u8>,
    validity: Validity,
    is_root: bool,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("name", &self.name())
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

/// A new certificate, its key, and what a server or client sends along.
#[derive(Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// Its private key: PKCS#8 in DER.
    pub key: Secret,
    /// The intermediate authorities above it, the issuer first, the root left out.
    pub chain: Vec<CertificateDer<'static>>,
}

/// A certificate or a revocation list cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Something that was to stand in it cannot.
    #[error(transparent)]
    Unacceptable(#[from] Unacceptable),
    /// The key failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate does not make its key an authority.
    #[error("this certificate and key are no authority: {0}")]
    NotAnAuthority(&'static str),
    /// The issuer's path length is used up.
    #[error("{issuer} may not issue an authority's certificate: its path length does not allow it")]
    PathLength {
        /// The issuer's name as RFC 4514 writes it.
        issuer: String,
    },
    /// It would be valid when its issuer is not.
    #[error(
        "a certificate from {not_before} to {not_after} does not lie within the validity of {issuer}, \
             which is from {issuer_not_before} to {issuer_not_after}"
    )]
    Validity {
        /// The first second asked for.
        not_before: Timestamp,
        /// The last second asked for.
        not_after: Timestamp,
        /// The issuer's name as RFC 4514 writes it.
        issuer: String,
        /// The issuer's first second.
        issuer_not_before: Timestamp,
        /// The issuer's last second.
        issuer_not_after: Timestamp,
    },
    /// It does not encode or decode as ASN.1.
    #[error("{what} is not valid ASN.1: {why}")]
    Encoding {
        /// What.
        what: &'static str,
        /// Why, in the words of the encoder.
        why: String,
    },
}

pub(super) fn encoding<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> IssueError {
    move |error| IssueError::Encoding { what, why: error.to_string() }
}

impl Authority {
    /// A new authority that is its own issuer: a trust anchor.
    ///
    /// # Errors
    /// When the subject is unacceptable, the validity ends before it starts, or the key fails.
    pub fn root(key: Box<dyn SigningKey>, subject: &Subject, validity: Validity) -> Result<Self, IssueError> {
        let profile = Profile::authority(None);
        let name = subject.name()?;
        let key_identifier = key_identifier(&public_key(key.public_key())?)?;
        let template = Template::new(&profile, subject, name, key_identifier, key.public_key())?;
        let certificate = template.sign(key.as_ref(), key.public_key(), validity)?;
        Self::open(key, certificate, Vec::new())
    }

    /// An authority whose certificate exists. `above` are the certificates between it and the root,
    /// its issuer's first, the root left out; of a root there are none.
    ///
    /// # Errors
    /// When the certificate is not an authority's or not this key's.
    pub fn open(
        key: Box<dyn SigningKey>,
        certificate: CertificateDer<'static>,
        above: Vec<CertificateDer<'static>>,
    ) -> Result<Self, IssueError> {
        let parsed = Certificate::from_der(&certificate).map_err(encoding("the authority's certificate"))?;
        let tbs = parsed.tbs_certificate();
        let spki = tbs.subject_public_key_info();
        if spki.to_der().map_err(encoding("the authority's public key"))? != key.public_key() {
            return Err(IssueError::NotAnAuthority("the key is not the certificate's"));
        }
        let constraints = tbs.get_extension::<BasicConstraints>().map_err(encoding("basicConstraints"))?;
        let Some((_, BasicConstraints { ca: true, path_len_constraint })) = constraints else {
            return Err(IssueError::NotAnAuthority("basicConstraints does not say so"));
        };
        let key_identifier =
            match tbs.get_extension::<SubjectKeyIdentifier>().map_err(encoding("subjectKeyIdentifier"))? {
                Some((_, identifier)) => identifier.0,
                None => key_identifier(spki)?,
            };
        Ok(Self {
            key,
            above,
            name: tbs.subject().clone(),
            key_identifier,
            path_length: path_len_constraint,
            validity: Validity {
                not_before: timestamp(tbs.validity().not_before),
                not_after: timestamp(tbs.validity().not_after),
            },
            is_root: tbs.subject() == tbs.issuer(),
            certificate,
        })
    }

    /// A new authority below this one. `path_length` is how many authorities may stand below the new
    /// one: 0 lets it issue to end entities only.
    ///
    /// # Errors
    /// As [`Authority::certify`].
    pub fn intermediate(
        &self,
        key: Box<dyn SigningKey>,
        subject: &Subject,
        path_length: u8,
        validity: Validity,
    ) -> Result<Self, IssueError> {
        let profile = Profile::authority(Some(path_length));
        let certificate = self.certify(&profile, subject, key.public_key(), validity)?;
        Self::open(key, certificate, self.chain())
    }

    /// A certificate that makes a key an authority below this one by this name.
    ///
    /// # Errors
    /// As [`Authority::certify`].
    pub(super) fn subordinate(
        &self,
        profile: &Profile,
        public_key: &[u8],
        name: Name,
        constraints: Option<NameConstraints>,
        validity: Validity,
    ) -> Result<CertificateDer<'static>, IssueError> {
        self.may_certify(profile, validity)?;
        let template = Template {
            profile,
            subject: name,
            alternative_names: None,
            constraints,
            issuer: self.name.clone(),
            issuer_key: self.key_identifier.clone(),
            subject_key: key_identifier(&self::public_key(public_key)?)?,
        };
        template.sign(self.key.as_ref(), public_key, validity)
    }

    /// A certificate for a key that somebody else has: `public_key` is its SubjectPublicKeyInfo in DER.
    /// That its owner has the private half is for the caller to know.
    ///
    /// # Errors
    /// When the subject is unacceptable or does not fit the profile, when the validity does not lie within
    /// the authority's, when its path length does not allow another authority, or when the key fails.
    pub fn certify(
        &self,
        profile: &Profile,
        subject: &Subject,
        public_key: &[u8],
        validity: Validity,
    ) -> Result<CertificateDer<'static>, IssueError> {
        profile.check(subject)?;
        self.may_certify(profile, validity)?;
        let template = Template::new(profile, subject, self.name.clone(), self.key_identifier.clone(), public_key)?;
        template.sign(self.key.as_ref(), public_key, validity)
    }

    /// The same for a name and alternative names that a profile has made; there may be none of the one or the other.
    ///
    /// # Errors
    /// As [`Authority::certify`]; and when both are missing.
    pub fn certify_content(&self, content: &Content, public_key: &[u8]) -> Result<CertificateDer<'static>, IssueError> {
        self.may_certify(&content.profile, content.validity)?;
        let alternative_names = alternative_names(&content.names)?;
        if content.name.is_empty() && alternative_names.is_none() {
            let why = "it has neither a name nor an alternative name";
            return Err(Unacceptable { what: "the subject", value: String::new(), why }.into());
        }
        let template = Template {
            profile: &content.profile,
            subject: content.name.clone(),
            alternative_names,
            constraints: None,
            issuer: self.name.clone(),
            issuer_key: self.key_identifier.clone(),
            subject_key: key_identifier(&self::public_key(public_key)?)?,
        };
        template.sign(self.key.as_ref(), public_key, content.validity)
    }

    fn may_certify(&self, profile: &Profile, validity: Validity) -> Result<(), IssueError> {
        if let (Kind::Authority { path_length }, Some(own)) = (profile.kind, self.path_length)
            && path_length.is_none_or(|below| below >= own)
        {
            return Err(IssueError::PathLength { issuer: self.name() });
        }
        if validity.not_before < self.validity.not_before || validity.not_after > self.validity.not_after {
            return Err(IssueError::Validity {
                not_before: validity.not_before,
                not_after: validity.not_after,
                issuer: self.name(),
                issuer_not_before: self.validity.not_before,
                issuer_not_after: self.validity.not_after,
            });
        }
        Ok(())
    }

    /// A certificate with a new key of its own.
    ///
    /// # Errors
    /// As [`Authority::certify`].
    pub fn issue(&self, profile: &Profile, subject: &Subject, validity: Validity) -> Result<Issued, IssueError> {
        let key = SoftwareKey::generate()?;
        let certificate = self.certify(profile, subject, key.public_key(), validity)?;
        Ok(Issued { certificate, key: key.to_pkcs8()?, chain: self.chain() })
    }

    /// Its own certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// What the holder of a certificate that it issued sends along: its own certificate and those above
    /// it, the root left out. Of a root it is nothing.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        let own = (!self.is_root).then_some(&self.certificate);
        own.into_iter().chain(&self.above).cloned().collect()
    }

    /// Its name as RFC 4514 writes it.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.to_string()
    }

    /// Its name's DER: with [`Authority::public_key`] what tells its certificates from all others.
    ///
    /// # Errors
    /// When the name does not encode, which no name that was decoded does.
    pub fn name_der(&self) -> Result<Vec<u8>, IssueError> {
        self.name.to_der().map_err(encoding("the authority's name"))
    }

    /// Its SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        self.key.public_key()
    }

    /// From when until when it may issue.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    pub(super) fn key(&self) -> &dyn SigningKey {
        self.key.as_ref()
    }

    pub(super) fn key_identifier(&self) -> &OctetString {
        &self.key_identifier
    }
}

impl Issued {
    /// The certificate and its chain, leaf first.
    #[must_use]
    pub fn whole_chain(&self) -> Vec<CertificateDer<'static>> {
        std::iter::once(&self.certificate).chain(&self.chain).cloned().collect()
    }
}

/// Everything that stands in a certificate besides serial, dates and key.
struct Template<'a> {
    profile: &'a Profile,
    subject: Name,
    alternative_names: Option<SubjectAltName>,
    constraints: Option<NameConstraints>,
    issuer: Name,
    issuer_key: OctetString,
    subject_key: OctetString,
}

impl<'a> Template<'a> {
    fn new(
        profile: &'a Profile,
        subject: &Subject,
        issuer: Name,
        issuer_key: OctetString,
        spki: &[u8],
    ) -> Result<Self, IssueError> {
        Ok(Self {
            profile,
            subject: subject.name()?,
            alternative_names: subject.alternative_names()?,
            constraints: None,
            issuer,
            issuer_key,
            subject_key: key_identifier(&public_key(spki)?)?,
        })
    }

    fn sign(
        self,
        key: &dyn SigningKey,
        spki: &[u8],
        validity: Validity,
    ) -> Result<CertificateDer<'static>, IssueError> {
        const WHAT: &str = "the certificate";
        let dates = time::Validity::new(encode_time(validity.not_before)?, encode_time(validity.not_after)?);
        let mut builder =
            CertificateBuilder::new(self, serial_number()?, dates, public_key(spki)?).map_err(encoding(WHAT))?;
        let signer = Signer(key);
        let to_be_signed = builder.finalize(&signer).map_err(encoding(WHAT))?;
        let signature = BitString::from_bytes(&key.sign(&to_be_signed)?).map_err(encoding(WHAT))?;
        let certificate = builder.assemble(signature, &signer).map_err(encoding(WHAT))?;
        Ok(CertificateDer::from(certificate.to_der().map_err(encoding(WHAT))?))
    }
}

impl BuilderProfile for Template<'_> {
    fn get_issuer(&self, _subject: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _subject_key: SubjectPublicKeyInfoRef<'_>,
        _issuer_key: SubjectPublicKeyInfoRef<'_>,
        _certificate: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        let subject = &self.subject;
        let constraints = match self.profile.kind {
            Kind::EndEntity => BasicConstraints { ca: false, path_len_constraint: None },
            Kind::Authority { path_length } => BasicConstraints { ca: true, path_len_constraint: path_length },
        };
        let issuer_key = AuthorityKeyIdentifier { key_identifier: Some(self.issuer_key.clone()), ..Default::default() };
        let mut extensions = vec![
            constraints.to_extension(subject, &[])?,
            KeyUsage(self.profile.key_usage).to_extension(subject, &[])?,
            SubjectKeyIdentifier(self.subject_key.clone()).to_extension(subject, &[])?,
            issuer_key.to_extension(subject, &[])?,
        ];
        if !self.profile.extended_key_usage.is_empty() {
            let usages = ExtendedKeyUsage(self.profile.extended_key_usage.clone());
            extensions.push(usages.to_extension(subject, &[])?);
        }
        if let Some(constraints) = &self.constraints {
            extensions.push(constraints.to_extension(subject, &[])?);
        }
        if let Some(names) = &self.alternative_names {
            extensions.push(names.to_extension(subject, &[])?);
        }
        extensions.extend(self.profile.further_extensions(subject)?);
        Ok(extensions)
    }
}

fn public_key(spki: &[u8]) -> Result<SubjectPublicKeyInfoOwned, IssueError> {
    SubjectPublicKeyInfoOwned::from_der(spki).map_err(encoding("the public key"))
}

/// The leftmost 160 bits of SHA-256 over the key's BIT STRING (RFC 7093, section 2, method 1).
fn key_identifier(spki: &SubjectPublicKeyInfoOwned) -> Result<OctetString, IssueError> {
    let hash = digest(&SHA256, spki.subject_public_key.raw_bytes());
    OctetString::new(hash.as_ref().get(..KEY_IDENTIFIER_OCTETS).unwrap_or_default())
        .map_err(encoding("a key identifier"))
}

fn serial_number() -> Result<SerialNumber, IssueError> {
    let mut octets = [0; SERIAL_OCTETS];
    while octets.iter().all(|octet| *octet == 0) {
        aws_lc_rs::rand::fill(&mut octets).map_err(|_| KeyError::Failed("drawing random octets"))?;
    }
    SerialNumber::new(&octets).map_err(encoding("the serial number"))
}

/// A time as certificates and revocation lists write it: UTCTime until 2049, GeneralizedTime from 2050
/// on (RFC 5280, section 4.1.2.5).
pub(super) fn encode_time(at: Timestamp) -> Result<Time, IssueError> {
    let encoding = encoding("a date");
    let since_epoch = u64::try_from(at.as_unix()).map_err(|_| encoding("it lies before 1970".into()))?;
    let date = der::DateTime::from_unix_duration(Duration::from_secs(since_epoch))
        .map_err(|error| encoding(error.to_string()))?;
    Ok(Time::from(date))
}

pub(super) fn timestamp(time: Time) -> Timestamp {
    Timestamp::from_unix(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
