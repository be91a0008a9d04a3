//! Holds a history against the register. The chain shows who has tampered with the history; this shows who has tampered
//! with the database: a certificate that was taken out of the register, or one that was revoked and counts again. It
//! judges what this history tells alone, since another authority's process has one of its own.

use super::verify::{VerifyError, each_line};
use crate::account::CertificateKey;
use crate::base::hex;
use crate::config::profile::{INTERMEDIATE, ROOT};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::PathBuf;

/// The profiles of roots and intermediates.
const AUTHORITIES: [&str; 2] = [ROOT, INTERMEDIATE];

/// The most octets of a serial number.
const LONGEST_SERIAL: usize = 32;

/// What became of a certificate by the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// It is on record and counts.
    Counts,
    /// It is revoked or on hold, whether it is on record or not.
    Revoked,
    /// Nothing is known of it.
    Missing,
}

/// A certificate of which history and register do not say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The certificate.
    pub key: CertificateKey,
    /// The record that says otherwise.
    pub record: u64,
    /// What is wrong.
    pub what: What,
}

/// How history and register differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It was issued and is not on record.
    NotOnRecord,
    /// It was revoked and counts.
    CountsAgain,
}

impl What {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotOnRecord => "it was issued, and is not on record",
            Self::CountsAgain => "it was revoked, and counts again",
        }
    }
}

/// What a history says of certificates, each act after the other.
#[derive(Debug, Default)]
pub struct Told(HashMap<CertificateKey, Vec<(u64, Said)>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Issued,
    Revoked,
    Released,
}

impl Said {
    fn of(act: &str) -> Option<Self> {
        Some(match act {
            "issue" | "renew" | "renew_intermediate" | "delegate_ocsp" => Self::Issued,
            "revoke" => Self::Revoked,
            "release" => Self::Released,
            _ => return None,
        })
    }
}

#[derive(Deserialize)]
struct Raw {
    seq: u64,
    act: String,
    issuer: Option<String>,
    serial: Option<String>,
    detail: Option<String>,
    profile: Option<String>,
}

