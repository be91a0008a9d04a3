//! What is wrong with a database is said in words that name the cause and what to do, each seen on a real
//! server; and what is right is found so.
#![cfg(test)]

mod common;

use common::gate::unused_address;
use common::mariadb::{DATABASE, Database, MariaDb, PASSWORD, USER};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use wicketgate::base::secret::{Secret, SecretSource};
use wicketgate::config::{CertificateFiles, MySql, MySqlTls, MySqlTlsMode, ServerName};
use wicketgate::store::mysql::{Examination, examine};
use wicketgate::store::rights::Role;
use wicketgate::store::{Deadlines, migrations};

fn settings(server: SocketAddr, database: &Database) -> MySql {
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

/// Verified TLS to a test server, with the client certificate of these files if any.
fn tls(server: &MariaDb, certificate: Option<&str>) -> MySqlTls {
    MySqlTls {
        mode: MySqlTlsMode::Verify,
        ca: Some(server.tls("ca.pem")),
        client: certificate.map(|name| CertificateFiles {
            chain: server.tls(&format!("{name}.pem")),
            key: server.tls(&format!("{name}.key")),
        }),
    }
}

/// Everything that is said about a database, with warnings.
fn said(settings: &MySql, role: Role) -> (Examination, String) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let examination = runtime.block_on(examine(settings, role, Deadlines::default()));
    let told = |diagnosis: &wicketgate::store::Diagnosis| {
        assert!(!diagnosis.on.is_empty() && !diagnosis.what_to_do.is_empty(), "{diagnosis}");
        format!("{}: {diagnosis}", diagnosis.severity)
    };
    let text: Vec<String> = examination.diagnoses.iter().map(told).collect();
    (examination, text.join("\n"))
}

