//! Why a certificate is revoked (RFC 5280, section 5.3.1): the words that stand in the database, on the command line
//! and, as numbers, in revocation lists and OCSP answers.

use crate::ca::crl::CrlReason;
use std::fmt;
use std::str::FromStr;

/// A CRLReason that one may revoke with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reason {
    /// None is told.
    #[default]
    Unspecified,
    /// Somebody else has, or may have, the key.
    KeyCompromise,
    /// Somebody else has, or may have, the key of the authority that this certificate is of.
    CaCompromise,
    /// What the certificate says of its subject is no longer so.
    AffiliationChanged,
    /// Another certificate takes its place.
    Superseded,
    /// It is no longer needed.
    CessationOfOperation,
    /// It does not count for now, and may count again.
    CertificateHold,
    /// A right that it gives was withdrawn.
    PrivilegeWithdrawn,
    /// Somebody else has, or may have, the key of the attribute authority.
    AaCompromise,
}

/// The text is no reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no reason to revoke a certificate: write one of {words}", words = Reason::words())]
pub struct NotAReason {
    text: String,
}

impl Reason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// As RFC 5280 writes it, and the database: `keyCompromise`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }

    /// As a revocation list and an OCSP answer hold it.
    #[must_use]
    pub fn code(self) -> CrlReason {
        match self {
            Self::Unspecified => CrlReason::Unspecified,
            Self::KeyCompromise => CrlReason::KeyCompromise,
            Self::CaCompromise => CrlReason::CaCompromise,
            Self::AffiliationChanged => CrlReason::AffiliationChanged,
            Self::Superseded => CrlReason::Superseded,
            Self::CessationOfOperation => CrlReason::CessationOfOperation,
            Self::CertificateHold => CrlReason::CertificateHold,
            Self::PrivilegeWithdrawn => CrlReason::PrivilegeWithdrawn,
            Self::AaCompromise => CrlReason::AaCompromise,
        }
    }

    /// What a word of the database comes to. Others than this program may write there: a word that is no reason of
    /// the RFC revokes all the same, without one.
    #[must_use]
    pub fn of_record(word: &str) -> Self {
        word.parse().unwrap_or_default()
    }

    fn words() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Reason {
    type Err = NotAReason;

    /// In upper or lower case, with or without hyphens: `keyCompromise`, `key-compromise`.
    fn from_str(text: &str) -> Result<Self, NotAReason> {
        let plain: String = text.chars().filter(|character| !matches!(character, '-' | '_')).collect();
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str().eq_ignore_ascii_case(&plain))
            .ok_or_else(|| NotAReason { text: text.chars().take(60).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_as_it_is_written_and_as_people_type_it() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(reason));
            assert_eq!(Reason::of_record(reason.as_str()), reason);
        }
        assert_eq!("key-compromise".parse(), Ok(Reason::KeyCompromise));
        assert_eq!("CACOMPROMISE".parse(), Ok(Reason::CaCompromise));
        assert!("removeFromCRL".parse::<Reason>().is_err(), "it is no reason to revoke");
        assert_eq!(Reason::of_record("lost"), Reason::Unspecified);
    }
}
