//! Accounts in tables that somebody else designed, on a real server: whoever the database takes for somebody
//! else is nobody, nothing can be written, and what does not fit is said by name.
#![cfg(test)]

mod common;

use common::foreign::take_over;
use common::mariadb::{self, MariaDb};
use common::setup::Setup;
use common::upstream::Upstream;
use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::runtime::{Builder, Handle, Runtime};
use wicketgate::account::{self, Account, CertificateKey, Directory, Lookup, Status};
use wicketgate::base::secret::{Secret, SecretSource};
use wicketgate::config::{self, DigestAlgorithm, Foreign, LookupKind, MySql, MySqlTls, ServerName, Store};

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

/// A configuration with these keys below `accounts.mysql`, which are indented by four.
fn configuration(mysql: &str) -> String {
    format!(
        "listeners:
  - {{ name: a, address: 127.0.0.1:0, trust: staff, tls: {{ certificates: [{{ chain: server.pem, key: server.key }}] }} }}
trust:
  staff: {{ authorities: [ca.pem], revocation: {{ database: false }} }}
routes:
  - upstream: {{ respond: {{ body: hello }} }}
accounts:
  mysql:
{mysql}
"
    )
}

const NOWHERE: &str = "    servers: [127.0.0.1]\n    database: d\n    user: u\n    password: { env: P }\n";

fn foreign(keys: &str) -> Arc<Foreign> {
    let text = configuration(&format!("{NOWHERE}{keys}"));
    match config::parse(&text, "wicketgate.yaml", Path::new("")) {
        Ok(loaded) => Arc::clone(loaded.config.accounts.store.foreign().unwrap()),
        Err(faults) => panic!("{faults}"),
    }
}

/// A database with some tables, and queries over them.
struct World {
    server: &'static MariaDb,
    database: mariadb::Database,
    store: Store,
}

impl World {
    fn new(sql: &str, foreign: Arc<Foreign>) -> Self {
        let server = MariaDb::shared();
        let database = server.database();
        let address = server.address();
        let store = Store::MySql(MySql {
            servers: vec![ServerName { host: address.ip().to_string(), port: address.port() }],
            database: database.name.clone(),
            user: database.user.clone(),
            password: Some(SecretSource::Literal(Secret::from(database.password.as_str()))),
            tls: MySqlTls::default(),
            foreign: Some(foreign),
            insecure: false,
        });
        let world = Self { server, database, store };
        world.execute(sql);
        world
    }

    /// Runs SQL as the server's administrator.
    fn execute(&self, sql: &str) -> String {
        self.server.administer(&format!("USE {}; {sql}", self.database.name))
    }

    async fn open(&self) -> Arc<dyn Directory> {
        account::open_directory(&self.store, control()).await.unwrap()
    }

    async fn why(&self) -> String {
        account::open_directory(&self.store, control()).await.err().expect("it opened").why
    }
}

async fn find(directory: &dyn Directory, kind: LookupKind, name: &str) -> Vec<Account> {
    directory.find(&Lookup { kind, name: name.to_owned() }).await.unwrap()
}

async fn names(directory: &dyn Directory, kind: LookupKind, name: &str) -> Vec<String> {
    find(directory, kind, name).await.into_iter().map(|account| account.username).collect()
}

const PEOPLE: &str = "    queries:
      by_username: SELECT id, login AS username, mail AS email, state AS status FROM people WHERE login = :username
      by_email: >
        SELECT id, login AS username, mail AS email, state AS status FROM people
         WHERE mail IN (:email, :email_unicode)
      by_alias: >
        SELECT p.id, p.login AS username, p.mail AS email, p.state AS status, a.name AS alias
          FROM people p JOIN also a ON a.person = p.id WHERE a.name = :alias
      aliases: SELECT name FROM also WHERE person = :id
      ha1: SELECT login AS username, realm, ha1 FROM people WHERE login = :username AND realm = :realm
";

/// The same tables by their names.
const TABLES: &str = "    tables:
      accounts: { table: people, id: id, username: login, email: mail, status: { column: state, active: [active] } }
      aliases: { table: also, account: person, name: name }
      ha1: { md5: ha1, realm: realm }
";

