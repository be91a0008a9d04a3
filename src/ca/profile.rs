//! What a kind of certificate holds ([`Profile`]) and whom one is about ([`Subject`]): the fields and
//! extensions of RFC 5280, sections 4.1 and 4.2, as far as they do not depend on who issues. A subject
//! is checked against its profile before anything is signed. What comes of a profile that an administrator
//! has written, for one account and one key, is told in `apply`.

pub mod apply;
mod links;

use crate::base::clock::Timestamp;
use der::asn1::{Any, Ia5String, ObjectIdentifier};
use der::flagset::FlagSet;
use der::{Encode, Tag};
use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::oid::db::rfc4519::{COMMON_NAME, ORGANIZATION_NAME};
use x509_cert::der::oid::db::rfc5280::{ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH};
use x509_cert::ext::pkix::name::{GeneralName, OtherName};
use x509_cert::ext::pkix::{KeyUsages, SubjectAltName};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

/// The most characters that a commonName or organizationName may have (RFC 5280, appendix A.1).
const NAME_LIMIT: usize = 64;

/// The most octets of a URI and of a user principal name.
const LONGEST_URI: usize = 1000;

/// `id-ms-san-upn`.
const USER_PRINCIPAL_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.3");

/// How far notBefore is set back, so that a client whose clock is slow accepts what was just issued.
pub const BACKDATING: Duration = Duration::from_secs(5 * 60);

/// What a kind of certificate may be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The name that stands in records: `client`.
    pub name: Cow<'static, str>,
    /// Whether it is an authority's, and with which limits.
    pub kind: Kind,
    /// The keyUsage bits.
    pub key_usage: FlagSet<KeyUsages>,
    /// The extended key usages; without any there is no such extension.
    pub extended_key_usage: Vec<ObjectIdentifier>,
    /// The certificate policies; without any there is no such extension.
    pub policies: Vec<ObjectIdentifier>,
    /// Where others find what they need to judge the certificate.
    pub links: Links,
}

/// Where others find what they need to judge a certificate: `http` URLs, in ASCII.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Links {
    /// Revocation lists (cRLDistributionPoints).
    pub crl: Vec<String>,
    /// OCSP answers (authorityInfoAccess).
    pub ocsp: Vec<String>,
    /// The issuer's certificate (authorityInfoAccess).
    pub issuer: Vec<String>,
}

/// What basicConstraints says (RFC 5280, section 4.2.1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It issues nothing.
    EndEntity,
    /// It issues certificates.
    Authority {
        /// How many authorities may stand between it and an end entity; `None` is any number.
        path_length: Option<u8>,
    },
}

impl Profile {
    /// An authority: signs certificates and revocation lists.
    #[must_use]
    pub fn authority(path_length: Option<u8>) -> Self {
        Self {
            name: Cow::Borrowed("authority"),
            kind: Kind::Authority { path_length },
            key_usage: KeyUsages::KeyCertSign | KeyUsages::CRLSign,
            extended_key_usage: Vec::new(),
            policies: Vec::new(),
            links: Links::default(),
        }
    }

    /// A person or a program that logs in.
    #[must_use]
    pub fn client() -> Self {
        Self::end_entity("client", ID_KP_CLIENT_AUTH)
    }

    /// A TLS server.
    #[must_use]
    pub fn server() -> Self {
        Self::end_entity("server", ID_KP_SERVER_AUTH)
    }

    /// An elliptic-curve key signs handshakes and does nothing else (RFC 8446, section 4.4.2.2), so
    /// digitalSignature alone is right.
    fn end_entity(name: &'static str, usage: ObjectIdentifier) -> Self {
        Self {
            name: Cow::Borrowed(name),
            kind: Kind::EndEntity,
            key_usage: KeyUsages::DigitalSignature.into(),
            extended_key_usage: vec![usage],
            policies: Vec::new(),
            links: Links::default(),
        }
    }

