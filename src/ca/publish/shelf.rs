//! What a gate has in memory of what the authorities have published: a look-up and a copy of a kilobyte make an
//! answer. It is signed by others and holds by its own dates, so it is served for as long as these allow, whether or
//! not the database can be reached.

use super::slug;
use super::tables::{Kind, PAGE, StoredAnswer, StoredIssuer, StoredList};
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::ca::ocsp::answer::assemble;
use crate::ca::ocsp::{CertId, Issuer, Refusal, Request};
use crate::certificate::der::{DerError, Reader};
use crate::certificate::facts::FactsError;
use crate::certificate::fields::Fields;
use crate::revocation::ocsp::HashAlgorithm;
use arc_swap::ArcSwap;
use bytes::Bytes;
use rustls_pki_types::CertificateDer;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

/// Everything that is published.
#[derive(Default)]
pub struct Shelf {
    /// The authorities, the newest first.
    authorities: ArcSwap<Vec<Arc<Published>>>,
    signers: ArcSwap<BTreeMap<[u8; 32], Arc<[u8]>>>,
}

/// What is published of one authority.
pub struct Published {
    issuer: [u8; 32],
    slug: String,
    /// Its certificate and those above it.
    certificates: Vec<CertificateDer<'static>>,
    not_before: Timestamp,
    names: Issuer,
    full: ArcSwap<Option<ListOnShelf>>,
    delta: ArcSwap<Option<ListOnShelf>>,
    /// By the serial number without leading zeros.
    answers: RwLock<HashMap<Box<[u8]>, Arc<AnswerOnShelf>>>,
}

/// A list, as it is served.
#[derive(Debug, Clone)]
pub struct ListOnShelf {
    /// The list in DER.
    pub der: Bytes,
    /// Its number and date: what no other list of the authority has.
    pub tag: String,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Timestamp,
}

struct AnswerOnShelf {
    this_update: Timestamp,
    next_update: Timestamp,
    signer: Arc<[u8]>,
    by_sha1: Box<[u8]>,
    by_sha256: Box<[u8]>,
}

/// An answer to a question, as it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The OCSPResponse.
    pub der: Vec<u8>,
    /// The end of its signature: what no other answer has.
    pub tag: String,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Timestamp,
}