fn people(collation: &str) -> String {
    let charset = collation.split('_').next().unwrap();
    format!(
        "CREATE TABLE people (id INT PRIMARY KEY, login VARCHAR(100), mail VARCHAR(150), state VARCHAR(10), \
         realm VARCHAR(50), ha1 CHAR(32)) CHARACTER SET {charset} COLLATE {collation}; \
         CREATE TABLE also (person INT, name VARCHAR(150)) CHARACTER SET {charset} COLLATE {collation}; \
         INSERT INTO people VALUES (1, 'admin', 'admin@example.org', 'active', 'realm', '{}'); \
         INSERT INTO also VALUES (1, 'root@example.org');",
        "0f".repeat(16)
    )
}

const COLLATIONS: [&str; 7] = [
    "utf8mb4_bin",
    "utf8mb4_general_ci",
    "utf8mb4_unicode_ci",
    "utf8mb4_unicode_520_ci",
    "utf8mb3_general_ci",
    "latin1_swedish_ci",
    "latin1_general_ci",
];

/// Case, accents, blanks that are padded away, full width, letters of other scripts, ligatures, signs that read
/// as letters, what cannot be seen, and what UTF-8 looks like that was stored as Latin-1.
const LOOK_ALIKES: [&str; 22] = [
    "Admin",
    "ADMIN",
    "ádmin",
    "admín",
    "ÀDMIN",
    "a\u{301}dmin",
    "admin ",
    "admin  ",
    " admin",
    "admin\t",
    "admin\u{a0}",
    "ａｄｍｉｎ",
    "admın",
    "ADMİN",
    "аdmin",
    "admin\u{200b}",
    "admin\0",
    "a\u{ad}dmin",
    "ªdmin",
    "ⓐdmin",
    "Ã¡dmin",
    "admin\u{fe0f}",
];

#[test]
fn a_look_alike_is_nobody_on_any_collation() {
    for (collation, keys) in COLLATIONS.iter().flat_map(|collation| [(collation, PEOPLE), (collation, TABLES)]) {
        let world = World::new(&people(collation), foreign(keys));
        on_a_worker(async {
            use LookupKind::{Alias, Email, Username};
            let directory = world.open().await;
            for name in LOOK_ALIKES {
                assert_eq!(names(&*directory, Username, name).await, [""; 0], "{collation} {name:?}");
                let address = format!("{name}@example.org");
                for kind in [Email, Alias] {
                    assert_eq!(names(&*directory, kind, &address).await, [""; 0], "{collation} {address:?}");
                }
                let hash = directory.ha1(name, "realm", DigestAlgorithm::Md5).await.unwrap();
                assert_eq!(hash, None, "{collation} {name:?}");
            }
            for address in [
                "admin@éxample.org",
                "admin@example.org ",
                "admin@ｅｘａｍｐｌｅ.org",
                "admin＠example.org",
                "admin@example.org.",
                "admin@example。org",
                "rööt@example.org",
                "ROOT@example.org",
                "root@example.org ",
            ] {
                for kind in [Email, Alias] {
                    assert_eq!(names(&*directory, kind, address).await, [""; 0], "{collation} {address:?}");
                }
            }
            assert_eq!(names(&*directory, Username, "admin").await, ["admin"], "{collation}");
            assert_eq!(names(&*directory, Email, "admin@example.org").await, ["admin"], "{collation}");
            assert_eq!(names(&*directory, Email, "root@example.org").await, ["admin"], "{collation}");
            assert_eq!(names(&*directory, Alias, "root@example.org").await, ["admin"], "{collation}");
            for (username, realm) in [("admin", "Realm"), ("admin", "réalm"), ("admin", "realm ")] {
                let hash = directory.ha1(username, realm, DigestAlgorithm::Md5).await.unwrap();
                assert_eq!(hash, None, "{collation} {realm:?}");
            }
            assert!(directory.ha1("admin", "realm", DigestAlgorithm::Md5).await.unwrap().is_some(), "{collation}");
        });
    }
    let loose = World::new(&people("utf8mb4_general_ci"), foreign(PEOPLE));
    let same = loose.execute("SELECT COUNT(*) FROM people WHERE mail = 'ÁDMIN@example.org ';");
    assert_eq!(same, "1\n", "the collation does not do what the test is about");
}

