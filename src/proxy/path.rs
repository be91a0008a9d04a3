//! What a request is for: host, path and query, each in the one spelling that everything after it uses
//! (RFC 3986, section 6.2; RFC 9112, section 3.2; RFC 9113, section 8.3.1). Two readers of one request
//! that disagree about its target are a way past the gate, so whatever could be read in two ways is
//! refused here. Which route the target belongs to is `router`'s business.

use http::header::{HOST, HeaderMap, HeaderValue};
use http::uri::{PathAndQuery, Scheme, Uri};
use http::{Method, Version};
use std::borrow::Cow;
use std::net::Ipv6Addr;

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// It does not begin with `/`.
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    /// A space, a control character, `?`, `#` or an octet above 127 that should have been encoded.
    #[error("the path holds a character that may only stand encoded")]
    Character,
    /// A backslash, encoded or not: some servers take it for a slash.
    #[error("the path holds a backslash")]
    Backslash,
    /// `%2f`: some servers decode it before they split the path, some after.
    #[error("the path holds an encoded slash")]
    EncodedSlash,
    /// `%00`: what follows it is invisible to some servers.
    #[error("the path holds an encoded NUL")]
    EncodedNul,
    /// `%` without two hexadecimal digits after it.
    #[error("the path holds a percent sign that encodes nothing")]
    PercentEncoding,
    /// What is decoded is not UTF-8, which overlong spellings of other characters are not either.
    #[error("the decoded path is not UTF-8")]
    NotUtf8,
    /// `..;x`: some servers drop what follows `;` and then climb.
    #[error("a dot segment of the path carries a parameter")]
    DotSegmentParameter,
}

/// What an octet of a path is to the normal form.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// It stands for itself (RFC 3986: `pchar` without `%`).
    Plain,
    /// It begins a dot segment if it begins a segment.
    Dot,
    Slash,
    Percent,
    /// Visible ASCII outside `pchar`, which browsers send as it is: means the same encoded.
    Encode,
    Backslash,
    Refused,
}

// The compiler makes a table of it.
const fn class(byte: u8) -> Class {
    match byte {
        b'.' => Class::Dot,
        b'/' => Class::Slash,
        b'%' => Class::Percent,
        b'\\' => Class::Backslash,
        b'"' | b'<' | b'>' | b'[' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' => Class::Encode,
        b'#' | b'?' => Class::Refused,
        b'!'..=b'~' => Class::Plain,
        _ => Class::Refused,
    }
}

/// The normal form of a path: unreserved characters decoded, everything else that is encoded spelled with
/// upper-case digits, slashes merged, dot segments resolved (those above the root are dropped, as in
/// RFC 3986, section 5.2.4), visible ASCII that RFC 3986 does not allow in paths encoded. A path that is
/// in normal form already is lent, not copied; the normal form of a normal form is itself.
///
/// # Errors
/// When two servers might read the path differently: see [`BadPath`].
pub fn normalise(path: &str) -> Result<Cow<'_, str>, BadPath> {
    if !path.starts_with('/') {
        return Err(BadPath::NotAbsolute);
    }
    if is_plainly_normal(path) { Ok(Cow::Borrowed(path)) } else { rewrite(path).map(Cow::Owned) }
}

/// Whether one look at each octet is enough to see that the path is in normal form. Says no to some that
/// are, such as `/.well-known`: these are only slower.
fn is_plainly_normal(path: &str) -> bool {
    let mut after_slash = false;
    path.bytes().all(|byte| {
        let fine = match class(byte) {
            Class::Plain => true,
            Class::Dot | Class::Slash => !after_slash,
            _ => false,
        };
        after_slash = byte == b'/';
        fine
    })
}

