//! Certificates and keys in files (RFC 7468). The one place that uses `rustls-pemfile`, so that it can be
//! exchanged here. Revocation lists, which can be large, are decoded by `armour`. What the decoded octets say is
//! read elsewhere.

use super::der::{self, Reader};
use rustls_pemfile::Item;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The largest file of certificates that is read, in octets.
pub const MAX_CERTIFICATES: u64 = 16 * 1024 * 1024;
/// The largest file of a key that is read, in octets.
pub const MAX_KEY: u64 = 1024 * 1024;

/// A file does not hold what it should.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than such a file is.
    #[error("{path} has more than {most} octets")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How many are read.
        most: u64,
    },
    /// There is no section of the kind that is needed.
    #[error("{path} holds no {wanted}: it holds {found}")]
    Missing {
        /// The file.
        path: PathBuf,
        /// `certificate`, `private key`.
        wanted: &'static str,
        /// What it holds instead.
        found: String,
    },
    /// A section does not end, or is not base64.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; never any of its content.
        why: String,
    },
    /// There are several keys, and nothing says which is meant.
    #[error("{path} holds {count} private keys; one is needed")]
    SeveralKeys {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
    },
}

/// All certificates of a PEM file, in its order; at least one. Other sections are passed over.
///
/// # Errors
/// When the file cannot be read, is damaged or holds no certificate.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    certificates_in(path, &read(path, MAX_CERTIFICATES)?)
}

