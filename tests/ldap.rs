//! Certificates in an LDAP directory, a real slapd over TLS: what is issued is there and what is revoked is gone, a
//! directory that is down delays that and nothing else, and nobody gets a certificate into another's entry.
#![cfg(test)]

mod common;

use common::mariadb::MariaDb;
use common::pki::{Authority, Leaf};
use common::slapd::{BASE, BIND_DN, PASSWORD, Slapd};
use rustls_pki_types::CertificateDer;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use wicketgate::account::{self, Account, CertificateKey, IssuedCertificate, Registry, Status};
use wicketgate::base::clock::Timestamp;
use wicketgate::base::secret::{Secret, SecretSource};
use wicketgate::ca::ldap::{PublishError, Published, Publisher, Unreachable};
use wicketgate::ca::pkcs7;
use wicketgate::ca::register::{Entry, Reason, Register, Replace};
use wicketgate::config::{Ldap, LdapAttribute, LdapFilter, LdapServer, MySql, MySqlTls, ServerName, Store};
use wicketgate::store::{Database, Deadlines};

const CERTIFICATE: &str = "userCertificate;binary";
const MESSAGE: &str = "userSMIMECertificate";

/// An authority's register and accounts, a directory, and the publisher between them.
struct World {
    folder: tempfile::TempDir,
    authority: Authority,
    slapd: Slapd,
    store: Store,
    register: Register,
    accounts: Arc<dyn Registry>,
}

/// The runtime that stores work on.
fn control() -> Handle {
    static CONTROL: OnceLock<Runtime> = OnceLock::new();
    let runtime = CONTROL.get_or_init(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    });
    runtime.handle().clone()
}

async fn database(store: &Store) -> Database {
    Database::open(store, control(), Deadlines::default()).await.unwrap()
}

impl World {
    async fn new() -> Self {
        Self::with(Slapd::start).await
    }

    async fn with(slapd: impl FnOnce(&Authority) -> Slapd) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::Sqlite { path: folder.path().join("wicketgate.db") };
        Self::over(folder, store, slapd).await
    }

    async fn over(folder: tempfile::TempDir, store: Store, slapd: impl FnOnce(&Authority) -> Slapd) -> Self {
        let authority = Authority::root("Authority of the directory");
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        Database::connect(&store, control(), Deadlines::default()).await.unwrap().migrate().await.unwrap();
        let accounts = account::open(&store, control()).await.unwrap();
        for (name, called) in [("ann", "Ann"), ("ben", "Ben"), ("twin", "Twin")] {
            accounts.add(&person(name, called)).await.unwrap();
        }
        let register = Register::new(database(&store).await).publishing(&["smime".to_owned()]);
        Self { folder, slapd: slapd(&authority), authority, store, register, accounts }
    }

    fn settings(&self) -> Ldap {
        Ldap {
            servers: vec![LdapServer::parse(&self.slapd.ldaps()).unwrap()],
            ca: self.folder.path().join("ca.pem"),
            bind_dn: BIND_DN.to_owned(),
            password: SecretSource::Literal(Secret::from(PASSWORD)),
            base: BASE.to_owned(),
            filter: LdapFilter::parse("(&(objectClass=inetOrgPerson)(mail={email}))").unwrap(),
            attributes: [CERTIFICATE, MESSAGE].map(|name| LdapAttribute::parse(name).unwrap()).to_vec(),
            profiles: vec!["smime".to_owned()],
            timeout: Duration::from_secs(10),
        }
    }

    async fn publisher(&self, settings: Ldap) -> Publisher {
        let accounts = account::open_directory(&self.store, control()).await.unwrap();
        Publisher::new(settings, database(&self.store).await, accounts, vec![self.authority.der()]).unwrap()
    }

    /// Publishes what is due by these settings.
    async fn publish_by(&self, settings: Ldap) -> Result<Published, PublishError> {
        self.publisher(settings).await.work(Timestamp::now).await
    }

    async fn publish(&self) -> Published {
        self.publish_by(self.settings()).await.unwrap()
    }

    /// Publishes what is due at a time that stands still.
    async fn publish_at(&self, at: Timestamp) -> Published {
        self.publisher(self.settings()).await.work(|| at).await.unwrap()
    }

    /// Records a certificate as one that was issued.
    async fn issue(&self, username: &str, profile: &str) -> (CertificateKey, CertificateDer<'static>) {
        let credential = self.authority.issue(Leaf::person(&format!("{username}@example.org")));
        let certificate = credential.chain[0].clone();
        let fingerprint = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate);
        let key = CertificateKey { issuer: [7; 32], serial: credential.serial() };
        let entry = Entry {
            certificate: IssuedCertificate {
                key: key.clone(),
                issuer_name: "CN=Test".to_owned(),
                username: Some(username.to_owned()),
                subject: format!("CN={username}"),
                not_before: Timestamp::now(),
                not_after: Timestamp::now().plus(Duration::from_secs(86_400)),
                fingerprint: fingerprint.as_ref().try_into().unwrap(),
                profile: profile.to_owned(),
            },
            spki: None,
            der: Some(certificate.to_vec()),
        };
        self.register.record(&entry, Replace::None, Timestamp::now()).await.unwrap();
        (key, certificate)
    }

    async fn revoke(&self, key: &CertificateKey, reason: Reason) {
        self.register.revoke(key, Timestamp::now(), reason).await.unwrap();
    }

    /// Asserts that the directory has these certificates of somebody, in both attributes.
    #[track_caller]
    fn holds(&self, uid: &str, certificates: &[&CertificateDer<'static>]) {
        let plain: BTreeSet<Vec<u8>> = certificates.iter().map(|certificate| certificate.to_vec()).collect();
        assert_eq!(self.slapd.values(uid, CERTIFICATE), plain, "{uid}");
        let root = self.authority.der();
        let messages: BTreeSet<Vec<u8>> =
            certificates.iter().map(|certificate| pkcs7::certs_only([*certificate, &root]).unwrap()).collect();
        assert_eq!(self.slapd.values(uid, MESSAGE), messages, "{uid}");
    }

    /// What stands in the way of all that is not done yet.
    async fn problems(&self) -> Vec<String> {
        let pending = self.publisher(self.settings()).await.pending().await.unwrap();
        pending.into_iter().map(|pending| pending.problem.unwrap_or_default()).collect()
    }
}

