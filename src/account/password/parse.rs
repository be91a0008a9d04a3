//! From a stored text to a hash: which layout it has, its parameters within bounds, its salt and its digest. The
//! text is a database's, and so is nothing to be trusted: [`parse`] never panics, and never lets through what
//! would cost more than the bounds say.

use super::recipe::{Hash, Recipe};
use super::{HashError, MAX_MEMORY, MAX_TEXT, crypt};
use crate::base::hex;
use crate::base::secret::Secret;
use crate::config::SaltedLayout;
use argon2::{Algorithm, Version};
use base64::alphabet::{self, Alphabet};
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use std::num::NonZeroU32;

/// The most that argon2 may write in all its passes, in KiB.
const MAX_ARGON2_WORK: u64 = 1 << 20;
/// The most that scrypt may write in all its lanes, in octets.
const MAX_SCRYPT_WORK: u64 = 512 << 20;
const MAX_BCRYPT_COST: u64 = 15;
const MAX_PBKDF2_ROUNDS: u64 = 2_500_000;
const MAX_CRYPT_ROUNDS: u64 = 1_000_000;
/// A shorter digest is met by chance.
const MIN_DIGEST: usize = 16;
const MAX_DIGEST: usize = 128;

const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const fn base64(alphabet: &Alphabet) -> GeneralPurpose {
    GeneralPurpose::new(alphabet, CONFIG)
}
const STANDARD: GeneralPurpose = base64(&alphabet::STANDARD);
const BCRYPT: GeneralPurpose = base64(&alphabet::BCRYPT);

type Read<T> = Result<T, HashError>;
/// A recipe, and what it makes of the right password.
type Parsed = (Recipe, Secret);

/// What breaks the rules of a layout.
fn malformed<T>(layout: &'static str, why: &'static str) -> Read<T> {
    Err(HashError::Malformed { layout, why })
}

fn at_most(layout: &'static str, what: &'static str, value: u64, limit: u64) -> Read<()> {
    if value <= limit { Ok(()) } else { Err(HashError::TooCostly { layout, what, value, limit }) }
}

fn made(recipe: Recipe, expected: Vec<u8>) -> Read<Parsed> {
    Ok((recipe, Secret::new(expected)))
}

/// See [`PasswordHash::parse`](super::PasswordHash::parse).
pub(super) fn parse(text: &str) -> Read<Parsed> {
    if text.len() > MAX_TEXT {
        return Err(HashError::TooLong);
    }
    // As crypt(3), pam and Django write an account without a password.
    if text.is_empty() || text.starts_with(['!', '*']) {
        return Err(HashError::NoPassword);
    }
    match text.strip_prefix('{') {
        Some(rest) => labelled(rest),
        None if text.starts_with('$') => modular(text),
        None => of_frameworks(text),
    }
}

/// `{SCHEME}…`, as Dovecot, Postfix and LDAP servers write it.
fn labelled(rest: &str) -> Read<Parsed> {
    let Some((scheme, value)) = rest.split_once('}') else { return Err(HashError::Unknown) };
    let scheme = scheme.to_ascii_uppercase();
    let (scheme, encoding) = scheme.split_once('.').unwrap_or((&scheme, ""));
    let hash = match scheme {
        "SSHA" => Hash::Sha1,
        "SSHA256" => Hash::Sha256,
        "SSHA512" => Hash::Sha512,
        "PBKDF2" => return dovecot_pbkdf2(value),
        "CRYPT" | "MD5-CRYPT" | "SHA256-CRYPT" | "SHA512-CRYPT" | "BLF-CRYPT" | "ARGON2I" | "ARGON2ID" => {
            return match value {
                _ if value.is_empty() || value.starts_with(['!', '*']) => Err(HashError::NoPassword),
                _ if value.starts_with('$') => modular(value),
                _ => Err(HashError::Weak("of DES")),
            };
        }
        "PLAIN" | "CLEARTEXT" | "CLEAR" => return Err(HashError::Weak("in clear text")),
        "SHA" | "SHA1" | "SHA256" | "SHA512" | "MD5" | "LDAP-MD5" | "PLAIN-MD5" | "SMD5" => {
            return Err(HashError::Weak("without a salt, or of MD5"));
        }
        _ => return Err(HashError::Unknown),
    };
    let octets = match encoding {
        "HEX" => hexadecimal(value),
        "" | "B64" | "BASE64" => STANDARD.decode(value).ok(),
        _ => return Err(HashError::Unknown),
    };
    let Some((digest, salt)) = octets.as_deref().and_then(|octets| octets.split_at_checked(hash.length())) else {
        return malformed("salted SHA", "it is not as long as its hash");
    };
    if salt.is_empty() {
        return malformed("salted SHA", "it has no salt");
    }
    made(Recipe::Salted { hash, salt: salt.to_vec(), salt_first: false }, digest.to_vec())
}

