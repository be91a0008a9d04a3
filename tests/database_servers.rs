//! How database servers are connected to: several of them, by socket, by each kind of proof, and never in clear
//! text to another machine by accident.
#![cfg(test)]

mod common;

use common::mariadb::{DATABASE, MariaDb, PASSWORD, USER};
use common::pki::write_private;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle, Runtime};
use wicketgate::account::{self, Account, Edit, Lookup, Registry, Status};
use wicketgate::base::secret::{Secret, SecretSource};
use wicketgate::config::{LookupKind, MySql, MySqlTls, MySqlTlsMode, ServerName, Store};
use wicketgate::store::changes::Since;
use wicketgate::store::{Abort, Database, Deadlines};

/// The runtime that stores work on.
fn control() -> Handle {
    static CONTROL: OnceLock<Runtime> = OnceLock::new();
    let runtime = CONTROL.get_or_init(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    });
    runtime.handle().clone()
}

fn settings(servers: &[&MariaDb]) -> MySql {
    let name =
        |server: &&MariaDb| ServerName { host: server.address().ip().to_string(), port: server.address().port() };
    MySql {
        servers: servers.iter().map(name).collect(),
        database: DATABASE.to_owned(),
        user: USER.to_owned(),
        password: Some(SecretSource::Literal(Secret::from(PASSWORD))),
        tls: MySqlTls::default(),
        foreign: None,
        insecure: false,
    }
}

/// A server with our schema.
async fn start() -> MariaDb {
    let server = tokio::task::spawn_blocking(MariaDb::start).await.unwrap();
    let store = Store::MySql(settings(&[&server]));
    let database = Database::connect(&store, control(), Deadlines::default()).await.unwrap();
    database.migrate().await.unwrap();
    server
}

async fn open(settings: &MySql) -> Arc<dyn Registry> {
    account::open(&Store::MySql(settings.clone()), control()).await.unwrap()
}

fn account(username: &str) -> Account {
    Account {
        username: username.to_owned(),
        email: None,
        display_name: None,
        status: Status::Active,
        home: None,
        aliases: Vec::new(),
        groups: Vec::new(),
    }
}

async fn is_known(registry: &Arc<dyn Registry>, name: &str) -> bool {
    let lookup = Lookup { kind: LookupKind::Username, name: name.to_owned() };
    !registry.find(&lookup).await.unwrap().is_empty()
}

