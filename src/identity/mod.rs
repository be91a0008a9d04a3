//! Whom a certificate means: the rules that turn [`CertificateFacts`] into the names that accounts are
//! looked up by. Pure: nothing is looked up here, and no name is trusted more than the path that was
//! validated before.
//!
//! [`Rules::candidates`] goes through the rules in their order, as far as the caller lets it. The first
//! rule that yields any name decides; only if it says `if_unknown: next`, and the caller found an account
//! for none of its names, the next rule is asked. Nothing is normalised but the domain of an e-mail
//! address: a name that is not what it looks like is refused, see [`name`]. Where a request says itself whose it is,
//! [`claim`] stands in place of the rules.

pub mod claim;
pub mod name;

use crate::base::reason::Reason;
use crate::base::{email, hex};
use crate::certificate::facts::{CertificateFacts, DistinguishedName};
use crate::certificate::name::{COMMON_NAME, EMAIL_ADDRESS, USER_ID};
use crate::certificate::path::ValidPath;
use crate::config::{IdentityRule, IdentitySource, IfUnknown, IssuerPin, LookupKind};
use regex::Regex;
use std::path::Path;

/// How many different names of one certificate a rule may yield: each is looked up.
pub const MAX_NAMES: usize = 16;

/// The identity rules, ready to be asked.
#[derive(Debug, Clone)]
pub struct Rules(Vec<Rule>);

#[derive(Debug, Clone)]
struct Rule {
    source: IdentitySource,
    pattern: Option<Regex>,
    lookup: LookupKind,
    if_unknown: IfUnknown,
    /// SHA-256 of the SubjectPublicKeyInfo of the authorities that are accepted; `None` is any.
    issuers: Option<Vec<[u8; 32]>>,
}

/// A name that an account may be looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    /// What it is looked up as.
    pub kind: LookupKind,
    /// The name; an e-mail address in the form of [`email::normalise`].
    pub value: String,
}

/// What one rule yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The rule's place in the configuration, from 0.
    pub rule: usize,
    /// The names, none twice, at least one; all of them are to be looked up.
    pub names: Vec<Name>,
    /// What happens when none of them has an account.
    pub if_unknown: IfUnknown,
}

/// Why a certificate names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No rule yields a name.
    #[error("no identity rule finds a name in the certificate")]
    Missing,
    /// A value cannot be a name. The other values of the rule, and the other rules, are not asked: who
    /// puts such a value into a certificate is not to choose which of its names counts.
    #[error("identity[{rule}]: {origin} {value:?} cannot be a name: {why}")]
    Invalid {
        /// The rule's place in the configuration, from 0.
        rule: usize,
        /// The part of the certificate: `san.email`.
        origin: &'static str,
        /// The value, cut to a length that a log line can take.
        value: String,
        /// Why.
        why: &'static str,
    },
    /// The rule yields a name and none of its issuers is in the path. It does not give way to the next
    /// rule: a name that this issuer may not give must not be made up for by another one that it gives.
    #[error("identity[{rule}]: {origin} names somebody, and none of the issuers that the rule accepts is in the path")]
    IssuerNotAllowed {
        /// The rule's place in the configuration, from 0.
        rule: usize,
        /// The part of the certificate: `san.email`.
        origin: &'static str,
    },
}

impl IdentityError {
    /// What it means for the request.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Missing => Reason::IdentityMissing,
            Self::Invalid { .. } => Reason::IdentityInvalid,
            Self::IssuerNotAllowed { .. } => Reason::IssuerNotAllowed,
        }
    }
}

impl Rules {
    /// Takes the rules of the configuration. `resolve` gives the SHA-256 of the SubjectPublicKeyInfo of every
    /// certificate in a file of `issuers`.
    ///
    /// # Errors
    /// The first of `resolve`.
    pub fn new<E>(
        rules: &[IdentityRule],
        mut resolve: impl FnMut(&Path) -> Result<Vec<[u8; 32]>, E>,
    ) -> Result<Self, E> {
        let mut ready = Vec::with_capacity(rules.len());
        for rule in rules {
            let mut issuers = Vec::new();
            for pin in &rule.issuers {
                match pin {
                    IssuerPin::SpkiSha256(hash) => issuers.push(*hash),
                    IssuerPin::File(path) => issuers.extend(resolve(path)?),
                }
            }
            ready.push(Rule {
                source: rule.source,
                pattern: rule.pattern.clone(),
                lookup: rule.lookup,
                if_unknown: rule.if_unknown,
                // A rule whose files turn out to name no authority accepts none, not any.
                issuers: (!rule.issuers.is_empty()).then_some(issuers),
            });
        }
        Ok(Self(ready))
    }

    /// Asks the rules in their order about a certificate whose path was validated. After the last candidate
    /// that was found to have no account, `None` means that no account is known.
    #[must_use]
    pub fn candidates<'a>(&'a self, facts: &'a CertificateFacts, path: &'a ValidPath) -> Candidates<'a> {
        Candidates { rules: self.0.iter().enumerate(), facts, path, state: State::Nothing }
    }
}

/// What the rules yield, one after the other; see [`Rules::candidates`].
#[derive(Debug)]
pub struct Candidates<'a> {
    rules: std::iter::Enumerate<std::slice::Iter<'a, Rule>>,
    facts: &'a CertificateFacts,
    path: &'a ValidPath,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was yielded yet.
    Nothing,
    /// A rule yielded and gives way to the next.
    GivesWay,
    /// The last word was spoken.
    Ended,
}