/// Passwords as a server for short-lived certificates has them (salted, with a PIN code), and as mailboxes do.
const SECRETS: &str = "CREATE TABLE secrets (login VARCHAR(50), hash VARCHAR(255), salt CHAR(16), pin CHAR(40), \
     pin_salt CHAR(16), crypt VARCHAR(255)) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci; \
     INSERT INTO secrets VALUES \
     ('ann', SHA1(CONCAT('s1', 'hunter2')), 's1', SHA1(CONCAT('s2', '4711')), 's2', '{CRYPT}$1$saltsalt$G/1b1Zd4GvZmJgBlv08ss1'), \
     ('bob', SHA1(CONCAT('s1', 'hunter2')), 's1', NULL, '', '!'), \
     ('eve', '', '', '', '', ''), \
     ('two', SHA1(CONCAT('s1', 'hunter2')), 's1', SHA1(CONCAT('s2', '4711')), 's2', 'hunter2'), \
     ('two', SHA1(CONCAT('s1', 'hunter2')), 's1', SHA1(CONCAT('s2', '4711')), 's2', 'hunter2')";

#[test]
fn passwords_are_read_with_their_salts_and_second_secrets() {
    let table = "{ hash: hash, salt: salt, layout: sha1_salt_first, pin: { hash: pin, salt: pin_salt } }";
    let keys =
        format!("    tables: {{ accounts: {{ table: secrets, username: login, email: login }}, password: {table} }}\n");
    let world = World::new(SECRETS, foreign(&keys));
    on_a_worker(async {
        let directory = world.open().await;
        let ann = directory.password("ann").await.unwrap().unwrap();
        for (given, right) in [("hunter2:4711", true), ("hunter2", false), ("hunter2:4712", false), (":4711", false)] {
            assert_eq!(ann.verify(&Secret::from(given)), right, "{given}");
        }
        // Who has no PIN code has no password; a look-alike, or one of two, is nobody.
        for name in ["bob", "eve", "two", "Ann", "ann ", "ánn", "zoe"] {
            assert_eq!(directory.password(name).await.unwrap(), None, "{name}");
        }
    });
    let query = |password: &str| {
        let by = |key: &str, name: &str| {
            format!("{key}: 'SELECT login AS username, login AS email FROM secrets WHERE login = :{name}'")
        };
        let (by_username, by_email) = (by("by_username", "username"), by("by_email", "email"));
        foreign(&format!("    queries: {{ {by_username}, {by_email}, password: '{password}' }}\n"))
    };
    let crypt = "SELECT login AS username, crypt AS hash FROM secrets WHERE login = :username";
    let world = World::new(SECRETS, query(crypt));
    on_a_worker(async {
        let directory = world.open().await;
        let ann = directory.password("ann").await.unwrap().unwrap();
        assert!(ann.verify(&Secret::from("correct horse bättery")) && !ann.verify(&Secret::from("hunter2")));
        for name in ["bob", "eve", "two"] {
            assert_eq!(directory.password(name).await.unwrap(), None, "{name}");
        }
    });
    let salted = "SELECT login AS username, hash, salt FROM secrets WHERE login = :username";
    let why = on_a_worker(async { World::new(SECRETS, query(salted)).why().await });
    assert!(why.contains("accounts.mysql.queries.password: ") && why.contains("`password_layout`"), "{why}");
}

#[test]
fn a_number_is_not_the_text_that_begins_with_it() {
    let sql = "CREATE TABLE people (id INT PRIMARY KEY); INSERT INTO people VALUES (0), (4711);";
    let queries = "    queries: { by_username: SELECT id AS username FROM people WHERE id = :username, \
                   by_email: 'SELECT id AS username, id AS email FROM people WHERE id = :email' }";
    let world = World::new(sql, foreign(queries));
    on_a_worker(async {
        let directory = world.open().await;
        assert_eq!(names(&*directory, LookupKind::Username, "4711").await, ["4711"]);
        for name in ["admin", "4711abc", "04711", "4711.0", "0x0"] {
            assert_eq!(names(&*directory, LookupKind::Username, name).await, [""; 0], "{name:?}");
        }
    });
}

