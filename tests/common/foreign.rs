//! The four kinds of foreign tables that `examples/accounts` shows, filled by the account suite: each schema takes
//! the accounts of the suite in the way its own application would write them.

use super::PATIENCE;
use super::gate::Gate;
use super::mariadb::{self, MariaDb};
use futures_util::future::{BoxFuture, FutureExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wicketgate::account::{
    Account, CertificateKey, Directory, Edit, Ha1, IssuedCertificate, Lookup, Registry, RegistryError, Status,
    Unavailable,
};
use wicketgate::base::clock::Timestamp;
use wicketgate::base::secret::Secret;
use wicketgate::config::{self, DigestAlgorithm, Foreign};
use wicketgate::store::changes::{Position, Since};

/// What `password` becomes in the two applications that keep a hash of their own: MySQL has lost the functions that made
/// them.
const SALTED_SHA1: &str = "59b3e8d637cf97edbe2384cf59cb7453dfe30789";
const CRYPTED: &str = "$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g.";

/// An example: its files, and how an account is written into its tables.
#[derive(Clone, Copy)]
pub(crate) struct Example {
    /// The configuration, without `.yaml`.
    pub(crate) configuration: &'static str,
    /// The tables, without `.sql`.
    pub(crate) tables: &'static str,
    insert: fn(&Account) -> String,
    share: fn(&str, &str) -> String,
    remove: &'static str,
}

pub(crate) const KEYTALK: Example = Example {
    configuration: "keytalk",
    tables: "keytalk",
    insert: into_keytalk,
    share: |alias, username| {
        format!("INSERT INTO user_aliases SELECT {alias}, UserId FROM users WHERE UserName = {username};")
    },
    remove: "DELETE FROM user_aliases; DELETE FROM user_services; DELETE FROM users;",
};

pub(crate) const KEYTALK_OF_MYSQL_57: Example = Example { tables: "keytalk-mysql57", ..KEYTALK };

pub(crate) const MAILBOXES: Example = Example {
    configuration: "mailboxes",
    tables: "mailboxes",
    insert: into_mailboxes,
    share: |alias, username| {
        format!("INSERT INTO alias SELECT {alias}, address FROM mailbox WHERE login = {username};")
    },
    remove: "DELETE FROM alias; DELETE FROM mailbox;",
};

pub(crate) const ZIMBRA: Example = Example {
    configuration: "zimbra",
    tables: "zimbra",
    insert: into_zimbra,
    share: |alias, username| {
        format!("INSERT INTO zimbra_mail_alias SELECT {alias}, zimbra_id FROM zimbra_account WHERE uid = {username};")
    },
    remove: "DELETE FROM zimbra_mail_alias; DELETE FROM zimbra_list_member; DELETE FROM zimbra_account;",
};

pub(crate) const SIP: Example = Example {
    configuration: "sip",
    tables: "sip",
    insert: into_sip,
    share: |alias, username| {
        format!(
            "INSERT INTO dbaliases SELECT SUBSTRING_INDEX({alias}, '@', 1), SUBSTRING_INDEX({alias}, '@', -1), id \
             FROM subscriber WHERE username = {username};"
        )
    },
    remove: "DELETE FROM dbaliases; DELETE FROM grp; DELETE FROM subscriber;",
};

impl Example {
    fn file(name: &str, ending: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/accounts/{name}.{ending}"))
    }

    /// How the example's configuration reads accounts.
    pub(crate) fn foreign(&self) -> Arc<Foreign> {
        let file = Self::file(self.configuration, "yaml");
        let loaded = config::load(&file).unwrap_or_else(|faults| panic!("{faults}"));
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        Arc::clone(loaded.config.accounts.store.foreign().unwrap())
    }

    /// Makes the tables, and leaves the user of the database the rights that the example names and no others.
    pub(crate) fn make(&self, server: &MariaDb, database: &mariadb::Database) {
        let sql = std::fs::read_to_string(Self::file(self.tables, "sql")).unwrap();
        let mariadb::Database { name, user, .. } = database;
        server.administer(&format!("USE {name};\n{sql}\nREVOKE ALL ON {name}.* FROM {user};"));
        let rights: Vec<&str> = sql.lines().filter_map(|line| line.strip_prefix("--   GRANT ")).collect();
        assert!(!rights.is_empty());
        for right in rights {
            let right = right
                .replace(&format!(" ON {}.", self.database()), &format!(" ON {name}."))
                .replace("'gate'@'10.0.0.%'", user);
            server.administer(&format!("GRANT {right}"));
        }
    }

    /// The name of the database in the example's own files.
    fn database(&self) -> &'static str {
        match self.configuration {
            "mailboxes" => "mail",
            name => name,
        }
    }
}

