//! What clients are offered in the handshake: versions, application protocols, the certificate of the name they
//! ask for. And what becomes of those who do not speak TLS, or not to the end.
#![cfg(test)]

mod common;

use common::pki::Leaf;
use common::raw::{Raw, status};
use common::setup::Setup;
use common::upstream::Upstream;
use rustls::version::{TLS12, TLS13};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

#[tokio::test]
async fn both_versions_are_spoken_and_the_newer_is_preferred() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    for (version, expected) in [(&TLS12, "TLSv1_2"), (&TLS13, "TLSv1_3")] {
        let stream = gate.alice().speaking(version).tls(&["http/1.1"]).await.unwrap();
        assert_eq!(format!("{:?}", stream.get_ref().1.protocol_version().unwrap()), expected);
        assert_eq!(gate.alice().speaking(version).get("/").await.status, 200, "{expected}");
    }
    let stream = gate.alice().tls(&["http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
}

#[tokio::test]
async fn a_listener_for_tls_1_3_alone_refuses_1_2() {
    let upstream = Upstream::start();
    let tls = "{ certificates: [{ chain: server.pem, key: server.key }], min_version: \"1.3\" }";
    let gate = Setup::before(&upstream).listener("tls", tls).start();
    assert!(gate.alice().speaking(&TLS12).tls(&["http/1.1"]).await.is_err());
    assert_eq!(gate.alice().get("/").await.status, 200);
    gate.log_line(&["127.0.0.1", "gate.example.org"]);
}

#[test]
fn versions_before_1_2_are_refused() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    for version in ["-tls1", "-tls1_1"] {
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &gate.address.to_string(), "-cipher", "ALL:@SECLEVEL=0", version])
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success(), "{version}: {}", String::from_utf8_lossy(&output.stdout));
    }
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &gate.address.to_string(), "-tls1_3", "-verify_return_error"])
        .args(["-servername", "gate.example.org", "-verify_hostname", "gate.example.org", "-CAfile"])
        .arg(gate.folder().join("ca.pem"))
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("Verify return code: 0"), "{text}");
    assert!(text.contains("Example Root"), "the authorities of the trust set are advertised: {text}");
}

#[tokio::test]
async fn the_application_protocol_is_the_one_both_know() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    for (offered, chosen) in [
        (vec!["h2", "http/1.1"], Some("h2")),
        (vec!["http/1.1", "h2"], Some("h2")),
        (vec!["http/1.1"], Some("http/1.1")),
        (vec![], None),
    ] {
        let stream = gate.alice().tls(&offered).await.unwrap();
        let got = stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        assert_eq!(got.as_deref(), chosen, "{offered:?}");
    }
    // A client that negotiates nothing speaks HTTP/1.1.
    let mut raw = Raw::offering(&gate.alice(), &[]);
    raw.send("GET / HTTP/1.1\r\nHost: gate.example.org\r\n\r\n");
    assert_eq!(status(&raw.read_head()), 200);
}

#[tokio::test]
async fn the_certificate_is_the_one_for_the_name_that_was_asked_for() {
    let upstream = Upstream::start();
    let setup = Setup::before(&upstream);
    let mail = setup.pki.root.issue(Leaf::server(&["mail.example.net"]));
    let wild = setup.pki.root.issue(Leaf::server(&["*.example.net"]));
    let tls = "{ certificates: [{ chain: server.pem, key: server.key }, { chain: mail.pem, key: mail.key }, \
                { chain: wild.pem, key: wild.key }] }";
    let first = setup.pki.server.chain[0].clone();
    let gate = setup.credential("mail", &mail).credential("wild", &wild).listener("tls", tls).start();
    for (name, expected) in [
        ("mail.example.net", &mail.chain[0]),
        ("MAIL.example.net", &mail.chain[0]),
        ("other.example.net", &wild.chain[0]),
        ("gate.example.org", &first),
        ("two.labels.example.net", &first),
        ("unknown.example.com", &first),
    ] {
        assert_eq!(&presented(&gate, Some(name)), expected, "{name}");
    }
    assert_eq!(presented(&gate, None), first, "without a name");
}