impl Told {
    /// Reads the files of a history, which was verified before.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn read(files: &[PathBuf]) -> Result<Self, VerifyError> {
        let mut told = Self::default();
        for file in files {
            each_line(file, |line, _| {
                told.line(line);
                Ok(())
            })?;
        }
        Ok(told)
    }

    fn line(&mut self, line: &[u8]) {
        let Ok(raw) = serde_json::from_slice::<Raw>(line) else { return };
        let (Some(issuer), Some(serial)) = (raw.issuer.as_deref(), raw.serial.as_deref()) else { return };
        let issuer = hex::decode(issuer).and_then(|issuer| <[u8; 32]>::try_from(issuer).ok());
        let (Some(issuer), Some(serial)) = (issuer, hex::decode(serial)) else { return };
        let profile = raw.profile.as_deref().unwrap_or_default();
        let said = Said::of(&raw.act);
        // Authorities come on record when one of them first serves; what is said of their revocation counts at once.
        let is_authoritys = AUTHORITIES.contains(&profile) && said == Some(Said::Issued);
        if serial.len() > LONGEST_SERIAL || is_authoritys {
            return;
        }
        let key = CertificateKey { issuer, serial };
        if let Some(said) = said {
            self.0.entry(key).or_default().push((raw.seq, said));
        } else if let ("fail", Some(acts)) = (raw.act.as_str(), self.0.get_mut(&key)) {
            // What was not done after all is the last of its kind.
            let undone = raw.detail.as_deref().and_then(Said::of);
            if let Some(at) = acts.iter().rposition(|(_, act)| Some(*act) == undone) {
                acts.remove(at);
            }
        }
    }

    /// The certificates that it speaks of.
    pub fn certificates(&self) -> impl Iterator<Item = &CertificateKey> {
        self.0.keys()
    }

    /// Where the register says something else, in the order of records.
    #[must_use]
    pub fn differences(&self, registered: impl Fn(&CertificateKey) -> Registered) -> Vec<Difference> {
        let mut found: Vec<Difference> = self
            .0
            .iter()
            .filter_map(|(key, said)| {
                // A batch that goes on tells again of what it has issued, and only a release undoes a revocation.
                let standing = said.iter().rfind(|(_, said)| *said != Said::Issued).or(said.last());
                let (record, last) = *standing?;
                let what = match (last, registered(key)) {
                    (Said::Revoked, Registered::Counts | Registered::Missing) => What::CountsAgain,
                    (Said::Issued | Said::Released, Registered::Missing) => What::NotOnRecord,
                    _ => return None,
                };
                Some(Difference { key: key.clone(), record, what })
            })
            .collect();
        found.sort_by_key(|difference| difference.record);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_register_does_not_say_is_found() {
        let record = |seq: u64, act: &str, serial: &str, detail: &str| {
            let issuer = "11".repeat(32);
            format!(
                r#"{{"seq":{seq},"act":"{act}","issuer":"{issuer}","serial":"{serial}","detail":"{detail}","previous":""}}"#
            )
        };
        let key = |serial: u8| CertificateKey { issuer: [0x11; 32], serial: vec![serial] };
        let told = |lines: &[(&str, &str)]| {
            let mut told = Told::default();
            for (seq, (act, detail)) in (1..).zip(lines) {
                told.line(record(seq, act, "07", detail).as_bytes());
            }
            told
        };
        use Registered::{Counts, Missing, Revoked};
        use What::{CountsAgain, NotOnRecord};
        let (issue, revoke, release) = (("issue", ""), ("revoke", ""), ("release", ""));
        for (lines, registered, expected) in [
            (&[issue][..], Counts, None),
            (&[issue], Revoked, None),
            (&[issue], Missing, Some((1, NotOnRecord))),
            (&[issue, revoke], Revoked, None),
            (&[issue, revoke], Counts, Some((2, CountsAgain))),
            (&[issue, revoke], Missing, Some((2, CountsAgain))),
            (&[revoke], Counts, Some((1, CountsAgain))),
            (&[issue, revoke, release], Counts, None),
            (&[issue, revoke, release, ("fail", "release")], Counts, Some((2, CountsAgain))),
            (&[issue, revoke, ("fail", "revoke")], Counts, None),
            (&[issue, ("fail", "issue")], Missing, None),
            (&[issue, revoke, issue], Counts, Some((2, CountsAgain))),
            (&[issue, revoke, issue], Missing, Some((2, CountsAgain))),
            (&[issue, revoke, issue], Revoked, None),
            (&[issue, revoke, ("fail", "revoke"), issue], Counts, None),
            (&[issue, revoke, issue, release], Counts, None),
            (&[issue, revoke, release, issue], Counts, None),
            (&[issue, revoke, release, issue], Missing, Some((3, NotOnRecord))),
            (&[issue, revoke, release, ("fail", "release"), issue], Counts, Some((2, CountsAgain))),
            (&[issue, revoke, release, revoke, issue], Counts, Some((4, CountsAgain))),
            (&[issue, issue], Missing, Some((2, NotOnRecord))),
            (&[("renew", ""), ("sign_list", "")], Missing, Some((1, NotOnRecord))),
        ] {
            let found = told(lines).differences(|asked| if *asked == key(7) { registered } else { Missing });
            let expected: Vec<Difference> =
                expected.map(|(record, what)| Difference { key: key(7), record, what }).into_iter().collect();
            assert_eq!(found, expected, "{lines:?} {registered:?}");
        }
        let mut told = Told::default();
        for line in ["", "{", "{}", r#"{"seq":1,"act":"issue","issuer":"zz","serial":"07"}"#] {
            told.line(line.as_bytes());
        }
        assert_eq!(told.certificates().count(), 0);
    }
}
