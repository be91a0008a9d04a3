//! The certificates of the demo: a development authority of two levels, the gate's own certificate,
//! the people's, and the revocation lists. What is still good is kept, since people may have imported
//! it; what is missing, damaged, about to expire or from an authority that is no more is made anew.

use super::directory::Directory;
use super::people::{Case, PEOPLE, PKCS12_PASSWORD, Person};
use crate::account::CertificateKey;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::ca::crl::{self, CrlReason, Edition, Revoked};
use crate::ca::files::{Access, WriteError, write};
use crate::ca::issue::{Authority, IssueError, Issued};
use crate::ca::key::{KeyError, SigningKey, SoftwareKey};
use crate::ca::pem::{self, PemError};
use crate::ca::pkcs12::{self, Contents, Encryption, Pkcs12Error};
use crate::ca::profile::{AlternativeName, BACKDATING, Profile, Subject, Validity};
use crate::certificate::facts::{self, AlternativeNames, CertificateFacts};
use crate::certificate::pem::{certificates, private_key};
use rustls_pki_types::CertificateDer;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::DirBuilderExt;
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

/// How long before its making an authority is said to begin: a certificate that has expired must have
/// been issued some time.
const AUTHORITY_BACKDATING: Duration = DAY.saturating_mul(60);

/// When an expired certificate began and ended, before it was made.
const EXPIRED: (Duration, Duration) = (DAY.saturating_mul(31), DAY);

/// The password stands in the guide, so that nothing is gained by making it costly to guess.
const PKCS12: Encryption = Encryption { iterations: 2_048, ..Encryption::MODERN };

/// The certificates could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificatesError {
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
    #[error("cannot make a folder in the directory: {0}")]
    Folder(#[from] io::Error),
}

/// Sees to it that all the certificates are there and good, and that the revocation lists are current.
/// Gives the certificates that stand in them, and since when they no longer count.
pub(super) fn furnish(
    directory: &Directory,
    now: Timestamp,
) -> Result<Vec<(CertificateKey, Timestamp)>, CertificatesError> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory.file("authority"))?;
    std::fs::create_dir_all(directory.file("crl"))?;
    let root = root(directory, now)?;
    let intermediate = intermediate(directory, &root, now)?;
    write(&directory.file("ca.pem"), pem::certificates([root.certificate()])?.as_bytes(), Access::Public)?;
    server(directory, &intermediate, now)?;
    for person in PEOPLE {
        credential(directory, person, &intermediate, now)?;
    }
    let revoked = revoke(directory, &root, &intermediate, now)?;
    let issuer = intermediate.name_der()?;
    let key = |serial: &[u8]| CertificateKey::new(&issuer, intermediate.public_key(), serial);
    Ok(revoked.iter().map(|revoked| (key(&revoked.serial), revoked.at)).collect())
}

fn root(directory: &Directory, now: Timestamp) -> Result<Authority, CertificatesError> {
    if let Some(root) = stored_authority(directory, "authority/root", now) {
        return Ok(root);
    }
    let key = SoftwareKey::generate()?;
    let pkcs8 = key.to_pkcs8()?;
    let root = Authority::root(Box::new(key), &authority_subject("Root"), authority_validity(now, ROOT_LIFETIME))?;
    store(directory, "authority/root", &pem::certificates([root.certificate()])?, &pkcs8)?;
    Ok(root)
}

fn intermediate(directory: &Directory, root: &Authority, now: Timestamp) -> Result<Authority, CertificatesError> {
    let stored = stored_authority(directory, "authority/intermediate", now);
    if let Some(intermediate) = stored.filter(|stored| is_signed_by(stored.certificate(), root.certificate())) {
        return Ok(intermediate);
    }
    let key = SoftwareKey::generate()?;
    let pkcs8 = key.to_pkcs8()?;
    let validity = authority_validity(now, INTERMEDIATE_LIFETIME);
    let intermediate = root.intermediate(Box::new(key), &authority_subject("Authority"), 0, validity)?;
    store(directory, "authority/intermediate", &pem::certificates([intermediate.certificate()])?, &pkcs8)?;
    Ok(intermediate)
}