fn rewrite(path: &str) -> Result<String, BadPath> {
    let mut normal = String::with_capacity(path.len() + 16);
    let mut wide = false;
    let mut ends_in_slash = false;
    for segment in path.split('/').skip(1) {
        let start = normal.len();
        normal.push('/');
        wide |= spell(segment, &mut normal)?;
        let spelled = normal.get(start + 1..).unwrap_or_default();
        ends_in_slash = matches!(spelled, "" | "." | "..");
        if ends_in_slash {
            let climbs = spelled == "..";
            normal.truncate(start);
            if climbs {
                normal.truncate(normal.rfind('/').unwrap_or(0));
            }
        } else if is_dot_segment_with_parameter(spelled) {
            return Err(BadPath::DotSegmentParameter);
        }
    }
    // The path as it came, so that a segment does not escape the check by being climbed out of.
    if wide && std::str::from_utf8(&decode(path)).is_err() {
        return Err(BadPath::NotUtf8);
    }
    if ends_in_slash {
        normal.push('/');
    }
    Ok(normal)
}

/// Appends a segment in its one spelling; tells whether it encodes octets above 127.
fn spell(segment: &str, normal: &mut String) -> Result<bool, BadPath> {
    let mut wide = false;
    let mut rest = segment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match class(byte) {
            Class::Plain | Class::Dot => normal.push(char::from(byte)),
            Class::Encode => push_encoded(byte, normal),
            Class::Percent => {
                let (encoded, after) = split_encoded(rest).ok_or(BadPath::PercentEncoding)?;
                rest = after;
                match encoded {
                    0 => return Err(BadPath::EncodedNul),
                    b'/' => return Err(BadPath::EncodedSlash),
                    b'\\' => return Err(BadPath::Backslash),
                    b'-' | b'.' | b'_' | b'~' => normal.push(char::from(encoded)),
                    _ if encoded.is_ascii_alphanumeric() => normal.push(char::from(encoded)),
                    _ => {
                        wide |= !encoded.is_ascii();
                        push_encoded(encoded, normal);
                    }
                }
            }
            Class::Backslash => return Err(BadPath::Backslash),
            Class::Slash | Class::Refused => return Err(BadPath::Character),
        }
    }
    Ok(wide)
}

fn is_dot_segment_with_parameter(segment: &str) -> bool {
    let Some(rest) = segment.strip_prefix('.') else { return false };
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    rest.starts_with(';') || rest.starts_with("%3B")
}

/// The octet that two hexadecimal digits encode, and what follows them.
fn split_encoded(digits: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], rest) = digits.split_first_chunk()?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high)? << 4 | digit(low)?, rest))
}

