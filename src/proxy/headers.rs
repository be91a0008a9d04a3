//! What happens to the fields of a request's and a response's head on their way through: `strip` removes
//! what ends at each hop and whatever only the gate may say, `identity` and `forwarded` say it; `claim` reads what the
//! client says of itself where a route asks for it, `origin` what trusted proxies say before anything is removed.
//! Identity fields are set or removed, never passed through. Which requests pass is decided before (`auth`).

pub mod claim;
pub mod cookies;
pub mod forwarded;
pub mod identity;
pub mod origin;
pub mod strip;

use crate::auth::digest;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

/// Fields that were made once, to be set on every request they hold for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prepared(Vec<(HeaderName, HeaderValue)>);

impl Prepared {
    /// Sets the fields; what the map has under the same names is replaced.
    pub fn apply(&self, headers: &mut HeaderMap) {
        headers.reserve(self.0.len());
        for (name, value) in &self.0 {
            headers.insert(name.clone(), value.clone());
        }
    }

    /// Adds the fields of another, so that both are set at once: the map then grows once at most.
    pub fn extend(&mut self, other: &Prepared) {
        self.0.extend_from_slice(&other.0);
    }

    /// The fields, in the order in which they are set.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// Adds a field whose value is ready.
    pub fn push_value(&mut self, name: &HeaderName, value: HeaderValue) {
        self.0.push((name.clone(), value));
    }

    /// Adds a field. A value that cannot stand in a head is left out, which tells an upstream nothing; the
    /// writers of this module encode theirs so that it does not happen.
    pub fn push(&mut self, name: &HeaderName, value: String) {
        if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)) {
            self.0.push((name.clone(), value));
        }
    }
}

/// Which credentials are meant for the gate, on a route: what a client has for one path of a host it also sends to
/// others that it has never been asked at (RFC 7617, section 2.2; RFC 7616, section 3.6), so the routes of a host belong together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnCredentials {
    /// A route of the host takes Basic. Nothing in such credentials says for whom they are.
    pub basic: bool,
    /// What is taken of Digest.
    pub digest: OwnDigest,
}

/// Which Digest credentials are meant for the gate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OwnDigest {
    /// None: no route of the host takes them.
    #[default]
    None,
    /// Another route of the host takes those of these realms.
    Realms(Vec<String>),
    /// The route itself takes them.
    All,
}

impl OwnCredentials {
    fn has(&self, value: &HeaderValue) -> bool {
        let value = value.as_bytes();
        let scheme = value.trim_ascii_start().split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-').next();
        let is = |name: &[u8]| scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(name));
        match &self.digest {
            _ if is(b"Basic") => self.basic,
            OwnDigest::None => false,
            OwnDigest::All => is(b"Digest"),
            OwnDigest::Realms(realms) if is(b"Digest") => match digest::Credentials::realm_of(value) {
                Ok(Some(realm)) => realms.iter().any(|ours| ours.eq_ignore_ascii_case(&realm)),
                // Nobody can say whose they are.
                Ok(None) | Err(_) => true,
            },
            OwnDigest::Realms(_) => false,
        }
    }
}

/// Removes `Authorization` if it is meant for the gate, so that a password or its hash never travels on, used or not. A
/// request has one `Authorization` at most (RFC 9110, section 11.6.2); where there are several, all go.
pub fn remove_authorization(headers: &mut HeaderMap, own: &OwnCredentials) {
    if headers.get_all(AUTHORIZATION).iter().any(|value| own.has(value)) {
        headers.remove(AUTHORIZATION);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_credentials_that_are_meant_for_the_gate_are_removed() {
        let digest = OwnCredentials { digest: OwnDigest::All, basic: false };
        let basic = OwnCredentials { basic: true, ..OwnCredentials::default() };
        let both = OwnCredentials { digest: OwnDigest::All, basic: true };
        let nothing = OwnCredentials::default();
        let realms = vec!["example.org".to_owned(), "a \"b\"".to_owned()];
        let beside = OwnCredentials { digest: OwnDigest::Realms(realms), basic: false };
        let cases = [
            (&digest, &["Digest username=\"a\""][..], false),
            (&digest, &["dIGEST\tusername=\"a\""], false),
            (&digest, &["Digest"], false),
            // HTTP/2 does not trim values.
            (&digest, &[" \tDigest username=\"a\""], false),
            (&digest, &["Bearer t", "Digest username=\"a\""], false),
            (&digest, &["Bearer t"], true),
            (&digest, &["DigestX t"], true),
            (&digest, &["Basic YTpi"], true),
            (&nothing, &["Digest username=\"a\""], true),
            (&nothing, &["Basic YTpi"], true),
            (&basic, &["bASIC YTpi"], false),
            (&basic, &[" \tBasic YTpi"], false),
            (&basic, &["Basic"], false),
            (&basic, &["Bearer t", "Basic YTpi"], false),
            (&basic, &["BasicX YTpi"], true),
            (&basic, &["Digest username=\"a\""], true),
            (&both, &["Digest username=\"a\""], false),
            (&both, &["Basic YTpi"], false),
            (&beside, &["Digest username=\"a\", realm=\"example.org\""], false),
            (&beside, &["Digest username=\"a\", ReAlM = \"EXAMPLE.org\", qop=x"], false),
            (&beside, &["Digest realm=\"a \\\"b\\\"\""], false),
            (&beside, &["Digest realm=example.org"], false),
            (&beside, &[" \tdigest\trealm=\"another\""], false),
            (&beside, &["Digest username=\"a\""], false),
            (&beside, &["Digest realm=\"another\", realm=\"example.org\""], false),
            (&beside, &["Digest realm=\"another\"", "Digest realm=\"example.org\""], false),
            (&beside, &["Digest username=\"a\", realm=\"another\""], true),
            (&beside, &["Basic YTpi"], true),
            (&beside, &["Bearer t"], true),
        ];
        for (own, values, stays) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            remove_authorization(&mut headers, own);
            assert_eq!(headers.contains_key(AUTHORIZATION), stays, "{own:?} {values:?}");
        }
    }
}
