use super::*;
use crate::account::cache::Accounts;
use crate::account::{Account, CertificateKey, Directory, Ha1, Status, ha1};
use crate::auth::digest::client::{Offer, Outgoing, Session};
use crate::auth::digest::{Challenge, Verifier};
use crate::auth::throttle::Throttle;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::config::{self, Cache, ChallengeAlgorithm, Digest, DigestAlgorithm};
use crate::identity::Rules;
use crate::store::changes::{Position, Since};
use futures_util::future::BoxFuture;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const REALM: &str = "example.org";
const PASSWORD: &str = "of-alice";

/// A directory that knows alice and her password, and counts what it is asked.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Counting {
    fn asked<T: Send + 'static>(&self, answer: T) -> BoxFuture<'static, Result<T, Unavailable>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(Ok(answer)))
    }
}

impl Directory for Counting {
    fn find<'a>(&'a self, lookup: &'a Lookup) -> BoxFuture<'a, Result<Vec<Account>, Unavailable>> {
        let alice = Account {
            username: "alice".to_owned(),
            email: None,
            display_name: None,
            status: Status::Active,
            home: None,
            aliases: Vec::new(),
            groups: Vec::new(),
        };
        self.asked(Some(alice).filter(|alice| lookup.matches(alice)).into_iter().collect())
    }

    fn ha1<'a>(
        &'a self,
        username: &'a str,
        realm: &'a str,
        algorithm: DigestAlgorithm,
    ) -> BoxFuture<'a, Result<Option<Ha1>, Unavailable>> {
        let stored = ha1::compute("alice", REALM, &Secret::from(PASSWORD), algorithm);
        self.asked(Some(stored).filter(|_| (username, realm) == ("alice", REALM)))
    }

    fn username_of<'a>(
        &'a self,
        userhash: &'a str,
        realm: &'a str,
        algorithm: DigestAlgorithm,
    ) -> BoxFuture<'a, Result<Option<String>, Unavailable>> {
        self.asked((ha1::userhash("alice", realm, algorithm) == userhash).then(|| "alice".to_owned()))
    }

    fn changes<'a>(&'a self, _: Option<&'a Position>) -> BoxFuture<'a, Result<Since, Unavailable>> {
        let why = "there is no feed".to_owned();
        Box::pin(std::future::ready(Err(Unavailable { what: "reading", store: "a test".to_owned(), why })))
    }

    fn revoked<'a>(
        &'a self,
        certificates: &'a [CertificateKey],
    ) -> BoxFuture<'a, Result<Vec<Option<Timestamp>>, Unavailable>> {
        self.asked(vec![None; certificates.len()])
    }
}

/// A gate's authenticator over a new directory.
fn gate() -> (Authenticator, Arc<Counting>) {
    throttled(None)
}

/// The same, with somebody who holds back those who guess.
fn throttled(throttle: Option<Arc<Throttle>>) -> (Authenticator, Arc<Counting>) {
    let directory = Arc::new(Counting::default());
    let hour = Duration::from_secs(3600);
    let cache = Cache { ttl: hour, negative_ttl: hour, capacity: 100, serve_stale: Duration::ZERO };
    let accounts = Accounts::new(Arc::clone(&directory) as Arc<dyn Directory>, &cache);
    let config = Digest { algorithms: ChallengeAlgorithm::ALL.to_vec(), userhash: true, ..Digest::of_realm(REALM) };
    let verifier = Verifier::new(&config, Some(&Secret::from("a secret for tests alone"))).unwrap();
    let Ok(rules) = Rules::new(&[], |_| Ok::<_, Infallible>(Vec::new()));
    (Authenticator::new(rules, Arc::new(accounts), Some(Arc::new(verifier)), None, throttle), directory)
}

fn session(gate: &Authenticator, algorithm: ChallengeAlgorithm) -> Session {
    let challenge = Challenge { realm: REALM, stale: false, body: Some(0), client: CLIENT, now: NOW };
    let headers = gate.challenges(&[Method::Digest], &challenge);
    let offers = Offer::all(headers.iter().map(String::as_bytes));
    Session::new(offers.into_iter().find(|offer| offer.algorithm == algorithm).unwrap())
}

fn answer(session: &mut Session, username: &str, password: &str) -> String {
    let hash = session.offer().algorithm.hash();
    let ha1 = ha1::compute(username, REALM, &Secret::from(password), hash);
    let request = Outgoing { method: "GET", uri: "/", cnonce: "c", body: None };
    session.authorization(username, &ha1, &request).unwrap()
}

/// All three steps, for a GET of `/`.
async fn judge(gate: &Authenticator, authorization: &[&[u8]], realm: Result<&str, NoRealm>) -> CredentialFinding {
    let credentials = match gate.read_digest(authorization.iter().copied(), &realm) {
        Ok(credentials) => credentials,
        Err(finding) => return finding,
    };
    let asked = Asked { method: "GET", target: "/", realm: realm.unwrap(), client: CLIENT, now: NOW };
    match gate.examine_digest(&credentials, &asked) {
        Ok(examined) => gate.verify_digest(examined, b"", asked.client).await,
        Err(finding) => finding,
    }
}

fn is_wrong(finding: &CredentialFinding) -> bool {
    matches!(finding.evidence, Finding::Known(CredentialEvidence::Wrong(Method::Digest)))
}