    /// Whether a certificate of this kind may be about this subject.
    ///
    /// # Errors
    /// When an end entity has no alternative name, or an authority has one.
    pub(super) fn check(&self, subject: &Subject) -> Result<(), Unacceptable> {
        let why = match self.kind {
            Kind::EndEntity if subject.names.is_empty() => "an end entity needs an alternative name",
            Kind::Authority { .. } if !subject.names.is_empty() => "an authority has no alternative names",
            _ => return Ok(()),
        };
        Err(Unacceptable { what: "the subject", value: subject.common_name.clone(), why })
    }
}

/// From when until when a certificate is valid, both seconds included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

impl Validity {
    /// From [`BACKDATING`] before `now` until `lifetime` after it.
    #[must_use]
    pub fn starting(now: Timestamp, lifetime: Duration) -> Self {
        Self { not_before: now.minus(BACKDATING), not_after: now.plus(lifetime) }
    }
}

/// Whom a certificate is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// commonName: 1 to 64 characters.
    pub common_name: String,
    /// organizationName: 1 to 64 characters.
    pub organization: Option<String>,
    /// The subject alternative names, in the order in which they will stand.
    pub names: Vec<AlternativeName>,
}

/// A subject alternative name (RFC 5280, section 4.2.1.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlternativeName {
    /// rfc822Name: an address of ASCII characters.
    Email(String),
    /// dNSName: a host name, or `*.` and one.
    Dns(String),
    /// iPAddress.
    Address(IpAddr),
    /// uniformResourceIdentifier: an absolute one, in ASCII.
    Uri(String),
    /// The user principal name of Windows (an otherName).
    Upn(String),
}

/// A value cannot stand in a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} cannot stand in a certificate: {why}")]
pub struct Unacceptable {
    /// What it was to be: `the common name`.
    pub what: &'static str,
    /// The value.
    pub value: String,
    /// Why.
    pub why: &'static str,
}

impl Subject {
    /// The distinguished name: organization, then common name, most general first.
    pub(super) fn name(&self) -> Result<Name, Unacceptable> {
        let mut sequence = RdnSequence::default();
        let organization = self.organization.as_deref().map(|value| ("the organization", ORGANIZATION_NAME, value));
        let common_name = ("the common name", COMMON_NAME, self.common_name.as_str());
        for (what, oid, value) in organization.into_iter().chain([common_name]) {
            let refuse = |why| Unacceptable { what, value: value.to_owned(), why };
            if value.trim().is_empty() {
                return Err(refuse("it is empty"));
            }
            if value.chars().count() > NAME_LIMIT {
                return Err(refuse("it has more than 64 characters"));
            }
            if value.chars().any(char::is_control) {
                return Err(refuse("it has control characters"));
            }
            let encoded = Any::new(Tag::Utf8String, value.as_bytes())
                .and_then(|value| RelativeDistinguishedName::try_from(vec![AttributeTypeAndValue { oid, value }]))
                .map_err(|_| refuse("it does not encode"))?;
            sequence.push(encoded);
        }
        // `Name` is the sequence with a stricter face, and opens only by way of its encoding.
        let refuse =
            || Unacceptable { what: "the subject", value: self.common_name.clone(), why: "it does not encode" };
        let encoded = sequence.to_der().map_err(|_| refuse())?;
        der::Decode::from_der(&encoded).map_err(|_| refuse())
    }

    /// The subjectAltName extension; `None` without names.
    pub(super) fn alternative_names(&self) -> Result<Option<SubjectAltName>, Unacceptable> {
        alternative_names(&self.names)
    }
}

/// The subjectAltName extension; `None` without names.
pub(super) fn alternative_names(names: &[AlternativeName]) -> Result<Option<SubjectAltName>, Unacceptable> {
    if names.is_empty() {
        return Ok(None);
    }
    let names = names.iter().map(AlternativeName::encode).collect::<Result<_, _>>()?;
    Ok(Some(SubjectAltName(names)))
}

