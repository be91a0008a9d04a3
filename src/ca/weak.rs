//! Public keys that no certificate is issued for: too small, of a form that has been broken, made by a device or program
//! whose keys can be computed, or known to be in others' hands. That a key belongs to somebody else already is the
//! register's to say.

mod fermat;
mod roca;

use crate::base::hex;
use crate::certificate::der::{self, Reader};
use crate::certificate::facts::sha256;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The smallest RSA modulus in bits (NIST SP 800-57, part 1, section 5.6.1).
const LEAST_RSA: usize = 2048;
/// The largest: more costs everybody who verifies.
const MOST_RSA: usize = 8192;
/// The smallest public exponent (FIPS 186-5, section 5.1).
const LEAST_EXPONENT: u64 = 65537;
/// The largest file of compromised keys, in octets.
const LARGEST_LIST: u64 = 256 << 20;

const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// The points of small order on Edwards25519, by their encodings without the sign bit: whoever knows nothing can sign
/// for them (RFC 8032, section 8.4, leaves them in).
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// A public key that may be certified, as far as it alone shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    spki: Vec<u8>,
    kind: KeyKind,
    hash: [u8; 32],
}

/// The kind of a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// On the curve P-256.
    EcdsaP256,
    /// On the curve P-384.
    EcdsaP384,
    /// RSA.
    Rsa {
        /// The bits of the modulus.
        bits: usize,
    },
    /// Ed25519.
    Ed25519,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EcdsaP256 => f.write_str("ecdsa-p256"),
            Self::EcdsaP384 => f.write_str("ecdsa-p384"),
            Self::Rsa { bits } => write!(f, "rsa-{bits}"),
            Self::Ed25519 => f.write_str("ed25519"),
        }
    }
}

/// Why no certificate is issued for a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeakKey {
    /// It is no key of a kind that is known, or it is not written in the one form that there is.
    #[error("the public key is none of RSA, ECDSA on P-256 or P-384, and Ed25519, or it is malformed")]
    Unknown,
    /// An RSA key of the wrong size.
    #[error("the RSA key has {0} bits: from {LEAST_RSA} to {MOST_RSA} are accepted")]
    Size(usize),
    /// An RSA key with a public exponent that is even, too small or too large.
    #[error("the public exponent of the RSA key is even, below {LEAST_EXPONENT}, or longer than 64 bits")]
    Exponent,
    /// A modulus with a small factor.
    #[error("the modulus of the RSA key is divisible by {0}")]
    Divisible(u32),
    /// The key was made by a chip with a broken generator (CVE-2017-15361).
    #[error("the RSA key was made by a chip with the ROCA flaw (CVE-2017-15361): its private half can be computed")]
    Roca,
    /// The two primes lie so close together that the modulus was factored (CVE-2022-26320).
    #[error("the primes of the RSA key lie so close together that it was factored (CVE-2022-26320)")]
    ClosePrimes,
    /// A point that everybody can sign for.
    #[error("the Ed25519 key is a point of small order, which everybody can sign for")]
    SmallOrder,
    /// It stands on the list of compromised keys.
    #[error("the key {0} is on the list of compromised keys")]
    Compromised(String),
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo and examines the key in it.
    ///
    /// # Errors
    /// When the key is of no known kind, or is weak.
    pub fn read(spki: &[u8]) -> Result<Self, WeakKey> {
        let kind = examine(spki)?;
        Ok(Self { spki: spki.to_vec(), kind, hash: sha256(spki) })
    }

    /// The whole SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

fn examine(spki: &[u8]) -> Result<KeyKind, WeakKey> {
    let [algorithm, parameters, key] = fields(spki).map_err(|_| WeakKey::Unknown)?;
    match (algorithm, parameters) {
        (RSA_ENCRYPTION, [0x05, 0x00]) => rsa(key),
        (EC_PUBLIC_KEY, [der::OBJECT_IDENTIFIER, _, curve @ ..]) if curve == P256 => point(key, 32, KeyKind::EcdsaP256),
        (EC_PUBLIC_KEY, [der::OBJECT_IDENTIFIER, _, curve @ ..]) if curve == P384 => point(key, 48, KeyKind::EcdsaP384),
        (ED25519, []) => ed25519(key),
        _ => Err(WeakKey::Unknown),
    }
}

/// The algorithm, its parameters as a whole element, and the octets of the key.
fn fields(spki: &[u8]) -> Result<[&[u8]; 3], der::DerError> {
    let mut info = Reader::new(der::single(spki, der::SEQUENCE)?);
    let mut algorithm = info.inside(der::SEQUENCE)?;
    let key = info.octets_of_bit_string()?;
    info.finish()?;
    let identifier = algorithm.expect(der::OBJECT_IDENTIFIER)?.content;
    let parameters = if algorithm.is_empty() { &[][..] } else { algorithm.element()?.whole };
    algorithm.finish()?;
    Ok([identifier, parameters, key])
}

/// An uncompressed point (RFC 5480, section 2.2). That it lies on the curve shows when it verifies a signature.
fn point(key: &[u8], coordinate: usize, kind: KeyKind) -> Result<KeyKind, WeakKey> {
    if key.first() == Some(&0x04) && key.len() == 1 + 2 * coordinate { Ok(kind) } else { Err(WeakKey::Unknown) }
}

fn ed25519(key: &[u8]) -> Result<KeyKind, WeakKey> {
    let mut point: [u8; 32] = key.try_into().map_err(|_| WeakKey::Unknown)?;
    if let Some(last) = point.last_mut() {
        *last &= 0x7f;
    }
    if SMALL_ORDER.contains(&hex::encode(&point).as_str()) {
        return Err(WeakKey::SmallOrder);
    }
    Ok(KeyKind::Ed25519)
}

