//! Single values of the configuration: quantities, names, addresses, paths. Each reader gives the value, or a sentence
//! that says what is wrong with the text and what a right one looks like.

mod quantity;

pub use quantity::parse_duration;
pub(super) use quantity::{parse_byte_rate, parse_capacity, parse_rate, parse_size};

use super::read::short;
use super::{HostPattern, IssuerPin, ServerName, SiteUrl};
use crate::base::hex;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// `0.0.0.0:443`, `[::]:443`.
pub(super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = text.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok()).unwrap_or("443");
        format!(
            "`{}` is not an address with a port: write `0.0.0.0:{port}`, `[::]:{port}` for every address, or \
             `127.0.0.1:{port}`",
            short(text)
        )
    })
}

/// A host name or an IPv4 address, or `*.` and a host name; in lower case, without a trailing dot, names
/// with other than ASCII letters in their A-label form (RFC 5891).
pub(super) fn parse_host_pattern(text: &str) -> Result<HostPattern, String> {
    if text == "*" {
        return Err("`*` stands for one label only: leave the key out for every host".to_owned());
    }
    match text.strip_prefix("*.") {
        Some(parent) => parse_host(parent).map(HostPattern::Wildcard),
        None => parse_host(text).map(HostPattern::Exact),
    }
}

/// The origin of a site: `https://`, a host and perhaps a port, in the one form in which origins are compared.
pub(super) fn parse_site_url(text: &str) -> Result<SiteUrl, String> {
    let wrong = |why: &str| format!("`{}` is not the URL of a site: {why}", short(text));
    let rest = text.strip_prefix("https://").ok_or_else(|| wrong("it begins with `https://`"))?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        None => None,
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number != 0 && digits(port) => Some(number).filter(|number| *number != 443),
            _ => return Err(wrong("the port is a number from 1 to 65535")),
        },
    };
    let host = parse_host(host).map_err(|_| wrong("a host, and perhaps a port, is all that follows"))?;
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    Ok(SiteUrl { text: format!("https://{host}{port}"), host })
}

/// The same without wildcards; an IPv6 address stands in brackets.
pub(super) fn parse_host(text: &str) -> Result<String, String> {
    let wrong = |why: &str| format!("`{}` is not a host name: {why}", short(text));
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| wrong("what stands in brackets is no IPv6 address"))?;
        return Ok(format!("[{address}]"));
    }
    if text.contains('*') {
        return Err(wrong("`*` stands for the whole first label: `*.example.org`"));
    }
    if text.contains(['/', ':']) {
        return Err(wrong("write it without scheme, port and path"));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    idna::domain_to_ascii_strict(name)
        .ok()
        .filter(|name| !name.is_empty())
        .ok_or_else(|| wrong("letters, digits and hyphens, in labels of 1 to 63, make one"))
}

/// `host:port`, `[::1]:port`; the port may be absent.
pub(super) fn parse_server(text: &str, default_port: u16) -> Result<ServerName, String> {
    let (host, port) = if text.starts_with('[') {
        let end = text.find(']').map_or(text.len(), |end| end + 1);
        text.split_at_checked(end).unwrap_or((text, ""))
    } else {
        text.split_at_checked(text.find(':').unwrap_or(text.len())).unwrap_or((text, ""))
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => Some(default_port),
        None => None,
        Some(port) => port.parse().ok().filter(|port| *port != 0),
    };
    let port = port.ok_or_else(|| format!("`{}` has no port that is a number from 1 to 65535", short(text)))?;
    let host = parse_host(host)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host).to_owned();
    Ok(ServerName { host, port })
}

/// A server as its URL names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) name: ServerName,
    /// Whether it is spoken to over TLS.
    pub(super) tls: bool,
}

/// The server of a URL, and whether it is spoken to over TLS; `None` if it is no `http://` or `https://` URL of a server.
#[must_use]
pub fn server_of_url(text: &str) -> Option<(ServerName, bool)> {
    let Server { name, tls } = parse_server_url(text).ok()?;
    name.socket().is_none().then_some((name, tls))
}