/// The certificate that the gate presents for a name, whether or not it is good for it.
fn presented(gate: &common::gate::Gate, name: Option<&str>) -> rustls_pki_types::CertificateDer<'static> {
    use rustls_pki_types::pem::PemObject;
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &gate.address.to_string()]);
    match name {
        Some(name) => command.args(["-servername", name]),
        None => command.arg("-noservername"),
    };
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    rustls_pki_types::CertificateDer::from_pem_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{name:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn plain_http_on_the_tls_port_gets_a_clear_answer() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    for request in
        ["GET / HTTP/1.1\r\nHost: gate.example.org\r\n\r\n", "OPTIONS * HTTP/1.0\r\n\r\n", "POST /x HTTP/1.1\r\n"]
    {
        let mut stream = TcpStream::connect(gate.address).unwrap();
        stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(status(&answer), 400, "{request}");
        assert!(answer.contains("https"), "it says what to do: {answer}");
    }
    assert!(upstream.requests().is_empty());
    gate.log_line(&["127.0.0.1", "HTTP"]);
}

#[test]
fn octets_that_are_neither_tls_nor_http_end_the_connection() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let cases: [&[u8]; 4] =
        [b"\0\0\0\0\0\0\0\0", b"SSH-2.0-client\r\n", b"\x16\x03\x01\xff\xff\xff\xff", b"\x80\x2e\x01\0\x02"];
    for octets in cases {
        let mut stream = TcpStream::connect(gate.address).unwrap();
        stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
        stream.write_all(octets).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.len() < 1024, "{octets:?}: {answer:?}");
    }
    assert_eq!(
        Raw::exchange(&gate.alice(), "GET / HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\n\r\n").get(..12),
        Some("HTTP/1.1 200")
    );
}

/// How long until the gate ends a connection on which nothing more comes.
fn until_closed(mut stream: impl Read) -> Duration {
    let start = Instant::now();
    let mut octets = Vec::new();
    let _ = stream.read_to_end(&mut octets);
    start.elapsed()
}

#[test]
fn a_handshake_that_does_not_come_to_its_end_is_cut_off() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).section("timeouts", "{ handshake: 1s }").start();
    let silent = TcpStream::connect(gate.address).unwrap();
    let mut begun = TcpStream::connect(gate.address).unwrap();
    // The header of a record that announces more than ever comes.
    begun.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").unwrap();
    for (what, stream) in [("silence", silent), ("half a ClientHello", begun)] {
        stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
        let took = until_closed(stream);
        assert!(took < Duration::from_secs(6), "{what}: {took:?}");
    }
    gate.log_line(&["127.0.0.1", "handshake"]);
}

#[test]
fn a_client_that_drips_its_handshake_gains_no_time() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).section("timeouts", "{ handshake: 1s }").start();
    let mut stream = TcpStream::connect(gate.address).unwrap();
    let start = Instant::now();
    for octet in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".iter().cycle() {
        if stream.write_all(&[*octet]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        assert!(start.elapsed() < Duration::from_secs(8), "the connection is still open");
    }
}

#[test]
fn a_request_head_that_drips_in_is_cut_off() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).section("timeouts", "{ request_head: 1s }").start();
    let mut raw = Raw::connect(&gate.alice());
    raw.send("GET /hidden HTTP/1.1\r\nHost: gate.example.org\r\n");
    let start = Instant::now();
    while raw.try_send("X-More: 1\r\n").is_ok() {
        std::thread::sleep(Duration::from_millis(100));
        assert!(start.elapsed() < Duration::from_secs(8), "the connection is still open");
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_connection_without_a_request_is_closed_after_its_time() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).section("timeouts", "{ request_head: 1s, idle: 2s }").start();
    let mut never = Raw::connect(&gate.alice());
    let start = Instant::now();
    assert_eq!(never.read_to_end(), "");
    assert!(start.elapsed() < Duration::from_secs(6), "no first request: {:?}", start.elapsed());

    for protocol in ["http/1.1", "h2"] {
        let mut raw = Raw::offering(&gate.alice(), &[protocol]);
        if protocol == "http/1.1" {
            raw.send("GET / HTTP/1.1\r\nHost: gate.example.org\r\n\r\n");
            raw.read_response();
        } else {
            raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
        }
        let start = Instant::now();
        raw.read_to_end();
        let took = start.elapsed();
        assert!(took > Duration::from_millis(900) && took < Duration::from_secs(8), "{protocol}: {took:?}");
    }
}
