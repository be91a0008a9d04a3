//! What an upstream is told of the client: who it is, in the fields that the configuration names; how its
//! certificate fared (`X-Client-Verify`); and the certificate itself (`Client-Cert` and
//! `Client-Cert-Chain` of RFC 9440, `X-Forwarded-Client-Cert` as Envoy writes it). Only a [`Permit`] makes
//! these fields, so that nothing is said of anybody whom `auth::decision` has not let pass.
//!
//! Values are UTF-8 with `%` and two hexadecimal digits for each octet that is not visible ASCII, and for
//! `%` and `,`; a space stays within a value. So no value can end its field, and a comma is always the end of
//! a member of the list. An upstream gets the text back by percent-decoding.

use super::{Prepared, strip};
use crate::account::Account;
use crate::auth::decision::{ClientVerify, Permit};
use crate::base::hex;
use crate::base::secret::Secret;
use crate::certificate::facts::CertificateFacts;
use crate::config::{IdentityHeaders, Template, TemplateField};
use crate::proxy::path::push_encoded;
use base64::prelude::{BASE64_STANDARD, Engine};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

const CLIENT_VERIFY: HeaderName = HeaderName::from_static("x-client-verify");
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
const FORWARDED_CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// A configured name cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHeaderName {
    /// It is not the name of a field.
    #[error("{0:?} is not the name of a header field")]
    Invalid(String),
    /// It has another meaning, which the message would lose.
    #[error("{0:?} has another meaning and cannot say who the client is")]
    Taken(String),
    /// It is given two meanings.
    #[error("{0:?} cannot say two things")]
    Repeated(String),
}

/// An accepted client certificate with its path.
#[derive(Debug, Clone, Copy)]
pub struct ClientCertificate<'a> {
    /// What it says.
    pub facts: &'a CertificateFacts,
    /// The DER of the validated path: the client's own certificate first, the trust anchor not among them.
    pub path: &'a [&'a [u8]],
}

/// Writes what one upstream wants to be told.
#[derive(Debug, Clone)]
pub struct IdentityWriter {
    user: Option<HeaderName>,
    email: Option<HeaderName>,
    name: Option<HeaderName>,
    groups: Option<HeaderName>,
    client_cert: bool,
    xfcc: bool,
    /// What else is said of accounts.
    set: Vec<(HeaderName, Template)>,
    basic: Option<BasicLogin>,
}

/// What clients are logged in with at an application that knows HTTP Basic alone.
#[derive(Debug, Clone)]
pub struct BasicLogin {
    user: Template,
    password: Secret,
}

impl BasicLogin {
    /// With this name, which is made from the account, and this password.
    #[must_use]
    pub fn new(user: Template, password: Secret) -> Self {
        Self { user, password }
    }

    /// The value of `Authorization` (RFC 7617, section 2); `None` if the account has no name that can be said there.
    fn value(&self, account: &Account) -> Option<HeaderValue> {
        let mut login = self.user.fill(|field| field_of(account, field))?;
        if login.contains(':') || login.chars().any(char::is_control) {
            return None;
        }
        login.push(':');
        let mut octets = login.into_bytes();
        octets.extend_from_slice(self.password.expose());
        let mut value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(octets))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// What an account has for a field of a template.
fn field_of(account: &Account, field: TemplateField) -> Option<&str> {
    match field {
        TemplateField::Username => Some(&account.username),
        TemplateField::Email => account.email.as_deref(),
        TemplateField::Name => account.display_name.as_deref(),
        TemplateField::Home => account.home.as_deref(),
    }
}

/// A text that is made from an account, in the encoding of all that is said of accounts; `None` if it lacks something of it.
pub(in crate::proxy) fn filled(template: &Template, account: &Account) -> Option<HeaderValue> {
    let text = template.fill(|field| field_of(account, field))?;
    HeaderValue::from_maybe_shared(bytes::Bytes::from(encode(&text))).ok()
}

impl IdentityWriter {
    /// For the names that the configuration gives one upstream.
    ///
    /// # Errors
    /// When a name is not one, is used twice, or means something else in HTTP.
    pub fn new(config: &IdentityHeaders) -> Result<Self, BadHeaderName> {
        let mut seen = Vec::new();
        let mut read = |text: &Option<String>| {
            let Some(text) = text else { return Ok(None) };
            let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| BadHeaderName::Invalid(text.clone()))?;
            let canonical = strip::canonical(text);
            if !strip::is_free(&canonical) {
                return Err(BadHeaderName::Taken(text.clone()));
            }
            if seen.contains(&canonical) {
                return Err(BadHeaderName::Repeated(text.clone()));
            }
            seen.push(canonical);
            Ok(Some(name))
        };
        let set = config.set.iter().filter_map(|(name, template)| {
            read(&Some(name.clone())).transpose().map(|name| name.map(|name| (name, template.clone())))
        });
        let set = set.collect::<Result<_, _>>()?;
        Ok(Self {
            set,
            basic: None,
            user: read(&config.user)?,
            email: read(&config.email)?,
            name: read(&config.name)?,
            groups: read(&config.groups)?,
            client_cert: config.client_cert,
            xfcc: config.xfcc,
        })
    }

