//! May this one pass? This module gathers the evidence, in an order that stops at the first refusal: path
//! and dates, revocation lists, database, identity, account. So nothing that an untrusted certificate says
//! causes a query. `decision` turns evidence into a verdict, `authorization` says who may pass a route, `digest` and
//! `basic` hold the credentials of those without a certificate (RFC 7616, RFC 7617), `session` those of who
//! was handed over to us; `throttle` holds back those who guess at passwords, `trust` has what stands behind a certificate.

pub mod authorization;
mod by_digest;
pub mod basic;
mod by_basic;
pub mod decision;
pub mod digest;
pub mod session;
pub mod peers;
pub mod throttle;
pub mod trust;

use crate::account::cache::{Accounts, Fresh};
use crate::account::password::Password;
use crate::account::{Account, CertificateKey, Ha1, Lookup, Unavailable};
use crate::base::clock::Timestamp;
use crate::base::reason::Reason;
use crate::certificate::Presented;
use crate::certificate::facts::CertificateFacts;
use crate::certificate::path::ValidPath;
use crate::config::{DigestAlgorithm, IfUnknown, LookupKind, Method};
use crate::identity::claim::{Claim, Claimed, Rule};
use crate::identity::{Name, Rules};
use crate::revocation::{
    self,
    live::{Key, Look},
};
use decision::{CertificateEvidence, CredentialEvidence, Finding};
use digest::Challenge;
use peers::Peers;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use throttle::{Attempt, Held, Throttle};
use trust::TrustSet;

/// How long a refusal that nothing else bounds is remembered for its connection.
const REFUSAL_LIFE: Duration = Duration::from_secs(5);

/// Gathers evidence under one configuration.
pub struct Authenticator {
    rules: Rules,
    accounts: Arc<Accounts>,
    peers: Peers,
    digest: Option<Arc<digest::Verifier>>,
    sessions: Option<Arc<session::Sessions>>,
    basic: Option<Arc<basic::Verifier>>,
    throttle: Option<Arc<Throttle>>,
}

/// What is known of a connection's certificate, and for how long it may be taken as known.
#[derive(Debug, Clone)]
pub struct Standing {
    /// For the decision.
    pub evidence: CertificateEvidence,
    /// Past this second the dates of certificates or revocation lists say something else.
    pub valid_until: Timestamp,
    /// Past this instant it is found out anew, whatever it is.
    pub fresh_until: Instant,
    /// How long the store's answers that it rests on may be used without asking again, if it rests on any.
    pub fresh: Option<Fresh>,
    /// The path from the certificate to an authority, if there is one.
    pub path: Option<Arc<ValidPath>>,
    /// What each stage found, in order.
    pub stages: Vec<Stage>,
}

/// What one stage of gathering found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// `path`, `revocation`, `identity`, `account`.
    pub name: &'static str,
    /// What it found, for the log and for `explain`.
    pub found: String,
}

impl Standing {
    /// Whether it still holds at this time.
    #[must_use]
    pub fn holds(&self, at: Timestamp, now: Instant) -> bool {
        let fresh = |fresh: &Fresh| fresh.holds(now);
        at <= self.valid_until && now < self.fresh_until && self.fresh.as_ref().is_none_or(fresh)
    }

    /// Rests on another answer of the store.
    fn rest_on(&mut self, answer: Option<Fresh>) {
        self.fresh = match (self.fresh.take(), answer) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        };
    }

    /// What the last stage found: what refused the certificate, if anything did.
    #[must_use]
    pub fn last(&self) -> &str {
        self.stages.last().map_or("", |stage| &stage.found)
    }
}

/// What is known of a request's credentials.
#[derive(Debug, Clone)]
pub struct CredentialFinding {
    /// For the decision.
    pub evidence: Finding<CredentialEvidence>,
    /// Why they are wrong, for the log alone.
    pub why: Option<String>,
    /// The user name that they are for, as the client sent it; of a hash the name that it stands for, if there is one.
    pub username: Option<String>,
    /// The realm that they are for, if they could be read.
    pub realm: Option<Box<str>>,
    /// What they were right by, if they were.
    pub proof: Option<Arc<Proof>>,
    /// The value of `Authentication-Info` for the response, if they were right.
    pub authentication_info: Option<Box<str>>,
    /// When the client may come again, where it was told to.
    pub retry_after: Option<Duration>,
}

