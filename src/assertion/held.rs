//! The assertions of one connection. One is made for each account and audience, and serves all requests until half of
//! its life is over or what it says is no longer so: a changed group or address makes another one.

use super::{Assertion, Issuer, Subject, Terms};
use crate::base::clock::Timestamp;
use crate::jose::JoseError;

/// How many are kept: a connection that speaks for more accounts and audiences than this pays with signatures.
const MOST: usize = 16;

/// What one connection's upstreams have been told under a signature.
#[derive(Debug, Default)]
pub struct Held(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    terms: Terms,
    subject: Subject,
    assertion: Assertion,
}

impl Held {
    /// The assertion for these terms and this subject at this time: the one that is held, or a new one.
    ///
    /// # Errors
    /// When a new one is needed and cannot be signed.
    pub fn assertion(
        &mut self,
        issuer: &Issuer,
        terms: &Terms,
        subject: Subject,
        at: Timestamp,
    ) -> Result<Assertion, JoseError> {
        let same = |entry: &Entry| entry.terms == *terms && entry.subject == subject;
        if let Some(entry) = self.0.iter().find(|entry| same(entry) && at < entry.assertion.renew_at) {
            return Ok(entry.assertion.clone());
        }
        let assertion = issuer.issue(terms, &subject, at)?;
        self.0.retain(|entry| !same(entry));
        if self.0.len() == MOST {
            self.0.remove(0);
        }
        self.0.push(Entry { terms: terms.clone(), subject, assertion: assertion.clone() });
        Ok(assertion)
    }

    /// Forgets all of them: another configuration may sign by other keys.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
