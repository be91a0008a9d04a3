//! What a real OCSP responder says of certificates, and what is made of it: good, revoked and unknown ones, and
//! everything that can be wrong with a responder.
#![cfg(test)]

mod common;

use common::eventually;
use common::origin::{Origin, page};
use common::pki::{Authority, Credential, Leaf};
use common::responder::{MINUTES, Responder, State};
use std::io::Write;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use wicketgate::base::clock::Timestamp;
use wicketgate::certificate::path::{self, PathCertificate, Requirements, TrustAnchors};
use wicketgate::config::{Ocsp, OcspMode, PrivateAddresses};
use wicketgate::fetch::ocsp::Responders;
use wicketgate::revocation::crl::RevocationReason;
use wicketgate::revocation::ocsp::OcspAnswer;

/// An authority, a delegate that answers for it, and the certificates of three people.
struct World {
    authority: Authority,
    delegate: Credential,
    good: Credential,
    revoked: Credential,
    unknown: Credential,
}

impl World {
    fn new() -> Self {
        let authority = Authority::root("Example Root");
        let delegate = authority.issue(Leaf::client("responder").only_for(rcgen::ExtendedKeyUsagePurpose::OcspSigning));
        let [good, revoked, unknown] = ["good", "revoked", "unknown"].map(|name| authority.issue(Leaf::client(name)));
        Self { authority, delegate, good, revoked, unknown }
    }

    fn responder(&self) -> Responder {
        self.responder_signing_with(&self.delegate)
    }

    fn responder_signing_with(&self, signer: &Credential) -> Responder {
        Responder::start(&self.authority, signer, &[(&self.good, State::Good), (&self.revoked, State::Revoked)])
    }

    fn path(&self, of: &Credential) -> Vec<PathCertificate> {
        path_of(&self.authority, of)
    }
}

fn path_of(authority: &Authority, of: &Credential) -> Vec<PathCertificate> {
    let anchors = TrustAnchors::new(vec![authority.der()]).unwrap();
    path::validate(&of.chain, &anchors, &Requirements::for_clients(10), Timestamp::now()).unwrap().certificates
}

fn settings(url: &str) -> Ocsp {
    Ocsp {
        mode: OcspMode::Require,
        responder: Some(url.parse().unwrap()),
        timeout: Duration::from_secs(20),
        private_addresses: PrivateAddresses::Allow,
        ..Ocsp::default()
    }
}

fn responders(settings: &Ocsp) -> Responders {
    Responders::new(settings, Handle::current()).unwrap()
}

async fn ask(url: &str, path: &[PathCertificate]) -> OcspAnswer {
    responders(&settings(url)).ask(path, Timestamp::now()).await
}

