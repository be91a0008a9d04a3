//! The token of a hand-over: a signed statement (JWS) inside an encrypted one (JWE). This module makes and reads it, and
//! says whether it is for this site, from that one, for now, for this browser and for a page that may be asked for. It
//! looks nobody up and knows nothing of HTTP. The protocol is told in `docs/handover.md`.

use crate::base::clock::Timestamp;
use crate::jose::jwe::{self, DecryptionKey};
use crate::jose::jwk::{KeySet, PublicKey};
use crate::jose::jws::{self, SigningKey};
use crate::jose::{JoseError, decode, encode};
use crate::proxy::path::normalise;
use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// For how long a token counts.
pub const LIFETIME: Duration = Duration::from_secs(60);
/// How far the clocks of two sites may be apart.
pub const TOLERANCE: Duration = Duration::from_secs(10);
/// The longest return path, with its query, in octets.
pub const MOST_RETURN: usize = 2048;

const SIGNED: &str = "wicketgate-handover+jwt";
const SEALED: &str = "wicketgate-handover+jwe";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The source, by its URL.
    pub iss: String,
    /// The target, by its URL.
    pub aud: String,
    /// When it was made, in seconds since the epoch.
    pub iat: i64,
    /// When it ends.
    pub exp: i64,
    /// An identifier that no other token has: 128 random bits in base64url.
    pub jti: String,
    /// Which browser it is for: the SHA-256 of what the target gave it, in base64url.
    pub state: String,
    /// The path that the browser is sent to at the end, perhaps with a query.
    #[serde(rename = "return")]
    pub return_to: String,
    /// The account's user name at the source.
    pub sub: String,
    /// Its e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// How they logged in there.
    pub amr: Vec<String>,
    /// By which certificates, the client's own first, as `CertificateKey::name` writes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
    /// When the first of them expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<i64>,
    /// Or by the credentials of which password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
}

/// Which credentials a password was compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Password {
    /// Their realm.
    pub realm: String,
    /// Their algorithm, as the database names it.
    pub algorithm: String,
}

/// Why a token is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It cannot be read, or not by us.
    #[error("the token cannot be opened: {0}")]
    Sealed(JoseError),
    /// No site that may hand anybody over to us has signed it.
    #[error("no site that may hand over to this one has signed the token: {0}")]
    Signed(JoseError),
    /// What is signed is not what a token says.
    #[error("the token does not say what it should")]
    Claims,
    /// It is signed by one site and claims to be from another.
    #[error("the token claims to be from {0:?}, which has not signed it")]
    Issuer(String),
    /// It is for another site.
    #[error("the token is for {0:?}")]
    Audience(String),
    /// Its minute is over.
    #[error("the token is too late: it counted until {0}")]
    Late(Timestamp),
    /// It was made in the future.
    #[error("the token is too early: it was made at {0}")]
    Early(Timestamp),
    /// It would count for longer than tokens do.
    #[error("the token would count for too long")]
    Long,
    /// It was made for another browser.
    #[error("the token is for another browser, or this one has begun anew since")]
    State,
    /// The page is not one that may be asked for.
    #[error("the path {0:?} may not be returned to")]
    Return(String),
}

/// A site that may hand over to us, for the reader of tokens.
#[derive(Debug)]
pub struct Source<'a> {
    /// Its URL.
    pub url: &'a str,
    /// Its published keys.
    pub keys: &'a KeySet,
    /// The paths of ours that its people may come to.
    pub accept: &'a [String],
}

/// Makes a token of claims: signed by us, encrypted to the target.
///
/// # Errors
/// When the key cannot be encrypted to, or the system gives no randomness.
pub fn seal(claims: &Claims, by: &SigningKey, to: &PublicKey) -> Result<String, JoseError> {
    let claims = serde_json::to_vec(claims).map_err(|_| JoseError::Failed("writing claims"))?;
    jwe::seal(by.sign(SIGNED, &claims)?.as_bytes(), SEALED, to)
}

/// The claims of a token that holds for us (`audience`), at this time, in the browser to which the target gave
/// `browser`; and which of the sources it is from.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn open(
    token: &str,
    keys: &[DecryptionKey],
    sources: &[Source<'_>],
    audience: &str,
    browser: &str,
    at: Timestamp,
) -> Result<(usize, Claims), Refused> {
    let signed = jwe::open(token, SEALED, keys).map_err(Refused::Sealed)?;
    let signed = std::str::from_utf8(&signed).map_err(|_| Refused::Claims)?;
    let mut unsigned = JoseError::UnknownKey("of no site".to_owned());
    for (index, source) in sources.iter().enumerate() {
        let claims = match jws::verify(signed, SIGNED, &source.keys.signature) {
            Ok(claims) => claims,
            Err(error @ JoseError::UnknownKey(_)) => {
                unsigned = error;
                continue;
            }
            Err(error) => return Err(Refused::Signed(error)),
        };
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| Refused::Claims)?;
        judge(&claims, source, audience, browser, at)?;
        return Ok((index, claims));
    }
    Err(Refused::Signed(unsigned))
}

/// Whether claims that a source has signed hold here and now.
fn judge(claims: &Claims, source: &Source<'_>, audience: &str, browser: &str, at: Timestamp) -> Result<(), Refused> {
    if claims.iss != source.url {
        return Err(Refused::Issuer(claims.iss.clone()));
    }
    if claims.aud != audience {
        return Err(Refused::Audience(claims.aud.clone()));
    }
    let (made, ends) = (Timestamp::from_unix(claims.iat), Timestamp::from_unix(claims.exp));
    if ends < made || ends.since(made) > LIFETIME {
        return Err(Refused::Long);
    }
    if at > ends.plus(TOLERANCE) {
        return Err(Refused::Late(ends));
    }
    if made > at.plus(TOLERANCE) {
        return Err(Refused::Early(made));
    }
    if !bool::from(claims.state.as_bytes().ct_eq(state_of(browser).as_bytes())) {
        return Err(Refused::State);
    }
    if !may_return(&claims.return_to, source.accept) {
        return Err(Refused::Return(claims.return_to.clone()));
    }
    if claims.jti.len() < 22 || claims.jti.len() > 64 || claims.certificates.is_empty() == claims.password.is_none() {
        return Err(Refused::Claims);
    }
    Ok(())
}

/// What the source is told of what the target gave a browser.
#[must_use]
pub fn state_of(browser: &str) -> String {
    encode(digest(&SHA256, browser.as_bytes()))
}

/// Whether a text can be such a state.
#[must_use]
pub fn is_state(text: &str) -> bool {
    decode(text).is_some_and(|octets| octets.len() == 32)
}

/// Whether a browser may be sent to this path, perhaps with a query, where these prefixes are allowed: it is in normal
/// form, so that it begins with one slash and nobody reads a host out of it, and within a prefix by whole segments.
#[must_use]
pub fn may_return(to: &str, allowed: &[String]) -> bool {
    let (path, query) = to.split_once('?').unwrap_or((to, ""));
    let within = |prefix: &String| {
        let prefix = prefix.trim_end_matches('/');
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let plain = |byte: u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\\');
    to.len() <= MOST_RETURN
        && normalise(path).is_ok_and(|normal| normal == path)
        && query.bytes().all(plain)
        && allowed.iter().any(within)
}

/// The name under which a used token is written down: nobody can tell from it what it said.
#[must_use]
pub fn used_as(claims: &Claims) -> [u8; 32] {
    let named = [claims.iss.as_bytes(), &[0], claims.jti.as_bytes()].concat();
    digest(&SHA256, &named).as_ref().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests;