    /// Logs clients in by HTTP Basic, too.
    #[must_use]
    pub fn with_basic(mut self, basic: Option<BasicLogin>) -> Self {
        self.basic = basic;
        self
    }

    /// Whether it says in `Authorization` who the client is.
    #[must_use]
    pub fn logs_in(&self) -> bool {
        self.basic.is_some()
    }

    /// The fields in which anything may be said.
    pub fn names(&self) -> impl Iterator<Item = HeaderName> {
        let accounts = [&self.user, &self.email, &self.name, &self.groups].into_iter().flatten().cloned();
        let set = self.set.iter().map(|(name, _)| name.clone());
        let given = [
            (CLIENT_VERIFY, true),
            (CLIENT_CERT, self.client_cert),
            (CLIENT_CERT_CHAIN, self.client_cert),
            (FORWARDED_CLIENT_CERT, self.xfcc),
            (AUTHORIZATION, self.basic.is_some()),
        ];
        accounts.chain(set).chain(given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name))
    }

    /// The fields for a request that passes. They are the same for all requests with this permit and
    /// certificate, and worth keeping for as long. A refused certificate that a route lets pass without an
    /// identity is not shown to the upstream, which might take it for proven.
    #[must_use]
    pub fn prepare(&self, permit: &Permit, certificate: Option<ClientCertificate<'_>>) -> Prepared {
        let mut fields = Prepared::default();
        if let Some(identity) = permit.identity() {
            let account = &identity.account;
            let mut say = |name: &Option<HeaderName>, value: Option<&str>| {
                if let (Some(name), Some(value)) = (name, value) {
                    fields.push(name, encode(value));
                }
            };
            say(&self.user, Some(&account.username));
            say(&self.email, account.email.as_deref());
            say(&self.name, account.display_name.as_deref());
            if let Some(name) = self.groups.as_ref().filter(|_| !account.groups.is_empty()) {
                let groups: Vec<String> = account.groups.iter().map(|group| encode(group)).collect();
                fields.push(name, groups.join(","));
            }
            for (name, template) in &self.set {
                if let Some(value) = template.fill(|field| field_of(account, field)) {
                    fields.push(name, encode(&value));
                }
            }
            if let Some(value) = self.basic.as_ref().and_then(|basic| basic.value(account)) {
                fields.push_value(&AUTHORIZATION, value);
            }
        }
        let verify = permit.client_verify();
        fields.push(
            &CLIENT_VERIFY,
            match verify {
                ClientVerify::None => "NONE".to_owned(),
                ClientVerify::Success => "SUCCESS".to_owned(),
                ClientVerify::Failed(reason) => format!("FAILED:{reason}"),
            },
        );
        if let Some(certificate) = certificate.filter(|_| verify == ClientVerify::Success) {
            self.show_certificate(certificate, &mut fields);
        }
        fields
    }

    fn show_certificate(&self, certificate: ClientCertificate<'_>, fields: &mut Prepared) {
        let Some((leaf, intermediates)) = certificate.path.split_first() else { return };
        if self.client_cert {
            fields.push(&CLIENT_CERT, byte_sequence(leaf));
            if !intermediates.is_empty() {
                let chain: Vec<String> = intermediates.iter().map(|der| byte_sequence(der)).collect();
                fields.push(&CLIENT_CERT_CHAIN, chain.join(", "));
            }
        }
        if self.xfcc {
            fields.push(&FORWARDED_CLIENT_CERT, xfcc(certificate.facts, leaf));
        }
    }
}

