//! Accounts in a real database: one suite, run against SQLite, MariaDB and a Galera cluster; what of it only reads,
//! against the foreign tables of `examples/accounts`, too; and what only one of them can show. The store works on a
//! runtime of its own and is asked from another, as it is by the gate.
#![cfg(test)]

mod common;

use common::foreign::{Example, ForeignRegistry};
use common::galera::Cluster;
use common::gate::unused_address;
use common::mariadb::{self, MariaDb};
use std::future::Future;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle, Runtime};
use wicketgate::account::cache::Accounts;
use wicketgate::account::{
    self, Account, CertificateKey, Directory, Edit, Ha1, IssuedCertificate, Lookup, Registry, RegistryError, Status,
    Unavailable, ha1,
};
use wicketgate::base::clock::Timestamp;
use wicketgate::base::secret::{Secret, SecretSource};
use wicketgate::config::{
    Cache, CertificateFiles, DigestAlgorithm, LookupKind, MySql, MySqlTls, MySqlTlsMode, ServerName, Store,
};
use wicketgate::store::{Database, Deadlines, migrations};

/// An answer that must come within a deadline of the store may be late by this much on a busy machine.
const SLACK: Duration = Duration::from_secs(10);

const AT: Timestamp = Timestamp::from_unix(1_800_000_000);

/// Makes an alias (the first) of an account (the second), past the commands.
type Share = Box<dyn Fn(&str, &str) + Send + Sync>;

/// A store with the schema and nothing in it.
struct World {
    registry: Arc<dyn Registry>,
    store: Store,
    /// Runs SQL behind the registry's back.
    execute: Arc<dyn Fn(&str) -> String + Send + Sync>,
    /// Gives an account an alias behind the registry's back, even one that another account has.
    share: Share,
    _directory: Option<tempfile::TempDir>,
}

impl World {
    async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("accounts.db");
        let store = Store::Sqlite { path: path.clone() };
        let execute: Arc<dyn Fn(&str) -> String + Send + Sync> = Arc::new(move |sql| sqlite(&path, sql));
        Self {
            registry: account::open(&store, control()).await.unwrap(),
            store,
            share: share(Arc::clone(&execute)),
            execute,
            _directory: Some(directory),
        }
    }

    async fn mariadb() -> Self {
        let server = MariaDb::shared();
        let database = server.database();
        Self::mysql(server, settings(server.address(), &database), "").await
    }

    /// On the cluster: what goes behind the registry's back goes by another node than its own.
    async fn galera() -> Self {
        let cluster = Cluster::shared();
        let database = cluster.database();
        let servers = cluster.addresses().map(name_of).to_vec();
        let settings = MySql { servers, ..settings(cluster.node(0).address(), &database) };
        Self::mysql(cluster.node(1), settings, "SET wsrep_sync_wait = 15;").await
    }

    async fn mysql(server: &'static MariaDb, settings: MySql, first: &'static str) -> Self {
        let database = settings.database.clone();
        let store = Store::MySql(settings);
        initialise(&store).await;
        let execute: Arc<dyn Fn(&str) -> String + Send + Sync> =
            Arc::new(move |sql| server.administer(&format!("{first} USE {database}; {sql}")));
        Self {
            registry: account::open(&store, control()).await.unwrap(),
            store,
            share: share(Arc::clone(&execute)),
            execute,
            _directory: None,
        }
    }

    /// The tables of an example, read by its configuration and with the rights that it names.
    async fn foreign(example: Example) -> Self {
        let server = MariaDb::shared();
        let database = server.database();
        example.make(server, &database);
        let settings = MySql { foreign: Some(example.foreign()), ..settings(server.address(), &database) };
        let store = Store::MySql(settings);
        let directory = account::open_directory(&store, control()).await.unwrap();
        let execute: Arc<dyn Fn(&str) -> String + Send + Sync> =
            Arc::new(move |sql| server.administer(&format!("USE {}; {sql}", database.name)));
        let registry = Arc::new(ForeignRegistry { directory, example, execute: Arc::clone(&execute) });
        let sharing = Arc::clone(&registry);
        Self {
            registry,
            store,
            execute,
            share: Box::new(move |alias, username| sharing.share(alias, username)),
            _directory: None,
        }
    }

    async fn find(&self, kind: LookupKind, name: &str) -> Vec<Account> {
        self.registry.find(&Lookup { kind, name: name.to_owned() }).await.unwrap()
    }

    async fn names(&self, kind: LookupKind, name: &str) -> Vec<String> {
        self.find(kind, name).await.into_iter().map(|account| account.username).collect()
    }
}

fn share(execute: Arc<dyn Fn(&str) -> String + Send + Sync>) -> Share {
    Box::new(move |alias, username| {
        let account = format!("(SELECT id FROM accounts WHERE username = '{username}')");
        execute(&format!("INSERT INTO aliases (alias, account_id) VALUES ('{alias}', {account});"));
    })
}

/// Runs statements on an SQLite file, and gives the rows as `MariaDb::sql` does.
fn sqlite(path: &std::path::Path, sql: &str) -> String {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    if !sql.starts_with("SELECT") {
        connection.execute_batch(sql).unwrap();
        return String::new();
    }
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut text = String::new();
    while let Some(row) = rows.next().unwrap() {
        let values: Vec<String> = (0..columns)
            .map(|column| match row.get::<_, rusqlite::types::Value>(column).unwrap() {
                rusqlite::types::Value::Integer(integer) => integer.to_string(),
                rusqlite::types::Value::Text(text) => text,
                other => format!("{other:?}"),
            })
            .collect();
        text.push_str(&values.join("\t"));
        text.push('\n');
    }
    text
}

/// The runtime that stores work on.
fn control() -> Handle {
    static CONTROL: OnceLock<Runtime> = OnceLock::new();
    let runtime = CONTROL.get_or_init(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    });
    runtime.handle().clone()
}

