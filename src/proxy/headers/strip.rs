//! What is removed from heads and trailers: fields that end at each hop (RFC 9110, section 7.6.1), and
//! from requests everything by which a client could pass for the gate, in every spelling. Names are
//! compared in lower case with every other octet than letters and digits taken for `-`, because that is
//! how CGI and what descends from it read them: `remote_user` and `Remote-User` are one variable there.

use http::header::{
    AGE, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    COOKIE, DATE, EXPECT, EXPIRES, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, MAX_FORWARDS, RANGE,
    RETRY_AFTER, SET_COOKIE, TE, TRAILER, UPGRADE, VARY, WWW_AUTHENTICATE,
};
use std::sync::LazyLock;

/// What the gate says itself. The default names of the identity fields are among them even where an
/// upstream is told under others: what listens there believes them.
const OURS: &[&str] = &[
    "remote-user",
    "remote-email",
    "remote-name",
    "remote-groups",
    "x-wicketgate-assertion",
    "x-client-verify",
    "client-cert",
    "client-cert-chain",
    "forwarded",
    "x-request-id",
];

/// What proxies say of the client by custom, and what makes some frameworks serve another path than the
/// one that was routed. `Proxy` becomes `HTTP_PROXY` in a CGI program, which then sends its own requests
/// there. Everything that begins with `x-forwarded-` goes as well.
const OTHER_PROXIES: &[&str] = &[
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "front-end-https",
    "x-url-scheme",
    "x-original-url",
    "x-rewrite-url",
    "x-original-host",
    "proxy",
];

const FORWARDED_FAMILY: &str = "x-forwarded-";

/// What ends at each hop even if `Connection` does not name it.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "http2-settings",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// What `Connection` cannot remove by naming it: the body would be read wrongly without them.
const NEVER_HOP_BY_HOP: &[HeaderName] = &[HOST, CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING];

/// What has no place in trailers: framing, routing, credentials, and what is acted upon before the body
/// (RFC 9110, section 6.5.1).
const NEVER_IN_TRAILERS: &[HeaderName] = &[
    AGE,
    AUTHORIZATION,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    COOKIE,
    DATE,
    EXPECT,
    EXPIRES,
    HOST,
    LOCATION,
    MAX_FORWARDS,
    RANGE,
    RETRY_AFTER,
    SET_COOKIE,
    TRAILER,
    VARY,
    WWW_AUTHENTICATE,
];

/// What the fields that were removed had said about this hop, as far as the next one has to hear it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HopByHop {
    /// The one protocol to change to, if the connection is to be used for another than HTTP.
    pub upgrade: Option<HeaderValue>,
    /// Whether trailers are understood.
    pub trailers: bool,
}

impl HopByHop {
    /// Says the same to the next hop, which must speak HTTP/1.1.
    pub fn apply(&self, headers: &mut HeaderMap) {
        let connection = match (&self.upgrade, self.trailers) {
            (Some(_), true) => "upgrade, te",
            (Some(_), false) => "upgrade",
            (None, true) => "te",
            (None, false) => return,
        };
        headers.insert(CONNECTION, HeaderValue::from_static(connection));
        if let Some(protocol) = &self.upgrade {
            headers.insert(UPGRADE, protocol.clone());
        }
        if self.trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
}

/// Removes from requests what must not travel on. One for the whole configuration: a name that any
/// upstream is told something under is taken from all requests.
#[derive(Debug, Clone)]
pub struct Stripper {
    names: Names,
    /// What is taken from trailers besides.
    in_trailers: Names,
}

impl Stripper {
    /// For these names besides the fixed ones: all under which any upstream is told who the client is.
    #[must_use]
    pub fn new<'a>(identity: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names = Names::default();
        for name in OURS.iter().chain(OTHER_PROXIES).chain(HOP_BY_HOP).copied().chain(identity) {
            names.add(name);
        }
        names.add_family(FORWARDED_FAMILY);
        Self { names, in_trailers: Names::default() }
    }

    /// Takes these names from trailers as well: what is read in the head of a request and compared must not be said
    /// otherwise behind its body.
    #[must_use]
    pub fn without_in_trailers<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().for_each(|name| self.in_trailers.add(name));
        self
    }

    /// Takes these names as well.
    #[must_use]
    pub fn with<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().for_each(|name| self.names.add(name));
        self
    }

    /// Whether a name, in whichever spelling, is taken from requests.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        self.names.contains_surely(&name.to_ascii_lowercase())
    }

    /// Removes them from a request's head. What the gate has to say itself is set after this, so that it
    /// makes no difference if `Connection` names it.
    pub fn strip_request(&self, headers: &mut HeaderMap) -> HopByHop {
        strip(&self.names, headers)
    }

    /// Removes them from a request's trailers, and what has no place there.
    pub fn strip_trailers(&self, trailers: &mut HeaderMap) {
        strip(&self.names, trailers);
        strip(&self.in_trailers, trailers);
        NEVER_IN_TRAILERS.iter().for_each(|name| drop(trailers.remove(name)));
    }
}