fn server(directory: &Directory, issuer: &Authority, now: Timestamp) -> Result<(), CertificatesError> {
    let subject = Subject {
        common_name: "localhost".into(),
        organization: Some("Wicketgate Demo".into()),
        names: vec![
            AlternativeName::Dns("localhost".into()),
            AlternativeName::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            AlternativeName::Address(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ],
    };
    let good = |stored: &Stored| stored.is_issued_by(issuer) && stored.is_about(&subject) && stored.lasts(now, RENEWAL);
    if Stored::read(directory, "server").filter(good).is_none() {
        let issued = issuer.issue(&Profile::server(), &subject, Validity::starting(now, LEAF_LIFETIME))?;
        store(directory, "server", &pem::certificates(&issued.whole_chain())?, &issued.key)?;
    }
    Ok(())
}

/// Somebody's NAME.pem, NAME.key and NAME.p12.
fn credential(
    directory: &Directory,
    person: Person,
    issuer: &Authority,
    now: Timestamp,
) -> Result<(), CertificatesError> {
    let subject = person.subject();
    let good = |stored: &Stored| {
        stored.is_about(&subject)
            && match person.case {
                Case::CertificateExpired => stored.is_issued_by(issuer) && !stored.lasts(now, Duration::ZERO),
                Case::OtherAuthority => stored.is_whole() && !stored.is_issued_by(issuer) && stored.lasts(now, RENEWAL),
                _ => stored.is_issued_by(issuer) && stored.lasts(now, RENEWAL),
            }
    };
    let (chain, key) = match Stored::read(directory, person.name).filter(good) {
        Some(stored) => (stored.chain, stored.key),
        None => {
            let issued = issue(person, issuer, now)?;
            store(directory, person.name, &pem::certificates(&issued.whole_chain())?, &issued.key)?;
            (issued.whole_chain(), issued.key)
        }
    };
    let password = Secret::from(PKCS12_PASSWORD);
    let path = directory.file(&format!("{}.p12", person.name));
    let packed = std::fs::read(&path).ok().and_then(|file| pkcs12::open(&file, &password).ok());
    if !packed
        .is_some_and(|packed| packed.certificates == chain && packed.keys.as_slice() == std::slice::from_ref(&key))
    {
        let contents = Contents { friendly_name: person.display_name, key: &key, certificates: &chain };
        write(&path, &pkcs12::make(contents, &password, PKCS12)?, Access::Private)?;
    }
    Ok(())
}

fn issue(person: Person, issuer: &Authority, now: Timestamp) -> Result<Issued, IssueError> {
    let (profile, subject) = (Profile::client(), person.subject());
    let validity = Validity::starting(now, LEAF_LIFETIME);
    match person.case {
        Case::CertificateExpired => {
            let (began, ended) = EXPIRED;
            let validity = Validity { not_before: now.minus(began), not_after: now.minus(ended) };
            issuer.issue(&profile, &subject, validity)
        }
        Case::OtherAuthority => {
            let named = |name: &str| Subject {
                common_name: format!("Mallory's {name}"),
                organization: Some("Mallory".into()),
                names: Vec::new(),
            };
            let key = Box::new(SoftwareKey::generate()?);
            let root = Authority::root(key, &named("Root"), authority_validity(now, ROOT_LIFETIME))?;
            let key = Box::new(SoftwareKey::generate()?);
            let lifetime = authority_validity(now, INTERMEDIATE_LIFETIME);
            root.intermediate(key, &named("Authority"), 0, lifetime)?.issue(&profile, &subject, validity)
        }
        _ => issuer.issue(&profile, &subject, validity),
    }
}

/// Publishes both authorities' lists. Gives what stands in the intermediate's.
fn revoke(
    directory: &Directory,
    root: &Authority,
    intermediate: &Authority,
    now: Timestamp,
) -> Result<Vec<Revoked>, CertificatesError> {
    let revoked: Vec<Revoked> = PEOPLE
        .into_iter()
        .filter(|person| person.case == Case::CertificateRevoked)
        .filter_map(|person| Stored::read(directory, person.name))
        .map(|stored| Revoked {
            at: stored.facts.not_before.plus(BACKDATING),
            serial: stored.facts.serial,
            reason: CrlReason::KeyCompromise,
        })
        .collect();
    // The clock goes up by itself, so that no number need be kept.
    let number = u64::try_from(now.as_unix()).unwrap_or(0);
    // As long as the certificates, so that `wicketgate serve` on this directory works as long as they do.
    let edition = Edition { number, this_update: now, next_update: now.plus(LEAF_LIFETIME) };
    for (name, authority, revoked) in
        [("crl/root.pem", root, [].as_slice()), ("crl/intermediate.pem", intermediate, &revoked)]
    {
        let list = pem::revocation_list(&crl::make(authority, edition, revoked)?)?;
        write(&directory.file(name), list.as_bytes(), Access::Public)?;
    }
    Ok(revoked)
}

/// A certificate, its chain and its key, as they were read back from NAME.pem and NAME.key.
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

    fn is_about(&self, subject: &Subject) -> bool {
        let mut names = AlternativeNames::default();
        for name in &subject.names {
            match name {
                AlternativeName::Email(address) => names.emails.push(address.clone()),
                AlternativeName::Dns(host) => names.dns.push(host.clone()),
                AlternativeName::Address(address) => names.addresses.push(*address),
                AlternativeName::Uri(uri) => names.uris.push(uri.clone()),
                AlternativeName::Upn(name) => names.upns.push(name.clone()),
            }
        }
        let common_name = self.facts.subject.attributes.iter().find(|attribute| attribute.oid == COMMON_NAME);
        names == self.facts.names && common_name.is_some_and(|attribute| attribute.value == subject.common_name)
    }
}

fn stored_authority(directory: &Directory, name: &str, now: Timestamp) -> Option<Authority> {
    let Stored { chain, key, facts } = Stored::read(directory, name)?;
    let lasts = now.plus(LEAF_LIFETIME).plus(RENEWAL) <= facts.not_after;
    let began = facts.not_before.plus(EXPIRED.0) <= now;
    if !(lasts && began) {
        return None;
    }
    Authority::open(Box::new(SoftwareKey::from_pkcs8(&key).ok()?), chain.into_iter().next()?, Vec::new()).ok()
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

fn authority_subject(name: &str) -> Subject {
    Subject {
        common_name: format!("Wicketgate Demo {name}"),
        organization: Some("Wicketgate Demo".into()),
        names: Vec::new(),
    }
}

fn authority_validity(now: Timestamp, lifetime: Duration) -> Validity {
    Validity { not_before: now.minus(AUTHORITY_BACKDATING), not_after: now.plus(lifetime) }
}

#[cfg(test)]
mod tests;
