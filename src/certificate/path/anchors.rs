//! The authorities of a trust set, checked when it is loaded.

use super::checks;
use super::constraints;
use super::error::title;
use super::pool::Pool;
use crate::base::clock::Timestamp;
use crate::certificate::facts::FactsError;
use crate::certificate::fields::{CRL_SIGN, Fields, KEY_CERT_SIGN};
use crate::certificate::name;
use crate::certificate::signature::{self, SignatureError};
use rustls_pki_types::CertificateDer;
use std::collections::HashMap;
use std::sync::Arc;

/// Authorities that a path may lead to, at least one, and certificates that may lead there.
#[derive(Debug, Clone)]
pub struct TrustAnchors {
    anchors: Vec<Anchor>,
    /// Their places by the canonical form of their names.
    by_name: HashMap<Vec<u8>, Vec<usize>>,
    pool: Arc<Pool>,
}

/// One authority: a name and a key, and what its certificate says about them.
#[derive(Debug, Clone)]
pub(super) struct Anchor {
    /// Its certificate.
    pub(super) der: CertificateDer<'static>,
    /// Its name for people.
    pub(super) title: String,
    /// The subject's whole Name.
    pub(super) subject: Vec<u8>,
    /// What certificates that it signed should call its key.
    pub(super) key_identifier: Option<Vec<u8>>,
    /// The whole SubjectPublicKeyInfo.
    pub(super) public_key: Vec<u8>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// How many authorities may stand below it, if that is limited.
    pub(super) path_length: Option<u32>,
    /// What names may stand below it.
    pub(super) constraints: constraints::State,
    /// Whether it may sign revocation lists.
    pub(super) signs_lists: bool,
}

/// What of an authority counts for the revocation lists that bear its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority<'a> {
    /// The whole SubjectPublicKeyInfo.
    pub public_key: &'a [u8],
    /// Whether its keyUsage, if it has one, allows signing revocation lists.
    pub signs_lists: bool,
    /// The first second in which its certificate is valid.
    pub not_before: Timestamp,
    /// The last one.
    pub not_after: Timestamp,
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
    /// One that is offered for paths cannot be read.
    #[error("certificate {position} cannot be an intermediate: {why}")]
    Intermediate {
        /// Its place among the certificates given, from 1.
        position: usize,
        /// Why.
        why: FactsError,
    },
    /// More are offered for paths than are kept.
    #[error("there are {0} intermediates; at most 10000 are kept")]
    TooManyIntermediates(usize),
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
        let mut set = Self { anchors: Vec::new(), by_name: HashMap::new(), pool: Arc::default() };
        let mut seen: Vec<&CertificateDer<'_>> = Vec::new();
        for (index, certificate) in certificates.iter().enumerate() {
            if seen.contains(&certificate) {
                continue;
            }
            seen.push(certificate);
            let anchor = read(certificate, index + 1)?;
            set.by_name.entry(name::canonical(&anchor.subject)).or_default().push(set.anchors.len());
            set.anchors.push(anchor);
        }
        if set.anchors.is_empty() { Err(AnchorError::Empty) } else { Ok(set) }
    }

    /// The same authorities, with certificates from the configuration that stand ready as intermediates of
    /// paths and as signers of revocation lists, in the place of any given before. They are not trusted by that:
    /// each must lead to an authority like one that a client sends.
    ///
    /// # Errors
    /// When one cannot be read, or there are more than 10,000.
    pub fn with_intermediates(self, certificates: Vec<CertificateDer<'static>>) -> Result<Self, AnchorError> {
        Ok(Self { pool: Arc::new(Pool::new(certificates)?), ..self })
    }

    /// The configured intermediates whose subject is this name (whole Name), however it is written.
    #[must_use]
    pub fn intermediates(&self, name: &[u8]) -> &[CertificateDer<'static>] {
        self.pool.named(&name::canonical(name))
    }

    /// The certificates of the authorities, none twice.
    pub fn certificates(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.anchors.iter().map(|anchor| &anchor.der)
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

    /// The authorities with this name (whole Name, however it is written).
    pub fn authorities<'a>(&'a self, name: &[u8]) -> impl Iterator<Item = Authority<'a>> + use<'a> {
        self.named(&name::canonical(name)).map(|anchor| Authority {
            public_key: &anchor.public_key,
            signs_lists: anchor.signs_lists,
            not_before: anchor.not_before,
            not_after: anchor.not_after,
        })
    }

    /// The set of those authorities alone that have this name (whole Name, however it is written), with all
    /// intermediates; `None` if there is none.
    #[must_use]
    pub fn only(&self, name: &[u8]) -> Option<Self> {
        let canonical = name::canonical(name);
        let anchors: Vec<Anchor> = self.named(&canonical).cloned().collect();
        let by_name = HashMap::from([(canonical, (0..anchors.len()).collect())]);
        if anchors.is_empty() { None } else { Some(Self { anchors, by_name, pool: Arc::clone(&self.pool) }) }
    }

    /// The authorities whose name has this canonical form.
    pub(super) fn named<'a>(&'a self, name: &[u8]) -> impl Iterator<Item = &'a Anchor> + use<'a> {
        self.by_name.get(name).into_iter().flatten().filter_map(|place| self.anchors.get(*place))
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl Anchor {
    pub(super) fn is_in_date(&self, at: Timestamp) -> bool {
        self.not_before <= at && at <= self.not_after
    }
}

fn read(certificate: &CertificateDer<'_>, position: usize) -> Result<Anchor, AnchorError> {
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
    if let Some(extension) = checks::unknown_critical_of_anchor(&fields) {
        return Err(unsuitable(format!("its critical extension {extension} is not understood")));
    }
    signature::check_key(fields.public_key).map_err(|why: SignatureError| unsuitable(why.to_string()))?;
    let mut constraints = constraints::State::new();
    constraints.apply(&fields).map_err(|violation| unsuitable(violation.detail))?;
    Ok(Anchor {
        der: certificate.clone().into_owned(),
        subject: fields.subject.to_vec(),
        public_key: fields.public_key.to_vec(),
        not_before: fields.not_before,
        not_after: fields.not_after,
        path_length: authority.flatten(),
        constraints,
        signs_lists: fields.allows(CRL_SIGN).map_err(unreadable)?,
        key_identifier: fields.subject_key_identifier().map(<[u8]>::to_vec),
        title,
    })
}