impl CredentialFinding {
    /// Nothing else is known.
    #[must_use]
    pub fn of(evidence: Finding<CredentialEvidence>) -> Self {
        Self {
            evidence,
            why: None,
            username: None,
            realm: None,
            proof: None,
            authentication_info: None,
            retry_after: None,
        }
    }

    /// They may not be tried now.
    fn held(held: Held) -> Self {
        let (evidence, why, wait) = match held {
            Held::Locked(wait) => (CredentialEvidence::LockedOut, "too many failures of this name here", wait),
            Held::Crowded(wait) => (CredentialEvidence::Crowded, "too many attempts wait", wait),
        };
        Self { retry_after: Some(wait), ..Self::of(Finding::Known(evidence)).because(why) }
    }

    fn because(self, why: &str) -> Self {
        Self { why: Some(why.to_owned()), ..self }
    }

    fn by(self, username: &str) -> Self {
        Self { username: Some(username.to_owned()), ..self }
    }
}

/// By which password somebody showed who they are. What was let in by it ends with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The account's user name.
    pub username: String,
    stored: Stored,
}

/// What the store held of a password when it was right.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stored {
    Ha1 {
        realm: String,
        algorithm: DigestAlgorithm,
        ha1: Arc<Ha1>,
    },
    /// With the realm that clients are told.
    Hash {
        realm: Arc<str>,
        password: Arc<Password>,
    },
    /// A session in place of a password: what it rests on.
    Session(Arc<session::Session>),
}

impl Proof {
    /// How it was shown.
    #[must_use]
    pub fn method(&self) -> Method {
        match self.stored {
            Stored::Ha1 { .. } => Method::Digest,
            Stored::Hash { .. } => Method::Basic,
            Stored::Session(_) => Method::Session,
        }
    }

    /// The realm and the algorithm of the Digest credentials that were right.
    #[must_use]
    pub fn digest_realm(&self) -> Option<(&str, DigestAlgorithm)> {
        match &self.stored {
            Stored::Ha1 { realm, algorithm, .. } => Some((realm, *algorithm)),
            Stored::Hash { .. } | Stored::Session(_) => None,
        }
    }

    /// The session that was shown.
    #[must_use]
    pub fn session(&self) -> Option<&session::Session> {
        match &self.stored {
            Stored::Session(session) => Some(session),
            Stored::Ha1 { .. } | Stored::Hash { .. } => None,
        }
    }

    /// The certificates that it rests on besides the account.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateKey] {
        match self.session().map(|session| &session.origin) {
            Some(session::Origin::Certificates(keys)) => keys,
            _ => &[],
        }
    }

    /// Whether the password is that of whom a request says it is: of that user in that realm. A session that came from
    /// a password is that user's in that realm, too. One that came from a certificate names no realm, and is its
    /// account's: whom the claim leads to, as it would beside a certificate.
    #[must_use]
    pub fn is_of(&self, claim: &Rule, claimed: &Claimed, account: &Account) -> bool {
        let realm = match &self.stored {
            Stored::Ha1 { realm, .. } => realm,
            Stored::Hash { realm, .. } => &**realm,
            Stored::Session(session) => match &session.origin {
                session::Origin::Password { realm, .. } => realm,
                session::Origin::Certificates(_) => {
                    let name = claim.name_without_certificate(claimed);
                    let lookup = name.map(|Name { kind, value }| Lookup { kind, name: value });
                    return lookup.is_some_and(|lookup| lookup.matches(account));
                }
            },
        };
        claimed.is_user(&self.username, realm)
    }
}

