//! Packs a key with its certificates into a PKCS#12 file (RFC 7292), which browsers and mail programs
//! import, and opens one again. Two forms are written: the modern one, and one for programs that know
//! nothing newer than 3DES and SHA-1, and call the modern form a wrong password.

use crate::base::secret::Secret;
use crate::ca::password::{Origin, Password};
use aws_lc_rs::digest::{SHA256, digest};
use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, Pkcs12Archive, PrivateKey, PrivateKeyChain,
};
use rustls_pki_types::CertificateDer;

/// How a file is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encryption {
    /// The algorithms.
    pub form: Form,
    /// How often the password is hashed: what each guess of it costs.
    pub iterations: u32,
}

/// Which algorithms a file is encrypted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// AES-256 in CBC mode and HMAC with SHA-256 (PBES2, RFC 8018): OpenSSL, NSS, Java and current Windows.
    Modern,
    /// 3DES and HMAC with SHA-1 (RFC 7292, appendix C): Apple's systems and Windows before 10 1709.
    Legacy,
}

/// For a password that people choose, of a file that goes by mail: each guess shall cost something.
/// Programs that import it take some tenths of a second.
const FOR_CHOSEN: u32 = 100_000;

/// For a password that nobody can guess: the least that importers which follow NIST SP 800-132 take.
const FOR_GENERATED: u32 = 1_000;

impl Encryption {
    /// The modern form for a password that a person has chosen.
    pub const MODERN: Self = Self { form: Form::Modern, iterations: FOR_CHOSEN };

    /// The legacy form for a password that a person has chosen.
    pub const LEGACY: Self = Self { form: Form::Legacy, iterations: FOR_CHOSEN };

    /// As costly as it must be for this password.
    #[must_use]
    pub fn of(form: Form, password: &Password) -> Self {
        let iterations = match password.origin() {
            Origin::Generated => FOR_GENERATED,
            Origin::Chosen => FOR_CHOSEN,
        };
        Self { form, iterations }
    }
}

/// What goes into a file.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    /// The name that the importing program shows.
    pub friendly_name: &'a str,
    /// The private key: PKCS#8 in DER.
    pub key: &'a Secret,
    /// Its certificate, then the authorities above it.
    pub certificates: &'a [CertificateDer<'static>],
}

/// What was found in a file.
#[derive(Debug)]
pub struct Opened {
    /// The private keys: PKCS#8 in DER.
    pub keys: Vec<Secret>,
    /// The certificates, in the order of the file.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// A file cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum Pkcs12Error {
    /// The password is not UTF-8, as the format needs it.
    #[error("the password of a PKCS#12 file must be UTF-8 text")]
    Password,
    /// A friendly name or a certificate that the format cannot hold.
    #[error("cannot make a PKCS#12 file for {name:?}: {why}")]
    Make {
        /// The friendly name.
        name: String,
        /// Why, in the words of the encoder.
        why: String,
    },
    /// It is no PKCS#12 file, or the password is wrong: which of the two, the format does not tell.
    #[error("cannot open the PKCS#12 file: it is damaged or the password is wrong ({0})")]
    Open(String),
}

/// The file's octets.
///
/// # Errors
/// When there is no certificate, one does not parse, or the friendly name or the password has characters
/// that the format cannot hold.
pub fn make(contents: Contents<'_>, password: &Secret, encryption: Encryption) -> Result<Vec<u8>, Pkcs12Error> {
    let failed = |why: String| Pkcs12Error::Make { name: contents.friendly_name.to_owned(), why };
    let password = password.expose_str().ok_or(Pkcs12Error::Password)?;
    let leaf = contents.certificates.first().ok_or_else(|| failed("there is no certificate".into()))?;
    let key = PrivateKey::from_der(contents.key.expose()).map_err(|error| failed(error.to_string()))?;
    let certificates = contents
        .certificates
        .iter()
        .map(|certificate| Certificate::from_der(certificate))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(error.to_string()))?;
    // What ties the key to its certificate; any octets do that are the same at both.
    let key_id = digest(&SHA256, leaf);
    let mut store = KeyStore::new();
    let chain = PrivateKeyChain::new(key_id.as_ref(), key, certificates);
    store.add_entry(contents.friendly_name, KeyStoreEntry::PrivateKeyChain(chain));
    let (algorithm, mac) = match encryption.form {
        Form::Modern => (EncryptionAlgorithm::PbeWithHmacSha256AndAes256, MacAlgorithm::HmacSha256),
        Form::Legacy => (EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc, MacAlgorithm::HmacSha1),
    };
    store
        .writer(password)
        .encryption_algorithm(algorithm)
        .encryption_iterations(encryption.iterations)
        .mac_algorithm(mac)
        .mac_iterations(encryption.iterations)
        .write()
        .map_err(|error| failed(error.to_string()))
}

/// The file's octets, encrypted as costly as the password needs it. See [`make`].
///
/// # Errors
/// As [`make`].
pub fn pack(contents: Contents<'_>, password: &Password, form: Form) -> Result<Vec<u8>, Pkcs12Error> {
    make(contents, password.secret(), Encryption::of(form, password))
}

/// Opens a file of one's own making. It believes the file when that asks for very many iterations, so
/// that nothing from outside may be given to it.
///
/// # Errors
/// When it is damaged or the password is wrong.
pub fn open(file: &[u8], password: &Secret) -> Result<Opened, Pkcs12Error> {
    let password = password.expose_str().ok_or(Pkcs12Error::Password)?;
    let archive = Pkcs12Archive::from_pkcs12(file, password).map_err(|error| Pkcs12Error::Open(error.to_string()))?;
    Ok(Opened {
        keys: archive.keys.iter().map(|bag| Secret::new(bag.key.as_der().to_vec())).collect(),
        certificates: archive.certs.iter().map(|bag| CertificateDer::from(bag.cert.as_der().to_vec())).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::ca::issue::{Authority, Issued};
    use crate::ca::key::SoftwareKey;
    use crate::ca::profile::{AlternativeName, Profile, Subject, Validity};
    use std::time::Duration;

    fn issued() -> Issued {
        let validity = Validity::starting(Timestamp::from_unix(1_795_254_812), Duration::from_secs(86_400));
        let subject = |names| Subject { common_name: "Ålice".into(), organization: None, names };
        let key = Box::new(SoftwareKey::generate().unwrap());
        let root = Authority::root(key, &subject(vec![]), validity).unwrap();
        root.issue(&Profile::client(), &subject(vec![AlternativeName::Dns("a.example.org".into())]), validity).unwrap()
    }

    #[test]
    fn a_file_opens_with_its_password_alone() {
        let issued = issued();
        let certificates = [issued.certificate.clone()];
        let contents = Contents { friendly_name: "Ålice", key: &issued.key, certificates: &certificates };
        for encryption in [Encryption::MODERN, Encryption::LEGACY] {
            let file = make(contents, &Secret::from("wicketgåte"), encryption).unwrap();
            let opened = open(&file, &Secret::from("wicketgåte")).unwrap();
            assert_eq!(opened.certificates, certificates);
            assert_eq!(opened.keys.as_slice(), std::slice::from_ref(&issued.key));
            assert!(open(&file, &Secret::from("wicketgate")).is_err());
        }
    }

    #[test]
    fn a_key_without_a_certificate_is_not_packed() {
        let issued = issued();
        let contents = Contents { friendly_name: "nobody", key: &issued.key, certificates: &[] };
        assert!(make(contents, &Secret::from("wicketgate"), Encryption::MODERN).is_err());
        assert!(make(contents, &Secret::new(vec![0xff]), Encryption::MODERN).is_err());
    }
}
