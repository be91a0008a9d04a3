//! The LDAP directory that people's certificates are published in: where it is, as whom the authority speaks to it, and
//! by which filter it finds somebody's entry. What an account says gets into a filter only as the value of a comparison
//! (RFC 4515, section 3).

use crate::base::secret::SecretSource;
use crate::config::ServerName;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

/// The directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Ldap {
    /// Its servers; the first that answers is asked.
    pub servers: Vec<LdapServer>,
    /// A PEM file with the authorities that the servers' certificates may come from.
    pub ca: PathBuf,
    /// The name that the authority binds with.
    pub bind_dn: String,
    /// The password for it.
    pub password: SecretSource,
    /// The entry that all others are searched below.
    pub base: String,
    /// Which entry is an account's.
    pub filter: LdapFilter,
    /// The attributes that hold certificates.
    pub attributes: Vec<LdapAttribute>,
    /// The profiles whose certificates are published.
    pub profiles: Vec<String>,
    /// How long each answer may take.
    pub timeout: Duration,
}

/// A server, and how TLS begins there. Without TLS nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapServer {
    /// Its name and port.
    pub name: ServerName,
    /// Whether TLS begins by the StartTLS operation (RFC 4511, section 4.14), and not with the connection.
    pub start_tls: bool,
}

impl LdapServer {
    /// Reads `ldaps://host`, `ldap://host` and either with a port.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(url: &str) -> Result<Self, String> {
        let (rest, start_tls, port) = match (url.strip_prefix("ldaps://"), url.strip_prefix("ldap://")) {
            (Some(rest), _) => (rest, false, 636),
            (_, Some(rest)) => (rest, true, 389),
            _ => return Err("write `ldaps://HOST`, or `ldap://HOST` for StartTLS".to_owned()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0).ok_or("the port is no number")?),
            None => (rest, port),
        };
        let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
        if host.is_empty() || host.len() > 253 || !host.bytes().all(is_plain) {
            return Err("the host is a name, or an IPv4 address that stands in the server's certificate".to_owned());
        }
        Ok(Self { name: ServerName { host: host.to_ascii_lowercase(), port }, start_tls })
    }
}

impl std::fmt::Display for LdapServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.start_tls { "ldap" } else { "ldaps" };
        write!(f, "{scheme}://{}:{}", self.name.host, self.name.port)
    }
}

/// An attribute that holds certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapAttribute {
    /// Its description as requests have it: `userCertificate;binary`.
    pub description: String,
    /// What its values are.
    pub form: LdapForm,
}

/// What the values of an attribute are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LdapForm {
    /// The certificate in DER.
    Certificate,
    /// A certs-only message of CMS that holds it and those of its issuers (RFC 2798, section 2.8).
    Message,
}

impl LdapAttribute {
    /// Reads an attribute description without other options than `binary` (RFC 4512, section 2.5; RFC 4522).
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(description: &str) -> Result<Self, String> {
        let name = description.strip_suffix(";binary").unwrap_or(description);
        let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.len() <= 100
            && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        if !is_name {
            return Err("this is not the name of an attribute: write `userCertificate;binary`".to_owned());
        }
        let is_message = name.eq_ignore_ascii_case("userSMIMECertificate");
        let form = if is_message { LdapForm::Message } else { LdapForm::Certificate };
        Ok(Self { description: description.to_owned(), form })
    }
}

/// What of an account may stand in a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LdapValue {
    /// `{username}`.
    Username,
    /// `{email}`.
    Email,
    /// `{name}`: what people call them.
    Name,
}

/// A search filter with places for an account's values: `(&(objectClass=person)(mail={email}))`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapFilter {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(LdapValue),
}

impl LdapFilter {
    /// Reads a filter. It must have a place for a value, or it would find the same entry for everybody.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("a `{` is not closed")?;
            let value = match name {
                "username" => LdapValue::Username,
                "email" => LdapValue::Email,
                "name" => LdapValue::Name,
                _ => return Err("the places for values are `{username}`, `{email}` and `{name}`".to_owned()),
            };
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Value(value));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        let filter = Self { parts };
        if !filter.parts.iter().any(|part| matches!(part, Part::Value(_))) {
            return Err("it would find the same entry for everybody: write for instance `(mail={email})`".to_owned());
        }
        // A value with every special character is good for the value of a comparison, and for nothing else.
        for value in ["a", "(*)\\\0ä"] {
            let rendered = filter.render(|_| Some(value)).unwrap_or_default();
            if ldap3::parse_filter(&rendered).is_err() {
                return Err("this is not a search filter with values in places of values (RFC 4515)".to_owned());
            }
        }
        Ok(filter)
    }

    /// The filter for one account; `None` if the account lacks a value that it needs.
    pub fn render<'v>(&self, value_of: impl Fn(LdapValue) -> Option<&'v str>) -> Option<String> {
        let mut filter = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filter.push_str(text),
                Part::Value(value) => escape(value_of(*value).filter(|value| !value.is_empty())?, &mut filter),
            }
        }
        Some(filter)
    }
}