static HOP_BY_HOP_NAMES: LazyLock<Names> = LazyLock::new(|| {
    let mut names = Names::default();
    HOP_BY_HOP.iter().for_each(|name| names.add(name));
    names
});

/// Removes from a response's head what ends at this hop.
pub fn strip_response(headers: &mut HeaderMap) -> HopByHop {
    strip(&HOP_BY_HOP_NAMES, headers)
}

/// Removes from a response's trailers what ends at this hop or has no place there.
pub fn strip_response_trailers(trailers: &mut HeaderMap) {
    strip(&HOP_BY_HOP_NAMES, trailers);
    NEVER_IN_TRAILERS.iter().for_each(|name| drop(trailers.remove(name)));
}

/// What the gate says of the connection and the certificate, or reads for itself.
const SPOKEN_FOR: &[&str] = &[
    "from",
    "origin",
    "x-client-verify",
    "x-request-id",
    "client-cert",
    "client-cert-chain",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-client-cert",
];

/// Whether a name, as [`canonical`] gives it, can say who the client is: not if it frames or routes a
/// message or has a meaning here.
pub(super) fn is_free(name: &str) -> bool {
    !(NEVER_IN_TRAILERS.iter().any(|taken| *taken == name) || HOP_BY_HOP.contains(&name) || SPOKEN_FOR.contains(&name))
}

/// The form in which names are compared: lower case, `-` for everything but letters and digits.
pub(super) fn canonical(name: &str) -> String {
    name.bytes().map(|byte| char::from(compared(byte))).collect()
}

/// Whether some application may take one name for the other.
pub(in crate::proxy) fn is_alike(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(|(one, other)| compared(one) == compared(other))
}

fn strip(names: &Names, headers: &mut HeaderMap) -> HopByHop {
    let found: Vec<HeaderName> = headers.keys().filter(|name| names.contains(name.as_str())).cloned().collect();
    if found.is_empty() {
        return HopByHop::default();
    }
    let hop = HopByHop { upgrade: upgrade(headers), trailers: lists(headers, &TE, "trailers") };
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .filter(|name| !NEVER_HOP_BY_HOP.contains(name))
        .collect();
    for name in found.iter().chain(&named) {
        headers.remove(name);
    }
    hop
}

/// The protocol that the sender wants to change to. Several in a list are none, and so is HTTP in another
/// version or over TLS: requests in it would pass the gate unseen.
fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut values = headers.get_all(UPGRADE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let protocol = value.to_str().ok()?;
    let name = protocol.split('/').next().unwrap_or_default();
    let is_http = ["h2", "h2c", "http", "tls"].iter().any(|http| name.eq_ignore_ascii_case(http));
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(&byte);
    let fits = !name.is_empty() && !is_http && protocol.bytes().all(is_token);
    (fits && lists(headers, &CONNECTION, "upgrade")).then(|| value.clone())
}

fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|listed| {
        listed.split(';').next().is_some_and(|listed| listed.trim_ascii_end().eq_ignore_ascii_case(token))
    })
}

/// The members of a comma-separated field.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim_ascii).filter(|token| !token.is_empty())
}

/// A set of names in the form in which they are compared. Nearly every name that a request has is found not
/// to be in it by its length and first letter alone.
#[derive(Debug, Clone, Default)]
struct Names {
    names: Vec<String>,
    families: Vec<String>,
    /// At the place of each length, one bit for each first letter; the last place is for all lengths
    /// from there on.
    initials: [u32; 32],
}

impl Names {
    fn add(&mut self, name: &str) {
        let name = canonical(name);
        if !self.names.contains(&name) {
            self.mark(name.len(), name.as_bytes());
            self.names.push(name);
        }
    }

    /// Adds all names that begin so, in the form in which they are compared.
    fn add_family(&mut self, start: &str) {
        for length in start.len()..=self.initials.len() {
            self.mark(length, start.as_bytes());
        }
        self.families.push(start.to_owned());
    }

    fn mark(&mut self, length: usize, name: &[u8]) {
        let place = length.min(self.initials.len() - 1);
        if let Some(initials) = self.initials.get_mut(place) {
            *initials |= initial(name);
        }
    }

    /// Whether a name as `http` keeps it, in lower case, is in the set.
    fn contains(&self, name: &str) -> bool {
        let initials = self.initials.get(name.len()).or(self.initials.last());
        initials.is_some_and(|initials| initials & initial(name.as_bytes()) != 0) && self.contains_surely(name)
    }

    #[cold]
    fn contains_surely(&self, name: &str) -> bool {
        let begins = |start: &String| {
            name.len() >= start.len() && name.bytes().zip(start.bytes()).all(|(byte, other)| compared(byte) == other)
        };
        self.names.iter().any(|known| known.len() == name.len() && begins(known)) || self.families.iter().any(begins)
    }
}

fn compared(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// The bit of a name's first octet: one for each letter, one for everything else.
fn initial(name: &[u8]) -> u32 {
    match name.first() {
        Some(letter @ b'a'..=b'z') => 1 << (letter - b'a'),
        _ => 1 << 31,
    }
}

#[cfg(test)]
mod tests;
