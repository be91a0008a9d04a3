//! One client's connection as its requests see it: what is known of its certificate is found out once and
//! kept until something that it rests on may have changed.

use super::Gate;
use super::doubt::contradicts;
use super::headers::{Prepared, forwarded};
use super::piece::{Load, Piece};
use crate::account::Status;
use crate::assertion::Held;
use crate::auth::decision::CertificateEvidence;
use crate::auth::{Proof, Standing};
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::identity::claim::Claim;
use crate::listen::activity::Activity;
use crate::listen::connection::Connection;
use crate::listen::limit::Place;
use crate::revocation::live::{Cause, Key, Look, Registration};
use crate::telemetry::{access, audit};
use bytes::Bytes;
use http::HeaderValue;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// A connection, and what its requests share. Its place among the limits is given back when the last of
/// them, or the tunnel that it became, has ended.
pub struct Client {
    /// The connection.
    pub connection: Connection,
    /// What it is doing.
    pub activity: Arc<Activity>,
    /// By which it is found when something changes that it rests on.
    pub registration: Registration,
    /// Whether it must end at once.
    condemned: AtomicBool,
    /// Whether its driver was told that it no longer stands for whom it was let in as.
    lost: AtomicBool,
    /// How much runs that was let through.
    running: AtomicUsize,
    known: Mutex<Known>,
    audited: OnceLock<audit::Rendered>,
    accessed: OnceLock<access::Rendered>,
    _place: Option<Place>,
}

/// What is kept between requests; all of it under one configuration.
#[derive(Default)]
struct Known {
    epoch: u64,
    /// One for each trust set that a route of this client's has asked, by its name, and for each claim that a request
    /// has made there: few, and mostly one.
    by_trust: Vec<Found>,
    /// Whom the certificate was accepted as, by trust set and claim. Never forgotten: what was let in by it may still
    /// run. There are no more than the certificate has names.
    accepted: Vec<AcceptedAs>,
    /// Passwords that have let something through that runs, and how much.
    passwords: Vec<(Arc<Proof>, usize)>,
    /// What was signed for this connection's upstreams.
    held: Held,
}

/// Whom a certificate was accepted as.
#[derive(Clone)]
pub(super) struct AcceptedAs {
    /// The name of the trust set that decided.
    pub(super) trust: Option<String>,
    /// Whose the request said it was, where it had to.
    pub(super) claim: Option<Arc<Claim>>,
    /// The user name of whom that led to.
    pub(super) username: String,
}

/// What is known of the certificate by one trust set.
struct Found {
    /// The set's name; `None` where the client's policy asks for no certificate.
    trust: Option<String>,
    /// Whose the request said it was, where it had to: what was found for one claim says nothing of another.
    claim: Option<Arc<Claim>>,
    /// The number of the look that found it.
    number: u64,
    standing: Arc<Standing>,
    /// What upstreams are told, made from `standing` and the connection alone.
    prepared: Vec<Kept>,
    /// Whom this client was let through as, and where: admission is put on record once for each.
    admitted: Vec<Admitted>,
}

impl Known {
    /// The last second for which all that is known, and what runs by a session, says of itself that it is good.
    fn date(&self) -> Timestamp {
        let found = self.by_trust.iter().map(|found| found.standing.valid_until);
        let sessions = self.passwords.iter().filter_map(|(proof, _)| Some(proof.session()?.expires));
        found.chain(sessions).min().unwrap_or(Timestamp::FAR_FUTURE)
    }

    fn found(&self, trust: Option<&str>, claim: Option<&Arc<Claim>>) -> Option<&Found> {
        self.by_trust.iter().find(|found| found.is_of(trust, claim))
    }

    /// Makes room for what is found for another claim: clients choose what they say.
    fn make_room(&mut self, trust: Option<&str>) {
        let with_claim = |found: &Found| found.trust.as_deref() == trust && found.claim.is_some();
        if self.by_trust.iter().filter(|found| with_claim(found)).count() >= MOST_CLAIMS
            && let Some(oldest) = self.by_trust.iter().position(with_claim)
        {
            self.by_trust.remove(oldest);
        }
    }
}

/// What was found with this standing, unless it has been found out anew since.
fn found_with<'k>(by_trust: &'k mut [Found], standing: &Arc<Standing>) -> Option<&'k mut Found> {
    by_trust.iter_mut().find(|found| Arc::ptr_eq(&found.standing, standing))
}

/// What an upstream is told of a client.
pub struct Told {
    /// In these fields.
    pub fields: Prepared,
    /// For requests before this time.
    pub until: Timestamp,
}

