//! One line of a history: how an act is written down, and what of a line the verification reads. The hash of a line is
//! that of its octets without the line end, so that no second writing of the same JSON has the same.

use super::{HistoryError, LONGEST_LINE, sha256};
use crate::base::clock::{Moment, Timestamp};
use crate::base::hex;
use crate::certificate::facts::CertificateFacts;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What the authority did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The first record of a history.
    Begin,
    /// The last record of a file; the next one follows in a new file.
    Rotate,
    /// The first record of a file that continues another.
    Continue,
    /// The line before is the half of a record that a crash or a full disk left.
    Mend,
    /// An authority that somebody else had made was taken over, or certificates of one.
    Import,
    /// The key of the root was taken away.
    ExportRootKey,
    /// The intermediate was made anew: the certificate that is spoken of takes over.
    RenewIntermediate,
    /// A certificate was issued.
    Issue,
    /// A certificate was issued in the place of one that ends.
    Renew,
    /// A certificate was revoked, or put on hold.
    Revoke,
    /// A certificate was removed from hold.
    Release,
    /// A revocation list was signed.
    SignList,
    /// A certificate was issued for the responder that signs OCSP answers.
    DelegateOcsp,
    /// An act that was recorded before was not done after all.
    Fail,
}

impl Act {
    /// As it stands in a line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Rotate => "rotate",
            Self::Continue => "continue",
            Self::Mend => "mend",
            Self::Import => "import",
            Self::ExportRootKey => "export_root_key",
            Self::RenewIntermediate => "renew_intermediate",
            Self::Issue => "issue",
            Self::Renew => "renew",
            Self::Revoke => "revoke",
            Self::Release => "release",
            Self::SignList => "sign_list",
            Self::DelegateOcsp => "delegate_ocsp",
            Self::Fail => "fail",
        }
    }
}

/// An act, with what applies to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What was done.
    pub act: Act,
    /// Who did it: `uid 0`, `the account "alice" from 192.0.2.7`.
    pub by: String,
    /// For which account.
    pub account: Option<String>,
    /// SHA-256 of the issuer's name and key, as the database has it.
    pub issuer: Option<Vec<u8>>,
    /// The serial number of the certificate.
    pub serial: Option<Vec<u8>>,
    /// SHA-256 of the certificate.
    pub fingerprint: Option<Vec<u8>>,
    /// The profile that it was issued by.
    pub profile: Option<String>,
    /// Its subject as RFC 4514 writes it.
    pub subject: Option<String>,
    /// The last second of its validity.
    pub not_after: Option<Timestamp>,
    /// Why it was revoked, or not done.
    pub reason: Option<String>,
    /// The number of a list, or of the record that is spoken of.
    pub number: Option<u64>,
    /// What is more to say.
    pub detail: Option<String>,
}

impl Entry {
    /// An act with what every one has; the rest is left out until it is set.
    #[must_use]
    pub fn new(act: Act, by: &str) -> Self {
        Self {
            act,
            by: by.to_owned(),
            account: None,
            issuer: None,
            serial: None,
            fingerprint: None,
            profile: None,
            subject: None,
            not_after: None,
            reason: None,
            number: None,
            detail: None,
        }
    }

    /// An act with what is to say of the certificate that it is about. `issuer` is what the database knows its issuer
    /// by.
    #[must_use]
    pub fn about(act: Act, by: &str, issuer: &[u8; 32], certificate: &CertificateFacts) -> Self {
        Self {
            issuer: Some(issuer.to_vec()),
            serial: Some(certificate.serial.clone()),
            fingerprint: Some(certificate.fingerprint.to_vec()),
            subject: Some(certificate.subject.text.clone()),
            not_after: Some(certificate.not_after),
            ..Self::new(act, by)
        }
    }

    /// The record after a half line.
    pub(super) fn mending(torn: &[u8]) -> Self {
        let detail = Some(hex::encode(&sha256(torn)));
        Self { detail, ..Self::new(Act::Mend, "the next who wrote") }
    }
}