impl Authenticator {
    /// With these rules over these accounts.
    #[must_use]
    pub fn new(
        rules: Rules,
        accounts: Arc<Accounts>,
        digest: Option<Arc<digest::Verifier>>,
        basic: Option<Arc<basic::Verifier>>,
        throttle: Option<Arc<Throttle>>,
    ) -> Self {
        Self { rules, accounts, peers: Peers::default(), digest, basic, throttle, sessions: None }
    }

    /// Knows these servers of other domains as well.
    #[must_use]
    pub fn with_peers(self, peers: Peers) -> Self {
        Self { peers, ..self }
    }

    /// The values of `WWW-Authenticate` for a challenge by these methods, in their order.
    #[must_use]
    pub fn challenges(&self, methods: &[Method], challenge: &Challenge<'_>) -> Vec<String> {
        let mut challenges = Vec::new();
        for method in methods {
            match (method, &self.digest, &self.basic) {
                (Method::Digest, Some(digest), _) => challenges.extend(digest.challenges(challenge)),
                (Method::Basic, _, Some(basic)) => challenges.push(basic.challenge().to_owned()),
                _ => {}
            }
        }
        challenges
    }

    /// Follows a connection's certificate as far as it gets. What the result rests on is added to `look`. A `claim`, which
    /// only some requests of the connection may make, stands in place of the identity rules.
    pub async fn certificate(
        &self,
        presented: Option<&Presented>,
        trust: Option<&TrustSet>,
        claim: Option<&Claim>,
        at: Timestamp,
        look: &Look<'_>,
    ) -> Standing {
        let mut standing = Standing {
            evidence: CertificateEvidence::None,
            valid_until: Timestamp::FAR_FUTURE,
            fresh_until: Instant::now() + Duration::from_secs(3600),
            fresh: None,
            path: None,
            stages: Vec::new(),
        };
        let Some(presented) = presented else { return standing };
        match self.follow(presented, trust, claim, at, look, &mut standing).await {
            Ok(account) => standing.evidence = CertificateEvidence::Account(account),
            Err(Stop::Refused(reason)) => {
                standing.evidence = CertificateEvidence::Refused(reason);
                standing.fresh_until = standing.fresh_until.min(Instant::now() + REFUSAL_LIFE);
            }
            Err(Stop::Unavailable) => {
                standing.evidence = CertificateEvidence::AccountsUnavailable;
                // Asked again by the next request: the database may be back.
                standing.fresh_until = Instant::now();
            }
        }
        standing
    }

    async fn follow(
        &self,
        presented: &Presented,
        trust: Option<&TrustSet>,
        claim: Option<&Claim>,
        at: Timestamp,
        look: &Look<'_>,
        standing: &mut Standing,
    ) -> Result<Arc<Account>, Stop> {
        let Some(trust) = trust else {
            return Err(refuse(standing, "path", Reason::CertificateUntrusted, "no trust is configured here".into()));
        };
        let facts = match &presented.facts {
            Ok(facts) => facts,
            Err(error) => return Err(refuse(standing, "path", Reason::CertificateUnsuitable, error.to_string())),
        };
        let path = match trust.path(&presented.chain, at) {
            Ok(path) => path,
            Err(error) => return Err(refuse(standing, "path", error.reason, error.detail)),
        };
        standing.valid_until = path.not_after;
        look.add_path(&path);
        standing.path = Some(Arc::clone(&path));
        standing.stages.push(Stage { name: "path", found: format!("valid until {}", path.not_after) });

        let answer = trust.revocation(&path, &self.accounts, at).await;
        standing.valid_until = standing.valid_until.min(answer.valid_until);
        standing.rest_on(answer.fresh);
        let said: Vec<String> = answer.said.iter().map(|(source, said)| format!("{source}: {said}")).collect();
        let said = if said.is_empty() { "not asked".to_owned() } else { said.join("; ") };
        match (&answer.verdict, answer.verdict.refusal()) {
            (_, None) => standing.stages.push(Stage { name: "revocation", found: said }),
            (revocation::Verdict::StoreUnavailable(error), _) => {
                return Err(unavailable(standing, "revocation", error));
            }
            (_, Some(reason)) => return Err(refuse(standing, "revocation", reason, said)),
        }
        match claim {
            Some(claim) => self.identify_claimed(claim, facts, &path, look, standing).await,
            None => match self.peers.of_certificate(facts, &path) {
                Some(Ok(peer)) => {
                    standing.stages.push(Stage { name: "identity", found: format!("the peer {}", peer.username) });
                    Ok(peer)
                }
                Some(Err(why)) => Err(refuse(standing, "identity", why.reason(), why.to_string())),
                None => self.identify(facts, &path, look, standing).await,
            },
        }
    }