#[test]
fn spellings_are_one_name_only_where_the_configuration_says_so() {
    let queries = format!("{PEOPLE}      compare: {{ username: case_insensitive, local_part: case_insensitive }}\n");
    let world = World::new(&people("utf8mb4_general_ci"), foreign(&queries));
    on_a_worker(async {
        let directory = world.open().await;
        for name in ["admin", "Admin", "ADMIN"] {
            assert_eq!(names(&*directory, LookupKind::Username, name).await, ["admin"], "{name:?}");
            let address = format!("{name}@example.org");
            assert_eq!(names(&*directory, LookupKind::Email, &address).await, ["admin"], "{name:?}");
        }
        for name in ["ádmin", "admin ", "ａｄｍｉｎ", "ADMİN"] {
            assert_eq!(names(&*directory, LookupKind::Username, name).await, [""; 0], "{name:?}");
        }
    });
}

#[test]
fn an_internationalised_domain_is_found_however_it_is_stored() {
    for keys in [PEOPLE, TABLES] {
        let world = World::new(&people("utf8mb4_general_ci"), foreign(keys));
        world.execute(
            "INSERT INTO people VALUES (2, 'ann', 'Ann@BÜCHER.example', 'active', '', ''), \
         (3, 'bob', 'bob@xn--bcher-kva.example', 'active', '', '');",
        );
        on_a_worker(async {
            let directory = world.open().await;
            for (address, expected) in [("Ann@xn--bcher-kva.example", "ann"), ("bob@xn--bcher-kva.example", "bob")] {
                let found = find(&*directory, LookupKind::Email, address).await;
                assert_eq!(found[0].username, expected);
                assert_eq!(found[0].email.as_deref(), Some(address));
            }
            assert_eq!(names(&*directory, LookupKind::Email, "ann@xn--bcher-kva.example").await, [""; 0]);
            assert_eq!(names(&*directory, LookupKind::Email, "Ann@bucher.example").await, [""; 0]);
        });
    }
}

#[test]
fn two_rows_are_two_accounts() {
    for keys in [PEOPLE, TABLES] {
        let world = World::new(&people("utf8mb4_general_ci"), foreign(keys));
        world.execute(
            "INSERT INTO people VALUES (2, 'admin', 'other@example.org', 'active', '', ''), \
         (3, 'carol', 'shared@example.org', 'active', '', ''), (4, 'dave', 'shared@example.org', 'active', '', ''); \
         INSERT INTO also VALUES (3, 'root@example.org'), (3, 'shared@example.org');",
        );
        on_a_worker(async {
            let directory = world.open().await;
            assert_eq!(names(&*directory, LookupKind::Username, "admin").await, ["admin", "admin"]);
            assert_eq!(names(&*directory, LookupKind::Email, "shared@example.org").await, ["carol", "dave"]);
            assert_eq!(names(&*directory, LookupKind::Alias, "root@example.org").await, ["admin", "carol"]);
            // What is an address and an alias of one account is no second one.
            world.execute("DELETE FROM people WHERE id = 4;");
            assert_eq!(names(&*directory, LookupKind::Email, "shared@example.org").await, ["carol"]);
        });
    }
}

/// What is logged, of all tests.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn whom_the_database_took_for_somebody_else_is_logged_with_the_collation() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().json().with_writer(move || writer.clone()).init();
    let world = World::new(&people("utf8mb4_general_ci"), foreign(PEOPLE));
    on_a_worker(async {
        let directory = world.open().await;
        let cases = [
            (LookupKind::Username, "Zoë", "username: utf8mb4_general_ci"),
            (LookupKind::Email, "Zoe@example.org", "email: utf8mb4_general_ci"),
            (LookupKind::Alias, "ZOE", "alias: utf8mb4_general_ci"),
        ];
        world.execute(
            "INSERT INTO people VALUES (9, 'zoe', 'zoe@example.org', 'active', '', ''); INSERT INTO also VALUES (9, 'zoe');",
        );
        for (kind, name, collation) in cases {
            assert_eq!(names(&*directory, kind, name).await, [""; 0]);
            let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
            let line =
                text.lines().find(|line| line.contains(&format!("{name}\\\""))).unwrap_or_else(|| panic!("{text}"));
            for part in ["WARN", "by its collation", "zoe", collation] {
                assert!(line.contains(part), "{part:?} is missing from {line}");
            }
        }
        // Whoever goes on trying fills no log.
        for (kind, name) in [(LookupKind::Username, "ZOË"), (LookupKind::Email, "ZOE@example.org")] {
            assert_eq!(names(&*directory, kind, name).await, [""; 0]);
            let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
            assert!(!text.contains(&format!("{name}\\\"")), "{text}");
        }
    });
}