/// The longest path of a Unix socket (`sockaddr_un`, less the octet that ends it).
const MOST_SOCKET_PATH: usize = 107;

/// `http://host:port`, `https://host:port` or `unix:/path`.
pub(super) fn parse_server_url(text: &str) -> Result<Server, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        if !path.starts_with('/') || path.contains('\0') || path.len() > MOST_SOCKET_PATH {
            let why = format!("is no Unix socket: write `unix:/path`, of {MOST_SOCKET_PATH} octets at most");
            return Err(format!("`{}` {why}", short(text)));
        }
        return Ok(Server { name: ServerName { host: path.to_owned(), port: 0 }, tls: false });
    }
    let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => {
            let why = "is not the URL of a server: write `http://host:port`, `https://host:port` or `unix:/path`";
            return Err(format!("`{}` {why}", short(text)));
        }
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#', '@']) {
        let why = "is more than a server: write `http://host:port`; the path of a request is handed on as it is";
        return Err(format!("`{}` {why}", short(text)));
    }
    Ok(Server { name: parse_server(authority, if tls { 443 } else { 80 })?, tls })
}

/// A path prefix in normal form: whole segments, nothing encoded that need not be.
pub(super) fn check_route_path(path: &str) -> Result<(), String> {
    let wrong = |why: &str| format!("`{}` is not the path of a route: {why}", short(path));
    if path == "/" {
        return Ok(());
    }
    let Some(segments) = path.strip_prefix('/') else {
        return Err(wrong("it begins with `/`"));
    };
    if let Some(without) = path.strip_suffix('/') {
        return Err(wrong(&format!(
            "a prefix is made of whole segments, so write `{}` without the slash at its end",
            short(without)
        )));
    }
    for segment in segments.split('/') {
        match segment {
            "" => return Err(wrong("requests are matched with their slashes merged, so `//` never matches")),
            "." | ".." => return Err(wrong("requests are matched with `.` and `..` resolved, so these never match")),
            _ => check_segment(segment).map_err(wrong)?,
        }
    }
    Ok(())
}

fn check_segment(segment: &str) -> Result<(), &'static str> {
    let mut decoded = Vec::new();
    let mut rest = segment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                let (digits, after) = rest.split_at_checked(2).ok_or("`%` needs two hexadecimal digits after it")?;
                rest = after;
                let text = std::str::from_utf8(digits).unwrap_or_default();
                let octet = hex::decode(text).and_then(|octets| octets.first().copied());
                let octet = octet.ok_or("`%` needs two hexadecimal digits after it")?;
                if matches!(octet, 0 | b'/' | b'\\') {
                    return Err("requests with `%00`, `%2F` or `%5C` are refused, so these never match");
                }
                if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
                    return Err("letters, digits and `-._~` are matched decoded, so write them as they are");
                }
                if text.bytes().any(|digit| digit.is_ascii_lowercase()) {
                    return Err("what is encoded is matched in capitals, so write `%C3`, not `%c3`");
                }
                decoded.push(octet);
            }
            b'?' | b'#' => return Err("a route has no query and no fragment"),
            // RFC 3986, section 3.3: pchar.
            _ if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) => decoded.push(byte),
            _ => return Err("what is not a letter, a digit or one of `-._~!$&'()*+,;=:@` stands encoded (`%20`)"),
        }
    }
    std::str::from_utf8(&decoded).map(|_| ()).map_err(|_| "what it encodes is not UTF-8")
}

/// A path or URL to send a browser to.
pub(super) fn check_redirect(to: &str) -> Result<(), String> {
    let known = to.starts_with('/') || to.starts_with("https://") || to.starts_with("http://");
    if !known {
        return Err(format!("`{}` is neither a path (`/login`) nor a URL (`https://…`)", short(to)));
    }
    if !to.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a space, a control character or a letter beyond ASCII stands encoded in a URL (`%20`)".to_owned());
    }
    Ok(())
}

/// Names that the gate or HTTP itself uses for something else (RFC 9110; hop-by-hop and framing fields),
/// in the form of [`comparable_header`].
const TAKEN_HEADERS: &[&str] = &[
    "accept",
    "authorization",
    "client-cert",
    "client-cert-chain",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-client-verify",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
];

