use super::*;
use crate::base::secret::{Secret, SecretSource};
use crate::certificate::facts::Attribute;
use crate::config::{MySql, MySqlTls};

fn settings(mode: MySqlTlsMode, password: bool) -> MySql {
    MySql {
        servers: Vec::new(),
        database: "wicketgate".to_owned(),
        user: "gate".to_owned(),
        password: password.then(|| SecretSource::Literal(Secret::from("hunter2"))),
        tls: MySqlTls { mode, ca: Some("db-ca.pem".into()), client: None },
        foreign: None,
        insecure: false,
    }
}

fn server() -> ServerName {
    ServerName { host: "db1.example.org".to_owned(), port: 3306 }
}

fn refused(settings: &MySql, code: u16, message: &str) -> Diagnosis {
    let error = ServerError { code, message: message.to_owned(), state: "28000".to_owned() };
    Attempt { settings, server: &server(), certificate: None }.failed(&Error::Server(error))
}

#[test]
fn a_number_of_the_server_says_what_is_to_be_done() {
    let with_password = settings(MySqlTlsMode::Verify, true);
    let denied = "Access denied for user 'gate'@'10.0.0.7' (using password: YES)";
    let cases = [
        (1044, "Access denied", "may not use the database \"wicketgate\"", "wicketgate db grants"),
        (1045, denied, "refused the user \"gate\", which to it comes from \"10.0.0.7\"", "compare the password"),
        (1045, denied, "refused", "SHOW CREATE USER 'gate'@'10.0.0.7'"),
        (1049, "Unknown database", "no database", "wicketgate db init"),
        (1040, "Too many connections", "too many", "max_connections"),
        (1047, "WSREP has not yet prepared node", "not ready", "wsrep"),
        (1129, "Host 'x' is blocked", "shut out", "FLUSH HOSTS"),
        (1130, "Host 'box.example' is not allowed to connect", "no user at all", "CREATE USER 'gate'@'box.example'"),
        (1698, "Access denied for user 'gate'@'localhost'", "something else than a password", "unix_socket"),
        (1862, "Your password has expired", "expired", "ALTER USER"),
        (4151, "Access denied, this account is locked", "locked", "ACCOUNT UNLOCK"),
        (3159, "Connections using insecure transport are prohibited", "nobody in without TLS", "mode: verify"),
        (1524, "Plugin 'x' is not loaded", "a method that we do not have", "caching_sha2_password"),
        (9999, "something new", "refused the connection", "manual"),
    ];
    for (code, message, what, what_to_do) in cases {
        let diagnosis = refused(&with_password, code, message);
        assert!(diagnosis.what.contains(what), "{code}: {diagnosis}");
        assert!(diagnosis.what_to_do.contains(what_to_do), "{code}: {diagnosis}");
        assert_eq!(diagnosis.why, format!("{message} (error {code})"));
        assert_eq!(diagnosis.on, "db1.example.org:3306");
        assert!(!diagnosis.to_string().contains("hunter2"));
    }
}

#[test]
fn what_was_not_shown_is_part_of_the_answer() {
    let cases = [
        (MySqlTlsMode::Off, true, "the connection is not encrypted"),
        (MySqlTlsMode::Verify, true, "no client certificate was shown"),
        (MySqlTlsMode::Verify, true, "TLS_AES_256_GCM_SHA384"),
        (MySqlTlsMode::Verify, false, "no password was sent"),
    ];
    for (mode, password, expected) in cases {
        let diagnosis = refused(&settings(mode, password), 1045, "Access denied for user 'gate'@'h' (using …)");
        assert!(diagnosis.what_to_do.contains(expected), "{diagnosis}");
    }
}

#[test]
fn every_cipher_suite_that_we_offer_is_named_as_openssl_names_it() {
    let offered = rustls::crypto::aws_lc_rs::default_provider().cipher_suites;
    let named: Vec<&str> = CIPHER_SUITES.split(", ").collect();
    assert_eq!(named.len(), offered.len());
    for suite in offered {
        // TLS13_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, …
        let name = format!("{:?}", suite.suite());
        let openssl = match name.strip_prefix("TLS13_") {
            Some(rest) => format!("TLS_{rest}"),
            None => name
                .trim_start_matches("TLS_")
                .replace("_WITH", "")
                .replace("AES_", "AES")
                .replace("POLY1305_SHA256", "POLY1305")
                .replace('_', "-"),
        };
        assert!(named.contains(&openssl.as_str()), "{openssl} of {name}");
    }
}

#[test]
fn a_name_is_written_as_require_clauses_have_it() {
    let attribute = |oid: &str, value: &str| Attribute { oid: oid.to_owned(), value: value.to_owned() };
    let name = DistinguishedName {
        text: String::new(),
        der: Vec::new(),
        attributes: vec![
            attribute("2.5.4.6", "NL"),
            attribute("2.5.4.10", "Bücher"),
            attribute("2.5.4.3", "gate one"),
            attribute("1.2.840.113549.1.9.1", "a@example.org"),
            attribute("1.2.3", "x"),
        ],
    };
    assert_eq!(one_line(&name), "/C=NL/O=B\\xC3\\xBCcher/CN=gate one/emailAddress=a@example.org/1.2.3=x");
}

#[test]
fn a_certificate_without_names_is_told_from_one_with_others() {
    let settings = settings(MySqlTlsMode::Verify, true);
    let server = server();
    let attempt = Attempt { settings: &settings, server: &server, certificate: None };
    let expected = || "db1.example.org".try_into().unwrap();
    let cases = [
        (
            CertificateError::NotValidForNameContext { expected: expected(), presented: Vec::new() },
            "no subject alternative name",
        ),
        (
            CertificateError::NotValidForNameContext {
                expected: expected(),
                presented: vec!["DnsName(\"other\")".to_owned()],
            },
            "for another name",
        ),
    ];
    for (unfit, what) in cases {
        let diagnosis = attempt.tls(&rustls::Error::InvalidCertificate(unfit));
        assert!(diagnosis.what.contains(what), "{diagnosis}");
        assert!(diagnosis.what_to_do.contains("subjectAltName=DNS:db1.example.org"), "{diagnosis}");
    }
}