#[track_caller]
fn assert_unknown(answer: &OcspAnswer, because: &str) {
    assert!(matches!(answer, OcspAnswer::Unknown { why, .. } if why.contains(because)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_responder_tells_good_revoked_and_unknown_certificates_apart() {
    let world = World::new();
    let responder = world.responder();
    let asked = responders(&settings(&responder.url()));
    let now = Timestamp::now();
    let answer = asked.ask(&world.path(&world.good), now).await;
    let OcspAnswer::Good { since, until } = answer else { panic!("{answer:?}") };
    assert!(since <= Timestamp::now() && until > now.plus(Duration::from_secs(60 * (MINUTES - 1))));
    let answer = asked.ask(&world.path(&world.revoked), now).await;
    assert!(
        matches!(answer, OcspAnswer::Revoked { position: 0, reason: Some(RevocationReason::KeyCompromise), .. }),
        "{answer:?}"
    );
    assert_unknown(&asked.ask(&world.path(&world.unknown), now).await, "the responder does not know it");
    assert_eq!((asked.counts().asked(), asked.counts().failed()), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuer_itself_may_answer_and_a_nonce_comes_back() {
    let world = World::new();
    let responder = world.responder_signing_with(&world.authority.signer());
    let settings = Ocsp { nonce: true, ..settings(&responder.url()) };
    let answer = responders(&settings).ask(&world.path(&world.good), Timestamp::now()).await;
    assert!(matches!(answer, OcspAnswer::Good { .. }), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_ran_out_is_no_answer() {
    let world = World::new();
    let responder = world.responder();
    let asked = responders(&settings(&responder.url()));
    let path = world.path(&world.good);
    let later = Timestamp::now().plus(Duration::from_secs(3600));
    assert_unknown(&asked.ask(&path, later).await, "the answer ran out at");
    // To the second, where clocks are known to agree.
    let strict = responders(&settings(&responder.url())).tolerating(Duration::ZERO);
    let later = Timestamp::now().plus(Duration::from_secs(60 * MINUTES + 30));
    assert_unknown(&strict.ask(&path, later).await, "the answer ran out at");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_somebody_else_is_no_answer() {
    let world = World::new();
    let path = world.path(&world.good);
    let other = Authority::root("Other Root");
    let foreign = other.issue(Leaf::client("responder").only_for(rcgen::ExtendedKeyUsagePurpose::OcspSigning));
    let cases = [
        (&foreign, "its certificate has another issuer"),
        // A certificate of the right issuer, for another purpose: any client could answer for all others.
        (&world.good, "its certificate lacks the extended key usage OCSPSigning"),
    ];
    for (signer, because) in cases {
        let responder = world.responder_signing_with(signer);
        assert_unknown(&ask(&responder.url(), &path).await, because);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_responder_that_is_none_is_named_as_what_it_is() {
    let world = World::new();
    let path = world.path(&world.good);
    let web = Origin::saying(page("Content-Type: text/html\r\n", b"<!DOCTYPE html><title>Welcome</title>"));
    assert_unknown(&ask(&web.url("/"), &path).await, "a web page or other text, not an OCSP response");
    let missing = Origin::saying("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    assert_unknown(&ask(&missing.url("/"), &path).await, "status 404");
    let asked = missing.requests();
    assert!(asked.len() == 2 && asked[0].starts_with("GET /MF") && asked[1].starts_with("POST / "), "{asked:?}");
    let busy = Origin::saying(page("", &[0x30, 0x03, 0x0a, 0x01, 0x03]));
    assert_unknown(&ask(&busy.url("/"), &path).await, "tryLater");
    let not_responsible = Origin::saying(page("", &[0x30, 0x03, 0x0a, 0x01, 0x06]));
    assert_unknown(&ask(&not_responsible.url("/"), &path).await, "unauthorized");
    let large = Origin::saying(page("", &vec![0x30; 70_000]));
    assert_unknown(&ask(&large.url("/"), &path).await, "larger than 65536 octets");
    let closed = large.url("/").replace("127.0.0.1", "127.0.0.99");
    assert_unknown(&ask(&closed, &path).await, "cannot connect");
    let inside = Ocsp { private_addresses: PrivateAddresses::Refuse, ..settings(&web.url("/")) };
    let questions = web.requests().len();
    assert_unknown(&responders(&inside).ask(&path, Timestamp::now()).await, "may not be connected to");
    assert_eq!(web.requests().len(), questions);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_responder_costs_one_timeout_and_not_each_request_one() {
    let world = World::new();
    let slow = Origin::start(|_, stream| {
        std::thread::sleep(Duration::from_secs(20));
        let _ = stream.write_all(b"late");
    });
    let asked = responders(&Ocsp { timeout: Duration::from_millis(500), ..settings(&slow.url("/")) });
    let path = world.path(&world.good);
    let start = Instant::now();
    let now = Timestamp::now();
    assert_unknown(&asked.ask(&path, now).await, "no whole answer within 500ms");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let start = Instant::now();
    for _ in 0..100 {
        assert_unknown(&asked.ask(&path, now).await, "no whole answer within 500ms");
    }
    assert!(start.elapsed() < Duration::from_millis(400), "{:?}", start.elapsed());
    assert_eq!(slow.requests().len(), 1);
    // After a few seconds it is asked again.
    assert_unknown(&asked.ask(&path, now.plus(Duration::from_secs(6))).await, "no whole answer");
    assert_eq!(slow.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_question_is_in_flight_however_many_wait_for_its_answer() {
    let world = World::new();
    let responder = world.responder();
    responder.delay(Duration::from_millis(700));
    let asked = responders(&settings(&responder.url()));
    let path = world.path(&world.good);
    let now = Timestamp::now();
    let asking = || {
        let (asked, path) = (asked.clone(), path.clone());
        tokio::spawn(async move { asked.ask(&path, now).await })
    };
    let first = asking();
    eventually("the question to be sent", || (responder.questions() == 1).then_some(()));
    let others: Vec<_> = (0..50).map(|_| asking()).collect();
    // Whoever asked first goes away; the others get their answer all the same.
    first.abort();
    for other in others {
        let answer = other.await.unwrap();
        assert!(matches!(answer, OcspAnswer::Good { .. }), "{answer:?}");
    }
    assert_eq!(responder.questions(), 1);
    for _ in 0..10 {
        assert!(matches!(asked.ask(&path, now).await, OcspAnswer::Good { .. }));
    }
    assert_eq!(responder.questions(), 1, "the answer is kept until there is a newer one");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_revoked_stays_so_when_its_responder_falls_silent() {
    let world = World::new();
    let responder = world.responder();
    let asked = responders(&settings(&responder.url()));
    let (good, revoked) = (world.path(&world.good), world.path(&world.revoked));
    let now = Timestamp::now();
    assert!(matches!(asked.ask(&good, now).await, OcspAnswer::Good { .. }));
    assert!(matches!(asked.ask(&revoked, now).await, OcspAnswer::Revoked { .. }));
    drop(responder);
    let later = now.plus(Duration::from_secs(3600));
    let answer = asked.ask(&revoked, later).await;
    assert!(matches!(answer, OcspAnswer::Revoked { .. }), "{answer:?}");
    let answer = asked.ask(&good, later).await;
    assert!(matches!(answer, OcspAnswer::Unknown { .. }), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_names_its_responder_unless_one_is_configured() {
    let world = World::new();
    let silent = Origin::saying("");
    let responder = world.responder();
    let without = Ocsp { responder: None, ..settings("http://unused.invalid/") };
    let prefer = Ocsp { mode: OcspMode::Prefer, ..without.clone() };
    let now = Timestamp::now();

    let plain = world.path(&world.good);
    assert_eq!(responders(&prefer).ask(&plain, now).await, OcspAnswer::NoResponder);
    assert_unknown(&responders(&without).ask(&plain, now).await, "names no responder");
    assert!(Responders::new(&Ocsp { mode: OcspMode::Off, ..without.clone() }, Handle::current()).is_none());

    // The first place that a certificate names is out of order, the second is not.
    let named = world.authority.issue(Leaf::client("named").responders(&[&silent.url("/"), &responder.url()]));
    let path = world.path(&named);
    assert_unknown(&responders(&prefer).ask(&path, now).await, "the responder does not know it");
    assert!(!silent.requests().is_empty() && responder.questions() == 1);
    let https = world.authority.issue(Leaf::client("https").responders(&["https://ocsp.example/"]));
    assert_unknown(&responders(&prefer).ask(&world.path(&https), now).await, "https would need a certificate");
}
