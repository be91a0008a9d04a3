//! Which names an authority may certify: the nameConstraints extension (RFC 5280, section 4.2.1.10), which binds
//! everybody who validates a path, so that a stolen key is worth less. `certificate::path` is what enforces it here.

use crate::ca::profile::Unacceptable;
use der::asn1::{Ia5String, OctetString};
use x509_cert::ext::pkix::NameConstraints;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;

/// A host that no name is ever below (RFC 2606, section 2). Permitting it alone permits nothing, which all
/// validators understand; of excluding everything, some do not.
const NOWHERE: &str = "invalid";

/// The names that an authority may certify. A kind of which none are named is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permitted {
    /// E-mail addresses, if they are limited.
    pub emails: Option<Vec<EmailSubtree>>,
    /// Host names, if they are limited: these domains and what is below them. IP addresses are excluded then, which
    /// would otherwise be a way around. An empty list permits none.
    pub dns: Option<Vec<String>>,
}

/// E-mail addresses that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmailSubtree {
    /// Those at this very host.
    Host(String),
    /// Those at the hosts below this domain, without the domain itself.
    Below(String),
    /// This one.
    Address(String),
}

impl EmailSubtree {
    /// Reads `example.org`, `.example.org` or `alice@example.org`.
    ///
    /// # Errors
    /// When it is none of the three.
    pub fn parse(text: &str) -> Result<Self, Unacceptable> {
        if let Some((local, host)) = text.split_once('@') {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
            if local.is_empty() || local.len() > 64 || !local.bytes().all(plain) {
                return Err(refuse(text, "what stands before the @ is no local part of an address"));
            }
            return Ok(Self::Address(format!("{local}@{}", self::host(text, host)?)));
        }
        Ok(match text.strip_prefix('.') {
            Some(domain) => Self::Below(host(text, domain)?),
            None => Self::Host(host(text, text)?),
        })
    }

    fn base(&self) -> String {
        match self {
            Self::Host(name) | Self::Address(name) => name.clone(),
            Self::Below(domain) => format!(".{domain}"),
        }
    }
}

impl Permitted {
    /// The names that these texts permit, each kind without any of them unlimited. `none` alone permits none of a
    /// kind.
    ///
    /// # Errors
    /// When a text is no name of its kind.
    pub fn parse(emails: &[String], dns: &[String]) -> Result<Self, Unacceptable> {
        let emails = match emails {
            [] => None,
            [none] if none == "none" => Some(Vec::new()),
            emails => Some(emails.iter().map(|text| EmailSubtree::parse(text)).collect::<Result<_, _>>()?),
        };
        let dns = match dns {
            [] => None,
            [none] if none == "none" => Some(Vec::new()),
            dns => Some(dns.iter().map(|text| host(text, text)).collect::<Result<_, _>>()?),
        };
        Ok(Self { emails, dns })
    }

    /// Whether any name may be certified.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.emails.is_none() && self.dns.is_none()
    }

    /// The extension; `None` if nothing is limited.
    pub(super) fn extension(&self) -> Result<Option<NameConstraints>, Unacceptable> {
        if self.is_everything() {
            return Ok(None);
        }
        let mut permitted = Vec::new();
        if let Some(emails) = &self.emails {
            for base in or_nowhere(emails.iter().map(EmailSubtree::base).collect()) {
                permitted.push(subtree(GeneralName::Rfc822Name(ia5(&base)?)));
            }
        }
        if let Some(dns) = &self.dns {
            for base in or_nowhere(dns.clone()) {
                permitted.push(subtree(GeneralName::DnsName(ia5(&base)?)));
            }
        }
        let excluded = match self.dns {
            // Network and mask, of either family: all addresses.
            Some(_) => Some(
                [vec![0; 8], vec![0; 32]]
                    .into_iter()
                    .map(|range| OctetString::new(range).map(|range| subtree(GeneralName::IpAddress(range))))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|_| refuse("all addresses", "it does not encode"))?,
            ),
            None => None,
        };
        Ok(Some(NameConstraints { permitted_subtrees: Some(permitted), excluded_subtrees: excluded }))
    }
}

fn or_nowhere(bases: Vec<String>) -> Vec<String> {
    if bases.is_empty() { vec![NOWHERE.to_owned()] } else { bases }
}

fn subtree(base: GeneralName) -> GeneralSubtree {
    GeneralSubtree { base, minimum: 0, maximum: None }
}

fn ia5(text: &str) -> Result<Ia5String, Unacceptable> {
    Ia5String::new(text).map_err(|_| refuse(text, "it does not encode"))
}

fn refuse(value: &str, why: &'static str) -> Unacceptable {
    Unacceptable { what: "the constraint", value: value.to_owned(), why }
}

/// A host name in lower case.
fn host(text: &str, host: &str) -> Result<String, Unacceptable> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() > 253 || !host.split('.').all(is_label) {
        return Err(refuse(text, "it is not a host name (letters, digits and hyphens between dots)"));
    }
    Ok(host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constraint_is_a_host_a_domain_or_an_address() {
        use EmailSubtree::{Address, Below, Host};
        let cases = [
            ("Example.org", Some(Host("example.org".into()))),
            (".example.org", Some(Below("example.org".into()))),
            ("Alice@Example.org", Some(Address("Alice@example.org".into()))),
            ("", None),
            (".", None),
            ("@example.org", None),
            ("a@b@example.org", None),
            ("*.example.org", None),
            ("example.org.", None),
            ("exämple.org", None),
            ("a b@example.org", None),
        ];
        for (text, expected) in cases {
            assert_eq!(EmailSubtree::parse(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_not_named_is_not_limited_and_none_is_nothing() {
        assert!(Permitted::parse(&[], &[]).unwrap().is_everything());
        assert_eq!(Permitted::default().extension(), Ok(None));
        let none = Permitted::parse(&["none".into()], &["none".into()]).unwrap();
        assert_eq!(none, Permitted { emails: Some(Vec::new()), dns: Some(Vec::new()) });
        let extension = none.extension().unwrap().unwrap();
        let nowhere = |name| subtree(name);
        let invalid = Ia5String::new("invalid").unwrap();
        let expected = vec![nowhere(GeneralName::Rfc822Name(invalid.clone())), nowhere(GeneralName::DnsName(invalid))];
        assert_eq!(extension.permitted_subtrees, Some(expected));
        assert_eq!(extension.excluded_subtrees.map(|excluded| excluded.len()), Some(2));
        assert!(Permitted::parse(&["none".into(), "example.org".into()], &["a..b".into()]).is_err());
    }
}