    /// The account that the identity rules lead to (rule 3 of the design): the first rule that yields any
    /// name decides, and every name that it yields is looked up.
    async fn identify(
        &self,
        facts: &CertificateFacts,
        path: &ValidPath,
        look: &Look<'_>,
        standing: &mut Standing,
    ) -> Result<Arc<Account>, Stop> {
        let mut unknown = String::new();
        for candidate in self.rules.candidates(facts, path) {
            let candidate = match candidate {
                Ok(candidate) => candidate,
                Err(error) => return Err(refuse(standing, "identity", error.reason(), error.to_string())),
            };
            let names = told(&candidate.names);
            standing.stages.push(Stage { name: "identity", found: format!("identity[{}]: {names}", candidate.rule) });
            match (self.look_up(&candidate.names, look, standing).await?, candidate.if_unknown) {
                (Some(account), _) => return Ok(account),
                (None, IfUnknown::Refuse) => {
                    return Err(refuse(standing, "account", Reason::AccountUnknown, format!("nobody has {names}")));
                }
                (None, IfUnknown::Next) => unknown = names,
            }
        }
        Err(refuse(standing, "account", Reason::AccountUnknown, format!("nobody has {unknown}")))
    }

    /// The account whose the request says it is, if the certificate says so, too.
    async fn identify_claimed(
        &self,
        claim: &Claim,
        facts: &CertificateFacts,
        path: &ValidPath,
        look: &Look<'_>,
        standing: &mut Standing,
    ) -> Result<Arc<Account>, Stop> {
        let name = match claim.rule.select(&claim.said, facts, path) {
            Ok(name) => name,
            Err(mismatch) => return Err(refuse(standing, "claim", mismatch.reason(), mismatch.to_string())),
        };
        let names = told(std::slice::from_ref(&name));
        standing.stages.push(Stage { name: "claim", found: format!("{}: {names}", claim.rule.header()) });
        match self.look_up(&[name], look, standing).await? {
            Some(account) => Ok(account),
            None => Err(refuse(standing, "account", Reason::AccountUnknown, format!("nobody has {names}"))),
        }
    }

    /// The one account that these names lead to, if they lead to any.
    async fn look_up(
        &self,
        names: &[Name],
        look: &Look<'_>,
        standing: &mut Standing,
    ) -> Result<Option<Arc<Account>>, Stop> {
        let ambiguous = |standing: &mut Standing, one: &Account, other: &Account| {
            let found = format!("{} lead to {:?} and {:?}", told(names), one.username, other.username);
            refuse(standing, "account", Reason::IdentityAmbiguous, found)
        };
        let mut found: Option<Arc<Account>> = None;
        for name in names {
            let lookup = Lookup { kind: name.kind, name: name.value.clone() };
            let answer = match self.accounts.find(&lookup).await {
                Ok(answer) => answer,
                Err(error) => return Err(unavailable(standing, "account", &error)),
            };
            standing.rest_on(Some(answer.fresh));
            // What a directory counts as two accounts are two, even if both have one user name.
            if let [one, other, ..] = &*answer.accounts {
                return Err(ambiguous(standing, one, other));
            }
            if let Some(peer) = answer.accounts.iter().find(|account| self.peers.named(&account.username).is_some()) {
                let found = format!("the account {:?} has the name of a peer", peer.username);
                return Err(refuse(standing, "account", Reason::IdentityAmbiguous, found));
            }
            for account in answer.accounts.iter() {
                look.add(&Key::Account(&account.username));
                match &found {
                    Some(other) if other.username != account.username => {
                        return Err(ambiguous(standing, other, account));
                    }
                    _ => found = Some(Arc::clone(account)),
                }
            }
        }
        if let Some(account) = &found {
            let found = format!("{} ({})", account.username, account.status.as_str());
            standing.stages.push(Stage { name: "account", found });
        }
        Ok(found)
    }

