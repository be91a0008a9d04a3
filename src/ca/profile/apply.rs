//! What comes of a profile for one bearer and one key, in three steps: what is known of the bearer is validated against
//! what the profile needs, the content of the certificate is made from it, and the whole is held against what the
//! profile and the issuer allow. Nothing that a request asks for reaches a certificate but by way of [`Bearer::names`],
//! which `request` fills with what the bearer owns.

use super::{AlternativeName, Kind, Links, NAME_LIMIT, Profile, Unacceptable, Validity};
use crate::account::{Account, Status};
use crate::base::clock::Timestamp;
use crate::ca::weak::{KeyKind, PublicKey};
use crate::config;
use crate::config::name_template::{Source, Unknown};
use crate::config::profile::{EmailName, KeyType, KeyUse, NameKind, SubjectAttribute};
use der::asn1::{Any, ObjectIdentifier};
use der::flagset::FlagSet;
use der::{Decode, Encode, Tag};
use std::borrow::Cow;
use std::collections::BTreeMap;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::oid::db::rfc4519::{
    COMMON_NAME, COUNTRY_NAME, LOCALITY_NAME, ORGANIZATION_NAME, ORGANIZATIONAL_UNIT_NAME, ST,
};
use x509_cert::ext::pkix::KeyUsages;
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

/// `emailAddress` of PKCS#9.
const EMAIL_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");

/// The most alternative names of one certificate.
pub const MOST_NAMES: usize = 100;

/// Whom a certificate is for.
#[derive(Debug, Clone, Copy)]
pub struct Bearer<'a> {
    /// The account, if it is for one.
    pub account: Option<&'a Account>,
    /// What is known of the person besides, by the names of attributes: the entry in the directory.
    pub entry: &'a BTreeMap<String, String>,
    /// Names besides those that the profile makes. That the bearer may have them is for the caller to know.
    pub names: &'a [AlternativeName],
}

/// What will stand in a certificate besides serial number, issuer and key.
#[derive(Debug, Clone)]
pub struct Content {
    /// Its kind.
    pub profile: Profile,
    /// The subject.
    pub name: Name,
    /// The alternative names, none twice.
    pub names: Vec<AlternativeName>,
    /// From when until when it is valid.
    pub validity: Validity,
}

/// A profile does not allow a certificate for this bearer and key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The account may not pass, so it gets nothing to pass with.
    #[error("the account {username:?} is {status}", status = .status.as_str())]
    Inactive {
        /// The account's user name.
        username: String,
        /// Its status.
        status: Status,
    },
    /// The certificate needs an address that the account does not have.
    #[error("the profile {profile:?} needs an e-mail address, and the account has none")]
    NoEmail {
        /// The profile's name.
        profile: String,
    },
    /// A template cannot be filled.
    #[error("the profile {profile:?} cannot be filled for this account: {why}")]
    Unknown {
        /// The profile's name.
        profile: String,
        /// What there is not.
        why: Unknown,
    },
    /// A value cannot stand in a certificate.
    #[error(transparent)]
    Unacceptable(#[from] Unacceptable),
    /// The profile does not take such a key.
    #[error("the profile {profile:?} does not take a key of the kind {kind}: it takes {allowed}")]
    Key {
        /// The profile's name.
        profile: String,
        /// The kind of the key.
        kind: String,
        /// The kinds that it takes.
        allowed: String,
    },
    /// Too many alternative names.
    #[error("a certificate with {0} alternative names is not issued: {MOST_NAMES} is the most")]
    TooManyNames(usize),
    /// The issuer's validity is over, or has not begun.
    #[error("the authority may issue from {not_before} to {not_after} only")]
    IssuerOver {
        /// The issuer's first second.
        not_before: Timestamp,
        /// Its last second.
        not_after: Timestamp,
    },
}

/// Applies a profile. The validity ends with the issuer's if it would last longer, and does not begin before it.
///
/// # Errors
/// The first thing that is not allowed.
pub fn apply(
    rules: &config::Profile,
    bearer: Bearer<'_>,
    key: &PublicKey,
    issuer: Validity,
    now: Timestamp,
) -> Result<Content, ProfileError> {
    validate(rules, bearer, key)?;
    let content = make(rules, bearer, key, issuer, now)?;
    enforce(&content, issuer, now)?;
    Ok(content)
}

/// The attributes of the person's entry that a profile asks for.
#[must_use]
pub fn attributes(rules: &config::Profile) -> Vec<&str> {
    let subject = rules.subject.iter().map(|(_, template)| template);
    let templates = subject.chain(rules.names.iter().map(|(_, template)| template));
    let mut asked: Vec<&str> = templates
        .flat_map(|template| template.sources())
        .filter_map(|source| if let Source::Entry(attribute) = source { Some(attribute.as_str()) } else { None })
        .collect();
    asked.sort_unstable();
    asked.dedup();
    asked
}

