//! Whether curl, a client that nobody here wrote, agrees with `auth::digest` about challenges and responses:
//! over plain HTTP, because there is no gate around it yet, and with a time that the test sets.
#![cfg(test)]

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use wicketgate::account::ha1;
use wicketgate::auth::digest::{Asked, Challenge, Credentials, Outcome, Stale, User, Verifier, Wrong};
use wicketgate::base::clock::Timestamp;
use wicketgate::base::secret::Secret;
use wicketgate::config::{ChallengeAlgorithm, Digest};

const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);
const PASSWORD: &str = "Zwölf \"Boxkämpfer\"";
const BOTH: &[ChallengeAlgorithm] = &[ChallengeAlgorithm::Sha256, ChallengeAlgorithm::Md5];

fn verifier(realm: &str, algorithms: &[ChallengeAlgorithm]) -> Arc<Verifier> {
    with(&Digest { algorithms: algorithms.to_vec(), ..Digest::of_realm(realm) })
}

fn with(config: &Digest) -> Arc<Verifier> {
    Arc::new(Verifier::new(config, Some(&Secret::from("a secret for tests alone"))).unwrap())
}

/// What came of one request: `None` is one without credentials.
type Seen = Option<(ChallengeAlgorithm, Outcome)>;

/// A server that lets each request be judged by the next of `gates` at its time, and says at the end what came
/// of them. It has one user, `username`, with [`PASSWORD`], and sends who has logged in from `/a` on to `/b?c`:
/// curl remembers a nonce no longer than it follows redirects.
struct Server {
    address: SocketAddr,
    thread: JoinHandle<Vec<Seen>>,
}

impl Server {
    fn start(username: &'static str, gates: Vec<(Arc<Verifier>, Timestamp)>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            for (verifier, now) in gates {
                let (mut stream, _) = listener.accept().unwrap();
                let Some((method, target, authorization)) = read_head(&stream) else { break };
                let realm = verifier.realm([]).unwrap();
                let outcome = authorization.map(|header| {
                    let credentials = Credentials::parse(header.as_bytes()).unwrap().unwrap();
                    let client = address.ip();
                    let asked = Asked { method: &method, target: &target, realm, client, now };
                    let examined = verifier.examine(&credentials, &asked);
                    let outcome = examined.map_or_else(Outcome::Wrong, |examined| {
                        let ha1 = ha1::compute(username, realm, &Secret::from(PASSWORD), examined.hash());
                        let known = match examined.user() {
                            User::Named(name) => name == username,
                            User::Hashed(hashed) => hashed == ha1::userhash(username, realm, examined.hash()),
                        };
                        examined.verify(known.then_some(&ha1), b"").outcome
                    });
                    (credentials.algorithm(), outcome)
                });
                let challenges = |stale| {
                    let client = address.ip();
                    verifier.challenges(&Challenge { realm, stale, body: Some(0), client, now })
                };
                let (status, challenges) = match outcome {
                    Some((_, Outcome::Right)) if target == "/a" => ("302 Found\r\nLocation: /b?c", Vec::new()),
                    Some((_, Outcome::Right)) => ("200 OK", Vec::new()),
                    Some((_, Outcome::Stale(_))) => ("401 Unauthorized", challenges(true)),
                    _ => ("401 Unauthorized", challenges(false)),
                };
                let challenges: String =
                    challenges.iter().map(|challenge| format!("WWW-Authenticate: {challenge}\r\n")).collect();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n{challenges}\r\n");
                stream.write_all(head.as_bytes()).unwrap();
                seen.push(outcome);
            }
            seen
        });
        Self { address, thread }
    }

    /// The status that curl ends with when it asks for this path.
    fn curl(&self, user: &str, path: &str) -> String {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "30", "--location", "--digest"]);
        command.args(["--user", user, "--write-out", "%{http_code}"]);
        command.arg(format!("http://{}{path}", self.address));
        let output = command.output().expect("curl must be installed: make programs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What came of the requests.
    fn end(self) -> Vec<Seen> {
        // An empty request ends a server that still waits; one that has ended refuses the connection.
        drop(TcpStream::connect(self.address));
        self.thread.join().unwrap()
    }
}

