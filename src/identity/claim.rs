//! Whom a client says it is, and whether its certificate says so, too. A route names a header; [`Rule::read`] takes the
//! values that a request has in it and gives the [`Claim`], [`Rule::select`] looks for the claimed name among those of
//! a certificate. Pure.
//!
//! What is read is read strictly, because the application reads the header once more and must not find somebody else:
//! there is one value, it has one of the configured forms from its first octet to its last, and neither percent-escapes
//! nor quotes nor comments are undone (RFC 3261, section 19.1.4, would have `sip:%61lice@…` be alice). A display name,
//! angle brackets and parameters are there only if the form has them. A domain has one form in lower-case A-labels.
//!
//! With a certificate, the claim stands in place of the identity rules: it is looked for among the alternative names of
//! the configured kinds, then in the common name, and the one name that it is decides. Names beside it do not matter: a
//! device with the addresses of two people is, request by request, the one that it says.

use super::{Name, name, values};
use crate::base::email::normalise_domain;
use crate::base::reason::Reason;
use crate::certificate::facts::CertificateFacts;
use crate::certificate::path::ValidPath;
use crate::config::claim::{Piece, Placeholder, Template};
use crate::config::{self, IdentitySource, IssuerPin, LookupKind};
use std::path::Path;
use std::sync::Arc;

/// The longest value that is read, in octets.
pub const MAX_LENGTH: usize = 1024;

/// A route's claim, ready to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    header: String,
    forms: Vec<Template>,
    from: Vec<IdentitySource>,
    lookup: LookupKind,
    /// SHA-256 of the SubjectPublicKeyInfo of the authorities that are accepted; `None` is any.
    issuers: Option<Vec<[u8; 32]>>,
}

/// What a request says of whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What was asked.
    pub rule: Arc<Rule>,
    /// The answer.
    pub said: Result<Claimed, Unclaimed>,
}

/// Somebody whom a client says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The user, if the form names one: exactly as it was written.
    pub username: Option<String>,
    /// The realm, if the form names one: a domain in the form of [`normalise_domain`].
    pub realm: Option<String>,
    /// The device, if the form names one.
    pub device: Option<String>,
}

/// A request names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unclaimed {
    /// The header is not there.
    #[error("it is absent")]
    Absent,
    /// It is there more than once, or beside another spelling of its name that some servers take for the same.
    #[error("it is there more than once")]
    Repeated,
    /// It does not have the form that the route asks for.
    #[error("it does not have the form that the route asks for")]
    Unfit,
}

/// A certificate is not the one of whom the request names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The request names nobody.
    #[error("{header}: {why}")]
    Unclaimed {
        /// The header.
        header: String,
        /// Why.
        why: Unclaimed,
    },
    /// None of its names is the claimed one.
    #[error("no name of the certificate is {claimed}, whom {header} names")]
    Another {
        /// Whom the request names.
        claimed: String,
        /// The header.
        header: String,
    },
    /// One of its names is, and no authority on the path may give it.
    #[error("the certificate names {claimed}, and none of the issuers that the claim accepts is in the path")]
    IssuerNotAllowed {
        /// Whom the request names.
        claimed: String,
    },
    /// A value in it cannot be a name, and so none of them is believed.
    #[error("{value:?} in the certificate cannot be a name: {why}")]
    Invalid {
        /// The value, cut to a length that a log line can take.
        value: String,
        /// Why.
        why: &'static str,
    },
}

impl Mismatch {
    /// What it means for the request.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Unclaimed { .. } | Self::Another { .. } => Reason::ClaimMismatch,
            Self::IssuerNotAllowed { .. } => Reason::IssuerNotAllowed,
            Self::Invalid { .. } => Reason::IdentityInvalid,
        }
    }
}

