//! `digest`: passwords for those without a certificate.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId};
use crate::config::{ChallengeAlgorithm, Digest, DigestRealm};
use http::HeaderName;

/// The largest body that `auth_int` holds in memory if nothing else is said.
const AUTH_INT_LIMIT: u64 = 64 * 1024;
/// The largest that may be said.
const MOST_AUTH_INT_LIMIT: u64 = 16 * 1024 * 1024;

impl Context<'_> {
    /// HTTP Digest; the outer `None` is a fault.
    pub(super) fn digest(&mut self, digest: &Field<raw::Digest>) -> Option<Option<Digest>> {
        let At { place, value: raw } = match digest {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(digest) => digest,
        };
        let realm = self.required(&raw.realm, *place, "realm").and_then(|realm| self.digest_realm(realm));
        let algorithms = self.distinct(&raw.algorithms, &[ChallengeAlgorithm::Sha256, ChallengeAlgorithm::Md5]);
        let absent = raw::Nonce::default();
        let nonce = raw.nonce.value().unwrap_or(&absent);
        let nonce_secret = self.secret(&nonce.secret);
        let nonce_lifetime = self.period(&nonce.lifetime, 300);
        let auth_int_limit = self.auth_int(&raw.auth_int);
        let domain = match &raw.domain {
            Field::Absent => Some(Vec::new()),
            Field::Faulty => None,
            Field::Given(list) => self.items(list, Self::protected_uri),
        };
        let mut algorithms = algorithms?;
        algorithms.sort();
        Some(Some(Digest {
            realm: realm?,
            algorithms,
            nonce_secret: nonce_secret?,
            nonce_lifetime: nonce_lifetime?,
            nonce_for_one_address: nonce.bind.value() == Some(&raw::Bind::Address),
            auth_int_limit: auth_int_limit?,
            userhash: raw.userhash.value().copied().unwrap_or(false),
            domain: domain?,
        }))
    }

    fn digest_realm(&mut self, realm: &At<raw::Realm>) -> Option<DigestRealm> {
        let settings = match &realm.value {
            raw::Realm::Fixed(text) => return self.realm(realm.place, text).map(DigestRealm::Fixed),
            raw::Realm::FromHeader(settings) => settings,
        };
        let header = self.required(&settings.from_header, realm.place, "from_header").and_then(|header| {
            self.parsed(header, |text| match HeaderName::from_bytes(text.as_bytes()) {
                Ok(_) => Ok(text.to_owned()),
                Err(_) => Err(format!("`{text}` is not the name of a header")),
            })
        });
        let allowed = self.required(&settings.allowed, realm.place, "allowed");
        let allowed = allowed.and_then(|list| self.items(list, Self::domain_name));
        Some(DigestRealm::FromHeader { header: header?, allowed: allowed? })
    }

    /// Passwords are hashed with the realm, so what clients might send back in another spelling is out.
    pub(super) fn realm(&mut self, place: PlaceId, realm: &str) -> Option<String> {
        let printable = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        if realm.trim().is_empty() || realm.trim() != realm || !realm.bytes().all(printable) {
            let message = "a realm is made of ASCII letters, digits, spaces and signs other than `\"` and `\\`";
            return self.error(place, message, None);
        }
        Some(realm.to_owned())
    }

    fn domain_name(&mut self, domain: &At<String>) -> Option<String> {
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if domain.value.len() > 253 || !domain.value.split('.').all(label) {
            let help = "write an internationalised domain in its ASCII form (xn--…)".to_owned();
            return self.error(domain.place, "this is not the name of a domain", help);
        }
        Some(domain.value.to_ascii_lowercase())
    }

    fn auth_int(&mut self, auth_int: &Field<raw::AuthInt>) -> Option<Option<u64>> {
        let settings = match auth_int {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(At { value, .. }) => value,
        };
        match &settings.limit {
            Field::Absent => Some(Some(AUTH_INT_LIMIT)),
            Field::Faulty => None,
            Field::Given(At { value: raw::Size(size), .. }) if (1..=MOST_AUTH_INT_LIMIT).contains(size) => {
                Some(Some(*size))
            }
            Field::Given(At { place, .. }) => {
                let help = "each of these bodies is held in memory until it is verified".to_owned();
                self.error(*place, "the limit is from 1B to 16MiB", help)
            }
        }
    }

    /// An item of `domain` (RFC 7616, section 3.3): they stand in one quoted string, with spaces between.
    fn protected_uri(&mut self, uri: &At<String>) -> Option<String> {
        let text = uri.value.as_str();
        let plain = text.bytes().all(|byte| matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'\\'));
        let begins = text.starts_with('/') || text.starts_with("https://") || text.starts_with("http://");
        if !plain || !begins {
            let message = "this is neither a path (`/app`) nor a URL without spaces, quotes and backslashes";
            return self.error(uri.place, message, None);
        }
        Some(text.to_owned())
    }
}
