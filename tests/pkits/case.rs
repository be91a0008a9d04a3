//! What a test of the NIST document is made of: certificates, lists, settings, and what comes out.

use std::fmt;
use wicketgate::revocation::crl::RevocationReason;

/// The policy OIDs of the suite are 2.16.840.1.101.3.2.1.48.N; a table names them by N, and anyPolicy by this.
pub(crate) const ANY: &str = "any";

/// One test, or one part of a test that the document runs with several settings.
pub(crate) struct Case {
    /// `4.8.1`, or `4.8.1/2` for the second part.
    pub(crate) number: &'static str,
    /// Its name in the document.
    pub(crate) name: &'static str,
    /// Files of `certs` between the trust anchor and the end certificate, in the order of the path. A signer of
    /// revocation lists stands among them.
    pub(crate) intermediates: &'static [&'static str],
    /// The file of the end certificate.
    pub(crate) leaf: &'static str,
    /// Files of `crls`, beside the trust anchor's.
    pub(crate) lists: &'static [&'static str],
    /// initial-policy-set.
    pub(crate) user_policies: &'static [&'static str],
    /// initial-explicit-policy.
    pub(crate) explicit_policy: bool,
    /// initial-policy-mapping-inhibit.
    pub(crate) inhibit_mapping: bool,
    /// initial-inhibit-any-policy.
    pub(crate) inhibit_any: bool,
    /// What comes out.
    pub(crate) expected: Expected,
}

/// What the document says of a path, and by which section of RFC 5280 a refused one fails.
#[derive(Clone, Copy)]
pub(crate) enum Expected {
    /// It validates.
    Valid,
    /// It validates, and this is the user-constrained-policy-set.
    ValidFor(&'static [&'static str]),
    /// It does not, by this section.
    Refused(&'static str),
    /// The path does, and the lists revoke a certificate of it, for this reason.
    Revoked(RevocationReason),
    /// The path does, and the lists say nothing of one of its certificates that may be believed.
    Unknown,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid => f.write_str("valid"),
            Self::ValidFor(policies) => write!(f, "valid for {policies:?}"),
            Self::Refused(section) => write!(f, "refused by {section}"),
            Self::Revoked(reason) => write!(f, "revoked: {reason:?}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// A test with the default settings whose path validates.
pub(crate) const fn case(
    number: &'static str,
    name: &'static str,
    intermediates: &'static [&'static str],
    leaf: &'static str,
    lists: &'static [&'static str],
) -> Case {
    Case {
        number,
        name,
        intermediates,
        leaf,
        lists,
        user_policies: &[ANY],
        explicit_policy: false,
        inhibit_mapping: false,
        inhibit_any: false,
        expected: Expected::Valid,
    }
}

impl Case {
    pub(crate) const fn user_policies(mut self, policies: &'static [&'static str]) -> Self {
        self.user_policies = policies;
        self
    }

    pub(crate) const fn explicit(mut self) -> Self {
        self.explicit_policy = true;
        self
    }

    pub(crate) const fn without_mapping(mut self) -> Self {
        self.inhibit_mapping = true;
        self
    }

    pub(crate) const fn without_any(mut self) -> Self {
        self.inhibit_any = true;
        self
    }

    pub(crate) const fn valid_for(mut self, policies: &'static [&'static str]) -> Self {
        self.expected = Expected::ValidFor(policies);
        self
    }

    pub(crate) const fn refused(mut self, section: &'static str) -> Self {
        self.expected = Expected::Refused(section);
        self
    }

    pub(crate) const fn revoked(mut self, reason: RevocationReason) -> Self {
        self.expected = Expected::Revoked(reason);
        self
    }

    pub(crate) const fn unknown(mut self) -> Self {
        self.expected = Expected::Unknown;
        self
    }
}
