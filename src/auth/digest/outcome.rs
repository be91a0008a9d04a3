//! What becomes of credentials, in words for the log. The client is told the same whatever is wrong.

use std::fmt;

/// Whether credentials are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// They are, and this nonce count is used up.
    Right,
    /// The response is right and the nonce is not good any more: the client may try again with
    /// a fresh nonce without asking its user. It has no leave to pass.
    Stale(Stale),
    /// They are not.
    Wrong(Wrong),
}

/// Why a nonce is not good any more; for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// It is older than its lifetime, or dated after now (the clock was set back).
    Expired,
    /// Another process issued it, so its counts are not known here.
    OtherProcess,
    /// It was issued to a client with another address.
    OtherAddress,
    /// Its HMAC is not ours, and our key does not outlive a restart.
    UnknownKey,
    /// Its counts had to make room for newer ones.
    Forgotten,
    /// The count is so far below the highest that it cannot be told whether it was used.
    CountBehind,
}

/// Why credentials are wrong; for the log. The client is never told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// They are for another realm.
    Realm,
    /// They use an algorithm that is not configured.
    AlgorithmNotOffered,
    /// They cover the body, which is not configured.
    AuthIntNotOffered,
    /// Their user name is hashed, which is not configured.
    UserhashNotOffered,
    /// The nonce was not made with our secret for this realm.
    NonceForged,
    /// The nonce was made for another algorithm than the one they use.
    AlgorithmSwapped,
    /// The `uri` parameter is not the target of the request.
    Uri,
    /// The user has no HA1 for this realm and algorithm, or does not exist.
    UnknownUser,
    /// The stored HA1 is not as many lower-case hexadecimal digits as the algorithm makes.
    UnusableHa1,
    /// The response is not the one that the password makes.
    Response,
    /// The nonce count was used before: a replay.
    Replayed,
}

macro_rules! names {
    ($type:ty: $($variant:ident = $name:literal,)+) => {
        impl $type {
            /// The name in the log.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names! { Stale:
    Expired = "nonce_expired",
    OtherProcess = "nonce_of_another_process",
    OtherAddress = "nonce_of_another_address",
    UnknownKey = "nonce_of_an_unknown_key",
    Forgotten = "nonce_forgotten",
    CountBehind = "count_behind",
}

names! { Wrong:
    Realm = "wrong_realm",
    AlgorithmNotOffered = "algorithm_not_offered",
    AuthIntNotOffered = "auth_int_not_offered",
    UserhashNotOffered = "userhash_not_offered",
    NonceForged = "nonce_forged",
    AlgorithmSwapped = "algorithm_swapped",
    Uri = "uri_differs",
    UnknownUser = "unknown_user",
    UnusableHa1 = "unusable_ha1",
    Response = "wrong_response",
    Replayed = "count_replayed",
}
