//! One address for those with and without a certificate: the example for Zimbra, before a server that checks what
//! Zimbra would check, by a computation that is not the gate's.
#![cfg(test)]

mod common;

use common::client::{empty, get};
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};

const KEY: &str = "6b7ead4bd425836e8cf0079cd6c1a05acc127acd07c8ee4b61023e19250e929c";

/// HMAC-SHA-1 as openssl computes it, in hexadecimal digits.
fn openssl_hmac(text: &str) -> String {
    let mut process = Command::new("openssl")
        .args(["dgst", "-sha1", "-hmac", KEY, "-r"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = String::from_utf8(process.wait_with_output().unwrap().stdout).unwrap();
    output.split(' ').next().unwrap().to_owned()
}

/// The parameters of a query; `%40` is the only octet that these tests encode.
fn parameters(target: &str) -> HashMap<String, String> {
    let query = target.split_once('?').unwrap().1;
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(key, value)| (key.to_owned(), value.replace("%40", "@"))).collect()
}

/// Whom Zimbra would log in by this target.
fn whom_zimbra_logs_in(target: &str) -> Option<String> {
    let all = parameters(target);
    let signed = format!("{}|{}|{}|{}", all["account"], all["by"], all["expires"], all["timestamp"]);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let age = now.abs_diff(all["timestamp"].parse().unwrap());
    (openssl_hmac(&signed) == all["preauth"] && age < 300_000).then(|| all["account"].clone())
}

fn zimbra() -> Upstream {
    Upstream::answering(|exchange| {
        let target = exchange.request.target().to_owned();
        let cookie = exchange.request.header("cookie").unwrap_or_default();
        if target.starts_with("/service/preauth?") {
            match whom_zimbra_logs_in(&target) {
                Some(account) => exchange.send(format!(
                    "HTTP/1.1 302 Found\r\nLocation: /mail\r\nSet-Cookie: ZM_AUTH_TOKEN={account}; Path=/; Secure\r\n\
                     Content-Length: 0\r\n\r\n"
                )),
                None => exchange.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
            }
        } else if let (true, Some(account)) = (target == "/mail", cookie.strip_prefix("ZM_AUTH_TOKEN=")) {
            exchange.answer(&format!("the mailbox of {account}"));
        } else {
            exchange.answer("the ordinary log-in page");
        }
    })
}

fn example(upstream: &Upstream) -> Setup {
    let server = format!("http://{}", upstream.address());
    Setup::before(upstream).example("zimbra.yaml", &[("http://10.0.0.5:8080", &server)]).file("preauth.key", KEY)
}

fn curl(gate: &common::gate::Gate, options: &[&str]) -> String {
    let port = gate.address.port();
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", "*", "--location", "--cookie", "", "--cacert"])
        .arg(gate.folder().join("ca.pem"))
        .args(["--resolve", &format!("mail.example.org:{port}:{}", gate.address.ip())])
        .args(options)
        .arg(format!("https://mail.example.org:{port}/certauth"))
        .output()
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[tokio::test]
async fn one_address_leads_into_the_mailbox_or_to_the_log_in_page() {
    let upstream = zimbra();
    let gate = example(&upstream).start();
    let (chain, key) = gate.pki.person("alice").write(gate.folder(), "alice");
    let certificate = ["--cert", chain.to_str().unwrap(), "--key", key.to_str().unwrap()];
    assert_eq!(curl(&gate, &certificate), "the mailbox of alice@example.org", "{}", gate.log());
    assert_eq!(curl(&gate, &[]), "the ordinary log-in page", "{}", gate.log());
    // Who is refused is told so, and neither logged in nor sent to another way in.
    let (chain, key) = gate.pki.person("nobody").write(gate.folder(), "nobody");
    let refused = curl(&gate, &["--cert", chain.to_str().unwrap(), "--key", key.to_str().unwrap()]);
    assert!(refused.contains("account_unknown"), "{refused}");
}

#[tokio::test]
async fn the_redirect_is_signed_for_the_account_and_kept_to_itself() {
    let upstream = zimbra();
    let gate = example(&upstream).start();
    let answer = gate.alice().named("mail.example.org").get("/certauth").await;
    assert_eq!(answer.status, 302, "{}", answer.text());
    let location = answer.header("location");
    assert!(location.starts_with("/service/preauth?account=alice%40example.org&by=name&"), "{location}");
    assert_eq!(whom_zimbra_logs_in(location).as_deref(), Some("alice@example.org"));
    let all = parameters(location);
    let number = |name: &str| all[name].parse::<u64>().unwrap();
    assert_eq!(number("expires") - number("timestamp"), 8 * 3600 * 1000);
    for (header, expected) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer")] {
        assert_eq!(answer.header(header), expected);
    }
    let signature = &all["preauth"];
    assert!(!answer.text().contains(signature) && !gate.log().contains(signature), "{}", gate.log());
    assert!(upstream.requests().is_empty(), "the entry page is the gate's own");
}

#[tokio::test]
async fn nothing_that_a_request_says_gets_into_the_redirect() {
    let upstream = zimbra();
    let gate = example(&upstream).start();
    let mut alice = gate.alice().named("mail.example.org").http1().await.unwrap();
    let mut nobody = gate.client().named("mail.example.org").http1().await.unwrap();
    for target in [
        "/certauth?account=bob%40example.org&redirectURL=https%3A%2F%2Fevil.example%2F",
        "/certauth?url=//evil.example/&preauth=0&timestamp=1&expires=9999999999999",
        "/certauth//evil.example/%0d%0aX:%20y",
        "/certauth/..;/evil.example",
    ] {
        let request = || {
            Request::get(target).header("Referer", "https://evil.example/").header("X-Forwarded-Host", "evil.example")
        };
        let answer = alice.send(request().body(empty()).unwrap()).await;
        if answer.status != 400 {
            assert_eq!(answer.status, 302, "{target}: {}", answer.text());
            let location = answer.header("location");
            assert_eq!(whom_zimbra_logs_in(location).as_deref(), Some("alice@example.org"), "{location}");
            assert!(!location.contains("evil") && location.matches('&').count() == 4, "{location}");
            let answer = nobody.send(request().body(empty()).unwrap()).await;
            assert_eq!((answer.status, answer.header("location")), (302, "/"), "{target}");
        }
    }
    let answer = alice.send(get("/certauth")).await;
    assert_eq!(answer.status, 302);
}

#[tokio::test]
async fn an_account_that_zimbra_cannot_know_is_not_logged_in() {
    let upstream = zimbra();
    let gate = example(&upstream).account("nameless", &["--alias", "nameless@example.org"]).start();
    let client = gate.client().with(&gate.pki.person("nameless")).named("mail.example.org");
    let answer = client.get("/certauth").await;
    assert_eq!(answer.status, 403);
    assert!(answer.says().contains("identity_missing"), "{}", answer.text());
    gate.log_line(&["identity_missing", "has no e-mail address"]);
}

#[tokio::test]
async fn a_new_key_counts_when_its_file_changes() {
    let upstream = zimbra();
    let gate = example(&upstream).start();
    let alice = gate.alice().named("mail.example.org");
    assert!(whom_zimbra_logs_in(alice.get("/certauth").await.header("location")).is_some());
    common::pki::write_private(&gate.folder().join("preauth.key"), &"f".repeat(64));
    let start = std::time::Instant::now();
    while whom_zimbra_logs_in(alice.get("/certauth").await.header("location")).is_some() {
        assert!(start.elapsed() < common::PATIENCE, "{}", gate.log());
    }
}
