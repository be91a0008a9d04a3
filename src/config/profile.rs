//! The kinds of certificates that the authority issues: what an administrator may say of one, and those that are built
//! in. What comes of it for one person and one key is `ca::profile`'s business.

use super::name_template::NameTemplate;
use der::asn1::ObjectIdentifier;
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

/// What becomes of the older certificates of an account when it gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OneValidPer {
    /// Nothing: an account may have several.
    #[default]
    None,
    /// Those of the same profile are revoked as superseded.
    Profile,
    /// All are revoked as superseded.
    Account,
}

/// A kind of certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// How long its certificates are valid, from when they are issued.
    pub validity: Duration,
    /// How far notBefore is set back, for clocks that are slow.
    pub backdate: Duration,
    /// The kind of key that is made here.
    pub key: KeyType,
    /// The kinds of keys that are certified.
    pub keys: Vec<KeyType>,
    /// The subject's attributes, from the general to the specific as they stand in the certificate.
    pub subject: Vec<(SubjectAttribute, NameTemplate)>,
    /// The keyUsage bits; those that a key cannot serve are left out.
    pub key_usage: Vec<KeyUse>,
    /// The extended key usages.
    pub extended_key_usage: Vec<ObjectIdentifier>,
    /// Whether the account's e-mail address is an alternative name.
    pub email: EmailName,
    /// Further alternative names.
    pub names: Vec<(NameKind, NameTemplate)>,
    /// Which hosts a request may name: `mail.example.org`, or `*.example.org` for all hosts below it.
    pub hosts: Vec<String>,
    /// The certificate policies.
    pub policies: Vec<ObjectIdentifier>,
    /// Where revocation lists are (cRLDistributionPoints); `None` is where the authority publishes its own, if it says
    /// where that is.
    pub crl: Option<Vec<String>>,
    /// Where OCSP answers are (authorityInfoAccess); likewise.
    pub ocsp: Option<Vec<String>>,
    /// Where the issuer's certificate is (authorityInfoAccess); likewise.
    pub issuer: Option<Vec<String>>,
    /// Whether it makes an authority.
    pub is_authority: bool,
}

/// The name of the profile that the authority's own intermediates are made by.
pub const INTERMEDIATE: &str = "intermediate";

/// Under which name the history speaks of roots. No profile has it: what is issued by one of this name would be passed
/// over where register and history are compared.
pub const ROOT: &str = "root";

/// Under which name the certificates of OCSP signers are on record. No profile has it: they are made by the authority
/// for itself.
pub const OCSP_SIGNERS: &str = "ocsp";

/// The names of the profiles that are there without a configuration.
pub const BUILT_IN: [&str; 5] = ["client", "client-short", "server", "smime", INTERMEDIATE];

const DAY: u64 = 24 * 3600;
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const EMAIL_PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4");

/// What people call the extended key usages.
const USAGES: [(&str, ObjectIdentifier); 6] = [
    ("server_auth", SERVER_AUTH),
    ("client_auth", CLIENT_AUTH),
    ("code_signing", ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3")),
    ("email_protection", EMAIL_PROTECTION),
    ("time_stamping", ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8")),
    ("smartcard_logon", ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.2")),
];

impl Profile {
    /// The profile that is built in under a name.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        let client = || Self::client(name);
        Some(match name {
            "client" => client(),
            "client-short" => Self { validity: Duration::from_secs(8 * 3600), ..client() },
            "server" => Self {
                validity: Duration::from_secs(90 * DAY),
                subject: vec![(SubjectAttribute::CommonName, NameTemplate::host())],
                key_usage: vec![KeyUse::DigitalSignature, KeyUse::KeyEncipherment],
                extended_key_usage: vec![SERVER_AUTH],
                email: EmailName::None,
                ..client()
            },
            // Who encrypts to an elliptic-curve key agrees on a key with it, to an RSA key sends one.
            "smime" => Self {
                subject: vec![(SubjectAttribute::CommonName, NameTemplate::email())],
                key_usage: vec![KeyUse::DigitalSignature, KeyUse::KeyEncipherment, KeyUse::KeyAgreement],
                extended_key_usage: vec![EMAIL_PROTECTION],
                email: EmailName::Required,
                ..client()
            },
            INTERMEDIATE => Self::intermediate(),
            _ => return None,
        })
    }

    /// An authority below another: what is built in as `intermediate`.
    #[must_use]
    pub fn intermediate() -> Self {
        Self {
            validity: Duration::from_secs(5 * 365 * DAY),
            key_usage: vec![KeyUse::KeyCertSign, KeyUse::CrlSign],
            extended_key_usage: Vec::new(),
            email: EmailName::None,
            is_authority: true,
            ..Self::client(INTERMEDIATE)
        }
    }

    /// Somebody who logs in. The common name is the user name: a gate that reads accounts from common names must not
    /// find there what people may change themselves.
    fn client(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            validity: Duration::from_secs(365 * DAY),
            backdate: Duration::from_secs(300),
            key: KeyType::EcdsaP256,
            keys: vec![KeyType::EcdsaP256, KeyType::EcdsaP384, KeyType::Rsa2048, KeyType::Ed25519],
            subject: vec![(SubjectAttribute::CommonName, NameTemplate::username())],
            key_usage: vec![KeyUse::DigitalSignature],
            extended_key_usage: vec![CLIENT_AUTH],
            email: EmailName::Copy,
            names: Vec::new(),
            hosts: Vec::new(),
            policies: Vec::new(),
            crl: None,
            ocsp: None,
            issuer: None,
            is_authority: false,
        }
    }
}

/// Kinds of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyType {
    /// ECDSA over P-256.
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    /// ECDSA over P-384.
    #[serde(rename = "ecdsa-p384")]
    EcdsaP384,
    /// RSA of 2048 bits; among those that are certified, of 2048 bits or more.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA of 3072 bits; among those that are certified, of 3072 bits or more.
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    /// RSA of 4096 bits; among those that are certified, of 4096 bits or more.
    #[serde(rename = "rsa-4096")]
    Rsa4096,
    /// Ed25519, which browsers do not know.
    #[serde(rename = "ed25519")]
    Ed25519,
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::Ed25519 => "ed25519",
        })
    }
}

