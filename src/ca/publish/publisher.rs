//! The authority's side: signs what is due, ahead of its end, and what a revocation has changed, at once. It follows
//! the feed of changes, so that it does not matter on which node, and by which program, a certificate was revoked.
//! Several publishers for one authority, on several nodes, get in nobody's way: numbers of lists come from the register,
//! and a list with a smaller number never takes the place of one with a greater one.

use super::delta_url;
use super::tables::{self, AnswersError, BATCH, Kind, Signing, StoredIssuer, StoredList};
use super::told::Told;
use crate::account::CertificateKey;
use crate::base::clock::Timestamp;
use crate::ca::crl::{self, CrlReason, Edition, Form, Revoked};
use crate::ca::history::recorder::{RecordError, Recorder};
use crate::ca::issue::{Authority, IssueError};
use crate::ca::ocsp::{Delegate, Issuer};
use crate::ca::register::{Listed, Register, RegisterError, Replace, Standing};
use crate::certificate::der::DerError;
use crate::config::Publishing;
use crate::revocation::crl::{Limits, Origin, read};
use crate::store::changes::{Change, Kind as Changed, Position, Since};
use crate::store::{Database, Fault};
use rustls_pki_types::CertificateDer;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

/// How often the feed of changes is read.
const POLL: Duration = Duration::from_millis(250);
/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How often it is looked for answers that are due by their age.
const LOOK: Duration = Duration::from_secs(60);
/// What ran out is forgotten this long afterwards.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// A delegate lives for so many times the life of an answer. It is replaced while one more answer of its fits in.
const DELEGATE_LIVES: u32 = 3;
/// A long list may take no more than one part in so many of the time.
const SHARE: u32 = 4;

/// What an authority has to say cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The register.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The database.
    #[error("{what} failed on {store}: {why}")]
    Store {
        /// What was being done.
        what: &'static str,
        /// The database, without any secret.
        store: String,
        /// Why, in the words of the driver.
        why: Fault,
    },
    /// A list or an answer cannot be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The authority's own key is not DER.
    #[error("the public key of the authority cannot be read: {0}")]
    Key(#[from] DerError),
    /// The history does not take what was signed, which is therefore not published.
    #[error("the history of the authority cannot be written: {0}")]
    NotRecorded(#[from] RecordError),
    /// The work of making a list was broken off.
    #[error("making a revocation list was broken off")]
    Broken,
    /// The authority has expired.
    #[error("the authority's certificate ran out at {0}: nothing that it signs counts")]
    Expired(Timestamp),
}

/// Publishes what one authority says.
pub struct Publisher {
    database: Database,
    register: Register,
    authority: Arc<Authority>,
    settings: Publishing,
    told: Option<Told>,
    issuer: [u8; 32],
    names: Issuer,
    above: Vec<u8>,
    delegate: Option<Arc<Delegate>>,
    /// The list that deltas are made against.
    base: Option<Base>,
    position: Option<Position>,
    due: Due,
}

/// The list that deltas are made against.
#[derive(Debug, Clone)]
struct Base {
    number: u64,
    this_update: Timestamp,
    entries: Arc<[Revoked]>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy)]
struct Due {
    lists: bool,
    answers: bool,
    /// The earliest time of the next list, whatever is revoked meanwhile.
    lists_from: Instant,
    /// When it is looked for answers that are due by their age.
    look: Instant,
    /// When a new list is due, whatever has happened.
    renewal: Timestamp,
}

/// The lists that were made.
#[derive(Debug, Clone)]
pub struct Lists {
    /// The whole list.
    pub full: StoredList,
    /// The delta list, if any are made.
    pub delta: Option<StoredList>,
    /// Whether they were published: not, if somebody else has published a newer one meanwhile.
    pub is_published: bool,
}

