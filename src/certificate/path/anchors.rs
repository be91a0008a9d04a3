//! The authorities of a trust set, checked when it is loaded.

use super::{PathError, title};
use crate::base::clock::Timestamp;
use crate::certificate::facts::FactsError;
use crate::certificate::fields::{CRL_SIGN, Fields, KEY_CERT_SIGN};
use crate::certificate::signature::{self, SignatureError};
use rustls_pki_types::{CertificateDer, TrustAnchor};

/// Authorities that a path may lead to; at least one.
#[derive(Debug, Clone)]
pub struct TrustAnchors {
    anchors: Vec<Anchor>,
    /// The same, in the same order, as webpki needs them.
    for_webpki: Vec<TrustAnchor<'static>>,
}

/// One authority: a name and a key, and what its certificate says about them.
#[derive(Debug, Clone)]
pub(super) struct Anchor {
    /// Its name for people.
    pub(super) title: String,
    /// The subject's whole Name.
    pub(super) subject: Vec<u8>,
    /// The whole SubjectPublicKeyInfo.
    pub(super) public_key: Vec<u8>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// How many authorities may stand below it, if that is limited.
    pub(super) path_length: Option<u32>,
    /// Whether it may sign revocation lists.
    pub(super) signs_lists: bool,
}

/// A certificate cannot be a trust anchor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// There is none.
    #[error("there is no authority to trust")]
    Empty,
    /// It cannot be read.
    #[error("certificate {position} cannot be an authority: {why}")]
    Unreadable {
        /// Its place among the certificates given, from 1.
        position: usize,
        /// Why.
        why: FactsError,
    },
    /// It is somebody else's than an authority's, or demands what is not understood.
    #[error("certificate {position}, {subject}, cannot be an authority: {why}")]
    Unsuitable {
        /// Its place among the certificates given, from 1.
        position: usize,
        /// Its subject as RFC 4514 writes it.
        subject: String,
        /// Why.
        why: String,
    },
}

impl TrustAnchors {
    /// Takes the certificates of authorities, self-signed or not. Dates are not looked at here: they are
    /// when a path is validated.
    ///
    /// # Errors
    /// When there is none, or one cannot be read, is not an authority's, may not sign certificates, has a key
    /// that is not accepted, or a critical extension that is not understood. A certificate of version 1, from
    /// before there were extensions, is taken for an authority's because it stands in the configuration.
    pub fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, AnchorError> {
        let mut set = Self { anchors: Vec::new(), for_webpki: Vec::new() };
        let mut seen: Vec<&CertificateDer<'_>> = Vec::new();
        for (index, certificate) in certificates.iter().enumerate() {
            if seen.contains(&certificate) {
                continue;
            }
            seen.push(certificate);
            let (anchor, for_webpki) = read(certificate, index + 1)?;
            set.anchors.push(anchor);
            set.for_webpki.push(for_webpki);
        }
        if set.anchors.is_empty() { Err(AnchorError::Empty) } else { Ok(set) }
    }

    /// The whole Names of the authorities in DER, none twice: what the CertificateRequest tells a browser.
    #[must_use]
    pub fn subjects(&self) -> Vec<Vec<u8>> {
        let mut subjects: Vec<Vec<u8>> = Vec::new();
        for anchor in &self.anchors {
            if !subjects.contains(&anchor.subject) {
                subjects.push(anchor.subject.clone());
            }
        }
        subjects
    }

    /// The keys (whole SubjectPublicKeyInfo) of the authorities with this name (whole Name) that may sign
    /// revocation lists.
    pub fn list_signers<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.named(name).filter(|anchor| anchor.signs_lists).map(|anchor| anchor.public_key.as_slice())
    }

    pub(super) fn named(&self, name: &[u8]) -> impl Iterator<Item = &Anchor> {
        self.anchors.iter().filter(move |anchor| anchor.subject == name)
    }

    pub(super) fn for_webpki(&self) -> &[TrustAnchor<'static>] {
        &self.for_webpki
    }

    /// The authorities that webpki cannot tell from this one.
    pub(super) fn alike<'a>(&'a self, found: &TrustAnchor<'_>) -> impl Iterator<Item = &'a Anchor> {
        self.for_webpki
            .iter()
            .zip(&self.anchors)
            .filter(move |(one, _)| {
                one.subject == found.subject
                    && one.subject_public_key_info == found.subject_public_key_info
                    && one.name_constraints == found.name_constraints
            })
            .map(|(_, anchor)| anchor)
    }
}

impl Anchor {
    pub(super) fn check_dates(&self, at: Timestamp) -> Result<(), PathError> {
        PathError::check_dates(&format!("the authority {}", self.title), self.not_before, self.not_after, at)
    }
}

fn read(certificate: &CertificateDer<'_>, position: usize) -> Result<(Anchor, TrustAnchor<'static>), AnchorError> {
    let unreadable = |why| AnchorError::Unreadable { position, why };
    let fields = Fields::read(certificate).map_err(unreadable)?;
    let title = title(fields.subject);
    let unsuitable = |why: String| AnchorError::Unsuitable { position, subject: title.clone(), why };

    let authority = fields.authority().map_err(unreadable)?;
    if authority.is_none() && fields.version == 3 {
        return Err(unsuitable("its basicConstraints do not say that it is an authority's".to_owned()));
    }
    if !fields.allows(KEY_CERT_SIGN).map_err(unreadable)? {
        return Err(unsuitable("its keyUsage does not allow signing certificates".to_owned()));
    }
    if let Some(extension) = super::suitable::unknown_critical(&fields) {
        return Err(unsuitable(format!("its critical extension {extension} is not understood")));
    }
    signature::check_key(fields.public_key).map_err(|why: SignatureError| unsuitable(why.to_string()))?;
    let for_webpki = webpki::anchor_from_trusted_cert(certificate)
        .map_err(|error| unsuitable(format!("it is malformed ({error:?})")))?
        .to_owned();
    let anchor = Anchor {
        subject: fields.subject.to_vec(),
        public_key: fields.public_key.to_vec(),
        not_before: fields.not_before,
        not_after: fields.not_after,
        path_length: authority.flatten(),
        signs_lists: fields.allows(CRL_SIGN).map_err(unreadable)?,
        title,
    };
    Ok((anchor, for_webpki))
}