fn person(username: &str, called: &str) -> Account {
    Account {
        username: username.to_owned(),
        email: Some(format!("{username}@example.org")),
        display_name: Some(called.to_owned()),
        status: Status::Active,
        home: None,
        aliases: Vec::new(),
        groups: Vec::new(),
    }
}

fn added(added: u32) -> Published {
    Published { added, ..Published::default() }
}

fn removed(removed: u32) -> Published {
    Published { removed, ..Published::default() }
}

fn run(test: impl Future<Output = ()>) {
    control().block_on(test);
}

/// A person's certificates come, go and come again.
async fn life(world: World) {
    let (first, old) = world.issue("ann", "smime").await;
    let (second, new) = world.issue("ann", "smime").await;
    let (_, other) = world.issue("ben", "smime").await;
    let (client, _) = world.issue("ben", "client").await;
    assert_eq!(world.publish().await, added(3));
    world.holds("ann", &[&old, &new]);
    world.holds("ben", &[&other]);
    assert_eq!(world.publish().await, Published::default(), "there is nothing more to do");
    world.revoke(&first, Reason::Superseded).await;
    world.revoke(&second, Reason::CertificateHold).await;
    world.revoke(&client, Reason::KeyCompromise).await;
    assert_eq!(world.publish().await, removed(2));
    world.holds("ann", &[]);
    world.holds("ben", &[&other]);
    world.register.release(&second, Timestamp::now()).await.unwrap();
    // By StartTLS it is the same.
    let servers = vec![LdapServer::parse(&world.slapd.ldap()).unwrap()];
    assert_eq!(world.publish_by(Ldap { servers, ..world.settings() }).await.unwrap(), added(1));
    world.holds("ann", &[&new]);
    // What somebody has put in or taken out already is done.
    world.revoke(&second, Reason::KeyCompromise).await;
    let attributes = vec![LdapAttribute::parse(CERTIFICATE).unwrap()];
    assert_eq!(world.publish_by(Ldap { attributes, ..world.settings() }).await.unwrap(), removed(1));
    assert_eq!(world.slapd.values("ann", CERTIFICATE), BTreeSet::new());
    assert_eq!(world.slapd.values("ann", MESSAGE).len(), 1);
}

#[test]
fn a_certificate_is_published_over_tls_and_removed_when_it_is_revoked() {
    run(async { life(World::new().await).await });
}

#[test]
fn with_mariadb_it_is_the_same() {
    let server = MariaDb::shared();
    let database = server.database();
    let store = Store::MySql(MySql {
        servers: vec![ServerName { host: server.address().ip().to_string(), port: server.address().port() }],
        database: database.name,
        user: database.user,
        password: Some(SecretSource::Literal(Secret::from(database.password.as_str()))),
        tls: MySqlTls::default(),
        foreign: None,
        insecure: false,
    });
    run(async { life(World::over(tempfile::tempdir().unwrap(), store, Slapd::start).await).await });
}

