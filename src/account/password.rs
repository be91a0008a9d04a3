//! Hashes of passwords, for HTTP Basic: the layouts that stores have them in (`parse`), and whether a password is
//! the one that was hashed (`recipe`). What a hash may cost is bounded when it is read, so that no row of a
//! database makes the gate work for minutes or fill its memory. Who hashes where, and how often, is for `auth` to
//! say; where hashes are kept, for the stores.
//!
//! A password is compared as the octets that came: nothing is trimmed, folded or normalised (no OpaqueString of
//! RFC 8265), since the hashes of foreign tables were made without it.

mod crypt;
mod parse;
mod recipe;

use crate::base::secret::Secret;
use crate::config::SaltedLayout;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use recipe::Recipe;
use std::fmt;

/// The longest hash in octets, with all that stands around it.
pub const MAX_TEXT: usize = 1024;
/// The longest password in octets.
pub const MAX_PASSWORD: usize = 1024;
/// The most memory that one hash may need, in octets.
pub const MAX_MEMORY: u64 = 128 << 20;

/// What new hashes cost: memory in KiB, passes, lanes. They are argon2id's (RFC 9106).
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// The octets of a new hash, and of its salt.
const LENGTH: usize = 32;
/// The octets of the salt of a new hash.
pub const SALT: usize = 16;

/// A hash that was read and is not too costly.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    recipe: Recipe,
    /// What the recipe makes of the right password.
    expected: Secret,
    /// The text that it was read from, with its salt.
    text: Secret,
}

/// A hash cannot be used. What it holds is in none of the messages: it might be a password in clear text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Nobody gets in by it.
    #[error("there is no password: none was set, or it is locked")]
    NoPassword,
    /// It is longer than [`MAX_TEXT`].
    #[error("it is longer than {MAX_TEXT} octets")]
    TooLong,
    /// Its layout is none that is known here.
    #[error("its layout is not known here")]
    Unknown,
    /// It is a layout without a salt, or without a hash at all.
    #[error("its layout {0} is none that a password can be trusted to")]
    Weak(&'static str),
    /// It breaks the rules of its layout.
    #[error("it is no hash of {layout}: {why}")]
    Malformed {
        /// `argon2`, `bcrypt`, …
        layout: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// It would take more time or memory than is given to one hash.
    #[error("it would cost too much: the {what} of {layout} is {value}, and {limit} is the most")]
    TooCostly {
        /// `argon2`, `bcrypt`, …
        layout: &'static str,
        /// `memory in KiB`, `cost`, `number of rounds`.
        what: &'static str,
        /// What it says.
        value: u64,
        /// What it may say.
        limit: u64,
    },
}

impl PasswordHash {
    /// Reads a hash whose layout it says itself: `$argon2id$…`, `{SSHA}…`, `pbkdf2_sha256$…`.
    ///
    /// # Errors
    /// When it cannot be used, and why.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        parse::parse(text).map(|(recipe, expected)| Self { recipe, expected, text: Secret::from(text) })
    }

    /// A hash in hexadecimal or Base64 whose salt stands beside it.
    ///
    /// # Errors
    /// When it cannot be used, and why.
    pub fn salted(layout: SaltedLayout, hash: &str, salt: &str) -> Result<Self, HashError> {
        let (recipe, expected) = parse::salted(layout, hash, salt)?;
        // Neither of them holds a space.
        Ok(Self { recipe, expected, text: Secret::from(format!("{layout:?} {hash} {salt}").as_str()) })
    }

    /// Whether this is the password that was hashed. Takes up to a second of one core, and up to
    /// [`MAX_MEMORY`]; the comparison's time does not depend on where two hashes differ.
    #[must_use]
    pub fn verify(&self, password: &Secret) -> bool {
        let made = self.recipe.make(password.expose(), self.expected.expose().len());
        made.is_some_and(|made| made == self.expected)
    }

    /// Whether a hash made now would be another kind, or cost more.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        match &self.recipe {
            Recipe::Argon2 { algorithm: Algorithm::Argon2id, version: Version::V0x13, params, .. } => {
                params.m_cost() < MEMORY || params.t_cost() < PASSES || self.expected.expose().len() < LENGTH
            }
            _ => true,
        }
    }

    /// Another one, of a password that nobody knows, which takes as long.
    fn nobodys_like(&self) -> Self {
        let nothing = Secret::new(vec![0; self.expected.expose().len()]);
        Self { recipe: self.recipe.clone(), expected: nothing.clone(), text: nothing }
    }

    fn costs_like(&self, other: &Self) -> bool {
        let length = |hash: &Self| hash.expected.expose().len();
        self.recipe.cost() == other.recipe.cost() && length(self) == length(other)
    }

    /// The kind of hash: `argon2`, `bcrypt`, `sha-crypt`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.recipe.kind()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