/// As [`certificates`], from octets that were read before; `path` is for errors.
///
/// # Errors
/// When they are damaged or hold no certificate.
pub fn certificates_in(path: &Path, octets: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let certificates: Vec<_> = sections(path, octets)?
        .into_iter()
        .filter_map(|item| match item {
            Item::X509Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() { Err(missing(path, "certificate", octets)) } else { Ok(certificates) }
}

/// All certificates in the octets of a file, which is PEM or one or several certificates in DER; at least one. What
/// they say is not looked at. `path` is for errors.
///
/// # Errors
/// When they are damaged or hold no certificate.
pub fn certificates_in_any_form(path: &Path, octets: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    if !is_der(octets) {
        return certificates_in(path, octets);
    }
    let mut rest = Reader::new(octets);
    let mut certificates = Vec::new();
    while !rest.is_empty() {
        let certificate = rest.expect(der::SEQUENCE).map_err(|why| PemError::Damaged {
            path: path.to_owned(),
            why: format!("its certificate {} in DER cannot be read: {why}", certificates.len() + 1),
        })?;
        certificates.push(CertificateDer::from(certificate.whole.to_vec()));
    }
    Ok(certificates)
}

/// The one private key of a PEM file: PKCS#8, PKCS#1 or SEC 1, unencrypted.
///
/// # Errors
/// When the file cannot be read, is damaged, or holds no such key or several.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    private_key_in(path, &read(path, MAX_KEY)?)
}

/// As [`private_key`], from octets that were read before; `path` is for errors.
///
/// # Errors
/// When they are damaged, or hold no such key or several.
pub fn private_key_in(path: &Path, octets: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    let mut keys: Vec<PrivateKeyDer<'static>> = sections(path, octets)?
        .into_iter()
        .filter_map(|item| match item {
            Item::Pkcs8Key(key) => Some(key.into()),
            Item::Pkcs1Key(key) => Some(key.into()),
            Item::Sec1Key(key) => Some(key.into()),
            _ => None,
        })
        .collect();
    match (keys.pop(), keys.len()) {
        (Some(key), 0) => Ok(key),
        (Some(_), others) => Err(PemError::SeveralKeys { path: path.to_owned(), count: others + 1 }),
        (None, _) => Err(missing(path, "private key", octets)),
    }
}

/// The octets of a file of at most `most` octets, wiped when dropped, since they may be a key's.
///
/// # Errors
/// When it cannot be read or is larger.
pub fn read(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, PemError> {
    let unreadable = |source| PemError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    // Of a pipe or a device the length says nothing, so that the reading itself is bounded.
    let expected = file.metadata().map_err(unreadable)?.len().min(most);
    let mut octets = Zeroizing::new(Vec::with_capacity(usize::try_from(expected).unwrap_or(0) + 1));
    file.take(most + 1).read_to_end(&mut octets).map_err(unreadable)?;
    if u64::try_from(octets.len()).is_ok_and(|length| length <= most) {
        Ok(octets)
    } else {
        Err(PemError::TooLarge { path: path.to_owned(), most })
    }
}

fn sections(path: &Path, octets: &[u8]) -> Result<Vec<Item>, PemError> {
    let damaged = |why| PemError::Damaged { path: path.to_owned(), why };
    // A section that begins inside another one would be read as the end of that one's text.
    if let Some(label) = unclosed_section(octets) {
        return Err(damaged(format!("its section {label} does not end")));
    }
    let mut items = Vec::new();
    let mut rest = octets;
    loop {
        match rustls_pemfile::read_one_from_slice(rest) {
            Ok(Some((item, behind))) => {
                items.push(item);
                rest = behind;
            }
            Ok(None) => return Ok(items),
            Err(rustls_pemfile::Error::Base64Decode(_)) => {
                return Err(damaged(format!("its section {} is not base64", items.len() + 1)));
            }
            Err(_) => return Err(damaged("the line that begins a section is malformed".to_owned())),
        }
    }
}

/// The labels of the lines that begin (`true`) or end a section, in their order.
fn marks(octets: &[u8]) -> impl Iterator<Item = (bool, String)> {
    octets.split(|octet| matches!(octet, b'\n' | b'\r')).filter_map(|line| {
        let (begins, rest) = match (line.strip_prefix(b"-----BEGIN "), line.strip_prefix(b"-----END ")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return None,
        };
        let label = rest.split(|octet| *octet == b'-').next().unwrap_or_default();
        Some((begins, label.escape_ascii().to_string()))
    })
}

fn unclosed_section(octets: &[u8]) -> Option<String> {
    let mut open: Option<String> = None;
    for (begins, label) in marks(octets) {
        open = match (open, begins) {
            (None, true) => Some(label),
            (Some(before), true) => return Some(before),
            (Some(before), false) if before != label => return Some(before),
            (_, false) => None,
        };
    }
    open
}

fn missing(path: &Path, wanted: &'static str, octets: &[u8]) -> PemError {
    let mut labels: Vec<String> = marks(octets).filter_map(|(begins, label)| begins.then_some(label)).collect();
    labels.dedup();
    labels.truncate(4);
    let found = if octets.iter().all(u8::is_ascii_whitespace) {
        "nothing".to_owned()
    } else if is_der(octets) {
        "DER, which is to be converted to PEM first".to_owned()
    } else if labels.is_empty() {
        "no PEM section at all".to_owned()
    } else if labels.iter().any(|label| label == "ENCRYPTED PRIVATE KEY") && wanted == "private key" {
        "an encrypted one, which is to be decrypted first".to_owned()
    } else {
        labels.join(", ")
    };
    PemError::Missing { path: path.to_owned(), wanted, found }
}

/// Whether the octets begin as a SEQUENCE of more than 127 octets does; no text begins so.
fn is_der(octets: &[u8]) -> bool {
    matches!(octets, [0x30, 0x81..=0x84, ..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    const LIST: &str = "-----BEGIN X509 CRL-----\r\nMAA=\r\n-----END X509 CRL-----\r\n";

    fn key(label: &str) -> String {
        format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n")
    }

    fn path() -> &'static Path {
        Path::new("some.pem")
    }

    #[test]
    fn all_certificates_of_a_file_are_read_and_other_sections_passed_over() {
        let text = ["a comment\n", CERTIFICATE, &key("PRIVATE KEY"), &key("DH PARAMETERS"), LIST, CERTIFICATE].concat();
        assert_eq!(certificates_in(path(), text.as_bytes()).unwrap().len(), 2);
        assert_eq!(private_key_in(path(), text.as_bytes()).unwrap().secret_der(), [0x30, 0x00]);
    }

    #[test]
    fn a_file_without_what_is_needed_says_what_it_holds_instead() {
        let der = [&[0x30, 0x82, 0x01, 0x00][..], &[0; 256]].concat();
        let cases: [(Vec<u8>, &str); 6] = [
            (Vec::new(), "some.pem holds no certificate: it holds nothing"),
            (b"\n \n".to_vec(), "some.pem holds no certificate: it holds nothing"),
            (b"ssh-ed25519 AAAA".to_vec(), "some.pem holds no certificate: it holds no PEM section at all"),
            (key("PUBLIC KEY").into_bytes(), "some.pem holds no certificate: it holds PUBLIC KEY"),
            (
                [LIST, &key("EC PRIVATE KEY")].concat().into_bytes(),
                "some.pem holds no certificate: it holds X509 CRL, EC PRIVATE KEY",
            ),
            (der, "some.pem holds no certificate: it holds DER, which is to be converted to PEM first"),
        ];
        for (octets, expected) in cases {
            assert_eq!(certificates_in(path(), &octets).unwrap_err().to_string(), expected);
        }
        let encrypted = private_key_in(path(), key("ENCRYPTED PRIVATE KEY").as_bytes()).unwrap_err().to_string();
        assert_eq!(
            encrypted,
            "some.pem holds no private key: it holds an encrypted one, which is to be decrypted first"
        );
    }

    #[test]
    fn a_damaged_file_is_refused_whole() {
        let cases = [
            ("-----BEGIN CERTIFICATE-----\nMAA=\n", "some.pem is damaged: its section CERTIFICATE does not end"),
            (
                "-----BEGIN CERTIFICATE-----\nMAA=\n-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
                "some.pem is damaged: its section CERTIFICATE does not end",
            ),
            (
                "-----BEGIN CERTIFICATE-----\nMAA=\n-----END X509 CRL-----\n",
                "some.pem is damaged: its section CERTIFICATE does not end",
            ),
            (
                "-----BEGIN CERTIFICATE-----\nM*A=\n-----END CERTIFICATE-----\n",
                "some.pem is damaged: its section 1 is not base64",
            ),
            (
                "-----BEGIN CERTIFICATE\nMAA=\n-----END CERTIFICATE-----\n",
                "some.pem is damaged: the line that begins a section is malformed",
            ),
        ];
        for (text, expected) in cases {
            let text = [CERTIFICATE, text].concat().replace("section 1", "section 2");
            let expected = expected.replace("section 1", "section 2");
            assert_eq!(certificates_in(path(), text.as_bytes()).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn certificates_in_der_stand_one_behind_the_other() {
        let one = [&[0x30, 0x81, 0x80][..], &[7; 128]].concat();
        let read = |octets: &[u8]| certificates_in_any_form(path(), octets);
        assert_eq!(read(&one).unwrap(), [one.clone().into()]);
        assert_eq!(read(&one.repeat(3)).unwrap().len(), 3);
        assert_eq!(read(CERTIFICATE.as_bytes()).unwrap().len(), 1);
        let cases = [
            ([&one[..], &one[..100]].concat(), "its certificate 2 in DER cannot be read: it ends too early"),
            (
                [&one[..], b"\n"].concat(),
                "its certificate 2 in DER cannot be read: an element has the tag 0x0a where 0x30 belongs",
            ),
        ];
        for (octets, why) in cases {
            assert_eq!(read(&octets).unwrap_err().to_string(), format!("some.pem is damaged: {why}"));
        }
    }

    #[test]
    fn of_two_keys_neither_is_chosen() {
        let text = [key("PRIVATE KEY"), key("RSA PRIVATE KEY")].concat();
        let error = private_key_in(path(), text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "some.pem holds 2 private keys; one is needed");
    }

    #[test]
    fn a_file_that_is_too_large_or_none_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        std::fs::write(&file, CERTIFICATE).unwrap();
        assert_eq!(certificates(&file).unwrap().len(), 1);
        let length = u64::try_from(CERTIFICATE.len()).unwrap();
        assert!(read(&file, length).is_ok());
        assert!(matches!(read(&file, length - 1), Err(PemError::TooLarge { .. })));
        assert!(matches!(certificates(directory.path()), Err(PemError::Unreadable { .. })));
        assert!(matches!(certificates(&directory.path().join("none")), Err(PemError::Unreadable { .. })));
        assert!(matches!(read(Path::new("/dev/zero"), 1000), Err(PemError::TooLarge { .. })));
    }

    #[test]
    fn an_error_shows_nothing_of_a_key() {
        let text = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0LW9j*2V0cw==\n-----END PRIVATE KEY-----\n";
        let error = private_key_in(path(), text.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("c2VjcmV0"));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_a_panic(octets in proptest::collection::vec(any::<u8>(), 0..200), text in "(-----(BEGIN|END) [A-Z ]{0,12}-{0,6}\n|[A-Za-z0-9+/=]{0,8}\r?\n){0,12}") {
            for octets in [octets.as_slice(), text.as_bytes()] {
                let _ = (certificates_in(path(), octets), private_key_in(path(), octets));
            }
        }
    }
}
