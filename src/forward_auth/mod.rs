//! An authorizer for those who keep their own front: nginx, HAProxy, Traefik, Caddy or Envoy ends TLS, asks here about each
//! request, and passes on what may pass. This module makes out that it is the front that asks ([`proof`]), what it asks about
//! ([`original`]) and which certificate it has seen ([`certificate`]); from there on a question takes the same way as any
//! request, and its answer is made where all answers are (`proxy`).
//!
//! The TLS layer has proved nothing to us of the client: that it holds the key of its certificate is the front's word. So
//! whoever passes for the front passes for anybody, and so does whoever gets a header of its own past the front. Against the
//! first stands the proof, against the second that of all forms of certificates one is agreed upon, that it stands in one
//! field, once, and that every other one refuses the question: a front that does not strip shows it by that.

pub mod certificate;
pub mod original;
pub mod proof;

use crate::account::cache::Accounts;
use crate::auth::trust::TrustSet;
use crate::base::secret::SecretError;
use crate::certificate::{Presented, PresentedError};
use crate::config::{self, AuthorizerStatuses, CertificateForm, OriginalRequest};
use crate::proxy::front::{Asked, Front, Original, Shown};
use certificate::Unreadable;
use futures_util::future::BoxFuture;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use original::NotSaid;
use proof::{NotTheFront, Proof};
use std::collections::HashMap;
use std::sync::Arc;

/// Fields in which fronts show certificates, by custom or by default. The one that is agreed upon aside, none of them may
/// come: whoever trusts it behind the front is told by a client who it is.
const OF_CERTIFICATES: &[&str] = &[
    "client-cert",
    "client-cert-chain",
    "ssl-client-cert",
    "ssl-client-certificate",
    "x-amzn-mtls-clientcert",
    "x-amzn-mtls-clientcert-leaf",
    "x-arr-clientcert",
    "x-client-cert",
    "x-forwarded-client-cert",
    "x-forwarded-tls-client-cert",
    "x-ssl-cert",
    "x-ssl-client-cert",
    "x-ssl-client-certificate",
    "x-ssl-client-chain-der",
    "x-ssl-client-der",
];
/// What concerns the question alone.
const OF_THE_QUESTION: [HeaderName; 6] = [CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE];

/// Reads what one front asks.
pub struct Authorizer {
    form: CertificateForm,
    header: HeaderName,
    chain_header: Option<HeaderName>,
    request: OriginalRequest,
    prefix: String,
    statuses: AuthorizerStatuses,
    proof: Proof,
    /// All fields that are read here. Another spelling that some server takes for one of them is not let pass.
    read: Vec<HeaderName>,
}

/// An authorizer cannot be made of its section of the configuration.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The name of a field.
    #[error("{0:?} is not the name of a header field")]
    Header(String),
    /// The secret cannot be had.
    #[error("from.secret.value: {0}")]
    Secret(#[from] SecretError),
    /// It can be guessed.
    #[error(
        "from.secret.value: the secret has {0} octets, and whoever guesses it is the front: make one with openssl rand -hex 32"
    )]
    ShortSecret(usize),
    /// The trust set of the front's certificate is not there.
    #[error("from.certificate.trust: there is no trust set {0:?}")]
    NoTrust(String),
}