impl Iterator for Candidates<'_> {
    type Item = Result<Candidate, IdentityError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Ended {
            return None;
        }
        let before = std::mem::replace(&mut self.state, State::Ended);
        for (position, rule) in self.rules.by_ref() {
            match rule.ask(position, self.facts, self.path) {
                Ok(None) => {}
                Ok(Some(candidate)) => {
                    if candidate.if_unknown == IfUnknown::Next {
                        self.state = State::GivesWay;
                    }
                    return Some(Ok(candidate));
                }
                Err(error) => return Some(Err(error)),
            }
        }
        (before == State::Nothing).then_some(Err(IdentityError::Missing))
    }
}

impl Rule {
    fn ask(
        &self,
        position: usize,
        facts: &CertificateFacts,
        path: &ValidPath,
    ) -> Result<Option<Candidate>, IdentityError> {
        let names = self.names(facts).map_err(|unfit| IdentityError::Invalid {
            rule: position,
            origin: origin(self.source),
            value: unfit.value.chars().take(100).collect(),
            why: unfit.why,
        })?;
        if names.is_empty() {
            return Ok(None);
        }
        let allowed = |issuers: &Vec<[u8; 32]>| path.authorities.iter().any(|authority| issuers.contains(authority));
        if !self.issuers.as_ref().is_none_or(allowed) {
            return Err(IdentityError::IssuerNotAllowed { rule: position, origin: origin(self.source) });
        }
        Ok(Some(Candidate { rule: position, names, if_unknown: self.if_unknown }))
    }

    fn names(&self, facts: &CertificateFacts) -> Result<Vec<Name>, Unfit> {
        let mut names: Vec<Name> = Vec::new();
        for value in values(self.source, facts)? {
            let Some(found) = self.find(&value) else { continue };
            let value = self.fit(found).map_err(|why| Unfit { value: value.clone(), why })?;
            let name = Name { kind: self.lookup, value };
            if names.contains(&name) {
                continue;
            }
            if names.len() == MAX_NAMES {
                return Err(Unfit { value: name.value, why: "the certificate has too many names beside it" });
            }
            names.push(name);
        }
        Ok(names)
    }

    /// The part of a value that is the name: the pattern's first group, or all that it matches.
    fn find<'v>(&self, value: &'v str) -> Option<&'v str> {
        let Some(pattern) = &self.pattern else { return Some(value) };
        let captures = pattern.captures(value)?;
        let whole_match = || if pattern.captures_len() > 1 { None } else { captures.get(0) };
        captures.get(1).or_else(whole_match).map(|found| found.as_str())
    }

    fn fit(&self, found: &str) -> Result<String, &'static str> {
        if is_composed(self.source) {
            name::check_form(found)?;
        } else {
            name::check(found)?;
        }
        match self.lookup {
            LookupKind::Email if name::local_part_is_dot_atom(found) => email::normalise(found),
            LookupKind::Email => None,
            LookupKind::Username | LookupKind::Alias => Some(found.to_owned()),
        }
        .ok_or("it is not an e-mail address")
    }
}

/// A value that cannot be a name, and why.
struct Unfit {
    value: String,
    why: &'static str,
}

/// What a certificate says in one place, checked for characters that no name has.
fn values(source: IdentitySource, facts: &CertificateFacts) -> Result<Vec<String>, Unfit> {
    let attributes = |oid: &str| {
        let of_type = facts.subject.attributes.iter().filter(|attribute| attribute.oid == oid);
        of_type.map(|attribute| attribute.value.clone()).collect()
    };
    let values: Vec<String> = match source {
        IdentitySource::SanEmail => facts.names.emails.clone(),
        IdentitySource::SanDns => facts.names.dns.clone(),
        IdentitySource::SanUri => facts.names.uris.clone(),
        IdentitySource::SanUpn => facts.names.upns.clone(),
        IdentitySource::SubjectCn => attributes(COMMON_NAME),
        IdentitySource::SubjectEmail => attributes(EMAIL_ADDRESS),
        IdentitySource::SubjectUid => attributes(USER_ID),
        IdentitySource::SubjectDn => return composed(&facts.subject, facts.subject.text.clone()),
        IdentitySource::SerialAndIssuer => {
            return composed(&facts.issuer, format!("{}@{}", hex::encode(&facts.serial), facts.issuer.text));
        }
        IdentitySource::Fingerprint => vec![hex::encode(&facts.fingerprint)],
    };
    for value in &values {
        name::check_characters(value).map_err(|why| Unfit { value: value.clone(), why })?;
    }
    Ok(values)
}

/// A value made from a whole distinguished name: each of its attributes is checked by itself, since the
/// names of their types are Latin whatever the values are. An empty name yields nothing.
fn composed(from: &DistinguishedName, value: String) -> Result<Vec<String>, Unfit> {
    for attribute in &from.attributes {
        name::check_characters(&attribute.value).map_err(|why| Unfit { value: attribute.value.clone(), why })?;
    }
    Ok(if from.attributes.is_empty() { Vec::new() } else { vec![value] })
}

fn is_composed(source: IdentitySource) -> bool {
    matches!(source, IdentitySource::SubjectDn | IdentitySource::SerialAndIssuer)
}

/// The part of the certificate as the configuration calls it.
fn origin(source: IdentitySource) -> &'static str {
    match source {
        IdentitySource::SanEmail => "san.email",
        IdentitySource::SanDns => "san.dns",
        IdentitySource::SanUri => "san.uri",
        IdentitySource::SanUpn => "san.upn",
        IdentitySource::SubjectCn => "subject.cn",
        IdentitySource::SubjectEmail => "subject.email",
        IdentitySource::SubjectUid => "subject.uid",
        IdentitySource::SubjectDn => "subject.dn",
        IdentitySource::SerialAndIssuer => "serial",
        IdentitySource::Fingerprint => "fingerprint",
    }
}

#[cfg(test)]
mod tests;
