//! How the kinds of hashes are made, each by the code that keeps it: argon2 (RFC 9106), bcrypt, scrypt (RFC 7914),
//! PBKDF2 (RFC 8018), what crypt(3) does, and SHA over salt and password. What a recipe costs was bounded when
//! it was read.

use super::crypt;
use crate::base::hex;
use crate::base::secret::Secret;
use aws_lc_rs::{digest, pbkdf2};
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// bcrypt takes no more than this of a password, its closing NUL included, and neither did the one that made the
/// hash.
const BCRYPT_LIMIT: usize = 72;

/// What makes a hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Recipe {
    Argon2 {
        algorithm: argon2::Algorithm,
        version: argon2::Version,
        params: argon2::Params,
        salt: Vec<u8>,
    },
    /// `prehashed`: of the password's SHA-256 in hexadecimal, as Django does to have no limit of 72 octets.
    Bcrypt {
        cost: u32,
        salt: [u8; 16],
        prehashed: bool,
    },
    /// `encoded`: as crypt(3) writes it.
    Scrypt {
        log_n: u8,
        r: u32,
        p: u32,
        salt: Vec<u8>,
        encoded: bool,
    },
    Pbkdf2 {
        hash: Hash,
        rounds: NonZeroU32,
        salt: Vec<u8>,
    },
    ShaCrypt {
        wide: bool,
        rounds: u32,
        salt: Vec<u8>,
    },
    Md5Crypt {
        magic: &'static str,
        salt: Vec<u8>,
    },
    Yescrypt {
        params: yescrypt::Params,
        salt: Vec<u8>,
    },
    Salted {
        hash: Hash,
        salt: Vec<u8>,
        salt_first: bool,
    },
}

/// A hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

impl Hash {
    /// How many octets it makes.
    pub(super) fn length(self) -> usize {
        self.digest().output_len()
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

impl Recipe {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Argon2 { .. } => "argon2",
            Self::Bcrypt { .. } => "bcrypt",
            Self::Scrypt { .. } => "scrypt",
            Self::Pbkdf2 { .. } => "pbkdf2",
            Self::ShaCrypt { .. } => "sha-crypt",
            Self::Md5Crypt { .. } => "md5-crypt",
            Self::Yescrypt { .. } => "yescrypt",
            Self::Salted { .. } => "salted SHA",
        }
    }

    /// What decides how long it takes, beside its kind.
    pub(super) fn cost(&self) -> (&'static str, [u64; 3]) {
        let numbers = match self {
            Self::Argon2 { params, .. } => [params.m_cost(), params.t_cost(), params.p_cost()].map(u64::from),
            Self::Bcrypt { cost, .. } => [u64::from(*cost), 0, 0],
            Self::Scrypt { log_n, r, p, .. } => [u64::from(*log_n), u64::from(*r), u64::from(*p)],
            Self::Pbkdf2 { hash, rounds, .. } => [rounds.get().into(), hash.length() as u64, 0],
            Self::ShaCrypt { wide, rounds, .. } => [u64::from(*rounds), u64::from(*wide), 0],
            Self::Md5Crypt { .. } => [0; 3],
            Self::Yescrypt { params, .. } => [params.n(), params.r().into(), params.p().into()],
            Self::Salted { hash, .. } => [hash.length() as u64, 0, 0],
        };
        (self.kind(), numbers)
    }

    /// The hash of a password, of `length` octets where that is for the one who hashes to choose. `None` when
    /// there is no memory for it.
    pub(super) fn make(&self, password: &[u8], length: usize) -> Option<Secret> {
        let mut out = vec![0; length];
        match self {
            Self::Argon2 { algorithm, version, params, salt } => {
                let context = super::argon2(*algorithm, *version, params);
                context.hash_password_into(password, salt, &mut out).ok()?;
            }
            Self::Bcrypt { cost, salt, prehashed } => {
                let mut key = Zeroizing::new(match prehashed {
                    true => hex::encode(digest::digest(&digest::SHA256, password).as_ref()).into_bytes(),
                    false => password.to_vec(),
                });
                key.push(0);
                key.truncate(BCRYPT_LIMIT);
                out = bcrypt::bcrypt(*cost, *salt, &key).into_iter().take(length).collect();
            }
            Self::Scrypt { log_n, r, p, salt, encoded } => {
                let params = scrypt::Params::new(*log_n, *r, *p).ok()?;
                let mut key = vec![0; if *encoded { 32 } else { length }];
                scrypt::scrypt(password, salt, &params, &mut key).ok()?;
                out = if *encoded { crypt::encode(&key) } else { key };
            }
            Self::Pbkdf2 { hash, rounds, salt } => {
                pbkdf2::derive(hash.pbkdf2(), *rounds, salt, password, &mut out);
            }
            Self::ShaCrypt { wide, rounds, salt } => {
                let params = sha_crypt::Params::new(*rounds).ok()?;
                out = match wide {
                    true => crypt::sha512_text(&sha_crypt::sha512_crypt(password, salt, params)),
                    false => crypt::sha256_text(&sha_crypt::sha256_crypt(password, salt, params)),
                };
            }
            Self::Md5Crypt { magic, salt } => out = crypt::md5(password, magic.as_bytes(), salt),
            Self::Yescrypt { params, salt } => {
                let mut key = [0; 32];
                yescrypt::yescrypt(password, salt, params, &mut key).ok()?;
                out = crypt::encode(&key);
            }
            Self::Salted { hash, salt, salt_first } => {
                let mut context = digest::Context::new(hash.digest());
                let parts = if *salt_first { [salt.as_slice(), password] } else { [password, salt.as_slice()] };
                parts.iter().for_each(|part| context.update(part));
                out = context.finish().as_ref().to_vec();
            }
        }
        Some(Secret::new(out))
    }
}