fn accounts_on(server: &MariaDb) -> String {
    server.sql("SELECT GROUP_CONCAT(username ORDER BY username) FROM accounts").trim().to_owned()
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_asked_only_when_no_other_answers() {
    let (replica, mut primary) = tokio::join!(start(), start());
    for (server, marker) in [(&replica, "on the replica"), (&primary, "on the primary")] {
        server.sql(&format!("INSERT INTO accounts (username, status) VALUES ('{marker}', 'active')"));
    }
    replica.administer("SET GLOBAL read_only = ON");
    let registry = open(&settings(&[&replica, &primary])).await;
    assert!(is_known(&registry, "on the primary").await, "a replica may lag behind, even if it is named first");
    registry.add(&account("ann")).await.unwrap();
    assert_eq!(accounts_on(&primary), "ann,on the primary");
    assert_eq!(accounts_on(&replica), "on the replica");

    // They change places, under a pool that has connections.
    primary.administer("SET GLOBAL read_only = ON");
    replica.administer("SET GLOBAL read_only = OFF");
    registry.add(&account("bob")).await.unwrap();
    assert_eq!(accounts_on(&primary), "ann,on the primary");
    assert_eq!(accounts_on(&replica), "bob,on the replica");
    assert!(is_known(&registry, "bob").await);

    replica.administer("SET GLOBAL read_only = ON");
    let refused = registry.add(&account("carol")).await.unwrap_err().to_string();
    assert_eq!(refused.matches("takes no writes").count(), 2, "{refused}");
    assert!(is_known(&registry, "on the replica").await, "look-ups need no server that takes writes");
    let unread = registry.changes(None).await.unwrap_err().to_string();
    assert!(unread.contains("takes no writes"), "the feed of changes is never read from a replica: {unread}");

    primary.stop();
    let registry = open(&settings(&[&replica, &primary])).await;
    assert!(is_known(&registry, "on the replica").await);
}

#[tokio::test]
async fn the_preferred_server_is_gone_back_to_when_it_is_back() {
    let (mut first, second) = tokio::join!(start(), start());
    for (server, marker) in [(&first, "on the first"), (&second, "on the second")] {
        server.sql(&format!("INSERT INTO accounts (username, status) VALUES ('{marker}', 'active')"));
    }
    let registry = open(&settings(&[&first, &second])).await;
    assert!(is_known(&registry, "on the first").await);
    first.stop();
    assert!(is_known(&registry, "on the second").await, "the next one answers at once");
    first.start_again();
    let start = Instant::now();
    while !is_known(&registry, "on the first").await {
        assert!(start.elapsed() < common::PATIENCE, "it stays with the second one");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test]
async fn a_server_is_reached_by_its_socket() {
    let server = start().await;
    let mut settings = settings(&[&server]);
    let socket = server.socket();
    settings.servers = vec![ServerName { host: socket.display().to_string(), port: 0 }];
    // TLS is for the network; over the socket there is none.
    settings.tls = MySqlTls { mode: MySqlTlsMode::Verify, ca: Some("/nonexistent/ca.pem".into()), client: None };
    assert_eq!(settings.exposed(), None);
    let registry = open(&settings).await;
    registry.add(&account("ann")).await.unwrap();
    assert!(is_known(&registry, "ann").await);
    settings.servers[0].host = format!("{}.absent", socket.display());
    let error = account::open(&Store::MySql(settings), control()).await.err().unwrap();
    assert!(error.why.contains("the server's socket cannot be connected to"), "{error}");
}

#[tokio::test]
async fn each_kind_of_password_and_each_version_of_tls_is_spoken() {
    let mut server = start().await;
    let mut settings = settings(&[&server]);
    settings.tls = MySqlTls { mode: MySqlTlsMode::Verify, ca: Some(server.tls("ca.pem")), client: None };
    for version in ["TLSv1.2", "TLSv1.3"] {
        server.restart_with(&[&format!("--tls-version={version}")]);
        open(&settings).await;
    }
    server.administer("INSTALL SONAME 'auth_ed25519'");
    for method in ["mysql_native_password", "ed25519"] {
        server.administer(&format!("ALTER USER {USER} IDENTIFIED VIA {method} USING PASSWORD('{PASSWORD}')"));
        open(&settings).await;
        let mut wrong = settings.clone();
        wrong.password = Some(SecretSource::Literal(Secret::from("hunter2")));
        let error = account::open(&Store::MySql(wrong), control()).await.err().unwrap();
        assert!(error.why.contains("refused the user"), "{method}: {error}");
    }
}

#[tokio::test]
async fn a_password_that_is_changed_while_the_gate_runs_is_taken_up() {
    let server = start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db.password");
    write_private(&file, PASSWORD);
    let mut settings = settings(&[&server]);
    settings.password = Some(SecretSource::File(file.clone()));
    let registry = open(&settings).await;
    registry.add(&account("ann")).await.unwrap();
    server.administer(&format!("ALTER USER {USER} IDENTIFIED BY 'another'; KILL USER {USER};"));
    let lookup = Lookup { kind: LookupKind::Username, name: "ann".to_owned() };
    let error = registry.find(&lookup).await.unwrap_err();
    assert!(error.why.contains("compare the password") && !error.why.contains(PASSWORD), "{error}");
    write_private(&file, "another");
    let start = Instant::now();
    while registry.find(&lookup).await.is_err() {
        assert!(start.elapsed() < common::PATIENCE, "the new password is not taken up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_statement_is_prepared_once_for_each_connection() {
    let server = start().await;
    let registry = open(&settings(&[&server])).await;
    registry.add(&account("ann")).await.unwrap();
    assert!(is_known(&registry, "ann").await);
    let prepared = || -> u64 {
        let status = server.administer("SHOW GLOBAL STATUS LIKE 'Com_stmt_prepare'");
        status.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let before = prepared();
    for _ in 0..20 {
        assert!(is_known(&registry, "ann").await);
    }
    assert_eq!(prepared(), before);
}

/// How `wicketgate serve` ends under these settings of `accounts.mysql`.
fn serve(folder: &Path, settings: &str) -> String {
    let configuration = format!(
        "listeners: [{{ name: one, address: '127.0.0.1:9443', trust: staff, tls: {{ certificates: \
         [{{ chain: absent.pem, key: absent.key }}] }} }}]\ntrust: {{ staff: {{ authorities: [absent.pem] }} }}\n\
         accounts: {{ mysql: {{ servers: ['db.invalid'], database: d, user: u, password: {{ env: PATH }}, {settings} }} }}\n\
         routes: [{{ path: /, upstream: app }}]\nupstreams: {{ app: {{ servers: ['http://127.0.0.1:8080'] }} }}\n"
    );
    let file = folder.join("wicketgate.yaml");
    std::fs::write(&file, configuration).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_wicketgate")).args(["serve", "-c"]).arg(&file).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn nothing_is_said_to_another_machine_in_clear_text_unless_it_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let refused = serve(folder.path(), "tls: { mode: off }");
    assert!(refused.contains("db.invalid:3306") && refused.contains("would travel unencrypted"), "{refused}");
    let allowed = serve(folder.path(), "insecure: true");
    assert!(!allowed.contains("unencrypted") && allowed.contains("absent.pem"), "{allowed}");
}

/// A reader that keeps its connection for two seconds.
async fn dawdle(database: Database) -> bool {
    let slept = database.read((), |session, ()| {
        Box::pin(
            async move { Ok::<_, Abort<std::convert::Infallible>>(session.query("SELECT SLEEP(2)", vec![]).await?) },
        )
    });
    slept.await.is_ok()
}

#[tokio::test]
async fn the_feed_is_read_though_every_connection_is_busy() {
    let server = start().await;
    let database = Database::open(&Store::MySql(settings(&[&server])), control(), Deadlines::default()).await.unwrap();
    let busy: Vec<_> = (0..8).map(|_| tokio::spawn(dawdle(database.clone()))).collect();
    let sleeping = || server.administer("SHOW PROCESSLIST").matches("SLEEP").count();
    let start = Instant::now();
    while sleeping() < 8 {
        assert!(start.elapsed() < common::PATIENCE, "{} of 8 sleep", sleeping());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    database.changes(None).await.unwrap();
    assert_eq!(sleeping(), 8, "it waited for none of them");
    for reader in busy {
        assert!(reader.await.unwrap());
    }
}

#[tokio::test]
async fn what_the_feed_has_told_is_not_unsaid_by_a_server_that_lags_behind() {
    let (mut primary, replica) = tokio::join!(start(), start());
    // As one replicates that has not got the last change yet.
    let before = "INSERT INTO accounts (username, status) VALUES ('ann', 'active'); UPDATE change_counter SET n = 7;";
    primary.sql(before);
    replica.sql(before);
    replica.administer("SET GLOBAL read_only = ON");
    let registry = open(&settings(&[&primary, &replica])).await;
    let locked = Edit { status: Some(Status::Locked), ..Edit::default() };
    registry.edit("ann", &locked).await.unwrap();
    let Since::Gap(_) = registry.changes(None).await.unwrap() else { panic!("the feed was never read before") };
    primary.stop();
    let lookup = Lookup { kind: LookupKind::Username, name: "ann".to_owned() };
    let start = Instant::now();
    let error = loop {
        match registry.find(&lookup).await {
            Err(error) if error.why.contains("lags behind") => break error,
            Err(_) if start.elapsed() < common::PATIENCE => tokio::time::sleep(Duration::from_millis(100)).await,
            other => panic!("{other:?}"),
        }
    };
    assert!(error.why.contains("it has change 7, and change 8 is known already"), "{error}");
    replica.sql("UPDATE accounts SET status = 'locked'; UPDATE change_counter SET n = 8;");
    assert_eq!(registry.find(&lookup).await.unwrap()[0].status, Status::Locked);
}

/// How many connections the user of the tests has on a server.
fn connections(server: &MariaDb) -> usize {
    let all = server.administer("SHOW PROCESSLIST");
    all.lines().filter(|line| line.split('\t').nth(1) == Some(USER)).count()
}

#[tokio::test]
async fn a_demoted_primary_is_not_believed_over_connections_that_stayed_open() {
    let (old, new) = tokio::join!(start(), start());
    for server in [&old, &new] {
        server
            .sql("INSERT INTO accounts (username, status) VALUES ('bob', 'active'); UPDATE change_counter SET n = 7;");
    }
    new.administer("SET GLOBAL read_only = ON");
    let both = settings(&[&old, &new]);
    let (one, two) = tokio::join!(open(&both), open(&both));
    let lookup = Lookup { kind: LookupKind::Username, name: "bob".to_owned() };
    for registry in [&one, &two] {
        let Since::Gap(_) = registry.changes(None).await.unwrap() else { panic!("the feed was never read before") };
        assert_eq!(registry.find(&lookup).await.unwrap()[0].status, Status::Active);
    }
    assert_eq!(connections(&old), 4, "each has one for the feed and one for look-ups");

    // They change places in order, so that no connection breaks, and the old primary has yet to get what follows.
    old.administer("SET GLOBAL read_only = ON");
    new.administer("SET GLOBAL read_only = OFF");
    let locked = Edit { status: Some(Status::Locked), ..Edit::default() };
    open(&settings(&[&new])).await.edit("bob", &locked).await.unwrap();
    for registry in [&one, &two] {
        let Since::Gap(position) = registry.changes(None).await.unwrap() else { panic!("no position was given") };
        assert_eq!(position.number(), 8);
    }
    let start = Instant::now();
    while connections(&old) != 2 {
        assert!(start.elapsed() < common::PATIENCE, "{} are open", connections(&old));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(one.find(&lookup).await.unwrap()[0].status, Status::Locked, "the new primary is asked instead");

    // One that takes writes again is no better for it, though it stands first.
    old.administer("SET GLOBAL read_only = OFF");
    let error = two.find(&lookup).await.unwrap_err();
    assert!(error.why.contains("it has change 7, and change 8 is known already"), "{error}");
    old.sql("UPDATE accounts SET status = 'locked'; UPDATE change_counter SET n = 8;");
    assert_eq!(two.find(&lookup).await.unwrap()[0].status, Status::Locked);
}
