//! What the authority publishes, and when.

use std::time::Duration;

/// What the authority publishes of its certificates, and when.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Publishing {
    /// Below which URL everybody finds it: `http://pki.example.org`. Certificates say so,
    /// and lists where the deltas are.
    pub url: Option<String>,
    /// Revocation lists.
    pub crl: PublishedLists,
    /// OCSP answers.
    pub ocsp: PublishedAnswers,
}

/// When revocation lists are made. A revocation makes one at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedLists {
    /// How long one holds.
    pub validity: Duration,
    /// How long after one the next is made, if nothing happens.
    pub every: Duration,
    /// Whether there are delta lists, too.
    pub delta: bool,
}

/// When OCSP answers are signed. A revocation has its own signed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedAnswers {
    /// How long one holds.
    pub validity: Duration,
    /// How long after one the next is signed, if nothing happens.
    pub every: Duration,
}

const HOUR: Duration = Duration::from_secs(60 * 60);

impl Default for PublishedLists {
    fn default() -> Self {
        Self { validity: HOUR * 24 * 7, every: HOUR * 24, delta: false }
    }
}

impl Default for PublishedAnswers {
    fn default() -> Self {
        Self { validity: HOUR * 24, every: HOUR * 8 }
    }
}
