//! HTTP clients that nobody here wrote log in by HTTP Digest: Python's requests, httpx and pycurl, curl, and Chromium.
//! Each is asked for its password once, however many requests follow at the same time, and also where a balancer
//! chooses another gate for each connection.
#![cfg(test)]

#[path = "../common/mod.rs"]
mod common;

use common::browser::Browser;
use common::digest::{PASSWORD, with_password};
use common::eventually;
use common::gate::{Gate, unused_address};
use common::packages::packages;
use common::process::Process;
use common::setup::Setup;
use common::upstream::Upstream;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// How many requests come at the same time.
const MANY: usize = 100;

/// The status of each response that a Python client gets at this address.
fn python(client: &str, gate: &Gate, address: SocketAddr, count: usize) -> Vec<u16> {
    let output = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/digest_clients/client.py"))
        .args([client, &format!("https://gate.example.org:{}/inbox?of=alice", address.port())])
        .arg(address.ip().to_string())
        .arg(gate.folder().join("ca.pem"))
        .args([PASSWORD, &count.to_string()])
        .env("PYTHONPATH", packages("digest_clients"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{client}: {errors}\n{}", gate.log());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{client}: {error}: {errors}"))
}

/// How often somebody was asked for a password, and how often told to try again without asking anybody.
fn challenges(log: &str) -> (usize, usize) {
    let challenges = || log.lines().filter(|line| line.contains("\"verdict\":\"challenge\""));
    let asked = challenges().filter(|line| line.contains("certificate_required")).count();
    let stale = challenges().filter(|line| line.contains("nonce_of_another_process")).count();
    assert_eq!(asked + stale, challenges().count(), "{log}");
    (asked, stale)
}

fn offering(upstream: &Upstream, algorithm: &str) -> Gate {
    with_password(Setup::before(upstream), &format!("{{ realm: example.org, algorithms: [{algorithm}] }}"))
}

#[test]
fn each_python_client_logs_in_once_for_a_hundred_requests_at_the_same_time() {
    let upstream = Upstream::start();
    let cases = [
        ("SHA-512-256", &["pycurl"][..]),
        ("SHA-256", &["requests", "httpx", "pycurl"]),
        ("MD5", &["requests", "httpx", "pycurl"]),
        ("MD5-sess", &["requests", "httpx", "pycurl"]),
        ("SHA-256-sess", &["httpx", "pycurl"]),
        ("SHA-512-256-sess", &["pycurl"]),
        ("SHA-256, MD5", &["requests", "httpx", "pycurl"]),
    ];
    for (algorithms, clients) in cases {
        let gate = offering(&upstream, algorithms);
        for (before, client) in clients.iter().enumerate() {
            let statuses = python(client, &gate, gate.address, MANY);
            assert_eq!(statuses, [200; MANY + 1], "{client} with {algorithms}: {}", gate.log());
            assert_eq!(challenges(&gate.log()), (before + 1, 0), "{client} with {algorithms}");
        }
    }
}

#[test]
fn curl_logs_in_with_a_hundred_transfers_at_the_same_time() {
    let upstream = Upstream::start();
    for algorithms in ["SHA-256", "MD5", "SHA-256-sess", "MD5-sess", "SHA-256, MD5"] {
        let gate = offering(&upstream, algorithms);
        let before = upstream.requests().len();
        let user = format!("alice:{PASSWORD}");
        let output = gate.curl("/[1-100]", &["--digest", "-u", &user, "--parallel", "--parallel-max", "50"]);
        assert_eq!(output.exit, 0, "{algorithms}: {output:?}");
        assert_eq!(upstream.requests().len(), before + 100, "{algorithms}: {}", gate.log());
    }
}

#[test]
fn a_browser_logs_in_once_for_a_page_of_a_hundred_parts() {
    let upstream = Upstream::answering(|exchange| {
        if exchange.request.target() == "/login" {
            // From here on no URL holds the password: where one does, the browser waits for each to be asked for.
            let host = exchange.request.header("host").unwrap();
            exchange.send(format!("HTTP/1.1 302 Found\r\nLocation: https://{host}/page\r\nContent-Length: 0\r\n\r\n"));
            return;
        }
        let (kind, body) = match exchange.request.target() {
            "/page" => {
                let parts = (0..MANY).map(|number| format!("<script async src=/part/{number}></script>"));
                let script = "<script>let parts = 0</script>";
                (
                    "text/html",
                    format!("<!doctype html><title>Mail</title>{script}<p id=n></p>{}", parts.collect::<String>()),
                )
            }
            target if target.starts_with("/part/") => {
                ("text/javascript", "document.getElementById('n').textContent = `parts: ${++parts}`".to_owned())
            }
            _ => ("text/plain", String::new()),
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        exchange.send(head + &body);
    });
    for algorithms in ["SHA-256, MD5", "MD5"] {
        let gate = offering(&upstream, algorithms);
        let page = Browser::new(&gate).open_as(&gate, &format!("alice:{PASSWORD}"), "/login");
        assert!(page.contains(&format!("parts: {MANY}")), "{algorithms}: {page}\n{}", gate.log());
        assert_eq!(challenges(&gate.log()), (1, 0), "{algorithms}: {}", gate.log());
    }
}

#[test]
fn behind_a_balancer_without_affinity_a_client_is_asked_once() {
    let upstream = Upstream::start();
    let setup = Setup::before(&upstream).file("nonce.secret", "a secret for tests alone\n");
    let gate = with_password(setup, "{ realm: example.org, nonce: { secret: { file: nonce.secret } } }");
    let twin = gate.twin();
    let front = unused_address();
    let configuration = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n\
         listen gates\n bind {front}\n balance roundrobin\n server one {}\n server two {}\n",
        gate.address, twin.address
    );
    std::fs::write(gate.folder().join("haproxy.cfg"), configuration).unwrap();
    let mut haproxy =
        Process::start(Command::new("haproxy").arg("-db").arg("-f").arg(gate.folder().join("haproxy.cfg")));
    eventually("HAProxy to accept connections", || {
        assert!(haproxy.ended().is_none(), "{}", haproxy.output());
        std::net::TcpStream::connect(front).ok()
    });
    let statuses = python("alternating", &gate, front, 20);
    assert_eq!(statuses, [200; 21], "{}", gate.log());
    let ((asked, stale), (asked_there, stale_there)) = (challenges(&gate.log()), challenges(&twin.process.output()));
    assert_eq!(asked + asked_there, 1, "asked again:\n{}\n{}", gate.log(), twin.process.output());
    assert!(stale > 0 && stale_there > 0, "both gates were reached: {stale} {stale_there}");
}
