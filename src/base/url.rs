//! The URLs that the gate itself fetches from (RFC 3986, RFC 9110, section 4.2.1): `http://host:port/path?query`
//! and nothing else. They come from certificates and from the configuration, so the reader is strict and
//! bounded; which addresses may be connected to is `fetch`'s to decide.

use super::address;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The longest URL that is read, in octets.
pub const MAX_URL: usize = 2048;
/// The longest host name (RFC 1035, section 2.3.4).
const MAX_HOST: usize = 253;

/// An `http` URL in normal form: scheme and host in lower case, port 80 left out, no fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HttpUrl {
    host: String,
    port: u16,
    target: String,
}

/// Why text is not a URL that is fetched from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// More octets than are read.
    #[error("the URL is longer than {MAX_URL} octets")]
    TooLong,
    /// It would need TLS, whose certificate would have to be checked for revocation in turn.
    #[error(
        "lists and answers are signed and are fetched over plain http: https would need a certificate that is checked \
         for revocation in its turn (RFC 5280, section 8)"
    )]
    Https,
    /// Another scheme, or none.
    #[error("only http:// URLs are fetched from")]
    Scheme,
    /// A character that no URL may have.
    #[error("the URL holds a character that no URL may have")]
    Character,
    /// A user name or password.
    #[error("the URL holds a user name or a password")]
    UserInfo,
    /// The host.
    #[error("the host of the URL is neither a name nor an address")]
    Host,
    /// The port.
    #[error("the port of the URL is not a number from 1 to 65535")]
    Port,
    /// A fragment.
    #[error("the URL holds a fragment (`#`)")]
    Fragment,
}

impl HttpUrl {
    /// A host name in lower case, an IPv4 address, or an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, 80 where none is written.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What is asked for: the path, at least `/`, and the query.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What the `Host` field says (RFC 9110, section 7.2): the host, and the port unless it is 80.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == 80 { host } else { format!("{host}:{}", self.port) }
    }

    /// The address that the host is, if it is no name.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Where a `Location` leads from here: a whole URL, or a path of the same host. Other relative references
    /// are not followed.
    ///
    /// # Errors
    /// When it is neither.
    pub fn join(&self, location: &str) -> Result<Self, UrlError> {
        if location.starts_with('/') && !location.starts_with("//") {
            return format!("http://{}{location}", self.authority()).parse();
        }
        location.parse()
    }

    /// This URL with a segment behind its path, which gets a slash if it has none at its end; the query is left
    /// out. The segment must be encoded already.
    ///
    /// # Errors
    /// When the result is too long, or the segment has a character that no URL may have.
    pub fn with_segment(&self, segment: &str) -> Result<Self, UrlError> {
        let path = self.target.split('?').next().unwrap_or("/");
        let slash = if path.ends_with('/') { "" } else { "/" };
        format!("http://{}{path}{slash}{segment}", self.authority()).parse()
    }

    /// Whether it has a query.
    #[must_use]
    pub fn has_query(&self) -> bool {
        self.target.contains('?')
    }
}

impl FromStr for HttpUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_URL {
            return Err(UrlError::TooLong);
        }
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => return Err(UrlError::Https),
            _ => return Err(UrlError::Scheme),
        };
        let (authority, target) = rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len())).unzip();
        let (authority, target) = (authority.unwrap_or_default(), target.unwrap_or_default());
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        check_target(target)?;
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { host, port, target: format!("{slash}{target}") })
    }
}

fn split_port(authority: &str) -> Result<(String, u16), UrlError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, behind) = rest.split_once(']').ok_or(UrlError::Host)?;
            let address: Ipv6Addr = address.parse().map_err(|_| UrlError::Host)?;
            (address.to_string(), behind)
        }
        None => {
            let (host, port) = authority.split_at_checked(authority.find(':').unwrap_or(authority.len())).unzip();
            (host_name(host.unwrap_or_default())?, port.unwrap_or_default())
        }
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => 80,
        None => return Err(UrlError::Host),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port != 0).ok_or(UrlError::Port)?
        }
        Some(_) => return Err(UrlError::Port),
    };
    Ok((host, port))
}

/// A name of letters, digits, hyphens and underscores in labels. What resolvers take for an address in an
/// unusual spelling (`127.1`, `0x7f000001`) is refused: a last label of digits makes an IPv4 address, whole.
fn host_name(host: &str) -> Result<String, UrlError> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if host.len() > MAX_HOST || !host.split('.').all(label) {
        return Err(UrlError::Host);
    }
    if address::looks_numeric(host) && host.parse::<std::net::Ipv4Addr>().is_err() {
        return Err(UrlError::Host);
    }
    Ok(host.to_ascii_lowercase())
}

