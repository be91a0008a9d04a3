//! The arithmetic of HTTP Digest (RFC 7616, section 3.4.1): from HA1 and the parameters of a request to
//! the response that a rightful client would have sent. Pure.

use crate::base::hex;
use crate::config::DigestAlgorithm;
use aws_lc_rs::digest;
use md5::{Digest, Md5};

/// How many octets the algorithm makes.
#[must_use]
pub const fn length(algorithm: DigestAlgorithm) -> usize {
    match algorithm {
        DigestAlgorithm::Sha256 => 32,
        DigestAlgorithm::Md5 => 16,
    }
}

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
}

/// The octets of the response for `qop=auth`; `ha1` is in lower-case hexadecimal, as
/// `account::ha1::compute` makes it.
#[must_use]
pub fn response(algorithm: DigestAlgorithm, ha1: &[u8], parts: &Parts<'_>) -> Vec<u8> {
    let ha2 = hex::encode(&hash(algorithm, &[parts.method.as_bytes(), parts.uri.as_bytes()]));
    let [nonce, count, cnonce] = [parts.nonce, parts.count, parts.cnonce].map(str::as_bytes);
    hash(algorithm, &[ha1, nonce, count, cnonce, b"auth", ha2.as_bytes()])
}

/// The hash of the parts, a colon between each two.
fn hash(algorithm: DigestAlgorithm, parts: &[&[u8]]) -> Vec<u8> {
    fn feed(parts: &[&[u8]], mut update: impl FnMut(&[u8])) {
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                update(b":");
            }
            update(part);
        }
    }
    match algorithm {
        DigestAlgorithm::Sha256 => {
            let mut context = digest::Context::new(&digest::SHA256);
            feed(parts, |octets| context.update(octets));
            context.finish().as_ref().to_vec()
        }
        DigestAlgorithm::Md5 => {
            let mut context = Md5::new();
            feed(parts, |octets| context.update(octets));
            context.finalize().to_vec()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_come_out() {
        // RFC 7616, section 3.9.1.
        let cases = [
            (DigestAlgorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (DigestAlgorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ];
        let parts = Parts {
            method: "GET",
            uri: "/dir/index.html",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            count: "00000001",
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        };
        for (algorithm, expected) in cases {
            let ha1 = hex::encode(&hash(algorithm, &[b"Mufasa", b"http-auth@example.org", b"Circle of Life"]));
            let response = response(algorithm, ha1.as_bytes(), &parts);
            assert_eq!(hex::encode(&response), expected);
            assert_eq!(response.len(), length(algorithm));
        }
    }

    #[test]
    fn every_part_counts() {
        let right = Parts { method: "GET", uri: "/", nonce: "n", count: "00000001", cnonce: "c" };
        let ha1: &[u8] = b"0123456789abcdef0123456789abcdef";
        let others = [
            Parts { method: "PUT", ..right },
            Parts { uri: "/?", ..right },
            Parts { nonce: "m", ..right },
            Parts { count: "00000002", ..right },
            Parts { cnonce: "d", ..right },
        ];
        for algorithm in [DigestAlgorithm::Sha256, DigestAlgorithm::Md5] {
            let expected = response(algorithm, ha1, &right);
            assert_ne!(expected, response(algorithm, b"1123456789abcdef0123456789abcdef", &right));
            for other in &others {
                assert_ne!(expected, response(algorithm, ha1, other), "{other:?}");
            }
        }
    }
}