#[test]
fn sql_in_a_name_is_text() {
    let world = World::new(&people("utf8mb4_bin"), foreign(PEOPLE));
    on_a_worker(async {
        let directory = world.open().await;
        for text in [
            "'; DROP TABLE people; --",
            "' OR '1'='1",
            "\" OR \"\"=\"",
            "admin' --",
            "admin\\' OR 1=1 #",
            "%",
            "_dmin",
            "\\",
            "?",
            ":username",
            "/*! SLEEP(9) */",
        ] {
            for kind in [LookupKind::Username, LookupKind::Email, LookupKind::Alias] {
                assert_eq!(names(&*directory, kind, text).await, [""; 0], "{text:?}");
                assert_eq!(names(&*directory, kind, &format!("{text}@example.org")).await, [""; 0], "{text:?}");
            }
            assert_eq!(directory.ha1(text, text, DigestAlgorithm::Md5).await.unwrap(), None);
        }
        let huge = "h".repeat(1 << 20);
        assert_eq!(names(&*directory, LookupKind::Username, &huge).await, [""; 0]);
        assert_eq!(names(&*directory, LookupKind::Username, "admin").await, ["admin"]);
    });
}

#[test]
fn a_query_that_writes_is_refused_by_the_server() {
    let sql = people("utf8mb4_bin")
        + "CREATE TABLE seen (login VARCHAR(100)); \
           CREATE FUNCTION note_down(login VARCHAR(100)) RETURNS INT MODIFIES SQL DATA \
           RETURN (SELECT COUNT(*) FROM seen);";
    // The function is exchanged for one that writes after the query was looked at.
    let queries = "    queries: { by_username: 'SELECT login AS username, note_down(login) AS id FROM people \
                   WHERE login = :username', by_email: 'SELECT login AS username, mail AS email FROM people WHERE mail = :email' }";
    let world = World::new(&sql, foreign(queries));
    on_a_worker(async {
        let directory = world.open().await;
        assert_eq!(names(&*directory, LookupKind::Username, "admin").await, ["admin"]);
        world.execute(
            "DROP FUNCTION note_down;
DELIMITER //
CREATE FUNCTION note_down(login VARCHAR(100)) RETURNS INT MODIFIES SQL DATA
BEGIN
  INSERT INTO seen VALUES (login);
  RETURN 1;
END //
DELIMITER ;
",
        );
        let lookup = Lookup { kind: LookupKind::Username, name: "admin".to_owned() };
        let error = directory.find(&lookup).await.unwrap_err();
        assert!(error.why.contains("accounts.mysql.queries.by_username"), "{error}");
        assert!(error.why.contains("READ ONLY"), "{error}");
        assert_eq!(world.execute("SELECT COUNT(*) FROM seen;"), "0\n");
    });
}

#[test]
fn a_query_that_finds_everybody_is_refused_and_the_answer_is_bounded() {
    let sql = people("utf8mb4_bin") + "INSERT INTO also SELECT 1, seq FROM seq_1_to_200000;";
    let queries = "    queries: { by_username: 'SELECT name AS username FROM also WHERE name <> :username', \
                   by_email: 'SELECT login AS username, mail AS email FROM people WHERE mail = :email', \
                   aliases: 'SELECT name FROM also WHERE person = 1 OR name = :username' }";
    let world = World::new(&sql, foreign(queries));
    on_a_worker(async {
        let directory = world.open().await;
        for (kind, name, expected) in [
            (LookupKind::Username, "admin", "queries.by_username: it yields more than 16 rows"),
            (LookupKind::Email, "admin@example.org", "queries.aliases: it yields more than 1000 rows"),
        ] {
            let error = directory.find(&Lookup { kind, name: name.to_owned() }).await.unwrap_err();
            assert!(error.why.contains(expected), "{error}");
        }
    });
}