/// `$1$salt$rounds$hash`, after `{PBKDF2}`.
fn dovecot_pbkdf2(value: &str) -> Read<Parsed> {
    match value.split('$').collect::<Vec<_>>().as_slice() {
        ["", "1", salt, rounds, digest] => pbkdf2(Hash::Sha1, rounds, salt.as_bytes(), hexadecimal(digest)),
        _ => malformed("PBKDF2", "it is not `$1$salt$rounds$hash`"),
    }
}

/// `$id$…`: the modular crypt format, and the PHC string format that came of it.
fn modular(text: &str) -> Read<Parsed> {
    let fields: Vec<&str> = text.split('$').skip(1).collect();
    match fields.as_slice() {
        ["argon2id", rest @ ..] => argon2(Algorithm::Argon2id, rest),
        ["argon2i", rest @ ..] => argon2(Algorithm::Argon2i, rest),
        ["argon2d", rest @ ..] => argon2(Algorithm::Argon2d, rest),
        ["2a" | "2b" | "2y", cost, value] => bcrypt(cost, value, false),
        ["scrypt", parameters, salt, digest] => {
            let Some([ln, r, p]) = numbers(parameters, ["ln", "r", "p"]) else {
                return malformed("scrypt", "its parameters are not `ln=…,r=…,p=…`");
            };
            scrypt(ln, [r, p], octets("scrypt", salt)?, octets("scrypt", digest)?, false)
        }
        ["7", settings, digest] => crypt_scrypt(settings, digest),
        ["pbkdf2" | "pbkdf2-sha1", rest @ ..] => modular_pbkdf2(Hash::Sha1, rest),
        ["pbkdf2-sha256", rest @ ..] => modular_pbkdf2(Hash::Sha256, rest),
        ["pbkdf2-sha512", rest @ ..] => modular_pbkdf2(Hash::Sha512, rest),
        ["5", rest @ ..] => sha_crypt(false, rest),
        ["6", rest @ ..] => sha_crypt(true, rest),
        ["1", salt, digest] => md5_crypt("$1$", salt, digest),
        ["apr1", salt, digest] => md5_crypt("$apr1$", salt, digest),
        ["y", parameters, salt, digest] => yescrypt(parameters, salt, digest),
        _ => Err(HashError::Unknown),
    }
}

/// What Django and Werkzeug write: `algorithm$…`.
fn of_frameworks(text: &str) -> Read<Parsed> {
    let Some((algorithm, rest)) = text.split_once('$') else { return Err(HashError::Unknown) };
    let fields: Vec<&str> = rest.split('$').collect();
    match (algorithm, fields.as_slice()) {
        // Of argon2's own `$`, Django makes the one after its name.
        ("argon2", _) => modular(&format!("${rest}")),
        ("bcrypt", ["", ..]) => modular(rest),
        ("bcrypt_sha256", ["", "2a" | "2b" | "2y", cost, value]) => bcrypt(cost, value, true),
        ("scrypt", [n, salt, r, p, digest]) => {
            let [Some(n), Some(r), Some(p)] = [n, r, p].map(|number| decimal(number)) else {
                return malformed("scrypt", NO_NUMBER);
            };
            scrypt(log2(n)?, [r, p], salt.as_bytes().to_vec(), octets("scrypt", digest)?, false)
        }
        ("pbkdf2_sha256", [rounds, salt, digest]) => {
            pbkdf2(Hash::Sha256, rounds, salt.as_bytes(), STANDARD.decode(digest).ok())
        }
        ("pbkdf2_sha1", [rounds, salt, digest]) => {
            pbkdf2(Hash::Sha1, rounds, salt.as_bytes(), STANDARD.decode(digest).ok())
        }
        (_, [salt, digest]) => match algorithm.split(':').collect::<Vec<_>>().as_slice() {
            ["scrypt", n, r, p] => {
                let ([Some(n), Some(r), Some(p)], Some(digest)) =
                    ([n, r, p].map(|number| decimal(number)), hexadecimal(digest))
                else {
                    return malformed("scrypt", NO_NUMBER);
                };
                scrypt(log2(n)?, [r, p], salt.as_bytes().to_vec(), digest, false)
            }
            ["pbkdf2", hash, rounds] => {
                let hash = match *hash {
                    "sha1" => Hash::Sha1,
                    "sha256" => Hash::Sha256,
                    "sha512" => Hash::Sha512,
                    _ => return Err(HashError::Unknown),
                };
                pbkdf2(hash, rounds, salt.as_bytes(), hexadecimal(digest))
            }
            _ => Err(HashError::Unknown),
        },
        _ => Err(HashError::Unknown),
    }
}