impl Publisher {
    /// A publisher for an authority. `above` are the certificates above its own, its issuer's first, the root's last.
    ///
    /// # Errors
    /// When the authority's name or key does not encode.
    pub fn new(
        database: Database,
        authority: Arc<Authority>,
        above: &[CertificateDer<'static>],
        settings: Publishing,
    ) -> Result<Self, PublishError> {
        let (name, key) = (authority.name_der()?, authority.public_key());
        let issuer = CertificateKey::new(&name, key, &[1]).issuer;
        let now = Instant::now();
        Ok(Self {
            register: Register::new(database.clone()),
            names: Issuer::new(&name, key)?,
            issuer,
            above: above.iter().flat_map(|certificate| certificate.iter().copied()).collect(),
            delegate: None,
            base: None,
            position: None,
            due: Due { lists: true, answers: true, lists_from: now, look: now, renewal: Timestamp::from_unix(0) },
            database,
            authority,
            settings,
            told: None,
        })
    }

    /// Has all that it signs with the authority's key written down in this history before it is published. `by` is who
    /// runs it.
    #[must_use]
    pub fn recording(self, history: Recorder, by: &str) -> Self {
        Self { told: Some(Told::new(history, self.issuer, by)), ..self }
    }

    /// As the database knows the authority: [`CertificateKey::issuer`].
    #[must_use]
    pub fn issuer(&self) -> &[u8; 32] {
        &self.issuer
    }

    /// Publishes until `end` comes. What fails is tried again; what was published holds meanwhile.
    pub async fn run(mut self, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                () = &mut end => return,
                _ = poll.tick() => {}
            }
            match self.turn().await {
                Ok(()) if failing => {
                    failing = false;
                    tracing::info!("what the authority says is published again");
                }
                Ok(()) => {}
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "what the authority says cannot be published");
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Reads the feed and does what is due.
    async fn turn(&mut self) -> Result<(), PublishError> {
        self.read_feed().await?;
        let now = Timestamp::now();
        if now > self.authority.validity().not_after {
            return Err(PublishError::Expired(self.authority.validity().not_after));
        }
        if self.due.look <= Instant::now() {
            self.due.answers = true;
        }
        // Answers first: a single one is out sooner than a long list.
        if self.due.answers {
            self.put_issuer().await?;
            self.publish_answers(now).await?;
            tables::purge(&self.database, now.minus(KEPT)).await.map_err(self.store("forgetting old OCSP answers"))?;
            self.due.answers = false;
            self.due.look = Instant::now() + LOOK;
        }
        if (self.due.lists || now >= self.due.renewal) && self.due.lists_from <= Instant::now() {
            let began = Instant::now();
            let lists = self.publish_lists(now).await?;
            self.due.lists = false;
            self.due.lists_from = Instant::now() + began.elapsed() * SHARE;
            self.due.renewal = now.plus(self.settings.crl.every);
            tracing::info!(
                authority = self.authority.name(),
                number = lists.full.number,
                octets = lists.full.der.len(),
                next_update = %lists.full.next_update,
                published = lists.is_published,
                "revocation list signed"
            );
        }
        Ok(())
    }

    async fn read_feed(&mut self) -> Result<(), PublishError> {
        loop {
            let read = self.database.changes(self.position.clone()).await;
            let (changes, position) = match read.map_err(self.store("reading the feed of changes"))? {
                Since::Changes(changes, position) => (changes, position),
                Since::Gap(position) => {
                    (self.due.lists, self.due.answers) = (true, true);
                    (Vec::new(), position)
                }
            };
            changes.iter().for_each(|change| self.take_up(change));
            self.position = Some(position);
            if changes.is_empty() {
                return Ok(());
            }
        }
    }

    fn take_up(&mut self, change: &Change) {
        // What is not a certificate's name may be any.
        let is_ours = || CertificateKey::of_name(&change.name).is_none_or(|key| key.issuer == self.issuer);
        match change.kind {
            // A batch of certificates is named by its first, and what it replaces by changes of its own.
            Changed::Certificate => self.due.answers |= is_ours(),
            Changed::Revocation | Changed::Flush => {
                let ours = is_ours();
                self.due.answers |= ours;
                self.due.lists |= ours;
            }
            Changed::Account | Changed::Credential => {}
        }
    }

    /// Publishes the authority's own certificate.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_issuer(&self) -> Result<(), PublishError> {
        let certificate = self.authority.certificate().to_vec();
        let issuer = StoredIssuer { issuer: self.issuer, certificate, above: self.above.clone() };
        tables::put_issuer(&self.database, issuer).await.map_err(self.store("publishing an authority's certificate"))
    }