/// The form in which header names are compared: some servers see no difference between the spellings.
pub(super) fn comparable_header(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// The name of a header field (RFC 9110, section 5.1) that is free to carry an identity.
pub(super) fn check_header_name(name: &str) -> Result<(), String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 100 || !name.bytes().all(token) {
        return Err(format!("`{}` is not the name of a header field: letters, digits and `-` make one", short(name)));
    }
    if TAKEN_HEADERS.contains(&comparable_header(name).as_str()) {
        return Err(format!("`{}` has another meaning and cannot carry an identity", short(name)));
    }
    Ok(())
}

/// `sha256:` and 64 hexadecimal digits, colons between octets allowed; or the name of a file, which the
/// caller resolves.
pub(super) fn parse_issuer(text: &str) -> Result<IssuerPin, String> {
    let (fingerprint, digits) = match text.strip_prefix("sha256:") {
        Some(digits) => (true, digits),
        None => (text.len() >= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':'), text),
    };
    if !fingerprint {
        return Ok(IssuerPin::File(PathBuf::from(text)));
    }
    hex::decode(digits)
        .and_then(|octets| octets.try_into().ok())
        .map(IssuerPin::SpkiSha256)
        .ok_or_else(|| format!("`{}` is not the SHA-256 of a public key: 64 hexadecimal digits are", short(text)))
}

/// An object identifier in dotted form, such as `1.2.3.4`.
pub(super) fn check_object_identifier(text: &str) -> Result<(), String> {
    let wrong = |why: &str| format!("`{}` is not an object identifier: {why}", short(text));
    let number = |part: &str| {
        let plain = part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
        part.parse::<u128>().ok().filter(|_| plain)
    };
    let numbers: Option<Vec<u128>> = text.split('.').map(number).collect();
    match numbers.as_deref() {
        Some([0 | 1, 0..=39, _, ..] | [2, _, _, ..]) => Ok(()),
        Some([_, _, _, ..]) => Err(wrong("it begins with 0.0 to 0.39, 1.0 to 1.39, or 2")),
        _ => Err(wrong("write numbers with dots between them, such as `1.3.6.1.4.1.311.20.2.2`")),
    }
}

