use super::*;
use crate::base::hex;
use crate::base::secret::Secret;
use md5::{Digest, Md5};

const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);
const LIFETIME: Duration = Duration::from_secs(300);
const BOTH: [DigestAlgorithm; 2] = [DigestAlgorithm::Sha256, DigestAlgorithm::Md5];

fn config(realm: &str, algorithms: &[DigestAlgorithm]) -> config::Digest {
    config::Digest {
        realm: realm.to_owned(),
        algorithms: algorithms.to_vec(),
        nonce_secret: None,
        nonce_lifetime: LIFETIME,
    }
}

fn secret() -> Secret {
    Secret::from("a secret for tests alone")
}

/// A gate of a group that has one secret.
fn verifier() -> Verifier {
    Verifier::new(&config("example.org", &BOTH), Some(&secret())).unwrap()
}

/// A gate without a configured secret.
fn lone_verifier() -> Verifier {
    Verifier::new(&config("example.org", &BOTH), None).unwrap()
}

/// The HA1, computed apart from the code under test.
fn ha1(username: &str, password: &str, algorithm: DigestAlgorithm) -> Ha1 {
    let text = format!("{username}:example.org:{password}");
    Ha1(Secret::from(
        match algorithm {
            DigestAlgorithm::Sha256 => {
                hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref())
            }
            DigestAlgorithm::Md5 => hex::encode(&Md5::digest(text)),
        }
        .as_str(),
    ))
}

/// A client that answers one challenge.
#[derive(Clone)]
struct Client {
    username: &'static str,
    password: &'static str,
    algorithm: DigestAlgorithm,
    nonce: String,
    count: u32,
}

impl Client {
    /// With the nonce of the challenge for this algorithm.
    fn answering(challenges: &[String], algorithm: DigestAlgorithm) -> Self {
        let of = format!("algorithm={}, ", algorithm.as_str());
        let challenge = challenges.iter().find(|challenge| challenge.contains(&of)).unwrap();
        let nonce = challenge.split_once("nonce=\"").unwrap().1.split_once('"').unwrap().0;
        Self { username: "alice", password: "alice-password", algorithm, nonce: nonce.to_owned(), count: 1 }
    }

    fn credentials(&self, method: &str, uri: &str) -> Credentials {
        let count = format!("{:08x}", self.count);
        let parts = Parts { method, uri, nonce: &self.nonce, count: &count, cnonce: "cn" };
        let ha1 = ha1(self.username, self.password, self.algorithm);
        let response = hex::encode(&response(self.algorithm, ha1.0.expose(), &parts));
        let header = format!(
            r#"Digest username="{}", realm="example.org", nonce="{}", uri="{uri}", algorithm={}, nc={count}, cnonce="cn", qop=auth, response="{response}", opaque="wicketgate""#,
            self.username,
            self.nonce,
            self.algorithm.as_str(),
        );
        Credentials::parse(header.as_bytes()).unwrap().unwrap()
    }

    fn get(&self) -> Credentials {
        self.credentials("GET", "/inbox?a=1")
    }
}

fn verify(verifier: &Verifier, credentials: &Credentials, now: Timestamp) -> Outcome {
    let known = ha1("alice", "alice-password", credentials.algorithm());
    let ha1 = (credentials.username() == "alice").then_some(&known);
    verifier.verify(credentials, "GET", "/inbox?a=1", ha1, now)
}