    /// Signs all answers that are due, and says how many they were.
    ///
    /// # Errors
    /// When the database or a key fails; what was signed before that is published.
    pub async fn publish_answers(&mut self, now: Timestamp) -> Result<usize, PublishError> {
        const WHAT: &str = "publishing OCSP answers";
        let delegate = self.delegate(now).await?;
        let settings = &self.settings.ocsp;
        let mut signed = 0;
        loop {
            let signing = Signing {
                issuer: self.issuer,
                names: self.names.clone(),
                delegate: Arc::clone(&delegate),
                now,
                validity: settings.validity,
                every: settings.every,
            };
            let batch = tables::put_due_answers(&self.database, signing).await.map_err(|error| match error {
                AnswersError::Fault(fault) => self.store(WHAT)(fault),
                AnswersError::Issue(error) => error.into(),
            })?;
            signed += batch;
            if batch < BATCH {
                if signed > 0 {
                    tracing::debug!(authority = self.authority.name(), signed, "OCSP answers signed");
                }
                return Ok(signed);
            }
        }
    }

    /// Who signs answers: a new one in good time before the old one's end.
    async fn delegate(&mut self, now: Timestamp) -> Result<Arc<Delegate>, PublishError> {
        let validity = self.settings.ocsp.validity;
        // A delegate that ends with its authority has no successor that would live longer.
        let enough = now.plus(validity).min(self.authority.validity().not_after);
        if let Some(delegate) = self.delegate.as_ref().filter(|delegate| delegate.not_after() >= enough) {
            return Ok(Arc::clone(delegate));
        }
        let authority = Arc::clone(&self.authority);
        let made = tokio::task::spawn_blocking(move || Delegate::new(&authority, now, validity * DELEGATE_LIVES));
        let delegate = Arc::new(made.await.map_err(|_| PublishError::Broken)??);
        let entry = delegate.entry(&self.authority)?;
        if let Some(told) = &self.told {
            told.of_delegate(&entry.certificate, now).await?;
        }
        self.register.record(&entry, Replace::None, now).await?;
        let stored = tables::put_signer(&self.database, Arc::clone(&delegate)).await;
        stored.map_err(self.store("publishing the certificate of an OCSP signer"))?;
        tracing::info!(authority = self.authority.name(), not_after = %delegate.not_after(), "OCSP signer made");
        self.delegate = Some(Arc::clone(&delegate));
        Ok(delegate)
    }

    /// Makes the next list, and a delta list where they are wanted, and publishes both.
    ///
    /// # Errors
    /// When the register, the database or the authority's key fails.
    pub async fn publish_lists(&mut self, now: Timestamp) -> Result<Lists, PublishError> {
        self.put_issuer().await?;
        let edition = self.register.next_edition(&self.issuer).await?;
        let settings = self.settings.crl;
        let forgotten = now.minus(settings.every * 2);
        let entries: Arc<[Revoked]> =
            edition.listed.into_iter().filter_map(|listed| entry(listed, forgotten)).collect();
        let base = if settings.delta { self.base(now).await? } else { None };
        let work = Work {
            authority: Arc::clone(&self.authority),
            freshest: self.settings.url.as_ref().filter(|_| settings.delta).map(|url| delta_url(url, &self.issuer)),
            number: edition.number,
            now,
            full: settings.validity,
            delta: settings.delta.then_some(settings.every * 2),
            entries: Arc::clone(&entries),
            base: base.clone(),
        };
        let made = tokio::task::spawn_blocking(move || work.make()).await;
        let (full, delta) = made.map_err(|_| PublishError::Broken)??;
        if let Some(told) = &self.told {
            told.of_lists(&full, delta.as_ref(), now).await?;
        }
        let mut lists = vec![(Kind::Full, full.clone())];
        lists.extend(delta.clone().map(|delta| (Kind::Delta, delta)));
        let renews = settings.delta && base.as_ref().is_none_or(|base| now >= base.this_update.plus(settings.every));
        if renews {
            lists.push((Kind::Base, full.clone()));
        }
        let is_published = tables::put_lists(&self.database, self.issuer, lists).await;
        let is_published = is_published.map_err(self.store("publishing a revocation list"))?;
        self.base = match (is_published, renews) {
            (true, true) => Some(Base { number: full.number, this_update: now, entries }),
            (true, false) => base,
            // Somebody else may have made another base.
            (false, _) => None,
        };
        Ok(Lists { full, delta, is_published })
    }

