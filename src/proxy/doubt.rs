//! What becomes of an open connection, and of a tunnel, when something that it rests on has changed: the
//! sources are looked at again for this one alone. Whoever is still who they were goes on undisturbed; whoever
//! is not loses what runs, and the audit log says why.

use super::client::AcceptedAs;
use super::path::RequestTarget;
use super::router::Asked;
use super::{Client, Gate};
use crate::account::Status;
use crate::auth::authorization::Origin;
use crate::auth::decision::{
    CertificateEvidence, ClaimEvidence, CredentialEvidence, Evidence, Finding, Identity, Permit, Policy, Verdict,
    decide, denied,
};
use crate::auth::{Proof, Standing};
use crate::base::clock::Moment;
use crate::base::reason::Reason;
use crate::config::Method;
use crate::identity::claim::Claim;
use crate::revocation::live::{Cause, Key, Look};
use crate::telemetry::audit::{Event, Outcome, Record};
use crate::telemetry::metrics;
use arc_swap::ArcSwap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// For how long a source that gives no answer is asked again before that is taken for a no.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long to wait before it is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// Something that was let through and goes on: a response, an upload, a tunnel. While it does, the connection
/// has something to lose.
pub(super) struct Running {
    client: Arc<Client>,
    /// The password that let it through, if one did.
    proof: Option<Arc<Proof>>,
}

impl Running {
    /// Begins with what was found since this look began: a password, or else a certificate, or nothing at all.
    pub(super) fn begin(client: &Arc<Client>, look: &Look<'_>, proof: Option<&Arc<Proof>>) -> Self {
        client.begin_running(proof);
        if let Some(proof) = proof {
            // Known to the client before, so that whoever is woken by a doubt finds it.
            look.hold(&Key::Account(&proof.username));
            proof.certificates().iter().for_each(|key| look.hold(&Key::Stored(key)));
        }
        Self { client: Arc::clone(client), proof: proof.map(Arc::clone) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(proof) = &self.proof {
            self.client.registration.give_back(&Key::Account(&proof.username));
            proof.certificates().iter().for_each(|key| self.client.registration.give_back(&Key::Stored(key)));
        }
        self.client.end_running(self.proof.as_ref());
    }
}

/// What somebody has lost who had been let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loss {
    reason: Reason,
    /// What the sources say, and why they were asked.
    detail: String,
    account: String,
    method: Method,
}

impl Loss {
    /// Puts on record that the connection, or the tunnel to this target, was cut.
    pub(super) fn record(&self, client: &Client, gate: &Gate, target: Option<&RequestTarget>) {
        let (connection, peer) = (client.connection.id, client.connection.peer);
        let Self { reason, detail, account, method } = self;
        metrics::CUT.increment(*reason);
        let what = if target.is_some() { "tunnel cut" } else { "connection cut" };
        tracing::info!(%connection, client = %peer, account, %reason, detail, "{what}");
        let record = Record {
            reason: Some(*reason),
            detail: Some(detail),
            host: target.and_then(RequestTarget::host),
            path: target.map(RequestTarget::path),
            account: Some(account),
            authentication: Some(method.as_str()),
            ..Record::new(Moment::now(), Event::Connection, Outcome::Refuse)
        };
        gate.audit.write(client.audited(), &record);
    }
}

/// What became of a password that was right.
const NO_SUCH_PASSWORD: &str = "the account or its password is another one now";

/// What became of a session.
const SESSION_OVER: &str = "the session is over, or its password is another one now";
const SESSION_REFUSED: &str = "what the session came from was taken back";

/// What the sources say now.
enum Found {
    Same,
    Lost(Reason, String),
    /// Nothing, which may pass.
    Unanswered(String),
}

/// Whether a client's certificate still leads to this account, and the account may pass.
fn compare(standing: &Standing, username: &str) -> Found {
    match &standing.evidence {
        CertificateEvidence::Account(account) if account.username != username => {
            Found::Lost(Reason::IdentityAmbiguous, format!("it is {}'s now", account.username))
        }
        CertificateEvidence::Account(account) if account.status != Status::Active => {
            Found::Lost(Reason::AccountInactive, standing.last().to_owned())
        }
        CertificateEvidence::Account(_) => Found::Same,
        CertificateEvidence::Refused(reason) => Found::Lost(*reason, standing.last().to_owned()),
        CertificateEvidence::AccountsUnavailable => Found::Unanswered(standing.last().to_owned()),
        CertificateEvidence::NotAsked | CertificateEvidence::None => {
            Found::Lost(Reason::CertificateRequired, "no certificate is asked for any more".to_owned())
        }
    }
}