/// What an intermediate of the authority itself holds, by the rules for intermediates. Its name comes from whoever makes
/// the authority, and its keys sign certificates and revocation lists in any case.
#[must_use]
pub fn intermediate(rules: &config::Profile, path_length: Option<u8>) -> Profile {
    let base = Profile::authority(path_length);
    Profile {
        name: Cow::Owned(rules.name.clone()),
        // What only some kinds of keys can serve is nothing that an authority's does.
        key_usage: base.key_usage | key_usage(&rules.key_usage, KeyKind::Ed25519),
        extended_key_usage: rules.extended_key_usage.clone(),
        policies: rules.policies.clone(),
        links: Links::of(rules),
        ..base
    }
}

fn validate(rules: &config::Profile, bearer: Bearer<'_>, key: &PublicKey) -> Result<(), ProfileError> {
    if let Some(account) = bearer.account.filter(|account| account.status != Status::Active) {
        return Err(ProfileError::Inactive { username: account.username.clone(), status: account.status });
    }
    let email = bearer.account.and_then(|account| account.email.as_ref());
    let named = bearer.names.iter().any(|name| matches!(name, AlternativeName::Email(_)));
    if rules.email == EmailName::Required && email.is_none() && !named {
        return Err(ProfileError::NoEmail { profile: rules.name.clone() });
    }
    if !rules.keys.iter().any(|allowed| takes(*allowed, key.kind())) {
        return Err(ProfileError::Key {
            profile: rules.name.clone(),
            kind: key.kind().to_string(),
            allowed: rules.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        });
    }
    Ok(())
}

fn takes(allowed: KeyType, kind: KeyKind) -> bool {
    match (allowed, kind) {
        (KeyType::EcdsaP256, KeyKind::EcdsaP256)
        | (KeyType::EcdsaP384, KeyKind::EcdsaP384)
        | (KeyType::Ed25519, KeyKind::Ed25519) => true,
        (KeyType::Rsa2048, KeyKind::Rsa { bits }) => bits >= 2048,
        (KeyType::Rsa3072, KeyKind::Rsa { bits }) => bits >= 3072,
        (KeyType::Rsa4096, KeyKind::Rsa { bits }) => bits >= 4096,
        _ => false,
    }
}