fn rsa(key: &[u8]) -> Result<KeyKind, WeakKey> {
    let read = || -> Result<(&[u8], &[u8]), der::DerError> {
        let mut key = Reader::new(der::single(key, der::SEQUENCE)?);
        let numbers = (positive(&mut key)?, positive(&mut key)?);
        key.finish()?;
        Ok(numbers)
    };
    let (modulus, exponent) = read().map_err(|_| WeakKey::Unknown)?;
    let first = modulus.first().map_or(8, |octet| octet.leading_zeros());
    let bits = modulus.len().saturating_mul(8).saturating_sub(usize::try_from(first).unwrap_or(8));
    if !(LEAST_RSA..=MOST_RSA).contains(&bits) {
        return Err(WeakKey::Size(bits));
    }
    let value =
        (exponent.len() <= 8).then(|| exponent.iter().fold(0, |value: u64, octet| value << 8 | u64::from(*octet)));
    if value.is_none_or(|exponent| exponent < LEAST_EXPONENT || exponent.is_multiple_of(2)) {
        return Err(WeakKey::Exponent);
    }
    if let Some(prime) = SMALL_PRIMES.iter().find(|prime| remainder(modulus, **prime) == 0) {
        return Err(WeakKey::Divisible(*prime));
    }
    if roca::is_vulnerable(modulus) {
        return Err(WeakKey::Roca);
    }
    if fermat::factors(modulus) {
        return Err(WeakKey::ClosePrimes);
    }
    Ok(KeyKind::Rsa { bits })
}

/// The octets of a positive INTEGER, big-endian, without leading zeros.
fn positive<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], der::DerError> {
    let negative = |reader: &Reader<'a>| {
        let mut ahead = *reader;
        ahead.expect(der::INTEGER).is_ok_and(|number| number.content.first().is_some_and(|first| *first >= 0x80))
    };
    if negative(reader) {
        return Err(der::DerError::Value("a positive INTEGER"));
    }
    reader.integer()
}

/// The primes below 170.
const SMALL_PRIMES: [u32; 39] = [
    2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// What is left of a number, big-endian, when it is divided by a small one.
fn remainder(number: &[u8], by: u32) -> u32 {
    number.iter().fold(0, |rest, octet| (rest << 8 | u32::from(*octet)) % by.max(1))
}

/// How many octets of a hash stand in the lists of Debian's package openssl-blacklist.
const DEBIAN_OCTETS: usize = 10;

/// Keys that are known to be in others' hands.
#[derive(Debug, Clone, Default)]
pub struct Compromised {
    /// SHA-256 of each SubjectPublicKeyInfo, in order.
    keys: Vec<[u8; 32]>,
    /// The end of the SHA-1 of each RSA modulus as `openssl rsa -modulus` writes it, in order.
    moduli: Vec<[u8; DEBIAN_OCTETS]>,
}

/// A list of compromised keys cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The file cannot be read.
    #[error("cannot read the list of compromised keys {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not what it should be.
    #[error(
        "line {line} of {path} is neither the SHA-256 of a public key, 64 hexadecimal digits, nor a line of Debian's \
         openssl-blacklist, 20 of them"
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1 on.
        line: usize,
    },
}

impl Compromised {
    /// Reads lists: one hash in hexadecimal a line, empty lines and those that begin with `#` passed over. 64 digits are
    /// the SHA-256 of a SubjectPublicKeyInfo, 20 are a line of Debian's openssl-blacklist.
    ///
    /// # Errors
    /// When one cannot be read, is larger than 256 MiB, or has another line.
    pub fn read(files: &[PathBuf]) -> Result<Self, ListError> {
        let mut all = Self::default();
        for path in files {
            all.read_list(path)?;
        }
        all.keys.sort_unstable();
        all.keys.dedup();
        all.moduli.sort_unstable();
        all.moduli.dedup();
        Ok(all)
    }

    /// Refuses a key that is on the list.
    ///
    /// # Errors
    /// [`WeakKey::Compromised`] when it is.
    pub fn check(&self, key: &PublicKey) -> Result<(), WeakKey> {
        let listed = self.keys.binary_search(&key.hash).is_ok()
            || modulus_hash(&key.spki).is_some_and(|hash| self.moduli.binary_search(&hash).is_ok());
        if listed { Err(WeakKey::Compromised(hex::encode(&key.hash))) } else { Ok(()) }
    }

    fn read_list(&mut self, path: &Path) -> Result<(), ListError> {
        let unreadable = |source| ListError::Unreadable { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(unreadable)?.len() > LARGEST_LIST {
            return Err(unreadable(io::Error::other("it is larger than 256 MiB")));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        for (line, text) in text.lines().enumerate() {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let hash = hex::decode(text).unwrap_or_default();
            match (hash.as_slice().try_into(), hash.as_slice().try_into()) {
                (Ok(key), _) => self.keys.push(key),
                (_, Ok(modulus)) => self.moduli.push(modulus),
                _ => return Err(ListError::Line { path: path.to_owned(), line: line + 1 }),
            }
        }
        Ok(())
    }
}

/// What Debian's openssl-blacklist knows an RSA key by: the last ten octets of the SHA-1 of `Modulus=`, its modulus in
/// hexadecimal and a line end. `None` of other keys.
fn modulus_hash(spki: &[u8]) -> Option<[u8; DEBIAN_OCTETS]> {
    let [RSA_ENCRYPTION, _, key] = fields(spki).ok()? else { return None };
    let modulus = positive(&mut Reader::new(der::single(key, der::SEQUENCE).ok()?)).ok()?;
    let text = format!("Modulus={}\n", hex::encode(modulus).to_ascii_uppercase());
    digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref().last_chunk().copied()
}

#[cfg(test)]
mod tests;
