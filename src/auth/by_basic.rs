//! Gathers what a request's Basic credentials say: who they are for, by `account`, and whether the password is right,
//! by `basic`.

use super::decision::{CredentialEvidence, Finding};
use super::{Authenticator, CredentialFinding, Proof, Stored, basic};
use crate::account::Lookup;
use crate::account::password::Password;
use crate::config::{LookupKind, Method};
use std::net::IpAddr;
use std::sync::Arc;

const WRONG: Finding<CredentialEvidence> = Finding::Known(CredentialEvidence::Wrong(Method::Basic));

impl Authenticator {
    /// Verifies a request's Basic credentials: `authorization` holds the values of its `Authorization` headers, `client` is
    /// the address that they come from.
    pub async fn basic(&self, authorization: &[&[u8]], client: IpAddr) -> CredentialFinding {
        let Some(verifier) = &self.basic else { return CredentialFinding::of(Finding::NotAsked) };
        let credentials = match basic::Credentials::parse_all(authorization.iter().copied()) {
            Ok(Some(credentials)) => credentials,
            Ok(None) => return CredentialFinding::of(Finding::Known(CredentialEvidence::Absent)),
            Err(error) => {
                let malformed = CredentialFinding::of(Finding::Known(CredentialEvidence::Malformed));
                return malformed.because(&error.to_string());
            }
        };
        let username = credentials.username();
        let attempt = match self.attempt(username, client).await {
            Ok(attempt) => attempt,
            Err(held) => return held.by(username),
        };
        let lookup = Lookup { kind: LookupKind::Username, name: username.to_owned() };
        // Both are asked whatever the first says, and something is hashed in any case, so that a user who does not
        // exist takes as long.
        let account = self.accounts.find(&lookup).await;
        let stored = self.accounts.password(username).await;
        let found = |evidence| CredentialFinding::of(evidence).by(username);
        let (account, stored) = match (account, stored) {
            (Ok(account), Ok(stored)) => (self.person(&account.accounts), stored),
            (Err(error), _) | (_, Err(error)) => return found(Finding::Unavailable).because(&error.to_string()),
        };
        // A password without an account is nobody's.
        let known = account.zip(stored);
        let outcome = verifier.verify(&credentials, known.as_ref().map(|(_, stored)| stored), &attempt.effort()).await;
        match outcome {
            basic::Outcome::Crowded => attempt.without_answer(),
            outcome => attempt.settle(outcome == basic::Outcome::Right),
        }
        match (outcome, known) {
            (basic::Outcome::Right, Some((account, stored))) => {
                if stored.hash.is_outdated() {
                    self.hash_anew(verifier, &credentials, &account.username, &stored);
                }
                let proof = Proof {
                    username: account.username.clone(),
                    stored: Stored::Hash { realm: Arc::clone(verifier.realm()), password: stored },
                };
                let right = found(Finding::Known(CredentialEvidence::Right(Method::Basic, account)));
                CredentialFinding { proof: Some(Arc::new(proof)), ..right }
            }
            (basic::Outcome::Crowded, _) => CredentialFinding {
                retry_after: Some(basic::COME_AGAIN),
                ..found(Finding::Known(CredentialEvidence::Crowded)).because("too many passwords wait to be hashed")
            },
            (basic::Outcome::Wrong, Some(_)) => found(WRONG).because("wrong_password"),
            (_, None) => found(WRONG).because("unknown_user"),
        }
    }

    /// Puts a new hash in the place of an outdated one, where the store is ours and lets us. Nobody waits for it.
    fn hash_anew(
        &self,
        verifier: &Arc<basic::Verifier>,
        credentials: &basic::Credentials,
        username: &str,
        stored: &Password,
    ) {
        let Some(set) = stored.set else { return };
        let (verifier, accounts) = (Arc::clone(verifier), Arc::clone(&self.accounts));
        let (credentials, username) = (credentials.clone(), username.to_owned());
        tokio::spawn(async move {
            let Some(hash) = verifier.rehash(&credentials).await else { return };
            match accounts.rehash(&username, set, &hash).await {
                Ok(done) => {
                    verifier.rehashed(true);
                    tracing::info!(username, done, "an outdated hash of a password was hashed anew");
                }
                Err(error) => {
                    verifier.rehashed(false);
                    let help = "`db grants --rehash` prints what lets the gate hash them anew";
                    tracing::info!(%error, "outdated hashes of passwords stay as they are; {help}");
                }
            }
        });
    }
}