    /// The list that deltas are made against: the one that is published, whoever made it.
    async fn base(&self, now: Timestamp) -> Result<Option<Base>, PublishError> {
        // Another node may have made a newer one; this one is in memory for as long as nobody needs to look.
        if let Some(base) = self.base.as_ref().filter(|base| now < base.this_update.plus(self.settings.crl.every)) {
            return Ok(Some(base.clone()));
        }
        let stored = tables::list(&self.database, self.issuer, Kind::Base).await;
        let Some(stored) = stored.map_err(self.store("reading a revocation list"))? else { return Ok(None) };
        let Ok(lists) = read(&Origin::Url("database".to_owned()), &*stored.der, &Limits::default()) else {
            return Ok(None);
        };
        let entries = lists.iter().flat_map(|list| list.entries()).map(|(_, serial, revocation)| Revoked {
            serial: serial.to_vec(),
            at: revocation.at,
            reason: reason(revocation.reason.code()),
        });
        Ok(Some(Base { number: stored.number, this_update: stored.this_update, entries: entries.collect() }))
    }

    fn store(&self, what: &'static str) -> impl Fn(Fault) -> PublishError {
        let store = self.database.name().to_owned();
        move |why| PublishError::Store { what, store: store.clone(), why }
    }
}

/// An entry of a whole list; none for what has stood in lists for long enough after it ran out (RFC 5280, section 3.3).
fn entry(listed: Listed, forgotten: Timestamp) -> Option<Revoked> {
    let Standing::Revoked(reason) = listed.standing else { return None };
    if listed.not_after.is_some_and(|end| end < forgotten) {
        return None;
    }
    Some(Revoked { serial: listed.serial, at: listed.at, reason: reason.code() })
}

fn reason(code: u8) -> CrlReason {
    match code {
        1 => CrlReason::KeyCompromise,
        2 => CrlReason::CaCompromise,
        3 => CrlReason::AffiliationChanged,
        4 => CrlReason::Superseded,
        5 => CrlReason::CessationOfOperation,
        6 => CrlReason::CertificateHold,
        9 => CrlReason::PrivilegeWithdrawn,
        10 => CrlReason::AaCompromise,
        _ => CrlReason::Unspecified,
    }
}

/// What making lists needs, on a thread that may block.
struct Work {
    authority: Arc<Authority>,
    freshest: Option<String>,
    number: u64,
    now: Timestamp,
    full: Duration,
    delta: Option<Duration>,
    entries: Arc<[Revoked]>,
    base: Option<Base>,
}

impl Work {
    fn make(&self) -> Result<(StoredList, Option<StoredList>), IssueError> {
        let end = self.authority.validity().not_after;
        let full = Form { freshest: self.freshest.clone(), ..Form::default() };
        let full = self.list(self.now.plus(self.full).min(end), &full, &self.entries)?;
        let Some(validity) = self.delta else { return Ok((full, None)) };
        let next_update = self.now.plus(validity).min(full.next_update);
        // Before the first base there is nothing that could have changed since.
        let (base, changes) = match &self.base {
            Some(base) => (base.number, crl::changes(&base.entries, &self.entries, self.now)),
            None => (self.number, Vec::new()),
        };
        let form = Form { base: Some(base), ..Form::default() };
        let delta = self.list(next_update, &form, &changes)?;
        Ok((full, Some(delta)))
    }

    fn list(&self, next_update: Timestamp, form: &Form, entries: &[Revoked]) -> Result<StoredList, IssueError> {
        let edition = Edition { number: self.number, this_update: self.now, next_update };
        let der = crl::make_in(&self.authority, edition, form, entries)?;
        Ok(StoredList { number: self.number, this_update: self.now, next_update, der: der.into() })
    }
}
