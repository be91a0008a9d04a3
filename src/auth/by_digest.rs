//! HTTP Digest as evidence: from a request's credentials, through the account and its HA1, to what `decision` is
//! told. In three steps, so that nothing is asked of a database, and no body is read, for credentials that could not
//! be right anyway: [`Authenticator::read_digest`], [`Authenticator::examine_digest`],
//! [`Authenticator::verify_digest`].

use super::decision::{CredentialEvidence, Finding};
use super::digest::{self, Asked, Credentials, Examined, NoRealm, Outcome, User, Verified};
use super::{Authenticator, CredentialFinding, Proof, Stored, sole};
use crate::account::{Lookup, Unavailable};
use crate::config::{LookupKind, Method};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

/// What is wrong with credentials is for the log.
const WRONG: CredentialEvidence = CredentialEvidence::Wrong(Method::Digest);

impl Authenticator {
    /// What verifies Digest credentials, if they are configured.
    #[must_use]
    pub fn digest(&self) -> Option<&digest::Verifier> {
        self.digest.as_deref()
    }

    /// Reads a request's Digest credentials: `authorization` holds the values of its `Authorization` headers,
    /// `realm` is what [`digest::Verifier::realm`] says of it.
    ///
    /// # Errors
    /// What there is to say instead: that there are none, or that they cannot be used.
    pub fn read_digest<'a>(
        &self,
        authorization: impl IntoIterator<Item = &'a [u8]>,
        realm: &Result<&str, NoRealm>,
    ) -> Result<Credentials, CredentialFinding> {
        let Some(verifier) = &self.digest else { return Err(CredentialFinding::of(Finding::NotAsked)) };
        let malformed = |why: String| CredentialFinding {
            why: Some(why),
            ..CredentialFinding::of(Finding::Known(CredentialEvidence::Malformed))
        };
        let credentials = match Credentials::parse_all(authorization) {
            Ok(Some(credentials)) => credentials,
            Ok(None) => return Err(CredentialFinding::of(Finding::Known(CredentialEvidence::Absent))),
            Err(error) => return Err(malformed(error.to_string())),
        };
        match realm {
            Ok(_) => Ok(credentials),
            Err(error) => Err(malformed(format!("{}: {error}", verifier.realm_header().unwrap_or_default()))),
        }
    }

    /// Judges all of the credentials that can be judged without a database.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn examine_digest<'a>(
        &'a self,
        credentials: &'a Credentials,
        asked: &Asked<'a>,
    ) -> Result<Examined<'a>, CredentialFinding> {
        let Some(verifier) = &self.digest else { return Err(CredentialFinding::of(Finding::NotAsked)) };
        verifier.examine(credentials, asked).map_err(|wrong| CredentialFinding {
            why: Some(wrong.as_str().to_owned()),
            username: Some(credentials.username().to_owned()),
            realm: Some(asked.realm.into()),
            ..CredentialFinding::of(Finding::Known(WRONG))
        })
    }

    /// Asks for the account and its HA1, and verifies the response. `body` is the request's where the response
    /// [covers](Examined::covers_body) it, `client` the address that it comes from.
    pub async fn verify_digest(&self, examined: Examined<'_>, body: &[u8], client: IpAddr) -> CredentialFinding {
        let (realm, hash) = (examined.realm(), examined.hash());
        let finding = |username: &str, evidence, why: Option<String>| CredentialFinding {
            why,
            username: Some(username.to_owned()),
            realm: Some(realm.into()),
            ..CredentialFinding::of(evidence)
        };
        let (User::Named(sent) | User::Hashed(sent)) = examined.user();
        if let Some(why) = examined.stale_unread() {
            return finding(sent, Finding::Known(CredentialEvidence::Stale), Some(why.as_str().to_owned()));
        }
        let held =
            |held: CredentialFinding, name: &str| CredentialFinding { realm: Some(realm.into()), ..held.by(name) };
        // By what was sent, be it a name or the hash of one: the address has its turn before anything is asked.
        let attempt = match self.attempt(sent, client).await {
            Ok(attempt) => attempt,
            Err(why) => return held(why, sent),
        };
        let name = match self.name_of(&examined).await {
            Ok(name) => name,
            Err(error) => {
                return finding(sent, Finding::Unavailable, Some(error.to_string()));
            }
        };
        let lookup = Lookup { kind: LookupKind::Username, name: name.into_owned() };
        let attempt = match attempt.at_name(&lookup.name, client).await {
            Ok(attempt) => attempt,
            Err(why) => return held(CredentialFinding::held(why), &lookup.name),
        };
        // Both are asked whatever the first says, so that a user who does not exist takes as long.
        let account = self.named(&lookup).await;
        let ha1 = self.ha1(&lookup.name, realm, hash).await;
        let (account, ha1) = match (account, ha1) {
            (Ok(account), Ok(ha1)) => (sole(&account).cloned(), ha1),
            (Err(error), _) | (_, Err(error)) => {
                return finding(&lookup.name, Finding::Unavailable, Some(error.to_string()));
            }
        };
        let Verified { outcome, authentication_info } = examined.verify(ha1.as_deref(), body);
        match &outcome {
            // A right answer that is used again is no guess, nor is one to a nonce that has grown old.
            Outcome::Wrong(digest::Wrong::Replayed) => drop(attempt),
            Outcome::Wrong(_) => attempt.settle(false),
            Outcome::Right | Outcome::Stale(_) => attempt.settle(account.is_some()),
        }
        let name = lookup.name;
        let known = |evidence, why: &str| finding(&name, Finding::Known(evidence), Some(why.to_owned()));
        match (outcome, account) {
            (Outcome::Right, Some(account)) => {
                let username = account.username.clone();
                let proof = ha1.map(|ha1| Proof {
                    username,
                    stored: Stored::Ha1 { realm: realm.to_owned(), algorithm: hash, ha1 },
                });
                let right = finding(&name, Finding::Known(CredentialEvidence::Right(Method::Digest, account)), None);
                let authentication_info = authentication_info.map(String::into_boxed_str);
                CredentialFinding { proof: proof.map(Arc::new), authentication_info, ..right }
            }
            (Outcome::Right, None) => known(WRONG, digest::Wrong::UnknownUser.as_str()),
            (Outcome::Stale(why), _) => known(CredentialEvidence::Stale, why.as_str()),
            (Outcome::Wrong(why), _) => known(WRONG, why.as_str()),
        }
    }

    /// The user name that credentials are for. A hash that is nobody's is looked up like a name, so that it takes as
    /// long as one that is somebody's.
    async fn name_of<'a>(&self, examined: &Examined<'a>) -> Result<Cow<'a, str>, Unavailable> {
        Ok(match examined.user() {
            User::Named(name) => Cow::Borrowed(name),
            User::Hashed(hashed) => {
                let name = self.accounts.username_of(hashed, examined.realm(), examined.hash()).await?;
                name.map_or(Cow::Borrowed(hashed), |name| Cow::Owned(name.as_ref().to_owned()))
            }
        })
    }
}

#[cfg(test)]
mod tests;