const NO_NUMBER: &str = "a parameter is no number, or the hash is not in hexadecimal";

/// `v=19`, which is absent in old ones, `m=…,t=…,p=…`, salt, hash.
fn argon2(algorithm: Algorithm, fields: &[&str]) -> Read<Parsed> {
    const LAYOUT: &str = "argon2";
    let (version, fields) = match fields {
        ["v=19", rest @ ..] => (Version::V0x13, rest),
        ["v=16", rest @ ..] => (Version::V0x10, rest),
        rest => (Version::V0x10, rest),
    };
    let [parameters, salt, digest] = fields else { return malformed(LAYOUT, "it has not the parts of one") };
    let Some([memory, passes, lanes]) = numbers(parameters, ["m", "t", "p"]) else {
        return malformed(LAYOUT, "its parameters are not `m=…,t=…,p=…`");
    };
    at_most(LAYOUT, "memory in KiB", memory, MAX_MEMORY / 1024)?;
    at_most(LAYOUT, "memory in KiB times its passes", memory.saturating_mul(passes), MAX_ARGON2_WORK)?;
    at_most(LAYOUT, "number of lanes", lanes, 255)?;
    let (salt, digest) = (octets(LAYOUT, salt)?, checked_digest(LAYOUT, octets(LAYOUT, digest)?)?);
    if salt.len() < argon2::MIN_SALT_LEN {
        return malformed(LAYOUT, "its salt is shorter than 8 octets");
    }
    let [Ok(memory), Ok(passes), Ok(lanes)] = [memory, passes, lanes].map(u32::try_from) else {
        return malformed(LAYOUT, "a parameter is too large");
    };
    match argon2::Params::new(memory, passes, lanes, Some(digest.len())) {
        Ok(params) => made(Recipe::Argon2 { algorithm, version, params, salt }, digest),
        Err(_) => malformed(LAYOUT, "its parameters do not go together"),
    }
}

/// Cost, then 22 digits of salt and 31 of hash.
fn bcrypt(cost: &str, value: &str, prehashed: bool) -> Read<Parsed> {
    const LAYOUT: &str = "bcrypt";
    let (Some(cost), true) = (decimal(cost), value.len() == 53) else {
        return malformed(LAYOUT, "it has not the parts of one");
    };
    at_most(LAYOUT, "cost", cost, MAX_BCRYPT_COST)?;
    let parts = value.split_at_checked(22);
    let decoded = parts.and_then(|(salt, digest)| Some((BCRYPT.decode(salt).ok()?, BCRYPT.decode(digest).ok()?)));
    let (Some((salt, digest)), Ok(cost @ 4..)) = (decoded, u32::try_from(cost)) else {
        return malformed(LAYOUT, "its salt or hash is not in its Base64, or its cost is below 4");
    };
    match salt.try_into() {
        Ok(salt) => made(Recipe::Bcrypt { cost, salt, prehashed }, digest),
        Err(_) => malformed(LAYOUT, "its salt has not 16 octets"),
    }
}

fn scrypt(log_n: u64, [r, p]: [u64; 2], salt: Vec<u8>, digest: Vec<u8>, encoded: bool) -> Read<Parsed> {
    const LAYOUT: &str = "scrypt";
    at_most(LAYOUT, "ln", log_n, 24)?;
    let memory = (128_u64 << log_n).saturating_mul(r);
    at_most(LAYOUT, "memory in octets", memory, MAX_MEMORY)?;
    at_most(LAYOUT, "memory in octets times its lanes", memory.saturating_mul(p), MAX_SCRYPT_WORK)?;
    let [Ok(r @ 1..), Ok(p @ 1..)] = [r, p].map(u32::try_from) else {
        return malformed(LAYOUT, "a parameter is 0, or too large");
    };
    let Ok(log_n @ 1..) = u8::try_from(log_n) else { return malformed(LAYOUT, "its N is 1") };
    if scrypt::Params::new(log_n, r, p).is_err() {
        return malformed(LAYOUT, "its parameters do not go together");
    }
    let digest = checked_digest(LAYOUT, digest)?;
    made(Recipe::Scrypt { log_n, r, p, salt, encoded }, digest)
}