/// Appends `%` and two upper-case hexadecimal digits.
pub(super) fn push_encoded(byte: u8, text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    for nibble in [byte >> 4, byte & 15] {
        text.push(char::from(DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0')));
    }
}

/// The octets that a path stands for, `%` that encodes nothing left as it is.
pub(super) fn decode(path: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let encoded = if byte == b'%' { split_encoded(after) } else { None };
        let (octet, after) = encoded.unwrap_or((byte, after));
        octets.push(octet);
        rest = after;
    }
    octets
}

/// Why the target of a request is refused: all of them are the client's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// The path.
    #[error(transparent)]
    Path(#[from] BadPath),
    /// A space, a control character or `#` in the query.
    #[error("the query holds a character that may only stand encoded")]
    Query,
    /// CONNECT, which asks for a tunnel.
    #[error("CONNECT is not for a reverse proxy")]
    Connect,
    /// TRACE, which would show the client what the application alone is told.
    #[error("TRACE is not answered")]
    Trace,
    /// Neither a path, nor a whole URL, nor `*` with OPTIONS.
    #[error("the target is neither a path nor a URL")]
    Form,
    /// A URL with a scheme other than `http` and `https`.
    #[error("the target's scheme is neither http nor https")]
    Scheme,
    /// A user name or password before the host.
    #[error("the target holds user information")]
    UserInformation,
    /// No host, and the version of HTTP demands one.
    #[error("the request names no host")]
    HostMissing,
    /// More than one `Host`.
    #[error("the request has more than one Host")]
    HostRepeated,
    /// Not a host name, an IPv4 address or an IPv6 address in brackets, with or without a port.
    #[error("the host is not a host name or address with an optional port")]
    HostSyntax,
    /// Target and `Host` name different hosts or ports.
    #[error("the target and Host name different hosts")]
    HostDiffers,
}

/// What a request is for. Owns what it holds, mostly by sharing the request's own buffer.
#[derive(Debug, Clone)]
pub struct RequestTarget {
    authority: Option<HeaderValue>,
    host: HostText,
    raw: PathAndQuery,
    /// The whole URL, if the request line had one.
    absolute: Option<String>,
    /// Where the normal form differs from `raw`.
    normal: Option<PathAndQuery>,
}

/// The host in its normal form.
#[derive(Debug, Clone)]
enum HostText {
    /// The authority's first octets, as many as these, are it.
    Start(usize),
    /// The authority spells it differently.
    Other(String),
}

impl RequestTarget {
    /// Reads the head of a request as hyper gives it.
    ///
    /// # Errors
    /// When the head is malformed or can be read in two ways: see [`BadTarget`].
    pub fn parse(method: &Method, version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Self, BadTarget> {
        if *method == Method::CONNECT {
            return Err(BadTarget::Connect);
        }
        if method.as_str().eq_ignore_ascii_case("TRACE") {
            return Err(BadTarget::Trace);
        }
        let raw = uri.path_and_query().cloned().ok_or(BadTarget::Form)?;
        let normal = normal_target(method, &raw)?;
        let (authority, host) = authority(version, uri, headers)?;
        let absolute = (uri.scheme().is_some() && version < Version::HTTP_2).then(|| uri.to_string());
        Ok(Self { authority, host, raw, absolute, normal })
    }

    /// The host in lower case, without port and trailing dot; an IPv6 address stands in brackets, in the
    /// form of RFC 5952. `None` for a request of HTTP/1.0 without `Host`.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match &self.host {
            HostText::Other(host) => Some(host),
            HostText::Start(length) => self.authority.as_ref()?.to_str().ok()?.get(..*length),
        }
    }

    /// Host and port as the client sent them: what an upstream is to find in `Host`.
    #[must_use]
    pub fn authority(&self) -> Option<&HeaderValue> {
        self.authority.as_ref()
    }

    /// The path in normal form; `*` for `OPTIONS *`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path_and_query().path()
    }

    /// The query as it came, without `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.path_and_query().query()
    }

    /// The path in normal form and the query as it came: what an upstream is asked for.
    #[must_use]
    pub fn path_and_query(&self) -> &PathAndQuery {
        self.normal.as_ref().unwrap_or(&self.raw)
    }

    /// Whether the path came as it is read here, but for the case of hexadecimal digits and for visible characters that
    /// are read as if they had been encoded. Then whoever reads it as it came finds the same segments in it, decoded or
    /// not. Otherwise `/secret/../public` is below `/public` here and below `/secret` for them.
    #[must_use]
    pub fn came_as_read(&self) -> bool {
        self.normal.as_ref().is_none_or(|normal| with_its_segments(self.raw.path()) == normal.path())
    }

    /// The target as it stood in the request line or in `:path`: what Digest credentials are for
    /// (RFC 7616, section 3.4.6).
    #[must_use]
    pub fn raw(&self) -> &str {
        self.absolute.as_deref().unwrap_or_else(|| self.raw.as_str())
    }
}

/// A path that has a normal form, spelled as that is as far as no segment changes: nothing decoded, nothing resolved.
fn with_its_segments(path: &str) -> String {
    let mut spelled = String::with_capacity(path.len() + 16);
    let mut digits = 0_u8;
    for byte in path.bytes() {
        match class(byte) {
            Class::Percent => {
                spelled.push('%');
                digits = 2;
            }
            Class::Encode => push_encoded(byte, &mut spelled),
            _ if digits > 0 => {
                spelled.push(char::from(byte.to_ascii_uppercase()));
                digits -= 1;
            }
            _ => spelled.push(char::from(byte)),
        }
    }
    spelled
}

