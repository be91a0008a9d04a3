use super::counts::Count;
use super::*;
use crate::account::ha1;
use crate::base::secret::Secret;
use examined::NOBODY;
use std::net::Ipv4Addr;

const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);
const LIFETIME: Duration = Duration::from_secs(300);
const BOTH: [ChallengeAlgorithm; 2] = [ChallengeAlgorithm::Sha256, ChallengeAlgorithm::Md5];
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const REALM: &str = "example.org";
const TARGET: &str = "/inbox?a=1";

fn config(realm: &str, algorithms: &[ChallengeAlgorithm]) -> config::Digest {
    config::Digest { algorithms: algorithms.to_vec(), ..config::Digest::of_realm(realm) }
}

/// Everything that can be offered.
fn all() -> config::Digest {
    config::Digest { auth_int_limit: Some(100), userhash: true, ..config(REALM, &ChallengeAlgorithm::ALL) }
}

fn secret() -> Secret {
    Secret::from("a secret for tests alone")
}

/// A gate of a group that has one secret.
fn verifier() -> Verifier {
    with(&config(REALM, &BOTH))
}

fn with(config: &config::Digest) -> Verifier {
    Verifier::new(config, Some(&secret())).unwrap()
}

/// A gate without a configured secret.
fn lone_verifier() -> Verifier {
    Verifier::new(&config(REALM, &BOTH), None).unwrap()
}

/// The first challenges for a request without a body.
fn challenges(verifier: &Verifier) -> Vec<String> {
    challenges_at(verifier, NOW)
}

fn challenges_at(verifier: &Verifier, now: Timestamp) -> Vec<String> {
    verifier.challenges(&Challenge { realm: REALM, stale: false, body: Some(0), client: CLIENT, now })
}

fn stored(username: &str, password: &str, hash: config::DigestAlgorithm) -> Ha1 {
    ha1::compute(username, REALM, &Secret::from(password), hash)
}

/// The value of a parameter that is quoted.
fn quoted<'t>(text: &'t str, name: &str) -> &'t str {
    text.split_once(&format!("{name}=\"")).unwrap().1.split_once('"').unwrap().0
}

/// A client that answers one challenge.
#[derive(Clone)]
struct Client {
    username: &'static str,
    password: &'static str,
    algorithm: ChallengeAlgorithm,
    nonce: String,
    count: u32,
    cnonce: &'static str,
    /// The nonce and cnonce that its session began with; those of the request if absent.
    session: Option<(String, &'static str)>,
    /// The body that it covers.
    body: Option<&'static [u8]>,
    hashed: bool,
}

impl Client {
    /// With the nonce of the challenge for this algorithm.
    fn answering(challenges: &[String], algorithm: ChallengeAlgorithm) -> Self {
        let of = format!("algorithm={}, ", algorithm.as_str());
        let challenge = challenges.iter().find(|challenge| challenge.contains(&of)).unwrap();
        Self {
            username: "alice",
            password: "alice-password",
            algorithm,
            nonce: quoted(challenge, "nonce").to_owned(),
            count: 1,
            cnonce: "cn",
            session: None,
            body: None,
            hashed: false,
        }
    }

    fn credentials(&self, method: &str, uri: &str) -> Credentials {
        let (hash, count) = (self.algorithm.hash(), format!("{:08x}", self.count));
        let body = self.body.map(|body| of_body(hash, body));
        let parts = Parts { method, uri, nonce: &self.nonce, count: &count, cnonce: self.cnonce, body: body.as_ref() };
        let ha1 = stored(self.username, self.password, hash);
        let response = match &self.session {
            Some((nonce, cnonce)) => {
                response(hash, session_key(hash, ha1.0.expose(), nonce, cnonce).as_bytes(), &parts)
            }
            None => answer(self.algorithm, ha1.0.expose(), &parts),
        };
        let username = match self.hashed {
            true => ha1::userhash(self.username, REALM, hash),
            false => self.username.to_owned(),
        };
        let header = format!(
            r#"Digest username="{username}", realm="{REALM}", nonce="{}", uri="{uri}", algorithm={}, nc={count}, cnonce="{}", qop={}, response="{}", opaque="wicketgate", userhash={}"#,
            self.nonce,
            self.algorithm.as_str(),
            self.cnonce,
            if self.body.is_some() { "auth-int" } else { "auth" },
            response.digits().as_str(),
            self.hashed,
        );
        Credentials::parse(header.as_bytes()).unwrap().unwrap()
    }

