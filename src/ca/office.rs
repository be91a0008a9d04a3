//! One act from an order to a certificate: the account is looked up, its profile applied, the key made here or taken
//! from a request, the certificate signed, told to the history, recorded, and only then handed out. What is
//! refused on the way leaves nothing behind; what fails after the record was made is on record and was seen by nobody.
//!
//! Who may order what is decided before: by whoever may run a command, or by what a request over the network proved.

mod enter;
pub mod recorder;
pub mod revoke;

use crate::account::{Account, CertificateKey, Directory, IssuedCertificate, Lookup, Unavailable};
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::ca::issue::{Authority, IssueError};
use crate::ca::key::{KeyAlgorithm, KeyError, SigningKey, SoftwareKey};
use crate::ca::password::Password;
use crate::ca::pkcs12::{self, Contents, Encryption, Form, Pkcs12Error};
use crate::ca::profile::AlternativeName;
use crate::ca::profile::apply::{self, Bearer, Content, ProfileError};
use crate::ca::publish::name_places;
use crate::ca::register::{Entry, OnRecord, Question, Recorded, Register, RegisterError, Replace};
use crate::ca::request::{Request, RequestError};
use crate::ca::weak::{Compromised, PublicKey, WeakKey};
use crate::certificate::facts::{self, FactsError};
use crate::certificate::fields::Fields;
use crate::certificate::path::{Violation, constraints};
use crate::config::profile::KeyType;
use crate::config::{self, LookupKind, OneValidPer};
use futures_util::future::BoxFuture;
use recorder::{Deed, NotRecorded, Recorder};
use rustls_pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Looks people up where more is known of them than in the store of accounts.
pub trait People: Send + Sync {
    /// The values of these attributes of whoever has this account; what is not known is left out.
    fn attributes<'a>(
        &'a self,
        account: &'a Account,
        names: &'a [&'a str],
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, PeopleError>>;
}

/// The directory of people gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the entry of the account {username:?} cannot be read from the directory: {why}")]
pub struct PeopleError {
    /// The account's user name.
    pub username: String,
    /// Why.
    pub why: String,
}

/// Issues certificates.
pub struct Office {
    authority: Arc<Authority>,
    register: Register,
    accounts: Arc<dyn Directory>,
    people: Option<Arc<dyn People>>,
    recorder: Arc<dyn Recorder>,
    profiles: BTreeMap<String, config::Profile>,
    replace: Replace,
    compromised: Compromised,
    /// SHA-256 of the keys of the authority and of those above it.
    own_keys: Vec<[u8; 32]>,
    /// The name constraints of the authority and of those above it, the root left out; `None` if they cannot be read.
    constraints: Option<constraints::State>,
}

/// What an office works with.
pub struct Parts {
    /// The authority that signs.
    pub authority: Arc<Authority>,
    /// Where everything is recorded.
    pub register: Register,
    /// The accounts.
    pub accounts: Arc<dyn Directory>,
    /// Where more is known of people, if anywhere.
    pub people: Option<Arc<dyn People>>,
    /// The history.
    pub recorder: Arc<dyn Recorder>,
    /// Keys that nothing is issued for.
    pub compromised: Compromised,
}

/// What is ordered.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The account that it is for, by its user name; `None` for a server or a program without an account.
    pub username: Option<&'a str>,
    /// The name of the profile.
    pub profile: &'a str,
    /// Alternative names that whoever orders it grants besides.
    pub names: &'a [AlternativeName],
    /// Who orders it, for the history.
    pub by: &'a str,
    /// Issuing, or renewing.
    pub deed: Deed,
}

/// A certificate that is on record, and what goes with it.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// The intermediate authorities above it, the issuer first, the root left out.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key if it was made here: PKCS#8 in DER.
    pub key: Option<Secret>,
    /// What stands in the record.
    pub record: IssuedCertificate,
    /// What was revoked in its favour.
    pub superseded: Vec<CertificateKey>,
}

/// What must be ordered to renew a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    username: Option<String>,
    profile: String,
    names: Vec<AlternativeName>,
}

impl Renewal {
    /// The order.
    #[must_use]
    pub fn order<'a>(&'a self, by: &'a str) -> Order<'a> {
        let username = self.username.as_deref();
        Order { username, profile: &self.profile, names: &self.names, by, deed: Deed::Renew }
    }

    /// The account that it is for, if it is for one.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }
}

/// A certificate that is signed, and not on record: it must not leave the machine.
pub struct Prepared {
    certificate: CertificateDer<'static>,
    key: Option<Secret>,
    entry: Entry,
}

/// Nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum OfficeError {
    /// There is no such profile.
    #[error("there is no profile {name:?}: there are {known}")]
    NoSuchProfile {
        /// The name that was asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// There is no such account.
    #[error("there is no account {0:?}")]
    NoSuchAccount(String),
    /// The store of accounts gave no answer.
    #[error(transparent)]
    Accounts(#[from] Unavailable),
    /// The directory of people gave no answer.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// The profile does not allow it.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The request asks for what it does not get.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The key is weak or compromised.
    #[error(transparent)]
    Weak(#[from] WeakKey),
    /// The key is one of the authority's own.
    #[error("the key is the authority's own")]
    OwnKey,
    /// The key cannot be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate cannot be signed.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// What was signed cannot be read.
    #[error("the certificate that was signed cannot be read: {0}")]
    Facts(#[from] FactsError),
    /// The authority's own certificates do not let it vouch for such names.
    #[error("the certificate {0}: the authority is limited to others")]
    Constrained(#[from] Violation),
    /// The history does not take it.
    #[error(transparent)]
    NotRecorded(#[from] NotRecorded),
    /// The register refuses it, or does not answer.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The file cannot be made.
    #[error(transparent)]
    Pkcs12(#[from] Pkcs12Error),
    /// What is to be renewed is not on record.
    #[error("no certificate with the serial number {0} is on record")]
    NotOnRecord(String),
    /// What is revoked is not renewed.
    #[error("the certificate with the serial number {serial} is revoked ({reason}) and is not renewed")]
    Revoked {
        /// The serial number in hexadecimal.
        serial: String,
        /// Why it was revoked.
        reason: String,
    },
}

impl Office {
    /// An office with these parts, and the profiles and rules of a configuration.
    #[must_use]
    pub fn new(parts: Parts, rules: &config::Authority) -> Self {
        let Parts { authority, register, accounts, people, recorder, compromised } = parts;
        let replace = match rules.one_valid_per {
            OneValidPer::None => Replace::None,
            OneValidPer::Profile => Replace::SameProfile,
            OneValidPer::Account => Replace::All,
        };
        let mut profiles = rules.profiles.clone();
        if let (Some(url), Ok(name)) = (&rules.publish.url, authority.name_der()) {
            let issuer = CertificateKey::new(&name, authority.public_key(), &[1]).issuer;
            name_places(profiles.values_mut(), url, &issuer);
        }
        let chain = authority.chain();
        let above = chain.iter().filter_map(|above| facts::parse(above).ok());
        let own = facts::sha256(authority.public_key());
        let own_keys = std::iter::once(own).chain(above.map(|above| above.spki_sha256)).collect();
        let constraints = constraints_of(&chain);
        Self { authority, register, accounts, people, recorder, profiles, replace, compromised, own_keys, constraints }
    }

    /// The authority that signs.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Where everything is recorded.
    #[must_use]
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// The profile of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn profile(&self, name: &str) -> Result<&config::Profile, OfficeError> {
        self.profiles.get(name).ok_or_else(|| OfficeError::NoSuchProfile {
            name: name.chars().take(100).collect(),
            known: self.profiles.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })
    }

    /// Issues a certificate with a key that is made here.
    ///
    /// # Errors
    /// When it is refused, or fails; then nobody has it.
    pub async fn issue(&self, order: Order<'_>, now: Timestamp) -> Result<Issued, OfficeError> {
        let prepared = self.order(order, None, now).await?;
        self.enter(prepared, order, now).await
    }

    /// Issues a certificate for the key of a request, whose maker has it.
    ///
    /// # Errors
    /// When it is refused, or fails; then nobody has it.
    pub async fn sign(&self, request: &Request, order: Order<'_>, now: Timestamp) -> Result<Issued, OfficeError> {
        let prepared = self.order(order, Some(request), now).await?;
        self.enter(prepared, order, now).await
    }

    /// The first half of [`Office::issue`] and [`Office::sign`], for those who lay a file down before the certificate is
    /// recorded: it is signed, and must not leave the machine before [`Office::enter`].
    ///
    /// # Errors
    /// When it is refused, or fails.
    pub async fn order(
        &self,
        order: Order<'_>,
        request: Option<&Request>,
        now: Timestamp,
    ) -> Result<Prepared, OfficeError> {
        let rules = self.profile(order.profile)?;
        let (account, entry) = self.person(order.username, rules).await?;
        match request {
            Some(request) => {
                self.register.require_own_key(request.key.hash(), order.username).await?;
                self.prepare_signing(rules, request, account.as_ref(), &entry, order.names, now)
            }
            None => {
                let bearer = Bearer { account: account.as_ref(), entry: &entry, names: order.names };
                self.prepare(rules, bearer, now)
            }
        }
    }

    /// Issues a certificate in the place of one that is on record: by the same profile, for the same account or, without
    /// one, for the same names; for the key of the request, or for one that is made here.
    ///
    /// # Errors
    /// When that one is not on record or is revoked; as [`Office::issue`].
    pub async fn renew(
        &self,
        old: &CertificateKey,
        request: Option<&Request>,
        by: &str,
        now: Timestamp,
    ) -> Result<Issued, OfficeError> {
        let renewal = self.renewal(old).await?;
        let prepared = self.order(renewal.order(by), request, now).await?;
        self.enter(prepared, renewal.order(by), now).await
    }

    /// What must be ordered to renew a certificate.
    ///
    /// # Errors
    /// When it is not on record or is revoked.
    pub async fn renewal(&self, old: &CertificateKey) -> Result<Renewal, OfficeError> {
        let serial = || crate::base::hex::encode(&old.serial);
        let found = self.register.find(&Question::Key(old.clone())).await?.into_iter().next();
        let OnRecord { certificate, revoked } = found.ok_or_else(|| OfficeError::NotOnRecord(serial()))?;
        if let Some(revocation) = revoked {
            return Err(OfficeError::Revoked { serial: serial(), reason: revocation.reason });
        }
        let names = match certificate.username {
            // Of an account the names are made anew: it may have others by now.
            Some(_) => Vec::new(),
            None => self.names_of(old).await?,
        };
        Ok(Renewal { username: certificate.username, profile: certificate.profile, names })
    }

    async fn names_of(&self, key: &CertificateKey) -> Result<Vec<AlternativeName>, OfficeError> {
        let Some(der) = self.register.contents(key).await? else { return Ok(Vec::new()) };
        let names = facts::parse(&der)?.names;
        let emails = names.emails.into_iter().map(AlternativeName::Email);
        let hosts = names.dns.into_iter().map(AlternativeName::Dns);
        let addresses = names.addresses.into_iter().map(AlternativeName::Address);
        let uris = names.uris.into_iter().map(AlternativeName::Uri);
        Ok(emails.chain(hosts).chain(addresses).chain(uris).collect())
    }

    /// The account of this name, and what else a profile asks for of the person.
    async fn person(
        &self,
        username: Option<&str>,
        rules: &config::Profile,
    ) -> Result<(Option<Account>, BTreeMap<String, String>), OfficeError> {
        let Some(username) = username else { return Ok((None, BTreeMap::new())) };
        let lookup = Lookup { kind: LookupKind::Username, name: username.to_owned() };
        let account = self.accounts.find(&lookup).await?.into_iter().next();
        let account = account.ok_or_else(|| OfficeError::NoSuchAccount(username.to_owned()))?;
        let entry = self.entry(&account, rules).await?;
        Ok((Some(account), entry))
    }

    /// What a profile asks for of a person besides the account.
    ///
    /// # Errors
    /// When the directory of people does not answer.
    pub async fn entry(
        &self,
        account: &Account,
        rules: &config::Profile,
    ) -> Result<BTreeMap<String, String>, OfficeError> {
        let attributes = apply::attributes(rules);
        match &self.people {
            Some(people) if !attributes.is_empty() => Ok(people.attributes(account, &attributes).await?),
            _ => Ok(BTreeMap::new()),
        }
    }

    /// Makes a key and signs a certificate for it. It works without waiting, on any thread.
    ///
    /// # Errors
    /// When the profile does not allow it, or a key fails.
    pub fn prepare(
        &self,
        rules: &config::Profile,
        bearer: Bearer<'_>,
        now: Timestamp,
    ) -> Result<Prepared, OfficeError> {
        let key = generate(rules.key)?;
        let public = PublicKey::read(key.public_key())?;
        let content = apply::apply(rules, bearer, &public, self.authority.validity(), now)?;
        self.sealed(&content, bearer.account, &public, Some(key.to_pkcs8()?))
    }

    /// Signs a certificate for the key of a request. `granted` are names that whoever orders it grants. It works
    /// without waiting, on any thread.
    ///
    /// # Errors
    /// When the profile or the account does not give what the request asks for, or the key is not to be certified.
    pub fn prepare_signing(
        &self,
        rules: &config::Profile,
        request: &Request,
        account: Option<&Account>,
        entry: &BTreeMap<String, String>,
        granted: &[AlternativeName],
        now: Timestamp,
    ) -> Result<Prepared, OfficeError> {
        self.compromised.check(&request.key)?;
        if self.own_keys.contains(request.key.hash()) {
            return Err(OfficeError::OwnKey);
        }
        let names = request.permitted(rules, account, granted);
        let bearer = Bearer { account, entry, names: &names };
        let content = apply::apply(rules, bearer, &request.key, self.authority.validity(), now)?;
        request.hold_against(&content, account)?;
        self.sealed(&content, account, &request.key, None)
    }

    fn sealed(
        &self,
        content: &Content,
        account: Option<&Account>,
        public: &PublicKey,
        key: Option<Secret>,
    ) -> Result<Prepared, OfficeError> {
        let certificate = self.authority.certify_content(content, public.spki())?;
        let fields = Fields::read(&certificate)?;
        const UNREADABLE: IssueError =
            IssueError::NotAnAuthority("the name constraints of a certificate above it cannot be read");
        self.constraints.as_ref().ok_or(UNREADABLE)?.check(fields.subject, &fields, true, false)?;
        let facts = facts::parse(&certificate)?;
        let name = self.authority.name_der()?;
        let record = IssuedCertificate {
            key: CertificateKey::new(&name, self.authority.public_key(), &facts.serial),
            issuer_name: self.authority.name(),
            username: account.map(|account| account.username.clone()),
            subject: facts.subject.text,
            not_before: facts.not_before,
            not_after: facts.not_after,
            fingerprint: facts.fingerprint,
            profile: content.profile.name.to_string(),
        };
        let der = Some(certificate.to_vec());
        Ok(Prepared { certificate, key, entry: Entry { certificate: record, spki: Some(*public.hash()), der } })
    }

    /// Records a certificate that was signed for this order, and yields it: from now on it may leave the machine.
    ///
    /// # Errors
    /// When the history or the register does not take it.
    pub async fn enter(&self, prepared: Prepared, order: Order<'_>, now: Timestamp) -> Result<Issued, OfficeError> {
        let Prepared { certificate, key, entry } = prepared;
        let outcome = self.enter_all(std::slice::from_ref(&entry), order.deed, order.by, now).await?.into_iter().next();
        let superseded = match outcome {
            Some(Ok(Recorded::Now(superseded))) => superseded,
            Some(Ok(Recorded::Before)) | None => Vec::new(),
            Some(Err(refused)) => return Err(RegisterError::from(refused).into()),
        };
        Ok(Issued { certificate, chain: self.authority.chain(), key, record: entry.certificate, superseded })
    }
}

/// The name constraints of certificates, the issuer's first.
fn constraints_of(chain: &[CertificateDer<'_>]) -> Option<constraints::State> {
    let mut state = constraints::State::new();
    for above in chain.iter().rev() {
        state.apply(&Fields::read(above).ok()?).ok()?;
    }
    Some(state)
}

fn generate(kind: KeyType) -> Result<SoftwareKey, KeyError> {
    SoftwareKey::generate_of(match kind {
        KeyType::EcdsaP256 => KeyAlgorithm::EcdsaP256,
        KeyType::EcdsaP384 => KeyAlgorithm::EcdsaP384,
        KeyType::Rsa2048 => KeyAlgorithm::Rsa2048,
        KeyType::Rsa3072 => KeyAlgorithm::Rsa3072,
        KeyType::Rsa4096 => KeyAlgorithm::Rsa4096,
        KeyType::Ed25519 => KeyAlgorithm::Ed25519,
    })
}

impl Issued {
    /// The certificate and its chain, leaf first.
    #[must_use]
    pub fn whole_chain(&self) -> Vec<CertificateDer<'static>> {
        std::iter::once(&self.certificate).chain(&self.chain).cloned().collect()
    }

    /// The PKCS#12 file with its key and its chain; `None` if the key was not made here.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn pkcs12(&self, form: Form, password: &Password) -> Result<Option<Vec<u8>>, Pkcs12Error> {
        let Some(key) = &self.key else { return Ok(None) };
        pack(key, &self.record, &self.whole_chain(), form, password).map(Some)
    }
}

impl Prepared {
    /// What is to be recorded.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The certificate and the chain of the office, leaf first.
    #[must_use]
    pub fn whole_chain(&self, office: &Office) -> Vec<CertificateDer<'static>> {
        std::iter::once(self.certificate.clone()).chain(office.authority.chain()).collect()
    }

    /// Its private key if it was made here: PKCS#8 in DER.
    #[must_use]
    pub fn key(&self) -> Option<&Secret> {
        self.key.as_ref()
    }

    /// The PKCS#12 file with its key and the chain of the office; `None` if the key was not made here.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn pkcs12(&self, office: &Office, form: Form, password: &Password) -> Result<Option<Vec<u8>>, Pkcs12Error> {
        let Some(key) = &self.key else { return Ok(None) };
        pack(key, &self.entry.certificate, &self.whole_chain(office), form, password).map(Some)
    }
}

fn pack(
    key: &Secret,
    record: &IssuedCertificate,
    certificates: &[CertificateDer<'static>],
    form: Form,
    password: &Password,
) -> Result<Vec<u8>, Pkcs12Error> {
    let friendly_name = record.username.as_deref().unwrap_or(&record.subject);
    let contents = Contents { friendly_name, key, certificates };
    pkcs12::make(contents, password.secret(), Encryption::of(form, password))
}
