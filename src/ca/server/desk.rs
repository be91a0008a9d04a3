//! What the authority does for a gate: one request from its arrival to a certificate on record, or to the words by
//! which it is refused. [`admission`](super::admission) says whether, the office does it, and this module keeps the order: the
//! account is asked for anew, the act counted, the request read, and then signed. What was begun is done to its end
//! though the gate goes away meanwhile: a certificate is on record, or there is none.

use super::admission::{self, Admission, Presented};
use super::message::{Act, Attributes, Authorities, Enrolled, Enrolment, Key, KeyForm, Octets, Refusal, SecretOctets};
use super::rate::{Limiter, Rate};
use super::serve::Desk;
use crate::account::{Account, Directory, Lookup};
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::base::secret::Secret;
use crate::ca::est::attributes;
use crate::ca::office::recorder::Deed;
use crate::ca::office::{Issued, Office, OfficeError, Order};
use crate::ca::password;
use crate::ca::pkcs12::Form;
use crate::ca::profile::apply::ProfileError;
use crate::ca::register::{Question, Refused, RegisterError};
use crate::ca::request::Request;
use crate::certificate::facts;
use crate::config::LookupKind;
use futures_util::future::BoxFuture;
use rustls_pki_types::CertificateDer;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the numbers of `hourly` are for.
const HOUR: Duration = Duration::from_secs(3600);

/// The authority, as a gate meets it. Cloning it is cheap.
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    office: Office,
    accounts: Arc<dyn Directory>,
    /// Whom it enrols, if anybody.
    admission: Option<Admission>,
    limiter: Limiter,
    authorities: Authorities,
}

impl Authority {
    /// With this office. `certificates` are those that clients are told of.
    #[must_use]
    pub fn new(
        office: Office,
        accounts: Arc<dyn Directory>,
        admission: Option<Admission>,
        certificates: &[CertificateDer<'static>],
    ) -> Self {
        let hourly = |acts: u32| Rate { acts, per: HOUR };
        let est = admission.as_ref().map(Admission::est);
        let limiter =
            Limiter::new(hourly(est.map_or(0, |est| est.hourly)), hourly(est.map_or(0, |est| est.hourly_by_account)));
        let certificates = certificates.iter().map(|certificate| Octets(certificate.to_vec())).collect();
        Self(Arc::new(Inner { office, accounts, admission, limiter, authorities: Authorities { certificates } }))
    }
}

impl Inner {
    fn admission(&self) -> Result<&Admission, Refusal> {
        self.admission.as_ref().ok_or_else(|| Refusal::denied("nobody is enrolled here"))
    }

    async fn enrol(&self, enrolment: &Enrolment, at: Timestamp) -> Result<Enrolled, Refusal> {
        let admission = self.admission()?;
        let account = self.account(&enrolment.account).await?;
        let profile = admission.judge(enrolment, account.as_ref())?;
        self.limiter.count(&enrolment.account, Instant::now()).map_err(Refusal::too_often)?;
        let request = enrolment.request.as_ref().map(|request| Request::read(&request.0)).transpose();
        let request = request.map_err(Refusal::unacceptable)?;
        if enrolment.act == Act::Renew {
            self.renewable(enrolment, request.as_ref(), at).await?;
        }
        let by =
            format!("the account {:?} by {} from {}", enrolment.account, enrolment.shown.as_str(), enrolment.client);
        let order = Order {
            username: Some(&enrolment.account),
            profile,
            names: &[],
            by: &by,
            deed: if enrolment.act == Act::Renew { Deed::Renew } else { Deed::Issue },
        };
        let issued = match (enrolment.act, &request) {
            // Its key is not certified, and the names are the account's: a request says nothing here that counts.
            (Act::Generate, _) => self.office.issue(order, at).await,
            (Act::Enrol | Act::Renew, Some(request)) => self.office.sign(request, order, at).await,
            (Act::Enrol | Act::Renew, None) => return Err(Refusal::unacceptable("there is no request")),
        };
        let issued = issued.map_err(|error| refusal(enrolment, &error))?;
        tracing::info!(
            request = enrolment.request_id,
            account = enrolment.account,
            shown = enrolment.shown.as_str(),
            client = %enrolment.client,
            profile,
            serial = hex::encode(&issued.record.key.serial),
            "enrolled"
        );
        enrolled(&issued, enrolment.form)
    }

