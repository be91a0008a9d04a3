//! What the publisher has signed with the authority's key, told to the history before anybody sees it: each revocation
//! list with its number and hash, and the certificate of each OCSP signer. So a list that the history does not know was
//! signed by somebody who has the key and is not this authority.

use super::tables::StoredList;
use crate::account::IssuedCertificate;
use crate::base::clock::Timestamp;
use crate::ca::history::recorder::{RecordError, Recorder};
use crate::ca::history::{Act, Entry};
use crate::certificate::facts::sha256;

/// A history, and whose lists and signers it is told of.
pub(super) struct Told {
    history: Recorder,
    issuer: [u8; 32],
    by: String,
}

impl Told {
    pub(super) fn new(history: Recorder, issuer: [u8; 32], by: &str) -> Self {
        Self { history, issuer, by: by.to_owned() }
    }

    /// Of the lists of one number.
    pub(super) async fn of_lists(
        &self,
        full: &StoredList,
        delta: Option<&StoredList>,
        now: Timestamp,
    ) -> Result<(), RecordError> {
        let entry = |list: &StoredList, kind: &str| Entry {
            issuer: Some(self.issuer.to_vec()),
            fingerprint: Some(sha256(&list.der).to_vec()),
            number: Some(list.number),
            not_after: Some(list.next_update),
            detail: Some(kind.to_owned()),
            ..Entry::new(Act::SignList, &self.by)
        };
        let delta = delta.map(|delta| entry(delta, "delta"));
        let entries = [entry(full, "whole")].into_iter().chain(delta).collect();
        self.history.write(now.into(), entries).await.map(drop)
    }

    /// Of the certificate of an OCSP signer.
    pub(super) async fn of_delegate(&self, certificate: &IssuedCertificate, now: Timestamp) -> Result<(), RecordError> {
        let entry = Entry {
            issuer: Some(self.issuer.to_vec()),
            serial: Some(certificate.key.serial.clone()),
            fingerprint: Some(certificate.fingerprint.to_vec()),
            profile: Some(certificate.profile.clone()),
            subject: Some(certificate.subject.clone()),
            not_after: Some(certificate.not_after),
            ..Entry::new(Act::DelegateOcsp, &self.by)
        };
        self.history.write(now.into(), vec![entry]).await.map(drop)
    }
}
