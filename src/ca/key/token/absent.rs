//! In the place of PKCS#11 where the program was built without it.

use crate::base::secret::Secret;
use crate::ca::key::{KeyAlgorithm, KeyError, SigningKey};
use crate::config::Pkcs11;

const WHY: &str = "this program was built without PKCS#11; build it with `--features pkcs11`";

pub(super) fn make(
    _settings: &Pkcs11,
    _pin: &Secret,
    _label: &str,
    _algorithm: KeyAlgorithm,
) -> Result<Box<dyn SigningKey>, KeyError> {
    Err(KeyError::Token(WHY.to_owned()))
}

pub(super) fn open(_settings: &Pkcs11, _pin: &Secret, _label: &str) -> Result<Box<dyn SigningKey>, KeyError> {
    Err(KeyError::Token(WHY.to_owned()))
}
