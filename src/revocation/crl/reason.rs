//! Why a certificate was revoked (RFC 5280, section 5.3.1).

/// Why a certificate was revoked (RFC 5280, section 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationReason {
    /// The list does not say.
    Unspecified,
    /// The holder's key is in wrong hands.
    KeyCompromise,
    /// The authority's key is in wrong hands.
    CaCompromise,
    /// A name or other information changed.
    AffiliationChanged,
    /// There is another certificate for it.
    Superseded,
    /// It is needed no more.
    CessationOfOperation,
    /// It is suspended and may come back.
    CertificateHold,
    /// It came back, which only a delta list can say; in a whole list it counts as revoked.
    RemoveFromCrl,
    /// A right that it stated is gone.
    PrivilegeWithdrawn,
    /// The attribute authority's key is in wrong hands.
    AaCompromise,
}

impl RevocationReason {
    /// The reason with this code in a CRLReason; 7 is none.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Unspecified,
            1 => Self::KeyCompromise,
            2 => Self::CaCompromise,
            3 => Self::AffiliationChanged,
            4 => Self::Superseded,
            5 => Self::CessationOfOperation,
            6 => Self::CertificateHold,
            8 => Self::RemoveFromCrl,
            9 => Self::PrivilegeWithdrawn,
            10 => Self::AaCompromise,
            _ => return None,
        })
    }

    /// Its code in a CRLReason.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::RemoveFromCrl => 8,
            Self::PrivilegeWithdrawn => 9,
            Self::AaCompromise => 10,
        }
    }

    /// The name that RFC 5280 gives it: `keyCompromise`.
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
            Self::RemoveFromCrl => "removeFromCRL",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_has_a_reason_is_that_reasons_code() {
        let known: Vec<u8> = (0..=255).filter(|code| RevocationReason::from_code(*code).is_some()).collect();
        assert_eq!(known, [0, 1, 2, 3, 4, 5, 6, 8, 9, 10]);
        assert!(known.iter().all(|code| RevocationReason::from_code(*code).map(RevocationReason::code) == Some(*code)));
    }
}