#[track_caller]
fn says(settings: &MySql, expected: &[&str]) {
    let (examination, said) = said(settings, Role::Gate);
    assert!(!examination.is_good(), "{said}");
    for expected in expected {
        assert!(said.contains(expected), "{said:?} does not say {expected:?}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

/// A database with our schema in it.
fn with_schema(server: &MariaDb) -> Database {
    let database = server.database();
    let statements: Vec<String> = migrations::ALL
        .iter()
        .flat_map(|migration| migrations::statements(migration.mysql))
        .chain(["CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY)".to_owned()])
        .chain([format!("INSERT INTO schema_version VALUES ({})", migrations::newest())])
        .collect();
    server.administer(&format!("USE {}; {};", database.name, statements.join(";\n")));
    database
}

#[test]
fn each_way_to_be_refused_has_its_own_words() {
    let server = MariaDb::shared();
    let database = with_schema(server);
    let good = settings(server.address(), &database);
    let with = |change: &dyn Fn(&mut MySql)| {
        let mut settings = good.clone();
        change(&mut settings);
        settings
    };
    // A user who does not exist for us, one who proves itself by its Unix user, and some who must show something.
    server.administer(&format!(
        "CREATE USER elsewhere@'10.9.8.7' IDENTIFIED BY '{0}'; CREATE USER unixuser IDENTIFIED VIA unix_socket; \
         CREATE USER encrypted IDENTIFIED BY '{0}' REQUIRE SSL; CREATE USER certified IDENTIFIED BY '{0}' REQUIRE X509; \
         CREATE USER named IDENTIFIED BY '{0}' REQUIRE SUBJECT '/CN=gate'; \
         CREATE USER weak IDENTIFIED BY '{0}' REQUIRE CIPHER 'AES128-SHA'; \
         CREATE USER locked IDENTIFIED BY '{0}' ACCOUNT LOCK; CREATE USER nothing IDENTIFIED BY '{0}';",
        database.password
    ));
    let user =
        |name: &str, tls: MySqlTls| with(&|settings| (settings.user, settings.tls) = (name.to_owned(), tls.clone()));
    let clear = MySqlTls::default;
    let nowhere = unused_address();
    let cases = [
        (with(&|settings| settings.servers = vec![name_of(nowhere)]), vec!["nothing listens there", "skip_networking"]),
        (
            with(&|settings| settings.password = Some(SecretSource::Literal(Secret::from("hunter2")))),
            vec!["error 1045", "compare the password", "SHOW CREATE USER"],
        ),
        (
            user("elsewhere", clear()),
            vec!["comes from \"127.0.0.1\"", "'elsewhere'@'127.0.0.1'", "for other hosts only"],
        ),
        (user("unixuser", clear()), vec!["error 1698", "something else than a password", "unix_socket"]),
        (user("locked", clear()), vec!["is locked", "ACCOUNT UNLOCK"]),
        (user("encrypted", clear()), vec!["the connection is not encrypted", "mode: verify"]),
        (user("certified", tls(server, None)), vec!["no client certificate was shown", "tls.certificate and tls.key"]),
        (
            user("named", tls(server, Some("other"))),
            vec!["SUBJECT '/CN=other'", "ISSUER '/CN=Test database authority'", "must name exactly these"],
        ),
        (user("weak", tls(server, None)), vec!["REQUIRE CIPHER must name", "TLS_AES_256_GCM_SHA384"]),
        (user("nothing", clear()), vec!["may not use the database", "error 1044"]),
        (with(&|settings| settings.database = "absent".to_owned()), vec!["database \"absent\""]),
        (
            with(&|settings| {
                settings.tls = MySqlTls { ca: Some(server.tls("other-ca.pem")), ..tls(server, None) };
            }),
            vec!["does not come from an authority", "other-ca.pem", "UnknownIssuer"],
        ),
        (
            with(&|settings| {
                (settings.servers[0].host, settings.tls) = ("127.0.0.1".to_owned(), tls(server, None));
                settings.servers[0].host.clone_from(&server.address().ip().to_string());
                let files = settings
                    .tls
                    .client
                    .insert(CertificateFiles { chain: server.tls("client.pem"), key: server.tls("other.key") });
                assert_ne!(files.chain, files.key);
            }),
            vec!["tls.key is not the key of tls.certificate"],
        ),
        // The alert may be lost when the server closes at once; then it is the end of the connection that tells.
        (user("certified", tls(server, Some("stranger"))), vec!["accept our client certificate", "ssl_ca"]),
        (
            with(&|settings| settings.password = Some(SecretSource::File("/nonexistent/db.password".into()))),
            vec!["cannot read the password", "/nonexistent does not exist"],
        ),
    ];
    for (settings, expected) in cases {
        says(&settings, &expected);
    }
}

#[test]
fn a_server_that_is_set_up_otherwise_is_seen_through() {
    let mut server = MariaDb::start();
    let database = with_schema(&server);
    let mut in_tls = settings(server.address(), &database);
    in_tls.tls = tls(&server, None);

    let nameless = [server.tls("nameless.pem"), server.tls("nameless.key")];
    let [certificate, key] = nameless.map(|path| path.display().to_string());
    server.restart_with(&[&format!("--ssl-cert={certificate}"), &format!("--ssl-key={key}")]);
    let extension = format!("subjectAltName=IP:{}", server.address().ip());
    says(&in_tls, &["no subject alternative name", "MySQL and openssl make such certificates", &extension]);

    // Of version 1, as `openssl x509 -req` makes it without extensions.
    let script = format!(
        "openssl req -new -key {key} -subj /CN=database -out v1.csr && \
         openssl x509 -req -in v1.csr -signkey {key} -days 30 -out v1.pem 2>/dev/null"
    );
    let folder = server.tls("");
    assert!(Command::new("sh").args(["-c", &script]).current_dir(&folder).status().unwrap().success());
    let v1 = server.tls("v1.pem").display().to_string();
    server.restart_with(&[&format!("--ssl-cert={v1}"), &format!("--ssl-key={key}")]);
    says(&in_tls, &["no subject alternative name", &extension]);

    server.restart_with(&["--ssl-cipher=AES128-SHA", "--tls-version=TLSv1.2"]);
    says(&in_tls, &["no version or cipher suite of TLS in common", "ECDHE-ECDSA-AES256-GCM-SHA384", "tls_version"]);

    server.restart_with(&["--skip-ssl", "--version=10.5.9-MariaDB"]);
    says(&in_tls, &["the server offers no TLS", "ssl_cert"]);
    let in_clear = settings(server.address(), &database);
    says(&in_clear, &["the server is too old: it is MariaDB 10.5.9", "MariaDB 10.6 or newer"]);

    server.restart_with(&["--require-secure-transport=ON"]);
    says(&in_clear, &["the connection is not encrypted", "require_secure_transport"]);

    server.restart_with(&["--init-connect=", "--tls-version=TLSv1.2"]);
    assert!(said(&in_tls, Role::Gate).0.is_good(), "TLS 1.2 will do");

    server.administer("DELETE FROM mysql.global_priv WHERE Host NOT IN ('localhost'); FLUSH PRIVILEGES;");
    says(
        &in_clear,
        &["no user at all that may come from this machine", "error 1130", "password was not even looked at"],
    );
}

#[test]
fn what_is_wrong_with_tables_columns_and_rights_is_named() {
    let server = MariaDb::shared();
    let cases: [(&str, &[&str]); 8] = [
        ("DROP TABLE revocations", &["a table is missing", "revocations", "error 1146"]),
        ("ALTER TABLE accounts DROP COLUMN home", &["a column is missing", "home", "error 1054"]),
        ("INSERT INTO schema_version VALUES (9000)", &["version 9000 and this program knows only"]),
        ("DROP TABLE schema_version", &["has no schema", "wicketgate db init"]),
        (
            "ALTER TABLE accounts MODIFY email VARCHAR(254) COLLATE utf8mb4_general_ci",
            &["two people one", "utf8mb4_general_ci", "COLLATE utf8mb4_bin"],
        ),
        (
            "ALTER TABLE account_groups MODIFY name VARCHAR(254) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL",
            &["a column is not utf8mb4", "latin1"],
        ),
        (
            "REVOKE ALL ON {db}.* FROM {user}; GRANT SELECT ON {db}.accounts TO {user}",
            &["missing: SELECT ON aliases; SELECT"],
        ),
        (
            "REVOKE ALL ON {db}.* FROM {user}; GRANT SELECT (id) ON {db}.accounts TO {user}; \
             GRANT SELECT ON {db}.aliases TO {user}",
            &["missing: SELECT ON account_groups", "error 1143"],
        ),
    ];
    for (change, expected) in cases {
        let database = with_schema(server);
        let change = change.replace("{db}", &database.name).replace("{user}", &database.user);
        server.administer(&format!("USE {}; {change};", database.name));
        says(&settings(server.address(), &database), expected);
    }
}

#[test]
fn more_rights_than_needed_are_a_warning() {
    let server = MariaDb::shared();
    let database = with_schema(server);
    let Database { name, user, .. } = &database;
    let settings = settings(server.address(), &database);
    let (examination, said_of_all) = said(&settings, Role::Gate);
    assert!(examination.is_good(), "{said_of_all}");
    assert!(said_of_all.contains(&format!("superfluous: ALL PRIVILEGES ON `{name}`.*")), "{said_of_all}");

    server.administer(&format!(
        "REVOKE ALL ON {name}.* FROM {user}; GRANT SELECT ON {name}.* TO {user}; \
         GRANT INSERT, DELETE ON {name}.handovers TO {user}; CREATE ROLE keepers_{name}; \
         GRANT DELETE ON {name}.* TO keepers_{name}; GRANT keepers_{name} TO {user}; \
         SET DEFAULT ROLE keepers_{name} FOR {user};"
    ));
    let (_, through_a_role) = said(&settings, Role::Gate);
    assert!(through_a_role.contains(&format!("superfluous: DELETE ON `{name}`.*")), "{through_a_role}");
    assert!(!through_a_role.contains("SELECT"), "{through_a_role}");

    server.administer(&format!("REVOKE keepers_{name} FROM {user};"));
    assert_eq!(said(&settings, Role::Gate).1, "");
}

#[test]
fn one_server_of_several_that_is_down_is_a_warning() {
    let server = MariaDb::shared();
    let database = with_schema(server);
    let mut settings = settings(server.address(), &database);
    let closed = name_of(unused_address());
    settings.servers.push(closed.clone());
    let (examination, said) = said(&settings, Role::Gate);
    assert!(examination.is_good(), "{said}");
    assert_eq!(examination.servers.len(), 1);
    assert!(said.contains("warning: nothing listens there"), "{said}");
    assert!(examination.diagnoses.iter().any(|diagnosis| diagnosis.on == closed.to_string()), "{said}");
}

/// The program, as a user to whom closed directories are closed: root may enter every one.
fn as_nobody(program: &Path) -> Command {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
    command
}

/// What `wicketgate db check` prints, and whether it ends with the answer yes.
fn db_check(folder: &Path, tls: &str, server: &MariaDb) -> (bool, String) {
    let configuration = format!(
        "listeners: [{{ name: one, address: '127.0.0.1:9443', trust: staff, tls: {{ certificates: \
         [{{ chain: server.pem, key: server.key }}] }} }}]\ntrust: {{ staff: {{ authorities: [ca.pem] }} }}\n\
         accounts: {{ mysql: {{ servers: ['{}'], database: {DATABASE}, user: {USER}, \
         password: {{ file: db.password }}, tls: {{ ca: db-ca.pem, {tls} }} }} }}\n\
         routes: [{{ path: /, upstream: app }}]\nupstreams: {{ app: {{ servers: ['http://127.0.0.1:8080'] }} }}\n",
        server.address()
    );
    std::fs::write(folder.join("wicketgate.yaml"), configuration).unwrap();
    let mut command = as_nobody(&folder.join("wicketgate"));
    let output = command.args(["db", "check", "-c"]).arg(folder.join("wicketgate.yaml")).output().unwrap();
    assert_eq!(output.stderr, b"", "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_user_known_by_issuer_and_subject_needs_the_right_certificate_and_a_key_within_reach() {
    let server = MariaDb::start();
    server.administer(&format!(
        "ALTER USER {USER} IDENTIFIED BY '{PASSWORD}' REQUIRE ISSUER '/CN=Test database authority' \
         AND SUBJECT '/CN=gate';"
    ));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_wicketgate"), path.join("wicketgate")).unwrap();
    std::fs::write(path.join("db.password"), PASSWORD).unwrap();
    std::fs::create_dir(path.join("closed")).unwrap();
    for (from, to) in [("ca.pem", "db-ca.pem"), ("client.key", "closed/client.key")] {
        std::fs::copy(server.tls(from), path.join(to)).unwrap();
    }
    for file in ["client.pem", "client.key", "other.pem", "other.key"] {
        std::fs::copy(server.tls(file), path.join(file)).unwrap();
    }
    std::fs::set_permissions(path.join("closed"), PermissionsExt::from_mode(0o000)).unwrap();

    let (_, right) = db_check(path, "certificate: client.pem, key: client.key", &server);
    assert!(right.contains(" answers; ") && right.contains("run `wicketgate db init`"), "{right}");
    let (good, other) = db_check(path, "certificate: other.pem, key: other.key", &server);
    assert!(!good && other.contains("the client certificate that was shown is SUBJECT '/CN=other'"), "{other}");
    let (good, none) = db_check(path, "mode: verify", &server);
    assert!(!good && none.contains("no client certificate was shown"), "{none}");
    let (good, closed) = db_check(path, "certificate: client.pem, key: closed/client.key", &server);
    assert!(!good, "{closed}");
    for expected in ["cannot read the key (tls.key)", "/closed (", "cannot be entered by user", "uid ", "setfacl"] {
        assert!(closed.contains(expected), "{closed:?} does not say {expected:?}");
    }
    for (one, another) in [(&other, &none), (&other, &closed), (&none, &closed)] {
        assert_ne!(one, another);
    }
    std::fs::set_permissions(path.join("closed"), PermissionsExt::from_mode(0o700)).unwrap();
}
