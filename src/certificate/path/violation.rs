//! That a certificate breaks a rule which the certificates above it on the path, or whoever asks, have made.

/// A certificate of a path breaks a rule that concerns its names or its policies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail} ({section})")]
pub struct Violation {
    /// What is wrong with it, so that it reads on behind the certificate's name: `has malformed …`. What
    /// stands in it from the certificate is escaped and cut.
    pub detail: String,
    /// The section that it does not fulfil: `RFC 5280, 6.1.3(b)`.
    pub section: &'static str,
}

impl Violation {
    pub(super) fn new(section: &'static str, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), section }
    }
}