/// As crypt(3) writes it: N, r and p in 1, 5 and 5 digits, the salt; 43 digits of hash.
fn crypt_scrypt(settings: &str, digest: &str) -> Read<Parsed> {
    const LAYOUT: &str = "scrypt";
    let parts = settings.split_at_checked(1).and_then(|(n, rest)| {
        let (r, rest) = rest.split_at_checked(5)?;
        let (p, salt) = rest.split_at_checked(5)?;
        let [n, r, p] = [n, r, p].map(|digits| crypt::number(digits.as_bytes()).map(u64::from));
        Some((n?, [r?, p?], salt))
    });
    match (parts, crypt::decode(digest.as_bytes())) {
        (Some((log_n, rp, salt)), Some(key)) if key.len() == 32 => {
            scrypt(log_n, rp, salt.as_bytes().to_vec(), digest.as_bytes().to_vec(), true)
        }
        _ => malformed(LAYOUT, "it has not the parts of one"),
    }
}

/// `rounds$salt$hash` as passlib writes it, or `i=rounds,l=length` instead of the rounds.
fn modular_pbkdf2(hash: Hash, fields: &[&str]) -> Read<Parsed> {
    const LAYOUT: &str = "PBKDF2";
    let [parameters, salt, digest] = fields else { return malformed(LAYOUT, "it has not the parts of one") };
    let rounds = match parameters.strip_prefix("i=") {
        Some(rounds) => rounds.split(',').next().unwrap_or(rounds),
        None => parameters,
    };
    pbkdf2(hash, rounds, &octets(LAYOUT, salt)?, Some(octets(LAYOUT, digest)?))
}

fn pbkdf2(hash: Hash, rounds: &str, salt: &[u8], digest: Option<Vec<u8>>) -> Read<Parsed> {
    const LAYOUT: &str = "PBKDF2";
    let (Some(rounds), Some(digest)) = (decimal(rounds), digest) else {
        return malformed(LAYOUT, "its rounds are no number, or its hash is not encoded as it should be");
    };
    at_most(LAYOUT, "number of rounds", rounds, MAX_PBKDF2_ROUNDS)?;
    let Some(rounds) = u32::try_from(rounds).ok().and_then(NonZeroU32::new) else {
        return malformed(LAYOUT, "it has no rounds");
    };
    let digest = checked_digest(LAYOUT, digest)?;
    // More than one block of output costs the rounds again for each.
    if digest.len() > hash.length() {
        return malformed(LAYOUT, "its hash is longer than its hash function's");
    }
    made(Recipe::Pbkdf2 { hash, rounds, salt: salt.to_vec() }, digest)
}

/// `rounds=…`, which may be absent, salt, hash.
fn sha_crypt(wide: bool, fields: &[&str]) -> Read<Parsed> {
    const LAYOUT: &str = "sha-crypt";
    let (rounds, salt, digest) = match fields {
        [salt, digest] => (Some(u64::from(sha_crypt::Params::RECOMMENDED_ROUNDS)), salt, digest),
        [rounds, salt, digest] => (rounds.strip_prefix("rounds=").and_then(decimal), salt, digest),
        _ => return malformed(LAYOUT, "it has not the parts of one"),
    };
    let Some(rounds) = rounds else { return malformed(LAYOUT, "its rounds are no number") };
    at_most(LAYOUT, "number of rounds", rounds, MAX_CRYPT_ROUNDS)?;
    let Ok(rounds @ sha_crypt::Params::ROUNDS_MIN..) = u32::try_from(rounds) else {
        return malformed(LAYOUT, "it has less than 1000 rounds");
    };
    if salt.len() > 16 {
        return malformed(LAYOUT, "its salt is longer than 16 octets");
    }
    let digest = crypt_digest(LAYOUT, digest, if wide { 86 } else { 43 })?;
    made(Recipe::ShaCrypt { wide, rounds, salt: salt.as_bytes().to_vec() }, digest)
}

fn md5_crypt(magic: &'static str, salt: &str, digest: &str) -> Read<Parsed> {
    const LAYOUT: &str = "md5-crypt";
    if salt.len() > 8 {
        return malformed(LAYOUT, "its salt is longer than 8 octets");
    }
    made(Recipe::Md5Crypt { magic, salt: salt.as_bytes().to_vec() }, crypt_digest(LAYOUT, digest, 22)?)
}

