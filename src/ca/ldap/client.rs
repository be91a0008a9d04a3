//! Speaks LDAP (RFC 4511) to the directory: connects over TLS, shows who we are, finds the one entry that a filter
//! means, and reads and changes an attribute of it. Every wait has an end. Referrals are not followed: they would lead
//! with our password to a server that nobody has named.

use crate::base::secret::SecretError;
use crate::certificate::pem::{self, PemError};
use crate::config::{Ldap, LdapServer};
use ldap3::{LdapConnAsync, LdapConnSettings, LdapResult, Mod, Scope, SearchEntry, SearchOptions};
use rustls::{ClientConfig, RootCertStore};
use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Result codes (RFC 4511, appendix A) that mean something to us.
const SIZE_LIMIT_EXCEEDED: u32 = 4;
const REFERRAL: u32 = 10;
const NO_SUCH_ATTRIBUTE: u32 = 16;
const UNDEFINED_ATTRIBUTE_TYPE: u32 = 17;
const INAPPROPRIATE_MATCHING: u32 = 18;
const VALUE_EXISTS: u32 = 20;
const NO_SUCH_OBJECT: u32 = 32;
const INVALID_CREDENTIALS: u32 = 49;
const OBJECT_CLASS_VIOLATION: u32 = 65;

/// The directory cannot be used now: nothing of what is to be done there depends on which certificate it is.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// Certificates of authorities cannot be read.
    #[error(transparent)]
    Ca(#[from] PemError),
    /// TLS cannot be set up with them.
    #[error("the authorities in `authority.ldap.ca` cannot be used: {0}")]
    Tls(rustls::Error),
    /// The password is not to be had.
    #[error(transparent)]
    Password(#[from] SecretError),
    /// The password is no text.
    #[error("the password for {0:?} is not UTF-8 text")]
    PasswordNotText(String),
    /// No server answers. What each said is in the text.
    #[error("no server of the directory can be reached: {0}")]
    Servers(String),
    /// The server does not take the name or the password.
    #[error("{server} does not let {dn:?} bind: {why}")]
    Bind {
        /// The server.
        server: String,
        /// As whom.
        dn: String,
        /// What it said.
        why: String,
    },
    /// The connection broke, or an answer did not come in time.
    #[error("{server} did not answer: {why}")]
    Lost {
        /// The server.
        server: String,
        /// Why.
        why: String,
    },
}

/// What stands in the way of one certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// The account of the certificate is no more.
    #[error("there is no account {0:?}")]
    NoAccount(String),
    /// The account lacks a value that the filter needs.
    #[error("the account {0:?} has not every value that `filter` asks for")]
    NoValue(String),
    /// The certificate is not in the register.
    #[error("the register does not have the certificate")]
    NoCertificate,
    /// It cannot be put into the form that an attribute has.
    #[error("the certificate cannot be written for {0}")]
    Form(String),
    /// No entry is the account's.
    #[error("the filter {0} finds no entry")]
    NoEntry(String),
    /// Several entries are.
    #[error("the filter {0} finds more than one entry, and a certificate is one person's")]
    Ambiguous(String),
    /// An attribute that is to stand in a certificate has several values.
    #[error("the attribute {0} has several values, of which none is the first")]
    Several(String),
    /// The server has refused a request.
    #[error("the directory refused to {what}: {why}")]
    Refused {
        /// `find the entry`, `change userCertificate;binary`.
        what: String,
        /// The code and what it said.
        why: String,
    },
}

/// Why a piece of work was not done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// For now nothing can be done.
    Unreachable(Unreachable),
    /// This one cannot.
    Obstacle(Obstacle),
}

impl From<Obstacle> for Trouble {
    fn from(obstacle: Obstacle) -> Self {
        Self::Obstacle(obstacle)
    }
}

/// A connection that is bound. Dropping it closes it.
pub(super) struct Connection {
    ldap: ldap3::Ldap,
    server: String,
    timeout: Duration,
}