#[test]
fn what_does_not_fit_the_tables_is_said_when_they_are_opened() {
    let by_email = "by_email: 'SELECT login AS username, mail AS email FROM people WHERE mail = :email'";
    let with = |by_username: &str| {
        let queries = format!("    queries: {{ by_username: \"{by_username}\", {by_email} }}");
        World::new(&people("utf8mb4_bin"), foreign(&queries))
    };
    on_a_worker(async {
        let cases = [
            ("SELECT login AS username FROM nobody WHERE login = :username", "doesn't exist"),
            ("SELECT name AS username FROM people WHERE login = :username", "Unknown column 'name'"),
            ("SELECT login FROM people WHERE login = :username", "a column `login`, which has no meaning here"),
            ("SELECT mail AS email FROM people WHERE login = :username", "no column `username`"),
            ("SELECT login AS username, login AS Username FROM people WHERE login = :username", "twice"),
            ("SELECT login AS username FORM people WHERE login = :username", "error in your SQL syntax"),
        ];
        for (query, expected) in cases {
            let why = with(query).why().await;
            assert!(why.contains("accounts.mysql.queries.by_username: ") && why.contains(expected), "{why}");
        }
        let world = with("SELECT login AS username FROM people WHERE login = :username");
        let mariadb::Database { name, user, .. } = &world.database;
        world.execute(&format!("REVOKE ALL ON {name}.* FROM {user}; GRANT SELECT (login) ON {name}.people TO {user};"));
        let why = world.why().await;
        assert!(why.contains("queries.by_email") && !why.contains("by_username"), "{why}");
        world.execute(&format!("GRANT SELECT (login, mail) ON {name}.people TO {user};"));
        assert_eq!(names(&*world.open().await, LookupKind::Username, "admin").await, ["admin"]);
    });
}

#[test]
fn what_the_names_of_tables_miss_is_said_when_they_are_opened() {
    on_a_worker(async {
        let cases = [
            ("table: people", "table: persons", "doesn't exist"),
            ("email: mail", "email: address", "Unknown column 'a.address'"),
            ("name: name", "name: alias", "Unknown column 'l.alias'"),
            ("username: login", "username: \"login` AS x, a.`mail\"", ""),
        ];
        for (before, after, expected) in cases {
            let text = configuration(&format!("{NOWHERE}{}", TABLES.replace(before, after)));
            match config::parse(&text, "wicketgate.yaml", Path::new("")) {
                Ok(loaded) => {
                    let foreign = loaded.config.accounts.store.foreign().unwrap();
                    let why = World::new(&people("utf8mb4_bin"), Arc::clone(foreign)).why().await;
                    assert!(why.contains("accounts.mysql.tables (") && why.contains(expected), "{why}");
                }
                Err(faults) => assert!(faults.to_string().contains("not the name of a table or column"), "{faults}"),
            }
        }
    });
}

#[test]
fn what_foreign_tables_do_not_hold_is_no_answer() {
    let world = World::new(&people("utf8mb4_bin"), foreign(PEOPLE));
    on_a_worker(async {
        let directory = world.open().await;
        let certificate = CertificateKey { issuer: [7; 32], serial: vec![1] };
        assert!(directory.revoked(&[certificate]).await.unwrap_err().why.contains("no revocations"));
        let error = account::open(&world.store, control()).await.err().unwrap();
        assert!(error.why.contains("only reads"), "{error}");
    });
}

/// A folder with a configuration that leads to a world.
fn folder(world: &World) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pki = common::pki::Pki::new();
    let Store::MySql(settings) = &world.store else { panic!("not a MySQL store") };
    let mysql = format!(
        "    servers: [\"{}\"]\n    database: {}\n    user: {}\n    password: {{ file: db.password }}\n{PEOPLE}",
        settings.servers[0], settings.database, settings.user
    );
    std::fs::write(folder.path().join("wicketgate.yaml"), configuration(&mysql)).unwrap();
    std::fs::write(folder.path().join("ca.pem"), pki.root.pem()).unwrap();
    pki.server.write(folder.path(), "server");
    common::pki::write_private(&folder.path().join("db.password"), &world.database.password);
    folder
}

fn wicketgate(folder: &tempfile::TempDir, words: &[&str]) -> Output {
    let file = folder.path().join("wicketgate.yaml");
    Command::new(env!("CARGO_BIN_EXE_wicketgate")).args(words).arg("-c").arg(file).output().unwrap()
}

#[track_caller]
fn assert_says(output: &Output, exit: i32, parts: &[&str]) {
    let all = [output.stdout.as_slice(), &output.stderr].concat();
    let all = String::from_utf8(all).unwrap();
    assert_eq!(output.status.code(), Some(exit), "{all}");
    for part in parts {
        assert!(all.contains(part), "{part:?} is missing from\n{all}");
    }
}