/// Flavour, N and r in a digit each: what crypt(3) has written since there is yescrypt.
fn yescrypt(parameters: &str, salt: &str, digest: &str) -> Read<Parsed> {
    const LAYOUT: &str = "yescrypt";
    /// From this one on, a number has more than one digit.
    const LONGER: u32 = 48;
    let values: Vec<Option<u32>> = parameters.bytes().map(crypt::value).collect();
    let [Some(flavour @ 0..LONGER), Some(n @ 0..LONGER), Some(r @ 0..LONGER)] = values.as_slice() else {
        return malformed(LAYOUT, "its parameters are not the three that crypt(3) writes");
    };
    let (log_n, r) = (u64::from(*n) + 1, *r + 1);
    at_most(LAYOUT, "N, as a power of 2,", log_n, 24)?;
    at_most(LAYOUT, "memory in octets", (128_u64 << log_n) * u64::from(r), MAX_MEMORY)?;
    let params = yescrypt::Mode::try_from(*flavour).and_then(|mode| yescrypt::Params::new(mode, 1 << log_n, r, 1));
    let (Ok(params), Some(salt)) = (params, crypt::decode(salt.as_bytes())) else {
        return malformed(LAYOUT, "its parameters do not go together, or its salt is not in its Base64");
    };
    made(Recipe::Yescrypt { params, salt }, crypt_digest(LAYOUT, digest, 43)?)
}

/// See [`PasswordHash::salted`](super::PasswordHash::salted).
pub(super) fn salted(layout: SaltedLayout, hash: &str, salt: &str) -> Read<Parsed> {
    const LAYOUT: &str = "salted SHA";
    if hash.is_empty() {
        return Err(HashError::NoPassword);
    }
    if hash.len() > MAX_TEXT || salt.len() > MAX_TEXT {
        return Err(HashError::TooLong);
    }
    if salt.is_empty() {
        return malformed(LAYOUT, "it has no salt");
    }
    let (function, salt_first) = match layout {
        SaltedLayout::Sha1SaltFirst => (Hash::Sha1, true),
        SaltedLayout::Sha1SaltLast => (Hash::Sha1, false),
        SaltedLayout::Sha256SaltFirst => (Hash::Sha256, true),
        SaltedLayout::Sha256SaltLast => (Hash::Sha256, false),
    };
    let fits = |octets: &Vec<u8>| octets.len() == function.length();
    match hexadecimal(hash).filter(fits).or_else(|| STANDARD.decode(hash).ok().filter(fits)) {
        Some(digest) => made(Recipe::Salted { hash: function, salt: salt.as_bytes().to_vec(), salt_first }, digest),
        None => malformed(LAYOUT, "it is not as long as its hash function's, in hexadecimal or Base64"),
    }
}

/// A whole number without a sign.
fn decimal(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The power of 2 that a number is.
fn log2(number: u64) -> Read<u64> {
    match number.is_power_of_two() {
        true => Ok(u64::from(number.trailing_zeros())),
        false => malformed("scrypt", "its N is no power of 2"),
    }
}

/// The values of `name=number` in this order, and of nothing else.
fn numbers<const N: usize>(text: &str, names: [&str; N]) -> Option<[u64; N]> {
    let mut pairs = text.split(',');
    let values = names.map(|name| {
        let (found, value) = pairs.next()?.split_once('=')?;
        decimal(value).filter(|_| found == name)
    });
    let values: Vec<u64> = values.into_iter().collect::<Option<_>>()?;
    values.try_into().ok().filter(|_| pairs.next().is_none())
}

/// Octets in Base64, of which passlib writes `+` as `.`.
fn octets(layout: &'static str, text: &str) -> Read<Vec<u8>> {
    match STANDARD.decode(text.replace('.', "+")) {
        Ok(octets) => Ok(octets),
        Err(_) => malformed(layout, "its salt or hash is not in Base64"),
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    hex::decode(text).filter(|_| !text.contains(':'))
}

fn checked_digest(layout: &'static str, digest: Vec<u8>) -> Read<Vec<u8>> {
    match digest.len() {
        MIN_DIGEST..=MAX_DIGEST => Ok(digest),
        _ => malformed(layout, "its hash has less than 16 octets, or more than 128"),
    }
}

/// A hash in the Base64 of crypt(3), which stays as it is: what is made of a password is written alike.
fn crypt_digest(layout: &'static str, digest: &str, digits: usize) -> Read<Vec<u8>> {
    if digest.len() != digits || !digest.bytes().all(|digit| crypt::value(digit).is_some()) {
        return malformed(layout, "its hash has not as many digits of its Base64 as it should");
    }
    Ok(digest.as_bytes().to_vec())
}