/// Makes the hash that is kept of a new password: argon2id in the PHC string format. `None` only if memory is
/// short.
#[must_use]
pub fn make(password: &Secret, salt: &[u8; SALT]) -> Option<Secret> {
    let params = Params::new(MEMORY, PASSES, LANES, Some(LENGTH)).ok()?;
    let recipe = Recipe::Argon2 {
        algorithm: Algorithm::Argon2id,
        version: Version::V0x13,
        params: params.clone(),
        salt: salt.to_vec(),
    };
    let digest = recipe.make(password.expose(), LENGTH)?;
    let [salt, digest] = [salt.as_slice(), digest.expose()].map(|octets| STANDARD_NO_PAD.encode(octets));
    let text = format!("$argon2id$v=19$m={MEMORY},t={PASSES},p={LANES}${salt}${digest}");
    Some(Secret::new(text.into_bytes()))
}

/// What a store holds of somebody's password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password {
    /// The hash of the password.
    pub hash: PasswordHash,
    /// The hash of a second secret, which some tables have.
    pub pin: Option<PasswordHash>,
    /// A number that another password gets and another hash of the same one does not, where the store has one.
    pub set: Option<i64>,
}

impl Password {
    /// At the cost of new ones, that of a password which nobody knows.
    #[must_use]
    pub fn nobodys() -> Self {
        let params = Params::new(MEMORY, PASSES, LANES, Some(LENGTH)).unwrap_or_default();
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        let recipe = Recipe::Argon2 { algorithm, version, params, salt: vec![0; SALT] };
        // No password that makes this will ever be found.
        let nothing = Secret::new(vec![0; LENGTH]);
        Self { hash: PasswordHash { recipe, expected: nothing.clone(), text: nothing }, pin: None, set: None }
    }

    /// That of a password which nobody knows, and which takes as long as this one.
    #[must_use]
    pub fn nobodys_like(&self) -> Self {
        let pin = self.pin.as_ref().map(PasswordHash::nobodys_like);
        Self { hash: self.hash.nobodys_like(), pin, set: None }
    }

    /// Whether comparing with the other takes as long.
    #[must_use]
    pub fn costs_like(&self, other: &Self) -> bool {
        let pins = match (&self.pin, &other.pin) {
            (Some(one), Some(other)) => one.costs_like(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        pins && self.hash.costs_like(&other.hash)
    }

    /// Hands over all that tells it from another one, part by part.
    pub fn each_part(&self, mut part: impl FnMut(&[u8])) {
        part(self.hash.text.expose());
        part(self.pin.as_ref().map_or(&[], |pin| pin.text.expose()));
        part(&self.set.unwrap_or(-1).to_le_bytes());
    }

    /// Whether this is the password, and the second secret where there is one: after it, behind the last colon.
    /// Both are hashed whatever comes of the first. For the costs see [`PasswordHash::verify`].
    #[must_use]
    pub fn verify(&self, given: &Secret) -> bool {
        let Some(pin) = &self.pin else { return self.hash.verify(given) };
        let octets = given.expose();
        let colon = octets.iter().rposition(|octet| *octet == b':');
        let (password, after) = octets.split_at(colon.unwrap_or(octets.len()));
        let [password, code] = [password, after.get(1..).unwrap_or_default()].map(|part| Secret::new(part.to_vec()));
        let (right, right_code) = (self.hash.verify(&password), pin.verify(&code));
        right && right_code && colon.is_some()
    }

    /// Whether it is still the same password, be it hashed anew.
    #[must_use]
    pub fn is_still(&self, earlier: &Self) -> bool {
        self == earlier || (self.set.is_some() && self.set == earlier.set)
    }
}

/// Argon2 with parameters that were checked.
fn argon2(algorithm: Algorithm, version: Version, params: &Params) -> Argon2<'static> {
    Argon2::new(algorithm, version, params.clone())
}

#[cfg(test)]
mod tests;
