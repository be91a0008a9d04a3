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

use crate::config::Method;
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

    /// Adds a field. A value that cannot stand in a head is left out, which tells an upstream nothing; the
    /// writers of this module encode theirs so that it does not happen.
    pub fn push(&mut self, name: &HeaderName, value: String) {
        if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)) {
            self.0.push((name.clone(), value));
        }
    }
}

/// Removes `Authorization` if it is of a scheme that the route's methods judge, so that a password or its
/// hash never travels on, used or not. A request has one `Authorization` at most (RFC 9110, section
/// 11.6.2); where there are several, all go.
pub fn remove_authorization(headers: &mut HeaderMap, methods: &[Method]) {
    let is_judged = |value: &HeaderValue| {
        let scheme =
            value.as_bytes().trim_ascii_start().split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-').next();
        methods.iter().any(|method| match method {
            Method::Certificate | Method::Session => false,
            Method::Digest => scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Digest")),
            Method::Basic => scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Basic")),
        })
    };
    if headers.get_all(AUTHORIZATION).iter().any(is_judged) {
        headers.remove(AUTHORIZATION);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_credentials_that_the_route_judges_are_removed() {
        let digest = &[Method::Certificate, Method::Digest][..];
        let cases = [
            (digest, &["Digest username=\"a\""][..], false),
            (digest, &["dIGEST\tusername=\"a\""], false),
            (digest, &["Digest"], false),
            // HTTP/2 does not trim values.
            (digest, &[" \tDigest username=\"a\""], false),
            (digest, &["Bearer t", "Digest username=\"a\""], false),
            (digest, &["Bearer t"], true),
            (digest, &["DigestX t"], true),
            (digest, &["Basic YTpi"], true),
            (&[Method::Certificate], &["Digest username=\"a\""], true),
            (&[Method::Basic], &["bASIC YTpi"], false),
            (&[Method::Basic], &[" \tBasic YTpi"], false),
            (&[Method::Basic], &["Basic"], false),
            (&[Method::Basic], &["Bearer t", "Basic YTpi"], false),
            (&[Method::Basic], &["BasicX YTpi"], true),
            (&[Method::Basic], &["Digest username=\"a\""], true),
            (&[Method::Digest, Method::Basic], &["Digest username=\"a\""], false),
            (&[Method::Digest, Method::Basic], &["Basic YTpi"], false),
        ];
        for (methods, values, stays) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            remove_authorization(&mut headers, methods);
            assert_eq!(headers.contains_key(AUTHORIZATION), stays, "{methods:?} {values:?}");
        }
    }
}