#[test]
fn challenges_are_written_as_the_rfc_has_them() {
    let verifier = Verifier::new(&config(r#"the "inner" \ circle – é"#, &BOTH), Some(&secret())).unwrap();
    for stale in [false, true] {
        let challenges = verifier.challenges(stale, NOW);
        for (challenge, algorithm) in challenges.iter().zip(["SHA-256", "MD5"]) {
            let (before, after) = challenge.split_once("nonce=\"").unwrap();
            let (nonce, after) = after.split_once('"').unwrap();
            assert_eq!(
                before,
                format!(r#"Digest realm="the \"inner\" \\ circle – é", qop="auth", algorithm={algorithm}, "#)
            );
            assert_eq!(nonce.len(), 64);
            let end = if stale { ", stale=true" } else { "" };
            assert_eq!(after, format!(r#", opaque="wicketgate", charset=UTF-8{end}"#));
        }
        assert_eq!(challenges.len(), 2);
    }
}

#[test]
fn challenges_are_of_the_configured_algorithms_in_their_order_and_never_repeat_a_nonce() {
    let verifier = Verifier::new(&config("r", &[DigestAlgorithm::Md5, DigestAlgorithm::Sha256]), None).unwrap();
    let challenges = verifier.challenges(false, NOW);
    assert!(challenges[0].contains("algorithm=MD5,") && challenges[1].contains("algorithm=SHA-256,"));
    let only = Verifier::new(&config("r", &[DigestAlgorithm::Sha256]), None).unwrap();
    assert_eq!(only.challenges(false, NOW).len(), 1);
    let all: Vec<String> = (0..20).flat_map(|_| verifier.challenges(false, NOW)).collect();
    let distinct: std::collections::HashSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), 40);
}

#[test]
fn a_realm_that_could_end_its_header_is_refused() {
    for realm in ["a\r\nSet-Cookie: x", "a\0", "a\u{85}"] {
        assert_eq!(Verifier::new(&config(realm, &BOTH), None).err(), Some(SetupError::Realm(realm.to_owned())));
    }
}

#[test]
fn right_credentials_are_right_once() {
    for verifier in [verifier(), lone_verifier()] {
        for algorithm in BOTH {
            let client = Client::answering(&verifier.challenges(false, NOW), algorithm);
            assert_eq!(verify(&verifier, &client.get(), NOW), Outcome::Right);
            assert_eq!(verify(&verifier, &client.get(), NOW), Outcome::Wrong(Wrong::Replayed));
            let next = Client { count: 2, ..client };
            assert_eq!(verify(&verifier, &next.get(), NOW), Outcome::Right);
        }
    }
}

#[test]
fn each_fault_has_its_own_name_in_the_log() {
    let both = verifier();
    let challenges = both.challenges(false, NOW);
    let [sha256, md5] = BOTH.map(|algorithm| Client::answering(&challenges, algorithm));
    let other_realm = Credentials { realm: "example.com".to_owned(), ..sha256.get() };
    let only_sha256 = Verifier::new(&config("example.org", &[DigestAlgorithm::Sha256]), Some(&secret())).unwrap();
    let forged = Client { nonce: sha256.nonce.replace(|_| true, "A"), ..sha256.clone() };
    let other_secret =
        Verifier::new(&config("example.org", &BOTH), Some(&Secret::from("another, longer secret"))).unwrap();
    let other_secret = Client::answering(&other_secret.challenges(false, NOW), DigestAlgorithm::Sha256);
    let swapped = Client { algorithm: DigestAlgorithm::Md5, ..sha256.clone() };
    let cases = [
        (&both, other_realm, Wrong::Realm),
        (&only_sha256, md5.get(), Wrong::AlgorithmNotOffered),
        (&both, forged.get(), Wrong::NonceForged),
        (&both, other_secret.get(), Wrong::NonceForged),
        (&both, Client { nonce: "short".to_owned(), ..sha256.clone() }.get(), Wrong::NonceForged),
        (&both, swapped.get(), Wrong::AlgorithmSwapped),
        (&both, sha256.credentials("GET", "/inbox"), Wrong::Uri),
        (&both, sha256.credentials("GET", ""), Wrong::Uri),
        (&both, Client { username: "nobody", ..sha256.clone() }.get(), Wrong::UnknownUser),
        (&both, Client { password: "guess", ..sha256.clone() }.get(), Wrong::Response),
        (&both, sha256.credentials("POST", "/inbox?a=1"), Wrong::Response),
        (&both, Credentials { count_digits: "00000002".to_owned(), count: 2, ..sha256.get() }, Wrong::Response),
        (&both, Credentials { cnonce: "other".to_owned(), ..sha256.get() }, Wrong::Response),
        (&both, Credentials { nonce: md5.nonce.clone(), ..sha256.get() }, Wrong::AlgorithmSwapped),
    ];
    for (verifier, credentials, wrong) in cases {
        assert_eq!(verify(verifier, &credentials, NOW), Outcome::Wrong(wrong), "{credentials:?}");
    }
    // None of the failures used the count up.
    assert_eq!(verify(&both, &sha256.get(), NOW), Outcome::Right);
}

#[test]
fn what_needs_no_password_is_found_before_any_is_asked_for() {
    let verifier = verifier();
    let client = Client::answering(&verifier.challenges(false, NOW), DigestAlgorithm::Sha256);
    let examine = |credentials: &Credentials, target| verifier.examine(credentials, "GET", target, NOW).err();
    assert_eq!(examine(&client.get(), "/other"), Some(Wrong::Uri));
    let forged = Client { nonce: client.nonce.replace(|_| true, "A"), ..client.clone() };
    assert_eq!(examine(&forged.get(), "/inbox?a=1"), Some(Wrong::NonceForged));
    let credentials = client.get();
    let examined = verifier.examine(&credentials, "GET", "/inbox?a=1", NOW).unwrap();
    assert_eq!(
        (examined.username(), examined.realm(), examined.algorithm()),
        ("alice", "example.org", DigestAlgorithm::Sha256)
    );
}

#[test]
fn a_nonce_is_good_to_the_last_second_of_its_lifetime() {
    let verifier = verifier();
    let client = Client::answering(&verifier.challenges(false, NOW), DigestAlgorithm::Sha256);
    let wrong = Client { password: "guess", ..client.clone() };
    let cases = [
        (1, NOW, Outcome::Right),
        (2, NOW.plus(LIFETIME), Outcome::Right),
        (3, NOW.plus(LIFETIME + Duration::from_secs(1)), Outcome::Stale(Stale::Expired)),
        (4, NOW.minus(Duration::from_secs(1)), Outcome::Stale(Stale::Expired)),
        (5, Timestamp::FAR_FUTURE, Outcome::Stale(Stale::Expired)),
        (6, Timestamp::from_unix(i64::MIN), Outcome::Stale(Stale::Expired)),
    ];
    for (count, now, outcome) in cases {
        assert_eq!(verify(&verifier, &Client { count, ..client.clone() }.get(), now), outcome, "{now}");
        if outcome != Outcome::Right {
            // `stale=true` is for those who know the password.
            let wrong = Client { count, ..wrong.clone() };
            assert_eq!(verify(&verifier, &wrong.get(), now), Outcome::Wrong(Wrong::Response), "{now}");
        }
    }
}

#[test]
fn a_nonce_of_another_gate_with_the_same_secret_is_stale_and_never_right() {
    let (here, there) = (verifier(), verifier());
    let client = Client::answering(&there.challenges(false, NOW), DigestAlgorithm::Sha256);
    for _ in 0..3 {
        assert_eq!(verify(&here, &client.get(), NOW), Outcome::Stale(Stale::OtherProcess));
    }
    assert_eq!(verify(&there, &client.get(), NOW), Outcome::Right, "trying elsewhere used nothing up");
    let guess = Client { password: "guess", ..client };
    assert_eq!(verify(&here, &guess.get(), NOW), Outcome::Wrong(Wrong::Response));
}

#[test]
fn after_a_restart_without_a_configured_secret_nobody_is_asked_twice() {
    let (before, after) = (lone_verifier(), lone_verifier());
    let client = Client::answering(&before.challenges(false, NOW), DigestAlgorithm::Sha256);
    assert_eq!(verify(&before, &client.get(), NOW), Outcome::Right);
    assert_eq!(verify(&after, &client.get(), NOW), Outcome::Stale(Stale::UnknownKey), "a replay wins a challenge");
    let guess = Client { password: "guess", ..client.clone() };
    assert_eq!(verify(&after, &guess.get(), NOW), Outcome::Wrong(Wrong::NonceForged));
    let nobody = Client { username: "nobody", ..client.clone() };
    assert_eq!(verify(&after, &nobody.get(), NOW), Outcome::Wrong(Wrong::UnknownUser));
    let unlike = Client { nonce: "made up".to_owned(), ..client };
    assert_eq!(verify(&after, &unlike.get(), NOW), Outcome::Wrong(Wrong::NonceForged));
}

#[test]
fn counts_may_come_out_of_order_but_not_from_behind_the_window() {
    let verifier = verifier();
    let client = Client::answering(&verifier.challenges(false, NOW), DigestAlgorithm::Sha256);
    let outcome = |count| verify(&verifier, &Client { count, ..client.clone() }.get(), NOW);
    for count in [2, 1, 400, 300, 399] {
        assert_eq!(outcome(count), Outcome::Right, "{count}");
    }
    assert_eq!(outcome(300), Outcome::Wrong(Wrong::Replayed));
    for count in [1, 3, 400 - WINDOW] {
        assert_eq!(outcome(count), Outcome::Stale(Stale::CountBehind), "{count}");
    }
}

#[test]
fn a_nonce_that_had_to_make_room_is_stale() {
    let verifier = verifier();
    let old = Client::answering(&verifier.challenges(false, NOW), DigestAlgorithm::Sha256);
    assert_eq!(verify(&verifier, &old.get(), NOW), Outcome::Right);
    for step in 1..=NONCES_PER_SHARD as u64 {
        assert_eq!(verifier.counts.use_up(1 + step * SHARDS as u64, 1), Count::New);
    }
    let again = Client { count: 2, ..old.clone() };
    assert_eq!(verify(&verifier, &again.get(), NOW), Outcome::Stale(Stale::Forgotten));
    assert_eq!(verify(&verifier, &old.get(), NOW), Outcome::Stale(Stale::Forgotten), "nor is a replay let through");
}

#[test]
fn guesses_take_no_room() {
    let verifier = verifier();
    let client = Client::answering(&verifier.challenges(false, NOW), DigestAlgorithm::Sha256);
    for (count, username) in [(1, "alice"), (2, "alice"), (1, "nobody")] {
        let guess = Client { count, username, password: "guess", ..client.clone() };
        assert!(matches!(verify(&verifier, &guess.get(), NOW), Outcome::Wrong(_)));
    }
    // Had a guess been recorded, the first count below it would have been used, not new.
    for count in [2, 1] {
        assert_eq!(verify(&verifier, &Client { count, ..client.clone() }.get(), NOW), Outcome::Right);
    }
}

#[test]
fn a_stored_ha1_that_anybody_could_guess_opens_nothing() {
    let verifier = verifier();
    let client = Client::answering(&verifier.challenges(false, NOW), DigestAlgorithm::Sha256);
    let right = ha1("alice", "alice-password", DigestAlgorithm::Sha256);
    let text = right.0.expose_str().unwrap();
    for stored in ["", "0", &text[..32], &text.to_uppercase(), &format!("{text}0"), &text.replace('a', "g")] {
        let stored = Ha1(Secret::from(stored));
        // The client hashes the very octets that are stored.
        let parts = Parts { method: "GET", uri: "/inbox?a=1", nonce: &client.nonce, count: "00000001", cnonce: "cn" };
        let response = Secret::new(response(DigestAlgorithm::Sha256, stored.0.expose(), &parts));
        let credentials = Credentials { response, ..client.get() };
        let outcome = verifier.verify(&credentials, "GET", "/inbox?a=1", Some(&stored), NOW);
        assert_eq!(outcome, Outcome::Wrong(Wrong::UnusableHa1), "{stored:?}");
    }
}

#[test]
fn the_ha1_that_stands_for_nobody_opens_nothing() {
    let verifier = verifier();
    for algorithm in BOTH {
        let client = Client::answering(&verifier.challenges(false, NOW), algorithm);
        let parts = Parts { method: "GET", uri: "/inbox?a=1", nonce: &client.nonce, count: "00000001", cnonce: "cn" };
        let response = Secret::new(response(algorithm, &NOBODY[..2 * length(algorithm)], &parts));
        let credentials = Credentials { response, ..client.get() };
        let outcome = verifier.verify(&credentials, "GET", "/inbox?a=1", None, NOW);
        assert_eq!(outcome, Outcome::Wrong(Wrong::UnknownUser));
    }
}

#[test]
fn the_uri_is_the_target_of_the_request() {
    let cases = [
        ("/a?b", "/a?b", true),
        ("*", "*", true),
        ("http://example.org/a?b", "http://example.org/a?b", true),
        ("/a?b", "http://example.org/a?b", true),
        ("/a?b", "HTTPS://example.org:8443/a?b", true),
        ("/", "http://example.org", true),
        ("/?b", "http://example.org?b", true),
        ("/a", "/a?b", false),
        ("/a?b", "/a", false),
        ("/A", "/a", false),
        ("/%61", "/a", false),
        ("/a/", "/a", false),
        ("", "/", false),
        ("", "http://example.org", false),
        ("example.org/a", "http://example.org/a", false),
        ("/b", "/a?x=http://example.org/b", false),
        ("/a", "ftp://example.org/a", false),
        ("http://example.org/a", "/a", false),
    ];
    for (uri, target, same) in cases {
        assert_eq!(names_target(uri, target), same, "{uri} {target}");
    }
}

#[test]
fn neither_key_nor_response_is_shown() {
    let verifier = verifier();
    let client = Client::answering(&verifier.challenges(false, NOW), DigestAlgorithm::Sha256);
    let credentials = client.get();
    let shown = format!("{:?}", verifier.examine(&credentials, "GET", "/inbox?a=1", NOW));
    assert!(shown.contains("example.org") && shown.contains("[secret]"));
    assert!(!shown.contains(&hex::encode(credentials.response.expose())) && !shown.contains("for tests"));
}