/// A question cannot be read. Whoever asks is the front, and most likely it does not strip what its clients send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotUnderstood {
    /// What it is about.
    #[error("{0}")]
    Request(#[from] NotSaid),
    /// A field that may come once came twice.
    #[error("{0} stands there twice: the front must set it in the place of what its client sends")]
    Twice(HeaderName),
    /// A field that another front would show a certificate in, or another spelling of one that is read.
    #[error("{0} came with the question: the front must remove it from what its client sends")]
    Foreign(HeaderName),
    /// The certificate.
    #[error("the certificate of the client in {header}: {why}")]
    Certificate {
        /// The field.
        header: HeaderName,
        /// What is wrong.
        why: Unreadable,
    },
    /// There is more of it than is looked at.
    #[error("{0}")]
    TooMuch(#[from] PresentedError),
}

impl Authorizer {
    /// For this section, with the trust sets by their names.
    ///
    /// # Errors
    /// When a name or a secret cannot be used.
    pub fn new(
        settings: &config::Authorizer,
        trust: &HashMap<String, Arc<TrustSet>>,
        accounts: &Arc<Accounts>,
    ) -> Result<Self, SetupError> {
        let proof = Proof::new(settings, trust, accounts)?;
        let header = field(&settings.header)?;
        let chain_header = settings.chain_header.as_deref().map(field).transpose()?;
        let certificates = std::iter::once(&header).chain(&chain_header).chain(proof.header()).cloned();
        let read = certificates.chain(original::names(settings.request)).collect();
        Ok(Self {
            form: settings.form,
            header,
            chain_header,
            request: settings.request,
            prefix: settings.prefix.clone(),
            statuses: settings.statuses,
            proof,
            read,
        })
    }

    /// What a question says.
    ///
    /// # Errors
    /// When it does not say it, or says it twice.
    pub fn read(&self, asked: &Parts) -> Result<Original, NotUnderstood> {
        self.only_what_was_agreed_upon(&asked.headers)?;
        let header = self.sole(&self.header, &asked.headers)?;
        let chain = match &self.chain_header {
            Some(name) => self.sole(name, &asked.headers)?,
            None => None,
        };
        let says_none = |value: &Option<&http::HeaderValue>| {
            value.is_none_or(|value| certificate::says_none(self.form, value.as_bytes()))
        };
        let shown = match (says_none(&header), says_none(&chain)) {
            (true, true) => None,
            _ => Some(Shown { certificate: header.cloned(), chain: chain.cloned() }),
        };
        let original::Head { method, target, host } = original::read(self.request, &self.prefix, asked)?;
        let mut headers = asked.headers.clone();
        for name in self.read.iter().chain(&OF_THE_QUESTION) {
            headers.remove(name);
        }
        original::set_host(&mut headers, host);
        Ok(Original { method, target, headers, shown })
    }

    /// The certificates that were shown.
    ///
    /// # Errors
    /// When they are not what was agreed upon.
    pub fn presented(&self, shown: &Shown) -> Result<Presented, NotUnderstood> {
        let octets = |value: &Option<http::HeaderValue>| value.as_ref().map(|value| value.as_bytes().to_vec());
        let (own, chain) = (octets(&shown.certificate), octets(&shown.chain));
        let chain = certificate::read(self.form, own.as_deref(), chain.as_deref())
            .map_err(|why| NotUnderstood::Certificate { header: self.header.clone(), why })?;
        Ok(Presented::new(&chain)?)
    }

    fn sole<'h>(
        &self,
        name: &HeaderName,
        headers: &'h HeaderMap,
    ) -> Result<Option<&'h http::HeaderValue>, NotUnderstood> {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(NotUnderstood::Twice(name.clone())),
        }
    }

    fn only_what_was_agreed_upon(&self, headers: &HeaderMap) -> Result<(), NotUnderstood> {
        for name in headers.keys() {
            let spelled = canonical(name.as_str());
            let is_read = |read: &HeaderName| canonical(read.as_str()) == spelled;
            if self.read.contains(name) {
                continue;
            }
            if OF_CERTIFICATES.contains(&spelled.as_ref()) || self.read.iter().any(is_read) {
                return Err(NotUnderstood::Foreign(name.clone()));
            }
        }
        Ok(())
    }
}

impl Front for Authorizer {
    fn proves<'a>(&'a self, asked: &'a Asked<'a>) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async { self.proof.given(asked).await.map_err(|why: NotTheFront| why.to_string()) })
    }

    fn question(&self, asked: &Parts) -> Result<Original, String> {
        self.read(asked).map_err(|why| why.to_string())
    }

    fn understands_all(&self) -> bool {
        self.statuses == AuthorizerStatuses::All
    }

    fn presented(&self, shown: &Shown) -> Result<Presented, String> {
        Self::presented(self, shown).map_err(|why| why.to_string())
    }
}

fn field(name: &str) -> Result<HeaderName, SetupError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| SetupError::Header(name.to_owned()))
}

/// The form in which names are compared: some servers see no difference between the spellings. Names are in lower case.
fn canonical(name: &str) -> std::borrow::Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.bytes().all(plain) {
        return name.into();
    }
    name.bytes().map(|byte| if plain(byte) { char::from(byte) } else { '-' }).collect::<String>().into()
}

#[cfg(test)]
mod tests;
