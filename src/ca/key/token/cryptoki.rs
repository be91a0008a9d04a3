//! Speaks to the module of a token. A module is loaded and initialised once in a process and never let go: what it
//! keeps belongs to the process. A session that broke (the token was away, a network HSM was restarted) is opened
//! again, once for each signature.

use crate::base::secret::Secret;
use crate::ca::key::{KeyAlgorithm, KeyError, SigningKey};
use crate::config::Pkcs11 as Settings;
use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, digest};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use der::asn1::{Any, BitString, ObjectIdentifier, OctetString, UintRef};
use der::{Decode, Encode, Sequence, Tag};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use x509_cert::AlgorithmIdentifier;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");

/// 65537, big-endian.
const EXPONENT: [u8; 3] = [1, 0, 1];

/// The modules of this process.
static MODULES: LazyLock<Mutex<HashMap<PathBuf, Pkcs11>>> = LazyLock::new(Mutex::default);

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    P256,
    P384,
    /// With as many octets of modulus.
    Rsa(usize),
}

/// An ECDSA-Sig-Value (RFC 3279, section 2.2.3).
#[derive(Sequence)]
struct EcdsaSignature<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// An RSAPublicKey (RFC 8017, appendix A.1.1).
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

struct TokenKey {
    settings: Settings,
    pin: Secret,
    label: String,
    kind: Kind,
    public: Vec<u8>,
    open: Mutex<Option<(Session, ObjectHandle)>>,
}

pub(super) fn make(
    settings: &Settings,
    pin: &Secret,
    label: &str,
    algorithm: KeyAlgorithm,
) -> Result<Box<dyn SigningKey>, KeyError> {
    let session = session(settings, pin)?;
    if find(&session, ObjectClass::PRIVATE_KEY, label)?.is_none() {
        generate(&session, label, algorithm)?;
    }
    let key = key(settings, pin, label, session)?;
    let fits = match (algorithm, key.kind) {
        (KeyAlgorithm::EcdsaP256, Kind::P256) | (KeyAlgorithm::EcdsaP384, Kind::P384) => true,
        (KeyAlgorithm::Rsa2048, Kind::Rsa(octets)) => octets == 256,
        (KeyAlgorithm::Rsa3072, Kind::Rsa(octets)) => octets == 384,
        (KeyAlgorithm::Rsa4096, Kind::Rsa(octets)) => octets == 512,
        _ => false,
    };
    if !fits {
        return Err(KeyError::Token(format!("the token has a key {label:?} that is not of the kind {algorithm}")));
    }
    Ok(Box::new(key))
}

pub(super) fn open(settings: &Settings, pin: &Secret, label: &str) -> Result<Box<dyn SigningKey>, KeyError> {
    let session = session(settings, pin)?;
    Ok(Box::new(key(settings, pin, label, session)?))
}

/// What a module's error means. None of them holds the PIN.
fn token(what: &'static str) -> impl Fn(Error) -> KeyError {
    move |error| {
        KeyError::Token(match error {
            Error::Pkcs11(RvError::PinIncorrect, _) => {
                "the PIN is wrong; a token locks itself after a few wrong ones".to_owned()
            }
            Error::Pkcs11(RvError::PinLocked, _) => "the PIN is locked after too many wrong ones".to_owned(),
            error => format!("{what} failed: {error}"),
        })
    }
}

fn module(path: &Path) -> Result<Pkcs11, KeyError> {
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = modules.get(path) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(path).map_err(token("loading the module"))?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(token("initialising the module")(error)),
    }
    modules.insert(path.to_owned(), module.clone());
    Ok(module)
}

/// A session in which the PIN has been given.
fn session(settings: &Settings, pin: &Secret) -> Result<Session, KeyError> {
    let module = module(&settings.module)?;
    let mut found = Vec::new();
    for slot in module.get_slots_with_token().map_err(token("listing tokens"))? {
        let info = module.get_token_info(slot).map_err(token("asking a token for its name"))?;
        if info.label().trim_end() == settings.token {
            found.push(slot);
        }
    }
    let [slot] = found.as_slice() else {
        let count = found.len();
        return Err(KeyError::Token(format!(
            "the module has {count} tokens named {:?}; one is needed",
            settings.token
        )));
    };
    let session = module.open_rw_session(*slot).map_err(token("opening a session"))?;
    let pin = pin.expose_str().ok_or_else(|| KeyError::Token("the PIN is not UTF-8".to_owned()))?;
    match session.login(UserType::User, Some(&AuthPin::new(pin.into()))) {
        // Another session of this process has.
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(error) => Err(token("giving the PIN")(error)),
    }
}

