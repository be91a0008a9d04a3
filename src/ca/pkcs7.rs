//! Puts certificates into a CMS SignedData that signs nothing (RFC 5652, section 5), the "certs-only" message
//! of RFC 8551, section 3.2.2. EST answers with it (RFC 7030, section 4.1.3), `.p7c` files hold it
//! (`application/pkcs7-mime; smime-type=certs-only`), and what Windows and Java call `.p7b` is the same.

use der::asn1::{AnyRef, ObjectIdentifier, SetOfVec};
use der::{Decode, Encode, Sequence, Tag, Tagged};
use rustls_pki_types::CertificateDer;

/// `id-signedData` (RFC 5652, section 5.1).
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");

/// `id-data` (RFC 5652, section 4): the content that is absent.
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");

/// The version of a SignedData that holds X.509 certificates and revocation lists of `id-data` alone
/// (RFC 5652, section 5.1).
const VERSION: u8 = 1;

/// The certificates do not make a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Pkcs7Error {
    /// There is none to put into it.
    #[error("there is no certificate to put into a certs-only message")]
    Nothing,
    /// What was given is no certificate, or does not encode.
    #[error("the certificates do not encode as a certs-only message: {0}")]
    Encoding(String),
}

impl From<der::Error> for Pkcs7Error {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}

#[derive(Sequence)]
struct ContentInfo<'a> {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", constructed = "true")]
    content: SignedData<'a>,
}

#[derive(Sequence)]
struct SignedData<'a> {
    version: u8,
    digest_algorithms: SetOfVec<AnyRef<'a>>,
    encapsulated: Encapsulated,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", constructed = "true")]
    certificates: SetOfVec<AnyRef<'a>>,
    signers: SetOfVec<AnyRef<'a>>,
}

#[derive(Sequence)]
struct Encapsulated {
    content_type: ObjectIdentifier,
}

/// A message, in DER, that holds these certificates as they are and nothing else. It is a set: it has each
/// certificate once and is the same in whatever order they are given (X.690, section 11.6), so a reader has to
/// find by their names which of them issued which.
///
/// # Errors
/// When there is no certificate, or one is not a SEQUENCE in DER.
pub fn certs_only<'a>(
    certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> Result<Vec<u8>, Pkcs7Error> {
    let mut set = SetOfVec::new();
    let mut distinct: Vec<&CertificateDer<'static>> = certificates.into_iter().collect();
    distinct.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
    distinct.dedup();
    if distinct.is_empty() {
        return Err(Pkcs7Error::Nothing);
    }
    for certificate in distinct {
        let certificate = AnyRef::from_der(certificate)?;
        certificate.tag().assert_eq(Tag::Sequence)?;
        set.insert(certificate)?;
    }
    let content = SignedData {
        version: VERSION,
        digest_algorithms: SetOfVec::new(),
        encapsulated: Encapsulated { content_type: DATA },
        certificates: set,
        signers: SetOfVec::new(),
    };
    Ok(ContentInfo { content_type: SIGNED_DATA, content }.to_der()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::ca::issue::Authority;
    use crate::ca::key::SoftwareKey;
    use crate::ca::profile::{Subject, Validity};
    use crate::certificate::testing::openssl;
    use std::time::Duration;

    fn authority(name: &str) -> CertificateDer<'static> {
        let validity = Validity::starting(Timestamp::from_unix(1_795_254_812), Duration::from_secs(86_400));
        let subject = Subject { common_name: name.into(), organization: None, names: Vec::new() };
        let key = Box::new(SoftwareKey::generate().unwrap());
        Authority::root(key, &subject, validity).unwrap().certificate().clone()
    }

    #[test]
    fn openssl_reads_the_certificates_that_were_put_in_and_finds_no_signer() {
        let certificates = [authority("One"), authority("Two"), authority("Three")];
        let message = certs_only(&certificates).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("chain.p7c"), &message).unwrap();
        let names = openssl(folder.path(), "pkcs7 -inform der -in chain.p7c -print_certs -noout");
        for name in ["One", "Two", "Three"] {
            assert!(names.contains(&format!("subject=CN = {name}")), "{names}");
        }
        let structure = openssl(folder.path(), "cms -inform der -in chain.p7c -cmsout -print -noout");
        for expected in [
            "pkcs7-signedData",
            "version: 1",
            "eContentType: pkcs7-data",
            "eContent: <ABSENT>",
            "crls:\n      <ABSENT>",
        ] {
            assert!(structure.contains(expected), "{expected} is missing in {structure}");
        }
        // OpenSSL writes back what it has read; that it is the same octets means that it read all of them.
        openssl(folder.path(), "cms -inform der -in chain.p7c -cmsout -outform der -out again.p7c");
        assert_eq!(std::fs::read(folder.path().join("again.p7c")).unwrap(), message);
    }

    #[test]
    fn the_order_and_number_of_mentions_do_not_matter() {
        let (one, two) = (authority("One"), authority("Two"));
        let message = certs_only([&one, &two]).unwrap();
        assert_eq!(certs_only([&two, &one, &two]).unwrap(), message);
        assert_ne!(certs_only([&one]).unwrap(), message);
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert_eq!(certs_only([]), Err(Pkcs7Error::Nothing));
        let whole = authority("One");
        let cut = CertificateDer::from(whole.split_last().unwrap().1.to_vec());
        for octets in [Vec::new(), b"certificate".to_vec(), vec![4, 1, 0], vec![0x30, 0x80, 0, 0], cut.to_vec()] {
            let octets = CertificateDer::from(octets);
            assert!(matches!(certs_only([&octets]), Err(Pkcs7Error::Encoding(_))), "{octets:?}");
        }
    }
}
