//! Credentials that are replayed, forged, swapped, moved or out of date never let anybody in: each fault has its own
//! name in the audit log, and the client is told the same whatever it is. What cannot be read is a bad request.
#![cfg(test)]

mod common;

use common::client::Answer;
use common::digest::{PASSWORD, REALM, authorization, get_with, ha1_of, offer, session, set_password, with_password};
use common::gate::Gate;
use common::raw::{self, Raw};
use common::setup::Setup;
use common::upstream::Upstream;
use std::time::Duration;
use wicketgate::auth::digest::client::{Outgoing, Session};
use wicketgate::config::ChallengeAlgorithm::{Md5, Sha256};

const DIGEST: &str = "{ realm: example.org, nonce: { secret: { file: nonce.secret } } }";

fn gate(upstream: &Upstream) -> Gate {
    let setup = Setup::before(upstream).file("nonce.secret", "a secret for tests alone\n");
    with_password(setup, DIGEST)
}

/// What the audit log says of the request that this answer was given to.
fn detail(gate: &Gate, answer: &Answer) -> String {
    let line = gate.log_line(&[answer.header("x-request-id"), "\"detail\""]);
    let record: serde_json::Value = serde_json::from_str(&line).unwrap();
    record["detail"].as_str().unwrap().to_owned()
}

/// An answer without what is new in each: nonces, the date and the identifier.
fn told(answer: &Answer) -> String {
    let challenges = answer.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap());
    let challenges = challenges.map(|challenge| {
        let (before, rest) = challenge.split_once("nonce=\"").unwrap();
        format!("{before}{}\n", rest.split_once('"').unwrap().1)
    });
    let page = answer.text().replace(answer.header("x-request-id"), "");
    format!("{} {}{page}", answer.status, challenges.collect::<String>())
}

#[tokio::test]
async fn each_fault_has_its_own_name_in_the_log_and_one_answer() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let mut connection = gate.client().http1().await.unwrap();
    let refused = connection.get("/").await;
    let (sha256, md5) = (offer(&refused, Sha256), offer(&refused, Md5));
    let of = |username: &str, password: &str, uri: &str, method: &str| {
        let request = Outgoing { method, uri, cnonce: "c", body: None };
        Session::new(sha256.clone()).authorization(username, &ha1_of(username, password, &sha256), &request).unwrap()
    };
    let right = of("alice", PASSWORD, "/", "GET");
    let of_md5 = authorization(&mut Session::new(md5), "/");
    let nonce = |header: &str| header.split_once("nonce=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let (nonce_of_md5, nonce_of_sha256) = (nonce(&of_md5), nonce(&right));
    let mut forged = nonce_of_sha256.clone();
    forged.replace_range(40..44, "AAAA");
    // Somebody else's realm, of which the very same password is known.
    let mut elsewhere = sha256.clone();
    elsewhere.realm = "example.com".to_owned();
    let other_realm = authorization(&mut Session::new(elsewhere), "/");
    let cases = [
        ("wrong_response", of("alice", "a guess", "/", "GET")),
        ("wrong_response", of("alice", PASSWORD, "/", "POST")),
        ("unknown_user", of("nobody", PASSWORD, "/", "GET")),
        ("uri_differs", of("alice", PASSWORD, "/other", "GET")),
        ("nonce_forged", right.replace(&nonce_of_sha256, &forged)),
        ("nonce_forged", right.replace(&nonce_of_sha256, "made up")),
        ("algorithm_swapped", right.replace(&nonce_of_sha256, &nonce_of_md5)),
        ("algorithm_not_offered", right.replace("algorithm=SHA-256", "algorithm=SHA-256-sess")),
        ("auth_int_not_offered", right.replace("qop=auth", "qop=auth-int")),
        ("wrong_realm", other_realm.clone()),
        // HA1 of the other realm under this one's name.
        ("wrong_response", other_realm.replace("realm=\"example.com\"", "realm=\"example.org\"")),
    ];
    let mut answers = Vec::new();
    for (name, credentials) in cases {
        let answer = connection.send(get_with("/", &credentials)).await;
        assert_eq!(answer.status, 401, "{name}: {}", answer.text());
        assert_eq!(detail(&gate, &answer), name, "{credentials}");
        answers.push(told(&answer));
    }
    assert!(upstream.requests().is_empty(), "nothing was let through");
    // None of these has used the nonce or its count up.
    assert_eq!(connection.send(get_with("/", &right)).await.status, 200);
    let replayed = connection.send(get_with("/", &right)).await;
    assert_eq!((replayed.status, detail(&gate, &replayed).as_str()), (401, "count_replayed"));
    answers.push(told(&replayed));
    assert_eq!(upstream.requests().len(), 1);
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    assert!(!gate.log().contains(PASSWORD));
}

#[tokio::test]
async fn a_replay_is_refused_on_any_connection_and_by_any_version() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let client = gate.client();
    let right = authorization(&mut session(&mut client.http1().await.unwrap(), Sha256).await, "/");
    for (version, mut connection) in client.both().await {
        let expected = if version == "HTTP/1.1" { 200 } else { 401 };
        assert_eq!(connection.send(get_with("/", &right)).await.status, expected, "{version}");
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn counts_may_overtake_each_other_and_none_passes_twice() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let mut connection = gate.client().http1().await.unwrap();
    let mut session = session(&mut connection, Sha256).await;
    let mut all: Vec<String> = (0..140).map(|_| authorization(&mut session, "/")).collect();
    let highest = all.pop().unwrap();
    assert_eq!(connection.send(get_with("/", &highest)).await.status, 200);
    // Below the window it cannot be known whether a count was used: the client begins anew, its user is not asked.
    let behind = connection.send(get_with("/", &all[0])).await;
    assert_eq!((behind.status, detail(&gate, &behind).as_str()), (401, "count_behind"));
    assert!(offer(&behind, Sha256).stale);
    for late in [138, 100, 12] {
        assert_eq!(connection.send(get_with("/", &all[late])).await.status, 200, "{late}");
        let again = connection.send(get_with("/", &all[late])).await;
        assert_eq!((again.status, detail(&gate, &again).as_str()), (401, "count_replayed"), "{late}");
        assert!(!offer(&again, Sha256).stale);
    }
    assert_eq!(upstream.requests().len(), 4);
}