/// Connects to the first server that answers. Passwords and certificates are read each time, so that new ones are
/// taken up.
pub(super) async fn connect(settings: &Ldap) -> Result<Connection, Unreachable> {
    let mut roots = RootCertStore::empty();
    for authority in pem::certificates(&settings.ca)? {
        roots.add(authority).map_err(Unreachable::Tls)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = builder.map_err(Unreachable::Tls)?.with_root_certificates(roots).with_no_client_auth();
    let tls = Arc::new(tls);
    let password = settings.password.read()?;
    let password = password.expose_str().ok_or_else(|| Unreachable::PasswordNotText(settings.bind_dn.clone()))?;
    let mut failures = Vec::new();
    for server in &settings.servers {
        let mut connection = match open(server, Arc::clone(&tls), settings.timeout).await {
            Ok(connection) => connection,
            Err(why) => {
                failures.push(format!("{server}: {why}"));
                continue;
            }
        };
        match connection.bind(&settings.bind_dn, password).await {
            Ok(()) => return Ok(connection),
            // Elsewhere the answer would be the same, and each wrong password counts.
            Err(refused @ Unreachable::Bind { .. }) => return Err(refused),
            Err(error) => failures.push(error.to_string()),
        }
    }
    Err(Unreachable::Servers(failures.join("; ")))
}

async fn open(server: &LdapServer, tls: Arc<ClientConfig>, timeout: Duration) -> Result<Connection, String> {
    let settings = LdapConnSettings::new().set_config(tls).set_starttls(server.start_tls);
    let url = server.to_string();
    let connecting = tokio::time::timeout(timeout, LdapConnAsync::with_settings(settings, &url)).await;
    let (driver, ldap) = connecting.map_err(|_| "no answer in time".to_owned())?.map_err(|error| in_words(&error))?;
    let name = url.clone();
    // It ends when the last handle is dropped, or the server closes the connection.
    tokio::spawn(async move {
        if let Err(error) = driver.drive().await {
            tracing::debug!(server = name, %error, "a connection to the directory ended");
        }
    });
    Ok(Connection { ldap, server: url, timeout })
}

/// What an error means, with the cause that the library leaves out of its text.
fn in_words(error: &ldap3::LdapError) -> String {
    match error {
        ldap3::LdapError::Io { source } => source.to_string(),
        ldap3::LdapError::LdapResult { result } => said(result),
        other => other.to_string(),
    }
}

fn said(result: &LdapResult) -> String {
    let text = result.text.trim();
    let what = match result.rc {
        REFERRAL => "it refers us to another server, which must be named in `servers` itself",
        UNDEFINED_ATTRIBUTE_TYPE => {
            "it does not know the attribute in this form: OpenLDAP has `userCertificate;binary` and \
             `userSMIMECertificate`, Active Directory `userCertificate`"
        }
        OBJECT_CLASS_VIOLATION => "the entry's object classes do not allow the attribute",
        INVALID_CREDENTIALS => "the name or the password is wrong",
        50 => "it does not allow it to the name that we bind with",
        _ => "",
    };
    // It comes from outside, and goes into the log.
    let text: String = text.chars().filter(|character| !character.is_control()).take(300).collect();
    match (what, text.as_str()) {
        ("", "") => format!("result code {}", result.rc),
        ("", text) => format!("{text} (result code {})", result.rc),
        (what, "") => format!("{what} (result code {})", result.rc),
        (what, text) => format!("{what} (result code {}: {text})", result.rc),
    }
}

impl Connection {
    async fn within<T>(&self, answer: impl Future<Output = Result<T, ldap3::LdapError>>) -> Result<T, Unreachable> {
        let lost = |why: String| Unreachable::Lost { server: self.server.clone(), why };
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => answer.map_err(|error| lost(in_words(&error))),
            Err(_) => Err(lost("no answer in time".to_owned())),
        }
    }

    async fn bind(&mut self, dn: &str, password: &str) -> Result<(), Unreachable> {
        let mut ldap = self.ldap.clone();
        let result = self.within(ldap.simple_bind(dn, password)).await?;
        if result.rc != 0 {
            let why = said(&result);
            return Err(Unreachable::Bind { server: self.server.clone(), dn: dn.to_owned(), why });
        }
        Ok(())
    }

    /// The name of the one entry that a filter finds.
    pub(super) async fn find(&mut self, base: &str, filter: &str) -> Result<String, Trouble> {
        // `1.1` asks for no attribute (RFC 4511, section 4.5.1.8).
        Ok(self.entry(base, filter, &["1.1"]).await?.dn)
    }

    /// The one entry that a filter finds, with these attributes.
    pub(super) async fn entry(
        &mut self,
        base: &str,
        filter: &str,
        attributes: &[&str],
    ) -> Result<SearchEntry, Trouble> {
        let mut ldap = self.ldap.clone();
        // Two are enough to know that there is not one.
        ldap.with_search_options(SearchOptions::new().sizelimit(2));
        let searching = ldap.search(base, Scope::Subtree, filter, attributes);
        let ldap3::SearchResult(found, result) = self.within(searching).await.map_err(Trouble::Unreachable)?;
        let mut entries = found.into_iter().filter(|entry| !entry.is_ref() && !entry.is_intermediate());
        match (result.rc, entries.next(), entries.next()) {
            (SIZE_LIMIT_EXCEEDED, ..) | (0, Some(_), Some(_)) => Err(Obstacle::Ambiguous(filter.to_owned()).into()),
            (0, Some(entry), None) => Ok(SearchEntry::construct(entry)),
            (0 | NO_SUCH_OBJECT, None, _) => Err(Obstacle::NoEntry(filter.to_owned()).into()),
            _ => Err(Obstacle::Refused { what: "find the entry".to_owned(), why: said(&result) }.into()),
        }
    }

    /// The values of an attribute of an entry; `None` if there is no such entry.
    async fn values(&mut self, dn: &str, attribute: &str) -> Result<Option<HashSet<Vec<u8>>>, Trouble> {
        let mut ldap = self.ldap.clone();
        let searching = ldap.search(dn, Scope::Base, "(objectClass=*)", [attribute]);
        let ldap3::SearchResult(found, result) = self.within(searching).await.map_err(Trouble::Unreachable)?;
        if result.rc == NO_SUCH_OBJECT {
            return Ok(None);
        }
        if result.rc != 0 {
            let what = format!("read {attribute}");
            return Err(Obstacle::Refused { what, why: said(&result) }.into());
        }
        let entry = found.into_iter().find(|entry| !entry.is_ref() && !entry.is_intermediate());
        let Some(entry) = entry.map(SearchEntry::construct) else { return Ok(None) };
        // Servers differ in the case of names, and in whether they give the option back.
        let is_ours = |name: &String| bare(name).eq_ignore_ascii_case(bare(attribute));
        let octets = entry.bin_attrs.into_iter().filter(|(name, _)| is_ours(name)).flat_map(|(_, values)| values);
        let texts = entry.attrs.into_iter().filter(|(name, _)| is_ours(name)).flat_map(|(_, values)| values);
        Ok(Some(octets.chain(texts.map(String::into_bytes)).collect()))
    }

    /// Sees to it that an attribute has a certificate, or has it not. `value` is what is added; what is removed is
    /// every value that has the certificate's octets in it, since a message may have been made with other issuers.
    /// `false` if there is no such entry.
    pub(super) async fn set(
        &mut self,
        dn: &str,
        attribute: &str,
        (certificate, value): (&[u8], &[u8]),
        present: bool,
    ) -> Result<bool, Trouble> {
        let Some(values) = self.values(dn, attribute).await? else { return Ok(false) };
        let (holding, others): (HashSet<_>, HashSet<_>) =
            values.into_iter().partition(|value| contains(value, certificate));
        if holding.is_empty() != present {
            return Ok(true);
        }
        let name = attribute.as_bytes().to_vec();
        let change = if present {
            Mod::Add(name.clone(), HashSet::from([value.to_vec()]))
        } else {
            Mod::Delete(name.clone(), holding)
        };
        let mut result = self.modify(dn, change).await?;
        if result.rc == INAPPROPRIATE_MATCHING {
            // OpenLDAP cannot compare values of userSMIMECertificate, so that they can only be replaced all at once.
            // No other node does that at the same time: one alone works the queue off.
            let all = others.into_iter().chain(present.then(|| value.to_vec())).collect();
            result = self.modify(dn, Mod::Replace(name, all)).await?;
        }
        match result.rc {
            0 => Ok(true),
            // Somebody else was faster.
            VALUE_EXISTS if present => Ok(true),
            NO_SUCH_ATTRIBUTE if !present => Ok(true),
            NO_SUCH_OBJECT => Ok(false),
            _ => Err(Obstacle::Refused { what: format!("change {attribute}"), why: said(&result) }.into()),
        }
    }

    async fn modify(&mut self, dn: &str, change: Mod<Vec<u8>>) -> Result<LdapResult, Trouble> {
        let mut ldap = self.ldap.clone();
        self.within(ldap.modify(dn, vec![change])).await.map_err(Trouble::Unreachable)
    }
}