impl Rule {
    /// Takes a route's claim from the configuration. `resolve` gives the SHA-256 of the SubjectPublicKeyInfo of every
    /// certificate in a file of `issuers`.
    ///
    /// # Errors
    /// The first of `resolve`.
    pub fn new<E>(
        claim: &config::Claim,
        mut resolve: impl FnMut(&Path) -> Result<Vec<[u8; 32]>, E>,
    ) -> Result<Self, E> {
        let mut issuers = Vec::new();
        for pin in &claim.issuers {
            match pin {
                IssuerPin::SpkiSha256(hash) => issuers.push(*hash),
                IssuerPin::File(path) => issuers.extend(resolve(path)?),
            }
        }
        Ok(Self {
            header: claim.header.clone(),
            forms: claim.forms.clone(),
            from: claim.from.clone(),
            lookup: claim.lookup,
            // Files that turn out to name no authority accept none, not any.
            issuers: (!claim.issuers.is_empty()).then_some(issuers),
        })
    }

    /// The name of the header, as it is configured.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// What the values of the header say.
    pub fn read<'v>(self: &Arc<Self>, values: impl IntoIterator<Item = &'v [u8]>) -> Claim {
        let mut values = values.into_iter();
        let said = match (values.next(), values.next()) {
            (None, _) => Err(Unclaimed::Absent),
            (Some(_), Some(_)) => Err(Unclaimed::Repeated),
            (Some(value), None) => self.understand(value).ok_or(Unclaimed::Unfit),
        };
        Claim { rule: Arc::clone(self), said }
    }

    fn understand(&self, value: &[u8]) -> Option<Claimed> {
        let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= MAX_LENGTH)?;
        // What may surround a value in a message is no part of it (RFC 9110, section 5.5).
        self.forms.iter().find_map(|form| take_apart(form, text.trim_matches([' ', '\t'])))
    }

    /// The one name of a certificate that is claimed.
    ///
    /// # Errors
    /// Why there is none.
    pub fn select(
        &self,
        said: &Result<Claimed, Unclaimed>,
        facts: &CertificateFacts,
        path: &ValidPath,
    ) -> Result<Name, Mismatch> {
        let claimed = match said {
            Ok(claimed) => claimed,
            Err(why) => return Err(Mismatch::Unclaimed { header: self.header.clone(), why: *why }),
        };
        let common_name = |source: &&IdentitySource| **source == IdentitySource::SubjectCn;
        let in_order =
            self.from.iter().filter(|source| !common_name(source)).chain(self.from.iter().filter(common_name));
        for source in in_order {
            let found = values(*source, facts).map_err(|unfit| Mismatch::Invalid {
                value: unfit.value.chars().take(100).collect(),
                why: unfit.why,
            })?;
            if found.iter().any(|value| self.is(value, claimed)) {
                let allowed = |issuers: &Vec<[u8; 32]>| path.authorities.iter().any(|it| issuers.contains(it));
                return match self.issuers.as_ref().is_none_or(allowed) {
                    true => Ok(self.name(claimed)),
                    false => Err(Mismatch::IssuerNotAllowed { claimed: claimed.to_string() }),
                };
            }
        }
        Err(Mismatch::Another { claimed: claimed.to_string(), header: self.header.clone() })
    }

    /// The name under which the account is looked up of whom a client says it is that shows no certificate; `None` where
    /// only certificates of some issuers may say so.
    #[must_use]
    pub fn name_without_certificate(&self, claimed: &Claimed) -> Option<Name> {
        self.issuers.is_none().then(|| self.name(claimed))
    }

    fn name(&self, claimed: &Claimed) -> Name {
        Name { kind: self.lookup, value: claimed.name(self.lookup) }
    }

    /// Whether a value in a certificate is whom the client says it is: in one of the configured forms, or as the bare
    /// address, user or domain.
    fn is(&self, value: &str, claimed: &Claimed) -> bool {
        let in_form = self.forms.iter().find_map(|form| take_apart(form, value)).is_some_and(|named| {
            let same_device = named.device.is_none() || named.device == claimed.device;
            same_device && named.username == claimed.username && named.realm == claimed.realm
        });
        in_form
            || match (&claimed.username, &claimed.realm) {
                (Some(username), Some(realm)) => value.rsplit_once('@').is_some_and(|(local, domain)| {
                    local == username && normalise_domain(domain).as_deref() == Some(realm)
                }),
                (Some(username), None) => value == username,
                (None, Some(realm)) => normalise_domain(value).as_deref() == Some(realm),
                (None, None) => false,
            }
    }
}

