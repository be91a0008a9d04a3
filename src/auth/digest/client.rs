//! HTTP Digest, the client's side (RFC 7616): reads challenges, chooses one, and answers it for request after request
//! with counts that grow, from HA1 alone and without the password. Pure: where cnonces come from, and what the
//! server is sent, is the caller's business.

use super::examined::escaped;
use super::hash::{self, Hash, Parts};
use super::parameters::{self, Parameters};
use crate::account::{Ha1, ha1};
use crate::base::secret::Secret;
use crate::config::ChallengeAlgorithm;

/// The longest `WWW-Authenticate` or `Authentication-Info` header that is read, in octets.
pub const MAX_CHALLENGE: usize = 8 * 1024;

/// A challenge that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The realm that HA1 is needed for.
    pub realm: String,
    /// The algorithm; of its hash HA1 is needed.
    pub algorithm: ChallengeAlgorithm,
    /// Whether the credentials that this answers were right, but for the nonce.
    pub stale: bool,
    /// Whether `qop=auth` will do, which leaves the body out.
    pub auth: bool,
    /// Whether `qop=auth-int` will do, which covers the body.
    pub auth_int: bool,
    nonce: String,
    opaque: Option<String>,
    userhash: bool,
}

impl Offer {
    /// The Digest challenges in the values of `WWW-Authenticate` headers that can be answered, in their order. What
    /// cannot be read or answered (another scheme, an unknown algorithm, no `qop` as in RFC 2069) is passed over.
    pub fn all<'h>(headers: impl IntoIterator<Item = &'h [u8]>) -> Vec<Self> {
        let read = |header: &'h [u8]| {
            let text = std::str::from_utf8(header).ok().filter(|text| text.len() <= MAX_CHALLENGE)?;
            parameters::challenges(text).ok()
        };
        let challenges = headers.into_iter().filter_map(read).flatten();
        challenges
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("digest"))
            .filter_map(|(_, parameters)| Self::of(&parameters))
            .collect()
    }

    /// The strongest of these that can be answered with one of the hashes at hand.
    #[must_use]
    pub fn strongest(offers: Vec<Self>, known: impl Fn(&Self) -> bool) -> Option<Self> {
        offers.into_iter().filter(known).min_by_key(|offer| offer.algorithm)
    }

    fn of(parameters: &Parameters<'_>) -> Option<Self> {
        let text = |name| parameters.get(name).map(|value| value.text.as_ref());
        let is_true = |name| text(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let algorithm = text("algorithm").unwrap_or("MD5");
        let algorithm =
            ChallengeAlgorithm::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(algorithm))?;
        let quality = |wanted| text("qop").is_some_and(|offered| offered.split(',').any(|one| one.trim() == wanted));
        let (auth, auth_int) = (quality("auth"), quality("auth-int"));
        (auth || auth_int).then_some(())?;
        Some(Self {
            realm: text("realm")?.to_owned(),
            algorithm,
            stale: is_true("stale"),
            auth,
            auth_int,
            nonce: text("nonce")?.to_owned(),
            opaque: text("opaque").map(str::to_owned),
            userhash: is_true("userhash"),
        })
    }
}

/// One request that is to be answered for.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Its method: `GET`.
    pub method: &'a str,
    /// Its target as it is sent.
    pub uri: &'a str,
    /// A text that nobody can foretell, without quotes and backslashes.
    pub cnonce: &'a str,
    /// The whole body, to cover it where the server takes that; `None` covers none.
    pub body: Option<&'a [u8]>,
}

/// Answers one challenge for many requests, under one nonce until the server gives another.
#[derive(Debug, Clone)]
pub struct Session {
    offer: Offer,
    count: u32,
    /// What was sent last, to know the server's answer by.
    last: Option<(String, Secret)>,
}

impl Session {
    /// Nothing was sent yet.
    #[must_use]
    pub fn new(offer: Offer) -> Self {
        Self { offer, count: 0, last: None }
    }

