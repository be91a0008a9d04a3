//! Removing an account revokes the certificates that were issued to it. Where the history of the authority is at hand it
//! is told of each of them; where it is not, since another machine or another user keeps it, the next revocation list
//! that it records is the first to have them.

use crate::base::clock::Timestamp;
use crate::ca::history::recorder::Recorder;
use crate::ca::history::{Act, Entry, History, whoever_runs_this};
use crate::ca::register::{Listing, OnRecord, Reason, Register};
use crate::cli::{Failure, OrFail};
use crate::config::Config;
use crate::store::{Database, Deadlines};
use tokio::runtime::Handle;

const WHAT: &str = "recording that the certificates of an account are revoked";
const WHAT_TO_DO: &str = "look at the reason; nothing was removed";

/// The history, and what was told to it.
pub(super) struct Told {
    history: Recorder,
    entries: Vec<Entry>,
}

/// Tells the history of what removing an account revokes; `None` if there is nothing to tell, or no history here.
///
/// # Errors
/// When the register or the history fails; then nothing may be removed.
pub(super) async fn tell(config: &Config, username: &str, at: Timestamp) -> Result<Option<Told>, Failure> {
    let Some(section) = &config.authority else { return Ok(None) };
    let store = &config.authority_store();
    if store.foreign().is_some() || !History::of(&section.directory).exists() {
        return Ok(None);
    }
    let database = Database::open(store, Handle::current(), Deadlines::default()).await;
    let database = database.or_fail(WHAT, username, WHAT_TO_DO)?;
    let found = Register::new(database.clone()).list_all(&Listing::of(username)).await;
    let counts = |found: &OnRecord| match &found.revoked {
        None => true,
        Some(revocation) => revocation.reason == Reason::CertificateHold.as_str(),
    };
    let entries: Vec<Entry> =
        found.or_fail(WHAT, username, WHAT_TO_DO)?.into_iter().filter(counts).map(|found| entry(&found)).collect();
    if entries.is_empty() {
        return Ok(None);
    }
    let history = Recorder::of(&section.directory, database);
    history.write(at.into(), entries.clone()).await.or_fail(WHAT, username, WHAT_TO_DO)?;
    Ok(Some(Told { history, entries }))
}

fn entry(OnRecord { certificate, .. }: &OnRecord) -> Entry {
    Entry {
        account: certificate.username.clone(),
        issuer: Some(certificate.key.issuer.to_vec()),
        serial: Some(certificate.key.serial.clone()),
        fingerprint: Some(certificate.fingerprint.to_vec()),
        profile: Some(certificate.profile.clone()),
        subject: Some(certificate.subject.clone()),
        not_after: Some(certificate.not_after),
        reason: Some(Reason::CessationOfOperation.as_str().to_owned()),
        detail: Some("the account is removed".to_owned()),
        ..Entry::new(Act::Revoke, &whoever_runs_this())
    }
}

impl Told {
    /// Tells it that nothing came of that, as far as that is possible.
    pub(super) async fn retract(self, why: &str, at: Timestamp) {
        let failed = |entry: Entry| Entry {
            act: Act::Fail,
            reason: Some(why.to_owned()),
            detail: Some(Act::Revoke.as_str().to_owned()),
            ..entry
        };
        if let Err(error) = self.history.write(at.into(), self.entries.into_iter().map(failed).collect()).await {
            tracing::error!(%error, "revocations that were not done stand in the history as done");
        }
    }
}
