use super::super::{Asked, Challenge, Credentials, Outcome, User, Verifier};
use super::*;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::config::Digest;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const REALM: &str = r#"the "inner" \ circle"#;

fn challenges(verifier: &Verifier) -> Vec<String> {
    verifier.challenges(&Challenge { realm: REALM, stale: false, body: Some(0), client: CLIENT, now: NOW })
}

fn offers(headers: &[String]) -> Vec<Offer> {
    Offer::all(headers.iter().map(String::as_bytes))
}

/// What our own server makes of an answer.
fn judged(verifier: &Verifier, authorization: &str, username: &str, body: &[u8], now: Timestamp) -> (Outcome, String) {
    let credentials = Credentials::parse(authorization.as_bytes()).unwrap().unwrap();
    let asked = Asked { method: "POST", target: "/a?b=\"c\"", realm: REALM, client: CLIENT, now };
    let examined = verifier.examine(&credentials, &asked).unwrap();
    match examined.user() {
        User::Named(name) => assert_eq!(name, username),
        User::Hashed(hashed) => assert_eq!(hashed, ha1::userhash(username, REALM, examined.hash())),
    }
    let stored = ha1::compute(username, REALM, &Secret::from("password"), examined.hash());
    let verified = examined.verify(Some(&stored), body);
    (verified.outcome, verified.authentication_info.unwrap_or_default())
}

#[test]
fn what_this_side_says_the_other_understands() {
    for (userhash, auth_int_limit) in [(false, None), (true, Some(100))] {
        let config = Digest {
            algorithms: ChallengeAlgorithm::ALL.to_vec(),
            userhash,
            auth_int_limit,
            ..Digest::of_realm(REALM)
        };
        let verifier = Verifier::new(&config, None).unwrap();
        for username in ["alice", r#"a "b" \ c"#, "Jäsøn Doe"] {
            let offers = offers(&challenges(&verifier));
            assert_eq!(offers.iter().map(|offer| offer.algorithm).collect::<Vec<_>>(), ChallengeAlgorithm::ALL);
            for offer in offers {
                assert_eq!(
                    (offer.realm.as_str(), offer.stale, offer.auth_int),
                    (REALM, false, auth_int_limit.is_some())
                );
                let ha1 = ha1::compute(username, REALM, &Secret::from("password"), offer.algorithm.hash());
                let is_session = offer.algorithm.is_session();
                let mut session = Session::new(offer);
                for (cnonce, after) in [("one", 0), ("two", 10), ("three", 290), ("four", 290)] {
                    let request = Outgoing { method: "POST", uri: "/a?b=\"c\"", cnonce, body: Some(b"body") };
                    let authorization = session.authorization(username, &ha1, &request).unwrap();
                    let now = NOW.plus(Duration::from_secs(after));
                    let (outcome, info) = judged(&verifier, &authorization, username, b"body", now);
                    assert_eq!(outcome, Outcome::Right, "{authorization}");
                    let nonce = session.offer.nonce.clone();
                    assert_eq!(session.informed(info.as_bytes()), Some(true), "{info}");
                    // In its last quarter the nonce is replaced, once.
                    assert_eq!(session.offer.nonce != nonce, cnonce == "three" && !is_session, "{cnonce}");
                }
            }
        }
    }
}

#[test]
fn a_server_that_does_not_know_the_password_is_found_out() {
    let verifier = Verifier::new(&Digest::of_realm(REALM), None).unwrap();
    let offer = Offer::strongest(offers(&challenges(&verifier)), |_| true).unwrap();
    assert_eq!(offer.algorithm, ChallengeAlgorithm::Sha256);
    let ha1 = ha1::compute("alice", REALM, &Secret::from("password"), offer.algorithm.hash());
    let request = Outgoing { method: "GET", uri: "/", cnonce: "c", body: None };
    let cases = [
        (r#"rspauth="00", qop=auth, nc=00000001, cnonce="c""#, Some(false)),
        (r#"rspauth="00", qop=auth, nc=00000002, cnonce="c""#, None),
        (r#"rspauth="00", qop=auth-int, nc=00000001, cnonce="c""#, None),
        ("", None),
        ("x", None),
    ];
    for (header, expected) in cases {
        let mut session = Session::new(offer.clone());
        let _ = session.authorization("alice", &ha1, &request).unwrap();
        assert_eq!(session.informed(header.as_bytes()), expected, "{header}");
        assert_eq!(session.informed(header.as_bytes()), None, "each response is for one request");
    }
    assert_eq!(Session::new(offer).authorization("a\r\nb", &ha1, &request), None);
}

#[test]
fn challenges_are_found_among_others() {
    let one = r#"Digest realm="a", nonce="n", qop="auth", algorithm=SHA-256"#;
    let expected = Offer::all([one.as_bytes()]);
    assert_eq!(expected.len(), 1);
    let same = [
        format!(r#"Basic realm="b", charset="UTF-8", {one}"#),
        format!(r#"{one}, Basic realm="b""#),
        format!("Negotiate, {one}"),
        format!("Negotiate abc+/==, {one}"),
        format!("NTLM a, Negotiate , ,{one},"),
        one.replace(", ", " , "),
        one.replace("Digest", "dIGEST").replace("qop=\"auth\"", "qop=\"auth-conf, auth\""),
    ];
    for header in same {
        assert_eq!(Offer::all([header.as_bytes()]), expected, "{header}");
    }
    let none = [
        "",
        "Basic realm=\"a\"",
        "realm=\"a\"",
        "Digest",
        r#"Digest realm="a", qop="auth""#,
        r#"Digest nonce="n", qop="auth""#,
        r#"Digest realm="a", nonce="n""#,
        r#"Digest realm="a", nonce="n", qop="auth-conf""#,
        r#"Digest realm="a", nonce="n", qop="auth", algorithm=SHA-512"#,
        r#"Digest realm="a", realm="b", nonce="n", qop="auth""#,
        r#"Digest realm="a, nonce="n", qop="auth""#,
    ];
    for header in none {
        assert_eq!(Offer::all([header.as_bytes()]), [], "{header}");
    }
    let two = format!("{one}, {}", one.replace("SHA-256", "MD5"));
    let algorithms: Vec<_> = Offer::all([two.as_bytes()]).into_iter().map(|offer| offer.algorithm).collect();
    assert_eq!(algorithms, [ChallengeAlgorithm::Sha256, ChallengeAlgorithm::Md5]);
}

proptest! {
    #[test]
    fn no_header_ends_the_process(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Offer::all([&octets[..], &[b"Digest ", &octets[..]].concat()]);
    }

    #[test]
    fn no_arrangement_of_challenges_ends_the_process(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "Digest", "Basic", " ", ",", "=", "realm=\"a\"", "nonce=\"n\"", "qop=auth", "\"", "\\", "abc==", "stale=true",
        ]), 0..20),
    ) {
        for offer in Offer::all([pieces.concat().as_bytes()]) {
            prop_assert_eq!((offer.realm.as_str(), offer.auth), ("a", true));
        }
    }
}
