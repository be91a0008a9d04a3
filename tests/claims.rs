//! A header in which clients say who they are, and must be it: on the example of SIP devices that the manual explains.
#![cfg(test)]

mod common;

use common::client::{Answer, Body, Client, empty};
use common::gate::Gate;
use common::pki::{Leaf, write_private};
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use std::process::Command;

const DEVICE: &str = ";gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

fn example(upstream: &Upstream) -> Setup {
    let server = format!("http://{}", upstream.address());
    Setup::before(upstream)
        .example("devices.yaml", &[("http://10.0.0.5:8080", &server)])
        .file("nonce.secret", &"0123456789abcdef".repeat(2))
        .account("bob", &["--email", "bob@example.org"])
}

fn request(from: &[&str]) -> Request<Body> {
    let mut request = Request::get("/");
    for value in from {
        request = request.header("From", *value);
    }
    request.body(empty()).unwrap()
}

async fn ask(client: &Client, from: &[&str]) -> Answer {
    client.clone().named("keys.example.org").http1().await.unwrap().send(request(from)).await
}

/// A device of a household: a certificate with the addresses of two people.
fn household(gate: &Gate) -> Client {
    let leaf = Leaf::client("household").uri("sip:alice@example.org").email("bob@example.org");
    gate.client().with(&gate.pki.people.issue(leaf))
}

#[tokio::test]
async fn the_claim_selects_whose_request_it_is_among_the_names_of_the_certificate() {
    let upstream = Upstream::start();
    let gate = example(&upstream).start();
    let household = household(&gate);
    for (from, user) in [
        ("sip:alice@example.org", "alice"),
        ("sip:bob@example.org", "bob"),
        ("sip:alice@EXAMPLE.org", "alice"),
        (&format!("sip:bob@example.org{DEVICE}"), "bob"),
    ] {
        let answer = ask(&household, &[from]).await;
        assert_eq!(answer.status, 200, "{from}: {}", answer.text());
        assert_eq!(upstream.last().header("remote-user").as_deref(), Some(user), "{from}");
        assert_eq!(upstream.last().header("from").as_deref(), Some(from), "the application reads it, too");
    }
    let by_name = gate.client().with(&gate.pki.people.issue(Leaf::client("sip:alice@example.org")));
    assert_eq!(ask(&by_name, &["sip:alice@example.org"]).await.status, 200, "the common name comes last");
}