/// The bits of keyUsage (RFC 5280, section 4.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyUse {
    /// It signs what is not a certificate or a list: handshakes, mail.
    DigitalSignature,
    /// It signs what its owner is held to (nonRepudiation).
    ContentCommitment,
    /// Keys are encrypted to it. RSA alone can.
    KeyEncipherment,
    /// Keys are agreed upon with it. ECDSA keys alone can.
    KeyAgreement,
    /// It signs certificates: an authority's alone.
    KeyCertSign,
    /// It signs revocation lists: an authority's alone.
    CrlSign,
}

/// Whether the account's e-mail address is an alternative name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmailName {
    /// It is not.
    #[default]
    None,
    /// It is, if there is one.
    Copy,
    /// It is, and an account without one gets no certificate.
    Required,
}

/// The attributes of a subject that can be set, in the order in which they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SubjectAttribute {
    /// countryName: two letters.
    Country,
    /// stateOrProvinceName.
    State,
    /// localityName.
    Locality,
    /// organizationName.
    Organization,
    /// organizationalUnitName.
    OrganizationalUnit,
    /// commonName.
    CommonName,
    /// emailAddress (PKCS#9); it stands there for old programs, which look nowhere else.
    Email,
}

/// Kinds of alternative names that a profile can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// dNSName.
    Dns,
    /// uniformResourceIdentifier.
    Uri,
    /// The user principal name of Windows (otherName).
    Upn,
}

/// The extended key usage of this name, or of this object identifier.
///
/// # Errors
/// When the text is neither.
pub fn extended_key_usage(text: &str) -> Result<ObjectIdentifier, String> {
    match USAGES.iter().find(|(name, _)| *name == text) {
        Some((_, usage)) => Ok(*usage),
        None => ObjectIdentifier::new(text).map_err(|_| {
            let names: Vec<&str> = USAGES.iter().map(|(name, _)| *name).collect();
            format!("this is no extended key usage: write an object identifier or one of {}", names.join(", "))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_that_is_built_in_exists_by_its_name() {
        for name in BUILT_IN {
            let profile = Profile::built_in(name).unwrap();
            assert_eq!(profile.name, name);
            assert!(profile.keys.contains(&profile.key), "{name}");
            assert_eq!(profile.is_authority, profile.key_usage.contains(&KeyUse::KeyCertSign), "{name}");
        }
        assert_eq!(Profile::built_in("root"), None);
    }

    #[test]
    fn a_usage_has_a_name_or_a_number() {
        assert_eq!(extended_key_usage("client_auth"), Ok(CLIENT_AUTH));
        assert_eq!(extended_key_usage("1.3.6.1.5.5.7.3.2"), Ok(CLIENT_AUTH));
        for wrong in ["clientAuth", "1", "", "1.3.", "9.9"] {
            assert!(extended_key_usage(wrong).is_err(), "{wrong}");
        }
    }
}