impl Claim {
    /// What there is to say in the log of credentials beside it that are another one's, or in vain.
    #[must_use]
    pub fn contradiction(&self) -> String {
        let header = self.rule.header();
        match &self.said {
            Ok(claimed) => format!("{header} names {claimed}, whose the credentials are not"),
            Err(why) => format!("{header}: {why}"),
        }
    }

    /// Whether both name the same one under the same rule, from whichever device.
    #[must_use]
    pub fn names_the_same_as(&self, other: &Self) -> bool {
        self.rule == other.rule
            && match (&self.said, &other.said) {
                (Ok(one), Ok(other)) => (&one.username, &one.realm) == (&other.username, &other.realm),
                (Err(_), Err(_)) => true,
                _ => false,
            }
    }
}

impl Claimed {
    /// Whether they are the user of this name in this realm of HTTP Digest. The name may be the whole address.
    #[must_use]
    pub fn is_user(&self, name: &str, realm: &str) -> bool {
        let same_realm = self.realm.as_ref().is_none_or(|claimed| normalise_domain(realm).as_ref() == Some(claimed));
        match &self.username {
            Some(username) => (username == name && same_realm) || self.is_address(name),
            None => same_realm && normalise_domain(name) == self.realm,
        }
    }

    /// Whether this is their whole address.
    fn is_address(&self, address: &str) -> bool {
        let (Some(username), Some(realm)) = (&self.username, &self.realm) else { return false };
        address
            .rsplit_once('@')
            .is_some_and(|(local, domain)| local == username && normalise_domain(domain).as_ref() == Some(realm))
    }

    /// The name that an account is looked up by.
    fn name(&self, kind: LookupKind) -> String {
        match (&self.username, &self.realm) {
            (Some(username), Some(_)) if kind == LookupKind::Username => username.clone(),
            _ => self.to_string(),
        }
    }
}

impl std::fmt::Display for Claimed {
    /// The address, or the part of it that is named.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.username, &self.realm) {
            (Some(username), Some(realm)) => write!(f, "{username}@{realm}"),
            (Some(name), None) | (None, Some(name)) => f.write_str(name),
            (None, None) => Ok(()),
        }
    }
}

/// The parts of a text that has this form as a whole, if all of them can be what they stand for.
fn take_apart(form: &Template, text: &str) -> Option<Claimed> {
    let mut claimed = Claimed { username: None, realm: None, device: None };
    let mut rest = text;
    for piece in form.pieces() {
        let placeholder = match piece {
            Piece::Text(text) => {
                rest = rest.strip_prefix(text.as_str())?;
                continue;
            }
            Piece::Placeholder(placeholder) => *placeholder,
        };
        let end = rest.find(|character| !placeholder.holds(character)).unwrap_or(rest.len());
        let (taken, after) = rest.split_at_checked(end)?;
        rest = after;
        let taken = match placeholder {
            Placeholder::Username => name::check(taken).is_ok().then(|| taken.to_owned()),
            Placeholder::Realm => normalise_domain(taken),
            Placeholder::Device => (1..=name::MAX_LENGTH).contains(&taken.len()).then(|| taken.to_owned()),
        };
        *(match placeholder {
            Placeholder::Username => &mut claimed.username,
            Placeholder::Realm => &mut claimed.realm,
            Placeholder::Device => &mut claimed.device,
        }) = Some(taken?);
    }
    rest.is_empty().then_some(claimed)
}

#[cfg(test)]
mod tests;
