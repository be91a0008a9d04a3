//! Requests that another front has taken, and about which it asks whether they may pass. A question is made the request
//! that it is about, and takes the same way: same routes, same evidence, same decision. Only its end is another one: where
//! a request would be sent on, the front is told what its application would have been told. What fronts write, and how they
//! prove themselves, is for [`Front`] to know; here is what becomes of it.
//!
//! What is known of a certificate is kept between questions as it is between the requests of a connection, in a [`Client`]
//! that has no connection: registered for whatever may put it in doubt, so that a revocation is felt at once. It lives
//! and dies with the configuration.

use super::allowance::Taken;
use super::body::{Received, ReplyBody};
use super::client::Serving;
use super::gate::{RoutedUpstream, Target};
use super::headers::origin::Unreadable;
use super::measure::{Known, Notes};
use super::passage::Passage;
use super::record::About;
use super::{Client, Closed, Exchange, Gate, Page, Routed, Worker, framing, reply};
use crate::auth::decision::Permit;
use crate::base::clock::{Moment, Timestamp};
use crate::base::reason::Reason;
use crate::certificate::Presented;
use crate::config::ClientPolicy;
use crate::listen::activity::Activity;
use crate::listen::connection::{Connection, ConnectionId, TlsFacts};
use crate::revocation::live::Live;
use crate::telemetry::request_id::RequestId;
use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use moka::sync::Cache;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the status would have been for a front that does not understand it.
const STATUS: HeaderName = HeaderName::from_static("x-wicketgate-status");
/// For how long nobody may ask about a certificate before what is known of it is forgotten.
const KEPT_IDLE: Duration = Duration::from_secs(10 * 60);
/// What is kept of certificates, in octets.
const MOST_KEPT: u64 = 64 * 1024 * 1024;
/// What is kept of one besides its chain, about.
const KEPT_BESIDES: usize = 4096;

/// What one front writes.
pub trait Front: Send + Sync {
    /// Whether it is the front that asks; if not, why that is not known, for the log.
    fn proves<'a>(&'a self, asked: &'a Asked<'a>) -> BoxFuture<'a, Result<(), String>>;

    /// What it asks.
    ///
    /// # Errors
    /// When that cannot be read: why, for the log.
    fn question(&self, asked: &Parts) -> Result<Original, String>;

    /// Whether it understands every status. If not, it understands 200, 401 and 403.
    fn understands_all(&self) -> bool;

    /// What the client has presented to the front.
    ///
    /// # Errors
    /// When that cannot be read: why, for the log.
    fn presented(&self, shown: &Shown) -> Result<Presented, String>;
}

/// What shows whether it is the front that asks.
pub struct Asked<'a> {
    /// The fields of the question.
    pub headers: &'a HeaderMap,
    /// The connection by which it came.
    pub connection: &'a Connection,
    /// When.
    pub at: Timestamp,
}

/// A request that a front has taken.
#[derive(Debug, Clone)]
pub struct Original {
    /// Its method.
    pub method: Method,
    /// Path and query as the client has sent them.
    pub target: Uri,
    /// Its fields, as far as the front has passed them on; `Host` is its own.
    pub headers: HeaderMap,
    /// The certificate that the client has shown, if it has.
    pub shown: Option<Shown>,
}

/// A certificate as the front has written it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The field with the certificate.
    pub certificate: Option<HeaderValue>,
    /// The field with the rest of the chain.
    pub chain: Option<HeaderValue>,
}

impl Shown {
    /// SHA-256 over both fields, each after its length.
    fn print(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        for field in [&self.certificate, &self.chain] {
            let octets = field.as_ref().map(HeaderValue::as_bytes).unwrap_or_default();
            context.update(&(octets.len() as u64).to_be_bytes());
            context.update(octets);
        }
        let mut print = [0; 32];
        print.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        print
    }
}

/// A listener that a front asks.
pub struct FrontListener {
    front: Arc<dyn Front>,
    /// What is asked of the front's clients.
    pub(super) policy: Arc<ClientPolicy>,
    clients: Cache<ClientKey, Arc<Client>>,
}

/// Whose requests are told apart: by the front, by where they come from as far as it says so, and by what they have shown.
type ClientKey = (IpAddr, Option<IpAddr>, Option<[u8; 32]>);

impl FrontListener {
    /// Of this front, under the policy that its clients come under.
    #[must_use]
    pub fn new(front: Arc<dyn Front>, policy: ClientPolicy) -> Self {
        Self::keeping(front, policy, MOST_KEPT)
    }

