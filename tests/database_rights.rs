//! Each database user has the rights that its part needs and no others: the statements that `wicketgate db grants`
//! prints are run on a real server, and then everything works with exactly those. And the schema is made by one
//! process at a time, with rights that no part needs afterwards.
#![cfg(test)]

mod common;

use common::gate::unused_address;
use common::mariadb::{DATABASE, MariaDb, PASSWORD, USER};
use common::setup::{Setup, wicketgate};
use common::upstream::Upstream;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use wicketgate::account::bulk::{Bulk, Format, ImportError, OnExisting, Options, Phase, Report, Watch};
use wicketgate::account::{
    self, Account, CertificateKey, IssuedCertificate, Lookup, Registry, RegistryError, Status, ha1,
};
use wicketgate::base::clock::Timestamp;
use wicketgate::base::secret::{Secret, SecretSource};
use wicketgate::config::{
    CertificateFiles, DigestAlgorithm, LookupKind, MySql, MySqlTls, MySqlTlsMode, ServerName, Store,
};
use wicketgate::store::mysql::examine;
use wicketgate::store::rights::Role;
use wicketgate::store::{Database, Deadlines, Migrated, OpenError, migrations};

const AT: Timestamp = Timestamp::from_unix(1_800_000_000);

/// The runtime that stores work on.
fn control() -> Handle {
    static CONTROL: OnceLock<Runtime> = OnceLock::new();
    let runtime = CONTROL.get_or_init(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    });
    runtime.handle().clone()
}

fn settings(server: &MariaDb, database: &str, user: &str, password: Option<&str>) -> MySql {
    let address = server.address();
    MySql {
        servers: vec![ServerName { host: address.ip().to_string(), port: address.port() }],
        database: database.to_owned(),
        user: user.to_owned(),
        password: password.map(|password| SecretSource::Literal(Secret::from(password))),
        tls: MySqlTls {
            mode: MySqlTlsMode::Verify,
            ca: Some(server.tls("ca.pem")),
            client: Some(CertificateFiles { chain: server.tls("client.pem"), key: server.tls("client.key") }),
        },
        foreign: None,
        insecure: false,
    }
}

/// A folder with a configuration whose accounts are on this server.
fn folder(server: &MariaDb) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let tls = |file: &str| server.tls(file).display().to_string();
    let text = format!(
        "listeners: [{{ name: one, address: '{}', trust: staff, tls: {{ certificates: \
         [{{ chain: server.pem, key: server.key }}] }} }}]\ntrust: {{ staff: {{ authorities: [ca.pem] }} }}\n\
         accounts: {{ mysql: {{ servers: ['{}'], database: {DATABASE}, user: gate, \
         tls: {{ ca: {}, certificate: {}, key: {} }} }} }}\n\
         routes: [{{ path: /, upstream: app }}]\nupstreams: {{ app: {{ servers: ['http://127.0.0.1:8080'] }} }}\n",
        unused_address(),
        server.address(),
        tls("ca.pem"),
        tls("client.pem"),
        tls("client.key"),
    );
    std::fs::write(folder.path().join("wicketgate.yaml"), text).unwrap();
    folder
}

fn run(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
    command
        .args(words)
        .arg("-c")
        .arg(folder.join("wicketgate.yaml"))
        .env("ADMIN_PASSWORD", "of the admin")
        .output()
        .unwrap()
}

fn account(username: &str) -> Account {
    Account {
        username: username.to_owned(),
        email: Some(format!("{username}@example.org")),
        display_name: None,
        status: Status::Active,
        home: None,
        aliases: vec![format!("{username} too")],
        groups: vec!["staff".to_owned()],
    }
}

fn certificate(serial: u8) -> IssuedCertificate {
    IssuedCertificate {
        key: CertificateKey { issuer: [7; 32], serial: vec![serial] },
        issuer_name: "CN=Authority".to_owned(),
        username: Some("ann".to_owned()),
        subject: "CN=Ann".to_owned(),
        not_before: AT,
        not_after: AT.plus(Duration::from_secs(3600)),
        fingerprint: [serial; 32],
        profile: "client".to_owned(),
    }
}

async fn open(server: &MariaDb, user: &str) -> Arc<dyn Registry> {
    account::open(&Store::MySql(settings(server, DATABASE, user, None)), control()).await.unwrap()
}

/// Imports accounts as this user.
async fn import(server: &MariaDb, user: &str, text: &str) -> Result<Report, ImportError> {
    struct Nobody;
    impl Watch for Nobody {
        fn progress(&self, _: Phase, _: u64, _: u64) {}

        fn given_up(&self, _: &wicketgate::account::bulk::Rejection) {}

        fn is_stopped(&self) -> bool {
            false
        }
    }
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let store = Store::MySql(settings(server, DATABASE, user, None));
    let options = Options { format: Format::Csv, on_existing: OnExisting::Update, keep_going: false, dry_run: false };
    Bulk::open(&store, control()).await?.import(&file, &options, &Nobody).await
}