#[tokio::test]
async fn a_nonce_past_its_life_lets_nobody_in_and_asks_nobody_again() {
    let upstream = Upstream::start();
    let setup = Setup::before(&upstream);
    let gate = with_password(setup, "{ realm: example.org, nonce: { lifetime: 1s } }");
    let mut connection = gate.client().http1().await.unwrap();
    let mut old = session(&mut connection, Sha256).await;
    let guess = {
        let ha1 = ha1_of("alice", "a guess", old.offer());
        let request = Outgoing { method: "GET", uri: "/", cnonce: "c", body: None };
        Session::new(old.offer().clone()).authorization("alice", &ha1, &request).unwrap()
    };
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let late = connection.send(get_with("/", &authorization(&mut old, "/"))).await;
    assert_eq!((late.status, detail(&gate, &late).as_str()), (401, "nonce_expired"));
    let fresh = offer(&late, Sha256);
    assert!(fresh.stale);
    let wrong = connection.send(get_with("/", &guess)).await;
    assert_eq!((wrong.status, detail(&gate, &wrong).as_str()), (401, "wrong_response"));
    assert!(!offer(&wrong, Sha256).stale, "`stale` is for those who know the password");
    assert!(upstream.requests().is_empty());
    let again = offer(&connection.get("/").await, Sha256);
    assert_eq!(connection.send(get_with("/", &authorization(&mut Session::new(again), "/"))).await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_read_is_a_bad_request_that_says_why_in_the_log() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let mut connection = gate.client().http1().await.unwrap();
    let right = authorization(&mut session(&mut connection, Sha256).await, "/");
    let filler = |length: usize| format!("{right}, x=\"{}\"", "y".repeat(length));
    let cases = [
        ("Digest".to_owned(), "the parameter qop is missing"),
        ("Digest nonsense".to_owned(), "no = follows a name"),
        (format!("{right}, realm=\"example.org\""), "\"realm\" stands in it twice"),
        (format!("{right}, USERNAME=\"bob\""), "\"USERNAME\" stands in it twice"),
        (right.replace("username=\"alice\"", "username=\"al\\"), "not a list of name=value"),
        (right.replace("username=\"alice\"", "username=\"al\\\tice\""), "control character"),
        (right.replace("username=\"alice\"", "username=alice"), "username is not quoted"),
        (right.replace("username=\"alice\"", "username*=UTF-8''al%zzice"), "username* cannot be used"),
        (right.replace("nc=00000001", "nc=1"), "nc is not a count"),
        (right.replace("nc=00000001", "nc=00000000"), "nc is not a count"),
        (right.replace("qop=auth", "qop=auth-conf"), "there is no qop"),
        (right.replace("algorithm=SHA-256", "algorithm=SHA-1"), "there is no algorithm"),
        ((0..40).fold(right.clone(), |header, number| format!("{header}, x{number}=y")), "more than 32 parameters"),
        (filler(9000), "longer than 8192 octets"),
    ];
    for (credentials, why) in cases {
        let answer = connection.send(get_with("/", &credentials)).await;
        assert_eq!(answer.status, 400, "{why}: {}", answer.text());
        assert!(detail(&gate, &answer).contains(why), "{why}: {}", detail(&gate, &answer));
    }
    assert!(upstream.requests().is_empty());
    assert_eq!(connection.send(get_with("/", &right)).await.status, 200, "none of them used the count up");
}

#[tokio::test]
async fn two_headers_octets_that_are_no_text_and_heads_without_end_are_refused() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let right = authorization(&mut session(&mut gate.client().http1().await.unwrap(), Sha256).await, "/");
    let parameters: String = (0..8000).map(|number| format!("x{number}=y, ")).collect();
    let cases: [(Vec<u8>, u16); 5] = [
        (format!("Authorization: {right}\r\nAuthorization: {right}\r\n").into_bytes(), 400),
        (format!("Authorization: Basic dTpw\r\nAuthorization: {right}\r\n").into_bytes(), 400),
        (b"Authorization: Digest username=\"\xff\xfe\", qop=auth\r\n".to_vec(), 400),
        (b"Authorization: \xff\xfe\r\n".to_vec(), 401),
        (format!("Authorization: Digest {parameters}\r\n").into_bytes(), 431),
    ];
    for (fields, expected) in cases {
        let start = b"GET / HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\n".as_slice();
        let answer = Raw::exchange(&gate.client(), [start, &fields, b"\r\n"].concat());
        assert_eq!(raw::status(&answer), expected, "{}", String::from_utf8_lossy(&fields[..80.min(fields.len())]));
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_password_of_another_realm_is_none_here() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    gate.wicketgate(&["account", "password", "alice", "--remove"]);
    set_password(&gate, &["--realm", "example.com"]);
    let mut connection = gate.client().http1().await.unwrap();
    let mut session = session(&mut connection, Sha256).await;
    assert_eq!(session.offer().realm, REALM);
    let answer = connection.send(get_with("/", &authorization(&mut session, "/"))).await;
    assert_eq!((answer.status, detail(&gate, &answer).as_str()), (401, "unknown_user"));
}