/// The target with its path in normal form, if that differs.
fn normal_target(method: &Method, raw: &PathAndQuery) -> Result<Option<PathAndQuery>, BadTarget> {
    if raw.as_str() == "*" {
        return if *method == Method::OPTIONS { Ok(None) } else { Err(BadTarget::Form) };
    }
    let query = raw.query();
    if query.is_some_and(|query| query.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'#')) {
        return Err(BadTarget::Query);
    }
    let path = normalise(raw.path())?;
    if matches!(path, Cow::Borrowed(_)) && raw.as_str().starts_with('/') {
        return Ok(None);
    }
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.into_owned(),
    };
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(target)).map(Some).map_err(|_| BadPath::Character.into())
}

fn authority(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(Option<HeaderValue>, HostText), BadTarget> {
    if uri.scheme().is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS) {
        return Err(BadTarget::Scheme);
    }
    let mut hosts = headers.get_all(HOST).iter();
    let header = hosts.next();
    if hosts.next().is_some() {
        return Err(BadTarget::HostRepeated);
    }
    let header = match header {
        Some(value) => Some((value, read_authority(value.to_str().map_err(|_| BadTarget::HostSyntax)?)?)),
        None => None,
    };
    let target = match uri.authority() {
        Some(authority) => Some((authority.as_str(), read_authority(authority.as_str())?)),
        None => None,
    };
    let (value, host) = match (target, header) {
        (Some((_, target)), Some((_, header))) if target != header => return Err(BadTarget::HostDiffers),
        (_, Some((value, header))) => (value.clone(), header.0),
        // HTTP/2 has the host in `:authority`; HTTP/1.1 demands `Host` even beside a whole URL.
        (Some((text, target)), None) if version >= Version::HTTP_2 || version == Version::HTTP_10 => {
            (HeaderValue::from_str(text).map_err(|_| BadTarget::HostSyntax)?, target.0)
        }
        (None, None) if version < Version::HTTP_11 => return Ok((None, HostText::Start(0))),
        _ => return Err(BadTarget::HostMissing),
    };
    let host = match host {
        Cow::Borrowed(host) => HostText::Start(host.len()),
        Cow::Owned(host) => HostText::Other(host),
    };
    Ok((Some(value), host))
}

/// The normal form of the host, lent if the text begins with it, and the port.
fn read_authority(text: &str) -> Result<(Cow<'_, str>, Option<u16>), BadTarget> {
    if text.contains('@') {
        return Err(BadTarget::UserInformation);
    }
    let (host, port) = if text.starts_with('[') {
        let end = text.find(']').ok_or(BadTarget::HostSyntax)?;
        let (host, port) = text.split_at_checked(end + 1).ok_or(BadTarget::HostSyntax)?;
        (address(host)?, port)
    } else {
        let end = text.find(':').unwrap_or(text.len());
        let (host, port) = text.split_at_checked(end).ok_or(BadTarget::HostSyntax)?;
        (name(host)?, port)
    };
    let port = match port {
        // RFC 3986, section 3.2.3: an empty port is no port.
        "" | ":" => None,
        _ => Some(port.strip_prefix(':').and_then(number).ok_or(BadTarget::HostSyntax)?),
    };
    Ok((host, port))
}

/// A port: digits alone, where `parse` would take a sign as well.
fn number(digits: &str) -> Option<u16> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// A DNS name or an IPv4 address. RFC 3986 would allow a `reg-name` more, none of which any host has.
fn name(text: &str) -> Result<Cow<'_, str>, BadTarget> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let (mut label, mut upper) = (0, false);
    for byte in name.bytes() {
        label = match byte {
            b'.' if label > 0 => 0,
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' if label < 63 => label + 1,
            b'A'..=b'Z' if label < 63 => {
                upper = true;
                label + 1
            }
            _ => return Err(BadTarget::HostSyntax),
        };
    }
    if label == 0 || name.len() > 253 {
        return Err(BadTarget::HostSyntax);
    }
    Ok(if upper { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) })
}

/// An IPv6 address in brackets.
fn address(text: &str) -> Result<Cow<'_, str>, BadTarget> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or(BadTarget::HostSyntax)?;
    let address: Ipv6Addr = inner.parse().map_err(|_| BadTarget::HostSyntax)?;
    let normal = format!("[{address}]");
    Ok(if normal == text { Cow::Borrowed(text) } else { Cow::Owned(normal) })
}

#[cfg(test)]
mod tests;