#[test]
fn a_directory_that_is_down_delays_publishing_and_never_issuing() {
    run(async {
        let mut world = World::new().await;
        let (first, old) = world.issue("ann", "smime").await;
        world.publish().await;
        world.slapd.stop();
        let (_, new) = world.issue("ann", "smime").await;
        world.revoke(&first, Reason::Superseded).await;
        let (gone, _) = world.issue("ben", "smime").await;
        world.revoke(&gone, Reason::KeyCompromise).await;
        let error = world.publish_by(world.settings()).await.unwrap_err();
        assert!(matches!(error, PublishError::Unreachable(Unreachable::Servers(_))), "{error}");
        assert_eq!(world.problems().await.len(), 3);
        world.slapd.start_again();
        world.holds("ann", &[&old]);
        // The first server is not there; the second one is asked.
        let servers = ["ldaps://127.0.0.1:1".to_owned(), world.slapd.ldaps()];
        let servers = servers.iter().map(|url| LdapServer::parse(url).unwrap()).collect();
        let published = world.publish_by(Ldap { servers, ..world.settings() }).await.unwrap();
        assert_eq!(published, Published { added: 1, removed: 2, ..Published::default() });
        world.holds("ann", &[&new]);
        world.holds("ben", &[]);
        assert_eq!(world.problems().await, Vec::<String>::new());
    });
}

#[test]
fn a_directory_that_does_not_show_who_it_is_is_told_nothing() {
    run(async {
        let world = World::new().await;
        world.issue("ann", "smime").await;
        let other = world.folder.path().join("other.pem");
        std::fs::write(&other, Authority::root("Another authority").pem()).unwrap();
        for url in [world.slapd.ldaps(), world.slapd.ldap()] {
            let servers = vec![LdapServer::parse(&url).unwrap()];
            let error = world.publish_by(Ldap { servers, ca: other.clone(), ..world.settings() }).await.unwrap_err();
            assert!(error.to_string().contains("UnknownIssuer"), "{error}");
        }
        let misnamed = World::with(Slapd::misnamed).await;
        misnamed.issue("ann", "smime").await;
        let error = misnamed.publish_by(misnamed.settings()).await.unwrap_err();
        assert!(error.to_string().contains("not valid for name"), "{error}");
        let error = world.publish_by(Ldap { ca: PathBuf::from("/nowhere.pem"), ..world.settings() }).await.unwrap_err();
        assert!(error.to_string().contains("/nowhere.pem"), "{error}");
        world.holds("ann", &[]);
    });
}

#[test]
fn a_wrong_password_is_said_and_appears_nowhere() {
    run(async {
        let world = World::new().await;
        world.issue("ann", "smime").await;
        let password = SecretSource::Literal(Secret::from("wrong one"));
        let error = world.publish_by(Ldap { password, ..world.settings() }).await.unwrap_err();
        assert!(matches!(error, PublishError::Unreachable(Unreachable::Bind { .. })), "{error}");
        assert!(error.to_string().contains("the name or the password is wrong"), "{error}");
        assert!(!format!("{error} {error:?}").contains("wrong one"));
        // It is asked for each time, so that a new one is taken up.
        assert_eq!(world.publish().await, added(1));
    });
}

#[test]
fn nobody_gets_a_certificate_into_the_entry_of_another() {
    run(async {
        let world = World::new().await;
        let filter = LdapFilter::parse("(&(objectClass=inetOrgPerson)(cn={name}))").unwrap();
        for (username, called) in [("eve", "*"), ("eva", "Ann)(uid=*"), ("evi", "x)(|(cn=Ann)"), ("evo", "B*n")] {
            world.accounts.add(&person(username, called)).await.unwrap();
            world.issue(username, "smime").await;
        }
        let published = world.publish_by(Ldap { filter, ..world.settings() }).await.unwrap();
        assert_eq!(published, Published { postponed: 4, ..Published::default() });
        for problem in world.problems().await {
            assert!(problem.contains("finds no entry"), "{problem}");
        }
        for uid in ["ann", "ben", "twin1", "twin2"] {
            world.holds(uid, &[]);
        }
    });
}

#[test]
fn what_cannot_be_published_waits_and_holds_up_nobody_else() {
    run(async {
        let world = World::new().await;
        world.accounts.add(&person("new", "New")).await.unwrap();
        let (key, _) = world.issue("new", "smime").await;
        world.issue("twin", "smime").await;
        let (_, ann) = world.issue("ann", "smime").await;
        let now = Timestamp::now();
        assert_eq!(world.publish_at(now).await, Published { added: 1, postponed: 2, ..Published::default() });
        world.holds("ann", &[&ann]);
        let problems = world.problems().await;
        assert_eq!(problems.iter().filter(|problem| problem.contains("more than one entry")).count(), 1);
        assert_eq!(problems.iter().filter(|problem| problem.contains("finds no entry")).count(), 1);
        assert_eq!(world.publish_at(now).await, Published::default(), "nothing is tried again at once");
        // What was never added is removed when it is revoked before somebody makes the entry.
        world.revoke(&key, Reason::CessationOfOperation).await;
        assert_eq!(world.publish_at(now).await, removed(1));
        let tomorrow = now.plus(Duration::from_secs(86_400));
        assert_eq!(world.publish_at(tomorrow).await, Published { postponed: 1, ..Published::default() });
    });
}