/// Whether an account that showed its password may still pass.
fn compare_credentials(now: &Finding<CredentialEvidence>) -> Found {
    match now {
        Finding::Known(CredentialEvidence::Right(_, account)) if account.status == Status::Active => Found::Same,
        Finding::Known(CredentialEvidence::Right(_, account)) => {
            Found::Lost(Reason::AccountInactive, format!("{} ({})", account.username, account.status.as_str()))
        }
        Finding::Unavailable => Found::Unanswered("the store gave no answer".to_owned()),
        Finding::Known(CredentialEvidence::Refused(reason)) => Found::Lost(*reason, SESSION_REFUSED.to_owned()),
        Finding::Known(CredentialEvidence::Wrong(Method::Session)) => {
            Found::Lost(Reason::CertificateRequired, SESSION_OVER.to_owned())
        }
        Finding::Known(CredentialEvidence::Wrong(Method::Basic)) => {
            Found::Lost(Reason::BasicFailed, NO_SUCH_PASSWORD.to_owned())
        }
        Finding::Known(_) | Finding::NotAsked => Found::Lost(Reason::DigestFailed, NO_SUCH_PASSWORD.to_owned()),
    }
}

/// Whether what is known of a client's certificate contradicts that it was let in as this account: anything but
/// the same account, and no answer.
pub(super) fn contradicts(standing: &Standing, username: &str) -> bool {
    matches!(compare(standing, username), Found::Lost(..))
}

