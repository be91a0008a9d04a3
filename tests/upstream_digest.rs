//! Servers that ask the gate for a password by HTTP Digest: when it is given, what is sent again and what is not, and
//! what becomes of those that refuse it.
#![cfg(test)]

mod common;

use common::client::{empty, full, streamed};
use common::gate::Gate;
use common::raw::{Raw, status};
use common::setup::Setup;
use common::upstream::{Exchange, Recorded, Upstream};
use http::Request;
use http_body::Frame;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use wicketgate::account::{Ha1, ha1};
use wicketgate::auth::digest::{Asked, Challenge, Credentials, Outcome, Verifier};
use wicketgate::base::clock::Timestamp;
use wicketgate::base::secret::Secret;
use wicketgate::config::{Digest, DigestAlgorithm};

const REALM: &str = "b.example";
const USER: &str = "a.example";
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn hash() -> Ha1 {
    ha1::compute(USER, REALM, &Secret::from("between us"), DigestAlgorithm::Sha256)
}

/// A server that lets in who knows the password. It forgets its nonces when the test wants it to.
struct Guarded {
    upstream: Upstream,
    verifier: Arc<Mutex<Verifier>>,
}

impl Guarded {
    fn start() -> Self {
        let verifier = Arc::new(Mutex::new(Self::verifier()));
        let ours = Arc::clone(&verifier);
        let upstream = Upstream::answering(move |exchange| {
            if exchange.read_body().is_ok() {
                serve(exchange, &ours.lock().unwrap());
            }
        });
        Self { upstream, verifier }
    }

    fn verifier() -> Verifier {
        Verifier::new(&Digest::of_realm(REALM), None).unwrap()
    }

    /// As after a restart: what was given out before is stale.
    fn forget(&self) {
        *self.verifier.lock().unwrap() = Self::verifier();
    }

    /// Methods of all requests so far, those without credentials in brackets.
    fn seen(&self) -> Vec<String> {
        let seen = |request: Recorded| {
            let method = request.line().split(' ').next().unwrap().to_owned();
            if request.header("authorization").is_some() { method } else { format!("({method})") }
        };
        self.upstream.requests().into_iter().map(seen).collect()
    }
}

fn serve(exchange: &mut Exchange<'_>, verifier: &Verifier) {
    let (method, target) = (exchange.request.line().split(' ').next().unwrap().to_owned(), exchange.request.target());
    let asked = Asked { method: &method, target, realm: REALM, client: CLIENT, now: Timestamp::now() };
    let header = exchange.request.header("authorization");
    let credentials = header.map(|header| Credentials::parse(header.as_bytes()).unwrap().unwrap());
    let verified = credentials.as_ref().map(|credentials| {
        assert_eq!(credentials.username(), USER);
        verifier.examine(credentials, &asked).unwrap().verify(Some(&hash()), b"")
    });
    let stale = match verified {
        Some(verified) if verified.outcome == Outcome::Right => {
            let info = verified.authentication_info.unwrap();
            let length = if method == "HEAD" { "" } else { "in" };
            let switch = exchange.request.header("upgrade").is_some();
            return match switch {
                true => {
                    exchange.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
                }
                false => exchange.send(format!(
                    "HTTP/1.1 200 OK\r\nAuthentication-Info: {info}\r\nContent-Length: 2\r\n\r\n{length}"
                )),
            };
        }
        Some(verified) => matches!(verified.outcome, Outcome::Stale(_)),
        None => false,
    };
    let challenge = Challenge { realm: REALM, stale, body: None, client: CLIENT, now: Timestamp::now() };
    let fields: String =
        verifier.challenges(&challenge).iter().map(|value| format!("WWW-Authenticate: {value}\r\n")).collect();
    let page = if method == "HEAD" { "" } else { "who?" };
    exchange.send(format!("HTTP/1.1 401 Unauthorized\r\n{fields}Content-Length: 4\r\n\r\n{page}"));
}

fn digits() -> String {
    hash().0.expose_str().unwrap().to_owned()
}

/// A gate that knows the password for this upstream.
fn before(upstream: &Upstream) -> Setup {
    let digest = format!("{{ user: {USER}, realm: {REALM}, ha1_sha256: {{ file: there.ha1 }} }}");
    Setup::before(upstream).file("there.ha1", &digits()).upstream("authorization", &format!("{{ digest: {digest} }}"))
}

async fn upload(gate: &Gate, method: &str, length: usize) -> u16 {
    let mut alice = gate.alice().http1().await.unwrap();
    let request = Request::builder().method(method).uri("/x").body(full(vec![b'u'; length])).unwrap();
    alice.send(request).await.status
}