    /// The same where no more than so many octets are kept of certificates.
    fn keeping(front: Arc<dyn Front>, policy: ClientPolicy, most: u64) -> Self {
        let weigh = |_: &ClientKey, client: &Arc<Client>| {
            let presented = client.connection.presented.as_ref();
            // What is read of a certificate is about as large as it is.
            let chain: usize = presented.iter().flat_map(|presented| &presented.chain).map(|der| der.len() * 2).sum();
            u32::try_from(chain + KEPT_BESIDES).unwrap_or(u32::MAX)
        };
        let clients = Cache::builder().weigher(weigh).max_capacity(most).time_to_idle(KEPT_IDLE).build();
        Self { front, policy: Arc::new(policy), clients }
    }

    /// The client that has shown this to the front at the other end of a connection.
    fn client(
        &self,
        live: &Arc<Live>,
        front: &Connection,
        origin: Option<IpAddr>,
        shown: Option<&Shown>,
    ) -> Result<(ClientKey, Arc<Client>), String> {
        let key = (front.peer.ip(), origin, shown.map(Shown::print));
        if let Some(client) = self.clients.get(&key) {
            return Ok((key, client));
        }
        let presented = shown.map(|shown| self.front.presented(shown)).transpose()?;
        let connection = Connection {
            id: ConnectionId::next(),
            // Of many connections of the front's.
            peer: SocketAddr::new(front.peer.ip(), 0),
            local: front.local,
            via: front.via,
            listener: Arc::clone(&front.listener),
            policy: Arc::clone(&self.policy),
            tls: TlsFacts::none(),
            presented,
        };
        let activity = Arc::new(Activity::new(true, Instant::now()));
        let client = Arc::new(Client::behind_front(connection, activity, live.register()));
        self.clients.insert(key, Arc::clone(&client));
        Ok((key, client))
    }
}

