//! What it means when a connection to a MySQL or MariaDB server does not come about, and what to do. The
//! server's own words hardly help: a wrong password, a user that exists for other hosts and a missing client
//! certificate are all "Access denied". So what was shown in the attempt is part of every answer. The
//! numbers are those of the error references of both servers.

use crate::certificate::facts::{self, DistinguishedName};
use crate::certificate::{name, pem};
use crate::config::{self, MySqlTlsMode, ServerName};
use crate::store::Diagnosis;
use mysql_async::{DriverError, Error, IoError, ServerError, TlsError};
use rustls::{AlertDescription, CertificateError};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// The cipher suites that we offer, by the names that `REQUIRE CIPHER` and `ssl_cipher` know them by.
const CIPHER_SUITES: &str = "TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256, \
                             ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-ECDSA-AES128-GCM-SHA256, \
                             ECDHE-ECDSA-CHACHA20-POLY1305, ECDHE-RSA-AES256-GCM-SHA384, \
                             ECDHE-RSA-AES128-GCM-SHA256, ECDHE-RSA-CHACHA20-POLY1305";

/// One attempt to connect, with all that was shown in it.
pub(super) struct Attempt<'a> {
    pub(super) settings: &'a config::MySql,
    pub(super) server: &'a ServerName,
    /// The PEM of our certificate, if one was shown.
    pub(super) certificate: Option<&'a [u8]>,
}

