//! An authority that issues, revokes and publishes in this process, into a database that gates read: what
//! `wicketgate authority serve` does in a process of its own.

use super::pki::Credential;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use wicketgate::account::{CertificateKey, IssuedCertificate};
use wicketgate::base::clock::Timestamp;
use wicketgate::ca::issue::Authority;
use wicketgate::ca::key::SoftwareKey;
use wicketgate::ca::pem;
use wicketgate::ca::profile::{AlternativeName, Profile, Subject, Validity};
use wicketgate::ca::publish::Publisher;
use wicketgate::ca::register::{Entry, Reason, Register, Replace};
use wicketgate::certificate::facts::{self, sha256};
use wicketgate::certificate::fields::Fields;
use wicketgate::config::{Publishing, Store};
use wicketgate::store::{Database, Deadlines};

const DAY: Duration = Duration::from_secs(86_400);

/// The runtime that stores work on.
pub(crate) fn control() -> Handle {
    static CONTROL: OnceLock<Runtime> = OnceLock::new();
    let runtime = CONTROL.get_or_init(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    });
    runtime.handle().clone()
}

/// An authority below a root, and the database that it writes to.
pub(crate) struct Office {
    pub(crate) root: Authority,
    pub(crate) authority: Arc<Authority>,
    pub(crate) register: Register,
    pub(crate) database: Database,
}

impl Office {
    /// A new authority over a database, which gets its tables.
    pub(crate) async fn over(store: &Store) -> Self {
        let (root, authority) = authorities();
        Self::of(root, Arc::new(authority), store).await
    }

    /// The same authority on another node.
    pub(crate) async fn twin(&self, store: &Store) -> Self {
        let root = authorities().0;
        Self::of(root, Arc::clone(&self.authority), store).await
    }

    async fn of(root: Authority, authority: Arc<Authority>, store: &Store) -> Self {
        let connected = Database::connect(store, control(), Deadlines::default()).await.unwrap();
        connected.migrate().await.unwrap();
        let database = Database::open(store, control(), Deadlines::default()).await.unwrap();
        Self { root, authority, register: Register::new(database.clone()), database }
    }

    pub(crate) fn publisher(&self, settings: Publishing) -> Publisher {
        let above = [self.root.certificate().clone()];
        Publisher::new(self.database.clone(), Arc::clone(&self.authority), &above, settings).unwrap()
    }

    /// Publishes until the handle is dropped.
    pub(crate) fn publish(&self, settings: Publishing) -> oneshot::Sender<()> {
        let (end, ended) = oneshot::channel();
        let publisher = self.publisher(settings);
        control().spawn(publisher.run(async move {
            let _ = ended.await;
        }));
        end
    }

    /// A client certificate for `NAME@example.org`, on record.
    pub(crate) async fn person(&self, name: &str) -> Credential {
        let subject = Subject {
            common_name: name.to_owned(),
            organization: None,
            names: vec![AlternativeName::Email(format!("{name}@example.org"))],
        };
        let validity = Validity::starting(Timestamp::now(), DAY * 20);
        let issued = self.authority.issue(&Profile::client(), &subject, validity).unwrap();
        self.record(&issued.certificate).await;
        Credential {
            leaf_pem: pem::certificates([&issued.certificate]).unwrap(),
            key_pem: pem::private_key(&issued.key).unwrap().expose_str().unwrap().to_owned(),
            chain: issued.whole_chain(),
        }
    }

    /// Puts a certificate on record.
    pub(crate) async fn record(&self, certificate: &[u8]) {
        let (fields, facts) = (Fields::read(certificate).unwrap(), facts::parse(certificate).unwrap());
        let entry = Entry {
            certificate: IssuedCertificate {
                key: self.key(fields.serial),
                issuer_name: self.authority.name(),
                username: None,
                subject: facts.subject.text.clone(),
                not_before: fields.not_before,
                not_after: fields.not_after,
                fingerprint: sha256(certificate),
                profile: "client".to_owned(),
            },
            spki: Some(sha256(fields.public_key)),
            der: Some(certificate.to_vec()),
        };
        self.register.record(&entry, Replace::None, Timestamp::now()).await.unwrap();
    }

    /// What the database knows a certificate of the authority by.
    pub(crate) fn key(&self, serial: &[u8]) -> CertificateKey {
        CertificateKey::new(&self.authority.name_der().unwrap(), self.authority.public_key(), serial)
    }

    pub(crate) async fn revoke(&self, serial: &[u8], reason: Reason) {
        self.register.revoke(&self.key(serial), Timestamp::now(), reason).await.unwrap();
    }

    /// The certificates of the authority and of its root.
    pub(crate) fn ca_pem(&self) -> String {
        pem::certificates([self.authority.certificate(), self.root.certificate()]).unwrap()
    }

    /// The entries of a list in DER: codes of reasons, 0 for none, by serial number.
    pub(crate) fn entries(der: &[u8]) -> BTreeMap<Vec<u8>, u8> {
        use x509_parser::prelude::{CertificateRevocationList, FromDer};
        let (_, list) = CertificateRevocationList::from_der(der).unwrap();
        list.iter_revoked_certificates()
            .map(|entry| {
                let serial = entry.raw_serial().iter().copied().skip_while(|octet| *octet == 0).collect();
                (serial, entry.reason_code().map_or(0, |(_, code)| code.0))
            })
            .collect()
    }
}

fn authorities() -> (Authority, Authority) {
    let key = || Box::new(SoftwareKey::generate().unwrap());
    let subject = |name: &str| Subject { common_name: name.to_owned(), organization: None, names: Vec::new() };
    let validity = Validity::starting(Timestamp::now(), DAY * 30);
    let root = Authority::root(key(), &subject("Office Root"), validity).unwrap();
    let authority = root.intermediate(key(), &subject("Office"), 0, validity).unwrap();
    (root, authority)
}
