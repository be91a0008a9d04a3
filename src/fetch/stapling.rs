//! OCSP answers about the gate's own certificates (RFC 6066, section 8; RFC 8446, section 4.4.2.1): fetched where
//! the certificate names a responder, judged as a client would, renewed before they run out, and taken back when
//! they have. A handshake never waits for one.

use super::guard::Guard;
use super::ocsp::question::{self, Case, Terms, Told};
use super::schedule::{after_failures, after_success, random};
use crate::base::clock::Timestamp;
use crate::base::url::HttpUrl;
use crate::certificate::access;
use crate::certificate::facts::{FactsError, sha256};
use crate::certificate::fields::Fields;
use crate::certificate::name;
use crate::certificate::signature::Sealed;
use crate::config::Stapling;
use crate::revocation::ocsp::{CLOCK_TOLERANCE, CertId, HashAlgorithm, Status};
use arc_swap::ArcSwapOption;
use rustls_pki_types::CertificateDer;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// How long one question may take; nobody waits for it.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long an answer is thought to be the newest one.
const REFRESH: Duration = Duration::from_secs(3600);

/// Keeps the answer about one certificate fresh for as long as it is kept.
#[derive(Debug)]
pub struct Stapler {
    /// SHA-256 of the certificate.
    certificate: [u8; 32],
    stapled: Arc<ArcSwapOption<Stapled>>,
    task: JoinHandle<()>,
}

/// The answer about one certificate, as it stands at any time.
#[derive(Debug, Clone)]
pub struct Staple {
    certificate: [u8; 32],
    stapled: Arc<ArcSwapOption<Stapled>>,
}

impl Staple {
    /// SHA-256 of the certificate.
    #[must_use]
    pub fn certificate(&self) -> &[u8; 32] {
        &self.certificate
    }

    /// The last second in which clients believe the answer, if there is one.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.stapled.load().as_ref().map(|stapled| stapled.until)
    }
}

/// An answer, and the last second in which clients believe it.
#[derive(Debug)]
struct Stapled {
    octets: Vec<u8>,
    until: Timestamp,
}

/// No answer about a certificate of ours can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StaplingError {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(#[from] FactsError),
    /// It names a responder that cannot be asked.
    #[error("its responder {url} cannot be asked: {why}")]
    Responder {
        /// The responder.
        url: String,
        /// Why.
        why: String,
    },
    /// It names a responder, but its issuer, whose key is part of the question, is unknown.
    #[error("it names an OCSP responder, but its issuer's certificate does not follow it in the chain file")]
    NoIssuer,
}