    fn get(&self) -> Credentials {
        self.credentials("GET", TARGET)
    }
}

fn asked(now: Timestamp) -> Asked<'static> {
    Asked { method: "GET", target: TARGET, realm: REALM, client: CLIENT, now }
}

fn verified(verifier: &Verifier, credentials: &Credentials, body: &[u8], asked: &Asked<'_>) -> Verified {
    let examined = match verifier.examine(credentials, asked) {
        Ok(examined) => examined,
        Err(wrong) => return Verified { outcome: Outcome::Wrong(wrong), authentication_info: None },
    };
    let known = stored("alice", "alice-password", examined.hash());
    let hashed = ha1::userhash("alice", REALM, examined.hash());
    let is_alice = match examined.user() {
        User::Named(name) => name == "alice",
        User::Hashed(hash) => hash == hashed,
    };
    examined.verify(is_alice.then_some(&known), body)
}

fn verify(verifier: &Verifier, credentials: &Credentials, now: Timestamp) -> Outcome {
    verified(verifier, credentials, b"", &asked(now)).outcome
}

#[test]
fn challenges_are_written_as_the_rfc_has_them() {
    let realm = r#"the "inner" \ circle – é"#;
    let verifier = with(&config(realm, &BOTH));
    for stale in [false, true] {
        let challenges = verifier.challenges(&Challenge { realm, stale, body: None, client: CLIENT, now: NOW });
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
    let domain = vec!["/app".to_owned(), "https://www.example.org/".to_owned()];
    let full = with(&config::Digest { domain, ..all() });
    let challenge = challenges(&full).remove(0);
    assert!(challenge.starts_with(
        r#"Digest realm="example.org", domain="/app https://www.example.org/", qop="auth,auth-int", algorithm=SHA-512-256, "#
    ));
    assert!(challenge.ends_with(r#", opaque="wicketgate", charset=UTF-8, userhash=true"#), "{challenge}");
}

#[test]
fn the_body_is_offered_to_be_covered_only_where_it_can_be_held() {
    let verifier = with(&all());
    for (body, quality) in
        [(Some(0), "auth,auth-int"), (Some(100), "auth,auth-int"), (Some(101), "auth"), (None, "auth")]
    {
        let challenge = Challenge { realm: REALM, stale: false, body, client: CLIENT, now: NOW };
        for challenge in verifier.challenges(&challenge) {
            assert_eq!(quoted(&challenge, "qop"), quality, "{body:?}");
        }
    }
}

#[test]
fn the_strongest_algorithm_is_offered_first_and_no_nonce_twice() {
    let verifier = with(&config(REALM, &[ChallengeAlgorithm::Md5, ChallengeAlgorithm::Sha256]));
    let first = challenges(&verifier);
    assert!(first[0].contains("algorithm=SHA-256,") && first[1].contains("algorithm=MD5,"));
    let only = with(&config(REALM, &[ChallengeAlgorithm::Sha256]));
    assert_eq!(challenges(&only).len(), 1);
    let all: Vec<String> = (0..20).flat_map(|_| challenges(&verifier)).collect();
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
            let client = Client::answering(&challenges(&verifier), algorithm);
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
    let offered = challenges(&both);
    let [sha256, md5] = BOTH.map(|algorithm| Client::answering(&offered, algorithm));
    let other_realm = Credentials { realm: "example.com".to_owned(), ..sha256.get() };
    let only_sha256 = Verifier::new(&config("example.org", &[ChallengeAlgorithm::Sha256]), Some(&secret())).unwrap();
    let forged = Client { nonce: sha256.nonce.replace(|_| true, "A"), ..sha256.clone() };
    let other_secret = Verifier::new(&config(REALM, &BOTH), Some(&Secret::from("another, longer secret"))).unwrap();
    let other_secret = Client::answering(&challenges(&other_secret), ChallengeAlgorithm::Sha256);
    let swapped = Client { algorithm: ChallengeAlgorithm::Md5, ..sha256.clone() };
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
        (&both, Client { body: Some(b""), ..sha256.clone() }.get(), Wrong::AuthIntNotOffered),
        (&both, Client { hashed: true, ..sha256.clone() }.get(), Wrong::UserhashNotOffered),
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
    let client = Client::answering(&challenges(&verifier), ChallengeAlgorithm::Sha256);
    let examine =
        |credentials: &Credentials, target| verifier.examine(credentials, &Asked { target, ..asked(NOW) }).err();
    assert_eq!(examine(&client.get(), "/other"), Some(Wrong::Uri));
    let forged = Client { nonce: client.nonce.replace(|_| true, "A"), ..client.clone() };
    assert_eq!(examine(&forged.get(), "/inbox?a=1"), Some(Wrong::NonceForged));
    let credentials = client.get();
    let asked = asked(NOW);
    let examined = verifier.examine(&credentials, &asked).unwrap();
    let expected = (User::Named("alice"), REALM, config::DigestAlgorithm::Sha256, None);
    assert_eq!((examined.user(), examined.realm(), examined.hash(), examined.covers_body()), expected);
}

#[test]
fn a_nonce_is_good_to_the_last_second_of_its_lifetime() {
    let verifier = verifier();
    let client = Client::answering(&challenges(&verifier), ChallengeAlgorithm::Sha256);
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
    let client = Client::answering(&challenges(&there), ChallengeAlgorithm::Sha256);
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
    let client = Client::answering(&challenges(&before), ChallengeAlgorithm::Sha256);
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
    let client = Client::answering(&challenges(&verifier), ChallengeAlgorithm::Sha256);
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
    let old = Client::answering(&challenges(&verifier), ChallengeAlgorithm::Sha256);
    assert_eq!(verify(&verifier, &old.get(), NOW), Outcome::Right);
    for step in 1..=NONCES_PER_SHARD as u64 {
        assert_eq!(verifier.counts.use_up(1 + step * SHARDS as u64, 1, None), Count::New);
    }
    let again = Client { count: 2, ..old.clone() };
    assert_eq!(verify(&verifier, &again.get(), NOW), Outcome::Stale(Stale::Forgotten));
    assert_eq!(verify(&verifier, &old.get(), NOW), Outcome::Stale(Stale::Forgotten), "nor is a replay let through");
}

#[test]
fn guesses_take_no_room() {
    let verifier = verifier();
    let client = Client::answering(&challenges(&verifier), ChallengeAlgorithm::Sha256);
    for (count, username) in [(1, "alice"), (2, "alice"), (1, "nobody")] {
        let guess = Client { count, username, password: "guess", ..client.clone() };
        assert!(matches!(verify(&verifier, &guess.get(), NOW), Outcome::Wrong(_)));
    }
    // Had a guess been recorded, the first count below it would have been used, not new.
    for count in [2, 1] {
        assert_eq!(verify(&verifier, &Client { count, ..client.clone() }.get(), NOW), Outcome::Right);
    }
}

/// The response to the first request of a client that has this for HA1.
fn of_request(client: &Client, ha1: &[u8]) -> Secret {
    let parts = Parts { method: "GET", uri: TARGET, nonce: &client.nonce, count: "00000001", cnonce: "cn", body: None };
    Secret::new(answer(client.algorithm, ha1, &parts).octets().to_vec())
}

#[test]
fn a_stored_ha1_that_anybody_could_guess_opens_nothing() {
    let verifier = verifier();
    let client = Client::answering(&challenges(&verifier), ChallengeAlgorithm::Sha256);
    let right = stored("alice", "alice-password", config::DigestAlgorithm::Sha256);
    let text = right.0.expose_str().unwrap();
    for stored in ["", "0", &text[..32], &text.to_uppercase(), &format!("{text}0"), &text.replace('a', "g")] {
        let stored = Ha1(Secret::from(stored));
        // The client hashes the very octets that are stored.
        let response = of_request(&client, stored.0.expose());
        let credentials = Credentials { response, ..client.get() };
        let outcome = verifier.verify(&credentials, &asked(NOW), Some(&stored));
        assert_eq!(outcome, Outcome::Wrong(Wrong::UnusableHa1), "{stored:?}");
    }
}

#[test]
fn the_ha1_that_stands_for_nobody_opens_nothing() {
    let verifier = verifier();
    for algorithm in BOTH {
        let client = Client::answering(&challenges(&verifier), algorithm);
        let response = of_request(&client, &NOBODY[..2 * algorithm.hash().length()]);
        let credentials = Credentials { response, ..client.get() };
        let outcome = verifier.verify(&credentials, &asked(NOW), None);
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
    let client = Client::answering(&challenges(&verifier), ChallengeAlgorithm::Sha256);
    let credentials = client.get();
    let shown = format!("{:?}", verifier.examine(&credentials, &asked(NOW)));
    assert!(shown.contains("example.org") && shown.contains("[secret]"));
    assert!(!shown.contains(&crate::base::hex::encode(credentials.response.expose())) && !shown.contains("for tests"));
}

#[test]
fn every_algorithm_lets_in_with_and_without_the_body_and_the_hashed_name() {
    for verifier in [with(&all()), Verifier::new(&all(), None).unwrap()] {
        for algorithm in ChallengeAlgorithm::ALL {
            for (body, hashed) in [(None, false), (None, true), (Some(&b"a=1"[..]), false), (Some(b""), true)] {
                let client = Client { body, hashed, ..Client::answering(&challenges(&verifier), algorithm) };
                let came = body.unwrap_or(b"whatever came, it is not covered");
                let credentials = client.get();
                let examined = verifier.examine(&credentials, &asked(NOW)).unwrap();
                assert_eq!(examined.covers_body(), body.map(|_| 100));
                let verified = |client: &Client, body| verified(&verifier, &client.get(), body, &asked(NOW));
                assert_eq!(verified(&client, came).outcome, Outcome::Right, "{algorithm:?} {body:?} {hashed}");
                assert_eq!(verified(&client, came).outcome, Outcome::Wrong(Wrong::Replayed));
                let next = Client { count: 2, ..client };
                if body.is_some() {
                    assert_eq!(verified(&next, b"a=2").outcome, Outcome::Wrong(Wrong::Response), "{algorithm:?}");
                }
                assert_eq!(verified(&next, came).outcome, Outcome::Right, "{algorithm:?} {body:?} {hashed}");
            }
        }
    }
}

#[test]
fn a_session_has_the_key_of_each_request_or_of_its_first() {
    let verifier = with(&all());
    for algorithm in ChallengeAlgorithm::ALL.into_iter().filter(|algorithm| algorithm.is_session()) {
        let client = Client::answering(&challenges(&verifier), algorithm);
        let nonce = client.nonce.clone();
        assert_eq!(verify(&verifier, &client.get(), NOW), Outcome::Right);
        // What clients do: a new cnonce, and a key made of it.
        let fresh = Client { count: 2, cnonce: "other", ..client.clone() };
        assert_eq!(verify(&verifier, &fresh.get(), NOW), Outcome::Right);
        // What the RFC says: the key of the first request, for all of the session.
        let strict = Client { count: 3, cnonce: "third", session: Some((nonce.clone(), "cn")), ..client.clone() };
        assert_eq!(verify(&verifier, &strict.get(), NOW), Outcome::Right);
        // Neither.
        let mixed = Client { count: 4, cnonce: "fourth", session: Some((nonce, "third")), ..client };
        assert_eq!(verify(&verifier, &mixed.get(), NOW), Outcome::Wrong(Wrong::Response));
    }
}

#[test]
fn right_credentials_are_told_that_the_server_knows_the_password() {
    let verifier = with(&all());
    for algorithm in ChallengeAlgorithm::ALL {
        let client = Client { body: Some(b"a=1"), ..Client::answering(&challenges(&verifier), algorithm) };
        let info = verified(&verifier, &client.get(), b"a=1", &asked(NOW)).authentication_info.unwrap();
        let ha1 = stored("alice", "alice-password", algorithm.hash());
        let parts =
            Parts { method: "", uri: TARGET, nonce: &client.nonce, count: "00000001", cnonce: "cn", body: None };
        let expected = answer(algorithm, ha1.0.expose(), &parts);
        let expected = format!(r#"rspauth="{}", qop=auth, nc=00000001, cnonce="cn""#, expected.digits().as_str());
        assert_eq!(info, expected);
        let replay = verified(&verifier, &client.get(), b"a=1", &asked(NOW));
        assert_eq!(replay.authentication_info, None, "nobody else is told");
    }
}

#[test]
fn the_next_nonce_comes_before_this_one_ends() {
    let verifier = with(&all());
    let info = |client: &Client, now| verified(&verifier, &client.get(), b"", &asked(now)).authentication_info.unwrap();
    for algorithm in ChallengeAlgorithm::ALL {
        let client = Client::answering(&challenges(&verifier), algorithm);
        assert!(!info(&client, NOW.plus(LIFETIME * 3 / 4)).contains("nextnonce"));
        let last = info(&Client { count: 2, ..client.clone() }, NOW.plus(LIFETIME));
        // A session's key belongs to its nonce: it begins anew instead.
        assert_eq!(last.contains("nextnonce"), !algorithm.is_session(), "{algorithm:?}");
        if !algorithm.is_session() {
            let next = Client { nonce: quoted(&last, "nextnonce").to_owned(), ..client };
            assert_eq!(verify(&verifier, &next.get(), NOW.plus(LIFETIME * 2)), Outcome::Right);
        }
    }
}

#[test]
fn a_nonce_may_be_for_one_address() {
    let bound = with(&config::Digest { nonce_for_one_address: true, ..config(REALM, &BOTH) });
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
    let client = Client::answering(&challenges(&bound), ChallengeAlgorithm::Sha256);
    let outcome = |verifier: &Verifier, client: &Client, from| {
        verified(verifier, &client.get(), b"", &Asked { client: from, ..asked(NOW) }).outcome
    };
    assert_eq!(outcome(&bound, &client, elsewhere), Outcome::Stale(Stale::OtherAddress));
    let guess = Client { password: "guess", ..client.clone() };
    assert_eq!(outcome(&bound, &guess, elsewhere), Outcome::Wrong(Wrong::Response));
    assert_eq!(outcome(&bound, &client, CLIENT), Outcome::Right);
    let free = verifier();
    let client = Client::answering(&challenges(&free), ChallengeAlgorithm::Sha256);
    assert_eq!(outcome(&free, &client, elsewhere), Outcome::Right);
}

#[test]
fn a_new_configuration_asks_nobody_again() {
    let before = verifier();
    let client = Client::answering(&challenges(&before), ChallengeAlgorithm::Sha256);
    assert_eq!(verify(&before, &client.get(), NOW), Outcome::Right);
    let settings = config::Digest { auth_int_limit: Some(1), ..config(REALM, &BOTH) };
    let after = before.succeed(&settings, Some(&secret()), NOW).unwrap();
    assert_eq!(verify(&after, &client.get(), NOW), Outcome::Wrong(Wrong::Replayed), "counts are kept");
    assert_eq!(verify(&after, &Client { count: 2, ..client.clone() }.get(), NOW), Outcome::Right);
    // Requests that began before the change may come after it.
    assert_eq!(verify(&before, &Client { count: 2, ..client.clone() }.get(), NOW), Outcome::Wrong(Wrong::Replayed));
    let without = before.succeed(&config(REALM, &[ChallengeAlgorithm::Md5]), Some(&secret()), NOW).unwrap();
    let outcome = verify(&without, &Client { count: 3, ..client }.get(), NOW);
    assert_eq!(outcome, Outcome::Wrong(Wrong::AlgorithmNotOffered));
}

#[test]
fn a_nonce_of_the_secret_before_is_good_for_one_lifetime_more() {
    let rotated = Secret::from("the secret after that");
    let later = NOW.plus(Duration::from_secs(200));
    for before in [verifier(), lone_verifier()] {
        let client = Client::answering(&challenges_at(&before, later), ChallengeAlgorithm::Sha256);
        let after = before.succeed(&config(REALM, &BOTH), Some(&rotated), NOW).unwrap();
        assert_eq!(verify(&after, &client.get(), later), Outcome::Right);
        // A reload that changes nothing makes it no longer, and no shorter.
        let after = after.succeed(&config(REALM, &BOTH), Some(&rotated), later).unwrap();
        let next = Client { count: 2, ..client.clone() };
        assert_eq!(verify(&after, &next.get(), NOW.plus(LIFETIME)), Outcome::Right);
        let last = Client { count: 3, ..client };
        let outcome = verify(&after, &last.get(), NOW.plus(LIFETIME + Duration::from_secs(1)));
        assert_eq!(outcome, Outcome::Wrong(Wrong::NonceForged));
        let fresh = Client::answering(&challenges(&after), ChallengeAlgorithm::Sha256);
        assert_eq!(verify(&after, &fresh.get(), NOW), Outcome::Right);
    }
}

#[test]
fn credentials_of_one_realm_are_none_of_another() {
    let realm = DigestRealm::FromHeader {
        header: "From".to_owned(),
        allowed: vec![REALM.to_owned(), "example.com".to_owned()],
    };
    let verifier = with(&config::Digest { realm, ..config(REALM, &BOTH) });
    assert_eq!(verifier.realm_header(), Some("From"));
    assert_eq!(verifier.realm([&b"sip:alice@Example.com"[..]]), Ok("example.com"));
    assert_eq!(verifier.realm([]), Err(NoRealm::Absent));
    let client = Client::answering(&challenges(&verifier), ChallengeAlgorithm::Sha256);
    let there = Asked { realm: "example.com", ..asked(NOW) };
    assert_eq!(verifier.examine(&client.get(), &there).err(), Some(Wrong::Realm));
    // Nor does it help to say that they are: the nonce is this realm's.
    let renamed = Credentials { realm: "example.com".to_owned(), ..client.get() };
    assert_eq!(verifier.examine(&renamed, &there).err(), Some(Wrong::NonceForged));
    assert_eq!(verify(&verifier, &client.get(), NOW), Outcome::Right);
}
