//! What stands behind a certificate: one named set of authorities with the conditions of its paths and its
//! revocation sources, as listeners, hosts, routes and `wicketgate explain` ask it. A set outlives the
//! configurations that name it for as long as what it was made of stays the same, and with it what it remembers;
//! its revocation lists are exchanged meanwhile. `certificate::path` finds paths and `revocation` asks the
//! sources; which files there are, and when they are read, is left to `app`.

mod verdicts;

use crate::account::cache::Accounts;
use crate::base::clock::Timestamp;
use crate::base::reason::Reason;
use crate::base::url::HttpUrl;
use crate::certificate::distribution::PointName;
use crate::certificate::oid::{Oid, OidError};
use crate::certificate::path::{self, AnchorError, PathError, Purpose, Requirements, TrustAnchors, ValidPath, policy};
use crate::config::{self, Unknown};
use crate::fetch::crl::CrlFetcher;
use crate::fetch::ocsp::Responders;
use crate::revocation::crl::{CrlAnswer, CrlSet, List, Origin, Refused, Replaced, Warning, newly_revoked};
use crate::revocation::database::{self, DatabaseAnswer};
use crate::revocation::live::{Cause, Key, Live};
use crate::revocation::{self, ocsp::OcspAnswer};
use crate::telemetry::metrics::{Series, TRUST, TrustNumbers};
use arc_swap::ArcSwap;
use rustls_pki_types::CertificateDer;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use verdicts::Verdicts;

/// How long the first client of an issuer waits for the lists that its certificate names.
const FIRST_FETCH: Duration = Duration::from_secs(3);
/// How often it is looked meanwhile whether they have come.
const FETCH_POLL: Duration = Duration::from_millis(25);

/// A named set of authorities.
pub struct TrustSet {
    name: String,
    settings: config::Trust,
    material: Material,
    anchors: TrustAnchors,
    requirements: Requirements,
    verdicts: Verdicts,
    lists: ArcSwap<CrlSet>,
    /// Held by whoever makes the next snapshot of the lists.
    taking_up: Mutex<()>,
    fetcher: OnceLock<CrlFetcher>,
    responders: Option<Responders>,
    /// What is counted of its lists.
    pub numbers: Series<TrustNumbers>,
}

/// What the files of a set hold, its revocation lists aside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Material {
    /// Trust anchors.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Certificates that paths may lead over, and of signers of revocation lists.
    pub intermediates: Vec<CertificateDer<'static>>,
    /// SHA-256 of the SubjectPublicKeyInfo of the authorities of which one must occur on a path; empty for any.
    pub issuers: Vec<[u8; 32]>,
}