#[tokio::test]
async fn a_claim_that_is_absent_repeated_or_another_ones_is_refused() {
    let upstream = Upstream::start();
    let gate = example(&upstream).account("carol", &["--email", "carol@example.org"]).start();
    let household = household(&gate);
    let cases: [(&[&str], &str); 11] = [
        (&[], "From: it is absent"),
        (&["sip:alice@example.org", "sip:alice@example.org"], "From: it is there more than once"),
        (&["sip:alice@example.org", "sip:bob@example.org"], "From: it is there more than once"),
        (&["sip:alice@example.org, sip:bob@example.org"], "does not have the form"),
        (&["sip:%61lice@example.org"], "does not have the form"),
        (&["\"bob\" <sip:alice@example.org>"], "does not have the form"),
        (&["sip:alice@example.org;tag=1"], "does not have the form"),
        (&["alice@example.org"], "does not have the form"),
        (&["sip:carol@example.org"], "no name of the certificate is carol@example.org"),
        (&["sip:alice@example.com"], "no name of the certificate is alice@example.com"),
        (&["sip:household@example.org"], "no name of the certificate is household@example.org"),
    ];
    for (from, detail) in cases {
        let answer = ask(&household, from).await;
        assert_eq!(answer.status, 403, "{from:?}");
        assert!(answer.says().contains("claim_mismatch"), "{from:?}: {}", answer.text());
        gate.log_line(&["claim_mismatch", detail]);
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn what_was_found_for_one_claim_is_never_said_of_another_on_the_same_connection() {
    let upstream = Upstream::start();
    let gate = example(&upstream).start();
    let household = household(&gate).named("keys.example.org");
    for mut connection in [household.http1().await.unwrap(), household.http2().await.unwrap()] {
        for round in 0..3 {
            for (name, status) in [("alice", 200), ("bob", 200), ("carol", 403), ("alice", 200)] {
                let from = format!("sip:{name}@example.org;gr={round}");
                let before = upstream.requests().len();
                let answer = connection.send(request(&[&from])).await;
                assert_eq!(answer.status, status, "{from}: {}", answer.text());
                if status == 200 {
                    assert_eq!(upstream.last().header("remote-user").as_deref(), Some(name));
                    let address = format!("{name}@example.org");
                    assert_eq!(upstream.last().header("remote-email"), Some(address));
                } else {
                    assert_eq!(upstream.requests().len(), before);
                }
            }
        }
        // More claims than are remembered.
        for device in 0..40 {
            for name in ["alice", "bob"] {
                let from = format!("sip:{name}@example.org;gr={device}");
                assert_eq!(connection.send(request(&[&from])).await.status, 200);
                assert_eq!(upstream.last().header("remote-user").as_deref(), Some(name), "{from}");
            }
        }
    }
}

#[tokio::test]
async fn an_account_that_is_locked_loses_the_connections_on_which_it_was_claimed() {
    let upstream = Upstream::start();
    let gate = example(&upstream).start();
    let household = household(&gate).named("keys.example.org");
    let mut claimed = household.http1().await.unwrap();
    let mut other = household.http1().await.unwrap();
    assert_eq!(claimed.send(request(&["sip:alice@example.org"])).await.status, 200);
    assert_eq!(claimed.send(request(&["sip:bob@example.org"])).await.status, 200);
    assert_eq!(other.send(request(&["sip:alice@example.org"])).await.status, 200);
    gate.wicketgate(&["account", "lock", "bob"]);
    gate.log_line(&["connection cut", "bob", "account_inactive"]);
    assert!(claimed.try_send(request(&["sip:alice@example.org"])).await.is_err(), "its connection is cut as a whole");
    assert_eq!(other.send(request(&["sip:alice@example.org"])).await.status, 200, "nobody was bob there");
    let refused = ask(&household, &["sip:bob@example.org"]).await;
    assert!(refused.says().contains("account_inactive"), "{}", refused.text());
}

#[tokio::test]
async fn a_password_is_that_of_the_claimed_user_or_of_nobody() {
    let upstream = Upstream::start();
    let gate = example(&upstream).start();
    for name in ["alice", "bob"] {
        let file = gate.folder().join("password");
        write_private(&file, &format!("of-{name}\n"));
        gate.wicketgate(&["account", "password", name, "--file", file.to_str().unwrap()]);
        std::fs::remove_file(file).unwrap();
    }
    let port = gate.address.port();
    let resolve = format!("keys.example.org:{port}:{}", gate.address.ip());
    let curl = |user: &str, from: Option<&str>| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--noproxy", "*", "--digest", "-u", user, "--resolve", &resolve, "--cacert"]);
        command.arg(gate.folder().join("ca.pem")).args(["--output", "/dev/null", "--write-out", "%{http_code}"]);
        if let Some(from) = from {
            command.args(["-H", &format!("From: {from}")]);
        }
        let output = command.arg(format!("https://keys.example.org:{port}/")).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let device = format!("sip:alice@example.org{DEVICE}");
    for (user, from, expected) in [
        ("alice:of-alice", Some("sip:alice@example.org"), "200"),
        ("alice:of-alice", Some(&*device), "200"),
        ("bob:of-bob", Some("sip:alice@example.org"), "403"),
        // The realm is another one.
        ("alice:of-alice", Some("sip:alice@example.com"), "403"),
        ("alice:of-alice", Some("sip:Alice@example.org"), "403"),
        ("alice:of-alice", Some("alice"), "403"),
        ("alice:of-alice", None, "403"),
        ("alice:of-bob", Some("sip:alice@example.org"), "401"),
    ] {
        let before = upstream.requests().len();
        assert_eq!(curl(user, from), expected, "{user} {from:?}\n{}", gate.log());
        assert_eq!(upstream.requests().len() - before, usize::from(expected == "200"), "{user} {from:?}");
    }
    gate.log_line(&["claim_mismatch", "From names alice@example.org, whose the credentials are not"]);
    // No challenge for those who say nothing: what they would answer is in vain.
    let answer = ask(&gate.client(), &[]).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (403, ""));
    let answer = ask(&gate.client(), &["sip:alice@example.org"]).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_not_rescued_by_the_right_password() {
    let upstream = Upstream::start();
    let gate = example(&upstream).start();
    let file = gate.folder().join("password");
    write_private(&file, "of-alice\n");
    gate.wicketgate(&["account", "password", "alice", "--file", file.to_str().unwrap()]);
    let bob = gate.client().with(&gate.pki.person("bob"));
    let answer = ask(&bob, &["sip:alice@example.org"]).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (403, ""));
    assert!(answer.says().contains("claim_mismatch"), "{}", answer.text());
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn explain_says_whose_a_claim_would_be() {
    let upstream = Upstream::start();
    let gate = example(&upstream).start();
    let (chain, _) = gate.pki.person("alice").write(gate.folder(), "alice");
    for (claim, code, expected) in [
        (Some("sip:alice@example.org"), 0, "Remote-User: alice"),
        (Some("sip:bob@example.org"), 1, "claim_mismatch: no name of the certificate is bob@example.org"),
        (None, 1, "claim_mismatch: From: it is absent"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
        command.args(["explain", "--host", "keys.example.org", "-c"]).arg(gate.folder().join("wicketgate.yaml"));
        command.arg(&chain).args(claim.map(|claim| format!("--claim={claim}")));
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(code), "{claim:?}: {text}");
        assert!(text.to_lowercase().contains(&expected.to_lowercase()), "{claim:?}: {text}");
    }
}