#[tokio::test]
async fn a_nonce_is_asked_for_once_and_used_with_counts_by_all() {
    let guarded = Guarded::start();
    let gate = before(&guarded.upstream).start();
    for (_, mut alice) in gate.alice().both().await {
        for _ in 0..5 {
            let request = Request::get("/x?a=b").header("authorization", "Bearer of-the-client");
            let answer = alice.send(request.body(empty()).unwrap()).await;
            assert_eq!((answer.status, answer.text().as_str()), (200, "in"), "{}", gate.log());
            for name in ["www-authenticate", "authentication-info"] {
                assert!(!answer.headers.contains_key(name), "{name} is between the gate and its upstream");
            }
        }
    }
    assert_eq!(guarded.seen().iter().filter(|method| *method == "(GET)").count(), 1);
    // Many at once, over one connection.
    let alice = gate.alice().http2().await.unwrap();
    let parallel = (0..50).map(|_| {
        let mut alice = alice.another();
        tokio::spawn(async move { alice.get("/").await.status })
    });
    for status in parallel.collect::<Vec<_>>() {
        assert_eq!(status.await.unwrap(), 200);
    }
    let requests = guarded.upstream.requests();
    assert_eq!(requests.len(), 61);
    let said: Vec<String> = requests.iter().filter_map(|request| request.header("authorization")).collect();
    assert!(said.iter().all(|header| header.starts_with("Digest ") && header.contains("SHA-256")), "{said:?}");
    assert!(!gate.log().contains(&digits()) && !gate.log().contains("response=\\\""));
}

#[tokio::test]
async fn a_stale_nonce_costs_one_repetition_with_the_body() {
    let guarded = Guarded::start();
    let gate = before(&guarded.upstream).start();
    assert_eq!(gate.alice().get("/").await.status, 200, "{}", gate.log());
    guarded.forget();
    // Also for a method that is not idempotent: what is answered with 401 was not carried out.
    assert_eq!(upload(&gate, "POST", 64 * 1024).await, 200, "{}", gate.log());
    assert_eq!(guarded.seen(), ["(GET)", "GET", "POST", "POST"]);
    let requests = guarded.upstream.requests();
    assert_eq!((requests[2].length, requests[3].length), (64 * 1024, 64 * 1024));
    assert_eq!(requests[2].body, requests[3].body);
    assert!(guarded.upstream.faults().is_empty(), "{:?}", guarded.upstream.faults());
}

#[tokio::test]
async fn a_large_body_is_sent_once_after_a_head_without_one() {
    let guarded = Guarded::start();
    let gate = before(&guarded.upstream).start();
    assert_eq!(upload(&gate, "POST", 1 << 20).await, 200, "{}", gate.log());
    guarded.forget();
    assert_eq!(upload(&gate, "PUT", 64 * 1024 + 1).await, 200, "{}", gate.log());
    // Nobody knows how long this one will be.
    let (pieces, body) = streamed();
    let mut alice = gate.alice().http1().await.unwrap();
    let sending = tokio::spawn(async move {
        let answer = alice.send(Request::post("/x").body(body).unwrap()).await;
        answer.status
    });
    for _ in 0..3 {
        pieces.send(Frame::data("piece".into())).await.unwrap();
    }
    drop(pieces);
    assert_eq!(sending.await.unwrap(), 200, "{}", gate.log());
    assert_eq!(guarded.seen(), ["(HEAD)", "POST", "(HEAD)", "PUT", "(HEAD)", "POST"]);
    let lengths: Vec<u64> = guarded.upstream.requests().iter().map(|request| request.length).collect();
    assert_eq!(lengths, [0, 1 << 20, 0, 64 * 1024 + 1, 0, 15]);
    assert!(guarded.upstream.faults().is_empty(), "{:?}", guarded.upstream.faults());
}

#[tokio::test]
async fn each_server_of_an_upstream_has_nonces_of_its_own() {
    let servers = [Guarded::start(), Guarded::start()];
    let [first, second] = servers.each_ref().map(|server| server.upstream.address());
    let addresses = format!("[\"http://{first}\", \"http://{second}\"]");
    let gate = before(&servers[0].upstream).upstream("servers", &addresses).start();
    let mut alice = gate.alice().http1().await.unwrap();
    for _ in 0..4 {
        assert_eq!(alice.get("/").await.status, 200, "{}", gate.log());
    }
    for server in &servers {
        assert_eq!(server.seen(), ["(GET)", "GET", "GET"]);
    }
}

#[tokio::test]
async fn an_upgrade_is_asked_for_with_credentials() {
    let guarded = Guarded::start();
    let gate = before(&guarded.upstream).start();
    for _ in 0..2 {
        let mut client = Raw::connect(&gate.alice());
        client.send("GET / HTTP/1.1\r\nHost: gate.example.org\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n");
        let head = client.read_head();
        assert_eq!(status(&head), 101, "{head}{}", gate.log());
    }
    assert_eq!(guarded.seen(), ["(GET)", "GET", "GET"]);
}