/// A set cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Of its certificates.
    #[error(transparent)]
    Anchors(#[from] AnchorError),
    /// Of the policies that it accepts.
    #[error("policies.accept: {0}")]
    Policy(#[from] OidError),
}

/// What came of taking up lists.
#[derive(Debug, Default)]
pub struct TakenUp {
    /// Lists that were refused; in the place of each, the one before it stays.
    pub refused: Vec<Refused>,
    /// What an administrator should look at.
    pub warnings: Vec<Warning>,
    /// How many certificates were newly revoked.
    pub revoked: usize,
    /// How many open connections were put in doubt.
    pub doubted: usize,
}

impl TrustSet {
    /// A set without revocation lists, which are taken up later.
    ///
    /// # Errors
    /// When a certificate cannot be an authority or an intermediate, or a policy is none.
    pub fn new(
        name: &str,
        settings: &config::Trust,
        material: Material,
        responders: Option<Responders>,
    ) -> Result<Self, TrustError> {
        let anchors =
            TrustAnchors::new(material.authorities.clone())?.with_intermediates(material.intermediates.clone())?;
        let config::Policies { accept, require, inhibit_mapping, inhibit_any } = &settings.policies;
        let accept: BTreeSet<Oid> = accept.iter().map(|policy| policy.parse()).collect::<Result<_, _>>()?;
        let requirements = Requirements {
            purpose: Purpose::Client { smart_card_logon: settings.smart_card_logon },
            policies: policy::Inputs {
                initial: Some(accept).filter(|accept| !accept.is_empty()),
                require_explicit: *require,
                inhibit_mapping: *inhibit_mapping,
                inhibit_any: *inhibit_any,
            },
            issuers: material.issuers.clone(),
            ..Requirements::for_clients(settings.max_depth)
        };
        Ok(Self {
            name: name.to_owned(),
            anchors,
            requirements,
            verdicts: Verdicts::new(),
            lists: ArcSwap::from_pointee(CrlSet::new(settings.revocation.clock_tolerance)),
            taking_up: Mutex::new(()),
            fetcher: OnceLock::new(),
            responders,
            numbers: TRUST.of(&[name]),
            settings: settings.clone(),
            material,
        })
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &config::Trust {
        &self.settings
    }

    /// What its files hold.
    #[must_use]
    pub fn material(&self) -> &Material {
        &self.material
    }

    /// Whether it was made of these: another one made of them would be the same.
    #[must_use]
    pub fn is_of(&self, settings: &config::Trust, material: &Material) -> bool {
        self.settings == *settings && self.material == *material
    }

    /// Lets lists be fetched from what certificates with a valid path name. The first fetcher stays.
    pub fn fetch_with(&self, fetcher: CrlFetcher) {
        // A set is given its fetcher once, when it is made.
        let _ = self.fetcher.set(fetcher);
    }

    /// Which responders are asked, if any are.
    #[must_use]
    pub fn responders(&self) -> Option<&Responders> {
        self.responders.as_ref()
    }

    /// What fetches its lists, if anything does.
    #[must_use]
    pub fn fetcher(&self) -> Option<&CrlFetcher> {
        self.fetcher.get()
    }

    /// The valid path from what a client presented (its own certificate first) to an authority of this set.
    ///
    /// # Errors
    /// Why there is none.
    pub fn path(&self, chain: &[CertificateDer<'_>], at: Timestamp) -> Result<Arc<ValidPath>, PathError> {
        self.verdicts.of(chain, at, || path::validate(chain, &self.anchors, &self.requirements, at))
    }

    /// What the revocation sources say of a path: the lists, which are in memory, then the store, then responders.
    /// Nobody is asked any more about what is known to be revoked.
    pub async fn revocation(&self, path: &ValidPath, accounts: &Accounts, at: Timestamp) -> revocation::Answer {
        let named = self.lists_named_by(path);
        let lists = match self.ask_lists(path, at) {
            Some((CrlAnswer::Unknown { .. }, _)) if !named.is_empty() => {
                self.wait_for(&named).await;
                self.ask_lists(path, at)
            }
            answer => answer,
        };
        let mut revoked = matches!(lists, Some((CrlAnswer::Revoked { .. }, _)));
        let sources = &self.settings.revocation;
        let asked = sources.scope.of(&path.certificates);
        let database = match sources.database && !revoked {
            true => Some(database::ask(accounts, asked).await),
            false => None,
        };
        revoked |= matches!(database, Some(DatabaseAnswer::Revoked { .. }));
        let responders = self.responders.as_ref().filter(|_| !revoked);
        let responders: Option<(OcspAnswer, Unknown)> = match responders {
            Some(responders) => Some((responders.ask(asked, at).await, sources.ocsp.unknown)),
            None => None,
        };
        revocation::combine(lists, database, responders)
    }

    fn ask_lists(&self, path: &ValidPath, at: Timestamp) -> Option<(CrlAnswer, Unknown)> {
        let source = self.settings.revocation.crl.as_ref()?;
        Some((self.lists.load().check(path, self.settings.revocation.scope, at), source.unknown))
    }

    /// Where the certificates of a path say that their lists are, if these are to be fetched; from now on they are.
    fn lists_named_by(&self, path: &ValidPath) -> Vec<HttpUrl> {
        let from_certificates = |crl: &config::CrlSource| crl.fetch.from_certificates;
        let allowed = self.settings.revocation.crl.as_ref().is_some_and(from_certificates);
        let Some(fetcher) = self.fetcher.get().filter(|_| allowed) else { return Vec::new() };
        let asked = self.settings.revocation.scope.of(&path.certificates);
        let points = asked.iter().flat_map(|certificate| {
            let points = [&certificate.distribution_points, &certificate.freshest];
            points.into_iter().flatten().flatten().flat_map(|point| &point.names)
        });
        let urls: Vec<&str> = points
            .filter_map(|name| match name {
                PointName::Uri(url) => Some(url.as_str()),
                _ => None,
            })
            .collect();
        fetcher.found(urls.iter().copied());
        urls.iter().filter_map(|url| url.parse().ok()).collect()
    }

    /// Waits a moment for lists that were never fetched before.
    async fn wait_for(&self, urls: &[HttpUrl]) {
        let deadline = Instant::now() + FIRST_FETCH;
        let come = || self.fetcher.get().is_none_or(|fetcher| fetcher.have_been_tried(urls));
        while !come() && Instant::now() < deadline {
            tokio::time::sleep(FETCH_POLL).await;
        }
    }

    /// Judges a chain by what is in memory: path, dates and revocation lists.
    ///
    /// # Errors
    /// The reason for which it is refused.
    pub fn judge(&self, chain: &[CertificateDer<'_>], at: Timestamp) -> Result<(), Reason> {
        let path = self.path(chain, at).map_err(|error| error.reason)?;
        revocation::combine(self.ask_lists(&path, at), None, None).verdict.refusal().map_or(Ok(()), Err)
    }

    /// The authorities' subjects in DER.
    #[must_use]
    pub fn subjects(&self) -> Vec<Vec<u8>> {
        self.anchors.subjects()
    }

    /// The revocation lists in force.
    #[must_use]
    pub fn lists(&self) -> Arc<CrlSet> {
        self.lists.load_full()
    }

    /// Puts lists in the place of those that came from `origin` before, and then puts the open connections in doubt
    /// that rest on a certificate that was not revoked before. May take as long as comparing the two lists does.
    pub fn take_up(&self, origin: &Origin, lists: Vec<Arc<List>>, at: Timestamp, live: &Live) -> TakenUp {
        let _taking_up = self.taking_up.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.lists.load_full();
        let came = lists.len();
        let Replaced { set, refused, warnings } = old.with(origin, lists, &self.anchors, at);
        self.numbers.lists_refused.add(refused.len() as u64);
        self.numbers.lists_taken_up.add(came.saturating_sub(refused.len()) as u64);
        let new = Arc::new(set);
        // Whoever is put in doubt must find the new lists in force.
        self.lists.store(Arc::clone(&new));
        let (mut revoked, mut doubted) = (0, 0);
        for (issuer, serial) in newly_revoked(&old, &new) {
            revoked += 1;
            doubted += live.doubt(&Key::Listed { issuer, serial }, Cause::Lists);
        }
        TakenUp { refused, warnings, revoked, doubted }
    }

    /// Lets the lists go that came from `origin`, and puts every open connection in doubt that rests on this set:
    /// of any of them nothing may be known from now on.
    pub fn let_go(&self, origin: &Origin, live: &Live) {
        {
            let _taking_up = self.taking_up.lock().unwrap_or_else(PoisonError::into_inner);
            self.lists.store(Arc::new(self.lists.load().without(origin)));
        }
        live.doubt(&Key::Trust(&self.name), Cause::Lists);
    }
}