impl Stapler {
    /// Starts to fetch answers about the first certificate of a chain; `None` if nobody can be asked, because it
    /// names no responder and none is configured. `staple` is told of each answer that is to be sent along from
    /// now on, and of none when there is none any more. An answer that one of the staplers `before` has about the
    /// same certificate is used at once.
    ///
    /// # Errors
    /// When there is a responder, but the certificate cannot be asked about.
    pub fn start(
        chain: &[CertificateDer<'_>],
        settings: &Stapling,
        before: &[Stapler],
        handle: &Handle,
        staple: impl Fn(Option<Vec<u8>>) + Send + Sync + 'static,
    ) -> Result<Option<Self>, StaplingError> {
        let Some(case) = case(chain, settings)? else { return Ok(None) };
        let certificate = chain.first().map(|certificate| sha256(certificate)).unwrap_or_default();
        let at = Timestamp::now();
        let last = before
            .iter()
            .find(|stapler| stapler.certificate == certificate)
            .and_then(|stapler| stapler.stapled.load_full())
            .filter(|stapled| at <= stapled.until);
        if let Some(stapled) = &last {
            staple(Some(stapled.octets.clone()));
        }
        let stapled = Arc::new(ArcSwapOption::new(last));
        let guard = Guard::new(settings.private_addresses.clone());
        let task = handle.spawn(keep_fresh(case, guard, Arc::clone(&stapled), staple));
        Ok(Some(Self { certificate, stapled, task }))
    }
}

impl Stapler {
    /// The answer that it keeps fresh.
    #[must_use]
    pub fn staple(&self) -> Staple {
        Staple { certificate: self.certificate, stapled: Arc::clone(&self.stapled) }
    }
}

impl Drop for Stapler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether answers about the first certificate of a chain can be asked for.
///
/// # Errors
/// When there is a responder, but the certificate cannot be asked about.
pub fn can_be_asked(chain: &[CertificateDer<'_>], settings: &Stapling) -> Result<bool, StaplingError> {
    Ok(case(chain, settings)?.is_some())
}

/// What is to be asked about the first certificate of a chain.
fn case(chain: &[CertificateDer<'_>], settings: &Stapling) -> Result<Option<Case>, StaplingError> {
    let Some(leaf) = chain.first() else { return Ok(None) };
    let leaf = Fields::read(leaf)?;
    let responder = match &settings.responder {
        Some(responder) => responder.clone(),
        None => match access::responders(&leaf)?.into_iter().next() {
            None => return Ok(None),
            Some(url) => url
                .parse::<HttpUrl>()
                .map_err(|why| StaplingError::Responder { url: url.clone(), why: why.to_string() })?,
        },
    };
    let issuer = chain.get(1).ok_or(StaplingError::NoIssuer)?;
    let issuer = Fields::read(issuer)?;
    let signed = Sealed::new(leaf.signature_algorithm, leaf.signed, leaf.signature)
        .and_then(|sealed| sealed.verify(issuer.public_key));
    if signed.is_err() || name::canonical(leaf.issuer) != name::canonical(issuer.subject) {
        return Err(StaplingError::NoIssuer);
    }
    let id = CertId::new(HashAlgorithm::Sha1, leaf.issuer, issuer.public_key, leaf.serial)
        .map_err(|why| FactsError::Malformed { what: "the issuer's key", why })?;
    Ok(Some(Case {
        id,
        issuer_name: leaf.issuer.to_vec(),
        issuer_spki: issuer.public_key.to_vec(),
        responders: vec![responder],
        tolerance: CLOCK_TOLERANCE,
    }))
}

async fn keep_fresh(
    case: Case,
    guard: Guard,
    stapled: Arc<ArcSwapOption<Stapled>>,
    staple: impl Fn(Option<Vec<u8>>) + Send + Sync,
) {
    let mut failures = 0;
    loop {
        let wait = match ask(&case, &guard).await {
            Ok(told) => {
                failures = 0;
                let until = told.statement.next_update.unwrap_or(told.statement.until);
                let left = until.since(Timestamp::now());
                staple(Some(told.octets.clone()));
                stapled.store(Some(Arc::new(Stapled { octets: told.octets, until })));
                tracing::debug!(%until, "OCSP answer about our certificate renewed");
                after_success(REFRESH, told.fresh_for, Some(left), random())
            }
            Err(refusal) => {
                failures += 1_u32;
                let Refusal { why, revoked } = refusal;
                tracing::warn!(why, "no OCSP answer about our certificate can be sent along");
                if revoked {
                    stapled.store(None);
                    staple(None);
                }
                after_failures(failures, random())
            }
        };
        // It is looked at again when the answer runs out, if that comes before.
        let left = stapled.load().as_ref().map(|stapled| stapled.until.since(Timestamp::now()));
        tokio::time::sleep(left.map_or(wait, |left| wait.min(left + Duration::from_secs(1)))).await;
        if stapled.load().as_ref().is_some_and(|stapled| Timestamp::now() > stapled.until) {
            stapled.store(None);
            staple(None);
        }
    }
}

/// There is no answer to send along.
struct Refusal {
    why: String,
    /// Whether that is because the certificate was revoked.
    revoked: bool,
}

async fn ask(case: &Case, guard: &Guard) -> Result<Told, Refusal> {
    let refuse = |why, revoked| Refusal { why, revoked };
    let terms = Terms { guard, deadline: DEADLINE, with_nonce: false };
    let responder = case.responders.first().ok_or_else(|| refuse("there is no responder".to_owned(), false))?;
    let told = question::ask(case, responder, &terms, Timestamp::now())
        .await
        .map_err(|why| refuse(format!("{responder}: {why}"), false))?;
    match told.statement.status {
        Status::Good => Ok(told),
        Status::Unknown => Err(refuse(format!("{responder} does not know our certificate"), false)),
        Status::Revoked { at, .. } => Err(refuse(format!("{responder} says that it was revoked at {at}"), true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::{Authority, sequence, tlv};
    use rcgen::CustomExtension;

    fn leaf(issuer: &Authority, responder: Option<&str>) -> CertificateDer<'static> {
        const OCSP: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];
        issuer.leaf_with("gate.example.org", |params| {
            if let Some(url) = responder {
                let place = sequence(&[&tlv(0x06, &[OCSP]), &tlv(0x86, &[url.as_bytes()])]);
                let access = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], sequence(&[&place]));
                params.custom_extensions = vec![access];
            }
        })
    }

    #[test]
    fn a_certificate_is_asked_about_if_its_responder_and_its_issuer_are_known() {
        let (issuer, stranger) = (Authority::root("Issuer"), Authority::root("Issuer"));
        let with = leaf(&issuer, Some("http://ocsp.example/"));
        let without = leaf(&issuer, None);
        let asked = |chain: &[&CertificateDer<'static>], settings: &Stapling| {
            let chain: Vec<_> = chain.iter().map(|certificate| (*certificate).clone()).collect();
            case(&chain, settings).map(|case| case.map(|case| case.responders[0].to_string()))
        };
        let default = Stapling::default();
        let own = Stapling { responder: Some("http://own.example/".parse().unwrap()), ..Stapling::default() };
        let https = leaf(&issuer, Some("https://ocsp.example/"));
        assert_eq!(asked(&[&without], &default), Ok(None));
        assert_eq!(asked(&[&with, &issuer.der], &default), Ok(Some("http://ocsp.example/".to_owned())));
        assert_eq!(asked(&[&with, &issuer.der], &own), Ok(Some("http://own.example/".to_owned())));
        assert_eq!(asked(&[&without, &issuer.der], &own), Ok(Some("http://own.example/".to_owned())));
        assert_eq!(asked(&[&with], &default), Err(StaplingError::NoIssuer));
        assert_eq!(asked(&[&with, &stranger.der], &default), Err(StaplingError::NoIssuer));
        assert!(matches!(asked(&[&https, &issuer.der], &default), Err(StaplingError::Responder { .. })));
    }
}
