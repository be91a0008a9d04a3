//! Private keys as they lie in files: PKCS#8, encrypted by PBES2 (RFC 8018, section 6.2) with a key that scrypt
//! (RFC 7914) derives from a passphrase. Files that others made may use PBKDF2 instead. What a file asks for is
//! bounded before anything is derived: whoever can exchange it shall not be able to fill the memory.

use crate::base::secret::Secret;
use aws_lc_rs::rand::fill;
use der::pem::{LineEnding, decode_vec, encode_string};
use der::{Decode, Encode};
use pkcs8::pkcs5::pbes2::{Kdf, Parameters};
use pkcs8::pkcs5::{self, EncryptionScheme};
use pkcs8::{EncryptedPrivateKeyInfo, EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use zeroize::Zeroizing;

/// The fewest characters of a passphrase that a key is sealed with: who has the file can guess at leisure.
pub const SHORTEST_PASSPHRASE: usize = 12;

/// scrypt's N (as its logarithm), r and p. 16 MiB is as much as OpenSSL takes without being asked to; the missing
/// cost is made up by p, as OWASP's table of equal costs has it.
const SCRYPT: (u8, u32, u32) = (14, 8, 5);
const SALT_OCTETS: usize = 16;
const IV_OCTETS: usize = 16;

/// The most memory that scrypt may ask for, in octets.
const MOST_MEMORY: u64 = 256 * 1024 * 1024;
/// The most work, as N·r·p: 32 times that of a key sealed here.
const MOST_WORK: u64 = 32 * ((1 << 14) * 8 * 5);
/// The most iterations of PBKDF2: some seconds.
const MOST_ITERATIONS: u32 = 10_000_000;

const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

/// A key cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A passphrase that would be guessed.
    #[error("the passphrase has fewer than {SHORTEST_PASSPHRASE} characters")]
    ShortPassphrase,
    /// The passphrase is not the one that the key was sealed with. Whether the file is damaged instead, the format
    /// does not tell.
    #[error("the passphrase is wrong, or the key is damaged")]
    WrongPassphrase,
    /// It is no encrypted PKCS#8 in PEM.
    #[error("this is no encrypted private key: {0}")]
    Malformed(&'static str),
    /// It is encrypted in a way that is not read here.
    #[error("the private key is encrypted in a way that is not supported: {0}")]
    Unsupported(&'static str),
    /// Opening it would take more than any honest file asks for.
    #[error("opening the private key asks for too much: {0}")]
    TooCostly(&'static str),
    /// The cryptography failed; it says no more.
    #[error("{0} failed")]
    Failed(&'static str),
}

/// Encrypts a key (PKCS#8 in DER), as PEM.
///
/// # Errors
/// When the passphrase is short, the key is no PKCS#8, or the cryptography fails.
pub fn seal(pkcs8: &Secret, passphrase: &Secret) -> Result<String, SealError> {
    let characters = passphrase.expose_str().map_or(passphrase.expose().len(), |text| text.chars().count());
    if characters < SHORTEST_PASSPHRASE {
        return Err(SealError::ShortPassphrase);
    }
    let (log_n, r, p) = SCRYPT;
    let (mut salt, mut iv) = ([0; SALT_OCTETS], [0; IV_OCTETS]);
    fill(&mut salt).and_then(|()| fill(&mut iv)).map_err(|_| SealError::Failed("drawing random octets"))?;
    let cost = scrypt::Params::new(log_n, r, p).map_err(|_| SealError::Failed("setting the cost of scrypt"))?;
    let failed = |_: pkcs5::Error| SealError::Failed("encrypting the private key");
    let parameters = Parameters::generate_scrypt_aes256cbc(cost, &salt, iv).map_err(failed)?;
    let encrypted = parameters.encrypt(passphrase.expose(), pkcs8.expose()).map_err(failed)?;
    let encrypted = der::asn1::OctetStringRef::new(&encrypted)
        .map_err(|_| SealError::Malformed("it is too large"))
        .map(|encrypted_data| EncryptedPrivateKeyInfo { encryption_algorithm: parameters.into(), encrypted_data })?;
    let der = encrypted.to_der().map_err(|_| SealError::Failed("encoding the encrypted key"))?;
    encode_string(ENCRYPTED, LineEnding::LF, &der).map_err(|_| SealError::Failed("encoding the encrypted key"))
}

/// Decrypts a key that [`seal`] or another program encrypted: PKCS#8 in DER.
///
/// # Errors
/// When the file is none, asks for too much, or the passphrase is wrong.
pub fn open(pem: &[u8], passphrase: &Secret) -> Result<Secret, SealError> {
    let (label, der) = decode_vec(pem).map_err(|_| SealError::Malformed("it is not PEM"))?;
    if label != ENCRYPTED {
        return Err(SealError::Malformed("its label is not ENCRYPTED PRIVATE KEY"));
    }
    open_der(&der, passphrase)
}

/// As [`open`], from the EncryptedPrivateKeyInfo in DER.
///
/// # Errors
/// As [`open`].
pub fn open_der(der: &[u8], passphrase: &Secret) -> Result<Secret, SealError> {
    let info = EncryptedPrivateKeyInfoRef::from_der(der)
        .map_err(|_| SealError::Malformed("it is not PKCS#8 encrypted by an algorithm that is known here"))?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(SealError::Unsupported("PBES1; `openssl pkcs8 -topk8 -scrypt` encrypts it anew"));
    };
    bounded(&parameters.kdf)?;
    let opened = parameters.decrypt(passphrase.expose(), info.encrypted_data.as_bytes());
    let opened = Zeroizing::new(opened.map_err(|error| match error {
        pkcs5::Error::UnsupportedAlgorithm { .. } | pkcs5::Error::NoPbes1CryptSupport => {
            SealError::Unsupported("its algorithms; `openssl pkcs8 -topk8 -scrypt` encrypts it anew")
        }
        _ => SealError::WrongPassphrase,
    })?);
    // One wrong passphrase of 256 leaves a padding that could be right.
    PrivateKeyInfoRef::from_der(&opened).map_err(|_| SealError::WrongPassphrase)?;
    Ok(Secret::new(opened.to_vec()))
}

fn bounded(kdf: &Kdf) -> Result<(), SealError> {
    match kdf {
        Kdf::Scrypt(cost) => {
            let blocks = cost.cost_parameter.saturating_mul(u64::from(cost.block_size));
            if blocks.saturating_mul(128) > MOST_MEMORY {
                return Err(SealError::TooCostly("scrypt with more than 256 MiB"));
            }
            if blocks.saturating_mul(u64::from(cost.parallelization)) > MOST_WORK {
                return Err(SealError::TooCostly("scrypt with more than 32 times the usual work"));
            }
            Ok(())
        }
        Kdf::Pbkdf2(cost) if cost.iteration_count > MOST_ITERATIONS => {
            Err(SealError::TooCostly("PBKDF2 with more than ten million iterations"))
        }
        Kdf::Pbkdf2(_) => Ok(()),
        _ => Err(SealError::Unsupported("it is neither scrypt nor PBKDF2")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::key::SoftwareKey;

    fn passphrase() -> Secret {
        Secret::from("correct horse battery")
    }

    fn key() -> Secret {
        SoftwareKey::generate().unwrap().to_pkcs8().unwrap()
    }

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_alone() {
        let key = key();
        let sealed = seal(&key, &passphrase()).unwrap();
        assert_eq!(open(sealed.as_bytes(), &passphrase()), Ok(key));
        for wrong in ["correct horse batterx", "", "correct horse battery "] {
            assert_eq!(open(sealed.as_bytes(), &Secret::from(wrong)), Err(SealError::WrongPassphrase), "{wrong:?}");
        }
    }

    #[test]
    fn a_short_passphrase_seals_nothing() {
        assert_eq!(seal(&key(), &Secret::from("elevenchars")), Err(SealError::ShortPassphrase));
        // Twelve octets and six characters.
        assert_eq!(seal(&key(), &Secret::from("éééééé")), Err(SealError::ShortPassphrase));
    }

    #[test]
    fn a_damaged_key_does_not_open() {
        let sealed = seal(&key(), &passphrase()).unwrap();
        let (_, der) = decode_vec(sealed.as_bytes()).unwrap();
        for at in (0..der.len()).step_by(13) {
            let mut damaged = der.clone();
            damaged[at] ^= 0x41;
            // The octets of a private key itself are not protected by the format.
            if let Ok(opened) = open_der(&damaged, &passphrase()) {
                assert!(PrivateKeyInfoRef::from_der(opened.expose()).is_ok(), "{at}");
            }
        }
        for short in [0, 1, 10, der.len() - 1] {
            assert!(open_der(&der[..short], &passphrase()).is_err(), "{short}");
        }
    }

    /// A sealed key whose parameters are these.
    fn asking(parameters: Parameters) -> Vec<u8> {
        let encrypted_data = der::asn1::OctetStringRef::new(&[0; 32]).unwrap();
        EncryptedPrivateKeyInfo { encryption_algorithm: parameters.into(), encrypted_data }.to_der().unwrap()
    }

    #[test]
    fn a_key_that_asks_for_a_fortune_is_refused_before_it_is_opened() {
        let scrypt = |log_n, r, p| {
            let cost = scrypt::Params::new(log_n, r, p).unwrap();
            Parameters::generate_scrypt_aes256cbc(cost, &[0; 16], [0; 16]).unwrap()
        };
        let pbkdf2 = Parameters::generate_pbkdf2_sha256_aes256cbc(10_000_001, &[0; 16], [0; 16]).unwrap();
        for parameters in [scrypt(30, 8, 1), scrypt(18, 16, 1), scrypt(14, 8, 161), pbkdf2] {
            let opened = open_der(&asking(parameters.clone()), &passphrase());
            assert!(matches!(opened, Err(SealError::TooCostly(_))), "{parameters:?}: {opened:?}");
        }
    }
}
