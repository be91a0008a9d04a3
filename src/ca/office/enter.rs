//! How certificates that are signed come on record: the history is told of them and of those that they replace, then
//! the register does both in one transaction, and what it did not do is taken back in the history.

use super::recorder::{Act, Deed};
use super::{Office, OfficeError};
use crate::account::CertificateKey;
use crate::base::clock::Timestamp;
use crate::ca::register::{Entry, Reason, Recorded, Refused};
use std::collections::HashMap;

impl Office {
    /// Tells the history of certificates and of those that they replace, and records the ones and revokes the others;
    /// the outcomes are in their order. What is on record already is told again, and recorded once.
    ///
    /// # Errors
    /// When the history or the register takes none of them.
    pub async fn enter_all(
        &self,
        entries: &[Entry],
        deed: Deed,
        by: &str,
        now: Timestamp,
    ) -> Result<Vec<Result<Recorded, Refused>>, OfficeError> {
        let acts: Vec<Act> = entries
            .iter()
            .map(|entry| Act {
                deed,
                by: by.to_owned(),
                key: entry.certificate.key.clone(),
                certificate: Some(entry.certificate.clone()),
                reason: None,
                at: now,
            })
            .collect();
        let foreseen = self.register.replaced_by(entries, self.replace, now).await?;
        let issuing: HashMap<&CertificateKey, &Act> = acts.iter().map(|act| (&act.key, act)).collect();
        let revocations: Vec<Act> = foreseen
            .iter()
            .filter_map(|replaced| Some(superseding(issuing.get(&replaced.by)?, &replaced.key)))
            .collect();
        let told: Vec<Act> = acts.iter().chain(&revocations).cloned().collect();
        self.recorder.record(&told).await?;
        let outcomes = match self.register.record_all(entries.to_vec(), self.replace, now).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                for act in &told {
                    self.recorder.retract(act, &error.to_string()).await;
                }
                return Err(error.into());
            }
        };
        let mut done: HashMap<&CertificateKey, &Act> = HashMap::new();
        for (act, outcome) in acts.iter().zip(&outcomes) {
            match outcome {
                Ok(Recorded::Now(superseded)) => done.extend(superseded.iter().map(|key| (key, act))),
                Ok(Recorded::Before) => {}
                Err(refused) => self.recorder.retract(act, &refused.to_string()).await,
            }
        }
        for revocation in &revocations {
            if done.remove(&revocation.key).is_none() {
                self.recorder.retract(revocation, "it was not replaced after all").await;
            }
        }
        self.tell_late(done.into_iter().map(|(key, act)| superseding(act, key)).collect()).await;
        Ok(outcomes)
    }

    /// Tells of revocations that nobody foresaw, since what they revoke came on record in the moment between. They are
    /// done, and so are the certificates that replace what they revoke: whoever waits for those gets them.
    async fn tell_late(&self, revocations: Vec<Act>) {
        if revocations.is_empty() {
            return;
        }
        if let Err(error) = self.recorder.record(&revocations).await {
            for revocation in &revocations {
                let certificate = revocation.key.name();
                tracing::error!(%error, certificate, "a certificate was revoked as superseded, and the history does not say so");
            }
        }
    }
}

fn superseding(act: &Act, key: &CertificateKey) -> Act {
    let reason = Some(Reason::Superseded.to_string());
    Act { deed: Deed::Revoke, key: key.clone(), certificate: None, reason, ..act.clone() }
}
