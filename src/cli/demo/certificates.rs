//! The certificates of the demo, all of them issued by an authority of its own and on record as anybody's would be: the gate's,
//! the people's, and carol's, which is revoked again. Mallory has hers from another authority. What is still good is
//! kept, since people may have imported it; what is missing, damaged, about to expire or from an authority that is no
//! more is issued anew.

use super::directory::Directory;
use super::people::{Case, PEOPLE, PKCS12_PASSWORD, Person};
use crate::account::sql::Store;
use crate::account::{CertificateKey, Edit, IssuedCertificate, Registry, RegistryError, Status};
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::ca::directory::{self, DirectoryError};
use crate::ca::files::{Access, WriteError, write};
use crate::ca::hierarchy::{self, HierarchyError, Plan};
use crate::ca::history::recorder::Recorder;
use crate::ca::issue::{Authority, IssueError};
use crate::ca::key::clocked::Clock;
use crate::ca::key::{KeyAlgorithm, KeyError, SigningKey, SoftwareKey};
use crate::ca::office::recorder::Deed;
use crate::ca::office::revoke::{RevokeError, Revoker};
use crate::ca::office::{Office, OfficeError, Order, Parts};
use crate::ca::passphrase::{Passphrase, PassphraseError};
use crate::ca::pem::{self, PemError};
use crate::ca::pkcs12::{self, Contents, Encryption, Pkcs12Error};
use crate::ca::profile::{AlternativeName, Profile, Subject, Validity};
use crate::ca::register::{Entry, Question, Reason, Register, RegisterError};
use crate::ca::weak::Compromised;
use crate::certificate::facts::{self, AlternativeNames, CertificateFacts};
use crate::certificate::pem::{certificates, private_key};
use crate::config;
use crate::store::Database;
use rustls_pki_types::CertificateDer;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use x509_parser::prelude::{FromDer, X509Certificate};

/// commonName in dotted form.
const COMMON_NAME: &str = "2.5.4.3";

const DAY: Duration = Duration::from_secs(86_400);
const ROOT_LIFETIME: Duration = DAY.saturating_mul(3650);
const INTERMEDIATE_LIFETIME: Duration = DAY.saturating_mul(1825);
const LEAF_LIFETIME: Duration = DAY.saturating_mul(365);

/// What has less than this left is made anew.
const RENEWAL: Duration = DAY.saturating_mul(30);

/// How long before its making an authority is said to begin: a certificate that has expired must have been issued
/// some time.
const AUTHORITY_BACKDATING: Duration = DAY.saturating_mul(60);

/// When what has expired was issued, before it was made. It lasted for hours.
const EXPIRED: Duration = DAY.saturating_mul(31);

/// The password stands in the guide, so that nothing is gained by making it costly to guess.
const PKCS12: Encryption = Encryption { iterations: 2_048, ..Encryption::MODERN };

/// Who has everything issued, for the records.
const BY: &str = "the demo";