/// `info`, `wicketgate=debug`, or several of these with commas between.
pub(super) fn check_log_level(level: &str) -> Result<(), String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    for directive in level.split(',') {
        let (target, level) =
            directive.split_once('=').map_or(("wicketgate", directive), |(target, level)| (target, level));
        let good_target =
            !target.is_empty() && target.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:-".contains(&b));
        if !good_target || !LEVELS.contains(&level) {
            let near = super::fault::nearest(level, LEVELS).map(|near| format!(" (did you mean `{near}`?)"));
            return Err(format!(
                "`{}` is not a level{}: write one of {}, or `module=level`, with commas between several",
                short(directive),
                near.unwrap_or_default(),
                LEVELS.join(", ")
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_host_has_one_spelling() {
        let cases = [
            ("Mail.Example.ORG.", Some("mail.example.org")),
            ("*.example.org", Some("*.example.org")),
            ("bücher.example", Some("xn--bcher-kva.example")),
            ("10.0.0.1", Some("10.0.0.1")),
            ("[2001:DB8:0::1]", Some("[2001:db8::1]")),
            ("localhost", Some("localhost")),
            ("", None),
            ("*", None),
            ("*.", None),
            ("a*.example.org", None),
            ("a.*.org", None),
            ("a..b", None),
            ("a_b.example", None),
            ("example.org:443", None),
            ("https://example.org", None),
            ("[::1", None),
            (&"a".repeat(64), None),
        ];
        for (text, expected) in cases {
            let pattern = parse_host_pattern(text).ok().map(|pattern| pattern.to_string());
            assert_eq!(pattern.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_server_is_a_host_and_a_port() {
        let cases = [
            ("http://10.0.0.5:8080", Some("10.0.0.5:8080")),
            ("http://app", Some("app:80")),
            ("http://app:8080/", Some("app:8080")),
            ("http://[::1]:8080", Some("[::1]:8080")),
            ("http://[::1]", Some("[::1]:80")),
            ("http://[::1]8080", None),
            ("http://app:0", None),
            ("http://app:99999", None),
            ("http://app:", None),
            ("http://", None),
            ("http://app/mail", None),
            ("http://user@app", None),
            ("https://app", Some("app:443")),
            ("https://[::1]:8443/", Some("[::1]:8443")),
            ("https://app/mail", None),
            ("HTTPS://app", None),
            ("app:8080", None),
            ("unix:/run/app.sock", Some("/run/app.sock")),
            ("unix:app.sock", None),
            ("unix://run/app.sock", Some("//run/app.sock")),
        ];
        for (text, expected) in cases {
            assert_eq!(
                parse_server_url(text).ok().map(|server| server.name.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
        let tls = |text| parse_server_url(text).unwrap().tls;
        assert!(tls("https://app") && !tls("http://app:443"));
    }

    #[test]
    fn the_path_of_a_route_is_in_normal_form() {
        for good in ["/", "/mail", "/a/b.c/d~e", "/caf%C3%A9", "/a%20b", "/.well-known/x", "/a;b=c"] {
            assert_eq!(check_route_path(good), Ok(()), "{good}");
        }
        let bad = [
            "", "mail", "/mail/", "//", "/a//b", "/a/../b", "/a/./b", "/a?b", "/a#b", "/a b", "/é", "/%41", "/%2F",
            "/%2f", "/%5c", "/%00", "/%c3%a9", "/%C3", "/%", "/%4", "/a\\b", "/%zz",
        ];
        for bad in bad {
            assert!(check_route_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_identity_travels_only_in_a_header_of_its_own() {
        for good in ["Remote-User", "X-Email", "remote_user"] {
            assert_eq!(check_header_name(good), Ok(()), "{good}");
        }
        for bad in ["", "Remote User", "Remote-User:", "Käse", "host", "Transfer_Encoding", "X-Forwarded-For", "a\r\nb"]
        {
            assert!(check_header_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_issuer_is_a_file_or_a_fingerprint() {
        let digits = "ab".repeat(32);
        let colons = ["ab"; 32].join(":");
        for text in [digits.clone(), format!("sha256:{digits}"), colons] {
            assert_eq!(parse_issuer(&text), Ok(IssuerPin::SpkiSha256([0xab; 32])), "{text}");
        }
        assert_eq!(parse_issuer("staff-ca.pem"), Ok(IssuerPin::File(PathBuf::from("staff-ca.pem"))));
        assert_eq!(parse_issuer("abba"), Ok(IssuerPin::File(PathBuf::from("abba"))));
        assert!(parse_issuer("sha256:abba").is_err());
        assert!(parse_issuer(&"ab".repeat(33)).is_err());
    }

    #[test]
    fn an_object_identifier_is_numbers_with_dots() {
        for good in
            ["1.2.3", "2.999.3", "0.39.0", "2.16.840.1.101.3.2.1.48.1", "2.25.329800735698586629295641978511506172918"]
        {
            assert_eq!(check_object_identifier(good), Ok(()), "{good}");
        }
        for bad in ["", "1", "1.2", "1.2.", "1..3", "3.1.1", "1.40.1", "1.2.03", "1.2.+3", "1.2.a", "1.2.-3"] {
            assert!(check_object_identifier(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_level_is_known_or_refused() {
        for good in ["info", "off", "info,wicketgate::auth=debug", "hyper=warn"] {
            assert_eq!(check_log_level(good), Ok(()), "{good}");
        }
        for bad in ["", "infoo", "info,", "=debug", "wicketgate=loud", "info wicketgate=debug"] {
            assert!(check_log_level(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_ends_the_process(text in "\\PC{0,40}") {
            let _ = parse_address(&text);
            let _ = parse_host_pattern(&text);
            let _ = parse_server_url(&format!("http://{text}"));
            let _ = check_route_path(&format!("/{text}"));
            let _ = parse_issuer(&text);
            let _ = check_log_level(&text);
        }
    }
}
