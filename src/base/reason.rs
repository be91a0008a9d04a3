//! Why a request was refused: one enum, whose `snake_case` names are what logs, metrics, headers,
//! pages and `wicketgate explain` all show. Which HTTP status a reason becomes is decided in
//! `proxy::reply` alone.

use std::fmt;
use std::str::FromStr;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// Why a request was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Reason { $($(#[$doc])* $variant,)+ }

        impl Reason {
            /// Every reason there is, in the order of the design's list.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)+];

            /// The reason's `snake_case` name, the same wherever it is shown.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$variant => $name,)+ }
            }
        }
    };
}

reasons! {
    /// The route wants a client certificate and none was presented.
    CertificateRequired = "certificate_required",
    /// No valid path leads from the certificate to a configured authority.
    CertificateUntrusted = "certificate_untrusted",
    /// A certificate of the path is past its notAfter.
    CertificateExpired = "certificate_expired",
    /// A certificate of the path is before its notBefore.
    CertificateNotYetValid = "certificate_not_yet_valid",
    /// A certificate of the path was revoked by its issuer or in our database.
    CertificateRevoked = "certificate_revoked",
    /// Key usage, extended key usage, depth or a constraint forbids this use.
    CertificateUnsuitable = "certificate_unsuitable",
    /// A revocation source that must answer had no current answer.
    RevocationUnknown = "revocation_unknown",
    /// No identity rule yielded a name.
    IdentityMissing = "identity_missing",
    /// A name in the certificate cannot be a name: NUL, control characters, mixed scripts, too long.
    IdentityInvalid = "identity_invalid",
    /// The certificate leads to more than one account.
    IdentityAmbiguous = "identity_ambiguous",
    /// The trust set, or the rule that named the account, does not accept this issuer.
    IssuerNotAllowed = "issuer_not_allowed",
    /// No account has this name.
    AccountUnknown = "account_unknown",
    /// The account is locked or closed.
    AccountInactive = "account_inactive",
    /// The request names somebody else than its credentials do.
    ClaimMismatch = "claim_mismatch",
    /// The account may not use this route.
    NotAuthorized = "not_authorized",
    /// Digest credentials were wrong.
    DigestFailed = "digest_failed",
    /// A hand-over from another site did not hold.
    HandoverRefused = "handover_refused",
    /// A password was wrong, or the user unknown.
    BasicFailed = "basic_failed",
    /// Too many failures; locked for a while.
    LockedOut = "locked_out",
    /// Too many requests.
    RateLimited = "rate_limited",
    /// The request is malformed or ambiguous.
    BadRequest = "bad_request",
    /// No route matches the request.
    NoRoute = "no_route",
    /// The routes of this host and path are for other methods.
    MethodNotAllowed = "method_not_allowed",
    /// Head or body is larger than allowed.
    TooLarge = "too_large",
    /// The request is for a host with another policy than the TLS session was made for.
    Misdirected = "misdirected",
    /// The gate holds as much in memory as it may, in all or for this address.
    Overloaded = "overloaded",
    /// The account store gave no answer.
    AccountsUnavailable = "accounts_unavailable",
    /// The upstream could not be reached or broke off.
    UpstreamUnavailable = "upstream_unavailable",
    /// All servers of the upstream have as much to do as they may have.
    UpstreamBusy = "upstream_busy",
    /// The request has passed the gate before: the upstream leads back to it.
    LoopDetected = "loop_detected",
    /// The upstream did not answer in time.
    UpstreamTimeout = "upstream_timeout",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a reason")]
pub struct UnknownReason;

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(name: &str) -> Result<Self, UnknownReason> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == name).ok_or(UnknownReason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_again_by_its_name() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
            assert!(reason.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        }
        assert_eq!("Certificate_Expired".parse::<Reason>(), Err(UnknownReason));
    }
}