    /// The challenge that is answered.
    #[must_use]
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// The value of `Authorization` for the next request. The body is covered if it is at hand and the server takes
    /// that. `None` where nothing can be said: the user name holds a control character, the server wants the body
    /// covered and it is not at hand, or all counts of the nonce are used.
    #[must_use]
    pub fn authorization(&mut self, username: &str, ha1: &Ha1, request: &Outgoing<'_>) -> Option<String> {
        let Offer { realm, algorithm, auth, auth_int, nonce, opaque, userhash, .. } = &self.offer;
        let Outgoing { method, uri, cnonce, body } = *request;
        if username.chars().chain(uri.chars()).any(char::is_control) {
            return None;
        }
        let body = body.filter(|_| *auth_int);
        if body.is_none() && !auth {
            return None;
        }
        self.count = self.count.checked_add(1)?;
        let count = format!("{:08x}", self.count);
        let hashed_body = body.map(|body| hash::of_body(algorithm.hash(), body));
        let parts = Parts { method, uri, nonce, count: &count, cnonce, body: hashed_body.as_ref() };
        let response = hash::answer(*algorithm, ha1.0.expose(), &parts);
        let expected = self.expected(ha1, &Parts { body: None, ..parts });
        let username = match () {
            () if *userhash => format!(r#"username="{}""#, ha1::userhash(username, realm, algorithm.hash())),
            () if username.is_ascii() => format!(r#"username="{}""#, escaped(username)),
            () => format!("username*=UTF-8''{}", encoded(username)),
        };
        let opaque = opaque.as_ref().map(|opaque| format!(r#", opaque="{}""#, escaped(opaque))).unwrap_or_default();
        let userhash = if *userhash { ", userhash=true" } else { "" };
        let value = format!(
            r#"Digest {username}, realm="{}", nonce="{}", uri="{}", algorithm={}, nc={count}, cnonce="{cnonce}", qop={}, response="{}"{opaque}{userhash}"#,
            escaped(realm),
            escaped(nonce),
            escaped(uri),
            algorithm.as_str(),
            if body.is_some() { "auth-int" } else { "auth" },
            response.digits().as_str(),
        );
        self.last = Some((count, Secret::from(expected.digits().as_str())));
        Some(value)
    }

    /// What the server must say to show that it knows HA1, if it says so for `qop=auth`.
    fn expected(&self, ha1: &Ha1, parts: &Parts<'_>) -> Hash {
        let (hash, ha1) = (self.offer.algorithm.hash(), ha1.0.expose());
        match self.offer.algorithm.is_session() {
            true => {
                let key = hash::session_key(hash, ha1, parts.nonce, parts.cnonce);
                hash::response_of_server(hash, key.as_bytes(), parts)
            }
            false => hash::response_of_server(hash, ha1, parts),
        }
    }

    /// Takes up the `Authentication-Info` of the response to the last request: the next nonce, if there is one.
    /// Gives whether the server has shown that it knows HA1; `None` if it says nothing of that, or for
    /// `qop=auth-int`, which covers the response's body.
    pub fn informed(&mut self, header: &[u8]) -> Option<bool> {
        let text = std::str::from_utf8(header).ok().filter(|text| text.len() <= MAX_CHALLENGE)?;
        let parameters = Parameters::read(text).ok()?;
        let text = |name| parameters.get(name).map(|value| value.text.as_ref());
        if let Some(next) = text("nextnonce").filter(|next| *next != self.offer.nonce) {
            self.offer.nonce = next.to_owned();
            self.count = 0;
        }
        let (count, expected) = self.last.take()?;
        (text("qop") == Some("auth") && text("nc") == Some(&*count)).then_some(())?;
        text("rspauth").map(|proof| Secret::new(proof.to_ascii_lowercase().into_bytes()) == expected)
    }
}

/// The value of an ext-value (RFC 8187, section 3.2.1).
fn encoded(text: &str) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&octet);
    let encode = |octet: u8| if plain(octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests;