/// Looks again at everything by which something was let in over a connection, and says what of it is lost. A
/// connection over which nothing was accepted has nothing to lose, and causes no question. While a source gives
/// no answer the connection waits, its requests being refused one by one; what runs is lost after a
/// moment, since no answer is not a yes.
pub(super) async fn look_again(client: Arc<Client>, gate: Arc<ArcSwap<Gate>>, cause: Cause) -> Option<Loss> {
    let until = Instant::now() + PATIENCE;
    loop {
        let look = client.registration.look();
        let gate = gate.load_full();
        let mut unanswered = None;
        let (certificates, passwords) = client.accepted();
        for AcceptedAs { trust, claim, username: account } in certificates {
            let (at, now) = (Moment::now().timestamp(), Instant::now());
            let standing = client.standing(&look, &gate, trust.as_deref(), claim.as_ref(), at, now).await;
            let method = Method::Certificate;
            match compare(&standing, &account) {
                Found::Same => {}
                Found::Lost(reason, found) => {
                    return Some(Loss { reason, detail: told(&found, cause), account, method });
                }
                Found::Unanswered(found) => unanswered = Some((found, account, method)),
            }
        }
        for proof in passwords {
            let (account, method) = (proof.username.clone(), proof.method());
            match compare_credentials(&gate.authenticator.credentials_again(&proof, Moment::now().timestamp()).await) {
                Found::Same => {}
                Found::Lost(reason, found) => {
                    return Some(Loss { reason, detail: told(&found, cause), account, method });
                }
                Found::Unanswered(found) => unanswered = Some((found, account, method)),
            }
        }
        let (found, account, method) = unanswered?;
        if Instant::now() >= until {
            let detail = told(&found, cause);
            return client.is_running().then_some(Loss {
                reason: Reason::AccountsUnavailable,
                detail,
                account,
                method,
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn told(found: &str, cause: Cause) -> String {
    format!("{found}; asked because {cause}")
}

/// On what terms a client became a tunnel.
pub(super) struct Terms {
    /// Kept for as long as the tunnel.
    pub(super) running: Running,
    /// What the client asked for.
    pub(super) target: RequestTarget,
    /// How, as far as routes are chosen by it.
    pub(super) method: http::Method,
    pub(super) headers: http::HeaderMap,
    /// The number of the look that the permit rests on.
    pub(super) number: u64,
    /// The configuration that it was given under.
    pub(super) epoch: u64,
    /// The trust set that decided.
    pub(super) trust: Option<String>,
    /// Whose the request said it was, where the route asks for it.
    pub(super) claim: Option<Arc<Claim>>,
    pub(super) policy: Policy,
    pub(super) identity: Option<Identity>,
    /// Where the request came from.
    pub(super) address: IpAddr,
}

/// Waits until a client that became a tunnel on these terms would no longer be let in as who it was: its
/// certificate has expired or was revoked, its account is locked or has left the group, its route has
/// changed, or nobody can say; and says why.
pub(super) async fn no_longer_permitted(gate: Arc<ArcSwap<Gate>>, mut terms: Terms) -> Reason {
    let client = Arc::clone(&terms.running.client);
    loop {
        let cause = client.registration.doubted(terms.number).await;
        let until = Instant::now() + PATIENCE;
        let lost = loop {
            let look = client.registration.look();
            let gate = gate.load_full();
            terms.number = look.number();
            match terms.decide_again(&client, &gate, &look).await {
                Found::Same => break None,
                Found::Lost(reason, found) => break Some((gate, reason, found)),
                Found::Unanswered(found) if Instant::now() >= until => {
                    break Some((gate, Reason::AccountsUnavailable, found));
                }
                Found::Unanswered(_) => tokio::time::sleep(PAUSE).await,
            }
        };
        if let Some((gate, reason, found)) = lost {
            let (account, method) = match &terms.identity {
                Some(identity) => (identity.account.username.clone(), identity.method),
                None => (String::new(), Method::Certificate),
            };
            let loss = Loss { reason, detail: told(&found, cause), account, method };
            loss.record(&client, &gate, Some(&terms.target));
            return reason;
        }
    }
}

impl Terms {
    async fn decide_again(&mut self, client: &Client, gate: &Gate, look: &Look<'_>) -> Found {
        let came_under = &client.connection.policy;
        if gate.epoch != self.epoch {
            let (host, path) = (self.target.host(), self.target.path());
            let asked = Asked { method: &self.method, headers: &self.headers };
            let listener = gate.listener(&client.connection, host);
            let route = listener.and_then(|listener| gate.router.find(listener, host, path, &asked).ok());
            let Some(route) = route else {
                return Found::Lost(Reason::NoRoute, "its route is gone".to_owned());
            };
            if route.claim.as_ref() != self.claim.as_ref().map(|claim| &claim.rule) {
                let found = "its route asks for another claim now".to_owned();
                return Found::Lost(Reason::ClaimMismatch, found);
            }
            self.trust = route.trust(came_under).map(str::to_owned);
            self.policy = route.policy(came_under).clone();
            self.epoch = gate.epoch;
        }
        let (at, now) = (Moment::now().timestamp(), Instant::now());
        let standing = client.standing(look, gate, self.trust.as_deref(), self.claim.as_ref(), at, now).await;
        let credentials = match &self.running.proof {
            Some(proof) => gate.authenticator.credentials_again(proof, at).await,
            // Who showed none then shows none now.
            None => Finding::Known(CredentialEvidence::Absent),
        };
        let found = match &credentials {
            Finding::Known(CredentialEvidence::Wrong(Method::Session)) => SESSION_OVER.to_owned(),
            Finding::Known(CredentialEvidence::Refused(_)) => SESSION_REFUSED.to_owned(),
            Finding::Known(CredentialEvidence::Wrong(_)) => NO_SUCH_PASSWORD.to_owned(),
            _ => standing.last().to_owned(),
        };
        let origin = Origin::new(self.address, standing.path.as_deref());
        let claim = ClaimEvidence::of(self.claim.as_deref(), self.running.proof.as_deref(), &credentials);
        let certificate = standing.evidence.clone();
        let evidence = Evidence { certificate, credentials, authorization_sent: false, claim, origin };
        let found = denied(&self.policy, &evidence).map_or(found, |denied| denied.to_string());
        match decide(&self.policy, &evidence) {
            Verdict::Permit(permit) if self.is_same(&permit) => Found::Same,
            Verdict::Permit(_) => Found::Lost(Reason::IdentityAmbiguous, "it is somebody else's now".to_owned()),
            Verdict::Refuse(Reason::AccountsUnavailable) => Found::Unanswered(found),
            Verdict::Refuse(reason) | Verdict::Challenge { reason, .. } => Found::Lost(reason, found),
            Verdict::Redirect(_) => Found::Lost(Reason::CertificateRequired, found),
        }
    }

    /// Whether a permit is for whom the tunnel was opened. Who was nobody in particular may be anybody.
    fn is_same(&self, permit: &Permit) -> bool {
        let name = |identity: &Identity| identity.account.username.clone();
        self.identity.is_none() || self.identity.as_ref().map(name) == permit.identity().map(name)
    }
}
