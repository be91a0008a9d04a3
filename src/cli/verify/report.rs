//! What came of a verification, for people and for programs.

use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::base::reason::Reason;
use crate::certificate::facts::{self, CertificateFacts};
use crate::certificate::oid::Oid;
use crate::certificate::path::{PathError, ValidPath};
use crate::revocation::crl::CrlSet;
use crate::revocation::{Answer, Verdict};
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The section that says how revocation lists count.
const REVOCATION: &str = "RFC 5280, 6.3.3";

/// What came of it.
pub(super) struct Report<'a> {
    pub(super) at: Timestamp,
    /// What was presented.
    pub(super) chain: &'a [CertificateDer<'static>],
    /// The revocation lists, if any were given.
    pub(super) lists: Option<&'a CrlSet>,
    pub(super) found: Result<Found, PathError>,
}

/// A path, and what the lists say of it, if any were given.
pub(super) struct Found {
    pub(super) path: ValidPath,
    pub(super) revocation: Option<Answer>,
}

/// Why the certificate is rejected.
pub(super) struct Refusal {
    reason: Reason,
    detail: String,
    section: &'static str,
    /// The place in the path and the subject of the certificate that failed, if it was one.
    failing: Option<(usize, String)>,
}

impl Report<'_> {
    /// Why the certificate is rejected; `None` if it is accepted.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let Found { path, revocation } = match &self.found {
            Ok(found) => found,
            Err(error) => {
                return Some(Refusal {
                    reason: error.reason,
                    detail: error.detail.clone(),
                    section: error.section,
                    failing: error.certificate.as_ref().map(|place| (place.position, place.subject.clone())),
                });
            }
        };
        let answer = revocation.as_ref()?;
        let failing = match &answer.verdict {
            Verdict::Revoked { position, .. } => {
                let certificate = path.certificates.get(*position).and_then(|one| facts::parse(&one.der).ok());
                certificate.map(|facts| (*position, facts.subject.text))
            }
            _ => None,
        };
        let detail = answer.said.iter().map(|(_, said)| said.as_str()).collect::<Vec<_>>().join("; ");
        answer.verdict.refusal().map(|reason| Refusal { reason, detail, section: REVOCATION, failing })
    }

    /// What the certificates of the path say, the client's first and the authority's last; none without a path.
    fn path(&self) -> Vec<CertificateFacts> {
        let Ok(Found { path, .. }) = &self.found else { return Vec::new() };
        let ders = path.certificates.iter().map(|one| &one.der).chain([&path.anchor]);
        ders.filter_map(|der| facts::parse(der).ok()).collect()
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{label:>12}  {value}");
        };
        let refusal = self.refusal();
        match &refusal {
            None => line("accepted", &format!("at {}", self.at)),
            Some(Refusal { reason, detail, section, failing }) => {
                line("rejected", &format!("{reason}, at {}", self.at));
                line("why", &format!("{detail} ({section})"));
                if let Some((position, subject)) = failing {
                    line("certificate", &format!("{position}: {subject}"));
                }
            }
        }
        match &self.found {
            Err(error) if !error.tried.is_empty() => {
                for (position, subject) in error.tried.iter().enumerate() {
                    line(if position == 0 { "tried" } else { "" }, &format!("{position}: {subject}"));
                }
            }
            Err(_) => {
                if let Some(Ok(facts)) = self.chain.first().map(|own| facts::parse(own)) {
                    line("presented", &facts.subject.text);
                }
            }
            Ok(found) => {
                for (position, facts) in self.path().iter().enumerate() {
                    line(if position == 0 { "path" } else { "" }, &format!("{position}: {}", facts.subject.text));
                    let serial = hex::encode(&facts.serial);
                    line("", &format!("   serial {serial}, valid until {}", facts.not_after));
                    line("", &format!("   sha256 {}", hex::encode(&facts.fingerprint)));
                }
                line("valid until", &found.path.not_after.to_string());
                line("policies", &listed(&found.path.policies.user));
                match &found.revocation {
                    None => line("revocation", "not looked at: no --crl was given"),
                    Some(answer) => answer.said.iter().for_each(|(source, said)| line(&source.to_string(), said)),
                }
            }
        }
        text
    }

    /// For programs; `docs/verify.md` describes it.
    pub(super) fn json(&self) -> String {
        let refusal = self.refusal();
        let found = self.found.as_ref().ok();
        let facts = self.path();
        let anchor = facts.len().saturating_sub(1);
        let path: Vec<Value> =
            facts.iter().enumerate().map(|(place, facts)| certificate(place, facts, place == anchor)).collect();
        let failing = refusal.as_ref().and_then(|refusal| refusal.failing.as_ref());
        let value = json!({
            "verdict": if refusal.is_none() { "accepted" } else { "rejected" },
            "at": self.at.to_string(),
            "reason": refusal.as_ref().map(|refusal| refusal.reason.as_str()),
            "detail": refusal.as_ref().map(|refusal| refusal.detail.as_str()),
            "section": refusal.as_ref().map(|refusal| refusal.section),
            "failing": failing.map(|(position, subject)| json!({ "position": position, "subject": subject })),
            "tried": self.found.as_ref().err().map(|error| error.tried.clone()).unwrap_or_default(),
            "path": path,
            "valid_until": found.map(|found| found.path.not_after.to_string()),
            "policies": found.map(|found| json!({
                "authorities": dotted(&found.path.policies.authorities),
                "user": dotted(&found.path.policies.user),
            })),
            "revocation": self.revocation_json(),
        });
        format!("{value:#}\n")
    }

    fn revocation_json(&self) -> Value {
        let answer = self.found.as_ref().ok().and_then(|found| found.revocation.as_ref());
        let verdict = answer.map(|answer| match answer.verdict {
            Verdict::Good => "good",
            Verdict::Revoked { .. } => "revoked",
            Verdict::Unknown { .. } | Verdict::StoreUnavailable(_) => "unknown",
        });
        let said: Vec<Value> = answer
            .iter()
            .flat_map(|answer| &answer.said)
            .map(|(source, said)| json!({ "source": source.to_string(), "said": said }))
            .collect();
        let lists: Vec<Value> = self
            .lists
            .iter()
            .flat_map(|set| set.lists())
            .map(|list| {
                let edition = list.edition();
                json!({
                    "file": edition.origin.to_string(),
                    "issuer": edition.issuer,
                    "number": edition.number.as_ref().map(ToString::to_string),
                    "base": edition.base.as_ref().map(ToString::to_string),
                    "this_update": edition.this_update.to_string(),
                    "next_update": edition.next_update.to_string(),
                    "entries": list.len(),
                })
            })
            .collect();
        json!({ "asked": self.lists.is_some(), "answer": verdict, "said": said, "lists": lists })
    }
}

fn certificate(position: usize, facts: &CertificateFacts, is_anchor: bool) -> Value {
    json!({
        "position": position,
        "subject": facts.subject.text,
        "issuer": facts.issuer.text,
        "serial": hex::encode(&facts.serial),
        "not_before": facts.not_before.to_string(),
        "not_after": facts.not_after.to_string(),
        "sha256": hex::encode(&facts.fingerprint),
        "trust_anchor": is_anchor,
    })
}

fn dotted(policies: &BTreeSet<Oid>) -> Vec<String> {
    policies.iter().map(Oid::to_string).collect()
}

fn listed(policies: &BTreeSet<Oid>) -> String {
    if policies.is_empty() { "none".to_owned() } else { dotted(policies).join(", ") }
}