/// Writes a value so that it compares with these very octets (RFC 4515, section 3). What need not be escaped is
/// escaped too, but for what nobody takes for anything else.
fn escape(value: &str, to: &mut String) {
    for octet in value.bytes() {
        if octet.is_ascii_alphanumeric() || b"@._-+ ".contains(&octet) {
            to.push(char::from(octet));
        } else {
            // Writing into a `String` never fails.
            let _ = write!(to, "\\{octet:02x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_server_is_an_ldap_url_with_a_name() {
        let server = |host: &str, port, start_tls| {
            Some(LdapServer { name: ServerName { host: host.to_owned(), port }, start_tls })
        };
        let cases = [
            ("ldaps://ldap.example.org", server("ldap.example.org", 636, false)),
            ("ldap://LDAP.example.org/", server("ldap.example.org", 389, true)),
            ("ldaps://127.0.0.1:1636", server("127.0.0.1", 1636, false)),
            ("ldap.example.org", None),
            ("ldapi:///run/slapd", None),
            ("ldaps://", None),
            ("ldaps://a:b@c", None),
            ("ldaps://host:0", None),
            ("ldaps://host:99999", None),
            ("ldaps://host/o=x?mail", None),
            ("ldaps://[::1]:636", None),
        ];
        for (url, expected) in cases {
            assert_eq!(LdapServer::parse(url).ok(), expected, "{url}");
        }
    }

    #[test]
    fn an_attribute_says_by_its_name_what_its_values_are() {
        let cases = [
            ("userCertificate;binary", Some(LdapForm::Certificate)),
            ("userCertificate", Some(LdapForm::Certificate)),
            ("userSMIMECertificate", Some(LdapForm::Message)),
            ("usersmimecertificate;binary", Some(LdapForm::Message)),
            ("", None),
            ("user certificate", None),
            ("userCertificate;lang-en", None),
            ("1.2.3", None),
        ];
        for (description, expected) in cases {
            let parsed = LdapAttribute::parse(description);
            assert_eq!(parsed.ok().map(|attribute| attribute.form), expected, "{description}");
        }
    }

    #[test]
    fn a_filter_has_values_where_values_belong() {
        for (text, is_good) in [
            ("(mail={email})", true),
            ("(&(objectClass=person)(|(uid={username})(cn=*{name}*)))", true),
            ("(mail:caseExactMatch:={email})", true),
            ("(uid=alice)", false),
            ("({username}=*)", false),
            ("(mail={email}", false),
            ("{username}", false),
            ("(uid={user})", false),
            ("(uid={username)", false),
            ("(!(uid={username}))(uid=*)", false),
            ("", false),
        ] {
            assert_eq!(LdapFilter::parse(text).is_ok(), is_good, "{text}: {:?}", LdapFilter::parse(text));
        }
    }

    #[test]
    fn a_value_stays_in_its_place() {
        let filter = LdapFilter::parse("(&(uid={username})(active=TRUE))").unwrap();
        let rendered = filter.render(|_| Some("*)(uid=root))(|(a=b")).unwrap();
        assert_eq!(rendered, "(&(uid=\\2a\\29\\28uid\\3droot\\29\\29\\28\\7c\\28a\\3db)(active=TRUE))");
        assert_eq!(filter.render(|_| None), None);
        assert_eq!(filter.render(|_| Some("")), None);
    }

    proptest! {
        #[test]
        fn whatever_an_account_is_called_the_filter_has_the_same_shape(value in "\\PC{1,40}|[\\\\*()\\x00-\\x7f]{1,40}") {
            let filter = LdapFilter::parse("(&(uid={username})(x=y))").unwrap();
            let rendered = filter.render(|_| Some(&value)).unwrap();
            let inner = rendered.strip_prefix("(&(uid=").and_then(|rest| rest.strip_suffix(")(x=y))")).unwrap();
            prop_assert!(!inner.contains(['(', ')', '*', '\0']), "{}", inner);
            let mut octets = Vec::new();
            let mut rest = inner.bytes();
            while let Some(octet) = rest.next() {
                octets.push(match octet {
                    b'\\' => {
                        let pair = [rest.next().unwrap(), rest.next().unwrap()];
                        u8::from_str_radix(std::str::from_utf8(&pair).unwrap(), 16).unwrap()
                    }
                    octet => octet,
                });
            }
            prop_assert_eq!(octets, value.as_bytes());
            prop_assert!(ldap3::parse_filter(&rendered).is_ok());
        }
    }
}