/// The one object of a class with this label.
fn find(session: &Session, class: ObjectClass, label: &str) -> Result<Option<ObjectHandle>, KeyError> {
    let template = [Attribute::Class(class), Attribute::Label(label.as_bytes().to_vec())];
    let found = session.find_objects(&template).map_err(token("looking for a key"))?;
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        several => Err(KeyError::Token(format!("the token has {} keys {label:?}; one is needed", several.len()))),
    }
}

fn generate(session: &Session, label: &str, algorithm: KeyAlgorithm) -> Result<(), KeyError> {
    let curve = |curve: ObjectIdentifier| {
        let parameters = curve.to_der().map_err(|_| KeyError::Failed("encoding the name of a curve"))?;
        Ok((Mechanism::EccKeyPairGen, vec![Attribute::EcParams(parameters)]))
    };
    let modulus = |bits: u64| {
        let bits = Attribute::ModulusBits(cryptoki::types::Ulong::from(bits));
        Ok((Mechanism::RsaPkcsKeyPairGen, vec![bits, Attribute::PublicExponent(EXPONENT.to_vec())]))
    };
    let (mechanism, mut public): (Mechanism<'_>, Vec<Attribute>) = match algorithm {
        KeyAlgorithm::EcdsaP256 => curve(P256),
        KeyAlgorithm::EcdsaP384 => curve(P384),
        KeyAlgorithm::Rsa2048 => modulus(2048),
        KeyAlgorithm::Rsa3072 => modulus(3072),
        KeyAlgorithm::Rsa4096 => modulus(4096),
        KeyAlgorithm::Ed25519 => Err(KeyError::Token("keys of the kind ed25519 are not made in tokens".to_owned())),
    }?;
    let named = [Attribute::Token(true), Attribute::Label(label.as_bytes().to_vec()), Attribute::Id(label.into())];
    public.extend(named.clone());
    public.extend([Attribute::Private(false), Attribute::Verify(true)]);
    let mut private = named.to_vec();
    private.extend([
        Attribute::Private(true),
        Attribute::Sign(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
    ]);
    session.generate_key_pair(&mechanism, &public, &private).map_err(token("making a key"))?;
    Ok(())
}

/// The key by this label, with what its public half says.
fn key(settings: &Settings, pin: &Secret, label: &str, session: Session) -> Result<TokenKey, KeyError> {
    let missing = || KeyError::Token(format!("the token has no key {label:?}, or not both halves of it"));
    let private = find(&session, ObjectClass::PRIVATE_KEY, label)?.ok_or_else(missing)?;
    let public = find(&session, ObjectClass::PUBLIC_KEY, label)?.ok_or_else(missing)?;
    let wanted = [
        AttributeType::KeyType,
        AttributeType::EcParams,
        AttributeType::EcPoint,
        AttributeType::Modulus,
        AttributeType::PublicExponent,
    ];
    let attributes = session.get_attributes(public, &wanted).map_err(token("reading a public key"))?;
    let (kind, public) = public_key(&attributes)?;
    Ok(TokenKey {
        settings: settings.clone(),
        pin: pin.clone(),
        label: label.to_owned(),
        kind,
        public,
        open: Mutex::new(Some((session, private))),
    })
}

/// A SubjectPublicKeyInfo from what a token says of a key.
fn public_key(attributes: &[Attribute]) -> Result<(Kind, Vec<u8>), KeyError> {
    let (mut is_rsa, mut curve, mut point, mut modulus, mut exponent) = (None, None, None, None, None);
    for attribute in attributes {
        match attribute {
            Attribute::KeyType(kind) => is_rsa = Some(*kind == KeyType::RSA),
            Attribute::EcParams(octets) => curve = Some(octets),
            Attribute::EcPoint(octets) => point = Some(octets),
            Attribute::Modulus(octets) => modulus = Some(octets),
            Attribute::PublicExponent(octets) => exponent = Some(octets),
            _ => {}
        }
    }
    let strange =
        || KeyError::Token("the token's key is neither RSA of 2048 to 4096 bits nor on P-256 or P-384".into());
    let encoding = |_: der::Error| KeyError::Failed("encoding a public key");
    let (kind, oid, parameters, key) = match (is_rsa, modulus, exponent, curve, point) {
        (Some(true), Some(modulus), Some(exponent), ..) => {
            let significant: Vec<u8> = modulus.iter().copied().skip_while(|octet| *octet == 0).collect();
            if !(256..=512).contains(&significant.len()) {
                return Err(strange());
            }
            let key = RsaPublicKey {
                modulus: UintRef::new(&significant).map_err(encoding)?,
                exponent: UintRef::new(exponent).map_err(encoding)?,
            };
            let key = key.to_der().map_err(encoding)?;
            (Kind::Rsa(significant.len()), RSA_ENCRYPTION, Any::new(Tag::Null, []).map_err(encoding)?, key)
        }
        (_, _, _, Some(curve), Some(point)) => {
            let named = ObjectIdentifier::from_der(curve).map_err(|_| strange())?;
            let kind = match named {
                P256 => Kind::P256,
                P384 => Kind::P384,
                _ => return Err(strange()),
            };
            // Some modules give the point itself, though the standard puts it into an OCTET STRING.
            let point = OctetString::from_der(point).map_or_else(|_| point.clone(), |inner| inner.as_bytes().to_vec());
            (kind, EC_PUBLIC_KEY, Any::encode_from(&named).map_err(encoding)?, point)
        }
        _ => return Err(strange()),
    };
    let spki = SubjectPublicKeyInfoOwned {
        algorithm: AlgorithmIdentifier { oid, parameters: Some(parameters) },
        subject_public_key: BitString::from_bytes(&key).map_err(encoding)?,
    };
    Ok((kind, spki.to_der().map_err(encoding)?))
}

impl TokenKey {
    fn raw(&self, mechanism: &Mechanism<'_>, octets: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((session, key)) = open.as_ref()
            && let Ok(signature) = session.sign(mechanism, *key, octets)
        {
            return Ok(signature);
        }
        *open = None;
        let session = session(&self.settings, &self.pin)?;
        let missing = || KeyError::Token(format!("the token has no key {:?} any more", self.label));
        let key = find(&session, ObjectClass::PRIVATE_KEY, &self.label)?.ok_or_else(missing)?;
        let signature = session.sign(mechanism, key, octets).map_err(token("signing"))?;
        *open = Some((session, key));
        Ok(signature)
    }

    fn ecdsa(&self, hash: &'static Algorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let raw = self.raw(&Mechanism::Ecdsa, digest(hash, message).as_ref())?;
        let failed = |_: der::Error| KeyError::Failed("encoding a token's signature");
        if raw.is_empty() || raw.len() % 2 != 0 {
            return Err(KeyError::Failed("encoding a token's signature"));
        }
        let (r, s) = raw.split_at(raw.len() / 2);
        let signature = EcdsaSignature { r: UintRef::new(r).map_err(failed)?, s: UintRef::new(s).map_err(failed)? };
        signature.to_der().map_err(failed)
    }
}

impl SigningKey for TokenKey {
    fn public_key(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> AlgorithmIdentifier {
        let (oid, parameters) = match self.kind {
            Kind::P256 => (ECDSA_WITH_SHA256, None),
            Kind::P384 => (ECDSA_WITH_SHA384, None),
            // NULL, and not absent (RFC 4055, section 5).
            Kind::Rsa(_) => (SHA256_WITH_RSA, Any::new(Tag::Null, []).ok()),
        };
        AlgorithmIdentifier { oid, parameters }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match self.kind {
            Kind::P256 => self.ecdsa(&SHA256, message),
            Kind::P384 => self.ecdsa(&SHA384, message),
            Kind::Rsa(_) => self.raw(&Mechanism::Sha256RsaPkcs, message),
        }
    }
}
