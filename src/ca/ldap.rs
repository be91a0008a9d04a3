//! Publishes people's certificates in an LDAP directory (RFC 4523), where those who write them encrypted mail find
//! them: on issue a certificate is added to its owner's entry, on revocation it is removed. Issuing never waits for the
//! directory: what is to be done there stands in the database (`queue`), and [`Publisher`] works it off, whenever the
//! directory is there. How the directory is spoken to is `client`'s business; `people` reads what stands there of people,
//! for the subjects of their certificates.

mod client;
mod people;
mod queue;

pub use client::{Obstacle, Unreachable};
pub use people::Entries;
pub(super) use queue::want;
pub use queue::{Pending, QueueError};

use crate::account::{Account, Directory, Lookup, Unavailable};
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::ca::pkcs7;
use crate::config::{Ldap, LdapAttribute, LdapForm, LdapValue, LookupKind};
use crate::store::Database;
use client::{Connection, Trouble};
use queue::{Job, Outcome, Queue};
use rustls_pki_types::CertificateDer;
use std::sync::Arc;
use std::time::Duration;

/// How often the queue is looked at.
const PERIOD: Duration = Duration::from_secs(2);

/// How long a directory that is down is left alone, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Publishes what the queue holds.
pub struct Publisher {
    settings: Ldap,
    queue: Queue,
    accounts: Arc<dyn Directory>,
    /// The authorities above the certificates, for the attributes that hold whole messages.
    chain: Vec<CertificateDer<'static>>,
}

/// Publishing broke off. What was not done is done the next time.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The directory cannot be used now.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// The database cannot.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The accounts cannot.
    #[error(transparent)]
    Accounts(#[from] Unavailable),
    /// The system gives no random octets.
    #[error("cannot tell this process from others: the system gives no random octets")]
    Random,
}

/// What was done in one go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Published {
    /// How many certificates the directory holds now.
    pub added: u32,
    /// How many it holds no more.
    pub removed: u32,
    /// How many must be tried again.
    pub postponed: u32,
    /// Whether somebody else is at it, so that nothing was done here.
    pub elsewhere: bool,
}

impl Publisher {
    /// Over the authority's database and the accounts of the gate. `chain` is put beside each certificate where an
    /// attribute holds whole messages.
    ///
    /// # Errors
    /// When the system gives no random octets.
    pub fn new(
        settings: Ldap,
        database: Database,
        accounts: Arc<dyn Directory>,
        chain: Vec<CertificateDer<'static>>,
    ) -> Result<Self, PublishError> {
        let mut holder = [0; 16];
        aws_lc_rs::rand::fill(&mut holder).map_err(|_| PublishError::Random)?;
        let queue = Queue::new(database, hex::encode(&holder));
        Ok(Self { settings, queue, accounts, chain })
    }