/// Method, target and `Authorization` of a request; `None` if the connection ends before it begins.
fn read_head(stream: &TcpStream) -> Option<(String, String, Option<String>)> {
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let first = lines.next()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut authorization = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            authorization = Some(value.to_owned());
        }
    }
    Some((method, target, authorization))
}

fn right(algorithm: ChallengeAlgorithm) -> Seen {
    Some((algorithm, Outcome::Right))
}

#[test]
fn curl_logs_in_with_every_algorithm_that_it_knows_and_takes_the_strongest() {
    use ChallengeAlgorithm::{Md5, Md5Session, Sha256, Sha256Session};
    let cases = [
        (&[Sha256][..], Sha256),
        (&[Md5], Md5),
        (BOTH, Sha256),
        (&[Md5, Sha256], Sha256),
        (&[Sha256Session], Sha256Session),
        (&[Md5Session], Md5Session),
    ];
    for (offered, chosen) in cases {
        let gate = verifier("wicketgate demo", offered);
        let server = Server::start("alice", vec![(gate, NOW); 9]);
        assert_eq!(server.curl(&format!("alice:{PASSWORD}"), "/inbox?a=1,b=%20"), "200");
        assert_eq!(server.end(), [None, right(chosen)]);
    }
}

#[test]
fn names_and_realms_outside_plain_ascii_come_through() {
    for realm in [r#"the "inner" \ circle"#, "Überraschung 日本"] {
        for username in ["Jäsøn Doe", r#"J "the" \ D"#] {
            let server = Server::start(username, vec![(verifier(realm, BOTH), NOW); 9]);
            let status = server.curl(&format!("{username}:{PASSWORD}"), "/");
            assert_eq!(
                (status.as_str(), server.end()),
                ("200", vec![None, right(ChallengeAlgorithm::Sha256)]),
                "{realm}"
            );
        }
    }
}

#[test]
fn one_nonce_serves_several_requests() {
    let server = Server::start("alice", vec![(verifier("r", BOTH), NOW); 9]);
    assert_eq!(server.curl(&format!("alice:{PASSWORD}"), "/a"), "200");
    assert_eq!(server.end(), [None, right(ChallengeAlgorithm::Sha256), right(ChallengeAlgorithm::Sha256)]);
}

#[test]
fn curl_hashes_its_name_where_that_is_offered() {
    use ChallengeAlgorithm::{Md5, Md5Session, Sha256, Sha256Session};
    for algorithm in [Sha256, Sha256Session, Md5, Md5Session] {
        let config = Digest { algorithms: vec![algorithm], userhash: true, ..Digest::of_realm("r") };
        let server = Server::start("Jäsøn Doe", vec![(with(&config), NOW); 9]);
        assert_eq!(server.curl(&format!("Jäsøn Doe:{PASSWORD}"), "/"), "200");
        assert_eq!(server.end(), [None, right(algorithm)]);
    }
}

#[test]
fn a_wrong_password_ends_in_401() {
    let server = Server::start("alice", vec![(verifier("r", BOTH), NOW); 9]);
    assert_eq!(server.curl("alice:guess", "/"), "401");
    assert_eq!(server.end(), [None, Some((ChallengeAlgorithm::Sha256, Outcome::Wrong(Wrong::Response)))]);
}

#[test]
fn a_stale_nonce_is_replaced_without_a_word_to_the_user() {
    let (first, second) = (verifier("r", BOTH), verifier("r", BOTH));
    let later = NOW.plus(Duration::from_secs(301));
    let cases = [
        // The nonce grows old between two requests.
        (first.clone(), later, Stale::Expired),
        // The second request comes to another gate, or to this one after a restart.
        (second, NOW, Stale::OtherProcess),
    ];
    for (gate, now, why) in cases {
        let gates = vec![(first.clone(), NOW), (first.clone(), NOW), (gate.clone(), now), (gate, now)];
        let server = Server::start("alice", gates);
        assert_eq!(server.curl(&format!("alice:{PASSWORD}"), "/a"), "200");
        let stale = Some((ChallengeAlgorithm::Sha256, Outcome::Stale(why)));
        let right = right(ChallengeAlgorithm::Sha256);
        assert_eq!(server.end(), [None, right, stale, right]);
    }
}
