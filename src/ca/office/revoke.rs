//! Taking certificates back, and removing them from hold. It needs no key of the authority: whoever may write the
//! register may do it.

use super::recorder::{Act, Deed, NotRecorded, Recorder};
use crate::account::CertificateKey;
use crate::base::clock::Timestamp;
use crate::ca::register::{OnRecord, Question, Reason, Register, RegisterError, Revocation, Revoked};
use std::sync::Arc;

/// A certificate is not revoked, or not removed from hold.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// The register refuses, or does not answer.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The history does not take it.
    #[error(transparent)]
    NotRecorded(#[from] NotRecorded),
}

/// Revokes, and keeps the history of it. Cloning it is cheap.
#[derive(Clone)]
pub struct Revoker {
    register: Register,
    recorder: Arc<dyn Recorder>,
}

impl Revoker {
    /// Over a register, with its history.
    #[must_use]
    pub fn new(register: Register, recorder: Arc<dyn Recorder>) -> Self {
        Self { register, recorder }
    }

    /// Revokes a certificate, or puts it on hold; as [`Register::revoke`]. `by` is who has it done.
    ///
    /// # Errors
    /// When the history or the register does not take it; then nothing has changed.
    pub async fn revoke(
        &self,
        key: &CertificateKey,
        reason: Reason,
        by: &str,
        at: Timestamp,
    ) -> Result<Revoked, RevokeError> {
        let act = self.act(Deed::Revoke, key, Some(reason), by, at).await?;
        self.recorder.record(std::slice::from_ref(&act)).await?;
        let done = self.register.revoke(key, at, reason).await;
        Ok(self.or_retract(&act, done).await?)
    }

    /// Removes a certificate from hold; as [`Register::release`].
    ///
    /// # Errors
    /// As [`Revoker::revoke`], and when it is not on hold.
    pub async fn release(&self, key: &CertificateKey, by: &str, at: Timestamp) -> Result<Revocation, RevokeError> {
        let act = self.act(Deed::Release, key, None, by, at).await?;
        self.recorder.record(std::slice::from_ref(&act)).await?;
        let done = self.register.release(key, at).await;
        Ok(self.or_retract(&act, done).await?)
    }

    async fn act(
        &self,
        deed: Deed,
        key: &CertificateKey,
        reason: Option<Reason>,
        by: &str,
        at: Timestamp,
    ) -> Result<Act, RegisterError> {
        let found: Option<OnRecord> = self.register.find(&Question::Key(key.clone())).await?.into_iter().next();
        Ok(Act {
            deed,
            by: by.to_owned(),
            key: key.clone(),
            certificate: found.map(|found| found.certificate),
            reason: reason.map(|reason| reason.to_string()),
            at,
        })
    }

    async fn or_retract<T>(&self, act: &Act, done: Result<T, RegisterError>) -> Result<T, RegisterError> {
        if let Err(error) = &done {
            self.recorder.retract(act, &error.to_string()).await;
        }
        done
    }
}