    /// The accounts with a user name: a peer's, or those on record.
    async fn named(&self, lookup: &Lookup) -> Result<Arc<[Arc<Account>]>, Unavailable> {
        match self.peers.named(&lookup.name) {
            Some(peer) => Ok(Arc::from([Arc::clone(peer)])),
            None => Ok(self.accounts.find(lookup).await?.accounts),
        }
    }

    /// The HA1 of a peer or of an account.
    async fn ha1(
        &self,
        username: &str,
        realm: &str,
        algorithm: DigestAlgorithm,
    ) -> Result<Option<Arc<Ha1>>, Unavailable> {
        match self.peers.ha1(username, realm, algorithm) {
            Some(ha1) => Ok(ha1),
            None => self.accounts.ha1(username, realm, algorithm).await,
        }
    }

    /// The one account that was found, unless it has the name of a peer, which nobody else can be.
    fn person(&self, found: &[Arc<Account>]) -> Option<Arc<Account>> {
        sole(found).filter(|account| self.peers.named(&account.username).is_none()).cloned()
    }

    /// Waits until this name may be tried from this address.
    async fn attempt(&self, username: &str, client: IpAddr) -> Result<Attempt, CredentialFinding> {
        let Some(throttle) = &self.throttle else { return Ok(Attempt::unthrottled()) };
        throttle.enter(username, client).await.map_err(CredentialFinding::held)
    }

    /// What credentials that were right are worth now: for what began with them and still goes on.
    pub async fn credentials_again(&self, proof: &Proof, at: Timestamp) -> Finding<CredentialEvidence> {
        if let Some(session) = proof.session() {
            return self.session_again(session, at).await;
        }
        let lookup = Lookup { kind: LookupKind::Username, name: proof.username.clone() };
        let found = self.named(&lookup).await;
        let is_stored = match &proof.stored {
            Stored::Ha1 { realm, algorithm, ha1 } => {
                let now = self.ha1(&proof.username, realm, *algorithm).await;
                now.map(|now| now.as_ref() == Some(ha1))
            }
            Stored::Hash { password, .. } => {
                let now = self.accounts.password(&proof.username).await;
                now.map(|now| now.is_some_and(|now| now.is_still(password)))
            }
            // Answered above.
            Stored::Session(_) => Ok(false),
        };
        let (Ok(found), Ok(is_stored)) = (found, is_stored) else { return Finding::Unavailable };
        let method = proof.method();
        Finding::Known(match sole(&found).filter(|_| is_stored) {
            Some(account) => CredentialEvidence::Right(method, Arc::clone(account)),
            None => CredentialEvidence::Wrong(method),
        })
    }
}

/// The account that a name leads to, unless it leads to several.
fn sole(accounts: &[Arc<Account>]) -> Option<&Arc<Account>> {
    match accounts {
        [account] => Some(account),
        _ => None,
    }
}

/// Why a certificate leads no further.
enum Stop {
    Refused(Reason),
    Unavailable,
}

fn refuse(standing: &mut Standing, name: &'static str, reason: Reason, found: String) -> Stop {
    standing.stages.push(Stage { name, found: format!("{reason}: {found}") });
    Stop::Refused(reason)
}

/// Names as a stage tells them.
fn told(names: &[Name]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{:?} {:?}", name.kind, name.value)).collect();
    names.join(", ")
}

fn unavailable(standing: &mut Standing, name: &'static str, error: &Unavailable) -> Stop {
    standing.stages.push(Stage { name, found: error.to_string() });
    Stop::Unavailable
}
