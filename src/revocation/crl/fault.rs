//! Why a list, or what should hold one, cannot be used.

use super::list::{Number, Origin};
use crate::base::clock::Timestamp;
use crate::certificate::der::DerError;
use crate::certificate::facts::FactsError;
use crate::certificate::signature::SignatureError;

/// Why a list cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not the DER of a list.
    #[error("it cannot be read: {0}")]
    Malformed(#[from] DerError),
    /// Its issuer's name or its extensions are malformed.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] FactsError),
    /// It has a version that there is not.
    #[error("it is of an unknown version")]
    Version,
    /// It is of version 1 and has extensions.
    #[error("it is of version 1 and has extensions")]
    ExtensionsInVersion1,
    /// It does not say when there will be a newer one (RFC 5280, section 5.1.2.5).
    #[error("it has no nextUpdate")]
    NoNextUpdate,
    /// It runs out before it begins.
    #[error("its nextUpdate is before its thisUpdate")]
    Dates,
    /// A critical extension of it or of an entry is not understood (RFC 5280, section 5.2).
    #[error("its critical extension {0} is not understood")]
    CriticalExtension(String),
    /// It is a delta list without a number, so that nothing tells which list it completes (RFC 5280, section 5.2.4).
    #[error("it is a delta list and has no cRLNumber")]
    DeltaWithoutNumber,
    /// It says of itself that it holds nothing, or only two kinds of certificates at once (RFC 5280, section 5.2.5).
    #[error("its issuingDistributionPoint contradicts itself")]
    Contradiction,
    /// An entry is about a certificate of another issuer, and the list does not say that it is indirect.
    #[error("it has certificates of other issuers and is not an indirect list")]
    ForeignEntry,
    /// An entry does not say in one directoryName who issued the certificate (RFC 5280, section 5.3.3).
    #[error("an entry does not name one issuer of its certificate")]
    EntryIssuer,
    /// A serial number is longer than there are.
    #[error("it has a serial number of more than 20 octets")]
    LongSerial,
    /// It has more entries than are read.
    #[error("it has more than {0} entries")]
    TooManyEntries(usize),
    /// It speaks of more issuers than are read.
    #[error("it has certificates of more than {0} issuers")]
    TooManyIssuers(usize),
    /// Its signature algorithm is not accepted.
    #[error("{0}")]
    Algorithm(#[from] SignatureError),
    /// An authority of this name is trusted, and did not sign it.
    #[error("it is not signed by the authority of this name")]
    Signature,
    /// An authority of this name is trusted, and may not sign it.
    #[error("the authority of this name may not sign revocation lists: its keyUsage lacks cRLSign")]
    MayNotSign,
    /// Its number is below that of the list that it would replace, or it has none and that one has.
    #[error("its number {to} is below {from}, that of the list in force")]
    NumberWentBack {
        /// That of the list in force.
        from: Number,
        /// Its own; 0 if it has none.
        to: Number,
    },
    /// It was made before the list that it would replace.
    #[error("it was made at {to}, before the list in force, which was at {from}")]
    DateWentBack {
        /// When the list in force was made.
        from: Timestamp,
        /// When it was made.
        to: Timestamp,
    },
}

/// What should hold revocation lists cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CrlError {
    /// It cannot be read.
    #[error("cannot read {origin}: {why}")]
    Unreadable {
        /// Where it is.
        origin: Origin,
        /// Why.
        why: std::io::Error,
    },
    /// Its text does not end, or is not base64.
    #[error("{origin} is damaged: {why}")]
    Damaged {
        /// Where it is.
        origin: Origin,
        /// What is wrong with it.
        why: String,
    },
    /// It holds no list.
    #[error("{origin} holds no revocation list: it holds {found}")]
    NoList {
        /// Where it is.
        origin: Origin,
        /// What it holds instead.
        found: String,
    },
    /// It is larger than is read.
    #[error("{origin} has more than {most} octets")]
    TooLarge {
        /// Where it is.
        origin: Origin,
        /// How many are read.
        most: u64,
    },
    /// It holds more lists than are read.
    #[error("{origin} holds more than {most} lists")]
    TooManyLists {
        /// Where it is.
        origin: Origin,
        /// How many are read.
        most: usize,
    },
    /// A list in it cannot be used.
    #[error("{list} in {origin} cannot be used: {why}", list = titled(issuer))]
    List {
        /// Where it is.
        origin: Origin,
        /// The issuer as RFC 4514 writes it; empty if it could not be read.
        issuer: String,
        /// Why.
        why: Fault,
    },
}

fn titled(issuer: &str) -> String {
    if issuer.is_empty() { "a revocation list".to_owned() } else { format!("the revocation list of {issuer}") }
}