    /// Who has this user name now, by the word of the database and not of any cache.
    async fn account(&self, username: &str) -> Result<Option<Account>, Refusal> {
        let lookup = Lookup { kind: LookupKind::Username, name: username.to_owned() };
        match self.accounts.find(&lookup).await {
            Ok(found) => Ok(found.into_iter().next()),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Whether the certificate that was presented may be renewed, and is what the request asks for again.
    async fn renewable(&self, enrolment: &Enrolment, request: Option<&Request>, at: Timestamp) -> Result<(), Refusal> {
        let presented = enrolment.certificate.as_ref().map_or(&[][..], |presented| presented.0.as_slice());
        let facts = facts::parse(presented).map_err(Refusal::unacceptable)?;
        let found = self.office.register().find(&Question::Fingerprint(facts.fingerprint)).await;
        let found = found.map_err(|error| unavailable(&error))?.into_iter().next();
        let found = found.map(|found| Presented { revoked: found.revoked.is_some(), certificate: found.certificate });
        admission::renewable(found.as_ref(), &enrolment.account, at)?;
        let request = request.ok_or_else(|| Refusal::unacceptable("there is no request"))?;
        admission::same_names(&request.subject, &request.names, &facts)
    }

    fn attributes(&self, label: Option<&str>) -> Result<Attributes, Refusal> {
        let profile = self.admission()?.profile(label)?;
        let profile = self.office.profile(profile).map_err(|error| unavailable(&error))?;
        let der = attributes::of_key(profile.key).map_err(|error| unavailable(&error))?;
        Ok(Attributes { der: Octets(der) })
    }
}

impl Desk for Authority {
    fn enrol(&self, enrolment: Enrolment, at: Timestamp) -> BoxFuture<'_, Result<Enrolled, Refusal>> {
        let own = Arc::clone(&self.0);
        let act = tokio::spawn(async move { own.enrol(&enrolment, at).await });
        Box::pin(async move { act.await.unwrap_or_else(|error| Err(unavailable(&error))) })
    }

    fn authorities(&self) -> Authorities {
        self.0.authorities.clone()
    }

    fn attributes(&self, label: Option<&str>) -> Result<Attributes, Refusal> {
        self.0.attributes(label)
    }
}

/// A certificate as it is handed out.
fn enrolled(issued: &Issued, form: KeyForm) -> Result<Enrolled, Refusal> {
    let certificate = Octets(issued.certificate.to_vec());
    let Some(key) = &issued.key else { return Ok(Enrolled { certificate, key: None }) };
    let key = match form {
        KeyForm::Pkcs8 => Key::Pkcs8(SecretOctets(key.clone())),
        KeyForm::Pkcs12 => {
            let password = password::generate().map_err(|error| unavailable(&error))?;
            let file = issued.pkcs12(Form::Modern, &password).map_err(|error| unavailable(&error))?;
            Key::Pkcs12 {
                file: SecretOctets(Secret::new(file.unwrap_or_default())),
                password: SecretOctets(password.secret().clone()),
            }
        }
    };
    Ok(Enrolled { certificate, key: Some(key) })
}

/// What whoever asked is told. What is nobody's fault but ours stands in the log.
fn refusal(enrolment: &Enrolment, error: &OfficeError) -> Refusal {
    match error {
        OfficeError::NoSuchAccount(_)
        | OfficeError::Profile(ProfileError::Inactive { .. })
        | OfficeError::Constrained(_) => Refusal::denied(error),
        OfficeError::Profile(ProfileError::IssuerOver { .. }) => unavailable(error),
        OfficeError::Profile(_) | OfficeError::Request(_) | OfficeError::Weak(_) | OfficeError::OwnKey => {
            Refusal::unacceptable(error)
        }
        // Whose it is, is nobody else's business.
        OfficeError::Register(RegisterError::Refused(Refused::KeyCertified { .. })) => {
            tracing::warn!(request = enrolment.request_id, account = enrolment.account, %error, "not enrolled");
            Refusal::unacceptable("the key is certified already for somebody else: make another")
        }
        OfficeError::Register(RegisterError::Refused(Refused::NoSuchAccount(_))) => Refusal::denied(error),
        _ => unavailable(error),
    }
}

fn unavailable(error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(%error, "the authority cannot work");
    Refusal::Unavailable
}