#[track_caller]
fn denied<T>(done: Result<T, RegistryError>) {
    let error = done.err().expect("it was done").to_string();
    assert!(error.contains("command denied"), "{error}");
}

#[tokio::test]
async fn with_the_rights_that_are_printed_each_part_does_its_work_and_nothing_else() {
    let server = MariaDb::start();
    server.administer(&format!(
        "DROP DATABASE {DATABASE}; CREATE USER admin IDENTIFIED BY 'of the admin'; \
         GRANT ALL ON *.* TO admin WITH GRANT OPTION;"
    ));
    let folder = folder(&server);
    let made = run(folder.path(), &["db", "init", "--admin-user", "admin", "--admin-password-env", "ADMIN_PASSWORD"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let options = ["--accounts-user", "keeper", "--host", "127.0.0.1", "--subject", "/CN=gate"];
    let issuer = ["--issuer", "/CN=Test database authority"];
    let printed = run(folder.path(), &[&["db", "grants"], options.as_slice(), issuer.as_slice()].concat());
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.contains("REQUIRE ISSUER '/CN=Test database authority' AND SUBJECT '/CN=gate';"), "{printed}");
    server.administer(&printed);

    let users = [
        ("gate", Role::Gate),
        ("wicketgate_portal", Role::Portal),
        ("wicketgate_authority", Role::Authority),
        ("keeper", Role::Accounts),
    ];
    for (user, role) in users {
        let examination = examine(&settings(&server, DATABASE, user, None), role, Deadlines::default()).await;
        assert_eq!(examination.diagnoses, [], "{role}");
    }
    let mine = examine(&settings(&server, DATABASE, "keeper", None), Role::Portal, Deadlines::default()).await;
    assert!(mine.is_good() && mine.diagnoses.len() == 1, "another's rights are too many: {:?}", mine.diagnoses);

    let hash = |algorithm| ha1::compute("ann", "realm", &Secret::from("password"), algorithm);
    let (md5, sha256) = (hash(DigestAlgorithm::Md5), hash(DigestAlgorithm::Sha256));
    let keeper = open(&server, "keeper").await;
    keeper.add(&account("ann")).await.unwrap();
    keeper.update(&Account { status: Status::Locked, ..account("ann") }).await.unwrap();
    keeper.set_ha1("ann", "realm", DigestAlgorithm::Md5, Some(&md5)).await.unwrap();
    denied(keeper.record_issued(&certificate(9)).await);
    import(&server, "keeper", "username,name\nben,Ben\n").await.unwrap();
    import(&server, "keeper", "username,name,aliases\nben,Benjamin,b1\n").await.unwrap();

    let authority = open(&server, "wicketgate_authority").await;
    authority.record_issued(&certificate(1)).await.unwrap();
    authority.record_issued(&certificate(2)).await.unwrap();
    authority.revoke(&certificate(1).key, AT, "superseded").await.unwrap();
    denied(authority.add(&account("bob")).await);
    denied(authority.set_ha1("ann", "realm", DigestAlgorithm::Md5, None).await);

    let portal = open(&server, "wicketgate_portal").await;
    portal.set_ha1("ann", "realm", DigestAlgorithm::Sha256, Some(&sha256)).await.unwrap();
    portal.revoke(&certificate(2).key, AT, "lost").await.unwrap();
    denied(portal.update(&account("ann")).await);
    denied(portal.record_issued(&certificate(9)).await);

    let gate = open(&server, "gate").await;
    let lookup = Lookup { kind: LookupKind::Email, name: "ann@example.org".to_owned() };
    assert_eq!(gate.find(&lookup).await.unwrap()[0].status, Status::Locked);
    assert!(gate.ha1("ann", "realm", DigestAlgorithm::Md5).await.unwrap().is_some());
    assert_eq!(gate.revoked(&[certificate(2).key]).await.unwrap(), [Some(AT)]);
    let until = AT.plus(std::time::Duration::from_secs(60));
    assert!(gate.use_once(&[7; 32], until, AT).await.unwrap() && !gate.use_once(&[7; 32], until, AT).await.unwrap());
    denied(gate.revoke(&certificate(1).key, AT, "x").await);
    denied(gate.set_ha1("ann", "realm", DigestAlgorithm::Md5, None).await);
    for user in ["gate", "wicketgate_portal", "wicketgate_authority"] {
        let error = import(&server, user, "username\ncyd\n").await.unwrap_err().to_string();
        assert!(error.contains("command denied"), "{user}: {error}");
    }

    keeper.remove("ann", AT).await.unwrap();
    // Whoever is not to prove itself by a named certificate is locked until it has a password.
    let printed = run(folder.path(), &["db", "grants", "--require-x509"]);
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(printed.matches("REQUIRE X509 ACCOUNT LOCK;").count(), 3, "{printed}");
}

#[tokio::test]
async fn a_gate_that_runs_with_the_rights_that_are_printed_lets_people_in() {
    let server = MariaDb::start();
    let upstream = Upstream::start();
    let accounts = format!("{{ mysql: {}, cache: {{ ttl: 0s, negative_ttl: 0s }} }}", server.configuration());
    let gate = Setup::before(&upstream).file("db.password", PASSWORD).section("accounts", &accounts).start();
    assert_eq!(gate.alice().get("/").await.status, 200);
    let granted = wicketgate(gate.folder(), &["db", "grants"]);
    server.administer(&format!("REVOKE ALL ON {DATABASE}.* FROM {USER}; {granted}; KILL USER {USER};"));
    let check = wicketgate(gate.folder(), &["db", "check"]);
    assert!(!check.contains("warning") && !check.contains("error"), "{check}");
    // The connections that were cut off are replaced.
    assert_eq!(gate.alice().get("/").await.status, 200);
    let stranger = gate.client().with(&gate.pki.person("nobody"));
    assert_eq!(stranger.get("/").await.status, 403);
}

#[tokio::test]
async fn the_statements_that_are_printed_make_the_same_schema() {
    let server = MariaDb::start();
    let folder = folder(&server);
    server.administer(&format!("DROP DATABASE {DATABASE};"));
    let printed = run(folder.path(), &["db", "init", "--print"]);
    let printed = String::from_utf8(printed.stdout).unwrap();
    let schema = |database: &str| {
        server.administer(&format!(
            "SELECT table_name, column_name, column_type, collation_name, is_nullable, column_key \
             FROM information_schema.columns WHERE table_schema = '{database}' AND table_name <> 'migration_lease' \
             ORDER BY table_name, ordinal_position"
        ))
    };
    for _ in 0..2 {
        server.administer(&printed);
    }
    let other = server.database();
    let store = Store::MySql(settings(&server, &other.name, &other.user, Some(&other.password)));
    let database = Database::connect(&store, control(), Deadlines::default()).await.unwrap();
    database.migrate().await.unwrap();
    assert_eq!(schema(DATABASE), schema(&other.name));
    assert!(schema(DATABASE).lines().count() > 20);
    let store = Store::MySql(settings(&server, DATABASE, USER, Some(PASSWORD)));
    let database = Database::open(&store, control(), Deadlines::default()).await.unwrap();
    let newest = migrations::newest();
    assert_eq!(database.migrate().await.unwrap(), Migrated { from: Some(newest), to: newest });
}

#[tokio::test]
async fn only_one_process_migrates_at_a_time() {
    let server = MariaDb::shared();
    let database = server.database();
    let store = Store::MySql(settings(server, &database.name, &database.user, Some(&database.password)));
    let connect = || async { Database::connect(&store, control(), Deadlines::default()).await.unwrap() };
    let (one, two, three) = tokio::join!(connect(), connect(), connect());
    let done = tokio::join!(one.migrate(), two.migrate(), three.migrate());
    let newest = migrations::newest();
    let from: Vec<Option<u32>> = [done.0, done.1, done.2].into_iter().map(|done| done.unwrap().from).collect();
    assert_eq!(from.iter().filter(|from| from.is_none()).count(), 1, "one made it, the others found it: {from:?}");

    let sql = |sql: &str| server.administer(&format!("USE {}; {sql};", database.name));
    sql("DELETE FROM schema_version; UPDATE migration_lease SET holder = 'x', who = 'wg@node2', \
         expires = UNIX_TIMESTAMP() + 600");
    let OpenError::Fault(refused) = one.migrate().await.unwrap_err() else { panic!("it was refused otherwise") };
    let refused = refused.to_string();
    assert!(refused.contains("another process is migrating it: wg@node2 for at most"), "{refused}");
    assert_eq!(sql("SELECT COUNT(*) FROM schema_version"), "0\n");
    // Whoever held it has died, and its lease ends.
    sql("UPDATE migration_lease SET expires = UNIX_TIMESTAMP() + 2");
    assert_eq!(one.migrate().await.unwrap(), Migrated { from: None, to: newest });
    assert_eq!(sql("SELECT expires FROM migration_lease"), "0\n");
}
