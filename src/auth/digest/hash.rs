//! The arithmetic of HTTP Digest (RFC 7616, section 3.4): from HA1 and the parameters of a request to the response
//! that a rightful client would have sent, and what a server says in return. Pure, and the same for either side.

use crate::config::{ChallengeAlgorithm, DigestAlgorithm};
use aws_lc_rs::digest;
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// The longest hash in octets.
const LONGEST: usize = 32;

/// What a response is made of, besides the password. Text goes in as it stood in the header, unquoted.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The method of the request: `GET`.
    pub method: &'a str,
    /// The `uri` parameter.
    pub uri: &'a str,
    /// The `nonce` parameter.
    pub nonce: &'a str,
    /// The `nc` parameter: eight hexadecimal digits.
    pub count: &'a str,
    /// The `cnonce` parameter.
    pub cnonce: &'a str,
    /// The hash of the body, which makes it `qop=auth-int`; `None` is `qop=auth`.
    pub body: Option<&'a Hash>,
}

/// A hash that was made. It may stand for a password, and so is wiped when dropped and not shown.
#[derive(Clone)]
pub struct Hash {
    octets: [u8; LONGEST],
    length: usize,
}

impl Hash {
    /// Its octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or(&self.octets)
    }

    /// As further hashes have it, and the wire: in lower-case hexadecimal.
    #[must_use]
    pub fn digits(&self) -> Digits {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| *DIGITS.get(usize::from(nibble & 15)).unwrap_or(&b'0');
        let mut digits = Digits { octets: [0; 2 * LONGEST], length: 2 * self.length };
        for (pair, octet) in digits.octets.chunks_exact_mut(2).zip(self.octets()) {
            if let [high, low] = pair {
                (*high, *low) = (digit(octet >> 4), digit(*octet));
            }
        }
        digits
    }

    fn of(octets: &[u8]) -> Self {
        let mut hash = Self { octets: [0; LONGEST], length: octets.len().min(LONGEST) };
        hash.octets.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
        hash
    }
}

impl PartialEq<[u8]> for Hash {
    /// In a time that depends on the lengths alone.
    fn eq(&self, other: &[u8]) -> bool {
        self.octets().ct_eq(other).into()
    }
}

impl Drop for Hash {
    fn drop(&mut self) {
        self.octets.zeroize();
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hash]")
    }
}

/// A hash in lower-case hexadecimal.
#[derive(Clone)]
pub struct Digits {
    octets: [u8; 2 * LONGEST],
    length: usize,
}

impl Digits {
    /// The digits.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or(&self.octets)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl Drop for Digits {
    fn drop(&mut self) {
        self.octets.zeroize();
    }
}

/// The key of responses, H(A1) in RFC 7616, section 3.4.2. For a plain algorithm that is HA1 itself (`ha1` is in
/// lower-case hexadecimal, as `account::ha1::compute` makes it); for a session form the hash of HA1, the first
/// nonce and the first cnonce of the session.
#[must_use]
pub fn session_key(hash: DigestAlgorithm, ha1: &[u8], nonce: &str, cnonce: &str) -> Digits {
    joined(hash, &[ha1, nonce.as_bytes(), cnonce.as_bytes()]).digits()
}

/// The response to a challenge (section 3.4.1); `key` is HA1 for a plain algorithm and [`session_key`] for a session
/// form.
#[must_use]
pub fn response(hash: DigestAlgorithm, key: &[u8], parts: &Parts<'_>) -> Hash {
    let (method, uri) = (parts.method.as_bytes(), parts.uri.as_bytes());
    let ha2 = match parts.body {
        None => joined(hash, &[method, uri]),
        Some(body) => joined(hash, &[method, uri, body.digits().as_bytes()]),
    };
    let [nonce, count, cnonce] = [parts.nonce, parts.count, parts.cnonce].map(str::as_bytes);
    let quality: &[u8] = if parts.body.is_some() { b"auth-int" } else { b"auth" };
    joined(hash, &[key, nonce, count, cnonce, quality, ha2.digits().as_bytes()])
}

/// The `rspauth` of section 3.5, by which a server shows that it knows the password, too: a response to the same
/// request without its method.
#[must_use]
pub fn response_of_server(hash: DigestAlgorithm, key: &[u8], parts: &Parts<'_>) -> Hash {
    response(hash, key, &Parts { method: "", ..*parts })
}

/// The response of a client that knows HA1, to a challenge that it was given.
#[must_use]
pub fn answer(algorithm: ChallengeAlgorithm, ha1: &[u8], parts: &Parts<'_>) -> Hash {
    let hash = algorithm.hash();
    match algorithm.is_session() {
        true => response(hash, session_key(hash, ha1, parts.nonce, parts.cnonce).as_bytes(), parts),
        false => response(hash, ha1, parts),
    }
}

/// The hash of a body that came whole.
#[must_use]
pub fn of_body(hash: DigestAlgorithm, body: &[u8]) -> Hash {
    joined(hash, &[body])
}

/// The hash of the parts, a colon between each two.
fn joined(hash: DigestAlgorithm, parts: &[&[u8]]) -> Hash {
    fn feed(parts: &[&[u8]], mut update: impl FnMut(&[u8])) {
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                update(b":");
            }
            update(part);
        }
    }
    let sha = match hash {
        DigestAlgorithm::Sha512_256 => &digest::SHA512_256,
        DigestAlgorithm::Sha256 => &digest::SHA256,
        DigestAlgorithm::Md5 => {
            let mut context = Md5::new();
            feed(parts, |octets| context.update(octets));
            return Hash::of(&context.finalize());
        }
    };
    let mut context = digest::Context::new(sha);
    feed(parts, |octets| context.update(octets));
    Hash::of(context.finish().as_ref())
}

#[cfg(test)]
mod tests;