impl Attempt<'_> {
    /// What an error of the driver means.
    pub(super) fn failed(&self, error: &Error) -> Diagnosis {
        if let Some(error) = tls_error(error) {
            return self.tls(error);
        }
        match error {
            Error::Server(error) => self.refused(error),
            Error::Io(IoError::Io(error)) => self.io(error),
            Error::Driver(DriverError::NoClientSslFlagFromServer) => self.diagnosis(
                "the server offers no TLS, which `tls.mode: verify` demands",
                "its greeting does not have the flag CLIENT_SSL",
                "give the server a certificate (ssl_cert, ssl_key) and start it anew; SHOW VARIABLES LIKE 'have_ssl' \
                 must then say YES",
            ),
            Error::Driver(DriverError::NoKeyFound) => {
                self.diagnosis("there is no private key in the key file of `tls`", error.to_string(), KEY)
            }
            Error::Driver(DriverError::UnknownAuthPlugin { name }) => self.other_method(name, error.to_string()),
            Error::Driver(DriverError::MysqlOldPasswordDisabled) => {
                self.other_method("mysql_old_password", error.to_string())
            }
            Error::Driver(DriverError::CleartextPluginDisabled) => {
                self.other_method("mysql_clear_password", error.to_string())
            }
            error => self.diagnosis(
                "the connection could not be made",
                error.to_string(),
                "look whether a MySQL or MariaDB server is what listens there, and at its error log",
            ),
        }
    }

    /// That there was no end to it.
    pub(super) fn timed_out(&self, limit: Duration) -> Diagnosis {
        self.diagnosis(
            format!("the server did not complete the connection within {limit:?}"),
            "there was no answer, or only a part of one",
            "see that the server runs and has strength left, and that no packet filter stands between",
        )
    }

    /// The server is a node of a cluster that answers no questions.
    pub(super) fn not_ready(&self, why: String) -> Diagnosis {
        self.diagnosis(
            "the server belongs to a cluster and is not ready",
            why,
            "look at SHOW STATUS LIKE 'wsrep%' and at the error log there: a node that has not joined yet, or has lost \
             the majority (non-Primary), answers nothing; see that it reaches the others on the ports 4567, 4568 and 4444",
        )
    }

    fn diagnosis(&self, what: impl Into<String>, why: impl Into<String>, what_to_do: impl Into<String>) -> Diagnosis {
        Diagnosis::error(self.server, what, why, what_to_do)
    }

    fn refused(&self, error: &ServerError) -> Diagnosis {
        let config::MySql { user, database, .. } = self.settings;
        let host = host_in(&error.message).unwrap_or("%");
        let account = format!("'{user}'@'{host}'");
        let (what, what_to_do) = match error.code {
            1044 => (
                format!("the user {user:?} may not use the database {database:?}"),
                format!("grant it rights there ({GRANTS}), or correct accounts.mysql.database"),
            ),
            1045 => (
                format!("the server refused the user {user:?}, which to it comes from {host:?}"),
                self.credentials(&account),
            ),
            1049 => (
                format!("there is no database {database:?}"),
                "correct accounts.mysql.database, or let `wicketgate db init` make it".to_owned(),
            ),
            1040 | 1203 | 1226 => (
                "the server has too many connections".to_owned(),
                "raise its max_connections (1226: the user's MAX_USER_CONNECTIONS or other limit); each gate holds at \
                 most 9"
                    .to_owned(),
            ),
            1047 => return self.not_ready(format!("{} (error {})", error.message, error.code)),
            1129 => (
                "the server has shut out this machine after too many broken connections".to_owned(),
                "run FLUSH HOSTS there, and look for what broke them off (a health check that only connects?)"
                    .to_owned(),
            ),
            1130 => (
                "the server has no user at all that may come from this machine".to_owned(),
                format!(
                    "make the user there for this host: CREATE USER {account} …; the password was not even looked at"
                ),
            ),
            1698 => (
                format!("the server knows the user {user:?} by something else than a password"),
                format!(
                    "see SHOW CREATE USER {account}: a user of the plug-in unix_socket must be the Unix user of that \
                     name; give it a password with ALTER USER {account} IDENTIFIED BY …"
                ),
            ),
            1820 | 1862 => (
                format!("the password of the user {user:?} has expired"),
                format!("ALTER USER {account} IDENTIFIED BY '…' PASSWORD EXPIRE NEVER"),
            ),
            3118 | 4151 => (format!("the user {user:?} is locked"), format!("ALTER USER {account} ACCOUNT UNLOCK")),
            3159 => {
                ("the server lets nobody in without TLS (require_secure_transport)".to_owned(), NEED_TLS.to_owned())
            }
            1251 | 1275 | 1524 => {
                return self.other_method("the server's", format!("{} (error {})", error.message, error.code));
            }
            _ => (
                "the server refused the connection".to_owned(),
                "look up the error's number in the manual of the server, and at the server's error log".to_owned(),
            ),
        };
        self.diagnosis(what, format!("{} (error {})", error.message, error.code), what_to_do)
    }

    /// What may be wrong with what was shown, when the server says only that it was not enough.
    fn credentials(&self, account: &str) -> String {
        let password = if self.settings.password.is_some() {
            "compare the password"
        } else {
            "no password was sent: see whether the user needs one"
        };
        let tls = match (self.settings.tls.mode, self.certificate) {
            _ if self.server.socket().is_some() => {
                "over a Unix socket no TLS is used, and a user with REQUIRE SSL, X509, ISSUER, SUBJECT or CIPHER is \
                 refused by some servers"
                    .to_owned()
            }
            (MySqlTlsMode::Off, _) => format!(
                "the connection is not encrypted, so a user with REQUIRE SSL, X509, ISSUER, SUBJECT or CIPHER is \
                 refused whatever the password, and with require_secure_transport every user: {NEED_TLS}"
            ),
            (MySqlTlsMode::Verify, None) => format!(
                "no client certificate was shown, so one that must show a certificate (REQUIRE X509, ISSUER or \
                 SUBJECT) is refused whatever the password: set tls.certificate and tls.key; {CIPHERS} \
                 {CIPHER_SUITES}"
            ),
            (MySqlTlsMode::Verify, Some(certificate)) => format!(
                "the client certificate that was shown is SUBJECT {} ISSUER {}, and a REQUIRE clause must name \
                 exactly these; {CIPHERS} {CIPHER_SUITES}",
                shown(certificate, |facts| &facts.subject),
                shown(certificate, |facts| &facts.issuer),
            ),
        };
        format!(
            "{password}; see with SHOW CREATE USER {account} whether the user exists for this host, since a wrong \
             password and a user that exists for other hosts only look alike; {tls}"
        )
    }

    /// The user proves itself by a method that we do not have.
    fn other_method(&self, method: &str, why: String) -> Diagnosis {
        let user = &self.settings.user;
        self.diagnosis(
            format!("the user {user:?} would have to prove itself by a method that we do not have ({method})"),
            why,
            "give it one that we have: caching_sha2_password, mysql_native_password, ed25519, or a client certificate \
             with an empty password; MySQL asks this of users that it does not know, too",
        )
    }

    fn io(&self, error: &std::io::Error) -> Diagnosis {
        let why = error.to_string();
        if let Some(socket) = self.server.socket() {
            let what_to_do = match crate::base::reach::writable(socket) {
                Err(obstacle) => format!("{}: {}", obstacle.why, obstacle.what_to_do),
                Ok(()) => "see that the server runs, and compare the path with its variable `socket`".to_owned(),
            };
            return self.diagnosis("the server's socket cannot be connected to", why, what_to_do);
        }
        let (what, what_to_do) = match error.kind() {
            ErrorKind::ConnectionRefused => (
                "nothing listens there",
                "see that the server runs, and that bind_address and port let it listen at this address (with \
                 skip_networking it listens at its socket alone)",
            ),
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::TimedOut => (
                "the server's machine cannot be reached",
                "see that it is up, and that routes and packet filters let this machine through",
            ),
            ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe
                if self.certificate.is_some() =>
            {
                (
                    "the server ended the connection before it was made",
                    "it may not accept our client certificate (tls.certificate), which must come from an authority in its \
                 ssl_ca and be good for client authentication; its error log says which",
                )
            }
            ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe => (
                "the server ended the connection before it was made",
                "look at its error log; a balancer between may have no server to pass on to",
            ),
            _ if why.contains("lookup") => (
                "the server's name cannot be resolved",
                "correct the name in accounts.mysql.servers, or see that DNS or /etc/hosts knows it",
            ),
            _ => (
                "the connection could not be made",
                "look whether a MySQL or MariaDB server is what listens there, and at its error log",
            ),
        };
        self.diagnosis(what, why, what_to_do)
    }

    fn tls(&self, error: &rustls::Error) -> Diagnosis {
        let why = error.to_string();
        let host = &self.server.host;
        match error {
            rustls::Error::InvalidCertificate(unfit) => self.server_certificate(unfit, why),
            rustls::Error::AlertReceived(
                AlertDescription::ProtocolVersion
                | AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity,
            )
            | rustls::Error::PeerIncompatible(_) => self.diagnosis(
                "the server and we have no version or cipher suite of TLS in common",
                why,
                format!(
                    "let the server offer (tls_version, ssl_cipher) TLSv1.2 or TLSv1.3, which are what we have, with \
                     one of: {CIPHER_SUITES}"
                ),
            ),
            rustls::Error::AlertReceived(
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateRequired
                | AlertDescription::DecryptError
                | AlertDescription::AccessDenied,
            ) => {
                let which = self.certificate.map_or_else(
                    || "none was shown".to_owned(),
                    |certificate| format!("it comes from {}", shown(certificate, |facts| &facts.issuer)),
                );
                self.diagnosis(
                    "the server does not accept our client certificate",
                    why,
                    format!(
                        "name in tls.certificate one that has not expired and comes from an authority in the \
                         server's ssl_ca ({which}), or add its authority there"
                    ),
                )
            }
            rustls::Error::InconsistentKeys(_) => self.diagnosis("tls.key is not the key of tls.certificate", why, KEY),
            rustls::Error::InvalidMessage(_) => self.diagnosis(
                "what answers there does not speak TLS as MySQL does",
                why,
                format!("see what listens at {host} and whether a balancer between speaks TLS of its own"),
            ),
            _ => self.diagnosis(
                "TLS with the server failed",
                why,
                "look at the server's error log, and at its certificate, key and ssl_ca",
            ),
        }
    }

    fn server_certificate(&self, unfit: &CertificateError, why: String) -> Diagnosis {
        let host = &self.server.host;
        let ca = self.settings.tls.ca.as_deref().unwrap_or(Path::new("tls.ca")).display();
        let without_names = match unfit {
            CertificateError::NotValidForNameContext { presented, .. } => presented.is_empty(),
            // A certificate of version 1 has no extensions, and so no names.
            CertificateError::Other(other) => other.to_string().contains("UnsupportedCertVersion"),
            _ => false,
        };
        if without_names {
            return self.diagnosis(
                "the server's certificate has no subject alternative name, so nothing in it says whose it is",
                why,
                format!(
                    "MySQL and openssl make such certificates by themselves; issue one that names the server: {}",
                    recipe(host)
                ),
            );
        }
        let (what, what_to_do) = match unfit {
            CertificateError::NotValidForNameContext { .. } | CertificateError::NotValidForName => (
                "the server's certificate is for another name",
                format!(
                    "use a name of the certificate in accounts.mysql.servers, or issue one that has this: {}",
                    recipe(host)
                ),
            ),
            CertificateError::UnknownIssuer => (
                "the server's certificate does not come from an authority that we were told of",
                format!(
                    "put the authority that issued it into {ca}; see which one that is with: openssl s_client \
                     -starttls mysql -connect {} -showcerts",
                    self.server
                ),
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
                "the server's certificate has expired",
                "renew it; a running server reads it with FLUSH SSL".to_owned(),
            ),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                ("the server's certificate is not valid yet", "compare the clocks of both machines".to_owned())
            }
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => (
                "the server's certificate is that of an authority",
                format!("issue one for the server from it, and name the authority in {ca}: {}", recipe(host)),
            ),
            _ => (
                "the server's certificate is not good",
                format!("issue one that is good for server authentication: {}", recipe(host)),
            ),
        };
        self.diagnosis(what, why, what_to_do)
    }
}