/// Runs a test on a runtime like a worker's.
fn on_a_worker<T>(test: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

fn settings(server: SocketAddr, database: &mariadb::Database) -> MySql {
    MySql {
        servers: vec![name_of(server)],
        database: database.name.clone(),
        user: database.user.clone(),
        password: Some(SecretSource::Literal(Secret::from(database.password.as_str()))),
        tls: MySqlTls::default(),
        foreign: None,
        insecure: false,
    }
}

fn name_of(server: SocketAddr) -> ServerName {
    ServerName { host: server.ip().to_string(), port: server.port() }
}

/// What `wicketgate db init` does.
async fn initialise(store: &Store) {
    let database = Database::connect(store, control(), Deadlines::default()).await.unwrap();
    database.migrate().await.unwrap();
}

fn account(username: &str) -> Account {
    Account {
        username: username.to_owned(),
        email: Some(format!("{username}@example.org")),
        display_name: None,
        status: Status::Active,
        home: None,
        aliases: Vec::new(),
        groups: Vec::new(),
    }
}

fn certificate(serial: u8) -> CertificateKey {
    CertificateKey { issuer: [7; 32], serial: vec![serial] }
}

fn issued(serial: u8, username: Option<&str>) -> IssuedCertificate {
    IssuedCertificate {
        key: certificate(serial),
        issuer_name: "CN=Authority".to_owned(),
        username: username.map(str::to_owned),
        subject: "CN=Ann".to_owned(),
        not_before: AT,
        not_after: AT.plus(Duration::from_secs(3600)),
        fingerprint: [serial; 32],
        profile: "client".to_owned(),
    }
}

/// One suite for every database: each case becomes a test of each.
macro_rules! suite {
    ($($case:ident,)+) => {
        mod on_sqlite {
            $(#[test] fn $case() { super::on_a_worker(async { super::cases::$case(&super::World::sqlite().await).await }) })+
        }
        mod on_mariadb {
            $(#[test] fn $case() { super::on_a_worker(async { super::cases::$case(&super::World::mariadb().await).await }) })+
        }
        mod on_galera {
            $(#[test] fn $case() { super::on_a_worker(async { super::cases::$case(&super::World::galera().await).await }) })+
        }
    };
}

/// What of it only reads, for the tables of an example.
macro_rules! reading_suite {
    ($($module:ident: $example:ident,)+) => {
        $(mod $module {
            use super::{World, cases, on_a_worker};
            use crate::common::foreign::$example;
            reading_suite! { @cases $example:
                an_account_is_found_by_each_of_its_names,
                a_look_alike_of_a_name_is_unknown,
                all_accounts_that_match_are_found,
                sql_in_a_name_is_read_like_any_other_text,
                hostile_text_finds_nobody,
                the_cache_asks_once_and_sees_a_change_when_it_forgets,
            }
        })+
    };
    (@cases $example:ident: $($case:ident,)+) => {
        $(#[test] fn $case() { on_a_worker(async { cases::$case(&World::foreign($example).await).await }) })+
    };
}

reading_suite! {
    on_the_users_of_a_certificate_server: KEYTALK,
    on_the_users_of_a_certificate_server_in_mysql_57: KEYTALK_OF_MYSQL_57,
    on_mailboxes: MAILBOXES,
    on_a_groupware_server: ZIMBRA,
    on_a_sip_registrar: SIP,
}

suite! {
    an_account_is_found_by_each_of_its_names,
    a_look_alike_of_a_name_is_unknown,
    all_accounts_that_match_are_found,
    sql_in_a_name_is_read_like_any_other_text,
    hostile_text_finds_nobody,
    a_name_that_another_account_has_is_refused,
    an_account_is_replaced_as_a_whole,
    two_who_change_one_account_undo_nothing_of_each_other,
    a_removed_account_leaves_its_certificates_revoked,
    accounts_are_listed_in_pages,
    an_ha1_belongs_to_one_user_realm_and_algorithm,
    a_revocation_keeps_its_first_time,
    a_certificate_is_recorded_once,
    sql_is_text_like_any_other,
    hostile_text_is_refused_and_finds_nobody,
    of_many_who_add_one_account_one_succeeds,
    of_many_who_use_what_may_be_used_once_one_is_first,
    every_write_takes_the_next_number,
    a_writer_that_goes_away_leaves_its_write_whole,
    a_schema_from_a_newer_version_is_refused,
    the_cache_asks_once_and_sees_a_change_when_it_forgets,
}

mod cases {
    use super::*;
    use LookupKind::{Alias, Email, Username};

    pub(super) async fn an_account_is_found_by_each_of_its_names(world: &World) {
        let ann = Account {
            username: "ann".to_owned(),
            email: Some("Ann@bücher.EXAMPLE".to_owned()),
            display_name: Some("Ann \"Änn\" Lee 安".to_owned()),
            status: Status::Locked,
            home: Some("mail1.example.org:8080".to_owned()),
            aliases: vec!["postmaster@EXAMPLE.org".to_owned(), "4711".to_owned()],
            groups: vec!["staff".to_owned(), "admins".to_owned()],
        };
        world.registry.add(&ann).await.unwrap();
        world.registry.add(&account("bob")).await.unwrap();
        let stored = Account {
            email: Some("Ann@xn--bcher-kva.example".to_owned()),
            aliases: vec!["4711".to_owned(), "postmaster@example.org".to_owned()],
            groups: vec!["admins".to_owned(), "staff".to_owned()],
            ..ann
        };
        for (kind, name) in [
            (Username, "ann"),
            (Email, "Ann@xn--bcher-kva.example"),
            (Email, "postmaster@example.org"),
            (Alias, "postmaster@example.org"),
            (Alias, "4711"),
        ] {
            assert_eq!(world.find(kind, name).await, std::slice::from_ref(&stored), "{kind:?} {name}");
        }
        for (kind, name) in [(Username, "4711"), (Alias, "ann"), (Email, "ann"), (Email, "4711"), (Username, "carol")] {
            assert_eq!(world.find(kind, name).await, [], "{kind:?} {name}");
        }
    }

    pub(super) async fn a_look_alike_of_a_name_is_unknown(world: &World) {
        let admin = Account { aliases: vec!["root@example.org".to_owned()], ..account("admin") };
        world.registry.add(&admin).await.unwrap();
        // Case, accents, blanks that are padded away, full width, a dotless i, letters of another script,
        // a letter and its accent as two characters, and characters that cannot be seen.
        let of_admin = [
            "Admin",
            "ADMIN",
            "ádmin",
            "admín",
            "a\u{301}dmin",
            "admin ",
            " admin",
            "admin\t",
            "ａｄｍｉｎ",
            "admın",
            "аdmin",
            "admin\u{200b}",
            "admin\0",
            "a\u{ad}dmin",
            "ªdmin",
        ];
        for name in of_admin {
            assert_eq!(world.names(Username, name).await, [""; 0], "{name:?}");
            for kind in [Email, Alias] {
                assert_eq!(world.names(kind, &format!("{name}@example.org")).await, [""; 0], "{kind:?} {name:?}");
            }
        }
        for address in [
            "admin@Example.org",
            "admin@example.org ",
            "admin@éxample.org",
            "admin@ｅｘａｍｐｌｅ.org",
            "admin@example。org",
            "admin＠example.org",
            "admin@example.org.",
            "admin@example.org\0",
            "root@EXAMPLE.org",
            "ROOT@example.org",
            "root@example.org ",
        ] {
            assert_eq!(world.names(Email, address).await, [""; 0], "{address:?}");
            assert_eq!(world.names(Alias, address).await, [""; 0], "{address:?}");
        }
        assert_eq!(world.names(Email, "admin@example.org").await, ["admin"]);
        assert_eq!(world.names(Alias, "root@example.org").await, ["admin"]);
    }

    pub(super) async fn all_accounts_that_match_are_found(world: &World) {
        world.registry.add(&account("ann")).await.unwrap();
        world.registry.add(&account("bob")).await.unwrap();
        // Our own commands refuse this; somebody with SQL can do it all the same.
        (world.share)("ann@example.org", "bob");
        let mut found = world.names(Email, "ann@example.org").await;
        found.sort();
        assert_eq!(found, ["ann", "bob"]);
    }

    pub(super) async fn a_name_that_another_account_has_is_refused(world: &World) {
        let ann = Account { aliases: vec!["anna@example.org".to_owned(), "4711".to_owned()], ..account("ann") };
        world.registry.add(&ann).await.unwrap();
        world.registry.add(&account("bob")).await.unwrap();
        let carol = account("carol");
        let with_alias = |alias: &str| Account { aliases: vec![alias.to_owned()], ..carol.clone() };
        let with_email = |email: &str| Account { email: Some(email.to_owned()), ..carol.clone() };
        let cases = [
            (Account { email: None, ..account("ann") }, "the user name"),
            (Account { email: None, ..account("4711") }, "the user name"),
            (with_email("ann@example.org"), "the e-mail address"),
            (with_email("anna@EXAMPLE.org"), "the e-mail address"),
            (with_alias("ann"), "the alias"),
            (with_alias("4711"), "the alias"),
            (with_alias("ann@example.org"), "the alias"),
            (with_alias("anna@EXAMPLE.org"), "the alias"),
            (with_alias("bob"), "the alias"),
        ];
        for (account, expected) in cases {
            match world.registry.add(&account).await {
                Err(RegistryError::Taken { what, .. }) => assert_eq!(what, expected, "{account:?}"),
                other => panic!("{account:?}: {other:?}"),
            }
            assert_eq!(world.names(Username, "carol").await, [""; 0], "half of it was added");
        }
        world.registry.add(&carol).await.unwrap();
        let taken = world.registry.update(&with_alias("4711")).await;
        assert!(matches!(taken, Err(RegistryError::Taken { what: "the alias", .. })), "{taken:?}");
        // An account may say a name of its own twice.
        let both = Account { aliases: vec!["carol@example.org".to_owned(), "carol".to_owned()], ..carol };
        world.registry.update(&both).await.unwrap();
        assert_eq!(world.names(Email, "carol@example.org").await, ["carol"]);
    }

    pub(super) async fn an_account_is_replaced_as_a_whole(world: &World) {
        let ann = Account {
            aliases: vec!["one".to_owned(), "two".to_owned()],
            groups: vec!["staff".to_owned()],
            home: Some("mail1".to_owned()),
            ..account("ann")
        };
        world.registry.add(&ann).await.unwrap();
        for status in [Status::Locked, Status::Closed, Status::Active] {
            world.registry.update(&Account { status, ..ann.clone() }).await.unwrap();
            assert_eq!(world.find(Username, "ann").await[0].status, status);
        }
        let changed = Account {
            email: None,
            display_name: Some("Ann".to_owned()),
            home: None,
            aliases: vec!["three".to_owned(), "two".to_owned()],
            groups: Vec::new(),
            ..ann.clone()
        };
        world.registry.update(&changed).await.unwrap();
        assert_eq!(world.find(Username, "ann").await, std::slice::from_ref(&changed));
        assert_eq!(world.names(Alias, "one").await, [""; 0]);
        assert_eq!(world.names(Email, "ann@example.org").await, [""; 0]);
        // Changing nothing is no error, and a name that was given up is free.
        world.registry.update(&changed).await.unwrap();
        world.registry.add(&Account { aliases: vec!["one".to_owned()], ..account("bob") }).await.unwrap();

        let unknown = world.registry.update(&account("carol")).await;
        assert!(matches!(&unknown, Err(RegistryError::NoSuchAccount(name)) if name == "carol"), "{unknown:?}");
        let look_alike = world.registry.update(&Account { email: None, ..account("Ann") }).await;
        assert!(matches!(look_alike, Err(RegistryError::NoSuchAccount(_))), "{look_alike:?}");
    }

    pub(super) async fn two_who_change_one_account_undo_nothing_of_each_other(world: &World) {
        let ann = Account { groups: vec!["old".to_owned()], home: Some("mail1".to_owned()), ..account("ann") };
        world.registry.add(&ann).await.unwrap();
        let mut edits: Vec<Edit> = (0..8)
            .map(|number| Edit {
                add_groups: vec![format!("group {number}")],
                add_aliases: vec![format!("{number}@EXAMPLE.org")],
                ..Edit::default()
            })
            .collect();
        edits.push(Edit { status: Some(Status::Locked), home: Some(None), ..Edit::default() });
        edits.push(Edit { remove_groups: vec!["old".to_owned(), "absent".to_owned()], ..Edit::default() });
        let changing: Vec<_> = edits
            .into_iter()
            .map(|edit| {
                let registry = Arc::clone(&world.registry);
                tokio::spawn(async move { registry.edit("ann", &edit).await })
            })
            .collect();
        for task in changing {
            task.await.unwrap().unwrap();
        }
        let expected = Account {
            status: Status::Locked,
            home: None,
            aliases: (0..8).map(|number| format!("{number}@example.org")).collect(),
            groups: (0..8).map(|number| format!("group {number}")).collect(),
            ..account("ann")
        };
        assert_eq!(world.find(Username, "ann").await, std::slice::from_ref(&expected));

        let edit = Edit { remove_aliases: vec!["3@EXAMPLE.org".to_owned()], email: Some(None), ..Edit::default() };
        let changed = world.registry.edit("ann", &edit).await.unwrap();
        assert_eq!((changed.email.as_deref(), changed.aliases.len()), (None, 7));
        assert_eq!(world.find(Username, "ann").await, [changed]);

        world.registry.add(&account("bob")).await.unwrap();
        let taken = world.registry.edit("ann", &Edit { add_aliases: vec!["bob".to_owned()], ..Edit::default() }).await;
        assert!(matches!(taken, Err(RegistryError::Taken { what: "the alias", .. })), "{taken:?}");
        let unknown = world.registry.edit("carol", &Edit::default()).await;
        assert!(matches!(unknown, Err(RegistryError::NoSuchAccount(_))), "{unknown:?}");
    }

    pub(super) async fn a_removed_account_leaves_its_certificates_revoked(world: &World) {
        let ann = Account { aliases: vec!["one".to_owned()], groups: vec!["staff".to_owned()], ..account("ann") };
        world.registry.add(&ann).await.unwrap();
        world.registry.add(&account("bob")).await.unwrap();
        let secret = ha1::compute("ann", "realm", &Secret::from("password"), DigestAlgorithm::Sha256);
        world.registry.set_ha1("ann", "realm", DigestAlgorithm::Sha256, Some(&secret)).await.unwrap();
        for (serial, name) in [(1, Some("ann")), (2, Some("ann")), (3, Some("bob")), (4, None)] {
            world.registry.record_issued(&issued(serial, name)).await.unwrap();
        }
        world.registry.revoke(&certificate(2), AT.minus(Duration::from_secs(60)), "keyCompromise").await.unwrap();
        world.registry.remove("ann", AT).await.unwrap();

        assert_eq!(world.find(Username, "ann").await, []);
        assert_eq!(world.find(Alias, "one").await, []);
        let keys = [1, 2, 3, 4].map(certificate);
        let expected = [Some(AT), Some(AT.minus(Duration::from_secs(60))), None, None];
        assert_eq!(world.registry.revoked(&keys).await.unwrap(), expected);
        // Whoever gets the name next gets none of its credentials.
        world.registry.add(&ann).await.unwrap();
        assert_eq!(world.registry.ha1("ann", "realm", DigestAlgorithm::Sha256).await.unwrap(), None);
        assert_eq!(world.registry.revoked(&keys).await.unwrap(), expected);

        let unknown = world.registry.remove("carol", AT).await;
        assert!(matches!(unknown, Err(RegistryError::NoSuchAccount(_))), "{unknown:?}");
    }

    pub(super) async fn accounts_are_listed_in_pages(world: &World) {
        let mut names = ["bob", "Zoe", "ann", "änn", "安", "a b", "a"].map(str::to_owned);
        for (number, name) in names.iter().enumerate() {
            let ann = Account { email: None, groups: vec![format!("group {number}")], ..account(name) };
            world.registry.add(&ann).await.unwrap();
        }
        names.sort();
        for size in [1, 2, 100] {
            let mut listed: Vec<String> = Vec::new();
            loop {
                let page = world.registry.list(listed.last().map(String::as_str), size).await.unwrap();
                assert!(page.len() <= size as usize);
                assert!(page.iter().all(|account| account.groups.len() == 1));
                if page.is_empty() {
                    break;
                }
                listed.extend(page.into_iter().map(|account| account.username));
            }
            assert_eq!(listed, names, "in pages of {size}");
        }
    }

    pub(super) async fn an_ha1_belongs_to_one_user_realm_and_algorithm(world: &World) {
        use DigestAlgorithm::{Md5, Sha256};
        let registry = &world.registry;
        registry.add(&account("ann")).await.unwrap();
        registry.add(&account("bob")).await.unwrap();
        let hash = |password: &str, algorithm| ha1::compute("ann", "realm", &Secret::from(password), algorithm);
        registry.set_ha1("ann", "realm", Sha256, Some(&hash("one", Sha256))).await.unwrap();
        registry.set_ha1("ann", "realm", Md5, Some(&hash("one", Md5))).await.unwrap();
        registry.set_ha1("ann", "Realm", Md5, Some(&hash("other realm", Md5))).await.unwrap();
        registry.set_ha1("ann", "realm", Md5, Some(&hash("two", Md5))).await.unwrap();
        let cases = [
            ("ann", "realm", Sha256, Some(hash("one", Sha256))),
            ("ann", "realm", Md5, Some(hash("two", Md5))),
            ("ann", "Realm", Md5, Some(hash("other realm", Md5))),
            ("ann", "Realm", Sha256, None),
            ("ann", "réalm", Md5, None),
            ("ann", "realm ", Md5, None),
            ("Ann", "realm", Md5, None),
            ("ann ", "realm", Md5, None),
            ("bob", "realm", Md5, None),
        ];
        for (username, realm, algorithm, expected) in cases {
            let found = registry.ha1(username, realm, algorithm).await.unwrap();
            assert_eq!(found, expected, "{username:?} {realm:?} {algorithm:?}");
        }
        registry.set_ha1("ann", "realm", Md5, None).await.unwrap();
        registry.set_ha1("ann", "realm", Md5, None).await.unwrap();
        assert_eq!(registry.ha1("ann", "realm", Md5).await.unwrap(), None);
        assert!(registry.ha1("ann", "realm", Sha256).await.unwrap().is_some());

        let nobody = registry.set_ha1("carol", "realm", Md5, Some(&hash("x", Md5))).await;
        assert!(matches!(nobody, Err(RegistryError::NoSuchAccount(_))), "{nobody:?}");
        for wrong in ["", "password", &"A".repeat(32), &"0".repeat(33)] {
            let refused = registry.set_ha1("ann", "realm", Md5, Some(&Ha1(Secret::from(wrong)))).await.unwrap_err();
            assert!(matches!(refused, RegistryError::Unacceptable { .. }), "{refused:?}");
            assert!(!refused.to_string().contains("password"), "{refused}");
        }
    }

    pub(super) async fn a_revocation_keeps_its_first_time(world: &World) {
        let (first, later) = (AT, AT.plus(Duration::from_secs(60)));
        world.registry.revoke(&certificate(1), first, "keyCompromise").await.unwrap();
        world.registry.revoke(&certificate(1), later, "superseded").await.unwrap();
        let other_issuer = CertificateKey { issuer: [8; 32], ..certificate(1) };
        let longer = CertificateKey { serial: vec![1, 0], ..certificate(1) };
        let shorter = CertificateKey { serial: vec![1, 0, 0x20], ..certificate(1) };
        world.registry.revoke(&shorter, later, "superseded").await.unwrap();
        let asked = [certificate(1), certificate(2), other_issuer, longer, shorter];
        let found = world.registry.revoked(&asked).await.unwrap();
        assert_eq!(found, [Some(first), None, None, None, Some(later)]);
        assert_eq!(world.registry.revoked(&[]).await.unwrap(), []);

        // What the authority itself marked counts as well as what stands among the revocations.
        world.registry.record_issued(&issued(9, None)).await.unwrap();
        (world.execute)("UPDATE certificates SET revoked_at = 5, reason = 'superseded' WHERE username IS NULL;");
        assert_eq!(world.registry.revoked(&[certificate(9)]).await.unwrap(), [Some(Timestamp::from_unix(5))]);

        // A serial that cannot be on record as revoked cannot be called good either.
        let endless = CertificateKey { serial: vec![1; 65], ..certificate(1) };
        assert!(world.registry.revoked(std::slice::from_ref(&endless)).await.is_err());
        let refused = world.registry.revoke(&endless, AT, "superseded").await;
        assert!(matches!(refused, Err(RegistryError::Unacceptable { .. })), "{refused:?}");
    }

    pub(super) async fn a_certificate_is_recorded_once(world: &World) {
        world.registry.add(&account("ann")).await.unwrap();
        world.registry.record_issued(&issued(1, Some("ann"))).await.unwrap();
        let same_serial = IssuedCertificate { fingerprint: [99; 32], ..issued(1, None) };
        let same_octets = IssuedCertificate { fingerprint: [1; 32], ..issued(2, None) };
        for again in [same_serial, same_octets] {
            let refused = world.registry.record_issued(&again).await;
            assert!(matches!(refused, Err(RegistryError::AlreadyRecorded(_))), "{refused:?}");
        }
        let nobody = world.registry.record_issued(&issued(3, Some("carol"))).await;
        assert!(matches!(nobody, Err(RegistryError::NoSuchAccount(_))), "{nobody:?}");
        let row = (world.execute)("SELECT username, subject, not_before, not_after, profile FROM certificates;");
        assert_eq!(row, format!("ann\tCN=Ann\t{}\t{}\tclient\n", AT.as_unix(), AT.as_unix() + 3600));
    }

    const SQL: [&str; 11] = [
        "'; DROP TABLE accounts; --",
        "\" OR \"\"=\"",
        "' OR '1'='1",
        "ann' UNION SELECT 1,2,3 --",
        "%",
        "_nn",
        "\\",
        "ann\\' OR 1=1 #",
        "/*! SLEEP(9) */",
        "?",
        "${x}`x`",
    ];

    pub(super) async fn sql_in_a_name_is_read_like_any_other_text(world: &World) {
        world.registry.add(&account("ann")).await.unwrap();
        for text in SQL {
            for kind in [Username, Email, Alias] {
                assert_eq!(world.names(kind, text).await, [""; 0], "{kind:?} {text:?}");
                assert_eq!(world.names(kind, &format!("{text}@example.org")).await, [""; 0], "{kind:?} {text:?}");
            }
            assert_eq!(world.registry.ha1(text, text, DigestAlgorithm::Md5).await.unwrap(), None);
            let hostile = Account {
                username: text.to_owned(),
                email: Some(format!("{text}@example.org")),
                display_name: Some(text.to_owned()),
                status: Status::Active,
                home: Some("mail1".to_owned()),
                aliases: vec![format!("{text} alias")],
                groups: vec!["staff".to_owned()],
            };
            world.registry.add(&hostile).await.unwrap();
            for (kind, name) in [(Username, text), (Alias, &*format!("{text} alias"))] {
                assert_eq!(world.find(kind, name).await, std::slice::from_ref(&hostile), "{kind:?} {text:?}");
            }
            assert_eq!(world.names(Email, &format!("{text}@example.org")).await, [text]);
        }
        assert_eq!(world.names(Username, "ann").await, ["ann"]);
    }

    pub(super) async fn hostile_text_finds_nobody(world: &World) {
        world.registry.add(&account("ann")).await.unwrap();
        let huge = "h".repeat(1 << 20);
        let huge_address = format!("{huge}@example.org");
        for text in ["", "an\0n", "ann\n", "\u{202e}nna", "ann\u{feff}", &huge, &huge_address] {
            for kind in [Username, Email, Alias] {
                assert_eq!(world.names(kind, text).await, [""; 0]);
            }
            assert_eq!(world.registry.ha1(text, text, DigestAlgorithm::Md5).await.unwrap(), None);
        }
    }

    pub(super) async fn sql_is_text_like_any_other(world: &World) {
        world.registry.add(&account("ann")).await.unwrap();
        for (serial, text) in (1..).zip(SQL) {
            for kind in [Username, Email, Alias] {
                assert_eq!(world.names(kind, text).await, [""; 0], "{kind:?} {text:?}");
                assert_eq!(world.names(kind, &format!("{text}@example.org")).await, [""; 0], "{kind:?} {text:?}");
            }
            let hostile = Account {
                username: text.to_owned(),
                email: Some(format!("{text}@example.org")),
                display_name: Some(text.to_owned()),
                status: Status::Active,
                home: Some(text.to_owned()),
                aliases: vec![format!("{text} alias")],
                groups: vec![text.to_owned()],
            };
            world.registry.add(&hostile).await.unwrap();
            world.registry.update(&hostile).await.unwrap();
            let hash = ha1::compute(text, text, &Secret::from(text), DigestAlgorithm::Md5);
            world.registry.set_ha1(text, text, DigestAlgorithm::Md5, Some(&hash)).await.unwrap();
            assert_eq!(world.registry.ha1(text, text, DigestAlgorithm::Md5).await.unwrap(), Some(hash));
            let certificate = IssuedCertificate {
                issuer_name: text.to_owned(),
                subject: text.to_owned(),
                profile: text.to_owned(),
                ..issued(serial, Some(text))
            };
            world.registry.record_issued(&certificate).await.unwrap();
            world.registry.revoke(&certificate.key, AT, text).await.unwrap();
            for (kind, name) in [(Username, text), (Alias, &*format!("{text} alias"))] {
                assert_eq!(world.find(kind, name).await, std::slice::from_ref(&hostile), "{kind:?} {text:?}");
            }
            assert_eq!(world.names(Email, &format!("{text}@example.org")).await, [text]);
            world.registry.remove(text, AT).await.unwrap();
            assert_eq!(world.names(Username, text).await, [""; 0]);
        }
        let left = world.registry.list(None, 100).await.unwrap();
        assert_eq!(left.into_iter().map(|account| account.username).collect::<Vec<_>>(), ["ann"]);
    }

    pub(super) async fn hostile_text_is_refused_and_finds_nobody(world: &World) {
        let huge = "h".repeat(1 << 20);
        let huge_address = format!("{huge}@example.org");
        for text in ["", "an\0n", "ann\n", "\u{202e}nna", "ann\u{feff}", &huge, &huge_address] {
            for kind in [Username, Email, Alias] {
                assert_eq!(world.names(kind, text).await, [""; 0]);
            }
            assert_eq!(world.registry.ha1(text, text, DigestAlgorithm::Md5).await.unwrap(), None);
            let with = |change: fn(&mut Account, String)| {
                let mut account = account("ann");
                change(&mut account, text.to_owned());
                account
            };
            let hostile = [
                with(|account, text| account.username = text),
                with(|account, text| account.email = Some(text)),
                with(|account, text| account.display_name = Some(text)),
                with(|account, text| account.home = Some(text)),
                with(|account, text| account.aliases = vec![text]),
                with(|account, text| account.groups = vec![text]),
            ];
            for account in &hostile {
                for refused in [world.registry.add(account).await, world.registry.update(account).await] {
                    let refused = refused.unwrap_err();
                    assert!(matches!(refused, RegistryError::Unacceptable { .. }), "{refused:?}");
                    assert!(refused.to_string().len() < 1000, "the message holds all of the value");
                }
            }
            assert!(world.registry.revoke(&certificate(1), AT, text).await.is_err());
            assert!(world.registry.remove(text, AT).await.is_err());
        }
        assert_eq!(world.registry.list(None, 100).await.unwrap(), []);
        // A list is begun after any text, and hostile ones begin somewhere or nowhere.
        assert_eq!(world.registry.list(Some("an\0n"), 100).await.unwrap(), []);
    }

    pub(super) async fn of_many_who_add_one_account_one_succeeds(world: &World) {
        let adding: Vec<_> = (0..16)
            .map(|number| {
                let registry = Arc::clone(&world.registry);
                tokio::spawn(async move {
                    // Every other one claims the name as an alias, which no unique key would notice.
                    let contender = if number % 2 == 0 {
                        Account { email: None, groups: vec![number.to_string()], ..account("ann") }
                    } else {
                        let name = format!("other {number}");
                        Account { email: None, aliases: vec!["ann".to_owned()], ..account(&name) }
                    };
                    registry.add(&contender).await
                })
            })
            .collect();
        let mut added = 0;
        for task in adding {
            match task.await.unwrap() {
                Ok(()) => added += 1,
                Err(RegistryError::Taken { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(added, 1);
        let holders = world.names(Username, "ann").await.len() + world.names(Alias, "ann").await.len();
        assert_eq!(holders, 1);
    }

    pub(super) async fn of_many_who_use_what_may_be_used_once_one_is_first(world: &World) {
        let (until, later) = (AT.plus(Duration::from_secs(60)), AT.plus(Duration::from_secs(61)));
        let using: Vec<_> = (0..8)
            .map(|_| {
                let registry = Arc::clone(&world.registry);
                tokio::spawn(async move { registry.use_once(&[7; 32], until, AT).await.unwrap() })
            })
            .collect();
        let mut first = 0;
        for task in using {
            first += usize::from(task.await.unwrap());
        }
        assert_eq!(first, 1);
        assert!(world.registry.use_once(&[8; 32], until, AT).await.unwrap(), "another one is another one");
        assert!(!world.registry.use_once(&[7; 32], until, until).await.unwrap());
        assert_eq!((world.execute)("SELECT COUNT(*) FROM handovers;").trim(), "2");
        // What is out of date is forgotten, so that the table stays small.
        assert!(world.registry.use_once(&[9; 32], later.plus(Duration::from_secs(60)), later).await.unwrap());
        assert_eq!((world.execute)("SELECT COUNT(*) FROM handovers;").trim(), "1");
    }

    pub(super) async fn every_write_takes_the_next_number(world: &World) {
        let registry = &world.registry;
        registry.add(&account("ann")).await.unwrap();
        assert!(registry.add(&account("ann")).await.is_err());
        registry.update(&account("ann")).await.unwrap();
        let hash = ha1::compute("ann", "realm", &Secret::from("password"), DigestAlgorithm::Md5);
        registry.set_ha1("ann", "realm", DigestAlgorithm::Md5, Some(&hash)).await.unwrap();
        registry.record_issued(&issued(1, Some("ann"))).await.unwrap();
        registry.remove("ann", AT).await.unwrap();
        let name = format!("{}:01", "07".repeat(32));
        let expected = [
            "1\taccount\tann".to_owned(),
            "2\taccount\tann".to_owned(),
            "3\tcredential\tann".to_owned(),
            format!("4\tcertificate\t{name}"),
            "5\taccount\tann".to_owned(),
            format!("6\trevocation\t{name}"),
        ];
        let changes = (world.execute)("SELECT n, kind, name FROM changes ORDER BY n;");
        assert_eq!(changes.lines().collect::<Vec<_>>(), expected);
        assert_eq!((world.execute)("SELECT n FROM change_counter;"), "6\n");
    }

    pub(super) async fn a_writer_that_goes_away_leaves_its_write_whole(world: &World) {
        let groups: Vec<String> = (0..50).map(|number| format!("group {number:02}")).collect();
        let ann = Account { groups: groups.clone(), ..account("ann") };
        let registry = Arc::clone(&world.registry);
        let writer = tokio::spawn(async move { registry.add(&ann).await });
        // Once polled, the work is the control runtime's; the writer is gone before it is done, or just after.
        tokio::task::yield_now().await;
        writer.abort();
        let _ = writer.await;
        let start = Instant::now();
        let found = loop {
            let found = world.find(Username, "ann").await;
            if !found.is_empty() {
                break found;
            }
            assert!(start.elapsed() < SLACK, "the write was lost");
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert_eq!(found[0].groups, groups);
    }

    pub(super) async fn a_schema_from_a_newer_version_is_refused(world: &World) {
        (world.execute)("INSERT INTO schema_version (version) VALUES (9000);");
        let error = account::open(&world.store, control()).await.err().unwrap();
        let newest = migrations::newest();
        let expected = format!("version 9000 and this program knows only {newest}");
        assert!(error.why.contains(&expected), "{error}");
        let database = Database::connect(&world.store, control(), Deadlines::default()).await.unwrap();
        let refused = database.migrate().await.unwrap_err();
        assert!(refused.to_string().contains(&expected), "{refused}");
    }

    pub(super) async fn the_cache_asks_once_and_sees_a_change_when_it_forgets(world: &World) {
        world.registry.add(&account("ann")).await.unwrap();
        let hour = Duration::from_secs(3600);
        let directory: Arc<dyn Directory> = Arc::<dyn Registry>::clone(&world.registry);
        let accounts = Accounts::new(
            directory,
            &Cache { ttl: hour, negative_ttl: hour, capacity: 100, serve_stale: Duration::ZERO },
        );
        let lookup = Lookup { kind: Email, name: "ann@example.org".to_owned() };
        assert_eq!(accounts.find(&lookup).await.unwrap().accounts[0].status, Status::Active);
        world.registry.update(&Account { status: Status::Locked, ..account("ann") }).await.unwrap();
        assert_eq!(accounts.find(&lookup).await.unwrap().accounts[0].status, Status::Active);
        accounts.invalidate_all();
        assert_eq!(accounts.find(&lookup).await.unwrap().accounts[0].status, Status::Locked);
    }
}

/// Asks for an account, and how long the answer takes.
async fn timed_look_up(directory: &dyn Directory) -> (Result<Vec<Account>, Unavailable>, Duration) {
    let start = Instant::now();
    let found = directory.find(&Lookup { kind: LookupKind::Username, name: "ann".to_owned() }).await;
    (found, start.elapsed())
}

async fn why(store: &Store) -> String {
    account::open(store, control()).await.err().expect("it opened").to_string()
}

/// A server's settings with another one of something.
fn with(store: &Store, change: impl FnOnce(&mut MySql)) -> Store {
    let Store::MySql(settings) = store else { panic!("not a MySQL store") };
    let mut settings = settings.clone();
    change(&mut settings);
    Store::MySql(settings)
}

#[test]
fn a_collation_that_takes_two_names_for_one_makes_nobody_somebody_else() {
    for collation in ["utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_swedish_ci"] {
        on_a_worker(async {
            let world = World::mariadb().await;
            for table in ["accounts", "aliases", "account_groups", "digest_credentials"] {
                (world.execute)(&format!("ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4 COLLATE {collation};"));
            }
            cases::a_look_alike_of_a_name_is_unknown(&world).await;
            let same = (world.execute)("SELECT COUNT(*) FROM accounts WHERE username = 'ÁDMIN ';");
            assert_eq!(same, "1\n", "the collation does not do what the test is about");
        });
        on_a_worker(async {
            let world = World::mariadb().await;
            (world.execute)(&format!(
                "ALTER TABLE accounts CONVERT TO CHARACTER SET utf8mb4 COLLATE {collation}; \
                 ALTER TABLE digest_credentials CONVERT TO CHARACTER SET utf8mb4 COLLATE {collation};"
            ));
            let hash = ha1::compute("ann", "realm", &Secret::from("password"), DigestAlgorithm::Md5);
            world.registry.add(&account("ann")).await.unwrap();
            world.registry.set_ha1("ann", "realm", DigestAlgorithm::Md5, Some(&hash)).await.unwrap();
            for (username, realm) in [("Ann", "realm"), ("ann", "Realm"), ("änn", "realm"), ("ann", "réalm")] {
                assert_eq!(world.registry.ha1(username, realm, DigestAlgorithm::Md5).await.unwrap(), None);
                let other = world.registry.update(&Account { email: None, ..account("Ann") }).await;
                assert!(matches!(other, Err(RegistryError::NoSuchAccount(_))), "{other:?}");
            }
        });
    }
}

#[test]
fn the_ha1_of_foreign_tables_belongs_to_one_user_realm_and_algorithm() {
    use DigestAlgorithm::{Md5, Sha256};
    on_a_worker(async {
        for example in [common::foreign::ZIMBRA, common::foreign::SIP] {
            let World { registry, .. } = World::foreign(example).await;
            registry.add(&account("ann")).await.unwrap();
            registry.add(&account("bob")).await.unwrap();
            let hash = |algorithm| ha1::compute("ann", "example.org", &Secret::from("password"), algorithm);
            for algorithm in [Md5, Sha256] {
                registry.set_ha1("ann", "example.org", algorithm, Some(&hash(algorithm))).await.unwrap();
            }
            let cases = [
                ("ann", "example.org", Sha256, true),
                ("ann", "example.org", Md5, true),
                ("ann", "Example.org", Md5, false),
                ("ann", "éxample.org", Md5, false),
                ("ann", "example.org ", Md5, false),
                ("Ann", "example.org", Md5, false),
                ("ann ", "example.org", Md5, false),
                ("ánn", "example.org", Md5, false),
                ("bob", "example.org", Md5, false),
            ];
            for (username, realm, algorithm, is_there) in cases {
                let found = registry.ha1(username, realm, algorithm).await.unwrap();
                let expected = is_there.then(|| hash(algorithm));
                assert_eq!(found, expected, "{} {username:?} {realm:?} {algorithm:?}", example.tables);
            }
        }
    });
}

#[test]
fn a_stopped_server_is_unavailable_until_it_is_back() {
    let mut server = MariaDb::start();
    let store = Store::MySql(settings(server.address(), &server.database()));
    on_a_worker(async {
        initialise(&store).await;
        let registry = account::open(&store, control()).await.unwrap();
        registry.add(&account("ann")).await.unwrap();
        // Connections that are idle when the server stops: they are found broken, and replaced.
        assert_eq!(timed_look_up(&*registry).await.0.unwrap().len(), 1);
        for _ in 0..2 {
            server.stop();
            let (found, took) = timed_look_up(&*registry).await;
            let error = found.unwrap_err().to_string();
            assert!(error.contains(&server.address().to_string()), "{error}");
            assert!(took < Deadlines::default().connect + SLACK, "{took:?}");
            assert!(matches!(registry.add(&account("bob")).await, Err(RegistryError::Unavailable(_))));
            server.start_again();
            // For half a second after a failure nobody tries.
            let start = Instant::now();
            while timed_look_up(&*registry).await.0.is_err() {
                assert!(start.elapsed() < Duration::from_secs(2) + SLACK, "it did not recover");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        assert_eq!(registry.find(&Lookup { kind: LookupKind::Username, name: "bob".to_owned() }).await.unwrap(), []);
    });
}

#[test]
fn a_server_that_was_restarted_between_two_questions_is_not_noticed() {
    let mut server = MariaDb::start();
    let store = Store::MySql(settings(server.address(), &server.database()));
    on_a_worker(async {
        initialise(&store).await;
        let registry = account::open(&store, control()).await.unwrap();
        registry.add(&account("ann")).await.unwrap();
        server.stop();
        server.start_again();
        assert_eq!(timed_look_up(&*registry).await.0.unwrap().len(), 1);
        server.stop();
        server.start_again();
        registry.add(&account("bob")).await.unwrap();
    });
}

#[test]
fn a_server_that_accepts_and_never_answers_is_unavailable_within_the_deadline() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let database = MariaDb::shared().database();
    let store = Store::MySql(settings(silent.local_addr().unwrap(), &database));
    on_a_worker(async {
        let start = Instant::now();
        let why = why(&store).await;
        assert!(start.elapsed() < Deadlines::default().connect + SLACK);
        assert!(why.contains("did not complete the connection within 2s"), "{why}");
        assert!(!why.contains(&database.password), "{why}");
    });
}

#[test]
fn a_server_that_stops_answering_is_unavailable_within_the_deadline() {
    let server = MariaDb::shared();
    let database = server.database();
    let store = Store::MySql(settings(server.address(), &database));
    on_a_worker(async {
        initialise(&store).await;
        let registry = account::open(&store, control()).await.unwrap();
        registry.add(&account("ann")).await.unwrap();
        // Holds every reader of the table for as long as the session that locks it lives.
        let lock = format!("USE {}; LOCK TABLES accounts WRITE; SELECT SLEEP(8);", database.name);
        let locking = std::thread::spawn(move || server.administer(&lock));
        let start = Instant::now();
        let (error, took) = loop {
            match timed_look_up(&*registry).await {
                (Err(error), took) => break (error, took),
                (Ok(_), _) => assert!(start.elapsed() < SLACK, "the table was never locked"),
            }
        };
        assert!(error.why.contains("no answer within 3s"), "{error}");
        assert!(took < Deadlines::default().work + SLACK, "{took:?}");
        locking.join().unwrap();
        // The answer to the abandoned question is nobody's.
        let lookup = Lookup { kind: LookupKind::Username, name: "bob".to_owned() };
        assert_eq!(registry.find(&lookup).await.unwrap(), []);
        assert_eq!(timed_look_up(&*registry).await.0.unwrap().len(), 1);
    });
}

#[test]
fn the_next_server_is_asked_when_one_does_not_answer() {
    let server = MariaDb::shared();
    let closed = name_of(unused_address());
    let store = with(&Store::MySql(settings(server.address(), &server.database())), |settings| {
        settings.servers.insert(0, closed.clone());
    });
    on_a_worker(async {
        initialise(&store).await;
        let registry = account::open(&store, control()).await.unwrap();
        registry.add(&account("ann")).await.unwrap();
        let both_closed = with(&store, |settings| settings.servers = vec![closed.clone(), closed.clone()]);
        let error = account::open(&both_closed, control()).await.err().unwrap();
        assert_eq!(error.why.matches(&format!("{closed}: ")).count(), 2, "{error}");
    });
}

#[test]
fn what_is_wrong_with_a_server_is_said() {
    let server = MariaDb::shared();
    let database = server.database();
    let store = Store::MySql(settings(server.address(), &database));
    on_a_worker(async {
        let missing = PathBuf::from("/nonexistent/password");
        let cases = [
            (store.clone(), "run `wicketgate db init`"),
            (
                with(&store, |settings| settings.password = Some(SecretSource::Literal(Secret::from("hunter2")))),
                "compare the password",
            ),
            (with(&store, |settings| settings.password = None), "no password was sent"),
            (with(&store, |settings| settings.password = Some(SecretSource::File(missing))), "/nonexistent/password"),
            // MySQL asks users that it does not know for any method, in turn.
            (with(&store, |settings| settings.user = "nobody".to_owned()), "the user \"nobody\""),
            (with(&store, |settings| settings.database = "mysql".to_owned()), "may not use the database \"mysql\""),
            (with(&store, |settings| settings.servers[0] = name_of(unused_address())), "nothing listens there"),
        ];
        for (store, expected) in cases {
            let why = why(&store).await;
            assert!(why.contains(expected), "{why:?} does not say {expected:?}");
            assert!(!why.contains(&database.password) && !why.contains("hunter2"), "{why}");
        }
    });
}

#[test]
fn a_user_needs_the_rights_that_the_manual_names_and_no_more() {
    let server = MariaDb::shared();
    let database = server.database();
    let mariadb::Database { name, user, .. } = &database;
    let grant = |rights: &str| {
        server.administer(&format!("REVOKE ALL ON {name}.* FROM {user}; GRANT {rights} ON {name}.* TO {user};"));
    };
    let store = Store::MySql(settings(server.address(), &database));
    on_a_worker(async {
        grant("SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES");
        initialise(&store).await;
        grant("SELECT, INSERT, UPDATE, DELETE");
        let registry = account::open(&store, control()).await.unwrap();
        registry.add(&account("ann")).await.unwrap();
        grant("SELECT");
        let gate = account::open(&store, control()).await.unwrap();
        assert_eq!(timed_look_up(&*gate).await.0.unwrap().len(), 1);
        assert_eq!(gate.ha1("ann", "realm", DigestAlgorithm::Md5).await.unwrap(), None);
        assert_eq!(gate.revoked(&[certificate(1)]).await.unwrap(), [None]);
        let denied = gate.add(&account("bob")).await.unwrap_err().to_string();
        assert!(denied.contains("UPDATE command denied"), "{denied}");
    });
}

/// Makes a server answer at another address, too.
fn forward(front: SocketAddr, server: SocketAddr) -> SocketAddr {
    let front = TcpListener::bind(front).unwrap();
    let address = front.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((client, _)) = front.accept() {
            let server = TcpStream::connect(server).unwrap();
            let directions = [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
            for (mut from, mut to) in directions {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
    address
}

#[test]
fn a_client_certificate_stands_for_a_password() {
    let server = MariaDb::shared();
    let database = server.database();
    let user = &database.user;
    server.administer(&format!("ALTER USER {user} IDENTIFIED BY '' REQUIRE SUBJECT '/CN=gate';"));
    let store = with(&Store::MySql(settings(server.address(), &database)), |settings| {
        settings.password = None;
        settings.tls = MySqlTls {
            mode: MySqlTlsMode::Verify,
            ca: Some(server.tls("ca.pem")),
            client: Some(CertificateFiles { chain: server.tls("client.pem"), key: server.tls("client.key") }),
        };
    });
    on_a_worker(async {
        initialise(&store).await;
        let front = forward((Ipv4Addr::LOCALHOST, 0).into(), server.address());
        let by_name = ServerName { host: "localhost".to_owned(), port: front.port() };
        for (store, name) in [(store.clone(), "ann"), (with(&store, |settings| settings.servers[0] = by_name), "bob")] {
            account::open(&store, control()).await.unwrap().add(&account(name)).await.unwrap();
        }
        let in_clear = with(&store, |settings| settings.tls = MySqlTls::default());
        let without_client = with(&store, |settings| settings.tls.client = None);
        let other_authority = with(&store, |settings| settings.tls.ca = Some(server.tls("other-ca.pem")));
        let no_authority = with(&store, |settings| settings.tls.ca = None);
        let other_name = with(&store, |settings| settings.servers[0] = name_of(front));
        let no_key = with(&store, |settings| {
            let key = server.tls("ca.pem");
            settings.tls.client = Some(CertificateFiles { chain: server.tls("client.pem"), key });
        });
        let missing_key = with(&store, |settings| {
            let key = server.tls("absent.key");
            settings.tls.client = Some(CertificateFiles { chain: server.tls("client.pem"), key });
        });
        for (store, expected) in [
            (in_clear, "the connection is not encrypted"),
            (without_client, "no client certificate was shown"),
            (other_authority, "does not come from an authority that we were told of"),
            (no_authority, "tls.ca names no authorities"),
            (other_name, "for another name"),
            (no_key, "no private key"),
            (missing_key, "absent.key does not exist"),
        ] {
            let why = why(&store).await;
            assert!(why.contains(expected), "{why:?} does not say {expected:?}");
        }
    });
}

#[test]
fn a_removed_file_is_unavailable_until_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let (path, aside) = (directory.path().join("accounts.db"), directory.path().join("aside.db"));
    let store = Store::Sqlite { path: path.clone() };
    on_a_worker(async {
        let registry = account::open(&store, control()).await.unwrap();
        registry.add(&account("ann")).await.unwrap();
        std::fs::rename(&path, &aside).unwrap();
        let (found, took) = timed_look_up(&*registry).await;
        let error = found.unwrap_err();
        assert_eq!(error.store, path.display().to_string());
        assert!(took < SLACK);
        assert!(matches!(registry.add(&account("bob")).await, Err(RegistryError::Unavailable(_))));
        std::fs::rename(&aside, &path).unwrap();
        assert_eq!(timed_look_up(&*registry).await.0.unwrap().len(), 1);
        registry.add(&account("bob")).await.unwrap();
    });
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("no/such/folder/accounts.db");
    on_a_worker(async {
        let why = why(&Store::Sqlite { path: path.clone() }).await;
        assert!(why.contains(&path.display().to_string()), "{why}");
        assert!(why.contains("No such file or directory"), "{why}");
    });
}