#[tokio::test]
async fn right_credentials_name_account_and_realm_and_the_password_they_rest_on() {
    let (gate, directory) = gate();
    for algorithm in ChallengeAlgorithm::ALL {
        let right = answer(&mut session(&gate, algorithm), "alice", PASSWORD);
        let finding = judge(&gate, &[right.as_bytes()], Ok(REALM)).await;
        assert!(
            matches!(&finding.evidence, Finding::Known(CredentialEvidence::Right(Method::Digest, account))
            if account.username == "alice"),
            "{finding:?}"
        );
        assert_eq!((finding.username.as_deref(), finding.realm.as_deref()), (Some("alice"), Some(REALM)));
        assert_eq!(finding.proof.unwrap().method(), Method::Digest);
        assert!(finding.authentication_info.is_some() && finding.why.is_none());
    }
    // The account once; HA1 and the name behind its hash once for each hash.
    assert_eq!(directory.0.load(Ordering::Relaxed), 1 + 3 + 3);
}

#[tokio::test]
async fn a_hash_of_a_name_is_looked_up_only_when_its_address_has_its_turn() {
    let settings = config::Throttle {
        failures: 1,
        window: Duration::from_secs(600),
        delay: Duration::from_secs(60),
        lock: Duration::from_secs(300),
        exempt: Vec::new(),
    };
    let (gate, directory) = throttled(Some(Arc::new(Throttle::new(settings))));
    let guess = async |username: &str| {
        let mut session = session(&gate, ChallengeAlgorithm::Sha256);
        let guess = answer(&mut session, username, "a guess");
        judge(&gate, &[guess.as_bytes()], Ok(REALM)).await
    };
    // Four failures are free, one more has the first turn.
    for number in 0..5 {
        assert!(is_wrong(&guess(&format!("user {number}")).await));
    }
    let asked = directory.0.load(Ordering::Relaxed);
    assert_eq!(asked, 5 * 3);
    let finding = guess("another").await;
    assert!(matches!(finding.evidence, Finding::Known(CredentialEvidence::Crowded)), "{finding:?}");
    assert!(finding.retry_after.is_some());
    assert_eq!(directory.0.load(Ordering::Relaxed), asked);
}

#[tokio::test]
async fn who_is_unknown_takes_as_many_questions_as_who_is_not() {
    for username in ["alice", "nobody"] {
        let (gate, directory) = gate();
        let guess = answer(&mut session(&gate, ChallengeAlgorithm::Sha256), username, "a guess");
        let finding = judge(&gate, &[guess.as_bytes()], Ok(REALM)).await;
        assert!(is_wrong(&finding), "{finding:?}");
        assert_eq!(directory.0.load(Ordering::Relaxed), 3, "{username}");
    }
}

#[tokio::test]
async fn nothing_is_asked_of_a_database_for_what_cannot_be_right() {
    let (gate, directory) = gate();
    let mut session = session(&gate, ChallengeAlgorithm::Sha256);
    let right = answer(&mut session, "alice", PASSWORD);
    let nonce = right.split_once("nonce=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let many = (0..8000).fold(right.clone(), |header, number| format!("{header}, x{number}=y"));
    let wrong = [
        right.replace(&nonce, "made up"),
        right.replace(&nonce, &nonce.replace(|_| true, "A")),
        right.replace("realm=\"example.org\"", "realm=\"example.com\""),
        right.replace("algorithm=SHA-256", "algorithm=SHA-512-256"),
        right.replace("uri=\"/\"", "uri=\"/other\""),
        right.replace("qop=auth", "qop=auth-int"),
    ];
    let malformed = [
        "Digest".to_owned(),
        "Digest \"".to_owned(),
        right.replace("username=", "x="),
        format!("{right}, x=\"\\"),
        format!("{right}, username=\"bob\""),
        format!("{right}, username*=UTF-8''bob"),
        right.replace("algorithm=SHA-256", "algorithm=SHA-512"),
        right.replace("nc=0", "nc=x"),
        many,
    ];
    let is_malformed =
        |finding: &CredentialFinding| matches!(finding.evidence, Finding::Known(CredentialEvidence::Malformed));
    for header in &wrong {
        let finding = judge(&gate, &[header.as_bytes()], Ok(REALM)).await;
        assert!(is_wrong(&finding) && finding.why.is_some(), "{header} {finding:?}");
    }
    for header in &malformed {
        let finding = judge(&gate, &[header.as_bytes()], Ok(REALM)).await;
        assert!(is_malformed(&finding) && finding.why.is_some(), "{header} {finding:?}");
    }
    let octets = [right.as_bytes(), b"\xff"].concat();
    for headers in [&[right.as_bytes(), right.as_bytes()][..], &[b"Basic dTpw", right.as_bytes()], &[&octets[..]]] {
        assert!(is_malformed(&judge(&gate, headers, Ok(REALM)).await));
    }
    for no_realm in [NoRealm::Absent, NoRealm::Repeated, NoRealm::NotAllowed("c.example".to_owned())] {
        assert!(is_malformed(&judge(&gate, &[right.as_bytes()], Err(no_realm)).await));
    }
    for headers in [&[][..], &[&b"Basic dTpw"[..]], &[b"Bearer \xff"]] {
        let finding = judge(&gate, headers, Ok(REALM)).await;
        assert!(matches!(finding.evidence, Finding::Known(CredentialEvidence::Absent)));
    }
    assert_eq!(directory.0.load(Ordering::Relaxed), 0);
    let finding = judge(&gate, &[right.as_bytes()], Ok(REALM)).await;
    assert!(matches!(finding.evidence, Finding::Known(CredentialEvidence::Right(..))), "and the count was not used");
}