fn make(
    rules: &config::Profile,
    bearer: Bearer<'_>,
    key: &PublicKey,
    issuer: Validity,
    now: Timestamp,
) -> Result<Content, ProfileError> {
    let fill = |template: &config::NameTemplate| {
        template
            .fill(|source| known(source, bearer))
            .map_err(|why| ProfileError::Unknown { profile: rules.name.clone(), why })
    };
    let mut subject = Vec::new();
    for (attribute, template) in &rules.subject {
        if let Some(value) = fill(template)? {
            subject.push((*attribute, value));
        }
    }
    let mut names: Vec<AlternativeName> = Vec::new();
    let email = bearer.account.and_then(|account| account.email.clone()).filter(|_| rules.email != EmailName::None);
    names.extend(email.map(AlternativeName::Email));
    for (kind, template) in &rules.names {
        names.extend(fill(template)?.map(|value| match kind {
            NameKind::Dns => AlternativeName::Dns(value.to_ascii_lowercase()),
            NameKind::Uri => AlternativeName::Uri(value),
            NameKind::Upn => AlternativeName::Upn(value),
        }));
    }
    for name in bearer.names {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let profile = Profile {
        name: Cow::Owned(rules.name.clone()),
        kind: if rules.is_authority { Kind::Authority { path_length: Some(0) } } else { Kind::EndEntity },
        key_usage: key_usage(&rules.key_usage, key.kind()),
        extended_key_usage: rules.extended_key_usage.clone(),
        policies: rules.policies.clone(),
        links: Links::of(rules),
    };
    let validity = Validity {
        not_before: now.minus(rules.backdate).max(issuer.not_before),
        not_after: now.plus(rules.validity).min(issuer.not_after),
    };
    Ok(Content { profile, name: distinguished_name(&subject)?, names, validity })
}

fn enforce(content: &Content, issuer: Validity, now: Timestamp) -> Result<(), ProfileError> {
    if content.names.len() > MOST_NAMES {
        return Err(ProfileError::TooManyNames(content.names.len()));
    }
    if now < issuer.not_before || now >= issuer.not_after || content.validity.not_before > content.validity.not_after {
        return Err(ProfileError::IssuerOver { not_before: issuer.not_before, not_after: issuer.not_after });
    }
    Ok(())
}

fn known(source: &Source, bearer: Bearer<'_>) -> Option<String> {
    let account = bearer.account;
    match source {
        Source::Username => account.map(|account| account.username.clone()),
        Source::Email => account.and_then(|account| account.email.clone()).or_else(|| {
            bearer.names.iter().find_map(|name| match name {
                AlternativeName::Email(address) => Some(address.clone()),
                _ => None,
            })
        }),
        Source::DisplayName => account.and_then(|account| account.display_name.clone()),
        Source::Home => account.and_then(|account| account.home.clone()),
        Source::Host => bearer.names.iter().find_map(|name| match name {
            AlternativeName::Dns(host) => Some(host.clone()),
            _ => None,
        }),
        Source::Entry(attribute) => bearer.entry.get(attribute).cloned(),
    }
}

/// The bits that a key of this kind can serve: RSA encrypts, ECDSA keys agree on keys, Ed25519 only signs (RFC 8410,
/// section 5; RFC 5480, section 3; RFC 4055, section 1.2).
fn key_usage(uses: &[KeyUse], kind: KeyKind) -> FlagSet<KeyUsages> {
    let mut usage = FlagSet::<KeyUsages>::default();
    for bit in uses {
        usage |= match (bit, kind) {
            (KeyUse::DigitalSignature, _) => KeyUsages::DigitalSignature.into(),
            (KeyUse::ContentCommitment, _) => KeyUsages::NonRepudiation.into(),
            (KeyUse::KeyEncipherment, KeyKind::Rsa { .. }) => KeyUsages::KeyEncipherment.into(),
            (KeyUse::KeyAgreement, KeyKind::EcdsaP256 | KeyKind::EcdsaP384) => KeyUsages::KeyAgreement.into(),
            (KeyUse::KeyEncipherment | KeyUse::KeyAgreement, _) => FlagSet::default(),
            (KeyUse::KeyCertSign, _) => KeyUsages::KeyCertSign.into(),
            (KeyUse::CrlSign, _) => KeyUsages::CRLSign.into(),
        };
    }
    usage
}

/// The subject's name, its attributes from the general to the specific, each within the bounds of RFC 5280,
/// appendix A.1.
fn distinguished_name(attributes: &[(SubjectAttribute, String)]) -> Result<Name, Unacceptable> {
    let mut sequence = RdnSequence::default();
    for (attribute, value) in attributes {
        let (what, oid, tag, most) = match attribute {
            SubjectAttribute::Country => ("the country", COUNTRY_NAME, Tag::PrintableString, 2),
            SubjectAttribute::State => ("the state", ST, Tag::Utf8String, 128),
            SubjectAttribute::Locality => ("the locality", LOCALITY_NAME, Tag::Utf8String, 128),
            SubjectAttribute::Organization => ("the organization", ORGANIZATION_NAME, Tag::Utf8String, NAME_LIMIT),
            SubjectAttribute::OrganizationalUnit => {
                ("the organizational unit", ORGANIZATIONAL_UNIT_NAME, Tag::Utf8String, NAME_LIMIT)
            }
            SubjectAttribute::CommonName => ("the common name", COMMON_NAME, Tag::Utf8String, NAME_LIMIT),
            SubjectAttribute::Email => ("the e-mail address", EMAIL_ADDRESS, Tag::Ia5String, 255),
        };
        let refuse = |why| Unacceptable { what, value: value.clone(), why };
        if value.trim().is_empty() {
            return Err(refuse("it is empty"));
        }
        if value.chars().count() > most {
            return Err(refuse("it is longer than RFC 5280, appendix A.1, allows"));
        }
        if value.chars().any(char::is_control) {
            return Err(refuse("it has control characters"));
        }
        match attribute {
            SubjectAttribute::Country if !is_country(value) => return Err(refuse("it is not two capital letters")),
            SubjectAttribute::Email => super::check_email(value).map_err(refuse)?,
            _ => {}
        }
        let encoded = Any::new(tag, value.as_bytes())
            .and_then(|value| RelativeDistinguishedName::try_from(vec![AttributeTypeAndValue { oid, value }]))
            .map_err(|_| refuse("it does not encode"))?;
        sequence.push(encoded);
    }
    // `Name` is the sequence with a stricter face, and opens only by way of its encoding.
    let refuse = |_| Unacceptable { what: "the subject", value: String::new(), why: "it does not encode" };
    Name::from_der(&sequence.to_der().map_err(refuse)?).map_err(refuse)
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests;