/// Has a gate that was set up with tables of Wicketgate's own read others, by a reload: `accounts` takes the place of
/// the section of that name. Returns when somebody is somebody else there.
pub(crate) async fn take_over(gate: &Gate, accounts: &str, is_taken_over: impl AsyncFn() -> bool) {
    let file = gate.folder().join("wicketgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let changed = text
        .replace("{ sqlite: { path: accounts.db } }", accounts)
        .replace("{ authorities: [ca.pem] }", "{ authorities: [ca.pem], revocation: { database: false } }");
    assert_ne!(text, changed);
    std::fs::write(&file, changed).unwrap();
    gate.reload();
    let start = Instant::now();
    while !is_taken_over().await {
        assert!(start.elapsed() < PATIENCE, "{}", gate.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A registry over an example's tables: it reads as the gate does, and writes as their own application would.
pub(crate) struct ForeignRegistry {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) example: Example,
    pub(crate) execute: Arc<dyn Fn(&str) -> String + Send + Sync>,
}

impl ForeignRegistry {
    /// Gives an account an alias that another one may have, too.
    pub(crate) fn share(&self, alias: &str, username: &str) {
        (self.execute)(&(self.example.share)(&quoted(alias), &quoted(username)));
    }
}

impl Directory for ForeignRegistry {
    fn find<'a>(&'a self, lookup: &'a Lookup) -> BoxFuture<'a, Result<Vec<Account>, Unavailable>> {
        self.directory.find(lookup)
    }

    fn ha1<'a>(
        &'a self,
        username: &'a str,
        realm: &'a str,
        algorithm: DigestAlgorithm,
    ) -> BoxFuture<'a, Result<Option<Ha1>, Unavailable>> {
        self.directory.ha1(username, realm, algorithm)
    }

    fn changes<'a>(&'a self, since: Option<&'a Position>) -> BoxFuture<'a, Result<Since, Unavailable>> {
        self.directory.changes(since)
    }

    fn revoked<'a>(
        &'a self,
        certificates: &'a [CertificateKey],
    ) -> BoxFuture<'a, Result<Vec<Option<Timestamp>>, Unavailable>> {
        self.directory.revoked(certificates)
    }
}

type Done<'a, T> = BoxFuture<'a, Result<T, RegistryError>>;

impl Registry for ForeignRegistry {
    fn add<'a>(&'a self, account: &'a Account) -> Done<'a, ()> {
        (self.execute)(&(self.example.insert)(account));
        std::future::ready(Ok(())).boxed()
    }

    /// Of the only account.
    fn update<'a>(&'a self, account: &'a Account) -> Done<'a, ()> {
        (self.execute)(self.example.remove);
        self.add(account)
    }

    fn set_ha1<'a>(
        &'a self,
        username: &'a str,
        realm: &'a str,
        algorithm: DigestAlgorithm,
        ha1: Option<&'a Ha1>,
    ) -> Done<'a, ()> {
        let hash = ha1.map_or("NULL".to_owned(), |ha1| quoted(ha1.0.expose_str().unwrap()));
        let (username, realm) = (quoted(username), quoted(realm));
        let sql = match (self.example.configuration, algorithm) {
            ("zimbra", algorithm) => {
                let column = if algorithm == DigestAlgorithm::Md5 { "ha1_md5" } else { "ha1_sha256" };
                format!(
                    "INSERT INTO zimbra_digest (zimbra_id, realm, {column}) \
                     SELECT zimbra_id, {realm}, {hash} FROM zimbra_account WHERE uid = {username} \
                     ON DUPLICATE KEY UPDATE {column} = {hash};"
                )
            }
            ("sip", algorithm) => {
                let column = if algorithm == DigestAlgorithm::Md5 { "ha1" } else { "ha1_sha256" };
                format!("UPDATE subscriber SET {column} = {hash} WHERE username = {username} AND domain = {realm};")
            }
            other => panic!("no HA1 in {other:?}"),
        };
        (self.execute)(&sql);
        std::future::ready(Ok(())).boxed()
    }

    fn set_password<'a>(&'a self, _: &'a str, _: Option<&'a Secret>) -> Done<'a, ()> {
        panic!("their own application hashes passwords")
    }

    fn edit<'a>(&'a self, _: &'a str, _: &'a Edit) -> Done<'a, Account> {
        panic!("the reading suite edits nothing")
    }

    fn remove<'a>(&'a self, _: &'a str, _: Timestamp) -> Done<'a, ()> {
        panic!("the reading suite removes nothing")
    }

    fn list<'a>(&'a self, _: Option<&'a str>, _: u32) -> Done<'a, Vec<Account>> {
        panic!("foreign tables are not listed")
    }

    fn record_issued<'a>(&'a self, _: &'a IssuedCertificate) -> Done<'a, ()> {
        panic!("foreign tables hold no certificates")
    }

    fn revoke<'a>(&'a self, _: &'a CertificateKey, _: Timestamp, _: &'a str) -> Done<'a, ()> {
        panic!("foreign tables hold no revocations")
    }

    fn flush<'a>(&'a self) -> Done<'a, i64> {
        panic!("foreign tables have no feed of changes")
    }
}

