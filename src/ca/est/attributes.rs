//! What a request should hold, for clients that ask before they make a key (RFC 7030, section 4.5.2): the kind of key, and
//! the hash that goes with it. Names are not asked for, since they are the account's whatever a request says;
//! neither is a `challengePassword`, by which a request would be tied to its TLS session (section 3.5).

use crate::config::profile::KeyType;
use der::asn1::{Any, ObjectIdentifier, SetOfVec, UintRef};
use der::{Encode, Sequence};

/// `id-ecPublicKey` (RFC 5480, section 2.1.1).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `secp256r1` (RFC 5480, section 2.1.1.1).
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// `secp384r1`.
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// `ecdsa-with-SHA256` (RFC 5758, section 3.2).
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// `ecdsa-with-SHA384`.
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
/// `rsaEncryption` (RFC 8017, appendix C).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `sha256WithRSAEncryption`.
const RSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
/// `id-Ed25519` (RFC 8410, section 3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// An attribute of a request, of which the value is to be this.
#[derive(Sequence)]
struct Attribute {
    oid: ObjectIdentifier,
    values: SetOfVec<Any>,
}

/// CsrAttrs in DER that ask for a key of this kind.
///
/// # Errors
/// When it does not encode, which no kind does.
pub fn of_key(kind: KeyType) -> der::Result<Vec<u8>> {
    let of_curve =
        |curve: ObjectIdentifier, signature| Ok([attribute(EC_PUBLIC_KEY, Any::encode_from(&curve)?)?, signature]);
    let of_size = |bits: [u8; 2]| {
        let bits = Any::encode_from(&UintRef::new(&bits)?)?;
        Ok([attribute(RSA, bits)?, Any::encode_from(&RSA_WITH_SHA256)?])
    };
    let attributes: der::Result<[Any; 2]> = match kind {
        KeyType::EcdsaP256 => of_curve(P256, Any::encode_from(&ECDSA_WITH_SHA256)?),
        KeyType::EcdsaP384 => of_curve(P384, Any::encode_from(&ECDSA_WITH_SHA384)?),
        KeyType::Rsa2048 => of_size(2048_u16.to_be_bytes()),
        KeyType::Rsa3072 => of_size(3072_u16.to_be_bytes()),
        KeyType::Rsa4096 => of_size(4096_u16.to_be_bytes()),
        // The key has no parameters and one way to sign.
        KeyType::Ed25519 => return vec![Any::encode_from(&ED25519)?].to_der(),
    };
    attributes?.to_vec().to_der()
}

fn attribute(oid: ObjectIdentifier, value: Any) -> der::Result<Any> {
    Any::encode_from(&Attribute { oid, values: SetOfVec::try_from(vec![value])? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::openssl;

    #[test]
    fn openssl_reads_what_a_request_should_hold() {
        for (kind, expected) in [
            (KeyType::EcdsaP256, ["id-ecPublicKey", "prime256v1", "ecdsa-with-SHA256"].as_slice()),
            (KeyType::EcdsaP384, &["id-ecPublicKey", "secp384r1", "ecdsa-with-SHA384"]),
            (KeyType::Rsa2048, &["rsaEncryption", ":0800", "sha256WithRSAEncryption"]),
            (KeyType::Rsa3072, &["rsaEncryption", ":0C00"]),
            (KeyType::Rsa4096, &["rsaEncryption", ":1000"]),
            (KeyType::Ed25519, &["ED25519"]),
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("attributes"), of_key(kind).unwrap()).unwrap();
            let text = openssl(folder.path(), "asn1parse -inform der -in attributes");
            assert!(expected.iter().all(|expected| text.contains(expected)), "{kind}: {text}");
        }
    }
}