/// A value in the encoding that the head of this module describes.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'%' | b',' => push_encoded(byte, &mut encoded),
            b'!'..=b'~' => encoded.push(char::from(byte)),
            // At either end it would be taken for padding and be lost.
            b' ' if at != 0 && at != last => encoded.push(' '),
            _ => push_encoded(byte, &mut encoded),
        }
    }
    encoded
}

/// A byte sequence (RFC 8941, section 3.3.5).
fn byte_sequence(octets: &[u8]) -> String {
    format!(":{}:", BASE64_STANDARD.encode(octets))
}

/// One element of `X-Forwarded-Client-Cert`, with Envoy's keys in Envoy's order.
fn xfcc(facts: &CertificateFacts, leaf: &[u8]) -> String {
    let mut element = format!(
        "Hash={};Cert=\"{}\";Subject=\"{}\"",
        hex::encode(&facts.fingerprint),
        encoded_pem(leaf),
        subject(&facts.subject.text)
    );
    for (key, values) in [("URI", &facts.names.uris), ("DNS", &facts.names.dns)] {
        for value in values {
            let value = xfcc_value(value);
            element.push_str(&format!(";{key}={value}"));
        }
    }
    element
}

/// The certificate in PEM, percent-encoded as Envoy does.
fn encoded_pem(der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let mut pem = String::with_capacity(base64.len() * 5 / 4 + 96);
    pem.push_str("-----BEGIN%20CERTIFICATE-----%0A");
    for (at, byte) in base64.bytes().enumerate() {
        if at != 0 && at % 64 == 0 {
            pem.push_str("%0A");
        }
        match byte {
            b'+' | b'/' | b'=' => push_encoded(byte, &mut pem),
            _ => pem.push(char::from(byte)),
        }
    }
    pem.push_str("%0A-----END%20CERTIFICATE-----%0A");
    pem
}

/// The subject for a quoted value. Readers differ in how they take a backslash there, so that none stands
/// before a quotation mark or another one: RFC 4514 can write both as hexadecimal digits.
fn subject(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let escapes = |next: &char| *next == ' ' || (next.is_ascii_graphic() && !matches!(next, '"' | '\\'));
        match character {
            '\\' => match characters.peek() {
                Some(next) if escapes(next) => quoted.push('\\'),
                // The escaped character is written as digits, which need no further escape.
                Some('\\') => {
                    characters.next();
                    quoted.push_str("\\5C");
                }
                Some(_) => {}
                None => quoted.push_str("\\5C"),
            },
            ' ' => quoted.push(' '),
            _ if character != '"' && character.is_ascii_graphic() => quoted.push(character),
            _ => {
                let mut octets = [0; 4];
                let octets = character.encode_utf8(&mut octets).bytes();
                octets.for_each(|octet| quoted.push_str(&format!("\\{octet:02X}")));
            }
        }
    }
    quoted
}

/// An alternative name, in quotation marks where it holds what separates the parts of the field.
fn xfcc_value(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => push_encoded(byte, &mut value),
            b'!'..=b'~' => value.push(char::from(byte)),
            _ => push_encoded(byte, &mut value),
        }
    }
    if value.contains([',', ';', '=']) { format!("\"{value}\"") } else { value }
}

#[cfg(test)]
mod tests;