#[test]
fn the_commands_read_foreign_tables_and_leave_them_alone() {
    let world = World::new(&people("utf8mb4_bin"), foreign(PEOPLE));
    let folder = folder(&world);
    let promise = "a lock counts only when the time to live of an answer is over";
    assert_says(&wicketgate(&folder, &["check"]), 0, &[promise, "now 60s", "the configuration is good"]);
    assert_says(&wicketgate(&folder, &["db", "check"]), 0, &["MariaDB", "`accounts.mysql.queries` fits its tables"]);
    assert_says(&wicketgate(&folder, &["account", "show", "admin"]), 0, &["admin@example.org", "root@example.org"]);
    assert_says(&wicketgate(&folder, &["account", "show", "Admin"]), 1, &["there is no account"]);
    assert_says(&wicketgate(&folder, &["account", "lock", "admin"]), 1, &["Wicketgate only reads"]);
    for action in ["init", "migrate"] {
        assert_says(&wicketgate(&folder, &["db", action]), 2, &["its tables are yours"]);
    }
    world.execute("ALTER TABLE people DROP COLUMN state;");
    assert_says(&wicketgate(&folder, &["check"]), 2, &["Unknown column", "queries.by_email", "queries.by_alias"]);
    assert_says(&wicketgate(&folder, &["db", "check"]), 1, &["Unknown column"]);
    assert_eq!(world.execute("SHOW TABLES;"), "also\npeople\n");
    assert_eq!(world.execute("SELECT COUNT(*) FROM people;"), "1\n");
}

#[tokio::test]
async fn the_gate_lets_in_whom_the_tables_name_and_nobody_whom_they_name_twice_or_nearly() {
    let world = World::new(&people("utf8mb4_general_ci"), foreign(PEOPLE));
    world.execute(
        "INSERT INTO people VALUES (2, 'liddell', 'alice@example.org', 'active', '', ''), \
         (3, 'twin', 'twin@example.org', 'active', '', ''), (4, 'twin', 'twin@example.org', 'active', '', ''), \
         (5, 'zoe', 'zoe@example.org', 'active', '', ''), (6, 'bob', 'bob@example.org', 'inactive', '', '');",
    );
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).file("db.password", &world.database.password).start();
    let Store::MySql(settings) = &world.store else { panic!("not a MySQL store") };
    let accounts = format!(
        "{{ mysql: {{ servers: [\"{}\"], database: {}, user: {}, password: {{ file: db.password }}, tables: {{ accounts: \
         {{ table: people, username: login, email: mail, status: {{ column: state, active: [active] }} }} }} }} }}",
        settings.servers[0], settings.database, settings.user
    );
    take_over(&gate, &accounts, async || {
        gate.alice().get("/").await;
        upstream.requests().last().and_then(|seen| seen.header("remote-user")).as_deref() == Some("liddell")
    })
    .await;
    let before = upstream.requests().len();
    for (name, reason) in [
        ("twin", "identity_ambiguous"),
        ("ZOE", "account_unknown"),
        ("bob", "account_inactive"),
        ("nobody", "account_unknown"),
    ] {
        let answer = gate.client().with(&gate.pki.person(name)).get("/").await;
        assert_eq!(answer.status, 403, "{name}: {}", answer.text());
        assert!(answer.text().contains(reason), "{name}: {}", answer.text());
    }
    assert_eq!(upstream.requests().len(), before, "nothing passed");
    gate.log_line(&["WARN", "\\\"zoe\\\"", "email: utf8mb4_general_ci"]);
}

#[test]
fn a_locked_account_is_read_as_locked() {
    let world = World::new(&people("utf8mb4_bin"), foreign(PEOPLE));
    on_a_worker(async {
        let directory = world.open().await;
        for (state, expected) in [
            ("'locked'", Status::Locked),
            ("'closed'", Status::Closed),
            ("'active'", Status::Active),
            ("NULL", Status::Locked),
        ] {
            world.execute(&format!("UPDATE people SET state = {state};"));
            assert_eq!(find(&*directory, LookupKind::Username, "admin").await[0].status, expected, "{state}");
        }
    });
}