/// A text as SQL writes it, for a server whose backslashes escape.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn optional(text: Option<&String>) -> String {
    text.map_or("NULL".to_owned(), |text| quoted(text))
}

fn filled(text: Option<&String>) -> String {
    quoted(text.map_or("", String::as_str))
}

fn status(account: &Account, [active, locked, closed]: [&'static str; 3]) -> &'static str {
    match account.status {
        Status::Active => active,
        Status::Locked => locked,
        Status::Closed => closed,
    }
}

/// A statement for each name.
fn each(names: &[String], statement: impl Fn(String) -> String) -> String {
    names.iter().map(|name| statement(quoted(name))).collect()
}

fn into_keytalk(account: &Account) -> String {
    let row = [
        quoted(&account.username),
        status(account, ["'enabled'", "'suspended'", "'removed'"]).to_owned(),
        optional(account.home.as_ref()),
        optional(account.display_name.as_ref()),
        optional(account.email.as_ref()),
        quoted(SALTED_SHA1),
    ];
    format!(
        "INSERT INTO users (UserName, State, HomeServer, CertCommonName, CertEmail, PasswordHash) VALUES ({}); \
         SET @id = LAST_INSERT_ID(); {}{}",
        row.join(", "),
        each(&account.aliases, |alias| format!("INSERT INTO user_aliases VALUES ({alias}, @id);")),
        each(&account.groups, |group| format!(
            "INSERT IGNORE INTO services (ServiceName) VALUES ({group}); \
             INSERT INTO user_services SELECT @id, ServiceId FROM services WHERE ServiceName = {group};"
        )),
    )
}

fn into_mailboxes(account: &Account) -> String {
    let address = filled(account.email.as_ref());
    let row = [
        quoted(&account.username),
        address.clone(),
        filled(account.display_name.as_ref()),
        filled(account.home.as_ref()),
        quoted(&account.groups.join(",")),
        status(account, ["1", "0", "-1"]).to_owned(),
        quoted(CRYPTED),
    ];
    format!(
        "INSERT INTO mailbox (login, address, name, maildrop, member_of, active, password) VALUES ({}); {}",
        row.join(", "),
        each(&account.aliases, |alias| format!("INSERT INTO alias VALUES ({alias}, {address});")),
    )
}

fn into_zimbra(account: &Account) -> String {
    let (local_part, domain) = account.email.as_ref().unwrap().split_once('@').unwrap();
    let row = [
        "@id".to_owned(),
        quoted(&account.username),
        quoted(local_part),
        quoted(domain),
        optional(account.display_name.as_ref()),
        status(account, ["'active'", "'lockout'", "'closed'"]).to_owned(),
        optional(account.home.as_ref()),
    ];
    format!(
        "SET @id = UUID(); INSERT INTO zimbra_account \
         (zimbra_id, uid, mail_user, mail_domain, display_name, account_status, mail_host) VALUES ({}); {}{}",
        row.join(", "),
        each(&account.aliases, |alias| format!("INSERT INTO zimbra_mail_alias VALUES ({alias}, @id);")),
        each(&account.groups, |group| format!("INSERT INTO zimbra_list_member VALUES ({group}, @id);")),
    )
}

fn into_sip(account: &Account) -> String {
    let row = [
        quoted(&account.username),
        "'example.org'".to_owned(),
        filled(account.email.as_ref()),
        filled(account.display_name.as_ref()),
        filled(account.home.as_ref()),
        status(account, ["0", "1", "2"]).to_owned(),
    ];
    let aliases: String = account
        .aliases
        .iter()
        .map(|alias| {
            let (user, domain) = alias.split_once('@').unwrap_or((alias, ""));
            format!("INSERT INTO dbaliases VALUES ({}, {}, @id);", quoted(user), quoted(domain))
        })
        .collect();
    format!(
        "INSERT INTO subscriber (username, domain, email_address, name, registrar, state) VALUES ({}); \
         SET @id = LAST_INSERT_ID(); {aliases}{}",
        row.join(", "),
        each(&account.groups, |group| format!("INSERT INTO grp VALUES (@id, {group});")),
    )
}