impl AlternativeName {
    fn encode(&self) -> Result<GeneralName, Unacceptable> {
        let ia5 = |what, value: &str| {
            Ia5String::new(value).map_err(|_| Unacceptable { what, value: value.to_owned(), why: "it does not encode" })
        };
        match self {
            Self::Email(address) => {
                const WHAT: &str = "the e-mail address";
                check_email(address).map_err(|why| Unacceptable { what: WHAT, value: address.clone(), why })?;
                Ok(GeneralName::Rfc822Name(ia5(WHAT, address)?))
            }
            Self::Dns(host) => {
                const WHAT: &str = "the host name";
                check_host(host).map_err(|why| Unacceptable { what: WHAT, value: host.clone(), why })?;
                Ok(GeneralName::DnsName(ia5(WHAT, host)?))
            }
            Self::Address(address) => Ok(GeneralName::from(*address)),
            Self::Uri(uri) => {
                const WHAT: &str = "the URI";
                check_uri(uri).map_err(|why| Unacceptable { what: WHAT, value: uri.clone(), why })?;
                Ok(GeneralName::UniformResourceIdentifier(ia5(WHAT, uri)?))
            }
            Self::Upn(name) => {
                let refuse = |why| Unacceptable { what: "the user principal name", value: name.clone(), why };
                check_upn(name).map_err(refuse)?;
                let value = Any::new(Tag::Utf8String, name.as_bytes()).map_err(|_| refuse("it does not encode"))?;
                Ok(GeneralName::OtherName(OtherName { type_id: USER_PRINCIPAL_NAME, value }))
            }
        }
    }
}

/// Whether the text is a Mailbox of RFC 5321, section 4.1.2, in its dot-string form. The quoted form is
/// refused: nobody's address needs it, and every reader of it takes another part for the name.
fn check_email(address: &str) -> Result<(), &'static str> {
    if !address.is_ascii() {
        return Err("rfc822Name holds ASCII only (RFC 5280, section 4.2.1.6)");
    }
    let Some((local, domain)) = address.split_once('@') else {
        return Err("it has no @");
    };
    if local.len() > 64 {
        return Err("what stands before the @ is longer than 64 octets");
    }
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    if !local.split('.').all(is_atom) {
        return Err("what stands before the @ is not a dot-string (RFC 5321, section 4.1.2)");
    }
    if domain.starts_with('*') {
        return Err("its domain is a wildcard");
    }
    check_host(domain)
}

/// Whether the text is an absolute URI (RFC 3986) without user information, of a scheme that has hosts or of
/// `urn:`.
fn check_uri(uri: &str) -> Result<(), &'static str> {
    if uri.len() > LONGEST_URI || !uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&byte)) {
        return Err("it is longer than 1000 octets or holds a character that no URI has");
    }
    let Some((scheme, rest)) = uri.split_once(':') else { return Err("it has no scheme") };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !is_scheme || rest.is_empty() {
        return Err("it is not SCHEME:REST");
    }
    let Some(after) = rest.strip_prefix("//") else { return Ok(()) };
    let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') || authority.is_empty() {
        return Err("it has no host, or names a user");
    }
    Ok(())
}

/// Whether the text is a user principal name: NAME@DOMAIN.
fn check_upn(name: &str) -> Result<(), &'static str> {
    let Some((user, domain)) = name.split_once('@') else { return Err("it has no @") };
    if user.is_empty() || name.len() > LONGEST_URI || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("it is empty before the @, too long, or holds a space or a control character");
    }
    if domain.starts_with('*') {
        return Err("its domain is a wildcard");
    }
    check_host(domain)
}