/// The certificates could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificatesError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Hierarchy(#[from] HierarchyError),
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    #[error(transparent)]
    Office(#[from] OfficeError),
    #[error(transparent)]
    Register(#[from] RegisterError),
    #[error(transparent)]
    Revoke(#[from] RevokeError),
    #[error(transparent)]
    Account(#[from] RegistryError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Pem(#[from] PemError),
    #[error(transparent)]
    Pkcs12(#[from] Pkcs12Error),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("the authority of an earlier start cannot be removed: {0}")]
    Remove(#[from] io::Error),
}

/// What the certificates are issued with.
pub(super) struct House<'a> {
    /// The demo's folder.
    pub(super) directory: &'a Directory,
    /// The section of its configuration.
    pub(super) settings: &'a config::Authority,
    /// Its database, in which the accounts are already.
    pub(super) database: Database,
    /// The time.
    pub(super) now: Timestamp,
}

impl House<'_> {
    /// Sees to it that all the certificates are there, good and on record, and that carol's is revoked.
    pub(super) async fn furnish(&self) -> Result<(), CertificatesError> {
        let (root, authority) = self.authority()?;
        let office = self.office(authority);
        write(&self.directory.file("ca.pem"), pem::certificates([&root])?.as_bytes(), Access::Public)?;
        self.server(&office).await?;
        for person in PEOPLE {
            let key = self.person(&office, person).await?;
            if let (Case::CertificateRevoked, Some(key)) = (person.case, key) {
                self.revoke(&office, &key).await?;
            }
        }
        Ok(())
    }

    /// Nothing is done that does not stand in the authority's history.
    fn recorder(&self) -> Arc<Recorder> {
        Arc::new(Recorder::of(&self.settings.directory, self.database.clone()))
    }

    fn office(&self, authority: Authority) -> Office {
        let parts = Parts {
            authority: Arc::new(authority),
            register: Register::new(self.database.clone()),
            accounts: Arc::new(Store::new(self.database.clone())),
            people: None,
            recorder: self.recorder(),
            compromised: Compromised::default(),
        };
        Office::new(parts, self.settings)
    }

    /// The root, and the intermediate that issues: those that are there, if they outlive what they issue, or new ones.
    fn authority(&self) -> Result<(CertificateDer<'static>, Authority), CertificatesError> {
        let passphrase = Passphrase::of(self.settings.passphrase.as_ref(), None);
        let now = self.now;
        let clock: Clock = Arc::new(move || now);
        let path = &self.settings.directory;
        let opened = directory::Directory::open(path)
            .and_then(|found| Ok((found.root().clone(), found.issuing(&passphrase, &clock)?)));
        if let Ok((root, authority)) = opened
            && authority.validity().not_before.plus(EXPIRED) <= now
            && now.plus(LEAF_LIFETIME).plus(RENEWAL) <= authority.validity().not_after
        {
            return Ok((root, authority));
        }
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let plan = Plan {
            name: "Wicketgate Demo".into(),
            organization: Some("Wicketgate Demo".into()),
            algorithm: KeyAlgorithm::default(),
            permitted: crate::ca::constraints::Permitted::default(),
            root_lifetime: AUTHORITY_BACKDATING.saturating_add(ROOT_LIFETIME),
            intermediate: config::Profile {
                validity: AUTHORITY_BACKDATING.saturating_add(INTERMEDIATE_LIFETIME),
                ..config::Profile::intermediate()
            },
        };
        let secret = passphrase.read("the passphrase")?;
        let made = hierarchy::init(path, &plan, &secret, now.minus(AUTHORITY_BACKDATING))?;
        Ok((made.root().clone(), made.issuing(&passphrase, &clock)?))
    }

    /// The gate's own server.pem and server.key.
    async fn server(&self, office: &Office) -> Result<(), CertificatesError> {
        let names = [
            AlternativeName::Dns("localhost".into()),
            AlternativeName::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            AlternativeName::Address(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ];
        let good = |stored: &Stored| {
            stored.is_issued_by(office.authority())
                && stored.is_about("localhost", &names)
                && stored.lasts(self.now, RENEWAL)
        };
        match Stored::read(self.directory, "server").filter(good) {
            Some(stored) => self.on_record(office, &stored, None, "server").await?,
            None => {
                let order = Order { username: None, profile: "server", names: &names, by: BY, deed: Deed::Issue };
                let issued = office.issue(order, self.now).await?;
                let key = issued.key.as_ref().ok_or(KeyError::Failed("making a key"))?;
                store(self.directory, "server", &pem::certificates(&issued.whole_chain())?, key)?;
            }
        }
        Ok(())
    }

    /// Somebody's NAME.pem, NAME.key and NAME.p12. Gives the certificate's key in the records, if it is ours.
    async fn person(&self, office: &Office, person: Person) -> Result<Option<CertificateKey>, CertificatesError> {
        let stored = Stored::read(self.directory, person.name).filter(|stored| {
            stored.is_about(&person.shown_name(), &person.names())
                && match person.case {
                    Case::CertificateExpired => {
                        stored.is_issued_by(office.authority()) && !stored.lasts(self.now, Duration::ZERO)
                    }
                    Case::OtherAuthority => {
                        stored.is_whole() && !stored.is_issued_by(office.authority()) && stored.lasts(self.now, RENEWAL)
                    }
                    _ => stored.is_issued_by(office.authority()) && stored.lasts(self.now, RENEWAL),
                }
        });
        let (stored, is_new) = match stored {
            // Somebody has tried out what it is like to revoke one.
            Some(stored) if person.case != Case::CertificateRevoked && is_revoked(office, &stored).await? => {
                (self.issue(office, person).await?, true)
            }
            Some(stored) => (stored, false),
            None => (self.issue(office, person).await?, true),
        };
        if is_new {
            store(self.directory, person.name, &pem::certificates(&stored.chain)?, &stored.key)?;
        }
        self.pack(person, &stored)?;
        if person.case == Case::OtherAuthority {
            return Ok(None);
        }
        if !is_new {
            let profile = if person.case == Case::CertificateExpired { "client-short" } else { "client" };
            let username = person.account().map(|account| account.username);
            self.on_record(office, &stored, username, profile).await?;
        }
        Ok(Some(key_of(office.authority(), &stored.facts)?))
    }

    async fn issue(&self, office: &Office, person: Person) -> Result<Stored, CertificatesError> {
        if person.case == Case::OtherAuthority {
            return impostor(person, self.now);
        }
        let account = person.account();
        let (profile, at) = match person.case {
            Case::CertificateExpired => ("client-short", self.now.minus(EXPIRED)),
            _ => ("client", self.now),
        };
        // Who has no account has a name all the same.
        let names = if account.is_none() { person.names() } else { Vec::new() };
        let username = account.as_ref().map(|account| account.username.as_str());
        let order = Order { username, profile, names: &names, by: BY, deed: Deed::Issue };
        // Whoever is locked had a certificate before.
        let locked = account.as_ref().filter(|account| account.status == Status::Locked);
        if let Some(account) = locked {
            self.set_status(&account.username, Status::Active).await?;
        }
        let issued = office.issue(order, at).await;
        if let Some(account) = locked {
            self.set_status(&account.username, Status::Locked).await?;
        }
        let issued = issued?;
        let chain = issued.whole_chain();
        let key = issued.key.ok_or(KeyError::Failed("making a key"))?;
        Ok(Stored { facts: facts::parse(&issued.certificate).map_err(OfficeError::from)?, chain, key })
    }

    async fn set_status(&self, username: &str, status: Status) -> Result<(), CertificatesError> {
        let edit = Edit { status: Some(status), ..Edit::default() };
        Store::new(self.database.clone()).edit(username, &edit).await?;
        Ok(())
    }

    /// NAME.p12, unless it is there and holds the same.
    fn pack(&self, person: Person, stored: &Stored) -> Result<(), CertificatesError> {
        let password = Secret::from(PKCS12_PASSWORD);
        let path = self.directory.file(&format!("{}.p12", person.name));
        let packed = std::fs::read(&path).ok().and_then(|file| pkcs12::open(&file, &password).ok());
        if !packed.is_some_and(|packed| {
            packed.certificates == stored.chain && packed.keys.as_slice() == std::slice::from_ref(&stored.key)
        }) {
            let contents =
                Contents { friendly_name: person.display_name, key: &stored.key, certificates: &stored.chain };
            write(&path, &pkcs12::make(contents, &password, PKCS12)?, Access::Private)?;
        }
        Ok(())
    }

    /// Puts a certificate that was kept on record again, if the database was lost meanwhile.
    async fn on_record(
        &self,
        office: &Office,
        stored: &Stored,
        username: Option<String>,
        profile: &str,
    ) -> Result<(), CertificatesError> {
        let facts = &stored.facts;
        if !office.register().find(&Question::Fingerprint(facts.fingerprint)).await?.is_empty() {
            return Ok(());
        }
        let certificate = IssuedCertificate {
            key: key_of(office.authority(), facts)?,
            issuer_name: office.authority().name(),
            username,
            subject: facts.subject.text.clone(),
            not_before: facts.not_before,
            not_after: facts.not_after,
            fingerprint: facts.fingerprint,
            profile: profile.to_owned(),
        };
        let der = stored.chain.first().map(|own| own.to_vec());
        let entry = Entry { certificate, spki: Some(facts.spki_sha256), der };
        for outcome in office.enter_all(&[entry], Deed::Issue, BY, self.now).await? {
            outcome.map_err(RegisterError::from)?;
        }
        Ok(())
    }

    /// Revokes a certificate, unless it is.
    async fn revoke(&self, office: &Office, key: &CertificateKey) -> Result<(), CertificatesError> {
        let found = office.register().find(&Question::Key(key.clone())).await?;
        if found.iter().all(|found| found.revoked.is_none()) {
            let revoker = Revoker::new(office.register().clone(), self.recorder());
            revoker.revoke(key, Reason::KeyCompromise, BY, self.now).await?;
        }
        Ok(())
    }
}

async fn is_revoked(office: &Office, stored: &Stored) -> Result<bool, RegisterError> {
    let found = office.register().find(&Question::Fingerprint(stored.facts.fingerprint)).await?;
    Ok(found.iter().any(|found| found.revoked.is_some()))
}

fn key_of(authority: &Authority, facts: &CertificateFacts) -> Result<CertificateKey, IssueError> {
    Ok(CertificateKey::new(&authority.name_der()?, authority.public_key(), &facts.serial))
}

/// A certificate with somebody else's names, from another authority.
fn impostor(person: Person, now: Timestamp) -> Result<Stored, CertificatesError> {
    let named = |name: &str| Subject {
        common_name: format!("Mallory's {name}"),
        organization: Some("Mallory".into()),
        names: Vec::new(),
    };
    let subject = Subject { common_name: person.shown_name(), names: person.names(), ..named("") };
    let key = || SoftwareKey::generate().map(Box::new);
    let validity = Validity::starting(now, INTERMEDIATE_LIFETIME);
    let root = Authority::root(key()?, &named("Root"), validity)?;
    let intermediate = root.intermediate(key()?, &named("Authority"), 0, validity)?;
    let issued = intermediate.issue(&Profile::client(), &subject, Validity::starting(now, LEAF_LIFETIME))?;
    let facts = facts::parse(&issued.certificate).map_err(OfficeError::from)?;
    Ok(Stored { chain: issued.whole_chain(), key: issued.key, facts })
}

/// A certificate, its chain and its key, as they are issued or were read back from NAME.pem and NAME.key.
struct Stored {
    chain: Vec<CertificateDer<'static>>,
    key: Secret,
    facts: CertificateFacts,
}

impl Stored {
    /// `None` if anything is missing or damaged, or the key is not the certificate's.
    fn read(directory: &Directory, name: &str) -> Option<Self> {
        let chain = certificates(&directory.file(&format!("{name}.pem"))).ok()?;
        let key = private_key(&directory.file(&format!("{name}.key"))).ok()?;
        let key = Secret::new(key.secret_der().to_vec());
        let facts = facts::parse(chain.first()?).ok()?;
        let public_key = facts::sha256(SoftwareKey::from_pkcs8(&key).ok()?.public_key());
        (public_key == facts.spki_sha256).then_some(Self { chain, key, facts })
    }

    /// Whether the authority signed it and is the chain that goes with it.
    fn is_issued_by(&self, issuer: &Authority) -> bool {
        self.is_whole() && self.chain.iter().skip(1).eq(&issuer.chain())
    }

    /// Whether each certificate of the chain is signed by the next.
    fn is_whole(&self) -> bool {
        self.chain.len() > 1
            && self.chain.iter().zip(self.chain.iter().skip(1)).all(|(leaf, above)| is_signed_by(leaf, above))
    }

    /// Whether it is valid now, and for that long.
    fn lasts(&self, now: Timestamp, at_least: Duration) -> bool {
        self.facts.not_before <= now && now.plus(at_least) <= self.facts.not_after
    }

    fn is_about(&self, common_name: &str, names: &[AlternativeName]) -> bool {
        let mut wanted = AlternativeNames::default();
        for name in names {
            match name {
                AlternativeName::Email(address) => wanted.emails.push(address.clone()),
                AlternativeName::Dns(host) => wanted.dns.push(host.clone()),
                AlternativeName::Address(address) => wanted.addresses.push(*address),
                AlternativeName::Uri(uri) => wanted.uris.push(uri.clone()),
                AlternativeName::Upn(name) => wanted.upns.push(name.clone()),
            }
        }
        let called = self.facts.subject.attributes.iter().find(|attribute| attribute.oid == COMMON_NAME);
        wanted == self.facts.names && called.is_some_and(|attribute| attribute.value == common_name)
    }
}

fn is_signed_by(certificate: &CertificateDer<'_>, issuer: &CertificateDer<'_>) -> bool {
    let (Ok((_, certificate)), Ok((_, issuer))) =
        (X509Certificate::from_der(certificate), X509Certificate::from_der(issuer))
    else {
        return false;
    };
    certificate.issuer() == issuer.subject() && certificate.verify_signature(Some(issuer.public_key())).is_ok()
}

/// Writes NAME.key and NAME.pem. In between the two do not fit each other, which the next start sees.
fn store(directory: &Directory, name: &str, chain: &str, key: &Secret) -> Result<(), CertificatesError> {
    write(&directory.file(&format!("{name}.key")), pem::private_key(key)?.expose(), Access::Private)?;
    write(&directory.file(&format!("{name}.pem")), chain.as_bytes(), Access::Public)?;
    Ok(())
}

#[cfg(test)]
mod tests;