#[test]
fn of_several_nodes_one_alone_publishes_and_nothing_is_done_twice() {
    run(async {
        let world = World::new().await;
        let mut certificates = Vec::new();
        for _ in 0..12 {
            certificates.push(world.issue("ann", "smime").await.1);
        }
        let (one, other) = (world.publisher(world.settings()).await, world.publisher(world.settings()).await);
        let (first, second) = tokio::join!(one.work(Timestamp::now), other.work(Timestamp::now));
        let done = [first.unwrap(), second.unwrap()];
        assert_eq!(done.iter().map(|done| done.added).sum::<u32>(), 12, "{done:?}");
        world.holds("ann", &certificates.iter().collect::<Vec<_>>());
    });
}

/// A folder in which the commands find an authority and this directory.
fn commands(slapd: &Slapd, authority: &Authority) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let configuration = format!(
        "listeners: [{{ name: one, address: \"127.0.0.1:0\", client_certificate: off, \
         tls: {{ certificates: [{{ chain: s.pem, key: s.key }}] }} }}]\n\
         identity: [{{ from: san.email }}]\n\
         routes: [{{ path: /, anonymous: allow, upstream: app }}]\n\
         upstreams: {{ app: {{ servers: [\"http://127.0.0.1:1\"] }} }}\n\
         accounts: {{ sqlite: {{ path: accounts.db }} }}\n\
         authority:\n  directory: authority\n  passphrase: {{ file: passphrase }}\n\
         \x20 profiles: {{ smime: {{ subject: {{ common_name: \"{{username}}\", \
         organizational_unit: \"{{ldap:sn}}\" }} }} }}\n\
         \x20 ldap:\n    servers: [\"{}\"]\n    ca: ca.pem\n    bind_dn: {BIND_DN}\n    password: {{ file: password }}\n\
         \x20   base: {BASE}\n    filter: (mail={{email}})\n    timeout: 10s\n",
        slapd.ldaps()
    );
    std::fs::write(folder.path().join("wicketgate.yaml"), configuration).unwrap();
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    common::pki::write_private(&folder.path().join("passphrase"), "of the whole authority\n");
    common::pki::write_private(&folder.path().join("password"), &format!("{PASSWORD}\n"));
    folder
}

/// Runs a command; whether it succeeded, and what it said.
fn wicketgate(folder: &tempfile::TempDir, words: &str) -> (bool, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_wicketgate"));
    command.args(words.split(' ')).args(["-c", "wicketgate.yaml"]).current_dir(folder.path());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn the_commands_publish_what_they_issue_and_take_subjects_from_the_directory() {
    let authority = Authority::root("Authority of the directory");
    let mut slapd = Slapd::start(&authority);
    let folder = commands(&slapd, &authority);
    let good = |words: &str| {
        let (good, said) = wicketgate(&folder, words);
        assert!(good, "{words}: {said}");
        said
    };
    good("ca init --name Example");
    good("account add ann --email ann@example.org");
    good("account add twin --email twin@example.org");
    good("ca issue ann --profile smime --out ann.p12");
    let listed = good("ca list --json");
    assert!(listed.contains("OU=Example"), "{listed}");
    let (issued, why) = wicketgate(&folder, "ca issue twin --profile smime --out twin.p12");
    assert!(!issued && why.contains("more than one entry"), "{why}");
    assert!(good("ca publish-directory --pending").contains("add "));
    assert!(good("ca publish-directory").contains("added 1, removed 0, postponed 0"));
    assert_eq!(slapd.values("ann", CERTIFICATE).len(), 1);
    assert_eq!(good("ca publish-directory --pending"), "nothing waits\n");
    slapd.stop();
    // A subject is not guessed, what needs none is issued, and a revocation waits for nobody.
    assert!(!wicketgate(&folder, "ca issue ann --profile smime --out other.p12").0);
    good("ca issue ann --profile client --out client.p12");
    good("ca revoke --account ann");
    let (published, why) = wicketgate(&folder, "ca publish-directory");
    assert!(!published && why.contains("no server of the directory can be reached"), "{why}");
    slapd.start_again();
    assert!(good("ca publish-directory").contains("added 0, removed 1, postponed 0"));
    assert_eq!(slapd.values("ann", CERTIFICATE), BTreeSet::new());
}