/// RFC 3986, sections 3.3 and 3.4: pchar, slashes and question marks.
fn check_target(target: &str) -> Result<(), UrlError> {
    let mut octets = target.bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b'#' => return Err(UrlError::Fragment),
            b'%' => {
                let digits = [octets.next(), octets.next()];
                if !digits.iter().flatten().filter(|digit| digit.is_ascii_hexdigit()).count().eq(&2) {
                    return Err(UrlError::Character);
                }
            }
            _ if octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(&octet) => {}
            _ => return Err(UrlError::Character),
        }
    }
    Ok(())
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_url_has_one_normal_form() {
        let long = format!("http://a/{}", "x".repeat(MAX_URL));
        let long_label = format!("http://{}.org/", "x".repeat(64));
        let cases = [
            ("http://example.org", Ok("http://example.org/")),
            ("HTTP://Example.ORG:80/a.crl?b=/c", Ok("http://example.org/a.crl?b=/c")),
            ("http://example.org:8080?x", Ok("http://example.org:8080/?x")),
            ("http://192.0.2.7:1/%2f", Ok("http://192.0.2.7:1/%2f")),
            ("http://[2001:DB8:0::1]:65535/", Ok("http://[2001:db8::1]:65535/")),
            ("http://xn--bcher-kva.example/", Ok("http://xn--bcher-kva.example/")),
            ("http://my_host/", Ok("http://my_host/")),
            ("https://example.org/", Err(UrlError::Https)),
            ("ldap://example.org/", Err(UrlError::Scheme)),
            ("example.org", Err(UrlError::Scheme)),
            ("", Err(UrlError::Scheme)),
            ("http://", Err(UrlError::Host)),
            ("http:///path", Err(UrlError::Host)),
            ("http://user@example.org/", Err(UrlError::UserInfo)),
            ("http://a:b@example.org/", Err(UrlError::UserInfo)),
            ("http://example.org:/", Err(UrlError::Port)),
            ("http://example.org:0/", Err(UrlError::Port)),
            ("http://example.org:65536/", Err(UrlError::Port)),
            ("http://example.org:+80/", Err(UrlError::Port)),
            ("http://[::1/", Err(UrlError::Host)),
            ("http://[::1]x/", Err(UrlError::Host)),
            ("http://[fe80::1%25eth0]/", Err(UrlError::Host)),
            ("http://::1/", Err(UrlError::Host)),
            ("http://127.1/", Err(UrlError::Host)),
            ("http://2130706433/", Err(UrlError::Host)),
            ("http://0x7f000001/", Err(UrlError::Host)),
            ("http://a.0x7f/", Err(UrlError::Host)),
            ("http://010.0.0.1/", Err(UrlError::Host)),
            ("http://a..b/", Err(UrlError::Host)),
            ("http://bücher.example/", Err(UrlError::Host)),
            ("http://example.org/a b", Err(UrlError::Character)),
            ("http://example.org/a\r\nX: y", Err(UrlError::Character)),
            ("http://example.org/%2", Err(UrlError::Character)),
            ("http://example.org/%+2", Err(UrlError::Character)),
            ("http://example.org/#x", Err(UrlError::Fragment)),
            ("http://example.org#x", Err(UrlError::Fragment)),
            (long.as_str(), Err(UrlError::TooLong)),
            (long_label.as_str(), Err(UrlError::Host)),
        ];
        for (text, expected) in cases {
            let read = text.parse::<HttpUrl>().map(|url| url.to_string());
            assert_eq!(read, expected.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn a_location_is_a_url_or_a_path_of_the_same_host() {
        let from: HttpUrl = "http://example.org:8080/a/b?c".parse().unwrap();
        let cases = [
            ("/d", Ok("http://example.org:8080/d")),
            ("http://other.example/", Ok("http://other.example/")),
            ("//other.example/", Err(UrlError::Scheme)),
            ("d", Err(UrlError::Scheme)),
            ("https://example.org/", Err(UrlError::Https)),
        ];
        for (location, expected) in cases {
            assert_eq!(from.join(location).map(|url| url.to_string()), expected.map(str::to_owned), "{location}");
        }
        assert_eq!(from.with_segment("MEQ%3D").unwrap().to_string(), "http://example.org:8080/a/b/MEQ%3D");
        assert!(from.with_segment("a b").is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_reads_the_same_when_it_is_written(text in "(http://)?[-a-zA-Z0-9.:/?#@%\\[\\]_ ]{0,40}") {
            if let Ok(url) = text.parse::<HttpUrl>() {
                prop_assert_eq!(url.to_string().parse::<HttpUrl>(), Ok(url.clone()));
                prop_assert!(!url.to_string().bytes().any(|octet| octet <= b' ' || octet >= 0x7f));
                prop_assert!(url.target().starts_with('/') && url.port() != 0 && !url.host().is_empty());
            }
        }

        #[test]
        fn no_text_ends_the_process(text in ".{0,200}") {
            let _ = text.parse::<HttpUrl>();
        }
    }
}