/// Whether the text is a host name in its preferred syntax (RFC 1034, section 3.5), or a wildcard for
/// one label.
fn check_host(host: &str) -> Result<(), &'static str> {
    if host.len() > 253 {
        return Err("it is longer than 253 octets");
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    match host.strip_prefix("*.") {
        // A wildcard directly below the root would stand for every top-level domain's hosts.
        Some(parent) if !parent.contains('.') => return Err("a wildcard needs two labels after it"),
        parent => {
            if !parent.unwrap_or(host).split('.').all(is_label) {
                return Err("it is not a host name (letters, digits and hyphens between dots)");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(names: Vec<AlternativeName>) -> Subject {
        Subject { common_name: "Alice".into(), organization: None, names }
    }

    #[test]
    fn a_name_is_written_from_the_general_to_the_specific() {
        let subject = Subject { organization: Some("Example, Inc.".into()), ..subject(vec![]) };
        // RFC 4514 turns the order of the certificate round.
        assert_eq!(subject.name().unwrap().to_string(), "CN=Alice,O=Example\\, Inc.");
    }

    #[test]
    fn a_name_that_cannot_stand_in_a_certificate_is_refused() {
        let long = "x".repeat(65);
        for (common_name, acceptable) in
            [("Alice", true), ("Ålice Ärcher", true), ("", false), (" ", false), ("a\0b", false), (&long, false)]
        {
            let subject = Subject { common_name: common_name.into(), ..subject(vec![]) };
            assert_eq!(subject.name().is_ok(), acceptable, "{common_name:?}");
        }
    }

    #[test]
    fn an_alternative_name_that_is_none_is_refused() {
        use AlternativeName::{Dns, Email, Upn, Uri};
        let long = format!("{}@example.org", "x".repeat(65));
        let cases = [
            (Email("alice@example.org".into()), true),
            (Email("a.b+c@example.org".into()), true),
            (Email("alice".into()), false),
            (Email("@example.org".into()), false),
            (Email("a..b@example.org".into()), false),
            (Email("\"a b\"@example.org".into()), false),
            (Email("alice@*.example.org".into()), false),
            (Email("alice@a@b".into()), false),
            (Email("älice@example.org".into()), false),
            (Email("alice@example.org\0.evil.example".into()), false),
            (Email(long), false),
            (Dns("localhost".into()), true),
            (Dns("*.example.org".into()), true),
            (Dns("*.org".into()), false),
            (Dns("a.*.org".into()), false),
            (Dns("-a.org".into()), false),
            (Dns("a_b.org".into()), false),
            (Dns("a..org".into()), false),
            (Dns("a.org.".into()), false),
            (Dns("x".repeat(64)), false),
            (Uri("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6".into()), true),
            (Uri("https://people.example.org/ann?a=b#c".into()), true),
            (Uri("/ann".into()), false),
            (Uri("https://ann@example.org/".into()), false),
            (Uri("https:///ann".into()), false),
            (Uri("https://example.org/ä".into()), false),
            (Uri("1a:b".into()), false),
            (Uri(format!("urn:{}", "x".repeat(1000))), false),
            (Upn("ann@corp.example".into()), true),
            (Upn("änn@corp.example".into()), true),
            (Upn("ann".into()), false),
            (Upn("@corp.example".into()), false),
            (Upn("ann smith@corp.example".into()), false),
            (Upn("ann@corp.example@evil.example".into()), false),
        ];
        for (name, acceptable) in cases {
            assert_eq!(subject(vec![name.clone()]).alternative_names().is_ok(), acceptable, "{name:?}");
        }
    }

    #[test]
    fn an_end_entity_has_alternative_names_and_an_authority_has_none() {
        let named = subject(vec![AlternativeName::Dns("localhost".into())]);
        let unnamed = subject(vec![]);
        assert!(Profile::server().check(&named).is_ok());
        assert!(Profile::server().check(&unnamed).is_err());
        assert!(Profile::authority(None).check(&unnamed).is_ok());
        assert!(Profile::authority(None).check(&named).is_err());
    }
}