impl Found {
    fn is_of(&self, trust: Option<&str>, claim: Option<&Arc<Claim>>) -> bool {
        self.trust.as_deref() == trust && self.claim.as_ref() == claim
    }
}

/// Headers made before.
struct Kept {
    upstream: usize,
    /// Whether they name the account.
    named: bool,
    /// What was asked for.
    authority: Option<HeaderValue>,
    prepared: Arc<Prepared>,
    /// From when on they are made anew.
    until: Timestamp,
}

impl Kept {
    fn prepared_for(&self) -> (usize, bool, Option<&HeaderValue>) {
        (self.upstream, self.named, self.authority.as_ref())
    }
}

/// Sets of headers kept for one connection; clients choose authorities.
const MOST_PREPARED: usize = 16;
/// What was let through and is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Admitted {
    /// The index of the route.
    route: usize,
    username: Option<String>,
    /// Of one connection of a trusted proxy come requests of many clients.
    origin: Option<IpAddr>,
}

/// Claims for which it is remembered what was found, for one connection and trust set.
const MOST_CLAIMS: usize = 16;
/// Admissions remembered for one connection and trust set; any more are put on record each time.
const MOST_ADMISSIONS: usize = 64;

impl Client {
    /// A connection before its first request.
    #[must_use]
    pub fn new(connection: Connection, activity: Arc<Activity>, registration: Registration, place: Place) -> Self {
        Self { _place: Some(place), ..Self::behind_front(connection, activity, registration) }
    }

    /// Somebody whose connection is with a front that asks about requests: it takes no place here, and nobody drives it.
    pub(super) fn behind_front(connection: Connection, activity: Arc<Activity>, registration: Registration) -> Self {
        Self {
            connection,
            activity,
            registration,
            condemned: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            running: AtomicUsize::new(0),
            known: Mutex::default(),
            audited: OnceLock::new(),
            accessed: OnceLock::new(),
            _place: None,
        }
    }

    /// Whether it no longer stands for whom it was let in as.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// What is known of the certificate by the trust set of this name, for a request that makes this claim: what was found before, as long as it
    /// holds under this configuration and has not been doubted since, or what is found now. The look was begun
    /// before the configuration was taken.
    pub async fn standing(
        &self,
        look: &Look<'_>,
        gate: &Gate,
        trust: Option<&str>,
        claim: Option<&Arc<Claim>>,
        at: Timestamp,
        now: Instant,
    ) -> Arc<Standing> {
        if let Some(standing) = self.kept(gate, (trust, claim), at, now) {
            return standing;
        }
        let presented = self.connection.presented.as_ref();
        if let Some(name) = trust.filter(|_| presented.is_some()) {
            look.add(&Key::Trust(name));
        }
        let set = trust.and_then(|name| gate.trust.get(name)).map(Arc::as_ref);
        // In a box of its own, since it is needed once and would make every request's future larger.
        let finding = Box::pin(gate.authenticator.certificate(presented, set, claim.map(Arc::as_ref), at, look));
        let standing = Arc::new(finding.await);
        let lost = self.keep(look, gate, (trust, claim), &standing);
        if self.lost.swap(lost, Ordering::Relaxed) != lost && lost {
            self.registration.doubt(Cause::Request);
        }
        standing
    }

    fn kept(
        &self,
        gate: &Gate,
        (trust, claim): (Option<&str>, Option<&Arc<Claim>>),
        at: Timestamp,
        now: Instant,
    ) -> Option<Arc<Standing>> {
        let known = self.known();
        if known.epoch != gate.epoch {
            return None;
        }
        let number = self.registration.doubts();
        let holds = |found: &&Found| found.number == number && found.standing.holds(at, now);
        known.found(trust, claim).filter(holds).map(|found| Arc::clone(&found.standing))
    }