/// The end of a chain: the number of a record, and the SHA-256 of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Head {
    /// The number of the record; the first is 1.
    pub seq: u64,
    /// SHA-256 of its line.
    pub hash: [u8; 32],
}

impl fmt::Display for Head {
    /// `1042:9f86d081…`, to be kept elsewhere.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, hex::encode(&self.hash))
    }
}

/// A text is not a [`Head`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no head of a history: it is NUMBER:HASH, the hash in 64 hexadecimal digits")]
pub struct NotAHead(String);

impl FromStr for Head {
    type Err = NotAHead;

    fn from_str(text: &str) -> Result<Self, NotAHead> {
        let wrong = || NotAHead(text.chars().take(100).collect());
        let (seq, hash) = text.split_once(':').ok_or_else(wrong)?;
        let seq = seq.parse().map_err(|_| wrong())?;
        let hash = hash_from(hash).ok_or_else(wrong)?;
        Ok(Self { seq, hash })
    }
}

/// What a line is written after.
pub(super) struct Writing<'a> {
    pub(super) identity: &'a str,
    /// The record before; `None` for the very first.
    pub(super) after: Option<Head>,
    pub(super) at: Moment,
}

/// The order of the fields is that of the line.
#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    time: String,
    history: &'a str,
    act: &'static str,
    by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    previous: String,
}

impl Writing<'_> {
    /// The line with its end, and what it makes the head.
    pub(super) fn render(&self, entry: &Entry) -> Result<(Vec<u8>, Head), HistoryError> {
        let line = Line {
            seq: self.after.map_or(1, |after| after.seq.saturating_add(1)),
            time: self.at.to_string(),
            history: self.identity,
            act: entry.act.as_str(),
            by: &entry.by,
            account: entry.account.as_deref(),
            issuer: entry.issuer.as_deref().map(hex::encode),
            serial: entry.serial.as_deref().map(hex::encode),
            fingerprint: entry.fingerprint.as_deref().map(hex::encode),
            profile: entry.profile.as_deref(),
            subject: entry.subject.as_deref(),
            not_after: entry.not_after.map(|at| at.to_string()),
            reason: entry.reason.as_deref(),
            number: entry.number,
            detail: entry.detail.as_deref(),
            previous: hex::encode(&self.after.map_or([0; 32], |after| after.hash)),
        };
        // Texts and numbers are always JSON, and its strings never hold a line end as such.
        let mut octets = serde_json::to_vec(&line).unwrap_or_default();
        if octets.len() >= LONGEST_LINE {
            return Err(HistoryError::Long(octets.len()));
        }
        let head = Head { seq: line.seq, hash: hash_of(&octets) };
        octets.push(b'\n');
        Ok((octets, head))
    }
}

/// What of a line counts for the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) seq: u64,
    pub(super) history: String,
    pub(super) act: String,
    pub(super) detail: Option<String>,
    pub(super) previous: [u8; 32],
}

#[derive(Deserialize)]
struct Raw {
    seq: u64,
    history: String,
    act: String,
    detail: Option<String>,
    previous: String,
}

impl Seen {
    /// Reads a line without its end; says why it is no record.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        if line.len() >= LONGEST_LINE {
            return Err(format!("it is longer than {LONGEST_LINE} octets"));
        }
        let raw: Raw = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let previous = hash_from(&raw.previous).ok_or("`previous` is no hash")?;
        Ok(Self { seq: raw.seq, history: raw.history, act: raw.act, detail: raw.detail, previous })
    }
}

/// The hash of a line without its end.
pub(super) fn hash_of(line: &[u8]) -> [u8; 32] {
    sha256(line)
}

fn hash_from(text: &str) -> Option<[u8; 32]> {
    hex::decode(text).filter(|_| text.len() == 64)?.try_into().ok()
}