/// The name of an attribute without options.
fn bare(description: &str) -> &str {
    description.split(';').next().unwrap_or(description)
}

/// Whether the octets of a certificate stand in a value.
fn contains(value: &[u8], certificate: &[u8]) -> bool {
    !certificate.is_empty() && value.windows(certificate.len()).any(|window| window == certificate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_holds_a_certificate_that_stands_in_it_whole() {
        for (value, certificate, holds) in [
            ("abc", "abc", true),
            ("xabcx", "abc", true),
            ("ab", "abc", false),
            ("axbc", "abc", false),
            ("a", "", false),
        ] {
            assert_eq!(contains(value.as_bytes(), certificate.as_bytes()), holds, "{value} {certificate}");
        }
    }

    fn result(rc: u32, text: &str) -> LdapResult {
        LdapResult { rc, matched: String::new(), text: text.to_owned(), refs: Vec::new(), ctrls: Vec::new() }
    }

    #[test]
    fn what_a_server_says_goes_into_the_log_without_control_characters_and_not_at_length() {
        assert_eq!(said(&result(53, "unwilling\r\nto: perform")), "unwillingto: perform (result code 53)");
        assert_eq!(said(&result(53, "")), "result code 53");
        assert_eq!(said(&result(49, "")), "the name or the password is wrong (result code 49)");
        assert!(said(&result(1, &"x".repeat(100_000))).len() < 400);
    }

    #[test]
    fn an_attribute_is_the_same_with_and_without_its_option() {
        assert_eq!(bare("userCertificate;binary"), "userCertificate");
        assert_eq!(bare("userCertificate"), "userCertificate");
    }
}