    /// Keeps what was found, and says whether it contradicts that the certificate was accepted before.
    fn keep(
        &self,
        look: &Look<'_>,
        gate: &Gate,
        (trust, claim): (Option<&str>, Option<&Arc<Claim>>),
        standing: &Arc<Standing>,
    ) -> bool {
        let mut known = self.known();
        if known.epoch < gate.epoch {
            known.epoch = gate.epoch;
            known.by_trust.clear();
            known.held.clear();
        }
        let username = match &standing.evidence {
            CertificateEvidence::Account(account) if account.status == Status::Active => Some(&account.username),
            _ => None,
        };
        let same_claim = |accepted: &AcceptedAs| match (&accepted.claim, claim) {
            (Some(one), Some(other)) => one.names_the_same_as(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let accepted =
            known.accepted.iter().find(|accepted| accepted.trust.as_deref() == trust && same_claim(accepted));
        let lost = accepted.is_some_and(|accepted| contradicts(standing, &accepted.username));
        if let (None, Some(username)) = (accepted, username) {
            let (trust, claim) = (trust.map(str::to_owned), claim.map(Arc::clone));
            known.accepted.push(AcceptedAs { trust, claim, username: username.clone() });
        }
        // A request that began under an older configuration, or before a doubt, must not hide what is known since.
        let newer = known.found(trust, claim).is_some_and(|found| found.number > look.number());
        if known.epoch == gate.epoch && !newer {
            let place = known.by_trust.iter().position(|found| found.is_of(trust, claim));
            let before = place.map(|place| known.by_trust.remove(place));
            if claim.is_some() {
                known.make_room(trust);
            }
            known.by_trust.push(Found {
                trust: trust.map(str::to_owned),
                claim: claim.map(Arc::clone),
                number: look.number(),
                standing: Arc::clone(standing),
                prepared: Vec::new(),
                admitted: before.filter(|_| !lost).map(|before| before.admitted).unwrap_or_default(),
            });
            self.registration.expires(known.date());
        }
        lost
    }

    /// Whom the certificate was accepted as, and the passwords that have let something through
    /// that runs.
    pub(super) fn accepted(&self) -> (Vec<AcceptedAs>, Vec<Arc<Proof>>) {
        let known = self.known();
        (known.accepted.clone(), known.passwords.iter().map(|(proof, _)| Arc::clone(proof)).collect())
    }

    /// Whether anything runs that was let through.
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
    }

    pub(super) fn begin_running(&self, proof: Option<&Arc<Proof>>) {
        self.running.fetch_add(1, Ordering::Relaxed);
        let Some(proof) = proof else { return };
        let mut known = self.known();
        match known.passwords.iter_mut().find(|(known, _)| known == proof) {
            Some((_, count)) => *count += 1,
            None => known.passwords.push((Arc::clone(proof), 1)),
        }
        if proof.session().is_some() {
            self.registration.expires(known.date());
        }
    }

    pub(super) fn end_running(&self, proof: Option<&Arc<Proof>>) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        let Some(proof) = proof else { return };
        let passwords = &mut self.known().passwords;
        passwords.retain_mut(|(known, count)| {
            *count -= usize::from(known == proof);
            *count > 0
        });
    }

    /// Makes the connection end at once.
    pub(super) fn condemn(&self) {
        self.condemned.store(true, Ordering::Relaxed);
        self.registration.doubt(Cause::Request);
    }

    /// Whether it must end at once.
    pub(super) fn is_condemned(&self) -> bool {
        self.condemned.load(Ordering::Relaxed)
    }

    /// What the upstream of this index is told of the client at this time, and of a request for this authority, made
    /// by `identity` unless it was made before from the same standing. Only for permits that rest on the
    /// connection's certificate, or on nothing: whoever credentials name may be another one with each request.
    pub fn prepared(
        &self,
        standing: &Arc<Standing>,
        upstream: usize,
        named: bool,
        authority: Option<&HeaderValue>,
        at: Timestamp,
        identity: impl FnOnce(&mut Held) -> Told,
    ) -> Arc<Prepared> {
        let mut known = self.known();
        let Known { by_trust, held, .. } = &mut *known;
        let Some(found) = found_with(by_trust, standing) else {
            return Arc::new(self.with_way(authority, identity(held)).fields);
        };
        let same = found.prepared.iter().find(|kept| kept.prepared_for() == (upstream, named, authority));
        if let Some(kept) = same.filter(|kept| at < kept.until) {
            return Arc::clone(&kept.prepared);
        }
        // Of its own: a part of the head would keep the whole buffer that the head was read into.
        let authority = authority.and_then(|authority| HeaderValue::from_bytes(authority.as_bytes()).ok());
        let Told { fields, until } = self.with_way(authority.as_ref(), identity(held));
        let prepared = Arc::new(fields);
        found.prepared.retain(|kept| kept.prepared_for() != (upstream, named, authority.as_ref()));
        if found.prepared.len() == MOST_PREPARED {
            found.prepared.clear();
        }
        found.prepared.push(Kept { upstream, named, authority, prepared: Arc::clone(&prepared), until });
        prepared
    }

    /// The same for a permit that rests on this request's own credentials.
    pub fn told(&self, authority: Option<&HeaderValue>, identity: impl FnOnce(&mut Held) -> Told) -> Prepared {
        let identity = identity(&mut self.known().held);
        self.with_way(authority, identity).fields
    }

    /// The way that the request came, before who asks.
    fn with_way(&self, authority: Option<&HeaderValue>, identity: Told) -> Told {
        let Connection { peer, local, .. } = &self.connection;
        let mut fields = forwarded::prepare(peer.ip(), local.port(), authority);
        fields.extend(&identity.fields);
        Told { fields, ..identity }
    }

