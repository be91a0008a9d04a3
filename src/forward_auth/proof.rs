//! How a front proves that it is the front: by its own certificate, by a secret that it sends with each question, or by
//! both. Whoever does neither gets no answer to what it asks. The certificate is followed as a client's is, at each
//! question: path, dates and revocation, from memory where nothing has changed.

use super::SetupError;
use crate::account::cache::Accounts;
use crate::auth::trust::TrustSet;
use crate::base::reason::Reason;
use crate::base::secret::Secret;
use crate::config;
use crate::proxy::front::Asked;
use http::header::{HeaderMap, HeaderName};
use std::collections::HashMap;
use std::sync::Arc;

/// How many octets a secret has at least.
pub const LEAST_SECRET: usize = 16;

/// What a front must show.
pub struct Proof {
    certificate: Option<Certificate>,
    secret: Option<(HeaderName, Secret)>,
}

struct Certificate {
    trust: Arc<TrustSet>,
    names: Vec<String>,
    accounts: Arc<Accounts>,
}

/// Whoever asks is not the front, as far as it has shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTheFront {
    /// There is no secret.
    #[error("whoever asks has not proved to be the front: it sends no secret")]
    NoSecret,
    /// There are several.
    #[error(
        "whoever asks has not proved to be the front: it sends its secret twice, as a front does that adds to what its client sends"
    )]
    SeveralSecrets,
    /// It is another one.
    #[error("whoever asks has not proved to be the front: its secret is another one")]
    WrongSecret,
    /// There is no certificate.
    #[error("whoever asks has not proved to be the front: it shows no certificate")]
    NoCertificate,
    /// It is not accepted.
    #[error("whoever asks has not proved to be the front: its certificate is refused: {0}: {1}")]
    Refused(Reason, String),
    /// It is somebody else's.
    #[error("whoever asks has not proved to be the front: its certificate is for {0:?}")]
    AnotherName(Vec<String>),
}

impl Proof {
    /// What a section of the configuration asks for.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(super) fn new(
        settings: &config::Authorizer,
        trust: &HashMap<String, Arc<TrustSet>>,
        accounts: &Arc<Accounts>,
    ) -> Result<Self, SetupError> {
        let certificate = match &settings.certificate {
            None => None,
            Some(config::FrontCertificate { trust: name, names }) => {
                let trust = trust.get(name).ok_or_else(|| SetupError::NoTrust(name.clone()))?;
                let (trust, accounts) = (Arc::clone(trust), Arc::clone(accounts));
                Some(Certificate { trust, names: names.clone(), accounts })
            }
        };
        let secret = match &settings.secret {
            None => None,
            Some(config::FrontSecret { header, value }) => {
                let secret = value.read()?;
                let length = secret.expose().len();
                if length < LEAST_SECRET {
                    return Err(SetupError::ShortSecret(length));
                }
                Some((super::field(header)?, secret))
            }
        };
        Ok(Self { certificate, secret })
    }

    /// Of a front that has agreed upon nothing, and proves nothing.
    #[cfg(test)]
    pub(super) fn nothing() -> Self {
        Self { certificate: None, secret: None }
    }

    /// The field that the secret stands in.
    pub(super) fn header(&self) -> Option<&HeaderName> {
        self.secret.as_ref().map(|(header, _)| header)
    }

    /// Whether a question is the front's.
    ///
    /// # Errors
    /// Why it is not, as far as is known.
    pub(super) async fn given(&self, asked: &Asked<'_>) -> Result<(), NotTheFront> {
        if let Some((header, secret)) = &self.secret {
            is_sent(header, secret, asked.headers)?;
        }
        match &self.certificate {
            Some(certificate) => certificate.is_shown(asked).await,
            // The configuration has one of the two; without either nobody is the front.
            None if self.secret.is_none() => Err(NotTheFront::NoCertificate),
            None => Ok(()),
        }
    }
}

/// Compares in a time that depends on the lengths alone.
fn is_sent(header: &HeaderName, secret: &Secret, headers: &HeaderMap) -> Result<(), NotTheFront> {
    let mut values = headers.get_all(header).iter();
    match (values.next(), values.next()) {
        (None, _) => Err(NotTheFront::NoSecret),
        (Some(_), Some(_)) => Err(NotTheFront::SeveralSecrets),
        (Some(value), None) if Secret::new(value.as_bytes().to_vec()) == *secret => Ok(()),
        (Some(_), None) => Err(NotTheFront::WrongSecret),
    }
}

impl Certificate {
    async fn is_shown(&self, asked: &Asked<'_>) -> Result<(), NotTheFront> {
        let presented = asked.connection.presented.as_ref().ok_or(NotTheFront::NoCertificate)?;
        let path = self.trust.path(&presented.chain, asked.at);
        let path = path.map_err(|error| NotTheFront::Refused(error.reason, error.detail))?;
        let facts = presented.facts.as_ref();
        let facts = facts.map_err(|error| NotTheFront::Refused(Reason::CertificateUnsuitable, error.to_string()))?;
        let is_ours = |name: &String| self.names.iter().any(|ours| ours.eq_ignore_ascii_case(name));
        if !facts.names.dns.iter().any(is_ours) {
            return Err(NotTheFront::AnotherName(facts.names.dns.clone()));
        }
        let revocation = self.trust.revocation(&path, &self.accounts, asked.at).await;
        match revocation.verdict.refusal() {
            None => Ok(()),
            Some(reason) => {
                let said = revocation.said.iter().map(|(source, said)| format!("{source}: {said}"));
                Err(NotTheFront::Refused(reason, said.collect::<Vec<_>>().join("; ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_secret_is_sent_once_and_whole() {
        let header = HeaderName::from_static("x-wicketgate-front");
        let secret = Secret::from("0123456789abcdef");
        let cases: &[(&[&str], Result<(), NotTheFront>)] = &[
            (&["0123456789abcdef"], Ok(())),
            (&[], Err(NotTheFront::NoSecret)),
            (&[""], Err(NotTheFront::WrongSecret)),
            (&["0123456789abcde"], Err(NotTheFront::WrongSecret)),
            (&["0123456789abcdef0"], Err(NotTheFront::WrongSecret)),
            (&["0123456789ABCDEF"], Err(NotTheFront::WrongSecret)),
            (&["0123456789abcdef", "0123456789abcdef"], Err(NotTheFront::SeveralSecrets)),
            (&["guess, 0123456789abcdef"], Err(NotTheFront::WrongSecret)),
        ];
        for (values, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in *values {
                headers.append(&header, HeaderValue::from_static(value));
            }
            assert_eq!(is_sent(&header, &secret, &headers), *expected, "{values:?}");
        }
    }
}