const GRANTS: &str = "`wicketgate db grants` prints the statements";
const NEED_TLS: &str = "set `tls: {mode: verify, ca: …}`, and tls.certificate and tls.key for X509, ISSUER and SUBJECT";
const KEY: &str = "name in tls.key the PEM file with the unencrypted key that belongs to tls.certificate";
const CIPHERS: &str = "REQUIRE CIPHER must name one of the suites that we offer:";

/// How a certificate is issued that names a server.
fn recipe(host: &str) -> String {
    let kind = if host.parse::<std::net::IpAddr>().is_ok() { "IP" } else { "DNS" };
    format!(
        "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca-key.pem -days 365 -out server-cert.pem -extfile \
         <(echo subjectAltName={kind}:{host})"
    )
}

/// The TLS error in an error of the driver: what the library reports through a socket comes as an error of it.
fn tls_error(error: &Error) -> Option<&rustls::Error> {
    match error {
        Error::Io(IoError::Tls(TlsError::Tls(error))) => Some(error),
        Error::Io(IoError::Io(error)) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// The host that the server takes us for: `'user'@'host'` or `Host 'host'` in its message.
fn host_in(message: &str) -> Option<&str> {
    let after = message.split_once("'@'").or_else(|| message.split_once("Host '"))?.1;
    Some(after.split_once('\'')?.0)
}

/// A name of the first certificate in a PEM, as a `REQUIRE` clause has it.
fn shown(certificate: &[u8], which: fn(&facts::CertificateFacts) -> &DistinguishedName) -> String {
    let facts = pem::certificates_in(Path::new("tls.certificate"), certificate)
        .ok()
        .and_then(|certificates| facts::parse(certificates.first()?).ok());
    facts.map_or_else(|| "(unreadable)".to_owned(), |facts| format!("'{}'", one_line(which(&facts))))
}

/// A name as OpenSSL's X509_NAME_oneline writes it, which is what the servers compare with: `/C=NL/O=Example/CN=gate`.
/// Octets outside printable ASCII are written as `\xC3`.
pub(super) fn one_line(name: &DistinguishedName) -> String {
    let mut text = String::new();
    for attribute in &name.attributes {
        // OpenSSL calls one type otherwise than LDAP does.
        let short = if attribute.oid == GIVEN_NAME { Some("GN") } else { name::short_name(&attribute.oid) };
        text.extend(["/", short.unwrap_or(&attribute.oid), "="]);
        for octet in attribute.value.bytes() {
            match octet {
                b' '..=b'~' => text.push(char::from(octet)),
                _ => text.push_str(&format!("\\x{octet:02X}")),
            }
        }
    }
    text
}

/// The type givenName.
const GIVEN_NAME: &str = "2.5.4.42";

#[cfg(test)]
mod tests;