    /// Whether the client has not been let through to the route of this index under this name before, as far
    /// as is remembered with what is known of its certificate.
    /// `origin` is where the request came from, if it was not from the other end of the connection.
    pub fn first_admission(
        &self,
        standing: &Arc<Standing>,
        route: usize,
        username: Option<&str>,
        origin: Option<IpAddr>,
    ) -> bool {
        let mut known = self.known();
        let Some(Found { admitted, .. }) = found_with(&mut known.by_trust, standing) else { return true };
        let same = |one: &Admitted| one.route == route && one.username.as_deref() == username && one.origin == origin;
        if admitted.iter().any(same) {
            return false;
        }
        if admitted.len() < MOST_ADMISSIONS {
            admitted.push(Admitted { route, username: username.map(str::to_owned), origin });
        }
        true
    }

    /// What all audit records of the connection say alike.
    pub fn audited(&self) -> &audit::Rendered {
        self.audited.get_or_init(|| self.for_audit(self.connection.peer, self.connection.via))
    }

    /// The same for a request that came from elsewhere, by the word of a proxy at the other end of the connection.
    pub fn audited_from(&self, origin: SocketAddr) -> audit::Rendered {
        self.for_audit(origin, Some(self.connection.peer))
    }

    fn for_audit(&self, client: SocketAddr, via: Option<SocketAddr>) -> audit::Rendered {
        let Connection { id, listener, tls, .. } = &self.connection;
        let facts = self.connection.facts();
        let serial = facts.map(|facts| hex::encode(&facts.serial));
        let fingerprint = facts.map(|facts| hex::encode(&facts.fingerprint));
        audit::ConnectionFields {
            via,
            sni: tls.server_name.as_deref(),
            tls_version: Some(tls.version),
            resumed: Some(tls.resumed),
            subject: facts.map(|facts| facts.subject.text.as_str()),
            issuer: facts.map(|facts| facts.issuer.text.as_str()),
            serial: serial.as_deref(),
            fingerprint: fingerprint.as_deref(),
            ..audit::ConnectionFields::new(id.get(), client, listener)
        }
        .render()
    }

    /// What all lines of the connection in the access log say alike.
    pub fn accessed(&self) -> &access::Rendered {
        self.accessed.get_or_init(|| self.for_access(self.connection.peer, self.connection.via))
    }

    /// The same for a request that came from elsewhere.
    pub fn accessed_from(&self, origin: SocketAddr) -> access::Rendered {
        self.for_access(origin, Some(self.connection.peer))
    }

    fn for_access(&self, client: SocketAddr, via: Option<SocketAddr>) -> access::Rendered {
        let Connection { id, listener, tls, .. } = &self.connection;
        let facts = self.connection.facts();
        access::ConnectionFields {
            remote_addr: client.ip(),
            remote_port: client.port(),
            via,
            connection: id.get(),
            listener,
            ssl_protocol: tls.version,
            ssl_cipher: &tls.cipher,
            ssl_server_name: tls.server_name.as_deref(),
            ssl_session_reused: if tls.resumed { "r" } else { "." },
            ssl_client_s_dn: facts.map(|facts| facts.subject.text.as_str()),
            ssl_client_serial: facts.map(|facts| hex::encode(&facts.serial)).as_deref(),
        }
        .render()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being served; it ends with its response's last octet, or with the connection.
pub(super) struct Serving {
    load: Load,
    /// Whether a piece of the response is with the client that has not asked for the next one.
    waiting: bool,
    /// Whether there is an answer.
    answered: bool,
}

impl Serving {
    pub(super) fn begin(client: &Client) -> Self {
        client.activity.begin();
        Self { load: Load::new(Arc::clone(&client.activity)), waiting: false, answered: false }
    }

    /// There is an answer.
    pub(super) fn answered(&mut self) {
        self.answered = true;
    }

    /// The next piece of the response is asked for: the one before is on its way.
    pub(super) fn asked(&mut self) {
        if std::mem::take(&mut self.waiting) {
            self.load.activity().taken();
            self.load.asked();
        }
    }

    /// A piece of the response is handed over.
    pub(super) fn handed(&mut self) {
        self.waiting = true;
        self.load.activity().handed();
    }

    /// The same, with the piece itself, behind which so many octets may be read before the next one is asked for.
    pub(super) fn handed_piece(&mut self, octets: Bytes, ahead: u64) -> Piece {
        self.handed();
        self.load.piece(octets, ahead)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.asked();
        if !self.answered {
            self.load.activity().gave_up();
        }
        self.load.activity().end();
    }
}