/// What is published of an authority cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// A certificate.
    #[error("a published certificate cannot be read: {0}")]
    Certificate(#[from] FactsError),
    /// A key, or what is between certificates.
    #[error("a published certificate cannot be read: {0}")]
    Der(#[from] DerError),
}

/// How many octets of a signature's end tell one answer from all others.
const TAG: usize = 16;

impl Shelf {
    /// Takes an authority in, or its certificates anew; what else is known of it stays.
    ///
    /// # Errors
    /// When its certificate cannot be read.
    pub fn put_issuer(&self, stored: &StoredIssuer) -> Result<(), ShelfError> {
        let fields = Fields::read(&stored.certificate)?;
        let mut certificates = vec![CertificateDer::from(stored.certificate.clone())];
        let mut above = Reader::new(&stored.above);
        while !above.is_empty() {
            certificates.push(CertificateDer::from(above.element()?.whole.to_vec()));
        }
        let old = self.of(&stored.issuer);
        let (full, delta, answers) = match &old {
            Some(old) => {
                let answers = old.answers.read().unwrap_or_else(PoisonError::into_inner).clone();
                ((**old.full.load()).clone(), (**old.delta.load()).clone(), answers)
            }
            None => (None, None, HashMap::new()),
        };
        let published = Arc::new(Published {
            issuer: stored.issuer,
            slug: slug(&stored.issuer),
            not_before: fields.not_before,
            names: Issuer::new(fields.subject, fields.public_key)?,
            certificates,
            full: ArcSwap::from_pointee(full),
            delta: ArcSwap::from_pointee(delta),
            answers: RwLock::new(answers),
        });
        let known = self.authorities.load();
        let others = known.iter().filter(|other| other.issuer != stored.issuer).cloned();
        let mut all: Vec<_> = others.chain([published]).collect();
        all.sort_by_key(|authority| std::cmp::Reverse(authority.not_before));
        self.authorities.store(Arc::new(all));
        Ok(())
    }

    /// Puts a list in the place of the one before. Of an authority that is not known, nothing is taken.
    pub fn put_list(&self, issuer: &[u8; 32], kind: Kind, list: &StoredList) {
        let Some(published) = self.of(issuer) else { return };
        let place = match kind {
            Kind::Full => &published.full,
            Kind::Delta => &published.delta,
            Kind::Base => return,
        };
        place.store(Arc::new(Some(ListOnShelf {
            der: Bytes::from_owner(Arc::clone(&list.der)),
            tag: format!("{}-{:x}", list.number, list.this_update.as_unix()),
            this_update: list.this_update,
            next_update: list.next_update,
        })));
    }

    /// Puts the certificates of those who sign answers in the place of those before.
    pub fn put_signers(&self, signers: BTreeMap<[u8; 32], Vec<u8>>) {
        let known = self.signers.load();
        let signer = |(fingerprint, certificate): ([u8; 32], Vec<u8>)| {
            let known = known.get(&fingerprint).map(Arc::clone);
            (fingerprint, known.unwrap_or_else(|| certificate.into()))
        };
        self.signers.store(Arc::new(signers.into_iter().map(signer).collect()));
    }

    /// Whether the certificates of all who signed these answers are here.
    #[must_use]
    pub fn knows_signers(&self, answers: &[StoredAnswer]) -> bool {
        let signers = self.signers.load();
        answers.iter().all(|answer| signers.contains_key(&answer.signer))
    }

    /// Puts answers in the place of those before. What is signed by somebody whose certificate is not here is not
    /// taken: nobody could check it.
    pub fn put_answers(&self, answers: Vec<StoredAnswer>) {
        let signers = self.signers.load();
        let mut of_issuers: BTreeMap<[u8; 32], Vec<StoredAnswer>> = BTreeMap::new();
        for answer in answers {
            of_issuers.entry(answer.issuer).or_default().push(answer);
        }
        for (issuer, answers) in of_issuers {
            let Some(published) = self.of(&issuer) else { continue };
            let made: Vec<_> = answers
                .into_iter()
                .filter_map(|answer| {
                    let on_shelf = AnswerOnShelf {
                        this_update: answer.this_update,
                        next_update: answer.next_update,
                        signer: Arc::clone(signers.get(&answer.signer)?),
                        by_sha1: answer.by_sha1.into(),
                        by_sha256: answer.by_sha256.into(),
                    };
                    Some((answer.serial.into_boxed_slice(), Arc::new(on_shelf)))
                })
                .collect();
            // A page at a time, so that nobody who asks waits for long.
            for page in made.chunks(PAGE) {
                let mut known = published.answers.write().unwrap_or_else(PoisonError::into_inner);
                known.extend(page.iter().cloned());
            }
        }
    }

    /// Lets go of answers that have run out.
    pub fn sweep(&self, now: Timestamp) {
        for published in self.authorities.load().iter() {
            let mut answers = published.answers.write().unwrap_or_else(PoisonError::into_inner);
            answers.retain(|_, answer| answer.next_update >= now);
        }
    }

    /// Forgets everything: the database is another one.
    pub fn clear(&self) {
        self.authorities.store(Arc::default());
        self.signers.store(Arc::default());
    }

    /// The authority of this name in URLs; `ca`, or no name, is the newest.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Arc<Published>> {
        let all = self.authorities.load();
        match name {
            "" | "ca" => all.first().map(Arc::clone),
            _ => all.iter().find(|authority| authority.slug == name).map(Arc::clone),
        }
    }

    /// The certificates of all authorities and of those above them, each once.
    #[must_use]
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        let mut all: Vec<CertificateDer<'static>> = Vec::new();
        for certificate in self.authorities.load().iter().flat_map(|authority| authority.certificates.iter()) {
            if !all.contains(certificate) {
                all.push(certificate.clone());
            }
        }
        all
    }

    /// Whether nothing is here yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.authorities.load().is_empty()
    }

    /// The answer to a question, which is about one certificate: what was signed ahead of time cannot be put
    /// together.
    ///
    /// # Errors
    /// What to tell the client where there is none.
    pub fn answer(&self, request: &Request<'_>, now: Timestamp) -> Result<Answered, Refusal> {
        let authorities = self.authorities.load();
        if authorities.is_empty() {
            return Err(Refusal::TryLater);
        }
        let [id] = request.certificates.as_slice() else { return Err(Refusal::Unauthorized) };
        let (published, algorithm) =
            authorities.iter().find_map(|one| one.is_named(id)).ok_or(Refusal::Unauthorized)?;
        let answer = {
            let answers = published.answers.read().unwrap_or_else(PoisonError::into_inner);
            answers.get(id.serial).map(Arc::clone).ok_or(Refusal::Unauthorized)?
        };
        if answer.next_update < now {
            return Err(Refusal::TryLater);
        }
        let signed = match algorithm {
            HashAlgorithm::Sha1 => &answer.by_sha1,
            HashAlgorithm::Sha256 => &answer.by_sha256,
        };
        let end = signed.len().saturating_sub(TAG);
        Ok(Answered {
            der: assemble(signed, &answer.signer),
            tag: hex::encode(signed.get(end..).unwrap_or_default()),
            this_update: answer.this_update,
            next_update: answer.next_update,
        })
    }
}

impl Shelf {
    fn of(&self, issuer: &[u8; 32]) -> Option<Arc<Published>> {
        self.authorities.load().iter().find(|authority| authority.issuer == *issuer).map(Arc::clone)
    }
}

impl Published {
    fn is_named<'p>(self: &'p Arc<Self>, id: &CertId<'_>) -> Option<(&'p Arc<Self>, HashAlgorithm)> {
        let algorithm = id.algorithm?;
        (self.names.hashes(algorithm) == (id.name_hash, id.key_hash)).then_some((self, algorithm))
    }

    /// The first second of its certificate.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.not_before
    }

    /// Its certificate, then those above it.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// One of its lists, if it is published.
    #[must_use]
    pub fn list(&self, kind: Kind) -> Option<ListOnShelf> {
        match kind {
            Kind::Full => (**self.full.load()).clone(),
            Kind::Delta => (**self.delta.load()).clone(),
            Kind::Base => None,
        }
    }
}