#[tokio::test]
async fn an_upstream_that_does_not_let_the_gate_in_is_a_bad_gateway() {
    let digest = |rest: &str| format!("Digest nonce=\"n\", {rest}");
    let right = digest("realm=\"b.example\", algorithm=SHA-256, qop=\"auth\"");
    let cases = [
        (right.clone(), 2, r#"it refuses the credentials of \"a.example\" (SHA-256)"#),
        (format!("{right}, stale=true"), 2, r#"it refuses the credentials of \"a.example\" (SHA-256)"#),
        (
            digest("realm=\"b.example\", algorithm=MD5, qop=\"auth\""),
            1,
            "it takes MD5, and authorization.digest has no",
        ),
        (digest("realm=\"c.example\", algorithm=SHA-256, qop=\"auth\""), 1, r#"of the realm \"c.example\""#),
        (digest("realm=\"b.example\", algorithm=SHA-256, qop=\"auth-int\""), 1, "without a challenge of HTTP Digest"),
        ("Basic realm=\"b.example\"".to_owned(), 1, "without a challenge of HTTP Digest"),
    ];
    for (challenge, sent, why) in cases {
        let answer =
            format!("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 4\r\n\r\nwho?");
        let upstream = Upstream::answering(move |exchange| {
            if exchange.read_body().is_ok() {
                exchange.send(&answer);
            }
        });
        let gate = before(&upstream).start();
        // Whoever is refused each time is not driven into a lock by several attempts a request.
        for round in 1..=2 {
            let answer = gate.alice().get("/").await;
            assert_eq!(answer.status, 502, "{challenge}");
            assert!(answer.text().contains("upstream_unavailable"), "{}", answer.text());
            assert!(!answer.headers.contains_key("www-authenticate"), "{challenge}");
            assert!(!answer.text().contains("a.example"), "the page tells nothing of the inside: {}", answer.text());
            // Nor by requests that follow each other: a server that has refused us is left alone for a while.
            let most = sent * round;
            assert!((most - round + 1..=most).contains(&upstream.requests().len()), "{challenge}");
        }
        gate.log_line(&["no answer for a permitted request", "upstream app", why]);
        assert!(!gate.log().contains(&digits()));
    }
}

#[tokio::test]
async fn a_server_that_refuses_the_gate_is_left_alone_and_tried_again_until_it_lets_it_in() {
    let upstream = Upstream::answering(|exchange| {
        if exchange.read_body().is_ok() {
            let right = exchange.request.header("x-right").is_some();
            let answer = match exchange.request.header("authorization") {
                Some(_) if right => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nin".to_owned(),
                _ => "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: Digest nonce=\"n\", \
                      realm=\"b.example\", algorithm=SHA-256, qop=\"auth\"\r\n\r\n"
                    .to_owned(),
            };
            exchange.send(answer);
        }
    });
    let gate = before(&upstream).start();
    let begun = std::time::Instant::now();
    let mut connection = gate.alice().http1().await.unwrap();
    for _ in 0..20 {
        assert_eq!(connection.get("/").await.status, 502);
    }
    let tried = upstream.requests().iter().filter(|request| request.header("authorization").is_some()).count();
    let most = 1 + usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!((1..=most).contains(&tried), "{tried} attempts in {:?}", begun.elapsed());
    gate.log_line(&["it has refused the credentials of", "it is left alone for"]);
    // When the password is right once more, it is noticed without anybody's doing.
    let let_in = async {
        loop {
            let request = Request::get("/").header("x-right", "1").body(empty()).unwrap();
            if connection.send(request).await.status == 200 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(common::PATIENCE, let_in).await.unwrap();
}

#[tokio::test]
async fn a_large_body_that_is_asked_about_too_late_is_sent_with_the_next_request() {
    let guarded = Arc::new(Mutex::new(Guarded::verifier()));
    let verifier = Arc::clone(&guarded);
    // It lets anybody look, and asks those who change something.
    let upstream = Upstream::answering(move |exchange| {
        if exchange.read_body().is_ok() {
            match exchange.request.line().starts_with("HEAD") {
                true => exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
                false => serve(exchange, &verifier.lock().unwrap()),
            }
        }
    });
    let gate = before(&upstream).start();
    assert_eq!(upload(&gate, "POST", 1 << 20).await, 502);
    gate.log_line(&["no answer for a permitted request", "the body is too large to be sent again"]);
    assert_eq!(upload(&gate, "POST", 1 << 20).await, 200, "{}", gate.log());
}

#[tokio::test]
async fn a_hash_that_is_none_is_found_before_the_gate_starts() {
    let upstream = Upstream::start();
    let gate = before(&upstream).start();
    assert_eq!(gate.alice().get("/").await.status, 200, "who does not ask is not told");
    assert_eq!(upstream.only().header("authorization"), None);
    std::fs::write(gate.folder().join("there.ha1"), "not a hash").unwrap();
    gate.reload();
    gate.log_line(&["upstreams.app.authorization.digest", "the hash is not 64 hexadecimal digits"]);
    assert!(!gate.log().contains("not a hash"));
}