    /// Works the queue off until it is stopped. A directory that is down is tried again later and later, a minute at
    /// most.
    pub async fn run(&self, now: impl Fn() -> Timestamp) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.work(&now).await {
                Ok(_) => {
                    pause = FIRST_PAUSE;
                    tokio::time::sleep(PERIOD).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "certificates cannot be published in the directory for now");
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Does everything that is due now.
    ///
    /// # Errors
    /// When the directory, the database or the accounts cannot be asked.
    pub async fn work(&self, now: impl Fn() -> Timestamp) -> Result<Published, PublishError> {
        if !self.queue.has_work(now()).await? {
            return Ok(Published::default());
        }
        if !self.queue.lease(now()).await? {
            return Ok(Published { elsewhere: true, ..Published::default() });
        }
        let worked = self.work_leased(&now).await;
        // Without it others wait until the lease ends, which does no harm.
        let released = self.queue.release().await;
        let published = worked?;
        released?;
        Ok(published)
    }

    async fn work_leased(&self, now: &impl Fn() -> Timestamp) -> Result<Published, PublishError> {
        let mut published = Published::default();
        self.queue.follow(now()).await?;
        let mut connection = None;
        loop {
            let jobs = self.queue.due(now()).await?;
            if jobs.is_empty() {
                return Ok(published);
            }
            let connection = match &mut connection {
                Some(connection) => connection,
                slot => slot.insert(client::connect(&self.settings).await?),
            };
            for job in jobs {
                // Each job ends within a few timeouts, so that the lease holds for the next one.
                if !self.queue.lease(now()).await? {
                    return Ok(Published { elsewhere: true, ..published });
                }
                let outcome = match self.carry_out(connection, &job).await? {
                    Ok(dn) => Outcome::Done(dn),
                    Err(obstacle) => Outcome::Postponed(obstacle.to_string()),
                };
                match &outcome {
                    Outcome::Done(_) if job.wanted => published.added += 1,
                    Outcome::Done(_) => published.removed += 1,
                    Outcome::Postponed(why) => {
                        published.postponed += 1;
                        tracing::warn!(certificate = job.key.name(), account = job.username, why, "not published");
                    }
                }
                self.queue.close(&job, outcome, now()).await?;
            }
        }
    }

    /// Does one job, and says in which entry. The outer error breaks everything off.
    async fn carry_out(
        &self,
        connection: &mut Connection,
        job: &Job,
    ) -> Result<Result<Option<String>, Obstacle>, PublishError> {
        let lookup = Lookup { kind: LookupKind::Username, name: job.username.clone() };
        let account = self.accounts.find(&lookup).await?.into_iter().find(|account| lookup.matches(account));
        match self.change(connection, job, account.as_ref()).await {
            Ok(dn) => Ok(Ok(dn)),
            Err(Trouble::Obstacle(obstacle)) => Ok(Err(obstacle)),
            Err(Trouble::Unreachable(error)) => Err(error.into()),
        }
    }

    async fn change(
        &self,
        connection: &mut Connection,
        job: &Job,
        account: Option<&Account>,
    ) -> Result<Option<String>, Trouble> {
        let certificate = job.certificate.as_deref().ok_or(Obstacle::NoCertificate)?;
        let values = self
            .settings
            .attributes
            .iter()
            .map(|attribute| Ok((attribute, self.value(attribute, certificate)?)))
            .collect::<Result<Vec<_>, Obstacle>>()?;
        // What was put into an entry is removed from that one, whoever the account belongs to by now.
        if let Some(dn) = job.dn.as_ref().filter(|_| !job.wanted)
            && set(connection, dn, certificate, &values, false).await?
        {
            return Ok(job.dn.clone());
        }
        let dn = match self.entry(connection, job, account).await {
            Ok(dn) => dn,
            // Where there is no entry there is no certificate in it.
            Err(Trouble::Obstacle(Obstacle::NoEntry(_) | Obstacle::NoAccount(_) | Obstacle::NoValue(_)))
                if !job.wanted =>
            {
                return Ok(None);
            }
            Err(trouble) => return Err(trouble),
        };
        if set(connection, &dn, certificate, &values, job.wanted).await? || !job.wanted {
            return Ok(Some(dn));
        }
        // It was removed since it was found.
        Err(Obstacle::NoEntry(dn).into())
    }

    async fn entry(
        &self,
        connection: &mut Connection,
        job: &Job,
        account: Option<&Account>,
    ) -> Result<String, Trouble> {
        let account = account.ok_or_else(|| Obstacle::NoAccount(job.username.clone()))?;
        let filter = filter_of(&self.settings, account).ok_or_else(|| Obstacle::NoValue(job.username.clone()))?;
        connection.find(&self.settings.base, &filter).await
    }

    /// What is added to an attribute for a certificate.
    fn value(&self, attribute: &LdapAttribute, certificate: &[u8]) -> Result<Vec<u8>, Obstacle> {
        match attribute.form {
            LdapForm::Certificate => Ok(certificate.to_vec()),
            LdapForm::Message => {
                let leaf = CertificateDer::from(certificate.to_vec());
                pkcs7::certs_only(std::iter::once(&leaf).chain(&self.chain))
                    .map_err(|_| Obstacle::Form(attribute.description.clone()))
            }
        }
    }

    /// What is not done yet, the next first; a thousand at most.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pending(&self) -> Result<Vec<Pending>, PublishError> {
        Ok(self.queue.pending().await?)
    }
}

/// The filter that finds an account's entry; `None` if the account lacks a value that it needs.
fn filter_of(settings: &Ldap, account: &Account) -> Option<String> {
    settings.filter.render(|value| match value {
        LdapValue::Username => Some(account.username.as_str()),
        LdapValue::Email => account.email.as_deref(),
        LdapValue::Name => account.display_name.as_deref(),
    })
}

/// Sets every attribute; `false` if there is no such entry.
async fn set(
    connection: &mut Connection,
    dn: &str,
    certificate: &[u8],
    values: &[(&LdapAttribute, Vec<u8>)],
    present: bool,
) -> Result<bool, Trouble> {
    for (attribute, value) in values {
        if !connection.set(dn, &attribute.description, (certificate, value), present).await? {
            return Ok(false);
        }
    }
    Ok(true)
}