/// Answers one question.
///
/// # Errors
/// Never; a request's answer may be none.
pub(super) async fn handle(
    listener: &FrontListener,
    client: Arc<Client>,
    worker: Arc<Worker>,
    gate: Arc<Gate>,
    question: Box<Parts>,
    incoming: Incoming,
) -> Result<Response<ReplyBody>, Closed> {
    let mut serving = Serving::begin(&client);
    let (id, at) = (RequestId::random(), Moment::now());
    let origin = gate.origin(&client.connection, &question.headers);
    let told = |client, origin: Option<SocketAddr>| {
        let (log, tracer) = (gate.access.as_ref(), gate.tracer.as_ref());
        let known = Known { log, tracer, client, id, at, origin };
        (log.is_some() || tracer.is_some()).then_some(known)
    };
    let from = origin.ok().flatten();
    let asked_by = (&*client, from.map(|origin| origin.ip()));
    let understood = understand(listener, asked_by, &worker, &question, at.timestamp()).await;
    let (mut response, mut notes, taken) = match understood {
        Ok((original, (key, behind))) => {
            let head_only = original.method == Method::HEAD && question.method != Method::HEAD;
            let head = Box::new(original.into_head());
            let notes = Notes::begin(&head, told(&behind, from));
            let exchange = Exchange::for_front(&behind, &gate, (id, at, origin), notes);
            let mut response = exchange.run(&worker, head, incoming).await?;
            if behind.is_lost() {
                listener.clients.invalidate(&key);
            }
            if head_only {
                // The length of a body that is not there, since the original request wants none.
                response.headers_mut().remove(CONTENT_LENGTH);
            }
            let Exchange { notes, taken, .. } = exchange;
            (response, notes, taken)
        }
        Err(refusal) => {
            let page = Page::of(&question);
            // Whose word a request's origin is, is known of the front alone.
            let origin = if refusal.proved { origin } else { Ok(None) };
            let notes = Notes::begin(&question, told(&client, origin.ok().flatten()));
            let exchange = Exchange::for_front(&client, &gate, (id, at, origin), notes);
            let about = About { detail: Some(refusal.detail), ..About::of(&page) };
            let mut response = exchange.refuse(&about, refusal.reason);
            if !refusal.proved {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            let Exchange { notes, taken, .. } = exchange;
            (response, notes, taken)
        }
    };
    if !listener.front.understands_all() {
        response = plainly(response);
    }
    serving.answered();
    notes.answered(response.status());
    response.body_mut().serve(serving, notes, taken);
    Ok(response)
}

impl<'a> Exchange<'a> {
    /// Of what a front asks about this client's request, with its number, when it came and where it came from.
    fn for_front(
        client: &'a Arc<Client>,
        gate: &'a Arc<Gate>,
        (id, at, origin): (RequestId, Moment, Result<Option<SocketAddr>, Unreadable>),
        notes: Notes,
    ) -> Self {
        let (look, taken) = (client.registration.look(), Taken::default());
        Self { client, look, gate, id, at, origin, notes, taken, for_front: true }
    }
}

/// Why a question is not looked into.
struct NotUnderstood {
    reason: Reason,
    detail: String,
    /// Whether it was the front that asked. As long as that is not known, nothing else that was said is believed, and no
    /// other question is taken on the connection: a front that was set up anew may have to connect anew to prove itself.
    proved: bool,
}

/// What is asked, and about whom; the proof comes first, so that nothing that anybody else says is looked into.
async fn understand(
    listener: &FrontListener,
    (client, origin): (&Client, Option<IpAddr>),
    worker: &Worker,
    question: &Parts,
    at: Timestamp,
) -> Result<(Original, (ClientKey, Arc<Client>)), NotUnderstood> {
    if !framing::is_certain(&question.headers) {
        let detail = "the transfer coding is not `chunked` alone".to_owned();
        return Err(NotUnderstood { reason: Reason::BadRequest, detail, proved: false });
    }
    let asked = Asked { headers: &question.headers, connection: &client.connection, at };
    let proved = listener.front.proves(&asked).await;
    proved.map_err(|detail| NotUnderstood { reason: Reason::NotAuthorized, detail, proved: false })?;
    let unreadable = |detail| NotUnderstood { reason: Reason::BadRequest, detail, proved: true };
    let original = listener.front.question(question).map_err(unreadable)?;
    let shown = original.shown.as_ref();
    let behind = listener.client(&worker.live, &client.connection, origin, shown).map_err(unreadable)?;
    Ok((original, behind))
}

impl Original {
    /// The head of the request itself. The body of the question is not its own, and is not read.
    fn into_head(self) -> Parts {
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = self.method;
        head.uri = self.target;
        head.version = Version::HTTP_11;
        head.headers = self.headers;
        head
    }
}

/// An answer in the three statuses that every front understands. What else there was to say is still said.
fn plainly(mut response: Response<ReplyBody>) -> Response<ReplyBody> {
    let status = response.status();
    if !matches!(status, StatusCode::OK | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        response.headers_mut().insert(STATUS, HeaderValue::from(status.as_u16()));
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    response
}

impl Exchange<'_> {
    /// What the front is told of a request that may pass. It takes every success for leave to send the request to its
    /// application, so that what the gate would answer itself is no success here.
    pub(super) fn permit_front(&self, permit: &Permit, routed: &Routed<'_>, about: &About<'_>) -> Response<ReplyBody> {
        let (method, id) = (&about.page.method, self.id.as_str());
        let not_here = || {
            let detail = "the route leads to an answer of the gate's own, which a front cannot give".to_owned();
            self.refuse(&About { detail: Some(detail), ..about.clone() }, Reason::NoRoute)
        };
        match (routed.service, &routed.route.target) {
            (Some(_), _) | (None, Target::Service(_)) => not_here(),
            (None, Target::Redirect(redirect)) => self.redirect(redirect, routed.target, about),
            (None, Target::Preauth(preauth)) => self.log_in(preauth, permit, about),
            (None, Target::Respond(answer)) if answer.status().is_success() => not_here(),
            (None, Target::Respond(answer)) => reply::of_service(answer.response(), method, id).map(ReplyBody::from),
            (None, Target::Upstream(upstream)) => self.tell_front(permit, routed, about, upstream),
            (None, Target::ByAccount(homes)) => match homes.of(permit.identity().map(|identity| &*identity.account)) {
                Ok(upstream) => self.tell_front(permit, routed, about, &upstream),
                Err(why) => {
                    self.refuse(&About { detail: Some(why.to_string()), ..about.clone() }, Reason::UpstreamUnavailable)
                }
            },
        }
    }

    /// What the application of an upstream would have been told of who asks. Each field that it may be told something in
    /// is there, empty where there is nothing to say: a front that copies what is there must not leave in place what its
    /// client has sent.
    fn tell_front(
        &self,
        permit: &Permit,
        routed: &Routed<'_>,
        about: &About<'_>,
        upstream: &RoutedUpstream,
    ) -> Response<ReplyBody> {
        let passage = Passage {
            exchange: self,
            permit,
            proof: about.credentials.and_then(|credentials| credentials.proof.as_ref()),
            upstream,
            route: routed.route,
            target: routed.target,
            claim: routed.claim,
            standing: routed.standing,
            asked: None,
        };
        let mut said = HeaderMap::new();
        passage.say_who(None, &mut said);
        let mut response = reply::text(StatusCode::OK, Bytes::new(), &about.page.method, self.id.as_str());
        for name in upstream.told_in() {
            let value = said.remove(&name).unwrap_or_else(|| HeaderValue::from_static(""));
            response.headers_mut().insert(name, value);
        }
        response.map(ReplyBody::from)
    }
}

/// What of a request's body there is: none, for a front that asks.
pub(super) fn length_for_challenge(for_front: bool, received: &Received) -> Option<u64> {
    received.length().filter(|_| !for_front)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Advertise, ClientCertificate, OnMissing, OnRejected};
    use rustls_pki_types::CertificateDer;

    /// A front that shows certificates as they are, and is believed.
    struct Plain;

    impl Front for Plain {
        fn proves<'a>(&'a self, _: &'a Asked<'a>) -> BoxFuture<'a, Result<(), String>> {
            Box::pin(async { Ok(()) })
        }

        fn question(&self, _: &Parts) -> Result<Original, String> {
            Err("it asks nothing".to_owned())
        }

        fn understands_all(&self) -> bool {
            true
        }

        fn presented(&self, shown: &Shown) -> Result<Presented, String> {
            let octets = shown.certificate.as_ref().map(|value| value.as_bytes().to_vec()).unwrap_or_default();
            Presented::new(&[CertificateDer::from(octets)]).map_err(|why| why.to_string())
        }
    }

    #[test]
    fn however_many_certificates_are_asked_about_what_is_kept_of_them_has_a_bound() {
        const CLIENTS: u64 = 200;
        const OCTETS: u64 = 3000;
        const MOST: u64 = 20 * (2 * OCTETS + KEPT_BESIDES as u64);
        let policy = ClientPolicy {
            client_certificate: ClientCertificate::Want,
            on_missing: OnMissing::Page,
            on_rejected: OnRejected::Page,
            trust: Some("staff".to_owned()),
            advertise: Advertise::None,
        };
        let listener = FrontListener::keeping(Arc::new(Plain), policy.clone(), MOST);
        let address = "127.0.0.1:9440".parse().unwrap();
        let front = Connection {
            id: ConnectionId::next(),
            peer: address,
            local: address,
            via: None,
            listener: "front".into(),
            policy: Arc::new(policy),
            tls: TlsFacts::none(),
            presented: None,
        };
        let live = Live::new();
        for index in 0..CLIENTS {
            let certificate = format!("{index:0width$}", width = usize::try_from(OCTETS).unwrap());
            let shown = Shown { certificate: Some(HeaderValue::from_str(&certificate).unwrap()), chain: None };
            let (_, client) = listener.client(&live, &front, None, Some(&shown)).unwrap();
            let chain = &client.connection.presented.as_ref().unwrap().chain;
            assert_eq!(chain.iter().map(|der| der.len()).sum::<usize>(), certificate.len());
        }
        listener.clients.run_pending_tasks();
        let kept = (listener.clients.entry_count(), listener.clients.weighted_size());
        assert!((1..=20).contains(&kept.0) && kept.1 == kept.0 * (MOST / 20), "{kept:?}");
    }

    #[test]
    fn what_was_shown_is_known_again_by_both_fields() {
        let shown = |certificate: Option<&'static str>, chain: Option<&'static str>| Shown {
            certificate: certificate.map(HeaderValue::from_static),
            chain: chain.map(HeaderValue::from_static),
        };
        let one = shown(Some("ab"), Some("c"));
        assert_eq!(one.print(), shown(Some("ab"), Some("c")).print());
        for other in [shown(Some("a"), Some("bc")), shown(Some("abc"), None), shown(None, Some("abc"))] {
            assert_ne!(one.print(), other.print(), "{other:?}");
        }
    }

    #[test]
    fn a_front_of_few_words_is_told_in_three_statuses() {
        let told = |status: u16| {
            let mut response = Response::new(ReplyBody::from(http_body_util::Full::new(Bytes::new())));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            let response = plainly(response);
            let exact = response.headers().get(STATUS).map(|value| value.to_str().unwrap().to_owned());
            (response.status().as_u16(), exact)
        };
        for status in [200, 401, 403] {
            assert_eq!(told(status), (status, None));
        }
        for status in [204, 302, 400, 404, 421, 429, 431, 502, 503] {
            assert_eq!(told(status), (403, Some(status.to_string())));
        }
    }
}
